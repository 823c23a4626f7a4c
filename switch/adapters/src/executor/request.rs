//! A call and its answer, as the executor takes and gives them.

use super::address::is_public;
use super::retry;
use crate::dates;
use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::time::SystemTime;
use veksel_core::Utc;
use veksel_core::enquiry::{Failed, Failure};

/// One call to a provider.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// What of the provider is asked: each has its own breaker.
    pub(crate) service: &'static str,
    /// The method.
    pub(crate) method: Method,
    /// The path with the names of its parts in place of their values, for the audit trail.
    pub(crate) template: &'static str,
    /// Path and query, exactly as they are to be sent; or a whole address.
    pub(crate) target: String,
    /// Headers; secrets among them marked as sensitive.
    pub(crate) headers: HeaderMap,
    /// The body, exactly as it is to be sent.
    pub(crate) body: Bytes,
    /// Whether carrying it out can move money. Then it is sent at most once.
    pub(crate) moves_money: bool,
    /// Whether carrying it out twice is the same as once.
    pub(crate) is_repeatable: bool,
    /// Whether the provider allows a few of them a day. Then it is sent again only if it was
    /// never heard.
    pub(crate) is_counted: bool,
    /// Whether it is made with our certificate.
    pub(crate) with_identity: bool,
}

impl Request {
    /// Without headers and body. GET, PUT and DELETE can be repeated, POST cannot.
    pub(crate) fn new(
        service: &'static str,
        method: Method,
        template: &'static str,
        target: impl Into<String>,
    ) -> Self {
        let is_repeatable = method != Method::POST && method != Method::PATCH;
        Self {
            service,
            method,
            template,
            target: target.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            moves_money: false,
            is_repeatable,
            is_counted: false,
            with_identity: false,
        }
    }

    /// With a header, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// If the value cannot stand in a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Result<Self, Failure> {
        self.set_header(name, value)?;
        Ok(self)
    }

    /// With a header that is shown nowhere.
    ///
    /// # Errors
    ///
    /// If the value cannot stand in a header.
    pub(crate) fn secret_header(
        mut self,
        name: &'static str,
        value: &str,
    ) -> Result<Self, Failure> {
        let mut value = header_value(name, value)?;
        value.set_sensitive(true);
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }

    /// Sets a header, in place of one of the same name; for what differs from attempt to attempt.
    ///
    /// # Errors
    ///
    /// If the value cannot stand in a header.
    pub(crate) fn set_header(&mut self, name: &'static str, value: &str) -> Result<(), Failure> {
        let value = header_value(name, value)?;
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(())
    }

    /// A header as text; empty if there is none.
    pub(crate) fn text_header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// With a body of JSON.
    ///
    /// # Errors
    ///
    /// If it cannot be written, which only a mistake of ours makes happen.
    pub(crate) fn json(self, body: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_vec(body).map_err(|_| failed(Failed::Malfunction, "json"))?;
        self.body("application/json", body)
    }

    /// With a body of these bytes.
    ///
    /// # Errors
    ///
    /// If the content type cannot stand in a header.
    pub(crate) fn body(
        mut self,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<Self, Failure> {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// That can move money.
    pub(crate) const fn moving_money(mut self) -> Self {
        self.moves_money = true;
        self.is_repeatable = false;
        self
    }

    /// Under our certificate, if `is_wanted`.
    pub(crate) const fn identified(mut self, is_wanted: bool) -> Self {
        self.with_identity = is_wanted;
        self
    }
}

fn header_value(name: &'static str, value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(value).map_err(|_| failed(Failed::Format, name))
}

/// A failure before anything was sent, with a code of ours.
pub(crate) fn failed(why: Failed, code: &str) -> Failure {
    Failure { code: code.to_owned(), ..Failure::before(why) }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    /// Its status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body, whole.
    pub(crate) body: Bytes,
    /// Whether the request could move money.
    pub(crate) moved_money: bool,
    /// Whether something about it says that it may be the answer to another request.
    pub(crate) is_doubtful: bool,
}

impl Response {
    /// Whether the status says so.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A header as text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// When the provider wants to be asked again, in milliseconds from now.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        // A date is one of the provider's clock, and so is that of the answer.
        let now = || dates::imf(self.header("date")).or_else(wall_clock);
        retry::retry_after_ms(self.header("retry-after"), now)
    }

    /// The body as JSON of this shape.
    ///
    /// # Errors
    ///
    /// [`Failed::Malfunction`] with the code `schema` if it is anything else: then nobody knows
    /// what a request that can move money did.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|_| self.unclear(Failed::Malfunction, "schema"))
    }

    /// The provider states that it did not do what was asked.
    pub(crate) fn refused(&self, why: Failed, code: &str) -> Failure {
        let retry_ms = self.retry_ms();
        Failure { why, is_open: false, code: code.to_owned(), retry_ms }
    }

    /// The answer says nothing about whether it was done.
    pub(crate) fn unclear(&self, why: Failed, code: &str) -> Failure {
        Failure { is_open: self.moved_money, ..self.refused(why, code) }
    }
}

fn wall_clock() -> Option<Utc> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Utc)
}

/// The beginning of every address of a provider, without a slash at its end.
pub(super) fn base(configured: &str, allow_private: bool) -> Result<String, &'static str> {
    let url = url("", configured, allow_private)?;
    if url.query().is_some() {
        return Err("has a query");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The address of a target. What the library would send differently than it is written is
/// refused, because signatures are made over what is written.
pub(super) fn url(base: &str, target: &str, allow_private: bool) -> Result<Url, &'static str> {
    let is_path = target.starts_with('/');
    let whole = if is_path { format!("{base}{target}") } else { target.to_owned() };
    let url = Url::parse(&whole).map_err(|_| "is no address")?;
    callable(&url, allow_private)?;
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    if is_path && url.as_str() != whole {
        return Err("has a path that would be sent differently");
    }
    Ok(url)
}

/// Whether an address is one that may be called, as far as it can be told from what is written.
pub(super) fn callable(url: &Url, allow_private: bool) -> Result<(), &'static str> {
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => return Err("is not encrypted (https), as it must be outside private networks"),
        _ => return Err("is neither http nor https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a name or password in it");
    }
    // The resolver sees names only.
    let host = url.host_str().unwrap_or_default();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if literal.is_ok_and(|address| !allow_private && !is_public(address)) {
        return Err("is one of this machine or of a private network");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_sent_as_it_is_written_or_not_at_all() {
        let base = "https://bank.example";
        for target in [
            "/",
            "/v1/accounts",
            "/resources/applicants/-;externalUserId=usr_1/one",
            "/a?b=c%20d&e=f",
            "/a%2Fb",
            "/v1/payments/1234-wertiq-983",
        ] {
            let url = url(base, target, false).unwrap();
            assert_eq!(url.as_str(), format!("{base}{target}"));
        }
        for target in ["/a/../b", "/a b", "/a#b", "/æ", "/./a", "/a/%2e%2e/b"] {
            assert!(url(base, target, false).is_err(), "{target}");
        }
    }

    #[test]
    fn addresses_inside_are_refused_however_they_are_written() {
        for whole in [
            "https://127.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
        ] {
            assert!(url("", whole, false).is_err(), "{whole}");
            assert!(url("", whole, true).is_ok(), "{whole}");
        }
        for whole in ["http://bank.example/", "ftp://bank.example/", "https://a:b@bank.example/"] {
            assert!(url("", whole, false).is_err(), "{whole}");
        }
        assert!(url("", "ftp://bank.example/", true).is_err());
    }

    #[test]
    fn a_secret_header_is_shown_nowhere() {
        let request = Request::new("a", Method::GET, "/", "/")
            .secret_header("authorization", "Bearer hidden")
            .unwrap();
        assert!(!format!("{request:?}").contains("hidden"));
        assert_eq!(request.text_header("authorization"), "Bearer hidden");
        let broken = Request::new("a", Method::GET, "/", "/").header("x-request-id", "a\nb");
        assert_eq!(broken.unwrap_err(), failed(Failed::Format, "x-request-id"));
    }
}
