//! The body of a payment order, checked as strictly as a bank does, and its accounts.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::asked::Asked;
use super::payment::Order;
use super::refusal::Refusal;
use super::state::Inner;
use crate::ledger::{Ledger, Status};
use crate::money::{Currency, Money};

/// Reads an order, and finds the accounts it names.
pub(super) async fn read_order(
    inner: &Arc<Inner>,
    asked: &Asked,
    product: &str,
    body: &Map<String, Value>,
) -> Result<Order, Refusal> {
    if product.contains("norwegian-domestic") && body.contains_key("endToEndIdentification") {
        let text = "this product has no such field";
        return Err(Refusal::format("endToEndIdentification", text));
    }
    let amount = read_amount(body)?;
    let iban = text(body.get("debtorAccount").and_then(|account| account.get("iban")));
    let iban = iban.filter(|iban| is_iban(iban));
    let iban = iban.ok_or_else(|| Refusal::format("debtorAccount", "must be an IBAN"))?;
    let (kind, creditor) = read_creditor(body.get("creditorAccount"))?;
    let name =
        text(body.get("creditorName")).filter(|name| (1..=70).contains(&name.chars().count()));
    let name =
        name.ok_or_else(|| Refusal::format("creditorName", "must have 1 to 70 characters"))?;
    let remittance = read_remittance(body, asked.bank.remittance_max)?;
    let accounts = {
        let (iban, creditor) = (iban.to_owned(), creditor.to_owned());
        let find = move |ledger: &Ledger| {
            let debtor = by_iban(ledger, &iban);
            let creditor = match kind {
                "iban" => by_iban(ledger, &creditor).map(|(number, ..)| number),
                _ => {
                    ledger.customer_account(&creditor).map(|(_, account, _)| account.number.clone())
                }
            };
            (debtor, creditor)
        };
        inner.desk.look(move |ledger, _| find(ledger)).await
    };
    let (debtor, own_creditor) = accounts.ok_or_else(Refusal::down)?;
    let bad = |code, text| Refusal::new(StatusCode::BAD_REQUEST, code, text).at("debtorAccount");
    let (number, currency, status) =
        debtor.ok_or_else(|| bad("RESOURCE_UNKNOWN", "no such account"))?;
    match status {
        Status::Active => {}
        Status::Closed => return Err(bad("RESOURCE_UNKNOWN", "no such account")),
        Status::Blocked | Status::Dormant => {
            return Err(bad("RESOURCE_BLOCKED", "nothing may be paid from this account"));
        }
    }
    if currency != amount.currency {
        let status = StatusCode::BAD_REQUEST;
        let text = "is not the currency of the account";
        return Err(Refusal::new(status, "PARAMETER_NOT_SUPPORTED", text).at("instructedAmount"));
    }
    Ok(Order {
        debtor: (iban.to_owned(), number),
        creditor: (kind, creditor.to_owned(), own_creditor),
        creditor_name: name.to_owned(),
        amount,
        remittance,
    })
}

/// What may be spent from the account that pays, in minor units.
pub(super) async fn balance_of(inner: &Arc<Inner>, order: &Order) -> Result<i64, Refusal> {
    let number = order.debtor.1.clone();
    let available = move |ledger: &Ledger| {
        ledger.customer_account(&number).map(|(_, account, _)| account.balances().available())
    };
    let known = inner.desk.look(move |ledger, _| available(ledger)).await;
    known.ok_or_else(Refusal::down).map(Option::unwrap_or_default)
}

/// Number, currency and status of a customer's account.
pub(super) fn by_iban(ledger: &Ledger, iban: &str) -> Option<(String, Currency, Status)> {
    ledger.accounts().find_map(|(_, account)| {
        let holder = account.holder().filter(|holder| holder.iban == iban)?;
        Some((account.number.clone(), account.currency, holder.status))
    })
}

/// `instructedAmount` of a body: a decimal number as text, above zero, in a currency of the bank.
pub(super) fn read_amount(body: &Map<String, Value>) -> Result<Money, Refusal> {
    let wrong = |text: &str| Refusal::format("instructedAmount", text);
    let given = body.get("instructedAmount").ok_or_else(|| wrong("is missing"))?;
    let currency = text(given.get("currency")).and_then(Currency::from_alpha);
    let currency = currency.ok_or_else(|| wrong("currency is none this bank keeps"))?;
    let amount = text(given.get("amount")).ok_or_else(|| wrong("amount must be text"))?;
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let is_dotted = amount.contains('.');
    if !(1..=14).contains(&whole.len()) || fraction.len() > 3 || is_dotted && fraction.is_empty() {
        return Err(wrong("amount is no decimal number of the form 1234.56"));
    }
    // Fewer decimals than the currency has mean zeros, and zeros beyond them nothing.
    let decimals = currency.decimals() as usize;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > decimals {
        return Err(wrong("amount has more decimals than the currency"));
    }
    let full = match decimals {
        0 => whole.to_owned(),
        _ => format!("{whole}.{fraction:0<decimals$}"),
    };
    match currency.parse(&full) {
        Ok(minor) if minor > 0 => Ok(Money::new(minor, currency)),
        Ok(_) => Err(wrong("amount must be above zero")),
        Err(error) => Err(wrong(&format!("amount is {error}"))),
    }
}

fn read_creditor(account: Option<&Value>) -> Result<(&'static str, &str), Refusal> {
    let wrong = |text: &str| Refusal::format("creditorAccount", text);
    let account = account.ok_or_else(|| wrong("is missing"))?;
    match (text(account.get("iban")), text(account.get("bban"))) {
        (Some(iban), None) if is_iban(iban) => Ok(("iban", iban)),
        (Some(_), None) => Err(wrong("iban has a wrong check digit or form")),
        (None, Some(bban)) if is_bban(bban) => Ok(("bban", bban)),
        (None, Some(_)) => Err(wrong("bban must be 1 to 30 letters and digits")),
        _ => Err(wrong("must be either iban or bban")),
    }
}

fn read_remittance(body: &Map<String, Value>, most: usize) -> Result<String, Refusal> {
    const FIELD: &str = "remittanceInformationUnstructured";
    const LIST: &str = "remittanceInformationStructuredArray";
    let wrong = |field| Refusal::format(field, format!("must be text of up to {most} characters"));
    let mut parts = Vec::new();
    if let Some(value) = body.get(FIELD) {
        parts.push(text(Some(value)).ok_or_else(|| wrong(FIELD))?);
    }
    if let Some(list) = body.get(LIST) {
        for one in list.as_array().ok_or_else(|| wrong(LIST))? {
            parts.push(text(one.get("reference")).ok_or_else(|| wrong(LIST))?);
        }
    }
    let whole = parts.join(" ");
    match whole.chars().count() <= most {
        true => Ok(whole),
        false => Err(wrong(FIELD)),
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str)
}

fn is_bban(text: &str) -> bool {
    (1..=30).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// ISO 13616: form and check digits.
pub(super) fn is_iban(text: &str) -> bool {
    let is_formed = (15..=34).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let (head, tail) = text.split_at_checked(4).unwrap_or_default();
    let rest = tail.chars().chain(head.chars()).filter_map(|c| c.to_digit(36));
    let rest = rest.fold(0, |rest, digit| {
        let width = if digit > 9 { 100 } else { 10 };
        (rest * width + digit) % 97
    });
    is_formed && rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn amount(currency: &str, amount: &Value) -> Result<i64, Refusal> {
        let body = json!({"instructedAmount": {"currency": currency, "amount": amount}});
        read_amount(body.as_object().unwrap()).map(|money| money.minor)
    }

    #[test]
    fn amounts_are_text_with_a_dot() {
        for (currency, text, minor) in [
            ("NOK", "150.00", 15_000),
            ("NOK", "150", 15_000),
            ("NOK", "150.5", 15_050),
            ("NOK", "150.500", 15_050),
            ("JPY", "7", 7),
            ("KWD", "1.234", 1_234),
        ] {
            assert_eq!(amount(currency, &json!(text)), Ok(minor), "{text}");
        }
        for wrong in
            ["", "1,50", "1.", ".5", "-1.00", "1.505", "0", "0.00", "1e3", "123456789012345"]
        {
            assert!(amount("NOK", &json!(wrong)).is_err(), "{wrong}");
        }
        assert!(amount("NOK", &json!(150)).is_err());
        assert!(amount("XXX", &json!("1.00")).is_err());
    }

    #[test]
    fn an_iban_has_check_digits() {
        for iban in ["NO9386011117947", "NO2110000000001", "DE40100100103307118608"] {
            assert!(is_iban(iban), "{iban}");
        }
        for wrong in ["NO9386011117948", "NO93 8601 1117 947", "no9386011117947", "", "NO93", "é"]
        {
            assert!(!is_iban(wrong), "{wrong}");
        }
    }
}
