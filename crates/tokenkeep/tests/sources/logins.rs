//! Every folder of `logins/` is a login that some vendor has, as a recipe, and what becomes of it. To add one, add a
//! folder:
//!
//! - `config.toml`: the provider `vendor` at `${HOST}`; its credentials are variables of [`VARIABLES`];
//! - `1-request.http`, `2-request.http`…: what must be asked, in order, without the headers of [`USUAL`];
//! - `1-answer.http`, `2-answer.http`…: what is answered, with plain line feeds; `Content-Length` is added;
//! - `expected.txt`: after comments that say who does that, what a user then sees; after a line `refreshed:` what comes of
//!   asking for a new token;
//! - `trial.txt`, if there is one: what somebody sees who tries the recipe out.
//!
//! What may not be shown to anybody is called `planted…` wherever it stands.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::join_all;
use tokenkeep::config;
use tokenkeep::store::{MemoryStore, Store as _};
use tokenkeep::{Error, Key, Token, TokenHandle, TokenManager, Trial};

use crate::support::{Noon, Playback, Script, recorded, tell_error, tell_token, without_comments};

#[tokio::test]
async fn every_recorded_login_asks_and_comes_to_what_stands_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources/logins");
    let mut folders: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort_unstable();
    let cases: Vec<_> = folders.iter().map(|folder| Case { folder }).collect();
    let wrong = join_all(cases.iter().map(Case::check)).await.concat();
    assert!(wrong.is_empty(), "{wrong}");
    assert!(folders.len() > 25, "{} logins", folders.len());
}

#[tokio::test]
async fn every_example_of_the_page_is_a_recorded_login() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/logins.md")).unwrap();
    let blocks = page.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut examples: Vec<_> = blocks.filter(|block| block.contains("grant = \"login\"")).collect();
    assert!(examples.len() >= 12, "{} examples", examples.len());
    for entry in fs::read_dir(root.join("tests/sources/logins")).unwrap() {
        let config = fs::read_to_string(entry.unwrap().path().join("config.toml")).unwrap();
        let config = config.replace("http://${HOST}", "https://vendor.example");
        examples.retain(|example| *example != config);
    }
    assert!(examples.is_empty(), "not recorded:\n{}", examples.join("\n"));
}

struct Case<'a> {
    folder: &'a Path,
}

impl Case<'_> {
    /// What differs from what is expected.
    async fn check(&self) -> String {
        let (issuer, manager, store) = self.start().await;
        let mut told = self.play(&issuer, &manager, &store).await;
        let requests: Vec<_> = issuer.requests().iter().map(|request| shortened(request)).collect();
        let expected = self.numbered("request").into_iter().map(|path| fs::read_to_string(path).unwrap());
        let expected: Vec<_> = expected.map(|text| text.replace("HOST", &issuer.address().to_string())).collect();
        let mut wrong = String::new();
        let mut compare = |what: &str, expected: &str, actual: &str| {
            if expected.trim_end() != actual.trim_end() {
                let name = self.folder.file_name().unwrap().display();
                writeln!(wrong, "{name}: {what}\nexpected:\n{expected}\nactual:\n{actual}\n").unwrap();
            }
        };
        compare("the requests", &expected.join("\n---\n"), &requests.join("\n---\n"));
        compare("what a user sees", &without_comments(&self.folder.join("expected.txt")), &std::mem::take(&mut told));
        let trial = self.try_out().await;
        if let Ok(expected) = fs::read_to_string(self.folder.join("trial.txt")) {
            compare("the trial", &expected, &trial);
        }
        wrong
    }

    async fn start(&self) -> (Playback, TokenManager, Arc<MemoryStore>) {
        let recorded = |path: &PathBuf| {
            let (head, body) = recorded(path, &path.with_extension("body"));
            [head, body].concat()
        };
        let answers = self.numbered("answer").iter().map(recorded).collect();
        let issuer = Playback::start(Script::Each(answers)).await;
        let mut variables: HashMap<_, _> = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        variables.insert("HOST".to_owned(), issuer.address().to_string());
        let text = fs::read_to_string(self.folder.join("config.toml")).unwrap();
        let config = config::parse(&text, "config.toml", self.folder, &variables).await;
        let config = config.unwrap_or_else(|problems| panic!("{}: {problems}", self.folder.display()));
        assert!(!format!("{config:?}").contains("planted"), "{config:?}");
        let clock = Arc::new(Noon);
        let store = Arc::new(MemoryStore::new(Arc::<Noon>::clone(&clock)));
        let builder = TokenManager::builder().config(config).clock(clock).store(Arc::<MemoryStore>::clone(&store));
        (issuer, builder.build().await.unwrap(), store)
    }

    /// Asks once or twice, and tells what came of it in the words of `expected.txt`.
    async fn play(&self, issuer: &Playback, manager: &TokenManager, store: &MemoryStore) -> String {
        let mut told = String::new();
        let handle = manager.handle("vendor").unwrap();
        tell(&mut told, &handle, handle.token().await, issuer, store).await;
        if fs::read_to_string(self.folder.join("expected.txt")).unwrap().contains("\nrefreshed:") {
            told.push_str("refreshed:\n");
            tell(&mut told, &handle, handle.refresh().await, issuer, store).await;
        }
        told
    }

    /// What a trial tells. It makes one login, and nothing of it is secret.
    async fn try_out(&self) -> String {
        let (issuer, manager, store) = self.start().await;
        let trial = manager.try_login("vendor", None).await.unwrap();
        let debug = format!("{trial:?}");
        assert!(!debug.contains("planted"), "{debug}");
        assert_eq!(trial.steps.iter().filter(|step| step.answer.is_some()).count(), issuer.requests().len());
        assert!(store.page(None, 1).await.unwrap().is_empty());
        assert!(manager.handle("vendor").unwrap().current().is_none());
        shown(&trial).replace(&issuer.address().to_string(), "HOST")
    }

    /// The files `1-NAME.http`, `2-NAME.http`…
    fn numbered(&self, name: &str) -> Vec<PathBuf> {
        let paths = (1..).map(|number| self.folder.join(format!("{number}-{name}.http")));
        paths.take_while(|path| path.exists()).collect()
    }
}

async fn tell(
    told: &mut String,
    handle: &TokenHandle,
    outcome: Result<Token, Error>,
    issuer: &Playback,
    store: &MemoryStore,
) {
    match outcome {
        Ok(token) => {
            tell_token(told, &token);
            let (name, value) = handle.header(&token);
            if value != token.authorization() {
                writeln!(told, "header: {name}: {}", value.to_str().unwrap()).unwrap();
            }
        }
        Err(error) => tell_error(told, &error, issuer),
    }
    let stored = store.load(&Key::parse("vendor").unwrap()).await.unwrap();
    if let Some(kept) = stored.and_then(|stored| stored.record.refresh_token) {
        writeln!(told, "refresh_token: {}", kept.expose_secret()).unwrap();
    }
}

/// A request without what every one has, in the form of `1-request.http`.
fn shortened(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let is_usual = |line: &&str| USUAL.iter().any(|usual| line.starts_with(usual));
    let lines: Vec<_> = head.lines().filter(|line| !is_usual(line)).collect();
    format!("{}\n\n{body}", lines.join("\n")).trim_end().to_owned() + "\n"
}

fn shown(trial: &Trial) -> String {
    let mut text = String::new();
    for step in &trial.steps {
        writeln!(text, "{}: {} {}", step.name, step.method, step.url).unwrap();
        step.headers.iter().chain(&step.body).for_each(|line| writeln!(text, "  {line}").unwrap());
        if let Some(answer) = &step.answer {
            let kind = answer.content_type.as_deref().unwrap_or("-");
            writeln!(text, "  {} {kind}, {} bytes, {}", answer.status, answer.bytes, answer.kind).unwrap();
        }
        step.found.iter().for_each(|found| writeln!(text, "  {found}").unwrap());
    }
    match &trial.outcome {
        Ok(token) => writeln!(text, "{}, {:?}", token.token_type, token.life).unwrap(),
        Err(error) => writeln!(text, "{}: {}", error.code(), error.what()).unwrap(),
    }
    text
}

/// What the configurations refer to.
const VARIABLES: [(&str, &str); 8] = [
    ("PASSWORD", "planted-password"),
    ("API_KEY", "planted-key"),
    // What is encoded by some and not by others.
    ("STARRED", "planted*/k~y"),
    // A word as good as any.
    ("WORD", "planted-word"),
    // Everything that means something somewhere.
    ("NASTY", "planted \"'\\{password}{{${HOME}&=+%00/?#;:<b>]]>\n\t\r\u{7f}é😀"),
    // The same without what no header can carry.
    ("NASTY_LINE", "planted \"'\\{password}{{${HOME}&=+%00/?#;:<b>]]>é😀"),
    ("DOTS", ".."),
    ("TENANT", "evil.example/x"),
];

const USUAL: [&str; 5] =
    ["host: ", "user-agent: ", "accept-encoding: ", "content-length: ", "accept: application/json, */*;q=0.8"];
