//! `google-cloud-auth`: a user's credentials, whose access token a task of their own renews.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use google_cloud_auth::credentials::AccessTokenCredentials;
use google_cloud_auth::credentials::user_account::Builder;
use serde_json::json;

use super::{Keys, Peer, Renews};
use crate::fixture::HttpIssuer;

pub(super) struct GoogleCloudAuth(AccessTokenCredentials);

impl Peer for GoogleCloudAuth {
    const CRATE: &'static str = "google-cloud-auth";
    const KEYS: Keys = Keys::One;
    const RENEWS: Renews = Renews::Ahead;
    /// It asks for a new one four minutes before the end: a second after it has this one.
    const DUE_LIFE: Duration = Duration::from_secs(241);

    async fn build(issuer: &HttpIssuer, _keys: usize) -> Result<Self> {
        let user = json!({
            "type": "authorized_user",
            "client_id": "bench",
            "client_secret": "bench-secret",
            "refresh_token": "bench-refresh",
        });
        Ok(Self(Builder::new(user).with_token_uri(issuer.url()).build_access_token_credentials()?))
    }

    async fn token(&self, _key: usize) -> bool {
        black_box(self.0.access_token().await).is_ok()
    }
}
