//! What stands inside DE48, DE54, DE90, DE95 and DE125 on the CBS link, and the values of dates,
//! tracks and statement lines wherever they stand.
//!
//! Each form is read and written here once, for the switch, the simulator and the tools alike.
//! Reading is total: what is not of the form is `None`, never a guess.

use crate::error::FieldNumber;
use crate::mti::Mti;

pub mod date;
pub mod replacement;
pub mod statement;
pub mod track;

/// One of the up to six amounts of DE54: account type (2), amount type (2), currency (3), sign
/// (1), amount (12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdditionalAmount {
    /// As positions 3-4 or 5-6 of DE3: 10 savings, 20 current and so on.
    pub account_type: [u8; 2],
    /// 01 ledger balance, 02 available balance, 40 cash and so on.
    pub amount_type: [u8; 2],
    /// ISO 4217 numeric.
    pub currency: u16,
    /// Minor units; below zero is written `D`, zero and above `C`.
    pub minor: i64,
}

/// Amount type of the ledger balance.
pub const LEDGER: [u8; 2] = *b"01";
/// Amount type of the available balance.
pub const AVAILABLE: [u8; 2] = *b"02";
/// Amount type of the cash part of a purchase with cash-back.
pub const CASH: [u8; 2] = *b"40";
/// Amount type of the sum of open holds: for private use by the standard.
pub const HELD: [u8; 2] = *b"90";
/// Amount type of how far an account may be overdrawn: for private use by the standard.
pub const OVERDRAFT: [u8; 2] = *b"91";

/// Reads DE54. Anything but 1 to 6 whole amounts is `None`.
#[must_use]
pub fn parse_amounts(text: &str) -> Option<Vec<AdditionalAmount>> {
    let (amounts, rest) = text.as_bytes().as_chunks::<20>();
    if !rest.is_empty() || amounts.is_empty() || amounts.len() > 6 {
        return None;
    }
    amounts.iter().map(parse_amount).collect()
}

fn parse_amount(bytes: &[u8; 20]) -> Option<AdditionalAmount> {
    let (account_type, rest) = bytes.split_first_chunk::<2>()?;
    let (amount_type, rest) = rest.split_first_chunk::<2>()?;
    let (currency, rest) = rest.split_first_chunk::<3>()?;
    let (sign, amount) = rest.split_first()?;
    let amount = i64::try_from(decimal(amount)?).ok()?;
    let minor = match sign {
        b'C' => amount,
        b'D' => amount.checked_neg()?,
        _ => return None,
    };
    Some(AdditionalAmount {
        account_type: *account_type,
        amount_type: *amount_type,
        currency: u16::try_from(decimal(currency)?).ok()?,
        minor,
    })
}

/// Writes DE54. `None` if there are none or more than six, or one has more than 12 digits.
#[must_use]
pub fn format_amounts(amounts: &[AdditionalAmount]) -> Option<String> {
    if amounts.is_empty() || amounts.len() > 6 {
        return None;
    }
    amounts
        .iter()
        .map(|amount| {
            let magnitude = amount.minor.unsigned_abs();
            let sign = if amount.minor < 0 { 'D' } else { 'C' };
            let account_type = core::str::from_utf8(&amount.account_type).ok()?;
            let amount_type = core::str::from_utf8(&amount.amount_type).ok()?;
            let currency = amount.currency;
            (magnitude < 1_000_000_000_000 && currency < 1_000)
                .then(|| format!("{account_type}{amount_type}{currency:03}{sign}{magnitude:012}"))
        })
        .collect()
}

fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// DE90: which earlier message is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalData {
    /// Its type.
    pub mti: Mti,
    /// Its DE11.
    pub stan: u32,
    /// Its DE7.
    pub transmission: String,
    /// Its DE32 without leading zeros, empty if it had none.
    pub acquirer: String,
    /// Its DE33 without leading zeros, empty if it had none.
    pub forwarder: String,
}

impl OriginalData {
    /// Reads the 42 digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 42 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let institution = |range| text.get(range).map(|id: &str| id.trim_start_matches('0'));
        Some(Self {
            mti: Mti::parse(text.get(..4)?)?,
            stan: text.get(4..10)?.parse().ok()?,
            transmission: text.get(10..20)?.to_owned(),
            acquirer: institution(20..31)?.to_owned(),
            forwarder: institution(31..42)?.to_owned(),
        })
    }

    /// Writes the 42 digits. An institution that is not of up to 11 digits is written as zeros.
    #[must_use]
    pub fn format(&self) -> String {
        let institution = |id: &str| {
            let digits = id.len() <= 11 && id.bytes().all(|byte| byte.is_ascii_digit());
            format!("{:0>11}", if digits { id } else { "" })
        };
        let Self { mti, stan, transmission, acquirer, forwarder } = self;
        let (acquirer, forwarder) = (institution(acquirer), institution(forwarder));
        format!("{mti}{stan:06}{transmission:0>10}{acquirer}{forwarder}")
    }
}

/// The actual amount of a partial reversal: the first 12 digits of DE95.
#[must_use]
pub fn replacement_amount(text: &str) -> Option<u64> {
    decimal(text.as_bytes().get(..12)?)
}

/// DE95 with this actual amount: 12 digits, and zeros and a sign for the three others.
#[must_use]
pub fn format_replacement(actual: u64) -> String {
    format!("{actual:012}{:012}C{:08}C{:08}", 0, 0, 0)
}

/// The tags of DE48 in a request: `TT LL value`, two characters and two digits.
pub mod tags {
    /// Most lines wanted of a statement.
    pub const LINES_MAX: &str = "01";
    /// First date wanted, `YYYYMMDD`.
    pub const FROM: &str = "02";
    /// Last date wanted, `YYYYMMDD`.
    pub const TO: &str = "03";
    /// Where the next page begins, as an earlier answer said.
    pub const PAGE: &str = "04";
    /// Biller.
    pub const BILLER: &str = "10";
    /// What the biller calls its customer.
    pub const REFERENCE: &str = "11";
    /// Bill number.
    pub const BILL: &str = "12";
    /// Name of the payer.
    pub const PAYER: &str = "13";
    /// Name of an account's owner.
    pub const NAME: &str = "14";
    /// Bank code of the beneficiary's bank.
    pub const BANK: &str = "15";
    /// Status of an account: A, D, B or C.
    pub const STATUS: &str = "16";
    /// Currency of an account, ISO 4217 numeric.
    pub const CURRENCY: &str = "17";
    /// Type of an account, two digits.
    pub const TYPE: &str = "18";
    /// Receipt number.
    pub const RECEIPT: &str = "19";
    /// Token of a prepaid service.
    pub const TOKEN: &str = "22";
    /// Hold.
    pub const HOLD: &str = "30";
    /// Name to search for.
    pub const SEARCH_NAME: &str = "40";
    /// Telephone number.
    pub const PHONE: &str = "41";
    /// Customer.
    pub const CUSTOMER: &str = "42";
    /// Account number or IBAN to search for.
    pub const SEARCH_ACCOUNT: &str = "43";
    /// Date an account was opened, `YYYYMMDD`.
    pub const OPENED: &str = "44";
    /// Branch of an account.
    pub const BRANCH: &str = "45";
    /// IBAN of an account.
    pub const IBAN: &str = "46";
    /// Mobile operator.
    pub const OPERATOR: &str = "47";
    /// Public address of the terminal, for banks that want to know where their customer is.
    pub const ADDRESS: &str = "48";
    /// What a bank calls a payment, at most 35 characters.
    pub const PAYMENT: &str = "P1";
    /// Where a customer approves a payment: an id that the portal resolves.
    pub const APPROVE: &str = "P2";
    /// Until when a payment may be approved, `YYMMDDhhmmss` UTC.
    pub const EXPIRY: &str = "P3";
    /// How old a balance is, in minutes.
    pub const AGE: &str = "P4";
    /// What a provider called its refusal.
    pub const RAW_CODE: &str = "P5";
    /// In an answer to the question how a request ended, beside 68: how far it is undone, in a
    /// word.
    pub const REVERSAL: &str = "P6";
    /// In an answer to the question how a request ended, beside 91: that it ended so.
    pub const ENDED: &str = "P7";

    /// Reads all tags in order, known or not. `None` if the text is not of the form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Vec<(&str, &str)>> {
        let mut rest = text;
        let mut found = Vec::new();
        // A sender may have filled the field with spaces.
        while !rest.trim_end_matches(' ').is_empty() {
            let (tag, after) = rest.split_at_checked(2)?;
            let (length, after) = after.split_at_checked(2)?;
            let all_digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let length = length.parse().ok().filter(|_| all_digits)?;
            let (value, after) = after.split_at_checked(length)?;
            found.push((tag, value));
            rest = after;
        }
        Some(found)
    }

    /// The value of the first such tag.
    #[must_use]
    pub fn find<'t>(text: &'t str, tag: &str) -> Option<&'t str> {
        parse(text)?.into_iter().find(|(found, _)| *found == tag).map(|(_, value)| value)
    }

    /// Writes tags. A value is cut at 99 characters, which is all its length can say; a
    /// character outside printable ASCII becomes a space.
    #[must_use]
    pub fn format<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> String {
        let mut out = String::new();
        for (tag, value) in tags {
            let value: String = value.chars().map(super::printable).take(99).collect();
            out.push_str(tag);
            out.push_str(&format!("{:02}", value.len()));
            out.push_str(&value);
        }
        out
    }
}

/// The character, or a space in place of one that DE48 cannot hold.
fn printable(character: char) -> char {
    if character == ' ' || character.is_ascii_graphic() { character } else { ' ' }
}

/// A table in DE48: a header row, then rows; cells separated by `|`, each row ended by `~`.
/// The rows that do not fit go to DE125 in the same form without a header.
pub mod table {
    /// The columns of a statement.
    pub const STATEMENT: &[&str] =
        &["DATE_TIME", "SEQ_NR", "TRAN_TYPE", "TRAN_AMOUNT", "CURR_CODE", "DR_CR", "NARR"];

    /// A table that was read.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Table<'t> {
        columns: Vec<&'t str>,
        rows: Vec<Vec<&'t str>>,
    }

    impl<'t> Table<'t> {
        /// Reads DE48 and its continuation. `None` without a header row.
        #[must_use]
        pub fn parse(text: &'t str, continuation: &'t str) -> Option<Self> {
            let mut lines = text.split('~').filter(|line| !line.trim().is_empty());
            let columns = lines.next()?.split('|').collect();
            let more = continuation.split('~').filter(|line| !line.trim().is_empty());
            Some(Self {
                columns,
                rows: lines.chain(more).map(|l| l.split('|').collect()).collect(),
            })
        }

        /// The names of the columns.
        #[must_use]
        pub fn columns(&self) -> &[&'t str] {
            &self.columns
        }

        /// The rows; one may have more or fewer cells than there are columns.
        #[must_use]
        pub fn rows(&self) -> &[Vec<&'t str>] {
            &self.rows
        }

        /// The cell of a row in the column of that name.
        #[must_use]
        pub fn cell(&self, row: usize, column: &str) -> Option<&'t str> {
            let place = self.columns.iter().position(|name| *name == column)?;
            self.rows.get(row)?.get(place).copied()
        }
    }

    /// A table that is being written.
    #[derive(Clone, Debug)]
    pub struct Writer {
        text: String,
        continuation: String,
        rows: usize,
    }

    /// The longest DE48 and DE125.
    const FIELD_MAX: usize = 999;

    impl Writer {
        /// A table without rows.
        #[must_use]
        pub fn new(columns: &[&str]) -> Self {
            Self { text: row(columns), continuation: String::new(), rows: 0 }
        }

        /// Adds a row, to DE48 while it fits whole, then to DE125. `false`, and nothing is
        /// added, if it fits in neither.
        #[must_use]
        pub fn push(&mut self, cells: &[&str]) -> bool {
            let row = row(cells);
            let fits = |text: &str| text.len().saturating_add(row.len()) <= FIELD_MAX;
            if self.continuation.is_empty() && fits(&self.text) {
                self.text.push_str(&row);
            } else if fits(&self.continuation) {
                self.continuation.push_str(&row);
            } else {
                return false;
            }
            self.rows = self.rows.saturating_add(1);
            true
        }

        /// How many rows were added.
        #[must_use]
        pub const fn rows(&self) -> usize {
            self.rows
        }

        /// DE48 and, if there is any, DE125.
        #[must_use]
        pub fn finish(self) -> (String, Option<String>) {
            (self.text, Some(self.continuation).filter(|text| !text.is_empty()))
        }
    }

    /// One row. A separator or control character in a cell becomes a space, so that no cell can
    /// pretend to be two.
    fn row(cells: &[&str]) -> String {
        let clean = |cell: &&str| -> String {
            let harmless = |character| if matches!(character, '|' | '~') { ' ' } else { character };
            cell.chars().map(super::printable).map(harmless).collect()
        };
        let mut row = cells.iter().map(clean).collect::<Vec<_>>().join("|");
        row.push('~');
        row
    }
}

/// DE44 of a format error: three digits of the field and a letter for the reason.
#[must_use]
pub fn parse_format_error(text: &str) -> Option<(FieldNumber, Option<char>)> {
    let (number, reason) = text.trim_end_matches(' ').split_at_checked(3)?;
    Some((FieldNumber::new(number.parse().ok()?)?, reason.chars().next()))
}

#[cfg(test)]
mod tests {
    use super::table::{STATEMENT, Table, Writer};
    use super::*;

    #[test]
    fn amounts_of_the_reference() {
        let text = "1001578C0000001250001002578C000000110000";
        let amounts = parse_amounts(text).unwrap();
        assert_eq!(amounts.iter().map(|a| a.minor).collect::<Vec<_>>(), [125_000, 110_000]);
        assert_eq!(amounts.iter().map(|a| a.amount_type).collect::<Vec<_>>(), [LEDGER, AVAILABLE]);
        assert_eq!(format_amounts(&amounts).unwrap(), text);
    }

    #[test]
    fn amounts_that_are_none() {
        for text in ["", "1001578C00000012500", "1001578X000000125000", "1001578C0000001250-0"] {
            assert_eq!(parse_amounts(text), None, "{text}");
        }
        let overdrawn = AdditionalAmount {
            account_type: *b"20",
            amount_type: AVAILABLE,
            currency: 840,
            minor: -1,
        };
        assert_eq!(format_amounts(&[overdrawn]).unwrap(), "2002840D000000000001");
        let too_much = AdditionalAmount { minor: 1_000_000_000_000, ..overdrawn };
        assert_eq!(format_amounts(&[too_much]), None);
    }

    #[test]
    fn original_data_of_the_reference() {
        let text = "020000012308011200000000012345600000000000";
        let original = OriginalData::parse(text).unwrap();
        assert_eq!((original.stan, original.acquirer.as_str()), (123, "123456"));
        assert_eq!(original.forwarder, "");
        assert_eq!(original.format(), text);
        assert_eq!(OriginalData::parse("0200"), None);
    }

    #[test]
    fn tags_are_read_as_they_are_written() {
        let text = tags::format([("10", "NO-POWER"), ("12", ""), ("11", "A 1 ")]);
        assert_eq!(text, "1008NO-POWER12001104A 1 ");
        let expected = vec![("10", "NO-POWER"), ("12", ""), ("11", "A 1 ")];
        assert_eq!(tags::parse(&text), Some(expected.clone()));
        assert_eq!(tags::parse(&format!("{text}   ")), Some(expected));
        assert_eq!(tags::find(&text, "11"), Some("A 1 "));
    }

    #[test]
    fn what_is_not_tags_is_none() {
        for text in ["1", "10x8", "1008NO", "10+1a", "100"] {
            assert_eq!(tags::parse(text), None, "{text}");
        }
        assert_eq!(tags::parse(""), Some(vec![]));
    }

    #[test]
    fn a_cell_cannot_pretend_to_be_two() {
        let mut writer = Writer::new(&["A", "B"]);
        assert!(writer.push(&["x|y~z\n", "1"]));
        let (text, continuation) = writer.finish();
        assert_eq!(text, "A|B~x y z |1~");
        assert_eq!(continuation, None);
    }

    #[test]
    fn rows_that_do_not_fit_are_continued_whole() {
        let mut writer = Writer::new(STATEMENT);
        let cells = ["20260801143005", "000001", "01", "000000010000", "840", "D", "ATM WDL"];
        let mut pushed = 0;
        while writer.push(&cells) {
            pushed += 1;
        }
        let (text, continuation) = writer.finish();
        let continuation = continuation.unwrap();
        assert!(text.len() <= 999 && continuation.len() <= 999);
        assert!(text.ends_with('~') && continuation.ends_with('~'));
        let table = Table::parse(&text, &continuation).unwrap();
        assert_eq!(table.rows().len(), pushed);
        assert_eq!(table.cell(pushed - 1, "NARR"), Some("ATM WDL"));
    }
}
