//! Neonomics, which reaches many banks behind an interface of its own (http-contracts 2.3).
//!
//! A consent is a session: every call names one. A call that lacks a consent or an approval fails
//! (1426, 1428) with a link to go on from. States of a payment: sent → approved by the customer at
//! the bank → completed by us → at its end. Completing is what makes the money move, at most banks,
//! and has to follow the approval; so asking how a payment stands completes it if the bank says
//! that this is still to do, which fails without harm until the customer has approved. Completing
//! again what is completed is never tried: nobody says that it is harmless.
//!
//! Nothing can be taken back there. What is wanted back is not completed any more: the engine says
//! with every question whether it may be ([`PaymentRef::may_complete`]).

mod consent;
mod wire;

use crate::adapters::{AdapterError, Parts};
use crate::executor::retry::NEONOMICS;
use crate::executor::{Chain, Circuit, Executor, Request, Response, failed};
use crate::oauth::{Oauth, escape};
use crate::random::hex;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use veksel_config::bridge::{BankConfig, OauthConfig, PsuHeaders, Quirks};
use veksel_core::enquiry::{
    Ask, Balances, BankAccount, Confirmed, Enquiry, Failed, Failure, Initiated, Money, Order,
    PaymentRef, Progress, Verdict,
};
use veksel_core::fact::PaymentStatus;
use veksel_core::time::Utc;

/// The adapter of one bank behind Neonomics.
#[derive(Debug)]
pub(crate) struct Neonomics {
    executor: Arc<Executor>,
    oauth: Oauth,
    bank_id: String,
    device_id: String,
    quirks: Quirks,
    /// Where customers come back to.
    callback_url: String,
}

/// Whom a call is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// The customer is there.
    Attended,
    /// Nobody is.
    Unattended,
}

impl Neonomics {
    /// An adapter whose secrets are read now.
    ///
    /// # Errors
    ///
    /// If one cannot be, if Neonomics cannot be called as configured, or if customers could not
    /// come back from their bank because nobody may call us.
    pub(crate) fn new(
        config: &BankConfig,
        (oauth, bank_id, device_id): (&OauthConfig, &str, &str),
        parts: &Parts<'_>,
    ) -> Result<Self, AdapterError> {
        let callback_url = parts.callback_url(config).ok_or_else(|| AdapterError::Config {
            provider: config.name.clone(),
            why: "customers come back from their bank to [http], which is not configured"
                .to_owned(),
        })?;
        let executor = Executor::new(&config.name, &config.call, NEONOMICS, parts.audit.clone())?;
        Ok(Self {
            executor: Arc::new(executor),
            oauth: Oauth::new(oauth, false, parts.secret)?,
            bank_id: bank_id.to_owned(),
            device_id: device_id.to_owned(),
            quirks: config.quirks.clone(),
            callback_url,
        })
    }

    /// What makes its calls.
    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// How the breakers stand.
    pub(crate) fn circuits(&self) -> Vec<Circuit> {
        self.executor.circuits()
    }

    /// Answers an enquiry.
    pub(crate) async fn ask(&self, chain: &Chain, ask: &Ask) -> Verdict {
        let verdict = match &ask.enquiry {
            Enquiry::Balances { account, is_attended } => {
                let balances = self.balances(chain, account, presence(*is_attended)).await;
                balances.map(Verdict::Balances)
            }
            Enquiry::Transactions { account, from, most, is_attended } => {
                self.transactions(chain, account, *from, *most, presence(*is_attended)).await
            }
            Enquiry::Funds { account, amount } => self.funds(chain, account, *amount).await,
            Enquiry::Initiate(order) => self.initiate(chain, order).await,
            Enquiry::Status(payment) => self.status(chain, payment).await.map(Verdict::Status),
            // Completing is part of asking here, whatever the redirect brings back.
            Enquiry::Confirm { subject, .. } => match subject.as_ref() {
                Confirmed::Payment(payment) => {
                    self.status(chain, payment).await.map(Verdict::Status)
                }
                Confirmed::Consent(account) => self.consent_status(chain, account).await,
            },
            Enquiry::Cancel(payment) => self.cancel(chain, payment).await,
            Enquiry::Search { order, since, .. } => self.search(chain, order, *since).await,
            Enquiry::Consent { account, state, .. } => self.consent(chain, account, state).await,
            Enquiry::ConsentStatus(account) => self.consent_status(chain, account).await,
            Enquiry::Revoke(account) => self.revoke(chain, account).await,
            Enquiry::Applicant { .. }
            | Enquiry::Review { .. }
            | Enquiry::Checks { .. }
            | Enquiry::Bill(_) => Err(failed(Failed::NotSupported, "enquiry")),
        };
        verdict.unwrap_or_else(Verdict::Failed)
    }

    async fn balances(
        &self,
        chain: &Chain,
        account: &BankAccount,
        presence: Presence,
    ) -> Result<Balances, Failure> {
        let id = self.resource(chain, account, presence).await?;
        let target = format!("/ics/v3/accounts/{}/balances", escape(&id));
        let template = "/ics/v3/accounts/{id}/balances";
        let request = self.get("balances", template, target, &account.consent, presence)?;
        let response = self.call(chain, request).await?;
        let body: Value = success(response, false)?.json()?;
        wire::balances(&body).ok_or_else(|| failed(Failed::Malfunction, "schema"))
    }

    async fn lines(
        &self,
        chain: &Chain,
        account: &BankAccount,
        from: Utc,
        presence: Presence,
    ) -> Result<Vec<(String, veksel_core::enquiry::Line)>, Failure> {
        let id = self.resource(chain, account, presence).await?;
        let target = format!("/ics/v3/accounts/{}/transactions", escape(&id));
        let template = "/ics/v3/accounts/{id}/transactions";
        let request = self.get("transactions", template, target, &account.consent, presence)?;
        let response = self.call(chain, request).await?;
        let body: Value = success(response, false)?.json()?;
        wire::lines(&body, from).ok_or_else(|| failed(Failed::Malfunction, "schema"))
    }

    async fn transactions(
        &self,
        chain: &Chain,
        account: &BankAccount,
        from: Utc,
        most: u16,
        presence: Presence,
    ) -> Result<Verdict, Failure> {
        let lines = self.lines(chain, account, from, presence).await?;
        let lines = lines.into_iter().map(|(_, line)| line).take(usize::from(most)).collect();
        Ok(Verdict::Transactions { lines, balances: None })
    }

    /// There is no confirmation of funds; the balance tells.
    async fn funds(
        &self,
        chain: &Chain,
        account: &BankAccount,
        amount: Money,
    ) -> Result<Verdict, Failure> {
        let balances = self.balances(chain, account, Presence::Attended).await?;
        if balances.currency != amount.currency {
            return Err(failed(Failed::NotSupported, "currency"));
        }
        let is_there = i64::try_from(amount.minor).is_ok_and(|it| it <= balances.available);
        Ok(Verdict::Funds(is_there))
    }

    async fn initiate(&self, chain: &Chain, order: &Order) -> Result<Verdict, Failure> {
        let (product, body) = wire::payment(order, &self.quirks)?;
        let target = format!("/ics/v3/payments/{product}");
        let template = "/ics/v3/payments/{product}";
        let session = &order.debtor.consent;
        let request = self.request("payments", Method::POST, template, target, session)?;
        let request = self.present(request)?.json(&body)?.moving_money();
        let response = self.call(chain, request).await?;
        if response.is_success() {
            // Exempt from approval: it is on its way.
            let (payment, progress) = wire::standing(&response, true)?;
            if payment.is_empty() {
                return Err(response.unclear(Failed::Malfunction, "schema"));
            }
            return Ok(Verdict::Initiated(Initiated {
                payment,
                product: product.to_owned(),
                progress,
                approve: None,
                needs_approval: false,
            }));
        }
        let fault = wire::fault(&response);
        let link = match fault.link {
            Some(link) if fault.code == wire::SCA && !link.id.is_empty() => link,
            Some(_) | None if fault.code == wire::SCA => {
                return Err(response.unclear(Failed::Malfunction, "schema"));
            }
            Some(_) | None => return Err(wire::refusal(&response, false)),
        };
        // The order is there, and its name must not be lost: without a page it stands until its
        // time is over.
        let approve = match self.approval(chain, order, &link.href).await {
            Ok(page) => Some(page),
            Err(failure) => {
                tracing::warn!(code = failure.code, "a payment has no page to approve it on");
                None
            }
        };
        Ok(Verdict::Initiated(Initiated {
            payment: link.id,
            product: product.to_owned(),
            progress: Progress {
                status: PaymentStatus::Received,
                is_approved: false,
                is_failed: false,
                lacks_funds: false,
            },
            approve,
            needs_approval: true,
        }))
    }

    /// Where the customer approves. The link of the error leads to Neonomics, which has the one to
    /// the bank; or to the bank itself.
    async fn approval(&self, chain: &Chain, order: &Order, href: &str) -> Result<String, Failure> {
        let Some(target) = self.executor.own_target(href) else { return self.page(href) };
        let template = "/ics/v3/payments/{product}/{payment}/authorize";
        let session = &order.debtor.consent;
        let request = self.request("payments", Method::GET, template, target, session)?;
        let request = self.present(request)?.header("x-redirect-url", &self.back(&order.state))?;
        let response = self.call(chain, request).await?;
        let body: Value = success(response, true)?.json()?;
        let link = wire::link(&body).ok_or_else(|| failed(Failed::Malfunction, "schema"))?;
        self.page(&link.href)
    }

    /// Says how a payment stands, and completes it if that is still to do: only what the bank says
    /// is before completion, because completing twice may pay twice.
    async fn status(&self, chain: &Chain, payment: &PaymentRef) -> Result<Progress, Failure> {
        let progress = self.look(chain, payment).await?;
        if !payment.may_complete || !wire::is_before_completion(progress.status) {
            return Ok(progress);
        }
        let target = format!("{}/complete", path(payment)?);
        let template = "/ics/v3/payments/{product}/{payment}/complete";
        let session = &payment.debtor.consent;
        let request = self.request("payments", Method::POST, template, target, session)?;
        let request = self.present(request)?.json(&json!({}))?.moving_money();
        let response = self.call(chain, request).await?;
        if response.is_success() {
            return wire::standing(&response, true).map(|(_, progress)| progress);
        }
        match wire::fault(&response).code.as_str() {
            wire::SCA => Ok(progress),
            _ => Err(wire::refusal(&response, true)),
        }
    }

    /// How a payment stands, without moving it.
    async fn look(&self, chain: &Chain, payment: &PaymentRef) -> Result<Progress, Failure> {
        let template = "/ics/v3/payments/{product}/{payment}";
        let session = &payment.debtor.consent;
        let request = self.request("payments", Method::GET, template, path(payment)?, session)?;
        let response = success(self.call(chain, self.present(request)?).await?, true)?;
        wire::standing(&response, false).map(|(_, progress)| progress)
    }

    /// Neonomics takes nothing back: the payment is not completed any more.
    async fn cancel(&self, chain: &Chain, payment: &PaymentRef) -> Result<Verdict, Failure> {
        let progress = self.look(chain, payment).await?;
        match progress.status {
            PaymentStatus::Rejected | PaymentStatus::Cancelled => Ok(Verdict::Cancelled),
            PaymentStatus::InProcess | PaymentStatus::Settled | PaymentStatus::Credited => {
                Ok(Verdict::TooLate)
            }
            PaymentStatus::Received
            | PaymentStatus::Pending
            | PaymentStatus::PartlyAuthorised
            | PaymentStatus::Technical
            | PaymentStatus::FundsChecked
            | PaymentStatus::CustomerProfile
            | PaymentStatus::WithChange
            | PaymentStatus::WithoutPosting
            | PaymentStatus::Partial => Err(failed(Failed::NotSupported, "cancel")),
        }
    }

    /// Looks for an order in the account's transactions. What is not booked is not shown, so not
    /// finding it proves nothing.
    async fn search(&self, chain: &Chain, order: &Order, since: Utc) -> Result<Verdict, Failure> {
        if order.mark.is_empty() {
            return Ok(Verdict::NotFound { is_complete: false });
        }
        // Some banks show the day of booking only.
        let from = Utc(since.0.saturating_sub(86_400_000));
        let lines = self.lines(chain, &order.debtor, from, Presence::Unattended).await?;
        if !lines.iter().any(|(_, line)| wire::is_of(line, order)) {
            return Ok(Verdict::NotFound { is_complete: false });
        }
        // What a transaction is called is not what its payment is.
        Ok(Verdict::Status(Progress {
            status: PaymentStatus::Settled,
            is_approved: true,
            is_failed: false,
            lacks_funds: false,
        }))
    }

    /// A request within a session.
    fn request(
        &self,
        service: &'static str,
        method: Method,
        template: &'static str,
        target: String,
        session: &str,
    ) -> Result<Request, Failure> {
        if session.is_empty() {
            return Err(failed(Failed::NotPermitted, "session"));
        }
        Request::new(service, method, template, target)
            .header("x-device-id", &self.device_id)?
            .header("x-session-id", session)
    }

    fn get(
        &self,
        service: &'static str,
        template: &'static str,
        target: String,
        session: &str,
        presence: Presence,
    ) -> Result<Request, Failure> {
        let request = self.request(service, Method::GET, template, target, session)?;
        let is_counted = matches!(presence, Presence::Unattended);
        let request = Request { is_counted, ..request };
        match (self.quirks.psu_headers, presence) {
            (PsuHeaders::Required | PsuHeaders::IfPresent, Presence::Attended) => {
                self.present(request)
            }
            // The address says that the customer is there.
            (PsuHeaders::Required | PsuHeaders::IfPresent, Presence::Unattended)
            | (PsuHeaders::Forbidden, _) => Ok(request),
        }
    }

    /// Whether the bank shows accounts to nobody but their customers.
    fn needs_customer(&self) -> bool {
        self.quirks.psu_headers == PsuHeaders::Required
    }

    /// With the address of the customer, without whom no payment is made.
    fn present(&self, request: Request) -> Result<Request, Failure> {
        request.header("x-psu-ip-address", &self.quirks.psu_ip)
    }

    /// Makes a call under our token, once more with a new one if it is refused.
    async fn call(&self, chain: &Chain, request: Request) -> Result<Response, Failure> {
        let request = chain.located(request, "x-psu-ip-address")?;
        let token = self.oauth.token(&self.executor, chain, None).await?;
        let bearer = |text: &str| format!("Bearer {text}");
        let first = request.clone().secret_header("authorization", &bearer(token.expose()))?;
        let response = self.executor.call(chain, first).await?;
        if response.status != 401 {
            return Ok(response);
        }
        // Refused at the door: nothing was carried out.
        let token = self.oauth.token(&self.executor, chain, Some(&token)).await?;
        let again = request.secret_header("authorization", &bearer(token.expose()))?;
        let response = self.executor.call(chain, again).await?;
        if response.status == 401 {
            return Err(response.refused(Failed::Malfunction, "token"));
        }
        Ok(response)
    }

    /// An address that a customer can be sent to.
    fn page(&self, href: &str) -> Result<String, Failure> {
        self.executor.page(href).ok_or_else(|| failed(Failed::Malfunction, "link"))
    }

    /// Where the customer comes back to.
    fn back(&self, state: &[u8; 16]) -> String {
        format!("{}?s={}", self.callback_url, hex(state))
    }
}

const fn presence(is_attended: bool) -> Presence {
    if is_attended { Presence::Attended } else { Presence::Unattended }
}

fn path(payment: &PaymentRef) -> Result<String, Failure> {
    if payment.payment.is_empty() || payment.product.is_empty() {
        return Err(failed(Failed::NotFound, "payment"));
    }
    Ok(format!("/ics/v3/payments/{}/{}", escape(&payment.product), escape(&payment.payment)))
}

fn success(response: Response, of_payment: bool) -> Result<Response, Failure> {
    if response.is_success() { Ok(response) } else { Err(wire::refusal(&response, of_payment)) }
}
