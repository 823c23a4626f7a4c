//! Chromium without a window, driven by chromedriver over plain HTTP (the `WebDriver` protocol).
//! It shares no code with what it looks at.

use crate::http::{self, Page};
use crate::stage::{PATIENCE, free_port, until};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The name of an element's number (`WebDriver` 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Between two looks: each is a request to the driver.
const LOOK: Duration = Duration::from_millis(25);

pub(crate) struct Browser {
    driver: Child,
    port: u16,
    /// Path of its session; empty until there is one.
    session: String,
}

impl Browser {
    /// `None`, said loudly, where there is no chromedriver.
    pub(crate) fn open() -> Option<Self> {
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
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--lang=en-GB",
        ];
        let wanted = json!({
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": { "intl.accept_languages": "en-GB,en" },
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        let value = browser.command("POST", "/session", &wanted);
        browser.session = format!("/session/{}", value["sessionId"].as_str().unwrap());
        Some(browser)
    }

    fn asked(&self, method: &str, path: &str, body: &Value) -> Page {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = format!("{}{path}", self.session);
        http::request(self.port, method, &path, &[], body.as_bytes()).unwrap()
    }

    pub(crate) fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let page = self.asked(method, path, body);
        assert_eq!(page.status, 200, "{method} {path}: {page:?}");
        page.json()["value"].clone()
    }

    /// The same, of something that may be gone by then.
    fn attempt(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let page = self.asked(method, path, body);
        (page.status == 200).then(|| page.json()["value"].clone())
    }

    pub(crate) fn go(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    pub(crate) fn url(&self) -> String {
        self.command("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Waits until it is somewhere below an address.
    pub(crate) fn arrive(&self, beginning: &str) {
        self.wait(&format!("the browser to be at {beginning}"), || {
            self.url().starts_with(beginning).then_some(())
        });
    }

    /// Waits, and says in case of need what stands on the page.
    fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let mut shown = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(what, PATIENCE, || {
                let found = look();
                if found.is_none() {
                    thread::sleep(LOOK);
                }
                found
            })
        }));
        found.unwrap_or_else(|_| {
            if let Some(text) = self.first("body").and_then(|body| self.text_of(&body)) {
                shown = text;
            }
            panic!("waited in vain for {what} at {}:\n{shown}\n{:?}", self.url(), self.log())
        })
    }

    /// The number of the first element that fits, if there is one.
    fn first(&self, selector: &str) -> Option<String> {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.attempt("POST", "/elements", &wanted)?;
        Some(found[0][ELEMENT].as_str()?.to_owned())
    }

    fn text_of(&self, element: &str) -> Option<String> {
        let text = self.attempt("GET", &format!("/element/{element}/text"), &Value::Null)?;
        text.as_str().map(str::to_owned)
    }

    /// What people read on the first element that fits, if they see it.
    fn seen(&self, selector: &str) -> Option<String> {
        let element = self.first(selector)?;
        let path = format!("/element/{element}/displayed");
        let is_seen = self.attempt("GET", &path, &Value::Null)? == true;
        if is_seen { self.text_of(&element) } else { None }
    }

    pub(crate) fn is_seen(&self, selector: &str) -> bool {
        self.seen(selector).is_some()
    }

    /// The same once it is there and holds some words.
    pub(crate) fn read(&self, selector: &str, words: &str) -> String {
        self.wait(&format!("`{words}` at {selector}"), || {
            self.seen(selector).filter(|text| text.contains(words))
        })
    }

    /// Clicks on what is there, or will be.
    pub(crate) fn click(&self, selector: &str) {
        self.wait(&format!("a click on {selector}"), || {
            self.seen(selector)?;
            let path = format!("/element/{}/click", self.first(selector)?);
            self.attempt("POST", &path, &json!({}))
        });
    }

    /// Types where people write, in place of what stands there.
    pub(crate) fn write(&self, selector: &str, text: &str) {
        self.read(selector, "");
        let element = self.first(selector).unwrap();
        self.command("POST", &format!("/element/{element}/clear"), &json!({}));
        self.command("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses a key or several in whatever has the focus.
    pub(crate) fn press(&self, keys: &str) {
        let active = self.command("GET", "/element/active", &Value::Null);
        let element = active[ELEMENT].as_str().unwrap();
        self.command("POST", &format!("/element/{element}/value"), &json!({ "text": keys }));
    }

    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// As wide as a phone from now on.
    pub(crate) fn be_a_phone(&self) {
        let size = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
        let wanted = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        self.command("POST", "/goog/cdp/execute", &wanted);
    }

    pub(crate) fn source(&self) -> String {
        self.command("GET", "/source", &Value::Null).as_str().unwrap().to_owned()
    }

    /// The value of a cookie, whoever may read it.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.command("GET", "/cookie", &Value::Null);
        let mut cookies = cookies.as_array().unwrap().iter();
        let found = cookies.find(|cookie| cookie["name"] == name)?;
        Some(found["value"].as_str().unwrap().to_owned())
    }

    /// What the browser had to complain of since it was last asked.
    pub(crate) fn log(&self) -> Vec<String> {
        let entries = self.command("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
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
