//! Didit, a provider of identity checks by sessions (http-contracts 2.8): opens a session of a
//! workflow, asks how it stands, and verifies the events it posts ([`webhook`]).
//!
//! A session takes the place of an applicant: it is what the engine keeps of a customer. A second
//! check is a second session; an event about the first is then about somebody the engine no longer
//! asks for, and moves nothing.

mod reading;
pub mod webhook;

use crate::adapters::{AdapterError, Parts};
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Circuit, Executor, Request, Response, failed};
use crate::oauth::escape;
use crate::sumsub::text;
use core::fmt;
use reqwest::Method;
use serde_json::{Value, json};
use veksel_config::bridge::{DiditConfig, KycConfig};
use veksel_core::enquiry::{Enquiry, Failed, Failure, Secret, Verdict};

/// The adapter.
pub(crate) struct Didit {
    executor: Executor,
    api_key: Secret,
    workflow: String,
    callback: String,
    risk_labels: Vec<String>,
}

impl fmt::Debug for Didit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Didit")
            .field("executor", &self.executor)
            .field("workflow", &self.workflow)
            .finish_non_exhaustive()
    }
}

impl Didit {
    /// An adapter whose key is read now.
    ///
    /// # Errors
    ///
    /// If it cannot be, or the provider cannot be called as it is configured.
    pub(crate) fn new(
        config: &KycConfig,
        didit: &DiditConfig,
        parts: &Parts<'_>,
    ) -> Result<Self, AdapterError> {
        Ok(Self {
            executor: Executor::new(NAME, &config.call, REGISTERED, parts.audit.clone())?,
            api_key: (parts.secret)(&didit.api_key)?,
            workflow: didit.workflow.clone(),
            callback: didit.callback.clone(),
            risk_labels: config.risk_labels.clone(),
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
    pub(crate) async fn ask(&self, chain: &Chain, enquiry: &Enquiry) -> Verdict {
        let verdict = match enquiry {
            Enquiry::Applicant { customer, email, phone, level } => {
                let workflow = if level.is_empty() { &self.workflow } else { level };
                self.session(chain, customer, [email.as_deref(), phone.as_deref()], workflow).await
            }
            Enquiry::Review { applicant } => self.decision(chain, applicant).await,
            Enquiry::Balances { .. }
            | Enquiry::Transactions { .. }
            | Enquiry::Funds { .. }
            | Enquiry::Initiate(_)
            | Enquiry::Status(_)
            | Enquiry::Cancel(_)
            | Enquiry::Search { .. }
            | Enquiry::Consent { .. }
            | Enquiry::ConsentStatus(_)
            | Enquiry::Revoke(_)
            | Enquiry::Checks { .. }
            | Enquiry::Bill(_)
            | Enquiry::Confirm { .. } => Err(failed(Failed::NotSupported, "enquiry")),
        };
        verdict.unwrap_or_else(Verdict::Failed)
    }

    async fn session(
        &self,
        chain: &Chain,
        customer: &str,
        [email, phone]: [Option<&str>; 2],
        workflow: &str,
    ) -> Result<Verdict, Failure> {
        if customer.is_empty() {
            return Err(failed(Failed::Format, "customer"));
        }
        let mut body = json!({ "workflow_id": workflow, "vendor_data": customer });
        if !self.callback.is_empty() {
            body["callback"] = self.callback.as_str().into();
        }
        for (name, value) in [("email", email), ("phone", phone)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                body["contact_details"][name] = value.into();
            }
        }
        let request = Request::new("sessions", Method::POST, "/v3/session/", "/v3/session/");
        let found = self.call(chain, request.json(&body)?).await?;
        let session = text(&found, "session_id");
        // The page is what opens the check in a browser; the token is for the provider's own kit.
        let page = self.executor.page(text(&found, "url"));
        let token = page.unwrap_or_else(|| text(&found, "session_token").to_owned());
        if session.is_empty() || token.is_empty() {
            return Err(failed(Failed::Malfunction, "schema"));
        }
        Ok(Verdict::Applicant { applicant: session.to_owned(), token: Secret::new(token) })
    }

    async fn decision(&self, chain: &Chain, session: &str) -> Result<Verdict, Failure> {
        if session.is_empty() {
            return Err(failed(Failed::Format, "applicant"));
        }
        let target = format!("/v3/session/{}/decision/", escape(session));
        let template = "/v3/session/{id}/decision/";
        let request = Request::new("review", Method::GET, template, target);
        let found = self.call(chain, request).await?;
        let review = reading::review(&found, &self.risk_labels);
        if review.applicant.is_empty() || review.customer.is_empty() {
            return Err(failed(Failed::Malfunction, "schema"));
        }
        if review.status.is_none() {
            let word: String = text(&found, "status").chars().take(40).collect();
            tracing::warn!(provider = NAME, status = word, "a session has a status we do not know");
        }
        Ok(Verdict::Review(review))
    }

    /// The object in an answer that is a success.
    async fn call(&self, chain: &Chain, request: Request) -> Result<Value, Failure> {
        let request = request.secret_header("x-api-key", self.api_key.expose())?;
        let response = self.executor.call(chain, request).await?;
        if !response.is_success() {
            return Err(refusal(&response));
        }
        let body: Value = response.json()?;
        if body.is_object() { Ok(body) } else { Err(failed(Failed::Malfunction, "schema")) }
    }
}

/// What an answer that is no success means. The provider gives sentences and no codes.
fn refusal(response: &Response) -> Failure {
    let why = crate::client::class(response.status);
    response.refused(why, &response.status.to_string())
}

/// As breakers and the audit trail call it.
const NAME: &str = "didit";
