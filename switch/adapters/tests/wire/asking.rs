//! Asking adapters in a test: one enquiry, and its verdict.

use crate::watch::search_shown;
use veksel_adapters::Adapters;
use veksel_core::enquiry::{Addressee, Ask, AskId, Enquiry, Failure, Verdict};
use veksel_core::plan::BankId;

/// Asks the first bank.
pub(crate) async fn ask(adapters: &Adapters, enquiry: Enquiry) -> Verdict {
    let (id, to, trace) = (AskId(1), Addressee::Bank(BankId(0)), "trace".to_owned());
    let ask = Ask { id, to, enquiry, within_ms: 8_000, trace, txn: None, address: None };
    search_shown("a question", &ask);
    let verdict = adapters.ask(ask).await;
    search_shown("a verdict", &verdict);
    verdict
}

/// What went wrong, where something must have.
pub(crate) fn failure(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}
