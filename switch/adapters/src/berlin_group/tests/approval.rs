//! Approvals that take a step of ours: at the bank's own server, and those that are confirmed.

use super::{
    CHALLENGE, Rig as Plain, VERIFIER, account, bank, body, failed, header, order, payment,
};
use crate::adapters::Parts;
use crate::berlin_group::BerlinGroup;
use crate::executor::Chain;
use crate::executor::audit::audit;
use crate::executor::tests::server::{Act, Server, json};
use veksel_config::bridge::{ApprovalConfig, Quirks, SecretSource};
use veksel_core::enquiry::{Confirmed, ConsentState, Enquiry, Failed, Progress, Secret, Verdict};
use veksel_core::fact::PaymentStatus;

const PATH: &str = "/v1/payments/norwegian-domestic-credit-transfers";
const STATE: &str = "4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f";
const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

fn taken(server: &str) -> Act {
    let links = format!(r#"{{"scaOAuth":{{"href":"{server}"}}}}"#);
    json(201, &format!(r#"{{"transactionStatus":"RCVD","paymentId":"p-1","_links":{links}}}"#))
}

/// A bank, and the server at which its customers approve.
struct Rig {
    bank: BerlinGroup,
    server: Server,
    issuer: Server,
}

impl Rig {
    /// `acts` are told where the server is.
    async fn new(tokens: Vec<Act>, acts: impl FnOnce(&str) -> Vec<Act>) -> Self {
        let issuer = Server::start(tokens).await;
        let server = Server::start(acts(&issuer.url())).await;
        let config = bank(&server.url(), Quirks::default());
        let approval = ApprovalConfig {
            server: format!("{}{WELL_KNOWN}", server.url()),
            client_id: "PSDNO-FSA-1".to_owned(),
            client_secret: Some(SecretSource::Env("PATH".to_owned())),
        };
        let http = super::http();
        let secret = |_: &SecretSource| Ok(Secret::new("s&cret"));
        let parts = Parts { http: Some(&http), secret: &secret, audit: audit(100).0 };
        let bank = BerlinGroup::new(&config, (None, None, Some(&approval)), &parts).unwrap();
        Self { bank, server, issuer }
    }

    async fn ask(&self, enquiry: Enquiry) -> Verdict {
        self.bank.ask(&Chain::new(5_000, ""), &enquiry).await
    }
}

fn metadata(issuer: &str, more: &str) -> Act {
    json(
        200,
        &format!(
            r#"{{"issuer":"{issuer}","authorization_endpoint":"https://auth.bank.example/go?a=b",
            "token_endpoint":"{issuer}/token"{more}}}"#
        ),
    )
}

fn confirm(subject: Confirmed) -> Enquiry {
    Enquiry::Confirm {
        subject: Box::new(subject),
        code: Secret::new("the code"),
        state: [0x4f; 16],
        verifier: Secret::new(VERIFIER),
    }
}

fn settled() -> Act {
    json(200, r#"{"transactionStatus":"ACSC"}"#)
}

fn list() -> Act {
    json(200, r#"{"authorisationIds":["a-1","a-2"]}"#)
}

fn stands(status: &str) -> Act {
    json(200, &format!(r#"{{"scaStatus":"{status}"}}"#))
}

fn done() -> Verdict {
    Verdict::Status(Progress {
        status: PaymentStatus::Settled,
        is_approved: true,
        is_failed: false,
        lacks_funds: false,
    })
}

#[tokio::test]
async fn a_customer_is_led_to_the_banks_own_server_with_a_proof_key() {
    let more = r#","code_challenge_methods_supported":["plain","S256"]"#;
    let rig = Rig::new(vec![], |issuer| vec![taken(WELL_KNOWN), metadata(issuer, more)]).await;
    let verdict = rig.ask(Enquiry::Initiate(Box::new(order()))).await;
    let Verdict::Initiated(initiated) = verdict else { panic!("{verdict:?}") };
    let back = format!("https%3A%2F%2Ftpp.example%2Fapi%2Fpayments%2Fcallback%3Fs%3D{STATE}");
    let page = format!(
        "https://auth.bank.example/go?a=b&response_type=code&client_id=PSDNO-FSA-1&\
         scope=PIS%3Ap-1&state={STATE}&redirect_uri={back}&code_challenge={CHALLENGE}&\
         code_challenge_method=S256"
    );
    assert_eq!(initiated.approve.as_deref(), Some(page.as_str()));
    assert!(initiated.needs_approval && !initiated.progress.is_approved);
    assert!(rig.issuer.requests().is_empty(), "nothing is exchanged before anybody came back");
    assert!(!rig.server.requests().concat().contains(VERIFIER));
}

#[tokio::test]
async fn a_server_that_is_not_the_configured_one_gets_nobody() {
    let cancelled = || json(204, "");
    let plain = r#","code_challenge_methods_supported":["plain"]"#;
    for (acts, word) in [
        (vec![taken("https://elsewhere.example/x"), cancelled()], "sca_oauth_server"),
        (vec![taken(WELL_KNOWN), json(404, ""), cancelled()], "sca_oauth_metadata"),
        (vec![taken(WELL_KNOWN), json(200, "[]"), cancelled()], "sca_oauth_metadata"),
        (vec![taken(WELL_KNOWN), metadata("x", plain), cancelled()], "sca_oauth_pkce"),
    ] {
        let rig = Rig::new(vec![], |_| acts).await;
        let verdict = rig.ask(Enquiry::Initiate(Box::new(order()))).await;
        failed(&verdict, Failed::NotSupported, false, word);
        let last = rig.server.requests().pop().unwrap();
        assert!(last.starts_with(&format!("DELETE {PATH}/p-1 ")), "{last}");
    }
}

#[tokio::test]
async fn a_code_is_exchanged_once_and_then_the_bank_is_asked() {
    let granted = r#"{"access_token":"t0ken","token_type":"Bearer","expires_in":300}"#;
    let rig = Rig::new(vec![json(200, granted)], |issuer| {
        vec![metadata(issuer, ""), json(200, r#"{"authorisationIds":[]}"#), settled()]
    });
    let rig = rig.await;
    assert_eq!(rig.ask(confirm(Confirmed::Payment(payment()))).await, done());
    let exchanged = &rig.issuer.requests()[0];
    assert!(exchanged.starts_with("POST /token HTTP/1.1\r\n"), "{exchanged}");
    let form = format!(
        "grant_type=authorization_code&code=the%20code&redirect_uri=https%3A%2F%2Ftpp.example%2F\
         api%2Fpayments%2Fcallback%3Fs%3D{STATE}&client_id=PSDNO-FSA-1&code_verifier={VERIFIER}&\
         client_secret=s%26cret"
    );
    assert!(exchanged.ends_with(&form), "{exchanged}");
    // Refused, it is refused; that says nothing of the payment.
    for (answer, why, code) in [
        (json(400, r#"{"error":"invalid_grant"}"#), Failed::Refused, "invalid_grant"),
        (json(401, r#"{"error":"invalid_client"}"#), Failed::Credentials, "code"),
        (json(503, ""), Failed::Unavailable, "code"),
        (json(500, "<html>"), Failed::Malfunction, "code"),
        (json(200, "{}"), Failed::Malfunction, "schema"),
    ] {
        let rig = Rig::new(vec![answer], |issuer| vec![metadata(issuer, "")]).await;
        let verdict = rig.ask(confirm(Confirmed::Payment(payment()))).await;
        failed(&verdict, why, false, code);
        assert_eq!(rig.issuer.requests().len(), 1, "a code is good for once");
    }
}

#[tokio::test]
async fn a_token_confirms_where_the_bank_wants_that_too() {
    let granted = r#"{"access_token":"t0ken"}"#;
    let rig = Rig::new(vec![json(200, granted)], |issuer| {
        let confirmed = stands("finalised");
        let all = [list(), stands("failed"), stands("unconfirmed"), confirmed, settled()];
        [vec![metadata(issuer, "")], all.to_vec()].concat()
    });
    let rig = rig.await;
    assert_eq!(rig.ask(confirm(Confirmed::Payment(payment()))).await, done());
    let put = &rig.server.requests()[4];
    assert_eq!(body(put)["confirmationCode"], "t0ken");
}

#[tokio::test]
async fn an_approval_that_waits_for_us_is_confirmed_with_what_was_brought_back() {
    let acts =
        vec![list(), stands("failed"), stands("unconfirmed"), stands("finalised"), settled()];
    let rig = Plain::new(acts).await;
    assert_eq!(rig.ask(&confirm(Confirmed::Payment(payment()))).await, done());
    let put = &rig.server.requests()[3];
    assert!(put.starts_with(&format!("PUT {PATH}/1234-wertiq-983/authorisations/a-2 ")), "{put}");
    assert_eq!(body(put), serde_json::json!({ "confirmationCode": "the code" }));
    assert!(header(put, "x-request-id").is_some());
    // Nothing to confirm: a bank may send its customers back with whatever it likes.
    let rig = Plain::new(vec![list(), stands("finalised"), stands("started"), settled()]).await;
    assert_eq!(rig.ask(&confirm(Confirmed::Payment(payment()))).await, done());
    assert!(rig.lines().iter().all(|line| line.starts_with("GET ")), "{:?}", rig.lines());
    // Not taken: how the payment stands is what counts.
    let waits = r#"{"transactionStatus":"RCVD"}"#;
    let acts = vec![list(), stands("unconfirmed"), stands("unconfirmed"), stands("failed")];
    let after = [json(200, waits), list(), stands("failed"), stands("failed")];
    let rig = Plain::new([acts, after.to_vec()].concat()).await;
    let verdict = rig.ask(&confirm(Confirmed::Payment(payment()))).await;
    assert!(matches!(verdict, Verdict::Status(progress) if progress.is_failed), "{verdict:?}");
    // Before 1.3.6 there is no such thing.
    let old = Quirks { version: 5, ..Quirks::default() };
    let rig = Plain::with(old, vec![settled()]).await;
    assert_eq!(rig.ask(&confirm(Confirmed::Payment(payment()))).await, done());
}

#[tokio::test]
async fn a_consent_is_confirmed_too_and_not_given_at_another_server() {
    let valid = json(200, r#"{"consentStatus":"valid"}"#);
    let accounts = json(200, r#"{"accounts":[{"resourceId":"acc-1","iban":"NO9386011117947"}]}"#);
    let acts = vec![list(), stands("unconfirmed"), stands("unconfirmed"), stands("finalised")];
    let after = [valid, accounts, json(200, r#"{"consentStatus":"valid"}"#)];
    let rig = Plain::new([acts, after.to_vec()].concat()).await;
    let verdict = rig.ask(&confirm(Confirmed::Consent(account()))).await;
    let Verdict::Consent { state, resource, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!((state, resource.as_str()), (ConsentState::Valid, "acc-1"));
    let lines = rig.lines();
    assert_eq!(lines[3], "PUT /v1/consents/consent-1/authorisations/a-2");
    let links = r#"{"scaOAuth":{"href":"/x"}}"#;
    let asked = format!(r#"{{"consentStatus":"received","consentId":"c-1","_links":{links}}}"#);
    let rig = Plain::new(vec![json(201, &asked)]).await;
    let enquiry = Enquiry::Consent {
        account: account(),
        state: [1; 16],
        until: veksel_core::Utc(1_810_598_400_000),
    };
    failed(&rig.ask(&enquiry).await, Failed::NotSupported, false, "sca_oauth");
}
