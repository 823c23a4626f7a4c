//! Typed keys: the names by which programs read and set fields.
//!
//! Numbers of fields appear here and in dialect files, nowhere else. A key says how its value is
//! read; sensitive values come in a type that does not show them.

use crate::content::{mask_account, mask_pan};
use crate::error::FieldNumber;
use crate::message::{Form, Message, Raw, Text};
use crate::response_code::ResponseCode;
use core::fmt;
use core::marker::PhantomData;

/// A field, and by `T` how its value is read and set.
pub struct Key<T> {
    number: FieldNumber,
    /// Digits a number is written with; 0 where that does not apply.
    width: usize,
    kind: PhantomData<T>,
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> Key<T> {
    const fn new(number: u8) -> Self {
        Self { number: FieldNumber::known(number), width: 0, kind: PhantomData }
    }

    const fn wide(number: u8, width: usize) -> Self {
        Self { number: FieldNumber::known(number), width, kind: PhantomData }
    }

    /// The number of the field.
    #[must_use]
    pub const fn number(self) -> FieldNumber {
        self.number
    }
}

/// How the value of a field is read and set. Implemented here only.
pub trait FieldType: Sized {
    /// What reading gives.
    type Value<'a>;
    /// What setting takes.
    type Input<'a>;
    /// Reads a canonical value; `None` if it is of another kind.
    fn read(raw: Raw<'_>) -> Option<Self::Value<'_>>;
    /// Sets the field.
    fn write(message: &mut Message, key: Key<Self>, value: Self::Input<'_>);
}

/// A number, written with leading zeros.
pub enum Number {}

impl FieldType for Number {
    type Value<'a> = u64;
    type Input<'a> = u64;

    fn read(raw: Raw<'_>) -> Option<u64> {
        match raw {
            Raw::Text(bytes) => number(bytes),
            Raw::Packed { .. } | Raw::Coded { .. } => number(raw.text()?.as_bytes()),
            Raw::Binary(_) => None,
        }
    }

    fn write(message: &mut Message, key: Key<Self>, value: u64) {
        let mut digits = [b'0'; 20];
        let mut rest = value;
        let mut needed = 0usize;
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            if rest > 0 {
                needed = place.saturating_add(1);
            }
            *digit = b'0'.wrapping_add(u8::try_from(rest % 10).unwrap_or(0));
            rest /= 10;
        }
        let from = digits.len().saturating_sub(needed.max(key.width).max(1));
        message.put(key.number, digits.get(from..).unwrap_or(&digits), Form::Text);
    }
}

/// The number that ASCII digits stand for.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Characters.
pub enum Characters {}

impl FieldType for Characters {
    type Value<'a> = Text<'a>;
    type Input<'a> = &'a str;

    fn read(raw: Raw<'_>) -> Option<Text<'_>> {
        raw.text()
    }

    fn write(message: &mut Message, key: Key<Self>, value: &str) {
        message.put(key.number, value.as_bytes(), Form::Text);
    }
}

/// DE39, in the code of whatever edition; set in that of 1987, which a codec translates.
pub enum Code {}

impl FieldType for Code {
    type Value<'a> = ResponseCode;
    type Input<'a> = ResponseCode;

    fn read(raw: Raw<'_>) -> Option<ResponseCode> {
        ResponseCode::parse_any(raw.text()?.as_str())
    }

    fn write(message: &mut Message, key: Key<Self>, value: ResponseCode) {
        message.put(key.number, value.as_str().as_bytes(), Form::Text);
    }
}

/// A card number. Shows its first six and last four digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Pan<'a>(Text<'a>);

impl Pan<'_> {
    /// The digits in clear.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Pan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_pan(self.expose()))
    }
}

/// DE2.
pub enum PanType {}

impl FieldType for PanType {
    type Value<'a> = Pan<'a>;
    type Input<'a> = &'a str;

    fn read(raw: Raw<'_>) -> Option<Pan<'_>> {
        raw.text().map(Pan)
    }

    fn write(message: &mut Message, key: Key<Self>, value: &str) {
        message.put(key.number, value.as_bytes(), Form::Text);
    }
}

/// An account number. Shows its last four characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Account<'a>(Text<'a>);

impl Account<'_> {
    /// The number in clear.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.trimmed()
    }
}

impl PartialEq<&str> for Account<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.expose() == *other
    }
}

impl fmt::Debug for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_account(self.expose()))
    }
}

/// DE102 and DE103.
pub enum AccountType {}

impl FieldType for AccountType {
    type Value<'a> = Account<'a>;
    type Input<'a> = &'a str;

    fn read(raw: Raw<'_>) -> Option<Account<'_>> {
        raw.text().map(Account)
    }

    fn write(message: &mut Message, key: Key<Self>, value: &str) {
        message.put(key.number, value.as_bytes(), Form::Text);
    }
}

/// Track, PIN, chip or MAC data. Shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<'a>(Raw<'a>);

impl<'a> Secret<'a> {
    /// The value in clear.
    #[must_use]
    pub const fn expose(&self) -> Raw<'a> {
        self.0
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Fields that are passed on and never kept.
pub enum SecretType {}

impl FieldType for SecretType {
    type Value<'a> = Secret<'a>;
    type Input<'a> = &'a [u8];

    fn read(raw: Raw<'_>) -> Option<Secret<'_>> {
        Some(Secret(raw))
    }

    fn write(message: &mut Message, key: Key<Self>, value: &[u8]) {
        message.put(key.number, value, Form::Raw);
    }
}

macro_rules! keys {
    ($($name:ident: $type:ty = $number:literal $(wide $width:literal)?, $text:literal;)*) => {
        $(#[doc = concat!("DE", $number, ": ", $text, ".")]
        pub const $name: Key<$type> = keys!(@make $number $($width)?);)*
    };
    (@make $number:literal) => { Key::new($number) };
    (@make $number:literal $width:literal) => { Key::wide($number, $width) };
}

keys! {
    PAN: PanType = 2, "primary account number";
    PROCESSING_CODE: Characters = 3, "processing code, six digits";
    AMOUNT: Number = 4 wide 12, "transaction amount in minor units of DE49";
    TRANSMISSION: Characters = 7, "transmission date and time, `MMDDhhmmss` UTC";
    STAN: Number = 11 wide 6, "system trace audit number";
    LOCAL_TIME: Characters = 12, "local time, `hhmmss`";
    LOCAL_DATE: Characters = 13, "local date, `MMDD`";
    EXPIRY: Characters = 14, "expiry of the card, `YYMM`";
    SETTLEMENT_DATE: Characters = 15, "settlement date, `MMDD`, set by the host";
    CAPTURE_DATE: Characters = 17, "capture date, `MMDD`";
    CATEGORY: Characters = 18, "merchant category";
    ENTRY_MODE: Characters = 22, "point of service entry mode";
    CONDITION: Characters = 25, "point of service condition";
    FEE: Characters = 28, "fee, `C` or `D` and eight digits";
    ACQUIRER: Characters = 32, "acquiring institution";
    FORWARDER: Characters = 33, "forwarding institution";
    TRACK2: SecretType = 35, "track 2";
    RRN: Characters = 37, "retrieval reference number, the same for the whole life";
    APPROVAL: Characters = 38, "approval code";
    RESPONSE_CODE: Code = 39, "response code";
    TERMINAL: Characters = 41, "card acceptor terminal";
    ACCEPTOR: Characters = 42, "card acceptor";
    ACCEPTOR_NAME: Characters = 43, "card acceptor name and location";
    ADDITIONAL_RESPONSE: Characters = 44, "additional response: field and reason of a format error";
    TRACK1: SecretType = 45, "track 1";
    ADDITIONAL_DATA: Characters = 48, "additional data: tags in a request, lines in an answer";
    CURRENCY: Number = 49 wide 3, "currency, ISO 4217 numeric";
    PIN_BLOCK: SecretType = 52, "PIN block";
    SECURITY_CONTROL: SecretType = 53, "security control information";
    ADDITIONAL_AMOUNTS: Characters = 54, "additional amounts";
    ICC: SecretType = 55, "chip data";
    ECHO_DATA: Characters = 59, "transport data, returned unaltered";
    CHANNEL: Characters = 60, "channel: ATM, POS, MOB, BRN, WEB or API";
    DISPLAY: Characters = 63, "message for people";
    MAC_FIRST: SecretType = 64, "MAC of a message without secondary bitmap";
    SETTLEMENT_CODE: Characters = 66, "whether totals agree: 1 in balance, 2 out of balance";
    NETWORK_CODE: Number = 70 wide 3, "network management code";
    ORIGINAL_DATA: Characters = 90, "original data elements";
    REPLACEMENT_AMOUNTS: Characters = 95, "replacement amounts of a partial reversal";
    RECEIVER: Characters = 100, "receiving institution";
    FILE_NAME: Characters = 101, "file name: what a file action is about";
    ACCOUNT: AccountType = 102, "account to be debited, or asked about";
    COUNTER_ACCOUNT: AccountType = 103, "account to be credited, or biller account";
    NARRATION: Characters = 104, "narration on the statement";
    RECORD_DATA: Characters = 120, "text of a payment in dialects that have no DE104";
    CONTINUATION: Characters = 125, "continuation of a statement";
    MAC_SECOND: SecretType = 128, "MAC of a message with secondary bitmap";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mti::Mti;

    #[test]
    fn numbers_are_written_with_their_width() {
        let mut message = Message::of(Mti::known(b"0200"));
        for (value, text) in
            [(0, "000000000000"), (1, "000000000001"), (999_999_999_999, "999999999999")]
        {
            message.set(AMOUNT, value);
            let raw = message.expose(AMOUNT.number()).unwrap();
            assert_eq!(raw.text().unwrap(), text);
            assert_eq!(message.get(AMOUNT), Some(value));
        }
    }

    #[test]
    fn a_number_too_wide_is_not_cut() {
        let mut message = Message::of(Mti::known(b"0200"));
        message.set(STAN, 1_234_567);
        assert_eq!(message.expose(STAN.number()).unwrap().text().unwrap(), "1234567");
    }

    #[test]
    fn sensitive_values_do_not_show() {
        let mut message = Message::of(Mti::known(b"0200"));
        message.set(PAN, "4111111111111111");
        message.set(ACCOUNT, "10000000001");
        message.set(PIN_BLOCK, b"\x12\x34");
        let shown = format!(
            "{:?} {:?} {:?}",
            message.get(PAN).unwrap(),
            message.get(ACCOUNT).unwrap(),
            message.get(PIN_BLOCK).unwrap()
        );
        assert_eq!(shown, "411111******1111 *******0001 ****");
    }
}
