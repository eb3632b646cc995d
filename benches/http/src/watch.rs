//! What idle watchers cost.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::start::{ADDRESS, is_ready, memory, start};

/// Opens so many connections that watch one fixed token, and prints the memory that each takes of the server, and the
/// server's processor time while nothing happens but heartbeats. Both ends want as many descriptors: `ulimit -n`.
pub(crate) fn measure(binary: &str, watchers: u32, seconds: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let config = format!(
        "store = \"memory:\"\n[server]\nlisten = [\"{ADDRESS}\"]\nmax_connections = {}\n\
         [providers.fixed]\ngrant = \"static\"\ntoken = \"{}\"\n",
        watchers + 100,
        "t".repeat(1200)
    );
    std::fs::write(folder.path().join("tokenkeep.toml"), config)?;
    let mut serve = start(binary, folder.path())?;
    while !is_ready() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = memory(&serve)?;
    let watching = (0..watchers).map(|_| watch()).collect::<anyhow::Result<Vec<_>>>()?;
    let (after, began) = (memory(&serve)?, processor_time(&serve)?);
    std::thread::sleep(Duration::from_secs(seconds));
    let took = processor_time(&serve)? - began;
    let each = (after - before) * 1024.0 / f64::from(watchers);
    println!("{watchers} watchers: {each:.1} KiB each; {took:.2} s of processor time in {seconds} s");
    kill_process(Pid::from_child(&serve), Signal::TERM)?;
    serve.wait()?;
    drop(watching);
    Ok(())
}

/// A connection that has had its first event.
fn watch() -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(ADDRESS)?;
    write!(stream, "GET /tokens/fixed/watch HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut had = Vec::new();
    while !had.windows(TOKEN.len()).any(|text| text == TOKEN) {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece)?;
        ensure!(length > 0, "a watcher was not served: {}", String::from_utf8_lossy(&had));
        had.extend_from_slice(&piece[..length]);
    }
    Ok(stream)
}

/// In seconds, user and system.
fn processor_time(process: &Child) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id()))?;
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|field| field.parse::<u32>().ok());
    let (user, system) = (ticks(11).context("no user time")?, ticks(12).context("no system time")?);
    Ok(f64::from(user + system) / TICKS_PER_SECOND)
}

const TOKEN: &[u8] = b"event: token";
/// On Linux.
const TICKS_PER_SECOND: f64 = 100.0;
