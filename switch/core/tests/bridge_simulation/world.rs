//! One history: a channel, the engine, its journal, and the bank, on one virtual clock.

use crate::bank::Bank;
use crate::chance::Chance;
use crate::reads::{self, Reads};
use std::collections::{BTreeMap, BinaryHeap};
use veksel_codecs::{Message, Mti, ResponseCode, field};
use veksel_core::enquiry::{Ask, AskId, Call, CallId, Enquiry, Failed, Failure, Verdict};
use veksel_core::fact::{ConsentStatus, Fact, Linked};
use veksel_core::plan::{
    BankPlan, DigestKey, GroupPlan, KycPlan, Limits, LinkPlan, LinkRole, ParticipantPlan,
    PayeePlan, RoutePlan, RouteTo,
};
use veksel_core::record::{CardNumber, Known};
use veksel_core::{
    ConnectionId, Event, GroupId, Input, LinkId, Now, Output, ParticipantId, Plan, Record,
    RecordId, Resume, Stored, Switch, Tag, Tick, TxnId, Unsent, Utc,
};

const PAYMENTS: u64 = 12;
const START: u64 = 1_795_184_887_000;
const ACCOUNT: &str = "NO9386011117947";
const DAY: u64 = 24 * 3_600_000;
const END: u64 = 4 * DAY;

/// Stands for the account in every other payment.
const CARD: &str = "4111111111111111";

/// How long a channel waits for a payment, in milliseconds.
const WAIT: u64 = 18_000;

#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub payments: u64,
    pub executed: u64,
    pub lost: u64,
    pub crashes: u64,
    pub cases: u64,
    pub advices: u64,
    pub reversals: u64,
    pub repeats: u64,
    pub by_card: u64,
    /// Orders that waited for their records longer than their channels did.
    pub expired: u64,
    /// Bills that were asked about.
    pub bills: u64,
    /// Balances that were read and nobody had asked for.
    pub reads: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Self) {
        self.payments += other.payments;
        self.executed += other.executed;
        self.lost += other.lost;
        self.crashes += other.crashes;
        self.cases += other.cases;
        self.advices += other.advices;
        self.reversals += other.reversals;
        self.repeats += other.repeats;
        self.by_card += other.by_card;
        self.expired += other.expired;
        self.bills += other.bills;
        self.reads += other.reads;
    }
}

/// What a channel heard and did about one of its payments.
#[derive(Debug, Default)]
pub struct Account {
    /// Codes of 0210, 0610 and 0620, in order.
    heard: Vec<String>,
    taken_back: bool,
    /// What it heard of taking it back, but for 09.
    undone: Vec<String>,
    /// Whether it heard that this was taken over.
    is_settled: bool,
}

#[derive(Debug)]
enum Happening {
    Pay(u64),
    /// A channel that heard nothing final repeats, or takes it back.
    Impatient(u64, u32),
    TakeBack(u64, bool),
    /// A batch becomes durable.
    Commit(u64, RecordId),
    /// The bank gets an enquiry.
    Reach(u64, Box<Ask>),
    Verdict(u64, AskId, Box<Verdict>),
    LinkUp,
    LinkDown,
    Hear(Message),
    /// What became of an answer.
    Written(u64, Tag, bool),
    Tell(Message),
}

pub struct World {
    pub counts: Counts,
    chance: Chance,
    tells: bool,
    now: u64,
    order: u64,
    queue: BinaryHeap<core::cmp::Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    plan: Plan,
    switch: Switch,
    /// Counts the lives of the switch: what one life began means nothing to the next.
    life: u64,
    bank: Bank,
    journal: Vec<(RecordId, Record)>,
    durable: RecordId,
    /// With the time since when.
    waiting: Vec<(RecordId, u64, Output)>,
    /// In a million: the disk stands still for a while; and until when it does.
    stall: u64,
    stalled: u64,
    serial: u64,
    channel: Option<ConnectionId>,
    known: BTreeMap<u64, Account>,
    wrong: Vec<String>,
    crash: u64,
    ack: u64,
    /// Answers that do not reach their channel.
    unsent: u64,
    calm_from: u64,
    reads: Reads,
}

fn plan(chance: &mut Chance) -> Plan {
    let mut bank = BankPlan::named("dnb");
    bank.advises = chance.often(900_000);
    bank.refresh_ms = *chance.pick(&[60_000, 1_200_000, 7 * 3_600_000]);
    bank.unattended_max = *chance.pick(&[4, 4, 12]);
    if chance.often(300_000) {
        // Whoever asks here is none of these.
        bank.attended = vec![ParticipantId(99)];
    }
    Plan {
        institution: "500001".into(),
        links: vec![
            LinkPlan::named("atm", LinkRole::Channel(ParticipantId(0))),
            LinkPlan::named("bank.1", LinkRole::Host(GroupId(0))),
        ],
        groups: vec![GroupPlan::named("bank")],
        participants: vec![ParticipantPlan::named("channels")],
        routes: vec![RoutePlan {
            name: "linked".into(),
            mti: vec![],
            codes: vec![],
            account_prefixes: vec![],
            card_prefixes: vec![],
            participants: vec![],
            linked: Some(true),
            to: RouteTo::Bank,
        }],
        banks: vec![bank],
        payees: vec![PayeePlan {
            id: "POWER".into(),
            account: "30001234567".into(),
            name: "Power AS".into(),
        }],
        asks_billers: true,
        kyc: KycPlan::default(),
        limits: Limits { keys_max: 8, ..Limits::default() },
        record_inquiries: true,
        keep_ms: 7 * DAY,
        digest_key: DigestKey([7; 32]),
    }
}

fn payment(number: u64, again: bool) -> Message {
    let mut message = Message::of(Mti::parse(if again { "0201" } else { "0200" }).unwrap());
    message.set(field::PROCESSING_CODE, "401020");
    message.set(field::AMOUNT, 10_000 + number);
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, number);
    message.set(field::ACQUIRER, "500001");
    message.set(field::RRN, &format!("632516{number:06}"));
    message.set(field::TERMINAL, "ATM00017");
    message.set(field::ACCEPTOR, "MERCHANT0000017");
    message.set(field::CURRENCY, 578);
    if number.is_multiple_of(2) {
        message.set(field::PAN, CARD);
    } else {
        message.set(field::ACCOUNT, ACCOUNT);
    }
    message.set(field::COUNTER_ACCOUNT, "86011117947");
    if number.is_multiple_of(5) {
        message.set(field::PROCESSING_CODE, "500000");
        message.set(field::ADDITIONAL_DATA, "1005POWER11072345676");
    }
    message
}

impl World {
    pub fn new(seed: u64, tells: bool) -> Self {
        let mut chance = Chance::new(seed);
        let mut plan = plan(&mut chance);
        let bank = Bank::draw(&mut chance);
        plan.banks[0].deduplicates = bank.deduplicates;
        let crash = if chance.often(500_000) { chance.below(60_000) } else { 0 };
        let ack = chance.between(200_000, 1_000_000);
        let stall = if chance.often(300_000) { chance.below(60_000) } else { 0 };
        let unsent = if chance.often(500_000) { chance.below(200_000) } else { 0 };
        let mut world = Self {
            counts: Counts::default(),
            chance,
            tells,
            now: 0,
            order: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            switch: Switch::new(plan.clone()),
            reads: Reads::of(&plan.banks[0]),
            plan,
            life: 0,
            bank,
            journal: Vec::new(),
            durable: RecordId(0),
            waiting: Vec::new(),
            stall,
            stalled: 0,
            serial: 1,
            channel: None,
            known: BTreeMap::new(),
            wrong: Vec::new(),
            crash,
            ack,
            unsent,
            calm_from: 1_200_000,
        };
        let linked = Linked {
            account: ACCOUNT.into(),
            bank: "dnb".into(),
            iban: ACCOUNT.into(),
            currency: 578,
            customer: "c-1".into(),
            consent: "consent-1".into(),
            status: ConsentStatus::Valid,
            until: Utc(START + 90 * DAY),
            ..Linked::default()
        };
        let others = reads::others(linked.until);
        for (id, linked) in (1..).map(RecordId).zip(core::iter::once(linked).chain(others)) {
            let known = Known { utc: Utc(START), fact: Fact::Linked(linked) };
            world.journal.push((id, Record::Fact(Box::new(known))));
            world.durable = id;
        }
        world.start();
        let card = CardNumber::new(CARD);
        let call = Call::Card { account: ACCOUNT.into(), customer: None, card, is_over: false };
        world.tell(Input::Called { id: CallId(1), call: Box::new(call) });
        world.durable = world.journal.last().map(|(id, _)| *id).unwrap_or_default();
        world.happen(0, Happening::LinkUp);
        for number in 1..=PAYMENTS {
            let at = world.chance.below(600_000);
            world.happen(at, Happening::Pay(number));
        }
        for _ in 0..world.chance.below(4) {
            let at = world.chance.below(900_000);
            world.happen(at, Happening::LinkDown);
            let back = at + world.chance.between(100, 120_000);
            world.happen(back, Happening::LinkUp);
        }
        world
    }

    fn say(&self, line: impl FnOnce() -> String) {
        if self.tells {
            println!("{:>9} {}", self.now, line());
        }
    }

    fn clock(&self) -> Now {
        Now { tick: Tick(self.now * 1_000_000), utc: Utc(START + self.now) }
    }

    fn happen(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.happenings.insert(self.order, happening);
        self.queue.push(core::cmp::Reverse((at.max(self.now), self.order)));
    }

    fn start(&mut self) {
        self.switch = Switch::new(self.plan.clone());
        let mut last = TxnId(0);
        for (id, record) in &self.journal {
            self.switch.apply(*id, record);
            last = last.max(record.txn().unwrap_or_default());
        }
        let record = self.journal.last().map(|(id, _)| *id).unwrap_or_default();
        let resume = Resume { record, txn: last, ..Resume::default() };
        self.switch.recover(self.clock(), resume);
        self.carry_out();
    }

    /// The process ends: what was not durable is gone, and so is everybody who waited.
    fn crash_now(&mut self) {
        self.counts.crashes += 1;
        self.life += 1;
        self.say(|| "crash".into());
        let durable = self.durable;
        self.journal.retain(|(id, _)| *id <= durable);
        self.waiting.clear();
        self.reads.crashed();
        self.channel = None;
        let back = self.now + self.chance.between(50, 20_000);
        self.now += 1;
        self.start();
        self.happen(back, Happening::LinkUp);
    }

    fn tell(&mut self, input: Input) {
        self.switch.handle(self.clock(), input);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        let mut found = Vec::new();
        let mut last = None;
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Persist { id, record } => {
                    self.journal.push((id, record));
                    last = Some(id);
                }
                Output::Find { txn, .. } => found.push(txn),
                Output::Count(Event::Case { .. }) => self.counts.cases += 1,
                Output::Count(Event::Advised { .. }) => self.counts.advices += 1,
                Output::Send { after, .. } | Output::Ask { after, .. } => {
                    if let Output::Ask { ask, .. } = &output {
                        self.reads.asked(ask);
                    }
                    let after = after.unwrap_or_default();
                    if after <= self.durable {
                        self.release(self.now, output);
                    } else {
                        self.waiting.push((after, self.now, output));
                    }
                }
                _ => {}
            }
        }
        if let Some(last) = last {
            if self.stall > 0 && self.chance.often(self.stall) {
                self.stalled = self.now + self.chance.between(1_000, 40_000);
            }
            let at = self.stalled.max(self.now) + self.chance.between(1, 40);
            self.happen(at, Happening::Commit(self.life, last));
        }
        for txn in found {
            let stored = Ok(Stored::gather(self.journal.iter().map(|(_, record)| record)));
            self.tell(Input::Found { txn, stored });
        }
    }

    fn release(&mut self, since: u64, output: Output) {
        match output {
            Output::Send { message, tag, .. } => {
                let at = self.now + self.chance.between(1, 20);
                // A channel that is gone, or goes just now, hears nothing, and that is seen.
                let is_there = self.channel.is_some() && !self.chance.often(self.unsent);
                if let Some(tag) = tag {
                    self.happen(at, Happening::Written(self.life, tag, is_there));
                }
                if is_there {
                    self.happen(at, Happening::Hear(message));
                }
            }
            Output::Ask { mut ask, .. } => {
                ask.within_ms = ask.within_ms.saturating_sub(self.now - since);
                if ask.within_ms == 0 {
                    // Nobody is asked any more: nothing came of it.
                    let is_order = matches!(ask.enquiry, Enquiry::Initiate(_));
                    self.counts.expired += u64::from(is_order);
                    let verdict = Verdict::Failed(Failure::before(Failed::Unavailable));
                    self.happen(self.now, Happening::Verdict(self.life, ask.id, Box::new(verdict)));
                    return;
                }
                let at = self.now + self.chance.between(1, 50);
                self.happen(at, Happening::Reach(self.life, ask));
            }
            _ => {}
        }
    }

    pub fn run(&mut self) {
        // A day and more, so that every sweep is over.
        let end = END;
        loop {
            let next = self.queue.peek().map(|core::cmp::Reverse((at, _))| *at);
            let due = self.switch.poll_timeout().map(|due| due.0.div_ceil(1_000_000));
            let Some(at) = [next, due].into_iter().flatten().min().filter(|at| *at <= end) else {
                return;
            };
            self.now = self.now.max(at);
            if self.now > self.calm_from {
                // From here on everything works, so that what is open can come to its end.
                (self.bank.deaf, self.crash, self.ack, self.unsent) = (0, 0, 1_000_000, 0);
                self.stall = 0;
            }
            if next.is_some_and(|next| next <= self.now) {
                let core::cmp::Reverse((_, order)) = self.queue.pop().unwrap();
                let happening = self.happenings.remove(&order).unwrap();
                self.handle(happening);
            } else {
                let now = self.clock();
                self.switch.handle_timeout(now);
                self.carry_out();
            }
            if self.crash > 0 && self.chance.often(self.crash) {
                self.crash_now();
            }
        }
    }

    fn handle(&mut self, happening: Happening) {
        match happening {
            Happening::Pay(number) => {
                self.counts.payments += 1;
                self.known.entry(number).or_default();
                self.say(|| format!("pay {number}"));
                self.counts.by_card += u64::from(number % 2 == 0);
                self.send(payment(number, false));
                let at = self.now + 25_000;
                self.happen(at, Happening::Impatient(number, 1));
                if self.chance.often(150_000) {
                    let at = self.now + self.chance.below(400_000);
                    self.happen(at, Happening::TakeBack(number, false));
                }
            }
            Happening::Impatient(number, times) => self.be_impatient(number, times),
            Happening::TakeBack(number, again) => self.take_back(number, again),
            Happening::Commit(life, upto) if life == self.life => {
                self.durable = self.durable.max(upto);
                let durable = self.durable;
                self.reads.look(&self.journal, durable);
                let (free, still) = core::mem::take(&mut self.waiting)
                    .into_iter()
                    .partition::<Vec<_>, _>(|(after, ..)| *after <= durable);
                self.waiting = still;
                free.into_iter().for_each(|(_, since, output)| self.release(since, output));
                self.tell(Input::Committed { upto, refused: Vec::new() });
            }
            Happening::Reach(life, ask) => self.reach(life, &ask),
            Happening::Verdict(life, id, verdict) if life == self.life => {
                self.say(|| format!("verdict {id:?} {verdict:?}"));
                self.reads.answered(id);
                self.tell(Input::Answered { id, verdict });
            }
            Happening::Written(life, tag, is_written) if life == self.life => {
                let why = Unsent::Closed;
                self.tell(match is_written {
                    true => Input::Written(tag),
                    false => Input::Unsent { tag, why },
                });
            }
            Happening::Commit(..) | Happening::Verdict(..) | Happening::Written(..) => {}
            Happening::LinkUp => {
                if self.channel.is_none() {
                    self.serial += 1;
                    let connection = ConnectionId { link: LinkId(0), serial: self.serial };
                    self.channel = Some(connection);
                    self.tell(Input::LinkUp(connection));
                }
            }
            Happening::LinkDown => {
                if let Some(connection) = self.channel.take() {
                    self.tell(Input::LinkDown(connection));
                }
            }
            Happening::Hear(message) => self.hear(&message),
            Happening::Tell(message) => self.send(message),
        }
    }

    fn reach(&mut self, life: u64, ask: &Ask) {
        let before = self.bank.payments.len();
        self.counts.bills += u64::from(matches!(ask.enquiry, Enquiry::Bill(_)));
        self.reads.came(ask, self.now);
        let (wait, verdict) = self.bank.answer(ask, self.now, &mut self.chance);
        if let Some(held) = self.bank.payments.get(before) {
            let key = held.order.key;
            let received = self.journal.iter().find_map(|(_, record)| match record {
                Record::Fact(known) => match &known.fact {
                    Fact::Payment(payment) if payment.key == key => Some(payment.utc.0 - START),
                    _ => None,
                },
                _ => None,
            });
            let is_first = matches!(ask.enquiry, Enquiry::Initiate(_));
            // What is on its way to the bank may take a moment.
            if is_first && received.is_some_and(|received| self.now > received + WAIT + 100) {
                self.wrong.push("an order left when its channel had been told".into());
            }
            let is_durable = self.journal.iter().any(|(id, record)| {
                let payment = match record {
                    Record::Fact(known) => match &known.fact {
                        Fact::Payment(payment) => Some(payment.key),
                        _ => None,
                    },
                    _ => None,
                };
                *id <= self.durable && payment == Some(key)
            });
            if !is_durable {
                self.wrong.push("an order left before its intent was durable".into());
            }
        }
        if matches!(&verdict, Verdict::Failed(failure) if failure.is_open) {
            self.counts.lost += 1;
        }
        self.say(|| format!("asked {:?} {:?}", ask.id, ask.enquiry));
        let at = self.now + wait;
        self.happen(at, Happening::Verdict(life, ask.id, Box::new(verdict)));
    }

    /// It is repeated until somebody takes it over.
    fn take_back(&mut self, number: u64, again: bool) {
        let known = self.known.entry(number).or_default();
        if known.is_settled {
            return;
        }
        known.taken_back = true;
        self.counts.reversals += u64::from(!again);
        self.say(|| format!("take back {number}"));
        let mut message = payment(number + 500, false);
        // Some only tell, others ask and want to know how it ended.
        let mti = match (number % 3, again) {
            (0, false) => "0400",
            (0, true) => "0401",
            (_, false) => "0420",
            (_, true) => "0421",
        };
        message.set_mti(Mti::parse(mti).unwrap());
        message.set(field::AMOUNT, 10_000 + number);
        message.set(field::RRN, &format!("632516{number:06}"));
        let original = format!("0200{number:06}11201428070000050000100000000000");
        message.set(field::ORIGINAL_DATA, &original);
        self.send(message);
        let at = self.now + 15_000;
        self.happen(at, Happening::TakeBack(number, true));
    }

    fn be_impatient(&mut self, number: u64, times: u32) {
        let known = &self.known[&number];
        let is_final = known.heard.iter().any(|code| code != "09");
        if is_final || times > 3 || known.taken_back {
            return;
        }
        self.counts.repeats += 1;
        self.send(payment(number, true));
        let at = self.now + 25_000 * u64::from(times);
        self.happen(at, Happening::Impatient(number, times + 1));
    }

    fn send(&mut self, message: Message) {
        if let Some(connection) = self.channel {
            self.tell(Input::Received { connection, message });
        }
    }

    fn hear(&mut self, message: &Message) {
        let Some(_) = self.channel else { return };
        let rrn = message.get(field::RRN).map(|rrn| rrn.to_string()).unwrap_or_default();
        let number: u64 = rrn.trim_start_matches("632516").parse().unwrap_or_default();
        let code = message.get(field::RESPONSE_CODE).map(|c| c.to_string()).unwrap_or_default();
        self.say(|| format!("heard {} {code} about {number}", message.mti()));
        let mti = message.mti();
        if mti.as_str() == "0410"
            && code != "09"
            && let Some(known) = self.known.get_mut(&number)
        {
            known.is_settled = true;
            known.undone.push(code.clone());
        }
        if mti.as_str() == "0430"
            && code == "00"
            && let Some(known) = self.known.get_mut(&number)
        {
            known.is_settled = true;
        }
        if matches!(mti.as_str(), "0210" | "0620" | "0621")
            && let Some(known) = self.known.get_mut(&number)
        {
            known.heard.push(code);
        }
        if matches!(mti.as_str(), "0620" | "0621") && self.chance.often(self.ack) {
            let mut answer = message.clone();
            answer.set_mti(Mti::parse("0630").unwrap());
            answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
            let at = self.now + self.chance.between(1, 50);
            self.happen(at, Happening::Tell(answer));
        }
    }

    /// What is wrong at the end, by the bank's ledger.
    pub fn judge(&mut self) -> Vec<String> {
        let mut wrong = core::mem::take(&mut self.wrong);
        self.bank.advance(u64::MAX / 2);
        let mut by_amount: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (place, held) in self.bank.payments.iter().enumerate() {
            by_amount.entry(held.order.amount.minor).or_default().push(place);
        }
        let (mut last, mut cases) = (BTreeMap::new(), BTreeMap::new());
        let mut amounts = BTreeMap::new();
        for (_, record) in &self.journal {
            match record {
                Record::Intent(intent) => {
                    amounts.insert(intent.txn, intent.amount);
                }
                Record::Fact(known) => {
                    if let Fact::Payment(payment) = &known.fact {
                        if payment.case.is_some() {
                            cases.insert(payment.txn, payment.case);
                        }
                        last.insert(payment.txn, payment.clone());
                    }
                }
                _ => {}
            }
        }
        for (amount, places) in &by_amount {
            if places.len() > 1 {
                wrong.push(format!("{amount} was ordered {} times", places.len()));
            }
        }
        for (txn, payment) in &last {
            if !payment.is_over && payment.case.is_none() {
                wrong.push(format!("{txn:?} is stuck: {payment:?}"));
            }
        }
        for (number, known) in &self.known {
            let amount = 10_000 + number;
            let places = by_amount.get(&amount).map(Vec::as_slice).unwrap_or_default();
            let moved = places.iter().any(|place| self.bank.payments[*place].moved.is_some());
            self.counts.executed += u64::from(moved);
            let of_it = |txn: &TxnId| amounts.get(txn) == Some(&amount);
            let has_case = cases.keys().any(of_it);
            let heard_approval = known.heard.iter().any(|code| code == "00");
            let heard_decline =
                known.heard.iter().any(|code| !matches!(code.as_str(), "00" | "09" | "68"));
            let heard = &known.heard;
            if heard_approval && !moved {
                wrong.push(format!("{number} was approved and no money moved: {heard:?}"));
            }
            let was_told = heard_approval || !self.plan.banks[0].advises;
            if moved && !was_told && !has_case && !known.taken_back && !heard.is_empty() {
                wrong.push(format!("{number} moved money and nobody knows: {heard:?}"));
            }
            let undone = &known.undone;
            if moved && undone.iter().any(|code| code == "00") && !has_case {
                wrong.push(format!("{number} was said to be taken back and moved: {undone:?}"));
            }
            if !moved && undone.iter().any(|code| code == "40") {
                wrong.push(format!("{number} was said to stand and did not move: {undone:?}"));
            }
            if undone.windows(2).any(|codes| codes[0] != codes[1]) {
                wrong.push(format!("{number} was taken back in two ways: {undone:?}"));
            }
            if moved && heard_decline && !has_case {
                wrong.push(format!("{number} was declined and moved money: {heard:?}"));
            }
            if moved && known.taken_back && !has_case && heard_approval {
                let note = "was taken back after an approval and nobody looks";
                wrong.push(format!("{number} {note}: {heard:?}"));
            }
        }
        self.counts.reads += self.reads.count();
        wrong.append(&mut self.reads.wrong);
        wrong.extend(self.reads.judge(END));
        if self.switch.held() > 0 || self.switch.asks() > self.reads.open() {
            wrong.push("somebody still waits".into());
        }
        wrong
    }
}
