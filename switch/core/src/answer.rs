//! Answers: the only six ways in which an answer to a channel comes to be.
//!
//! A decline carries a code that cannot be an approval. A relay needs a [`Verified`] answer of the
//! host, which only the matcher makes. A replay needs the recorded outcome of an earlier copy. An
//! acknowledgement belongs to network management, and to advices the switch has taken over. What a
//! bank behind HTTP said is reported to an inquiry, and a payment there is granted by its fact. So
//! no approval can be invented (guarantee G4): there is no function that would build one.

use crate::bug::{Bug, planted};
use crate::enquiry::{Balances, Told};
use crate::fact::{ApprovalMode, Payment, PaymentState};
use crate::pending::Txn;
use crate::record::Outcome;
use veksel_codecs::{Class, FieldNumber, FieldSet, Message, Mti, ResponseCode, field};

/// A response code that is not an approval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Decline(ResponseCode);

impl Decline {
    pub(crate) const FORMAT_ERROR: Self = Self(ResponseCode::FORMAT_ERROR);
    pub(crate) const INVALID_TRANSACTION: Self = Self(ResponseCode::INVALID_TRANSACTION);
    pub(crate) const NOT_SUPPORTED: Self = Self(ResponseCode::NOT_SUPPORTED);
    pub(crate) const IN_PROGRESS: Self = Self(ResponseCode::IN_PROGRESS);
    pub(crate) const OUTCOME_UNKNOWN: Self = Self(ResponseCode::OUTCOME_UNKNOWN);
    pub(crate) const HOST_UNAVAILABLE: Self = Self(ResponseCode::HOST_UNAVAILABLE);
    pub(crate) const MALFUNCTION: Self = Self(ResponseCode::SYSTEM_MALFUNCTION);
    pub(crate) const NO_ROUTE: Self = Self(ResponseCode::NO_ROUTE);
    pub(crate) const SECURITY_VIOLATION: Self = Self(ResponseCode::SECURITY_VIOLATION);
    pub(crate) const NOT_GRANTED: Self = Self(ResponseCode::NOT_PERMITTED_TO_TERMINAL);
    pub(crate) const DUPLICATE: Self = Self(ResponseCode::DUPLICATE);
    pub(crate) const NOT_FOUND: Self = Self(ResponseCode::NOT_FOUND);

    pub(crate) const fn code(self) -> ResponseCode {
        self.0
    }

    /// The decline with this code. What would be an approval is a malfunction.
    pub(crate) fn of(code: ResponseCode) -> Self {
        Self(if code.is_approval() { ResponseCode::SYSTEM_MALFUNCTION } else { code })
    }
}

/// What a bank said of an account, now or lately. Made from its verdict, or from what it said
/// before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen(Option<Balances>);

impl Seen {
    pub(crate) const fn live(balances: Balances) -> Self {
        Self(Some(balances))
    }

    pub(crate) const fn cached(balances: Balances) -> Self {
        Self(Some(balances))
    }

    /// Lines of a statement.
    pub(crate) const fn statement() -> Self {
        Self(None)
    }

    pub(crate) const fn balances(&self) -> Option<Balances> {
        self.0
    }
}

/// Turns an inquiry into the answer that says what was seen.
pub(crate) fn report(request: &mut Message, _seen: &Seen) {
    answer(request, ResponseCode::APPROVED);
}

/// What somebody who wants an account linked or a check begun was told, if that is good news.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted(());

impl Noted {
    pub(crate) const fn of(told: &Told) -> Option<Self> {
        match told {
            Told::Noted | Told::Linked { .. } | Told::Checked { .. } => Some(Self(())),
            Told::Unknown
            | Told::Payment(_)
            | Told::Approve(_)
            | Told::Accounts { .. }
            | Told::Checks { .. }
            | Told::Failed(_)
            | Told::Busy => None,
        }
    }
}

/// Turns a file action into the answer that it is done. No money moves by it.
pub(crate) fn note(request: &mut Message, _noted: Noted) {
    answer(request, ResponseCode::APPROVED);
}

/// Leave to approve what a bank was asked: the fact of the payment says that money moved, or its
/// plan that the merchant takes the risk until it does; or the bank said that the money is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted(());

impl Granted {
    pub(crate) fn of(payment: &Payment, mode: ApprovalMode) -> Option<Self> {
        let is_at_risk =
            mode == ApprovalMode::ApprovePending && payment.state == PaymentState::Pending;
        (payment.state.has_moved() || is_at_risk).then_some(Self(()))
    }

    /// The bank said whether the money is there.
    pub(crate) fn funds(is_there: bool) -> Option<Self> {
        is_there.then_some(Self(()))
    }
}

/// Turns a request into its approval.
pub(crate) fn grant(request: &mut Message, _leave: Granted) {
    answer(request, ResponseCode::APPROVED);
}

/// What an answer to a request of this class repeats of it. Track, PIN and chip data (35, 36, 45,
/// 52, 55) are never among it (switch semantics 16).
fn echo(class: Class) -> FieldSet {
    // The date a reconciliation is about is its sender's; any other is set by the host.
    let own: &[u8] = if class == Class::Reconciliation { &[15, 99] } else { &[] };
    [2, 3, 4, 7, 11, 12, 13, 32, 33, 37, 41, 42, 49, 59, 60, 70, 90, 95, 101, 102, 103]
        .iter()
        .chain(own)
        .filter_map(|number| FieldNumber::new(*number))
        .collect()
}

/// What an answer of a host never brings to a channel.
fn withheld() -> FieldSet {
    [35, 36, 45, 52].into_iter().filter_map(FieldNumber::new).collect()
}

fn answer(request: &mut Message, response: ResponseCode) {
    let mti = request.mti().response().unwrap_or(Mti::NONE);
    request.retain(echo(request.mti().class()));
    request.set_mti(mti);
    request.set(field::RESPONSE_CODE, response);
}

/// Turns a request into the answer that declines it.
pub(crate) fn decline(request: &mut Message, why: Decline) {
    answer(request, why.code());
}

/// Turns a request for network management into the answer that grants it, or an advice or
/// reversal into the answer that takes it over. The latter must wait for its record.
pub(crate) fn acknowledge(request: &mut Message) {
    debug_assert!(
        matches!(request.mti().class(), Class::Network | Class::Reversal)
            || request.mti().is_advice(),
        "only these are granted here"
    );
    answer(request, ResponseCode::APPROVED);
}

/// Turns a copy of a request into the answer that the request itself got.
pub(crate) fn replay(request: &mut Message, outcome: &Outcome) {
    answer(request, outcome.response);
    for (number, value) in &outcome.answer {
        if let Some(number) = FieldNumber::new(*number) {
            request.set_text(number, value);
        }
    }
}

/// An answer of the host that fits its request in everything that both have.
pub(crate) struct Verified {
    message: Message,
    response: ResponseCode,
}

impl Verified {
    pub(crate) const fn response(&self) -> ResponseCode {
        self.response
    }

    pub(crate) const fn message(&self) -> &Message {
        &self.message
    }

    pub(crate) fn into_message(self) -> Message {
        self.message
    }

    /// The answer to the channel: the host's, with what the switch had replaced put back.
    pub(crate) fn relay(self, txn: &Txn) -> Message {
        let mut message = self.message;
        message.retain(message.fields().minus(withheld()));
        message.copy_field(&txn.request, field::STAN.number());
        let header = message.header_mut();
        header.clear();
        header.extend_from_slice(txn.request.header());
        message
    }
}

/// Why an answer with the right trace number is not the answer to the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Contradiction(pub(crate) FieldNumber);

/// Checks an answer of the host against its request: type, DE39, and DE3 (its first two digits),
/// DE4, DE7, DE37, DE41 and DE49 where both have them. The amount may be lower with code 10.
///
/// # Errors
/// The answer, and the first field that contradicts the request.
pub(crate) fn verify(txn: &Txn, message: Message) -> Result<Verified, (Message, Contradiction)> {
    match contradiction(&txn.request, &message) {
        Ok(response) => Ok(Verified { message, response }),
        Err(number) => Err((message, Contradiction(number))),
    }
}

fn contradiction(request: &Message, answer: &Message) -> Result<ResponseCode, FieldNumber> {
    if Some(answer.mti()) != request.mti().response() {
        return Err(FieldNumber::MTI);
    }
    let response = answer.get(field::RESPONSE_CODE).ok_or(field::RESPONSE_CODE.number())?;
    if planted(Bug::StanOnly) {
        return Ok(response);
    }
    // Almost always both have the same characters, and that is seen without reading them.
    let is_same = |number| {
        let asked = request.expose(number);
        asked.is_some() && asked == answer.expose(number)
    };
    for key in [field::TRANSMISSION, field::RRN, field::TERMINAL] {
        if is_same(key.number()) {
            continue;
        }
        if let (Some(asked), Some(said)) = (request.get(key), answer.get(key))
            && asked.trimmed() != said.trimmed()
        {
            return Err(key.number());
        }
    }
    let code = field::PROCESSING_CODE;
    if !is_same(code.number())
        && let (Some(asked), Some(said)) = (request.get(code), answer.get(code))
        && asked.as_bytes().get(..2) != said.as_bytes().get(..2)
    {
        return Err(code.number());
    }
    let partial = response.is_partial();
    if is_same(field::AMOUNT.number()) {
        // It fits, partial or not.
    } else if let (Some(asked), Some(said)) =
        (request.get(field::AMOUNT), answer.get(field::AMOUNT))
    {
        let fits = if partial { said <= asked } else { said == asked };
        let fits = fits || planted(Bug::AmountUnchecked);
        if !fits {
            return Err(field::AMOUNT.number());
        }
    } else if partial {
        // Without an amount nobody knows what was approved.
        return Err(field::AMOUNT.number());
    }
    if !is_same(field::CURRENCY.number())
        && let (Some(asked), Some(said)) =
            (request.get(field::CURRENCY), answer.get(field::CURRENCY))
        && asked != said
    {
        return Err(field::CURRENCY.number());
    }
    Ok(response)
}
