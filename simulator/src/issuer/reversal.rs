//! Reversals (0400, 0420 and their repeats), and how they and completions find their originals.
//!
//! What is undone is for the ledger to say. An advice cannot be declined, but it can be answered
//! 25 (nothing of that name has come; it will be refused if it does) or 21 (it was declined
//! anyway). No card and no magic amount is looked at: money must come back.

use veksel_codecs::structured::replacement_amount;
use veksel_codecs::{Fault, Message, field};
use veksel_core::time::Utc;

use super::draft::Decline;
use super::{Given, Issuer, entry};
use crate::ledger::{AccountId, Key, Operation, Outcome, Reply, Reverse};

impl Issuer {
    pub(super) fn reverse(&mut self, now: Utc, message: &Message) -> Result<Given, Decline> {
        let original = self.original(now, message)?;
        let wrong = Decline::Format(field::REPLACEMENT_AMOUNTS.number(), Fault::Value);
        let actual = message.get(field::REPLACEMENT_AMOUNTS).map(|text| {
            let actual = replacement_amount(&text);
            actual.and_then(|actual| i64::try_from(actual).ok()).ok_or(wrong)
        });
        let operation = Operation::Reverse(Reverse { original, actual: actual.transpose()? });
        let request = entry::request(message, operation)?;
        let executed = self.execute(now, message, &request, |_| Ok(()))?;
        Ok(self.given(message, executed))
    }

    /// The key of the message that DE90 names; if that has not come, the one approved message with
    /// the same DE37 that also agrees in class, terminal, account and amount.
    pub(super) fn original(&self, now: Utc, message: &Message) -> Result<Key, Decline> {
        let named = entry::original_key(message)?;
        if self.ledger.reply_to_original(now.0, &named).is_some() {
            return Ok(named);
        }
        Ok(self.original_by_rrn(message, &named).unwrap_or(named))
    }

    fn original_by_rrn(&self, message: &Message, named: &Key) -> Option<Key> {
        let account = self.ledger.find_account(&entry::account(message).ok()?)?;
        let amount = entry::money(message).ok()?;
        let is_meant = |reply: &&Reply| {
            let key = &reply.key;
            key.class == named.class
                && key.rrn == named.rrn
                && key.terminal == named.terminal
                && key.acceptor == named.acceptor
                && reply.outcome == Outcome::Approved
                && reply.amount == Some(amount)
                && self.touches(reply, account)
        };
        let newest = self.ledger.replies_newest_first().take(LOOK_BACK_MAX);
        let mut found = newest.filter(is_meant);
        match (found.next(), found.next()) {
            (Some(only), None) => Some(only.key),
            // Between two, guessing would return somebody's money twice.
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    fn touches(&self, reply: &Reply, account: AccountId) -> bool {
        let transfer = reply.transfer.and_then(|id| self.ledger.transfer(id));
        let hold = reply.hold.and_then(|id| self.ledger.hold(id));
        transfer.is_some_and(|moved| moved.debit == account || moved.credit == account)
            || hold.is_some_and(|hold| hold.account == account)
    }
}

/// A reversal comes soon after its original, and looking costs time.
const LOOK_BACK_MAX: usize = 4_096;
