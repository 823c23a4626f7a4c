//! From events to the page: each figure moves by what it is about and by nothing else, and no
//! event can make a label that is not from the plan or from a closed set.

use super::*;
use crate::alert::Approvals;
use veksel_config::{BRIDGE_EXAMPLE, Source, load_switch};
use veksel_core::enquiry::{Addressee, Failed};
use veksel_core::fact::{Case, ConsentStatus, KycStatus, PaymentState};
use veksel_core::record::{Reason, Verdict};
use veksel_core::{BankId, Kind, TxnId};

fn observer() -> Observer {
    let source = Source::text("test", BRIDGE_EXAMPLE).known_dialects(&["cbs-ascii-bin"]);
    let config = load_switch(source).unwrap_or_else(|wrong| panic!("{wrong}"));
    let alerts = Alerts::new(&config.alert);
    let approvals = Approvals::new(config.alert.approval_window_ms);
    let around = (alerts, approvals, Spans::default());
    Observer::new(Metrics::new().unwrap(), &config.plan, around)
}

/// The value of a series, as the page shows it.
fn value(observer: &Observer, series: &str) -> Option<String> {
    observer.flush();
    let page = observer.metrics.page().unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(str::to_owned)
}

#[test]
fn a_payment_that_failed_is_counted_and_one_that_did_not_is_not() {
    let mut observer = observer();
    for state in PaymentState::ALL {
        observer.event(Event::Payment { bank: BankId(0), state: *state });
    }
    // Refused, and not approved in time.
    assert_eq!(value(&observer, "pisp_payment_failures_total").as_deref(), Some("2"));
    let bank = observer.banks[0].clone();
    let series = format!("veksel_payments_total{{bank=\"{bank}\",state=\"settled\"}}");
    assert_eq!(value(&observer, &series).as_deref(), Some("1"));
}

#[test]
fn decisions_of_identity_checks_make_the_part_that_is_approved() {
    let mut observer = observer();
    for status in KycStatus::ALL {
        observer.event(Event::Checked { status: *status });
    }
    let now = observer.alerts.now_ms();
    assert_eq!(observer.approvals.count(now), (1, 4), "of four that decide, one approves");
}

#[test]
fn no_event_opens_a_label_set() {
    let mut observer = observer();
    let mut codes = Vec::new();
    for first in b"0123456789ABCXYZ" {
        for second in b"0123456789ABCXYZ" {
            codes.extend(ResponseCode::parse(&String::from_utf8_lossy(&[*first, *second])));
        }
    }
    assert!(codes.len() > 200, "{}", codes.len());
    for response in codes {
        for kind in Kind::ALL {
            observer.event(Event::Answered {
                link: LinkId(0),
                kind,
                group: None,
                response,
                verdict: Verdict::Answered,
                reason: Reason::Host,
                elapsed: 1,
            });
        }
        observer.event(Event::Refused { link: LinkId(0), response, fault: None });
        observer.event(Event::ReversalSettled { group: GroupId(0), response });
        observer.event(Event::ReversalParked { group: GroupId(0), why: Parking::Answer(response) });
        observer.event(Event::Declined { bank: BankId(0), response });
    }
    // Parts that no plan has are one series.
    for number in 0..1_000 {
        let (link, group) = (LinkId(9_000 + number), GroupId(9_000 + number));
        observer.event(Event::Clash { link });
        observer.event(Event::ReversalQueued { group, is_taken_over: false });
        observer.event(Event::Asked {
            to: Addressee::Bank(BankId(9_000 + number)),
            failed: Some(Failed::Late),
        });
        observer.event(Event::Case { txn: TxnId(number.into()), case: Case::Unresolved });
        observer
            .event(Event::Consent { bank: BankId(9_000 + number), status: ConsentStatus::Valid });
    }
    for route in 0..1_000 {
        observer.event(Event::Routed { link: LinkId(0), route });
    }
    observer.flush();
    let families = observer.metrics.registry.gather();
    let most = families.iter().map(|family| (family.get_metric().len(), family.name()));
    let (most, name) = most.max().unwrap();
    // Kinds by codes of the table.
    let known = observer.metrics.page().unwrap();
    let codes = known.lines().filter(|line| line.starts_with("veksel_refusals_total{"));
    assert!(most <= Kind::ALL.len() * codes.count(), "{most} series of {name}");
    for series in [
        "veksel_key_clashes_total{link=\"?\"}",
        "veksel_reversals_queued_total{group=\"?\"}",
        "veksel_enquiries_total{outcome=\"late\",to=\"?\"}",
        "veksel_consents_total{bank=\"?\",status=\"valid\"}",
        "veksel_payment_cases_total{case=\"unresolved\"}",
    ] {
        assert_eq!(value(&observer, series).as_deref(), Some("1000"), "{series}");
    }
    for name in ["linked", "everything"] {
        let series = format!("veksel_routed_total{{route=\"{name}\"}}");
        assert_eq!(value(&observer, &series).as_deref(), Some("1"), "{series}");
    }
}

#[test]
fn the_names_of_the_document_are_on_the_page_from_the_start() {
    let observer = observer();
    for (name, value_there) in [
        ("bankid_login_errors_total", "0"),
        ("bankid_underage_rejections_total", "0"),
        ("pisp_payment_failures_total", "0"),
        ("pisp_circuit_open", "0"),
        ("sumsub_webhook_failures_total", "0"),
        ("aisp_balance_staleness_hours", "0"),
        ("kyc_approval_rate", "0"),
    ] {
        assert_eq!(value(&observer, name).as_deref(), Some(value_there), "{name}");
    }
}

/// A counter that appears with its first count has not grown, for Prometheus.
#[test]
fn what_a_rule_raises_at_the_first_count_is_on_the_page_from_the_start() {
    let mut observer = observer();
    let rules = include_str!("../../../../deploy/prometheus/alerts.yml");
    let names: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: increase(")?.split_once('['))
        .filter(|(_, rest)| rest.ends_with("> 0"))
        .map(|(name, _)| name)
        .collect();
    assert!(names.len() > 5, "{names:?}");
    let counted = |observer: &Observer, name: &str| {
        observer.flush();
        let page = observer.metrics.page().unwrap();
        page.lines().filter(|line| line.starts_with(name)).count()
    };
    for name in &names {
        assert!(counted(&observer, name) > 0, "{name}");
    }
    // Also of what a reload brings.
    let name = "veksel_key_clashes_total{";
    let before = counted(&observer, name);
    let source = Source::text("test", BRIDGE_EXAMPLE).known_dialects(&["cbs-ascii-bin"]);
    let mut plan = load_switch(source).unwrap_or_else(|wrong| panic!("{wrong}")).plan;
    let mut link = plan.links[0].clone();
    link.name = "one more".to_owned();
    plan.links.push(link);
    observer.replan(&plan);
    assert_eq!(counted(&observer, name), before + 1);
}
