//! The bank's loop: inputs to decisions, decisions to the book, answers to the wires.
//!
//! It decides nothing about money; that is the issuer's. It knows who is signed on, what time it
//! is, which answers must wait, and which are never given because of a fault on purpose.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc as threads;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;
use tokio::time::sleep;
use tracing::{error, info, warn};
use veksel_codecs::{Class, Message, Refusal, ResponseCode, field};
use veksel_config::BankConfig;
use veksel_core::plan::{ConnectionId, LinkId};
use veksel_core::time::{Tick, Utc};
use veksel_core::{Closing, Input, Leg, Tag, TxnId};
use veksel_link::Wires;

use super::faults::{self, Chooser, Fault, Faults};
use super::late::{Late, Letter};
use super::open::{self, Parts};
use super::summary::{Counts, Summary};
use super::{Ask, BankError};
use crate::book::Book;
use crate::issuer::{Issuer, Reply, SIGN_OFF, SIGN_ON};
use crate::ledger::{self, Effect, Verdict};

/// Builds the bank and runs it to its end. `None` when it did not start, which was reported.
pub(super) fn run(
    config: &BankConfig,
    asked: mpsc::Receiver<Ask>,
    started: &threads::SyncSender<Result<SocketAddr, BankError>>,
) -> Option<Result<Summary, BankError>> {
    // Whoever starts a bank waits for this report, so sending it cannot fail.
    let report = |start| {
        let _ = started.send(start);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (runtime, parts) = match (runtime.map_err(BankError::Thread), open::open(config)) {
        (Ok(runtime), Ok(parts)) => (runtime, parts),
        (Err(error), _) | (_, Err(error)) => {
            report(Err(error));
            return None;
        }
    };
    LocalSet::new().block_on(&runtime, async {
        let Parts { codec, issuer, book } = parts;
        let origin = Instant::now();
        let wires = Wires::new(INBOX_MAX, origin, 1);
        match wires.listen(LINK, &open::listen(config), Rc::clone(&codec)) {
            Ok(address) => report(Ok(address)),
            Err(error) => {
                report(Err(BankError::Listen(error)));
                return None;
            }
        }
        tell(&config.faults);
        let host = Host {
            chooser: Chooser::new(config.faults),
            late_ms: config.late_ms,
            issuer,
            book,
            wires,
            origin,
            is_signed_on: HashMap::new(),
            effects: Vec::new(),
            letters: Vec::new(),
            replies: Vec::new(),
            closings: Vec::new(),
            hung_up: HashSet::new(),
            late: Late::new(LATE_MAX),
            counts: Counts::default(),
        };
        Some(host.run(asked).await)
    })
}

struct Host {
    chooser: Chooser,
    /// How late an answer is that a fault makes late.
    late_ms: u64,
    issuer: Issuer,
    book: Book,
    wires: Wires,
    /// When tick 0 was.
    origin: Instant,
    /// Every open connection.
    is_signed_on: HashMap<ConnectionId, bool>,
    /// Of this turn.
    effects: Vec<Effect>,
    /// Of this turn.
    letters: Vec<Letter>,
    /// Of this turn, to those who asked at the desk.
    replies: Vec<(oneshot::Sender<ledger::Reply>, ledger::Reply)>,
    /// Connections that a fault closes when the turn ends.
    closings: Vec<ConnectionId>,
    /// Those and the ones that are not gone yet: nobody reads what comes on them.
    hung_up: HashSet<ConnectionId>,
    late: Late,
    counts: Counts,
}

impl Host {
    async fn run(mut self, mut asked: mpsc::Receiver<Ask>) -> Result<Summary, BankError> {
        loop {
            tokio::select! {
                biased;
                ask = asked.recv() => match ask {
                    Some(ask) => self.answer(ask),
                    None => return Ok(self.finish().await),
                },
                () = self.wires.ready() => {}
                () = sleep(self.rest()) => {}
            }
            if let Err(error) = self.turn() {
                error!(%error, "the book failed; nothing that it does not know is answered");
                self.wires.shutdown(Duration::ZERO).await;
                return Err(error);
            }
        }
    }

    fn answer(&mut self, ask: Ask) {
        // Who asked may have gone.
        match ask {
            Ask::Summary(answer) => {
                let _ = answer.send(self.summary());
            }
            Ask::Faults(faults, answer) => {
                self.chooser = Chooser::new(faults);
                tell(&faults);
                let _ = answer.send(());
            }
            Ask::Look(look) => look(self.issuer.ledger(), self.issuer.directory()),
            Ask::Execute(request, answer) => {
                let Verdict { reply, effect, .. } = self.issuer.execute_directly(utc(), &request);
                self.effects.extend(effect);
                self.replies.push((answer, reply));
            }
        }
    }

    fn tick(&self) -> Tick {
        Tick(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// How long there is nothing to do unless something arrives.
    fn rest(&self) -> Duration {
        let tick = self.tick();
        let late = self.late.next_due().map(|due| Duration::from_nanos(due.since(tick)));
        let expiry = self.issuer.ledger().next_expiry_ms();
        let expiry = expiry.map(|at| Duration::from_millis(at.saturating_sub(utc().0)));
        [late, expiry].into_iter().flatten().fold(REST_MAX, Duration::min)
    }

    /// One turn: in, to the book, out.
    fn turn(&mut self) -> Result<(), BankError> {
        let (tick, now) = (self.tick(), utc());
        if self.issuer.ledger().next_expiry_ms().is_some_and(|at| at <= now.0) {
            let expired = self.issuer.expire_holds(now);
            self.effects.extend(expired);
        }
        for _ in 0..TURN_MAX {
            let Some(input) = self.wires.poll_input() else { break };
            self.handle(tick, now, input);
        }
        if !self.effects.is_empty() {
            self.book.commit(&self.effects)?;
            self.counts.commits = self.counts.commits.saturating_add(1);
            self.effects.clear();
        }
        for (answer, reply) in self.replies.drain(..) {
            // Who asked may have gone.
            let _ = answer.send(reply);
        }
        let mut letters = std::mem::take(&mut self.letters);
        for letter in letters.drain(..) {
            self.send(letter);
        }
        self.letters = letters;
        while let Some(letter) = self.late.poll(tick) {
            self.send_late(letter);
        }
        for connection in self.closings.drain(..) {
            // None of the reasons is this one; it is only counted and logged.
            self.wires.close(connection, Closing::TooMany);
        }
        self.wires.flush();
        Ok(())
    }

    fn handle(&mut self, tick: Tick, now: Utc, input: Input) {
        match input {
            Input::LinkUp(connection) => {
                self.is_signed_on.insert(connection, false);
            }
            Input::LinkDown(connection) => {
                self.is_signed_on.remove(&connection);
                self.hung_up.remove(&connection);
            }
            Input::Received { connection, message }
            | Input::Malformed { connection, message, .. }
                if self.hung_up.contains(&connection) =>
            {
                self.counts.silent = self.counts.silent.saturating_add(1);
                self.wires.spare(message);
            }
            Input::Received { connection, message } => {
                self.handle_request(tick, now, connection, message);
            }
            Input::Malformed { connection, message, refusal } => {
                self.handle_malformed(tick, now, connection, message, refusal);
            }
            // Only late answers are tagged.
            Input::Written(_) | Input::Unsent { .. } => self.count_late(&input),
            // A bank knows nobody by name. The rest is for an engine.
            Input::Identified { .. }
            | Input::Posted { .. }
            | Input::Committed { .. }
            | Input::Conflict { .. }
            | Input::Found { .. }
            | Input::Lost(_)
            | Input::Operator(_)
            | Input::Control(_)
            | Input::Full(_)
            | Input::Rekeyed { .. }
            | Input::Renewed { .. }
            | Input::Replan(_)
            | Input::Answered { .. }
            | Input::Called { .. }
            | Input::Drain => {}
        }
    }

    fn handle_request(&mut self, tick: Tick, now: Utc, connection: ConnectionId, message: Message) {
        let is_network = message.mti().class() == Class::Network;
        let code = message.get(field::NETWORK_CODE).filter(|_| is_network);
        let is_signed_on = self.is_signed_on.get(&connection).copied().unwrap_or(false);
        let fault = if is_signed_on { self.chooser.choose(&message) } else { None };
        if let Some(fault) = fault {
            self.counts.faults.count(fault);
        }
        let reply = match fault {
            Some(Fault::DropRequest) => {
                self.counts.requests = self.counts.requests.saturating_add(1);
                return self.wires.spare(message);
            }
            Some(Fault::Unavailable(code)) => self.issuer.decline(now, message, code, None),
            Some(_) | None if is_network || is_signed_on => self.issuer.handle(now, message),
            Some(_) | None => {
                let display = Some("SIGN ON FIRST");
                self.issuer.decline(now, message, ResponseCode::HOST_UNAVAILABLE, display)
            }
        };
        let response = reply.answer.as_ref().and_then(|answer| answer.get(field::RESPONSE_CODE));
        if let (Some(SIGN_ON | SIGN_OFF), Some(ResponseCode::APPROVED)) = (code, response)
            && let Some(is_signed_on) = self.is_signed_on.get_mut(&connection)
        {
            *is_signed_on = code == Some(SIGN_ON);
        }
        self.take(tick, connection, reply, fault);
    }

    fn handle_malformed(
        &mut self,
        tick: Tick,
        now: Utc,
        connection: ConnectionId,
        message: Message,
        refusal: Refusal,
    ) {
        let reply = self.issuer.refuse(now, message, refusal);
        let is_answered = u64::from(reply.answer.is_some());
        self.counts.refused = self.counts.refused.saturating_add(is_answered);
        self.take(tick, connection, reply, None);
    }

    /// Puts away what became of a frame until the turn ends, or until a late answer is due. A fault
    /// changes nothing but the way of the answer: the effect is committed in any case.
    fn take(&mut self, tick: Tick, connection: ConnectionId, reply: Reply, fault: Option<Fault>) {
        let Reply { answer, effect, mut delay_ms, is_replay } = reply;
        self.effects.extend(effect);
        let counts = &mut self.counts;
        let Some(mut message) = answer else {
            counts.silent = counts.silent.saturating_add(1);
            return;
        };
        counts.requests = counts.requests.saturating_add(1);
        counts.replays = counts.replays.saturating_add(u64::from(is_replay));
        let mut copy = None;
        match fault {
            Some(Fault::AnswerNever) => return self.wires.spare(message),
            Some(Fault::Disconnect) => {
                self.closings.push(connection);
                self.hung_up.insert(connection);
                return self.wires.spare(message);
            }
            Some(Fault::AnswerLate) => delay_ms = delay_ms.max(self.late_ms),
            Some(Fault::AnswerTwice) => copy = Some(message.clone()),
            Some(Fault::AnswerWrong(wrong)) => wrong.spoil(&mut message),
            Some(Fault::Unavailable(_) | Fault::DropRequest) | None => {}
        }
        for message in std::iter::once(message).chain(copy) {
            self.put(tick, delay_ms, Letter { connection, message });
        }
    }

    fn put(&mut self, tick: Tick, delay_ms: u64, letter: Letter) {
        if delay_ms > 0 && !self.late.is_full() {
            return self.late.keep(tick.after_ms(delay_ms), letter);
        }
        if delay_ms > 0 {
            warn!("too many answers are held back; this one leaves at once");
        }
        self.letters.push(letter);
    }

    fn send(&mut self, letter: Letter) {
        let Letter { connection, message } = letter;
        let counts = &mut self.counts;
        if self.is_signed_on.contains_key(&connection) {
            counts.answers = counts.answers.saturating_add(1);
            self.wires.send(connection, &message, None, None);
        } else {
            counts.undelivered = counts.undelivered.saturating_add(1);
        }
        self.wires.spare(message);
    }

    /// An answer that was held back: its client may have hung up in the meantime, and then it
    /// counts as undelivered even if it still listens.
    fn send_late(&mut self, letter: Letter) {
        let Letter { connection, message } = letter;
        let tag = Tag { txn: TxnId(connection.serial), leg: Leg::Answer };
        self.wires.send(connection, &message, Some(tag), None);
        self.wires.spare(message);
    }

    fn count_late(&mut self, input: &Input) {
        let counts = &mut self.counts;
        if let Input::Written(_) = input {
            counts.answers = counts.answers.saturating_add(1);
        } else {
            counts.undelivered = counts.undelivered.saturating_add(1);
        }
    }

    fn summary(&self) -> Summary {
        Summary::of(self.issuer.ledger(), self.counts, self.late.len())
    }

    async fn finish(mut self) -> Summary {
        self.wires.shutdown(GRACE).await;
        // What became of the last late answers is told only now.
        while let Some(input) = self.wires.poll_input() {
            match input {
                Input::Written(_) | Input::Unsent { .. } => self.count_late(&input),
                _ => {}
            }
        }
        let summary = self.summary();
        let Summary { requests, answers, .. } = summary;
        let faults = summary.faults.total();
        info!(requests, answers, faults, "bank stopped: {summary}");
        summary
    }
}

/// A bank that misbehaves on purpose must not be taken for one that does not know better.
fn tell(faults: &Faults) {
    if faults.total() > 0 {
        let described = faults::described(faults);
        warn!(seed = faults.seed, "the bank misbehaves on purpose: {described}");
    } else {
        info!("the bank does nothing wrong on purpose");
    }
}

fn utc() -> Utc {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Utc(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The only link of a bank.
const LINK: LinkId = LinkId(0);

/// Messages that may wait to be taken.
const INBOX_MAX: usize = 16_384;

/// Inputs of one turn, so that answers do not wait for an endless stream of requests.
const TURN_MAX: usize = 1_024;

/// Answers that may be held back.
const LATE_MAX: usize = 16_384;

/// The longest rest: the wall clock may be set while the bank rests.
const REST_MAX: Duration = Duration::from_secs(60);

/// How long connections get to take their last bytes.
const GRACE: Duration = Duration::from_millis(500);
