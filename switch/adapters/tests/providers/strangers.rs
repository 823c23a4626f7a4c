//! Servers whose certificate is of a CA that nobody knows: strict, relaxed, and a CA of our own.

use super::{LOOPBACK, providers, within};
use std::path::Path;
use std::sync::Arc;
use veksel_adapters::providers::{Provides, Sms};
use veksel_core::enquiry::{Failed, Failure};
use veksel_simulator::sandbox::biller::{Biller, BillerConfig};
use veksel_simulator::sandbox::ca::{Authority, Clients};
use veksel_simulator::sandbox::sms::SmsGateway;
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, Sandbox, start};
use veksel_simulator::seeds::Seeds;

/// Both providers, over TLS under a certificate of this CA.
fn secured(authority: &Authority) -> (RunningSandboxes, SmsGateway) {
    let clock = Clock::default();
    let biller = Biller::new(
        BillerConfig {
            api_key: "key-1".to_owned(),
            hmac_key: None,
            billers: Seeds::embedded().unwrap().rows().billers.clone(),
        },
        clock.clone(),
    );
    let gateway = SmsGateway::new("key-1".to_owned(), clock.clone());
    let mount = |name: &str, sandbox: Arc<dyn Sandbox>| Mount {
        name: name.to_owned(),
        listen: LOOPBACK,
        tls: Some(authority.server(&["localhost"], Clients::Optional).unwrap()),
        sandbox,
    };
    let mounts = vec![mount("bill", Arc::new(biller)), mount("sms", Arc::new(gateway.clone()))];
    (start(mounts, clock).unwrap(), gateway)
}

fn asked(running: &RunningSandboxes, section: &str) -> usize {
    running.log(section).unwrap().entries().len()
}

/// Asks the provider of this section under these settings.
async fn ask(running: &RunningSandboxes, section: &str, more: &str) -> Result<(), Failure> {
    let port = running.address(section).unwrap().port();
    let (all, _events) = providers(&format!(
        "[{section}]\nurl = \"https://localhost:{port}\"\nallow_private = true\nretries = 0\n\
         headers = [\"X-Api-Key=env:key-1\"]\n{more}\n"
    ));
    if section == "bill" {
        return all.billers(within(), None).await.map(drop);
    }
    let text = Sms { to: "+4790000001".into(), text: "Hei".into(), key: "k-1".into() };
    all.sms(within(), text).await.map(drop)
}

fn trusting(ca: &Path) -> String {
    format!("trust = \"{}\"", ca.display())
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_good_for_nobody_who_looks() {
    let _watch = super::watching();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, _) = Authority::in_folder(folder.path()).unwrap();
    Authority::in_folder(other.path()).unwrap();
    let (running, gateway) = secured(&authority);
    let (own, others) =
        (trusting(&folder.path().join("ca.pem")), trusting(&other.path().join("ca.pem")));
    for section in ["bill", "sms"] {
        let strict = "tls = \"strict\"";
        for settings in ["", strict, &others, &format!("{strict}\n{others}")] {
            let refused = ask(&running, section, settings).await.unwrap_err();
            let found = (refused.why, refused.code.as_str(), refused.is_open);
            assert_eq!(found, (Failed::Unavailable, "tls", false), "{section} {settings}");
        }
        assert_eq!(asked(&running, section), 0, "{section}: a stranger was told something");
        let relaxed = "tls = \"relaxed\"";
        let settings = [relaxed.to_owned(), own.clone(), format!("{strict}\n{own}")];
        for (count, settings) in settings.iter().enumerate() {
            ask(&running, section, settings).await.unwrap_or_else(|no| panic!("{no:?}"));
            assert_eq!(asked(&running, section), count + 1, "{section} {settings}");
        }
    }
    assert_eq!(gateway.sent().len(), 1, "the same text under one key");
}

#[tokio::test]
async fn a_certificate_is_for_the_name_that_is_called() {
    let _watch = super::watching();
    let folder = tempfile::tempdir().unwrap();
    let (authority, _) = Authority::in_folder(folder.path()).unwrap();
    let (running, _) = secured(&authority);
    let ca = trusting(&folder.path().join("ca.pem"));
    let port = running.address("bill").unwrap().port();
    let section = |more: &str| {
        format!(
            "[bill]\nurl = \"https://127.0.0.1:{port}\"\nallow_private = true\nretries = 0\n\
             headers = [\"X-Api-Key=env:key-1\"]\n{ca}\n{more}"
        )
    };
    let refused = providers(&section("")).0.billers(within(), None).await.unwrap_err();
    assert_eq!((refused.why, refused.code.as_str()), (Failed::Unavailable, "tls"));
    assert_eq!(asked(&running, "bill"), 0);
    assert!(providers(&section("tls = \"relaxed\"\n")).0.billers(within(), None).await.is_ok());
}
