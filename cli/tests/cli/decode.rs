//! `veksel decode` as a user meets it: input by every way, golden outputs, exit codes.

use crate::ran::{Ran, message_bytes, run, run_with};

const PAN: &str = "4111111111111111";

/// A purchase: field numbers and what stands on the wire.
const PURCHASE: &[(u8, &str)] = &[
    (2, "164111111111111111"),
    (3, "000000"),
    (4, "000000001250"),
    (7, "1120142807"),
    (11, "000123"),
    (32, "06500001"),
    (49, "578"),
    (102, "1110000000001"),
];

/// A card number and its sequence number as BER-TLV, with a byte of filler.
const CHIP: &str = "015Z\u{8}A\u{11}\u{11}\u{11}\u{11}\u{11}\u{11}\u{11}_4\u{1}\u{1}\0";

const ECHO: &[(u8, &str)] = &[(7, "1120142807"), (11, "000123"), (32, "06500001"), (70, "301")];

fn purchase_with(number: u8, value: &'static str) -> Vec<u8> {
    let mut fields = PURCHASE.to_vec();
    fields.retain(|(known, _)| *known != number);
    fields.push((number, value));
    message_bytes("0200", &fields)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(bytes: &[u8]) -> Ran {
    run(&["decode", &hex(bytes)])
}

#[test]
fn a_message_becomes_a_table() {
    let ran = decode(&message_bytes("0200", PURCHASE));
    let expected = "\
frame 1: 0200 financial request, 96 bytes
DE   name                        value             offset
2    primary account number      411111******1111  20
3    processing code             000000            38
3.1  transaction type            00                38
3.2  from account type           00                40
3.3  to account type             00                42
4    amount, transaction         000000001250      44
7    transmission date and time  1120142807        56
11   system trace audit number   000123            66
32   acquiring institution       500001            72
49   currency, transaction       578               80
102  account identification 1    *******0001       83
";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, expected, ""));
}

#[test]
fn a_bad_digit_is_pointed_at_and_the_rest_is_read() {
    let ran = decode(&purchase_with(4, "0000A0001250"));
    let expected = "\
frame 1: 0200 financial request, 96 bytes
DE   name                        value             offset
2    primary account number      411111******1111  20
3    processing code             000000            38
3.1  transaction type            00                38
3.2  from account type           00                40
3.3  to account type             00                42
7    transmission date and time  1120142807        56
11   system trace audit number   000123            66
32   acquiring institution       500001            72
49   currency, transaction       578               80
102  account identification 1    *******0001       83
error: field 4 (amount, transaction): character 4 is not of class n (digits)
  --> frame 1, offset 48 (0x30)
     |
0020 | ** ** ** ** ** ** 30 30 30 30 30 30 30 30 30 30 | ******0000000000
0030 | 41 ** ** ** ** ** ** ** 31 31 32 30 31 34 32 38 | A*******11201428
     | ^^ here
0040 | 30 37 30 30 30 31 32 33 30 36 35 30 30 30 30 31 | 0700012306500001
   = expected: n12, digits
   = found: 0x41 `A`
";
    assert_eq!((ran.code, ran.out.as_str()), (1, expected));
}

#[test]
fn parts_of_fields_are_listed_and_masked_each_by_its_own() {
    let original = "020000012311201428070000050000100000000000";
    let more = [(54, "0202001578C000000125000"), (55, CHIP), (90, original)];
    let fields = [PURCHASE, &more[..]].concat();
    let ran = decode(&message_bytes("0200", &fields));
    let squeezed: Vec<_> =
        ran.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "54 additional amounts 2001578C000000125000 83",
        "54.1 group 2001578C000000125000 86",
        "54.1.1 account type 20 86",
        "54.1.2 amount type 01 88",
        "54.1.3 currency 578 90",
        "54.1.4 amount C000000125000 93",
        "55 chip data **** 106",
        "55.5A application PAN 411111******1111 109",
        "55.5F34 application PAN sequence number 01 119",
    ];
    assert!(squeezed.windows(expected.len()).any(|lines| lines == expected), "{}", ran.out);
    let json = run(&["decode", "--json", &hex(&message_bytes("0200", &fields))]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let fields = json["frames"][0]["fields"].as_array().unwrap().clone();
    let stan = fields.iter().find(|field| field["path"] == "90.2").unwrap();
    assert_eq!((&stan["number"], &stan["value"]), (&90.into(), &"000123".into()));
}

/// Runs with a dialect file that has this in front of its parts.
fn decode_with(dialect: &str, fields: &[(u8, &str)], more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let text = format!("name = \"mine\"\nextends = \"cbs-ascii-bin\"\n{dialect}");
    std::fs::write(&path, text).unwrap();
    let fields = [PURCHASE, fields].concat();
    let bytes = hex(&message_bytes("0200", &fields));
    let mut arguments = vec!["decode", "--dialect", path.to_str().unwrap()];
    arguments.extend(more);
    arguments.push(&bytes);
    run(&arguments)
}

#[test]
fn bad_parts_are_a_format_error_where_the_dialect_has_them_looked_at() {
    let ber = "[nested.55]\nform = \"ber-tlv\"\n";
    let chip = [(55, "006\u{1A}\u{1}A\u{16}\u{9}A")];
    for (dialect, code) in [
        (String::new(), 0),
        ("check_nested = true".to_owned(), 1),
        (format!("{ber}check = true"), 1),
        (format!("check_nested = true\n{ber}check = false"), 0),
    ] {
        let ran = decode_with(&dialect, &chip, &[]);
        assert_eq!(ran.code, code, "{dialect}: {}", ran.out);
        assert_eq!(ran.out.contains("\nerror: "), code == 1, "{dialect}: {}", ran.out);
    }
    let amounts = [(54, "0202001578X000000125000")];
    let ran = decode_with("check_nested = true", &amounts, &[]);
    let expected = "\
error: field 54.1.4 (additional amounts): character 0 is not of class x+n (C or D and digits)
  --> frame 1, offset 93 (0x5d)
     |
0040 | 30 37 30 30 30 31 32 33 30 36 35 30 30 30 30 31 | 0700012306500001
0050 | 35 37 38 30 32 30 32 30 30 31 35 37 38 58 30 30 | 5780202001578X00
     |                                        ^^ here
0060 | 30 30 30 30 31 32 35 30 30 30 31 31 ** ** ** ** | 000012500011****
   = expected: C or D and digits
   = found: 0x58 `X`
";
    assert_eq!(ran.code, 1);
    assert!(ran.out.ends_with(expected), "{}", ran.out);
    let ran = decode_with("check_nested = true", &amounts, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let error = &json["frames"][0]["error"];
    assert_eq!((ran.code, &json["valid"], &error["path"]), (1, &false.into(), &"54.1.4".into()));
    assert_eq!((&error["field"], &error["offset"]), (&54.into(), &93.into()));
    assert_eq!((&error["kind"], &error["de44"]), (&"content".into(), &"054V.1.4".into()));
}

#[test]
fn bad_parts_of_a_closed_field_are_not_shown() {
    // Digits where tags should be: no tag, length or byte of them shows.
    let private = "check_nested = true\n[fields]\n60 = { name = \"channel\", \
                   format = \"LLL ans..99\", sensitive = \"private\" }\n[nested.60]\n\
                   form = \"tagged\"\nlayout = \"TT LL\"\n";
    let fields = [(60, "0169876543210987654")];
    let ran = decode_with(private, &fields, &[]);
    let expected = "\
60   channel                            <16 characters>   83
60   cannot be read: a length is wrong                    88
102  account identification 1           *******0001       102
error: field 60 (channel): a length is wrong
  --> frame 1, offset 88 (0x58)
     |
0040 | 30 37 30 30 30 31 32 33 30 36 35 30 30 30 30 31 | 0700012306500001
0050 | 35 37 38 30 31 36 ** ** ** ** ** ** ** ** ** ** | 578016**********
     |                         ^^ here
0060 | ** ** ** ** ** ** 31 31 ** ** ** ** ** ** ** ** | ******11********
   = expected: a length that fits
   = found: one that is not shown
";
    assert_eq!(ran.code, 1);
    assert!(ran.out.ends_with(expected), "{}", ran.out);
    let json = decode_with(private, &fields, &["--json"]);
    for digits in ["9876", "7654", "6543", "5432"] {
        assert!(!ran.out.contains(digits) && !json.out.contains(digits), "{}", json.out);
    }
}

#[test]
fn a_message_that_ends_too_early_says_where() {
    let bytes = message_bytes("0800", ECHO);
    let ran = decode(&bytes[..40]);
    let expected = "\
frame 1: 0800 network management request, 40 bytes
DE  name                        value       offset
7   transmission date and time  1120142807  20
11  system trace audit number   000123      30
error: field 32 (acquiring institution): the message ends within it: 6 bytes needed, 2 left
  --> frame 1, offset 36 (0x24)
     |
0010 | 00 00 00 00 31 31 32 30 31 34 32 38 30 37 30 30 | ....112014280700
0020 | 30 31 32 33 30 36 35 30                         | 01230650
     |             ^^ here
   = expected: 6 bytes
   = found: 2, then the message ends
";
    assert_eq!((ran.code, ran.out.as_str()), (1, expected));
}

#[test]
fn a_field_outside_the_dialect_is_named_and_not_shown() {
    let ran = decode(&purchase_with(35, "214111111111111111=29"));
    assert_eq!(ran.code, 1);
    let expected = "\
error: field 35: it is in the bitmap but not in the dialect
  --> frame 1, offset 80 (0x50)
     |
0040 | 30 37 30 30 30 31 32 33 30 36 35 30 30 30 30 31 | 0700012306500001
0050 | ** ** ** ** ** ** ** ** ** ** ** ** ** ** ** ** | ****************
     | ^^ here
0060 | ** ** ** ** ** ** ** ** ** ** ** ** ** ** ** ** | ****************
   = expected: a field of cbs-ascii-bin (between 33 and 37 there is none)
   = found: field 35 in the bitmap
";
    assert!(ran.out.ends_with(expected), "{}", ran.out);
}

#[test]
fn a_bitmap_in_hexadecimal_is_recognised() {
    let binary = message_bytes("0200", PURCHASE);
    let mut bytes = binary[..4].to_vec();
    bytes.extend(hex(&binary[4..20]).to_uppercase().bytes());
    bytes.extend(&binary[20..]);
    let ran = decode(&bytes);
    assert_eq!(ran.code, 1);
    let cause = "   = likely cause: the bitmap looks like hexadecimal characters; \
                 this dialect has it in binary\n";
    assert!(ran.out.ends_with(cause), "{}", ran.out);
    let ran = run(&["decode", "--dialect", "cbs-ascii-hex", &hex(&bytes)]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("411111******1111"));
}

#[test]
fn input_comes_by_many_ways() {
    let bytes = message_bytes("0800", ECHO);
    let mut framed = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(&bytes);
    let dump: String = bytes
        .chunks(16)
        .zip(0..)
        .map(|(chunk, line)| {
            let pairs: Vec<_> = chunk.chunks(2).map(hex).collect();
            format!("{:08x}: {:<40} ........\n", line * 16, pairs.join(" "))
        })
        .collect();
    let expected = decode(&bytes).out;
    let framed_title = expected.replace("47 bytes", "47 bytes after 2 of length and header");
    let spaced = bytes.iter().map(|byte| format!("0x{byte:02X} ")).collect::<String>();
    for (arguments, input, expected) in [
        (&["decode"][..], spaced.as_bytes(), &expected),
        (&["decode", "-"], dump.as_bytes(), &expected),
        (&["decode", "--no-frame"], &bytes, &expected),
        (&["decode", "--raw"], &framed, &framed_title),
        (&["decode", "--framing", "binary2"], &framed, &framed_title),
    ] {
        let ran = run_with(arguments, input, &[]);
        assert_eq!((ran.code, &ran.out), (0, expected), "{arguments:?}");
    }
}

#[test]
fn several_frames_and_what_is_left_of_them() {
    let bytes = message_bytes("0800", ECHO);
    let mut stream = Vec::new();
    for _ in 0..2 {
        stream.extend([0, 47]);
        stream.extend(&bytes);
    }
    let ran = run_with(&["decode"], &stream, &[]);
    assert_eq!((ran.code, ran.out.matches("0800 network").count()), (0, 2));
    let ran = run_with(&["decode"], &stream[..60], &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("error: frame 2 is longer than the input"), "{}", ran.out);
    let text = format!("{}\n\n{}\n", hex(&bytes), hex(&bytes));
    let ran = run_with(&["decode"], text.as_bytes(), &[]);
    assert_eq!((ran.code, ran.out.matches("0800 network").count()), (0, 2));
}

#[test]
fn messages_one_after_another_are_told_apart_by_their_dialect() {
    let stream = message_bytes("0800", ECHO).repeat(2);
    let arguments = ["decode", "--framing", "message"];
    let ran = run_with(&arguments, &stream, &[]);
    assert_eq!((ran.code, ran.out.matches("0800 network").count()), (0, 2));
    let ran = run_with(&arguments, &stream[..60], &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("error: frame 2 is longer than the input"), "{}", ran.out);
    // Field 35 in the second, which the dialect has not.
    let mut broken = stream;
    broken[47 + 8] |= 0x20;
    let ran = run_with(&arguments, &broken, &[]);
    assert_eq!((ran.code, ran.out.matches("0800 network").count()), (1, 2));
    assert!(ran.out.contains("   = found: field 35 in the bitmap\n"), "{}", ran.out);
    let short = ["decode", "--framing", "message,frame_max=40"];
    let ran = run_with(&short, &broken, &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("error: message has no end: field"), "{}", ran.out);
}

#[test]
fn what_is_no_input() {
    assert_eq!(run_with(&["decode"], b"", &[]).code, 1);
    let ran = run(&["decode", "xyz"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.starts_with("error: not hexadecimal at line 1, column 1\n"), "{}", ran.err);
    assert_eq!(run(&["decode", "--file", "/nowhere/at/all"]).code, 1);
    assert_eq!(run(&["decode", "--dialect", "nothing", "30"]).code, 2);
}

#[test]
fn json_has_the_same_in_it() {
    let ran = run(&["decode", "--json", &hex(&purchase_with(4, "0000A0001250"))]);
    assert_eq!(ran.code, 1);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(json["valid"], false);
    let frame = &json["frames"][0];
    assert_eq!(frame["mti"], "0200");
    assert_eq!(frame["meaning"], "financial request");
    assert_eq!(frame["fields"][0]["number"], 2);
    assert_eq!(frame["fields"][0]["value"], "411111******1111");
    assert_eq!(frame["fields"][0]["offset"], 20);
    let error = &frame["error"];
    assert_eq!((&error["field"], &error["offset"]), (&4.into(), &48.into()));
    assert_eq!((&error["kind"], &error["de44"]), (&"content".into(), &"004V".into()));
}

#[test]
fn nothing_shows_a_card_number_unless_told_to() {
    let valid = message_bytes("0200", PURCHASE);
    let mut misread = valid[..4].to_vec();
    misread.extend(hex(&valid[4..20]).bytes());
    misread.extend(&valid[20..]);
    let mut cases: Vec<Vec<u8>> = vec![valid.clone(), misread, purchase_with(3, "0000X0")];
    cases.extend((20..valid.len()).map(|end| valid[..end].to_vec()));
    for at in 20..38 {
        let mut broken = valid.clone();
        broken[at] = b'X';
        cases.push(broken);
    }
    for bytes in cases {
        for dialect in ["cbs-ascii-bin", "cbs-ascii-hex", "cbs-bcd", "network-session"] {
            for json in [&[][..], &["--json"]] {
                let mut arguments = vec!["decode", "--raw", "--dialect", dialect];
                arguments.extend(json);
                let ran = run_with(&arguments, &bytes, &[]);
                assert_no_card(&ran.out, &bytes);
                assert_no_card(&ran.err, &bytes);
            }
        }
    }
    let ran = run(&["decode", "--unsafe", &hex(&valid)]);
    assert!(ran.out.contains(PAN));
}

/// No run of the card's digits longer than the first six and the last four may show, in
/// characters or in hexadecimal.
fn assert_no_card(text: &str, bytes: &[u8]) {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    for window in PAN.as_bytes().windows(10) {
        let characters = String::from_utf8_lossy(window).into_owned();
        assert!(!digits.contains(&characters), "{}\n{text}", hex(bytes));
        assert!(!digits.contains(&hex(window)), "{}\n{text}", hex(bytes));
    }
}
