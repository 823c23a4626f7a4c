//! What the engine asks of third parties over HTTP, what they find, and what comes in from them.
//!
//! An [`Enquiry`] carries everything an adapter needs to know; adapters keep nothing but tokens
//! and connections. A [`Verdict`] is three-valued: it happened, it was refused, or nobody knows;
//! an answer like 500 is never a "no".

use crate::fact::{KycStatus, PaymentStatus};
use crate::plan::BankId;
use crate::record::{CardNumber, TxnId};
use crate::time::Utc;
use core::fmt;
use core::net::IpAddr;

/// Names an enquiry until its verdict comes. Not kept over a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AskId(pub u64);

/// Names somebody who called over HTTP and waits for what is said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

/// One enquiry for a third party.
#[derive(Clone, PartialEq, Debug)]
pub struct Ask {
    /// Answered with this number, exactly once.
    pub id: AskId,
    /// Whom it goes to.
    pub to: Addressee,
    /// What is asked.
    pub enquiry: Enquiry,
    /// Milliseconds until the verdict must be there, whatever the chain of calls behind it.
    pub within_ms: u64,
    /// The trace id of the message it belongs to, for `x-request-id` of providers that have one
    /// beside their own and for the audit trail; never an idempotency key.
    pub trace: String,
    /// The transaction that it is asked for, if it is for one.
    pub txn: Option<TxnId>,
    /// Where the customer is who asks this moment, if the message said so.
    pub address: Option<IpAddr>,
}

/// Whom an enquiry goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Addressee {
    /// A bank of the plan.
    Bank(BankId),
    /// The provider of identity checks.
    Kyc,
    /// Who collects for billers.
    Biller,
}

/// A sum in the minor units of its currency.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Money {
    /// Minor units.
    pub minor: u64,
    /// ISO 4217 numeric.
    pub currency: u16,
}

/// A linked account, as its bank knows it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BankAccount {
    /// IBAN, without spaces.
    pub iban: String,
    /// What the bank calls the account in its paths; empty until the bank said so.
    pub resource: String,
    /// The consent (or session) under which it is reached; empty for none.
    pub consent: String,
    /// The customer it belongs to.
    pub customer: String,
}

/// A payment that is to be made. Everything a transformer needs, and the same at every try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// The stable payment key, a UUID (http-contracts 4.5): the same at every try of a payment.
    pub key: [u8; 16],
    /// Who pays.
    pub debtor: BankAccount,
    /// IBAN or domestic number of who is paid, as the channel wrote it.
    pub creditor: String,
    /// Who is paid, by name, as the channel or the directory has it.
    pub creditor_name: String,
    /// How much.
    pub amount: Money,
    /// Text for the statement. Begins with the RRN, if there is one.
    pub remittance: String,
    /// DE37; empty if the request had none.
    pub rrn: String,
    /// Eight characters of the payment key, a word of the remittance text behind the RRN: by them
    /// a lost payment is told from every other of the same amount, also one with the same RRN.
    pub mark: String,
    /// Structured reference (KID) of a bill; empty for none.
    pub reference: String,
    /// What the redirect must bring back, 128 bits of it.
    pub state: [u8; 16],
    /// Proves, where an approval takes a code of the bank's own server, that who exchanges the
    /// code is who asked for it (RFC 7636): nobody else ever sees it.
    pub verifier: Secret,
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Enquiry {
    /// Balances of an account.
    Balances {
        /// Which.
        account: BankAccount,
        /// Whether the customer asks this moment; then the reads are not limited.
        is_attended: bool,
    },
    /// Booked transactions of an account, the newest first.
    Transactions {
        /// Which.
        account: BankAccount,
        /// From this day on.
        from: Utc,
        /// At most so many.
        most: u16,
        /// Whether the customer asks this moment.
        is_attended: bool,
    },
    /// Whether an account has an amount.
    Funds {
        /// Which.
        account: BankAccount,
        /// How much.
        amount: Money,
    },
    /// Begin a payment.
    Initiate(Box<Order>),
    /// How a payment stands.
    Status(PaymentRef),
    /// The redirect of an approval brought a code back, by which the approval is completed; then
    /// how it stands.
    Confirm {
        /// What was approved.
        subject: Box<Confirmed>,
        /// What was brought back.
        code: Secret,
        /// What the redirect had to bring back.
        state: [u8; 16],
        /// As in the order.
        verifier: Secret,
    },
    /// Take a payment back that is not executed.
    Cancel(PaymentRef),
    /// Look for a payment whose number is not known: in the account's transactions, by amount and
    /// the mark in the remittance text; or by repeating the order where the bank says that
    /// this is safe.
    Search {
        /// The order as it was sent.
        order: Box<Order>,
        /// When it was sent.
        since: Utc,
        /// Whether the order may be sent once more to a bank that recognises it. Never once it is
        /// wanted back, its time is over, or its channel heard that nothing came of it.
        may_repeat: bool,
    },
    /// Ask for consent to see an account.
    Consent {
        /// The account, without consent or resource.
        account: BankAccount,
        /// What the redirect must bring back.
        state: [u8; 16],
        /// How long the consent shall last.
        until: Utc,
    },
    /// How a consent stands; once it is valid, what the bank calls the account.
    ConsentStatus(BankAccount),
    /// Give a consent up.
    Revoke(BankAccount),
    /// Open an applicant for an identity check and fetch a token for the one who is checked.
    Applicant {
        /// The customer; the external id at the provider.
        customer: String,
        /// E-mail, if known.
        email: Option<String>,
        /// Telephone, if known.
        phone: Option<String>,
        /// Level of the check; empty for the configured one.
        level: String,
    },
    /// How an identity check stands.
    Review {
        /// What the provider calls the customer.
        applicant: String,
    },
    /// How each check behind a verification ended, for people who look at a case.
    Checks {
        /// What the provider calls the customer.
        applicant: String,
    },
    /// What a customer of a biller owes.
    Bill(Billed),
}

/// Which bill.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Billed {
    /// Who is paid.
    pub biller: String,
    /// What the biller calls its customer: a number, or that of a telephone that is topped up.
    pub reference: String,
    /// The number of one bill; empty for whatever is due.
    pub number: String,
}

/// What a biller calls its customer is nobody else's business.
impl fmt::Debug for Billed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Billed").field("biller", &self.biller).finish_non_exhaustive()
    }
}

/// A payment at a bank.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaymentRef {
    /// What the bank calls it.
    pub payment: String,
    /// The product it was begun under, part of its path at some banks.
    pub product: String,
    /// Who pays.
    pub debtor: BankAccount,
    /// What it was begun as, for what must be said again with a status.
    pub key: [u8; 16],
    /// Whether asking may bring an approved payment to its end, where that takes a step of ours:
    /// never once it is wanted back or its time is over.
    pub may_complete: bool,
}

/// What a customer has approved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Confirmed {
    /// A payment.
    Payment(PaymentRef),
    /// The consent of an account.
    Consent(BankAccount),
}

/// What a third party said, or that it could not be asked.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// Balances.
    Balances(Balances),
    /// Transactions, the newest first.
    Transactions {
        /// Lines.
        lines: Vec<Line>,
        /// Balances, if the same answer had them.
        balances: Option<Balances>,
    },
    /// Whether the amount is there.
    Funds(bool),
    /// The bank has the payment.
    Initiated(Initiated),
    /// The payment stands like this.
    Status(Progress),
    /// The payment is taken back for good.
    Cancelled,
    /// The bank wants its customer to approve even that.
    CancelPending,
    /// It is too late to take the payment back.
    TooLate,
    /// What was looked for is not there: `complete` if the bank showed everything since then.
    NotFound {
        /// Whether not finding it proves that it never was.
        is_complete: bool,
    },
    /// The bank was asked for consent.
    ConsentAsked {
        /// What it calls the consent.
        consent: String,
        /// Where its customer approves; `None` if it was not needed.
        approve: Option<String>,
    },
    /// A consent stands like this.
    Consent {
        /// How.
        state: ConsentState,
        /// What the bank calls the account; empty if it did not say.
        resource: String,
        /// How long it is good for, if the bank said so.
        until: Option<Utc>,
    },
    /// An applicant exists.
    Applicant {
        /// What the provider calls the customer.
        applicant: String,
        /// For the one who is checked, to open the provider's pages with. Secret.
        token: Secret,
    },
    /// An identity check stands like this.
    Review(Review),
    /// The checks behind it ended like this.
    Checks(Checks),
    /// So much is due.
    Bill(Money),
    /// It was refused, or could not be asked, or nobody knows.
    Failed(Failure),
}

/// A text that is handed through and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(****)")
    }
}

/// Balances of an account, signed, in minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Balances {
    /// Booked (DE54 amount type 01).
    pub ledger: i64,
    /// Available (02).
    pub available: i64,
    /// ISO 4217 numeric.
    pub currency: u16,
}

/// One booked transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// When it was booked.
    pub booked: Utc,
    /// Minor units, negative for money that left.
    pub amount: i64,
    /// ISO 4217 numeric.
    pub currency: u16,
    /// What it says, for people.
    pub text: String,
}

/// A payment that a bank has taken in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initiated {
    /// What the bank calls it.
    pub payment: String,
    /// The product it was begun under.
    pub product: String,
    /// How it stands.
    pub progress: Progress,
    /// Where the customer approves it; `None` if nothing is to approve, or it happens in an app.
    pub approve: Option<String>,
    /// Whether somebody must approve it at all.
    pub needs_approval: bool,
}

/// How a payment stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// As the bank says.
    pub status: PaymentStatus,
    /// Whether the customer has approved it, or need not: `scaStatus` finalised or exempted.
    pub is_approved: bool,
    /// Whether the approval failed for good: `scaStatus` failed.
    pub is_failed: bool,
    /// Whether the bank said that there is not enough money.
    pub lacks_funds: bool,
}

/// How a consent stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConsentState {
    /// Not approved yet.
    Waiting,
    /// Good.
    Valid,
    /// Its time is over.
    Expired,
    /// Refused, revoked or ended.
    Gone,
}

/// How an identity check stands (http-contracts 2.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Review {
    /// What the provider calls the customer.
    pub applicant: String,
    /// The customer.
    pub customer: String,
    /// The status that follows; `None` if the provider said something unknown, which changes
    /// nothing.
    pub status: Option<KycStatus>,
    /// Level of the check, empty if not said.
    pub level: String,
    /// When it was decided, if it was.
    pub reviewed: Option<Utc>,
    /// Until when the document that was shown is good, if said.
    pub document_until: Option<Utc>,
    /// Born on this day, if said, in milliseconds since 1970, which may be before it: nobody under
    /// age passes.
    pub born: Option<i64>,
}

/// How one of the checks behind a verification ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// Passed.
    Pass,
    /// Not passed.
    Fail,
    /// Not done, not decided, or not said.
    Unknown,
}

impl Check {
    /// The word for people and interfaces.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// The result of a verification, check by check. Nobody decides about a payment by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checks {
    /// The document is genuine and can be read.
    pub document: Check,
    /// A living person was in front of the camera.
    pub liveness: Check,
    /// The person is the one on the document.
    pub face_match: Check,
    /// On no list of sanctions.
    pub sanctions: Check,
    /// Not politically exposed.
    pub pep: Check,
}

/// Why there is no other verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// What it means.
    pub why: Failed,
    /// Whether a byte of a request that can move money left: then nobody knows what came of it,
    /// unless `why` is a refusal that the provider states.
    pub is_open: bool,
    /// What the provider called it, for people and for DE48 `P5`: a code, never a text. Empty for
    /// none.
    pub code: String,
    /// When to try again at the earliest, in milliseconds from now, if the provider said so.
    pub retry_ms: Option<u64>,
}

macro_rules! failed {
    ($($variant:ident = $word:literal, $doc:literal);* $(;)?) => {
        /// What a failure means: the outcomes of http-contracts 4.4.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Failed { $(#[doc = $doc] $variant),* }

        impl Failed {
            /// Every one, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that logs and metrics use.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

failed!(
    Format = "format", "The provider could not read what we sent.";
    Invalid = "invalid", "A value of it is not one the provider takes.";
    Refused = "refused", "Refused without more.";
    NoFunds = "no_funds", "There is not enough money.";
    NotPermitted = "not_permitted", "Consent or session is over; the account must be linked again.";
    Restricted = "restricted", "The account or the service is blocked.";
    NoAccount = "no_account", "There is no such account.";
    NotSupported = "not_supported", "Product, service or currency is not offered.";
    NotFound = "not_found", "There is no such payment (any more).";
    CannotReverse = "cannot_reverse", "It is too late to take it back.";
    WrongPin = "wrong_pin", "The customer's secret was wrong.";
    Malfunction = "malfunction", "Broken: ours, theirs, or what stands between.";
    Credentials = "credentials", "The provider does not accept who we are; a person must act.";
    Unavailable = "unavailable", "It could not be reached.";
    BreakerOpen = "breaker_open", "It was not asked, because it failed too often.";
    Late = "late", "It did not answer in time.";
    Limited = "limited", "It was asked too often.";
    Duplicate = "duplicate", "The key was used for something else.";
    OverAmount = "over_amount", "Over a limit of amount.";
    OverCount = "over_count", "Over a limit of number.";
);

impl Failed {
    /// Whether a person must look at once.
    #[must_use]
    pub const fn is_alarming(self) -> bool {
        matches!(self, Self::Credentials)
    }
}

impl Failure {
    /// Nothing left, and this is why.
    #[must_use]
    pub const fn before(why: Failed) -> Self {
        Self { why, is_open: false, code: String::new(), retry_ms: None }
    }
}

/// What somebody who called over HTTP wants. Each is answered with [`Told`], once what follows
/// from it is durable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// A payment or a consent may have moved: a redirect came back with its state, or a bank
    /// pushed its number. A hint; the bank is asked.
    Moved(Moved),
    /// An event about an identity check, whose digest was verified.
    Event(Event),
    /// Link an account of a bank to a customer.
    Link {
        /// DE102 of messages about it.
        account: String,
        /// Name of the bank.
        bank: String,
        /// IBAN at the bank.
        iban: String,
        /// ISO 4217 numeric.
        currency: u16,
        /// Whose it is.
        customer: String,
    },
    /// How an account is linked.
    Linked {
        /// DE102.
        account: String,
    },
    /// The accounts of a customer that are linked, or were and are not given up.
    Accounts {
        /// Whose.
        customer: String,
        /// Only those that come after this one; empty for the first ones.
        after: String,
    },
    /// Give a link up, and the consent with it.
    Unlink {
        /// DE102.
        account: String,
        /// Whose it must be, if the caller says; what that customer only asks for counts, too.
        customer: Option<String>,
    },
    /// Let a card stand for a linked account, or no longer.
    Card {
        /// DE102.
        account: String,
        /// Whose it must be. Only a card that ends needs none.
        customer: Option<String>,
        /// DE2. Only its digest is kept.
        card: CardNumber,
        /// Whether it stands for the account no longer.
        is_over: bool,
    },
    /// Where the payment with this link id (`P2` of DE48) is approved.
    Approve {
        /// Twelve hexadecimal digits.
        link: String,
    },
    /// Begin an identity check of a customer, or go on with one.
    Check {
        /// The customer.
        customer: String,
        /// E-mail, if known.
        email: Option<String>,
        /// Telephone, if known.
        phone: Option<String>,
        /// Level of the check; empty for the configured one.
        level: String,
    },
    /// How a customer stands.
    Checked {
        /// The customer.
        customer: String,
    },
    /// How each check of a customer ended. The provider is asked; nothing follows from it here.
    Checks {
        /// The customer.
        customer: String,
    },
}

/// What may have moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moved {
    /// What the redirect of a payment or a consent brought back.
    State([u8; 16]),
    /// The same, with a code by which the approval is completed: of the bank's authorisation
    /// server, or one that confirms it.
    Code {
        /// As in the other.
        state: [u8; 16],
        /// For the bank, once.
        code: Secret,
    },
    /// What a bank calls a payment.
    Payment {
        /// Which bank.
        bank: BankId,
        /// The payment.
        payment: String,
    },
    /// What a bank calls a consent.
    Consent {
        /// Which bank.
        bank: BankId,
        /// The consent.
        consent: String,
    },
}

/// An event about an identity check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// `applicantReviewed` and so on.
    pub kind: String,
    /// What it says, in itself. It is confirmed by asking before anybody is approved.
    pub review: Review,
    /// `createdAtMs`: orders the events of an applicant.
    pub at: Utc,
    /// SHA-256 of the raw body, so that what was received can be proved.
    pub digest: [u8; 32],
}

/// What is said to a [`Call`].
#[derive(Clone, PartialEq, Debug)]
pub enum Told {
    /// It was taken in, or was known already.
    Noted,
    /// Nothing here has such a state or name.
    Unknown,
    /// How a payment stands, for the page that a redirect shows.
    Payment(crate::fact::PaymentState),
    /// Where a payment is approved; empty if that happens in an app.
    Approve(String),
    /// How an account is linked, and where its customer approves if that is still to do.
    Linked {
        /// The link.
        linked: Box<crate::fact::Linked>,
        /// Where to approve.
        approve: Option<String>,
    },
    /// Accounts of a customer, in their order, each with what it had when it was last seen.
    Accounts {
        /// The links, and what is known of their balances.
        accounts: Vec<(crate::fact::Linked, Option<crate::fact::Cached>)>,
        /// Whether there are others after them.
        more: bool,
    },
    /// How a customer stands; the token if a check was begun.
    Checked {
        /// The customer.
        customer: Box<crate::fact::Customer>,
        /// For the customer, to open the provider's pages with.
        token: Option<Secret>,
    },
    /// How each check of a customer ended.
    Checks {
        /// What the provider calls the customer.
        applicant: String,
        /// How they ended.
        checks: Checks,
    },
    /// It could not be done.
    Failed(Failure),
    /// The switch cannot take it in now: the journal is full, or too much is under way.
    Busy,
}
