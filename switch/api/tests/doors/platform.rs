//! A card platform without keys and without a journal: what it tells of, and the tokens it fetches
//! for that. What it asks for is tried with a bank behind it, by the simulator's tests.

use crate::rig::{PATIENCE, Rig, Said, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use veksel_api::{
    Doubt, Exchange, External, Fetching, KeySource, Lives, Looking, Notice, NotifyClient, Watcher,
};
use veksel_config::bridge::CallConfig;
use veksel_config::{
    BRIDGE_EXAMPLE, ExtAuthConfig, HoldChange, ProofHeaders, SignatureBase, Source, load_switch,
};
use veksel_core::enquiry::Secret;
use veksel_core::plan::DigestKey;

const TOKEN: &str = "/api/hay/v0/oauth/token";
const EVENTS: &str = "/api/hay/v0/communications/notifications";

const LASTING: &str = "the lasting token";
const SECRET: &str = "the secret of the platform";

struct Nothing;

impl KeySource for Nothing {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async { Err("none".to_owned()) })
    }
}

impl Lives for Nothing {
    fn life(&self, _: String, _: Option<[u8; 16]>) -> Looking<'_> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

impl Watcher for Nothing {
    fn doubted(&self, _: Doubt) {}
    fn skewed(&self, _: i64) {}
    fn keys_age(&self, _: Duration) {}
    fn noticed(&self, _: &Notice) {}
}

/// A platform that nobody's requests are from.
pub(crate) fn external(notify_client: Option<NotifyClient>) -> External {
    let header = str::to_owned;
    let example = Source::text("bridge.toml", BRIDGE_EXAMPLE).known_dialects(&["cbs-ascii-bin"]);
    let config = ExtAuthConfig {
        caller: 0,
        keys: CallConfig::at("http://127.0.0.1:1"),
        keys_ttl_ms: 1_000,
        keys_refresh_ms: 1_000,
        keys_keep_ms: 60_000,
        rsa_bits_min: 2_048,
        headers: ProofHeaders {
            signature: header("x-signature"),
            key: header("x-key-id"),
            idempotency: header("x-idempotency-key"),
            timestamp: header("x-timestamp"),
        },
        base: SignatureBase::BodyKeyTime,
        skew_ms_max: 5_000,
        allow: load_switch(example).unwrap().bridge.extauth.unwrap().allow,
        change: HoldChange::Total,
        other_refusal_code: header("REFUSED_NOT_ENOUGH_FUNDS"),
        budget_ms: 350,
        remembered_max: 1_024,
        directory: None,
        notify_token: None,
        notify_client: None,
    };
    External {
        config,
        acquirer: "500001".to_owned(),
        participant: "platform".to_owned(),
        digest_key: DigestKey([7; 32]),
        exchange: Exchange::new(mpsc::channel(1).0),
        lives: Arc::new(Nothing),
        keys: Arc::new(Nothing),
        directory: None,
        notify_token: Some(Secret::new(LASTING)),
        notify_client,
        watcher: Arc::new(Nothing),
    }
}

/// Whoever may fetch tokens that live so long.
pub(crate) fn client(life: Duration) -> NotifyClient {
    NotifyClient::new("platform", &Secret::new(SECRET), life).unwrap()
}

fn fetch(rig: &Rig, body: &str) -> Said {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    rig.send("POST", TOKEN, &headers, body)
}

fn grant() -> String {
    let secret = SECRET.replace(' ', "+");
    format!("grant_type=client_credentials&client_id=platform&client_secret={secret}")
}

fn tell(rig: &Rig, token: &str) -> Said {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", bearer.as_str())];
    rig.send("POST", EVENTS, &headers, r#"{"type":"CARD_TRANSACTION","isPending":true}"#)
}

#[test]
fn a_token_that_has_ended_is_none() {
    let rig = Rig::with_platform(external(Some(client(Duration::from_secs(1)))));
    let said = fetch(&rig, &grant());
    assert_eq!((said.status, said.header("cache-control")), (200, "no-store"), "{said:?}");
    assert_eq!(json(&said)["expires_in"], 1);
    let token = json(&said)["access_token"].as_str().unwrap().to_owned();
    let until = Instant::now() + PATIENCE;
    let ended = loop {
        let said = tell(&rig, &token);
        if said.status != 200 {
            break said;
        }
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(ended.status, 401, "{ended:?}");
    assert_eq!(ended.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    assert_eq!(tell(&rig, LASTING).status, 200, "the lasting token lasts");
}

#[test]
fn without_a_client_no_token_is_given_and_none_is_described() {
    let rig = Rig::with_platform(external(None));
    assert_eq!(fetch(&rig, &grant()).status, 404);
    assert!(!rig.get("/api/openapi.json").body.contains(TOKEN));
    assert_eq!(tell(&rig, LASTING).status, 200);
}

/// Refusals are as they are described, and no other client of OAuth is misled by them.
#[test]
fn refusals_are_as_they_are_described() {
    let rig = Rig::with_token("hush");
    let document = json(&rig.get("/api/openapi.json"));
    let described = &document["paths"][TOKEN]["post"]["responses"];
    for (body, status, error) in [
        ("grant_type=client_credentials", 401, "invalid_client"),
        ("grant_type=%&grant_type=%", 400, "invalid_request"),
        (&grant().replace("client_credentials", "password"), 400, "unsupported_grant_type"),
        (&grant().replace("grant_type", "grant"), 400, "invalid_request"),
        (&format!("{}&scope=all", grant()), 400, "invalid_scope"),
    ] {
        let said = fetch(&rig, body);
        assert_eq!((said.status, &json(&said)["error"]), (status, &error.into()), "{body}");
        assert_eq!((said.header("cache-control"), said.header("pragma")), ("no-store", "no-cache"));
        let schema = &described[status.to_string()]["content"]["application/json"]["schema"];
        let errors = schema["properties"]["error"]["enum"].as_array().unwrap();
        assert!(errors.iter().any(|known| known == error), "{error}: {described}");
        let is_asked = said.header("www-authenticate").starts_with("Basic ");
        assert_eq!(is_asked, status == 401, "{said:?}");
    }
    let said = rig.post(TOKEN, &grant());
    assert_eq!((said.status, &json(&said)["error"]), (400, &"invalid_request".into()), "no form");
    assert_eq!(fetch(&rig, &grant()).status, 200);
}
