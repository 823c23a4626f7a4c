//! What the CA issues is what a bank reads from it.

use super::*;

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

#[test]
fn a_certificate_says_who_and_what_for() {
    let authority = Authority::new().unwrap();
    let roles = [Role::PaymentInitiation, Role::AccountInformation];
    for purpose in [Purpose::Web, Purpose::Seal] {
        let issued = authority.issue(&Wanted::of(purpose, &roles)).unwrap();
        let der = der(&issued.certificate);
        assert!(authority.vouches(&der));
        let read = ClientCertificate::read(&der).unwrap();
        assert_eq!(read.name.as_deref(), Some("tpp.example"));
        assert_eq!(read.organization.as_deref(), Some("PSDNO-FSA-912345678"));
        assert_eq!((read.roles.as_slice(), read.purpose), (&roles[..], Some(purpose)));
        assert!(read.has(Role::PaymentInitiation) && !read.has(Role::CardIssuing));
        assert!(read.issuer.contains("Veksel sandbox CA"), "{}", read.issuer);
        assert_eq!(read.hosts.is_empty(), purpose == Purpose::Seal);
    }
}

#[test]
fn what_others_issued_or_what_is_over_is_not_vouched_for() {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let wanted = Wanted::of(Purpose::Web, &[Role::PaymentInitiation]);
    assert!(!authority.vouches(&der(&other.issue(&wanted).unwrap().certificate)));
    let past = Wanted { valid: [(2020, 1, 1), (2021, 1, 1)], ..wanted };
    assert!(!authority.vouches(&der(&authority.issue(&past).unwrap().certificate)));
    assert!(!authority.vouches(b"no certificate"));
    assert_eq!(ClientCertificate::read(b"no certificate"), None);
}

#[test]
fn an_ordinary_certificate_has_no_roles() {
    let authority = Authority::new().unwrap();
    let wanted = Wanted { organization: None, ..Wanted::of(Purpose::Web, &Role::ALL) };
    let read = ClientCertificate::read(&der(&authority.issue(&wanted).unwrap().certificate));
    let read = read.unwrap();
    assert_eq!((read.organization, read.roles, read.purpose), (None, Vec::new(), None));
}

#[test]
fn a_folder_keeps_the_ca_and_half_a_pair_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (first, files) = Authority::in_folder(folder.path()).unwrap();
    let (second, _) = Authority::in_folder(folder.path()).unwrap();
    assert_eq!(first.pem(), second.pem());
    let qwac = std::fs::read_to_string(&files.qwac.0).unwrap();
    assert!(second.vouches(&der(&qwac)));
    let issued = second.issue(&Wanted::of(Purpose::Seal, &[])).unwrap();
    assert!(first.vouches(&der(&issued.certificate)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&files.qseal.1).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::remove_file(&files.qwac.1).unwrap();
    let error = Authority::in_folder(folder.path()).err().unwrap().to_string();
    assert!(error.ends_with("qwac.key: is missing, though its counterpart is there"), "{error}");
}
