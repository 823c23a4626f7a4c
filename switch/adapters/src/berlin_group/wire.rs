//! What stands on the wire, as much of it as is used. Fields that are not named here are passed
//! over, because banks have more of them.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `{"iban": …}` or `{"bban": …}`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct AccountReference {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) iban: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bban: Option<String>,
}

impl AccountReference {
    pub(super) fn iban(iban: &str) -> Self {
        Self { iban: Some(iban.to_owned()), bban: None }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Amount {
    pub(super) currency: String,
    pub(super) amount: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_to_end_identification: Option<String>,
    pub(super) debtor_account: AccountReference,
    pub(super) instructed_amount: Amount,
    pub(super) creditor_account: AccountReference,
    pub(super) creditor_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) remittance_information_unstructured: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) remittance_information_structured_array: Vec<Structured>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Structured {
    pub(super) reference: String,
    pub(super) reference_type: &'static str,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    pub(super) href: String,
}

/// Links of an answer, by their names. Read without an error whatever stands there, because an
/// answer that is wrong in them may be right in what counts.
#[derive(Clone, Debug)]
pub(super) struct Links {
    all: BTreeMap<String, Link>,
    /// Whether all of them could be read; also if there are none.
    pub(super) is_whole: bool,
}

impl Default for Links {
    fn default() -> Self {
        Self { all: BTreeMap::new(), is_whole: true }
    }
}

impl Links {
    pub(super) fn get(&self, name: &str) -> Option<&Link> {
        self.all.get(name)
    }

    pub(super) fn contains_key(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.all.keys()
    }
}

impl<'de> Deserialize<'de> for Links {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Object(found) = Value::deserialize(deserializer)? else {
            return Ok(Self { is_whole: false, ..Self::default() });
        };
        let mut links = Self::default();
        for (name, link) in found {
            let href = match &link {
                Value::String(href) => Some(href.as_str()),
                other => other["href"].as_str(),
            };
            match href {
                Some(href) => _ = links.all.insert(name, Link { href: href.to_owned() }),
                None => links.is_whole = false,
            }
        }
        Ok(links)
    }
}

/// A text, or nothing of whatever else stands there.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().map(ToOwned::to_owned))
}

/// Messages, as far as they can be read.
fn messages<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Message>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let all = value.as_array().cloned().unwrap_or_default();
    Ok(all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentResponse {
    #[serde(default, deserialize_with = "lenient")]
    pub(super) transaction_status: Option<String>,
    pub(super) payment_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) sca_status: Option<String>,
    #[serde(default, rename = "_links")]
    pub(super) links: Links,
    #[serde(default, deserialize_with = "messages")]
    pub(super) tpp_messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusResponse {
    pub(super) transaction_status: String,
    #[serde(default)]
    pub(super) funds_available: Option<bool>,
    #[serde(default)]
    pub(super) tpp_messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CancelResponse {
    #[serde(default)]
    pub(super) transaction_status: Option<String>,
    #[serde(default, rename = "_links")]
    pub(super) links: Links,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorisationResponse {
    #[serde(default)]
    pub(super) sca_status: Option<String>,
    #[serde(default, rename = "_links")]
    pub(super) links: Links,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authorisations {
    pub(super) authorisation_ids: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub(super) category: String,
    #[serde(default)]
    pub(super) code: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct BalanceResponse {
    #[serde(default)]
    account: Value,
    pub(super) balances: Vec<Balance>,
}

impl BalanceResponse {
    /// The account's own currency, if the answer says it.
    pub(super) fn currency(&self) -> Option<&str> {
        self.account["currency"].as_str()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Balance {
    pub(super) balance_type: String,
    pub(super) balance_amount: Amount,
}

#[derive(Debug, Deserialize)]
pub(super) struct TransactionsResponse {
    #[serde(default)]
    account: Value,
    pub(super) transactions: Report,
    #[serde(default)]
    pub(super) balances: Vec<Balance>,
    #[serde(default, rename = "_links")]
    pub(super) links: Links,
}

impl TransactionsResponse {
    /// See [`BalanceResponse::currency`].
    pub(super) fn currency(&self) -> Option<&str> {
        self.account["currency"].as_str()
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Report {
    #[serde(default)]
    pub(super) booked: Option<Vec<Transaction>>,
    #[serde(default)]
    pub(super) pending: Option<Vec<Transaction>>,
    #[serde(default, rename = "_links")]
    pub(super) links: Links,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    #[serde(default)]
    pub(super) booking_date: Option<String>,
    #[serde(default)]
    pub(super) value_date: Option<String>,
    pub(super) transaction_amount: Amount,
    #[serde(default)]
    pub(super) creditor_name: Option<String>,
    #[serde(default)]
    pub(super) debtor_name: Option<String>,
    #[serde(default)]
    pub(super) remittance_information_unstructured: Option<String>,
    #[serde(default)]
    pub(super) remittance_information_unstructured_array: Vec<String>,
    #[serde(default)]
    pub(super) additional_information: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FundsRequest {
    pub(super) account: AccountReference,
    pub(super) instructed_amount: Amount,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FundsResponse {
    pub(super) funds_available: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsentRequest {
    pub(super) access: Access,
    pub(super) recurring_indicator: bool,
    pub(super) valid_until: String,
    pub(super) frequency_per_day: u8,
    pub(super) combined_service_indicator: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Access {
    pub(super) balances: Vec<AccountReference>,
    pub(super) transactions: Vec<AccountReference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsentResponse {
    pub(super) consent_status: String,
    pub(super) consent_id: String,
    #[serde(default, rename = "_links")]
    pub(super) links: Links,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsentStatusResponse {
    pub(super) consent_status: String,
    #[serde(default)]
    pub(super) valid_until: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AccountList {
    pub(super) accounts: Vec<AccountDetails>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AccountDetails {
    #[serde(default)]
    pub(super) resource_id: Option<String>,
    #[serde(default)]
    pub(super) iban: Option<String>,
}
