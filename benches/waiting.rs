//! A store on a disk that waits: the real one, and after each commit what a flush takes longer
//! on a disk without a cache that is safe from power loss.
//!
//! The committer sleeps where it would sleep in the kernel, so everything else is as it would be.

use std::time::Duration;
use veksel_core::record::RecordId;
use veksel_core::time::Utc;
use veksel_store::{
    Entry, Journal, Lookup, Recovered, Refused, SqliteStore, Store, StoreError, Trimmed,
};

/// What a flush takes longer.
pub const FLUSH: Duration = Duration::from_millis(2);

/// See the module's description.
pub(crate) struct Waiting(pub(crate) SqliteStore);

impl Journal for Waiting {
    fn find(&mut self, lookup: &Lookup) -> Result<Vec<Entry>, StoreError> {
        self.0.find(lookup)
    }

    fn page(&mut self, after: RecordId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.0.page(after, limit)
    }
}

impl Store for Waiting {
    fn append(&mut self, batch: &[Entry]) -> Result<Vec<Refused>, StoreError> {
        let refused = self.0.append(batch)?;
        std::thread::sleep(FLUSH);
        Ok(refused)
    }

    fn open(&mut self) -> Result<Recovered, StoreError> {
        Store::open(&mut self.0)
    }

    fn trim(&mut self, before: Utc, limit: usize) -> Result<Trimmed, StoreError> {
        self.0.trim(before, limit)
    }

    fn close(&mut self) -> Result<(), StoreError> {
        self.0.close()
    }

    fn reader(&self) -> Result<Box<dyn Journal>, StoreError> {
        self.0.reader()
    }
}
