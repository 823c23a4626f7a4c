//! Approvals that take a step of ours after the customer has come back: at the bank's own
//! authorisation server (`scaOAuth`: OAuth 2 authorization code with PKCE, RFC 6749 4.1, RFC 7636,
//! RFC 8414), and those that the bank wants confirmed (`confirmation`).
//!
//! Nothing is remembered in between: the verifier comes with the enquiry, and which approval is
//! meant is asked of the bank. Whatever comes of it, how the payment stands is what the bank says
//! of the payment.

use super::consents::consent_path;
use super::outcome::Asked;
use super::payments::payment_path;
use super::wire::{AuthorisationResponse, Authorisations};
use super::{BerlinGroup, CONSENTS, PAYMENTS};
use crate::adapters::AdapterError;
use crate::executor::{Chain, Request, Response, failed};
use crate::oauth::{encode, escape};
use crate::random::hex;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use veksel_config::bridge::{ApprovalConfig, SecretSource};
use veksel_core::enquiry::{Confirmed, Failed, Failure, Secret, Verdict};

/// The service of authorisation servers, which has a breaker of its own.
const APPROVAL: &str = "approval";

/// Longest answer to a challenge that is handed on.
const CODE_MAX: usize = 2_048;

/// From 1.3.6 on there are approvals that have to be confirmed.
const CONFIRMS_FROM: u8 = 6;

/// `scaStatus` of an approval that its customer has given and that waits for us.
const UNCONFIRMED: &str = "unconfirmed";

/// Authorisations of a payment or a consent that are looked at, the newest of them.
const AUTHORISATIONS_MAX: usize = 3;

/// Where approvals of one kind are, for the audit trail, and what their errors are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Approved {
    service: &'static str,
    all: &'static str,
    each: &'static str,
    asked: Asked,
}

/// Of payments.
pub(super) const PAYMENT: Approved = Approved {
    service: PAYMENTS,
    all: "/v1/payments/{product}/{payment}/authorisations",
    each: "/v1/payments/{product}/{payment}/authorisations/{authorisation}",
    asked: Asked::Status,
};

/// Of consents.
const CONSENT: Approved = Approved {
    service: CONSENTS,
    all: "/v1/consents/{consent}/authorisations",
    each: "/v1/consents/{consent}/authorisations/{authorisation}",
    asked: Asked::Consent,
};

/// The authorisation server of a bank, and who we are there.
#[derive(Debug)]
pub(super) struct Approvals {
    /// Where its metadata are.
    server: String,
    client_id: String,
    client_secret: Option<Secret>,
}

/// What a server says of itself (RFC 8414), as much of it as is used.
#[derive(Deserialize)]
struct Metadata {
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Confirmation<'a> {
    confirmation_code: &'a str,
}

impl Approvals {
    pub(super) fn new(
        config: &ApprovalConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
    ) -> Result<Self, AdapterError> {
        Ok(Self {
            server: config.server.clone(),
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.as_ref().map(secret).transpose()?,
        })
    }
}

impl BerlinGroup {
    /// Where the customer approves a payment at the bank's authorisation server, or a word for why
    /// nobody can by us. A link may only lead to the server that is configured: an answer does not
    /// decide who gets our secret.
    pub(super) async fn authorisation_page(
        &self,
        chain: &Chain,
        link: &str,
        payment: &str,
        (state, verifier): (&[u8; 16], &Secret),
    ) -> Result<String, &'static str> {
        let (Some(approvals), Some(back)) = (&self.approvals, self.back(state)) else {
            return Err("sca_oauth");
        };
        let is_same = self.executor.page(link) == self.executor.page(&approvals.server);
        if !is_same {
            return Err("sca_oauth_server");
        }
        let metadata = self.metadata(chain, approvals).await.map_err(|failure| {
            tracing::warn!(code = failure.code, "an authorisation server does not say where it is");
            "sca_oauth_metadata"
        })?;
        let knows_s256 = |methods: &Vec<String>| methods.iter().any(|method| method == "S256");
        if !metadata.code_challenge_methods_supported.as_ref().is_none_or(knows_s256) {
            return Err("sca_oauth_pkce");
        }
        let challenge = digest(&SHA256, verifier.expose().as_bytes());
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", &approvals.client_id),
            ("scope", &format!("PIS:{payment}")),
            ("state", &hex(state)),
            ("redirect_uri", &back),
            ("code_challenge", &URL_SAFE_NO_PAD.encode(challenge)),
            ("code_challenge_method", "S256"),
        ]);
        let at = &metadata.authorization_endpoint;
        let mark = if at.contains('?') { '&' } else { '?' };
        self.executor.page(&format!("{at}{mark}{query}")).ok_or("sca_link")
    }

    async fn metadata(&self, chain: &Chain, approvals: &Approvals) -> Result<Metadata, Failure> {
        let target = approvals.server.as_str();
        let request =
            Request::new(APPROVAL, Method::GET, "{server}", target).identified(self.has_identity);
        let response = self.executor.call(chain, request).await?;
        if response.is_success() {
            response.json()
        } else {
            Err(response.refused(Failed::Unavailable, "metadata"))
        }
    }

    /// What a redirect brought back is exchanged or handed on, whichever the bank wants, and the
    /// bank is asked how it stands.
    pub(super) async fn confirm(
        &self,
        chain: &Chain,
        subject: &Confirmed,
        code: &Secret,
        (state, verifier): (&[u8; 16], &Secret),
    ) -> Result<Verdict, Failure> {
        let (path, of, exchanged) = match (subject, &self.approvals) {
            (Confirmed::Payment(payment), Some(approvals)) => {
                let token = self.exchange_code(chain, approvals, code, (state, verifier)).await?;
                (payment_path(&payment.product, &payment.payment), PAYMENT, Some(token))
            }
            (Confirmed::Payment(payment), None) => {
                (payment_path(&payment.product, &payment.payment), PAYMENT, None)
            }
            (Confirmed::Consent(account), _) => (consent_path(account)?, CONSENT, None),
        };
        // The newest that waits for us, if there is one.
        let all = match self.quirks.version {
            ..CONFIRMS_FROM => Vec::new(),
            _ => self.authorisations(chain, &of, &path).await?,
        };
        let waits = |(_, status): &(String, Option<String>)| status.as_deref() == Some(UNCONFIRMED);
        if let Some((approval, _)) = all.into_iter().rfind(waits) {
            let word = exchanged.as_ref().unwrap_or(code);
            let target = format!("{path}/authorisations/{}", escape(&approval));
            let mut request = Request::new(of.service, Method::PUT, of.each, target)
                .json(&Confirmation { confirmation_code: word.expose() })?
                .header("psu-ip-address", &self.quirks.psu_ip)?;
            // A second one is told that there is nothing left to confirm.
            request.is_repeatable = false;
            let response = self.send(chain, request, of.asked).await?;
            let body: AuthorisationResponse = response.json()?;
            if body.sca_status.as_deref() == Some("failed") {
                tracing::warn!("a bank does not take the confirmation of an approval");
            }
        }
        match subject {
            Confirmed::Payment(payment) => self.status(chain, payment).await,
            Confirmed::Consent(account) => self.consent_status(chain, account).await,
        }
    }

    /// The newest authorisations of a payment or a consent, the newest last, and how each stands.
    pub(super) async fn authorisations(
        &self,
        chain: &Chain,
        of: &Approved,
        path: &str,
    ) -> Result<Vec<(String, Option<String>)>, Failure> {
        let target = format!("{path}/authorisations");
        let list = Request::new(of.service, Method::GET, of.all, target.as_str());
        let list: Authorisations = self.send(chain, list, of.asked).await?.json()?;
        let ids = list.authorisation_ids;
        let newest = ids.len().saturating_sub(AUTHORISATIONS_MAX);
        let mut found = Vec::new();
        for id in ids.into_iter().skip(newest) {
            let one = format!("{target}/{}", escape(&id));
            let one = Request::new(of.service, Method::GET, of.each, one);
            let one: AuthorisationResponse = self.send(chain, one, of.asked).await?.json()?;
            found.push((id, one.sca_status));
        }
        Ok(found)
    }

    /// A code against a token, at the authorisation server (RFC 6749 4.1.3). Never twice: a code
    /// is good for once.
    async fn exchange_code(
        &self,
        chain: &Chain,
        approvals: &Approvals,
        code: &Secret,
        (state, verifier): (&[u8; 16], &Secret),
    ) -> Result<Secret, Failure> {
        let back = self.back(state).ok_or_else(|| failed(Failed::NotSupported, "sca_oauth"))?;
        if code.expose().len() > CODE_MAX {
            return Err(failed(Failed::Format, "code"));
        }
        let metadata = self.metadata(chain, approvals).await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &back),
            ("client_id", &approvals.client_id),
            ("code_verifier", verifier.expose()),
        ];
        if let Some(secret) = &approvals.client_secret {
            form.push(("client_secret", secret.expose()));
        }
        let target = metadata.token_endpoint;
        let request = Request::new(APPROVAL, Method::POST, "{token_endpoint}", target)
            .identified(self.has_identity)
            .body("application/x-www-form-urlencoded", encode(&form))?;
        let response = self.executor.call(chain, request).await?;
        if !response.is_success() {
            return Err(refused(&response));
        }
        let granted: Granted = response.json()?;
        if granted.access_token.is_empty() {
            return Err(response.refused(Failed::Malfunction, "token"));
        }
        Ok(Secret::new(granted.access_token))
    }
}

/// Why a code was not taken (RFC 6749 5.2).
fn refused(response: &Response) -> Failure {
    let body = serde_json::from_slice::<Refused>(&response.body);
    match (response.status, body.map(|body| body.error).unwrap_or_default().as_str()) {
        (_, "invalid_client" | "unauthorized_client") | (401 | 403, _) => {
            response.refused(Failed::Credentials, "code")
        }
        (_, "invalid_grant") => response.refused(Failed::Refused, "invalid_grant"),
        (429 | 502..=504, _) => response.refused(Failed::Unavailable, "code"),
        _ => response.refused(Failed::Malfunction, "code"),
    }
}
