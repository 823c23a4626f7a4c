//! Judges requests and answers by an `OpenAPI` 3.0 description.
//!
//! Of the Berlin Group's file it has to be known that its patterns are not anchored, and that a
//! body of the JSON payments is to be judged by `paymentInitiation_json` alone, because the
//! operation allows any of several forms that do not exclude each other. Payment products of
//! single countries are defined elsewhere, so path parameters are not judged.

use axum::http::HeaderMap;
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use std::fs;

pub(crate) struct Oracle {
    document: Value,
}

pub(crate) struct Operation {
    /// Its `operationId`.
    pub(crate) id: String,
    value: Value,
}

impl Oracle {
    /// Reads the description that `BG_OPENAPI` names; `None`, said loudly, if it names none.
    pub(crate) fn of_environment() -> Option<Self> {
        let Ok(path) = std::env::var("BG_OPENAPI") else {
            eprintln!("!!! SKIPPED: BG_OPENAPI is not set, requests to banks are NOT checked");
            return None;
        };
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut document = serde_saphyr::from_str(&text).unwrap();
        anchor(&mut document);
        Some(Self { document })
    }

    /// The operation of a method and path; `None` if there is none.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<Operation> {
        let parts: Vec<&str> = path.split('/').collect();
        let paths = self.document["paths"].as_object().unwrap();
        let fits = |template: &str| {
            let template: Vec<&str> = template.split('/').collect();
            let same = |(name, part): (&&str, &&str)| name.starts_with('{') || name == part;
            template.len() == parts.len() && template.iter().zip(&parts).all(same)
        };
        // What is written out wins over what is a parameter.
        let found = paths.iter().filter(|(template, _)| fits(template));
        let (_, item) = found.min_by_key(|(template, _)| template.matches('{').count())?;
        let value = item.get(method.to_ascii_lowercase())?.clone();
        Some(Operation { id: value["operationId"].as_str().unwrap().to_owned(), value })
    }

    /// What is wrong with a request.
    pub(crate) fn request(
        &self,
        operation: &Operation,
        path: &str,
        query: &str,
        headers: &HeaderMap,
        body: &Value,
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for parameter in operation.value["parameters"].as_array().unwrap() {
            let parameter = self.resolve(parameter);
            let name = parameter["name"].as_str().unwrap();
            let found = match parameter["in"].as_str().unwrap() {
                "header" => headers.get(name).map(|value| value.to_str().unwrap().to_owned()),
                "query" => query
                    .split('&')
                    .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                    .map(ToOwned::to_owned),
                _ => continue,
            };
            match found {
                Some(value) => {
                    let schema = &parameter["schema"];
                    let value = typed(&self.resolve(schema)["type"], &value);
                    let complaints = self.judge(schema, &value);
                    wrong.extend(complaints.into_iter().map(|what| format!("{name}: {what}")));
                }
                None if parameter["required"] == json!(true) => {
                    wrong.push(format!("{name} is missing"));
                }
                None => {}
            }
        }
        let is_payment = path.split('/').nth(2) == Some("payments") && path.split('/').count() == 4;
        if is_payment {
            let schema = json!({"$ref": "#/components/schemas/paymentInitiation_json"});
            wrong.extend(self.judge(&schema, body));
        } else if let Some(expected) = operation.value.get("requestBody") {
            let schema = &self.resolve(expected)["content"]["application/json"]["schema"];
            wrong.extend(self.judge(schema, body));
        }
        wrong
    }

    /// What is wrong with an answer.
    pub(crate) fn response(&self, operation: &Operation, status: u16, body: &Value) -> Vec<String> {
        let Some(response) = operation.value["responses"].get(status.to_string()) else {
            return vec![format!("{status} is no answer to {}", operation.id)];
        };
        match self.resolve(response).get("content") {
            Some(content) => self.judge(&content["application/json"]["schema"], body),
            None if body.is_null() => Vec::new(),
            None => vec!["there should be no body".to_owned()],
        }
    }

    /// Follows references within the document.
    fn resolve<'o>(&'o self, value: &'o Value) -> &'o Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer = reference.strip_prefix('#').unwrap();
                self.resolve(self.document.pointer(pointer).unwrap())
            }
            None => value,
        }
    }

    fn judge(&self, schema: &Value, instance: &Value) -> Vec<String> {
        assert!(schema.is_object(), "there is no schema");
        let mut whole: Map<String, Value> = Map::new();
        whole.insert("allOf".to_owned(), json!([schema]));
        whole.insert("components".to_owned(), self.document["components"].clone());
        let validator: Validator = jsonschema::options()
            .with_draft(Draft::Draft4)
            .should_validate_formats(true)
            .with_format("uuid", is_uuid)
            .build(&Value::Object(whole))
            .unwrap();
        let complaint = |error| format!("{error}");
        validator.iter_errors(instance).map(complaint).collect()
    }
}

/// A text from a header or query as its schema's type.
fn typed(kind: &Value, text: &str) -> Value {
    match kind.as_str() {
        Some("boolean" | "integer" | "number") => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        Some(_) | None => json!(text),
    }
}

fn is_uuid(text: &str) -> bool {
    let widths: Vec<usize> = text.split('-').map(str::len).collect();
    let is_hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    widths == [8, 4, 4, 4, 12] && text.bytes().all(is_hex)
}

/// Anchors every pattern: as they stand they are found anywhere in a text.
fn anchor(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(pattern) if name == "pattern" => {
                        *pattern = format!("^(?:{pattern})$");
                    }
                    other => anchor(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(anchor),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
