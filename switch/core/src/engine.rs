//! The engine: one state machine that decides everything and does nothing.
//!
//! The world calls [`Switch::handle`] and [`Switch::handle_timeout`], then takes what the engine
//! wants from [`Switch::poll_output`] until there is no more, and asks [`Switch::poll_timeout`]
//! how long it may sleep. It has no clock, socket, lock or chance; the same inputs give the same
//! outputs.
//!
//! Whatever can move or hold money is recorded before its first byte leaves (`Intent`), and what
//! became of it is recorded before the channel hears it (`Outcome`). Records change the durable
//! state through [`Switch::apply`] and nothing else does.

mod admit;
mod advice;
mod bridge;
mod carried;
mod channel;
mod choice;
mod control;
mod cutover;
mod duplicate;
mod explain;
mod host;
mod identity;
mod look;
mod outcome;
mod rekey;
mod replan;
mod reversal;

use crate::admission::{Bucket, Waiting};
use crate::breaker::{Breaker, Position};
use crate::bug::{Bug, planted};
use crate::contract::{Action, Closing, Input, Leg, Output, Tag, Unsent};
use crate::durable::Durable;
use crate::event::Event;
use crate::map::Table;
use crate::pending::{Deadlines, Stage, Stans, Txns};
use crate::plan::{
    ConnectionId, GroupId, GroupPlan, LinkId, LinkRole, ParticipantId, ParticipantPlan, Plan,
};
use crate::record::{Notice, Reason, Record, RecordId, TxnId};
use crate::reversals::Reversals;
use crate::session::{Session, State};
use crate::time::{Now, Tick, Utc};
use choice::Destination;
pub(crate) use duplicate::Seeking;
use explain::Allowance;
pub use explain::{Nearest, Rrn, Seen};
use identity::Claims;
pub use look::{GroupLook, HostLook};
use std::collections::{BTreeMap, VecDeque};
use veksel_codecs::{Message, Mti};

/// Messages kept for the next frames, so that a warm engine allocates none.
const SPARE_MAX: usize = 1_024;

/// The engine of one shard.
#[derive(Debug)]
pub struct Switch {
    plan: Plan,
    groups: Vec<Group>,
    /// Channel connections by serial.
    channels: Table<u64, channel::Channel>,
    /// When the sessions of channels are looked at again; `None` while no channel has one.
    listening: Option<Tick>,
    /// Who acts on a connection, by serial, where its certificate says so.
    identities: Table<u64, ParticipantId>,
    /// What was claimed and not granted, by participant.
    claims: Vec<Claims>,
    /// What participants have in flight and may send, in the order of the plan.
    participants: Vec<Participant>,
    /// Requests that wait for room at a group, of all groups.
    waiting: usize,
    /// When what is being handled was read.
    since: Tick,
    txns: Txns,
    deadlines: Deadlines,
    seeking: BTreeMap<TxnId, Seeking>,
    bridge: bridge::Bridge,
    /// Requests that were refused, until the intent that says so is durable.
    refusals: VecDeque<(RecordId, TxnId, Seeking)>,
    /// Those whose intent the store did not take, until it says who holds their key.
    contested: BTreeMap<TxnId, Vec<Seeking>>,
    durable: Durable,
    outputs: VecDeque<Output>,
    spare: Vec<Message>,
    draining: bool,
    /// When connections that are being given up, or were signed off, are looked at again.
    tending: Option<Tick>,
    /// Names of routes that are no longer in the plan and by which requests in flight came. Their
    /// indices follow those of the plan.
    old_routes: Vec<String>,
    explaining: Allowance,
    /// Whether the journal takes no new payments.
    full: bool,
    /// Whether each request that is answered is told of with what traces want to know.
    says_carried: bool,
}

/// The live side of a participant.
#[derive(Debug)]
struct Participant {
    /// Requests in flight or waiting.
    in_flight: u32,
    bucket: Bucket,
}

impl Participant {
    fn new(plan: &ParticipantPlan) -> Self {
        Self { in_flight: 0, bucket: Bucket::new(plan) }
    }
}

/// The live side of a link group.
#[derive(Debug)]
struct Group {
    hosts: Vec<Host>,
    /// Its links, in the order of the plan.
    links: Vec<Destination>,
    /// Which of them had the last turn.
    turn: usize,
    breaker: Breaker,
    /// Requests that wait for room.
    waiting: Waiting,
    stans: Stans,
    reversals: Reversals,
    in_flight: u32,
    /// DE15 since the last cut-over, `MMDD`.
    business_date: Option<[u8; 4]>,
}

impl Group {
    /// How many more reversals may be sent. While the breaker is open one at a time is probe
    /// enough.
    fn reversal_room(&self, plan: &GroupPlan) -> usize {
        let window = match self.breaker.position() {
            Position::Closed | Position::ForcedClosed => plan.reversals.window_max as usize,
            Position::Open | Position::HalfOpen | Position::ForcedOpen => 1,
            Position::Disabled => 0,
        };
        window.saturating_sub(self.reversals.in_flight())
    }
}

/// One connection to a host.
#[derive(Debug)]
struct Host {
    connection: ConnectionId,
    session: Session,
    in_flight: u32,
    /// Whether it was made by settings that no longer hold.
    is_old: bool,
}

impl Switch {
    /// An engine without connections and without a past.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            groups: (0..).zip(&plan.groups).map(|(id, _)| Group::new(&plan, GroupId(id))).collect(),
            channels: Table::default(),
            listening: None,
            identities: Table::default(),
            claims: vec![Claims::default(); plan.participants.len()],
            participants: plan.participants.iter().map(Participant::new).collect(),
            waiting: 0,
            since: Tick::default(),
            txns: Txns::default(),
            deadlines: Deadlines::default(),
            seeking: BTreeMap::new(),
            bridge: bridge::Bridge::default(),
            refusals: VecDeque::new(),
            contested: BTreeMap::new(),
            durable: Durable::new(plan.limits.keys_max),
            outputs: VecDeque::new(),
            spare: Vec::new(),
            draining: false,
            tending: None,
            old_routes: Vec::new(),
            explaining: Allowance::default(),
            full: false,
            says_carried: false,
            plan,
        }
    }

    /// What the engine was told before it started.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Takes in a record: at the start those the store returns, in their order, and afterwards
    /// each one the engine itself makes.
    pub fn apply(&mut self, id: RecordId, record: &Record) {
        self.durable.apply(id, record);
    }

    /// Ends the recovery: numbers go on after those of the past, and what was in flight when the
    /// process ended is indefinite, because nobody knows whether the host saw it.
    pub fn recover(&mut self, now: Now, last: Resume) {
        self.durable.resume(last.record, last.txn);
        for (name, stan) in last.stans {
            let place = self.plan.groups.iter().position(|group| group.name == name);
            if let Some(group) = place.and_then(|place| self.groups.get_mut(place)) {
                group.stans.resume_after(stan);
            }
        }
        for txn in self.durable.undecided() {
            self.record_restart(now, txn);
        }
        self.durable.forget_decided();
        for txn in self.durable.reversing() {
            self.start_reversal(now, txn);
        }
        self.recover_bridge(now);
    }

    /// The world tells the engine something.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.handle_since(now, now.tick, input);
    }

    /// The same for what has waited: `since` is when it was read. Deadlines run from there.
    pub fn handle_since(&mut self, now: Now, since: Tick, input: Input) {
        self.since = since.min(now.tick);
        match input {
            Input::Received { connection, message } => {
                self.handle_received(now, connection, message, None);
            }
            Input::Posted { connection, message, caller_key } => {
                self.handle_received(now, connection, message, caller_key);
            }
            Input::Malformed { connection, message, refusal } => {
                self.handle_malformed(now, connection, message, refusal);
            }
            Input::LinkUp(connection) => self.handle_link_up(now, connection),
            Input::Identified { connection, participant } => {
                self.handle_identified(connection, participant);
            }
            Input::LinkDown(connection) => self.handle_link_down(now, connection),
            Input::Written(tag) => self.handle_written(now, tag),
            Input::Unsent { tag, why } => self.handle_unsent(now, tag, why),
            Input::Committed { upto, refused } => self.handle_committed(upto, &refused),
            Input::Conflict { txn, stored } => self.handle_conflict(now, txn, stored.map(|s| *s)),
            Input::Found { txn, stored } => self.handle_found(now, txn, stored),
            Input::Full(full) => self.full = full,
            Input::Lost(tag) => self.handle_lost(now, tag),
            Input::Operator(command) => self.handle_command(now, command),
            Input::Control(control) => self.handle_control(now, control),
            Input::Rekeyed { connection, message, taken } => {
                self.handle_rekeyed(now, connection, message, taken);
            }
            Input::Renewed { link, since } => self.handle_renewed(now, link, since),
            Input::Replan(plan) => self.handle_replan(now, *plan),
            Input::Answered { id, verdict } => self.handle_verdict(now, id, *verdict),
            Input::Called { id, call } => self.handle_call(now, id, *call),
            Input::Drain => self.draining = true,
        }
        self.serve_waiting(now);
        self.send_reversals(now);
        self.debug_assert_invariants();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(id) = self.deadlines.expire(now.tick) {
            self.handle_deadline(now, id);
        }
        for place in 0..self.groups.len() {
            self.handle_group_timeout(now, GroupId(u16::try_from(place).unwrap_or(u16::MAX)));
        }
        if self.tending.is_some_and(|at| at <= now.tick) {
            self.tend_connections(now);
        }
        if self.listening.is_some_and(|at| at <= now.tick) {
            self.listen_to_channels(now);
        }
        self.handle_bridge_timeout(now);
        self.serve_waiting(now);
        self.send_reversals(now);
        self.debug_assert_invariants();
    }

    /// The next thing the engine wants done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Switch::handle_timeout`] has something to do; `None` if never.
    pub fn poll_timeout(&mut self) -> Option<Tick> {
        let txns = &self.txns;
        let alive = |id, at| {
            txns.get(id).is_some_and(|txn| {
                txn.deadline == at && !matches!(txn.stage, Stage::Answering { .. })
            })
        };
        let deadline = self.deadlines.next(alive);
        let groups = self.groups.iter().zip(&self.plan.groups);
        let sessions = groups.flat_map(|(group, plan)| {
            let hosts = group.hosts.iter().filter_map(|host| host.session.timeout());
            // Without anybody to send them to, reversals wait for a connection, not for time.
            let may_send = group.reversal_room(plan) > 0 && group.for_reversal().is_some();
            let reversals = group.reversals.timeout(may_send);
            let breakers = group.links.iter().filter_map(|link| link.breaker.timeout());
            hosts
                .chain(breakers)
                .chain(group.breaker.timeout())
                .chain(group.waiting.timeout())
                .chain(reversals)
        });
        let others = [self.tending, self.listening, self.bridge_timeout()];
        sessions.chain(deadline).chain(others.into_iter().flatten()).min()
    }

    /// An empty message, for a frame to be read into.
    pub fn spare(&mut self) -> Message {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes back a message that was written.
    pub fn recycle(&mut self, mut message: Message) {
        if self.spare.len() < SPARE_MAX {
            message.clear();
            self.spare.push(message);
        }
    }

    /// Whether nothing is in flight any more.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.in_flight() == 0
            && self.seeking.is_empty()
            && self.contested.is_empty()
            && !self.is_ordering()
    }

    /// How many requests are in flight, those that wait for room at their group among them.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.txns.len() + self.waiting + self.held()
    }

    /// How many requests wait for room at a group.
    #[must_use]
    pub fn waiting(&self, group: GroupId) -> usize {
        self.group(group).map_or(0, |group| group.waiting.len())
    }

    /// How the breaker of a group stands.
    #[must_use]
    pub fn group_position(&self, group: GroupId) -> Option<Position> {
        self.group(group).map(|group| group.breaker.position())
    }

    /// How the breaker of a link stands; `None` for a link of channels.
    #[must_use]
    pub fn link_position(&self, link: LinkId) -> Option<Position> {
        let mut links = self.groups.iter().flat_map(|group| &group.links);
        links.find(|other| other.link == link).map(|other| other.breaker.position())
    }

    /// How many reversals are not settled.
    #[must_use]
    pub fn reversals_open(&self) -> usize {
        self.durable.reversals_open()
    }

    /// Whether a person can decide this about a transaction: it is being undone or delivered, or
    /// it is a payment at a bank that is a case, which nobody parks.
    #[must_use]
    pub fn is_for_decision(&self, txn: TxnId, action: Action) -> bool {
        let payment = self.durable.facts().payment(txn);
        let is_case = payment.is_some_and(|known| known.case.is_some());
        self.durable.reversal(txn).is_some() || is_case && action != Action::Park
    }

    /// How many of them need a person.
    #[must_use]
    pub fn reversals_parked(&self) -> usize {
        self.groups.iter().map(|group| group.reversals.parked()).sum()
    }

    /// How long the oldest reversal of a group that is still tried has waited, in nanoseconds.
    #[must_use]
    pub fn reversal_age(&self, group: GroupId, now: Tick) -> u64 {
        self.group(group).map_or(0, |group| group.reversals.age(now))
    }

    /// Connections of a group that carry requests.
    #[must_use]
    pub fn online(&self, group: GroupId) -> usize {
        let online = |host: &&Host| host.session.state() == State::Online;
        self.group(group).map_or(0, |group| group.hosts.iter().filter(online).count())
    }

    fn group(&self, group: GroupId) -> Option<&Group> {
        self.groups.get(usize::from(group.0))
    }

    fn group_mut(&mut self, group: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(usize::from(group.0))
    }

    fn host_mut(&mut self, group: GroupId, connection: ConnectionId) -> Option<&mut Host> {
        self.group_mut(group)?.hosts.iter_mut().find(|host| host.connection == connection)
    }

    fn role(&self, connection: ConnectionId) -> Option<LinkRole> {
        self.plan.links.get(usize::from(connection.link.0)).map(|link| link.role)
    }

    fn count(&mut self, event: Event) {
        self.outputs.push_back(Output::Count(event));
    }

    /// Records a fact and takes it in.
    fn persist(&mut self, record: Record) -> RecordId {
        let id = self.durable.next_record();
        self.durable.apply(id, &record);
        self.outputs.push_back(Output::Persist { id, record });
        id
    }

    fn send(
        &mut self,
        connection: ConnectionId,
        message: Message,
        after: Option<RecordId>,
        tag: Option<Tag>,
        expires: Option<Tick>,
    ) {
        self.outputs.push_back(Output::Send { after, connection, message, tag, expires });
    }

    fn close(&mut self, connection: ConnectionId, why: Closing) {
        self.outputs.push_back(Output::Close { connection, why });
    }

    /// Records that the switch itself did something an auditor wants to find.
    pub fn note(&mut self, now: Now, actor: &str, action: &str, detail: String) {
        let (actor, action) = (actor.to_owned(), action.to_owned());
        self.persist(Record::Notice(Notice { utc: now.utc, actor, action, detail }));
    }

    fn debug_assert_invariants(&self) {
        debug_assert_eq!(
            self.groups.iter().map(|group| group.in_flight as usize).sum::<usize>(),
            self.txns.select(|txn| !matches!(txn.stage, Stage::Answering { .. })).len(),
            "a group counts exactly the requests that wait for it"
        );
        debug_assert!(
            self.groups.iter().all(|group| {
                group.hosts.iter().map(|host| host.in_flight).sum::<u32>() <= group.in_flight
            }),
            "connections count no more than their group"
        );
        debug_assert_eq!(
            self.groups.iter().map(|group| group.waiting.len()).sum::<usize>(),
            self.waiting,
            "who waits is counted"
        );
    }
}

/// Where the numbers of the past ended.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The last record.
    pub record: RecordId,
    /// The last transaction.
    pub txn: TxnId,
    /// The last trace number of each group, by its name.
    pub stans: Vec<(String, u32)>,
}

/// The sign-on (0800/001) of a connection that the engine does not see.
#[must_use]
pub fn sign_on(institution: &str, utc: Utc, stan: u64) -> Message {
    let stan = u32::try_from(stan).unwrap_or_default();
    network_request(institution, Now { tick: Tick::default(), utc }, crate::session::SIGN_ON, stan)
}

/// A request the switch makes itself.
fn network_request(institution: &str, now: Now, code: u64, stan: u32) -> Message {
    use veksel_codecs::field;
    let mut message = Message::of(Mti::known(b"0800"));
    let transmission = now.utc.transmission();
    message.set(field::TRANSMISSION, core::str::from_utf8(&transmission).unwrap_or_default());
    message.set(field::STAN, stan.into());
    if !institution.is_empty() {
        message.set(field::ACQUIRER, institution);
    }
    message.set(field::NETWORK_CODE, code);
    message
}

impl Switch {
    fn handle_written(&mut self, now: Now, tag: Tag) {
        if tag.leg == Leg::Reversal {
            return;
        }
        let Some(txn) = self.txns.get_mut(tag.txn) else {
            return self.handle_payment_answered(now, tag.txn, true);
        };
        match (tag.leg, txn.stage) {
            (Leg::Request, Stage::Sending) => {
                txn.stage = Stage::Waiting { since: now.tick };
                // Its deadline may have come between the writing and this report of it.
                if txn.deadline <= now.tick {
                    self.handle_deadline(now, tag.txn);
                }
            }
            (Leg::Answer, Stage::Answering { .. }) => {
                txn.delivered = true;
                self.delivery_ended(now, tag.txn);
            }
            // A report of a leg that is already over.
            (Leg::Request | Leg::Answer | Leg::Reversal, _) => {}
        }
    }

    fn handle_unsent(&mut self, now: Now, tag: Tag, why: Unsent) {
        if tag.leg == Leg::Reversal {
            self.handle_reversal_unsent(now, tag.txn, why);
            return;
        }
        let Some(txn) = self.txns.get(tag.txn) else {
            return self.handle_payment_answered(now, tag.txn, false);
        };
        match (tag.leg, txn.stage) {
            (Leg::Request, Stage::Sending) => self.handle_request_unsent(now, tag.txn, why),
            (Leg::Answer, Stage::Answering { approved }) => {
                let link = txn.channel_link();
                self.count(Event::Undelivered { link, approved });
                self.delivery_ended(now, tag.txn);
            }
            (Leg::Request | Leg::Answer | Leg::Reversal, _) => {}
        }
    }

    fn handle_deadline(&mut self, now: Now, id: TxnId) {
        let Some(txn) = self.txns.get(id) else { return };
        // A request that still waits for the journal expires when it is about to be written; an
        // answer on its way needs no deadline.
        if txn.deadline > now.tick || !matches!(txn.stage, Stage::Waiting { .. }) {
            return;
        }
        let reason = if txn.contradicted { Reason::Mismatch } else { Reason::Timeout };
        self.explain_timeout(now, id);
        self.indefinite(now, id, reason);
    }

    /// One of the copies of an approval reached its channel, or did not. If none did, money moved
    /// that nobody knows of, and it goes back.
    fn delivery_ended(&mut self, now: Now, id: TxnId) {
        let Some(txn) = self.txns.get_mut(id) else { return };
        txn.deliveries = txn.deliveries.saturating_sub(1);
        if txn.deliveries > 0 {
            return;
        }
        if !txn.delivered && !planted(Bug::NoReversalUndelivered) {
            self.queue_reversal(now, id, Reason::Undelivered, None);
        }
        self.finish(id);
    }
}
