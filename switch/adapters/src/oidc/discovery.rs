//! Where things are at the provider (`OpenID` Connect Discovery). The document is kept for a day
//! and fetched again when something behind it fails; what the configuration says goes before it.

use crate::executor::{Chain, Executor, Request, Response, failed};
use reqwest::Method;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use veksel_config::bridge::IdentityConfig;
use veksel_core::enquiry::{Failed, Failure};

/// After a fetch nobody fetches again for this long because something failed.
const DOUBT_FLOOR: Duration = Duration::from_secs(30);

/// What the document says, behind the configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Endpoints {
    /// `iss` of its tokens.
    pub(super) issuer: String,
    pub(super) authorize: String,
    pub(super) token: String,
    pub(super) jwks: String,
    /// Where requests go ahead of their person; `None` if the provider has no such place.
    pub(super) par: Option<String>,
    /// Ways to prove who one is; `None` if the document was not read.
    pub(super) auths: Option<Vec<String>>,
}

/// Part of `OpenID` Connect Discovery 3; what is not here is not used.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    pushed_authorization_request_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Discovery {
    url: String,
    said: Said,
    life: Duration,
    /// Something that the document led to failed.
    is_doubted: AtomicBool,
    /// Held while it is fetched, so that everybody who waits gets the same.
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    endpoints: Arc<Endpoints>,
    fetched: Instant,
}

/// What the configuration says.
#[derive(Clone, Debug)]
struct Said {
    issuer: Option<String>,
    authorize: Option<String>,
    token: Option<String>,
    jwks: Option<String>,
}

impl Discovery {
    pub(super) fn new(config: &IdentityConfig) -> Self {
        Self {
            url: config.discovery_url.clone(),
            said: Said {
                issuer: config.issuer.clone(),
                authorize: config.authorize_url.clone(),
                token: config.token_url.clone(),
                jwks: config.jwks_url.clone(),
            },
            life: Duration::from_millis(config.discovery_ms),
            is_doubted: AtomicBool::new(false),
            kept: Mutex::new(None),
        }
    }

    /// Something it led to does not answer as it should: it may have moved.
    pub(super) fn doubt(&self) {
        self.is_doubted.store(true, Ordering::Relaxed);
    }

    /// Where things are.
    ///
    /// # Errors
    ///
    /// If the document cannot be had, never could, and the configuration does not say it all.
    pub(super) async fn endpoints(
        &self,
        executor: &Executor,
        chain: &Chain,
    ) -> Result<Arc<Endpoints>, Failure> {
        let late = |_| failed(Failed::Late, "discovery");
        let mut kept = tokio::time::timeout(chain.left(), self.kept.lock()).await.map_err(late)?;
        if let Some(kept) = kept.as_ref() {
            let age = kept.fetched.elapsed();
            let is_doubted = self.is_doubted.load(Ordering::Relaxed) && age >= DOUBT_FLOOR;
            if age < self.life && !is_doubted {
                return Ok(Arc::clone(&kept.endpoints));
            }
        }
        match self.fetch(executor, chain).await {
            Ok(endpoints) => {
                let endpoints = Arc::new(endpoints);
                self.is_doubted.store(false, Ordering::Relaxed);
                let fetched = Instant::now();
                *kept = Some(Kept { endpoints: Arc::clone(&endpoints), fetched });
                Ok(endpoints)
            }
            // What held yesterday is a better guess than nothing.
            Err(failure) => match (kept.as_ref(), self.said.whole()) {
                (Some(kept), _) => Ok(Arc::clone(&kept.endpoints)),
                (None, Some(endpoints)) => Ok(Arc::new(endpoints)),
                (None, None) => Err(failure),
            },
        }
    }

    async fn fetch(&self, executor: &Executor, chain: &Chain) -> Result<Endpoints, Failure> {
        let request = Request::new("discovery", Method::GET, "{discovery_url}", self.url.as_str())
            .header("accept", "application/json")?;
        let response = executor.call(chain, request).await?;
        self.read(&response)
    }

    /// Where things are, by an answer with the document.
    ///
    /// # Errors
    ///
    /// If it is none, or that of another issuer.
    pub(super) fn read(&self, response: &Response) -> Result<Endpoints, Failure> {
        if !response.is_success() {
            return Err(response.refused(Failed::Malfunction, "discovery"));
        }
        let document: Document = response.json()?;
        self.said
            .over(document, &self.url)
            .ok_or_else(|| response.refused(Failed::Malfunction, "issuer"))
    }
}

impl Said {
    /// The document behind the configuration. `None` if it is that of another issuer, and nobody
    /// said that this is meant (`OpenID` Connect Discovery 4.3).
    fn over(&self, document: Document, url: &str) -> Option<Endpoints> {
        let is_own = url.strip_prefix(document.issuer.trim_end_matches('/')).is_some_and(|rest| {
            matches!(
                rest,
                "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server"
            )
        });
        if self.issuer.is_none() && !is_own {
            return None;
        }
        let or = |said: &Option<String>, found| said.clone().unwrap_or(found);
        let basic = || vec!["client_secret_basic".to_owned()];
        Some(Endpoints {
            issuer: or(&self.issuer, document.issuer),
            authorize: or(&self.authorize, document.authorization_endpoint),
            token: or(&self.token, document.token_endpoint),
            jwks: or(&self.jwks, document.jwks_uri),
            par: document.pushed_authorization_request_endpoint,
            // Left out it means this one.
            auths: Some(document.token_endpoint_auth_methods_supported.unwrap_or_else(basic)),
        })
    }

    /// All that is needed without the document.
    fn whole(&self) -> Option<Endpoints> {
        Some(Endpoints {
            issuer: self.issuer.clone()?,
            authorize: self.authorize.clone()?,
            token: self.token.clone()?,
            jwks: self.jwks.clone()?,
            par: None,
            auths: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(issuer: &str) -> Document {
        Document {
            issuer: issuer.to_owned(),
            authorization_endpoint: "https://a/auth".to_owned(),
            token_endpoint: "https://a/token".to_owned(),
            jwks_uri: "https://a/certs".to_owned(),
            pushed_authorization_request_endpoint: None,
            token_endpoint_auth_methods_supported: None,
        }
    }

    const NOTHING: Said = Said { issuer: None, authorize: None, token: None, jwks: None };

    #[test]
    fn a_document_is_that_of_its_issuer() {
        let url = "https://a/realm/.well-known/openid-configuration";
        for (issuer, is_own) in [
            ("https://a/realm", true),
            ("https://a/realm/", true),
            ("https://a", false),
            ("https://b/realm", false),
            ("", false),
        ] {
            assert_eq!(NOTHING.over(document(issuer), url).is_some(), is_own, "{issuer}");
        }
    }

    #[test]
    fn what_is_configured_goes_first() {
        let url = "https://a/.well-known/openid-configuration";
        let said = Said {
            issuer: Some("https://said".to_owned()),
            token: Some("https://said/token".to_owned()),
            ..NOTHING
        };
        let endpoints = said.over(document("https://elsewhere"), url).unwrap();
        assert_eq!(endpoints.issuer, "https://said");
        assert_eq!(endpoints.token, "https://said/token");
        assert_eq!(endpoints.authorize, "https://a/auth");
        assert_eq!(endpoints.auths, Some(vec!["client_secret_basic".to_owned()]));
        assert_eq!(said.whole(), None);
        let said = Said {
            authorize: Some("https://said/auth".to_owned()),
            jwks: Some("https://said/certs".to_owned()),
            ..said
        };
        assert_eq!(said.whole().unwrap().jwks, "https://said/certs");
    }
}
