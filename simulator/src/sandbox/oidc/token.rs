//! Codes become tokens here, once; requests go ahead of their person; and the person of an access
//! token is told.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::fault::Fault;
use super::persons::PERSONS;
use super::sign::unsigned;
use super::{Grant, Oidc, Profile, answer, keep, query};

/// How long a request that went ahead waits for its person, in milliseconds.
const PUSHED_MS: u64 = 90_000;

/// An error of OAuth.
type Refused = (StatusCode, &'static str, &'static str);

const UNKNOWN_CLIENT: Refused =
    (StatusCode::UNAUTHORIZED, "invalid_client", "the client is not known, or cannot prove it");

/// 22 letters and digits that nobody guesses; `None` if the system has no chance.
pub(super) fn unguessable() -> Option<String> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// `POST` to the token endpoint.
pub(super) fn exchange(
    sandbox: &Oidc,
    headers: &HeaderMap,
    body: &Bytes,
    profile: Profile,
) -> Response {
    let fault = sandbox.note("token");
    match fault {
        Some(Fault::TokenDown) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::ServerError) => {
            let page = "<html><body>Internal Server Error</body></html>";
            return (StatusCode::INTERNAL_SERVER_ERROR, page).into_response();
        }
        Some(Fault::NoToken) => return answer(StatusCode::OK, &json!({ "ok": true }), None),
        Some(Fault::UnauthorizedClient) => {
            let text = "the client may not do this";
            return refused((StatusCode::UNAUTHORIZED, "unauthorized_client", text));
        }
        _ => {}
    }
    let form = query::pairs(std::str::from_utf8(body).unwrap_or_default());
    let given = match redeem(sandbox, headers, &form, profile, fault) {
        Ok(grant) => grant,
        Err(wrong) => return refused(wrong),
    };
    let issuer = profile.issuer(headers);
    let Some((id_token, access)) = tokens(sandbox, &given, &issuer, fault) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let body = json!({
        "id_token": id_token,
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": sandbox.0.config.token_ms / 1_000,
        "scope": given.scope,
    });
    answer(StatusCode::OK, &body, None)
}

/// What a code stands for, if it and its client are right. A code that is tried is gone, right or
/// not.
fn redeem(
    sandbox: &Oidc,
    headers: &HeaderMap,
    form: &[(String, String)],
    profile: Profile,
    fault: Option<Fault>,
) -> Result<Grant, Refused> {
    authenticate(sandbox, headers, form, profile)?;
    if value(form, "grant_type") != "authorization_code" {
        let text = "grant_type must be authorization_code";
        return Err((StatusCode::BAD_REQUEST, "unsupported_grant_type", text));
    }
    let wrong = |text| (StatusCode::BAD_REQUEST, "invalid_grant", text);
    let grant = sandbox.state().codes.remove(value(form, "code"));
    let grant = grant.ok_or(wrong("the code is not known, or was used"))?;
    if fault == Some(Fault::InvalidGrant) {
        return Err(wrong("the code is not good"));
    }
    if grant.until <= sandbox.0.clock.now_ms() {
        return Err(wrong("the code is too old"));
    }
    if grant.profile != profile || grant.redirect_uri != value(form, "redirect_uri") {
        return Err(wrong("the code was given for another redirect_uri"));
    }
    let verifier = value(form, "code_verifier");
    let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    if !(43..=128).contains(&verifier.len()) || made != grant.challenge {
        return Err(wrong("the code_verifier does not fit the code_challenge"));
    }
    Ok(grant)
}

/// The client, by its secret in the form or a header, or by a token that it signed.
fn authenticate(
    sandbox: &Oidc,
    headers: &HeaderMap,
    form: &[(String, String)],
    profile: Profile,
) -> Result<(), Refused> {
    let config = &sandbox.0.config;
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = basic.and_then(|value| value.strip_prefix("Basic "));
    let assertion = value(form, "client_assertion");
    let secret = value(form, "client_secret");
    let ways = [basic.is_some(), !assertion.is_empty(), !secret.is_empty()];
    if ways.iter().filter(|way| **way).count() != 1 {
        return Err(UNKNOWN_CLIENT);
    }
    let is_known = if let Some(basic) = basic {
        let pair = STANDARD.decode(basic).ok().and_then(|pair| String::from_utf8(pair).ok());
        pair.is_some_and(|pair| {
            pair.split_once(':').is_some_and(|(id, secret)| {
                query::decoded(id) == config.client_id
                    && query::decoded(secret) == config.client_secret
            })
        })
    } else if assertion.is_empty() {
        value(form, "client_id") == config.client_id && secret == config.client_secret
    } else {
        let form_names = value(form, "client_assertion_type")
            == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        form_names && is_signed(sandbox, assertion, &profile.issuer(headers))
    };
    if is_known { Ok(()) } else { Err(UNKNOWN_CLIENT) }
}

/// Whether a token is one of the client, for us, and still good (RFC 7523 3).
fn is_signed(sandbox: &Oidc, token: &str, issuer: &str) -> bool {
    let Some(key) = &sandbox.0.config.client_key else { return false };
    let Some((text, signature)) = token.rsplit_once('.') else { return false };
    let Some((header, claims)) = text.split_once('.') else { return false };
    let part = |text: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    };
    let (Some(header), Some(claims)) = (part(header), part(claims)) else { return false };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let algorithm: &dyn VerificationAlgorithm = match header["alg"].as_str() {
        Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
        Some("ES256") => &ECDSA_P256_SHA256_FIXED,
        _ => return false,
    };
    let fits = UnparsedPublicKey::new(algorithm, key).verify(text.as_bytes(), &signature).is_ok();
    let now = sandbox.0.clock.now_ms() / 1_000;
    let client = Some(sandbox.0.config.client_id.as_str());
    fits && claims["iss"].as_str() == client
        && claims["sub"].as_str() == client
        && claims["aud"].as_str().is_some_and(|aud| aud.starts_with(issuer))
        && claims["exp"].as_u64().is_some_and(|exp| exp > now && exp <= now + 600)
        && claims["jti"].as_str().is_some_and(|jti| !jti.is_empty())
}

/// An ID token and an access token.
fn tokens(
    sandbox: &Oidc,
    grant: &Grant,
    issuer: &str,
    fault: Option<Fault>,
) -> Option<(String, String)> {
    let now = sandbox.0.clock.now_ms();
    let config = &sandbox.0.config;
    let mut claims = claims(grant, issuer, &config.client_id, now, config.token_ms);
    if let Some(fault) = fault {
        fault.spoil(&mut claims);
    } else if let Some(claims) = claims.as_object_mut() {
        claims.retain(|_, value| !value.is_null());
    }
    let mut state = sandbox.state();
    let signer = state.signers.last().cloned()?;
    let id_token = match fault {
        Some(Fault::UnknownKey) => signer.sign_as("nobodys", &claims)?,
        Some(Fault::BadSignature) => {
            let mut other = claims.clone();
            other["sub"] = "somebody else".into();
            let (whole, forged) = (signer.sign(&claims)?, signer.sign(&other)?);
            let (front, _) = forged.rsplit_once('.')?;
            format!("{front}.{}", whole.rsplit_once('.')?.1)
        }
        Some(Fault::NoSignature) => format!("{}.", unsigned(&json!({ "alg": "none" }), &claims)),
        Some(Fault::SharedSecret) => {
            let text = unsigned(&json!({ "alg": "HS256", "kid": signer.kid }), &claims);
            let secret = aws_lc_rs::hmac::Key::new(
                aws_lc_rs::hmac::HMAC_SHA256,
                config.client_secret.as_bytes(),
            );
            let tag = aws_lc_rs::hmac::sign(&secret, text.as_bytes());
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag))
        }
        _ => signer.sign(&claims)?,
    };
    let access = format!("{:012}.{}", state.name(), unguessable()?);
    let until = now.saturating_add(config.token_ms);
    keep(&mut state.access, access.clone(), (until, grant.person));
    Some((id_token, access))
}

/// What a token says, as each of the providers has it.
fn claims(grant: &Grant, issuer: &str, client: &str, now_ms: u64, token_ms: u64) -> Value {
    let now = now_ms / 1_000;
    let (index, scope) = (grant.person, grant.scope.as_str());
    let Some(person) = PERSONS.get(index) else { return Value::Null };
    let has = |word: &str| scope.split(' ').any(|known| known == word);
    let mut claims = json!({
        "iss": issuer, "aud": client, "sub": subject(index), "iat": now, "auth_time": now,
        "exp": now.saturating_add(token_ms / 1_000), "nonce": grant.nonce, "typ": "ID",
        "acr": grant.profile.acr(), "amr": [person.amr],
    });
    let (first, last) = person.name;
    match grant.profile {
        Profile::BankId => {
            claims["azp"] = client.into();
            claims["bankid_altsub"] = format!("9578-0000-4-{index:06}").into();
            if has("profile") {
                claims["name"] = format!("{first} {last}").into();
                claims["given_name"] = first.into();
                claims["family_name"] = last.into();
                if !person.birthdate.is_empty() {
                    claims["birthdate"] = person.birthdate.into();
                }
            }
            // Only for those who may see it, and ask.
            if has("nnin_altsub") {
                claims["nnin_altsub"] = person.pid.into();
            }
        }
        Profile::IdPorten => {
            claims["pid"] = person.pid.into();
            claims["locale"] = "nb".into();
        }
    }
    claims
}

fn subject(person: usize) -> String {
    format!("00000000-0000-4000-8000-{person:012}")
}

/// `POST` of a request that goes ahead of its person (RFC 9126).
pub(super) fn push(
    sandbox: &Oidc,
    headers: &HeaderMap,
    body: &Bytes,
    profile: Profile,
) -> Response {
    sandbox.note("par");
    let mut form = query::pairs(std::str::from_utf8(body).unwrap_or_default());
    if let Err(wrong) = authenticate(sandbox, headers, &form, profile) {
        return refused(wrong);
    }
    if form.iter().any(|(name, _)| name == "request_uri") {
        let text = "request_uri must not be pushed";
        return refused((StatusCode::BAD_REQUEST, "invalid_request", text));
    }
    form.retain(|(name, _)| {
        name != "client_id" && name != "client_secret" && !name.starts_with("client_assertion")
    });
    form.push(("client_id".to_owned(), sandbox.0.config.client_id.clone()));
    let until = sandbox.0.clock.now_ms().saturating_add(PUSHED_MS);
    let mut state = sandbox.state();
    let Some(name) = unguessable() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let uri = format!("urn:ietf:params:oauth:request_uri:{:012}.{name}", state.name());
    keep(&mut state.pushed, uri.clone(), (until, form));
    let body = json!({ "request_uri": uri, "expires_in": PUSHED_MS / 1_000 });
    answer(StatusCode::CREATED, &body, None)
}

/// `GET` with an access token.
pub(super) async fn userinfo(Shared(sandbox): Shared<Oidc>, headers: HeaderMap) -> Response {
    sandbox.note("userinfo");
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let now = sandbox.0.clock.now_ms();
    let known = sandbox.state().access.get(token).copied().filter(|(until, _)| *until > now);
    let Some((index, person)) =
        known.and_then(|(_, index)| PERSONS.get(index).map(|person| (index, person)))
    else {
        return refused((StatusCode::UNAUTHORIZED, "invalid_token", "the token is not good"));
    };
    let (first, last) = person.name;
    let body = json!({
        "sub": subject(index),
        "name": format!("{first} {last}"), "given_name": first, "family_name": last,
    });
    answer(StatusCode::OK, &body, None)
}

fn value<'f>(form: &'f [(String, String)], name: &str) -> &'f str {
    form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

fn refused((status, error, text): Refused) -> Response {
    let body = json!({ "error": error, "error_description": text });
    answer(status, &body, Some(text))
}
