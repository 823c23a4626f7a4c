//! Parts of fields in every form: read, set, taken out, refused, shown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use veksel_codecs::{
    Codec, DecodeError, Dialect, EncodeError, Fault, FieldNumber, Message, Mti, Refusal,
    Sensitivity,
};

fn codec() -> Codec {
    let text = include_str!("../../fuzz/src/inside.toml");
    Codec::new(Dialect::parse(text).unwrap_or_else(|error| panic!("{error}")))
}

fn number(number: u8) -> FieldNumber {
    FieldNumber::new(number).unwrap()
}

fn is_binary(codec: &Codec, field: u8) -> bool {
    codec.dialect().field(number(field)).unwrap().content.notation() == "b"
}

/// A message with one field, as it came over the wire.
fn message(codec: &Codec, field: u8, content: &[u8]) -> Message {
    let mut message = Message::of(Mti::parse("0200").unwrap());
    if is_binary(codec, field) {
        message.set_binary(number(field), content);
    } else {
        message.set_text(number(field), core::str::from_utf8(content).unwrap());
    }
    let (mut frame, mut read) = (BytesMut::new(), Message::new());
    codec.encode(&message, &mut frame).unwrap();
    codec.decode_into(&frame, &mut read).unwrap();
    read
}

fn content(message: &Message, field: u8) -> Vec<u8> {
    let raw = message.expose(number(field)).unwrap();
    match raw.binary() {
        Some(bytes) => bytes.to_vec(),
        None => raw.text().unwrap().as_bytes().to_vec(),
    }
}

/// What a path finds, as characters or in hexadecimal.
fn get(message: &Message, codec: &Codec, field: u8, path: &str) -> Option<String> {
    let nested = message.nested(number(field), codec).unwrap();
    let value = nested.get(path).unwrap_or_else(|error| panic!("{error}"))?;
    assert_eq!(value.path().short(), format!("{field}.{path}"));
    Some(match value.text() {
        Some(text) => text.as_str().to_owned(),
        None => value.bytes().iter().map(|byte| format!("{byte:02X}")).collect(),
    })
}

/// A field, its content, and what paths find in it.
type Sample = (u8, &'static [u8], &'static [(&'static str, &'static str)]);

/// Contents of every form, and what paths find in them.
const SAMPLES: &[Sample] = &[
    (
        34,
        b"\x01\x00\x05\x9F\x26\x02\xAA\xBB\x71\x00\x0D\xE0\x00\x40\x00\x31\x32\x3302ab\xAA\xBB",
        &[("01.9F26", "AABB"), ("71.2", "123"), ("71.3", "ab"), ("71.18", "AABB")],
    ),
    (3, b"401020", &[("1", "40"), ("2", "10"), ("3", "20")]),
    (
        43,
        b"COFFEE BAR            OSLO         OS NO",
        &[("1", "COFFEE BAR            "), ("2", "OSLO         "), ("4", "NO")],
    ),
    (48, b"R420700102106105ab cdXX00", &[("0", "R"), ("42", "0010210"), ("61", "ab cd"), ("XX", "")]),
    (
        54,
        b"1001578C0000001250001002578D000000110000",
        &[("1.4", "C000000125000"), ("2.2", "02"), ("2.4", "D000000110000")],
    ),
    (
        55,
        b"\x5A\x08\x41\x11\x11\x11\x11\x11\x11\x11\0\x9F\x02\x06\0\0\0\0\x12\x50\x72\x05\x86\x03\x01\x02\x03\0",
        &[("5A", "4111111111111111"), ("9F02", "000000001250"), ("72.86", "010203")],
    ),
    (60, b"0070011234003002", &[("001", "1234"), ("002", "")]),
    (61, b"\0\x01\x03\x01\x23\x45\0\x02\x02\x41\x11", &[("01", "12345"), ("02", "4111")]),
    (62, b"600000000000000105hello12AB99", &[("2", "hello"), ("3", "12AB"), ("64", "99")]),
    (
        62,
        b"80000000000000004000000000000000003abc",
        &[("66", "abc")],
    ),
    (63, b"\x12\x34\x50\x03\x12\x30\xFF\xFE", &[("1", "12345"), ("2", "123"), ("3", "FFFE")]),
    (90, b"020000012308011200000000012345600000000000", &[("2", "000123"), ("4", "00000123456")]),
    (
        127,
        b"\x40\0\x04\x80\0\0\0\0\x30\x33key0009004A1hell0004\x9F\x36\x01\x05",
        &[("2", "key"), ("22.A1", "hell"), ("25.9F36", "05")],
    ),
];

#[test]
fn parts_are_found_by_path() {
    let codec = codec();
    for (field, bytes, paths) in SAMPLES {
        let message = message(&codec, *field, bytes);
        assert_eq!(codec.check_nested(&message), Ok(()), "{field}");
        for (path, expected) in *paths {
            let found = get(&message, &codec, *field, path);
            assert_eq!(found.as_deref(), Some(*expected), "{field}.{path}");
        }
        for path in ["", ".", "999", "ZZ", "1.1.1.1.1.1", "0.0", "9F26.9F26"] {
            let nested = message.nested(number(*field), &codec).unwrap();
            assert!(nested.get(path).unwrap().is_none(), "{field}.{path}");
        }
    }
}

#[test]
fn a_part_set_to_what_it_is_changes_nothing() {
    let codec = codec();
    for (field, bytes, paths) in SAMPLES {
        for (path, _) in *paths {
            let mut message = message(&codec, *field, bytes);
            let nested = message.nested(number(*field), &codec).unwrap();
            let value = nested.get(path).unwrap().unwrap();
            let value = match value.text().filter(|_| !path.contains("5A") && !path.contains("9F"))
            {
                Some(text) => text.as_bytes().to_vec(),
                None => value.bytes().to_vec(),
            };
            message.set_part(number(*field), path, &value, &codec).unwrap();
            assert_eq!(content(&message, *field), *bytes, "{field}.{path}");
        }
    }
}

fn set(field: u8, before: &[u8], path: &str, value: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let codec = codec();
    let mut message = message(&codec, field, before);
    message.set_part(number(field), path, value, &codec)?;
    assert_eq!(codec.check_nested(&message), Ok(()));
    Ok(content(&message, field))
}

#[test]
fn parts_are_set_and_everything_around_them_stays() {
    for (field, before, path, value, after) in [
        (3, &b"401020"[..], "2", &b"5"[..], &b"400520"[..]),
        (
            43,
            b"COFFEE BAR            OSLO         OS NO",
            "2",
            b"BERGEN",
            b"COFFEE BAR            BERGEN       OS NO",
        ),
        (48, b"R420700102106105ab cdXX00", "61", b"x", b"R420700102106101xXX00"),
        (48, b"R420700102106105ab cd   ", "43", b"new", b"R420700102106105ab cd4303new   "),
        (48, b"R", "0", b"T", b"T"),
        (54, b"1001578C000000125000", "1.4", b"D1", b"1001578D000000000001"),
        (54, b"1001578C000000125000", "2.2", b"02", b"1001578C0000001250000002000C000000000000"),
        (
            55,
            b"\0\x95\x81\x01\x07\0\x5A\x01\x41",
            "95",
            b"\x08",
            b"\0\x95\x81\x01\x08\0\x5A\x01\x41",
        ),
        (
            55,
            b"\0\x95\x81\x01\x07\0\x5A\x01\x41",
            "95",
            b"\x08\x09",
            b"\0\x95\x02\x08\x09\0\x5A\x01\x41",
        ),
        (55, b"\x5A\x01\x41\0", "9F36", b"\0\x01", b"\x5A\x01\x41\x9F\x36\x02\0\x01\0"),
        (
            55,
            b"\x72\x03\x86\x01\x01\x5A\x01\x41",
            "72.86",
            b"\x01\x02",
            b"\x72\x04\x86\x02\x01\x02\x5A\x01\x41",
        ),
        (55, b"\x5A\x01\x41", "71.86", b"\x01", b"\x5A\x01\x41\x71\x03\x86\x01\x01"),
        (60, b"0070011234003002", "002", b"xy", b"0070011234005002xy"),
        (
            61,
            b"\0\x01\x03\x01\x23\x45",
            "0002",
            b"4111",
            b"\0\x01\x03\x01\x23\x45\0\x02\x02\x41\x11",
        ),
        (62, b"600000000000000105hello12AB99", "3", b"x", b"600000000000000105hellox   99"),
        (62, b"400000000000000105hello99", "3", b"12AB", b"600000000000000105hello12AB99"),
        (62, b"400000000000000105hello99", "66", b"z", b"C0000000000000014000000000000000"),
        (
            63,
            b"\x12\x34\x50\x03\x12\x30\xFF\xFE",
            "2",
            b"1234",
            b"\x12\x34\x50\x04\x12\x34\xFF\xFE",
        ),
        (
            127,
            b"\x40\0\0\0\0\0\0\0\x30\x33key",
            "22.A1",
            b"v",
            b"\x40\0\x04\0\0\0\0\0\x30\x33key0006001A1v",
        ),
        (
            127,
            b"\x40\0\0\0\0\0\0\0\x30\x33key",
            "25.9F36",
            b"\x05",
            b"\x40\0\0\x80\0\0\0\0\x30\x33key0004\x9F\x36\x01\x05",
        ),
    ] {
        let found =
            set(field, before, path, value).unwrap_or_else(|e| panic!("{field}.{path} {e}"));
        let after = match (field, path) {
            (62, "66") => [after, b"05hello99001z"].concat(),
            _ => after.to_vec(),
        };
        assert_eq!(found, after, "{field}.{path}: {}", String::from_utf8_lossy(&found));
    }
}

#[test]
fn an_absent_field_begins_filled() {
    let codec = codec();
    for (field, path, value, after) in [
        (3, "1", &b"31"[..], &b"310000"[..]),
        (43, "4", b"NO", b"                                      NO"),
        (48, "61", b"x", b" 6101x"),
        (54, "1.3", b"578", b"0000578C000000000000"),
        (55, "9F36", b"\x01", b"\x9F\x36\x01\x01"),
        (62, "3", b"AB", b"2000000000000000AB  "),
        (34, "71.18", b"\x01\x02", b"\x71\0\x06\x80\0\x40\0\x01\x02"),
    ] {
        let mut message = Message::of(Mti::parse("0200").unwrap());
        message.set_part(number(field), path, value, &codec).unwrap();
        assert_eq!(content(&message, field), after, "{field}.{path}");
        assert!(codec.encode(&message, &mut BytesMut::new()).is_ok());
    }
}

#[test]
fn parts_are_taken_out() {
    let codec = codec();
    for (field, before, path, after) in [
        (48, &b"R420700102106105ab cdXX00"[..], "61", Ok(&b"R42070010210XX00"[..])),
        (48, b"R6101x", "0", Err(Fault::Missing)),
        (48, b"R6101x", "42", Ok(b"R6101x")),
        (3, b"401020", "2", Err(Fault::Missing)),
        (54, b"1001578C0000001250001002578D000000110000", "1", Ok(b"1002578D000000110000")),
        (55, b"\0\x95\x01\x07\0\x5A\x01\x41", "95", Ok(b"\0\0\x5A\x01\x41")),
        (55, b"\x72\x03\x86\x01\x01\x5A\x01\x41", "72.86", Ok(b"\x72\0\x5A\x01\x41")),
        (62, b"600000000000000105hello12AB99", "2", Ok(b"200000000000000112AB99")),
        (62, b"C000000000000000400000000000000005hello001z", "66", Ok(b"400000000000000005hello")),
        (
            127,
            b"\x40\0\x04\0\0\0\0\0\x30\x33key0006001A1v",
            "22.A1",
            Ok(b"\x40\0\x04\0\0\0\0\0\x30\x33key0000"),
        ),
    ] {
        let mut message = message(&codec, field, before);
        let removed = message.remove_part(number(field), path, &codec);
        match after {
            Ok(after) => {
                assert_eq!(
                    (removed, &*content(&message, field)),
                    (Ok(()), after),
                    "{field}.{path}"
                );
            }
            Err(fault) => {
                assert!(matches!(removed, Err(EncodeError::Field { fault: f, .. }) if f == fault));
                assert_eq!(content(&message, field), before);
            }
        }
    }
}

#[test]
fn what_cannot_be_set_says_which_part() {
    let content = |expected, at| Fault::Content { expected, at };
    let long = |length, most| Fault::TooLong { length, most };
    for (field, before, path, value, shown, fault) in [
        (
            3,
            &b"401020"[..],
            "2",
            &b"x"[..],
            "field 3.2",
            content(veksel_codecs::Content::Digits, 0),
        ),
        (3, b"401020", "2", b"123", "field 3.2", long(3, 2)),
        (3, b"401020", "4", b"1", "field 3.4", Fault::Undefined),
        (3, b"401020", "A", b"1", "field 3", Fault::Undefined),
        (48, b"R", "61", b"123456", "field 48.61", long(6, 5)),
        (48, b"R", "XX", &[b'x'; 100], "field 48.XX", long(100, 99)),
        (48, b"R", "61.1", b"x", "field 48.61", Fault::Undefined),
        (48, b"R61", "42", b"1", "field 48", Fault::Short { needed: 4, available: 2 }),
        (54, b"1001578C000000125000", "3.1", b"1", "field 54.3", Fault::Value),
        (55, b"\x5A\x80\0\0", "95", b"1", "field 55.5A", Fault::Indefinite),
        (55, b"", "9F02", b"1", "field 55.9F02", Fault::Short { needed: 6, available: 1 }),
        (127, &[0; 8], "4", b"1", "field 127.4", Fault::Undefined),
        (127, &[0; 8], "22.A1", &[b'x'; 1_000], "field 127.22.A1", long(1_000, 999)),
    ] {
        let EncodeError::Field { path: found, fault: why } =
            set(field, before, path, value).unwrap_err()
        else {
            panic!("{field}.{path}");
        };
        assert_eq!((found.to_string().as_str(), why), (shown, fault), "{field}.{path}");
    }
}

/// What a check says of a field that came over the wire: path, offset within the content, fault.
fn checked(field: u8, bytes: &[u8]) -> (String, usize, Fault) {
    let codec = codec();
    let message = message(&codec, field, bytes);
    let DecodeError { path, offset, fault } = codec.check_nested(&message).unwrap_err();
    let raw = message.expose(number(field)).unwrap();
    let bytes = raw.as_it_lies();
    let width = bytes.len();
    (path.to_string(), offset as usize + width - message.frame().len(), fault)
}

#[test]
fn what_is_wrong_is_named_with_its_path_and_offset() {
    let short = |needed, available| Fault::Short { needed, available };
    let content = |expected, at| Fault::Content { expected, at };
    for (field, bytes, path, offset, fault) in [
        (
            43,
            &b"COFFEE BAR            OSLO         OS N1"[..],
            "field 43.4",
            39,
            content(veksel_codecs::Content::Letters, 1),
        ),
        (48, b"R42071234x67", "field 48.42", 9, content(veksel_codecs::Content::Digits, 4)),
        (48, b"R4203123", "field 48.42", 5, short(7, 3)),
        (48, b"R6106123456", "field 48.61", 5, Fault::TooLong { length: 6, most: 5 }),
        (48, b"R6109123", "field 48.61", 3, short(9, 3)),
        (48, b"R61x9123", "field 48.61", 3, Fault::LengthNotDigits),
        (48, b"RQQ09123", "field 48", 3, short(9, 3)),
        (48, b"R 109123", "field 48", 1, Fault::Tag),
        (
            54,
            b"1001578C0000001250001002578X000000110000",
            "field 54.2.4",
            27,
            content(veksel_codecs::Content::SignedDigits, 0),
        ),
        (54, b"1001578C0000001250001002", "field 54.2", 20, short(20, 4)),
        (55, b"\x95\x01\x07\x72\x05\x86\x80\0\0\0", "field 55.72.86", 6, Fault::Indefinite),
        (55, b"\xDF\x01\x09123456789", "field 55.DF01", 3, Fault::TooLong { length: 9, most: 8 }),
        (55, b"\xDF\x55\x09123", "field 55", 2, short(9, 3)),
        (
            55,
            b"\x72\x08\x72\x06\x72\x04\x72\x02\x72\x00",
            "field 55.72.72.72.72",
            8,
            Fault::TooDeep,
        ),
        (60, b"002001", "field 60", 0, short(3, 2)),
        (
            61,
            b"\0\x01\x03\xA1\x23\x45",
            "field 61.01",
            3,
            content(veksel_codecs::Content::Digits, 0),
        ),
        (
            61,
            b"\0\x01\x03\x11\x23\x45",
            "field 61.01",
            3,
            content(veksel_codecs::Content::Digits, 0),
        ),
        (
            61,
            b"\0\x02\x0A\x41\x11\x11\x11\x11\x11\x11\x11\x11\x11",
            "field 61.02",
            3,
            content(veksel_codecs::Content::Digits, 0),
        ),
        (62, b"4000000000000000", "field 62.2", 16, short(2, 0)),
        (62, b"g000000000000000", "field 62", 0, Fault::NotANumber),
        (62, b"1000000000000000", "field 62.4", 16, Fault::Undefined),
        (62, b"0000000000000000x", "field 62", 16, Fault::Trailing { extra: 1 }),
        (62, b"8000000000000000", "field 62", 16, short(16, 0)),
        (62, b"80000000000000008000000000000000", "field 62", 16, Fault::Value),
        (34, b"\0\0\0", "field 34", 0, Fault::Tag),
        (34, b"\x01\0", "field 34", 0, short(3, 2)),
        (34, b"\x01\0\x03\x5A\x05\x01", "field 34.01.5A", 4, short(5, 1)),
        (
            127,
            b"\0\0\x04\0\0\0\0\0\x30\x30\x30\x36\x30\x30\x39A1v",
            "field 127.22",
            12,
            short(9, 1),
        ),
    ] {
        let found = checked(field, bytes);
        assert_eq!(found, (path.to_owned(), offset, fault), "{field}: {bytes:02X?}");
    }
}

#[test]
fn offsets_in_packed_fields_are_bytes_of_the_frame() {
    let codec = codec();
    let message = message(&codec, 90, b"020000012308011200000000012345600000000000");
    let start = message.offset(number(90)).unwrap();
    let nested = message.nested(number(90), &codec).unwrap();
    let offsets: Vec<_> =
        nested.values().map(|value| value.unwrap().offset() as usize - start).collect();
    assert_eq!(offsets, [0, 2, 5, 10, 15]);
}

#[test]
fn a_check_of_the_message_looks_inside_where_the_dialect_says_so() {
    let rule = "\n[presence.any]\nmti = [\"0200\"]\nrequest = { mandatory = [] , optional = [55] }\n\
                answer = { echo = [], mandatory = [] }\n";
    let inside = include_str!("../../fuzz/src/inside.toml");
    let chip = |text: &str| {
        let codec = Codec::new(Dialect::parse(text).unwrap_or_else(|error| panic!("{error}")));
        let message = message(&codec, 55, b"\x95\x85");
        codec.check(&message, false)
    };
    let Err(Refusal::Format(error)) = chip(&format!("{inside}{rule}")) else { panic!("accepted") };
    assert_eq!((error.path.short().as_str(), error.fault), ("55.95", Fault::LengthNotDigits));
    assert_eq!(error.additional_response(), "055L.95");
    let never = inside.replace("check_nested = true", "");
    assert_eq!(chip(&format!("{never}{rule}")), Ok(()));
    let only = never.replace("[nested.55]\n", "[nested.55]\ncheck = true\n");
    assert!(chip(&format!("{only}{rule}")).is_err());
    let but = inside.replace("[nested.55]\n", "[nested.55]\ncheck = false\n");
    assert_eq!(chip(&format!("{but}{rule}")), Ok(()));
}

#[test]
fn a_description_lists_parts_masked_each_by_its_own() {
    let codec = codec();
    let message = message(&codec, 55, SAMPLES[5].1);
    let lines: Vec<_> = codec
        .describe(&message)
        .into_iter()
        .map(|line| (line.path.short(), line.name, line.masked))
        .collect();
    let line = |path: &str, name: &str, masked: &str| (path.into(), name.into(), masked.into());
    assert_eq!(
        lines,
        [
            line("55", "chip data", "****"),
            line("55.5A", "application PAN", "411111******1111"),
            line("55.9F02", "amount, authorised", "000000001250"),
            line("55.72", "issuer script template 2", "<10 characters>"),
            line("55.72.86", "issuer script command", "****"),
        ]
    );
}

#[test]
fn what_is_not_known_or_not_what_it_should_be_is_closed() {
    let codec = codec();
    let shown = |field, bytes: &[u8]| -> Vec<String> {
        let lines = codec.describe(&message(&codec, field, bytes));
        lines.into_iter().map(|line| line.masked).collect()
    };
    assert_eq!(shown(55, b"\xDF\x44\x02\x41\x11"), ["****", "****"]);
    assert_eq!(shown(55, b"\x5A\x08\xA1\x11\x11\x11\x11\x11\x11\x11"), ["****", "****"]);
    assert_eq!(shown(48, b"R43034119902xy"), ["<14 characters>", "R", "****", "<2 characters>"]);
    // A field that is open is closed by the least open of its parts.
    assert_eq!(shown(61, b"\0\x01\x03\x01\x23\x45"), ["<12 characters>", "12345"]);
    assert_eq!(shown(60, b"0070011234"), ["0070011234", "1234"]);
    let lines = codec.describe(&message(&codec, 48, b"R4307411"));
    let last = lines.last().unwrap();
    assert!(last.name.starts_with("cannot be read: "), "{last:?}");
    assert_eq!((last.path.short().as_str(), last.sensitivity), ("48.43", Sensitivity::Open));
}

#[test]
fn values_do_not_show() {
    let codec = codec();
    let message = message(&codec, 55, b"\x5A\x02\x41\x11");
    let nested = message.nested(number(55), &codec).unwrap();
    let value = nested.get("5A").unwrap().unwrap();
    assert_eq!(format!("{value:?}"), "Value(field 55.5A, 2 bytes)");
    let message = self::message(&codec, 55, b"\xDF\x44\x01\x41");
    let nested = message.nested(number(55), &codec).unwrap();
    let value = nested.get("DF44").unwrap().unwrap();
    assert_eq!(format!("{value:?}"), "Value(field 55, 1 bytes)");
}

fn with_dialect(text: &str) -> Codec {
    Codec::new(Dialect::parse(text).unwrap_or_else(|error| panic!("{error}")))
}

/// Path and masked value of every line.
fn shown(codec: &Codec, field: u8, content: &[u8]) -> Vec<(String, String)> {
    let lines = codec.describe(&message(codec, field, content));
    lines.into_iter().map(|line| (line.path.short(), line.masked)).collect()
}

fn masked(lines: &[(String, String)]) -> Vec<&str> {
    lines.iter().map(|(_, masked)| masked.as_str()).collect()
}

#[test]
fn a_level_that_is_too_deep_ends_at_its_first_part() {
    let codec = codec();
    let deep = b"\x72\x0C\x72\x0A\x72\x08\x72\x06\x95\0\x95\0\x95\0";
    let message = message(&codec, 55, deep);
    let lines = codec.describe(&message);
    let bad = lines.iter().filter(|line| line.name.starts_with("cannot be read")).count();
    assert_eq!(bad, 1, "{lines:?}");
}

#[test]
fn what_is_wrong_with_an_empty_field_is_at_its_end() {
    assert_eq!(
        checked(127, b""),
        ("field 127".to_owned(), 0, Fault::Short { needed: 8, available: 0 })
    );
}

#[test]
fn what_is_set_can_be_read() {
    for (path, fault) in [("00", Fault::Undefined), ("FF", Fault::Undefined)] {
        let error = set(34, b"", path, b"x").unwrap_err();
        assert!(matches!(error, EncodeError::Field { fault: f, .. } if f == fault), "{path}");
    }
    let sign = Fault::Content { expected: veksel_codecs::Content::SignedDigits, at: 0 };
    let error = set(54, b"1001578C000000125000", "1.4", b"").unwrap_err();
    assert!(matches!(error, EncodeError::Field { fault, .. } if fault == sign), "{error}");
    let right = |most: u16, value: &[u8]| {
        let codec = with_dialect(&format!(
            "name = \"x\"\n[fields]\n61 = {{ name = \"f\", format = \"LLL b..255\" }}\n\
             [nested.61]\nform = \"tagged\"\nlayout = \"TT LL\"\nlength = \"binary\"\n\
             digits = \"bcd-right\"\n[nested.61.parts]\n\
             AA = {{ name = \"n\", format = \"n..{most}\" }}\n"
        ));
        let mut message = Message::of(Mti::parse("0200").unwrap());
        let set = message.set_part(number(61), "AA", value, &codec);
        set.map(|()| get(&message, &codec, 61, "AA").unwrap())
    };
    // Nothing would say that the last half byte is filler.
    for (most, value) in [(4, &b"123"[..]), (5, b"123"), (5, b"1")] {
        let error = right(most, value).unwrap_err();
        assert!(matches!(error, EncodeError::Field { fault: Fault::Value, .. }), "{error}");
    }
    assert_eq!(right(4, b"1234").as_deref(), Ok("1234"));
    assert_eq!(right(5, b"12345").as_deref(), Ok("12345"));
}

#[test]
fn a_field_that_is_defined_anew_closes_the_parts_it_inherits() {
    let codec = with_dialect(
        "name = \"x\"\nextends = \"cbs-ascii-bin\"\n[fields]\n\
         90 = { name = \"original\", format = \"n42\", sensitive = \"secret\" }\n\
         54 = { name = \"amounts\", format = \"LLL an..120\", sensitive = \"private\" }\n",
    );
    let lines = shown(&codec, 90, b"020000012308011200000000012345600000000000");
    assert_eq!(masked(&lines), ["****"; 6]);
    let lines = shown(&codec, 54, b"1001578C000000125000");
    assert!(lines.iter().all(|(_, masked)| masked.starts_with('<')), "{lines:?}");
}

#[test]
fn parts_of_a_closed_part_are_as_closed() {
    let codec = with_dialect(
        "name = \"x\"\nextends = \"cbs-ascii-bin\"\n[fields]\n\
         55 = { name = \"chip\", format = \"LLL b..255\", sensitive = \"none\" }\n[nested.55]\n\
         form = \"ber-tlv\"\n[nested.55.parts]\n\
         E1 = { name = \"wallet\", format = \"b..99\", sensitive = \"secret\" }\n\
         57 = { name = \"track 2\", format = \"b..19\" }\n",
    );
    let lines = shown(&codec, 55, b"\xE1\x0A\xC1\x01\x41\x50\x02ab\xE2\x01\x05");
    assert_eq!(&masked(&lines)[1..5], ["****"; 4], "{lines:?}");
    let lines = shown(&codec, 55, b"\x71\x03\xC1\x01\x41");
    assert_eq!(&masked(&lines)[1..], ["<6 characters>", "<2 characters>"]);
    assert_eq!(&masked(&shown(&codec, 55, b"\x57\x02\x41\x11"))[1..], ["****"]);
    let account = with_dialect(
        "name = \"x\"\n[fields]\n\
         55 = { name = \"chip\", format = \"LLL b..255\", sensitive = \"account\" }\n[nested.55]\n\
         form = \"ber-tlv\"\n[nested.55.parts]\n\
         5F20 = { name = \"holder\", format = \"ans..26\" }\n",
    );
    let lines = shown(&account, 55, b"\x5F\x20\x08NORDMANN");
    assert_eq!(masked(&lines), ["<22 characters>", "<8 characters>"]);
}

#[test]
fn what_a_part_stands_in_is_as_closed_however_deep() {
    let deep = |sensitive: &str| {
        with_dialect(&format!(
            "name = \"x\"\n[fields]\n\
             60 = {{ name = \"f\", format = \"LLL ans..99\", sensitive = \"{sensitive}\" }}\n\
             [nested.60]\nform = \"tagged\"\nlayout = \"T LL\"\n[nested.60.parts]\n\
             A = {{ name = \"a\", format = \"ans..90\" }}\n\
             [nested.\"60.A\"]\nform = \"tagged\"\nlayout = \"T LL\"\n[nested.\"60.A\".parts]\n\
             B = {{ name = \"b\", format = \"ans..80\" }}\n\
             [nested.\"60.A.B\"]\nform = \"tagged\"\nlayout = \"T LL\"\n[nested.\"60.A.B\".parts]\n\
             C = {{ name = \"c\", format = \"ans..70\", sensitive = \"secret\" }}\n"
        ))
    };
    for sensitive in ["none", "account", "pan"] {
        let lines = shown(&deep(sensitive), 60, b"A14B11C08abcdWXYZ");
        assert!(lines.iter().all(|(_, masked)| !masked.contains("WXYZ")), "{sensitive} {lines:?}");
    }
}

#[test]
fn content_that_is_taken_for_tags_does_not_show() {
    let codec = codec();
    // A card number in a field that should have tags.
    let lines = shown(&codec, 48, b"R4111001122003344");
    let line = |path: &str, masked: &str| (path.to_owned(), masked.to_owned());
    let expected = [line("48", "<17 characters>"), line("48.0", "<1 characters>"), line("48", "")];
    assert_eq!(lines, expected);
    // An object that the table would show, in chip data that breaks off.
    let lines = shown(&codec, 55, b"\x50\x02ab\x95\x85");
    assert_eq!(lines[1], line("55.50", "****"));
    // The bytes of an unknown template may be anything: its tag is not in what people read.
    let (path, offset, _) = checked(55, b"\x60\x04\x86\x05\x11\x11");
    assert_eq!((path.as_str(), offset), ("field 55", 3));
    let (path, ..) = checked(55, b"\x60\x08\x72\x06\x72\x04\x72\x02\x72\x00");
    assert_eq!(path, "field 55");
    // Nor is a length that may be content.
    let lines = codec.describe(&message(&codec, 48, b"R43414111"));
    assert!(lines.iter().all(|line| !line.name.contains("41")), "{lines:?}");
}

/// What the interface of core banking systems says of its fields holds in each of its dialects.
#[test]
fn shipped_dialects_have_the_parts_of_their_interface() {
    let shipped = veksel_codecs::dialect::SHIPPED.iter().map(|(name, _)| *name);
    let of_the_interface: Vec<_> = shipped.filter(|name| name.starts_with("cbs-")).collect();
    assert_eq!(of_the_interface, ["cbs-ascii-bin", "cbs-ascii-hex", "cbs-bcd"]);
    for name in of_the_interface {
        let codec = Codec::new(Dialect::shipped(name).unwrap());
        for (field, bytes, paths) in [
            (3, &b"011020"[..], &[("1", "01"), ("2", "10"), ("3", "20")][..]),
            (
                54,
                b"1001840C0000001250001002840D000000110000",
                &[("1.2", "01"), ("1.4", "C000000125000"), ("2.1", "10"), ("2.4", "D000000110000")],
            ),
            (55, b"\x82\x02\x3C\0\x9F\x36\x02\0\x05", &[("82", "3C00"), ("9F36", "0005")]),
            (
                90,
                b"020000012308011200000000012345600000000000",
                &[("1", "0200"), ("2", "000123"), ("3", "0801120000"), ("4", "00000123456")],
            ),
            (
                95,
                b"000000001251000000000000C00000000D00000007",
                &[("1", "000000001251"), ("3", "C00000000"), ("4", "D00000007")],
            ),
        ] {
            let message = message(&codec, field, bytes);
            let nested = message.nested(number(field), &codec).unwrap();
            assert_eq!(nested.check(), Ok(()), "{name} {field}");
            for (path, expected) in paths {
                let found = get(&message, &codec, field, path);
                assert_eq!(found.as_deref(), Some(*expected), "{name} {field}.{path}");
            }
        }
    }
}

/// Hostile content costs no more than its length: many tiny objects, and templates in templates.
#[test]
fn many_tiny_parts_cost_as_much_as_they_are_long() {
    let codec = with_dialect(
        "name = \"x\"\n[fields]\n55 = { name = \"f\", format = \"LLLL b..9999\" }\n\
         [nested.55]\nform = \"ber-tlv\"\n",
    );
    let mut tiny = b"\x95\0".repeat(2_000);
    for _ in 0..5 {
        let mut outer = vec![0x72, 0x82];
        outer.extend(u16::try_from(tiny.len()).unwrap().to_be_bytes());
        outer.extend(&tiny);
        tiny = outer;
    }
    let message = message(&codec, 55, &tiny);
    let error = message.nested(number(55), &codec).unwrap().check().unwrap_err();
    assert_eq!((error.path.short().as_str(), error.fault), ("55.72.72.72.72", Fault::TooDeep));
    assert!(codec.describe(&message).len() <= 6);
    let flat = b"\x95\0".repeat(4_999);
    let message = self::message(&codec, 55, &flat);
    let lines = codec.describe(&message);
    assert_eq!(lines.len(), 5_000);
    let shown: usize = lines.iter().map(|line| line.clear.len() + line.masked.len()).sum();
    assert!(shown <= 2 * flat.len() + 4, "{shown}");
}

fn any_field() -> impl Strategy<Value = u8> {
    proptest::sample::select(vec![3u8, 34, 43, 48, 54, 55, 60, 61, 62, 63, 90, 127, 128, 129])
}

proptest! {
    /// Any content of any form: parts lie within it, one after another, or an error does.
    #[test]
    fn any_bytes_have_parts_or_an_error_within_them(
        field in any_field(),
        bytes in vec(any::<u8>(), 0..120),
    ) {
        let codec = codec();
        let mut message = Message::of(Mti::parse("0200").unwrap());
        message.set_binary(number(field), &bytes);
        let nested = message.nested(number(field), &codec).unwrap();
        let mut last = 0;
        for value in nested.values() {
            match value {
                Ok(value) => {
                    prop_assert!(value.offset() >= last && value.offset() as usize <= bytes.len());
                    last = value.offset();
                }
                Err(error) => prop_assert!(error.offset as usize <= bytes.len(), "{error}"),
            }
        }
        if let Err(error) = nested.check() {
            prop_assert!(error.offset as usize <= bytes.len(), "{error}");
        }
        let _ = codec.describe(&message);
    }

    /// Tags set one after another are found again, and the others stay.
    #[test]
    fn tags_that_are_set_are_found(
        field in proptest::sample::select(vec![48u8, 55, 60]),
        values in vec((0..4usize, "[ -~]{0,20}"), 1..8),
    ) {
        let codec = codec();
        let mut message = Message::of(Mti::parse("0200").unwrap());
        let names = match field {
            48 => ["AA", "BB", "CC", "DD"],
            55 => ["95", "9F36", "DF8111", "71.86"],
            _ => ["AAA", "BBB", "CCC", "DDD"],
        };
        let mut expected = std::collections::BTreeMap::new();
        for (place, value) in &values {
            message.set_part(number(field), names[*place], value.as_bytes(), &codec).unwrap();
            expected.insert(names[*place], value);
        }
        prop_assert_eq!(codec.check_nested(&message), Ok(()));
        let nested = message.nested(number(field), &codec).unwrap();
        for name in names {
            let found = nested.get(name).unwrap().map(|value| value.bytes().to_vec());
            prop_assert_eq!(found.as_deref(), expected.get(name).map(|value| value.as_bytes()));
        }
    }

    /// Bits set in any order stand in theirs, and taken out again leave what was there.
    #[test]
    fn bits_are_set_and_taken_out(
        order in Just(vec![2u8, 3, 64, 66]).prop_shuffle(),
        text in "[a-z]{1,4}",
    ) {
        let codec = codec();
        let mut message = Message::of(Mti::parse("0200").unwrap());
        let value = |bit| if bit == 64 { "07".to_owned() } else { format!("{text:4}") };
        for bit in &order {
            message.set_part(number(62), &bit.to_string(), value(*bit).as_bytes(), &codec).unwrap();
        }
        for bit in &order {
            let found = get(&message, &codec, 62, &bit.to_string());
            prop_assert_eq!(found, Some(value(*bit)));
        }
        for bit in &order {
            message.remove_part(number(62), &bit.to_string(), &codec).unwrap();
        }
        prop_assert_eq!(content(&message, 62), b"0000000000000000");
    }
}

#[test]
fn digits_of_a_ber_object_are_packed() {
    let text = "name = \"x\"\nextends = \"cbs-ascii-bin\"\n[nested.55]\nform = \"ber-tlv\"\n\
                [nested.55.parts]\nDF02 = { name = \"n\", format = \"n..7\", sensitive = \"none\" }\n";
    let codec = Codec::new(Dialect::parse(text).unwrap());
    let mut message = Message::of(Mti::parse("0200").unwrap());
    message.set_part(number(55), "DF02", b"123", &codec).unwrap();
    assert_eq!(content(&message, 55), b"\xDF\x02\x02\x01\x23");
    assert_eq!(get(&message, &codec, 55, "DF02").as_deref(), Some("0123"));
    message.set_binary(number(55), b"\xDF\x02\x04\x11\x23\x45\x67");
    assert_eq!(codec.check_nested(&message), Ok(()), "the dialect does not ask for it");
    let error = message.nested(number(55), &codec).unwrap().check().unwrap_err();
    assert_eq!((error.path.short().as_str(), error.offset), ("55.DF02", 3));
}
