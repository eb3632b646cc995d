//! The arrows between the modules of this crate and between the crates of the workspace, as the sources have them.
//!
//! A new module, or a new arrow, needs a line in a table here, and with it a reason.

#![expect(clippy::unwrap_used, reason = "helpers outside of test functions may fail a test too")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each module of `tokenkeep` may name of the others, and why no more. Comments may point anywhere.
const MODULES: [(&str, &[&str], &str); 23] = [
    ("secret", &[], "is a text and nothing else"),
    ("credentials", &["expiry", "secret"], "is a set of secrets, with the life that goes with them"),
    ("budget", &["clock"], "is a number of requests in a time"),
    ("key", &[], "is a name and nothing else"),
    ("fingerprint", &[], "is a hash and nothing else"),
    ("clock", &[], "tells the time, decides nothing"),
    ("error", &["key"], "says which key it is about"),
    ("failure", &["clock"], "is a value that is stored: what, since when, until when"),
    ("token", &["clock", "expiry", "secret"], "is a value that is stored, with the windows that were fixed for it"),
    ("expiry", &["clock", "failure", "token"], "is pure policy: moments come in, decisions go out"),
    ("event", &["failure", "key"], "tells what happened to whoever listens"),
    ("measurements", &["budget", "failure"], "is numbers; what is counted is the manager's matter"),
    (
        "provider",
        &["budget", "credentials", "expiry", "fingerprint", "key", "secret"],
        "is what configuration says; it knows neither who asks nor who stores",
    ),
    (
        "source",
        &["clock", "credentials", "expiry", "fingerprint", "key", "provider", "secret"],
        "asks an issuer once; it never knows what is stored",
    ),
    ("seal", &["fingerprint", "key", "secret"], "makes texts unreadable; it never knows where they are kept"),
    (
        "store",
        &["budget", "clock", "credentials", "failure", "fingerprint", "key", "seal", "secret", "token"],
        "keeps records; it never knows where they come from",
    ),
    ("environment", &["error", "expiry"], "is variables, and what four of them say of all providers"),
    (
        "config",
        &["budget", "credentials", "environment", "error", "expiry", "key", "provider", "seal", "secret", "store"],
        "goes from a file to providers, a store's URL and its keys; it opens and asks nothing",
    ),
    ("status", &["clock", "expiry", "failure", "key", "token"], "is what an operator may know, made from facts"),
    ("diagnosis", &["error", "status"], "is a status with what somebody who looks for a fault asks beside it"),
    ("subscriber", &["clock", "token"], "hands on tokens"),
    (
        "manager",
        &[
            "budget",
            "clock",
            "config",
            "credentials",
            "diagnosis",
            "environment",
            "error",
            "event",
            "expiry",
            "failure",
            "fingerprint",
            "key",
            "measurements",
            "provider",
            "seal",
            "secret",
            "source",
            "status",
            "store",
            "subscriber",
            "token",
        ],
        "is the one place where sources and stores meet",
    ),
    ("lib", &["*"], "is the table of contents"),
];

/// What each crate may depend on beside what anybody may, and why no more.
const CRATES: [(&str, &[&str], &[&str], &str); 7] = [
    ("tokenkeep", &[], &["axum", "clap", "hyper", "anyhow"], "the library: no server, no command line"),
    ("tokenkeep-api", &[], &["axum", "clap", "hyper"], "wire types for anybody's client, and one such client"),
    (
        "tokenkeep-middleware",
        &["tokenkeep"],
        &["axum", "clap", "hyper", "hyper-util", "tokio", "tower"],
        "adds tokens to the requests of others; it opens no connection and spawns nothing",
    ),
    ("tokenkeep-sandbox", &[], &["clap", "reqwest"], "an issuer that shares no line, and so no mistake, with us"),
    (
        "tokenkeep-server",
        &["tokenkeep", "tokenkeep-api", "tokenkeep-middleware"],
        &["clap", "reqwest"],
        "serves; asks APIs by connections of its own",
    ),
    (
        "tokenkeep-test-servers",
        &[],
        &["axum", "clap", "hyper", "reqwest", "sqlx"],
        "servers of others, for tests alone",
    ),
    (
        "tokenkeep-cli",
        &["tokenkeep", "tokenkeep-api", "tokenkeep-sandbox", "tokenkeep-server"],
        &["axum"],
        "puts all together",
    ),
];

/// Words that read the ambient clock, and the modules that may.
const CLOCK_READINGS: [&str; 6] =
    ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "clock_gettime", ".elapsed()"];
const CLOCK_READERS: [&str; 1] = ["clock"];

#[test]
fn every_module_names_only_those_that_the_table_allows() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        let Some((_, allowed, reason)) = MODULES.iter().find(|(name, ..)| *name == module) else {
            wrong.push(format!("{}: module `{module}` is not in the table", file.display()));
            continue;
        };
        for (number, named) in named_modules(&file, &text) {
            if named != module && *allowed != ["*"] && !allowed.contains(&&*named) {
                wrong.push(format!("{}:{number}: `{module}` names `{named}`; `{module}` {reason}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_arrow_in_the_table_is_one_that_the_sources_have() {
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, module, text) in sources() {
        arrows.entry(module).or_default().extend(named_modules(&file, &text).into_iter().map(|(_, named)| named));
    }
    for (module, allowed, _) in MODULES.iter().filter(|(_, allowed, _)| *allowed != ["*"]) {
        for named in *allowed {
            assert!(
                arrows.get(*module).is_some_and(|arrows| arrows.contains(*named)),
                "`{module}` → `{named}` is unused"
            );
        }
    }
}

#[test]
fn sources_and_stores_meet_in_the_manager_only() {
    let names = |module: &str, other: &str| {
        let line = MODULES.iter().find(|(name, ..)| *name == module).unwrap();
        line.1.contains(&other)
    };
    assert!(!names("source", "store") && !names("store", "source"));
    let modules = || MODULES.iter().map(|(name, ..)| *name);
    assert_eq!(modules().filter(|module| names(module, "source")).collect::<Vec<_>>(), ["manager"]);
    assert_eq!(modules().filter(|module| names(module, "store")).collect::<Vec<_>>(), ["config", "manager"]);
    assert_eq!(modules().filter(|module| names(module, "manager")).count(), 0);
}

#[test]
fn only_the_clock_reads_the_clock() {
    let mut wrong = Vec::new();
    for (file, module, text) in sources() {
        for (number, line) in code_lines(&text).filter(|_| !CLOCK_READERS.contains(&&*module)) {
            if CLOCK_READINGS.iter().any(|reading| line.contains(reading)) {
                wrong.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_policy_is_pure() {
    let text = fs::read_to_string(source_folder().join("expiry.rs")).unwrap();
    let impure =
        ["async ", ".await", "Instant", "SystemTime", "fastrand", "Mutex", "Atomic", "&mut ", "std::fs", "dyn "];
    for (number, line) in code_lines(&text) {
        for word in impure {
            assert!(!line.contains(word), "expiry.rs:{number}: {word}: {}", line.trim());
        }
    }
}

#[test]
fn the_library_does_not_print_and_reads_the_environment_in_one_place() {
    let ambient = ["println!", "print!", "env::var", "env::home_dir", "std::io::stdout", "std::io::stderr"];
    for (file, module, text) in sources() {
        for (number, line) in code_lines(&text) {
            for word in ambient.into_iter().filter(|word| module != "environment" || *word != "env::var") {
                assert!(!line.contains(word), "{}:{number}: {}", file.display(), line.trim());
            }
        }
    }
}

#[test]
fn every_public_item_has_an_example_that_runs() {
    let mut without = Vec::new();
    for (file, _, text) in sources() {
        without
            .extend(items_without_example(&text).map(|(number, line)| format!("{}:{number}: {line}", file.display())));
    }
    assert!(without.is_empty(), "\n{}", without.join("\n"));
}

#[test]
fn dependencies_between_crates_point_down_only() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(workspace).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap();
        let line = CRATES.iter().find(|(known, ..)| *known == name);
        let (_, ours, without, reason) = line.unwrap_or_else(|| panic!("crate `{name}` is not in the table"));
        for dependency in dependencies(&manifest) {
            let is_ours = dependency.starts_with("tokenkeep");
            assert!(!is_ours || ours.contains(&&*dependency), "`{name}` depends on `{dependency}`: {reason}");
            assert!(!without.contains(&&*dependency), "`{name}` depends on `{dependency}`: {reason}");
        }
        seen.insert(name.to_owned());
    }
    assert_eq!(seen.len(), CRATES.len());
}

/// The functions, types and traits of the public API, and the functions of its traits, that are documented without a
/// code block that runs. What is `pub` is of the public API; what is not, the lint `unreachable_pub` finds.
fn items_without_example(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut is_in_trait, mut is_in_block, mut has_example) = (false, false, false);
    text.lines().enumerate().filter_map(move |(index, line)| {
        let code = line.trim_start();
        if let Some(doc) = code.strip_prefix("///") {
            if let Some(language) = doc.trim_start().strip_prefix("```") {
                is_in_block = !is_in_block;
                has_example |= is_in_block && language.is_empty();
            }
            return None;
        }
        if code.starts_with("#[") {
            return None;
        }
        let is_documented = std::mem::take(&mut has_example);
        is_in_trait = line.starts_with("pub trait ") || (is_in_trait && line != "}");
        let item = match code.strip_prefix("pub ") {
            Some(item) => item,
            None if is_in_trait && line.len() == code.len() + 4 => code,
            None => return None,
        };
        let item = item.trim_start_matches("const ").trim_start_matches("async ");
        let is_item = ["fn ", "struct ", "enum ", "trait "].iter().any(|word| item.starts_with(word));
        (is_item && !is_documented).then_some((index + 1, code))
    })
}

/// Dependencies for running, on any platform; those of tests may point anywhere.
fn dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets.into_iter().flat_map(toml::Table::values).filter_map(toml::Value::as_table).chain([manifest]);
    let tables = tables.flat_map(|table| [table.get("dependencies"), table.get("build-dependencies")]);
    tables.flatten().filter_map(toml::Value::as_table).flat_map(toml::Table::keys).cloned().collect()
}

/// Each source file with its module's name and its text up to its tests.
fn sources() -> Vec<(PathBuf, String, String)> {
    let root = source_folder();
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let short = path.strip_prefix(&root).unwrap().to_owned();
            let module = short.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            sources.push((short.clone(), module.to_owned(), text));
        }
    }
    assert!(sources.len() > 30, "{} files", sources.len());
    sources
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The lines that are no comment, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim().starts_with("//"))
}

/// The modules of this crate that a file names: after `crate::`, alone or in braces, and after as many `super::` as
/// lead to the crate's root.
fn named_modules(file: &Path, text: &str) -> Vec<(usize, String)> {
    let known = |name: &str| MODULES.iter().any(|(known, ..)| *known == name);
    let to_root = "super::".repeat(file.components().count());
    let mut named = Vec::new();
    for (number, line) in code_lines(text) {
        let from_root = line.split(&to_root).skip(1).map(|path| first_name(path.trim_start_matches("super::")));
        named.extend(from_root.filter(|name| known(name)).map(|name| (number, name)));
        for path in line.split("crate::").skip(1) {
            let listed = match path.strip_prefix('{') {
                Some(list) => list.split(',').map(first_name).collect(),
                None => vec![first_name(path)],
            };
            for name in listed {
                // What is re-exported at the root counts as what it is.
                let name = match &*name {
                    "Clock" | "Moment" => "clock".to_owned(),
                    "Code" | "Error" => "error".to_owned(),
                    "Event" => "event".to_owned(),
                    "Key" => "key".to_owned(),
                    "Secret" => "secret".to_owned(),
                    "Token" => "token".to_owned(),
                    "KeyState" | "Status" | "Warning" => "status".to_owned(),
                    "Subscriber" => "subscriber".to_owned(),
                    "TokenManager" | "TokenHandle" | "Demand" | "Answer" | "SourceSettings" => "manager".to_owned(),
                    "Accounts" => "provider".to_owned(),
                    _ => name,
                };
                assert!(known(&name), "line {number}: `{name}` is not in the table: {line}");
                named.push((number, name));
            }
        }
    }
    named
}

/// The name that a path begins with.
fn first_name(path: &str) -> String {
    path.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

#[test]
fn every_law_that_the_architecture_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("../../ARCHITECTURE.md")).unwrap();
    let named: Vec<_> = text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::")).collect();
    let mut found = 0;
    for (module, law) in named {
        let Ok(laws) = fs::read_to_string(root.join(format!("tests/laws/{module}.rs"))) else { continue };
        assert!(
            laws.contains(&format!("fn {law}(")),
            "ARCHITECTURE.md names the law {module}::{law}, which is not there"
        );
        found += 1;
    }
    assert!(found >= 24, "only {found} laws are named");
}
