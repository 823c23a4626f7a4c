//! What the shard last said of itself, for the admin listener to show.

use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use veksel_config::ServiceMode;

/// How old a picture may be. It is renewed a few times a second.
const PICTURE_MAX: Duration = Duration::from_secs(5);

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
    /// What keeps records from being made durable, if something does.
    pub(crate) journal: Option<&'static str>,
    /// How old the oldest cached balance is, in milliseconds.
    pub(crate) balance_age_ms: u64,
    /// For how long the bank of an undecided payment has not said how it stands, in milliseconds.
    pub(crate) payments_lag_ms: u64,
    /// Links, and when the first of their certificates ends, in Unix seconds.
    pub(crate) certificates: Vec<(String, i64)>,
}

/// The current picture, shared between threads.
#[derive(Clone, Default)]
pub(crate) struct Status(Arc<Mutex<(Picture, Option<Instant>)>>, Arc<[(String, ServiceMode)]>);

impl Status {
    /// Nothing is known yet but who is called, and what they are.
    pub(crate) fn of(third_parties: Vec<(String, ServiceMode)>) -> Self {
        Self(Arc::default(), third_parties.into())
    }

    pub(crate) fn set(&self, picture: Picture) {
        let taken = Some(Instant::now());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (picture, taken);
    }

    pub(crate) fn get(&self) -> Picture {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Healthy: it listens, its journal keeps up and its store takes records. Says why not.
    ///
    /// # Errors
    ///
    /// What is not well, in words of a closed set.
    pub(crate) fn health(&self) -> Result<(), &'static str> {
        self.health_at(Instant::now())
    }

    fn health_at(&self, now: Instant) -> Result<(), &'static str> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (Picture { serving, store, journal, .. }, taken) = &*held;
        match taken {
            None => Err("starting"),
            Some(_) if !*store => Err("the store takes no records"),
            Some(_) if !*serving => Err("stopping"),
            Some(taken) if now.saturating_duration_since(*taken) > PICTURE_MAX => {
                Err("the switch does not answer")
            }
            Some(_) => journal.map_or(Ok(()), Err),
        }
    }

    /// Ready: healthy, and signed on to at least one host. A dead host among others does not make
    /// the switch unready, or one bank's trouble would become every bank's.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready_at(Instant::now())
    }

    fn is_ready_at(&self, now: Instant) -> bool {
        let groups = self.get().groups;
        let online = groups.is_empty() || groups.iter().any(|(_, online)| *online > 0);
        online && self.health_at(now).is_ok()
    }

    /// The same for people.
    pub(crate) fn report(&self) -> Value {
        let health = self.health();
        let Picture { groups, breakers, serving, store, .. } = self.get();
        let groups: Vec<_> = groups
            .into_iter()
            .map(|(name, online)| json!({ "name": name, "online": online }))
            .collect();
        let breakers: serde_json::Map<_, _> =
            breakers.into_iter().map(|(name, position)| (name, position.into())).collect();
        let third_parties: Vec<_> = self
            .1
            .iter()
            .map(|(name, standing)| json!({ "name": name, "status": standing.word() }))
            .collect();
        json!({
            "ready": self.is_ready(),
            "health": health.err().unwrap_or("ok"),
            "listener": serving,
            "store": store,
            "groups": groups,
            "breakers": breakers,
            "thirdParties": third_parties,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_healthy_if_listener_journal_and_store_are() {
        let status = Status::default();
        assert_eq!(status.health(), Err("starting"));
        let well = || Picture { serving: true, store: true, ..Picture::default() };
        status.set(well());
        assert_eq!(status.health(), Ok(()));
        assert!(status.is_ready());
        status.set(Picture { journal: Some("the journal is full"), ..well() });
        assert_eq!(status.health(), Err("the journal is full"));
        assert!(!status.is_ready(), "who is sent elsewhere is answered there");
        status.set(Picture { serving: false, ..well() });
        assert_eq!(status.health(), Err("stopping"));
        status.set(Picture { store: false, serving: false, ..well() });
        assert_eq!(status.health(), Err("the store takes no records"));
    }

    #[test]
    fn a_shard_that_says_nothing_is_not_healthy() {
        let status = Status::default();
        let now = Instant::now();
        status.set(Picture { serving: true, store: true, ..Picture::default() });
        assert_eq!(status.health_at(now + PICTURE_MAX), Ok(()));
        assert!(status.is_ready_at(now + PICTURE_MAX));
        let later = Instant::now() + PICTURE_MAX + Duration::from_secs(1);
        assert_eq!(status.health_at(later), Err("the switch does not answer"));
        assert!(!status.is_ready_at(later));
    }

    #[test]
    fn it_is_healthy_while_no_host_is_there_and_ready_only_with_one() {
        let status = Status::default();
        let with = |online| Picture {
            groups: vec![("a".to_owned(), online), ("b".to_owned(), 0)],
            serving: true,
            store: true,
            ..Picture::default()
        };
        status.set(with(0));
        assert_eq!((status.health(), status.is_ready()), (Ok(()), false));
        status.set(with(1));
        assert_eq!((status.health(), status.is_ready()), (Ok(()), true));
    }
}
