//! A report as text: comma-separated values, JSON, and a page for people.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Cell, Report, Sheet};
use crate::sandbox::query::escaped;

/// One table. A text that a spreadsheet would take for a formula gets an apostrophe in front,
/// because narrations are written by others.
pub(super) fn csv(sheet: &Sheet) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail, and every row is as long as the header.
    let _ = writer.write_record(&sheet.columns);
    for row in &sheet.rows {
        let _ = writer.write_record(row.iter().map(|cell| match cell {
            Cell::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => {
                format!("'{text}")
            }
            cell => cell.shown(),
        }));
    }
    writer.into_inner().unwrap_or_default()
}

/// All tables; amounts with a decimal point are texts, because a number would be rounded.
pub(super) fn json(report: &Report, sheets: &[&Sheet]) -> Vec<u8> {
    let sheets: Vec<Value> = sheets
        .iter()
        .map(|sheet| {
            let rows: Vec<Value> = sheet
                .rows
                .iter()
                .map(|row| {
                    let members = sheet.columns.iter().zip(row);
                    let members = members.map(|(column, cell)| (column.clone(), value(cell)));
                    Value::Object(members.collect::<Map<_, _>>())
                })
                .collect();
            json!({
                "name": sheet.name,
                "about": sheet.about,
                "columns": sheet.columns,
                "left_off": sheet.left_off,
                "rows": rows,
            })
        })
        .collect();
    let report = json!({ "title": report.title, "made_at": report.made_at, "sheets": sheets });
    let mut text = report.to_string().into_bytes();
    text.push(b'\n');
    text
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Nothing => Value::Null,
        Cell::Text(text) | Cell::Decimal(text) => Value::String(text.clone()),
        Cell::Whole(value) => Value::from(*value),
    }
}

/// One page without anything from elsewhere.
pub(super) fn html(report: &Report, sheets: &[&Sheet]) -> Vec<u8> {
    let (title, made_at) = (escaped(&report.title), escaped(&report.made_at));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>As of {made_at}</p>\n"
    );
    for sheet in sheets {
        let (name, about) = (escaped(&sheet.name.replace('_', " ")), escaped(&sheet.about));
        let _ = write!(page, "<section>\n<h2>{name}</h2>\n<p>{about}</p>\n<table>\n<thead><tr>");
        for column in &sheet.columns {
            let _ = write!(page, "<th>{}</th>", escaped(&column.replace('_', " ")));
        }
        page.push_str("</tr></thead>\n<tbody>\n");
        for row in &sheet.rows {
            page.push_str("<tr>");
            for cell in row {
                let class = match cell {
                    Cell::Whole(_) | Cell::Decimal(_) => " class=\"figure\"",
                    Cell::Nothing | Cell::Text(_) => "",
                };
                let _ = write!(page, "<td{class}>{}</td>", escaped(&cell.shown()));
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</tbody>\n</table>\n");
        if sheet.rows.is_empty() {
            page.push_str("<p>None.</p>\n");
        }
        if sheet.left_off > 0 {
            let _ = writeln!(page, "<p>{} older rows are not shown.</p>", sheet.left_off);
        }
        page.push_str("</section>\n");
    }
    page.push_str("</body>\n</html>\n");
    page.into_bytes()
}

const STYLE: &str = "\
body { font: 10pt/1.4 system-ui, sans-serif; margin: 2rem; color: #111; background: #fff; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; text-transform: capitalize; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #bbb; padding: .15rem .4rem; text-align: left; }
th { vertical-align: bottom; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media print {
  @page { size: A4 landscape; margin: 1cm; }
  body { margin: 0; font-size: 7pt; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
";
