//! One fetch for all who want the same thing: a token, a document, a set of keys. The first begins
//! it, the others wait for what comes of it, each within its own time, or take what is kept
//! meanwhile. The lock is held to look and to write down, and never while anybody is awaited.
//!
//! States: nothing under way → under way (a task of its own) → nothing under way, with what was
//! found or why nothing was. The task goes on when whoever began it gives up. If it ends without a
//! word, those who wait hear that at once, and the next begins another.

use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use veksel_core::enquiry::{Failed, Failure};

/// What a fetch said; `None` while it is under way.
type Landed<T, E> = watch::Receiver<Option<Result<T, E>>>;

/// See the module.
pub struct Flight<T, E>(Arc<Mutex<Known<T, E>>>);

/// What is known before anybody is asked.
pub struct Known<T, E> {
    kept: Option<(T, Instant)>,
    failed: Option<(E, Instant)>,
    begun: Option<Instant>,
    under_way: Option<Landed<T, E>>,
}

/// What to do about what is known.
pub enum Step<T, E, F> {
    /// This is good.
    Take(T),
    /// Nobody is asked now.
    Refuse(E),
    /// This is good enough while a fetch is under way.
    Renew(T, F),
    /// Nothing will do but what a fetch brings.
    Fetch(F),
}

/// There is nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missed<E> {
    /// The fetch failed, or may not be made now.
    Failed(E),
    /// It said nothing within the time of whoever waited.
    Late,
}

impl<T, E> Known<T, E> {
    /// What was found last, and when.
    #[must_use]
    pub fn kept(&self) -> Option<(&T, Instant)> {
        self.kept.as_ref().map(|(value, at)| (value, *at))
    }

    /// Why the last fetch failed if it ended less than this ago.
    #[must_use]
    pub fn failed_within(&self, time: Duration) -> Option<&E> {
        self.failed.as_ref().filter(|(_, at)| at.elapsed() < time).map(|(failure, _)| failure)
    }

    /// When the last fetch was begun.
    #[must_use]
    pub fn begun(&self) -> Option<Instant> {
        self.begun
    }

    /// Whether one is under way.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// What was found is good for nobody any more.
    pub fn forget(&mut self) {
        self.kept = None;
    }
}

impl Missed<Failure> {
    /// The failure of whoever waited; `code` says for what.
    pub(crate) fn failure(self, code: &str) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::Late => crate::executor::failed(Failed::Late, code),
        }
    }
}

impl<T, E> Default for Flight<T, E> {
    fn default() -> Self {
        let known = Known { kept: None, failed: None, begun: None, under_way: None };
        Self(Arc::new(Mutex::new(known)))
    }
}

/// What is kept may be a secret.
impl<T, E> fmt::Debug for Flight<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").finish_non_exhaustive()
    }
}

impl<T, E> Flight<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// What `judge` makes of what is known: it decides under the lock, so that of many who come at
    /// once one begins a fetch. The future of its step is dropped if a fetch is under way. Nobody
    /// waits beyond `until`.
    ///
    /// # Errors
    ///
    /// If there is nothing.
    pub async fn get<F>(
        &self,
        until: Instant,
        judge: impl FnOnce(&mut Known<T, E>) -> Step<T, E, F>,
    ) -> Result<T, Missed<E>>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let (kept, (mut landed, task)) = {
            let mut known = self.known();
            match judge(&mut known) {
                Step::Take(value) => return Ok(value),
                Step::Refuse(failure) => return Err(Missed::Failed(failure)),
                Step::Renew(value, fetch) => (Some(value), self.begin(&mut known, fetch)),
                Step::Fetch(fetch) => (None, self.begin(&mut known, fetch)),
            }
        };
        // Not under the lock: a runtime that ends drops the task at once, which writes down that.
        if let Some(task) = task {
            tokio::spawn(task);
        }
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let said = timeout_at(until, landed.wait_for(Option::is_some)).await;
        let said = said.ok().and_then(Result::ok).and_then(|said| said.clone());
        said.map_or(Err(Missed::Late), |said| said.map_err(Missed::Failed))
    }

    /// What is known now.
    pub fn look<R>(&self, look: impl FnOnce(&Known<T, E>) -> R) -> R {
        look(&self.known())
    }

    /// What a fetch will say, and the task of one that has to be begun for that.
    fn begin<F>(
        &self,
        known: &mut Known<T, E>,
        fetch: F,
    ) -> (Landed<T, E>, Option<impl Future<Output = ()> + Send + use<T, E, F>>)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        if let Some(landed) = &known.under_way {
            return (landed.clone(), None);
        }
        let (say, landed) = watch::channel(None);
        (known.under_way, known.begun) = (Some(landed.clone()), Some(Instant::now()));
        let landing = Landing { known: Arc::clone(&self.0), say, said: None };
        (landed, Some(landing.after(fetch)))
    }

    fn known(&self) -> MutexGuard<'_, Known<T, E>> {
        held(&self.0)
    }
}

/// A panic elsewhere leaves nothing half-written here.
fn held<T, E>(known: &Mutex<Known<T, E>>) -> MutexGuard<'_, Known<T, E>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes down what a fetch said, however its task ends.
struct Landing<T: Clone, E: Clone> {
    known: Arc<Mutex<Known<T, E>>>,
    say: watch::Sender<Option<Result<T, E>>>,
    said: Option<Result<T, E>>,
}

impl<T: Clone, E: Clone> Landing<T, E> {
    async fn after(mut self, fetch: impl Future<Output = Result<T, E>>) {
        self.said = Some(fetch.await);
    }
}

impl<T: Clone, E: Clone> Drop for Landing<T, E> {
    fn drop(&mut self) {
        let said = self.said.take();
        {
            let mut known = held(&self.known);
            known.under_way = None;
            match &said {
                Some(Ok(value)) => {
                    (known.kept, known.failed) = (Some((value.clone(), Instant::now())), None);
                }
                Some(Err(failure)) => known.failed = Some((failure.clone(), Instant::now())),
                None => {}
            }
        }
        // Without a word the channel closes, which is as good as one.
        if said.is_some() {
            self.say.send_replace(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;
    use tokio::task::{JoinSet, yield_now};

    type Number = Flight<usize, &'static str>;

    fn within(ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms)
    }

    /// Whatever is kept, or what this brings.
    async fn get<F>(flight: &Number, ms: u64, fetch: F) -> Result<usize, Missed<&'static str>>
    where
        F: Future<Output = Result<usize, &'static str>> + Send + 'static,
    {
        let judge = |known: &mut Known<usize, &'static str>| match known.kept() {
            Some((kept, _)) => Step::Take(*kept),
            None => Step::Fetch(fetch),
        };
        flight.get(within(ms), judge).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_at_once_one_fetches() {
        let (flight, count) = (Arc::new(Number::default()), Arc::new(AtomicUsize::new(0)));
        let mut all = JoinSet::new();
        for _ in 0..100 {
            let (flight, count) = (Arc::clone(&flight), Arc::clone(&count));
            all.spawn(async move {
                let fetch = async move {
                    yield_now().await;
                    Ok(count.fetch_add(1, Ordering::SeqCst) + 7)
                };
                get(&flight, 60_000, fetch).await
            });
        }
        while let Some(found) = all.join_next().await {
            assert_eq!(found.unwrap(), Ok(7));
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn each_waits_as_long_as_it_has_and_the_fetch_goes_on() {
        let (flight, go) = (Arc::new(Number::default()), Arc::new(Notify::new()));
        let wait = Arc::clone(&go);
        let slow = async move {
            wait.notified().await;
            Ok(1)
        };
        // Whoever began it is the first to go.
        assert_eq!(get(&flight, 100, slow).await, Err(Missed::Late));
        assert!(flight.look(Known::is_under_way));
        let patient = Arc::clone(&flight);
        let patient = tokio::spawn(async move { get(&patient, 60_000, ready(Ok(2))).await });
        assert_eq!(get(&flight, 200, ready(Ok(3))).await, Err(Missed::Late));
        go.notify_one();
        assert_eq!(patient.await.unwrap(), Ok(1));
        assert_eq!(get(&flight, 0, ready(Ok(4))).await, Ok(1), "and it is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_good_enough_is_taken_while_another_is_fetched() {
        let flight = Number::default();
        assert_eq!(get(&flight, 100, ready(Ok(1))).await, Ok(1));
        for _ in 0..5 {
            let found = flight.get(within(0), |_| Step::Renew(1, pending())).await;
            assert_eq!(found, Ok(1));
        }
        assert!(flight.look(Known::is_under_way));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_has_its_time_and_a_success_forgets_it() {
        let flight = Number::default();
        let short = Duration::from_secs(30);
        assert_eq!(get(&flight, 100, ready(Err("no"))).await, Err(Missed::Failed("no")));
        assert_eq!(flight.look(|known| known.failed_within(short).copied()), Some("no"));
        tokio::time::advance(short).await;
        assert_eq!(flight.look(|known| known.failed_within(short).copied()), None);
        assert_eq!(get(&flight, 100, ready(Ok(1))).await, Ok(1));
        assert!(flight.look(|known| known.failed_within(Duration::MAX).is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_panics_keeps_nobody_waiting() {
        async fn broken() -> Result<usize, &'static str> {
            yield_now().await;
            panic!("as ordered")
        }
        let flight = Number::default();
        let begun = Instant::now();
        assert_eq!(get(&flight, 60_000, broken()).await, Err(Missed::Late));
        assert!(begun.elapsed() < Duration::from_secs(1), "nobody waits for what is over");
        assert_eq!(get(&flight, 100, ready(Ok(1))).await, Ok(1), "the next begins another");
    }

    /// Its task is dropped before it is begun, on the thread that wanted it.
    #[test]
    fn a_runtime_that_has_ended_takes_no_fetch_and_holds_up_nobody() {
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let (say, said) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let _entered = handle.enter();
            let flight = Number::default();
            let judge = |_: &mut Known<usize, &'static str>| Step::Renew(1, pending());
            let mut getting = std::pin::pin!(flight.get(within(1_000), judge));
            let waker = std::task::Waker::noop();
            let found = getting.as_mut().poll(&mut std::task::Context::from_waker(waker));
            let _ = say.send((found, flight.look(Known::is_under_way)));
        });
        let found = said.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(found, (std::task::Poll::Ready(Ok(1)), false));
    }
}
