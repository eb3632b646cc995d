//! Tokens that another system has obtained, read where they lie: from the words of the arguments to a list of them.

mod columns;
mod database;
mod expiry;
mod source;
mod spreadsheet;
mod token_files;

use clap::{Args, ValueEnum};
use tokenkeep::TokenManager;

use self::columns::Wanted;
pub(crate) use self::expiry::Form;
pub(crate) use self::source::Found;
use crate::context::Context;
use crate::exit::Failure;

/// Whose form the tokens are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[value(help = "JSON files that are called PROVIDER_token.json, as docs/stores.md shows them")]
    Verteil,
    #[value(help = "A table with the columns service, access_token and expires_at")]
    Whodis,
    #[value(help = "A table with the columns company_id, token and expires_at, of the accounts of one provider")]
    Bluestakes,
}

/// What is called what there, if it is not as usual.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// The provider whose tokens they are: of a file its token, else names of accounts stand in the key column
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The column that says whose a token is
    #[arg(long = "key", value_name = "COL")]
    key_column: Option<String>,
    /// The column of the tokens
    #[arg(long, value_name = "COL")]
    token: Option<String>,
    /// The column that says when they end: a time, in UTC if it names no offset, or Unix seconds
    #[arg(long, value_name = "COL")]
    expires: Option<String>,
    /// The column of the refresh tokens
    #[arg(long, value_name = "COL")]
    refresh_token: Option<String>,
    /// The table, with its schema before a dot if it is in another one [default: tokens]
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
}

impl Format {
    /// Reads all tokens of a source.
    pub(crate) async fn read(self, source: &str, place: &PlaceArgs) -> Result<Vec<Found>, Failure> {
        match self {
            Self::Verteil => {
                if place.columns().into_iter().any(Option::is_some) {
                    return Err(Failure::usage("token files have no tables and columns", "leave out what names them"));
                }
                token_files::read(source, place.provider.as_deref()).await
            }
            Self::Whodis | Self::Bluestakes => source::read(source, &place.wanted(self)?).await,
        }
    }
}

impl PlaceArgs {
    /// Whether any of it is said.
    pub(crate) fn is_given(&self) -> bool {
        self.provider.is_some() || self.columns().into_iter().any(Option::is_some)
    }

    fn columns(&self) -> [&Option<String>; 5] {
        [&self.key_column, &self.token, &self.expires, &self.refresh_token, &self.table]
    }

    /// The columns that are named, or else have the names of the format.
    fn wanted(&self, format: Format) -> Result<Wanted, Failure> {
        let (key, token) = match format {
            Format::Verteil | Format::Whodis => ("service", "access_token"),
            Format::Bluestakes => ("company_id", "token"),
        };
        let name = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
        let wanted = Wanted {
            table: self.table.clone(),
            key: name(&self.key_column, key),
            token: name(&self.token, token),
            expires: name(&self.expires, "expires_at"),
            refresh_token: self.refresh_token.clone(),
        };
        // Names are shown, and times.
        let is_shown = |column: &String| *column == wanted.key || *column == wanted.expires;
        if is_shown(&wanted.token) || wanted.refresh_token.as_ref().is_some_and(is_shown) {
            return Err(Failure::usage(
                "one column cannot be name or end and token",
                "name three with --key, --token and --expires",
            ));
        }
        Ok(wanted)
    }
}

/// What the names of a source are called here.
pub(crate) struct Names<'a> {
    manager: &'a TokenManager,
    provider: Option<Whose>,
}

/// Which names are those of accounts, and of which provider.
enum Whose {
    All(String),
    /// Those that are no provider and name none.
    Bare(String),
}

impl<'a> Names<'a> {
    pub(crate) fn new(manager: &'a TokenManager, context: &Context, format: Format, place: &PlaceArgs) -> Self {
        let configured = context.config.server.default_provider.clone();
        let provider = match (format, &place.provider) {
            // The files say it.
            (Format::Verteil, _) => None,
            (Format::Whodis | Format::Bluestakes, Some(name)) => Some(Whose::All(name.clone())),
            (Format::Whodis, None) => configured.map(Whose::Bare),
            (Format::Bluestakes, None) => Some(Whose::All(configured.unwrap_or_else(|| "bluestakes".to_owned()))),
        };
        Self { manager, provider }
    }

    /// The key that a name means.
    pub(crate) fn key(&self, name: &str) -> String {
        match &self.provider {
            Some(Whose::All(provider)) => format!("{provider}:{name}"),
            Some(Whose::Bare(provider)) if !name.contains(':') && !self.manager.has_provider(name) => {
                format!("{provider}:{name}")
            }
            Some(Whose::Bare(_)) | None => name.to_owned(),
        }
    }
}
