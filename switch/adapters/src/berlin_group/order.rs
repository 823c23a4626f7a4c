//! An order as it stands in the request that begins a payment.

use super::text::{self, Account};
use super::wire::{AccountReference, Amount, PaymentRequest, Structured};
use super::{BerlinGroup, PAYMENTS};
use crate::executor::{Request, failed};
use crate::mark::fitted;
use crate::oauth::escape;
use crate::{money, random};
use reqwest::Method;
use veksel_config::bridge::{CreditorKind, Quirks, RequestId};
use veksel_core::enquiry::{Failed, Failure, Order};

/// The currency whose domestic products keep letters and take a KID.
const NOK: u16 = 578;

impl BerlinGroup {
    /// The request that begins a payment: the same bytes at every try of an order.
    pub(super) fn initiation(&self, order: &Order) -> Result<Request, Failure> {
        let product = product(&self.quirks, order)?;
        let body = body(&self.quirks, product, order)?;
        let target = format!("/v1/payments/{}", escape(product));
        let mut request = Request::new(PAYMENTS, Method::POST, "/v1/payments/{product}", target)
            .json(&body)?
            .moving_money();
        request = self.to_approve(request, &order.state)?;
        if self.quirks.rejects_no_funds {
            request = request.header("tpp-rejection-nofunds-preferred", "true")?;
        }
        match self.quirks.request_id {
            RequestId::PerAttempt => Ok(request),
            RequestId::Stable => request.header("x-request-id", &random::hyphenated(&order.key)),
        }
    }
}

/// The body that begins a payment.
fn body(quirks: &Quirks, product: &str, order: &Order) -> Result<PaymentRequest, Failure> {
    let invalid = |code| failed(Failed::Invalid, code);
    let is_domestic = order.amount.currency == NOK;
    let keeps_letters = quirks.keeps_letters && is_domestic;
    let creditor_account = match text::account(&order.creditor) {
        Some(Account::Iban(iban)) => AccountReference { iban: Some(iban), bban: None },
        Some(Account::Bban(bban)) => AccountReference { iban: None, bban: Some(bban) },
        None => return Err(invalid("creditor")),
    };
    let creditor_name =
        text::name(&order.creditor_name, keeps_letters).ok_or(invalid("creditor_name"))?;
    let has_kid = is_domestic && text::is_kid(&order.reference);
    let remittance = if has_kid || order.reference.is_empty() {
        order.remittance.clone()
    } else {
        format!("{} {}", order.remittance, order.reference)
    };
    let remittance = text::remittance(&remittance, keeps_letters);
    let remittance = fitted(&remittance, order, text::most(quirks.remittance_max));
    let remittance = remittance.trim_end().to_owned();
    let structured =
        has_kid.then(|| Structured { reference: order.reference.clone(), reference_type: "SCOR" });
    // The Norwegian domestic products have no end-to-end identification; the remittance text
    // begins with the same.
    let is_fit = (1..=35).contains(&order.rrn.len())
        && order.rrn.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let end_to_end = (is_fit && !product.contains("norwegian")).then(|| order.rrn.clone());
    Ok(PaymentRequest {
        end_to_end_identification: end_to_end,
        debtor_account: AccountReference::iban(&order.debtor.iban),
        instructed_amount: amount(order.amount)?,
        creditor_account,
        creditor_name,
        remittance_information_unstructured: remittance,
        remittance_information_structured_array: structured.into_iter().collect(),
    })
}

/// An amount as banks take it.
pub(super) fn amount(amount: veksel_core::enquiry::Money) -> Result<Amount, Failure> {
    let unknown = || failed(Failed::NotSupported, "currency");
    let currency = money::alpha(amount.currency).ok_or_else(unknown)?;
    let decimal = money::decimal(amount).ok_or_else(unknown)?;
    Ok(Amount { currency: currency.to_owned(), amount: decimal })
}

/// The product of an order.
pub(super) fn product<'q>(quirks: &'q Quirks, order: &Order) -> Result<&'q str, Failure> {
    let unknown = || failed(Failed::NotSupported, "currency");
    let creditor = match text::account(&order.creditor) {
        Some(Account::Iban(_)) => CreditorKind::Iban,
        // One that is none is refused by the order.
        Some(Account::Bban(_)) | None => CreditorKind::Bban,
    };
    let currency = money::alpha(order.amount.currency).ok_or_else(unknown)?;
    quirks.product(currency, creditor).ok_or_else(unknown)
}
