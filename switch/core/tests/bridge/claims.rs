//! Who asks for an account keeps nobody else out: only a consent that was agreed to does.

use crate::world::{ACCOUNT, ATM, START, World, link, linked, plan, received, request};
use veksel_core::Input;
use veksel_core::enquiry::{Ask, Call, ConsentState, Enquiry, Failed, Moved, Told, Verdict};
use veksel_core::fact::{ConsentStatus, Fact, Linked};
use veksel_core::{Output, Record, Utc};

/// A customer asks for the account, and the bank names a page: the state of the redirect.
fn claim(world: &mut World, customer: &str) -> [u8; 16] {
    world.call(link(customer));
    let ask = world.asked();
    let Enquiry::Consent { state, .. } = &ask.enquiry else { panic!("{ask:?}") };
    let approve = Some(format!("https://bank.example/{customer}"));
    let consent = format!("consent-of-{customer}");
    world.verdict(&ask, Verdict::ConsentAsked { consent, approve });
    let Told::Linked { linked, .. } = world.told() else { panic!("linked") };
    assert_eq!((&*linked.account, &*linked.customer), (ACCOUNT, customer));
    assert_eq!(linked.status, ConsentStatus::Waiting);
    *state
}

/// The customer comes back from the bank, which says how the consent stands.
fn back(world: &mut World, state: [u8; 16], verdict: Verdict) {
    world.call(Call::Moved(Moved::State(state)));
    assert!(matches!(world.told(), Told::Linked { .. }));
    let ask = world.pass_until_asked(1).expect("it is asked about");
    assert!(matches!(ask.enquiry, Enquiry::ConsentStatus(_)), "{ask:?}");
    world.verdict(&ask, verdict);
}

fn agreed() -> Verdict {
    let until = Some(Utc(START.0 + 1_000_000));
    Verdict::Consent { state: ConsentState::Valid, resource: "r-1".into(), until }
}

fn refused() -> Verdict {
    Verdict::Consent { state: ConsentState::Gone, resource: String::new(), until: None }
}

fn owner(world: &mut World) -> Option<(String, ConsentStatus)> {
    world.call(Call::Linked { account: ACCOUNT.into() });
    match world.told() {
        Told::Linked { linked, .. } => Some((linked.customer.clone(), linked.status)),
        _ => None,
    }
}

/// Consents that are given back.
fn given_back(world: &mut World) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(ask) = world.asked_maybe() {
        match &ask.enquiry {
            Enquiry::Revoke(account) => found.push(account.consent.clone()),
            other => panic!("{other:?}"),
        }
    }
    found.sort();
    found
}

/// Under which consent the bank is asked for a balance.
fn balance(world: &mut World) -> Box<Ask> {
    world.tell(received(request("310000", 7, 0)));
    world.asked()
}

fn bare() -> World {
    let mut world = World::bare(plan());
    world.begin();
    world
}

#[test]
fn a_waiting_link_blocks_nobody_and_the_first_that_is_agreed_has_the_account() {
    for winner in ["c-1", "c-2", "c-3"] {
        for restarts in [false, true] {
            let mut world = bare();
            let states =
                ["c-1", "c-2", "c-3"].map(|customer| (customer, claim(&mut world, customer)));
            if restarts {
                world.restart();
                world.tell(Input::LinkUp(ATM));
                world.seen.clear();
            }
            assert_eq!(owner(&mut world), Some(("c-1".into(), ConsentStatus::Waiting)));
            let state = states.iter().find(|(customer, _)| *customer == winner).unwrap().1;
            if restarts {
                // Everything that waits is asked about at once.
                world.pass(1);
                let ask = loop {
                    let ask = world.asked_maybe().expect("each of them is asked about");
                    let Enquiry::ConsentStatus(account) = &ask.enquiry else { panic!("{ask:?}") };
                    if account.customer == winner {
                        break ask;
                    }
                };
                world.seen.clear();
                world.verdict(&ask, agreed());
            } else {
                back(&mut world, state, agreed());
            }
            assert_eq!(owner(&mut world), Some((winner.into(), ConsentStatus::Valid)));
            let mut others = vec!["c-1", "c-2", "c-3"];
            others.retain(|customer| *customer != winner);
            let others: Vec<_> = others.iter().map(|who| format!("consent-of-{who}")).collect();
            assert_eq!(given_back(&mut world), others, "{winner}");
            let ask = balance(&mut world);
            assert!(
                matches!(&ask.enquiry, Enquiry::Balances { account, .. }
                    if account.customer == winner && account.resource == "r-1"),
                "{ask:?}"
            );
            // Nobody else gets it now, by old wishes or new ones.
            world.call(link("c-9"));
            assert!(matches!(world.told(), Told::Failed(why) if why.why == Failed::Duplicate));
            for (customer, state) in states {
                if customer != winner {
                    world.call(Call::Moved(Moved::State(state)));
                    assert_eq!(world.told(), Told::Unknown);
                }
            }
            world.restart();
            assert_eq!(owner(&mut world), Some((winner.into(), ConsentStatus::Valid)));
        }
    }
}

#[test]
fn a_claim_that_comes_to_nothing_changes_nothing_for_the_other() {
    let mut world = bare();
    let first = claim(&mut world, "c-1");
    let second = claim(&mut world, "c-2");
    back(&mut world, second, refused());
    world.call(Call::Moved(Moved::State(second)));
    assert_eq!(world.told(), Told::Unknown, "nothing is left of it");
    assert_eq!(owner(&mut world), Some(("c-1".into(), ConsentStatus::Waiting)));
    back(&mut world, first, agreed());
    assert_eq!(owner(&mut world), Some(("c-1".into(), ConsentStatus::Valid)));
    assert!(given_back(&mut world).is_empty());
}

#[test]
fn two_claims_that_are_agreed_at_once_are_one_link() {
    let mut world = bare();
    let first = claim(&mut world, "c-1");
    let second = claim(&mut world, "c-2");
    for state in [first, second] {
        world.call(Call::Moved(Moved::State(state)));
        assert!(matches!(world.told(), Told::Linked { .. }));
    }
    world.pass(1);
    let asks: Vec<_> = core::iter::from_fn(|| world.asked_maybe()).collect();
    assert_eq!(asks.len(), 2);
    for ask in asks.iter().rev() {
        world.verdict(ask, agreed());
    }
    let (customer, status) = owner(&mut world).unwrap();
    assert_eq!(status, ConsentStatus::Valid);
    let other = if customer == "c-1" { "consent-of-c-2" } else { "consent-of-c-1" };
    assert_eq!(given_back(&mut world), [other]);
}

#[test]
fn a_link_that_is_over_is_taken_by_whom_the_bank_agrees_to_and_not_by_who_asks() {
    let mut world = World::bare(plan());
    world.know(Fact::Linked(Linked { status: ConsentStatus::Expired, ..linked() }));
    world.begin();
    let state = claim(&mut world, "c-2");
    assert_eq!(owner(&mut world), Some(("c-1".into(), ConsentStatus::Expired)));
    // Who had it may renew it meanwhile, and nobody else is let in between then.
    let renewal = claim(&mut world, "c-1");
    world.call(link("c-3"));
    assert!(matches!(world.told(), Told::Failed(why) if why.why == Failed::Duplicate));
    back(&mut world, state, agreed());
    assert_eq!(given_back(&mut world), ["consent-of-c-2"]);
    back(&mut world, renewal, agreed());
    assert_eq!(owner(&mut world), Some(("c-1".into(), ConsentStatus::Valid)));
}

#[test]
fn claims_on_one_account_are_few_and_one_for_each_customer() {
    let mut world = bare();
    claim(&mut world, "c-0");
    for number in 1..=8 {
        claim(&mut world, &format!("c-{number}"));
    }
    world.call(link("c-9"));
    assert!(matches!(world.told(), Told::Failed(why) if why.why == Failed::Duplicate));
    assert!(world.asked_maybe().is_none());
    // The same once more takes the place of the first.
    world.call(link("c-8"));
    let revoke = world.asked_maybe().expect("the consent before is given back");
    assert!(
        matches!(&revoke.enquiry, Enquiry::Revoke(account) if account.consent == "consent-of-c-8")
    );
    assert!(matches!(world.asked().enquiry, Enquiry::Consent { .. }));
    // Whoever names nobody gives up what the account has, one after the other.
    let mut back = Vec::new();
    for _ in 0..=8 {
        world.call(Call::Unlink { account: ACCOUNT.into(), customer: None });
        assert_eq!(world.told(), Told::Noted);
        back.extend(given_back(&mut world));
    }
    assert_eq!(back.len(), 8, "one has no consent yet");
    assert_eq!(owner(&mut world), None);
    world.call(Call::Unlink { account: ACCOUNT.into(), customer: None });
    assert_eq!(world.told(), Told::Unknown);
    let claims = world.journal.iter().filter(|(_, record)| match record {
        Record::Fact(known) => matches!(&known.fact, Fact::Linked(link) if link.is_claim()),
        _ => false,
    });
    assert!(claims.count() > 0);
    world.restart();
    assert!(world.pass_until_asked(60_000).is_none(), "nothing waits any more");
}

#[test]
fn the_name_of_a_claim_is_no_account() {
    let mut world = bare();
    claim(&mut world, "c-1");
    claim(&mut world, "c-2");
    let account = Linked::claim(ACCOUNT, "c-2");
    world.call(Call::Link {
        account,
        bank: "dnb".into(),
        iban: ACCOUNT.into(),
        currency: 578,
        customer: "c-3".into(),
    });
    assert_eq!(world.told(), Told::Unknown);
    assert!(world.asked_maybe().is_none());
}

/// A claim is told by the number of its account, and a list goes on behind it.
#[test]
fn an_account_that_is_only_asked_for_is_listed_once_and_by_its_number() {
    let mut world = bare();
    claim(&mut world, "c-1");
    claim(&mut world, "c-2");
    let mut listed = |after: &str| {
        let (customer, after) = ("c-2".to_owned(), after.to_owned());
        world.call(Call::Accounts { customer, after });
        let Told::Accounts { accounts, .. } = world.told() else { panic!("accounts") };
        let numbers = accounts.into_iter().map(|(linked, _)| linked.account);
        numbers.collect::<Vec<_>>()
    };
    assert_eq!(listed(""), [ACCOUNT]);
    assert_eq!(listed(ACCOUNT), [""; 0]);
    assert_eq!(listed("A"), [ACCOUNT]);
}

/// Whoever says whose account is meant gives up that one, and no one else's.
#[test]
fn who_gives_up_says_whose_and_another_keeps_the_account() {
    let mut world = bare();
    claim(&mut world, "c-1");
    claim(&mut world, "c-2");
    let give_up = |world: &mut World, customer: &str| {
        world.call(Call::Unlink { account: ACCOUNT.into(), customer: Some(customer.into()) });
        world.told()
    };
    assert_eq!(give_up(&mut world, "c-3"), Told::Unknown);
    assert_eq!(give_up(&mut world, "c-2"), Told::Noted);
    assert_eq!(given_back(&mut world), ["consent-of-c-2"]);
    assert_eq!(owner(&mut world), Some(("c-1".into(), ConsentStatus::Waiting)));
    assert_eq!(give_up(&mut world, "c-2"), Told::Unknown);
    assert_eq!(give_up(&mut world, "c-1"), Told::Noted);
    assert_eq!(owner(&mut world), None);
}

/// Whoever gives up what nobody has agreed to ends no wish but that one.
#[test]
fn who_gives_up_leaves_what_others_ask_for() {
    for customer in [None, Some("c-1".to_owned())] {
        let mut world = bare();
        claim(&mut world, "c-1");
        let second = claim(&mut world, "c-2");
        claim(&mut world, "c-3");
        world.call(Call::Unlink { account: ACCOUNT.into(), customer });
        assert_eq!(world.told(), Told::Noted);
        assert_eq!(given_back(&mut world), ["consent-of-c-1"]);
        assert_eq!(owner(&mut world), Some(("c-2".into(), ConsentStatus::Waiting)));
        // Who asks again has one wish and not two.
        world.call(link("c-3"));
        let before = world.asked_maybe().expect("the consent before is given back");
        assert!(matches!(&before.enquiry, Enquiry::Revoke(of) if of.consent == "consent-of-c-3"));
        assert!(matches!(world.asked().enquiry, Enquiry::Consent { .. }));
        back(&mut world, second, agreed());
        assert_eq!(owner(&mut world), Some(("c-2".into(), ConsentStatus::Valid)));
        assert!(given_back(&mut world).is_empty(), "the other has no consent yet");
        assert_eq!(account_of(&mut world, "c-3"), None);
        assert!(matches!(
            balance(&mut world).enquiry,
            Enquiry::Balances { account, .. } if account.consent == "consent-of-c-2"
        ));
    }
}

/// How the account of a customer stands.
fn account_of(world: &mut World, customer: &str) -> Option<ConsentStatus> {
    world.call(Call::Accounts { customer: customer.into(), after: String::new() });
    let Told::Accounts { accounts, .. } = world.told() else { panic!("accounts") };
    assert!(accounts.len() <= 1, "{accounts:?}");
    accounts.first().map(|(linked, _)| linked.status)
}

/// A journal may end behind any record: whoever the bank has agreed to has the account in the end,
/// nobody else has, and the own consent was not given back.
#[test]
fn a_grant_that_is_cut_short_leaves_one_owner() {
    const ALL: [&str; 3] = ["c-1", "c-2", "c-3"];
    for winner in ALL {
        for cut in 0.. {
            let mut world = bare();
            let states = ALL.map(|customer| (customer, claim(&mut world, customer)));
            let state = states.iter().find(|(customer, _)| *customer == winner).unwrap().1;
            let begun = world.journal.len();
            back(&mut world, state, agreed());
            if begun + cut > world.journal.len() {
                assert!(cut > 3, "a link, and the ends of two others");
                break;
            }
            world.journal.truncate(begun + cut);
            let durable = world.journal.last().unwrap().0;
            // What waited for no record that is gone may have reached the bank.
            let mut gone: Vec<String> = Vec::new();
            for output in &world.seen {
                if let Output::Ask { after, ask } = output
                    && let Enquiry::Revoke(account) = &ask.enquiry
                    && after.is_none_or(|after| after <= durable)
                {
                    gone.push(account.consent.clone());
                }
            }
            world.restart();
            world.tell(Input::LinkUp(ATM));
            let valid = |world: &mut World| {
                let is_valid =
                    |customer: &&str| account_of(world, customer) == Some(ConsentStatus::Valid);
                ALL.iter().copied().filter(is_valid).collect::<Vec<_>>()
            };
            assert!(valid(&mut world).len() <= 1, "{winner} {cut}");
            while let Some(ask) = world.pass_until_asked(130_000) {
                match &ask.enquiry {
                    Enquiry::Revoke(account) => gone.push(account.consent.clone()),
                    Enquiry::ConsentStatus(account) if gone.contains(&account.consent) => {
                        world.verdict(&ask, refused());
                    }
                    Enquiry::ConsentStatus(account) if account.customer == winner => {
                        world.verdict(&ask, agreed());
                    }
                    Enquiry::ConsentStatus(_) => {
                        let (state, resource) = (ConsentState::Waiting, String::new());
                        world.verdict(&ask, Verdict::Consent { state, resource, until: None });
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(valid(&mut world), [winner], "{cut}");
            let consent = format!("consent-of-{winner}");
            assert!(!gone.contains(&consent), "{winner} {cut}: {gone:?}");
            for other in ALL.iter().filter(|other| **other != winner) {
                assert_eq!(account_of(&mut world, other), None, "{winner} {cut}");
            }
            // A redirect finds the link that the claim has become.
            world.call(Call::Moved(Moved::State(state)));
            assert!(matches!(world.told(), Told::Linked { .. }), "{winner} {cut}");
        }
    }
}
