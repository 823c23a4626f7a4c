//! What `deploy/` starts is what the program understands: units, images and packages name files
//! that are there, commands that exist and settings that are accepted.

#![expect(clippy::unwrap_used, clippy::panic, reason = "that is how tests fail")]
#![cfg(unix)]

#[path = "canary/program.rs"]
mod program;

use program::{program, run};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|_| panic!("{path} is missing"))
}

/// Values of a key of a unit, in their order.
fn values<'t>(unit: &'t str, key: &str) -> Vec<&'t str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// Whether the settings in the environment fit the shipped file.
fn check(file: &str, environment: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("file.toml");
    std::fs::copy(root().join(file), &config).unwrap();
    let mut command = program();
    command.args(["check", "--config", config.to_str().unwrap()]);
    let done = run(command.envs(environment.iter().copied()));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{file} with {environment:?}: {said}");
}

/// The arguments of a command are those of the command line.
fn understood(command: &str) {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let done = run(program().args(&words).arg("--help"));
    assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
}

const UNITS: [(&str, &str); 2] = [
    ("deploy/systemd/veksel.service", "config/switch.toml"),
    ("deploy/systemd/veksel-simulator.service", "config/simulator.toml"),
];

#[test]
fn units_start_what_there_is_and_may_do_little() {
    for (path, config) in UNITS {
        let unit = read(path);
        for command in values(&unit, "ExecStart") {
            understood(command);
            let file = Path::new(config).file_name().unwrap().to_str().unwrap();
            assert!(command.contains(&format!("/etc/veksel/{file}")), "{path}: {command}");
        }
        let environment = values(&unit, "Environment");
        let environment: Vec<_> =
            environment.iter().map(|pair| pair.split_once('=').unwrap()).collect();
        check(config, &environment);
        // What it writes is where it may write.
        let state = values(&unit, "StateDirectory")[0];
        for (_, value) in environment.iter().filter(|(_, value)| value.starts_with('/')) {
            assert!(value.starts_with(&format!("/var/lib/{state}/")), "{path}: {value}");
        }
        // The exit codes of wrong usage and of a wrong configuration, which no restart mends.
        assert_eq!(values(&unit, "RestartPreventExitStatus"), ["2 64"]);
        // They are looked at in the service's own process only (systemd.service(5)).
        assert_eq!(values(&unit, "ExecStartPre"), [""; 0], "{path}");
        // Whatever else it ends with, it is started again for as long as it takes.
        assert_eq!(values(&unit, "Restart"), ["on-failure"]);
        assert_eq!(values(&unit, "StartLimitIntervalSec"), ["0"]);
    }
}

/// systemd's own judgement: 1.2 of 10, where 10 is a service that may do everything.
#[test]
fn units_are_hardened() {
    for (path, _) in UNITS {
        let judged = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=13"])
            .arg(root().join(path))
            .output();
        let Ok(judged) = judged else {
            println!("!!! SKIPPED: systemd-analyze is not here, units are NOT judged");
            return;
        };
        let said = String::from_utf8_lossy(&judged.stdout);
        let verdict = said.lines().last().unwrap_or_default();
        assert!(judged.status.success() && verdict.contains("exposure"), "{path}: {said}");
    }
}

/// The lines of one service of the compose file that are `key: value` below `environment`.
fn environment<'t>(compose: &'t str, service: &str) -> Vec<(&'t str, &'t str)> {
    let lines = compose.lines().skip_while(|line| *line != format!("  {service}:")).skip(1);
    let lines = lines.take_while(|line| line.starts_with("    ") || line.is_empty());
    let lines = lines.skip_while(|line| line.trim() != "environment:").skip(1);
    let lines = lines.take_while(|line| line.starts_with("      "));
    lines
        .map(|line| {
            let (name, value) = line.trim().split_once(": ").unwrap();
            (name, value.trim_matches('"'))
        })
        .collect()
}

#[test]
fn containers_start_what_there_is() {
    let compose = read("deploy/compose.yml");
    for (service, config) in [("switch", "config/switch.toml"), ("bank", "config/simulator.toml")] {
        let found = environment(&compose, service);
        assert!(!found.is_empty(), "{service}");
        check(config, &found);
    }
    for line in compose.lines().filter(|line| line.trim().starts_with("command: ")) {
        let words = line.trim().trim_start_matches("command: ");
        let words: Vec<String> = serde_json::from_str(words).unwrap();
        understood(&format!("veksel {}", words.join(" ")));
    }
    // What is mounted from here is here.
    for line in compose.lines().filter_map(|line| line.trim().strip_prefix("- ./")) {
        let path = line.split(':').next().unwrap();
        assert!(root().join("deploy").join(path).exists(), "deploy/{path}");
    }
    let image = read("deploy/Dockerfile");
    let copied = image.lines().filter(|line| line.contains("install -D -m 0644"));
    for path in copied.flat_map(str::split_whitespace).filter(|word| word.starts_with("config/")) {
        assert!(root().join(path).exists(), "{path}");
    }
    let settings: Vec<_> = image
        .lines()
        .filter_map(|line| line.trim_start_matches("ENV").trim().strip_prefix("VEKSEL_"))
        .map(|line| line.trim_end_matches('\\').trim())
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (format!("VEKSEL_{name}"), value))
        .collect();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(settings.len(), 4);
    check("config/switch.toml", &settings);
    check("config/simulator.toml", &settings);
    // The build sees every folder of the workspace.
    let seen = read("deploy/Dockerfile.dockerignore");
    let manifest = read("Cargo.toml");
    let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
    let members = members.split(['"', ',', '\n']).map(str::trim).filter(|word| !word.is_empty());
    let mut folders: BTreeSet<String> =
        members.map(|member| member.split('/').next().unwrap().to_owned()).collect();
    included(&root(), &mut folders);
    assert!(folders.contains("web"), "what the console is made of: {folders:?}");
    for folder in folders {
        assert!(seen.lines().any(|line| line == format!("!{folder}")), "{folder}");
    }
}

/// The first folders of all files that sources of the product take in.
fn included(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let is_of_others = ["target", "tests", "benches", "fuzz"].contains(&name.as_str());
            if !is_of_others && !name.starts_with('.') {
                included(&path, found);
            }
            continue;
        }
        if path.extension().is_none_or(|ending| ending != "rs") || name == "tests.rs" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split("include_").skip(1) {
            // A literal, or the first piece of one that is put together.
            let path_of = ["str!(", "bytes!(", "str!(concat!("]
                .iter()
                .find_map(|how| rest.strip_prefix(how)?.strip_prefix('"')?.split('"').next());
            let Some(taken) = path_of else { continue };
            let place = folder.join(taken);
            let mut parts: Vec<_> = Vec::new();
            for part in place.strip_prefix(root()).unwrap().components() {
                match part {
                    Component::ParentDir => drop(parts.pop()),
                    part => parts.push(part),
                }
            }
            found.insert(parts[0].as_os_str().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn the_package_has_what_it_promises() {
    // Whoever installs it can trace without building anything.
    for recipe in ["deploy/package", "deploy/Dockerfile"] {
        let build = read(recipe);
        let build = build.lines().find(|line| line.contains("cargo build --release")).unwrap();
        assert!(build.contains("--features otlp"), "{recipe}: {build}");
    }
    let manifest = read("cli/Cargo.toml");
    let (_, assets) = manifest.split_once("assets = [\n").unwrap();
    let mut made = 0;
    for line in assets.lines().take_while(|line| *line != "]") {
        let [source, target, mode]: [String; 3] =
            serde_json::from_str(line.trim().trim_end_matches(',')).unwrap();
        assert!(["644", "755"].contains(&mode.as_str()) && !target.starts_with('/'), "{line}");
        match source.strip_prefix("../") {
            Some(file) if file.starts_with("target/package/") => made += 1,
            Some(pattern) => {
                let path = root().join(pattern.trim_end_matches("*.md"));
                assert!(path.exists(), "{pattern} is missing");
            }
            None => assert_eq!(source, "target/release/veksel"),
        }
    }
    // Without public CAs nobody behind https:// is believed.
    assert!(manifest.contains("recommends = \"ca-certificates\""));
    let copyright = read("deploy/debian/copyright");
    assert!(
        copyright.contains("License: Apache-2.0\n") && manifest.contains("/debian/copyright\"")
    );
    let version = env!("CARGO_PKG_VERSION");
    let changes = read("deploy/debian/changelog");
    assert!(changes.starts_with(&format!("veksel ({version}-1) ")), "{version}: {changes}");
    // A unit that runs is started again by an upgrade; none is by the package alone.
    for (path, _) in UNITS {
        let name = Path::new(path).file_stem().unwrap().to_str().unwrap();
        let unit = format!("unit-name = \"{name}\"");
        let line = manifest.lines().find(|line| line.contains(&unit)).unwrap();
        for part in ["enable = false", "start = false", "restart-after-upgrade = true"] {
            assert!(line.contains(part), "{name}: {part}");
        }
    }
    assert_eq!(made, 5, "pages of the manual, completions for three shells, licences");
    for file in ["/etc/veksel/switch.toml", "/etc/veksel/simulator.toml"] {
        assert!(manifest.contains(&format!("    \"{file}\",")), "{file}");
    }
}

/// Every crate of others is named, and nearly all bring their texts.
#[test]
fn the_licences_of_what_is_linked_are_collected() {
    let Ok(done) = Command::new("python3").arg(root().join("deploy/licences")).output() else {
        println!("!!! SKIPPED: python3 is not here, licences are NOT collected");
        return;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).unwrap();
    let (list, texts) = said.split_once("\n\n---").unwrap();
    let crates: Vec<&str> = list.lines().skip(2).collect();
    for linked in ["aws-lc-sys", "axum", "lettre", "rustls", "tokio"] {
        let name = crates.iter().find(|line| line.starts_with(&format!("{linked} "))).unwrap();
        let (name, licence) = name.split_once(": ").unwrap();
        assert!(!licence.is_empty() && !licence.contains("no text"), "{name}: {licence}");
        assert!(texts.contains(name), "{name} has no text");
    }
    let otlp = crates.iter().find(|line| line.starts_with("opentelemetry-otlp "));
    assert!(otlp.is_some(), "the package has the feature");
    // Not ours, nor what only tests and benches need.
    for other in ["veksel", "proptest", "criterion"] {
        assert!(crates.iter().all(|line| !line.starts_with(other)), "{other}");
    }
    let without = crates.iter().filter(|line| line.contains("it brings no text")).count();
    assert!(crates.len() > 200 && without < 20, "{without} of {}", crates.len());
}

#[test]
fn the_manual_and_completions_know_every_command() {
    let help = run(program().arg("--help"));
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let commands: Vec<&str> = list
        .lines()
        .take_while(|line| !line.is_empty())
        // What is further in goes on with the line before.
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    assert!(commands.contains(&"run") && commands.len() > 15, "{commands:?}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man");
    let done = run(program().args(["man", "--out", out.to_str().unwrap()]));
    assert!(done.status.success());
    for command in &commands {
        let page = std::fs::read_to_string(out.join(format!("veksel-{command}.1"))).unwrap();
        assert!(page.contains(".TH"), "{command}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let done = run(program().args(["completions", shell]));
        let script = String::from_utf8(done.stdout).unwrap();
        for command in &commands {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}
