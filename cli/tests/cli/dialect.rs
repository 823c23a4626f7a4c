//! `veksel dialect`: tables, golden outputs and exit codes.

use crate::ran::run;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the codec crate's tests.
fn given(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../codecs/tests/import");
    folder.join(name).display().to_string()
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn json(out: &str) -> serde_json::Value {
    serde_json::from_str(out).unwrap()
}

#[test]
fn the_shipped_ones_are_listed_and_shown() {
    let ran = run(&["dialect", "list"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.out.starts_with("dialect          fields  rules  title\ncbs-ascii-bin    68"),
        "{}",
        ran.out
    );
    let ran = run(&["dialect", "show", "cbs-bcd"]);
    let start = "\
cbs-bcd: CBS-ISO/1, packed numbers with binary bitmap
  mti: bcd
  bitmap: binary
  bitmap_bytes: 0
  digits: bcd
  track: ascii
  text: ascii
  signed: ascii
  binary: binary
  code_page: 037
  length: bcd
  count: digits
  inclusive: false
  fill_digits: left-zero
  fill_text: right-space
  response_codes: 1987

DE   name                                  format        encoding  shown
2    primary account number                LL n..19                pan
";
    assert!(ran.out.starts_with(start), "{}", ran.out);
    assert!(ran.out.contains("\npurchase          0200       00 01 09 20"), "{}", ran.out);
    let shown = json(&run(&["dialect", "show", "cbs-bcd", "--json"]).out);
    assert_eq!(shown["encodings"]["bitmap"], "binary");
    assert_eq!(shown["fields"][0]["sensitive"], "pan");
    let docs = run(&["dialect", "docs", "cbs-bcd"]);
    assert!(
        docs.out.contains("\n| 2 | primary account number | LL n..19 |  | pan |\n"),
        "{}",
        docs.out
    );
    assert!(
        docs.out.contains("\n### purchase\n\n0200, processing codes 00, 01, 09, 20\n"),
        "{}",
        docs.out
    );
}

#[test]
fn a_name_that_is_none_is_wrong_usage() {
    let ran = run(&["dialect", "show", "cbs"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    let expected = "error: there is no dialect `cbs`\n  = it is one of cbs-ascii-bin,";
    assert!(ran.err.starts_with(expected), "{}", ran.err);
    let ran = run(&["dialect", "show", "/nowhere/mine.toml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("/nowhere/mine.toml cannot be read"), "{}", ran.err);
}

#[test]
fn every_mistake_is_pointed_at() {
    let folder = tempfile::tempdir().unwrap();
    let text = "name = \"x\"\n[fields]\n4 = { name = \"a\", format = \"q\" }\n\
                193 = { name = \"a\", format = \"n6\" }\n";
    let path = written(folder.path(), "mine.toml", text);
    let ran = run(&["dialect", "lint", &path]);
    let expected = format!(
        "error: a format is for instance `n6`, `LL n..19`, `LLL ans..999` or `x+n8`
 --> {path}:3:28
  |
3 | 4 = {{ name = \"a\", format = \"q\" }}
  |                            ^ here
error: `193` is not a field number, 2 to 192
 --> {path}:4:1
  |
4 | 193 = {{ name = \"a\", format = \"n6\" }}
  | ^ here
{path}: 2 errors
"
    );
    assert_eq!((ran.code, ran.out), (64, expected));
    assert_eq!(json(&run(&["dialect", "lint", &path, "--json"]).out)["problems"][1]["line"], 4);
    let ran = run(&["dialect", "show", &path]);
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("mine.toml:4:1: `193` is not"), "{}", ran.err);
    let open = "name = \"x\"\ntitle = \"t\"\n[fields]\n\
                2 = { name = \"card\", format = \"LL n..19\", sensitive = \"none\" }\n";
    let path = written(folder.path(), "open.toml", open);
    let ran = run(&["dialect", "lint", &path]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("field 2 (card) would be shown to everybody"), "{}", ran.out);
    assert!(ran.out.contains("no presence rules"), "{}", ran.out);
}

#[test]
fn an_import_says_what_it_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("link.toml").display().to_string();
    let specification = given("jpos.xml");
    let ran = run(&["dialect", "import", "--from", "jpos", &specification, "--out", &out]);
    assert_eq!((ran.code, ran.out), (0, format!("{out}: 18 fields; 1 were left out\n")));
    assert!(
        ran.err.contains("omitted: field 62 (line 34): the class IFX_LLCHAR is not known"),
        "{}",
        ran.err
    );
    assert_eq!(run(&["dialect", "lint", &out]).code, 0);
    let parts = folder.path().join("parts.toml").display().to_string();
    let nested = given("jpos-nested.xml");
    let ran = run(&["dialect", "import", "--from", "jpos", &nested, "--out", &parts]);
    let left = "7 fields; 0 were left out, and 1 of their parts";
    assert_eq!((ran.code, ran.out), (0, format!("{parts}: {left}\n")));
    assert_eq!(run(&["dialect", "lint", &parts]).code, 0);
    // It is not written over.
    let again = run(&["dialect", "import", "--from", "jpos", &specification, "--out", &out]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("link.toml cannot be written"), "{}", again.err);
    let strict = run(&["dialect", "import", "--from", "jpos", "--strict", &specification]);
    assert_eq!(strict.code, 1);
    assert!(strict.out.starts_with("name = \"jpos\"\n"), "{}", strict.out);
    let value = run(&["dialect", "import", "--from", "moov", "--json", &given("moov.json")]);
    assert_eq!(json(&value.out)["remarks"][1]["field"], "41");
    let wrong = run(&["dialect", "import", "--from", "moov", &specification]);
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""));
    assert!(wrong.err.contains("jpos.xml:1: "), "{}", wrong.err);
}

/// From the specification of another product and messages that this product wrote, by the commands
/// alone.
#[test]
fn what_other_products_wrote_passes_through_the_imported_dialect() {
    let folder = tempfile::tempdir().unwrap();
    for (notation, name) in [
        ("jpos", "jpos-cbs-bcd"),
        ("moov", "moov-cbs-ascii-hex"),
        ("iso8583_rs", "iso8583_rs-cbs-ascii-bin"),
    ] {
        let dialect = folder.path().join(format!("{name}.toml")).display().to_string();
        let specification = given(&format!("samples/{name}.spec"));
        let samples = given(&format!("samples/{name}.jsonl"));
        let arguments = [
            "dialect",
            "import",
            "--strict",
            "--from",
            notation,
            &specification,
            "--out",
            &dialect,
        ];
        assert_eq!(run(&arguments).code, 0, "{name}");
        let ran = run(&["dialect", "test", &dialect, &samples]);
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (0, "12 samples read and written again\n"),
            "{name}"
        );
    }
}

/// Every dialect reads its own samples as they are written, and is found by them.
#[test]
fn the_samples_of_the_shipped_dialects_are_samples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../codecs/dialects/samples");
    for (name, _) in veksel_codecs::dialect::SHIPPED {
        let path = folder.join(format!("{name}.txt")).display().to_string();
        let ran = run(&["dialect", "test", name, &path]);
        assert_eq!(ran.code, 0, "{name}: {}{}", ran.out, ran.err);
        assert!(ran.out.ends_with("samples read and written again\n"), "{}", ran.out);
        let ran = run(&["dialect", "infer", &path]);
        let fits = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            words.get(..2) == Some(&[*name, "fits"][..])
        };
        assert!(ran.code == 0 && ran.out.lines().any(fits), "{name}: {}", ran.out);
    }
    // By another dialect they are not what they say.
    let path = folder.join("cbs-bcd.txt").display().to_string();
    assert_eq!(run(&["dialect", "test", "cbs-ascii-bin", &path]).code, 1);
}

#[test]
fn a_sample_that_is_listed_wrongly_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(folder.path(), "samples.txt", "wire\n  0800\nmti 0800\n2 4111\n");
    let ran = run(&["dialect", "test", "cbs-bcd", &path]);
    assert_eq!(ran.code, 1);
    let why = "line 4: a value is characters between quotes, or x and hexadecimal between them";
    assert!(ran.err.contains(why) && !ran.err.contains("4111"), "{}", ran.err);
}

#[test]
fn a_sample_that_is_not_as_it_should_be_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let frame = "3038303082200000800000000400000000000000\
                 313132303134323830373030303132333036353030303031333031";
    let line = |fields: &str| {
        format!("{{\"frame\": \"{frame}\", \"mti\": \"0810\", \"fields\": {fields}}}\n")
    };
    let samples = [
        line("{\"7\": \"1120142807\", \"11\": \"000124\", \"70\": \"301\", \"4\": \"1\"}"),
        "{\"frame\": \"3038\"}\n".to_owned(),
    ];
    let path = written(folder.path(), "samples.jsonl", &samples.concat());
    let ran = run(&["dialect", "test", "cbs-ascii-bin", &path]);
    assert_eq!(ran.code, 1);
    for complaint in [
        "sample 1: its type is 0800 and not 0810\n",
        "sample 1: field 11 has another value\n",
        "sample 1: field 4 is not there\n",
        "sample 2: message type at offset 0",
    ] {
        assert!(ran.out.contains(complaint), "{complaint}: {}", ran.out);
    }
    assert!(!ran.out.contains("000123"), "{}", ran.out);
}

#[test]
fn dialects_are_compared() {
    let same = run(&["dialect", "diff", "cbs-bcd", "cbs-bcd"]);
    assert_eq!((same.code, same.out.as_str()), (0, "cbs-bcd and cbs-bcd are the same\n"));
    let ran = run(&["dialect", "diff", "cbs-ascii-bin", "cbs-bcd"]);
    let expected = "\
what    cbs-ascii-bin  cbs-bcd
digits  ascii          bcd
length  ascii          bcd
mti     ascii          bcd
";
    assert_eq!((ran.code, ran.out.as_str()), (1, expected));
    let folder = tempfile::tempdir().unwrap();
    let text = "name = \"mine\"\ntitle = \"t\"\nextends = \"cbs-ascii-bin\"\n[fields]\n\
                35 = { name = \"track 2\", format = \"LL z..37\" }\n";
    let path = written(folder.path(), "mine.toml", text);
    let ran = run(&["dialect", "diff", "cbs-ascii-bin", &path, "--json"]);
    let differences = &json(&ran.out)["differences"];
    assert_eq!(differences.as_array().unwrap().len(), 1);
    assert_eq!(differences[0]["what"], "field 35");
    assert_eq!(differences[0]["b"], "LL z..37, secret");
}

#[test]
fn the_dialect_of_a_capture_is_found() {
    let folder = tempfile::tempdir().unwrap();
    // An echo in ASCII with hexadecimal bitmap, with a length in front.
    let message = b"003708008220000000000000040000000000000011201428070001233010";
    let message = &message[4..message.len() - 1];
    let hex: String = message.iter().map(|byte| format!("{byte:02x}")).collect();
    let digits: String =
        format!("{:04}", message.len()).bytes().map(|b| format!("{b:02x}")).collect();
    let framed = format!("{:04x}{hex}\n\n{hex}\n\n{digits}{hex}\n", message.len());
    let path = written(folder.path(), "capture.hex", &framed);
    let ran = run(&["dialect", "infer", &path]);
    assert_eq!(ran.code, 0);
    let first = ran.out.lines().nth(1).unwrap();
    assert_eq!(
        first.split_whitespace().collect::<Vec<_>>(),
        ["cbs-ascii-hex", "fits", "3", "of", "3"]
    );
    assert!(ran.out.contains("capture.hex, message 1: "), "{}", ran.out);
    let path = written(folder.path(), "noise.hex", "ffffffff\n");
    assert_eq!(run(&["dialect", "infer", &path]).code, 1);
}
