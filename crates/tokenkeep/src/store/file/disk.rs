//! Reads and writes files so that none is ever half there, and none but regular ones are used.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::fault::Fault;
use super::rights;
use crate::store::private::{FILE_MODE, own_open, private_file};

/// A file that was read.
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// When it was written, in Unix seconds.
    pub(super) modified_s: i64,
}

/// Reads a file; `None` if there is none. What others may open is closed to them.
pub(super) fn read(path: &Path) -> Result<Option<Content>, Fault> {
    let Some((file, found)) = open_to_read(path)? else { return Ok(None) };
    read_open(path, file, &found).map(Some)
}

/// The same for a file that other programs may have made. One with another name too, by a hard link, is somebody's who
/// does not know of this program: it is an error, and not touched.
pub(super) fn read_sole(path: &Path) -> Result<Option<Content>, Fault> {
    let Some((file, found)) = open_to_read(path)? else { return Ok(None) };
    if has_other_names(&found) {
        let name = path.file_name().unwrap_or_default().display();
        let what = "has another name too (a hard link), and is neither used nor replaced; put a copy in its place";
        return Err(Fault::new(format!("{name} {what}")));
    }
    read_open(path, file, &found).map(Some)
}

fn open_to_read(path: &Path) -> Result<Option<(File, Metadata)>, Fault> {
    let Some(file) = open(path, OpenOptions::new().read(true))? else { return Ok(None) };
    let found = file.metadata().map_err(|error| Fault::of("read", path, &error))?;
    rights::trusted(path, &found)?;
    Ok(Some((file, found)))
}

#[cfg(unix)]
fn has_other_names(found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.nlink() > 1
}

#[cfg(not(unix))]
fn has_other_names(_found: &Metadata) -> bool {
    false
}

fn read_open(path: &Path, mut file: File, found: &Metadata) -> Result<Content, Fault> {
    let failed = |error| Fault::of("read", path, &error);
    rights::close_file_to_others(path, &file, found);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0).min(MAX_LEN)));
    (&mut file).take(MAX_LEN as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Content { bytes, modified_s: Stamp::of(found).modified_s })
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
    let written = own_open(&file, FILE_MODE).and_then(|()| file.write_all(bytes)).and_then(|()| match durability {
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
