//! Statement lines and the fields that carry them.
//!
//! | carrier | field | lines |
//! |---|---|---|
//! | `de48_table` | 48, then 125 | the table of [`super::table`] |
//! | `de114` | 114, then 125 | the same table |
//! | `de62_text` | 62 | `DDMMYY NNNNNNNNNNNN.NN D text~` |
//! | `de120_tlv` | 120 | tag (3), length (3): 005 count, 006 lines of 40, 007 balance |
//! | `de125_fixed` | 125 | lines of 40: `DDMMYY NNNNNNNNNNNN.NN D text` |
//!
//! A continuation has no header row. A line is written whole or not at all. The rows of 40 and
//! those for people have two digits behind the point whatever the currency, and know neither
//! time, sequence, type nor currency.

use super::date::Date;
use super::{decimal, printable, table};
use crate::error::FieldNumber;

/// A line of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The day, local.
    pub date: Date,
    /// `hhmmss`, local; a carrier may have no room for it.
    pub time: Option<[u8; 6]>,
    /// Number of the line in the account's history.
    pub sequence: Option<u32>,
    /// The first two digits of DE3.
    pub kind: Option<[u8; 2]>,
    /// Minor units.
    pub minor: u64,
    /// ISO 4217 numeric.
    pub currency: Option<u16>,
    /// Whether the account was debited.
    pub is_debit: bool,
    /// Text; cut to 25 characters in a table and 15 in a line of 40.
    pub narration: String,
}

/// How a link carries statement lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A table in DE48.
    De48Table,
    /// Rows for people in DE62.
    De62Text,
    /// A table in DE114.
    De114,
    /// Tags in DE120.
    De120Tlv,
    /// Lines of 40 in DE125.
    De125Fixed,
}

/// Fields of an answer with the lines that fitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The fields to set.
    pub fields: Vec<(FieldNumber, String)>,
    /// How many lines there are in them.
    pub lines: usize,
}

/// The longest narration of a table.
const NARRATION_MAX: usize = 25;
/// The length of a fixed line, and where its narration begins.
const LINE: usize = 40;
const HEAD: usize = 25;
/// The longest field.
const FIELD_MAX: usize = 999;
/// Tags of DE120.
const COUNT: &str = "005";
const LINES: &str = "006";
const BALANCE: &str = "007";

impl Carrier {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::De48Table, Self::De62Text, Self::De114, Self::De120Tlv, Self::De125Fixed];

    /// The name in configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::De48Table => "de48_table",
            Self::De62Text => "de62_text",
            Self::De114 => "de114",
            Self::De120Tlv => "de120_tlv",
            Self::De125Fixed => "de125_fixed",
        }
    }

    /// The carrier of that name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.word() == word)
    }

    /// The fields it uses: the first, and its continuation.
    #[must_use]
    pub const fn fields(self) -> (FieldNumber, Option<FieldNumber>) {
        let continuation = FieldNumber::known(125);
        match self {
            Self::De48Table => (FieldNumber::known(48), Some(continuation)),
            Self::De114 => (FieldNumber::known(114), Some(continuation)),
            Self::De62Text => (FieldNumber::known(62), None),
            Self::De120Tlv => (FieldNumber::known(120), None),
            Self::De125Fixed => (continuation, None),
        }
    }

    /// Writes as many lines as fit, in the order given. `balance` in minor units is for carriers
    /// that have a place for it; one of more than twelve digits is left out. An amount that a
    /// line of 40 has no room for ends the lines as a full field does.
    #[must_use]
    pub fn write(self, entries: &[Entry], balance: Option<i64>) -> Written {
        let (first, continuation) = self.fields();
        match self {
            Self::De48Table | Self::De114 => {
                let mut writer = table::Writer::new(table::STATEMENT);
                let fitting = entries.iter().take_while(|entry| {
                    let cells = entry.cells();
                    writer.push(&cells.each_ref().map(String::as_str))
                });
                let lines = fitting.count();
                let (text, more) = writer.finish();
                let mut fields = vec![(first, text)];
                fields.extend(continuation.zip(more));
                Written { fields, lines }
            }
            Self::De62Text => {
                let row = |entry: &Entry| Some(format!("{}~", entry.line()?.trim_end_matches(' ')));
                let (text, lines) = fitting(entries, FIELD_MAX, row);
                Written { fields: vec![(first, text)], lines }
            }
            Self::De125Fixed => {
                let (text, lines) = fitting(entries, FIELD_MAX, Entry::line);
                Written { fields: vec![(first, text)], lines }
            }
            Self::De120Tlv => {
                let end = balance.and_then(signed).unwrap_or_default();
                // Three heads of six, two digits of count, and the balance.
                let room = FIELD_MAX.saturating_sub(end.len().saturating_add(20));
                let (text, lines) = fitting(entries, room, Entry::line);
                let mut out = format!("{COUNT}002{lines:02}{LINES}{:03}{text}", text.len());
                if !end.is_empty() {
                    out.push_str(&format!("{BALANCE}{:03}{end}", end.len()));
                }
                Written { fields: vec![(first, out)], lines }
            }
        }
    }

    /// Reads the lines of a first field and its continuation, which may be empty. Two-digit years
    /// are of the century that brings them nearest to a known day. `None` if a line is not of the
    /// carrier's form.
    #[must_use]
    pub fn read(self, text: &str, continuation: &str, known: Date) -> Option<Vec<Entry>> {
        match self {
            Self::De48Table | Self::De114 => {
                let table = table::Table::parse(text, continuation)?;
                (0..table.rows().len()).map(|row| Entry::of_row(&table, row)).collect()
            }
            Self::De62Text => {
                let rows = text.split('~').filter(|row| !row.trim().is_empty());
                rows.map(|row| Entry::of_line(row, known)).collect()
            }
            Self::De125Fixed => lines(text, known),
            Self::De120Tlv => lines(tag(text, LINES)?, known),
        }
    }

    /// The balance that stands with the lines, minor units; `None` if there is none.
    #[must_use]
    pub fn balance(self, text: &str) -> Option<i64> {
        if self != Self::De120Tlv {
            return None;
        }
        let (digits, sign) = tag(text, BALANCE)?.split_at_checked(12)?;
        let minor = i64::try_from(decimal(digits.as_bytes())?).ok()?;
        match sign {
            "C" => Some(minor),
            "D" => minor.checked_neg(),
            _ => None,
        }
    }
}

impl Entry {
    fn cells(&self) -> [String; 7] {
        let time = self.time.unwrap_or(*b"000000");
        let time = core::str::from_utf8(&time).unwrap_or("000000");
        let kind = self.kind.unwrap_or(*b"00");
        [
            format!("{}{time}", self.date),
            format!("{:06}", self.sequence.unwrap_or(0) % 1_000_000),
            core::str::from_utf8(&kind).unwrap_or("00").to_owned(),
            format!("{:012}", self.minor),
            format!("{:03}", self.currency.unwrap_or(0)),
            String::from(if self.is_debit { "D" } else { "C" }),
            self.narration.chars().take(NARRATION_MAX).collect(),
        ]
    }

    fn of_row(table: &table::Table<'_>, row: usize) -> Option<Self> {
        let cell = |column| table.cell(row, column);
        let number = |column| cell(column).and_then(|cell| decimal(cell.as_bytes()));
        let (date, time) = cell("DATE_TIME")?.split_at_checked(8)?;
        let time = <[u8; 6]>::try_from(time.as_bytes()).ok();
        let kind = cell("TRAN_TYPE").and_then(|kind| <[u8; 2]>::try_from(kind.as_bytes()).ok());
        Some(Self {
            date: Date::parse(date)?,
            time: time.filter(|time| time.iter().all(u8::is_ascii_digit)),
            sequence: number("SEQ_NR").and_then(|number| u32::try_from(number).ok()),
            kind: kind.filter(|kind| kind.iter().all(u8::is_ascii_digit)),
            minor: number("TRAN_AMOUNT")?,
            currency: number("CURR_CODE").and_then(|number| u16::try_from(number).ok()),
            is_debit: is_debit(cell("DR_CR")?)?,
            narration: cell("NARR").unwrap_or_default().to_owned(),
        })
    }

    /// A line of 40; `None` if the amount has more than 14 digits.
    fn line(&self) -> Option<String> {
        let Self { date, minor, .. } = self;
        let (major, cents) = (minor / 100, minor % 100);
        if major >= 1_000_000_000_000 {
            return None;
        }
        let (day, month, year) = (date.day(), date.month(), date.year() % 100);
        let sign = if self.is_debit { 'D' } else { 'C' };
        let harmless = |character| if character == '~' { ' ' } else { character };
        let text: String = self.narration.chars().map(printable).map(harmless).collect();
        let head = format!("{day:02}{month:02}{year:02} {major:012}.{cents:02} {sign} ");
        let text: String = text.chars().take(LINE.saturating_sub(HEAD)).collect();
        Some(format!("{head}{text:15}"))
    }

    fn of_line(line: &str, known: Date) -> Option<Self> {
        let (head, narration) = match line.split_at_checked(HEAD) {
            Some(split) => split,
            // A row for people without narration ends with the sign.
            None => (line, ""),
        };
        let (date, rest) = head.split_at_checked(6)?;
        let (day, rest_of_date) = date.split_at_checked(2)?;
        let (month, year) = rest_of_date.split_at_checked(2)?;
        let (major, rest) = rest.strip_prefix(' ')?.split_once('.')?;
        let (cents, sign) = rest.split_once(' ')?;
        let is_amount = major.len() == 12 && cents.len() == 2;
        let major = decimal(major.as_bytes()).filter(|_| is_amount)?;
        Some(Self {
            date: Date::of_century(&format!("{year}{month}{day}"), known)?,
            time: None,
            sequence: None,
            kind: None,
            minor: major.checked_mul(100)?.checked_add(decimal(cents.as_bytes())?)?,
            currency: None,
            is_debit: is_debit(sign.trim_end_matches(' '))?,
            narration: narration.trim_end_matches(' ').to_owned(),
        })
    }
}

fn is_debit(sign: &str) -> Option<bool> {
    match sign {
        "D" => Some(true),
        "C" => Some(false),
        _ => None,
    }
}

/// Lines one behind the other while they fit, and how many.
fn fitting(
    entries: &[Entry],
    room: usize,
    line: impl Fn(&Entry) -> Option<String>,
) -> (String, usize) {
    let (mut text, mut lines) = (String::new(), 0usize);
    for line in entries.iter().map_while(line) {
        if text.len().saturating_add(line.len()) > room {
            break;
        }
        text.push_str(&line);
        lines = lines.saturating_add(1);
    }
    (text, lines)
}

/// Lines of 40; the last may have lost the spaces at its end.
fn lines(text: &str, known: Date) -> Option<Vec<Entry>> {
    let lines = text.as_bytes().chunks(LINE).map(core::str::from_utf8);
    let lines = lines.filter(|line| !line.is_ok_and(|line| line.trim().is_empty()));
    lines.map(|line| Entry::of_line(line.ok()?, known)).collect()
}

/// Twelve digits and a sign; `None` for an amount that has more.
fn signed(minor: i64) -> Option<String> {
    let sign = if minor < 0 { 'D' } else { 'C' };
    let magnitude = minor.unsigned_abs();
    (magnitude < 1_000_000_000_000).then(|| format!("{magnitude:012}{sign}"))
}

/// The value of a tag of three characters with a length of three digits.
fn tag<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    let mut rest = text;
    loop {
        let (tag, after) = rest.split_at_checked(3)?;
        let (length, after) = after.split_at_checked(3)?;
        let length = usize::try_from(decimal(length.as_bytes())?).ok()?;
        let (value, after) = after.split_at_checked(length)?;
        if tag == wanted {
            return Some(value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn today() -> Date {
        Date::new(2026, 8, 1).unwrap()
    }

    fn entry(sequence: u32) -> Entry {
        Entry {
            date: today(),
            time: Some(*b"143005"),
            sequence: Some(sequence),
            kind: Some(*b"01"),
            minor: 10_000,
            currency: Some(840),
            is_debit: true,
            narration: "ATM WDL".to_owned(),
        }
    }

    fn texts(written: &Written) -> (&str, &str) {
        let mut texts = written.fields.iter().map(|(_, text)| text.as_str());
        (texts.next().unwrap(), texts.next().unwrap_or_default())
    }

    #[test]
    fn every_carrier_as_it_stands_in_its_field() {
        let table = "DATE_TIME|SEQ_NR|TRAN_TYPE|TRAN_AMOUNT|CURR_CODE|DR_CR|NARR~\
                     20260801143005|000001|01|000000010000|840|D|ATM WDL~";
        let line = "010826 000000000100.00 D ATM WDL        ";
        for (carrier, number, text) in [
            (Carrier::De48Table, 48, table.to_owned()),
            (Carrier::De114, 114, table.to_owned()),
            (Carrier::De62Text, 62, "010826 000000000100.00 D ATM WDL~".to_owned()),
            (Carrier::De120Tlv, 120, format!("00500201006040{line}007013000000012345D")),
            (Carrier::De125Fixed, 125, line.to_owned()),
        ] {
            let written = carrier.write(&[entry(1)], Some(-12_345));
            let field = FieldNumber::known(number);
            assert_eq!(written, Written { fields: vec![(field, text.clone())], lines: 1 });
            assert_eq!(carrier.fields().0, field);
            assert_eq!(Carrier::parse(carrier.word()), Some(carrier));
            let balance = (carrier == Carrier::De120Tlv).then_some(-12_345);
            assert_eq!(carrier.balance(&text), balance);
        }
        assert_eq!(Carrier::parse("de49"), None);
    }

    #[test]
    fn only_tables_are_continued_and_lines_stay_whole() {
        let entries: Vec<_> = (1..=60).map(entry).collect();
        for (carrier, fits) in [
            (Carrier::De48Table, 37),
            (Carrier::De114, 37),
            (Carrier::De62Text, 30),
            (Carrier::De120Tlv, 24),
            (Carrier::De125Fixed, 24),
        ] {
            let written = carrier.write(&entries, Some(1));
            assert_eq!(written.lines, fits, "{carrier:?}");
            let (text, continuation) = texts(&written);
            assert!(text.len() <= 999 && continuation.len() <= 999);
            let read = carrier.read(text, continuation, today()).unwrap();
            assert_eq!(read.len(), fits, "{carrier:?}");
        }
    }

    #[test]
    fn what_is_not_of_the_form_is_none() {
        for (carrier, text) in [
            (Carrier::De48Table, ""),
            (Carrier::De48Table, "A|B~1|2~"),
            (Carrier::De62Text, "310226 000000000100.00 D x~"),
            (Carrier::De62Text, "010826 100.00 D x~"),
            (Carrier::De125Fixed, "010826 000000000100.00 X ATM WDL        "),
            (Carrier::De120Tlv, "005002"),
            (Carrier::De120Tlv, "00500201"),
        ] {
            assert_eq!(carrier.read(text, "", today()), None, "{text}");
        }
    }

    #[test]
    fn an_amount_without_room_ends_the_lines_and_is_never_another() {
        let large = Entry { minor: 100_000_000_000_000, ..entry(2) };
        let largest = Entry { minor: 99_999_999_999_999, ..entry(2) };
        for carrier in [Carrier::De62Text, Carrier::De120Tlv, Carrier::De125Fixed] {
            let written = carrier.write(&[entry(1), large.clone(), entry(3)], None);
            assert_eq!(written.lines, 1, "{carrier:?}");
            let read = carrier.read(texts(&written).0, "", today()).unwrap();
            assert_eq!(read.len(), 1, "{carrier:?}");
            let written = carrier.write(&[largest.clone(), entry(3)], None);
            let read = carrier.read(texts(&written).0, "", today()).unwrap();
            assert_eq!((read.len(), read[0].minor), (2, largest.minor));
        }
        for (balance, found) in
            [(999_999_999_999, Some(999_999_999_999)), (1_000_000_000_000, None), (i64::MIN, None)]
        {
            let written = Carrier::De120Tlv.write(&[], Some(balance));
            assert_eq!(Carrier::De120Tlv.balance(texts(&written).0), found);
        }
    }

    prop_compose! {
        fn any_entry()(
            (day, month, year) in (1..=28u8, 1..=12u8, 1990..2060u16),
            sequence in 0..1_000_000u32,
            (minor, is_debit) in (0..1_000_000_000_000u64, any::<bool>()),
            narration in "[A-Z][ -{}]{0,20}[A-Z]",
        ) -> Entry {
            let date = Date::new(year, month, day).unwrap();
            Entry { date, minor, is_debit, narration, ..entry(sequence) }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in vec(any_entry(), 0..40)) {
            for carrier in Carrier::ALL {
                let written = carrier.write(&entries, None);
                let (text, continuation) = texts(&written);
                let read = carrier.read(text, continuation, today()).unwrap();
                prop_assert_eq!(read.len(), written.lines);
                for (read, sent) in read.iter().zip(&entries) {
                    prop_assert_eq!((read.date, read.minor), (sent.date, sent.minor));
                    prop_assert_eq!(read.is_debit, sent.is_debit);
                    let most = if read.sequence.is_some() { 25 } else { 15 };
                    let narration: String = sent.narration.chars().take(most).collect();
                    let plain = |text: &str| text.replace('|', " ").trim_end().to_owned();
                    prop_assert_eq!(plain(&read.narration), plain(&narration));
                    if matches!(carrier, Carrier::De48Table | Carrier::De114) {
                        prop_assert_eq!((read.sequence, read.time), (sent.sequence, sent.time));
                    }
                }
            }
        }

        #[test]
        fn any_text_is_lines_or_none(text in "[ -~é]{0,200}", more in "[ -~]{0,60}") {
            for carrier in Carrier::ALL {
                let _ = (carrier.read(&text, &more, today()), carrier.balance(&text));
            }
        }
    }
}
