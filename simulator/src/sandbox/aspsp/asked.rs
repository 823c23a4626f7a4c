//! A request as the banks see it, and the checks that come before its meaning: who asks, under
//! which number, in which form.

use std::net::Ipv4Addr;

use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::Bytes;
use serde_json::Value;

use super::banks::{Bank, PsuHeaders};
use super::refusal::Refusal;
use super::signature;
use crate::sandbox::ca::{Authority, Purpose, Role};
use crate::sandbox::serve::Peer;

/// A request to one bank.
pub(super) struct Asked {
    pub(super) bank: &'static Bank,
    pub(super) method: Method,
    /// Behind `/{bank}/`.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) peer: Peer,
    pub(super) now_ms: u64,
    /// `http://host:port`, as the caller reached us.
    pub(super) origin: String,
    /// organizationIdentifier of the caller; `None` while it did not have to say.
    pub(super) tpp: Option<String>,
}

impl Asked {
    /// `None` for one that is absent or no text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the customer asks this moment.
    pub(super) fn is_attended(&self) -> bool {
        self.headers.contains_key("psu-ip-address")
    }

    /// Whether it is about consents; at some banks those are approved elsewhere than payments.
    pub(super) fn is_about_consents(&self) -> bool {
        self.path.get(1).is_some_and(|part| part == "consents")
    }

    /// A link to something of this bank; `path` begins with a slash.
    pub(super) fn link(&self, path: &str) -> String {
        let origin = if self.bank.relative_links { "" } else { self.origin.as_str() };
        format!("{origin}/{}{path}", self.bank.id)
    }

    /// What every request of the interface has to have.
    pub(super) fn admit(&mut self, authority: Option<&Authority>) -> Result<(), Refusal> {
        let number = self.header("x-request-id").unwrap_or_default();
        if !is_uuid(number) {
            return Err(Refusal::format("X-Request-ID", "must be a UUID"));
        }
        if let Some(accept) = self.header("accept")
            && !["application/json", "application/*", "*/*"]
                .iter()
                .any(|kind| accept.contains(kind))
        {
            let text = "only application/json is offered";
            let status = StatusCode::NOT_ACCEPTABLE;
            return Err(Refusal::new(status, "REQUESTED_FORMATS_INVALID", text).at("Accept"));
        }
        self.identify(authority)?;
        if let Some(address) = self.header("psu-ip-address") {
            check_address(address)?;
        }
        Ok(())
    }

    fn identify(&mut self, authority: Option<&Authority>) -> Result<(), Refusal> {
        if self.bank.needs_qwac && self.peer.certificate.is_none() {
            let text = "a QWAC must be shown on the connection";
            return Err(Refusal::unauthorized("CERTIFICATE_MISSING", text));
        }
        if let Some(certificate) = self.peer.certificate.clone() {
            let is_qwac = certificate.purpose == Some(Purpose::Web);
            if self.bank.needs_qwac && !(is_qwac && certificate.organization.is_some()) {
                return Err(Refusal::unauthorized("CERTIFICATE_INVALID", "is no QWAC"));
            }
            if is_qwac {
                self.check_role(&certificate.roles)?;
                self.tpp.clone_from(&certificate.organization);
            }
        }
        if self.bank.needs_seal {
            // Without a CA nobody can have a seal; the configuration does not allow that.
            let authority = authority.ok_or_else(|| {
                Refusal::unauthorized("CERTIFICATE_INVALID", "the sandbox has no CA")
            })?;
            let seal = signature::verify(&self.headers, &self.body, authority)?;
            self.check_role(&seal.roles)?;
            self.tpp = seal.organization;
        }
        Ok(())
    }

    fn check_role(&self, roles: &[Role]) -> Result<(), Refusal> {
        let needed = match self.path.get(1).map(String::as_str) {
            Some("consents" | "accounts") => Role::AccountInformation,
            Some("funds-confirmations") => Role::CardIssuing,
            _ => Role::PaymentInitiation,
        };
        match roles.contains(&needed) {
            true => Ok(()),
            false => {
                let text = format!("{} is missing in the certificate", needed.name());
                Err(Refusal::unauthorized("ROLE_INVALID", text))
            }
        }
    }

    /// For consents and payments.
    pub(super) fn require_customer(&self) -> Result<(), Refusal> {
        match self.is_attended() {
            true => Ok(()),
            false => Err(Refusal::format("PSU-IP-Address", "is mandatory here")),
        }
    }

    /// What this bank thinks of PSU headers on requests for accounts.
    pub(super) fn check_psu_headers(&self) -> Result<(), Refusal> {
        match self.bank.psu_headers {
            PsuHeaders::IfPresent => Ok(()),
            PsuHeaders::Required => {
                for name in ["PSU-IP-Address", "PSU-User-Agent"] {
                    if !self.headers.contains_key(name) {
                        return Err(Refusal::format(name, "this bank requires it"));
                    }
                }
                Ok(())
            }
            PsuHeaders::Forbidden => {
                match self.headers.keys().any(|name| name.as_str().starts_with("psu-")) {
                    true => Err(Refusal::format("PSU-*", "this bank takes no PSU headers here")),
                    false => Ok(()),
                }
            }
        }
    }

    /// Where the customer is sent after a decision: yes, and no.
    pub(super) fn redirects(&self, is_needed: bool) -> Result<Redirects, Refusal> {
        let ok = self.header("tpp-redirect-uri").map(str::to_owned);
        if ok.is_none() && is_needed {
            return Err(Refusal::format("TPP-Redirect-URI", "is mandatory for a redirect"));
        }
        let nok = self.header("tpp-nok-redirect-uri").map(str::to_owned);
        let places = [("TPP-Redirect-URI", &ok), ("TPP-Nok-Redirect-URI", &nok)];
        for (name, uri) in places.into_iter().filter_map(|(name, uri)| Some((name, uri.as_ref()?)))
        {
            let Some(host) = host_of(uri) else {
                return Err(Refusal::format(name, "is no http or https address"));
            };
            if self.bank.needs_qwac
                && let Some(certificate) = &self.peer.certificate
                && !certificate.hosts.iter().any(|known| known.eq_ignore_ascii_case(&host))
            {
                return Err(Refusal::format(name, "is not in the domain of the certificate"));
            }
        }
        Ok(Redirects { ok, nok })
    }

    /// The body as a JSON object.
    pub(super) fn json(&self) -> Result<serde_json::Map<String, Value>, Refusal> {
        let kind = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let text = "Content-Type must be application/json";
            return Err(Refusal::bare(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Refusal::format("body", "is no JSON object")),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(Refusal::format("body", format!("is no JSON at {line}:{column}")))
            }
        }
    }
}

/// Where the customer is sent after a decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Redirects {
    pub(super) ok: Option<String>,
    pub(super) nok: Option<String>,
}

/// A customer is somewhere on the Internet, and the schema knows IPv4 only.
fn check_address(text: &str) -> Result<(), Refusal> {
    let Ok(address) = text.parse::<Ipv4Addr>() else {
        return Err(Refusal::format("PSU-IP-Address", "is no IPv4 address"));
    };
    let is_inside = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast();
    match is_inside {
        true => Err(Refusal::format("PSU-IP-Address", "is no public address")),
        false => Ok(()),
    }
}

fn host_of(uri: &str) -> Option<String> {
    let uri: hyper::Uri = uri.parse().ok()?;
    uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    uri.host().filter(|host| !host.is_empty()).map(str::to_owned)
}

/// RFC 4122 text form, of any version.
pub(super) fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_form() {
        assert!(is_uuid("91ba7c09-59bb-54a4-8ff2-8f2a2fb4e688"));
        for text in
            ["", "1", "91ba7c0959bb54a48ff28f2a2fb4e688", "91ba7c09-59bb-54a4-8ff2-8f2a2fb4e68g"]
        {
            assert!(!is_uuid(text), "{text}");
        }
    }

    #[test]
    fn a_customer_has_a_public_address() {
        assert_eq!(check_address("203.0.113.7"), Ok(()));
        for text in ["127.0.0.1", "10.1.2.3", "169.254.1.1", "0.0.0.0", "::1", "x", ""] {
            assert!(check_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_redirect_leads_to_a_host() {
        assert_eq!(host_of("https://tpp.example/x?s=1").as_deref(), Some("tpp.example"));
        for text in ["tpp.example", "/x", "ftp://tpp.example/", "javascript:alert(1)", ""] {
            assert_eq!(host_of(text), None, "{text}");
        }
    }
}
