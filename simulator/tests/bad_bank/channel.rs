//! A channel that keeps a few payments in flight, repeats some that were answered, takes some back,
//! and notes everything it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use veksel_codecs::structured::OriginalData;
use veksel_codecs::{Class, Codec, Dialect, Framing, Message, Mti, Step, field};

/// Of everything these channels send.
const ACQUIRER: &str = "500001";

/// Accounts in NOK with more money than a test can move, and their DE3 type.
const ACCOUNTS: [(&str, &str); 6] = [
    ("10000000012", "10"),
    ("10000000013", "20"),
    ("10000000014", "10"),
    ("10000000016", "10"),
    ("10000000018", "20"),
    ("10000000019", "10"),
];

/// Unanswered requests of a channel.
const WINDOW: usize = 8;

/// Least time between two new payments.
const PACE: Duration = Duration::from_millis(4);

/// The longest a switch may let a channel wait: its `channel_timeout`.
const LIMIT: Duration = Duration::from_secs(4);

/// How long "not now" is left alone before it is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// A payment and everything that was heard of it.
#[derive(Debug)]
pub(crate) struct Payment {
    pub(crate) request: Message,
    pub(crate) amount: i64,
    /// DE39 of the first answer.
    pub(crate) answer: Option<String>,
    pub(crate) cancel: Option<Message>,
    /// DE39 of the final answer to the 0420.
    pub(crate) cancelled: Option<String>,
    pub(crate) history: Vec<(Duration, String)>,
}

/// What channels have to tell.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) payments: BTreeMap<String, Payment>,
    /// Broken promises towards a channel.
    pub(crate) complaints: Vec<String>,
    pub(crate) copies: u64,
    pub(crate) slowest: Duration,
}

impl Told {
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.payments.extend(other.payments);
        self.complaints.extend(other.complaints);
        self.copies += other.copies;
        self.slowest = self.slowest.max(other.slowest);
        self
    }

    fn answered(&self, code: &str) -> u64 {
        let is_it = |payment: &&Payment| payment.answer.as_deref() == Some(code);
        self.payments.values().filter(is_it).count() as u64
    }

    pub(crate) fn approved(&self) -> u64 {
        self.answered("00")
    }

    pub(crate) fn unknown(&self) -> u64 {
        self.answered("68")
    }
}

/// What an answer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Leg {
    Request,
    /// A 0201 of what was answered.
    Copy,
    Cancel,
}

pub(crate) struct Channel {
    stream: TcpStream,
    codec: Codec,
    input: Vec<u8>,
    random: u64,
    place: u64,
    number: u64,
    start: Instant,
    next: Instant,
    waits: BTreeMap<String, (Leg, Instant)>,
    /// Reversals to be repeated.
    again: BTreeSet<(Instant, String)>,
    told: Told,
}

impl Channel {
    pub(crate) fn new(port: u16, seed: u64, place: u64) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
        let now = Instant::now();
        Self {
            stream,
            codec,
            input: Vec::new(),
            random: seed,
            place,
            number: 0,
            start: now,
            next: now,
            waits: BTreeMap::new(),
            again: BTreeSet::new(),
            told: Told::default(),
        }
    }

    /// Sends something new if it is time, and hears what there is.
    pub(crate) fn turn(&mut self) {
        if Instant::now() >= self.next && self.waits.len() < WINDOW {
            self.next = Instant::now() + PACE;
            self.pay();
        }
        self.listen();
    }

    /// Sends nothing new and waits for what is still to be heard.
    pub(crate) fn finish(mut self) -> Told {
        while !self.waits.is_empty() || !self.again.is_empty() {
            self.listen();
        }
        self.told
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn pay(&mut self) {
        let count = ACCOUNTS.len() as u64;
        let from = self.below(count);
        let to = (from + 1 + self.below(count - 1)) % count;
        let account = |place: u64| ACCOUNTS[usize::try_from(place).unwrap()];
        let ((from, from_type), (to, to_type)) = (account(from), account(to));
        let is_transfer = self.below(2) == 0;
        let amount = 100 + self.below(900);
        let code = match is_transfer {
            true => format!("40{from_type}{to_type}"),
            false => format!("00{from_type}00"),
        };
        let mut message = Message::of(Mti::parse("0200").unwrap());
        message.set(field::PROCESSING_CODE, &code);
        message.set(field::AMOUNT, amount);
        message.set(field::LOCAL_TIME, "120000");
        message.set(field::LOCAL_DATE, "1120");
        message.set(field::ACQUIRER, ACQUIRER);
        message.set(field::TERMINAL, &format!("BADBANK{}", self.place));
        message.set(field::ACCEPTOR, "BAD BANK TESTS ");
        message.set(field::CURRENCY, 578);
        message.set(field::ACCOUNT, from);
        if is_transfer {
            message.set(field::COUNTER_ACCOUNT, to);
        } else {
            message.set(field::CATEGORY, "5411");
            message.set(field::ENTRY_MODE, "051");
            message.set(field::CONDITION, "00");
        }
        let number = self.stamp(&mut message);
        // No two runs of a test share a reference.
        let run = jiff::Timestamp::now().as_millisecond().rem_euclid(10_000_000);
        let rrn = format!("{run:07}{}{:04}", self.place, number % 10_000);
        message.set(field::RRN, &rrn);
        let payment = Payment {
            request: message,
            amount: i64::try_from(amount).unwrap(),
            answer: None,
            cancel: None,
            cancelled: None,
            history: Vec::new(),
        };
        self.told.payments.insert(rrn.clone(), payment);
        self.send(&rrn, Leg::Request, false);
    }

    /// A trace number and a time of its own.
    fn stamp(&mut self, message: &mut Message) -> u64 {
        self.number += 1;
        let stan = self.place * 100_000 + self.number % 100_000 + 1;
        message.set(field::STAN, stan);
        let now = jiff::Timestamp::now().strftime("%m%d%H%M%S").to_string();
        message.set(field::TRANSMISSION, &now);
        self.number
    }

    fn cancel(&mut self, rrn: &str) {
        let original = self.told.payments[rrn].request.clone();
        let mut message = original.clone();
        message.set_mti(Mti::parse("0420").unwrap());
        self.stamp(&mut message);
        let named = OriginalData {
            mti: original.mti(),
            stan: u32::try_from(original.get(field::STAN).unwrap()).unwrap(),
            transmission: original.get(field::TRANSMISSION).unwrap().to_string(),
            acquirer: ACQUIRER.to_owned(),
            forwarder: String::new(),
        };
        message.set(field::ORIGINAL_DATA, &named.format());
        self.told.payments.get_mut(rrn).unwrap().cancel = Some(message);
        self.send(rrn, Leg::Cancel, false);
    }

    fn send(&mut self, rrn: &str, leg: Leg, is_repeat: bool) {
        let payment = &self.told.payments[rrn];
        let mut message = match leg {
            Leg::Request | Leg::Copy => payment.request.clone(),
            Leg::Cancel => payment.cancel.clone().unwrap(),
        };
        if is_repeat || leg == Leg::Copy {
            message.set_mti(message.mti().repeat());
        }
        let mut out = BytesMut::new();
        let framing = Framing::binary2();
        framing.encode(&[], &mut out, |out| self.codec.encode(&message, out)).unwrap();
        self.note(rrn, format!("sent {}", message.mti().as_str()));
        self.waits.insert(rrn.to_owned(), (leg, Instant::now()));
        self.stream.write_all(&out).unwrap();
    }

    fn note(&mut self, rrn: &str, what: String) {
        let at = self.start.elapsed();
        self.told.payments.get_mut(rrn).unwrap().history.push((at, what));
    }

    fn listen(&mut self) {
        let now = Instant::now();
        while let Some((at, rrn)) = self.again.first().cloned().filter(|(at, _)| *at <= now) {
            self.again.remove(&(at, rrn.clone()));
            self.send(&rrn, Leg::Cancel, true);
        }
        self.stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("the switch hung up"),
            Ok(count) => self.input.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
        while let Some(answer) = self.take() {
            self.hear(&answer);
        }
        let is_over = |wait: &(Leg, Instant)| wait.1.elapsed() > LIMIT;
        let over = self.waits.iter().filter(|(_, wait)| is_over(wait));
        let over: Vec<_> = over.map(|(rrn, (leg, _))| (rrn.clone(), *leg)).collect();
        for (rrn, leg) in over {
            self.waits.remove(&rrn);
            let history = &self.told.payments[&rrn].history;
            let complaint = format!("{rrn}: no answer to {leg:?} in {LIMIT:?}: {history:?}");
            self.told.complaints.push(complaint);
        }
    }

    fn take(&mut self) -> Option<Message> {
        let Step::Frame { message: frame, consumed, .. } =
            Framing::binary2().decode(&self.input).unwrap()
        else {
            return None;
        };
        let mut message = Message::new();
        self.codec.decode_into(frame, &mut message).unwrap();
        self.input.drain(..consumed);
        Some(message)
    }

    fn hear(&mut self, answer: &Message) {
        let rrn = answer.get(field::RRN).map(|text| text.to_string()).unwrap_or_default();
        let is_cancel = answer.mti().class() == Class::Reversal;
        let wait = self.waits.get(&rrn).copied();
        let Some((leg, since)) = wait.filter(|(leg, _)| (*leg == Leg::Cancel) == is_cancel) else {
            self.told.complaints.push(format!("an answer to nothing, or a second: {answer:?}"));
            return;
        };
        self.waits.remove(&rrn);
        self.told.slowest = self.told.slowest.max(since.elapsed());
        let code = answer.get(field::RESPONSE_CODE).map(|code| code.to_string());
        let code = code.unwrap_or_default();
        self.note(&rrn, format!("heard {} {code}", answer.mti().as_str()));
        let payment = &self.told.payments[&rrn];
        let asked = payment.cancel.as_ref().filter(|_| is_cancel).unwrap_or(&payment.request);
        let is_same = answer.get(field::STAN) == asked.get(field::STAN)
            && answer.get(field::AMOUNT) == asked.get(field::AMOUNT);
        if !is_same {
            self.told.complaints.push(format!("{asked:?} was answered {answer:?}"));
        }
        match leg {
            Leg::Request => self.hear_first(&rrn, code),
            Leg::Copy => {
                self.told.copies += 1;
                if self.told.payments[&rrn].answer.as_ref() != Some(&code) {
                    let history = &self.told.payments[&rrn].history;
                    self.told.complaints.push(format!("{rrn}: a copy was answered {history:?}"));
                }
            }
            Leg::Cancel if matches!(code.as_str(), "09" | "91") => {
                self.again.insert((Instant::now() + AGAIN, rrn));
            }
            Leg::Cancel => {
                self.told.payments.get_mut(&rrn).unwrap().cancelled = Some(code);
            }
        }
    }

    fn hear_first(&mut self, rrn: &str, code: String) {
        let (is_final, is_approved) = (matches!(code.as_str(), "00" | "68"), code == "00");
        if !matches!(code.as_str(), "00" | "68" | "91" | "96") {
            self.told.complaints.push(format!("{rrn} was answered {code}"));
        }
        self.told.payments.get_mut(rrn).unwrap().answer = Some(code);
        match self.below(100) {
            0..5 if is_final => self.send(rrn, Leg::Copy, true),
            5..10 if is_approved => self.cancel(rrn),
            _ => {}
        }
    }
}
