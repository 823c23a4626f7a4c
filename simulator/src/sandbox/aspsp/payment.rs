//! One payment from its order to its end: which status it shows, when it moves on by itself, and
//! when money moves. Pure: time is an argument, and what must be done leaves as a value.
//!
//! ```text
//! RCVD --yes--> ACTC --> (posted) ACSP --> ACSC [--> ACCC]     most banks
//!   |    \----> PDNG (no funds, parked) --> ...
//!   |     \---> (posted) ACTC --> ACCP                         a batch bank
//!   \--no, or nobody came--> RJCT        any before it is posted --DELETE--> CANC
//! ```
//! Money moves once, at `(posted)`, and what is posted cannot be cancelled.

use serde_json::{Value, json};

use super::asked::Redirects;
use super::banks::{Bank, Last};
use super::magic::Magic;
use super::push::Subscription;
use crate::ledger::{Class, Digest, Funds, Gl, Key, KeyParts, Operation, Outcome, Post, Request};
use crate::ledger::{Sending, Side};
use crate::money::Money;
use veksel_core::time::Utc;

/// `transactionStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Received,
    Pending,
    Validated,
    Accepted,
    Settling,
    Settled,
    Credited,
    Rejected,
    Cancelled,
}

impl Status {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Received => "RCVD",
            Self::Pending => "PDNG",
            Self::Validated => "ACTC",
            Self::Accepted => "ACCP",
            Self::Settling => "ACSP",
            Self::Settled => "ACSC",
            Self::Credited => "ACCC",
            Self::Rejected => "RJCT",
            Self::Cancelled => "CANC",
        }
    }
}

/// What it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The customer's decision, until `due_ms`.
    Decision,
    /// An approval that takes long, until `due_ms`.
    Approval,
    /// To be posted, at `due_ms`.
    Posting,
    /// What the ledger says.
    Ledger,
    /// The next status, at `due_ms`.
    Status,
    /// To be posted whatever happens, at `due_ms`.
    Late,
    /// Nothing.
    Nothing,
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// From the approval to the posting.
    pub accept_ms: u64,
    /// From each status after it to the next.
    pub settle_ms: u64,
    /// How long an approval of an amount that ends in 01 takes.
    pub slow_sca_ms: u64,
    /// How long the customer may take.
    pub decision_ms: u64,
    /// When an amount that ends in 03 is executed.
    pub late_ms: u64,
}

/// What an order says.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// IBAN, and number in the ledger.
    pub(super) debtor: (String, String),
    /// As it was given (`iban` or `bban`), and number in the ledger if it is an account here.
    pub(super) creditor: (&'static str, String, Option<String>),
    pub(super) creditor_name: String,
    pub(super) amount: Money,
    pub(super) remittance: String,
}

/// A payment.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) bank: &'static Bank,
    pub(super) tpp: Option<String>,
    pub(super) product: &'static str,
    pub(super) order: Order,
    pub(super) redirects: Redirects,
    /// `X-Request-ID` of the order, and its content.
    pub(super) request: (String, Digest),
    pub(super) magic: Option<Magic>,
    /// Whether it is rejected rather than parked when there is no money.
    pub(super) rejects_no_funds: bool,
    pub(super) status: Status,
    /// Why it was rejected or is parked.
    pub(super) has_no_funds: bool,
    pub(super) number: u64,
    pub(super) created_ms: u64,
    /// Who is told of its status.
    pub(super) subscription: Option<Subscription>,
    /// Where its status is asked, as whoever ordered it saw it.
    pub(super) link: String,
    step: Step,
    due_ms: Option<u64>,
    /// When it gives up waiting for money.
    parked_until_ms: u64,
}

/// What a payment wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    /// To be posted; then [`Payment::posted`].
    Post,
    /// The approval got through.
    Approved,
    /// Nobody decided in time.
    TimedOut,
}

impl Payment {
    #[expect(clippy::too_many_arguments, reason = "called once, and every part is another thing")]
    pub(super) fn new(
        id: String,
        number: u64,
        bank: &'static Bank,
        tpp: Option<String>,
        product: &'static str,
        order: Order,
        redirects: Redirects,
        request: (String, Digest),
        rejects_no_funds: bool,
        magic: Option<Magic>,
        now_ms: u64,
        delays: &Delays,
    ) -> Self {
        let is_late = magic == Some(Magic::Late);
        let wait = if is_late { delays.late_ms } else { delays.decision_ms };
        Self {
            id,
            bank,
            tpp,
            product,
            order,
            redirects,
            request,
            magic,
            rejects_no_funds,
            status: Status::Received,
            has_no_funds: false,
            number,
            created_ms: now_ms,
            subscription: None,
            link: String::new(),
            step: if is_late { Step::Late } else { Step::Decision },
            due_ms: Some(now_ms.saturating_add(wait)),
            parked_until_ms: now_ms.saturating_add(PARKED_MS),
        }
    }

    /// When it next has something to do by itself.
    pub(super) const fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Whether nothing will happen to it any more.
    pub(super) fn is_over(&self) -> bool {
        self.step == Step::Nothing
    }

    /// The customer said yes. `true` if the approval takes effect at once.
    pub(super) fn approve(&mut self, now_ms: u64, delays: &Delays) -> bool {
        match (self.step, self.magic) {
            (Step::Decision, Some(Magic::SlowSca)) => {
                self.wait(Step::Approval, now_ms.saturating_add(delays.slow_sca_ms));
                false
            }
            (Step::Decision, _) => {
                self.approved(now_ms, delays);
                true
            }
            (Step::Late, _) => {
                if self.status == Status::Received {
                    self.status = Status::Pending;
                }
                true
            }
            _ => true,
        }
    }

    fn approved(&mut self, now_ms: u64, delays: &Delays) {
        match self.magic {
            Some(Magic::Rejected) => self.end(Status::Rejected),
            Some(Magic::NoFunds) => self.lack(now_ms),
            _ if self.bank.last == Last::Accepted => self.wait(Step::Posting, now_ms),
            _ => {
                self.status = Status::Validated;
                self.wait(Step::Posting, now_ms.saturating_add(delays.accept_ms));
            }
        }
    }

    /// It needs nobody's approval and is posted now: [`Payment::posted`] comes next.
    pub(super) fn exempt(&mut self) {
        self.step = Step::Ledger;
        self.due_ms = None;
    }

    /// The customer said no, or the order is refused.
    pub(super) fn reject(&mut self) {
        if matches!(self.step, Step::Decision) {
            self.end(Status::Rejected);
        }
    }

    /// There is no money for it, and the order says what then.
    pub(super) fn reject_for_funds(&mut self) {
        self.has_no_funds = true;
        self.end(Status::Rejected);
    }

    /// What DELETE makes of it.
    pub(super) fn cancellation(&self) -> Cancellation {
        match (self.status, self.step) {
            (Status::Cancelled, _) => Cancellation::Done,
            (_, Step::Decision | Step::Late) => Cancellation::Free,
            (_, Step::Approval | Step::Posting) if self.bank.cancel_needs_sca => {
                Cancellation::NeedsSca
            }
            (_, Step::Approval | Step::Posting) => Cancellation::Free,
            (_, Step::Ledger | Step::Status | Step::Nothing) => Cancellation::TooLate,
        }
    }

    /// Only after [`Payment::cancellation`] allowed it. A late one goes on behind this.
    pub(super) fn cancel(&mut self) {
        if self.step == Step::Late {
            self.status = Status::Cancelled;
        } else {
            self.end(Status::Cancelled);
        }
    }

    /// Does what is due.
    pub(super) fn turn(&mut self, now_ms: u64, delays: &Delays) -> Wish {
        if self.due_ms.is_none_or(|due| due > now_ms) {
            return Wish::Nothing;
        }
        match self.step {
            Step::Decision => {
                self.end(Status::Rejected);
                Wish::TimedOut
            }
            Step::Approval => {
                self.approved(now_ms, delays);
                Wish::Approved
            }
            Step::Posting | Step::Late => {
                self.step = Step::Ledger;
                self.due_ms = None;
                Wish::Post
            }
            Step::Status => {
                match (self.status, self.bank.last) {
                    (Status::Validated, Last::Accepted) => self.end(Status::Accepted),
                    (Status::Settling, Last::Credited) => {
                        self.status = Status::Settled;
                        self.wait(Step::Status, now_ms.saturating_add(delays.settle_ms));
                    }
                    (Status::Settling, _) => self.end(Status::Settled),
                    (Status::Settled, _) => self.end(Status::Credited),
                    _ => self.step = Step::Nothing,
                }
                Wish::Nothing
            }
            Step::Ledger | Step::Nothing => {
                self.due_ms = None;
                Wish::Nothing
            }
        }
    }

    /// What the ledger said.
    pub(super) fn posted(&mut self, outcome: Outcome, now_ms: u64, delays: &Delays) {
        match outcome {
            Outcome::Approved | Outcome::AlreadyDone => {
                let next = now_ms.saturating_add(delays.settle_ms);
                match (self.magic, self.bank.last) {
                    (Some(Magic::Late), _) => self.end(Status::Settled),
                    (_, Last::Accepted) => {
                        self.status = Status::Validated;
                        self.wait(Step::Status, next);
                    }
                    (_, Last::Settled | Last::Credited) => {
                        self.status = Status::Settling;
                        self.wait(Step::Status, next);
                    }
                }
                self.has_no_funds = false;
            }
            Outcome::InsufficientFunds => self.lack(now_ms),
            // The bank is busy: later.
            Outcome::Overloaded => self.wait(Step::Posting, now_ms.saturating_add(RETRY_MS)),
            _ => self.end(Status::Rejected),
        }
    }

    fn lack(&mut self, now_ms: u64) {
        let is_parked = !self.rejects_no_funds
            && self.magic != Some(Magic::NoFunds)
            && now_ms < self.parked_until_ms;
        self.has_no_funds = true;
        if is_parked {
            self.status = Status::Pending;
            self.wait(Step::Posting, now_ms.saturating_add(RETRY_MS));
        } else {
            self.end(Status::Rejected);
        }
    }

    fn wait(&mut self, step: Step, due_ms: u64) {
        self.step = step;
        self.due_ms = Some(due_ms);
    }

    fn end(&mut self, status: Status) {
        self.status = status;
        self.step = Step::Nothing;
        self.due_ms = None;
    }

    /// What the ledger is asked, the same every time. `None` if no key can be made, which the
    /// numbers rule out.
    pub(super) fn request(&self, run: u64) -> Option<Request> {
        let stan = format!("{:06}", self.number % 1_000_000);
        let rrn = format!("{:012}", run.saturating_add(self.number) % 1_000_000_000_000);
        let transmitted = Utc(self.created_ms).transmission();
        let parts = KeyParts {
            transmitted: &transmitted,
            stan: stan.as_bytes(),
            acquirer: self.bank.code.as_bytes(),
            rrn: rrn.as_bytes(),
            terminal: b"XS2A",
            acceptor: self.bank.id.as_bytes(),
        };
        let credit = match &self.order.creditor.2 {
            Some(number) => Side::Account(number.clone()),
            None => Side::Bank(Gl::Interbank),
        };
        let Order { debtor, creditor, amount, remittance, .. } = &self.order;
        Some(Request {
            key: Key::new(Class::Financial, parts)?,
            digest: Digest::of(&[
                debtor.1.as_bytes(),
                creditor.1.as_bytes(),
                &amount.minor.to_be_bytes(),
                remittance.as_bytes(),
            ]),
            sending: Sending::First,
            operation: Operation::Post(Post {
                debit: Side::Account(debtor.1.clone()),
                credit,
                amount: *amount,
                tran_type: TRANSFER,
                narration: remittance.chars().take(NARRATION_MAX).collect(),
                funds: Funds::Checked,
            }),
        })
    }

    /// The order and its status.
    pub(super) fn json(&self) -> Value {
        let (kind, creditor, _) = &self.order.creditor;
        let Money { minor, currency } = self.order.amount;
        json!({
            "debtorAccount": {"iban": self.order.debtor.0},
            "instructedAmount": {"currency": currency.alpha(), "amount": currency.format(minor)},
            "creditorAccount": {(*kind): creditor},
            "creditorName": self.order.creditor_name,
            "remittanceInformationUnstructured": self.order.remittance,
            "transactionStatus": self.status.code(),
        })
    }
}

/// What DELETE makes of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cancellation {
    /// It is cancelled.
    Done,
    /// It may be.
    Free,
    /// It may be, when the customer agrees.
    NeedsSca,
    /// 405.
    TooLate,
}

/// First two digits of DE3 of a transfer.
const TRANSFER: u8 = 40;

/// Characters of a narration in the ledger.
const NARRATION_MAX: usize = 100;

/// Between two attempts to post what is parked.
const RETRY_MS: u64 = 5_000;

/// How long a payment waits for money.
const PARKED_MS: u64 = 60 * 60 * 1000;
