//! Traces of the whole: what a collector of OpenTelemetry is told of messages and of the calls that
//! are made for them, and that nothing in it is anybody's secret.

use crate::rig::{ACCOUNT, Bridge, PAYEE};
use crate::stage::{Artefact, PATIENCE, SCANNER};
use crate::teller::{Teller, code, transfer};
use crate::{decide, page};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use veksel_codecs::field;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const PAN: &str = "4111111111111111";

/// Takes whatever is posted.
struct Collector {
    port: u16,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&bodies);
        // It ends with the process of the test.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let keep = Arc::clone(&keep);
                std::thread::spawn(move || serve(stream.unwrap(), &keep));
            }
        });
        Self { port, bodies }
    }
}

/// One connection, for as long as its other end wants it.
fn serve(stream: std::net::TcpStream, bodies: &Mutex<Vec<Vec<u8>>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            let low = line.to_ascii_lowercase();
            if let Some(value) = low.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if length == 0 || reader.read_exact(&mut body).is_err() {
            return;
        }
        bodies.lock().unwrap().push(body);
        let said = (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        if said.is_err() {
            return;
        }
    }
}

/// A span, as far as it is looked at.
#[derive(Debug, Default)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// The fields of a message of protobuf that have a length: their numbers and what is in them.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            shift += 7;
            if first & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let length = match key & 7 {
            0 => {
                number(&mut bytes);
                continue;
            }
            1 => 8,
            2 => usize::try_from(number(&mut bytes)).unwrap(),
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (content, rest) = bytes.split_at(length);
        bytes = rest;
        if key & 7 == 2 {
            found.push((key >> 3, content));
        }
    }
    found
}

/// What stands under these numbers, one within the other.
fn under<'b>(bytes: &'b [u8], path: &[u64]) -> Vec<&'b [u8]> {
    let Some((first, rest)) = path.split_first() else { return vec![bytes] };
    let inner = fields(bytes).into_iter().filter(|(number, _)| number == first);
    inner.flat_map(|(_, content)| under(content, rest)).collect()
}

fn spans(body: &[u8]) -> Vec<Span> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    // Resource spans, scope spans, spans.
    let read = |bytes: &[u8]| {
        let mut span = Span::default();
        for (number, content) in fields(bytes) {
            match number {
                1 => span.trace = hex(content),
                2 => span.id = hex(content),
                4 => span.parent = hex(content),
                5 => span.name = text(content),
                9 => {
                    let key = text(under(content, &[1])[0]);
                    let value = under(content, &[2, 1]).first().map(|value| text(value));
                    span.attributes.insert(key, value.unwrap_or_default());
                }
                _ => {}
            }
        }
        span
    };
    under(body, &[1, 2, 2]).into_iter().map(read).collect()
}

#[test]
fn a_message_and_its_calls_are_one_trace_and_nobodys_secret() {
    let collector = Collector::start();
    let endpoint = format!("http://127.0.0.1:{}/v1/traces", collector.port);
    let mut rig = Bridge::linked_with("", |_, _| format!("[trace]\nendpoint = \"{endpoint}\"\n"));
    let mut teller = Teller::open(rig.ports.channels);
    let mut request = transfer(15_017);
    let given = format!("00-{TRACE}-{PARENT}-01");
    request.message.set(field::ECHO_DATA, &given);
    let answer = teller.ask(&request);
    assert_eq!(code(&answer), "09", "{answer:?}");
    let back = answer.get(field::ECHO_DATA).map(|text| text.to_string());
    assert_eq!(back.as_deref(), Some(given.as_str()));
    decide(&page(&rig, &answer), "approve");
    assert_eq!(teller.await_advice(&request.rrn()), "00");
    let said = rig.send(&["balance", "--account", ACCOUNT]);
    assert!(said.starts_with("response 00"), "{said}");
    let card = ["--account", "10000000001", "--pan", PAN];
    let said = rig.send(&[&["purchase", "--amount", "9.90"][..], &card].concat());
    assert!(said.contains("response"), "{said}");
    // A stop waits for what is left.
    let switch = rig.switch.take().unwrap();
    switch.signal("TERM");
    assert_eq!(switch.end(PATIENCE), Some(0));

    let bodies = collector.bodies.lock().unwrap().clone();
    let all: Vec<Span> = bodies.iter().flat_map(|body| spans(body)).collect();
    let is_message = |span: &&Span| span.attributes.contains_key("veksel.mti");
    let messages: Vec<&Span> = all.iter().filter(is_message).collect();
    let calls: Vec<&Span> = all.iter().filter(|span| !is_message(span)).collect();
    let of = |name: &str, value: &str| {
        let is_it = |span: &&&Span| span.attributes.get(name).is_some_and(|found| found == value);
        messages.iter().find(is_it).unwrap_or_else(|| panic!("{name} {value}: {messages:?}"))
    };

    let paid = messages.iter().find(|span| span.trace == TRACE).unwrap();
    assert_eq!((paid.parent.as_str(), paid.name.as_str()), (PARENT, "0200 payment"));
    for (name, value) in [
        ("veksel.link", "channels"),
        ("veksel.route", "linked"),
        ("veksel.kind", "payment"),
        ("veksel.response", "09"),
    ] {
        assert_eq!(paid.attributes[name], value, "{paid:?}");
    }
    // The order, and how it stood afterwards.
    let behind: Vec<_> = calls.iter().filter(|call| call.trace == TRACE).collect();
    for method in ["POST ", "GET "] {
        assert!(behind.iter().any(|call| call.name.starts_with(method)), "{method}: {behind:?}");
    }
    assert!(behind.iter().all(|call| call.parent == paid.id), "{behind:?}");

    let asked = of("veksel.kind", "inquiry");
    assert_eq!(asked.parent, "");
    let behind: Vec<_> = calls.iter().filter(|call| call.trace == asked.trace).collect();
    assert!(!behind.is_empty() && behind.iter().all(|call| call.parent == asked.id), "{behind:?}");

    let bought = of("veksel.route", "everything");
    assert!(calls.iter().all(|call| call.trace != bought.trace), "no bank was asked");
    assert_ne!(bought.trace, asked.trace);

    // Nothing of cards, accounts and amounts, and a leak would be seen.
    let name = "what the collector took".to_owned();
    let mut taken = Artefact { name, bytes: bodies.concat() };
    assert_eq!(SCANNER.scan(&taken), Vec::<String>::new());
    for hidden in [ACCOUNT, PAYEE, "10000000001", "150.17", "15017"] {
        let found = taken.bytes.windows(hidden.len()).any(|part| part == hidden.as_bytes());
        assert!(!found, "{hidden}");
    }
    let middle = taken.bytes.len() / 2;
    taken.bytes.splice(middle..middle, PAN.bytes());
    assert_eq!(SCANNER.scan(&taken).len(), 1);
}
