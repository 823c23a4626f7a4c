//! Channels that keep sending payments whatever happens to the switch, and behave as the standard
//! wants it when a connection is lost: repeat with the same numbers, take back, or give up.
//!
//! Each channel is a thread with one connection. It notes every promise that was broken towards
//! itself; what happened to money is the judge's.

use super::Chance;
use super::payment::{Kind, Payment};
use super::wire::{Book, Request, Wire};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use veksel_codecs::{Class, Message, field};

/// Accounts in NOK with more money than a test can move, and their DE3 type.
const ACCOUNTS: [(&str, &str); 14] = [
    ("10000000012", "10"),
    ("10000000013", "20"),
    ("10000000014", "10"),
    ("10000000016", "10"),
    ("10000000018", "20"),
    ("10000000019", "10"),
    ("10000000021", "20"),
    ("10000000022", "10"),
    ("10000000023", "20"),
    ("10000000024", "10"),
    ("10000000026", "20"),
    ("10000000027", "10"),
    ("10000000028", "20"),
    ("10000000029", "10"),
];

/// How long an answer that says "not now" is left alone before it is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// How channels behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) connections: u64,
    /// Unanswered requests on a connection.
    pub(crate) window: usize,
    /// Requests sent at once.
    pub(crate) burst: usize,
    /// Least time between two bursts on a connection.
    pub(crate) pace: Duration,
    pub(crate) seed: u64,
    /// Of a thousand unanswered requests after a lost connection, so many are taken back.
    pub(crate) take_back: u64,
    /// And so many are given up; the rest is repeated.
    pub(crate) give_up: u64,
    /// Of a thousand requests, so many are taken back while they are in flight, and as many when
    /// they are approved.
    pub(crate) cancel: u64,
    /// Of a thousand requests, so many are executed by the bank and answered too late.
    pub(crate) late: u64,
    /// Of a thousand requests, so many are followed by hanging up.
    pub(crate) hang_up: u64,
    /// Longest time to an answer on a connection that stays open.
    pub(crate) patience: Duration,
}

impl Style {
    pub(crate) const fn new(seed: u64, patience: Duration) -> Self {
        Self {
            connections: 4,
            window: 16,
            burst: 6,
            pace: Duration::from_millis(20),
            seed,
            take_back: 250,
            give_up: 100,
            cancel: 15,
            late: 10,
            hang_up: 2,
            patience,
        }
    }
}

/// What all channels of a run share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    sent: AtomicU64,
    answered: AtomicU64,
    approved: AtomicU64,
    unavailable: AtomicU64,
    unknown: AtomicU64,
    reconnects: AtomicU64,
    slowest_us: AtomicU64,
}

/// Channels at work.
pub(crate) struct Channels {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Channel>>,
}

/// What channels have to tell.
pub(crate) struct Told {
    pub(crate) payments: Vec<Payment>,
    /// Broken promises.
    pub(crate) complaints: Vec<String>,
    pub(crate) reconnects: u64,
    pub(crate) slowest: Duration,
}

impl Told {
    /// The stories of two runs on the same books, as one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.payments.extend(other.payments);
        self.complaints.extend(other.complaints);
        self.reconnects += other.reconnects;
        self.slowest = self.slowest.max(other.slowest);
        self
    }
}

impl Channels {
    pub(crate) fn start(port: u16, style: Style) -> Self {
        let shared = Arc::new(Shared::default());
        let start = Instant::now();
        let threads = (0..style.connections).map(|place| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut channel = Channel {
                    port,
                    style,
                    shared,
                    chance: Chance(style.seed ^ (place << 32)),
                    start,
                    payments: BTreeMap::new(),
                    waits: BTreeMap::new(),
                    complaints: Vec::new(),
                };
                channel.run();
                channel
            })
        });
        let threads = threads.collect();
        Self { shared, threads }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Relaxed)
    }

    /// Answers to payments, whatever they say.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Answers 00.
    pub(crate) fn approved(&self) -> u64 {
        self.shared.approved.load(Ordering::Relaxed)
    }

    /// Answers 91.
    pub(crate) fn unavailable(&self) -> u64 {
        self.shared.unavailable.load(Ordering::Relaxed)
    }

    /// Answers 68.
    pub(crate) fn unknown(&self) -> u64 {
        self.shared.unknown.load(Ordering::Relaxed)
    }

    /// Sends nothing new, gets an answer to everything that still wants one, and tells.
    pub(crate) fn finish(self) -> Told {
        self.shared.stop.store(true, Ordering::Relaxed);
        let (mut payments, mut complaints) = (Vec::new(), Vec::new());
        for thread in self.threads {
            let channel = thread.join().unwrap();
            payments.extend(channel.payments.into_values());
            complaints.extend(channel.complaints);
        }
        let reconnects = self.shared.reconnects.load(Ordering::Relaxed);
        let slowest = Duration::from_micros(self.shared.slowest_us.load(Ordering::Relaxed));
        Told { payments, complaints, reconnects, slowest }
    }
}

/// Something sent that wants an answer.
#[derive(Clone, Copy)]
enum Wait {
    /// Sent on this connection.
    Sent(Instant),
    /// To be sent again at this time: the switch said "not now".
    Again(Instant),
}

/// Request or reversal of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leg {
    Request,
    Cancel,
}

struct Channel {
    port: u16,
    style: Style,
    shared: Arc<Shared>,
    chance: Chance,
    start: Instant,
    payments: BTreeMap<String, Payment>,
    waits: BTreeMap<(String, Leg), Wait>,
    complaints: Vec<String>,
}

impl Channel {
    fn run(&mut self) {
        let give_up = Duration::from_secs(60);
        let mut stopped: Option<Instant> = None;
        let mut is_first = true;
        while !self.is_over() {
            if self.shared.stop.load(Ordering::Relaxed) {
                let since = *stopped.get_or_insert_with(Instant::now);
                if since.elapsed() > give_up {
                    let waits: Vec<_> = self.waits.keys().cloned().collect();
                    self.complaints.push(format!("no answers even at the end: {waits:?}"));
                    return;
                }
            }
            let Ok(wire) = Wire::open(self.port) else {
                // Nobody is there: the switch is being started.
                thread::sleep(Duration::from_millis(2));
                continue;
            };
            if !is_first {
                self.shared.reconnects.fetch_add(1, Ordering::Relaxed);
            }
            is_first = false;
            // That a connection ends is what these tests are about.
            let _ = self.serve(wire);
        }
    }

    fn is_over(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed) && self.waits.is_empty()
    }

    fn serve(&mut self, mut wire: Wire) -> std::io::Result<()> {
        self.resume(&mut wire)?;
        let mut next = Instant::now();
        while !self.is_over() {
            let now = Instant::now();
            let stop = self.shared.stop.load(Ordering::Relaxed);
            if !stop && now >= next {
                next = now + self.style.pace;
                let room = self.style.window.saturating_sub(self.waits.len());
                for _ in 0..room.min(self.style.burst) {
                    self.send_new(&mut wire)?;
                    if self.chance.of_thousand(self.style.hang_up) {
                        return Ok(());
                    }
                }
            }
            self.send_again(&mut wire, now)?;
            let rest = next.saturating_duration_since(Instant::now());
            let rest = if rest.is_zero() { self.style.pace } else { rest };
            if let Some(answer) = wire.receive(rest)? {
                self.hear(&mut wire, &answer)?;
            }
            self.complain_of_silence();
        }
        Ok(())
    }

    /// What was lost with the last connection: repeated, taken back or given up.
    fn resume(&mut self, wire: &mut Wire) -> std::io::Result<()> {
        let lost: Vec<_> = self.waits.keys().cloned().collect();
        for (rrn, leg) in lost {
            let is_cancelled = self.payments[&rrn].cancel.is_some();
            match leg {
                Leg::Cancel => self.send(wire, &rrn, leg, true)?,
                Leg::Request if is_cancelled => self.drop_wait(&rrn, "not asked again"),
                Leg::Request => {
                    let drawn = self.chance.below(1_000);
                    if drawn < self.style.take_back {
                        self.drop_wait(&rrn, "to be taken back");
                        self.cancel(wire, &rrn)?;
                    } else if drawn < self.style.take_back + self.style.give_up {
                        self.drop_wait(&rrn, "given up");
                    } else {
                        self.send(wire, &rrn, leg, true)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn drop_wait(&mut self, rrn: &str, what: &str) {
        self.waits.remove(&(rrn.to_owned(), Leg::Request));
        self.note(rrn, what.to_owned());
    }

    fn note(&mut self, rrn: &str, what: String) {
        let at = self.start.elapsed();
        self.payments.get_mut(rrn).unwrap().history.push((at, what));
    }

    fn send_new(&mut self, wire: &mut Wire) -> std::io::Result<()> {
        let kind = match self.chance.below(10) {
            0..6 => Kind::Transfer,
            6..9 => Kind::Purchase,
            _ => Kind::Hold,
        };
        let count = ACCOUNTS.len() as u64;
        let from = self.chance.below(count);
        let to = (from + 1 + self.chance.below(count - 1)) % count;
        let account = |place: u64| ACCOUNTS[usize::try_from(place).unwrap()];
        // No multiple of ten is magic; what ends in 68 is answered late.
        let is_late = self.chance.of_thousand(self.style.late);
        let amount = 100 * self.chance.below(20) + if is_late { 68 } else { 10 };
        let request = Book::request(kind, account(from), account(to), amount);
        let rrn = request.rrn();
        self.payments.insert(rrn.clone(), Payment::new(request, kind, amount));
        self.send(wire, &rrn, Leg::Request, false)?;
        if self.chance.of_thousand(self.style.cancel) {
            self.cancel(wire, &rrn)?;
        }
        Ok(())
    }

    fn cancel(&mut self, wire: &mut Wire, rrn: &str) -> std::io::Result<()> {
        let payment = self.payments.get_mut(rrn).unwrap();
        payment.cancel = Some(Book::cancel(payment));
        self.send(wire, rrn, Leg::Cancel, false)
    }

    fn send(&mut self, wire: &mut Wire, rrn: &str, leg: Leg, repeat: bool) -> std::io::Result<()> {
        let payment = &self.payments[rrn];
        let request = match leg {
            Leg::Request => &payment.request,
            Leg::Cancel => payment.cancel.as_ref().unwrap(),
        };
        let request: Request = if repeat { request.repeat() } else { request.clone() };
        let key = (rrn.to_owned(), leg);
        // Noted before it is sent: a write that fails may have gone out all the same.
        self.waits.insert(key, Wait::Sent(Instant::now()));
        self.note(rrn, format!("sent {}", request.message.mti().as_str()));
        self.shared.sent.fetch_add(1, Ordering::Relaxed);
        wire.send(&request)
    }

    fn send_again(&mut self, wire: &mut Wire, now: Instant) -> std::io::Result<()> {
        let is_due = |wait: &Wait| matches!(wait, Wait::Again(at) if *at <= now);
        let due: Vec<_> = self.waits.iter().filter(|(_, wait)| is_due(wait)).collect();
        let due: Vec<_> = due.into_iter().map(|(key, _)| key.clone()).collect();
        for (rrn, leg) in due {
            self.send(wire, &rrn, leg, true)?;
        }
        Ok(())
    }

    fn hear(&mut self, wire: &mut Wire, answer: &Message) -> std::io::Result<()> {
        let text = |key| answer.get(key).map(|text: veksel_codecs::Text<'_>| text.to_string());
        let Some(rrn) = text(field::RRN) else {
            self.complaints.push(format!("an answer without DE37: {answer:?}"));
            return Ok(());
        };
        let leg = match answer.mti().class() {
            Class::Reversal => Leg::Cancel,
            _ => Leg::Request,
        };
        let key = (rrn.clone(), leg);
        let Some(Wait::Sent(since)) = self.waits.get(&key).copied() else {
            self.complaints.push(format!("an answer to nothing, or a second one: {answer:?}"));
            return Ok(());
        };
        self.check_echo(&rrn, leg, answer);
        let taken = u64::try_from(since.elapsed().as_micros()).unwrap();
        self.shared.slowest_us.fetch_max(taken, Ordering::Relaxed);
        let code = answer.get(field::RESPONSE_CODE).map(|code| code.to_string());
        let code = code.unwrap_or_else(|| "none".to_owned());
        self.note(&rrn, format!("heard {} {code}", answer.mti().as_str()));
        let is_final = match (leg, code.as_str()) {
            // In progress elsewhere; and a reversal has to be taken over sooner or later.
            (_, "09") | (Leg::Cancel, "91") => false,
            (Leg::Request, "00" | "68" | "91") | (Leg::Cancel, "00") => true,
            _ => {
                self.complaints.push(format!("{leg:?} of {rrn} was answered {code}"));
                true
            }
        };
        if !is_final {
            self.waits.insert(key, Wait::Again(Instant::now() + AGAIN));
            return Ok(());
        }
        self.waits.remove(&key);
        let payment = self.payments.get_mut(&rrn).unwrap();
        match leg {
            Leg::Cancel => payment.cancelled = Some(code),
            Leg::Request => {
                let counter = match code.as_str() {
                    "00" => &self.shared.approved,
                    "91" => &self.shared.unavailable,
                    _ => &self.shared.unknown,
                };
                counter.fetch_add(1, Ordering::Relaxed);
                self.shared.answered.fetch_add(1, Ordering::Relaxed);
                let takes_back = code == "00" && payment.cancel.is_none();
                payment.answer = Some(code);
                if takes_back && self.chance.of_thousand(self.style.cancel) {
                    self.cancel(wire, &rrn)?;
                }
            }
        }
        Ok(())
    }

    /// An answer must be the answer to what was asked.
    fn check_echo(&mut self, rrn: &str, leg: Leg, answer: &Message) {
        let payment = &self.payments[rrn];
        let request = match leg {
            Leg::Request => &payment.request.message,
            Leg::Cancel => &payment.cancel.as_ref().unwrap().message,
        };
        let same = answer.mti() == request.mti().response().unwrap()
            && answer.get(field::STAN) == request.get(field::STAN)
            && answer.get(field::AMOUNT) == request.get(field::AMOUNT)
            && answer.expose(field::ACCOUNT.number()).and_then(|raw| raw.text())
                == request.expose(field::ACCOUNT.number()).and_then(|raw| raw.text());
        if !same {
            self.complaints.push(format!("{request:?} was answered {answer:?}"));
        }
    }

    fn complain_of_silence(&mut self) {
        let patience = self.style.patience;
        let is_over = |wait: &Wait| matches!(wait, Wait::Sent(at) if at.elapsed() > patience);
        let silent: Vec<_> = self.waits.iter().filter(|(_, wait)| is_over(wait)).collect();
        let silent: Vec<_> = silent.into_iter().map(|(key, _)| key.clone()).collect();
        for key in silent {
            self.waits.remove(&key);
            self.note(&key.0, format!("silence for {patience:?}"));
            let history = &self.payments[&key.0].history;
            self.complaints.push(format!("silence for {patience:?}: {key:?} {history:?}"));
        }
    }
}
