//! Every shipped dialect: what is written is read, what is broken is located, what is missing is
//! named.
//!
//! Values come from the dialects themselves, so that a new field or dialect is tested without a
//! line here. Any bytes at all are the fuzzer's business (`corpus.rs`).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::BytesMut;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;
use veksel_codecs::dialect::{Field, SHIPPED};
use veksel_codecs::{
    Codec, Content, Dialect, Fault, FieldNumber, Message, Mti, Raw, Refusal, Rule, field,
};

/// Chance for each field that is present: what its value is made of.
type Noise = BTreeMap<u8, Vec<u8>>;

fn codecs() -> Vec<Codec> {
    SHIPPED.iter().map(|(name, _)| Codec::new(Dialect::shipped(name).unwrap())).collect()
}

fn number(number: u8) -> FieldNumber {
    FieldNumber::new(number).unwrap()
}

/// Any fields, the values short or long.
fn noise() -> impl Strategy<Value = Noise> {
    let bytes = prop_oneof![4 => vec(any::<u8>(), 0..24), 1 => vec(any::<u8>(), 900..1_000)];
    btree_map(2..=192u8, bytes, 0..40)
}

/// A few fields and short values, for what is tried at every byte.
fn short_noise() -> impl Strategy<Value = Noise> {
    btree_map(2..=192u8, vec(any::<u8>(), 1..12), 1..12)
}

/// A value that a field may have: of its class, and as long as the field if its length is fixed.
fn value(field: &Field, noise: &[u8]) -> Vec<u8> {
    let most = usize::from(field.most);
    let length = if field.length_digits == 0 { most } else { noise.len().min(most) };
    let noise = || noise.iter().copied().chain(core::iter::repeat(0)).take(length);
    let of = |alphabet: &[u8]| {
        noise().map(|byte| alphabet[usize::from(byte) % alphabet.len()]).collect::<Vec<u8>>()
    };
    let digits = b"0123456789";
    match field.content {
        Content::Digits => of(digits),
        Content::Letters => of(b"ABCXYZabcxyz "),
        Content::Alphanumeric => of(b"09AZaz 5"),
        Content::Printable => noise().map(|byte| b' ' + byte % 95).collect(),
        Content::Binary => noise().collect(),
        // A packed separator is read as `=`, whichever character it was.
        Content::Track => of(b"0123456789="),
        Content::SignedDigits => {
            let mut value = of(digits);
            let sign = if noise().next().unwrap_or(0) & 1 == 0 { b'C' } else { b'D' };
            value.splice(..value.len().min(1), [sign]);
            value
        }
    }
}

fn put(message: &mut Message, number: FieldNumber, field: &Field, value: &[u8]) {
    match field.content {
        Content::Binary => message.set_binary(number, value),
        _ => message.set_text(number, core::str::from_utf8(value).unwrap()),
    }
}

fn message(dialect: &Dialect, noise: &Noise) -> Message {
    let mut message = Message::of(Mti::parse("0200").unwrap());
    for (place, noise) in noise {
        if let Some(field) = dialect.field(number(*place)) {
            put(&mut message, number(*place), field, &value(field, noise));
        }
    }
    message
}

/// Whether two dialects have the same fields, however they are written.
fn same_fields(a: &Dialect, b: &Dialect) -> bool {
    let table = |dialect: &Dialect| {
        let fields = dialect.fields();
        fields.map(|(number, field)| (number, field.format())).collect::<Vec<_>>()
    };
    table(a) == table(b)
}

fn encoded(codec: &Codec, message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec.encode(message, &mut out).unwrap();
    out.to_vec()
}

fn decoded(codec: &Codec, frame: &[u8]) -> Message {
    let mut message = Message::new();
    codec.decode_into(frame, &mut message).unwrap();
    message
}

/// The canonical value of a field, for comparing.
fn canonical(message: &Message, number: FieldNumber) -> Option<Vec<u8>> {
    message.expose(number).map(|raw| match raw {
        Raw::Binary(bytes) => bytes.to_vec(),
        Raw::Text(_) | Raw::Packed { .. } | Raw::Coded { .. } => match raw.binary() {
            Some(bytes) => bytes.to_vec(),
            None => raw.text().unwrap().as_bytes().to_vec(),
        },
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(noise in noise()) {
        for codec in &codecs() {
            let message = message(codec.dialect(), &noise);
            let frame = encoded(codec, &message);
            let read = decoded(codec, &frame);
            prop_assert_eq!(&read, &message);
            prop_assert_eq!(encoded(codec, &read), frame);
        }
    }

    #[test]
    fn a_message_is_the_same_in_every_dialect_of_the_same_fields(noise in noise()) {
        let codecs = codecs();
        for from in &codecs {
            let message = message(from.dialect(), &noise);
            let read = decoded(from, &encoded(from, &message));
            for to in codecs.iter().filter(|to| same_fields(from.dialect(), to.dialect())) {
                let frame = encoded(to, &read);
                prop_assert_eq!(&frame, &encoded(to, &message));
                prop_assert_eq!(&decoded(to, &frame), &message);
            }
        }
    }

    #[test]
    fn one_field_set_anew_leaves_the_others(noise in short_noise(), stan in 0..1_000_000u64) {
        for codec in &codecs() {
            let message = message(codec.dialect(), &noise);
            let mut read = decoded(codec, &encoded(codec, &message));
            read.set(field::STAN, stan);
            let read = decoded(codec, &encoded(codec, &read));
            prop_assert_eq!(read.get(field::STAN), Some(stan));
            for number in message.fields().without(field::STAN.number()).iter() {
                prop_assert_eq!(canonical(&read, number), canonical(&message, number));
            }
        }
    }

    /// A fixed field that was set too short is filled up: numbers on the left, text on the right.
    #[test]
    fn a_short_value_is_filled_up(place in 2..=192u8, noise in vec(any::<u8>(), 1..8)) {
        let number = number(place);
        for codec in &codecs() {
            let Some(field) = codec.dialect().field(number).filter(|f| f.length_digits == 0) else {
                continue;
            };
            // A response code a little shorter is one of an earlier edition.
            if place == 39 && field.most > 2 {
                continue;
            }
            let mut short = value(field, &noise);
            short.truncate(noise.len());
            let mut message = Message::of(Mti::parse("0200").unwrap());
            put(&mut message, number, field, &short);
            let mut out = BytesMut::new();
            let result = codec.encode(&message, &mut out);
            if field.content == Content::Binary && short.len() < usize::from(field.most) {
                prop_assert!(result.is_err(), "bytes are never made up");
                continue;
            }
            prop_assert_eq!(result, Ok(()));
            let full = canonical(&decoded(codec, &out), number).unwrap();
            prop_assert_eq!(full.len(), usize::from(field.most));
            let kept = match field.content {
                Content::Digits | Content::Track => full.ends_with(&short),
                Content::SignedDigits => full[0] == short[0] && full.ends_with(&short[1..]),
                Content::Letters | Content::Alphanumeric | Content::Printable => {
                    full.starts_with(&short)
                }
                Content::Binary => full == short,
            };
            prop_assert!(kept, "{} became {} bytes of something else", field.name, full.len());
        }
    }

    #[test]
    fn a_value_too_long_or_of_another_class_is_refused(place in 2..=192u8, extra in 1..4usize) {
        let number = number(place);
        for codec in &codecs() {
            let Some(field) = codec.dialect().field(number) else { continue };
            let mut message = Message::of(Mti::parse("0200").unwrap());
            let long = value(field, &vec![0; 10_100]);
            // A response code a little longer is one of a later edition.
            let extra = if place == 39 { extra + 2 } else { extra };
            let long = [long.clone(), vec![*long.last().unwrap(); extra]].concat();
            let mut out = BytesMut::from(&b"before"[..]);
            put(&mut message, number, field, &long);
            prop_assert!(codec.encode(&message, &mut out).is_err());
            message.set_text(number, "\u{7}");
            prop_assert!(codec.encode(&message, &mut out).is_err());
            prop_assert_eq!(&out[..], b"before");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A message cut anywhere is refused where it ends, and what came before the cut is there.
    #[test]
    fn a_message_cut_anywhere_gives_its_beginning(noise in short_noise()) {
        for codec in &codecs() {
            let message = message(codec.dialect(), &noise);
            let frame = encoded(codec, &message);
            for end in 0..frame.len() {
                let mut part = Message::new();
                let error = codec.decode_into(&frame[..end], &mut part).unwrap_err();
                prop_assert!(error.offset as usize <= end, "{error} in {end} bytes");
                let truncated = matches!(error.fault, Fault::Truncated { .. });
                prop_assert!(truncated, "{error} at {end} of {}", frame.len());
                for number in message.fields().iter() {
                    let whole = number < error.path.field;
                    let expected = whole.then(|| canonical(&message, number)).flatten();
                    prop_assert_eq!(canonical(&part, number), expected, "{} of {}", number, end);
                }
            }
        }
    }

    /// A byte changed anywhere gives another message or an error within the frame, and the fields
    /// before the fault are those that were sent.
    #[test]
    fn a_byte_changed_anywhere_is_noticed(noise in short_noise(), mask in 1..=255u8) {
        for codec in &codecs() {
            let message = message(codec.dialect(), &noise);
            let frame = encoded(codec, &message);
            let read = decoded(codec, &frame);
            let first = read.fields().first().and_then(|first| read.offset(first));
            let fields = first.unwrap_or(frame.len());
            for at in 0..frame.len() {
                // A single bit of either nibble too: a filler is one.
                for mask in [mask, 0x01, 0x10] {
                    let mut changed = frame.clone();
                    changed[at] ^= mask;
                    change_is_noticed(codec, &message, &changed, at, fields)?;
                }
            }
        }
    }

    #[test]
    fn more_than_a_message_is_refused(noise in short_noise(), more in vec(any::<u8>(), 1..9)) {
        for codec in &codecs() {
            let message = message(codec.dialect(), &noise);
            let frame = encoded(codec, &message);
            let mut read = Message::new();
            let longer = [frame.as_slice(), more.as_slice()].concat();
            let error = codec.decode_into(&longer, &mut read).unwrap_err();
            let extra = u32::try_from(more.len()).unwrap();
            prop_assert_eq!(error.offset as usize, frame.len());
            prop_assert_eq!(error.fault, Fault::Trailing { extra });
            prop_assert_eq!(&read, &message);
        }
    }
}

/// Reads a frame of which the byte at `at` is not as it was sent; its fields begin at `fields`.
fn change_is_noticed(
    codec: &Codec,
    sent: &Message,
    frame: &[u8],
    at: usize,
    fields: usize,
) -> Result<(), TestCaseError> {
    let mut read = Message::new();
    let Err(error) = codec.decode_into(frame, &mut read) else {
        // Hexadecimal characters may change their case and say the same, and the bits of a bitmap
        // that announce the next one when that is empty.
        let was = encoded(codec, sent);
        let same_case = frame.eq_ignore_ascii_case(&was);
        prop_assert!(at < fields || same_case || read != *sent, "two frames mean the same: {at}");
        let again = decoded(codec, &encoded(codec, &read));
        prop_assert_eq!(&again, &read);
        return Ok(());
    };
    let offset = error.offset as usize;
    prop_assert!(offset <= frame.len(), "{error}");
    let trailing = matches!(error.fault, Fault::Trailing { .. });
    prop_assert!(trailing || !read.fields().has(error.path.field));
    let before = |number: &FieldNumber| read.offset(*number).is_some_and(|start| start < offset);
    for number in read.fields().iter().filter(|number| at >= offset && before(number)) {
        prop_assert_eq!(canonical(&read, number), canonical(sent, number));
    }
    // As much as was read can be written.
    let written = codec.encode(&read, &mut BytesMut::new());
    prop_assert!(read.mti() == Mti::NONE || written.is_ok());
    Ok(())
}

/// A request with the mandatory fields of a rule.
fn request(dialect: &Dialect, rule: &Rule, mti: Mti, code: Option<[u8; 2]>) -> Message {
    let mut message = Message::of(mti);
    for number in rule.request.mandatory.iter() {
        let field = dialect.field(number).unwrap();
        let noise = if rule.request.zero.has(number) { vec![0; 999] } else { vec![1; 8] };
        put(&mut message, number, field, &value(field, &noise));
    }
    if let Some([a, b]) = code {
        let code = [a, b, b'0', b'0', b'0', b'0'];
        message.set(field::PROCESSING_CODE, core::str::from_utf8(&code).unwrap());
    }
    message
}

/// Calls `check` with every kind of request that every rule of every dialect is for, as it came
/// over the wire.
fn every_rule(check: impl Fn(&Codec, &Rule, Message, &str)) {
    let mut kinds = 0;
    for codec in &codecs() {
        for (name, rule) in codec.dialect().rules() {
            let codes: Vec<_> = match rule.codes.as_slice() {
                [] => vec![None],
                codes => codes.iter().copied().map(Some).collect(),
            };
            for mti in rule.mti.iter().flat_map(|mti| [*mti, mti.repeat()]) {
                for code in &codes {
                    let request = request(codec.dialect(), rule, mti, *code);
                    let request = decoded(codec, &encoded(codec, &request));
                    let shown = code.map(|code| String::from_utf8_lossy(&code).into_owned());
                    let kind = format!("{}: {name} {mti} {shown:?}", codec.dialect().name());
                    check(codec, rule, request, &kind);
                    kinds += 1;
                }
            }
        }
    }
    assert!(kinds > 3 * 2 * 20, "only {kinds} kinds of requests");
}

/// The fault of a request that is refused for a field, and which field.
fn refused(codec: &Codec, message: &Message, strict: bool) -> Option<(FieldNumber, Fault)> {
    match codec.check(message, strict) {
        Err(Refusal::Format(error)) => {
            assert!(error.offset as usize <= message.frame().len(), "{error}");
            Some((error.path.field, error.fault))
        }
        Ok(()) => None,
        Err(Refusal::UnknownType | Refusal::UnknownCode | Refusal::Unauthentic) => None,
    }
}

#[test]
fn a_request_with_all_mandatory_fields_is_accepted() {
    every_rule(|codec, rule, request, kind| {
        assert_eq!(codec.check(&request, true), Ok(()), "{kind}");
        assert_eq!(codec.rule(&request).map(|found| found == rule), Ok(true), "{kind}");
    });
}

#[test]
fn each_mandatory_field_is_missed() {
    every_rule(|codec, rule, request, kind| {
        for number in rule.request.mandatory.iter() {
            let mut lacking = request.clone();
            lacking.retain(request.fields().without(number));
            for strict in [false, true] {
                let found = refused(codec, &lacking, strict);
                assert_eq!(found, Some((number, Fault::Missing)), "{kind} without {number}");
            }
        }
    });
}

#[test]
fn the_lowest_of_several_missing_fields_is_named() {
    every_rule(|codec, rule, request, kind| {
        let mut missing = rule.request.mandatory;
        for number in rule.request.mandatory.iter() {
            // Without DE3 no rule is found at all, which is another answer.
            if number == field::PROCESSING_CODE.number() {
                missing = missing.without(number);
                continue;
            }
            let mut lacking = request.clone();
            lacking.retain(request.fields().minus(missing));
            assert_eq!(refused(codec, &lacking, false), Some((number, Fault::Missing)), "{kind}");
            missing = missing.without(number);
        }
    });
}

#[test]
fn a_field_that_must_be_zero_is() {
    every_rule(|codec, rule, request, kind| {
        for number in rule.request.zero.iter() {
            let mut other = request.clone();
            other.set_text(number, "1");
            assert_eq!(refused(codec, &other, false), Some((number, Fault::Value)), "{kind}");
        }
    });
}

#[test]
fn a_field_that_no_rule_lists_is_refused_only_if_strict() {
    every_rule(|codec, rule, request, kind| {
        for (number, field) in codec.dialect().fields() {
            let mut more = request.clone();
            if !request.fields().has(number) {
                put(&mut more, number, field, &value(field, &[0; 4]));
            }
            assert_eq!(refused(codec, &more, false), None, "{kind} with {number}");
            let expected =
                (!rule.request.allowed.has(number)).then_some((number, Fault::Unexpected));
            assert_eq!(refused(codec, &more, true), expected, "{kind} with {number}");
        }
    });
}

#[test]
fn a_type_or_code_without_a_rule_is_refused_as_such() {
    for codec in &codecs() {
        let mut message = Message::of(Mti::parse("0300").unwrap());
        message.set(field::PROCESSING_CODE, "310000");
        assert_eq!(codec.check(&message, false), Err(Refusal::UnknownType));
        message.set(field::PROCESSING_CODE, "990000");
        let with_codes = codec.dialect().rules().find(|(_, rule)| !rule.codes.is_empty());
        if let Some((_, rule)) = with_codes {
            message.set_mti(rule.mti[0]);
            assert_eq!(codec.check(&message, false), Err(Refusal::UnknownCode));
        }
    }
}
