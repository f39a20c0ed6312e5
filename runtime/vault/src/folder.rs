//! Durable files and folders below the vault's one capability; nothing here knows a path of the machine.

use std::io::Write;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, OpenOptions, OpenOptionsExt};

use crate::VaultError;

/// Creates a file that must not exist yet, readable by the owner alone.
pub(crate) fn create_file(dir: &Dir, name: &str) -> Result<File, VaultError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    Ok(dir.open_with(name, &options)?)
}

/// Creates a folder that must not exist yet, open to the owner alone, and opens it.
pub(crate) fn create_dir(dir: &Dir, name: &str) -> Result<Dir, VaultError> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    dir.create_dir_with(name, &builder)?;
    Ok(dir.open_dir(name)?)
}

/// Opens a folder, creating it when it is not there.
pub(crate) fn ensure_dir(dir: &Dir, name: &str) -> Result<Dir, VaultError> {
    if dir.try_exists(name)? { Ok(dir.open_dir(name)?) } else { create_dir(dir, name) }
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Dir) -> Result<(), VaultError> {
    // A `Dir` may be open for its path alone, which can't be synced: open it once more, for reading.
    dir.open(".")?.sync_all()?;
    Ok(())
}

/// Replaces `name` by `contents`: after a crash at any point either the old or the new contents are there, whole.
pub(crate) fn replace_file(dir: &Dir, name: &str, contents: &[u8]) -> Result<(), VaultError> {
    let fresh = format!("{name}.new");
    if dir.try_exists(&fresh)? {
        dir.remove_file(&fresh)?;
    }
    let written = create_file(dir, &fresh).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()?;
        Ok(())
    });
    if let Err(error) = written {
        // The error that matters is the first one; a leftover is removed by the next call.
        let _ = dir.remove_file(&fresh);
        return Err(error);
    }
    dir.rename(&fresh, dir, name)?;
    sync_dir(dir)
}

/// Names of the entries of `dir`, sorted.
pub(crate) fn names(dir: &Dir) -> Result<Vec<String>, VaultError> {
    let mut names = Vec::new();
    for entry in dir.entries()? {
        // The vault writes only names of its own alphabet; a name that is not UTF-8 is left alone.
        if let Ok(name) = entry?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn replacing_is_whole_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        // A torn write of an earlier crash.
        std::fs::write(folder.path().join("keyring.new"), b"torn").unwrap();
        replace_file(&dir, "keyring", b"one").unwrap();
        replace_file(&dir, "keyring", b"two").unwrap();
        assert_eq!(std::fs::read(folder.path().join("keyring")).unwrap(), b"two");
        assert_eq!(names(&dir).unwrap(), ["keyring"]);
        let mode = std::fs::metadata(folder.path().join("keyring")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn links_out_of_the_folder_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), b"x").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        assert!(dir.open("link/secret").is_err());
        assert!(create_file(&dir, "link/fresh").is_err());
    }
}
