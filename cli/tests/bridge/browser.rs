//! A customer with a real browser: Chromium without a window follows what the channel was shown
//! to the bank's page, clicks, and comes back. Driven by chromedriver over plain HTTP (the
//! `WebDriver` protocol).

use crate::http;
use crate::rig::Bridge;
use crate::stage::{PATIENCE, free_port, until};
use crate::teller::{Teller, code, tag, transfer};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

/// The name of an element's number (`WebDriver` 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

struct Browser {
    driver: Child,
    port: u16,
    /// Path of its session; empty until there is one.
    session: String,
}

impl Browser {
    /// `None`, said loudly, where there is no chromedriver.
    fn open() -> Option<Self> {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(driver) = driver else {
            eprintln!("SKIPPED: chromedriver is not installed, so no browser clicked anything");
            return None;
        };
        let mut browser = Self { driver, port, session: String::new() };
        until("chromedriver to listen", PATIENCE, || {
            http::request(port, "GET", "/status", &[], b"")
        });
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let options = json!({ "goog:chromeOptions": { "args": arguments } });
        let wanted = json!({ "capabilities": { "alwaysMatch": options } });
        let value = browser.command("POST", "/session", &wanted);
        browser.session = format!("/session/{}", value["sessionId"].as_str().unwrap());
        Some(browser)
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("{}{path}", self.session);
        let page = http::request(self.port, method, &path, &[], body.as_bytes()).unwrap();
        assert_eq!(page.status, 200, "{method} {path}: {page:?}");
        page.json()["value"].clone()
    }

    /// The number of the first element that fits.
    fn find(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        self.command("POST", "/element", &wanted)[ELEMENT].as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = http::request(self.port, "DELETE", &self.session, &[], b"");
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

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
        let portal = format!("http://127.0.0.1:{}/approve/{link}", rig.ports.http);
        browser.command("POST", "/url", &json!({ "url": portal }));
        let button = browser.find(button);
        browser.command("POST", &format!("/element/{button}/click"), &json!({}));
        let back = format!("http://127.0.0.1:{}/api/payments/callback?s=", rig.ports.http);
        until("the customer to come back", PATIENCE, || {
            let url = browser.command("GET", "/url", &Value::Null);
            url.as_str().unwrap().starts_with(&back).then_some(())
        });
        let heading = browser.find("h1");
        let heading = browser.command("GET", &format!("/element/{heading}/text"), &Value::Null);
        assert!(!heading.as_str().unwrap().is_empty());
        assert_eq!(teller.await_advice(&request.rrn()), response);
        assert_eq!(code(&teller.ask(&request.repeat())), response);
        assert_eq!(rig.moved(&request.rrn()), moved);
    }
}
