//! What a provider of tokens can get wrong, to see who takes it.

use serde_json::{Value, json};

/// Something that goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    DiscoveryDown,
    CertsDown,
    TokenDown,
    InvalidGrant,
    UnauthorizedClient,
    ServerError,
    NoToken,
    WrongIssuer,
    WrongAudience,
    WrongParty,
    Expired,
    FromTheFuture,
    WrongNonce,
    NoNonce,
    LowLevel,
    NoPid,
    BrokenPid,
    UnknownKey,
    BadSignature,
    NoSignature,
    SharedSecret,
}

impl Fault {
    /// Every one, by its name.
    pub(super) const ALL: [(&'static str, Self); 21] = [
        ("discovery_down", Self::DiscoveryDown),
        ("certs_down", Self::CertsDown),
        ("token_down", Self::TokenDown),
        ("invalid_grant", Self::InvalidGrant),
        ("unauthorized_client", Self::UnauthorizedClient),
        ("server_error", Self::ServerError),
        ("no_token", Self::NoToken),
        ("wrong_iss", Self::WrongIssuer),
        ("wrong_aud", Self::WrongAudience),
        ("wrong_azp", Self::WrongParty),
        ("expired", Self::Expired),
        ("future", Self::FromTheFuture),
        ("wrong_nonce", Self::WrongNonce),
        ("no_nonce", Self::NoNonce),
        ("low_acr", Self::LowLevel),
        ("no_pid", Self::NoPid),
        ("broken_pid", Self::BrokenPid),
        ("unknown_kid", Self::UnknownKey),
        ("bad_signature", Self::BadSignature),
        ("alg_none", Self::NoSignature),
        ("alg_hs256", Self::SharedSecret),
    ];

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault)
    }

    /// Changes the claims of a token, as far as this is about claims.
    pub(super) fn spoil(self, claims: &mut Value) {
        match self {
            Self::WrongIssuer => claims["iss"] = "https://somebody.example".into(),
            Self::WrongAudience => claims["aud"] = "somebody".into(),
            Self::WrongParty => {
                claims["aud"] = json!([claims["aud"], "somebody"]);
                claims["azp"] = "somebody".into();
            }
            Self::Expired => {
                claims["exp"] = json!(claims["iat"].as_u64().unwrap_or_default() - 120);
            }
            Self::FromTheFuture => {
                claims["iat"] = json!(claims["iat"].as_u64().unwrap_or_default() + 120);
            }
            Self::WrongNonce => claims["nonce"] = "another".into(),
            Self::NoNonce => claims["nonce"] = Value::Null,
            Self::LowLevel => claims["acr"] = "urn:bankid:bid;LOA=3".into(),
            Self::NoPid => {
                claims["nnin_altsub"] = Value::Null;
                claims["pid"] = Value::Null;
            }
            Self::BrokenPid => {
                claims["nnin_altsub"] = "17829000025".into();
                claims["pid"] = "17829000025".into();
            }
            Self::DiscoveryDown
            | Self::CertsDown
            | Self::TokenDown
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::ServerError
            | Self::NoToken
            | Self::UnknownKey
            | Self::BadSignature
            | Self::NoSignature
            | Self::SharedSecret => {}
        }
        if let Some(claims) = claims.as_object_mut() {
            claims.retain(|_, value| !value.is_null());
        }
    }
}
