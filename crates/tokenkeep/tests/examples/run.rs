//! Runs an example as its reader would, and reads what it prints.

use std::fs;
use std::path::Path;
use std::process::Command;

/// An example and what is known of it.
pub(crate) struct Example {
    pub(crate) name: &'static str,
    /// Lines that it prints, in this order; ports, which the system chooses, are `PORT`.
    pub(crate) prints: &'static [&'static str],
    /// What it tells the sandbox and must tell nobody else.
    pub(crate) secrets: &'static [&'static str],
}

impl Example {
    /// Runs it: it succeeds, prints what it should and shows no secret. `folder` holds the examples' sources.
    pub(crate) fn check(&self, folder: &Path) {
        let source = self.source(folder);
        for secret in self.secrets {
            assert!(source.contains(secret), "{}: {secret} is no secret of it any more", self.name);
        }
        // Beside the folder in which this test lies; cargo builds both.
        let test = std::env::current_exe().unwrap();
        let program = test.parent().unwrap().with_file_name("examples").join(self.name);
        assert!(program.exists(), "{} is not there: run `cargo build --examples`", program.display());
        let ran = Command::new(program).env_clear().output().unwrap();
        let (printed, complained) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
        assert!(ran.status.success(), "{} ended with {}:\n{printed}{complained}", self.name, ran.status);
        assert_eq!(complained, "", "{} complained", self.name);
        let lines: Vec<_> = printed.lines().map(without_port).collect();
        assert_eq!(lines, self.prints, "{}", self.name);
        for secret in self.secrets.iter().chain(TOKENS) {
            assert!(!printed.contains(secret), "{} shows a secret", self.name);
        }
    }

    fn source(&self, folder: &Path) -> String {
        let file = folder.join(format!("{}.rs", self.name));
        let file = if file.exists() { file } else { folder.join(self.name).join("main.rs") };
        fs::read_to_string(file).unwrap()
    }
}

/// Every example is in the list, and nothing else.
pub(crate) fn check_list(examples: &[Example], folder: &Path) {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    files.sort_unstable();
    let mut listed: Vec<_> = examples.iter().map(|example| example.name).collect();
    listed.sort_unstable();
    assert_eq!(files, listed, "the files in {} and those that a test runs", folder.display());
}

fn without_port(line: &str) -> String {
    match line.split_once("127.0.0.1:") {
        Some((before, after)) => {
            format!("{before}127.0.0.1:PORT{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => line.to_owned(),
    }
}

/// How the sandbox's access and refresh tokens begin.
const TOKENS: &[&str] = &["sbx_", "sbr_"];
