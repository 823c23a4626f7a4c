//! The account information service and the confirmation of funds: consents, accounts, balances
//! and transactions, as the ledger has them this moment.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::banks::Approach;
use super::consent::{Consent, ConsentStatus, Part, Wanted};
use super::magic::{self, Magic};
use super::oauth;
use super::order::{is_iban, read_amount};
use super::orders::{approval_status, ask, lead, started};
use super::refusal::Refusal;
use super::reply::{created, json_reply, with_header};
use super::state::{Inner, Subject};
use super::statements::{account_json, balances_json, transaction, transactions};
use crate::ledger::{Account, AccountId, Digest, Holder, Ledger};

/// `/v1/consents` and everything below.
pub(super) async fn consents(
    inner: &Arc<Inner>,
    asked: &Asked,
    rest: &[&str],
) -> Result<Response, Refusal> {
    match (asked.method.as_str(), rest) {
        ("POST", []) => consent(inner, asked).await,
        ("GET", [id]) => known(inner, asked, id, |consent| json_reply(&consent.json())),
        ("GET", [id, "status"]) => known(inner, asked, id, |consent| {
            json_reply(&json!({"consentStatus": consent.status.code()}))
        }),
        ("DELETE", [id]) => known(inner, asked, id, |consent| {
            if matches!(consent.status, ConsentStatus::Received | ConsentStatus::Valid) {
                consent.set(ConsentStatus::TerminatedByTpp, &inner.today());
            }
            StatusCode::NO_CONTENT.into_response()
        }),
        ("POST", [id, "authorisations"]) => {
            let (redirects, status) =
                known(inner, asked, id, |consent| (consent.redirects.clone(), consent.status))?;
            let given = asked.redirects(false)?;
            if given.ok.is_some() && given.ok != redirects.ok {
                let text = "must stay the same for one consent";
                return Err(Refusal::format("TPP-Redirect-URI", text));
            }
            let subject = Subject::Consent((*id).to_owned());
            let approval = inner.with(|state| {
                let is_asked = state.approvals.values().any(|known| known.subject == subject);
                if status != ConsentStatus::Received || is_asked {
                    let text = "there is nothing to authorise, or it is being authorised";
                    return Err(Refusal::new(StatusCode::CONFLICT, "STATUS_INVALID", text));
                }
                Ok(ask(inner, state, asked.bank.id, subject))
            })?;
            let base = format!("/v1/consents/{id}/authorisations/{approval}");
            Ok(created(asked.bank, started(asked, &approval, &base)))
        }
        ("GET", [id, "authorisations"]) => {
            known(inner, asked, id, |_| ())?;
            let subject = Subject::Consent((*id).to_owned());
            Ok(inner.with(|state| {
                let approvals = state.approvals.values();
                let of_it = approvals.filter(|approval| approval.subject == subject);
                let ids: Vec<&String> = of_it.map(|approval| &approval.id).collect();
                json_reply(&json!({"authorisationIds": ids}))
            }))
        }
        ("GET", [id, "authorisations", approval]) => {
            known(inner, asked, id, |_| ())?;
            approval_status(inner, approval, &Subject::Consent((*id).to_owned()))
        }
        ("PUT", [id, "authorisations", approval]) => {
            known(inner, asked, id, |_| ())?;
            oauth::confirm(inner, asked, approval, &Subject::Consent((*id).to_owned()))
        }
        _ => {
            let text = "there is no such service for consents";
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "SERVICE_INVALID", text))
        }
    }
}

async fn consent(inner: &Arc<Inner>, asked: &Asked) -> Result<Response, Refusal> {
    asked.require_customer()?;
    let redirects = asked.redirects(asked.bank.approach != Approach::Decoupled)?;
    let body = asked.json()?;
    let today = inner.today();
    let wanted = Wanted::read(&body, &today, asked.bank)?;
    for iban in wanted.ibans() {
        let exists = is_iban(&iban) && view(inner, iban, |_, _, _| ()).await?.is_some();
        if !exists {
            let text = "names an account that is not here";
            let refusal = Refusal::new(StatusCode::BAD_REQUEST, "RESOURCE_UNKNOWN", text);
            return Err(refusal.at("access"));
        }
    }
    let (_, id) = inner.name("c");
    let is_explicit = asked.bank.approach == Approach::Explicit
        || asked.header("tpp-explicit-authorisation-preferred") == Some("true");
    let consent =
        Consent::new(id.clone(), asked.bank, asked.tpp.clone(), redirects, wanted, &today);
    let approval = inner.with(|state| {
        state.insert_consent(consent);
        let subject = Subject::Consent(id.clone());
        (!is_explicit).then(|| ask(inner, state, asked.bank.id, subject))
    });
    let base = format!("/v1/consents/{id}");
    let mut links = Map::new();
    let mut add = |name: &str, path: &str| {
        links.insert(name.to_owned(), json!({"href": asked.link(path)}));
    };
    add("self", &base);
    add("status", &format!("{base}/status"));
    match &approval {
        Some(approval) => {
            let authorisation = format!("{base}/authorisations/{approval}");
            lead(asked, &mut links, approval, &authorisation);
        }
        None => add("startAuthorisation", &format!("{base}/authorisations")),
    }
    let body = json!({
        "consentStatus": ConsentStatus::Received.code(),
        "consentId": id,
        "_links": links,
    });
    let location = asked.link(&base);
    Ok(with_header(created(asked.bank, body), header::LOCATION.as_str(), &location))
}

/// A consent of the same bank and caller.
fn known<T>(
    inner: &Arc<Inner>,
    asked: &Asked,
    id: &str,
    work: impl FnOnce(&mut Consent) -> T,
) -> Result<T, Refusal> {
    let today = inner.today();
    inner.with(|state| {
        let consent = state.consents.get_mut(id);
        let consent = consent
            .filter(|consent| consent.bank == asked.bank && consent.tpp == asked.tpp)
            .ok_or_else(|| {
                let text = "no such consent";
                Refusal::new(StatusCode::FORBIDDEN, "CONSENT_UNKNOWN", text)
            })?;
        consent.age(&today);
        Ok(work(consent))
    })
}

/// `/v1/accounts` and everything below.
pub(super) async fn accounts(
    inner: &Arc<Inner>,
    asked: &Asked,
    rest: &[&str],
) -> Result<Response, Refusal> {
    if asked.method != "GET" {
        let text = "accounts are only read";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "SERVICE_INVALID", text));
    }
    asked.check_psu_headers()?;
    let id = asked.header("consent-id").ok_or_else(|| match asked.header("x-consent-id") {
        Some(_) => Refusal::format("Consent-ID", "is missing; X-Consent-ID is another header"),
        None => Refusal::format("Consent-ID", "is missing"),
    })?;
    let part = match rest {
        [_, "balances"] => Part::Balances,
        [_, "transactions", ..] => Part::Transactions,
        _ => Part::Account,
    };
    // What is wrong with a request is not counted as a read.
    if let [_, "transactions"] = rest {
        super::statements::check_query(asked)?;
    }
    let (attended, now_ms) = (asked.is_attended(), asked.now_ms);
    let (wanted, iban) = known(inner, asked, id, |consent| {
        let resource = rest.first().copied();
        let iban = resource.map(|resource| {
            let ibans = consent.wanted.ibans();
            ibans.into_iter().find(|iban| resource_of(asked.bank.id, iban) == resource)
        });
        let endpoint = rest.join("/");
        match iban {
            // An account that the consent does not name is not told from one that is not there.
            Some(None) if consent.status == ConsentStatus::Valid => {
                Err(Refusal::unknown("no such account under this consent"))
            }
            iban => {
                let iban = iban.flatten();
                consent.admit(part, iban.as_deref(), &endpoint, attended, now_ms)?;
                Ok((consent.wanted.clone(), iban))
            }
        }
    })??;
    match (rest, iban) {
        ([], _) => {
            let with_balance = asked.query("withBalance") == Some("true");
            let mut list = Vec::new();
            for iban in wanted.ibans() {
                let resource = resource_of(asked.bank.id, &iban);
                list.extend(account(inner, asked, &wanted, iban, resource, with_balance).await?);
            }
            Ok(json_reply(&json!({"accounts": list})))
        }
        ([resource], Some(iban)) => {
            let with_balance = asked.query("withBalance") == Some("true");
            let resource = (*resource).to_owned();
            let shown = account(inner, asked, &wanted, iban, resource, with_balance).await?;
            let shown = shown.ok_or_else(|| Refusal::unknown("no such account"))?;
            Ok(json_reply(&json!({"account": shown})))
        }
        ([_, "balances"], Some(iban)) => {
            let only_expected = asked.bank.only_expected;
            let reference = json!({"iban": iban});
            let look = move |_: AccountId, account: &Account, _: &Ledger| {
                balances_json(account, only_expected, now_ms)
            };
            let balances = view(inner, iban, look).await?;
            let balances = balances.ok_or_else(|| Refusal::unknown("no such account"))?;
            Ok(json_reply(&json!({"account": reference, "balances": balances})))
        }
        ([_, "transactions"], Some(iban)) => transactions(inner, asked, iban).await,
        ([_, "transactions", id], Some(iban)) => transaction(inner, iban, id).await,
        _ => Err(Refusal::unknown("there is no such service for accounts")),
    }
}

/// One account as lists show it; `None` if it is gone.
async fn account(
    inner: &Arc<Inner>,
    asked: &Asked,
    wanted: &Wanted,
    iban: String,
    resource: String,
    with_balance: bool,
) -> Result<Option<Value>, Refusal> {
    let only_expected = asked.bank.only_expected;
    let shows_balances = wanted.balances.contains(&iban);
    let now_ms = asked.now_ms;
    let look = move |_: AccountId, account: &Account, _: &Ledger| {
        let balances = balances_json(account, only_expected, now_ms);
        (account_json(account), balances)
    };
    let base = format!("/v1/accounts/{resource}");
    let shown = view(inner, iban.clone(), look).await?;
    Ok(shown.map(|(mut shown, balances)| {
        shown.insert("resourceId".to_owned(), json!(resource));
        let mut links = Map::new();
        for (name, list) in [("balances", &wanted.balances), ("transactions", &wanted.transactions)]
        {
            if list.contains(&iban) {
                let href = asked.link(&format!("{base}/{name}"));
                links.insert(name.to_owned(), json!({"href": href}));
            }
        }
        shown.insert("_links".to_owned(), Value::Object(links));
        if with_balance && shows_balances {
            shown.insert("balances".to_owned(), balances);
        }
        Value::Object(shown)
    }))
}

/// Looks at a customer's account by IBAN; `None` if there is none.
pub(super) async fn view<T: Send + 'static>(
    inner: &Arc<Inner>,
    iban: String,
    look: impl FnOnce(AccountId, &Account, &Ledger) -> T + Send + 'static,
) -> Result<Option<T>, Refusal> {
    let look = move |ledger: &Ledger| {
        let mut accounts = ledger.accounts();
        let is_it = |holder: &Holder| holder.iban == iban;
        let found = accounts.find(|(_, account)| account.holder().is_some_and(is_it));
        found.map(|(id, account)| look(id, account, ledger))
    };
    inner.desk.look(move |ledger, _| look(ledger)).await.ok_or_else(Refusal::down)
}

/// `/v1/funds-confirmations`.
pub(super) async fn funds(inner: &Arc<Inner>, asked: &Asked) -> Result<Response, Refusal> {
    if asked.method != "POST" {
        let text = "funds are confirmed by POST";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "SERVICE_INVALID", text));
    }
    let body = asked.json()?;
    let amount = read_amount(&body)?;
    let iban = body.get("account").and_then(|account| account.get("iban")).and_then(Value::as_str);
    let iban = iban.filter(|iban| is_iban(iban));
    let iban = iban.ok_or_else(|| Refusal::format("account", "must be an IBAN"))?;
    let look = move |_: AccountId, account: &Account, _: &Ledger| {
        account.currency == amount.currency && account.balances().available() >= amount.minor
    };
    let available = view(inner, iban.to_owned(), look).await?.ok_or_else(|| {
        let status = StatusCode::BAD_REQUEST;
        Refusal::new(status, "RESOURCE_UNKNOWN", "no such account").at("account")
    })?;
    let available = available && magic::find(amount.minor) != Some(Magic::NoFunds);
    Ok(json_reply(&json!({"fundsAvailable": available})))
}

/// What a bank calls an account at its interface: nothing that tells the number.
fn resource_of(bank: &str, iban: &str) -> String {
    let Digest(bytes) = Digest::of(&[bank.as_bytes(), iban.as_bytes()]);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
