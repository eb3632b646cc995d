//! From what was named as the source to the tokens in it.

use std::io::Read as _;
use std::path::Path;

use tokenkeep::Secret;
use tokenkeep::store::FileStore;
use tokenkeep::token::ForeignToken;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use super::columns::Wanted;
use super::expiry::Form;
use super::{database, expiry, spreadsheet};
use crate::exit::Failure;

/// A token that was found, and what it is called there.
pub(crate) struct Found {
    pub(crate) name: String,
    /// Why it is of no use, otherwise.
    pub(crate) token: Result<ForeignToken, String>,
    /// How its end is written down, where that is for people to read: in a table.
    pub(crate) form: Option<Form>,
}

/// A row of a table, as texts.
pub(super) struct Row {
    pub(super) name: Option<String>,
    pub(super) token: Option<Zeroizing<String>>,
    pub(super) expires: Option<String>,
    pub(super) refresh_token: Option<Zeroizing<String>>,
}

/// Reads the rows of a table, wherever it is.
pub(super) async fn read(source: &str, wanted: &Wanted) -> Result<Vec<Found>, Failure> {
    let rows = if source.starts_with("postgres://") || source.starts_with("postgresql://") {
        database::postgres(source, wanted).await?
    } else {
        let path = Path::new(source.strip_prefix("sqlite:").unwrap_or(source));
        if is_sqlite(path).await? {
            database::sqlite(path, wanted).await?
        } else {
            spreadsheet::read(path, wanted).await?
        }
    };
    Ok(rows.into_iter().map(Found::from).collect())
}

impl From<Row> for Found {
    fn from(row: Row) -> Self {
        let name = row.name.unwrap_or_default().trim().to_owned();
        let end = expiry::parse(&row.expires.unwrap_or_default());
        let token = match (name.is_empty(), row.token.filter(|token| !token.is_empty()), &end) {
            (true, ..) => Err("it does not say whose it is".to_owned()),
            (false, None, _) => Err("there is no token".to_owned()),
            (false, Some(_), Err(why)) => Err((*why).to_owned()),
            (false, Some(token), Ok(end)) => {
                let token = ForeignToken::new(Secret::new(token.as_str()), end.at);
                Ok(match row.refresh_token.filter(|token| !token.is_empty()) {
                    Some(refresh_token) => token.with_refresh_token(Secret::new(refresh_token.as_str())),
                    None => token,
                })
            }
        };
        Self { name, token, form: end.ok().map(|end| end.form) }
    }
}

impl Found {
    /// What a token file says.
    pub(super) fn in_file(name: String, path: &Path) -> Self {
        let read = || -> std::io::Result<_> {
            let mut file = std::fs::File::open(path)?;
            let modified = file.metadata()?.modified()?;
            let mut content = Zeroizing::new(Vec::with_capacity(64 * 1024));
            file.by_ref().take(MAX_FILE).read_to_end(&mut content)?;
            Ok((content, modified))
        };
        let token = match read() {
            Ok((content, modified)) => FileStore::read_token(&content, modified).map_err(str::to_owned),
            Err(error) => Err(format!("it cannot be read: {error}")),
        };
        Self { name, token, form: None }
    }
}

async fn is_sqlite(path: &Path) -> Result<bool, Failure> {
    let owned = path.to_owned();
    let read = spawn_blocking(move || {
        let mut start = Vec::with_capacity(SQLITE.len());
        std::fs::File::open(owned)?.take(SQLITE.len() as u64).read_to_end(&mut start)?;
        Ok(start == SQLITE)
    });
    read.await.unwrap_or_else(|error| Err(error.into())).map_err(|error: std::io::Error| unreadable(path, &error))
}

/// A source that is not there, or not to be read.
pub(super) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(
        format!("cannot read {}: {error}", path.display()),
        "name a file that this user can read, or the URL of a database: postgres://…",
    )
}

/// What such a file begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// Longer than any token file.
const MAX_FILE: u64 = 1024 * 1024;
