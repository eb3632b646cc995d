//! The table of results, for a terminal and as Markdown.

use std::fmt::Write as _;

use crate::measure::Samples;

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) work: String,
    pub(crate) limit: String,
    pub(crate) ours: String,
    pub(crate) ratio: Option<f64>,
    pub(crate) aim: String,
    /// `None`: nothing is aimed at, the line is there to explain another.
    pub(crate) met: Option<bool>,
}

impl Line {
    /// Ours in nanoseconds beside a limit, aiming at a ratio.
    pub(crate) fn of_ratio(work: &str, limit_name: &str, limit: &Samples, ours: &Samples, aim: f64) -> Self {
        let ratio = ours.over(limit).median();
        Self {
            work: work.into(),
            limit: format!("{limit_name}: {}", nanos(limit)),
            ours: nanos(ours),
            ratio: Some(ratio),
            aim: format!("≤ {aim:.1}x"),
            // As it is shown.
            met: Some((ratio * 100.0).round() <= aim * 100.0),
        }
    }

    /// The same line with nothing aimed at.
    pub(crate) fn without_aim(mut self) -> Self {
        self.aim = String::new();
        self.met = None;
        self
    }

    fn cells(&self) -> [String; COLUMNS] {
        [
            self.work.clone(),
            self.limit.clone(),
            self.ours.clone(),
            self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x")),
            self.aim.clone(),
            self.met.map_or("", |met| if met { "yes" } else { "NO" }).into(),
        ]
    }
}

/// Median and range in nanoseconds.
pub(crate) fn nanos(samples: &Samples) -> String {
    format!("{:.1} ns ({:.1}–{:.1})", samples.median(), samples.min(), samples.max())
}

/// Median and range in milliseconds.
pub(crate) fn millis(samples: &Samples) -> String {
    format!("{:.1} ms ({:.1}–{:.1})", samples.median(), samples.min(), samples.max())
}

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    Markdown,
}

pub(crate) fn render(lines: &[Line], style: Style) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(lines.iter().map(Line::cells));
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let rule = widths.map(|width| "-".repeat(width));
    rows.insert(1, rule);
    let (left, between, right) = match style {
        Style::Text => ("", "  ", ""),
        Style::Markdown => ("| ", " | ", " |"),
    };
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let line = format!("{left}{}{right}", cells.join(between));
        // Writing to a string does not fail.
        writeln!(text, "{}", line.trim_end()).ok();
    }
    text
}

const COLUMNS: usize = 6;
const HEAD: [&str; COLUMNS] = ["work", "limit", "ours", "ratio", "aim", "met"];
