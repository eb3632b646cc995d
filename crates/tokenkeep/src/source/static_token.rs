//! `static`: a fixed token that does not end, e.g. an API key.

use async_trait::async_trait;

use super::{Ask, Expiry, Fault, FetchError, Fetched, Keep, TokenSource, is_header_text};
use crate::fingerprint::Fingerprint;
use crate::secret::Secret;

#[derive(Debug)]
pub(super) struct StaticToken {
    token: Secret,
}

impl StaticToken {
    pub(super) fn new(token: Secret) -> Self {
        Self { token }
    }
}

#[async_trait]
impl TokenSource for StaticToken {
    async fn fetch(&self, _ask: Ask<'_>) -> Result<Fetched, FetchError> {
        if !is_header_text(self.token.expose_secret()) {
            return Err(FetchError::new(Fault::Refused, "the configured token is none that a header can carry")
                .with_next("check token for line breaks, spaces and anything but ASCII"));
        }
        Ok(Fetched::new(self.token.clone()).with_expiry(Expiry::Never))
    }

    fn issuer(&self) -> &'static str {
        "configuration"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([("grant", "static"), ("token", self.token.expose_secret())])
    }

    fn keep(&self) -> Keep {
        Keep::InMemory
    }
}
