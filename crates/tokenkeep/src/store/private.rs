//! Files and folders that nobody but their owner can open, whatever the umask allows.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

/// Makes a folder and those it lies in, each for the owner alone. Folders that exist stay as they are.
pub(super) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(outer) = folder.parent() {
        make_folder(outer)?;
    }
    match private_folder().create(folder) {
        Ok(()) => own(folder, FOLDER_MODE),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Options that make a file for the owner alone. The umask may take more away: see [`own`].
#[cfg(unix)]
pub(super) fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(FILE_MODE);
    options
}

/// Gives the owner back what a strict umask took away.
#[cfg(unix)]
pub(super) fn own(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// The same for a file that is open, whatever has its name by now.
#[cfg(unix)]
pub(super) fn own_open(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(unix)]
fn private_folder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = DirBuilder::new();
    builder.mode(FOLDER_MODE);
    builder
}

/// Options that make a file; this system gives it no mode.
#[cfg(not(unix))]
pub(super) fn private_file() -> OpenOptions {
    OpenOptions::new()
}

/// Does nothing: this system gives files no mode.
#[cfg(not(unix))]
pub(super) fn own(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Does nothing: this system gives files no mode.
#[cfg(not(unix))]
pub(super) fn own_open(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn private_folder() -> DirBuilder {
    DirBuilder::new()
}

/// Of a folder that is its owner's alone.
pub(super) const FOLDER_MODE: u32 = 0o700;
/// Of a file that is its owner's alone.
pub(super) const FILE_MODE: u32 = 0o600;
