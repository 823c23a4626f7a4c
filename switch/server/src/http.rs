//! The runtime that HTTP has of its own: third parties are asked on it, and callers are heard.

use crate::alert::Alerts;
use crate::callers::{CALLS_MAX, Callers};
use crate::enquirer::{Asks, Enquirer};
use crate::material::{secret, webhook_secrets};
use crate::notices::Notifier;
use crate::observe::Metrics;
use crate::outside::{Circuits, configured, identity};
use crate::platform::external;
use crate::spans::Spans;
use crate::start::{StartError, socket};
use crate::status::Status;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use veksel_adapters::providers::{Providers, Provides};
use veksel_api::{
    Bank, Bounds, Caller, Doors, Engine, Exchange, Integration, Secure, Tokens, Webhooks,
};
use veksel_config::bridge::{BankConfig, HttpConfig, KycProvider};
use veksel_config::{HTTP, ServiceMode, SwitchConfig};
use veksel_core::enquiry::Secret;
use veksel_link::TlsServer;
use veksel_store::Journal;

/// Threads for it.
const WORKERS: usize = 2;

/// How long requests and questions that are under way may take when the switch has ended.
const GRACE: Duration = Duration::from_millis(500);

/// Third parties: what asks them, and what knows their webhooks.
#[derive(Clone)]
pub struct Outside {
    /// Asks.
    pub asks: Arc<dyn Asks>,
    /// Knows the webhooks of the provider of identity checks.
    pub webhooks: Option<Arc<dyn Webhooks>>,
    /// Billers, and who tells customers something.
    pub providers: Arc<dyn Provides>,
}

/// What is there for every part of the switch.
pub(crate) struct Around<'a> {
    pub(crate) metrics: &'a Metrics,
    pub(crate) status: &'a Status,
    pub(crate) alerts: &'a Alerts,
    pub(crate) spans: &'a Spans,
}

/// The runtime and its listener.
pub(crate) struct Http {
    runtime: Runtime,
    address: Option<SocketAddr>,
    /// What is to be served, until it is.
    door: Option<(TcpListener, Option<Secure>, Doors)>,
    tls: Option<TlsServer>,
    /// How the breakers of whoever signs people in stand.
    circuits: Option<Circuits>,
    stop: Option<oneshot::Sender<()>>,
}

impl Http {
    /// Has the listener and whoever asks ready, if anything of it is configured, and the shard's
    /// ends of both.
    pub(crate) fn open(
        config: &SwitchConfig,
        outside: Option<Outside>,
        (exchange, journal): (Exchange, Option<Box<dyn Journal>>),
        around: &Around<'_>,
    ) -> Result<(Option<Self>, Enquirer, Callers), StartError> {
        let Around { metrics, status, alerts, spans } = *around;
        let bridge = &config.bridge;
        let (calling, calls) = mpsc::channel(CALLS_MAX);
        let callers = Callers::new(calls);
        let is_asked = outside.is_some()
            || !bridge.banks.is_empty()
            || bridge.kyc.is_some()
            || !bridge.providers.is_empty();
        if !is_asked && bridge.http.is_none() {
            return Ok((None, Enquirer::new(None), callers));
        }
        check_kyc(config)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("http")
            .enable_all()
            .build()?;
        let outside = match outside {
            None if is_asked => Some(configured(config, runtime.handle(), metrics, spans)?),
            outside => outside,
        };
        let asking = outside.as_ref().map(|outside| Arc::clone(&outside.asks));
        let notifier = match (&bridge.providers.notices, &outside) {
            (Some(notices), Some(outside)) => {
                let providers = Arc::clone(&outside.providers);
                Notifier::start(notices, providers, runtime.handle())?
            }
            (Some(_), None) | (None, _) => Notifier::default(),
        };
        let enquirer = Enquirer::new(asking.map(|asks| (runtime.handle().clone(), asks)));
        let enquirer = enquirer.with_notifier(notifier);
        let (address, door, tls, circuits, stop) = (None, None, None, None, None);
        let mut http = Self { runtime, address, door, tls, circuits, stop };
        if let Some(http_config) = &bridge.http {
            http.tls = self::tls(http_config)?;
            let listener = http.bind(http_config)?;
            let nobody: Arc<dyn Provides> = Arc::new(Providers::default());
            let (webhooks, providers) = match outside {
                Some(outside) => (outside.webhooks, outside.providers),
                None => (None, nobody),
            };
            let integration = integration(config, http_config, &exchange, providers)?;
            let external = external(config, exchange, journal, metrics, http.runtime.handle())?;
            let (counted, status) = (metrics.clone(), status.clone());
            let identity = identity(bridge, http.runtime.handle(), metrics, alerts)?;
            let (identity, circuits) = identity.unzip();
            http.circuits = circuits;
            let checks = bridge.kyc.as_ref().map(|kyc| kyc.provider.clone());
            let doors = Doors {
                engine: Engine::new(calling),
                webhooks,
                identity,
                banks: banks(&bridge.banks)?,
                token: token(http_config)?,
                external,
                is_loopback: listener.local_addr()?.ip().is_loopback(),
                body_max: usize::try_from(http_config.body_max).unwrap_or(usize::MAX),
                integration,
                health: Arc::new(move || status.health()),
                count: Arc::new(move |seen| counted.called(seen, checks.as_ref())),
            };
            let counted = metrics.clone();
            let secure = http
                .tls
                .clone()
                .map(|tls| Secure { tls, shaken: Arc::new(move |how| counted.shaken(HTTP, how)) });
            http.door = Some((listener, secure, doors));
        }
        Ok((Some(http), enquirer, callers))
    }

    fn bind(&mut self, config: &HttpConfig) -> Result<TcpListener, StartError> {
        let listener = self.runtime.block_on(TcpListener::bind(config.listen));
        let listener = listener.map_err(|source| socket(part(config), source))?;
        let address = listener.local_addr().map_err(|source| socket(part(config), source))?;
        self.address = Some(address);
        Ok(listener)
    }

    /// Begins to take what is called.
    pub(crate) fn serve(mut self) -> Self {
        if let Some(tls) = self.tls.clone() {
            self.runtime.spawn(tls.watch());
        }
        if let Some((listener, secure, doors)) = self.door.take() {
            let (stop, stopped) = oneshot::channel::<()>();
            let until = async { stopped.await.unwrap_or_default() };
            let router = veksel_api::router(doors);
            let bounds = Bounds::default();
            self.runtime.spawn(veksel_api::serve(listener, secure, router, bounds, until));
            self.stop = Some(stop);
        }
        self
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What it shakes hands with, if it speaks TLS.
    pub(crate) const fn tls(&self) -> Option<&TlsServer> {
        self.tls.as_ref()
    }

    /// How the breakers of whoever signs people in stand.
    pub(crate) const fn circuits(&self) -> Option<&Circuits> {
        self.circuits.as_ref()
    }

    /// Ends it, once the shard has ended.
    pub(crate) fn stop(self) {
        drop(self.stop);
        self.runtime.shutdown_timeout(GRACE);
    }
}

/// What errors call the listener.
fn part(config: &HttpConfig) -> String {
    format!("http listener {}", config.listen)
}

/// Its certificates and key, as they are now.
fn tls(config: &HttpConfig) -> Result<Option<TlsServer>, StartError> {
    let loaded = config.tls.as_ref().map(|own| TlsServer::load(HTTP, own)).transpose();
    loaded.map_err(|error| socket(part(config), io::Error::other(error)))
}

/// What callers over HTTP are served with; `None` if there are none.
fn integration(
    config: &SwitchConfig,
    http: &HttpConfig,
    exchange: &Exchange,
    providers: Arc<dyn Provides>,
) -> Result<Option<Integration>, StartError> {
    let callers = config.bridge.callers.iter().map(|own| {
        let part = format!("the key of caller \"{}\"", own.name);
        let key = own.key.as_ref().map(secret).transpose();
        let key = key.map_err(|why| StartError::Secret { part, why })?;
        Ok(Arc::new(Caller { config: own.clone(), key }))
    });
    let callers = callers.collect::<Result<Vec<_>, StartError>>()?;
    if callers.is_empty() {
        return Ok(None);
    }
    let tokens = http.tokens.as_ref().map(|own| {
        let wrong =
            |why: String| StartError::Secret { part: "`token_keys` of [http]".to_owned(), why };
        let place = own.keys.display();
        let keys = std::fs::read_to_string(&own.keys);
        let keys = keys.map_err(|error| wrong(format!("{place}: {error}")))?;
        let tokens = Tokens::new(&keys, &own.issuer, &own.audience);
        tokens.map_err(|error| wrong(format!("{place}: {error}")))
    });
    Ok(Some(Integration {
        exchange: exchange.clone(),
        callers,
        tokens: tokens.transpose()?,
        providers,
        handed: Arc::default(),
        answer: Duration::from_millis(http.answer_ms),
    }))
}

/// The banks as callers, in the order of the plan. The secrets of their pushes are read now.
fn banks(banks: &[BankConfig]) -> Result<Vec<Bank>, StartError> {
    let bank = |bank: &BankConfig| {
        let part = || format!("the secret of pushes of bank \"{}\"", bank.name);
        let push_secret = bank.push_secret.as_ref().map(secret).transpose();
        let push_secret = push_secret.map_err(|why| StartError::Secret { part: part(), why })?;
        Ok(Bank { name: bank.name.clone(), push_secret })
    };
    banks.iter().map(bank).collect()
}

/// What programs must know.
fn token(config: &HttpConfig) -> Result<Option<Secret>, StartError> {
    let Some(source) = &config.token else { return Ok(None) };
    let part = "the token of [http]".to_owned();
    secret(source).map(Some).map_err(|why| StartError::Secret { part, why })
}

/// Refuses to mix what is real with what is not: the provider of identity checks says by the
/// beginning of its token which of its worlds it is for.
fn check_kyc(config: &SwitchConfig) -> Result<(), StartError> {
    let Some(kyc) = &config.bridge.kyc else { return Ok(()) };
    // Which world a key of the other provider is for is written nowhere.
    if let KycProvider::Didit(_) = kyc.provider {
        let part = "the secrets of webhooks of [kyc]".to_owned();
        let read = webhook_secrets(kyc).map(drop);
        return read.map_err(|why| StartError::Secret { part, why });
    }
    let part = "`app_token` of [kyc]".to_owned();
    let token = secret(&kyc.app_token).map_err(|why| StartError::Secret { part, why })?;
    let is_real = config.mode == ServiceMode::Production;
    let wrong = if is_real && !config.allow_mock && token.expose().starts_with("sbx:") {
        "`service_mode` is \"production\", and the token of [kyc] is for a sandbox; \
         `allow_mock_in_prod = true` lets it be"
    } else if !is_real && token.expose().starts_with("prd:") {
        "the token of [kyc] is for production, and `service_mode` is not"
    } else {
        // Read here too, so that one that is missing shows now whoever verifies webhooks.
        let part = "the secrets of webhooks of [kyc]".to_owned();
        let read = webhook_secrets(kyc).map(drop);
        return read.map_err(|why| StartError::Secret { part, why });
    };
    Err(StartError::Outside(wrong.to_owned()))
}
