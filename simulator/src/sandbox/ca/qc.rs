//! The qualified statements of a certificate (RFC 3739 3.2.6) as PSD2 uses them: what it is for
//! (ETSI EN 319 412-5 4.2.3) and which roles its holder has (ETSI TS 119 495 5.1).

use std::iter;

use x509_parser::der_parser::ber::BerObject;
use x509_parser::der_parser::der::parse_der;

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// QWAC: proves who is on a connection.
    Web,
    /// QSEAL: signs messages.
    Seal,
}

/// What an authority allows a provider to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `PSP_AS`: keeps accounts.
    AccountServicing,
    /// `PSP_PI`: initiates payments.
    PaymentInitiation,
    /// `PSP_AI`: reads accounts.
    AccountInformation,
    /// `PSP_IC`: issues cards, and so asks whether there is money.
    CardIssuing,
}

impl Role {
    /// In the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::AccountServicing,
        Self::PaymentInitiation,
        Self::AccountInformation,
        Self::CardIssuing,
    ];

    /// As certificates spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountServicing => "PSP_AS",
            Self::PaymentInitiation => "PSP_PI",
            Self::AccountInformation => "PSP_AI",
            Self::CardIssuing => "PSP_IC",
        }
    }

    /// 0.4.0.19495.1.n in DER.
    const fn oid(self) -> [u8; 7] {
        let number = match self {
            Self::AccountServicing => 1,
            Self::PaymentInitiation => 2,
            Self::AccountInformation => 3,
            Self::CardIssuing => 4,
        };
        [0x04, 0x00, 0x81, 0x98, 0x27, 0x01, number]
    }
}

/// Of the extension.
pub(super) const OID: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 3];

/// 0.4.0.1862.1.1: the certificate is a qualified one.
const COMPLIANCE: &[u8] = &[0x04, 0x00, 0x8e, 0x46, 0x01, 0x01];
/// 0.4.0.1862.1.6: what it is for follows.
const TYPE: &[u8] = &[0x04, 0x00, 0x8e, 0x46, 0x01, 0x06];
/// 0.4.0.1862.1.6.2.
const TYPE_SEAL: &[u8] = &[0x04, 0x00, 0x8e, 0x46, 0x01, 0x06, 0x02];
/// 0.4.0.1862.1.6.3.
const TYPE_WEB: &[u8] = &[0x04, 0x00, 0x8e, 0x46, 0x01, 0x06, 0x03];
/// 0.4.0.19495.2: roles and authority follow.
const PSD2: &[u8] = &[0x04, 0x00, 0x81, 0x98, 0x27, 0x02];

/// The value of the extension.
pub(super) fn write(purpose: Purpose, roles: &[Role]) -> Vec<u8> {
    let kind = match purpose {
        Purpose::Web => TYPE_WEB,
        Purpose::Seal => TYPE_SEAL,
    };
    let role = |role: &Role| sequence(&[oid(&role.oid()), utf8(role.name())]);
    let roles: Vec<Vec<u8>> = roles.iter().map(role).collect();
    sequence(&[
        sequence(&[oid(COMPLIANCE)]),
        sequence(&[oid(TYPE), sequence(&[oid(kind)])]),
        sequence(&[
            oid(PSD2),
            sequence(&[sequence(&roles), utf8("Finanstilsynet"), utf8("NO-FSA")]),
        ]),
    ])
}

/// Roles and purpose. Statements and roles that nobody knows are passed over; `None` if it is not
/// what the standards describe.
pub(super) fn read(value: &[u8]) -> Option<(Vec<Role>, Option<Purpose>)> {
    let (rest, statements) = parse_der(value).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let (mut roles, mut purpose) = (Vec::new(), None);
    for statement in statements.as_sequence().ok()? {
        let parts = statement.as_sequence().ok()?;
        let id = oid_of(parts.first()?)?;
        if id == TYPE {
            for kind in parts.get(1)?.as_sequence().ok()? {
                match oid_of(kind)? {
                    TYPE_SEAL => purpose = Some(Purpose::Seal),
                    TYPE_WEB => purpose = Some(Purpose::Web),
                    _ => {}
                }
            }
        } else if id == PSD2 {
            let licence = parts.get(1)?.as_sequence().ok()?;
            for role in licence.first()?.as_sequence().ok()? {
                let id = oid_of(role.as_sequence().ok()?.first()?)?;
                roles.extend(Role::ALL.into_iter().find(|role| role.oid() == id));
            }
        }
    }
    Some((roles, purpose))
}

fn oid_of<'a>(object: &'a BerObject<'_>) -> Option<&'a [u8]> {
    object.as_oid().ok().map(|oid| oid.as_bytes())
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    der(0x06, bytes)
}

fn utf8(text: &str) -> Vec<u8> {
    der(0x0c, text.as_bytes())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let bytes = length.to_be_bytes();
    let significant = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(significant..).unwrap_or_default();
    let long = if length < 0x80 { None } else { u8::try_from(bytes.len()).ok() };
    let short = bytes.last().copied().unwrap_or(0);
    iter::once(tag)
        .chain(long.map_or(vec![short], |count| [&[0x80 | count], bytes].concat()))
        .chain(content.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for purpose in [Purpose::Web, Purpose::Seal] {
            for roles in [&Role::ALL[..], &[Role::AccountInformation], &[]] {
                let written = write(purpose, roles);
                assert_eq!(read(&written), Some((roles.to_vec(), Some(purpose))));
            }
        }
    }

    #[test]
    fn damage_is_no_panic_and_no_extra_role() {
        let written = write(Purpose::Web, &[Role::AccountInformation]);
        for cut in 0..written.len() {
            assert_eq!(read(&written[..cut]), None, "{cut}");
        }
        for place in 0..written.len() {
            let mut spoiled = written.clone();
            spoiled[place] ^= 0x20;
            if let Some((roles, _)) = read(&spoiled) {
                assert!(roles.len() <= 1, "{place}");
            }
        }
    }

    #[test]
    fn a_long_content_has_a_long_length() {
        assert_eq!(der(4, &[])[..2], [4, 0]);
        assert_eq!(der(4, &[7; 127])[..2], [4, 127]);
        assert_eq!(der(4, &[7; 128])[..3], [4, 0x81, 128]);
        assert_eq!(der(4, &[7; 300])[..4], [4, 0x82, 1, 44]);
    }
}
