//! Tokens, and everything under `/ics/v3`.

use super::super::{Remark, query};
use super::world::{Payment, Session, account_id, account_json, balances_json, entry_json, minor};
use super::{MAGIC, Neonomics, SILENCE, keep};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::net::IpAddr;
use tokio::time::sleep;

/// `POST /auth/realms/{realm}/protocol/openid-connect/token`
pub(super) async fn token(State(sandbox): State<Neonomics>, body: Bytes) -> Response {
    let form = std::str::from_utf8(&body).unwrap_or_default();
    let said = |name: &str| query::value(form, name).unwrap_or_default();
    let config = &sandbox.0.config;
    let refused = |error: &str| {
        let body = json!({ "error": error, "error_description": "Refused by the sandbox" });
        answer_with(401, &body, Some(error))
    };
    if said("client_id") != config.client_id || said("client_secret") != config.client_secret {
        return refused("invalid_client");
    }
    let now = sandbox.0.clock.now_ms();
    let mut world = sandbox.world();
    match said("grant_type").as_str() {
        "client_credentials" => {}
        "refresh_token" if world.tokens.contains_key(&said("refresh_token")) => {}
        "refresh_token" => return refused("invalid_grant"),
        _ => return refused("unsupported_grant_type"),
    }
    let (access, refresh) = (world.name("access"), world.name("refresh"));
    let until = |seconds: u64| now.saturating_add(seconds.saturating_mul(1_000));
    keep(&mut world.tokens, access.clone(), until(config.token_s));
    keep(&mut world.tokens, refresh.clone(), until(config.token_s * 2));
    let body = json!({
        "access_token": access,
        "expires_in": config.token_s,
        "refresh_expires_in": config.token_s * 2,
        "refresh_token": refresh,
        "token_type": "bearer",
        "session_state": "sandbox",
    });
    answer_with(200, &body, None)
}

/// Checks a request and answers it.
pub(super) async fn answer(State(sandbox): State<Neonomics>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1 << 20).await else {
        return answer_with(413, &Value::Null, None);
    };
    let now = sandbox.0.clock.now_ms();
    let call = Call { headers: &parts.headers, body: &body, now };
    let bearer = call.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    let is_known = sandbox.world().tokens.get(bearer).is_some_and(|until| *until > now);
    if !is_known || !bearer.starts_with("access-") {
        return answer_with(401, &json!({ "error": "invalid_token" }), Some("token"));
    }
    let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
    let result = match (parts.method.as_str(), path.as_slice()) {
        ("POST", ["ics", "v3", "session"]) => sandbox.open(&call),
        ("DELETE", ["ics", "v3", "session", id]) => sandbox.close(&call, id),
        ("GET", ["ics", "v3", "consent", id]) => sandbox.consent(&call, id),
        ("GET", ["ics", "v3", "accounts"]) => sandbox.accounts(&call),
        ("GET", ["ics", "v3", "accounts", id, "balances"]) => sandbox.balances(&call, id),
        ("GET", ["ics", "v3", "accounts", id, "transactions"]) => sandbox.transactions(&call, id),
        ("POST", ["ics", "v3", "payments", product]) => sandbox.pay(&call, product),
        ("GET", ["ics", "v3", "payments", product, id, "authorize"]) => {
            sandbox.authorize(&call, product, id)
        }
        ("POST", ["ics", "v3", "payments", product, id, "complete"]) => {
            let result = sandbox.complete(&call, product, id);
            let magic = sandbox.world().payments.get(*id).map_or(0, |it| it.amount % 100);
            match (&result, MAGIC.iter().find(|(ending, _)| *ending == magic)) {
                (Ok(_), Some((68, _))) => {
                    sleep(SILENCE).await;
                    result
                }
                (Ok(_), Some((96, what))) => {
                    return html(520, what);
                }
                _ => result,
            }
        }
        ("GET", ["ics", "v3", "payments", product, id]) => sandbox.payment(&call, product, id),
        _ => Err(Fault::client("1002", "BAD_REQUEST", "no such resource")),
    };
    match result {
        Ok(body) => answer_with(200, &body, None),
        Err(fault) => fault.response(&mut sandbox.world()),
    }
}

struct Call<'a> {
    headers: &'a HeaderMap,
    body: &'a [u8],
    now: u64,
}

impl Call<'_> {
    /// Empty if it is not there.
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A header that must be there.
    fn required(&self, name: &'static str) -> Result<&str, Fault> {
        match self.header(name) {
            "" => Err(Fault::client("1001", "BAD_REQUEST", format!("missing header {name}"))),
            value => Ok(value),
        }
    }

    fn psu_ip(&self, is_required: bool) -> Result<(), Fault> {
        let name = "x-psu-ip-address";
        let value = if is_required { self.required(name)? } else { self.header(name) };
        if value.is_empty() || value.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        Err(Fault::client("1004", "BAD_REQUEST", "bad PSU address"))
    }

    fn redirect(&self) -> Result<String, Fault> {
        let url = self.required("x-redirect-url")?;
        let is_url = url.starts_with("http://") || url.starts_with("https://");
        if is_url && !url.contains(char::is_whitespace) {
            return Ok(url.to_owned());
        }
        Err(Fault::client("1005", "BAD_REQUEST", "bad redirect address"))
    }

    fn json(&self) -> Result<Value, Fault> {
        let is_json = self.header("content-type").starts_with("application/json");
        let parsed = serde_json::from_slice(self.body).ok().filter(|_| is_json);
        parsed.ok_or_else(|| Fault::client("1002", "BAD_REQUEST", "the body is not JSON"))
    }

    fn address(&self, path: &str) -> String {
        let host = self.header("host");
        format!("http://{}{path}", if host.is_empty() { "localhost" } else { host })
    }
}

/// An error as Neonomics writes it.
struct Fault {
    status: u16,
    code: &'static str,
    kind: &'static str,
    message: String,
    links: Value,
}

impl Fault {
    fn client(code: &'static str, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: 510, code, kind, message: message.into(), links: json!([]) }
    }

    fn bank(message: &str) -> Self {
        Self { status: 530, ..Self::client("2000", "NETWORK", message) }
    }

    fn linked(code: &'static str, rel: &str, href: &str, id: &str) -> Self {
        let links = json!([{ "type": "GET", "rel": rel, "href": href, "meta": { "id": id } }]);
        let message = if code == "1426" { "consent is required" } else { "SCA is required" };
        Self { links, ..Self::client(code, "CONSENT", message) }
    }

    fn response(self, world: &mut super::World) -> Response {
        let source = match self.status {
            510 => "C",
            520 => "N",
            _ => "B",
        };
        let body = json!({
            "id": world.name("error"),
            "errorCode": self.code,
            "message": self.message,
            "source": source,
            "type": self.kind,
            "timestamp": "1970-01-01T00:00:00Z",
            "links": self.links,
        });
        answer_with(self.status, &body, Some(&self.message))
    }
}

type Answer = Result<Value, Fault>;

impl Neonomics {
    fn open(&self, call: &Call<'_>) -> Answer {
        let device = call.required("x-device-id")?.to_owned();
        let body = call.json()?;
        let bank = body["bankId"].as_str().unwrap_or_default();
        if !self.0.config.banks.iter().any(|known| known == bank) {
            return Err(Fault::client("1002", "BAD_REQUEST", "bankId is missing or unknown"));
        }
        let mut world = self.world();
        let id = world.name("session");
        let session = Session { device, consent_until: 0, redirect: String::new() };
        keep(&mut world.sessions, id.clone(), session);
        Ok(json!({ "sessionId": id }))
    }

    fn close(&self, call: &Call<'_>, id: &str) -> Answer {
        let device = call.required("x-device-id")?;
        let mut world = self.world();
        match world.sessions.get(id).filter(|session| session.device == device) {
            Some(_) => {
                world.sessions.remove(id);
                Ok(json!({}))
            }
            None => Err(Fault::client("1002", "BAD_REQUEST", "unknown session")),
        }
    }

    /// The session of a call, which its own device must make.
    fn session(&self, call: &Call<'_>) -> Result<(String, Session), Fault> {
        let device = call.required("x-device-id")?;
        let id = call.required("x-session-id")?;
        let session = self.world().sessions.get(id).filter(|it| it.device == device).cloned();
        let session =
            session.ok_or_else(|| Fault::client("1002", "BAD_REQUEST", "unknown session"))?;
        Ok((id.to_owned(), session))
    }

    fn consented(&self, call: &Call<'_>) -> Result<String, Fault> {
        let (id, session) = self.session(call)?;
        call.psu_ip(false)?;
        if session.consent_until > call.now {
            return Ok(id);
        }
        let href = call.address(&format!("/ics/v3/consent/{id}"));
        Err(Fault::linked("1426", "consent", &href, &id))
    }

    fn consent(&self, call: &Call<'_>, id: &str) -> Answer {
        call.required("x-device-id")?;
        let redirect = call.redirect()?;
        let mut world = self.world();
        let session = world.sessions.get_mut(id);
        let session =
            session.ok_or_else(|| Fault::client("1002", "BAD_REQUEST", "unknown session"))?;
        session.redirect = redirect;
        let href = call.address(&format!("/psu/consent/{id}"));
        let link = json!({ "type": "GET", "rel": "consent", "href": href, "meta": { "id": id } });
        Ok(json!({ "links": [link] }))
    }

    fn accounts(&self, call: &Call<'_>) -> Answer {
        self.consented(call)?;
        let world = self.world();
        let accounts = world.accounts.iter().enumerate();
        Ok(accounts.map(|(place, account)| account_json(place, account)).collect())
    }

    fn place(&self, id: &str) -> Result<usize, Fault> {
        let places = 0..self.world().accounts.len();
        let found = places.into_iter().find(|place| account_id(*place) == id);
        found.ok_or_else(|| Fault::client("1003", "BAD_REQUEST", "invalid account id"))
    }

    fn balances(&self, call: &Call<'_>, id: &str) -> Answer {
        self.consented(call)?;
        let place = self.place(id)?;
        Ok(self.world().accounts.get(place).map_or(Value::Null, balances_json))
    }

    fn transactions(&self, call: &Call<'_>, id: &str) -> Answer {
        self.consented(call)?;
        let place = self.place(id)?;
        let world = self.world();
        let Some(account) = world.accounts.get(place) else { return Ok(Value::Null) };
        let lines = world.entries.iter().enumerate().rev();
        let own = lines.filter(|(_, entry)| entry.account == place);
        Ok(own.map(|(number, entry)| entry_json(number, entry, &account.currency)).collect())
    }

    fn pay(&self, call: &Call<'_>, product: &str) -> Answer {
        let (session, _) = self.session(call)?;
        call.psu_ip(true)?;
        let body = call.json()?;
        let parameter = |what: &str| {
            Fault::client("1002", "BAD_REQUEST", format!("{what} is missing or invalid"))
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (currency, kind) = match product {
            "domestic-transfer" => ("NOK", "bban"),
            "sepa-credit" => ("EUR", "iban"),
            _ => return Err(parameter("payment product")),
        };
        if body.get("instructedAmount").is_some() || text(&body["currency"]) != currency {
            return Err(parameter("currency"));
        }
        let amount = body["instrumentedAmount"].as_str().and_then(minor);
        let amount = amount.ok_or_else(|| parameter("instrumentedAmount"))?;
        let debtor = text(&body["debtorAccount"][kind]);
        let creditor = text(&body["creditorAccount"][kind]);
        if creditor.is_empty() || !creditor.bytes().all(|it| it.is_ascii_alphanumeric()) {
            return Err(parameter("creditorAccount"));
        }
        if text(&body["creditorName"]).is_empty()
            || text(&body["endToEndIdentification"]).is_empty()
        {
            return Err(parameter("creditorName or endToEndIdentification"));
        }
        let remittance = text(&body["remittanceInformationUnstructured"]);
        if remittance.chars().count() > self.0.config.remittance_max {
            return Err(parameter("remittanceInformationUnstructured"));
        }
        let mut world = self.world();
        let is_his = |it: &super::NeonomicsAccount| it.bban == debtor || it.iban == debtor;
        let place = world.accounts.iter().position(is_his);
        let place = place.filter(|_| !debtor.is_empty());
        let debtor =
            place.ok_or_else(|| Fault::client("1003", "BAD_REQUEST", "invalid account id"))?;
        if amount % 100 == 91 {
            return Err(Fault::bank("the bank does not answer"));
        }
        let id = world.pay(Payment {
            session,
            product: product.to_owned(),
            debtor,
            creditor,
            amount,
            text: remittance,
            created: call.now,
            approved: None,
            status: "RCVD",
            completed: 0,
            redirect: String::new(),
        });
        drop(world);
        Err(sca(call, product, &id))
    }

    /// A payment of the caller's own session.
    fn own(&self, call: &Call<'_>, product: &str, id: &str) -> Result<Payment, Fault> {
        let (session, _) = self.session(call)?;
        let found = self.world().payments.get(id).cloned();
        let own = found.filter(|it| it.session == session && it.product == product);
        own.ok_or_else(|| Fault::client("1003", "BAD_REQUEST", "invalid payment id"))
    }

    fn authorize(&self, call: &Call<'_>, product: &str, id: &str) -> Answer {
        if self.own(call, product, id)?.amount % 100 == 97 {
            return Err(Fault::bank("the bank has no page"));
        }
        let redirect = call.redirect()?;
        if let Some(payment) = self.world().payments.get_mut(id) {
            payment.redirect = redirect;
        }
        let href = call.address(&format!("/psu/payment/{id}"));
        let link = json!({ "type": "GET", "rel": "payment", "href": href, "meta": { "id": id } });
        Ok(json!({ "links": [link] }))
    }

    fn complete(&self, call: &Call<'_>, product: &str, id: &str) -> Answer {
        self.own(call, product, id)?;
        call.psu_ip(true)?;
        let limit = self.0.config.complete_s.saturating_mul(1_000);
        match self.world().complete(id, call.now, limit) {
            Some(status) => Ok(json!({ "paymentId": id, "status": status })),
            None => Err(sca(call, product, id)),
        }
    }

    fn payment(&self, call: &Call<'_>, product: &str, id: &str) -> Answer {
        let payment = self.own(call, product, id)?;
        let at = jiff::Timestamp::from_millisecond(payment.created.try_into().unwrap_or(0));
        let created = at.map(|at| at.to_string()).unwrap_or_default();
        Ok(json!({ "paymentId": id, "status": payment.status, "creationDateTime": created }))
    }
}

fn sca(call: &Call<'_>, product: &str, id: &str) -> Fault {
    let href = call.address(&format!("/ics/v3/payments/{product}/{id}/authorize"));
    Fault::linked("1428", "payment", &href, id)
}

fn answer_with(status: u16, body: &Value, remark: Option<&str>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let mut response = (status, kind, body.to_string()).into_response();
    if let Some(remark) = remark {
        response.extensions_mut().insert(Remark(remark.to_owned()));
    }
    response
}

fn html(status: u16, remark: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = [(header::CONTENT_TYPE, "text/html")];
    let mut response = (status, kind, "<html><body>Oops</body></html>").into_response();
    response.extensions_mut().insert(Remark(remark.to_owned()));
    response
}
