//! Letters over SMTP: STARTTLS or TLS from the first byte, one connection for each letter.
//!
//! The address of the server is looked up here, so that the rules on private addresses hold for
//! what is connected to; its certificate is checked against the name. If it has several, each is
//! tried until one answers, within the time of the letter. Nothing is sent in clear but where the
//! configuration says so, near by.

use crate::adapters::AdapterError;
use crate::executor::address::is_public;
use crate::executor::audit::{AuditSink, CallEvent, Span};
use crate::executor::{BROKEN, failed};
use crate::files;
use crate::providers::{Email, Issuer, Provided, Provides, Sent, Within};
use core::fmt;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, Tls, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use veksel_config::bridge::SecretSource;
use veksel_config::provider::{EmailConfig, MailSecurity};
use veksel_core::enquiry::{Failed, Failure, Secret};

/// Longest text of a letter, in bytes.
const TEXT_MAX: usize = 256 * 1024;

/// Most addresses of a server that are tried.
const ADDRESSES_MAX: usize = 8;

/// How long a server that has taken a letter has to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Mail {
    config: EmailConfig,
    from: Mailbox,
    /// The part of our address behind the sign.
    domain: String,
    login: Option<(String, Secret)>,
    tls: Tls,
    calls: Semaphore,
    audit: AuditSink,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EmailConfig { host, port, security, .. } = &self.config;
        f.debug_struct("Mail")
            .field("host", host)
            .field("port", port)
            .field("security", security)
            .finish_non_exhaustive()
    }
}

impl Mail {
    /// Reads the password and the certificates now.
    ///
    /// # Errors
    ///
    /// If one of them cannot be, or our address is none.
    pub(crate) fn new(
        config: &EmailConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
        audit: AuditSink,
    ) -> Result<Self, AdapterError> {
        let wrong = |why: &str| AdapterError::Config { provider: NAME.into(), why: why.into() };
        let from: Mailbox =
            config.from.parse().map_err(|_| wrong("`from` is no address of letters"))?;
        let login = match &config.login {
            Some((user, source)) => Some((user.clone(), secret(source)?)),
            None => None,
        };
        let tls = match config.security {
            MailSecurity::None => Tls::None,
            MailSecurity::StartTls => Tls::Required(parameters(config)?),
            MailSecurity::Implicit => Tls::Wrapper(parameters(config)?),
        };
        let domain = from.email.domain().to_owned();
        let calls = Semaphore::new(usize::try_from(config.calls_max).unwrap_or(1));
        Ok(Self { config: config.clone(), from, domain, login, tls, calls, audit })
    }

    async fn send(&self, within: &Within, email: Email) -> Result<Sent, Failure> {
        let (message, id) = self.letter(&email)?;
        let Ok(_room) = self.calls.try_acquire() else {
            return Err(failed(Failed::Unavailable, "calls_max"));
        };
        let begun = Instant::now();
        let limit = Duration::from_millis(within.ms.min(self.config.timeout_ms));
        let bytes = message.formatted().len();
        let until = begun + limit;
        let result = tokio::time::timeout_at(until, self.exchange(&message, until)).await;
        let result = result.unwrap_or_else(|_| Err(failed(Failed::Late, "timeout")));
        let result = match result {
            Ok(mut connection) => {
                // What comes of it changes nothing: the letter was taken.
                let _ = tokio::time::timeout(GOODBYE, connection.abort()).await;
                Ok(())
            }
            Err(failure) => Err(failure),
        };
        let outcome = match &result {
            Ok(()) => "ok",
            Err(failure) if failure.code.starts_with("smtp_") => "answered",
            Err(failure) => {
                let known = OUTCOMES.into_iter().find(|outcome| *outcome == failure.code);
                known.unwrap_or("failed")
            }
        };
        if let Err(failure) = &result {
            // The audit has no room for the code of a server.
            tracing::warn!(trace = within.trace, code = failure.code, "a letter was not taken");
        }
        self.audit.note(CallEvent {
            provider: NAME.to_owned(),
            service: "email_send",
            method: "SMTP".to_owned(),
            template: "email_send",
            attempt: 1,
            status: None,
            outcome,
            elapsed_us: u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX),
            request_id: String::new(),
            trace: within.trace.clone(),
            span: Span::default(),
            bytes_out: bytes as u64,
            bytes_in: 0,
        });
        result.map(|()| Sent { id })
    }

    fn letter(&self, email: &Email) -> Result<(Message, String), Failure> {
        let to: Mailbox = email.to.parse().map_err(|_| failed(Failed::Format, "to"))?;
        let is_line = !email.subject.is_empty()
            && email.subject.chars().count() <= 200
            && !email.subject.chars().any(char::is_control);
        if !is_line {
            return Err(failed(Failed::Format, "subject"));
        }
        if email.text.is_empty() || email.text.len() > TEXT_MAX {
            return Err(failed(Failed::Format, "text"));
        }
        let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let name = match !email.key.is_empty() && email.key.bytes().all(is_key) {
            true => email.key.clone(),
            false => crate::random::uuid(),
        };
        let id = format!("<{name}@{}>", self.domain);
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(email.subject.clone())
            .message_id(Some(id.clone()))
            .header(ContentType::TEXT_PLAIN)
            .body(email.text.clone())
            .map_err(|_| failed(Failed::Format, "letter"))?;
        Ok((message, id))
    }

    /// Hands a letter over. The connection is left as it is then.
    async fn exchange(
        &self,
        message: &Message,
        until: Instant,
    ) -> Result<AsyncSmtpConnection, Failure> {
        let mut connection = self.connect(&self.addresses().await?, until).await?;
        if let Some((user, password)) = &self.login {
            let login = Credentials::new(user.clone(), password.expose().to_owned());
            let known = connection.auth(DEFAULT_MECHANISMS, &login).await;
            known.map_err(|error| said(&error))?;
        }
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        sent.map(|_| connection).map_err(|error| match said(&error) {
            // The letter may have been read whole: only a server that says no has not taken it.
            failure if error.status().is_none() && failure.why == Failed::Unavailable => {
                failed(Failed::Unavailable, BROKEN)
            }
            failure => failure,
        })
    }

    /// A connection to the first address that answers: each has its share of the time that is
    /// left, and nothing of a letter was said before.
    async fn connect(
        &self,
        addresses: &[SocketAddr],
        until: Instant,
    ) -> Result<AsyncSmtpConnection, Failure> {
        let mut last = failed(Failed::Unavailable, "address");
        for (place, address) in addresses.iter().enumerate() {
            let others = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
            let share = until.saturating_duration_since(Instant::now()) / others;
            match tokio::time::timeout(share, self.greeted(*address, share)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => last = said(&error),
                Err(_) => last = failed(Failed::Late, "timeout"),
            }
        }
        Err(last)
    }

    /// A connection over which the server has said who it is, encrypted as it must be.
    async fn greeted(
        &self,
        address: SocketAddr,
        share: Duration,
    ) -> Result<AsyncSmtpConnection, Error> {
        let name = ClientId::Domain(self.domain.clone());
        let (first, then) = match &self.tls {
            Tls::Wrapper(parameters) => (Some(parameters.clone()), None),
            Tls::Required(parameters) => (None, Some(parameters.clone())),
            Tls::None | Tls::Opportunistic(_) => (None, None),
        };
        let connected =
            AsyncSmtpConnection::connect_tokio1(address, Some(share), &name, first, None);
        let mut connection = connected.await?;
        if let Some(parameters) = then {
            connection.starttls(parameters, &name).await?;
        }
        Ok(connection)
    }

    /// Where the server is, if it may be there.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let found = tokio::net::lookup_host((self.config.host.as_str(), self.config.port)).await;
        let found = found.map_err(|_| failed(Failed::Unavailable, "dns"))?;
        let allowed = found.filter(|at| self.config.allow_private || is_public(at.ip()));
        let allowed: Vec<_> = allowed.take(ADDRESSES_MAX).collect();
        if allowed.is_empty() { Err(failed(Failed::Unavailable, "address")) } else { Ok(allowed) }
    }
}

/// How TLS is spoken with the server: whom we trust.
pub(crate) fn parameters(config: &EmailConfig) -> Result<TlsParameters, AdapterError> {
    let wrong = |_| AdapterError::Client {
        url: format!("{}:{}", config.host, config.port),
        why: "TLS cannot be spoken as configured".to_owned(),
    };
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(path) = &config.trust {
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in files::certificates(path)? {
            let certificate = Certificate::from_der(certificate.to_vec()).map_err(wrong)?;
            builder = builder.add_root_certificate(certificate);
        }
    }
    if config.is_relaxed {
        builder = builder
            .certificate_store(CertificateStore::None)
            .dangerous_accept_invalid_certs(true)
            .dangerous_accept_invalid_hostnames(true);
    }
    builder.build_rustls().map_err(wrong)
}

/// Codes of failures without an answer, which the audit has as outcomes.
const OUTCOMES: [&str; 7] = ["address", "connect", "tls", "starttls", "timeout", "schema", BROKEN];

/// What an error of the library means. Nothing of what the server wrote is passed on but its code.
fn said(error: &Error) -> Failure {
    if let Some(status) = error.status() {
        let status = u16::from(status);
        let why = match status {
            421 | 451 | 454 => Failed::Unavailable,
            450 | 452 | 552 => Failed::Limited,
            530 | 534 | 535 | 538 => Failed::Credentials,
            550 | 551 | 553 => Failed::NotFound,
            500..=504 => Failed::Format,
            _ if error.is_transient() => Failed::Unavailable,
            _ => Failed::Refused,
        };
        return failed(why, &format!("smtp_{status}"));
    }
    match () {
        () if error.is_timeout() => failed(Failed::Late, "timeout"),
        () if error.is_tls() => failed(Failed::Unavailable, "tls"),
        () if error.is_response() => failed(Failed::Malfunction, "schema"),
        // A server without STARTTLS, or without a way to log in that we know.
        () if error.is_client() => failed(Failed::Unavailable, "starttls"),
        () => failed(Failed::Unavailable, "connect"),
    }
}

impl Provides for Mail {
    fn has(&self, issuer: Issuer) -> bool {
        issuer == Issuer::Email
    }

    fn email(&self, within: Within, email: Email) -> Provided<'_, Sent> {
        Box::pin(async move { self.send(&within, email).await })
    }
}

/// As logs and the audit trail call it.
const NAME: &str = "email";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::audit::audit;
    use std::io::{Read as _, Write as _};
    use std::sync::Arc;
    use tokio::net::TcpListener;
    use veksel_simulator::sandbox::mail::{MailConfig, Mailbox};
    use veksel_simulator::sandbox::{Clock, Mount, start};

    /// In clear, without a login.
    fn mail_at(host: &str, port: u16) -> Mail {
        let config = EmailConfig {
            host: host.to_owned(),
            port,
            security: MailSecurity::None,
            login: None,
            from: "bank@veksel.example".to_owned(),
            timeout_ms: 30_000,
            calls_max: 1,
            allow_private: true,
            trust: None,
            is_relaxed: false,
        };
        Mail::new(&config, &|_| Ok(Secret::new("x")), audit(1).0).unwrap()
    }

    #[tokio::test]
    async fn every_address_of_the_server_is_tried_within_the_time_of_the_letter() {
        let clock = Clock::default();
        let mailbox = Mailbox::new(MailConfig { login: None }, clock.clone());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let sandbox = Arc::new(mailbox.server(None));
        let mount = Mount { name: "smtp".to_owned(), listen, tls: None, sandbox };
        let running = start(vec![mount], clock).unwrap();
        let there = running.address("smtp").unwrap();
        let at = |last: u8| SocketAddr::from(([127, 0, 0, last], there.port()));
        // One that accepts and says nothing, and one where nobody is.
        let _silent = TcpListener::bind(at(3)).await.unwrap();
        let mail = mail_at("mail.invalid", there.port());
        let connect = async |all: &[SocketAddr], ms: u64| {
            let until = Instant::now() + Duration::from_millis(ms);
            mail.connect(all, until).await.map(drop).map_err(|failure| failure.code)
        };
        assert_eq!(connect(&[at(2), at(3), there], 4_000).await, Ok(()));
        assert_eq!(connect(&[there, at(2)], 30_000).await, Ok(()));
        assert_eq!(connect(&[at(3), at(2)], 400).await, Err("connect".to_owned()));
        assert_eq!(connect(&[at(2), at(3)], 400).await, Err("timeout".to_owned()));
        assert_eq!(connect(&[], 400).await, Err("address".to_owned()));
    }

    /// A server that has the whole letter and hangs up: nobody knows whether it was taken.
    #[tokio::test]
    async fn who_hangs_up_behind_the_letter_may_have_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            for hangs_up_at in ["DATA\r\n", "EHLO"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut heard = String::new();
                stream.write_all(b"220 there\r\n").unwrap();
                loop {
                    let mut piece = [0; 4_096];
                    let count = stream.read(&mut piece).unwrap_or(0);
                    heard.push_str(&String::from_utf8_lossy(&piece[..count]));
                    let is_end = count == 0 || heard.contains(hangs_up_at);
                    if is_end && !heard.ends_with("DATA\r\n") {
                        break;
                    }
                    let answer = if is_end { "354 go on\r\n" } else { "250 so be it\r\n" };
                    stream.write_all(answer.as_bytes()).unwrap();
                    if is_end {
                        // A letter that came and was not read makes it a reset and no farewell.
                        let _ = stream.peek(&mut piece);
                        break;
                    }
                }
            }
        });
        let mail = mail_at("127.0.0.1", port);
        let send = async || {
            let email = Email {
                to: "kari@bank.example".to_owned(),
                subject: "Hei".to_owned(),
                text: "Hei".to_owned(),
                key: "k-1".to_owned(),
            };
            let within = Within { ms: 30_000, trace: String::new() };
            let failure = mail.send(&within, email).await.unwrap_err();
            (failure.why, failure.code)
        };
        assert_eq!(send().await, (Failed::Unavailable, BROKEN.to_owned()));
        let (_, code) = send().await;
        assert_ne!(code, BROKEN, "nothing of a letter was said");
        serving.join().unwrap();
    }
}
