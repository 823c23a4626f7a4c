//! What the platform's bodies say. Members that nobody here knows are passed over: the platform
//! may learn to say more.

use super::message::Amount;
use super::outcome::Direction;
use crate::answer::Refusal;
use axum::body::Bytes;
use serde_json::{Map, Value};
use veksel_adapters::money;
use veksel_config::HoldChange;

/// Longest id of the platform.
const ID_MAX: usize = 64;

/// What DE4 can say.
const MINOR_MAX: u64 = 999_999_999_999;

/// Which request it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    Hold,
    /// Of the hold with this id.
    Change(String),
    Transaction,
}

impl Wanted {
    /// Where it is asked, whatever it is called there.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Hold => "/holds".to_owned(),
            Self::Change(id) => format!("/holds/{id}"),
            Self::Transaction => "/transactions".to_owned(),
        }
    }
}

/// A request that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Hold { id: String, account: String, card: Option<String>, amount: Amount },
    Change { id: String, change: Change },
    Transaction { id: String, account: String, amount: Amount },
}

/// What a hold is to become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Change {
    /// Above zero for more money held.
    minor: i64,
    kind: HoldChange,
    pub(super) currency: u16,
}

impl Change {
    /// What a hold of so much becomes; 0 if nothing is to stay of it. `None` is too much.
    pub(super) fn total(self, before: u64) -> Option<u64> {
        let total = match self.kind {
            HoldChange::Total => self.minor,
            HoldChange::Delta => i64::try_from(before).ok()?.checked_add(self.minor)?,
        };
        u64::try_from(total.max(0)).ok().filter(|total| *total <= MINOR_MAX)
    }
}

impl Asked {
    /// The platform's id of the hold or transaction.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Hold { id, .. } | Self::Change { id, .. } | Self::Transaction { id, .. } => id,
        }
    }
}

/// Reads a body, whose signature is right.
pub(super) fn read(wanted: Wanted, kind: HoldChange, body: &Bytes) -> Result<Asked, Refusal> {
    let object: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| Refusal::bad("the body is no JSON object"))?;
    let (minor, currency) = amount(&object)?;
    // Money that goes out is written with a minus.
    let direction = if minor < 0 { Direction::Debit } else { Direction::Credit };
    let amount = Amount { minor: minor.unsigned_abs(), currency, direction };
    let nothing = || Refusal::bad("`amount` is nothing");
    match wanted {
        Wanted::Hold => {
            if direction == Direction::Credit {
                return Err(Refusal::bad("`amount` of a hold is below zero"));
            }
            let card = object.get("cardId").filter(|card| !card.is_null());
            let card = card.map(|_| id(&object, "cardId")).transpose()?;
            Ok(Asked::Hold {
                id: id(&object, "id")?,
                account: id(&object, "accountId")?,
                card,
                amount,
            })
        }
        Wanted::Change(hold) => {
            if kind == HoldChange::Total && minor > 0 {
                return Err(Refusal::bad("`amount` of a hold is not above zero"));
            }
            if kind == HoldChange::Delta && minor == 0 {
                return Err(nothing());
            }
            let minor = minor.checked_neg().ok_or_else(nothing)?;
            Ok(Asked::Change {
                id: plain(&hold, "the id")?,
                change: Change { minor, kind, currency },
            })
        }
        Wanted::Transaction if minor == 0 => Err(nothing()),
        Wanted::Transaction => {
            let (id, account) = (id(&object, "id")?, id(&object, "accountId")?);
            Ok(Asked::Transaction { id, account, amount })
        }
    }
}

/// Minor units with their sign, and ISO 4217 numeric.
fn amount(object: &Map<String, Value>) -> Result<(i64, u16), Refusal> {
    let amount = object.get("amount").and_then(Value::as_object);
    let amount = amount.ok_or_else(|| Refusal::bad("`amount` must be an object"))?;
    let text = |name: &str| {
        let text = amount.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Refusal::bad(format!("`amount.{name}` must be a text")))
    };
    let currency = money::numeric(text("currency")?);
    let currency = currency.ok_or_else(|| Refusal::bad("`amount.currency` is no currency"))?;
    let minor = money::minor(text("amount")?, currency);
    let minor = minor.filter(|minor| minor.unsigned_abs() <= MINOR_MAX);
    let wrong = || Refusal::bad("`amount.amount` is no amount of its currency");
    minor.map(|minor| (minor, currency)).ok_or_else(wrong)
}

fn id(object: &Map<String, Value>, name: &str) -> Result<String, Refusal> {
    match object.get(name).and_then(Value::as_str) {
        Some(text) => plain(text, name),
        None => Err(Refusal::bad(format!("`{name}` must be a text"))),
    }
}

fn plain(text: &str, name: &str) -> Result<String, Refusal> {
    let fits = (1..=ID_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let wrong = || Refusal::bad(format!("`{name}` must be 1 to {ID_MAX} printable characters"));
    fits.then(|| text.to_owned()).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(wanted: Wanted, kind: HoldChange, body: &str) -> Option<Asked> {
        read(wanted, kind, &Bytes::copy_from_slice(body.as_bytes())).ok()
    }

    fn transaction(amount: &str, currency: &str) -> Option<(u64, u16, Direction)> {
        let body = format!(
            r#"{{"id":"t","accountId":"a","amount":{{"amount":"{amount}","currency":"{currency}"}}}}"#
        );
        match read_text(Wanted::Transaction, HoldChange::Total, &body)? {
            Asked::Transaction { amount, .. } => {
                Some((amount.minor, amount.currency, amount.direction))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn amounts_are_minor_units_of_their_currency_and_never_guessed() {
        for (text, currency, expected) in [
            ("-12.43", "USD", Some((1_243, 840, Direction::Debit))),
            ("12.43", "USD", Some((1_243, 840, Direction::Credit))),
            ("-1243", "JPY", Some((1_243, 392, Direction::Debit))),
            ("-1.243", "KWD", Some((1_243, 414, Direction::Debit))),
            ("-12.430", "USD", Some((1_243, 840, Direction::Debit))),
            ("-9999999999.99", "USD", Some((999_999_999_999, 840, Direction::Debit))),
            ("-10000000000.00", "USD", None),
            ("-12.435", "USD", None),
            ("-1.5", "JPY", None),
            ("12,43", "USD", None),
            ("1e3", "USD", None),
            ("", "USD", None),
            ("0.00", "USD", None),
            ("-0.1", "XXZ", None),
            ("-1.00", "usd", None),
        ] {
            assert_eq!(transaction(text, currency), expected, "{text} {currency}");
        }
    }

    #[test]
    fn half_a_body_is_refused() {
        for body in [
            "",
            "[]",
            "1",
            "{}",
            r#"{"id":"t","amount":{"amount":"-1.00","currency":"USD"}}"#,
            r#"{"accountId":"a","amount":{"amount":"-1.00","currency":"USD"}}"#,
            r#"{"id":"t","accountId":"a","amount":"-1.00"}"#,
            r#"{"id":"t","accountId":"a","amount":{"amount":-1.00,"currency":"USD"}}"#,
            r#"{"id":"","accountId":"a","amount":{"amount":"-1.00","currency":"USD"}}"#,
            r#"{"id":"a b","accountId":"a","amount":{"amount":"-1.00","currency":"USD"}}"#,
            r#"{"id":7,"accountId":"a","amount":{"amount":"-1.00","currency":"USD"}}"#,
            r#"{"id":"t","accountId":"a","cardId":7,"amount":{"amount":"-1.00","currency":"USD"}}"#,
            r#"{"id":"t","accountId":"a","amount":{"amount":"1.00","currency":"USD"}}"#,
        ] {
            assert_eq!(read_text(Wanted::Hold, HoldChange::Total, body), None, "{body}");
        }
        let more = r#"{"id":"t","accountId":"a","cardId":null,"new":[1],
            "amount":{"amount":"-1.00","currency":"USD","more":1}}"#;
        assert!(read_text(Wanted::Hold, HoldChange::Total, more).is_some());
    }

    #[test]
    fn a_change_is_the_total_or_what_is_added() {
        let change = |kind, amount: &str| {
            let body = format!(r#"{{"amount":{{"amount":"{amount}","currency":"USD"}}}}"#);
            match read_text(Wanted::Change("h".into()), kind, &body) {
                Some(Asked::Change { change, .. }) => change.total(1_243),
                _ => None,
            }
        };
        for (kind, amount, expected) in [
            (HoldChange::Total, "-56.87", Some(5_687)),
            (HoldChange::Total, "0.00", Some(0)),
            (HoldChange::Total, "56.87", None),
            (HoldChange::Delta, "-56.87", Some(6_930)),
            (HoldChange::Delta, "2.43", Some(1_000)),
            (HoldChange::Delta, "12.43", Some(0)),
            (HoldChange::Delta, "99.00", Some(0)),
            (HoldChange::Delta, "0.00", None),
            (HoldChange::Delta, "-9999999999.00", None),
        ] {
            assert_eq!(change(kind, amount), expected, "{kind:?} {amount}");
        }
    }
}
