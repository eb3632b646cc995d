//! Who is at the other end of a connection.

use std::net::IpAddr;

/// What the operating system and TLS tell of the other end; a request cannot claim it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its address or its user, for the log.
    pub(crate) shown: Box<str>,
    /// Where it is; `None` on this machine's unix sockets.
    pub(crate) address: Option<IpAddr>,
    /// The user whose process it is, on unix sockets.
    pub(crate) uid: Option<u32>,
    /// Whether it came by TLS.
    pub(crate) is_encrypted: bool,
    /// The names in the certificate that it has shown, if one was asked for and it is good.
    pub(crate) certificate: Vec<String>,
    /// Whether it may be taken for everybody where no caller is configured: it came when none was.
    pub(crate) is_anybody: bool,
}

impl Peer {
    /// One of which nothing but its address is known.
    pub(crate) fn at(address: IpAddr) -> Self {
        let shown = address.to_string().into();
        Self { shown, address: Some(address), is_anybody: true, ..Self::default() }
    }

    /// A process of this user, at a unix socket.
    #[cfg(unix)]
    pub(crate) fn of_user(uid: u32, is_anybody: bool) -> Self {
        Self { shown: format!("uid:{uid}").into(), uid: Some(uid), is_anybody, ..Self::default() }
    }
}
