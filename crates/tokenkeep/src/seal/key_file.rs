//! The key that a store on this machine makes for itself, in a file beside it.
//!
//! The hard problem is that many processes start at once and must agree on one key, of which none may ever see a part.
//! So each writes its own into a file of another name and gives that file the right name with a link, which fails for
//! all but one; the others read what that one wrote. It is on the disk before anything is sealed with it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{SealKey, SealKeys};
use crate::secret::Secret;

/// Where the key of a store's file lies.
pub(crate) fn beside(store: &Path) -> PathBuf {
    with_suffix(store, ".key")
}

/// The configured keys, and after them the one in the file, so that what it sealed still opens. Without configured
/// ones the file's key seals; `None` if there is none either. The error says what is wrong with the file.
pub(crate) fn find(path: &Path, configured: Vec<SealKey>) -> Result<Option<SealKeys>, String> {
    let filed = read(path).map_err(|what| of_file(path, &what))?;
    let mut keys = configured.into_iter().chain(filed);
    Ok(keys.next().map(|first| SealKeys::new(first, keys)))
}

/// Makes a key in the file, unless somebody else does at the same moment: then it is that one.
pub(crate) fn make(path: &Path) -> Result<SealKeys, String> {
    make_key(path).map(|made| SealKeys::new(made, [])).map_err(|what| of_file(path, &what))
}

fn of_file(path: &Path, what: &str) -> String {
    format!("its key file {} {what}", path.display())
}

/// `None` if there is no file.
fn read(path: &Path) -> Result<Option<SealKey>, String> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be looked at: {error}")),
    };
    if found.is_symlink() {
        return Err(
            "is a symbolic link, which is not followed; put the file itself there, or configure seal_keys".into()
        );
    }
    if !found.is_file() {
        return Err("is not a regular file; move it away".into());
    }
    warn_if_open_to_others(path, &found);
    let text = read_text(path).map_err(|error| format!("cannot be read: {error}"))?;
    let key = SealKey::parse(&Secret::new(&**text)).map_err(|error| format!("{error}; restore it from a copy"))?;
    Ok(Some(key))
}

fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    // Of its whole length from the start, so that no copy is left behind as it grows.
    let mut text = Zeroizing::new(String::with_capacity(LONGEST));
    File::open(path)?.take(LONGEST as u64).read_to_string(&mut text)?;
    Ok(text)
}

fn make_key(path: &Path) -> Result<SealKey, String> {
    let (key, text) = SealKey::generate().map_err(|error| format!("cannot be made: {error}"))?;
    let draft = with_suffix(path, &format!(".{}-{:016x}", std::process::id(), fastrand::u64(..)));
    let linked = write(&draft, &text).and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft).ok();
    let key = match linked {
        Ok(()) => key,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read(path)?.ok_or("was there and is gone; try again")?
        }
        Err(error) => return Err(format!("cannot be made: {error}")),
    };
    sync_folder(path).map_err(|error| format!("cannot be made to outlive a power cut: {error}"))?;
    Ok(key)
}

/// Writes a new file that nobody but its owner can read, from its first byte and whatever the umask.
fn write(path: &Path, text: &Secret) -> io::Result<()> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(FILE_MODE);
    }
    let mut file = options.write(true).create_new(true).open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
    }
    file.write_all(text.expose_secret().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(unix)]
fn warn_if_open_to_others(path: &Path, found: &fs::Metadata) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode & !FILE_MODE != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = %format_args!("{mode:03o}"),
            "others than its owner may open the file with the key that seals the tokens; chmod 600 it"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_others(_path: &Path, _found: &fs::Metadata) {}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(unix)]
const FILE_MODE: u32 = 0o600;
/// More bytes than a key file has, with some blanks.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn all_who_start_at_the_same_moment_agree_on_one_key_and_none_sees_a_part_of_it() {
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let (path, start) = (folder.path().join("store.key"), Barrier::new(20));
            let take = || {
                start.wait();
                make(&path).map(|keys| keys.first_id().map(str::to_owned))
            };
            let mut taken: Vec<_> = thread::scope(|scope| {
                let takers: Vec<_> = (0..20).map(|_| scope.spawn(take)).collect();
                takers.into_iter().map(|taker| taker.join().unwrap()).collect()
            });
            taken.dedup();
            assert!(matches!(&*taken, [Ok(Some(_))]), "{taken:?}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "drafts stay behind");
        }
    }
}
