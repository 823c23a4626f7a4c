//! `veksel journal`: what a switch has recorded, for people and programs.
//!
//! It reads beside a running switch, or when there is none, and never writes. How a record is
//! shown is decided in `shown`.

mod shown;

use crate::arguments::{Export, ExportFormat, Journal, JournalCommand, List, Place, Show, Verify};
use crate::check::source;
use crate::output::{Exit, Failure, Output, Tone};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use veksel_config::load_switch;
use veksel_core::{RecordId, TxnId};
use veksel_store::{
    Entry, Filter, Journal as _, Keys, Lookup, Report, SqliteReader, StoreError, Summary,
    anchors_path, read_anchors,
};

/// Records read at once.
const PAGE: usize = 1_000;

/// Does what was asked.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) fn journal(arguments: &Journal, output: Output) -> Result<Exit, Failure> {
    match &arguments.command {
        JournalCommand::List(arguments) => list(arguments, output),
        JournalCommand::Show(arguments) => show(arguments, output),
        JournalCommand::Verify(arguments) => verify(arguments, output),
        JournalCommand::Export(arguments) => export(arguments, output),
    }
}

/// Opens the journal that the flags name.
///
/// # Errors
/// There is none, or the keys do not fit.
pub(crate) fn open(place: &Place) -> Result<(PathBuf, SqliteReader), Failure> {
    let (path, keys) = match place {
        Place { config: Some(config), .. } => {
            let config = source(config, &[]).and_then(load_switch);
            let store = config.map_err(Failure::Configuration)?.store;
            (store.path, store.keys)
        }
        Place { db: Some(db), keys: Some(keys), .. } => (db.clone(), keys.clone()),
        Place { .. } => return Err(Failure::usage("give --config, or --db and --keys")),
    };
    if !path.exists() {
        let message = format!("there is no journal at {}", path.display());
        return Err(Failure::no("journal", message).help("the switch makes it when it first runs"));
    }
    let keys = Keys::load(&keys).map_err(|error| Failure::no("keys", error.to_string()))?;
    let reader = SqliteReader::open(&path, Arc::new(keys)).map_err(|error| match &error {
        StoreError::Database { retryable: false, source, .. } => {
            let name = path.display();
            let message = format!("{name} cannot be read as the journal of a switch: {source}");
            Failure::no("journal", message).help("`veksel report` reads the database of a bank")
        }
        _ => unread(&error),
    })?;
    Ok((path, reader))
}

/// Why the journal could not be read.
pub(crate) fn unread(error: &StoreError) -> Failure {
    let failure = Failure::no("journal", error.to_string());
    match error {
        StoreError::Damaged { .. } | StoreError::Unreadable { .. } | StoreError::Broken(_) => {
            failure.help("`veksel journal verify` finds all that is wrong")
        }
        _ => failure,
    }
}

fn list(arguments: &List, output: Output) -> Result<Exit, Failure> {
    let (_, reader) = open(&arguments.place)?;
    let filter = Filter {
        after: arguments.after.map(TxnId),
        state: arguments.state.map(|state| state.word().to_owned()),
        rrn: arguments.rrn.clone(),
        limit: arguments.limit,
    };
    let found = reader.transactions(&filter).map_err(|error| unread(&error))?;
    if output.json {
        let found: Vec<_> = found.iter().map(summary_json).collect();
        output.print_json(&json!({ "transactions": found }))?;
        return Ok(Exit::Yes);
    }
    if found.is_empty() {
        output.print("no transaction\n")?;
        return Ok(Exit::Yes);
    }
    let header = [
        "txn", "time", "from", "mti", "code", "amount", "rrn", "terminal", "DE39", "reason",
        "state",
    ];
    output.print(output.table(&header, found.into_iter().map(summary_row).collect()))?;
    Ok(Exit::Yes)
}

fn summary_row(summary: Summary) -> Vec<String> {
    let Summary { txn, time, amount, currency, state, .. } = summary;
    let amount = amount.map(|amount| format!("{amount} {}", currency.unwrap_or_default()));
    let words = [summary.participant, summary.mti, summary.code, amount, summary.rrn];
    let more = [summary.terminal, summary.response, summary.reason];
    let words = words.into_iter().chain(more).map(Option::unwrap_or_default);
    [txn.0.to_string(), time].into_iter().chain(words).chain([state]).collect()
}

fn summary_json(summary: &Summary) -> Value {
    json!({
        "txn": summary.txn.0,
        "time": summary.time,
        "participant": summary.participant,
        "mti": summary.mti,
        "code": summary.code,
        "amount": summary.amount,
        "currency": summary.currency,
        "rrn": summary.rrn,
        "terminal": summary.terminal,
        "response": summary.response,
        "reason": summary.reason,
        "state": summary.state,
    })
}

fn show(arguments: &Show, output: Output) -> Result<Exit, Failure> {
    let (_, mut reader) = open(&arguments.place)?;
    let lookup = match (&arguments.rrn, arguments.txn) {
        (Some(rrn), _) => Lookup::Rrn(rrn.clone()),
        (None, txn) => Lookup::Txn(TxnId(txn.unwrap_or_default())),
    };
    let found = reader.find(&lookup).map_err(|error| unread(&error))?;
    if output.json {
        let found: Vec<_> = found.iter().map(shown::json).collect();
        output.print_json(&json!({ "records": found }))?;
    } else if !found.is_empty() {
        let rows = found.iter().map(shown::row).collect();
        output.print(output.table(shown::ROW_HEADER, rows))?;
    }
    if found.is_empty() {
        let what = match &arguments.rrn {
            Some(rrn) => format!("retrieval reference number {rrn}"),
            None => format!("number {}", arguments.txn.unwrap_or_default()),
        };
        output.warn(format!("the journal has no transaction with {what}\n"));
        return Ok(Exit::No);
    }
    Ok(Exit::Yes)
}

fn verify(arguments: &Verify, output: Output) -> Result<Exit, Failure> {
    let (path, reader) = open(&arguments.place)?;
    let beside = anchors_path(&path);
    let file = match &arguments.anchors {
        Some(file) => Some(file.clone()),
        None => beside.exists().then_some(beside),
    };
    let copy = match &file {
        Some(file) => read_anchors(file).map_err(|error| {
            Failure::no("anchors", format!("the anchors cannot be read: {error}"))
        })?,
        None => Vec::new(),
    };
    let report = reader.verify(&copy).map_err(|error| unread(&error))?;
    let complaint = reader.complaint().map_err(|error| unread(&error))?;
    let verified = Verified { path: &path, file: file.as_deref(), complaint, report };
    if output.json {
        output.print_json(&verified.json())?;
    } else {
        output.print(verified.text(output))?;
    }
    Ok(if verified.is_intact() { Exit::Yes } else { Exit::No })
}

/// The result of a check, and what was checked.
struct Verified<'p> {
    path: &'p Path,
    file: Option<&'p Path>,
    complaint: Option<String>,
    report: Report,
}

impl Verified<'_> {
    fn is_intact(&self) -> bool {
        self.report.is_intact() && self.complaint.is_none()
    }

    fn json(&self) -> Value {
        let report = &self.report;
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "record": finding.record.0,
                    "what": finding.what.word(),
                    "message": finding.to_string(),
                })
            })
            .collect();
        json!({
            "journal": self.path.display().to_string(),
            "intact": self.is_intact(),
            "records": report.records,
            "last": report.last.0,
            "anchors": report.anchors,
            "anchors_file": self.file.map(|file| file.display().to_string()),
            "anchored": report.anchor.map(|anchor| anchor.record.0),
            "unsigned": report.unsigned,
            "trimmed": report.gaps,
            "anchors_trimmed": report.skipped,
            "key": report.key.to_string(),
            "found": report.found,
            "findings": findings,
            "database": self.complaint,
        })
    }

    fn text(&self, output: Output) -> String {
        let report = &self.report;
        let mut lines = vec![format!(
            "{}: {} records, the last is number {}",
            self.path.display(),
            report.records,
            report.last.0
        )];
        lines.push(match report.anchor {
            Some(anchor) => format!(
                "  {} anchors, the last after record {} of {}",
                report.anchors, anchor.record.0, anchor.utc
            ),
            None => "  no anchor".to_owned(),
        });
        lines.push(match self.file {
            Some(file) => format!("  compared with {}", file.display()),
            None => "  there is no anchors file beside it; --anchors names a copy".to_owned(),
        });
        if report.gaps > 0 {
            let skipped = match report.skipped {
                0 => String::new(),
                skipped => format!("; {skipped} anchors stood there and cannot be checked"),
            };
            lines.push(format!("  {} stretches were trimmed away{skipped}", report.gaps));
        }
        if report.unsigned > 0 {
            lines.push(format!(
                "  {} records after the last anchor are not signed: cut off or made anew, they \
                 would not be missed",
                report.unsigned
            ));
        }
        lines.push(format!("  signed with {}", report.key));
        lines.extend(report.findings.iter().map(|finding| format!("  {finding}")));
        let more = report.found.saturating_sub(report.findings.len() as u64);
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
        lines.extend(self.complaint.iter().map(|said| format!("  the database says: {said}")));
        let verdict = match self.is_intact() {
            true => output.paint(Tone::Good, "intact"),
            false => output.paint(Tone::Bad, "NOT intact"),
        };
        lines.push(verdict.into_owned());
        lines.join("\n") + "\n"
    }
}

fn export(arguments: &Export, output: Output) -> Result<Exit, Failure> {
    let (_, mut reader) = open(&arguments.place)?;
    if arguments.format == ExportFormat::Csv {
        output.print(shown::csv_line(shown::COLUMNS.iter().copied()))?;
    }
    let mut after = RecordId(arguments.after);
    let mut limit = PAGE;
    let mut damaged = false;
    loop {
        let page = match reader.page(after, limit) {
            Ok(page) => page,
            // One by one up to the damaged record, and on behind it.
            Err(StoreError::Damaged { .. }) if limit > 1 => {
                limit = 1;
                continue;
            }
            Err(StoreError::Damaged { record, source }) => {
                output.warn(format!("record {} is damaged and left out: {source}\n", record.0));
                (after, limit, damaged) = (record, PAGE, true);
                continue;
            }
            Err(error) => return Err(unread(&error)),
        };
        let Some((last, _)) = page.last() else { break };
        after = *last;
        output.print(lines(&page, arguments.format))?;
    }
    Ok(if damaged { Exit::No } else { Exit::Yes })
}

fn lines(page: &[Entry], format: ExportFormat) -> String {
    let line = |entry: &Entry| match format {
        ExportFormat::Json => format!("{}\n", shown::json(entry)),
        ExportFormat::Csv => shown::csv(entry),
    };
    page.iter().map(line).collect()
}
