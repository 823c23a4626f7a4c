//! People who are on their way: what was asked of the provider for them, by the state that comes
//! back. Each is good once, for a time, and only in the browser that it began in.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use veksel_core::enquiry::Secret;

/// One person on the way.
#[derive(Debug)]
pub(super) struct Flow {
    /// Comes back in the token.
    pub(super) nonce: String,
    /// What the challenge was made of (RFC 7636).
    pub(super) verifier: Secret,
    /// What the browser keeps in its cookie.
    pub(super) binding: Secret,
    /// Where the person wanted to go.
    pub(super) return_to: String,
    /// Which test person, where nobody is asked.
    pub(super) person: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Flows {
    by_state: HashMap<String, (Instant, Flow)>,
    /// Oldest first. All live equally long, so that this is the order in which they end.
    order: VecDeque<(Instant, String)>,
    life: Duration,
    most: usize,
}

impl Flows {
    pub(super) fn new(life: Duration, most: usize) -> Self {
        Self { by_state: HashMap::new(), order: VecDeque::new(), life, most: most.max(1) }
    }

    /// Keeps one. If there are too many, the oldest is forgotten: most people need a minute, and
    /// the limit is much longer.
    pub(super) fn open(&mut self, now: Instant, state: String, flow: Flow) {
        self.forget(now);
        while self.order.len() >= self.most {
            self.drop_first();
        }
        self.order.push_back((now, state.clone()));
        self.by_state.insert(state, (now, flow));
    }

    /// The one of a state, which is gone then. One of another browser stays: who has a state and
    /// not the cookie can end nobody's way.
    pub(super) fn take(&mut self, now: Instant, state: &str, binding: &str) -> Option<Flow> {
        self.forget(now);
        let (_, flow) = self.by_state.get(state)?;
        let is_same = flow.binding.expose().as_bytes().ct_eq(binding.as_bytes());
        if !bool::from(is_same) {
            return None;
        }
        self.by_state.remove(state).map(|(_, flow)| flow)
    }

    /// Whether somebody is on the way in the browser with this cookie.
    pub(super) fn knows(&mut self, now: Instant, binding: &str) -> bool {
        self.forget(now);
        let mut all = self.by_state.values();
        all.any(|(_, flow)| bool::from(flow.binding.expose().as_bytes().ct_eq(binding.as_bytes())))
    }

    fn forget(&mut self, now: Instant) {
        while let Some((begun, _)) = self.order.front() {
            if now.saturating_duration_since(*begun) < self.life {
                break;
            }
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, state)) = self.order.pop_front() {
            self.by_state.remove(&state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(binding: &str) -> Flow {
        Flow {
            nonce: "n".to_owned(),
            verifier: Secret::new("v"),
            binding: Secret::new(binding),
            return_to: "/".to_owned(),
            person: 0,
        }
    }

    #[test]
    fn a_flow_is_good_once_in_its_browser_and_for_its_time() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut flows = Flows::new(Duration::from_secs(10), 3);
        flows.open(at(0), "a".into(), flow("mine"));
        assert!(flows.take(at(1), "a", "theirs").is_none());
        assert!(flows.take(at(1), "b", "mine").is_none());
        assert!(flows.take(at(1), "a", "").is_none());
        assert!(flows.knows(at(1), "mine") && !flows.knows(at(1), "theirs"));
        assert!(flows.take(at(9), "a", "mine").is_some());
        assert!(flows.take(at(9), "a", "mine").is_none(), "used");
        flows.open(at(10), "c".into(), flow("mine"));
        assert!(flows.take(at(20), "c", "mine").is_none(), "over");
        assert!(flows.order.is_empty() && flows.by_state.is_empty());
    }

    #[test]
    fn there_are_never_more_than_allowed() {
        let start = Instant::now();
        let mut flows = Flows::new(Duration::from_secs(10), 3);
        for number in 0..10 {
            flows.open(start, number.to_string(), flow("mine"));
            assert!(flows.by_state.len() <= 3 && flows.order.len() <= 3);
        }
        assert!(flows.take(start, "6", "mine").is_none(), "the oldest went");
        assert!(flows.take(start, "7", "mine").is_some());
        // What was used makes room only when it is old; the table stays bounded all the same.
        for number in 10..20 {
            flows.open(start, number.to_string(), flow("mine"));
            assert!(flows.take(start, &number.to_string(), "mine").is_some());
            assert!(flows.order.len() <= 3);
        }
        assert!(!format!("{flows:?}").contains("mine"));
    }
}
