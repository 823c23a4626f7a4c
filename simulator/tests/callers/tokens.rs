//! Callers that say who they are by a token (JWT), with the keys of its issuer in a file (JWKS).

use crate::client::{Client, Said};
use crate::rig::Rig;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

const TOKENS: &str = "token_keys = \"issuer.json\"\ntoken_issuer = \"https://issuer.example\"\n\
                      token_audience = \"veksel\"";

/// Signs tokens by itself, without the library that verifies them.
struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "k1", "use": "sig" });
        json!({ "keys": [jwk] }).to_string()
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(text.as_bytes()).as_ref());
        format!("{text}.{signature}")
    }
}

fn header() -> Value {
    json!({ "alg": "EdDSA", "typ": "JWT", "kid": "k1" })
}

/// Of the caller `app`, which may ask for everything; its token says less.
fn claims() -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": "https://issuer.example", "aud": "veksel", "sub": "app", "iat": now,
        "exp": now + 600, "scope": "account_balance transaction_view",
    })
}

fn with(member: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[member] = value.into();
    claims
}

fn ask(rig: &Rig, token: &str, path: &str) -> Said {
    let nobody = Client { address: rig.http(), key: "" };
    let bearer = format!("Bearer {token}");
    let path = format!("/api/v1/integration/{path}");
    let body = json!({ "account": "10000000001" }).to_string();
    nobody.send("POST", &path, &[("authorization", &bearer)], &body)
}

#[test]
fn a_token_lets_its_caller_in_as_far_as_it_says() {
    let mut rig = Rig::start();
    rig.stop_switch();
    let (issuer, other) = (Issuer::new(), Issuer::new());
    fs::write(rig.file("issuer.json"), issuer.jwks()).unwrap();
    rig.try_switch(TOKENS).unwrap();
    let good = issuer.token(&header(), &claims());
    let said = ask(&rig, &good, "account/balance");
    assert_eq!((said.status, &said.body["ledger"]["minor"]), (200, &4_523_000.into()), "{said:?}");
    // The caller may, and this token does not say so; and the reverse.
    let said = ask(&rig, &good, "account/details");
    assert_eq!((said.status, said.code()), (403, "forbidden"), "{said:?}");
    let mut shop = with("sub", "shop");
    shop["scope"] = "account_details".into();
    let said = ask(&rig, &issuer.token(&header(), &shop), "account/details");
    assert_eq!((said.status, said.code()), (403, "forbidden"), "{said:?}");
    // A list says the same as words.
    let mut listed = with("permissions", json!(["account_details"]));
    listed["scope"] = "".into();
    assert_eq!(ask(&rig, &issuer.token(&header(), &listed), "account/details").status, 200);
    let now = claims()["iat"].as_u64().unwrap();
    let unnamed = json!({ "alg": "EdDSA", "typ": "JWT" });
    let renamed = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "k2" });
    for (what, token) in [
        ("another issuer", issuer.token(&header(), &with("iss", "https://other.example"))),
        ("for somebody else", issuer.token(&header(), &with("aud", "other"))),
        ("expired", issuer.token(&header(), &with("exp", now - 600))),
        ("too early", issuer.token(&header(), &with("nbf", now + 600))),
        ("nobody of ours", issuer.token(&header(), &with("sub", "nobody"))),
        ("another key", other.token(&header(), &claims())),
        ("a key that is not there", issuer.token(&renamed, &claims())),
        ("no key is named", issuer.token(&unnamed, &claims())),
        ("changed", good.replacen('.', ".e30", 1)),
    ] {
        let said = ask(&rig, &token, "account/balance");
        assert_eq!((said.status, said.code()), (401, "unauthorized"), "{what}: {said:?}");
    }
    rig.stop();
}

#[test]
fn a_switch_does_not_start_with_keys_that_are_none() {
    let mut rig = Rig::start();
    rig.stop_switch();
    for (text, expected) in [
        ("nothing", "this is no set of keys as JSON (JWKS)"),
        ("{\"keys\":[]}", "there are no keys"),
        ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}", "a key is not of RSA"),
    ] {
        fs::write(rig.file("issuer.json"), text).unwrap();
        let error = rig.try_switch(TOKENS).unwrap_err().to_string();
        assert!(error.contains("issuer.json") && error.contains(expected), "{error}");
    }
    rig.stop();
}
