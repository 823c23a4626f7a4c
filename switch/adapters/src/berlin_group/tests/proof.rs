//! Who we are: tokens and signatures.

use super::{account, bank, failed, header, order};
use crate::adapters::{AdapterError, Adapters, Certificate, Parts};
use crate::berlin_group::BerlinGroup;
use crate::berlin_group::seal::tests::{rsa, written};
use crate::executor::Chain;
use crate::executor::audit::audit;
use crate::executor::tests::server::{Act, Server, json};
use crate::executor::tests::tls;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::atomic::Ordering;
use std::time::Duration;
use veksel_config::bridge::{
    BankConfig, BankProfile, BridgeConfig, CallConfig, Identity, OauthConfig, Quirks, SecretSource,
};
use veksel_core::enquiry::{Addressee, Ask, AskId, Enquiry, Failed, Money, Secret, Verdict};
use veksel_core::plan::BankId;

const TAKEN: &str = r#"{"transactionStatus":"ACSC","paymentId":"1"}"#;
const EXPIRED: &str = r#"{"tppMessages":[{"category":"ERROR","code":"TOKEN_EXPIRED"}]}"#;

fn token(text: &str, life: u64) -> Act {
    json(200, &format!(r#"{{"access_token":"{text}","token_type":"Bearer","expires_in":{life}}}"#))
}

struct Rig {
    bank: BerlinGroup,
    issuer: Server,
    server: Server,
}

impl Rig {
    async fn new(tokens: Vec<Act>, acts: Vec<Act>) -> Self {
        let (issuer, server) = (Server::start(tokens).await, Server::start(acts).await);
        let source = |name: &str| SecretSource::Env(name.to_owned());
        let oauth = OauthConfig {
            token_url: format!("{}/token", issuer.url()),
            client_id: source("id"),
            client_secret: source("secret"),
            scope: "pis ais".to_owned(),
        };
        let secret = |source: &SecretSource| -> Result<Secret, AdapterError> {
            let SecretSource::Env(name) = source else { panic!() };
            Ok(Secret::new(format!("{name}&1")))
        };
        let parts = Parts { http: None, secret: &secret, audit: audit(100).0 };
        let config = bank(&server.url(), Quirks::default());
        let bank = BerlinGroup::new(&config, (None, Some(&oauth), None), &parts).unwrap();
        Self { bank, issuer, server }
    }

    async fn pay(&self) -> Verdict {
        let chain = Chain::new(5_000, "");
        self.bank.ask(&chain, &Enquiry::Initiate(Box::new(order()))).await
    }

    fn bearers(&self) -> Vec<String> {
        let bearer = |request: &String| header(request, "authorization").unwrap().to_owned();
        self.server.requests().iter().map(bearer).collect()
    }
}

#[tokio::test]
async fn a_token_is_kept_until_four_fifths_of_its_life_are_over() {
    let rig = Rig::new(vec![token("one", 100), token("two", 100)], vec![json(201, TAKEN); 3]).await;
    assert!(matches!(rig.pay().await, Verdict::Initiated(_)));
    skip(79).await;
    assert!(matches!(rig.pay().await, Verdict::Initiated(_)));
    skip(2).await;
    assert!(matches!(rig.pay().await, Verdict::Initiated(_)));
    assert_eq!(rig.bearers(), ["Bearer one", "Bearer one", "Bearer two"]);
    let asked = &rig.issuer.requests()[0];
    assert!(asked.starts_with("POST /token HTTP/1.1\r\n"));
    let form = "grant_type=client_credentials&client_id=id%261&client_secret=secret%261\
                &scope=pis%20ais";
    assert!(asked.ends_with(form), "{asked}");
    // Nobody may call us, so nobody is sent back to us.
    assert_eq!(header(&rig.server.requests()[0], "tpp-redirect-preferred"), Some("false"));
    assert_eq!(header(&rig.server.requests()[0], "tpp-redirect-uri"), None);
}

async fn skip(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let tokens = vec![token("one", 3_600), token("two", 3_600)];
    let rig = Rig::new(tokens, vec![json(401, EXPIRED), json(201, TAKEN)]).await;
    assert!(matches!(rig.pay().await, Verdict::Initiated(_)));
    assert_eq!(rig.bearers(), ["Bearer one", "Bearer two"]);
    let tokens = vec![token("one", 3_600), token("two", 3_600)];
    let rig = Rig::new(tokens, vec![json(401, EXPIRED); 3]).await;
    failed(&rig.pay().await, Failed::Malfunction, false, "TOKEN_EXPIRED");
    assert_eq!(rig.server.requests().len(), 2);
}

#[tokio::test]
async fn without_a_token_the_bank_is_not_asked() {
    for (act, why) in [
        (json(401, r#"{"error":"invalid_client"}"#), Failed::Credentials),
        (json(400, r#"{"error":"unauthorized_client"}"#), Failed::Credentials),
        (json(400, r#"{"error":"invalid_request"}"#), Failed::Malfunction),
        (json(503, ""), Failed::Unavailable),
        (json(200, r#"{"access_token":""}"#), Failed::Malfunction),
    ] {
        let rig = Rig::new(vec![act], vec![]).await;
        failed(&rig.pay().await, why, false, "token");
        assert_eq!(rig.server.connections(), 0);
    }
    let rig = Rig::new(vec![json(200, "<html>")], vec![]).await;
    failed(&rig.pay().await, Failed::Malfunction, false, "schema");
}

#[tokio::test]
async fn many_at_once_share_one_token() {
    let rig = Rig::new(vec![token("one", 3_600)], vec![json(201, TAKEN); 8]).await;
    let all = tokio::join!(rig.pay(), rig.pay(), rig.pay(), rig.pay());
    for verdict in [all.0, all.1, all.2, all.3] {
        assert!(matches!(verdict, Verdict::Initiated(_)), "{verdict:?}");
    }
    assert_eq!((rig.server.requests().len(), rig.issuer.requests().len()), (4, 1));
}

/// Parts without anybody who may call us, or any secret.
fn parts() -> Parts<'static> {
    Parts { http: None, secret: &crate::files::read_secret, audit: audit(100).0 }
}

fn read() -> Enquiry {
    Enquiry::Balances { account: account(), is_attended: true }
}

/// A bank counts a read that it answered badly like any other.
#[tokio::test]
async fn a_read_without_its_customer_is_sent_once() {
    for status in [429, 500, 503] {
        let server = Server::start(vec![json(status, ""), json(status, ""), json(200, "{}")]).await;
        let mut config = bank(&server.url(), Quirks::default());
        config.call.retries = 2;
        let bank = BerlinGroup::new(&config, (None, None, None), &parts()).unwrap();
        for (is_attended, sent) in [(false, 1), (true, 3)] {
            let ask = Enquiry::Balances { account: account(), is_attended };
            let verdict = bank.ask(&Chain::new(5_000, ""), &ask).await;
            assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
            assert_eq!(server.requests().len(), sent, "{status} {is_attended}");
        }
    }
}

#[tokio::test]
async fn every_attempt_is_signed_with_its_own_number() {
    let answer = r#"{"balances":[{"balanceType":"expected",
        "balanceAmount":{"currency":"NOK","amount":"1.00"}}]}"#;
    let server = Server::start(vec![json(500, ""), json(200, answer)]).await;
    let seal = written(&rsa());
    let mut config = bank(&server.url(), Quirks::default());
    config.call.retries = 1;
    let bank = BerlinGroup::new(&config, (Some(&seal.identity), None, None), &parts()).unwrap();
    let verdict = bank.ask(&Chain::new(5_000, ""), &read()).await;
    assert!(matches!(verdict, Verdict::Balances(_)), "{verdict:?}");
    let requests = server.requests();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &seal.public);
    let mut numbers = Vec::new();
    for request in &requests {
        let number = header(request, "x-request-id").unwrap();
        let digest = "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(header(request, "digest"), Some(digest), "of no body");
        let shown = header(request, "tpp-signature-certificate").unwrap();
        assert_eq!(STANDARD.decode(shown).unwrap(), seal.der);
        let signature = header(request, "signature").unwrap();
        assert!(signature.contains("headers=\"digest x-request-id\""), "{signature}");
        let (_, signature) = signature.split_once("signature=\"").unwrap();
        let signature = STANDARD.decode(signature.trim_end_matches('"')).unwrap();
        let text = format!("digest: {digest}\nx-request-id: {number}");
        public.verify(text.as_bytes(), &signature).unwrap();
        numbers.push(number);
    }
    assert_eq!(numbers.len(), 2);
    assert_ne!(numbers[0], numbers[1]);
}

#[tokio::test]
async fn a_bank_is_called_under_our_certificate() {
    let (authority, ours) = (tls::Authority::new("bank"), tls::Authority::new("ours"));
    let (url, requests) = tls::server(&authority, &ours).await;
    let mut config = bank(&url, Quirks::default());
    let known = Some(ours.identity("tpp.example"));
    config.call = CallConfig { trust: Some(authority.trust()), identity: known, ..config.call };
    let bank = BerlinGroup::new(&config, (None, None, None), &parts()).unwrap();
    let verdict = bank.ask(&Chain::new(5_000, ""), &read()).await;
    // It has read the request, and answers something that is no balance.
    failed(&verdict, Failed::Malfunction, false, "schema");
    assert_eq!(requests.load(Ordering::Relaxed), 1);
    config.call.identity = None;
    let bank = BerlinGroup::new(&config, (None, None, None), &parts()).unwrap();
    let verdict = bank.ask(&Chain::new(5_000, ""), &Enquiry::Initiate(Box::new(order()))).await;
    failed(&verdict, Failed::Credentials, false, "tls_certificate");
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

/// Copies a certificate and its key to where others are looked for.
fn replace(target: &Identity, by: &Identity) {
    std::fs::copy(&by.certificate, &target.certificate).unwrap();
    std::fs::copy(&by.key, &target.key).unwrap();
}

#[tokio::test]
async fn certificates_are_renewed_while_the_bank_is_called_all_or_none() {
    let (ours, strangers) = (tls::Authority::new("ours"), tls::Authority::new("strangers"));
    let door = tls::Authority::new("bank");
    let (url, _requests) = tls::server(&door, &ours).await;
    let identity = strangers.identity("tpp.example");
    let seal = written(&rsa());
    let config = bank(&url, Quirks::default());
    let call = CallConfig {
        trust: Some(door.trust()),
        identity: Some(identity.clone()),
        breaker_failures: 100,
        ..config.call
    };
    let profile =
        BankProfile::BerlinGroup { seal: Some(seal.identity.clone()), oauth: None, approval: None };
    let banks = vec![BankConfig { call, profile, ..config }];
    let config = BridgeConfig { banks, ..BridgeConfig::default() };
    let adapters = Adapters::new(&config, &crate::read_secret, audit(100).0).unwrap();
    let held = adapters.certificates();
    let names: Vec<_> = held.iter().map(|one| (one.provider.as_str(), one.usage)).collect();
    assert_eq!(names, [("fjord", "qwac"), ("fjord", "qseal")]);
    assert!(held.iter().all(|one| one.not_after > 1_700_000_000), "{held:?}");
    let ask = || Ask {
        id: AskId(1),
        to: Addressee::Bank(BankId(0)),
        enquiry: Enquiry::Funds { account: account(), amount: Money { minor: 1, currency: 578 } },
        within_ms: 5_000,
        trace: String::new(),
        txn: None,
        address: None,
    };
    let why = |verdict| match verdict {
        Verdict::Failed(failure) => failure.why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(adapters.ask(ask()).await), Failed::Credentials);
    assert_eq!(adapters.renew(false).unwrap(), [], "the same files are the same certificates");
    // One that is right and one that is not: neither is used.
    let other = written(&rsa());
    replace(&identity, &ours.identity("tpp.example"));
    std::fs::write(&seal.identity.certificate, "nothing").unwrap();
    let shown = adapters.renew(false).unwrap_err().to_string();
    assert!(shown.contains("seal.pem"), "{shown}");
    assert_eq!(why(adapters.ask(ask()).await), Failed::Credentials);
    // Both are right; to try is not to use.
    replace(&seal.identity, &other.identity);
    let both = ["qwac", "qseal"];
    let usages = |all: Vec<Certificate>| all.iter().map(|one| one.usage).collect::<Vec<_>>();
    assert_eq!(usages(adapters.renew(true).unwrap()), both);
    assert_eq!(why(adapters.ask(ask()).await), Failed::Credentials);
    assert_eq!(usages(adapters.renew(false).unwrap()), both);
    // The door is open now; what stands behind it answers with nothing that means anything.
    assert_eq!(why(adapters.ask(ask()).await), Failed::Malfunction);
    assert_eq!(adapters.renew(false).unwrap(), []);
}
