//! The vault: one folder that holds the keyring, published snapshots and what ingestion has under way.
//!
//! ```text
//! keyring.json   lock
//! staging/<dataset>@<number>/…          ingestion under way, or staged and not yet published
//! snapshots/<dataset>/<number>/table.gbx, persons.gbx, registry.gbx, quarantine.gbx
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use glovebox_catalog::{DatasetId, OrganisationId};
use glovebox_gm::Sm3Hasher;

use crate::keyring::{FILE, Keyring, RootKey};
use crate::segment::{DataKey, Fault, HEADER_BYTES_MAX, Header, Kind, SegmentReader};
use crate::{Staged, VaultError, folder};

const STAGING: &str = "staging";
const SNAPSHOTS: &str = "snapshots";
const LOCK: &str = "lock";
/// What a published snapshot is made of.
const SEGMENTS: [(&str, Kind); 4] =
    [(PERSONS, Kind::Persons), (QUARANTINE, Kind::Quarantine), (REGISTRY, Kind::Registry), (TABLE, Kind::Table)];
/// File of the published table in a snapshot's folder.
pub(crate) const TABLE: &str = "table.gbx";
/// File of the rows set aside, when there are any.
pub(crate) const QUARANTINE: &str = "quarantine.gbx";
/// File of the persistent ids of the snapshot's persons.
pub(crate) const PERSONS: &str = "persons.gbx";
/// File of every person and version that the dataset ever had.
pub(crate) const REGISTRY: &str = "registry.gbx";

/// An open vault. One process at a time has it open.
pub struct Vault {
    root: Dir,
    staging: Dir,
    snapshots: Dir,
    keyring: Mutex<Keyring>,
    /// Held for as long as the vault is open; the operating system lets go of it when the process dies.
    _lock: std::fs::File,
}

/// What [`Vault::sweep`] found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Staged snapshots that were committed before a crash and are published now.
    pub completed: Vec<(DatasetId, u32)>,
    /// Leftovers of ingestions that never ended, and of destroyed datasets, removed.
    pub removed: Vec<(DatasetId, u32)>,
    /// Published snapshots that the caller does not know. They are kept: the caller's state may be the one at fault.
    pub unknown: Vec<(DatasetId, u32)>,
}

impl Vault {
    /// Makes a vault in the empty folder `root`.
    ///
    /// # Errors
    /// [`VaultError::NotEmpty`] when something else is there.
    pub fn create(root: Dir, root_key: &RootKey) -> Result<Self, VaultError> {
        // What a crash in the middle of this function leaves does not count.
        let own = [LOCK, STAGING, SNAPSHOTS, "keyring.json.new"];
        if folder::names(&root)?.iter().any(|name| !own.contains(&name.as_str())) {
            return Err(VaultError::NotEmpty);
        }
        let lock = lock(&root)?;
        let staging = folder::ensure_dir(&root, STAGING)?;
        let snapshots = folder::ensure_dir(&root, SNAPSHOTS)?;
        if !folder::names(&staging)?.is_empty() || !folder::names(&snapshots)?.is_empty() {
            return Err(VaultError::NotEmpty);
        }
        let keyring = Mutex::new(Keyring::create(&root, root_key)?);
        Ok(Self { root, staging, snapshots, keyring, _lock: lock })
    }

    /// Opens the vault in `root`. Call [`Vault::sweep`] before anything else.
    ///
    /// # Errors
    /// [`VaultError::KeyringMissing`], [`VaultError::WrongRootKey`], [`VaultError::KeyringDamaged`],
    /// [`VaultError::InUse`].
    pub fn open(root: Dir, root_key: &RootKey) -> Result<Self, VaultError> {
        if !root.try_exists(FILE)? {
            return Err(VaultError::KeyringMissing);
        }
        let lock = lock(&root)?;
        let keyring = Mutex::new(Keyring::open(&root, root_key)?);
        let staging = folder::ensure_dir(&root, STAGING)?;
        let snapshots = folder::ensure_dir(&root, SNAPSHOTS)?;
        Ok(Self { root, staging, snapshots, keyring, _lock: lock })
    }

    /// Makes a staged snapshot the published one of its number, in one atomic step.
    ///
    /// Commit the snapshot to the store first: a crash in between is completed by [`Vault::sweep`], which publishes
    /// what the store knows. The other way round a crash would leave a snapshot that nobody accounts for.
    ///
    /// # Errors
    /// [`VaultError::SnapshotExists`], [`VaultError::SnapshotMissing`] when nothing is staged.
    pub fn publish(&self, staged: &Staged) -> Result<(), VaultError> {
        self.publish_folder(&staged.snapshot.dataset, staged.snapshot.number)
    }

    /// Removes a staged snapshot.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    pub fn discard(&self, staged: &Staged) -> Result<(), VaultError> {
        self.staging.remove_dir_all(staging_name(&staged.snapshot.dataset, staged.snapshot.number))?;
        folder::sync_dir(&self.staging)
    }

    /// Puts the vault in order after a crash; call it before the first ingestion. `known` says whether a snapshot is
    /// committed in the store: what is staged and known is published, what is staged and unknown is removed.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    pub fn sweep(&self, known: impl Fn(&DatasetId, u32) -> bool) -> Result<Swept, VaultError> {
        let mut swept = Swept::default();
        for name in folder::names(&self.staging)? {
            match staging_place(&name).filter(|(dataset, number)| known(dataset, *number)) {
                Some((dataset, number)) => {
                    self.publish_folder(&dataset, number)?;
                    swept.completed.push((dataset, number));
                }
                None => {
                    self.staging.remove_dir_all(&name)?;
                    swept.removed.extend(staging_place(&name));
                }
            }
        }
        for (dataset, number) in self.published()? {
            if self.is_destroyed(&dataset, number)? {
                self.snapshots.open_dir(dataset.as_str())?.remove_dir_all(number.to_string())?;
                swept.removed.push((dataset, number));
            } else if !known(&dataset, number) {
                swept.unknown.push((dataset, number));
            }
        }
        folder::sync_dir(&self.staging)?;
        Ok(swept)
    }

    /// Destroys the dataset's data keys, then removes its segments: from then on nobody reads it, whatever copies of
    /// the segments exist.
    ///
    /// # Errors
    /// [`VaultError::NoDataKey`] when there is nothing to destroy.
    pub fn destroy(&self, dataset: &DatasetId) -> Result<(), VaultError> {
        self.keyring().destroy(&self.root, dataset)?;
        if self.snapshots.try_exists(dataset.as_str())? {
            self.snapshots.remove_dir_all(dataset.as_str())?;
        }
        for name in folder::names(&self.staging)? {
            if staging_place(&name).is_some_and(|(staged, _)| &staged == dataset) {
                self.staging.remove_dir_all(&name)?;
            }
        }
        folder::sync_dir(&self.staging)?;
        folder::sync_dir(&self.snapshots)
    }

    /// Wraps every supplier's key under another root key; the old one opens nothing any more.
    ///
    /// # Errors
    /// [`VaultError::Storage`]; the old root key then still holds.
    pub fn rotate_root(&self, new_root: &RootKey) -> Result<(), VaultError> {
        self.keyring().rotate_root(&self.root, new_root)
    }

    /// Reads every byte of a published snapshot and finds any that changed. Answers the bytes checked.
    ///
    /// # Errors
    /// [`VaultError::Damaged`], [`VaultError::SnapshotMissing`].
    pub fn scrub(&self, dataset: &DatasetId, number: u32) -> Result<u64, VaultError> {
        let segments = self.segments(dataset, number)?;
        segments.iter().try_fold(0, |sum, segment| {
            segment.scrub()?;
            Ok(sum + segment.file_bytes())
        })
    }

    /// The key and an empty, private folder for an ingestion.
    pub(crate) fn stage(
        &self,
        dataset: &DatasetId,
        supplier: &OrganisationId,
        number: u32,
    ) -> Result<(DataKey, Dir), VaultError> {
        let name = staging_name(dataset, number);
        if self.snapshots.try_exists(published_path(dataset, number))? || self.staging.try_exists(&name)? {
            return Err(VaultError::SnapshotExists { dataset: dataset.clone(), number });
        }
        // Ids of persons count on from one snapshot to the next: two at once would give one id to two persons.
        let of_dataset = |name: &String| staging_place(name).is_some_and(|(staged, _)| &staged == dataset);
        if folder::names(&self.staging)?.iter().any(of_dataset) {
            return Err(VaultError::IngestionUnderWay { dataset: dataset.clone() });
        }
        let key = self.keyring().data_key_for_ingestion(&self.root, dataset, supplier)?;
        Ok((key, folder::create_dir(&self.staging, &name)?))
    }

    /// A handle with which a worker removes the staging folder when its ingestion fails.
    pub(crate) fn staging_guard(&self, dataset: &DatasetId, number: u32) -> Result<StagingGuard, VaultError> {
        Ok(StagingGuard { staging: self.staging.try_clone()?, name: staging_name(dataset, number), keep: false })
    }

    /// The registry that the next snapshot of `dataset` goes on from; none before the first.
    pub(crate) fn newest_registry(&self, dataset: &DatasetId) -> Result<Option<SegmentReader>, VaultError> {
        let number = self.keyring().newest_snapshot(dataset);
        if number == 0 {
            return Ok(None);
        }
        let registry = match self.segments(dataset, number) {
            Ok(segments) => segments.into_iter().find(|segment| segment.header().kind == Kind::Registry),
            Err(VaultError::SnapshotMissing { .. }) => None,
            Err(error) => return Err(error),
        };
        let missing = || VaultError::RegistryMissing { dataset: dataset.clone(), number };
        registry.and_then(Arc::into_inner).ok_or_else(missing).map(Some)
    }

    /// The newest data key of `dataset`.
    pub(crate) fn newest_data_key(&self, dataset: &DatasetId) -> Result<DataKey, VaultError> {
        self.keyring().newest_data_key(dataset)
    }

    /// The oldest data key of `dataset`.
    pub(crate) fn oldest_data_key(&self, dataset: &DatasetId) -> Result<DataKey, VaultError> {
        self.keyring().oldest_data_key(dataset)
    }

    /// The data key of `dataset` in `epoch`.
    pub(crate) fn data_key(&self, dataset: &DatasetId, epoch: u32) -> Result<DataKey, VaultError> {
        self.keyring().data_key(dataset, epoch)
    }

    /// The published segments of a snapshot, by name, each proven to belong there.
    pub(crate) fn segments(&self, dataset: &DatasetId, number: u32) -> Result<Vec<Arc<SegmentReader>>, VaultError> {
        let missing = || VaultError::SnapshotMissing { dataset: dataset.clone(), number };
        let path = published_path(dataset, number);
        if !self.snapshots.try_exists(&path)? {
            return Err(missing());
        }
        let dir = self.snapshots.open_dir(&path)?;
        let mut segments = Vec::new();
        for (file, kind) in SEGMENTS {
            if dir.try_exists(file)? {
                let keyring = self.keyring();
                let segment = SegmentReader::open(dir.open(file)?, |header| find_key(&keyring, header))?;
                let header = segment.header();
                if (&header.dataset, header.snapshot, header.kind) != (dataset, number, kind) {
                    return Err(VaultError::damaged(&header.segment, Fault::Place));
                }
                segments.push(Arc::new(segment));
            }
        }
        if segments.iter().any(|segment| segment.header().kind == Kind::Table) { Ok(segments) } else { Err(missing()) }
    }

    fn publish_folder(&self, dataset: &DatasetId, number: u32) -> Result<(), VaultError> {
        let name = staging_name(dataset, number);
        if !self.staging.try_exists(&name)? {
            return Err(VaultError::SnapshotMissing { dataset: dataset.clone(), number });
        }
        if self.snapshots.try_exists(published_path(dataset, number))? {
            return Err(VaultError::SnapshotExists { dataset: dataset.clone(), number });
        }
        // Noted first: a crash in between leaves the snapshot staged, and the sweep publishes it.
        self.keyring().note_snapshot(&self.root, dataset, number)?;
        let target = folder::ensure_dir(&self.snapshots, dataset.as_str())?;
        folder::sync_dir(&self.snapshots)?;
        self.staging.rename(&name, &target, number.to_string())?;
        folder::sync_dir(&target)?;
        folder::sync_dir(&self.staging)
    }

    fn published(&self) -> Result<Vec<(DatasetId, u32)>, VaultError> {
        let mut published = Vec::new();
        for name in folder::names(&self.snapshots)? {
            let Ok(dataset) = DatasetId::new(name.as_str()) else { continue };
            for number in folder::names(&self.snapshots.open_dir(&name)?)? {
                published.extend(number.parse().ok().map(|number| (dataset.clone(), number)));
            }
        }
        Ok(published)
    }

    fn is_destroyed(&self, dataset: &DatasetId, number: u32) -> Result<bool, VaultError> {
        use std::io::Read;
        let path = format!("{}/{TABLE}", published_path(dataset, number));
        if !self.snapshots.try_exists(&path)? {
            return Ok(false);
        }
        let mut start = Vec::with_capacity(HEADER_BYTES_MAX);
        self.snapshots.open(&path)?.take(HEADER_BYTES_MAX as u64).read_to_end(&mut start)?;
        // An unreadable header is for the reader to report, not for the sweep to remove.
        let header = Header::decode(&start).ok().map(|(header, _)| header);
        Ok(header.is_some_and(|header| self.keyring().is_destroyed(dataset, &header.key.id)))
    }

    pub(crate) fn keyring(&self) -> MutexGuard<'_, Keyring> {
        // The keyring replaces its state only after it is on disk, so it is whole even after a panic.
        self.keyring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find_key(keyring: &Keyring, header: &Header) -> Result<DataKey, VaultError> {
    let key = keyring.data_key(&header.dataset, header.key.epoch)?;
    if key.id == header.key { Ok(key) } else { Err(VaultError::damaged(&header.segment, Fault::Key)) }
}

/// Digest of a snapshot: SM3 over name and digest of each segment, in the order of their names.
pub(crate) fn snapshot_digest<'a>(segments: impl Iterator<Item = (&'a str, [u8; 32])>) -> String {
    let sorted: BTreeSet<_> = segments.collect();
    let mut hasher = Sm3Hasher::new();
    for (name, digest) in sorted {
        // Ids hold no zero byte, so it ends the name.
        hasher.update(name.as_bytes());
        hasher.update(&[0]);
        hasher.update(&digest);
    }
    hasher.finish().to_string()
}

/// Removes a staging folder when dropped, unless it is to be kept.
pub(crate) struct StagingGuard {
    staging: Dir,
    name: String,
    keep: bool,
}

impl StagingGuard {
    pub(crate) fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for StagingGuard {
    fn drop(&mut self) {
        if !self.keep {
            // What can't be removed now is removed by the next sweep.
            let _ = self.staging.remove_dir_all(&self.name);
        }
    }
}

/// `@` is in no id, so the name can be read back.
fn staging_name(dataset: &DatasetId, number: u32) -> String {
    format!("{dataset}@{number}")
}

fn staging_place(name: &str) -> Option<(DatasetId, u32)> {
    let (dataset, number) = name.split_once('@')?;
    Some((DatasetId::new(dataset).ok()?, number.parse().ok()?))
}

fn published_path(dataset: &DatasetId, number: u32) -> String {
    format!("{dataset}/{number}")
}

fn lock(root: &Dir) -> Result<std::fs::File, VaultError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    let file = root.open_with(LOCK, &options)?.into_std();
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(VaultError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(error.into()),
    }
}
