//! HTTP in: what others call. Redirects of customers, pushes of banks, webhooks of the provider of
//! identity checks, and the calls by which programs link accounts and begin checks.
//!
//! A handler translates a request into a [`Call`](veksel_core::enquiry::Call), waits for what is
//! [`Told`](veksel_core::enquiry::Told), and translates that back. It decides nothing, keeps
//! nothing and reads no journal. What a call leads to is durable before it is answered.
//!
//! | path | who calls | asked of them |
//! |---|---|---|
//! | `GET /api/payments/callback` | customers, sent by their bank | the state we gave the bank |
//! | `GET /approve/{link}` | customers, sent by their channel | the link id (`P2`) they saw |
//! | `POST /api/push/{bank}` | banks | nothing; it is a hint, and the bank is asked |
//! | `POST /v1/webhooks/sumsub` or `/didit`, `/api/kyc/webhook` | the provider | a signature |
//! | `/api/kyc/initiate`, `/api/kyc/status/{customer}`, `/api/accounts` | programs | a token |
//! | `GET /health`, `/api/health`, `/v1/health` | whoever watches | nothing |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accounts;
mod answer;
mod callback;
mod calls;
mod door;
mod exchange;
mod guard;
mod kyc;
mod push;
mod serve;
mod webhook;

pub use calls::{Asked, Engine};
pub use door::{Count, Doors, router};
pub use exchange::{CallerId, Exchange, Posted, Replied, Spoken};
pub use serve::{Bounds, serve};
pub use webhook::{Signed, Unwelcome, Webhooks};
