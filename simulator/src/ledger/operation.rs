//! What may be asked of the ledger: one [`Request`] is one message that moves or holds money.
//!
//! The host has already understood the message: it has chosen the accounts, read the amount and
//! built the keys. Nothing here has been checked against the ledger yet.

use crate::money::Money;

use super::account::Gl;
use super::key::{Digest, Key};
use super::records::HoldId;

/// A message as the ledger sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which message it is.
    pub key: Key,
    /// Of whatever must not differ between copies: account or card, type, amount, currency.
    pub digest: Digest,
    /// By the last digit of the MTI.
    pub sending: Sending,
    /// By MTI and DE3.
    pub operation: Operation,
}

/// Decides how an earlier copy of the message is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// x200, x220, x420: an earlier copy has exactly the same key.
    First,
    /// x201, x221, x421: an earlier copy may have another DE7 and is found by its trace.
    Repeat,
}

/// By MTI: 0200 and 0220 post, 0100 and 0120 hold, 0100 with a hold in DE48 adjusts it, 0220 with
/// DE90 captures, 0420 reverses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Of DE3 00, 01, 09, 20, 21, 40 and 50.
    Post(Post),
    /// Of DE3 00 and 01.
    Hold(PlaceHold),
    /// Of DE3 00 and 01, where DE48 names a hold.
    Adjust(Adjust),
    /// Of the DE3 of its hold.
    Capture(Capture),
    /// By number, without an original message.
    Void(Void),
    /// Of a post, a capture or a hold.
    Reverse(Reverse),
}

/// One transfer: exactly one debit, exactly one credit, one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Who pays.
    pub debit: Side,
    /// Who is paid. Not checked for funds.
    pub credit: Side,
    /// DE4 and DE49.
    pub amount: Money,
    /// First two digits of DE3.
    pub tran_type: u8,
    /// DE104, or what the host makes of DE43; up to 100 characters.
    pub narration: String,
    /// By request or advice.
    pub funds: Funds,
}

/// One end of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// A customer's account by number.
    Account(String),
    /// The bank's own account in the currency of the amount.
    Bank(Gl),
}

/// Whether the balance can refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Funds {
    /// A request: refused when the available balance does not cover it.
    Checked,
    /// An advice (0120 or 0220 of a stand-in): it has happened, so it holds or posts even into an
    /// overdraft nobody agreed to, and from a dormant account. Closed and blocked still refuse.
    Forced,
}

/// 0100, 0120: reserve an amount. The ledger balance stays, the available balance falls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceHold {
    /// DE102, or the account of the card.
    pub account: String,
    /// DE4 and DE49.
    pub amount: Money,
    /// First two digits of DE3; its capture posts with it.
    pub tran_type: u8,
    /// Shown while the hold is open.
    pub narration: String,
    /// By request or advice.
    pub funds: Funds,
}

/// 0100 that names a hold: it is of this amount from now on, whether that is more or less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjust {
    /// DE48 tag 30.
    pub hold: HoldId,
    /// DE102: nobody adjusts a hold on another account.
    pub account: String,
    /// The new total, in the currency of the hold.
    pub amount: Money,
}

/// 0220 after an 0100: release the whole hold and post the amount, which may be less than the
/// hold or up to 115 % of it (cbs-interface.md 6.4, note 4). Funds are not checked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The hold to be released.
    pub hold: HoldRef,
    /// What is posted, in the currency of the hold.
    pub amount: Money,
    /// Who is paid.
    pub credit: Side,
    /// Of the posting.
    pub narration: String,
}

/// Release a hold without posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Void {
    /// Nothing moves but the hold.
    pub hold: HoldRef,
}

/// Two ways to name a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldRef {
    /// By the message that placed it (DE90).
    Key(Key),
    /// By DE48 tag 30.
    Id(HoldId),
}

/// 0400, 0420: undo a posted transfer, or release a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverse {
    /// Never the reversal's own key.
    pub original: Key,
    /// Minor units that did take place (first n12 of DE95). `None` and 0 undo everything.
    pub actual: Option<i64>,
}
