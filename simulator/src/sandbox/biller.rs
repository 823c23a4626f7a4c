//! A provider of bills as a sandbox: who can be paid, what a customer owes, and paying it, in the
//! form that `[bill]` of the switch has by default.
//!
//! It checks what such a provider checks: the key of the caller, perhaps a signature, billers and
//! references, amounts to the last digit, and that a payment that is sent again is the same. Bills
//! are the same at every look, since they follow from their numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Clock, Remark, Sandbox, query};
use crate::directory::Biller as Row;
use crate::money::Currency;

/// What the sandbox takes and has.
#[derive(Clone)]
pub struct BillerConfig {
    /// `X-Api-Key` that is taken.
    pub api_key: String,
    /// If requests must be signed: `X-Timestamp` and `X-Signature`.
    pub hmac_key: Option<String>,
    /// Who can be paid.
    pub billers: Vec<Row>,
}

/// The sandbox. Copies share its state.
#[derive(Clone)]
pub struct Biller(Arc<Inner>);

struct Inner {
    config: BillerConfig,
    clock: Clock,
    payments: Mutex<Vec<Payment>>,
    /// Which payment a key belongs to, and what it was.
    keys: Mutex<BTreeMap<String, (usize, [u8; 32])>>,
}

/// A bill that was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// By the number of the biller.
    pub biller: String,
    /// What the biller calls its customer.
    pub reference: String,
    /// As it was written.
    pub amount: String,
    /// Three letters.
    pub currency: String,
}

impl fmt::Debug for Biller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Biller").finish_non_exhaustive()
    }
}

/// A refusal: status and code.
type Refused = (StatusCode, &'static str);

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

impl Biller {
    /// A sandbox without payments.
    #[must_use]
    pub fn new(config: BillerConfig, clock: Clock) -> Self {
        let (payments, keys) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { config, clock, payments, keys }))
    }

    /// What was paid, in its order. For tests: this is the truth about money.
    #[must_use]
    pub fn paid(&self) -> Vec<Payment> {
        lock(&self.0.payments).clone()
    }

    /// Whether the caller is known, and signed a moment ago.
    fn admit(&self, call: &Call<'_>) -> Result<(), Refused> {
        let unknown = |code| (StatusCode::UNAUTHORIZED, code);
        if call.header("x-api-key") != self.0.config.api_key {
            return Err(unknown("UNKNOWN_KEY"));
        }
        let Some(secret) = &self.0.config.hmac_key else { return Ok(()) };
        let stamp = call.header("x-timestamp");
        let at: u64 = stamp.parse().map_err(|_| unknown("TIMESTAMP"))?;
        if at.abs_diff(self.0.clock.now_ms() / 1_000) > WINDOW_S {
            return Err(unknown("TIMESTAMP"));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mut mac = hmac::Context::with_key(&key);
        for part in [stamp.as_bytes(), call.method.as_bytes(), call.target.as_bytes(), call.body] {
            mac.update(part);
        }
        let own: String = mac.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if own == call.header("x-signature") { Ok(()) } else { Err(unknown("SIGNATURE")) }
    }

    fn billers(&self, category: &str) -> Value {
        let all = self.0.config.billers.iter();
        let wanted = all.filter(|row| category.is_empty() || row.category == category);
        let shown = wanted.map(|row| {
            json!({"id": row.id, "name": row.name, "category": row.category,
                "currency": row.currency.alpha()})
        });
        json!({ "billers": shown.collect::<Vec<_>>() })
    }

    fn row(&self, id: &str) -> Result<&Row, Refused> {
        let row = self.0.config.billers.iter().find(|row| row.id == id);
        row.ok_or((StatusCode::NOT_FOUND, "BILLER_UNKNOWN"))
    }

    fn packages(&self, id: &str) -> Result<Value, Refused> {
        let row = self.row(id)?;
        let code = row.currency.alpha();
        let price = |hundreds: i64| row.currency.format(hundreds * 100);
        Ok(json!({ "packages": [
            {"id": format!("{id}-S"), "name": "Small", "amount": price(99), "currency": code},
            {"id": format!("{id}-L"), "name": "Large", "amount": price(299), "currency": code},
            {"id": format!("{id}-F"), "name": "As much as you like", "currency": code},
        ]}))
    }

    /// The biller, if it has such a customer.
    fn customer(&self, id: &str, reference: &str) -> Result<&Row, Refused> {
        let row = self.row(id)?;
        let is_number = reference.bytes().all(|byte| byte.is_ascii_digit());
        match is_number && reference.len() == usize::from(row.reference_digits) {
            true => Ok(row),
            false => Err((StatusCode::NOT_FOUND, "CUSTOMER_UNKNOWN")),
        }
    }

    fn bill(&self, id: &str, reference: &str, number: &str) -> Result<Value, Refused> {
        let row = self.customer(id, reference)?;
        let text = format!("{id}|{reference}|{number}");
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        let chance =
            digest.as_ref().iter().take(2).fold(0, |sum, byte| sum * 256 + i64::from(*byte));
        Ok(json!({
            "biller": id, "reference": reference, "bill": number,
            "amount": row.currency.format((1 + chance % 5_000) * 100),
            "currency": row.currency.alpha(), "dueDate": "2027-01-15", "holder": "Kari Nordmann",
        }))
    }

    fn pay(&self, call: &Call<'_>) -> Result<Paid, Refused> {
        let kind = call.header("content-type");
        if !kind.starts_with("application/json") {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "CONTENT_TYPE"));
        }
        let body: Value =
            serde_json::from_slice(call.body).map_err(|_| (StatusCode::BAD_REQUEST, "JSON"))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let key = call.header("idempotency-key");
        if key.is_empty() || key.len() > 64 {
            return Err((StatusCode::BAD_REQUEST, "KEY_MISSING"));
        }
        let row = self.customer(text("biller"), text("reference"))?;
        if text("currency") != row.currency.alpha() {
            return Err((UNPROCESSABLE, "CURRENCY"));
        }
        let minor = minor(row.currency, text("amount")).ok_or((UNPROCESSABLE, "AMOUNT"))?;
        let hash = digest::digest(&digest::SHA256, call.body);
        let hash: [u8; 32] = hash.as_ref().try_into().unwrap_or_default();
        let mut keys = lock(&self.0.keys);
        let mut payments = lock(&self.0.payments);
        if let Some((number, known)) = keys.get(key) {
            return match *known == hash {
                true => Ok(Paid { number: *number, minor, is_new: false }),
                false => Err((StatusCode::CONFLICT, "KEY_REUSED")),
            };
        }
        match minor % 100 {
            51 => return Err((StatusCode::PAYMENT_REQUIRED, "NO_FUNDS")),
            91 => return Err((StatusCode::SERVICE_UNAVAILABLE, "TRY_LATER")),
            _ if payments.len() >= PAYMENTS_MAX => {
                return Err((StatusCode::INSUFFICIENT_STORAGE, "FULL"));
            }
            _ => {}
        }
        let number = payments.len();
        payments.push(Payment {
            biller: row.id.clone(),
            reference: text("reference").to_owned(),
            amount: text("amount").to_owned(),
            currency: text("currency").to_owned(),
        });
        keys.insert(key.to_owned(), (number, hash));
        Ok(Paid { number, minor, is_new: true })
    }
}

/// A payment that is there.
struct Paid {
    number: usize,
    minor: i64,
    is_new: bool,
}

/// An amount above zero with all its decimals, and nothing else.
fn minor(currency: Currency, text: &str) -> Option<i64> {
    let minor = currency.parse(text).ok().filter(|minor| *minor > 0)?;
    (currency.format(minor) == text).then_some(minor)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves nothing half-written here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Call<'a> {
    method: &'a str,
    /// Path and query as they came.
    target: &'a str,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    fn header(&self, name: &str) -> &'a str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

async fn answer(Shared(biller): Shared<Biller>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return refused((StatusCode::PAYLOAD_TOO_LARGE, "BODY"));
    };
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let (method, headers) = (parts.method.as_str(), &parts.headers);
    let call = Call { method, target, headers, body: &body };
    if let Err(why) = biller.admit(&call) {
        return refused(why);
    }
    let (path, asked) = target.split_once('?').unwrap_or((target, ""));
    let value = |name| query::value(asked, name).unwrap_or_default();
    let segments: Vec<String> = path.split('/').skip(1).map(query::decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let found = match (method, segments.as_slice()) {
        ("GET", ["billers"]) => Ok(biller.billers(&value("category"))),
        ("GET", ["billers", id, "packages"]) => biller.packages(id),
        ("GET", ["billers", id, "bills", reference]) => biller.bill(id, reference, &value("bill")),
        ("POST", ["payments"]) => match biller.pay(&call) {
            Ok(paid) => return receipt(&paid).await,
            Err(why) => Err(why),
        },
        _ => Err((StatusCode::NOT_FOUND, "NO_SUCH_PATH")),
    };
    match found {
        Ok(found) => json_answer(StatusCode::OK, &found),
        Err(why) => refused(why),
    }
}

/// The end of the amount decides how a payment that was made is answered.
async fn receipt(paid: &Paid) -> Response {
    match (paid.is_new, paid.minor % 100) {
        (true, 68) => sleep(SILENCE).await,
        (true, 96) => {
            let page = "<html><body>Internal Server Error</body></html>";
            return (StatusCode::INTERNAL_SERVER_ERROR, page).into_response();
        }
        _ => {}
    }
    let status = if paid.minor % 100 == 9 { "pending" } else { "paid" };
    let code = if paid.is_new { StatusCode::CREATED } else { StatusCode::OK };
    json_answer(code, &json!({ "receipt": format!("R{:08}", paid.number), "status": status }))
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn refused((status, code): Refused) -> Response {
    let mut response = json_answer(status, &json!({ "error": { "code": code } }));
    response.extensions_mut().insert(Remark(code.to_owned()));
    response
}

impl Sandbox for Biller {
    fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    fn reset(&self) {
        lock(&self.0.keys).clear();
        lock(&self.0.payments).clear();
    }
}

const BODY_MAX: usize = 64 * 1024;
/// Payments that are kept; beyond it nothing new is taken.
const PAYMENTS_MAX: usize = 100_000;
/// How far the clocks may be apart, in seconds.
const WINDOW_S: u64 = 60;
/// Longer than anybody waits.
const SILENCE: Duration = Duration::from_secs(300);
