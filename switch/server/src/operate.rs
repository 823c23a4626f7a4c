//! What operators may tell the running switch: to retry, park or resolve a reversal, and how a
//! breaker shall stand ([`breakers`]).
//!
//! It asks nobody who he is, so it works only on a listener that only this machine can reach. A
//! browser on this machine cannot be made to use it: a form cannot send JSON, what a script sends
//! names its origin, and a name that was made to lead here is not one of this machine. Nor can
//! somebody behind a proxy. Decisions are the engine's; it records each with who asked and why.

mod breakers;

use crate::orders::Order;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use veksel_config::Elsewhere;
use veksel_core::plan::{LinkRole, Plan};
use veksel_core::{Action, Command, GroupId, Input, LinkId, Target, TxnId};

/// Decisions that may wait for the engine.
pub(crate) const COMMANDS_MAX: usize = 64;

/// How long the shard may take to say whether there is anything to decide about.
const REPLY_MAX: Duration = Duration::from_secs(5);

/// Longest body.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// Longest name of an operator, and longest reason, in characters.
pub(crate) const OPERATOR_MAX: usize = 64;
const REASON_MAX: usize = 500;

/// Why a decision was not taken.
pub(crate) type Refusal = (StatusCode, String);

/// Where decisions are taken in.
#[derive(Clone)]
pub(crate) struct Desk {
    commands: mpsc::Sender<Input>,
    orders: mpsc::Sender<Order>,
    /// What has a breaker, by name.
    targets: Targets,
    is_loopback: bool,
}

/// What has a breaker, by name. A clone is the same.
#[derive(Clone, Default)]
pub(crate) struct Targets(Arc<RwLock<HashMap<String, Target>>>);

impl Targets {
    /// Takes over what the plan has.
    pub(crate) fn replan(&self, plan: &Plan) {
        let groups = (0..).zip(&plan.groups);
        let groups =
            groups.map(|(place, group)| (group.name.clone(), Target::Group(GroupId(place))));
        let links = (0..).zip(&plan.links).filter_map(|(place, link)| match link.role {
            LinkRole::Host(_) => Some((link.name.clone(), Target::Link(LinkId(place)))),
            LinkRole::Channel(_) | LinkRole::Identified => None,
        });
        let all = groups.chain(links).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    fn find(&self, name: &str) -> Option<Target> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

/// `POST /reversals/{txn}` and `POST /breakers/{name}`.
pub(crate) fn router(desk: Desk, is_loopback: bool) -> Router {
    Router::new()
        .route("/reversals/{txn}", post(decide))
        .route("/breakers/{name}", post(breakers::decide))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(Desk { is_loopback, ..desk })
}

async fn decide(
    State(desk): State<Desk>,
    Path(txn): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let decided = async {
        let command = desk.read(&txn, &headers, body)?;
        let txn = command.txn;
        if desk.order(command)?.await? {
            return Ok(txn);
        }
        let why = format!(
            "transaction {} is neither undone nor delivered at present, and no case of a payment: \
             there is nothing to decide about",
            txn.0
        );
        Err((StatusCode::NOT_FOUND, why))
    };
    let (code, said) = match decided.await {
        Ok(txn) => (StatusCode::ACCEPTED, json!({ "accepted": txn.0 })),
        Err((code, why)) => (code, json!({ "error": why })),
    };
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{said}\n")).into_response()
}

impl Desk {
    /// Decisions go to `commands` and questions to `orders`; the plan says what breakers there are.
    pub(crate) fn new(
        commands: mpsc::Sender<Input>,
        orders: mpsc::Sender<Order>,
        plan: &Plan,
    ) -> Self {
        let targets = Targets::default();
        targets.replan(plan);
        Self { commands, orders, targets, is_loopback: false }
    }

    /// What there is to decide about, to be told of another plan.
    pub(crate) fn targets(&self) -> Targets {
        self.targets.clone()
    }

    /// The body of a request that may decide something.
    fn hear(
        &self,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Bytes, Refusal> {
        check_sender(headers, self.is_loopback)?;
        body.map_err(|error| (error.status(), error.body_text()))
    }

    /// Hands a decision to the engine.
    fn tell(&self, input: Input) -> Result<(), Refusal> {
        self.commands.try_send(input).map_err(refused)
    }

    fn read(
        &self,
        txn: &str,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Command, Refusal> {
        let body = self.hear(headers, body)?;
        command(txn, &body).map_err(|why| (StatusCode::BAD_REQUEST, why))
    }

    /// Hands a decision about a transaction to the shard, whoever waits for what it says: whether
    /// there is anything to decide about.
    fn order(
        &self,
        command: Command,
    ) -> Result<impl Future<Output = Result<bool, Refusal>> + use<>, Refusal> {
        let (reply, found) = oneshot::channel();
        self.orders.try_send(Order::Decide(Box::new(command), reply)).map_err(refused)?;
        Ok(async {
            timeout(REPLY_MAX, found).await.ok().and_then(Result::ok).ok_or_else(|| {
                let why = "the decision is handed on; the switch does not say what came of it";
                (StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
            })
        })
    }
}

fn refused<T>(error: mpsc::error::TrySendError<T>) -> Refusal {
    let why = match error {
        mpsc::error::TrySendError::Full(_) => "too many decisions wait; try again",
        mpsc::error::TrySendError::Closed(_) => "the switch is stopping",
    };
    (StatusCode::SERVICE_UNAVAILABLE, why.to_owned())
}

/// Whether a decision may be heard: over a loopback address, from a program of this machine, and
/// in a form that no page in a browser can send.
pub(crate) fn check_sender(headers: &HeaderMap, is_loopback: bool) -> Result<(), Refusal> {
    if !is_loopback {
        let why = "operators are heard only if admin.listen is a loopback address";
        return Err((StatusCode::FORBIDDEN, why.to_owned()));
    }
    from_here(headers)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if kind.trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json".to_owned()))
}

/// Refuses what a page in a browser sends, or what a proxy of this machine hands on.
pub(crate) fn from_here(headers: &HeaderMap) -> Result<(), Refusal> {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    veksel_config::from_this_machine(headers).map_err(|elsewhere| {
        let why = match elsewhere {
            Elsewhere::Page => {
                "only programs of this machine are heard, under an address of this machine"
            }
            Elsewhere::Proxy => "nobody is heard through a proxy",
        };
        (StatusCode::FORBIDDEN, why.to_owned())
    })
}

/// `{"action": "retry", "operator": "ida", "reason": "the host is back"}`
fn command(txn: &str, body: &[u8]) -> Result<Command, String> {
    let txn = txn.parse().map_err(|_| format!("`{}` is no transaction", txn.escape_debug()))?;
    let mut body = object(body)?;
    let action = match text(&mut body, "action", REASON_MAX)?.as_str() {
        "retry" => Action::Retry,
        "park" => Action::Park,
        "resolve" => Action::Resolve,
        _ => return Err("`action` must be retry, park or resolve".to_owned()),
    };
    let (operator, reason) = person(&mut body)?;
    nothing_else(&body)?;
    Ok(Command { txn: TxnId(txn), operator, reason, action })
}

fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err("the body is no object".to_owned()),
        Err(_) => Err("the body is no JSON".to_owned()),
    }
}

/// Who decides, and why.
fn person(body: &mut Map<String, Value>) -> Result<(String, String), String> {
    let operator = text(body, "operator", OPERATOR_MAX)?;
    let reason = text(body, "reason", REASON_MAX)?;
    // The engine speaks for itself under this name.
    if operator == "switch" {
        return Err("`operator` must be a person".to_owned());
    }
    Ok((operator, reason))
}

fn nothing_else(body: &Map<String, Value>) -> Result<(), String> {
    match body.keys().next() {
        Some(key) => Err(format!("`{}` is not known", key.escape_debug())),
        None => Ok(()),
    }
}

/// A text that is there, says something, and can be shown on one line.
pub(crate) fn text(
    body: &mut Map<String, Value>,
    key: &str,
    most: usize,
) -> Result<String, String> {
    let Some(Value::String(text)) = body.remove(key) else {
        return Err(format!("`{key}` is missing"));
    };
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("`{key}` is empty"));
    }
    if text.chars().count() > most {
        return Err(format!("`{key}` has more than {most} characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("`{key}` has control characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"action":"park","operator":" ida ","reason":"asked the bank"}"#;

    #[test]
    fn a_decision_needs_a_person_and_a_reason() {
        let expected = Command {
            txn: TxnId(42),
            operator: "ida".to_owned(),
            reason: "asked the bank".to_owned(),
            action: Action::Park,
        };
        assert_eq!(command("42", BODY.as_bytes()), Ok(expected));
        let long = BODY.replace("asked", &"a".repeat(REASON_MAX));
        for (txn, body, expected) in [
            ("", BODY, "`` is no transaction"),
            ("-1", BODY, "`-1` is no transaction"),
            ("42", "", "the body is no JSON"),
            ("42", "[]", "the body is no object"),
            ("42", "{}", "`action` is missing"),
            ("42", &BODY.replace("park", "drop"), "`action` must be retry, park or resolve"),
            ("42", &BODY.replace("asked the bank", " "), "`reason` is empty"),
            ("42", &BODY.replace("\"reason\"", "\"because\""), "`reason` is missing"),
            ("42", &BODY.replace("\"asked the bank\"", "7"), "`reason` is missing"),
            ("42", &BODY.replace(" ida ", ""), "`operator` is empty"),
            ("42", &BODY.replace(" ida ", "switch"), "`operator` must be a person"),
            ("42", &BODY.replace("asked", "\\u001b[1m"), "`reason` has control characters"),
            ("42", &BODY.replace('}', ",\"x\":1}"), "`x` is not known"),
            ("42", &long, "`reason` has more than 500 characters"),
        ] {
            assert_eq!(command(txn, body.as_bytes()), Err(expected.to_owned()), "{body}");
        }
    }

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(header::HeaderName, &'static str)| {
            (name.clone(), header::HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_browser_is_not_heard() {
        let (kind, host) = (header::CONTENT_TYPE, || (header::HOST, "127.0.0.1:8580"));
        for (mut pairs, expected) in [
            (vec![(kind.clone(), "application/json")], None),
            (vec![(kind.clone(), "Application/JSON; charset=utf-8")], None),
            (vec![], Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
            (vec![(kind.clone(), "text/plain")], Some(StatusCode::UNSUPPORTED_MEDIA_TYPE)),
            (
                vec![(kind.clone(), "application/x-www-form-urlencoded")],
                Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            ),
            (
                vec![(kind, "application/json"), (header::ORIGIN, "http://127.0.0.1:8580")],
                Some(StatusCode::FORBIDDEN),
            ),
        ] {
            pairs.push(host());
            let refused = |here| check_sender(&headers(&pairs), here).err().map(|(code, _)| code);
            assert_eq!(refused(true), expected, "{pairs:?}");
            assert_eq!(refused(false), Some(StatusCode::FORBIDDEN), "{pairs:?}");
        }
        let json = (header::CONTENT_TYPE, "application/json");
        for elsewhere in [
            vec![json.clone()],
            // A name that was made to lead here.
            vec![json.clone(), (header::HOST, "evil.example:8580")],
            vec![json.clone(), host(), (header::FORWARDED, "for=203.0.113.1")],
        ] {
            let refused = check_sender(&headers(&elsewhere), true).err().map(|(code, _)| code);
            assert_eq!(refused, Some(StatusCode::FORBIDDEN), "{elsewhere:?}");
        }
    }

    #[test]
    fn what_cannot_wait_is_refused() {
        let json = (header::CONTENT_TYPE, "application/json");
        let json = headers(&[json, (header::HOST, "localhost:8580")]);
        let (commands, _) = mpsc::channel(1);
        let (orders, mut taken) = mpsc::channel(1);
        let desk = Desk { commands, orders, targets: Targets::default(), is_loopback: true };
        let code = |desk: &Desk| {
            let read = desk.read("42", &json, Ok(Bytes::from_static(BODY.as_bytes())));
            let told = read.and_then(|command| desk.order(command));
            told.map(drop).map_err(|(code, _)| code)
        };
        assert_eq!(code(&desk), Ok(()));
        assert_eq!(code(&desk), Err(StatusCode::SERVICE_UNAVAILABLE));
        let told = taken.try_recv().unwrap();
        assert!(matches!(told, Order::Decide(command, _) if command.txn == TxnId(42)));
        taken.close();
        assert_eq!(code(&desk), Err(StatusCode::SERVICE_UNAVAILABLE));
        let far = Desk { is_loopback: false, ..desk };
        assert_eq!(code(&far), Err(StatusCode::FORBIDDEN));
    }
}
