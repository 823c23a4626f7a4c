//! Accounts: what the bank knows of one, its four sums, and what may be spent from it.
//!
//! An account never checks a transfer; deciding is the work of [`super::rules`]. It only knows its
//! own figures. The sign is the customer's: a positive ledger balance is money the bank owes.

use std::collections::VecDeque;
use std::fmt;

use crate::money::Currency;

use super::records::TransferId;

/// Position in the ledger's table, and `accounts.id` in the book. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u32);

/// Status as DE48 tag 16 carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Takes debits and credits.
    Active,
    /// Takes credits; debits need the customer to come in person (57).
    Dormant,
    /// Takes nothing (62). A reversal still restores what it took.
    Blocked,
    /// Takes nothing (45).
    Closed,
}

impl Status {
    /// In the order of severity.
    pub const ALL: [Self; 4] = [Self::Active, Self::Dormant, Self::Blocked, Self::Closed];

    /// As DE48 tag 16 and the files spell it.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Active => "A",
            Self::Dormant => "D",
            Self::Blocked => "B",
            Self::Closed => "C",
        }
    }

    /// `None` for a letter that no status has.
    #[must_use]
    pub fn from_letter(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.letter() == letter)
    }
}

/// Account type as positions 3-4 and 5-6 of DE3 name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Code 00: whatever the card or customer has.
    Default,
    /// Code 10.
    Savings,
    /// Code 20: cheque or current.
    Current,
    /// Code 30.
    Credit,
}

impl Product {
    /// By code.
    pub const ALL: [Self; 4] = [Self::Default, Self::Savings, Self::Current, Self::Credit];

    /// Two digits.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Default => "00",
            Self::Savings => "10",
            Self::Current => "20",
            Self::Credit => "30",
        }
    }

    /// `None` for the types this bank does not offer (40, 50).
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.code() == code)
    }
}

/// The bank's own accounts. There is one of each in every currency, so that every transfer has
/// two sides and the sum over all accounts stays 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gl {
    /// Notes in cash machines and tills.
    Cash,
    /// Owed to or by merchants until settlement.
    Merchant,
    /// Collected for billers.
    Biller,
    /// Money from and to other banks.
    Interbank,
    /// Fees taken and interest given.
    Income,
    /// The other side of every opening balance.
    Equity,
}

impl Gl {
    /// In the order they are opened.
    pub const ALL: [Self; 6] =
        [Self::Cash, Self::Merchant, Self::Biller, Self::Interbank, Self::Income, Self::Equity];

    /// Last part of the number, and `accounts.gl` in the book.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cash => "CASH",
            Self::Merchant => "MERCHANT",
            Self::Biller => "BILLER",
            Self::Interbank => "INTERBANK",
            Self::Income => "INCOME",
            Self::Equity => "EQUITY",
        }
    }

    /// Number in the accounts table. A message can never name it: [`super::Side::Account`] finds
    /// customer accounts only.
    #[must_use]
    pub fn number(self, currency: Currency) -> String {
        format!("GL-{}-{}", currency.numeric(), self.name())
    }

    /// Where the other side of a customer's transaction goes, by the first two digits of DE3.
    /// A code that moves no money by itself has no other side.
    #[must_use]
    pub const fn facing(tran_type: u8) -> Option<Self> {
        match tran_type {
            1 | 21 => Some(Self::Cash),
            0 | 9 | 20 => Some(Self::Merchant),
            50 => Some(Self::Biller),
            40 => Some(Self::Interbank),
            19 | 29 => Some(Self::Income),
            _ => None,
        }
    }
}

/// Whose account it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Can be named in DE102 and DE103.
    Customer(Holder),
    /// Cannot be named by a message.
    Bank(Gl),
}

/// What only a customer's account has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Customer number; the name is in the directory.
    pub customer: String,
    /// DE48 tag 18.
    pub product: Product,
    /// DE48 tag 16.
    pub status: Status,
    /// Minor units the ledger balance may fall below zero.
    pub overdraft: i64,
    /// `YYYYMMDD`, as DE48 tag 44 carries it.
    pub opened: String,
    /// DE48 tag 45.
    pub branch: String,
    /// DE48 tag 46.
    pub iban: String,
}

/// What [`super::Ledger::open_account`] needs; figures start at zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// DE102, up to 28 characters.
    pub number: String,
    /// For life; a transfer in another is refused.
    pub currency: Currency,
    /// Decides what the number may be used for.
    pub owner: Owner,
}

/// The four sums reported in DE54, all in minor units of `currency`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balances {
    /// The account's own, whatever DE49 asked in.
    pub currency: Currency,
    /// Type 01.
    pub ledger: i64,
    /// Type 90: the sum of open holds.
    pub held: i64,
    /// Type 91: the overdraft limit.
    pub overdraft: i64,
}

impl Balances {
    /// Type 02, and also what decides spending: ledger - holds + overdraft limit. One figure for
    /// both, so that a customer who reads an available balance can spend exactly that; who wants
    /// it without the overdraft subtracts type 91.
    #[must_use]
    pub const fn available(&self) -> i64 {
        self.ledger.saturating_sub(self.held).saturating_add(self.overdraft)
    }
}

/// An account with its posted and pending sums. Debits and credits only ever grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Unique in the bank.
    pub number: String,
    /// Of all five sums.
    pub currency: Currency,
    /// Customer or bank.
    pub owner: Owner,
    /// What ever left the account.
    pub debits_posted: i64,
    /// What ever came to it.
    pub credits_posted: i64,
    /// Open holds: debits that have been promised but not posted.
    pub debits_pending: i64,
    /// Transfers that were posted to it since it was opened; the next statement line's number.
    pub entries: u64,
    /// Its retained transfers, oldest first. Empty for the bank's own accounts, which are a side
    /// of nearly every transfer and have no statement.
    pub(super) lines: VecDeque<TransferId>,
}

impl Account {
    pub(super) fn new(new: NewAccount) -> Self {
        Self {
            number: new.number,
            currency: new.currency,
            owner: new.owner,
            debits_posted: 0,
            credits_posted: 0,
            debits_pending: 0,
            entries: 0,
            lines: VecDeque::new(),
        }
    }

    /// Credits less debits; negative when overdrawn.
    #[must_use]
    pub fn ledger(&self) -> i64 {
        self.credits_posted.saturating_sub(self.debits_posted)
    }

    /// What DE54 of an answer given now would say.
    #[must_use]
    pub fn balances(&self) -> Balances {
        let overdraft = match &self.owner {
            Owner::Customer(holder) => holder.overdraft,
            Owner::Bank(_) => 0,
        };
        Balances {
            currency: self.currency,
            ledger: self.ledger(),
            held: self.debits_pending,
            overdraft,
        }
    }

    /// Notes a transfer in the statement.
    pub(super) fn enter(&mut self, id: TransferId) {
        self.entries = self.entries.saturating_add(1);
        if matches!(self.owner, Owner::Customer(_)) {
            self.lines.push_back(id);
        }
    }

    /// Drops the oldest statement line, if it is this transfer.
    pub(super) fn forget(&mut self, id: TransferId) {
        if self.lines.front() == Some(&id) {
            self.lines.pop_front();
        }
    }

    /// `None` for one of the bank's own accounts.
    #[must_use]
    pub fn holder(&self) -> Option<&Holder> {
        match &self.owner {
            Owner::Customer(holder) => Some(holder),
            Owner::Bank(_) => None,
        }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
