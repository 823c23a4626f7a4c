//! The sample messages of every shipped dialect, and what becomes of them when they are damaged.
//!
//! `dialects/samples/<dialect>.txt` has for each message its bytes in hexadecimal, its type and
//! its fields. The bytes were made by a program that shares nothing with this crate. A new dialect
//! needs such a file and nothing here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use veksel_codecs::dialect::SHIPPED;
use veksel_codecs::{Codec, Dialect, FieldNumber, Message, Mti, Refusal};

struct Sample {
    wire: Vec<u8>,
    mti: Mti,
    /// The values; bytes of binary fields.
    fields: BTreeMap<FieldNumber, (bool, Vec<u8>)>,
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    assert!(digits.len().is_multiple_of(2));
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn samples(dialect: &str) -> Vec<Sample> {
    let file = format!("dialects/samples/{dialect}.txt");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let sample = |block: &str| {
        let mut sample = Sample { wire: Vec::new(), mti: Mti::NONE, fields: BTreeMap::new() };
        for line in block.lines() {
            let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line, ""));
            match word {
                "wire" | "#" => {}
                "" => sample.wire.extend(hex(rest.trim())),
                "mti" => sample.mti = Mti::parse(rest).unwrap(),
                number => {
                    let number = FieldNumber::new(number.parse().unwrap()).unwrap();
                    let is_binary = rest.starts_with('x');
                    let value = rest.trim_start_matches('x');
                    let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
                    let value = if is_binary { hex(value) } else { value.as_bytes().to_vec() };
                    sample.fields.insert(number, (is_binary, value));
                }
            }
        }
        sample
    };
    let blocks = text.split("\n\n").filter(|block| block.trim_start().starts_with("wire"));
    blocks.map(sample).collect()
}

/// Every sample of every shipped dialect.
fn every_sample(check: impl Fn(&Codec, &Sample)) {
    for (name, _) in SHIPPED {
        let codec = Codec::new(Dialect::shipped(name).unwrap());
        let samples = samples(name);
        assert!(samples.len() >= 3, "{name} has {} samples", samples.len());
        samples.iter().for_each(|sample| check(&codec, sample));
    }
}

fn canonical(message: &Message, number: FieldNumber) -> Option<(bool, Vec<u8>)> {
    let raw = message.expose(number)?;
    Some(match raw.binary() {
        Some(bytes) => (true, bytes.to_vec()),
        None => (false, raw.text().unwrap().as_bytes().to_vec()),
    })
}

#[test]
fn samples_are_read_as_what_they_say_and_written_as_they_stand() {
    every_sample(|codec, sample| {
        let name = codec.dialect().name();
        let mut read = Message::new();
        let result = codec.decode_into(&sample.wire, &mut read);
        result.unwrap_or_else(|error| panic!("{name} {}: {error}", sample.mti));
        assert_eq!(read.mti(), sample.mti, "{name}");
        let expected: Vec<_> = sample.fields.keys().copied().collect();
        assert_eq!(read.fields().iter().collect::<Vec<_>>(), expected, "{name} {}", sample.mti);
        let mut set = Message::of(sample.mti);
        for (number, value) in &sample.fields {
            assert_eq!(canonical(&read, *number).as_ref(), Some(value), "{name} {number}");
            match value {
                (true, bytes) => set.set_binary(*number, bytes),
                (false, text) => set.set_text(*number, core::str::from_utf8(text).unwrap()),
            }
        }
        for message in [&read, &set] {
            let mut out = BytesMut::new();
            codec.encode(message, &mut out).unwrap();
            assert_eq!(&out[..], sample.wire, "{name} {}", sample.mti);
        }
    });
}

/// A damaged message is a value or an error within the frame, and the fields that end before the
/// damage are there unharmed.
fn damaged(codec: &Codec, sample: &Sample, frame: &[u8], damage_at: usize) {
    let mut whole = Message::new();
    codec.decode_into(&sample.wire, &mut whole).unwrap();
    let mut read = Message::new();
    let result = codec.decode_into(frame, &mut read);
    if let Err(error) = result {
        assert!(error.offset as usize <= frame.len(), "{error}");
        assert!(error.path.field <= FieldNumber::MAX);
        let _ = codec.likely_cause(frame, &error);
        if read.mti() == Mti::NONE {
            return;
        }
    }
    let first = whole.fields().first().and_then(|number| whole.offset(number)).unwrap();
    let fields: Vec<_> = whole.fields().iter().collect();
    for pair in fields.windows(2).filter(|_| damage_at >= first) {
        let end = whole.offset(pair[1]).unwrap();
        if end <= damage_at {
            assert_eq!(canonical(&read, pair[0]), canonical(&whole, pair[0]), "{}", pair[0]);
        }
    }
    // A field has a line and, if it has parts, more behind it.
    let mut described: Vec<_> = codec.describe(&read).iter().map(|line| line.number).collect();
    described.dedup();
    assert!(described.into_iter().eq(read.fields().iter()));
    let mut out = BytesMut::new();
    assert_eq!(codec.encode(&read, &mut out), Ok(()), "as much as was read can be written");
}

#[test]
fn a_sample_cut_at_any_byte_gives_its_beginning() {
    every_sample(|codec, sample| {
        for end in 0..sample.wire.len() {
            let mut read = Message::new();
            assert!(codec.decode_into(&sample.wire[..end], &mut read).is_err());
            damaged(codec, sample, &sample.wire[..end], end);
        }
    });
}

#[test]
fn a_sample_with_any_byte_changed_is_a_value_or_an_error() {
    every_sample(|codec, sample| {
        for at in 0..sample.wire.len() {
            for mask in [0x01, 0x10, 0x80] {
                let mut frame = sample.wire.clone();
                frame[at] ^= mask;
                damaged(codec, sample, &frame, at);
            }
        }
    });
}

#[test]
fn a_length_that_lies_is_a_value_or_an_error() {
    let mut lies = 0;
    for (name, _) in SHIPPED {
        let codec = Codec::new(Dialect::shipped(name).unwrap());
        for sample in &samples(name) {
            let mut whole = Message::new();
            codec.decode_into(&sample.wire, &mut whole).unwrap();
            for number in whole.fields().iter() {
                if codec.dialect().field(number).unwrap().length_digits == 0 {
                    continue;
                }
                let start = whole.offset(number).unwrap();
                let content = whole.expose(number).unwrap().as_it_lies().as_ptr().addr();
                let content = content - whole.frame().as_ptr().addr();
                assert!(content > start, "{name} {number}");
                for at in start..content {
                    let old = sample.wire[at];
                    let others = [0x00, 0x99, 0xFF, b'0', b'9', b'F', 0xF0, 0xF9];
                    for lie in [&[old.wrapping_add(1), old.wrapping_sub(1)], &others[..]].concat() {
                        let mut frame = sample.wire.clone();
                        frame[at] = lie;
                        damaged(&codec, sample, &frame, start);
                        lies += 1;
                    }
                }
            }
        }
    }
    assert!(lies > 3_000, "{lies}");
}

#[test]
fn a_sample_that_is_a_request_has_what_its_rule_wants() {
    let checked = core::cell::Cell::new(0);
    every_sample(|codec, sample| {
        let is_request = sample.mti.digits()[2] & 1 == 0;
        let mut message = Message::new();
        codec.decode_into(&sample.wire, &mut message).unwrap();
        if is_request {
            let name = codec.dialect().name();
            assert_eq!(codec.check(&message, false), Ok(()), "{name} {}", sample.mti);
            checked.set(checked.get() + 1);
        }
    });
    assert!(checked.get() > 20, "{}", checked.get());
}

#[test]
fn the_editions_know_the_same_kinds_of_messages() {
    for (name, _) in SHIPPED {
        let codec = Codec::new(Dialect::shipped(name).unwrap());
        let edition = if name.starts_with("iso93") {
            b'1'
        } else if name.starts_with("iso2003") {
            b'2'
        } else {
            b'0'
        };
        for class in ["100", "120", "200", "220", "400", "420"] {
            let digits = format!("{}{class}", char::from(edition));
            let mti = Mti::from_ascii(digits.as_bytes().try_into().unwrap()).unwrap();
            let mut empty = Message::of(mti);
            empty.set_text(FieldNumber::new(3).unwrap(), "000000");
            let refusal = codec.check(&empty, false).unwrap_err();
            let names_field =
                matches!(refusal, Refusal::Format(error) if error.path.field.get() > 1);
            // Not every profile has every type.
            assert!(names_field || name.starts_with("cbs"), "{name} {mti}: {refusal:?}");
        }
    }
}

#[test]
fn the_parts_of_de127_have_names_and_hide_behind_the_field() {
    let codec = Codec::new(Dialect::shipped("postilion-like").unwrap());
    let number = FieldNumber::new(127).unwrap();
    let mut found = 0;
    for sample in samples("postilion-like") {
        let mut message = Message::new();
        codec.decode_into(&sample.wire, &mut message).unwrap();
        let Some(nested) = message.nested(number, &codec) else { continue };
        assert_eq!(nested.check(), Ok(()));
        let lines: Vec<_> =
            codec.describe(&message).into_iter().filter(|l| l.number == number).collect();
        assert!(
            lines
                .iter()
                .any(|line| line.name == "switch key" && line.clear.starts_with(['T', 'R']))
        );
        assert!(lines.iter().all(|line| line.masked == "****"));
        found += 1;
    }
    assert!(found >= 2, "{found}");
}
