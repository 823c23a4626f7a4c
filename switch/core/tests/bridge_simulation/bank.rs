//! A bank behind HTTP, and the adapter before it: what reaches it, what it does, what comes back.

use crate::chance::Chance;
use veksel_core::enquiry::{
    Ask, Balances, Enquiry, Failed, Failure, Initiated, Money, Order, PaymentRef, Progress, Verdict,
};
use veksel_core::fact::PaymentStatus;

/// What a customer does with a payment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Customer {
    /// Approves it, so many milliseconds after it came.
    Approves(u64),
    Refuses(u64),
    Never,
    /// Need not.
    Exempt,
}

/// A payment as the bank has it.
#[derive(Clone, Debug)]
pub struct Held {
    pub order: Order,
    pub begun: u64,
    pub customer: Customer,
    pub cancelled: bool,
    /// When its money moved.
    pub moved: Option<u64>,
}

#[derive(Debug)]
pub struct Bank {
    pub payments: Vec<Held>,
    /// In a million: the order never arrives; it arrives and the answer is lost; it is answered
    /// 503 though it was taken in; any other call fails.
    pub refuse: u64,
    pub lose: u64,
    pub fault: u64,
    pub deaf: u64,
    /// Whether its list of transactions shows everything.
    pub shows_all: bool,
    /// Whether it recognises an order that comes again.
    pub deduplicates: bool,
    /// Whether it executes after its customer's time and although it was told to cancel.
    pub executes_late: bool,
}

impl Bank {
    pub fn draw(chance: &mut Chance) -> Self {
        let mut rate = |most: u64| if chance.often(500_000) { chance.below(most) } else { 0 };
        let (refuse, lose, fault, deaf) =
            (rate(300_000), rate(300_000), rate(200_000), rate(500_000));
        let shows_all = chance.often(700_000);
        let deduplicates = chance.often(400_000);
        let executes_late = chance.often(150_000);
        let payments = Vec::new();
        Self { payments, refuse, lose, fault, deaf, shows_all, deduplicates, executes_late }
    }

    /// Money moves when its customer has approved.
    pub fn advance(&mut self, now: u64) {
        for held in &mut self.payments {
            if held.moved.is_some() {
                continue;
            }
            let at = match held.customer {
                Customer::Exempt => Some(held.begun),
                Customer::Approves(after) => Some(held.begun + after),
                Customer::Refuses(_) | Customer::Never => None,
            };
            // A bank that cancels and executes all the same does so after a quarter of an hour.
            let late = self.executes_late && held.cancelled;
            let at = if late { Some(held.begun + 1_000_000) } else { at };
            if let Some(at) = at.filter(|at| *at <= now && (!held.cancelled || late)) {
                held.moved = Some(at);
            }
        }
    }

    fn progress(&self, place: usize, now: u64) -> Progress {
        let held = &self.payments[place];
        let status = match (held.moved, held.customer) {
            (Some(at), _) if now >= at + 3_000 => PaymentStatus::Settled,
            (Some(_), _) => PaymentStatus::InProcess,
            (None, _) if held.cancelled => PaymentStatus::Cancelled,
            (None, Customer::Refuses(after)) if now >= held.begun + after => {
                PaymentStatus::Rejected
            }
            (None, _) => PaymentStatus::Received,
        };
        Progress { status, is_approved: false, is_failed: false, lacks_funds: false }
    }

    fn initiated(&self, place: usize, now: u64) -> Verdict {
        Verdict::Initiated(Initiated {
            payment: format!("pay-{place}"),
            product: "transfers".into(),
            progress: self.progress(place, now),
            approve: Some(format!("https://bank.example/sca/{place}")),
            needs_approval: self.payments[place].customer != Customer::Exempt,
        })
    }

    fn place(reference: &PaymentRef) -> usize {
        reference.payment.trim_start_matches("pay-").parse().unwrap()
    }

    /// What comes of an enquiry, and after how many milliseconds it is known.
    pub fn answer(&mut self, ask: &Ask, now: u64, chance: &mut Chance) -> (u64, Verdict) {
        self.advance(now);
        let failed = |why, is_open| {
            Verdict::Failed(Failure { why, is_open, code: String::new(), retry_ms: None })
        };
        let wait = chance.between(20, 3_000);
        let is_order = matches!(ask.enquiry, Enquiry::Initiate(_));
        if !is_order && chance.often(self.deaf) {
            let why = *chance.pick(&[Failed::Unavailable, Failed::Late, Failed::Malfunction]);
            return (wait, failed(why, false));
        }
        let verdict = match &ask.enquiry {
            Enquiry::Initiate(order) => {
                if chance.often(self.refuse) {
                    let why =
                        *chance.pick(&[Failed::Unavailable, Failed::NoFunds, Failed::Refused]);
                    return (wait, failed(why, false));
                }
                let customer = match chance.below(8) {
                    0 => Customer::Never,
                    1 => Customer::Refuses(chance.below(200_000)),
                    2 => Customer::Exempt,
                    3 => Customer::Approves(chance.between(295_000, 330_000)),
                    _ => Customer::Approves(chance.below(250_000)),
                };
                let order = (**order).clone();
                let (cancelled, moved) = (false, None);
                self.payments.push(Held { order, begun: now, customer, cancelled, moved });
                self.advance(now);
                if chance.often(self.lose) {
                    return (ask.within_ms, failed(Failed::Late, true));
                }
                if chance.often(self.fault) {
                    let why = *chance.pick(&[Failed::Unavailable, Failed::Malfunction]);
                    return (wait, failed(why, true));
                }
                self.initiated(self.payments.len() - 1, now)
            }
            Enquiry::Status(reference) => {
                Verdict::Status(self.progress(Self::place(reference), now))
            }
            Enquiry::Cancel(reference) => {
                let place = Self::place(reference);
                match self.payments[place].moved {
                    Some(_) => Verdict::TooLate,
                    None => {
                        self.payments[place].cancelled = true;
                        Verdict::Cancelled
                    }
                }
            }
            Enquiry::Search { order, .. } => {
                let place = self.payments.iter().position(|held| held.order.key == order.key);
                match place {
                    // An account shows what is booked and nothing else.
                    Some(place) if self.deduplicates => self.initiated(place, now),
                    Some(place) if self.payments[place].moved.is_some() => {
                        Verdict::Status(self.progress(place, now))
                    }
                    // A bank that recognises its orders takes one in that never came.
                    None if self.deduplicates => Verdict::NotFound { is_complete: true },
                    _ => Verdict::NotFound { is_complete: self.shows_all },
                }
            }
            Enquiry::Balances { .. } => {
                Verdict::Balances(Balances { ledger: 1, available: 1, currency: 578 })
            }
            // A biller, who fails as the bank does.
            Enquiry::Bill(_) if chance.often(self.refuse) => failed(Failed::NotFound, false),
            Enquiry::Bill(_) => Verdict::Bill(Money { minor: 10_000, currency: 578 }),
            other => unreachable!("{other:?}"),
        };
        (wait, verdict)
    }
}
