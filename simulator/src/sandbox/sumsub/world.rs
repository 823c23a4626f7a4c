//! The applicants the sandbox knows, and what it says of them.

use super::outcome::{Conduct, Outcome, name};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Everything until the next reset.
#[derive(Debug, Default)]
pub(super) struct World {
    /// By the provider's own id.
    applicants: BTreeMap<String, Applicant>,
    /// Transactions that were watched, by applicant and id.
    watched: BTreeSet<(String, String)>,
}

/// One applicant.
#[derive(Debug, Clone)]
pub(super) struct Applicant {
    pub id: String,
    pub external: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub level: String,
    pub created: Timestamp,
    /// `reviewStatus`.
    pub status: &'static str,
    /// Only of a review that is completed.
    pub outcome: Option<Outcome>,
    pub reviewed: Option<Timestamp>,
    /// Counts submissions and resets, so that a check that was begun before does not end later.
    pub attempt: u32,
    pub is_submitted: bool,
    pub is_deactivated: bool,
}

/// What cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The applicant with this id has that external id.
    Exists(String),
    /// There are as many as are kept.
    Full,
}

impl World {
    /// Makes an applicant.
    pub(super) fn create(
        &mut self,
        new: Applicant,
        most: usize,
    ) -> Result<&mut Applicant, Refusal> {
        if self.applicants.contains_key(&new.id) || Conduct::of(&new.external).is_elsewhere {
            return Err(Refusal::Exists(new.id));
        }
        if self.applicants.len() >= most {
            return Err(Refusal::Full);
        }
        Ok(self.applicants.entry(new.id.clone()).or_insert(new))
    }

    /// By the provider's id, or as `-;externalUserId=…`.
    pub(super) fn find(&mut self, key: &str) -> Option<&mut Applicant> {
        match key.strip_prefix("-;externalUserId=") {
            Some(external) => self.applicants.get_mut(&name("applicant", external)),
            None => self.applicants.get_mut(key),
        }
    }

    /// By our own id of the customer.
    pub(super) fn of_customer(&mut self, external: &str) -> Option<&mut Applicant> {
        self.applicants.get_mut(&name("applicant", external))
    }

    /// Whether a transaction is watched for the first time; `None` if there are too many.
    pub(super) fn watch(&mut self, applicant: &str, txn: &str, most: usize) -> Option<bool> {
        if self.watched.len() >= most {
            return None;
        }
        Some(self.watched.insert((applicant.to_owned(), txn.to_owned())))
    }
}

impl Applicant {
    pub(super) fn new(external: &str, level: &str, now: Timestamp) -> Self {
        Self {
            id: name("applicant", external),
            external: external.to_owned(),
            email: None,
            phone: None,
            level: level.to_owned(),
            created: now,
            status: "init",
            outcome: None,
            reviewed: None,
            attempt: 0,
            is_submitted: false,
            is_deactivated: false,
        }
    }

    /// The customer has handed documents in.
    pub(super) fn submit(&mut self) {
        self.status = "pending";
        self.outcome = None;
        self.reviewed = None;
        self.attempt += 1;
        self.is_submitted = true;
    }

    /// The check is decided.
    pub(super) fn complete(&mut self, outcome: Outcome, now: Timestamp) {
        self.status = "completed";
        self.outcome = Some(outcome);
        self.reviewed = Some(now);
        self.is_submitted = true;
    }

    /// Everything begins again.
    pub(super) fn start_again(&mut self) {
        self.status = "init";
        self.outcome = None;
        self.reviewed = None;
        self.attempt += 1;
        self.is_submitted = false;
    }

    /// The answer of the status endpoint.
    pub(super) fn status_json(&self) -> Value {
        json!({
            "reviewId": name("review", &self.external),
            "attemptId": name(&format!("attempt{}", self.attempt), &self.external),
            "attemptCnt": self.attempt,
            "levelName": self.level,
            "createDate": seconds(self.created),
            "reviewDate": self.reviewed.map(seconds),
            "reviewResult": self.outcome.as_ref().map(Outcome::json),
            "reviewStatus": self.status,
        })
    }

    /// The applicant as a whole.
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "createdAt": seconds(self.created),
            "inspectionId": name("inspection", &self.external),
            "externalUserId": self.external,
            "email": self.email,
            "phone": self.phone,
            "type": "individual",
            "deleted": self.is_deactivated,
            "info": self.is_submitted.then(|| self.info_json()),
            "review": self.status_json(),
        })
    }

    fn info_json(&self) -> Value {
        let conduct = Conduct::of(&self.external);
        let today = self.created.to_zoned(TimeZone::UTC).date();
        let years = |years: i16| today.saturating_add(years.years()).to_string();
        json!({
            "firstName": "Kari",
            "lastName": "Nordmann",
            "country": "NOR",
            "dob": if conduct.is_under_age { years(-10) } else { "1990-05-17".to_owned() },
            "idDocs": [{
                "idDocType": "PASSPORT",
                "country": "NOR",
                "validUntil": years(if conduct.is_expired { -1 } else { 5 }),
            }],
        })
    }

    /// How each step of the check stands.
    pub(super) fn steps_json(&self) -> Value {
        let step = |kind: &str, broken: &[&str]| {
            let result = self.outcome.as_ref().map(|outcome| {
                let is_its = |label: &String| broken.contains(&label.as_str());
                let labels: Vec<_> = outcome.labels.iter().filter(|label| is_its(label)).collect();
                if outcome.answer == "GREEN" || labels.is_empty() {
                    json!({ "reviewAnswer": "GREEN" })
                } else {
                    json!({
                        "reviewAnswer": "RED",
                        "reviewRejectType": outcome.reject_type,
                        "rejectLabels": labels,
                    })
                }
            });
            self.is_submitted.then(|| {
                json!({
                    "reviewResult": result,
                    "country": "NOR",
                    "idDocType": kind,
                    "imageIds": [1_907_653_551_u64],
                    "imageReviewResults": {},
                    "forbidden": false,
                    "doubleSided": null,
                })
            })
        };
        json!({
            "IDENTITY": step("PASSPORT", &["DOCUMENT_UNREADABLE", "FORGERY"]),
            "SELFIE": step("SELFIE", &["SELFIE_MISMATCH", "BAD_SELFIE"]),
        })
    }
}

/// `2026-02-23 10:00:00+0000`.
pub(super) fn seconds(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S+0000").to_string()
}

/// `2026-02-23 10:00:00.000`.
pub(super) fn milliseconds(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_provider_writes_them() {
        let at = Timestamp::from_millisecond(1_771_840_800_000).expect("in range");
        assert_eq!(milliseconds(at), "2026-02-23 10:00:00.000");
        assert_eq!(seconds(at), "2026-02-23 10:00:00+0000");
    }

    #[test]
    fn an_external_id_has_one_applicant_and_a_full_world_takes_no_more() {
        let mut world = World::default();
        let now = Timestamp::UNIX_EPOCH;
        let id = world.create(Applicant::new("a", "l", now), 2).expect("new").id.clone();
        let again = world.create(Applicant::new("a", "l", now), 2).map(|_| ());
        assert_eq!(again, Err(Refusal::Exists(id.clone())));
        assert!(world.create(Applicant::new("b", "l", now), 2).is_ok());
        let third = world.create(Applicant::new("c", "l", now), 2).map(|_| ());
        assert_eq!(third, Err(Refusal::Full));
        assert_eq!(world.find(&id).map(|a| a.external.clone()), Some("a".to_owned()));
        let found = world.find("-;externalUserId=a").map(|a| a.id.clone());
        assert_eq!(found, Some(id));
        assert!(world.find("-;externalUserId=x").is_none());
    }

    #[test]
    fn a_refused_document_is_the_step_that_failed() {
        let mut applicant = Applicant::new("a-red-retry", "l", Timestamp::UNIX_EPOCH);
        assert_eq!(applicant.steps_json()["IDENTITY"], Value::Null);
        applicant.submit();
        assert_eq!(applicant.steps_json()["IDENTITY"]["reviewResult"], Value::Null);
        let outcome = super::super::outcome::decide("a-red-retry", 900).expect("decided");
        applicant.complete(outcome, Timestamp::UNIX_EPOCH);
        let steps = applicant.steps_json();
        assert_eq!(steps["IDENTITY"]["reviewResult"]["reviewAnswer"], "RED");
        assert_eq!(steps["SELFIE"]["reviewResult"]["reviewAnswer"], "GREEN");
    }
}
