//! Specifications of other products whose fields have parts become dialects that find these parts.
//!
//! jPOS 2.1.10 and moov 0.23.1 write the same bytes from the same files and values, but for DE62
//! of jPOS, whose class it does not have; the message of `iso8583_rs` is put together by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use bytes::BytesMut;
use veksel_codecs::import::{Imported, Source, import};
use veksel_codecs::{Codec, Dialect, FieldNumber, Message};

/// Bytes: `text` as it stands, what is between `<` and `>` in hexadecimal.
fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((plain, more)) = rest.split_once('<') {
        let (hex, after) = more.split_once('>').unwrap();
        out.extend_from_slice(plain.as_bytes());
        let hex: String = hex.split_whitespace().collect();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        out.extend((0..hex.len()).step_by(2).map(byte));
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// A message with an ASCII type, binary bitmaps and fields as they are written.
fn frame(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut bits = 0u128;
    for (number, _) in fields {
        bits |= 1 << (128 - number);
    }
    let has_second = fields.iter().any(|(number, _)| *number > 64);
    bits |= u128::from(has_second) << 127;
    let width = if has_second { 16 } else { 8 };
    let mut out = b"0200".to_vec();
    out.extend_from_slice(&bits.to_be_bytes()[..width]);
    fields.iter().for_each(|(_, written)| out.extend(bytes(written)));
    out
}

fn split(path: &str) -> (FieldNumber, &str) {
    let (number, path) = path.split_once('.').unwrap();
    (FieldNumber::new(number.parse().unwrap()).unwrap(), path)
}

/// The canonical value of a part.
fn value(message: &Message, codec: &Codec, path: &str) -> Option<Vec<u8>> {
    let (number, path) = split(path);
    let nested = message.nested(number, codec)?;
    let found = nested.get(path).unwrap()?;
    Some(match found.raw().binary() {
        Some(bytes) => bytes.to_vec(),
        None => found.text()?.as_str().as_bytes().to_vec(),
    })
}

/// Reads a message, compares the parts, changes each and back, and writes the message again.
/// Gives the dialect and what it lacks.
fn check(
    source: Source,
    spec: &str,
    fields: &[(u8, &str)],
    parts: &[(&str, &str)],
) -> (String, Vec<String>) {
    let Imported { text, remarks } = import(source, "mine", spec.as_bytes()).unwrap();
    let codec = Codec::new(Dialect::parse(&text).unwrap());
    let frame = frame(fields);
    let mut message = Message::new();
    let read = codec.decode_into(&frame, &mut message);
    assert!(read.is_ok(), "{read:?}\n{text}");
    for (path, expected) in parts {
        let expected = bytes(expected);
        assert_eq!(value(&message, &codec, path), Some(expected.clone()), "{path}\n{text}");
        let (number, step) = split(path);
        let other: Vec<u8> = expected.iter().rev().copied().collect();
        for value in [other, expected] {
            let set = message.set_part(number, step, &value, &codec);
            assert!(set.is_ok(), "{path}: {set:?}\n{text}");
        }
    }
    for (number, _) in fields {
        let number = FieldNumber::new(*number).unwrap();
        if let Some(nested) = message.nested(number, &codec) {
            assert_eq!(nested.check(), Ok(()), "{number}\n{text}");
        }
    }
    let mut out = BytesMut::new();
    codec.encode(&message, &mut out).unwrap();
    assert_eq!(out, frame, "{text}");
    (text, remarks.iter().map(ToString::to_string).collect())
}

#[test]
fn parts_of_a_packager_of_jpos() {
    let mapped = "000048<6000008000000000>04key1ROUTE10024<5000000000000000>0000000123450007";
    let (text, remarks) = check(
        Source::Jpos,
        include_str!("import/jpos-nested.xml"),
        &[
            (11, "000007"),
            (48, "0170104SHOP420500429"),
            (55, "008<9F2602AABB 9C0100>"),
            (60, "0190109east gate31TILL"),
            (61, "009<123456 80FF 03>abc"),
            (62, "006123456"),
            (127, mapped),
        ],
        &[
            ("48.01", "SHOP"),
            ("48.42", "00429"),
            ("55.9F26", "<AABB>"),
            ("60.1", "01"),
            ("60.2", "east gate"),
            ("60.3.1", "31"),
            ("60.3.2", "TILL"),
            ("61.1", "123456"),
            ("61.2", "<80FF>"),
            ("61.3", "abc"),
            ("127.2", "key1"),
            ("127.3", "ROUTE1"),
            ("127.25.2", "000000012345"),
            ("127.25.4", "0007"),
        ],
    );
    assert!(!text.contains("[nested.62]"), "{text}");
    let expected = [
        "changed: field 60 (line 18): its sub-fields are numbered from 1 here, in their order",
        "changed: field 62 (line 37): its 1 sub-fields are not carried over: the packager \
         SubPackager is not known here; it is read as a whole",
        "changed: field 127 (line 41): up to 999999; here up to 65535",
        "omitted: field 127.25.3 (line 50): the class IFX_THING is not known here",
    ];
    assert_eq!(remarks, expected);
}

#[test]
fn data_sets_and_a_bitmap_of_base1_of_a_packager_of_jpos() {
    let spec = r#"<isopackager>
  <isofield id="0" length="4" name="TYPE" class="org.jpos.iso.IFA_NUMERIC"/>
  <isofield id="1" length="16" name="BIT MAP" class="org.jpos.iso.IFB_BITMAP"/>
  <isofieldpackager id="124" length="99" name="TAGGED SETS" class="org.jpos.iso.IFA_LLLBINARY"
                    packager="org.jpos.iso.packager.DatasetPackager"/>
  <isofieldpackager id="125" length="99" name="MAPPED SETS" class="org.jpos.iso.IFA_LLLBINARY"
                    packager="org.jpos.iso.packager.DatasetPackager">
    <isofield id="1" length="2" name="ONE" class="org.jpos.iso.IF_CHAR"/>
  </isofieldpackager>
  <isofieldpackager id="126" length="99" name="BASE I" class="org.jpos.iso.IFA_LLLBINARY"
                    packager="org.jpos.iso.packager.Base1SubFieldPackager">
    <isofield id="0" length="16" name="BIT MAP" class="org.jpos.iso.packager.Base1_BITMAP126"/>
    <isofield id="1" length="4" name="NAME" class="org.jpos.iso.IF_CHAR"/>
    <isofield id="3" length="4" name="DATE" class="org.jpos.iso.IFB_NUMERIC"/>
  </isofieldpackager>
</isopackager>"#;
    let (text, remarks) = check(
        Source::Jpos,
        spec,
        &[
            (124, "007<01 0004 9F33 01 AA>"),
            (125, "014<71 0004 4000>ab<72 0004 4000>cd"),
            (126, "014<A000000000000000>abcd<1234>"),
        ],
        &[
            ("124.01", "<9F3301AA>"),
            ("125.71", "<4000>ab"),
            ("125.72", "<4000>cd"),
            ("126.1", "abcd"),
            ("126.3", "1234"),
        ],
    );
    assert!(text.contains("[nested.126]\nform = \"bitmapped\"\nbits = 64\n"), "{text}");
    let expected = [
        "changed: field 125 (line 6): its 1 sub-fields are not carried over: a data set is found by \
         its identifier and read as a whole",
    ];
    assert_eq!(remarks, expected);
}

#[test]
fn parts_of_a_specification_of_moov() {
    let (text, remarks) = check(
        Source::Moov,
        include_str!("import/moov-nested.json"),
        &[
            (3, "312010"),
            (48, "01600104SHOP0420242"),
            (55, "010<9A03260131 9F2602AABB>"),
            (60, "<F0F8 F7F0F0 F0F3 C1C2C3>"),
            (61, "03<010203>"),
            (62, "<12 C080000000000000>ab12<012345 02 AABB>"),
            (63, "<0B 0101 02 AABB 0102 03>xyz"),
        ],
        &[
            ("3.1", "31"),
            ("3.2", "20"),
            ("3.3", "10"),
            ("48.001", "SHOP"),
            ("48.042", "42"),
            ("55.9A", "<260131>"),
            ("55.9F26", "<AABB>"),
            ("60.1", "700"),
            ("60.2", "ABC"),
            ("62.1", "ab12"),
            ("62.2", "12345"),
            ("62.9", "<AABB>"),
            ("63.0101", "<AABB>"),
            ("63.0102", "xyz"),
        ],
    );
    assert!(!text.contains("[nested.61]"), "{text}");
    let expected = [
        "changed: its EBCDIC is code page 500 with `|` as 6A; here that is BB",
        "changed: field 3: its sub-fields are numbered from 1 here, in their order",
        "changed: field 61: its 1 sub-fields are not carried over: their lengths do not count \
         bytes; it is read as a whole",
    ];
    assert_eq!(remarks, expected);
}

#[test]
fn parts_of_a_specification_of_iso8583_rs() {
    let (text, remarks) = check(
        Source::Iso8583Rs,
        include_str!("import/iso8583_rs-nested.yaml"),
        &[
            (3, "312010"),
            (61, "<13 20260131 06>a note<01FF>"),
            (62, "<F0F6 F0F0F7 F2 C1C2>"),
            (63, "02ab"),
        ],
        &[
            ("3.1", "31"),
            ("3.2", "20"),
            ("3.3", "10"),
            ("61.1", "20260131"),
            ("61.2", "a note"),
            ("61.3", "<01FF>"),
            ("62.1", "007"),
            ("62.2", "AB"),
        ],
    );
    assert!(!text.contains("[nested.63]"), "{text}");
    let children = "the product does not look at its children; one after another";
    let expected = [
        format!("assumed: field 3 (line 18): {children}"),
        format!("assumed: field 61 (line 28): {children}"),
        format!("assumed: field 62 (line 39): {children}"),
        format!("assumed: field 63 (line 49): {children}"),
        "assumed: content classes are not said: packed is n, binary b, anything else ans"
            .to_owned(),
        "changed: field 63 (line 49): its 1 sub-fields are not carried over: sub-field 63.1: the \
         type `Mapped` is not known within a bitmap; it is read as a whole"
            .to_owned(),
    ];
    assert_eq!(remarks, expected);
}
