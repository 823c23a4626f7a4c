//! The page on which a person signs in: nobody is asked for a password, a button names the person.
//! `auto=<person>` or `auto=cancel` behind the address decides by itself.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::bank::CLIENT;
use super::persons::PERSONS;
use super::{Grant, Oidc, Profile, keep, query};
use crate::sandbox::Remark;

/// What a relying party asks for.
struct Asked {
    redirect_uri: String,
    state: String,
    pairs: Vec<(String, String)>,
}

/// `GET` with the request of the relying party.
pub(super) fn show(
    sandbox: &Oidc,
    headers: &HeaderMap,
    RawQuery(text): RawQuery,
    profile: Profile,
) -> Response {
    sandbox.note("auth");
    let pairs = query::pairs(&text.unwrap_or_default());
    let auto = pairs.iter().find(|(name, _)| name == "auto").map(|(_, value)| value.clone());
    let pairs = pairs.into_iter().filter(|(name, _)| name != "auto").collect();
    let asked = match admit(sandbox, pairs) {
        Ok(asked) => asked,
        Err(why) => return refused(why),
    };
    if let Err((error, why)) = check(&asked) {
        return back(&asked, &[("error", error), ("error_description", why)], profile, headers);
    }
    match auto {
        Some(who) => decided(sandbox, &asked, &who, profile, headers),
        None => html(StatusCode::OK, &form(&asked)),
    }
}

/// `POST` of the form: who it is, and again what was asked.
pub(super) fn decide(
    sandbox: &Oidc,
    headers: &HeaderMap,
    body: &Bytes,
    profile: Profile,
) -> Response {
    let pairs = query::pairs(std::str::from_utf8(body).unwrap_or_default());
    let who = pairs.iter().find(|(name, _)| name == "person").map(|(_, value)| value.clone());
    let pairs = pairs.into_iter().filter(|(name, _)| name != "person").collect();
    match admit(sandbox, pairs) {
        Err(why) => refused(why),
        Ok(asked) => match check(&asked) {
            Err((error, why)) => {
                back(&asked, &[("error", error), ("error_description", why)], profile, headers)
            }
            Ok(()) => decided(sandbox, &asked, &who.unwrap_or_default(), profile, headers),
        },
    }
}

/// A request of the client we know, which wants its people back where it said it would. Nobody is
/// sent anywhere else, also not with an error.
fn admit(sandbox: &Oidc, pairs: Vec<(String, String)>) -> Result<Asked, &'static str> {
    let config = &sandbox.0.config;
    let value = |pairs: &[(String, String)], name: &str| {
        pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let client = value(&pairs, "client_id").unwrap_or_default();
    let is_bank = client == CLIENT;
    if !is_bank && client != config.client_id {
        return Err("client_id is not known");
    }
    let pairs = match value(&pairs, "request_uri") {
        None => pairs,
        Some(uri) => {
            let now = sandbox.0.clock.now_ms();
            let pushed = sandbox.state().pushed.remove(&uri);
            pushed.filter(|(until, _)| *until > now).ok_or("request_uri is not known")?.1
        }
    };
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|two| two[0] == two[1]) {
        return Err("a parameter is there twice");
    }
    let redirect_uri = value(&pairs, "redirect_uri").unwrap_or_default();
    let is_known = match is_bank {
        true => sandbox.state().backs.contains(&redirect_uri),
        false => config.redirect_uris.contains(&redirect_uri),
    };
    if !is_known {
        return Err("redirect_uri is not one of the client");
    }
    let state = value(&pairs, "state").unwrap_or_default();
    Ok(Asked { redirect_uri, state, pairs })
}

/// What the provider insists on, as an error of OAuth and a text.
fn check(asked: &Asked) -> Result<(), (&'static str, &'static str)> {
    let is = |name: &str, wanted: &str| asked.value(name) == wanted;
    let is_challenge = |text: &str| {
        text.len() == 43
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if !is("response_type", "code") {
        return Err(("unsupported_response_type", "response_type must be code"));
    }
    if !asked.value("scope").split(' ').any(|word| word == "openid") {
        return Err(("invalid_scope", "scope must hold openid"));
    }
    if !is("code_challenge_method", "S256") || !is_challenge(asked.value("code_challenge")) {
        return Err(("invalid_request", "PKCE with S256 is required"));
    }
    if asked.state.is_empty() {
        return Err(("invalid_request", "state is required"));
    }
    Ok(())
}

impl Asked {
    fn value(&self, name: &str) -> &str {
        let found = self.pairs.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// Sends the person back, with a code or without.
fn decided(
    sandbox: &Oidc,
    asked: &Asked,
    who: &str,
    profile: Profile,
    headers: &HeaderMap,
) -> Response {
    if who == "cancel" {
        let text = "the person does not want to";
        let said = [("error", "access_denied"), ("error_description", text)];
        return back(asked, &said, profile, headers);
    }
    let Some(person) = PERSONS.iter().position(|person| person.key == who) else {
        return html(StatusCode::BAD_REQUEST, "<p>There is no such person.</p>");
    };
    let nonce = asked.value("nonce");
    let grant = Grant {
        profile,
        until: sandbox.0.clock.now_ms().saturating_add(sandbox.0.config.code_ms),
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.value("code_challenge").to_owned(),
        nonce: (!nonce.is_empty()).then(|| nonce.to_owned()),
        scope: asked.value("scope").to_owned(),
        person,
    };
    let mut state = sandbox.state();
    let Some(code) = super::token::unguessable() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    // The number keeps the oldest first.
    let code = format!("{:012}.{code}", state.name());
    keep(&mut state.codes, code.clone(), grant);
    drop(state);
    back(asked, &[("code", &code)], profile, headers)
}

fn back(asked: &Asked, said: &[(&str, &str)], profile: Profile, headers: &HeaderMap) -> Response {
    let issuer = profile.issuer(headers);
    let mut url = asked.redirect_uri.clone();
    let more = [("state", asked.state.as_str()), ("iss", issuer.as_str())];
    for (name, value) in said.iter().copied().chain(more) {
        let between = if url.contains('?') { '&' } else { '?' };
        let _ = write!(url, "{between}{name}={}", encoded(value));
    }
    (StatusCode::SEE_OTHER, [(header::LOCATION, url)]).into_response()
}

pub(super) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn form(asked: &Asked) -> String {
    let mut text = String::from("<h1>Who are you?</h1><form method=\"post\">");
    for (name, value) in &asked.pairs {
        let (name, value) = (query::escaped(name), query::escaped(value));
        let _ = write!(text, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
    }
    for person in PERSONS {
        let (key, (first, last)) = (person.key, person.name);
        let _ = write!(
            text,
            "<p><button id=\"{key}\" name=\"person\" value=\"{key}\">{first} {last}</button></p>"
        );
    }
    text + "<p><button id=\"cancel\" name=\"person\" value=\"cancel\">Cancel</button></p></form>"
}

fn refused(why: &'static str) -> Response {
    let mut response = html(StatusCode::BAD_REQUEST, &format!("<p>{why}</p>"));
    response.extensions_mut().insert(Remark(why.to_owned()));
    response
}

fn html(status: StatusCode, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <title>BankID (sandbox)</title><body>{body}</body></html>"
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}
