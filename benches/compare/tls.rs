//! TLS in memory, both sides on one core: RFC 8998 beside P-256 with AES-128-GCM, as rustls and ring have it.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use glovebox_benches::clock::{Work, cpu_best_of_all};
use glovebox_benches::figure::Figure;
use glovebox_gm::pki::{Algorithm, Authority, Kind, Request};
use glovebox_tls::{
    Authorities, Credentials, Suites, client_config, client_verifier, negotiated, provider, server_config,
};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CipherSuite, ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};

const ROUNDS: u32 = 7;
const HANDSHAKES: u32 = 20;
const BULK_BYTES: usize = 32 << 20;
/// What the server hands over at a time.
const WRITE_BYTES: usize = 64 << 10;
const NAME: &str = "enclave.example";

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let (gm, standard) = (Pair::new(Suites::Gm)?, Pair::new(Suites::Standard)?);
    let (ours, theirs) = (gm.agreed()?, standard.agreed()?);
    let mut figures = Vec::new();
    for meeting in [Meeting::First, Meeting::Again, Meeting::Resumed] {
        let mut works = [gm.handshaking(meeting)?, standard.handshaking(meeting)?];
        let taken = cpu_best_of_all(ROUNDS, &mut works)?;
        let rate = |taken: &Duration| f64::from(HANDSHAKES) / taken.as_secs_f64();
        if let [gm, standard] = taken.as_slice() {
            let name = format!("mutual handshakes, {}: {ours}", meeting.name());
            figures.push(Figure::new(name, rate(gm), "a second").beside(theirs.clone(), rate(standard)));
        }
    }
    let mut works = [gm.downloading()?, standard.downloading()?];
    let taken = cpu_best_of_all(ROUNDS, &mut works)?;
    let rate = |taken: &Duration| BULK_BYTES as f64 / taken.as_secs_f64() / 1e6;
    if let [gm, standard] = taken.as_slice() {
        let name = format!("download, both sides: {ours}");
        figures.push(Figure::new(name, rate(gm), "MB/s").beside(theirs, rate(standard)));
    }
    Ok(figures)
}

/// What two sides know of each other. A process remembers which certificates it found good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meeting {
    First,
    Again,
    Resumed,
}

impl Meeting {
    fn name(self) -> &'static str {
        match self {
            Self::First => "strangers",
            Self::Again => "who met before, full",
            Self::Resumed => "resumed with a fresh key share",
        }
    }
}

/// Configurations that fit each other.
struct Pair {
    suites: Suites,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    client_once: Arc<ClientConfig>,
}

impl Pair {
    fn new(suites: Suites) -> Result<Self> {
        let algorithm = match suites {
            Suites::Gm => Algorithm::Sm2,
            Suites::Standard => Algorithm::P256,
        };
        let now = i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_millis())? - 60_000;
        let authority = Authority::create(algorithm, "bench", now, 30)?;
        let request = |common_name: &str, kind| Request {
            common_name: common_name.to_owned(),
            organisation: "bench".to_owned(),
            roles: Vec::new(),
            kind,
            valid_from_unix_ms: now,
            days: 7,
        };
        let server = authority.issue(&request("enclave", Kind::Server { names: vec![NAME.to_owned()] }))?;
        let client = authority.issue(&request("lin.wei", Kind::Client))?;
        let revocations = authority.crl(&[], 1, now, now + 7 * 86_400_000)?;
        let authorities = Authorities::from_pem(authority.cert_pem(), suites)?;
        let verifier = client_verifier(suites, &authorities, &revocations)?;
        let credentials = Credentials::from_pem(&server.cert_pem, server.key_pem.expose(), None)?;
        let server = Arc::new(server_config(&credentials, verifier)?);
        let config = || match suites {
            Suites::Gm => {
                let credentials = Credentials::from_pem(&client.cert_pem, client.key_pem.expose(), None)?;
                anyhow::Ok(client_config(&credentials, &authorities)?)
            }
            Suites::Standard => aes_128(authority.cert_pem(), &client.cert_pem, client.key_pem.expose()),
        };
        let (client, mut client_once) = (config()?, config()?);
        client_once.resumption = Resumption::disabled();
        Ok(Self { suites, server, client: Arc::new(client), client_once: Arc::new(client_once) })
    }

    /// What the two agree on.
    fn agreed(&self) -> Result<String> {
        let (_, server) = self.connect(&self.client_once)?;
        negotiated(&server).context("a handshake")
    }

    fn connect(&self, client: &Arc<ClientConfig>) -> Result<(ClientConnection, ServerConnection)> {
        let mut client = ClientConnection::new(Arc::clone(client), ServerName::try_from(NAME)?)?;
        let mut server = ServerConnection::new(Arc::clone(&self.server))?;
        let mut wire = Vec::new();
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            ensure!(client.wants_write() || server.wants_write(), "the handshake stands still");
            carry(&mut client, &mut server, &mut wire)?;
            carry(&mut server, &mut client, &mut wire)?;
        }
        Ok((client, server))
    }

    fn handshaking(&self, meeting: Meeting) -> Result<Work<'_>> {
        let mut strangers = Vec::new();
        match meeting {
            Meeting::First => {
                for _ in 0..ROUNDS * HANDSHAKES {
                    strangers.push(Self::new(self.suites)?);
                }
            }
            // The first one leaves the tickets that the next ones resume.
            Meeting::Again | Meeting::Resumed => drop(self.connect(self.client(meeting))?),
        }
        Ok(Box::new(move || {
            for _ in 0..HANDSHAKES {
                let stranger = strangers.pop();
                let pair = stranger.as_ref().unwrap_or(self);
                let (_, server) = pair.connect(pair.client(meeting))?;
                let kind = server.handshake_kind().context("a handshake")?;
                let is_resumed = kind == rustls::HandshakeKind::Resumed;
                ensure!(is_resumed == (meeting == Meeting::Resumed), "the handshake was {kind:?}");
            }
            Ok(())
        }))
    }

    fn client(&self, meeting: Meeting) -> &Arc<ClientConfig> {
        if meeting == Meeting::Resumed { &self.client } else { &self.client_once }
    }

    fn downloading(&self) -> Result<Work<'_>> {
        let (mut client, mut server) = self.connect(&self.client_once)?;
        server.set_buffer_limit(None);
        let given = vec![0x5a; WRITE_BYTES];
        let (mut taken, mut wire) = (vec![0; WRITE_BYTES], Vec::new());
        Ok(Box::new(move || {
            for _ in 0..BULK_BYTES / WRITE_BYTES {
                server.writer().write_all(&given)?;
                let mut sent = 0;
                while server.wants_write() {
                    wire.clear();
                    server.write_tls(&mut wire)?;
                    let mut rest = wire.as_slice();
                    while !rest.is_empty() {
                        client.read_tls(&mut rest)?;
                        client.process_new_packets()?;
                        sent += available(&mut client, &mut taken)?;
                    }
                }
                ensure!(sent == WRITE_BYTES, "{sent} bytes came through");
            }
            Ok(())
        }))
    }
}

/// Takes what was decrypted.
fn available(client: &mut ClientConnection, into: &mut [u8]) -> Result<usize> {
    let mut taken = 0;
    loop {
        match client.reader().read(into) {
            Ok(0) => return Ok(taken),
            Ok(some) => taken += some,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(taken),
            Err(error) => return Err(error.into()),
        }
    }
}

fn carry<A, B>(from: &mut A, to: &mut B, wire: &mut Vec<u8>) -> Result<()>
where
    A: Into<Connection> + Side,
    B: Into<Connection> + Side,
{
    wire.clear();
    while from.write(wire)? {}
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to.read(&mut rest)?;
    }
    Ok(())
}

/// One side of a connection, whichever.
trait Side {
    fn write(&mut self, wire: &mut Vec<u8>) -> Result<bool>;
    fn read(&mut self, wire: &mut &[u8]) -> Result<()>;
}

macro_rules! side {
    ($connection:ty) => {
        impl Side for $connection {
            fn write(&mut self, wire: &mut Vec<u8>) -> Result<bool> {
                let wants = self.wants_write();
                if wants {
                    self.write_tls(wire)?;
                }
                Ok(wants)
            }

            fn read(&mut self, wire: &mut &[u8]) -> Result<()> {
                self.read_tls(wire)?;
                self.process_new_packets()?;
                Ok(())
            }
        }
    };
}

side!(ClientConnection);
side!(ServerConnection);

/// A standard client that offers AES-128-GCM alone, which is what SM4-GCM is measured beside.
fn aes_128(authority_pem: &str, cert_pem: &str, key_pem: &str) -> Result<ClientConfig> {
    let mut provider = provider(Suites::Standard).as_ref().clone();
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority_pem.as_bytes())?)?;
    let chain = vec![CertificateDer::from_pem_slice(cert_pem.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())?;
    Ok(ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?)
}
