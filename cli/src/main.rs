//! `veksel`: the switch, the bank to test it with, and the tools, in one binary.
//!
//! Arguments become calls; every decision about messages, money and links is made in the other
//! crates. The process ends here and only here.

#![forbid(unsafe_code)]

mod accounts;
mod answer;
mod arguments;
mod breakers;
mod certs;
mod check;
mod decode;
mod demo;
mod dialect;
mod doctor;
mod hex;
mod journal;
mod link;
mod manual;
mod masking;
mod money;
mod operator;
mod output;
mod payments;
mod proxy;
mod reload;
mod report;
mod request;
mod reversals;
mod run;
mod send;
mod signals;
mod simulate;
mod status;
mod wire;
mod words;

use arguments::{Arguments, Command};
use clap::Parser;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::of_process(arguments.command.json());
    let result = match &arguments.command {
        Command::Demo(demo) => demo::demo(demo, output),
        Command::Run(run) => run::run(run, output),
        Command::Reload(reload) => reload::reload(reload, output),
        Command::Status(status) => status::status(status, output),
        Command::Simulate(simulate) => simulate::simulate(simulate, output),
        Command::Proxy(proxy) => proxy::proxy(proxy, output),
        Command::Check(check) => check::check(check, output),
        Command::Certs(certs) => certs::certs(certs, output),
        Command::Doctor(arguments) => doctor::doctor(arguments, output),
        Command::Send(send) => send::send(send, output),
        Command::Decode(decode) => decode::decode(decode, output),
        Command::Dialect(dialect) => dialect::dialect(dialect, output),
        Command::Report(arguments) => report::report(arguments, output),
        Command::Journal(journal) => journal::journal(journal, output),
        Command::Reversals(reversals) => reversals::reversals(reversals, output),
        Command::Breakers(breakers) => breakers::breakers(breakers, output),
        Command::Accounts(accounts) => accounts::accounts(accounts, output),
        Command::Customers(customers) => accounts::customers(customers, output),
        Command::Payments(payments) => payments::payments(payments, output),
        Command::Completions(completions) => manual::completions(completions),
        Command::Man(man) => manual::man(man, output),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.fail(&failure);
            failure.exit().into()
        }
    }
}
