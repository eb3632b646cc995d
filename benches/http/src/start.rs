//! From the start of the process until it is ready, with many keys in its store.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokenkeep::{Credentials, Secret, TokenManager};
use tokenkeep_sandbox::Sandbox;
use tokio::task::JoinSet;

/// Fills a store and prints the median time until `/readyz` answers 200, and the memory after that and after a list of
/// all keys was gone through once.
pub(crate) async fn measure(binary: &str, keys: usize, rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let sandbox = Sandbox::builder().user("ann", "ann-secret").start().await?;
    let config = config(&sandbox);
    std::fs::write(folder.path().join("tokenkeep.toml"), &config)?;
    let filled = Instant::now();
    fill(folder.path(), keys).await?;
    eprintln!("{keys} accounts with their tokens are stored, after {:.0} s", filled.elapsed().as_secs_f64());
    let (mut times, mut ready, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        let mut serve = start(binary, folder.path())?;
        while !is_ready() {
            if started.elapsed() > Duration::from_secs(30) {
                bail!("it is not ready after 30 s");
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        ready.push(memory(&serve)?);
        ask("/tokens/stats")?;
        listed.push(memory(&serve)?);
        kill_process(Pid::from_child(&serve), Signal::TERM)?;
        serve.wait()?;
    }
    let (time, ready, listed) = (median(times), median(ready), median(listed));
    println!(
        "{keys} stored keys: ready after {time:.1} ms with {ready:.1} MiB; {listed:.1} MiB after all were counted"
    );
    Ok(())
}

fn config(sandbox: &Sandbox) -> String {
    format!(
        "store = \"sqlite:tokens.db\"\n\
         [server]\n\
         listen = [\"{ADDRESS}\"]\n\
         [providers.vendor]\n\
         grant = \"login\"\n\
         accounts = \"stored\"\n\
         lifetime = \"12h\"\n\
         [providers.vendor.login]\n\
         post = \"{}\"\n\
         json = {{ username = \"{{username}}\", password = \"{{password}}\" }}\n\
         token = \"/Authorization\"\n",
        sandbox.login_url()
    )
}

async fn fill(folder: &Path, keys: usize) -> anyhow::Result<()> {
    let manager = TokenManager::builder().config_file(folder.join("tokenkeep.toml")).build().await?;
    let mut tasks = JoinSet::new();
    for worker in 0..WORKERS {
        let manager = manager.clone();
        tasks.spawn(async move {
            for account in (worker..keys).step_by(WORKERS) {
                let key = format!("vendor:{account}");
                let credentials = Credentials::with_password("ann", Secret::new("ann-secret"))?;
                manager.set_credentials(&key, credentials).await?;
                manager.token(&key).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    manager.close().await?;
    Ok(())
}

pub(crate) fn start(binary: &str, folder: &Path) -> anyhow::Result<Child> {
    let mut command = Command::new(std::path::absolute(binary)?);
    command.arg("serve").current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("cannot start {binary}"))
}

pub(crate) fn is_ready() -> bool {
    ask("/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

fn ask(path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(ADDRESS)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Resident, in MiB.
pub(crate) fn memory(process: &Child) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes / 1024.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) const ADDRESS: &str = "127.0.0.1:18650";
const WORKERS: usize = 32;
