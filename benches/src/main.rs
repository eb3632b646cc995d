//! Measures tokenkeep beside what limits it and beside published token caches: in one run, on one machine, in turn.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml -- [--quick] [--markdown] [ROW…]
//! ```
//!
//! What counts are the ratios: times from two machines, or from two loads of one, do not compare. So a row takes its
//! limit, ours and the peers in turn, some rounds each, and shows medians with their ranges; its ratio is the median of
//! those of each round. Work in the range of nanoseconds is measured in processor time, which other processes do not
//! add to. Nothing here fails because something is slow.

mod child;
mod crowd;
mod fixture;
mod machine;
mod measure;
mod peers;
mod rows;
mod table;

use anyhow::{Result, ensure};

use self::rows::{Effort, ROWS};
use self::table::{Style, render};

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    if let Some(name) = &options.child {
        for number in rows::measure_in_child(name, &options.effort)? {
            println!("{number}");
        }
        return Ok(());
    }
    let quick = if options.effort.million < Effort::FULL.million { "; --quick: these numbers say little" } else { "" };
    println!("{}{quick}\n", machine::describe());
    let mut lines = Vec::new();
    let mut failures = 0;
    for row in ROWS {
        if options.rows.is_empty() || options.rows.iter().any(|name| name == row.name) {
            eprintln!("measuring {} …", row.name);
            match (row.measure)(&options.effort) {
                Ok(measured) => lines.extend(measured),
                Err(error) => {
                    eprintln!("{}: {error:#}", row.name);
                    failures += 1;
                }
            }
        }
    }
    print!("{}", render(&lines, options.style));
    ensure!(failures == 0, "{failures} rows could not be measured");
    Ok(())
}

struct Options {
    effort: Effort,
    style: Style,
    child: Option<String>,
    rows: Vec<String>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { effort: Effort::FULL, style: Style::Text, child: None, rows: Vec::new() };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => options.effort = Effort::QUICK,
                "--markdown" => options.style = Style::Markdown,
                child::FLAG => options.child = args.next(),
                row => {
                    let names = ROWS.map(|row| row.name);
                    ensure!(names.contains(&row), "there is no row {row:?}; rows are {}", names.join(", "));
                    options.rows.push(arg);
                }
            }
        }
        Ok(options)
    }
}

impl Effort {
    const FULL: Self = Self { rounds: 15, million: 1_000_000, operations: 1_000_000 };
    /// To see that everything runs.
    const QUICK: Self = Self { rounds: 3, million: 20_000, operations: 20_000 };
}
