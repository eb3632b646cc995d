//! Who may open the folder and what is in it: nobody but their owner, as far as this program can see to it.

#[cfg(unix)]
use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

use tracing::warn;

use super::fault::Fault;
use crate::store::private::{FILE_MODE, FOLDER_MODE, make_folder, own, own_open};

/// Whether a path can be the store's: a folder that no other user could have filled, or nothing yet.
pub(super) fn inspect(root: &Path) -> Result<(), Fault> {
    match root.metadata() {
        Ok(found) if !found.is_dir() => Err(Fault::new("it is not a folder; move it away, or name another")),
        // Whoever owns the folder, e.g. one made in advance in /tmp, could put tokens there.
        Ok(found) => trusted(root, &found),
        Err(_) if root.is_symlink() => Err(Fault::new("it is a link that leads to no folder; name a folder")),
        Err(_) => Ok(()),
    }
}

/// That it is this user's, or else an error.
pub(super) fn trusted(path: &Path, found: &Metadata) -> Result<(), Fault> {
    if is_trusted(found) {
        return Ok(());
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).display();
    Err(Fault::new(format!("{name} belongs to another user; name another folder, or give it to this user (chown)")))
}

#[cfg(unix)]
fn is_trusted(folder: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    is_trusted_owner(folder.uid(), rustix::process::geteuid().as_raw())
}

#[cfg(not(unix))]
fn is_trusted(_folder: &Metadata) -> bool {
    true
}

/// Root may look after any user's folder, and any user may use one that root made.
#[cfg(unix)]
fn is_trusted_owner(owner: u32, user: u32) -> bool {
    const ROOT: u32 = 0;
    [owner, ROOT].contains(&user) || owner == ROOT
}

/// Sees to it that there are both folders, for their owner alone. The outer one may be a link; the inner one, of which
/// only this program knows, may not.
pub(super) fn prepare(root: &Path, inner: &Path) -> Result<(), Fault> {
    make_folder(root).map_err(|error| Fault::of("make the folder", root, &error))?;
    match inner.symlink_metadata() {
        Ok(found) if found.is_dir() => trusted(inner, &found),
        Ok(_) => Err(Fault::new(format!("{} in it is not a folder; move it away", inner.display()))),
        Err(_) => make_folder(inner).map_err(|error| Fault::of("make the folder", inner, &error)),
    }
}

/// What tells a folder from another one that took its name.
pub(super) type Identity = (u64, u64);

/// Which folder has this name now; `None` if there is none, or no way to tell.
pub(super) fn identity(root: &Path) -> Option<Identity> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        root.metadata().ok().map(|found| (found.dev(), found.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = root;
        None
    }
}

/// Gives the owner of a file back what a strict umask took away; there need not be a file.
pub(super) fn open_to_owner(path: &Path) -> Result<(), Fault> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let is_closed = |found: &Metadata| found.is_file() && found.permissions().mode() & FILE_MODE != FILE_MODE;
        if path.symlink_metadata().is_ok_and(|found| is_closed(&found)) {
            own(path, FILE_MODE).map_err(|error| Fault::of("open", path, &error))?;
        }
    }
    Ok(())
}

/// Takes others' right to open a folder away, and says so. One that is shared on purpose, as `/tmp` is, stays open.
pub(super) fn close_folder_to_others(folder: &Path) {
    if let Ok(found) = folder.metadata()
        && !is_shared(&found)
    {
        close(folder, &found, || own(folder, FOLDER_MODE));
    }
}

#[cfg(unix)]
fn is_shared(folder: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const STICKY: u32 = 0o1000;
    folder.permissions().mode() & STICKY == STICKY
}

#[cfg(not(unix))]
fn is_shared(_folder: &Metadata) -> bool {
    false
}

/// Takes others' right to open a file away, and says so.
pub(super) fn close_file_to_others(path: &Path, file: &File, found: &Metadata) {
    // The open file, not whatever has its name by now.
    close(path, found, || own_open(file, FILE_MODE));
}

#[cfg(unix)]
fn close(path: &Path, found: &Metadata, close: impl FnOnce() -> io::Result<()>) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode | 0o700 == 0o700 {
        return;
    }
    let (path_shown, mode) = (path.display(), format_args!("{mode:03o}").to_string());
    match close() {
        Ok(()) => warn!(path = %path_shown, mode, "others could open what keeps tokens; now only its owner can"),
        Err(error) if is_news(path, &SAID) => {
            warn!(path = %path_shown, mode, %error, "others can open what keeps tokens, and this user may not close it");
        }
        Err(_) => {}
    }
}

/// Files that cannot be closed to others, e.g. on a disk that is mounted for reading: they are read once a second.
#[cfg(unix)]
static SAID: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
/// How many are remembered.
#[cfg(unix)]
const MAX_SAID: usize = 1_000;

/// Whether this was not said of a path yet.
#[cfg(unix)]
fn is_news(path: &Path, said: &Mutex<BTreeSet<PathBuf>>) -> bool {
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.len() < MAX_SAID && said.insert(path.to_owned())
}

#[cfg(not(unix))]
fn close(_path: &Path, _found: &Metadata, _close: impl FnOnce() -> io::Result<()>) {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn that_a_file_cannot_be_closed_to_others_is_said_once() {
        let said = Mutex::default();
        let news = ["a", "b", "a", "b"].map(|name| is_news(Path::new(name), &said));
        assert_eq!(news, [true, true, false, false]);
    }

    #[test]
    fn a_folder_of_another_user_is_not_trusted_unless_one_of_both_is_root() {
        assert!(is_trusted_owner(1_000, 1_000) && is_trusted_owner(0, 1_000) && is_trusted_owner(1_000, 0));
        assert!(!is_trusted_owner(1_001, 1_000));
    }
}
