//! Takes an address, or says why not and what to do about it.

use std::io;
use std::net::SocketAddr;

use tokenkeep::config::Listen;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::browser::Reach;
#[cfg(unix)]
use crate::unix_socket::{self, SocketFile};

/// An address that is taken.
#[derive(Debug)]
pub(crate) struct Listener {
    address: Listen,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, #[expect(dead_code, reason = "removes the file when it is dropped")] SocketFile),
}

/// A connection that was accepted.
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listener {
    /// Takes an address.
    pub(crate) async fn bind(address: &Listen) -> io::Result<Self> {
        let bound = match address {
            Listen::Tcp(tcp) => bind_tcp(*tcp).await,
            #[cfg(unix)]
            Listen::Unix(path) => unix_socket::bind(path)
                .await
                .map(|(listener, file)| Self { address: address.clone(), socket: Socket::Unix(listener, file) }),
            #[cfg(not(unix))]
            Listen::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no unix sockets")),
        };
        bound.map_err(|error| {
            let advice = advice(address, error.kind()).map(|advice| format!("; {advice}")).unwrap_or_default();
            io::Error::new(error.kind(), format!("cannot listen at {address}: {error}{advice}"))
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Listen {
        &self.address
    }

    /// Who can connect to it.
    pub(crate) fn reach(&self) -> Reach {
        match self.socket {
            Socket::Tcp(_) => Reach::Loopback,
            #[cfg(unix)]
            Socket::Unix(..) => Reach::UnixSocket,
        }
    }

    /// The next connection. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Without it answers are only later, not wrong.
                stream.set_nodelay(true).ok();
                Ok(Stream::Tcp(stream))
            }
            #[cfg(unix)]
            Socket::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

async fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    if !address.ip().is_loopback() {
        let why = "other machines could reach it; only loopback addresses and unix sockets are served";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = TcpListener::bind(address).await?;
    Ok(Listener { address: Listen::Tcp(listener.local_addr()?), socket: Socket::Tcp(listener) })
}

fn advice(address: &Listen, kind: io::ErrorKind) -> Option<&'static str> {
    match (address, kind) {
        (Listen::Tcp(_), io::ErrorKind::AddrInUse) => {
            Some("another process listens there: stop it, or choose another port with `listen` in [server]")
        }
        (Listen::Tcp(_), io::ErrorKind::PermissionDenied) => {
            Some("ports below 1024 need privileges: choose a higher one with `listen` in [server]")
        }
        (Listen::Tcp(_), io::ErrorKind::AddrNotAvailable) => Some("this machine has no such address"),
        (Listen::Unix(_), io::ErrorKind::AddrInUse) => {
            Some("another process listens there: stop it, or choose another path with `listen` in [server]")
        }
        (Listen::Unix(_), io::ErrorKind::NotFound) => Some("make its folder first"),
        (Listen::Unix(_), io::ErrorKind::PermissionDenied) => Some("this user may not write in its folder"),
        _ => None,
    }
}
