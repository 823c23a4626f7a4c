//! What is kept of every call: who was asked for what, how it ended and how long it took. Neither
//! headers nor bodies, so there is nothing to mask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// One attempt of one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallEvent {
    /// The provider, by the name of its configuration.
    pub provider: String,
    /// What of it was asked, as breakers tell services apart.
    pub service: &'static str,
    /// `GET` and so on.
    pub method: String,
    /// The path with the names of its parts in place of their values.
    pub template: &'static str,
    /// Which attempt of the call, from 1.
    pub attempt: u32,
    /// What came back; `None` if nothing did.
    pub status: Option<u16>,
    /// `ok`, `answered`, or why nothing came back: a word of a closed set.
    pub outcome: &'static str,
    /// Microseconds from the first step to the last byte.
    pub elapsed_us: u64,
    /// `x-request-id` as it was sent; empty for none.
    pub request_id: String,
    /// What the message it belongs to is found by in the journal or elsewhere.
    pub trace: String,
    /// Of the trace, of whoever caused it (zeros for nobody known), and of this attempt, as the
    /// header `traceparent` has them.
    pub span: Span,
    /// Bytes of the body that was sent.
    pub bytes_out: u64,
    /// Bytes of the body that was read.
    pub bytes_in: u64,
}

/// An attempt in its trace (W3C Trace Context).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Of all that is done for one message.
    pub trace: [u8; 16],
    /// Of whoever handed the trace over; zeros for nobody.
    pub parent: [u8; 8],
    /// Of this attempt.
    pub id: [u8; 8],
    /// Whether it is recorded.
    pub is_sampled: bool,
}

/// Where events go. What does not fit is dropped and counted, because no call waits for its audit
/// trail.
#[derive(Clone, Debug)]
pub struct AuditSink {
    events: mpsc::Sender<CallEvent>,
    dropped: Arc<AtomicU64>,
}

/// A sink with room for so many events, and where they come out.
#[must_use]
pub fn audit(room: usize) -> (AuditSink, mpsc::Receiver<CallEvent>) {
    let (events, out) = mpsc::channel(room.max(1));
    (AuditSink { events, dropped: Arc::default() }, out)
}

impl AuditSink {
    /// How many events found no room, or nobody who reads.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, event: CallEvent) {
        if self.events.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> CallEvent {
        CallEvent {
            provider: "bank".to_owned(),
            service: "payments",
            method: "GET".to_owned(),
            template: "/v1/payments/{product}/{payment}",
            attempt: 1,
            status: Some(200),
            outcome: "ok",
            elapsed_us: 1,
            request_id: String::new(),
            trace: String::new(),
            span: Span::default(),
            bytes_out: 0,
            bytes_in: 2,
        }
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let (sink, mut out) = audit(2);
        for _ in 0..5 {
            sink.note(event());
        }
        assert_eq!(sink.dropped(), 3);
        assert_eq!(out.try_recv().ok(), Some(event()));
        drop(out);
        sink.note(event());
        assert_eq!(sink.dropped(), 4);
    }
}
