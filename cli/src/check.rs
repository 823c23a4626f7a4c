//! `veksel check`: a configuration read as it would be at the start, and nothing started.

use crate::arguments::{Check, ConfigKind};
use crate::link::{codec, dialects};
use crate::output::{Exit, Failure, Output};
use serde_json::{Value, json};
use std::path::Path;
use veksel_config::{
    Destination, DialTls, DialectName, ListenTls, MacConfig, Problem, Problems, Settings,
    SocketConfig, Source, load_simulator, load_switch,
};
use veksel_link::{Macs, check_dial, check_listen};

/// Loads the configuration and prints what is wrong with it.
///
/// # Errors
/// When the result cannot be printed.
pub(crate) fn check(arguments: &Check, output: Output) -> Result<Exit, Failure> {
    let kind = kind(arguments.kind, &arguments.config);
    let loaded = source(&arguments.config, &arguments.set).and_then(|source| match kind {
        ConfigKind::Switch => load_switch(source).map(|config| {
            let links = config.sockets.iter().map(|socket| (socket.dialect(), socket.mac()));
            let mut unusable = unusable(links);
            unusable.extend(config.sockets.iter().filter_map(|socket| match socket {
                SocketConfig::Listen(listen) => certificates(listen.tls.as_ref()),
                SocketConfig::Dial(dial) => host(dial.tls.as_ref(), &dial.destination),
                SocketConfig::Port(_) => None,
            }));
            let http = config.bridge.http.as_ref().and_then(|http| http.tls.as_ref());
            unusable.extend(certificates(http));
            unusable.dedup();
            (unusable, config.settings, config.warnings)
        }),
        ConfigKind::Simulator => load_simulator(source).map(|config| {
            let terminals = config.terminals.iter().map(|t| (&t.dialect, t.mac.as_ref()));
            let bank = (&config.bank.dialect, config.bank.mac.as_ref());
            let mut unusable = unusable(terminals.chain([bank]));
            unusable.extend(certificates(config.bank.tls.as_ref()));
            let terminals = config.terminals.iter();
            unusable.extend(terminals.filter_map(|own| host(own.tls.as_ref(), &own.connect)));
            (unusable, config.settings, config.warnings)
        }),
    });
    let (settings, problems, exit) = match loaded {
        Ok((unusable, settings, warnings)) if unusable.is_empty() => {
            (Some(settings), warnings, Exit::Yes)
        }
        Ok((unusable, _, mut problems)) => {
            problems.0.extend(unusable);
            (None, problems, Exit::Configuration)
        }
        Err(problems) => (None, problems, Exit::Configuration),
    };
    let word = match kind {
        ConfigKind::Switch => "switch",
        ConfigKind::Simulator => "simulator",
    };
    if output.json {
        let settings = settings.filter(|_| arguments.resolved).as_ref().map(settings_json);
        output.print_json(&json!({
            "file": arguments.config.display().to_string(),
            "kind": word,
            "valid": exit == Exit::Yes,
            "errors": problems.errors(),
            "warnings": problems.warnings(),
            "problems": problems,
            "settings": settings,
        }))?;
        return Ok(exit);
    }
    output.warn_of(&problems);
    let name = arguments.config.display();
    let warnings = match problems.warnings() {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        count => format!(", {count} warnings"),
    };
    match settings {
        Some(settings) if arguments.resolved => output.print(settings.to_string())?,
        Some(_) => output.print(format!("{name}: a valid {word} configuration{warnings}\n"))?,
        None => {
            let errors = problems.errors();
            let word = if errors == 1 { "error" } else { "errors" };
            output.warn(format!("{name}: {errors} {word}{warnings}\n"));
        }
    }
    Ok(exit)
}

/// A configuration file as `run` and `simulate` read it: file, environment, flags.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn source(path: &Path, set: &[(String, String)]) -> Result<Source, Problems> {
    let source = Source::read(path)?.process_environment();
    Ok(source.flags(set.iter().cloned()).known_dialects(&dialects()))
}

/// What is wrong with the dialect files and keys that a configuration names. A path occurs once,
/// however many links share it.
fn unusable<'a>(
    links: impl Iterator<Item = (&'a DialectName, Option<&'a MacConfig>)>,
) -> Vec<Problem> {
    let mut wrong = Vec::new();
    for (dialect, mac) in links {
        let tried = codec(dialect).map_err(in_words).and_then(|codec| {
            let keys = mac.map(|mac| Macs::load(mac, &codec)).transpose();
            keys.map(|_| ()).map_err(|error| error.to_string())
        });
        if let Err(message) = tried
            && !wrong.contains(&message)
        {
            wrong.push(message);
        }
    }
    wrong.into_iter().map(Problem::of_file).collect()
}

/// Why the certificates of a listener cannot be used.
fn certificates(tls: Option<&ListenTls>) -> Option<Problem> {
    let error = tls.map(check_listen)?.err()?;
    Some(Problem::of_file(error.to_string()))
}

/// Why those of connections to a host cannot be used.
fn host(tls: Option<&DialTls>, to: &Destination) -> Option<Problem> {
    let error = tls.map(|tls| check_dial(tls, &to.host))?.err()?;
    Some(Problem::of_file(error.to_string()))
}

fn in_words(failure: Failure) -> String {
    match failure {
        Failure::Said { message, .. } => message,
        Failure::Configuration(problems) => problems.to_string(),
    }
}

/// What a file is for, as somebody said or else as it looks.
pub(crate) fn kind(said: Option<ConfigKind>, path: &Path) -> ConfigKind {
    said.unwrap_or_else(|| kind_of(path))
}

/// What a file is for, by the names of its sections; only the loader reads it properly.
fn kind_of(path: &Path) -> ConfigKind {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let is_simulator = text.lines().any(|line| {
        let name = line.trim().trim_start_matches('[').trim_start();
        line.trim().starts_with('[') && (name.starts_with("bank") || name.starts_with("terminals"))
    });
    if is_simulator { ConfigKind::Simulator } else { ConfigKind::Switch }
}

fn settings_json(settings: &Settings) -> Value {
    let setting = |setting: &veksel_config::Setting| {
        json!({
            "path": setting.path,
            "value": setting.value,
            "default": setting.default,
            "origin": setting.origin.to_string(),
        })
    };
    settings.iter().map(setting).collect()
}
