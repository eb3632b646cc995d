//! `docs/cli.md` says what is there, and nothing else; other pages name nothing that is not there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokenkeep::{Code, Warning};

use crate::world::World;

const PAGE: &str = include_str!("../../../../docs/cli.md");
const FLEET: &str = include_str!("../../../../docs/fleet.md");
const IMPORT: &str = include_str!("../../../../docs/import.md");

#[test]
fn each_warning_has_a_line_and_each_line_a_warning() {
    let documented: BTreeSet<_> = rows("### Warnings").into_iter().collect();
    let known: BTreeSet<_> = Warning::CODES.iter().map(|code| format!("`{code}`")).collect();
    assert_eq!(documented, known);
}

#[test]
fn each_exit_code_of_a_failure_has_a_line() {
    let documented = rows("## Exit codes");
    for (_, name, _, exit) in Code::TABLE {
        assert!(documented.contains(&exit.to_string()), "{name}");
    }
}

#[tokio::test]
async fn each_command_has_a_line_and_each_line_a_command() {
    let world = World::without_config().await;
    let listed = |help: &str| -> Vec<String> {
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        commands.map_while(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
    };
    let mut known = BTreeSet::new();
    for command in listed(world.run(&["--help"]).await.data()) {
        let below = listed(world.run(&[&command, "--help"]).await.data());
        let names = below.iter().map(|name| format!("{command} {name}"));
        known.extend(if below.is_empty() { vec![command.clone()] } else { names.collect() });
    }
    let name = |row: String| -> String {
        let words = row.trim_matches('`').split(' ').skip(1).map(ToOwned::to_owned);
        words.take_while(|word| word.chars().all(char::is_lowercase)).collect::<Vec<_>>().join(" ")
    };
    let documented: BTreeSet<_> = rows("# The command line").into_iter().map(name).collect();
    assert_eq!(documented, known);
}

#[tokio::test]
async fn each_member_of_what_is_printed_is_documented() {
    let world = World::start().await;
    let get = world.run(&["get", "graph", "--json"]).await.json();
    assert_eq!(get["access_token"], world.run(&["get", "graph"]).await.data());
    world.run(&["get", "graph", "--json", "--format", "header"]).await.failure(2);
    let status = world.run(&["status", "graph", "--json"]).await.json();
    let tried = world.run(&["credentials", "test", "graph", "--json"]).await.json();
    let reseal = world.run(&["store", "reseal", "--json"]).await;
    let reseal: Value = serde_json::from_str(&reseal.stdout).unwrap();
    let counts = world.run(&["stats", "--json"]).await.json();
    let doctor = world.run(&["doctor", "graph", "--json"]).await.json();
    let graph = doctor["tokens"][0].clone();
    let parts = ["get", "clock"].map(|part| ("### doctor", graph[part].clone()));
    let cases = [
        ("### get", get),
        ("### status", status),
        ("### doctor", graph["ways"].clone()),
        ("### doctor", graph["ways"]["raw"].clone()),
        ("### doctor", doctor),
        ("### doctor", graph),
        ("### credentials", tried),
        ("### store", reseal),
        ("### stats", counts),
    ];
    for (heading, json) in cases.into_iter().chain(parts) {
        let section = section(heading);
        for member in json.as_object().unwrap().keys() {
            let is_there = [format!("`{member}`"), format!("\"{member}\"")].iter().any(|name| section.contains(name));
            assert!(is_there, "{member} in {heading}");
        }
    }
}

#[test]
fn each_law_that_a_page_names_is_there() {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let named = FLEET.split('`').filter_map(|text| text.split_once("::"));
    let named: Vec<_> = named.filter(|(file, law)| is_name(file) && is_name(law)).collect();
    assert!(named.len() > 20, "{named:?}");
    for (file, law) in named {
        let is_there = |(path, text): &(PathBuf, String)| {
            path.file_stem().unwrap() == file && text.contains(&format!("fn {law}()"))
        };
        assert!(files.iter().any(is_there), "{file}::{law}");
    }
}

#[tokio::test]
async fn each_member_of_an_import_is_documented() {
    let world = World::start().await;
    std::fs::write(world.path("graph_token.json"), "{").unwrap();
    let imported = world.run(&["import", "verteil", "graph_token.json", "--json"]).await;
    let imported: Value = serde_json::from_str(&imported.stdout).unwrap();
    let members = imported.as_object().unwrap().keys().chain(imported["tokens"][0].as_object().unwrap().keys());
    for member in members {
        assert!(IMPORT.contains(&format!("`{member}`")), "{member}");
    }
}

/// The tests below a folder.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => vec![(path.clone(), std::fs::read_to_string(path).unwrap())],
        _ => Vec::new(),
    });
    below.collect()
}

/// The first cells of the table under a heading.
fn rows(heading: &str) -> Vec<String> {
    let rows = section(heading).lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
}

/// What stands under a heading, up to the next one.
fn section(heading: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n{heading}")).or_else(|| PAGE.split_once(heading)).unwrap();
    rest.split("\n#").next().unwrap()
}
