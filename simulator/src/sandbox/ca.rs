//! A certification authority for tests, as PSD2 has them: it issues QWACs (TLS) and QSEALs
//! (signatures) with the roles of a third-party provider, and reads them from what callers show.
//!
//! What it issues is worth nothing outside this process and whoever trusts its certificate. It is
//! no trust list and checks no revocation.

mod folder;
mod qc;

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
    SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

pub use folder::Files;
pub use qc::{Purpose, Role};

/// Why a certificate cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A name that no certificate can have, or no randomness.
    #[error("a test certificate cannot be made: {0}")]
    Making(#[from] rcgen::Error),
    /// The TLS library refuses it.
    #[error("test certificates cannot be used for TLS: {0}")]
    Tls(String),
    /// A file of the folder cannot be read or written.
    #[error("{path}: {what}")]
    File {
        /// Which.
        path: String,
        /// Why.
        what: String,
    },
}

/// What a certificate is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// QWAC or QSEAL.
    pub purpose: Purpose,
    /// Subject CN; for a QWAC also its first DNS name.
    pub name: String,
    /// Further DNS names and addresses of a QWAC.
    pub hosts: Vec<String>,
    /// Subject organizationIdentifier, `PSD<country>-<authority>-<id>` (ETSI TS 119 495 5.2.1).
    /// `None` leaves it out, and the roles with it: then it is an ordinary certificate.
    pub organization: Option<String>,
    /// What the authority has licensed.
    pub roles: Vec<Role>,
    /// First and last day, `(year, month, day)`.
    pub valid: [(i32, u8, u8); 2],
}

impl Wanted {
    /// One of the test provider with some roles.
    #[must_use]
    pub fn of(purpose: Purpose, roles: &[Role]) -> Self {
        Self {
            purpose,
            name: "tpp.example".to_owned(),
            hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            organization: Some(ORGANIZATION.to_owned()),
            roles: roles.to_vec(),
            valid: VALID,
        }
    }
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct Issued {
    /// In PEM, alone.
    pub certificate: String,
    /// In PEM, PKCS #8. For tests, and a secret all the same.
    pub key: String,
}

/// Whether callers must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// A caller without one is told so by HTTP.
    Optional,
    /// The handshake fails without one.
    Required,
}

/// The CA.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    roots: Arc<RootCertStore>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Authority {
    /// A new one with a key that nobody has.
    ///
    /// # Errors
    /// The library made no key.
    pub fn new() -> Result<Self, CaError> {
        let (params, key) = (own_params(), KeyPair::generate()?);
        let pem = params.self_signed(&key)?.pem();
        Self::with(Issuer::new(params, key), pem)
    }

    /// One that was kept.
    ///
    /// # Errors
    /// The texts are no certificate of a CA with its key.
    pub fn kept(kept: &Issued) -> Result<Self, CaError> {
        let key = KeyPair::from_pem(&kept.key)?;
        // Every CA of this module says the same of itself but for its key.
        Self::with(Issuer::new(own_params(), key), kept.certificate.clone())
    }

    fn with(issuer: Issuer<'static, KeyPair>, pem: String) -> Result<Self, CaError> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(pem.as_bytes()).map_err(unusable)?)
            .map_err(unusable)?;
        let roots = Arc::new(roots);
        let verifier = verifier(&roots, Clients::Optional)?;
        Ok(Self { issuer, pem, roots, verifier })
    }

    /// Its own certificate, which whoever is to trust it needs.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Itself with its key, to be kept.
    #[must_use]
    pub fn to_keep(&self) -> Issued {
        Issued { certificate: self.pem.clone(), key: self.issuer.key().serialize_pem() }
    }

    /// Issues a certificate with a new key: P-256 for a QWAC, RSA of 2048 bits for a QSEAL,
    /// because the signatures of the Berlin Group are RSA.
    ///
    /// # Errors
    /// A name that no certificate can have.
    pub fn issue(&self, wanted: &Wanted) -> Result<Issued, CaError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&wanted.name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        date(&mut params, wanted.valid);
        if let Some(organization) = &wanted.organization {
            let identifier = DnType::CustomDnType(vec![2, 5, 4, 97]);
            params.distinguished_name.push(identifier, organization.as_str());
            let content = qc::write(wanted.purpose, &wanted.roles);
            params.custom_extensions = vec![CustomExtension::from_oid_content(qc::OID, content)];
        }
        let key = match wanted.purpose {
            Purpose::Web => {
                params.extended_key_usages =
                    vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
                let names = std::iter::once(&wanted.name).chain(&wanted.hosts);
                params.subject_alt_names =
                    names.map(|name| host(name)).collect::<Result<_, _>>()?;
                KeyPair::generate()?
            }
            Purpose::Seal => {
                params.key_usages.push(KeyUsagePurpose::ContentCommitment);
                KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?
            }
        };
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }

    /// What a sandbox shakes hands with, under names of its own.
    ///
    /// # Errors
    /// A name that no certificate can have.
    pub fn server(&self, hosts: &[&str], clients: Clients) -> Result<Arc<ServerConfig>, CaError> {
        let issued = self.issue(&Wanted {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            organization: None,
            name: "sandbox.example".to_owned(),
            ..Wanted::of(Purpose::Web, &[])
        })?;
        let chain = CertificateDer::from_pem_slice(issued.certificate.as_bytes());
        let chain = vec![chain.map_err(unusable)?];
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).map_err(unusable)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unusable)?;
        let config = builder
            .with_client_cert_verifier(verifier(&self.roots, clients)?)
            .with_single_cert(chain, key);
        Ok(Arc::new(config.map_err(unusable)?))
    }

    /// Whether this CA issued a certificate and it is valid now.
    #[must_use]
    pub fn vouches(&self, der: &[u8]) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = UnixTime::since_unix_epoch(now.unwrap_or(Duration::ZERO));
        let der = CertificateDer::from_slice(der);
        self.verifier.verify_client_cert(&der, &[], now).is_ok()
    }
}

/// What a caller showed, as far as a bank looks at it. Says nothing about who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Subject CN.
    pub name: Option<String>,
    /// Subject organizationIdentifier.
    pub organization: Option<String>,
    /// In the order of the certificate.
    pub roles: Vec<Role>,
    /// `None` if no statement says whether it is a QWAC or a QSEAL.
    pub purpose: Option<Purpose>,
    /// DNS names and addresses.
    pub hosts: Vec<String>,
    /// Big-endian, without zeros in front; upper-case hexadecimal.
    pub serial: String,
    /// As X.500 text.
    pub issuer: String,
    /// RSA: the `RSAPublicKey` in DER. Otherwise the bytes of the key.
    pub public_key: Vec<u8>,
}

impl ClientCertificate {
    /// `None` for bytes that are no certificate, or one whose statements cannot be read.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let subject = certificate.subject();
        let text = |oid: &[u64]| {
            let oid = x509_parser::der_parser::Oid::from(oid).ok()?;
            let attribute = subject.iter_by_oid(&oid).next()?;
            attribute.as_str().ok().map(str::to_owned)
        };
        let statements = certificate.extensions().iter().find(|extension| {
            extension.oid.iter().is_some_and(|arcs| arcs.eq(qc::OID.iter().copied()))
        });
        let (roles, purpose) = match statements {
            Some(statements) => qc::read(statements.value)?,
            None => (Vec::new(), None),
        };
        let names = certificate.subject_alternative_name().ok().flatten();
        let hosts = names.map_or_else(Vec::new, |names| {
            let name = |name: &GeneralName<'_>| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    let four = <[u8; 4]>::try_from(*bytes).ok().map(IpAddr::from);
                    let six = || <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from);
                    four.or_else(six).map(|address| address.to_string())
                }
                _ => None,
            };
            names.value.general_names.iter().filter_map(name).collect()
        });
        Some(Self {
            name: text(&[2, 5, 4, 3]),
            organization: text(&[2, 5, 4, 97]),
            roles,
            purpose,
            hosts,
            serial: format!("{:X}", certificate.serial),
            issuer: certificate.issuer().to_string(),
            public_key: certificate.public_key().subject_public_key.data.to_vec(),
        })
    }

    /// Whether the authority has licensed a role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

fn own_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Veksel sandbox CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    date(&mut params, VALID);
    params
}

fn verifier(
    roots: &Arc<RootCertStore>,
    clients: Clients,
) -> Result<Arc<dyn ClientCertVerifier>, CaError> {
    let provider = Arc::new(provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider);
    let builder = match clients {
        Clients::Optional => builder.allow_unauthenticated(),
        Clients::Required => builder,
    };
    builder.build().map_err(unusable)
}

fn unusable(error: impl Display) -> CaError {
    CaError::Tls(error.to_string())
}

fn provider() -> rustls::crypto::CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CountryName, "NO");
    name.push(DnType::OrganizationName, "TEST ONLY");
    name.push(DnType::CommonName, common);
    name
}

fn host(host: &str) -> Result<SanType, CaError> {
    Ok(match host.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(host.try_into()?),
    })
}

type Days = [(i32, u8, u8); 2];

fn date(params: &mut CertificateParams, [first, last]: Days) {
    params.not_before = date_time_ymd(first.0, first.1, first.2);
    params.not_after = date_time_ymd(last.0, last.1, last.2);
}

/// Of the test provider.
pub const ORGANIZATION: &str = "PSDNO-FSA-912345678";

/// Long enough that no test machine's clock is outside.
pub const VALID: Days = [(2020, 1, 1), (2120, 1, 1)];

#[cfg(test)]
mod tests;
