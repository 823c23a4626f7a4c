//! Payments at a bank, from the request to the end and after it.

use crate::world::{
    ACCOUNT, ATM, ATM_TOO, World, code, failed, initiated, order, payment, plan, progress,
    received, repeat, request, reversal, status, tag,
};
use veksel_codecs::structured::OriginalData;
use veksel_codecs::{Mti, ResponseCode, field};
use veksel_core::enquiry::{Enquiry, Failed, Progress, Verdict};
use veksel_core::fact::{ApprovalMode, Case, PaymentState, PaymentStatus};
use veksel_core::{Action, Command, Event, Input, Output, Record};

#[test]
fn the_intent_is_durable_before_the_order_leaves() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let intent = world.seen.iter().find_map(|output| match output {
        Output::Persist { id, record: Record::Intent(_) } => Some(*id),
        _ => None,
    });
    let after = world.seen.iter().find_map(|output| match output {
        Output::Ask { after, .. } => Some(*after),
        _ => None,
    });
    assert_eq!(after, Some(intent), "what waits for a refused intent is never sent");
    let ask = world.asked();
    let order = order(&ask);
    assert_eq!(order.amount.minor, 15_000);
    assert_eq!(order.debtor.iban, ACCOUNT);
    assert_eq!(order.creditor, "86011117947");
    assert!(order.remittance.starts_with("632516000124 "), "{}", order.remittance);
    assert_eq!(ask.within_ms, 18_000);
}

#[test]
fn pending_is_answered_09_with_reference_link_and_expiry() {
    let mut world = World::linked();
    let answer = world.pending();
    assert_eq!((code(&answer).as_str(), answer.mti().as_str()), ("09", "0210"));
    assert!(!answer.has(field::APPROVAL));
    assert_eq!(tag(&answer, "P1").as_deref(), Some("pay-1"));
    assert_eq!(tag(&answer, "P2").map(|id| id.len()), Some(12));
    assert_eq!(tag(&answer, "P3").as_deref(), Some(P3));
    assert!(world.outcomes().is_empty(), "nothing is decided");
}

/// The start of the test world, 300 seconds later.
const P3: &str = "261120143307";

#[test]
fn an_approval_is_told_by_advice_and_on_the_repeat_and_money_is_ordered_once() {
    let mut world = World::linked();
    world.pending();
    let poll = world.pass_until_asked(2_000).expect("the first poll");
    assert!(matches!(&poll.enquiry, Enquiry::Status(payment) if payment.payment == "pay-1"));
    world.verdict(&poll, status(PaymentStatus::InProcess));
    assert_eq!(world.outcomes().last().unwrap().response, ResponseCode::APPROVED);
    world.pass(0);
    let advice = world.answer();
    assert_eq!((advice.mti().as_str(), code(&advice).as_str()), ("0620", "00"));
    let original = OriginalData::parse(&advice.get(field::ORIGINAL_DATA).unwrap()).unwrap();
    assert_eq!((original.stan, original.mti.as_str()), (7, "0200"));
    let approval = advice.get(field::APPROVAL).unwrap().to_string();
    world.tell(received(repeat(7)));
    let again = world.answer();
    assert_eq!(code(&again), "00");
    assert_eq!(again.get(field::APPROVAL).unwrap().to_string(), approval);
    // Nobody answers the advice: it is repeated as such until somebody does.
    world.pass(5_000);
    let mut taken = world.answer();
    assert_eq!(taken.mti().as_str(), "0621");
    taken.set_mti(Mti::parse("0630").unwrap());
    world.tell(received(taken));
    assert_eq!(world.payment().advice, None);
    world.pass(600_000);
    assert!(world.sent().is_empty());
    let orders = world.journal.iter().filter(|(_, r)| matches!(r, Record::Intent(_))).count();
    assert_eq!(orders, 1);
}

#[test]
fn an_advice_waits_for_its_channel_and_outlives_a_restart() {
    let mut world = World::linked();
    world.pending();
    world.tell(Input::LinkDown(ATM));
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Settled));
    world.pass(1);
    assert!(world.sent().is_empty(), "nobody is there");
    world.restart();
    world.tell(Input::LinkUp(ATM_TOO));
    world.pass(5_000);
    let (to, advice) = world.sent().remove(0);
    assert_eq!((to, advice.mti().as_str()), (ATM_TOO, "0620"));
}

#[test]
fn a_customer_who_never_approves_ends_expired_and_cancelled_at_the_bank() {
    let mut world = World::linked();
    world.pending();
    let mut polls = 0;
    let cancel = loop {
        let ask = world.pass_until_asked(60_000).expect("something is asked");
        match &ask.enquiry {
            Enquiry::Status(_) => {
                polls += 1;
                world.verdict(&ask, status(PaymentStatus::Received));
            }
            Enquiry::Cancel(_) => break ask,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(world.payment().state, PaymentState::Expiring);
    // 2, 4, 8, 15, 30, 60, … 270 and 300, the last before the cancel.
    assert_eq!(polls, 14);
    world.verdict(&cancel, Verdict::Cancelled);
    let last = world.asked();
    world.verdict(&last, status(PaymentStatus::Cancelled));
    assert_eq!(world.payment().state, PaymentState::Expired);
    assert_eq!(world.outcomes().last().unwrap().response.as_str(), "68");
}

#[test]
fn a_bank_that_keeps_it_pending_ends_expired_68_and_a_late_completion_opens_a_case() {
    let mut world = World::linked();
    world.pending();
    let mut state = PaymentState::Pending;
    while state != PaymentState::Expired {
        let ask = world.pass_until_asked(60_000).expect("something is asked");
        let verdict = match &ask.enquiry {
            Enquiry::Status(_) => status(PaymentStatus::Received),
            Enquiry::Cancel(_) => Verdict::CancelPending,
            other => panic!("{other:?}"),
        };
        world.verdict(&ask, verdict);
        state = world.payment().state;
    }
    assert_eq!(world.outcomes().last().unwrap().response.as_str(), "68");
    world.pass(0);
    assert_eq!(code(&world.answer()), "68", "the advice");
    let sweep = world.pass_until_asked(900_000).expect("a sweep after 15 minutes");
    world.verdict(&sweep, status(PaymentStatus::Settled));
    assert_eq!(world.payment().state, PaymentState::Late);
    assert_eq!(world.payment().case, Some(Case::LateCompletion));
    assert!(world.has_event(|e| matches!(e, Event::Case { case: Case::LateCompletion, .. })));
    world.tell(received(repeat(7)));
    let answers = world.sent();
    assert!(answers.iter().all(|(_, answer)| code(answer) != "00"), "what was told stands");
}

#[test]
fn nobody_knows_is_told_by_the_row_and_looked_for_and_never_ordered_again() {
    for (why, expected) in
        [(Failed::Late, "68"), (Failed::Unavailable, "91"), (Failed::Malfunction, "96")]
    {
        let mut world = World::linked();
        world.tell(received(payment(7)));
        let ask = world.asked();
        world.verdict(&ask, failed(why, true));
        assert_eq!(code(&world.answer()), expected);
        assert_eq!(world.payment().state, PaymentState::Unknown);
        world.tell(received(repeat(7)));
        assert_eq!(code(&world.answer()), "09", "a copy is never a fresh attempt");
        let search = world.pass_until_asked(15_000).unwrap();
        assert!(matches!(&search.enquiry, Enquiry::Search { order, .. }
            if order.remittance.starts_with("632516000124")));
        world.verdict(&search, Verdict::NotFound { is_complete: false });
        let search = world.pass_until_asked(285_000).unwrap();
        world.verdict(&search, initiated(PaymentStatus::Settled));
        assert_eq!(world.payment().state, PaymentState::Settled);
        let is_late = why != Failed::Late;
        assert_eq!(world.payment().case, is_late.then_some(Case::LateCompletion), "{why:?}");
    }
}

#[test]
fn what_was_lost_and_is_found_unapproved_is_taken_back() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Late, true));
    let search = world.pass_until_asked(15_000).unwrap();
    world.verdict(&search, initiated(PaymentStatus::Received));
    let cancel = world.pass_until_asked(5_000).expect("it is taken back");
    assert!(matches!(cancel.enquiry, Enquiry::Cancel(_)));
    world.verdict(&cancel, Verdict::Cancelled);
    assert_eq!(world.payment().state, PaymentState::Cancelled);
    assert_eq!(world.outcomes().last().unwrap().response.as_str(), "21", "68 was no end");
}

#[test]
fn what_is_never_found_ends_declined_if_the_bank_showed_all_and_as_a_case_if_not() {
    for (is_complete, state) in [(true, PaymentState::Rejected), (false, PaymentState::Unknown)] {
        let mut world = World::linked();
        world.tell(received(payment(7)));
        let ask = world.asked();
        world.verdict(&ask, failed(Failed::Late, true));
        while let Some(search) = world.pass_until_asked(25 * 3_600_000) {
            assert!(matches!(search.enquiry, Enquiry::Search { .. }));
            world.verdict(&search, Verdict::NotFound { is_complete });
        }
        assert_eq!(world.payment().state, state);
        let case = (!is_complete).then_some(Case::Unresolved);
        assert_eq!(world.payment().case, case);
        assert_eq!(world.outcomes().len(), usize::from(is_complete));
    }
}

#[test]
fn a_refusal_is_final_and_told_by_its_row() {
    for (why, expected) in [
        (Failed::NoFunds, "51"),
        (Failed::Refused, "05"),
        (Failed::Restricted, "62"),
        (Failed::NotPermitted, "57"),
        (Failed::Duplicate, "94"),
        (Failed::Unavailable, "91"),
        (Failed::Credentials, "96"),
    ] {
        let mut world = World::linked();
        world.tell(received(payment(7)));
        let ask = world.asked();
        world.verdict(&ask, failed(why, false));
        let answer = world.answer();
        assert_eq!(code(&answer), expected);
        assert_eq!(tag(&answer, "P5").as_deref(), Some("CODE"));
        assert!(world.payment().is_over);
        world.tell(received(repeat(7)));
        assert_eq!(code(&world.answer()), expected, "refusals of a provider are remembered");
        assert!(world.asked_maybe().is_none());
    }
}

#[test]
fn a_reversal_of_a_pending_payment_cancels_it_at_the_bank() {
    let mut world = World::linked();
    world.pending();
    world.tell(received(reversal(7)));
    let answer = world.answer();
    assert_eq!((answer.mti().as_str(), code(&answer).as_str()), ("0430", "00"));
    let cancel = world.asked();
    assert!(matches!(cancel.enquiry, Enquiry::Cancel(_)));
    world.verdict(&cancel, Verdict::Cancelled);
    assert_eq!(world.payment().state, PaymentState::Cancelled);
    assert_eq!(world.outcomes().last().unwrap().response.as_str(), "17");
    let sweep = world.pass_until_asked(16 * 60_000).expect("completed all the same?");
    world.verdict(&sweep, status(PaymentStatus::Settled));
    assert_eq!(world.payment().case, Some(Case::LateCompletion));
}

#[test]
fn a_reversal_of_an_executed_payment_is_a_case_for_a_person() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(PaymentStatus::InProcess));
    assert_eq!(code(&world.answer()), "00");
    world.tell(received(reversal(7)));
    assert_eq!(code(&world.answer()), "00");
    let cancel = world.asked();
    world.verdict(&cancel, Verdict::TooLate);
    assert_eq!(world.payment().case, Some(Case::Compensation));
    world.tell(received(repeat(7)));
    assert_eq!(code(&world.answer()), "68", "an approval that is taken back is not given again");
    let (txn, action) = (world.payment().txn, Action::Resolve);
    let command = Command { txn, operator: "ida".into(), reason: "paid back".into(), action };
    world.tell(Input::Operator(command));
    assert_eq!(world.payment().case, None);
}

#[test]
fn a_reversal_long_after_the_end_is_a_case_too() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(PaymentStatus::Settled));
    assert_eq!(code(&world.answer()), "00");
    assert!(world.payment().is_over);
    world.tell(received(reversal(7)));
    assert_eq!(code(&world.answer()), "00");
    assert_eq!(world.payment().case, Some(Case::Compensation));
    assert!(!world.payment().is_over);
}

#[test]
fn a_reversal_before_the_bank_answers_cancels_what_comes_of_it() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.tell(received(reversal(7)));
    assert_eq!(code(&world.answer()), "00");
    assert!(world.asked_maybe().is_none(), "one enquiry at a time");
    world.verdict(&ask, initiated(PaymentStatus::Received));
    let cancel = world.pass_until_asked(2_000).unwrap();
    assert!(matches!(cancel.enquiry, Enquiry::Cancel(_)));
    world.verdict(&cancel, Verdict::Cancelled);
    assert_eq!(code(&world.answer()), "17", "who still waits hears how it ended");
}

#[test]
fn a_restart_forgets_nothing_of_a_payment() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    world.asked();
    world.restart();
    assert_eq!(world.payment().state, PaymentState::Unknown, "whether it left nobody knows");
    let search = world.pass_until_asked(15_000).unwrap();
    world.verdict(&search, initiated(PaymentStatus::Settled));
    assert_eq!(world.outcomes().last().unwrap().response, ResponseCode::APPROVED);

    let mut world = World::linked();
    world.pending();
    world.pass(250_000);
    world.restart();
    let poll = world.pass_until_asked(30_000).unwrap();
    assert!(matches!(poll.enquiry, Enquiry::Status(_)));
    world.verdict(&poll, status(PaymentStatus::Received));
    let before = world.now.utc.0;
    let last = world.pass_until_asked(60_000).unwrap();
    assert!(world.now.utc.0 - before <= 30_000, "its time goes on by the calendar");
    world.verdict(&last, status(PaymentStatus::Received));
    assert_eq!(world.payment().state, PaymentState::Expiring);
}

#[test]
fn a_refused_intent_takes_its_payment_with_it() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let txn = world.payment().txn;
    world.tell(Input::Committed { upto: veksel_core::RecordId(4), refused: vec![txn] });
    world.tell(Input::Conflict { txn, stored: None });
    assert_eq!(code(&world.answer()), "09", "the holder could not be read");
    assert!(world.payment().is_over);
    assert_eq!(world.switch.payments_open(), 0);
    assert!(world.switch.is_idle());
}

#[test]
fn copies_wait_for_the_first_answer_and_share_it() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.tell(received(payment(7)));
    world.tell(received(repeat(7)));
    assert!(world.asked_maybe().is_none());
    world.verdict(&ask, initiated(PaymentStatus::Received));
    let answers: Vec<_> = world.sent().iter().map(|(_, answer)| code(answer)).collect();
    assert_eq!(answers, ["09", "09", "09"]);
    let mut clash = payment(7);
    clash.set(field::AMOUNT, 15_001);
    world.tell(received(clash));
    assert_eq!(code(&world.answer()), "94");
}

#[test]
fn waiting_inline_answers_when_it_is_approved_or_09_in_time() {
    let inline = || {
        let mut plan = plan();
        plan.banks[0].mode = ApprovalMode::WaitInline;
        let mut world = World::linked_with(plan);
        world.tell(received(payment(7)));
        let ask = world.asked();
        world.verdict(&ask, initiated(PaymentStatus::Received));
        assert!(world.sent().is_empty());
        world
    };
    let mut world = inline();
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Settled));
    assert_eq!(code(&world.answer()), "00");
    let mut world = inline();
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Received));
    world.pass(14_499);
    assert!(world.sent().is_empty());
    world.pass(1);
    assert_eq!(code(&world.answer()), "09", "1.5 s before the channel gives up");
}

#[test]
fn a_soft_decline_begins_nothing() {
    let mut plan = plan();
    plan.banks[0].mode = ApprovalMode::SoftDecline;
    let mut world = World::linked_with(plan);
    world.tell(received(payment(7)));
    assert_eq!(code(&world.answer()), "1A");
    assert!(world.asked_maybe().is_none());
    assert_eq!(world.switch.payments_open(), 0);
}

#[test]
fn approval_before_the_customers_is_at_the_merchants_risk() {
    let mut plan = plan();
    plan.banks[0].mode = ApprovalMode::ApprovePending;
    let mut world = World::linked_with(plan);
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(PaymentStatus::Received));
    assert_eq!(code(&world.answer()), "00");
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Rejected));
    assert_eq!(world.payment().case, Some(Case::Unpaid));
    assert_eq!(world.outcomes().len(), 1);
}

#[test]
fn a_question_is_answered_with_how_it_stands() {
    let mut world = World::linked();
    let question = |stan: u64| {
        let mut message = request("400000", stan, 0);
        message.set_mti(Mti::parse("0600").unwrap());
        message
    };
    world.tell(received(question(7)));
    let answer = world.answer();
    assert_eq!((answer.mti().as_str(), code(&answer).as_str()), ("0610", "25"));
    world.pending();
    world.tell(received(question(7)));
    let answer = world.answer();
    assert_eq!((code(&answer).as_str(), tag(&answer, "P1").as_deref()), ("09", Some("pay-1")));
    assert!(world.asked_maybe().is_none(), "it was asked just now");
    world.pass(1_999);
    let poll = world.pass_until_asked(1).unwrap();
    world.verdict(&poll, status(PaymentStatus::Settled));
    world.pass(0);
    world.sent();
    world.tell(received(question(7)));
    let answer = world.answer();
    assert_eq!((answer.mti().as_str(), code(&answer).as_str()), ("0610", "00"));
    assert!(answer.has(field::APPROVAL));
}

#[test]
fn who_cannot_be_paid_is_refused_before_anything_is_recorded() {
    let purchase = |acceptor: &str| {
        let mut message = request("000000", 7, 100);
        message.set(field::ACCEPTOR, acceptor);
        message
    };
    for (message, expected) in [
        (request("210000", 7, 100), "57"),
        (request("200000", 7, 100), "57"),
        (request("600000", 7, 100), "40"),
        (request("500000", 7, 100), "40"),
        (request("400000", 7, 100), "14"),
        (purchase("NOBODY"), "03"),
        (payment_of(0), "13"),
    ] {
        let mut world = World::linked();
        world.tell(received(message));
        assert_eq!(code(&world.answer()), expected);
        assert!(world.asked_maybe().is_none() && world.outcomes().is_empty());
    }
    let mut world = World::linked();
    world.tell(received(purchase("MERCHANT0000017")));
    let ask = world.asked();
    assert_eq!(order(&ask).creditor_name, "Kiosk Oslo S");
}

fn payment_of(amount: u64) -> veksel_codecs::Message {
    let mut message = payment(7);
    message.set(field::AMOUNT, amount);
    message
}

#[test]
fn a_hold_asks_for_funds_and_reserves_nothing() {
    for (verdict, expected) in [
        (Verdict::Funds(true), "00"),
        (Verdict::Funds(false), "51"),
        (failed(Failed::Unavailable, false), "91"),
    ] {
        let mut world = World::linked();
        let mut hold = request("000000", 7, 100);
        hold.set_mti(Mti::parse("0100").unwrap());
        world.tell(received(hold));
        let ask = world.asked();
        assert!(matches!(ask.enquiry, Enquiry::Funds { .. }));
        world.verdict(&ask, verdict);
        assert_eq!(code(&world.answer()), expected);
        assert!(world.switch.is_idle());
        assert_eq!(world.switch.payments_open(), 0);
    }
}

#[test]
fn an_approval_that_did_not_reach_its_channel_is_told_by_advice() {
    for moved in [PaymentStatus::InProcess, PaymentStatus::Settled] {
        let mut world = World::linked();
        world.tell(received(payment(7)));
        let ask = world.asked();
        world.verdict(&ask, initiated(moved));
        let (_, _, tag) = world.handed().remove(0);
        world.tell(Input::Unsent { tag: tag.unwrap(), why: veksel_core::Unsent::Closed });
        world.pass(0);
        let advice = world.answer();
        assert_eq!((advice.mti().as_str(), code(&advice).as_str()), ("0620", "00"), "{moved:?}");
    }
}

#[test]
fn whether_an_approval_reached_its_channel_is_not_known_after_a_restart() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(PaymentStatus::Settled));
    world.handed();
    world.restart();
    world.tell(Input::LinkUp(ATM));
    world.pass(0);
    assert_eq!(world.answer().mti().as_str(), "0620");
}

#[test]
fn nobody_answers_an_enquiry_and_the_channel_still_hears_in_time() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.pass(17_999);
    assert!(world.sent().is_empty());
    world.pass(1);
    assert_eq!(code(&world.answer()), "68");
    world.verdict(&ask, initiated(PaymentStatus::Settled));
    world.pass(0);
    let advice = world.answer();
    assert_eq!(code(&advice), "00", "the end is told");
    assert_eq!(world.payment().case, None, "68 promised nothing");
}

#[test]
fn what_is_found_in_the_account_has_no_number_and_is_told_all_the_same() {
    for (found, state) in [
        (PaymentStatus::Settled, PaymentState::Settled),
        (PaymentStatus::InProcess, PaymentState::Accepted),
    ] {
        let mut world = World::linked();
        world.tell(received(payment(7)));
        let ask = world.asked();
        world.verdict(&ask, failed(Failed::Late, true));
        world.sent();
        let search = world.pass_until_asked(15_000).unwrap();
        world.verdict(&search, status(found));
        assert_eq!(world.payment().state, state);
        world.pass(0);
        assert_eq!(code(&world.answer()), "00");
        if state == PaymentState::Accepted {
            let again = world.pass_until_asked(300_000).expect("it is looked for until it settled");
            assert!(matches!(again.enquiry, Enquiry::Search { .. }));
            world.verdict(&again, status(PaymentStatus::Settled));
            assert_eq!(world.payment().state, PaymentState::Settled);
        }
        world.tell(received(reversal(7)));
        assert_eq!(world.payment().case, Some(Case::Compensation));
    }
}

#[test]
fn looking_for_lost_payments_keeps_to_the_reads_of_a_day() {
    let mut world = World::linked();
    for stan in 1..=3 {
        let mut message = payment(stan);
        message.set(field::RRN, &format!("63251600{stan:04}"));
        world.tell(received(message));
        let ask = world.asked();
        world.verdict(&ask, failed(Failed::Late, true));
    }
    world.sent();
    let mut searches = 0;
    while let Some(ask) = world.pass_until_asked(23 * 3_600_000) {
        assert!(matches!(ask.enquiry, Enquiry::Search { .. }));
        searches += 1;
        world.verdict(&ask, Verdict::NotFound { is_complete: false });
    }
    assert_eq!(searches, 4);
}

#[test]
fn nothing_is_brought_to_its_end_once_it_is_wanted_back() {
    let may = |ask: &veksel_core::enquiry::Ask| match &ask.enquiry {
        Enquiry::Status(payment) => payment.may_complete,
        other => panic!("{other:?}"),
    };
    let mut world = World::linked();
    world.pending();
    let poll = world.pass_until_asked(2_000).unwrap();
    assert!(may(&poll));
    world.verdict(&poll, status(PaymentStatus::Received));
    world.tell(received(reversal(7)));
    let cancel = world.asked();
    world.verdict(&cancel, failed(Failed::NotSupported, false));
    let after = world.asked();
    assert!(!may(&after), "the bank cannot take it back, and it is not completed");
    world.verdict(&after, status(PaymentStatus::Received));
    assert_eq!(world.payment().state, PaymentState::Cancelled);
    world.restart();
    let sweep = world.pass_until_asked(16 * 60_000).unwrap();
    assert!(!may(&sweep));
}

#[test]
fn a_hold_that_is_taken_back_leaves_nothing_to_do() {
    let mut world = World::linked();
    let mut hold = request("000000", 7, 100);
    hold.set_mti(Mti::parse("0100").unwrap());
    world.tell(received(hold));
    let ask = world.asked();
    world.verdict(&ask, Verdict::Funds(true));
    assert_eq!(code(&world.answer()), "00");
    let mut back = request("000000", 8, 100);
    back.set_mti(Mti::parse("0420").unwrap());
    back.set(field::ORIGINAL_DATA, "010000000711201428070000050000100000000000");
    world.tell(received(back));
    assert_eq!(code(&world.answer()), "00");
    assert_eq!(world.switch.payments_open(), 0);
    assert!(!world.has_event(|event| matches!(event, Event::Case { .. })));
}

#[test]
fn nothing_is_taken_for_taken_back_before_the_bank_says_so() {
    let mut world = World::linked();
    world.pending();
    world.tell(received(reversal(7)));
    world.sent();
    for _ in 0..5 {
        let cancel = world.pass_until_asked(60_000).expect("it is taken back again");
        assert!(matches!(cancel.enquiry, Enquiry::Cancel(_)));
        world.verdict(&cancel, failed(Failed::BreakerOpen, false));
        let after = world.asked();
        world.verdict(&after, failed(Failed::Unavailable, false));
        assert_eq!(world.payment().state, PaymentState::Cancelling);
    }
    let cancel = world.pass_until_asked(60_000).unwrap();
    world.verdict(&cancel, Verdict::TooLate);
    let after = world.asked();
    world.verdict(&after, failed(Failed::Late, false));
    assert_eq!(world.payment().state, PaymentState::Cancelling, "too late is no cancellation");
    let cancel = world.pass_until_asked(120_000).unwrap();
    world.verdict(&cancel, Verdict::TooLate);
    let after = world.asked();
    world.verdict(&after, status(PaymentStatus::Settled));
    assert_eq!(world.payment().case, Some(Case::Compensation));
}

#[test]
fn a_bank_that_never_says_leaves_a_case_and_no_end() {
    let mut world = World::linked();
    world.pending();
    while let Some(ask) = world.pass_until_asked(26 * 3_600_000) {
        world.verdict(&ask, failed(Failed::Unavailable, false));
    }
    assert_eq!(world.payment().state, PaymentState::Expiring);
    assert_eq!(world.payment().case, Some(Case::Unresolved));
    assert!(world.outcomes().is_empty());
}

#[test]
fn an_order_is_sent_again_only_while_its_channel_expects_it() {
    let repeats = |change: &dyn Fn(&mut World), why: Failed| {
        let mut plan = plan();
        plan.banks[0].deduplicates = true;
        let mut world = World::linked_with(plan);
        world.tell(received(payment(7)));
        let ask = world.asked();
        world.verdict(&ask, failed(why, true));
        world.sent();
        change(&mut world);
        let search = world.pass_until_asked(20_000).unwrap();
        match &search.enquiry {
            Enquiry::Search { may_repeat, .. } => *may_repeat,
            other => panic!("{other:?}"),
        }
    };
    assert!(repeats(&|_| {}, Failed::Late));
    assert!(!repeats(&|_| {}, Failed::Unavailable), "its channel heard 91");
    let taken_back = |world: &mut World| {
        world.tell(received(reversal(7)));
        world.sent();
    };
    assert!(!repeats(&taken_back, Failed::Late));
}

#[test]
fn a_payment_is_followed_where_it_was_begun_whatever_is_linked_now() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, failed(Failed::Late, true));
    world.sent();
    let other = veksel_core::fact::Linked {
        iban: "NO0000000000000".into(),
        consent: "consent-2".into(),
        customer: "c-2".into(),
        state: [9; 16],
        ..crate::world::linked()
    };
    world.know(veksel_core::fact::Fact::Linked(other));
    let search = world.pass_until_asked(15_000).unwrap();
    let Enquiry::Search { order, .. } = &search.enquiry else { panic!("{search:?}") };
    assert_eq!((order.debtor.iban.as_str(), order.debtor.consent.as_str()), (ACCOUNT, "consent-1"));
    assert!(order.remittance.split(' ').any(|word| word == order.mark));
}

#[test]
fn a_person_who_retries_closes_nothing_and_who_resolves_takes_back_first() {
    let mut world = World::linked();
    world.pending();
    let poll = world.pass_until_asked(2_000).unwrap();
    world.verdict(&poll, status(PaymentStatus::Partial));
    assert_eq!(world.payment().case, Some(Case::Mismatch));
    let txn = world.payment().txn;
    let command = |action| {
        let (operator, reason) = ("ida".to_owned(), "looked".to_owned());
        Input::Operator(Command { txn, operator, reason, action })
    };
    world.tell(command(Action::Retry));
    assert_eq!(world.payment().case, Some(Case::Mismatch));
    let poll = world.asked();
    world.verdict(&poll, status(PaymentStatus::Partial));
    world.tell(command(Action::Resolve));
    let cancel = world.asked();
    assert!(matches!(cancel.enquiry, Enquiry::Cancel(_)), "somebody could approve it yet");
    world.verdict(&cancel, Verdict::Cancelled);
    assert_eq!(world.payment().state, PaymentState::Cancelled);
}

#[test]
fn a_decline_at_the_gate_does_not_hide_what_was_carried_out() {
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(PaymentStatus::Settled));
    assert_eq!(code(&world.answer()), "00");
    world.restart();
    world.tell(Input::LinkUp(ATM));
    let lapsed = crate::world::customer(veksel_core::fact::KycStatus::Pending);
    world.know(veksel_core::fact::Fact::Customer(lapsed));
    world.tell(received(payment(7)));
    assert_eq!(code(&world.answer()), "00", "the store knows it");
    world.tell(received(payment(9)));
    assert_eq!(code(&world.answer()), "57");
}

#[test]
fn a_bank_that_is_gone_from_the_file_leaves_a_case() {
    let mut world = World::linked();
    world.pending();
    let mut plan = world.switch.plan().clone();
    plan.banks[0].name = "another".into();
    let journal = core::mem::take(&mut world.journal);
    let mut after = World::bare(plan);
    after.journal = journal;
    after.restart();
    while after.pass_until_asked(400_000).is_some() {}
    assert_eq!(after.payment().case, Some(Case::Unresolved));
    after.tell(Input::LinkUp(ATM));
    after.tell(received(reversal(7)));
    assert_eq!(code(&after.answer()), "00");
    assert_eq!(after.switch.reversals_open(), 0, "no host is told");
}

#[test]
fn a_payment_that_its_customer_refused_is_let_go_and_looked_after() {
    let mut world = World::linked();
    world.pending();
    let poll = world.pass_until_asked(2_000).unwrap();
    let refused = Progress { is_failed: true, ..progress(PaymentStatus::Received) };
    world.verdict(&poll, Verdict::Status(refused));
    assert_eq!(world.outcomes().last().unwrap().response.as_str(), "05");
    let cancel = world.asked();
    assert!(matches!(cancel.enquiry, Enquiry::Cancel(_)), "the bank still has it");
    world.verdict(&cancel, failed(Failed::Unavailable, false));
    let sweep = world.pass_until_asked(16 * 60_000).unwrap();
    world.verdict(&sweep, status(PaymentStatus::Settled));
    assert_eq!(world.payment().case, Some(Case::LateCompletion));
}

#[test]
fn a_payment_whose_terminal_stamps_it_anew_is_not_made_twice() {
    let restamped = |amount: u64| {
        let mut message = payment(7);
        message.set(field::TRANSMISSION, "1120143512");
        message.set(field::AMOUNT, amount);
        message
    };
    let mut world = World::linked();
    world.tell(received(payment(7)));
    let ask = world.asked();
    world.verdict(&ask, initiated(PaymentStatus::Settled));
    assert_eq!(code(&world.answer()), "00");
    world.restart();
    world.tell(Input::LinkUp(ATM));
    world.tell(received(restamped(15_000)));
    assert_eq!(code(&world.answer()), "00", "it is the same, told again");
    world.tell(received(restamped(15_001)));
    assert_eq!(code(&world.answer()), "94");
    assert!(world.asked_maybe().is_none(), "the bank was asked once");
    world.pass(24 * 3_600_000);
    world.tell(received(restamped(15_001)));
    assert!(matches!(world.asked().enquiry, Enquiry::Initiate(_)), "a day later it is another");
}
