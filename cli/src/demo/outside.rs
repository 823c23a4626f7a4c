//! The third parties of a demo: how the switch and the sandboxes find each other, and the account
//! that is linked at one of them before anybody asks for it.
//!
//! Linking goes the way a customer's does: the switch asks the bank for a consent, the customer
//! approves it on the bank's page and comes back, the provider of identity checks posts what it
//! found. Nothing is written past the switch.

use super::{await_while, folder};
use crate::operator::{self, Answer, Request, Visited};
use crate::output::Failure;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Instant;
use veksel_config::SWITCH_EXAMPLE;
use veksel_server::Running;
use veksel_simulator::sandbox::shaype::KEYS_PATH;
use veksel_simulator::sandbox::stage::Stage as Sandboxes;

/// The account that is linked: DE102 of messages about it, and its IBAN.
pub(super) const ACCOUNT: &str = "NO9386011117947";

/// Whose it is. The ending makes the check end well.
const CUSTOMER: &str = "C000060-green";

/// Where it is linked.
pub(super) const BANK: &str = "dnb";

/// Norwegian kroner in ISO 4217.
const CURRENCY: &str = "578";

/// What the demo adds to the example.
const ADDED: &str = include_str!("bridge.toml");

/// The route that goes before the one of the example.
const ROUTE: &str = "[[route]]\nname = \"linked\"\nto = \"bank\"\nlinked = \"yes\"\n\n";

/// Files with the secrets that the sandboxes take, and the API key of the caller; they open nothing
/// else.
const SECRETS: [(&str, &str); 9] = [
    ("provider-key.secret", PROVIDER_KEY),
    ("kyc-app-token.secret", APP_TOKEN),
    ("kyc-secret-key.secret", SECRET_KEY),
    ("kyc-webhook.secret", WEBHOOK_SECRET),
    ("caller.secret", API_KEY),
    ("bankid-client-id.secret", CLIENT_ID),
    ("bankid-client-secret.secret", CLIENT_SECRET),
    ("bankid-pepper.secret", PEPPER),
    ("platform-notify.secret", NOTIFY_TOKEN),
];
/// What programs say who ask over HTTP.
pub(super) const API_KEY: &str = "demo-key";
const PROVIDER_KEY: &str = "sandbox-key";
const APP_TOKEN: &str = "sbx:veksel";
const SECRET_KEY: &str = "sandbox-secret-key";
const NOTIFY_TOKEN: &str = "sandbox-notify-token";
const WEBHOOK_SECRET: &str = "sandbox-webhook-secret";
const CLIENT_ID: &str = "sandbox-client";
const CLIENT_SECRET: &str = "sandbox-client-secret";
const PEPPER: &str = "people of a demo have nothing to hide";

/// Where the switch hears of what the card platform tells.
const NOTIFICATIONS: &str = "/api/hay/v0/communications/notifications";

/// From the documents to the decision: nobody wants to wait for a demo.
const CHECK_TAKES: &str = "200ms";

/// A port for the switch's HTTP, which has to be known before the switch starts: it stands in
/// what the sandboxes are told. It is held until everything else has its ports.
pub(super) struct Door {
    address: SocketAddr,
    held: TcpListener,
}

impl Door {
    /// # Errors
    /// When the address is taken.
    pub(super) fn hold(address: &str) -> Result<Self, Failure> {
        let no = |error: std::io::Error| Failure::no("start", format!("{address}: {error}"));
        let held = TcpListener::bind(address).map_err(no)?;
        let address = held.local_addr().map_err(no)?;
        Ok(Self { address, held })
    }

    /// What the sandboxes are told.
    pub(super) fn simulator(&self) -> [(&'static str, String); 12] {
        let notify = format!("http://{}{NOTIFICATIONS}", self.address);
        let webhook = format!("http://{}/v1/webhooks/sumsub", self.address);
        let back = format!("http://{}/api/auth/bankid/callback", self.address);
        [
            ("sandbox.sumsub.app_token", APP_TOKEN.to_owned()),
            ("sandbox.sumsub.secret_key", SECRET_KEY.to_owned()),
            ("sandbox.sumsub.webhook_secret", WEBHOOK_SECRET.to_owned()),
            ("sandbox.sumsub.webhook_url", webhook),
            ("sandbox.sumsub.submits_alone", "true".to_owned()),
            ("sandbox.sumsub.delay", CHECK_TAKES.to_owned()),
            ("sandbox.oidc.client_id", CLIENT_ID.to_owned()),
            ("sandbox.oidc.client_secret", CLIENT_SECRET.to_owned()),
            ("sandbox.oidc.redirect_uris", back),
            ("sandbox.shaype.client_url", format!("http://{}", self.address)),
            ("sandbox.shaype.notify_url", notify),
            ("sandbox.shaype.notify_token", NOTIFY_TOKEN.to_owned()),
        ]
    }

    /// Gives the port to the switch, and what it is to know of the sandboxes.
    ///
    /// # Errors
    /// When its secrets cannot be written.
    pub(super) fn open(
        self,
        folder: &Path,
        sandboxes: &Sandboxes,
    ) -> Result<Vec<(&'static str, String)>, Failure> {
        for (name, secret) in SECRETS {
            folder::write_private(&folder.join(name), secret)?;
        }
        let missing = || Failure::no("start", "a sandbox does not run");
        let place = |name: &str| sandboxes.running.address(name).ok_or_else(missing);
        let (plain, encrypted) = (place("aspsp")?, place("aspsp-tls")?);
        let smtp = place("smtp")?;
        let files = sandboxes.files.as_ref().ok_or_else(missing)?;
        let file = |path: &Path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            path.display().to_string()
        };
        let address = self.address;
        drop(self.held);
        Ok(vec![
            // Holds may be asked about for so long (`extauth.hold_life`).
            ("store.keep", "720h".to_owned()),
            ("http.listen", address.to_string()),
            ("http.public_url", format!("http://{address}")),
            ("identity.url", format!("http://{}/auth/realms/current", place("oidc")?)),
            ("kyc.url", format!("http://{}", place("sumsub")?)),
            ("extauth.keys_url", format!("http://{}{KEYS_PATH}", place("shaype")?)),
            ("bill.url", format!("http://{}", place("biller")?)),
            ("sms.url", format!("http://{}", place("sms")?)),
            ("email.host", smtp.ip().to_string()),
            ("email.port", smtp.port().to_string()),
            ("email.trust", file(&files.ca)),
            ("aspsp.dnb.url", format!("http://{plain}/dnb")),
            ("aspsp.sparebank1.url", format!("https://{encrypted}/sparebank1")),
            ("aspsp.sparebank1.trust", file(&files.ca)),
            ("aspsp.sparebank1.certificate", file(&files.qwac.0)),
            ("aspsp.sparebank1.key", file(&files.qwac.1)),
        ])
    }
}

/// The configuration of the switch, before where anything is.
pub(super) fn switch_text() -> String {
    let routes = SWITCH_EXAMPLE.replacen("\n[[route]]", &format!("\n{ROUTE}[[route]]"), 1);
    format!("{routes}{ADDED}")
}

/// Links the account and has its customer checked, and returns when both are done.
///
/// # Errors
/// What was not done, and why.
pub(super) fn link(switch: &Running) -> Result<(), Failure> {
    let http = switch.http().ok_or_else(|| Failure::no("link", "the switch has no [http]"))?;
    let start = Instant::now();
    let linking = json!({
        "account": ACCOUNT, "bank": BANK, "iban": ACCOUNT, "currency": CURRENCY,
        "customer": CUSTOMER,
    });
    let linked = ask(http, "POST", "/api/accounts", &linking.to_string())?;
    let Some(page) = linked["approve"].as_str() else {
        return Err(Failure::no("link", "the bank has no page for its customer"));
    };
    let Visited { code, location } = operator::visit(&format!("{page}?auto=approve"))?;
    let Some(back) = location else {
        return Err(Failure::no("link", format!("the page of the bank answered {code}")));
    };
    operator::visit(&back)?;
    let path = format!("/api/accounts/{ACCOUNT}");
    await_while("the account was not linked", start, || {
        Ok(ask(http, "GET", &path, "")?["status"] != "valid")
    })?;
    let path = format!("/api/kyc/status/{CUSTOMER}");
    let is_unknown = || -> Result<bool, Failure> {
        let request = Request { method: "GET", path: &path, body: "", token: None };
        let Answer { code, body } = operator::call(http, None, &request)?;
        Ok(code != 200 || body["status"] != "approved")
    };
    // Data that was kept: the customer was checked before.
    if is_unknown()? {
        let checking = json!({ "customer": CUSTOMER });
        ask(http, "POST", "/api/kyc/initiate", &checking.to_string())?;
        await_while("the customer was not approved", start, is_unknown)?;
    }
    Ok(())
}

fn ask(http: SocketAddr, method: &str, path: &str, body: &str) -> Result<Value, Failure> {
    let request = Request { method, path, body, token: None };
    let Answer { code, body } = operator::call(http, None, &request)?;
    if code == 200 {
        return Ok(body);
    }
    let why = body["error"]["message"].as_str().unwrap_or_default();
    Err(Failure::no("link", format!("{method} {path} was answered {code} {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_of_linked_accounts_is_the_first() {
        let text = switch_text();
        let routes: Vec<_> = text.split("\n[[route]]\n").skip(1).collect();
        assert_eq!(routes.len(), 2);
        assert!(routes[0].starts_with("name = \"linked\"\n"), "{}", routes[0]);
    }

    #[test]
    fn a_door_is_held_until_it_is_opened() {
        let door = Door::hold("127.0.0.1:0").unwrap();
        let address = door.address.to_string();
        assert!(Door::hold(&address).is_err());
        let url = format!("http://{address}/v1/webhooks/sumsub");
        assert!(door.simulator().contains(&("sandbox.sumsub.webhook_url", url)));
        drop(door);
        assert!(Door::hold(&address).is_ok());
    }
}
