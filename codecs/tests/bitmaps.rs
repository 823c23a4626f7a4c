//! Bitmaps: one, two and three of them, chained or of a fixed length, in each of their encodings.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use veksel_codecs::{Codec, Dialect, Fault, FieldNumber, Message, Mti};

/// Fields of two characters each, and keys of `[encoding]`.
fn codec(encoding: &str, fields: &[u8]) -> Codec {
    let mut text = format!("name = \"t\"\ntitle = \"t\"\n[encoding]\n{encoding}\n[fields]\n");
    for number in fields {
        text.push_str(&format!("{number} = {{ name = \"f\", format = \"an2\" }}\n"));
    }
    Codec::new(Dialect::parse(&text).unwrap_or_else(|error| panic!("{error}")))
}

fn message(fields: &[u8]) -> Message {
    let mut message = Message::of(Mti::parse("0200").unwrap());
    for number in fields {
        message.set_text(FieldNumber::new(*number).unwrap(), "ab");
    }
    message
}

fn written(codec: &Codec, message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec.encode(message, &mut out).unwrap();
    out[4..].to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Fixed length, fields of the dialect, fields of the message, bitmaps.
const BITMAPS: &[(u8, &[u8], &[u8], &str)] = &[
    (0, &[2, 64, 65, 128], &[2, 64], "4000000000000001"),
    (0, &[2, 64, 65, 128], &[65, 128], "8000000000000000 8000000000000001"),
    (0, &[2, 64, 128, 129, 192], &[2], "4000000000000000"),
    (0, &[2, 64, 128, 129, 192], &[2, 128], "C000000000000000 0000000000000001"),
    (
        0,
        &[2, 64, 128, 129, 192],
        &[2, 129, 192],
        "C000000000000000 8000000000000000 8000000000000001",
    ),
    (8, &[2, 64], &[64], "0000000000000001"),
    (16, &[2, 64, 65, 128], &[2], "4000000000000000 0000000000000000"),
    (16, &[2, 64, 65, 128], &[2, 65, 128], "4000000000000000 8000000000000001"),
    (24, &[2, 65, 192], &[65, 192], "0000000000000000 8000000000000000 0000000000000001"),
];

#[test]
fn every_kind_of_bitmap_is_written_and_read() {
    for (bytes, defined, present, expected) in BITMAPS {
        let expected = hex(expected);
        let upper: Vec<u8> =
            expected.iter().flat_map(|b| format!("{b:02X}").into_bytes()).collect();
        let ebcdic = upper.iter().map(|c| if *c < b'A' { c + 0xC0 } else { c + 0x80 }).collect();
        for (form, bitmap) in [("binary", expected), ("hex", upper), ("ebcdic-hex", ebcdic)] {
            let codec = codec(&format!("bitmap_bytes = {bytes}\nbitmap = \"{form}\""), defined);
            let message = message(present);
            let frame = written(&codec, &message);
            assert_eq!(frame[..bitmap.len()], bitmap, "{form} {bytes} {present:?}");
            assert_eq!(frame.len(), bitmap.len() + 2 * present.len());
            let whole = [b"0200", frame.as_slice()].concat();
            let mut read = Message::new();
            codec.decode_into(&whole, &mut read).unwrap();
            assert_eq!(read, message);
            assert_eq!(written(&codec, &read), frame);
            for end in 4..whole.len() {
                let error = codec.decode_into(&whole[..end], &mut read).unwrap_err();
                assert!(matches!(error.fault, Fault::Truncated { .. }), "{end}: {error}");
            }
        }
    }
}

#[test]
fn bitmaps_without_fields_are_read() {
    let codec = codec("", &[2, 129]);
    let frame = hex("30323030 C000000000000000 8000000000000000 0000000000000000 6162");
    let mut read = Message::new();
    codec.decode_into(&frame, &mut read).unwrap();
    assert_eq!(read, message(&[2]));
    assert_eq!(written(&codec, &read), hex("4000000000000000 6162"));
}

#[test]
fn bit_1_means_nothing_where_the_length_is_fixed() {
    for bytes in [8, 16, 24] {
        let codec = codec(&format!("bitmap_bytes = {bytes}"), &[2]);
        let mut bitmap = vec![0; bytes];
        bitmap[0] = 0xC0;
        let mut read = Message::new();
        codec.decode_into(&[b"0200", &bitmap[..], b"ab"].concat(), &mut read).unwrap();
        assert_eq!(read, message(&[2]), "{bytes}");
        bitmap[0] = 0x80;
        codec.decode_into(&[b"0200", &bitmap[..]].concat(), &mut read).unwrap();
        assert!(read.fields().is_empty(), "{bytes}");
    }
}

#[test]
fn bit_65_is_a_field_unless_there_is_a_third_bitmap() {
    let frame = hex("30323030 8000000000000000 8000000000000000 6162");
    let mut read = Message::new();
    let error = codec("", &[2]).decode_into(&frame, &mut read).unwrap_err();
    assert_eq!((error.path.field.get(), error.fault), (65, Fault::Undefined));
    assert_eq!(codec("", &[65]).decode_into(&frame, &mut read), Ok(()));
}

#[test]
fn a_dialect_whose_bitmaps_cannot_name_its_fields_is_refused() {
    for (encoding, fields, expected) in [
        ("bitmap_bytes = 8", [2, 65], "field 65 does not fit a bitmap of 8 bytes"),
        ("bitmap_bytes = 16", [2, 129], "field 129 does not fit a bitmap of 16 bytes"),
        ("", [65, 129], "bit 65 announces the third bitmap"),
    ] {
        let fields = fields.map(|number| format!("{number} = {{ name = 'f', format = 'an2' }}\n"));
        let text = format!("name = 't'\n[encoding]\n{encoding}\n[fields]\n{}", fields.concat());
        let error = Dialect::parse(&text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
