//! The server under test: one port, a configuration of each kind, chosen by the ClientHello as the real server does.
//!
//! After the handshake it answers lines: `echo TEXT`, `send N` (N digits), `take N` (then N bytes; answers their SM3),
//! `exporter`, `update` (fresh traffic keys), `close`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use glovebox_gm::pki::Identity;
use glovebox_tls::{Authorities, Credentials, Suites, client_verifier, explain, negotiated, server_config};
use rustls::server::{Acceptor, ServerConfig, ServerConnection};
use rustls::{CommonState, HandshakeKind, StreamOwned};

use crate::peer::PATIENCE;
use crate::zone::{Side, credentials};

/// What both sides export after a handshake, under this label and without context.
pub(crate) const EXPORTER_LABEL: &str = "EXPERIMENTAL-glovebox-test";
pub(crate) const EXPORTER_LENGTH_BYTES: usize = 32;

/// The end of a handshake as this side saw it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Handshake {
    /// As [`negotiated`] says it.
    pub(crate) negotiated: String,
    pub(crate) kind: HandshakeKind,
    /// CN of the peer's certificate.
    pub(crate) peer: String,
}

impl Handshake {
    pub(crate) fn of(state: &CommonState) -> Self {
        let chain = state.peer_certificates().expect("a peer always has a certificate");
        let peer = Identity::from_der(&chain[0]).unwrap().common_name;
        Self { negotiated: negotiated(state).unwrap(), kind: state.handshake_kind().unwrap(), peer }
    }
}

/// What happened to one connection: [`Event::Refused`], or [`Event::Welcomed`] and later [`Event::Ended`].
#[derive(Debug)]
pub(crate) enum Event {
    /// In the operator's words.
    Refused(String),
    Welcomed(Handshake),
    /// How the conversation ended: by the peer's farewell, or by a fault in the operator's words.
    Ended(Result<(), String>),
}

/// Configurations, at least one.
#[derive(Clone, Default)]
pub(crate) struct Configs {
    pub(crate) gm: Option<Arc<ServerConfig>>,
    pub(crate) standard: Option<Arc<ServerConfig>>,
}

impl Configs {
    /// The configuration of one side alone, with its server's certificate and its revocation list.
    pub(crate) fn of(side: &Side) -> Self {
        let config = config(&credentials(&side.server), &side.authorities(), &side.revoked);
        match side.suites {
            Suites::Gm => Self { gm: config, standard: None },
            Suites::Standard => Self { gm: None, standard: config },
        }
    }

    /// RFC 8998 alone.
    pub(crate) fn gm(server: &Credentials, authorities: &Authorities, revoked_pem: &str) -> Self {
        Self { gm: config(server, authorities, revoked_pem), standard: None }
    }

    pub(crate) fn both(gm: &Side, standard: &Side) -> Self {
        Self { gm: Self::of(gm).gm, standard: Self::of(standard).standard }
    }

    /// What this server takes for a hello: of its kind, else what there is, which then refuses it with an alert.
    fn choose(&self, suites: Suites) -> Arc<ServerConfig> {
        let (asked, other) = match suites {
            Suites::Gm => (&self.gm, &self.standard),
            Suites::Standard => (&self.standard, &self.gm),
        };
        asked.as_ref().or(other.as_ref()).expect("a server has a configuration").clone()
    }
}

fn config(server: &Credentials, authorities: &Authorities, revoked_pem: &str) -> Option<Arc<ServerConfig>> {
    let verifier = client_verifier(server.suites(), authorities, revoked_pem).unwrap();
    Some(Arc::new(server_config(server, verifier).unwrap()))
}

/// A server that runs as long as the test does.
pub(crate) struct Enclave {
    pub(crate) address: SocketAddr,
    events: Receiver<Event>,
}

impl Enclave {
    pub(crate) fn start(configs: Configs) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (report, events) = channel();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (configs, report) = (configs.clone(), report.clone());
                std::thread::spawn(move || serve(socket.unwrap(), &configs, &report));
            }
        });
        Self { address, events }
    }

    pub(crate) fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("the server reports each connection")
    }

    pub(crate) fn welcomed(&self) -> Handshake {
        match self.next() {
            Event::Welcomed(handshake) => handshake,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn refused(&self) -> String {
        match self.next() {
            Event::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn ended(&self) -> Result<(), String> {
        match self.next() {
            Event::Ended(how) => how,
            other => panic!("{other:?}"),
        }
    }
}

fn serve(mut socket: TcpStream, configs: &Configs, report: &Sender<Event>) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    // The test may be over by the time that this is told.
    let event = match shake_hands(&mut socket, configs) {
        Err(why) => Event::Refused(why),
        Ok(connection) => {
            let _ = report.send(Event::Welcomed(Handshake::of(&connection)));
            let mut stream = StreamOwned::new(connection, &mut socket);
            let how = converse(&mut stream).map_err(|fault| in_words(&fault));
            Event::Ended(how)
        }
    };
    // Closing a socket with unread bytes resets it, and the alert would be lost with it.
    let _ = socket.shutdown(Shutdown::Write);
    let _ = io::copy(&mut socket, &mut io::sink());
    let _ = report.send(event);
}

fn shake_hands(socket: &mut TcpStream, configs: &Configs) -> Result<ServerConnection, String> {
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        if acceptor.read_tls(socket).map_err(|fault| in_words(&fault))? == 0 {
            return Err("the peer left before its hello".into());
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => break accepted,
            Err((fault, mut alert)) => {
                let _ = alert.write_all(socket);
                return Err(explain(&fault));
            }
        }
    };
    let config = configs.choose(Suites::of_hello(&accepted.client_hello()));
    let mut connection = accepted.into_connection(config).map_err(|(fault, mut alert)| {
        let _ = alert.write_all(socket);
        explain(&fault)
    })?;
    while connection.is_handshaking() {
        connection.complete_io(socket).map_err(|fault| in_words(&fault))?;
    }
    Ok(connection)
}

/// A fault of TLS in the operator's words, another one by its kind.
pub(crate) fn in_words(fault: &io::Error) -> String {
    let tls = fault.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    tls.map_or_else(|| format!("{:?}", fault.kind()), explain)
}

fn converse(stream: &mut StreamOwned<ServerConnection, &mut TcpStream>) -> io::Result<()> {
    while let Some(line) = read_line(stream)? {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb {
            "echo" => answer(stream, rest)?,
            "send" => stream.write_all(&digits(rest.parse().unwrap()))?,
            "take" => {
                let mut taken = vec![0; rest.parse().unwrap()];
                stream.read_exact(&mut taken)?;
                answer(stream, &format!("taken {}", glovebox_gm::sm3(&taken)))?;
            }
            "exporter" => {
                let key = [0; EXPORTER_LENGTH_BYTES];
                let key = stream.conn.export_keying_material(key, EXPORTER_LABEL.as_bytes(), None).unwrap();
                answer(stream, &key.map(|byte| format!("{byte:02X}")).concat())?;
            }
            "update" => {
                stream.conn.refresh_traffic_keys().unwrap();
                answer(stream, "updated")?;
            }
            "close" => {
                stream.conn.send_close_notify();
                return stream.flush();
            }
            _ => panic!("the test said `{line}`"),
        }
        stream.flush()?;
    }
    Ok(())
}

/// One line in one record.
fn answer(stream: &mut impl Write, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())
}

/// None at the peer's farewell.
fn read_line(stream: &mut impl Read) -> io::Result<Option<String>> {
    let (mut line, mut byte) = (String::new(), [0]);
    loop {
        match stream.read(&mut byte)? {
            0 if line.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if byte == *b"\n" => return Ok(Some(line)),
            _ => line.push(char::from(byte[0])),
        }
    }
}

/// So many digits, always the same ones. Digits, since OpenSSL takes some letters at the start of its input for
/// commands.
pub(crate) fn digits(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'0' + u8::try_from(state % 10).unwrap()
    };
    std::iter::repeat_with(next).take(length).collect()
}
