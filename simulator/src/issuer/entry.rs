//! What the ledger needs to know of a message: its key, its content, its amount.
//!
//! It reads fields and builds values; it asks neither the ledger nor the directory.

use veksel_codecs::structured::OriginalData;
use veksel_codecs::{Fault, FieldNumber, Message, Mti, ResponseCode, Text, field};

use super::draft::Decline;
use crate::ledger::{Class, Digest, Key, KeyParts, Operation, Request, Sending};
use crate::money::{Currency, Money};

/// Which message this is. A field that is longer than any key's part is a format error that only
/// a dialect of the user's own lets through.
fn key(message: &Message) -> Result<Key, Decline> {
    let class = class(message.mti()).ok_or(ResponseCode::INVALID_TRANSACTION)?;
    let [transmitted, stan, acquirer, rrn, terminal, acceptor] = [
        field::TRANSMISSION.number(),
        field::STAN.number(),
        field::ACQUIRER.number(),
        field::RRN.number(),
        field::TERMINAL.number(),
        field::ACCEPTOR.number(),
    ]
    .map(|number| text(message, number));
    let parts = KeyParts {
        transmitted: bytes(transmitted.as_ref()),
        stan: bytes(stan.as_ref()),
        acquirer: bytes(acquirer.as_ref()),
        rrn: bytes(rrn.as_ref()),
        terminal: bytes(terminal.as_ref()),
        acceptor: bytes(acceptor.as_ref()),
    };
    Key::new(class, parts).ok_or(Decline::Format(field::STAN.number(), Fault::Value))
}

/// Which message DE90 means. What it does not say (DE37, DE41, DE42, and DE32 when it is zeros)
/// the original shares with the message that names it.
pub(super) fn original_key(message: &Message) -> Result<Key, Decline> {
    let wrong = Decline::Format(field::ORIGINAL_DATA.number(), Fault::Value);
    let original = message.get(field::ORIGINAL_DATA);
    let original = original.and_then(|text| OriginalData::parse(&text)).ok_or(wrong)?;
    let stan = format!("{:06}", original.stan);
    let [acquirer, rrn, terminal, acceptor] = [
        field::ACQUIRER.number(),
        field::RRN.number(),
        field::TERMINAL.number(),
        field::ACCEPTOR.number(),
    ]
    .map(|number| text(message, number));
    let parts = KeyParts {
        transmitted: original.transmission.as_bytes(),
        stan: stan.as_bytes(),
        acquirer: match original.acquirer.as_bytes() {
            [] => bytes(acquirer.as_ref()),
            acquirer => acquirer,
        },
        rrn: bytes(rrn.as_ref()),
        terminal: bytes(terminal.as_ref()),
        acceptor: bytes(acceptor.as_ref()),
    };
    let class = class(original.mti).filter(|class| *class != Class::Reversal).ok_or(wrong)?;
    Key::new(class, parts).ok_or(wrong)
}

/// Of everything that two copies of a message must agree in. DE48 counts where it says whom to
/// pay. Of a reversal the type does not count: 0400 and 0420 of one key want the same.
fn digest(message: &Message) -> Digest {
    let texts = [
        field::PAN.number(),
        field::PROCESSING_CODE.number(),
        field::AMOUNT.number(),
        field::CURRENCY.number(),
        field::ORIGINAL_DATA.number(),
        field::REPLACEMENT_AMOUNTS.number(),
        field::RECEIVER.number(),
        field::ACCOUNT.number(),
        field::COUNTER_ACCOUNT.number(),
        field::ADDITIONAL_DATA.number(),
    ]
    .map(|number| text(message, number));
    let mti = message.mti().original();
    let kind: &[u8] = match class(mti) {
        Some(Class::Reversal) | None => b"",
        Some(Class::Authorization | Class::Financial) => mti.digits(),
    };
    let mut parts = [kind; 11];
    for (part, text) in parts.iter_mut().skip(1).zip(&texts) {
        *part = bytes(text.as_ref()).trim_ascii_end();
    }
    let is_addressed = matches!(parts[2], [b'4' | b'5', b'0', ..]);
    if !is_addressed || kind.is_empty() {
        parts[10] = b"";
    }
    Digest::of(&parts)
}

/// DE4 in DE49. A currency the bank does not keep is refused before anything is looked up.
pub(super) fn money(message: &Message) -> Result<Money, Decline> {
    let missing = |number| Decline::Format(number, Fault::Missing);
    let minor = message.get(field::AMOUNT).ok_or(missing(field::AMOUNT.number()))?;
    let code = message.get(field::CURRENCY).ok_or(missing(field::CURRENCY.number()))?;
    let currency = u16::try_from(code).ok().and_then(Currency::from_numeric);
    let currency = currency.ok_or(ResponseCode::INVALID_TRANSACTION)?;
    let minor = i64::try_from(minor).map_err(|_| ResponseCode::INVALID_AMOUNT)?;
    Ok(Money::new(minor, currency))
}

/// DE32 as keys have it.
pub(super) fn acquirer(message: &Message) -> Result<[u8; 11], Decline> {
    let number = field::ACQUIRER.number();
    let text = text(message, number).ok_or(Decline::Format(number, Fault::Missing))?;
    let parts = KeyParts { acquirer: text.as_bytes(), ..KeyParts::default() };
    let key = Key::new(Class::Financial, parts);
    key.map(|key| key.acquirer).ok_or(Decline::Format(number, Fault::Value))
}

/// The account the message is about: DE102, or DE103 of a deposit, which has no other.
pub(super) fn account(message: &Message) -> Result<String, Decline> {
    let account = message.get(field::ACCOUNT).or_else(|| message.get(field::COUNTER_ACCOUNT));
    let account = account.ok_or(ResponseCode::INVALID_ACCOUNT)?;
    Ok(account.expose().to_owned())
}

pub(super) fn request(message: &Message, operation: Operation) -> Result<Request, Decline> {
    let sending = if message.mti().is_repeat() { Sending::Repeat } else { Sending::First };
    Ok(Request { key: key(message)?, digest: digest(message), sending, operation })
}

/// What the statement will say: DE104, or where it happened (DE43), or what it was.
pub(super) fn narration(message: &Message, otherwise: &str) -> String {
    let said = message.get(field::NARRATION).map(|text| text.trimmed().to_owned());
    let said = said.filter(|text| !text.is_empty());
    said.or_else(|| {
        let place = message.get(field::ACCEPTOR_NAME)?;
        let words: Vec<_> = place.split_ascii_whitespace().collect();
        Some(words.join(" ")).filter(|text| !text.is_empty())
    })
    .unwrap_or_else(|| otherwise.to_owned())
}

fn class(mti: Mti) -> Option<Class> {
    let [_, class, ..] = mti.digits();
    Class::from_digit(class.wrapping_sub(b'0'))
}

fn text(message: &Message, number: FieldNumber) -> Option<Text<'_>> {
    message.expose(number)?.text()
}

fn bytes<'t>(text: Option<&'t Text<'_>>) -> &'t [u8] {
    text.map(Text::as_bytes).unwrap_or_default()
}
