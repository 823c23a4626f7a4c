//! The way of a call to the engine, and of the answer back.

use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use veksel_core::enquiry::{Call, Told};

/// A call, and where its answer goes. Who asked may be gone by then.
#[derive(Debug)]
pub struct Asked {
    /// What is wanted.
    pub call: Call,
    /// Who waits.
    pub reply: oneshot::Sender<Told>,
}

/// The engine, as far as callers see it. A clone is the same.
#[derive(Clone, Debug)]
pub struct Engine {
    calls: mpsc::Sender<Asked>,
}

impl Engine {
    /// Calls go into this queue; who holds its other end answers them.
    #[must_use]
    pub const fn new(calls: mpsc::Sender<Asked>) -> Self {
        Self { calls }
    }

    /// Asks, and waits for the answer no longer than `most`. [`Told::Busy`] if too many calls wait
    /// already, if the switch is stopping, or if there is no answer by then: what was asked may
    /// still happen, so whoever repeats it must do so in the same words.
    pub async fn call(&self, call: Call, most: Duration) -> Told {
        let (reply, told) = oneshot::channel();
        if self.calls.try_send(Asked { call, reply }).is_err() {
            return Told::Busy;
        }
        match timeout(most, told).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => Told::Busy,
        }
    }
}
