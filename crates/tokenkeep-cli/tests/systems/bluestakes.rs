//! Bluestakes: one provider, one account per company, tokens in PostgreSQL, an HTTP API.

mod broker;
mod budget;
mod companies;
mod database;
mod figures;
mod refusals;
mod routes;
mod upkeep;
mod vendor;
mod wishes;
