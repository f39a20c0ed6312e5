//! A zone to measure in: an authority, an enclave with one person of each kind on file, and its server.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use glovebox_api::{Decision, NewPrincipal};
use glovebox_catalog::{
    Budget, Capacity, DatasetId, DatasetScope, Grant, GrantTerms, LegalBasis, Organisation, OrganisationId,
    OrganisationKind, PrincipalId, Purpose, Recipient, Role, Timestamp,
};
use glovebox_client::{Access, Client, Retries};
use glovebox_engine::{Bootstrap, Config, Engine};
use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request};
use glovebox_server::{Server, Tls, TlsFiles};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const DAY_MS: i64 = 86_400_000;

/// Who is on file: id, organisation, its kind, role. The first one makes the enclave.
const PEOPLE: [(&str, &str, OrganisationKind, Role); 5] = [
    ("officer", "zone-ops", OrganisationKind::Operator, Role::SecurityOfficer),
    ("operator", "zone-ops", OrganisationKind::Operator, Role::Operator),
    ("supplier", "hospital-a", OrganisationKind::Supplier, Role::Supplier),
    ("developer", "company-c", OrganisationKind::Developer, Role::Developer),
    ("reviewer", "board", OrganisationKind::ReviewBoard, Role::Reviewer),
];

/// A server in this process, over an enclave in a folder that goes with it.
pub(crate) struct Zone {
    folder: tempfile::TempDir,
    authority: Authority,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<()>>,
}

impl Zone {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::create(Algorithm::P256, "zone", now_unix_ms()? - DAY_MS, 30)?;
        let [(id, organisation_id, kind, role), ..] = PEOPLE;
        let bootstrap = Bootstrap {
            organisation: organisation(organisation_id, kind)?,
            principal: person(id, organisation_id, role)?,
        };
        // The work is measured, not the coarse clock at which its end shows.
        let config = Config { pace_step: Duration::ZERO, ..Config::new(folder.path().join("state")) };
        let create = move || Engine::create(config, b"correct horse battery staple", bootstrap);
        let engine = tokio::task::spawn_blocking(create).await??;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = glovebox_server::Config::new(any, any, tls_files(folder.path(), &authority)?);
        let server = Server::bind(config, engine).await?;
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let stopped = async {
                // A dropped sender asks for the same as a message.
                let _ = stopped.await;
            };
            Ok(server.run(stopped).await?)
        });
        let zone = Self { folder, authority, address, stop, running };
        zone.file_people().await?;
        Ok(zone)
    }

    /// Stops the server and removes the enclave.
    pub(crate) async fn stop(self) -> Result<()> {
        // When the server has ended already, its own error says why.
        let _ = self.stop.send(());
        self.running.await??;
        Ok(self.folder.close()?)
    }

    /// A client as someone on file.
    pub(crate) fn client(&self, id: &str) -> Result<Client> {
        let (_, organisation, _, role) = PEOPLE.into_iter().find(|person| person.0 == id).context("not on file")?;
        let issued = issue(&self.authority, id, organisation, &[role.as_str()], Kind::Client)?;
        let access = Access {
            server: format!("https://localhost:{}", self.address.port()),
            authority_pem: self.authority.cert_pem().to_owned(),
            certificate_pem: issued.cert_pem.clone(),
            key_pem: issued.key_pem.expose().to_owned(),
            key_passphrase: None,
            tls: None,
        };
        Ok(Client::connect(access)?.with_retries(Retries::NONE))
    }

    async fn file_people(&self) -> Result<()> {
        let officer = self.client("officer")?;
        for (id, organisation_id, kind, role) in PEOPLE.into_iter().skip(1) {
            if organisation_id != "zone-ops" {
                officer.create_organisation(&organisation(organisation_id, kind)?).await?;
            }
            officer.create_principal(&person(id, organisation_id, role)?).await?;
        }
        Ok(())
    }

    /// A grant of `fields` to the developer, approved by all who must, with a budget that no measurement uses up.
    pub(crate) async fn grant(&self, dataset: &DatasetId, fields: &[&str]) -> Result<Grant> {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let recipient = Recipient { organisation: OrganisationId::new("company-c")?, jurisdiction: "CN".into() };
        let terms = GrantTerms {
            title: "Measurement".into(),
            purpose: Purpose::Research,
            basis: LegalBasis::PublicOrAnonymised,
            scopes: vec![DatasetScope { dataset: dataset.clone(), fields, filter: None }],
            valid_from: Timestamp::from_unix_ms(now_unix_ms()? - DAY_MS),
            valid_until: Timestamp::from_unix_ms(now_unix_ms()? + DAY_MS),
            recipients: vec![recipient],
            budget: Budget {
                jobs_max: 1 << 40,
                releases_max: 1 << 40,
                claims_max: 1 << 40,
                cells_max: 1 << 40,
                bytes_out_max: 1 << 50,
                fuel_max_units: 1 << 62,
                rows_max: 1 << 50,
                leakage_bits_max: 1 << 50,
                epsilon_max: glovebox_catalog::Epsilon::ZERO,
            },
            disclosure_profile: "default".into(),
            isolations: glovebox_catalog::automatic_isolations(),
            review_required: false,
            agreement_sm3: "0".repeat(64),
        };
        let grant = self.client("developer")?.propose_grant(&terms).await?;
        let why = Decision { comment: "to be measured".into() };
        self.client("supplier")?.approve_grant(&grant.id, Some(Capacity::Supplier), &why).await?;
        Ok(self.client("reviewer")?.approve_grant(&grant.id, None, &why).await?)
    }
}

/// The server's certificate and key, the authority and its empty list of revocations, in `folder`.
fn tls_files(folder: &std::path::Path, authority: &Authority) -> Result<Tls> {
    let path = |name: &str| folder.join(name);
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let issued = issue(authority, "enclave", "zone-ops", &[], Kind::Server { names })?;
    let now = now_unix_ms()?;
    std::fs::write(path("ca.pem"), authority.cert_pem())?;
    std::fs::write(path("server.pem"), &issued.cert_pem)?;
    std::fs::write(path("server.key"), issued.key_pem.expose())?;
    std::fs::write(path("revoked.pem"), authority.crl(&[], 1, now - 1000, now + DAY_MS)?)?;
    let files = TlsFiles::new(path("server.pem"), path("server.key"), path("ca.pem"), path("revoked.pem"));
    Ok(Tls::new(None, Some(files)))
}

fn issue(authority: &Authority, name: &str, organisation: &str, roles: &[&str], kind: Kind) -> Result<Issued> {
    Ok(authority.issue(&Request {
        common_name: name.into(),
        organisation: organisation.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        kind,
        valid_from_unix_ms: now_unix_ms()? - DAY_MS / 2,
        days: 2,
    })?)
}

fn organisation(id: &str, kind: OrganisationKind) -> Result<Organisation> {
    Ok(Organisation { id: OrganisationId::new(id)?, name: id.to_owned(), kind, jurisdiction: "CN".into() })
}

fn person(id: &str, organisation: &str, role: Role) -> Result<NewPrincipal> {
    Ok(NewPrincipal {
        id: PrincipalId::new(id)?,
        name: id.to_owned(),
        organisation: OrganisationId::new(organisation)?,
        roles: [role].into(),
    })
}

fn now_unix_ms() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
