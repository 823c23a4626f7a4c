//! A report as a workbook.

use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};

use super::{Cell, ReportError, Sheet};

/// Digits that a cell of a workbook keeps; a longer number is written as text.
const EXACT: i64 = 999_999_999_999_999;

/// One sheet for each table, with its header frozen and a filter on it.
pub(super) fn xlsx(sheets: &[&Sheet]) -> Result<Vec<u8>, ReportError> {
    let failed = |error: XlsxError| ReportError::Spreadsheet(error.to_string());
    let mut workbook = Workbook::new();
    for sheet in sheets {
        write(workbook.add_worksheet(), sheet).map_err(failed)?;
    }
    workbook.save_to_buffer().map_err(failed)
}

fn write(page: &mut Worksheet, sheet: &Sheet) -> Result<(), XlsxError> {
    page.set_name(&sheet.name)?;
    let bold = Format::new().set_bold();
    for (column, name) in (0..).zip(&sheet.columns) {
        page.write_string_with_format(0, column, name, &bold)?;
    }
    for (row, cells) in (1..).zip(&sheet.rows) {
        for (column, cell) in (0..).zip(cells) {
            match cell {
                Cell::Nothing => {}
                Cell::Whole(value) if value.abs() <= EXACT => {
                    page.write_number(row, column, *value as f64)?;
                }
                Cell::Decimal(text) => match decimal(text) {
                    Some((value, format)) => {
                        page.write_number_with_format(row, column, value, &format)?;
                    }
                    None => drop(page.write_string(row, column, text)?),
                },
                cell => drop(page.write_string(row, column, cell.shown())?),
            }
        }
    }
    page.set_freeze_panes(1, 0)?;
    let last = u16::try_from(sheet.columns.len()).unwrap_or(u16::MAX).saturating_sub(1);
    let rows = u32::try_from(sheet.rows.len()).unwrap_or(u32::MAX);
    page.autofilter(0, 0, rows, last)?;
    Ok(())
}

/// The amount and how many decimals it shows; `None` for one with more digits than a cell keeps.
fn decimal(text: &str) -> Option<(f64, Format)> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let format = match decimals {
        0 => "0".to_owned(),
        decimals => format!("0.{}", "0".repeat(decimals)),
    };
    let value = text.parse().ok().filter(|_| digits <= 15)?;
    Some((value, Format::new().set_num_format(format)))
}
