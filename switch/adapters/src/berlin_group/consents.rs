//! Consents: asked for, looked after, given up.

use super::accounts::{day, parse_day};
use super::outcome::{self, Asked};
use super::wire::{
    Access, AccountReference, ConsentRequest, ConsentResponse, ConsentStatusResponse,
};
use super::{Approach, BerlinGroup, CONSENTS};
use crate::executor::{Chain, Request, Response, failed};
use crate::oauth::escape;
use reqwest::Method;
use veksel_core::Utc;
use veksel_core::enquiry::{BankAccount, ConsentState, Failed, Failure, Verdict};

/// Reads of an account in a day that its customer does not ask for; more only by agreement.
const FREQUENCY: u8 = 4;

impl BerlinGroup {
    pub(super) async fn ask_consent(
        &self,
        chain: &Chain,
        account: &BankAccount,
        state: [u8; 16],
        until: Utc,
    ) -> Result<Verdict, Failure> {
        let one = || vec![AccountReference::iban(&account.iban)];
        let body = ConsentRequest {
            access: Access { balances: one(), transactions: one() },
            recurring_indicator: true,
            valid_until: day(until),
            frequency_per_day: FREQUENCY,
            combined_service_indicator: false,
        };
        let request = Request::new(CONSENTS, Method::POST, "/v1/consents", "/v1/consents");
        let request = self.to_approve(request.json(&body)?, &state)?;
        let response = self.send(chain, request, Asked::Consent).await?;
        let body: ConsentResponse = response.json()?;
        let consent = body.consent_id.clone();
        if consent.is_empty() || !consent.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(response.unclear(Failed::Malfunction, "schema"));
        }
        match state_of(&response, &body.consent_status)? {
            ConsentState::Waiting => {}
            ConsentState::Valid => return Ok(Verdict::ConsentAsked { consent, approve: None }),
            ConsentState::Expired | ConsentState::Gone => {
                return Err(response.refused(Failed::NotPermitted, "consent"));
            }
        }
        let mut approach = Approach::of(&response, &body.links, None);
        let mut links = body.links;
        if let Approach::Start(href) = &approach {
            let target = self.executor.own_target(href);
            let target = target
                .unwrap_or_else(|| format!("/v1/consents/{}/authorisations", escape(&consent)));
            let template = "/v1/consents/{consent}/authorisations";
            let (begun, next) = self.begin(chain, template, target).await?;
            approach = Approach::of(&begun, &next.links, next.sca_status.as_deref());
            links = next.links;
        }
        match approach {
            Approach::None | Approach::Decoupled => {
                Ok(Verdict::ConsentAsked { consent, approve: None })
            }
            Approach::Redirect => match self.approval(&links) {
                Some(page) => Ok(Verdict::ConsentAsked { consent, approve: Some(page) }),
                None => Err(failed(Failed::NotSupported, "sca_link")),
            },
            Approach::Start(_) => Err(failed(Failed::NotSupported, "sca_start")),
            // Every read would need the customer's token, and nothing here keeps one.
            Approach::Oauth(_) => Err(failed(Failed::NotSupported, "sca_oauth")),
            Approach::Unsupported(word) => Err(failed(Failed::NotSupported, word)),
        }
    }

    pub(super) async fn consent_status(
        &self,
        chain: &Chain,
        account: &BankAccount,
    ) -> Result<Verdict, Failure> {
        let path = consent_path(account)?;
        let template = "/v1/consents/{consent}/status";
        let target = format!("{path}/status");
        let request = Request::new(CONSENTS, Method::GET, template, target);
        let response = self.send(chain, request, Asked::Consent).await?;
        let body: ConsentStatusResponse = response.json()?;
        let state = state_of(&response, &body.consent_status)?;
        if state != ConsentState::Valid {
            return Ok(Verdict::Consent { state, resource: String::new(), until: None });
        }
        // A bank that is only read with its customer is asked for it when that one reads.
        let found = match self.needs_customer() {
            true => None,
            false => self.find(chain, account, false).await?,
        };
        // Said by the consent as it stands; what it does not say is not known.
        let request = Request::new(CONSENTS, Method::GET, "/v1/consents/{consent}", path);
        let details = self.send(chain, request, Asked::Consent).await;
        let details = details.and_then(|response| response.json::<ConsentStatusResponse>());
        let until = details.ok().and_then(|details| parse_day(&details.valid_until?));
        Ok(Verdict::Consent { state, resource: found.unwrap_or_default(), until })
    }

    pub(super) async fn revoke(
        &self,
        chain: &Chain,
        account: &BankAccount,
    ) -> Result<Verdict, Failure> {
        let path = consent_path(account)?;
        let request = Request::new(CONSENTS, Method::DELETE, "/v1/consents/{consent}", path);
        let response = self.send_any(chain, request).await?;
        if !response.is_success() {
            let failure = outcome::failure(&response, Asked::Consent);
            // What is not there any more needs not be given up.
            if failure.why != Failed::NotPermitted {
                return Err(failure);
            }
        }
        let (state, resource, until) = (ConsentState::Gone, String::new(), None);
        Ok(Verdict::Consent { state, resource, until })
    }
}

pub(super) fn consent_path(account: &BankAccount) -> Result<String, Failure> {
    if account.consent.is_empty() {
        return Err(failed(Failed::NotPermitted, "consent"));
    }
    Ok(format!("/v1/consents/{}", escape(&account.consent)))
}

fn state_of(response: &Response, word: &str) -> Result<ConsentState, Failure> {
    match word {
        "received" | "partiallyAuthorised" => Ok(ConsentState::Waiting),
        "valid" => Ok(ConsentState::Valid),
        "expired" => Ok(ConsentState::Expired),
        "rejected" | "revokedByPsu" | "terminatedByTpp" => Ok(ConsentState::Gone),
        _ => Err(response.unclear(Failed::Malfunction, "schema")),
    }
}
