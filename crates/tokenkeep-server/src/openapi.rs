//! The description of the API: OpenAPI 3.1, made from code.
//!
//! Tests make it: schemas from the wire types, the rest from [`operation::Operation`]s, one for each method of a route.
//! What they make is committed, and the program carries that file: at run time there is nothing to make, and a change of
//! the API is seen in review. A law compares the file with the code, others compare it with the router.

mod page;

#[cfg(test)]
mod credentials;
#[cfg(test)]
mod document;
#[cfg(test)]
mod health;
#[cfg(test)]
mod management;
#[cfg(test)]
mod operation;
#[cfg(test)]
mod protocols;
#[cfg(test)]
mod tokens;

pub use self::page::openapi_page;
pub(crate) use self::page::{page_policy, policy};

/// The description of the API, OpenAPI 3.1 in JSON.
pub const OPENAPI: &str = include_str!("../../../docs/openapi.json");
