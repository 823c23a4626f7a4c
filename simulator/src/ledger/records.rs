//! What the ledger produces: transfers, holds, replies, and the effects the book writes down.
//!
//! Everything here is a fact that has happened. [`Effect`] is the only thing that travels from
//! the ledger to the book, and [`super::Ledger::apply`] the only thing that reads it back.

use std::fmt;
use std::str::FromStr;

use crate::money::{Currency, Money};

use super::account::{AccountId, Balances};
use super::key::{Digest, Key};

/// Counts from 1 in the order of posting, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u64);

/// Counts from 1 in the order of placing. Written `H000000012` in DE48 tag 30.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub u64);

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "H{:09}", self.0)
    }
}

impl FromStr for HoldId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix('H').unwrap_or(text).parse().map(Self)
    }
}

/// Money that moved. It is never changed, only marked reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Its place in the order of posting.
    pub id: TransferId,
    /// Who paid.
    pub debit: AccountId,
    /// Who was paid.
    pub credit: AccountId,
    /// Minor units, above zero.
    pub amount: i64,
    /// Of the amount and of both accounts.
    pub currency: Currency,
    /// First two digits of DE3.
    pub tran_type: u8,
    /// As it was given; statements cut it to 25 characters.
    pub narration: String,
    /// When the bank posted it, not when the terminal sent it.
    pub utc_ms: u64,
    /// The message that posted it; `None` for a seed entry.
    pub key: Option<Key>,
    /// The hold this transfer captured.
    pub hold: Option<HoldId>,
    /// The transfer this one undoes, in full or in part.
    pub reverses: Option<TransferId>,
    /// The transfer that undid this one, and how much of it.
    pub reversed: Option<(TransferId, i64)>,
}

/// Money that was promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its place in the order of placing.
    pub id: HoldId,
    /// Whose available balance it lowers.
    pub account: AccountId,
    /// What was asked for, last; [`HoldState::Open`] knows what is left of it.
    pub amount: i64,
    /// Of the amount and of the account.
    pub currency: Currency,
    /// The only part that changes.
    pub state: HoldState,
    /// First two digits of DE3.
    pub tran_type: u8,
    /// As it was given.
    pub narration: String,
    /// When it was placed.
    pub utc_ms: u64,
    /// `None` never expires (a hold from the seeds).
    pub expires_ms: Option<u64>,
    /// The message that placed it; `None` for a seed.
    pub key: Option<Key>,
    /// The last adjustment, as long as it can be taken back.
    pub adjusted: Option<Adjusted>,
}

/// What takes back an adjustment of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjusted {
    /// The reply to the message that made it.
    pub by: u64,
    /// What was held before.
    pub before: i64,
}

/// A hold leaves `Open` once and never returns; only a late capture follows `Expired`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// Minor units still reserved; less than the amount after a partial reversal.
    Open(i64),
    /// Minor units posted.
    Captured(i64),
    /// By a void, or a full reversal.
    Voided,
    /// By time alone.
    Expired,
}

impl HoldState {
    /// Minor units it keeps from being spent.
    #[must_use]
    pub const fn held(self) -> i64 {
        match self {
            Self::Open(left) => left,
            Self::Captured(_) | Self::Voided | Self::Expired => 0,
        }
    }

    /// An expired hold can still be captured: the completion says that the goods have left.
    pub(super) const fn is_capturable(self) -> bool {
        match self {
            Self::Open(_) | Self::Expired => true,
            Self::Captured(_) | Self::Voided => false,
        }
    }
}

/// How a request ended, in order of precedence: of several that fit, the first is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A table is full of things too young to forget. Nothing was looked at.
    Overloaded,
    /// Same key, other content.
    Conflict,
    /// The reversal of this very message came first.
    ReversedBefore,
    /// Zero, negative, or more than 12 digits.
    InvalidAmount,
    /// A reversal or capture names a message that is not on file.
    OriginalNotFound,
    /// A reversal or capture of something that was declined, voided or is no longer open to it.
    NoAction,
    /// Debit or credit account; also one of the bank's own, named by a message.
    NoAccount,
    /// Either account.
    Closed,
    /// Either account.
    Blocked,
    /// DE49 is not the currency of an account (switch-semantics.md #47). 12 rather than 13: the
    /// amount is sound, the transaction is not.
    CurrencyMismatch,
    /// Debit and credit are the same account.
    SameAccount,
    /// A debit of a dormant account.
    NotPermitted,
    /// A capture above 115 % of its hold.
    ExceedsHold,
    /// The available balance does not cover the amount.
    InsufficientFunds,
    /// A balance would no longer fit the 12 digits of DE54.
    Overflow,
    /// The ledger contradicts itself; a bug, and nothing was changed.
    Malfunction,
    /// A second reversal, void or completion of the same original. Nothing moved this time.
    AlreadyDone,
    /// Done now, or the copy of what was done.
    Approved,
}

impl Outcome {
    /// By precedence, the first wins.
    pub const ALL: [Self; 18] = [
        Self::Overloaded,
        Self::Conflict,
        Self::ReversedBefore,
        Self::InvalidAmount,
        Self::OriginalNotFound,
        Self::NoAction,
        Self::NoAccount,
        Self::Closed,
        Self::Blocked,
        Self::CurrencyMismatch,
        Self::SameAccount,
        Self::NotPermitted,
        Self::ExceedsHold,
        Self::InsufficientFunds,
        Self::Overflow,
        Self::Malfunction,
        Self::AlreadyDone,
        Self::Approved,
    ];

    /// DE39.
    #[must_use]
    pub const fn response_code(self) -> &'static str {
        match self {
            Self::Overloaded => "91",
            Self::Conflict => "94",
            Self::ReversedBefore | Self::NoAction => "21",
            Self::InvalidAmount | Self::Overflow => "13",
            Self::OriginalNotFound => "25",
            Self::NoAccount => "14",
            Self::Closed => "45",
            Self::Blocked => "62",
            Self::CurrencyMismatch | Self::SameAccount => "12",
            Self::NotPermitted => "57",
            Self::ExceedsHold => "61",
            Self::InsufficientFunds => "51",
            Self::Malfunction => "96",
            Self::AlreadyDone | Self::Approved => "00",
        }
    }

    /// Stable name in the `replies` table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Conflict => "conflict",
            Self::ReversedBefore => "reversed_before",
            Self::InvalidAmount => "invalid_amount",
            Self::OriginalNotFound => "original_not_found",
            Self::NoAction => "no_action",
            Self::NoAccount => "no_account",
            Self::Closed => "closed",
            Self::Blocked => "blocked",
            Self::CurrencyMismatch => "currency_mismatch",
            Self::SameAccount => "same_account",
            Self::NotPermitted => "not_permitted",
            Self::ExceedsHold => "exceeds_hold",
            Self::InsufficientFunds => "insufficient_funds",
            Self::Overflow => "overflow",
            Self::Malfunction => "malfunction",
            Self::AlreadyDone => "already_done",
            Self::Approved => "approved",
        }
    }

    /// `None` for a name from another version.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// DE39 is 00.
    #[must_use]
    pub const fn is_approved(self) -> bool {
        matches!(self, Self::Approved | Self::AlreadyDone)
    }

    /// Whether the same key gets this answer again. A mistake in the message is forgotten, so
    /// that a corrected retry works; a refusal by the bank is not.
    #[must_use]
    pub const fn is_remembered(self) -> bool {
        match self {
            Self::Overloaded
            | Self::Conflict
            | Self::InvalidAmount
            | Self::CurrencyMismatch
            | Self::SameAccount
            | Self::Overflow
            | Self::Malfunction => false,
            Self::ReversedBefore
            | Self::OriginalNotFound
            | Self::NoAction
            | Self::NoAccount
            | Self::Closed
            | Self::Blocked
            | Self::NotPermitted
            | Self::ExceedsHold
            | Self::InsufficientFunds
            | Self::AlreadyDone
            | Self::Approved => true,
        }
    }
}

/// Everything an answer needs, so that the same answer can be given again after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Counts from 1 over the remembered replies; 0 when it is not remembered.
    pub id: u64,
    /// The message that was answered.
    pub key: Key,
    /// To tell a copy from a conflict.
    pub digest: Digest,
    /// Of the first answer; a replay keeps it.
    pub utc_ms: u64,
    /// DE39, and why.
    pub outcome: Outcome,
    /// What moved or was held or released; for a refusal, what was asked. `None` when a refused
    /// reversal or void names nothing that has an amount.
    pub amount: Option<Money>,
    /// DE38, for approved postings, holds and captures.
    pub approval: Option<[u8; 6]>,
    /// The debited (or held) customer account after the operation.
    pub from: Option<Balances>,
    /// The credited customer account after the operation.
    pub to: Option<Balances>,
    /// DE48 tag 30: placed, captured or released.
    pub hold: Option<HoldId>,
    /// Posted by this message, or by the one that did it before.
    pub transfer: Option<TransferId>,
}

/// The answer to a request.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// For the host to turn into a message.
    pub reply: Reply,
    /// The reply was given before and nothing was executed now.
    pub is_replay: bool,
    /// To be committed before the answer leaves. `None` when there is nothing to remember.
    pub effect: Option<Effect>,
}

/// One request's durable consequence; applied and committed whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// `None` when only the answer is remembered.
    pub change: Option<Change>,
    /// `None` for what no message asked for: seeds and expiry.
    pub reply: Option<Reply>,
}

/// What one request changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Also a reversal, when the transfer says so.
    Posted(Transfer),
    /// Lowers the available balance.
    Held(Hold),
    /// Posts and releases at once.
    Captured {
        /// Open or expired until now.
        hold: HoldId,
        /// Names the same hold.
        transfer: Transfer,
    },
    /// Still open, with more or less than before.
    Adjusted {
        /// Open until now.
        hold: HoldId,
        /// What it holds from now on.
        amount: i64,
        /// `None` when an adjustment was taken back.
        adjusted: Option<Adjusted>,
    },
    /// Voided, expired, or `Open` with less than before.
    Released {
        /// Open until now.
        hold: HoldId,
        /// What it is from now on.
        state: HoldState,
    },
    /// Refuses a message in advance.
    Tombstoned(Tombstone),
    /// Begins the next business day.
    CutOver {
        /// When.
        utc_ms: u64,
    },
}

/// The reversal of a message that has not arrived. The message will be refused when it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// Will be refused.
    pub original: Key,
    /// When the reversal came.
    pub utc_ms: u64,
}
