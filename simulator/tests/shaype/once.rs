//! A request is carried out once, however often it comes; and one that nobody waits for leaves
//! nothing.

use crate::client;
use crate::rig::{ACCOUNT, Asked, GENEROUS, LATE_MS, Rig, until};
use std::io::Write as _;
use std::time::Duration;

#[test]
fn the_same_request_gets_the_same_answer_and_moves_money_once() {
    let mut rig = Rig::with(GENEROUS, 7);
    let (ledger, available) = rig.balance(ACCOUNT);
    let hold = Asked::hold("o-1", ACCOUNT, "-10.00", "USD").keyed("k-1");
    let headers = hold.headers(&rig.key);
    for _ in 0..3 {
        // Byte for byte, as somebody who listened would send it.
        assert_eq!(rig.ask_with(&hold, &headers).status, 200);
        // And as the platform does, with a new time.
        rig.approve(&hold);
    }
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_000));
    // The key with anything else is a mistake, and nothing is done.
    for other in [
        Asked::hold("o-1", ACCOUNT, "-11.00", "USD"),
        Asked::hold("o-1", "10000000032", "-10.00", "USD"),
        Asked::hold("o-2", ACCOUNT, "-10.00", "USD"),
        Asked::transaction("o-1", ACCOUNT, "-10.00", "USD"),
        Asked::change("o-1", "-10.00", "USD"),
    ] {
        let answer = rig.ask(&other.clone().keyed("k-1"));
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (409, &"conflict".into()));
    }
    let change = Asked::change("o-1", "-25.00", "USD").keyed("k-2");
    rig.approve(&change);
    let refused = Asked::hold("o-3", ACCOUNT, "-999999.00", "USD").keyed("k-3");
    assert_eq!(rig.ask(&refused).status, 470);
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 2_500));
    // The journal knows all of it after a restart.
    rig.restart();
    rig.approve(&hold);
    rig.approve(&change);
    assert_eq!(rig.ask(&refused).status, 470);
    for other in
        [Asked::hold("o-1", ACCOUNT, "-11.00", "USD"), Asked::hold("o-2", ACCOUNT, "-10.00", "USD")]
    {
        assert_eq!(rig.ask(&other.keyed("k-1")).status, 409);
    }
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 2_500));
    assert_eq!(rig.types(), ["0100", "0100", "0100"]);
    // And a hold from before it can still be changed and completed.
    rig.approve(&Asked::change("o-1", "-30.00", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 3_000));
    let taken = Asked::transaction("o-1", ACCOUNT, "-30.00", "USD").keyed("k-4");
    rig.approve(&taken);
    rig.await_balance(ACCOUNT, (ledger - 3_000, available - 3_000));
    rig.restart();
    rig.approve(&taken);
    rig.await_balance(ACCOUNT, (ledger - 3_000, available - 3_000));
}

/// Every key of these is known to the journal alone, and what each came with before is done.
#[test]
fn a_key_is_its_requests_after_a_restart_too() {
    let mut rig = Rig::with(GENEROUS, 7);
    let (ledger, available) = rig.balance(ACCOUNT);
    let placed = Asked::hold("r-1", ACCOUNT, "-10.00", "USD").keyed("k-hold");
    let changed = Asked::change("r-1", "-20.00", "USD").keyed("k-change");
    let completing = Asked::hold("r-2", ACCOUNT, "-30.00", "USD").keyed("k-completing");
    let completed = Asked::transaction("r-2", ACCOUNT, "-30.00", "USD").keyed("k-completed");
    // More than its hold: two messages of one key.
    let growing = Asked::hold("r-3", ACCOUNT, "-10.00", "USD").keyed("k-growing");
    let grown = Asked::transaction("r-3", ACCOUNT, "-15.00", "USD").keyed("k-grown");
    let releasing = Asked::hold("r-4", ACCOUNT, "-40.00", "USD").keyed("k-releasing");
    let released = Asked::change("r-4", "0.00", "USD").keyed("k-released");
    let paid = Asked::transaction("r-5", ACCOUNT, "-5.00", "USD").keyed("k-paid");
    let refused = Asked::hold("r-6", ACCOUNT, "-999999.00", "USD").keyed("k-refused");
    // One that is open when the others are tried, and one that is not there at all.
    let open = Asked::hold("r-7", ACCOUNT, "-1.00", "USD").keyed("k-open");
    let approved = [
        &placed,
        &changed,
        &completing,
        &completed,
        &growing,
        &grown,
        &releasing,
        &released,
        &paid,
        &open,
    ];
    for asked in approved {
        rig.approve(asked);
    }
    assert_eq!(rig.ask(&refused).status, 470);
    // 20.00 and 1.00 are held; 30.00, 15.00 and 5.00 are gone.
    let after = (ledger - 5_000, available - 7_100);
    rig.await_balance(ACCOUNT, after);
    rig.restart();
    let count = rig.types().len();
    for asked in approved.into_iter().chain([&refused]) {
        let key = asked.idempotency.as_str();
        let others = [
            // Another id, which is new, and one that is another's.
            Asked::hold("r-new", ACCOUNT, "-2.00", "USD"),
            Asked::hold("r-7", ACCOUNT, "-2.00", "USD"),
            Asked::change("r-7", "-2.00", "USD"),
            Asked::change("r-7", "0.00", "USD"),
            Asked::transaction("r-new", ACCOUNT, "-2.00", "USD"),
            Asked::transaction("r-new", ACCOUNT, "2.00", "USD"),
            Asked::transaction("r-7", ACCOUNT, "-1.00", "USD"),
            // The ids there are, with another amount or on another path.
            Asked::hold("r-1", ACCOUNT, "-10.01", "USD"),
            Asked::change("r-1", "-20.01", "USD"),
            Asked::change("r-1", "0.00", "USD"),
            Asked::transaction("r-1", ACCOUNT, "-20.00", "USD"),
            Asked::transaction("r-2", ACCOUNT, "-30.01", "USD"),
            Asked::transaction("r-3", ACCOUNT, "-15.01", "USD"),
            Asked::change("r-4", "-1.00", "USD"),
            Asked::transaction("r-4", ACCOUNT, "-40.00", "USD"),
            Asked::transaction("r-5", ACCOUNT, "-5.01", "USD"),
            Asked::hold("r-5", ACCOUNT, "-5.00", "USD"),
            Asked::hold("r-6", ACCOUNT, "-1.00", "USD"),
        ];
        for other in others.map(|other| other.keyed(key)) {
            let answer = rig.ask(&other);
            let found = (answer.status, answer.json()["error"]["code"].clone());
            assert_eq!(found, (409, "conflict".into()), "{key}: {} {}", other.path, other.body);
        }
    }
    assert_eq!((rig.balance(ACCOUNT), rig.types().len()), (after, count));
    // None of that has taken a key from its request.
    for asked in approved {
        rig.approve(asked);
    }
    assert_eq!(rig.ask(&refused).status, 470);
    assert_eq!((rig.balance(ACCOUNT), rig.types().len()), (after, count));
    // And another key is another request.
    rig.approve(&Asked::hold("r-new", ACCOUNT, "-2.00", "USD"));
    assert_eq!(rig.balance(ACCOUNT), (after.0, after.1 - 200));
    rig.restart();
    rig.approve(&placed);
    assert_eq!(rig.ask(&Asked::change("r-7", "-2.00", "USD").keyed("k-paid")).status, 409);
    assert_eq!(rig.balance(ACCOUNT), (after.0, after.1 - 200));
}

#[test]
fn many_at_once_are_one() {
    let rig = Rig::with(GENEROUS, 7);
    let (ledger, available) = rig.balance(ACCOUNT);
    let hold = Asked::hold("m-1", ACCOUNT, "-10.00", "USD");
    let requests: Vec<_> = (0..20).map(|_| hold.headers(&rig.key)).collect();
    let address = rig.address();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = requests
            .iter()
            .map(|headers| {
                let hold = &hold;
                scope.spawn(move || {
                    let headers: Vec<_> =
                        headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                    let body = hold.body.as_bytes();
                    client::call(address, hold.method, &hold.path, &headers, body).status
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers, [200; 20]);
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_000));
    assert_eq!(rig.types(), ["0100"]);
}

/// The bank carries out amounts that end in 68, and answers when the budget is long over.
#[test]
fn what_takes_too_long_is_500_and_leaves_nothing() {
    const { assert!(LATE_MS > 1_500, "the bank is later than the budget") };
    let rig = Rig::with("budget = \"1500ms\"\n", 7);
    let before = rig.balance(ACCOUNT);
    let (ledger, available) = before;
    let hold = Asked::hold("l-1", ACCOUNT, "-10.68", "USD");
    assert_eq!(rig.ask(&hold).status, 500);
    rig.await_balance(ACCOUNT, before);
    let reversed = || rig.types().len() == 1 && is_reversed(&rig, 1);
    until("the hold to be taken back", || reversed().then_some(()));
    assert_eq!(rig.balance(ACCOUNT), before);
    // It was refused, and stays so.
    assert_eq!(rig.ask(&hold).status, 500);
    assert_eq!(rig.balance(ACCOUNT), before);
    // A change that takes too long leaves the hold as it was.
    rig.approve(&Asked::hold("l-2", ACCOUNT, "-10.00", "USD"));
    let change = Asked::change("l-2", "-50.68", "USD");
    assert_eq!(rig.ask(&change).status, 500);
    until("the change to be taken back", || is_reversed(&rig, 2).then_some(()));
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_000));
    // And so is money that was moved.
    assert_eq!(rig.ask(&Asked::transaction("l-3", ACCOUNT, "-20.68", "USD")).status, 500);
    until("the payment to be taken back", || is_reversed(&rig, 3).then_some(()));
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_000));
}

/// A request of its own for each number.
type Wanted = fn(usize) -> Asked;

#[test]
fn a_caller_that_hangs_up_leaves_nothing_whatever_it_asked_and_sent_besides() {
    let rig = Rig::with(GENEROUS, 7);
    let (ledger, mut available) = rig.balance(ACCOUNT);
    let another = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
    let besides = [Vec::new(), b"\r\n".to_vec(), another.to_vec(), another.repeat(20_000)];
    for number in 0..besides.len() {
        rig.approve(&Asked::hold(&format!("h-{number}"), ACCOUNT, "-10.00", "USD"));
        available -= 1_000;
    }
    let wanted: [(Wanted, i64, bool); 3] = [
        (|n| Asked::hold(&format!("a-{n}"), ACCOUNT, "-10.68", "USD"), 1_068, false),
        (|n| Asked::change(&format!("h-{n}"), "-50.68", "USD"), 4_068, false),
        (|n| Asked::transaction(&format!("t-{n}"), ACCOUNT, "-20.68", "USD"), 2_068, true),
    ];
    let count = i64::try_from(besides.len()).unwrap();
    for (kind, (asked, minor, is_posted)) in (1..).zip(wanted) {
        let requests: Vec<_> = (0..besides.len())
            .map(|number| {
                let asked = asked(number);
                let headers = asked.headers(&rig.key);
                (asked, headers)
            })
            .collect();
        let mut streams: Vec<_> = requests.iter().map(|(one, h)| rig.send(one, h)).collect();
        for (stream, beside) in streams.iter_mut().zip(&besides) {
            stream.write_all(beside).unwrap();
        }
        // The bank has them all, and has not answered yet.
        let moved = count * minor;
        let posted = if is_posted { moved } else { 0 };
        rig.await_balance(ACCOUNT, (ledger - posted, available - moved));
        drop(streams);
        let all = kind * besides.len() as u64;
        until("all of it to be taken back", || is_reversed(&rig, all).then_some(()));
        assert_eq!(rig.balance(ACCOUNT), (ledger, available));
    }
}

/// The platform's time runs from its connection on, and it does not wait for its own body.
#[test]
fn a_body_that_comes_slowly_eats_the_budget_and_nothing_is_done() {
    let rig = Rig::with("budget = \"1500ms\"\n", 7);
    let (ledger, available) = rig.balance(ACCOUNT);
    // Now its keys are known.
    rig.approve(&Asked::hold("s-1", ACCOUNT, "-1.00", "USD"));
    let hold = Asked::hold("s-2", ACCOUNT, "-10.00", "USD");
    let headers = hold.headers(&rig.key);
    let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let address = rig.address();
    let bytes = client::request(address, hold.method, &hold.path, &headers, hold.body.as_bytes());
    let (most, last) = bytes.split_at(bytes.len() - 1);
    let mut stream = client::connect(address).unwrap();
    stream.write_all(most).unwrap();
    std::thread::sleep(Duration::from_millis(1_600));
    stream.write_all(last).unwrap();
    assert_eq!(client::receive(stream).unwrap().status, 500);
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 100));
    assert_eq!(rig.types(), ["0100"]);
    // The same request in time is carried out.
    rig.approve(&hold);
    assert_eq!(rig.balance(ACCOUNT), (ledger, available - 1_100));
}

/// Whether so many transactions are reversed and none is on its way.
pub(crate) fn is_reversed(rig: &Rig, count: u64) -> bool {
    let journal = crate::rig::read_only(&rig.journal());
    let of = |state: &str| -> i64 {
        let sql = "SELECT count(*) FROM v_transactions WHERE state = ?";
        journal.query_row(sql, [state], |row| row.get(0)).unwrap()
    };
    of("reversed").unsigned_abs() == count && of("reversing") == 0 && of("open") == 0
}
