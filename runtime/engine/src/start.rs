//! Making, opening and stopping an enclave.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _};
use glovebox_api::{EnclaveKey, NewPrincipal};
use glovebox_audit::{Actor, Draft};
use glovebox_catalog::{Organisation, Principal, Role};
use glovebox_gm::SigningKey;
use glovebox_policy::{Authoriser, check_filing};
use glovebox_sandbox::Sandbox;
use glovebox_store::{Store, Survey};
use glovebox_vault::{RootKey, Vault};
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, HostTime, check_host_clock};
use crate::counters::Counters;
use crate::directory::check_line;
use crate::job::desk::Desk;
use crate::witnesses::Witnesses;
use crate::{Config, Engine, EngineError, Inner, defaults, identity};

const DATABASE: &str = "enclave.db";
/// What the store keeps beside the database.
const COUNTER: &str = "enclave.counter";
const VAULT: &str = "vault";
/// Stands in the state folder while an enclave is made there.
const UNFINISHED: &str = ".glovebox-unfinished";

/// The first organisation and its security officer, who files everyone else.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// The operator's organisation.
    pub organisation: Organisation,
    /// The security officer.
    pub principal: NewPrincipal,
}

impl Engine {
    /// Makes an enclave in the empty or missing folder `config.state`, sealed under `passphrase`.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] when the first principal is no security officer or the passphrase is short,
    /// [`EngineError::Internal`] when the folder can't be made or is not empty. What a stopped process left half made is
    /// made anew.
    pub fn create(config: Config, passphrase: &[u8], bootstrap: Bootstrap) -> Result<Self, EngineError> {
        let NewPrincipal { id, name, organisation, roles } = bootstrap.principal;
        let principal = Principal { id, name, organisation, roles, active: true };
        check_filing(&principal, &bootstrap.organisation)
            .map_err(|error| EngineError::Invalid(vec![error.refusal("the first principal")]))?;
        if principal.roles != BTreeSet::from([Role::SecurityOfficer]) {
            let rule = "the first principal is a security officer, who files everyone else";
            return Err(EngineError::invalid("policy.roles", rule, "the first principal", "give it that role alone"));
        }
        check_line("the first organisation's name", &bootstrap.organisation.name)?;
        check_line("the first principal's name", &principal.name)?;
        if passphrase.len() < 12 {
            let rule = "a passphrase has at least 12 bytes";
            return Err(EngineError::invalid(
                "key.passphrase-short",
                rule,
                "the passphrase file",
                "choose a longer one",
            ));
        }
        let state = make_folder(&config)?;
        let mut private = DirBuilder::new();
        private.mode(0o700);
        let made = state.create_dir_with(VAULT, &private);
        made.map_err(|error| EngineError::internal("make the vault's folder", error))?;
        let vault_folder = open_folder(&state, VAULT)?;
        let iterations = config.passphrase_iterations.max(10_000);
        let root = RootKey::from_passphrase_with(passphrase, iterations);
        let vault = Vault::create(vault_folder, &root)?;
        let identity = identity::create(&state, passphrase, iterations)?;
        let store = Store::create(&config.state.join(DATABASE), identity.state)?;
        let engine = Self::assemble(config, store, vault, identity.signing)?;
        let begun = |action: &str, resource: String| Draft::done(engine.now(), Actor::default(), action, resource);
        let fingerprint = engine.inner.key.verifying_key().fingerprint();
        let draft = begun("enclave.create", "enclave/enclave".to_owned()).with("enclave_key_sm3", fingerprint);
        engine.store().record(draft)?;
        let organisation = bootstrap.organisation;
        engine.store().put_organisation(
            &organisation,
            begun("organisation.create", format!("organisation/{}", organisation.id)),
        )?;
        engine.store().put_principal(&principal, begun("principal.create", format!("member/{}", principal.id)))?;
        engine.note_start()?;
        state
            .remove_file(UNFINISHED)
            .and_then(|()| state.open(".")?.sync_all())
            .map_err(|error| EngineError::internal("finish the state folder", error))?;
        Ok(engine)
    }

    /// Opens an enclave: verifies its log, finishes or removes what a crash left half done, and puts the jobs that had
    /// not ended back in the queue.
    ///
    /// # Errors
    /// [`EngineError::Internal`] when the folder holds no enclave, the passphrase does not open it, it is damaged, or the
    /// host's clock is earlier than its latest event (see [`crate::EarlierClock`]).
    pub fn open(config: Config, passphrase: &[u8]) -> Result<Self, EngineError> {
        if !Self::exists(&config) {
            let path = config.state.display();
            return Err(EngineError::Internal(format!("`{path}` holds no enclave; make one with `glovebox init`")));
        }
        let state = Dir::open_ambient_dir(&config.state, cap_std::ambient_authority())
            .map_err(|error| EngineError::internal("open the state folder", error))?;
        let identity = identity::open(&state, passphrase)?;
        let root = RootKey::from_passphrase(passphrase);
        let vault = Vault::open(open_folder(&state, VAULT)?, &root)?;
        let store = Store::open(&config.state.join(DATABASE), identity.state)?;
        check_host_clock(&store, config.earlier_clock.as_ref(), HostTime::now())?;
        let key = identity.signing;
        if let Some(head) = store.latest_signed_head()? {
            // The store has compared the head with its log; that the head is ours only the key can tell.
            head.verify(key.verifying_key()).map_err(|error| EngineError::internal("verify the log's head", error))?;
        }
        let engine = Self::assemble(config, store, vault, key)?;
        engine.recall_untold()?;
        engine.note_start()?;
        engine.recover()?;
        Ok(engine)
    }

    /// What the state in `config.state` says of itself, without the passphrase; none while a process has it open, or
    /// after one that did not close it.
    ///
    /// # Errors
    /// [`EngineError::Internal`] when it can't be read.
    pub fn survey(config: &Config) -> Result<Option<Survey>, EngineError> {
        Ok(glovebox_store::survey(&config.state.join(DATABASE))?)
    }

    /// Whether `config.state` holds an enclave.
    #[must_use]
    pub fn exists(config: &Config) -> bool {
        config.state.join(DATABASE).exists() && !config.state.join(UNFINISHED).exists()
    }

    /// Starts the workers that run jobs. Needs a tokio runtime.
    pub fn start(&self) {
        for _ in 0..self.inner.config.workers.max(1) {
            let engine = self.clone();
            self.inner.workers.spawn(async move { engine.work().await });
        }
        self.inner.workers.close();
        self.keep_reviews();
        self.keep_witnessed();
        self.keep_reads();
    }

    /// Stops: no further job starts, running ones get `grace` to end and are cancelled then. Waiting jobs stay and are
    /// run after the next start. The last event is that it stopped.
    pub async fn shutdown(&self, grace: Duration) {
        self.inner.desk.close();
        // Also of an engine that never started any.
        self.inner.workers.close();
        if tokio::time::timeout(grace, self.inner.workers.wait()).await.is_err() {
            self.interrupt_jobs();
            self.inner.workers.wait().await;
        }
        let engine = self.clone();
        let written = tokio::task::spawn_blocking(move || engine.note_stop()).await;
        if !matches!(written, Ok(Ok(()))) {
            tracing::error!("who has read what since the last minute, and the stop, could not be written to the log");
        }
    }

    /// The public key with which receipts and tree heads verify.
    ///
    /// # Errors
    /// [`EngineError::Internal`] when the key can't be written.
    pub fn key(&self) -> Result<EnclaveKey, EngineError> {
        let key = self.inner.key.verifying_key();
        Ok(EnclaveKey {
            algorithm: "sm2-with-sm3".to_owned(),
            public_key_pem: key.to_pem().map_err(|error| EngineError::internal("write the public key", error))?,
            fingerprint_sm3: key.fingerprint().to_string(),
            log_id: self.store().log_id()?,
        })
    }

    fn assemble(config: Config, store: Store, vault: Vault, key: SigningKey) -> Result<Self, EngineError> {
        let policies = defaults::policies();
        let authoriser = Authoriser::new(&policies, defaults::POLICY_SCHEMA)
            .map_err(|error| EngineError::internal("load the policies", error))?;
        let bounds = glovebox_sandbox::Config::default();
        let runs_max = bounds.runs_max.max(u32::try_from(config.workers).unwrap_or(u32::MAX));
        let sandbox = Sandbox::new(&glovebox_sandbox::Config { runs_max, ..bounds })
            .map_err(|error| EngineError::internal("start the sandbox", error))?;
        let witnesses = match config.witnesses.clone() {
            Some(policy) => {
                let state = Dir::open_ambient_dir(&config.state, cap_std::ambient_authority())
                    .map_err(|error| EngineError::internal("open the state folder", error))?;
                Some(Witnesses::new(policy, state, key.verifying_key())?)
            }
            None => None,
        };
        let desk = Desk::new(config.queue_jobs_max, config.queue_jobs_per_organisation_max);
        let clock = Clock::starting_at(store.latest_time()?);
        let inner = Inner {
            store,
            vault,
            sandbox,
            authoriser,
            policy_sm3: glovebox_gm::sm3(policies.as_bytes()),
            profiles: defaults::profiles(&config.profiles)?,
            key,
            clock,
            desk,
            cohorts: crate::job::cohorts::Cohorts::default(),
            counters: Counters::default(),
            witnesses,
            reads: crate::reads::Reads::default(),
            refusals: crate::job::refusals::Refusals::default(),
            workers: TaskTracker::new(),
            config,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// A new id: a prefix that tells the kind, and a ULID, so that ids sort by time.
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}-{}", ulid::Ulid::generate().to_string().to_lowercase())
}

fn make_folder(config: &Config) -> Result<Dir, EngineError> {
    let fault = |error: std::io::Error| EngineError::internal("make the state folder", error);
    std::fs::create_dir_all(&config.state).map_err(fault)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&config.state, std::fs::Permissions::from_mode(0o700)).map_err(fault)?;
    }
    let state = Dir::open_ambient_dir(&config.state, cap_std::ambient_authority()).map_err(fault)?;
    if state.exists(UNFINISHED) {
        clear(&state).map_err(fault)?;
    }
    if state.entries().map_err(fault)?.next().is_some() {
        let path = config.state.display();
        return Err(EngineError::Internal(format!("`{path}` is not empty; name a new folder, or open what is there")));
    }
    state.create(UNFINISHED).and_then(|mark| mark.sync_all()).map_err(fault)?;
    Ok(state)
}

/// Removes what a stopped process left half made, and nothing else: none of it was in use. The mark goes last.
fn clear(state: &Dir) -> std::io::Result<()> {
    for entry in state.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        if name == VAULT {
            state.remove_dir_all(VAULT)?;
        } else if name == identity::FILE || name == COUNTER || name.to_string_lossy().starts_with(DATABASE) {
            entry.remove_file()?;
        }
    }
    state.remove_file(UNFINISHED)
}

fn open_folder(state: &Dir, name: &str) -> Result<Dir, EngineError> {
    state.open_dir(name).map_err(|error| EngineError::internal("open the vault's folder", error))
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::{OrganisationId, OrganisationKind, PrincipalId};

    use super::*;
    use crate::EarlierClock;

    fn create(config: &Config) -> Result<Engine, EngineError> {
        let organisation = Organisation {
            id: OrganisationId::new("ops").unwrap(),
            name: "ops".to_owned(),
            kind: OrganisationKind::Operator,
            jurisdiction: "CN".to_owned(),
        };
        let principal = NewPrincipal {
            id: PrincipalId::new("officer").unwrap(),
            name: "officer".to_owned(),
            organisation: organisation.id.clone(),
            roles: [Role::SecurityOfficer].into(),
        };
        Engine::create(config.clone(), b"correct horse battery", Bootstrap { organisation, principal })
    }

    #[test]
    fn a_half_made_enclave_is_made_anew_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { passphrase_iterations: 10_000, ..Config::new(folder.path()) };
        drop(create(&config).unwrap());
        assert!(Engine::exists(&config));
        // As if the process had been killed before its last step.
        std::fs::write(folder.path().join(UNFINISHED), "").unwrap();
        assert!(!Engine::exists(&config));
        assert!(Engine::open(config.clone(), b"correct horse battery").is_err());
        drop(create(&config).unwrap());
        drop(Engine::open(config.clone(), b"correct horse battery").unwrap());

        std::fs::write(folder.path().join(UNFINISHED), "").unwrap();
        std::fs::write(folder.path().join("letters"), "dear").unwrap();
        assert!(create(&config).is_err());
        assert_eq!(std::fs::read(folder.path().join("letters")).unwrap(), b"dear");
    }

    #[test]
    fn an_enclave_in_use_is_not_made_over() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { passphrase_iterations: 10_000, ..Config::new(folder.path()) };
        drop(create(&config).unwrap());
        assert!(create(&config).is_err_and(|error| error.to_string().contains("not empty")));
    }

    /// The attack: stop the enclave, set the host's clock back to within a term that is over, start it again. Here the
    /// latest event is put a day ahead instead.
    #[test]
    fn an_enclave_does_not_start_before_its_latest_event() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { passphrase_iterations: 10_000, ..Config::new(folder.path()) };
        let engine = create(&config).unwrap();
        let (before, ahead) = (engine.now(), engine.now().plus_days(1));
        engine.store().record(Draft::done(ahead, Actor::default(), "enclave.create", "enclave/enclave")).unwrap();
        drop(engine);
        let open = |config: &Config| Engine::open(config.clone(), b"correct horse battery");
        let error = open(&config).err().unwrap().to_string();
        assert!(error.contains("--accept-earlier-clock"), "{error}");

        let officer = PrincipalId::new("officer").unwrap();
        let order = EarlierClock { officer, reason: "the clock was a day ahead".to_owned() };
        let engine = open(&Config { earlier_clock: Some(order), ..config.clone() }).unwrap();
        assert!(engine.now() >= before && engine.now() < ahead);
        drop(engine);
        drop(open(&config).unwrap());
    }
}
