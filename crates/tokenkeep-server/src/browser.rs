//! Refuses what somebody else's web page makes a browser on this machine send.
//!
//! A page can have requests sent to loopback addresses, and by pointing its own name to one (DNS rebinding) it can even
//! read the answers. Such a request names the page's host in `Host`; others say where they come from in `Origin` or
//! `Sec-Fetch-Site`. A page at another port of this machine is foreign too: anybody's program may serve it. A program that
//! is no browser sends neither of the latter two.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::Request;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Uri};

use crate::audit::Who;
use crate::problem::Problem;

/// Who can connect to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everything on this machine, browsers too.
    Loopback,
    /// Other machines, or this one by TLS: what DNS says of a name makes no page's origin of it.
    Network,
    /// Who may open the file; no browser can.
    UnixSocket,
}

/// Lets a request pass unless a foreign web page is behind it.
pub(crate) fn refuse_foreign(request: &Request, reach: Reach) -> Result<(), Problem> {
    let hosts = hosts(request)?;
    if reach == Reach::Loopback && (hosts.is_empty() || !hosts.iter().all(is_loopback)) {
        return Err(Problem::forbidden("the host of this request is not this machine; ask for localhost or 127.0.0.1"));
    }
    let headers = request.headers();
    // To a browser all ports of this machine are one site.
    let is_foreign = headers.get_all("sec-fetch-site").iter().any(|site| site == "cross-site" || site == "same-site");
    let by_tls = request.extensions().get::<Who>().is_some_and(|who| who.peer().is_encrypted);
    let is_own = |origin| is_same_origin(origin, hosts.first(), (reach, by_tls));
    if is_foreign || !headers.get_all(ORIGIN).iter().all(is_own) {
        return Err(Problem::forbidden("a web page of another site or port cannot ask here"));
    }
    Ok(())
}

/// The hosts that a request names: in its target, which comes first, and in `Host`.
pub(crate) fn hosts(request: &Request) -> Result<Vec<Authority>, Problem> {
    let target = request.uri().authority().cloned();
    let headers = request.headers().get_all(HOST);
    // RFC 9112 section 3.2: whoever is between here and the caller may go by another one.
    if headers.iter().nth(1).is_some() {
        return Err(Problem::invalid("there is more than one header Host"));
    }
    let headers = headers.iter().map(|host| Authority::try_from(host.as_bytes()));
    let hosts: Result<Vec<_>, _> = target.into_iter().map(Ok).chain(headers).collect();
    hosts.map_err(|_| Problem::invalid("the header Host is not a host"))
}

fn is_loopback(host: &Authority) -> bool {
    let name = host.host();
    if host.as_str().contains('@') {
        return false;
    }
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback()),
        None => {
            name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        }
    }
}

/// Whether an origin, e.g. `http://localhost:8640`, is that of this host: its scheme, its name and its port. `null` is none.
fn is_same_origin(origin: &HeaderValue, host: Option<&Authority>, (reach, by_tls): (Reach, bool)) -> bool {
    let Ok(origin) = Uri::try_from(origin.as_bytes()) else { return false };
    let port = match origin.scheme_str() {
        Some("http") if !by_tls => 80,
        Some("https") if by_tls => 443,
        // What stands before this server may have ended TLS, but nothing does on a loopback address that browsers see.
        Some("https") if reach != Reach::Loopback => 443,
        _ => return false,
    };
    let (Some(origin), Some(host)) = (origin.authority(), host) else { return false };
    let port_of = |authority: &Authority| authority.port_u16().unwrap_or(port);
    origin.host().eq_ignore_ascii_case(host.host()) && port_of(origin) == port_of(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_always_mean_this_machine_are_loopback() {
        for host in ["localhost", "LocalHost:8640", "127.0.0.1", "127.9.8.7:1", "[::1]", "[::1]:8640"] {
            assert!(is_loopback(&host.parse().unwrap()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.localhost",
            "10.0.0.1",
            "0.0.0.0",
            "[::ffff:10.0.0.1]",
            "[::]",
            "me@localhost",
        ] {
            assert!(!is_loopback(&host.parse().unwrap()), "{host}");
        }
    }
}
