//! Every third party of the configuration, each behind its adapter, and the way from an enquiry to
//! the one it is for.

mod renewal;

use crate::berlin_group::BerlinGroup;
use crate::didit::Didit;
use crate::droppay::DropPay;
use crate::executor::audit::AuditSink;
use crate::executor::trace::Traces;
use crate::executor::{Chain, Circuit, Executor, failed};
use crate::neonomics::Neonomics;
use crate::sumsub::Sumsub;
pub use renewal::Certificate;
use std::path::PathBuf;
use std::time::Duration;
use veksel_config::bridge::{
    BankConfig, BankProfile, BridgeConfig, HttpConfig, KycConfig, KycProvider, SecretSource,
};
use veksel_core::enquiry::{Addressee, Ask, Failed, Failure, Secret, Verdict};

/// What is left for saying so when the time of an enquiry is over, in milliseconds.
const GRACE_MS: u64 = 20;

/// Why the adapters of a configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A secret is not there.
    #[error("{place} {why}")]
    Secret {
        /// Where it should be.
        place: String,
        /// What is wrong.
        why: &'static str,
    },
    /// An address is none that may be called.
    #[error("the address {url} {why}")]
    Url {
        /// Which.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// TLS cannot be spoken as configured.
    #[error("TLS to {url}: {source}")]
    Tls {
        /// To whom.
        url: String,
        /// Why.
        source: rustls::Error,
    },
    /// There can be no client.
    #[error("calls to {url}: {why}")]
    Client {
        /// To whom.
        url: String,
        /// Why.
        why: String,
    },
    /// A bank or provider is configured in a way its adapter does not know.
    #[error("{provider}: {why}")]
    Config {
        /// Its name.
        provider: String,
        /// What is wrong.
        why: String,
    },
}

/// What adapters are made with.
pub(crate) struct Parts<'a> {
    /// Where we are called; `None` if nobody may.
    pub(crate) http: Option<&'a HttpConfig>,
    /// Reads a secret.
    pub(crate) secret: &'a dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
    /// Where the audit trail goes.
    pub(crate) audit: AuditSink,
}

impl Parts<'_> {
    /// Where customers of a bank are sent back to; `None` if nobody may call us.
    pub(crate) fn callback_url(&self, bank: &BankConfig) -> Option<String> {
        let http = self.http?;
        let own = bank.callback_url.clone();
        let public = http.public_url.trim_end_matches('/');
        Some(own.unwrap_or_else(|| format!("{public}/api/payments/callback")))
    }
}

/// See the module.
#[derive(Debug)]
pub struct Adapters {
    banks: Vec<Bank>,
    kyc: Option<Kyc>,
    traces: Traces,
}

/// Who checks identities.
#[derive(Debug)]
enum Kyc {
    Sumsub(Box<Sumsub>),
    Didit(Box<Didit>),
}

#[derive(Debug)]
enum Bank {
    BerlinGroup(Box<BerlinGroup>),
    Neonomics(Box<Neonomics>),
    DropPay(Box<DropPay>),
}

impl Adapters {
    /// Makes the adapters of a configuration. Secrets and certificates are read now.
    ///
    /// # Errors
    ///
    /// If a file, a secret or an address is not what it should be.
    pub fn new(
        config: &BridgeConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
        audit: AuditSink,
    ) -> Result<Self, AdapterError> {
        let parts = Parts { http: config.http.as_ref(), secret, audit };
        let banks = config.banks.iter().map(|bank| Bank::new(bank, &parts));
        let banks = banks.collect::<Result<_, _>>()?;
        let kyc = config.kyc.as_ref().map(|kyc| Kyc::new(kyc, &parts)).transpose()?;
        Ok(Self { banks, kyc, traces: Traces::new(100) })
    }

    /// The same, whose calls are in these traces.
    #[must_use]
    pub fn recording(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Asks whom the enquiry is for. Never takes longer than the enquiry allows; giving it up
    /// half-way leaves nothing behind but what was sent.
    pub async fn ask(&self, ask: Ask) -> Verdict {
        let trace = self.traces.within(&ask.trace, ask.txn);
        let left_ms = ask.within_ms.saturating_sub(GRACE_MS);
        let chain = Chain::traced(left_ms, &ask.trace, trace).with_customer(ask.address);
        let whole = Duration::from_millis(ask.within_ms.min(86_400_000));
        let asked = tokio::time::timeout(whole, self.route(&chain, &ask)).await;
        asked.unwrap_or_else(|_| {
            Verdict::Failed(Failure {
                is_open: chain.is_open(),
                code: "deadline".to_owned(),
                ..Failure::before(Failed::Late)
            })
        })
    }

    /// How the breakers of the services that were called stand, for metrics and people.
    #[must_use]
    pub fn circuits(&self) -> Vec<Circuit> {
        let banks = self.banks.iter().flat_map(Bank::circuits);
        banks.chain(self.kyc.iter().flat_map(Kyc::circuits)).collect()
    }

    async fn route(&self, chain: &Chain, ask: &Ask) -> Verdict {
        match ask.to {
            Addressee::Bank(id) => match self.banks.get(usize::from(id.0)) {
                Some(bank) => bank.ask(chain, ask).await,
                None => unknown(),
            },
            Addressee::Kyc => match &self.kyc {
                Some(kyc) => kyc.ask(chain, ask).await,
                None => unknown(),
            },
            // Providers of the other kind know bills.
            Addressee::Biller => unknown(),
        }
    }
}

/// There is nobody of that name.
fn unknown() -> Verdict {
    Verdict::Failed(failed(Failed::NotSupported, "addressee"))
}

impl Kyc {
    fn new(config: &KycConfig, parts: &Parts<'_>) -> Result<Self, AdapterError> {
        Ok(match &config.provider {
            KycProvider::Sumsub => Self::Sumsub(Box::new(Sumsub::new(config, parts)?)),
            KycProvider::Didit(didit) => Self::Didit(Box::new(Didit::new(config, didit, parts)?)),
        })
    }

    async fn ask(&self, chain: &Chain, ask: &Ask) -> Verdict {
        match self {
            Self::Sumsub(sumsub) => sumsub.ask(chain, ask).await,
            Self::Didit(didit) => didit.ask(chain, &ask.enquiry).await,
        }
    }

    const fn executor(&self) -> &Executor {
        match self {
            Self::Sumsub(sumsub) => sumsub.executor(),
            Self::Didit(didit) => didit.executor(),
        }
    }

    fn circuits(&self) -> Vec<Circuit> {
        match self {
            Self::Sumsub(sumsub) => sumsub.circuits(),
            Self::Didit(didit) => didit.circuits(),
        }
    }
}

impl Bank {
    fn new(config: &BankConfig, parts: &Parts<'_>) -> Result<Self, AdapterError> {
        match &config.profile {
            BankProfile::BerlinGroup { seal, oauth, approval } => {
                let ours = (seal.as_ref(), oauth.as_ref(), approval.as_ref());
                let bank = BerlinGroup::new(config, ours, parts)?;
                Ok(Self::BerlinGroup(Box::new(bank)))
            }
            BankProfile::Neonomics { oauth, bank_id, device_id } => {
                let bank = Neonomics::new(config, (oauth, bank_id, device_id), parts)?;
                Ok(Self::Neonomics(Box::new(bank)))
            }
            BankProfile::DropPay { username, password } => {
                let bank = DropPay::new(config, (username, password), parts)?;
                Ok(Self::DropPay(Box::new(bank)))
            }
        }
    }

    async fn ask(&self, chain: &Chain, ask: &Ask) -> Verdict {
        match self {
            Self::BerlinGroup(bank) => bank.ask(chain, &ask.enquiry).await,
            Self::Neonomics(bank) => bank.ask(chain, ask).await,
            Self::DropPay(bank) => bank.ask(chain, ask).await,
        }
    }

    fn circuits(&self) -> Vec<Circuit> {
        match self {
            Self::BerlinGroup(bank) => bank.circuits(),
            Self::Neonomics(bank) => bank.circuits(),
            Self::DropPay(bank) => bank.circuits(),
        }
    }
}
