//! A relay between a client and a server, which can harm what it passes on.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Listens on a port of the loopback address and passes on to another one. It ends with this process.
///
/// ```
/// use std::net::TcpListener;
/// use tokenkeep_test_servers::{Link, Relay};
///
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let relay = Relay::to(server.local_addr()?.port());
/// relay.set(Link::Cut); // whoever connects to relay.port() is thrown out at once
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

/// What a relay does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Link {
    /// Passes it on.
    Well,
    /// Closes every connection, also those that are there.
    Cut,
    /// Keeps it to itself, and every connection open, as a firewall does.
    Silent,
    /// Passes on, but for the next answer: in its place it closes the connection. Then it is well.
    LosesAnswer,
}

#[derive(Debug)]
struct Shared {
    target: u16,
    link: AtomicU8,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// A relay to this port, which is well.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.unwrap_or_else(|error| panic!("there is no free port: {error}"));
        let port = listener.local_addr().map_or(0, |address| address.port());
        let shared = Arc::new(Shared { target, link: AtomicU8::new(Link::Well as u8), open: Mutex::default() });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.accept(client);
            }
        });
        Self { port, shared }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on it does this.
    pub fn set(&self, link: Link) {
        self.shared.link.store(link as u8, Ordering::SeqCst);
        if link == Link::Cut {
            for stream in std::mem::take(&mut *self.shared.open()) {
                stream.shutdown(Shutdown::Both).ok();
            }
        }
    }
}

impl Shared {
    fn is(&self, link: Link) -> bool {
        self.link.load(Ordering::SeqCst) == link as u8
    }

    fn loses(&self) -> bool {
        let (losing, well) = (Link::LosesAnswer as u8, Link::Well as u8);
        self.link.compare_exchange(losing, well, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, client: TcpStream) {
        if self.is(Link::Cut) {
            return;
        }
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target)) else { return };
        for (from, to, is_answer) in [(&client, &server, false), (&server, &client, true)] {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
            let this = Arc::clone(self);
            thread::spawn(move || this.pass(from, to, is_answer));
        }
        self.open().extend([client, server]);
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, is_answer: bool) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count) = from.read(&mut buffer) {
            while self.is(Link::Silent) {
                thread::sleep(Duration::from_millis(10));
            }
            let is_lost = is_answer && count > 0 && self.loses();
            if count == 0 || is_lost || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        for stream in [from, to] {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}
