//! Which columns of a table hold what.

use crate::exit::Failure;

/// The columns that are to be there.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The table, if it was named.
    pub(super) table: Option<String>,
    /// Whose a token is.
    pub(super) key: String,
    pub(super) token: String,
    pub(super) expires: String,
    /// Named by whoever wants it; else the usual one, if it is there.
    pub(super) refresh_token: Option<String>,
}

/// The columns that are there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns<T> {
    pub(super) key: T,
    pub(super) token: T,
    pub(super) expires: T,
    pub(super) refresh_token: Option<T>,
}

impl Wanted {
    /// Finds each column; `place` is what has none of a name, and `next` what may help.
    pub(super) fn find<T>(
        &self,
        find: impl Fn(&str) -> Option<T>,
        place: &str,
        next: &str,
    ) -> Result<Columns<T>, Failure> {
        let must =
            |name: &str| find(name).ok_or_else(|| Failure::usage(format!("{place} no column {name}"), next.to_owned()));
        Ok(Columns {
            key: must(&self.key)?,
            token: must(&self.token)?,
            expires: must(&self.expires)?,
            refresh_token: match &self.refresh_token {
                Some(name) => Some(must(name)?),
                None => find(REFRESH_TOKEN),
            },
        })
    }
}

const REFRESH_TOKEN: &str = "refresh_token";
