//! The facts that hold, by what they are about: what [`crate::Switch::apply`] keeps of them.

use crate::fact::{Cached, Customer, Endpoint, Fact, Linked, Payment, Reads};
use crate::record::TxnId;
use crate::time::Utc;
use std::collections::BTreeMap;

/// Every fact that holds.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    linked: BTreeMap<String, Linked>,
    customers: BTreeMap<String, Customer>,
    balances: BTreeMap<String, Cached>,
    reads: BTreeMap<(String, String, Endpoint), Vec<Utc>>,
    payments: BTreeMap<TxnId, Payment>,
    /// What a redirect brings back, and what it is about.
    tokens: BTreeMap<[u8; 16], Subject>,
}

/// What a redirect is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    /// A payment.
    Payment(TxnId),
    /// The consent for an account.
    Account(String),
}

impl Facts {
    pub(crate) fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::Linked(linked) => self.apply_linked(linked),
            Fact::Customer(customer) => {
                self.customers.insert(customer.customer.clone(), customer.clone());
            }
            Fact::Balance(cached) => {
                self.balances.insert(cached.account.clone(), cached.clone());
            }
            Fact::Reads(reads) => self.apply_reads(reads),
            Fact::Payment(payment) => self.apply_payment(payment),
        }
    }

    fn apply_linked(&mut self, linked: &Linked) {
        let account = &linked.account;
        if let Some(before) = self.linked.remove(account) {
            self.tokens.remove(&before.state);
            // Another account, or another owner: what the former had is nobody's business.
            if before.iban != linked.iban || before.customer != linked.customer || linked.is_over {
                self.balances.remove(account);
            }
        }
        if !linked.is_over {
            self.tokens.insert(linked.state, Subject::Account(account.clone()));
            self.linked.insert(account.clone(), linked.clone());
        }
    }

    fn apply_reads(&mut self, reads: &Reads) {
        let key = (reads.consent.clone(), reads.resource.clone(), reads.endpoint);
        if reads.at.is_empty() {
            self.reads.remove(&key);
        } else {
            self.reads.insert(key, reads.at.clone());
        }
    }

    fn apply_payment(&mut self, payment: &Payment) {
        if payment.is_over {
            self.payments.remove(&payment.txn);
            self.tokens.remove(&payment.token);
        } else {
            self.tokens.insert(payment.token, Subject::Payment(payment.txn));
            self.payments.insert(payment.txn, payment.clone());
        }
    }

    pub(crate) fn linked(&self, account: &str) -> Option<&Linked> {
        self.linked.get(account)
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Linked> {
        self.linked.values()
    }

    pub(crate) fn links_len(&self) -> usize {
        self.linked.len()
    }

    pub(crate) fn customer(&self, customer: &str) -> Option<&Customer> {
        self.customers.get(customer)
    }

    /// The customer whom the provider calls `applicant`.
    pub(crate) fn applicant(&self, applicant: &str) -> Option<&Customer> {
        self.customers.values().find(|customer| customer.applicant == applicant)
    }

    pub(crate) fn customers(&self) -> impl Iterator<Item = &Customer> {
        self.customers.values()
    }

    pub(crate) fn customers_len(&self) -> usize {
        self.customers.len()
    }

    pub(crate) fn balance(&self, account: &str) -> Option<&Cached> {
        self.balances.get(account)
    }

    /// When an endpoint of an account was read without its customer since `since`.
    pub(crate) fn reads(&self, linked: &Linked, endpoint: Endpoint, since: Utc) -> Vec<Utc> {
        let key = (linked.consent.clone(), linked.resource.clone(), endpoint);
        let at = self.reads.get(&key).map(Vec::as_slice).unwrap_or_default();
        at.iter().copied().filter(|at| *at > since).collect()
    }

    pub(crate) fn payment(&self, txn: TxnId) -> Option<&Payment> {
        self.payments.get(&txn)
    }

    pub(crate) fn payments(&self) -> impl Iterator<Item = &Payment> {
        self.payments.values()
    }

    pub(crate) fn payments_len(&self) -> usize {
        self.payments.len()
    }

    /// What this redirect is about.
    pub(crate) fn subject(&self, token: &[u8; 16]) -> Option<&Subject> {
        self.tokens.get(token)
    }
}
