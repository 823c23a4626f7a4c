//! The gate before payments from linked accounts: what it costs to find that a customer may not
//! pay, from the request to its 57, among few customers and among very many.
//!
//! The whole way through the engine is measured, so the look-up itself costs less than what is
//! printed. Nobody is asked over HTTP for it. `-- figures` stops after the first table.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use benches::rounds::compare;
use criterion::{Criterion, Throughput};
use std::hint::black_box;
use std::time::Duration;
use veksel_codecs::{Message, Mti, field};
use veksel_core::fact::{ConsentStatus, Customer, Fact, KycStatus, Linked};
use veksel_core::plan::{
    BankPlan, DigestKey, KycPlan, Limits, LinkPlan, LinkRole, ParticipantPlan, RoutePlan, RouteTo,
};
use veksel_core::record::{Known, Record, RecordId};
use veksel_core::{
    ConnectionId, Input, LinkId, Now, Output, ParticipantId, Plan, Resume, Switch, Tick, Utc,
};

const CHANNEL: ConnectionId = ConnectionId { link: LinkId(0), serial: 1 };
const START: Utc = Utc(1_795_184_887_000);

/// Customers, each with an account: few, and as many as a bank has.
const FEW: u64 = 10;
const MANY: u64 = 200_000;

fn plan() -> Plan {
    Plan {
        institution: "500001".into(),
        links: vec![LinkPlan::named("atm", LinkRole::Channel(ParticipantId(0)))],
        groups: vec![],
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
        banks: vec![BankPlan { refresh_ms: 0, ..BankPlan::named("dnb") }],
        payees: vec![],
        asks_billers: false,
        kyc: KycPlan { required: true, ..KycPlan::default() },
        limits: Limits::default(),
        record_inquiries: true,
        keep_ms: 168 * 3_600_000,
        digest_key: DigestKey([7; 32]),
    }
}

fn account(number: u64) -> String {
    format!("1{number:010}")
}

fn facts(number: u64) -> [Fact; 2] {
    let customer = format!("customer-{number}");
    let linked = Linked {
        account: account(number),
        bank: "dnb".into(),
        iban: account(number),
        currency: 578,
        customer: customer.clone(),
        consent: format!("consent-{number}"),
        status: ConsentStatus::Valid,
        state: u128::from(number).to_be_bytes(),
        ..Linked::default()
    };
    // Being checked: the gate looks at everything up to the status, and says no.
    let customer = Customer { customer, status: KycStatus::Pending, ..Customer::default() };
    [Fact::Linked(linked), Fact::Customer(customer)]
}

struct World {
    switch: Switch,
    template: Message,
    customers: u64,
    now: Now,
    count: u64,
    refused: u64,
}

impl World {
    fn new(customers: u64) -> Self {
        let now = Now { tick: Tick(0), utc: START };
        let mut switch = Switch::new(plan());
        let mut last = RecordId(0);
        for fact in (0..customers).flat_map(facts) {
            last = RecordId(last.0 + 1);
            switch.apply(last, &Record::Fact(Box::new(Known { utc: START, fact })));
        }
        switch.recover(now, Resume { record: last, ..Resume::default() });
        let mut template = Message::of(Mti::known(b"0200"));
        template.set(field::PROCESSING_CODE, "401020");
        template.set(field::AMOUNT, 15_000);
        template.set(field::TRANSMISSION, "1120142807");
        template.set(field::ACQUIRER, "500001");
        template.set(field::RRN, "632516000000");
        template.set(field::TERMINAL, "ATM00017");
        template.set(field::ACCEPTOR, "MERCHANT0000017");
        template.set(field::CURRENCY, 578);
        template.set(field::COUNTER_ACCOUNT, "86011117947");
        let mut world = Self { switch, template, customers, now, count: 0, refused: 0 };
        world.tell(Input::LinkUp(CHANNEL));
        world
    }

    /// One payment of the next customer, from its request to its refusal.
    fn refuse(&mut self) {
        self.count += 1;
        self.now = Now { tick: self.now.tick.after_ms(1), utc: Utc(self.now.utc.0 + 1) };
        let mut message = self.switch.spare();
        message.copy_from(&self.template);
        message.set(field::STAN, self.count % 1_000_000);
        // Not one after the other, or the last would still be in the cache.
        let number = self.count.wrapping_mul(7_919) % self.customers;
        message.set(field::ACCOUNT, &account(number));
        self.tell(Input::Received { connection: CHANNEL, message });
    }

    fn tell(&mut self, input: Input) {
        self.switch.handle(self.now, input);
        while let Some(output) = self.switch.poll_output() {
            match output {
                Output::Send { message, .. } => {
                    let code = message.get(field::RESPONSE_CODE);
                    self.refused += u64::from(code.is_some_and(|code| code.as_str() == "57"));
                    self.switch.recycle(message);
                }
                Output::Find { txn, .. } => {
                    self.switch.handle(self.now, Input::Found { txn, stored: Ok(Vec::new()) });
                }
                other => {
                    black_box(other);
                }
            }
        }
    }
}

fn main() {
    let (mut few, mut many) = (World::new(FEW), World::new(MANY));
    let compared = compare(|| few.refuse(), || many.refuse());
    for world in [&few, &many] {
        assert_eq!(world.refused, world.count, "a request was not refused with 57");
        assert!(world.switch.is_idle() && world.switch.asks() == 0);
    }
    println!("ns from a payment to the 57 of the gate, medians");
    println!("{FEW:7} customers {:7.0}", compared.first);
    println!("{MANY:7} customers {:7.0}", compared.second);
    if std::env::args().any(|argument| argument == "figures") {
        return;
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut group = criterion.benchmark_group("gate");
    group.throughput(Throughput::Elements(1));
    group.bench_function("few", |bencher| bencher.iter(|| few.refuse()));
    group.bench_function("many", |bencher| bencher.iter(|| many.refuse()));
    group.finish();
    criterion.final_summary();
}
