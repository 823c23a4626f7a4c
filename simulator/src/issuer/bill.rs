//! Bills: what DE48 of a bill payment says, who the biller is, and how much a bill is over.
//!
//! Billers keep no bills here. What one would be over follows from its numbers, so that an
//! inquiry (32) gives the same amount every time, never a magic one.

use veksel_codecs::structured::{AdditionalAmount, tags};
use veksel_codecs::{Fault, Message, ResponseCode, field};
use veksel_core::time::Utc;

use super::Issuer;
use super::draft::{Decline, Draft};
use crate::directory::Biller;
use crate::ledger::{Digest, TransferId};
use crate::money::Currency;

/// DE48 of a bill payment or inquiry.
pub(super) struct Bill {
    biller: String,
    /// What the biller calls its customer.
    reference: Option<String>,
    number: Option<String>,
}

impl Bill {
    pub(super) fn read(message: &Message) -> Result<Self, Decline> {
        let wrong = Decline::Format(field::ADDITIONAL_DATA.number(), Fault::Value);
        let additional = message.get(field::ADDITIONAL_DATA);
        let list = additional.as_deref().and_then(tags::parse).ok_or(wrong)?;
        let find = |tag| {
            let found = list.iter().find(|(name, _)| *name == tag);
            found.map(|(_, value)| value.trim_end().to_owned())
        };
        Ok(Self {
            biller: find(tags::BILLER).ok_or(wrong)?,
            reference: find(tags::REFERENCE),
            number: find(tags::BILL),
        })
    }

    /// Puts the receipt into DE48. Its number is that of the transfer, so a replay has the same.
    pub(super) fn receipt(&self, draft: Draft, transfer: TransferId) -> Draft {
        let receipt = format!("R{:09}", transfer.0);
        let number = self.number.iter().map(|number| (tags::BILL, number.as_str()));
        draft.with_tags(number.chain([(tags::RECEIPT, receipt.as_str())]))
    }
}

impl Issuer {
    /// 03 for a biller nobody knows, 12 for one that takes another currency, 25 for a customer the
    /// biller cannot have: it knows its own by numbers of one length.
    pub(super) fn check_bill(&self, bill: &Bill, currency: Currency) -> Result<(), Decline> {
        let biller = self.biller(bill)?;
        if biller.currency != currency {
            return Err(ResponseCode::INVALID_TRANSACTION.into());
        }
        let fits = |text: &String| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            is_number && text.len() == usize::from(biller.reference_digits)
        };
        match bill.reference.as_ref().is_none_or(fits) {
            true => Ok(()),
            false => Err(ResponseCode::NOT_FOUND.into()),
        }
    }

    /// 32: how much is to be paid is amount type 04 (due) in DE54.
    pub(super) fn bill_inquiry(&self, now: Utc, message: &Message) -> Result<Draft, Decline> {
        let bill = Bill::read(message)?;
        let biller = self.biller(&bill)?;
        self.check_bill(&bill, biller.currency)?;
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let (reference, number) = (text(&bill.reference), text(&bill.number));
        let numbers = [&bill.biller, &reference, &number].map(String::as_bytes);
        let [high, low, ..] = Digest::of(&numbers).0;
        let units = 1 + i64::from(u16::from_be_bytes([high, low])) % BILL_UNITS_MAX;
        let due = AdditionalAmount {
            account_type: *b"00",
            amount_type: DUE,
            currency: biller.currency.numeric(),
            minor: units * 100,
        };
        let list = [(tags::BILLER, &bill.biller), (tags::REFERENCE, &reference)];
        let list = list.into_iter().chain([(tags::BILL, &number), (tags::NAME, &biller.name)]);
        let list = list.filter(|(_, value)| !value.is_empty());
        let draft = Draft::approved(now).with_tags(list.map(|(tag, value)| (tag, value.as_str())));
        Ok(Draft { amounts: vec![due], ..draft })
    }

    fn biller(&self, bill: &Bill) -> Result<&Biller, Decline> {
        Ok(self.directory.biller(&bill.biller).ok_or(ResponseCode::INVALID_MERCHANT)?)
    }
}

const DUE: [u8; 2] = *b"04";

/// No bill is over more than this many hundred minor units.
const BILL_UNITS_MAX: i64 = 5_000;
