//! What requests become and what is believed, with a journal and an engine that the test plays.

use super::*;
use crate::exchange::Posted;
use std::collections::BTreeMap;
use std::sync::Mutex as Plain;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use veksel_codecs::Mti;
use veksel_codecs::structured::{OriginalData, tags};
use veksel_config::bridge::CallConfig;
use veksel_config::{HoldChange, ProofHeaders, SignatureBase};
use veksel_core::record::{CallerKey, DuplicateKey, Outcome, Reason, TxnId, Undoing, Verdict};
use veksel_core::{Stored, Utc};

const ACQUIRER: &str = "600001";

/// More at once than anything here has places for.
const MANY: usize = 1_024;

const SECRET: DigestKey = DigestKey([7; 32]);

const DE7: &str = "1121080000";

const HOLD: &str = r#"{"id":"h-1","accountId":"1","amount":{"amount":"-10.00","currency":"USD"}}"#;

struct Nothing;

impl KeySource for Nothing {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async { Err("none".to_owned()) })
    }
}

impl Watcher for Nothing {
    fn doubted(&self, _: Doubt) {}
    fn skewed(&self, _: i64) {}
    fn keys_age(&self, _: Duration) {}
    fn noticed(&self, _: &Notice) {}
}

/// `None` is a journal that never answers.
struct Journal(Option<Vec<Stored>>);

impl Lives for Journal {
    fn life(&self, _: String, _: Option<[u8; 16]>) -> Looking<'_> {
        Box::pin(async {
            match &self.0 {
                Some(stored) => Ok(stored.clone()),
                None => std::future::pending().await,
            }
        })
    }
}

fn platform(journal: Option<Vec<Stored>>) -> (Platform, mpsc::Receiver<Posted>) {
    let (posting, posts) = mpsc::channel(MANY);
    let text = String::new;
    let keys = CallConfig {
        url: text(),
        connect_ms: 1,
        read_ms: 1,
        retries: 0,
        retry_wait_ms: 1,
        calls_max: 1,
        body_max: 1,
        breaker_failures: 1,
        breaker_window_ms: 1,
        breaker_open_ms: 1,
        allow_private: true,
        trust: None,
        identity: None,
        is_relaxed: false,
    };
    let config = ExtAuthConfig {
        caller: 0,
        keys,
        keys_ttl_ms: 1,
        keys_refresh_ms: 1,
        keys_keep_ms: 1,
        rsa_bits_min: 2_048,
        headers: ProofHeaders {
            signature: text(),
            key: text(),
            idempotency: text(),
            timestamp: text(),
        },
        base: SignatureBase::Body,
        skew_ms_max: 0,
        allow: Vec::new(),
        change: HoldChange::Total,
        other_refusal_code: "OTHER".to_owned(),
        budget_ms: 350,
        remembered_max: 8,
        directory: None,
        notify_token: None,
        notify_client: None,
    };
    let external = External {
        config,
        acquirer: ACQUIRER.to_owned(),
        participant: "platform".to_owned(),
        exchange: Exchange::new(posting),
        lives: Arc::new(Journal(journal)),
        digest_key: SECRET,
        keys: Arc::new(Nothing),
        directory: None,
        notify_token: None,
        notify_client: None,
        watcher: Arc::new(Nothing),
    };
    (Platform::new(external), posts)
}

/// A request as it comes.
struct Request {
    asked: Asked,
    identity: Identity,
}

fn request(wanted: Wanted, idempotency: &str, body: &str) -> Request {
    let path = wanted.path();
    let asked = asked::read(wanted, HoldChange::Total, &Bytes::from(body.to_owned())).unwrap();
    let identity = Identity::of(&SECRET, "kid", idempotency, &path, asked.id(), body.as_bytes());
    Request { asked, identity }
}

/// What the journal has of a message of this request.
fn stored(of: &Request, txn: u64, mti: [u8; 4], amount: u64, code: &str) -> Stored {
    let Numbers { stan, terminal, acceptor } = of.identity.numbers.clone();
    let mti = Mti::known(&mti);
    let tag = tags::format([(tags::HOLD, "H77")]);
    // The engine keeps which hold a message names.
    let is_change = mti == super::HOLD && !matches!(of.asked, Asked::Hold { .. });
    let key = DuplicateKey {
        participant: "platform".to_owned(),
        class: mti.digits()[1],
        transmission: DE7.to_owned(),
        stan,
        acquirer: ACQUIRER.to_owned(),
        rrn: of.identity.rrn.clone(),
        terminal,
        acceptor,
    };
    let intent = Intent {
        txn: TxnId(txn),
        utc: Utc(0),
        key,
        digest: [0; 32],
        link: String::new(),
        route: String::new(),
        group: String::new(),
        mti,
        code: "000000".to_owned(),
        amount,
        currency: 840,
        host_stan: 7,
        local_time: String::new(),
        local_date: String::new(),
        forwarder: String::new(),
        pan: None,
        account: "1".to_owned(),
        counter_account: String::new(),
        original: String::new(),
        carried: if is_change { vec![(48, tag.clone())] } else { Vec::new() },
        caller_key: of.identity.caller_key,
    };
    let verdict = if intent.is_taken_over() { Verdict::Accepted } else { Verdict::Answered };
    let outcome = Outcome {
        txn: TxnId(txn),
        utc: Utc(0),
        verdict,
        response: ResponseCode::parse(code).unwrap(),
        reason: Reason::Host,
        answer: vec![(field::ADDITIONAL_DATA.number().get(), tag)],
    };
    Stored { intent: Arc::new(intent), outcome: Some(Arc::new(outcome)), undoing: None }
}

/// Decides with an engine that says these codes in turn, `None` being that it is busy; and what it
/// was sent.
async fn decide(
    journal: &[Stored],
    request: &Request,
    codes: &[Option<&str>],
) -> (Decision, Vec<BTreeMap<u8, String>>) {
    let (platform, mut posts) = platform(Some(journal.to_vec()));
    let heard = Plain::new(Vec::new());
    let engine = async {
        for code in codes {
            let Posted { message, reply, .. } = posts.recv().await.unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let mut fields: BTreeMap<u8, String> =
                message.fields.iter().map(|(number, value)| (*number, text(value))).collect();
            fields.insert(0, text(&message.mti));
            heard.lock().unwrap().push(fields);
            let said = code.map_or(Replied::Busy, |code| {
                let mut answer = message;
                answer.set(39, code);
                Replied::Answered(answer)
            });
            reply.send(said).unwrap();
        }
        let _ = posts.recv().await;
        panic!("nothing more was to be sent");
    };
    let until = Instant::now() + Duration::from_secs(60);
    let decided = tokio::select! {
        decided = platform.decide(&request.asked, &request.identity, until) => decided.unwrap(),
        () = engine => unreachable!("the engine waits for ever"),
    };
    (decided, heard.into_inner().unwrap())
}

#[tokio::test]
async fn an_approval_in_the_journal_is_the_engines_to_confirm() {
    let hold = request(Wanted::Hold, "k-1", HOLD);
    let journal = [stored(&hold, 1, *b"0100", 1_000, "00")];
    let (decided, sent) = decide(&journal, &hold, &[Some("00")]).await;
    assert_eq!(decided, Decision::Approved);
    // Its numbers are those it had, so that it is the same message.
    let numbers = &hold.identity.numbers;
    let said = |number: u8| sent[0].get(&number).map(String::as_str);
    assert_eq!((said(0), said(4), said(7)), (Some("0100"), Some("000000001000"), Some(DE7)));
    assert_eq!(said(11), Some(format!("{:06}", numbers.stan).as_str()));
    assert_eq!(said(41), Some(numbers.terminal.as_str()));
    assert_eq!((said(42), said(102)), (Some(numbers.acceptor.as_str()), Some("1")));
    // It was delivered to nobody, and is about to be taken back.
    let (decided, _) = decide(&journal, &hold, &[Some("68")]).await;
    assert!(matches!(decided, Decision::Failed(_)), "{decided:?}");

    let body = r#"{"amount":{"amount":"-20.00","currency":"USD"}}"#;
    let change = request(Wanted::Change("h-1".to_owned()), "k-2", body);
    let journal = [journal[0].clone(), stored(&change, 2, *b"0100", 2_000, "00")];
    let (decided, sent) = decide(&journal, &change, &[Some("68")]).await;
    assert!(matches!(decided, Decision::Failed(_)), "{decided:?}");
    assert_eq!((sent[0][&4].as_str(), sent[0][&7].as_str()), ("000000002000", DE7));
    assert_eq!(tags::find(&sent[0][&48], tags::HOLD).unwrap().trim_end(), "H77");

    // Also if it was the second attempt, behind one for which nothing was done.
    let paid = request(Wanted::Transaction, "k-3", HOLD);
    let failed = stored(&paid, 1, *b"0200", 1_000, "91");
    let mut second = stored(&paid, 2, *b"0200", 1_000, "00");
    let mut intent = (*second.intent).clone();
    intent.key.stan = intent.key.stan % 999_999 + 1;
    let stan = format!("{:06}", intent.key.stan);
    second.intent = Arc::new(intent);
    let (decided, sent) = decide(&[failed, second], &paid, &[Some("00")]).await;
    assert_eq!((decided, &sent[0][&11]), (Decision::Approved, &stan));
}

#[tokio::test]
async fn refusals_and_what_is_taken_over_are_believed_without_asking() {
    let hold = request(Wanted::Hold, "k-1", HOLD);
    let (decided, _) = decide(&[stored(&hold, 1, *b"0100", 1_000, "51")], &hold, &[]).await;
    assert!(matches!(decided, Decision::Refused { .. }), "{decided:?}");
    let paid = request(Wanted::Transaction, "k-2", HOLD);
    let placed = stored(&hold, 1, *b"0100", 1_000, "00");
    let completed = stored(&paid, 2, *b"0220", 1_000, "00");
    let (decided, _) = decide(&[placed, completed], &paid, &[]).await;
    assert_eq!(decided, Decision::Approved);
}

/// A transaction has the trace number that its completion would have, and is none.
#[tokio::test]
async fn a_refused_transaction_gets_the_same_decision_from_the_journal() {
    let deposit = HOLD.replace("-10.00", "10.00");
    let too_much = "REFUSED_MAX_BALANCE_EXCEEDED";
    for (body, code, expected) in [
        (deposit.as_str(), "61", too_much),
        (deposit.as_str(), "13", too_much),
        (deposit.as_str(), "21", "OTHER"),
        (HOLD, "61", "OTHER"),
        (HOLD, "21", "OTHER"),
        (HOLD, "25", "OTHER"),
    ] {
        let paid = request(Wanted::Transaction, "k-1", body);
        let (first, sent) = decide(&[], &paid, &[Some(code)]).await;
        assert_eq!(sent[0][&0], "0200");
        assert!(matches!(&first, Decision::Refused { code, .. } if code == expected), "{first:?}");
        let (again, _) = decide(&[stored(&paid, 1, *b"0200", 1_000, code)], &paid, &[]).await;
        assert_eq!(again, first, "{body} {code}");
    }
    // And what has its numbers with something else is not it.
    let mut other = stored(&request(Wanted::Transaction, "k-1", HOLD), 1, *b"0200", 1_000, "61");
    let mut intent = (*other.intent).clone();
    (intent.key.acceptor, intent.caller_key) = ("ANOTHER".to_owned(), None);
    other.intent = Arc::new(intent);
    let paid = request(Wanted::Transaction, "k-1", HOLD);
    assert_eq!(decide(&[other], &paid, &[]).await.0, Decision::Conflict);
}

/// A release undoes the message that placed the hold. That one was approved all the same.
#[tokio::test]
async fn a_hold_that_was_let_go_was_approved() {
    let hold = request(Wanted::Hold, "k-1", HOLD);
    let mut placed = stored(&hold, 1, *b"0100", 1_000, "00");
    placed.undoing = Some(Undoing::Reversed);
    let undelivered = [placed.clone()];
    let (decided, _) = decide(&undelivered, &hold, &[]).await;
    assert!(matches!(decided, Decision::Failed(_)), "{decided:?}");
    let body = r#"{"amount":{"amount":"0.00","currency":"USD"}}"#;
    let release = request(Wanted::Change("h-1".to_owned()), "k-2", body);
    let mut released = stored(&release, 2, *b"0400", 1_000, "00");
    let mut intent = (*released.intent).clone();
    intent.key.terminal.clone_from(&placed.intent.key.terminal);
    intent.key.acceptor.clone_from(&placed.intent.key.acceptor);
    released.intent = Arc::new(intent);
    let journal = [placed, released];
    for request in [&hold, &release] {
        let (decided, _) = decide(&journal, request, &[]).await;
        assert_eq!(decided, Decision::Approved);
    }
    // It is gone all the same.
    let change = r#"{"amount":{"amount":"-5.00","currency":"USD"}}"#;
    let change = request(Wanted::Change("h-1".to_owned()), "k-3", change);
    assert_eq!(decide(&journal, &change, &[]).await.0, Decision::NoHold);
}

#[tokio::test]
async fn an_approved_part_is_taken_back_before_it_is_refused() {
    let hold = request(Wanted::Hold, "k-1", HOLD);
    for code in ["10", "32", "87"] {
        let (decided, sent) = decide(&[], &hold, &[Some(code), Some("00")]).await;
        assert_eq!(decided, Decision::part_taken_back());
        let (first, undoing) = (&sent[0], &sent[1]);
        let named = OriginalData::parse(&undoing[&90]).unwrap();
        assert_eq!(undoing[&0], "0400");
        assert_eq!(named.mti.digits(), b"0100");
        assert_eq!(
            (format!("{:06}", named.stan), &named.transmission),
            (first[&11].clone(), &first[&7])
        );
        assert_ne!(undoing[&11], first[&11], "a release by the same request has that number");
        for number in [4, 7, 32, 37, 41, 42, 49, 102] {
            assert_eq!(undoing[&number], first[&number], "field {number}");
        }
        // If that cannot be said, nobody is told that nothing stays but by 500.
        for failing in [None, Some("91")] {
            let (decided, _) = decide(&[], &hold, &[Some(code), failing]).await;
            assert!(matches!(decided, Decision::Failed(_)), "{decided:?}");
        }
        // And the same request does it later.
        let mut known = stored(&hold, 1, *b"0100", 1_000, code);
        let again = [Some(code), Some("00")];
        let (decided, sent) = decide(std::slice::from_ref(&known), &hold, &again).await;
        assert_eq!((decided, sent[1][&0].as_str()), (Decision::part_taken_back(), "0400"));
        known.undoing = Some(Undoing::Reversing);
        let (decided, _) = decide(&[known], &hold, &[]).await;
        assert_eq!(decided, Decision::part_taken_back());
    }
}

#[tokio::test]
async fn a_part_of_a_change_that_was_taken_back_leaves_the_hold() {
    let hold = request(Wanted::Hold, "k-1", HOLD);
    let body = r#"{"amount":{"amount":"-20.00","currency":"USD"}}"#;
    let change = request(Wanted::Change("h-1".to_owned()), "k-2", body);
    let mut part = stored(&change, 2, *b"0100", 2_000, "10");
    part.undoing = Some(Undoing::Reversing);
    let placed = stored(&hold, 1, *b"0100", 1_000, "00");
    let journal = vec![placed, part, stored(&change, 3, *b"0400", 2_000, "00")];
    let rrn = &hold.identity.rrn;
    let life = Life::new(journal.clone(), "platform", rrn);
    assert_eq!(life.held().unwrap().map(|held| held.total), Some(1_000));
    let released = [journal, vec![stored(&hold, 4, *b"0400", 1_000, "00")]].concat();
    assert_eq!(Life::new(released, "platform", rrn).held(), Ok(None));
}

/// The bank leaves the hold as the last change has made it, whatever an earlier one was.
#[tokio::test]
async fn a_part_that_is_taken_back_late_ends_no_later_change() {
    let to = |key: &str, amount: &str| {
        let body = format!(r#"{{"amount":{{"amount":"{amount}","currency":"USD"}}}}"#);
        request(Wanted::Change("h-1".to_owned()), key, &body)
    };
    let hold = request(Wanted::Hold, "k-1", HOLD);
    let (part, later) = (to("k-2", "-50.00"), to("k-3", "-80.00"));
    let mut taken = stored(&part, 2, *b"0100", 5_000, "10");
    let journal = vec![
        stored(&hold, 1, *b"0100", 1_000, "00"),
        taken.clone(),
        stored(&later, 3, *b"0100", 8_000, "00"),
    ];
    // Its 0400 was not taken over in time, so that its request comes again.
    let again = [Some("10"), Some("00")];
    let (decided, sent) = decide(&journal, &part, &again).await;
    assert_eq!((&decided, sent[1][&0].as_str()), (&Decision::part_taken_back(), "0400"));
    taken.undoing = Some(Undoing::Reversing);
    let mut journal = journal;
    journal[1] = taken;
    let mut back = stored(&part, 4, *b"0400", 5_000, "00");
    let mut intent = (*back.intent).clone();
    intent.key.stan = sent[1][&11].parse().unwrap();
    back.intent = Arc::new(intent);
    journal.push(back);
    let life = Life::new(journal.clone(), "platform", &hold.identity.rrn);
    assert_eq!(life.held().unwrap().map(|held| held.total), Some(8_000));
    // So it is completed as it is, and let go whole.
    let paid = request(Wanted::Transaction, "k-4", &HOLD.replace("10.00", "80.00"));
    let (decided, sent) = decide(&journal, &paid, &[Some("00")]).await;
    assert_eq!((decided, sent[0][&0].as_str()), (Decision::Approved, "0220"));
    let known = [Some("00")];
    assert_eq!(decide(&journal, &later, &known).await.0, Decision::Approved);
    assert_eq!(decide(&journal, &part, &[]).await.0, Decision::part_taken_back());
    let released = [journal, vec![stored(&hold, 5, *b"0400", 1_000, "00")]].concat();
    assert_eq!(Life::new(released, "platform", &hold.identity.rrn).held(), Ok(None));
}

/// What it would be released or completed by is not known, and what is left is not it.
#[tokio::test]
async fn a_change_without_what_it_changed_is_nobodys_hold() {
    let hold = request(Wanted::Hold, "k-1", HOLD);
    let of_hold = |key: &str, amount: &str| {
        let body = format!(r#"{{"amount":{{"amount":"{amount}","currency":"USD"}}}}"#);
        request(Wanted::Change("h-1".to_owned()), key, &body)
    };
    let grown = of_hold("k-2", "-50.00");
    let asking = [
        of_hold("k-3", "0.00"),
        of_hold("k-3", "-60.00"),
        request(Wanted::Transaction, "k-3", HOLD),
        request(Wanted::Transaction, "k-3", &HOLD.replace("-10.00", "10.00")),
    ];
    let change = stored(&grown, 2, *b"0100", 5_000, "00");
    for asked in &asking {
        let (decided, _) = decide(std::slice::from_ref(&change), asked, &[]).await;
        assert!(matches!(decided, Decision::Failed(_)), "{:?}: {decided:?}", asked.asked);
    }
    // Its own request is known by it all the same.
    let again = [Some("00")];
    let (decided, _) = decide(std::slice::from_ref(&change), &grown, &again).await;
    assert_eq!(decided, Decision::Approved);
    // If what placed the hold was taken back, so is what it was changed to.
    let mut placed = stored(&hold, 1, *b"0100", 1_000, "00");
    placed.undoing = Some(Undoing::Reversing);
    let journal = [placed, change.clone()];
    assert_eq!(decide(&journal, &asking[0], &[]).await.0, Decision::NoHold);
    // And what was completed is over, whatever is left of it.
    let journal =
        [change, stored(&request(Wanted::Transaction, "k-4", HOLD), 3, *b"0220", 1, "00")];
    assert_eq!(decide(&journal, &asking[1], &[]).await.0, Decision::NoHold);
    assert_eq!(decide(&journal, &asking[2], &[]).await.0, Decision::Conflict);
}

/// One look-up finds no more; the oldest may be what placed the hold.
#[tokio::test]
async fn a_life_too_long_to_be_seen_whole_is_left_as_it_is() {
    let body =
        |minor: usize| format!(r#"{{"amount":{{"amount":"-{minor}.00","currency":"USD"}}}}"#);
    let change = |number: usize| {
        request(Wanted::Change("h-1".to_owned()), &format!("k-{number}"), &body(number))
    };
    let hold = request(Wanted::Hold, "k-0", HOLD);
    let life = |changes: usize| {
        let placed = stored(&hold, 0, *b"0100", 1_000, "00");
        let changes = (1..=changes)
            .map(|n| stored(&change(n), u64::try_from(n).unwrap(), *b"0100", 100 * n as u64, "00"));
        std::iter::once(placed).chain(changes).collect::<Vec<_>>()
    };
    let most = LIFE_MAX;
    let next = change(most + 1);
    let (decided, sent) = decide(&life(most - 2), &next, &[Some("00")]).await;
    assert_eq!((decided, sent[0][&0].as_str()), (Decision::Approved, "0100"));
    let cut = life(most - 1);
    for asked in [&next, &request(Wanted::Transaction, "k-x", HOLD)] {
        let (decided, _) = decide(&cut, asked, &[]).await;
        assert_eq!(decided, Decision::Failed(CUT));
    }
    // Also if of all of it nothing was approved that can still be seen.
    let refused: Vec<Stored> = cut
        .iter()
        .map(|stored| {
            let mut end = (**stored.outcome.as_ref().unwrap()).clone();
            end.response = ResponseCode::INSUFFICIENT_FUNDS;
            Stored { outcome: Some(Arc::new(end)), ..stored.clone() }
        })
        .collect();
    let placing = request(Wanted::Hold, "k-y", HOLD);
    assert_eq!(decide(&refused, &placing, &[]).await.0, Decision::Failed(CUT));
    // What is known of a request is said.
    assert_eq!(decide(&cut, &change(7), &[Some("00")]).await.0, Decision::Approved);
}

/// That more money was held once says nothing after the hold was given another amount: the bank
/// takes no more than 115 % of what is held, and an advice is not declined.
#[tokio::test]
async fn what_a_hold_grew_to_counts_only_while_it_is_of_that_amount() {
    let hold = request(Wanted::Hold, "k-1", &HOLD.replace("10.00", "100.00"));
    let paid = request(Wanted::Transaction, "k-2", &HOLD.replace("10.00", "200.00"));
    let to = |amount: &str| {
        let body = format!(r#"{{"amount":{{"amount":"{amount}","currency":"USD"}}}}"#);
        request(Wanted::Change("h-1".to_owned()), "k-3", &body)
    };
    let numbers = &paid.identity.numbers;
    let second = |txn, code| {
        let mut second = stored(&paid, txn, *b"0100", 20_000, code);
        let mut intent = (*second.intent).clone();
        intent.key.stan = numbers.stan % 999_999 + 1;
        second.intent = Arc::new(intent);
        second
    };
    let grown =
        [stored(&hold, 1, *b"0100", 10_000, "00"), stored(&paid, 2, *b"0100", 20_000, "00")];
    let with = |more: &[Stored]| [&grown, more].concat();
    let smaller = stored(&to("-60.00"), 3, *b"0100", 6_000, "00");
    let types = |sent: &[BTreeMap<u8, String>]| {
        sent.iter().map(|sent| (sent[&0].clone(), sent[&11].clone())).collect::<Vec<_>>()
    };
    let stan = |number: u32| format!("{:06}", (numbers.stan - 1 + number) % 999_999 + 1);
    let first = ("0100".to_owned(), stan(0));
    let anew = ("0100".to_owned(), stan(1));
    let completion = ("0220".to_owned(), stan(0));
    let ok = Some("00");

    // It is what the hold is of, or near enough.
    for journal in [with(&[]), with(&[stored(&to("-190.00"), 3, *b"0100", 19_000, "00")])] {
        let (decided, sent) = decide(&journal, &paid, &[ok, ok]).await;
        assert_eq!(
            (decided, types(&sent)),
            (Decision::Approved, vec![first.clone(), completion.clone()])
        );
    }
    // It is not any more: the bank is asked again, and may refuse.
    let journal = with(std::slice::from_ref(&smaller));
    let (decided, sent) = decide(&journal, &paid, &[ok, ok, ok]).await;
    let all = vec![first.clone(), anew.clone(), completion.clone()];
    assert_eq!((decided, types(&sent)), (Decision::Approved, all));
    assert_eq!((&sent[1][&4], &sent[1][&41]), (&"000000020000".to_owned(), &numbers.terminal));
    assert!(sent[1][&7] != DE7 && tags::find(&sent[1][&48], tags::HOLD).is_some());
    let (decided, sent) = decide(&journal, &paid, &[ok, Some("51")]).await;
    assert!(matches!(decided, Decision::Refused { .. }), "{decided:?}");
    assert_eq!(types(&sent), [first, anew.clone()]);
    // What was refused stays so, also if there is enough by now.
    let [placed, _] = grown.clone();
    let refused = stored(&paid, 2, *b"0100", 20_000, "51");
    let more = stored(&to("-300.00"), 3, *b"0100", 30_000, "00");
    assert_eq!(decide(&[placed, refused, more], &paid, &[]).await.0, decided);
    // The journal tells what came of that.
    let journal = with(&[smaller.clone(), second(4, "51")]);
    assert_eq!(decide(&journal, &paid, &[]).await.0, decided);
    let journal = with(&[smaller.clone(), second(4, "00")]);
    let (decided, sent) = decide(&journal, &paid, &[ok, ok]).await;
    assert_eq!((decided, types(&sent)), (Decision::Approved, vec![anew.clone(), completion]));
    let mut open = second(4, "00");
    open.outcome = None;
    let (decided, sent) = decide(&with(&[smaller, open]), &paid, &[Some("09")]).await;
    assert!(matches!(decided, Decision::Failed(_)), "{decided:?}");
    assert_eq!((types(&sent), sent[0][&7].as_str()), (vec![anew], DE7));
}

/// Of a completion neither DE41 nor DE42 is its own, and of another id not even DE37.
#[tokio::test]
async fn a_key_that_the_journal_has_with_something_else_is_a_conflict() {
    let other_body = HOLD.replace("10.00", "11.00");
    let other_id = HOLD.replace("h-1", "h-2");
    let change = r#"{"amount":{"amount":"-20.00","currency":"USD"}}"#;
    let release = r#"{"amount":{"amount":"0.00","currency":"USD"}}"#;
    let of_hold = |id: &str| Wanted::Change(id.to_owned());
    let placed = stored(&request(Wanted::Hold, "k-0", HOLD), 1, *b"0100", 1_000, "00");
    let known = [
        (request(Wanted::Hold, "k-1", HOLD), *b"0100"),
        (request(of_hold("h-1"), "k-1", change), *b"0100"),
        (request(of_hold("h-1"), "k-1", release), *b"0400"),
        (request(Wanted::Transaction, "k-1", HOLD), *b"0220"),
        (request(Wanted::Transaction, "k-1", HOLD), *b"0200"),
    ];
    for (first, mti) in known {
        // Whatever became of it: it is that request's key.
        for code in ["00", "51", "91"] {
            let mut journal = vec![stored(&first, 2, mti, 1_000, code)];
            if !matches!(first.asked, Asked::Hold { .. }) {
                journal.push(placed.clone());
            }
            for other in [
                request(Wanted::Hold, "k-1", HOLD),
                request(Wanted::Hold, "k-1", &other_body),
                request(Wanted::Hold, "k-1", &other_id),
                request(of_hold("h-1"), "k-1", change),
                request(of_hold("h-2"), "k-1", change),
                request(of_hold("h-1"), "k-1", release),
                request(Wanted::Transaction, "k-1", HOLD),
                request(Wanted::Transaction, "k-1", &other_body),
                request(Wanted::Transaction, "k-1", &other_id),
            ] {
                let is_same = other.identity.content == first.identity.content;
                let (platform, mut posts) = platform(Some(journal.clone()));
                let until = Instant::now() + Duration::from_secs(60);
                let deciding = platform.decide(&other.asked, &other.identity, until);
                let decided = tokio::select! {
                    decided = deciding => Some(decided.unwrap()),
                    posted = posts.recv() => { drop(posted.unwrap()); None }
                };
                let is_conflict = decided == Some(Decision::Conflict);
                assert_eq!(is_conflict, !is_same, "{:?}: {:?}", first.asked, other.asked);
                if is_conflict {
                    // A mistake takes nothing from the request whose key it is.
                    let (key, content) = (first.identity.key, first.identity.content);
                    assert_eq!(platform.remembered.recall(key, content), Recalled::New);
                }
            }
        }
    }
}

#[tokio::test]
async fn nobody_elses_key_is_a_conflict_and_none_is_needed() {
    let hold = request(Wanted::Hold, "k-1", HOLD);
    let with = |caller_key, participant: &str| {
        let mut stored = stored(&hold, 1, *b"0100", 1_000, "51");
        let mut intent = (*stored.intent).clone();
        intent.caller_key = caller_key;
        participant.clone_into(&mut intent.key.participant);
        // Of another life, so that nothing else tells.
        "ANOTHERLIFE0".clone_into(&mut intent.key.rrn);
        stored.intent = Arc::new(intent);
        stored
    };
    let own = hold.identity.caller_key.unwrap();
    let other = Some(CallerKey { content: [0; 16], ..own });
    for (caller_key, participant, expected) in [
        (other, "platform", Decision::Conflict),
        (other, "shop", Decision::Approved),
        // Recorded before the journal kept it.
        (None, "platform", Decision::Approved),
        (Some(CallerKey { key: [0; 16], ..own }), "platform", Decision::Approved),
    ] {
        let codes: &[_] = if expected == Decision::Approved { &[Some("00")] } else { &[] };
        let (decided, _) = decide(&[with(caller_key, participant)], &hold, codes).await;
        assert_eq!(decided, expected, "{caller_key:?} {participant}");
    }
    // Without an idempotency key a request is what it is.
    let keyless = request(Wanted::Hold, "", HOLD);
    assert_eq!(keyless.identity.caller_key, None);
    let (decided, _) = decide(&[with(other, "platform")], &keyless, &[Some("00")]).await;
    assert_eq!(decided, Decision::Approved);
}

/// The engine answers nobody before it has them all: who waited for another hold would wait for
/// ever, that is to the end of his time.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_who_asks_about_another_hold() {
    const HOLDS: usize = 600;
    let (platform, mut posts) = platform(Some(Vec::new()));
    let platform = Arc::new(platform);
    let until = Instant::now() + Duration::from_secs(600);
    let mut asking = Vec::new();
    for number in 0..HOLDS {
        let platform = Arc::clone(&platform);
        asking.push(tokio::spawn(async move {
            let body = HOLD.replace("h-1", &format!("h-{number}"));
            let hold = request(Wanted::Hold, &format!("k-{number}"), &body);
            platform.decide(&hold.asked, &hold.identity, until).await.unwrap()
        }));
    }
    // Once those have ended that ask, nothing more can be sent.
    drop(platform);
    let mut posted = Vec::new();
    while posted.len() < HOLDS {
        posted.push(posts.recv().await.expect("some waited for another hold"));
    }
    for Posted { mut message, reply, caller_key, .. } in posted {
        assert!(caller_key.is_some());
        message.set(39, "00");
        reply.send(Replied::Answered(message)).unwrap();
    }
    for asking in asking {
        assert_eq!(asking.await.unwrap(), Decision::Approved);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_counts_as_heard_is_given_at_the_last_moment_too() {
    for offset in 0..4 {
        let hold = request(Wanted::Hold, "k-1", HOLD);
        let (platform, mut posts) = platform(Some(Vec::new()));
        let until = Instant::now() + Duration::from_millis(350);
        let engine = tokio::spawn(async move {
            let Posted { mut message, reply, .. } = posts.recv().await.unwrap();
            message.set(39, "00");
            sleep_until(until + Duration::from_millis(offset) - Duration::from_millis(2)).await;
            reply.send(Replied::Answered(message)).is_ok()
        });
        let decided = platform.decide(&hold.asked, &hold.identity, until).await.unwrap();
        let is_heard = engine.await.unwrap();
        assert_eq!(decided == Decision::Approved, is_heard, "{offset}: {decided:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_does_not_answer_is_not_waited_for_longer_than_the_budget() {
    let hold = request(Wanted::Hold, "k-1", HOLD);
    let (platform, mut posts) = platform(None);
    let until = Instant::now() + Duration::from_millis(350);
    let decided = platform.decide(&hold.asked, &hold.identity, until).await.unwrap();
    assert_eq!(decided, Decision::Failed(TOO_LONG));
    assert!(posts.try_recv().is_err());
}
