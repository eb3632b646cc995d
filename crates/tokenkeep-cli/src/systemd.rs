//! What systemd is told of a running broker, and the sockets that it passes. Without systemd nothing happens.

use std::future;
use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokenkeep_server::PassedSocket;

use crate::environment;
use crate::exit::Failure;

/// The listening sockets that systemd opened for this process, in their order (`sd_listen_fds`); those of the name
/// [`TLS_NAME`] are for TLS.
pub(crate) fn sockets() -> Result<Vec<PassedSocket>, Failure> {
    let names = environment::text("LISTEN_FDNAMES").unwrap_or_default();
    let is_tls: Vec<_> = names.split(':').map(|name| name == TLS_NAME).collect();
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::with_capacity(passed.len());
    for at in 0..passed.len() {
        let kind: fn(TcpListener) -> _ =
            if is_tls.get(at) == Some(&true) { PassedSocket::Tls } else { PassedSocket::Tcp };
        let tcp = passed.take_tcp_listener(at).map(|socket| socket.map(kind));
        let socket = tcp.or_else(|_| passed.take_unix_listener(at).map(|socket| socket.map(PassedSocket::Unix)));
        match socket {
            Ok(socket) => sockets.extend(socket),
            Err(error) => {
                let what = format!("a socket that was passed in LISTEN_FDS cannot be listened at: {error}");
                return Err(Failure::usage(what, "use ListenStream= in the socket unit, with an address or a path"));
            }
        }
    }
    Ok(sockets)
}

/// Callers are answered from now on; `status` says where.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is read again.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd is not told of the reload"),
    }
}

/// It was taken over, or not.
pub(crate) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// The end has begun.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells it again and again, if it wants to know, that this process does not hang; never ends.
pub(crate) async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return future::pending().await };
    loop {
        tell(&[NotifyState::Watchdog]);
        // A half is what sd_watchdog_enabled(3) asks for; a third leaves time on a busy machine.
        tokio::time::sleep(limit / 3).await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd cannot be told how it goes");
    }
}

/// `FileDescriptorName=` of a socket unit.
const TLS_NAME: &str = "https";
