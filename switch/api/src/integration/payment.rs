//! Payments: one for each key, however often it is sent; and how they ended.
//!
//! The numbers of a payment follow from its key (`Idempotency-Key`) and its caller, so that the
//! engine and its journal recognise it: the same again is answered again, something else under
//! the same key is a conflict. No table is kept here, so a restart forgets nothing.

use super::admitted::Admitted;
use super::message::{Numbers, amounts, code, set, set_tags, tag, text};
use super::outcome::{meaning, refusal};
use super::shown;
use super::text::{Account, AccountType, BillText, BillerId, Currency, Narration};
use crate::answer::{Answer, Refusal};
use crate::exchange::Spoken;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use veksel_codecs::structured::{AVAILABLE, LEDGER, tags};
use veksel_codecs::{ResponseCode, field};

/// First two digits of DE3.
const TRANSFER: &str = "40";
const BILL: &str = "50";

/// The largest amount that DE4 can carry.
const MINOR_MAX: u64 = 999_999_999_999;

/// Longest key.
pub(crate) const KEY_MAX: usize = 255;

/// What is to be paid: a transfer or a bill.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum PaymentRequest {
    Transfer(Transfer),
    Bill(BillPayment),
}

/// From one account to another.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Transfer {
    #[serde(rename = "type")]
    #[schema(inline)]
    _kind: OfTransfer,
    from: Account,
    to: Account,
    amount: Amount,
    from_type: Option<AccountType>,
    to_type: Option<AccountType>,
    narration: Option<Narration>,
}

/// From an account to a biller.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BillPayment {
    #[serde(rename = "type")]
    #[schema(inline)]
    _kind: OfBill,
    from: Account,
    biller: BillerId,
    reference: BillText,
    bill: Option<BillText>,
    amount: Amount,
    from_type: Option<AccountType>,
    narration: Option<Narration>,
}

#[derive(Deserialize, ToSchema)]
enum OfTransfer {
    #[serde(rename = "transfer")]
    Transfer,
}

#[derive(Deserialize, ToSchema)]
enum OfBill {
    #[serde(rename = "bill")]
    Bill,
}

/// Says which of them a request is, whatever else it says.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: PaymentType,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PaymentType {
    Transfer,
    Bill,
}

impl PaymentRequest {
    /// Reads its type first, so that what is wrong is said of one of them.
    fn read(asked: &Admitted) -> Result<Self, Refusal> {
        Ok(match asked.read::<Typed>()?.kind {
            PaymentType::Transfer => Self::Transfer(asked.read()?),
            PaymentType::Bill => Self::Bill(asked.read()?),
        })
    }
}

/// How much.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Amount {
    #[schema(minimum = 1, maximum = 999_999_999_999_u64)]
    minor: u64,
    currency: Currency,
}

/// How a payment stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PaymentAnswer {
    /// What it is asked after by.
    id: String,
    /// `approved`, `partial`, `pending` or `declined`; `reversing` while its bank has not confirmed
    /// that it is taken back, and `reversed` once it has; `unknown` if nobody can say.
    status: &'static str,
    /// DE39.
    response_code: String,
    /// What that means.
    meaning: &'static str,
    /// How far it is taken back, if it is: `reversing`, `reversed`, `parked` until a person
    /// decides, `resolved` if a person has. Money may have moved unless it is `reversed`.
    reversal: Option<String>,
    /// DE38.
    approval_code: Option<String>,
    /// What was paid, in minor units, if that is less than was asked for.
    paid_minor: Option<u64>,
    /// Number of the receipt of a bill.
    receipt: Option<String>,
    /// What the customer gets for a prepaid service.
    token: Option<String>,
    /// Where the customer approves it, if he has to: `/approve/{link}`.
    approve: Option<String>,
    /// What is left on the account, if the bank says.
    ledger_minor: Option<i64>,
    available_minor: Option<i64>,
}

/// `POST /api/v1/integration/payments`.
pub(crate) async fn create(asked: Admitted) -> Response {
    let said = async {
        let key = key(asked.headers())?;
        let wanted = PaymentRequest::read(&asked)?;
        let numbers = Numbers::of_key(asked.name(), key);
        let message = message(&asked, &numbers, &wanted)?;
        let answer = asked.ask(message).await;
        told(&numbers, &answer.map_err(|late| late.followed(&numbers.id()))?)
    };
    asked.answer(said.await)
}

/// `GET /api/v1/integration/transactions/{id}`: how the journal says that a payment of this caller
/// ended.
pub(crate) async fn show(id: Result<Path<String>, PathRejection>, asked: Admitted) -> Response {
    let said = async {
        let unknown = || Refusal::not_found("this transaction");
        let Path(id) = id.map_err(|error| Refusal::bad(error.body_text()))?;
        let numbers = Numbers::parse(&id).ok_or_else(unknown)?;
        let question = asked.request(*b"0600", &numbers);
        let answer = asked.ask(question).await?;
        match code(&answer) {
            ResponseCode::NOT_FOUND => Err(unknown()),
            // That the journal cannot be asked says nothing of the payment.
            ResponseCode::HOST_UNAVAILABLE if tag(&answer, tags::ENDED).is_none() => {
                Err(refusal(ResponseCode::HOST_UNAVAILABLE))
            }
            code => shown(StatusCode::OK, &standing(&numbers, &answer, code)),
        }
    };
    asked.answer(said.await)
}

/// What the answer to a payment is over HTTP.
fn told(numbers: &Numbers, answer: &Spoken) -> Answer {
    let code = code(answer);
    let status = match code {
        code if code.is_approval() => StatusCode::OK,
        // It is under way, or its customer has to approve it.
        ResponseCode::IN_PROGRESS => StatusCode::ACCEPTED,
        code => return Err(refusal(code).followed(&numbers.id())),
    };
    shown(status, &standing(numbers, answer, code))
}

fn standing(numbers: &Numbers, answer: &Spoken, code: ResponseCode) -> PaymentAnswer {
    let reversal = tag(answer, tags::REVERSAL).filter(|_| code == ResponseCode::OUTCOME_UNKNOWN);
    let status = match code {
        ResponseCode::IN_PROGRESS => "pending",
        // Only a bank that has confirmed it makes it certain: whoever reads `reversed` pays again.
        ResponseCode::OUTCOME_UNKNOWN => match reversal.as_deref() {
            Some("reversed") => "reversed",
            Some("reversing") => "reversing",
            Some(_) | None => "unknown",
        },
        code if code.is_partial() => "partial",
        code if code.is_approval() => "approved",
        _ => "declined",
    };
    let approval = text(answer, field::APPROVAL);
    let paid = text(answer, field::AMOUNT).parse().ok().filter(|_| code.is_partial());
    // An amount that cannot be read is one that the bank need not have said.
    let amounts = amounts(answer).unwrap_or_default();
    let minor = |wanted: [u8; 2]| {
        amounts.iter().find(|(kind, _, _)| *kind == wanted).map(|(_, _, minor)| *minor)
    };
    PaymentAnswer {
        id: numbers.id(),
        status,
        response_code: code.to_string(),
        meaning: meaning(code),
        reversal,
        approval_code: (!approval.is_empty()).then(|| approval.to_owned()),
        paid_minor: paid,
        receipt: tag(answer, tags::RECEIPT),
        token: tag(answer, tags::TOKEN),
        approve: tag(answer, tags::APPROVE).map(|link| format!("/approve/{link}")),
        ledger_minor: minor(LEDGER),
        available_minor: minor(AVAILABLE),
    }
}

fn message(
    asked: &Admitted,
    numbers: &Numbers,
    wanted: &PaymentRequest,
) -> Result<Spoken, Refusal> {
    let mut message = asked.request(*b"0200", numbers);
    let kind =
        |kind: &Option<AccountType>| kind.as_ref().map_or("00", AccountType::as_str).to_owned();
    let (code, from, to, amount, narration) = match wanted {
        PaymentRequest::Transfer(Transfer {
            from,
            to,
            amount,
            from_type,
            to_type,
            narration,
            ..
        }) => {
            let code = format!("{TRANSFER}{}{}", kind(from_type), kind(to_type));
            (code, from, to.as_str(), amount, narration)
        }
        PaymentRequest::Bill(BillPayment {
            from,
            biller,
            reference,
            bill,
            amount,
            from_type,
            narration,
            ..
        }) => {
            let wanted = [
                (tags::BILLER, Some(biller.as_str())),
                (tags::REFERENCE, Some(reference.as_str())),
                (tags::BILL, bill.as_ref().map(BillText::as_str)),
            ];
            set_tags(&mut message, &wanted);
            let code = format!("{BILL}{}00", kind(from_type));
            (code, from, biller.as_str(), amount, narration)
        }
    };
    if !(1..=MINOR_MAX).contains(&amount.minor) {
        return Err(Refusal::bad(format!("`minor` must be 1 to {MINOR_MAX}")));
    }
    set(&mut message, field::PROCESSING_CODE, code);
    set(&mut message, field::AMOUNT, format!("{:012}", amount.minor));
    set(&mut message, field::CURRENCY, amount.currency.as_str());
    set(&mut message, field::ACCOUNT, from.as_str());
    set(&mut message, field::COUNTER_ACCOUNT, to);
    if let Some(narration) = narration {
        set(&mut message, field::NARRATION, narration.as_str());
    }
    Ok(message)
}

/// `Idempotency-Key`: without one nobody could tell a payment that is sent again from another.
pub(super) fn key(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut all = headers.get_all("idempotency-key").iter();
    // Of two nobody could say which one the payment is known by.
    let given = all.next().filter(|_| all.next().is_none()).and_then(|key| key.to_str().ok());
    let given = given.map(str::trim).filter(|key| (1..=KEY_MAX).contains(&key.len()));
    let plain = given.filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()));
    plain.ok_or_else(|| {
        let message = format!(
            "`Idempotency-Key` must be there once, 1 to {KEY_MAX} ASCII characters without spaces"
        );
        Refusal::new(StatusCode::BAD_REQUEST, "idempotency_key", message)
    })
}
