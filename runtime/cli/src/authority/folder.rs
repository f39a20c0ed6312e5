//! One authority of a trial zone: its key, a register of what it issued, its revocation list.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use glovebox_catalog::Timestamp;
use glovebox_gm::key_file;
use glovebox_gm::pki::{Algorithm, Authority, Issued, Kind, PrivateKey, Request, Revoked, SecretPem};
use serde::{Deserialize, Serialize};

use super::{Beginning, now_unix_ms, write, write_new_secret, write_secret};
use crate::connection::read;

const REGISTER: &str = "register.json";
const DAY_MS: i64 = 86_400_000;
/// Longest validity of a server's certificate, in days.
const SERVER_DAYS_MAX: u32 = 397;
/// Certificates begin a little in the past, so that a peer whose clock is behind accepts them.
const CLOCK_SKEW_MS: i64 = 300_000;

/// A certificate of the register.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// What it is signed with: `sm2` or `p256`.
    #[serde(default)]
    pub(crate) algorithm: String,
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

/// An authority: its register, and once it is unlocked its key.
pub(crate) struct AuthorityFolder {
    /// Of the whole zone.
    zone: PathBuf,
    algorithm: Algorithm,
    /// None until it is unlocked: what was issued can be read without the key.
    authority: Option<Authority>,
    register: Register,
    /// The register's text as it was read or written last; none before the first time.
    on_disk: Option<String>,
}

impl AuthorityFolder {
    /// Whether the zone's folder has an authority of this algorithm.
    pub(super) fn is_there(zone: &Path, algorithm: Algorithm) -> bool {
        place(zone, algorithm).join("ca.key").exists()
    }

    /// Makes a new authority with a certificate for the server, and an empty revocation list.
    pub(super) fn create(zone: &Path, algorithm: Algorithm, beginning: &Beginning<'_>) -> anyhow::Result<()> {
        let Beginning { name, server_names, days, list_days, passphrase } = beginning;
        let folder = place(zone, algorithm);
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        // Of a zone in earnest, whose key is elsewhere: servers trust that file.
        anyhow::ensure!(
            !folder.join("ca.pem").exists(),
            "`{}` holds the certificate of an authority, and no key of it; choose another folder",
            folder.display()
        );
        let authority = Authority::create(algorithm, name, now_unix_ms() - CLOCK_SKEW_MS, *days)?;
        // Of two who make one at a time, one gets through.
        let encrypted = passphrase.map(|passphrase| encrypt(authority.key_pem(), passphrase)).transpose()?;
        write_new_secret(&folder.join("ca.key"), encrypted.as_ref().unwrap_or(authority.key_pem()).expose())?;
        write(&folder.join("ca.pem"), authority.cert_pem())?;
        let (zone, register) = (zone.to_owned(), Register::default());
        let mut made = Self { zone, algorithm, authority: Some(authority), register, on_disk: None };
        made.write_list(*list_days)?;
        let subject = Subject { common_name: "enclave", organisation: name, roles: Vec::new() };
        let server_days = days.saturating_sub(1).clamp(1, SERVER_DAYS_MAX);
        made.issue_into("server", &subject, Kind::Server { names: server_names.to_vec() }, server_days, None)?;
        Ok(())
    }

    /// Reads what one issued, without its key.
    pub(super) fn read(zone: &Path, algorithm: Algorithm) -> anyhow::Result<Self> {
        let folder = place(zone, algorithm);
        let on_disk = read(&folder.join(REGISTER))?;
        let mut register: Register = serde_json::from_str(&on_disk)
            .with_context(|| format!("`{}` is damaged", folder.join(REGISTER).display()))?;
        register.certificates.iter_mut().for_each(|entry| algorithm.as_str().clone_into(&mut entry.algorithm));
        Ok(Self { zone: zone.to_owned(), algorithm, authority: None, register, on_disk: Some(on_disk) })
    }

    /// Opens its key, with the passphrase where it is encrypted.
    pub(super) fn unlock(&mut self, passphrase: Option<&[u8]>) -> anyhow::Result<()> {
        let (folder, path) = (self.folder(), self.key_file());
        let pem = zeroize::Zeroizing::new(read(&path)?);
        anyhow::ensure!(
            passphrase.is_some() || !key_file::is_encrypted(&pem),
            "`{}` is encrypted; give its passphrase: --ca-passphrase-file FILE (or GLOVEBOX_CA_PASSPHRASE_FILE)",
            path.display()
        );
        let key = PrivateKey::from_pem(&pem, passphrase).with_context(|| format!("can't open `{}`", path.display()))?;
        let authority = Authority::from_pem(&read(&folder.join("ca.pem"))?, key.to_pem()?.expose())
            .with_context(|| format!("can't take up the authority in `{}`", folder.display()))?;
        anyhow::ensure!(
            authority.algorithm() == self.algorithm,
            "`{}` should hold an authority of {}, not of {}",
            folder.display(),
            self.algorithm,
            authority.algorithm()
        );
        self.authority = Some(authority);
        Ok(())
    }

    /// Its key under another passphrase, not yet written.
    pub(super) fn encrypted_key(&self, passphrase: &[u8]) -> anyhow::Result<SecretPem> {
        encrypt(self.unlocked()?.key_pem(), passphrase)
    }

    /// Writes its key anew.
    pub(super) fn replace_key(&self, key: &SecretPem) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        write_secret(&self.key_file(), key.expose())
    }

    fn unlocked(&self) -> anyhow::Result<&Authority> {
        self.authority.as_ref().context("the authority's key was not opened before it should sign")
    }

    /// Where its key is.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder().join("ca.key")
    }

    /// What it signs with.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Folder of its own files.
    pub(crate) fn folder(&self) -> PathBuf {
        place(&self.zone, self.algorithm())
    }

    /// What it issued, in order.
    pub(crate) fn certificates(&self) -> &[Entry] {
        &self.register.certificates
    }

    /// Until when the revocation list counts; after that no client is accepted any more.
    pub(crate) fn list_until(&self) -> Option<Timestamp> {
        self.register.list_until
    }

    /// Issues a certificate for a principal.
    pub(super) fn issue(
        &mut self,
        subject: &Subject<'_>,
        days: u32,
        passphrase: Option<&[u8]>,
    ) -> anyhow::Result<Entry> {
        self.issue_into(&format!("identities/{}", subject.common_name), subject, Kind::Client, days, passphrase)
    }

    /// Issues a certificate for the server, in place of the one before.
    pub(super) fn issue_server(
        &mut self,
        names: &[String],
        days: u32,
        passphrase: Option<&[u8]>,
    ) -> anyhow::Result<Entry> {
        let organisation = self.certificates().first().map_or_else(|| "zone".to_owned(), |e| e.organisation.clone());
        let subject = Subject { common_name: "enclave", organisation: &organisation, roles: Vec::new() };
        self.issue_into("server", &subject, Kind::Server { names: names.to_vec() }, days, passphrase)
    }

    /// Revokes every certificate of a name, or the one of a serial number; none when it issued none such.
    pub(super) fn revoke(&mut self, name_or_serial: &str, list_days: u32) -> anyhow::Result<Vec<Entry>> {
        let now = Timestamp::from_unix_ms(now_unix_ms());
        let mut revoked = Vec::new();
        for entry in &mut self.register.certificates {
            let is_meant = entry.common_name == name_or_serial || entry.serial == name_or_serial;
            if is_meant && entry.revoked_at.is_none() {
                entry.revoked_at = Some(now);
                revoked.push(entry.clone());
            }
        }
        if !revoked.is_empty() {
            self.write_list(list_days)?;
        }
        Ok(revoked)
    }

    /// Writes the revocation list anew, valid for `days` from now.
    pub(super) fn write_list(&mut self, days: u32) -> anyhow::Result<()> {
        let now = now_unix_ms();
        let until = now + i64::from(days) * DAY_MS;
        let revoked: Vec<_> = self.certificates().iter().filter_map(revoked).collect();
        self.register.list_number += 1;
        self.register.list_until = Some(Timestamp::from_unix_ms(until));
        let list = self.unlocked()?.crl(&revoked, self.register.list_number, now - CLOCK_SKEW_MS, until)?;
        // The number counts what was revoked as well: written first, a crash can't lose a revocation. Under one lock with
        // the list, or an older list could end up in place of a newer one.
        let lock = self.lock()?;
        self.write_register(&lock)?;
        write(&self.folder().join("revoked.pem"), &list)
    }

    fn issue_into(
        &mut self,
        name: &str,
        subject: &Subject<'_>,
        kind: Kind,
        days: u32,
        passphrase: Option<&[u8]>,
    ) -> anyhow::Result<Entry> {
        let now = now_unix_ms();
        let Issued { cert_pem, mut key_pem, serial_hex, not_after_unix_ms } = self.unlocked()?.issue(&Request {
            common_name: subject.common_name.to_owned(),
            organisation: subject.organisation.to_owned(),
            roles: subject.roles.clone(),
            kind,
            valid_from_unix_ms: now - CLOCK_SKEW_MS,
            days,
        })?;
        if let Some(passphrase) = passphrase {
            key_pem = encrypt(&key_pem, passphrase)?;
        }
        let entry = Entry {
            algorithm: self.algorithm().as_str().to_owned(),
            serial: serial_hex,
            common_name: subject.common_name.to_owned(),
            organisation: subject.organisation.to_owned(),
            roles: subject.roles.clone(),
            issued_at: Timestamp::from_unix_ms(now),
            not_after: Timestamp::from_unix_ms(not_after_unix_ms),
            revoked_at: None,
        };
        // A certificate that is not in the register could not be revoked.
        self.register.certificates.push(entry.clone());
        self.write_register(&self.lock()?)?;
        let folder = place(&self.zone.join(name), self.algorithm());
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make `{}`", folder.display()))?;
        write_secret(&folder.join("key.pem"), key_pem.expose())?;
        write(&folder.join("cert.pem"), &cert_pem)?;
        write(&folder.join("ca.pem"), self.unlocked()?.cert_pem())?;
        Ok(entry)
    }

    /// Keeps other commands from writing the register until it is dropped.
    fn lock(&self) -> anyhow::Result<File> {
        let path = self.key_file();
        let file = File::open(&path).and_then(|file| file.lock().map(|()| file));
        file.with_context(|| format!("can't lock `{}`", path.display()))
    }

    /// Writes the register, unless another command did since it was read: its certificates or revocations would be lost.
    fn write_register(&mut self, _lock: &File) -> anyhow::Result<()> {
        let path = self.folder().join(REGISTER);
        let is_as_it_was = match &self.on_disk {
            Some(text) => read(&path)? == *text,
            None => !path.exists(),
        };
        anyhow::ensure!(is_as_it_was, "`{}` was changed by another command meanwhile; try again", path.display());
        let text = serde_json::to_string_pretty(&self.register)?;
        write(&path, &text)?;
        self.on_disk = Some(text);
        Ok(())
    }
}

/// Where the files of an algorithm are: the folder itself for P-256, its `gm` for SM2.
fn place(folder: &Path, algorithm: Algorithm) -> PathBuf {
    match algorithm {
        Algorithm::Sm2 => folder.join("gm"),
        Algorithm::P256 => folder.to_owned(),
    }
}

fn encrypt(key_pem: &SecretPem, passphrase: &[u8]) -> anyhow::Result<SecretPem> {
    let key = PrivateKey::from_pem(key_pem.expose(), None)?.to_pkcs8_der()?;
    Ok(key_file::encrypt(&key, passphrase, key_file::ITERATIONS_DEFAULT)?)
}

fn revoked(entry: &Entry) -> Option<Revoked> {
    Some(Revoked { serial_hex: entry.serial.clone(), at_unix_ms: entry.revoked_at?.unix_ms() })
}
