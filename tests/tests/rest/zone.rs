//! A zone for the tests: an authority, an enclave with one organisation of each kind, and a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glovebox_api::{Decision, NewPrincipal};
use glovebox_catalog::{
    Budget, Capacity, Dataset, DatasetId, DatasetScope, Grant, GrantTerms, LegalBasis, Organisation, OrganisationId,
    OrganisationKind, PrincipalId, Purpose, Recipient, Role, Timestamp,
};
use glovebox_client::{Access, Client, Retries, Suites};
use glovebox_engine::{Bootstrap, Config, Engine};
use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request, Revoked};
use glovebox_server::{Limits, Server, Tls, TlsFiles};
use glovebox_tls::{Authorities, Credentials, client_config, provider};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const DAY_MS: i64 = 86_400_000;
pub(crate) const PASSPHRASE: &[u8] = b"correct horse battery staple";

/// Principals on file: id, organisation, its kind, role.
pub(crate) const PEOPLE: [(&str, &str, OrganisationKind, Role); 6] = [
    ("officer", "zone-ops", OrganisationKind::Operator, Role::SecurityOfficer),
    ("operator", "zone-ops", OrganisationKind::Operator, Role::Operator),
    ("supplier", "hospital-a", OrganisationKind::Supplier, Role::Supplier),
    ("developer", "company-c", OrganisationKind::Developer, Role::Developer),
    ("reviewer", "board", OrganisationKind::ReviewBoard, Role::Reviewer),
    ("regulator", "health-office", OrganisationKind::Regulator, Role::Regulator),
];

/// Its server speaks both kinds of suites, each with an authority of its own; its people speak one of them.
pub(crate) struct Zone {
    pub(crate) folder: tempfile::TempDir,
    /// What people speak, unless a test says otherwise.
    pub(crate) suites: Suites,
    /// The authority of these people's certificates.
    pub(crate) authority: Authority,
    /// The authority of the other suites.
    pub(crate) other: Authority,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

pub(crate) fn now_unix_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

impl Zone {
    /// One worker, the server's default limits; people speak the standard suites.
    pub(crate) async fn start() -> Self {
        Self::start_with(Limits::default(), |_| {}).await
    }

    /// The same for people who speak `suites`.
    pub(crate) async fn start_over(suites: Suites, limits: Limits) -> Self {
        let zone = Self::start_empty_over(suites, limits, |_| {}).await;
        zone.file_people().await;
        zone
    }

    pub(crate) async fn start_with(limits: Limits, change: impl FnOnce(&mut Config)) -> Self {
        let zone = Self::start_empty(limits, change).await;
        zone.file_people().await;
        zone
    }

    /// With nobody on file but the security officer.
    pub(crate) async fn start_empty(limits: Limits, change: impl FnOnce(&mut Config)) -> Self {
        Self::start_empty_over(Suites::Standard, limits, change).await
    }

    async fn start_empty_over(suites: Suites, limits: Limits, change: impl FnOnce(&mut Config)) -> Self {
        // reqwest takes the provider of the process, for connections in the clear.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let make = |algorithm| Authority::create(algorithm, "zone", now_unix_ms() - 30 * DAY_MS, 365).unwrap();
        let (gm, standard) = (make(Algorithm::Sm2), make(Algorithm::P256));
        let (authority, other) = if suites == Suites::Gm { (gm, standard) } else { (standard, gm) };
        let mut config = Config::new(folder.path().join("state"));
        config.workers = 1;
        config.passphrase_iterations = 10_000;
        // How long a run took is no secret in these tests.
        config.pace_step = Duration::ZERO;
        change(&mut config);
        let (id, organisation, kind, role) = PEOPLE[0];
        let bootstrap =
            Bootstrap { organisation: organisation_of(organisation, kind), principal: person(id, organisation, role) };
        let engine = tokio::task::spawn_blocking(move || Engine::create(config, PASSPHRASE, bootstrap)).await.unwrap();
        let unset = "127.0.0.1:0".parse().unwrap();
        let mut zone =
            Self { folder, suites, authority, other, address: unset, admin: unset, stop: None, running: None };
        for authority in [&zone.authority, &zone.other] {
            zone.write_server_files(authority);
            zone.write_list(authority, &[], 1);
        }
        zone.serve(engine.unwrap(), limits).await;
        zone
    }

    async fn serve(&mut self, engine: Engine, limits: Limits) {
        let files = |algorithm| {
            let path = |name: &str| self.path(algorithm, name);
            TlsFiles::new(path("server.pem"), path("server.key"), path("ca.pem"), path("revoked.pem"))
        };
        let mut tls = Tls::new(Some(files(Algorithm::Sm2)), Some(files(Algorithm::P256)));
        tls.poll_interval = Duration::from_millis(50);
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = glovebox_server::Config::new(any, any, tls);
        config.limits = limits;
        config.shutdown_grace = Duration::from_secs(2);
        let server = Server::bind(config, engine).await.unwrap();
        (self.address, self.admin) = (server.address(), server.admin_address());
        let (stop, stopped) = oneshot::channel::<()>();
        self.stop = Some(stop);
        self.running = Some(tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            server.run(stopped).await.unwrap();
        }));
    }

    fn path(&self, algorithm: Algorithm, name: &str) -> PathBuf {
        let prefix = if algorithm == Algorithm::Sm2 { "gm-" } else { "" };
        self.folder.path().join(format!("{prefix}{name}"))
    }

    fn write_server_files(&self, authority: &Authority) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let issued = issue(authority, "enclave", "zone-ops", &[], Kind::Server { names }, 1, 30);
        let write = |name, text: &str| std::fs::write(self.path(authority.algorithm(), name), text).unwrap();
        write("ca.pem", authority.cert_pem());
        write("server.pem", &issued.cert_pem);
        write("server.key", issued.key_pem.expose());
    }

    /// Asks the server to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.ask_to_stop();
        self.finished().await;
    }

    /// Waits until the server has stopped.
    pub(crate) async fn finished(&mut self) {
        self.running.take().unwrap().await.unwrap();
    }

    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn file_people(&self) {
        let officer = self.client("officer");
        for (id, organisation, kind, role) in PEOPLE.into_iter().skip(1) {
            if organisation != "zone-ops" {
                officer.create_organisation(&organisation_of(organisation, kind)).await.unwrap();
            }
            officer.create_principal(&person(id, organisation, role)).await.unwrap();
        }
    }

    pub(crate) fn issue(
        &self,
        common_name: &str,
        organisation: &str,
        roles: &[&str],
        kind: Kind,
        since_days: i64,
        days: u32,
    ) -> Issued {
        issue(&self.authority, common_name, organisation, roles, kind, since_days, days)
    }

    /// A certificate of someone on file.
    pub(crate) fn certificate(&self, id: &str) -> Issued {
        Self::certificate_of(&self.authority, id)
    }

    /// One by this authority.
    pub(crate) fn certificate_of(authority: &Authority, id: &str) -> Issued {
        let (_, organisation, _, role) = PEOPLE.into_iter().find(|person| person.0 == id).unwrap();
        issue(authority, id, organisation, &[role.as_str()], Kind::Client, 1, 30)
    }

    pub(crate) fn revoke(&self, issued: &[&Issued], number: u64) {
        self.write_list(&self.authority, issued, number);
    }

    fn write_list(&self, authority: &Authority, issued: &[&Issued], number: u64) {
        let now = now_unix_ms();
        let revoked: Vec<_> = issued
            .iter()
            .map(|issued| Revoked { serial_hex: issued.serial_hex.clone(), at_unix_ms: now - 1000 })
            .collect();
        let list = authority.crl(&revoked, number, now - 1000, now + 30 * DAY_MS).unwrap();
        let blank = "\n".repeat(usize::try_from(number).unwrap());
        std::fs::write(self.path(authority.algorithm(), "revoked.pem"), format!("{list}\n{blank}")).unwrap();
    }

    /// A client as someone on file, which does not repeat its calls.
    pub(crate) fn client(&self, id: &str) -> Client {
        self.client_with(&self.certificate(id))
    }

    pub(crate) fn client_with(&self, issued: &Issued) -> Client {
        self.client_of(&self.authority, issued)
    }

    /// A client with a certificate of this authority, which speaks the suites of that.
    pub(crate) fn client_of(&self, authority: &Authority, issued: &Issued) -> Client {
        let access = Access {
            server: format!("https://localhost:{}", self.address.port()),
            authority_pem: authority.cert_pem().to_owned(),
            certificate_pem: issued.cert_pem.clone(),
            key_pem: issued.key_pem.expose().to_owned(),
            key_passphrase: None,
            tls: None,
        };
        Client::connect(access).unwrap().with_retries(Retries::NONE)
    }

    /// A plain HTTP client with a certificate, for what a well-behaved client does not send.
    pub(crate) fn raw(&self, issued: Option<&Issued>) -> reqwest::Client {
        let config = self.tls_config(issued);
        reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap()
    }

    /// TLS of a client, with a certificate or without.
    pub(crate) fn tls_config(&self, issued: Option<&Issued>) -> ClientConfig {
        if let Some(issued) = issued {
            let credentials = Credentials::from_pem(&issued.cert_pem, issued.key_pem.expose(), None).unwrap();
            let authorities = Authorities::from_pem(self.authority.cert_pem(), self.suites).unwrap();
            return client_config(&credentials, &authorities).unwrap();
        }
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.cert_pem().as_bytes()).unwrap()).unwrap();
        ClientConfig::builder_with_provider(provider(self.suites))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    pub(crate) async fn metrics(&self) -> String {
        reqwest::get(format!("http://{}/metrics", self.admin)).await.unwrap().text().await.unwrap()
    }

    /// Files NHANES and takes in its table.
    pub(crate) async fn with_data(&self) -> Dataset {
        let text = std::fs::read_to_string(repository("examples/data/nhanes-2017/dataset.json")).unwrap();
        let dataset: Dataset = serde_json::from_str(&text).unwrap();
        self.client("supplier").register_dataset(&dataset).await.unwrap();
        dataset
    }

    pub(crate) fn table(&self) -> PathBuf {
        let folder = repository("examples/data/nhanes-2017");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|end| end == "csv")).unwrap()
    }

    /// A grant on the dataset for the developer, approved by all who must.
    pub(crate) async fn with_grant(&self, dataset: &DatasetId) -> Grant {
        self.granted(&terms(dataset)).await
    }

    /// A grant on these terms, approved by all who must.
    pub(crate) async fn granted(&self, terms: &GrantTerms) -> Grant {
        let grant = self.client("developer").propose_grant(terms).await.unwrap();
        let why = Decision { comment: "fine".into() };
        let supplier = self.client("supplier");
        supplier.approve_grant(&grant.id, Some(Capacity::Supplier), &why).await.unwrap();
        self.client("reviewer").approve_grant(&grant.id, None, &why).await.unwrap()
    }
}

fn issue(
    authority: &Authority,
    common_name: &str,
    organisation: &str,
    roles: &[&str],
    kind: Kind,
    since_days: i64,
    days: u32,
) -> Issued {
    let request = Request {
        common_name: common_name.into(),
        organisation: organisation.into(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        kind,
        valid_from_unix_ms: now_unix_ms() - since_days * DAY_MS,
        days,
    };
    authority.issue(&request).unwrap()
}

fn organisation_of(id: &str, kind: OrganisationKind) -> Organisation {
    Organisation { id: OrganisationId::new(id).unwrap(), name: id.to_owned(), kind, jurisdiction: "CN".into() }
}

fn person(id: &str, organisation: &str, role: Role) -> NewPrincipal {
    NewPrincipal {
        id: PrincipalId::new(id).unwrap(),
        name: id.to_owned(),
        organisation: OrganisationId::new(organisation).unwrap(),
        roles: [role].into(),
    }
}

pub(crate) fn terms(dataset: &DatasetId) -> GrantTerms {
    let fields = ["sex", "age_years", "bmi"].map(str::to_owned);
    GrantTerms {
        title: "Obesity by age".into(),
        purpose: Purpose::Research,
        basis: LegalBasis::PublicOrAnonymised,
        scopes: vec![DatasetScope { dataset: dataset.clone(), fields: fields.into(), filter: None }],
        valid_from: Timestamp::from_unix_ms(now_unix_ms() - DAY_MS),
        valid_until: Timestamp::from_unix_ms(now_unix_ms() + 30 * DAY_MS),
        recipients: vec![Recipient {
            organisation: OrganisationId::new("company-c").unwrap(),
            jurisdiction: "CN".into(),
        }],
        budget: Budget {
            jobs_max: 100,
            releases_max: 100,
            claims_max: 1 << 40,
            cells_max: 100_000,
            bytes_out_max: 1 << 30,
            fuel_max_units: 1 << 60,
            rows_max: 1 << 40,
            leakage_bits_max: 1 << 40,
            epsilon_max: glovebox_catalog::Epsilon::ZERO,
        },
        disclosure_profile: "default".into(),
        isolations: glovebox_catalog::automatic_isolations(),
        review_required: false,
        agreement_sm3: "0".repeat(64),
    }
}
