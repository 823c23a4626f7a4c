//! The gate: whether a customer may pay, from what is known here (http-contracts 4.3).
//!
//! Nobody is asked, so an outage of the provider changes nothing for anybody. What goes back
//! (reversals), what tells of something done (advices) and what only asks passes by it.

use crate::enquiry::Money;
use crate::fact::{Customer, KycStatus};
use crate::plan::KycPlan;
use crate::time::Utc;
use veksel_codecs::ResponseCode;

const DAY_MS: u64 = 24 * 3_600_000;

/// Whether a customer may pay so much now; the code that says why not.
pub(crate) fn judge(
    plan: &KycPlan,
    customer: Option<&Customer>,
    amount: Money,
    now: Utc,
) -> Result<(), ResponseCode> {
    if !plan.required {
        return Ok(());
    }
    let Some(customer) = customer else { return Err(ResponseCode::NOT_PERMITTED_TO_CUSTOMER) };
    match customer.status {
        KycStatus::Approved => {}
        KycStatus::None | KycStatus::Pending | KycStatus::OnHold | KycStatus::Resubmit => {
            return Err(ResponseCode::NOT_PERMITTED_TO_CUSTOMER);
        }
        KycStatus::Rejected => return Err(ResponseCode::RESTRICTED),
        KycStatus::Risk => return Err(ResponseCode::SUSPECTED_FRAUD),
    }
    let is_old = plan.age_ms_max > 0 && now.0.saturating_sub(customer.reviewed.0) > plan.age_ms_max;
    let until = customer.document_until.0;
    let is_expired = until > 0 && now.0 > until.saturating_add(plan.document_grace_ms);
    let is_young = customer.born.is_some_and(|born| !is_of_age(born, plan.years_min, now));
    if is_old || is_expired || is_young {
        return Err(ResponseCode::NOT_PERMITTED_TO_CUSTOMER);
    }
    let tier = plan
        .tiers
        .iter()
        .find(|tier| tier.level == customer.level && tier.currency == amount.currency);
    if tier.is_some_and(|tier| amount.minor > tier.amount_max) {
        return Err(ResponseCode::EXCEEDS_AMOUNT_LIMIT);
    }
    Ok(())
}

/// Whether somebody born then is so many years old now, by the calendar of UTC.
fn is_of_age(born: i64, years: u32, now: Utc) -> bool {
    // Days before 1970 have no `Civil`; whole Gregorian cycles of 400 years move them there.
    let cycle = 146_097 * i64::try_from(DAY_MS).unwrap_or(i64::MAX);
    let mut moved = born;
    let mut cycles = 0;
    while moved < 0 {
        moved = moved.saturating_add(cycle);
        cycles += 1;
    }
    let day = Utc(u64::try_from(moved).unwrap_or_default()).civil();
    let today = now.civil();
    let year = i64::from(day.year) - 400 * cycles + i64::from(years);
    let birthday = (year, day.month, day.day);
    birthday <= (i64::from(today.year), today.month, today.day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::TierPlan;
    use crate::time::Civil;

    fn day(year: u32, month: u32, day: u32) -> Utc {
        let civil = Civil { year, month, day, hour: 12, minute: 0, second: 0, millisecond: 0 };
        civil.utc().unwrap()
    }

    fn plan() -> KycPlan {
        KycPlan {
            required: true,
            age_ms_max: 365 * DAY_MS,
            document_grace_ms: 10 * DAY_MS,
            years_min: 18,
            tiers: vec![TierPlan { level: "basic".into(), amount_max: 10_000, currency: 578 }],
        }
    }

    fn approved() -> Customer {
        Customer {
            customer: "c-1".into(),
            status: KycStatus::Approved,
            level: "basic".into(),
            reviewed: day(2026, 1, 1),
            document_until: day(2026, 6, 1),
            ..Customer::default()
        }
    }

    fn judged(customer: Option<&Customer>, minor: u64, now: Utc) -> &'static str {
        let amount = Money { minor, currency: 578 };
        match judge(&plan(), customer, amount, now) {
            Ok(()) => "passes",
            Err(ResponseCode::NOT_PERMITTED_TO_CUSTOMER) => "57",
            Err(ResponseCode::RESTRICTED) => "62",
            Err(ResponseCode::SUSPECTED_FRAUD) => "59",
            Err(ResponseCode::EXCEEDS_AMOUNT_LIMIT) => "61",
            Err(_) => "another",
        }
    }

    #[test]
    fn every_status_has_its_code() {
        let now = day(2026, 2, 1);
        assert_eq!(judged(None, 1, now), "57");
        for (status, expected) in [
            (KycStatus::None, "57"),
            (KycStatus::Pending, "57"),
            (KycStatus::OnHold, "57"),
            (KycStatus::Resubmit, "57"),
            (KycStatus::Approved, "passes"),
            (KycStatus::Rejected, "62"),
            (KycStatus::Risk, "59"),
        ] {
            let customer = Customer { status, ..approved() };
            assert_eq!(judged(Some(&customer), 1, now), expected, "{}", status.word());
        }
        assert_eq!(KycStatus::ALL.len(), 7);
    }

    #[test]
    fn an_approval_grows_old_and_documents_expire() {
        assert_eq!(judged(Some(&approved()), 1, day(2026, 6, 11)), "passes", "grace");
        assert_eq!(judged(Some(&approved()), 1, day(2026, 6, 12)), "57");
        let fresh = Customer { document_until: Utc(0), ..approved() };
        assert_eq!(judged(Some(&fresh), 1, day(2026, 12, 31)), "passes");
        assert_eq!(judged(Some(&fresh), 1, day(2027, 1, 3)), "57");
    }

    #[test]
    fn a_tier_bounds_its_own_currency() {
        let now = day(2026, 2, 1);
        assert_eq!(judged(Some(&approved()), 10_000, now), "passes");
        assert_eq!(judged(Some(&approved()), 10_001, now), "61");
        let euros = Money { minor: 10_001, currency: 978 };
        assert_eq!(judge(&plan(), Some(&approved()), euros, now), Ok(()));
    }

    #[test]
    fn nobody_under_age_pays() {
        let at = |born: Utc, before_1970_ms: i64, now| {
            let born = i64::try_from(born.0).unwrap() - before_1970_ms;
            let customer = Customer { born: Some(born), ..approved() };
            judged(Some(&customer), 1, now)
        };
        assert_eq!(at(day(2008, 2, 2), 0, day(2026, 2, 1)), "57", "the day before");
        assert_eq!(at(day(2008, 2, 1), 0, day(2026, 2, 1)), "passes", "on the day");
        let cycle = 146_097 * i64::try_from(DAY_MS).unwrap();
        assert_eq!(at(day(2340, 5, 17), cycle, day(2026, 2, 1)), "passes", "born in 1940");
    }

    #[test]
    fn where_nobody_is_asked_for_everybody_passes() {
        let plan = KycPlan::default();
        assert_eq!(judge(&plan, None, Money { minor: 1, currency: 578 }, Utc(0)), Ok(()));
    }
}
