//! What a witness keeps: whom it watches, its sealed key, the newest head, and evidence of forks.
//!
//! ```text
//! witness.json   name, public key, the enclave's public key, the log
//! key.pem        private key, PKCS #8 encrypted under the passphrase
//! head.json      the newest head that was cosigned; `null` before the first
//! forks/         two signed heads that contradict each other, a file each
//! lock           held by the process that serves
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use glovebox_audit::{SignedTreeHead, canonical_json};
use glovebox_catalog::{Timestamp, WitnessId};
use glovebox_gm::{Digest, SigningKey, VerifyingKey, key_file, sm3};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::WitnessError;

const SETUP: &str = "witness.json";
const KEY: &str = "key.pem";
const HEAD: &str = "head.json";
const FORKS: &str = "forks";
const LOCK: &str = "lock";
const FORMAT: &str = "glovebox-witness-1";
/// Longest file that is read here, in bytes; far above any of them.
const FILE_LENGTH_MAX: u64 = 1 << 20;
/// Forks of which evidence is kept. One says all; an enclave that signs more must not fill the disk.
const FORKS_MAX: usize = 100;

/// Whom a witness watches, and under which name.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Name of the witness.
    pub name: WitnessId,
    /// The enclave's public key.
    pub enclave: VerifyingKey,
    /// The log; none takes the first that the enclave shows.
    pub log_id: Option<String>,
}

/// How two heads contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForkKind {
    /// One size, two roots.
    TwoRoots,
    /// The smaller log is the later one: it was put back to an older state.
    WentBack,
    /// One key, two logs.
    OtherLog,
}

/// Evidence: two heads, both signed by the enclave, that can't be of one log that only grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// How they contradict each other.
    pub kind: ForkKind,
    /// The head that the witness had cosigned.
    pub known: SignedTreeHead,
    /// The head that it was shown.
    pub shown: SignedTreeHead,
    /// When it was shown.
    pub seen_at: Timestamp,
}

/// What a folder says without its passphrase.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Whom it watches.
    pub setup: Setup,
    /// Its public key.
    pub key: VerifyingKey,
    /// The newest head that was cosigned.
    pub head: Option<SignedTreeHead>,
    /// Evidence of forks.
    pub forks: Vec<Fork>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetupFile {
    format: String,
    name: WitnessId,
    public_key: String,
    enclave_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_id: Option<String>,
}

/// Sets a witness up in the empty or missing folder `path`, its new key sealed under `passphrase`. The answer is its public
/// key.
///
/// # Errors
/// [`WitnessError::NotEmpty`], [`WitnessError::File`], [`WitnessError::Key`].
pub fn create(path: &Path, setup: &Setup, passphrase: &[u8], iterations: u32) -> Result<VerifyingKey, WitnessError> {
    let fault = |source| WitnessError::File { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault)?;
    if fs::read_dir(path).map_err(fault)?.next().is_some() {
        return Err(WitnessError::NotEmpty { path: path.to_owned() });
    }
    let folder = Place(path.to_owned());
    fs::DirBuilder::new().mode(0o700).create(folder.path(FORKS)).map_err(fault)?;
    let key = SigningKey::generate()?;
    let sealed = key_file::encrypt(&key.to_pkcs8_der()?, passphrase, iterations)?;
    folder.write(KEY, sealed.expose().as_bytes())?;
    folder.write(HEAD, b"null\n")?;
    let file = SetupFile {
        format: FORMAT.to_owned(),
        name: setup.name.clone(),
        public_key: key.verifying_key().to_pem()?,
        enclave_key: setup.enclave.to_pem()?,
        log_id: setup.log_id.clone(),
    };
    // Last: a folder without it is none of a witness.
    folder.write_json(SETUP, &file)?;
    Ok(key.verifying_key().clone())
}

/// What the folder `path` says without its passphrase, also while the witness runs.
///
/// # Errors
/// [`WitnessError::Damaged`] when it holds no witness or is not what one wrote.
pub fn show(path: &Path) -> Result<Shown, WitnessError> {
    let place = Place(path.to_owned());
    let (setup, key) = place.setup()?;
    Ok(Shown { head: place.head(&setup)?, forks: place.forks()?, setup, key })
}

/// An open folder of a witness, held by this process alone.
pub(crate) struct Folder {
    place: Place,
    setup: Setup,
    public: VerifyingKey,
    _lock: File,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, WitnessError> {
        let place = Place(path.to_owned());
        let (setup, public) = place.setup()?;
        let lock_path = place.path(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock_path);
        let lock = lock.map_err(|source| WitnessError::File { path: lock_path, source })?;
        lock.try_lock().map_err(|_| WitnessError::InUse { path: path.to_owned() })?;
        Ok(Self { place, setup, public, _lock: lock })
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The private key, if the passphrase opens it and it is the one set up.
    pub(crate) fn key(&self, passphrase: &[u8]) -> Result<SigningKey, WitnessError> {
        let path = self.place.path(KEY);
        let pem = self.place.read(KEY)?;
        let pem = String::from_utf8(pem).map_err(|_| damaged(path.clone(), "it is not text"))?;
        let key = SigningKey::from_pem(&pem, Some(passphrase))?;
        if key.verifying_key().fingerprint() == self.public.fingerprint() {
            return Ok(key);
        }
        Err(damaged(path, "it is not the key with which this witness was set up"))
    }

    pub(crate) fn head(&self) -> Result<Option<SignedTreeHead>, WitnessError> {
        self.place.head(&self.setup)
    }

    /// Keeps the newest head. It is on disk when this returns.
    pub(crate) fn keep_head(&self, head: &SignedTreeHead) -> Result<(), WitnessError> {
        self.place.write_json(HEAD, head)
    }

    /// Keeps evidence of a fork, once for the same head shown.
    pub(crate) fn keep_fork(&self, fork: &Fork) -> Result<(), WitnessError> {
        let digest: Digest = sm3(&canonical_json(&fork.shown)?);
        let short: String = digest.to_string().chars().take(16).collect();
        let name = format!("{FORKS}/fork-{}-{short}.json", fork.shown.head.size);
        if self.place.path(&name).exists() || self.place.fork_files()?.len() >= FORKS_MAX {
            return Ok(());
        }
        self.place.write_json(&name, fork)
    }

    pub(crate) fn forks(&self) -> Result<Vec<PathBuf>, WitnessError> {
        self.place.fork_files()
    }
}

/// The folder by its path.
struct Place(PathBuf);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn setup(&self) -> Result<(Setup, VerifyingKey), WitnessError> {
        let file: SetupFile = self.read_json(SETUP)?;
        let fault = |what: &str| damaged(self.path(SETUP), what);
        if file.format != FORMAT {
            return Err(fault("its format is another"));
        }
        let enclave = VerifyingKey::from_pem(&file.enclave_key).map_err(|_| fault("the enclave's key"))?;
        let key = VerifyingKey::from_pem(&file.public_key).map_err(|_| fault("the public key"))?;
        Ok((Setup { name: file.name, enclave, log_id: file.log_id }, key))
    }

    /// The newest head that was cosigned, checked as when it came.
    fn head(&self, setup: &Setup) -> Result<Option<SignedTreeHead>, WitnessError> {
        let head: Option<SignedTreeHead> = self.read_json(HEAD)?;
        if let Some(head) = &head {
            let holds = head.verify(&setup.enclave).is_ok()
                && setup.log_id.as_ref().is_none_or(|log_id| *log_id == head.head.log_id);
            if !holds {
                return Err(damaged(self.path(HEAD), "it is no head of the enclave that this witness watches"));
            }
        }
        Ok(head)
    }

    fn fork_files(&self) -> Result<Vec<PathBuf>, WitnessError> {
        let path = self.path(FORKS);
        let fault = |source| WitnessError::File { path: path.clone(), source };
        let entries = fs::read_dir(&path).map_err(fault)?.collect::<Result<Vec<_>, _>>().map_err(fault)?;
        let mut found: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        // What a stop left half written has another ending.
        found.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        found.sort();
        Ok(found)
    }

    fn forks(&self) -> Result<Vec<Fork>, WitnessError> {
        let name = |path: PathBuf| format!("{FORKS}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        self.fork_files()?.into_iter().map(|path| self.read_json(&name(path))).collect()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, WitnessError> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(FILE_LENGTH_MAX).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(damaged(path, "there is no such file")),
            Err(source) => Err(WitnessError::File { path, source }),
        }
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, WitnessError> {
        serde_json::from_slice(&self.read(name)?).map_err(|error| damaged(self.path(name), &error.to_string()))
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), WitnessError> {
        let json = serde_json::to_vec_pretty(value).map_err(|error| damaged(self.path(name), &error.to_string()))?;
        self.write(name, &json)
    }

    /// Writes a file whole or not at all: beside it, then in its place, both on disk when this returns.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), WitnessError> {
        let path = self.path(name);
        let fault = |source| WitnessError::File { path: path.clone(), source };
        let beside = self.path(&format!("{name}.new"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside).map_err(fault)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fault)?;
        fs::rename(&beside, &path).map_err(fault)?;
        let folder = path.parent().unwrap_or(&self.0);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault)
    }
}

fn damaged(path: PathBuf, fault: &str) -> WitnessError {
    WitnessError::Damaged { path, fault: fault.to_owned() }
}
