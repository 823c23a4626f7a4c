//! Veksel's side of a comparison with other implementations: their specifications made from our
//! dialects, messages for them to read and write, and the verdict on what they made of them.
//!
//! Peers are programs of their own that read and write lines of JSON; `../README.md` has their
//! protocol. Nothing here is part of the product.

mod bench;
mod corpus;
mod judge;
mod line;
#[path = "../../../benches/messages.rs"]
#[allow(dead_code, reason = "the benchmarks of the workspace use all of it")]
mod messages;
mod spec;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use veksel_codecs::{Codec, Dialect};

const USAGE: &str = "\
interop prepare PEER DIALECT SEED COUNT FOLDER   a specification and random messages
interop bench-inputs PEER FORM FOLDER            a specification and the benchmark messages
interop judge PEER DIALECT FOLDER DIVERGENCES    read answers.parse and answers.assemble there
interop bench FORM                               our own figures, as lines of JSON";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["prepare", peer, dialect, seed, count, folder] => {
            prepare(peer, dialect, seed, count, Path::new(folder)).map(|()| true)
        }
        ["bench-inputs", peer, form, folder] => {
            bench_inputs(peer, form, Path::new(folder)).map(|()| true)
        }
        ["judge", peer, dialect, folder, divergences] => {
            judge::judge(peer, dialect, Path::new(folder), Path::new(divergences))
        }
        ["bench", form] => bench::bench(form).map(|()| true),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn prepare(peer: &str, dialect: &str, seed: &str, count: &str, folder: &Path) -> Result<()> {
    let dialect = Dialect::shipped(dialect)?;
    let spec = spec::Spec::of(peer, &dialect)?;
    let codec = Codec::new(dialect);
    let lines = corpus::random(&codec, seed.parse()?, count.parse()?, &spec.fields)?;
    write(folder, &spec, &lines)
}

fn bench_inputs(peer: &str, form: &str, folder: &Path) -> Result<()> {
    let form = bench::form(form)?;
    let codec = form.codec();
    let spec = spec::Spec::of(peer, codec.dialect())?;
    let fits = |line: &line::Line| line.fields.keys().all(|number| spec.fields.contains(number));
    let lines: Vec<_> = corpus::benchmark(&codec)?.into_iter().filter(fits).collect();
    write(folder, &spec, &lines)
}

/// Leaves what a peer needs in a folder: `spec`, `messages` and, for people, `omitted`.
fn write(folder: &Path, spec: &spec::Spec, lines: &[line::Line]) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("spec"), &spec.text)?;
    fs::write(folder.join("omitted"), spec.omitted.join("\n"))?;
    let lines: std::result::Result<Vec<_>, _> = lines.iter().map(serde_json::to_string).collect();
    fs::write(folder.join("messages"), lines?.join("\n") + "\n")?;
    Ok(())
}
