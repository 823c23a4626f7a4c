//! The finder: reads the journal for the engine, on a thread of its own.
//!
//! What was found comes back in the order in which it was asked. It never writes, and the shard
//! never waits for it.

use std::thread;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use veksel_core::record::{DuplicateKey, Record};
use veksel_core::{Input, Stored, TxnId, Unreadable};
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
}

/// The shard's end of the finder.
#[derive(Debug)]
pub(crate) struct Finder {
    questions: Sender<Question>,
    /// What the finder found, for the engine.
    pub(crate) answers: Receiver<Input>,
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
            Err(error) => Some(unreadable(error.into_inner())),
        }
    }
}

/// What the engine gets for a question that cannot be answered.
fn unreadable(question: Question) -> Input {
    match question {
        Question::Like { txn, .. } => Input::Found { txn, stored: Err(Unreadable) },
        Question::Holder { txn, .. } => Input::Conflict { txn, stored: None },
    }
}

fn answer(journal: &mut dyn Journal, question: Question) -> Input {
    let found = match &question {
        Question::Like { txn, rrn, keys } => {
            like(journal, rrn, keys).map(|stored| Input::Found { txn: *txn, stored: Ok(stored) })
        }
        Question::Holder { txn, stored: holder } => {
            find(journal, &Lookup::Txn(*holder)).map(|stored| {
                let held = stored.into_iter().find(|stored| stored.intent.txn == *holder);
                Input::Conflict { txn: *txn, stored: held.map(Box::new) }
            })
        }
    };
    found.unwrap_or_else(|error| {
        tracing::error!(%error, "the journal could not be read");
        unreadable(question)
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
