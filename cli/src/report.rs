//! `veksel report`: what a bank's book says, and what a switch recorded, as files for people and
//! programs.

use crate::arguments::{Paper, Place, Report as Arguments};
use crate::check::source;
use crate::journal::{open, unread};
use crate::output::{Exit, Failure, Output};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use veksel_config::load_simulator;
use veksel_simulator::book::BookError;
use veksel_simulator::report::{Cell, Kind, Report, ReportError, Sheet};
use veksel_store::Filter;

/// What who says nothing of tables sees on the screen, as from a running simulator.
const FIRST: &str = "accounts";

/// Reads the books and writes what was asked for.
///
/// # Errors
/// A book cannot be read, or the files cannot be written.
pub(crate) fn report(arguments: &Arguments, output: Output) -> Result<Exit, Failure> {
    let (database, title) = book(arguments)?;
    let kind = match (&arguments.sheet, arguments.tables) {
        (None, Some(tables)) => tables.kind(),
        // The table is looked for among all of them.
        (Some(_), _) | (None, None) => Kind::All,
    };
    let rows = usize::try_from(arguments.rows).unwrap_or(usize::MAX);
    let made_at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let read = Report::of_book(&database, &title, kind, rows, made_at);
    let mut report = read.map_err(|error| match error {
        ReportError::Book(error) => {
            let message = format!("{} cannot be read: {error}", database.display());
            let failure = Failure::no("report", message);
            match error {
                BookError::NotABook => failure.help(
                    "`veksel journal` reads what a switch recorded, and --switch adds it to a report",
                ),
                _ => failure,
            }
        }
        error => unusable(&error),
    })?;
    if let Some(switch) = &arguments.switch {
        report.sheets.extend(journal(switch, arguments.rows)?);
    }
    let is_open = arguments.tables.is_none() && arguments.switch.is_none();
    let is_for_screen = matches!(arguments.format, Paper::Csv) && arguments.out.is_none();
    let sheet = match arguments.sheet.as_deref() {
        None if is_open && is_for_screen => {
            let others = report.sheets.len().saturating_sub(1);
            output.warn(format!(
                "note: this is `{FIRST}`; --sheet names one of {others} others, --format json has all\n"
            ));
            Some(FIRST)
        }
        sheet => sheet,
    };
    let format = arguments.format.format();
    let bytes =
        |sheet: Option<&str>| report.render(format, sheet).map_err(|error| unusable(&error));
    let Some(out) = &arguments.out else {
        let is_alone = report.sheets.len() == 1 || sheet.is_some();
        match arguments.format {
            Paper::Csv if !is_alone => {
                let names: Vec<_> = report.sheets.iter().map(|sheet| &*sheet.name).collect();
                let names = names.join(", ");
                let failure = Failure::usage("a CSV file has one table, and this report has more");
                let help = format!("name one with --sheet ({names}), or a folder with --out");
                return Err(failure.help(help));
            }
            Paper::Xlsx if std::io::stdout().is_terminal() => {
                let failure = Failure::usage("a workbook is nothing to read on a screen");
                return Err(failure.help("name a file with --out"));
            }
            _ => {}
        }
        let mut screen = std::io::stdout().lock();
        let written = screen.write_all(&bytes(sheet)?).and_then(|()| screen.flush());
        written.map_err(|error| Failure::no("output", error.to_string()))?;
        return Ok(Exit::Yes);
    };
    let is_folder = out.is_dir() || out.as_os_str().to_string_lossy().ends_with('/');
    let mut written = Vec::new();
    if is_folder {
        let made = DirBuilder::new().recursive(true).create(out);
        made.map_err(|error| unwritten(out, &error))?;
        let ending = arguments.format.ending();
        let names = report.sheets.iter().map(|sheet| sheet.name.as_str());
        for name in names.filter(|name| sheet.is_none_or(|sheet| sheet == *name)) {
            let path = out.join(format!("{name}.{ending}"));
            write(&path, &bytes(Some(name))?)?;
            written.push(path);
        }
        if let Some(sheet) = sheet.filter(|_| written.is_empty()) {
            report.sheet(sheet).map_err(|error| unusable(&error))?;
        }
    } else {
        if matches!(arguments.format, Paper::Csv) && sheet.is_none() && report.sheets.len() > 1 {
            let failure = Failure::usage("a CSV file has one table, and this report has more");
            return Err(failure.help("end --out with / for a folder, or name one with --sheet"));
        }
        write(out, &bytes(sheet)?)?;
        written.push(out.clone());
    }
    for path in written {
        output.print(format!("{}\n", path.display()))?;
    }
    Ok(Exit::Yes)
}

/// The file of the book, and what its bank calls itself.
fn book(arguments: &Arguments) -> Result<(PathBuf, String), Failure> {
    if let Some(database) = &arguments.db {
        return Ok((database.clone(), "Bank".to_owned()));
    }
    let Some(config) = &arguments.config else {
        return Err(Failure::usage("give --config or --db"));
    };
    let config = source(config, &[]).and_then(load_simulator);
    let bank = config.map_err(Failure::Configuration)?.bank;
    Ok((bank.database, bank.name))
}

/// What a switch recorded, with the columns of its views.
fn journal(config: &Path, rows: u32) -> Result<[Sheet; 2], Failure> {
    let place = Place { config: Some(config.to_owned()), db: None, keys: None, json: false };
    let (_, reader) = open(&place)?;
    let filter = Filter { after: None, state: None, rrn: None, limit: rows };
    let found = reader.transactions(&filter).map_err(|error| unread(&error))?;
    let about = "Transactions of the switch, newest last.";
    let columns = [
        "txn",
        "time",
        "participant",
        "mti",
        "code",
        "amount",
        "currency",
        "rrn",
        "terminal",
        "response",
        "reason",
        "state",
    ];
    let mut transactions = Sheet::new("switch_transactions", about, &columns);
    transactions.rows.extend(found.into_iter().map(|row| {
        vec![
            Cell::figure(row.txn.0.into()),
            Cell::Text(row.time),
            text(row.participant),
            text(row.mti),
            text(row.code),
            row.amount.map_or(Cell::Nothing, Cell::Decimal),
            text(row.currency),
            text(row.rrn),
            text(row.terminal),
            text(row.response),
            text(row.reason),
            Cell::Text(row.state),
        ]
    }));
    let found = reader.reversals(rows).map_err(|error| unread(&error))?;
    let about = "What the switch still has to undo or to deliver.";
    let columns = [
        "txn", "time", "step", "reason", "attempts", "last", "response", "to", "mti", "amount",
        "currency", "rrn",
    ];
    let mut reversals = Sheet::new("switch_reversals", about, &columns);
    reversals.rows.extend(found.into_iter().map(|row| {
        vec![
            Cell::figure(row.txn.0.into()),
            Cell::Text(row.time),
            Cell::Text(row.step),
            text(row.reason),
            Cell::figure(row.attempts.into()),
            Cell::Text(row.last),
            text(row.response),
            text(row.group),
            text(row.mti),
            row.amount.map_or(Cell::Nothing, Cell::Decimal),
            text(row.currency),
            text(row.rrn),
        ]
    }));
    Ok([transactions, reversals])
}

fn text(word: Option<String>) -> Cell {
    word.map_or(Cell::Nothing, Cell::Text)
}

/// What customers own is for whoever asked, and for nobody else on the machine.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::no("output", format!("{}: {error}", path.display()))
}

fn unusable(error: &ReportError) -> Failure {
    match error {
        ReportError::Sheet { .. } => Failure::usage(error.to_string()),
        ReportError::Missing(_) => Failure::no("report", error.to_string())
            .help("`veksel simulate` makes it when it first runs"),
        ReportError::Book(_) | ReportError::Spreadsheet(_) => {
            Failure::no("report", error.to_string())
        }
    }
}
