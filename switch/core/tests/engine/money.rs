//! Reversals, advices and duplicates: what the engine does so that money is neither lost nor moved
//! twice.

use super::*;

/// A message that names an earlier one.
fn naming(mti: &str, stan: u64, original: &str) -> Message {
    let mut message = request("000000", stan, 4_500);
    message.set_mti(Mti::parse(mti).unwrap());
    message.set(field::ORIGINAL_DATA, original);
    message
}

const ORIGINAL: &str = "020000000711201428070000050000100000000000";

fn purchase(stan: u64) -> Message {
    request("000000", stan, 4_500)
}

#[test]
fn a_completion_is_taken_over_and_names_its_hold_by_the_number_the_bank_knows() {
    let mut world = World::online();
    let mut hold = request("000000", 7, 4_500);
    hold.set_mti(Mti::parse("0100").unwrap());
    world.tell(received(ATM, hold));
    let (at_bank, tag) = world.request();
    world.tell(Input::Written(tag));
    world.tell(received(BANK, answer_to(&at_bank, "00")));
    world.take();
    let completion = naming("0220", 8, "010000000711201428070000050000100000000000");
    world.tell(received(ATM, completion));
    let outputs = world.take();
    let mut sent = outputs.into_iter().filter_map(|output| match output {
        Output::Send { connection, message, after: Some(_), .. } => Some((connection, message)),
        _ => None,
    });
    let (to, acknowledged) = sent.next().unwrap();
    assert_eq!((to, code(&acknowledged).as_str()), (ATM, "00"));
    let (to, delivered) = sent.next().unwrap();
    assert_eq!((to, delivered.mti().as_str()), (BANK, "0220"));
    let original = delivered.get(field::ORIGINAL_DATA).unwrap();
    let stan = at_bank.get(field::STAN).unwrap();
    assert_eq!(*original, format!("0100{stan:06}11201428070000050000100000000000"));
    world.tell(received(BANK, answer_to(&delivered, "00")));
    assert_eq!(world.switch.reversals_open(), 0);
}

#[test]
fn an_advice_is_taken_over_while_the_bank_is_away_and_delivered_when_it_is_back() {
    let mut world = World::new(plan());
    world.tell(Input::LinkUp(ATM));
    let mut advice = purchase(8);
    advice.set_mti(Mti::parse("0220").unwrap());
    world.tell(received(ATM, advice));
    assert_eq!(code(&world.sent_to(ATM)), "00");
    world.tell(Input::LinkUp(BANK));
    let sign_on = world.sent_to(BANK);
    world.tell(received(BANK, answer_to(&sign_on, "00")));
    assert_eq!(world.sent_to(BANK).mti().as_str(), "0220");
}

#[test]
fn a_channel_that_takes_a_payment_back_gets_00_and_the_bank_a_reversal() {
    let mut world = World::online();
    world.tell(received(ATM, purchase(7)));
    let (at_bank, tag) = world.request();
    world.tell(Input::Written(tag));
    world.tell(received(BANK, answer_to(&at_bank, "00")));
    world.take();
    world.tell(received(ATM, naming("0420", 8, ORIGINAL)));
    let outputs = world.take();
    let sent: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { connection, message, .. } => Some((*connection, message)),
            _ => None,
        })
        .collect();
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().any(|(to, m)| *to == ATM && code(m) == "00"));
    let reversal = sent.iter().find(|(to, _)| *to == BANK).unwrap().1;
    assert_eq!((reversal.mti().as_str(), code(reversal).as_str()), ("0420", "17"));
    assert_eq!(reversal.get(field::STAN), at_bank.get(field::STAN));
    // The same again is answered again and undoes nothing twice.
    world.tell(received(ATM, naming("0421", 8, ORIGINAL)));
    assert_eq!(code(&world.sent_to(ATM)), "00");
}

/// A copy that lay unread for too long is a copy first and late second: were it refused under the
/// key of its original, the original could not be found when it is taken back.
#[test]
fn a_late_copy_does_not_hide_its_original() {
    let mut world = World::online();
    world.pass(10_000);
    world.tell(received(ATM, purchase(7)));
    let (at_bank, tag) = world.request();
    world.tell(Input::Written(tag));
    let since = Tick(world.now.tick.0 - 5_000_000_000);
    world.switch.handle_since(world.now, since, received(ATM, purchase(7)));
    world.pass(0);
    assert!(!world.take().iter().any(|output| matches!(output, Output::Persist { .. })));
    world.tell(received(BANK, answer_to(&at_bank, "00")));
    let heard = |outputs: &[Output]| {
        let to_channel = |output: &&Output| matches!(output, Output::Send { connection: ATM, .. });
        outputs.iter().filter(to_channel).count()
    };
    assert_eq!(heard(&world.take()), 2, "the copy hears what the original hears");
    world.tell(received(ATM, naming("0420", 8, ORIGINAL)));
    assert_eq!(world.switch.reversals_open(), 1);
}

#[test]
fn a_payment_taken_back_in_flight_is_undone_once_its_outcome_is_known() {
    for (response, reversals) in [("00", 1), ("51", 0)] {
        let mut world = World::online();
        world.tell(received(ATM, purchase(7)));
        let (at_bank, tag) = world.request();
        world.tell(Input::Written(tag));
        world.tell(received(ATM, naming("0420", 8, ORIGINAL)));
        assert_eq!(code(&world.sent_to(ATM)), "00");
        assert_eq!(world.switch.reversals_open(), 0);
        world.tell(received(BANK, answer_to(&at_bank, response)));
        assert_eq!(world.switch.reversals_open(), reversals, "{response}");
    }
}

#[test]
fn a_payment_that_comes_after_its_reversal_is_not_executed() {
    let mut world = World::online();
    world.answers = false;
    world.tell(received(ATM, naming("0420", 8, ORIGINAL)));
    let outputs = world.take();
    let find = outputs.iter().find_map(|output| match output {
        Output::Find { txn, rrn, .. } => Some((*txn, rrn.clone())),
        _ => None,
    });
    let (txn, rrn) = find.expect("the store is asked");
    assert_eq!(rrn, "632516000124");
    world.tell(received(ATM, purchase(7)));
    assert_eq!(code(&world.sent_to(ATM)), "09", "nobody knows yet");
    world.tell(Input::Found { txn, stored: Ok(vec![]) });
    assert_eq!(code(&world.sent_to(ATM)), "00");
    world.tell(received(ATM, purchase(7)));
    assert_eq!(code(&world.sent_to(ATM)), "21");
}

#[test]
fn a_duplicate_gets_the_same_answer_and_is_not_executed() {
    let mut world = World::online();
    let (request, _) = world.payment();
    let mut answer = answer_to(&request, "00");
    answer.set(field::APPROVAL, "A12345");
    world.tell(received(BANK, answer));
    world.take();
    world.tell(received(ATM, payment(7)));
    let again = world.sent_to(ATM);
    assert_eq!((code(&again).as_str(), again.get(field::STAN)), ("00", Some(7)));
    assert_eq!(again.get(field::APPROVAL).unwrap(), "A12345");
    // A repeat may have another time.
    let mut repeat = payment(7);
    repeat.set_mti(Mti::parse("0201").unwrap());
    repeat.set(field::TRANSMISSION, "1120142999");
    world.tell(received(ATM, repeat));
    let again = world.sent_to(ATM);
    assert_eq!((code(&again).as_str(), again.mti().as_str()), ("00", "0210"));
}

#[test]
fn copies_in_flight_are_answered_with_the_first() {
    let mut world = World::online();
    let (request, _) = world.payment();
    let elsewhere = ConnectionId { link: LinkId(0), serial: 77 };
    world.tell(Input::LinkUp(elsewhere));
    for connection in [ATM, elsewhere, elsewhere] {
        world.tell(received(connection, payment(7)));
    }
    assert!(world.take().iter().all(|output| matches!(output, Output::Count(_))));
    world.tell(received(BANK, answer_to(&request, "00")));
    let answers: Vec<_> = world
        .take()
        .into_iter()
        .filter_map(|output| match output {
            Output::Send { message, tag: Some(tag), .. } => Some((code(&message), tag)),
            _ => None,
        })
        .collect();
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().all(|(code, _)| code == "00"));
    // One that is delivered is enough: the channel knows.
    for (place, (_, tag)) in answers.into_iter().enumerate() {
        let fate = if place == 2 {
            Input::Written(tag)
        } else {
            Input::Unsent { tag, why: Unsent::Closed }
        };
        world.tell(fate);
    }
    assert!(world.switch.is_idle());
    assert_eq!(world.switch.reversals_open(), 0);
}

#[test]
fn the_same_key_with_other_content_is_94_and_an_alarm() {
    let mut world = World::online();
    world.payment();
    let mut clash = payment(7);
    clash.set(field::AMOUNT, 4_501);
    world.tell(received(ATM, clash));
    let outputs = world.take();
    assert!(outputs.iter().any(|o| matches!(o, Output::Count(Event::Clash { .. }))));
    assert!(
        outputs.iter().any(|o| matches!(o, Output::Send { message, .. } if code(message) == "94"))
    );
}

#[test]
fn an_approval_whose_money_goes_back_is_not_given_again() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(received(BANK, answer_to(&request, "00")));
    let tag = world.take().into_iter().find_map(|output| match output {
        Output::Send { tag, .. } => tag,
        _ => None,
    });
    world.tell(Input::Unsent { tag: tag.unwrap(), why: Unsent::Closed });
    world.take();
    world.tell(received(ATM, payment(7)));
    assert_eq!(code(&world.sent_to(ATM)), "68");
}

#[test]
fn what_the_store_knows_is_recognised_after_a_restart() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(received(BANK, answer_to(&request, "00")));
    let stored = veksel_core::Stored::gather(world.journal.iter().map(|(_, record)| record));
    let mut again = World::online();
    again.tell(received(ATM, payment(7)));
    let (_, tag) = again.request();
    let found = stored.first().cloned().map(Box::new);
    again.tell(Input::Conflict { txn: tag.txn, stored: found });
    assert_eq!(code(&again.sent_to(ATM)), "00");
    assert!(again.switch.is_idle());
    // And for a repeat the store is asked before anything is sent.
    let mut third = World::online();
    third.answers = false;
    let mut repeat = payment(7);
    repeat.set_mti(Mti::parse("0201").unwrap());
    third.tell(received(ATM, repeat));
    let find = third.take().into_iter().find_map(|output| match output {
        Output::Find { txn, .. } => Some(txn),
        _ => None,
    });
    third.tell(Input::Found { txn: find.unwrap(), stored: Ok(stored) });
    assert_eq!(code(&third.sent_to(ATM)), "00");
}

/// A world whose payment timed out, and the reversal as the bank sees it.
/// A payment that its bank did not answer in time, and its reversal.
pub(crate) fn reversing() -> (World, Message) {
    let mut world = World::online();
    world.payment();
    world.pass(15_000);
    let mut sent = world.all_sent_to(BANK);
    assert_eq!(sent.len(), 1);
    (world, sent.remove(0))
}

#[test]
fn a_reversal_names_its_original_and_carries_its_numbers() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.pass(15_000);
    let reversal = world.all_sent_to(BANK).remove(0);
    assert_eq!(reversal.mti().as_str(), "0420");
    for key in [field::STAN.number(), field::RRN.number(), field::AMOUNT.number()] {
        assert!(reversal.expose(key).unwrap().text() == request.expose(key).unwrap().text());
    }
    assert_eq!(code(&reversal), "68");
    let stan = request.get(field::STAN).unwrap();
    let original = format!("0200{stan:06}11201428070000050000100000000000");
    assert_eq!(reversal.get(field::ORIGINAL_DATA).unwrap(), original.as_str());
    assert!(!reversal.has(field::PIN_BLOCK));
}

#[test]
fn a_reversal_is_repeated_as_0421_until_it_is_settled() {
    let (mut world, first) = reversing();
    for _ in 0..3 {
        world.pass(15_000);
        world.pass(300_000);
        let again = world.all_sent_to(BANK);
        let again = again.iter().find(|m| m.mti().as_str() == "0421").expect("a repeat");
        assert_eq!(again.get(field::STAN), first.get(field::STAN));
    }
    world.take();
    world.tell(received(BANK, answer_to(&first, "00")));
    assert!(matches!(world.steps().last(), Some(ReversalStep::Settled { .. })));
    assert_eq!(world.switch.reversals_open(), 0);
}

#[test]
fn a_host_may_want_requests_instead_of_advices() {
    let mut plan = plan();
    plan.groups[0].reversals.mti = Mti::parse("0400").unwrap();
    let mut world = World::online_with(plan);
    world.payment();
    world.pass(15_000);
    let reversal = world.sent_to(BANK);
    assert_eq!(reversal.mti().as_str(), "0400");
    let mut other = answer_to(&reversal, "00");
    other.set_mti(Mti::parse("0430").unwrap());
    world.tell(received(BANK, other));
    assert_eq!(world.switch.reversals_open(), 1, "a 0430 answers no 0400");
    world.tell(received(BANK, answer_to(&reversal, "91")));
    world.take();
    world.pass(60_000);
    let repeat = world.all_sent_to(BANK).into_iter().find(|m| m.mti().is_repeat()).unwrap();
    assert_eq!(repeat.mti().as_str(), "0401");
    world.tell(received(BANK, answer_to(&repeat, "00")));
    assert_eq!(world.switch.reversals_open(), 0);
}

#[test]
fn not_found_is_believed_only_of_a_repeat_sent_after_the_guard() {
    let (mut world, reversal) = reversing();
    world.tell(received(BANK, answer_to(&reversal, "25")));
    assert_eq!(world.switch.reversals_open(), 1, "the original may still be on its way");
    let mut repeat = None;
    for _ in 0..200 {
        world.pass(2_000);
        if let Some(sent) = world.all_sent_to(BANK).into_iter().find(|m| m.mti().is_repeat()) {
            let early = world.now.tick < Tick(75_000_000_000);
            world.tell(received(BANK, answer_to(&sent, "25")));
            assert_eq!(world.switch.reversals_open() == 1, early, "{:?}", world.now.tick);
            repeat = Some(sent);
        }
    }
    assert!(repeat.is_some());
    assert_eq!(world.switch.reversals_open(), 0);
}

#[test]
fn a_host_that_is_unwell_is_asked_again_and_one_that_refuses_needs_a_person() {
    for (response, parked) in
        [("91", false), ("96", false), ("06", false), ("30", true), ("12", true)]
    {
        let (mut world, reversal) = reversing();
        world.tell(received(BANK, answer_to(&reversal, response)));
        let last = world.steps().pop().unwrap();
        assert_eq!(matches!(last, ReversalStep::Parked { .. }), parked, "{response}");
        assert_eq!(world.switch.reversals_open(), 1, "nothing is dropped");
    }
}

#[test]
fn reversals_of_one_account_wait_for_each_other_and_others_do_not() {
    let mut world = World::online();
    for (stan, account) in [(1, "10000000001"), (2, "10000000001"), (3, "10000000002")] {
        let mut request = payment(stan);
        request.set(field::ACCOUNT, account);
        request.set(field::RRN, &format!("{stan:012}"));
        world.tell(received(ATM, request));
        let (_, tag) = world.request();
        world.tell(Input::Written(tag));
    }
    world.pass(15_000);
    let sent = world.all_sent_to(BANK);
    let numbers = |sent: &[Message]| -> Vec<String> {
        sent.iter().map(|m| m.get(field::RRN).unwrap().to_string()).collect()
    };
    assert_eq!(numbers(&sent), ["000000000001", "000000000003"]);
    world.tell(received(BANK, answer_to(&sent[0], "00")));
    assert_eq!(numbers(&world.all_sent_to(BANK)), ["000000000002"]);
}

#[test]
fn reversals_go_on_after_a_restart_as_repeats() {
    let (world, _) = reversing();
    let mut again = World::new(plan());
    again.recover(&world);
    again.tell(Input::LinkUp(BANK));
    let sign_on = again.sent_to(BANK);
    again.tell(received(BANK, answer_to(&sign_on, "00")));
    let sent = again.all_sent_to(BANK);
    assert_eq!(sent.iter().map(|m| m.mti().to_string()).collect::<Vec<_>>(), ["0421"]);
}

#[test]
fn a_full_journal_takes_no_new_payment_and_forgets_none() {
    let mut world = World::online();
    let (request, _) = world.payment();
    world.tell(Input::Full(true));
    world.tell(received(ATM, payment(8)));
    assert_eq!(code(&world.sent_to(ATM)), "91");
    world.tell(received(ATM, balance(9)));
    world.request();
    world.tell(received(BANK, answer_to(&request, "00")));
    assert_eq!(code(&world.sent_to(ATM)), "00", "what is under way is finished");
    world.tell(received(ATM, payment(7)));
    assert_eq!(code(&world.sent_to(ATM)), "00", "and still recognised");
    world.tell(Input::Full(false));
    world.tell(received(ATM, payment(8)));
    world.request();
}

#[test]
fn a_person_may_retry_park_and_resolve_and_is_named() {
    let (mut world, reversal) = reversing();
    let txn = world.journal.iter().find_map(|(_, record)| match record {
        Record::Reversal(reversal) => Some(reversal.txn),
        _ => None,
    });
    let decide = |world: &mut World, action| {
        let (operator, reason) = ("kari".to_owned(), "ticket 7".to_owned());
        let command = Command { txn: txn.unwrap(), operator, reason, action };
        world.tell(Input::Operator(command));
        let noted = |record: &Record| match record {
            Record::Notice(notice) => notice.actor == "kari",
            _ => false,
        };
        assert!(world.journal.iter().any(|(_, record)| noted(record)));
    };
    world.tell(received(BANK, answer_to(&reversal, "30")));
    world.take();
    decide(&mut world, Action::Retry);
    let again = world.sent_to(BANK);
    assert_eq!(again.mti().as_str(), "0421");
    decide(&mut world, Action::Park);
    world.pass(600_000);
    assert!(world.all_sent_to(BANK).iter().all(|m| m.has(field::NETWORK_CODE)));
    assert_eq!(world.switch.reversals_open(), 1);
    decide(&mut world, Action::Resolve);
    assert_eq!(world.switch.reversals_open(), 0);
    assert!(matches!(world.steps().last(), Some(ReversalStep::Resolved { .. })));
}

const HOUR: u64 = 3_600_000;

#[test]
fn a_reversal_nobody_confirms_is_tried_for_its_time_and_then_needs_a_person() {
    let mut world = World::online();
    world.payment();
    world.pass(15_000);
    world.tell(Input::LinkDown(BANK));
    world.pass(72 * HOUR - 1);
    assert_eq!(world.switch.reversals_parked(), 0);
    world.pass(1);
    assert_eq!((world.switch.reversals_parked(), world.switch.reversals_open()), (1, 1));
    assert_eq!(world.steps().last(), Some(&ReversalStep::Parked { response: None }));
    world.take();
    world.sign_on(BANK);
    world.pass(600_000);
    assert!(world.all_sent_to(BANK).iter().all(|m| m.has(field::NETWORK_CODE)));
    // Who takes it up again gives it the same time once more.
    let txn = veksel_core::TxnId(1);
    let (operator, reason) = ("kari".to_owned(), "the bank is back".to_owned());
    world.tell(Input::Operator(Command { txn, operator, reason, action: Action::Retry }));
    assert_eq!(world.sent_to(BANK).mti().as_str(), "0421");
    world.tell(Input::LinkDown(BANK));
    world.pass(72 * HOUR - 1);
    assert_eq!(world.switch.reversals_parked(), 0);
    world.pass(1);
    assert_eq!(world.switch.reversals_parked(), 1);
}

#[test]
fn a_restart_does_not_make_a_reversal_younger() {
    let (mut world, _) = reversing();
    world.pass(70 * HOUR);
    let mut again = World::new(plan());
    again.now = Now { tick: Tick(0), utc: world.now.utc };
    again.recover(&world);
    let age = again.switch.reversal_age(GroupId(0), again.now.tick);
    assert_eq!(age, 70 * HOUR * 1_000_000);
    again.pass(2 * HOUR - 1);
    assert_eq!(again.switch.reversals_parked(), 0);
    again.pass(1);
    assert_eq!(again.switch.reversals_parked(), 1);
}

/// A switch that was down for a week, or whose clock was wrong, asks before it gives up.
#[test]
fn a_start_gives_up_on_nothing_it_has_not_tried() {
    let (world, _) = reversing();
    let mut again = World::new(plan());
    again.now = Now { tick: Tick(0), utc: Utc(world.now.utc.0 + 168 * HOUR) };
    again.recover(&world);
    again.pass(1_000);
    assert_eq!(again.switch.reversals_parked(), 0);
    again.take();
    again.tell(Input::LinkUp(BANK));
    let sign_on = again.sent_to(BANK);
    again.tell(received(BANK, answer_to(&sign_on, "00")));
    assert_eq!(again.sent_to(BANK).mti().as_str(), "0421");
    again.pass(900_000);
    assert_eq!(again.switch.reversals_parked(), 1);
}

/// Who takes it up was told so; a restart does not undo it.
#[test]
fn what_a_person_took_up_again_is_tried_after_a_restart() {
    let (mut world, reversal) = reversing();
    world.tell(received(BANK, answer_to(&reversal, "30")));
    world.tell(Input::LinkDown(BANK));
    let (operator, reason) = ("kari".to_owned(), "ticket 8".to_owned());
    let txn = veksel_core::TxnId(1);
    world.tell(Input::Operator(Command { txn, operator, reason, action: Action::Retry }));
    let mut again = World::new(plan());
    again.recover(&world);
    assert_eq!((again.switch.reversals_parked(), again.switch.reversals_open()), (0, 1));
    again.tell(Input::LinkUp(BANK));
    let sign_on = again.sent_to(BANK);
    again.tell(received(BANK, answer_to(&sign_on, "00")));
    assert_eq!(again.sent_to(BANK).mti().as_str(), "0421");
}

#[test]
fn strange_reversals_leave_room_for_the_others() {
    let mut tight = plan();
    tight.limits.reversals_max = 16;
    let mut world = World::online_with(tight);
    for stan in 1..=5 {
        let original = format!("0200{stan:06}11011428070000050000100000000000");
        let mut message = naming("0420", stan + 100, &original);
        message.set(field::RRN, &format!("{stan:012}"));
        world.tell(received(ATM, message));
        let expected = if stan <= 4 { "00" } else { "91" };
        assert_eq!(code(&world.sent_to(ATM)), expected, "{stan}");
    }
    world.payment();
}

#[test]
fn what_is_taken_back_and_may_be_older_than_the_journal_is_for_a_person() {
    // 6 days and a second before the request, and a second less: a day less than is kept. Then
    // hours and days ahead, which clocks and time zones are, half a year away, and no date.
    for (transmission, parked) in [
        ("1114142806", 1),
        ("1114142808", 0),
        ("1121000000", 0),
        ("1123000000", 1),
        ("0601000000", 1),
        ("0000000000", 1),
    ] {
        let mut world = World::online();
        let original = format!("0200000007{transmission}0000050000100000000000");
        world.tell(received(ATM, naming("0420", 8, &original)));
        let answer = world.sent_to(ATM);
        assert_eq!((answer.mti().as_str(), code(&answer).as_str()), ("0430", "00"));
        assert_eq!(world.switch.reversals_parked(), parked, "{transmission}");
        assert_eq!(world.switch.reversals_open(), parked);
    }
}

#[test]
fn a_stand_in_approval_is_taken_over_and_what_completes_it_names_the_number_the_bank_knows() {
    let mut world = World::new(plan());
    world.tell(Input::LinkUp(ATM));
    let mut advice = purchase(7);
    advice.set_mti(Mti::parse("0120").unwrap());
    advice.set(field::APPROVAL, "STAND1");
    advice.set(field::CAPTURE_DATE, "1120");
    world.tell(received(ATM, advice.clone()));
    let answer = world.sent_to(ATM);
    assert_eq!((answer.mti().as_str(), code(&answer).as_str()), ("0130", "00"));
    world.tell(received(ATM, naming("0220", 8, "012000000711201428070000050000100000000000")));
    assert_eq!(code(&world.sent_to(ATM)), "00");
    world.tell(Input::LinkUp(BANK));
    let sign_on = world.sent_to(BANK);
    world.tell(received(BANK, answer_to(&sign_on, "00")));
    let told = world.sent_to(BANK);
    assert_eq!(told.mti().as_str(), "0120");
    assert_eq!(told.get(field::APPROVAL).unwrap().as_str(), "STAND1");
    assert_eq!(told.get(field::CAPTURE_DATE).unwrap().as_str(), "1120");
    assert!(!told.has(field::PIN_BLOCK));
    // The host is unwell, so it hears again; its second answer is final and the next may go.
    world.tell(received(BANK, answer_to(&told, "96")));
    world.pass(5_000);
    let again = world.sent_to(BANK);
    assert_eq!((again.mti().as_str(), again.get(field::STAN)), ("0121", told.get(field::STAN)));
    world.tell(received(BANK, answer_to(&again, "00")));
    let completion = world.sent_to(BANK);
    assert_eq!(completion.mti().as_str(), "0220");
    let stan = told.get(field::STAN).unwrap();
    let original = format!("0120{stan:06}11201428070000050000100000000000");
    assert_eq!(completion.get(field::ORIGINAL_DATA).unwrap().as_str(), original);
}

/// Totals of 20 November.
fn totals(stan: u64) -> Message {
    let mut message = Message::of(Mti::parse("0520").unwrap());
    message.set(field::TRANSMISSION, "1120230000");
    message.set(field::STAN, stan);
    message.set(field::SETTLEMENT_DATE, "1120");
    message.set(field::ACQUIRER, "500001");
    message.set(field::RRN, "632523000125");
    for (number, value) in TOTALS {
        message.set_text(veksel_codecs::FieldNumber::new(number).unwrap(), value);
    }
    message
}

const TOTALS: [(u8, &str); 13] = [
    (74, "0000000002"),
    (75, "0000000000"),
    (76, "0000000017"),
    (77, "0000000001"),
    (78, "0000000003"),
    (79, "0000000000"),
    (80, "0000000040"),
    (81, "0000000001"),
    (86, "0000000000011000"),
    (87, "0000000000000000"),
    (88, "0000000000402500"),
    (89, "0000000000012500"),
    (97, "D0000000000379000"),
];

fn value(message: &Message, number: u8) -> Option<String> {
    let number = veksel_codecs::FieldNumber::new(number).unwrap();
    Some(message.expose(number)?.text()?.to_string())
}

/// With a route that asks for nothing: totals have no account.
fn open_plan() -> Plan {
    let mut plan = plan();
    plan.routes[0].account_prefixes.clear();
    plan
}

#[test]
fn totals_are_taken_over_and_told_until_the_host_has_answered() {
    let mut world = World::new(open_plan());
    world.tell(Input::LinkUp(ATM));
    world.tell(received(ATM, totals(7)));
    let outputs = world.take();
    let recorded = outputs.iter().rev().find_map(|output| match output {
        Output::Persist { id, record: Record::Outcome(_) } => Some(*id),
        _ => None,
    });
    let Some(Output::Send { after, message: answer, .. }) =
        outputs.into_iter().find(|output| matches!(output, Output::Send { .. }))
    else {
        panic!("an answer");
    };
    assert!(recorded.is_some() && after == recorded, "taken over before it is said");
    assert_eq!((answer.mti().as_str(), code(&answer).as_str()), ("0530", "00"));
    assert_eq!(value(&answer, 15).as_deref(), Some("1120"));
    // Whether they agree is for the host to say.
    assert_eq!((value(&answer, 66), value(&answer, 74)), (None, None));

    // A restart loses nothing of it.
    let mut after = World::new(open_plan());
    after.recover(&world);
    after.journal = world.journal;
    after.sign_on_and_keep(BANK);
    let told = after.sent_to(BANK);
    assert_eq!(told.mti().as_str(), "0520");
    for (number, expected) in TOTALS {
        assert_eq!(value(&told, number).as_deref(), Some(expected), "field {number}");
    }
    assert_eq!(value(&told, 15).as_deref(), Some("1120"));
    for absent in [3, 4, 39, 49, 66] {
        assert_eq!(value(&told, absent), None, "field {absent}");
    }
    after.pass(15_000);
    after.pass(5_000);
    let again = after.sent_to(BANK);
    assert_eq!((again.mti().as_str(), value(&again, 97)), ("0521", value(&told, 97)));
    after.tell(received(BANK, answer_to(&again, "00")));
    assert_eq!(after.switch.reversals_open(), 0);
    assert!(!after.take().iter().any(|o| matches!(o, Output::Count(Event::OutOfBalance { .. }))));
}

#[test]
fn a_host_with_other_totals_has_heard_them_and_somebody_is_told_what_it_has() {
    for (response, settlement) in [("95", None), ("95", Some("2")), ("00", Some("2"))] {
        let mut world = World::online_with(open_plan());
        world.tell(received(ATM, totals(7)));
        let sent = world.all_sent_to(BANK);
        let mut answer = answer_to(&sent[0], response);
        let number = |number| veksel_codecs::FieldNumber::new(number).unwrap();
        answer.set_text(number(76), "0000000018");
        if let Some(settlement) = settlement {
            answer.set_text(number(66), settlement);
        }
        world.tell(received(BANK, answer));
        let outputs = world.take();
        let is_alarm = |output: &&Output| {
            matches!(output, Output::Count(Event::OutOfBalance { group: GroupId(0) }))
        };
        assert_eq!(outputs.iter().filter(is_alarm).count(), 1);
        assert_eq!((world.switch.reversals_open(), world.switch.reversals_parked()), (0, 0));
        let response = ResponseCode::parse(response).unwrap();
        assert_eq!(world.steps().last(), Some(&ReversalStep::Settled { response }));
        let notice = world.journal.iter().find_map(|(_, record)| match record {
            Record::Notice(notice) => Some(notice.clone()),
            _ => None,
        });
        let notice = notice.unwrap();
        assert_eq!(notice.action, "reconcile");
        assert!(notice.detail.contains(" 76=0000000018 "), "{}", notice.detail);
    }
}

#[test]
fn totals_told_twice_are_one_advice_and_other_totals_are_a_clash() {
    let mut world = World::online_with(open_plan());
    world.tell(received(ATM, totals(7)));
    assert_eq!(world.all_sent_to(BANK).len(), 1);
    let mut repeat = totals(7);
    repeat.set_mti(Mti::parse("0521").unwrap());
    world.tell(received(ATM, repeat));
    let outputs = world.take();
    let sent = outputs.into_iter().filter_map(|output| match output {
        Output::Send { connection, message, .. } => Some((connection, code(&message))),
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), [(ATM, "00".to_owned())]);
    let mut other = totals(7);
    other.set_text(veksel_codecs::FieldNumber::new(88).unwrap(), "0000000000402501");
    world.tell(received(ATM, other));
    assert_eq!(code(&world.sent_to(ATM)), "94");
}

#[test]
fn totals_need_a_route_that_asks_for_no_account_and_their_request_is_not_supported() {
    let mut world = World::online();
    world.tell(received(ATM, totals(7)));
    assert_eq!(code(&world.sent_to(ATM)), "92");
    let mut request = totals(8);
    request.set_mti(Mti::parse("0500").unwrap());
    world.tell(received(ATM, request));
    assert_eq!(code(&world.sent_to(ATM)), "40");
    assert!(world.journal.is_empty());
}

#[test]
fn totals_wait_for_every_older_advice_but_not_for_one_that_is_parked() {
    for last in ["00", "14"] {
        let mut world = World::new(open_plan());
        world.tell(Input::LinkUp(ATM));
        for stan in [6, 7] {
            let mut advice = purchase(stan);
            advice.set_mti(Mti::parse("0220").unwrap());
            advice.set(field::ACCOUNT, if stan == 6 { "10000000001" } else { "10000000002" });
            world.tell(received(ATM, advice));
        }
        world.tell(received(ATM, totals(8)));
        world.take();
        world.sign_on_and_keep(BANK);
        let advices = world.all_sent_to(BANK);
        let types: Vec<_> = advices.iter().map(|message| message.mti().to_string()).collect();
        assert_eq!(types, ["0220", "0220"]);
        world.tell(received(BANK, answer_to(&advices[0], "00")));
        world.pass(4_999);
        assert!(world.all_sent_to(BANK).is_empty());
        world.pass(1);
        assert!(world.all_sent_to(BANK).is_empty());
        assert!(world.switch.poll_timeout().unwrap() > world.now.tick, "it does not spin");
        world.tell(received(BANK, answer_to(&advices[1], last)));
        world.pass(5_000);
        assert_eq!(world.sent_to(BANK).mti().as_str(), "0520");
    }
}
