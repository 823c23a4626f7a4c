//! Where things are at the provider (`OpenID` Connect Discovery). The document is kept for a day
//! and fetched again when something behind it fails; what the configuration says goes before it.
//! Nobody waits for another document while there is one.

use crate::executor::{Chain, Executor, Request, Response};
use crate::flight::{Flight, Known, Step};
use reqwest::Method;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use veksel_config::bridge::IdentityConfig;
use veksel_core::enquiry::{Failed, Failure};

/// After a fetch, whatever came of it, nobody fetches again for this long because something failed.
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
    place: Arc<Place>,
    life: Duration,
    /// When something that the document led to failed last.
    doubted: Mutex<Option<Instant>>,
    kept: Flight<Arc<Endpoints>, Failure>,
}

/// Where the document is, and what goes before it.
#[derive(Debug)]
struct Place {
    url: String,
    said: Said,
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
        let said = Said {
            issuer: config.issuer.clone(),
            authorize: config.authorize_url.clone(),
            token: config.token_url.clone(),
            jwks: config.jwks_url.clone(),
        };
        let place = Place { url: config.discovery_url.clone(), said };
        Self::at(place, Duration::from_millis(config.discovery_ms))
    }

    fn at(place: Place, life: Duration) -> Self {
        let place = Arc::new(place);
        Self { place, life, doubted: Mutex::default(), kept: Flight::default() }
    }

    /// Something it led to does not answer as it should: it may have moved.
    pub(super) fn doubt(&self) {
        *self.doubted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Where things are.
    ///
    /// # Errors
    ///
    /// If the document cannot be had, never could, and the configuration does not say it all.
    pub(super) async fn endpoints(
        &self,
        executor: &Arc<Executor>,
        chain: &Chain,
    ) -> Result<Arc<Endpoints>, Failure> {
        let whole = self.place.said.whole().map(Arc::new);
        // Who can do without it keeps time to do so.
        let until = match whole {
            Some(_) => Instant::now() + chain.left() / 2,
            None => chain.ends(),
        };
        let judge = |known: &mut Known<Arc<Endpoints>, Failure>| {
            let fetch = fetch(Arc::clone(&self.place), Arc::clone(executor), chain.apart());
            let is_too_soon = known.failed_within(DOUBT_FLOOR).is_some();
            match (known.kept(), &whole) {
                // What held yesterday is a better guess than nothing.
                (Some((kept, at)), _) if is_too_soon || self.is_good(at) => {
                    Step::Take(Arc::clone(kept))
                }
                (Some((kept, _)), _) => Step::Renew(Arc::clone(kept), fetch),
                (None, Some(whole)) if is_too_soon => Step::Take(Arc::clone(whole)),
                (None, _) => Step::Fetch(fetch),
            }
        };
        let found = self.kept.get(until, judge).await;
        found.or_else(|missed| whole.ok_or_else(|| missed.failure("discovery")))
    }

    /// Where things are, by an answer with the document.
    ///
    /// # Errors
    ///
    /// If it is none, or that of another issuer.
    pub(super) fn read(&self, response: &Response) -> Result<Endpoints, Failure> {
        self.place.read(response)
    }

    /// Whether a document of then needs no other.
    fn is_good(&self, at: Instant) -> bool {
        let doubted = *self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_doubted = doubted.is_some_and(|doubted| doubted >= at);
        at.elapsed() < if is_doubted { self.life.min(DOUBT_FLOOR) } else { self.life }
    }
}

async fn fetch(
    place: Arc<Place>,
    executor: Arc<Executor>,
    chain: Chain,
) -> Result<Arc<Endpoints>, Failure> {
    let request = Request::new("discovery", Method::GET, "{discovery_url}", place.url.as_str())
        .header("accept", "application/json")?;
    let response = executor.call(&chain, request).await?;
    place.read(&response).map(Arc::new)
}

impl Place {
    fn read(&self, response: &Response) -> Result<Endpoints, Failure> {
        if !response.is_success() {
            return Err(response.refused(Failed::Malfunction, "discovery"));
        }
        let document: Document = response.json()?;
        let endpoints = self.said.over(document, &self.url);
        endpoints.ok_or_else(|| response.refused(Failed::Malfunction, "issuer"))
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
    use crate::executor::audit::audit;
    use crate::executor::retry::REGISTERED;
    use crate::executor::tests::server::{Act, Server, json};
    use crate::executor::tests::skip;
    use tokio::task::JoinSet;
    use tokio::time::timeout;
    use veksel_config::bridge::CallConfig;

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

    /// What a provider at this address publishes.
    fn published(server: &Server) -> Act {
        let url = server.url();
        json(
            200,
            &serde_json::json!({
                "issuer": url,
                "authorization_endpoint": format!("{url}/auth"),
                "token_endpoint": format!("{url}/token"),
                "jwks_uri": format!("{url}/certs"),
            })
            .to_string(),
        )
    }

    struct Rig {
        server: Server,
        executor: Arc<Executor>,
        discovery: Arc<Discovery>,
    }

    impl Rig {
        /// A document and then these, kept for a day.
        async fn new(acts: Vec<Act>, said: Said) -> Self {
            let server = Server::start(Vec::new()).await;
            server.will([vec![published(&server)], acts].concat());
            let call = CallConfig {
                read_ms: 60_000,
                retries: 0,
                breaker_failures: 0,
                allow_private: true,
                ..CallConfig::at(&server.url())
            };
            let executor = Executor::new("bankid", &call, REGISTERED, audit(64).0).unwrap();
            let url = format!("{}/.well-known/openid-configuration", server.url());
            let discovery = Discovery::at(Place { url, said }, Duration::from_secs(86_400));
            Self { server, executor: Arc::new(executor), discovery: Arc::new(discovery) }
        }

        async fn get(&self, within_ms: u64) -> Result<Arc<Endpoints>, Failure> {
            self.discovery.endpoints(&self.executor, &Chain::new(within_ms, "")).await
        }

        /// As many as that at once, who would wait for minutes, all with the first document.
        async fn all(&self, most: usize) {
            let issuer = self.server.url();
            let mut all: JoinSet<_> = JoinSet::new();
            for _ in 0..most {
                let (discovery, executor) = (self.discovery.clone(), self.executor.clone());
                all.spawn(async move {
                    let chain = Chain::new(600_000, "");
                    discovery.endpoints(&executor, &chain).await
                });
            }
            let found = timeout(Duration::from_secs(20), all.join_all()).await.unwrap();
            assert!(found.iter().all(|found| found.as_ref().unwrap().issuer == issuer));
        }

        async fn asked(&self, requests: usize, is_under_way: bool) {
            for _ in 0..6_000 {
                let now = self.discovery.kept.look(Known::is_under_way);
                if self.server.requests().len() == requests && now == is_under_way {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("{:?} and not {requests}", self.server.requests());
        }
    }

    #[tokio::test]
    async fn a_silent_provider_keeps_nobody_who_knows_where_things_are() {
        let rig = Rig::new(vec![Act::Nothing], NOTHING).await;
        assert!(rig.get(60_000).await.is_ok());
        rig.discovery.doubt();
        skip(DOUBT_FLOOR).await;
        rig.all(5).await;
        rig.asked(2, true).await;
        rig.all(5).await;
        rig.asked(2, true).await;
        // So with a document that is a day old.
        let rig = Rig::new(vec![Act::Nothing], NOTHING).await;
        assert!(rig.get(60_000).await.is_ok());
        skip(Duration::from_secs(86_400)).await;
        rig.all(5).await;
        rig.asked(2, true).await;
    }

    #[tokio::test]
    async fn a_document_that_is_not_to_be_had_is_asked_for_every_thirty_seconds() {
        let rig = Rig::new(vec![json(500, "{}"), json(404, "{}")], NOTHING).await;
        assert!(rig.get(60_000).await.is_ok());
        skip(Duration::from_secs(86_400)).await;
        for requests in 2..=3 {
            rig.all(1).await;
            rig.asked(requests, false).await;
            // It failed just now: nobody asks again.
            rig.all(5).await;
            rig.asked(requests, false).await;
            skip(DOUBT_FLOOR).await;
        }
        rig.server.will(vec![published(&rig.server)]);
        rig.all(1).await;
        rig.asked(4, false).await;
        assert!(rig.discovery.kept.look(|known| known.failed_within(Duration::MAX).is_none()));
    }

    #[tokio::test]
    async fn who_has_less_time_gives_up_first_and_what_is_configured_stands_alone() {
        let rig = Rig::new(Vec::new(), NOTHING).await;
        rig.server.will(vec![Act::Nothing]);
        let late = rig.get(200).await.unwrap_err();
        assert_eq!((late.why, late.code.as_str()), (Failed::Late, "discovery"));
        // Whoever comes later joins, and has no more time for it than it has.
        assert_eq!(rig.get(200).await.unwrap_err().why, Failed::Late);
        rig.asked(1, true).await;
        let text = |path: &str| Some(format!("https://said/{path}"));
        let said = Said {
            issuer: text(""),
            authorize: text("auth"),
            token: text("token"),
            jwks: text("certs"),
        };
        let rig = Rig::new(Vec::new(), said).await;
        rig.server.will(vec![Act::Nothing]);
        let chain = Chain::new(20_000, "");
        let over = async {
            rig.asked(1, true).await;
            skip(Duration::from_secs(10)).await;
        };
        let (found, ()) = tokio::join!(rig.discovery.endpoints(&rig.executor, &chain), over);
        assert_eq!(found.unwrap().issuer, "https://said/");
        assert!(!chain.left().is_zero(), "nothing is left to go on with");
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
