//! The worked examples of cbs-interface.md 6.11, byte for byte, and network management.

use veksel_codecs::{Mti, field};

use crate::rig::*;

/// MTI, bitmap in hexadecimal, and the fields as characters.
fn frame(mti: &str, bitmap: &str, fields: &[&str]) -> Vec<u8> {
    let digits: Vec<u8> = bitmap.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let mut frame = mti.as_bytes().to_vec();
    frame.extend(digits.chunks(2).map(byte));
    frame.extend(fields.concat().bytes());
    frame
}

#[test]
fn the_balance_of_the_documents_is_answered_with_their_amounts() {
    let mut bank = Bank::new();
    let fields = [
        "16",
        CARD,
        "311000",
        "000000000000",
        "1120142807",
        "000123",
        "142807",
        "1120",
        "06600001",
        "632514000123",
        "TERM0001",
        "MERCHANT0000001",
        "578",
        "1110000000002",
    ];
    let request = frame("0200", "F238 0001 08C0 8000 0000000004000000", &fields);
    let (answer, bytes) = bank.frame(&request).unwrap();
    assert_eq!(text(&answer, 54), "1001578C0000001250001002578C000000110000");
    let expected = [
        "16",
        CARD,
        "311000",
        "000000000000",
        "1120142807",
        "000123",
        "142807",
        "1120",
        "1120",
        "06600001",
        "632514000123",
        "00",
        "TERM0001",
        "MERCHANT0000001",
        "578",
        "0401001578C0000001250001002578C000000110000",
        "1110000000002",
    ];
    assert_eq!(bytes, frame("0210", "F23A 0001 0AC0 8400 0000000004000000", &expected));
}

#[test]
fn sign_on_sign_off_cut_over_and_echo_are_granted_and_nothing_else() {
    let mut bank = Bank::new();
    for (code, expected) in
        [("001", "00"), ("002", "00"), ("201", "00"), ("301", "00"), ("101", "40"), ("999", "40")]
    {
        let fields = ["0801120000", "000001", "06123456", code];
        let request = frame("0800", "8220000100000000 0400000000000000", &fields);
        let (answer, _) = bank.frame(&request).unwrap();
        assert_eq!(answer.get(field::RESPONSE_CODE).unwrap().as_str(), expected, "{code}");
        assert_eq!(text(&answer, 70), code);
    }
}

#[test]
fn a_sign_on_without_its_institution_is_told_so() {
    let mut bank = Bank::new();
    let fields = ["0801120000", "000001", "001"];
    let request = frame("0800", "8220000000000000 0400000000000000", &fields);
    let (answer, _) = bank.frame(&request).unwrap();
    assert_eq!((code(&answer), text(&answer, 44)), ("30".to_owned(), "032M".to_owned()));
}

#[test]
fn a_cut_over_moves_de15_and_a_replay_keeps_the_old_one() {
    let mut bank = Bank::new();
    let purchase = money("0200", "001000", 7, 1_000);
    assert_eq!(text(&bank.approve(&purchase), 15), "1120");
    bank.now.0 += 1_000;
    let mut cut_over = request("0800", "", 8);
    cut_over.retain(veksel_codecs::FieldSet::EMPTY);
    for (key, value) in [(field::TRANSMISSION, "1120120001"), (field::ACQUIRER, "123456")] {
        cut_over.set(key, value);
    }
    cut_over.set(field::STAN, 8);
    cut_over.set(field::NETWORK_CODE, 201);
    bank.approve(&cut_over);
    assert_eq!(text(&bank.approve(&money("0200", "001000", 9, 1_000)), 15), "1121");
    assert_eq!(text(&bank.approve(&purchase), 15), "1120");
    assert!(bank.is_replay);
}

#[test]
fn an_answer_is_never_answered() {
    let mut bank = Bank::new();
    let mut answer = request("0200", "311000", 1);
    answer.set_mti(Mti::parse("0210").unwrap());
    let mut bytes = bytes::BytesMut::new();
    bank.codec.encode(&answer, &mut bytes).unwrap();
    assert!(bank.frame(&bytes).is_none());
    assert!(bank.frame(b"junk").is_none());
}
