//! Reconciliation (0520): the totals an institution believes in, compared with the bank's own.
//!
//! The bank's are added up from its postings of the settlement date in DE15 and the institution in
//! DE32. Inquiries (DE80) are not compared, because the bank keeps no record of them. Nothing is
//! changed by a comparison, so a repeat is compared again and its answer is that of the moment.

use veksel_codecs::{Fault, FieldNumber, Message, ResponseCode, field};
use veksel_core::time::Utc;

use super::draft::{Decline, Draft};
use super::{Issuer, entry};
use crate::ledger::Totals;
use crate::money::Currency;

impl Issuer {
    pub(super) fn reconcile(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let wrong_date = Decline::Format(field::SETTLEMENT_DATE.number(), Fault::Value);
        let date = message.get(field::SETTLEMENT_DATE);
        let date = date.and_then(|date| date.as_bytes().first_chunk::<4>().copied());
        let date = date.ok_or(wrong_date)?;
        let start = std::str::from_utf8(&date).ok().map(|date| format!("{date}000000"));
        let start = start.and_then(|start| now.nearest(&start)).ok_or(wrong_date)?;
        let told = told(message)?;
        if now.0.saturating_sub(start.0) > self.ledger.keep_ms() {
            // Some of it may be forgotten: not even a difference could be told.
            return Err(ResponseCode::NOT_FOUND.into());
        }
        // The same day and month of another year is another date.
        let is_meant = |utc_ms: u64| {
            utc_ms.abs_diff(start.0) <= NEAR_MS && self.settlement_date(Utc(utc_ms)) == date
        };
        let totals = self.ledger.totals(&entry::acquirer(message)?, is_meant);
        let own = match currency(message)? {
            Some(currency) => totals.get(&currency).copied().unwrap_or_default(),
            None if totals.len() > 1 => {
                // Minor units of several currencies have no sum.
                return Err(Decline::Format(field::CURRENCY.number(), Fault::Missing));
            }
            None => totals.into_values().next().unwrap_or_default(),
        };
        let (figures, own) = (figures(&own), fields(&own));
        if told == figures {
            let draft = Draft::approved(now);
            return Ok(draft.with_totals([(field::SETTLEMENT_CODE.number(), IN_BALANCE.into())]));
        }
        let code = [(field::SETTLEMENT_CODE.number(), OUT_OF_BALANCE.to_owned())];
        let own = own
            .filter_map(|(number, value)| FieldNumber::new(number).map(|number| (number, value)));
        let draft = Draft::of(now, ResponseCode::RECONCILE_ERROR);
        Ok(draft.with_totals(code.into_iter().chain(own)))
    }
}

/// The fields that are compared, in the order of [`figures`].
const COMPARED: [u8; 12] = [74, 75, 76, 77, 78, 79, 81, 86, 87, 88, 89, NET];
const NET: u8 = 97;

/// The fields that a reconciliation with these totals carries, by number.
pub(crate) fn fields(totals: &Totals) -> impl Iterator<Item = (u8, String)> + use<> {
    let values = COMPARED.into_iter().zip(figures(totals));
    values.map(|(number, value)| (number, shown(number, value)))
}

/// DE66.
const IN_BALANCE: &str = "1";
const OUT_OF_BALANCE: &str = "2";

/// A settlement date begins at most a day before the day it names.
const NEAR_MS: u64 = 2 * 24 * 60 * 60 * 1000;

fn figures(totals: &Totals) -> [i128; 12] {
    let Totals { credits, credit_reversals, debits, debit_reversals, .. } = totals;
    [
        credits.number.into(),
        credit_reversals.number.into(),
        debits.number.into(),
        debit_reversals.number.into(),
        totals.transfers.number.into(),
        totals.transfer_reversals.number.into(),
        totals.authorisations.into(),
        credits.minor,
        credit_reversals.minor,
        debits.minor,
        debit_reversals.minor,
        totals.net(),
    ]
}

/// What the message says, in the same order.
fn told(message: &Message) -> Result<[i128; 12], Decline> {
    let mut told = [0; 12];
    for (slot, number) in told.iter_mut().zip(COMPARED) {
        let Some(field) = FieldNumber::new(number) else { continue };
        let text = message.expose(field).and_then(|raw| raw.text());
        let text = text.ok_or(Decline::Format(field, Fault::Missing))?;
        let value = match number {
            NET => match text.as_str().split_at_checked(1) {
                Some(("C", digits)) => digits.parse::<u64>().ok().map(i128::from),
                Some(("D", digits)) => digits.parse::<u64>().ok().map(|value| -i128::from(value)),
                Some(_) | None => None,
            },
            _ => text.as_str().parse::<u64>().ok().map(i128::from),
        };
        *slot = value.ok_or(Decline::Format(field, Fault::Value))?;
    }
    Ok(told)
}

/// As the field carries it. A sum too long for its field is all nines, and differs from any that
/// could have been told.
fn shown(number: u8, value: i128) -> String {
    let (sign, width, most) = match number {
        NET => (if value < 0 { "D" } else { "C" }, 16, 9_999_999_999_999_999),
        86..=89 => ("", 16, 9_999_999_999_999_999),
        _ => ("", 10, 9_999_999_999),
    };
    format!("{sign}{:0width$}", value.unsigned_abs().min(most))
}

/// DE49. A currency the bank does not keep is refused before anything is added up.
fn currency(message: &Message) -> Result<Option<Currency>, Decline> {
    let Some(code) = message.get(field::CURRENCY) else { return Ok(None) };
    let currency = u16::try_from(code).ok().and_then(Currency::from_numeric);
    currency.map(Some).ok_or(ResponseCode::INVALID_TRANSACTION.into())
}
