//! tokenkeep-api
