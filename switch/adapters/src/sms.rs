//! Text messages over an interface of JSON or XML that is configured
//! ([`client`](crate::client)).

use crate::client::{ApiClient, Sending};
use crate::executor::{Circuit, failed};
use crate::providers::{Issuer, Provided, Provides, Sent, Sms, Within};
use veksel_core::enquiry::Failed;

/// Longest text, in characters: ten parts of a joined message.
const TEXT_MAX: usize = 1_530;

/// See the module.
#[derive(Debug)]
pub(crate) struct SmsGateway {
    /// Sends.
    pub(crate) client: ApiClient,
    /// Who messages are from.
    pub(crate) sender: String,
}

/// Whether a text is a telephone number of E.164 with its plus.
pub(crate) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl Provides for SmsGateway {
    fn has(&self, issuer: Issuer) -> bool {
        issuer == Issuer::Sms
    }

    fn circuits(&self) -> Vec<Circuit> {
        self.client.circuits()
    }

    fn sms(&self, within: Within, sms: Sms) -> Provided<'_, Sent> {
        Box::pin(async move {
            if !is_number(&sms.to) {
                return Err(failed(Failed::Format, "to"));
            }
            if sms.text.is_empty() || sms.text.chars().count() > TEXT_MAX {
                return Err(failed(Failed::Format, "text"));
            }
            let parts = [
                ("to", sms.to.as_str()),
                ("sender", self.sender.as_str()),
                ("text", sms.text.as_str()),
                ("key", sms.key.as_str()),
            ];
            let once = sms.key.as_str();
            let sending = Sending { key: "sms_send", parts: &parts, once, moves_money: false };
            let reply = self.client.send(&within, sending).await?;
            Ok(Sent { id: reply.item().needed("id")? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_e164() {
        assert!(is_number("+4799999999") && is_number("+123456789012345"));
        for text in ["", "4799999999", "+", "+0799999999", "+47 999", "+1234567890123456", "+47a"] {
            assert!(!is_number(text), "{text}");
        }
    }
}
