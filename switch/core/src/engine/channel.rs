//! Requests from channels: admit, route, record, send.

use super::Switch;
use super::choice::{Choice, Wish};
use super::duplicate::{Seeking, answer_again, tell_ending};
use crate::answer::{Decline, acknowledge, decline};
use crate::breaker::{Health, Permit, Position};
use crate::bug::{Bug, planted};
use crate::contract::{Leg, Tag, Unsent};
use crate::event::{Dropped, Event, Kind, Shedding};
use crate::intent::{self, Way};
use crate::keys::Fate;
use crate::map::Mix;
use crate::pending::{Stage, Txn};
use crate::plan::{ConnectionId, GroupId, LinkId, LinkRole, ParticipantId, Policy};
use crate::record::{CallerKey, DuplicateKey, Reason, Record, TxnId, Verdict};
use crate::route::Route;
use crate::session::{CUT_OVER, ECHO, SIGN_OFF, SIGN_ON, Session, State, Step};
use crate::time::{Now, Tick};
use core::hash::Hasher;
use std::sync::Arc;
use veksel_codecs::{
    Class, DecodeError, Fault, Message, Mti, Refusal, ResponseCode, field, is_known_class,
};

/// Connections of a group that one request may be offered to.
const ATTEMPTS_MAX: u32 = 3;

/// How often the sessions of channels are looked at, in milliseconds. A channel that says
/// something sets no timer.
const LISTEN_MS: u64 = 1_000;

/// Asks how an earlier request ended.
const QUESTION: Mti = Mti::known(b"0600");

/// Changes what is known here: links and identity checks.
const FILE_UPDATE: Mti = Mti::known(b"0302");

/// A connection of a channel.
#[derive(Debug)]
pub(super) struct Channel {
    connection: ConnectionId,
    has_signed_off: bool,
    /// If its link asks anything of channels.
    session: Option<Box<Session>>,
}

impl Channel {
    /// Whether it must sign on and has not done so yet.
    fn awaits_sign_on(&self) -> bool {
        let awaits =
            |session: &Session| matches!(session.state(), State::Connected | State::SigningOn);
        self.session.as_deref().is_some_and(awaits)
    }

    /// Whether its requests are taken.
    pub(super) fn is_online(&self) -> bool {
        let is_online = |session: &Session| session.state() == State::Online;
        !self.has_signed_off && self.session.as_deref().is_none_or(is_online)
    }
}

impl Switch {
    pub(super) fn handle_received(
        &mut self,
        now: Now,
        connection: ConnectionId,
        message: Message,
        caller_key: Option<CallerKey>,
    ) {
        match self.role(connection) {
            Some(LinkRole::Host(group)) => {
                self.handle_host_message(now, group, connection, message);
            }
            Some(LinkRole::Channel(participant)) => {
                if self.listening.is_some() {
                    self.hear_channel(now, connection);
                }
                self.handle_request(now, connection, participant, message, caller_key);
            }
            Some(LinkRole::Identified) => match self.identity(connection) {
                Some(participant) => {
                    if self.listening.is_some() {
                        self.hear_channel(now, connection);
                    }
                    self.handle_request(now, connection, participant, message, caller_key);
                }
                None => self.recycle(message),
            },
            None => self.recycle(message),
        }
    }

    /// Answers what can be answered of a frame that is no valid request.
    pub(super) fn handle_malformed(
        &mut self,
        now: Now,
        connection: ConnectionId,
        mut message: Message,
        refusal: Refusal,
    ) {
        let link = connection.link;
        let is_host = matches!(self.role(connection), Some(LinkRole::Host(_)));
        let is_request = message.mti() != Mti::NONE && message.mti().is_request();
        // Without its trace number nobody can tell what an answer is to; but a message that was
        // read to its end and simply has none is told so.
        let missing = matches!(refusal, Refusal::Format(DecodeError { fault: Fault::Missing, .. }));
        let readable = is_request && (message.has(field::STAN) || missing);
        let is_unauthentic = refusal == Refusal::Unauthentic;
        // Of a host only its own network management is answered.
        let is_for_us = message.mti().class() == Class::Network;
        if (is_host && !(is_unauthentic && is_for_us)) || !readable {
            let is_answer = !message.mti().is_request();
            let why = match (is_host, is_answer) {
                // An answer of a host that may be anybody's is none (behaviour 50).
                _ if is_unauthentic => Dropped::Unauthentic,
                (false, true) => Dropped::AnswerFromChannel,
                (true, _) | (false, false) => Dropped::Unreadable,
            };
            let error = match refusal {
                Refusal::Format(error) => Some(error),
                Refusal::UnknownCode | Refusal::UnknownType | Refusal::Unauthentic => None,
            };
            self.drop_frame(now, connection, why, message, error, |_, _| None);
            return;
        }
        let (why, fault) = match refusal {
            Refusal::Format(error) => (Decline::FORMAT_ERROR, Some(error)),
            Refusal::UnknownCode => (Decline::INVALID_TRANSACTION, None),
            Refusal::UnknownType if is_known_class(message.mti()) => (Decline::NOT_SUPPORTED, None),
            Refusal::UnknownType => (Decline::INVALID_TRANSACTION, None),
            Refusal::Unauthentic => (Decline::SECURITY_VIOLATION, None),
        };
        decline(&mut message, why);
        if is_unauthentic {
            // Whoever reads MACs must not believe it: it repeats what anybody may have written.
            message.set(field::MAC_FIRST, &[0; 8]);
        }
        if let Some(error) = fault {
            message.set(field::ADDITIONAL_RESPONSE, &error.additional_response());
        }
        let fault = fault.map(|error| error.fault);
        self.count(Event::Refused { link, response: why.code(), fault });
        self.send(connection, message, None, None, None);
    }

    fn handle_request(
        &mut self,
        now: Now,
        connection: ConnectionId,
        participant: ParticipantId,
        mut message: Message,
        caller_key: Option<CallerKey>,
    ) {
        let mti = message.mti();
        if !mti.is_request() {
            let Some(message) = self.take_channel_answer(connection, message) else { return };
            let Some(message) = self.take_advice_answer(now, connection, message) else { return };
            let why = Dropped::AnswerFromChannel;
            self.drop_frame(now, connection, why, message, None, |_, _| None);
            return;
        }
        if let Some(field) = self.claim(participant, &message) {
            self.refuse_claim(now, connection, participant, field, message);
            return;
        }
        if [QUESTION, FILE_UPDATE].contains(&mti.original()) {
            return self.handle_administrative(now, connection, participant, message);
        }
        let code = message.get(field::PROCESSING_CODE);
        let code = code.as_ref().and_then(|code| code.as_bytes().first_chunk::<2>().copied());
        let Some(kind) = Kind::of(mti, code.unwrap_or_default()) else {
            decline(&mut message, Decline::NOT_SUPPORTED);
            let response = ResponseCode::NOT_SUPPORTED;
            self.count(Event::Refused { link: connection.link, response, fault: None });
            self.send(connection, message, None, None, None);
            return;
        };
        self.count(Event::Received { link: connection.link, kind });
        if kind == Kind::Network {
            self.handle_channel_network(connection, message);
            return;
        }
        // Only what moves money is ever a duplicate.
        let (key, original) = if kind.moves_money() {
            let key = intent::key(&self.plan, participant, &message);
            let original = intent::original_key(&key, &message);
            (key, original)
        } else {
            (DuplicateKey::default(), None)
        };
        let arrived = self.since;
        let seeking =
            Seeking { connection, participant, kind, arrived, key, original, message, caller_key };
        let channel = self.channels.get(&connection.serial);
        if channel.is_some_and(Channel::awaits_sign_on) {
            // Nothing is taken over from a channel that must sign on and never has.
            self.answer_at_once(seeking, Decline::HOST_UNAVAILABLE);
        } else if kind.moves_money() {
            // What is late may be known: that is found out first.
            self.handle_money(now, seeking, false);
        } else if self.is_late(now, &seeking) {
            self.shed(now, seeking, Shedding::Late);
        } else {
            self.admit_and_open(now, seeking, false);
        }
    }

    /// A channel asks how an earlier request ended (0600), or wants an account linked or a check
    /// begun (0302): admitted like an inquiry.
    fn handle_administrative(
        &mut self,
        now: Now,
        connection: ConnectionId,
        participant: ParticipantId,
        message: Message,
    ) {
        let kind = Kind::Inquiry;
        self.count(Event::Received { link: connection.link, kind });
        let (key, original, arrived) = (DuplicateKey::default(), None, self.since);
        let is_question = message.mti().original() == QUESTION;
        // Nothing of it is recorded as an intent.
        let caller_key = None;
        let seeking =
            Seeking { connection, participant, kind, arrived, key, original, message, caller_key };
        let channel = self.channels.get(&connection.serial);
        if channel.is_some_and(|channel| !channel.is_online()) || self.draining {
            return self.answer_at_once(seeking, Decline::HOST_UNAVAILABLE);
        }
        match self.admit(now, &seeking, false) {
            Err(why) => self.shed(now, seeking, why),
            Ok(()) if is_question => self.handle_question(now, seeking),
            Ok(()) => self.handle_file_action(now, seeking),
        }
    }

    /// The request that DE90 names is looked for, or without it the financial one with the same
    /// numbers. Asking moves nothing, so nothing of it is recorded.
    fn handle_question(&mut self, now: Now, mut seeking: Seeking) {
        let key = intent::key(&self.plan, seeking.participant, &seeking.message);
        let original = match intent::original_key(&key, &seeking.message) {
            Some(original) => original,
            None => DuplicateKey { class: b'2', ..key.clone() },
        };
        let is_known = self.durable.keys().find(&original, true).is_some();
        (seeking.key, seeking.original) = (key, Some(original));
        if is_known {
            self.answer_question(now, seeking);
        } else {
            self.seek(seeking);
        }
    }

    /// How an earlier request stands: its answer, 09 while there is none, 25 if nobody knows it. A
    /// 68 says in DE48 how far it is undone: until its host has confirmed, money may have moved.
    /// A 91 without more is that nobody can be asked.
    pub(super) fn answer_question(&mut self, now: Now, seeking: Seeking) {
        let known = self.original(seeking.original.as_ref());
        let known = known.and_then(|id| self.durable.keys().get(id)).cloned();
        let Some(known) = known else { return self.answer_at_once(seeking, Decline::NOT_FOUND) };
        let was_not_done = self.was_not_done(&known);
        match known.fate {
            Fate::Pending => {
                if let Some(seeking) = self.tell_standing(now, seeking, known.intent.txn) {
                    self.answer_at_once(seeking, Decline::IN_PROGRESS);
                }
            }
            Fate::Decided { outcome, record } => {
                let undone = known.undone;
                if was_not_done && self.is_on_its_way(&known.intent.key) {
                    // It is tried again.
                    return self.answer_at_once(seeking, Decline::IN_PROGRESS);
                }
                let mut message = answer_again(seeking.message, &outcome, undone.is_some());
                tell_ending(&mut message, undone.map(|undone| undone.stage), was_not_done);
                let record = undone.map_or(record, |undone| undone.record.max(record));
                self.send(seeking.connection, message, Some(record), None, None);
            }
        }
    }

    /// Connections of a link over which a participant's requests are taken now.
    pub(super) fn online_channels(&self, link: LinkId, participant: &str) -> Vec<ConnectionId> {
        let online = self.channels.values().filter(|channel| {
            channel.connection.link == link
                && channel.is_online()
                && self.acts_as(channel.connection, participant)
        });
        online.map(|channel| channel.connection).collect()
    }

    /// Whether a participant of this name acts on a connection.
    pub(super) fn acts_as(&self, connection: ConnectionId, participant: &str) -> bool {
        let id = match self.role(connection) {
            Some(LinkRole::Channel(id)) => Some(id),
            Some(LinkRole::Identified) => self.identity(connection),
            Some(LinkRole::Host(_)) | None => None,
        };
        let plan = id.and_then(|id| self.plan.participants.get(usize::from(id.0)));
        plan.is_some_and(|plan| plan.name == participant)
    }

    /// Sign-on, sign-off, echo, cut-over and change of keys of a channel.
    fn handle_channel_network(&mut self, connection: ConnectionId, message: Message) {
        let Some(mut message) = self.take_key_change(connection, message) else { return };
        let code = message.get(field::NETWORK_CODE);
        match code {
            Some(code @ (SIGN_ON | SIGN_OFF)) => {
                if let Some(channel) = self.channels.get_mut(&connection.serial) {
                    channel.has_signed_off = code == SIGN_OFF;
                    if let Some(session) = &mut channel.session {
                        session.peer_said(code);
                    }
                }
                acknowledge(&mut message);
            }
            Some(ECHO | CUT_OVER) => acknowledge(&mut message),
            Some(_) | None => decline(&mut message, Decline::NOT_SUPPORTED),
        }
        self.send(connection, message, None, None, None);
    }

    /// When a request of this kind is given up.
    pub(super) fn deadline(&self, now: Tick, group: GroupId, kind: Kind) -> Tick {
        let deadlines =
            self.plan.groups.get(usize::from(group.0)).map(|g| g.deadlines).unwrap_or_default();
        now.after_ms(match kind {
            Kind::Inquiry | Kind::Network => deadlines.inquiry_ms,
            Kind::Statement => deadlines.statement_ms,
            Kind::Payment | Kind::Hold | Kind::Advice | Kind::Reversal => deadlines.payment_ms,
        })
    }

    /// Opens a transaction: records the intent if money may move, and sends the request.
    pub(super) fn open(
        &mut self,
        now: Now,
        seeking: Seeking,
        route: Route,
        (choice, group_permit): (Choice, Permit),
    ) {
        let Choice { host, permit: link_permit } = choice;
        let id = self.durable.next_txn();
        let Some(live) = self.group_mut(route.group) else { return };
        let Some(stan) = live.stans.allocate(id) else {
            // Every trace number is in use: what was admitted does not go out after all.
            live.breaker.release(group_permit);
            if let Some(destination) = live.destination(host.link) {
                destination.breaker.release(link_permit);
            }
            let (why, group) = (Decline::HOST_UNAVAILABLE, Some(route.group));
            return self.refuse(now, seeking, why, Reason::Overload, group);
        };
        let Seeking {
            connection: channel,
            participant,
            kind,
            arrived,
            key,
            message,
            caller_key,
            ..
        } = seeking;
        let (request, received) = (message, Now { tick: arrived, utc: now.utc });
        let deadline = self.deadline(arrived, route.group, kind);
        let txn = Txn {
            id,
            channel,
            participant,
            kind,
            route: route.index,
            group: route.group,
            request,
            received,
            deadline,
            host,
            group_permit,
            link_permit,
            stan,
            stage: Stage::Sending,
            attempts: 1,
            intent: None,
            contradicted: false,
            copies: Vec::new(),
            cancelled: None,
            deliveries: 0,
            delivered: false,
        };
        let (link, group) = (channel.link, route.group);
        let way = Way { link, route: route.index, group, stan, caller_key };
        let intent = kind.moves_money().then(|| {
            let mut intent = intent::of(&self.plan, id, now.utc, key, &txn.request, way);
            if let Some(name) = self.old_route(route.index) {
                name.clone_into(&mut intent.route);
            }
            intent
        });
        self.join(route.group, participant, host);
        self.txns.insert(txn);
        self.deadlines.push(deadline, id, kind);
        let after = intent.map(|intent| self.persist(Record::Intent(Arc::new(intent))));
        if let Some(txn) = self.txns.get_mut(id) {
            txn.intent = after;
        }
        self.send_request(id);
    }

    fn join(&mut self, group: GroupId, participant: ParticipantId, host: ConnectionId) {
        if let Some(count) = self.participants.get_mut(usize::from(participant.0)) {
            count.in_flight += 1;
        }
        if let Some(group) = self.group_mut(group) {
            group.in_flight += 1;
        }
        if let Some(host) = self.host_mut(group, host) {
            host.in_flight += 1;
        }
    }

    /// Hands the request, with the switch's trace number, to its connection.
    fn send_request(&mut self, id: TxnId) {
        let mut message = self.spare();
        let Some(txn) = self.txns.get(id) else { return };
        message.copy_from(&txn.request);
        message.header_mut().clear();
        message.set(field::STAN, txn.stan.into());
        let tag = Some(Tag { txn: id, leg: Leg::Request });
        let after = txn.intent.filter(|_| !planted(Bug::SendBeforeIntent));
        let (host, expires) = (txn.host, Some(txn.deadline));
        self.send(host, message, after, tag, expires);
    }

    /// The request was not written: try another connection, or give up with nothing to undo.
    pub(super) fn handle_request_unsent(&mut self, now: Now, id: TxnId, why: Unsent) {
        let Some(txn) = self.txns.get(id) else { return };
        let (group, tried, attempts) = (txn.group, txn.host, txn.attempts);
        let expired = txn.deadline <= now.tick;
        let other = match why {
            Unsent::Closed | Unsent::Unreachable | Unsent::Full
                if !expired && attempts < ATTEMPTS_MAX =>
            {
                let account = self.account(group, &txn.request);
                let is_inquiry = txn.intent.is_none();
                let wish = Wish { is_inquiry, account, not: Some(tried) };
                self.choose(now, group, wish)
            }
            Unsent::Closed
            | Unsent::Unreachable
            | Unsent::Full
            | Unsent::Expired
            | Unsent::Unencodable => None,
        };
        if let Some(other) = other {
            self.move_to(now, id, other, why);
            self.send_request(id);
            return;
        }
        let reason = match why {
            Unsent::Expired => Reason::Expired,
            Unsent::Unencodable => Reason::Unencodable,
            Unsent::Full => Reason::Overload,
            Unsent::Closed | Unsent::Unreachable if expired => Reason::Expired,
            Unsent::Closed | Unsent::Unreachable => Reason::ClosedUnsent,
        };
        let decline = match why {
            Unsent::Unencodable => Decline::FORMAT_ERROR,
            Unsent::Closed | Unsent::Unreachable | Unsent::Expired | Unsent::Full => {
                Decline::HOST_UNAVAILABLE
            }
        };
        // That its host cannot be reached is the host's failure; anything else is not.
        let health = (why == Unsent::Unreachable).then_some((now.tick, Health::Bad));
        self.leave_group(id, health);
        self.declined(now, id, decline, Verdict::NotSent, reason);
    }

    /// A request that was not written goes to another connection.
    fn move_to(&mut self, now: Now, id: TxnId, other: Choice, why: Unsent) {
        let Some(txn) = self.txns.get_mut(id) else { return };
        let (tried, permit, group) = (txn.host, txn.link_permit, txn.group);
        (txn.host, txn.link_permit) = (other.host, other.permit);
        txn.attempts += 1;
        let Some(live) = self.group_mut(group) else { return };
        let may_eject = live.may_eject(tried.link);
        let before = live.link_position(tried.link);
        if let Some(destination) = live.destination(tried.link) {
            match why {
                Unsent::Unreachable => {
                    destination.breaker.report(now.tick, permit, Health::Bad, may_eject);
                }
                Unsent::Closed | Unsent::Full | Unsent::Expired | Unsent::Unencodable => {
                    destination.breaker.release(permit);
                }
            }
        }
        if let Some(position) =
            live.link_position(tried.link).filter(|_| live.link_position(tried.link) != before)
        {
            self.count(Event::LinkBreaker { link: tried.link, position });
        }
        if let Some(host) = self.host_mut(group, tried) {
            host.in_flight = host.in_flight.saturating_sub(1);
        }
        if let Some(host) = self.host_mut(group, other.host) {
            host.in_flight += 1;
        }
    }

    /// The connection that the policy of a group wants for a request.
    pub(super) fn choose(&mut self, now: Now, group: GroupId, wish: Wish) -> Option<Choice> {
        let plan = self.plan.groups.get(usize::from(group.0))?;
        self.groups.get_mut(usize::from(group.0))?.choose(plan, now.tick, wish)
    }

    /// A number for the account of a request, if its group wants one.
    pub(super) fn account(&self, group: GroupId, request: &Message) -> u64 {
        let policy = self.plan.groups.get(usize::from(group.0)).map(|group| group.policy);
        if policy != Some(Policy::Sticky) {
            return 0;
        }
        let mut mix = Mix::default();
        match request.get(field::ACCOUNT) {
            Some(account) => mix.write(account.expose().as_bytes()),
            None => {
                let pan = request.get(field::PAN);
                mix.write(pan.as_ref().map_or("", field::Pan::expose).as_bytes());
            }
        }
        mix.finish()
    }

    /// Sends a request that was written once more. Only a planted bug does.
    pub(super) fn send_elsewhere(&mut self, now: Now, id: TxnId) {
        if let Some(txn) = self.txns.get_mut(id) {
            txn.stage = Stage::Sending;
        }
        self.handle_request_unsent(now, id, Unsent::Closed);
    }

    pub(super) fn handle_link_up(&mut self, now: Now, connection: ConnectionId) {
        match self.role(connection) {
            Some(LinkRole::Channel(_) | LinkRole::Identified) => {
                if self.channels.len() >= self.plan.limits.connections_max as usize {
                    self.close(connection, crate::contract::Closing::TooMany);
                } else {
                    self.channel_up(now, connection);
                }
            }
            Some(LinkRole::Host(group)) => self.handle_host_up(now, group, connection),
            None => {}
        }
    }

    fn channel_up(&mut self, now: Now, connection: ConnectionId) {
        let plan = self.plan.links.get(usize::from(connection.link.0));
        let plan = plan.and_then(|link| link.session.as_session());
        // It never begins with anything to say: the channel signs on, if anybody does.
        let session = plan.map(|plan| Box::new(Session::new(plan, connection.serial, now.tick).0));
        if session.is_some() && self.listening.is_none() {
            self.listening = Some(now.tick.after_ms(LISTEN_MS));
        }
        let channel = Channel { connection, has_signed_off: false, session };
        self.channels.insert(connection.serial, channel);
    }

    fn hear_channel(&mut self, now: Now, connection: ConnectionId) {
        let channel = self.channels.get_mut(&connection.serial);
        if let Some(session) = channel.and_then(|channel| channel.session.as_mut()) {
            session.hear(now.tick);
        }
    }

    /// Takes the answer to an echo of ours; gives back anything else.
    fn take_channel_answer(
        &mut self,
        connection: ConnectionId,
        message: Message,
    ) -> Option<Message> {
        let channel = self.channels.get_mut(&connection.serial);
        let session = channel.and_then(|channel| channel.session.as_mut());
        let stan = message.get(field::STAN).unwrap_or_default();
        let (code, response) =
            (message.get(field::NETWORK_CODE), message.get(field::RESPONSE_CODE));
        let is_network = message.mti().class() == Class::Network;
        let answered = session.filter(|_| is_network);
        if answered.and_then(|session| session.answer(stan, code, response)).is_none() {
            return Some(message);
        }
        self.recycle(message);
        None
    }

    /// Sends echoes to channels that were silent for long, and closes those that answer none.
    pub(super) fn listen_to_channels(&mut self, now: Now) {
        let mut has_any = false;
        let mut steps = Vec::new();
        for channel in self.channels.values_mut() {
            let Some(session) = &mut channel.session else { continue };
            has_any = true;
            match session.handle_timeout(now.tick) {
                Step::Nothing => {}
                step @ (Step::Send { .. } | Step::Close(_)) => {
                    steps.push((channel.connection, step));
                }
            }
        }
        self.listening = has_any.then(|| now.tick.after_ms(LISTEN_MS));
        // In the order in which they came, whatever the order of the table.
        steps.sort_unstable_by_key(|(connection, _)| connection.serial);
        for (connection, step) in steps {
            self.take_step(now, connection, step);
        }
    }

    pub(super) fn handle_link_down(&mut self, now: Now, connection: ConnectionId) {
        match self.role(connection) {
            Some(LinkRole::Channel(_) | LinkRole::Identified) => {
                self.channels.remove(&connection.serial);
                self.identities.remove(&connection.serial);
            }
            Some(LinkRole::Host(group)) => self.handle_host_down(now, group, connection),
            None => {}
        }
    }

    pub(super) fn handle_breaker_change(&mut self, group: GroupId, before: Position) {
        if let Some(position) = self.group(group).map(|group| group.breaker.position())
            && position != before
        {
            self.count(Event::Breaker { group, position });
        }
    }
}
