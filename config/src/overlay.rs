//! Lays environment and flags over the tree of the file.
//!
//! A path leads through sections and names: `group.cbs.session.answer`. It may set a key the file
//! does not have, but it makes no new `[[group]]`: half a group that exists only in the
//! environment is a spelling mistake. Whether the key is known is found out later, by the same
//! check as for the file.

use crate::findings::{Findings, Part, Place};
use crate::suggest::{listed, nearest};
use crate::tree::{Entry, Node, Table, Value};

/// How often a section may stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `[admin]`
    One,
    /// `[[group]]`, addressed by name.
    Many,
}

/// The sections of a file.
pub(crate) type Layout = &'static [(&'static str, Shape)];

/// Why a path leads nowhere, and what to do about it.
struct Astray {
    message: String,
    help: String,
}

/// Lays everything over `table`. Variables for a section of `other`, the file of another program
/// started with the same environment, are passed over.
pub(crate) fn lay(table: &mut Table, findings: &mut Findings, own: Layout, other: Layout) {
    let source = findings.source().clone();
    for (index, given) in source.variables.iter().enumerate() {
        let name = Place::Variable { index, part: Part::Name };
        if given.alias().is_some() {
            continue;
        }
        let Some(path) = given.variable_path() else {
            warn_of_single_underscore(findings, name, &given.name, own);
            continue;
        };
        let section = path.first().map_or("", String::as_str);
        if has(other, section) && !has(own, section) {
            continue;
        }
        let place = Place::Variable { index, part: Part::Value };
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        if let Err(astray) = set(table, &segments, &given.value, place, own) {
            findings.error(name, astray.message, astray.help);
        }
    }
    lay_aliases(table, findings, own);
    for (index, given) in source.flags.iter().enumerate() {
        let place = Place::Flag { index, part: Part::Value };
        let path = given.flag_path();
        let segments: Vec<&str> = path.iter().map(String::as_str).collect();
        if let Err(astray) = set(table, &segments, &given.value, place, own) {
            findings.error(place.of_name(), astray.message, astray.help);
        }
    }
}

/// Variables that have a meaning elsewhere too say only what nothing else says, and make no
/// section. An empty text says nothing. Who set one that does not count hears so.
fn lay_aliases(table: &mut Table, findings: &mut Findings, own: Layout) {
    let source = findings.source().clone();
    // Of two for one setting the last by name counts: SERVICE_MODE, and not its longer alias.
    for (index, given) in source.variables.iter().enumerate().rev() {
        let Some((section, key)) = given.alias().filter(|(section, _)| has(own, section)) else {
            continue;
        };
        let said = match table.get(section).map(|node| &node.value) {
            None if section == "switch" => None,
            Some(Value::Table(inside)) => inside.get(key).map(|node| &node.value),
            None | Some(_) => continue,
        };
        let place = Place::Variable { index, part: Part::Value };
        match said {
            None => {}
            Some(Value::Text(text) | Value::Given(text)) if text.is_empty() => {}
            Some(Value::Text(text) | Value::Given(text)) if *text == given.value => continue,
            Some(Value::Boolean(is)) if is.to_string() == given.value => continue,
            Some(_) => {
                let name = &given.name;
                let message = format!("`{name}` is ignored: `{key}` of [{section}] says otherwise");
                let longer = format!("VEKSEL_{section}__{key}").to_ascii_uppercase();
                let help = format!("`{longer}` counts more than the file");
                findings.warning(place, message, help);
                continue;
            }
        }
        if let Err(astray) = set(table, &[section, key], &given.value, place, own) {
            findings.error(place, astray.message, astray.help);
        }
    }
}

/// Notes that the file is one of another program: it has sections of `other` and none of `own`.
/// What else is wrong with it would only hide that.
pub(crate) fn is_of_another(
    table: &Table,
    findings: &mut Findings,
    (own, other): (Layout, Layout),
    (message, help): (&str, &str),
) -> bool {
    if table.0.iter().any(|entry| has(own, &entry.key)) {
        return false;
    }
    let telling = table.0.iter().find(|entry| has(other, &entry.key));
    if let Some(entry) = telling {
        findings.error(entry.key_place, message, help);
    }
    telling.is_some()
}

fn has(layout: Layout, section: &str) -> bool {
    layout.iter().any(|(name, _)| *name == section)
}

/// `VEKSEL_ADMIN_LISTEN` looks like a setting and is none.
fn warn_of_single_underscore(findings: &mut Findings, place: Place, name: &str, own: Layout) {
    let lower = name.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("veksel_") else { return };
    let section = own.iter().find_map(|(section, _)| {
        rest.strip_prefix(section)?.strip_prefix('_').map(|key| (*section, key.to_owned()))
    });
    if let Some((section, key)) = section.filter(|(_, key)| !key.is_empty()) {
        let meant = format!("VEKSEL_{section}__{key}").to_ascii_uppercase();
        let message = format!("`{name}` is not a setting and is ignored");
        findings.warning(place, message, format!("did you mean `{meant}`?"));
    }
}

fn set(
    table: &mut Table,
    path: &[&str],
    text: &str,
    place: Place,
    layout: Layout,
) -> Result<(), Astray> {
    let (section, rest) = path.split_first().unwrap_or((&"", &[]));
    let Some((section, shape)) = layout.iter().find(|(name, _)| name == section) else {
        let sections: Vec<&str> = layout.iter().map(|(name, _)| *name).collect();
        let help = match nearest(section, &sections) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("expected one of {}", listed(&sections)),
        };
        return Err(Astray { message: format!("unknown section `{section}`"), help });
    };
    let whole = match shape {
        Shape::One => rest.iter().all(|segment| !segment.is_empty()) && !rest.is_empty(),
        Shape::Many => rest.iter().all(|segment| !segment.is_empty()) && rest.len() >= 2,
    };
    if !whole {
        let help = match shape {
            Shape::One => format!("`{section}` and a key are needed"),
            Shape::Many => format!("`{section}`, a name and a key are needed"),
        };
        return Err(Astray { message: "the path is incomplete".to_owned(), help });
    }
    match (shape, rest.split_first()) {
        (Shape::Many, Some((name, rest))) => {
            insert(element(table, section, name)?, rest, text, place)
        }
        (Shape::One | Shape::Many, _) => insert(inner(table, section, place)?, rest, text, place),
    }
}

/// The element of a `[[…]]` section that has this name.
fn element<'t>(table: &'t mut Table, section: &str, name: &str) -> Result<&'t mut Table, Astray> {
    let items = match table.get_mut(section).map(|node| &mut node.value) {
        Some(Value::List(items)) => items.as_mut_slice(),
        Some(_) | None => &mut [],
    };
    let names: Vec<String> = items.iter().filter_map(name_of).collect();
    let found = items
        .iter_mut()
        .find(|node| name_of(node).is_some_and(|other| normal(&other) == normal(name)));
    match found.map(|node| &mut node.value) {
        Some(Value::Table(inner)) => Ok(inner),
        Some(_) | None => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let help = match nearest(name, &names) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if names.is_empty() => format!("the file has no [[{section}]]"),
                None => format!("expected one of {}", listed(&names)),
            };
            Err(Astray { message: format!("no [[{section}]] is named `{name}`"), help })
        }
    }
}

fn name_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Table(table) => table.name().map(str::to_owned),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Float
        | Value::Boolean(_)
        | Value::Datetime
        | Value::List(_)
        | Value::Given(_) => None,
    }
}

/// Names of variables cannot hold hyphens.
fn normal(name: &str) -> String {
    name.replace('-', "_").to_ascii_lowercase()
}

/// The table at `key`, made if it is not there.
fn inner<'t>(table: &'t mut Table, key: &str, place: Place) -> Result<&'t mut Table, Astray> {
    let position = table.0.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
        let node = Node { value: Value::Table(Table::default()), place: place.of_name() };
        table.0.push(Entry { key: key.to_owned(), key_place: place.of_name(), node });
        table.0.len() - 1
    });
    match table.0.get_mut(position).map(|entry| &mut entry.node.value) {
        Some(Value::Table(inner)) => Ok(inner),
        Some(_) | None => Err(Astray {
            message: format!("`{key}` is not a table"),
            help: "nothing can be set inside it".to_owned(),
        }),
    }
}

fn insert(table: &mut Table, path: &[&str], text: &str, place: Place) -> Result<(), Astray> {
    let Some((last, tables)) = path.split_last() else { return Ok(()) };
    let mut table = table;
    for key in tables {
        table = inner(table, &normal(key), place)?;
    }
    let node = Node { value: Value::Given(text.to_owned()), place };
    let key = normal(last);
    match table.0.iter_mut().find(|entry| entry.key == key) {
        Some(entry) => {
            entry.node = node;
            entry.key_place = place.of_name();
        }
        None => table.0.push(Entry { key, key_place: place.of_name(), node }),
    }
    Ok(())
}
