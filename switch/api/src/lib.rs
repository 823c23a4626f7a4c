//! HTTP in: what others call. Redirects of customers, pushes of banks, webhooks of the provider of
//! identity checks, the calls by which programs link accounts and begin checks, and the questions
//! of a card platform, which become messages ([`Exchange`]).
//!
//! A handler translates a request into a [`Call`](veksel_core::enquiry::Call), waits for what is
//! [`Told`](veksel_core::enquiry::Told), and translates that back. It decides nothing, keeps
//! nothing but who is signed in, and opens no journal. What a call leads to is durable before it is
//! answered.
//!
//! | path | who calls | asked of them |
//! |---|---|---|
//! | `GET /api/payments/callback` | customers, sent by their bank | the state we gave the bank |
//! | `GET /approve/{link}` | customers, sent by their channel | the link id (`P2`) they saw |
//! | `POST /api/push/{bank}` | banks | nothing; it is a hint, and the bank is asked |
//! | `POST /v1/webhooks/sumsub` or `/didit`, `/api/kyc/webhook` | the provider | a signature |
//! | `/api/kyc/initiate`, `/api/kyc/status/{customer}` | programs | a token |
//! | `/api/accounts`, `/api/banks` | programs | a token |
//! | the same | people, for themselves | a session |
//! | `/api/kyc/checks/{customer}`, `/api/accounts/{account}/cards` | programs | a token |
//! | `/api/auth/…` | people who sign in | what their provider says |
//! | `/console` | the same | nothing; it asks the others |
//! | `/api/v1/integration/…` | callers | an API key or a token, and a permission |
//! | `POST /holds`, `PATCH /holds/{id}`, `POST /transactions` | a card platform | a signature |
//! | `POST /api/hay/v0/communications/{kind}` | the same | a token |
//! | `POST /api/hay/v0/oauth/token` | the same | an id and a secret |
//! | `GET /health`, `/api/health`, `/v1/health` | whoever watches | nothing |
//! | `GET /api/openapi.json`, `/api/docs` | who wants to know what there is | nothing |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accounts;
mod answer;
mod callback;
mod caller;
mod calls;
mod console;
mod digest;
mod door;
mod endpoints;
mod exchange;
mod extauth;
mod guard;
mod identity;
mod integration;
mod kyc;
mod openapi;
mod origin;
mod push;
mod rate;
mod serve;
mod session;
mod webhook;

pub use calls::{Asked, Engine};
pub use door::{Bank, Count, Doors, HEALTH_PATHS, Health, Seen, health, router};
pub use exchange::{CallerId, Exchange, Posted, Replied, Spoken};
pub use extauth::{
    Directory, Doubt, External, Fetching, KeySource, LIFE_MAX, Lives, Looking, Notice,
    NotifyClient, ShortSecret, Watcher, WrongDirectory, keys_in,
};
pub use identity::Identity;
pub use integration::{Caller, Handed, Integration, TokenError, Tokens};
pub use serve::{Bounds, Secure, Shaken, serve};
pub use webhook::{Signed, Unwelcome, Webhooks};
