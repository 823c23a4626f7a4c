//! DE95: what a partial reversal or a completion leaves standing.

use super::decimal;

/// The four amounts of DE95. They replace those of the original: DE4, DE5, DE28 and DE29.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplacementAmounts {
    /// Actual amount of the transaction, minor units.
    pub transaction: u64,
    /// Actual amount of the settlement, minor units.
    pub settlement: u64,
    /// Actual fee of the transaction, minor units; below zero is written `D`, zero and above `C`.
    pub transaction_fee: i64,
    /// Actual fee of the settlement, as the other.
    pub settlement_fee: i64,
}

impl ReplacementAmounts {
    /// Reads the 42 characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (transaction, rest) = text.split_at_checked(12)?;
        let (settlement, rest) = rest.split_at_checked(12)?;
        let (transaction_fee, settlement_fee) = rest.split_at_checked(9)?;
        Some(Self {
            transaction: decimal(transaction.as_bytes())?,
            settlement: decimal(settlement.as_bytes())?,
            transaction_fee: fee(transaction_fee)?,
            settlement_fee: fee(settlement_fee)?,
        })
    }

    /// Writes the 42 characters. `None` if an amount has more than 12 digits or a fee more than 8.
    #[must_use]
    pub fn format(&self) -> Option<String> {
        let Self { transaction, settlement, transaction_fee, settlement_fee } = *self;
        let fits = |fee: i64| fee.unsigned_abs() < 100_000_000;
        let sign = |fee: i64| if fee < 0 { 'D' } else { 'C' };
        if transaction.max(settlement) >= 1_000_000_000_000
            || !fits(transaction_fee)
            || !fits(settlement_fee)
        {
            return None;
        }
        Some(format!(
            "{transaction:012}{settlement:012}{}{:08}{}{:08}",
            sign(transaction_fee),
            transaction_fee.unsigned_abs(),
            sign(settlement_fee),
            settlement_fee.unsigned_abs(),
        ))
    }
}

fn fee(text: &str) -> Option<i64> {
    let (sign, digits) = text.split_at_checked(1).filter(|(_, digits)| digits.len() == 8)?;
    let minor = i64::try_from(decimal(digits.as_bytes())?).ok()?;
    match sign {
        "C" => Some(minor),
        "D" => minor.checked_neg(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{format_replacement, replacement_amount};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_short_forms_are_the_same_field() {
        let text = format_replacement(12_51);
        let read = ReplacementAmounts::parse(&text).unwrap();
        assert_eq!((read.transaction, read.settlement, read.settlement_fee), (1_251, 0, 0));
        assert_eq!(read.format().as_deref(), Some(text.as_str()));
        assert_eq!(replacement_amount(&text), Some(1_251));
    }

    #[test]
    fn what_is_not_of_the_form_is_none() {
        for text in [
            "",
            "000000001251",
            "000000001251000000000000C00000000C0000000",
            "000000001251000000000000C00000000X00000000",
            "00000000125x000000000000C00000000C00000000",
            "000000001251000000000000C00000000C000000000",
        ] {
            assert_eq!(ReplacementAmounts::parse(text), None, "{text}");
        }
        let zero = ReplacementAmounts::parse(&format_replacement(0)).unwrap();
        assert_eq!(ReplacementAmounts { transaction: 1_000_000_000_000, ..zero }.format(), None);
        assert_eq!(ReplacementAmounts { settlement_fee: i64::MIN, ..zero }.format(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            transaction in 0..1_000_000_000_000u64,
            settlement in 0..1_000_000_000_000u64,
            transaction_fee in -99_999_999..=99_999_999i64,
            settlement_fee in -99_999_999..=99_999_999i64,
        ) {
            let amounts =
                ReplacementAmounts { transaction, settlement, transaction_fee, settlement_fee };
            let text = amounts.format().unwrap();
            prop_assert_eq!(text.len(), 42);
            prop_assert_eq!(ReplacementAmounts::parse(&text), Some(amounts));
        }
    }
}
