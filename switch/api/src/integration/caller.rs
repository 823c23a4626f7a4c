//! Whose request it is: an API key, or a token of an issuer that is believed, and the permission
//! of the route.
//!
//! All keys are compared however many fit, by their digests, so that the time tells nobody how
//! much of a key was right.

use super::token::Tokens;
use crate::answer::Refusal;
use crate::exchange::CallerId;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, StatusCode, header};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use veksel_config::bridge::CallerConfig;
use veksel_core::enquiry::Secret;

/// Somebody who may call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As it is configured.
    pub config: CallerConfig,
    /// Its API key, if it has one.
    pub key: Option<Secret>,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Acting {
    pub(crate) id: CallerId,
    pub(crate) caller: Arc<Caller>,
}

/// Lets a caller in who may ask for this, or says why not.
pub(super) fn admit(
    callers: &[Arc<Caller>],
    tokens: Option<&Tokens>,
    headers: &HeaderMap,
    permission: &str,
) -> Result<Acting, Refusal> {
    let given = given(headers).ok_or_else(nobody)?;
    let may = |(id, caller): (u16, &Arc<Caller>), is_in_scope: bool| {
        let own = caller.config.permissions.iter().any(|own| own == permission);
        let acting = || Acting { id: CallerId(id), caller: Arc::clone(caller) };
        if own && is_in_scope { Ok(acting()) } else { Err(forbidden(permission)) }
    };
    let mut all = (0..).zip(callers);
    let mut with_key = None;
    for (id, caller) in all.clone() {
        if caller.key.as_ref().is_some_and(|key| is_same(key, given)) {
            with_key = Some((id, caller));
        }
    }
    if let Some(known) = with_key {
        return may(known, true);
    }
    let claims = tokens.and_then(|tokens| tokens.verify(given)).ok_or_else(nobody)?;
    let named = all.find(|(_, caller)| caller.config.name == claims.name);
    may(named.ok_or_else(nobody)?, claims.scopes.iter().any(|scope| scope == permission))
}

/// What stands in `X-API-Key`, or as a bearer token.
fn given(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(key) = text("x-api-key") {
        return Some(key.trim());
    }
    let (scheme, token) = text(header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_same(key: &Secret, given: &str) -> bool {
    let [own, given] = [key.expose(), given].map(|text| digest(&SHA256, text.as_bytes()));
    let is_same: bool = own.as_ref().ct_eq(given.as_ref()).into();
    is_same && !key.expose().is_empty()
}

fn nobody() -> Refusal {
    let message = "an API key or a token of a caller is needed";
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn forbidden(permission: &str) -> Refusal {
    let message = format!("the permission `{permission}` is needed");
    Refusal::new(StatusCode::FORBIDDEN, "forbidden", message)
}

#[cfg(test)]
mod tests {
    use super::super::token::tests::{Issuer, claims};
    use super::*;
    use axum::http::HeaderName;
    use veksel_core::ParticipantId;

    fn caller(name: &str, key: Option<&str>, permissions: &[&str]) -> Caller {
        let config = CallerConfig {
            name: name.to_owned(),
            participant: ParticipantId(0),
            key: None,
            permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
            acquirer: String::new(),
            terminal: String::new(),
            acceptor: String::new(),
            currency: String::new(),
        };
        Caller { config, key: key.map(Secret::new) }
    }

    /// Who is let in, or the status of the refusal.
    fn admitted(
        tokens: &Tokens,
        headers: &[(&'static str, &str)],
        wanted: &str,
    ) -> Result<u16, u16> {
        let callers = [
            caller("shop", Some("shop-key"), &["account_balance"]),
            caller("app", None, &["account_balance", "payment_create"]),
            caller("empty", Some(""), &["account_balance"]),
        ];
        let callers = callers.map(Arc::new);
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let headers: HeaderMap = headers.collect();
        let acting = admit(&callers, Some(tokens), &headers, wanted);
        acting
            .map(|acting| acting.id.0)
            .map_err(|refusal| refusal.respond(&crate::answer::Trace("t".into())).status().as_u16())
    }

    #[test]
    fn a_caller_is_known_by_its_key_or_its_token_and_bound_by_both() {
        let issuer = Issuer::new();
        let tokens = Tokens::new(&issuer.jwks, "https://issuer.example", "veksel").unwrap();
        let token = format!("Bearer {}", issuer.token("k1", &claims()));
        let mut other = claims();
        other["sub"] = "nobody".into();
        let stranger = format!("Bearer {}", issuer.token("k1", &other));
        for (header, value, permission, expected) in [
            ("x-api-key", "shop-key", "account_balance", Ok(0)),
            ("x-api-key", " shop-key ", "account_balance", Ok(0)),
            ("authorization", "Bearer shop-key", "account_balance", Ok(0)),
            ("authorization", "bearer shop-key", "account_balance", Ok(0)),
            ("x-api-key", "shop-key", "payment_create", Err(403)),
            ("x-api-key", "shop-kez", "account_balance", Err(401)),
            ("x-api-key", "", "account_balance", Err(401)),
            ("authorization", "Basic shop-key", "account_balance", Err(401)),
            ("authorization", &token, "account_balance", Ok(1)),
            // The caller may, and its token does not say so; and the reverse.
            ("authorization", &token, "payment_create", Err(403)),
            ("authorization", &token, "mini_statement", Err(403)),
            ("authorization", &stranger, "account_balance", Err(401)),
        ] {
            assert_eq!(admitted(&tokens, &[(header, value)], permission), expected, "{permission}");
        }
        assert_eq!(admitted(&tokens, &[], "account_balance"), Err(401));
    }
}
