//! The engine alone: what one transaction costs from input to input, without wires and disk.
//!
//! The bench plays the world: it hands in a request, does what the engine wants at once (written,
//! committed), lets the host answer, and gives every message back. Time advances a millisecond a
//! transaction, trace numbers and references differ. `-- figures` stops after the first table.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use benches::rounds::compare;
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;
use veksel_codecs::{Message, Mti, ResponseCode, field};
use veksel_core::plan::{
    DigestKey, GroupPlan, KycPlan, Limits, LinkPlan, LinkRole, ParticipantPlan, RoutePlan, RouteTo,
    SessionPlan,
};
use veksel_core::{
    ConnectionId, GroupId, Input, Leg, LinkId, Now, Output, ParticipantId, Plan, Switch, Tick, Utc,
};

const CHANNEL: ConnectionId = ConnectionId { link: LinkId(0), serial: 1 };
const HOST: ConnectionId = ConnectionId { link: LinkId(1), serial: 2 };

/// One participant, one host, everything else as it is by default.
fn plan() -> Plan {
    Plan {
        institution: "500001".into(),
        links: vec![
            LinkPlan::named("atm", LinkRole::Channel(ParticipantId(0))),
            LinkPlan::named("bank.1", LinkRole::Host(GroupId(0))),
        ],
        groups: vec![GroupPlan {
            session: SessionPlan { sign_on: false, echo_idle_ms: 0, ..SessionPlan::default() },
            ..GroupPlan::named("bank")
        }],
        participants: vec![ParticipantPlan::named("channels")],
        routes: vec![RoutePlan {
            name: "all".into(),
            mti: vec![],
            codes: vec![],
            account_prefixes: vec!["1".into()],
            card_prefixes: vec![],
            participants: vec![],
            linked: None,
            to: RouteTo::Group(GroupId(0)),
        }],
        banks: vec![],
        payees: vec![],
        asks_billers: false,
        kyc: KycPlan::default(),
        limits: Limits::default(),
        record_inquiries: true,
        keep_ms: 168 * 3_600_000,
        digest_key: DigestKey([7; 32]),
    }
}

fn request(code: &str, amount: u64) -> Message {
    let mut message = Message::of(Mti::known(b"0200"));
    message.set(field::PROCESSING_CODE, code);
    message.set(field::AMOUNT, amount);
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, 0);
    message.set(field::LOCAL_TIME, "152807");
    message.set(field::LOCAL_DATE, "1120");
    message.set(field::ACQUIRER, "500001");
    message.set(field::RRN, "632516000000");
    message.set(field::TERMINAL, "ATM00017");
    message.set(field::ACCEPTOR, "MERCHANT0000017");
    message.set(field::CURRENCY, 578);
    message.set(field::ACCOUNT, "10000000001");
    message
}

/// The engine and the world around it.
struct World {
    switch: Switch,
    template: Message,
    now: Now,
    count: u64,
    /// Messages the channel got, to see that every request is answered.
    answers: u64,
}

impl World {
    fn new(template: Message) -> Self {
        let now = Now { tick: Tick(0), utc: Utc(1_795_184_887_000) };
        let mut world = Self { switch: Switch::new(plan()), template, now, count: 0, answers: 0 };
        world.tell(Input::LinkUp(CHANNEL));
        world.tell(Input::LinkUp(HOST));
        world
    }

    /// One transaction from its request to its answer.
    fn transact(&mut self) {
        self.count += 1;
        self.now = Now { tick: self.now.tick.after_ms(1), utc: Utc(self.now.utc.0 + 1) };
        let mut message = self.switch.spare();
        message.copy_from(&self.template);
        message.set(field::STAN, self.count % 1_000_000);
        let mut rrn = *b"632516000000";
        let mut rest = self.count;
        for digit in rrn.iter_mut().rev() {
            *digit = b'0' | (rest % 10) as u8;
            rest /= 10;
        }
        message.set(field::RRN, core::str::from_utf8(&rrn).unwrap_or_default());
        self.tell(Input::Received { connection: CHANNEL, message });
        if self.switch.poll_timeout().is_some_and(|at| at <= self.now.tick) {
            self.switch.handle_timeout(self.now);
            self.obey();
        }
    }

    fn tell(&mut self, input: Input) {
        self.switch.handle(self.now, input);
        self.obey();
    }

    /// Does what the engine wants: every record is durable at once, every message written, every
    /// request of the host answered.
    fn obey(&mut self) {
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Persist { id, record } => {
                    black_box(&record);
                    self.switch
                        .handle(self.now, Input::Committed { upto: id, refused: Vec::new() });
                }
                Output::Send { connection, message, tag, .. } => {
                    if let Some(tag) = tag {
                        self.switch.handle(self.now, Input::Written(tag));
                    }
                    if connection == HOST && tag.is_some_and(|tag| tag.leg == Leg::Request) {
                        let message = answer(message);
                        self.switch.handle(self.now, Input::Received { connection, message });
                    } else {
                        self.answers += u64::from(connection == CHANNEL);
                        self.switch.recycle(message);
                    }
                }
                // Nothing is stored that a request of this bench could repeat.
                Output::Find { txn, .. } => {
                    self.switch.handle(self.now, Input::Found { txn, stored: Ok(Vec::new()) });
                }
                // Nobody is asked or answered over HTTP here.
                Output::Ask { .. }
                | Output::Tell { .. }
                | Output::Close { .. }
                | Output::Rekey { .. }
                | Output::UseNextKey(_) => {}
                Output::Count(event) => {
                    black_box(event);
                }
            }
        }
    }
}

/// What the host says to everything.
fn answer(mut message: Message) -> Message {
    message.set_mti(message.mti().response().unwrap_or(Mti::NONE));
    message.set(field::SETTLEMENT_DATE, "1120");
    message.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
    message.set(field::ADDITIONAL_AMOUNTS, "1001578C0000001250001002578C000000110000");
    message
}

fn main() {
    let mut balance = World::new(request("310000", 0));
    let mut payment = World::new(request("401020", 10_000));
    let compared = compare(|| balance.transact(), || payment.transact());
    for world in [&balance, &payment] {
        assert_eq!(world.answers, world.count, "a request was not answered");
        assert!(world.switch.is_idle() && world.switch.reversals_open() == 0);
    }
    println!("ns per transaction in the engine, request to answer, medians");
    println!("balance {:7.0}", compared.first);
    println!("payment {:7.0}  (intent and outcome recorded)", compared.second);
    if std::env::args().any(|argument| argument == "figures") {
        return;
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(1));
    group.bench_function("balance", |bencher| bencher.iter(|| balance.transact()));
    group.bench_function("payment", |bencher| bencher.iter(|| payment.transact()));
    group.finish();
    criterion.final_summary();
}
