//! A customer with a real browser, who follows what the channel was shown to the bank's page,
//! clicks, and comes back.

use crate::chromium::Browser;
use crate::rig::Bridge;
use crate::teller::{Teller, code, tag, transfer};

#[test]
fn a_customer_clicks_and_the_channel_hears() {
    let Some(browser) = Browser::open() else { return };
    let rig = Bridge::linked("");
    let mut teller = Teller::open(rig.ports.channels);
    for (button, response, moved) in [("#approve", "00", 1), ("#reject", "05", 0)] {
        let request = transfer(15_000);
        let answer = teller.ask(&request);
        assert_eq!(code(&answer), "09", "{answer:?}");
        let link = tag(&answer, "P2").unwrap();
        browser.go(&format!("http://127.0.0.1:{}/approve/{link}", rig.ports.http));
        browser.click(button);
        browser.arrive(&format!("http://127.0.0.1:{}/api/payments/callback?s=", rig.ports.http));
        assert!(!browser.read("h1", "").is_empty());
        assert_eq!(teller.await_advice(&request.rrn()), response);
        assert_eq!(code(&teller.ask(&request.repeat())), response);
        assert_eq!(rig.moved(&request.rrn()), moved);
    }
}
