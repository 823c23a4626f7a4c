//! The binary from outside: arguments and input go in, text and an exit code come out.

#![expect(clippy::unwrap_used, reason = "that is how tests fail")]

#[cfg(unix)]
mod alerts;
mod config;
mod decode;
mod dialect;
mod long;
mod mistaken;
mod operator;
mod outside;
mod ran;
mod send;
#[path = "../stage/stage.rs"]
mod stage;
