//! A client for providers that are described by data (`ApiConfig`): addresses by name, headers
//! that must be there, signatures, bodies in JSON or XML, and answers from a table in place of a
//! provider. The calls themselves are the executor's.
//!
//! An operation that nobody has configured cannot be asked: the names in a configuration are
//! compared with those of [`operations`](veksel_config::provider::operations) at the start.

mod filled;
mod reply;
mod sign;
mod xml;

pub use reply::{Item, Reply};
pub use sign::{Signed, Signs, Unsigned};

use crate::adapters::AdapterError;
use crate::executor::audit::{AuditSink, CallEvent, Span};
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Circuit, Executor, Request, Response, failed};
use crate::providers::Within;
use bytes::Bytes;
use core::fmt;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::sync::Arc;
use std::time::SystemTime;
use veksel_config::bridge::SecretSource;
use veksel_config::provider::{ApiConfig, Format, HeaderText, OperationConfig};
use veksel_core::enquiry::{Failed, Failure, Secret};

/// Puts bodies into something that only the provider opens, and opens what comes back: JWE and
/// what else providers ask for.
pub trait Envelope: Send + Sync {
    /// The content type and the body that is sent in place of this one.
    ///
    /// # Errors
    ///
    /// If it cannot be; then nothing is sent.
    fn seal(&self, body: &[u8]) -> Result<(&'static str, Vec<u8>), Failure>;

    /// What stands in an answer.
    ///
    /// # Errors
    ///
    /// If it is not for us; then the answer says nothing.
    fn open(&self, body: &[u8]) -> Result<Vec<u8>, Failure>;
}

/// Something to be asked.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The name of the operation.
    pub key: &'a str,
    /// What stands in its path and body, by name. Not shown anywhere.
    pub parts: &'a [(&'static str, &'a str)],
    /// The same however often it is sent: `Idempotency-Key`. Empty for none.
    pub once: &'a str,
    /// Whether carrying it out can move money. Then it is sent at most once.
    pub moves_money: bool,
}

/// See the module.
pub struct ApiClient {
    name: String,
    /// `None` if nothing is sent.
    executor: Option<Executor>,
    headers: HeaderMap,
    required: Vec<String>,
    rejects: bool,
    operations: Vec<OperationConfig>,
    format: Format,
    deduplicates: bool,
    signer: Option<Arc<dyn Signs>>,
    envelope: Option<Arc<dyn Envelope>>,
    audit: AuditSink,
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.operations.iter().map(|operation| operation.key).collect();
        f.debug_struct("ApiClient")
            .field("name", &self.name)
            .field("executor", &self.executor)
            .field("operations", &keys)
            .finish_non_exhaustive()
    }
}

impl ApiClient {
    /// A client for a provider of this name. Secrets and keys are read now.
    ///
    /// # Errors
    ///
    /// If one of them cannot be, or the provider cannot be called as it is configured.
    pub fn new(
        name: &str,
        config: &ApiConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
        audit: AuditSink,
    ) -> Result<Self, AdapterError> {
        let wrong = |why: String| AdapterError::Config { provider: name.to_owned(), why };
        let mut headers = HeaderMap::new();
        for header in &config.headers {
            let known = HeaderName::from_bytes(header.name.as_bytes());
            let known = known.map_err(|_| wrong("a header has no name".to_owned()))?;
            let unfit = || wrong(format!("the value of {} cannot stand in a header", header.name));
            let value = match &header.value {
                HeaderText::Plain(text) => HeaderValue::from_str(text).map_err(|_| unfit())?,
                HeaderText::Secret(scheme, source) => {
                    let text = format!("{scheme}{}", secret(source)?.expose());
                    let mut value = HeaderValue::from_str(&text).map_err(|_| unfit())?;
                    value.set_sensitive(true);
                    value
                }
            };
            headers.insert(known, value);
        }
        let executor = match config.is_simulated {
            true => None,
            false => Some(Executor::new(name, &config.call, REGISTERED, audit.clone())?),
        };
        let signer = config.signing.as_ref().map(|signing| sign::signer(signing, secret));
        for operation in &config.operations {
            for text in [&operation.body, &operation.simulated.1] {
                if !text.is_empty() && serde_json::from_str::<Value>(text).is_err() {
                    return Err(wrong(format!("a body of `{}` is no JSON", operation.key)));
                }
            }
        }
        Ok(Self {
            name: name.to_owned(),
            executor,
            headers,
            required: config.required_auth_headers.clone(),
            rejects: config.reject_unauthorized,
            operations: config.operations.clone(),
            format: config.format,
            deduplicates: config.deduplicates,
            signer: signer.transpose()?,
            envelope: None,
            audit,
        })
    }

    /// Signs what is sent by this one, in place of what the configuration says.
    #[must_use]
    pub fn with_signer(mut self, signer: Arc<dyn Signs>) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Puts bodies into envelopes.
    #[must_use]
    pub fn with_envelope(mut self, envelope: Arc<dyn Envelope>) -> Self {
        self.envelope = Some(envelope);
        self
    }

    /// Answers an operation with this from now on, if nothing is sent: a status and JSON with
    /// parts in braces.
    ///
    /// # Errors
    ///
    /// If there is no such operation, or the body is no JSON.
    pub fn set_simulated(&mut self, key: &str, status: u16, body: &str) -> Result<(), Failure> {
        serde_json::from_str::<Value>(body).map_err(|_| failed(Failed::Format, "json"))?;
        let own = self.operations.iter_mut().find(|operation| operation.key == key);
        own.ok_or_else(|| failed(Failed::NotSupported, "operation"))?.simulated =
            (status, body.to_owned());
        Ok(())
    }

    /// Asks, and says what was answered if it is a success.
    ///
    /// # Errors
    ///
    /// With what the status means and the provider's code, or why there is no answer.
    pub async fn send(&self, within: &Within, sending: Sending<'_>) -> Result<Reply, Failure> {
        let chain = Chain::new(within.ms, &within.trace);
        let operation = self.operations.iter().find(|known| known.key == sending.key);
        let operation = operation.ok_or_else(|| failed(Failed::NotSupported, "operation"))?;
        let mut request = self.request(operation, &sending, &chain)?;
        // Neither may it come twice, nor would the provider know it again.
        let is_once = !sending.once.is_empty() && !sending.moves_money && !request.is_repeatable;
        let ready = |request: &mut Request| {
            self.sign(request)?;
            self.authorised(request)
        };
        let response = match &self.executor {
            None => {
                ready(&mut request)?;
                self.simulated(operation, &sending, &request, &chain)?
            }
            Some(executor) => executor.call_with(&chain, request, ready).await?,
        };
        let body = self.read(&response)?;
        let reply = Reply::new(response.status, body, &operation.answers);
        if response.is_success() {
            return Ok(reply);
        }
        let code = reply.code().unwrap_or_else(|| response.status.to_string());
        let why = class(response.status);
        // A server that broke, or gave up waiting, states nothing.
        Err(match response.status {
            // Said by what stands before the provider, unless it says when to come back.
            502 | 503 if is_once && (response.status == 502 || response.retry_ms().is_none()) => {
                response.unclear(Failed::Late, &code)
            }
            408 | 500.. => response.unclear(why, &code),
            _ => response.refused(why, &code),
        })
    }

    /// How the breakers stand.
    pub(crate) fn circuits(&self) -> Vec<Circuit> {
        self.executor.as_ref().map(Executor::circuits).unwrap_or_default()
    }

    fn request(
        &self,
        operation: &OperationConfig,
        sending: &Sending<'_>,
        chain: &Chain,
    ) -> Result<Request, Failure> {
        let target = filled::target(&operation.uri, sending.parts)?;
        let method = Method::from_bytes(operation.uri.method.as_bytes());
        let method = method.map_err(|_| failed(Failed::Malfunction, "method"))?;
        let mut request = Request::new(operation.key, method, operation.key, target);
        request.headers = self.headers.clone();
        if !operation.body.is_empty() {
            let body = filled::body(&operation.body, sending.parts)?;
            let (kind, bytes) = match self.format {
                Format::Json => ("application/json", body.to_string().into_bytes()),
                Format::Xml => ("application/xml", xml::write(operation.key, &body)?),
            };
            let (kind, bytes) = match &self.envelope {
                Some(envelope) => envelope.seal(&bytes)?,
                None => (kind, bytes),
            };
            request = request.body(kind, bytes)?;
        }
        if self.format == Format::Xml {
            request = request.header("accept", "application/xml")?;
        }
        if !sending.once.is_empty() {
            request = request.header("idempotency-key", sending.once)?;
            request.is_repeatable |= self.deduplicates;
        }
        if !chain.name().is_empty() {
            request = request.header("x-request-id", chain.name())?;
        }
        if sending.moves_money {
            request = request.moving_money();
        }
        Ok(request)
    }

    /// Nothing leaves without what must be there, and nothing counts as there but what is.
    fn authorised(&self, request: &Request) -> Result<(), Failure> {
        let is_there = |name: &str| request.headers.get(name).is_some_and(|it| !it.is_empty());
        let Some(missing) = self.required.iter().find(|name| !is_there(name)) else {
            return Ok(());
        };
        if self.rejects {
            tracing::error!(provider = self.name, header = missing, "a header is missing");
            return Err(failed(Failed::Credentials, "unauthorized"));
        }
        tracing::warn!(provider = self.name, header = missing, "sent without a header");
        Ok(())
    }

    fn sign(&self, request: &mut Request) -> Result<(), Failure> {
        let Some(signer) = &self.signer else { return Ok(()) };
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let unsigned = Unsigned {
            method: request.method.as_str(),
            target: &request.target,
            body: &request.body,
            now_s: since.map_or(0, |since| since.as_secs()),
        };
        let signed = signer.sign(&unsigned).inspect_err(|_| {
            tracing::error!(provider = self.name, "a request could not be signed");
        })?;
        for (name, value) in signed {
            if request.set_header(name, &value).is_err() {
                tracing::error!(provider = self.name, header = name, "cannot be written");
                return Err(failed(Failed::Credentials, "signature"));
            }
        }
        Ok(())
    }

    fn read(&self, response: &Response) -> Result<Value, Failure> {
        let unclear = |code: &str| response.unclear(Failed::Malfunction, code);
        let opened = match &self.envelope {
            Some(envelope) if !response.body.is_empty() && response.is_success() => {
                envelope.open(&response.body).map_err(|failure| unclear(&failure.code))?
            }
            _ => response.body.to_vec(),
        };
        if opened.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        let read = match self.format {
            Format::Json => serde_json::from_slice(&opened).ok(),
            Format::Xml => xml::read(&opened).ok(),
        };
        match read {
            Some(value) => Ok(value),
            // What stands in an error is only for its code.
            None if !response.is_success() => Ok(Value::Null),
            None => Err(unclear("schema")),
        }
    }

    /// What the table says, as if it had come over the wire.
    fn simulated(
        &self,
        operation: &OperationConfig,
        sending: &Sending<'_>,
        request: &Request,
        chain: &Chain,
    ) -> Result<Response, Failure> {
        let (status, text) = &operation.simulated;
        let body = match text.as_str() {
            "" => Value::Null,
            text => filled::body(text, sending.parts)?,
        };
        let bytes = match self.format {
            Format::Json => body.to_string().into_bytes(),
            Format::Xml => xml::write(operation.key, &body)?,
        };
        let bytes = match &self.envelope {
            Some(envelope) => envelope.seal(&bytes)?.1,
            None => bytes,
        };
        self.audit.note(CallEvent {
            provider: self.name.clone(),
            service: operation.key,
            method: request.method.to_string(),
            template: operation.key,
            attempt: 1,
            status: Some(*status),
            outcome: "simulated",
            elapsed_us: 0,
            request_id: request.text_header("x-request-id").to_owned(),
            trace: chain.name().to_owned(),
            span: Span::default(),
            bytes_out: request.body.len() as u64,
            bytes_in: bytes.len() as u64,
        });
        Ok(Response {
            status: *status,
            headers: HeaderMap::new(),
            body: Bytes::from(bytes),
            moved_money: sending.moves_money,
            is_doubtful: false,
        })
    }
}

/// What a status means if nothing more is known of the provider.
pub(crate) const fn class(status: u16) -> Failed {
    match status {
        400 | 413 | 415 | 422 => Failed::Format,
        401 | 403 => Failed::Credentials,
        402 => Failed::NoFunds,
        404 | 410 => Failed::NotFound,
        408 | 504 => Failed::Late,
        409 => Failed::Duplicate,
        429 => Failed::Limited,
        502 | 503 => Failed::Unavailable,
        400..=499 => Failed::Refused,
        _ => Failed::Malfunction,
    }
}
