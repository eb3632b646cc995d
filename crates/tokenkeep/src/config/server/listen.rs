//! `listen` in `[server]`: the addresses, and which of them may be listened at.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::document::{Field, Text};
use super::super::problem::Finding;
use super::ServerSettings;

/// An address to listen at.
///
/// ```
/// use tokenkeep::config::Listen;
///
/// assert_eq!(Listen::Unix("/run/tokenkeep/tokenkeep.sock".into()).to_string(), "unix:/run/tokenkeep/tokenkeep.sock");
/// assert_eq!(Listen::Tcp(([127, 0, 0, 1], 8640).into()).to_string(), "127.0.0.1:8640");
/// assert_eq!(Listen::Tls(([0, 0, 0, 0], 8443).into()).to_string(), "https://0.0.0.0:8443");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A port without TLS.
    Tcp(SocketAddr),
    /// A port with TLS.
    Tls(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// Reads `IP:PORT`, `https://IP:PORT` or `unix:PATH`; a relative path is taken from `base`.
    ///
    /// ```
    /// use tokenkeep::config::Listen;
    ///
    /// assert_eq!(Listen::parse("unix:keep.sock", "/run".as_ref())?, Listen::Unix("/run/keep.sock".into()));
    /// assert_eq!(Listen::parse("https://[::1]:443", "".as_ref())?.to_string(), "https://[::1]:443");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(text: &str, base: &Path) -> Result<Self, InvalidListen> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(InvalidListen) } else { Ok(Self::Unix(base.join(path))) };
        }
        let address = |text: &str| text.parse().map_err(|_| InvalidListen);
        match text.strip_prefix("https://") {
            Some(text) => address(text.strip_suffix('/').unwrap_or(text)).map(Self::Tls),
            None => address(text).map(Self::Tcp),
        }
    }

    /// Whether other machines may reach it.
    fn is_exposed(&self) -> bool {
        match self {
            Self::Tcp(address) | Self::Tls(address) => !address.ip().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Tls(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Says what an address looks like.
///
/// ```
/// # use tokenkeep::config::Listen;
/// let error = Listen::parse("8640", "".as_ref()).unwrap_err();
/// assert!(error.to_string().contains("127.0.0.1:8640"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an address to listen at; {}", EXAMPLES)]
pub struct InvalidListen;

/// Why an address must not be listened at.
///
/// ```
/// # use tokenkeep::config::{ListenRefusal, ServerSettings};
/// let open = "0.0.0.0:8640".parse().map(tokenkeep::config::Listen::Tcp)?;
/// let refusal = ServerSettings::default().permit(&open).unwrap_err();
/// assert_eq!(refusal, ListenRefusal::NoKeys);
/// assert!(refusal.help().contains("[[server.keys]]"));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenRefusal {
    /// Beyond loopback without keys.
    #[error("other machines could reach this address, and without keys each of them could have every token")]
    NoKeys,
    /// Beyond loopback without TLS.
    #[error("other machines could reach this address, and keys and tokens would travel there unencrypted")]
    NoTls,
    /// TLS without a certificate.
    #[error("https:// needs a certificate")]
    NoCertificate,
}

impl ListenRefusal {
    /// What to do about it.
    ///
    /// ```
    /// # use tokenkeep::config::ListenRefusal;
    /// assert!(ListenRefusal::NoTls.help().contains("https://"));
    /// ```
    pub fn help(self) -> &'static str {
        match self {
            Self::NoKeys => "name the callers with [[server.keys]], or listen at 127.0.0.1 or unix:PATH",
            Self::NoTls => {
                "write https:// before it, with tls = { certificate = \"…\", key = \"…\" } in [server]; or insecure = true \
                 if what stands before it does that"
            }
            Self::NoCertificate => "add tls = { certificate = \"server.pem\", key = \"server.key\" } to [server]",
        }
    }
}

impl ServerSettings {
    /// Whether an address may be listened at with these settings: beyond loopback only with keys, and with TLS unless
    /// the settings say `insecure`.
    ///
    /// ```
    /// # use tokenkeep::config::{Listen, ListenRefusal, ServerSettings};
    /// let settings = ServerSettings::default();
    /// assert_eq!(settings.permit(&Listen::Tcp(([127, 0, 0, 1], 8640).into())), Ok(()));
    /// assert_eq!(
    ///     settings.permit(&Listen::Tls(([127, 0, 0, 1], 8443).into())),
    ///     Err(ListenRefusal::NoCertificate)
    /// );
    /// ```
    pub fn permit(&self, address: &Listen) -> Result<(), ListenRefusal> {
        match address {
            _ if address.is_exposed() && self.callers.is_empty() => Err(ListenRefusal::NoKeys),
            Listen::Tcp(_) if address.is_exposed() && !self.insecure => Err(ListenRefusal::NoTls),
            Listen::Tls(_) if self.tls.is_none() => Err(ListenRefusal::NoCertificate),
            Listen::Tcp(_) | Listen::Tls(_) | Listen::Unix(_) => Ok(()),
        }
    }
}

/// The addresses, each with where it stands.
pub(super) fn read<'d>(field: &Field<'d>) -> Option<Vec<(Text<'d>, Listen)>> {
    let texts = field.each_text()?;
    if texts.is_empty() {
        field.report(Finding::error("`listen` is empty").help(FORMS));
    }
    let address = |text: Text<'d>| {
        let address = Listen::parse(&text.value, text.context().base);
        if address.is_err() {
            text.report(Finding::error("this is not an address to listen at").help(FORMS));
        }
        Some((text, address.ok()?))
    };
    Some(texts.into_iter().flatten().filter_map(address).collect())
}

/// Notes which addresses must not be listened at, and which only because the settings say `insecure`. Where what they lack is there and wrong, that was noted already.
pub(super) fn judge(addresses: &[(Text<'_>, Listen)], settings: &ServerSettings, has_keys: bool, has_tls: bool) {
    for (text, address) in addresses {
        let refusal = match settings.permit(address) {
            Ok(()) => {
                if address.is_exposed() && matches!(address, Listen::Tcp(_)) {
                    text.report(Finding::warning(UNENCRYPTED).help(ListenRefusal::NoTls.help()));
                }
                continue;
            }
            Err(ListenRefusal::NoKeys) if has_keys => continue,
            Err(ListenRefusal::NoCertificate) if has_tls => continue,
            Err(refusal) => refusal,
        };
        text.report(Finding::error(refusal.to_string()).help(refusal.help()));
    }
}

const UNENCRYPTED: &str = "other machines can reach this address, and keys and tokens travel unencrypted there";
const FORMS: &str = "write e.g. \"127.0.0.1:8640\", \"https://0.0.0.0:8443\" or \"unix:/run/tokenkeep/tokenkeep.sock\"";

const EXAMPLES: &str = "write e.g. 127.0.0.1:8640, https://0.0.0.0:8443 or unix:/run/tokenkeep/tokenkeep.sock";
