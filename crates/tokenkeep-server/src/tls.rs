//! TLS for connections, with the certificate that lies in its files now.
//!
//! The hard problem is that certificates live for weeks and the server for months. So the files are looked at every
//! second; one that has changed, and then stayed as it is for a look, is taken over for new connections. Whatever is
//! wrong with it, the certificate before stays in use. A look follows links, so that the ways in which certbot and
//! Kubernetes put a new link in the place of the old one are changes too.

mod files;
mod names;
mod plaintext;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokenkeep::config::TlsSettings;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{error, info};

use self::files::Versions;

/// Reads the files of a certificate as a server does when it starts. The error names the one that is wrong and, after a
/// semicolon, says what to do about it.
pub fn check(settings: &TlsSettings) -> io::Result<()> {
    files::load(settings).map(drop)
}

/// The certificate of a server.
pub(crate) struct Tls {
    settings: TlsSettings,
    loaded: Versions,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files. The error names the one that is wrong and says what to do about it.
    pub(crate) fn load(settings: &TlsSettings) -> io::Result<Self> {
        // Looked at before they are read, so that a change in between is noticed later.
        let loaded = Versions::of(settings);
        let current = ArcSwap::from_pointee(files::load(settings)?);
        Ok(Self { settings: settings.clone(), loaded, current })
    }

    /// Makes a connection secure; the names are those in the client's certificate. To what speaks HTTP without TLS it
    /// says so.
    pub(crate) async fn accept(&self, mut stream: TcpStream) -> io::Result<(TlsStream<TcpStream>, Vec<String>)> {
        if plaintext::is_http(&stream).await? {
            plaintext::refuse(&mut stream).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "HTTP without TLS"));
        }
        let stream = TlsAcceptor::from(self.current.load_full()).accept(stream).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let names = certificate.map(names::of).unwrap_or_default();
        Ok((stream, names))
    }

    /// Takes over each certificate that comes after; never ends.
    pub(crate) async fn follow(self: Arc<Self>) {
        let mut taken = self.loaded.clone();
        let mut last = taken.clone();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let tls = Arc::clone(&self);
            let Ok(now) = tokio::task::spawn_blocking(move || Versions::of(&tls.settings)).await else { continue };
            let is_settled = now == last;
            last = now.clone();
            if is_settled && now != taken {
                taken = now;
                let tls = Arc::clone(&self);
                tokio::task::spawn_blocking(move || tls.take_over()).await.ok();
            }
        }
    }

    fn take_over(&self) {
        match files::load(&self.settings) {
            Ok(config) => {
                self.current.store(Arc::new(config));
                info!(certificate = %self.settings.certificate.display(), "took over the certificate that changed");
            }
            Err(error) => error!("{error}; the certificate before stays in use"),
        }
    }
}

/// Between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);
