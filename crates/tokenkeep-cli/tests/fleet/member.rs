//! One broker of a fleet, as its callers and its operator see it.

use std::process::Stdio;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokenkeep_test_servers::Relay;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fleet::in_time;

/// A running `tokenkeep serve`. It is killed when it is dropped.
pub(crate) struct Member {
    child: Child,
    pub(crate) url: String,
    /// Its way to the store.
    pub(crate) link: Arc<Relay>,
    log: watch::Receiver<Vec<String>>,
    _reading: JoinSet<()>,
}

impl Member {
    /// Starts one and waits until it listens.
    pub(crate) async fn start(mut command: Command, link: Arc<Relay>) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, mut log) = watch::channel(Vec::new());
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log| log.push(line));
            }
        });
        let url_in = |log: &Vec<String>| {
            let address = log.iter().find_map(|line| line.strip_prefix("listening on "))?;
            address.split(',').next().map(str::to_owned)
        };
        let listens = in_time("a member does not listen", log.wait_for(|log| url_in(log).is_some())).await;
        let url = listens.ok().and_then(|log| url_in(&log));
        let url = url.unwrap_or_else(|| panic!("a member has ended: {:#?}", *log.borrow()));
        Self { child, url, link, log, _reading: reading }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
        // On a busy machine it is a while until all threads stand still.
        while signal == Signal::STOP && !stands_still(pid) {
            std::thread::yield_now();
        }
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Has it end when it is done.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let ended = in_time("a member does not end", self.child.wait()).await.unwrap();
        assert!(ended.success(), "{ended}: {:#?}", *self.log.borrow());
    }

    /// The last lines that it has logged.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let log = self.log.borrow();
        log[log.len().saturating_sub(20)..].to_vec()
    }
}

fn stands_still(pid: i32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread that is gone meanwhile stands still, too. Its state comes after its name, which is in brackets.
    let state = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("stat")).ok();
    threads.filter_map(|thread| state(thread.unwrap())).all(|stat| stat.rsplit_once(") ").unwrap().1.starts_with('T'))
}

/// What a member answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The token that was handed out.
    #[track_caller]
    pub(crate) fn token(&self) -> &str {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body["access_token"].as_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn generation(&self) -> u64 {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body["generation"].as_u64().unwrap()
    }

    /// The codes of what is not as it should be.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        let warnings = self.body["warnings"].as_array();
        warnings.into_iter().flatten().filter_map(|warning| warning["code"].as_str()).collect()
    }
}
