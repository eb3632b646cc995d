//! What the TOML parser found wrong, in words for whoever wrote the file.

use std::ops::Range;

use toml::de::Error;

use super::problem::Finding;

/// Whether the parser found its way through the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Every value is in the document.
    Sound,
    /// So it is, but for what stands twice: the second value is in no document.
    Repeating,
    /// What is in the document was guessed in part.
    Broken,
}

impl Syntax {
    /// Judges by what the parser reported.
    pub(super) fn of(faults: &[Error]) -> Self {
        match faults {
            [] => Self::Sound,
            faults if faults.iter().all(is_repetition) => Self::Repeating,
            _ => Self::Broken,
        }
    }
}

/// A fault as reports show it.
pub(super) fn finding(source: &str, fault: &Error) -> Finding {
    let finding = match fault.span().and_then(|span| source.get(span)) {
        Some(name) if is_repetition(fault) => {
            let name = name.trim_matches(['"', '\'']).escape_debug();
            Finding::error(format!("`{name}` stands here for the second time")).help("keep one of the two")
        }
        _ => Finding::error(fault.message()),
    };
    fault.span().into_iter().fold(finding, Finding::at)
}

/// Drops what was found below the header of a table that stands for the second time: the parser counts it to the first
/// one, where most of it is a repetition too.
pub(super) fn drop_consequences(source: &str, faults: &[Error], findings: &mut Vec<Finding>) {
    for table in faults.iter().filter(|fault| is_repetition(fault)).filter_map(|fault| below(source, fault.span()?)) {
        findings.retain(|finding| !finding.span.as_ref().is_some_and(|span| table.contains(&span.start)));
    }
}

/// What stands below a header, if the place is in one.
fn below(source: &str, place: Range<usize>) -> Option<Range<usize>> {
    let line = source.get(..place.start)?.rfind('\n').map_or(0, |newline| newline + 1);
    if !source[line..].trim_start().starts_with('[') {
        return None;
    }
    let start = place.start + source[place.start..].find('\n')? + 1;
    let own = source[start..].split_inclusive('\n').take_while(|line| !line.trim_start().starts_with('['));
    Some(start..start + own.map(str::len).sum::<usize>())
}

fn is_repetition(fault: &Error) -> bool {
    fault.message().starts_with("duplicate key")
}
