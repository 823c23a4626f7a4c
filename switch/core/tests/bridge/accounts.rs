//! Linking accounts and giving them up.

use crate::world::{
    ACCOUNT, ATM, START, World, code, customer, failed, link, linked, plan, received, request,
    status as of_payment, tag,
};
use veksel_codecs::field;
use veksel_core::enquiry::{Call, ConsentState, Enquiry, Failed, Moved, Told, Verdict};
use veksel_core::fact::{
    Cached, Case, ConsentStatus, Fact, KycStatus, Linked, PaymentState, PaymentStatus,
};
use veksel_core::{BankId, Input, Utc};

/// A consent that was asked for and waits: what was told, and the state of its redirect.
fn waiting() -> (World, [u8; 16]) {
    let mut world = World::bare(plan());
    world.know(Fact::Customer(customer(KycStatus::Approved)));
    world.begin();
    world.call(link("c-1"));
    let ask = world.asked();
    let Enquiry::Consent { state, .. } = &ask.enquiry else { panic!("{ask:?}") };
    let state = *state;
    assert!(!world.seen.iter().any(|o| matches!(o, veksel_core::Output::Tell { .. })));
    let approve = Some("https://bank.example/consent/1".to_owned());
    world.verdict(&ask, Verdict::ConsentAsked { consent: "consent-1".into(), approve });
    (world, state)
}

fn status(world: &mut World) -> Option<ConsentStatus> {
    world.call(Call::Linked { account: ACCOUNT.into() });
    match world.told() {
        Told::Linked { linked, .. } => Some(linked.status),
        _ => None,
    }
}

fn valid() -> Verdict {
    let until = Some(Utc(START.0 + 1_000_000));
    Verdict::Consent { state: ConsentState::Valid, resource: "r-1".into(), until }
}

#[test]
fn an_account_is_linked_when_its_customer_has_approved() {
    let (mut world, state) = waiting();
    let Told::Linked { approve, linked } = world.told() else { panic!("linked") };
    assert_eq!(approve.as_deref(), Some("https://bank.example/consent/1"));
    assert_eq!(linked.status, ConsentStatus::Waiting);
    world.call(Call::Moved(Moved::State([9; 16])));
    assert_eq!(world.told(), Told::Unknown, "no such state");
    assert!(world.asked_maybe().is_none());
    world.call(Call::Moved(Moved::State(state)));
    assert!(matches!(world.told(), Told::Linked { .. }));
    let ask = world.pass_until_asked(1).unwrap();
    world.verdict(&ask, valid());
    assert_eq!(status(&mut world), Some(ConsentStatus::Valid));
    world.tell(received(request("310000", 7, 0)));
    let ask = world.asked();
    assert!(matches!(&ask.enquiry, Enquiry::Balances { account, .. } if account.resource == "r-1"));
}

#[test]
fn a_redirect_that_never_comes_back_is_looked_after() {
    let (mut world, _) = waiting();
    world.told();
    let ask = world.pass_until_asked(5_000).unwrap();
    let resource = String::new();
    let wait = Verdict::Consent { state: ConsentState::Waiting, resource, until: None };
    world.verdict(&ask, wait.clone());
    world.restart();
    let mut looks = 0;
    while let Some(ask) = world.pass_until_asked(200_000) {
        looks += 1;
        world.verdict(&ask, wait.clone());
    }
    assert!((10..40).contains(&looks), "{looks}");
    assert_eq!(status(&mut world), Some(ConsentStatus::Expired), "after half an hour");
}

#[test]
fn a_bank_that_cannot_be_asked_links_nothing() {
    let mut world = World::bare(plan());
    world.begin();
    world.call(link("c-1"));
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Unavailable, false));
    assert!(matches!(world.told(), Told::Failed(failure) if failure.why == Failed::Unavailable));
    world.tell(received(request("310000", 7, 0)));
    assert_eq!(code(&world.answer()), "91", "it is of the hosts, and none is signed on");
}

/// Where a balance inquiry goes: to the bank, to the hosts, or nowhere with a code.
fn way(world: &mut World, stan: u64) -> String {
    world.tell(received(request("310000", stan, 0)));
    match world.asked_maybe() {
        Some(ask) => {
            assert!(matches!(ask.enquiry, Enquiry::Balances { .. }), "{ask:?}");
            world.verdict(&ask, failed(Failed::Malfunction, false));
            world.answer();
            "bank".to_owned()
        }
        None => match code(&world.answer()).as_str() {
            // No host is signed on.
            "91" => "hosts".to_owned(),
            code => code.to_owned(),
        },
    }
}

fn ended(state: ConsentState) -> Verdict {
    Verdict::Consent { state, resource: String::new(), until: None }
}

#[test]
fn an_account_that_is_only_being_linked_stays_with_the_hosts() {
    let mut world = World::bare(plan());
    world.begin();
    world.call(link("c-1"));
    let ask = world.asked();
    assert_eq!(way(&mut world, 7), "hosts", "the bank has not answered");
    let approve = Some("https://bank.example/consent/1".to_owned());
    world.verdict(&ask, Verdict::ConsentAsked { consent: "consent-1".into(), approve });
    assert_eq!(way(&mut world, 8), "hosts", "its customer has not approved");
    world.restart();
    world.tell(Input::LinkUp(ATM));
    let ask = world.pass_until_asked(5_000).unwrap();
    assert_eq!(way(&mut world, 9), "hosts", "nor after a restart");
    world.verdict(&ask, valid());
    assert_eq!(way(&mut world, 10), "bank");
    // Its time passes, and the bank says so.
    world.pass(1_000_001);
    assert_eq!(way(&mut world, 11), "57");
    assert_eq!(status(&mut world), Some(ConsentStatus::Expired));
    assert_eq!(way(&mut world, 12), "57");
    world.restart();
    world.tell(Input::LinkUp(ATM));
    assert_eq!(way(&mut world, 13), "57");
}

#[test]
fn an_account_whose_first_consent_comes_to_nothing_stays_with_the_hosts() {
    for (state, expected) in
        [(ConsentState::Gone, ConsentStatus::Gone), (ConsentState::Expired, ConsentStatus::Expired)]
    {
        let (mut world, _) = waiting();
        let ask = world.pass_until_asked(5_000).unwrap();
        world.verdict(&ask, ended(state));
        world.told();
        assert_eq!(status(&mut world), Some(expected));
        assert_eq!(way(&mut world, 7), "hosts");
    }
    let (mut world, _) = waiting();
    world.told();
    while let Some(ask) = world.pass_until_asked(200_000) {
        world.verdict(&ask, ended(ConsentState::Waiting));
    }
    assert_eq!(status(&mut world), Some(ConsentStatus::Expired), "nobody approved it in time");
    assert_eq!(way(&mut world, 8), "hosts");
}

#[test]
fn an_account_that_is_linked_anew_stays_with_its_bank() {
    for ends in [ConsentState::Gone, ConsentState::Expired, ConsentState::Valid] {
        let mut world = World::linked();
        assert_eq!(way(&mut world, 7), "bank");
        world.call(link("c-1"));
        let revoke = world.asked_maybe().expect("the consent before is given back");
        assert!(matches!(revoke.enquiry, Enquiry::Revoke(_)), "{revoke:?}");
        let ask = world.asked();
        assert!(matches!(ask.enquiry, Enquiry::Consent { .. }), "{ask:?}");
        assert_eq!(way(&mut world, 8), "57", "nobody may look meanwhile");
        let approve = Some("https://bank.example/consent/2".to_owned());
        world.verdict(&ask, Verdict::ConsentAsked { consent: "consent-2".into(), approve });
        assert_eq!(way(&mut world, 9), "57");
        let ask = world.pass_until_asked(5_000).unwrap();
        let is_valid = ends == ConsentState::Valid;
        world.verdict(&ask, if is_valid { valid() } else { ended(ends) });
        world.restart();
        world.tell(Input::LinkUp(ATM));
        assert_eq!(way(&mut world, 10), if is_valid { "bank" } else { "57" }, "{ends:?}");
    }
}

#[test]
fn nobody_takes_an_account_from_its_owner() {
    let mut world = World::linked();
    world.call(link("c-2"));
    assert!(matches!(world.told(), Told::Failed(failure) if failure.why == Failed::Duplicate));
    assert!(world.asked_maybe().is_none());
    world.call(Call::Unlink { account: ACCOUNT.into(), customer: None });
    assert_eq!(world.told(), Told::Noted);
    let ask = world.asked();
    assert!(matches!(ask.enquiry, Enquiry::Revoke(_)));
    assert_eq!(status(&mut world), None);
    world.call(link("c-2"));
    assert!(matches!(world.asked().enquiry, Enquiry::Consent { .. }));
}

#[test]
fn a_push_of_a_bank_is_a_hint_and_asks() {
    let mut world = World::linked();
    world.pending();
    world.pass(1_500);
    let payment = |bank, payment: &str| {
        Call::Moved(Moved::Payment { bank: BankId(bank), payment: payment.into() })
    };
    world.call(payment(0, "another"));
    assert_eq!(world.told(), Told::Unknown);
    world.call(payment(1, "pay-1"));
    assert_eq!(world.told(), Told::Unknown, "of another bank");
    world.pass(600);
    world.asked_maybe();
    world.call(payment(0, "pay-1"));
    assert_eq!(world.told(), Told::Payment(PaymentState::Pending));
}

#[test]
fn a_push_tells_of_a_late_completion_before_the_sweep() {
    let mut world = World::linked();
    world.pending();
    while world.payment().state != PaymentState::Expired {
        let ask = world.pass_until_asked(60_000).expect("something is asked");
        let verdict = match &ask.enquiry {
            Enquiry::Cancel(_) => Verdict::CancelPending,
            _ => of_payment(PaymentStatus::Received),
        };
        world.verdict(&ask, verdict);
    }
    world.pass(3_000);
    assert!(world.asked_maybe().is_none(), "the sweep comes later");
    world.call(Call::Moved(Moved::Payment { bank: BankId(0), payment: "pay-1".into() }));
    assert_eq!(world.told(), Told::Payment(PaymentState::Expired));
    let ask = world.asked();
    assert!(matches!(ask.enquiry, Enquiry::Status(_)), "{ask:?}");
    world.verdict(&ask, of_payment(PaymentStatus::Settled));
    assert_eq!(world.payment().state, PaymentState::Late);
    assert_eq!(world.payment().case, Some(Case::LateCompletion));
}

#[test]
fn where_a_payment_is_approved_is_found_by_its_link_id() {
    let mut world = World::linked();
    let answer = world.pending();
    let link = tag(&answer, "P2").unwrap();
    world.call(Call::Approve { link });
    assert_eq!(world.told(), Told::Approve("https://bank.example/sca/1".into()));
    world.call(Call::Approve { link: "000000000000".into() });
    assert_eq!(world.told(), Told::Unknown);
}

#[test]
fn what_cannot_be_recorded_is_not_begun() {
    let mut world = World::linked();
    world.tell(Input::Full(true));
    world.call(link("c-3"));
    assert_eq!(world.told(), Told::Busy);
    assert!(world.asked_maybe().is_none());
    let mut plan = plan();
    plan.limits.links_max = 1;
    let mut world = World::bare(plan);
    world.know(Fact::Linked(Linked { account: "other".into(), ..linked() }));
    world.begin();
    world.call(link("c-1"));
    assert_eq!(world.told(), Told::Busy);
}

fn file_action(file: &str, additional: &str) -> Input {
    let mut message = request("000000", 31, 0);
    message.set_mti(veksel_codecs::Mti::parse("0302").unwrap());
    message.set(field::FILE_NAME, file);
    message.set(field::ADDITIONAL_DATA, additional);
    received(message)
}

/// A participant that may link accounts by message.
fn linking() -> World {
    let mut plan = plan();
    plan.participants[0].file_actions = true;
    let mut world = World::bare(plan);
    world.begin();
    world
}

const WISH: &str = "1503dnb4203c-14615NO9386011117947";

#[test]
fn an_account_is_linked_by_message_and_its_page_found_by_the_link_id() {
    let mut world = linking();
    world.tell(file_action("LINK", WISH));
    let ask = world.asked();
    let Enquiry::Consent { account, .. } = &ask.enquiry else { panic!("{ask:?}") };
    assert_eq!((account.iban.as_str(), account.customer.as_str()), (ACCOUNT, "c-1"));
    let approve = Some("https://bank.example/consent/1".to_owned());
    world.verdict(&ask, Verdict::ConsentAsked { consent: "consent-1".into(), approve });
    let answer = world.answer();
    assert_eq!((answer.mti().as_str(), code(&answer).as_str()), ("0312", "09"));
    assert_eq!(tag(&answer, "P1").as_deref(), Some("consent-1"));
    world.call(Call::Approve { link: tag(&answer, "P2").unwrap() });
    assert_eq!(world.told(), Told::Approve("https://bank.example/consent/1".into()));
    let ask = world.pass_until_asked(5_000).unwrap();
    world.verdict(&ask, valid());
    assert_eq!(status(&mut world), Some(ConsentStatus::Valid));
    world.tell(file_action("UNLINK", ""));
    assert_eq!(code(&world.answer()), "00");
    assert_eq!(status(&mut world), None);
}

#[test]
fn a_check_is_begun_by_message_and_its_token_stays_here() {
    let mut world = linking();
    world.tell(file_action("KYC", "4203c-1"));
    let ask = world.asked();
    let token = veksel_core::enquiry::Secret::new("_act-secret");
    world.verdict(&ask, Verdict::Applicant { applicant: "a-1".into(), token });
    let answer = world.answer();
    assert_eq!((code(&answer).as_str(), tag(&answer, "P1").as_deref()), ("09", Some("a-1")));
    assert!(!format!("{answer:?}").contains("_act"));
}

#[test]
fn a_file_action_needs_leave_and_everything_it_names() {
    let mut world = World::linked();
    world.tell(file_action("LINK", WISH));
    assert_eq!(code(&world.answer()), "57", "not every channel may link accounts");
    for (file, additional, expected) in [
        ("LINK", "4203c-1", "30"),
        ("LINK", "1503dnb", "30"),
        ("LINK", "1504nobk4203c-1", "25"),
        ("KYC", "", "30"),
        ("UNLINK", "", "25"),
        ("CARDS", "", "40"),
    ] {
        let mut world = linking();
        world.tell(file_action(file, additional));
        assert_eq!(code(&world.answer()), expected, "{file} {additional}");
        assert!(world.asked_maybe().is_none());
        assert!(world.switch.is_idle());
    }
    let mut world = linking();
    world.tell(file_action("LINK", WISH));
    world.asked();
    world.pass(10_000);
    assert_eq!(code(&world.answer()), "68", "a bank that does not answer keeps nobody waiting");
}

#[test]
fn a_consent_that_comes_for_another_link_is_given_back() {
    let mut world = World::bare(plan());
    world.begin();
    world.call(link("c-1"));
    let first = world.asked();
    world.call(Call::Unlink { account: ACCOUNT.into(), customer: None });
    world.told();
    world.call(link("c-2"));
    let second = world.asked();
    let approve = Some("https://bank.example/consent/1".to_owned());
    let theirs = Verdict::ConsentAsked { consent: "consent-1".into(), approve };
    world.verdict(&first, theirs);
    let revoke = world.asked();
    assert!(matches!(&revoke.enquiry, Enquiry::Revoke(account) if account.consent == "consent-1"));
    assert_eq!(world.told(), Told::Unknown);
    let approve = Some("https://bank.example/consent/2".to_owned());
    world.verdict(&second, Verdict::ConsentAsked { consent: "consent-2".into(), approve });
    let Told::Linked { linked, .. } = world.told() else { panic!("linked") };
    assert_eq!((linked.consent.as_str(), linked.customer.as_str()), ("consent-2", "c-2"));
}

#[test]
fn hints_about_a_consent_that_is_valid_are_not_followed_at_once() {
    let mut world = World::linked();
    for _ in 0..5 {
        world.call(Call::Moved(Moved::State([3; 16])));
        assert!(matches!(world.told(), Told::Linked { .. }));
        assert!(world.asked_maybe().is_none());
        world.pass(10_000);
    }
    world.pass(20_000);
    let ask = world.asked();
    let records = world.journal.len();
    let until = Some(linked().until);
    let verdict = Verdict::Consent { state: ConsentState::Valid, resource: "r-1".into(), until };
    world.verdict(&ask, verdict);
    assert_eq!(world.journal.len(), records, "nothing has changed");
}

/// Accounts of a customer by their names, those with a balance marked, and whether there are more.
fn listed(world: &mut World, customer: &str, after: &str) -> (Vec<String>, bool) {
    world.call(Call::Accounts { customer: customer.into(), after: after.into() });
    let Told::Accounts { accounts, more } = world.told() else { panic!("accounts") };
    let name = |(linked, seen): &(Linked, Option<Cached>)| {
        assert_eq!(linked.customer, customer);
        let seen = seen.as_ref().map_or(String::new(), |seen| format!(" {}", seen.available));
        format!("{}{seen}", linked.account)
    };
    (accounts.iter().map(name).collect(), more)
}

#[test]
fn a_customer_is_told_of_all_his_accounts_and_of_nobody_elses() {
    let mut world = World::bare(plan());
    let own = |number: usize| Linked { account: format!("A{number:03}"), ..linked() };
    for number in 0..60 {
        world.know(Fact::Linked(own(number)));
    }
    // Names that begin like another's.
    world.know(Fact::Linked(Linked { account: "B".into(), customer: "c-10".into(), ..linked() }));
    world.know(Fact::Linked(Linked { account: "C".into(), customer: "c-".into(), ..linked() }));
    world.begin();
    let (first, more) = listed(&mut world, "c-1", "");
    assert_eq!((first.len(), more, first[49].as_str()), (50, true, "A049"));
    let (rest, more) = listed(&mut world, "c-1", "A049");
    assert_eq!((rest.len(), more, rest[0].as_str()), (10, false, "A050"));
    assert_eq!(listed(&mut world, "c-1", "A059"), (vec![], false));
    assert_eq!(listed(&mut world, "c-10", "").0, ["B"]);
    assert_eq!(listed(&mut world, "c-2", ""), (vec![], false));
    // What is given up is gone, and what is another's from now on is his.
    world.call(Call::Unlink { account: "A055".into(), customer: None });
    world.told();
    world.know(Fact::Linked(Linked { customer: "c-2".into(), ..own(56) }));
    world.restart();
    assert_eq!(listed(&mut world, "c-1", "A053").0, ["A054", "A057", "A058", "A059"]);
    assert_eq!(listed(&mut world, "c-2", "").0, ["A056"]);
}

#[test]
fn a_balance_is_listed_under_its_own_link_and_while_the_consent_is_good() {
    let cached = |state| Cached {
        account: ACCOUNT.into(),
        available: 4_523_000,
        currency: 578,
        synced: START,
        state,
        ..Cached::default()
    };
    let seen = format!("{ACCOUNT} 4523000");
    for (status, state, expected) in [
        (ConsentStatus::Valid, [3; 16], seen.as_str()),
        (ConsentStatus::Valid, [4; 16], ACCOUNT),
        (ConsentStatus::Expired, [3; 16], ACCOUNT),
        (ConsentStatus::Waiting, [3; 16], ACCOUNT),
    ] {
        let mut world = World::bare(plan());
        world.know(Fact::Linked(Linked { status, ..linked() }));
        world.know(Fact::Balance(cached(state)));
        world.begin();
        assert_eq!(listed(&mut world, "c-1", "").0, [expected], "{status:?}");
    }
}
