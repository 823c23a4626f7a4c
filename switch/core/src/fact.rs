//! Facts that outlive a request: linked accounts and their cards, identity checks, cached balances,
//! payments.
//!
//! A fact has a key, and the last one with a key is what holds; one that [`Fact::is_over`] takes
//! its key away. They are records like any other: the engine makes them, the journal keeps them
//! in order, and the store beside it keeps the last of each key, so that a restart needs no
//! history.

use crate::bridge::order::hexadecimal;
use crate::enquiry::BankAccount;
use crate::record::{TxnId, Undoing};
use crate::time::Utc;
use veksel_codecs::ResponseCode;

/// One fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// An account is linked to a bank.
    Linked(Linked),
    /// A customer stands like this.
    Customer(Customer),
    /// What an account had when it was last seen.
    Balance(Cached),
    /// An account was read at its bank without its customer asking.
    Reads(Reads),
    /// A payment at a bank stands like this.
    Payment(Payment),
    /// A card stands for a linked account.
    Card(Card),
}

impl Fact {
    /// What it is about: facts with the same key follow each other.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Linked(fact) => format!("link/{}", fact.account),
            Self::Customer(fact) => format!("customer/{}", fact.customer),
            Self::Balance(fact) => format!("balance/{}", fact.account),
            Self::Reads(fact) => {
                format!("reads/{}/{}/{}", fact.consent, fact.resource, fact.endpoint.word())
            }
            Self::Payment(fact) => format!("payment/{}", fact.txn.0),
            Self::Card(fact) => format!("card/{}", hexadecimal(&fact.digest)),
        }
    }

    /// Whether nothing needs to be known of it any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Linked(fact) => fact.is_over,
            Self::Customer(_) => false,
            Self::Balance(fact) => fact.is_over,
            Self::Reads(fact) => fact.at.is_empty(),
            Self::Payment(fact) => fact.is_over,
            Self::Card(fact) => fact.is_over,
        }
    }

    /// The transaction it belongs to, if any.
    #[must_use]
    pub const fn txn(&self) -> Option<TxnId> {
        match self {
            Self::Payment(fact) => Some(fact.txn),
            Self::Linked(_)
            | Self::Customer(_)
            | Self::Balance(_)
            | Self::Reads(_)
            | Self::Card(_) => None,
        }
    }
}

/// An account and the bank account behind it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Linked {
    /// DE102 of messages about it; of a claim on an account that another has, [a name of its
    /// own](Linked::claim).
    pub account: String,
    /// Name of the bank.
    pub bank: String,
    /// IBAN at the bank, without spaces.
    pub iban: String,
    /// ISO 4217 numeric.
    pub currency: u16,
    /// Whose it is.
    pub customer: String,
    /// What the bank calls the account; empty until it said so.
    pub resource: String,
    /// What the bank calls the consent; empty until it was asked.
    pub consent: String,
    /// How the consent stands.
    pub status: ConsentStatus,
    /// Until when it is good, or may be approved; 0 while not known, and if it ended without having
    /// been good.
    pub until: Utc,
    /// What the redirect must bring back. Its last bit says that it renews a link that was good.
    pub state: [u8; 16],
    /// Where the customer approves it; empty for nowhere, or when that is done.
    pub approve: String,
    /// The short id behind which the portal finds that.
    pub link: String,
    /// The link was given up.
    pub is_over: bool,
}

/// A card that stands for a linked account. Of its number nothing is kept but a digest that only
/// this switch can make.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Card {
    /// Keyed digest of DE2.
    pub digest: [u8; 32],
    /// DE102 of the account.
    pub account: String,
    /// It stands for nothing any more.
    pub is_over: bool,
}

/// A customer and how the identity check stands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Customer {
    /// Our name for the customer; the external id at the provider.
    pub customer: String,
    /// What the provider calls the customer; empty until it said so.
    pub applicant: String,
    /// How the check stands.
    pub status: KycStatus,
    /// Its level.
    pub level: String,
    /// When it was decided; 0 if it never was.
    pub reviewed: Utc,
    /// Until when the document that was shown is good; 0 if not known.
    pub document_until: Utc,
    /// Born on this day, as milliseconds since 1970, which may be before it; `None` if not known.
    pub born: Option<i64>,
    /// The time of the newest event that was taken in.
    pub newest: Utc,
    /// Whether the provider has yet to confirm what its last event said.
    pub is_unconfirmed: bool,
    /// The last events that were taken in: their kinds and times. That the lists were looked at
    /// once more is one of ours, [`Customer::SCREENED`], with the time of the refusal.
    pub events: Vec<(String, Utc)>,
}

/// What an account had when it was last seen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cached {
    /// DE102.
    pub account: String,
    /// Booked, in minor units.
    pub ledger: i64,
    /// Available, in minor units.
    pub available: i64,
    /// ISO 4217 numeric.
    pub currency: u16,
    /// When it was seen: `balance_synced_at`.
    pub synced: Utc,
    /// Under which link: nobody is shown what another owner had.
    pub state: [u8; 16],
    /// The link was given up, and nobody needs it.
    pub is_over: bool,
}

/// Reads of an account that its customer did not ask for, within the last 24 hours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reads {
    /// Under which consent.
    pub consent: String,
    /// What the bank calls the account.
    pub resource: String,
    /// What was read.
    pub endpoint: Endpoint,
    /// When, the oldest first.
    pub at: Vec<Utc>,
}

/// A payment at a bank.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Payment {
    /// The transaction; its intent says who pays whom how much.
    pub txn: TxnId,
    /// When it was received.
    pub utc: Utc,
    /// Name of the bank.
    pub bank: String,
    /// How it stands.
    pub state: PaymentState,
    /// The stable payment key.
    pub key: [u8; 16],
    /// What the redirect must bring back. Its beginning, in hexadecimal, is the link id (`P2`).
    pub token: [u8; 16],
    /// What the bank calls it (`P1`); empty until it said so.
    pub payment: String,
    /// The product it was begun under.
    pub product: String,
    /// Where the customer approves it; empty for nowhere.
    pub approve: String,
    /// The short id behind which the portal finds that (`P2`).
    pub link: String,
    /// The account that pays, as it was linked when the payment was begun. It is asked about and
    /// searched by this, whatever the account is linked to by now.
    pub debtor: BankAccount,
    /// IBAN or domestic number of who is paid.
    pub creditor: String,
    /// Who is paid, by name.
    pub creditor_name: String,
    /// Structured reference of a bill; empty for none.
    pub reference: String,
    /// What was said to the channel first, if it was not the end.
    pub told: Option<ResponseCode>,
    /// What the channel still has to be told by an advice (0620), and how it ended.
    pub advice: Option<ResponseCode>,
    /// The channel has taken it back.
    pub is_cancelled: bool,
    /// Its customer lost the right to pay before it was executed.
    pub is_revoked: bool,
    /// Why a person must look at it, if so.
    pub case: Option<Case>,
    /// What the provider called its last failure (`P5`).
    pub code: String,
    /// Nothing more will happen to it.
    pub is_over: bool,
}

impl Payment {
    /// How far it has come to take it back; `None` if its channel has not wanted that.
    pub(crate) const fn undoing(&self) -> Option<Undoing> {
        if !self.is_cancelled {
            return None;
        }
        let is_left = self.case.is_some();
        Some(match self.state {
            PaymentState::Rejected => Undoing::Reversed,
            // Until it is over the bank is asked whether it pays all the same.
            PaymentState::Cancelled | PaymentState::Expired if self.is_over && !is_left => {
                Undoing::Reversed
            }
            PaymentState::Accepted | PaymentState::Settled | PaymentState::Late
                if self.is_over && !is_left =>
            {
                Undoing::Resolved
            }
            PaymentState::Initiating
            | PaymentState::Unknown
            | PaymentState::Pending
            | PaymentState::Expiring
            | PaymentState::Cancelling
            | PaymentState::Cancelled
            | PaymentState::Expired
            | PaymentState::Accepted
            | PaymentState::Settled
            | PaymentState::Late => {
                if is_left {
                    Undoing::Parked
                } else {
                    Undoing::Reversing
                }
            }
        })
    }
}

macro_rules! words {
    ($(#[$meta:meta])* $name:ident {
        $($(#[$default:meta])* $variant:ident = $word:literal, $doc:literal);* $(;)?
    }) => {
        $(#[$meta])*
        pub enum $name { $(#[doc = $doc] $(#[$default])* $variant),* }

        impl $name {
            /// Every one, in the order of declaration.
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
    /// How a payment stands (http-contracts 4.3).
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
    PaymentState {
        #[default] Initiating = "initiating", "The bank is being asked, or was when the process ended.";
        Unknown = "unknown", "Nobody knows whether the bank has it.";
        Pending = "pending", "The bank has it and its customer has not approved it.";
        Expiring = "expiring", "Its time is over and it is being taken back.";
        Cancelling = "cancelling", "The channel has taken it back and the bank is being told.";
        Accepted = "accepted", "The bank will execute it.";
        Settled = "settled", "The bank has executed it.";
        Rejected = "rejected", "The bank or its customer has refused it.";
        Cancelled = "cancelled", "It was taken back.";
        Expired = "expired", "Its time was over before it was approved.";
        Late = "late_completion", "It was executed although the channel had been told otherwise.";
    }
);

impl PaymentState {
    /// Whether its channel can be told how it ended.
    #[must_use]
    pub const fn is_decided(self) -> bool {
        match self {
            Self::Initiating
            | Self::Unknown
            | Self::Pending
            | Self::Expiring
            | Self::Cancelling => false,
            Self::Accepted
            | Self::Settled
            | Self::Rejected
            | Self::Cancelled
            | Self::Expired
            | Self::Late => true,
        }
    }

    /// Whether money moved, or will.
    #[must_use]
    pub const fn has_moved(self) -> bool {
        matches!(self, Self::Accepted | Self::Settled | Self::Late)
    }
}

words!(
    /// Why a person must look at a payment.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    Case {
        LateCompletion = "late_completion", "It was executed after its channel heard that it was not.";
        Compensation = "compensation", "It was taken back by its channel and is executed.";
        Unresolved = "unresolved", "Nobody could find out whether the bank has it.";
        Revoked = "revoked", "Its customer lost the right to pay while it was under way.";
        Mismatch = "mismatch", "The bank says of it what cannot be.";
        Unpaid = "unpaid", "Its channel heard that it was approved, and it never was.";
    }
);

words!(
    /// `transactionStatus` of Berlin Group and what others say in other words.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    PaymentStatus {
        Received = "RCVD", "Received.";
        Pending = "PDNG", "Being checked.";
        PartlyAuthorised = "PATC", "One of several has approved it.";
        Technical = "ACTC", "Technically valid.";
        FundsChecked = "ACFC", "The money is there.";
        CustomerProfile = "ACCP", "The customer's profile allows it.";
        WithChange = "ACWC", "Accepted with a change.";
        WithoutPosting = "ACWP", "Accepted and not yet posted.";
        InProcess = "ACSP", "Being settled.";
        Settled = "ACSC", "Settled on the debtor's side.";
        Credited = "ACCC", "The creditor has it.";
        Partial = "PART", "Parts of it are accepted.";
        Rejected = "RJCT", "Refused.";
        Cancelled = "CANC", "Taken back.";
    }
);

impl PaymentStatus {
    /// The status that a bank writes like this.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.word() == word)
    }
}

words!(
    /// How a consent stands.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
    ConsentStatus {
        #[default] Asking = "asking", "The bank is being asked for it.";
        Waiting = "waiting", "The customer has not approved it.";
        Valid = "valid", "Good.";
        Expired = "expired", "Its time is over; the account must be linked again.";
        Gone = "gone", "Refused, revoked or ended; the account must be linked again.";
    }
);

/// Stands in the name of a claim between the account and its customer; no field has it.
const CLAIMED_BY: char = '\u{1f}';

/// The last bit of a link's state says that it renews one whose consent was good.
const RENEWS: u8 = 1;

impl Linked {
    /// Whether its bank has ever agreed, to this consent or to one that it renews. Anybody can ask
    /// for a consent: until then nothing is known but that somebody did.
    #[must_use]
    pub const fn was_agreed(&self) -> bool {
        let renews = self.state[self.state.len() - 1] & RENEWS != 0;
        match self.status {
            ConsentStatus::Valid => true,
            ConsentStatus::Asking | ConsentStatus::Waiting => renews,
            ConsentStatus::Expired | ConsentStatus::Gone => renews || self.until.0 != 0,
        }
    }

    /// What a customer's claim on an account is kept under while another has it.
    #[must_use]
    pub fn claim(account: &str, customer: &str) -> String {
        format!("{account}{CLAIMED_BY}{customer}")
    }

    /// Where the claims on an account begin, in the order of their names.
    pub(crate) fn claims_from(account: &str) -> String {
        Self::claim(account, "")
    }

    /// Whether it is a claim: another has the account, and his bank has not agreed either.
    #[must_use]
    pub fn is_claim(&self) -> bool {
        Self::names_claim(&self.account)
    }

    /// Whether this is what a claim is kept under, and no account.
    pub(crate) fn names_claim(account: &str) -> bool {
        account.contains(CLAIMED_BY)
    }

    /// The account that messages name.
    #[must_use]
    pub fn number(&self) -> &str {
        self.account.split(CLAIMED_BY).next().unwrap_or_default()
    }

    /// The same as whoever asks about the account is told it.
    pub(crate) fn as_told(&self) -> Self {
        Self { account: self.number().to_owned(), ..self.clone() }
    }

    /// Whether its consent is over.
    pub(crate) const fn is_dead(&self) -> bool {
        matches!(self.status, ConsentStatus::Expired | ConsentStatus::Gone)
    }

    /// Whether nobody else may have the account: its bank has agreed, or is asked anew by the one
    /// to whom it had.
    pub(crate) const fn is_exclusive(&self) -> bool {
        self.was_agreed() && !self.is_dead()
    }

    /// Its state, which also says whether it renews a link that its bank had agreed to.
    pub(crate) const fn begin(&mut self, mut state: [u8; 16], renews: bool) {
        let last = state.len() - 1;
        state[last] = if renews { state[last] | RENEWS } else { state[last] & !RENEWS };
        self.state = state;
    }

    /// The same when its consent is over. Until when it was good is kept only if it ever was.
    pub(crate) fn ended(mut self, status: ConsentStatus, now: Utc) -> Self {
        self.until = match self.status {
            ConsentStatus::Valid if self.until.0 == 0 => now,
            ConsentStatus::Asking | ConsentStatus::Waiting => Utc(0),
            ConsentStatus::Valid | ConsentStatus::Expired | ConsentStatus::Gone => self.until,
        };
        self.status = status;
        self
    }
}

impl ConsentStatus {
    /// Whether it may still become valid by itself.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Asking | Self::Waiting)
    }
}

/// Events of one customer that are recognised when they come again.
const EVENTS_MAX: usize = 32;

impl Customer {
    /// The event that a refused customer was looked up once more on the lists against money
    /// laundering. No provider has an event of this name.
    pub const SCREENED: &str = "aml check";

    /// When the provider last told of a customer who is refused and was not looked up for that
    /// refusal. Whatever else the provider tells of the customer is no other refusal.
    pub(crate) fn unscreened_since(&self) -> Option<Utc> {
        let is_sure = self.is_refused() && !self.is_unconfirmed && !self.applicant.is_empty();
        // Once it was noted when that was done, which is later.
        let is_screened =
            self.events.iter().any(|(kind, at)| kind == Self::SCREENED && *at >= self.reviewed);
        if !is_sure || is_screened {
            return None;
        }
        let told = self.events.iter().rev().find(|(kind, _)| kind != Self::SCREENED);
        told.map(|(_, at)| *at)
    }

    const fn is_refused(&self) -> bool {
        matches!(self.status, KycStatus::Rejected | KycStatus::Risk)
    }

    /// The same when the lists were looked at for the refusal that holds.
    pub(crate) fn screened(mut self) -> Self {
        self.events.retain(|(kind, _)| kind != Self::SCREENED);
        let at = self.reviewed;
        self.with_event(Self::SCREENED.to_owned(), at)
    }

    /// The same when the provider has confirmed how the check stands: whoever is not refused by
    /// that is looked up again when the next refusal comes, whatever time it has.
    pub(crate) fn confirmed(mut self) -> Self {
        if !self.is_refused() {
            self.events.retain(|(kind, _)| kind != Self::SCREENED);
        }
        self
    }

    /// The same after one more event. The oldest is forgotten, but for that the lists were looked
    /// at.
    pub(crate) fn with_event(mut self, kind: String, at: Utc) -> Self {
        self.events.push((kind, at));
        if self.events.len() > EVENTS_MAX {
            let oldest = self.events.iter().position(|(kind, _)| kind != Self::SCREENED);
            self.events.remove(oldest.unwrap_or_default());
        }
        self
    }

    /// Whether an event came that was not confirmed by asking.
    #[must_use]
    pub const fn needs_review(&self) -> bool {
        self.is_unconfirmed && !self.applicant.is_empty()
    }
}

words!(
    /// How an identity check stands.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
    KycStatus {
        #[default] None = "none", "Never begun.";
        Pending = "pending", "Begun and not decided.";
        OnHold = "on_hold", "A person at the provider looks at it.";
        Resubmit = "resubmit", "Refused; may be tried again.";
        Approved = "approved", "Passed.";
        Rejected = "rejected", "Refused for good.";
        Risk = "rejected_risk", "Refused for good: fraud, sanctions or political exposure.";
    }
);

words!(
    /// What of an account is read.
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
    Endpoint {
        Balances = "balances", "Its balances.";
        Transactions = "transactions", "Its transactions.";
    }
);

words!(
    /// What a customer's approval may look like to a channel (http-contracts 4.3).
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
    ApprovalMode {
        #[default] Pending = "pending", "09 at once, the end by repeat, inquiry or advice.";
        WaitInline = "wait_inline", "The answer waits for the approval as long as it can.";
        SoftDecline = "soft_decline", "Nothing is begun; the customer pays in the app and repeats.";
        ApprovePending = "approve_pending", "00 before the approval. The merchant takes the risk.";
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_reversed_that_its_bank_is_still_asked_about() {
        let payment = |state, is_over, case| Payment {
            state,
            is_over,
            case,
            is_cancelled: true,
            ..Payment::default()
        };
        for state in [PaymentState::Cancelled, PaymentState::Expired] {
            assert_eq!(payment(state, false, None).undoing(), Some(Undoing::Reversing));
            assert_eq!(payment(state, true, None).undoing(), Some(Undoing::Reversed));
            let left = payment(state, false, Some(Case::Unresolved));
            assert_eq!(left.undoing(), Some(Undoing::Parked));
        }
        // What its bank has refused it does not pay.
        let refused = payment(PaymentState::Rejected, false, None);
        assert_eq!(refused.undoing(), Some(Undoing::Reversed));
        let wanted = Payment { is_cancelled: false, ..refused };
        assert_eq!(wanted.undoing(), None);
    }

    #[test]
    fn a_refusal_that_was_looked_up_once_is_looked_up_no_more_however_that_was_noted() {
        let told = ("applicantReviewed".to_owned(), Utc(1_000));
        let customer = |screened: Option<u64>| {
            let noted = screened.map(|at| (Customer::SCREENED.to_owned(), Utc(at)));
            Customer {
                status: KycStatus::Rejected,
                applicant: "a-1".to_owned(),
                reviewed: Utc(1_000),
                events: [told.clone()].into_iter().chain(noted).collect(),
                ..Customer::default()
            }
        };
        assert_eq!(customer(None).unscreened_since(), Some(Utc(1_000)));
        assert_eq!(customer(Some(1_000)).unscreened_since(), None);
        // Once it was noted when it was done.
        assert_eq!(customer(Some(1_500)).unscreened_since(), None);
        // That was for a refusal before.
        assert_eq!(customer(Some(900)).unscreened_since(), Some(Utc(1_000)));
    }
}
