//! Every encoding a dialect file can name: what a value looks like on the wire and back, and what
//! a wrong word or byte is told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use veksel_codecs::{Codec, Dialect, Fault, FieldNumber, Message, Mti, field};

/// A codec of one field, number 2, with these keys; and keys of `[encoding]`.
fn codec(encoding: &str, field: &str) -> Codec {
    let text = format!(
        "name = \"t\"\ntitle = \"t\"\n[encoding]\n{encoding}\n[fields]\n2 = {{ name = \"f\", {field} }}\n"
    );
    Codec::new(Dialect::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const TWO: FieldNumber = match FieldNumber::new(2) {
    Some(number) => number,
    None => panic!("2 is a field"),
};

/// What follows type and bitmap when field 2 has this value.
fn written(codec: &Codec, value: &str, is_binary: bool) -> Result<Vec<u8>, String> {
    let mut message = Message::of(Mti::parse("0200").unwrap());
    match is_binary {
        true => message.set_binary(TWO, &hex(value)),
        false => message.set_text(TWO, value),
    }
    let mut out = BytesMut::new();
    codec.encode(&message, &mut out).map_err(|error| error.to_string())?;
    Ok(out[12..].to_vec())
}

fn read(codec: &Codec, field: &[u8]) -> Result<Message, veksel_codecs::DecodeError> {
    let head = b"0200\x40\0\0\0\0\0\0\0";
    let mut message = Message::new();
    codec.decode_into(&[head, field].concat(), &mut message).map(|()| message)
}

/// Encoding keys, field keys, a value, its bytes, and the value that is read if it is another.
const FORMS: &[(&str, &str, &str, &str, &str)] = &[
    // Digits.
    ("", "format = 'n5'", "12345", "3132333435", ""),
    ("digits = 'bcd'", "format = 'n5'", "12345", "012345", ""),
    ("digits = 'bcd-right'", "format = 'n5'", "12345", "123450", ""),
    ("digits = 'bcd-f'", "format = 'n5'", "12345", "F12345", ""),
    ("digits = 'bcd-right-f'", "format = 'n5'", "12345", "12345F", ""),
    ("digits = 'bcd-f'", "format = 'n6'", "123456", "123456", ""),
    ("digits = 'ebcdic'", "format = 'n5'", "12345", "F1F2F3F4F5", ""),
    ("digits = 'bcd'", "format = 'LL n..19', length = 'bcd'", "123", "03 0123", ""),
    ("digits = 'bcd-f'", "format = 'LL n..19', length = 'bcd'", "123", "03 F123", ""),
    ("digits = 'bcd-right-f'", "format = 'LL n..19', length = 'bcd'", "123", "03 123F", ""),
    // What the length counts.
    (
        "digits = 'bcd-f'",
        "format = 'LL n..19', length = 'bcd', count = 'bytes'",
        "123",
        "02 F123",
        "",
    ),
    (
        "digits = 'bcd-f'",
        "format = 'LL n..19', length = 'bcd', count = 'bytes'",
        "1234",
        "02 1234",
        "",
    ),
    ("digits = 'bcd-right-f'\ncount = 'bytes'", "format = 'LL n..19'", "123", "3032 123F", ""),
    ("digits = 'bcd'\ncount = 'bytes'", "format = 'LL n..19'", "123", "3032 0123", "0123"),
    ("digits = 'bcd'\ncount = 'bytes'", "format = 'LL n..3'", "123", "3032 0123", ""),
    (
        "digits = 'bcd'\ncount = 'bytes'",
        "format = 'LL n..19', count = 'digits'",
        "123",
        "3033 0123",
        "",
    ),
    ("count = 'bytes'", "format = 'LL an..9', count = 'chars'", "abc", "3033 616263", ""),
    // Tracks.
    ("", "format = 'LL z..37'", "41=25", "3035 34313D3235", ""),
    ("track = 'bcd'", "format = 'LL z..37'", "41=25", "3035 041D25", ""),
    ("track = 'bcd-right-f'", "format = 'LL z..37'", "41=25", "3035 41D25F", ""),
    ("track = 'bcd-right-f'", "format = 'LL z..37'", "41D256", "3036 41D256", "41=256"),
    ("track = 'bcd-right-f'", "format = 'LL z..37', count = 'bytes'", "41=25", "3033 41D25F", ""),
    ("track = 'ebcdic'", "format = 'LL z..37'", "41=25", "3035 F4F17EF2F5", ""),
    // Text.
    ("text = 'ebcdic'", "format = 'ans5'", "A[z]!", "C1BAA9BB5A", ""),
    ("text = 'ebcdic'\ncode_page = '500'", "format = 'ans5'", "A[z]!", "C14AA95A4F", ""),
    ("text = 'ebcdic'\ncode_page = '1047'", "format = 'ans5'", "A[z]!", "C1ADA9BD5A", ""),
    ("text = 'ebcdic'", "format = 'ans5', code_page = '1047'", "A[z]!", "C1ADA9BD5A", ""),
    ("text = 'ebcdic'", "format = 'ans5', text = 'ascii'", "A[z]!", "415B7A5D21", ""),
    ("text = 'ebcdic'", "format = 'an4'", "AB", "C1C24040", "AB  "),
    // Signed amounts.
    ("", "format = 'x+n4'", "D12", "44 30303132", "D0012"),
    ("signed = 'ebcdic'", "format = 'x+n4'", "D12", "C4 F0F0F1F2", "D0012"),
    ("signed = 'bcd'", "format = 'x+n4'", "D12", "44 0012", "D0012"),
    ("signed = 'bcd'", "format = 'x+n3'", "C123", "43 0123", ""),
    ("signed = 'ebcdic-bcd'", "format = 'x+n3'", "C123", "C3 0123", ""),
    // Bytes.
    ("", "format = 'b2'", "0AFF", "0AFF", ""),
    ("binary = 'hex'", "format = 'b2'", "0AFF", "30414646", ""),
    ("binary = 'ebcdic-hex'", "format = 'b2'", "0AFF", "F0C1C6C6", ""),
    ("binary = 'hex'", "format = 'LL b..9'", "0AFF", "3032 30414646", ""),
    ("binary = 'hex'", "format = 'LL b..9', count = 'bytes'", "0AFF", "3034 30414646", ""),
    // Lengths.
    ("", "format = 'L an..9'", "abc", "33 616263", ""),
    ("", "format = 'LLLLLL an..9'", "abc", "303030303033 616263", ""),
    ("length = 'bcd'", "format = 'L an..9'", "abc", "03 616263", ""),
    ("length = 'bcd'", "format = 'LLLLL an..9'", "abc", "000003 616263", ""),
    ("length = 'binary'", "format = 'LL an..255'", "abc", "03 616263", ""),
    ("length = 'binary'", "format = 'LLLLLL an..9'", "abc", "000003 616263", ""),
    ("length = 'hex'", "format = 'LL an..255'", "abcdefghijk", "3042 6162636465666768696A6B", ""),
    ("length = 'ebcdic'", "format = 'LLL an..9'", "abc", "F0F0F3 616263", ""),
    ("length = 'ebcdic'", "format = 'LLL an..9'", "", "F0F0F0", ""),
    ("inclusive = true", "format = 'LLL an..9'", "abc", "303036 616263", ""),
    ("inclusive = true\nlength = 'binary'", "format = 'LLL an..9'", "abc", "0005 616263", ""),
    ("inclusive = true", "format = 'LLL an..9', inclusive = false", "abc", "303033 616263", ""),
    // Filling.
    ("", "format = 'n5'", "12", "3030303132", "00012"),
    ("fill_digits = 'right-zero'", "format = 'n5'", "12", "3132303030", "12000"),
    ("", "format = 'n5', fill = 'right-zero', digits = 'bcd-f'", "12", "F12000", "12000"),
    ("", "format = 'an5', fill = 'left-zero'", "ab", "3030306162", "000ab"),
    ("fill_text = 'left-space'", "format = 'ans5'", "ab", "2020206162", "   ab"),
    ("", "format = 'ans5', fill = 'right-zero'", "ab", "6162303030", "ab000"),
];

#[test]
fn every_form_is_written_and_read() {
    for (encoding, field, value, wire, expected) in FORMS {
        let (encoding, field) = (encoding.replace('\'', "\""), field.replace('\'', "\""));
        let codec = codec(&encoding, &field);
        let is_binary = codec.dialect().field(TWO).unwrap().content.notation() == "b";
        assert_eq!(written(&codec, value, is_binary), Ok(hex(wire)), "{encoding} {field}");
        let message =
            read(&codec, &hex(wire)).unwrap_or_else(|e| panic!("{encoding} {field}: {e}"));
        let raw = message.expose(TWO).unwrap();
        if is_binary {
            assert_eq!(raw.binary().as_deref(), Some(&hex(value)[..]), "{encoding} {field}");
        } else {
            let expected = if expected.is_empty() { value } else { expected };
            assert_eq!(raw.text().unwrap(), *expected, "{encoding} {field}");
        }
        // As it came, and set anew.
        let mut out = BytesMut::new();
        codec.encode(&message, &mut out).unwrap();
        assert_eq!(&out[12..], hex(wire), "{encoding} {field}");
        let mut anew = Message::of(message.mti());
        anew.copy_field(&message, TWO);
        assert_eq!(anew, message);
        for end in 0..hex(wire).len() {
            let error = read(&codec, &hex(wire)[..end]).unwrap_err();
            assert!(matches!(error.fault, Fault::Truncated { .. }), "{field} at {end}: {error}");
        }
    }
}

/// Whatever one dialect has read, another one writes in its own way.
#[test]
fn a_value_goes_from_any_form_to_any_other() {
    let forms: Vec<_> = FORMS.iter().filter(|form| form.1.contains("n5'")).collect();
    let mut pairs = 0;
    for (encoding, field, ..) in &forms {
        let from = codec(&encoding.replace('\'', "\""), &field.replace('\'', "\""));
        let Ok(wire) = written(&from, "12345", false) else { continue };
        let message = read(&from, &wire).unwrap();
        for (encoding, field, ..) in &forms {
            let to = codec(&encoding.replace('\'', "\""), &field.replace('\'', "\""));
            let mut out = BytesMut::new();
            to.encode(&message, &mut out).unwrap();
            assert_eq!(out[12..], written(&to, "12345", false).unwrap(), "{encoding} {field}");
            pairs += 1;
        }
    }
    assert!(pairs > 60, "{pairs}");
}

/// Encoding keys, field keys, bytes, and what is wrong with them at which offset.
const WRONG: &[(&str, &str, &str, &str)] = &[
    ("digits = 'bcd-f'", "format = 'n5'", "012345", "at offset 12: character 0 is not of class n"),
    ("digits = 'bcd-right-f'", "format = 'n5'", "123450", "at offset 14"),
    ("digits = 'bcd-f'", "format = 'LL n..19'", "3034 1A34", "at offset 14: character 1"),
    ("digits = 'bcd-f'", "format = 'n5'", "F1D345", "at offset 13: character 1"),
    ("track = 'bcd-right-f'", "format = 'LL z..37'", "3034 12B4", "at offset 15: character 2"),
    ("digits = 'ebcdic'", "format = 'n5'", "F1F2333435", "at offset 14: character 2"),
    ("text = 'ebcdic'", "format = 'ans5'", "C1C2C300C1", "at offset 15: character 3"),
    ("binary = 'hex'", "format = 'b2'", "30413047", "at offset 15: character 1"),
    ("signed = 'bcd'", "format = 'x+n4'", "42 0012", "at offset 12: character 0"),
    ("signed = 'bcd'", "format = 'x+n4'", "44 0A12", "at offset 13: character 2"),
    ("signed = 'bcd'", "format = 'x+n3'", "44 1012", "at offset 13"),
    ("length = 'hex'", "format = 'LL an..9'", "3047", "its length is not a number"),
    ("length = 'ebcdic'", "format = 'LL an..9'", "3033", "its length is not a number"),
    ("length = 'bcd'", "format = 'LL an..9'", "1A", "its length is not a number"),
    ("inclusive = true", "format = 'LL an..9'", "3031", "its length 1 counts itself"),
    ("inclusive = true", "format = 'LL an..9'", "3132", "its length 12 exceeds 11"),
    ("count = 'bytes'\ndigits = 'bcd'", "format = 'LL n..19'", "3131", "its length 11 exceeds 10"),
    ("count = 'bytes'\nbinary = 'hex'", "format = 'LL b..9'", "3033", "and is odd"),
];

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (encoding, field, wire, expected) in WRONG {
        let codec = codec(&encoding.replace('\'', "\""), &field.replace('\'', "\""));
        let error = read(&codec, &hex(wire)).map(drop).unwrap_err().to_string();
        assert!(error.contains(expected), "{encoding} {field}: {error}");
    }
}

#[test]
fn an_amount_without_a_sign_is_neither_written_nor_read() {
    for signed in ["ascii", "ebcdic", "bcd", "ebcdic-bcd"] {
        for format in ["x+n8", "LL x+n..8"] {
            let codec = codec(&format!("signed = '{signed}'"), &format!("format = '{format}'"));
            for value in ["", "1", "12345678"] {
                assert!(written(&codec, value, false).is_err(), "{signed} {format} {value}");
            }
            assert_eq!(written(&codec, "D1", false).map(|_| ()), Ok(()), "{signed} {format}");
            let fault = read(&codec, b"00").map_err(|error| error.fault);
            assert!(fault.is_err(), "{signed} {format}");
        }
    }
}

/// A length in bytes is told by the filler; a field of fixed length has no length to be told.
#[test]
fn an_f_at_the_end_of_a_track_of_fixed_length_is_its_own() {
    for (track, value, bytes) in
        [("bcd-right-f", "12=F", "12DF"), ("bcd-f", "F=12", "FD12"), ("bcd-f", "F12", "FF12")]
    {
        let format = format!("format = 'z{}'", value.len());
        let codec = codec(&format!("track = '{track}'\ncount = 'bytes'"), &format);
        assert_eq!(written(&codec, value, false).unwrap(), hex(bytes));
        let message = read(&codec, &hex(bytes)).unwrap();
        assert_eq!(message.expose(TWO).unwrap().text().unwrap(), value);
    }
}

#[test]
fn mti_and_bitmap_in_ebcdic() {
    let codec = codec("mti = \"ebcdic\"\nbitmap = \"ebcdic-hex\"", "format = \"n2\"");
    let mut message = Message::of(Mti::parse("0200").unwrap());
    message.set_text(TWO, "07");
    let mut out = BytesMut::new();
    codec.encode(&message, &mut out).unwrap();
    let head = [hex("F0F2F0F0 F4"), vec![0xF0; 15], b"07".to_vec()].concat();
    assert_eq!(out, head);
    let mut read = Message::new();
    codec.decode_into(&out, &mut read).unwrap();
    assert_eq!(read, message);
    let mut broken = head;
    broken[5] = b'0';
    let error = codec.decode_into(&broken, &mut read).unwrap_err();
    assert_eq!(error.to_string(), "bitmap at offset 4: it is not a number");
}

#[test]
fn words_that_are_none_and_keys_of_another_class_are_errors_with_their_place() {
    for (encoding, field, place, expected) in [
        ("mti = 'octal'", "format = 'n2'", (4, 7), "`octal` is none of `ascii`, `bcd`"),
        ("code_page = '273'", "format = 'n2'", (4, 13), "`273` is none of `037`, `500`, `1047`"),
        ("bitmap_bytes = 12", "format = 'n2'", (4, 16), "8, 16 or 24 bytes"),
        ("fill_text = 'middle'", "format = 'n2'", (4, 13), "`middle` is none of"),
        ("fill_digits = 'left-space'", "format = 'n2'", (4, 15), "cannot hold spaces"),
        ("", "format = 'n2', track = 'bcd'", (6, 42), "`track` is for a field of class `z`"),
        ("", "format = 'b2', text = 'ebcdic'", (6, 41), "`text` is for"),
        ("", "format = 'b2', count = 'chars'", (6, 42), "class `b` has no chars"),
        ("", "format = 'ans2', count = 'digits'", (6, 44), "class `ans` has no digits"),
        ("", "format = 'a2', fill = 'left-zero'", (6, 41), "class `a` cannot hold zeros"),
        ("", "format = 'b2', fill = 'left-zero'", (6, 41), "never filled up"),
        ("", "format = 'L an..10'", (6, 28), "can say 9 at most, 10 is needed"),
        ("inclusive = true", "format = 'L an..9'", (6, 28), "can say 9 at most, 10 is needed"),
        ("length = 'hex'", "format = 'LL an..256'", (6, 28), "255 at most, 256 is needed"),
        ("binary = 'hex'", "format = 'LLLLL b..40000'", (6, 28), "80000 bytes are more than any"),
    ] {
        let text = format!(
            "name = 't'\ntitle = 't'\n[encoding]\n{encoding}\n[fields]\n2 = {{ name = 'f', {field} }}\n"
        );
        let error = Dialect::parse(&text).unwrap_err();
        let [problem] = error.0.as_slice() else { panic!("{field}: {error}") };
        assert_eq!((problem.line, problem.column), place, "{field}: {error}");
        assert!(problem.message.contains(expected), "{error}");
    }
}

#[test]
fn an_inherited_field_that_no_longer_fits_is_told() {
    let text = "name = 't'\nextends = 'cbs-ascii-bin'\n[encoding]\nlength = 'binary'\ninclusive = true\n\
                [fields]\n44 = { name = 'x', format = 'L an..9', length = 'ascii' }\n";
    let error = Dialect::parse(text).unwrap_err();
    assert!(error.to_string().contains("can say 9 at most"), "{error}");
}

/// Set in the code of 1987 or received in any, written in that of the dialect.
#[test]
fn response_codes_are_written_in_the_edition_of_the_dialect() {
    let thirty_nine = FieldNumber::new(39).unwrap();
    let codec = |edition: &str, format: &str| {
        let text = format!(
            "name = 't'\n[encoding]\nresponse_codes = '{edition}'\n[fields]\n39 = {{ name = 'f', format = '{format}' }}\n"
        );
        Codec::new(Dialect::parse(&text).unwrap())
    };
    let codecs = [codec("1987", "an2"), codec("1993", "n3"), codec("2003", "n4")];
    let cases = [("0210", ["51", "116", "1016"]), ("0430", ["00", "400", "4000"])];
    for (mti, codes) in cases {
        for (from, code) in codecs.iter().zip(codes) {
            let mut message = Message::of(Mti::parse(mti).unwrap());
            message.set_text(thirty_nine, code);
            let mut out = BytesMut::new();
            from.encode(&message, &mut out).unwrap();
            let mut read = Message::new();
            from.decode_into(&out, &mut read).unwrap();
            assert_eq!(read.get(field::RESPONSE_CODE).unwrap().as_str(), codes[0]);
            for (to, code) in codecs.iter().zip(codes) {
                for message in [&message, &read] {
                    let mut out = BytesMut::new();
                    to.encode(message, &mut out).unwrap();
                    assert_eq!(out[12..], *code.as_bytes());
                }
            }
        }
    }
    let wrong = "name = 't'\n[encoding]\nresponse_codes = '1993'\n[fields]\n39 = { name = 'f', format = 'an2' }\n";
    let error = Dialect::parse(wrong).unwrap_err().to_string();
    assert!(error.contains("field 39 has 2 characters"), "{error}");
}
