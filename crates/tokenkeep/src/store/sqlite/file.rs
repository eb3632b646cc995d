//! Makes the file before `SQLite` does, so that from its first byte nobody but its owner can read it.
//!
//! `SQLite` creates what is missing as the umask allows, and gives `-wal` and `-shm` the mode of the file itself. An
//! empty file of the right mode settles all three; to `SQLite` it is an empty database.

use std::io::{self, ErrorKind};
use std::path::Path;

use crate::store::private::{FILE_MODE, make_folder, own, private_file};

/// Sees to it that there is a file, and says what is wrong with it in words for the store's error.
pub(super) fn prepare(path: &Path) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        make_folder(folder).map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
    }
    match make_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => inspect(path),
        Err(error) => Err(format!("cannot make the file: {error}")),
    }
}

/// What tells a file from another one that took its name.
pub(super) type Identity = (u64, u64);

/// Which file has this name now; `None` if there is none, or no way to tell.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        path.metadata().ok().map(|found| (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    None
}

/// Makes an empty file. It follows no symbolic link, not even one that leads nowhere.
fn make_file(path: &Path) -> io::Result<()> {
    private_file().write(true).create_new(true).open(path).map(drop)?;
    own(path, FILE_MODE)
}

fn inspect(path: &Path) -> Result<(), String> {
    let found = path.symlink_metadata().map_err(|error| format!("cannot look at the file: {error}"))?;
    if found.is_symlink() {
        return Err("is a symbolic link, which is not followed; name the file that it leads to".into());
    }
    if !found.is_file() {
        return Err("is not a regular file; name another".into());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = found.permissions().mode() & 0o777;
        if mode & !FILE_MODE != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = %format_args!("{mode:03o}"),
                "others than its owner may open the file that keeps the tokens; chmod 600 it"
            );
        }
    }
    Ok(())
}
