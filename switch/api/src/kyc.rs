//! Identity checks: begin one, and how one stands. The switch decides about payments by what it
//! knows itself; nothing here is needed for that.

use crate::answer::{Answer, Refusal, Trace, json_response};
use crate::caller::{Act, Caller, others};
use crate::door::{
    Desk, Name, Program, Shared, answered, members, name, nothing_else, object, one_line, optional,
};
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::time::Duration;
use veksel_core::Utc;
use veksel_core::enquiry::{Call, Checks, Told};
use veksel_core::fact::Customer;

/// How long the provider may take.
const CHECK_TIME: Duration = Duration::from_secs(45);

/// How long it takes to say what is known.
const STATUS_TIME: Duration = Duration::from_secs(5);

/// Longest name of a customer, and longest of the others, in characters.
pub(crate) const CUSTOMER_MAX: usize = 128;
const CONTACT_MAX: usize = 254;

/// What is said when nobody can be checked now.
const UNAVAILABLE: &str = "verification temporarily unavailable";

/// `POST /api/kyc/initiate` with `{"customer":"…","email":"…","phone":"…","level":"…"}`. Only a
/// program says the level.
pub(crate) async fn initiate(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let begun = async {
        let caller = desk.caller(&headers, Act::Change)?;
        begin(&desk, &caller, object(&headers, &body)?).await
    };
    answered(begun.await, &trace)
}

/// The same with a query, for those who were told to `GET` it.
pub(crate) async fn initiate_by_query(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let begun = async {
        // It is asked like a look, and is none.
        let caller = desk.caller(&headers, Act::Change)?;
        begin(&desk, &caller, members(query.as_deref())?).await
    };
    answered(begun.await, &trace)
}

async fn begin(desk: &Desk, caller: &Caller, mut object: Map<String, Value>) -> Answer {
    if matches!(caller, Caller::Person(_)) && object.contains_key("level") {
        // What he may pay follows from it.
        let message = "`level` is not chosen by whoever is signed in";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let call = Call::Check {
        customer: caller.customer(optional(&mut object, "customer", CUSTOMER_MAX)?)?,
        email: optional(&mut object, "email", CONTACT_MAX)?,
        phone: optional(&mut object, "phone", CONTACT_MAX)?,
        level: optional(&mut object, "level", CONTACT_MAX)?.unwrap_or_default(),
    };
    nothing_else(&object)?;
    match desk.engine.call(call, CHECK_TIME).await {
        Told::Checked { customer, token } => {
            let mut said = shown(&customer);
            if let Some(token) = token {
                said.insert("token".into(), token.expose().into());
            }
            Ok(json_response(StatusCode::OK, &Value::Object(said)))
        }
        other => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let unknown = Refusal::new(status, "unavailable", UNAVAILABLE);
            Err(Refusal::instead(other, unknown, UNAVAILABLE))
        }
    }
}

/// `GET /api/kyc/status/{customer}`.
pub(crate) async fn status(
    State(desk): State<Desk>,
    trace: Trace,
    headers: HeaderMap,
    customer: Result<Path<String>, PathRejection>,
) -> Response {
    let found = async {
        let caller = desk.caller(&headers, Act::Look)?;
        let Path(customer) = customer.map_err(|error| Refusal::bad(error.body_text()))?;
        let customer =
            one_line(&customer, CUSTOMER_MAX).ok_or_else(|| Refusal::bad("this is no customer"))?;
        if !caller.may_see(&customer) {
            return Err(others());
        }
        match desk.engine.call(Call::Checked { customer }, STATUS_TIME).await {
            Told::Checked { customer, .. } => {
                Ok(json_response(StatusCode::OK, &Value::Object(shown(&customer))))
            }
            other => Err(instead(other)),
        }
    };
    answered(found.await, &trace)
}

/// `GET /api/kyc/checks/{customer}`: each check behind a verification, as the provider says now.
/// Somebody who looks at a case wants to know; no payment waits for it or depends on it.
pub(crate) async fn checks(program: Program, customer: Name) -> Response {
    let found = async |desk: &Shared| {
        let customer = name(customer, CUSTOMER_MAX, "customer")?;
        match desk.engine.call(Call::Checks { customer: customer.clone() }, CHECK_TIME).await {
            Told::Checks { applicant, checks } => {
                let Checks { document, liveness, face_match, sanctions, pep } = checks;
                let said = json!({
                    "customer": customer,
                    "applicantId": applicant,
                    "document": document.word(),
                    "liveness": liveness.word(),
                    "faceMatch": face_match.word(),
                    "sanctions": sanctions.word(),
                    "pep": pep.word(),
                });
                Ok(json_response(StatusCode::OK, &said))
            }
            other => Err(instead(other)),
        }
    };
    program.answer(found).await
}

fn instead(told: Told) -> Refusal {
    Refusal::instead(told, Refusal::not_found("this customer"), UNAVAILABLE)
}

fn shown(customer: &Customer) -> Map<String, Value> {
    let known = |time: Utc| (time != Utc(0)).then(|| time.to_string());
    let said = json!({
        "customer": customer.customer,
        "applicantId": customer.applicant,
        "status": customer.status.word(),
        "level": customer.level,
        "reviewedAt": known(customer.reviewed),
        "documentUntil": known(customer.document_until),
    });
    match said {
        Value::Object(said) => said,
        _ => Map::new(),
    }
}
