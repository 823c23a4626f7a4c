//! Who bills are asked of and paid to, and by whom customers are told something: what the rest of
//! the switch may ask of them, in one trait that knows none of them.
//!
//! The methods stand for themselves: each makes at most the calls of one provider, within the time
//! of its [`Within`], and changes nothing here. A text in them is data of the customer: the types
//! show addresses and texts to nobody by their `Debug`.

use crate::adapters::AdapterError;
use crate::billers::Billers;
use crate::client::ApiClient;
use crate::email::Mail;
use crate::executor::Circuit;
use crate::executor::audit::AuditSink;
use crate::fcm::Fcm;
use crate::sms::SmsGateway;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use veksel_config::bridge::{ProvidersConfig, SecretSource};
use veksel_core::enquiry::{Ask, Billed, Enquiry, Failed, Failure, Money, Secret, Verdict};

/// What a provider answers: what was asked, or a failure with its class and the provider's code.
pub type Provided<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// The time of a question, and whom it belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Within {
    /// For everything behind it, in milliseconds.
    pub ms: u64,
    /// The trace id of the request it belongs to; empty for none.
    pub trace: String,
}

/// What providers do. Whoever does not do something says so ([`Failed::NotSupported`] with the code
/// `addressee`); it may be given up at any time by dropping the future.
pub trait Provides: Send + Sync + fmt::Debug {
    /// Whether there is a provider for it, so that an endpoint may say so before it reads anything.
    fn has(&self, issuer: Issuer) -> bool;

    /// How the breakers of the services that were called stand.
    fn circuits(&self) -> Vec<Circuit> {
        Vec::new()
    }

    /// Who can be paid, of one category or of all.
    fn billers(&self, _within: Within, _category: Option<String>) -> Provided<'_, Vec<Biller>> {
        nobody()
    }

    /// What can be bought from a biller, with its prices.
    fn packages(&self, _within: Within, _biller: String) -> Provided<'_, Vec<Package>> {
        nobody()
    }

    /// What a customer of a biller has to pay.
    fn bill_inquiry(&self, _within: Within, _bill: BillNumber) -> Provided<'_, Bill> {
        nobody()
    }

    /// Pays a biller. If the failure [is open](Failure::is_open), nobody knows whether it was paid;
    /// only the same key may be sent again then.
    fn bill_pay(&self, _within: Within, _payment: BillPayment) -> Provided<'_, BillReceipt> {
        nobody()
    }

    /// Sends a text message.
    fn sms(&self, _within: Within, _sms: Sms) -> Provided<'_, Sent> {
        nobody()
    }

    /// Sends a letter.
    fn email(&self, _within: Within, _email: Email) -> Provided<'_, Sent> {
        nobody()
    }

    /// Sends a notice to an app.
    fn push(&self, _within: Within, _push: Push) -> Provided<'_, Sent> {
        nobody()
    }
}

fn nobody<'a, T: Send + 'a>() -> Provided<'a, T> {
    let failure = Failure { code: "addressee".to_owned(), ..Failure::before(Failed::NotSupported) };
    Box::pin(std::future::ready(Err(failure)))
}

macro_rules! issuers {
    ($($variant:ident = $word:literal, $doc:literal);* $(;)?) => {
        /// What a provider is for; there is at most one for each.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Issuer { $(#[doc = $doc] $variant),* }

        impl Issuer {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its word in the configuration, logs and metrics.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

issuers!(
    Cbs = "cbs", "A core banking system with an API over HTTP.";
    Bill = "bill", "Billers.";
    Sms = "sms", "Text messages.";
    Email = "email", "Letters.";
    Push = "push", "Notices to apps.";
    Kyc = "kyc", "Identity checks.";
);

/// Somebody who can be paid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Biller {
    /// What the provider calls it; DE48 tag of bill payments.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it sells: `electricity` and so on.
    pub category: String,
    /// The currency it takes, ISO 4217 numeric.
    pub currency: u16,
}

/// Something a biller sells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// What the provider calls it.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it costs; `None` if the customer says how much.
    pub price: Option<Money>,
}

/// Which bill.
#[derive(Clone, PartialEq, Eq)]
pub struct BillNumber {
    /// [`Biller::id`].
    pub biller: String,
    /// What the biller calls its customer.
    pub reference: String,
    /// The number of one bill; `None` for whatever is due.
    pub bill: Option<String>,
}

/// What a customer has to pay.
#[derive(Clone, PartialEq, Eq)]
pub struct Bill {
    /// Which.
    pub number: BillNumber,
    /// How much is due.
    pub due: Money,
    /// Until when, as `YYYY-MM-DD`; empty if the biller does not say.
    pub due_date: String,
    /// Whose bill it is, as the biller writes it; empty if it does not say.
    pub holder: String,
}

/// A payment to a biller.
#[derive(Clone, PartialEq, Eq)]
pub struct BillPayment {
    /// Which bill.
    pub number: BillNumber,
    /// How much.
    pub amount: Money,
    /// The same for the same payment however often it is sent, 1 to 64 of `[A-Za-z0-9._-]`.
    pub key: String,
}

/// A biller was paid, or will be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillReceipt {
    /// What the provider calls the payment.
    pub receipt: String,
    /// Whether it is over; otherwise the provider took it in and carries it out later.
    pub is_final: bool,
}

/// A text message.
#[derive(Clone, PartialEq, Eq)]
pub struct Sms {
    /// E.164 with its plus.
    pub to: String,
    /// The text.
    pub text: String,
    /// As [`BillPayment::key`].
    pub key: String,
}

impl Sms {
    /// Longest text, in characters: ten parts of a joined message.
    pub const TEXT_MAX: usize = 1_530;

    /// Whether a text is a telephone number of E.164 with its plus.
    #[must_use]
    pub fn is_number(text: &str) -> bool {
        let digits = text.strip_prefix('+').unwrap_or_default();
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether a text can be sent: some characters, and none that would do something else.
    #[must_use]
    pub fn is_text(text: &str) -> bool {
        let is_plain = |letter: char| !letter.is_control() || letter == '\n';
        (1..=Self::TEXT_MAX).contains(&text.chars().count()) && text.chars().all(is_plain)
    }
}

/// A letter to one address.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// The address, without a name.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// As [`BillPayment::key`]; makes the `Message-ID`.
    pub key: String,
}

/// A notice to one installation of an app.
#[derive(Clone, PartialEq, Eq)]
pub struct Push {
    /// The registration token of the installation.
    pub to: String,
    /// One line.
    pub title: String,
    /// The text.
    pub body: String,
    /// For the app itself.
    pub data: Vec<(String, String)>,
    /// As [`BillPayment::key`].
    pub key: String,
}

/// Somebody took it to deliver it; that it arrived nobody says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// What the provider calls it.
    pub id: String,
}

/// Shows which fields a type has, and the value of those that are nobody's secret.
macro_rules! quiet {
    ($($name:ident { $($shown:ident),* });* $(;)?) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))$(.field(stringify!($shown), &self.$shown))*
                    .finish_non_exhaustive()
            }
        }
    )*};
}

quiet!(
    BillNumber { biller };
    Bill { number, due, due_date };
    BillPayment { number, amount, key };
    Sms { key };
    Email { key };
    Push { key };
);

/// The providers of a configuration: one for each issuer that has one.
#[derive(Clone, Debug, Default)]
pub struct Providers {
    entries: Vec<(Issuer, Arc<dyn Provides>)>,
}

impl Providers {
    /// Makes the providers of a configuration. Secrets, keys and certificates are read now.
    ///
    /// # Errors
    ///
    /// If one of them is not what it should be, or a provider cannot be called as configured.
    pub fn new(
        config: &ProvidersConfig,
        secret: &dyn Fn(&SecretSource) -> Result<Secret, AdapterError>,
        audit: &AuditSink,
    ) -> Result<Self, AdapterError> {
        let mut all = Self::default();
        if let Some(bill) = &config.bill {
            let client = ApiClient::new(Issuer::Bill.word(), bill, secret, audit.clone())?;
            all = all.with(Issuer::Bill, Arc::new(Billers(client)));
        }
        if let Some((sms, sender)) = &config.sms {
            let client = ApiClient::new(Issuer::Sms.word(), sms, secret, audit.clone())?;
            all = all.with(Issuer::Sms, Arc::new(SmsGateway { client, sender: sender.clone() }));
        }
        if let Some(email) = &config.email {
            all = all.with(Issuer::Email, Arc::new(Mail::new(email, secret, audit.clone())?));
        }
        if let Some(push) = &config.push {
            all = all.with(Issuer::Push, Arc::new(Fcm::new(push, secret, audit.clone())?));
        }
        Ok(all)
    }

    /// Asks what the engine wants to know of a biller, within its time.
    pub async fn ask(&self, ask: Ask) -> Verdict {
        let Enquiry::Bill(Billed { biller, reference, number }) = ask.enquiry else {
            let nobody = Failure::before(Failed::NotSupported);
            return Verdict::Failed(Failure { code: "enquiry".to_owned(), ..nobody });
        };
        let bill = Some(number).filter(|number| !number.is_empty());
        let within = Within { ms: ask.within_ms, trace: ask.trace };
        match self.bill_inquiry(within, BillNumber { biller, reference, bill }).await {
            Ok(bill) => Verdict::Bill(bill.due),
            Err(failure) => Verdict::Failed(failure),
        }
    }

    /// With this one for an issuer, in place of one that was there.
    #[must_use]
    pub fn with(mut self, issuer: Issuer, provider: Arc<dyn Provides>) -> Self {
        self.entries.retain(|(known, _)| *known != issuer);
        self.entries.push((issuer, provider));
        self
    }

    fn find(&self, issuer: Issuer) -> Option<&dyn Provides> {
        let entry = self.entries.iter().find(|(known, _)| *known == issuer);
        entry.map(|(_, provider)| provider.as_ref())
    }
}

impl Provides for Providers {
    fn has(&self, issuer: Issuer) -> bool {
        self.find(issuer).is_some_and(|provider| provider.has(issuer))
    }

    fn circuits(&self) -> Vec<Circuit> {
        self.entries.iter().flat_map(|(_, provider)| provider.circuits()).collect()
    }

    fn billers(&self, within: Within, category: Option<String>) -> Provided<'_, Vec<Biller>> {
        self.find(Issuer::Bill).map_or_else(nobody, |one| one.billers(within, category))
    }

    fn packages(&self, within: Within, biller: String) -> Provided<'_, Vec<Package>> {
        self.find(Issuer::Bill).map_or_else(nobody, |one| one.packages(within, biller))
    }

    fn bill_inquiry(&self, within: Within, bill: BillNumber) -> Provided<'_, Bill> {
        self.find(Issuer::Bill).map_or_else(nobody, |one| one.bill_inquiry(within, bill))
    }

    fn bill_pay(&self, within: Within, payment: BillPayment) -> Provided<'_, BillReceipt> {
        self.find(Issuer::Bill).map_or_else(nobody, |one| one.bill_pay(within, payment))
    }

    fn sms(&self, within: Within, sms: Sms) -> Provided<'_, Sent> {
        self.find(Issuer::Sms).map_or_else(nobody, |one| one.sms(within, sms))
    }

    fn email(&self, within: Within, email: Email) -> Provided<'_, Sent> {
        self.find(Issuer::Email).map_or_else(nobody, |one| one.email(within, email))
    }

    fn push(&self, within: Within, push: Push) -> Provided<'_, Sent> {
        self.find(Issuer::Push).map_or_else(nobody, |one| one.push(within, push))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Postman;

    impl Provides for Postman {
        fn has(&self, issuer: Issuer) -> bool {
            issuer == Issuer::Sms
        }

        fn sms(&self, _: Within, sms: Sms) -> Provided<'_, Sent> {
            Box::pin(async move { Ok(Sent { id: sms.key }) })
        }
    }

    fn sms() -> Sms {
        Sms { to: "+4799999999".into(), text: "hemmelig".into(), key: "k1".into() }
    }

    #[tokio::test]
    async fn a_question_goes_to_the_provider_of_its_issuer_or_to_nobody() {
        let within = || Within { ms: 1_000, trace: String::new() };
        let providers = Providers::default().with(Issuer::Sms, Arc::new(Postman));
        assert!(providers.has(Issuer::Sms) && !providers.has(Issuer::Email));
        assert_eq!(providers.sms(within(), sms()).await, Ok(Sent { id: "k1".into() }));
        let nobody = providers.billers(within(), None).await.unwrap_err();
        assert_eq!((nobody.why, nobody.code.as_str()), (Failed::NotSupported, "addressee"));
        assert!(!nobody.is_open);
        // One that is there for something else is not asked in its place.
        let email =
            Email { to: "a@b".into(), subject: "s".into(), text: "t".into(), key: "k".into() };
        assert_eq!(providers.email(within(), email).await.unwrap_err().why, Failed::NotSupported);
    }

    #[test]
    fn numbers_are_those_of_e164_and_texts_are_bounded() {
        assert!(Sms::is_number("+4799999999") && Sms::is_number("+123456789012345"));
        for text in ["", "4799999999", "+", "+0799999999", "+47 999", "+1234567890123456", "+47a"] {
            assert!(!Sms::is_number(text), "{text}");
        }
        assert!(Sms::is_text("Hei\npå deg") && Sms::is_text(&"å".repeat(Sms::TEXT_MAX)));
        for text in ["", "\u{1b}[2J", "a\r\nb", &"a".repeat(Sms::TEXT_MAX + 1)] {
            assert!(!Sms::is_text(text), "{text:?}");
        }
    }

    #[test]
    fn addresses_and_texts_are_not_shown() {
        let shown = format!("{:?}", sms());
        assert!(!shown.contains("9999") && !shown.contains("hemmelig"), "{shown}");
        assert!(shown.contains("k1"));
    }
}
