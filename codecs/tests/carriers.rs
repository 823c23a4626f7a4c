//! Statement lines behind the tags of DE120, written by their carrier and found by path.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::BytesMut;
use veksel_codecs::structured::date::Date;
use veksel_codecs::structured::statement::{Carrier, Entry};
use veksel_codecs::{Codec, Dialect, FieldNumber, Message, Mti};

fn entry(day: u8, minor: u64, is_debit: bool, narration: &str) -> Entry {
    Entry {
        date: Date::new(2026, 8, day).unwrap(),
        time: None,
        sequence: None,
        kind: None,
        minor,
        currency: None,
        is_debit,
        narration: narration.to_owned(),
    }
}

/// As many lines as fit, through the frames of every CBS dialect.
#[test]
fn lines_behind_tags_are_parts_of_de120() {
    let entries: Vec<_> =
        (0..30).map(|at| entry(1 + at % 28, 100 + u64::from(at), at % 2 == 0, "ATM WDL")).collect();
    let number = FieldNumber::new(120).unwrap();
    let written = Carrier::De120Tlv.write(&entries, Some(-110_000));
    assert_eq!(written.fields[0].0, number);
    for name in ["cbs-ascii-bin", "cbs-ascii-hex", "cbs-bcd"] {
        let codec = Codec::new(Dialect::shipped(name).unwrap());
        let mut message = Message::of(Mti::parse("0210").unwrap());
        message.set_text(number, &written.fields[0].1);
        let mut frame = BytesMut::new();
        codec.encode(&message, &mut frame).unwrap();
        let mut message = Message::new();
        codec.decode_into(&frame, &mut message).unwrap();
        let inside = message.nested(number, &codec).unwrap();
        assert_eq!(inside.check(), Ok(()));
        let text =
            |path: &str| inside.get(path).unwrap().unwrap().text().unwrap().as_str().to_owned();
        assert_eq!(text("005"), format!("{:02}", written.lines));
        assert_eq!(text("007"), "000000110000D");
        for (place, entry) in (1..=written.lines).zip(&entries) {
            let line = |part: u8| text(&format!("006.{place}.{part}"));
            assert_eq!(line(1), format!("{:02}0826", entry.date.day()));
            assert_eq!(line(3), format!("000000000001.{:02}", entry.minor - 100));
            assert_eq!(line(5), if entry.is_debit { "D" } else { "C" });
            assert_eq!(line(7).trim_end(), entry.narration);
        }
        let beyond = format!("006.{}", written.lines + 1);
        assert!(inside.get(&beyond).unwrap().is_none());
    }
}
