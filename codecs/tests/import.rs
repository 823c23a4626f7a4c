//! Specifications of other products become dialects that read what these products write.
//!
//! `import/samples` holds specifications and messages that the product itself assembled from them:
//!
//! ```text
//! interop/run jpos --count 200 --keep-samples codecs/tests/import/samples
//! interop/run moov --count 200 --keep-samples codecs/tests/import/samples
//! interop/run iso8583_rs --count 200 --dialect cbs-ascii-bin \
//!     --keep-samples codecs/tests/import/samples
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "the body is public for the fuzz target")]

use bytes::BytesMut;
use serde_json::Value;
use veksel_codecs::import::{Imported, Source, import};
use veksel_codecs::{Codec, Dialect, FieldNumber, Message, Mti};

#[path = "../../fuzz/src/imports.rs"]
mod imports;

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// A value as the samples have it: text, or bytes in hexadecimal.
fn shown(message: &Message, number: FieldNumber) -> String {
    let raw = message.expose(number).unwrap();
    match raw.binary() {
        Some(bytes) => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
        None => raw.text().unwrap().as_str().to_owned(),
    }
}

/// Reads every message, compares its values, and writes it again from the values alone.
fn check_samples(codec: &Codec, lines: &str) -> usize {
    let mut message = Message::new();
    for line in lines.lines() {
        let sample: Value = serde_json::from_str(line).unwrap();
        let frame = bytes(sample["frame"].as_str().unwrap());
        codec.decode_into(&frame, &mut message).unwrap_or_else(|error| panic!("{error}\n{line}"));
        let fields = sample["fields"].as_object().unwrap();
        assert_eq!(message.mti().to_string(), sample["mti"].as_str().unwrap());
        assert_eq!(message.fields().len() as usize, fields.len(), "{line}");
        let mut made = Message::of(Mti::parse(sample["mti"].as_str().unwrap()).unwrap());
        for (number, value) in fields {
            let number = FieldNumber::new(number.parse().unwrap()).unwrap();
            match (value.as_str(), value["hex"].as_str()) {
                (Some(text), _) => {
                    assert_eq!(shown(&message, number), text, "{number}");
                    made.set_text(number, text);
                }
                (None, Some(hex)) => {
                    assert_eq!(shown(&message, number), hex, "{number}");
                    made.set_binary(number, &bytes(hex));
                }
                (None, None) => panic!("{value} is no value"),
            }
        }
        let mut out = BytesMut::new();
        codec.encode(&made, &mut out).unwrap();
        assert_eq!(out, frame, "{line}");
    }
    lines.lines().count()
}

macro_rules! sample {
    ($source:expr, $name:literal) => {
        (
            $source,
            $name,
            include_str!(concat!("import/samples/", $name, ".spec")),
            include_str!(concat!("import/samples/", $name, ".jsonl")),
        )
    };
}

#[test]
fn what_the_product_wrote_is_read_and_written_again() {
    let cases = [
        sample!(Source::Jpos, "jpos-cbs-ascii-bin"),
        sample!(Source::Jpos, "jpos-cbs-ascii-hex"),
        sample!(Source::Jpos, "jpos-cbs-bcd"),
        sample!(Source::Moov, "moov-cbs-ascii-bin"),
        sample!(Source::Moov, "moov-cbs-ascii-hex"),
        sample!(Source::Moov, "moov-cbs-bcd"),
        sample!(Source::Iso8583Rs, "iso8583_rs-cbs-ascii-bin"),
    ];
    for (source, name, spec, samples) in cases {
        let Imported { text, remarks } = import(source, name, spec.as_bytes()).unwrap();
        let lost: Vec<_> =
            remarks.iter().filter(|remark| remark.kind.word() != "assumed").collect();
        assert!(lost.is_empty(), "{name}: {lost:?}");
        let dialect = Dialect::parse(&text).unwrap();
        let original = name.split_once("-").unwrap().1;
        let original = Dialect::shipped(original).unwrap();
        assert_eq!(dialect.fields().count(), original.fields().count(), "{name}");
        assert_eq!(check_samples(&Codec::new(dialect), samples), 12, "{name}");
    }
}

/// The lines of fields and the remarks that came with them.
fn told(source: Source, spec: &str) -> (Vec<String>, Vec<String>) {
    let Imported { text, remarks } = import(source, "mine", spec.as_bytes()).unwrap();
    let dialect = Dialect::parse(&text).unwrap();
    let fields = dialect.fields().map(|(number, field)| {
        let digits = field.digits.map(|digits| format!(" {digits:?}")).unwrap_or_default();
        let length = field.length.map(|length| format!(" length {length:?}")).unwrap_or_default();
        format!("{}: {} {}{digits}{length}", number.get(), field.name, field.format())
    });
    (fields.collect(), remarks.iter().map(ToString::to_string).collect())
}

#[test]
fn a_packager_of_jpos() {
    let (fields, remarks) = told(Source::Jpos, include_str!("import/jpos.xml"));
    let expected = [
        "2: PAN LL n..19",
        "3: PROCESSING CODE n6",
        "4: AMOUNT & SIGN n12",
        "11: STAN n6",
        "22: ENTRY MODE n3 BcdRight",
        "28: FEE x+n8",
        "35: TRACK 2 LL z..37 length Ascii",
        "37: RRN ans12",
        "39: RESPONSE CODE ans2",
        "41: TERMINAL ans8",
        "48: ADDITIONAL LLL ans..255 length Binary",
        "49: CURRENCY n3 Ascii",
        "52: PIN BLOCK b8",
        "55: CHIP LLL b..255",
        "102: ACCOUNT LL ans..28",
        "128: MAC b8",
    ];
    assert_eq!(fields, expected);
    let expected = [
        "assumed: field 35 (line 16): a number by its class; tracks have separators, so taken as z",
        "omitted: field 62 (line 33): the class IFX_LLCHAR is not known here",
        "changed: field 48 (line 20): its 2 sub-fields are not carried over; it is read as a whole",
        "omitted: field 53 (line 30): bytes as hexadecimal characters",
        "omitted: field 60 (line 32): EBCDIC",
    ];
    assert_eq!(remarks, expected);
}

#[test]
fn a_specification_of_moov() {
    let (fields, remarks) = told(Source::Moov, include_str!("import/moov.json"));
    let expected = [
        "2: PAN LL ans..19",
        "3: Processing \"code\" n6",
        "4: Amount n12",
        "11: STAN n6",
        "35: Track 2 LL z..37",
        "41: Terminal ans8",
        "48: Additional data LLL b..255",
        "52: PIN block b8",
        "55: Chip LLLL b..255 length Binary",
        "70: Network code n3 Bcd",
    ];
    assert_eq!(fields, expected);
    let expected = [
        "changed: field 41: filled with `*` on the left; here numbers are filled with zeros, text \
         with spaces",
        "changed: field 48: its 2 sub-fields behind tags are not carried over; it is read as a whole",
        "omitted: field 60: EBCDIC",
        "omitted: field 62: its length is written in hexadecimal characters",
    ];
    assert_eq!(remarks, expected);
}

#[test]
fn a_specification_of_iso8583_rs() {
    let (fields, remarks) = told(Source::Iso8583Rs, include_str!("import/iso8583_rs.yaml"));
    let expected = [
        "2: pan LL ans..99 length Ascii",
        "3: code ans6",
        "4: amount n12",
        "11: stan ans6",
        "52: pin b8",
        "61: private LL ans..99 length Binary",
        "63: long LLLL ans..9999",
        "90: original ans42",
    ];
    assert_eq!(fields, expected);
    let expected = [
        "changed: field 11 (line 44): it is something else in `0400 - reversal`; the first counts",
        "omitted (line 46): `trailer` is outside the bitmap",
        "assumed: content classes are not said: packed is n, binary b, anything else ans",
        "omitted: field 19 (line 26): EBCDIC",
        "omitted: field 62 (line 29): its length counts the bytes of packed digits",
        "omitted: field 160 (line 31): a dialect has the fields 2 to 128",
    ];
    assert_eq!(remarks, expected);
}

/// The fuzzer's body on the files of these tests, on their beginnings and on what a bad disk makes
/// of them.
#[test]
fn damaged_files_are_refused_or_read() {
    let files = [
        include_str!("import/jpos.xml"),
        include_str!("import/moov.json"),
        include_str!("import/iso8583_rs.yaml"),
    ];
    for (which, file) in (0u8..).zip(files) {
        let whole = [&[which], file.as_bytes()].concat();
        (0..=whole.len()).step_by(7).for_each(|end| imports::import_any(&whole[..end]));
        for at in (1..whole.len()).step_by(5) {
            let mut broken = whole.clone();
            broken[at] ^= 1 << (at % 7);
            imports::import_any(&broken);
        }
    }
}
