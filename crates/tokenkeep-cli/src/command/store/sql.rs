//! `tokenkeep store sql`: what makes the tables of a store, for those who may.

use clap::Args;
use tokenkeep::store::{PostgresStore, PostgresUrl, StoreUrl};
use url::form_urlencoded::byte_serialize;

use crate::command::GlobalArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// Print the statements that make the tables of a PostgreSQL store.
///
/// tokenkeep runs them itself when it opens the store, unless its user has no right to. It connects to nothing. What is
/// there already is said to be there and stays, so it can be run again, also after an update.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::command) struct SqlArgs {
    /// The schema of the tables; no configuration is needed then [default: what the store of the configuration says]
    #[arg(long, value_name = "NAME")]
    schema: Option<String>,
}

pub(in crate::command) async fn run(global: &GlobalArgs, args: SqlArgs) -> Result<(), Failure> {
    if let Some(schema) = args.schema {
        // Of a URL it takes nothing else.
        let schema: String = byte_serialize(schema.as_bytes()).collect();
        let url = PostgresUrl::parse(&format!("postgres://nobody@localhost/none?schema={schema}"));
        let url = url.map_err(|why| Failure::usage(why, "it is `tokenkeep` where the URL of the store names none"))?;
        return output::data(PostgresStore::sql(&url).trim_end());
    }
    let context = Context::load(global).await?;
    let StoreUrl::Postgres(url) = context.store()? else {
        return Err(Failure::usage(
            "this store has no tables that others could make",
            "write store = \"postgres://USER:PASSWORD@HOST/DATABASE\" to have one that has",
        ));
    };
    output::data(PostgresStore::sql(&url).trim_end())
}

const AFTER_HELP: &str = "\
Examples:
  tokenkeep store sql | psql tokens
  tokenkeep store sql --schema tokenkeep | psql tokens";
