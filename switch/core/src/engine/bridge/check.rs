//! Identity checks: begun over HTTP, moved by the provider's events, confirmed by asking it.
//!
//! An event is a hint. What takes the right to pay away holds at once; what gives it holds when
//! the provider has confirmed it. Payments read what is known here and never wait for it.

use super::{Asked, BACKGROUND_MS, Caller, Switch, Task};
use crate::bridge::schedule;
use crate::enquiry::{self, Addressee, Enquiry, Failed, Failure, Review, Told, Verdict};
use crate::event::Event;
use crate::fact::{Customer, Fact, KycStatus};
use crate::record::RecordId;
use crate::time::{Now, Utc};

/// First and longest wait before an unconfirmed event is asked about again, in milliseconds.
const CONFIRM_MS: (u64, u64) = (5_000, 600_000);

impl Switch {
    /// Customer, e-mail, telephone and level.
    pub(super) fn begin_check(
        &mut self,
        now: Now,
        id: Caller,
        (customer, email, phone, level): (String, Option<String>, Option<String>, String),
    ) {
        let known = self.durable.facts().customer(&customer).cloned();
        let after = match known {
            Some(_) => None,
            None if self.has_no_room_for_customer() => return self.tell(now, id, Told::Busy, None),
            None => {
                let new = Customer { customer: customer.clone(), ..Customer::default() };
                Some(self.establish(now, Fact::Customer(new)))
            }
        };
        let enquiry = Enquiry::Applicant { customer: customer.clone(), email, phone, level };
        let asked = Asked::Applicant(customer, id);
        self.ask(asked, Addressee::Kyc, enquiry, BACKGROUND_MS, after);
    }

    fn has_no_room_for_customer(&self) -> bool {
        self.durable.facts().customers_len() >= self.plan.limits.links_max as usize
    }

    pub(super) fn handle_applicant(
        &mut self,
        now: Now,
        customer: &str,
        call: Caller,
        verdict: Verdict,
    ) {
        let known = self.durable.facts().customer(customer).cloned();
        let (told, record) = match (verdict, known) {
            (Verdict::Applicant { applicant, token }, Some(known)) => {
                let status = match known.status {
                    KycStatus::None => KycStatus::Pending,
                    other => other,
                };
                let known = Customer { applicant, status, ..known };
                let record = self.set_customer(now, known.clone());
                (Told::Checked { customer: Box::new(known), token: Some(token) }, Some(record))
            }
            (Verdict::Failed(failure), _) => (Told::Failed(failure), None),
            _ => (Told::Failed(Failure::before(Failed::Malfunction)), None),
        };
        self.tell(now, call, told, record);
    }

    /// Each check of a customer, as the provider says now: handed through, and nothing is kept.
    pub(super) fn ask_for_checks(&mut self, now: Now, id: Caller, customer: &str) {
        let known = self.durable.facts().customer(customer);
        let applicant = known.map(|known| known.applicant.clone());
        let Some(applicant) = applicant.filter(|applicant| !applicant.is_empty()) else {
            return self.tell(now, id, Told::Unknown, None);
        };
        let enquiry = Enquiry::Checks { applicant: applicant.clone() };
        self.ask(Asked::Checks(applicant, id), Addressee::Kyc, enquiry, BACKGROUND_MS, None);
    }

    pub(super) fn handle_checks(
        &mut self,
        now: Now,
        applicant: String,
        call: Caller,
        verdict: Verdict,
    ) {
        let told = match verdict {
            Verdict::Checks(checks) => Told::Checks { applicant, checks },
            Verdict::Failed(failure) => Told::Failed(failure),
            _ => Told::Failed(Failure::before(Failed::Malfunction)),
        };
        self.tell(now, call, told, None);
    }

    /// The provider sent an event. Who sent it was verified.
    pub(super) fn handle_event(&mut self, now: Now, id: Caller, event: enquiry::Event) {
        let enquiry::Event { kind, review, at, .. } = event;
        let facts = self.durable.facts();
        let known = facts.customer(&review.customer).or_else(|| facts.applicant(&review.applicant));
        let mut customer = match known.cloned() {
            Some(known) => known,
            None if review.customer.is_empty() => return self.tell(now, id, Told::Unknown, None),
            None if self.has_no_room_for_customer() => return self.tell(now, id, Told::Busy, None),
            None => Customer { customer: review.customer.clone(), ..Customer::default() },
        };
        if customer.events.contains(&(kind.clone(), at)) {
            return self.tell(now, id, Told::Noted, None);
        }
        if !customer.applicant.is_empty() && customer.applicant != review.applicant {
            // Of somebody else who claims the same name at the provider.
            return self.tell(now, id, Told::Unknown, None);
        }
        customer.applicant.clone_from(&review.applicant);
        let is_newest = at >= customer.newest;
        customer = customer.with_event(kind, at);
        let before = customer.status;
        if is_newest {
            customer.newest = at;
            if review.status.is_some() {
                customer.is_unconfirmed = true;
            }
            // What it takes away holds now; what it gives holds when it is confirmed.
            if let Some(status) = review.status.filter(|status| *status != KycStatus::Approved) {
                customer.status = status;
            }
        }
        let (name, unconfirmed) = (customer.customer.clone(), customer.is_unconfirmed);
        let record = self.set_customer(now, customer);
        self.tell(now, id, Told::Noted, Some(record));
        if unconfirmed {
            self.confirm(now, &name);
        }
        self.follow_status(now, &name, before);
        self.screen(&name);
    }

    /// Asks the provider how a check stands.
    pub(super) fn confirm(&mut self, now: Now, customer: &str) {
        let Some(known) = self.durable.facts().customer(customer) else { return };
        let asked = Asked::Review(customer.to_owned(), known.newest);
        let is_it = |other: &Asked| matches!(other, Asked::Review(who, _) if who == customer);
        if self.bridge.asks.values().any(is_it) {
            // Its answer may be from before the event that wants this: asked again after it.
            self.bridge.plan(Task::Review(customer.to_owned()), now.tick.after_ms(CONFIRM_MS.0));
            return;
        }
        let enquiry = Enquiry::Review { applicant: known.applicant.clone() };
        self.ask(asked, Addressee::Kyc, enquiry, BACKGROUND_MS, None);
    }

    /// `newest` is the time of the newest event that was known when it was asked.
    pub(super) fn handle_review(
        &mut self,
        now: Now,
        customer: &str,
        newest: Utc,
        verdict: Verdict,
    ) {
        let Some(known) = self.durable.facts().customer(customer).cloned() else { return };
        let task = Task::Review(customer.to_owned());
        let Verdict::Review(review) = verdict else {
            let wait = schedule::retry(self.bridge.try_again(&task), CONFIRM_MS.0, CONFIRM_MS.1);
            self.bridge.plan(task, now.tick.after_ms(wait));
            return;
        };
        self.bridge.tries.remove(&task);
        let is_theirs = review.applicant == known.applicant
            && (review.customer.is_empty() || review.customer == known.customer);
        if !is_theirs {
            return;
        }
        let before = known.status;
        let Review { status, level, reviewed, document_until, born, .. } = review;
        // An event came while it was asked: what is said may be older than that, and gives nothing.
        let is_overtaken = known.newest != newest;
        if is_overtaken && status == Some(KycStatus::Approved) {
            self.bridge.plan(task, now.tick);
            return;
        }
        let status = status.unwrap_or(before);
        let known = Customer {
            status,
            level: if level.is_empty() { known.level } else { level },
            reviewed: reviewed.unwrap_or(known.reviewed),
            document_until: document_until.unwrap_or(known.document_until),
            born: born.or(known.born),
            is_unconfirmed: is_overtaken,
            ..known
        };
        self.set_customer(now, known.confirmed());
        self.follow_status(now, customer, before);
        self.screen(customer);
    }

    pub(super) fn set_customer(&mut self, now: Now, customer: Customer) -> RecordId {
        let before = self.durable.facts().customer(&customer.customer).map(|known| known.status);
        let status = customer.status;
        let record = self.establish(now, Fact::Customer(customer));
        if before != Some(status) {
            self.count(Event::Checked { status });
        }
        record
    }

    /// Whoever lost the right to pay loses what is under way.
    fn follow_status(&mut self, now: Now, customer: &str, before: KycStatus) {
        let after = self.durable.facts().customer(customer).map(|known| known.status);
        let is_lost = before == KycStatus::Approved && after != Some(KycStatus::Approved);
        if self.plan.kyc.required && is_lost {
            self.revoke_payments(now, customer);
        }
    }
}
