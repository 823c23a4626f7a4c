//! A provider of somebody else's: an exchange of foreign currency that wants XML, a bearer token
//! and a signature of its own. What docs/adding-a-provider.md says, carried out from the outside.

use super::{LOOPBACK, secret, within};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;
use veksel_adapters::AdapterError;
use veksel_adapters::client::{ApiClient, Envelope, Sending, Signed, Signs, Unsigned};
use veksel_adapters::providers::Within;
use veksel_config::provider::ApiConfig;
use veksel_config::provider::operations::{CBS, Operation};
use veksel_core::enquiry::{Failed, Failure};

/// 1. What it can be asked.
const EXCHANGE: &[Operation] = &[Operation {
    key: "rate",
    uri: "POST /rates/{pair}",
    parts: &["pair", "amount"],
    body: r#"{"pair": "{pair}", "amount": "{=amount}"}"#,
    answers: &[("rate", "/quote/rate"), ("error", "/fault/code")],
    simulated: r#"{"quote": {"rate": "11.5"}}"#,
}];

/// 2. What is its own: here a signature that no configuration describes.
struct Reversed;

impl Signs for Reversed {
    fn sign(&self, unsigned: &Unsigned<'_>) -> Result<Signed, Failure> {
        Ok(vec![("x-reversed", unsigned.target.chars().rev().collect())])
    }
}

/// 3. The provider: questions of ours, answers of ours.
struct Exchange(ApiClient);

impl Exchange {
    fn new(config: &ApiConfig) -> Result<Self, AdapterError> {
        let sink = crate::trail::trail();
        Ok(Self(ApiClient::new("exchange", config, &secret, sink)?.with_signer(Arc::new(Reversed))))
    }

    async fn rate(&self, within: &Within, pair: &str, amount: u64) -> Result<String, Failure> {
        let amount = amount.to_string();
        let parts = [("pair", pair), ("amount", amount.as_str())];
        let sending = Sending { key: "rate", parts: &parts, once: "", moves_money: false };
        self.0.send(within, sending).await?.item().needed("rate")
    }
}

async fn answer(headers: HeaderMap, uri: axum::http::Uri, body: Bytes) -> (StatusCode, String) {
    let is = |name: &str, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    let reversed: String = uri.path().chars().rev().collect();
    let text = String::from_utf8_lossy(&body).into_owned();
    let wanted = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
        <rate><amount>100</amount><pair>EURNOK</pair></rate>";
    let fault = |code: &str| format!("<answer><fault><code>{code}</code></fault></answer>");
    match () {
        () if !is("authorization", "Bearer token-1") => (StatusCode::UNAUTHORIZED, fault("A1")),
        () if !is("x-reversed", &reversed) => (StatusCode::UNAUTHORIZED, fault("A2")),
        () if !is("content-type", "application/xml") || !is("accept", "application/xml") => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, fault("A3"))
        }
        () if text != wanted => (StatusCode::UNPROCESSABLE_ENTITY, fault("NO_PAIR")),
        () => (StatusCode::OK, "<answer><quote><rate>11.73</rate></quote></answer>".to_owned()),
    }
}

fn variables(url: &str, simulate: bool) -> Vec<(String, String)> {
    [
        ("EXCHANGE_URL", url),
        ("EXCHANGE_ALLOW_PRIVATE", "true"),
        ("EXCHANGE_HEADERS", "Authorization=Bearer env:token-1"),
        ("EXCHANGE_REQUIRED_AUTH_HEADERS", "authorization,x-reversed"),
        ("EXCHANGE_FORMAT", "xml"),
        ("EXCHANGE_SIMULATE", if simulate { "true" } else { "false" }),
        ("HOME", "elsewhere"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[tokio::test]
async fn a_provider_is_added_from_the_outside() {
    let _watch = super::watching();
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/rates/{pair}", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    // 4. Its configuration: variables with a prefix of its own.
    let config = ApiConfig::from_env("EXCHANGE", EXCHANGE, variables(&url, false)).unwrap();
    let exchange = Exchange::new(&config).unwrap();
    assert_eq!(exchange.rate(&within(), "EURNOK", 100).await.as_deref(), Ok("11.73"));
    let none = exchange.rate(&within(), "EURXXX", 100).await.unwrap_err();
    assert_eq!((none.why, none.code.as_str()), (Failed::Format, "NO_PAIR"));
    // 5. Without a provider.
    let config = ApiConfig::from_env("EXCHANGE", EXCHANGE, variables(&url, true)).unwrap();
    let mut exchange = Exchange::new(&config).unwrap();
    assert_eq!(exchange.rate(&within(), "EURNOK", 100).await.as_deref(), Ok("11.5"));
    exchange.0.set_simulated("rate", 503, r#"{"fault": {"code": "SHUT"}}"#).unwrap();
    let shut = exchange.rate(&within(), "EURNOK", 100).await.unwrap_err();
    assert_eq!((shut.why, shut.code.as_str()), (Failed::Unavailable, "SHUT"));
    assert!(exchange.0.set_simulated("rates", 200, "{}").is_err());
    // What nobody configured cannot be asked.
    let sending = Sending { key: "rates", parts: &[], once: "", moves_money: false };
    let unknown = exchange.0.send(&within(), sending).await.err().unwrap();
    assert_eq!((unknown.why, unknown.code.as_str()), (Failed::NotSupported, "operation"));
}

/// Signs as long as it is told to.
struct Moody(Result<Signed, Failure>);

impl Signs for Moody {
    fn sign(&self, _: &Unsigned<'_>) -> Result<Signed, Failure> {
        self.0.clone()
    }
}

#[tokio::test]
async fn nothing_leaves_that_should_be_signed_and_is_not() {
    let _watch = super::watching();
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let answer = move || {
        count.fetch_add(1, Ordering::SeqCst);
        async { "<answer><quote><rate>1</rate></quote></answer>" }
    };
    let router = Router::new().route("/rates/{pair}", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let cannot = Failure { code: "hsm".to_owned(), ..Failure::before(Failed::Credentials) };
    for simulate in [false, true] {
        let config = ApiConfig::from_env("EXCHANGE", EXCHANGE, variables(&url, simulate)).unwrap();
        let ask = async |signed: Result<Signed, Failure>| {
            let sink = crate::trail::trail();
            let client = ApiClient::new("exchange", &config, &secret, sink).unwrap();
            let exchange = Exchange(client.with_signer(Arc::new(Moody(signed))));
            let rate = exchange.rate(&within(), "EURNOK", 100).await;
            rate.map_err(|failure| (failure.why, failure.code))
        };
        let refused = |code: &str| Err((Failed::Credentials, code.to_owned()));
        assert_eq!(ask(Err(cannot.clone())).await, refused("hsm"));
        assert_eq!(ask(Ok(vec![])).await, refused("unauthorized"), "it named no header");
        assert_eq!(ask(Ok(vec![("x-reversed", String::new())])).await, refused("unauthorized"));
        let unfit = ask(Ok(vec![("x-reversed", "a\nb".to_owned())])).await;
        assert_eq!(unfit, refused("signature"));
        assert_eq!(seen.load(Ordering::SeqCst), 0, "something left unsigned");
        assert!(ask(Ok(vec![("x-reversed", "yes".to_owned())])).await.is_ok());
        assert_eq!(seen.swap(0, Ordering::SeqCst), usize::from(!simulate));
    }
}

/// Every byte turned over, in place of a cipher.
struct Inverted;

impl Envelope for Inverted {
    fn seal(&self, body: &[u8]) -> Result<(&'static str, Vec<u8>), Failure> {
        Ok(("application/octet-stream", body.iter().map(|byte| !byte).collect()))
    }

    fn open(&self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(body.iter().map(|byte| !byte).collect())
    }
}

#[tokio::test]
async fn bodies_go_in_envelopes_both_ways() {
    let _watch = super::watching();
    let sealed = |text: &str| text.bytes().map(|byte| !byte).collect::<Vec<u8>>();
    let answer = move |headers: HeaderMap, body: Bytes| async move {
        let kind = headers.get("content-type").cloned();
        assert!(kind.is_some_and(|kind| kind == "application/octet-stream"));
        let text = String::from_utf8(body.iter().map(|byte| !byte).collect()).unwrap();
        assert!(text.contains(r#""account":"NO9386011117947""#), "{text}");
        sealed(r#"{"available": "12.00", "currency": "NOK"}"#)
    };
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/account/balance", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let variables = [("CBS_API_URL", url.as_str()), ("CBS_API_ALLOW_PRIVATE", "true")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = ApiConfig::from_env("CBS_API", CBS, variables).unwrap();
    let sink = crate::trail::trail();
    let client = ApiClient::new("cbs", &config, &secret, sink).unwrap();
    let client = client.with_envelope(Arc::new(Inverted));
    let parts = [("account", "NO9386011117947")];
    let sending = Sending { key: "account_balance", parts: &parts, once: "", moves_money: false };
    let reply = client.send(&within(), sending).await.unwrap();
    assert_eq!(reply.item().text("available"), "12.00");
}

/// `CBS_API_SIMULATE=true`: a core banking system that is not there.
#[tokio::test]
async fn a_core_banking_system_is_simulated_by_its_variable() {
    let _watch = super::watching();
    let variables = [("CBS_API_URL", "https://cbs.invalid"), ("CBS_API_SIMULATE", "true")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = ApiConfig::from_env("CBS_API", CBS, variables).unwrap();
    let sink = crate::trail::trail();
    let client = ApiClient::new("cbs", &config, &secret, sink).unwrap();
    for operation in CBS {
        let parts = [("account", "NO9386011117947")];
        let sending = Sending { key: operation.key, parts: &parts, once: "", moves_money: false };
        let reply = client.send(&within(), sending).await.unwrap();
        let is_balance = operation.key == "account_balance";
        assert_eq!(reply.item().text("available") == "45230.00", is_balance, "{}", operation.key);
    }
}
