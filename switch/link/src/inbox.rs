//! What connections have for the engine, in order of arrival, and messages to fill again.
//!
//! A message enters only while there is room; a connection that finds none waits in a queue of
//! its own and is woken when half the room is free. What connections report without being asked
//! (`LinkUp`, `LinkDown`, `Written`, `Unsent`) always enters: there is never more of it than
//! frames in the outboxes and twice the connections.
//!
//! One reader is woken once, however much arrives before it comes.

use crate::connection::Connection;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::sync::Notify;
use veksel_codecs::Message;
use veksel_core::Input;
use veksel_core::time::Tick;

/// A message that carried a longer frame is not kept: its memory would be held for small ones.
const SPARE_FRAME_MAX: usize = 4_096;

/// Later than any time: for inputs that are not late.
const NEVER: Tick = Tick(u64::MAX);

/// Inputs for the one who drives the shard.
pub(crate) struct Inbox {
    /// Each with the time at which it was read.
    inputs: RefCell<VecDeque<(Tick, Input)>>,
    inputs_max: usize,
    reader: Cell<Option<Waker>>,
    /// Connections that have frames and found no room. Each stands here at most once.
    blocked: RefCell<Vec<Rc<Connection>>>,
    /// Wakes what else waits for room.
    room: Notify,
    is_waited_for: Cell<bool>,
    spares: RefCell<Vec<Message>>,
}

impl Inbox {
    pub(crate) fn new(inputs_max: usize) -> Self {
        Self {
            inputs: RefCell::default(),
            inputs_max: inputs_max.max(1),
            reader: Cell::new(None),
            blocked: RefCell::default(),
            room: Notify::new(),
            is_waited_for: Cell::new(false),
            spares: RefCell::default(),
        }
    }

    /// Takes in a report, of which nobody asks how old it is.
    pub(crate) fn push(&self, input: Input) {
        self.push_since(NEVER, input);
    }

    /// Takes in what was read at that time.
    pub(crate) fn push_since(&self, since: Tick, input: Input) {
        self.inputs.borrow_mut().push_back((since, input));
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.inputs.borrow().len() >= self.inputs_max
    }

    pub(crate) fn pop(&self) -> Option<(Tick, Input)> {
        let (input, left) = {
            let mut inputs = self.inputs.borrow_mut();
            (inputs.pop_front(), inputs.len())
        };
        if left <= self.inputs_max / 2 && self.is_waited_for.replace(false) {
            for connection in self.blocked.borrow_mut().drain(..) {
                connection.unblock();
            }
            self.room.notify_waiters();
        }
        input
    }

    /// Ready while there are inputs.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.inputs.borrow().is_empty() {
            return Poll::Ready(());
        }
        self.reader.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    /// Remembers a connection that waits for room. The caller sees to it that it is not here yet.
    pub(crate) fn block(&self, connection: Rc<Connection>) {
        self.blocked.borrow_mut().push(connection);
        self.is_waited_for.set(true);
    }

    /// Waits for room.
    pub(crate) async fn room(&self) {
        while self.is_full() {
            self.is_waited_for.set(true);
            self.room.notified().await;
        }
    }

    /// A message to fill.
    pub(crate) fn take_spare(&self) -> Message {
        self.spares.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn give_spare(&self, message: Message) {
        let mut spares = self.spares.borrow_mut();
        if spares.len() < self.inputs_max && message.frame().len() <= SPARE_FRAME_MAX {
            spares.push(message);
        }
    }
}
