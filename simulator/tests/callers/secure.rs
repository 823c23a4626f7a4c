//! The HTTP listener with TLS, as it is configured: a switch, its files, and what it counts.

use crate::rig::{APP_KEY, PATIENCE, Rig, until};
use crate::watch::search;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use veksel_config::DialTls;
use veksel_link::{TlsClient, TlsStream};
use veksel_server::ReloadError;
use veksel_simulator::sandbox::ca::{Authority, Files, Purpose, Wanted};

const TLS: &str = "[http.tls]\nenabled = true\ncertificate = \"papers/qwac.pem\"\n\
                   key = \"papers/qwac.key\"";

/// Who believes the CA of these files.
fn client(files: &Files) -> TlsClient {
    let dial = DialTls {
        ca: vec![files.ca.clone()],
        crls: Vec::new(),
        pins: Vec::new(),
        name: None,
        own: None,
        handshake_ms: 30_000,
    };
    TlsClient::load(&dial, "127.0.0.1").unwrap()
}

fn connect(rig: &Rig, client: &TlsClient) -> TlsStream {
    let stream = client.blocking(TcpStream::connect(rig.http()).unwrap()).unwrap();
    stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What the account holds, asked over TLS.
fn balance(rig: &Rig, client: &TlsClient) -> Value {
    let body = json!({ "account": "10000000001" }).to_string();
    let mut stream = connect(rig, client);
    let head = format!(
        "POST /api/v1/integration/account/balance HTTP/1.1\r\nhost: switch\r\n\
         content-type: application/json\r\nx-api-key: {APP_KEY}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    serde_json::from_str(body).unwrap()
}

/// The page of metrics.
fn metrics(rig: &Rig) -> String {
    let mut stream = TcpStream::connect(rig.switch().admin().unwrap()).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: switch\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    search("/metrics", text.as_str());
    text
}

#[test]
fn callers_are_served_over_tls_and_its_files_change_without_a_restart() {
    let mut rig = Rig::start();
    rig.stop_switch();
    let (authority, files) = Authority::in_folder(&rig.file("papers")).unwrap();
    rig.try_switch(TLS).unwrap();
    let client = client(&files);
    assert_eq!(balance(&rig, &client)["ledger"]["minor"], 4_523_000);
    let shown = || {
        let stream = connect(&rig, &client);
        stream.conn.peer_certificates().unwrap()[0].as_ref().to_vec()
    };
    let first = shown();
    until("its end and its handshakes on the page", || {
        let page = metrics(&rig);
        let agreed = "veksel_tls_handshakes_total{link=\"http\",result=\"agreed\"} ";
        let end = "veksel_tls_expires_timestamp_seconds{link=\"http\"} ";
        (page.contains(agreed) && page.contains(end)).then_some(())
    });

    // Half of a change, and then all of it.
    let issued = authority.issue(&Wanted::of(Purpose::Web, &[])).unwrap();
    fs::write(&files.qwac.1, issued.key).unwrap();
    let Err(ReloadError::Invalid(problems)) = rig.switch().reload("a test") else {
        panic!("half of a pair was taken");
    };
    let said = problems.to_string();
    assert!(said.contains("http: the key in ") && said.contains("qwac.key"), "{said}");
    assert_eq!(shown(), first);
    fs::write(&files.qwac.0, issued.certificate).unwrap();
    rig.switch().reload("a test").unwrap();
    assert_ne!(shown(), first);
    assert_eq!(balance(&rig, &client)["account"], "10000000001");
    rig.stop();
}

/// Whether it says so (`close_notify`) or only closes the socket, and whatever it sent besides.
#[test]
fn a_payment_over_tls_whose_caller_hangs_up_is_taken_back() {
    let mut rig = Rig::start();
    rig.stop_switch();
    let (_, files) = Authority::in_folder(&rig.file("papers")).unwrap();
    rig.try_switch(TLS).unwrap();
    let client = client(&files);
    let another = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let begun: Vec<_> = [
        (1_068, "", false),
        (1_168, "\r\n", false),
        (1_268, another, false),
        (1_368, "\r\n", true),
        (1_468, another, true),
    ]
    .into_iter()
    .map(|(minor, beside, says_so)| {
        let body = json!({
            "type": "transfer", "from": "10000000001", "to": "10000000002",
            "amount": { "minor": minor, "currency": "578" },
        });
        let body = body.to_string();
        let mut stream = connect(&rig, &client);
        let head = format!(
            "POST /api/v1/integration/payments HTTP/1.1\r\nhost: switch\r\n\
             content-type: application/json\r\nx-api-key: {APP_KEY}\r\n\
             idempotency-key: {minor}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}{beside}").as_bytes()).unwrap();
        (minor, stream, says_so)
    })
    .collect();
    let sql = "SELECT rrn FROM v_transactions WHERE amount_minor = ?1";
    let mut left = Vec::new();
    let gone: Vec<String> = begun
        .into_iter()
        .map(|(minor, mut stream, says_so)| {
            let rrn = until("the payment to be in flight", || {
                rig.journal().query_row(sql, [minor], |row| row.get(0)).ok()
            });
            if says_so {
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                // The socket stays open.
                left.push(stream);
            }
            rrn
        })
        .collect();
    for rrn in gone {
        until("the reversal to be settled", || rig.state(&rrn).filter(|state| state == "reversed"));
        assert_eq!(rig.ledger(&rrn), (1, 0));
    }
    drop(left);
    rig.stop();
}

#[test]
fn a_switch_does_not_start_with_files_that_cannot_be_used_and_names_them() {
    let mut rig = Rig::start();
    rig.stop_switch();
    let (_, files) = Authority::in_folder(&rig.file("papers")).unwrap();
    let (certificate, key) = &files.qwac;
    fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
    let refused = |rig: &mut Rig| {
        let error = rig.try_switch(TLS).unwrap_err().to_string();
        assert!(error.starts_with("http listener 127.0.0.1:0: "), "{error}");
        error
    };
    let error = refused(&mut rig);
    assert!(error.contains("qwac.key may be read by others (mode 644)"), "{error}");
    fs::set_permissions(key, Permissions::from_mode(0o600)).unwrap();
    fs::write(certificate, "nothing").unwrap();
    let error = refused(&mut rig);
    assert!(error.contains("qwac.pem holds no certificate in PEM: there is none"), "{error}");
    rig.stop();
}
