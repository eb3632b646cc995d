//! `tls` in `[server]`: where the certificate and its key lie.

use std::path::PathBuf;

use super::super::document::{Field, Text};
use super::super::problem::Finding;

/// The files of a server with TLS, all PEM. They may change while it runs.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use tokenkeep::config;
/// let toml = r#"
/// [server]
/// listen = ["https://127.0.0.1:8443"]
/// tls = { certificate = "server.pem", key = "server.key" }
/// "#;
/// let config = config::parse(toml, "tokenkeep.toml", "/etc/tokenkeep".as_ref(), &|_: &str| None).await?;
/// let tls = config.server.tls.ok_or("no TLS")?;
/// assert_eq!(tls.certificate, std::path::Path::new("/etc/tokenkeep/server.pem")); // beside the file
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSettings {
    /// The server's certificate, and after it those between it and the root.
    pub certificate: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// Who signs clients' certificates; `None` if clients are not asked for any.
    pub client_ca: Option<PathBuf>,
}

impl TlsSettings {
    /// A certificate and its key.
    ///
    /// ```
    /// # use tokenkeep::config::TlsSettings;
    /// let mut tls = TlsSettings::new("server.pem", "server.key");
    /// assert_eq!(tls.client_ca, None);
    /// tls.client_ca = Some("clients.pem".into());
    /// ```
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: certificate.into(), key: key.into(), client_ca: None }
    }
}

pub(super) fn read(field: &Field<'_>) -> Option<TlsSettings> {
    let mut table = field.table("`tls`".into())?;
    let certificate = table.require_text("certificate").map(|text| file(&text));
    let key = table.require_text("key").map(|text| file(&text));
    let client_ca = table.text("client_ca").map(|text| file(&text));
    table.finish(|_| None);
    Some(TlsSettings { certificate: certificate??, key: key??, client_ca: client_ca.flatten() })
}

/// What is no path must not become one: errors show where a file was looked for.
fn file(text: &Text<'_>) -> Option<PathBuf> {
    if text.value.contains("-----BEGIN") {
        let finding = Finding::error("this is what should stand in a file");
        text.report(finding.help("write it to a file that only this user can read, and here the file's path"));
        return None;
    }
    Some(text.path())
}
