//! `veksel certs dev`: a CA and certificates to try TLS with, and the lines that use them.
//!
//! For tests only, and they say so: the key of the CA lies beside what it signed.

use crate::arguments::certs::Dev;
use crate::output::{Exit, Failure, Output};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use veksel_link::of_file;

/// Makes them.
///
/// # Errors
/// When a file exists already or cannot be written, or a name fits no certificate.
pub(crate) fn dev(arguments: &Dev, output: Output) -> Result<Exit, Failure> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let term = Term::of(today, arguments.days)?;
    let folder = &arguments.folder;
    let mut files = Files::in_folder(folder)?;
    let (issuer, ca) = authority(term)?;
    let key = issuer.key().serialize_pem();
    files.add("ca", &ca, &key);
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    hosts.extend(arguments.host.iter().cloned());
    let mut server = CertificateParams::new(hosts).map_err(|error| {
        Failure::usage(format!("--host: no certificate can have such a name: {error}"))
    })?;
    name(&mut server, "Veksel test server", ExtendedKeyUsagePurpose::ServerAuth, term);
    files.sign("server", &server, &issuer)?;
    files.sign("client", &of_client("client", term)?, &issuer)?;
    for participant in &arguments.participant {
        files.sign(participant, &of_client(participant, term)?, &issuer)?;
    }
    files.write(folder)?;
    output.print(lines(arguments, folder)?)?;
    Ok(Exit::Yes)
}

/// The first and the last day.
#[derive(Clone, Copy)]
struct Term(Date, Date);

impl Term {
    fn of(today: Date, days: u16) -> Result<Self, Failure> {
        let beyond = |_| Failure::usage("--days: so far the calendar does not go");
        // A day early, for clocks that are behind.
        let first = today.checked_sub(1.day()).map_err(beyond)?;
        Ok(Self(first, today.checked_add(i64::from(days).days()).map_err(beyond)?))
    }
}

fn name(params: &mut CertificateParams, text: &str, usage: ExtendedKeyUsagePurpose, term: Term) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, text);
    params.distinguished_name.push(DnType::OrganizationName, "TEST ONLY");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    date(params, term);
}

fn date(params: &mut CertificateParams, Term(first, last): Term) {
    let of = |day: Date| {
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        date_time_ymd(i32::from(day.year()), part(day.month()), part(day.day()))
    };
    params.not_before = of(first);
    params.not_after = of(last);
}

fn authority(term: Term) -> Result<(Issuer<'static, KeyPair>, String), Failure> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Veksel test CA");
    params.distinguished_name.push(DnType::OrganizationName, "TEST ONLY");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    date(&mut params, term);
    let key = KeyPair::generate().map_err(unmade)?;
    let pem = params.self_signed(&key).map_err(unmade)?.pem();
    Ok((Issuer::new(params, key), pem))
}

fn of_client(who: &str, term: Term) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::default();
    let uri = uri(who).try_into().map_err(unmade)?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    name(&mut params, &format!("Veksel test {who}"), ExtendedKeyUsagePurpose::ClientAuth, term);
    Ok(params)
}

/// What the certificate of a participant is known by.
fn uri(who: &str) -> String {
    format!("urn:veksel:test:{who}")
}

fn unmade(error: rcgen::Error) -> Failure {
    Failure::no("certificate", format!("a certificate cannot be made: {error}"))
}

/// What is to be written, all or nothing of it.
struct Files(Vec<(String, String, u32)>);

impl Files {
    fn in_folder(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        Ok(Self(Vec::new()))
    }

    fn add(&mut self, name: &str, certificate: &str, key: &str) {
        self.0.push((format!("{name}.pem"), certificate.to_owned(), 0o644));
        self.0.push((format!("{name}.key"), key.to_owned(), 0o600));
    }

    fn sign(
        &mut self,
        name: &str,
        params: &CertificateParams,
        issuer: &Issuer<'static, KeyPair>,
    ) -> Result<(), Failure> {
        let key = KeyPair::generate().map_err(unmade)?;
        let certificate = params.signed_by(&key, issuer).map_err(unmade)?;
        self.add(name, &certificate.pem(), &key.serialize_pem());
        Ok(())
    }

    fn write(&self, folder: &Path) -> Result<(), Failure> {
        let taken = self.0.iter().map(|(name, ..)| folder.join(name)).find(|path| path.exists());
        if let Some(path) = taken {
            let failure = Failure::no("exists", format!("{} is there already", path.display()));
            return Err(failure.help("nothing was written; name another folder"));
        }
        for (name, text, mode) in &self.0 {
            let path = folder.join(name);
            let file = OpenOptions::new().write(true).create_new(true).mode(*mode).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|error| unwritable(&path, &error))?;
        }
        Ok(())
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::no("write", format!("{} cannot be written: {error}", path.display()))
}

/// What to write into configurations to use them.
fn lines(arguments: &Dev, folder: &Path) -> Result<String, Failure> {
    // From wherever the configuration lies.
    let folder = folder.canonicalize().map_err(|error| unwritable(folder, &error))?;
    let path = |file: &str| folder.join(file).display().to_string().replace('\\', "\\\\");
    let mut text = format!(
        "a CA and certificates for tests are in {}, valid for {} days\n\n\
         # in the configuration of the switch\n",
        folder.display(),
        arguments.days,
    );
    for participant in &arguments.participant {
        let file = folder.join(format!("{participant}.pem"));
        let listed =
            of_file(&file).map_err(|error| Failure::no("certificate", error.to_string()))?;
        let pin = listed.first().and_then(|listed| listed.pin);
        let pin = pin.map(|pin| pin.to_string()).unwrap_or_default();
        let _ = writeln!(
            text,
            "[[participant]]\nname = \"{participant}\"\nsans = [\"URI:{}\"]\n\
             # or, of this key only: pins = [\"{pin}\"]\n",
            uri(participant),
        );
    }
    let _ = write!(
        text,
        "[listener.tls]\nenabled = true\ncertificate = \"{}\"\nkey = \"{}\"\nca = [\"{}\"]\n\n\
         [group.tls]\nenabled = true\nca = [\"{}\"]\ncertificate = \"{}\"\nkey = \"{}\"\n\n\
         # in the configuration of the simulator\n\
         [bank.tls]\nenabled = true\ncertificate = \"{}\"\nkey = \"{}\"\nca = [\"{}\"]\n\n",
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
        path("ca.pem"),
        path("client.pem"),
        path("client.key"),
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
    );
    if let Some(first) = arguments.participant.first() {
        let (certificate, key) = (path(&format!("{first}.pem")), path(&format!("{first}.key")));
        let ca = path("ca.pem");
        let _ = write!(
            text,
            "[terminals.tls]\nenabled = true\nca = [\"{ca}\"]\n\
             certificate = \"{certificate}\"\nkey = \"{key}\"\n\n\
             # and to ask the switch for a sign of life\n\
             veksel send echo --tls {ca},certificate={certificate},key={key}\n",
        );
    }
    Ok(text)
}
