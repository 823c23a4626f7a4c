//! The executor against servers that do what no server should: real sockets, real TLS.

pub(crate) mod server;
pub(crate) mod tls;

use super::audit::{CallEvent, audit};
use super::{Chain, Executor, Request, Response};
use crate::executor::retry::REGISTERED;
use reqwest::Method;
use server::{Act, Server};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use veksel_config::bridge::CallConfig;
use veksel_core::enquiry::{Failed, Failure};

const HTML_500: &str =
    "HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>no</html>";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const LIMITED: &str = "HTTP/1.1 429 Slow down\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";

/// How a provider at this address is called in tests: no waits, short timeouts.
fn config(url: &str) -> CallConfig {
    CallConfig {
        connect_ms: 2_000,
        read_ms: 5_000,
        retries: 2,
        retry_wait_ms: 0,
        body_max: 1_000,
        breaker_failures: 100,
        allow_private: true,
        ..CallConfig::at(url)
    }
}

struct Rig {
    executor: Executor,
    events: Receiver<CallEvent>,
}

impl Rig {
    fn new(config: &CallConfig) -> Self {
        let (sink, events) = audit(100);
        Self { executor: Executor::new("bank", config, REGISTERED, sink).unwrap(), events }
    }

    fn at(url: &str) -> Self {
        Self::new(&config(url))
    }

    /// Whether the last attempt was noted like this, and how many there were.
    fn outcomes(&mut self) -> Vec<&'static str> {
        let mut outcomes = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            outcomes.push(event.outcome);
        }
        outcomes
    }

    async fn call(&self, request: Request, within_ms: u64) -> Result<Response, Failure> {
        self.executor.call(&Chain::new(within_ms, "trace-1"), request).await
    }
}

fn read() -> Request {
    Request::new("accounts", Method::GET, "/v1/accounts/{id}", "/v1/accounts/7")
}

fn pay() -> Request {
    let request = Request::new("payments", Method::POST, "/v1/payments", "/v1/payments");
    request.body("application/json", &b"{\"amount\":1}"[..]).unwrap().moving_money()
}

#[track_caller]
fn failed(result: Result<Response, Failure>, why: Failed, is_open: bool, code: &str) {
    let failure = result.unwrap_err();
    assert_eq!((failure.why, failure.is_open, &*failure.code), (why, is_open, code));
}

#[tokio::test]
async fn an_answer_comes_back_whole_and_is_noted_without_content() {
    let server = Server::start(vec![Act::Say(
        "HTTP/1.1 201 Created\r\nX-Request-ID: r1\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
    )])
    .await;
    let mut rig = Rig::at(&server.url());
    let request = pay()
        .header("x-request-id", "r1")
        .unwrap()
        .secret_header("authorization", "Bearer hidden")
        .unwrap();
    let response = rig.call(request, 5_000).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (201, &b"{\"a\":1}"[..]));
    assert_eq!(response.header("x-request-id"), "r1");
    let [seen] = &server.requests()[..] else { panic!("one request") };
    assert!(seen.starts_with("POST /v1/payments HTTP/1.1\r\n"), "{seen}");
    assert!(seen.to_ascii_lowercase().contains("content-length: 12\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n{\"amount\":1}"), "{seen}");
    let event = rig.events.try_recv().unwrap();
    assert_eq!(
        (event.provider.as_str(), event.service, event.template),
        ("bank", "payments", "/v1/payments")
    );
    assert_eq!((event.status, event.outcome, event.attempt), (Some(201), "ok", 1));
    assert_eq!((&*event.request_id, &*event.trace), ("r1", "trace-1"));
    assert_eq!((event.bytes_out, event.bytes_in), (12, 7));
    assert!(!format!("{event:?}").contains("hidden"));
}

#[tokio::test]
async fn nobody_there_is_tried_again_because_nothing_was_sent() {
    let url = Server::nobody().await;
    let mut rig = Rig::at(&url);
    failed(rig.call(pay(), 5_000).await, Failed::Unavailable, false, "refused");
    assert_eq!(rig.outcomes(), ["refused"; 2], "once more for an order");
    failed(rig.call(read(), 5_000).await, Failed::Unavailable, false, "refused");
    assert_eq!(rig.outcomes(), ["refused"; 3], "as often as configured for the rest");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_no_answer_either() {
    let mut rig = Rig::at("http://nobody.invalid");
    let result = rig.call(pay(), 5_000).await;
    failed(result, Failed::Unavailable, false, "dns");
    assert_eq!(rig.outcomes().first(), Some(&"dns"));
}

#[tokio::test]
async fn silence_ends_with_the_deadline_and_an_order_is_not_repeated() {
    let server = Server::start(vec![Act::Nothing; 4]).await;
    let mut rig = Rig::at(&server.url());
    failed(rig.call(pay(), 300).await, Failed::Late, true, "timeout");
    assert_eq!((server.requests().len(), rig.outcomes()), (1, vec!["timeout"]));
    failed(rig.call(read(), 300).await, Failed::Late, false, "timeout");
    assert_eq!(rig.outcomes(), ["timeout"], "the whole time went into the first try");
}

#[tokio::test]
async fn an_order_that_waits_for_its_connection_is_not_open() {
    // It takes the connection and never shakes hands.
    let server = Server::start(vec![]).await;
    let url = format!("https://localhost:{}", server.port());
    let rig = Rig::at(&url);
    let chain = Chain::new(400, "");
    let result = rig.executor.call(&chain, pay()).await;
    failed(result, Failed::Unavailable, false, "connect_timeout");
    assert!(!chain.is_open());
    let waiting = CallConfig { connect_ms: 200, ..config(&url) };
    let mut rig = Rig::new(&waiting);
    failed(rig.call(pay(), 10_000).await, Failed::Unavailable, false, "connect_timeout");
    assert_eq!(rig.outcomes(), ["connect_timeout"; 2]);
}

#[tokio::test]
async fn a_read_is_repeated_within_the_deadline_when_an_attempt_takes_too_long() {
    let server = Server::start(vec![Act::Nothing, Act::Say(OK)]).await;
    let slow = CallConfig { connect_ms: 100, read_ms: 100, ..config(&server.url()) };
    let mut rig = Rig::new(&slow);
    assert_eq!(rig.call(read(), 10_000).await.unwrap().status, 200);
    assert_eq!(rig.outcomes(), ["timeout", "ok"]);
}

#[tokio::test]
async fn a_body_that_drips_ends_with_the_deadline() {
    let server = Server::start(vec![Act::Drip]).await;
    let rig = Rig::at(&server.url());
    failed(rig.call(pay(), 400).await, Failed::Late, true, "timeout");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_body_without_end_is_read_to_its_limit() {
    let server = Server::start(vec![Act::Endless; 2]).await;
    let mut rig = Rig::at(&server.url());
    failed(rig.call(read(), 5_000).await, Failed::Malfunction, false, "body_max");
    failed(rig.call(pay(), 5_000).await, Failed::Malfunction, true, "body_max");
    assert_eq!(rig.outcomes(), ["body_max"; 2]);
}

#[tokio::test]
async fn a_500_with_html_is_an_answer_that_orders_do_not_repeat() {
    let server = Server::start(vec![Act::Say(HTML_500); 4]).await;
    let mut rig = Rig::at(&server.url());
    let response = rig.call(pay(), 5_000).await.unwrap();
    assert_eq!((response.status, response.moved_money), (500, true));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(rig.call(read(), 5_000).await.unwrap().status, 500);
    assert_eq!(server.requests().len(), 4);
    assert_eq!(rig.outcomes(), ["answered"; 4]);
}

#[tokio::test]
async fn a_post_that_may_be_repeated_is_and_another_is_not() {
    let server = Server::start(vec![Act::Say(HTML_500), Act::Say(HTML_500), Act::Say(OK)]).await;
    let rig = Rig::at(&server.url());
    let post = || Request::new("consents", Method::POST, "/v1/consents", "/v1/consents");
    assert_eq!(rig.call(post(), 5_000).await.unwrap().status, 500);
    let repeatable = Request { is_repeatable: true, ..post() };
    assert_eq!(rig.call(repeatable, 5_000).await.unwrap().status, 200);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Server::start(vec![Act::Say(OK)]).await;
    for location in ["http://169.254.169.254/latest/meta-data", &target.url()] {
        let redirect =
            format!("HTTP/1.1 307 There\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
                .leak();
        let server = Server::start(vec![Act::Say(redirect)]).await;
        let rig = Rig::at(&server.url());
        failed(rig.call(pay(), 5_000).await, Failed::Malfunction, true, "redirect");
        let server = Server::start(vec![Act::Say(redirect)]).await;
        let rig = Rig::at(&server.url());
        failed(rig.call(read(), 5_000).await, Failed::Malfunction, false, "redirect");
        assert_eq!(server.requests().len(), 1);
    }
    assert_eq!(target.requests().len(), 0);
}

#[tokio::test]
async fn who_is_asked_too_often_is_left_alone_as_long_as_it_wants() {
    let server = Server::start(vec![Act::Say(LIMITED), Act::Say(OK)]).await;
    let rig = Rig::at(&server.url());
    assert_eq!(rig.call(read(), 5_000).await.unwrap().status, 200);
    assert_eq!(server.requests().len(), 2);
    let later = "HTTP/1.1 429 Slow down\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(vec![Act::Say(later), Act::Say(LIMITED)]).await;
    let rig = Rig::at(&server.url());
    let response = rig.call(read(), 5_000).await.unwrap();
    assert_eq!((response.status, response.retry_ms()), (429, Some(3_600_000)));
    assert_eq!(rig.call(pay(), 5_000).await.unwrap().status, 429);
    assert_eq!(server.requests().len(), 2, "an order is not repeated even then");
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let half = "HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"transactionSt";
    let server = Server::start(vec![Act::SayAndClose(half); 2]).await;
    let rig = Rig::at(&server.url());
    failed(rig.call(pay(), 5_000).await, Failed::Malfunction, true, "broken_body");
    assert_eq!(server.requests().len(), 1);
    for cut in ["", "HTTP/1.1 20"] {
        let server = Server::start(vec![Act::SayAndClose(cut)]).await;
        let rig = Rig::at(&server.url());
        failed(rig.call(pay(), 5_000).await, Failed::Unavailable, true, "broken");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_name_with_a_private_address_is_not_called() {
    let server = Server::start(vec![Act::Say(OK)]).await;
    let url = format!("https://localhost:{}", server.port());
    let closed = CallConfig { allow_private: false, breaker_failures: 1, ..config(&url) };
    let mut rig = Rig::new(&closed);
    for _ in 0..5 {
        failed(rig.call(pay(), 5_000).await, Failed::Unavailable, false, "address");
    }
    assert_eq!(rig.outcomes(), ["address"; 5], "never tried again");
    assert_eq!(server.connections(), 0);
    assert!(!rig.executor.circuits()[0].is_open, "it says nothing of the provider");
}

#[tokio::test]
async fn a_configured_address_inside_is_refused_at_once() {
    let (sink, _events) = audit(1);
    for url in [
        "https://127.0.0.1:1",
        "https://[::1]:1",
        "https://169.254.169.254",
        "http://bank.example",
        "bank.example",
        "https://bank.example/?a=b",
    ] {
        let call = CallConfig { allow_private: false, ..config(url) };
        let refused = Executor::new("bank", &call, REGISTERED, sink.clone());
        let shown = refused.map(|_| ()).unwrap_err().to_string();
        assert!(shown.contains(url), "{shown}");
    }
}

#[tokio::test]
async fn the_breaker_of_a_service_leaves_the_others_alone() {
    let server = Server::start(vec![
        Act::Say(HTML_500),
        Act::Say(HTML_500),
        Act::Say(HTML_500),
        Act::Say(OK),
        Act::Say(HTML_500),
        Act::Say(OK),
    ])
    .await;
    let call = CallConfig { breaker_failures: 3, retries: 0, ..config(&server.url()) };
    let mut rig = Rig::new(&call);
    for _ in 0..3 {
        assert_eq!(rig.call(read(), 5_000).await.unwrap().status, 500);
    }
    failed(rig.call(read(), 5_000).await, Failed::BreakerOpen, false, "breaker");
    assert_eq!(server.requests().len(), 3);
    assert_eq!(rig.call(pay(), 5_000).await.unwrap().status, 200);
    let open: Vec<_> =
        rig.executor.circuits().into_iter().map(|c| (c.service, c.is_open)).collect();
    assert_eq!(open, [("accounts", true), ("payments", false)]);
    // A minute later one may try, and fails.
    skip(Duration::from_secs(60)).await;
    assert_eq!(rig.call(read(), 5_000).await.unwrap().status, 500);
    failed(rig.call(read(), 5_000).await, Failed::BreakerOpen, false, "breaker");
    skip(Duration::from_secs(60)).await;
    assert_eq!(rig.call(read(), 5_000).await.unwrap().status, 200);
    assert!(!rig.executor.circuits()[0].is_open);
    assert_eq!(rig.outcomes().len(), 6, "what the breaker refused was no call");
}

#[tokio::test]
async fn an_attempt_that_our_own_deadline_cut_off_says_nothing_of_the_provider() {
    let server = Server::start(vec![Act::Nothing; 3]).await;
    let call = CallConfig { breaker_failures: 1, retries: 0, ..config(&server.url()) };
    let short = CallConfig { connect_ms: 100, read_ms: 100, ..call.clone() };
    let rig = Rig::new(&CallConfig { connect_ms: 2_000, read_ms: 60_000, ..call });
    for _ in 0..2 {
        failed(rig.call(read(), 200).await, Failed::Late, false, "timeout");
        assert!(!rig.executor.circuits()[0].is_open);
    }
    // One that had all the time it may take does.
    let rig = Rig::new(&short);
    failed(rig.call(read(), 60_000).await, Failed::Late, false, "timeout");
    assert!(rig.executor.circuits()[0].is_open);
}

/// An executor with the defaults, and a provider that takes every request and says nothing.
async fn silent() -> (Server, Rig) {
    let server = Server::start(vec![Act::Nothing; 6]).await;
    let call = CallConfig { allow_private: true, ..CallConfig::at(&server.url()) };
    let rig = Rig::new(&call);
    (server, rig)
}

/// Lets so much time pass once the server has this many requests.
async fn silence(server: &Server, requests: usize, time: Duration) {
    for _ in 0..6_000 {
        if server.requests().len() >= requests {
            return skip(time).await;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} of {requests} requests came", server.requests().len());
}

#[tokio::test]
async fn a_provider_that_only_accepts_opens_its_breaker_by_the_defaults() {
    let bank = veksel_core::plan::BankPlan::named("bank").deadlines;
    let host = veksel_core::plan::Deadlines::default();
    let budgets = [bank.payment_ms, bank.inquiry_ms, bank.statement_ms, host.payment_ms, 20_000];
    for within_ms in budgets.into_iter().chain([host.inquiry_ms, bank.payment_ms / 2]) {
        let (server, mut rig) = silent().await;
        for count in 1..=3 {
            let over = silence(&server, count, Duration::from_millis(within_ms));
            let (result, ()) = tokio::join!(rig.call(read(), within_ms), over);
            failed(result, Failed::Late, false, "timeout");
            assert_eq!(rig.executor.circuits()[0].is_open, count == 3, "{within_ms}, {count}");
        }
        failed(rig.call(read(), within_ms).await, Failed::BreakerOpen, false, "breaker");
        assert_eq!(rig.outcomes(), ["timeout"; 3]);
    }
}

#[tokio::test]
async fn who_gives_up_early_opens_no_breaker_and_who_waited_in_vain_does() {
    let (server, mut rig) = silent().await;
    for (count, waited) in [1_000, 1_000, 1_000, 5_000, 5_000, 5_000].into_iter().enumerate() {
        let over = silence(&server, count + 1, Duration::from_millis(waited));
        tokio::select! {
            result = rig.call(read(), 60_000) => panic!("{result:?}"),
            () = over => {}
        }
        assert_eq!(rig.executor.circuits()[0].is_open, count == 5, "{count}");
    }
    assert_eq!(rig.outcomes(), ["given_up"; 6]);
}

/// Lets the clock of the executor run ahead.
pub(crate) async fn skip(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn business_errors_do_not_open_the_breaker() {
    const REFUSED: &str = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n";
    let mut acts = vec![Act::Say(REFUSED); 5];
    acts.extend(vec![Act::Say(LIMITED); 5]);
    acts.push(Act::Say(OK));
    let server = Server::start(acts).await;
    let call = CallConfig { breaker_failures: 1, retries: 0, ..config(&server.url()) };
    let rig = Rig::new(&call);
    for _ in 0..10 {
        assert!(!rig.call(read(), 5_000).await.unwrap().is_success());
    }
    assert!(rig.call(read(), 5_000).await.unwrap().is_success());
}

#[tokio::test]
async fn more_calls_than_allowed_are_refused_without_a_wait() {
    let server = Server::start(vec![Act::Nothing]).await;
    let call = CallConfig { calls_max: 1, ..config(&server.url()) };
    let rig = Rig::new(&call);
    let (slow, full) = tokio::join!(rig.call(pay(), 500), rig.call(pay(), 500));
    failed(slow, Failed::Late, true, "timeout");
    failed(full, Failed::Unavailable, false, "calls_max");
}

#[tokio::test]
async fn an_order_that_is_given_up_half_way_is_known_to_be_open() {
    let server = Server::start(vec![Act::Nothing, Act::Nothing]).await;
    let mut rig = Rig::at(&server.url());
    for (request, is_open) in [(pay(), true), (read(), false)] {
        let chain = Chain::new(60_000, "");
        {
            let call = rig.executor.call(&chain, request);
            let given_up = tokio::time::timeout(Duration::from_millis(300), call).await;
            assert!(given_up.is_err());
        }
        assert_eq!(chain.is_open(), is_open);
        assert_eq!(rig.outcomes(), ["given_up"]);
    }
}

#[tokio::test]
async fn nothing_is_begun_when_no_time_is_left() {
    let server = Server::start(vec![Act::Say(OK)]).await;
    let mut rig = Rig::at(&server.url());
    failed(rig.call(pay(), 0).await, Failed::Late, false, "deadline");
    assert_eq!((server.connections(), rig.outcomes().len()), (0, 0));
}

#[tokio::test]
async fn what_differs_from_attempt_to_attempt_is_made_for_each() {
    let server = Server::start(vec![Act::Say(HTML_500), Act::Say(OK)]).await;
    let rig = Rig::at(&server.url());
    let mut number = 0;
    let each = |request: &mut Request| {
        number += 1;
        request.set_header("x-request-id", &format!("r{number}"))
    };
    let chain = Chain::new(5_000, "");
    rig.executor.call_with(&chain, read(), each).await.unwrap();
    let seen = server.requests();
    assert!(seen[0].contains("x-request-id: r1\r\n") && seen[1].contains("x-request-id: r2\r\n"));
}

#[tokio::test]
async fn what_cannot_be_made_for_an_attempt_is_not_sent() {
    let server = Server::start(vec![Act::Say(HTML_500), Act::Say(OK)]).await;
    let mut rig = Rig::at(&server.url());
    let chain = Chain::new(5_000, "");
    let no = || Err(super::failed(Failed::Credentials, "signature"));
    let result = rig.executor.call_with(&chain, pay(), |_| no()).await;
    failed(result, Failed::Credentials, false, "signature");
    assert_eq!((server.connections(), rig.outcomes().len()), (0, 0));
    // What an attempt before it was answered stays.
    let mut number = 0;
    let second = |_: &mut Request| {
        number += 1;
        if number == 2 { no() } else { Ok(()) }
    };
    assert_eq!(rig.executor.call_with(&chain, read(), second).await.unwrap().status, 500);
    assert_eq!(rig.outcomes(), ["answered"]);
}

#[tokio::test]
async fn links_lead_back_to_the_provider_or_nowhere() {
    let rig = Rig::at("http://bank.example/psd2");
    for (href, target) in [
        ("/v1/payments/1", Some("/v1/payments/1")),
        ("/psd2/v1/payments/1", Some("/v1/payments/1")),
        ("/psd2evil/v1", Some("/psd2evil/v1")),
        ("http://bank.example/psd2/v1/payments/1", Some("/v1/payments/1")),
        ("http://bank.example.evil/psd2/v1", None),
        ("http://bank.example/psd2evil/v1", None),
        ("//evil.example/v1", None),
        ("https://evil.example/", None),
        ("v1/payments", None),
        ("/v1/../admin", None),
        ("", None),
    ] {
        assert_eq!(rig.executor.own_target(href).as_deref(), target, "{href}");
    }
}

#[tokio::test]
async fn customers_are_sent_to_pages_only() {
    let (sink, _events) = audit(1);
    let call = CallConfig { allow_private: false, ..config("https://bank.example/psd2") };
    let executor = Executor::new("bank", &call, REGISTERED, sink).unwrap();
    for (href, page) in [
        ("https://sca.example/1?a=b#c", Some("https://sca.example/1?a=b#c")),
        ("/sca/1", Some("https://bank.example/sca/1")),
        ("http://sca.example/1", None),
        ("javascript:alert(1)", None),
        ("https://10.0.0.1/", None),
        ("https://user@sca.example/", None),
        ("", None),
    ] {
        assert_eq!(executor.page(href).as_deref(), page, "{href}");
    }
    assert_eq!(executor.page(&format!("/{}", "x".repeat(2_000))), None);
}

#[tokio::test]
async fn every_attempt_has_a_place_of_its_own_in_the_trace_of_its_message() {
    let server = Server::start(vec![Act::Say(LIMITED), Act::Say(OK)]).await;
    let mut rig = Rig::at(&server.url());
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trace = super::trace::Traces::new(0).of(given);
    let chain = Chain::traced(5_000, given, trace);
    assert_eq!(rig.executor.call(&chain, read()).await.unwrap().status, 200);
    let headers: Vec<String> = server
        .requests()
        .iter()
        .map(|request| {
            let line = request.lines().find_map(|line| line.strip_prefix("traceparent: "));
            line.unwrap().to_owned()
        })
        .collect();
    assert_eq!(headers.len(), 2);
    assert_ne!(headers[0], headers[1]);
    for header in headers {
        let event = rig.events.try_recv().unwrap();
        assert!(header.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{header}");
        assert!(header.ends_with("-01"), "{header}");
        assert_eq!(header.get(36..52), Some(crate::random::hex(&event.span.id).as_str()));
        assert_eq!(event.span.parent, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        assert!(event.span.is_sampled);
    }
}
