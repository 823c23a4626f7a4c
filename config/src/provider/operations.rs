//! What providers of each kind are asked, with everything about it that a configuration may say
//! otherwise. The defaults are those of our sandboxes: no seed and no standard gives a form.

/// Something a provider can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in `uri_map`, `bodies`, `answers` and `simulated`, and in the audit trail.
    pub key: &'static str,
    /// Method and path.
    pub uri: &'static str,
    /// The parts that may stand in braces in path and body.
    pub parts: &'static [&'static str],
    /// The body, JSON; empty for none. `"{part}"` is a text, `"{=part}"` a whole number.
    pub body: &'static str,
    /// What is looked for in an answer, and the JSON pointer to it. What is an element of a list
    /// is looked for from `list` on.
    pub answers: &'static [(&'static str, &'static str)],
    /// The body of an answer if nothing is sent; its status is 200.
    pub simulated: &'static str,
}

/// Billers.
pub const BILL: &[Operation] = &[
    Operation {
        key: "biller_category",
        uri: "GET /billers?category={category}",
        parts: &["category"],
        body: "",
        answers: &[
            ("list", "/billers"),
            ("id", "/id"),
            ("name", "/name"),
            ("category", "/category"),
            ("currency", "/currency"),
            ("error", "/error/code"),
        ],
        simulated: r#"{"billers": [
            {"id": "B0001", "name": "Lysnett Strom AS", "category": "electricity",
             "currency": "NOK"},
            {"id": "B0003", "name": "Telenord Mobil AS", "category": "telecom",
             "currency": "NOK"}]}"#,
    },
    Operation {
        key: "biller_package",
        uri: "GET /billers/{biller}/packages",
        parts: &["biller"],
        body: "",
        answers: &[
            ("list", "/packages"),
            ("id", "/id"),
            ("name", "/name"),
            ("amount", "/amount"),
            ("currency", "/currency"),
            ("error", "/error/code"),
        ],
        simulated: r#"{"packages": [
            {"id": "{biller}-S", "name": "Small", "amount": "99.00", "currency": "NOK"},
            {"id": "{biller}-F", "name": "Free amount", "currency": "NOK"}]}"#,
    },
    Operation {
        key: "biller_fetch",
        uri: "GET /billers/{biller}/bills/{reference}?bill={bill}",
        parts: &["biller", "reference", "bill"],
        body: "",
        answers: &[
            ("amount", "/amount"),
            ("currency", "/currency"),
            ("due_date", "/dueDate"),
            ("holder", "/holder"),
            ("error", "/error/code"),
        ],
        simulated: r#"{"biller": "{biller}", "reference": "{reference}", "amount": "412.50",
            "currency": "NOK", "dueDate": "2026-12-01"}"#,
    },
    Operation {
        key: "bill_payment",
        uri: "POST /payments",
        parts: &["biller", "reference", "bill", "amount", "minor", "currency", "key"],
        body: r#"{"biller": "{biller}", "reference": "{reference}", "bill": "{bill}",
            "amount": "{amount}", "currency": "{currency}"}"#,
        answers: &[("receipt", "/receipt"), ("status", "/status"), ("error", "/error/code")],
        simulated: r#"{"receipt": "SIM-{key}", "status": "paid"}"#,
    },
];

/// Text messages.
pub const SMS: &[Operation] = &[Operation {
    key: "sms_send",
    uri: "POST /messages",
    parts: &["to", "sender", "text", "key"],
    body: r#"{"to": "{to}", "from": "{sender}", "text": "{text}", "reference": "{key}"}"#,
    answers: &[("id", "/id"), ("error", "/error/code")],
    simulated: r#"{"id": "SIM-{key}"}"#,
}];

/// A core banking system with an API over HTTP. The switch asks its hosts by ISO 8583 and none of
/// these; they are for programs that add such a system as a provider.
pub const CBS: &[Operation] = &[
    CBS_SEARCH,
    Operation { key: "account_search", uri: "POST /account/search", ..CBS_SEARCH },
    Operation { key: "account_details", uri: "POST /account/details", ..CBS_SEARCH },
    Operation { key: "mini_statement", uri: "POST /statement/search", ..CBS_SEARCH },
    Operation {
        key: "account_balance",
        uri: "POST /account/balance",
        answers: &[
            ("ledger", "/ledger"),
            ("available", "/available"),
            ("currency", "/currency"),
            ("error", "/error/code"),
        ],
        simulated: r#"{"account": "{account}", "ledger": "45230.00", "available": "45230.00",
            "currency": "NOK"}"#,
        ..CBS_SEARCH
    },
    Operation { key: "mno_validate", uri: "POST /mno/validate", ..CBS_SEARCH },
    Operation { key: "bank_dictionary", uri: "POST /dictionary/bank", ..CBS_SEARCH },
    Operation { key: "interbank_account_name", uri: "POST /interbank/account-name", ..CBS_SEARCH },
];

const CBS_SEARCH: Operation = Operation {
    key: "customer_search",
    uri: "POST /customer/search",
    parts: &["query", "account", "customer", "msisdn", "bank"],
    body: r#"{"query": "{query}", "account": "{account}", "customer": "{customer}",
        "msisdn": "{msisdn}", "bank": "{bank}"}"#,
    answers: &[("list", "/items"), ("error", "/error/code")],
    simulated: r#"{"items": []}"#,
};
