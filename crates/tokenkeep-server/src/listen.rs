//! Takes an address, or says why not and what to do about it.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;

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
    Unix(UnixListener, #[expect(dead_code, reason = "removes the file when it is dropped")] Option<SocketFile>),
}

/// A listening socket that somebody else opened, e.g. systemd. A unix socket's file stays theirs.
#[derive(Debug)]
pub enum PassedSocket {
    /// At a port.
    Tcp(std::net::TcpListener),
    /// At a path.
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener),
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
                .map(|(listener, file)| Self { address: address.clone(), socket: Socket::Unix(listener, Some(file)) }),
            #[cfg(not(unix))]
            Listen::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no unix sockets")),
        };
        bound.map_err(|error| {
            let advice = advice(address, error.kind()).map(|advice| format!("; {advice}")).unwrap_or_default();
            io::Error::new(error.kind(), format!("cannot listen at {address}: {error}{advice}"))
        })
    }

    /// Takes a socket that somebody else opened.
    pub(crate) fn passed(socket: PassedSocket) -> io::Result<Self> {
        match socket {
            PassedSocket::Tcp(listener) => {
                let address = listener.local_addr()?;
                refuse_beyond_loopback(address).map_err(|why| {
                    io::Error::new(why.kind(), format!("cannot listen at {address}, which was passed: {why}"))
                })?;
                listener.set_nonblocking(true)?;
                Self::tcp(TcpListener::from_std(listener)?)
            }
            #[cfg(unix)]
            PassedSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                let path = address.as_pathname().unwrap_or(Path::new("(no path)")).to_owned();
                let socket = Socket::Unix(UnixListener::from_std(listener)?, None);
                Ok(Self { address: Listen::Unix(path), socket })
            }
        }
    }

    fn tcp(listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        Ok(Self { address: Listen::Tcp(address), socket: Socket::Tcp(listener) })
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
    refuse_beyond_loopback(address)?;
    Listener::tcp(TcpListener::bind(address).await?)
}

fn refuse_beyond_loopback(address: SocketAddr) -> io::Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let why = "other machines could reach it; only loopback addresses and unix sockets are served";
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
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
