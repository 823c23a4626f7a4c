//! Billers over an interface of their own: who can be paid, what a customer owes, and paying it.
//!
//! Nothing here knows the form of a provider: paths, bodies and where things stand in answers are
//! configured ([`client`](crate::client)). A payment is sent at most once, with a key by which the
//! provider knows it again; what breaks off on the way leaves it open.

use crate::client::{ApiClient, Reply, Sending};
use crate::executor::{Circuit, failed};
use crate::money;
use crate::providers::{
    Bill, BillNumber, BillPayment, BillReceipt, Biller, Issuer, Package, Provided, Provides, Within,
};
use veksel_core::enquiry::{Failed, Failure};

/// Words of a provider for a payment that is over.
const FINAL: &[&str] = &["paid", "completed", "success", "successful", "final", "ok"];

/// Words for one that is taken in and carried out later.
const LATER: &[&str] = &["pending", "accepted", "processing", "queued"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Billers(pub(crate) ApiClient);

impl Billers {
    async fn ask(
        &self,
        within: &Within,
        key: &str,
        parts: &[(&'static str, &str)],
    ) -> Result<Reply, Failure> {
        self.0.send(within, Sending { key, parts, once: "", moves_money: false }).await
    }

    async fn pay(&self, within: &Within, payment: &BillPayment) -> Result<BillReceipt, Failure> {
        let amount = payment.amount;
        let unknown = || failed(Failed::NotSupported, "currency");
        let decimal = money::decimal(amount).ok_or_else(unknown)?;
        let currency = money::alpha(amount.currency).ok_or_else(unknown)?;
        let minor = amount.minor.to_string();
        if amount.minor == 0 {
            return Err(failed(Failed::Invalid, "amount"));
        }
        let number = parts(&payment.number);
        let parts = [
            number[0],
            number[1],
            number[2],
            ("amount", &decimal),
            ("minor", &minor),
            ("currency", currency),
            ("key", &payment.key),
        ];
        let once = payment.key.as_str();
        let sending = Sending { key: "bill_payment", parts: &parts, once, moves_money: true };
        let reply = self.0.send(within, sending).await?;
        // A success without a receipt, or with a word nobody knows, says nothing.
        let unclear = |code| Failure { is_open: true, ..failed(Failed::Malfunction, code) };
        let item = reply.item();
        let receipt = item.needed("receipt").map_err(|_| unclear("schema"))?;
        let status = item.text("status").to_ascii_lowercase();
        let is_final = FINAL.contains(&status.as_str()) || status.is_empty();
        match is_final || LATER.contains(&status.as_str()) {
            true => Ok(BillReceipt { receipt, is_final }),
            false => Err(unclear("status")),
        }
    }
}

fn parts(number: &BillNumber) -> [(&'static str, &str); 3] {
    [
        ("biller", &number.biller),
        ("reference", &number.reference),
        ("bill", number.bill.as_deref().unwrap_or_default()),
    ]
}

impl Provides for Billers {
    fn has(&self, issuer: Issuer) -> bool {
        issuer == Issuer::Bill
    }

    fn circuits(&self) -> Vec<Circuit> {
        self.0.circuits()
    }

    fn billers(&self, within: Within, category: Option<String>) -> Provided<'_, Vec<Biller>> {
        Box::pin(async move {
            let category = category.unwrap_or_default();
            let parts = [("category", category.as_str())];
            let reply = self.ask(&within, "biller_category", &parts).await?;
            let biller = |item: &crate::client::Item<'_>| {
                Ok(Biller {
                    id: item.needed("id")?,
                    name: item.needed("name")?,
                    category: item.text("category"),
                    currency: item.currency()?,
                })
            };
            let all: Vec<Biller> =
                reply.list()?.iter().map(biller).collect::<Result<_, Failure>>()?;
            // A provider that does not choose gives all of them.
            let wanted = |biller: &Biller| category.is_empty() || biller.category == category;
            Ok(all.into_iter().filter(wanted).collect())
        })
    }

    fn packages(&self, within: Within, biller: String) -> Provided<'_, Vec<Package>> {
        Box::pin(async move {
            let parts = [("biller", biller.as_str())];
            let reply = self.ask(&within, "biller_package", &parts).await?;
            let package = |item: &crate::client::Item<'_>| {
                let (id, name) = (item.needed("id")?, item.needed("name")?);
                Ok(Package { id, name, price: item.money()? })
            };
            reply.list()?.iter().map(package).collect()
        })
    }

    fn bill_inquiry(&self, within: Within, bill: BillNumber) -> Provided<'_, Bill> {
        Box::pin(async move {
            let reply = self.ask(&within, "biller_fetch", &parts(&bill)).await?;
            let item = reply.item();
            let due = item.money()?.ok_or_else(|| failed(Failed::Malfunction, "schema"))?;
            let (due_date, holder) = (item.text("due_date"), item.text("holder"));
            Ok(Bill { number: bill, due, due_date, holder })
        })
    }

    fn bill_pay(&self, within: Within, payment: BillPayment) -> Provided<'_, BillReceipt> {
        Box::pin(async move { self.pay(&within, &payment).await })
    }
}
