//! The thresholds, each at its limit and one beyond it.

use super::*;

const SECOND: u64 = 1_000;

fn rules(config: &AlertConfig) -> Rules {
    Rules::new(config, 0, &Readings::default())
}

fn told(alerts: &[Alert]) -> Vec<(Severity, &str)> {
    alerts.iter().map(|alert| (alert.severity, alert.title.as_str())).collect()
}

#[test]
fn more_than_five_errors_in_a_minute_are_a_spike() {
    let mut rules = rules(&AlertConfig::default());
    let mut at = |seconds: u64, errors| {
        rules.judge(seconds * SECOND, 0, &Readings { errors, ..Readings::default() })
    };
    assert_eq!(at(10, 5), []);
    assert_eq!(at(69, 5), []);
    // The first five are more than a minute ago.
    assert_eq!(at(71, 9), []);
    let spike = at(72, 13);
    assert_eq!(told(&spike), [(Severity::Critical, "Error spike detected")]);
    assert_eq!(spike[0].message, "8 errors in the last 60 seconds");
    assert_eq!(at(73, 20), [], "one spike is told once");
    assert_eq!(at(200, 20), []);
    assert_eq!(at(201, 25), []);
    assert_eq!(told(&at(202, 26)).len(), 1, "and the next one again");
}

#[test]
fn a_spike_that_lasts_is_told_again_after_the_cooldown() {
    let mut rules = rules(&AlertConfig::default());
    let mut count = 0;
    for second in 0..1_300 {
        let readings = Readings { errors: second, ..Readings::default() };
        count += rules.judge(second * SECOND, 0, &readings).len();
    }
    assert_eq!(count, 3, "at 6 s, 606 s and 1206 s");
}

/// Each of the seven figures of S1 7.1 and the conditions of 7.3, with what is just not over a
/// threshold and what is.
#[test]
fn every_threshold_of_the_document_has_its_severity() {
    let hours = |hours: u64| hours * HOUR_MS;
    let none = Readings::default;
    let open = |is_pisp| vec![Open { name: "fjord payments".to_owned(), is_pisp }];
    let cases = [
        (
            Readings { login_errors: 10, ..none() },
            Readings { login_errors: 11, ..none() },
            (Severity::High, "Log-in errors"),
        ),
        (
            Readings { underage: 5, ..none() },
            Readings { underage: 6, ..none() },
            (Severity::Medium, "Underage rejections"),
        ),
        (
            Readings { payment_failures: 5, ..none() },
            Readings { payment_failures: 6, ..none() },
            (Severity::Critical, "Payment failures"),
        ),
        (
            Readings { open: open(false), ..none() },
            Readings { open: open(true), ..none() },
            (Severity::Critical, "PISP circuit breaker open"),
        ),
        (none(), Readings { webhook_failures: 1, ..none() }, (Severity::High, "Webhook failures")),
        (
            Readings { staleness_ms: hours(12), ..none() },
            Readings { staleness_ms: hours(12) + 1, ..none() },
            (Severity::Medium, "Balances are stale"),
        ),
        (
            Readings { approved: 7, decided: 10, ..none() },
            Readings { approved: 69, decided: 100, ..none() },
            (Severity::High, "Few identity checks are approved"),
        ),
    ];
    for (fine, wrong, expected) in cases {
        let mut rules = rules(&AlertConfig::default());
        assert_eq!(rules.judge(SECOND, 0, &fine), [], "{fine:?}");
        assert_eq!(told(&rules.judge(2 * SECOND, 0, &wrong)), [expected], "{wrong:?}");
        assert_eq!(rules.judge(3 * SECOND, 0, &wrong), [], "{wrong:?}");
    }
}

#[test]
fn a_breaker_may_be_open_for_five_minutes() {
    let mut rules = rules(&AlertConfig::default());
    let open = Open { name: "cbs".to_owned(), is_pisp: false };
    let readings = Readings { open: vec![open], ..Readings::default() };
    assert_eq!(rules.judge(SECOND, 0, &readings), []);
    assert_eq!(rules.judge(301 * SECOND, 0, &readings), []);
    let alerts = rules.judge(302 * SECOND, 0, &readings);
    assert_eq!(told(&alerts), [(Severity::High, "Circuit breaker open: cbs")]);
    assert_eq!(rules.judge(303 * SECOND, 0, &readings), []);
    // Once an hour as long as it lasts.
    assert_eq!(rules.judge(3_902 * SECOND, 0, &readings).len(), 1);
    // Closed for a moment it has all its time again.
    assert_eq!(rules.judge(3_903 * SECOND, 0, &Readings::default()), []);
    assert_eq!(rules.judge(3_904 * SECOND, 0, &readings), []);
    assert_eq!(rules.judge(4_204 * SECOND, 0, &readings), []);
    assert_eq!(rules.judge(4_205 * SECOND, 0, &readings).len(), 1);
}

#[test]
fn a_bank_may_say_nothing_of_a_payment_for_five_minutes_and_has_one_more_after_a_start() {
    let mut rules = rules(&AlertConfig::default());
    let mut at = |seconds: u64, lag: u64| {
        let readings = Readings { lag_ms: lag * SECOND, ..Readings::default() };
        rules.judge(seconds * SECOND, 0, &readings)
    };
    assert_eq!(at(1, 300), []);
    // One that was received an hour before the start; its bank answers half a minute after it.
    assert_eq!(at(2, 3_600), []);
    assert_eq!(at(61, 3_659), []);
    assert_eq!(at(62, 0), []);
    assert_eq!(at(100, 301), []);
    assert_eq!(at(159, 360), []);
    let alerts = at(160, 361);
    assert_eq!(told(&alerts), [(Severity::High, "Payment status lags")]);
    let said = "its bank has not said for 6 minutes how a payment stands that is not decided";
    assert_eq!(alerts[0].message, said);
    assert_eq!(at(161, 362), []);
    // Once an hour as long as it lasts, and again when the next one lags.
    assert_eq!(at(3_759, 3_960), []);
    assert_eq!(at(3_760, 3_961).len(), 1);
    assert_eq!(at(3_761, 10), []);
    assert_eq!(at(4_000, 301), []);
    assert_eq!(at(4_060, 361).len(), 1);
}

#[test]
fn certificates_are_told_of_30_7_and_1_days_before_their_end() {
    let mut rules = rules(&AlertConfig::default());
    let mut left = |days: i64, less: i64| {
        let end = 1_000 * DAY_S;
        let certificates = vec![("fjord qwac".to_owned(), end)];
        let readings = Readings { certificates, ..Readings::default() };
        let alerts = rules.judge(0, end - days * DAY_S + less, &readings);
        alerts.into_iter().map(|alert| (alert.severity, alert.message)).collect::<Vec<_>>()
    };
    assert_eq!(left(30, -1), []);
    assert_eq!(left(30, 0), [(Severity::Medium, "it ends in 30 days".to_owned())]);
    assert_eq!(left(29, 0), []);
    assert_eq!(left(7, 0), [(Severity::High, "it ends in 7 days".to_owned())]);
    assert_eq!(left(1, 0), [(Severity::Critical, "it ends within a day".to_owned())]);
    assert_eq!(left(1, 1), []);
    assert_eq!(left(0, 0), [(Severity::Critical, "it has ended".to_owned())]);
    // A new one in its place is looked after from the start.
    assert_eq!(left(300, 0), []);
    assert_eq!(left(5, 0), [(Severity::High, "it ends in 5 days".to_owned())]);
    assert_eq!(left(0, 1), [(Severity::Critical, "it has ended".to_owned())]);
    assert_eq!(left(0, 2), []);
}

#[test]
fn the_figures_of_a_process_that_runs_already_are_no_alarm() {
    let first = Readings { errors: 100, webhook_failures: 3, ..Readings::default() };
    let mut rules = Rules::new(&AlertConfig::default(), 0, &first);
    assert_eq!(rules.judge(SECOND, 0, &first), []);
}
