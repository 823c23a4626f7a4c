//! Many payments by chance: amounts that make the bank misbehave, customers who approve, refuse
//! or leave, channels that repeat and take back. The ledger of the bank is the judge.
//!
//! A seed says what is drawn; what meets what is up to the machine. `VEKSEL_RUNS` is how many
//! payments there are, `VEKSEL_SEED` the first seed.

use crate::http;
use crate::rig::Bridge;
use crate::stage::{Chance, Request, read_only, until, wanted};
use crate::teller::{Teller, cancellation, code, tag, transfer};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Channels at a time.
const CHANNELS: u64 = 12;

/// Endings of amounts, as the sandbox documents them; an approved one and one that is refused
/// after the approval are as frequent as all others together.
const ENDINGS: [u64; 16] = [0, 0, 0, 0, 0, 0, 1, 2, 3, 29, 30, 51, 68, 91, 94, 96];

/// What was done about a payment, and what was heard.
#[derive(Debug, Default)]
struct Story {
    seed: u64,
    #[expect(dead_code, reason = "shown with the story")]
    ending: u64,
    act: &'static str,
    /// DE39 of every answer to the request and its repeats.
    heard: Vec<String>,
    /// Of the 0420, if one was sent.
    taken_back: Option<String>,
    /// Of every advice.
    advised: Vec<String>,
}

/// Tells channels that it is over, when it is dropped.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Plays one payment.
fn play(rig: &Bridge, teller: &mut Teller, seed: u64) -> (String, Story) {
    let mut chance = Chance(seed);
    let ending = ENDINGS[usize::try_from(chance.below(ENDINGS.len() as u64)).unwrap()];
    let amount = 100 * (1 + chance.below(40)) + ending;
    let request = transfer(amount);
    let rrn = request.rrn();
    let mut story = Story { seed, ending, ..Story::default() };
    let answer = teller.ask(&request);
    story.heard.push(code(&answer));
    let repeats = chance.below(3);
    let is_taken_back = chance.below(10) == 0;
    let is_early = chance.below(2) == 0;
    if is_taken_back && is_early {
        story.taken_back = Some(take_back(teller, &request, amount));
    }
    if let Some(link) = tag(&answer, "P2") {
        story.act = match chance.below(10) {
            0..6 => "approve",
            6 | 7 => "reject",
            _ => "abandon",
        };
        let returns = chance.below(10) < 7;
        approve(rig, &link, story.act, returns);
    }
    for _ in 0..repeats {
        teller.listen(Duration::from_millis(chance.below(400)));
        story.heard.push(code(&teller.ask(&request.repeat())));
    }
    if is_taken_back && !is_early {
        story.taken_back = Some(take_back(teller, &request, amount));
    }
    (rrn, story)
}

fn take_back(teller: &mut Teller, request: &Request, amount: u64) -> String {
    code(&teller.ask(&cancellation(request, amount)))
}

/// By the portal and the bank's page; a payment that ended meanwhile has no page any more.
fn approve(rig: &Bridge, link: &str, act: &str, returns: bool) {
    let path = format!("/approve/{link}");
    let portal = http::request(rig.ports.http, "GET", &path, &[], b"").unwrap();
    let Some(page) = portal.location else { return };
    let left = http::visit(&format!("{page}?auto={act}"));
    if let Some(back) = left.location.filter(|_| returns) {
        http::visit(&back);
    }
}

/// Every promise that was broken.
fn judge(rig: &Bridge, stories: &BTreeMap<String, Story>) -> Vec<String> {
    let journal = read_only(&rig.journal());
    let case = |rrn: &str| -> Option<String> {
        let sql = "SELECT open_case FROM v_payments WHERE rrn = ?1";
        journal.query_row(sql, [rrn], |row| row.get(0)).unwrap_or_default()
    };
    let state = |rrn: &str| -> Option<String> {
        let sql = "SELECT state FROM v_payments WHERE rrn = ?1";
        journal.query_row(sql, [rrn], |row| row.get(0)).unwrap_or_default()
    };
    let mut broken = Vec::new();
    let mut tally: BTreeMap<String, u64> = BTreeMap::new();
    for (rrn, story) in stories {
        let moved = rig.moved(rrn);
        let case = case(rrn);
        let is_approved = story.heard.iter().chain(&story.advised).any(|code| code == "00");
        let said = story.advised.last().or(story.heard.last()).cloned().unwrap_or_default();
        let shown = case.clone().unwrap_or_default();
        *tally.entry(format!("{said} moved {moved} {shown}")).or_default() += 1;
        let mut complain = |what: &str| {
            let seed = story.seed;
            broken.push(format!("seed {seed}: {what}: moved {moved}, {case:?}, {rrn}, {story:?}"));
        };
        if moved > 1 {
            complain("executed more than once");
        }
        if is_approved && moved == 0 {
            complain("approved, and no money moved");
        }
        // What nobody knows yet is looked for four times within a day, and then a case.
        let is_looked_for = state(rrn).as_deref() == Some("unknown");
        if moved > 0 && !is_approved && case.is_none() && !is_looked_for {
            complain("money moved, and nobody was told");
        }
        let is_refused = story.heard.iter().any(|code| code != "00" && code != "09");
        if is_refused && story.heard.first().is_some_and(|code| code == "00") {
            complain("approved, and then not");
        }
    }
    for (what, count) in tally {
        eprintln!("{count:>5}  {what}");
    }
    broken
}

#[test]
fn no_payment_is_executed_twice_or_without_a_word() {
    let runs = wanted("VEKSEL_RUNS", 60);
    let first = wanted("VEKSEL_SEED", 1);
    let settings = "approval = \"16s\"\ndeduplicates = true\nrequest_id = \"stable\"\nretries = 1";
    let rig = Bridge::linked(settings);
    let next = AtomicU64::new(0);
    let done = AtomicU64::new(0);
    let stories: Mutex<BTreeMap<String, Story>> = Mutex::default();
    let advised: Mutex<BTreeMap<String, Vec<String>>> = Mutex::default();
    let open = || -> u64 {
        rig.count(
            "veksel.db",
            "SELECT count(*) FROM v_payments
             WHERE state IN ('initiating', 'pending', 'expiring', 'cancelling') AND rrn > ?1",
            "",
        )
    };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // However this ends, the channels end with it.
        let _over = Over(&is_over);
        for _ in 0..CHANNELS {
            scope.spawn(|| {
                let mut teller = Teller::open(rig.ports.channels);
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run >= runs {
                        break;
                    }
                    let (rrn, story) = play(&rig, &mut teller, first.wrapping_add(run));
                    stories.lock().unwrap().insert(rrn, story);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                while !is_over.load(Ordering::Relaxed) {
                    teller.listen(Duration::from_millis(200));
                }
                let mut all = advised.lock().unwrap();
                for (rrn, codes) in teller.advised {
                    all.entry(rrn).or_default().extend(codes);
                }
            });
        }
        let patience = Duration::from_secs(60 + runs);
        until("every payment to be played", patience, || {
            (done.load(Ordering::Relaxed) == runs).then_some(())
        });
        // What was lost is looked for after a quarter of a minute, and a late bank is as late.
        thread::sleep(Duration::from_secs(18));
        until("every payment to be decided", patience, || {
            thread::sleep(Duration::from_millis(200));
            (open() == 0).then_some(())
        });
        thread::sleep(Duration::from_secs(2));
    });
    let mut stories = stories.into_inner().unwrap();
    for (rrn, codes) in advised.into_inner().unwrap() {
        let story = stories.get_mut(&rrn);
        let story = story.unwrap_or_else(|| panic!("an advice of nothing: {rrn} {codes:?}"));
        story.advised = codes;
    }
    let broken = judge(&rig, &stories);
    assert!(broken.is_empty(), "{} of {runs}:\n{}", broken.len(), broken.join("\n"));
    let moved: u64 = stories.keys().map(|rrn| rig.moved(rrn)).sum();
    assert!(moved >= runs / 6, "too little happened: {moved} of {runs} moved money");
}
