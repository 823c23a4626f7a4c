//! What third parties are: pretended, try-outs of theirs, or real.

use super::outside::{host_of, is_private_host};
use super::{ServiceMode, SwitchConfig};
use crate::bridge::KycProvider;

impl ServiceMode {
    /// As the configuration says it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }
}

impl SwitchConfig {
    /// Everybody who is called over HTTP or gets letters, and what they are. Whoever is simulated,
    /// on this machine or in a private network is pretended, whatever the switch is.
    #[must_use]
    pub fn third_parties(&self) -> Vec<(String, ServiceMode)> {
        let bridge = &self.bridge;
        let of = |is_simulated: bool, host: &str| match is_simulated || is_private_host(host) {
            true => ServiceMode::Mock,
            false => self.mode,
        };
        let mut all: Vec<(String, ServiceMode)> = bridge
            .banks
            .iter()
            .map(|bank| (format!("bank {}", bank.name), of(false, host_of(&bank.call.url))))
            .collect();
        let mut add = |name: &str, standing| all.push((name.to_owned(), standing));
        if let Some(kyc) = &bridge.kyc {
            let name = match kyc.provider {
                KycProvider::Sumsub => "sumsub",
                KycProvider::Didit(_) => "didit",
            };
            add(name, of(false, host_of(&kyc.call.url)));
        }
        if let Some(identity) = &bridge.identity {
            add("identity", of(identity.mock, host_of(&identity.call.url)));
        }
        if let Some(extauth) = &bridge.extauth {
            add("extauth", of(false, host_of(&extauth.keys.url)));
        }
        let providers = &bridge.providers;
        let sms = providers.sms.as_ref().map(|(api, _)| ("sms", api));
        for (name, api) in providers.bill.as_ref().map(|api| ("bill", api)).into_iter().chain(sms) {
            add(name, of(api.is_simulated, host_of(&api.call.url)));
        }
        if let Some(email) = &providers.email {
            add("email", of(false, &email.host));
        }
        if let Some(push) = &providers.push {
            add("push", of(false, host_of(&push.call.url)));
        }
        all
    }
}
