//! What becomes of each processing code and class of message about a linked account
//! (http-contracts 4.1).

use crate::world::{World, code, initiated, order, plan, received, request};
use veksel_codecs::{Mti, field};
use veksel_core::enquiry::{Balances, Enquiry, Verdict};
use veksel_core::fact::PaymentStatus;
use veksel_core::plan::PayeePlan;

#[test]
fn available_funds_without_an_amount_are_answered_with_balances() {
    for mti in ["0100", "0200"] {
        let mut world = World::linked();
        let mut question = request("300000", 7, 0);
        question.set_mti(Mti::parse(mti).unwrap());
        world.tell(received(question));
        let ask = world.asked();
        assert!(matches!(ask.enquiry, Enquiry::Balances { .. }), "{ask:?}");
        let balances = Balances { ledger: -100, available: 900, currency: 578 };
        world.verdict(&ask, Verdict::Balances(balances));
        let answer = world.answer();
        assert_eq!(code(&answer), "00");
        let amounts = answer.get(field::ADDITIONAL_AMOUNTS).unwrap().to_string();
        assert_eq!(amounts, "0001578D0000000001000002578C000000000900");
    }
}

#[test]
fn cash_is_paid_to_who_stands_behind_the_acceptor() {
    for processing in ["000000", "010000", "090000"] {
        let mut world = World::linked();
        world.tell(received(request(processing, 7, 100)));
        let ask = world.asked();
        let order = order(&ask);
        assert_eq!((order.creditor.as_str(), order.amount.minor), ("86011117947", 100));
        world.verdict(&ask, initiated(PaymentStatus::Settled));
        assert_eq!(code(&world.answer()), "00", "{processing}");
    }
}

#[test]
fn a_bill_is_paid_to_its_biller_with_its_reference() {
    for (additional, reference) in [
        ("1005POWER11072345676", "2345676"),
        ("1005POWER1107customr12072345676", "2345676"),
        ("1005POWER", ""),
    ] {
        let mut plan = plan();
        let (id, account, name) = ("POWER".into(), "30001234567".into(), "Power AS".into());
        plan.payees.push(PayeePlan { id, account, name });
        let mut world = World::linked_with(plan);
        let mut bill = request("500000", 7, 100);
        bill.set(field::ADDITIONAL_DATA, additional);
        world.tell(received(bill));
        let ask = world.asked();
        let order = order(&ask);
        assert_eq!((&*order.creditor, &*order.creditor_name), ("30001234567", "Power AS"));
        assert_eq!(order.reference, reference, "{additional}");
    }
}

#[test]
fn a_payee_without_a_name_has_the_one_of_the_terminal() {
    let mut plan = plan();
    plan.payees[0].name.clear();
    let mut world = World::linked_with(plan);
    let mut purchase = request("000000", 7, 100);
    purchase.set(field::ACCEPTOR_NAME, "KIOSK OSLO SENTRAL    OSLO         NO");
    world.tell(received(purchase));
    assert_eq!(order(&world.asked()).creditor_name, "KIOSK OSLO SENTRAL");
}
