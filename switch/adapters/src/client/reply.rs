//! What stands in an answer, found where the configuration says.

use crate::code;
use crate::executor::failed;
use crate::money;
use serde_json::Value;
use veksel_core::enquiry::{Failed, Failure, Money};

/// Most elements of a list that are read.
const LIST_MAX: usize = 10_000;

/// An answer.
#[derive(Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its body; null if there was none.
    pub body: Value,
    answers: Vec<(&'static str, String)>,
}

/// An answer, or an element of its list.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    value: &'a Value,
    answers: &'a [(&'static str, String)],
}

impl Reply {
    pub(super) fn new(status: u16, body: Value, answers: &[(&'static str, String)]) -> Self {
        Self { status, body, answers: answers.to_vec() }
    }

    /// The answer as a whole.
    #[must_use]
    pub fn item(&self) -> Item<'_> {
        Item { value: &self.body, answers: &self.answers }
    }

    /// The elements of what is called `list`.
    ///
    /// # Errors
    ///
    /// If there is no list, or it is far too long.
    pub fn list(&self) -> Result<Vec<Item<'_>>, Failure> {
        let whole = self.item();
        let items = match whole.found("list") {
            Some(Value::Array(items)) => items.as_slice(),
            // A list of one looks like its element in XML.
            Some(one @ Value::Object(_)) => std::slice::from_ref(one),
            Some(_) | None => return Err(failed(Failed::Malfunction, "schema")),
        };
        if items.len() > LIST_MAX {
            return Err(failed(Failed::Malfunction, "list_max"));
        }
        Ok(items.iter().map(|value| Item { value, answers: &self.answers }).collect())
    }

    /// The provider's code for what is wrong, if it has the form of one.
    pub(super) fn code(&self) -> Option<String> {
        code::passed_on(&self.item().text("error")).map(str::to_owned)
    }
}

impl<'a> Item<'a> {
    fn found(&self, field: &str) -> Option<&'a Value> {
        let (_, at) = self.answers.iter().find(|(name, _)| *name == field)?;
        match at.as_str() {
            "" if field != "list" => None,
            at => self.value.pointer(at),
        }
    }

    /// A text or number as text; empty if there is none.
    #[must_use]
    pub fn text(&self, field: &str) -> String {
        match self.found(field) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(is)) => is.to_string(),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
        }
    }

    /// The same, where there must be one.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn needed(&self, field: &str) -> Result<String, Failure> {
        let text = self.text(field);
        if text.is_empty() { Err(failed(Failed::Malfunction, "schema")) } else { Ok(text) }
    }

    /// The currency.
    ///
    /// # Errors
    ///
    /// There is none that ISO 4217 knows.
    pub fn currency(&self) -> Result<u16, Failure> {
        let known = money::numeric(&self.text("currency"));
        known.ok_or_else(|| failed(Failed::Malfunction, "currency"))
    }

    /// Decimal text and a currency; `None` if there is no amount.
    ///
    /// # Errors
    ///
    /// It is no amount of that currency.
    pub fn money(&self) -> Result<Option<Money>, Failure> {
        let text = self.text("amount");
        if text.is_empty() {
            return Ok(None);
        }
        let currency = self.currency()?;
        let minor = money::minor(&text, currency).and_then(|minor| u64::try_from(minor).ok());
        let minor = minor.ok_or_else(|| failed(Failed::Malfunction, "amount"))?;
        Ok(Some(Money { minor, currency }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reply(body: Value) -> Reply {
        let at = |name, at: &str| (name, at.to_owned());
        let answers = [
            at("list", "/a/b"),
            at("amount", "/sum"),
            at("currency", "/ccy"),
            at("error", "/e"),
            at("id", ""),
        ];
        Reply::new(200, body, &answers)
    }

    #[test]
    fn values_are_found_where_the_configuration_says() {
        let one = reply(json!({"sum": "12.5", "ccy": "NOK", "e": "NO_SUCH"}));
        let money = Money { minor: 1_250, currency: 578 };
        assert_eq!(one.item().money(), Ok(Some(money)));
        assert_eq!(one.code().as_deref(), Some("NO_SUCH"));
        assert_eq!(one.item().text("id"), "");
        assert!(one.item().needed("id").is_err() && one.list().is_err());
        // A number is read as it is written; what is no amount is none.
        assert_eq!(reply(json!({"sum": 12.5, "ccy": "NOK"})).item().money(), Ok(Some(money)));
        for wrong in [json!("-1.00"), json!("1.001"), json!("1e3"), json!("a")] {
            assert!(reply(json!({"sum": wrong, "ccy": "NOK"})).item().money().is_err());
        }
        assert!(reply(json!({"sum": "1", "ccy": "nok"})).item().money().is_err());
        assert_eq!(reply(json!({})).item().money(), Ok(None));
        for code in ["a sentence", "", "<b>", "UNKNOWN_17829000024", &"x".repeat(49)] {
            assert_eq!(reply(json!({"e": code})).code(), None, "{code}");
        }
    }

    #[test]
    fn a_list_has_its_elements_and_one_is_a_list_too() {
        let two = reply(json!({"a": {"b": [{"sum": "1", "ccy": "JPY"}, {}]}}));
        let items = two.list().unwrap_or_default();
        assert_eq!(items.len(), 2);
        assert_eq!(items[0].money(), Ok(Some(Money { minor: 1, currency: 392 })));
        assert_eq!(reply(json!({"a": {"b": {"sum": "1"}}})).list().map(|l| l.len()), Ok(1));
        let many = reply(json!({"a": {"b": vec![0; LIST_MAX + 1]}}));
        assert_eq!(many.list().err().map(|failure| failure.code), Some("list_max".to_owned()));
    }
}
