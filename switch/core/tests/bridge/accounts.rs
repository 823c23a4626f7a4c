//! Linking accounts and giving them up.

use crate::world::{ACCOUNT, START, World, customer, failed, linked, plan, received, request};
use veksel_core::enquiry::{Call, ConsentState, Enquiry, Failed, Moved, Told, Verdict};
use veksel_core::fact::{ConsentStatus, Fact, KycStatus, Linked, PaymentState};
use veksel_core::{BankId, Input, Utc};

fn link(customer: &str) -> Call {
    Call::Link {
        account: ACCOUNT.into(),
        bank: "dnb".into(),
        iban: ACCOUNT.into(),
        currency: 578,
        customer: customer.into(),
    }
}

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
    assert_eq!(crate::world::code(&world.answer()), "57");
}

#[test]
fn nobody_takes_an_account_from_its_owner() {
    let mut world = World::linked();
    world.call(link("c-2"));
    assert!(matches!(world.told(), Told::Failed(failure) if failure.why == Failed::Duplicate));
    assert!(world.asked_maybe().is_none());
    world.call(Call::Unlink { account: ACCOUNT.into() });
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
fn where_a_payment_is_approved_is_found_by_its_link_id() {
    let mut world = World::linked();
    let answer = world.pending();
    let link = crate::world::tag(&answer, "P2").unwrap();
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
