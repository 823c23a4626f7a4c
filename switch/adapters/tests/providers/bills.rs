//! Billers: what is asked, what an answer means, and that a payment is never made twice.

use super::{providers, run, url, within};
use std::sync::Arc;
use std::time::Duration;
use veksel_adapters::providers::{BillNumber, BillPayment, BillReceipt, Issuer, Provides, Within};
use veksel_core::enquiry::{Addressee, Ask, AskId, Billed, Enquiry, Failed, Money, Verdict};
use veksel_simulator::sandbox::biller::{Biller, BillerConfig};
use veksel_simulator::sandbox::{Clock, RunningSandboxes};
use veksel_simulator::seeds::Seeds;

const NOK: u16 = 578;

fn sandbox(hmac_key: Option<&str>) -> (Biller, RunningSandboxes) {
    let clock = Clock::default();
    let config = BillerConfig {
        api_key: "key-of-ours".to_owned(),
        hmac_key: hmac_key.map(str::to_owned),
        billers: Seeds::embedded().unwrap().rows().billers.clone(),
    };
    let sandbox = Biller::new(config, clock.clone());
    let running = run(Arc::new(sandbox.clone()), &clock);
    (sandbox, running)
}

fn section(running: &RunningSandboxes, more: &str) -> String {
    let url = url(running);
    format!(
        "[bill]\nurl = \"{url}\"\nallow_private = true\nretry_wait = \"10ms\"\n\
         headers = [\"X-Api-Key=env:key-of-ours\"]\nrequired_auth_headers = [\"X-Api-Key\"]\n{more}"
    )
}

fn number() -> BillNumber {
    BillNumber { biller: "B0001".into(), reference: "1234567890".into(), bill: None }
}

fn payment(minor: u64, key: &str) -> BillPayment {
    let amount = Money { minor, currency: NOK };
    BillPayment { number: number(), amount, key: key.into() }
}

#[tokio::test]
async fn a_bill_is_found_and_paid_once() {
    let _watch = super::watching();
    let (sandbox, running) = sandbox(None);
    let (all, mut events) = providers(&section(&running, ""));
    assert!(all.has(Issuer::Bill) && !all.has(Issuer::Sms));
    let found = all.billers(within(), Some("electricity".into())).await.unwrap();
    assert!(found.len() > 2 && found.iter().all(|one| one.category == "electricity"));
    assert_eq!((found[0].id.as_str(), found[0].currency), ("B0001", NOK));
    assert_eq!(all.billers(within(), None).await.unwrap().len(), 15);
    let packages = all.packages(within(), "B0001".into()).await.unwrap();
    assert_eq!(packages[0].price, Some(Money { minor: 9_900, currency: NOK }));
    assert_eq!(packages[2].price, None);
    let bill = all.bill_inquiry(within(), number()).await.unwrap();
    assert_eq!((bill.due.currency, bill.due_date.as_str()), (NOK, "2027-01-15"));
    assert_eq!(all.bill_inquiry(within(), number()).await, Ok(bill));

    let receipt = all.bill_pay(within(), payment(41_200, "k-1")).await.unwrap();
    assert_eq!(receipt, BillReceipt { receipt: "R00000000".into(), is_final: true });
    // The same again is the same, and another under its key is refused.
    assert_eq!(all.bill_pay(within(), payment(41_200, "k-1")).await, Ok(receipt));
    let other = all.bill_pay(within(), payment(41_300, "k-1")).await.unwrap_err();
    assert_eq!((other.why, other.code.as_str()), (Failed::Duplicate, "KEY_REUSED"));
    let later = all.bill_pay(within(), payment(41_209, "k-2")).await.unwrap();
    assert!(!later.is_final);
    let paid = sandbox.paid();
    assert_eq!(paid.len(), 2);
    assert_eq!((paid[0].amount.as_str(), paid[0].currency.as_str()), ("412.00", "NOK"));
    // Every call left its line, without what was in it.
    let first = events.recv().await.unwrap();
    assert_eq!((first.provider.as_str(), first.service), ("bill", "biller_category"));
    assert_eq!((first.trace.as_str(), first.request_id.as_str()), ("trace-1", "trace-1"));
    let mut lines = 1;
    while let Some(event) = events.try_recv() {
        let shown = format!("{event:?}");
        assert!(!shown.contains("1234567890") && !shown.contains("key-of-ours"), "{shown}");
        lines += 1;
    }
    assert_eq!(lines, 9);
}

#[tokio::test]
async fn what_is_due_is_told_before_a_bill_is_paid_from_elsewhere() {
    let _watch = super::watching();
    let (sandbox, running) = sandbox(None);
    let (all, _events) = providers(&section(&running, "retries = 0"));
    let ask = |biller: &str, reference: &str| {
        let (biller, reference) = (biller.to_owned(), reference.to_owned());
        let enquiry = Enquiry::Bill(Billed { biller, reference, number: String::new() });
        let (id, to, trace) = (AskId(1), Addressee::Biller, "trace-1".to_owned());
        Ask { id, to, enquiry, within_ms: 20_000, trace, txn: None, address: None }
    };
    let due = all.bill_inquiry(within(), number()).await.unwrap().due;
    assert_eq!(all.ask(ask("B0001", "1234567890")).await, Verdict::Bill(due));
    for (biller, reference, code) in
        [("B9999", "1234567890", "BILLER_UNKNOWN"), ("B0001", "12", "CUSTOMER_UNKNOWN")]
    {
        let Verdict::Failed(failure) = all.ask(ask(biller, reference)).await else { panic!() };
        assert_eq!((failure.why, &*failure.code), (Failed::NotFound, code));
        assert!(!failure.is_open);
    }
    let other = Ask { enquiry: Enquiry::Review { applicant: "a".into() }, ..ask("", "") };
    let Verdict::Failed(failure) = all.ask(other).await else { panic!() };
    assert_eq!((failure.why, &*failure.code), (Failed::NotSupported, "enquiry"));
    assert!(sandbox.paid().is_empty());
    running.stop();
    let Verdict::Failed(failure) = all.ask(ask("B0001", "1234567890")).await else { panic!() };
    assert_eq!((failure.why, failure.is_open), (Failed::Unavailable, false));
    // Whoever collects for nobody says so.
    let nobody = veksel_adapters::providers::Providers::default();
    let Verdict::Failed(failure) = nobody.ask(ask("B0001", "1")).await else { panic!() };
    assert_eq!((failure.why, &*failure.code), (Failed::NotSupported, "addressee"));
}

#[tokio::test]
async fn a_refusal_is_stated_and_what_breaks_off_is_open() {
    let _watch = super::watching();
    let (sandbox, running) = sandbox(None);
    let (all, _events) = providers(&section(&running, "retries = 3"));
    for (minor, why, code, is_open) in [
        (51, Failed::NoFunds, "NO_FUNDS", false),
        (91, Failed::Unavailable, "TRY_LATER", true),
        (96, Failed::Malfunction, "500", true),
    ] {
        let failure = all.bill_pay(within(), payment(41_200 + minor, "k")).await.unwrap_err();
        let found = (failure.why, failure.code.as_str(), failure.is_open);
        assert_eq!(found, (why, code, is_open), "{minor}");
    }
    // It was paid, and nobody said so; sent once.
    assert_eq!(sandbox.paid().len(), 1);
    let short = Within { ms: 300, ..within() };
    let late = all.bill_pay(short, payment(41_268, "k-68")).await.unwrap_err();
    assert_eq!((late.why, late.is_open), (Failed::Late, true));
    assert_eq!(sandbox.paid().len(), 2);
    // With the same key it is found out that it was.
    assert!(all.bill_pay(within(), payment(41_268, "k-68")).await.unwrap().is_final);
    assert_eq!(sandbox.paid().len(), 2);

    let mut wrong = number();
    wrong.reference = "12".into();
    let unknown = all.bill_inquiry(within(), wrong).await.unwrap_err();
    assert_eq!((unknown.why, unknown.code.as_str()), (Failed::NotFound, "CUSTOMER_UNKNOWN"));
    let nobody = all.packages(within(), "../payments".into()).await.unwrap_err();
    assert_eq!((nobody.why, nobody.code.as_str()), (Failed::NotFound, "BILLER_UNKNOWN"));
    let nothing = all.bill_pay(within(), payment(0, "k-0")).await.unwrap_err();
    assert_eq!((nothing.why, nothing.is_open), (Failed::Invalid, false));
}

#[tokio::test]
async fn nothing_leaves_without_what_must_be_there() {
    let _watch = super::watching();
    let (_sandbox, running) = sandbox(None);
    let whole = section(&running, "");
    let bare = whole.replace("headers = [\"X-Api-Key=env:key-of-ours\"]\n", "");
    let (all, _events) = providers(&bare);
    let refused = all.billers(within(), None).await.unwrap_err();
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Credentials, "unauthorized"));
    assert!(running.log("it").unwrap().entries().is_empty());
    // Told not to mind, it is sent, and the provider minds.
    let (all, _events) = providers(&format!("{bare}reject_unauthorized = false\n"));
    let refused = all.billers(within(), None).await.unwrap_err();
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Credentials, "UNKNOWN_KEY"));
    assert_eq!(running.log("it").unwrap().entries().len(), 1);
}

#[tokio::test]
async fn requests_are_signed_if_the_provider_wants_it() {
    let _watch = super::watching();
    let (sandbox, running) = sandbox(Some("sign_1"));
    let (all, _events) = providers(&section(&running, ""));
    let unsigned = all.billers(within(), None).await.unwrap_err();
    assert_eq!(unsigned.code, "TIMESTAMP");
    let signed = "signing = \"hmac\"\nsigning_key_env = \"sign_1\"\n";
    let (all, _events) = providers(&section(&running, signed));
    assert_eq!(all.billers(within(), None).await.unwrap().len(), 15);
    assert!(all.bill_pay(within(), payment(41_200, "k-1")).await.is_ok());
    assert_eq!(sandbox.paid().len(), 1);
    let other = signed.replace("sign_1", "sign_2");
    let (all, _events) = providers(&section(&running, &other));
    assert_eq!(all.billers(within(), None).await.unwrap_err().code, "SIGNATURE");
}

#[tokio::test]
async fn another_form_is_only_configured() {
    let _watch = super::watching();
    let (_sandbox, running) = sandbox(None);
    // Another list, another place of the name, numbers in place of text: all of it is data.
    let other = "uri_map = [\"biller_fetch=GET /billers/{biller}/bills/{reference}?n={bill}\"]\n\
        answers = [\"biller_category.name=/id\", \"biller_fetch.holder=/reference\"]\n";
    let (all, _events) = providers(&section(&running, other));
    let found = all.billers(within(), Some("tax".into())).await.unwrap();
    assert_eq!(found[0].name, "B0006");
    assert_eq!(all.bill_inquiry(within(), number()).await.unwrap().holder, "1234567890");
    let paths: Vec<String> =
        running.log("it").unwrap().entries().into_iter().map(|entry| entry.path).collect();
    assert_eq!(paths, ["/billers?category=tax", "/billers/B0001/bills/1234567890"]);
}

#[tokio::test]
async fn nothing_is_sent_if_it_is_simulated() {
    let _watch = super::watching();
    let section = "[bill]\nurl = \"https://bills.invalid\"\nsimulate = true\n\
        simulated = ['biller_fetch=404 {\"error\": {\"code\": \"NO_BILL_{biller}\"}}']\n";
    let (all, mut events) = providers(section);
    let found = all.billers(within(), Some("telecom".into())).await.unwrap();
    assert_eq!(found.len(), 1);
    let receipt = all.bill_pay(within(), payment(100, "k-7")).await.unwrap();
    assert_eq!(receipt.receipt, "SIM-k-7");
    let none = all.bill_inquiry(within(), number()).await.unwrap_err();
    assert_eq!((none.why, none.code.as_str()), (Failed::NotFound, "NO_BILL_B0001"));
    assert_eq!(events.recv().await.unwrap().outcome, "simulated");
    // What names a customer is no code: the status says enough.
    let (all, _events) = providers(&section.replace("{biller}", "{reference}"));
    let none = all.bill_inquiry(within(), number()).await.unwrap_err();
    assert_eq!((none.why, none.code.as_str()), (Failed::NotFound, "404"));
}

/// The executor's own waits are real ones here; this only bounds a test that hangs.
#[tokio::test]
async fn a_provider_that_is_not_there_is_said_to_be_so() {
    let _watch = super::watching();
    let (_sandbox, running) = sandbox(None);
    let whole = section(&running, "retries = 0");
    running.stop();
    let (all, _events) = providers(&whole);
    let asked = all.bill_pay(within(), payment(41_200, "k-1"));
    let failure = tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap().unwrap_err();
    assert_eq!((failure.why, failure.is_open), (Failed::Unavailable, false));
    assert_eq!(all.circuits().len(), 1);
}
