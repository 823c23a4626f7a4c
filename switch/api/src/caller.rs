//! Who asks: a program that has the token, or a person who is signed in. Programs act for any
//! customer, a person for himself.

use crate::answer::Refusal;
use crate::door::Shared;
use crate::identity::{Identity, signed_out};
use axum::http::{HeaderMap, StatusCode, header};

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Caller {
    /// May do anything.
    Program,
    /// This customer, and nobody else.
    Person(String),
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// To see something.
    Look,
    /// To have something done: from a page, only if it is one of ours.
    Change,
}

impl Shared {
    /// Lets a caller in, or says why not. A token counts before a cookie; a cookie that no longer
    /// holds is not as good as none, and a page of ours is no program of this machine.
    pub(crate) fn caller(&self, headers: &HeaderMap, act: Act) -> Result<Caller, Refusal> {
        let identity = self.identity.as_ref().filter(|_| {
            let is_page = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
            !headers.contains_key(header::AUTHORIZATION)
                && (is_page || Identity::is_person(headers))
        });
        let Some(identity) = identity else {
            return self.guard.check(headers).map(|()| Caller::Program);
        };
        let session = identity.session(headers).ok_or_else(signed_out)?;
        if act == Act::Change {
            identity.check_change(&session, headers)?;
        }
        Ok(Caller::Person(session.person.customer))
    }
}

impl Caller {
    /// The customer that something is done for: whom a program names, or the person himself.
    pub(crate) fn customer(&self, named: Option<String>) -> Result<String, Refusal> {
        match (self, named) {
            (Self::Program, Some(named)) => Ok(named),
            (Self::Program, None) => Err(Refusal::bad("`customer` is missing")),
            (Self::Person(own), None) => Ok(own.clone()),
            (Self::Person(own), Some(named)) if named == *own => Ok(named),
            (Self::Person(_), Some(_)) => Err(others()),
        }
    }

    /// Whether what is a customer's may be seen.
    pub(crate) fn may_see(&self, customer: &str) -> bool {
        match self {
            Self::Program => true,
            Self::Person(own) => own == customer,
        }
    }
}

/// It is somebody else's.
pub(crate) fn others() -> Refusal {
    let message = "whoever is signed in acts for himself only";
    Refusal::new(StatusCode::FORBIDDEN, "forbidden", message)
}
