//! The shard loop: one thread that owns an engine, its sockets and its place in the journal.
//!
//! A turn takes what arrived, lets the engine decide, hands records to the committer and writes
//! each connection once. Nothing in it waits but the one point where it sleeps.

mod ending;
mod look;
mod outside;
mod report;
mod swapping;

use crate::alert::Alert;
use crate::callers::Callers;
use crate::clock::Clock;
use crate::enquirer::Enquirer;
use crate::finder::{Finder, Question};
use crate::gate::{Gate, Held, Letter};
use crate::observe::Observer;
use crate::orders::Order;
use crate::port::Port;
use crate::start::Stopped;
use crate::status::{Picture, Status};
use crate::upkeep::Upkeep;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};
use veksel_core::{Event, Input, Now, Output, Record, RecordId, Switch, Tick};
use veksel_link::Wires;
use veksel_store::{Committer, Done, Refused, TrySend};

/// How often gauges and the picture are renewed.
const LOOK: Duration = Duration::from_millis(250);

/// How long a full committer is left alone before it is asked again.
const RETRY: Duration = Duration::from_millis(1);

/// Inputs taken in one turn, so that answers do not wait for an endless stream of requests.
const TURN_MAX: usize = 4_096;

/// What a shard is made of.
pub(crate) struct Shard {
    pub(crate) clock: Clock,
    pub(crate) switch: Switch,
    pub(crate) wires: Wires,
    pub(crate) committer: Committer,
    pub(crate) done: mpsc::Receiver<Done>,
    pub(crate) finder: Finder,
    pub(crate) enquirer: Enquirer,
    pub(crate) callers: Callers,
    pub(crate) port: Port,
    /// What operators decide.
    pub(crate) commands: mpsc::Receiver<Input>,
    pub(crate) orders: mpsc::Receiver<Order>,
    /// What operators may decide about.
    pub(crate) targets: crate::operate::Targets,
    pub(crate) upkeep: Upkeep,
    pub(crate) observer: Observer,
    pub(crate) status: Status,
    pub(crate) stop: oneshot::Receiver<()>,
    pub(crate) drain: Duration,
    /// Records that may wait for the committer before no more inputs are taken.
    pub(crate) backlog_max: usize,
    /// The last record that is durable.
    pub(crate) durable: RecordId,
}

/// A shard while it runs.
struct Turning {
    shard: Shard,
    gate: Gate,
    /// Made and not yet handed over.
    backlog: Vec<(RecordId, Record)>,
    /// Handed over and not yet durable: the last of a batch, and when.
    handed: std::collections::VecDeque<(RecordId, Tick)>,
    draining_until: Option<Tick>,
    /// How old the oldest balance is, in milliseconds, and when that is looked at again.
    balance_age: (u64, Tick),
    /// For how long the bank of a payment has not said how it stands; looked at with it.
    payments_lag_ms: u64,
    failed: Option<String>,
    /// Whether the picture is to be renewed at once.
    has_news: bool,
}

/// Why the loop woke up.
enum Wake {
    Input,
    Done(Option<Done>),
    Found(Input),
    Decided(Input),
    Called(veksel_api::Asked),
    Posted(veksel_api::Posted),
    Ordered(Order),
    Time,
    Stop,
}

impl Shard {
    /// Runs until it is stopped, or until the store fails.
    pub(crate) async fn run(self) -> Stopped {
        let gate = Gate::new(self.durable);
        let turning = Turning {
            gate,
            shard: self,
            backlog: Vec::new(),
            handed: std::collections::VecDeque::new(),
            draining_until: None,
            balance_age: (0, Tick(0)),
            payments_lag_ms: 0,
            failed: None,
            has_news: false,
        };
        turning.run().await
    }
}

impl Turning {
    async fn run(mut self) -> Stopped {
        let mut look = self.shard.clock.now().tick;
        // What recovery found is recorded before anything new is.
        self.carry_out();
        self.turn();
        loop {
            if let Some(error) = self.failed.take() {
                tracing::error!(error, "the store failed; nothing unrecorded is acknowledged");
                let message = "the switch stops: it records before it acts";
                self.shard.observer.alerts.raise(Alert::critical("Store failed", message));
                self.shard.status.set(Picture::default());
                return Stopped::Store(error);
            }
            let now = self.shard.clock.now().tick;
            if now >= look || std::mem::take(&mut self.has_news) {
                look = now.after_ms(u64::try_from(LOOK.as_millis()).unwrap_or(250));
                self.look();
            }
            if let Some(until) = self.draining_until
                && (self.is_quiet() || now >= until)
            {
                return self.finish().await;
            }
            match self.sleep(look).await {
                Wake::Input | Wake::Time => {}
                Wake::Done(done) => self.take_done(done),
                Wake::Found(input) | Wake::Decided(input) => self.hear(input),
                Wake::Called(asked) => self.take_call(asked),
                Wake::Posted(posted) => self.take_posts(posted),
                Wake::Ordered(order) => self.obey(order),
                Wake::Stop => {
                    let drain = u64::try_from(self.shard.drain.as_millis()).unwrap_or(u64::MAX);
                    self.draining_until = Some(now.after_ms(drain));
                    self.shard.wires.stop_listening();
                    self.shard.switch.handle(self.shard.clock.now(), Input::Drain);
                    tracing::info!("stopping: what is in flight may end");
                }
            }
            self.turn();
        }
    }

    fn obey(&mut self, order: Order) {
        // Who asked and does not wait any more misses only the answer.
        match order {
            // The dropped reply says that the switch is stopping.
            Order::Swap(..) if self.draining_until.is_some() => {}
            Order::Swap(swap, reply) => drop(reply.send(self.swap(*swap))),
            Order::Report(reply) => drop(reply.send(self.report())),
            Order::Decide(command, reply) => {
                let is_open = self.shard.switch.is_for_decision(command.txn, command.action);
                self.hear(Input::Operator(*command));
                let _ = reply.send(is_open);
            }
        }
    }

    /// The one place where the shard waits.
    async fn sleep(&mut self, look: Tick) -> Wake {
        let due = self.shard.switch.poll_timeout().map_or(look, |due| due.min(look));
        let due = self.shard.clock.instant(due);
        let is_full = self.is_full();
        let has_backlog = !self.backlog.is_empty();
        let stopping = self.draining_until.is_some();
        let shard = &mut self.shard;
        tokio::select! {
            biased;
            done = shard.done.recv() => Wake::Done(done),
            Some(found) = shard.finder.answers.recv() => Wake::Found(found),
            Some(verdict) = shard.enquirer.answers.recv() => Wake::Found(verdict),
            // People are few: before the sockets they never wait, and hold nobody up.
            Some(input) = shard.commands.recv(), if !is_full => Wake::Decided(input),
            Some(order) = shard.orders.recv() => Wake::Ordered(order),
            Some(asked) = shard.callers.calls.recv(), if !is_full => Wake::Called(asked),
            Some(posted) = shard.port.posts.recv(), if !is_full => Wake::Posted(posted),
            () = shard.wires.ready(), if !is_full => Wake::Input,
            _ = &mut shard.stop, if !stopping => Wake::Stop,
            () = sleep_until(due) => Wake::Time,
            () = sleep(RETRY), if has_backlog => Wake::Time,
        }
    }

    fn is_full(&self) -> bool {
        self.backlog.len() >= self.shard.backlog_max
    }

    fn is_quiet(&self) -> bool {
        self.shard.switch.is_idle()
            && self.backlog.is_empty()
            && self.handed.is_empty()
            && self.gate.is_empty()
            && self.shard.enquirer.in_flight() == 0
    }

    fn hear(&mut self, input: Input) {
        self.shard.switch.handle(self.shard.clock.now(), input);
        self.carry_out();
    }

    /// Takes what arrived, carries out what the engine wants, writes each connection once.
    fn turn(&mut self) {
        let now = self.shard.clock.now();
        if self.shard.switch.poll_timeout().is_some_and(|due| due <= now.tick) {
            self.shard.switch.handle_timeout(now);
            self.carry_out();
        }
        // Writing reports what was written, and that may be the end of a transaction.
        for _ in 0..2 {
            self.take_inputs(now);
            self.hand_over(now.tick);
            self.shard.wires.flush();
        }
    }

    fn take_inputs(&mut self, now: Now) {
        for _ in 0..TURN_MAX {
            if self.is_full() {
                return;
            }
            let Some((since, input)) = self.shard.wires.poll_input_since() else { return };
            self.shard.switch.handle_since(now, since, input);
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.shard.switch.poll_output() {
            match output {
                Output::Persist { id, record } => {
                    if let Some(news) = self.shard.enquirer.notifier.news(&record) {
                        self.pass(Some(id), Held::News(Box::new(news)));
                    }
                    self.backlog.push((id, record));
                }
                Output::Send { after, connection, message, tag, expires } => {
                    self.pass(after, Held::Letter(Letter { connection, message, tag, expires }));
                }
                Output::Ask { after, ask } => {
                    let since = self.shard.clock.now().tick;
                    self.pass(after, Held::Ask(ask, since));
                }
                Output::Tell { after, id, told } => self.pass(after, Held::Told(id, told)),
                Output::Find { txn, rrn, keys } => self.ask(Question::Like { txn, rrn, keys }),
                Output::Rekey { connection, message, check_value } => {
                    let taken = self.shard.wires.accept_next_key(connection.link, &check_value);
                    let input = Input::Rekeyed { connection, message, taken };
                    self.shard.switch.handle(self.shard.clock.now(), input);
                }
                Output::UseNextKey(link) => self.shard.wires.make_with_next_key(link),
                Output::Close { connection, why } => self.shard.wires.close(connection, why),
                Output::Count(event) => {
                    // Whether the switch is ready may have changed with it.
                    self.has_news |= matches!(event, Event::Session { .. });
                    self.shard.observer.event(event);
                }
            }
        }
    }

    fn ask(&mut self, question: Question) {
        if let Some(instead) = self.shard.finder.ask(question) {
            self.shard.switch.handle(self.shard.clock.now(), instead);
        }
    }

    fn write(&mut self, letter: Letter) {
        let Letter { connection, message, tag, expires } = letter;
        if self.shard.port.is_of(connection) {
            if let Some(input) = self.shard.port.deliver(connection, &message, tag) {
                self.shard.switch.handle(self.shard.clock.now(), input);
            }
        } else {
            self.shard.wires.send(connection, &message, tag, expires);
        }
        self.shard.wires.spare(message);
    }

    /// Hands the records of this turn to the committer, all or none.
    fn hand_over(&mut self, now: Tick) {
        let Some((last, _)) = self.backlog.last() else { return };
        let last = *last;
        match self.shard.committer.try_send(std::mem::take(&mut self.backlog)) {
            Ok(()) => self.handed.push_back((last, now)),
            Err(TrySend::Full(records)) => self.backlog = records,
            // Its report of the failure is on the way.
            Err(TrySend::Stopped(records)) => self.backlog = records,
        }
    }

    fn take_done(&mut self, done: Option<Done>) {
        let mut next = done;
        loop {
            match next {
                Some(Done::Committed { upto, refused }) => self.take_committed(upto, &refused),
                Some(Done::Trimmed(count)) => self.shard.upkeep.removed(count),
                Some(Done::Failed(error)) => self.failed = Some(error.to_string()),
                None => self.failed = Some("the committer ended".to_owned()),
            }
            match self.shard.done.try_recv() {
                Ok(more) if self.failed.is_none() => next = Some(more),
                _ => return,
            }
        }
    }

    fn take_committed(&mut self, upto: RecordId, refused: &[Refused]) {
        let now = self.shard.clock.now();
        let metrics = &self.shard.observer.metrics;
        metrics.commits.inc();
        while let Some((last, since)) = self.handed.front().copied() {
            if last > upto {
                break;
            }
            self.handed.pop_front();
            metrics.commit_wait.observe(now.tick.since(since) as f64 / 1e9);
        }
        let before = self.shard.durable;
        let passed = upto.0.saturating_sub(before.0);
        metrics.records.inc_by(passed);
        self.shard.upkeep.stored(passed.saturating_sub(refused.len() as u64));
        self.shard.durable = self.shard.durable.max(upto);
        let is_refused = |record| refused.iter().any(|refused| refused.id == record);
        if !refused.is_empty() {
            for held in self.gate.refuse(is_refused) {
                self.drop_held(held);
            }
        }
        self.gate.open(upto);
        while let Some(held) = self.gate.next() {
            self.release(now, held);
        }
        let txns = refused.iter().map(|refused| refused.txn).collect();
        self.shard.switch.handle(now, Input::Committed { upto, refused: txns });
        // Only now does the engine wait for who holds their keys.
        for Refused { txn, stored, .. } in refused {
            self.shard.observer.metrics.duplicates.inc();
            self.ask(Question::Holder { txn: *txn, stored: *stored });
        }
        self.carry_out();
    }
}
