//! `aws-smithy-runtime`: the lazy identity cache that each AWS client asks before it signs.
//!
//! What it caches comes from a resolver that its user provides; here that is the issuer in memory.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity as _, ResolveIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::ConfigBag;

use super::{Keys, Peer, Renews};
use crate::fixture::{HttpIssuer, Issuer};

pub(super) struct AwsSmithyRuntime {
    cache: SharedIdentityCache,
    resolvers: Vec<SharedIdentityResolver>,
    components: RuntimeComponents,
    config: ConfigBag,
}

impl Peer for AwsSmithyRuntime {
    const CRATE: &'static str = "aws-smithy-runtime";
    const KEYS: Keys = Keys::Many;
    const RENEWS: Renews = Renews::WhenAsked;
    /// It asks for a new one five to ten seconds before the end.
    const DUE_LIFE: Duration = Duration::from_secs(4);

    async fn build(issuer: &HttpIssuer, keys: usize) -> Result<Self> {
        let resolver = || SharedIdentityResolver::new(InMemory(Arc::<Issuer>::clone(&issuer.issuer)));
        Ok(Self {
            cache: IdentityCache::lazy().max_partitions(keys).build(),
            resolvers: (0..keys).map(|_| resolver()).collect(),
            components: RuntimeComponentsBuilder::for_tests()
                .with_sleep_impl(Some(TokioSleep::new()))
                .with_time_source(Some(SystemTimeSource::new()))
                .build()?,
            config: ConfigBag::base(),
        })
    }

    async fn token(&self, key: usize) -> bool {
        let resolver = self.resolvers[key].clone();
        black_box(self.cache.resolve_cached_identity(resolver, &self.components, &self.config).await).is_ok()
    }
}

#[derive(Debug)]
struct InMemory(Arc<Issuer>);

impl ResolveIdentity for InMemory {
    fn resolve_identity<'a>(&'a self, _: &'a RuntimeComponents, _: &'a ConfigBag) -> IdentityFuture<'a> {
        IdentityFuture::new(async {
            let fetched = self.0.answer().await?;
            let end = SystemTime::now() + self.0.life();
            Ok(Identity::new(fetched.access_token, Some(end)))
        })
    }
}
