//! Peers that have their tokens, to be asked in turn with ours.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::{Cache, Keys, Kind, PEERS};
use crate::fixture::HttpIssuer;
use crate::measure::{PeerWork, Samples};
use crate::table::nanos_beside;

pub(crate) struct Filled {
    peers: Vec<(&'static Kind, Arc<dyn Cache>)>,
    /// They may ask it again.
    _issuer: HttpIssuer,
}

impl Filled {
    /// All that can have so many tokens, with these.
    pub(crate) async fn with_keys(keys: usize) -> Result<Self> {
        let issuer = HttpIssuer::start().await?;
        let mut peers = Vec::new();
        for kind in PEERS.iter().filter(|kind| keys == 1 || kind.keys == Keys::Many) {
            peers.push((kind, kind.build_filled(&issuer, keys).await?));
        }
        Ok(Self { peers, _issuer: issuer })
    }

    /// This body for each, which makes so many operations of them.
    pub(crate) fn work<'a>(&'a self, operations: usize, body: impl Fn(&Arc<dyn Cache>) + Clone + 'a) -> PeerWork<'a> {
        let bodies = self.peers.iter().map(|(_, peer)| {
            let body = body.clone();
            let body: Box<dyn Fn() + 'a> = Box::new(move || body(peer));
            body
        });
        PeerWork { operations, bodies: bodies.collect() }
    }

    /// For the table of peers.
    pub(crate) fn cells(&self, limit: &Samples, beside: &[Samples]) -> Vec<(&'static str, String)> {
        let peers = self.peers.iter().zip(beside);
        peers.map(|((kind, _), samples)| (kind.name, nanos_beside(limit, samples))).collect()
    }
}

impl Kind {
    /// One that has the tokens of so many keys.
    pub(crate) async fn build_filled(&self, issuer: &HttpIssuer, keys: usize) -> Result<Arc<dyn Cache>> {
        let cache = self.build(issuer, keys).await?;
        let all: Vec<_> = (0..keys).collect();
        let served = cache.ask(&all).await;
        ensure!(served == keys, "{} has {served} tokens of {keys}", self.name);
        Ok(cache)
    }
}

/// Peers do so many times fewer operations than ours, for they take longer.
pub(crate) const SHARE: usize = 10;
