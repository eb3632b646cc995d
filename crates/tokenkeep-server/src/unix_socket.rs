//! The file of a unix socket: for those who may ask, never somebody else's, gone at the end.
//!
//! A process that was killed leaves its file behind, and the next one cannot bind until it is removed. Removed it may
//! be only if nobody listens, which a connection attempt tells.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tracing::warn;

use crate::listen::Access;

/// Removes the file when it is dropped, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile(SocketPlace);

/// Where the file is, and which one it is.
#[derive(Debug, Clone)]
pub(crate) struct SocketPlace {
    path: PathBuf,
    identity: (u64, u64),
    /// The user whose process made it.
    owner: u32,
}

impl SocketFile {
    pub(crate) fn place(&self) -> &SocketPlace {
        &self.0
    }
}

impl SocketPlace {
    /// Changes who may connect.
    pub(crate) fn allow(&self, access: Access) {
        if self.is_there()
            && let Err(error) = fs::set_permissions(&self.path, Permissions::from_mode(access.mode()))
        {
            warn!(path = %self.path.display(), %error, "cannot change who may connect to the socket");
        }
    }

    /// Whether this user may connect whoever else may.
    pub(crate) fn is_for(&self, uid: u32) -> bool {
        uid == self.owner || uid == ROOT
    }

    fn is_there(&self) -> bool {
        identity(&self.path).is_ok_and(|identity| identity == self.identity)
    }
}

/// Listens at a path.
pub(crate) async fn bind(path: &Path, access: Access) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path).await?;
    let socket = UnixSocket::new_stream()?;
    // On Linux the file gets the mode of the socket, so that there is no moment in which others could connect.
    // Elsewhere this fails, and the mode is set right after.
    fchmod(&socket, Mode::from_raw_mode(access.mode())).ok();
    socket.bind(path)?;
    let owner = fs::symlink_metadata(path)?.uid();
    let file = SocketFile(SocketPlace { path: path.to_owned(), identity: identity(path)?, owner });
    fs::set_permissions(path, Permissions::from_mode(access.mode()))?;
    Ok((socket.listen(BACKLOG)?, file))
}

async fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(there) if !there.file_type().is_socket() => {
            let why = "something that is no socket is there: remove it, or choose another path";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        // Connected, or the queue of whoever listens is full.
        Ok(_) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.0.is_there() {
            // If it stays, the next one to listen there finds that nobody does.
            fs::remove_file(&self.0.path).ok();
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

const BACKLOG: u32 = 1024;
const ROOT: u32 = 0;
