//! Requests in flight: what each may be answered with, and what became of it.
//!
//! A request is `InFlight`, then once `Answered`, `Wrong`, `Expired` or `Lost`. The fate of the
//! newest million is remembered, so that a second answer is told from a stranger. Whatever
//! arrives, one counter rises and nothing fails.
//!
//! It holds no clock and no socket: times are microseconds since the run began and come in.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use veksel_codecs::{Message, Mti, ResponseCode, field};

use super::Kind;
use super::numbers::{Numbers, serial_of_stan, stan};
use super::tally::Tally;
use super::traffic::{Movement, Traffic};
use crate::money::Money;

/// Requests whose fate is remembered; 8 bytes each.
const FATES_MAX: usize = 1 << 20;

/// The answer to a 0200.
const RESPONSE: Mti = Mti::known(b"0210");

/// What may be in flight and be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) in_flight_max: usize,
    pub(crate) timeout_us: u64,
    pub(crate) movements_max: usize,
}

/// What an answer must agree with.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    /// Tells one connection from the next, also from the one that replaces it.
    pub(crate) session: u32,
    /// When it should have been sent, whenever it was.
    pub(crate) due_us: u64,
    /// DE3.
    pub(crate) code: String,
    /// DE41.
    pub(crate) terminal: String,
    /// DE4 and DE49.
    pub(crate) money: Money,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    InFlight,
    Answered,
    Wrong,
    Expired,
    Lost,
}

/// See the module's description.
pub(crate) struct Tracker {
    bounds: Bounds,
    numbers: Numbers,
    in_flight: BTreeMap<u64, Request>,
    /// Session and fate of each serial from `fates_from` on.
    fates: VecDeque<(u32, Fate)>,
    fates_from: u64,
    tally: Tally,
    movements: Vec<Movement>,
    begun_us: Option<u64>,
    ended_us: Option<u64>,
}

impl Tracker {
    pub(crate) fn new(bounds: Bounds, numbers: Numbers) -> Self {
        Self {
            bounds,
            numbers,
            in_flight: BTreeMap::new(),
            fates: VecDeque::new(),
            fates_from: 1,
            tally: Tally::default(),
            movements: Vec::new(),
            begun_us: None,
            ended_us: None,
        }
    }

    /// Of the next request that is sent.
    pub(crate) fn next_serial(&self) -> u64 {
        self.fates_from + self.fates.len() as u64
    }

    pub(crate) const fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// Whether the next request has to be skipped.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight.len() >= self.bounds.in_flight_max
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// From here on time counts as elapsed.
    pub(crate) fn begin(&mut self, at_us: u64) {
        self.begun_us = Some(at_us);
    }

    /// Nothing more is sent.
    pub(crate) fn end(&mut self, at_us: u64) {
        self.ended_us = Some(at_us);
    }

    pub(crate) fn skip(&mut self, count: u64) {
        self.tally.traffic.skipped += count;
    }

    pub(crate) fn reconnect(&mut self) {
        self.tally.traffic.reconnects += 1;
    }

    /// The request with [`Tracker::next_serial`] is on its way.
    pub(crate) fn send(&mut self, request: Request) {
        let serial = self.next_serial();
        self.tally.sent(request.kind);
        self.fates.push_back((request.session, Fate::InFlight));
        if self.fates.len() > FATES_MAX {
            self.fates.pop_front();
            self.fates_from += 1;
        }
        self.in_flight.insert(serial, request);
    }

    /// Something that is no message came.
    pub(crate) fn unreadable(&mut self) {
        self.tally.traffic.unknown += 1;
    }

    /// A message came on a connection.
    pub(crate) fn answer(&mut self, at_us: u64, session: u32, message: &Message) {
        let latest = self.next_serial() - 1;
        let rrn = message.get(field::RRN);
        let named = rrn
            .as_ref()
            .and_then(|rrn| self.numbers.serial_of_rrn(rrn.as_bytes()))
            .filter(|serial| *serial <= latest);
        let by_stan = || serial_of_stan(message.get(field::STAN)?, latest);
        let Some(serial) = named.or_else(by_stan) else {
            self.tally.traffic.unknown += 1;
            return;
        };
        let is_asked_here = |request: &Request| request.session == session;
        if !self.in_flight.get(&serial).is_some_and(is_asked_here) {
            self.note_surplus(session, named);
            return;
        }
        let Some(request) = self.in_flight.remove(&serial) else { return };
        match self.agreement(serial, &request, message) {
            Some((code, minor)) => {
                self.set_fate(serial, Fate::Answered);
                self.note_answer(at_us, serial, &request, code, minor);
            }
            None => {
                self.set_fate(serial, Fate::Wrong);
                self.tally.traffic.wrong += 1;
            }
        }
    }

    /// Response code and approved amount, if the message is the answer to the request.
    fn agreement(
        &self,
        serial: u64,
        request: &Request,
        message: &Message,
    ) -> Option<(ResponseCode, i64)> {
        let code = message.get(field::RESPONSE_CODE)?;
        let minor = i64::try_from(message.get(field::AMOUNT)?).ok()?;
        let asked = request.money.minor;
        let is_amount = match code == ResponseCode::PARTIALLY_APPROVED {
            true => minor <= asked,
            false => minor == asked,
        };
        let is_ours = message.mti() == RESPONSE
            && message.get(field::STAN)? == stan(serial)
            && message.get(field::RRN)? == self.numbers.rrn(serial).as_str()
            && message.get(field::PROCESSING_CODE)? == request.code.as_str()
            && message.get(field::CURRENCY)? == u64::from(request.money.currency.numeric())
            && message.get(field::TERMINAL)?.trimmed() == request.terminal;
        (is_ours && is_amount).then_some((code, minor))
    }

    /// An answer that nobody waits for on its connection.
    fn note_surplus(&mut self, session: u32, named: Option<u64>) {
        let traffic = &mut self.tally.traffic;
        let place = named.and_then(|serial| serial.checked_sub(self.fates_from));
        let place = place.and_then(|place| usize::try_from(place).ok());
        let fate = place.and_then(|place| self.fates.get(place));
        match fate.filter(|(asked, _)| *asked == session).map(|(_, fate)| *fate) {
            Some(Fate::Answered | Fate::Wrong) => traffic.duplicated += 1,
            Some(Fate::Expired) => traffic.late += 1,
            Some(Fate::InFlight | Fate::Lost) | None => traffic.unknown += 1,
        }
    }

    fn note_answer(
        &mut self,
        at_us: u64,
        serial: u64,
        request: &Request,
        code: ResponseCode,
        minor: i64,
    ) {
        let kind = request.kind;
        self.tally.answered(at_us, kind, code, at_us.saturating_sub(request.due_us));
        if !code.is_approval() || !kind.moves_money() {
            return;
        }
        let money = Money::new(minor, request.money.currency);
        self.tally.approved_money(kind, money);
        if self.movements.len() >= self.bounds.movements_max {
            self.tally.traffic.movements_omitted += 1;
            return;
        }
        let rrn = self.numbers.rrn(serial).as_str().to_owned();
        self.movements.push(Movement { rrn, stan: stan(serial), kind, money });
    }

    /// Gives up what should have been answered by now.
    pub(crate) fn expire(&mut self, at_us: u64) {
        while let Some(oldest) = self.in_flight.first_entry() {
            if at_us.saturating_sub(oldest.get().due_us) < self.bounds.timeout_us {
                return;
            }
            let serial = *oldest.key();
            oldest.remove();
            self.give_up(serial, Fate::Expired);
        }
    }

    /// A connection ended: what was asked on it cannot be answered any more.
    pub(crate) fn lose(&mut self, session: u32) {
        let asked =
            |(serial, request): (&u64, &Request)| (request.session == session).then_some(*serial);
        let lost: Vec<u64> = self.in_flight.iter().filter_map(asked).collect();
        for serial in lost {
            self.in_flight.remove(&serial);
            self.tally.traffic.lost += 1;
            self.give_up(serial, Fate::Lost);
        }
    }

    /// Waits for nothing any more.
    pub(crate) fn abandon(&mut self) {
        while let Some((serial, _)) = self.in_flight.pop_first() {
            self.give_up(serial, Fate::Expired);
        }
    }

    fn give_up(&mut self, serial: u64, fate: Fate) {
        self.tally.traffic.unanswered += 1;
        self.set_fate(serial, fate);
    }

    fn set_fate(&mut self, serial: u64, fate: Fate) {
        let place = serial.checked_sub(self.fates_from);
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.fates.get_mut(place)) {
            entry.1 = fate;
        }
    }

    /// Without the list of movements.
    pub(crate) fn snapshot(&mut self, at_us: u64) -> Traffic {
        let from = self.begun_us.unwrap_or(at_us);
        let to = self.ended_us.unwrap_or(at_us);
        Traffic {
            in_flight: self.in_flight.len() as u64,
            elapsed: Duration::from_micros(to.saturating_sub(from)),
            ..self.tally.read(at_us)
        }
    }

    /// With the list of movements, which is gone from here then.
    pub(crate) fn finish(&mut self, at_us: u64) -> Traffic {
        let movements = std::mem::take(&mut self.movements);
        Traffic { movements, ..self.snapshot(at_us) }
    }
}

#[cfg(test)]
mod tests;
