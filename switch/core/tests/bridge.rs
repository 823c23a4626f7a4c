//! The bridge: payments, balances, links and identity checks, told to the engine by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::allow_attributes_without_reason, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "everything here is private to this test")]

#[path = "bridge/accounts.rs"]
mod accounts;
#[path = "bridge/again.rs"]
mod again;
#[path = "bridge/bills.rs"]
mod bills;
#[path = "bridge/cards.rs"]
mod cards;
#[path = "bridge/checks.rs"]
mod checks;
#[path = "bridge/claims.rs"]
mod claims;
#[path = "bridge/codes.rs"]
mod codes;
#[path = "bridge/confirming.rs"]
mod confirming;
#[path = "bridge/funds.rs"]
mod funds;
#[path = "bridge/inquiries.rs"]
mod inquiries;
#[path = "bridge/lag.rs"]
mod lag;
#[path = "bridge/payments.rs"]
mod payments;
#[path = "bridge/told.rs"]
mod told;
#[path = "bridge/world.rs"]
mod world;
