//! Network management (0800).
//!
//! Whether a connection is signed on is the host's to remember; here a sign-on is only granted. A
//! cut-over is the ledger's, because a restart must not move it.

use veksel_codecs::{Message, ResponseCode, field};
use veksel_core::time::Utc;

use super::draft::{Decline, Draft};
use super::{Given, Issuer};

impl Issuer {
    pub(super) fn manage(&mut self, now: Utc, message: &Message) -> Result<Given, Decline> {
        let effect = match message.get(field::NETWORK_CODE) {
            Some(SIGN_ON | SIGN_OFF | ECHO) => None,
            Some(CUT_OVER) => self.ledger.cut_over(now.0),
            // Key change, and whatever else there is.
            Some(_) | None => return Err(ResponseCode::NOT_SUPPORTED.into()),
        };
        Ok(Given { draft: Draft::approved(now), effect, delay_ms: 0, is_replay: false })
    }
}

pub(crate) const SIGN_ON: u64 = 1;
pub(crate) const SIGN_OFF: u64 = 2;
const CUT_OVER: u64 = 201;
const ECHO: u64 = 301;
