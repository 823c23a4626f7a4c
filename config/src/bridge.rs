//! What the bridge needs beside the plan: how third parties are reached, and by whom we are.
//!
//! Secrets are named by the file or the environment variable they stand in and are read by the
//! server; none of them is a value here.

use crate::address::DialectName;
use crate::cidr::Cidr;
use crate::extauth::ExtAuthConfig;
use crate::provider::{ApiConfig, EmailConfig, PushConfig};
use crate::tls::ListenTls;
use std::net::SocketAddr;
use std::path::PathBuf;
use veksel_core::plan::ParticipantId;

/// The bridge as it is configured. Banks stand in the order of [`Plan::banks`]
/// (`veksel_core::Plan`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BridgeConfig {
    /// Banks, in the order of the plan.
    pub banks: Vec<BankConfig>,
    /// The provider of identity checks, if there is one.
    pub kyc: Option<KycConfig>,
    /// Where we are called; `None` if nobody may.
    pub http: Option<HttpConfig>,
    /// Who signs people in; `None` if nobody is.
    pub identity: Option<IdentityConfig>,
    /// Who may ask over HTTP for what channels ask in messages.
    pub callers: Vec<CallerConfig>,
    /// Who asks whether holds and transactions may be.
    pub extauth: Option<ExtAuthConfig>,
    /// Billers, and who tells customers something.
    pub providers: ProvidersConfig,
}

/// What a caller may be let do: a permission for each route, as http-contracts 1.3 names them, and
/// two of ours.
pub const PERMISSIONS: [&str; 15] = [
    "customer_search",
    "account_search",
    "account_details",
    "mini_statement",
    "account_balance",
    "mno_validate",
    "bank_dictionary",
    "interbank_account_name",
    "biller_category",
    "biller_fetch",
    "biller_package",
    "send_sms",
    "send_email",
    "payment_create",
    "transaction_view",
];

/// Somebody whose requests over HTTP become messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerConfig {
    /// For people.
    pub name: String,
    /// Who it is to the engine; nobody else is.
    pub participant: ParticipantId,
    /// Its API key, if it has one.
    pub key: Option<SecretSource>,
    /// What it may ask for, as the permissions of the routes name it.
    pub permissions: Vec<String>,
    /// DE32 of its messages.
    pub acquirer: String,
    /// DE41 of its messages.
    pub terminal: String,
    /// DE42 of its messages.
    pub acceptor: String,
    /// DE49 of what names no currency.
    pub currency: String,
}

/// Billers, and who tells customers something; `None` for nobody.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ProvidersConfig {
    /// Billers.
    pub bill: Option<ApiConfig>,
    /// Text messages, and who they are from.
    pub sms: Option<(ApiConfig, String)>,
    /// Letters.
    pub email: Option<EmailConfig>,
    /// Notices to apps.
    pub push: Option<PushConfig>,
    /// Whether and how customers are told what became of their checks and payments.
    pub notices: Option<NoticesConfig>,
}

/// Telling customers by whoever of the providers is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticesConfig {
    /// The list of how customers are reached, comma-separated.
    pub contacts: PathBuf,
    /// For telling one customer by one way, in milliseconds.
    pub within_ms: u64,
    /// What may wait to be told; the rest is dropped.
    pub queue_max: u32,
}

impl ProvidersConfig {
    /// Whether there is nobody.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { bill, sms, email, push, notices: _ } = self;
        bill.is_none() && sms.is_none() && email.is_none() && push.is_none()
    }
}

/// Where we are called over HTTP: redirects of customers, pushes of banks, webhooks, and the
/// integration API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// How others reach it: the beginning of every address we hand out, without a slash at the
    /// end.
    pub public_url: String,
    /// Whether it may listen for other machines without TLS.
    pub allow_plaintext: bool,
    /// TLS, if it speaks it.
    pub tls: Option<ListenTls>,
    /// The largest body it takes, in bytes.
    pub body_max: u32,
    /// The secret with which people and programs may link accounts and begin checks; `None` lets
    /// them only if the listener is loopback.
    pub token: Option<SecretSource>,
    /// What the messages of callers are made in.
    pub dialect: DialectName,
    /// How long callers wait for the answer to a message, in milliseconds.
    pub answer_ms: u64,
    /// Whose tokens callers may come with, if any.
    pub tokens: Option<TokenConfig>,
}

impl HttpConfig {
    /// A listener that is reached under this address, with everything else as it is by default.
    #[must_use]
    pub fn at(listen: SocketAddr, public_url: &str) -> Self {
        Self {
            listen,
            public_url: public_url.to_owned(),
            allow_plaintext: false,
            tls: None,
            body_max: 64 << 10,
            token: None,
            dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
            answer_ms: 20_000,
            tokens: None,
        }
    }
}

/// Tokens (JWT) that name a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// The file with the public keys they are verified with, as JSON (JWKS).
    pub keys: PathBuf,
    /// Who makes them (`iss`).
    pub issuer: String,
    /// Whom they are for (`aud`).
    pub audience: String,
}

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In this file; white space around it is not part of it.
    File(PathBuf),
    /// In this environment variable.
    Env(String),
}

/// How third parties of one kind are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallConfig {
    /// The beginning of every address, without a slash at the end.
    pub url: String,
    /// For one attempt to connect, in milliseconds.
    pub connect_ms: u64,
    /// From the last byte sent to the last read, for one attempt, in milliseconds.
    pub read_ms: u64,
    /// Attempts after the first, where a retry is safe and the deadline allows it.
    pub retries: u32,
    /// First wait before a retry, in milliseconds; doubles, with full jitter.
    pub retry_wait_ms: u64,
    /// Calls at one time.
    pub calls_max: u32,
    /// The largest answer that is read, in bytes.
    pub body_max: u32,
    /// Failures within `breaker_window_ms` that open the breaker of a service.
    pub breaker_failures: u32,
    /// The window, in milliseconds.
    pub breaker_window_ms: u64,
    /// How long it stays open before one probe, in milliseconds.
    pub breaker_open_ms: u64,
    /// Whether the address may be one of this machine or of a private network.
    pub allow_private: bool,
    /// Certificates that are trusted in place of the public ones, PEM.
    pub trust: Option<PathBuf>,
    /// Our certificate and its key (QWAC), PEM.
    pub identity: Option<Identity>,
    /// Whether the certificate of the other side is not looked at.
    pub is_relaxed: bool,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
}

/// How one bank is reached, and what it does otherwise than others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankConfig {
    /// As the plan names it.
    pub name: String,
    /// What it speaks.
    pub profile: BankProfile,
    /// How it is called.
    pub call: CallConfig,
    /// Its products by currency, and other particulars.
    pub quirks: Quirks,
    /// Where its customers come back to, whole; `None` is below [`HttpConfig::public_url`].
    pub callback_url: Option<String>,
    /// What its pushes are signed with; `None` if they are not, as in the standard.
    pub push_secret: Option<SecretSource>,
}

/// What a bank speaks, and how we prove who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BankProfile {
    /// Berlin Group `NextGenPSD2` 1.3, straight to the bank.
    BerlinGroup {
        /// The certificate that signs messages (QSEAL), if the bank wants signatures.
        seal: Option<Identity>,
        /// OAuth 2 client credentials, if there is a gateway in front.
        oauth: Option<OauthConfig>,
        /// The server at which customers approve, if the bank has one of its own.
        approval: Option<ApprovalConfig>,
    },
    /// Neonomics.
    Neonomics {
        /// Its OAuth 2 client.
        oauth: OauthConfig,
        /// `bankId` of the bank behind it.
        bank_id: String,
        /// `x-device-id`.
        device_id: String,
    },
    /// `DropPay`: password grant under mutual TLS, then bearer tokens.
    DropPay {
        /// The customer's number and password, for as long as a session lasts.
        username: SecretSource,
        /// See `username`.
        password: SecretSource,
    },
}

/// An OAuth 2 client with client credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthConfig {
    /// Where tokens are had, whole.
    pub token_url: String,
    /// Who we are.
    pub client_id: SecretSource,
    /// Its secret.
    pub client_secret: SecretSource,
    /// What is asked for; empty for nothing.
    pub scope: String,
}

/// The authorisation server of a bank at which its customers approve payments (`scaOAuth`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalConfig {
    /// Where its metadata are (RFC 8414), whole.
    pub server: String,
    /// Who we are there: the organizationIdentifier of the QWAC, as a rule.
    pub client_id: String,
    /// What goes with it, if the certificate is not enough.
    pub client_secret: Option<SecretSource>,
}

/// Which product a payment goes by, if it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// "NOK" and so on; `"*"` for every other.
    pub currency: String,
    /// Only for creditors whose account is written like this.
    pub creditor: Option<CreditorKind>,
    /// Whether it is one that the creditor has at once.
    pub is_instant: bool,
    /// What the bank calls it.
    pub name: String,
}

/// How an account is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditorKind {
    /// As an IBAN.
    Iban,
    /// As a domestic number.
    Bban,
}

impl CreditorKind {
    /// The word of the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Iban => "iban",
            Self::Bban => "bban",
        }
    }
}

impl Product {
    /// For every creditor, in its own time.
    #[must_use]
    pub fn of(currency: &str, name: &str) -> Self {
        let (currency, name) = (currency.to_owned(), name.to_owned());
        Self { currency, creditor: None, is_instant: false, name }
    }
}

/// Particulars of one bank (http-contracts 2.2, 3.2, 4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// The newest version of the standard it knows: 11 of 1.3.11.
    pub version: u8,
    /// Payment products.
    pub products: Vec<Product>,
    /// Whether payments go by an instant product where there is one.
    pub is_instant: bool,
    /// Whether PSU headers are sent.
    pub psu_headers: PsuHeaders,
    /// The address that is given as the customer's, if a header asks for one.
    pub psu_ip: String,
    /// Whether an order may be sent again with the same `X-Request-ID`, because the bank
    /// recognises it.
    pub deduplicates: bool,
    /// What `X-Request-ID` is when an order is sent again.
    pub request_id: RequestId,
    /// Longest remittance text.
    pub remittance_max: u16,
    /// Whether letters beyond the SEPA set are kept (æ, ø, å).
    pub keeps_letters: bool,
    /// Whether the bank is asked to push status changes to us.
    pub wants_push: bool,
    /// Whether the bank shall refuse a payment for which there is no money, rather than park it.
    pub rejects_no_funds: bool,
}

impl Quirks {
    /// The product of a payment: of its currency before that of every other, at once if that is
    /// wanted and to be had, and one for this kind of account before one for any.
    #[must_use]
    pub fn product(&self, currency: &str, creditor: CreditorKind) -> Option<&str> {
        let of = |currency: &str| {
            let fits = |product: &&Product| {
                product.currency == currency
                    && product.creditor.is_none_or(|kind| kind == creditor)
                    && (self.is_instant || !product.is_instant)
            };
            let fitting = self.products.iter().filter(fits);
            fitting.max_by_key(|product| (product.is_instant, product.creditor.is_some()))
        };
        of(currency).or_else(|| of("*")).map(|product| product.name.as_str())
    }
}

/// Whether PSU headers are sent with requests for accounts. They say that the customer is there, so
/// they never go with what nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsuHeaders {
    /// The bank refuses reads without them, so there are none when the customer is not there.
    Required,
    /// Only if the customer asks this moment.
    IfPresent,
    /// Never.
    Forbidden,
}

/// What `X-Request-ID` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestId {
    /// A new one at every attempt.
    PerAttempt,
    /// The payment key at every attempt of an order.
    Stable,
}

/// The provider of identity checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KycConfig {
    /// How it is called.
    pub call: CallConfig,
    /// Which it is. What is about the other counts for nothing.
    pub provider: KycProvider,
    /// `X-App-Token`.
    pub app_token: SecretSource,
    /// Signs our requests.
    pub secret_key: SecretSource,
    /// Verify its webhooks: one, or two while they are changed.
    pub webhook_secrets: Vec<SecretSource>,
    /// Whether digests by SHA-1 are taken.
    pub allow_sha1: bool,
    /// The level of checks.
    pub level: String,
    /// How long a token for its pages is good, in seconds.
    pub token_seconds: u32,
    /// Labels of a refusal that mean a risk rather than a bad picture.
    pub risk_labels: Vec<String>,
    /// POST requests that are made within five seconds.
    pub posts_max: u32,
    /// Other requests within five seconds.
    pub gets_max: u32,
}

impl BankConfig {
    /// A bank whose customers come back to where everybody does, and whose pushes nobody signs.
    #[must_use]
    pub fn new(name: &str, profile: BankProfile, call: CallConfig, quirks: Quirks) -> Self {
        let name = name.to_owned();
        Self { name, profile, call, quirks, callback_url: None, push_secret: None }
    }
}

/// The provider that signs people in (`OpenID` Connect), and what becomes of whom it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityConfig {
    /// How it is called; its address is that of the realm.
    pub call: CallConfig,
    /// Whether nobody is asked and test persons sign in.
    pub mock: bool,
    /// Chooses the test persons.
    pub mock_seed: u64,
    /// Where the discovery document stands, whole.
    pub discovery_url: String,
    /// `iss` that is expected, in place of what the document says; so with the next three.
    pub issuer: Option<String>,
    /// Where people sign in.
    pub authorize_url: Option<String>,
    /// Where a code becomes a token.
    pub token_url: Option<String>,
    /// Where its keys stand.
    pub jwks_url: Option<String>,
    /// Where people come back, whole; `None` is below the public address.
    pub callback_url: Option<String>,
    /// Where an app wants them back. Kept for who asks; no app is ours.
    pub callback_url_mobile: Option<String>,
    /// Who we are.
    pub client_id: SecretSource,
    /// The secret that goes with it.
    pub client_secret: SecretSource,
    /// The key that signs in its place.
    pub client_key: Option<ClientKey>,
    /// How we prove who we are; the first that the provider takes too.
    pub auths: Vec<ClientAuth>,
    /// Whether what is asked goes ahead of the person (RFC 9126), if the provider takes that.
    pub par: bool,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Claims that may hold the national id; the first that is there counts.
    pub pid_claims: Vec<String>,
    /// Whether `sub` says who somebody is where none of them is there.
    pub falls_back: bool,
    /// `acr` that are good enough; none asks for none.
    pub acr: Vec<String>,
    /// How long ago a person may have signed in at the provider, in milliseconds; 0 is any time.
    pub max_age_ms: u64,
    /// The youngest age, in years.
    pub years_min: u32,
    /// The key of the hash of national ids.
    pub pepper: Option<SecretSource>,
    /// How national ids are hashed.
    pub hash: IdHash,
    /// How long the discovery document is kept, in milliseconds.
    pub discovery_ms: u64,
    /// How long keys are kept, in milliseconds.
    pub jwks_ms: u64,
    /// How long after its keys were fetched nobody fetches them again, in milliseconds.
    pub jwks_floor_ms: u64,
    /// How far its clock may be off, in milliseconds.
    pub skew_ms: u64,
    /// How long a person may take to sign in, in milliseconds.
    pub flow_ms: u64,
    /// People who may be on their way at one time.
    pub flows_max: u32,
    /// How long a person stays signed in, in milliseconds.
    pub session_ms: u64,
    /// How long without a request, in milliseconds.
    pub session_idle_ms: u64,
    /// People who may be signed in at one time.
    pub sessions_max: u32,
    /// Requests of one address to sign in, within `rate_window_ms`.
    pub rate_max: u32,
    /// The window, in milliseconds.
    pub rate_window_ms: u64,
    /// Proxies that are believed when they say for whom they ask.
    pub proxies: Vec<Cidr>,
}

/// A key of ours that the provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey {
    /// The private key, PEM.
    pub path: PathBuf,
    /// `kid`; empty for none.
    pub id: String,
}

/// How a client proves who it is at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Its secret in the body.
    Post,
    /// Its secret in a header.
    Basic,
    /// A token it signs itself (RFC 7523).
    KeyJwt,
}

impl ClientAuth {
    /// As OAuth names it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Post => "client_secret_post",
            Self::Basic => "client_secret_basic",
            Self::KeyJwt => "private_key_jwt",
        }
    }
}

/// How a national id becomes the name of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdHash {
    /// HMAC-SHA-256 under a key of ours.
    Hmac,
    /// SHA-256 alone, as old records may have it: all ids can be tried in seconds.
    Compat,
}

/// Who checks identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KycProvider {
    /// Sumsub.
    Sumsub,
    /// Didit.
    Didit(DiditConfig),
}

/// Didit: sessions of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiditConfig {
    /// `x-api-key`.
    pub api_key: SecretSource,
    /// `workflow_id` of the checks.
    pub workflow: String,
    /// Where customers come back; empty for what the workflow says.
    pub callback: String,
    /// Whether a webhook is taken whose signature covers only who and how (`X-Signature-Simple`).
    pub allow_simple: bool,
}

impl CallConfig {
    /// An address with everything else as it is by default (http-contracts 1.7).
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            connect_ms: 5_000,
            read_ms: 30_000,
            retries: 3,
            retry_wait_ms: 1_000,
            calls_max: 64,
            body_max: 1 << 20,
            breaker_failures: 3,
            breaker_window_ms: 60_000,
            breaker_open_ms: 60_000,
            allow_private: false,
            trust: None,
            identity: None,
            is_relaxed: false,
        }
    }
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            version: 11,
            products: vec![
                Product::of("NOK", "norwegian-domestic-credit-transfers"),
                Product::of("EUR", "sepa-credit-transfers"),
                Product::of("*", "cross-border-credit-transfers"),
            ],
            is_instant: false,
            psu_headers: PsuHeaders::IfPresent,
            psu_ip: "203.0.113.7".to_owned(),
            deduplicates: false,
            request_id: RequestId::PerAttempt,
            remittance_max: 140,
            keeps_letters: true,
            wants_push: false,
            rejects_no_funds: true,
        }
    }
}
