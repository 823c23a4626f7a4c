//! Linked accounts: link one, see one or all of a customer, give one up, the cards that stand for
//! one, and the banks where there may be some.

use crate::answer::{Answer, Refusal, Trace, json_response};
use crate::caller::{Act, Caller};
use crate::door::{
    Desk, Name, Program, Shared, answered, members, name, nothing_else, object, one_line, optional,
    text,
};
use crate::kyc::CUSTOMER_MAX;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;
use veksel_core::Utc;
use veksel_core::enquiry::{Call, Told};
use veksel_core::fact::{Cached, ConsentStatus, Linked};
use veksel_core::record::CardNumber;

/// How long the bank may take to say where its customer approves.
const LINK_TIME: Duration = Duration::from_secs(45);

/// How long it takes to say what is known.
const SHOW_TIME: Duration = Duration::from_secs(5);

/// Longest DE102 (ISO 8583: ans ..28).
const ACCOUNT_MAX: usize = 28;

/// Digits of a card number (ISO/IEC 7812-1).
const CARD_MIN: usize = 12;
const CARD_MAX: usize = 19;

/// Longest name of a bank.
const BANK_MAX: usize = 64;

/// What is said when the bank cannot be asked now.
const UNAVAILABLE: &str = "the bank is temporarily unavailable";

/// `POST /api/accounts` with `{"account":"…","bank":"…","iban":"…","currency":"578",
/// "customer":"…"}`.
pub(crate) async fn link(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let linked = async {
        let caller = desk.caller(&headers, Act::Change)?;
        let wanted = wanted(&desk, &caller, object(&headers, &body)?)?;
        if let (Caller::Person(_), Call::Link { account, .. }) = (&caller, &wanted) {
            unclaimed(&desk, &caller, account).await?;
        }
        told(desk.engine.call(wanted, LINK_TIME).await, &caller)
    };
    answered(linked.await, &trace)
}

/// A person takes no account over that somebody else has linked. While his bank has not agreed, it
/// is not linked: who only asks keeps nobody out.
async fn unclaimed(desk: &Desk, caller: &Caller, account: &str) -> Result<(), Refusal> {
    match held(desk, account).await? {
        Some(linked)
            if linked.status == ConsentStatus::Valid && !caller.may_see(&linked.customer) =>
        {
            let message = "another customer has linked this account";
            Err(Refusal::new(StatusCode::CONFLICT, "linked_elsewhere", message))
        }
        Some(_) | None => Ok(()),
    }
}

/// How an account is linked for a caller, and under which name: a person whose consent is asked
/// while another's is asked for the same account finds the own claim on it.
async fn found(
    desk: &Desk,
    caller: &Caller,
    account: String,
) -> Result<Option<(String, Linked)>, Refusal> {
    let linked = held(desk, &account).await?;
    match (caller, linked) {
        (Caller::Person(person), Some(other)) if !caller.may_see(&other.customer) => {
            let claim = Linked::claim(&account, person);
            Ok(held(desk, &claim).await?.map(|own| (claim, own)))
        }
        (Caller::Person(_) | Caller::Program, linked) => Ok(linked.map(|own| (account, own))),
    }
}

/// How an account is linked; `None` if it is not.
async fn held(desk: &Desk, account: &str) -> Result<Option<Linked>, Refusal> {
    let call = Call::Linked { account: account.to_owned() };
    match desk.engine.call(call, SHOW_TIME).await {
        Told::Linked { linked, .. } => Ok(Some(*linked)),
        Told::Noted | Told::Unknown => Ok(None),
        other => Err(instead(other)),
    }
}

fn wanted(desk: &Desk, caller: &Caller, mut object: Map<String, Value>) -> Result<Call, Refusal> {
    let account = optional(&mut object, "account", ACCOUNT_MAX)?;
    let bank = text(&mut object, "bank", BANK_MAX)?;
    if !desk.banks.iter().any(|known| known.name == bank) {
        let names: Vec<&str> = desk.banks.iter().map(|known| known.name.as_str()).collect();
        return Err(Refusal::bad(format!("`bank` must be one of: {}", names.join(", "))));
    }
    let iban: String = text(&mut object, "iban", 42)?.split_whitespace().collect();
    let iban = iban.to_ascii_uppercase();
    if !is_iban(&iban) {
        return Err(Refusal::bad("`iban` is no IBAN"));
    }
    let account = account_of(caller, account, &iban)?;
    let currency = currency(&mut object)?;
    let customer = caller.customer(optional(&mut object, "customer", CUSTOMER_MAX)?)?;
    nothing_else(&object)?;
    Ok(Call::Link { account, bank, iban, currency, customer })
}

/// What messages call the account. A person has proved nothing but the IBAN, once his bank agrees,
/// so that is what his account is called.
fn account_of(caller: &Caller, given: Option<String>, iban: &str) -> Result<String, Refusal> {
    let account = match (caller, given) {
        (Caller::Program, Some(account)) => account,
        (Caller::Program, None) => return Err(Refusal::bad("`account` is missing")),
        (Caller::Person(_), None) => iban.to_owned(),
        (Caller::Person(_), Some(account)) if account == iban => account,
        (Caller::Person(_), Some(_)) => {
            return Err(Refusal::bad("`account` of whoever is signed in is the IBAN"));
        }
    };
    let fits = account.len() <= ACCOUNT_MAX && account.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(account) } else { Err(Refusal::bad("`account` is no DE102")) }
}

/// Three digits of ISO 4217, as a text or a number.
fn currency(object: &mut Map<String, Value>) -> Result<u16, Refusal> {
    let given = object.remove("currency");
    let number = match &given {
        Some(Value::String(text))
            if text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()) =>
        {
            text.parse().ok()
        }
        Some(Value::Number(number)) => {
            number.as_u64().and_then(|number| u16::try_from(number).ok())
        }
        _ => None,
    };
    let number = number.filter(|number| (1..=999).contains(number));
    number.ok_or_else(|| Refusal::bad("`currency` must be the three digits of ISO 4217"))
}

/// ISO 13616: two letters, two check digits, up to 30 more; the check is modulo 97.
fn is_iban(text: &str) -> bool {
    let has_form = (15..=34).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && text.bytes().take(2).all(|b| b.is_ascii_uppercase())
        && text.bytes().skip(2).take(2).all(|b| b.is_ascii_digit());
    let turned = text.bytes().skip(4).chain(text.bytes().take(4));
    let rest = turned.fold(0_u32, |rest, byte| match byte {
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => (rest * 10 + u32::from(byte.saturating_sub(b'0'))) % 97,
    });
    has_form && rest == 1
}

/// `GET /api/accounts[?customer=…][&after=…]`. A program says whose.
pub(crate) async fn list(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let found = async {
        let caller = desk.caller(&headers, Act::Look)?;
        let mut object = members(query.as_deref())?;
        let customer = caller.customer(optional(&mut object, "customer", CUSTOMER_MAX)?)?;
        let after = optional(&mut object, "after", ACCOUNT_MAX)?.unwrap_or_default();
        nothing_else(&object)?;
        match desk.engine.call(Call::Accounts { customer, after }, SHOW_TIME).await {
            Told::Accounts { accounts, more } => Ok(listed(&accounts, more, &caller)),
            other => Err(instead(other)),
        }
    };
    answered(found.await, &trace)
}

fn listed(accounts: &[(Linked, Option<Cached>)], more: bool, caller: &Caller) -> Response {
    let own = accounts.iter().filter(|(linked, _)| caller.may_see(&linked.customer));
    let shown: Vec<Value> = own
        .map(|(linked, seen)| {
            let is_open = linked.status == ConsentStatus::Waiting && !linked.approve.is_empty();
            let mut said = shown(linked, is_open.then_some(linked.approve.as_str()));
            said["balance"] = seen.as_ref().map_or(Value::Null, balance);
            said
        })
        .collect();
    let last = accounts.last().filter(|_| more).map(|(linked, _)| linked.account.as_str());
    json_response(StatusCode::OK, &json!({ "accounts": shown, "next": last }))
}

/// What an account had, and when that was.
fn balance(seen: &Cached) -> Value {
    json!({
        "ledgerMinor": seen.ledger,
        "availableMinor": seen.available,
        "currency": format!("{:03}", seen.currency),
        "seenAt": seen.synced.to_string(),
    })
}

/// `GET /api/banks`.
pub(crate) async fn banks(State(desk): State<Desk>, trace: Trace, headers: HeaderMap) -> Response {
    let found = || {
        desk.caller(&headers, Act::Look)?;
        let names: Vec<Value> =
            desk.banks.iter().map(|bank| json!({ "name": bank.name })).collect();
        Ok(json_response(StatusCode::OK, &json!({ "banks": names })))
    };
    answered(found(), &trace)
}

/// `GET /api/accounts/{account}`.
pub(crate) async fn show(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    account: Result<Path<String>, PathRejection>,
) -> Response {
    let shown = async {
        let caller = desk.caller(&headers, Act::Look)?;
        match found(&desk, &caller, named(account)?).await? {
            Some((_, linked)) => Ok(json_response(StatusCode::OK, &shown(&linked, None))),
            None => Err(Refusal::not_found("this account")),
        }
    };
    answered(shown.await, &trace)
}

/// `DELETE /api/accounts/{account}`.
pub(crate) async fn unlink(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    account: Result<Path<String>, PathRejection>,
) -> Response {
    let gone = async {
        let caller = desk.caller(&headers, Act::Change)?;
        let mut account = named(account)?;
        let mut customer = None;
        if caller != Caller::Program {
            let own = found(&desk, &caller, account).await?;
            let (name, linked) = own.ok_or_else(|| Refusal::not_found("this account"))?;
            // Of nobody else, whose bank may agree until the switch comes to it.
            (account, customer) = (name, Some(linked.customer));
        }
        told(desk.engine.call(Call::Unlink { account, customer }, LINK_TIME).await, &caller)
    };
    answered(gone.await, &trace)
}

/// `POST /api/accounts/{account}/cards` with `{"card":"…","customer":"…"}`: the card stands for the
/// account from now on, if that is still the customer's. With `"remove":true` it no longer does,
/// whosever the account is.
pub(crate) async fn card(
    program: Program,
    account: Name,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let noted = async |desk: &Shared| {
        let account = name(account, ACCOUNT_MAX, "account")?;
        let mut object = object(&headers, &body)?;
        let card = text(&mut object, "card", CARD_MAX)?;
        if card.len() < CARD_MIN || !card.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::bad("`card` is no card number"));
        }
        let is_over = match object.remove("remove") {
            None => false,
            Some(Value::Bool(remove)) => remove,
            Some(_) => return Err(Refusal::bad("`remove` must be true or false")),
        };
        let customer = match object.contains_key("customer") || !is_over {
            true => Some(text(&mut object, "customer", CUSTOMER_MAX)?),
            false => None,
        };
        nothing_else(&object)?;
        let card = CardNumber::new(&card);
        let call = Call::Card { account, customer, card, is_over };
        told(desk.engine.call(call, SHOW_TIME).await, &Caller::Program)
    };
    program.answer(noted).await
}

fn named(account: Result<Path<String>, PathRejection>) -> Result<String, Refusal> {
    let Path(account) = account.map_err(|error| Refusal::bad(error.body_text()))?;
    one_line(&account, ACCOUNT_MAX).ok_or_else(|| Refusal::bad("this is no account"))
}

fn told(told: Told, caller: &Caller) -> Answer {
    match told {
        // Whose it is says more than whether there is one.
        Told::Linked { linked, .. } if !caller.may_see(&linked.customer) => {
            Err(Refusal::not_found("this account"))
        }
        Told::Linked { linked, approve } => {
            Ok(json_response(StatusCode::OK, &shown(&linked, approve.as_deref())))
        }
        // A link that is given up has nothing to show.
        Told::Noted => Ok(json_response(StatusCode::OK, &json!({ "status": "ok" }))),
        other => Err(instead(other)),
    }
}

fn instead(told: Told) -> Refusal {
    Refusal::instead(told, Refusal::not_found("this account"), UNAVAILABLE)
}

/// The caller named the account; of the IBAN the end is enough to know it again.
fn shown(linked: &Linked, approve: Option<&str>) -> Value {
    let until = (linked.until != Utc(0)).then(|| linked.until.to_string());
    let start = linked.iban.len().saturating_sub(4);
    json!({
        "account": linked.account,
        "bank": linked.bank,
        "iban": format!("****{}", linked.iban.get(start..).unwrap_or_default()),
        "currency": format!("{:03}", linked.currency),
        "customer": linked.customer,
        "status": linked.status.word(),
        "until": until,
        "approve": approve,
        "isOver": linked.is_over,
    })
}

#[cfg(test)]
mod tests {
    use super::is_iban;

    #[test]
    fn ibans_are_checked_whole() {
        for (text, expected) in [
            ("NO9386011117947", true),
            ("GB82WEST12345698765432", true),
            ("DE89370400440532013000", true),
            ("NO9386011117948", false),
            ("NO9386011171947", false),
            ("NO93", false),
            ("9386011117947NO", false),
            ("NO93860111179470000000000000000000000", false),
            ("", false),
        ] {
            assert_eq!(is_iban(text), expected, "{text}");
        }
    }
}
