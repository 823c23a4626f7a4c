//! Payments: initiation, authorisation, status, cancellation, and finding one whose answer was
//! lost.

use super::approval::PAYMENT;
use super::order::product;
use super::outcome::{self, Asked};
use super::wire::{
    AuthorisationResponse, CancelResponse, Links, Message, PaymentResponse, StatusResponse,
};
use super::{Approach, BerlinGroup, PAYMENTS};
use crate::executor::{Chain, Request, Response, failed};
use crate::oauth::escape;
use reqwest::Method;
use veksel_config::bridge::RequestId;
use veksel_core::Utc;
use veksel_core::enquiry::{Failed, Failure, Initiated, Order, PaymentRef, Progress, Verdict};
use veksel_core::fact::PaymentStatus;

/// Longest name of a payment that is kept (`P1` and paths are made of it).
const PAYMENT_MAX: usize = 128;

/// A payment as the bank answered it, before anybody is sent anywhere.
struct Taken {
    response: Response,
    payment: PaymentResponse,
    status: PaymentStatus,
    product: String,
    /// Whether all of the answer can be relied on; if not, it names a payment and no more.
    is_clear: bool,
}

impl BerlinGroup {
    pub(super) async fn initiate(&self, chain: &Chain, order: &Order) -> Result<Verdict, Failure> {
        let request = self.initiation(order)?;
        let product = product(&self.quirks, order)?.to_owned();
        let response = self.send(chain, request, Asked::Initiation).await?;
        let taken = taken(response, product)?;
        self.approve(chain, taken, order).await.map(Verdict::Initiated)
    }

    /// What the customer has to do, after what is needed for that.
    async fn approve(
        &self,
        chain: &Chain,
        taken: Taken,
        order: &Order,
    ) -> Result<Initiated, Failure> {
        let Taken { response, payment, status, product, is_clear } = taken;
        let sca = payment.sca_status.as_deref().filter(|_| is_clear);
        let lacks_funds = lacks_funds(&payment.tpp_messages, None);
        let mut initiated = Initiated {
            progress: progress(status, sca, lacks_funds),
            payment: payment.payment_id,
            product,
            approve: None,
            needs_approval: false,
        };
        if status == PaymentStatus::Rejected && !lacks_funds {
            // Why, only the status has a place for.
            let path = payment_path(&initiated.product, &initiated.payment);
            let asked = self.progress_of(chain, &path).await;
            initiated.progress = asked.unwrap_or(initiated.progress);
        }
        // Over, or on its way: whatever the answer says of approvals, there is nothing to approve
        // and nothing that could be taken back by the way.
        if matches!(status, PaymentStatus::Rejected | PaymentStatus::Cancelled) || moves(status) {
            return Ok(initiated);
        }
        let mut approach = Approach::of(&response, &payment.links, sca);
        let mut links = payment.links;
        if let Approach::Start(href) = &approach {
            let path = payment_path(&initiated.product, &initiated.payment);
            let target = self.executor.own_target(href);
            let target = target.unwrap_or_else(|| format!("{path}/authorisations"));
            let template = "/v1/payments/{product}/{payment}/authorisations";
            match self.begin(chain, template, target).await {
                Ok((begun, next)) => {
                    let sca = next.sca_status.as_deref();
                    initiated.progress = progress(status, sca, lacks_funds);
                    approach = match Approach::of(&begun, &next.links, sca) {
                        // It was begun and somebody sees to it without a page.
                        Approach::None if sca != Some("exempted") => Approach::Decoupled,
                        Approach::Start(_) => Approach::Unsupported("sca_start"),
                        other => other,
                    };
                    links = next.links;
                }
                // The bank has the payment, and that is what must not be lost: nobody can approve
                // it, so it will be taken back when its time is over.
                Err(failure) => {
                    tracing::warn!(code = failure.code, "an authorisation could not be begun");
                    approach = Approach::Decoupled;
                }
            }
        }
        match approach {
            Approach::None if is_clear => initiated.progress.is_approved = true,
            Approach::None | Approach::Decoupled | Approach::Start(_) => {
                initiated.needs_approval = true;
            }
            Approach::Redirect => {
                initiated.needs_approval = true;
                initiated.approve = self.approval(&links);
                if initiated.approve.is_none() {
                    return self.abandon(chain, initiated, "sca_link").await;
                }
            }
            Approach::Oauth(server) => {
                let proof = (&order.state, &order.verifier);
                let page = self.authorisation_page(chain, &server, &initiated.payment, proof).await;
                match page {
                    Ok(page) => {
                        initiated.needs_approval = true;
                        initiated.approve = Some(page);
                    }
                    Err(word) => return self.abandon(chain, initiated, word).await,
                }
            }
            Approach::Unsupported(word) => return self.abandon(chain, initiated, word).await,
        }
        Ok(initiated)
    }

    /// Begins an authorisation: the explicit start of the approval.
    pub(super) async fn begin(
        &self,
        chain: &Chain,
        template: &'static str,
        target: String,
    ) -> Result<(Response, AuthorisationResponse), Failure> {
        let request = Request::new(PAYMENTS, Method::POST, template, target)
            .body("application/json", &b"{}"[..])?
            .header("psu-ip-address", &self.quirks.psu_ip)?;
        let response = self.send(chain, request, Asked::Initiation).await?;
        let body = response.json()?;
        Ok((response, body))
    }

    /// Takes back what nobody can approve by us, and then says why. The bank has it, so only its
    /// word that it is cancelled is a refusal; without that the payment stands, with nothing that
    /// we could send anybody to, and will be asked about.
    async fn abandon(
        &self,
        chain: &Chain,
        mut initiated: Initiated,
        word: &str,
    ) -> Result<Initiated, Failure> {
        let request = cancellation(&initiated.product, &initiated.payment);
        match self.send_any(chain, request).await {
            Ok(response) if is_cancelled(&response) => {
                return Err(failed(Failed::NotSupported, word));
            }
            Ok(response) => tracing::warn!(
                word,
                status = response.status,
                "a payment nobody can approve stays at its bank"
            ),
            Err(failure) => tracing::warn!(
                word,
                code = failure.code,
                "a payment nobody can approve stays at its bank"
            ),
        }
        initiated.needs_approval = true;
        initiated.approve = None;
        Ok(initiated)
    }

    pub(super) async fn status(
        &self,
        chain: &Chain,
        payment: &PaymentRef,
    ) -> Result<Verdict, Failure> {
        let path = payment_path(&payment.product, &payment.payment);
        self.progress_of(chain, &path).await.map(Verdict::Status)
    }

    /// How the payment at a path stands.
    async fn progress_of(&self, chain: &Chain, path: &str) -> Result<Progress, Failure> {
        let request = Request::new(
            PAYMENTS,
            Method::GET,
            "/v1/payments/{product}/{payment}/status",
            format!("{path}/status"),
        );
        let response = self.send(chain, request, Asked::Status).await?;
        let body: StatusResponse = response.json()?;
        let status = known_status(&response, &body.transaction_status)?;
        let mut progress =
            progress(status, None, lacks_funds(&body.tpp_messages, body.funds_available));
        let is_underway = match status {
            PaymentStatus::Received
            | PaymentStatus::Pending
            | PaymentStatus::PartlyAuthorised
            | PaymentStatus::Technical
            | PaymentStatus::FundsChecked
            | PaymentStatus::CustomerProfile
            | PaymentStatus::WithChange
            | PaymentStatus::WithoutPosting => true,
            PaymentStatus::InProcess
            | PaymentStatus::Settled
            | PaymentStatus::Credited
            | PaymentStatus::Partial
            | PaymentStatus::Rejected
            | PaymentStatus::Cancelled => false,
        };
        if is_underway {
            // The status is said already; what cannot be learned of approvals leaves them open.
            match self.approvals(chain, path).await {
                Ok(words) => approved(&mut progress, &words),
                Err(failure) => {
                    tracing::debug!(code = failure.code, "approvals of a payment are not told");
                }
            }
        }
        Ok(progress)
    }

    /// `scaStatus` of the newest authorisations of a payment.
    async fn approvals(&self, chain: &Chain, path: &str) -> Result<Vec<String>, Failure> {
        let all = self.authorisations(chain, &PAYMENT, path).await?;
        Ok(all.into_iter().filter_map(|(_, status)| status).collect())
    }

    pub(super) async fn cancel(
        &self,
        chain: &Chain,
        payment: &PaymentRef,
    ) -> Result<Verdict, Failure> {
        let request = cancellation(&payment.product, &payment.payment);
        let response = self.send_any(chain, request).await?;
        if !response.is_success() {
            let failure = outcome::failure(&response, Asked::Cancellation);
            return if failure.why == Failed::CannotReverse {
                Ok(Verdict::TooLate)
            } else {
                Err(failure)
            };
        }
        if response.status == 204 || (response.status == 200 && response.body.is_empty()) {
            return Ok(Verdict::Cancelled);
        }
        let body: CancelResponse = response.json()?;
        let status = body.transaction_status.as_deref().map(PaymentStatus::parse);
        match (response.status, status) {
            (_, Some(Some(PaymentStatus::Cancelled | PaymentStatus::Rejected))) | (200, None) => {
                Ok(Verdict::Cancelled)
            }
            _ => {
                // Begun as far as it can be without the customer, who decides whether it ends.
                if let Some(start) = body.links.get("startAuthorisation") {
                    let path = payment_path(&payment.product, &payment.payment);
                    let target = self.executor.own_target(&start.href);
                    let target =
                        target.unwrap_or_else(|| format!("{path}/cancellation-authorisations"));
                    let template = "/v1/payments/{product}/{payment}/cancellation-authorisations";
                    if let Err(failure) = self.begin(chain, template, target).await {
                        tracing::warn!(code = failure.code, "a cancellation cannot be approved");
                    }
                }
                Ok(Verdict::CancelPending)
            }
        }
    }

    /// Looks for a payment whose answer was lost.
    pub(super) async fn search(
        &self,
        chain: &Chain,
        order: &Order,
        since: Utc,
        may_repeat: bool,
    ) -> Result<Verdict, Failure> {
        if may_repeat && self.quirks.deduplicates && self.quirks.request_id == RequestId::Stable {
            return self.initiate(chain, order).await;
        }
        if order.debtor.consent.is_empty() {
            return Ok(Verdict::NotFound { is_complete: false });
        }
        self.search_lines(chain, order, since).await
    }
}

pub(super) fn payment_path(product: &str, payment: &str) -> String {
    format!("/v1/payments/{}/{}", escape(product), escape(payment))
}

fn cancellation(product: &str, payment: &str) -> Request {
    let target = payment_path(product, payment);
    Request::new(PAYMENTS, Method::DELETE, "/v1/payments/{product}/{payment}", target)
}

/// Reads the answer to an initiation. One that does not name the payment leaves it open; one that
/// does is kept whatever else is wrong with it, and the payment is asked about.
fn taken(response: Response, product: String) -> Result<Taken, Failure> {
    let payment: PaymentResponse = response.json()?;
    let id = &payment.payment_id;
    let is_name = !id.is_empty() && id.len() <= PAYMENT_MAX && !matches!(id.as_str(), "." | "..");
    if !is_name || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(response.unclear(Failed::Malfunction, "schema"));
    }
    let status = payment.transaction_status.as_deref().and_then(PaymentStatus::parse);
    let is_clear = status.is_some() && payment.links.is_whole && !response.is_doubtful;
    if !is_clear {
        tracing::warn!("an answer to an order is not as it must be, apart from the payment's name");
    }
    // Words of an answer that may belong to another request say nothing of this payment.
    let status = status.filter(|_| !response.is_doubtful).unwrap_or(PaymentStatus::Received);
    Ok(Taken { response, payment, status, product, is_clear })
}

/// Whether an answer to a cancellation says that the payment is taken back.
fn is_cancelled(response: &Response) -> bool {
    let status = || {
        let body: CancelResponse = response.json().ok()?;
        PaymentStatus::parse(&body.transaction_status?)
    };
    let is_over = |status| matches!(status, PaymentStatus::Cancelled | PaymentStatus::Rejected);
    response.is_success() && (response.status == 204 || status().is_some_and(is_over))
}

/// Whether money moves, or has.
const fn moves(status: PaymentStatus) -> bool {
    is_executed(status) || matches!(status, PaymentStatus::WithoutPosting | PaymentStatus::Partial)
}

/// Whether a bank carries a payment out: then everybody has approved it who must.
const fn is_executed(status: PaymentStatus) -> bool {
    matches!(status, PaymentStatus::InProcess | PaymentStatus::Settled | PaymentStatus::Credited)
}

fn known_status(response: &Response, word: &str) -> Result<PaymentStatus, Failure> {
    PaymentStatus::parse(word).ok_or_else(|| response.unclear(Failed::Malfunction, "schema"))
}

fn progress(status: PaymentStatus, sca: Option<&str>, lacks_funds: bool) -> Progress {
    Progress {
        status,
        is_approved: is_executed(status) || matches!(sca, Some("finalised" | "exempted")),
        is_failed: sca == Some("failed"),
        lacks_funds,
    }
}

/// What several approvals come to: one that is final is enough unless the bank says that it waits
/// for others, and all must have failed before the payment has.
fn approved(progress: &mut Progress, words: &[String]) {
    let is_final = |word: &String| matches!(word.as_str(), "finalised" | "exempted");
    progress.is_approved =
        words.iter().any(is_final) && progress.status != PaymentStatus::PartlyAuthorised;
    progress.is_failed = !words.is_empty() && words.iter().all(|word| word == "failed");
}

fn lacks_funds(messages: &[Message], available: Option<bool>) -> bool {
    available == Some(false) || messages.iter().any(|m| m.code == "FUNDS_NOT_AVAILABLE")
}

/// Whether a link leads on to more of the same list.
pub(super) fn next(links: &Links) -> Option<&str> {
    links.get("next").map(|link| link.href.as_str()).filter(|href| !href.is_empty())
}
