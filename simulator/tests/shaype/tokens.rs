//! Tokens of events, fetched by whoever proves to be the platform: what the switch gives and to
//! whom, and how the sandbox uses them.

use crate::client::{self, Answer};
use crate::flows::{CLIENT, PATIENT, SECRET, Stage, payment};
use crate::rig::until;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use veksel_simulator::sandbox::shaype::{Client, Endpoint, Proof, Receiver, WAITS_S};

const TOKENS: &str = "/api/hay/v0/oauth/token";
const EVENTS: &str = "/api/hay/v0/communications/notifications";

const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "grant_type=client_credentials";

/// Events that are proven by tokens of whoever is told of them.
fn fetching(address: SocketAddr, [tokens, events]: [&str; 2], is_in_body: bool) -> Receiver {
    let at = |path| Endpoint { url: format!("http://{address}{path}"), tls: None };
    let (id, secret) = (CLIENT.to_owned(), SECRET.to_owned());
    let proof = Proof::Fetched(Client { tokens: at(tokens), id, secret, is_in_body });
    Receiver { to: at(events), proof }
}

/// Something happens that the platform tells of.
fn happen(stage: &Stage) {
    assert_eq!(stage.tell("transaction", &payment("-1.00")).json()["outcome"], "APPROVED");
}

/// Waits until so many events were tried and taken, and none waits.
fn await_taken(stage: &Stage, tried: u64, taken: u64) {
    until("the events to be taken", || {
        let events = stage.events();
        let all = ["tried", "taken", "waiting"].map(|name| events[name].clone());
        (all == [json!(tried), json!(taken), json!(0)]).then_some(())
    });
}

#[test]
fn a_fetched_token_is_used_until_it_nearly_ends_and_outlives_the_switch() {
    for is_in_body in [false, true] {
        let own = |switch| fetching(switch, [TOKENS, EVENTS], is_in_body);
        let mut stage = Stage::telling(Vec::new(), PATIENT, own);
        let mut number = 0;
        let mut event = |stage: &Stage, tokens: u64| {
            number += 1;
            happen(stage);
            await_taken(stage, number, number);
            assert_eq!(stage.events()["tokens"], tokens, "{number}");
        };
        event(&stage, 1);
        event(&stage, 1);
        // Ten minutes are its life, and half a minute before that is nearly their end.
        stage.later(571_000);
        event(&stage, 2);
        stage.rig.restart();
        event(&stage, 2);
        let line = "veksel_extauth_notices_total{kind=\"CARD_TRANSACTION\"} 1";
        assert!(stage.rig.metrics().contains(line), "since the restart one was told of");
    }
}

#[test]
fn another_secret_ends_every_token_and_no_event_is_lost_by_that() {
    let own = |switch| fetching(switch, [TOKENS, EVENTS], false);
    let mut stage = Stage::telling(Vec::new(), PATIENT, own);
    happen(&stage);
    await_taken(&stage, 1, 1);
    stage.restart_with("another-secret-of-the-same");
    happen(&stage);
    until("the event to wait", || {
        let events = stage.events();
        (events["tried"] == 2 && events["waiting"] == 1).then_some(())
    });
    stage.restart_with(SECRET);
    stage.later(WAITS_S[0] * 1_000);
    await_taken(&stage, 3, 2);
    assert_eq!((&stage.events()["tokens"], &stage.events()["lost"]), (&json!(2), &json!(0)));
}

fn fetch(address: SocketAddr, headers: &[(&str, &str)], body: &str) -> Answer {
    client::call(address, "POST", TOKENS, headers, body.as_bytes())
}

fn tell(address: SocketAddr, token: Option<&str>) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|text| ("Authorization", text.as_str())).collect();
    let event = br#"{"type":"CARD_TRANSACTION","isPending":true}"#;
    client::call(address, "POST", EVENTS, &headers, event)
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[test]
fn who_proves_to_be_the_platform_has_a_token_and_nobody_else() {
    let stage = Stage::start(Vec::new(), PATIENT, None);
    let address = stage.rig.address();
    let own = basic(CLIENT, SECRET);
    let both = format!("client_id={CLIENT}&client_secret={SECRET}");
    let in_body = format!("{GRANT}&{both}");
    let refused = [
        ("application/json", Some(own.clone()), GRANT.to_owned(), "invalid_request"),
        (FORM, Some(own.clone()), format!("{GRANT}&{GRANT}"), "invalid_request"),
        (FORM, Some(own.clone()), in_body.clone(), "invalid_request"),
        (FORM, Some(own.clone()), String::new(), "invalid_request"),
        (FORM, Some(own.clone()), "grant_type=".to_owned(), "invalid_request"),
        (FORM, Some(own.clone()), "grant_type=password".to_owned(), "unsupported_grant_type"),
        (FORM, Some(own.clone()), format!("{GRANT}&scope=x"), "invalid_scope"),
        (FORM, None, GRANT.to_owned(), "invalid_client"),
        (FORM, Some("Bearer x".to_owned()), GRANT.to_owned(), "invalid_client"),
        (FORM, Some(basic(CLIENT, "secret-of-others")), GRANT.to_owned(), "invalid_client"),
        (FORM, Some(basic("others", SECRET)), GRANT.to_owned(), "invalid_client"),
        (FORM, None, format!("{GRANT}&client_id={CLIENT}"), "invalid_client"),
        (FORM, None, in_body.replace(SECRET, "secret-of-others"), "invalid_client"),
    ];
    for (kind, header, body, error) in refused {
        let mut headers = vec![("Content-Type", kind)];
        headers.extend(header.as_ref().map(|header| ("Authorization", header.as_str())));
        let answer = fetch(address, &headers, &body);
        let status = if error == "invalid_client" { 401 } else { 400 };
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{body}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{body}");
        let asked = answer.header("www-authenticate");
        assert_eq!(asked.is_some_and(|asked| asked.starts_with("Basic ")), status == 401, "{body}");
    }
    let kind = ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
    let given = [
        fetch(address, &[kind, ("Authorization", &own)], GRANT),
        fetch(address, &[kind], &in_body),
    ];
    for answer in &given {
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(600)));
    }
    let [first, second] = given.map(|answer| token(&answer.json()));
    assert_ne!(first, second);
    // Every way of proof that is configured counts at one time.
    for good in [first.as_str(), &second, "token-of-events"] {
        assert_eq!(tell(address, Some(good)).status, 200);
    }
    let shorter = &first[..first.len() - 1];
    let other = if first.starts_with("AQ") { first.replacen("AQ", "AR", 1) } else { String::new() };
    assert_ne!(other, "", "a token begins with its form");
    for bad in [shorter, &other, &format!("{first}A"), SECRET, "x"] {
        let answer = tell(address, Some(bad));
        let asked = answer.header("www-authenticate");
        assert_eq!((answer.status, asked), (401, Some("Bearer error=\"invalid_token\"")));
    }
    let answer = tell(address, None);
    assert_eq!(answer.status, 401);
    let asked = answer.header("www-authenticate").unwrap();
    assert!(asked.starts_with("Bearer ") && !asked.contains("error"), "{asked}");
    // A token of events is no key to anything else.
    let bearer = format!("Bearer {first}");
    let answer = client::call(
        address,
        "POST",
        "/api/v1/integration/account/balance",
        &[("Authorization", &bearer), ("Content-Type", "application/json")],
        br#"{"account":"10000000011"}"#,
    );
    assert_eq!(answer.status, 401);
}

fn token(given: &Value) -> String {
    given["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_secret_is_not_found_by_trying() {
    let stage = Stage::start(Vec::new(), PATIENT, None);
    let address = stage.rig.address();
    let ask = |secret: &str| {
        let proof = basic(CLIENT, secret);
        fetch(address, &[("Content-Type", FORM), ("Authorization", &proof)], GRANT)
    };
    let token = token(&ask(SECRET).json());
    for number in 0..10 {
        assert_eq!(ask(&format!("secret-number-{number}")).status, 401, "{number}");
    }
    for secret in ["secret-number-10", SECRET] {
        let answer = ask(secret);
        let wait = answer.header("retry-after").unwrap_or_default().parse::<u64>();
        assert!(answer.status == 429 && wait.is_ok_and(|wait| wait <= 60), "{answer:?}");
    }
    assert_eq!(tell(address, Some(&token)).status, 200, "what was given holds");
}

/// Whoever is told of events, with tokens of its own.
struct Told {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
}

#[derive(Default)]
struct Mood {
    /// Tokens that were given; each is its number.
    given: u64,
    /// No token is given.
    is_closed: bool,
    /// Tokens before this one are refused.
    least: u64,
    /// Everybody has gone.
    is_over: bool,
}

impl Told {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mood: Arc<Mutex<Mood>> = Arc::default();
        let own = Arc::clone(&mood);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.lock().unwrap().is_over {
                    return;
                }
                if let Ok(stream) = stream {
                    answer(stream, &own);
                }
            }
        });
        Self { address, mood }
    }

    fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.lock().unwrap());
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.mood.lock().unwrap().is_over = true;
        // Wakes the thread up, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut stream: TcpStream, mood: &Mutex<Mood>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 1_024];
    let (head, length) = loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap_or("0").parse().unwrap();
            if body.len() >= length {
                break (head.to_owned(), length);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    };
    assert!(length > 0, "{head}");
    let mut mood = mood.lock().unwrap();
    let (status, body) = if head.starts_with("post /tokens ") {
        if mood.is_closed {
            (503, Value::Null)
        } else {
            mood.given += 1;
            let token = format!("token-{}", mood.given);
            (200, json!({ "access_token": token, "token_type": "bearer", "expires_in": 600 }))
        }
    } else {
        let number = head.split_once("authorization: bearer token-").unwrap().1;
        let number: u64 = number.lines().next().unwrap().parse().unwrap();
        (if number >= mood.least { 204 } else { 401 }, Value::Null)
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} So\r\nContent-Length: {length}\r\n");
    let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
}

#[test]
fn a_refused_token_is_fetched_anew_and_events_keep_their_attempts() {
    let told = Told::start();
    let own = |_| fetching(told.address, ["/tokens", "/events"], false);
    let stage = Stage::telling(Vec::new(), PATIENT, own);
    happen(&stage);
    await_taken(&stage, 1, 1);
    // The token ends before its time: the event is told again with another, and at once.
    told.set(|mood| mood.least = 2);
    happen(&stage);
    await_taken(&stage, 2, 2);
    assert_eq!(stage.events()["tokens"], 2);
    // While none can be had events wait as they do for silence.
    told.set(|mood| (mood.is_closed, mood.least) = (true, 3));
    happen(&stage);
    until("the event to wait", || {
        let events = stage.events();
        (events["tried"] == 3 && events["waiting"] == 1).then_some(())
    });
    told.set(|mood| mood.is_closed = false);
    stage.later(WAITS_S[0] * 1_000);
    await_taken(&stage, 4, 3);
    assert_eq!(stage.events()["tokens"], 3);
    // Whatever token it brings: eighteen more attempts, and no more.
    told.set(|mood| mood.least = u64::MAX);
    happen(&stage);
    for (failed, wait) in (5..).zip(WAITS_S) {
        until("an attempt to fail", || {
            let events = stage.events();
            (events["tried"] == failed && events["waiting"] == 1).then_some(())
        });
        assert_eq!(stage.events()["lost"], 0);
        stage.later(wait * 1_000);
    }
    until("the event to be given up", || (stage.events()["lost"] == 1).then_some(()));
    let events = stage.events();
    assert_eq!((&events["tried"], &events["taken"]), (&json!(23), &json!(3)));
    assert!(events["tokens"].as_u64() >= Some(3 + 19), "{events}");
}
