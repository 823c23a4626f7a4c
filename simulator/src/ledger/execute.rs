//! One request from arrival to answer: look for an earlier copy, ask the rules, apply, remember.
//!
//! What a request leads to is in [`super::rules`]; this only makes sure that it happens once and
//! that the answer can be given again.

use super::account::{AccountId, Balances};
use super::apply::Claim;
use super::operation::{Operation, Request, Sending};
use super::records::{Effect, Outcome, Reply, Verdict};
use super::rules::Ruling;
use super::{Ledger, Profile, Unsound};
use crate::money::Money;

impl Ledger {
    /// Executes the request, or answers as before if it has been executed.
    ///
    /// The effect is already applied here; it must be committed to the book before the answer
    /// leaves, or a killed bank would deny what it said.
    pub fn execute(&mut self, utc_ms: u64, request: &Request) -> Verdict {
        if let Some(verdict) = self.remembered(utc_ms, request) {
            return verdict;
        }
        let mut ruling = self.rule(utc_ms, request);
        if let Some(change) = ruling.change.take() {
            let effect = Effect { change: Some(change), reply: None };
            match self.apply(&effect) {
                Ok(()) => ruling.change = effect.change,
                Err(unsound) => {
                    debug_assert_eq!(unsound, Unsound::Overflow, "a rule proposed nonsense");
                    let outcome = match unsound {
                        Unsound::Overflow => Outcome::Overflow,
                        Unsound::NumberTaken
                        | Unsound::TooManyAccounts
                        | Unsound::UnknownAccount
                        | Unsound::UnknownHold
                        | Unsound::Sides
                        | Unsound::Amount
                        | Unsound::Sequence
                        | Unsound::Reversal => Outcome::Malfunction,
                    };
                    ruling = Ruling::without_change(outcome, ruling.amount);
                }
            }
        }
        self.conclude(utc_ms, request, ruling)
    }

    /// What an earlier copy of the request makes of it: the same answer, or a conflict. `None` if
    /// there was none, or the profile forgets. A host asks before it looks at anything that time
    /// can change, such as the expiry of a card.
    #[must_use]
    pub fn remembered(&self, utc_ms: u64, request: &Request) -> Option<Verdict> {
        let stored = match (self.profile, request.sending) {
            (Profile::Legacy, _) => None,
            (Profile::Ideal, Sending::First) => self.replies.exact(&request.key),
            (Profile::Ideal, Sending::Repeat) => {
                self.replies.traced(&request.key, utc_ms, self.limits.window_ms)
            }
        }?;
        if stored.digest == request.digest {
            return Some(Verdict { reply: *stored, is_replay: true, effect: None });
        }
        let amount = request.operation.amount();
        let ruling = Ruling::without_change(Outcome::Conflict, amount);
        let reply = self.reply_to(utc_ms, request, &ruling);
        Some(Verdict { reply, is_replay: false, effect: None })
    }

    fn rule(&mut self, utc_ms: u64, request: &Request) -> Ruling {
        let amount = request.operation.amount();
        let claim = match &request.operation {
            Operation::Post(_) => Claim::Transfer,
            Operation::Hold(_) => Claim::Hold,
            Operation::Adjust(_)
            | Operation::Capture(_)
            | Operation::Void(_)
            | Operation::Reverse(_) => Claim::Reserve,
        };
        if !self.make_room(utc_ms, claim) {
            return Ruling::without_change(Outcome::Overloaded, amount);
        }
        let key = &request.key;
        let is_reversed = match self.profile {
            Profile::Ideal => self.replies.entombed(key, utc_ms, self.limits.window_ms),
            Profile::Legacy => false,
        };
        if is_reversed {
            return Ruling::without_change(Outcome::ReversedBefore, amount);
        }
        let ruling = match &request.operation {
            Operation::Post(post) => self.rule_post(utc_ms, key, post),
            Operation::Hold(hold) => self.rule_hold(utc_ms, key, hold),
            Operation::Adjust(adjust) => self.rule_adjust(adjust),
            Operation::Capture(capture) => self.rule_capture(utc_ms, key, capture),
            Operation::Void(void) => {
                self.find_hold(utc_ms, void.hold).and_then(|id| self.rule_release(id, 0))
            }
            Operation::Reverse(reverse) => self.rule_reverse(utc_ms, key, reverse),
        };
        ruling.unwrap_or_else(|outcome| Ruling::without_change(outcome, amount))
    }

    fn conclude(&mut self, utc_ms: u64, request: &Request, ruling: Ruling) -> Verdict {
        let mut reply = self.reply_to(utc_ms, request, &ruling);
        if !ruling.outcome.is_remembered() {
            return Verdict { reply, is_replay: false, effect: None };
        }
        reply.id = self.replies.next_id();
        reply.approval = match (&request.operation, ruling.outcome.is_approved()) {
            (
                Operation::Post(_)
                | Operation::Hold(_)
                | Operation::Adjust(_)
                | Operation::Capture(_),
                true,
            ) => Some(approval_code(reply.id)),
            (Operation::Void(_) | Operation::Reverse(_), true) | (_, false) => None,
        };
        self.replies.insert(reply);
        let effect = Effect { change: ruling.change, reply: Some(reply) };
        Verdict { reply, is_replay: false, effect: Some(effect) }
    }

    fn reply_to(&self, utc_ms: u64, request: &Request, ruling: &Ruling) -> Reply {
        Reply {
            id: 0,
            key: request.key,
            digest: request.digest,
            utc_ms,
            outcome: ruling.outcome,
            amount: ruling.amount,
            approval: None,
            from: self.customer_balances(ruling.from),
            to: self.customer_balances(ruling.to),
            hold: ruling.hold,
            transfer: ruling.transfer,
        }
    }

    fn customer_balances(&self, id: Option<AccountId>) -> Option<Balances> {
        let account = self.account(id?)?;
        account.holder().map(|_| account.balances())
    }
}

impl Operation {
    /// What a refusal reports; reversals and voids learn theirs from the original.
    const fn amount(&self) -> Option<Money> {
        match self {
            Self::Post(post) => Some(post.amount),
            Self::Hold(hold) => Some(hold.amount),
            Self::Adjust(adjust) => Some(adjust.amount),
            Self::Capture(capture) => Some(capture.amount),
            Self::Void(_) | Self::Reverse(_) => None,
        }
    }
}

/// Six characters of base 36, counting up: unique for two thousand million replies.
fn approval_code(id: u64) -> [u8; 6] {
    let mut code = [b'0'; 6];
    let mut rest = id;
    for slot in code.iter_mut().rev() {
        let digit = u8::try_from(rest % 36).unwrap_or(0);
        *slot = if digit < 10 { b'0' + digit } else { b'A' + (digit - 10) };
        rest /= 36;
    }
    code
}
