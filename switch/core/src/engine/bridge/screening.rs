//! Whoever is refused is looked up once more on the lists against money laundering, and what is
//! found is written down for an auditor (http-contracts 1.2, S1-48). Nobody decides by it: the
//! refusal holds already, and what it means for payments is its status. Once for each refusal,
//! whatever else the provider tells of the customer.

use super::{Asked, BACKGROUND_MS, Switch, Task, since};
use crate::bridge::schedule;
use crate::enquiry::{Addressee, Enquiry, Failed, Failure, Verdict};
use crate::fact::Customer;
use crate::time::Now;

/// First and longest wait before a provider is asked again that could not be, in milliseconds.
const AGAIN_MS: (u64, u64) = (5_000, 600_000);

/// How long it is tried, in milliseconds: longer than an event of a provider may be on its way.
const TRY_MS: u64 = 7 * super::DAY_MS;

impl Switch {
    /// Asks for the checks of a customer who was refused, if that was not done for this refusal
    /// and is not planned.
    pub(super) fn screen(&mut self, customer: &str) {
        if self.bridge.due.contains_key(&Task::Screening(customer.to_owned())) {
            return;
        }
        let known = self.durable.facts().customer(customer);
        let known = known.filter(|known| known.unscreened_since().is_some());
        let Some(applicant) = known.map(|known| known.applicant.clone()) else { return };
        let asked = Asked::Screening(customer.to_owned());
        if self.bridge.asks.values().any(|other| *other == asked) {
            return;
        }
        let enquiry = Enquiry::Checks { applicant };
        self.ask(asked, Addressee::Kyc, enquiry, BACKGROUND_MS, None);
    }

    pub(super) fn handle_screening(&mut self, now: Now, customer: &str, verdict: Verdict) {
        let Some(known) = self.durable.facts().customer(customer).cloned() else { return };
        let Some(refused) = known.unscreened_since() else { return };
        let is_in_time = since(now, refused) < TRY_MS;
        let task = Task::Screening(customer.to_owned());
        let found = match verdict {
            Verdict::Checks(checks) => {
                let (sanctions, pep) = (checks.sanctions.word(), checks.pep.word());
                format!("{customer}: sanctions {sanctions}, pep {pep}")
            }
            Verdict::Failed(failure) if is_in_time && may_pass(&failure) => {
                let tries = self.bridge.try_again(&task);
                let wait = schedule::retry(tries, AGAIN_MS.0, AGAIN_MS.1);
                self.bridge.plan(task, now.tick.after_ms(wait));
                return;
            }
            Verdict::Failed(failure) => {
                format!("{customer}: not to be had, {}", failure.why.word())
            }
            _ => format!("{customer}: not to be had, {}", Failed::Malfunction.word()),
        };
        self.bridge.tries.remove(&task);
        self.note(now, "switch", "aml-check", found);
        self.set_customer(now, known.screened());
    }

    /// Who is to be looked up when the process begins.
    pub(super) fn unscreened(&self, now: Now) -> Vec<String> {
        let is_due = |customer: &&Customer| {
            customer.unscreened_since().is_some_and(|refused| since(now, refused) < TRY_MS)
        };
        let due = self.durable.facts().customers().filter(is_due);
        due.map(|customer| customer.customer.clone()).collect()
    }
}

/// Whether a provider that could not say it may be able to later.
const fn may_pass(failure: &Failure) -> bool {
    matches!(
        failure.why,
        Failed::Malfunction
            | Failed::Credentials
            | Failed::Unavailable
            | Failed::BreakerOpen
            | Failed::Late
            | Failed::Limited
    )
}
