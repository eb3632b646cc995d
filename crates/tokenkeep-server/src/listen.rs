//! Takes an address, or says why not and what to do about it.

use std::io;
use std::sync::Arc;

use tokenkeep::config::Listen;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::browser::Reach;
use crate::peer::Peer;
use crate::tls::Tls;
#[cfg(unix)]
use crate::unix_socket::{self, Access, SocketFile};

/// An address that is taken.
pub(crate) struct Listener {
    address: Listen,
    socket: Socket,
}

enum Socket {
    Tcp(TcpListener, Option<Arc<Tls>>),
    #[cfg(unix)]
    Unix(UnixListener, #[expect(dead_code, reason = "removes the file when it is dropped")] Option<SocketFile>),
}

/// A connection that was accepted.
pub(crate) enum Stream {
    Tcp(TcpStream, Option<Arc<Tls>>),
    #[cfg(unix)]
    Unix(UnixStream),
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
            Socket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                Ok((Stream::Unix(stream), Peer { uid: Some(uid), ..Peer::default() }))
            }
        }
    }
}

fn advice(address: &Listen, kind: io::ErrorKind) -> Option<&'static str> {
    match (address, kind) {
        (Listen::Tcp(_) | Listen::Tls(_), io::ErrorKind::AddrInUse) => {
            Some("another process listens there: stop it, or choose another port with `listen` in [server]")
        }
        (Listen::Tcp(_) | Listen::Tls(_), io::ErrorKind::PermissionDenied) => {
            Some("ports below 1024 need privileges: choose a higher one with `listen` in [server]")
        }
        (Listen::Tcp(_) | Listen::Tls(_), io::ErrorKind::AddrNotAvailable) => Some("this machine has no such address"),
        (Listen::Unix(_), io::ErrorKind::AddrInUse) => {
            Some("another process listens there: stop it, or choose another path with `listen` in [server]")
        }
        (Listen::Unix(_), io::ErrorKind::NotFound) => Some("make its folder first"),
        (Listen::Unix(_), io::ErrorKind::PermissionDenied) => Some("this user may not write in its folder"),
        _ => None,
    }
}
