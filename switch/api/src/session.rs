//! Who is signed in: a bounded table, by the hash of what the browser has in its cookie. It ends
//! with the process; people sign in again.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use veksel_adapters::oidc::Person;
use veksel_core::Utc;
use veksel_core::enquiry::Secret;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Who.
    pub(crate) person: Person,
    /// What a page must send with whatever changes something.
    pub(crate) csrf: Secret,
    /// When the person signed in, and when that is over whatever happens.
    pub(crate) began: Utc,
    pub(crate) ends: Utc,
    /// The state of the way by which the person came.
    pub(crate) state: String,
    /// Where the person wanted to go.
    pub(crate) return_to: String,
    began_at: Instant,
    seen_at: Instant,
}

/// How long, and how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) life: Duration,
    pub(crate) idle: Duration,
    pub(crate) most: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sessions {
    limits: Limits,
    by_digest: HashMap<[u8; 32], Session>,
}

/// An instant, and what clocks show then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(pub(crate) Instant, pub(crate) Utc);

impl Sessions {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, by_digest: HashMap::new() }
    }

    /// Signs somebody in, and says what goes into the cookie. `None` if the system has no chance:
    /// then nobody is.
    pub(crate) fn begin(
        &mut self,
        At(now, utc): At,
        person: Person,
        (state, return_to): (&str, &str),
    ) -> Option<Secret> {
        self.forget(now);
        while self.by_digest.len() >= self.limits.most.max(1) {
            let idlest = self.by_digest.iter().min_by_key(|(_, session)| session.seen_at);
            let idlest = idlest.map(|(key, _)| *key)?;
            self.by_digest.remove(&idlest);
        }
        let (id, csrf) = (unguessable()?, unguessable()?);
        let life = u64::try_from(self.limits.life.as_millis()).unwrap_or(u64::MAX);
        let session = Session {
            person,
            csrf: Secret::new(csrf),
            began: utc,
            ends: Utc(utc.0.saturating_add(life)),
            state: state.to_owned(),
            return_to: return_to.to_owned(),
            began_at: now,
            seen_at: now,
        };
        self.by_digest.insert(key(&id), session);
        Some(Secret::new(id))
    }

    /// Who has this in his cookie. To be asked is to be seen.
    pub(crate) fn find(&mut self, now: Instant, id: &str) -> Option<Session> {
        let limits = self.limits;
        let session = self.by_digest.get_mut(&key(id))?;
        if is_over(session, now, limits) {
            self.by_digest.remove(&key(id));
            return None;
        }
        session.seen_at = now;
        Some(session.clone())
    }

    /// How long a cookie holds.
    pub(crate) const fn life(&self) -> Duration {
        self.limits.life
    }

    /// Signs somebody out.
    pub(crate) fn end(&mut self, id: &str) {
        self.by_digest.remove(&key(id));
    }

    fn forget(&mut self, now: Instant) {
        let limits = self.limits;
        self.by_digest.retain(|_, session| !is_over(session, now, limits));
    }
}

impl Session {
    /// Whether a page knows what only pages of ours are told.
    pub(crate) fn is_asked_by_us(&self, csrf: Option<&str>) -> bool {
        let given = csrf.unwrap_or_default().as_bytes();
        bool::from(given.ct_eq(self.csrf.expose().as_bytes()))
    }
}

fn is_over(session: &Session, now: Instant, limits: Limits) -> bool {
    now.saturating_duration_since(session.began_at) >= limits.life
        || now.saturating_duration_since(session.seen_at) >= limits.idle
}

/// Whoever reads the table's memory, or how long a look took, has no cookie.
fn key(id: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
    key
}

/// 64 hexadecimal digits that nobody guesses.
fn unguessable() -> Option<String> {
    let mut bytes = [0_u8; 32];
    if rand::fill(&mut bytes).is_err() {
        tracing::error!("the system gave no random bytes, and nobody can sign in");
        return None;
    }
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_adapters::oidc::Name;

    fn person(customer: &str) -> Person {
        Person {
            customer: customer.to_owned(),
            name: Name::default(),
            acr: String::new(),
            amr: Vec::new(),
        }
    }

    fn table(most: usize) -> Sessions {
        let (life, idle) = (Duration::from_secs(100), Duration::from_secs(10));
        Sessions::new(Limits { life, idle, most })
    }

    #[test]
    fn a_session_ends_when_it_is_idle_too_long_or_old_and_when_it_is_ended() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut sessions = table(10);
        let begin = |sessions: &mut Sessions| {
            let id = sessions.begin(At(start, Utc(5_000)), person("c"), ("s", "/")).unwrap();
            id.expose().to_owned()
        };
        let id = begin(&mut sessions);
        assert_eq!(id.len(), 64);
        assert!(sessions.find(at(9), "another").is_none());
        let found = sessions.find(at(9), &id).unwrap();
        assert_eq!((found.began, found.ends), (Utc(5_000), Utc(105_000)));
        assert!(found.is_asked_by_us(Some(found.csrf.expose())));
        for wrong in [None, Some(""), Some("x"), Some(id.as_str())] {
            assert!(!found.is_asked_by_us(wrong));
        }
        for second in (10..100).step_by(9) {
            assert!(sessions.find(at(second), &id).is_some(), "{second}");
        }
        assert!(sessions.find(at(100), &id).is_none(), "too old");
        assert!(sessions.find(at(1), &id).is_none(), "and gone");
        let id = begin(&mut sessions);
        assert!(sessions.find(at(10), &id).is_none(), "too idle");
        let id = begin(&mut sessions);
        sessions.end(&id);
        assert!(sessions.find(at(1), &id).is_none(), "ended");
        assert!(!format!("{sessions:?}").contains(&id));
    }

    #[test]
    fn there_are_never_more_than_allowed_and_the_idlest_goes_first() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut sessions = table(3);
        let ids: Vec<String> = (0..3)
            .map(|n| sessions.begin(At(at(n), Utc(0)), person("c"), ("s", "/")).unwrap())
            .map(|id| id.expose().to_owned())
            .collect();
        assert!(sessions.find(at(5), &ids[0]).is_some());
        let last = sessions.begin(At(at(6), Utc(0)), person("d"), ("s", "/")).unwrap();
        assert_eq!(sessions.by_digest.len(), 3);
        assert!(sessions.find(at(7), &ids[1]).is_none());
        for id in [&ids[0], &ids[2], &last.expose().to_owned()] {
            assert!(sessions.find(at(7), id).is_some());
        }
    }
}
