//! A payment as its channel knows it.

use super::wire::Request;
use std::time::Duration;

/// What kind of money moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 0200 with DE3 40.
    Transfer,
    /// 0200 with DE3 00.
    Purchase,
    /// 0100 with DE3 00.
    Hold,
}

/// What was asked and what was heard. Two copies of a request are one payment.
#[derive(Debug)]
pub(crate) struct Payment {
    pub(crate) request: Request,
    pub(crate) kind: Kind,
    pub(crate) amount: u64,
    /// DE39 that answered the request for good.
    pub(crate) answer: Option<String>,
    /// The 0420 that takes it back, if one was sent.
    pub(crate) cancel: Option<Request>,
    /// DE39 that answered the 0420 for good.
    pub(crate) cancelled: Option<String>,
    /// What happened, and when since the channels began.
    pub(crate) history: Vec<(Duration, String)>,
}

/// What the books must say of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Once.
    Once,
    /// Nothing is left of it.
    Nothing,
    /// Its channel does not know: once or not, as the journal says.
    AsTheJournalSays,
}

impl Payment {
    pub(crate) fn new(request: Request, kind: Kind, amount: u64) -> Self {
        let (answer, cancel, cancelled, history) = (None, None, None, Vec::new());
        Self { request, kind, amount, answer, cancel, cancelled, history }
    }

    pub(crate) fn expected(&self) -> Expected {
        match (&self.cancel, self.cancelled.as_deref(), self.answer.as_deref()) {
            (Some(_), Some("00"), _) => Expected::Nothing,
            (Some(_), _, _) | (None, _, None) => Expected::AsTheJournalSays,
            (None, _, Some("00")) => Expected::Once,
            (None, _, Some(_)) => Expected::Nothing,
        }
    }
}
