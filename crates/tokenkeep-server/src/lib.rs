//! tokenkeep-server
