//! Records: the durable facts, in the order in which they happened.
//!
//! A record says what was decided, never what to do. The engine's durable state is a fold over
//! them ([`crate::Switch::apply`]). `store` gives them bytes; nothing here is serialised.
//!
//! A payment passes through these records:
//!
//! ```text
//! Intent ─► Outcome(NotSent)                                   91, nothing left the switch
//!        ─► Outcome(Answered)                                  the host's answer, relayed
//!        ─► Outcome(Indefinite) + Reversal(Queued)             68
//!                  Reversal(Sent)* ─► Reversal(Settled) | Reversal(Parked) ─► Reversal(Resolved)
//! ```

use crate::fact::Fact;
use crate::time::Utc;
use core::fmt;
use std::sync::Arc;
use veksel_codecs::{Class, Mti, ResponseCode};

/// The place of a record in the journal: 1, 2, 3, … without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RecordId(pub u64);

/// A transaction, for its whole life and across restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TxnId(pub u64);

/// One durable fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A request that can move or hold money is about to leave.
    Intent(Arc<Intent>),
    /// What became of it.
    Outcome(Box<Outcome>),
    /// A step in the life of a reversal.
    Reversal(Reversal),
    /// An inquiry that was answered. Nothing waits for this one.
    Inquiry(Box<Inquiry>),
    /// Somebody or something changed the state of the switch itself.
    Notice(Notice),
    /// Something outlives the request it came from.
    Fact(Box<Known>),
}

/// A request that can move or hold money, as far as its reversal needs it.
///
/// Holds no PIN, track, CVV or chip data: they are passed on and forgotten (PCI DSS 3.3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// The transaction it opens.
    pub txn: TxnId,
    /// When the request was received.
    pub utc: Utc,
    /// What makes two requests the same one.
    pub key: DuplicateKey,
    /// Keyed digest of the content (DE2, 3, 4, 49, 102, 103, and the totals of a reconciliation),
    /// to tell a repeat from a clash.
    pub digest: [u8; 32],
    /// Name of the link it came in on.
    pub link: String,
    /// Name of the route taken.
    pub route: String,
    /// Name of the link group it goes to.
    pub group: String,
    /// Type as received, repeat digit included.
    pub mti: Mti,
    /// DE3, six digits; empty for a reconciliation, which has none and no amount.
    pub code: String,
    /// DE4 in minor units of `currency`.
    pub amount: u64,
    /// DE49, ISO 4217 numeric; 0 if absent.
    pub currency: u16,
    /// DE11 the host sees.
    pub host_stan: u32,
    /// DE12, empty if absent.
    pub local_time: String,
    /// DE13, empty if absent.
    pub local_date: String,
    /// DE33, empty if absent.
    pub forwarder: String,
    /// DE2, if a card started it. The store encrypts it.
    pub pan: Option<CardNumber>,
    /// DE102, empty if absent.
    pub account: String,
    /// DE103, empty if absent.
    pub counter_account: String,
    /// DE90 of an advice or reversal that names an earlier message, by the numbers that the host
    /// knows; empty if absent.
    pub original: String,
    /// What else an advice must carry whenever it is sent, as (field number, canonical value); of a
    /// 0100 that gives a hold another amount, which hold. Never a sensitive field.
    pub carried: Vec<(u8, String)>,
    /// What a caller over HTTP knows the request by that this message is of. A request that becomes
    /// several messages has one for all of them. `None` for what comes over a channel, and for a
    /// caller whose requests are known by their numbers alone.
    pub caller_key: Option<CallerKey>,
}

impl Intent {
    /// Whether it went to a bank over HTTP: by no trace number, under the bank's name.
    #[must_use]
    pub const fn is_at_bank(&self) -> bool {
        self.host_stan == 0 && !self.group.is_empty()
    }

    /// Whether it is an advice or a channel's reversal: taken over, and delivered as itself.
    #[must_use]
    pub const fn is_taken_over(&self) -> bool {
        self.mti.is_advice() || matches!(self.mti.class(), Class::Reversal)
    }
}

/// The duplicate key of ARCHITECTURE.md: who sent it and what the sender called it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct DuplicateKey {
    /// Name of the participant.
    pub participant: String,
    /// Second digit of the MTI, `'1'` for authorisations and so on.
    pub class: u8,
    /// DE7, `MMDDhhmmss`.
    pub transmission: String,
    /// DE11 as the sender gave it.
    pub stan: u32,
    /// DE32, empty if absent.
    pub acquirer: String,
    /// DE37, empty if absent.
    pub rrn: String,
    /// DE41, trailing spaces removed, empty if absent.
    pub terminal: String,
    /// DE42, trailing spaces removed, empty if absent.
    pub acceptor: String,
}

impl DuplicateKey {
    /// Makes the key unlike any other. Only a planted bug does.
    pub(crate) fn forget_for_bug(&mut self, txn: TxnId) {
        self.transmission = format!("bug {}", txn.0);
        self.acceptor = format!("bug {}", txn.0);
    }
}

/// What a caller over HTTP knows a request by: keyed digests, so that nothing the caller says is
/// kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallerKey {
    /// Of the idempotency key, within whoever made it.
    pub key: [u8; 16],
    /// Of all that must be the same when that key comes again: where it was asked, and the body.
    pub content: [u8; 16],
}

/// A card number on its way to the encrypting store. Shows its first six and last four digits.
#[derive(Clone, PartialEq, Eq)]
pub struct CardNumber(String);

impl CardNumber {
    /// Takes the digits of DE2.
    #[must_use]
    pub fn new(digits: &str) -> Self {
        Self(digits.to_owned())
    }

    /// The digits in clear. Only for the wire and for the cipher.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// First six and last four digits, as PCI DSS 3.4.1 lets people see them.
    #[must_use]
    pub fn masked(&self) -> String {
        veksel_codecs::mask_pan(&self.0)
    }
}

impl fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

/// What became of an intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The transaction it closes.
    pub txn: TxnId,
    /// When it was decided.
    pub utc: Utc,
    /// How certain the switch is.
    pub verdict: Verdict,
    /// DE39 that the channel gets.
    pub response: ResponseCode,
    /// Why, for people.
    pub reason: Reason,
    /// The answer to replay to a duplicate, as (field number, canonical value), without the
    /// fields that echo the request. Never a sensitive field.
    pub answer: Vec<(u8, String)>,
}

/// How certain the switch is of what the host did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Verdict {
    /// No byte was written. Safe to try elsewhere, nothing to reverse.
    NotSent,
    /// A byte was written and no verified, matched answer came.
    Indefinite,
    /// A verified answer that matched the request.
    Answered,
    /// An advice or a channel's reversal that the switch has taken over: it will reach the host.
    Accepted,
}

/// Why a transaction ended as it did.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// The host answered.
    Host,
    /// No connection of the group was signed on.
    NoConnection,
    /// The breaker of the group was open.
    BreakerOpen,
    /// A window, table or queue was full.
    Overload,
    /// The deadline passed before the first byte was written.
    Expired,
    /// The connection closed before the first byte was written.
    ClosedUnsent,
    /// The message could not be written in the host's dialect.
    Unencodable,
    /// The deadline passed after a byte was written.
    Timeout,
    /// The connection closed after a byte was written.
    ClosedSent,
    /// An answer came that did not fit the request.
    Mismatch,
    /// The switch restarted while it was in flight.
    Restart,
    /// The host approved and the channel could not be told.
    Undelivered,
    /// The store holds another transaction with the same key.
    Duplicate,
    /// The channel took it back.
    Cancelled,
    /// It tells of something done and cannot be declined.
    Advice,
    /// The switch itself did not let it through: the customer may not pay, nobody can be paid, or
    /// the account is not linked.
    Gate,
    /// Its customer did not approve it in time.
    Unapproved,
}

/// A step of what is sent until the host has answered for good: the reversal of a request, or an
/// advice itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reversal {
    /// The transaction that is reversed, or the advice that is delivered.
    pub txn: TxnId,
    /// When the step was taken.
    pub utc: Utc,
    /// Which step.
    pub step: ReversalStep,
}

/// The steps of a reversal. `Settled`, `Parked` and `Resolved` end the automatic sending.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReversalStep {
    /// It must be sent until it is settled. Once more when a person takes up a parked one.
    Queued {
        /// Why.
        reason: Reason,
        /// What moved after all, in minor units, if only a part is to be undone (DE95).
        actual: Option<u64>,
    },
    /// It was handed to a connection for the `attempt`-th time; from the second it is a 0421.
    Sent {
        /// Counts from 1.
        attempt: u32,
    },
    /// The host confirmed with this code that nothing is left to reverse.
    Settled {
        /// DE39 of the 0430.
        response: ResponseCode,
    },
    /// It cannot be delivered by repeating it; a person must look.
    Parked {
        /// DE39 of the last 0430, if there was one.
        response: Option<ResponseCode>,
    },
    /// A person ended it.
    Resolved {
        /// Who.
        operator: String,
        /// Why.
        note: String,
    },
}

impl ReversalStep {
    /// Whether from here on the transaction is being undone. An advice that is delivered is not.
    #[must_use]
    pub const fn undoes(&self) -> bool {
        matches!(self, Self::Queued { reason, .. } if !matches!(reason, Reason::Advice))
    }

    /// How far the undoing has come with this step, if it had come as far as `before`. What was
    /// never to be undone, such as an advice that is delivered, stays so.
    #[must_use]
    pub const fn undoing(&self, before: Option<Undoing>) -> Option<Undoing> {
        match (self, before) {
            (Self::Queued { .. }, _) if self.undoes() => Some(Undoing::Reversing),
            (Self::Queued { .. }, _) | (_, None) => before,
            (Self::Sent { .. }, Some(Undoing::Parked)) => Some(Undoing::Reversing),
            (Self::Sent { .. }, Some(_)) => before,
            (Self::Settled { .. }, Some(_)) => Some(Undoing::Reversed),
            (Self::Parked { .. }, Some(_)) => Some(Undoing::Parked),
            (Self::Resolved { .. }, Some(_)) => Some(Undoing::Resolved),
        }
    }
}

/// How far the undoing of a transaction has come: what its channel hears when it asks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Undoing {
    /// Its host is told until it confirms; until then the money may have moved.
    Reversing,
    /// Telling its host again cannot help; until a person decides, the money may have moved.
    Parked,
    /// Its host has confirmed that what was to go back has.
    Reversed,
    /// A person has ended it; what became of the money is in the audit trail.
    Resolved,
}

/// An inquiry and its answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inquiry {
    /// The transaction.
    pub txn: TxnId,
    /// When the answer was decided.
    pub utc: Utc,
    /// Name of the participant that asked.
    pub participant: String,
    /// Name of the link it came in on.
    pub link: String,
    /// Name of the route taken.
    pub route: String,
    /// Type as received.
    pub mti: Mti,
    /// DE3, six digits.
    pub code: String,
    /// DE11 as the sender gave it.
    pub stan: u32,
    /// DE37, empty if absent.
    pub rrn: String,
    /// DE41, trailing spaces removed.
    pub terminal: String,
    /// DE102, empty if absent.
    pub account: String,
    /// How certain the answer is.
    pub verdict: Verdict,
    /// DE39 that the channel got.
    pub response: ResponseCode,
    /// Why.
    pub reason: Reason,
}

/// A fact and when it was established.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// When.
    pub utc: Utc,
    /// What.
    pub fact: Fact,
}

/// A change of the switch itself that an auditor wants to find.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// When.
    pub utc: Utc,
    /// Who: `"switch"`, or an operator's name.
    pub actor: String,
    /// What, in a word: `start`, `stop`, `sign-on`, `breaker`.
    pub action: String,
    /// The rest, for people. Never a field value.
    pub detail: String,
}

impl Record {
    /// The transaction the record belongs to, if any.
    #[must_use]
    pub fn txn(&self) -> Option<TxnId> {
        match self {
            Self::Intent(r) => Some(r.txn),
            Self::Outcome(r) => Some(r.txn),
            Self::Reversal(r) => Some(r.txn),
            Self::Inquiry(r) => Some(r.txn),
            Self::Notice(_) => None,
            Self::Fact(r) => r.fact.txn(),
        }
    }

    /// When the fact happened.
    #[must_use]
    pub fn utc(&self) -> Utc {
        match self {
            Self::Intent(r) => r.utc,
            Self::Outcome(r) => r.utc,
            Self::Reversal(r) => r.utc,
            Self::Inquiry(r) => r.utc,
            Self::Notice(r) => r.utc,
            Self::Fact(r) => r.utc,
        }
    }
}

macro_rules! words {
    ($type:ty, $($variant:ident = $word:literal),* $(,)?) => {
        impl $type {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that records, views and metrics use.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

words!(
    Undoing,
    Reversing = "reversing",
    Parked = "parked",
    Reversed = "reversed",
    Resolved = "resolved",
);
words!(
    Verdict,
    NotSent = "not_sent",
    Indefinite = "indefinite",
    Answered = "answered",
    Accepted = "accepted",
);
words!(
    Reason,
    Host = "host",
    NoConnection = "no_connection",
    BreakerOpen = "breaker_open",
    Overload = "overload",
    Expired = "expired",
    ClosedUnsent = "closed_unsent",
    Unencodable = "unencodable",
    Timeout = "timeout",
    ClosedSent = "closed_sent",
    Mismatch = "mismatch",
    Restart = "restart",
    Undelivered = "undelivered",
    Duplicate = "duplicate",
    Cancelled = "cancelled",
    Advice = "advice",
    Gate = "gate",
    Unapproved = "unapproved",
);
