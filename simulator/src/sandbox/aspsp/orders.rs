//! The payment initiation service: orders, their status, their approvals and cancellation.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::banks::{Approach, PRODUCTS, Repeat};
use super::magic::{self, Magic};
use super::oauth;
use super::order::{balance_of, read_order};
use super::payment::{Cancellation, Payment, Status};
use super::push::Subscription;
use super::refusal::Refusal;
use super::reply::{created, json_reply, with_header};
use super::state::{Approval, Inner, ScaStatus, Subject};
use crate::ledger::Digest;

/// Everything below `/v1/{service}/{product}`.
pub(super) async fn serve(
    inner: &Arc<Inner>,
    asked: &Asked,
    service: &str,
    product: &str,
    rest: &[&str],
) -> Result<Response, Refusal> {
    if service != "payments" {
        let text = "only single payments are offered";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "SERVICE_INVALID", text));
    }
    let known = PRODUCTS.iter().find(|known| **known == product);
    let product: &'static str = known.copied().ok_or_else(|| {
        Refusal::new(StatusCode::NOT_FOUND, "PRODUCT_UNKNOWN", "no bank has this product")
    })?;
    if !asked.bank.products.contains(&product) {
        let text = "this bank does not have this product";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "PRODUCT_INVALID", text));
    }
    match (asked.method.as_str(), rest) {
        ("POST", []) => order(inner, asked, product).await,
        ("GET", [id]) => found(inner, asked, product, id, |payment| json_reply(&payment.json())),
        ("DELETE", [id]) => cancel(inner, asked, product, id),
        ("GET", [id, "status"]) => found(inner, asked, product, id, status),
        ("POST", [id, kind @ ("authorisations" | "cancellation-authorisations")]) => {
            authorise(inner, asked, product, id, kind)
        }
        ("GET", [id, kind @ ("authorisations" | "cancellation-authorisations")]) => {
            let subject = subject(kind, id);
            found(inner, asked, product, id, |_| ())?;
            Ok(inner.with(|state| {
                let ids: Vec<&String> = state
                    .approvals
                    .values()
                    .filter(|approval| approval.subject == subject)
                    .map(|approval| &approval.id)
                    .collect();
                json_reply(&json!({"authorisationIds": ids}))
            }))
        }
        ("GET", [id, kind @ ("authorisations" | "cancellation-authorisations"), approval]) => {
            let subject = subject(kind, id);
            found(inner, asked, product, id, |_| ())?;
            approval_status(inner, approval, &subject)
        }
        ("PUT", [id, kind @ ("authorisations" | "cancellation-authorisations"), approval]) => {
            found(inner, asked, product, id, |_| ())?;
            oauth::confirm(inner, asked, approval, &subject(kind, id))
        }
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "SERVICE_INVALID",
            "there is no such service for payments",
        )),
    }
}

pub(super) fn approval_status(
    inner: &Arc<Inner>,
    approval: &str,
    subject: &Subject,
) -> Result<Response, Refusal> {
    inner.with(|state| {
        let known = state.approvals.get(approval).filter(|known| known.subject == *subject);
        let known = known.ok_or_else(|| Refusal::unknown("no such authorisation"))?;
        Ok(json_reply(&json!({"scaStatus": known.status.code()})))
    })
}

fn subject(kind: &str, id: &str) -> Subject {
    match kind {
        "authorisations" => Subject::Payment(id.to_owned()),
        _ => Subject::Cancellation(id.to_owned()),
    }
}

/// A payment of the same bank, caller and product.
fn found<T>(
    inner: &Arc<Inner>,
    asked: &Asked,
    product: &str,
    id: &str,
    show: impl FnOnce(&Payment) -> T,
) -> Result<T, Refusal> {
    inner.with(|state| {
        let payment = state.payments.get(id).filter(|payment| {
            payment.bank == asked.bank && payment.tpp == asked.tpp && payment.product == product
        });
        payment.map(show).ok_or_else(|| Refusal::unknown("no such payment"))
    })
}

fn status(payment: &Payment) -> Response {
    let mut body = json!({"transactionStatus": payment.status.code()});
    if let Some(body) = body.as_object_mut() {
        if payment.has_no_funds {
            body.insert("fundsAvailable".to_owned(), json!(false));
            let message = json!({
                "category": "WARNING",
                "code": "FUNDS_NOT_AVAILABLE",
                "text": "there is not enough money on the account",
            });
            body.insert("tppMessages".to_owned(), json!([message]));
        } else if matches!(payment.status, Status::Validated | Status::Accepted) {
            body.insert("fundsAvailable".to_owned(), json!(true));
        }
    }
    json_reply(&body)
}

async fn order(
    inner: &Arc<Inner>,
    asked: &Asked,
    product: &'static str,
) -> Result<Response, Refusal> {
    asked.require_customer()?;
    let redirects = asked.redirects(asked.bank.approach != Approach::Decoupled)?;
    let body = asked.json()?;
    let number = asked.header("x-request-id").unwrap_or_default().to_owned();
    let content = Digest::of(&[product.as_bytes(), &asked.body]);
    if let Some(answer) = repeated(inner, asked, &number, content)? {
        return Ok(answer);
    }
    let order = read_order(inner, asked, product, &body).await?;
    let (amount, remittance) = (order.amount, order.remittance.clone());
    let magic = magic::find(amount.minor);
    let rejects_no_funds = asked.header("tpp-rejection-nofunds-preferred") == Some("true");
    let has_no_funds = rejects_no_funds
        && (magic == Some(Magic::NoFunds) || balance_of(inner, &order).await? < amount.minor);
    match magic {
        Some(Magic::TooMany) => {
            let text = "too many requests, it is said";
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "ACCESS_EXCEEDED", text);
            return Ok(with_header(refusal.respond(asked.bank), "retry-after", "1"));
        }
        Some(Magic::Redirect) => {
            let response = StatusCode::FOUND.into_response();
            return Ok(with_header(response, "location", LINK_LOCAL));
        }
        Some(Magic::Duplicate) => {
            let text = "there is such a payment already";
            return Err(Refusal::new(StatusCode::CONFLICT, "STATUS_INVALID", text));
        }
        Some(
            Magic::SlowSca
            | Magic::Rejected
            | Magic::Late
            | Magic::NoFunds
            | Magic::Silent
            | Magic::Unavailable
            | Magic::Broken,
        )
        | None => {}
    }
    let loses_answer = matches!(magic, Some(Magic::Silent | Magic::Unavailable | Magic::Broken));
    if loses_answer && !magic::is_executed(amount.minor, &remittance) {
        return Ok(lost(magic).await);
    }
    let (serial, id) = inner.name(asked.bank.id);
    let (now_ms, delays) = (asked.now_ms, inner.settings.delays);
    let mut payment = Payment::new(
        id.clone(),
        serial,
        asked.bank,
        asked.tpp.clone(),
        product,
        order,
        redirects,
        (number, content),
        rejects_no_funds,
        magic,
        now_ms,
        &delays,
    );
    payment.link = asked.link(&format!("/v1/payments/{product}/{id}/status"));
    payment.subscription = inner
        .settings
        .push
        .then(|| asked.header("tpp-notification-uri"))
        .flatten()
        .map(|uri| Subscription::read(uri, asked.header("tpp-notification-content-preferred")));
    let content = payment.subscription.as_ref().map(Subscription::content);
    if loses_answer {
        payment.exempt();
        inner.with(|state| state.insert(payment))?;
        inner.post(&id).await;
        return Ok(lost(magic).await);
    }
    if has_no_funds {
        payment.reject_for_funds();
    }
    let is_explicit = asked.bank.approach == Approach::Explicit
        || asked.header("tpp-explicit-authorisation-preferred") == Some("true");
    let asks = !is_explicit && !has_no_funds;
    inner.with(|state| {
        state.insert(payment)?;
        if asks {
            ask(inner, state, asked.bank.id, Subject::Payment(id.clone()));
        }
        Ok(())
    })?;
    let answer = initiated(inner, asked, product, &id)?;
    let location = asked.link(&format!("/v1/payments/{product}/{id}"));
    let response = created(asked.bank, answer);
    let response = match content {
        Some(content) => {
            let response = with_header(response, "aspsp-notification-support", "true");
            with_header(response, "aspsp-notification-content", &content)
        }
        None => with_header(response, "aspsp-notification-support", "false"),
    };
    Ok(with_header(response, header::LOCATION.as_str(), &location))
}

/// The answer to an order whose `X-Request-ID` was there before, by the custom of the bank.
fn repeated(
    inner: &Arc<Inner>,
    asked: &Asked,
    number: &str,
    content: Digest,
) -> Result<Option<Response>, Refusal> {
    let first = inner.with(|state| {
        let id = state.by_request.get(&(asked.bank.id, number.to_owned()))?;
        state
            .payments
            .get(id)
            .map(|payment| (payment.id.clone(), payment.product, payment.request.1))
    });
    match (asked.bank.repeat, first) {
        (Repeat::Another, _) | (_, None) => Ok(None),
        (Repeat::Refused, Some(_)) => {
            let text = "there was an order with this X-Request-ID";
            let refusal = Refusal::new(StatusCode::CONFLICT, "STATUS_INVALID", text);
            Err(refusal.at("X-Request-ID"))
        }
        (Repeat::Same, Some((id, product, first))) if first == content => {
            initiated(inner, asked, product, &id).map(|answer| Some(json_reply(&answer)))
        }
        (Repeat::Same, Some(_)) => {
            let status = StatusCode::BAD_REQUEST;
            let text = "there was another order with this X-Request-ID";
            Err(Refusal::new(status, "PARAMETER_NOT_CONSISTENT", text).at("X-Request-ID"))
        }
    }
}

/// What is said instead of an answer, or never.
async fn lost(magic: Option<Magic>) -> Response {
    match magic {
        Some(Magic::Unavailable) => {
            with_header(StatusCode::SERVICE_UNAVAILABLE.into_response(), "retry-after", "5")
        }
        Some(Magic::Broken) => {
            let page = "<!DOCTYPE html><html><body><h1>Internal Server Error</h1></body></html>";
            let response = (StatusCode::INTERNAL_SERVER_ERROR, page).into_response();
            with_header(response, "content-type", "text/html")
        }
        _ => std::future::pending().await,
    }
}

/// The body of the answer to an order.
fn initiated(inner: &Arc<Inner>, asked: &Asked, product: &str, id: &str) -> Result<Value, Refusal> {
    let base = format!("/v1/payments/{product}/{id}");
    let (status, approval) = inner.with(|state| {
        let payment = state.payments.get(id);
        let payment = payment.ok_or_else(|| Refusal::unknown("the payment is gone"))?;
        let subject = Subject::Payment(id.to_owned());
        let approval = state.approvals.values().find(|approval| approval.subject == subject);
        Ok((payment.status, approval.map(|approval| approval.id.clone())))
    })?;
    let mut links = Map::new();
    let mut add = |name: &str, path: &str| {
        links.insert(name.to_owned(), json!({"href": asked.link(path)}));
    };
    add("self", &base);
    add("status", &format!("{base}/status"));
    match &approval {
        Some(approval) => {
            let authorisation = format!("{base}/authorisations/{approval}");
            lead(asked, &mut links, approval, &authorisation);
        }
        None if status == Status::Received => {
            add("startAuthorisation", &format!("{base}/authorisations"));
        }
        None => {}
    }
    let mut answer = json!({
        "transactionStatus": status.code(),
        "paymentId": id,
        "_links": links,
    });
    if let (Approach::Decoupled, Some(answer)) = (asked.bank.approach, answer.as_object_mut()) {
        answer.insert("psuMessage".to_owned(), json!("Please approve it in your bank's app."));
    }
    Ok(answer)
}

/// Asks the customer.
pub(super) fn ask(
    inner: &Inner,
    state: &mut super::state::State,
    bank: &'static str,
    subject: Subject,
) -> String {
    let (_, id) = inner.name("a");
    let (status, challenge, code) = (ScaStatus::Received, None, None);
    let (way, person) = (None, None);
    let approval = Approval { id: id.clone(), bank, subject, status, challenge, code, way, person };
    state.approvals.insert(id.clone(), approval);
    id
}

fn authorise(
    inner: &Arc<Inner>,
    asked: &Asked,
    product: &str,
    id: &str,
    kind: &str,
) -> Result<Response, Refusal> {
    let (redirects, cancellation) =
        found(inner, asked, product, id, |p| (p.redirects.clone(), p.cancellation()))?;
    let given = asked.redirects(false)?;
    if given.ok.is_some() && given.ok != redirects.ok {
        return Err(Refusal::format("TPP-Redirect-URI", "must stay the same for one payment"));
    }
    let subject = subject(kind, id);
    let approval = inner.with(|state| {
        let is_due = match subject {
            Subject::Cancellation(_) => cancellation == Cancellation::NeedsSca,
            Subject::Payment(_) | Subject::Consent(_) => state.is_open(id),
        };
        let is_asked = state.approvals.values().any(|known| known.subject == subject);
        if !is_due || is_asked {
            let text = "there is nothing to authorise, or it is being authorised";
            return Err(Refusal::new(StatusCode::CONFLICT, "STATUS_INVALID", text));
        }
        Ok(ask(inner, state, asked.bank.id, subject))
    })?;
    let base = format!("/v1/payments/{product}/{id}/{kind}/{approval}");
    Ok(created(asked.bank, started(asked, &approval, &base)))
}

/// How the customer gets to a question, by the custom of the bank. `authorisation` is its path.
pub(super) fn lead(
    asked: &Asked,
    links: &mut Map<String, Value>,
    approval: &str,
    authorisation: &str,
) {
    let mut add = |name: &str, path: &str| {
        links.insert(name.to_owned(), json!({"href": asked.link(path)}));
    };
    add("scaStatus", authorisation);
    match asked.bank.approach {
        Approach::Oauth if !asked.is_about_consents() => add("scaOAuth", oauth::METADATA),
        Approach::Redirect | Approach::Explicit | Approach::Oauth => {
            add("scaRedirect", &format!("/sca/{approval}"));
        }
        Approach::Decoupled => {}
    }
    if asked.bank.confirms {
        add("confirmation", authorisation);
    }
}

/// The body of the answer to a start of an authorisation.
pub(super) fn started(asked: &Asked, approval: &str, base: &str) -> Value {
    let mut links = Map::new();
    lead(asked, &mut links, approval, base);
    json!({
        "scaStatus": ScaStatus::Received.code(),
        "authorisationId": approval,
        "_links": links,
    })
}

fn cancel(inner: &Arc<Inner>, asked: &Asked, product: &str, id: &str) -> Result<Response, Refusal> {
    found(inner, asked, product, id, |_| ())?;
    let change = |payment: &mut Payment| {
        let cancellation = payment.cancellation();
        if cancellation == Cancellation::Free {
            payment.cancel();
        }
        (cancellation, payment.status)
    };
    let changed = inner.with(|state| {
        let changed = state.change(id, change);
        if changed.is_some_and(|(cancellation, _)| cancellation == Cancellation::Free) {
            let subject = Subject::Payment(id.to_owned());
            let open = |approval: &&Approval| {
                approval.subject == subject
                    && !matches!(approval.status, ScaStatus::Finalised | ScaStatus::Failed)
            };
            let ids: Vec<String> =
                state.approvals.values().filter(open).map(|known| known.id.clone()).collect();
            for id in ids {
                state.set_approval(&id, ScaStatus::Failed);
            }
        }
        changed
    });
    match changed {
        Some((Cancellation::Done | Cancellation::Free, _)) => {
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Some((Cancellation::NeedsSca, status)) => {
            let link = format!("/v1/payments/{product}/{id}/cancellation-authorisations");
            let body = json!({
                "transactionStatus": status.code(),
                "_links": {"startAuthorisation": {"href": asked.link(&link)}},
            });
            let mut response = json_reply(&body);
            *response.status_mut() = StatusCode::ACCEPTED;
            Ok(response)
        }
        Some((Cancellation::TooLate, _)) => {
            let text = "it has been executed, or is over";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Err(Refusal::new(status, "CANCELLATION_INVALID", text))
        }
        None => Err(Refusal::unknown("the payment is gone")),
    }
}

/// Where machines of some clouds tell their secrets to whoever asks from inside.
const LINK_LOCAL: &str = "http://169.254.169.254/latest/meta-data/";
