//! veksel-core
pub mod plan;
pub mod record;
pub mod time;
