//! Banks by the Berlin Group's `NextGenPSD2` 1.3: balances, transactions, confirmation of funds,
//! consents and payments, with the particulars of each bank as data.
//!
//! `payments.rs`, `accounts.rs`, `consents.rs` and `approval.rs` say what is asked and what an
//! answer means; here is what all of it has in common: who we are, the number of each request, and
//! a token that is fetched anew once if the bank no longer takes it.

mod accounts;
mod approval;
mod consents;
mod order;
mod outcome;
mod payments;
mod push;
mod seal;
mod text;
mod wire;

pub use push::{Pushed, pushed};

use crate::adapters::{AdapterError, Parts};
use crate::executor::retry::REGISTERED;
use crate::executor::{Chain, Circuit, Executor, Request, Response};
use crate::oauth::{Oauth, escape};
use crate::random;
use approval::Approvals;
use outcome::Asked;
pub(crate) use seal::{Seal, Seals};
use std::sync::Arc;
use veksel_config::bridge::{
    ApprovalConfig, BankConfig, Identity, OauthConfig, PsuHeaders, Quirks,
};
use veksel_core::enquiry::{BankAccount, Enquiry, Failed, Failure, Verdict};
use wire::Links;

/// The service of accounts, which has a breaker of its own as each of them.
const ACCOUNTS: &str = "accounts";
const FUNDS: &str = "funds";
const CONSENTS: &str = "consents";
const PAYMENTS: &str = "payments";

/// One bank.
#[derive(Debug)]
pub(crate) struct BerlinGroup {
    executor: Arc<Executor>,
    name: String,
    quirks: Quirks,
    /// The beginning of every address we hand out; `None` if nobody may call us.
    public_url: Option<String>,
    /// Where customers come back to; `None` if nobody may call us.
    callback_url: Option<String>,
    seal: Option<Seals>,
    oauth: Option<Oauth>,
    approvals: Option<Approvals>,
    has_identity: bool,
}

impl BerlinGroup {
    /// A bank as it is configured.
    ///
    /// # Errors
    ///
    /// If a file, a secret or an address is not what it should be.
    pub(crate) fn new(
        bank: &BankConfig,
        (seal, oauth, approval): (Option<&Identity>, Option<&OauthConfig>, Option<&ApprovalConfig>),
        parts: &Parts<'_>,
    ) -> Result<Self, AdapterError> {
        let has_identity = bank.call.identity.is_some();
        let oauth = oauth.map(|oauth| Oauth::new(oauth, has_identity, parts.secret)).transpose()?;
        let executor = Executor::new(&bank.name, &bank.call, REGISTERED, parts.audit.clone())?;
        Ok(Self {
            executor: Arc::new(executor),
            name: bank.name.clone(),
            quirks: bank.quirks.clone(),
            public_url: parts.http.map(|http| http.public_url.trim_end_matches('/').to_owned()),
            callback_url: parts.callback_url(bank),
            seal: seal.map(Seals::new).transpose()?,
            oauth,
            approvals: approval.map(|it| Approvals::new(it, parts.secret)).transpose()?,
            has_identity,
        })
    }

    /// What makes its calls.
    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// What signs them, if anything does.
    pub(crate) const fn seals(&self) -> Option<&Seals> {
        self.seal.as_ref()
    }

    pub(crate) fn circuits(&self) -> Vec<Circuit> {
        self.executor.circuits()
    }

    /// Asks the bank.
    pub(crate) async fn ask(&self, chain: &Chain, enquiry: &Enquiry) -> Verdict {
        let found = match enquiry {
            Enquiry::Balances { account, is_attended } => {
                self.balances(chain, account, *is_attended).await
            }
            Enquiry::Transactions { account, from, most, is_attended } => {
                self.transactions(chain, account, *from, *most, *is_attended).await
            }
            Enquiry::Funds { account, amount } => self.funds(chain, account, *amount).await,
            Enquiry::Initiate(order) => self.initiate(chain, order).await,
            Enquiry::Status(payment) => self.status(chain, payment).await,
            Enquiry::Confirm { subject, code, state, verifier } => {
                self.confirm(chain, subject, code, (state, verifier)).await
            }
            Enquiry::Cancel(payment) => self.cancel(chain, payment).await,
            Enquiry::Search { order, since, may_repeat } => {
                self.search(chain, order, *since, *may_repeat).await
            }
            Enquiry::Consent { account, state, until } => {
                self.ask_consent(chain, account, *state, *until).await
            }
            Enquiry::ConsentStatus(account) => self.consent_status(chain, account).await,
            Enquiry::Revoke(account) => self.revoke(chain, account).await,
            Enquiry::Applicant { .. }
            | Enquiry::Review { .. }
            | Enquiry::Checks { .. }
            | Enquiry::Bill(_) => Err(crate::executor::failed(Failed::NotSupported, "enquiry")),
        };
        found.unwrap_or_else(Verdict::Failed)
    }

    /// Makes a call that the bank must answer with 2xx.
    async fn send(
        &self,
        chain: &Chain,
        request: Request,
        asked: Asked,
    ) -> Result<Response, Failure> {
        let response = self.send_any(chain, request).await?;
        if response.is_success() { Ok(response) } else { Err(outcome::failure(&response, asked)) }
    }

    /// Makes a call, whatever the bank answers.
    async fn send_any(&self, chain: &Chain, request: Request) -> Result<Response, Failure> {
        let request = chain.located(request, "psu-ip-address")?;
        let mut request = request.identified(self.has_identity);
        let Some(oauth) = &self.oauth else {
            return self.exchange(chain, request).await;
        };
        let token = oauth.token(&self.executor, chain, None).await?;
        let bearer = |token: &str| format!("Bearer {token}");
        request = request.secret_header("authorization", &bearer(token.expose()))?;
        let response = self.exchange(chain, request.clone()).await?;
        if !outcome::is_token(&response) {
            return Ok(response);
        }
        // Refused for its token, the request was not carried out, so it may be made again, once.
        let token = oauth.token(&self.executor, chain, Some(&token)).await?;
        request = request.secret_header("authorization", &bearer(token.expose()))?;
        self.exchange(chain, request).await
    }

    async fn exchange(&self, chain: &Chain, request: Request) -> Result<Response, Failure> {
        // A number that is given stays; otherwise every attempt has one of its own.
        let given = request.text_header("x-request-id").to_owned();
        let mut number = given.clone();
        let each = |request: &mut Request| {
            if given.is_empty() {
                number = random::uuid();
            }
            request.set_header("x-request-id", &number)?;
            self.seal.as_ref().map_or(Ok(()), |seals| seals.current().sign(request))
        };
        let mut response = self.executor.call_with(chain, request, each).await?;
        // A bank that leaves it out is forgiven. One that answers to another request is not: who
        // knows whose answer it is. Only the name of a payment must not be lost.
        let echo = response.header("x-request-id");
        if !echo.is_empty() && !echo.eq_ignore_ascii_case(&number) {
            if !(response.moved_money && response.is_success()) {
                return Err(response.unclear(Failed::Malfunction, "request_id"));
            }
            response.is_doubtful = true;
        }
        Ok(response)
    }

    /// With the headers about the customer that go with reading accounts. They say that the
    /// customer is there, and a bank does not count such reads: where nobody is, none is sent, also
    /// to a bank that wants them always, which is only read with its customer.
    fn about_customer(&self, request: Request, is_attended: bool) -> Result<Request, Failure> {
        let request = Request { is_counted: !is_attended, ..request };
        match self.quirks.psu_headers {
            _ if !is_attended => Ok(request),
            PsuHeaders::Required => request
                .header("psu-ip-address", &self.quirks.psu_ip)?
                .header("psu-user-agent", concat!("veksel/", env!("CARGO_PKG_VERSION"))),
            PsuHeaders::IfPresent => request.header("psu-ip-address", &self.quirks.psu_ip),
            PsuHeaders::Forbidden => Ok(request),
        }
    }

    /// Whether the bank shows accounts to nobody but their customers.
    fn needs_customer(&self) -> bool {
        self.quirks.psu_headers == PsuHeaders::Required
    }

    /// With the headers that go with whatever the customer must approve.
    fn to_approve(&self, request: Request, state: &[u8; 16]) -> Result<Request, Failure> {
        // Mandatory there, whatever the bank wants with accounts.
        let request = request.header("psu-ip-address", &self.quirks.psu_ip)?;
        let (Some(url), Some(back)) = (&self.public_url, self.back(state)) else {
            return request.header("tpp-redirect-preferred", "false");
        };
        let request = request
            .header("tpp-redirect-preferred", "true")?
            .header("tpp-redirect-uri", &back)?
            .header("tpp-nok-redirect-uri", &format!("{back}&nok=1"))?;
        if !self.quirks.wants_push {
            return Ok(request);
        }
        let push = format!("{url}/api/push/{}", escape(&self.name));
        request
            .header("tpp-notification-uri", &push)?
            .header("tpp-notification-content-preferred", "status=SCA,PROCESS,LAST")
    }

    /// Where the bank sends its customer back to; `None` if nobody may call us.
    fn back(&self, state: &[u8; 16]) -> Option<String> {
        let callback = self.callback_url.as_ref()?;
        Some(format!("{callback}?s={}", random::hex(state)))
    }

    /// Under the consent of an account; without one the bank is not asked.
    fn under_consent(request: Request, account: &BankAccount) -> Result<Request, Failure> {
        if account.consent.is_empty() {
            return Err(crate::executor::failed(Failed::NotPermitted, "consent"));
        }
        request.header("consent-id", &account.consent)
    }

    /// Where somebody goes to approve, as a whole address: a link of the answer, which may be
    /// relative.
    fn approval(&self, links: &Links) -> Option<String> {
        self.executor.page(&links.get("scaRedirect")?.href)
    }
}

/// How the customer is to approve what a bank has taken in, by its links and
/// `ASPSP-SCA-Approach`.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Approach {
    /// Not at all.
    None,
    /// On a page of the bank.
    Redirect,
    /// In the bank's app, which the bank sees to.
    Decoupled,
    /// At the bank's authorisation server, whose metadata are at this address.
    Oauth(String),
    /// Not before an authorisation is begun, at this address.
    Start(String),
    /// In a way that would need the customer's secrets, or that the bank does not say: a word for
    /// it.
    Unsupported(&'static str),
}

impl Approach {
    fn of(response: &Response, links: &Links, sca_status: Option<&str>) -> Self {
        if links.contains_key("scaRedirect") {
            return Self::Redirect;
        }
        if sca_status == Some("exempted") {
            return Self::None;
        }
        if let Some(server) = links.get("scaOAuth") {
            return Self::Oauth(server.href.clone());
        }
        if let Some(start) = links.get("startAuthorisation") {
            return Self::Start(start.href.clone());
        }
        let embedded = |name: &String| {
            name.starts_with("startAuthorisationWith")
                || name.starts_with("updatePsu")
                || matches!(name.as_str(), "selectAuthenticationMethod" | "authoriseTransaction")
        };
        let approach = response.header("aspsp-sca-approach").to_ascii_uppercase();
        match approach.as_str() {
            "EMBEDDED" => Self::Unsupported("sca_embedded"),
            "DECOUPLED" => Self::Decoupled,
            _ if links.keys().any(embedded) => Self::Unsupported("sca_embedded"),
            // With a redirect to come but no link to it nobody can approve anything.
            "REDIRECT" => Self::Unsupported("sca_redirect"),
            _ => Self::None,
        }
    }
}

#[cfg(test)]
mod tests;
