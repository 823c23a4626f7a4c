//! Cards that stand for linked accounts (http-contracts 4.1, DE2). A card is known by a digest
//! that only this switch can make; its number is never kept.

use super::{Caller, Switch, code_of};
use crate::bridge::order;
use crate::enquiry::{Failed, Failure, Told};
use crate::fact::{Card, ConsentStatus, Fact, Linked};
use crate::record::CardNumber;
use crate::time::Now;
use veksel_codecs::{Message, field};

/// Cards of one account.
const CARDS_MAX: usize = 16;

/// First digits of DE3 of a deposit: its card is of who pays in, and stands for nothing.
const DEPOSIT: [u8; 2] = *b"21";

impl Switch {
    /// The link that a request is about: by its account (DE102), or if it names none, by its card
    /// (DE2).
    pub(in crate::engine) fn link_about(&self, message: &Message) -> Option<&Linked> {
        let facts = self.durable.facts();
        let account = message.get(field::ACCOUNT);
        let account = account.as_ref().map(field::Account::expose).unwrap_or_default().trim();
        if !account.is_empty() {
            return facts.linked(account);
        }
        if facts.cards_len() == 0 || code_of(message) == DEPOSIT {
            return None;
        }
        let card = message.get(field::PAN)?;
        facts.linked(facts.card(&order::card(&self.plan.digest_key, card.expose()))?)
    }

    /// A card stands for a linked account from now on, or no longer. Of a customer who is named
    /// the account must be: since the caller looked another's bank may have agreed.
    pub(super) fn set_card(
        &mut self,
        now: Now,
        id: Caller,
        (account, customer): (&str, Option<&str>),
        card: &CardNumber,
        is_over: bool,
    ) {
        let digest = order::card(&self.plan.digest_key, card.expose());
        let facts = self.durable.facts();
        let is_dead =
            |linked: &Linked| matches!(linked.status, ConsentStatus::Expired | ConsentStatus::Gone);
        let is_of =
            |linked: &Linked| customer.is_none_or(|customer| customer == linked.customer.as_str());
        let is_linked = facts
            .linked(account)
            .is_some_and(|linked| is_of(linked) && (is_over || !is_dead(linked)));
        let told = match facts.card(&digest) {
            Some(of) if of == account && is_linked => (!is_over).then_some(Told::Noted),
            _ if is_over || !is_linked => Some(Told::Unknown),
            // Whoever has it must give it up first.
            Some(_) => Some(Told::Failed(Failure::before(Failed::Duplicate))),
            None if facts.cards_of(account).len() >= CARDS_MAX => {
                Some(Told::Failed(Failure::before(Failed::OverCount)))
            }
            None if facts.cards_len() >= self.plan.limits.links_max as usize => Some(Told::Busy),
            None => None,
        };
        if let Some(told) = told {
            return self.tell(now, id, told, None);
        }
        let account = account.to_owned();
        let record = self.establish(now, Fact::Card(Card { digest, account, is_over }));
        self.tell(now, id, Told::Noted, Some(record));
    }

    /// The cards of an account stand for nothing any more.
    pub(super) fn forget_cards(&mut self, now: Now, account: &str) {
        for digest in self.durable.facts().cards_of(account) {
            let account = account.to_owned();
            self.establish(now, Fact::Card(Card { digest, account, is_over: true }));
        }
    }
}
