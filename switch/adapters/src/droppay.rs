//! `DropPay`, a payment institute with an interface of its own (http-contracts 1.4, 2.6).
//!
//! We are known by our certificate, the customer by a number and a password, and both only while a
//! session is begun; calls about money are made with a bearer token and without the certificate.
//! A payment is a Push: sent as a draft, which nobody can confirm, then made ready, then confirmed
//! by the customer in the app, and then there is a Transfer. So only making it ready can move
//! money.
//!
//! A session lasts ten hours from linking on (`session.rs`), which makes this provider unfit for
//! payments without the customer near by. The paths under `/bank/v1` are those of our sandbox; the
//! provider's public pages do not give them.

mod session;
mod wire;

use crate::adapters::{AdapterError, Parts};
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Circuit, Executor, Request, Response, failed};
use crate::oauth::escape;
use reqwest::Method;
use serde_json::json;
use session::{Access, SESSION_MS, Session};
use std::sync::Arc;
use std::time::SystemTime;
use veksel_config::bridge::{BankConfig, SecretSource};
use veksel_core::enquiry::{
    Ask, Balances, BankAccount, Confirmed, ConsentState, Enquiry, Failed, Failure, Initiated, Line,
    Money, Order, PaymentRef, Progress, Verdict,
};
use veksel_core::fact::PaymentStatus;
use veksel_core::time::Utc;
use wire::Push;

/// As the product of its payments.
const PRODUCT: &str = "push";

/// The adapter.
#[derive(Debug)]
pub(crate) struct DropPay {
    executor: Arc<Executor>,
    session: Session,
    remittance_max: u16,
}

impl DropPay {
    /// An adapter whose secrets are read now.
    ///
    /// # Errors
    ///
    /// If one cannot be, if the number is none the provider takes, or if there is no certificate
    /// to be known by.
    pub(crate) fn new(
        config: &BankConfig,
        (username, password): (&SecretSource, &SecretSource),
        parts: &Parts<'_>,
    ) -> Result<Self, AdapterError> {
        let wrong =
            |why: &str| AdapterError::Config { provider: config.name.clone(), why: why.to_owned() };
        if config.call.identity.is_none() {
            let why = "DropPay knows callers by a certificate (QWAC), and there is none: set \
                       `certificate` and `key` of its [[aspsp]]";
            return Err(wrong(why));
        }
        let username = (parts.secret)(username)?;
        if !wire::is_msisdn(username.expose()) {
            return Err(wrong("the username is not 39 and 6 to 12 digits, without + or 00"));
        }
        let session = Session::new(username, (parts.secret)(password)?);
        let executor = Executor::new(&config.name, &config.call, REGISTERED, parts.audit.clone())?;
        Ok(Self {
            executor: Arc::new(executor),
            session,
            remittance_max: config.quirks.remittance_max,
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
            Enquiry::Balances { account, .. } => {
                self.balances(chain, account).await.map(Verdict::Balances)
            }
            Enquiry::Transactions { account, from, most, .. } => {
                let lines = self.lines(chain, account, *from).await;
                lines.map(|lines| Verdict::Transactions {
                    lines: lines.into_iter().map(|(_, it)| it).take(usize::from(*most)).collect(),
                    balances: None,
                })
            }
            Enquiry::Funds { account, amount } => self.funds(chain, account, *amount).await,
            Enquiry::Initiate(order) => self.initiate(chain, order).await,
            Enquiry::Status(payment) => self.status(chain, payment).await.map(Verdict::Status),
            // Approved in an app: a redirect that brings a code back is nobody's we sent.
            Enquiry::Confirm { subject, .. } => match subject.as_ref() {
                Confirmed::Payment(payment) => {
                    self.status(chain, payment).await.map(Verdict::Status)
                }
                Confirmed::Consent(account) => self.standing(chain, account).await,
            },
            Enquiry::Cancel(payment) => self.cancel(chain, payment).await,
            Enquiry::Search { order, since, .. } => self.search(chain, order, *since).await,
            Enquiry::Consent { account, .. } => self.link(chain, account).await,
            Enquiry::ConsentStatus(account) => self.standing(chain, account).await,
            // There is nothing to give up but what we keep, and that ends by itself.
            Enquiry::Revoke(_) => Ok(consent(ConsentState::Gone, String::new(), None)),
            Enquiry::Applicant { .. }
            | Enquiry::Review { .. }
            | Enquiry::Checks { .. }
            | Enquiry::Bill(_) => Err(failed(Failed::NotSupported, "enquiry")),
        };
        verdict.unwrap_or_else(Verdict::Failed)
    }

    /// Begins a session. The customer approves nothing: number and password were enough.
    async fn link(&self, chain: &Chain, account: &BankAccount) -> Result<Verdict, Failure> {
        let began = wall_clock_ms();
        let access = self.session.begin(&self.executor, chain).await?;
        own(&access, account)?;
        Ok(Verdict::ConsentAsked { consent: began.to_string(), approve: None })
    }

    async fn standing(&self, chain: &Chain, account: &BankAccount) -> Result<Verdict, Failure> {
        let Some(until) = ends(account) else {
            return Ok(consent(ConsentState::Gone, String::new(), None));
        };
        if until.0 <= wall_clock_ms() {
            return Ok(consent(ConsentState::Expired, String::new(), None));
        }
        let access = self.session.access(&self.executor, chain, None).await?;
        own(&access, account)?;
        Ok(consent(ConsentState::Valid, account.iban.clone(), Some(until)))
    }

    async fn balances(&self, chain: &Chain, account: &BankAccount) -> Result<Balances, Failure> {
        let target = format!("/bank/v1/registry/{}", escape(&account.iban));
        let template = "/bank/v1/registry/{iban}";
        let request = Request::new("registry", Method::GET, template, target);
        let response = self.call(chain, account, request).await?;
        let response = success(response).map_err(|failure| match failure.why {
            Failed::NotFound => Failure { why: Failed::NoAccount, ..failure },
            _ => failure,
        })?;
        wire::balances(&response.body).ok_or_else(|| failed(Failed::Malfunction, "schema"))
    }

    async fn funds(
        &self,
        chain: &Chain,
        account: &BankAccount,
        amount: Money,
    ) -> Result<Verdict, Failure> {
        if amount.currency != wire::EUR {
            return Err(failed(Failed::NotSupported, "currency"));
        }
        let balances = self.balances(chain, account).await?;
        let is_there = i64::try_from(amount.minor).is_ok_and(|it| it <= balances.available);
        Ok(Verdict::Funds(is_there))
    }

    async fn lines(
        &self,
        chain: &Chain,
        account: &BankAccount,
        from: Utc,
    ) -> Result<Vec<(String, Line)>, Failure> {
        let target = format!("/bank/v1/transfer?account={}", escape(&account.iban));
        let request = Request::new("transfers", Method::GET, "/bank/v1/transfer", target);
        let response = success(self.call(chain, account, request).await?)?;
        let lines = wire::lines(&response.body, &account.iban, from);
        lines.ok_or_else(|| failed(Failed::Malfunction, "schema"))
    }

    async fn initiate(&self, chain: &Chain, order: &Order) -> Result<Verdict, Failure> {
        let body = wire::draft(order, self.remittance_max)?;
        let target = "/bank/v1/push";
        let request = Request::new("payments", Method::POST, target, target);
        let request = request.body("application/json", body)?;
        // A draft moves nothing, so a failure up to here leaves nothing open.
        let draft = wire::push(&success(self.call(chain, &order.debtor, request).await?)?)?;
        let ready = match self.make_ready(chain, order, &draft).await {
            Ok(ready) => Some(ready),
            // Stated to be not ready: then nobody can confirm it.
            Err(failure) if !failure.is_open => return Err(failure),
            Err(failure) => {
                tracing::warn!(code = failure.code, "whether a payment is ready is not known");
                self.push(chain, &order.debtor, &draft.id).await.ok()
            }
        };
        // It has a name, which must not be lost; how it stands will be asked.
        let push = ready.filter(|push| push.id == draft.id).unwrap_or(draft);
        let progress = wire::progress_of_push(&push.status).unwrap_or(Progress {
            status: PaymentStatus::Received,
            is_approved: false,
            is_failed: false,
            lacks_funds: false,
        });
        let approve = self.executor.page(&push.sharing);
        Ok(Verdict::Initiated(Initiated {
            payment: push.id,
            product: PRODUCT.to_owned(),
            progress,
            approve,
            needs_approval: true,
        }))
    }

    /// Offers a draft to the customer, who may confirm it from then on.
    async fn make_ready(
        &self,
        chain: &Chain,
        order: &Order,
        draft: &Push,
    ) -> Result<Push, Failure> {
        let target = format!("/bank/v1/push/{}", escape(&draft.id));
        let template = "/bank/v1/push/{id}";
        let request = Request::new("payments", Method::PATCH, template, target)
            .json(&json!({ "status": "READY" }))?
            .moving_money();
        wire::push(&success(self.call(chain, &order.debtor, request).await?)?)
    }

    async fn push(&self, chain: &Chain, debtor: &BankAccount, id: &str) -> Result<Push, Failure> {
        let target = format!("/bank/v1/push/{}", escape(id));
        let request = Request::new("payments", Method::GET, "/bank/v1/push/{id}", target);
        wire::push(&success(self.call(chain, debtor, request).await?)?)
    }

    async fn status(&self, chain: &Chain, payment: &PaymentRef) -> Result<Progress, Failure> {
        let request = Request::new("payments", Method::GET, "/bank/v1/push/{id}", path(payment)?);
        let response = success(self.call(chain, &payment.debtor, request).await?)?;
        let push = wire::push(&response)?;
        let unknown = || failed(Failed::Malfunction, "status");
        if push.transfer.is_empty() {
            return wire::progress_of_push(&push.status).ok_or_else(unknown);
        }
        let target = format!("/bank/v1/transfer/{}", escape(&push.transfer));
        let template = "/bank/v1/transfer/{id}";
        let request = Request::new("transfers", Method::GET, template, target);
        let response = success(self.call(chain, &payment.debtor, request).await?)?;
        let body: serde_json::Value = response.json()?;
        let status = body["status"].as_str().unwrap_or_default();
        wire::progress_of_transfer(status).ok_or_else(unknown)
    }

    async fn cancel(&self, chain: &Chain, payment: &PaymentRef) -> Result<Verdict, Failure> {
        let target = path(payment)?;
        let request = Request::new("payments", Method::DELETE, "/bank/v1/push/{id}", target);
        match success(self.call(chain, &payment.debtor, request).await?) {
            Ok(_) => Ok(Verdict::Cancelled),
            Err(failure) if failure.why == Failed::CannotReverse => Ok(Verdict::TooLate),
            Err(failure) => Err(failure),
        }
    }

    /// Looks for an order among the transfers. One that waits for the app is not among them, so
    /// not finding it proves nothing.
    async fn search(&self, chain: &Chain, order: &Order, since: Utc) -> Result<Verdict, Failure> {
        if order.mark.is_empty() {
            return Ok(Verdict::NotFound { is_complete: false });
        }
        // Some clocks are not ours.
        let from = Utc(since.0.saturating_sub(86_400_000));
        let lines = self.lines(chain, &order.debtor, from).await?;
        if !lines.iter().any(|(_, line)| wire::is_of(line, order)) {
            return Ok(Verdict::NotFound { is_complete: false });
        }
        // What a transfer is called is not what its payment is.
        Ok(Verdict::Status(Progress {
            status: PaymentStatus::Settled,
            is_approved: true,
            is_failed: false,
            lacks_funds: false,
        }))
    }

    /// Makes a call under a token and without the certificate, once more with a new token if it is
    /// refused.
    async fn call(
        &self,
        chain: &Chain,
        account: &BankAccount,
        request: Request,
    ) -> Result<Response, Failure> {
        if ends(account).is_none_or(|until| until.0 <= wall_clock_ms()) {
            return Err(failed(Failed::NotPermitted, "session_over"));
        }
        let access = self.session.access(&self.executor, chain, None).await?;
        own(&access, account)?;
        let bearer = |access: &Access| format!("Bearer {}", access.token.expose());
        let first = request.clone().secret_header("authorization", &bearer(&access))?;
        let response = self.executor.call(chain, first).await?;
        if response.status != 401 {
            return Ok(response);
        }
        // Refused at the door: nothing was carried out.
        let access = self.session.access(&self.executor, chain, Some(&access.token)).await?;
        let again = request.secret_header("authorization", &bearer(&access))?;
        let response = self.executor.call(chain, again).await?;
        if response.status == 401 {
            return Err(response.refused(Failed::Malfunction, "token"));
        }
        Ok(response)
    }
}

/// The account must be one of the session's customer.
fn own(access: &Access, account: &BankAccount) -> Result<(), Failure> {
    if access.accounts.contains(&account.iban) {
        return Ok(());
    }
    Err(failed(Failed::NoAccount, "droppay_accounts"))
}

/// When the session that an account was linked in is over; `None` if it never was.
fn ends(account: &BankAccount) -> Option<Utc> {
    let began: u64 = account.consent.parse().ok()?;
    Some(Utc(began.saturating_add(SESSION_MS)))
}

fn consent(state: ConsentState, resource: String, until: Option<Utc>) -> Verdict {
    Verdict::Consent { state, resource, until }
}

fn path(payment: &PaymentRef) -> Result<String, Failure> {
    if payment.payment.is_empty() {
        return Err(failed(Failed::NotFound, "payment"));
    }
    Ok(format!("/bank/v1/push/{}", escape(&payment.payment)))
}

fn success(response: Response) -> Result<Response, Failure> {
    if response.is_success() { Ok(response) } else { Err(wire::refusal(&response)) }
}

fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
