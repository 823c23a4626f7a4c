//! Sumsub, the provider of identity checks (http-contracts 2.1): opens applicants, fetches tokens
//! for its pages, asks how a check stands, and verifies the events it posts ([`webhook`]).
//!
//! Every request is signed over exactly what is sent, anew at each attempt, because the time is
//! part of the signature. Nothing here moves money, and everything may be asked twice: the
//! external id names an applicant, so a second one is the first.

mod checks;
mod rate;
mod reading;
mod sign;
pub mod webhook;

pub(crate) use sign::signature;
pub use sign::{TokenError, TokenMode, check_token, token_mode};

use crate::adapters::{AdapterError, Parts};
use crate::code;
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Circuit, Executor, Request, Response, failed};
use crate::oauth::escape;
use core::fmt;
use rate::Rates;
pub(crate) use reading::text;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};
use veksel_config::bridge::KycConfig;
use veksel_core::enquiry::{Ask, Checks, Enquiry, Failed, Failure, Secret, Verdict};

/// Code of the failure if an applicant with our external id exists and is not ours: it was created
/// under another app token, and a person has to find out which.
pub const OWNED_ELSEWHERE: &str = "applicant_owned_elsewhere";

/// The adapter.
pub(crate) struct Sumsub {
    executor: Executor,
    app_token: Secret,
    secret: Secret,
    level: String,
    token_seconds: u32,
    risk_labels: Vec<String>,
    rates: Mutex<Rates>,
    started: Instant,
    /// Seconds since 1970.
    clock: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Sumsub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sumsub")
            .field("executor", &self.executor)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// A call to be signed.
struct Call<'a> {
    service: &'static str,
    method: Method,
    template: &'static str,
    target: String,
    body: Option<&'a Value>,
}

impl Sumsub {
    /// An adapter whose secrets are read now.
    ///
    /// # Errors
    ///
    /// If one cannot be, if the app token is none, or if the provider cannot be called as it is
    /// configured.
    pub(crate) fn new(config: &KycConfig, parts: &Parts<'_>) -> Result<Self, AdapterError> {
        let app_token = (parts.secret)(&config.app_token)?;
        token_mode(app_token.expose()).map_err(|error| AdapterError::Config {
            provider: NAME.to_owned(),
            why: error.to_string(),
        })?;
        Ok(Self {
            executor: Executor::new(NAME, &config.call, REGISTERED, parts.audit.clone())?,
            app_token,
            secret: (parts.secret)(&config.secret_key)?,
            level: config.level.clone(),
            token_seconds: config.token_seconds,
            risk_labels: config.risk_labels.clone(),
            rates: Mutex::new(Rates::new(config.posts_max, config.gets_max)),
            started: Instant::now(),
            clock: Box::new(wall_clock),
        })
    }

    /// What makes its calls.
    pub(crate) const fn executor(&self) -> &Executor {
        &self.executor
    }

    /// How the breakers stand.
    pub(crate) fn circuits(&self) -> Vec<Circuit> {
        self.executor.circuits()
    }

    /// Answers an enquiry about identity; any other is not for this provider.
    pub(crate) async fn ask(&self, chain: &Chain, ask: &Ask) -> Verdict {
        let verdict = match &ask.enquiry {
            Enquiry::Applicant { customer, email, phone, level } => {
                let level = if level.is_empty() { &self.level } else { level };
                self.applicant(chain, customer, email.as_deref(), phone.as_deref(), level).await
            }
            Enquiry::Review { applicant } => self.review(chain, applicant).await,
            Enquiry::Checks { applicant } => {
                self.checks(chain, applicant).await.map(Verdict::Checks)
            }
            Enquiry::Balances { .. }
            | Enquiry::Transactions { .. }
            | Enquiry::Funds { .. }
            | Enquiry::Initiate(_)
            | Enquiry::Status(_)
            | Enquiry::Confirm { .. }
            | Enquiry::Cancel(_)
            | Enquiry::Search { .. }
            | Enquiry::Consent { .. }
            | Enquiry::ConsentStatus(_)
            | Enquiry::Revoke(_)
            | Enquiry::Bill(_) => Err(failed(Failed::NotSupported, "enquiry")),
        };
        verdict.unwrap_or_else(Verdict::Failed)
    }

    /// How each check of an applicant ended.
    async fn checks(&self, chain: &Chain, applicant: &str) -> Result<Checks, Failure> {
        let steps = Call {
            service: "review",
            method: Method::GET,
            template: "/resources/applicants/{id}/requiredIdDocsStatus",
            target: format!("{}/requiredIdDocsStatus", path_of(applicant)?),
            body: None,
        };
        let review = self.object(self.status(chain, applicant).await?)?;
        let steps = self.object(self.call(chain, &steps).await?)?;
        Ok(checks::checks(&review, &steps))
    }

    async fn applicant(
        &self,
        chain: &Chain,
        customer: &str,
        email: Option<&str>,
        phone: Option<&str>,
        level: &str,
    ) -> Result<Verdict, Failure> {
        if customer.is_empty() {
            return Err(failed(Failed::Format, "customer"));
        }
        let mut body = json!({ "externalUserId": customer, "type": "individual" });
        for (name, value) in [("email", email), ("phone", phone)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                body[name] = value.into();
            }
        }
        let create = Call {
            service: "applicants",
            method: Method::POST,
            template: "/resources/applicants",
            target: format!("/resources/applicants?levelName={}", escape(level)),
            body: Some(&body),
        };
        let response = self.call(chain, &create).await?;
        let applicant = match response.status {
            200 | 201 => {
                let body = self.object(response)?;
                let id = text(&body, "id").to_owned();
                if id.is_empty() {
                    return Err(failed(Failed::Malfunction, "schema"));
                }
                id
            }
            409 => self.existing(chain, customer, &response).await?,
            _ => return Err(refusal(&response)),
        };
        let token = self.token(chain, customer, level).await?;
        Ok(Verdict::Applicant { applicant, token })
    }

    /// The applicant that is there already. Its id stands in a sentence of the answer, if at all.
    async fn existing(
        &self,
        chain: &Chain,
        customer: &str,
        conflict: &Response,
    ) -> Result<String, Failure> {
        let body: Value = serde_json::from_slice(&conflict.body).unwrap_or_default();
        let named = id_in(text(&body, "description"));
        let external = format!("-;externalUserId={}", escape(customer));
        let template = "/resources/applicants/{id}/one";
        for key in named.into_iter().chain([external.as_str()]) {
            let look = Call {
                service: "applicants",
                method: Method::GET,
                template,
                target: format!("/resources/applicants/{key}/one"),
                body: None,
            };
            let response = self.call(chain, &look).await?;
            if response.status == 404 {
                continue;
            }
            if !response.is_success() {
                return Err(refusal(&response));
            }
            let found = self.object(response)?;
            let id = text(&found, "id");
            // The sentence may speak of somebody else's.
            if text(&found, "externalUserId") == customer && !id.is_empty() {
                return Ok(id.to_owned());
            }
        }
        Err(conflict.refused(Failed::Duplicate, OWNED_ELSEWHERE))
    }

    async fn token(&self, chain: &Chain, customer: &str, level: &str) -> Result<Secret, Failure> {
        let body =
            json!({ "userId": customer, "levelName": level, "ttlInSecs": self.token_seconds });
        let call = Call {
            service: "tokens",
            method: Method::POST,
            template: "/resources/accessTokens/sdk",
            target: "/resources/accessTokens/sdk".to_owned(),
            body: Some(&body),
        };
        let body = self.object(self.call(chain, &call).await?)?;
        match text(&body, "token") {
            "" => Err(failed(Failed::Malfunction, "schema")),
            token => Ok(Secret::new(token)),
        }
    }

    async fn review(&self, chain: &Chain, applicant: &str) -> Result<Verdict, Failure> {
        let status = self.object(self.status(chain, applicant).await?)?;
        let one = Call {
            service: "applicants",
            method: Method::GET,
            template: "/resources/applicants/{id}/one",
            target: format!("{}/one", path_of(applicant)?),
            body: None,
        };
        // Who it is, and what the document says of them.
        let person = self.object(self.call(chain, &one).await?)?;
        let review = reading::review(&status, &person, &self.risk_labels);
        if review.applicant.is_empty() || review.customer.is_empty() {
            return Err(failed(Failed::Malfunction, "schema"));
        }
        if review.status.is_none() {
            let word: String = text(&status, "reviewStatus").chars().take(40).collect();
            tracing::warn!(provider = NAME, status = word, "a review has a status we do not know");
        }
        Ok(Verdict::Review(review))
    }

    async fn status(&self, chain: &Chain, applicant: &str) -> Result<Response, Failure> {
        let call = Call {
            service: "review",
            method: Method::GET,
            template: "/resources/applicants/{id}/status",
            target: format!("{}/status", path_of(applicant)?),
            body: None,
        };
        self.call(chain, &call).await
    }

    /// The object in an answer that is a success.
    #[expect(clippy::unused_self, reason = "reads as the other steps of a call")]
    fn object(&self, response: Response) -> Result<Value, Failure> {
        if !response.is_success() {
            return Err(refusal(&response));
        }
        let body: Value = response.json()?;
        if body.is_object() { Ok(body) } else { Err(failed(Failed::Malfunction, "schema")) }
    }

    /// Makes a call, once more if the provider says that it was signed too long ago: whoever set
    /// the clock right in between gets through.
    async fn call(&self, chain: &Chain, call: &Call<'_>) -> Result<Response, Failure> {
        let response = self.call_once(chain, call).await?;
        if response.status == 401 && says_expired(&response) {
            tracing::warn!(provider = NAME, "the provider's clock and ours differ; trying again");
            return self.call_once(chain, call).await;
        }
        Ok(response)
    }

    async fn call_once(&self, chain: &Chain, call: &Call<'_>) -> Result<Response, Failure> {
        self.wait_for_room(chain, call.method == Method::POST).await?;
        let method = call.method.clone();
        let mut request = Request::new(call.service, method, call.template, call.target.as_str())
            .secret_header("x-app-token", self.app_token.expose())?;
        if let Some(body) = call.body {
            request = request.json(body)?;
        }
        request.is_repeatable = true;
        self.executor
            .call_with(chain, request, |request| {
                let now = (self.clock)();
                let method = request.method.as_str();
                let body = &request.body;
                let signature = signature(&self.secret, now, method, &request.target, body);
                request.set_header("x-app-access-ts", &now.to_string())?;
                request.set_header("x-app-access-sig", &signature)
            })
            .await
    }

    /// Waits until the provider's limits allow one more call, if there is time for that.
    async fn wait_for_room(&self, chain: &Chain, is_post: bool) -> Result<(), Failure> {
        loop {
            let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let admitted =
                self.rates.lock().unwrap_or_else(PoisonError::into_inner).admit(is_post, now);
            let Err(wait_ms) = admitted else { return Ok(()) };
            let wait = Duration::from_millis(wait_ms.max(1));
            if wait >= chain.left() {
                let limited = failed(Failed::Limited, "own_limit");
                return Err(Failure { retry_ms: Some(wait_ms), ..limited });
            }
            sleep(wait).await;
        }
    }
}

/// What an answer that is no success means. Nothing of it is shown but a code.
fn refusal(response: &Response) -> Failure {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let name = text(&body, "errorName");
    let status = response.status.to_string();
    let code = code::passed_on(name).unwrap_or(&status);
    let why = match response.status {
        400 | 413 | 415 | 422 => Failed::Format,
        401 | 403 => Failed::Credentials,
        404 => Failed::NotFound,
        408 | 504 => Failed::Late,
        409 => Failed::Duplicate,
        429 => Failed::Limited,
        502 | 503 => Failed::Unavailable,
        400..=499 => Failed::Refused,
        _ => Failed::Malfunction,
    };
    response.refused(why, code)
}

fn says_expired(response: &Response) -> bool {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    text(&body, "description").to_ascii_lowercase().contains("expired")
}

/// An id of the provider, 24 hexadecimal digits, in a sentence that ends with it.
fn id_in(description: &str) -> Option<&str> {
    let words = description.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_id = |word: &&str| word.len() == 24 && word.bytes().all(|it| it.is_ascii_hexdigit());
    // The external id stands before it and may look the same.
    words.rev().find(is_id)
}

fn path_of(applicant: &str) -> Result<String, Failure> {
    if applicant.is_empty() {
        return Err(failed(Failed::Format, "applicant"));
    }
    Ok(format!("/resources/applicants/{}", escape(applicant)))
}

fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// As breakers and the audit trail call it.
const NAME: &str = "sumsub";

#[cfg(test)]
mod tests;
