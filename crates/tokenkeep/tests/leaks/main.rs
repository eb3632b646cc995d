//! Promise 12: no secret in a log, an error, an event, a status or a panic.
//!
//! Every input is planted with a text of its own, every way of using it is walked, well and badly, while each log line
//! of every crate is kept, at TRACE. Then all that came out is searched for all that was planted. A new secret needs a
//! line that plants it.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

mod logs;
mod walks;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use tokenkeep::store::StoreUrl;
use tokenkeep::{Event, TokenManager};

/// What must not come out, wherever it was put in.
#[derive(Debug, Default)]
pub(crate) struct Planted(Vec<(&'static str, String)>);

impl Planted {
    /// Plants a text and gives it back.
    pub(crate) fn secret(&mut self, name: &'static str, text: impl Into<String>) -> String {
        let text = text.into();
        assert!(text.len() >= 8, "{name} is so short that it may be anywhere");
        self.0.push((name, text.clone()));
        text
    }

    /// Those that only configuration knows.
    fn configured(&self) -> Self {
        Self(self.0.iter().filter(|(name, _)| name.starts_with("configured")).cloned().collect())
    }

    /// Searches a text for each of them, as it is, form-encoded and in base64.
    fn search(&self, place: &str, text: &str) -> Vec<String> {
        use base64::Engine as _;
        let mut found = Vec::new();
        for (name, secret) in &self.0 {
            let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            // Whatever stands before it, one of the three ways in which base64 can hold it.
            let base64 = (0..3).map(|shift| {
                let text =
                    base64::engine::general_purpose::STANDARD.encode([&b"   "[..shift], secret.as_bytes()].concat());
                let (first, last) = (usize::div_ceil(shift * 8, 6), text.len() - 4);
                text[first..last].to_owned()
            });
            for form in base64.chain([secret.clone(), form.clone(), form.replace('+', "%20")]) {
                if let Some(at) = text.find(&form) {
                    let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
                    let line = text[line..].lines().next().unwrap_or_default();
                    found.push(format!("{place} holds {name}: {line}"));
                }
            }
        }
        found
    }
}

/// All that came out, with where.
#[derive(Debug, Default)]
pub(crate) struct Shown(Vec<(&'static str, String)>);

impl Shown {
    pub(crate) fn push(&mut self, place: &'static str, text: impl Into<String>) {
        self.0.push((place, text.into()));
    }

    /// Asks a key in every way, and keeps all that a caller can then print.
    pub(crate) async fn ask(&mut self, manager: &TokenManager, key: &str) {
        let handle = manager.handle(key).unwrap();
        let mut subscriber = handle.subscribe();
        for answer in [
            handle.token().await,
            handle.get(tokenkeep::Demand::default()).await.map(|answer| {
                self.push("an answer", format!("{answer:?} {:?}", answer.warnings));
                answer.token
            }),
        ] {
            match answer {
                Ok(token) => self.push("a token", format!("{token:?} {:?}", token.authorization())),
                Err(error) => self.push("an error", format!("{error} {error:?} {error:#?}")),
            }
        }
        let status = handle.status().await;
        self.push("a status", format!("{status:?} {status:#?}"));
        self.push("a handle", format!("{handle:?} {handle:#?} {manager:?} {subscriber:?}"));
        if handle.current().is_some() {
            self.push("a subscriber", format!("{:?} {subscriber:?}", subscriber.next().await));
        }
    }

    /// Keeps the events that a receiver has.
    pub(crate) fn events(&mut self, events: &mut tokio::sync::broadcast::Receiver<Event>) {
        while let Ok(event) = events.try_recv() {
            self.push("an event", format!("{event:?} {event:#?}"));
        }
    }
}

#[test]
fn no_planted_secret_comes_out_anywhere() {
    let (mut planted, folder) = (Planted::default(), tempfile::tempdir().unwrap());
    let urls = ["sqlite", "file"].map(|scheme| format!("{scheme}:{}/{scheme}", folder.path().display()));
    walk_and_search(&urls, &mut planted);
    // What a store keeps of a key it may keep; what only configuration knows it has no business with.
    let files = files_in(folder.path());
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let found = planted.configured().search("the store", &String::from_utf8_lossy(&bytes));
        assert!(found.is_empty(), "{}: {found:?}", path.display());
    }
}

#[cfg(feature = "postgres")]
#[test]
#[ignore = "needs postgres: run ./test"]
fn no_planted_secret_comes_out_of_a_database() {
    use tokenkeep_test_servers::Postgres;
    let server = Postgres::start(&[("log_statement", "none")]);
    let mut planted = Planted::default();
    let password = planted.secret("configured database password", "planted-for-the-database");
    server.sql("postgres", &format!("CREATE ROLE keeper LOGIN PASSWORD '{password}'"));
    server.sql("postgres", "CREATE DATABASE kept OWNER keeper");
    walk_and_search(&[format!("postgres://keeper:{password}@127.0.0.1:{}/kept", server.port())], &mut planted);
    let stored = [server.sql("kept", "SELECT * FROM tokenkeep.records"), server.log()].join("\n");
    assert!(stored.contains("\"generation\""));
    let found = planted.configured().search("the database", &stored);
    assert!(found.is_empty(), "{found:?}");
}

/// Walks every way with stores at these URLs, and searches all that came out.
fn walk_and_search(urls: &[String], planted: &mut Planted) {
    let panics = keep_panics();
    logs::keep_all();
    let mut shown = Shown::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for url in urls {
        runtime.block_on(walks::walk(&StoreUrl::parse(url).unwrap(), planted, &mut shown));
    }
    drop(runtime);

    let logs = logs::kept();
    // sqlx is told to log no statements, and neither hyper nor rustls is built to log.
    for target in ["tokenkeep::", "hyper_util::", "reqwest::"] {
        let lines = logs.iter().filter(|line| line.target.starts_with(target)).count();
        assert!(lines > 10, "only {lines} lines of {target} were kept: the capture does not work");
    }
    let mut found: Vec<_> = logs.iter().flat_map(|line| planted.search(&line.target, &line.text)).collect();
    found.extend(shown.0.iter().flat_map(|(place, text)| planted.search(place, text)));
    // A copy: what fails below panics too, and must find the lock free.
    let panics = panics.lock().unwrap_or_else(PoisonError::into_inner).clone();
    found.extend(panics.iter().flat_map(|text| planted.search("a panic", text)));
    found.sort_unstable();
    found.dedup();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    assert!(!panics.is_empty(), "the walk has a panic in it");
    assert!(shown.0.len() > 50 && planted.0.len() > 10);
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// Keeps what panics say, beside printing it.
fn keep_panics() -> &'static Mutex<Vec<String>> {
    static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{panic} {panic:?}"));
            print(panic);
        }));
    });
    &PANICS
}
