//! A real browser on the page of a bank: Chromium without a window, driven by chromedriver over
//! plain HTTP (the `WebDriver` protocol).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{call, receive, send};
use crate::rig::{IBAN, Rig, path_of};

/// The name of an element's number (`WebDriver` 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// `None`, said loudly, where there is no chromedriver.
    fn open() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(driver) = driver else {
            crate::rig::say("chromedriver is not installed, no browser clicked anything");
            return None;
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut browser = Self { driver, address, session: String::new() };
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "chromedriver does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        let options = json!({"goog:chromeOptions": {"args": arguments}});
        let wanted = json!({"capabilities": {"alwaysMatch": options}});
        let value = browser.command("POST", "/session", &wanted);
        browser.session = value["sessionId"].as_str().unwrap().to_owned();
        Some(browser)
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let headers = [("Content-Type", "application/json")];
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let stream = send(self.address, method, path, &headers, body.as_bytes());
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let answer = receive(stream).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()["value"].clone()
    }

    fn visit(&self, url: &str) {
        let path = format!("/session/{}/url", self.session);
        self.command("POST", &path, &json!({"url": url}));
    }

    fn click(&self, selector: &str) {
        let base = format!("/session/{}/element", self.session);
        let wanted = json!({"using": "css selector", "value": selector});
        let found = self.command("POST", &base, &wanted);
        let element = found[ELEMENT].as_str().unwrap();
        self.command("POST", &format!("{base}/{element}/click"), &json!({}));
    }

    fn url(&self) -> String {
        let path = format!("/session/{}/url", self.session);
        self.command("GET", &path, &Value::Null).as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            let path = format!("/session/{}", self.session);
            let _ = call(self.address, "DELETE", &path, &[], b"");
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Where a customer comes back to.
fn shop() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/back", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let page = "<!DOCTYPE html><title>shop</title>";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
        }
    });
    url
}

#[test]
fn a_customer_clicks() {
    let Some(browser) = Browser::open() else { return };
    let rig = Rig::new();
    let before = rig.balance(IBAN);
    let shop = shop();
    let back = format!("{shop}?s=1");
    let nok = format!("{shop}?s=1&nok=1");
    for (button, landed, status, spent) in
        [("#approve", &back, "ACSC", 15_000), ("#reject", &nok, "RJCT", 15_000)]
    {
        let headers = [
            ("PSU-IP-Address", "203.0.113.7"),
            ("TPP-Redirect-URI", back.as_str()),
            ("TPP-Nok-Redirect-URI", nok.as_str()),
        ];
        let path = "v1/payments/norwegian-domestic-credit-transfers";
        let order = crate::rig::order("150.00");
        let body = rig.ask("dnb", "POST", path, &headers, Some(&order)).json();
        browser.visit(body["_links"]["scaRedirect"]["href"].as_str().unwrap());
        browser.click(button);
        let deadline = Instant::now() + Duration::from_secs(20);
        while browser.url() != *landed {
            assert!(Instant::now() < deadline, "{} instead of {landed}", browser.url());
            std::thread::sleep(Duration::from_millis(50));
        }
        let payment = path_of(body["_links"]["self"]["href"].as_str().unwrap());
        rig.await_status("dnb", &payment, status);
        assert_eq!(rig.balance(IBAN), before - spent, "{button}");
    }
    rig.close();
}
