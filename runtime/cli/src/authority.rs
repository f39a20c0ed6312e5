//! A folder that holds the authority of a trial zone: its key, a register of what it issued, its revocation list.
//!
//! `ca.pem`, `ca.key`, `revoked.pem`, `register.json`, `server/{cert,key,ca}.pem`, `identities/<id>/{cert,key,ca}.pem`.
//! For a trial: whoever runs a real zone keeps the authority's key off the machine of the enclave.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use glovebox_catalog::Timestamp;
use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, Request, Revoked};
use serde::{Deserialize, Serialize};

use crate::connection::read;

const REGISTER: &str = "register.json";
const DAY_MS: i64 = 86_400_000;
/// Certificates begin a little in the past, so that a peer whose clock is behind accepts them.
const CLOCK_SKEW_MS: i64 = 300_000;

/// A certificate of the register.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Serial number, hexadecimal.
    pub(crate) serial: String,
    /// CN: the principal, or the server.
    pub(crate) common_name: String,
    /// O.
    pub(crate) organisation: String,
    /// OU; none for a server.
    pub(crate) roles: Vec<String>,
    /// When it was issued.
    pub(crate) issued_at: Timestamp,
    /// When it ends.
    pub(crate) not_after: Timestamp,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<Timestamp>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Register {
    /// Number of the newest revocation list.
    list_number: u64,
    /// When that list stops counting.
    list_until: Option<Timestamp>,
    certificates: Vec<Entry>,
}

/// For whom a certificate is.
pub(crate) struct Subject<'a> {
    /// CN.
    pub(crate) common_name: &'a str,
    /// O.
    pub(crate) organisation: &'a str,
    /// OU.
    pub(crate) roles: Vec<String>,
}

/// An open authority folder.
pub(crate) struct AuthorityFolder {
    folder: PathBuf,
    authority: Authority,
    register: Register,
}

impl AuthorityFolder {
    /// Makes a new authority with a certificate for a server under `names`, and an empty revocation list.
    pub(crate) fn create(
        folder: &Path,
        name: &str,
        names: &[String],
        days: u32,
        list_days: u32,
    ) -> anyhow::Result<Self> {
        ensure!(
            !folder.join("ca.key").exists(),
            "`{}` holds an authority already; choose another folder, or `pki issue` from this one",
            folder.display()
        );
        std::fs::create_dir_all(folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        let authority = Authority::create(Algorithm::P256, name, now_unix_ms() - CLOCK_SKEW_MS, days)?;
        write_secret(&folder.join("ca.key"), authority.key_pem().expose())?;
        write(&folder.join("ca.pem"), authority.cert_pem())?;
        let mut made = Self { folder: folder.to_owned(), authority, register: Register::default() };
        made.write_list(list_days)?;
        let subject = Subject { common_name: "enclave", organisation: name, roles: Vec::new() };
        let server_days = days.saturating_sub(1).clamp(1, 397);
        made.issue_into("server", subject, Kind::Server { names: names.to_vec() }, server_days)?;
        Ok(made)
    }

    /// Opens one.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let missing = || format!("`{}` holds no authority; make one with `glovebox pki init`", folder.display());
        let key = zeroize::Zeroizing::new(read(&folder.join("ca.key")).with_context(missing)?);
        let authority = Authority::from_pem(&read(&folder.join("ca.pem"))?, &key)?;
        let register = serde_json::from_str(&read(&folder.join(REGISTER))?)
            .with_context(|| format!("`{}` is damaged", folder.join(REGISTER).display()))?;
        Ok(Self { folder: folder.to_owned(), authority, register })
    }

    /// What it issued, in order.
    pub(crate) fn certificates(&self) -> &[Entry] {
        &self.register.certificates
    }

    /// Until when the revocation list counts; after that no client is accepted any more.
    pub(crate) fn list_until(&self) -> Option<Timestamp> {
        self.register.list_until
    }

    /// Issues a certificate for a principal. Answers the folder that holds it.
    pub(crate) fn issue(&mut self, subject: Subject<'_>, days: u32) -> anyhow::Result<(PathBuf, Entry)> {
        self.issue_into(&format!("identities/{}", subject.common_name), subject, Kind::Client, days)
    }

    /// Issues a certificate for the server, in place of the one before.
    pub(crate) fn issue_server(&mut self, names: &[String], days: u32) -> anyhow::Result<(PathBuf, Entry)> {
        let organisation = self.certificates().first().map_or_else(|| "zone".to_owned(), |e| e.organisation.clone());
        let subject = Subject { common_name: "enclave", organisation: &organisation, roles: Vec::new() };
        self.issue_into("server", subject, Kind::Server { names: names.to_vec() }, days)
    }

    /// Revokes every certificate of a name, or the one of a serial number.
    pub(crate) fn revoke(&mut self, name_or_serial: &str, list_days: u32) -> anyhow::Result<Vec<Entry>> {
        let now = Timestamp::from_unix_ms(now_unix_ms());
        let mut revoked = Vec::new();
        for entry in &mut self.register.certificates {
            let is_meant = entry.common_name == name_or_serial || entry.serial == name_or_serial;
            if is_meant && entry.revoked_at.is_none() {
                entry.revoked_at = Some(now);
                revoked.push(entry.clone());
            }
        }
        if revoked.is_empty() {
            bail!("no valid certificate of `{name_or_serial}`; `glovebox pki list` shows names and serial numbers");
        }
        self.write_list(list_days)?;
        Ok(revoked)
    }

    /// Writes the revocation list anew, valid for `days` from now.
    pub(crate) fn write_list(&mut self, days: u32) -> anyhow::Result<()> {
        let now = now_unix_ms();
        let until = now + i64::from(days) * DAY_MS;
        let revoked: Vec<_> = self.certificates().iter().filter_map(revoked).collect();
        self.register.list_number += 1;
        self.register.list_until = Some(Timestamp::from_unix_ms(until));
        let list = self.authority.crl(&revoked, self.register.list_number, now - CLOCK_SKEW_MS, until)?;
        // The number counts what was revoked as well: written first, a crash can't lose a revocation.
        self.write_register()?;
        write(&self.folder.join("revoked.pem"), &list)
    }

    fn issue_into(
        &mut self,
        place: &str,
        subject: Subject<'_>,
        kind: Kind,
        days: u32,
    ) -> anyhow::Result<(PathBuf, Entry)> {
        let now = now_unix_ms();
        let Issued { cert_pem, key_pem, serial_hex, not_after_unix_ms } = self.authority.issue(&Request {
            common_name: subject.common_name.to_owned(),
            organisation: subject.organisation.to_owned(),
            roles: subject.roles.clone(),
            kind,
            valid_from_unix_ms: now - CLOCK_SKEW_MS,
            days,
        })?;
        let entry = Entry {
            serial: serial_hex,
            common_name: subject.common_name.to_owned(),
            organisation: subject.organisation.to_owned(),
            roles: subject.roles,
            issued_at: Timestamp::from_unix_ms(now),
            not_after: Timestamp::from_unix_ms(not_after_unix_ms),
            revoked_at: None,
        };
        // A certificate that is not in the register could not be revoked.
        self.register.certificates.push(entry.clone());
        self.write_register()?;
        let folder = self.folder.join(place);
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        write_secret(&folder.join("key.pem"), key_pem.expose())?;
        write(&folder.join("cert.pem"), &cert_pem)?;
        write(&folder.join("ca.pem"), self.authority.cert_pem())?;
        Ok((folder, entry))
    }

    fn write_register(&self) -> anyhow::Result<()> {
        write(&self.folder.join(REGISTER), &serde_json::to_string_pretty(&self.register)?)
    }
}

fn revoked(entry: &Entry) -> Option<Revoked> {
    Some(Revoked { serial_hex: entry.serial.clone(), at_unix_ms: entry.revoked_at?.unix_ms() })
}

/// The time now, in milliseconds since the Unix epoch.
pub(crate) fn now_unix_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    replace(path, text.as_bytes(), 0o644)
}

/// The same for a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    replace(path, text.as_bytes(), 0o600)
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let place = || format!("can't write `{}`", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(folder)
        .with_context(place)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).with_context(place)?;
    file.persist(path).with_context(place)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn lin() -> Subject<'static> {
        Subject { common_name: "lin.wei", organisation: "company-c", roles: vec!["developer".into()] }
    }

    #[test]
    fn keys_are_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = AuthorityFolder::create(folder.path(), "zone", &["localhost".into()], 30, 7).unwrap();
        let (identity, _) = made.issue(lin(), 7).unwrap();
        for key in [folder.path().join("ca.key"), folder.path().join("server/key.pem"), identity.join("key.pem")] {
            let mode = std::fs::metadata(&key).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", key.display());
        }
    }

    #[test]
    fn an_authority_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        AuthorityFolder::create(folder.path(), "zone", &["localhost".into()], 30, 7).unwrap();
        let again = AuthorityFolder::create(folder.path(), "zone", &["localhost".into()], 30, 7);
        assert!(again.err().unwrap().to_string().contains("holds an authority already"));
    }

    #[test]
    fn revocation_survives_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = AuthorityFolder::create(folder.path(), "zone", &["localhost".into()], 30, 7).unwrap();
        made.issue(lin(), 7).unwrap();
        let first_list = read(&folder.path().join("revoked.pem")).unwrap();
        let mut opened = AuthorityFolder::open(folder.path()).unwrap();
        assert_eq!(opened.revoke("lin.wei", 7).unwrap().len(), 1);
        assert_ne!(read(&folder.path().join("revoked.pem")).unwrap(), first_list);
        let opened = AuthorityFolder::open(folder.path()).unwrap();
        let entry = opened.certificates().iter().find(|entry| entry.common_name == "lin.wei").unwrap();
        assert!(entry.revoked_at.is_some());
        assert!(AuthorityFolder::open(folder.path()).unwrap().revoke("lin.wei", 7).is_err());
    }
}
