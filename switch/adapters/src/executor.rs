//! Makes every call to every third party, so that what protects us stands in one place: the
//! deadline of the enquiry caps every chain of calls, only what is safe is tried again, a service
//! that fails is left alone for a while, calls at one time and bytes of an answer are bounded, no
//! redirect is followed, and no address is called that should not be.
//!
//! It knows no provider: what its statuses mean is data (`retry.rs`), and what its answers say is
//! the business of who asked.

pub(crate) mod address;
pub(crate) mod audit;
mod breaker;
mod chain;
mod identity;
mod request;
pub(crate) mod retry;
mod tls;
pub(crate) mod trace;
mod wire;

pub(crate) use chain::Chain;
#[cfg(feature = "otlp")]
pub(crate) use identity::client;
pub(crate) use identity::{Held, Known};
pub(crate) use request::{Request, Response, failed};

use crate::adapters::AdapterError;
use crate::random;
use audit::{AuditSink, CallEvent, Span};
use breaker::{Breaker, Limits, Pass};
use identity::Credentials;
use reqwest::Url;
use retry::{Profile, Retry};
use rustls::ClientConfig;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use veksel_config::bridge::CallConfig;
use veksel_core::enquiry::{Failed, Failure};
pub use wire::BROKEN;
pub(crate) use wire::refuses_us;
use wire::{Caller, Missed};

/// Tries of a call that can move money: the first, and one more if no connection came about.
const MONEY_TRIES: u32 = 2;

/// Unused connections are closed after this long, before most servers do: an order that meets a
/// connection which is just being closed is one of which nobody knows what came.
const IDLE: Duration = Duration::from_secs(10);

/// A call that we end ourselves, by our deadline or because nobody waits any more, counts as a
/// timeout if the provider had this long to answer, or half of what an attempt may take if that is
/// less. Every deadline of the engine is longer by default, so that who accepts connections and
/// stays silent opens its breaker; whoever comes with the last of its time opens none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest address of a page that customers are sent to.
const PAGE_MAX: usize = 2_000;

/// Makes the calls to one provider.
#[derive(Debug)]
pub(crate) struct Executor {
    provider: String,
    base: String,
    allow_private: bool,
    profile: Profile,
    limits: Limits,
    retries: u32,
    retry_wait_ms: u64,
    attempt: Duration,
    body_max: usize,
    calls: Semaphore,
    /// One of each service.
    breakers: Mutex<BTreeMap<&'static str, Breaker>>,
    started: Instant,
    call: CallConfig,
    stranger: Arc<Caller>,
    /// With our certificate, if there is one.
    known: Option<Credentials>,
    audit: AuditSink,
}

/// How the breaker of a service stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Circuit {
    /// The provider, by the name of its configuration.
    pub provider: String,
    /// The service.
    pub service: &'static str,
    /// Whether calls are refused, or one at a time is tried.
    pub is_open: bool,
}

/// What may follow an attempt.
struct End {
    result: Result<Response, Failure>,
    retry: Retry,
    is_fault: bool,
    wait_ms: Option<u64>,
    outcome: &'static str,
}

impl Executor {
    /// For a provider of this name.
    ///
    /// # Errors
    ///
    /// If the address is none that may be called, or a file of the configuration is not what it
    /// should be.
    pub(crate) fn new(
        provider: &str,
        call: &CallConfig,
        profile: Profile,
        audit: AuditSink,
    ) -> Result<Self, AdapterError> {
        let base = request::base(&call.url, call.allow_private)
            .map_err(|why| AdapterError::Url { url: call.url.clone(), why })?;
        Ok(Self {
            provider: provider.to_owned(),
            base,
            allow_private: call.allow_private,
            profile,
            limits: Limits {
                failures: call.breaker_failures,
                window_ms: call.breaker_window_ms,
                open_ms: call.breaker_open_ms,
            },
            retries: call.retries,
            retry_wait_ms: call.retry_wait_ms,
            attempt: Duration::from_millis(call.connect_ms.saturating_add(call.read_ms)),
            body_max: usize::try_from(call.body_max).unwrap_or(usize::MAX),
            calls: Semaphore::new(usize::try_from(call.calls_max).unwrap_or(usize::MAX >> 4)),
            breakers: Mutex::default(),
            started: Instant::now(),
            call: call.clone(),
            stranger: Arc::new(identity::caller(call, None)?),
            known: identity::known(call)?.map(Credentials::new),
            audit,
        })
    }

    /// Makes a call. What comes back is the provider's answer whatever its status, but never a
    /// redirect; a failure is one of the wire, or ours.
    ///
    /// # Errors
    ///
    /// With what is known of why there is no answer, and whether a request that can move money may
    /// have been received.
    pub(crate) async fn call(&self, chain: &Chain, request: Request) -> Result<Response, Failure> {
        self.call_with(chain, request, |_| Ok(())).await
    }

    /// As [`Self::call`], with headers that differ from attempt to attempt: signatures with a
    /// time in them, numbers of requests. If `each` fails, nothing is sent.
    ///
    /// # Errors
    ///
    /// See [`Self::call`]; or what `each` failed with.
    pub(crate) async fn call_with(
        &self,
        chain: &Chain,
        mut request: Request,
        mut each: impl FnMut(&mut Request) -> Result<(), Failure>,
    ) -> Result<Response, Failure> {
        let url = request::url(&self.base, &request.target, self.allow_private)
            .map_err(|why| failed(Failed::Malfunction, why))?;
        let Ok(_room) = self.calls.try_acquire() else {
            return Err(failed(Failed::Unavailable, "calls_max"));
        };
        let tries = match request.moves_money {
            true => MONEY_TRIES,
            false => self.retries.saturating_add(1),
        };
        let mut last = None;
        for attempt in 1..=tries {
            if chain.left().is_zero() {
                return last.unwrap_or_else(|| Err(failed(Failed::Late, "deadline")));
            }
            if let Err(failure) = each(&mut request) {
                return last.unwrap_or(Err(failure));
            }
            let Some(pass) = self.admit(request.service) else {
                return last.unwrap_or_else(|| Err(failed(Failed::BreakerOpen, "breaker")));
            };
            let end = self.attempt(chain, &url, &request, attempt, pass).await;
            let may_retry = match end.retry {
                Retry::Never => false,
                Retry::ConnectOnly => true,
                Retry::Backoff => !request.moves_money && !request.is_counted,
                Retry::IdempotentOnly => {
                    request.is_repeatable && !request.moves_money && !request.is_counted
                }
            };
            let wait = Duration::from_millis(match end.wait_ms {
                Some(asked) if end.retry == Retry::Backoff => asked,
                Some(_) | None => retry::wait_ms(self.retry_wait_ms, attempt),
            });
            if !may_retry || attempt == tries || wait >= chain.left() {
                return end.result;
            }
            last = Some(end.result);
            tokio::time::sleep(wait).await;
        }
        last.unwrap_or_else(|| Err(failed(Failed::Malfunction, "tries")))
    }

    /// One attempt: its outcome is noted in the breaker and the audit trail, also if it is given
    /// up half-way.
    async fn attempt(
        &self,
        chain: &Chain,
        url: &Url,
        request: &Request,
        attempt: u32,
        pass: Pass,
    ) -> End {
        let trace = chain.trace();
        let (id, parent, is_sampled) = (trace.id(), trace.parent(), trace.is_sampled());
        let span = Span { trace: id, parent, id: random::bytes(), is_sampled };
        let mut notes = Notes {
            executor: self,
            pass,
            is_fault: None,
            begun: Instant::now(),
            event: CallEvent {
                provider: self.provider.clone(),
                service: request.service,
                method: request.method.to_string(),
                template: request.template,
                attempt,
                status: None,
                outcome: "given_up",
                elapsed_us: 0,
                request_id: request.text_header("x-request-id").to_owned(),
                trace: chain.name().to_owned(),
                span,
                bytes_out: request.body.len() as u64,
                bytes_in: 0,
            },
        };
        let traceparent = chain.trace().header(span.id);
        let mut is_cut_off = false;
        let end = match self.client(request) {
            None => End {
                result: Err(failed(Failed::Credentials, "identity")),
                retry: Retry::Never,
                is_fault: false,
                wait_ms: None,
                outcome: "identity",
            },
            Some(client) => {
                let limit = self.attempt.min(chain.left());
                let sent = (request, traceparent.as_str());
                let exchange =
                    wire::exchange(&client, chain, url, sent, limit, self.body_max).await;
                is_cut_off = limit < self.attempt
                    && exchange.as_ref().is_err_and(Missed::is_late)
                    && chain.left().is_zero();
                self.end(exchange)
            }
        };
        if let Ok(response) = &end.result {
            notes.event.status = Some(response.status);
            notes.event.bytes_in = response.body.len() as u64;
        }
        notes.event.outcome = end.outcome;
        // Whether our own deadline says anything of the provider depends on how long it had.
        notes.is_fault = (!is_cut_off).then_some(end.is_fault);
        end
    }

    fn client(&self, request: &Request) -> Option<Arc<Caller>> {
        match request.with_identity {
            true => self.known.as_ref().map(Credentials::caller),
            false => Some(Arc::clone(&self.stranger)),
        }
    }

    /// The provider, by the name of its configuration.
    pub(crate) fn provider(&self) -> &str {
        &self.provider
    }

    /// Our certificate, if it is known by one.
    pub(crate) fn held(&self) -> Option<Held> {
        self.known.as_ref().map(Credentials::held)
    }

    /// Reads our certificate again, for [`Self::renew`].
    ///
    /// # Errors
    ///
    /// If a file is not what it should be.
    pub(crate) fn prepare(&self) -> Result<Option<Known>, AdapterError> {
        identity::known(&self.call)
    }

    /// Shows another certificate from now on.
    pub(crate) fn renew(&self, known: Known) {
        if let Some(credentials) = &self.known {
            credentials.renew(known);
        }
    }

    fn end(&self, result: Result<Response, Missed>) -> End {
        match result {
            Ok(response) => {
                let wait_ms = response.retry_ms();
                let rule = self.profile.rule(response.status, wait_ms.is_some());
                let outcome = if response.is_success() { "ok" } else { "answered" };
                let (retry, is_fault) = (rule.retry, rule.is_fault);
                End { result: Ok(response), retry, is_fault, wait_ms, outcome }
            }
            Err(Missed { failure, retry, outcome }) => {
                // What we refused to call says nothing of the provider.
                let is_fault = outcome != "address" && outcome != "build";
                End { result: Err(failure), retry, is_fault, wait_ms: None, outcome }
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn admit(&self, service: &'static str) -> Option<Pass> {
        let now = self.now();
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.entry(service).or_default().admit(now, self.limits)
    }

    /// How the breakers of the services that were called stand.
    pub(crate) fn circuits(&self) -> Vec<Circuit> {
        let breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let circuit = |(service, breaker): (&&'static str, &Breaker)| Circuit {
            provider: self.provider.clone(),
            service,
            is_open: breaker.is_open(),
        };
        breakers.iter().map(circuit).collect()
    }

    /// The path and query of a link in an answer, if it leads to this provider: relative, or
    /// beginning with the configured address. Anything else is not called.
    pub(crate) fn own_target(&self, href: &str) -> Option<String> {
        let target = href.strip_prefix(self.base.as_str()).unwrap_or(href);
        // A path may be meant from the configured address on, or from the host on.
        let folder = Url::parse(&self.base).ok()?.path().trim_end_matches('/').to_owned();
        let target =
            target.strip_prefix(&folder).filter(|rest| rest.starts_with('/')).unwrap_or(target);
        let is_path = target.starts_with('/') && !target.starts_with("//");
        let path = is_path.then(|| target.to_owned())?;
        request::url(&self.base, &path, self.allow_private).ok().map(|_| path)
    }

    /// A link in an answer as the whole address of a page for people; relative ones are of this
    /// provider. `None` if it is no address that a customer should be sent to.
    pub(crate) fn page(&self, href: &str) -> Option<String> {
        if href.is_empty() || href.len() > PAGE_MAX {
            return None;
        }
        let url = Url::parse(&self.base).ok()?.join(href).ok()?;
        request::callable(&url, self.allow_private).ok()?;
        Some(url.into())
    }
}

/// What of the time of an attempt the provider must have had before silence counts.
fn patience(attempt: Duration) -> Duration {
    PATIENCE.min(attempt / 2)
}

/// A whole address, if it is one that may be called.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn address_of(whole: &str, allow_private: bool) -> Result<Url, &'static str> {
    let url = Url::parse(whole).map_err(|_| "is no address")?;
    request::callable(&url, allow_private).map(|()| url)
}

/// What calls to a provider begin their connections with, under our certificate if there is one.
///
/// # Errors
///
/// If a file is not what it should be.
pub(crate) fn client_tls(call: &CallConfig) -> Result<ClientConfig, AdapterError> {
    tls::client(&call.url, call.trust.as_deref(), call.is_relaxed, call.identity.as_ref())
}

/// Says how an attempt ended when it does, even if the one who asked no longer waits.
struct Notes<'e> {
    executor: &'e Executor,
    pass: Pass,
    /// `None` if we ended the attempt ourselves.
    is_fault: Option<bool>,
    begun: Instant,
    event: CallEvent,
}

impl Drop for Notes<'_> {
    fn drop(&mut self) {
        let executor = self.executor;
        let now = executor.now();
        {
            let mut breakers = executor.breakers.lock().unwrap_or_else(PoisonError::into_inner);
            let breaker = breakers.entry(self.event.service).or_default();
            let was_silent = self.begun.elapsed() >= patience(executor.attempt);
            match self.is_fault.or(was_silent.then_some(true)) {
                Some(is_fault) => breaker.note(now, executor.limits, self.pass, is_fault),
                None => breaker.forget(now, self.pass),
            }
        }
        let elapsed = self.begun.elapsed().as_micros();
        self.event.elapsed_us = u64::try_from(elapsed).unwrap_or(u64::MAX);
        executor.audit.note(self.event.clone());
    }
}

#[cfg(test)]
pub(crate) mod tests;
