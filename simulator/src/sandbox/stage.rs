//! The sandboxes of a configuration, set up and started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use veksel_config::{
    AspspConfig, BillerSandbox, DialTls, DiditSandbox, DropPaySandbox, FcmSandbox, MailSandbox,
    NeonomicsSandbox, NotifySandbox, OidcSandbox, SandboxConfig, ShaypeClient, ShaypeSandbox,
    SmsSandbox, SumsubSandbox, WebhookSchedule,
};
use veksel_link::{TlsClient, TlsError};

use super::aspsp::{Aspsp, AspspSettings, Bank, Delays};
use super::biller::{Biller, BillerConfig};
use super::ca::{Authority, CaError, Clients, Files};
use super::didit::{Didit, DiditConfig};
use super::download::Download;
use super::droppay::{DropPay, DropPayConfig};
use super::fcm::Fcm;
use super::mail::{MailConfig, Mailbox};
use super::neonomics::{Neonomics, NeonomicsConfig};
use super::notify::Notify;
use super::oidc::{NoSigningKey, Oidc, OidcConfig};
use super::shaype::{
    Client, Endpoint, Limit, LimitName, Patience, Proof, Receiver, Shaype, ShaypeConfig,
};
use super::sms::SmsGateway;
use super::sumsub::{Digest, Schedule, Sumsub, SumsubConfig, SumsubWebhook};
use super::{Clock, Mount, RunningSandboxes, Sandbox, SandboxError, start};
use crate::bank::Desk;
use crate::money::Currency;
use crate::seeds::Seeds;

/// The bank that reports are about.
#[derive(Debug, Clone)]
pub struct Reported {
    /// What it calls itself.
    pub name: String,
    /// The file of its book.
    pub database: PathBuf,
}

/// Sandboxes that answer, and the files of their CA if it is kept.
#[derive(Debug)]
pub struct Stage {
    /// Dropping it stops them.
    pub running: RunningSandboxes,
    /// For a client's configuration; `None` if the CA ends with the process.
    pub files: Option<Files>,
}

/// Starts what a configuration wants, the banks over the ledger behind a desk, and reports about
/// `bank`, whose ledger that is.
///
/// # Errors
/// A port is taken, or the folder of the certificates cannot be used. Then none of them runs.
pub fn set(config: &SandboxConfig, bank: &Reported, desk: Desk) -> Result<Stage, SandboxError> {
    let (authority, files) = match &config.certificates {
        Some(folder) => {
            let (authority, files) = Authority::in_folder(folder)?;
            (authority, Some(files))
        }
        None => (Authority::new()?, None),
    };
    let authority = Arc::new(authority);
    let clock = Clock::default();
    let mut mounts = Vec::new();
    let mut asking = None;
    if let Some(config) = &config.aspsp {
        let (banks, both) = aspsp(config, desk, &clock, &authority)?;
        mounts.extend(both);
        asking = config.bankid.then_some(banks);
    }
    mounts.extend(config.sumsub.as_ref().map(|config| sumsub(config, &clock)));
    mounts.extend(config.neonomics.as_ref().map(|config| neonomics(config, &clock)));
    if let Some(config) = &config.droppay {
        mounts.extend(droppay(config, &clock, &authority)?);
    }
    mounts.extend(config.notify.as_ref().map(|config| notify(config, &clock)));
    let mut provider = None;
    if let Some(config) = &config.oidc {
        let (sandbox, mount) = oidc(config, &clock)?;
        provider = Some(sandbox);
        mounts.push(mount);
    }
    if let Some(listen) = config.report {
        let sandbox = Arc::new(Download::new(bank.database.clone(), bank.name.clone()));
        mounts.push(Mount { name: "report".to_owned(), listen, tls: None, sandbox });
    }
    if let Some(config) = &config.shaype {
        mounts.push(shaype(config, &clock)?);
    }
    if let Some(config) = &config.biller {
        mounts.push(biller(config, &clock)?);
    }
    mounts.extend(config.sms.as_ref().map(|config| sms(config, &clock)));
    if let Some(config) = &config.fcm {
        mounts.push(fcm(config, &clock)?);
    }
    if let Some(config) = &config.mail {
        mounts.extend(mail(config, &clock, &authority)?);
    }
    mounts.extend(config.didit.as_ref().map(|config| didit(config, &clock)));
    let running = start(mounts, clock)?;
    // Where the provider is, is known only now.
    if let (Some(banks), Some(provider)) = (asking, provider)
        && let Some(address) = running.address("oidc")
    {
        banks.identify_by(provider, address);
    }
    Ok(Stage { running, files })
}

fn mount(name: &str, listen: SocketAddr, sandbox: Arc<dyn Sandbox>) -> Mount {
    Mount { name: name.to_owned(), listen, tls: None, sandbox }
}

fn biller(config: &BillerSandbox, clock: &Clock) -> Result<Mount, SandboxError> {
    let settings = BillerConfig {
        api_key: config.api_key.clone(),
        hmac_key: Some(config.hmac_key.clone()).filter(|key| !key.is_empty()),
        billers: Seeds::embedded()?.rows().billers.clone(),
    };
    let sandbox = Arc::new(Biller::new(settings, clock.clone()));
    Ok(mount("biller", config.listen, sandbox))
}

fn sms(config: &SmsSandbox, clock: &Clock) -> Mount {
    let sandbox = SmsGateway::new(config.api_key.clone(), clock.clone());
    mount("sms", config.listen, Arc::new(sandbox))
}

fn fcm(config: &FcmSandbox, clock: &Clock) -> Result<Mount, SandboxError> {
    Ok(mount("fcm", config.listen, Arc::new(Fcm::new(clock.clone())?)))
}

fn mail(
    config: &MailSandbox,
    clock: &Clock,
    authority: &Authority,
) -> Result<[Mount; 3], SandboxError> {
    let login = (config.user.clone(), config.password.clone());
    let login = Some(login).filter(|(user, _)| !user.is_empty());
    let mailbox = Mailbox::new(MailConfig { login }, clock.clone());
    let tls = encryption(config.smtp_listen, authority)?;
    let starting = mount("smtp", config.smtp_listen, Arc::new(mailbox.server(Some(tls))));
    let tls = encryption(config.smtps_listen, authority)?;
    let implicit = mount("smtps", config.smtps_listen, Arc::new(mailbox.server(None)));
    let implicit = Mount { tls: Some(tls), ..implicit };
    Ok([mount("mail", config.listen, Arc::new(mailbox)), starting, implicit])
}

fn didit(config: &DiditSandbox, clock: &Clock) -> Mount {
    let webhook = config.webhook_url.clone().map(|url| (url, config.webhook_secret.clone()));
    let settings = DiditConfig {
        api_key: config.api_key.clone(),
        workflow: config.workflow.clone(),
        delay_ms: config.delay_ms,
        submits_alone: config.submits_alone,
        webhook,
    };
    mount("didit", config.listen, Arc::new(Didit::new(settings, clock.clone())))
}

fn shaype(config: &ShaypeSandbox, clock: &Clock) -> Result<Mount, SandboxError> {
    let limits = config.limits.iter().filter_map(|limit| {
        let name = LimitName::parse(&limit.name)?;
        Some(Limit { name, amount: limit.amount, count: limit.count })
    });
    let accounts = config
        .accounts
        .iter()
        .filter_map(|(account, currency)| Some((account.clone(), Currency::from_alpha(currency)?)));
    let trust = config.trust.as_deref();
    let proof = || {
        let Some(client) = &config.notify_client else {
            return Ok(Proof::Lasting(config.notify_token.clone()));
        };
        let ShaypeClient { token_url, id, secret, is_in_body } = client.clone();
        let tokens = endpoint(&token_url, trust)?;
        Ok(Proof::Fetched(Client { tokens, id, secret, is_in_body }))
    };
    let receiver = |url| {
        let proof: Result<Proof, TlsError> = proof();
        Ok::<_, TlsError>(Receiver { to: endpoint(url, trust)?, proof: proof? })
    };
    let events = config.notify_url.as_deref().map(receiver).transpose()?;
    let settings = ShaypeConfig {
        client: endpoint(&config.client_url, trust)?,
        patience: Patience {
            connect: Duration::from_millis(config.connect_ms),
            request: Duration::from_millis(config.request_ms),
        },
        limits: limits.collect(),
        accounts: accounts.collect(),
        notify: events,
    };
    let sandbox = Arc::new(Shaype::new(settings, clock.clone())?);
    Ok(Mount { name: "shaype".to_owned(), listen: config.listen, tls: None, sandbox })
}

/// An address, and by what whoever is there is believed if it wants that.
fn endpoint(url: &str, trust: Option<&Path>) -> Result<Endpoint, TlsError> {
    let uri: Option<Uri> = url.parse().ok().filter(|uri: &Uri| uri.scheme_str() == Some("https"));
    let host = uri.as_ref().and_then(|uri| uri.host());
    let tls = match (host, trust) {
        (Some(host), Some(trust)) => {
            let dial = DialTls {
                ca: vec![trust.to_owned()],
                crls: Vec::new(),
                pins: Vec::new(),
                name: None,
                own: None,
                handshake_ms: HANDSHAKE_MS,
            };
            Some(TlsClient::load(&dial, host.trim_matches(['[', ']']))?)
        }
        _ => None,
    };
    Ok(Endpoint { url: url.to_owned(), tls })
}

/// Longer than anybody waits for the answer, which a handshake is a part of.
const HANDSHAKE_MS: u64 = 60_000;

fn aspsp(
    config: &AspspConfig,
    desk: Desk,
    clock: &Clock,
    authority: &Arc<Authority>,
) -> Result<(Arc<Aspsp>, [Mount; 2]), SandboxError> {
    let settings = AspspSettings {
        banks: config.banks.iter().filter_map(|id| Bank::find(id)).map(|bank| bank.id).collect(),
        delays: Delays {
            accept_ms: config.accept_ms,
            settle_ms: config.settle_ms,
            slow_sca_ms: config.slow_sca_ms,
            decision_ms: config.decision_ms,
            late_ms: config.late_ms,
        },
        push: config.push,
        push_secret: config.push_secret.clone(),
        totp: Some(config.totp_secret.clone()).filter(|secret| !secret.is_empty()),
    };
    let tls = encryption(config.tls_listen, authority)?;
    let sandbox = Arc::new(Aspsp::new(settings, desk, clock.clone(), Some(Arc::clone(authority))));
    let plain = Mount {
        name: "aspsp".to_owned(),
        listen: config.listen,
        tls: None,
        sandbox: Arc::<Aspsp>::clone(&sandbox),
    };
    let encrypted = Mount {
        name: "aspsp-tls".to_owned(),
        listen: config.tls_listen,
        tls: Some(tls),
        sandbox: Arc::<Aspsp>::clone(&sandbox),
    };
    Ok((sandbox, [plain, encrypted]))
}

fn sumsub(config: &SumsubSandbox, clock: &Clock) -> Mount {
    let webhook = config.webhook_url.as_ref().map(|url| SumsubWebhook {
        url: url.clone(),
        secret: config.webhook_secret.clone(),
        digest: Digest::Sha256,
    });
    let settings = SumsubConfig {
        app_token: config.app_token.clone(),
        secret_key: config.secret_key.clone(),
        window_s: config.window_ms / 1_000,
        allows_bearer: config.bearer,
        approved_per_thousand: config.approve_percent.saturating_mul(10),
        delay_ms: config.delay_ms,
        submits_alone: config.submits_alone,
        webhook,
        schedule: match config.schedule {
            WebhookSchedule::Seed => Schedule::Seed,
            WebhookSchedule::Real => Schedule::Real,
        },
        ..SumsubConfig::default()
    };
    let sandbox = Arc::new(Sumsub::new(settings, clock.clone()));
    Mount { name: "sumsub".to_owned(), listen: config.listen, tls: None, sandbox }
}

fn neonomics(config: &NeonomicsSandbox, clock: &Clock) -> Mount {
    let settings = NeonomicsConfig {
        client_id: config.client_id.clone(),
        client_secret: config.client_secret.clone(),
        ..NeonomicsConfig::default()
    };
    let sandbox = Arc::new(Neonomics::new(settings, clock.clone()));
    Mount { name: "neonomics".to_owned(), listen: config.listen, tls: None, sandbox }
}

fn droppay(
    config: &DropPaySandbox,
    clock: &Clock,
    authority: &Authority,
) -> Result<[Mount; 2], SandboxError> {
    let settings = DropPayConfig {
        username: config.username.clone(),
        password: config.password.clone(),
        ..DropPayConfig::default()
    };
    let tls = encryption(config.tls_listen, authority)?;
    let sandbox = Arc::new(DropPay::new(settings, clock.clone())?);
    let plain = Mount {
        name: "droppay".to_owned(),
        listen: config.listen,
        tls: None,
        sandbox: Arc::<DropPay>::clone(&sandbox),
    };
    let listen = config.tls_listen;
    let encrypted = Mount { name: "droppay-tls".to_owned(), listen, tls: Some(tls), sandbox };
    Ok([plain, encrypted])
}

fn notify(config: &NotifySandbox, clock: &Clock) -> Mount {
    let sandbox = Arc::new(Notify::new(clock.clone()));
    Mount { name: "notify".to_owned(), listen: config.listen, tls: None, sandbox }
}

fn oidc(config: &OidcSandbox, clock: &Clock) -> Result<(Oidc, Mount), NoSigningKey> {
    let settings = OidcConfig {
        client_id: config.client_id.clone(),
        client_secret: config.client_secret.clone(),
        client_key: None,
        redirect_uris: config.redirect_uris.clone(),
        code_ms: config.code_ms,
        token_ms: config.token_ms,
    };
    let sandbox = Oidc::new(settings, clock.clone())?;
    Ok((sandbox.clone(), mount("oidc", config.listen, Arc::new(sandbox))))
}

/// TLS on an address, where callers may show a certificate.
fn encryption(
    listen: SocketAddr,
    authority: &Authority,
) -> Result<Arc<rustls::ServerConfig>, CaError> {
    let local = Ipv4Addr::LOCALHOST.to_string();
    let address = listen.ip().to_string();
    authority.server(&["localhost", &local, &address], Clients::Optional)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    /// What is configured reaches the sandboxes: each refuses what was not configured.
    #[test]
    fn every_provider_stands_on_its_ports() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let clock = Clock::default();
        let authority = Authority::new().expect("keys are made");
        let kyc = SumsubSandbox {
            listen: any,
            app_token: "sbx:mine".to_owned(),
            secret_key: "secret".to_owned(),
            bearer: true,
            window_ms: 60_000,
            approve_percent: 90,
            delay_ms: 0,
            submits_alone: false,
            webhook_url: None,
            webhook_secret: String::new(),
            schedule: WebhookSchedule::Real,
        };
        let aggregator = NeonomicsSandbox {
            listen: any,
            client_id: "me".to_owned(),
            client_secret: "mine".to_owned(),
        };
        let wallet = DropPaySandbox {
            listen: any,
            tls_listen: any,
            username: "393351234567".to_owned(),
            password: "mine".to_owned(),
        };
        let mut mounts = vec![sumsub(&kyc, &clock), neonomics(&aggregator, &clock)];
        mounts.extend(droppay(&wallet, &clock, &authority).expect("a key is made"));
        let running = start(mounts, clock).expect("ports are free");
        let found: Vec<_> =
            running.places().iter().map(|place| (place.name.as_str(), place.is_tls)).collect();
        let wanted =
            [("sumsub", false), ("neonomics", false), ("droppay", false), ("droppay-tls", true)];
        assert_eq!(found, wanted);
        let call = |name: &str, head: &str, body: &str| {
            let address = running.address(name).expect("it stands");
            let mut stream = TcpStream::connect(address).expect("it listens");
            let length = body.len();
            let text = format!(
                "{head}\r\nhost: x\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{body}"
            );
            stream.write_all(text.as_bytes()).expect("it takes requests");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("it answers");
            answer
        };
        let nobody = "GET /resources/applicants/0/one HTTP/1.1\r\nauthorization: Bearer";
        let known = call("sumsub", &format!("{nobody} sbx:mine"), "");
        assert!(known.starts_with("HTTP/1.1 404"), "{known}");
        let unknown = call("sumsub", &format!("{nobody} sbx:veksel"), "");
        assert!(unknown.starts_with("HTTP/1.1 401"), "{unknown}");
        let token = "POST /auth/realms/sandbox/protocol/openid-connect/token HTTP/1.1";
        for (secret, status) in [("mine", "200"), ("sandbox-client-secret", "401")] {
            let form = format!("grant_type=client_credentials&client_id=me&client_secret={secret}");
            let answer = call("neonomics", token, &form);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        }
        // Without TLS nobody can show who they are.
        let register = "POST /auth/realms/droppay/tpp/register HTTP/1.1";
        let stranger = call("droppay", register, "{}");
        assert!(stranger.contains("not a qualified certificate"), "{stranger}");
    }
}
