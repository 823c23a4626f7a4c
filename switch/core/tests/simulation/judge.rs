//! The judge: what must be true of a history when everything has come to rest.
//!
//! The numbers are those of the oracles in `docs/guarantees.md`. The bank's books are the truth;
//! the terminals' memory and the journal are compared with them.

use super::channel::Mood;
use super::world::World;
use std::collections::BTreeMap;
use veksel_core::record::{ReversalStep, Verdict};
use veksel_core::{Record, TxnId};

/// Everything that is wrong with a history.
pub fn judge(world: &World) -> Vec<String> {
    let mut wrong = world.wrong.clone();
    if !wrong.is_empty() {
        return wrong;
    }
    if !world.is_at_rest() {
        let waiting = world.payments.iter().filter(|payment| payment.mood != Mood::Done).count();
        wrong.push(format!("I7, I8: not at rest at the end; {waiting} terminals still wait"));
        wrong.push(world.unrest());
        return wrong;
    }
    let sum: i64 = world.bank.balances.values().sum();
    if sum != 0 {
        wrong.push(format!("I1: the bank's books add up to {sum}"));
    }
    for payment in world.payments.iter().filter(|payment| payment.clash_of.is_none()) {
        wrong.extend(judge_payment(world, payment));
    }
    for clash in world.payments.iter().filter(|payment| payment.clash_of.is_some()) {
        // Whichever of the two came first holds the key; the other may not be approved.
        let original = &world.payments[clash.clash_of.unwrap() as usize];
        if original.heard.contains("00") && clash.heard.contains("00") {
            wrong.push(format!("I2: {} and its clash were both approved", original.rrn()));
        }
    }
    wrong.extend(judge_journal(world));
    wrong.extend(judge_leaks(world));
    wrong
}

fn judge_payment(world: &World, payment: &super::channel::Payment) -> Vec<String> {
    let mut wrong = Vec::new();
    let rrn = payment.rrn();
    let effect = world.bank.effects.get(&rrn).cloned().unwrap_or_default();
    let net = i64::from(effect.applied) - i64::from(effect.undone);
    let has_clash = world.payments.iter().any(|p| p.clash_of == Some(payment.number));
    if !(0..=1).contains(&net) {
        wrong.push(format!(
            "I2: {rrn} was executed {} and undone {}",
            effect.applied, effect.undone
        ));
    }
    if has_clash {
        // Two payments share these numbers; which of them counts is not this payment's to say.
        return wrong;
    }
    let amount = i64::try_from(payment.amount).unwrap();
    if payment.taken_back {
        let may_remain = [0, i64::try_from(payment.actual).unwrap()];
        if !may_remain.contains(&effect.moved) {
            wrong.push(format!("I3: {rrn} was taken back and {} is moved", effect.moved));
        }
        return wrong;
    }
    if payment.heard.is_empty() {
        // It gave up. What it was never told of may not remain, unless somebody wrote it.
        let written = world.approvals.get(&rrn);
        if written == Some(&false) && effect.moved != 0 {
            let moved = effect.moved;
            wrong.push(format!("I1: {rrn} could not be told of its approval, {moved} is moved"));
        }
        return wrong;
    }
    if payment.heard.len() > 1 {
        wrong.push(format!("I5: {rrn} was answered {:?}", payment.heard));
    }
    match payment.heard.contains("00") {
        true if effect.moved != amount => {
            wrong.push(format!("I3: {rrn} was approved and {} is moved", effect.moved));
        }
        false if effect.moved != 0 => {
            let heard = &payment.heard;
            wrong.push(format!("I4: {rrn} heard {heard:?} and {} is moved", effect.moved));
        }
        _ => {}
    }
    wrong
}

/// What the journal alone says of a transaction.
#[derive(Default)]
struct Story {
    rrn: String,
    amount: i64,
    approved: bool,
    indefinite: bool,
    undecided: bool,
    queued: bool,
    settled: bool,
    actual: i64,
    taken_over: bool,
}

/// I6 and I11: reads the journal as an auditor would, and compares with the books.
fn judge_journal(world: &World) -> Vec<String> {
    let mut stories: BTreeMap<TxnId, Story> = BTreeMap::new();
    for (_, record) in &world.disk.durable {
        match record {
            Record::Intent(intent) => {
                let story = stories.entry(intent.txn).or_default();
                story.rrn.clone_from(&intent.key.rrn);
                story.amount = i64::try_from(intent.amount).unwrap();
                story.undecided = true;
                story.taken_over = intent.is_taken_over();
            }
            Record::Outcome(outcome) => {
                let story = stories.entry(outcome.txn).or_default();
                story.undecided = false;
                story.indefinite = outcome.verdict == Verdict::Indefinite;
                story.approved =
                    outcome.verdict == Verdict::Answered && outcome.response.is_approval();
            }
            Record::Reversal(reversal) => {
                let story = stories.entry(reversal.txn).or_default();
                match &reversal.step {
                    ReversalStep::Queued { actual, .. } => {
                        story.queued = true;
                        story.actual = i64::try_from(actual.unwrap_or(0)).unwrap();
                    }
                    ReversalStep::Settled { .. } => story.settled = true,
                    _ => {}
                }
            }
            Record::Inquiry(_) | Record::Notice(_) | Record::Fact(_) => {}
        }
    }
    let mut wrong = Vec::new();
    let mut expected: BTreeMap<&str, i64> = BTreeMap::new();
    let mut uncertain: Vec<&str> = Vec::new();
    for (txn, story) in &stories {
        if story.undecided {
            wrong.push(format!("I7: transaction {} has no outcome", txn.0));
        }
        if (story.queued && !story.settled) || (story.indefinite && !story.queued) {
            wrong.push(format!("I7: transaction {} is not undone", txn.0));
        }
        let moved = expected.entry(&story.rrn).or_default();
        match (story.taken_over, story.approved, story.queued) {
            (false, true, false) => *moved += story.amount,
            (false, true, true) => *moved += story.actual,
            (false, false, _) => {}
            // What an advice moved, its own reversal may have moved back.
            (true, _, _) => uncertain.push(&story.rrn),
        }
    }
    for (rrn, moved) in expected.iter().filter(|(rrn, _)| !uncertain.contains(rrn)) {
        let effect = world.bank.effects.get(*rrn).map_or(0, |effect| effect.moved);
        if effect != *moved {
            wrong.push(format!("I6: the journal says {moved} for {rrn}, the bank {effect}"));
        }
    }
    wrong
}

/// I12: no card number and no PIN block shows in anything that was recorded.
fn judge_leaks(world: &World) -> Vec<String> {
    let shown = format!("{:?}", world.disk.durable);
    let mut wrong = Vec::new();
    for (what, digits) in [("card number", "4111111111111111"), ("PIN block", "13579135")] {
        if shown.contains(digits) {
            wrong.push(format!("I12: a {what} shows in a record"));
        }
    }
    wrong
}
