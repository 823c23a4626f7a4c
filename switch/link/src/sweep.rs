//! The only timer of a shard's connections.
//!
//! Looks at the few connections whose deadline runs every 100 ms, and at all of them every second.
//! A connection between two frames costs nothing in between, and a message never sets a timer.

use crate::wires::Shard;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How late a deadline may be noticed.
const FAST: Duration = Duration::from_millis(100);

/// How often silence and unused memory are looked for.
const SLOW_MS: u64 = 1_000;

pub(crate) async fn run(shard: Rc<Shard>) {
    let slow = Duration::from_millis(SLOW_MS);
    let mut tend_at = Instant::now() + slow;
    loop {
        if shard.is_watching() {
            sleep_until(tend_at.min(Instant::now() + FAST)).await;
            shard.enforce(shard.now());
        } else {
            tokio::select! {
                () = sleep_until(tend_at) => {}
                () = shard.watching.notified() => continue,
            }
        }
        if tend_at <= Instant::now() {
            for connection in shard.all() {
                connection.tend(&shard, SLOW_MS);
            }
            tend_at = Instant::now() + slow;
        }
    }
}
