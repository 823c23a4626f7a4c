//! Answers before they are messages, and the only place where a request is turned into one.
//!
//! The request itself becomes the answer: what the presence rule repeats stays as it was received,
//! everything else goes, and a drafted value enters only where the rule allows its field. So no
//! answer has a field it must not have, whatever was drafted.

use veksel_codecs::structured::{
    AVAILABLE, AdditionalAmount, HELD, LEDGER, OVERDRAFT, format_amounts, table, tags,
};
use veksel_codecs::{
    Answer, DecodeError, Fault, FieldNumber, FieldPath, FieldSet, Message, Mti, ResponseCode, field,
};
use veksel_core::time::Utc;

use crate::ledger::{Balances, Product};
use crate::money::{AMOUNT_MAX, Currency};

/// A refusal of the host itself; the ledger's come with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decline {
    Code(ResponseCode),
    /// 30, with the field and the reason in DE44.
    Format(FieldNumber, Fault),
}

impl From<ResponseCode> for Decline {
    fn from(code: ResponseCode) -> Self {
        Self::Code(code)
    }
}

/// The parts of an answer that its request does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    /// DE39.
    pub(super) code: ResponseCode,
    /// When it was first given; a replay keeps the settlement date.
    pub(super) utc_ms: u64,
    /// DE38.
    pub(super) approval: Option<[u8; 6]>,
    /// DE44.
    pub(super) fault: Option<DecodeError>,
    /// DE48.
    pub(super) additional: Option<String>,
    /// DE54.
    pub(super) amounts: Vec<AdditionalAmount>,
    /// DE63.
    pub(super) display: Option<String>,
    /// DE125.
    pub(super) continuation: Option<String>,
    /// DE66 and the totals of a reconciliation.
    pub(super) totals: Vec<(FieldNumber, String)>,
}

impl Draft {
    pub(super) const fn of(now: Utc, code: ResponseCode) -> Self {
        Self {
            code,
            utc_ms: now.0,
            approval: None,
            fault: None,
            additional: None,
            amounts: Vec::new(),
            display: None,
            continuation: None,
            totals: Vec::new(),
        }
    }

    pub(super) const fn approved(now: Utc) -> Self {
        Self::of(now, ResponseCode::APPROVED)
    }

    pub(super) fn format_error(now: Utc, field: FieldNumber, fault: Fault) -> Self {
        let fault = DecodeError { path: FieldPath::whole(field), offset: 0, fault };
        Self { fault: Some(fault), ..Self::of(now, ResponseCode::FORMAT_ERROR) }
    }

    /// The same draft with tags in DE48.
    pub(super) fn with_tags<'t>(self, list: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        Self { additional: Some(tags::format(list)), ..self }
    }

    pub(super) fn with_totals(
        self,
        totals: impl IntoIterator<Item = (FieldNumber, String)>,
    ) -> Self {
        Self { totals: totals.into_iter().collect(), ..self }
    }

    /// The same draft with a table in DE48 and DE125, and in DE63 where the next page begins.
    pub(super) fn with_table(self, writer: table::Writer, next: Option<String>) -> Self {
        let (additional, continuation) = writer.finish();
        let display = next.map(|token| format!("{NEXT_PAGE}{token}"));
        Self { additional: Some(additional), continuation, display, ..self }
    }

    /// The same draft with ledger and available balance in DE54.
    pub(super) fn with_balances(mut self, product: Product, balances: Balances) -> Self {
        self.push_balances(product, balances, [LEDGER, AVAILABLE]);
        self
    }

    /// And with what bounds them: the sum of its holds, and how far it may be overdrawn.
    pub(super) fn with_limits(mut self, product: Product, balances: Balances) -> Self {
        let limits = [(HELD, balances.held), (OVERDRAFT, balances.overdraft)];
        self.push_amounts(product, balances.currency, limits);
        self
    }

    pub(super) fn push_balances(
        &mut self,
        product: Product,
        balances: Balances,
        [ledger, available]: [[u8; 2]; 2],
    ) {
        let sums = [(ledger, balances.ledger), (available, balances.available())];
        self.push_amounts(product, balances.currency, sums);
    }

    fn push_amounts(&mut self, product: Product, currency: Currency, sums: [([u8; 2], i64); 2]) {
        let account_type = product.code().as_bytes().first_chunk().copied().unwrap_or(*b"00");
        for (amount_type, minor) in sums {
            self.amounts.push(AdditionalAmount {
                account_type,
                amount_type,
                currency: currency.numeric(),
                // An overdraft limit on top of a full balance is the only thing longer.
                minor: minor.clamp(0 - AMOUNT_MAX, AMOUNT_MAX),
            });
        }
    }

    /// Turns a request into its answer. `date` is DE15.
    pub(super) fn write(self, request: Message, rule: Answer, date: [u8; 4]) -> Message {
        let mut message = request;
        let mti = message.mti().response().unwrap_or(Mti::NONE);
        message.retain(rule.echo.minus(withheld()));
        message.set_mti(mti);
        let allows = |number: FieldNumber| rule.allowed.has(number);
        // The date a reconciliation is about stays.
        let is_echoed = message.has(field::SETTLEMENT_DATE);
        if self.fault.is_none() && allows(field::SETTLEMENT_DATE.number()) && !is_echoed {
            message.set(field::SETTLEMENT_DATE, as_text(&date));
        }
        if let Some(approval) = &self.approval
            && allows(field::APPROVAL.number())
            && !message.has(field::APPROVAL)
        {
            message.set(field::APPROVAL, as_text(approval));
        }
        if allows(field::RESPONSE_CODE.number()) {
            message.set(field::RESPONSE_CODE, self.code);
        }
        let texts = [
            (field::ADDITIONAL_RESPONSE, self.fault.map(|fault| fault.additional_response())),
            (field::ADDITIONAL_DATA, self.additional),
            (field::ADDITIONAL_AMOUNTS, format_amounts(&self.amounts)),
            (field::DISPLAY, self.display),
            (field::CONTINUATION, self.continuation),
        ];
        for (key, text) in texts {
            if let Some(text) = text
                && allows(key.number())
            {
                message.set(key, &text);
            }
        }
        for (number, text) in self.totals {
            if allows(number) {
                message.set_text(number, &text);
            }
        }
        message
    }
}

/// What an answer may have when no presence rule fits its request: what identifies it.
pub(super) fn without_rule() -> Answer {
    let echo = set(&[2, 3, 4, 7, 11, 12, 13, 32, 33, 37, 41, 42, 49, 59, 60, 70, 90, 102, 103]);
    let mandatory = FieldSet::EMPTY.with(field::RESPONSE_CODE.number());
    let allowed = echo.union(mandatory).with(field::ADDITIONAL_RESPONSE.number());
    Answer { echo, mandatory, allowed }
}

/// Track, PIN and chip data are never repeated, whatever a dialect says (switch semantics 16).
fn withheld() -> FieldSet {
    set(&[35, 36, 45, 52, 55])
}

fn set(numbers: &[u8]) -> FieldSet {
    numbers.iter().filter_map(|number| FieldNumber::new(*number)).collect()
}

fn as_text(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
}

/// DE63 of a page that is not the last; what follows goes into tag 04 of the next request.
pub(super) const NEXT_PAGE: &str = "NEXT ";
