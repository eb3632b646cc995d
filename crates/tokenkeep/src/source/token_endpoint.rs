//! The one exchange with an OAuth token endpoint that all grants share (RFC 6749 sections 3.2, 5 and 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use zeroize::Zeroizing;

use super::http::HttpClient;
use super::token_response::{self, Refusal};
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
    /// What must not come back in an error's text.
    secrets: Vec<Secret>,
}

impl TokenEndpoint {
    pub(super) fn new(settings: TokenEndpointSettings, http: HttpClient) -> Self {
        let secrets = settings.client_secret.iter().cloned().collect();
        Self { scope: settings.scope.join(" "), host: settings.token_url.host(), settings, http, secrets }
    }

    pub(super) fn with_secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Asks with a refresh token (RFC 6749 section 6).
    pub(super) async fn refresh(&self, token: &Secret, on_invalid_grant: Fault) -> Result<Fetched, FetchError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
        let answer = self.exchange(&form, on_invalid_grant).await;
        answer.map_err(|error| FetchError { what: scrubbed(&error.what, [token]), ..error })
    }

    /// Asks once. `on_invalid_grant` says what that answer means for this grant.
    pub(super) async fn exchange(
        &self,
        grant: &[(&str, &str)],
        on_invalid_grant: Fault,
    ) -> Result<Fetched, FetchError> {
        let form = self.form(grant);
        let answer = self.http.post_form(self.settings.token_url.as_url(), self.basic(), &form).await;
        let answer = answer.map_err(|what| self.error(Fault::Unavailable, &what))?;
        let retry_after = answer.retry_after;
        token_response::parse(&answer).map_err(|refusal| {
            let (fault, next) = verdict(&refusal, on_invalid_grant);
            let error = FetchError { retry_after, rotated: refusal.rotated, ..self.error(fault, &refusal.what) };
            match next {
                Some(next) => error.with_next(next),
                None => error,
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
        ];
        let extra = settings.extra.iter().map(|(name, value)| (&**name, &**value));
        Fingerprint::of(client.into_iter().chain(scope).chain(extra).chain(parts))
    }

    fn form(&self, grant: &[(&str, &str)]) -> Zeroizing<String> {
        let settings = &self.settings;
        let mut form = Serializer::new(String::with_capacity(1024));
        form.extend_pairs(grant);
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

    fn error(&self, fault: Fault, what: &str) -> FetchError {
        FetchError::new(fault, format!("{} {}", self.host, scrubbed(what, &self.secrets)))
    }
}

/// What to do about an answer without a token, and what a person could try.
fn verdict(refusal: &Refusal, on_invalid_grant: Fault) -> (Fault, Option<&'static str>) {
    // A code inside a 429 or 5xx answer is no verdict.
    match (refusal.status, refusal.code.as_deref()) {
        (429, _) => (Fault::RateLimited, None),
        (500.., _) | (408 | 425, _) | (_, Some("temporarily_unavailable" | "server_error" | "slow_down")) => {
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

/// The text without any of these secrets, in case an issuer repeats what it was sent.
fn scrubbed<'a>(text: &str, secrets: impl IntoIterator<Item = &'a Secret>) -> String {
    let secrets = secrets.into_iter().map(Secret::expose_secret).filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}
