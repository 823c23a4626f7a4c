//! The committer: the thread that makes records durable.
//!
//! It takes everything that arrived while the last commit ran, appends it in one commit, and
//! says so. That is group commit without a timer: alone, a record waits for one flush; under
//! load the batches grow by themselves.
//!
//! ```text
//! open ─► draining (finish or drop) ─► ended
//!    └──► stopped (a failure)       ─► ended
//! ```
//!
//! What is handed over together is committed together, so the records of one decision are never
//! parted by a crash. Handing over never waits: a full queue gives the records back. After a
//! failure nothing more is accepted and nothing more is reported as committed; the process has to
//! be stopped. A good end closes the store, which signs what it holds.

use crate::{Entry, Refused, Store, StoreError, Trimmed};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::{fmt, io, mem};
use veksel_core::record::RecordId;
use veksel_core::time::Utc;

/// What became of what was handed over. Reported in the order of the records.
#[derive(Debug)]
pub enum Done {
    /// Every record up to this one is durable, except those named and those refused before.
    Committed {
        /// The last record of the batch.
        upto: RecordId,
        /// Intents of the batch whose duplicate key was taken.
        refused: Vec<Refused>,
    },
    /// So many old records were removed.
    Trimmed(u64),
    /// Nothing from here on is durable, or known to be. The last report there is.
    Failed(StoreError),
}

/// Records that were not taken, given back.
#[derive(Debug, PartialEq, Eq)]
pub enum TrySend {
    /// The queue has no room for them now.
    Full(Vec<Entry>),
    /// The committer ended or failed; there will never be room again.
    Stopped(Vec<Entry>),
}

/// A running committer. Dropping it waits until what it accepted is committed.
pub struct Committer {
    shared: Arc<Shared>,
    queue_max: usize,
    thread: Option<JoinHandle<Option<Box<dyn Store>>>>,
}

impl Committer {
    /// Starts the thread. `on_done` is called on it, once per commit or trim, and must not wait.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn spawn(
        store: Box<dyn Store>,
        queue_max: usize,
        on_done: impl FnMut(Done) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let worker = Worker { store, on_done, shared: Arc::clone(&shared) };
        let thread = Builder::new().name("committer".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, queue_max, thread: Some(thread) })
    }

    /// Hands records over; all of them or none. Never waits for a commit.
    ///
    /// # Errors
    /// The queue is full, or the committer has stopped. The records come back.
    pub fn try_send(&self, records: Vec<Entry>) -> Result<(), TrySend> {
        let mut queue = self.shared.lock();
        if queue.life != Life::Open {
            return Err(TrySend::Stopped(records));
        }
        // An empty queue takes even a batch that is larger than the bound, or it would never go.
        let length = queue.length.saturating_add(records.len());
        if length > self.queue_max && queue.length > 0 {
            return Err(TrySend::Full(records));
        }
        if records.is_empty() {
            return Ok(());
        }
        queue.length = length;
        queue.parcels.push_back(records);
        drop(queue);
        self.shared.arrived.notify_one();
        Ok(())
    }

    /// Asks for everything older than this to be removed, a little after each commit, so that
    /// no record waits long for it. Replaces an earlier request that is still under way.
    pub fn trim(&self, before: Utc) {
        self.shared.lock().trim = Some(before);
        self.shared.arrived.notify_one();
    }

    /// Commits what was accepted, ends the thread and gives the store back. `None` if it failed:
    /// then what is durable is known only after opening it again.
    #[must_use]
    pub fn finish(mut self) -> Option<Box<dyn Store>> {
        self.end()
    }

    fn end(&mut self) -> Option<Box<dyn Store>> {
        {
            let mut queue = self.shared.lock();
            if queue.life == Life::Open {
                queue.life = Life::Draining;
            }
        }
        self.shared.arrived.notify_one();
        self.thread.take()?.join().ok().flatten()
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer").field("queue_max", &self.queue_max).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
}

#[derive(Default)]
struct Queue {
    /// What was handed over, none of it empty.
    parcels: VecDeque<Vec<Entry>>,
    /// Records in all of them.
    length: usize,
    trim: Option<Utc>,
    life: Life,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Life {
    #[default]
    Open,
    Draining,
    Stopped,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing under the lock can panic half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work and moves the next batch into `batch`. `None` ends the thread; the time
    /// is that of a trim under way.
    fn take(&self, batch: &mut Vec<Entry>) -> Option<Option<Utc>> {
        let mut queue = self.lock();
        loop {
            while let Some(parcel) = queue.parcels.pop_front() {
                let length = batch.len().saturating_add(parcel.len());
                if length > BATCH_MAX && !batch.is_empty() {
                    queue.parcels.push_front(parcel);
                    break;
                }
                queue.length = queue.length.saturating_sub(parcel.len());
                batch.extend(parcel);
            }
            if !batch.is_empty() {
                return Some(queue.trim);
            }
            match queue.life {
                Life::Draining | Life::Stopped => return None,
                Life::Open if queue.trim.is_some() => return Some(queue.trim),
                Life::Open => {
                    queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

struct Worker<F> {
    store: Box<dyn Store>,
    on_done: F,
    shared: Arc<Shared>,
}

impl<F: FnMut(Done)> Worker<F> {
    fn run(mut self) -> Option<Box<dyn Store>> {
        let result =
            catch_unwind(AssertUnwindSafe(|| self.work())).unwrap_or(Err(StoreError::Panicked));
        let Err(error) = result else { return Some(self.store) };
        tracing::error!(%error, "the journal failed, nothing more is accepted");
        let unwritten = {
            let mut queue = self.shared.lock();
            queue.life = Life::Stopped;
            queue.length = 0;
            mem::take(&mut queue.parcels)
        };
        drop(unwritten);
        (self.on_done)(Done::Failed(error));
        None
    }

    fn work(&mut self) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        while let Some(trim) = self.shared.take(&mut batch) {
            if let Some((upto, _)) = batch.last() {
                let upto = *upto;
                let refused = self.store.append(&batch)?;
                (self.on_done)(Done::Committed { upto, refused });
                batch.clear();
            }
            if let Some(before) = trim {
                self.trim(before)?;
            }
        }
        self.store.close()
    }

    fn trim(&mut self, before: Utc) -> Result<(), StoreError> {
        let trimmed = match self.store.trim(before, TRIM_MAX) {
            // Somebody else writes with a tool of their own. Nothing was removed, and nothing is
            // lost by waiting until the next time it is asked for.
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the journal is not trimmed now");
                Trimmed::default()
            }
            trimmed => trimmed?,
        };
        if trimmed.removed > 0 {
            tracing::debug!(removed = trimmed.removed, "trimmed the journal");
            (self.on_done)(Done::Trimmed(trimmed.removed));
        }
        let mut queue = self.shared.lock();
        if !trimmed.more && queue.trim == Some(before) {
            queue.trim = None;
        }
        Ok(())
    }
}

/// Records in one commit, unless they were handed over together; beyond this a commit takes
/// longer without costing less per record.
const BATCH_MAX: usize = 4_096;
/// Records looked at between two commits while trimming.
const TRIM_MAX: usize = 256;
