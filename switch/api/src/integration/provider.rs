//! Billers and messengers: asked of providers over HTTP, not of the engine. A message with an
//! `Idempotency-Key` goes out once for its caller and key (`handed`).

use super::admitted::Admitted;
use super::handed::{Place, hand};
use super::message::Numbers;
use super::payment::key;
use super::shown;
use super::text::{Address, BillText, BillerId, Category, LongText, Mobile, ShortText, Subject};
use crate::answer::{Refusal, Trace};
use crate::digest::digest_of;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::ToSchema;
use veksel_adapters::providers::{
    BillNumber, Email, Issuer, Provided, Provides, Sent, Sms, Within,
};
use veksel_core::enquiry::{Failure, Money};

/// For everything behind one request.
pub(super) const PROVIDER_TIME: Duration = Duration::from_secs(20);

/// What is said when a provider cannot be asked now.
pub(super) const UNAVAILABLE: &str = "the provider is temporarily unavailable";

/// Which billers.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CategoryRequest {
    category: Option<Category>,
}

/// Somebody who can be paid.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Biller {
    biller: String,
    name: String,
    category: String,
    currency: String,
}

/// Who can be paid, and the categories they are of.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CategoryAnswer {
    categories: Vec<String>,
    billers: Vec<Biller>,
}

/// Which bill.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BillRequest {
    biller: BillerId,
    reference: BillText,
    bill: Option<BillText>,
}

/// Minor units of a currency.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Price {
    minor: u64,
    currency: String,
}

/// What is due.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BillAnswer {
    biller: String,
    reference: String,
    bill: Option<String>,
    due: Price,
    /// `YYYY-MM-DD`.
    due_date: Option<String>,
    /// Whose bill it is.
    name: Option<String>,
}

/// Whose packages.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PackageRequest {
    biller: BillerId,
}

/// Something a biller sells.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Package {
    package: String,
    name: String,
    /// `null` if the customer says how much.
    price: Option<Price>,
}

/// What a biller sells.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageAnswer {
    packages: Vec<Package>,
}

/// A text message.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SmsRequest {
    to: Mobile,
    text: ShortText,
}

/// A letter.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EmailRequest {
    to: Address,
    subject: Subject,
    text: LongText,
}

/// Somebody took it to deliver it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SentAnswer {
    /// What the provider calls it.
    id: String,
}

/// `POST /api/v1/integration/biller/category`.
pub(crate) async fn category(asked: Admitted) -> Response {
    let said = async {
        let CategoryRequest { category } = asked.read()?;
        has(asked.providers().has(Issuer::Bill), "billers")?;
        let category = category.map(|own| own.as_str().to_owned());
        let found = provided(asked.providers().billers(within(asked.trace()), category)).await?;
        let mut categories: Vec<String> = found.iter().map(|own| own.category.clone()).collect();
        categories.sort_unstable();
        categories.dedup();
        let billers = found.into_iter().map(|own| Biller {
            biller: own.id,
            name: own.name,
            category: own.category,
            currency: format!("{:03}", own.currency),
        });
        shown(StatusCode::OK, &CategoryAnswer { categories, billers: billers.collect() })
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/biller/fetch`.
pub(crate) async fn bill(asked: Admitted) -> Response {
    let said = async {
        let BillRequest { biller, reference, bill } = asked.read()?;
        has(asked.providers().has(Issuer::Bill), "billers")?;
        let number = BillNumber {
            biller: biller.as_str().to_owned(),
            reference: reference.as_str().to_owned(),
            bill: bill.map(|own| own.as_str().to_owned()),
        };
        let found = provided(asked.providers().bill_inquiry(within(asked.trace()), number)).await?;
        let filled = |text: String| (!text.is_empty()).then_some(text);
        let answer = BillAnswer {
            biller: found.number.biller,
            reference: found.number.reference,
            bill: found.number.bill,
            due: price(found.due),
            due_date: filled(found.due_date),
            name: filled(found.holder),
        };
        shown(StatusCode::OK, &answer)
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/biller/package`.
pub(crate) async fn packages(asked: Admitted) -> Response {
    let said = async {
        let PackageRequest { biller } = asked.read()?;
        has(asked.providers().has(Issuer::Bill), "billers")?;
        let biller = biller.as_str().to_owned();
        let found = provided(asked.providers().packages(within(asked.trace()), biller)).await?;
        let packages = found.into_iter().map(|own| Package {
            package: own.id,
            name: own.name,
            price: own.price.map(price),
        });
        shown(StatusCode::OK, &PackageAnswer { packages: packages.collect() })
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/sms/send`.
pub(crate) async fn sms(asked: Admitted) -> Response {
    let said = async {
        let SmsRequest { to, text } = asked.read()?;
        has(asked.providers().has(Issuer::Sms), "text messages")?;
        let letter = Letter::of(&asked, "sms", &[to.as_str(), text.as_str()])?;
        let (to, text) = (to.as_str().to_owned(), text.as_str().to_owned());
        let (sms, within) = (Sms { to, text, key: letter.key.clone() }, within(asked.trace()));
        let hand_over = |by: Arc<dyn Provides>| async move { by.sms(within, sms).await };
        let id = letter.send(&asked, hand_over).await?;
        shown(StatusCode::ACCEPTED, &SentAnswer { id })
    };
    asked.answer(said.await)
}

/// `POST /api/v1/integration/email/send`.
pub(crate) async fn email(asked: Admitted) -> Response {
    let said = async {
        let EmailRequest { to, subject, text } = asked.read()?;
        has(asked.providers().has(Issuer::Email), "letters")?;
        let letter = Letter::of(&asked, "email", &[to.as_str(), subject.as_str(), text.as_str()])?;
        let email = Email {
            to: to.as_str().to_owned(),
            subject: subject.as_str().to_owned(),
            text: text.as_str().to_owned(),
            key: letter.key.clone(),
        };
        let within = within(asked.trace());
        let hand_over = |by: Arc<dyn Provides>| async move { by.email(within, email).await };
        let id = letter.send(&asked, hand_over).await?;
        shown(StatusCode::ACCEPTED, &SentAnswer { id })
    };
    asked.answer(said.await)
}

/// A message that is to go out.
struct Letter {
    /// What others may recognise it by: the same for the same `Idempotency-Key` of a caller, and
    /// one of its own for what comes without.
    key: String,
    /// Where it is remembered, if it has a key.
    place: Option<Place>,
}

impl Letter {
    /// Of a kind that has keys of its own, with these texts.
    fn of(asked: &Admitted, kind: &str, texts: &[&str]) -> Result<Self, Refusal> {
        let (headers, caller) = (asked.headers(), asked.name());
        let has_key = headers.contains_key("idempotency-key");
        let given = match has_key {
            true => key(headers)?,
            false => &Numbers::by_chance()?.id(),
        };
        let digest = digest(&SHA256, format!("letter\0{caller}\0{given}").as_bytes());
        let name = digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let place = has_key.then(|| {
            let whose = [kind, caller, given].map(str::as_bytes);
            let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            Place { key: digest_of(&whose), body: digest_of(&texts) }
        });
        Ok(Self { key: name, place })
    }

    /// Hands it over, if that was not done under its key.
    async fn send<F>(
        &self,
        asked: &Admitted,
        hand_over: impl FnOnce(Arc<dyn Provides>) -> F,
    ) -> Result<String, Refusal>
    where
        F: Future<Output = Result<Sent, Failure>> + Send + 'static,
    {
        let hand_over = hand_over(Arc::clone(asked.providers()));
        match self.place {
            Some(place) => asked.handed().once(place, hand_over).await,
            None => hand(hand_over).await.0,
        }
    }
}

fn has(is_there: bool, what: &str) -> Result<(), Refusal> {
    if is_there {
        return Ok(());
    }
    let message = format!("no provider of {what} is configured");
    Err(Refusal::new(StatusCode::NOT_FOUND, "no_provider", message))
}

fn within(trace: &Trace) -> Within {
    let ms = u64::try_from(PROVIDER_TIME.as_millis()).unwrap_or(u64::MAX);
    Within { ms, trace: trace.0.clone() }
}

/// What a provider says within its time.
async fn provided<T>(asked: Provided<'_, T>) -> Result<T, Refusal> {
    match timeout(PROVIDER_TIME, asked).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(failure)) => Err(Refusal::of(&failure, UNAVAILABLE)),
        Err(_) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Err(Refusal::new(status, "unavailable", UNAVAILABLE).again())
        }
    }
}

fn price(money: Money) -> Price {
    Price { minor: money.minor, currency: format!("{:03}", money.currency) }
}
