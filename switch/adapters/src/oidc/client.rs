//! Who we are at the token endpoint: a secret in the body or a header, or a token that we sign
//! ourselves (RFC 7523). The first way of the configuration that the provider takes too.

use crate::adapters::AdapterError;
use crate::executor::{Request, failed};
use crate::files;
use crate::oauth::{encode, escape};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use core::fmt;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use veksel_config::bridge::{ClientAuth, ClientKey, IdentityConfig, SecretSource};
use veksel_core::enquiry::{Failed, Failure, Secret};

/// How long a token that we sign is good, in seconds.
const ASSERTION_S: u64 = 60;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) id: String,
    secret: Option<Secret>,
    key: Option<Key>,
    /// Those of the configuration that there is something for.
    auths: Vec<ClientAuth>,
}

/// Signs for us.
struct Key {
    id: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Curve(Box<EcdsaKeyPair>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Client {
    /// Reads who we are.
    ///
    /// # Errors
    ///
    /// If there is nothing to prove it with, or a file is not what it should be.
    pub(super) fn new(
        config: &IdentityConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
    ) -> Result<Self, AdapterError> {
        let id = secret(&config.client_id)?.expose().to_owned();
        let key = config.client_key.as_ref().map(Key::read).transpose()?;
        let secret = match (secret(&config.client_secret), &key) {
            (Ok(secret), _) => Some(secret),
            // A key is proof enough.
            (Err(_), Some(_)) => None,
            (Err(error), None) => return Err(error),
        };
        let has = |auth: &&ClientAuth| match auth {
            ClientAuth::Post | ClientAuth::Basic => secret.is_some(),
            ClientAuth::KeyJwt => key.is_some(),
        };
        let auths: Vec<ClientAuth> = config.auths.iter().filter(has).copied().collect();
        if auths.is_empty() {
            let why = "neither `client_secret` nor `client_key` goes with what `auth` allows";
            let provider = "[identity]".to_owned();
            return Err(AdapterError::Config { provider, why: why.to_owned() });
        }
        Ok(Self { id, secret, key, auths })
    }

    /// A request with a form and the proof of who we are. `taken` is what the provider takes, if
    /// it is known.
    pub(super) fn request(
        &self,
        request: Request,
        form: &[(&str, &str)],
        taken: Option<&[String]>,
        audience: &str,
        now_s: u64,
    ) -> Result<Request, Failure> {
        let none = || failed(Failed::Credentials, "auth_method");
        let auth = self.choose(taken).ok_or_else(none)?;
        let mut form = form.to_vec();
        let (assertion, mut request) = (self.assertion(auth, audience, now_s)?, request);
        match (auth, &self.secret) {
            (ClientAuth::Post, Some(secret)) => {
                form.extend([("client_id", self.id.as_str()), ("client_secret", secret.expose())]);
            }
            (ClientAuth::Basic, Some(secret)) => {
                // RFC 6749 2.3.1: both are escaped as in a form first.
                let pair = format!("{}:{}", escape(&self.id), escape(secret.expose()));
                let value = format!("Basic {}", STANDARD.encode(pair));
                request = request.secret_header("authorization", &value)?;
            }
            (ClientAuth::KeyJwt, _) => {
                form.extend([
                    ("client_id", self.id.as_str()),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", assertion.as_str()),
                ]);
            }
            (ClientAuth::Post | ClientAuth::Basic, None) => return Err(none()),
        }
        request
            .header("accept", "application/json")?
            .body("application/x-www-form-urlencoded", encode(&form))
    }

    fn choose(&self, taken: Option<&[String]>) -> Option<ClientAuth> {
        let is_taken = |auth: &&ClientAuth| {
            taken.is_none_or(|taken| taken.iter().any(|word| word == auth.word()))
        };
        self.auths.iter().find(is_taken).copied()
    }

    fn assertion(&self, auth: ClientAuth, audience: &str, now: u64) -> Result<String, Failure> {
        let (ClientAuth::KeyJwt, Some(key)) = (auth, &self.key) else { return Ok(String::new()) };
        let claims = json!({
            "iss": self.id, "sub": self.id, "aud": audience, "jti": crate::random::uuid(),
            "iat": now, "exp": now.saturating_add(ASSERTION_S),
        });
        key.sign(&claims).ok_or_else(|| failed(Failed::Malfunction, "client_key"))
    }
}

impl Key {
    fn read(config: &ClientKey) -> Result<Self, AdapterError> {
        let der = files::key(&config.path)?;
        let why = "the key in it is neither RSA nor P-256";
        let wrong = || AdapterError::Content { path: config.path.clone(), why };
        let pair = match &der {
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                let rsa = RsaKeyPair::from_pkcs8(der).map(|pair| Pair::Rsa(Box::new(pair)));
                let curve = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
                rsa.or_else(|_| curve().map(|pair| Pair::Curve(Box::new(pair))))
            }
            PrivateKeyDer::Pkcs1(der) => {
                RsaKeyPair::from_der(der.secret_pkcs1_der()).map(|pair| Pair::Rsa(Box::new(pair)))
            }
            _ => return Err(wrong()),
        };
        Ok(Self { id: config.id.clone(), pair: pair.map_err(|_| wrong())? })
    }

    fn sign(&self, claims: &Value) -> Option<String> {
        let alg = match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Curve(_) => "ES256",
        };
        let mut header = json!({ "alg": alg, "typ": "JWT" });
        if !self.id.is_empty() {
            header["kid"] = self.id.as_str().into();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&header), part(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).ok()?;
                signature
            }
            Pair::Curve(pair) => pair.sign(&random, text.as_bytes()).ok()?.as_ref().to_vec(),
        };
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(auths: &[ClientAuth]) -> Client {
        Client {
            id: "us".to_owned(),
            secret: Some(Secret::new("s/cret")),
            key: None,
            auths: auths.to_vec(),
        }
    }

    #[test]
    fn the_first_way_that_both_know_is_taken() {
        use ClientAuth::{Basic, KeyJwt, Post};
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (ours, theirs, chosen) in [
            (&[Post, Basic][..], None, Some(Post)),
            (&[Post, Basic], Some(list(&["client_secret_basic"])), Some(Basic)),
            (
                &[Post, Basic],
                Some(list(&["client_secret_basic", "client_secret_post"])),
                Some(Post),
            ),
            (&[KeyJwt], Some(list(&["private_key_jwt"])), Some(KeyJwt)),
            (&[Post], Some(list(&["none", "private_key_jwt"])), None),
            (&[Post], Some(list(&[])), None),
        ] {
            assert_eq!(client(ours).choose(theirs.as_deref()), chosen, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn the_secret_is_where_the_way_has_it_and_nowhere_else() {
        let made = |auth| {
            let request = Request::new("token", reqwest::Method::POST, "{token}", "/token");
            client(&[auth]).request(request, &[("code", "c")], None, "https://a", 0).unwrap()
        };
        let body = |request: &Request| String::from_utf8(request.body.to_vec()).unwrap();
        let post = made(ClientAuth::Post);
        assert_eq!(body(&post), "code=c&client_id=us&client_secret=s%2Fcret");
        assert_eq!(post.text_header("authorization"), "");
        let basic = made(ClientAuth::Basic);
        assert_eq!(body(&basic), "code=c");
        let value = basic.text_header("authorization").strip_prefix("Basic ").unwrap();
        assert_eq!(STANDARD.decode(value).unwrap(), b"us:s%2Fcret");
        assert!(!format!("{basic:?}").contains(value));
        assert!(!format!("{:?}", client(&[ClientAuth::Post])).contains("cret/"));
    }
}
