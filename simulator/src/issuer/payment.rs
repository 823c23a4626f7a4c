//! Messages that move or hold money: 0200, 0220, 0100 and 0120 of DE3 00, 01, 09, 20, 21, 40 and
//! 50.
//!
//! The accounts' own rules are the ledger's. Here a message becomes a ledger request, what the
//! ledger cannot know (magic, card, biller, other banks) is checked before it, and its reply
//! becomes an answer, the same whether it is given now or again.

use veksel_codecs::structured::{CASH, parse_amounts, tags};
use veksel_codecs::{Fault, Message, ResponseCode, field};
use veksel_core::time::Utc;

use super::bill::Bill;
use super::draft::{Decline, Draft};
use super::service::Payment;
use super::{Given, Issuer, entry};
use crate::ledger::{
    Adjust, Capture, Effect, Funds, Gl, HoldId, HoldRef, Operation, PlaceHold, Post, Reply,
    Request, Side, Verdict,
};
use crate::magic::{self, Act, Magic};

/// What the ledger made of a request.
pub(super) struct Executed {
    reply: Reply,
    effect: Option<Effect>,
    delay_ms: u64,
    is_replay: bool,
}

impl Issuer {
    pub(super) fn pay(
        &mut self,
        now: Utc,
        message: &Message,
        payment: Payment,
    ) -> Result<Given, Decline> {
        let bill = match payment {
            Payment::Bill => Some(Bill::read(message)?),
            Payment::CashBack => {
                check_cash(message)?;
                None
            }
            Payment::Purchase
            | Payment::Withdrawal
            | Payment::Refund
            | Payment::Deposit
            | Payment::Transfer => None,
        };
        let amount = entry::money(message)?;
        let account = entry::account(message)?;
        let receiver = self.receiver(message);
        let (debit, credit) = sides(message, payment, receiver)?;
        let post = Post {
            debit,
            credit,
            amount,
            tran_type: payment.tran_type(),
            narration: entry::narration(message, payment.narration()),
            funds: if message.mti().is_advice() { Funds::Forced } else { Funds::Checked },
        };
        let request = entry::request(message, Operation::Post(post))?;
        let executed = self.execute(now, message, &request, |bank| {
            bank.check_card(now, message, &account)?;
            match (payment, receiver, &bill) {
                (_, _, Some(bill)) => bank.check_bill(bill, amount.currency),
                (Payment::Transfer, Receiver::Unknown, _) => {
                    Err(ResponseCode::NO_SUCH_ISSUER.into())
                }
                (_, Receiver::Here | Receiver::Elsewhere | Receiver::Unknown, None) => Ok(()),
            }
        })?;
        let transfer = executed.reply.transfer;
        let mut given = self.given(message, executed);
        if let (Some(bill), Some(transfer)) = (bill, transfer) {
            given.draft = bill.receipt(given.draft, transfer);
        }
        Ok(given)
    }

    /// 0100, and 0120 of what was approved in place of the bank: of that neither the card nor the
    /// balance is looked at. A 0100 that names a hold in DE48 gives it another amount.
    pub(super) fn hold(&mut self, now: Utc, message: &Message) -> Result<Given, Decline> {
        let account = entry::account(message)?;
        let payment = reserved(message);
        let is_advice = message.mti().is_advice();
        let place = PlaceHold {
            account: account.clone(),
            amount: entry::money(message)?,
            tran_type: payment.tran_type(),
            narration: entry::narration(message, payment.narration()),
            funds: if is_advice { Funds::Forced } else { Funds::Checked },
        };
        let operation = match named_hold(message) {
            Some(hold) if !is_advice => {
                Operation::Adjust(Adjust { hold, account: account.clone(), amount: place.amount })
            }
            Some(_) | None => Operation::Hold(place),
        };
        let request = entry::request(message, operation)?;
        let check = |bank: &Self| match is_advice {
            true => Ok(()),
            false => bank.check_card(now, message, &account),
        };
        let executed = self.execute(now, message, &request, check)?;
        Ok(self.given(message, executed))
    }

    /// 0220: the hold that DE90 names is released and DE4 is posted. The goods have left, so
    /// neither the card nor the balance is looked at.
    pub(super) fn complete(&mut self, now: Utc, message: &Message) -> Result<Given, Decline> {
        let payment = reserved(message);
        let hold = HoldRef::Key(self.original(now, message)?);
        let gl = Gl::facing(payment.tran_type()).ok_or(ResponseCode::INVALID_TRANSACTION)?;
        let capture = Capture {
            hold,
            amount: entry::money(message)?,
            credit: Side::Bank(gl),
            narration: entry::narration(message, payment.narration()),
        };
        let request = entry::request(message, Operation::Capture(capture))?;
        let account = entry::account(message)?;
        let executed = self.execute(now, message, &request, |bank| {
            let Ok(id) = bank.ledger.find_hold(now.0, hold) else {
                // The ledger says why.
                return Ok(());
            };
            let held = bank.ledger.hold(id).and_then(|hold| bank.ledger.account(hold.account));
            match held.is_none_or(|held| held.number == account) {
                true => Ok(()),
                false => Err(ResponseCode::INVALID_ACCOUNT.into()),
            }
        })?;
        Ok(self.given(message, executed))
    }

    /// Repeats what was answered before, or checks what the ledger cannot and lets it execute.
    pub(super) fn execute(
        &mut self,
        now: Utc,
        message: &Message,
        request: &Request,
        check: impl FnOnce(&Self) -> Result<(), Decline>,
    ) -> Result<Executed, Decline> {
        if let Some(verdict) = self.ledger.remembered(now.0, request) {
            return Ok(Executed::of(verdict, 0));
        }
        let delay_ms = match self.magic_of(message, &request.operation).map(|magic| magic.act) {
            Some(Act::Decline(code)) => return Err(code.into()),
            Some(Act::Late) => self.settings.late_ms,
            None => 0,
        };
        check(self)?;
        Ok(Executed::of(self.ledger.execute(now.0, request), delay_ms))
    }

    fn magic_of(&self, message: &Message, operation: &Operation) -> Option<&'static Magic> {
        let is_asked = match operation {
            Operation::Post(_) | Operation::Hold(_) | Operation::Adjust(_) => {
                !message.mti().is_advice()
            }
            Operation::Capture(_) | Operation::Void(_) | Operation::Reverse(_) => false,
        };
        let is_on = self.settings.magic && is_asked;
        message.get(field::AMOUNT).filter(|_| is_on).and_then(magic::find)
    }

    /// Which bank a transfer goes to: DE100, or tag 15 of DE48, or else this one.
    fn receiver(&self, message: &Message) -> Receiver {
        let own = self.directory.rows().banks.first();
        let named = match message.get(field::RECEIVER) {
            Some(iin) if *iin == *self.settings.institution => return Receiver::Here,
            Some(iin) => self.directory.bank_by_iin(&iin),
            None => {
                let additional = message.get(field::ADDITIONAL_DATA);
                let code = additional.as_ref().and_then(|text| tags::find(text, tags::BANK));
                let Some(code) = code else { return Receiver::Here };
                self.directory.bank(code.trim_end())
            }
        };
        match named {
            None => Receiver::Unknown,
            Some(bank) if own == Some(bank) => Receiver::Here,
            Some(_) => Receiver::Elsewhere,
        }
    }

    /// The answer that a reply of the ledger stands for.
    pub(super) fn given(&self, message: &Message, executed: Executed) -> Given {
        let Executed { reply, effect, delay_ms, is_replay } = executed;
        let code = ResponseCode::parse(reply.outcome.response_code());
        let code = code.unwrap_or(ResponseCode::SYSTEM_MALFUNCTION);
        let mut draft = Draft::of(Utc(reply.utc_ms), code);
        if reply.outcome.is_approved() {
            draft.approval = reply.approval;
            if let Some(hold) = reply.hold {
                draft = draft.with_tags([(tags::HOLD, &*hold.to_string())]);
            }
            draft = self.with_balances(draft, message, &reply);
        }
        Given { draft, effect, delay_ms, is_replay }
    }

    /// DE54: the balances of the account the message is about, and of the other one (07, 08) if it
    /// belongs to the same customer. What others have is nobody's business.
    fn with_balances(&self, draft: Draft, message: &Message, reply: &Reply) -> Draft {
        let product = |number: &str| {
            self.ledger.customer_account(number).map(|(_, _, holder)| holder.product)
        };
        let own = entry::account(message).unwrap_or_default();
        let Some((balances, own_product)) = reply.from.or(reply.to).zip(product(&own)) else {
            return draft;
        };
        let mut draft = draft.with_balances(own_product, balances);
        if let (Some(_), Some(to)) = (reply.from, reply.to)
            && let Some(counter) = message.get(field::COUNTER_ACCOUNT)
            && self.is_same_customer(&own, counter.expose())
            && let Some(product) = product(counter.expose())
        {
            draft.push_balances(product, to, [TO_LEDGER, TO_AVAILABLE]);
        }
        draft
    }
}

impl Executed {
    fn of(verdict: Verdict, delay_ms: u64) -> Self {
        let Verdict { reply, is_replay, effect } = verdict;
        Self { reply, effect, delay_ms, is_replay }
    }
}

/// Where the money of a transfer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    /// To the account in DE103.
    Here,
    /// To whatever is in DE103, through the account between banks.
    Elsewhere,
    /// To a bank that nobody knows.
    Unknown,
}

/// Who pays and who is paid.
fn sides(message: &Message, payment: Payment, receiver: Receiver) -> Result<(Side, Side), Decline> {
    let account = Side::Account(entry::account(message)?);
    let gl = Gl::facing(payment.tran_type()).ok_or(ResponseCode::INVALID_TRANSACTION)?;
    let bank = Side::Bank(gl);
    Ok(match (payment, receiver) {
        (Payment::Transfer, Receiver::Here) => {
            let counter = message.get(field::COUNTER_ACCOUNT);
            let counter = counter.ok_or(ResponseCode::INVALID_ACCOUNT)?;
            (account, Side::Account(counter.expose().to_owned()))
        }
        (Payment::Transfer, Receiver::Elsewhere | Receiver::Unknown)
        | (Payment::Purchase | Payment::Withdrawal | Payment::CashBack | Payment::Bill, _) => {
            (account, bank)
        }
        (Payment::Refund | Payment::Deposit, _) => (bank, account),
    })
}

/// The cash part of 09 is in DE54 and cannot be more than the whole.
fn check_cash(message: &Message) -> Result<(), Decline> {
    let Some(text) = message.get(field::ADDITIONAL_AMOUNTS) else {
        return Ok(());
    };
    let wrong = Decline::Format(field::ADDITIONAL_AMOUNTS.number(), Fault::Value);
    let amounts = parse_amounts(&text).ok_or(wrong)?;
    let cash = amounts.iter().find(|amount| amount.amount_type == CASH);
    let whole = message.get(field::AMOUNT).and_then(|minor| i64::try_from(minor).ok());
    match cash.zip(whole).is_none_or(|(cash, whole)| cash.minor.saturating_abs() <= whole) {
        true => Ok(()),
        false => Err(ResponseCode::INVALID_AMOUNT.into()),
    }
}

/// Tag 30 of DE48: a hold that is there already.
fn named_hold(message: &Message) -> Option<HoldId> {
    let additional = message.get(field::ADDITIONAL_DATA)?;
    tags::find(&additional, tags::HOLD)?.trim_end().parse().ok()
}

/// Holds and completions are of purchases or of cash.
fn reserved(message: &Message) -> Payment {
    let code = message.get(field::PROCESSING_CODE);
    match code.is_some_and(|code| code.starts_with("01")) {
        true => Payment::Withdrawal,
        false => Payment::Purchase,
    }
}

const TO_LEDGER: [u8; 2] = *b"07";
const TO_AVAILABLE: [u8; 2] = *b"08";
