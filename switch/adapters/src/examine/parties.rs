//! Everybody whom a configuration names, with what each needs and how each is reached.

use super::answer::Question;
use super::papers::Papers;
use super::{Party, Way, origin};
use crate::adapters::AdapterError;
use crate::executor::audit::audit;
use crate::fcm::{Fcm, token_url};
use veksel_config::alert::AlertConfig;
use veksel_config::bridge::{
    BankConfig, BankProfile, BridgeConfig, CallConfig, ClientAuth, IdentityConfig, KycConfig,
    KycProvider, NoticesConfig, OauthConfig, ProvidersConfig, SecretSource,
};
use veksel_config::provider::{ApiConfig, EmailConfig, HeaderText, PushConfig, Signing};
use veksel_config::{ExtAuthConfig, SwitchConfig};

/// Counts the keys of a set (JWKS) that a card platform may sign with, from so many bits on.
pub type KeysIn = fn(&[u8], u32) -> Result<usize, String>;

/// Everybody, in the order of the shipped files.
#[must_use]
pub fn parties(config: &SwitchConfig, keys_in: KeysIn) -> Vec<Party> {
    let BridgeConfig { banks, kyc: checks, identity: who, extauth, providers, .. } = &config.bridge;
    // Who is new there belongs on the page, too.
    let ProvidersConfig { bill, sms, email, push: apps, notices } = providers;
    let mut all = Vec::new();
    alarms(&mut all, &config.alert);
    all.extend(config.trace.endpoint.as_deref().map(collector));
    all.extend(extauth.as_ref().map(|own| platform(own, keys_in)));
    all.extend(who.as_ref().map(identity));
    all.extend(checks.as_ref().map(kyc));
    for own in banks {
        bank(&mut all, own);
    }
    all.extend(bill.as_ref().map(|api| described("billers [bill]", api)));
    all.extend(sms.as_ref().map(|(api, _)| described("text messages [sms]", api)));
    all.extend(email.as_ref().map(mail));
    if let Some(own) = apps {
        push(&mut all, own);
    }
    all.extend(notices.as_ref().map(contacts));
    all
}

impl Party {
    /// Somebody who is called by HTTP.
    fn called(name: String, call: &CallConfig, question: Question, papers: Papers) -> Self {
        let trust = call.trust.clone();
        let mut identities = papers.identities;
        if let Some(identity) = &call.identity {
            identities.insert(0, ("our certificate (QWAC)", identity.clone()));
        }
        let papers = Papers { trust, identities, ..papers };
        Self { name, papers, way: Way::Http(Box::new(call.clone()), question) }
    }
}

/// What else of a party has an address of its own, if it is somewhere else.
fn beside(all: &mut Vec<Party>, name: String, call: &CallConfig, url: &str, question: Question) {
    let is_whole = !matches!(question, Question::Anything);
    let place = origin(url);
    if !is_whole && place == origin(&call.url) {
        return;
    }
    // Where nothing but an answer is wanted no more than the place is called.
    let url = if is_whole { url.to_owned() } else { place.unwrap_or_else(|| url.to_owned()) };
    let call = CallConfig { url, ..call.clone() };
    // Its files were looked at already.
    all.push(Party { name, papers: Papers::default(), way: Way::Http(Box::new(call), question) });
}

fn secret(what: &str, source: &SecretSource) -> (String, SecretSource) {
    (what.to_owned(), source.clone())
}

fn client(oauth: &OauthConfig) -> [(String, SecretSource); 2] {
    [secret("our client id", &oauth.client_id), secret("its secret", &oauth.client_secret)]
}

fn bank(all: &mut Vec<Party>, config: &BankConfig) {
    let BankConfig { name, profile, call, push_secret, .. } = config;
    let named = format!("bank {name}");
    let mut papers = Papers::default();
    let mut oauth_of = None;
    let mut approval_of = None;
    match profile {
        BankProfile::BerlinGroup { seal, oauth, approval } => {
            let seal = seal.iter().map(|seal| ("our seal (QSEAL)", seal.clone()));
            papers.identities.extend(seal);
            oauth_of = oauth.as_ref();
            approval_of = approval.as_ref();
        }
        BankProfile::Neonomics { oauth, .. } => oauth_of = Some(oauth),
        BankProfile::DropPay { username, password } => {
            papers.secrets.push(secret("the number of the account", username));
            papers.secrets.push(secret("its password", password));
        }
    }
    papers.secrets.extend(oauth_of.into_iter().flat_map(client));
    let approving = approval_of.and_then(|approval| approval.client_secret.as_ref());
    papers.secrets.extend(approving.map(|own| secret("our secret where customers approve", own)));
    papers.secrets.extend(push_secret.iter().map(|own| secret("what signs its pushes", own)));
    all.push(Party::called(named.clone(), call, Question::Anything, papers));
    if let Some(oauth) = oauth_of {
        beside(all, format!("{named}, tokens"), call, &oauth.token_url, Question::Anything);
    }
    if let Some(approval) = approval_of {
        let name = format!("{named}, where customers approve");
        beside(all, name, call, &approval.server, Question::Document);
    }
}

fn kyc(config: &KycConfig) -> Party {
    let (name, mut secrets) = match &config.provider {
        KycProvider::Sumsub => {
            let token = secret("our token", &config.app_token);
            ("identity checks (Sumsub)", vec![token, secret("its key", &config.secret_key)])
        }
        KycProvider::Didit(own) => {
            ("identity checks (Didit)", vec![secret("our key", &own.api_key)])
        }
    };
    // Where none is set the key of requests signs them, with the provider that has one.
    let has_own = config.webhook_secrets.iter().any(is_set);
    if has_own || config.provider != KycProvider::Sumsub {
        let webhooks = config.webhook_secrets.iter();
        secrets.extend(webhooks.map(|own| secret("what signs its webhooks", own)));
    }
    let papers = Papers { secrets, ..Papers::default() };
    Party::called(name.to_owned(), &config.call, Question::Anything, papers)
}

fn identity(config: &IdentityConfig) -> Party {
    let pepper = config.pepper.iter().map(|own| secret("the key of national ids", own));
    let name = "signing in [identity]".to_owned();
    if config.mock {
        let papers = Papers { secrets: pepper.collect(), ..Papers::default() };
        return Party { name, papers, way: Way::Nobody("nobody is asked (`mock = true`)") };
    }
    let mut papers = Papers::default();
    papers.secrets.push(secret("our client id", &config.client_id));
    let is_secret = |auth: &ClientAuth| matches!(auth, ClientAuth::Post | ClientAuth::Basic);
    match &config.client_key {
        Some(key) => papers.keys.push(("the key that proves who we are", key.path.clone())),
        None if config.auths.iter().any(is_secret) => {
            papers.secrets.push(secret("its secret", &config.client_secret));
        }
        None => {}
    }
    papers.secrets.extend(pepper);
    let call = CallConfig { url: config.discovery_url.clone(), ..config.call.clone() };
    Party::called(name, &call, Question::Discovery(Box::new(config.clone())), papers)
}

fn platform(config: &ExtAuthConfig, keys_in: KeysIn) -> Party {
    let mut papers = Papers::default();
    let token = config.notify_token.iter();
    papers.secrets.extend(token.map(|own| secret("the token of its notifications", own)));
    papers.files.extend(config.directory.iter().map(|path| ("the directory", path.clone())));
    let bits = config.rsa_bits_min;
    let count = Box::new(move |set: &[u8]| keys_in(set, bits));
    let question = Question::Keys(count, config.skew_ms_max);
    Party::called("card platform's keys [extauth]".to_owned(), &config.keys, question, papers)
}

/// A provider that is described by data.
fn described(name: &str, api: &ApiConfig) -> Party {
    let mut papers = Papers::default();
    for header in &api.headers {
        if let HeaderText::Secret(_, source) = &header.value {
            papers.secrets.push((format!("the header {}", header.name), source.clone()));
        }
    }
    match &api.signing {
        Some(Signing::Hmac(source)) => papers.secrets.push(secret("the key that signs", source)),
        Some(Signing::Rs256 { key, .. }) => papers.keys.push(("the key that signs", key.clone())),
        None => {}
    }
    let party = Party::called(name.to_owned(), &api.call, Question::Anything, papers);
    match api.is_simulated {
        true => Party { way: Way::Nobody("nothing is sent (`simulate = true`)"), ..party },
        false => party,
    }
}

fn mail(config: &EmailConfig) -> Party {
    let login = config.login.iter();
    let papers = Papers {
        secrets: login.map(|(_, password)| secret("our password", password)).collect(),
        trust: config.trust.clone(),
        ..Papers::default()
    };
    Party { name: "letters [email]".to_owned(), papers, way: Way::Mail(Box::new(config.clone())) }
}

fn push(all: &mut Vec<Party>, config: &PushConfig) {
    let mut papers = Papers::default();
    papers.secrets.push(secret("the service account", &config.account));
    if crate::read_secret(&config.account).is_ok() {
        // Nobody reads the trail of a look.
        let made = Fcm::new(config, &crate::read_secret, audit(1).0);
        // What else may be wrong is found where it stands.
        papers.wrong = made.err().filter(|error| matches!(error, AdapterError::Config { .. }));
    }
    let name = "notices to apps [push]";
    all.push(Party::called(name.to_owned(), &config.call, Question::Anything, papers));
    if let Some(url) = token_url(config) {
        beside(all, format!("{name}, tokens"), &config.call, &url, Question::Anything);
    }
}

fn alarms(all: &mut Vec<Party>, config: &AlertConfig) {
    let mut hook = |name: &str, source: &SecretSource| {
        if is_set(source) {
            let secrets = vec![secret("the address", source)];
            let papers = Papers { secrets, ..Papers::default() };
            let way = Way::Hook(source.clone(), config.allow_private);
            all.push(Party { name: name.to_owned(), papers, way });
        }
    };
    hook("alarms in Slack [alert]", &config.slack);
    if let Some(heartbeat) = &config.heartbeat {
        hook("heartbeat [alert]", heartbeat);
    }
}

fn contacts(config: &NoticesConfig) -> Party {
    let files = vec![("how customers are reached", config.contacts.clone())];
    let papers = Papers { files, ..Papers::default() };
    Party { name: "notices to customers [notices]".to_owned(), papers, way: Way::Papers }
}

/// A variable that is not set, or has no name, means that there is none.
fn is_set(source: &SecretSource) -> bool {
    match source {
        SecretSource::File(_) => true,
        SecretSource::Env(name) => {
            !name.is_empty() && std::env::var_os(name).is_some_and(|value| !value.is_empty())
        }
    }
}

fn collector(endpoint: &str) -> Party {
    let name = "traces [trace]".to_owned();
    if cfg!(feature = "otlp") {
        // A collector is one of ours, on this machine more often than not.
        let call = CallConfig { allow_private: true, ..CallConfig::at(endpoint) };
        return Party::called(name, &call, Question::Anything, Papers::default());
    }
    let why = "`endpoint` of [trace] needs a program that was built with the feature \"otlp\"";
    let fix = "take that program, or leave `endpoint` out: this one does not start with it";
    Party { name, papers: Papers::default(), way: Way::Impossible(why, fix) }
}
