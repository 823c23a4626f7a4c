//! Banks as clients of the provider: the page of a bank asks who its customer is. They live in one
//! process, so a bank needs no secret, and whom a code stands for is told without a token.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::page::encoded;
use super::persons::{PERSONS, Person};
use super::token::unguessable;
use super::{Oidc, Profile};

/// What all banks are called.
pub(super) const CLIENT: &str = "sandbox-banks";

/// Addresses to return to that are remembered.
const BACKS_MAX: usize = 100;

/// The way of a customer to the provider and back.
#[derive(Clone)]
pub(in crate::sandbox) struct Way {
    /// Where at the provider, from the slash on.
    pub path: String,
    /// What comes back with the customer.
    pub state: String,
    /// Where to, exactly.
    pub back: String,
    /// What the code is redeemed with.
    verifier: String,
}

/// A verifier opens doors.
impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("back", &self.back).finish_non_exhaustive()
    }
}

impl Oidc {
    /// Lets a customer be asked who he is, about the question of a bank with this id. `None` if the
    /// system has no chance.
    pub(in crate::sandbox) fn begin(&self, question: &str, back: &str) -> Option<Way> {
        // Dots do not occur in what nobody guesses.
        let state = format!("{}.{question}", unguessable()?);
        let verifier = unguessable()? + &unguessable()?;
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let [auth, ..] = Profile::BankId.paths();
        let mut path = format!("{}{auth}?response_type=code&scope=openid", Profile::BankId.base());
        for (name, value) in [
            ("client_id", CLIENT),
            ("redirect_uri", back),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ] {
            let _ = write!(path, "&{name}={}", encoded(value));
        }
        let mut known = self.state();
        if known.backs.len() >= BACKS_MAX && !known.backs.contains(back) {
            known.backs.pop_first();
        }
        known.backs.insert(back.to_owned());
        Some(Way { path, state, back: back.to_owned(), verifier })
    }

    /// Who came back with a code, which is gone then; `None` if it is none of this way.
    pub(in crate::sandbox) fn who(&self, way: &Way, code: &str) -> Option<&'static Person> {
        let grant = self.state().codes.remove(code)?;
        let made = URL_SAFE_NO_PAD.encode(digest(&SHA256, way.verifier.as_bytes()));
        let is_good = grant.until > self.0.clock.now_ms()
            && grant.redirect_uri == way.back
            && grant.challenge == made;
        PERSONS.get(grant.person).filter(|_| is_good)
    }
}
