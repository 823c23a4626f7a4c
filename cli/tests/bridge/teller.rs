//! A channel: it asks, hears, and says of every advice (0620) that it knows (0630).

use crate::rig::{ACCOUNT, PAYEE};
use crate::stage::{Book, Kind, Payment, Request, Wire};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use veksel_codecs::structured::tags;
use veksel_codecs::{Message, ResponseCode, field};

/// How long anything may take that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// A transfer from the linked account.
pub(crate) fn transfer(amount: u64) -> Request {
    transfer_from(ACCOUNT, amount)
}

pub(crate) fn transfer_from(account: &str, amount: u64) -> Request {
    Book::request(Kind::Transfer, (account, "00"), (PAYEE, "00"), amount)
}

/// The 0420 of a transfer.
pub(crate) fn cancellation(request: &Request, amount: u64) -> Request {
    Book::cancel(&Payment::new(request.clone(), Kind::Transfer, amount))
}

/// DE39 of an answer.
pub(crate) fn code(answer: &Message) -> String {
    answer.get(field::RESPONSE_CODE).map(|code| code.to_string()).unwrap_or_default()
}

/// A private tag of an answer.
pub(crate) fn tag(answer: &Message, tag: &str) -> Option<String> {
    let data = answer.get(field::ADDITIONAL_DATA)?;
    tags::find(data.as_str(), tag).map(str::to_owned)
}

fn text(message: &Message, key: veksel_codecs::Key<field::Characters>) -> String {
    message.get(key).map(|text| text.to_string()).unwrap_or_default()
}

/// See the module's description.
pub(crate) struct Teller {
    wire: Wire,
    /// By RRN, every code that an advice told.
    pub(crate) advised: BTreeMap<String, Vec<String>>,
}

impl Teller {
    pub(crate) fn open(port: u16) -> Self {
        Self::on(Wire::open(port).unwrap())
    }

    /// On a connection in a dialect of its own.
    pub(crate) fn on(wire: Wire) -> Self {
        Self { wire, advised: BTreeMap::new() }
    }

    /// Sends, and does not wait.
    pub(crate) fn send(&mut self, request: &Request) {
        self.wire.send(request).unwrap();
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Message {
        self.wire.send(request).unwrap();
        let wanted = request.message.mti().response().unwrap();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let Some(message) = self.hear(Duration::from_millis(200)) else { continue };
            let is_same = message.get(field::STAN) == request.message.get(field::STAN);
            if is_same && message.mti() == wanted {
                return message;
            }
        }
        panic!("no answer to {:?}", request.message);
    }

    /// The next answer, whatever it is to.
    pub(crate) fn next(&mut self) -> Message {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(message) = self.hear(Duration::from_millis(200)) {
                return message;
            }
        }
        panic!("no answer");
    }

    /// Waits for the first advice of a payment.
    pub(crate) fn await_advice(&mut self, rrn: &str) -> String {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(code) = self.advised.get(rrn).and_then(|codes| codes.first()) {
                return code.clone();
            }
            let _ = self.hear(Duration::from_millis(200));
        }
        panic!("no advice of {rrn}; of others: {:?}", self.advised);
    }

    /// Hears what comes meanwhile.
    pub(crate) fn listen(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            let _ = self.hear(Duration::from_millis(20));
        }
    }

    /// The next message that is no advice, if one comes in time.
    fn hear(&mut self, patience: Duration) -> Option<Message> {
        let message = self.wire.receive(patience).unwrap()?;
        let mti = message.mti();
        if !["0620", "0220"].contains(&mti.original().as_str()) {
            return Some(message);
        }
        let rrn = text(&message, field::RRN);
        self.advised.entry(rrn).or_default().push(code(&message));
        let mut answer = message;
        answer.set_mti(mti.response().unwrap());
        answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
        answer.remove(field::ADDITIONAL_DATA);
        self.wire.send(&Request { message: answer }).unwrap();
        None
    }
}
