//! What the shard last said of itself, for the admin listener to show.

use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// A picture of the switch, replaced whole by the shard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Picture {
    /// Name, and how many of its connections carry requests.
    pub(crate) groups: Vec<(String, usize)>,
    /// Name of a group or of a link of one, and the word for how its breaker stands.
    pub(crate) breakers: Vec<(String, &'static str)>,
    /// Whether the switch takes new requests.
    pub(crate) serving: bool,
    /// Whether the store takes records.
    pub(crate) store: bool,
}

/// The current picture, shared between threads.
#[derive(Clone, Default)]
pub(crate) struct Status(Arc<Mutex<Picture>>);

impl Status {
    pub(crate) fn set(&self, picture: Picture) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = picture;
    }

    fn get(&self) -> Picture {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ready: listening, recording, and signed on to at least one host. A dead host among others
    /// does not make the switch unready, or one bank's trouble would become every bank's.
    pub(crate) fn is_ready(&self) -> bool {
        let picture = self.get();
        let online = picture.groups.is_empty() || picture.groups.iter().any(|(_, n)| *n > 0);
        picture.serving && picture.store && online
    }

    /// The same for people.
    pub(crate) fn report(&self) -> Value {
        let Picture { groups, breakers, serving, store } = self.get();
        let groups: Vec<_> = groups
            .into_iter()
            .map(|(name, online)| json!({ "name": name, "online": online }))
            .collect();
        let breakers: serde_json::Map<_, _> =
            breakers.into_iter().map(|(name, position)| (name, position.into())).collect();
        json!({
            "ready": self.is_ready(),
            "listener": serving,
            "store": store,
            "groups": groups,
            "breakers": breakers,
        })
    }
}
