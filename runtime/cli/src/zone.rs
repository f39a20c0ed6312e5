//! A whole zone in one folder, for the demo: authority, enclave, running server, and clients with certificates.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use glovebox_api::{EnclaveKey, NewPrincipal};
use glovebox_catalog::{Organisation, OrganisationId, OrganisationKind, PrincipalId, Role};
use glovebox_client::{Access, Client, Suites};
use glovebox_engine::{Bootstrap, Config as EngineConfig, Engine};
use glovebox_gm::pki::Algorithm;
use glovebox_server::{Config, Server, ServerError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::authority::{Authorities, Beginning, Subject, write_secret};
use crate::connection::{TlsChoice, read};
use crate::tls_files::Sources;

/// Days that a trial lasts at most.
const DAYS: u32 = 30;

/// A person of the zone.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    /// Id and CN.
    pub(crate) id: &'static str,
    /// Name.
    pub(crate) name: &'static str,
    /// Organisation.
    pub(crate) organisation: &'static str,
    /// Role.
    pub(crate) role: Role,
}

impl Person {
    pub(crate) fn filed(&self) -> anyhow::Result<NewPrincipal> {
        Ok(NewPrincipal {
            id: PrincipalId::new(self.id)?,
            name: self.name.to_owned(),
            organisation: OrganisationId::new(self.organisation)?,
            roles: [self.role].into(),
        })
    }
}

/// An organisation of the zone, in the jurisdiction CN.
pub(crate) fn organisation(id: &str, name: &str, kind: OrganisationKind) -> anyhow::Result<Organisation> {
    Ok(Organisation { id: OrganisationId::new(id)?, name: name.to_owned(), kind, jurisdiction: "CN".to_owned() })
}

/// A zone whose server runs in this process.
pub(crate) struct Zone {
    /// Everything of the zone is below it.
    pub(crate) folder: PathBuf,
    /// Of the REST interface.
    pub(crate) address: SocketAddr,
    /// Of metrics and health.
    pub(crate) admin: SocketAddr,
    /// The enclave's public key.
    pub(crate) key: EnclaveKey,
    authorities: Authorities,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), ServerError>>,
}

impl Zone {
    /// Makes authority and enclave in `folder` and starts the server on free loopback ports.
    pub(crate) async fn start(folder: &Path, operator: Organisation, officer: &Person) -> anyhow::Result<Self> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let pki = folder.join("pki");
        let beginning = Beginning { name: "demo", server_names: &names, days: DAYS, list_days: DAYS, passphrase: None };
        let authorities = Authorities::create(&pki, &Algorithm::ALL, &beginning)?;
        let secret = glovebox_gm::SigningKey::generate()?.verifying_key().fingerprint().to_string();
        write_secret(&folder.join("passphrase"), &secret)?;
        let mut config = EngineConfig::new(folder.join("enclave"));
        // The passphrase is random, so nobody guesses it however few the rounds.
        config.passphrase_iterations = 10_000;
        let bootstrap = Bootstrap { organisation: operator, principal: officer.filed()? };
        // Keys are derived from the passphrase on purpose slowly.
        let engine =
            tokio::task::spawn_blocking(move || Engine::create(config, secret.as_bytes(), bootstrap)).await??;
        let key = engine.key()?;
        let tls = Sources::folder(&pki).tls(TlsChoice::Auto)?;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(Config::new(free, free, tls), engine).await?;
        let (address, admin) = (server.address(), server.admin_address());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = server.run(async move {
            let _ = stopped.await;
        });
        let server = tokio::spawn(running);
        Ok(Self { folder: folder.to_owned(), address, admin, key, authorities, stop, server })
    }

    /// Issues a certificate of each kind, and gives the client with the SM2 one: it speaks RFC 8998, or nothing.
    pub(crate) fn admit(&mut self, person: &Person) -> anyhow::Result<Client> {
        let roles = vec![person.role.as_str().to_owned()];
        let subject = Subject { common_name: person.id, organisation: person.organisation, roles };
        let folder = self.authorities.issue(&subject, DAYS - 1, None)?.folder;
        let pem = |name: &str| read(&folder.join("gm").join(name));
        Ok(Client::connect(Access {
            server: self.url(),
            authority_pem: pem("ca.pem")?,
            certificate_pem: pem("cert.pem")?,
            key_pem: pem("key.pem")?,
            key_passphrase: None,
            tls: Some(Suites::Gm),
        })?)
    }

    /// Where the server is.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Stops the server in order.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let _ = self.stop.send(());
        Ok(self.server.await.context("the server broke off")??)
    }
}
