//! Which files a server's TLS stands on: those of a folder of `glovebox pki`, or each named by itself.

use std::path::{Path, PathBuf};

use anyhow::bail;
use glovebox_client::Suites;
use glovebox_gm::key_file;
use glovebox_server::{Tls, TlsFiles};

use crate::connection::TlsChoice;

/// The files of one set that were named by themselves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) private_key: Option<PathBuf>,
    pub(crate) client_authority: Option<PathBuf>,
    pub(crate) client_revocations: Option<PathBuf>,
}

/// Everything that says where the files are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Folder of `glovebox pki`.
    pub(crate) pki: Option<PathBuf>,
    /// Files of the set with P-256 certificates.
    pub(crate) standard: Named,
    /// Files of the set with SM2 certificates.
    pub(crate) gm: Named,
    /// File with the passphrase of encrypted private keys.
    pub(crate) key_passphrase: Option<PathBuf>,
}

impl Sources {
    /// A folder of `glovebox pki` and nothing else.
    pub(crate) fn folder(pki: &Path) -> Self {
        Self { pki: Some(pki.to_owned()), ..Self::default() }
    }

    /// The sets that are there and that `choice` allows.
    pub(crate) fn tls(&self, choice: TlsChoice) -> anyhow::Result<Tls> {
        let mut sets = [None, None];
        for (set, suites) in sets.iter_mut().zip([Suites::Gm, Suites::Standard]) {
            if choice.allows(suites) && self.is_there(suites) {
                *set = Some(self.files(suites)?);
            }
        }
        let [gm, standard] = sets;
        if gm.is_none() && standard.is_none() {
            bail!("{}", self.missing(choice));
        }
        Ok(Tls::new(gm, standard))
    }

    fn named(&self, suites: Suites) -> &Named {
        match suites {
            Suites::Gm => &self.gm,
            Suites::Standard => &self.standard,
        }
    }

    fn is_there(&self, suites: Suites) -> bool {
        let Named { certificate, private_key, client_authority, client_revocations } = self.named(suites);
        let is_named =
            [certificate, private_key, client_authority, client_revocations].into_iter().any(Option::is_some);
        is_named || self.pki.as_ref().is_some_and(|pki| pki.join(places(suites).0).exists())
    }

    fn files(&self, suites: Suites) -> anyhow::Result<TlsFiles> {
        let prefix = if suites == Suites::Gm { "gm-" } else { "" };
        let file = |own: &Option<PathBuf>, option: &str, in_pki: &str| match (own, &self.pki) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(pki)) => Ok(pki.join(in_pki)),
            (None, None) => bail!("give `--pki FOLDER` (see `glovebox pki init`) or `--{prefix}{option} PEM`"),
        };
        let (named, places) = (self.named(suites), places(suites));
        let mut files = TlsFiles::new(
            file(&named.certificate, "certificate", places.0)?,
            file(&named.private_key, "private-key", places.1)?,
            file(&named.client_authority, "client-authority", places.2)?,
            file(&named.client_revocations, "client-revocations", places.3)?,
        );
        files.key_passphrase.clone_from(&self.key_passphrase);
        Ok(files)
    }

    fn missing(&self, choice: TlsChoice) -> String {
        let Some(pki) = &self.pki else {
            return "give `--pki FOLDER` (see `glovebox pki init`), or `--certificate PEM` and its like".to_owned();
        };
        let pki = pki.display();
        match choice {
            TlsChoice::Gm => format!(
                "`--tls gm` takes an SM2 certificate and `{pki}` has none for the server (server/gm/cert.pem); \
                 make one: glovebox pki init --dir {pki} --algorithm sm2"
            ),
            TlsChoice::Standard => format!(
                "`--tls standard` takes a P-256 certificate and `{pki}` has none for the server (server/cert.pem); \
                 make one: glovebox pki init --dir {pki} --algorithm p256"
            ),
            TlsChoice::Auto => {
                format!("`{pki}` has no certificate for the server; make one: glovebox pki init --dir {pki}")
            }
        }
    }
}

/// Refuses an encrypted private key for which no passphrase was given, by the name of the option that gives it.
pub(crate) fn needs_passphrase(file: &Path, key_pem: &str, is_given: bool) -> anyhow::Result<()> {
    if !is_given && key_file::is_encrypted(key_pem) {
        bail!("`{}` is encrypted; give its passphrase: --key-passphrase-file FILE", file.display());
    }
    Ok(())
}

/// Certificate, key, authority and revocation list in a folder of `glovebox pki`.
fn places(suites: Suites) -> (&'static str, &'static str, &'static str, &'static str) {
    match suites {
        Suites::Gm => ("server/gm/cert.pem", "server/gm/key.pem", "gm/ca.pem", "gm/revoked.pem"),
        Suites::Standard => ("server/cert.pem", "server/key.pem", "ca.pem", "revoked.pem"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pki(files: &[&str]) -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let sources = Sources::folder(folder.path());
        (folder, sources)
    }

    #[test]
    fn a_folder_gives_the_sets_that_it_has() {
        let (folder, both) = pki(&["server/cert.pem", "server/gm/cert.pem"]);
        let tls = both.tls(TlsChoice::Auto).unwrap();
        assert_eq!(tls.standard.unwrap().client_revocations, folder.path().join("revoked.pem"));
        let gm = tls.gm.unwrap();
        assert_eq!(gm.key, folder.path().join("server/gm/key.pem"));
        assert_eq!(gm.client_authority, folder.path().join("gm/ca.pem"));
        assert!(both.tls(TlsChoice::Gm).unwrap().standard.is_none());
        assert!(both.tls(TlsChoice::Standard).unwrap().gm.is_none());

        let (_folder, standard) = pki(&["server/cert.pem"]);
        assert!(standard.tls(TlsChoice::Auto).unwrap().gm.is_none());
        let error = standard.tls(TlsChoice::Gm).unwrap_err().to_string();
        assert!(error.contains("--algorithm sm2"), "{error}");
        let (_folder, gm) = pki(&["server/gm/cert.pem"]);
        assert!(gm.tls(TlsChoice::Auto).unwrap().standard.is_none());
        assert!(gm.tls(TlsChoice::Standard).unwrap_err().to_string().contains("--algorithm p256"));
        let (_folder, neither) = pki(&[]);
        assert!(neither.tls(TlsChoice::Auto).unwrap_err().to_string().contains("glovebox pki init"));
    }

    #[test]
    fn files_may_be_named_one_by_one() {
        let named = Named {
            certificate: Some("c".into()),
            private_key: Some("k".into()),
            client_authority: Some("a".into()),
            client_revocations: None,
        };
        let sources = Sources { gm: named.clone(), ..Sources::default() };
        let error = sources.tls(TlsChoice::Auto).unwrap_err().to_string();
        assert!(error.contains("--gm-client-revocations"), "{error}");
        let gm = Named { client_revocations: Some("r".into()), ..named };
        let sources = Sources { gm, key_passphrase: Some("p".into()), ..Sources::default() };
        let tls = sources.tls(TlsChoice::Auto).unwrap();
        assert!(tls.standard.is_none());
        assert_eq!(tls.gm.unwrap().key_passphrase, Some("p".into()));
    }
}
