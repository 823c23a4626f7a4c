//! Text messages over an interface of JSON or XML that is configured
//! ([`client`](crate::client)).

use crate::client::{ApiClient, Sending};
use crate::executor::{Circuit, failed};
use crate::providers::{Issuer, Provided, Provides, Sent, Sms, Within};
use veksel_core::enquiry::Failed;

/// See the module.
#[derive(Debug)]
pub(crate) struct SmsGateway {
    /// Sends.
    pub(crate) client: ApiClient,
    /// Who messages are from.
    pub(crate) sender: String,
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
            if !Sms::is_number(&sms.to) {
                return Err(failed(Failed::Format, "to"));
            }
            if !Sms::is_text(&sms.text) {
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
