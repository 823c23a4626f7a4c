//! What stands on the wire, as much of it as is used. Fields that are not named here are passed
//! over, because banks have more of them.

use serde::{Deserialize, Serialize};
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

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    pub(super) href: String,
}

pub(super) type Links = BTreeMap<String, Link>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PaymentResponse {
    pub(super) transaction_status: String,
    pub(super) payment_id: String,
    #[serde(default)]
    pub(super) sca_status: Option<String>,
    #[serde(default, rename = "_links")]
    pub(super) links: Links,
    #[serde(default)]
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
    pub(super) balances: Vec<Balance>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Balance {
    pub(super) balance_type: String,
    pub(super) balance_amount: Amount,
}

#[derive(Debug, Deserialize)]
pub(super) struct TransactionsResponse {
    pub(super) transactions: Report,
    #[serde(default)]
    pub(super) balances: Vec<Balance>,
    #[serde(default, rename = "_links")]
    pub(super) links: Links,
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
    pub(super) end_to_end_id: Option<String>,
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
