//! A store that keeps nothing: the switch with its journal off.
//!
//! `MemoryStore` keeps, orders and clones every record, which costs about as much as a disk; a
//! switch beside it would flatter the journal.

use veksel_core::record::RecordId;
use veksel_core::time::Utc;
use veksel_store::{Entry, Journal, Lookup, Recovered, Refused, Store, StoreError, Trimmed};

/// Takes every record and forgets it.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Journal for Nothing {
    fn find(&mut self, _: &Lookup) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }

    fn page(&mut self, _: RecordId, _: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }
}

impl Store for Nothing {
    fn append(&mut self, _: &[Entry]) -> Result<Vec<Refused>, StoreError> {
        Ok(Vec::new())
    }

    fn open(&mut self) -> Result<Recovered, StoreError> {
        Ok(Recovered::default())
    }

    fn trim(&mut self, _: Utc, _: usize) -> Result<Trimmed, StoreError> {
        Ok(Trimmed::default())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn reader(&self) -> Result<Box<dyn Journal>, StoreError> {
        Ok(Box::new(*self))
    }
}
