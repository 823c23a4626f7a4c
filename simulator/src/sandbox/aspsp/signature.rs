//! Message signatures as the Berlin Group wants them: a `Digest` of the body and a draft-cavage
//! `Signature` over it and the headers that say who asks for what (implementation guidelines 12).

use aws_lc_rs::{digest, signature};
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::refusal::Refusal;
use crate::sandbox::ca::{Authority, ClientCertificate, Purpose};

/// Headers that are signed whenever a request has them.
const SIGNED: &[&str] =
    &["digest", "x-request-id", "psu-id", "psu-corporate-id", "tpp-redirect-uri"];

/// Who signed a request, or why nobody did.
pub(super) fn verify(
    headers: &HeaderMap,
    body: &[u8],
    authority: &Authority,
) -> Result<ClientCertificate, Refusal> {
    let missing = |name: &'static str| Refusal::unauthorized("SIGNATURE_MISSING", name).at(name);
    let invalid = |text: &str| Refusal::unauthorized("SIGNATURE_INVALID", text).at("Signature");
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let stated = text("digest").ok_or_else(|| missing("Digest"))?;
    let given = text("signature").ok_or_else(|| missing("Signature"))?;
    let certificate = text("tpp-signature-certificate");
    let certificate = certificate.ok_or_else(|| missing("TPP-Signature-Certificate"))?;
    if !is_digest(stated, body) {
        let text = "is not that of the body";
        return Err(Refusal::unauthorized("SIGNATURE_INVALID", text).at("Digest"));
    }
    let certificate = sealed(certificate, authority)?;
    let parameters = parameters(given).ok_or_else(|| invalid("cannot be read"))?;
    let parameter = |name: &str| {
        let found = parameters.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    };
    let key = parameter("keyId").ok_or_else(|| invalid("keyId is missing"))?;
    let serial = key.split(',').find_map(|part| part.trim().strip_prefix("SN="));
    let plain = |serial: &str| serial.trim_start_matches('0').to_ascii_uppercase();
    if serial.is_none_or(|serial| plain(serial) != plain(&certificate.serial))
        || !key.contains("CA=")
    {
        return Err(invalid("keyId does not name the certificate"));
    }
    let listed = parameter("headers").ok_or_else(|| invalid("headers is missing"))?;
    let listed: Vec<String> = listed.split(' ').map(str::to_ascii_lowercase).collect();
    let mut lines = Vec::new();
    for name in &listed {
        let value = text(name).ok_or_else(|| invalid("headers names one that is not there"))?;
        lines.push(format!("{name}: {value}"));
    }
    let unsigned = |name: &&&str| text(name).is_some() && !listed.iter().any(|l| l == **name);
    if let Some(name) = SIGNED.iter().find(unsigned) {
        return Err(invalid(&format!("{name} is not signed")));
    }
    let algorithm: &dyn signature::VerificationAlgorithm = match parameter("algorithm") {
        Some("rsa-sha256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        Some("rsa-sha512") => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => return Err(invalid("algorithm is neither rsa-sha256 nor rsa-sha512")),
    };
    let bytes = parameter("signature").and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.ok_or_else(|| invalid("signature is not base64"))?;
    signature::UnparsedPublicKey::new(algorithm, &certificate.public_key)
        .verify(lines.join("\n").as_bytes(), &bytes)
        .map_err(|_| invalid("is not by the certificate over these headers"))?;
    Ok(certificate)
}

/// The certificate of a header, if it is a QSEAL of this CA.
fn sealed(text: &str, authority: &Authority) -> Result<ClientCertificate, Refusal> {
    let invalid = |text: &str| {
        Refusal::unauthorized("CERTIFICATE_INVALID", text).at("TPP-Signature-Certificate")
    };
    let der = STANDARD.decode(text).map_err(|_| invalid("is not base64 without armour"))?;
    let certificate = ClientCertificate::read(&der);
    let certificate = certificate.ok_or_else(|| invalid("is no certificate"))?;
    if certificate.purpose != Some(Purpose::Seal) {
        return Err(invalid("is no QSEAL"));
    }
    if !authority.vouches(&der) {
        return Err(invalid("is not issued by the sandbox's CA, or not valid now"));
    }
    Ok(certificate)
}

fn is_digest(stated: &str, body: &[u8]) -> bool {
    let Some((name, value)) = stated.split_once('=') else { return false };
    let algorithm = match name.to_ascii_uppercase().as_str() {
        "SHA-256" => &digest::SHA256,
        "SHA-512" => &digest::SHA512,
        _ => return false,
    };
    STANDARD.decode(value).is_ok_and(|value| digest::digest(algorithm, body).as_ref() == value)
}

/// `name="value"` pairs. A keyId may have commas inside its quotes.
fn parameters(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = text.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        let (value, after) = after.split_once('"')?;
        found.push((name.trim(), value));
        rest = after.trim_start().strip_prefix(',').unwrap_or(after).trim_start();
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let empty = "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert!(is_digest(empty, b""));
        assert!(!is_digest(empty, b" "));
        assert!(!is_digest("MD5=1B2M2Y8AsgTpgAmY7PhCfg==", b""));
        assert!(!is_digest("SHA-256", b""));
        let body = concat!(
            r#"{"instructedAmount":{"currency":"EUR","amount":"123.50"},"debtorAccount":{"iban":"#,
            r#""DE40100100103307118608"},"creditorName":"Merchant123","creditorAccount":{"iban":"#,
            r#""DE02100100109307118603"},"remittanceInformationUnstructured":"#,
            r#""Ref Number Merchant"}"#
        );
        let stated = "SHA-256=MBFI05bKI7Txt41Y2NKNLhqfV4oGpBjZUMQGS+ti/DA=";
        assert!(is_digest(stated, body.as_bytes()));
    }

    #[test]
    fn parameters_may_have_commas_inside() {
        let text = r#"keyId="SN=1F,CA=CN=x, O=y",algorithm="rsa-sha256", headers="a b""#;
        let wanted = [("keyId", "SN=1F,CA=CN=x, O=y"), ("algorithm", "rsa-sha256")];
        let read = parameters(text).unwrap();
        assert_eq!((&read[..2], read[2]), (&wanted[..], ("headers", "a b")));
        assert_eq!(parameters("keyId=1"), None);
        assert_eq!(parameters(r#"keyId="1"#), None);
    }
}
