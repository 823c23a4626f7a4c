//! Codes that redirects bring back: handed to the bank while an approval is waited for, once.

use crate::world::{World, linked, order, payment, plan, received, reversal, status};
use veksel_core::enquiry::{Call, Confirmed, ConsentState, Enquiry, Moved, Secret, Told, Verdict};
use veksel_core::fact::{ConsentStatus, Fact, KycStatus, Linked, PaymentState, PaymentStatus};

fn code(state: [u8; 16]) -> Call {
    Call::Moved(Moved::Code { state, code: Secret::new("c0de") })
}

/// A payment that waits for its customer: what its redirect brings back, and its proof key.
fn waiting(world: &mut World) -> ([u8; 16], Secret) {
    world.tell(received(payment(7)));
    let ask = world.asked();
    let begun = (order(&ask).state, order(&ask).verifier.clone());
    world.verdict(&ask, crate::world::initiated(PaymentStatus::Received));
    world.answer();
    begun
}

#[test]
fn a_code_completes_the_approval_with_the_proof_key_of_the_order() {
    let mut world = World::linked();
    let (state, verifier) = waiting(&mut world);
    // RFC 7636 4.1, and nothing of it in the state that everybody sees.
    assert!((43..=128).contains(&verifier.expose().len()));
    assert!(verifier.expose().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let seen: String = state.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!verifier.expose().contains(&seen));
    assert!(!format!("{verifier:?}").contains(verifier.expose()));
    world.restart();
    world.call(code(state));
    assert_eq!(world.told(), Told::Payment(PaymentState::Pending));
    let ask = world.asked();
    let Enquiry::Confirm { subject, code: given, state: of, verifier: proof } = &ask.enquiry else {
        panic!("{ask:?}");
    };
    assert!(matches!(&**subject, Confirmed::Payment(payment) if payment.payment == "pay-1"));
    assert_eq!((given, of, proof), (&Secret::new("c0de"), &state, &verifier));
    world.verdict(&ask, status(PaymentStatus::InProcess));
    assert_eq!(world.payment().state, PaymentState::Accepted);
}

#[test]
fn one_code_at_a_time_and_none_for_what_is_wanted_back() {
    let mut world = World::linked();
    let (state, _) = waiting(&mut world);
    world.call(code(state));
    world.told();
    let first = world.asked();
    world.call(code(state));
    world.told();
    assert!(world.asked_maybe().is_none(), "the first is not answered yet");
    world.verdict(&first, status(PaymentStatus::Received));
    world.tell(received(reversal(7)));
    while let Some(ask) = world.asked_maybe() {
        assert!(matches!(ask.enquiry, Enquiry::Cancel(_)), "{ask:?}");
    }
    world.call(code(state));
    world.told();
    assert!(world.asked_maybe().is_none_or(|ask| !matches!(ask.enquiry, Enquiry::Confirm { .. })));
    world.call(code([0; 16]));
    assert_eq!(world.told(), Told::Unknown);
}

#[test]
fn a_consent_is_confirmed_by_its_code() {
    let mut world = World::bare(plan());
    let waiting = Linked { status: ConsentStatus::Waiting, state: [3; 16], ..linked() };
    world.know(Fact::Linked(Linked { until: veksel_core::Utc(u64::MAX), ..waiting }));
    world.know(Fact::Customer(crate::world::customer(KycStatus::Approved)));
    world.begin();
    world.call(code([3; 16]));
    assert!(matches!(world.told(), Told::Linked { .. }));
    let ask = world.asked();
    let Enquiry::Confirm { subject, .. } = &ask.enquiry else { panic!("{ask:?}") };
    assert!(matches!(&**subject, Confirmed::Consent(account) if account.iban == linked().iban));
    let (state, resource, until) = (ConsentState::Valid, "r-1".to_owned(), None);
    world.verdict(&ask, Verdict::Consent { state, resource, until });
    world.call(Call::Linked { account: linked().account });
    let Told::Linked { linked, .. } = world.told() else { panic!("linked") };
    assert_eq!(linked.status, ConsentStatus::Valid);
    // Given once, it takes no more codes.
    world.call(code([3; 16]));
    world.told();
    assert!(world.asked_maybe().is_none());
}
