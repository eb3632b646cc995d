//! Requests that are sent on to an API, over real connections to one that tests steer.

mod api;
mod bodies;
mod headers;
mod paths;
mod refusals;
mod streams;
mod troubles;
