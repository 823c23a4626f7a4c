//! A mail server: whether it says who it is, encrypts as it is to, and would let us log in. Nobody
//! logs in, and nothing is sent.

use super::{Findings, Mark, reach};
use crate::email::parameters;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use veksel_config::provider::{EmailConfig, MailSecurity};

/// How we log in, if we do.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

pub(super) async fn look(findings: &mut Findings, config: &EmailConfig, limit: Duration) {
    let to = (config.host.as_str(), config.port);
    let found = reach::connect(findings, to, config.allow_private, limit).await;
    let Some(Ok(at)) = found.map(|stream| stream.peer_addr()) else { return };
    let is_clear = config.security == MailSecurity::None;
    let tls = match (!is_clear).then(|| parameters(config)).transpose() {
        Ok(tls) => tls,
        Err(_) if !findings.is_sound() => {
            let said = "not tried, because of the files above";
            return findings.add("tls", Mark::Skipped, said, "");
        }
        Err(error) => {
            let fix = "name the CAs of the mail server in `trust`, or install those of the system";
            return findings.add("tls", Mark::Bad, error.to_string(), fix);
        }
    };
    let Ok(spoken) = timeout(limit, speak(findings, config, at, tls, limit)).await else {
        let said = format!("no answer within {} ms", limit.as_millis());
        let fix = "does the port speak SMTP, and is `security` as the server has it?";
        return findings.add("smtp", Mark::Bad, said, fix);
    };
    if let Some(mut connection) = spoken {
        // It is only polite; what comes of it says nothing.
        let _ = timeout(limit, connection.quit()).await;
    }
}

async fn speak(
    findings: &mut Findings,
    config: &EmailConfig,
    at: SocketAddr,
    tls: Option<TlsParameters>,
    limit: Duration,
) -> Option<AsyncSmtpConnection> {
    let domain = config.from.rsplit('@').next().unwrap_or_default();
    let hello = ClientId::Domain(domain.trim_end_matches('>').to_owned());
    let begun = Instant::now();
    let (first, later) = match config.security {
        MailSecurity::Implicit => (tls, None),
        MailSecurity::StartTls => (None, tls),
        MailSecurity::None => (None, None),
    };
    let connected = AsyncSmtpConnection::connect_tokio1(at, Some(limit), &hello, first, None).await;
    let mut connection = match connected {
        Ok(connection) => connection,
        Err(error) => {
            unspoken(findings, &error);
            return None;
        }
    };
    findings.took("smtp", "says EHLO", begun.elapsed());
    if let Some(tls) = later {
        let begun = Instant::now();
        if !connection.can_starttls() {
            let fix = "`security = \"implicit\"` on port 465 is the other way; without either, \
                       letters would go in clear";
            let said = "the server offers no STARTTLS";
            findings.add("tls", Mark::Bad, said, fix);
            return Some(connection);
        }
        if let Err(error) = connection.starttls(tls, &hello).await {
            unspoken(findings, &error);
            return None;
        }
        findings.took("tls", "STARTTLS, hands are shaken", begun.elapsed());
    } else if config.security == MailSecurity::None {
        findings.add("tls", Mark::Skipped, "everything goes in clear (`security`)", "");
    } else {
        findings.add("tls", Mark::Good, "encrypted from the first byte on", "");
    }
    if connection.is_encrypted() {
        let chain = connection.certificate_chain().unwrap_or_default();
        let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
        reach::peer(findings, &chain, config.is_relaxed);
    }
    if config.login.is_some() {
        match connection.server_info().get_auth_mechanism(&MECHANISMS) {
            Some(_) => {
                let said = "the server would let us log in; the password was not tried";
                findings.add("login", Mark::Good, said, "");
            }
            None => {
                let fix = "most servers offer it only once TLS is spoken (`security`); where \
                           nobody logs in, leave `user` out";
                let said = "the server offers no way to log in that we know (PLAIN, LOGIN)";
                findings.add("login", Mark::Bad, said, fix);
            }
        }
    }
    Some(connection)
}

/// Why nobody spoke. Nothing of what the server wrote is shown but its code.
fn unspoken(findings: &mut Findings, error: &Error) {
    if error.is_tls() || reach::is_tls(error) {
        return reach::failed(findings, error);
    }
    let (said, fix) = match error.status() {
        Some(code) => (
            format!("the server answers {}", u16::from(code)),
            "it does not want to speak with this machine, or not now: ask its operator",
        ),
        None => (
            "what answers there does not speak SMTP".to_owned(),
            "is it this port (587 for \"starttls\", 465 for \"implicit\"), and is `security` as \
             the server has it?",
        ),
    };
    findings.add("smtp", Mark::Bad, said, fix);
}
