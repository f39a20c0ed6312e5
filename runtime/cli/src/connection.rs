//! To which enclave a command talks, and as whom: options, environment, or a profile file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use glovebox_client::{Access, Client};
use serde::Deserialize;

/// Options of every command.
#[derive(Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct Global {
    /// Where the enclave is, e.g. https://127.0.0.1:8443
    #[arg(long, global = true, env = "GLOVEBOX_SERVER", hide_env_values = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Your certificate: a folder with cert.pem and key.pem, or one PEM file with both
    #[arg(long, global = true, env = "GLOVEBOX_IDENTITY", hide_env_values = true, value_name = "PATH")]
    pub(crate) identity: Option<PathBuf>,
    /// Certificate of the zone's authority; ca.pem beside the identity unless given
    #[arg(long, global = true, env = "GLOVEBOX_CA", hide_env_values = true, value_name = "PEM")]
    pub(crate) ca: Option<PathBuf>,
    /// Section of the profile file to take server, identity and ca from; `default` unless given
    #[arg(long, global = true, env = "GLOVEBOX_PROFILE", hide_env_values = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The profile file; ~/.config/glovebox/profiles.toml unless given
    #[arg(long, global = true, env = "GLOVEBOX_PROFILES", hide_env_values = true, value_name = "TOML")]
    pub(crate) profiles: Option<PathBuf>,
    /// Print results as JSON on standard output, and failures as JSON on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// One section of the profile file. Paths are relative to the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    server: Option<String>,
    identity: Option<PathBuf>,
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
        let folder = if identity.is_dir() { identity.as_path() } else { identity.parent().unwrap_or(Path::new(".")) };
        let (certificate, key) = if identity.is_dir() {
            (identity.join("cert.pem"), identity.join("key.pem"))
        } else {
            (identity.clone(), identity.clone())
        };
        let authority = self.ca.clone().or(profile.ca).unwrap_or_else(|| folder.join("ca.pem"));
        Ok(Access {
            server,
            authority_pem: read(&authority)?,
            certificate_pem: read(&certificate)?,
            key_pem: read(&key)?,
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
        for file in [&mut profile.identity, &mut profile.ca].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        Ok(profile)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn global(profiles: &Path, profile: Option<&str>) -> Global {
        Global {
            server: None,
            identity: None,
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
