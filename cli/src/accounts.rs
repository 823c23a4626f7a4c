//! `veksel accounts` and `veksel customers`: linking accounts and beginning identity checks, by the
//! HTTP listener of the running switch. The switch decides; here is only asked and shown.

use crate::arguments::{
    Accounts, AccountsCommand, Called, Customers, CustomersCommand, LinkAccount,
};
use crate::check::source;
use crate::link::tls_to;
use crate::operator::{self, Answer, Request};
use crate::output::{Exit, Failure, Output};
use crate::reversals::from_here;
use serde_json::{Map, Value, json};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use veksel_config::bridge::{HttpConfig, SecretSource};
use veksel_config::{DialTls, load_switch};
use veksel_link::{TlsClient, TlsError, of_file};

/// Bytes that are read of what should be a card number.
const NUMBER_MAX: u64 = 64;

/// Does what was asked.
///
/// # Errors
/// When the switch is not reached, or does not do it.
pub(crate) fn accounts(arguments: &Accounts, output: Output) -> Result<Exit, Failure> {
    let said = match &arguments.command {
        AccountsCommand::Link(link) => {
            let LinkAccount { called, account, bank, iban, customer, currency } = link;
            let body = json!({
                "account": account, "bank": bank, "iban": iban, "customer": customer,
                "currency": currency,
            });
            ask(called, "POST", "/api/accounts", &body.to_string())?
        }
        AccountsCommand::Show(named) => {
            ask(&named.called, "GET", &path("/api/accounts/", &named.account), "")?
        }
        AccountsCommand::Unlink(named) => {
            ask(&named.called, "DELETE", &path("/api/accounts/", &named.account), "")?
        }
        AccountsCommand::Card(of) => {
            let number = if of.card_file.as_os_str() == "-" {
                let mut number = String::new();
                let read = std::io::stdin().take(NUMBER_MAX).read_to_string(&mut number);
                read.map_err(|error| Failure::no("card", format!("the input: {error}")))?;
                number.trim().to_owned()
            } else {
                in_file(&of.card_file)?
            };
            let mut body = json!({ "card": number, "remove": of.remove });
            if let Some(customer) = &of.customer {
                body["customer"] = customer.as_str().into();
            }
            let body = body.to_string();
            let path = path("/api/accounts/", &of.named.account) + "/cards";
            ask(&of.named.called, "POST", &path, &body)?
        }
    };
    show(&said, output)
}

/// Does what was asked.
///
/// # Errors
/// When the switch is not reached, or does not do it.
pub(crate) fn customers(arguments: &Customers, output: Output) -> Result<Exit, Failure> {
    let said = match &arguments.command {
        CustomersCommand::Check(check) => {
            let mut body = Map::new();
            body.insert("customer".into(), check.customer.as_str().into());
            for (key, value) in
                [("email", &check.email), ("phone", &check.phone), ("level", &check.level)]
            {
                if let Some(value) = value {
                    body.insert(key.into(), value.as_str().into());
                }
            }
            let body = Value::Object(body).to_string();
            ask(&check.called, "POST", "/api/kyc/initiate", &body)?
        }
        CustomersCommand::Show(named) => {
            ask(&named.called, "GET", &path("/api/kyc/status/", &named.customer), "")?
        }
        CustomersCommand::Checks(named) => {
            ask(&named.called, "GET", &path("/api/kyc/checks/", &named.customer), "")?
        }
    };
    show(&said, output)
}

/// What it says in lines of a word and a value; what is empty is left out.
fn show(said: &Value, output: Output) -> Result<Exit, Failure> {
    if output.json {
        output.print_json(said)?;
        return Ok(Exit::Yes);
    }
    let mut text = String::new();
    for (word, value) in said.as_object().into_iter().flatten() {
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::String(value) if value.is_empty() => {}
            Value::String(value) => text.push_str(&format!("{word} {value}\n")),
            other => text.push_str(&format!("{word} {other}\n")),
        }
    }
    output.print(text)?;
    Ok(Exit::Yes)
}

fn ask(called: &Called, method: &str, path: &str, body: &str) -> Result<Value, Failure> {
    let Reached { address, token, tls } = reached(called)?;
    let request = Request { method, path, body, token: token.as_deref() };
    let Answer { code, body } = operator::call(address, tls.as_ref(), &request)?;
    if code == 200 {
        return Ok(body);
    }
    let word = |key: &str| body["error"][key].as_str();
    let why = word("message").map_or_else(
        || format!("it answered with HTTP status {code}"),
        |message| format!("{message} ({})", word("code").unwrap_or_default()),
    );
    let failure = Failure::no("refused", format!("the switch did not do it: {why}"));
    Err(match code {
        401 => failure.help("name its token with --token-file, or with --config"),
        _ => failure,
    })
}

/// Where the switch is called, with which token, and with TLS or without.
struct Reached {
    address: SocketAddr,
    token: Option<String>,
    tls: Option<TlsClient>,
}

fn reached(called: &Called) -> Result<Reached, Failure> {
    let configured = match &called.config {
        Some(config) => {
            let config = source(config, &[]).and_then(load_switch);
            let http = config.map_err(Failure::Configuration)?.bridge.http;
            let missing = || {
                let failure = Failure::no("http", "the configuration has no [http]");
                failure.help("the switch is called there; config/bridge.toml shows how")
            };
            Some(http.ok_or_else(missing)?)
        }
        None => None,
    };
    let token = match (&called.token_file, configured.as_ref().and_then(|http| http.token.as_ref()))
    {
        (Some(path), _) | (None, Some(SecretSource::File(path))) => Some(in_file(path)?),
        (None, Some(SecretSource::Env(name))) => {
            let unset = || Failure::no("token", format!("{name} is not set"));
            Some(std::env::var(name).map_err(|_| unset())?.trim().to_owned())
        }
        (None, None) => None,
    };
    if token.as_ref().is_some_and(|token| token.chars().any(char::is_control)) {
        return Err(Failure::no("token", "the token is more than one line"));
    }
    let address = called.http.or(configured.as_ref().map(|http| from_here(http.listen)));
    match address {
        Some(address) if address.port() == 0 => {
            let failure = Failure::no("http", "the system chose the port of the http listener");
            Err(failure.help("`veksel run` printed it when it started; give it with --http"))
        }
        Some(address) => {
            let tls = encrypted(called, configured.as_ref(), address)?;
            Ok(Reached { address, token, tls })
        }
        None => Err(Failure::usage("give --config or --http")),
    }
}

/// TLS as `--tls` says, or else as the configuration does: whoever has the key of the certificate
/// that it names is the switch.
fn encrypted(
    called: &Called,
    http: Option<&HttpConfig>,
    address: SocketAddr,
) -> Result<Option<TlsClient>, Failure> {
    if let Some(flag) = &called.tls {
        return tls_to(&address.to_string(), flag).map(Some);
    }
    let Some(tls) = http.and_then(|http| http.tls.as_ref()) else { return Ok(None) };
    let unusable = |error: TlsError| Failure::configuration(error.to_string());
    let listed = of_file(&tls.certificate).map_err(unusable)?;
    let pins = listed.first().and_then(|own| own.pin).into_iter().collect();
    let dial = DialTls {
        ca: Vec::new(),
        crls: Vec::new(),
        pins,
        name: None,
        own: None,
        handshake_ms: tls.handshake_ms,
    };
    TlsClient::load(&dial, &address.ip().to_string()).map(Some).map_err(unusable)
}

fn in_file(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    let text =
        text.map_err(|error| Failure::no("token", format!("{}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

/// A path that ends with a name, whatever is in the name.
fn path(start: &str, name: &str) -> String {
    let mut path = start.to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn names_become_one_part_of_a_path() {
        assert_eq!(path("/a/", "NO93-8_6.~"), "/a/NO93-8_6.~");
        assert_eq!(path("/a/", "b/../c?d\r\n\u{e5}"), "/a/b%2F..%2Fc%3Fd%0D%0A%C3%A5");
    }
}
