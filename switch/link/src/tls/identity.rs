//! Who a certificate belongs to: the SHA-256 of its public key, or one of its names, whole
//! (guarantees 5.2). Its common name never counts.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use veksel_config::{Identities, Pin, San};
use veksel_core::plan::ParticipantId;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// Nobody is known by it, or more than one participant is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stranger;

/// The participant of a peer that showed these certificates, its own first.
pub(crate) fn participant(
    identities: &Identities,
    shown: Option<&[CertificateDer<'_>]>,
) -> Result<ParticipantId, Stranger> {
    let Some(own) = shown.and_then(<[_]>::first) else {
        return identities.without.ok_or(Stranger);
    };
    let (_, certificate) = X509Certificate::from_der(own).map_err(|_| Stranger)?;
    let (pin, sans) = (pin(&certificate), sans(&certificate));
    let mut found = identities.known.iter().filter(|identity| {
        identity.pins.contains(&pin) || sans.iter().any(|san| identity.sans.contains(san))
    });
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.participant),
        // A certificate that fits two participants says nothing of which one it is.
        (Some(_), Some(_)) | (None, _) => Err(Stranger),
    }
}

/// The pin of a certificate.
pub(super) fn pin(certificate: &X509Certificate<'_>) -> Pin {
    Pin(Sha256::digest(certificate.public_key().raw).into())
}

/// The names of a certificate that can stand for a participant. One whose extension is broken has
/// none.
pub(super) fn sans(certificate: &X509Certificate<'_>) -> Vec<San> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| extension.value.general_names.as_slice());
    let san = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(San::Dns(name.to_ascii_lowercase())),
        GeneralName::URI(uri) => Some(San::Uri((*uri).to_owned())),
        GeneralName::OtherName(..)
        | GeneralName::RFC822Name(_)
        | GeneralName::X400Address(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EDIPartyName(_)
        | GeneralName::IPAddress(_)
        | GeneralName::RegisteredID(_)
        | GeneralName::Invalid(..) => None,
    };
    names.unwrap_or_default().iter().filter_map(san).collect()
}
