//! An enclave's log, as far as a witness sees it, and folders for witnesses.

use std::path::{Path, PathBuf};

use glovebox_audit::{Actor, AddHead, Draft, Log, SignedTreeHead, TreeHead};
use glovebox_catalog::{Timestamp, WitnessId};
use glovebox_gm::{SigningKey, VerifyingKey, key_file};

use crate::{Setup, Witness, create};

pub(crate) const PASSPHRASE: &[u8] = b"correct horse battery";

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_795_392_000_000 + seconds * 1000)
}

/// An enclave: its key and its log. A clone is what comes of a copied folder.
pub(crate) struct Enclave {
    pub(crate) key: SigningKey,
    pub(crate) log: Log,
}

impl Enclave {
    pub(crate) fn new() -> Self {
        Self { key: SigningKey::generate().unwrap(), log: Log::new("log-1") }
    }

    /// The same enclave, started from a copy of its folder.
    pub(crate) fn copy(&self) -> Self {
        let key = SigningKey::from_pkcs8_der(&self.key.to_pkcs8_der().unwrap()).unwrap();
        Self { key, log: self.log.clone() }
    }

    pub(crate) fn public(&self) -> &VerifyingKey {
        self.key.verifying_key()
    }

    /// So many more events, which `what` tells apart from those of a copy.
    pub(crate) fn work(&mut self, events: u64, what: &str) {
        for _ in 0..events {
            let sequence = self.log.size();
            let draft = Draft::done(at(0), Actor::default(), "job.settle", format!("job/{what}-{sequence}"));
            self.log.append(&draft.at_sequence(sequence)).unwrap();
        }
    }

    /// A signed head of the first `size` events, made at `seconds`.
    pub(crate) fn head(&self, size: u64, seconds: i64) -> SignedTreeHead {
        let root = self.log.root_at(size).unwrap();
        TreeHead { log_id: self.log.log_id().to_owned(), size, root, at: at(seconds) }.sign(&self.key).unwrap()
    }

    /// What it asks of a witness that it takes to know `old` events. A head of `size` events is made at as many seconds.
    pub(crate) fn request(&self, old: u64, size: u64) -> AddHead {
        let time = |size: u64| i64::try_from(size).unwrap();
        AddHead {
            old: (old > 0).then(|| self.head(old, time(old))),
            head: self.head(size, time(size)),
            hashes: self.log.consistency_proof_at(old, size).map(|proof| proof.hashes).unwrap_or_default(),
        }
    }
}

pub(crate) fn set_up(folder: &Path, enclave: &Enclave, log_id: Option<&str>) -> PathBuf {
    let path = folder.join("witness");
    let setup = Setup {
        name: WitnessId::new("hospital-a").unwrap(),
        enclave: enclave.public().clone(),
        log_id: log_id.map(str::to_owned),
    };
    create(&path, &setup, PASSPHRASE, key_file::ITERATIONS_MIN).unwrap();
    path
}

pub(crate) fn open(path: &Path) -> Witness {
    Witness::open(path, PASSPHRASE).unwrap()
}
