//! tokenkeep
