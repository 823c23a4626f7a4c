//! What customers are told, in Norwegian and in English. Nothing of it names an account, an amount
//! or somebody who was paid: a text message is read by whoever holds the telephone.

/// What a customer reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Language {
    /// `nb`.
    Norwegian,
    /// `en`.
    English,
}

/// What there is to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// The identity check was passed.
    Approved,
    /// It has to be done again.
    Resubmit,
    /// It was not passed.
    Rejected,
    /// A payment was made.
    Paid,
    /// It was refused.
    Refused,
    /// It was taken back.
    Cancelled,
    /// Nobody approved it in time.
    Expired,
}

/// A title and a text.
pub(super) const fn of(said: Said, language: Language) -> (&'static str, &'static str) {
    match (said, language) {
        (Said::Approved, Language::Norwegian) => {
            ("Identiteten din er bekreftet", "Identiteten din er bekreftet. Du kan nå betale.")
        }
        (Said::Approved, Language::English) => {
            ("Your identity is confirmed", "Your identity is confirmed. You can pay now.")
        }
        (Said::Resubmit, Language::Norwegian) => (
            "Vi trenger nye dokumenter",
            "Vi kunne ikke lese dokumentene dine. Send dem inn på nytt i appen.",
        ),
        (Said::Resubmit, Language::English) => (
            "We need your documents again",
            "We could not read your documents. Please hand them in again in the app.",
        ),
        (Said::Rejected, Language::Norwegian) => (
            "Identiteten din ble ikke bekreftet",
            "Vi kunne ikke bekrefte identiteten din. Ta kontakt med banken.",
        ),
        (Said::Rejected, Language::English) => (
            "Your identity was not confirmed",
            "We could not confirm your identity. Please contact the bank.",
        ),
        (Said::Paid, Language::Norwegian) => {
            ("Betalingen er gjennomført", "Betalingen din er gjennomført.")
        }
        (Said::Paid, Language::English) => ("Payment made", "Your payment has been made."),
        (Said::Refused, Language::Norwegian) => (
            "Betalingen ble avvist",
            "Betalingen din ble avvist av banken. Ingen penger er trukket.",
        ),
        (Said::Refused, Language::English) => {
            ("Payment refused", "Your payment was refused by the bank. No money was taken.")
        }
        (Said::Cancelled, Language::Norwegian) => {
            ("Betalingen er avbrutt", "Betalingen din er avbrutt. Ingen penger er trukket.")
        }
        (Said::Cancelled, Language::English) => {
            ("Payment cancelled", "Your payment was cancelled. No money was taken.")
        }
        (Said::Expired, Language::Norwegian) => (
            "Betalingen ble ikke godkjent i tide",
            "Betalingen din ble ikke godkjent i tide. Ingen penger er trukket.",
        ),
        (Said::Expired, Language::English) => (
            "Payment not approved in time",
            "Your payment was not approved in time. No money was taken.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_said_in_both_languages_and_fits_a_message() {
        let all = [
            Said::Approved,
            Said::Resubmit,
            Said::Rejected,
            Said::Paid,
            Said::Refused,
            Said::Cancelled,
            Said::Expired,
        ];
        for said in all {
            let (norwegian, english) = (of(said, Language::Norwegian), of(said, Language::English));
            assert_ne!(norwegian, english);
            for (title, text) in [norwegian, english] {
                assert!(title.chars().count() <= 60 && text.chars().count() <= 160, "{text}");
            }
        }
    }
}
