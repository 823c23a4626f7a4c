//! What an ID token must say (`OpenID` Connect Core 3.1.3.7), and who it says it is. Pure: its
//! signature was checked before, and the time is an argument.

use super::national_id::{NationalId, age, hash};
use aws_lc_rs::hmac;
use core::fmt;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// What is expected of a token.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client: &'a str,
    pub(super) nonce: &'a str,
    /// Good enough; empty asks for nothing.
    pub(super) acr: &'a [String],
    /// How long ago the person may have signed in, in seconds; 0 is any time.
    pub(super) max_age_s: u64,
    /// How far clocks may be apart, in seconds.
    pub(super) skew_s: u64,
    /// Claims with the national id.
    pub(super) pid: &'a [String],
    /// Whether `sub` says who it is where none of them is there.
    pub(super) falls_back: bool,
    pub(super) years_min: u32,
}

/// The claim that is missing or wrong, and never what it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It is no token, or not signed in a way that is allowed.
    Form,
    /// It is not signed by the key that it names.
    Signature,
    /// `iss`
    Issuer,
    /// `aud`
    Audience,
    /// `azp`
    Party,
    /// `exp`
    Expiry,
    /// `iat`
    Issued,
    /// `nonce`
    Nonce,
    /// `acr`
    Level,
    /// `auth_time`
    AuthTime,
    /// The national id.
    NationalId,
    /// `sub`
    Subject,
    /// `birthdate`
    Birthdate,
}

impl Claim {
    /// Its name, for logs and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Signature => "signature",
            Self::Issuer => "iss",
            Self::Audience => "aud",
            Self::Party => "azp",
            Self::Expiry => "exp",
            Self::Issued => "iat",
            Self::Nonce => "nonce",
            Self::Level => "acr",
            Self::AuthTime => "auth_time",
            Self::NationalId => "national_id",
            Self::Subject => "sub",
            Self::Birthdate => "birthdate",
        }
    }
}

/// Why nobody is signed in by a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    Claim(Claim),
    Underage,
}

impl From<Claim> for Wrong {
    fn from(claim: Claim) -> Self {
        Self::Claim(claim)
    }
}

/// Who a token says it is.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) id: Subject,
    pub(super) name: Name,
    pub(super) acr: String,
    pub(super) amr: Vec<String>,
}

/// By what a person is known. It is shown nowhere and leaves only as a hash.
pub(super) enum Subject {
    NationalId(NationalId),
    /// What the provider calls somebody whose national id we may not see: `iss` and `sub`, which
    /// together are never given to anybody else (`OpenID` Connect Core 5.7).
    Pairwise(Zeroizing<String>),
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NationalId(_) => "NationalId(****)",
            Self::Pairwise(_) => "Pairwise(****)",
        })
    }
}

impl Subject {
    fn pairwise(issuer: &str, sub: &str) -> Option<Self> {
        let fits = (1..=SUB_MAX).contains(&sub.len()) && sub.bytes().all(|b| b.is_ascii_graphic());
        // No national id has a separator, and no issuer a line feed.
        fits.then(|| Self::Pairwise(Zeroizing::new(format!("{issuer}\n{sub}"))))
    }

    /// The hash by which a customer is known, in lower-case hexadecimal: under a key, or without
    /// one for those who have such hashes already.
    pub(super) fn hash(&self, key: Option<&hmac::Key>) -> String {
        match self {
            Self::NationalId(id) => id.hash(key),
            Self::Pairwise(text) => hash(text.as_bytes(), key),
        }
    }
}

/// What a person is called.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// Whole; may be empty.
    pub whole: String,
    /// All but the last; may be empty.
    pub given: String,
    /// The last, or what the provider says it is; may be empty.
    pub family: String,
}

/// What a person is called is nobody's business but his.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(****)")
    }
}

/// Longest `sub` (`OpenID` Connect Core 2).
const SUB_MAX: usize = 255;

/// Longest name that is kept, in characters, and most words of `amr`.
const NAME_MAX: usize = 128;
const WORDS_MAX: usize = 8;
const WORD_MAX: usize = 64;

/// Checks a token at a time, in milliseconds since 1970.
pub(super) fn check(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    now_ms: u64,
) -> Result<Said, Wrong> {
    let now = now_ms / 1_000;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(Claim::Issuer.into());
    }
    audience(claims, expected.client)?;
    let expiry = seconds(claims, "exp").ok_or(Claim::Expiry)?;
    if expiry.saturating_add(expected.skew_s) <= now {
        return Err(Claim::Expiry.into());
    }
    let issued = seconds(claims, "iat").ok_or(Claim::Issued)?;
    if issued > now.saturating_add(expected.skew_s) {
        return Err(Claim::Issued.into());
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(Claim::Nonce.into());
    }
    let acr = text("acr").unwrap_or_default();
    if !expected.acr.is_empty() && !expected.acr.iter().any(|known| known == acr) {
        return Err(Claim::Level.into());
    }
    if expected.max_age_s > 0 {
        let at = seconds(claims, "auth_time").ok_or(Claim::AuthTime)?;
        let latest = at.saturating_add(expected.max_age_s).saturating_add(expected.skew_s);
        if latest < now || at > now.saturating_add(expected.skew_s) {
            return Err(Claim::AuthTime.into());
        }
    }
    let id = subject(claims, expected)?;
    let said = match claims.get("birthdate") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => birthdate(text)?,
        Some(_) => return Err(Claim::Birthdate.into()),
    };
    let born = match (said, &id) {
        (Some(born), _) => born,
        (None, Subject::NationalId(id)) => id.born(),
        // Nothing else says how old somebody is.
        (None, Subject::Pairwise(_)) => return Err(Claim::Birthdate.into()),
    };
    let years = age(born, now_ms).ok_or(Claim::Birthdate)?;
    if years < expected.years_min {
        return Err(Wrong::Underage);
    }
    let word = |text: &str| text.chars().filter(|c| !c.is_control()).take(WORD_MAX).collect();
    Ok(Said { id, name: name(claims), acr: word(acr), amr: words(claims.get("amr"), &word) })
}

/// Who it is: by the first claim of the national id that is there, and by `sub` where none is.
fn subject(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<Subject, Claim> {
    let there = |name: &String| claims.get(name).filter(|value| !value.is_null());
    if let Some(id) = expected.pid.iter().find_map(there) {
        let id = id.as_str().and_then(NationalId::parse).ok_or(Claim::NationalId)?;
        return Ok(Subject::NationalId(id));
    }
    if !expected.falls_back {
        return Err(Claim::NationalId);
    }
    let sub = claims.get("sub").and_then(Value::as_str).ok_or(Claim::Subject)?;
    Subject::pairwise(expected.issuer, sub).ok_or(Claim::Subject)
}

/// We, alone, or among others and then as the party that asked.
fn audience(claims: &Map<String, Value>, client: &str) -> Result<(), Claim> {
    let is_ours = |value: &Value| value.as_str() == Some(client);
    let (has_us, is_several) = match claims.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(is_ours), all.len() > 1),
        Some(one) => (is_ours(one), false),
        None => (false, false),
    };
    if !has_us {
        return Err(Claim::Audience);
    }
    match claims.get("azp") {
        Some(party) if is_ours(party) => Ok(()),
        None if !is_several => Ok(()),
        Some(_) | None => Err(Claim::Party),
    }
}

/// A time in seconds since 1970. Some write it with a fraction.
fn seconds(claims: &Map<String, Value>, name: &str) -> Option<u64> {
    let value = claims.get(name)?;
    value.as_u64().or_else(|| {
        let text = value.as_number()?.to_string();
        text.split_once('.')?.0.parse().ok()
    })
}

/// `YYYY-MM-DD`; a person may hold back the year or day (`OpenID` Connect Core 5.1), and then the
/// national id says it.
fn birthdate(text: &str) -> Result<Option<(u32, u32, u32)>, Claim> {
    let parts: Vec<&str> = text.split('-').collect();
    let is_digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.len() > 10 || !parts.iter().all(is_digits) {
        return Err(Claim::Birthdate);
    }
    let number = |part: &str| part.parse::<u32>().map_err(|_| Claim::Birthdate);
    match parts[..] {
        ["0000", _, _] | [_] => Ok(None),
        [year, month, day] => {
            let born = (number(year)?, number(month)?, number(day)?);
            let is_day = crate::dates::day(&format!("{:04}-{:02}-{:02}", born.0, born.1, born.2));
            is_day.map(|_| Some(born)).ok_or(Claim::Birthdate)
        }
        _ => Err(Claim::Birthdate),
    }
}

/// The name, whole and in its parts: each as it is said, or made of the others.
fn name(claims: &Map<String, Value>) -> Name {
    let text = |name: &str| {
        let said = claims.get(name).and_then(Value::as_str).unwrap_or_default();
        let kept: String = said.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
        kept.trim().to_owned()
    };
    let (whole, given, family) = (text("name"), text("given_name"), text("family_name"));
    if whole.is_empty() {
        let whole: String = format!("{given} {family}").chars().take(NAME_MAX).collect();
        return Name { whole: whole.trim().to_owned(), given, family };
    }
    if !given.is_empty() || !family.is_empty() {
        return Name { whole, given, family };
    }
    // Whoever has one name has no other.
    let (given, family) = whole.rsplit_once(char::is_whitespace).unwrap_or((&whole, ""));
    Name { given: given.trim_end().to_owned(), family: family.to_owned(), whole }
}

fn words(value: Option<&Value>, word: &dyn Fn(&str) -> String) -> Vec<String> {
    match value {
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).take(WORDS_MAX).map(word).collect()
        }
        Some(Value::String(one)) => vec![word(one)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
