//! The tables of results, for a terminal and as Markdown: ours beside the limit, and beside the peers.

use std::fmt::Write as _;

use crate::measure::Samples;
use crate::peers::PEERS;

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
    pub(crate) beside: Option<Beside>,
}

/// The same work, ours and that of the peers that can do it, by their names.
#[derive(Debug)]
pub(crate) struct Beside {
    ours: String,
    peers: Vec<(&'static str, String)>,
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
            beside: None,
        }
    }

    /// The same line, in the table of peers too.
    pub(crate) fn beside(mut self, ours: String, peers: Vec<(&'static str, String)>) -> Self {
        self.beside = Some(Beside { ours, peers });
        self
    }

    /// The same line with nothing aimed at.
    pub(crate) fn without_aim(mut self) -> Self {
        self.aim = String::new();
        self.met = None;
        self
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.work.clone(),
            self.limit.clone(),
            self.ours.clone(),
            self.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x")),
            self.aim.clone(),
            self.met.map_or("", |met| if met { "yes" } else { "NO" }).into(),
        ]
    }

    fn cells_beside(&self) -> Option<Vec<String>> {
        let beside = self.beside.as_ref()?;
        let mut cells = vec![self.work.trim_start().into(), beside.ours.clone()];
        for kind in &PEERS {
            let figure = beside.peers.iter().find(|(name, _)| *name == kind.name);
            cells.push(figure.map_or("–", |(_, figure)| figure).into());
        }
        Some(cells)
    }
}

/// A peer's nanoseconds, and as a ratio to the limit.
pub(crate) fn nanos_beside(limit: &Samples, peer: &Samples) -> String {
    format!("{:.0} ns, {:.1}x", peer.median(), peer.over(limit).median())
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

/// The table of ours beside the limit; below, if there is a line of both, the table of ours beside the peers.
pub(crate) fn render(lines: &[Line], style: Style) -> String {
    let mut text = table(HEAD.map(str::to_owned).into(), lines.iter().map(Line::cells).collect(), style);
    let beside: Vec<_> = lines.iter().filter_map(Line::cells_beside).collect();
    if !beside.is_empty() {
        let mut head = vec!["work".into(), "tokenkeep".into()];
        head.extend(PEERS.iter().map(|kind| format!("{} {}", kind.name, kind.version())));
        text.push('\n');
        text.push_str(&table(head, beside, style));
    }
    text
}

fn table(head: Vec<String>, body: Vec<Vec<String>>, style: Style) -> String {
    let mut widths = vec![0; head.len()];
    for row in body.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let rule = widths.iter().map(|width| "-".repeat(*width)).collect();
    let (left, between, right) = match style {
        Style::Text => ("", "  ", ""),
        Style::Markdown => ("| ", " | ", " |"),
    };
    let mut text = String::new();
    for row in [head, rule].into_iter().chain(body) {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        let line = format!("{left}{}{right}", cells.join(between));
        // Writing to a string does not fail.
        writeln!(text, "{}", line.trim_end()).ok();
    }
    text
}

const HEAD: [&str; 6] = ["work", "limit", "ours", "ratio", "aim", "met"];
