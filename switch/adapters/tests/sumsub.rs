//! The Sumsub adapter against the sandbox, over real sockets: what is asked, every error the
//! provider has, and its webhooks from the wire to an event.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "wire/receiver.rs"]
mod receiver;
#[path = "wire/trail.rs"]
mod trail;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;
#[path = "sumsub/webhooks.rs"]
mod webhooks;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use trail::trail;
use veksel_adapters::sumsub::OWNED_ELSEWHERE;
use veksel_adapters::{AdapterError, Adapters};
use veksel_config::bridge::{BridgeConfig, CallConfig, KycConfig, KycProvider, SecretSource};
use veksel_core::enquiry::{
    Addressee, Ask, AskId, Check, Checks, Enquiry, Failed, Failure, Review, Secret, Verdict,
};
use veksel_core::fact::KycStatus;
use veksel_simulator::sandbox::sumsub::{Sumsub, SumsubConfig};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};
use watch::{Watch, never, search_shown, watch_for};

/// Other parts are doors of the sandbox.
fn watching() -> Watch {
    watch_for(&["sbx:veksel", "sbx:other", "hook-of-sumsub"])
}

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A sandbox that runs.
fn sandbox(config: SumsubConfig) -> RunningSandboxes {
    let clock = Clock::default();
    let sandbox = Arc::new(Sumsub::new(config, clock.clone()));
    let mount = Mount { name: "sumsub".to_owned(), listen: LOOPBACK, tls: None, sandbox };
    start(vec![mount], clock).unwrap()
}

fn address(sandbox: &RunningSandboxes) -> SocketAddr {
    sandbox.address("sumsub").unwrap()
}

fn kyc(url: &str) -> KycConfig {
    let call = CallConfig {
        allow_private: true,
        connect_ms: 1_000,
        read_ms: 1_000,
        retries: 0,
        ..CallConfig::at(url)
    };
    KycConfig {
        provider: KycProvider::Sumsub,
        call,
        app_token: SecretSource::Env("sbx:veksel".to_owned()),
        secret_key: SecretSource::Env("sandbox-secret-key".to_owned()),
        webhook_secrets: Vec::new(),
        allow_sha1: false,
        level: "basic-kyc-level".to_owned(),
        token_seconds: 1_800,
        risk_labels: vec!["BLOCKLIST".to_owned(), "FORGERY".to_owned()],
        posts_max: 50,
        gets_max: 300,
    }
}

/// Adapters whose secrets are the names of where they stand.
fn adapters(kyc: KycConfig) -> Result<Adapters, AdapterError> {
    let config = BridgeConfig { kyc: Some(kyc), ..BridgeConfig::default() };
    let secret = |source: &SecretSource| match source {
        SecretSource::Env(name) => Ok(Secret::new(name.as_str())),
        SecretSource::File(_) => panic!("no test has files"),
    };
    Adapters::new(&config, &secret, trail())
}

fn adapter(sandbox: &RunningSandboxes) -> Adapters {
    adapters(kyc(&format!("http://{}", address(sandbox)))).unwrap()
}

async fn ask(adapters: &Adapters, enquiry: Enquiry) -> Verdict {
    let trace = "trace".to_owned();
    let (id, to, address) = (AskId(1), Addressee::Kyc, None);
    let verdict =
        adapters.ask(Ask { id, to, enquiry, within_ms: 5_000, trace, txn: None, address }).await;
    search_shown("a verdict", &verdict);
    verdict
}

fn applicant(customer: &str) -> Enquiry {
    Enquiry::Applicant {
        customer: customer.to_owned(),
        email: Some("kari@example.com".to_owned()),
        phone: Some("+4790000000".to_owned()),
        level: String::new(),
    }
}

/// Opens an applicant and says what the provider calls it.
async fn open(adapters: &Adapters, customer: &str) -> String {
    match ask(adapters, applicant(customer)).await {
        Verdict::Applicant { applicant, token } => {
            assert!(token.expose().starts_with("_act-"), "a token of the provider");
            applicant
        }
        other => panic!("{other:?}"),
    }
}

async fn review(adapters: &Adapters, applicant: &str) -> Review {
    match ask(adapters, Enquiry::Review { applicant: applicant.to_owned() }).await {
        Verdict::Review(review) => review,
        other => panic!("{other:?}"),
    }
}

fn failure(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn checks(applicant: &str) -> Enquiry {
    Enquiry::Checks { applicant: applicant.to_owned() }
}

/// Hands documents in on the page that stands for the SDK, as a browser would.
async fn submit(sandbox: &RunningSandboxes, adapters: &Adapters, customer: &str) -> String {
    let Verdict::Applicant { applicant, token } = ask(adapters, applicant(customer)).await else {
        panic!("no applicant");
    };
    never("a token of the provider", token.expose());
    let body = format!("token={}", token.expose());
    let page = receiver::http(
        address(sandbox),
        "POST /sdk HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded",
        body.as_bytes(),
    );
    assert!(page.await.starts_with("HTTP/1.1 200"));
    applicant
}

/// Asks until a check has left a status behind, or five seconds are over.
async fn decided(adapters: &Adapters, applicant: &str) -> Review {
    for _ in 0..250 {
        let found = review(adapters, applicant).await;
        if found.status != Some(KycStatus::Pending) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the check is never decided");
}

fn quick() -> SumsubConfig {
    SumsubConfig { delay_ms: 30, posts_max: 1_000, gets_max: 10_000, ..SumsubConfig::default() }
}

#[tokio::test]
async fn a_check_goes_from_an_applicant_to_its_decision() {
    let _watch = watching();
    let sandbox = sandbox(quick());
    let adapters = adapter(&sandbox);
    let cases = [
        ("anna-green", KycStatus::Approved),
        ("berit-red-final", KycStatus::Risk),
        ("carl-red-retry", KycStatus::Resubmit),
        ("dag-blocklist", KycStatus::Risk),
        ("eva-hold", KycStatus::OnHold),
    ];
    for (customer, wanted) in cases {
        let id = open(&adapters, customer).await;
        let fresh = review(&adapters, &id).await;
        assert_eq!(fresh.status, Some(KycStatus::Pending), "{customer}");
        assert_eq!((fresh.customer.as_str(), fresh.born), (customer, None));
        assert_eq!(submit(&sandbox, &adapters, customer).await, id, "reused, not created again");
        let found = decided(&adapters, &id).await;
        assert_eq!(found.status, Some(wanted), "{customer}");
        assert_eq!(found.applicant, id);
        assert_eq!(found.level, "basic-kyc-level");
        assert_eq!(found.reviewed.is_some(), wanted != KycStatus::OnHold, "{customer}");
        assert!(found.born.is_some() && found.document_until > found.reviewed, "{customer}");
    }
    // Every request named the level and the document as the provider wants it.
    let log = sandbox.log("sumsub").unwrap().entries();
    let created = log.iter().find(|entry| entry.path.starts_with("/resources/applicants?"));
    assert_eq!(created.unwrap().path, "/resources/applicants?levelName=basic-kyc-level");
    assert!(log.iter().all(|entry| entry.remark.is_none() || entry.status == Some(409)));
}

#[tokio::test]
async fn each_check_behind_a_verification_is_told() {
    let _watch = watching();
    let sandbox = sandbox(quick());
    let adapters = adapter(&sandbox);
    for (customer, document, rest) in
        [("anna-green", Check::Pass, Check::Pass), ("carl-red-retry", Check::Fail, Check::Unknown)]
    {
        let id = submit(&sandbox, &adapters, customer).await;
        decided(&adapters, &id).await;
        let found = ask(&adapters, checks(&id)).await;
        let wanted = Checks {
            document,
            liveness: Check::Pass,
            face_match: Check::Pass,
            sanctions: rest,
            pep: rest,
        };
        assert_eq!(found, Verdict::Checks(wanted), "{customer}");
    }
    let unknown = failure(ask(&adapters, checks("000000000000000000000000")).await);
    assert_eq!(unknown.why, Failed::NotFound);
}

#[tokio::test]
async fn an_applicant_that_is_there_is_used_again_wherever_its_number_stands() {
    let _watch = watching();
    let sandbox = sandbox(quick());
    let adapters = adapter(&sandbox);
    let id = open(&adapters, "anna").await;
    assert_eq!(open(&adapters, "anna").await, id);
    // Ids that must be escaped in a path, or look like the provider's own.
    for customer in ["a b/æ;=?#%", "5f9e1b2c3d4e5f6a7b8c9d0e", "../../x"] {
        let id = open(&adapters, customer).await;
        assert_eq!(open(&adapters, customer).await, id, "{customer}");
        assert_eq!(review(&adapters, &id).await.customer, customer);
    }
    // Somebody else's: known to the provider, and not to be found.
    let failure = failure(ask(&adapters, applicant("olga-elsewhere")).await);
    assert_eq!((failure.why, failure.code.as_str()), (Failed::Duplicate, OWNED_ELSEWHERE));
    assert!(!failure.is_open);
}

#[tokio::test]
async fn whoever_is_under_age_or_has_an_old_document_is_known() {
    let _watch = watching();
    let sandbox = sandbox(quick());
    let adapters = adapter(&sandbox);
    for (customer, is_child, is_old) in
        [("kid-underage-green", true, false), ("old-expired-document-green", false, true)]
    {
        let id = submit(&sandbox, &adapters, customer).await;
        let found = decided(&adapters, &id).await;
        assert_eq!(found.status, Some(KycStatus::Approved));
        let reviewed = found.reviewed.unwrap().0;
        let lived = i64::try_from(reviewed).unwrap() - found.born.unwrap();
        assert_eq!(lived / (365 * 86_400_000) < 18, is_child, "{customer}");
        assert_eq!(found.document_until.unwrap().0 < reviewed, is_old, "{customer}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let _watch = watching();
    let sandbox = sandbox(quick());
    let url = format!("http://{}", address(&sandbox));
    let adapters_with = |change: &dyn Fn(&mut KycConfig)| {
        let mut config = kyc(&url);
        change(&mut config);
        adapters(config).unwrap()
    };
    let env = |text: &str| SecretSource::Env(text.to_owned());
    let wrong_key = adapters_with(&|it| it.secret_key = env("other"));
    let wrong_token = adapters_with(&|it| it.app_token = env("sbx:other"));
    let wrong_level = adapters_with(&|it| it.level = "no-such-level".to_owned());
    let good = adapters_with(&|_| ());
    let nobody = || Enquiry::Review { applicant: "000000000000000000000000".to_owned() };
    let blank = || Enquiry::Review { applicant: String::new() };
    let cases = [
        (&wrong_key, applicant("x"), Failed::Credentials, "401"),
        (&wrong_token, applicant("x"), Failed::Credentials, "401"),
        (&wrong_level, applicant("x"), Failed::Format, "400"),
        (&good, nobody(), Failed::NotFound, "404"),
        (&good, blank(), Failed::Format, "applicant"),
        (&good, applicant(""), Failed::Format, "customer"),
    ];
    for (n, (adapters, enquiry, why, code)) in cases.into_iter().enumerate() {
        let failure = failure(ask(adapters, enquiry).await);
        assert_eq!((failure.why, failure.code.as_str()), (why, code), "case {n}");
        assert!(!failure.is_open && failure.why.is_alarming() == (why == Failed::Credentials));
    }
    // Nothing was created on the way.
    let bank = Enquiry::Revoke(veksel_core::enquiry::BankAccount {
        iban: String::new(),
        resource: String::new(),
        consent: String::new(),
        customer: String::new(),
    });
    assert_eq!(failure(ask(&good, bank).await).why, Failed::NotSupported);
    assert!(open(&good, "x").await.len() == 24);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_read_again_once() {
    let _watch = watching();
    let sandbox = sandbox(quick());
    let adapters = adapter(&sandbox);
    sandbox.clock().advance(120_000);
    let failure = failure(ask(&adapters, applicant("x")).await);
    assert_eq!((failure.why, failure.code.as_str()), (Failed::Credentials, "401"));
    let log = sandbox.log("sumsub").unwrap().entries();
    assert_eq!(log.len(), 2, "asked again once and no more");
    assert!(log.iter().all(|entry| entry.status == Some(401)));
}

#[tokio::test]
async fn too_many_requests_are_told_with_the_time_to_wait() {
    let _watch = watching();
    let sandbox = sandbox(SumsubConfig { gets_max: 4, ..quick() });
    let adapters = adapter(&sandbox);
    let id = open(&adapters, "x").await;
    for _ in 0..2 {
        assert_eq!(review(&adapters, &id).await.status, Some(KycStatus::Pending));
    }
    let failure = failure(ask(&adapters, Enquiry::Review { applicant: id }).await);
    assert_eq!((failure.why, failure.retry_ms), (Failed::Limited, Some(1_000)));
}

#[tokio::test]
async fn our_own_limit_is_below_the_providers() {
    let _watch = watching();
    let sandbox = sandbox(SumsubConfig { gets_max: 10_000, posts_max: 10_000, ..quick() });
    let adapters = adapter(&sandbox);
    // Two POST each: after 25 of them the provider would refuse, so we do not ask.
    for n in 0..25 {
        open(&adapters, &format!("x{n}")).await;
    }
    let ask = Ask {
        id: AskId(1),
        to: Addressee::Kyc,
        enquiry: applicant("one-more"),
        within_ms: 300,
        trace: String::new(),
        txn: None,
        address: None,
    };
    let failure = failure(adapters.ask(ask).await);
    assert_eq!((failure.why, failure.code.as_str()), (Failed::Limited, "own_limit"));
    assert!(failure.retry_ms.is_some_and(|wait| wait > 300 && wait <= 5_000));
    let posts = sandbox.log("sumsub").unwrap().entries();
    assert_eq!(posts.iter().filter(|entry| entry.method == "POST").count(), 50);
}

#[tokio::test]
async fn silence_and_nobody_are_no_answer_and_no_no() {
    let _watch = watching();
    let sandbox = sandbox(quick());
    let mut config = kyc(&format!("http://{}", address(&sandbox)));
    config.call.read_ms = 100;
    config.call.connect_ms = 200;
    let adapters_here = adapters(config.clone()).unwrap();
    let id = open(&adapters_here, "slow-timeout").await;
    let late = failure(ask(&adapters_here, Enquiry::Review { applicant: id }).await);
    assert_eq!(late.why, Failed::Late);
    sandbox.stop();
    let gone = failure(ask(&adapters_here, applicant("x")).await);
    assert_eq!(gone.why, Failed::Unavailable);
}

#[tokio::test]
async fn answers_that_make_no_sense_are_malfunctions() {
    let _watch = watching();
    let cases = [
        ("500 Internal Server Error", "<html>oops</html>", Failed::Malfunction, "500"),
        ("502 Bad Gateway", "<html>oops</html>", Failed::Unavailable, "502"),
        ("503 Service Unavailable", "", Failed::Unavailable, "503"),
        ("504 Gateway Timeout", "", Failed::Late, "504"),
        ("200 OK", "<html>oops</html>", Failed::Malfunction, "schema"),
        ("200 OK", "{}", Failed::Malfunction, "schema"),
        ("200 OK", "[]", Failed::Malfunction, "schema"),
        ("409 Conflict", "<html>", Failed::Malfunction, "schema"),
        (
            "400 Bad Request",
            r#"{"code":400,"errorCode":1004,"errorName":"corrupted-file"}"#,
            Failed::Format,
            "corrupted-file",
        ),
        (
            "400 Bad Request",
            r#"{"code":400,"errorName":"a text of theirs, not a code"}"#,
            Failed::Format,
            "400",
        ),
        ("429 Too Many Requests", r#"{"code":429}"#, Failed::Limited, "429"),
    ];
    for (status, body, why, code) in cases {
        let server = receiver::Canned::start(status, body).await;
        let adapters = adapters(kyc(&format!("http://{}", server.address))).unwrap();
        let failure = failure(ask(&adapters, applicant("x")).await);
        let is_conflict = status.starts_with("409");
        // A look-up that gets the same 409 is refused as what it is.
        let (why, code) = if is_conflict { (Failed::Duplicate, "409") } else { (why, code) };
        assert_eq!((failure.why, failure.code.as_str()), (why, code), "{status} {body}");
    }
}

#[test]
fn a_token_of_no_world_is_refused_before_anything_is_called() {
    let _watch = watching();
    let mut config = kyc("http://127.0.0.1:1");
    config.app_token = SecretSource::Env("veksel".to_owned());
    let error = adapters(config).unwrap_err().to_string();
    assert!(error.contains("sbx:") && error.contains("sumsub"), "{error}");
    assert!(!error.contains("veksel"), "the token is shown: {error}");
}
