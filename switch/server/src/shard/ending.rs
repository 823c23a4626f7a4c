//! How a shard ends: everything recorded is made durable, hosts hear a sign-off, connections close.

use super::{RETRY, Shard, Turning};
use crate::start::Stopped;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long open connections get to take their last bytes, and hosts to answer the sign-off.
const GRACE: Duration = Duration::from_millis(500);

impl Turning {
    /// The end of a drain. What is still in flight becomes indefinite when its connection closes
    /// here, and what that means is recorded before the process ends.
    pub(super) async fn finish(mut self) -> Stopped {
        let now = self.shard.clock.now();
        let left = self.shard.switch.in_flight();
        self.shard.switch.note(now, "switch", "stop", format!("{left} requests in flight"));
        self.carry_out();
        self.settle_journal().await;
        self.sign_off().await;
        self.shard.wires.shutdown(GRACE).await;
        // What became of the last answers, and of what hosts were still asked.
        self.take_inputs(self.shard.clock.now());
        self.settle_journal().await;
        let failed = self.failed.take();
        let Shard { committer, mut done, .. } = self.shard;
        let kept = tokio::task::spawn_blocking(move || committer.finish().is_some());
        // The committer's last reports must be taken, or it would wait for them to be.
        while done.recv().await.is_some() {}
        let kept = kept.await.unwrap_or(false);
        match failed {
            Some(error) => Stopped::Store(error),
            None if kept => Stopped::Asked,
            None => Stopped::Store("the last commit failed".to_owned()),
        }
    }

    /// Says good-bye to the hosts and waits a moment for their answers.
    async fn sign_off(&mut self) {
        self.shard.switch.sign_off(self.shard.clock.now());
        self.carry_out();
        self.shard.wires.flush();
        let until = Instant::now() + GRACE;
        while self.failed.is_none() && self.shard.switch.is_signing_off() {
            if timeout_at(until, self.shard.wires.ready()).await.is_err() {
                return;
            }
            self.take_inputs(self.shard.clock.now());
            self.settle_journal().await;
        }
    }

    /// Waits until everything recorded so far is durable and what waited for it is written.
    async fn settle_journal(&mut self) {
        loop {
            self.hand_over(self.shard.clock.now().tick);
            if self.failed.is_some() || (self.backlog.is_empty() && self.handed.is_empty()) {
                self.shard.wires.flush();
                return;
            }
            if let Ok(report) = timeout(RETRY, self.shard.done.recv()).await {
                self.take_done(report);
            }
        }
    }
}
