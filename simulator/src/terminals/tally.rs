//! The counters and histograms behind [`Traffic`].
//!
//! Latencies go into HDR histograms of three digits up to a minute, one for each kind and one
//! for the second that runs. Nothing here knows which request an answer belongs to.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use veksel_codecs::ResponseCode;

use super::Kind;
use super::traffic::{Approved, KindStats, Second, Traffic};
use crate::money::{Currency, Money};

/// Slower answers count as so slow: the usual timeout is half of it.
const LATENCY_US_MAX: u64 = 60_000_000;

const SECOND_US: u64 = 1_000_000;

/// See the module's description.
#[derive(Default)]
pub(crate) struct Tally {
    /// The plain counters; its maps stay empty.
    pub(crate) traffic: Traffic,
    kinds: BTreeMap<Kind, KindTally>,
    codes: BTreeMap<ResponseCode, u64>,
    money: BTreeMap<(Kind, Currency), Approved>,
    running: Running,
}

struct KindTally {
    sent: u64,
    approved: u64,
    latencies: Histogram<u64>,
}

impl Default for KindTally {
    fn default() -> Self {
        Self { sent: 0, approved: 0, latencies: latencies() }
    }
}

/// The second that runs and the one before it.
struct Running {
    second: u64,
    latencies: Histogram<u64>,
    last: Second,
}

impl Default for Running {
    fn default() -> Self {
        Self { second: 0, latencies: latencies(), last: Second::default() }
    }
}

impl Running {
    /// Closes the second if it is over.
    fn turn(&mut self, at_us: u64) {
        let second = at_us / SECOND_US;
        if second <= self.second {
            return;
        }
        let is_next = second == self.second + 1;
        self.second = second;
        self.last = match is_next {
            true => Second {
                tps: self.latencies.len(),
                p50_us: self.latencies.value_at_quantile(0.50),
                p99_us: self.latencies.value_at_quantile(0.99),
            },
            // A whole second went by without an answer.
            false => Second::default(),
        };
        self.latencies.reset();
    }
}

#[expect(clippy::expect_used, reason = "the bounds are constants that the library takes")]
fn latencies() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_US_MAX, 3).expect("1 to a minute in three digits")
}

impl Tally {
    pub(crate) fn sent(&mut self, kind: Kind) {
        self.traffic.sent += 1;
        self.kinds.entry(kind).or_default().sent += 1;
    }

    pub(crate) fn answered(&mut self, at_us: u64, kind: Kind, code: ResponseCode, latency_us: u64) {
        self.traffic.answered += 1;
        *self.codes.entry(code).or_default() += 1;
        let tally = self.kinds.entry(kind).or_default();
        tally.approved += u64::from(code.is_approval());
        tally.latencies.saturating_record(latency_us);
        self.running.turn(at_us);
        self.running.latencies.saturating_record(latency_us);
    }

    pub(crate) fn approved_money(&mut self, kind: Kind, money: Money) {
        let approved = self.money.entry((kind, money.currency)).or_default();
        approved.count += 1;
        approved.minor = approved.minor.saturating_add(money.minor);
    }

    /// What was counted up to now.
    pub(crate) fn read(&mut self, at_us: u64) -> Traffic {
        self.running.turn(at_us);
        let by_code = self.codes.iter().map(|(code, count)| (code.to_string(), *count));
        Traffic {
            by_code: by_code.collect(),
            by_kind: self.kinds.iter().map(|(kind, tally)| (*kind, tally.read())).collect(),
            last_second: self.running.last,
            money: self.money.clone(),
            ..self.traffic.clone()
        }
    }
}

impl KindTally {
    fn read(&self) -> KindStats {
        let quantile = |quantile| self.latencies.value_at_quantile(quantile);
        KindStats {
            sent: self.sent,
            answered: self.latencies.len(),
            approved: self.approved,
            p50_us: quantile(0.50),
            p90_us: quantile(0.90),
            p99_us: quantile(0.99),
            max_us: self.latencies.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_is_the_one_before_this() {
        let mut tally = Tally::default();
        for latency in [100, 200, 300] {
            tally.answered(1_500_000, Kind::Balance, ResponseCode::APPROVED, latency);
        }
        assert_eq!(tally.read(1_999_999).last_second, Second::default());
        let last = tally.read(2_000_000).last_second;
        assert_eq!((last.tps, last.p50_us), (3, 200));
        tally.answered(2_100_000, Kind::Balance, ResponseCode::APPROVED, 5);
        assert_eq!(tally.read(2_200_000).last_second.tps, 3);
        assert_eq!(tally.read(4_000_000).last_second, Second::default());
    }

    #[test]
    fn latencies_are_kept_apart_by_kind_and_bounded() {
        let mut tally = Tally::default();
        for latency in 1..=1_000 {
            tally.sent(Kind::Bill);
            tally.answered(0, Kind::Bill, ResponseCode::APPROVED, latency);
        }
        tally.sent(Kind::Transfer);
        tally.answered(0, Kind::Transfer, ResponseCode::INSUFFICIENT_FUNDS, u64::MAX);
        let traffic = tally.read(0);
        let bill = traffic.by_kind[&Kind::Bill];
        assert_eq!((bill.p50_us, bill.p90_us, bill.p99_us, bill.max_us), (500, 900, 990, 1_000));
        let transfer = traffic.by_kind[&Kind::Transfer];
        assert_eq!((transfer.answered, transfer.approved), (1, 0));
        assert!(transfer.max_us.abs_diff(LATENCY_US_MAX) < LATENCY_US_MAX / 500);
        assert_eq!(traffic.by_code["51"], 1);
    }
}
