//! SIGINT, SIGTERM, SIGHUP and SIGQUIT: the first asks to finish what is under way, the second ends at once.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use std::{fs, io, process, thread};

use tokio::runtime::Builder;
use tokio::signal::unix::{self, SignalKind};

use crate::exit::Failure;

/// Which signal asked this process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT, e.g. Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
    /// SIGQUIT, e.g. Ctrl-\\.
    Quit,
}

impl Signal {
    /// The exit code that shells give a process that such a signal ended.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::HangUp => 129,
            Self::Quit => 131,
        }
    }
}

/// The signals that arrive from now on, instead of ending the process. One that was ignored when this process started
/// stays so, as after `nohup`, also for a program that it becomes.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Option<unix::Signal>,
    terminate: Option<unix::Signal>,
    hang_up: Option<unix::Signal>,
    quit: Option<unix::Signal>,
}

impl Signals {
    /// Starts to listen.
    pub(crate) fn install() -> Result<Self, Failure> {
        let ignored = ignored();
        let listen = |kind: SignalKind| {
            if ignored & (1 << (kind.as_raw_value() - 1)) != 0 {
                return Ok(None);
            }
            unix::signal(kind).map(Some).map_err(|error| Failure::internal("cannot listen to signals", &error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    /// Takes SIGHUP out of the signals that ask this process to end: it is to mean something else.
    pub(crate) fn take_hang_ups(&mut self) -> HangUps {
        HangUps(self.hang_up.take())
    }

    /// The next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            () = arrival(&mut self.interrupt) => Signal::Interrupt,
            () = arrival(&mut self.terminate) => Signal::Terminate,
            () = arrival(&mut self.hang_up) => Signal::HangUp,
            () = arrival(&mut self.quit) => Signal::Quit,
        }
    }

    /// Waits for work, or for a signal.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Signal> {
        tokio::select! {
            done = work => Ok(done),
            signal = self.next() => Err(signal),
        }
    }

    /// Waits for the last work, and says so if it takes a while. A signal meanwhile ends the waiting.
    pub(crate) async fn finish<T>(
        &mut self,
        work: impl Future<Output = T>,
        talk: impl FnOnce(&str),
    ) -> Result<T, Signal> {
        let mut work = pin!(work);
        tokio::select! {
            done = &mut work => return Ok(done),
            signal = self.next() => return Err(signal),
            () = tokio::time::sleep(SILENT) => talk("finishing what is under way; Ctrl-C ends it at once"),
        }
        self.or(work).await
    }
}

/// Does this at the first signal but SIGHUP, and ends the process a while after the second if it is still there then: on a
/// thread of its own, which holds up nothing and which nothing holds up.
pub(crate) fn watch(at_first: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::internal("cannot listen to signals", &error);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let watching = move || {
        runtime.block_on(async {
            // Those who started this have signals of their own, and say what is wrong with them.
            let Ok(mut signals) = Signals::install() else { return };
            drop(signals.take_hang_ups());
            signals.next().await;
            at_first();
            let second = signals.next().await;
            tokio::time::sleep(GRACE).await;
            process::exit(second.exit_code().into());
        });
    };
    thread::Builder::new().name("signals".into()).spawn(watching).map_err(failed)?;
    Ok(())
}

/// SIGHUP, as daemons take it.
#[derive(Debug)]
pub(crate) struct HangUps(Option<unix::Signal>);

impl HangUps {
    /// The next one. Cancel safe.
    pub(crate) async fn next(&mut self) {
        arrival(&mut self.0).await;
    }
}

async fn arrival(signal: &mut Option<unix::Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// The signals that this process ignores, a bit for each; none where the kernel does not tell.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// For so long nobody wonders what it is doing.
const SILENT: Duration = Duration::from_millis(500);
/// More than the end of a program takes of which nothing hangs; the log waits for its reader meanwhile.
const GRACE: Duration = Duration::from_secs(5);
