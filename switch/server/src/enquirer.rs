//! The shard's end of third parties: questions leave for the runtime that HTTP has of its own,
//! and each comes back as exactly one verdict.
//!
//! The shard never waits for it. A bounded number is under way; what does not fit, and what nobody
//! can answer, is a verdict at once. Who asks is held to its promise to answer in time, and a
//! panic in there is a verdict like any other.

use crate::notices::Notifier;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use veksel_adapters::{Certificate, Circuit};
use veksel_core::Input;
use veksel_core::enquiry::{Ask, Enquiry, Failed, Failure, Verdict};

/// Questions that may be under way at one time.
const ASKS_MAX: usize = 4_096;

/// How much later than asked for a verdict may come before it is given up.
const GRACE: Duration = Duration::from_millis(1_000);

/// A verdict that is waited for.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// Somebody who asks third parties.
pub trait Asks: Send + Sync {
    /// Asks, and says what was found: no later than [`Ask::within_ms`] after this. Dropping the
    /// future gives the question up.
    fn ask(&self, ask: Ask) -> Answering<'_>;

    /// How the breakers of their services stand.
    fn circuits(&self) -> Vec<Circuit> {
        Vec::new()
    }

    /// The certificates that they know us by.
    fn certificates(&self) -> Vec<Certificate> {
        Vec::new()
    }

    /// Reads these certificates again and shows them from now on, all or none; or, for a trial,
    /// only looks whether that could be done. Gives those that differ.
    ///
    /// # Errors
    ///
    /// What is wrong with one of them; nothing is changed then.
    fn renew(&self, is_trial: bool) -> Result<Vec<Certificate>, String> {
        let _ = is_trial;
        Ok(Vec::new())
    }
}

/// Where questions go.
pub(crate) struct Enquirer {
    /// `None` if nothing outside is configured.
    asking: Option<(Handle, Arc<dyn Asks>)>,
    room: Arc<Semaphore>,
    found: mpsc::Sender<Input>,
    /// Verdicts, for the engine.
    pub(crate) answers: mpsc::Receiver<Input>,
    /// Tells customers what became of their checks and payments.
    pub(crate) notifier: Notifier,
}

impl Enquirer {
    /// Asks `asks` on the runtime of `handle`.
    pub(crate) fn new(asking: Option<(Handle, Arc<dyn Asks>)>) -> Self {
        let (found, answers) = mpsc::channel(ASKS_MAX);
        let room = Arc::new(Semaphore::new(ASKS_MAX));
        Self { asking, room, found, answers, notifier: Notifier::default() }
    }

    /// Which also tells customers.
    pub(crate) fn with_notifier(self, notifier: Notifier) -> Self {
        Self { notifier, ..self }
    }

    /// Who is asked, if somebody is.
    pub(crate) fn asks(&self) -> Option<Arc<dyn Asks>> {
        self.asking.as_ref().map(|(_, asks)| Arc::clone(asks))
    }

    /// Asks. Gives back what the engine gets instead, if it cannot be asked now.
    pub(crate) fn ask(&self, ask: Ask) -> Option<Input> {
        let id = ask.id;
        let instead = || {
            let verdict = Box::new(Verdict::Failed(Failure::before(Failed::Unavailable)));
            Some(Input::Answered { id, verdict })
        };
        let Some((handle, asks)) = &self.asking else { return instead() };
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else { return instead() };
        let (asks, found) = (Arc::clone(asks), self.found.clone());
        let can_move = matches!(ask.enquiry, Enquiry::Initiate(_));
        let most = Duration::from_millis(ask.within_ms).saturating_add(GRACE);
        handle.spawn(async move {
            // Apart, so that a panic of it ends here.
            let asking = tokio::spawn(async move { timeout(most, asks.ask(ask)).await });
            let failed = |why| {
                // Nobody knows how far it came.
                Verdict::Failed(Failure { is_open: can_move, ..Failure::before(why) })
            };
            let verdict = match asking.await {
                Ok(Ok(verdict)) => verdict,
                Ok(Err(_)) => failed(Failed::Late),
                Err(error) => {
                    tracing::error!(%error, "a question to a third party ended by a defect");
                    failed(Failed::Malfunction)
                }
            };
            // Without a receiver the shard has ended; what is open is found by the next start.
            let _ = found.send(Input::Answered { id, verdict: Box::new(verdict) }).await;
            drop(place);
        });
        None
    }

    /// How many questions are under way, their verdicts not yet taken.
    pub(crate) fn in_flight(&self) -> usize {
        let asking = ASKS_MAX.saturating_sub(self.room.available_permits());
        asking.max(self.answers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Notify;
    use veksel_core::enquiry::{Addressee, AskId, Order};

    /// Answers as the number of the question says.
    struct Double {
        go: Notify,
    }

    impl Asks for Double {
        fn ask(&self, ask: Ask) -> Answering<'_> {
            Box::pin(async move {
                match ask.trace.as_str() {
                    "panic" => panic!("a defect"),
                    "never" => std::future::pending().await,
                    "wait" => self.go.notified().await,
                    _ => {}
                }
                Verdict::Funds(true)
            })
        }
    }

    fn ask(id: u64, trace: &str, moves: bool) -> Ask {
        let enquiry = match moves {
            true => Enquiry::Initiate(Box::new(order())),
            false => Enquiry::Review { applicant: "a".into() },
        };
        let (id, to, trace) = (AskId(id), Addressee::Kyc, trace.into());
        Ask { id, to, enquiry, within_ms: 20, trace, txn: None, address: None }
    }

    fn order() -> Order {
        let debtor = veksel_core::enquiry::BankAccount {
            iban: "NO9386011117947".into(),
            resource: String::new(),
            consent: String::new(),
            customer: String::new(),
        };
        Order {
            key: [0; 16],
            debtor,
            creditor: String::new(),
            creditor_name: String::new(),
            amount: veksel_core::enquiry::Money { minor: 1, currency: 578 },
            remittance: String::new(),
            rrn: String::new(),
            mark: String::new(),
            reference: String::new(),
            state: [0; 16],
            verifier: veksel_core::enquiry::Secret::new(""),
        }
    }

    fn said(input: Option<Input>) -> (u64, Verdict) {
        match input {
            Some(Input::Answered { id, verdict }) => (id.0, *verdict),
            other => panic!("{other:?}"),
        }
    }

    fn failed(why: Failed, is_open: bool) -> Verdict {
        Verdict::Failed(Failure { is_open, ..Failure::before(why) })
    }

    fn enquirer(double: &Arc<Double>) -> Enquirer {
        let asks: Arc<dyn Asks> = double.clone();
        Enquirer::new(Some((Handle::current(), asks)))
    }

    #[tokio::test]
    async fn nobody_to_ask_is_a_verdict_at_once() {
        let enquirer = Enquirer::new(None);
        let verdict = failed(Failed::Unavailable, false);
        assert_eq!(said(enquirer.ask(ask(7, "", true))), (7, verdict));
        assert_eq!(enquirer.in_flight(), 0);
    }

    #[tokio::test]
    async fn every_question_is_answered_once_whatever_becomes_of_it() {
        let mut enquirer = enquirer(&Arc::new(Double { go: Notify::new() }));
        let cases = [
            (1, "", false, Verdict::Funds(true)),
            (2, "panic", false, failed(Failed::Malfunction, false)),
            (3, "panic", true, failed(Failed::Malfunction, true)),
            (4, "never", false, failed(Failed::Late, false)),
            (5, "never", true, failed(Failed::Late, true)),
        ];
        for (id, trace, moves, _) in &cases {
            assert!(enquirer.ask(ask(*id, trace, *moves)).is_none());
        }
        let mut found = Vec::new();
        while found.len() < cases.len() {
            assert!(enquirer.in_flight() > 0);
            found.push(said(enquirer.answers.recv().await));
        }
        found.sort_by_key(|(id, _)| *id);
        let expected: Vec<_> = cases.map(|(id, _, _, verdict)| (id, verdict)).into();
        assert_eq!(found, expected);
        while enquirer.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(enquirer.answers.try_recv().is_err());
    }

    #[tokio::test]
    async fn what_does_not_fit_is_a_verdict_at_once() {
        let double = Arc::new(Double { go: Notify::new() });
        let mut enquirer = enquirer(&double);
        enquirer.room = Arc::new(Semaphore::new(1));
        let mut waiting = ask(1, "wait", false);
        waiting.within_ms = 60_000;
        assert!(enquirer.ask(waiting).is_none());
        let verdict = failed(Failed::Unavailable, false);
        assert_eq!(said(enquirer.ask(ask(2, "", true))), (2, verdict));
        double.go.notify_one();
        assert_eq!(said(enquirer.answers.recv().await), (1, Verdict::Funds(true)));
        while enquirer.room.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(enquirer.ask(ask(3, "", false)).is_none());
        assert_eq!(said(enquirer.answers.recv().await).0, 3);
    }
}
