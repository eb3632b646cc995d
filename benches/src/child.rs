//! Runs a measurement in a process of its own: memory that one left behind would hide what the next takes.
//!
//! This program starts itself with a hidden argument; the child prints its numbers, one a line.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::rows::Effort;

/// The numbers that a child measures.
pub(crate) fn run(name: &str, effort: &Effort) -> Result<Vec<f64>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(FLAG).arg(name).stderr(Stdio::inherit());
    if effort.million < Effort::FULL.million {
        command.arg("--quick");
    }
    let output = command.output()?;
    ensure!(output.status.success(), "the child for {name} ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| line.parse().with_context(|| format!("{name}: {line:?} is no number"))).collect()
}

pub(crate) const FLAG: &str = "--child";
