//! `redis:` — records on a Redis or Valkey server, shared by any number of machines.
//!
//! The hard problem is that a server of this kind forgets: it may be set up to keep nothing on a disk, and a replica that
//! takes the place of its master has not seen the last writes. So versions are microseconds of the server's clock, raised
//! by one where that has not gone on: they do not start again from 1 in an empty server, where a number that somebody
//! still has in hand would then name another record. What is lost, is lost; but nothing is mixed up, and nobody waits
//! for a version that does not come.
//!
//! Whatever has to be one step is a script. Each call of one has a name, by which a call that is made again, because its
//! connection was lost before its answer, is recognised. Leases end, and budgets slide, by the server's clock.

mod advice;
mod fault;
mod link;
mod names;
mod script;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, RedisResult, Script};
use zeroize::Zeroizing;

use self::fault::{Fault, WRITTEN_LATER};
use self::link::{Link, Repeat};
use self::names::{FORM, Names, unique};
use super::{Holder, LeaseOutcome, Record, SaveOutcome, Store, StoreError, Version, Versioned};
use crate::budget::{Budget, Spending};
use crate::clock::Clock;
use crate::credentials::Credentials;
use crate::key::Key;

pub use url::RedisUrl;

/// Keeps records, credentials and budgets on a Redis or Valkey server, for any number of processes. It seals nothing: see
/// [`SealedStore`](super::SealedStore).
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tokenkeep::store::{RedisStore, RedisUrl, Store};
///
/// let url = RedisUrl::parse("redis://127.0.0.1:1")?; // nobody is there
/// match RedisStore::open(&url, clock()).await {
///     Ok(store) => println!("{:?} is the newest version", store.newest_version().await?),
///     Err(down) => assert!(down.what.contains("refused")), // a manager tries again, and goes on from memory
/// }
/// # Ok(())
/// # }
/// ```
pub struct RedisStore {
    label: Box<str>,
    names: Arc<Names>,
    link: Link,
}

impl RedisStore {
    /// Connects to a server, and says in the log what could make it lose what it is given. A server that is not there, or
    /// does not let this client in, is an error; one that goes away later is connected to again, by the first call
    /// after a pause that this clock measures and that grows up to 2 s.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docs/store.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use tokenkeep::store::{RedisStore, RedisUrl};
    /// let nobody = RedisUrl::parse("redis://:a-password@127.0.0.1:1")?;
    /// let error = RedisStore::open(&nobody, clock()).await.unwrap_err();
    /// assert!(error.to_string().starts_with("redis://127.0.0.1:1/0: the connection was refused"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(url: &RedisUrl, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let names = Names::new(&url.prefix);
        let link = Link::new(url.clone(), Arc::clone(&names), clock);
        let store = Self { label: url.to_string().into(), names, link };
        let asked = store.link.run(Repeat::Harmless, async |connection| Ok(advice::about(connection).await));
        for advice in asked.await.map_err(|fault| store.error(fault))? {
            tracing::warn!(store = %store.label, "{advice}");
        }
        Ok(store)
    }

    /// Has the server do something.
    async fn run<T, F>(
        &self,
        repeat: Repeat,
        call: impl Fn(MultiplexedConnection) -> F + Send + Sync,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        self.link.run(repeat, call).await.map_err(|fault| self.error(fault))
    }

    async fn script<T: FromRedisValue + Send>(
        &self,
        script: &'static Script,
        keys: &[&str],
        arguments: &[&str],
        repeat: Repeat,
    ) -> Result<T, StoreError> {
        let invoke = |mut connection| {
            let mut invocation = script.prepare_invoke();
            for key in keys {
                invocation.key(*key);
            }
            for argument in arguments {
                invocation.arg(*argument);
            }
            async move { invocation.invoke_async(&mut connection).await }
        };
        self.run(repeat, invoke).await
    }

    /// What a hash of a key's version and record holds, for so many keys from the first after `after`.
    async fn batch(&self, after: &[u8], wanted: usize) -> Result<Vec<(Vec<u8>, Found)>, StoreError> {
        let from = if after.is_empty() { b"-".to_vec() } else { [b"(", after].concat() };
        let list = |mut connection| {
            let mut list = redis::cmd("ZRANGEBYLEX");
            list.arg(&*self.names.keys).arg(&from).arg("+").arg("LIMIT").arg(0).arg(wanted);
            async move { list.query_async::<Vec<Vec<u8>>>(&mut connection).await }
        };
        let keys = self.run(Repeat::Harmless, list).await?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let load = |mut connection| {
            let mut load = redis::pipe();
            load.ignore_errors();
            for key in &keys {
                // What is no text is no key, and there is nothing under another name either.
                load.add_command(self.load_command(&String::from_utf8_lossy(key)));
            }
            async move { load.query_async::<Vec<RedisResult<Fields>>>(&mut connection).await }
        };
        let fields = self.run(Repeat::Harmless, load).await?;
        let found = fields.into_iter().map(|fields| match fields {
            Ok(fields) => Ok(decode(fields)),
            // A key of another kind says nothing of the others.
            Err(error) => match Fault::from(error) {
                fault if fault.is_about_the_key => Ok(Err(fault.what)),
                fault => Err(self.error(fault)),
            },
        });
        keys.into_iter().zip(found).map(|(key, found)| Ok((key, found?))).collect()
    }

    fn load_command(&self, key: &str) -> redis::Cmd {
        let mut load = redis::cmd("HMGET");
        load.arg(self.names.record(key)).arg("version").arg("record");
        load
    }

    fn error(&self, fault: Fault) -> StoreError {
        StoreError { store: self.label.clone(), what: fault.what, busy: fault.is_busy }
    }
}

#[async_trait]
impl Store for RedisStore {
    fn label(&self) -> &str {
        &self.label
    }

    async fn load(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let load = |mut connection| {
            let load = self.load_command(key.as_str());
            async move { load.query_async::<Fields>(&mut connection).await }
        };
        let fields = self.run(Repeat::Harmless, load).await?;
        decode(fields).map_err(|why| self.error(Fault::new(format!("the record of '{key}' cannot be read: {why}"))))
    }

    async fn save(&self, key: &Key, record: &Record, expected: Option<Version>) -> Result<SaveOutcome, StoreError> {
        let names = &*self.names;
        let record_name = names.record(key.as_str());
        let keys = [&*record_name, &*names.keys, &*names.changes, &*names.version, &*names.form, &*names.due];
        let expected = expected.map(|Version(version)| version.to_string()).unwrap_or_default();
        let (json, call, form) = (record.expose_json(), unique(), FORM.to_string());
        let due_at = record.due_at.map(|due| due.wall_ms.to_string()).unwrap_or_default();
        let arguments = [key.as_str(), &expected, &json, &call, &form, &names.channel, &names.handle, &due_at];
        let version: Option<u64> = self.script(&script::SAVE, &keys, &arguments, Repeat::Harmless).await?;
        Ok(version.map_or(SaveOutcome::Conflict, |version| SaveOutcome::Saved(Version(version))))
    }

    async fn page(&self, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Versioned)>, StoreError> {
        let mut page = Vec::new();
        let mut after = after.map_or("", Key::as_str).as_bytes().to_vec();
        // Records that are left out are made up for: a page that is not full is the last one.
        while page.len() < limit {
            let wanted = (limit - page.len()).min(RECORDS);
            let batch = self.batch(&after, wanted).await?;
            let is_last = batch.len() < wanted;
            for (name, found) in batch {
                match (as_key(&name), found) {
                    (Ok(key), Ok(Some(versioned))) => page.push((key, versioned)),
                    // The server has dropped it; only its name is left.
                    (Ok(_), Ok(None)) => {}
                    (Err(why), _) | (_, Err(why)) => {
                        let key = String::from_utf8_lossy(&name);
                        tracing::warn!(store = %self.label, %key, why, "a record cannot be read and is left out");
                    }
                }
                after = name;
            }
            if is_last {
                break;
            }
        }
        Ok(page)
    }

    async fn unreadable(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut unreadable = Vec::new();
        let mut after = Vec::new();
        loop {
            let batch = self.batch(&after, RECORDS).await?;
            let is_last = batch.len() < RECORDS;
            for (name, found) in batch {
                if let (Err(why), _) | (_, Err(why)) = (as_key(&name), found) {
                    unreadable.push((String::from_utf8_lossy(&name).into_owned(), why));
                }
                after = name;
            }
            if is_last {
                return Ok(unreadable);
            }
        }
    }

    async fn changes(&self, since: Version, limit: usize) -> Result<Vec<(Key, Version)>, StoreError> {
        let mut changes = Vec::new();
        let mut since = since;
        while changes.len() < limit {
            let wanted = (limit - changes.len()).min(NAMES);
            let list = |mut connection| {
                let mut list = redis::cmd("ZRANGEBYSCORE");
                list.arg(&*self.names.changes).arg(format!("({}", since.0)).arg("+inf").arg("WITHSCORES");
                list.arg("LIMIT").arg(0).arg(wanted);
                async move { list.query_async::<Vec<(Vec<u8>, f64)>>(&mut connection).await }
            };
            let listed = self.run(Repeat::Harmless, list).await?;
            for (name, score) in &listed {
                since = version_of_score(*score);
                // What is no key names nothing that somebody could have asked for; `page` says so in the log.
                changes.extend(as_key(name).ok().map(|key| (key, since)));
            }
            if listed.len() < wanted {
                break;
            }
        }
        Ok(changes)
    }

    async fn newest_version(&self) -> Result<Version, StoreError> {
        let look = |mut connection| {
            let mut look = redis::cmd("GET");
            look.arg(&*self.names.version);
            async move { look.query_async::<Option<u64>>(&mut connection).await }
        };
        Ok(Version(self.run(Repeat::Harmless, look).await?.unwrap_or(0)))
    }

    async fn claim_due(&self, limit: usize, hold: Duration) -> Result<Option<Vec<Key>>, StoreError> {
        if limit == 0 {
            return Ok(Some(Vec::new()));
        }
        let arguments = [&*limit.min(NAMES).to_string(), &millis(hold)];
        let names: Vec<Vec<u8>> =
            self.script(&script::CLAIM, &[&*self.names.due], &arguments, Repeat::Harmless).await?;
        // What is no key has nobody who could renew it; `page` says so in the log.
        Ok(Some(names.iter().filter_map(|name| as_key(name).ok()).collect()))
    }

    async fn acquire_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<LeaseOutcome, StoreError> {
        let (lease, ttl, form) = (self.names.lease(key), millis(ttl), FORM.to_string());
        let (keys, arguments) = ([&*lease, &*self.names.form], [holder.as_str(), &ttl, &form]);
        let left: i64 = self.script(&script::ACQUIRE, &keys, &arguments, Repeat::Harmless).await.map_err(|error| {
            // Those who can save what a login brings use it meanwhile.
            StoreError { busy: error.busy || error.what.ends_with(WRITTEN_LATER), ..error }
        })?;
        Ok(match u64::try_from(left) {
            Ok(left) => LeaseOutcome::Held(Duration::from_millis(left)),
            Err(_) => LeaseOutcome::Acquired,
        })
    }

    async fn renew_lease(&self, key: &Key, holder: &Holder, ttl: Duration) -> Result<bool, StoreError> {
        let (lease, ttl) = (self.names.lease(key), millis(ttl));
        self.script(&script::RENEW, &[&lease], &[holder.as_str(), &ttl], Repeat::Harmless).await
    }

    async fn release_lease(&self, key: &Key, holder: &Holder) -> Result<(), StoreError> {
        let lease = self.names.lease(key);
        let done: i64 = self.script(&script::RELEASE, &[&lease], &[holder.as_str()], Repeat::Harmless).await?;
        let _ = done;
        Ok(())
    }

    fn keeps_credentials(&self) -> bool {
        true
    }

    async fn credentials(&self, key: &Key) -> Result<Option<Credentials>, StoreError> {
        let name = self.names.credentials(key);
        let load = |mut connection| {
            let mut load = redis::cmd("GET");
            load.arg(&name);
            async move { load.query_async::<Option<Vec<u8>>>(&mut connection).await }
        };
        let Some(json) = self.run(Repeat::Harmless, load).await?.map(Zeroizing::new) else { return Ok(None) };
        let read = std::str::from_utf8(&json).ok().and_then(|json| Credentials::from_json(json).ok());
        let unreadable = || format!("the credentials of '{key}' cannot be read; give them again");
        read.map(Some).ok_or_else(|| self.error(Fault::new(unreadable())))
    }

    async fn save_credentials(&self, key: &Key, credentials: &Credentials) -> Result<(), StoreError> {
        let names = [&*self.names.credentials(key), &*self.names.accounts];
        let arguments = [key.as_str(), &credentials.expose_json()];
        let _: bool = self.script(&script::SAVE_CREDENTIALS, &names, &arguments, Repeat::Harmless).await?;
        Ok(())
    }

    async fn replace_credentials(
        &self,
        key: &Key,
        before: &Credentials,
        after: &Credentials,
    ) -> Result<bool, StoreError> {
        let names = [&*self.names.credentials(key), &*self.names.accounts];
        let arguments = [key.as_str(), &after.expose_json(), &before.expose_json()];
        self.script(&script::SAVE_CREDENTIALS, &names, &arguments, Repeat::Harmless).await
    }

    async fn remove_credentials(&self, key: &Key) -> Result<bool, StoreError> {
        let names = [&*self.names.credentials(key), &*self.names.accounts];
        self.script(&script::REMOVE_CREDENTIALS, &names, &[key.as_str()], Repeat::Never).await
    }

    async fn accounts(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let from = after.map_or_else(|| "-".to_owned(), |after| format!("({after}"));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let list = |mut connection| {
            let mut list = redis::cmd("ZRANGEBYLEX");
            list.arg(&*self.names.accounts).arg(&from).arg("+").arg("LIMIT").arg(0).arg(limit);
            async move { list.query_async::<Vec<Vec<u8>>>(&mut connection).await }
        };
        let names = self.run(Repeat::Harmless, list).await?;
        let keys = names.iter().map(|name| as_key(name)).collect::<Result<_, _>>();
        keys.map_err(|why| self.error(Fault::new(format!("the list of accounts cannot be read: {why}"))))
    }

    async fn spend(&self, name: &str, budget: Budget) -> Result<Spending, StoreError> {
        let (window, call) = (budget.window().as_micros().to_string(), unique());
        let arguments = [&*budget.requests().to_string(), &window, &call];
        let names = [&*self.names.budget(name)];
        let left: i64 = self.script(&script::SPEND, &names, &arguments, Repeat::Harmless).await?;
        Ok(u64::try_from(left).map_or(Spending::Counted, |left| Spending::Exhausted(Duration::from_micros(left))))
    }

    async fn changed(&self) {
        self.link.changed().await;
    }

    async fn close(&self) {
        self.link.close();
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("label", &self.label).finish_non_exhaustive()
    }
}

/// The version and the record of a key, as they are kept.
type Fields = (Option<u64>, Option<Vec<u8>>);
/// The record of a key, or why it cannot be read.
type Found = Result<Option<Versioned>, String>;

fn decode((version, json): Fields) -> Found {
    let json = json.map(Zeroizing::new);
    let (Some(version), Some(json)) = (version, &json) else {
        return if version.is_none() && json.is_none() { Ok(None) } else { Err("it is not whole".into()) };
    };
    let json = std::str::from_utf8(json).map_err(|_| "it is not a text")?;
    let record = Record::from_json(json).map_err(|why| why.to_string())?;
    Ok(Some(Versioned { version: Version(version), record }))
}

fn as_key(name: &[u8]) -> Result<Key, String> {
    let text = std::str::from_utf8(name).map_err(|_| "its name is not a text")?;
    // A key in another form than its own would be found by nobody.
    Key::parse(text).ok().filter(|key| key.as_str() == text).ok_or_else(|| "its name is no key".into())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "microseconds are whole in a double until 2255"
)]
fn version_of_score(score: f64) -> Version {
    Version(score as u64)
}

/// At least one: a server takes no other lease.
fn millis(ttl: Duration) -> String {
    ttl.as_millis().clamp(1, u128::from(u32::MAX)).to_string()
}

/// Records that are read at once. A server closes connections that have notices when too much waits on them, 32 MB unless
/// it is told otherwise (`client-output-buffer-limit`).
const RECORDS: usize = 100;
/// Names that are read at once, so that no call keeps the server from others for long.
const NAMES: usize = 500;
