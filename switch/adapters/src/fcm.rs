//! Firebase Cloud Messaging, HTTP v1: notices to installations of an app.
//!
//! We are a service account: an assertion signed by its key is changed for a token (RFC 7523),
//! which is kept until four fifths of its life are over and fetched anew once if it is refused.

use crate::adapters::AdapterError;
use crate::executor::audit::AuditSink;
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Circuit, Executor, Request, Response, failed};
use crate::oauth::Oauth;
use crate::providers::{Issuer, Provided, Provides, Push, Sent, Within};
use core::fmt;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::SystemTime;
use veksel_config::bridge::SecretSource;
use veksel_config::provider::PushConfig;
use veksel_core::enquiry::{Failed, Failure, Secret};

/// What the assertion asks for.
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// How long an assertion is good, in seconds; the provider takes an hour at most.
const LIFE_S: u64 = 3_600;

/// Longest notice in bytes, as the provider has it.
const NOTICE_MAX: usize = 4_096;

/// See the module.
pub(crate) struct Fcm {
    executor: Arc<Executor>,
    oauth: Oauth,
    project: String,
}

impl fmt::Debug for Fcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fcm")
            .field("executor", &self.executor)
            .field("project", &self.project)
            .finish_non_exhaustive()
    }
}

/// A service account as it is downloaded.
#[derive(Deserialize)]
struct Account {
    project_id: String,
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    token_uri: String,
}

/// Where tokens for this service account are had. `None` if it cannot be read.
pub(crate) fn token_url(config: &PushConfig) -> Option<String> {
    if !config.token_url.is_empty() {
        return Some(config.token_url.clone());
    }
    let text = crate::read_secret(&config.account).ok()?;
    serde_json::from_str(text.expose()).ok().map(|account: Account| account.token_uri)
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl Fcm {
    /// Reads the account now.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub(crate) fn new(
        config: &PushConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
        audit: AuditSink,
    ) -> Result<Self, AdapterError> {
        let wrong = |why: &str| AdapterError::Config { provider: NAME.into(), why: why.into() };
        let text = secret(&config.account)?;
        let account: Account = serde_json::from_str(text.expose())
            .map_err(|_| wrong("the service account is not what is downloaded"))?;
        let key = EncodingKey::from_rsa_pem(account.private_key.as_bytes())
            .map_err(|_| wrong("the key of the service account is no RSA key"))?;
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if account.project_id.is_empty() || !account.project_id.bytes().all(is_id) {
            return Err(wrong("the service account has no project"));
        }
        let Account { project_id: project, client_email, private_key_id, token_uri, .. } = account;
        let token_url =
            if config.token_url.is_empty() { token_uri } else { config.token_url.clone() };
        let audience = token_url.clone();
        let assertion = move || {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
            let iat = since.as_secs();
            let claims = Claims {
                iss: &client_email,
                scope: SCOPE,
                aud: &audience,
                iat,
                exp: iat.saturating_add(LIFE_S),
            };
            let header = Header { kid: private_key_id.clone(), ..Header::new(Algorithm::RS256) };
            jsonwebtoken::encode(&header, &claims, &key).ok().map(Secret::new)
        };
        Ok(Self {
            executor: Arc::new(Executor::new(NAME, &config.call, REGISTERED, audit)?),
            oauth: Oauth::by_assertion(token_url, Box::new(assertion)),
            project,
        })
    }

    async fn send(&self, chain: &Chain, push: &Push) -> Result<Sent, Failure> {
        if push.to.is_empty() {
            return Err(failed(Failed::Format, "to"));
        }
        let data: Map<String, Value> =
            push.data.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
        let body = json!({ "message": {
            "token": push.to,
            "notification": { "title": push.title, "body": push.body },
            "data": data,
        }});
        if body.to_string().len() > NOTICE_MAX {
            return Err(failed(Failed::Format, "notice_max"));
        }
        let token = self.oauth.token(&self.executor, chain, None).await?;
        let mut response = self.post(chain, &body, &token).await?;
        if response.status == 401 {
            let token = self.oauth.token(&self.executor, chain, Some(&token)).await?;
            response = self.post(chain, &body, &token).await?;
        }
        if !response.is_success() {
            return Err(refusal(&response));
        }
        let body: Value = response.json()?;
        match body.get("name").and_then(Value::as_str) {
            Some(name) if !name.is_empty() => Ok(Sent { id: name.to_owned() }),
            Some(_) | None => Err(failed(Failed::Malfunction, "schema")),
        }
    }

    async fn post(&self, chain: &Chain, body: &Value, token: &Secret) -> Result<Response, Failure> {
        let target = format!("/v1/projects/{}/messages:send", self.project);
        let template = "/v1/projects/{project}/messages:send";
        let request = Request::new("push_send", Method::POST, template, target)
            .secret_header("authorization", &format!("Bearer {}", token.expose()))?
            .json(body)?;
        self.executor.call(chain, request).await
    }
}

/// What an error means: the code of the service if it says one, else that of the platform.
fn refusal(response: &Response) -> Failure {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let error = &body["error"];
    let details = error["details"].as_array().into_iter().flatten();
    let own = details
        .filter(|detail| detail["@type"].as_str().is_some_and(|kind| kind.ends_with(".FcmError")));
    let own = own.filter_map(|detail| detail["errorCode"].as_str()).next();
    let code = own.or_else(|| error["status"].as_str()).unwrap_or_default();
    let why = match code {
        // The app is gone from that device: nobody should try again.
        "UNREGISTERED" | "NOT_FOUND" => Failed::NotFound,
        "INVALID_ARGUMENT" => Failed::Format,
        "SENDER_ID_MISMATCH" => Failed::NotPermitted,
        "QUOTA_EXCEEDED" | "RESOURCE_EXHAUSTED" => Failed::Limited,
        "UNAVAILABLE" => Failed::Unavailable,
        "INTERNAL" | "UNSPECIFIED_ERROR" => Failed::Malfunction,
        "THIRD_PARTY_AUTH_ERROR" | "UNAUTHENTICATED" | "PERMISSION_DENIED" => Failed::Credentials,
        _ => crate::client::class(response.status),
    };
    let number = response.status.to_string();
    response.refused(why, crate::code::passed_on(code).unwrap_or(&number))
}

impl Provides for Fcm {
    fn has(&self, issuer: Issuer) -> bool {
        issuer == Issuer::Push
    }

    fn circuits(&self) -> Vec<Circuit> {
        self.executor.circuits()
    }

    fn push(&self, within: Within, push: Push) -> Provided<'_, Sent> {
        Box::pin(async move { self.send(&Chain::new(within.ms, &within.trace), &push).await })
    }
}

/// As breakers and the audit trail call it.
const NAME: &str = "push";
