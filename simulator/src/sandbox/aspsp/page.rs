//! The page on which a customer approves, in plain HTML, and the list that stands for a bank's app.
//! Whoever has the link is the customer; if the banks are told to, they ask a provider who that is
//! (`bankid`).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::time::sleep;

use super::asked::Asked;
use super::bankid;
use super::banks::Bank;
use super::refusal::Refusal;
use super::reply::with_header;
use super::state::{Inner, ScaStatus, State, Subject};
use super::step_up::Said;
use crate::sandbox::log::Remark;
use crate::sandbox::query;

/// What a customer does with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Approve,
    Reject,
    /// Closes the window: nobody hears of it.
    Abandon,
}

impl Act {
    fn of(text: &str) -> Option<Self> {
        match text {
            "approve" => Some(Self::Approve),
            "reject" => Some(Self::Reject),
            "abandon" => Some(Self::Abandon),
            _ => None,
        }
    }
}

/// `/sca/{id}`, `/sca/{id}/{act}` and `/app`. Answers are for people, errors too.
pub(super) async fn serve(inner: &Arc<Inner>, asked: &Asked, rest: &[&str]) -> Response {
    let answer = match (asked.method.as_str(), rest) {
        ("GET", ["app"]) => Ok(app(inner, asked.bank)),
        ("GET", ["app", "bankid"]) => bankid::returned(inner, asked),
        ("GET", ["sca", id, "bankid"]) => bankid::begin(inner, asked, id),
        ("GET", ["sca", id]) => match asked.query("auto") {
            Some(act) => {
                let delay = asked.query("delay_ms").map_or(Some(0), |text| text.parse().ok());
                match (Act::of(act), delay) {
                    (Some(act), Some(delay_ms)) => {
                        sleep(Duration::from_millis(delay_ms).min(DELAY_MAX)).await;
                        do_it(inner, asked, id, act)
                    }
                    _ => Err(Refusal::format(
                        "auto",
                        "must be approve, reject or abandon, and delay_ms a number",
                    )),
                }
            }
            None => show(inner, asked.bank, id, ""),
        },
        ("POST", ["sca", id, act]) => match Act::of(act) {
            Some(act) => do_it(inner, asked, id, act),
            None => Err(Refusal::unknown("there is no such button")),
        },
        _ => Err(Refusal::unknown("there is no such page")),
    };
    answer.unwrap_or_else(|refusal| {
        let refused = refusal.respond(asked.bank);
        let remark: Option<&Remark> = refused.extensions().get();
        let text = remark.map_or("", |remark| remark.0.as_str()).to_owned();
        let page = format!("<p>{}</p>", escape(&text));
        let mut response = html(refused.status(), asked.bank, &page);
        response.extensions_mut().insert(Remark(text));
        response
    })
}

fn do_it(inner: &Arc<Inner>, asked: &Asked, id: &str, act: Act) -> Result<Response, Refusal> {
    let bank = asked.bank;
    find(inner, bank, id)?;
    if act == Act::Approve && bankid::is_missing(inner, id) {
        return show(inner, bank, id, "Please say who you are first.");
    }
    let act = match (act, &inner.step_up) {
        (Act::Approve, Some(step_up)) => {
            let form = String::from_utf8_lossy(&asked.body);
            let typed = query::value(&form, "code");
            let code = typed.or_else(|| asked.query("code").map(str::to_owned));
            match step_up.check(id, code.unwrap_or_default().trim(), inner.clock.now_ms() / 1_000) {
                Said::Right => Act::Approve,
                Said::Wrong => return show(inner, bank, id, "The code is wrong."),
                Said::TooOften => Act::Reject,
            }
        }
        (act, _) => act,
    };
    let to = match act {
        Act::Approve => inner.decide(id, true)?,
        Act::Reject => inner.decide(id, false)?,
        Act::Abandon => {
            let text = "<p id=\"done\">The window is closed; nobody was told.</p>";
            return Ok(html(StatusCode::OK, bank, text));
        }
    };
    match to {
        Some(to) => Ok(with_header(StatusCode::SEE_OTHER.into_response(), "location", &to)),
        None => Ok(html(StatusCode::OK, bank, "<p id=\"done\">Thank you. That is all.</p>")),
    }
}

pub(super) fn find(inner: &Arc<Inner>, bank: &'static Bank, id: &str) -> Result<(), Refusal> {
    inner.with(|state| {
        let known = state.approvals.get(id).filter(|approval| approval.bank == bank.id);
        known.map(|_| ()).ok_or_else(|| Refusal::unknown("no such question"))
    })
}

/// The question with its buttons; `complaint` says what was wrong with the last answer.
pub(super) fn show(
    inner: &Arc<Inner>,
    bank: &'static Bank,
    id: &str,
    complaint: &str,
) -> Result<Response, Refusal> {
    find(inner, bank, id)?;
    let question = inner.with(|state| {
        let status = state.approvals.get(id).map(|approval| approval.status);
        if status == Some(ScaStatus::Received) {
            state.set_approval(id, ScaStatus::Started);
        }
        question(state, id)
    });
    let mut body = question.ok_or_else(|| Refusal::unknown("no such question"))?;
    if !complaint.is_empty() {
        let _ = write!(body, "<p id=\"complaint\">{complaint}</p>");
    }
    let is_nobody = bankid::is_missing(inner, id);
    if is_nobody {
        let to = format!("/{}/sca/{id}/bankid", bank.id);
        let _ = write!(body, "<p><a id=\"bankid\" href=\"{to}\">Identify with BankID</a></p>");
    }
    let person = inner.with(|state| state.approvals.get(id).and_then(|one| one.person.clone()));
    if let Some(person) = person {
        let _ = write!(body, "<p id=\"person\">You are {}.</p>", escape(&person));
    }
    for (act, label) in [("approve", "Approve"), ("reject", "Reject"), ("abandon", "Close window")]
    {
        if is_nobody && act == "approve" {
            continue;
        }
        let field = match inner.step_up.is_some() && act == "approve" {
            true => {
                "<input id=\"code\" name=\"code\" autocomplete=\"one-time-code\" maxlength=\"6\">"
            }
            false => "",
        };
        let _ = write!(
            body,
            "<form method=\"post\" action=\"/{}/sca/{id}/{act}\">{field}\
             <button id=\"{act}\" type=\"submit\">{label}</button></form>",
            bank.id,
        );
    }
    let status = if complaint.is_empty() { StatusCode::OK } else { StatusCode::FORBIDDEN };
    Ok(html(status, bank, &body))
}

/// What a customer is asked, in HTML.
fn question(state: &State, id: &str) -> Option<String> {
    let approval = state.approvals.get(id)?;
    let of_payment = |id: &str, verb: &str| {
        let payment = state.payments.get(id)?;
        let order = &payment.order;
        Some(format!(
            "<p>{verb} {} from {} to {} ({})?</p><p>{}</p>",
            escape(&order.amount.to_string()),
            escape(&order.debtor.0),
            escape(&order.creditor_name),
            escape(&order.creditor.1),
            escape(&order.remittance),
        ))
    };
    match &approval.subject {
        Subject::Payment(id) => of_payment(id, "Pay"),
        Subject::Cancellation(id) => of_payment(id, "Cancel the payment of"),
        Subject::Consent(id) => {
            let consent = state.consents.get(id)?;
            let accounts = consent.wanted.ibans().join(", ");
            let until = &consent.wanted.valid_until;
            let (accounts, until) = (escape(&accounts), escape(until));
            Some(format!("<p>Let somebody read {accounts} until {until}?</p>"))
        }
    }
}

/// The open questions, as the bank's app would show them.
fn app(inner: &Arc<Inner>, bank: &'static Bank) -> Response {
    let body = inner.with(|state| {
        let mut body = String::from("<ul>");
        let open = state.approvals.values().filter(|approval| {
            approval.bank == bank.id
                && matches!(approval.status, ScaStatus::Received | ScaStatus::Started)
        });
        for approval in open.take(SHOWN_MAX) {
            let text = question(state, &approval.id).unwrap_or_default();
            let (bank, id) = (bank.id, &approval.id);
            let _ = write!(body, "<li><a href=\"/{bank}/sca/{id}\">{id}</a>{text}</li>");
        }
        body.push_str("</ul>");
        body
    });
    html(StatusCode::OK, bank, &body)
}

fn html(status: StatusCode, bank: &Bank, body: &str) -> Response {
    let name = bank.name;
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}</title>\
         </head><body><h1>{name}</h1><p>A sandbox: no bank, no money.</p>{body}</body></html>\n"
    );
    let response = (status, page).into_response();
    let response = with_header(response, "content-type", "text/html; charset=utf-8");
    let policy = "default-src 'none'; form-action *; frame-ancestors 'none'";
    with_header(response, "content-security-policy", policy)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Of a decision that is made by itself.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// Questions in the app.
const SHOWN_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_wrote_is_text_on_the_page() {
        assert_eq!(escape("<b onclick='x'>\"&"), "&lt;b onclick=&#39;x&#39;&gt;&quot;&amp;");
    }
}
