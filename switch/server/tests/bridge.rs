//! A switch that is called over HTTP and asks third parties: what it takes to start, and that its
//! endpoints are there as long as it runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use veksel_adapters::providers::Providers;
use veksel_api::{Signed, Unwelcome, Webhooks};
use veksel_config::{BRIDGE_EXAMPLE, ServiceMode, Source, SwitchConfig, load_switch};
use veksel_core::Utc;
use veksel_core::enquiry::{self, Ask, Failed, Failure, Verdict};
use veksel_server::{Answering, Asks, Outside, StartError, Stopped, start_between, start_with};
use veksel_store::{Keys, MemoryStore, SqliteStore};
use watch::{Watch, search, watch_for};

/// What stands in the files that the switch reads its secrets from.
const TOKEN: &str = "sbx:token-of-the-checks";
const SECRET: &str = "secret-of-checks-and-identity";

fn watching() -> Watch {
    watch_for(&[TOKEN, SECRET, "hush-token", "prd:token-of-the-checks"])
}

/// Third parties that cannot be reached.
struct Nobody;

impl Asks for Nobody {
    fn ask(&self, _: Ask) -> Answering<'_> {
        Box::pin(async { Verdict::Failed(Failure::before(Failed::Unavailable)) })
    }
}

fn outside() -> Outside {
    let providers = Arc::new(Providers::default());
    Outside { asks: Arc::new(Nobody), webhooks: None, providers }
}

/// The example, on ports of its own, with its tokens in this folder.
fn config(folder: &Path, more: &[(&str, &str)]) -> SwitchConfig {
    secret(folder, "kyc", TOKEN);
    secret(folder, "key", SECRET);
    let flags = [
        ("listener.channels.listen", "127.0.0.1:0"),
        ("admin.listen", "127.0.0.1:0"),
        ("http.listen", "127.0.0.1:0"),
        ("group.cbs.connect", "127.0.0.1:9"),
        ("kyc.app_token_file", "kyc"),
        ("kyc.secret_key_file", "key"),
        ("identity.client_id_file", "key"),
        ("identity.client_secret_file", "key"),
        ("identity.pepper_file", "key"),
    ];
    let text = BRIDGE_EXAMPLE
        .replace("app_token_env = \"SUMSUB_APP_TOKEN\"\n", "")
        .replace("secret_key_env = \"SUMSUB_SECRET_KEY\"\n", "")
        .replace("client_id_env = \"BANKID_CLIENT_ID\"\n", "")
        .replace("client_secret_env = \"BANKID_CLIENT_SECRET\"\n", "")
        .replace("pepper_env = \"BANKID_PEPPER\"\n", "");
    let source = Source::text("test", text).folder(folder).flags(flags);
    let source = source.flags(more.iter().copied());
    load_switch(source.known_dialects(&["cbs-ascii-bin"])).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn secret(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    search("an answer", said.as_str());
    said
}

fn refused(config: SwitchConfig) -> String {
    let store = Box::new(MemoryStore::new());
    match start_between(config, store, outside()) {
        Ok(_) => panic!("it started"),
        Err(error) => {
            search("an error", format!("{error} {error:?}"));
            error.to_string()
        }
    }
}

#[test]
fn its_endpoints_are_there_while_it_runs() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    secret(folder.path(), "token", "hush-token\n");
    let config = config(folder.path(), &[("http.token_file", "token")]);
    let running = start_between(config, Box::new(MemoryStore::new()), outside()).unwrap();
    let address = running.http().unwrap();
    assert!(get(address, "/health").ends_with(r#"{"status":"ok"}"#));
    assert!(get(address, "/api/accounts/1").starts_with("HTTP/1.1 401 "));
    assert!(get(address, "/api/payments/callback").starts_with("HTTP/1.1 400 "));
    // Nobody knows its webhooks.
    assert!(get(address, "/v1/webhooks/sumsub").starts_with("HTTP/1.1 404 "));
    let metrics = get(running.admin().unwrap(), "/metrics");
    let counted = "veksel_http_requests_total{endpoint=\"/health\",status=\"200\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains("veksel_enquiries_in_flight 0"), "{metrics}");
    assert_eq!(running.stop(), Stopped::Asked);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn without_third_parties_there_is_no_listener_for_them() {
    let _watch = watching();
    let text = veksel_config::SWITCH_EXAMPLE;
    let flags = [("listener.channels.listen", "127.0.0.1:0"), ("admin.listen", "127.0.0.1:0")];
    let source = Source::text("test", text).flags(flags).known_dialects(&["cbs-ascii-bin"]);
    let running = start_with(load_switch(source).unwrap(), Box::new(MemoryStore::new())).unwrap();
    assert_eq!(running.http(), None);
    assert_eq!(running.stop(), Stopped::Asked);
}

#[test]
fn it_does_not_start_without_its_secrets_or_on_a_port_that_is_taken() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let said = refused(config(folder.path(), &[("http.token_file", "nothing")]));
    assert!(said.starts_with("the token of [http]: ") && said.contains("nothing"), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(config(folder.path(), &[("http.listen", &address)]));
    assert!(said.contains(&format!("http listener {address}")), "{said}");
    let said = refused(config(folder.path(), &[("kyc.webhook_secret_files", "one,two")]));
    assert!(said.starts_with("the secrets of webhooks of [kyc]: "), "{said}");
    let config = config(folder.path(), &[]);
    std::fs::remove_file(folder.path().join("kyc")).unwrap();
    let error = start_between(config, Box::new(MemoryStore::new()), outside()).err().unwrap();
    assert!(matches!(error, StartError::Secret { .. }), "{error}");
}

#[test]
fn what_is_real_and_what_is_not_are_not_mixed() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let mut real = config(folder.path(), &[]);
    real.mode = ServiceMode::Production;
    let said = refused(real.clone());
    assert!(said.contains("is for a sandbox") && !said.contains("sbx:"), "{said}");
    real.allow_mock = true;
    let running = start_between(real, Box::new(MemoryStore::new()), outside()).unwrap();
    assert_eq!(running.stop(), Stopped::Asked);
    let config = config(folder.path(), &[]);
    secret(folder.path(), "kyc", "prd:token-of-the-checks");
    let said = refused(config);
    assert!(said.contains("is for production") && !said.contains("prd:"), "{said}");
}

/// Believes everything, and takes the length of the body for the time of the event.
struct Credulous;

impl Webhooks for Credulous {
    fn paths(&self) -> &'static [&'static str] {
        &["/v1/webhooks/sumsub"]
    }

    fn verify(&self, _: &Signed<'_>, body: &[u8]) -> Result<enquiry::Event, Unwelcome> {
        let review = enquiry::Review {
            applicant: "63e0".into(),
            customer: "c-1".into(),
            status: None,
            level: String::new(),
            reviewed: None,
            document_until: None,
            born: None,
        };
        let at = Utc(u64::try_from(body.len()).unwrap());
        Ok(enquiry::Event { kind: "applicantPending".into(), review, at, digest: [0; 32] })
    }
}

/// From the first byte sent to the last byte read, with a store that syncs each event: what the
/// provider waits for. The figure is for people; how fast a machine is proves nothing.
#[test]
fn how_long_a_webhook_waits_for_its_answer_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let _watch = watching().over(folder.path());
    let config = config(folder.path(), &[]);
    let keys = Arc::new(Keys::create(&folder.path().join("veksel.key")).unwrap());
    let store = SqliteStore::open(&folder.path().join("veksel.db"), keys).unwrap();
    let outside = Outside { webhooks: Some(Arc::new(Credulous)), ..outside() };
    let running = start_between(config, Box::new(store), outside).unwrap();
    let address = running.http().unwrap();
    let mut taken = Vec::new();
    for number in 1..=50 {
        let body = "x".repeat(number);
        let begun = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /v1/webhooks/sumsub HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-length: {number}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        taken.push(begun.elapsed());
        assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    }
    assert_eq!(running.stop(), Stopped::Asked);
    taken.sort();
    let (median, most) = (taken[25].as_micros(), taken[49].as_micros());
    writeln!(std::io::stderr(), "webhook: median {median} us, most {most} us of 50").unwrap();
}
