//! The one exchange with an OAuth token endpoint that all grants share (RFC 6749 sections 3.2, 5 and 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use zeroize::Zeroizing;

use super::echo::Echoes;
use super::http::HttpClient;
use super::token_response::{self, Refusal};
use super::turn::Turn;
use super::{Fault, FetchError, Fetched};
use crate::fingerprint::Fingerprint;
use crate::provider::{ClientAuth, TokenEndpointSettings};
use crate::secret::Secret;

/// A token endpoint with the client registered there.
#[derive(Debug)]
pub(super) struct TokenEndpoint {
    settings: TokenEndpointSettings,
    scope: String,
    host: String,
    http: HttpClient,
}

impl TokenEndpoint {
    pub(super) fn new(settings: TokenEndpointSettings, http: HttpClient) -> Self {
        Self { scope: settings.scope.join(" "), host: settings.token_url.host(), settings, http }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Asks with a refresh token (RFC 6749 section 6).
    pub(super) async fn refresh(
        &self,
        token: &Secret,
        turn: Option<&Turn>,
        on_invalid_grant: Fault,
    ) -> Result<Fetched, FetchError> {
        let secret = Some(("refresh_token", token));
        self.exchange(&[("grant_type", "refresh_token")], secret, turn, on_invalid_grant).await
    }

    /// Asks once, with the grant's parameters and the one of them that is secret, if any. `on_invalid_grant` says what
    /// that answer means for this grant.
    pub(super) async fn exchange(
        &self,
        grant: &[(&str, &str)],
        secret: Option<(&str, &Secret)>,
        turn: Option<&Turn>,
        on_invalid_grant: Fault,
    ) -> Result<Fetched, FetchError> {
        let form = self.form(grant, secret);
        let answer = self.http.post_form(self.settings.token_url.as_url(), self.basic(), &form, turn).await;
        let answer = answer.map_err(|what| FetchError::new(Fault::Unavailable, format!("{} {what}", self.host)))?;
        token_response::parse(&answer).map_err(|refusal| {
            let (fault, next) = verdict(&refusal, on_invalid_grant);
            FetchError {
                fault,
                what: self.told(&refusal, secret.map(|(_, secret)| secret)),
                next: next.map(str::to_owned),
                retry_after: answer.retry_after,
                rotated: refusal.rotated,
            }
        })
    }

    /// Everything of the client and the endpoint that shapes a token, with the grant's own parts.
    pub(super) fn fingerprint<'a>(
        &'a self,
        grant: &'a str,
        parts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Fingerprint {
        let settings = &self.settings;
        let mut scope: Vec<_> = settings.scope.iter().map(|scope| ("scope", &**scope)).collect();
        scope.sort_unstable();
        let secret = settings.client_secret.as_ref().map_or("", Secret::expose_secret);
        let client = [
            ("grant", grant),
            ("token_url", settings.token_url.as_url().as_str()),
            ("client_id", &settings.client_id),
            ("client_secret", secret),
            // So that a refusal that is remembered is not that of another way to prove oneself.
            ("client_auth", settings.client_auth.as_str()),
        ];
        let extra = settings.extra.iter().map(|(name, value)| (&**name, &**value));
        Fingerprint::of(client.into_iter().chain(scope).chain(extra).chain(parts))
    }

    /// What of the client and the endpoint shapes a login, with the grant's own parts.
    pub(super) fn login<'a>(
        &'a self,
        parts: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let url = self.settings.token_url.as_url().as_str();
        [("token_url", url), ("client_id", &*self.settings.client_id)].into_iter().chain(parts)
    }

    fn form(&self, grant: &[(&str, &str)], secret: Option<(&str, &Secret)>) -> Zeroizing<String> {
        let settings = &self.settings;
        let mut form = Serializer::new(String::with_capacity(1024));
        form.extend_pairs(grant).extend_pairs(secret.map(|(name, secret)| (name, secret.expose_secret())));
        if !self.scope.is_empty() {
            form.append_pair("scope", &self.scope);
        }
        if settings.client_auth != ClientAuth::ClientSecretBasic {
            form.append_pair("client_id", &settings.client_id);
        }
        if let (ClientAuth::ClientSecretPost, Some(secret)) = (settings.client_auth, &settings.client_secret) {
            form.append_pair("client_secret", secret.expose_secret());
        }
        form.extend_pairs(&settings.extra);
        Zeroizing::new(form.finish())
    }

    /// RFC 6749 section 2.3.1: both parts are form-encoded before they are put together.
    fn basic(&self) -> Option<HeaderValue> {
        if self.settings.client_auth != ClientAuth::ClientSecretBasic {
            return None;
        }
        let secret = self.settings.client_secret.as_ref().map_or("", Secret::expose_secret);
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Zeroizing::new(format!("{}:{}", encode(&self.settings.client_id), encode(secret)));
        let text = Zeroizing::new(format!("Basic {}", BASE64.encode(&*pair)));
        // Base64 is always a header value.
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// What the issuer said, for a person: its code and the beginning of its description, without what it was sent.
    fn told(&self, refusal: &Refusal, secret: Option<&Secret>) -> String {
        let mut what = format!("{} {}", self.host, refusal.what);
        if let Some(code) = &refusal.code {
            let secrets = self.settings.client_secret.iter().chain(secret);
            let echoes = Echoes::of(secrets, self.basic().as_ref(), self.settings.token_url.as_url());
            what = format!("{what} {}", echoes.line_without(code, MAX_CODE));
            if let Some(description) = &refusal.description {
                what = format!("{what}: {}", echoes.line_without(description, MAX_DESCRIPTION));
            }
        }
        what
    }
}

/// What to do about an answer without a token, and what a person could try.
fn verdict(refusal: &Refusal, on_invalid_grant: Fault) -> (Fault, Option<&'static str>) {
    // A code inside a 429 or 5xx answer is no verdict.
    match (refusal.status, refusal.code.as_deref()) {
        (429, _) => (Fault::RateLimited, None),
        (500.. | 408 | 425, _) | (_, Some("temporarily_unavailable" | "server_error" | "slow_down")) => {
            (Fault::Unavailable, None)
        }
        (_, Some("invalid_grant")) => (on_invalid_grant, None),
        (_, Some("invalid_client")) => (Fault::Refused, Some("check client_id, client_secret and client_auth")),
        (_, Some("invalid_scope")) => (Fault::Refused, Some("check scope")),
        (_, Some("unauthorized_client" | "unsupported_grant_type")) => {
            (Fault::Refused, Some("allow this client the grant at the issuer, or configure another grant"))
        }
        (_, Some(_)) => (Fault::Refused, Some("check the provider's settings")),
        (300..400, None) => (Fault::Refused, Some("redirects are not followed: set token_url to the final address")),
        (404 | 405, None) => (Fault::Refused, Some("check token_url")),
        (400.., None) => (Fault::Refused, Some("check client_id, client_secret and client_auth")),
        (_, None) => (Fault::Unavailable, None),
    }
}

const MAX_CODE: usize = 60;
const MAX_DESCRIPTION: usize = 200;
