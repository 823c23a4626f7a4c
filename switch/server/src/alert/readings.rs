//! The figures that the rules look at, from where they are counted; and the gauges of what is asked
//! of third parties, which nobody counts.

use super::rules::{Open, Readings};
use crate::observe::Metrics;
use crate::status::Picture;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use veksel_adapters::{Certificate, Circuit};
use veksel_config::HTTP;

/// Parts that the window of decisions is kept in.
const PARTS: u64 = 60;

/// How a breaker of a group or a link stands that keeps nobody out.
const PASSING: [&str; 2] = ["closed", "forced_closed"];

/// The service whose breaker keeps payments from a bank.
const PAYMENTS: &str = "payments";

/// Identity checks that were decided of late. A clone is the same.
#[derive(Clone, Debug)]
pub(crate) struct Approvals(Arc<Mutex<Decided>>);

#[derive(Debug)]
struct Decided {
    window_ms: u64,
    /// When a part began, and how many were approved and decided in it.
    parts: VecDeque<(u64, u64, u64)>,
}

impl Approvals {
    pub(crate) fn new(window_ms: u64) -> Self {
        Self(Arc::new(Mutex::new(Decided { window_ms, parts: VecDeque::new() })))
    }

    /// One was decided.
    pub(crate) fn note(&self, now_ms: u64, is_approved: bool) {
        let mut decided = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        decided.forget(now_ms);
        let width = (decided.window_ms / PARTS).max(1);
        let is_current = |(at, _, _): &&mut (u64, u64, u64)| now_ms < at.saturating_add(width);
        match decided.parts.back_mut().filter(is_current) {
            Some((_, approved, all)) => {
                *approved += u64::from(is_approved);
                *all += 1;
            }
            None => decided.parts.push_back((now_ms, u64::from(is_approved), 1)),
        }
    }

    /// How many were approved and decided within the window.
    pub(crate) fn count(&self, now_ms: u64) -> (u64, u64) {
        let mut decided = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        decided.forget(now_ms);
        let sum =
            |(approved, all): (u64, u64), part: &(u64, u64, u64)| (approved + part.1, all + part.2);
        decided.parts.iter().fold((0, 0), sum)
    }
}

impl Decided {
    fn forget(&mut self, now_ms: u64) {
        let begin = now_ms.saturating_sub(self.window_ms);
        while self.parts.front().is_some_and(|(at, _, _)| *at < begin) {
            self.parts.pop_front();
        }
    }
}

/// Everything at this moment. Renews the gauges that are read from the adapters, and that of the
/// HTTP listener, whose first certificate ends at `expires`.
pub(super) fn read(
    metrics: &Metrics,
    picture: &Picture,
    (circuits, held): (Vec<Circuit>, Vec<Certificate>),
    expires: Option<i64>,
    (approved, decided): (u64, u64),
) -> Readings {
    let mut open: Vec<Open> = picture
        .breakers
        .iter()
        .filter(|(_, position)| !PASSING.contains(position))
        .map(|(name, _)| Open { name: name.clone(), is_pisp: false })
        .collect();
    let mut certificates = picture.certificates.clone();
    if let Some(expires) = expires {
        metrics.tls_expires.with_label_values(&[HTTP]).set(expires);
        certificates.push((HTTP.to_owned(), expires));
    }
    for circuit in circuits {
        let labels = [circuit.provider.as_str(), circuit.service];
        metrics.provider_breaker.with_label_values(&labels).set(circuit.is_open.into());
        if circuit.is_open {
            let name = format!("{} {}", circuit.provider, circuit.service);
            open.push(Open { name, is_pisp: circuit.service == PAYMENTS });
        }
    }
    metrics.pisp_open.set(open.iter().any(|open| open.is_pisp).into());
    for held in held {
        let labels = [held.provider.as_str(), held.usage];
        metrics.client_certificate.with_label_values(&labels).set(held.not_after);
        certificates.push((format!("{} {}", held.provider, held.usage), held.not_after));
    }
    let rate = if decided == 0 { f64::NAN } else { approved as f64 / decided as f64 };
    metrics.approval_rate.set(rate);
    let errors = crate::log::errors();
    metrics.errors.inc_by(errors.saturating_sub(metrics.errors.get()));
    Readings {
        errors,
        login_errors: metrics.login_errors.get(),
        underage: metrics.underage.get(),
        payment_failures: metrics.payment_failures.get(),
        // One of them checks identities, and which does not matter to who must look.
        webhook_failures: metrics.webhook_failures.get() + metrics.didit_webhook_failures.get(),
        staleness_ms: picture.balance_age_ms,
        lag_ms: picture.payments_lag_ms,
        approved,
        decided,
        open,
        certificates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn decisions_count_for_an_hour() {
        let approvals = Approvals::new(HOUR);
        assert_eq!(approvals.count(0), (0, 0));
        for second in 0..100 {
            approvals.note(second * 1_000, second % 4 != 0);
        }
        assert_eq!(approvals.count(100_000), (75, 100));
        assert_eq!(approvals.count(HOUR), (75, 100));
        // The first minute is gone, and then all of it.
        assert_eq!(approvals.count(HOUR + 30_000), (30, 40));
        assert_eq!(approvals.count(HOUR + 100_000), (0, 0));
    }

    #[test]
    fn ages_are_those_of_the_picture() {
        let picture =
            Picture { balance_age_ms: HOUR, payments_lag_ms: 61_000, ..Picture::default() };
        let readings = read(&Metrics::new().unwrap(), &picture, Default::default(), None, (0, 0));
        assert_eq!((readings.staleness_ms, readings.lag_ms), (HOUR, 61_000));
    }

    #[test]
    fn a_breaker_that_lets_everything_through_is_not_open() {
        let positions = ["closed", "open", "half_open", "forced_open", "forced_closed", "disabled"];
        let breakers = positions.map(|position| (position.to_owned(), position)).to_vec();
        let picture = Picture { breakers, ..Picture::default() };
        let circuit = |service, is_open| Circuit { provider: "dnb".to_owned(), service, is_open };
        let asked = (vec![circuit("accounts", false), circuit("payments", true)], Vec::new());
        let readings = read(&Metrics::new().unwrap(), &picture, asked, None, (0, 0));
        let open = readings.open.iter().map(|open| (open.name.as_str(), open.is_pisp));
        let expected = [
            ("open", false),
            ("half_open", false),
            ("forced_open", false),
            ("disabled", false),
            ("dnb payments", true),
        ];
        assert_eq!(open.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let approvals = Approvals::new(HOUR);
        for second in 0..20_000 {
            approvals.note(second * 1_000, true);
        }
        assert!(approvals.0.lock().unwrap().parts.len() <= 62);
    }
}
