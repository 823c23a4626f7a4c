//! Certificates for tests, made when they are wanted: a CA, who it signs, and what is wrong with
//! them.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use veksel_config::{Clients, DialTls, ListenTls, Pin};

/// A CA with a folder for what it signs.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) file: PathBuf,
}

/// A certificate and its key, as files and in memory.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) secret: PrivateKeyDer<'static>,
    pub(crate) pin: Pin,
    serial: SerialNumber,
}

/// What a certificate says.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) sans: Vec<SanType>,
    pub(crate) usage: Option<ExtendedKeyUsagePurpose>,
    /// The years in which it begins and ends.
    pub(crate) years: (i32, i32),
}

impl Wish {
    pub(crate) fn client(uri: &str) -> Self {
        let usage = Some(ExtendedKeyUsagePurpose::ClientAuth);
        Self { sans: vec![SanType::URI(uri.try_into().unwrap())], usage, years: (2020, 2090) }
    }

    pub(crate) fn server(name: &str) -> Self {
        let san = match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into().unwrap()),
        };
        let usage = Some(ExtendedKeyUsagePurpose::ServerAuth);
        Self { sans: vec![san], usage, years: (2020, 2090) }
    }

    fn params(&self, name: &str, serial: u64) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = self.sans.clone();
        params.extended_key_usages = self.usage.iter().cloned().collect();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = date_time_ymd(self.years.0, 1, 1);
        params.not_after = date_time_ymd(self.years.1, 1, 1);
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        params
    }
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let file = folder.path().join("ca.pem");
        fs::write(&file, certificate.pem()).unwrap();
        let certificate = certificate.der().clone();
        Self { folder, issuer: Issuer::new(params, key), certificate, file }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate that it signed.
    pub(crate) fn sign(&self, name: &str, wish: &Wish) -> Pair {
        let key = KeyPair::generate().unwrap();
        let serial = u64::from(Sha256::digest(name)[0]) + 1;
        let params = wish.params(name, serial);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.keep(name, &certificate, &key, serial)
    }

    /// A certificate that nobody signed but itself.
    pub(crate) fn self_signed(&self, name: &str, wish: &Wish) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = wish.params(name, 1).self_signed(&key).unwrap();
        self.keep(name, &certificate, &key, 1)
    }

    fn keep(&self, name: &str, made: &rcgen::Certificate, key: &KeyPair, serial: u64) -> Pair {
        let path = |kind: &str| self.folder.path().join(format!("{name}.{kind}"));
        let (certificate, file) = (path("pem"), path("key"));
        fs::write(&certificate, made.pem()).unwrap();
        fs::write(&file, key.serialize_pem()).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        Pair {
            certificate,
            key: file,
            chain: vec![made.der().clone()],
            secret: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            pin: Pin(Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(key)).into()),
            serial: SerialNumber::from(serial),
        }
    }

    /// A list of what it takes back, until the end of that year.
    pub(crate) fn revoke(&self, pairs: &[&Pair], until: i32) -> PathBuf {
        let revoked = |pair: &&Pair| RevokedCertParams {
            serial_number: pair.serial.clone(),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(until, 12, 31),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: pairs.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let path = self.folder.path().join("revoked.crl");
        fs::write(&path, params.signed_by(&self.issuer).unwrap().pem().unwrap()).unwrap();
        path
    }

    /// A listener that shows `own` and wants certificates of this CA.
    pub(crate) fn listen(&self, own: &Pair) -> ListenTls {
        ListenTls {
            certificate: own.certificate.clone(),
            key: own.key.clone(),
            clients: Clients::Required,
            ca: vec![self.file.clone()],
            crls: Vec::new(),
            handshake_ms: 5_000,
            handshakes_max: 256,
        }
    }

    /// Connections that believe this CA and show nothing.
    pub(crate) fn dial(&self) -> DialTls {
        DialTls {
            ca: vec![self.file.clone()],
            crls: Vec::new(),
            pins: Vec::new(),
            name: None,
            own: None,
            handshake_ms: 5_000,
        }
    }
}
