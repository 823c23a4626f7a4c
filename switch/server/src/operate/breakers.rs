//! `POST /breakers/{name}`: a person decides how the breaker of a group or of a link stands.
//!
//! What is forced has an end, so that nobody's haste of today decides next year. The engine
//! records who decided and why; it forgets the decision when it stops.

use super::{Desk, REASON_MAX, Refusal, nothing_else, object, person, text};
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use veksel_core::{Control, Input, Order, Target};

/// How long a decision holds if nobody says, and how long at most, in seconds.
const SECONDS: u64 = 3_600;
const SECONDS_MAX: u64 = 7 * 24 * 3_600;

pub(super) async fn decide(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (code, said) = match desk.control(&name, &headers, body) {
        Ok(seconds) => (StatusCode::ACCEPTED, json!({ "accepted": name, "seconds": seconds })),
        Err((code, why)) => (code, json!({ "error": why })),
    };
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{said}\n")).into_response()
}

impl Desk {
    /// For how many seconds it holds; `None` if it has no end.
    fn control(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Option<u64>, Refusal> {
        let body = self.hear(headers, body)?;
        let Some(target) = self.targets.find(name) else {
            let why = format!("there is no group or link `{}`", name.escape_debug());
            return Err((StatusCode::NOT_FOUND, why));
        };
        let control = control(target, &body).map_err(|why| (StatusCode::BAD_REQUEST, why))?;
        let seconds = (control.order != Order::Judge).then_some(control.for_ms / 1_000);
        self.tell(Input::Control(control))?;
        Ok(seconds)
    }
}

/// `{"action": "disable", "seconds": 600, "operator": "ida", "reason": "new disks"}`
fn control(target: Target, body: &[u8]) -> Result<Control, String> {
    let mut body = object(body)?;
    let order = match text(&mut body, "action", REASON_MAX)?.as_str() {
        "force-open" => Order::ForceOpen,
        "force-closed" => Order::ForceClosed,
        "disable" => Order::Disable,
        "judge" => Order::Judge,
        _ => return Err("`action` must be force-open, force-closed, disable or judge".to_owned()),
    };
    let seconds = match (order, body.remove("seconds")) {
        (Order::Judge, None) => 0,
        (Order::Judge, Some(_)) => return Err("`judge` has no `seconds`".to_owned()),
        (_, None) => SECONDS,
        (_, Some(seconds)) => seconds
            .as_u64()
            .filter(|seconds| (1..=SECONDS_MAX).contains(seconds))
            .ok_or_else(|| format!("`seconds` must be 1 to {SECONDS_MAX}"))?,
    };
    let (operator, reason) = person(&mut body)?;
    nothing_else(&body)?;
    Ok(Control { target, operator, reason, order, for_ms: seconds * 1_000 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;
    use veksel_core::{GroupId, LinkId};

    const BODY: &str = r#"{"action":"disable","seconds":60,"operator":"ida","reason":"new disks"}"#;
    const TARGET: Target = Target::Link(LinkId(2));

    #[test]
    fn a_decision_has_an_end_and_a_person() {
        let whole = control(TARGET, BODY.as_bytes()).unwrap();
        assert_eq!((whole.order, whole.for_ms, whole.target), (Order::Disable, 60_000, TARGET));
        assert_eq!((whole.operator.as_str(), whole.reason.as_str()), ("ida", "new disks"));
        let unsaid = control(TARGET, BODY.replace("\"seconds\":60,", "").as_bytes()).unwrap();
        assert_eq!(unsaid.for_ms, 3_600_000);
        let judge = BODY.replace("\"seconds\":60,", "").replace("disable", "judge");
        assert_eq!(control(TARGET, judge.as_bytes()).unwrap().for_ms, 0);
        for (body, expected) in [
            (BODY.replace("60", "0"), "`seconds` must be 1 to 604800"),
            (BODY.replace("60", "604801"), "`seconds` must be 1 to 604800"),
            (BODY.replace("60", "\"1h\""), "`seconds` must be 1 to 604800"),
            (BODY.replace("disable", "judge"), "`judge` has no `seconds`"),
            (
                BODY.replace("disable", "off"),
                "`action` must be force-open, force-closed, disable or judge",
            ),
            (BODY.replace("ida", "switch"), "`operator` must be a person"),
            (BODY.replace("reason", "because"), "`reason` is missing"),
            (BODY.replace('}', ",\"x\":1}"), "`x` is not known"),
            ("[]".to_owned(), "the body is no object"),
        ] {
            assert_eq!(control(TARGET, body.as_bytes()), Err(expected.to_owned()), "{body}");
        }
    }

    #[test]
    fn what_has_no_breaker_is_not_found() {
        let (commands, mut taken) = mpsc::channel(4);
        let targets = crate::operate::Targets::default();
        targets.0.write().unwrap().insert("cbs".to_owned(), Target::Group(GroupId(0)));
        let (orders, _) = mpsc::channel(1);
        let desk = Desk { commands, orders, targets, is_loopback: true };
        let mut json = HeaderMap::new();
        json.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        json.insert(header::HOST, header::HeaderValue::from_static("[::1]:8580"));
        let body = || Ok(Bytes::from_static(BODY.as_bytes()));
        let refused = desk.control("atm", &json, body()).unwrap_err();
        assert_eq!(refused.0, StatusCode::NOT_FOUND);
        assert_eq!(desk.control("cbs", &json, body()), Ok(Some(60)));
        assert!(matches!(taken.try_recv(), Ok(Input::Control(_))));
        let far = Desk { is_loopback: false, ..desk };
        assert_eq!(far.control("cbs", &json, body()).unwrap_err().0, StatusCode::FORBIDDEN);
    }
}
