//! Who called over HTTP and waits for what the engine says.

use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};
use veksel_api::Asked;
use veksel_core::Input;
use veksel_core::enquiry::{CallId, Told};

/// Calls that may wait to be taken by the shard.
pub(crate) const CALLS_MAX: usize = 256;

/// Callers that may wait for an answer.
const CALLERS_MAX: usize = 1_024;

/// The shard's end of the calls.
#[derive(Debug)]
pub(crate) struct Callers {
    /// What is wanted.
    pub(crate) calls: mpsc::Receiver<Asked>,
    waiting: BTreeMap<CallId, oneshot::Sender<Told>>,
    last: u64,
}

impl Callers {
    pub(crate) const fn new(calls: mpsc::Receiver<Asked>) -> Self {
        Self { calls, waiting: BTreeMap::new(), last: 0 }
    }

    /// Takes a call in, for the engine. `None` if too many wait already: the caller has heard so.
    pub(crate) fn take(&mut self, asked: Asked) -> Option<Input> {
        let Asked { call, reply } = asked;
        if self.waiting.len() >= CALLERS_MAX {
            self.forget();
        }
        if self.waiting.len() >= CALLERS_MAX {
            refuse(reply);
            return None;
        }
        self.last = self.last.saturating_add(1);
        let id = CallId(self.last);
        self.waiting.insert(id, reply);
        Some(Input::Called { id, call: Box::new(call) })
    }

    /// Answers a caller, if it still waits.
    pub(crate) fn tell(&mut self, id: CallId, told: Told) {
        if let Some(reply) = self.waiting.remove(&id) {
            // Who is gone misses only the answer.
            let _ = reply.send(told);
        }
    }

    /// Forgets callers that have given up.
    pub(crate) fn forget(&mut self) {
        self.waiting.retain(|_, reply| !reply.is_closed());
    }

    /// How many wait for an answer.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// The switch takes nothing in now.
pub(crate) fn refuse(reply: oneshot::Sender<Told>) {
    let _ = reply.send(Told::Busy);
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_core::enquiry::{Call, Moved};

    fn asked() -> (Asked, oneshot::Receiver<Told>) {
        let (reply, told) = oneshot::channel();
        (Asked { call: Call::Moved(Moved::State([1; 16])), reply }, told)
    }

    fn id(input: Option<Input>) -> CallId {
        match input {
            Some(Input::Called { id, .. }) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_hears_its_own_answer_and_only_one() {
        let mut callers = Callers::new(mpsc::channel(1).1);
        let (first, mut first_told) = asked();
        let (second, mut second_told) = asked();
        let (first, second) = (id(callers.take(first)), id(callers.take(second)));
        assert_ne!(first, second);
        callers.tell(second, Told::Unknown);
        callers.tell(second, Told::Noted);
        assert_eq!(second_told.try_recv(), Ok(Told::Unknown));
        assert!(first_told.try_recv().is_err());
        callers.tell(first, Told::Noted);
        assert_eq!((first_told.try_recv(), callers.len()), (Ok(Told::Noted), 0));
        callers.tell(CallId(99), Told::Noted);
    }

    #[test]
    fn too_many_are_refused_and_those_who_left_make_room() {
        let mut callers = Callers::new(mpsc::channel(1).1);
        let mut kept = Vec::new();
        for _ in 0..CALLERS_MAX {
            let (asked, told) = asked();
            assert!(callers.take(asked).is_some());
            kept.push(told);
        }
        let (one_more, mut told) = asked();
        assert!(callers.take(one_more).is_none());
        assert_eq!(told.try_recv(), Ok(Told::Busy));
        kept.truncate(10);
        let (one_more, _told) = asked();
        assert!(callers.take(one_more).is_some());
        assert_eq!(callers.len(), 11);
    }
}
