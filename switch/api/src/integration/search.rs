//! Inquiries that look for something: customers, accounts, operators, banks, names.

use super::account::status_word;
use super::admitted::Admitted;
use super::message::{next_page, rows, set, set_tags, tag, unreadable};
use super::shown;
use super::text::{Account, AccountOrIban, BankCode, CustomerId, Name, Page, Phone};
use crate::answer::Refusal;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use veksel_codecs::field;
use veksel_codecs::structured::tags;

/// DE3 of the inquiries (cbs-interface 6.12).
const CUSTOMERS: &str = "920000";
const ACCOUNTS: &str = "930000";
const OPERATOR: &str = "950000";
const BANKS: &str = "960000";
const BENEFICIARY: &str = "970000";

/// What a customer must fit; at least one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CustomerRequest {
    name: Option<Name>,
    phone: Option<Phone>,
    customer: Option<CustomerId>,
    page: Option<Page>,
}

/// A customer of the bank.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Customer {
    customer: String,
    name: String,
    phone: String,
    status: String,
}

/// Customers that fit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerAnswer {
    customers: Vec<Customer>,
    next_page: Option<String>,
}

/// What an account must fit; at least one.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccountRequest {
    customer: Option<CustomerId>,
    account: Option<AccountOrIban>,
    page: Option<Page>,
}

/// An account, in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    account: String,
    account_type: String,
    currency: String,
    status: String,
    name: String,
}

/// Accounts that fit.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountAnswer {
    accounts: Vec<Listed>,
    next_page: Option<String>,
}

/// Which number.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OperatorRequest {
    phone: Phone,
}

/// Whose network a number is of.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperatorAnswer {
    phone: String,
    operator: String,
    /// Whose number it is, if the bank knows.
    name: Option<String>,
}

/// Where the list goes on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BankRequest {
    page: Option<Page>,
}

/// A bank.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bank {
    code: String,
    bic: String,
    name: String,
    /// Beginning of its card numbers.
    iin: String,
}

/// Banks that money can be sent to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BankAnswer {
    banks: Vec<Bank>,
    next_page: Option<String>,
}

/// Which account at which bank.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BeneficiaryRequest {
    bank: BankCode,
    account: Account,
}

/// Whose account it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BeneficiaryAnswer {
    bank: String,
    account: String,
    name: String,
}

/// `POST /api/v1/integration/customer/search`.
pub(crate) async fn customers(asked: Admitted) -> Response {
    let said = async {
        let CustomerRequest { name, phone, customer, page } = asked.read()?;
        if name.is_none() && phone.is_none() && customer.is_none() {
            return Err(Refusal::bad("one of `name`, `phone` and `customer` is needed"));
        }
        let mut message = asked.inquiry(CUSTOMERS, None)?;
        let wanted = [
            (tags::SEARCH_NAME, name.as_ref().map(Name::as_str)),
            (tags::PHONE, phone.as_ref().map(Phone::as_str)),
            (tags::CUSTOMER, customer.as_ref().map(CustomerId::as_str)),
            (tags::PAGE, page.as_ref().map(Page::as_str)),
        ];
        set_tags(&mut message, &wanted);
        let answer = asked.inquire(message).await?;
        let found = rows(&answer, ["CUST_ID", "NAME", "PHONE", "STATUS"])?;
        let found = found.into_iter().map(|[customer, name, phone, status]| Customer {
            customer,
            name,
            phone,
            status: status_word(&status),
        });
        let (customers, next_page) = (found.collect(), next_page(&answer));
        shown(StatusCode::OK, &CustomerAnswer { customers, next_page })
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/account/search`.
pub(crate) async fn accounts(asked: Admitted) -> Response {
    let said = async {
        let AccountRequest { customer, account, page } = asked.read()?;
        if customer.is_none() && account.is_none() {
            return Err(Refusal::bad("one of `customer` and `account` is needed"));
        }
        let mut message = asked.inquiry(ACCOUNTS, None)?;
        let wanted = [
            (tags::CUSTOMER, customer.as_ref().map(CustomerId::as_str)),
            (tags::SEARCH_ACCOUNT, account.as_ref().map(AccountOrIban::as_str)),
            (tags::PAGE, page.as_ref().map(Page::as_str)),
        ];
        set_tags(&mut message, &wanted);
        let answer = asked.inquire(message).await?;
        let found = rows(&answer, ["ACCOUNT", "TYPE", "CURR_CODE", "STATUS", "NAME"])?;
        let found = found.into_iter().map(|[account, account_type, currency, status, name]| {
            let status = status_word(&status);
            Listed { account, account_type, currency, status, name }
        });
        let (accounts, next_page) = (found.collect(), next_page(&answer));
        shown(StatusCode::OK, &AccountAnswer { accounts, next_page })
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/mno/validate`.
pub(crate) async fn operator(asked: Admitted) -> Response {
    let said = async {
        let OperatorRequest { phone } = asked.read()?;
        let mut message = asked.inquiry(OPERATOR, None)?;
        set_tags(&mut message, &[(tags::PHONE, Some(phone.as_str()))]);
        let answer = asked.inquire(message).await?;
        let operator = tag(&answer, tags::OPERATOR).ok_or_else(unreadable)?;
        let (phone, name) = (phone.as_str().to_owned(), tag(&answer, tags::NAME));
        shown(StatusCode::OK, &OperatorAnswer { phone, operator, name })
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/dictionary/bank`.
pub(crate) async fn banks(asked: Admitted) -> Response {
    let said = async {
        let BankRequest { page } = asked.read()?;
        let mut message = asked.inquiry(BANKS, None)?;
        set_tags(&mut message, &[(tags::PAGE, page.as_ref().map(Page::as_str))]);
        let answer = asked.inquire(message).await?;
        let found = rows(&answer, ["BANK_CODE", "BIC", "NAME", "IIN"])?.into_iter();
        let banks = found.map(|[code, bic, name, iin]| Bank { code, bic, name, iin }).collect();
        shown(StatusCode::OK, &BankAnswer { banks, next_page: next_page(&answer) })
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/interbank/account-name`.
pub(crate) async fn beneficiary(asked: Admitted) -> Response {
    let said = async {
        let BeneficiaryRequest { bank, account } = asked.read()?;
        let mut message = asked.inquiry(BENEFICIARY, None)?;
        set_tags(&mut message, &[(tags::BANK, Some(bank.as_str()))]);
        set(&mut message, field::COUNTER_ACCOUNT, account.as_str());
        let answer = asked.inquire(message).await?;
        let name = tag(&answer, tags::NAME).ok_or_else(unreadable)?;
        let (bank, account) = (bank.as_str().to_owned(), account.as_str().to_owned());
        shown(StatusCode::OK, &BeneficiaryAnswer { bank, account, name })
    };
    asked.answer(said.await)
}
