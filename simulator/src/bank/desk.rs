//! The bank's other counter: looks at the ledger and payments that come by another channel than
//! the bank's sockets. What is asked here goes through the same turns and the same book.

use tokio::sync::{mpsc, oneshot};

use super::Ask;
use crate::directory::Directory;
use crate::ledger::{Ledger, Reply, Request};

/// A look at what the bank knows, on the bank's thread. It should be short.
pub(super) type Look = Box<dyn FnOnce(&Ledger, &Directory) + Send>;

/// A way to a running bank. Copies lead to the same one.
#[derive(Debug, Clone)]
pub struct Desk {
    asks: mpsc::WeakSender<Ask>,
}

impl Desk {
    pub(super) const fn new(asks: mpsc::WeakSender<Ask>) -> Self {
        Self { asks }
    }

    /// What the bank knows as of its last turn; `None` when it has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Ledger, &Directory) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let look = move |ledger: &Ledger, directory: &Directory| {
            // Who asked may have gone.
            let _ = answer.send(look(ledger, directory));
        };
        self.ask(Ask::Look(Box::new(look))).await?;
        answered.await.ok()
    }

    /// Executes a request as the ledger does, and returns when the book has it. The key decides
    /// whether it was executed before. `None` when the bank has ended; it may then have been
    /// executed, and the same request tells when the book is opened again.
    pub async fn execute(&self, request: Request) -> Option<Reply> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Execute(Box::new(request), answer)).await?;
        answered.await.ok()
    }

    /// The sender is held only while the ask goes in, so that the bank can stop.
    async fn ask(&self, ask: Ask) -> Option<()> {
        self.asks.upgrade()?.send(ask).await.ok()
    }
}
