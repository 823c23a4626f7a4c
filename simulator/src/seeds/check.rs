//! The meaning of the seed tables: every cell, and every reference from one table to another.
//!
//! A row with a problem is left out of the result, which is thrown away then in any case.

use std::collections::{HashMap, HashSet};

use crate::directory::{Bank, Biller, Card, CardStatus, Customer, CustomerStatus, Operator, Rows};
use crate::ledger::{Direction, Gl, Holder, NewAccount, Owner, Product, Status};
use crate::money::{AMOUNT_MAX, Currency};

use super::table::{Row, Tables};
use super::{File, Problem, SeedAccount, SeedEntry, Seeds};

pub(super) fn check(tables: &Tables, problems: &mut Vec<Problem>) -> Seeds {
    let customers = rows(tables, File::Customers, problems, customer);
    let accounts = rows(tables, File::Accounts, problems, account);
    let cards = rows(tables, File::Cards, problems, card);
    let billers = rows(tables, File::Billers, problems, biller);
    let banks = rows(tables, File::Banks, problems, bank);
    let operators = rows(tables, File::Operators, problems, operator);
    let by_number: HashMap<&str, &SeedAccount> =
        accounts.iter().map(|(_, row)| (row.new.number.as_str(), row)).collect();
    let entries = rows(tables, File::Entries, problems, |row| entry(row, &by_number));

    let mut unique = Unique(problems);
    unique.column(&customers, File::Customers, "customer", |row| &row.id);
    unique.column(&accounts, File::Accounts, "account", |row| &row.new.number);
    unique.column(&accounts, File::Accounts, "iban", iban_of);
    unique.column(&cards, File::Cards, "pan", |row| &row.pan);
    unique.column(&billers, File::Billers, "biller", |row| &row.id);
    unique.column(&banks, File::Banks, "bank", |row| &row.code);
    unique.column(&banks, File::Banks, "bic", |row| &row.bic);
    unique.column(&banks, File::Banks, "iin", |row| &row.iin);
    unique.column(&operators, File::Operators, "operator", |row| &row.code);
    unique.column(&operators, File::Operators, "prefix", |row| &row.prefix);
    check_owners(&customers, &accounts, problems);
    for (row, card) in &cards {
        if !by_number.contains_key(card.account.as_str()) {
            let what = format!("account: {} is not in accounts.csv", card.account);
            problems.push(Problem { file: File::Cards, row: *row, what });
        }
    }
    check_openings(&accounts, &entries, problems);
    let directory = Rows {
        customers: values(customers),
        cards: values(cards),
        billers: values(billers),
        banks: values(banks),
        operators: values(operators),
    };
    Seeds { accounts: values(accounts), entries: values(entries), rows: directory }
}

fn rows<T>(
    tables: &Tables,
    file: File,
    problems: &mut Vec<Problem>,
    read: impl Fn(&mut Row<'_>) -> Option<T>,
) -> Vec<(u64, T)> {
    let records = tables.get(&file).map_or(&[][..], Vec::as_slice);
    records
        .iter()
        .filter_map(|(row, record)| {
            let value = read(&mut Row::new(file, *row, record, problems))?;
            Some((*row, value))
        })
        .collect()
}

fn values<T>(rows: Vec<(u64, T)>) -> Vec<T> {
    rows.into_iter().map(|(_, value)| value).collect()
}

/// Looks for the same text twice in a column.
struct Unique<'p>(&'p mut Vec<Problem>);

impl Unique<'_> {
    /// Names rows and never the text, because one of the columns is a card number.
    fn column<'a, T>(
        &mut self,
        rows: &'a [(u64, T)],
        file: File,
        column: &str,
        cell: impl Fn(&'a T) -> &'a String,
    ) {
        let mut first_rows: HashMap<&str, u64> = HashMap::new();
        for (row, value) in rows {
            if let Some(first) = first_rows.get(cell(value).as_str()) {
                let what = format!("{column}: is the same as in row {first}");
                self.0.push(Problem { file, row: *row, what });
            } else {
                first_rows.insert(cell(value), *row);
            }
        }
    }
}

fn customer(row: &mut Row<'_>) -> Option<Customer> {
    let id = row.text("customer", 20);
    let name = row.text("name", 60);
    let phone = row.cell("phone", phone);
    let email = row.text("email", 80);
    let city = row.text("city", 40);
    let country = row.cell("country", country);
    let status = row.one_of("status", CustomerStatus::from_letter, "A, B");
    Some(Customer {
        id: id?,
        name: name?,
        phone: phone?,
        email: email?,
        city: city?,
        country: country?,
        status: status?,
    })
}

fn account(row: &mut Row<'_>) -> Option<SeedAccount> {
    let number = row.text("account", 28);
    let customer = row.text("customer", 20);
    let product = row.one_of("product", Product::from_code, "00, 10, 20, 30");
    let currency = row.one_of("currency", Currency::from_alpha, "NOK, SEK, EUR, USD, JPY, KWD");
    let status = row.one_of("status", Status::from_letter, "A, D, B, C");
    let opened = row.cell("opened", day);
    let branch = row.text("branch", 10);
    let iban = row.cell("iban", iban);
    // Without a currency the decimals cannot be judged.
    let currency = currency?;
    let balance = row.cell("balance", |text| currency.parse(text));
    let hold = row.cell("hold", |text| currency.parse(text));
    let overdraft = row.cell("overdraft", |text| currency.parse(text));
    let (number, status) = (number?, status?);
    let (balance, hold, overdraft) = (balance?, hold?, overdraft?);
    let (opened_ms, opened) = opened?;
    if number.starts_with("GL-") {
        row.problem("account: GL- is for the bank's own accounts");
    }
    if hold < 0 || overdraft < 0 {
        row.problem("hold, overdraft: must not be negative");
    }
    if balance.saturating_add(overdraft) < hold {
        row.problem("balance: does not cover the hold, nor does the overdraft");
    }
    if status == Status::Closed && (balance != 0 || hold != 0) {
        row.problem("balance: a closed account has none");
    }
    let holder = Holder {
        customer: customer?,
        product: product?,
        status,
        overdraft,
        opened,
        branch: branch?,
        iban: iban?,
    };
    let new = NewAccount { number, currency, owner: Owner::Customer(holder) };
    Some(SeedAccount { new, balance, hold, opened_ms })
}

fn card(row: &mut Row<'_>) -> Option<Card> {
    let pan = row.digits("pan", [13, 19]);
    let account = row.text("account", 28);
    let expiry = row.cell("expiry", expiry);
    let status = row.one_of("status", CardStatus::from_letter, "A, B, L, S");
    let pan = pan?;
    row.require("pan", luhn(&pan));
    Some(Card { pan, account: account?, expiry: expiry?, status: status? })
}

fn biller(row: &mut Row<'_>) -> Option<Biller> {
    let id = row.text("biller", 20);
    let name = row.text("name", 40);
    let category = row.text("category", 20);
    let currency = row.one_of("currency", Currency::from_alpha, "NOK, SEK, EUR, USD, JPY, KWD");
    let reference_digits = row.cell("reference_digits", |text| match text.parse() {
        Ok(digits @ 1..=25) => Ok(digits),
        Ok(0 | 26..) | Err(_) => Err("must be 1 to 25"),
    });
    Some(Biller {
        id: id?,
        name: name?,
        category: category?,
        currency: currency?,
        reference_digits: reference_digits?,
    })
}

fn bank(row: &mut Row<'_>) -> Option<Bank> {
    let code = row.digits("bank", [1, 11]);
    let bic = row.cell("bic", bic);
    let name = row.text("name", 40);
    let country = row.cell("country", country);
    let iin = row.digits("iin", [6, 11]);
    Some(Bank { code: code?, bic: bic?, name: name?, country: country?, iin: iin? })
}

fn operator(row: &mut Row<'_>) -> Option<Operator> {
    let code = row.text("operator", 10);
    let name = row.text("name", 40);
    let country = row.cell("country", country);
    let prefix = row.cell("prefix", phone);
    Some(Operator { code: code?, name: name?, country: country?, prefix: prefix? })
}

fn entry(row: &mut Row<'_>, accounts: &HashMap<&str, &SeedAccount>) -> Option<SeedEntry> {
    let number = row.text("account", 28);
    let utc_ms = row.cell("date_time", instant);
    let tran_type = row.cell("tran_type", tran_type);
    let direction = row.one_of("dr_cr", direction, "D, C");
    let narration = row.text("narration", 100);
    let number = number?;
    let Some(account) = accounts.get(number.as_str()) else {
        row.problem(format!("account: {number} is not in accounts.csv"));
        return None;
    };
    let amount = row.cell("amount", |text| match account.new.currency.parse(text) {
        Ok(amount) if amount > 0 => Ok(amount),
        Ok(_) => Err("must be above zero".to_owned()),
        Err(error) => Err(error.to_string()),
    });
    let utc_ms = utc_ms?;
    if utc_ms < account.opened_ms {
        row.problem("date_time: is before the account was opened");
    }
    Some(SeedEntry {
        account: number,
        utc_ms,
        tran_type: tran_type?,
        amount: amount?,
        direction: direction?,
        narration: narration?,
    })
}

fn check_owners(
    customers: &[(u64, Customer)],
    accounts: &[(u64, SeedAccount)],
    problems: &mut Vec<Problem>,
) {
    let known: HashSet<&str> = customers.iter().map(|(_, row)| row.id.as_str()).collect();
    for (row, account) in accounts {
        let Owner::Customer(holder) = &account.new.owner else {
            continue;
        };
        if !known.contains(holder.customer.as_str()) {
            let what = format!("customer: {} is not in customers.csv", holder.customer);
            problems.push(Problem { file: File::Accounts, row: *row, what });
        }
    }
}

/// The opening balance is what the entries leave over; it must be an amount a transfer can have.
fn check_openings(
    accounts: &[(u64, SeedAccount)],
    entries: &[(u64, SeedEntry)],
    problems: &mut Vec<Problem>,
) {
    let mut net: HashMap<&str, i128> = HashMap::new();
    for (_, entry) in entries {
        let amount = i128::from(entry.amount);
        *net.entry(&entry.account).or_default() += match entry.direction {
            Direction::Credit => amount,
            Direction::Debit => -amount,
        };
    }
    for (row, account) in accounts {
        let net = net.get(account.new.number.as_str()).copied().unwrap_or(0);
        let opening = i128::from(account.balance) - net;
        if opening.abs() > i128::from(AMOUNT_MAX) {
            let what = "balance: the entries leave an opening balance of over 12 digits";
            problems.push(Problem { file: File::Accounts, row: *row, what: what.to_owned() });
        }
    }
}

fn iban_of(account: &SeedAccount) -> &String {
    match &account.new.owner {
        Owner::Customer(holder) => &holder.iban,
        Owner::Bank(_) => &account.new.number,
    }
}

fn direction(letter: &str) -> Option<Direction> {
    [Direction::Debit, Direction::Credit]
        .into_iter()
        .find(|direction| letter == direction.letter().to_string())
}

fn tran_type(text: &str) -> Result<u8, &'static str> {
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let code = text.parse().ok().filter(|_| is_code).ok_or("must be two digits")?;
    Gl::facing(code).map(|_| code).ok_or("is not a code that moves money")
}

fn phone(text: &str) -> Result<String, &'static str> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    match is_number && (1..=15).contains(&digits.len()) {
        true => Ok(text.to_owned()),
        false => Err("must be + and up to 15 digits"),
    }
}

fn country(text: &str) -> Result<String, &'static str> {
    match text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        true => Ok(text.to_owned()),
        false => Err("must be two capital letters"),
    }
}

fn bic(text: &str) -> Result<String, &'static str> {
    let is_code = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    match is_code && matches!(text.len(), 8 | 11) {
        true => Ok(text.to_owned()),
        false => Err("must be 8 or 11 capital letters and digits"),
    }
}

fn expiry(text: &str) -> Result<String, &'static str> {
    let month = text.get(2..).and_then(|month| month.parse::<u8>().ok());
    let is_number = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    match month {
        Some(1..=12) if is_number => Ok(text.to_owned()),
        Some(_) | None => Err("must be YYMM"),
    }
}

/// Milliseconds of the day's start in UTC, and the day as `YYYYMMDD`.
fn day(text: &str) -> Result<(u64, String), &'static str> {
    let fault = "must be a day like 2026-11-20";
    let utc_ms = instant(&format!("{text}T00:00:00Z")).map_err(|_| fault)?;
    Ok((utc_ms, text.replace('-', "")))
}

fn instant(text: &str) -> Result<u64, &'static str> {
    let fault = "must be a time like 2026-11-20T08:30:00Z";
    let time: jiff::Timestamp = text.parse().map_err(|_| fault)?;
    u64::try_from(time.as_millisecond()).map_err(|_| fault)
}

/// ISO 7812-1, annex B.
fn luhn(pan: &str) -> Result<(), &'static str> {
    let sum: u32 = pan
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            let weighted = if place % 2 == 1 { digit * 2 } else { digit };
            if weighted > 9 { weighted - 9 } else { weighted }
        })
        .sum();
    if sum.is_multiple_of(10) { Ok(()) } else { Err("check digit is wrong") }
}

/// ISO 13616: the first four characters moved to the end, letters as numbers, remainder 1 by 97.
fn iban(text: &str) -> Result<String, &'static str> {
    let is_sound = (15..=34).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if !is_sound {
        return Err("must be 15 to 34 digits and capital letters");
    }
    let (head, tail) = text.split_at(4);
    let remainder = tail.chars().chain(head.chars()).fold(0_u32, |rest, letter| {
        let value = letter.to_digit(36).unwrap_or(0);
        let shift = if value > 9 { 100 } else { 10 };
        (rest * shift + value) % 97
    });
    if remainder == 1 { Ok(text.to_owned()) } else { Err("check digits are wrong") }
}
