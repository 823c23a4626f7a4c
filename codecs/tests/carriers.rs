//! Statement lines written by their carrier and found by path: behind the tags of DE120, and in
//! tables.

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

/// What every carrier of a table writes, through the frames of every CBS dialect.
#[test]
fn rows_of_tables_are_parts() {
    let entries: Vec<_> = (0..30)
        .map(|at| Entry {
            time: Some(*b"143005"),
            sequence: Some(u32::from(at) + 1),
            kind: Some(*b"01"),
            currency: Some(840),
            ..entry(1 + at % 28, 100 + u64::from(at), at % 2 == 0, "ATM WDL")
        })
        .collect();
    for (name, carrier) in ["cbs-ascii-bin", "cbs-ascii-hex", "cbs-bcd"]
        .into_iter()
        .flat_map(|name| [Carrier::De48Table, Carrier::De114].map(|carrier| (name, carrier)))
    {
        let codec = Codec::new(Dialect::shipped(name).unwrap());
        let written = carrier.write(&entries, None);
        let mut message = Message::of(Mti::parse("0210").unwrap());
        written.fields.iter().for_each(|(number, text)| message.set_text(*number, text));
        let mut frame = BytesMut::new();
        codec.encode(&message, &mut frame).unwrap();
        let mut message = Message::new();
        codec.decode_into(&frame, &mut message).unwrap();
        let (first, more) = carrier.fields();
        let mut lines = entries.iter().take(written.lines);
        for (number, headers) in [(first, 1), (more.unwrap(), 0)] {
            let inside = message.nested(number, &codec).unwrap();
            assert_eq!(inside.check(), Ok(()));
            let text =
                |path: &str| inside.get(path).unwrap().map(|cell| cell.text().unwrap().to_string());
            assert_eq!(text("0.7").as_deref(), (headers == 1).then_some("NARR"));
            let rows = inside.values().count() - headers;
            for (row, entry) in (1..=rows).zip(lines.by_ref()) {
                let cell = |place: u8| text(&format!("{row}.{place}")).unwrap();
                assert_eq!(cell(1), format!("{}143005", entry.date));
                assert_eq!(cell(2), format!("{:06}", entry.sequence.unwrap()));
                assert_eq!(cell(4), format!("{:012}", entry.minor));
                assert_eq!(cell(6), if entry.is_debit { "D" } else { "C" });
                assert_eq!(cell(7), entry.narration);
                assert_eq!(text(&format!("{row}.8")), None);
            }
            assert_eq!(text(&(rows + 1).to_string()), None);
        }
        assert!(lines.next().is_none() && written.lines > 20, "{}", written.lines);
    }
}

#[test]
fn rows_for_people_are_parts_of_de62() {
    let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
    let (number, _) = Carrier::De62Text.fields();
    let entries = [entry(1, 100, true, "ATM WDL"), entry(2, 250_075, false, "SALARY 08/2026")];
    let mut message = Message::of(Mti::parse("0210").unwrap());
    message.set_text(number, &Carrier::De62Text.write(&entries, None).fields[0].1);
    let inside = message.nested(number, &codec).unwrap();
    assert_eq!(inside.check(), Ok(()));
    let text = |path: &str| inside.get(path).unwrap().unwrap().text().unwrap().to_string();
    assert_eq!(["1.1", "1.3", "1.5"].map(text), ["010826", "000000000001.00", "D"]);
    assert_eq!(["2.3", "2.5", "2.6"].map(text), ["000000002500.75", "C", " SALARY 08/2026"]);
}

/// DE48 of a request has tags, and lines of 40 have no marks.
#[test]
fn what_is_no_table_has_no_parts() {
    let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
    for (number, text) in [(48, "010210020820260801"), (125, "010826 000000000001.00 D ATM WDL")] {
        let number = FieldNumber::new(number).unwrap();
        let mut message = Message::of(Mti::parse("0200").unwrap());
        message.set_text(number, text);
        let inside = message.nested(number, &codec).unwrap();
        assert_eq!((inside.check(), inside.values().count()), (Ok(()), 0));
        assert!(inside.describe().is_empty());
    }
}
