//! Statements (38, 35) as DE48 carries them: cbs-interface.md 6.7.
//!
//! `DATE_TIME` is UTC, which is this bank's local time. `SEQ_NR` counts the entries of the account
//! modulo a million. A page that is not the last says in DE63 where the next begins.

use veksel_codecs::structured::{table, tags};
use veksel_codecs::{Fault, Message, field};
use veksel_core::time::Utc;

use super::Issuer;
use super::draft::{Decline, Draft};
use super::inquiry::Found;
use super::search::parse_tags;
use super::service::Span;
use crate::ledger::{Line, Query, TransferId};

impl Issuer {
    pub(super) fn statement(
        &self,
        now: Utc,
        message: &Message,
        span: Span,
    ) -> Result<Draft, Decline> {
        let Found { id, account, holder } = self.open_account(now, message)?;
        let query = self.query(message, span)?;
        let page = self.ledger.statement(id, query);
        let mut writer = table::Writer::new(table::STATEMENT);
        let mut last = None;
        let mut next = page.next;
        for line in &page.lines {
            let cells = cells(line, account.currency.numeric());
            if !writer.push(&cells.each_ref().map(|cell| &**cell)) {
                next = last;
                break;
            }
            last = Some(line.transfer.id);
        }
        let next = next.map(|TransferId(id)| id.to_string());
        let draft = Draft::approved(now).with_table(writer, next);
        Ok(draft.with_balances(holder.product, account.balances()))
    }

    fn query(&self, message: &Message, span: Span) -> Result<Query, Decline> {
        let lines_max = match span {
            Span::Mini => self.settings.statement_lines,
            Span::Full => LINES_MAX,
        };
        let mut query = Query::newest(lines_max);
        let additional = message.get(field::ADDITIONAL_DATA);
        let wrong = Decline::Format(field::ADDITIONAL_DATA.number(), Fault::Value);
        for (tag, value) in parse_tags(additional.as_deref())? {
            let value = value.trim_end();
            match tag {
                tags::LINES_MAX => {
                    let lines = number(value).and_then(|lines| usize::try_from(lines).ok());
                    query.lines_max = lines.filter(|lines| *lines > 0).ok_or(wrong)?;
                }
                tags::FROM => query.from_ms = day(value).ok_or(wrong)?,
                tags::TO => {
                    query.until_ms = day(value).ok_or(wrong)?.saturating_add(DAY_MS);
                }
                tags::PAGE => query.before = Some(TransferId(number(value).ok_or(wrong)?)),
                _ => {}
            }
        }
        if query.from_ms >= query.until_ms {
            return Err(wrong);
        }
        Ok(query)
    }
}

fn cells(line: &Line<'_>, currency: u16) -> [String; 7] {
    let transfer = line.transfer;
    let time = Utc(transfer.utc_ms).civil();
    [
        format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}",
            time.year, time.month, time.day, time.hour, time.minute, time.second
        ),
        format!("{:06}", line.number % 1_000_000),
        format!("{:02}", transfer.tran_type),
        format!("{:012}", transfer.amount),
        format!("{currency:03}"),
        line.direction.letter().to_string(),
        transfer.narration.chars().take(NARRATION_MAX).collect(),
    ]
}

/// Milliseconds since 1970 at which a day begins, from `YYYYMMDD`.
fn day(text: &str) -> Option<u64> {
    let all = number(text).filter(|_| text.len() == 8)?;
    let part = |value: u64| i8::try_from(value % 100).ok();
    let year = i16::try_from(all / 10_000).ok()?;
    let date = jiff::civil::Date::new(year, part(all / 100)?, part(all)?).ok()?;
    let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(zoned.timestamp().as_millisecond()).ok()
}

fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Tag 01 has two digits.
const LINES_MAX: usize = 99;
const NARRATION_MAX: usize = 25;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_read_or_refused() {
        assert_eq!(day("19700102"), Some(DAY_MS));
        assert_eq!(day("20261120"), Some(1_795_132_800_000));
        for text in ["", "2026112", "20261131", "20261320", "2026-1-1", "19691231", "+2026112"] {
            assert_eq!(day(text), None, "{text}");
        }
    }
}
