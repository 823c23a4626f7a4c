//! Whose request it is: signatures, keys, times and addresses. What is not the platform's moves
//! nothing.

use crate::client;
use crate::flows::{CLIENT, SECRET, TOKEN};
use crate::rig::{ACCOUNT, Asked, GENEROUS, Key, Rig, jwk, write_secret};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What is wrong, the request, its headers, and the code of the answer.
type Case = (&'static str, Asked, Vec<(String, String)>, &'static str);

/// Changes the value of a header.
fn with(mut headers: Vec<(String, String)>, name: &str, value: &str) -> Vec<(String, String)> {
    for (known, old) in &mut headers {
        if known == name {
            value.clone_into(old);
        }
    }
    headers
}

fn without(mut headers: Vec<(String, String)>, name: &str) -> Vec<(String, String)> {
    headers.retain(|(known, _)| known != name);
    headers
}

#[test]
fn what_the_platform_has_not_signed_moves_nothing() {
    let rig = Rig::with(GENEROUS, 7);
    let other = Key::new("two");
    rig.keys.publish(&[rig.key.jwk(), other.jwk()]);
    let before = rig.balance(ACCOUNT);
    let asked = || Asked::hold("p-1", ACCOUNT, "-1.00", "USD");
    let stranger = Key::new("one");
    let good = |asked: &Asked| asked.headers(&rig.key);
    let value = |headers: &[(String, String)], name: &str| {
        headers.iter().find(|(known, _)| known == name).unwrap().1.clone()
    };
    let mut cases: Vec<Case> = Vec::new();
    let mut case = |what, asked: &Asked, headers, code| {
        cases.push((what, asked.clone(), headers, code));
    };
    let own = asked();
    case("forged", &own, own.headers(&stranger), "invalid_signature");
    case("of another key", &own, with(good(&own), "X-Key-Id", "two"), "invalid_signature");
    let mut changed = asked();
    let headers = good(&changed);
    changed.body = changed.body.replace("-1.00", "-9.00");
    case("another body", &changed, headers, "invalid_signature");
    let mut cut = asked();
    let headers = good(&cut);
    cut.body.pop();
    case("a body cut off", &cut, headers, "invalid_signature");
    let mut spaced = asked();
    let headers = good(&spaced);
    spaced.body.push(' ');
    case("the same JSON in other bytes", &spaced, headers, "invalid_signature");
    let own = asked();
    let signature = value(&good(&own), "X-Signature");
    case(
        "half a signature",
        &own,
        with(good(&own), "X-Signature", &signature[..172]),
        "invalid_signature",
    );
    case("no base64", &own, with(good(&own), "X-Signature", "***"), "unsigned");
    let time = value(&good(&own), "X-Timestamp");
    let turned = format!("{time}.{}.{}", own.idempotency, own.body);
    let turned = rig.key.sign(turned.as_bytes());
    case(
        "signed in another order",
        &own,
        with(good(&own), "X-Signature", &turned),
        "invalid_signature",
    );
    case(
        "another time",
        &own,
        with(good(&own), "X-Timestamp", "1771853400123"),
        "invalid_signature",
    );
    case(
        "another idempotency key",
        &own,
        with(good(&own), "X-Idempotency-Key", "k"),
        "invalid_signature",
    );
    case("a key nobody publishes", &own, with(good(&own), "X-Key-Id", "three"), "unknown_key");
    for name in ["X-Signature", "X-Key-Id", "X-Idempotency-Key", "X-Timestamp"] {
        case("a header missing", &own, without(good(&own), name), "unsigned");
        let mut twice = good(&own);
        twice.push((name.to_owned(), value(&twice, name)));
        case("a header twice", &own, twice, "unsigned");
    }
    for ahead_ms in [-6_000, -3_600_000, 60_000] {
        let own = Asked { ahead_ms, ..asked() };
        case("of another time", &own, good(&own), "stale");
    }
    let count = cases.len();
    for (what, asked, headers, code) in cases {
        let answer = rig.ask_with(&asked, &headers);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &code.into()), "{what}");
        assert_eq!(rig.balance(ACCOUNT), before, "{what}");
    }
    assert_eq!(rig.types().len(), 0);
    let metrics = rig.metrics();
    let doubts: usize = metrics
        .lines()
        .filter(|line| line.starts_with("veksel_extauth_doubts_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(doubts, count, "{metrics}");
    assert!(metrics.contains("veksel_extauth_skew_milliseconds -"), "{metrics}");
    // The same request as it should be.
    rig.approve(&asked());
}

#[test]
fn a_window_of_five_seconds_lets_small_differences_pass() {
    let rig = Rig::with(GENEROUS, 7);
    for (number, ahead_ms) in [-2_000, 2_000].into_iter().enumerate() {
        let asked = Asked::hold(&format!("w-{number}"), ACCOUNT, "-1.00", "USD");
        rig.approve(&Asked { ahead_ms, ..asked });
    }
}

#[test]
fn what_is_signed_is_configured() {
    for (base, signed) in
        [("body", "{body}"), ("body+key", "{key}.{body}"), ("body+ts", "{time}.{body}")]
    {
        let skew = if base.contains("ts") { "" } else { "max_skew = \"0s\"\n" };
        let names = "signature_header = \"X-Other\"\nkey_header = \"Key-Of\"\n";
        let rig = Rig::with(&format!("{GENEROUS}{names}{skew}signature_base = \"{base}\"\n"), 7);
        let asked = Asked::hold("b-1", ACCOUNT, "-1.00", "USD");
        let headers = asked.headers(&rig.key);
        let value = |name: &str| headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
        let text = signed
            .replace("{key}", &asked.idempotency)
            .replace("{time}", &value("X-Timestamp"))
            .replace("{body}", &asked.body);
        let signature = rig.key.sign(text.as_bytes());
        let renamed: Vec<_> = headers
            .iter()
            .map(|(name, value)| match name.as_str() {
                "X-Signature" => ("X-Other".to_owned(), signature.clone()),
                "X-Key-Id" => ("Key-Of".to_owned(), value.clone()),
                _ => (name.clone(), value.clone()),
            })
            .collect();
        assert_eq!(rig.ask_with(&asked, &renamed).status, 200, "{base}");
        assert_eq!(rig.ask_with(&asked, &headers).status, 401, "{base}");
    }
}

/// A key of 1,024 bits, and its signature over the body: published, right, and not believed.
#[test]
fn a_short_key_is_not_believed_although_its_signature_is_right() {
    const N: &str = "wBHpdJI5RkaH36KFDYvNDqotya6i4PTG6D6LIge50NrkV-Wt19imTGyaNuU3MRL8UuHJ8wJdrXp_JWETUZOk7gxpxguNbLHFcc37fxXgSxedwICpKwLHzsmtlzUvKw6oMnBHlZZ0XSrPF6Sta5dDJdh43NXz6KxblkQXnjpwJ_8";
    const SIGNATURE: &str = "tCpbn/JXWaeloehuJiVV/KpCwnO+Of8eb3JEvYu0rz3P+YCC7ash5m+DH9y/0gIkgECZkhnI+3vByW5rcU6X/Bl1j4f2lPbP7B9U4LfRcxGFvcrLdwu6I5DRtf+jW2Wp3lI7V0uuwCfqSyn0wE9sJJdDDiaqpHkIRiakxnPRB9s=";
    let base = "signature_base = \"body\"\nmax_skew = \"0s\"\nkeys_refresh = \"100ms\"\n";
    let rig = Rig::with(&format!("{GENEROUS}{base}"), 7);
    rig.keys.publish(&[jwk("weak", N, "AQAB"), rig.key.jwk()]);
    let before = rig.balance(ACCOUNT);
    let mut asked = Asked::transaction("weak", ACCOUNT, "-1.00", "USD");
    assert_eq!(
        asked.body,
        r#"{"id":"weak","accountId":"10000000011","amount":{"amount":"-1.00","currency":"USD"}}"#
    );
    let headers = with(asked.headers(&rig.key), "X-Key-Id", "weak");
    let answer = rig.ask_with(&asked, &with(headers, "X-Signature", SIGNATURE));
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &"unknown_key".into()));
    assert_eq!(rig.balance(ACCOUNT), before);
    // One of 2,048 bits beside it is.
    asked.idempotency = "strong".to_owned();
    let signature = rig.key.sign(asked.body.as_bytes());
    let headers = with(asked.headers(&rig.key), "X-Signature", &signature);
    assert_eq!(rig.ask_with(&asked, &headers).status, 200);
}

#[test]
fn a_new_key_is_looked_for_and_an_outage_is_bridged() {
    let extra = "keys_refresh = \"200ms\"\nkeys_ttl = \"1s\"\n";
    let rig = Rig::with(&format!("{GENEROUS}{extra}"), 7);
    let ask = |number: u32, key: &Key| {
        let asked = Asked::transaction(&format!("k-{number}"), ACCOUNT, "1.00", "USD");
        rig.ask_with(&asked, &asked.headers(key)).status
    };
    assert_eq!(ask(1, &rig.key), 200);
    let next = Key::new("next");
    let start = Instant::now();
    assert_eq!(ask(2, &next), 401, "it is not published yet");
    rig.keys.publish(&[rig.key.jwk(), next.jwk()]);
    while ask(3, &next) != 200 {
        assert!(start.elapsed() < Duration::from_secs(60), "the new key is never seen");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ask(4, &rig.key), 200, "the one before still counts");
    rig.keys.go_down();
    let asked = rig.keys.asked.load(Ordering::Relaxed);
    let start = Instant::now();
    while rig.keys.asked.load(Ordering::Relaxed) < asked + 2 {
        assert_eq!(ask(u32::try_from(start.elapsed().as_millis()).unwrap() + 10, &next), 200);
        assert!(start.elapsed() < Duration::from_secs(60), "the keys are not looked for");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ask(5, &next), 200, "the last good set counts");
    // The old one is taken back.
    rig.keys.publish(&[next.jwk()]);
    let start = Instant::now();
    let mut number = 1_000_000;
    while ask(number, &rig.key) != 401 {
        number += 1;
        assert!(start.elapsed() < Duration::from_secs(60), "the old key counts for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn requests_from_elsewhere_are_not_heard() {
    let rig = Rig::with(&format!("{GENEROUS}allow = [\"10.0.0.0/8\"]\n"), 7);
    let answer = rig.ask(&Asked::hold("a-1", ACCOUNT, "-1.00", "USD"));
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &"forbidden".into()));
    assert_eq!(rig.types().len(), 0);
    // Nor is what a platform elsewhere tells of, whatever token it brings.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, secret: &str| {
        let file = folder.path().join(name);
        write_secret(&file, secret);
        file.display().to_string()
    };
    let extra = format!(
        "{GENEROUS}allow = [\"10.0.0.0/8\"]\nnotify_token_file = \"{}\"\n\
         notify_client_id = \"{CLIENT}\"\nnotify_client_secret_file = \"{}\"\n",
        file("lasting", TOKEN),
        file("secret", SECRET),
    );
    let rig = Rig::with(&extra, 7);
    let (path, bearer) = ("/api/hay/v0/communications/notifications", format!("Bearer {TOKEN}"));
    let told = client::call(rig.address(), "POST", path, &[("authorization", &bearer)], b"{}");
    assert_eq!((told.status, &told.json()["error"]["code"]), (403, &"forbidden".into()));
    let asked = client::call(rig.address(), "POST", "/api/hay/v0/oauth/token", &[], b"");
    assert_eq!((asked.status, &asked.json()["error"]["code"]), (403, &"forbidden".into()));
}
