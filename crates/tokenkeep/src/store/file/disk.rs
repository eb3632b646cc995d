//! Reads and writes files so that none is ever half there, none but regular ones are used, and nobody but their owner
//! can open them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use tracing::warn;
use zeroize::Zeroizing;

use super::fault::Fault;
use crate::store::private::{FILE_MODE, FOLDER_MODE, make_folder, own, private_file};

/// A file that was read.
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// When it was written, in Unix seconds.
    pub(super) modified_s: i64,
}

/// Reads a file; `None` if there is none. What others may open is closed to them.
pub(super) fn read(path: &Path) -> Result<Option<Content>, Fault> {
    let Some(mut file) = open(path, OpenOptions::new().read(true))? else { return Ok(None) };
    let failed = |error| Fault::of("read", path, &error);
    let found = file.metadata().map_err(failed)?;
    close_to_others(path, &found);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0).min(MAX_LEN)));
    (&mut file).take(MAX_LEN as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(Content { bytes, modified_s: Stamp::of(&found).modified_s }))
}

/// Opens a regular file, whatever may have taken its name meanwhile; `None` if there is none and none is made.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<Option<File>, Fault> {
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        // A pipe would be waited for.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }
    let odd = |what: &str| {
        let name = path.file_name().unwrap_or_default().display();
        Fault::new(format!("{name} is {what}, and is neither followed nor replaced; move it away"))
    };
    match options.open(path) {
        Ok(file) if file.metadata().is_ok_and(|found| found.is_file()) => Ok(Some(file)),
        Ok(_) => Err(odd("not a regular file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => odd("a symbolic link"),
            Ok(found) if !found.is_file() => odd("not a regular file"),
            _ => Fault::of("open", path, &error),
        }),
    }
}

/// Replaces a file by one that is complete from its first moment. Only for holders of the lock: `new` is the name that
/// it has until then.
pub(super) fn replace(path: &Path, new: &Path, bytes: &[u8], durability: Durability) -> Result<File, Fault> {
    let file = write_new(new, bytes, durability)?;
    put(new, path, durability)?;
    Ok(file)
}

/// Writes a file that is not there yet, or was left behind by a write that was cut short.
pub(super) fn write_new(path: &Path, bytes: &[u8], durability: Durability) -> Result<File, Fault> {
    let failed = |error| Fault::of("write", path, &error);
    remove(path)?;
    let mut file = private_file().write(true).create_new(true).open(path).map_err(failed)?;
    let written = own(path, FILE_MODE).and_then(|()| file.write_all(bytes)).and_then(|()| match durability {
        Durability::PowerCut => file.sync_all(),
        Durability::Kill => Ok(()),
    });
    if let Err(error) = written {
        // Half a file in the way of the next attempt would only take room.
        let fault = failed(error);
        return remove(path).and(Err(fault));
    }
    Ok(file)
}

/// Gives a complete file its name. Whatever has this name now is a regular file or nothing, or it fails.
pub(super) fn put(new: &Path, path: &Path, durability: Durability) -> Result<(), Fault> {
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        // Says what is there instead.
        open(path, OpenOptions::new().read(true))?;
    }
    std::fs::rename(new, path).map_err(|error| Fault::of("write", path, &error))?;
    match durability {
        Durability::PowerCut => sync_folder_of(path),
        Durability::Kill => Ok(()),
    }
}

/// Removes a file; there need not be one.
pub(super) fn remove(path: &Path) -> Result<(), Fault> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Fault::of("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Gives a file that is of no use a name under which nobody looks for one, which is the answer. The file stays as it is.
pub(super) fn set_aside(path: &Path, now_ms: i64) -> Result<PathBuf, Fault> {
    let name = path.file_name().unwrap_or_default().display();
    let mut number = now_ms;
    let aside = loop {
        let aside = path.with_file_name(format!("{name}.bad-{number}"));
        if aside.symlink_metadata().is_err() {
            break aside;
        }
        number += 1;
    };
    std::fs::rename(path, &aside).map_err(|error| Fault::of("set aside", path, &error))?;
    Ok(aside)
}

/// Makes what is written to a folder outlive the machine.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), Fault> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| Fault::of("write", folder, &error))?;
    }
    Ok(())
}

/// Whether a path can be the store's: a folder that no other user could have filled, or nothing yet.
pub(super) fn inspect(root: &Path) -> Result<(), Fault> {
    match root.metadata() {
        Ok(found) if !found.is_dir() => Err(Fault::new("it is not a folder; move it away, or name another")),
        // Whoever owns the folder, e.g. one made in advance in /tmp, could put tokens there.
        Ok(found) if !is_trusted(&found) => Err(Fault::new(
            "the folder belongs to another user; name one of this user's, or give it to this user (chown)",
        )),
        Err(_) if root.is_symlink() => Err(Fault::new("it is a link that leads to no folder; name a folder")),
        Ok(_) | Err(_) => Ok(()),
    }
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
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(Fault::new(format!("{} in it is not a folder; move it away", inner.display()))),
        Err(_) => make_folder(inner).map_err(|error| Fault::of("make the folder", inner, &error)),
    }
}

/// The names in a folder; none if it is not there.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Fault> {
    let failed = |error| Fault::of("read the folder", folder, &error);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
    names.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(failed)
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

/// Takes others' right to open a folder away, and says so.
pub(super) fn close_folder_to_others(folder: &Path) {
    if let Ok(found) = folder.metadata() {
        close(folder, &found, FOLDER_MODE);
    }
}

/// Takes others' right to open a file away, and says so.
fn close_to_others(path: &Path, found: &Metadata) {
    close(path, found, FILE_MODE);
}

#[cfg(unix)]
fn close(path: &Path, found: &Metadata, wanted: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode | 0o700 == 0o700 {
        return;
    }
    let (path_shown, mode) = (path.display(), format_args!("{mode:03o}").to_string());
    match own(path, wanted) {
        Ok(()) => warn!(path = %path_shown, mode, "others could open what keeps tokens; now only its owner can"),
        Err(error) => {
            warn!(path = %path_shown, mode, %error, "others can open what keeps tokens, and this user may not close it");
        }
    }
}

#[cfg(not(unix))]
fn close(_path: &Path, _found: &Metadata, _wanted: u32) {}

/// Tells a file from any that has its name later, or another content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    len: u64,
    modified_s: i64,
    /// When its content, name or mode was changed, which nobody can set: seconds, and their fraction.
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file at this path; `None` if there is none.
    pub(super) fn at(path: &Path) -> Option<Self> {
        path.symlink_metadata().ok().map(|found| Self::of(&found))
    }

    #[cfg(unix)]
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            file: (found.dev(), found.ino()),
            len: found.len(),
            modified_s: found.mtime(),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    #[cfg(not(unix))]
    fn of(found: &Metadata) -> Self {
        let since = |time: std::time::SystemTime| time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok();
        let modified = found.modified().ok().and_then(since).unwrap_or_default();
        let modified_s = i64::try_from(modified.as_secs()).unwrap_or(i64::MAX);
        let changed = (modified_s, modified.subsec_nanos().into());
        Self { file: (0, 0), len: found.len(), modified_s, changed }
    }

    /// When the file was changed last, in Unix seconds.
    pub(super) fn changed_s(&self) -> i64 {
        self.changed.0
    }
}

/// Whether an open file is the one that others find under its name.
pub(super) fn is_still_at(file: &File, path: &Path) -> bool {
    let here = file.metadata().ok().map(|found| Stamp::of(&found).file);
    here.is_some() && here == Stamp::at(path).map(|stamp| stamp.file)
}

/// What a write outlives.
#[derive(Debug, Clone, Copy)]
pub(super) enum Durability {
    /// The process. For what ends with the boot anyway, or follows from other files.
    Kill,
    /// The machine, at the price of an `fsync`.
    PowerCut,
}

/// More than any token file or sidecar has.
const MAX_LEN: usize = 8 << 20;

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_another_user_is_not_trusted_unless_one_of_both_is_root() {
        assert!(is_trusted_owner(1_000, 1_000) && is_trusted_owner(0, 1_000) && is_trusted_owner(1_000, 0));
        assert!(!is_trusted_owner(1_001, 1_000));
    }
}
