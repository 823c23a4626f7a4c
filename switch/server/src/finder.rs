//! The finder: reads the journal for the engine, on a thread of its own.
//!
//! What was found comes back in the order in which it was asked. It never writes, and the shard
//! never waits for it.

use std::thread;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use veksel_core::record::Record;
use veksel_core::{Input, Stored, TxnId, Unreadable};
use veksel_store::{Journal, Lookup, StoreError};

/// Something the engine wants to know.
#[derive(Debug)]
pub(crate) enum Question {
    /// Transactions with this DE37.
    Rrn {
        /// Who asks.
        txn: TxnId,
        /// The number.
        rrn: String,
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

fn unreadable(question: Question) -> Input {
    match question {
        Question::Rrn { txn, .. } => Input::Found { txn, stored: Err(Unreadable) },
        Question::Holder { txn, .. } => Input::Conflict { txn, stored: None },
    }
}

fn answer(journal: &mut dyn Journal, question: Question) -> Input {
    let looked = match &question {
        Question::Rrn { rrn, .. } => find(journal, &Lookup::Rrn(rrn.clone())),
        Question::Holder { stored, .. } => find(journal, &Lookup::Txn(*stored)),
    };
    let stored = match looked {
        Ok(stored) => stored,
        Err(error) => {
            tracing::error!(%error, "the journal could not be read");
            return unreadable(question);
        }
    };
    match question {
        Question::Rrn { txn, .. } => Input::Found { txn, stored: Ok(stored) },
        Question::Holder { txn, stored: holder } => {
            let held = |stored: &Stored| stored.intent.txn == holder;
            Input::Conflict { txn, stored: stored.into_iter().find(held).map(Box::new) }
        }
    }
}

fn find(journal: &mut dyn Journal, lookup: &Lookup) -> Result<Vec<Stored>, StoreError> {
    let entries = journal.find(lookup)?;
    let records: Vec<&Record> = entries.iter().map(|(_, record)| record).collect();
    Ok(Stored::gather(records))
}
