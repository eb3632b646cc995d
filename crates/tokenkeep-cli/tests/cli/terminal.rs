//! What a person at a terminal sees.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::credentials::world;
use crate::world::{World, ended};

#[tokio::test]
async fn a_signal_at_the_password_prompt_leaves_a_terminal_that_shows_what_is_typed() {
    let world = world().await;
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let terminal = Terminal::open();
        let mut child = terminal.start(world.command(&["credentials", "set", "tenants:7", "--username", "backend"]));
        terminal.prompted(&mut child, "password: ").await;
        assert!(!terminal.echoes(), "the password would be shown");
        kill_process(Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap(), signal).unwrap();
        let status = timeout(LONG, child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(code));
        assert!(terminal.echoes(), "after {signal:?}");
    }
}

#[tokio::test]
async fn nobody_types_a_password_for_an_account_that_cannot_be() {
    let world = world().await;
    for (key, code, expected) in [("nosuch:5", 4, "there is no such provider"), ("graph", 2, "are configured")] {
        let terminal = Terminal::open();
        let child = terminal.start(world.command(&["credentials", "set", key]));
        let ended = timeout(LONG, child.wait_with_output()).await.unwrap().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{said}");
        assert!(said.contains(expected) && !said.contains("username:"), "{said}");
    }
}

#[tokio::test]
async fn the_words_of_a_status_are_whole_on_eighty_columns() {
    let world = World::start().await;
    let mut get = world.command(&["get", "calendar"]);
    get.env("SEED", "revoked");
    ended(get).await.failure(5);
    let terminal = Terminal::open();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal.line, size).unwrap();
    let mut status = world.command(&["status"]);
    status.env("SEED", "revoked").env("NO_COLOR", "1").stdout(Stdio::from(terminal.line.try_clone().unwrap()));
    let ended = ended(status).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let screen = terminal.screen();
    for word in ["calendar", "login_required", "STATE", "EXPIRES", "GENERATION", "FAILURES"] {
        assert!(screen.split_whitespace().any(|other| other == word), "{word}:\n{screen}");
    }
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
}

/// A terminal at which nobody sits.
struct Terminal {
    /// What a person has before them; the terminal ends with it.
    screen: OwnedFd,
    line: File,
}

impl Terminal {
    fn open() -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let line = File::options().read(true).write(true).open(OsStr::from_bytes(name.as_bytes())).unwrap();
        Self { screen, line }
    }

    /// Starts a program with its stdin here.
    fn start(&self, mut command: Command) -> Child {
        command.stdin(Stdio::from(self.line.try_clone().unwrap())).spawn().unwrap()
    }

    /// Waits for the last that a program asks on stderr.
    async fn prompted(&self, child: &mut Child, prompt: &str) {
        let stderr = child.stderr.as_mut().unwrap();
        let mut said = Vec::new();
        while !said.ends_with(prompt.as_bytes()) {
            let read = timeout(LONG, stderr.read_buf(&mut said)).await.unwrap().unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&said));
        }
    }

    /// All that was written on it, once nobody else has it.
    fn screen(self) -> String {
        drop(self.line);
        let mut written = Vec::new();
        // The end of a terminal is an error.
        File::from(self.screen).read_to_end(&mut written).ok();
        String::from_utf8(written).unwrap()
    }

    /// Whether it shows what is typed.
    fn echoes(&self) -> bool {
        tcgetattr(&self.line).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

const LONG: Duration = Duration::from_mins(1);
