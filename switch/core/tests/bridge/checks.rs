//! Identity checks and what they let through.

use crate::world::{
    World, code, customer, failed, initiated, linked, payment, plan, received, reversal, status,
};
use veksel_core::enquiry::{
    self, Call, Check, Checks, Enquiry, Failed, Review, Secret, Told, Verdict,
};
use veksel_core::fact::{Case, Fact, KycStatus, PaymentState, PaymentStatus};
use veksel_core::{Input, Record, Utc};

fn with(status: KycStatus) -> World {
    let mut world = World::bare(plan());
    world.know(Fact::Linked(linked()));
    world.know(Fact::Customer(customer(status)));
    world.begin();
    world
}

fn review(status: KycStatus) -> Review {
    Review {
        applicant: "a-1".into(),
        customer: "c-1".into(),
        status: Some(status),
        level: String::new(),
        reviewed: None,
        document_until: None,
        born: None,
    }
}

fn event(kind: &str, status: KycStatus, at: u64) -> Call {
    let (kind, review, at) = (kind.to_owned(), review(status), Utc(at));
    Call::Event(enquiry::Event { kind, review, at, digest: [0; 32] })
}

fn now_is(world: &mut World) -> KycStatus {
    world.call(Call::Checked { customer: "c-1".into() });
    match world.told() {
        Told::Checked { customer, .. } => customer.status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_gate_reads_what_is_known_here() {
    for (status, expected) in [
        (KycStatus::None, "57"),
        (KycStatus::Pending, "57"),
        (KycStatus::Rejected, "62"),
        (KycStatus::Risk, "59"),
    ] {
        let mut world = with(status);
        world.tell(received(payment(7)));
        let answer = world.answer();
        assert_eq!(code(&answer), expected);
        assert!(world.asked_maybe().is_none());
        assert!(!answer.has(veksel_codecs::field::ADDITIONAL_DATA), "no reason is told");
        let intents = world.journal.iter().filter(|(_, r)| matches!(r, Record::Intent(_)));
        assert_eq!(intents.count(), 0, "once approved, the same numbers must work");
    }
    let mut world = with(KycStatus::Approved);
    world.tell(received(payment(7)));
    assert!(matches!(world.asked().enquiry, Enquiry::Initiate(_)));
}

#[test]
fn reversals_and_balances_pass_the_gate() {
    let mut world = with(KycStatus::Rejected);
    world.tell(received(reversal(7)));
    assert_eq!(code(&world.answer()), "00");
    world.tell(received(crate::world::request("310000", 9, 0)));
    assert!(matches!(world.asked().enquiry, Enquiry::Balances { .. }));
}

#[test]
fn a_check_is_begun_and_approved_when_the_provider_confirms() {
    let mut world = World::bare(plan());
    world.know(Fact::Linked(linked()));
    world.begin();
    let check =
        Call::Check { customer: "c-1".into(), email: None, phone: None, level: String::new() };
    world.call(check.clone());
    let ask = world.asked();
    let token = Secret::new("_act-1");
    world.verdict(&ask, Verdict::Applicant { applicant: "a-1".into(), token: token.clone() });
    let Told::Checked { token: told, customer } = world.told() else { panic!("checked") };
    assert_eq!((told, customer.status), (Some(token), KycStatus::Pending));
    world.call(event("applicantReviewed", KycStatus::Approved, 1_000));
    assert_eq!(world.told(), Told::Noted);
    assert_eq!(now_is(&mut world), KycStatus::Pending, "an event alone approves nobody");
    let ask = world.asked();
    assert!(matches!(&ask.enquiry, Enquiry::Review { applicant } if applicant == "a-1"));
    world.verdict(&ask, Verdict::Review(review(KycStatus::Approved)));
    assert_eq!(now_is(&mut world), KycStatus::Approved);
    world.call(check);
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Unavailable, false));
    assert!(matches!(world.told(), Told::Failed(_)));
    assert_eq!(now_is(&mut world), KycStatus::Approved, "an outage changes nothing");
}

#[test]
fn each_check_is_asked_of_the_provider_and_nothing_of_it_is_kept() {
    let mut world = with(KycStatus::Approved);
    let checks = || Call::Checks { customer: "c-1".into() };
    let records = world.journal.len();
    world.call(checks());
    let ask = world.asked();
    assert!(matches!(&ask.enquiry, Enquiry::Checks { applicant } if applicant == "a-1"));
    let found = Checks {
        document: Check::Fail,
        liveness: Check::Pass,
        face_match: Check::Pass,
        sanctions: Check::Unknown,
        pep: Check::Unknown,
    };
    world.verdict(&ask, Verdict::Checks(found));
    assert_eq!(world.told(), Told::Checks { applicant: "a-1".into(), checks: found });
    world.call(checks());
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Late, false));
    assert!(matches!(world.told(), Told::Failed(_)));
    world.call(Call::Checks { customer: "nobody".into() });
    assert_eq!(world.told(), Told::Unknown);
    assert!(world.asked_maybe().is_none());
    assert_eq!((world.journal.len(), now_is(&mut world)), (records, KycStatus::Approved));
}

#[test]
fn a_forged_approval_has_no_effect_when_the_provider_says_otherwise() {
    let mut world = with(KycStatus::Pending);
    world.call(event("applicantReviewed", KycStatus::Approved, 1_000));
    world.told();
    let ask = world.asked();
    world.verdict(&ask, Verdict::Review(review(KycStatus::Pending)));
    assert_eq!(now_is(&mut world), KycStatus::Pending);
}

#[test]
fn an_event_is_taken_in_once_and_an_old_one_moves_nothing() {
    let mut world = with(KycStatus::Approved);
    world.call(event("applicantPending", KycStatus::Pending, 2_000));
    world.told();
    let ask = world.asked();
    world.verdict(&ask, Verdict::Review(review(KycStatus::Approved)));
    let records = world.journal.len();
    world.call(event("applicantPending", KycStatus::Pending, 2_000));
    assert_eq!(world.told(), Told::Noted);
    assert_eq!(world.journal.len(), records, "a copy leaves no record");
    world.call(event("applicantReviewed", KycStatus::Rejected, 1_000));
    assert_eq!(world.told(), Told::Noted);
    assert_eq!(now_is(&mut world), KycStatus::Approved, "older than what was applied");
    assert!(world.asked_maybe().is_none());
}

#[test]
fn red_green_red_is_followed_to_its_end() {
    let mut world = with(KycStatus::Pending);
    let order = [KycStatus::Rejected, KycStatus::Approved, KycStatus::Rejected];
    for (at, status) in (1..).zip(order) {
        world.call(event("applicantReviewed", status, at * 1_000));
        world.told();
        let ask = world.asked();
        world.verdict(&ask, Verdict::Review(review(status)));
        assert_eq!(now_is(&mut world), status);
        let lists = world.asked_maybe();
        assert_eq!(lists.is_some(), status == KycStatus::Rejected, "{lists:?}");
        if let Some(lists) = lists {
            world.verdict(&lists, Verdict::Checks(LISTS));
        }
    }
}

#[test]
fn a_reset_takes_the_right_to_pay_at_once_and_what_is_under_way_with_it() {
    let mut world = with(KycStatus::Approved);
    world.pending();
    world.tell(received(payment(8)));
    let ask = world.asked();
    world.verdict(&ask, initiated(PaymentStatus::InProcess));
    world.sent();
    world.call(event("applicantReset", KycStatus::Pending, 1_000));
    world.told();
    assert_eq!(now_is(&mut world), KycStatus::Pending);
    let review_ask = world.asked();
    assert!(matches!(review_ask.enquiry, Enquiry::Review { .. }), "it is confirmed too");
    let cancel = world.pass_until_asked(1).expect("the pending payment is taken back");
    assert!(matches!(cancel.enquiry, Enquiry::Cancel(_)));
    world.verdict(&cancel, Verdict::Cancelled);
    let facts: Vec<_> = world
        .journal
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Fact(known) => match &known.fact {
                Fact::Payment(payment) => Some((payment.txn.0, payment.state, payment.case)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert!(facts.contains(&(2, PaymentState::Cancelled, None)), "{facts:?}");
    assert!(facts.contains(&(4, PaymentState::Accepted, Some(Case::Revoked))), "{facts:?}");
}

#[test]
fn what_could_not_be_confirmed_is_asked_again_also_after_a_restart() {
    let mut world = with(KycStatus::Pending);
    world.call(event("applicantReviewed", KycStatus::Approved, 1_000));
    world.told();
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Unavailable, false));
    let ask = world.pass_until_asked(5_000).expect("asked again");
    world.verdict(&ask, failed(Failed::Unavailable, false));
    world.restart();
    let ask = world.pass_until_asked(1).expect("asked again");
    world.verdict(&ask, Verdict::Review(review(KycStatus::Approved)));
    assert_eq!(now_is(&mut world), KycStatus::Approved);
}

#[test]
fn an_event_about_another_applicant_of_the_same_name_is_not_believed() {
    let mut world = with(KycStatus::Approved);
    let mut theirs = review(KycStatus::Rejected);
    theirs.applicant = "a-2".into();
    let (kind, at) = ("applicantReviewed".to_owned(), Utc(1_000));
    world.call(Call::Event(enquiry::Event { kind, review: theirs, at, digest: [0; 32] }));
    assert_eq!(world.told(), Told::Unknown);
    assert_eq!(now_is(&mut world), KycStatus::Approved);
}

#[test]
fn a_payment_that_ends_while_its_customer_is_reset_is_not_lost() {
    let mut world = with(KycStatus::Approved);
    world.pending();
    let poll = world.pass_until_asked(2_000).unwrap();
    world.call(event("applicantDeactivated", KycStatus::None, 1_000));
    world.told();
    world.asked();
    world.verdict(&poll, status(PaymentStatus::Settled));
    assert_eq!(world.payment().state, PaymentState::Settled);
    assert_eq!(world.payment().case, Some(Case::Revoked));
    world.tell(Input::Full(false));
}

#[test]
fn a_word_of_the_provider_from_before_an_event_gives_nothing() {
    let mut world = with(KycStatus::Pending);
    world.call(event("applicantReviewed", KycStatus::Approved, 1_000));
    world.told();
    let before = world.asked();
    world.call(event("applicantReviewed", KycStatus::Rejected, 2_000));
    world.told();
    world.verdict(&before, Verdict::Review(review(KycStatus::Approved)));
    assert_eq!(now_is(&mut world), KycStatus::Rejected);
    let again = world.pass_until_asked(5_000).expect("it is asked again");
    world.verdict(&again, Verdict::Review(review(KycStatus::Rejected)));
    assert_eq!(now_is(&mut world), KycStatus::Rejected);
}

/// What an auditor finds about looking customers up once more.
fn screenings(world: &World) -> Vec<String> {
    let found = |(_, record): &(veksel_core::RecordId, Record)| match record {
        Record::Notice(notice) => {
            assert_eq!((&*notice.actor, &*notice.action), ("switch", "aml-check"));
            Some(notice.detail.clone())
        }
        _ => None,
    };
    world.journal.iter().filter_map(found).collect()
}

/// A customer is refused now, and the provider confirms it.
fn refused(world: &mut World, status: KycStatus) {
    let at = Utc(world.now.utc.0 + 1_000);
    told(world, "applicantReviewed", status, at);
}

/// The provider tells something of a customer, and that it is as it decided it then.
fn told(world: &mut World, kind: &str, status: KycStatus, reviewed: Utc) {
    // No event is another one's copy.
    world.pass(1_000);
    let at = world.now.utc.0;
    world.call(event(kind, status, at));
    assert_eq!(world.told(), Told::Noted);
    let ask = world.asked();
    assert!(matches!(ask.enquiry, Enquiry::Review { .. }), "{ask:?}");
    let reviewed = Some(reviewed);
    world.verdict(&ask, Verdict::Review(Review { reviewed, ..review(status) }));
}

const LISTS: Checks = Checks {
    document: Check::Pass,
    liveness: Check::Pass,
    face_match: Check::Pass,
    sanctions: Check::Fail,
    pep: Check::Unknown,
};

#[test]
fn whoever_is_refused_is_looked_up_once_more_and_that_is_written_down() {
    for status in [KycStatus::Rejected, KycStatus::Risk] {
        let mut world = with(KycStatus::Pending);
        refused(&mut world, status);
        let ask = world.asked();
        assert!(matches!(&ask.enquiry, Enquiry::Checks { applicant } if applicant == "a-1"));
        assert_eq!(screenings(&world), Vec::<String>::new());
        world.verdict(&ask, Verdict::Checks(LISTS));
        assert_eq!(screenings(&world), ["c-1: sanctions fail, pep unknown"]);
        assert_eq!(now_is(&mut world), status, "nobody decides by it");
        // Once for each time that the provider refuses.
        world.restart();
        assert!(world.pass_until_asked(3_600_000).is_none());
        refused(&mut world, status);
        let ask = world.asked();
        world.verdict(&ask, Verdict::Checks(LISTS));
        assert_eq!(screenings(&world).len(), 2);
    }
    for status in [KycStatus::Approved, KycStatus::Resubmit, KycStatus::OnHold] {
        let mut world = with(KycStatus::Pending);
        refused(&mut world, status);
        assert!(world.pass_until_asked(3_600_000).is_none(), "{status:?}");
    }
}

#[test]
fn a_refusal_is_looked_up_once_whatever_else_is_told_of_the_customer() {
    let mut world = with(KycStatus::Pending);
    refused(&mut world, KycStatus::Rejected);
    let ask = world.asked();
    let decided = world.now.utc;
    world.verdict(&ask, Verdict::Checks(LISTS));
    // More than are remembered, and some that say less than the provider does when it is asked.
    for number in 0..70 {
        let (kind, said) = match number % 3 {
            0 => ("applicantReviewed", KycStatus::Rejected),
            1 => ("applicantPending", KycStatus::Pending),
            _ => ("applicantPersonalInfoChanged", KycStatus::Risk),
        };
        world.pass(1_000);
        world.call(event(kind, said, world.now.utc.0));
        assert_eq!(world.told(), Told::Noted);
        let ask = world.asked();
        let review = Review { reviewed: Some(decided), ..review(KycStatus::Rejected) };
        world.verdict(&ask, Verdict::Review(review));
        assert!(world.asked_maybe().is_none(), "event {number}");
        if number % 20 == 0 {
            world.restart();
            assert!(world.pass_until_asked(60_000).is_none(), "event {number}");
        }
    }
    assert_eq!(screenings(&world).len(), 1);
    // Refused once more, and refused again after it was approved.
    refused(&mut world, KycStatus::Rejected);
    let ask = world.asked();
    let decided = Utc(world.now.utc.0);
    world.verdict(&ask, Verdict::Checks(LISTS));
    told(&mut world, "applicantReviewed", KycStatus::Approved, decided);
    told(&mut world, "applicantReviewed", KycStatus::Rejected, decided);
    let ask = world.asked();
    assert!(matches!(ask.enquiry, Enquiry::Checks { .. }), "{ask:?}");
    world.verdict(&ask, Verdict::Checks(LISTS));
    assert_eq!(screenings(&world).len(), 3);
}

#[test]
fn events_do_not_hurry_a_provider_that_cannot_look_anybody_up() {
    let mut world = with(KycStatus::Pending);
    refused(&mut world, KycStatus::Rejected);
    let decided = world.now.utc;
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Unavailable, false));
    for _ in 0..3 {
        told(&mut world, "applicantPersonalInfoChanged", KycStatus::Rejected, decided);
        assert!(world.asked_maybe().is_none());
    }
    let ask = world.pass_until_asked(5_000).expect("when its time has come");
    world.verdict(&ask, Verdict::Checks(LISTS));
    assert!(world.pass_until_asked(3_600_000).is_none());
    assert_eq!(screenings(&world).len(), 1);
}

#[test]
fn who_cannot_be_looked_up_is_looked_up_later_also_after_a_restart() {
    let mut world = with(KycStatus::Pending);
    refused(&mut world, KycStatus::Rejected);
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Unavailable, false));
    let ask = world.pass_until_asked(5_000).expect("asked again");
    world.verdict(&ask, failed(Failed::Late, false));
    world.restart();
    let ask = world.pass_until_asked(1).expect("asked again");
    // Approved meanwhile: what was asked for is not needed.
    world.pass(1_000);
    let at = world.now.utc.0;
    world.call(event("applicantReviewed", KycStatus::Approved, at));
    world.told();
    let confirm = world.asked();
    world.verdict(&confirm, Verdict::Review(review(KycStatus::Approved)));
    world.verdict(&ask, Verdict::Checks(LISTS));
    assert_eq!(screenings(&world), Vec::<String>::new());
    assert_eq!(now_is(&mut world), KycStatus::Approved);
    // A provider that has no such thing is not asked for ever.
    refused(&mut world, KycStatus::Rejected);
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::NotSupported, false));
    assert_eq!(screenings(&world), ["c-1: not to be had, not_supported"]);
    assert!(world.pass_until_asked(3_600_000).is_none());
    // Nor one that is never there.
    refused(&mut world, KycStatus::Rejected);
    let mut asked = 0;
    while let Some(ask) = world.pass_until_asked(600_000) {
        asked += 1;
        world.verdict(&ask, failed(Failed::Unavailable, false));
    }
    assert!((1_000..2_100).contains(&asked), "{asked} times in a week");
    assert_eq!(screenings(&world).last().unwrap(), "c-1: not to be had, unavailable");
}
