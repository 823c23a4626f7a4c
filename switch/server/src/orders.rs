//! What other threads ask of the shard: to go by another configuration, or to say how it is.

use serde_json::Value;
use tokio::sync::oneshot;
use veksel_codecs::Dialect;
use veksel_config::{Socket, SwitchConfig};
use veksel_core::Command;

/// Orders that may wait for the shard.
pub(crate) const ORDERS_MAX: usize = 16;

/// Something for the shard to do between two turns. Who asked may be gone when it is answered.
pub(crate) enum Order {
    /// Go by another configuration.
    Swap(Box<Swap>, oneshot::Sender<Result<Swapped, Vec<String>>>),
    /// Say how everything is.
    Report(oneshot::Sender<Value>),
    /// Do what a person has decided about a transaction, and say whether there was anything to
    /// decide about. It is recorded in any case.
    Decide(Box<Command>, oneshot::Sender<bool>),
}

/// A configuration that was read, checked and merged with what runs.
pub(crate) struct Swap {
    pub(crate) config: Box<SwitchConfig>,
    /// What becomes of each link.
    pub(crate) sockets: Vec<Socket>,
    /// What each link speaks.
    pub(crate) dialects: Vec<Dialect>,
    pub(crate) operator: String,
    /// What changes, for the audit.
    pub(crate) summary: String,
    /// Whether it is only to be tried.
    pub(crate) is_trial: bool,
}

/// What a swap found beside the configuration.
#[derive(Debug, Default)]
pub(crate) struct Swapped {
    /// Links whose keys are other ones, with their check values before and after.
    pub(crate) keys: Vec<(String, String, String)>,
}
