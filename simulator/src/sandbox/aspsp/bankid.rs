//! Who a customer is, before anything is approved: the page leads to the provider that signs people
//! in, and the customer comes back as somebody. Which account is whose the sandbox does not know.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::asked::Asked;
use super::page;
use super::refusal::Refusal;
use super::reply::with_header;
use super::state::Inner;
use crate::sandbox::oidc::Oidc;

/// The provider, and where it is.
pub(super) struct Provider {
    pub(super) oidc: Oidc,
    pub(super) address: SocketAddr,
}

/// `GET /{bank}/sca/{id}/bankid`: to the provider.
pub(super) fn begin(inner: &Arc<Inner>, asked: &Asked, id: &str) -> Result<Response, Refusal> {
    let provider = provider(inner)?;
    page::find(inner, asked.bank, id)?;
    let back = format!("{}/{}/app/bankid", asked.origin, asked.bank.id);
    let Some(way) = provider.oidc.begin(id, &back) else {
        return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    let to = format!("http://{}{}", provider.address, way.path);
    inner.with(|state| {
        if let Some(approval) = state.approvals.get_mut(id) {
            approval.way = Some(way);
        }
    });
    Ok(with_header(StatusCode::SEE_OTHER.into_response(), "location", &to))
}

/// `GET /{bank}/app/bankid?state=…&code=…`, or `&error=…`: back to the question.
pub(super) fn returned(inner: &Arc<Inner>, asked: &Asked) -> Result<Response, Refusal> {
    let provider = provider(inner)?;
    let given = asked.query("state").unwrap_or_default();
    let unknown = || Refusal::unknown("nobody was asked who he is like that");
    let (_, id) = given.split_once('.').ok_or_else(unknown)?;
    page::find(inner, asked.bank, id)?;
    // A way is gone once.
    let way = inner.with(|state| {
        let approval = state.approvals.get_mut(id)?;
        let is_it = approval.way.as_ref().is_some_and(|way| way.state == given);
        if is_it { approval.way.take() } else { None }
    });
    let way = way.ok_or_else(unknown)?;
    let who = asked.query("code").and_then(|code| provider.oidc.who(&way, code));
    let Some(person) = who else {
        return page::show(inner, asked.bank, id, "Nobody has said who you are.");
    };
    let (first, last) = person.name;
    inner.with(|state| {
        if let Some(approval) = state.approvals.get_mut(id) {
            approval.person = Some(format!("{first} {last}"));
        }
    });
    let to = format!("/{}/sca/{id}", asked.bank.id);
    Ok(with_header(StatusCode::SEE_OTHER.into_response(), "location", &to))
}

fn provider(inner: &Arc<Inner>) -> Result<&Provider, Refusal> {
    inner.provider.get().ok_or_else(|| Refusal::unknown("nobody is asked who he is here"))
}

/// Whether it is not known yet who answers a question, and has to be.
pub(super) fn is_missing(inner: &Arc<Inner>, id: &str) -> bool {
    let known =
        || inner.with(|state| state.approvals.get(id).is_some_and(|one| one.person.is_some()));
    inner.provider.get().is_some() && !known()
}
