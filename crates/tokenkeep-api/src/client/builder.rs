//! From settings to a client.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Identity, redirect, retry};
use zeroize::Zeroizing;

use super::Client;
use super::api_key::ApiKey;
use super::error::ClientError;
use super::server_url::ServerUrl;
use super::transport::Transport;
use crate::headers::API_KEY;

/// The settings of a [`Client`]. Only the server must be said.
#[derive(Clone)]
pub struct ClientBuilder {
    server: String,
    api_key: Option<ApiKey>,
    certificates: Option<Vec<u8>>,
    identity: Option<Zeroizing<Vec<u8>>>,
    timeout: Duration,
    is_insecure: bool,
}

impl ClientBuilder {
    pub(super) fn new(server: &str) -> Self {
        let (api_key, certificates, identity) = (None, None, None);
        Self { server: server.to_owned(), api_key, certificates, identity, timeout: TIMEOUT, is_insecure: false }
    }

    /// What the caller proves itself with.
    #[must_use]
    pub fn api_key(self, key: ApiKey) -> Self {
        Self { api_key: Some(key), ..self }
    }

    /// Certificates of authorities as PEM, which are trusted in place of those that the system trusts: for a broker with
    /// a certificate of one's own.
    #[must_use]
    pub fn ca_pem(self, certificates: impl Into<Vec<u8>>) -> Self {
        Self { certificates: Some(certificates.into()), ..self }
    }

    /// A certificate and its private key as PEM, one after the other, with which the caller proves itself over
    /// `https://`, beside an API key or instead of one.
    #[must_use]
    pub fn identity_pem(self, identity: impl Into<Vec<u8>>) -> Self {
        Self { identity: Some(Zeroizing::new(identity.into())), ..self }
    }

    /// How long the broker may take over an answer, beside the time that a call has it wait for a token. 10 s if it is
    /// not set.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Allows `http://` to another machine, where the API key and all tokens can be read on the way.
    #[must_use]
    pub fn insecure(self, is_insecure: bool) -> Self {
        Self { is_insecure, ..self }
    }

    /// Makes the client; connects to nothing yet.
    pub fn build(self) -> Result<Client, ClientError> {
        let server: ServerUrl = self.server.parse().map_err(|error| ClientError::Invalid(format!("{error}")))?;
        if !server.is_private() && !self.is_insecure {
            return Err(ClientError::Invalid(format!(
                "whoever is on the way to {server} could read the API key and every token; use https://, or allow it"
            )));
        }
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            // What an API answers through the broker comes as it is.
            .no_gzip()
            .connect_timeout(CONNECT_TIMEOUT)
            .default_headers(headers(self.api_key.as_ref())?)
            .user_agent(concat!("tokenkeep/", env!("CARGO_PKG_VERSION")));
        if server.is_local() {
            builder = builder.no_proxy();
        }
        builder = match (&self.certificates, server.is_encrypted()) {
            // Those of the system would only take time to load.
            (_, false) => builder.tls_certs_only([]),
            (Some(pem), true) => builder.tls_certs_only(certificates(pem)?),
            (None, true) => builder,
        };
        if let (Some(pem), true) = (&self.identity, server.is_encrypted()) {
            builder = builder.identity(identity(pem)?);
        }
        if let Some(path) = server.socket() {
            builder = at_socket(builder, path)?;
        }
        let http = builder.build().map_err(|error| ClientError::Invalid(unusable(&error)))?;
        Ok(Client { transport: Transport::new(http, server, self.timeout) })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("server", &self.server.parse::<ServerUrl>().map(|server| server.to_string()))
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "there are systems without such sockets")]
fn at_socket(builder: reqwest::ClientBuilder, path: &std::path::Path) -> Result<reqwest::ClientBuilder, ClientError> {
    Ok(builder.unix_socket(path))
}

#[cfg(not(unix))]
fn at_socket(_: reqwest::ClientBuilder, _: &std::path::Path) -> Result<reqwest::ClientBuilder, ClientError> {
    Err(ClientError::Invalid("this system has no unix sockets".to_owned()))
}

fn headers(key: Option<&ApiKey>) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let value = HeaderValue::from_str(key.expose_secret()).ok().filter(|value| !value.is_empty());
        let mut value = value.ok_or_else(|| {
            ClientError::Invalid("the API key is empty or holds what no header can, e.g. a line's end".to_owned())
        })?;
        value.set_sensitive(true);
        headers.insert(API_KEY, value);
    }
    Ok(headers)
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, ClientError> {
    let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(ClientError::Invalid("there is no certificate as PEM among those to be trusted".to_owned()));
    }
    Ok(certificates)
}

fn identity(pem: &[u8]) -> Result<Identity, ClientError> {
    // What the parser says could repeat a part of the key.
    let identity = Identity::from_pem(pem).ok();
    identity.ok_or_else(|| ClientError::Invalid("there is no certificate with its private key as PEM".to_owned()))
}

fn unusable(error: &reqwest::Error) -> String {
    format!("a broker cannot be asked: {}; are CA certificates installed?", super::error::innermost(error))
}

const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
