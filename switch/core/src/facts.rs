//! The facts that hold, by what they are about: what [`crate::Switch::apply`] keeps of them.

use crate::fact::{Cached, Card, Customer, Endpoint, Fact, Linked, Payment, Reads};
use crate::record::TxnId;
use crate::time::Utc;
use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

/// Every fact that holds, and by what else it is found. Whoever may ask without saying who he is
/// asks by one of these names, so none of them may cost a search.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    linked: BTreeMap<String, Linked>,
    customers: BTreeMap<String, Customer>,
    balances: BTreeMap<String, Cached>,
    reads: BTreeMap<(String, String, Endpoint), Vec<Utc>>,
    payments: BTreeMap<TxnId, Payment>,
    /// By what a redirect brings back.
    tokens: BTreeMap<[u8; 16], Subject>,
    /// By the short id of the portal.
    links: BTreeMap<String, Subject>,
    /// By what the bank calls it: the bank, then the payment or the consent.
    names: BTreeMap<(String, String), Subject>,
    /// Open payments by their payment key.
    keys: BTreeMap<[u8; 16], TxnId>,
    /// Customers by what the provider calls them.
    applicants: BTreeMap<String, String>,
    /// Accounts by the digests of their cards, and the other way round.
    cards: BTreeMap<[u8; 32], String>,
    cards_of: BTreeSet<(String, [u8; 32])>,
    /// Accounts by their customers.
    accounts_of: BTreeSet<(String, String)>,
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
            Fact::Customer(customer) => self.apply_customer(customer),
            Fact::Balance(cached) if cached.is_over => {
                self.balances.remove(&cached.account);
            }
            Fact::Balance(cached) => {
                self.balances.insert(cached.account.clone(), cached.clone());
            }
            Fact::Reads(reads) => self.apply_reads(reads),
            Fact::Payment(payment) => self.apply_payment(payment),
            Fact::Card(card) => self.apply_card(card),
        }
    }

    fn apply_linked(&mut self, linked: &Linked) {
        if let Some(before) = self.linked.remove(&linked.account) {
            // What a claim was found by, the link finds that it has become.
            let subject = Subject::Account(before.account.clone());
            if self.tokens.get(&before.state) == Some(&subject) {
                self.tokens.remove(&before.state);
            }
            if self.links.get(&before.link) == Some(&subject) {
                self.links.remove(&before.link);
            }
            let name = (before.bank, before.consent);
            if self.names.get(&name) == Some(&subject) {
                self.names.remove(&name);
            }
            self.accounts_of.remove(&(before.customer, before.account));
        }
        if linked.is_over {
            return;
        }
        let subject = Subject::Account(linked.account.clone());
        self.tokens.insert(linked.state, subject.clone());
        if !linked.link.is_empty() {
            self.links.insert(linked.link.clone(), subject.clone());
        }
        if !linked.consent.is_empty() {
            self.names.insert((linked.bank.clone(), linked.consent.clone()), subject);
        }
        self.accounts_of.insert((linked.customer.clone(), linked.account.clone()));
        self.linked.insert(linked.account.clone(), linked.clone());
    }

    fn apply_customer(&mut self, customer: &Customer) {
        if !customer.applicant.is_empty() {
            self.applicants.insert(customer.applicant.clone(), customer.customer.clone());
        }
        self.customers.insert(customer.customer.clone(), customer.clone());
    }

    fn apply_reads(&mut self, reads: &Reads) {
        let key = (reads.consent.clone(), reads.resource.clone(), reads.endpoint);
        if reads.at.is_empty() {
            self.reads.remove(&key);
        } else {
            self.reads.insert(key, reads.at.clone());
        }
    }

    fn apply_card(&mut self, card: &Card) {
        if let Some(before) = self.cards.remove(&card.digest) {
            self.cards_of.remove(&(before, card.digest));
        }
        if !card.is_over {
            self.cards.insert(card.digest, card.account.clone());
            self.cards_of.insert((card.account.clone(), card.digest));
        }
    }

    fn apply_payment(&mut self, payment: &Payment) {
        let name = (payment.bank.clone(), payment.payment.clone());
        if payment.is_over {
            self.payments.remove(&payment.txn);
            self.tokens.remove(&payment.token);
            self.links.remove(&payment.link);
            self.names.remove(&name);
            if self.keys.get(&payment.key) == Some(&payment.txn) {
                self.keys.remove(&payment.key);
            }
            return;
        }
        let subject = Subject::Payment(payment.txn);
        if payment.token != [0; 16] {
            self.tokens.insert(payment.token, subject.clone());
        }
        if !payment.link.is_empty() {
            self.links.insert(payment.link.clone(), subject.clone());
        }
        if !payment.payment.is_empty() {
            self.names.insert(name, subject);
        }
        self.keys.insert(payment.key, payment.txn);
        self.payments.insert(payment.txn, payment.clone());
    }

    pub(crate) fn linked(&self, account: &str) -> Option<&Linked> {
        self.linked.get(account)
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Linked> {
        self.linked.values()
    }

    /// The link of an account; if nobody has one, the first claim on it.
    pub(crate) fn linked_or_asked(&self, account: &str) -> Option<&Linked> {
        self.linked(account).or_else(|| self.claims_on(account).next())
    }

    /// Claims on an account that somebody else has.
    pub(crate) fn claims_on(&self, account: &str) -> impl Iterator<Item = &Linked> {
        let from = Linked::claims_from(account);
        let claims = self.linked.range(from.clone()..);
        claims.map(|(_, claim)| claim).take_while(move |claim| claim.account.starts_with(&from))
    }

    pub(crate) fn links_len(&self) -> usize {
        self.linked.len()
    }

    /// The linked accounts of a customer that come after one, in their order.
    pub(crate) fn accounts_of<'f>(
        &'f self,
        customer: &'f str,
        after: &str,
    ) -> impl Iterator<Item = &'f Linked> {
        // Behind the account itself and what is asked for it.
        let after =
            if after.is_empty() { String::new() } else { format!("{after}\u{1f}\u{10ffff}") };
        let from = (customer.to_owned(), after);
        let own = self.accounts_of.range((Bound::Excluded(from), Bound::Unbounded));
        let own = own.take_while(move |(of, _)| of == customer);
        own.filter_map(move |(_, account)| self.linked.get(account))
    }

    pub(crate) fn customer(&self, customer: &str) -> Option<&Customer> {
        self.customers.get(customer)
    }

    /// The customer whom the provider calls `applicant`.
    pub(crate) fn applicant(&self, applicant: &str) -> Option<&Customer> {
        self.customers.get(self.applicants.get(applicant)?)
    }

    pub(crate) fn customers(&self) -> impl Iterator<Item = &Customer> {
        self.customers.values()
    }

    pub(crate) fn customers_len(&self) -> usize {
        self.customers.len()
    }

    /// What an account had when it was last seen, under the link that it has now.
    pub(crate) fn balance(&self, account: &str) -> Option<&Cached> {
        let linked = self.linked.get(account)?;
        self.balances.get(account).filter(|cached| cached.state == linked.state)
    }

    /// The account that a card stands for, by its digest.
    pub(crate) fn card(&self, digest: &[u8; 32]) -> Option<&str> {
        self.cards.get(digest).map(String::as_str)
    }

    pub(crate) fn cards_len(&self) -> usize {
        self.cards.len()
    }

    /// The digests of an account's cards.
    pub(crate) fn cards_of(&self, account: &str) -> Vec<[u8; 32]> {
        let from = (account.to_owned(), [0; 32]);
        let own = self.cards_of.range(from..).take_while(|(of, _)| of == account);
        own.map(|(_, digest)| *digest).collect()
    }

    /// Reads of which none is newer than `since`, so many at most, and when the newest of the
    /// oldest others was.
    pub(crate) fn old_reads(&self, since: Utc, most: usize) -> (Vec<Reads>, Option<Utc>) {
        let (mut old, mut next) = (Vec::new(), None);
        for ((consent, resource, endpoint), at) in &self.reads {
            let newest = at.iter().copied().max().unwrap_or_default();
            if newest <= since && old.len() < most {
                let (consent, resource) = (consent.clone(), resource.clone());
                old.push(Reads { consent, resource, endpoint: *endpoint, at: Vec::new() });
            } else {
                next = Some(next.map_or(newest, |next: Utc| next.min(newest)));
            }
        }
        (old, next)
    }

    /// Whether any reads are remembered.
    pub(crate) fn has_reads(&self) -> bool {
        !self.reads.is_empty()
    }

    /// When an endpoint of an account was read without its customer since `since`.
    pub(crate) fn reads(
        &self,
        (consent, resource): (&str, &str),
        endpoint: Endpoint,
        since: Utc,
    ) -> Vec<Utc> {
        let key = (consent.to_owned(), resource.to_owned(), endpoint);
        let at = self.reads.get(&key).map(Vec::as_slice).unwrap_or_default();
        at.iter().copied().filter(|at| *at > since).collect()
    }

    /// The last read of an endpoint that is not forgotten yet.
    pub(crate) fn last_read(
        &self,
        (consent, resource): (&str, &str),
        endpoint: Endpoint,
    ) -> Option<Utc> {
        let key = (consent.to_owned(), resource.to_owned(), endpoint);
        self.reads.get(&key).and_then(|at| at.iter().copied().max())
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

    /// The open payment with this key.
    pub(crate) fn payment_with(&self, key: &[u8; 16]) -> Option<TxnId> {
        self.keys.get(key).copied()
    }

    /// What this redirect is about.
    pub(crate) fn subject(&self, token: &[u8; 16]) -> Option<&Subject> {
        self.tokens.get(token)
    }

    /// What the portal finds behind this short id.
    pub(crate) fn behind(&self, link: &str) -> Option<&Subject> {
        self.links.get(link)
    }

    /// What a bank calls by this name.
    pub(crate) fn named(&self, bank: &str, name: &str) -> Option<&Subject> {
        self.names.get(&(bank.to_owned(), name.to_owned()))
    }
}
