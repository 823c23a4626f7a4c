//! The world outside the switch: a bank with a ledger, its seed tables and its database.
//!
//! [`ledger`], [`money`] and [`issuer`] are pure; [`book`] is the only part here that touches a
//! disk, besides a seed directory the user names; [`bank`] puts them behind a socket. [`proxy`] is
//! a bad network to put in between. Nothing in this crate sees the switch's store.

#![forbid(unsafe_code)]

pub mod bank;
pub mod book;
pub mod directory;
pub mod issuer;
pub mod ledger;
pub mod magic;
pub mod money;
pub mod proxy;
pub mod report;
pub mod sandbox;
pub mod seeds;
pub mod terminals;
