//! `tokenkeep store sql`: what makes the tables of a store, for those who may.

use clap::Args;
use tokenkeep::store::{PostgresStore, StoreUrl};

use crate::command::GlobalArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output;

/// Print the statements that make the tables of a PostgreSQL store.
///
/// tokenkeep runs them itself when it opens the store, unless its user has no right to. It connects to nothing.
#[derive(Debug, Args)]
pub(in crate::command) struct SqlArgs {}

pub(in crate::command) async fn run(global: &GlobalArgs, _args: SqlArgs) -> Result<(), Failure> {
    let context = Context::load(global).await?;
    let StoreUrl::Postgres(url) = context.store()? else {
        return Err(Failure::usage(
            "this store has no tables that others could make",
            "write store = \"postgres://USER:PASSWORD@HOST/DATABASE\" to have one that has",
        ));
    };
    output::data(PostgresStore::sql(&url).trim_end())
}
