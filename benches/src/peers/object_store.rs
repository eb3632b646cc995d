//! `object_store`: the credential provider of an Azure store, which is its token cache.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};

use super::{Keys, Peer, Renews};
use crate::fixture::HttpIssuer;

pub(super) struct ObjectStore(MicrosoftAzure);

impl Peer for ObjectStore {
    const CRATE: &'static str = "object_store";
    const KEYS: Keys = Keys::One;
    const RENEWS: Renews = Renews::WhenAsked;
    /// It asks for a new one five minutes before the end.
    const DUE_LIFE: Duration = Duration::from_secs(150);

    async fn build(issuer: &HttpIssuer, _keys: usize) -> Result<Self> {
        let store = MicrosoftAzureBuilder::new()
            .with_account("bench")
            .with_container_name("bench")
            .with_client_secret_authorization("bench", "bench-secret", "tenant")
            .with_authority_host(issuer.url())
            .with_allow_http(true)
            .build()?;
        Ok(Self(store))
    }

    async fn token(&self, _key: usize) -> bool {
        black_box(self.0.credentials().get_credential().await).is_ok()
    }
}
