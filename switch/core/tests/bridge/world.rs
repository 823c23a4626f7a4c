//! An engine whose customer has an account at a bank reached over HTTP.

use veksel_codecs::structured::tags;
use veksel_codecs::{Message, Mti, field};
use veksel_core::enquiry::{
    Ask, Call, CallId, Enquiry, Failed, Failure, Initiated, Order, Progress, Told, Verdict,
};
use veksel_core::fact::{ConsentStatus, Customer, Fact, KycStatus, Linked, Payment, PaymentStatus};
use veksel_core::plan::{
    BankPlan, DigestKey, GroupPlan, KycPlan, Limits, LinkPlan, LinkRole, ParticipantPlan,
    PayeePlan, RoutePlan, RouteTo,
};
use veksel_core::record::{Known, Outcome};
use veksel_core::{
    ConnectionId, Event, GroupId, Input, LinkId, Now, Output, ParticipantId, Plan, Record,
    RecordId, Resume, Switch, Tag, Tick, Utc,
};

pub const ATM: ConnectionId = ConnectionId { link: LinkId(0), serial: 1 };
pub const ATM_TOO: ConnectionId = ConnectionId { link: LinkId(0), serial: 4 };
pub const ACCOUNT: &str = "NO9386011117947";
pub const START: Utc = Utc(1_795_184_887_000);

pub fn plan() -> Plan {
    let route = |name: &str, linked, to| RoutePlan {
        name: name.into(),
        mti: vec![],
        codes: vec![],
        account_prefixes: vec![],
        card_prefixes: vec![],
        participants: vec![],
        linked,
        to,
    };
    Plan {
        institution: "500001".into(),
        links: vec![
            LinkPlan::named("atm", LinkRole::Channel(ParticipantId(0))),
            LinkPlan::named("bank.1", LinkRole::Host(GroupId(0))),
        ],
        groups: vec![GroupPlan::named("bank")],
        participants: vec![ParticipantPlan::named("channels")],
        routes: vec![
            route("linked", Some(true), RouteTo::Bank),
            route("all", None, RouteTo::Group(GroupId(0))),
        ],
        // Only one test is about what nobody asked for.
        banks: vec![BankPlan { refresh_ms: 0, ..BankPlan::named("dnb") }],
        payees: vec![PayeePlan {
            id: "MERCHANT0000017".into(),
            account: "86011117947".into(),
            name: "Kiosk Oslo S".into(),
        }],
        asks_billers: false,
        kyc: KycPlan { required: true, ..KycPlan::default() },
        limits: Limits::default(),
        record_inquiries: true,
        keep_ms: 168 * 3_600_000,
        digest_key: DigestKey([7; 32]),
    }
}

pub struct World {
    pub switch: Switch,
    pub now: Now,
    pub seen: Vec<Output>,
    pub journal: Vec<(RecordId, Record)>,
}

impl World {
    /// A linked account of an approved customer, and one channel.
    pub fn linked() -> Self {
        Self::linked_with(plan())
    }

    pub fn linked_with(plan: Plan) -> Self {
        let mut world = Self::bare(plan);
        world.know(Fact::Linked(linked()));
        world.know(Fact::Customer(customer(KycStatus::Approved)));
        world.begin();
        world
    }

    pub fn bare(plan: Plan) -> Self {
        let now = Now { tick: Tick(0), utc: START };
        Self { switch: Switch::new(plan), now, seen: Vec::new(), journal: Vec::new() }
    }

    /// What the journal knows before the engine starts.
    pub fn know(&mut self, fact: Fact) {
        let id = RecordId(self.journal.len() as u64 + 1);
        let record = Record::Fact(Box::new(Known { utc: self.now.utc, fact }));
        self.switch.apply(id, &record);
        self.journal.push((id, record));
    }

    pub fn begin(&mut self) {
        let record = RecordId(self.journal.len() as u64);
        self.switch.recover(self.now, Resume { record, ..Resume::default() });
        self.take_outputs();
        self.tell(Input::LinkUp(ATM));
        self.seen.clear();
    }

    /// Another process reads the same journal.
    pub fn restart(&mut self) {
        let mut switch = Switch::new(self.switch.plan().clone());
        let mut last = 0;
        for (id, record) in &self.journal {
            switch.apply(*id, record);
            last = last.max(record.txn().map_or(0, |txn| txn.0));
        }
        self.switch = switch;
        self.seen.clear();
        let record = self.journal.last().map(|(id, _)| *id).unwrap_or_default();
        let txn = veksel_core::TxnId(last);
        self.switch.recover(self.now, Resume { record, txn, ..Resume::default() });
        self.take_outputs();
    }

    pub fn tell(&mut self, input: Input) {
        self.switch.handle(self.now, input);
        self.take_outputs();
    }

    fn take_outputs(&mut self) {
        let mut sought = Vec::new();
        while let Some(output) = self.switch.poll_output() {
            match &output {
                Output::Persist { id, record } => self.journal.push((*id, record.clone())),
                Output::Find { txn, .. } => sought.push(*txn),
                _ => {}
            }
            self.seen.push(output);
        }
        for txn in sought {
            let records = self.journal.iter().map(|(_, record)| record);
            let stored = Ok(veksel_core::Stored::gather(records));
            self.tell(Input::Found { txn, stored });
        }
    }

    pub fn pass(&mut self, ms: u64) {
        self.now = Now { tick: self.now.tick.after_ms(ms), utc: Utc(self.now.utc.0 + ms) };
        self.switch.handle_timeout(self.now);
        self.take_outputs();
    }

    /// Passes time until the engine asks something or so much is over.
    pub fn pass_until_asked(&mut self, most_ms: u64) -> Option<Box<Ask>> {
        let end = self.now.tick.after_ms(most_ms);
        loop {
            if let Some(ask) = self.asked_maybe() {
                return Some(ask);
            }
            let due = self.switch.poll_timeout().filter(|due| *due <= end)?;
            let ms = due.since(self.now.tick).div_ceil(1_000_000);
            self.pass(ms.max(1));
        }
    }

    pub fn asked_maybe(&mut self) -> Option<Box<Ask>> {
        let place = self.seen.iter().position(|output| matches!(output, Output::Ask { .. }))?;
        match self.seen.remove(place) {
            Output::Ask { ask, .. } => Some(ask),
            _ => None,
        }
    }

    /// The only enquiry that was not looked at.
    pub fn asked(&mut self) -> Box<Ask> {
        let ask = self.asked_maybe().expect("an enquiry");
        assert!(self.asked_maybe().is_none(), "one enquiry");
        ask
    }

    pub fn verdict(&mut self, ask: &Ask, verdict: Verdict) {
        self.tell(Input::Answered { id: ask.id, verdict: Box::new(verdict) });
    }

    /// The only message for a channel that was not looked at.
    pub fn answer(&mut self) -> Message {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0).1
    }

    /// What was sent, all of it written.
    pub fn sent(&mut self) -> Vec<(ConnectionId, Message)> {
        let sent = self.handed();
        for (_, _, tag) in &sent {
            if let Some(tag) = tag {
                self.tell(Input::Written(*tag));
            }
        }
        sent.into_iter().map(|(connection, message, _)| (connection, message)).collect()
    }

    /// What was handed to connections and is not written.
    pub fn handed(&mut self) -> Vec<(ConnectionId, Message, Option<Tag>)> {
        let mut sent = Vec::new();
        self.seen.retain_mut(|output| match output {
            Output::Send { connection, message, tag, .. } => {
                sent.push((*connection, core::mem::take(message), *tag));
                false
            }
            _ => true,
        });
        sent
    }

    pub fn told(&mut self) -> Told {
        let place = self.seen.iter().position(|output| matches!(output, Output::Tell { .. }));
        match self.seen.remove(place.expect("something told")) {
            Output::Tell { told, .. } => *told,
            _ => unreachable!(),
        }
    }

    pub fn call(&mut self, call: Call) {
        self.tell(Input::Called { id: CallId(9), call: Box::new(call) });
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        let outcome = |(_, record): &(RecordId, Record)| match record {
            Record::Outcome(outcome) => Some((**outcome).clone()),
            _ => None,
        };
        self.journal.iter().filter_map(outcome).collect()
    }

    /// The last fact of the only payment.
    pub fn payment(&self) -> Payment {
        let fact = self.journal.iter().rev().find_map(|(_, record)| match record {
            Record::Fact(known) => match &known.fact {
                Fact::Payment(payment) => Some(payment.clone()),
                _ => None,
            },
            _ => None,
        });
        fact.expect("a payment")
    }

    pub fn has_event(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.seen.iter().any(|output| matches!(output, Output::Count(event) if wanted(event)))
    }

    /// A payment that the bank has taken in and whose customer has to approve it; answered 09.
    pub fn pending(&mut self) -> Message {
        self.tell(received(payment(7)));
        let ask = self.asked();
        self.verdict(&ask, initiated(PaymentStatus::Received));
        self.answer()
    }
}

/// A customer wants an account linked.
pub fn link(customer: &str) -> Call {
    Call::Link {
        account: ACCOUNT.into(),
        bank: "dnb".into(),
        iban: ACCOUNT.into(),
        currency: 578,
        customer: customer.into(),
    }
}

pub fn linked() -> Linked {
    Linked {
        account: ACCOUNT.into(),
        bank: "dnb".into(),
        iban: ACCOUNT.into(),
        currency: 578,
        customer: "c-1".into(),
        resource: "r-1".into(),
        consent: "consent-1".into(),
        status: ConsentStatus::Valid,
        until: Utc(START.0 + 90 * 24 * 3_600_000),
        state: [3; 16],
        approve: String::new(),
        link: String::new(),
        is_over: false,
    }
}

pub fn customer(status: KycStatus) -> Customer {
    Customer {
        customer: "c-1".into(),
        applicant: "a-1".into(),
        status,
        level: "basic".into(),
        reviewed: START,
        ..Customer::default()
    }
}

pub fn received(message: Message) -> Input {
    Input::Received { connection: ATM, message }
}

pub fn request(code: &str, stan: u64, amount: u64) -> Message {
    let mut message = Message::of(Mti::parse("0200").unwrap());
    message.set(field::PROCESSING_CODE, code);
    message.set(field::AMOUNT, amount);
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, stan);
    message.set(field::ACQUIRER, "500001");
    message.set(field::RRN, "632516000124");
    message.set(field::TERMINAL, "ATM00017");
    message.set(field::ACCEPTOR, "MERCHANT0000017");
    message.set(field::CURRENCY, 578);
    message.set(field::ACCOUNT, ACCOUNT);
    message
}

pub fn payment(stan: u64) -> Message {
    let mut message = request("401020", stan, 15_000);
    message.set(field::COUNTER_ACCOUNT, "86011117947");
    message
}

/// The same request again, as its sender repeats it.
pub fn repeat(stan: u64) -> Message {
    let mut message = payment(stan);
    message.set_mti(Mti::parse("0201").unwrap());
    message.set(field::TRANSMISSION, "1120142907");
    message
}

pub fn reversal(stan: u64) -> Message {
    let mut message = payment(stan + 1);
    message.set_mti(Mti::parse("0420").unwrap());
    let original = format!("0200{stan:06}11201428070000050000100000000000");
    message.set(field::ORIGINAL_DATA, &original);
    message
}

pub fn initiated(status: PaymentStatus) -> Verdict {
    Verdict::Initiated(Initiated {
        payment: "pay-1".into(),
        product: "norwegian-domestic-credit-transfers".into(),
        progress: progress(status),
        approve: Some("https://bank.example/sca/1".into()),
        needs_approval: true,
    })
}

pub const fn progress(status: PaymentStatus) -> Progress {
    Progress { status, is_approved: false, is_failed: false, lacks_funds: false }
}

pub const fn status(status: PaymentStatus) -> Verdict {
    Verdict::Status(progress(status))
}

pub fn failed(why: Failed, is_open: bool) -> Verdict {
    Verdict::Failed(Failure { why, is_open, code: "CODE".into(), retry_ms: None })
}

pub fn order(ask: &Ask) -> &Order {
    match &ask.enquiry {
        Enquiry::Initiate(order) => order,
        other => panic!("an order: {other:?}"),
    }
}

pub fn code(message: &Message) -> String {
    message.get(field::RESPONSE_CODE).map(|code| code.to_string()).unwrap_or_default()
}

pub fn tag(message: &Message, tag: &str) -> Option<String> {
    let text = message.get(field::ADDITIONAL_DATA)?.to_string();
    tags::find(&text, tag).map(str::to_owned)
}
