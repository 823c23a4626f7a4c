//! Sessions, the consents in them, and the accounts they let us see.

use super::{Neonomics, Presence, presence, success, wire};
use crate::executor::{Chain, Request, failed};
use crate::oauth::escape;
use reqwest::Method;
use serde_json::{Value, json};
use veksel_core::enquiry::{BankAccount, ConsentState, Failed, Failure, Verdict};

impl Neonomics {
    pub(super) async fn consent(
        &self,
        chain: &Chain,
        account: &BankAccount,
        state: &[u8; 16],
    ) -> Result<Verdict, Failure> {
        let template = "/ics/v3/session";
        let request = Request::new("consents", Method::POST, template, template)
            .header("x-device-id", &self.device_id)?
            .json(&json!({ "bankId": self.bank_id }))?;
        let body: Value = success(self.call(chain, request).await?, false)?.json()?;
        let session = body["sessionId"].as_str().unwrap_or_default().to_owned();
        if session.is_empty() {
            return Err(failed(Failed::Malfunction, "schema"));
        }
        let account = BankAccount { consent: session.clone(), ..account.clone() };
        match self.accounts(chain, &account, Presence::Attended).await {
            Ok(_) => return Ok(Verdict::ConsentAsked { consent: session, approve: None }),
            Err(failure) if failure.code == wire::CONSENT => {}
            Err(failure) => return Err(failure),
        }
        let target = format!("/ics/v3/consent/{}", escape(&session));
        let template = "/ics/v3/consent/{session}";
        let request = self.request("consents", Method::GET, template, target, &session)?;
        let request = self.present(request)?.header("x-redirect-url", &self.back(state))?;
        let body: Value = success(self.call(chain, request).await?, false)?.json()?;
        let link = wire::link(&body).ok_or_else(|| failed(Failed::Malfunction, "schema"))?;
        Ok(Verdict::ConsentAsked { consent: session, approve: Some(self.page(&link.href)?) })
    }

    pub(super) async fn consent_status(
        &self,
        chain: &Chain,
        account: &BankAccount,
    ) -> Result<Verdict, Failure> {
        // Until it is good, its customer is on the way through the pages of the bank.
        let presence = presence(self.needs_customer() && account.resource.is_empty());
        let (state, resource) = match self.accounts(chain, account, presence).await {
            Ok(accounts) => match wire::resource(&accounts, &account.iban) {
                Some(resource) => (ConsentState::Valid, resource),
                None => return Err(failed(Failed::NoAccount, "iban")),
            },
            Err(failure) if failure.code == wire::CONSENT => match account.resource.as_str() {
                "" => (ConsentState::Waiting, String::new()),
                // It was good once.
                _ => (ConsentState::Expired, String::new()),
            },
            Err(failure) => return Err(failure),
        };
        Ok(Verdict::Consent { state, resource, until: None })
    }

    /// Gives a session up, and what was allowed with it.
    pub(super) async fn revoke(
        &self,
        chain: &Chain,
        account: &BankAccount,
    ) -> Result<Verdict, Failure> {
        let target = format!("/ics/v3/session/{}", escape(&account.consent));
        let template = "/ics/v3/session/{session}";
        let session = &account.consent;
        let request = self.request("consents", Method::DELETE, template, target, session)?;
        success(self.call(chain, request).await?, false)?;
        let (state, resource) = (ConsentState::Gone, String::new());
        Ok(Verdict::Consent { state, resource, until: None })
    }

    pub(super) async fn accounts(
        &self,
        chain: &Chain,
        account: &BankAccount,
        presence: Presence,
    ) -> Result<Value, Failure> {
        let path = "/ics/v3/accounts";
        let request = self.get("accounts", path, path.to_owned(), &account.consent, presence)?;
        success(self.call(chain, request).await?, false)?.json()
    }

    /// What Neonomics calls an account.
    pub(super) async fn resource(
        &self,
        chain: &Chain,
        account: &BankAccount,
        presence: Presence,
    ) -> Result<String, Failure> {
        if !account.resource.is_empty() {
            return Ok(account.resource.clone());
        }
        let accounts = self.accounts(chain, account, presence).await?;
        let found = wire::resource(&accounts, &account.iban);
        found.ok_or_else(|| failed(Failed::NoAccount, "iban"))
    }
}
