//! The bank as its messages show it: requests of CBS-ISO/1 in, answers out.
//!
//! An [`Issuer`] understands a decoded request, asks the ledger or the directory, and says what to
//! answer and what must be written to the book before the answer leaves. It holds no socket,
//! clock, file or random: the same requests at the same times give the same answers. Who may speak
//! (sign-on) and when a late answer leaves are the host's business.
//!
//! Of several things wrong with a request the first of this order is the answer:
//!
//! 1. the format (30 with DE44; 40 or 12 for a type or code that has no meaning here);
//! 2. a currency the bank does not keep (12);
//! 3. for what moves or holds money, an earlier message with the same key: the same content gives
//!    the same answer again, other content 94;
//! 4. a magic amount;
//! 5. the card: 14 unknown or of another customer, 41, 43 and 62 by its status, 54 expired;
//! 6. biller (03, 12, 25) or other bank (15);
//! 7. the ledger, in the order of [`crate::ledger::Outcome`].

mod bill;
mod card;
mod draft;
mod entry;
mod inquiry;
mod names;
mod network;
mod payment;
mod reconciliation;
mod reversal;
mod search;
mod service;
mod statement;

use std::rc::Rc;

use veksel_codecs::{
    Answer, Codec, Fault, Message, Mti, Refusal, ResponseCode, field, is_known_class,
};
use veksel_core::time::Utc;

pub use names::NamePolicy;
pub(crate) use network::{SIGN_OFF, SIGN_ON};
pub(crate) use reconciliation::fields as reconciliation_fields;

use crate::directory::Directory;
use crate::ledger::{Effect, Ledger, Request, Verdict};
use draft::{Decline, Draft};
use service::Service;

/// How a bank is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// DE100 that means this bank.
    pub institution: String,
    /// Whether [`crate::magic::TABLE`] is in force.
    pub magic: bool,
    /// How late an answer that is to be late is.
    pub late_ms: u64,
    /// Rows of a mini-statement when the request names no number.
    pub statement_lines: usize,
    /// Of names in answers to those who want to pay (33, 95, 97).
    pub names: NamePolicy,
}

/// What becomes of a request.
#[must_use]
#[derive(Debug)]
pub struct Reply {
    /// `None` for what is never answered: an answer, or a frame nobody could match one to.
    pub answer: Option<Message>,
    /// To be committed to the book before the answer leaves.
    pub effect: Option<Effect>,
    /// How long the answer is held back after that.
    pub delay_ms: u64,
    /// Whether the answer had been given before.
    pub is_replay: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Issuer {
    ledger: Ledger,
    directory: Directory,
    settings: Settings,
    codec: Rc<Codec>,
}

/// What was decided, before it is written as a message.
struct Given {
    draft: Draft,
    effect: Option<Effect>,
    delay_ms: u64,
    is_replay: bool,
}

impl Issuer {
    /// The codec is that of the link: its dialect says which fields an answer repeats and may have.
    #[must_use]
    pub fn new(ledger: Ledger, directory: Directory, settings: Settings, codec: Rc<Codec>) -> Self {
        Self { ledger, directory, settings, codec }
    }

    /// For audits and views; only messages change it.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Names and numbers, which never change.
    #[must_use]
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Lets the ledger execute what another channel has already understood and checked. The effect
    /// must be committed before anybody hears of it.
    pub fn execute_directly(&mut self, now: Utc, request: &Request) -> Verdict {
        self.ledger.execute(now.0, request)
    }

    /// Answers a request that its codec has read whole and checked.
    pub fn handle(&mut self, now: Utc, request: Message) -> Reply {
        if !request.mti().is_request() {
            return Reply::SILENCE;
        }
        let codec = Rc::clone(&self.codec);
        let (answer, service) = match codec.rule(&request) {
            Ok(rule) => (rule.answer, Service::of(&request)),
            Err(refusal) => return self.refuse(now, request, refusal),
        };
        let Some(service) = service else {
            // A rule of a user's dialect for something this bank does not do.
            return self.decline(now, request, ResponseCode::NOT_SUPPORTED, None);
        };
        match self.decide(now, service, &request) {
            Ok(Given { draft, effect, delay_ms, is_replay }) => {
                let date = self.settlement_date(Utc(draft.utc_ms));
                let answer = Some(draft.write(request, answer, date));
                Reply { answer, effect, delay_ms, is_replay }
            }
            Err(Decline::Code(code)) => self.write(now, request, answer, Draft::of(now, code)),
            Err(Decline::Format(number, fault)) => {
                let draft = Draft::format_error(now, number, fault);
                self.write(now, request, answer, draft)
            }
        }
    }

    /// Answers what is no valid request, if its sender could tell what the answer is to.
    pub fn refuse(&self, now: Utc, request: Message, refusal: Refusal) -> Reply {
        let is_missing = match refusal {
            Refusal::Format(error) => error.fault == Fault::Missing,
            Refusal::UnknownType | Refusal::UnknownCode | Refusal::Unauthentic => false,
        };
        let is_request = request.mti() != Mti::NONE && request.mti().is_request();
        if !is_request || !(request.has(field::STAN) || is_missing) {
            return Reply::SILENCE;
        }
        let draft = match refusal {
            Refusal::Format(error) => Draft::format_error(now, error.path.field, error.fault),
            Refusal::UnknownType if is_known_class(request.mti()) => {
                Draft::of(now, ResponseCode::NOT_SUPPORTED)
            }
            Refusal::UnknownType | Refusal::UnknownCode => {
                Draft::of(now, ResponseCode::INVALID_TRANSACTION)
            }
            Refusal::Unauthentic => Draft::of(now, ResponseCode::SECURITY_VIOLATION),
        };
        let answer = self.answer_rule(&request);
        self.write(now, request, answer, draft)
    }

    /// Answers a request that is not looked at, and tells people why.
    pub fn decline(
        &self,
        now: Utc,
        request: Message,
        code: ResponseCode,
        display: Option<&str>,
    ) -> Reply {
        if !request.mti().is_request() {
            return Reply::SILENCE;
        }
        let answer = self.answer_rule(&request);
        let draft = Draft { display: display.map(str::to_owned), ..Draft::of(now, code) };
        self.write(now, request, answer, draft)
    }

    /// Releases the holds whose time has come. The effects must be committed like any other.
    pub fn expire_holds(&mut self, now: Utc) -> Vec<Effect> {
        self.ledger.expire_holds(now.0)
    }

    /// `MMDD`, as DE15 carries it.
    fn settlement_date(&self, at: Utc) -> [u8; 4] {
        let day = self.ledger.business_day(at.0);
        let [a, b, c, d, ..] = Utc(day.saturating_mul(DAY_MS)).transmission();
        [a, b, c, d]
    }

    fn answer_rule(&self, request: &Message) -> Answer {
        self.codec.rule(request).map_or_else(|_| draft::without_rule(), |rule| rule.answer)
    }

    fn write(&self, now: Utc, request: Message, answer: Answer, draft: Draft) -> Reply {
        let date = self.settlement_date(now);
        let answer = Some(draft.write(request, answer, date));
        Reply { answer, ..Reply::SILENCE }
    }

    fn decide(&mut self, now: Utc, service: Service, request: &Message) -> Result<Given, Decline> {
        let draft = match service {
            Service::Payment(payment) => return self.pay(now, request, payment),
            Service::Hold => return self.hold(now, request),
            Service::Completion => return self.complete(now, request),
            Service::Reversal => return self.reverse(now, request),
            Service::Network => return self.manage(now, request),
            Service::Reconciliation => self.reconcile(now, request),
            Service::Balance => self.balance(now, request),
            Service::Statement(span) => self.statement(now, request, span),
            Service::Name => self.name(now, request),
            Service::LinkedAccounts => self.linked_accounts(now, request),
            Service::BillInquiry => self.bill_inquiry(now, request),
            Service::Order => self.order(now, request),
            Service::Customers => self.customers(now, request),
            Service::Accounts => self.accounts(now, request),
            Service::Details => self.details(now, request),
            Service::Operator => self.operator(now, request),
            Service::Banks => self.banks(now, request),
            Service::Beneficiary => self.beneficiary(now, request),
        };
        draft.map(|draft| Given { draft, effect: None, delay_ms: 0, is_replay: false })
    }
}

impl Reply {
    const SILENCE: Self = Self { answer: None, effect: None, delay_ms: 0, is_replay: false };
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
