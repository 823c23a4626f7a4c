//! The bridge to banks and to the provider of identity checks, as far as it needs no engine:
//! keys, schedules, the gate, and what is written into messages.

pub(crate) mod gate;
pub(crate) mod order;
pub(crate) mod said;
pub(crate) mod schedule;
