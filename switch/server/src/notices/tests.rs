//! What is told, to whom, by which way, and what is not.

use super::*;
use std::fs;
use std::sync::Mutex;
use std::time::Duration;
use veksel_adapters::providers::{Provided, Sent};
use veksel_core::enquiry::Failed;
use veksel_core::fact::{Customer, Payment};
use veksel_core::record::Known;
use veksel_core::{TxnId, Utc};

/// Remembers what it was asked to send; text messages to some numbers fail.
#[derive(Debug, Default)]
struct Messengers(Mutex<Vec<String>>);

impl Messengers {
    fn sent(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn keep(&self, line: String) -> Provided<'_, Sent> {
        self.0.lock().unwrap().push(line);
        Box::pin(async { Ok(Sent { id: "1".into() }) })
    }
}

impl Provides for Messengers {
    fn has(&self, issuer: Issuer) -> bool {
        issuer != Issuer::Push
    }

    fn sms(&self, _: Within, sms: Sms) -> Provided<'_, Sent> {
        if sms.to == "+4790000404" {
            return Box::pin(async { Err(Failure::before(Failed::NotFound)) });
        }
        self.keep(format!("sms {} {}", sms.to, sms.text))
    }

    fn email(&self, _: Within, email: Email) -> Provided<'_, Sent> {
        self.keep(format!("email {} {}", email.to, email.subject))
    }
}

fn customer(name: &str, status: KycStatus, is_unconfirmed: bool) -> Record {
    let fact = Fact::Customer(Customer {
        customer: name.to_owned(),
        applicant: "a".to_owned(),
        status,
        level: String::new(),
        reviewed: Utc(7),
        document_until: Utc(0),
        born: None,
        newest: Utc(7),
        is_unconfirmed,
        events: Vec::new(),
    });
    Record::Fact(Box::new(Known { utc: Utc(7), fact }))
}

fn payment(name: &str, state: PaymentState, is_over: bool) -> Record {
    let mut payment = Payment { txn: TxnId(3), utc: Utc(9), state, is_over, ..blank() };
    payment.debtor.customer = name.to_owned();
    Record::Fact(Box::new(Known { utc: Utc(9), fact: Fact::Payment(payment) }))
}

fn blank() -> Payment {
    Payment {
        txn: TxnId(0),
        utc: Utc(0),
        bank: String::new(),
        state: PaymentState::default(),
        key: [0; 16],
        token: [0; 16],
        payment: String::new(),
        product: String::new(),
        approve: String::new(),
        link: String::new(),
        debtor: veksel_core::enquiry::BankAccount::default(),
        creditor: String::new(),
        creditor_name: String::new(),
        reference: String::new(),
        told: None,
        advice: None,
        is_cancelled: false,
        is_revoked: false,
        case: None,
        code: String::new(),
        is_over: false,
    }
}

fn notifier(queue_max: u32) -> (Notifier, Arc<Messengers>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let contacts = folder.path().join("contacts.csv");
    let text = "customer,language,sms,email,push\nc-1,nb,+4790000001,kari@example.org,\n\
        c-2,en,+4790000404,ola@example.org,\nc-3,en,,,token\n";
    fs::write(&contacts, text).unwrap();
    let messengers = Arc::new(Messengers::default());
    let config = NoticesConfig { contacts, within_ms: 1_000, queue_max };
    let notifier = Notifier::start(&config, messengers.clone(), &Handle::current()).unwrap();
    (notifier, messengers, folder)
}

#[tokio::test]
async fn a_customer_is_told_once_in_the_own_language_by_the_first_way_that_works() {
    let (mut notifier, messengers, _folder) = notifier(100);
    let records = [
        customer("c-1", KycStatus::Approved, true),
        customer("c-1", KycStatus::Pending, false),
        customer("c-1", KycStatus::Approved, false),
        customer("c-1", KycStatus::Approved, false),
        customer("c-2", KycStatus::Risk, true),
        customer("c-3", KycStatus::Approved, false),
        customer("c-4", KycStatus::Approved, false),
        payment("c-1", PaymentState::Settled, false),
        payment("c-1", PaymentState::Expired, true),
        payment("c-1", PaymentState::Unknown, true),
    ];
    for record in &records {
        if let Some(news) = notifier.news(record) {
            let names = ["c-1", "c-2", "c-3", "c-4"];
            assert!(names.iter().all(|name| !news.key.contains(name)), "{}", news.key);
            notifier.tell(news);
        }
    }
    for _ in 0..600 {
        if messengers.sent().len() >= 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut sent = messengers.sent();
    sent.sort();
    assert_eq!(
        sent,
        [
            "email ola@example.org Your identity was not confirmed",
            "sms +4790000001 Betalingen din ble ikke godkjent i tide. Ingen penger er trukket.",
            "sms +4790000001 Identiteten din er bekreftet. Du kan nå betale.",
        ]
    );
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_counted_and_nobody_waits() {
    let (mut notifier, _messengers, _folder) = notifier(1);
    // Nothing is taken out as long as this test does not wait.
    for number in 0..5 {
        let name = format!("c-{number}");
        let news = notifier.news(&customer(&name, KycStatus::Approved, false)).unwrap();
        notifier.tell(news);
    }
    assert_eq!(notifier.dropped.load(Ordering::Relaxed), 4);
    // Switched off, it has nothing to say.
    let record = customer("c-9", KycStatus::Approved, false);
    assert_eq!(Notifier::default().news(&record), None);
}
