//! Requests as messages, and what stands in their answers.

use super::caller::Acting;
use super::outcome::refusal;
use super::traced;
use crate::answer::{Refusal, Trace};
use crate::exchange::Spoken;
use aws_lc_rs::digest::{Context, SHA256};
use axum::http::StatusCode;
use std::time::{SystemTime, UNIX_EPOCH};
use veksel_codecs::structured::{parse_amounts, table, tags};
use veksel_codecs::{Key, ResponseCode, field};
use veksel_core::Utc;

/// DE63 of a page that is not the last: where the next begins.
const NEXT_PAGE: &str = "NEXT ";

/// DE60 of what comes over HTTP.
const CHANNEL: &str = "API";

/// DE11 and DE37: what a transaction is called for its whole life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    pub(crate) stan: String,
    pub(crate) rrn: String,
}

impl Numbers {
    /// Numbers that nothing else has.
    pub(crate) fn by_chance() -> Result<Self, Refusal> {
        let mut bytes = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
            let message = "the system gives no random numbers";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        })?;
        Ok(Self::of(u128::from_be_bytes(bytes)))
    }

    /// The same for the same key of the same caller, whenever and wherever it is asked: that a
    /// restart forgets nothing needs no table.
    pub(crate) fn of_key(caller: &str, key: &str) -> Self {
        let mut digest = Context::new(&SHA256);
        // No name of a caller holds a zero byte.
        for part in ["payment", caller, key] {
            digest.update(part.as_bytes());
            digest.update(&[0]);
        }
        let digest = digest.finish();
        let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
        Self::of(u128::from_be_bytes(first))
    }

    /// 36^12 by 999 999 of them.
    fn of(mut number: u128) -> Self {
        let mut rrn = String::with_capacity(12);
        for _ in 0..12 {
            let digit = u32::try_from(number % 36).unwrap_or_default();
            rrn.push(char::from_digit(digit, 36).unwrap_or('0').to_ascii_uppercase());
            number /= 36;
        }
        let stan = number % 999_999 + 1;
        Self { stan: format!("{stan:06}"), rrn }
    }

    /// What callers call a transaction.
    pub(crate) fn id(&self) -> String {
        format!("{}{}", self.rrn, self.stan)
    }

    /// The numbers of that name; `None` if there can be no such transaction.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let (rrn, stan) = id.split_at_checked(12)?;
        let is_rrn = rrn.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        let is_stan = stan.len() == 6 && stan.bytes().all(|byte| byte.is_ascii_digit());
        (is_rrn && is_stan && stan != "000000")
            .then(|| Self { stan: stan.to_owned(), rrn: rrn.to_owned() })
    }
}

/// A request of a caller: who asks, from where and when.
pub(crate) fn request(acting: &Acting, trace: &Trace, mti: [u8; 4], numbers: &Numbers) -> Spoken {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Utc(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)).transmission();
    let own = &acting.caller.config;
    let mut spoken = Spoken { mti, fields: Vec::with_capacity(16) };
    // MMDDhhmmss.
    let (date, time) = now.split_at(4);
    set(&mut spoken, field::TRANSMISSION, now);
    set(&mut spoken, field::STAN, numbers.stan.as_str());
    set(&mut spoken, field::LOCAL_TIME, time);
    set(&mut spoken, field::LOCAL_DATE, date);
    set(&mut spoken, field::ACQUIRER, own.acquirer.as_str());
    set(&mut spoken, field::RRN, numbers.rrn.as_str());
    set(&mut spoken, field::TERMINAL, own.terminal.as_str());
    set(&mut spoken, field::ACCEPTOR, own.acceptor.as_str());
    set(&mut spoken, field::CHANNEL, CHANNEL);
    if let Some(trace) = traced(trace) {
        set(&mut spoken, field::ECHO_DATA, trace);
    }
    spoken
}

/// An inquiry: 0200 with no amount.
pub(crate) fn inquiry(
    acting: &Acting,
    trace: &Trace,
    code: &str,
    currency: Option<&str>,
) -> Result<Spoken, Refusal> {
    let mut spoken = request(acting, trace, *b"0200", &Numbers::by_chance()?);
    set(&mut spoken, field::PROCESSING_CODE, code);
    set(&mut spoken, field::AMOUNT, "000000000000");
    set(&mut spoken, field::CURRENCY, currency.unwrap_or(&acting.caller.config.currency));
    Ok(spoken)
}

/// Sets a field.
pub(crate) fn set<T>(spoken: &mut Spoken, key: Key<T>, value: impl AsRef<[u8]>) {
    spoken.set(key.number().get(), value.as_ref());
}

/// Sets DE48 to the tags that have a value.
pub(crate) fn set_tags(spoken: &mut Spoken, tags: &[(&str, Option<&str>)]) {
    let given = tags.iter().filter_map(|(tag, value)| Some((*tag, (*value)?)));
    let text = tags::format(given);
    if !text.is_empty() {
        set(spoken, field::ADDITIONAL_DATA, text);
    }
}

/// The characters of a field, without the spaces behind them; nothing if it is not there.
pub(crate) fn text<T>(spoken: &Spoken, key: Key<T>) -> &str {
    let value = spoken.get(key.number().get()).unwrap_or_default();
    str::from_utf8(value).unwrap_or_default().trim_end_matches(' ')
}

/// DE39; a malfunction if there is none.
pub(crate) fn code(answer: &Spoken) -> ResponseCode {
    let said = ResponseCode::parse(text(answer, field::RESPONSE_CODE));
    said.unwrap_or(ResponseCode::SYSTEM_MALFUNCTION)
}

/// The answer, if it is an approval.
pub(crate) fn approved(answer: Spoken) -> Result<Spoken, Refusal> {
    match code(&answer) {
        code if code.is_approval() => Ok(answer),
        code => Err(refusal(code)),
    }
}

/// What DE48 of an answer says under a tag.
pub(crate) fn tag(answer: &Spoken, wanted: &str) -> Option<String> {
    let value = tags::find(text(answer, field::ADDITIONAL_DATA), wanted)?.trim_end();
    (!value.is_empty()).then(|| value.to_owned())
}

/// The rows of DE48 and its continuation, with the cells of these columns. None at all if a bank
/// without rows sends no table.
pub(crate) fn rows<const N: usize>(
    answer: &Spoken,
    columns: [&str; N],
) -> Result<Vec<[String; N]>, Refusal> {
    let first = text(answer, field::ADDITIONAL_DATA);
    if first.is_empty() {
        return Ok(Vec::new());
    }
    let table = table::Table::parse(first, text(answer, field::CONTINUATION));
    let table = table.ok_or_else(unreadable)?;
    let cell = |row: usize, column: &str| {
        table.cell(row, column).map(|cell| cell.trim().to_owned()).ok_or_else(unreadable)
    };
    let row = |row: usize| {
        let cells = columns.map(|column| cell(row, column));
        cells.iter().all(Result::is_ok).then(|| cells.map(Result::unwrap_or_default))
    };
    (0..table.rows().len()).map(|place| row(place).ok_or_else(unreadable)).collect()
}

/// Where the next page begins.
pub(crate) fn next_page(answer: &Spoken) -> Option<String> {
    let token = text(answer, field::DISPLAY).strip_prefix(NEXT_PAGE)?.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

/// An amount of DE54: its type, currency and minor units.
pub(crate) fn amounts(answer: &Spoken) -> Result<Vec<([u8; 2], u16, i64)>, Refusal> {
    let text = text(answer, field::ADDITIONAL_AMOUNTS);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let amounts = parse_amounts(text).ok_or_else(unreadable)?;
    let amounts = amounts.into_iter().map(|own| (own.amount_type, own.currency, own.minor));
    Ok(amounts.collect())
}

/// The bank answered with something that is not of the form.
pub(crate) fn unreadable() -> Refusal {
    let message = "the bank's answer cannot be read";
    Refusal::new(StatusCode::BAD_GATEWAY, "malfunction", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_means_the_same_numbers_for_ever_and_only_for_its_caller() {
        let numbers = Numbers::of_key("app", "order-1");
        // What is in a journal is found by these.
        let (rrn, stan) = (numbers.rrn.as_str(), numbers.stan.as_str());
        assert_eq!((rrn, stan), (KNOWN.0, KNOWN.1));
        assert_eq!(Numbers::of_key("app", "order-1"), numbers);
        for (caller, key) in [("shop", "order-1"), ("app", "order-2"), ("a", "pporder-1")] {
            assert_ne!(Numbers::of_key(caller, key), numbers, "{caller} {key}");
        }
        assert_eq!(Numbers::parse(&numbers.id()), Some(numbers));
    }

    /// Made by `printf 'payment\0app\0order-1\0' | sha256sum` and arithmetic.
    const KNOWN: (&str, &str) = ("JILQ6BCX4OAI", "528715");

    #[test]
    fn numbers_fit_their_fields() {
        for number in [0, 1, u128::MAX, 36_u128.pow(12) - 1, 36_u128.pow(12) * 999_999] {
            let Numbers { stan, rrn } = Numbers::of(number);
            assert!(rrn.len() == 12 && stan.len() == 6 && stan != "000000", "{rrn} {stan}");
        }
        assert_ne!(Numbers::by_chance().unwrap(), Numbers::by_chance().unwrap());
        for id in [
            "",
            "ABC",
            "ABCDEFGHIJKL000000",
            "abcdefghijkl000001",
            "ABCDEFGHIJKL00001",
            "æøåæøåæøå",
        ] {
            assert_eq!(Numbers::parse(id), None, "{id}");
        }
    }
}
