//! To which enclave a command talks, and as whom: options, environment, or a profile file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use glovebox_client::{Access, Client, ClientError, Suites};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct Global {
    /// Where the enclave is, e.g. https://127.0.0.1:8443
    #[arg(long, global = true, env = "GLOVEBOX_SERVER", hide_env_values = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Your certificate: a folder with cert.pem and key.pem, and gm/ with SM2 ones; or one PEM file with both
    #[arg(long, global = true, env = "GLOVEBOX_IDENTITY", hide_env_values = true, value_name = "PATH")]
    pub(crate) identity: Option<PathBuf>,
    /// File whose first line is the passphrase of your private key, if that is encrypted
    #[arg(long, global = true, env = "GLOVEBOX_IDENTITY_PASSPHRASE_FILE", hide_env_values = true, value_name = "FILE")]
    pub(crate) identity_passphrase_file: Option<PathBuf>,
    /// What connections speak: `gm` RFC 8998 with SM2 certificates, `standard` TLS 1.3 with P-256 ones. `auto`, the
    /// default, is gm where the identity has an SM2 certificate; for `serve`, all that the server has certificates for
    #[arg(long, global = true, env = "GLOVEBOX_TLS", hide_env_values = true, value_enum, value_name = "SUITES")]
    pub(crate) tls: Option<TlsChoice>,
    /// Certificate of the zone's authority; ca.pem beside the certificate unless given
    #[arg(long, global = true, env = "GLOVEBOX_CA", hide_env_values = true, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// Section of the profile file to take the options above from; `default` unless given
    #[arg(long, global = true, env = "GLOVEBOX_PROFILE", hide_env_values = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The profile file; ~/.config/glovebox/profiles.toml unless given
    #[arg(long, global = true, env = "GLOVEBOX_PROFILES", hide_env_values = true, value_name = "TOML")]
    pub(crate) profiles: Option<PathBuf>,
    /// Print results as JSON on standard output, and failures as JSON on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// Which suites may be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsChoice {
    /// Whatever there are certificates for; a client with an SM2 one speaks RFC 8998
    #[default]
    Auto,
    /// RFC 8998 alone: SM2, SM3, SM4
    Gm,
    /// The standard suites of TLS 1.3 alone
    Standard,
}

impl TlsChoice {
    /// Whether it leaves these suites open.
    pub(crate) fn allows(self, suites: Suites) -> bool {
        self.only().is_none_or(|only| only == suites)
    }

    /// The suites that it insists on.
    fn only(self) -> Option<Suites> {
        match self {
            Self::Auto => None,
            Self::Gm => Some(Suites::Gm),
            Self::Standard => Some(Suites::Standard),
        }
    }
}

/// One section of the profile file. Paths are relative to the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    server: Option<String>,
    identity: Option<PathBuf>,
    identity_passphrase_file: Option<PathBuf>,
    tls: Option<TlsChoice>,
    ca: Option<PathBuf>,
}

impl Global {
    /// A client as these options say.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(self.access()?)?)
    }

    fn access(&self) -> anyhow::Result<Access> {
        let profile = self.read_profile()?;
        let server = self.server.clone().or(profile.server).context(
            "no server: give `--server https://name:port`, set GLOVEBOX_SERVER, or write it in a profile file",
        )?;
        let identity = self.identity.clone().or(profile.identity).context(
            "no identity: give `--identity FOLDER` with cert.pem and key.pem, set GLOVEBOX_IDENTITY, or use a profile",
        )?;
        let tls = self.tls.or(profile.tls).unwrap_or_default();
        let (certificate, key) = identity_files(&identity, tls)?;
        let beside = || certificate.parent().unwrap_or(Path::new(".")).join("ca.pem");
        let authority = self.ca.clone().or(profile.ca).unwrap_or_else(beside);
        let passphrase = self.identity_passphrase_file.clone().or(profile.identity_passphrase_file);
        let key_pem = read(&key)?;
        if passphrase.is_none() && glovebox_gm::key_file::is_encrypted(&key_pem) {
            let detail =
                format!("`{}` is encrypted; give the passphrase: --identity-passphrase-file FILE", key.display());
            return Err(ClientError::Access { what: "the private key", detail }.into());
        }
        Ok(Access {
            server,
            authority_pem: read(&authority)?,
            certificate_pem: read(&certificate)?,
            key_pem,
            key_passphrase: passphrase.as_deref().map(first_line).transpose()?,
            tls: tls.only(),
        })
    }

    fn read_profile(&self) -> anyhow::Result<Profile> {
        let path = self.profiles.clone().or_else(default_profiles);
        let wanted = self.profile.as_deref();
        let Some(path) = path.filter(|path| path.exists() || self.profiles.is_some() || wanted.is_some()) else {
            if let Some(name) = wanted {
                bail!("profile `{name}`: there is no profile file; give one with `--profiles`");
            }
            return Ok(Profile::default());
        };
        let mut sections: BTreeMap<String, Profile> =
            toml::from_str(&read(&path)?).with_context(|| format!("read `{}`", path.display()))?;
        let name = wanted.unwrap_or("default");
        let Some(mut profile) = sections.remove(name) else {
            if wanted.is_none() {
                return Ok(Profile::default());
            }
            let known: Vec<_> = sections.keys().map(String::as_str).collect();
            bail!("`{}` has no profile `{name}`; it has: {}", path.display(), known.join(", "));
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let Profile { identity, identity_passphrase_file, ca, .. } = &mut profile;
        for file in [identity, identity_passphrase_file, ca].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        Ok(profile)
    }
}

/// Certificate and key of an identity. It is settled here, before anything is sent, what a connection speaks; one that
/// fails is never tried again with the other suites.
fn identity_files(identity: &Path, tls: TlsChoice) -> anyhow::Result<(PathBuf, PathBuf)> {
    if identity.is_file() {
        return Ok((identity.to_owned(), identity.to_owned()));
    }
    let shown = identity.display();
    ensure!(identity.is_dir(), "there is no identity `{shown}`: expected a folder with cert.pem and key.pem");
    let files = |folder: &Path| (folder.join("cert.pem"), folder.join("key.pem"));
    let gm = identity.join("gm");
    match tls {
        TlsChoice::Auto | TlsChoice::Gm if gm.join("cert.pem").exists() => Ok(files(&gm)),
        TlsChoice::Standard if gm.join("cert.pem").exists() && !identity.join("cert.pem").exists() => {
            bail!(
                "`{shown}` has an SM2 certificate alone, which standard TLS does not know; leave `--tls` to gm or auto"
            )
        }
        _ => Ok(files(identity)),
    }
}

fn default_profiles() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(config.join("glovebox/profiles.toml"))
}

/// A text file, with its name in the error.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read `{}`", path.display()))
}

/// A file, with its name in the error.
pub(crate) fn read_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can't read `{}`", path.display()))
}

/// The first line of a file with a passphrase.
pub(crate) fn first_line(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let bytes = Zeroizing::new(read_bytes(path)?);
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    Ok(Zeroizing::new(line.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(profiles: &Path, profile: Option<&str>) -> Global {
        Global {
            server: None,
            identity: None,
            identity_passphrase_file: None,
            tls: None,
            ca: None,
            profile: profile.map(str::to_owned),
            profiles: Some(profiles.to_owned()),
            json: false,
        }
    }

    #[test]
    fn a_profile_names_what_options_leave_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("profiles.toml");
        std::fs::write(
            &file,
            "[default]\nserver = \"https://a:1\"\n[b]\nserver = \"https://b:2\"\nidentity = \"lin\"\n",
        )
        .unwrap();
        assert_eq!(global(&file, None).read_profile().unwrap().server.as_deref(), Some("https://a:1"));
        let named = global(&file, Some("b")).read_profile().unwrap();
        assert_eq!(named.identity, Some(folder.path().join("lin")));
        let unknown = global(&file, Some("c")).read_profile().unwrap_err().to_string();
        assert!(unknown.contains("no profile `c`") && unknown.contains("default"), "{unknown}");
    }

    /// What is spoken is settled by what there is, and by nothing that happens later.
    #[test]
    fn the_identity_settles_what_is_spoken() {
        let folder = tempfile::tempdir().unwrap();
        let (both, standard) = (folder.path().join("both"), folder.path().join("standard"));
        for place in [&both, &both.join("gm"), &standard] {
            std::fs::create_dir_all(place).unwrap();
            std::fs::write(place.join("cert.pem"), "").unwrap();
        }
        let chosen = |identity: &Path, tls| identity_files(identity, tls).unwrap().0;
        assert_eq!(chosen(&both, TlsChoice::Auto), both.join("gm/cert.pem"));
        assert_eq!(chosen(&both, TlsChoice::Gm), both.join("gm/cert.pem"));
        assert_eq!(chosen(&both, TlsChoice::Standard), both.join("cert.pem"));
        assert_eq!(chosen(&standard, TlsChoice::Auto), standard.join("cert.pem"));
        // An identity of one kind by itself, which the client refuses if it is the other kind.
        assert_eq!(chosen(&standard, TlsChoice::Gm), standard.join("cert.pem"));
        assert_eq!(chosen(&both.join("gm"), TlsChoice::Auto), both.join("gm/cert.pem"));
        assert_eq!(chosen(&both.join("cert.pem"), TlsChoice::Auto), both.join("cert.pem"));
    }

    #[test]
    fn a_profile_chooses_suites() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("profiles.toml");
        std::fs::write(&file, "[default]\ntls = \"gm\"\nidentity_passphrase_file = \"secret\"\n").unwrap();
        let profile = global(&file, None).read_profile().unwrap();
        assert_eq!(profile.tls, Some(TlsChoice::Gm));
        assert_eq!(profile.identity_passphrase_file, Some(folder.path().join("secret")));
        std::fs::write(&file, "[default]\ntls = \"sm\"\n").unwrap();
        assert!(format!("{:#}", global(&file, None).read_profile().unwrap_err()).contains("sm"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("profiles.toml");
        std::fs::write(&file, "").unwrap();
        let error = global(&file, None).access().unwrap_err().to_string();
        assert!(error.contains("--server"), "{error}");
        std::fs::write(&file, "[default]\nsurver = \"x\"\n").unwrap();
        assert!(format!("{:#}", global(&file, None).access().unwrap_err()).contains("surver"));
    }
}
