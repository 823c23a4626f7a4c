//! Load as the platform makes it: so many requests a second, sent when they are due whether the
//! ones before are answered or not, and bursts on top.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{Missed, Occasion, Outcome, Payment, Shaype};
use crate::sandbox::shaype::Kind;

/// How much, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Requests a second.
    pub rps: u32,
    /// For so long.
    pub lasts: Duration,
    /// Requests at once on top.
    pub burst: u32,
    /// How often.
    pub every: Duration,
}

impl Default for Load {
    fn default() -> Self {
        let (lasts, every) = (Duration::from_secs(60), Duration::from_secs(10));
        Self { rps: 10, lasts, burst: 50, every }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Tally {
    /// Requests that were sent.
    pub sent: u64,
    /// Approved.
    pub approved: u64,
    /// Refused by the client (470).
    pub refused: u64,
    /// Another answer.
    pub failed: u64,
    /// No answer within the platform's patience.
    pub timeouts: u64,
    /// No connection, or one that broke.
    pub broken: u64,
    took: Histogram<u64>,
}

impl Tally {
    fn new() -> Option<Self> {
        let took = Histogram::new_with_bounds(1, 60_000_000, 3).ok()?;
        let (sent, approved, refused, failed, timeouts, broken) = (0, 0, 0, 0, 0, 0);
        Some(Self { sent, approved, refused, failed, timeouts, broken, took })
    }

    fn add(&mut self, outcome: &Outcome) {
        let Some(said) = &outcome.said else { return };
        self.sent += 1;
        self.took.saturating_record(u64::try_from(said.took.as_micros()).unwrap_or(u64::MAX));
        match (said.status, said.missed) {
            (Some(200), _) => self.approved += 1,
            (Some(470), _) => self.refused += 1,
            (Some(_), _) => self.failed += 1,
            (None, Some(Missed::Late)) => self.timeouts += 1,
            (None, _) => self.broken += 1,
        }
    }

    /// The time under which so many percent of the answers came, in milliseconds.
    #[must_use]
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        self.took.value_at_percentile(percent) as f64 / 1_000.0
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "sent": self.sent, "approved": self.approved, "refused": self.refused,
            "failed": self.failed, "timeouts": self.timeouts, "broken": self.broken,
            "p50_ms": self.percentile_ms(50.0), "p99_ms": self.percentile_ms(99.0),
            "max_ms": self.percentile_ms(100.0),
        })
    }
}

impl Shaype {
    /// Makes load on the accounts of the configuration, and says what came of it. `None` if there
    /// are none.
    pub async fn load(&self, load: Load) -> Option<Tally> {
        let mut tally = Tally::new()?;
        let accounts = &self.0.config.accounts;
        if accounts.is_empty() || load.rps == 0 {
            return None;
        }
        let begun = Instant::now();
        let ends = begun + load.lasts;
        let mut ticks = interval(Duration::from_secs(1) / load.rps);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut burst = begun + load.every;
        let mut under_way: JoinSet<Vec<Outcome>> = JoinSet::new();
        let mut number = 0_usize;
        let mut begin = |under_way: &mut JoinSet<Vec<Outcome>>| {
            let (account, currency) = &accounts[number % accounts.len()];
            number += 1;
            let payment = Payment {
                id: self.number("l"),
                account: account.clone(),
                card: None,
                currency: *currency,
                kind: Kind::Purchase,
                minor: 100,
                idempotency: None,
            };
            under_way.spawn(self.clone().one(payment, number));
        };
        while Instant::now() < ends {
            tokio::select! {
                _ = ticks.tick() => begin(&mut under_way),
                () = sleep_until(burst), if burst < ends => {
                    burst += load.every;
                    for _ in 0..load.burst {
                        begin(&mut under_way);
                    }
                }
                Some(Ok(outcomes)) = under_way.join_next() => {
                    outcomes.iter().for_each(|outcome| tally.add(outcome));
                }
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended.iter().flatten().for_each(|outcome| tally.add(outcome));
        }
        Some(tally)
    }

    /// One request of load: a hold, or a deposit of the same amount, by turns, so that accounts
    /// are left about as they were.
    async fn one(self, payment: Payment, number: usize) -> Vec<Outcome> {
        match number % 2 {
            0 => {
                let minor = 0 - payment.minor;
                let top_up = Payment { kind: Kind::TopUp, minor, ..payment };
                vec![self.transact(top_up, Occasion::WithoutHold).await]
            }
            _ => vec![self.hold(payment).await],
        }
    }
}
