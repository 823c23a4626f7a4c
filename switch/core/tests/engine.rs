//! The engine seen from outside: what it wants for what it is told.
//!
//! One bank, one participant, no sockets and no clock: each test plays the world by hand. Whole
//! histories under faults belong to the simulation, not here.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "engine/admission.rs"]
mod admission;
#[path = "engine/explain.rs"]
mod explain;
#[path = "engine/groups.rs"]
mod groups;
#[path = "engine/identity.rs"]
mod identity;
#[path = "engine/money.rs"]
mod money;
#[path = "engine/replan.rs"]
mod replan;
#[path = "engine/undoing.rs"]
mod undoing;

use veksel_codecs::{DecodeError, Fault, FieldPath, Message, Mti, Refusal, ResponseCode, field};
use veksel_core::plan::{
    ChannelSessionPlan, DigestKey, GroupPlan, KycPlan, Limits, LinkPlan, LinkRole, ParticipantPlan,
    RoutePlan, RouteTo,
};
use veksel_core::record::{Outcome, Reason, ReversalStep, Verdict};
use veksel_core::{
    Action, Closing, Command, ConnectionId, Dropped, Event, GroupId, Input, Leg, LinkId, Now,
    Output, ParticipantId, Plan, Position, Record, RecordId, Switch, Tag, Tick, Unsent, Utc,
};

const ATM: ConnectionId = ConnectionId { link: LinkId(0), serial: 1 };
const BANK: ConnectionId = ConnectionId { link: LinkId(1), serial: 2 };
const BANK_TOO: ConnectionId = ConnectionId { link: LinkId(1), serial: 3 };

fn plan() -> Plan {
    Plan {
        institution: "500001".into(),
        links: vec![
            LinkPlan::named("atm", LinkRole::Channel(ParticipantId(0))),
            LinkPlan::named("bank.1", LinkRole::Host(GroupId(0))),
        ],
        groups: vec![GroupPlan::named("bank")],
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

/// An engine and everything it has wanted so far and nobody has looked at.
struct World {
    switch: Switch,
    now: Now,
    seen: Vec<Output>,
    journal: Vec<(RecordId, Record)>,
    /// Whether the journal answers what the engine wants to find.
    answers: bool,
}

impl World {
    fn new(plan: Plan) -> Self {
        let now = Now { tick: Tick(0), utc: Utc(1_795_184_887_000) };
        Self {
            switch: Switch::new(plan),
            now,
            seen: Vec::new(),
            journal: Vec::new(),
            answers: true,
        }
    }

    /// With one connection to the bank that is signed on.
    fn online() -> Self {
        Self::online_with(plan())
    }

    fn online_with(plan: Plan) -> Self {
        let mut world = Self::new(plan);
        world.tell(Input::LinkUp(ATM));
        world.sign_on(BANK);
        world
    }

    /// Starts with the journal of another.
    fn recover(&mut self, before: &Self) {
        for (id, record) in &before.journal {
            self.switch.apply(*id, record);
        }
        let record = before.journal.last().unwrap().0;
        self.switch.recover(self.now, veksel_core::Resume { record, ..Default::default() });
    }

    fn sign_on(&mut self, connection: ConnectionId) {
        self.sign_on_and_keep(connection);
        self.take();
    }

    /// The same, and what waited for it stays to be looked at.
    fn sign_on_and_keep(&mut self, connection: ConnectionId) {
        self.tell(Input::LinkUp(connection));
        let request = self.sent_to(connection);
        assert_eq!(request.get(field::NETWORK_CODE), Some(1));
        self.tell(received(connection, answer_to(&request, "00")));
    }

    fn tell(&mut self, input: Input) {
        self.switch.handle(self.now, input);
        let mut asked = Vec::new();
        while let Some(output) = self.switch.poll_output() {
            match &output {
                Output::Persist { id, record } => self.journal.push((*id, record.clone())),
                Output::Find { txn, .. } if self.answers => asked.push(*txn),
                _ => {}
            }
            self.seen.push(output);
        }
        for txn in asked {
            let records = self.journal.iter().map(|(_, record)| record);
            let stored = Ok(veksel_core::Stored::gather(records));
            self.tell(Input::Found { txn, stored });
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now = Now { tick: self.now.tick.after_ms(ms), utc: Utc(self.now.utc.0 + ms) };
        self.switch.handle_timeout(self.now);
        while let Some(output) = self.switch.poll_output() {
            if let Output::Persist { id, record } = &output {
                self.journal.push((*id, record.clone()));
            }
            self.seen.push(output);
        }
    }

    /// The last outcome recorded.
    fn outcome(&self) -> Outcome {
        let outcome = self.journal.iter().rev().find_map(|(_, record)| match record {
            Record::Outcome(outcome) => Some((**outcome).clone()),
            _ => None,
        });
        outcome.expect("an outcome")
    }

    /// All steps of reversals recorded.
    fn steps(&self) -> Vec<ReversalStep> {
        let step = |(_, record): &(RecordId, Record)| match record {
            Record::Reversal(reversal) => Some(reversal.step.clone()),
            _ => None,
        };
        self.journal.iter().filter_map(step).collect()
    }

    fn take(&mut self) -> Vec<Output> {
        core::mem::take(&mut self.seen)
    }

    /// Everything but explanations, which say why and do nothing.
    fn take_decisions(&mut self) -> Vec<Output> {
        let is_said = |output: &Output| matches!(output, Output::Count(Event::Explained { .. }));
        self.take().into_iter().filter(|output| !is_said(output)).collect()
    }

    /// The only message for this connection among what was not looked at; forgets the rest.
    fn sent_to(&mut self, connection: ConnectionId) -> Message {
        let mut sent = self.all_sent_to(connection);
        assert_eq!(sent.len(), 1, "one message for {connection:?}");
        sent.remove(0)
    }

    fn all_sent_to(&mut self, to: ConnectionId) -> Vec<Message> {
        let sent = self.take().into_iter().filter_map(|output| match output {
            Output::Send { connection, message, .. } if connection == to => Some(message),
            _ => None,
        });
        sent.collect()
    }

    /// A payment that was written to the bank: its request as the bank sees it.
    fn payment(&mut self) -> (Message, Tag) {
        self.tell(received(ATM, payment(7)));
        let (message, tag) = self.request();
        self.tell(Input::Written(tag));
        (message, tag)
    }

    fn request(&mut self) -> (Message, Tag) {
        let send = self.take().into_iter().find_map(|output| match output {
            Output::Send { message, tag: Some(tag), .. } if tag.leg == Leg::Request => {
                Some((message, tag))
            }
            _ => None,
        });
        send.expect("a request for the bank")
    }
}

fn received(connection: ConnectionId, message: Message) -> Input {
    Input::Received { connection, message }
}

fn request(code: &str, stan: u64, amount: u64) -> Message {
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
    message.set(field::ACCOUNT, "10000000001");
    message.set(field::PAN, "4111111111111111");
    message.set(field::PIN_BLOCK, b"12345678");
    message
}

fn payment(stan: u64) -> Message {
    request("401020", stan, 4_500)
}

fn balance(stan: u64) -> Message {
    request("310000", stan, 0)
}

fn answer_to(request: &Message, code: &str) -> Message {
    let mut answer = request.clone();
    answer.set_mti(request.mti().response().unwrap());
    answer.remove(field::PIN_BLOCK);
    answer.set(field::RESPONSE_CODE, ResponseCode::parse(code).unwrap());
    answer
}

fn code(message: &Message) -> String {
    message.get(field::RESPONSE_CODE).map(|code| code.to_string()).unwrap_or_default()
}

#[test]
fn a_balance_waits_for_no_record_and_comes_back_with_the_channels_numbers() {
    let mut world = World::online();
    world.tell(received(ATM, balance(7)));
    let outputs = world.take();
    let Some(Output::Send { after: None, message, tag: Some(tag), .. }) =
        outputs.into_iter().find(|output| matches!(output, Output::Send { .. }))
    else {
        panic!("an inquiry is sent at once");
    };
    assert_ne!(message.get(field::STAN), Some(7), "the bank sees a number of the switch");
    world.tell(Input::Written(tag));
    world.tell(received(BANK, answer_to(&message, "00")));
    let answer = world.sent_to(ATM);
    assert_eq!((answer.mti().as_str(), answer.get(field::STAN)), ("0210", Some(7)));
    assert_eq!(code(&answer), "00");
    assert!(!answer.has(field::PIN_BLOCK));
    assert!(world.switch.is_idle());
    assert!(matches!(&world.journal[..], [(_, Record::Inquiry(_))]));
}

#[test]
fn a_payment_leaves_after_its_intent_and_is_answered_after_its_outcome() {
    let mut world = World::online();
    world.tell(received(ATM, payment(7)));
    let outputs = world.take();
    let persisted = outputs.iter().find_map(|output| match output {
        Output::Persist { id, record: Record::Intent(_) } => Some(*id),
        _ => None,
    });
    let Some(Output::Send { after, message, tag: Some(tag), .. }) =
        outputs.into_iter().find(|output| matches!(output, Output::Send { .. }))
    else {
        panic!("a request");
    };
    assert!(persisted.is_some() && after == persisted);
    world.tell(Input::Written(tag));
    world.tell(received(BANK, answer_to(&message, "00")));
    let outputs = world.take();
    let outcome = outputs.iter().find_map(|output| match output {
        Output::Persist { id, record: Record::Outcome(outcome) } => Some((*id, outcome.verdict)),
        _ => None,
    });
    let Some(Output::Send { after, tag: Some(tag), connection, .. }) =
        outputs.into_iter().find(|output| matches!(output, Output::Send { .. }))
    else {
        panic!("an answer");
    };
    assert_eq!((outcome, connection), (after.map(|id| (id, Verdict::Answered)), ATM));
    world.tell(Input::Written(tag));
    assert!(world.switch.is_idle());
}

#[test]
fn a_timeout_after_the_first_byte_is_reversed_and_answered_68() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.pass(14_999);
    assert!(world.take().is_empty());
    world.pass(1);
    let answer = world.sent_to(ATM);
    assert_eq!(code(&answer), "68");
    let steps: Vec<_> = world.journal.iter().skip(1).map(|(_, record)| record).collect();
    assert!(
        matches!(&steps[..], [
            Record::Reversal(reversal),
            Record::Outcome(outcome),
            Record::Reversal(_),
        ] if reversal.step == (ReversalStep::Queued { reason: Reason::Timeout, actual: None })
            && outcome.verdict == Verdict::Indefinite),
        "{steps:?}"
    );
    assert_eq!(world.switch.reversals_open(), 1);
    // The late approval meets a tombstone and never reaches the channel.
    world.tell(received(BANK, answer_to(&request, "00")));
    let late = Output::Count(Event::Dropped { link: LinkId(1), why: Dropped::Late });
    assert_eq!(format!("{:?}", world.take_decisions()), format!("{:?}", [late]));
}

#[test]
fn a_request_that_was_never_written_is_91_without_a_reversal() {
    let mut world = World::online();
    world.tell(received(ATM, payment(7)));
    let (_, tag) = world.request();
    world.tell(Input::Unsent { tag, why: Unsent::Expired });
    assert_eq!(code(&world.sent_to(ATM)), "91");
    let Some((_, Record::Outcome(outcome))) = world.journal.last() else { panic!("an outcome") };
    assert_eq!((outcome.verdict, outcome.reason), (Verdict::NotSent, Reason::Expired));
    assert_eq!(world.switch.reversals_open(), 0);
}

#[test]
fn a_request_that_was_never_written_may_go_to_another_connection() {
    let mut world = World::online();
    world.sign_on(BANK_TOO);
    world.tell(received(ATM, payment(7)));
    let outputs = world.take();
    let Some(Output::Send { connection: first, tag: Some(tag), .. }) =
        outputs.into_iter().find(|output| matches!(output, Output::Send { .. }))
    else {
        panic!("a request");
    };
    world.tell(Input::Unsent { tag, why: Unsent::Closed });
    world.tell(Input::LinkDown(first));
    let other = if first == BANK { BANK_TOO } else { BANK };
    let again = world.sent_to(other);
    assert_eq!(again.get(field::AMOUNT), Some(4_500));
    world.tell(Input::Written(tag));
    world.tell(received(other, answer_to(&again, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00");
}

#[test]
fn a_connection_that_dies_makes_what_was_written_indefinite_at_once() {
    let mut world = World::online();
    world.payment();
    world.tell(Input::LinkDown(BANK));
    assert_eq!(code(&world.sent_to(ATM)), "68");
    world.tell(received(ATM, balance(8)));
    assert_eq!(code(&world.sent_to(ATM)), "91", "nobody is there any more");
}

#[test]
fn an_answer_that_contradicts_its_request_is_no_answer() {
    type Change = fn(&mut Message);
    let changes: [(&str, Change); 6] = [
        ("amount", |m| m.set(field::AMOUNT, 4_501)),
        ("code", |m| m.set(field::PROCESSING_CODE, "310000")),
        ("terminal", |m| m.set(field::TERMINAL, "ATM00018")),
        ("rrn", |m| m.set(field::RRN, "632516000125")),
        ("transmission", |m| m.set(field::TRANSMISSION, "1120142808")),
        ("no code", |m| m.remove(field::RESPONSE_CODE)),
    ];
    for (name, change) in changes {
        let mut world = World::online();
        let (request, _) = world.payment();
        let mut answer = answer_to(&request, "00");
        change(&mut answer);
        world.tell(received(BANK, answer));
        assert!(world.all_sent_to(ATM).is_empty(), "{name}");
        world.pass(15_000);
        assert_eq!(code(&world.sent_to(ATM)), "68", "{name}");
        let outcome = world.outcome();
        assert_eq!(outcome.reason, Reason::Mismatch, "{name}");
    }
}

#[test]
fn a_partial_approval_may_be_lower_and_never_higher() {
    for (amount, response, relayed) in
        [(4_000, "10", true), (4_501, "10", false), (4_000, "00", false)]
    {
        let mut world = World::online();
        let (request, _) = world.payment();
        let mut answer = answer_to(&request, response);
        answer.set(field::AMOUNT, amount);
        world.tell(received(BANK, answer));
        assert_eq!(world.all_sent_to(ATM).len(), usize::from(relayed), "{amount} {response}");
    }
}

#[test]
fn an_approval_that_cannot_be_delivered_is_reversed() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(received(BANK, answer_to(&request, "00")));
    let answer = world.take().into_iter().find_map(|output| match output {
        Output::Send { tag, .. } => tag,
        _ => None,
    });
    world.tell(Input::Unsent { tag: answer.unwrap(), why: Unsent::Closed });
    let queued = ReversalStep::Queued { reason: Reason::Undelivered, actual: None };
    assert!(world.steps().contains(&queued));
    assert!(world.switch.is_idle());
    assert_eq!(world.switch.reversals_open(), 1);
}

#[test]
fn a_decline_that_cannot_be_delivered_leaves_nothing() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(received(BANK, answer_to(&request, "51")));
    assert_eq!(code(&world.sent_to(ATM)), "51");
    assert!(world.switch.is_idle());
    assert_eq!(world.switch.reversals_open(), 0);
}

#[test]
fn the_wrong_way_round_is_never_answered() {
    let mut world = World::online();
    world.tell(received(ATM, answer_to(&balance(7), "00")));
    assert!(world.all_sent_to(ATM).is_empty());
    world.tell(received(BANK, balance(7)));
    assert_eq!(code(&world.sent_to(BANK)), "40", "a host asks in vain, and is told so");
}

#[test]
fn what_has_no_route_is_92_and_what_has_no_meaning_is_told_apart() {
    let mut world = World::online();
    let mut elsewhere = payment(7);
    elsewhere.set(field::ACCOUNT, "90000000001");
    world.tell(received(ATM, elsewhere));
    assert_eq!(code(&world.sent_to(ATM)), "92");
    for (mti, refusal, expected) in [
        ("0200", Refusal::UnknownCode, "12"),
        ("0300", Refusal::UnknownType, "40"),
        ("0900", Refusal::UnknownType, "12"),
    ] {
        let mut message = payment(7);
        message.set_mti(Mti::parse(mti).unwrap());
        world.tell(Input::Malformed { connection: ATM, message, refusal });
        assert_eq!(code(&world.sent_to(ATM)), expected, "{mti}");
    }
}

#[test]
fn a_format_error_is_answered_30_with_the_field_and_the_reason() {
    let mut world = World::online();
    let fault = Fault::Content { expected: veksel_codecs::Content::Digits, at: 3 };
    let path = FieldPath::whole(field::AMOUNT.number());
    let refusal = Refusal::Format(DecodeError { path, offset: 30, fault });
    let mut message = payment(7);
    message.remove(field::AMOUNT);
    world.tell(Input::Malformed { connection: ATM, message, refusal });
    let answer = world.sent_to(ATM);
    assert_eq!((code(&answer).as_str(), answer.mti().as_str()), ("30", "0210"));
    assert_eq!(answer.get(field::ADDITIONAL_RESPONSE).unwrap(), "004V");
    assert_eq!(answer.get(field::STAN), Some(7));
    // Without a trace number there is nothing to answer to.
    let (mut message, refusal) = (payment(7), refusal);
    message.remove(field::STAN);
    world.tell(Input::Malformed { connection: ATM, message, refusal });
    assert!(world.all_sent_to(ATM).is_empty());
}

/// Switch semantics 50: 63 and nothing else for a request, silence for an answer.
#[test]
fn what_may_be_anybodys_changes_nothing() {
    let mut world = World::online();
    let refusal = Refusal::Unauthentic;
    for mti in ["0100", "0200", "0220", "0420", "0800"] {
        let mut message = payment(8);
        message.set_mti(Mti::parse(mti).unwrap());
        world.tell(Input::Malformed { connection: ATM, message, refusal });
        let answer = world.sent_to(ATM);
        assert_eq!((code(&answer).as_str(), answer.get(field::STAN)), ("63", Some(8)), "{mti}");
        assert!(!answer.has(field::ADDITIONAL_RESPONSE), "not a word about what is expected");
        // It repeats what anybody may have written, so it must not be signed.
        let mac = answer.expose(field::MAC_FIRST.number()).and_then(|raw| raw.binary());
        assert_eq!(mac.as_deref(), Some(&[0; 8][..]));
    }
    assert!(world.journal.is_empty() && world.switch.is_idle());
    let (request, _) = world.payment();
    let message = answer_to(&request, "00");
    world.tell(Input::Malformed { connection: BANK, message, refusal });
    let dropped = Event::Dropped { link: LinkId(1), why: Dropped::Unauthentic };
    assert_eq!(format!("{:?}", world.take_decisions()), format!("{:?}", [Output::Count(dropped)]));
    world.pass(15_000);
    assert_eq!(code(&world.sent_to(ATM)), "68");
    assert_eq!(world.outcome().verdict, Verdict::Indefinite);
    // A host's own request is told so, too; but nothing that could pass for an answer to us.
    world.take();
    let mut message = request;
    message.set_mti(Mti::parse("0200").unwrap());
    world.tell(Input::Malformed { connection: BANK, message, refusal });
    assert!(world.all_sent_to(BANK).is_empty());
    let mut message = Message::of(Mti::parse("0800").unwrap());
    message.set(field::STAN, 9);
    world.tell(Input::Malformed { connection: BANK, message, refusal });
    let sent = world.all_sent_to(BANK);
    assert_eq!(sent.iter().map(code).collect::<Vec<_>>().last().unwrap(), "63");
}

#[test]
fn limits_are_answers_and_advices_pass_them() {
    let mut tight = plan();
    tight.groups[0].window_max = 2;
    tight.groups[0].queue_max = 0;
    let mut world = World::online_with(tight);
    for stan in 1..=2 {
        world.tell(received(ATM, balance(stan)));
        world.take();
    }
    world.tell(received(ATM, balance(3)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    let mut advice = payment(4);
    advice.set_mti(Mti::parse("0220").unwrap());
    world.tell(received(ATM, advice));
    assert_eq!(code(&world.all_sent_to(ATM).remove(0)), "00");
}

#[test]
fn the_breaker_opens_on_silence_and_recovers_by_an_echo_and_probes() {
    let mut world = World::online();
    for stan in 1..=5 {
        world.tell(received(ATM, balance(stan)));
        let (_, tag) = world.request();
        world.tell(Input::Written(tag));
    }
    world.pass(8_000);
    let opened = world.take().into_iter().any(|output| {
        matches!(output, Output::Count(Event::Breaker { position: Position::Open, .. }))
    });
    assert!(opened);
    world.tell(received(ATM, balance(6)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    // Five seconds and up to a tenth more.
    world.pass(5_500);
    let echo = world.sent_to(BANK);
    assert_eq!(echo.get(field::NETWORK_CODE), Some(301));
    world.tell(received(BANK, answer_to(&echo, "00")));
    for stan in 7..=9 {
        world.tell(received(ATM, balance(stan)));
        let (request, tag) = world.request();
        world.tell(Input::Written(tag));
        world.tell(received(ATM, balance(100 + stan)));
        assert_eq!(code(&world.sent_to(ATM)), "91", "one probe at a time");
        world.tell(received(BANK, answer_to(&request, "51")));
        assert_eq!(code(&world.sent_to(ATM)), "51", "a decline is a good answer");
    }
    world.tell(received(ATM, balance(10)));
    world.request();
    world.tell(received(ATM, balance(11)));
    world.request();
}

#[test]
fn business_declines_never_open_the_breaker() {
    let mut world = World::online();
    for stan in 1..=50 {
        world.tell(received(ATM, payment(stan)));
        let (request, tag) = world.request();
        world.tell(Input::Written(tag));
        world.tell(received(BANK, answer_to(&request, "51")));
        assert_eq!(code(&world.sent_to(ATM)), "51");
    }
}

#[test]
fn a_bank_that_refuses_the_sign_on_is_closed() {
    let mut world = World::new(plan());
    world.tell(Input::LinkUp(BANK));
    let request = world.sent_to(BANK);
    world.tell(received(BANK, answer_to(&request, "05")));
    let closed = |output: &Output| {
        matches!(output, Output::Close { connection: BANK, why: Closing::SignOn })
    };
    assert!(world.take().iter().any(closed));
}

#[test]
fn nothing_is_sent_to_a_bank_before_it_signed_us_on() {
    let mut world = World::new(plan());
    world.tell(Input::LinkUp(ATM));
    world.tell(Input::LinkUp(BANK));
    world.take();
    world.tell(received(ATM, balance(7)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
}

#[test]
fn channels_may_sign_on_and_off_and_ask_for_echoes() {
    let mut world = World::online();
    let mut network = |code_sent: u64| {
        let mut message = Message::of(Mti::parse("0800").unwrap());
        message.set(field::TRANSMISSION, "1120142807");
        message.set(field::STAN, 1);
        message.set(field::NETWORK_CODE, code_sent);
        world.tell(received(ATM, message));
        code(&world.sent_to(ATM))
    };
    assert_eq!([1, 301, 201, 2, 999].map(&mut network), ["00", "00", "00", "00", "40"]);
    world.tell(received(ATM, balance(7)));
    assert_eq!(code(&world.sent_to(ATM)), "91", "signed off");
}

#[test]
fn no_secret_reaches_a_record() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(received(BANK, answer_to(&request, "00")));
    let journal = format!("{:?}", world.journal);
    assert!(!journal.contains("4111111111111111"), "a card number shows in clear");
    assert!(!journal.contains("12345678"), "a PIN block shows");
}
