//! Revos was a library within applications of language models, so it is the library that stands in for it, with the
//! configuration, the observers and the `GET /health` of `examples/revos`; for programs in other languages the proxy does.

mod failures;
mod manager;
mod observers;
mod streams;
mod world;
