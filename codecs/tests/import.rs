//! Specifications of other products become dialects that read what these products write.
//!
//! `import/samples` holds specifications and messages that the product itself assembled from them:
//!
//! ```text
//! interop/run jpos --keep-samples codecs/tests/import/samples
//! interop/run moov --without '|' --keep-samples codecs/tests/import/samples
//! interop/run iso8583_rs --keep-samples codecs/tests/import/samples
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
        sample!(Source::Jpos, "jpos-iso87-ebcdic"),
        sample!(Source::Jpos, "jpos-iso87-binary"),
        sample!(Source::Jpos, "jpos-iso93-ascii"),
        sample!(Source::Moov, "moov-cbs-ascii-bin"),
        sample!(Source::Moov, "moov-cbs-ascii-hex"),
        sample!(Source::Moov, "moov-cbs-bcd"),
        sample!(Source::Moov, "moov-iso87-ebcdic"),
        sample!(Source::Moov, "moov-iso87-binary"),
        sample!(Source::Iso8583Rs, "iso8583_rs-cbs-ascii-bin"),
        sample!(Source::Iso8583Rs, "iso8583_rs-iso87-ebcdic"),
        sample!(Source::Iso8583Rs, "iso8583_rs-iso87-binary"),
    ];
    // What a product cannot say is in no specification of it.
    let left_out = |name: &str| match name {
        "moov-iso87-binary" => 7,
        "iso8583_rs-iso87-binary" => 24,
        // DE101 came to these dialects after the samples were made.
        cbs if cbs.contains("-cbs-") => 1,
        _ => 0,
    };
    for (source, name, spec, samples) in cases {
        let Imported { text, remarks } = import(source, name, spec.as_bytes()).unwrap();
        let lost: Vec<_> =
            remarks.iter().filter(|remark| remark.kind.word() != "assumed").collect();
        let of_moov = "changed: its EBCDIC is code page 500 with `|` as 6A; here that is BB";
        let lost: Vec<_> =
            lost.iter().map(ToString::to_string).filter(|why| why != of_moov).collect();
        assert!(lost.is_empty(), "{name}: {lost:?}");
        let dialect = Dialect::parse(&text).unwrap();
        let original = name.split_once("-").unwrap().1;
        let original = Dialect::shipped(original).unwrap();
        let expected = original.fields().count() - left_out(name);
        assert_eq!(dialect.fields().count(), expected, "{name}");
        assert_eq!(dialect.response_codes(), original.response_codes(), "{name}");
        assert_eq!(check_samples(&Codec::new(dialect), samples), 12, "{name}");
    }
}

/// The lines of fields and the remarks that came with them.
fn told(source: Source, spec: &str) -> (Vec<String>, Vec<String>) {
    let Imported { text, remarks } = import(source, "mine", spec.as_bytes()).unwrap();
    let dialect = Dialect::parse(&text).unwrap();
    let fields = dialect.fields().map(|(number, field)| {
        let own = field.own_encodings().into_iter();
        let own: String = own.map(|(key, word)| format!(", {key} {word}")).collect();
        format!("{}: {} {}{own}", number.get(), field.name, field.format())
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
        "22: ENTRY MODE n3, digits bcd-right",
        "28: FEE x+n8",
        "35: TRACK 2 LL z..37, length ascii",
        "37: RRN ans12",
        "39: RESPONSE CODE ans2",
        "41: TERMINAL ans8",
        "48: ADDITIONAL LLL ans..255, length binary",
        "49: CURRENCY n3, digits ascii",
        "52: PIN BLOCK b8",
        "53: SECURITY b16, binary hex",
        "55: CHIP LLL b..255",
        "60: IN EBCDIC LL ans..40, text ebcdic, length ebcdic",
        "102: ACCOUNT LL ans..28",
        "128: MAC b8",
    ];
    assert_eq!(fields, expected);
    let expected = [
        "assumed: field 35 (line 16): a number by its class; tracks have separators, so taken as z",
        "omitted: field 62 (line 34): the class IFX_LLCHAR is not known here",
        "changed: field 48 (line 20): its sub-fields are numbered from 1 here, in their order",
        "changed: field 48.1 (line 24): its sub-fields are numbered from 1 here, in their order",
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
        "55: Chip LLLL b..255, length binary",
        "60: In EBCDIC LL ans..12, text ebcdic, length ebcdic",
        "62: Long LL ans..255, length hex",
        "70: Network code n3, digits bcd",
    ];
    assert_eq!(fields, expected);
    let expected = [
        "changed: its EBCDIC is code page 500 with `|` as 6A; here that is BB",
        "changed: field 41: filled with `*` on the left; here with zeros or spaces",
        "changed: field 48: its 2 sub-fields are not carried over: their lengths do not count bytes; \
         it is read as a whole",
    ];
    assert_eq!(remarks, expected);
}

#[test]
fn a_specification_of_iso8583_rs() {
    let (fields, remarks) = told(Source::Iso8583Rs, include_str!("import/iso8583_rs.yaml"));
    let expected = [
        "2: pan LL ans..99, length ascii",
        "3: code ans6",
        "4: amount n12",
        "11: stan ans6",
        "19: country ans3, text ebcdic",
        "52: pin b8",
        "61: private LL ans..255, length binary",
        "62: packed LL n..198, count bytes",
        "63: long LLLL ans..9999",
        "90: original ans42",
        "160: third ans4",
    ];
    assert_eq!(fields, expected);
    let expected = [
        "changed: field 11 (line 44): it is something else in `0400 - reversal`; the first counts",
        "omitted (line 46): `trailer` is outside the bitmap",
        "assumed: content classes are not said: packed is n, binary b, anything else ans",
    ];
    assert_eq!(remarks, expected);
}

/// Reads a message put together by hand and writes it again from its values.
fn round_trip(source: Source, spec: &str, frame: &str, fields: &[(u8, &str)]) {
    let Imported { text, remarks } = import(source, "mine", spec.as_bytes()).unwrap();
    let lost = remarks.iter().filter(|remark| remark.kind.word() == "omitted").count();
    assert_eq!(lost, 0, "{remarks:?}");
    let fields: serde_json::Map<String, Value> = fields
        .iter()
        .map(|(number, value)| match value.strip_prefix("0x") {
            Some(hex) => (number.to_string(), serde_json::json!({ "hex": hex })),
            None => (number.to_string(), Value::from(*value)),
        })
        .collect();
    let frame = frame.replace(' ', "");
    let sample = serde_json::json!({ "mti": "0200", "fields": fields, "frame": frame });
    assert_eq!(check_samples(&Codec::new(Dialect::parse(&text).unwrap()), &sample.to_string()), 1);
}

#[test]
fn ebcdic_and_packed_specifications_read_bytes_made_by_hand() {
    let jpos = |fields: &[(u8, u8, &str)]| -> String {
        let field = |(number, length, class): &(u8, u8, &str)| {
            format!(
                "<isofield id=\"{number}\" length=\"{length}\" name=\"f\" pad=\"false\" \
                 class=\"org.jpos.iso.{class}\"/>"
            )
        };
        let fields: String = fields.iter().map(field).collect();
        format!("<isopackager>{fields}</isopackager>")
    };
    let ebcdic = [
        (0, 4, "IFE_NUMERIC"),
        (1, 16, "IFE_BITMAP"),
        (3, 6, "IFE_NUMERIC"),
        (28, 9, "IFE_AMOUNT"),
        (32, 11, "IFEB_LLNUM"),
        (41, 8, "IFE_CHAR"),
        (48, 99, "IFAE_LLCHAR"),
        (52, 2, "IFE_BINARY"),
    ];
    round_trip(
        Source::Jpos,
        &jpos(&ebcdic),
        "F0F2F0F0 F2F0F0F0F0F0F1F1F0F0F8F1F1F0F0F0 F3F1F0F0F0F0 C4F0F0F0F0F0F1F2F3 \
         F0F3 12345F C1AD81BD5F404040 3032 C1C2 F0F1C1C2",
        &[
            (3, "310000"),
            (28, "D00000123"),
            (32, "12345"),
            (41, "A[a]^   "),
            (48, "AB"),
            (52, "0x01AB"),
        ],
    );
    let packed = [
        (0, 4, "IFB_NUMERIC"),
        (1, 24, "IFB_BITMAP"),
        (28, 9, "IFB_AMOUNT"),
        (35, 37, "IFB_FLLNUM"),
        (36, 104, "IFB_LLLHNUM"),
        (39, 3, "IFB_FNUMERIC"),
        (130, 8, "IFB_LLHECHAR"),
    ];
    round_trip(
        Source::Jpos,
        &jpos(&packed),
        "0200 8000001032000000 8000000000000000 4000000000000000 \
         4400000123 05 41D25F 0003 41D0 107F 02 C1C2",
        &[(28, "D00000123"), (35, "41=25"), (36, "41="), (39, "107"), (130, "AB")],
    );
    let moov = |bitmap: &str, fields: &str| {
        format!(
            "{{\"fields\": {{\"0\": {{\"type\": \"String\", \"length\": 4, \"enc\": \"ASCII\", \
             \"prefix\": \"ASCII.Fixed\"}}, \"1\": {{\"type\": \"Bitmap\", \"enc\": \"Binary\", \
             \"prefix\": \"Binary.Fixed\", {bitmap}}}, {fields}}}}}"
        )
    };
    let field = |number: u8, kind: &str, length: u32, enc: &str, prefix: &str, more: &str| {
        format!(
            "\"{number}\": {{\"type\": \"{kind}\", \"length\": {length}, \"enc\": \"{enc}\", \
             \"prefix\": \"{prefix}\"{more}}}"
        )
    };
    // All of 128 bits are fields, the first and the 65th too.
    let fields = [
        field(2, "String", 19, "LBCD", "BCD.LL", ""),
        field(41, "String", 6, "EBCDIC", "EBCDIC.Fixed", ""),
        field(52, "Binary", 2, "HexToASCII", "Hex.Fixed", ""),
        field(65, "String", 300, "ASCII", "Hex.LL", ""),
        field(66, "String", 3, "EBCDIC1047", "EBCDIC.Fixed", ""),
    ];
    round_trip(
        Source::Moov,
        &moov("\"length\": 16", &fields.join(", ")),
        "30323030 4000000000801000 C000000000000000 \
         03 1230 C14A815A5F40 30314142 30303034 61626364 ADBD5F",
        &[(2, "123"), (41, "A[a]^ "), (52, "0x01AB"), (65, "abcd"), (66, "[]^")],
    );
    let left = ", \"padding\": {\"type\": \"Left\", \"pad\": \" \"}";
    let fields = [field(41, "String", 6, "ASCII", "ASCII.Fixed", left)];
    round_trip(
        Source::Moov,
        &moov("\"length\": 8, \"disableAutoExpand\": true", &fields.join(", ")),
        "30323030 0000000000800000 202020206162",
        &[(41, "    ab")],
    );
    let yaml = "name: y\nheader_fields:\n  - { name: type, type: Fixed, len: 4, data_encoding: EBCDIC }\n\
        messages:\n  - name: any\n    fields:\n      - name: bitmap\n        type: Bitmapped\n        \
        data_encoding: BINARY\n        children:\n          \
        - { name: a, type: Variable, len: 1, len_encoding: BCD, data_encoding: BCD, position: 2 }\n          \
        - { name: b, type: Variable, len: 2, len_encoding: EBCDIC, data_encoding: EBCDIC, position: 48 }\n          \
        - { name: c, type: Variable, len: 2, len_encoding: BINARY, data_encoding: BINARY, position: 55 }\n";
    round_trip(
        Source::Iso8583Rs,
        yaml,
        "F0F2F0F0 4000000000010200 03 123456 F0F2 C1AD 0002 01AB",
        &[(2, "123456"), (48, "A["), (55, "0x01AB")],
    );
}

/// The fuzzer's body on the files of these tests, on their beginnings and on what a bad disk makes
/// of them.
#[test]
fn damaged_files_are_refused_or_read() {
    let files = [
        include_str!("import/jpos.xml"),
        include_str!("import/moov.json"),
        include_str!("import/iso8583_rs.yaml"),
        include_str!("import/jpos-nested.xml"),
        include_str!("import/moov-nested.json"),
        include_str!("import/iso8583_rs-nested.yaml"),
    ];
    for (which, file) in (0u8..).zip(files) {
        let whole = [&[which % 3], file.as_bytes()].concat();
        (0..=whole.len()).step_by(7).for_each(|end| imports::import_any(&whole[..end]));
        for at in (1..whole.len()).step_by(5) {
            let mut broken = whole.clone();
            broken[at] ^= 1 << (at % 7);
            imports::import_any(&broken);
        }
    }
}
