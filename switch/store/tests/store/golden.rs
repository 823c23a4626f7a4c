//! The bytes of every record, as they were when their version was fixed (`golden.txt`).
//!
//! If this fails, journals that exist can no longer be read: add a version, do not touch the
//! file. `VEKSEL_BLESS=1` writes lines for variants that are new, and never changes one.

use crate::sample::{every, golden_sealer};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use veksel_core::record::RecordId;
use veksel_store::bytes::{decode, encode};

const ID: RecordId = RecordId(0x0102_0304);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn bytes_of_every_record_are_golden() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/golden.txt");
    let mut text = std::fs::read_to_string(&path).unwrap_or_default();
    let golden: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, hex)| (name.to_owned(), hex.to_owned()))
        .collect();
    let mut missing = Vec::new();
    for (name, record) in every() {
        // A sealer each, so that the order of the samples does not matter.
        let mut sealer = golden_sealer();
        let mut bytes = Vec::new();
        encode(ID, &record, &mut sealer, &mut bytes).unwrap();
        match golden.get(&name) {
            Some(line) => {
                assert_eq!(&hex(&bytes), line, "the bytes of {name:?} changed");
                assert_eq!(decode(ID, &unhex(line), &mut sealer).as_ref(), Ok(&record));
            }
            None => {
                writeln!(text, "{name}: {}", hex(&bytes)).unwrap();
                missing.push(name);
            }
        }
    }
    if !missing.is_empty() && std::env::var_os("VEKSEL_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
        missing.clear();
    }
    assert!(missing.is_empty(), "no golden bytes for {missing:?}");
}
