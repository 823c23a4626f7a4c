//! `veksel send` against a host of a few lines that answers as the test says.

use crate::ran::{Ran, run, run_with};
use bytes::BytesMut;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use veksel_codecs::{Codec, Dialect, Framing, LengthForm, Message, Mti, ResponseCode, Step, field};

/// A host for one connection. It ends when its script does.
struct Host {
    address: SocketAddr,
    thread: JoinHandle<Message>,
}

/// What a host does with the one request it gets.
type Script = fn(&mut TcpStream, &Message);

fn codec() -> Codec {
    Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap())
}

impl Host {
    fn start(script: Script) -> Self {
        Self::start_with(Framing::binary2(), script)
    }

    fn start_with(framing: Framing, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut received = Vec::new();
            let request = loop {
                let mut buffer = [0; 512];
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "closed before a request");
                received.extend_from_slice(&buffer[..count]);
                let step = framing.decode_with(&codec(), &received).unwrap();
                if let Step::Frame { message, .. } = step {
                    let mut request = Message::new();
                    codec().decode_into(message, &mut request).unwrap();
                    break request;
                }
            };
            script(&mut stream, &request);
            request
        });
        Self { address, thread }
    }

    /// Sends to this host, and gives what it received too.
    fn answer(self, arguments: &[&str]) -> (Ran, Message) {
        let address = self.address.to_string();
        let mut all = vec!["send", "--to", &address];
        all.extend(arguments);
        let ran = run(&all);
        (ran, self.thread.join().unwrap())
    }
}

/// The answer to a request: what it repeats, and a code.
fn answer(request: &Message, code: ResponseCode) -> Message {
    let codec = codec();
    let rule = codec.rule(request).unwrap();
    let mut answer = Message::of(request.mti().response().unwrap());
    for number in rule.answer.echo.iter().filter(|number| request.fields().has(*number)) {
        answer.copy_field(request, number);
    }
    answer.set(field::SETTLEMENT_DATE, "1120");
    answer.set(field::RESPONSE_CODE, code);
    answer
}

fn framed(message: &Message) -> Vec<u8> {
    let mut frame = BytesMut::new();
    let codec = codec();
    Framing::binary2().encode(&[], &mut frame, |out| codec.encode(message, out)).unwrap();
    frame.to_vec()
}

fn say(stream: &mut TcpStream, message: &Message) {
    stream.write_all(&framed(message)).unwrap();
}

fn balances(stream: &mut TcpStream, request: &Message) {
    let mut answer = answer(request, ResponseCode::APPROVED);
    answer.set(field::APPROVAL, "A00001");
    answer.set(field::ADDITIONAL_AMOUNTS, "1001578C0000001250001002578C000000110000");
    say(stream, &answer);
}

fn declines(stream: &mut TcpStream, request: &Message) {
    say(stream, &answer(request, ResponseCode::INSUFFICIENT_FUNDS));
}

/// The same without anything around it, and in pieces.
fn balances_bare(stream: &mut TcpStream, request: &Message) {
    let mut bytes = BytesMut::new();
    codec().encode(&answer(request, ResponseCode::APPROVED), &mut bytes).unwrap();
    stream.set_nodelay(true).unwrap();
    bytes.chunks(7).for_each(|piece| stream.write_all(piece).unwrap());
}

const BALANCE: &[&str] = &["balance", "--account", "10000000002", "--type", "savings"];

const TRANSFER: &[&str] =
    &["transfer", "--from", "10000000001", "--into", "10000000002", "--amount", "12.50"];

#[test]
fn a_balance_is_decoded() {
    let (ran, request) = Host::start(balances).answer(BALANCE);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let stan = request.get(field::STAN).unwrap();
    let rrn = request.get(field::RRN).unwrap();
    let expected = format!(
        "response 00 approved\nledger 1250.00 NOK\navailable 1100.00 NOK\napproval A00001\n\
         rrn {rrn}\nstan {stan:06}\nlatency "
    );
    assert!(ran.out.starts_with(&expected), "{}", ran.out);
    assert_eq!(request.get(field::PROCESSING_CODE).unwrap(), "311000");
    assert_eq!(request.get(field::ACCOUNT).unwrap(), "10000000002");
}

#[test]
fn a_host_may_speak_in_messages_that_nothing_else_delimits() {
    let bare = Framing { length: LengthForm::Message, ..Framing::binary2() };
    let arguments = [BALANCE, &["--framing", "message"]].concat();
    let (ran, request) = Host::start_with(bare, balances_bare).answer(&arguments);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(request.get(field::PROCESSING_CODE).unwrap(), "311000");
    assert!(ran.out.starts_with("response 00 approved\n"), "{}", ran.out);
}

#[test]
fn json_has_everything() {
    let mut arguments = BALANCE.to_vec();
    arguments.push("--json");
    let (ran, request) = Host::start(balances).answer(&arguments);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["approved"]), (0, &true.into()));
    assert_eq!((&json["response_code"], &json["meaning"]), (&"00".into(), &"approved".into()));
    assert_eq!(json["rrn"], request.get(field::RRN).unwrap().as_str());
    assert_eq!(json["balances"][1]["type"], "available");
    assert_eq!(json["balances"][1]["amount"], "1100.00");
    assert_eq!(json["balances"][1]["amount_minor"], 110_000);
    assert_eq!(json["request"]["mti"], "0200");
    assert_eq!(json["response"]["fields"][0]["number"], 3);
    assert!(json["latency_us"].as_u64().is_some());
}

fn waits_for_the_customer(stream: &mut TcpStream, request: &Message) {
    let mut answer = answer(request, ResponseCode::parse("09").unwrap());
    answer.set(field::ADDITIONAL_DATA, "P1081b3ab8e8P212ababababababP312261121090500P5041428");
    say(stream, &answer);
}

/// The bank has the payment, and its customer has not approved it.
#[test]
fn a_payment_that_waits_says_where_and_until_when() {
    let (ran, _) = Host::start(waits_for_the_customer).answer(TRANSFER);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    let expected = "reference 1b3ab8e8\nlink abababababab\nexpires 2026-11-21T09:05:00Z\n\
                    provider_code 1428\n";
    assert!(ran.out.starts_with("response 09 ") && ran.out.contains(expected), "{}", ran.out);
    let json = [TRANSFER, &["--json"]].concat();
    let (ran, _) = Host::start(waits_for_the_customer).answer(&json);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&json["link"], &json["approved"]), (&"abababababab".into(), &false.into()));
    assert_eq!(json["expires"], "2026-11-21T09:05:00Z");
}

fn old_balances(stream: &mut TcpStream, request: &Message) {
    let mut answer = answer(request, ResponseCode::APPROVED);
    answer.set(field::ADDITIONAL_AMOUNTS, "0001578C0000001250000002578C000000110000");
    answer.set(field::ADDITIONAL_DATA, "P403125");
    say(stream, &answer);
}

#[test]
fn a_balance_that_is_not_fresh_says_how_old_it_is() {
    let (ran, _) = Host::start(old_balances).answer(BALANCE);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("balance_age_minutes 125\n"), "{}", ran.out);
}

#[test]
fn a_decline_is_1() {
    let (ran, request) = Host::start(declines).answer(TRANSFER);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert!(ran.out.starts_with("response 51 insufficient funds\n"), "{}", ran.out);
    assert_eq!(request.get(field::AMOUNT), Some(1_250));
    assert_eq!(request.get(field::COUNTER_ACCOUNT).unwrap(), "10000000002");
}

#[test]
fn a_statement_is_a_table() {
    let script: Script = |stream, request| {
        let mut answer = answer(request, ResponseCode::APPROVED);
        let header = "DATE_TIME|SEQ_NR|TRAN_TYPE|TRAN_AMOUNT|CURR_CODE|DR_CR|NARR~";
        let row = "20260801143005|000001|01|000000010000|578|D|ATM WDL~";
        answer.set(field::ADDITIONAL_DATA, &format!("{header}{row}"));
        answer.set(field::ADDITIONAL_AMOUNTS, "2001578C0000001250002002578C000000110000");
        say(stream, &answer);
    };
    let (ran, request) =
        Host::start(script).answer(&["statement", "--account", "10000000001", "--lines", "3"]);
    assert_eq!(ran.code, 0);
    let row = "\n2026-08-01 14:30:05  000001  withdrawal  -100.00  NOK       ATM WDL\n";
    assert!(ran.out.ends_with(row), "{}", ran.out);
    assert_eq!(request.get(field::ADDITIONAL_DATA).unwrap(), "010203");
}

#[test]
fn an_answer_in_pieces_among_others_is_found() {
    let script: Script = |stream, request| {
        let right = answer(request, ResponseCode::APPROVED);
        let stan = request.get(field::STAN).unwrap();
        let mut other_stan = right.clone();
        other_stan.set(field::STAN, stan % 999_999 + 1);
        other_stan.set(field::RESPONSE_CODE, ResponseCode::ERROR);
        let mut other_rrn = right.clone();
        other_rrn.set(field::RRN, "000000000000");
        let mut other_type = right.clone();
        other_type.set_mti(Mti::known(b"0110"));
        let others = [&other_stan, &other_rrn, &other_type];
        let mut bytes = vec![0, 0];
        bytes.extend(others.into_iter().flat_map(framed));
        stream.write_all(&bytes).unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in framed(&right) {
            stream.write_all(&[byte]).unwrap();
        }
    };
    let (ran, _) = Host::start(script).answer(TRANSFER);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.ends_with("ignored 3 messages that answer something else\n"), "{}", ran.out);
}

#[test]
fn silence_is_an_unknown_outcome() {
    let script: Script = |stream, _| {
        // Until the client has given up.
        let _ = stream.read(&mut [0; 1]);
    };
    let mut arguments = TRANSFER.to_vec();
    arguments.extend(["--timeout", "200ms"]);
    let (ran, _) = Host::start(script).answer(&arguments);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let expected =
        "error: no answer within 200 ms; the outcome is unknown\n  = nothing came at all\n";
    assert_eq!(ran.err, expected);
    arguments.push("--json");
    let (ran, _) = Host::start(script).answer(&arguments);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &json["error"]["kind"]), (1, &"timeout".into()));
}

#[test]
fn a_connection_that_ends_or_speaks_nonsense() {
    let closes: Script = |_, _| {};
    let (ran, _) = Host::start(closes).answer(TRANSFER);
    assert_eq!(ran.code, 1);
    let start = "error: the connection was closed before an answer; the outcome is unknown\n";
    assert!(ran.err.starts_with(start), "{}", ran.err);
    let nonsense: Script = |stream, _| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read(&mut [0; 1]);
    };
    let (ran, _) = Host::start(nonsense).answer(TRANSFER);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("= does --framing fit the other side?"), "{}", ran.err);
    let unreadable: Script = |stream, _| stream.write_all(b"\x00\x060210ab").unwrap();
    let (ran, _) = Host::start(unreadable).answer(TRANSFER);
    assert!(ran.err.starts_with("error: the answer cannot be read: "), "{}", ran.err);
}

#[test]
fn nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut arguments = vec!["send"];
    arguments.extend(BALANCE);
    let ran = run_with(&arguments, b"", &[("VEKSEL_TO", &address)]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with(&format!("error: cannot connect to {address}: ")), "{}", ran.err);
    assert!(ran.err.contains("veksel demo"));
}

#[test]
fn a_request_against_the_rules_is_not_sent() {
    // Nobody listens there, so an attempt to send would be told as such.
    let ran = run(&["send", "--to", "127.0.0.1:1", "balance", "--account", "1", "--without", "49"]);
    let expected = "error: field 49 (currency, transaction): it is mandatory and absent\n  \
                    = nothing was sent; --no-check sends it all the same\n";
    assert_eq!((ran.code, ran.err.as_str()), (1, expected));
    let long = "1".repeat(29);
    let ran = run(&["send", "--to", "127.0.0.1:1", "balance", "--account", &long]);
    let expected = "error: field 102 (account identification 1): its length 29 exceeds 28\n";
    assert!(ran.code == 1 && ran.err.starts_with(expected), "{}", ran.err);
    let ran = run(&["send", "--to", "127.0.0.1:1", "--mti", "0200", "--set", "3=990000"]);
    let expected = "error: dialect cbs-ascii-bin has no 0200 with this processing code\n";
    assert!(ran.code == 1 && ran.err.starts_with(expected), "{}", ran.err);
}

#[test]
fn a_format_error_is_explained() {
    let script: Script = |stream, request| {
        let mut answer = Message::of(request.mti().response().unwrap());
        for key in [field::STAN.number(), field::RRN.number()] {
            answer.copy_field(request, key);
        }
        answer.set(field::RESPONSE_CODE, ResponseCode::FORMAT_ERROR);
        answer.set(field::ADDITIONAL_RESPONSE, "049M");
        say(stream, &answer);
    };
    let arguments = ["balance", "--account", "1", "--without", "49", "--no-check"];
    let (ran, request) = Host::start(script).answer(&arguments);
    assert_eq!(ran.code, 1);
    let start = "response 30 format error\n\
                 fault field 49 (currency, transaction): it is mandatory and absent\n";
    assert!(ran.out.starts_with(start), "{}", ran.out);
    assert!(!request.has(field::CURRENCY));
}

#[test]
fn both_messages_are_shown_without_what_is_sensitive() {
    const PAN: &str = "4111111111111111";
    let base = ["purchase", "--account", "10000000001", "--pan", PAN, "--amount", "1"];
    let secret = ["--set", "52=0x0123456789ABCDEF", "--show"];
    let show = |more: &[&str]| {
        let arguments = [&base[..], &secret, more].concat();
        Host::start(|stream, request| say(stream, &answer(request, ResponseCode::APPROVED)))
            .answer(&arguments)
            .0
    };
    for ran in [show(&[]), show(&["--json"])] {
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out.contains("411111******1111"), "{}", ran.out);
        let bare: String = ran.out.split_whitespace().collect();
        for hidden in [PAN, "10000000001", "0123456789ABCDEF", "3131313131313131"] {
            assert!(!bare.contains(hidden), "{hidden}: {}", ran.out);
        }
        assert!(!ran.out.contains("01 23 45 67"), "{}", ran.out);
    }
    let ran = show(&[]);
    assert!(ran.out.starts_with("request 0200 financial request, "), "{}", ran.out);
    assert!(ran.out.contains("\nresponse 0210 financial response, "), "{}", ran.out);
    assert!(ran.out.contains("\n0000 | 30 32 30 30 "), "{}", ran.out);
    assert!(show(&["--unsafe"]).out.contains(PAN));
}

#[test]
fn an_echo_and_a_repeat() {
    let (ran, request) = Host::start(|stream, request| {
        say(stream, &answer(request, ResponseCode::APPROVED));
    })
    .answer(&["echo"]);
    assert_eq!((ran.code, request.get(field::NETWORK_CODE)), (0, Some(301)));
    let mut arguments = TRANSFER.to_vec();
    arguments.extend(["--repeat", "--stan", "7", "--rrn", "ABC000000007"]);
    let (_, request) = Host::start(declines).answer(&arguments);
    assert_eq!((request.mti().as_str(), request.get(field::STAN)), ("0201", Some(7)));
    assert_eq!(request.get(field::RRN).unwrap(), "ABC000000007");
}

#[test]
fn a_host_that_takes_its_time_is_waited_for() {
    let (ran, _) = Host::start(|stream, request| {
        thread::sleep(Duration::from_millis(300));
        declines(stream, request);
    })
    .answer(TRANSFER);
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("response 51"), "{}", ran.out);
}

/// A key file of this text, readable by its owner only.
fn key_file(folder: &std::path::Path, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[test]
fn a_request_bears_its_mac_and_an_answer_without_one_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let key = key_file(folder.path(), "a.key", "2b7e151628aed2a6abf7158809cf4f3c");
    let mac = format!("aes-cmac,make={key}");
    let (ran, request) = Host::start(balances).answer(&[BALANCE, &["--mac", &mac]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(request.has(field::MAC_SECOND));
    let other = key_file(folder.path(), "b.key", "3c4fcf098815f7aba6d2ae2816157e2b");
    let both = format!("{mac},accept={other}");
    let (ran, _) = Host::start(balances).answer(&[BALANCE, &["--mac", &both]].concat());
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the answer has no MAC; the outcome is unknown"), "{}", ran.err);
    let ran = run(&[&["send"], BALANCE, &["--mac", "aes-cmca,make=nowhere.key"]].concat());
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--mac: `algorithm` must be one of"), "{}", ran.err);
    assert!(ran.err.contains("did you mean `aes-cmac`?"), "{}", ran.err);
}
