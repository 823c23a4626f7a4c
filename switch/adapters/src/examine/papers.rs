//! What a party needs that stands in files and variables: secrets that only their owner may read,
//! certificates with their keys, and CAs.

use super::{Findings, Mark};
use crate::adapters::AdapterError;
use crate::files;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use veksel_config::bridge::{Identity, SecretSource};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

/// See the module. What is named here is looked at in this order.
#[derive(Debug, Default)]
pub(super) struct Papers {
    /// What each is, and where it stands.
    pub(super) secrets: Vec<(String, SecretSource)>,
    /// Keys of ours without a certificate.
    pub(super) keys: Vec<(&'static str, PathBuf)>,
    /// CAs that are believed in place of the public ones.
    pub(super) trust: Option<PathBuf>,
    /// What we are known by.
    pub(super) identities: Vec<(&'static str, Identity)>,
    /// Other files that are read at the start.
    pub(super) files: Vec<(&'static str, PathBuf)>,
    /// Something else that is wrong with them.
    pub(super) wrong: Option<AdapterError>,
}

impl Papers {
    pub(super) fn look(&self, findings: &mut Findings) {
        for (what, source) in &self.secrets {
            findings.secret(what, source);
        }
        for (what, path) in &self.keys {
            match files::key(path) {
                Ok(_) => findings.add("key", Mark::Good, format!("{what} is readable"), ""),
                Err(error) => unreadable(findings, "key", what, &error),
            }
        }
        if let Some(path) = &self.trust {
            trust(findings, path);
        }
        for (what, identity) in &self.identities {
            known_by(findings, what, identity);
        }
        for (what, path) in &self.files {
            findings.file(what, path);
        }
        if let Some(error) = &self.wrong {
            let fix = "put there what the provider gives out, unchanged";
            findings.add("secret", Mark::Bad, error.to_string(), fix);
        }
    }
}

impl Findings {
    /// Whether a secret can be read, by nobody but its owner. It is not shown.
    pub fn secret(&mut self, what: &str, source: &SecretSource) {
        let place = match source {
            SecretSource::File(path) => format!("the file {}", path.display()),
            SecretSource::Env(name) => format!("the variable {name}"),
        };
        match files::read_secret(source) {
            Ok(_) => self.add("secret", Mark::Good, format!("{what} is in {place}"), ""),
            Err(AdapterError::Secret { why, .. }) => {
                let fix = match source {
                    SecretSource::File(_) => "write the secret there, and nothing else",
                    SecretSource::Env(_) => {
                        "set it as it is where the switch runs, or name a file with `…_file`"
                    }
                };
                self.add("secret", Mark::Bad, format!("{what}: {place} {why}"), fix);
            }
            Err(error) => unreadable(self, "secret", what, &error),
        }
    }

    /// Whether a file that is no secret can be read.
    pub fn file(&mut self, what: &str, path: &Path) {
        match File::open(path).and_then(|mut file| file.read(&mut [0])) {
            Ok(_) => {
                self.add("file", Mark::Good, format!("{what} is in {}", path.display()), "");
            }
            Err(source) => {
                let error = AdapterError::Read { path: path.to_owned(), source };
                unreadable(self, "file", what, &error);
            }
        }
    }
}

/// Why a file is of no use, with what to do about that.
fn unreadable(findings: &mut Findings, check: &'static str, what: &str, error: &AdapterError) {
    let fix = match error {
        AdapterError::Read { source, .. } if source.kind() == ErrorKind::NotFound => {
            "put it there, or name another file in the configuration"
        }
        AdapterError::Read { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "let the user whom the switch runs as own it; this was tried as the present one"
        }
        AdapterError::Content { why, .. } if why.contains("chmod") => {
            "take the rights of others away (chmod 600), and change the secret if they had them"
        }
        _ => "put a file in PEM there, whole and unchanged",
    };
    findings.add(check, Mark::Bad, format!("{what}: {error}"), fix);
}

fn trust(findings: &mut Findings, path: &Path) {
    let chain = match files::certificates(path) {
        Ok(chain) => chain,
        Err(error) => return unreadable(findings, "trust", "the CAs", &error),
    };
    let lives: Vec<(i64, i64)> = chain.iter().filter_map(life).collect();
    let now = super::now_s();
    match lives.iter().filter(|(_, until)| *until >= now).max_by_key(|(_, until)| *until) {
        Some(longest) => {
            let what = match lives.len() {
                1 => format!("the CA in {}", path.display()),
                count => format!("the longest of the {count} CAs in {}", path.display()),
            };
            findings.life("trust", &what, *longest, "who gave it to you");
        }
        None if lives.is_empty() => {
            let said = format!("no CA in {} can be read", path.display());
            findings.add("trust", Mark::Bad, said, "put a file in PEM there, whole and unchanged");
        }
        None => {
            let said = format!("every CA in {} has ended", path.display());
            let fix = "ask the other side for its present CA, and put it there";
            findings.add("trust", Mark::Bad, said, fix);
        }
    }
}

/// A certificate of ours: whether it and its key are a pair, and until when it is good.
fn known_by(findings: &mut Findings, what: &str, identity: &Identity) {
    let Identity { certificate, key } = identity;
    let read = files::certificates(certificate).and_then(|chain| Ok((chain, files::key(key)?)));
    let (chain, secret) = match read {
        Ok(read) => read,
        Err(error) => return unreadable(findings, "certificate", what, &error),
    };
    if let Err(error) = CertifiedKey::from_der(chain.clone(), secret, &default_provider()) {
        let (key, certificate) = (key.display(), certificate.display());
        let said = match error {
            rustls::Error::InconsistentKeys(_) => {
                format!("{what}: the key in {key} is not that of the certificate in {certificate}")
            }
            error => format!("{what}: {certificate} and {key} cannot be used: {error}"),
        };
        let fix = "name the key that the certificate was asked for with, and put the certificate \
                   itself first in its file";
        return findings.add("certificate", Mark::Bad, said, fix);
    }
    let mut lives = chain.iter().filter_map(life);
    match lives.next() {
        Some(own) => {
            findings.life(
                "certificate",
                &format!("{what}, with its key,"),
                own,
                "whoever asks for ours",
            );
            if lives.any(|(_, until)| until < super::now_s()) {
                let said = format!("{what}: a certificate behind it in its file has ended");
                let fix = "put the present ones of its CA behind it, or none";
                findings.add("certificate", Mark::Doubtful, said, fix);
            }
        }
        None => {
            let said = format!("{what}: {} cannot be read", certificate.display());
            findings.add("certificate", Mark::Bad, said, "put a file in PEM there");
        }
    }
}

/// From when and until when a certificate is good, in Unix seconds.
pub(super) fn life(certificate: &CertificateDer<'_>) -> Option<(i64, i64)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let validity = parsed.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}
