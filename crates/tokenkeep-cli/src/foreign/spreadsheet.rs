//! Rows of a CSV file. Its first line names the columns.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::columns::Wanted;
use super::source::{Row, unreadable};
use crate::exit::Failure;

/// Reads a file with commas between its fields (RFC 4180).
pub(super) async fn read(path: &Path, wanted: &Wanted) -> Result<Vec<Row>, Failure> {
    if wanted.table.is_some() {
        return Err(Failure::usage("a CSV file has no tables", "leave out --table"));
    }
    let (path, wanted) = (path.to_owned(), wanted.clone());
    let read = spawn_blocking(move || rows(&path, &wanted));
    read.await.unwrap_or_else(|error| Err(Failure::internal("cannot read the file", &error)))
}

fn rows(path: &Path, wanted: &Wanted) -> Result<Vec<Row>, Failure> {
    let broken = |error: &csv::Error| match error.kind() {
        csv::ErrorKind::Io(error) => unreadable(path, error),
        csv::ErrorKind::Utf8 { .. } => unreadable(path, &"it is not UTF-8"),
        // What stands there may be a token.
        _ => unreadable(path, &"it is no CSV file"),
    };
    let mut reader =
        ReaderBuilder::new().flexible(true).trim(Trim::All).from_path(path).map_err(|error| broken(&error))?;
    let header = reader.headers().map_err(|error| broken(&error))?.clone();
    let find = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    // Without such a line the first one has a token in it, so it is not shown.
    let place = format!("the first line of {} names", path.display());
    let columns = wanted.find(find, &place, "name the columns with --key, --token and --expires")?;
    let field = |record: &StringRecord, at: usize| record.get(at).map(ToOwned::to_owned);
    let secret = |record: &StringRecord, at: usize| record.get(at).map(|text| Zeroizing::new(text.to_owned()));
    let row = |record: StringRecord| Row {
        name: field(&record, columns.key),
        token: secret(&record, columns.token),
        expires: field(&record, columns.expires),
        refresh_token: columns.refresh_token.and_then(|at| secret(&record, at)),
    };
    reader.records().map(|record| record.map(row).map_err(|error| broken(&error))).collect()
}
