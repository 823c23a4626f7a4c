//! Parts in fields of every encoding, and in a field of bytes parts of every encoding.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use veksel_codecs::{Codec, Dialect, Fault, FieldNumber, Message, Mti};

const FIELD: u8 = 48;

fn number() -> FieldNumber {
    FieldNumber::new(FIELD).unwrap()
}

fn codec(text: &str) -> Codec {
    Codec::new(Dialect::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}")))
}

/// A dialect whose field 48 is of bytes and in a form.
fn inside(form: &str) -> Codec {
    codec(&format!(
        "name = 'x'\n[fields]\n48 = {{ name = 'a', format = 'LLL b..99' }}\n[nested.48]\n{form}"
    ))
}

fn with(content: &[u8]) -> Message {
    let mut message = Message::of(Mti::parse("0200").unwrap());
    message.set_binary(number(), content);
    message
}

fn get(message: &Message, codec: &Codec, path: &str) -> String {
    let nested = message.nested(number(), codec).unwrap();
    let value = nested.get(path).unwrap().unwrap();
    value.text().map(|text| text.as_str().to_owned()).unwrap_or_default()
}

fn fault(codec: &Codec, content: &[u8]) -> Option<(String, u32, Fault)> {
    let message = with(content);
    let error = message.nested(number(), codec).unwrap().check().err()?;
    Some((error.path.short(), error.offset, error.fault))
}

/// Part 1 is `n3`, part 2 `LL n..5`, part 3 what is left up to five digits.
#[test]
fn digits_and_lengths_are_read_and_written_in_every_encoding() {
    let parts = "[nested.48.parts]\n1 = { name = 'a', format = 'n3' }\n\
                 2 = { name = 'b', format = 'LL n..5' }\n3 = { name = 'c', format = 'n..6' }\n";
    for (digits, length, content) in [
        ("ascii", "hex", &b"1230345678901"[..]),
        ("bcd-f", "bcd", &[0xF1, 0x23, 0x03, 0xF4, 0x56, 0xF7, 0x89, 0x01]),
        ("bcd-right-f", "binary", &[0x12, 0x3F, 0x03, 0x45, 0x6F, 0x78, 0x90, 0x1F]),
        ("bcd-right-f", "ebcdic", &[0x12, 0x3F, 0xF0, 0xF3, 0x45, 0x6F, 0x78, 0x90, 0x1F]),
        (
            "ebcdic",
            "ebcdic",
            &[0xF1, 0xF2, 0xF3, 0xF0, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xF0, 0xF1],
        ),
    ] {
        let form = format!("form = 'positional'\ndigits = '{digits}'\nlength = '{length}'\n");
        let codec = inside(&format!("{form}{parts}"));
        let mut message = with(content);
        assert_eq!(message.nested(number(), &codec).unwrap().check(), Ok(()), "{digits} {length}");
        for (path, expected) in [("1", "123"), ("2", "456"), ("3", "78901")] {
            assert_eq!(get(&message, &codec, path), expected, "{digits} {length}");
            message.set_part(number(), path, expected.as_bytes(), &codec).unwrap();
            let raw = message.expose(number()).unwrap();
            assert_eq!(&*raw.binary().unwrap(), content, "{digits} {length} {path}");
            message.set_part(number(), path, b"1", &codec).unwrap();
            let short = if path == "1" { "001" } else { "1" };
            assert_eq!(get(&message, &codec, path), short, "{digits} {length} {path}");
            message.set_part(number(), path, expected.as_bytes(), &codec).unwrap();
        }
    }
}

#[test]
fn a_filler_is_the_one_of_the_dialect_and_where_it_belongs() {
    let left = inside(
        "form = 'positional'\ndigits = 'bcd-f'\n[nested.48.parts]\n\
         1 = { name = 'a', format = 'n3' }\n2 = { name = 'b', format = 'n..4' }\n",
    );
    let wrong = |path: &str, offset, at| {
        let expected = veksel_codecs::Content::Digits;
        Some((path.to_owned(), offset, Fault::Content { expected, at }))
    };
    assert_eq!(fault(&left, &[0xF1, 0x23, 0xF4, 0x56]), None);
    assert_eq!(fault(&left, &[0xF1, 0x23, 0x14, 0x56]), None);
    assert_eq!(fault(&left, &[0x01, 0x23, 0x14, 0x56]), wrong("48.1", 0, 0));
    assert_eq!(fault(&left, &[0xF1, 0x23, 0x14, 0x5F]), wrong("48.2", 3, 3));
    assert_eq!(fault(&left, &[0xF1, 0x23, 0xFF, 0x56]), wrong("48.2", 2, 1));
    let ebcdic = inside(
        "form = 'positional'\ndigits = 'ebcdic'\n[nested.48.parts]\n\
         1 = { name = 'a', format = 'n3' }\n",
    );
    assert_eq!(fault(&ebcdic, &[0xF1, 0xF2, b'3']), wrong("48.1", 2, 2));
    let lengths = inside("form = 'tagged'\nlayout = 'TT LL'\nlength = 'ebcdic'\n");
    assert_eq!(fault(&lengths, b"AA\xF0\xF1x"), None);
    let not_digits = Some(("48".to_owned(), 2, Fault::LengthNotDigits));
    assert_eq!(fault(&lengths, b"AA01x"), not_digits);
    let own = inside(
        "form = 'positional'\nlength = 'hex'\n[nested.48.parts]\n\
         1 = { name = 'a', format = 'LL n..20' }\n",
    );
    let mut message = with(b"0a0123456789");
    message.set_part(number(), "1", b"9876543210", &own).unwrap();
    assert_eq!(&*message.expose(number()).unwrap().binary().unwrap(), b"0a9876543210");
    message.set_part(number(), "1", b"98765432101", &own).unwrap();
    assert_eq!(&*message.expose(number()).unwrap().binary().unwrap(), b"0B98765432101");
    let lengths = inside("form = 'tagged'\nlayout = 'TT LL'\nlength = 'hex'\n");
    assert_eq!(fault(&lengths, b"AA0A0123456789"), None);
    assert_eq!(fault(&lengths, b"AA0G0123456789"), not_digits);
}

#[test]
fn bitmaps_may_be_hexadecimal_characters_of_ebcdic() {
    let codec = inside(
        "form = 'bitmapped'\nbits = 16\nbitmap = 'ebcdic-hex'\n[nested.48.parts]\n\
         2 = { name = 'a', format = 'n1' }\n9 = { name = 'b', format = 'n1' }\n",
    );
    let mut message = Message::of(Mti::parse("0200").unwrap());
    message.set_part(number(), "9", b"7", &codec).unwrap();
    message.set_part(number(), "2", b"5", &codec).unwrap();
    let content = message.expose(number()).unwrap().binary().unwrap().to_vec();
    assert_eq!(content, b"\xF4\xF0\xF8\xF057");
    assert_eq!(get(&message, &codec, "9"), "7");
    assert_eq!(fault(&codec, b"40805"), Some(("48".to_owned(), 0, Fault::NotANumber)));
}

/// However a field is written, its parts are those of its value, and what is wrong with them is
/// told where it lies in the frame.
#[test]
fn parts_are_those_of_the_value_however_the_field_is_written() {
    for (encoding, class, good, bad, byte) in [
        ("text = 'ebcdic'", "ans", &b"12AB"[..], &b"1xAB"[..], 1),
        ("text = 'ebcdic'\ncode_page = '1047'", "ans", b"12A[", b"1xA[", 1),
        ("digits = 'ebcdic'", "n", b"1234", b"", 0),
        ("digits = 'bcd-f'", "n", b"12345", b"", 0),
        ("digits = 'bcd-right-f'", "n", b"12345", b"", 0),
        ("binary = 'hex'", "b", b"12\xFF\0", b"1\0\xFF\0", 2),
        ("binary = 'ebcdic-hex'", "b", b"12\xFF\0", b"1\0\xFF\0", 2),
    ] {
        let codec = codec(&format!(
            "name = 'x'\n[encoding]\n{encoding}\n[fields]\n\
             48 = {{ name = 'a', format = 'LLL {class}..99', sensitive = 'none' }}\n[nested.48]\n\
             form = 'positional'\n[nested.48.parts]\n1 = {{ name = 'a', format = 'n2' }}\n\
             2 = {{ name = 'b', format = '{class}..9' }}\n"
        ));
        let read = |content: &[u8]| {
            let mut message = Message::of(Mti::parse("0200").unwrap());
            match core::str::from_utf8(content).ok().filter(|_| class != "b") {
                Some(text) => message.set_text(number(), text),
                None => message.set_binary(number(), content),
            }
            let (mut frame, mut read) = (BytesMut::new(), Message::new());
            codec.encode(&message, &mut frame).unwrap();
            codec.decode_into(&frame, &mut read).unwrap();
            read
        };
        let mut message = read(good);
        let nested = message.nested(number(), &codec).unwrap();
        assert_eq!(nested.check(), Ok(()), "{encoding}");
        assert_eq!(nested.get("1").unwrap().unwrap().bytes(), b"12", "{encoding}");
        assert_eq!(Some(nested.get("2").unwrap().unwrap().bytes()), good.get(2..), "{encoding}");
        assert_eq!(codec.describe(&message).len(), 3, "{encoding}");
        drop(nested);
        message.set_part(number(), "1", b"98", &codec).unwrap();
        let (mut frame, mut again) = (BytesMut::new(), Message::new());
        codec.encode(&message, &mut frame).unwrap();
        codec.decode_into(&frame, &mut again).unwrap();
        let nested = again.nested(number(), &codec).unwrap();
        assert_eq!(nested.get("1").unwrap().unwrap().bytes(), b"98", "{encoding}");
        assert_eq!(Some(nested.get("2").unwrap().unwrap().bytes()), good.get(2..), "{encoding}");
        if !bad.is_empty() {
            let message = read(bad);
            let error = message.nested(number(), &codec).unwrap().check().unwrap_err();
            let width = message.expose(number()).unwrap().as_it_lies().len();
            let start = message.frame().len() - width;
            assert_eq!(
                (error.path.short().as_str(), error.offset as usize - start),
                ("48.1", byte)
            );
        }
    }
}

#[test]
fn rows_and_cells_are_set_added_and_taken_out() {
    let codec = codec(
        "name = 'x'\n[fields]\n48 = { name = 'a', format = 'LLL ans..99' }\n[nested.48]\n\
         form = 'table'\nrows = '~'\ncells = '|'\nheader = true\nrepeat = 3\n[nested.48.parts]\n\
         1 = { name = 'day', format = 'n..8' }\n2 = { name = 'text', format = 'ans..9' }\n",
    );
    let mut message = Message::of(Mti::parse("0210").unwrap());
    let mut step = |path: &str, value: Option<&str>| {
        let done = match value {
            Some(value) => message.set_part(number(), path, value.as_bytes(), &codec),
            None => message.remove_part(number(), path, &codec),
        };
        let raw = message.expose(number());
        (done.is_ok(), raw.map(|raw| raw.text().unwrap().to_string()).unwrap_or_default())
    };
    for (path, value, expected) in [
        ("1", Some("1|a"), Err("")),
        ("0", Some("DAY|TEXT"), Ok("DAY|TEXT~")),
        ("2", Some("2|b"), Err("DAY|TEXT~")),
        ("1", Some("1|a"), Ok("DAY|TEXT~1|a~")),
        ("2.1", Some("2"), Ok("DAY|TEXT~1|a~2~")),
        ("2.2", Some("two"), Ok("DAY|TEXT~1|a~2|two~")),
        ("2.4", Some("four"), Err("DAY|TEXT~1|a~2|two~")),
        ("2.3", Some("more"), Ok("DAY|TEXT~1|a~2|two|more~")),
        ("1.1", Some("12345678"), Ok("DAY|TEXT~12345678|a~2|two|more~")),
        ("1.1", Some("day"), Err("DAY|TEXT~12345678|a~2|two|more~")),
        ("1.2", Some(""), Ok("DAY|TEXT~12345678|~2|two|more~")),
        ("1.2", Some("a|b"), Err("DAY|TEXT~12345678|~2|two|more~")),
        ("1.2", Some("a~b"), Err("DAY|TEXT~12345678|~2|two|more~")),
        ("0.2", Some("NARR"), Ok("DAY|NARR~12345678|~2|two|more~")),
        ("3", Some("3"), Ok("DAY|NARR~12345678|~2|two|more~3~")),
        ("4", Some("4"), Err("DAY|NARR~12345678|~2|two|more~3~")),
        ("1.1", None, Err("DAY|NARR~12345678|~2|two|more~3~")),
        ("0", None, Err("DAY|NARR~12345678|~2|two|more~3~")),
        ("1", None, Ok("DAY|NARR~2|two|more~3~")),
        ("2", None, Ok("DAY|NARR~2|two|more~")),
    ] {
        let expected = expected.map_or_else(|text| (false, text), |text| (true, text));
        assert_eq!(step(path, value), (expected.0, expected.1.to_owned()), "{path} {value:?}");
    }
}

/// Rows and cells that are empty, lack, are too many, or wrong.
#[test]
fn tables_are_read_as_they_come_and_judged() {
    let codec = codec(
        "name = 'x'\n[fields]\n48 = { name = 'a', format = 'LLL ans..99' }\n[nested.48]\n\
         form = 'table'\nrows = '~'\ncells = '|'\nrepeat = 3\n[nested.48.parts]\n\
         1 = { name = 'day', format = 'n..4' }\n2 = { name = 'text', format = 'ans3' }\n",
    );
    let digits = veksel_codecs::Content::Digits;
    for (text, paths, fault) in [
        ("", "", None),
        ("no mark", "", None),
        ("~", "48.1", None),
        ("|~", "48.1 48.1.1 48.1.2", Some(("48.1.2", 1, Fault::Short { needed: 3, available: 0 }))),
        ("1~~2", "48.1 48.1.1 48.2 48.3 48.3.1", None),
        ("1|abc|~", "48.1 48.1.1 48.1.2 48.1.3", None),
        ("1~2~3~", "48.1 48.1.1 48.2 48.2.1 48.3 48.3.1", None),
        (
            "1~2~3~4~",
            "48.1 48.1.1 48.2 48.2.1 48.3 48.3.1",
            Some(("48", 6, Fault::Trailing { extra: 2 })),
        ),
        (
            "1~2x~",
            "48.1 48.1.1 48.2 48.2.1",
            Some(("48.2.1", 3, Fault::Content { expected: digits, at: 1 })),
        ),
    ] {
        let mut message = Message::of(Mti::parse("0210").unwrap());
        message.set_text(number(), text);
        let inside = message.nested(number(), &codec).unwrap();
        let lines = inside.describe();
        let read = lines.iter().filter(|line| !line.name.starts_with("cannot"));
        let found: Vec<String> = read.map(|line| line.path.short()).collect();
        assert_eq!(found.join(" "), paths, "{text}");
        let error = inside.check().err().map(|e| (e.path.short(), e.offset, e.fault));
        assert_eq!(error, fault.map(|(path, at, fault)| (path.to_owned(), at, fault)), "{text}");
    }
}
