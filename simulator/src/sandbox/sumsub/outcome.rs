//! What a check of an applicant ends with: decided by chance from the external id, or by what the
//! external id ends with.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

/// How a review ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// GREEN or RED.
    pub answer: String,
    /// FINAL or RETRY of a RED.
    pub reject_type: Option<String>,
    pub labels: Vec<String>,
    pub client_comment: Option<String>,
    pub moderation_comment: Option<String>,
}

impl Outcome {
    pub(super) fn green() -> Self {
        Self {
            answer: "GREEN".to_owned(),
            reject_type: None,
            labels: Vec::new(),
            client_comment: None,
            moderation_comment: None,
        }
    }

    fn red(reject_type: &str, label: &str, comment: &str) -> Self {
        Self {
            answer: "RED".to_owned(),
            reject_type: Some(reject_type.to_owned()),
            labels: vec![label.to_owned()],
            client_comment: Some(comment.to_owned()),
            moderation_comment: Some(comment.to_owned()),
        }
    }

    /// `reviewResult`. The score is of the seed's mock; the real provider has none.
    pub(super) fn json(&self) -> Value {
        json!({
            "reviewAnswer": self.answer,
            "rejectLabels": self.labels,
            "reviewRejectType": self.reject_type,
            "clientComment": self.client_comment,
            "moderationComment": self.moderation_comment,
            "riskScore": if self.answer == "GREEN" { 15 } else { 85 },
        })
    }
}

/// What an applicant does, by the endings of the external id. Endings add up: the last ones of
/// `anna-red-final-dup-webhook` are both meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Conduct {
    /// In place of chance.
    pub verdict: Option<Forced>,
    /// Every webhook is sent twice.
    pub is_doubled: bool,
    /// `applicantPending` is sent after `applicantReviewed`.
    pub is_reordered: bool,
    /// The digests of webhooks are wrong.
    pub is_forged: bool,
    /// Created by somebody else: asking for the applicant finds nothing.
    pub is_elsewhere: bool,
    /// The document says that the holder is ten years old.
    pub is_under_age: bool,
    /// The document was good until last year.
    pub is_expired: bool,
}

/// What an ending of the external id says of the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forced {
    Green,
    Final,
    Retry,
    Blocklist,
    /// Stays with a person.
    Hold,
    /// Is never decided, and asking how it stands gets no answer.
    Timeout,
}

const VERDICTS: &[(&str, Forced)] = &[
    ("-green", Forced::Green),
    ("-red-final", Forced::Final),
    ("-red-retry", Forced::Retry),
    ("-blocklist", Forced::Blocklist),
    ("-hold", Forced::Hold),
    ("-timeout", Forced::Timeout),
];

impl Conduct {
    pub(super) fn of(external: &str) -> Self {
        let mut conduct = Self::default();
        let mut rest = external;
        'endings: loop {
            for (ending, verdict) in VERDICTS {
                if let Some(before) = rest.strip_suffix(ending) {
                    conduct.verdict.get_or_insert(*verdict);
                    rest = before;
                    continue 'endings;
                }
            }
            let flags: [(&str, &mut bool); 6] = [
                ("-dup-webhook", &mut conduct.is_doubled),
                ("-reorder-webhook", &mut conduct.is_reordered),
                ("-bad-digest", &mut conduct.is_forged),
                ("-elsewhere", &mut conduct.is_elsewhere),
                ("-underage", &mut conduct.is_under_age),
                ("-expired-document", &mut conduct.is_expired),
            ];
            for (ending, flag) in flags {
                if let Some(before) = rest.strip_suffix(ending) {
                    *flag = true;
                    rest = before;
                    continue 'endings;
                }
            }
            return conduct;
        }
    }
}

/// How the check of an applicant ends; `None` if it is never decided.
pub(super) fn decide(external: &str, approved_per_thousand: u32) -> Option<Outcome> {
    match Conduct::of(external).verdict {
        Some(Forced::Green) => Some(Outcome::green()),
        Some(Forced::Final) => {
            Some(Outcome::red("FINAL", "FORGERY", "The document is not genuine."))
        }
        Some(Forced::Retry) => Some(unreadable()),
        Some(Forced::Blocklist) => {
            Some(Outcome::red("FINAL", "BLOCKLIST", "The applicant is on a list."))
        }
        Some(Forced::Hold | Forced::Timeout) => None,
        None if draw(external) < u64::from(approved_per_thousand) => Some(Outcome::green()),
        None => Some(unreadable()),
    }
}

fn unreadable() -> Outcome {
    Outcome::red("RETRY", "DOCUMENT_UNREADABLE", "The picture of the document cannot be read.")
}

/// From 0 to 999, the same for the same id on every machine.
fn draw(external: &str) -> u64 {
    number(external) % 1_000
}

/// 24 hexadecimal digits, as the provider names its things. `kind` tells those of one applicant
/// apart.
pub(super) fn name(kind: &str, external: &str) -> String {
    let hash = digest(&SHA256, format!("{kind}/{external}").as_bytes());
    hash.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

fn number(text: &str) -> u64 {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_in_ten_are_approved_whoever_they_are() {
        for prefix in ["usr_", "customer-", "4790"] {
            let approved = (0..10_000)
                .filter(|n| {
                    let outcome = decide(&format!("{prefix}{n}"), 900).expect("decided");
                    outcome.answer == "GREEN"
                })
                .count();
            assert!((8_850..=9_150).contains(&approved), "{prefix}: {approved}");
        }
        assert_eq!(decide("usr_1", 900), decide("usr_1", 900));
        assert!((0..1_000).all(|n| decide(&format!("u{n}"), 0).expect("decided").answer == "RED"));
        assert!(
            (0..1_000).all(|n| decide(&format!("u{n}"), 1_000).expect("decided").answer == "GREEN")
        );
    }

    #[test]
    fn who_is_rejected_by_chance_may_try_again() {
        let outcome = decide("usr_1", 0).expect("decided");
        assert_eq!(outcome.labels, ["DOCUMENT_UNREADABLE"]);
        assert_eq!(outcome.reject_type.as_deref(), Some("RETRY"));
        assert_eq!(outcome.json()["riskScore"], 85);
        assert_eq!(Outcome::green().json()["riskScore"], 15);
    }

    #[test]
    fn endings_force_what_happens_and_add_up() {
        type Said = Option<(&'static str, Option<&'static str>, &'static str)>;
        let cases: &[(&str, Said)] = &[
            ("a-green", Some(("GREEN", None, ""))),
            ("a-red-final", Some(("RED", Some("FINAL"), "FORGERY"))),
            ("a-red-retry", Some(("RED", Some("RETRY"), "DOCUMENT_UNREADABLE"))),
            ("a-blocklist", Some(("RED", Some("FINAL"), "BLOCKLIST"))),
            ("a-hold", None),
            ("a-timeout", None),
            ("a-green-dup-webhook", Some(("GREEN", None, ""))),
            ("a-red-final-reorder-webhook-bad-digest", Some(("RED", Some("FINAL"), "FORGERY"))),
        ];
        for (external, wanted) in cases {
            let found = decide(external, 0);
            let found = found.as_ref().map(|outcome| {
                let label = outcome.labels.first().map_or("", String::as_str);
                (outcome.answer.as_str(), outcome.reject_type.as_deref(), label)
            });
            assert_eq!(found, *wanted, "{external}");
        }
        let conduct = Conduct::of("a-red-final-dup-webhook-reorder-webhook-bad-digest");
        assert!(conduct.is_doubled && conduct.is_reordered && conduct.is_forged);
        assert_eq!(conduct.verdict, Some(Forced::Final));
        assert_eq!(Conduct::of("a-green-b"), Conduct::default());
    }
}
