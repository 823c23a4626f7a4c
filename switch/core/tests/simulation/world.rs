//! One history: the engine, its journal, a bank and some terminals in virtual time.
//!
//! It does what the server's shard does, with every instant in between open to a fault: what may
//! be lost is lost, what may be late is late, and the process may end at any of them.

#[path = "world/outside.rs"]
mod outside;

use super::bank::Bank;
use super::chance::{Chance, Faults};
use super::channel::{Mood, Payment};
use super::disk::{Disk, Entry};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use veksel_codecs::{Message, field};
use veksel_core::plan::{
    BreakerPlan, DigestKey, GroupPlan, KycPlan, Limits, LinkPlan, LinkRole, ParticipantPlan,
    Policy, RoutePlan, RouteTo,
};
use veksel_core::record::{ReversalStep, Verdict};
use veksel_core::{
    Bug, ConnectionId, Event, GroupId, Input, LinkId, Now, Output, ParticipantId, Plan, Record,
    RecordId, Resume, Switch, Tag, Tick, TxnId, Unsent, Utc, planted,
};

const CHANNEL: LinkId = LinkId(0);
/// Connections to the bank, two over each of its links.
const HOSTS: usize = 4;
const TERMINALS: usize = 3;
/// Requests in flight, of the participant and at the host.
const IN_FLIGHT_MAX: u32 = 24;
/// When everything gets well, in milliseconds.
const HEAL_MS: u64 = 150_000;
/// When everything must have come to rest.
const END_MS: u64 = HEAL_MS + 3 * 3_600_000;

/// Something that happens at its time.
#[derive(Debug)]
enum Happening {
    Tell(Input),
    AtBank(ConnectionId, Message),
    AtTerminal(ConnectionId, Message),
    Start(usize),
    Copy(usize),
    Patience(usize, u32),
    /// Of the process of that number; it dies with it.
    Commit(u32),
    /// What the store told the process of that number.
    Reply(u32, Input),
    HostUp(usize),
    TerminalUp(usize),
    BankUp,
    SwitchUp,
    BankDown,
    Replan,
    Heal,
}

/// What was counted in a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub payments: u64,
    pub faults: u64,
    pub crashes: u64,
    pub reversals: u64,
    pub duplicates: u64,
    pub approvals: u64,
    pub shed: u64,
}

pub struct World {
    chance: Chance,
    faults: Faults,
    now_ms: u64,
    /// Milliseconds the clock on the wall is off.
    skew: i64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    plan: Plan,
    switch: Option<Switch>,
    /// Counts the starts of the switch.
    process: u32,
    pub disk: Disk,
    pub bank: Bank,
    bank_is_up: bool,
    pub payments: Vec<Payment>,
    hosts: [Option<ConnectionId>; HOSTS],
    terminals: [Option<ConnectionId>; TERMINALS],
    serial: u64,
    gate: VecDeque<(RecordId, Letter)>,
    told: VecDeque<Input>,
    durable: RecordId,
    /// Requests sent on each terminal connection and answers heard on it, by payment and kind.
    pub asked: BTreeMap<(u64, String, bool), (u32, u32)>,
    /// Approvals by payment: whether one of them was ever handed to a connection.
    pub approvals: BTreeMap<String, bool>,
    pub counts: Counts,
    pub trace: u64,
    pub lines: Option<Vec<String>>,
    pub wrong: Vec<String>,
}

struct Letter {
    connection: ConnectionId,
    message: Message,
    tag: Option<Tag>,
    expires: Option<Tick>,
}

/// Some histories have a bank with one host, some with two, and each policy has its own. In some
/// there is too much for the rate and the window, so that requests wait and are shed.
fn plan(chance: &mut Chance) -> Plan {
    let policies =
        [Policy::LeastOutstanding, Policy::RoundRobin, Policy::PrimaryBackup, Policy::Sticky];
    let policy = *chance.pick(&policies);
    let is_tight = chance.often(250_000);
    Plan {
        institution: "500001".into(),
        links: vec![
            LinkPlan::named("atm", LinkRole::Channel(ParticipantId(0))),
            LinkPlan::named("bank.1", LinkRole::Host(GroupId(0))),
            LinkPlan::named("bank.2", LinkRole::Host(GroupId(0))),
        ],
        groups: vec![GroupPlan {
            policy,
            breaker: BreakerPlan { failures_max: 8, ..BreakerPlan::default() },
            window_max: if is_tight { 3 } else { IN_FLIGHT_MAX },
            queue_max: if is_tight { 3 } else { 256 },
            ..GroupPlan::named("bank")
        }],
        participants: vec![ParticipantPlan {
            in_flight_max: IN_FLIGHT_MAX,
            rate: if is_tight { 2 } else { 0 },
            ..ParticipantPlan::named("channels")
        }],
        routes: vec![RoutePlan {
            name: "all".into(),
            mti: vec![],
            codes: vec![],
            account_prefixes: vec![],
            card_prefixes: vec![],
            participants: vec![],
            linked: None,
            to: RouteTo::Group(GroupId(0)),
        }],
        banks: vec![],
        payees: vec![],
        asks_billers: false,
        kyc: KycPlan::default(),
        limits: Limits { keys_max: 24, tombstones_max: 64, ..Limits::default() },
        record_inquiries: true,
        keep_ms: 168 * 3_600_000,
        digest_key: DigestKey([9; 32]),
    }
}

impl World {
    pub fn new(seed: u64, payments: u32, tell: bool) -> Self {
        let mut chance = Chance::new(seed);
        let faults = Faults::draw(&mut chance);
        let plan = plan(&mut chance);
        let mut world = Self {
            now_ms: 1_000,
            skew: 0,
            order: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            plan,
            switch: None,
            process: 0,
            disk: Disk::default(),
            bank: Bank::new(faults.legacy),
            bank_is_up: true,
            payments: Vec::new(),
            hosts: [None; HOSTS],
            terminals: [None; TERMINALS],
            serial: 0,
            gate: VecDeque::new(),
            told: VecDeque::new(),
            durable: RecordId(0),
            asked: BTreeMap::new(),
            approvals: BTreeMap::new(),
            counts: Counts::default(),
            trace: 0xCBF2_9CE4_8422_2325,
            lines: tell.then(Vec::new),
            wrong: Vec::new(),
            chance,
            faults,
        };
        world.say(|world| format!("faults: {:?}", world.faults));
        world.plan_payments(payments);
        world.later(0, Happening::SwitchUp);
        world.later(HEAL_MS, Happening::Heal);
        if world.faults.bank_down > 0 {
            let at = world.chance.below(HEAL_MS);
            world.later(at, Happening::BankDown);
        }
        if world.chance.often(500_000) {
            for _ in 0..world.chance.between(1, 5) {
                let at = world.chance.below(HEAL_MS);
                world.later(at, Happening::Replan);
            }
        }
        world
    }

    fn plan_payments(&mut self, payments: u32) {
        for number in 0..payments {
            let mut payment = Payment::new(number, &mut self.chance, &self.faults);
            let earlier = self.payments.last().filter(|earlier| earlier.clash_of.is_none());
            if let Some(earlier) = earlier.filter(|_| self.chance.often(self.faults.clash)) {
                payment = earlier.clash(number);
            }
            self.counts.payments += 1;
            self.payments.push(payment);
            let at = self.chance.between(500, HEAL_MS * 2 / 3);
            self.later(at, Happening::Start(number as usize));
        }
    }

    /// Runs until everything has come to rest, or should have.
    pub fn run(&mut self) {
        let mut idle_turns = 0;
        while self.wrong.is_empty() {
            let next = self.queue.peek().map(|Reverse((at, _))| *at);
            let due = self.switch.as_mut().and_then(Switch::poll_timeout);
            let due = due.map(|tick| tick.0.div_ceil(1_000_000));
            match (next, due) {
                (None, None) => break,
                (next, Some(due)) if next.is_none_or(|next| due <= next) => {
                    idle_turns = if due <= self.now_ms { idle_turns + 1 } else { 0 };
                    if idle_turns > 10_000 {
                        self.wrong.push("a timer is due for ever and does nothing".into());
                    }
                    self.now_ms = self.now_ms.max(due);
                    if self.is_at_rest() || self.now_ms > END_MS {
                        break;
                    }
                    let now = self.now();
                    if let Some(switch) = self.switch.as_mut() {
                        switch.handle_timeout(now);
                    }
                    self.carry_out();
                    self.drain();
                }
                _ => {
                    let Some(Reverse((at, order))) = self.queue.pop() else { break };
                    self.now_ms = self.now_ms.max(at);
                    if self.now_ms > END_MS {
                        break;
                    }
                    if let Some(happening) = self.happenings.remove(&order) {
                        self.happen(happening);
                    }
                }
            }
        }
    }

    /// Healed, and nothing is left to do.
    pub fn is_at_rest(&self) -> bool {
        self.now_ms >= HEAL_MS
            && self.payments.iter().all(|payment| payment.mood == Mood::Done)
            && self.disk.is_idle()
            && self.gate.is_empty()
            && self.switch.as_ref().is_some_and(|s| s.is_idle() && s.reversals_open() == 0)
    }

    /// What keeps it from resting.
    pub fn unrest(&self) -> String {
        let switch = self.switch.as_ref();
        let shown = format!("{switch:?}");
        let reversing = shown.split("reversing: ").nth(1).and_then(|rest| rest.split('}').next());
        format!(
            "{reversing:?}, switch {}, in flight {:?}, reversals {:?}, disk idle {}, gate {}",
            if switch.is_some() { "up" } else { "down" },
            switch.map(Switch::in_flight),
            switch.map(Switch::reversals_open),
            self.disk.is_idle(),
            self.gate.len(),
        )
    }

    fn now(&self) -> Now {
        let utc = 1_795_184_887_000u64.wrapping_add(self.now_ms).wrapping_add_signed(self.skew);
        Now { tick: Tick(self.now_ms * 1_000_000), utc: Utc(utc) }
    }

    fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.lines.is_some() {
            let line = format!("{:>9} {}", self.now_ms, line(self));
            self.lines.get_or_insert_default().push(line);
        }
    }

    fn mix(&mut self, words: &[u64]) {
        for word in words {
            self.trace = (self.trace ^ word).wrapping_mul(0x0100_0000_01B3).rotate_left(17);
        }
    }

    fn strikes(&mut self, in_a_million: u64) -> bool {
        let strikes = in_a_million > 0 && self.chance.often(in_a_million);
        self.counts.faults += u64::from(strikes);
        strikes
    }

    fn later(&mut self, at_ms: u64, happening: Happening) {
        self.order += 1;
        self.queue.push(Reverse((at_ms.max(self.now_ms), self.order)));
        self.happenings.insert(self.order, happening);
    }

    fn after(&mut self, ms: u64, happening: Happening) {
        self.later(self.now_ms + ms, happening);
    }

    /// How long a message is on its way: mostly a millisecond or two, sometimes up to 40 s.
    fn travel(&mut self) -> u64 {
        if self.strikes(self.faults.delay) {
            self.chance.between(10, 40_000)
        } else {
            self.chance.between(0, 3)
        }
    }

    fn happen(&mut self, happening: Happening) {
        self.mix(&[self.now_ms, self.order]);
        if self.strikes(self.faults.clock_jump) {
            self.skew = i64::try_from(self.chance.below(7_200_000)).unwrap() - 3_600_000;
        }
        self.happen_now(happening);
        self.drain();
        let in_flight = self.switch.as_ref().map_or(0, Switch::in_flight);
        if in_flight > IN_FLIGHT_MAX as usize {
            self.wrong.push(format!("I10: {in_flight} requests in flight"));
        }
    }

    fn happen_now(&mut self, happening: Happening) {
        match happening {
            Happening::Tell(input) => self.tell(input),
            Happening::AtBank(connection, message) => self.at_bank(connection, message),
            Happening::AtTerminal(connection, message) => self.at_terminal(connection, &message),
            Happening::Start(place) => self.start(place),
            Happening::Copy(place) => self.ask(place, false),
            Happening::Patience(place, wait) => self.lose_patience(place, wait),
            Happening::Commit(process) if process == self.process => self.end_commit(),
            Happening::Reply(process, input) if process == self.process => self.tell(input),
            Happening::Commit(_) | Happening::Reply(..) => {}
            Happening::HostUp(place) => self.host_up(place),
            Happening::TerminalUp(place) => self.terminal_up(place),
            Happening::BankUp => {
                self.bank_is_up = true;
                self.say(|_| "bank is up".into());
                (0..HOSTS).for_each(|place| self.after(1, Happening::HostUp(place)));
            }
            Happening::SwitchUp => self.switch_up(),
            Happening::BankDown => {
                self.bank_down();
                let until = self.chance.between(1_000, 200_000);
                self.later((self.now_ms + until).min(HEAL_MS), Happening::BankUp);
            }
            Happening::Replan => self.replan(),
            Happening::Heal => {
                self.say(|_| "everything heals".into());
                self.faults.heal();
                if !self.bank_is_up {
                    self.happen_now(Happening::BankUp);
                }
            }
        }
    }

    // The switch's process.

    fn switch_up(&mut self) {
        if self.switch.is_some() {
            return;
        }
        let mut switch = Switch::new(self.plan.clone());
        for (id, record) in self.unfinished() {
            switch.apply(id, &record);
        }
        let stans = vec![("bank".into(), self.disk.last_stan())];
        let (record, txn) = (self.disk.last(), self.disk.last_txn());
        self.durable = record;
        switch.recover(self.now(), Resume { record, txn, stans });
        self.say(|_| format!("switch is up after record {}", record.0));
        self.switch = Some(switch);
        self.carry_out();
        (0..HOSTS).for_each(|place| self.after(1, Happening::HostUp(place)));
        (0..TERMINALS).for_each(|place| self.after(1, Happening::TerminalUp(place)));
    }

    /// What the store's `open` returns: the records of what is not settled.
    fn unfinished(&self) -> Vec<Entry> {
        let mut open: BTreeMap<TxnId, (bool, bool, bool)> = BTreeMap::new();
        for (_, record) in &self.disk.durable {
            match record {
                Record::Intent(intent) => {
                    open.insert(intent.txn, (true, false, false));
                }
                Record::Outcome(outcome) => {
                    let state = open.entry(outcome.txn).or_default();
                    state.0 = false;
                    state.1 |= outcome.verdict == Verdict::Indefinite && !state.2;
                }
                Record::Reversal(reversal) => {
                    let state = open.entry(reversal.txn).or_default();
                    let is_over = matches!(
                        reversal.step,
                        ReversalStep::Settled { .. } | ReversalStep::Resolved { .. }
                    );
                    (state.1, state.2) = (!is_over, true);
                }
                Record::Inquiry(_) | Record::Notice(_) | Record::Fact(_) => {}
            }
        }
        let is_open = |record: &Record| {
            let state = record.txn().and_then(|txn| open.get(&txn));
            state.is_some_and(|(undecided, due, _)| *undecided || *due)
        };
        self.disk.durable.iter().filter(|(_, record)| is_open(record)).cloned().collect()
    }

    /// The process ends here and now.
    fn crash(&mut self) {
        self.counts.crashes += 1;
        let lucky = self.strikes(self.faults.lucky_disk);
        let calls = self.chance.below(4) as usize;
        self.disk.crash(lucky, calls);
        self.say(|_| "switch crashes".into());
        self.switch = None;
        self.process += 1;
        // Nobody knows any more what was told: only the terminal can ask again or take back.
        for payment in self.payments.iter().filter(|payment| payment.sends > 0) {
            self.approvals.insert(payment.rrn(), true);
        }
        self.gate.clear();
        self.told.clear();
        self.hosts = [None; HOSTS];
        for place in 0..TERMINALS {
            self.terminal_lost(place);
        }
        let after = self.chance.between(10, 3_000);
        self.after(after, Happening::SwitchUp);
    }

    /// One of the instants at which a process may end.
    fn may_crash(&mut self) -> bool {
        let crashes = self.switch.is_some() && self.strikes(self.faults.switch_crash);
        if crashes {
            self.crash();
        }
        crashes
    }

    fn tell(&mut self, input: Input) {
        if let Input::Received { connection, .. } = &input
            && !self.hosts.contains(&Some(*connection))
            && !self.terminals.contains(&Some(*connection))
        {
            return;
        }
        self.told.push_back(input);
        self.drain();
    }

    /// Tells the engine everything that came of what it wanted.
    fn drain(&mut self) {
        while let Some(input) = self.told.pop_front() {
            let now = self.now();
            let Some(switch) = self.switch.as_mut() else { return };
            switch.handle(now, input);
            self.carry_out();
        }
    }

    fn carry_out(&mut self) {
        let mut call = Vec::new();
        let mut letters = Vec::new();
        let mut finds = Vec::new();
        let mut closing = Vec::new();
        while let Some(output) = self.switch.as_mut().and_then(Switch::poll_output) {
            match output {
                Output::Persist { id, record } => {
                    self.mix(&[1, id.0]);
                    self.say(|_| format!("    record {}: {}", id.0, brief(&record)));
                    call.push((id, record));
                }
                Output::Send { after, connection, message, tag, expires } => {
                    letters.push((after, Letter { connection, message, tag, expires }));
                }
                Output::Find { txn, rrn, .. } => finds.push((txn, rrn)),
                Output::Close { connection, .. } => closing.push(connection),
                // Nobody asks for other keys here.
                Output::Rekey { .. } | Output::UseNextKey(_) => {}
                // No account is linked.
                Output::Ask { .. } | Output::Tell { .. } => {}
                Output::Count(event) => self.count(event),
            }
        }
        if self.may_crash() {
            return;
        }
        self.disk.append(call);
        for (txn, rrn) in finds {
            let stored = Ok(self.disk.find_rrn(&rrn));
            let after = self.chance.between(0, 20);
            self.after(after, Happening::Reply(self.process, Input::Found { txn, stored }));
        }
        for (after, letter) in letters {
            match after {
                Some(record) if record > self.durable => self.gate.push_back((record, letter)),
                _ => self.write(letter),
            }
            if self.switch.is_none() {
                return;
            }
        }
        for connection in closing {
            self.host_lost(connection);
        }
        self.begin_commit();
    }

    fn begin_commit(&mut self) {
        if self.switch.is_some() && self.disk.begin() {
            if self.may_crash() {
                return;
            }
            if planted(Bug::CommitAssumed) {
                // Told to be durable before it is: what a missing fsync does.
                self.durable = self.switch.as_ref().map_or(self.durable, |_| RecordId(u64::MAX));
            }
            let slow = self.strikes(self.faults.slow_disk);
            let ms = if slow { self.chance.between(10, 3_000) } else { self.chance.below(2) };
            self.after(ms, Happening::Commit(self.process));
        }
    }

    fn end_commit(&mut self) {
        if self.switch.is_none() || self.may_crash() {
            return;
        }
        let committed = self.disk.end();
        self.durable = self.durable.max(committed.upto);
        self.say(|_| format!("    durable up to {}", committed.upto.0));
        if self.may_crash() {
            return;
        }
        for (_, txn, holder) in &committed.refused {
            let stored = self.disk.find_txn(*holder).map(Box::new);
            let after = self.chance.between(0, 20);
            let input = Input::Conflict { txn: *txn, stored };
            self.after(after, Happening::Reply(self.process, input));
        }
        let is_refused = |record| committed.refused.iter().any(|(id, _, _)| *id == record);
        self.gate.retain(|(record, _)| !is_refused(*record));
        while self.gate.front().is_some_and(|(record, _)| *record <= self.durable) {
            let Some((_, letter)) = self.gate.pop_front() else { break };
            self.write(letter);
            if self.switch.is_none() {
                return;
            }
        }
        let refused = committed.refused.iter().map(|(_, txn, _)| *txn).collect();
        self.tell(Input::Committed { upto: committed.upto, refused });
        self.begin_commit();
    }

    /// Hands a message to its connection, and tells what became of it.
    fn write(&mut self, letter: Letter) {
        let Letter { connection, message, tag, expires } = letter;
        let is_alive =
            self.hosts.contains(&Some(connection)) || self.terminals.contains(&Some(connection));
        let expired = expires.is_some_and(|expires| self.now().tick >= expires);
        let unsent = match (is_alive, expired) {
            (false, _) => Some(Unsent::Closed),
            (true, true) => Some(Unsent::Expired),
            (true, false) if self.strikes(self.faults.refuse) => Some(Unsent::Full),
            (true, false) => None,
        };
        self.mix(&[2, connection.serial, u64::from(unsent.is_some())]);
        self.say(|_| format!("    send {} {unsent:?}", show(connection, &message)));
        self.note_approval(&message, connection, unsent.is_none());
        if let Some(why) = unsent {
            if let Some(tag) = tag {
                self.told.push_back(Input::Unsent { tag, why });
            }
            return;
        }
        if let Some(tag) = tag {
            self.told.push_back(Input::Written(tag));
        }
        let to_host = connection.link != CHANNEL;
        let lost = self.strikes(self.faults.drop) && to_host;
        let cut = if to_host { self.faults.cut_host } else { self.faults.cut_channel };
        let cut = self.strikes(cut);
        // What was written before a cut or a crash may arrive all the same.
        if !lost && (!cut || self.chance.often(500_000)) {
            let after = self.travel();
            let arrives = if to_host {
                Happening::AtBank(connection, message)
            } else {
                Happening::AtTerminal(connection, message)
            };
            self.after(after, arrives);
        }
        if cut {
            match to_host {
                true => self.host_lost(connection),
                false => self.connection_lost(connection),
            }
        }
        self.may_crash();
    }

    /// Remembers which approvals were handed to a connection, and which could not be.
    fn note_approval(&mut self, message: &Message, connection: ConnectionId, written: bool) {
        let code = message.get(field::RESPONSE_CODE);
        let approved = code.is_some_and(|code| code.is_approval());
        if connection.link == CHANNEL && approved && message.mti().as_str() == "0210" {
            let rrn = message.get(field::RRN).map(|rrn| rrn.to_string()).unwrap_or_default();
            *self.approvals.entry(rrn).or_default() |= written;
        }
    }

    fn count(&mut self, event: Event) {
        match event {
            Event::ReversalSettled { .. } => self.counts.reversals += 1,
            Event::Recognised { .. } => self.counts.duplicates += 1,
            Event::Shed { .. } => self.counts.shed += 1,
            Event::ReversalParked { .. } => self.wrong.push("a reversal was parked".into()),
            _ => {}
        }
    }
}

fn show(connection: ConnectionId, message: &Message) -> String {
    let code = message.get(field::RESPONSE_CODE).map(|c| c.to_string()).unwrap_or_default();
    let (stan, rrn) = (message.get(field::STAN), message.get(field::RRN));
    let rrn = rrn.map(|rrn| rrn.trim_start_matches('0').to_owned()).unwrap_or_default();
    let side = if connection.link == CHANNEL { "terminal" } else { "host" };
    format!("{} {code} rrn {rrn} stan {stan:?} on {side} {}", message.mti(), connection.serial)
}

fn brief(record: &Record) -> String {
    match record {
        Record::Intent(r) => format!("intent {} {} rrn {}", r.txn.0, r.mti, r.key.rrn),
        Record::Outcome(r) => {
            format!("outcome {} {:?} {} {:?}", r.txn.0, r.verdict, r.response, r.reason)
        }
        Record::Reversal(r) => format!("reversal {} {:?}", r.txn.0, r.step),
        Record::Inquiry(r) => format!("inquiry {}", r.txn.0),
        Record::Notice(r) => format!("notice {}", r.action),
        Record::Fact(r) => r.fact.key(),
    }
}
