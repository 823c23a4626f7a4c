//! What happens over HTTP: enquiries, payments at banks, cached balances, consents and checks.

use super::{Observer, closed};
use crate::alert::Alert;
use veksel_core::enquiry::Addressee;
use veksel_core::fact::{Case, KycStatus, PaymentState};
use veksel_core::{BankId, Event};

impl Observer {
    fn bank(&self, bank: BankId) -> &str {
        self.banks.get(usize::from(bank.0)).map_or("?", String::as_str)
    }

    /// Notes a decision for the part that is approved.
    fn decided(&self, status: KycStatus) {
        let is_approved = match status {
            KycStatus::Approved => true,
            KycStatus::Resubmit | KycStatus::Rejected | KycStatus::Risk => false,
            KycStatus::None | KycStatus::Pending | KycStatus::OnHold => return,
        };
        self.approvals.note(self.alerts.now_ms(), is_approved);
    }

    /// Counts an event of the bridge, and logs it if somebody may have to act on it.
    pub(super) fn bridge(&self, event: Event) {
        let metrics = &self.metrics;
        match event {
            Event::Asked { to, failed } => {
                let who = match to {
                    Addressee::Bank(bank) => self.bank(bank),
                    Addressee::Kyc => "kyc",
                    Addressee::Biller => "bill",
                };
                let outcome = failed.map_or("ok", veksel_core::enquiry::Failed::word);
                metrics.enquiry_verdicts.with_label_values(&[who, outcome]).inc();
                if failed.is_some_and(veksel_core::enquiry::Failed::is_alarming) {
                    tracing::error!(who, outcome, "a provider does not accept who we are");
                    let message = format!("{who} does not accept who we are");
                    self.alerts.raise(Alert::critical("Credentials refused", message));
                } else if failed.is_some() {
                    tracing::debug!(who, outcome, "an enquiry failed");
                }
            }
            Event::Declined { bank, response } => {
                let labels = [self.bank(bank), closed(&response)];
                metrics.bank_declines.with_label_values(&labels).inc();
            }
            Event::Cached { bank, age, is_stale } => {
                let labels = [self.bank(bank), if is_stale { "yes" } else { "no" }];
                metrics.cached_balances.with_label_values(&labels).inc();
                if is_stale {
                    let (bank, hours) = (labels[0], age / 3_600_000);
                    tracing::error!(bank, hours, "balances are given that were seen long ago");
                }
            }
            Event::Payment { bank, state } => {
                let labels = [self.bank(bank), state.word()];
                metrics.payments.with_label_values(&labels).inc();
                if matches!(state, PaymentState::Rejected | PaymentState::Expired) {
                    metrics.payment_failures.inc();
                }
                tracing::info!(bank = labels[0], state = labels[1], "payment at a bank");
            }
            Event::Case { txn, case } => {
                metrics.payment_cases.with_label_values(&[case.word()]).inc();
                let is_late = case == Case::LateCompletion;
                let (txn, case) = (txn.0, case.word());
                tracing::error!(txn, case, "a person must look at a payment at a bank");
                let message = format!("payment {txn}: {case}");
                self.alerts.raise(match is_late {
                    true => Alert::critical("Late completion", message),
                    false => Alert::high("Payment needs a person", message),
                });
            }
            Event::Consent { bank, status } => {
                let labels = [self.bank(bank), status.word()];
                metrics.consents.with_label_values(&labels).inc();
                tracing::info!(bank = labels[0], status = labels[1], "consent");
            }
            Event::Checked { status } => {
                metrics.checks.with_label_values(&[status.word()]).inc();
                self.decided(status);
                tracing::info!(status = status.word(), "identity check");
            }
            Event::Advised { link, attempt } => {
                let labels = [self.link(link), if attempt > 0 { "yes" } else { "no" }];
                metrics.payment_advices.with_label_values(&labels).inc();
            }
            Event::Unadvised { txn } => {
                let txn = txn.0;
                tracing::error!(txn, "no channel takes the advice how a payment ended");
                let message = format!("no channel takes the advice about payment {txn}");
                self.alerts.raise(Alert::high("Advice not taken", message));
            }
            _ => {}
        }
    }
}
