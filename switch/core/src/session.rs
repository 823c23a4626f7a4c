//! The session of one host connection: sign-on, echo, sign-off (switch semantics 38 to 40).
//!
//! ```text
//!   (made) ─► SigningOn ──0810 00──► Online ──0800 002, either way──► Draining
//!     │           │ refused, late    ▲ │ ▲                               │ nothing in flight
//!     ▼           ▼                  │ │ └──0800 001 from the host──┐    ▼
//! Connected ──► Down ◄─echoes missed─┼─┘                            └─ Suspended
//!     └──────0800 001 from the host──┘
//! ```
//!
//! Only `Online` carries requests; network management is carried always. Echoes have their own
//! trace numbers, so that they take none from business. It writes nothing itself: each call says
//! what is to be sent, if anything.

use crate::contract::Closing;
use crate::plan::SessionPlan;
use crate::time::Tick;
use veksel_codecs::ResponseCode;

/// DE70 of a sign-on.
pub(crate) const SIGN_ON: u64 = 1;
/// DE70 of a sign-off.
pub(crate) const SIGN_OFF: u64 = 2;
/// DE70 of a cut-over.
pub(crate) const CUT_OVER: u64 = 201;
/// DE70 of a change of keys, as one network or another numbers it.
pub(crate) const KEY_CHANGES: [u64; 3] = [101, 161, 162];
/// DE70 of an echo.
pub(crate) const ECHO: u64 = 301;

/// How far a session has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum State {
    /// The connection is there and the host has not signed on, as it must.
    Connected,
    /// Sign-on was sent and not yet answered.
    SigningOn,
    /// Requests may be sent.
    Online,
    /// Signed off, by the host or by the switch: what is in flight may end, nothing new is sent.
    Draining,
    /// Signed off and nothing is in flight any more. Only network management goes over it.
    Suspended,
    /// The connection is gone.
    Down,
}

impl State {
    /// Every state, in the order of declaration.
    pub const ALL: [Self; 6] = [
        Self::Connected,
        Self::SigningOn,
        Self::Online,
        Self::Draining,
        Self::Suspended,
        Self::Down,
    ];

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::SigningOn => "signing_on",
            Self::Online => "online",
            Self::Draining => "draining",
            Self::Suspended => "suspended",
            Self::Down => "down",
        }
    }
}

/// What a session wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Nothing.
    Nothing,
    /// Send an 0800.
    Send {
        /// DE70.
        code: u64,
        /// DE11.
        stan: u32,
    },
    /// Close the connection.
    Close(Closing),
}

/// An 0800 that waits for its 0810.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    code: u64,
    stan: u32,
    deadline: Tick,
}

/// The session of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    plan: SessionPlan,
    state: State,
    /// When something was last received.
    heard: Tick,
    pending: Option<Exchange>,
    /// Whether the host has not yet accepted our sign-on, and whether it has not yet made its own.
    owes: (bool, bool),
    /// Whether the switch gives the connection up, so that no sign-on brings it back.
    is_retired: bool,
    /// Whether the host was told so.
    said_so: bool,
    misses: u32,
    stan: u32,
    /// Added to the idle time, so that the echoes of many connections do not come together.
    spread_ms: u64,
}

impl Session {
    /// A connection was just made.
    pub(crate) fn new(plan: SessionPlan, serial: u64, now: Tick) -> (Self, Step) {
        let tenth = plan.echo_idle_ms / 10;
        let spread_ms = serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (tenth + 1);
        let owes = (plan.sign_on, plan.peer_signs_on);
        let mut session = Self {
            plan,
            state: State::Connected,
            heard: now,
            pending: None,
            owes,
            is_retired: false,
            said_so: false,
            misses: 0,
            stan: 0,
            spread_ms,
        };
        session.promote();
        let step = if plan.sign_on { session.send(SIGN_ON, now) } else { Step::Nothing };
        (session, step)
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    /// How far it has come by what is still owed.
    const fn promote(&mut self) {
        self.state = match self.owes {
            // It is being given up, and no sign-on brings it back.
            _ if self.is_retired => State::Suspended,
            (true, _) => State::SigningOn,
            (false, true) => State::Connected,
            (false, false) => State::Online,
        };
    }

    /// Whether the connection is being given up.
    pub(crate) const fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// When something was last received.
    pub(crate) const fn heard(&self) -> Tick {
        self.heard
    }

    /// Echoes in a row without an answer.
    pub(crate) const fn misses(&self) -> u32 {
        self.misses
    }

    /// Goes on by other rules. A sign-on that is over is not asked for again.
    pub(crate) const fn replan(&mut self, plan: SessionPlan) {
        self.plan = plan;
    }

    /// Gives the connection up: nothing new is sent over it. The host hears of it when what is
    /// in flight has ended; before that it would refuse what is still on its way.
    pub(crate) fn retire(&mut self) {
        self.is_retired = true;
        if self.state == State::Online {
            self.state = State::Draining;
        }
    }

    /// Nothing is in flight on it, which ends a drain: with a sign-off, if the switch drains it
    /// and had signed on.
    pub(crate) fn suspend(&mut self, now: Tick) -> Step {
        if self.state != State::Draining || self.is_signing_off() {
            return Step::Nothing;
        }
        if self.is_retired && self.plan.sign_on && !core::mem::replace(&mut self.said_so, true) {
            return self.send(SIGN_OFF, now);
        }
        self.state = State::Suspended;
        Step::Nothing
    }

    fn send(&mut self, code: u64, now: Tick) -> Step {
        self.stan = self.stan % 999_999 + 1;
        let (stan, deadline) = (self.stan, now.after_ms(self.plan.answer_ms));
        self.pending = Some(Exchange { code, stan, deadline });
        Step::Send { code, stan }
    }

    /// Sends an echo now, unless one is already out.
    pub(crate) fn echo(&mut self, now: Tick) -> Step {
        match (self.state, self.pending) {
            (State::Online, None) => self.send(ECHO, now),
            _ => Step::Nothing,
        }
    }

    /// Tells the host that nothing new will come. Nothing, if there was no sign-on.
    pub(crate) fn sign_off(&mut self, now: Tick) -> Step {
        if self.state != State::Online || !self.plan.sign_on {
            return Step::Nothing;
        }
        self.state = State::Draining;
        self.send(SIGN_OFF, now)
    }

    /// Whether a sign-off is not answered yet.
    pub(crate) fn is_signing_off(&self) -> bool {
        self.pending.is_some_and(|exchange| exchange.code == SIGN_OFF)
    }

    /// Anything at all was received.
    pub(crate) const fn hear(&mut self, now: Tick) {
        self.heard = now;
        self.misses = 0;
    }

    /// An 0810 arrived. The code of the 0800 it answers, or `None` if it answers none.
    pub(crate) fn answer(
        &mut self,
        stan: u64,
        code: Option<u64>,
        response: Option<ResponseCode>,
    ) -> Option<(u64, Step)> {
        let fits = |exchange: &Exchange| {
            u64::from(exchange.stan) == stan && code.is_none_or(|code| code == exchange.code)
        };
        let exchange = self.pending.take_if(|exchange| fits(exchange))?;
        let accepted = response == Some(ResponseCode::APPROVED);
        let step = match exchange.code {
            SIGN_ON if accepted => {
                self.owes.0 = false;
                self.promote();
                Step::Nothing
            }
            SIGN_ON => Step::Close(Closing::SignOn),
            // A host that refuses an echo is there all the same.
            _ => Step::Nothing,
        };
        Some((exchange.code, step))
    }

    /// The host signed on or off.
    pub(crate) fn peer_said(&mut self, code: u64) {
        match (code, self.state) {
            (SIGN_ON, State::SigningOn | State::Connected) => {
                // Who signs on as well as we do must do both; otherwise either will do.
                self.owes = (self.owes.0 && self.plan.peer_signs_on, false);
                if !self.owes.0 {
                    self.pending = None;
                }
                self.promote();
            }
            (SIGN_ON, State::Draining | State::Suspended) if !self.is_retired => {
                self.state = State::Online;
                self.pending = None;
            }
            (SIGN_OFF, State::Online) => self.state = State::Draining,
            _ => {}
        }
    }

    /// When [`Session::handle_timeout`] has something to do.
    pub(crate) fn timeout(&self) -> Option<Tick> {
        match self.pending {
            Some(exchange) => Some(exchange.deadline),
            None if self.plan.echo_idle_ms == 0 => None,
            None => Some(self.heard.after_ms(self.plan.echo_idle_ms + self.spread_ms)),
        }
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Tick) -> Step {
        if self.timeout().is_none_or(|due| now < due) {
            return Step::Nothing;
        }
        match self.pending.take() {
            Some(Exchange { code: SIGN_ON, .. }) => Step::Close(Closing::SignOn),
            Some(Exchange { code: SIGN_OFF, .. }) => Step::Nothing,
            Some(_) => {
                if self.plan.echo_idle_ms == 0 {
                    // A breaker asked, and will ask again; the silence closes nothing.
                    return Step::Nothing;
                }
                self.misses += 1;
                if self.misses >= self.plan.echo_misses_max {
                    Step::Close(Closing::Echo)
                } else {
                    self.send(ECHO, now)
                }
            }
            None => self.send(ECHO, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick::default().after_ms(ms)
    }

    fn online() -> Session {
        let (mut session, step) = Session::new(SessionPlan::default(), 0, at(0));
        assert_eq!(step, Step::Send { code: SIGN_ON, stan: 1 });
        assert_eq!(session.state(), State::SigningOn);
        let answered = session.answer(1, Some(SIGN_ON), Some(ResponseCode::APPROVED));
        assert_eq!(answered, Some((SIGN_ON, Step::Nothing)));
        assert_eq!(session.state(), State::Online);
        session
    }

    #[test]
    fn a_refused_or_silent_sign_on_closes() {
        let (mut session, _) = Session::new(SessionPlan::default(), 0, at(0));
        let answered = session.answer(1, Some(SIGN_ON), Some(ResponseCode::DO_NOT_HONOUR));
        assert_eq!(answered, Some((SIGN_ON, Step::Close(Closing::SignOn))));
        let (mut session, _) = Session::new(SessionPlan::default(), 0, at(0));
        assert_eq!(session.handle_timeout(at(9_999)), Step::Nothing);
        assert_eq!(session.handle_timeout(at(10_000)), Step::Close(Closing::SignOn));
    }

    #[test]
    fn an_answer_to_something_else_is_not_taken() {
        let (mut session, _) = Session::new(SessionPlan::default(), 0, at(0));
        assert_eq!(session.answer(2, Some(SIGN_ON), Some(ResponseCode::APPROVED)), None);
        assert_eq!(session.answer(1, Some(ECHO), Some(ResponseCode::APPROVED)), None);
        assert_eq!(session.state(), State::SigningOn);
    }

    #[test]
    fn three_missed_echoes_close_and_any_traffic_saves() {
        let mut session = online();
        assert_eq!(session.handle_timeout(at(60_000)), Step::Send { code: ECHO, stan: 2 });
        assert_eq!(session.handle_timeout(at(70_000)), Step::Send { code: ECHO, stan: 3 });
        session.hear(at(71_000));
        assert_eq!(session.handle_timeout(at(80_000)), Step::Send { code: ECHO, stan: 4 });
        assert_eq!(session.handle_timeout(at(90_000)), Step::Send { code: ECHO, stan: 5 });
        assert_eq!(session.handle_timeout(at(100_000)), Step::Close(Closing::Echo));
    }

    #[test]
    fn a_sign_off_is_said_once_and_ends_with_its_answer_or_its_deadline() {
        let mut session = online();
        assert_eq!(session.sign_off(at(1_000)), Step::Send { code: SIGN_OFF, stan: 2 });
        assert_eq!(session.sign_off(at(1_000)), Step::Nothing);
        assert_eq!(session.state(), State::Draining);
        let mut unheard = online();
        unheard.sign_off(at(1_000));
        let approved = Some(ResponseCode::APPROVED);
        assert_eq!(session.answer(2, Some(SIGN_OFF), approved), Some((SIGN_OFF, Step::Nothing)));
        assert!(!session.is_signing_off() && unheard.is_signing_off());
        assert_eq!(unheard.handle_timeout(at(30_000)), Step::Nothing);
        assert!(!unheard.is_signing_off());
        let (mut early, _) = Session::new(SessionPlan::default(), 0, at(0));
        assert_eq!(early.sign_off(at(1)), Step::Nothing, "it never signed on");
    }

    #[test]
    fn the_host_may_sign_off_and_on_again() {
        let mut session = online();
        session.peer_said(SIGN_OFF);
        assert_eq!(session.state(), State::Draining);
        session.peer_said(SIGN_ON);
        assert_eq!(session.state(), State::Online);
        session.peer_said(SIGN_OFF);
        assert_eq!(session.suspend(at(1)), Step::Nothing);
        assert_eq!(session.state(), State::Suspended);
        session.peer_said(SIGN_ON);
        assert_eq!(session.state(), State::Online);
    }

    #[test]
    fn a_host_that_signs_on_itself_is_waited_for() {
        let plan = SessionPlan { sign_on: false, peer_signs_on: true, ..SessionPlan::default() };
        let (mut session, step) = Session::new(plan, 0, at(0));
        assert_eq!((session.state(), step), (State::Connected, Step::Nothing));
        session.peer_said(SIGN_OFF);
        assert_eq!(session.state(), State::Connected);
        session.peer_said(SIGN_ON);
        assert_eq!(session.state(), State::Online);
        // Both ways: each is needed, in whichever order.
        for host_first in [false, true] {
            let plan = SessionPlan { peer_signs_on: true, ..SessionPlan::default() };
            let (mut session, _) = Session::new(plan, 0, at(0));
            let accept = |session: &mut Session| {
                session.answer(1, Some(SIGN_ON), Some(ResponseCode::APPROVED)).unwrap();
            };
            if host_first {
                session.peer_said(SIGN_ON);
                assert_eq!(session.state(), State::SigningOn);
                accept(&mut session);
            } else {
                accept(&mut session);
                assert_eq!(session.state(), State::Connected);
                session.peer_said(SIGN_ON);
            }
            assert_eq!(session.state(), State::Online);
        }
    }

    #[test]
    fn what_is_given_up_stays_given_up() {
        let mut session = online();
        session.retire();
        session.peer_said(SIGN_ON);
        assert_eq!((session.state(), session.is_retired()), (State::Draining, true));
        assert_eq!(session.suspend(at(1)), Step::Send { code: SIGN_OFF, stan: 2 });
        assert_eq!(session.suspend(at(2)), Step::Nothing);
        assert_eq!(session.state(), State::Draining, "the host has not yet answered");
        session.answer(2, Some(SIGN_OFF), Some(ResponseCode::APPROVED)).unwrap();
        assert_eq!(session.suspend(at(3)), Step::Nothing);
        assert_eq!(session.state(), State::Suspended);
        let plan = SessionPlan { sign_on: false, ..SessionPlan::default() };
        let (mut unsigned, _) = Session::new(plan, 0, at(0));
        unsigned.retire();
        assert_eq!(unsigned.state(), State::Draining);
        assert_eq!(unsigned.suspend(at(1)), Step::Nothing);
        assert_eq!(unsigned.state(), State::Suspended);
    }
}
