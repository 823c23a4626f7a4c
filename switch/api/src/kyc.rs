//! Identity checks: begin one, and how one stands. The switch decides about payments by what it
//! knows itself; nothing here is needed for that.

use crate::answer::{Answer, Refusal, json_response};
use crate::door::{Name, Program, Shared, name, nothing_else, object, optional, text};
use axum::body::Bytes;
use axum::extract::RawQuery;
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

/// `POST /api/kyc/initiate` with `{"customer":"…","email":"…","phone":"…","level":"…"}`.
pub(crate) async fn initiate(program: Program, headers: HeaderMap, body: Bytes) -> Response {
    program.answer(async |desk| begin(desk, object(&headers, &body)?).await).await
}

/// The same with a query, for those who were told to `GET` it.
pub(crate) async fn initiate_by_query(program: Program, RawQuery(query): RawQuery) -> Response {
    let begun = async |desk: &Shared| {
        let mut object = Map::new();
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let twice = object.insert(key.clone().into_owned(), value.into_owned().into());
            if twice.is_some() {
                return Err(Refusal::bad(format!("`{}` is there twice", key.escape_debug())));
            }
        }
        begin(desk, object).await
    };
    program.answer(begun).await
}

async fn begin(desk: &Shared, mut object: Map<String, Value>) -> Answer {
    let call = Call::Check {
        customer: text(&mut object, "customer", CUSTOMER_MAX)?,
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
pub(crate) async fn status(program: Program, customer: Name) -> Response {
    let found = async |desk: &Shared| {
        let customer = name(customer, CUSTOMER_MAX, "customer")?;
        match desk.engine.call(Call::Checked { customer }, STATUS_TIME).await {
            Told::Checked { customer, .. } => {
                Ok(json_response(StatusCode::OK, &Value::Object(shown(&customer))))
            }
            other => Err(instead(other)),
        }
    };
    program.answer(found).await
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
