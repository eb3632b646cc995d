//! Token caches that others have published, each asked by what its users call for a request they send.
//!
//! All have the same issuer, tokens of one length and life, and the options that they have by default. To add one, copy
//! the shortest sibling.

mod filled;

mod aws_smithy_runtime;
mod azure_identity;
mod google_cloud_auth;
mod object_store;
mod yup_oauth2;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use tokenkeep::TokenManager;

use self::aws_smithy_runtime::AwsSmithyRuntime;
use self::azure_identity::AzureIdentity;
pub(crate) use self::filled::{Filled, SHARE};
use self::google_cloud_auth::GoogleCloudAuth;
use self::object_store::ObjectStore;
use self::yup_oauth2::YupOauth2;
use crate::fixture::{HttpIssuer, key_name};

/// In the order of the table's columns.
pub(crate) static PEERS: [Kind; 5] = [
    Kind::of::<AwsSmithyRuntime>(),
    Kind::of::<AzureIdentity>(),
    Kind::of::<GoogleCloudAuth>(),
    Kind::of::<ObjectStore>(),
    Kind::of::<YupOauth2>(),
];

/// A published token cache.
trait Peer: Sized + Send + Sync + 'static {
    const CRATE: &'static str;
    const KEYS: Keys;
    const RENEWS: Renews;
    /// Of a token that is good, but due.
    const DUE_LIFE: Duration;

    /// One that holds nothing yet.
    async fn build(issuer: &HttpIssuer, keys: usize) -> Result<Self>;

    /// What a user calls for each request; whether there is a token.
    fn token(&self, key: usize) -> impl Future<Output = bool> + Send;
}

/// What one cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    One,
    Many,
}

/// Who asks the issuer once a token is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renews {
    /// A task of the cache's own.
    Ahead,
    /// The next caller.
    WhenAsked,
}

/// A peer, of whatever type.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) keys: Keys,
    pub(crate) renews: Renews,
    pub(crate) due_life: Duration,
    build: for<'a> fn(&'a HttpIssuer, usize) -> Building<'a>,
}

type Building<'a> = Pin<Box<dyn Future<Output = Result<Arc<dyn Cache>>> + 'a>>;

impl Kind {
    const fn of<P: Peer>() -> Self {
        Self {
            name: P::CRATE,
            keys: P::KEYS,
            renews: P::RENEWS,
            due_life: P::DUE_LIFE,
            build: |issuer, keys| {
                Box::pin(async move {
                    let peer: Arc<dyn Cache> = Arc::new(P::build(issuer, keys).await?);
                    Ok(peer)
                })
            },
        }
    }

    /// As `Cargo.lock` has it.
    pub(crate) fn version(&self) -> &'static str {
        let package = format!("name = \"{}\"\nversion = \"", self.name);
        LOCK.split_once(&package).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("?")
    }

    /// One that holds nothing yet.
    pub(crate) async fn build(&self, issuer: &HttpIssuer, keys: usize) -> Result<Arc<dyn Cache>> {
        (self.build)(issuer, keys).await
    }
}

/// Ours or a peer.
#[async_trait]
pub(crate) trait Cache: Send + Sync {
    /// Asks for these keys, one after the other; how many have a token.
    async fn ask(&self, keys: &[usize]) -> usize;
}

#[async_trait]
impl<P: Peer> Cache for P {
    async fn ask(&self, keys: &[usize]) -> usize {
        let mut served = 0;
        for key in keys {
            served += usize::from(self.token(*key).await);
        }
        served
    }
}

#[async_trait]
impl Cache for TokenManager {
    async fn ask(&self, keys: &[usize]) -> usize {
        let mut served = 0;
        for key in keys {
            served += usize::from(self.token(&key_name(*key)).await.is_ok());
        }
        served
    }
}

const LOCK: &str = include_str!("../Cargo.lock");
