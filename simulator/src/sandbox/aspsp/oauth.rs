//! The authorisation server of banks whose customers approve there (`scaOAuth`): metadata (RFC
//! 8414), the page that begins an approval, and the exchange of its code (RFC 6749 4.1) under a
//! proof key (RFC 7636). Until the code is exchanged nothing is approved.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::asked::Asked;
use super::banks::Approach;
use super::push::uuid;
use super::refusal::Refusal;
use super::reply::{json_reply, with_header};
use super::state::{Challenge, Inner, ScaStatus, Subject};
use crate::sandbox::log::Remark;
use crate::sandbox::query;

/// Where the metadata are, below the path of the bank.
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";

/// `/.well-known/…` and `/oauth/…`.
pub(super) fn serve(inner: &Arc<Inner>, asked: &Asked, path: &[&str]) -> Response {
    if asked.bank.approach != Approach::Oauth {
        let remark = Remark("this bank has no authorisation server".to_owned());
        return (StatusCode::NOT_FOUND, axum::extract::Extension(remark)).into_response();
    }
    match (asked.method.as_str(), path) {
        ("GET", [".well-known", "oauth-authorization-server"]) => metadata(asked),
        ("GET", ["oauth", "authorize"]) => authorise(inner, asked),
        ("POST", ["oauth", "token"]) => token(inner, asked),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn metadata(asked: &Asked) -> Response {
    let at = |path: &str| asked.link(path);
    json_reply(&json!({
        "issuer": at(""),
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["PIS"],
    }))
}

/// A customer comes with what a third party wants. What is wrong is shown to people, because
/// nobody may be sent to an address that is not known to be right.
fn authorise(inner: &Arc<Inner>, asked: &Asked) -> Response {
    match begun(inner, asked) {
        Ok(approval) => {
            let auto = asked.query("auto").map(|act| format!("?auto={act}")).unwrap_or_default();
            let page = asked.link(&format!("/sca/{approval}{auto}"));
            with_header(StatusCode::SEE_OTHER.into_response(), header::LOCATION.as_str(), &page)
        }
        Err(text) => {
            let remark = axum::extract::Extension(Remark(text.to_owned()));
            (StatusCode::BAD_REQUEST, remark, text).into_response()
        }
    }
}

fn begun(inner: &Arc<Inner>, asked: &Asked) -> Result<String, &'static str> {
    let wanted = |name: &str| asked.query(name).unwrap_or_default();
    if wanted("response_type") != "code" {
        return Err("response_type must be code");
    }
    if wanted("client_id").is_empty() || wanted("state").is_empty() {
        return Err("client_id and state are needed");
    }
    let challenge = wanted("code_challenge");
    if wanted("code_challenge_method") != "S256" || challenge.len() != CHALLENGE_LENGTH {
        return Err("a code_challenge by S256 is needed");
    }
    let payment = wanted("scope").strip_prefix("PIS:").ok_or("scope must be PIS: and a payment")?;
    let subject = Subject::Payment(payment.to_owned());
    inner.with(|state| {
        let known = state.payments.get(payment).filter(|known| known.bank == asked.bank);
        let known = known.ok_or("there is no such payment")?;
        if known.redirects.ok.as_deref() != Some(wanted("redirect_uri")) {
            return Err("redirect_uri must be TPP-Redirect-URI");
        }
        let approval = state.approvals.values_mut().find(|known| known.subject == subject);
        let approval = approval.ok_or("nothing is to be approved")?;
        approval.challenge = Some(Challenge {
            client: wanted("client_id").to_owned(),
            digest: challenge.to_owned(),
            state: wanted("state").to_owned(),
            back: wanted("redirect_uri").to_owned(),
        });
        Ok(approval.id.clone())
    })
}

/// A code against a token: only for whoever began, and once.
fn token(inner: &Arc<Inner>, asked: &Asked) -> Response {
    let form = query::pairs(&String::from_utf8_lossy(&asked.body));
    let given = |name: &str| {
        form.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    };
    let refuse = |error: &str, text: &str| {
        let body = json!({"error": error, "error_description": text});
        let mut response = json_reply(&body);
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.extensions_mut().insert(Remark(format!("{error} {text}")));
        response
    };
    if given("grant_type") != "authorization_code" {
        return refuse("unsupported_grant_type", "only codes are taken");
    }
    let code = given("code");
    let found = inner.with(|state| {
        let mut approvals = state.approvals.values_mut();
        let approval = approvals.find(|known| known.code.as_deref() == Some(code))?;
        // It is used up whatever comes of it.
        approval.code = None;
        Some((approval.id.clone(), approval.challenge.clone()?))
    });
    let Some((approval, challenge)) = found.filter(|_| !code.is_empty()) else {
        return refuse("invalid_grant", "there is no such code");
    };
    let proof = URL_SAFE_NO_PAD.encode(digest(&SHA256, given("code_verifier").as_bytes()));
    if proof != challenge.digest {
        return refuse("invalid_grant", "the code_verifier is another's");
    }
    if (given("client_id"), given("redirect_uri"))
        != (challenge.client.as_str(), challenge.back.as_str())
    {
        return refuse("invalid_grant", "it was asked for by somebody else, or for elsewhere");
    }
    match inner.conclude(&approval, true) {
        Ok(_) => json_reply(&json!({
            "access_token": uuid(),
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "PIS",
        })),
        Err(_) => refuse("invalid_grant", "it was decided before, or its time is over"),
    }
}

/// `PUT …/authorisations/{id}` at a bank that wants approvals confirmed: with the code that the
/// redirect brought back, once.
pub(super) fn confirm(
    inner: &Arc<Inner>,
    asked: &Asked,
    approval: &str,
    subject: &Subject,
) -> Result<Response, Refusal> {
    if !asked.bank.confirms {
        let text = "this bank asks its customers itself";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "SERVICE_INVALID", text));
    }
    let body = asked.json()?;
    let given = body.get("confirmationCode").and_then(|code| code.as_str());
    let given = given.ok_or_else(|| Refusal::format("confirmationCode", "must be text"))?;
    let is_right = inner.with(|state| {
        let known = state.approvals.get_mut(approval).filter(|known| known.subject == *subject);
        let known = known.ok_or_else(|| Refusal::unknown("no such authorisation"))?;
        if known.status != ScaStatus::Unconfirmed {
            let text = format!("there is nothing to confirm: {}", known.status.code());
            return Err(Refusal::new(StatusCode::CONFLICT, "STATUS_INVALID", text));
        }
        Ok(known.code.take().as_deref() == Some(given))
    })?;
    inner.conclude(approval, is_right)?;
    super::orders::approval_status(inner, approval, subject)
}

/// Characters of a SHA-256 in base64url without padding.
const CHALLENGE_LENGTH: usize = 43;
