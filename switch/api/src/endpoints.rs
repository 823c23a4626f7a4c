//! Every endpoint, with what is said of it. What is served and what the document describes are
//! both made from this list.

use crate::door::{HEALTH_PATHS, healthy};
use crate::integration::{account, payment, provider, search};
use crate::openapi::{Endpoint, Method, Ways, document_of, page, script, style};
use crate::{accounts, callback, console, extauth, identity, kyc, push, webhook};
use Method::{Delete, Get, Patch, Post};
use serde_json::{Value, json};
use veksel_config::ExtAuthConfig;

/// Which of the endpoints there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'w> {
    /// Where the provider of identity checks posts its webhooks.
    pub(crate) webhooks: &'static [&'static str],
    /// People sign in.
    pub(crate) identity: bool,
    /// There are callers.
    pub(crate) integration: bool,
    /// How a card platform proves who it is, if there is one.
    pub(crate) platform: Option<&'w ExtAuthConfig>,
    /// It fetches tokens for what it tells of.
    pub(crate) platform_tokens: bool,
    /// Programs must know the token of `[http]`.
    pub(crate) token: bool,
}

/// In the order in which people read of them.
pub(crate) fn all(wanted: Wanted<'_>) -> Vec<Endpoint> {
    let mut all = Vec::new();
    if wanted.integration {
        all.extend(inquiries());
        all.extend(payments());
        all.extend(providers());
    }
    let ways = Ways { token: wanted.token, session: wanted.identity };
    all.extend(linked_accounts(ways));
    all.extend(customers(ways));
    if wanted.identity {
        all.extend(people());
        all.extend(console::endpoints());
    }
    all.extend(from_elsewhere());
    all.extend(wanted.webhooks.iter().map(|path| webhook_at(path)));
    if let Some(config) = wanted.platform {
        all.extend(platform(config));
    }
    if wanted.platform_tokens {
        all.push(platform_token());
    }
    all.extend(about_itself());
    all
}

macro_rules! path {
    ($rest:literal) => {
        concat!("/api/v1/integration/", $rest)
    };
}

fn inquiries() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Post, path!("account/balance"), account::balance)
            .about("integration", "What an account holds")
            .more("0200, DE3 31. Over TCP it is the same.")
            .permitted("account_balance")
            .takes::<account::BalanceRequest>()
            .gives::<account::BalanceAnswer>("200", "What it holds."),
        Endpoint::new(Post, path!("statement/search"), account::statement)
            .about("integration", "Entries of an account, the newest first")
            .more("0200, DE3 38; with `from` or `to` 35.")
            .permitted("mini_statement")
            .takes::<account::StatementRequest>()
            .gives::<account::StatementAnswer>("200", "Its entries."),
        Endpoint::new(Post, path!("account/details"), account::details)
            .about("integration", "What the bank says of an account")
            .more("0200, DE3 94.")
            .permitted("account_details")
            .takes::<account::DetailsRequest>()
            .gives::<account::DetailsAnswer>("200", "What it says."),
        Endpoint::new(Post, path!("account/search"), search::accounts)
            .about("integration", "Accounts of a customer, or the one with a number or IBAN")
            .more("0200, DE3 93. Nothing found is 404.")
            .permitted("account_search")
            .takes::<search::AccountRequest>()
            .gives::<search::AccountAnswer>("200", "Those that fit."),
        Endpoint::new(Post, path!("customer/search"), search::customers)
            .about("integration", "Customers by name, phone or number")
            .more("0200, DE3 92. Nothing found is 404.")
            .permitted("customer_search")
            .takes::<search::CustomerRequest>()
            .gives::<search::CustomerAnswer>("200", "Those that fit."),
        Endpoint::new(Post, path!("mno/validate"), search::operator)
            .about("integration", "The operator of a phone number")
            .more("0200, DE3 95.")
            .permitted("mno_validate")
            .takes::<search::OperatorRequest>()
            .gives::<search::OperatorAnswer>("200", "Its operator."),
        Endpoint::new(Post, path!("dictionary/bank"), search::banks)
            .about("integration", "Banks that money can be sent to")
            .more("0200, DE3 96.")
            .permitted("bank_dictionary")
            .takes::<search::BankRequest>()
            .gives::<search::BankAnswer>("200", "A page of them."),
        Endpoint::new(Post, path!("interbank/account-name"), search::beneficiary)
            .about("integration", "Whose account it is at another bank")
            .more("0200, DE3 97.")
            .permitted("interbank_account_name")
            .takes::<search::BeneficiaryRequest>()
            .gives::<search::BeneficiaryAnswer>("200", "Whose it is."),
    ]
}

fn payments() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Post, path!("payments"), payment::create)
            .about("integration", "Pay: a transfer or a bill")
            .more(
                "0200, DE3 40 or 50. The same key with the same payment is answered again and \
                 never paid twice, for as long as the journal is kept; with another payment it \
                 is 409. If nobody waits for the answer any more, an approval is taken back.",
            )
            .permitted("payment_create")
            .parameter("header", "Idempotency-Key", true, key())
            .takes::<payment::PaymentRequest>()
            .gives::<payment::PaymentAnswer>("200", "It is paid.")
            .gives::<payment::PaymentAnswer>("202", "It is under way, or is to be approved."),
        Endpoint::new(Get, path!("transactions/{id}"), payment::show)
            .about("integration", "How a payment of this caller ended")
            .more(
                "0600. A payment that is taken back is `reversing` until its bank has confirmed \
                 it, and then `reversed`. `unknown` says that nobody knows: its reversal waits for \
                 a person (`parked`), was ended by one (`resolved`), or there is none.",
            )
            .permitted("transaction_view")
            .gives::<payment::PaymentAnswer>("200", "How it stands."),
    ]
}

fn providers() -> Vec<Endpoint> {
    vec![
        Endpoint::new(Post, path!("biller/category"), provider::category)
            .about("integration", "Who can be paid")
            .permitted("biller_category")
            .takes::<provider::CategoryRequest>()
            .gives::<provider::CategoryAnswer>("200", "Billers and their categories."),
        Endpoint::new(Post, path!("biller/fetch"), provider::bill)
            .about("integration", "What is due on a bill")
            .permitted("biller_fetch")
            .takes::<provider::BillRequest>()
            .gives::<provider::BillAnswer>("200", "What is due."),
        Endpoint::new(Post, path!("biller/package"), provider::packages)
            .about("integration", "What a biller sells")
            .permitted("biller_package")
            .takes::<provider::PackageRequest>()
            .gives::<provider::PackageAnswer>("200", "What it sells."),
        Endpoint::new(Post, path!("sms/send"), provider::sms)
            .about("integration", "Send a text message")
            .permitted("send_sms")
            .parameter("header", "Idempotency-Key", false, key())
            .takes::<provider::SmsRequest>()
            .gives::<provider::SentAnswer>("202", "Somebody took it to deliver it."),
        Endpoint::new(Post, path!("email/send"), provider::email)
            .about("integration", "Send a letter")
            .permitted("send_email")
            .parameter("header", "Idempotency-Key", false, key())
            .takes::<provider::EmailRequest>()
            .gives::<provider::SentAnswer>("202", "Somebody took it to deliver it."),
    ]
}

fn linked_accounts(ways: Ways) -> Vec<Endpoint> {
    let request = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["account", "bank", "iban", "currency", "customer"],
        "properties": {
            "account": text("DE102 of requests about it.", 28),
            "bank": text("One of `[[aspsp]]`.", 64),
            "iban": text("The account at its bank.", 42),
            "currency": {
                "description": "The three digits of ISO 4217.",
                "oneOf": [
                    { "type": "string", "pattern": "^[0-9]{3}$" },
                    { "type": "integer", "minimum": 1, "maximum": 999 },
                ],
            },
            "customer": text("Whose it is.", 128),
        },
    });
    let card = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["card"],
        "properties": {
            "card": {
                "type": "string",
                "pattern": "^[0-9]{12,19}$",
                "description": "Its number; a keyed hash of it is kept.",
            },
            "customer": text("Whose the account must be; needed unless the card ends.", 128),
            "remove": { "type": "boolean", "description": "Whether it no longer does." },
        },
    });
    vec![
        Endpoint::new(Post, "/api/accounts", accounts::link)
            .about("accounts", "Link an account to a bank")
            .guarded(ways)
            .takes_json(request)
            .gives_json("200", "How it stands.", account()),
        Endpoint::new(Get, "/api/accounts", accounts::list)
            .about("accounts", "Linked accounts of a customer")
            .more("Up to 50 in the order of their names; `next` is `after` of those that follow.")
            .guarded(ways)
            .parameter("query", "customer", false, text("Whose; a person leaves it out.", 128))
            .parameter("query", "after", false, text("Only those after this one.", 28))
            .gives_json("200", "How they stand, and what they had when last seen.", accounts()),
        Endpoint::new(Get, "/api/banks", accounts::banks)
            .about("accounts", "Banks where accounts may be linked")
            .guarded(ways)
            .gives_json("200", "Their names.", banks()),
        Endpoint::new(Get, "/api/accounts/{account}", accounts::show)
            .about("accounts", "How a linked account stands")
            .guarded(ways)
            .gives_json("200", "How it stands.", account()),
        Endpoint::new(Delete, "/api/accounts/{account}", accounts::unlink)
            .about("accounts", "Give up a link")
            .guarded(ways)
            .gives_json("200", "It is given up.", either(&[account(), noted()])),
        Endpoint::new(Post, "/api/accounts/{account}/cards", accounts::card)
            .about("accounts", "Let a card stand for a linked account, or no longer")
            .guarded(ways)
            .takes_json(card)
            .gives_json("200", "It is noted.", noted()),
    ]
}

fn customers(ways: Ways) -> Vec<Endpoint> {
    let request = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["customer"],
        "properties": {
            "customer": text("Whom.", 128),
            "email": maybe("Where the provider may write.", 254),
            "phone": maybe("Where it may call.", 254),
            "level": maybe("Which checks; the configured ones without.", 254),
        },
    });
    let mut by_query = Endpoint::new(Get, "/api/kyc/initiate", kyc::initiate_by_query)
        .about("identity", "The same, for those who were told to get it")
        .guarded(ways)
        .parameter("query", "customer", true, text("Whom.", 128));
    for name in ["email", "phone", "level"] {
        by_query = by_query.parameter("query", name, false, text("As above.", 254));
    }
    vec![
        Endpoint::new(Post, "/api/kyc/initiate", kyc::initiate)
            .about("identity", "Begin a check of a customer")
            .guarded(ways)
            .takes_json(request)
            .gives_json("200", "How it stands, and a token for the provider's pages.", customer()),
        by_query.gives_json("200", "The same.", customer()),
        Endpoint::new(Get, "/api/kyc/status/{customer}", kyc::status)
            .about("identity", "How a customer's check stands")
            .guarded(ways)
            .gives_json("200", "How it stands.", customer()),
        Endpoint::new(Get, "/api/kyc/checks/{customer}", kyc::checks)
            .about("identity", "Each check behind a customer's verification, as it is now")
            .guarded(ways)
            .gives_json("200", "What each found.", checks()),
    ]
}

fn people() -> Vec<Endpoint> {
    let person = json!({
        "type": "object",
        "required": [
            "customer", "name", "givenName", "familyName", "acr", "amr", "signedInAt", "expiresAt",
            "csrfToken",
        ],
        "properties": {
            "customer": { "type": "string" },
            "name": { "type": "string" },
            "givenName": { "type": "string" },
            "familyName": { "type": "string" },
            "acr": { "type": ["string", "null"] },
            "amr": { "type": ["array", "string", "null"] },
            "signedInAt": { "type": "string" },
            "expiresAt": { "type": "string" },
            "csrfToken": { "type": "string" },
        },
    });
    let word = || json!({ "type": "string" });
    let mut returned = Endpoint::new(Get, "/api/auth/bankid/callback", identity::returned)
        .about("people", "Where people come back from the provider of identities")
        .leads("To where the person was before.");
    for name in ["state", "code", "error", "iss"] {
        returned = returned.parameter("query", name, false, word());
    }
    vec![
        Endpoint::new(Get, "/api/auth/bankid", identity::initiate)
            .about("people", "Sign in")
            .parameter("query", "return_to", false, word())
            .parameter("query", "person", false, word())
            .leads("To the page of the provider of identities."),
        returned,
        Endpoint::new(Get, "/api/auth/me", identity::me)
            .about("people", "Who is signed in")
            .secured(json!([{ "session": [] }]))
            .gives_json("200", "This person.", person),
        Endpoint::new(Post, "/api/auth/logout", identity::logout)
            .about("people", "Sign out")
            .secured(json!([{ "session": [] }]))
            .more("`x-csrf-token` must be what `/api/auth/me` says.")
            .parameter("header", "x-csrf-token", false, word())
            .gives_json("200", "Nobody is signed in any more.", noted()),
    ]
}

fn from_elsewhere() -> Vec<Endpoint> {
    let pushed = json!({
        "type": "object",
        "properties": {
            "paymentId": maybe("A payment that may stand otherwise now.", 128),
            "consentId": maybe("A consent that may.", 128),
        },
    });
    vec![
        Endpoint::new(Get, "/api/payments/callback", callback::returned)
            .about("customers", "Where customers come back from their bank")
            .parameter(
                "query",
                "s",
                true,
                json!({ "type": "string", "pattern": "^[0-9a-fA-F]{32}$" }),
            )
            .leads("To the console, if whoever is signed in there has linked the account.")
            .gives_text(&["200", "400", "500", "503"], "text/html", "A page for the customer."),
        Endpoint::new(Get, "/approve/{link}", callback::approve)
            .about("customers", "Where customers approve a payment")
            .gives_text(&["303"], "text/html", "The bank's page is at `Location`.")
            .gives_text(&["200", "404", "500", "503"], "text/html", "A page for the customer."),
        Endpoint::new(Post, "/api/push/{bank}", push::pushed)
            .about("banks", "A hint of a bank, which is asked then")
            .takes_json(pushed)
            .gives_json("200", "It was heard.", noted()),
    ]
}

fn webhook_at(path: &'static str) -> Endpoint {
    let mut endpoint = Endpoint::new(Post, path, webhook::received)
        .about("banks", "What the provider of identity checks has to say")
        .more("The digest or signature is that of the body as it came; one provider checks.");
    let signs = [
        ("x-payload-digest", "Sumsub."),
        ("x-payload-digest-alg", "Sumsub: how the digest was made."),
        ("x-signature-v2", "Didit: of the members in their order."),
        ("x-signature", "Didit: of the body as it came."),
        ("x-timestamp", "Didit: seconds since 1970."),
    ];
    for (name, about) in signs {
        let schema = json!({ "type": "string", "description": about });
        endpoint = endpoint.parameter("header", name, false, schema);
    }
    endpoint.takes_json(json!({ "type": "object" })).gives_json("200", "It was heard.", noted())
}

fn platform(config: &ExtAuthConfig) -> Vec<Endpoint> {
    let amount = json!({
        "type": "object",
        "required": ["amount", "currency"],
        "properties": {
            "amount": {
                "type": "string",
                "pattern": "^[+-]?[0-9]+([.][0-9]+)?$",
                "description": "With a minus for money that goes out.",
            },
            "currency": {
                "type": "string",
                "pattern": "^[A-Z]{3}$",
                "description": "Three letters of ISO 4217.",
            },
        },
    });
    let word = |kinds: Value, description: &str| json!({ "type": kinds, "pattern": "^[!-~]{1,64}$", "description": description });
    let (one, perhaps) = (json!("string"), json!(["string", "null"]));
    let id = word(one.clone(), "The platform's own.");
    let account = word(one, "DE102, or what means it.");
    let hold = json!({
        "type": "object",
        "required": ["id", "accountId", "amount"],
        "properties": {
            "id": id, "accountId": account, "cardId": word(perhaps, "DE2, or what means it."),
            "amount": amount,
        },
    });
    let change = json!({
        "type": "object", "required": ["amount"], "properties": { "amount": amount },
    });
    let transaction = json!({
        "type": "object",
        "required": ["id", "accountId", "amount"],
        "properties": { "id": id, "accountId": account, "amount": amount },
    });
    let asked = |endpoint: Endpoint| {
        let refusal = json!({
            "type": "object",
            "required": ["errorCode", "reason"],
            "properties": {
                "errorCode": { "type": "string" }, "reason": { "type": "string" },
            },
        });
        signed(endpoint, config)
            .more(
                "Signed by the platform. What cannot be decided in time is 500: nothing stays of \
                 it but the end of a hold, and the same request again settles that.",
            )
            .gives_json("200", "It is done.", json!({ "type": "object" }))
            .gives_json("470", "The bank refuses.", refusal)
    };
    let holds = ["/holds", "/hold"].into_iter().map(|path| {
        let endpoint = Endpoint::new(Post, path, extauth::hold);
        asked(endpoint.about("platform", "Hold an amount").takes_json(hold.clone()))
    });
    let mut all: Vec<Endpoint> = holds.collect();
    all.push(asked(
        Endpoint::new(Patch, "/holds/{id}", extauth::change)
            .about("platform", "Hold another amount")
            .takes_json(change),
    ));
    all.push(asked(
        Endpoint::new(Post, "/transactions", extauth::transaction)
            .about("platform", "Move money, or complete the hold of this id")
            .takes_json(transaction),
    ));
    all.push(
        Endpoint::new(Post, "/api/hay/v0/communications/{kind}", extauth::received)
            .about("platform", "What the platform tells of")
            .one_of("kind", &extauth::KINDS)
            .secured(json!([{ "events": [] }]))
            .takes_json(json!({ "type": "object" }))
            .gives_json("200", "It was heard.", json!({ "type": "object" })),
    );
    all
}

/// What a request of the platform bears, by the names that are configured.
fn signed(endpoint: Endpoint, config: &ExtAuthConfig) -> Endpoint {
    let (names, base) = (&config.headers, config.base);
    let text = |about: &str| json!({ "type": "string", "description": about });
    let is_timed = base.has_time() || config.skew_ms_max > 0;
    let idempotency = "The same for each attempt of one request, and of no other.";
    let (signature, key) = ("The signature, in base64.", "Which published key made it (`kid`).");
    endpoint
        .parameter("header", &names.key, true, text(key))
        .parameter("header", &names.idempotency, base.has_key(), text(idempotency))
        .parameter("header", &names.timestamp, is_timed, text("Milliseconds since 1970."))
        .parameter("header", &names.signature, true, text(signature))
        .secured(json!([{ "platform": [] }]))
}

fn platform_token() -> Endpoint {
    let word = |what: &str| json!({ "type": "string", "description": what });
    let request = json!({
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": { "type": "string", "const": "client_credentials" },
            "client_id": word("Unless it is in the header."),
            "client_secret": word("Unless it is in the header."),
        },
    });
    let given = json!({
        "type": "object",
        "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": word("To be brought with what the platform tells of."),
            "token_type": { "type": "string", "const": "Bearer" },
            "expires_in": { "type": "integer", "description": "Seconds that it is good for." },
        },
    });
    let refused = |errors: &[&str]| {
        json!({
            "type": "object",
            "required": ["error", "error_description"],
            "properties": {
                "error": { "type": "string", "enum": errors },
                "error_description": { "type": "string" },
            },
        })
    };
    let wrong = ["invalid_request", "unsupported_grant_type", "invalid_scope"];
    Endpoint::new(Post, "/api/hay/v0/oauth/token", extauth::token)
        .about("platform", "A token for what the platform tells of")
        .more(
            "OAuth 2, client credentials (RFC 6749 4.4): a form, and the client's id and secret \
             by HTTP Basic or in the form. Refusals have the form of OAuth.",
        )
        .secured(json!([{ "client": [] }, {}]))
        .takes_form(request)
        .gives_json("200", "A token that ends by itself.", given)
        .gives_json("400", "The request is not what it must be.", refused(&wrong))
        .gives_json("401", "The client is not known.", refused(&["invalid_client"]))
}

fn about_itself() -> Vec<Endpoint> {
    let unwell = json!({
        "type": "object",
        "required": ["status", "reason"],
        "properties": {
            "status": { "type": "string", "const": "unavailable" },
            "reason": { "type": "string" },
        },
    });
    let health = |path| {
        Endpoint::new(Get, path, healthy)
            .about("itself", "Whether the switch listens and records")
            .gives_json("200", "It does.", noted())
            .gives_json("503", "It does not, and why.", unwell.clone())
    };
    let mut all: Vec<Endpoint> = HEALTH_PATHS.into_iter().map(health).collect();
    all.extend([
        Endpoint::new(Get, "/api/openapi.json", document_of)
            .about("itself", "This description")
            .gives_json("200", "It.", json!({ "type": "object" })),
        Endpoint::new(Get, "/api/docs", page)
            .about("itself", "This description for people")
            .gives_text(&["200"], "text/html", "A page that loads nothing from elsewhere."),
        Endpoint::new(Get, "/api/docs/page.js", script)
            .about("itself", "Part of that page")
            .gives_text(&["200"], "text/javascript", "A module."),
        Endpoint::new(Get, "/api/docs/page.css", style)
            .about("itself", "Part of that page")
            .gives_text(&["200"], "text/css", "A style sheet."),
    ]);
    all
}

fn key() -> Value {
    json!({ "type": "string", "pattern": "^[!-~]{1,255}$" })
}

/// One line that is not only spaces.
const LINE: &str =
    "^[^\\x00-\\x1F\\x7F-\\x9F]*[^\\s\\x00-\\x1F\\x7F-\\x9F][^\\x00-\\x1F\\x7F-\\x9F]*$";

fn text(description: &str, most: usize) -> Value {
    json!({ "type": "string", "pattern": LINE, "maxLength": most, "description": description })
}

fn maybe(description: &str, most: usize) -> Value {
    json!({
        "type": ["string", "null"],
        "pattern": LINE,
        "maxLength": most,
        "description": description,
    })
}

fn either(schemas: &[Value]) -> Value {
    json!({ "anyOf": schemas })
}

fn noted() -> Value {
    json!({
        "type": "object",
        "required": ["status"],
        "properties": { "status": { "type": "string", "const": "ok" } },
    })
}

fn account() -> Value {
    let known = json!({ "type": "string" });
    let perhaps = json!({ "type": ["string", "null"] });
    json!({
        "type": "object",
        "required": ["account", "bank", "iban", "currency", "customer", "status", "isOver"],
        "properties": {
            "account": known, "bank": known, "iban": known, "currency": known,
            "customer": known, "status": known, "until": perhaps, "approve": perhaps,
            "isOver": { "type": "boolean" },
        },
    })
}

fn accounts() -> Value {
    let amount = json!({ "type": "integer", "description": "In minor units." });
    let mut listed = account();
    listed["properties"]["balance"] = json!({
        "type": ["object", "null"],
        "required": ["ledgerMinor", "availableMinor", "currency", "seenAt"],
        "properties": {
            "ledgerMinor": amount, "availableMinor": amount,
            "currency": { "type": "string" }, "seenAt": { "type": "string" },
        },
    });
    json!({
        "type": "object",
        "required": ["accounts", "next"],
        "properties": {
            "accounts": { "type": "array", "items": listed },
            "next": { "type": ["string", "null"] },
        },
    })
}

fn banks() -> Value {
    let bank = json!({
        "type": "object",
        "required": ["name"],
        "properties": { "name": { "type": "string" } },
    });
    json!({
        "type": "object",
        "required": ["banks"],
        "properties": { "banks": { "type": "array", "items": bank } },
    })
}

fn checks() -> Value {
    let found = json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["customer", "applicantId", "document", "liveness", "faceMatch", "sanctions",
            "pep"],
        "properties": {
            "customer": found, "applicantId": found, "document": found, "liveness": found,
            "faceMatch": found, "sanctions": found, "pep": found,
        },
    })
}

fn customer() -> Value {
    let known = json!({ "type": "string" });
    let perhaps = json!({ "type": ["string", "null"] });
    json!({
        "type": "object",
        "required": ["customer", "status", "level"],
        "properties": {
            "customer": known, "applicantId": perhaps, "status": known, "level": known,
            "reviewedAt": perhaps, "documentUntil": perhaps, "token": known,
        },
    })
}
