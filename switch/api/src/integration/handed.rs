//! Text messages and letters that were handed over under a key (`Idempotency-Key`), so that the
//! same again is answered again and goes out once.
//!
//! ```text
//! not known ──first──► under way ──taken, refused, or nobody knows──► known
//!     ▲                    └──not taken: may be tried again──► not known
//!     └──KEEP is over, or there is no room for others── known
//! ```
//!
//! It lives as long as the process and is bounded. What a restart forgets others recognise: the
//! key goes on to the gateway of text messages, and makes the `Message-ID` of a letter. What was
//! begun is brought to its end if its caller hangs up, and no lock is held while anything is
//! awaited.

use super::provider::{PROVIDER_TIME, UNAVAILABLE};
use crate::answer::Refusal;
use axum::http::StatusCode;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use veksel_adapters::BROKEN;
use veksel_adapters::providers::Sent;
use veksel_core::enquiry::{Failed, Failure};

/// How long a key is known (http-contracts 4.5, rule 10).
const KEEP: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// So many keys are known; the oldest make room, except what is under way.
const HANDED_MAX: usize = 65_536;

/// What became of one: what the provider calls it.
type Ended = Result<String, Refusal>;

/// See the module.
#[derive(Debug)]
pub struct Handed {
    most: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<[u8; 32], Entry>,
    /// Oldest first; one that was forgotten otherwise may still stand here.
    order: VecDeque<([u8; 32], Instant)>,
}

#[derive(Debug)]
struct Entry {
    body: [u8; 32],
    since: Instant,
    /// Nothing while it is under way.
    ended: watch::Receiver<Option<Ended>>,
}

impl Entry {
    /// Whoever hands it over has not ended, in whatever way.
    fn is_under_way(&self) -> bool {
        self.ended.borrow().is_none() && self.ended.has_changed().is_ok()
    }
}

/// Digests of whose key it is and of what is to go out under it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) key: [u8; 32],
    pub(super) body: [u8; 32],
}

enum Begun {
    /// Nothing went out under this key: whoever hears this hands it over.
    First(watch::Sender<Option<Ended>>, Instant),
    /// It did, or is about to.
    Again(watch::Receiver<Option<Ended>>),
}

impl Default for Handed {
    fn default() -> Self {
        Self::new(HANDED_MAX)
    }
}

impl Handed {
    fn new(most: usize) -> Self {
        Self { most, table: Mutex::default() }
    }

    /// Hands a message over, or says what became of the one that came under this key before. While
    /// that is under way its end is waited for, which comes within the time of a provider.
    pub(super) async fn once(
        self: &Arc<Self>,
        place: Place,
        hand_over: impl Future<Output = Result<Sent, Failure>> + Send + 'static,
    ) -> Result<String, Refusal> {
        let mut ended = match self.begin(place)? {
            Begun::Again(ended) => ended,
            Begun::First(end, since) => {
                let (ended, handed) = (end.subscribe(), Arc::clone(self));
                tokio::spawn(async move {
                    let (result, is_kept) = hand(hand_over).await;
                    if !is_kept {
                        handed.forget(place.key, since);
                    }
                    end.send_replace(Some(result));
                });
                ended
            }
        };
        match ended.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or_else(|| Err(unknown())),
            // It ended without a word: a defect, and the message may have gone out.
            Err(_) => Err(unknown()),
        }
    }

    fn begin(&self, place: Place) -> Result<Begun, Refusal> {
        let mut table = self.table();
        let known = table.entries.get(&place.key).filter(|entry| entry.since.elapsed() < KEEP);
        if let Some(entry) = known {
            if entry.body != place.body {
                let message = "another message went out under this `Idempotency-Key`";
                return Err(Refusal::new(StatusCode::CONFLICT, "duplicate", message));
            }
            return Ok(Begun::Again(entry.ended.clone()));
        }
        if !table.make_room(self.most) {
            return Err(Refusal::busy());
        }
        let since = Instant::now();
        let (end, ended) = watch::channel(None);
        table.entries.insert(place.key, Entry { body: place.body, since, ended });
        table.order.push_back((place.key, since));
        Ok(Begun::First(end, since))
    }

    /// Nothing went out: the key may be used again.
    fn forget(&self, key: [u8; 32], since: Instant) {
        let mut table = self.table();
        if table.entries.get(&key).is_some_and(|entry| entry.since == since) {
            table.entries.remove(&key);
        }
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets the oldest until there is room for one more; `false` if all are under way.
    fn make_room(&mut self, most: usize) -> bool {
        for _ in 0..self.order.len() {
            if self.order.len() < most {
                break;
            }
            let Some((key, since)) = self.order.pop_front() else { break };
            let entry = self.entries.get(&key).filter(|entry| entry.since == since);
            match entry.map(Entry::is_under_way) {
                Some(true) => self.order.push_back((key, since)),
                Some(false) => {
                    self.entries.remove(&key);
                }
                None => {}
            }
        }
        self.order.len() < most
    }
}

/// Hands a message over within the time of a provider: what became of it, and whether that holds
/// for its key. What a provider refuses it refuses again, and what nobody knows is not tried
/// again (http-contracts 4.5, rule 4).
pub(super) async fn hand(
    hand_over: impl Future<Output = Result<Sent, Failure>>,
) -> (Result<String, Refusal>, bool) {
    match timeout(PROVIDER_TIME, hand_over).await {
        Ok(Ok(sent)) => (Ok(sent.id), true),
        Ok(Err(failure)) => match failure.why {
            Failed::Late | Failed::Malfunction => (Err(unknown()), true),
            Failed::Unavailable if failure.code == BROKEN => (Err(unknown()), true),
            Failed::Unavailable | Failed::BreakerOpen | Failed::Limited | Failed::Credentials => {
                (Err(Refusal::of(&failure, UNAVAILABLE)), false)
            }
            Failed::Format
            | Failed::Invalid
            | Failed::Refused
            | Failed::NoFunds
            | Failed::NotPermitted
            | Failed::Restricted
            | Failed::NoAccount
            | Failed::NotSupported
            | Failed::NotFound
            | Failed::CannotReverse
            | Failed::WrongPin
            | Failed::Duplicate
            | Failed::OverAmount
            | Failed::OverCount => (Err(Refusal::of(&failure, UNAVAILABLE)), true),
        },
        Err(_) => (Err(unknown()), true),
    }
}

/// The provider said nothing that could be understood.
fn unknown() -> Refusal {
    let message = "nobody knows whether it went out; it is not handed over again under its key";
    Refusal::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn place(key: u8, body: u8) -> Place {
        Place { key: [key; 32], body: [body; 32] }
    }

    /// Counts how often it hands over, and says this.
    #[derive(Default)]
    struct Post(Arc<AtomicUsize>);

    impl Post {
        fn says(
            &self,
            result: Result<&'static str, Failed>,
        ) -> impl Future<Output = Result<Sent, Failure>> + Send + 'static {
            let count = Arc::clone(&self.0);
            async move {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
                result.map(|id| Sent { id: id.to_owned() }).map_err(Failure::before)
            }
        }

        fn count(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn code(said: &Result<String, Refusal>) -> String {
        match said {
            Ok(id) => id.clone(),
            Err(refusal) => refusal.code().to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_known_for_seven_days() {
        let (handed, post) = (Arc::new(Handed::default()), Post::default());
        for _ in 0..3 {
            assert_eq!(code(&handed.once(place(1, 1), post.says(Ok("a"))).await), "a");
        }
        assert_eq!(post.count(), 1);
        let other = handed.once(place(1, 2), post.says(Ok("b"))).await;
        assert_eq!((code(&other).as_str(), post.count()), ("duplicate", 1));
        tokio::time::advance(KEEP).await;
        assert_eq!(code(&handed.once(place(1, 2), post.says(Ok("b"))).await), "b");
        assert_eq!(post.count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_is_waited_for_and_goes_on_without_its_caller() {
        let (handed, post) = (Arc::new(Handed::default()), Post::default());
        let (first, second) = tokio::join!(
            handed.once(place(1, 1), post.says(Ok("a"))),
            handed.once(place(1, 1), post.says(Ok("b"))),
        );
        assert_eq!((code(&first), code(&second), post.count()), ("a".into(), "a".into(), 1));
        let hung_up =
            timeout(Duration::from_millis(1), handed.once(place(2, 1), post.says(Ok("c"))));
        assert!(hung_up.await.is_err());
        assert_eq!(code(&handed.once(place(2, 1), post.says(Ok("d"))).await), "c");
        assert_eq!(post.count(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_taken_may_be_tried_again_and_nothing_else() {
        for (why, expected, is_kept) in [
            (Failed::Unavailable, "unavailable", false),
            (Failed::BreakerOpen, "unavailable", false),
            (Failed::Limited, "unavailable", false),
            (Failed::Late, "outcome_unknown", true),
            (Failed::Malfunction, "outcome_unknown", true),
            (Failed::Refused, "refused", true),
        ] {
            let (handed, post) = (Arc::new(Handed::default()), Post::default());
            let said = handed.once(place(1, 1), post.says(Err(why))).await;
            assert_eq!(code(&said), expected);
            let again = handed.once(place(1, 1), post.says(Ok("a"))).await;
            let (then, count) = if is_kept { (expected, 1) } else { ("a", 2) };
            assert_eq!((code(&again).as_str(), post.count()), (then, count), "{why:?}");
        }
        let handed = Arc::new(Handed::default());
        let silent = || std::future::pending();
        assert_eq!(code(&handed.once(place(1, 1), silent()).await), "outcome_unknown");
        assert_eq!(code(&handed.once(place(1, 1), silent()).await), "outcome_unknown");
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_make_room_and_what_is_under_way_does_not() {
        let (handed, post) = (Arc::new(Handed::new(2)), Post::default());
        for key in 1..=9 {
            assert_eq!(code(&handed.once(place(key, 1), post.says(Ok("a"))).await), "a");
            assert!(handed.table().entries.len() <= 2 && handed.table().order.len() <= 2);
        }
        assert_eq!(post.count(), 9);
        // The last two are known.
        for key in [8, 9] {
            assert_eq!(code(&handed.once(place(key, 2), post.says(Ok("a"))).await), "duplicate");
        }
        let (first, second, third) = tokio::join!(
            handed.once(place(11, 1), post.says(Ok("a"))),
            handed.once(place(12, 1), post.says(Ok("b"))),
            handed.once(place(13, 1), post.says(Ok("c"))),
        );
        assert_eq!([code(&first), code(&second), code(&third)], ["a", "b", "busy"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_ends_without_a_word_is_not_handed_over_again() {
        let (handed, post) = (Arc::new(Handed::default()), Post::default());
        let broken = async { panic!("this is a test") };
        assert_eq!(code(&handed.once(place(1, 1), broken).await), "outcome_unknown");
        let again = handed.once(place(1, 1), post.says(Ok("a"))).await;
        assert_eq!((code(&again).as_str(), post.count()), ("outcome_unknown", 0));
    }
}
