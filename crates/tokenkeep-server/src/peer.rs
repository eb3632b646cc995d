//! Who is at the other end of a connection, as far as the connection itself proves it.

use std::net::IpAddr;

/// The other end of a connection: an extension of each of its requests, as an `Arc<Peer>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// From where it came; `None` on a unix socket. What `X-Forwarded-For` says does not count.
    pub address: Option<IpAddr>,
    /// The user that the kernel names on a unix socket.
    pub uid: Option<u32>,
    /// The names in its certificate, which `client_ca` signed; none if it showed none.
    pub certificate: Vec<String>,
}

impl Peer {
    /// One of which nothing but its address is known.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self { address: Some(address), ..Self::default() }
    }
}
