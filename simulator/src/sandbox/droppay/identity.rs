//! Who calls: registration of a third party, and tokens of a customer, both under a PSD2
//! certificate.

use super::super::ca::{ClientCertificate, Purpose, Role};
use super::super::{Peer, Remark, query};
use super::{DropPay, Grant, KEPT_MAX};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// A qualified certificate and the organisation in it.
fn qualified(peer: &Peer) -> Option<(Arc<ClientCertificate>, String)> {
    let certificate = peer.certificate.clone()?;
    let organization = certificate.organization.clone()?;
    let is_web = certificate.purpose == Some(Purpose::Web);
    (is_web && organization.starts_with("PSD")).then_some((certificate, organization))
}

/// `POST /auth/realms/droppay/tpp/register`
pub(super) async fn register(
    State(sandbox): State<DropPay>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Response {
    let refused = |code: u32, description: &str| {
        let body = json!({ "error": { "code": code, "description": description } });
        answer(StatusCode::BAD_REQUEST, &body, Some(description))
    };
    if serde_json::from_slice::<Value>(&body).ok() != Some(json!({})) {
        return refused(100, "the body is not an empty object");
    }
    let Some((certificate, organization)) = qualified(&peer) else {
        return refused(101, "not a qualified certificate");
    };
    if certificate.roles.is_empty() || organization.ends_with("-NONE") {
        return refused(102, "missing authorisation in Italy");
    }
    if sandbox.0.config.registration_pending {
        let body = json!({ "message": "not yet implemented" });
        sandbox.state().registered.insert(organization);
        return answer(StatusCode::OK, &body, None);
    }
    let mut state = sandbox.state();
    if state.registered.len() >= KEPT_MAX {
        return refused(104, "the sandbox is full; reset it");
    }
    // Whoever has a new certificate is still the same.
    if state.registered.insert(organization) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refused(103, "TPP already registered")
    }
}

/// `POST /auth/realms/droppay/protocol/openid-connect/token`
pub(super) async fn token(
    State(sandbox): State<DropPay>,
    Extension(peer): Extension<Peer>,
    body: Bytes,
) -> Response {
    let refused = |error: &str, description: &str| {
        let body = json!({ "error": error, "error_description": description });
        answer(StatusCode::UNAUTHORIZED, &body, Some(description))
    };
    let known = qualified(&peer);
    let known = known.filter(|(_, name)| sandbox.state().registered.contains(name));
    let Some((certificate, _)) = known else {
        return refused("unauthorized_client", "The certificate is not one of a registered TPP");
    };
    let form = std::str::from_utf8(&body).unwrap_or_default();
    let said = |name: &str| query::value(form, name).unwrap_or_default();
    if !said("client_id").is_empty() || !said("client_secret").is_empty() {
        return refused("invalid_request", "The certificate says who calls");
    }
    let now = sandbox.0.clock.now_ms();
    let config = &sandbox.0.config;
    let began = match said("grant_type").as_str() {
        "password" => {
            if said("username") != config.username || said("password") != config.password {
                return refused("invalid_grant", "Invalid user credentials");
            }
            now
        }
        "refresh_token" => {
            let grant = sandbox.state().refresh.remove(&said("refresh_token"));
            match grant.filter(|grant| grant.until > now) {
                Some(grant) => grant.began,
                None => return refused("invalid_grant", "Token is not active"),
            }
        }
        _ => return refused("unsupported_grant_type", "Unsupported grant_type"),
    };
    let ends = began.saturating_add(config.session_s * 1_000);
    if ends <= now {
        return refused("invalid_grant", "Session not active");
    }
    let until = |seconds: u64| now.saturating_add(seconds * 1_000).min(ends);
    let accounts: Vec<&str> = config.accounts.iter().map(|(iban, _)| iban.as_str()).collect();
    let mut state = sandbox.state();
    let (jti, session) = (state.name("jti"), state.name("session"));
    let refresh = state.name("refresh");
    let claims = json!({
        "jti": jti, "exp": until(config.access_s) / 1_000, "nbf": 0, "iat": now / 1_000,
        "iss": "https://sandbox/auth/realms/droppay", "sub": "sandbox", "typ": "Bearer",
        "azp": "tpp", "session_state": session, "acr": "1", "scope": "mdpapp",
        "realm_access": { "roles": ["user"] },
        "preferred_username": config.username, "droppay_accounts": accounts.join(", "),
    });
    let Some(access) = sandbox.0.signer.sign(&claims) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let may_pay = certificate.has(Role::PaymentInitiation);
    let may_look = certificate.has(Role::AccountInformation);
    let grant = |until| Grant { until, began, may_pay, may_look };
    super::keep(&mut state.access, access.clone(), grant(until(config.access_s)));
    super::keep(&mut state.refresh, refresh.clone(), grant(until(config.refresh_s)));
    let body = json!({
        "access_token": access,
        "expires_in": (until(config.access_s) - now) / 1_000,
        "refresh_expires_in": (until(config.refresh_s) - now) / 1_000,
        "refresh_token": refresh,
        "token_type": "bearer",
        "not-before-policy": 0,
        "session_state": session,
        "scope": "tpp",
    });
    answer(StatusCode::OK, &body, None)
}

/// `GET /auth/realms/droppay/protocol/openid-connect/certs`
pub(super) async fn keys(State(sandbox): State<DropPay>) -> Response {
    let signer = sandbox.0.published.as_ref().unwrap_or(&sandbox.0.signer);
    answer(StatusCode::OK, &signer.keys(), None)
}

pub(super) fn answer(status: StatusCode, body: &Value, remark: Option<&str>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (status, kind, body.to_string()).into_response();
    if let Some(remark) = remark {
        response.extensions_mut().insert(Remark(remark.to_owned()));
    }
    response
}
