//! From the files of a certificate to what rustls needs.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokenkeep::config::TlsSettings;
use tracing::warn;
use zeroize::Zeroizing;

/// Reads the files. The error names the one that is wrong and says what to do about it.
pub(super) fn load(settings: &TlsSettings) -> io::Result<ServerConfig> {
    let chain = certificates("certificate", &settings.certificate)?;
    let key = private_key(&settings.key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?;
    let config = match &settings.client_ca {
        Some(path) => config.with_client_cert_verifier(client_verifier(path, provider)?),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_single_cert(chain, key).map_err(|error| {
        let advice = "the certificate of this key comes first in its file, those that signed it after";
        wrong("certificate and key", &settings.certificate, error, advice)
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A client without a certificate may have a key, so it is asked for one and need not have it; what it shows must be
/// right.
fn client_verifier(
    path: &Path,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> io::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    let refused = |error: &dyn Display| wrong("client_ca", path, error, "it holds certificates of authorities");
    for certificate in certificates("client_ca", path)? {
        roots.add(certificate).map_err(|error| refused(&error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    verifier.allow_unauthenticated().build().map_err(|error| refused(&error))
}

fn certificates(what: &str, path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = read(what, path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(wrong(what, path, "there is no PEM certificate in it", "name a file with one")),
    }
}

fn private_key(path: &Path) -> io::Result<PrivateKeyDer<'static>> {
    warn_if_others_can_read(path);
    let pem = read("key", path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        // What the file holds is a secret even if it is no key.
        let why = match error {
            pem::Error::NoItemsFound => "there is no PEM private key in it",
            _ => "the private key in it is damaged",
        };
        wrong("key", path, why, "name a file with a private key without a password")
    })
}

fn read(what: &str, path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(TYPICAL));
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut content));
    match read {
        Ok(_) if content.len() as u64 > MAX_FILE => {
            Err(wrong(what, path, "it is larger than 1 MiB", "name a file with certificates only"))
        }
        Ok(_) => Ok(content),
        Err(error) => Err(wrong(what, path, error, "make it readable for this user, or name another one")),
    }
}

fn wrong(what: &str, path: &Path, why: impl Display, advice: &str) -> io::Error {
    let text = format!("cannot use the {what} {} of `tls` in [server]: {why}; {advice}", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Which files there are, without reading them: any change of one makes it differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Versions([Option<Version>; 3]);

impl Versions {
    /// Those that lie there now.
    pub(super) fn of(settings: &TlsSettings) -> Self {
        let files = [Some(&settings.certificate), Some(&settings.key), settings.client_ca.as_ref()];
        Self(files.map(|path| path.and_then(|path| version(path).ok())))
    }
}

/// Device, inode, length, and when its content or its attributes last changed.
#[cfg(unix)]
type Version = (u64, u64, u64, i64, i64);
#[cfg(not(unix))]
type Version = (u64, std::time::SystemTime);

#[cfg(unix)]
fn version(path: &Path) -> io::Result<Version> {
    use std::os::unix::fs::MetadataExt as _;
    let file = path.metadata()?;
    Ok((file.dev(), file.ino(), file.size(), file.ctime(), file.ctime_nsec()))
}

#[cfg(not(unix))]
fn version(path: &Path) -> io::Result<Version> {
    let file = path.metadata()?;
    Ok((file.len(), file.modified()?))
}

#[cfg(unix)]
fn warn_if_others_can_read(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    // A group may: that is how Debian and Kubernetes give keys to services.
    if path.metadata().is_ok_and(|file| file.permissions().mode() & 0o007 != 0) {
        warn!(key = %path.display(), "every user of this machine can read the private key; take that away with chmod o= ");
    }
}

#[cfg(not(unix))]
fn warn_if_others_can_read(_: &Path) {}

/// In bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// Room for most, so that no copy of a key is left behind by growing.
const TYPICAL: usize = 16 * 1024;
