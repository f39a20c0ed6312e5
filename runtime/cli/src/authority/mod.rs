//! The authorities of a trial zone, in one folder: SM2 for RFC 8998 and P-256 for standard TLS 1.3, or one of them.
//!
//! P-256: `ca.pem`, `ca.key`, `revoked.pem`, `register.json`, `server/{cert,key,ca}.pem`,
//! `identities/<id>/{cert,key,ca}.pem`. SM2 the same, one folder deeper each: `gm/ca.pem` and its like, `server/gm/`,
//! `identities/<id>/gm/`. For a trial: whoever runs a real zone keeps the authorities' keys off the machine of the
//! enclave.

mod folder;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use glovebox_catalog::Timestamp;
use glovebox_gm::pki::Algorithm;
use x509_cert::time::Time;

pub(crate) use folder::{AuthorityFolder, Entry, Subject};

/// What an authority needs to begin.
pub(crate) struct Beginning<'a> {
    /// Name of the zone.
    pub(crate) name: &'a str,
    /// DNS names and addresses of the server.
    pub(crate) server_names: &'a [String],
    /// Days that the authority is valid.
    pub(crate) days: u32,
    /// Days that the first revocation list is valid.
    pub(crate) list_days: u32,
    /// Under which the authority's key is encrypted, if at all.
    pub(crate) passphrase: Option<&'a [u8]>,
}

/// What was issued: a folder, and in it a certificate of each algorithm.
pub(crate) struct IssuedFolder {
    /// Folder of `cert.pem`, `key.pem` and `ca.pem`, or of `gm` that holds them.
    pub(crate) folder: PathBuf,
    /// The certificates.
    pub(crate) certificates: Vec<Entry>,
}

/// The authorities of a folder: one or two.
pub(crate) struct Authorities {
    folder: PathBuf,
    each: Vec<AuthorityFolder>,
}

impl Authorities {
    /// Makes a new authority of each of `algorithms`, with a certificate for the server and an empty revocation list.
    pub(crate) fn create(folder: &Path, algorithms: &[Algorithm], beginning: &Beginning<'_>) -> anyhow::Result<Self> {
        let held: Vec<_> = Algorithm::ALL.into_iter().filter(|one| AuthorityFolder::is_there(folder, *one)).collect();
        if let Some(there) = algorithms.iter().find(|one| held.contains(one)) {
            let missing = Algorithm::ALL.into_iter().find(|one| !held.contains(one));
            let remedy = match missing {
                Some(missing) => {
                    format!("add the other: glovebox pki init --dir {} --algorithm {missing}", folder.display())
                }
                None => "choose another folder, or `glovebox pki issue` from this one".to_owned(),
            };
            bail!("`{}` holds an authority of {there} already; {remedy}", folder.display());
        }
        if !held.is_empty() {
            // One passphrase for the folder: before anything is made, whether it is that of the other key.
            Self::open(folder, beginning.passphrase)?;
        }
        for algorithm in algorithms {
            AuthorityFolder::create(folder, *algorithm, beginning)?;
        }
        Self::open(folder, beginning.passphrase)
    }

    /// Opens those that are there, with the passphrase of their keys where they are encrypted.
    pub(crate) fn open(folder: &Path, passphrase: Option<&[u8]>) -> anyhow::Result<Self> {
        Self::open_these(folder, &[], passphrase)
    }

    /// Reads what was issued by those that are there. They can't sign: that takes their keys.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let there = Algorithm::ALL.into_iter().filter(|one| AuthorityFolder::is_there(folder, *one));
        let each = there.map(|one| AuthorityFolder::read(folder, one)).collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(!each.is_empty(), "`{}` holds no authority; make one with `glovebox pki init`", folder.display());
        Ok(Self { folder: folder.to_owned(), each })
    }

    /// Opens those of `algorithms`, each of which must be there; all when none is named.
    pub(crate) fn open_these(
        folder: &Path,
        algorithms: &[Algorithm],
        passphrase: Option<&[u8]>,
    ) -> anyhow::Result<Self> {
        let mut opened = Self::read(folder)?;
        for algorithm in algorithms {
            ensure!(
                opened.each.iter().any(|one| one.algorithm() == *algorithm),
                "`{0}` holds no authority of {algorithm}; make one: glovebox pki init --dir {0} --algorithm {algorithm}",
                folder.display()
            );
        }
        opened.each.retain(|one| algorithms.is_empty() || algorithms.contains(&one.algorithm()));
        // All of them before one signs: half a certificate helps nobody.
        opened.each.iter_mut().try_for_each(|one| one.unlock(passphrase))?;
        Ok(opened)
    }

    /// Encrypts their keys under a passphrase, in place of the one before if there was one.
    pub(crate) fn change_passphrase(&mut self, passphrase: &[u8]) -> anyhow::Result<()> {
        let keys = self.each.iter().map(|one| one.encrypted_key(passphrase)).collect::<anyhow::Result<Vec<_>>>()?;
        self.each.iter().zip(&keys).try_for_each(|(one, key)| one.replace_key(key))
    }

    /// Each authority, SM2 first.
    pub(crate) fn each(&self) -> &[AuthorityFolder] {
        &self.each
    }

    /// What they issued, SM2 first, each in order.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Entry> {
        self.each.iter().flat_map(AuthorityFolder::certificates)
    }

    /// The first end of a revocation list; after that its clients are accepted no more.
    pub(crate) fn list_until(&self) -> Option<Timestamp> {
        self.each.iter().filter_map(AuthorityFolder::list_until).min()
    }

    /// Issues a certificate of each algorithm for a principal, their keys encrypted where there is a passphrase.
    pub(crate) fn issue(
        &mut self,
        subject: &Subject<'_>,
        days: u32,
        passphrase: Option<&[u8]>,
    ) -> anyhow::Result<IssuedFolder> {
        let each = self.each.iter_mut();
        let certificates = each.map(|one| one.issue(subject, days, passphrase)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(IssuedFolder { folder: self.folder.join("identities").join(subject.common_name), certificates })
    }

    /// Issues a certificate of each algorithm for the server, in place of those before.
    pub(crate) fn issue_server(
        &mut self,
        names: &[String],
        days: u32,
        passphrase: Option<&[u8]>,
    ) -> anyhow::Result<IssuedFolder> {
        let each = self.each.iter_mut();
        let certificates =
            each.map(|one| one.issue_server(names, days, passphrase)).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(IssuedFolder { folder: self.folder.join("server"), certificates })
    }

    /// Revokes every certificate of a name, or the one of a serial number.
    pub(crate) fn revoke(&mut self, name_or_serial: &str, list_days: u32) -> anyhow::Result<Vec<Entry>> {
        let mut revoked = Vec::new();
        for one in &mut self.each {
            revoked.extend(one.revoke(name_or_serial, list_days)?);
        }
        ensure!(
            !revoked.is_empty(),
            "no valid certificate of `{name_or_serial}`; `glovebox pki list` shows names and serial numbers"
        );
        Ok(revoked)
    }

    /// The certificates that hold still of those who lost one of `revoked`.
    pub(crate) fn still_valid_beside(&self, revoked: &[Entry]) -> impl Iterator<Item = &Entry> {
        let now = Timestamp::from_unix_ms(now_unix_ms());
        let lost_one = |entry: &Entry| revoked.iter().any(|lost| lost.common_name == entry.common_name);
        self.certificates().filter(move |entry| entry.revoked_at.is_none() && entry.not_after > now && lost_one(entry))
    }

    /// Writes every revocation list anew, valid for `days` from now.
    pub(crate) fn write_lists(&mut self, days: u32) -> anyhow::Result<()> {
        self.each.iter_mut().try_for_each(|one| one.write_list(days))
    }
}

/// The time now, in milliseconds since the Unix epoch.
pub(crate) fn now_unix_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// A moment that a certificate or list names, in milliseconds since the Unix epoch.
pub(crate) fn unix_ms(time: &Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX)
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    replace(path, text.as_bytes(), 0o644, Before::Replaced)
}

/// The same for a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    replace(path, text.as_bytes(), 0o600, Before::Replaced)
}

/// The same, and never over a file that is there already, even if that came in this very moment.
pub(crate) fn write_new_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    replace(path, text.as_bytes(), 0o600, Before::Kept)
}

/// What becomes of a file that is there before.
#[derive(PartialEq)]
enum Before {
    Replaced,
    Kept,
}

fn replace(path: &Path, bytes: &[u8], mode: u32, before: Before) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let place = || format!("can't write `{}`", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .with_context(place)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).with_context(place)?;
    let persisted = if before == Before::Kept { file.persist_noclobber(path) } else { file.persist(path) };
    persisted.with_context(place)?;
    Ok(())
}

#[cfg(test)]
mod tests;
