//! Specifications as other projects ship them, imported and tried.
//!
//! The files are theirs and not kept here. `VEKSEL_SPECIFICATIONS` names a folder with XML of
//! jPOS, JSON of moov-io/iso8583 and YAML of `iso8583_rs`; without it there is nothing to do. What
//! came of those of known releases stands in `docs/importing.md`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "it prints a row for each file")]

use bytes::BytesMut;
use std::collections::BTreeSet;
use std::path::Path;
use veksel_codecs::import::{Kind, Source, import};
use veksel_codecs::{Codec, Content, Dialect, FieldNumber, Message, Mti};

/// A value of a class, as long as it is said.
fn value(content: Content, length: usize) -> Vec<u8> {
    let digits = (0..length).map(|at| b'0' + (at % 10) as u8);
    match content {
        Content::Letters => digits.map(|digit| digit + 0x11).collect(),
        Content::SignedDigits => b"C".iter().copied().chain(digits.skip(1)).collect(),
        Content::Digits
        | Content::Alphanumeric
        | Content::Printable
        | Content::Binary
        | Content::Track => digits.collect(),
    }
}

fn set(message: &mut Message, number: FieldNumber, content: Content, value: &[u8]) {
    match content {
        Content::Binary => message.set_binary(number, value),
        _ => message.set_text(number, std::str::from_utf8(value).unwrap()),
    }
}

/// Every field alone, the shortest and the longest, and all together: what is written is read.
fn fields_come_back(codec: &Codec, file: &str) {
    let mut all = Message::of(Mti::parse("0200").unwrap());
    let comes_back = |message: &Message, what: &str| {
        let (mut frame, mut read) = (BytesMut::new(), Message::new());
        let written = codec.encode(message, &mut frame);
        assert_eq!(written, Ok(()), "{file}: {what}");
        assert_eq!(codec.decode_into(&frame, &mut read), Ok(()), "{file}: {what}");
        assert!(read == *message, "{file}: {what} comes back as something else");
    };
    for (number, field) in codec.dialect().fields() {
        // With its head a field of the longest possible length would be longer than any frame.
        let most = usize::from(field.most.min(60_000));
        let least = if field.length_digits == 0 { most } else { 1 };
        for length in [least, most] {
            let mut one = Message::of(Mti::parse("0200").unwrap());
            set(&mut one, number, field.content, &value(field.content, length));
            comes_back(&one, &format!("field {} of {length}", number.get()));
        }
        set(&mut all, number, field.content, &value(field.content, most.min(200).max(least)));
    }
    comes_back(&all, "all fields");
}

fn source(path: &Path) -> Option<Source> {
    match path.extension()?.to_str()? {
        "xml" => Some(Source::Jpos),
        "json" => Some(Source::Moov),
        "yaml" | "yml" => Some(Source::Iso8583Rs),
        _ => None,
    }
}

#[test]
fn specifications_of_other_projects_become_dialects() {
    let Some(folder) = std::env::var_os("VEKSEL_SPECIFICATIONS") else {
        println!("VEKSEL_SPECIFICATIONS is not set: no files are tried");
        return;
    };
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut tried = 0;
    println!("| file | fields | with parts | as they were | changed | assumed | left out |");
    for (path, source) in paths.iter().filter_map(|path| Some((path, source(path)?))) {
        let file = path.file_name().unwrap().to_string_lossy();
        let imported = match import(source, "imported", &std::fs::read(path).unwrap()) {
            Ok(imported) => imported,
            Err(error) => {
                println!("| {file} | refused: {error} |");
                continue;
            }
        };
        let codec = Codec::new(Dialect::parse(&imported.text).unwrap());
        fields_come_back(&codec, &file);
        let remarked = |kind: Kind| -> BTreeSet<&str> {
            let of_kind = imported.remarks.iter().filter(|remark| remark.kind == kind);
            of_kind.map(|remark| remark.field.as_str()).filter(|field| !field.is_empty()).collect()
        };
        let top = |fields: &BTreeSet<&str>| -> BTreeSet<u8> {
            let numbers = fields.iter().map(|field| field.split('.').next().unwrap_or(field));
            numbers.filter_map(|number| number.parse().ok()).collect()
        };
        let [omitted, changed, assumed] = [Kind::Omitted, Kind::Changed, Kind::Assumed]
            .map(|kind| (remarked(kind).len(), top(&remarked(kind))));
        let fields: BTreeSet<u8> =
            codec.dialect().fields().map(|(number, _)| number.get()).collect();
        let touched: BTreeSet<u8> =
            [&omitted.1, &changed.1, &assumed.1].into_iter().flatten().copied().collect();
        let nested =
            codec.dialect().fields().filter(|(n, _)| codec.dialect().nested(*n).is_some()).count();
        println!(
            "| {file} | {} | {nested} | {} | {} | {} | {} |",
            fields.len(),
            fields.difference(&touched).count(),
            changed.0,
            assumed.0,
            omitted.0
        );
        imported.remarks.iter().for_each(|remark| println!("    {remark}"));
        tried += 1;
    }
    assert!(tried > 0, "nothing in {} became a dialect", folder.display());
}
