//! Letters over SMTP: STARTTLS or TLS from the first byte, one connection for each letter.
//!
//! The address of the server is looked up here, so that the rules on private addresses hold for
//! what is connected to; its certificate is checked against the name. Nothing is sent in clear but
//! where the configuration says so, near by.

use crate::adapters::AdapterError;
use crate::executor::address::is_public;
use crate::executor::audit::{AuditSink, CallEvent, Span};
use crate::executor::failed;
use crate::files;
use crate::providers::{Email, Issuer, Provided, Provides, Sent, Within};
use core::fmt;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use veksel_config::bridge::SecretSource;
use veksel_config::provider::{EmailConfig, MailSecurity};
use veksel_core::enquiry::{Failed, Failure, Secret};

/// Longest text of a letter, in bytes.
const TEXT_MAX: usize = 256 * 1024;

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
        let result = tokio::time::timeout(limit, self.exchange(message, limit)).await;
        let result = result.unwrap_or_else(|_| Err(failed(Failed::Late, "timeout")));
        let outcome = match &result {
            Ok(()) => "ok",
            Err(failure) if failure.code.starts_with("smtp_") => "answered",
            Err(_) => "failed",
        };
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

    async fn exchange(&self, message: Message, limit: Duration) -> Result<(), Failure> {
        let address = self.address().await?;
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.to_string())
                .port(self.config.port)
                .timeout(Some(limit))
                .hello_name(ClientId::Domain(self.domain.clone()))
                .tls(self.tls.clone());
        if let Some((user, password)) = &self.login {
            let login = Credentials::new(user.clone(), password.expose().to_owned());
            builder = builder.credentials(login);
        }
        let transport = builder.build();
        transport.send(message).await.map(drop).map_err(|error| said(&error))
    }

    /// Where the server is, if it may be there.
    async fn address(&self) -> Result<IpAddr, Failure> {
        let found = tokio::net::lookup_host((self.config.host.as_str(), self.config.port)).await;
        let found = found.map_err(|_| failed(Failed::Unavailable, "dns"))?;
        let mut allowed =
            found.map(|at| at.ip()).filter(|at| self.config.allow_private || is_public(*at));
        allowed.next().ok_or_else(|| failed(Failed::Unavailable, "address"))
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

/// What an error of the library means. Nothing of what the server wrote is passed on but its code.
fn said(error: &lettre::transport::smtp::Error) -> Failure {
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
