//! Values that callers send, each checked once where it is read. What is wrong is said without
//! the value.

use crate::answer::{Refusal, made_up};
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use veksel_adapters::providers::Sms;

/// Longest value of a tag in DE48.
const TAG_MAX: usize = 99;

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $fits:expr, $pattern:literal, $wrong:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "String")]
        pub(crate) struct $name(String);

        impl $name {
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&text) { Ok(Self(text)) } else { Err($wrong) }
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let object = ObjectBuilder::new().schema_type(Type::String);
                object.description(Some($wrong)).pattern(Some($pattern)).into()
            }
        }

        impl ToSchema for $name {}
    )*};
}

texts! {
    /// DE102 or DE103.
    Account = |text| is_graphic(text, 28), "^[!-~]{1,28}$",
        "an account is 1 to 28 ASCII characters without spaces";
    /// Account number or IBAN that is searched for.
    AccountOrIban = |text| is_graphic(text, 34), "^[!-~]{1,34}$",
        "an account or IBAN is 1 to 34 ASCII characters without spaces";
    /// Two digits of DE3.
    AccountType = |text| is_digits(text, 2..=2), "^[0-9]{2}$", "an account type is two digits";
    /// DE49.
    Currency = |text| is_digits(text, 3..=3) && text != "000", "^(?!000)[0-9]{3}$",
        "a currency is the three digits of ISO 4217";
    /// A day.
    Day = is_day, "^(19|2[0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        "a day is YYYY-MM-DD";
    /// What an earlier answer said.
    Page = |text| is_graphic(text, 20), "^[!-~]{1,20}$", "a page is what an earlier answer said";
    /// E.164, with or without its plus.
    Phone = is_phone, "^[+]?[0-9]{4,15}$",
        "a phone number is 4 to 15 digits, a plus may stand before them";
    /// What customers are called.
    Name = |text| is_printable(text, 64), "^[!-~]([ -~]{0,62}[!-~])?$",
        "a name is 1 to 64 printable ASCII characters";
    /// What a bank calls its customer.
    CustomerId = |text| is_graphic(text, 32), "^[!-~]{1,32}$",
        "a customer is 1 to 32 ASCII characters without spaces";
    /// The code of a bank in the dictionary.
    BankCode = |text| is_graphic(text, 11), "^[!-~]{1,11}$",
        "a bank is 1 to 11 ASCII characters without spaces";
    /// A biller in the bank's list.
    BillerId = |text| is_graphic(text, 28), "^[!-~]{1,28}$",
        "a biller is 1 to 28 ASCII characters without spaces";
    /// What the biller calls its customer, and the number of a bill.
    BillText = |text| is_printable(text, 40), "^[!-~]([ -~]{0,38}[!-~])?$",
        "a reference or bill number is 1 to 40 printable ASCII characters";
    /// DE104.
    Narration = |text| is_printable(text, 100), "^[!-~]([ -~]{0,98}[!-~])?$",
        "a narration is 1 to 100 printable ASCII characters";
    /// A category of billers.
    Category = |text| is_printable(text, 64), "^[!-~]([ -~]{0,62}[!-~])?$",
        "a category is 1 to 64 printable ASCII characters";
    /// E.164 with its plus.
    Mobile = Sms::is_number, "^[+][1-9][0-9]{6,14}$",
        "`to` is a plus and 7 to 15 digits, of which the first is not 0";
    /// What is sent to a phone.
    ShortText = Sms::is_text, "^[^\\x00-\\x09\\x0B-\\x1F\\x7F-\\x9F]{1,1530}$",
        "`text` is 1 to 1530 characters, none of them a control character but line feeds";
    /// An e-mail address, without a name.
    Address = is_address, "^[!#-'*+./0-9=?A-Z^-~-]{1,64}@[A-Za-z0-9.-]{1,180}$",
        "an address is name@domain";
    /// The subject of a letter.
    Subject = |text| is_text(text, 200) && !text.contains('\n'),
        "^[^\\x00-\\x1F\\x7F-\\x9F]{1,200}$",
        "a subject is 1 to 200 characters on one line";
    /// A letter.
    LongText = |text| is_text(text, 50_000),
        "^[^\\x00-\\x09\\x0B-\\x1F\\x7F-\\x9F]{1,50000}$",
        "a letter is 1 to 50000 characters";
}

fn is_graphic(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Spaces may stand within it.
fn is_printable(text: &str, most: usize) -> bool {
    debug_assert!(most <= TAG_MAX + 1, "a tag could not hold it");
    let fits = (1..=most).contains(&text.len()) && text.trim() == text;
    fits && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn is_text(text: &str, most: usize) -> bool {
    let is_plain = |letter: char| !letter.is_control() || letter == '\n';
    (1..=most).contains(&text.chars().count()) && text.chars().all(is_plain)
}

fn is_digits(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_phone(text: &str) -> bool {
    is_digits(text.strip_prefix('+').unwrap_or(text), 4..=15)
}

fn is_day(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut part = |length, range: std::ops::RangeInclusive<u16>| {
        let number = parts.next().filter(|part| is_digits(part, length..=length));
        number.and_then(|part| part.parse().ok()).filter(|number| range.contains(number))
    };
    let known = (part(4, 1900..=2999), part(2, 1..=12), part(2, 1..=31));
    matches!(known, (Some(_), Some(_), Some(_))) && parts.next().is_none()
}

/// As much as keeps a header from being another one; whether somebody is there, the provider
/// knows.
fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>()[],;:\\\"@".contains(&byte);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let lengths = (1..=64).contains(&name.len()) && (1..=180).contains(&domain.len());
    lengths && name.bytes().all(is_plain) && domain.bytes().all(is_host)
}

/// Reads a body. An error says what is wrong and never what stood there.
pub(crate) fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        let message = "the body must be application/json";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::new(status, "unsupported_media_type", message));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        Refusal::bad(without_values(error.inner(), &path))
    })?;
    reader.end().map_err(|error| Refusal::bad(without_values(&error, ROOT)))?;
    // A list of values would do for an object without their names, and no request has a list.
    let all: Value = serde_json::from_slice(body).unwrap_or_default();
    if has_list(&all) {
        return Err(Refusal::bad("there is a list, and no request has one"));
    }
    Ok(read)
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::Object(members) => members.values().any(has_list),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The path of a body itself.
const ROOT: &str = ".";

/// What is wrong, and the member it is about.
fn without_values(error: &serde_json::Error, path: &str) -> String {
    let text = error.to_string();
    let (line, column) = (error.line(), error.column());
    let place = format!("line {line}, column {column}");
    if !error.is_data() {
        return format!("the body is no JSON ({place})");
    }
    let member = (path != ROOT && !path.contains('?')).then(|| made_up(path));
    let quotes = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    if quotes.iter().any(|begin| text.starts_with(begin)) {
        // What stands last is ours; what stands before it is the value.
        let wanted = text.rsplit_once(", expected ").map_or("", |(_, wanted)| wanted);
        let wanted = in_words(wanted.split(" at line ").next().unwrap_or_default());
        let member = member.as_deref().unwrap_or("a value");
        return format!("{member} must be {wanted} ({place})");
    }
    let what = text.split(" at line ").next().unwrap_or_default();
    let what = what.split(", expected").next().unwrap_or_default();
    // The name of a field that nobody knows is the caller's own.
    if let Some(name) = what.strip_prefix("unknown field ") {
        return format!("unknown field {} ({place})", made_up(name.trim_matches('`')));
    }
    let what = what.escape_debug().to_string().replace("\\'", "'");
    match member {
        Some(member) if what.starts_with("missing field") => {
            format!("{what} of {member} ({place})")
        }
        Some(member) => format!("{member}: {what} ({place})"),
        None => format!("{what} ({place})"),
    }
}

/// A type as people call it.
fn in_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "i64" => "a whole number",
        "a string" => "a text",
        "a boolean" => "true or false",
        "" => "of its type",
        wanted if wanted.starts_with("struct ") => "an object",
        wanted => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        #[expect(dead_code, reason = "only reading it matters")]
        number: u8,
        #[expect(dead_code, reason = "only reading it matters")]
        within: Option<Within>,
        #[expect(dead_code, reason = "only reading it matters")]
        word: Option<Word>,
    }

    #[derive(Deserialize)]
    struct Within {
        #[expect(dead_code, reason = "only reading it matters")]
        name: Account,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        One,
        Other,
    }

    fn said(body: &'static str) -> String {
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            "application/json; charset=utf-8".parse().unwrap(),
        )]);
        let refused = read::<Wanted>(&headers, &Bytes::from_static(body.as_bytes())).err().unwrap();
        format!("{refused:?}")
    }

    #[test]
    fn a_list_is_no_object_however_well_its_values_fit() {
        #[derive(serde::Deserialize)]
        struct Wanted {
            #[expect(dead_code, reason = "only whether it can be read matters")]
            amount: Option<Amount>,
        }
        #[derive(serde::Deserialize)]
        struct Amount {
            #[expect(dead_code, reason = "only whether it can be read matters")]
            minor: u64,
        }
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            axum::http::HeaderValue::from_static("application/json"),
        )]);
        let cases = [
            ("{\"amount\":{\"minor\":1}}", true),
            ("{}", true),
            ("[null]", false),
            ("[{\"minor\":1}]", false),
            ("{\"amount\":[1]}", false),
        ];
        for (body, expected) in cases {
            let found = read::<Wanted>(&headers, &Bytes::from_static(body.as_bytes()));
            assert_eq!(found.is_ok(), expected, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (body, expected) in [
            ("{}", "missing field `number`"),
            ("{\"number\":\"4111111111111111\"}", "`number` must be a whole number (line 1"),
            ("{\"number\":41111}", "`number` must be a whole number"),
            ("{\"number\":\", expected 4111\"}", "`number` must be a whole number"),
            ("{\"within\":{}}", "missing field `name` of `within` (line 1"),
            ("{\"within\":4111}", "`within` must be an object"),
            ("{\"within\":{\"name\":true}}", "`within.name` must be a text"),
            ("{\"within\":{\"name\":\"4111 1\"}}", "`within.name`: an account is 1 to 28"),
            ("{\"word\":\"4111\"}", "`word` must be `one` or `other`"),
            ("{\"number\":1,\"more\":2}", "unknown field `more`"),
            ("{\"4111111111111111\":2}", "unknown field a name full of digits (line 1"),
            ("{\"more\\n4111 1111 11\":2}", "unknown field a name full of digits (line 1"),
            ("{\"number\":1", "no JSON (line 1, column 11)"),
            ("[]", ""),
            ("4111111111111111", ""),
        ] {
            let said = said(body);
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains("4111"), "{said}");
        }
    }

    #[test]
    fn values_are_what_they_must_be() {
        fn fits<T: TryFrom<String>>(good: &[&str], bad: &[&str]) {
            for text in good {
                assert!(T::try_from((*text).to_owned()).is_ok(), "{text}");
            }
            for text in bad {
                assert!(T::try_from((*text).to_owned()).is_err(), "{text}");
            }
        }
        fits::<Account>(&["1", "NO2110000000001", "a|b"], &["", "1 2", "å", &"1".repeat(29)]);
        fits::<AccountType>(&["00", "20"], &["0", "000", "2a"]);
        fits::<Currency>(&["578"], &["000", "NOK", "57"]);
        fits::<Day>(&["2026-11-21"], &["2026-13-01", "2026-00-01", "20261121", "2026-1-1", "2026"]);
        fits::<Phone>(&["+4790000001", "90000001"], &["123", "+47 900", "++4790000001"]);
        let longest = "+123456789012345";
        let bad = ["90000001", "+", "+123456", "+0790000001", "+1234567890123456", "+47a00001"];
        fits::<Mobile>(&["+4790000001", "+1234567", longest], &bad);
        fits::<Address>(&["a@b.example"], &["a", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nBcc:x@y"]);
        fits::<Subject>(&["Hei på deg"], &["", "a\nb", "a\rb"]);
        let (longest, longer) = ("å".repeat(Sms::TEXT_MAX), "a".repeat(Sms::TEXT_MAX + 1));
        fits::<ShortText>(&["Hei\npå deg", &longest], &["", "\u{1b}[2J", &longer]);
        // What is described is what is checked.
        let described = serde_json::to_string(&ShortText::schema()).unwrap();
        let most = Sms::TEXT_MAX;
        assert!(described.contains(&format!("{{1,{most}}}$")), "{described}");
        assert!(described.contains(&format!("1 to {most} characters")), "{described}");
        fits::<Narration>(&["rent for May"], &["", " rent", "rent\n", "hyttetur på fjellet"]);
    }
}
