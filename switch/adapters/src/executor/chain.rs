//! The calls behind one enquiry, and what bounds them together.

use super::address::is_public;
use super::request::Request;
use super::trace::{Trace, Traces};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use veksel_core::enquiry::Failure;

/// What a fetch that several wait for may take at least: whoever begins it may have less left.
const APART: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Debug)]
pub(crate) struct Chain {
    ends: Instant,
    name: String,
    trace: Trace,
    /// Where the customer is, if that is a place on the public Internet.
    customer: Option<IpAddr>,
    is_open: AtomicBool,
}

impl Chain {
    /// For what no message is behind, with so many milliseconds from now on.
    pub(crate) fn new(within_ms: u64, name: &str) -> Self {
        Self::traced(within_ms, name, Traces::new(0).of(name))
    }

    /// For a message, with so many milliseconds from now on.
    pub(crate) fn traced(within_ms: u64, name: &str, trace: Trace) -> Self {
        // Nobody waits a day; it keeps the arithmetic of instants from overflowing.
        let within = Duration::from_millis(within_ms.min(86_400_000));
        Self {
            ends: Instant::now() + within,
            name: name.to_owned(),
            trace,
            customer: None,
            is_open: AtomicBool::new(false),
        }
    }

    /// For a fetch on behalf of this one and of whoever else waits for it ([`crate::flight`]): it
    /// goes on when this one is over.
    pub(crate) fn apart(&self) -> Self {
        Self {
            ends: Instant::now() + self.left().max(APART),
            name: self.name.clone(),
            trace: self.trace,
            customer: None,
            is_open: AtomicBool::new(false),
        }
    }

    /// For a customer who is there: one behind a private address is nowhere that banks know.
    pub(crate) fn with_customer(self, address: Option<IpAddr>) -> Self {
        Self { customer: address.filter(|address| is_public(*address)), ..self }
    }

    /// The same request with the address of the customer in this header, if it has the header and
    /// the address is known: else it is ours.
    pub(crate) fn located(
        &self,
        request: Request,
        header: &'static str,
    ) -> Result<Request, Failure> {
        match self.customer {
            Some(address) if !request.text_header(header).is_empty() => {
                request.header(header, &address.to_string())
            }
            Some(_) | None => Ok(request),
        }
    }

    /// When its time is over.
    pub(crate) const fn ends(&self) -> Instant {
        self.ends
    }

    /// What is left of its time.
    pub(crate) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// What the message it belongs to is found by.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The trace of that.
    pub(crate) const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// A byte of a request that can move money may have left.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    /// Whether one may have. For who gives the whole chain up; what a single call failed with says
    /// it itself.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }
}
