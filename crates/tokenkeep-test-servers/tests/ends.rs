//! A server ends with the process that has started it, however that ends.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokenkeep_test_servers::Postgres;

#[test]
#[ignore = "needs postgres: run ./test"]
fn a_server_and_its_folder_end_with_the_process() {
    for end in ["killed", "out", "panicked"] {
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.args(["--exact", "start_a_server", "--ignored", "--nocapture"]).env(END, end);
        let ended = process.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
        let printed = String::from_utf8(ended.stdout).unwrap();
        let folder = printed.lines().find_map(|line| line.strip_prefix(FOLDER)).unwrap_or_else(|| panic!("{printed}"));
        let (folder, mut looks) = (PathBuf::from(folder), 0);
        while folder.exists() {
            looks += 1;
            assert!(looks < 600, "{end}: {} is still there", folder.display());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
#[ignore = "needs postgres: run ./test"]
fn what_was_committed_is_there_after_the_next_start() {
    let postgres = Postgres::start(&[]);
    let database = postgres.database();
    postgres.sql(&database, "CREATE TABLE kept AS SELECT 7 AS number");
    postgres.start_again();
    assert_eq!(postgres.sql(&database, "SELECT number FROM kept"), "7");
    let standby = postgres.standby();
    assert_eq!(standby.sql(&database, "SELECT pg_is_in_recovery(), number FROM kept"), "t|7");
    let folder = postgres.folder().to_owned();
    drop(postgres);
    assert!(!folder.exists());
}

/// Another process, as the first test starts it.
#[test]
#[ignore = "run in processes of its own by another test"]
fn start_a_server() {
    #[expect(clippy::disallowed_methods, reason = "how the other process is told")]
    let Ok(end) = std::env::var(END) else { return };
    let postgres = Postgres::shared();
    println!("\n{FOLDER}{}", postgres.folder().display());
    match &*end {
        "killed" => std::process::abort(),
        "panicked" => panic!("as the test wants"),
        _ => {}
    }
}

const END: &str = "TOKENKEEP_TEST_END";
const FOLDER: &str = "folder: ";
