//! The finder: reads the journal for the engine, on a thread of its own.
//!
//! What was found comes back in the order in which it was asked. It never writes, and the shard
//! never waits for it.

use std::thread;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use veksel_core::record::{DuplicateKey, Record};
use veksel_core::{Input, RecordId, Stored, TxnId, Unreadable};
use veksel_store::{Journal, Lookup, StoreError};

/// Something the engine wants to know.
#[derive(Debug)]
pub(crate) enum Question {
    /// Transactions with one of these keys, or with this DE37.
    Like {
        /// Who asks.
        txn: TxnId,
        /// The number.
        rrn: String,
        /// The keys.
        keys: Vec<DuplicateKey>,
    },
    /// The transaction that holds the key of a refused one.
    Holder {
        /// The refused one.
        txn: TxnId,
        /// The one that is stored.
        stored: TxnId,
    },
    /// The oldest record there is.
    Oldest,
}

/// What the finder found.
#[derive(Debug)]
pub(crate) enum Found {
    /// For the engine.
    Input(Input),
    /// The oldest record; `None` in an empty journal.
    Oldest(Option<RecordId>),
}

/// The shard's end of the finder.
#[derive(Debug)]
pub(crate) struct Finder {
    questions: Sender<Question>,
    pub(crate) answers: Receiver<Found>,
}

impl Finder {
    /// Starts the thread. At most `most` questions wait for it.
    pub(crate) fn spawn(mut journal: Box<dyn Journal>, most: usize) -> std::io::Result<Self> {
        let (questions, mut asked) = channel::<Question>(most);
        let (found, answers) = channel(most);
        thread::Builder::new().name("finder".into()).spawn(move || {
            while let Some(question) = asked.blocking_recv() {
                if found.blocking_send(answer(journal.as_mut(), question)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions, answers })
    }

    /// Asks. Gives back what the engine gets instead if too many wait already.
    pub(crate) fn ask(&self, question: Question) -> Option<Input> {
        match self.questions.try_send(question) {
            Ok(()) => None,
            Err(error) => unreadable(error.into_inner()),
        }
    }
}

/// What the engine gets for a question that cannot be answered.
fn unreadable(question: Question) -> Option<Input> {
    match question {
        Question::Like { txn, .. } => Some(Input::Found { txn, stored: Err(Unreadable) }),
        Question::Holder { txn, .. } => Some(Input::Conflict { txn, stored: None }),
        Question::Oldest => None,
    }
}

fn answer(journal: &mut dyn Journal, question: Question) -> Found {
    let found = match &question {
        Question::Like { txn, rrn, keys } => like(journal, rrn, keys)
            .map(|stored| Found::Input(Input::Found { txn: *txn, stored: Ok(stored) })),
        Question::Holder { txn, stored: holder } => {
            find(journal, &Lookup::Txn(*holder)).map(|stored| {
                let held = stored.into_iter().find(|stored| stored.intent.txn == *holder);
                Found::Input(Input::Conflict { txn: *txn, stored: held.map(Box::new) })
            })
        }
        Question::Oldest => {
            journal.page(RecordId(0), 1).map(|page| Found::Oldest(page.first().map(|(id, _)| *id)))
        }
    };
    found.unwrap_or_else(|error| {
        tracing::error!(%error, "the journal could not be read");
        unreadable(question).map_or(Found::Oldest(None), Found::Input)
    })
}

/// By DE37 the newest are found, by key one however old it is.
fn like(
    journal: &mut dyn Journal,
    rrn: &str,
    keys: &[DuplicateKey],
) -> Result<Vec<Stored>, StoreError> {
    let mut found = find(journal, &Lookup::Rrn(rrn.to_owned()))?;
    for key in keys {
        for stored in find(journal, &Lookup::Key(key.clone()))? {
            if !found.iter().any(|other| other.intent.txn == stored.intent.txn) {
                found.push(stored);
            }
        }
    }
    Ok(found)
}

fn find(journal: &mut dyn Journal, lookup: &Lookup) -> Result<Vec<Stored>, StoreError> {
    let entries = journal.find(lookup)?;
    let records: Vec<&Record> = entries.iter().map(|(_, record)| record).collect();
    Ok(Stored::gather(records))
}
