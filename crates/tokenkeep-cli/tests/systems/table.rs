//! docs/systems.md names the laws of each line, and each line has one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The lines of each system.
const SYSTEMS: [(char, u32); 5] = [('V', 6), ('P', 7), ('W', 8), ('B', 9), ('R', 8)];

#[test]
fn each_line_of_the_five_systems_has_a_law_and_the_page_names_them_all() {
    let laws = laws();
    let lines: BTreeSet<String> =
        SYSTEMS.iter().flat_map(|(system, last)| (1..=*last).map(move |line| format!("{system}{line}"))).collect();
    assert_eq!(laws.keys().cloned().collect::<BTreeSet<_>>(), lines, "lines that have a law here, and all lines");
    for law in laws.values().flatten() {
        let path: Vec<&str> = law.split("::").collect();
        let (modules, _) = path.split_at(path.len() - 1);
        for (depth, module) in modules.iter().enumerate() {
            let file = if depth == 0 { "main.rs".to_owned() } else { format!("{}.rs", modules[..depth].join("/")) };
            let code = fs::read_to_string(systems().join(&file)).unwrap();
            assert!(code.contains(&format!("\nmod {module};\n")), "{file} does not have {law} run");
        }
    }

    let page = fs::read_to_string(repository().join("docs/systems.md")).unwrap();
    let rows: BTreeMap<String, &str> = page
        .lines()
        .filter_map(|row| Some((row.strip_prefix("| ")?.split(' ').next()?.to_owned(), row)))
        .filter(|(line, _)| lines.contains(line))
        .collect();
    for line in &lines {
        let row = rows.get(line).unwrap_or_else(|| panic!("docs/systems.md has no row of {line}"));
        let named: BTreeSet<&str> = row.split('`').filter(|word| word.contains("::")).collect();
        let there: BTreeSet<&str> = laws[line].iter().map(String::as_str).collect();
        assert_eq!(named, there, "docs/systems.md, {line}: laws that it names, and laws whose comment begins with it");
    }
}

/// The laws of each line: a law's comment begins with the lines that it shows, as in `V1, P6: …`.
fn laws() -> BTreeMap<String, BTreeSet<String>> {
    let mut laws = BTreeMap::new();
    read_laws(&systems(), "", &mut laws);
    laws
}

fn read_laws(folder: &Path, within: &str, laws: &mut BTreeMap<String, BTreeSet<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let module = format!("{within}{}", path.file_stem().unwrap().to_str().unwrap());
        if path.is_dir() {
            read_laws(&path, &format!("{module}::"), laws);
            continue;
        }
        let mut shown = Vec::new();
        for code in fs::read_to_string(&path).unwrap().lines() {
            if let Some((lines, _)) = code.strip_prefix("/// ").and_then(|comment| comment.split_once(':'))
                && lines.split(", ").all(is_line)
            {
                shown.extend(lines.split(", ").map(str::to_owned));
            } else if let Some((_, name)) =
                code.split_once("fn ").filter(|(before, _)| matches!(*before, "" | "async "))
            {
                let name = name.split('(').next().unwrap();
                for line in shown.drain(..) {
                    laws.entry(line).or_default().insert(format!("{module}::{name}"));
                }
            }
        }
    }
}

fn is_line(text: &str) -> bool {
    let mut text = text.chars();
    let system = text.next().is_some_and(|first| SYSTEMS.iter().any(|(system, _)| *system == first));
    system && text.as_str().parse::<u32>().is_ok()
}

fn systems() -> PathBuf {
    repository().join("crates/tokenkeep-cli/tests/systems")
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
