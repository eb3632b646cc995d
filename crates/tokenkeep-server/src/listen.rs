//! Takes an address, or says why not and what to do about it.

use std::io;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;

use tokenkeep::config::{Listen, ServerSettings};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::browser::Reach;
use crate::peer::Peer;
use crate::tls::Tls;
#[cfg(unix)]
use crate::unix_socket::{self, SocketFile, SocketPlace};

/// An address that is taken.
pub(crate) struct Listener {
    address: Listen,
    socket: Socket,
}

enum Socket {
    Tcp(TcpListener, Option<Arc<Tls>>),
    #[cfg(unix)]
    /// With the file that is removed when it is dropped; none if somebody else made the socket.
    Unix(UnixListener, Option<SocketFile>),
}

/// A listening socket that somebody else opened, e.g. systemd. A unix socket's file stays theirs.
#[derive(Debug)]
#[non_exhaustive]
pub enum PassedSocket {
    /// At a port.
    Tcp(std::net::TcpListener),
    /// At a port, for TLS.
    Tls(std::net::TcpListener),
    /// At a path.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
}

/// A connection that was accepted.
pub(crate) enum Stream {
    Tcp(TcpStream, Option<Arc<Tls>>),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Who may connect to a unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// This user only.
    Owner,
    /// Every user of this machine: the kernel tells which.
    Everybody,
}

impl Access {
    /// Who may connect, where these are the callers.
    pub(crate) fn of(settings: &ServerSettings) -> Self {
        if settings.callers.iter().any(|caller| caller.uid.is_some()) { Self::Everybody } else { Self::Owner }
    }

    /// The mode of the file.
    pub(crate) fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o666,
        }
    }
}

impl PassedSocket {
    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<Listen> {
        Ok(match self {
            Self::Tcp(listener) => Listen::Tcp(listener.local_addr()?),
            Self::Tls(listener) => Listen::Tls(listener.local_addr()?),
            #[cfg(unix)]
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                Listen::Unix(address.as_pathname().map_or_else(|| PathBuf::from(NO_PATH), ToOwned::to_owned))
            }
        })
    }
}

impl Listener {
    /// Takes an address. `tls` is for one with TLS, `access` for a unix socket.
    pub(crate) async fn bind(address: &Listen, tls: Option<&Arc<Tls>>, access: Access) -> io::Result<Self> {
        let bound = match address {
            Listen::Tcp(tcp) => TcpListener::bind(tcp).await.and_then(|listener| Self::tcp(listener, None)),
            Listen::Tls(tcp) => {
                let listener = TcpListener::bind(tcp).await;
                listener.and_then(|listener| Self::tcp(listener, tls.map(Arc::clone)))
            }
            #[cfg(unix)]
            Listen::Unix(path) => unix_socket::bind(path, access)
                .await
                .map(|(listener, file)| Self { address: address.clone(), socket: Socket::Unix(listener, Some(file)) }),
            #[cfg(not(unix))]
            Listen::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no unix sockets")),
        };
        bound.map_err(|error| {
            let advice = advice(address, error.kind()).map(|advice| format!("; {advice}")).unwrap_or_default();
            io::Error::new(error.kind(), format!("cannot listen at {address}: {error}{advice}"))
        })
    }

    /// Takes a socket that somebody else opened. `tls` is for one with TLS.
    pub(crate) fn passed(socket: PassedSocket, tls: Option<&Arc<Tls>>) -> io::Result<Self> {
        let address = socket.address()?;
        match socket {
            PassedSocket::Tcp(listener) | PassedSocket::Tls(listener) => {
                listener.set_nonblocking(true)?;
                let tls = tls.filter(|_| matches!(address, Listen::Tls(_))).map(Arc::clone);
                Self::tcp(TcpListener::from_std(listener)?, tls)
            }
            #[cfg(unix)]
            PassedSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self { address, socket: Socket::Unix(UnixListener::from_std(listener)?, None) })
            }
        }
    }

    /// One whose port is taken already.
    pub(crate) fn tcp(listener: TcpListener, tls: Option<Arc<Tls>>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let address = if tls.is_some() { Listen::Tls(address) } else { Listen::Tcp(address) };
        Ok(Self { address, socket: Socket::Tcp(listener, tls) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Listen {
        &self.address
    }

    /// The file of a unix socket that was made here.
    #[cfg(unix)]
    pub(crate) fn socket_file(&self) -> Option<&SocketPlace> {
        match &self.socket {
            Socket::Unix(_, file) => file.as_ref().map(SocketFile::place),
            Socket::Tcp(..) => None,
        }
    }

    /// Who can connect to it.
    pub(crate) fn reach(&self) -> Reach {
        match &self.address {
            Listen::Tcp(address) if address.ip().is_loopback() => Reach::Loopback,
            Listen::Tcp(_) | Listen::Tls(_) => Reach::Network,
            Listen::Unix(_) => Reach::UnixSocket,
        }
    }

    /// The next connection. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.socket {
            Socket::Tcp(listener, tls) => {
                let (stream, peer) = listener.accept().await?;
                // Without it answers are only later, not wrong.
                stream.set_nodelay(true).ok();
                Ok((Stream::Tcp(stream, tls.clone()), Peer::at(peer.ip().to_canonical())))
            }
            #[cfg(unix)]
            Socket::Unix(listener, file) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                // Another user may have connected while the file was for everybody, and waited in the queue.
                let is_anybody = file.as_ref().is_none_or(|file| file.place().is_for(uid));
                Ok((Stream::Unix(stream), Peer::of_user(uid, is_anybody)))
            }
        }
    }
}

fn advice(address: &Listen, kind: io::ErrorKind) -> Option<&'static str> {
    match (address, kind) {
        (Listen::Tcp(_) | Listen::Tls(_), io::ErrorKind::AddrInUse) => Some(
            "another process listens there: stop it, or choose another port with --listen or with `listen` in [server]",
        ),
        (Listen::Tcp(_) | Listen::Tls(_), io::ErrorKind::PermissionDenied) => {
            Some("ports below 1024 need privileges: choose a higher one with --listen or with `listen` in [server]")
        }
        (Listen::Tcp(_) | Listen::Tls(_), io::ErrorKind::AddrNotAvailable) => Some("this machine has no such address"),
        (Listen::Unix(_), io::ErrorKind::AddrInUse) => Some(
            "another process listens there: stop it, or choose another path with --listen or with `listen` in [server]",
        ),
        (Listen::Unix(_), io::ErrorKind::NotFound) => Some("make its folder first"),
        (Listen::Unix(_), io::ErrorKind::PermissionDenied) => Some("this user may not write in its folder"),
        _ => None,
    }
}

/// What stands for the path of a socket in Linux's abstract namespace.
#[cfg(unix)]
const NO_PATH: &str = "(no path)";
