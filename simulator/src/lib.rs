//! The world outside the switch: a bank with a ledger, its seed tables and its database.
//!
//! [`ledger`] and [`money`] are pure; [`book`] is the only part here that touches a disk, besides
//! a seed directory the user names. Nothing in this crate sees the switch's store.

#![forbid(unsafe_code)]

pub mod book;
pub mod directory;
pub mod ledger;
pub mod money;
pub mod seeds;
