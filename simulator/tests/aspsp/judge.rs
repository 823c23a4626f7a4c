//! Judges answers by an `OpenAPI` 3.0 description, by the few keywords that the Berlin Group's has.
//!
//! Known of that file: its patterns are not anchored, a payment is any of several forms that do
//! not exclude each other (judged by the single one alone), and a repeated order may be answered
//! 200 though only 201 is described (implementation guidelines 4.12).

use std::fs;

use serde_json::Value;

use crate::client::Answer;

pub(crate) struct Judge {
    document: Value,
}

impl Judge {
    /// Of the file that `BG_OPENAPI` names; `None`, said loudly, if it names none.
    pub(crate) fn of_environment() -> Option<Self> {
        let Ok(path) = std::env::var("BG_OPENAPI") else {
            crate::rig::say("BG_OPENAPI is not set, answers of banks are NOT checked");
            return None;
        };
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Some(Self { document: serde_saphyr::from_str(&text).unwrap() })
    }

    /// What is wrong with an answer to a method and a path as the description writes it.
    pub(crate) fn complaints(&self, method: &str, template: &str, answer: &Answer) -> Vec<String> {
        let status = match (method, template, answer.status) {
            ("post", "/v1/{payment-service}/{payment-product}", 200) => 201,
            (_, _, status) => status,
        };
        let response = &self.document["paths"][template][method]["responses"][status.to_string()];
        if response.is_null() {
            return vec![format!("{method} {template} is never answered {status}")];
        }
        let response = self.resolve(response);
        let mut found = Vec::new();
        if let Some(headers) = response["headers"].as_object() {
            for name in headers.keys() {
                let header = self.resolve(&headers[name]);
                if header["required"] == true && answer.header(name).is_none() {
                    found.push(format!("header {name} is missing"));
                }
            }
        }
        if answer.header("x-request-id").is_none() {
            found.push("X-Request-ID is not echoed".to_owned());
        }
        let kind = answer.header("content-type").unwrap_or_default().to_owned();
        let Some(content) = response["content"].as_object() else {
            if !answer.body.is_empty() {
                found.push("there is a body where none is described".to_owned());
            }
            return found;
        };
        if answer.body.is_empty() && [408, 415, 500, 503].contains(&status) {
            return found;
        }
        let Some(media) = content.get(&kind) else {
            found.push(format!("{kind} is not described for {status}"));
            return found;
        };
        let single = "/v1/{payment-service}/{payment-product}/{paymentId}";
        let schema = match (method, template, status) {
            ("get", path, 200) if path == single => {
                &self.document["components"]["schemas"]["paymentInitiationWithStatusResponse"]
            }
            _ => &media["schema"],
        };
        match serde_json::from_slice(&answer.body) {
            Ok(body) => self.value(schema, &body, "$", &mut found),
            Err(error) => found.push(error.to_string()),
        }
        found
    }

    /// What is wrong with a value by a named component.
    pub(crate) fn component(&self, name: &str, value: &Value) -> Vec<String> {
        let mut found = Vec::new();
        let schema = &self.document["components"]["schemas"][name];
        assert!(schema.is_object(), "{name} is not described");
        self.value(schema, value, "$", &mut found);
        found
    }

    fn resolve<'a>(&'a self, mut node: &'a Value) -> &'a Value {
        while let Some(place) = node["$ref"].as_str() {
            node = self.document.pointer(place.strip_prefix('#').unwrap()).unwrap();
        }
        node
    }

    fn value(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let schema = self.resolve(schema);
        let is_typed = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some(other) => panic!("type {other}"),
            None => true,
        };
        if !is_typed {
            found.push(format!("{at}: is not {}", schema["type"]));
            return;
        }
        if let Some(all) = schema["enum"].as_array()
            && !all.contains(value)
        {
            found.push(format!("{at}: {value} is not one of the values"));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.value(part, value, at, found);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = |choice: &&Value| {
                let mut wrong = Vec::new();
                self.value(choice, value, at, &mut wrong);
                wrong.is_empty()
            };
            if choices.iter().filter(fits).count() == 0 {
                found.push(format!("{at}: is none of the forms"));
            }
        }
        if let Some(text) = value.as_str() {
            let length = text.chars().count() as u64;
            let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
            if length > most || length < schema["minLength"].as_u64().unwrap_or(0) {
                found.push(format!("{at}: has {length} characters"));
            }
            let formed = schema["pattern"].as_str().is_none_or(|pattern| matches(pattern, text));
            let dated = match schema["format"].as_str() {
                Some("date") => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
                Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
                _ => true,
            };
            if !formed || !dated {
                found.push(format!("{at}: {text} has not the form"));
            }
        }
        if let Some(list) = value.as_array() {
            for (index, item) in list.iter().enumerate() {
                self.value(&schema["items"], item, &format!("{at}[{index}]"), found);
            }
        }
        if let Some(object) = value.as_object() {
            for name in schema["required"].as_array().into_iter().flatten() {
                if !object.contains_key(name.as_str().unwrap()) {
                    found.push(format!("{at}: {name} is missing"));
                }
            }
            for (name, member) in object {
                let at = format!("{at}.{name}");
                let known = &schema["properties"][name];
                match known.is_null() {
                    false => self.value(known, member, &at, found),
                    true if schema["additionalProperties"].is_object() => {
                        self.value(&schema["additionalProperties"], member, &at, found);
                    }
                    true => {}
                }
            }
        }
    }
}

/// The patterns of the file, anchored as they are meant.
fn matches(pattern: &str, text: &str) -> bool {
    let upper = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase());
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match pattern {
        "[A-Z]{2}" => text.len() == 2 && upper(text),
        "[A-Z]{3}" => text.len() == 3 && upper(text),
        "[a-zA-Z0-9]{1,30}" => (1..=30).contains(&text.len()) && letters(text),
        "[A-Z]{2,2}[0-9]{2,2}[a-zA-Z0-9]{1,30}" => {
            (5..=34).contains(&text.len())
                && text.is_ascii()
                && upper(&text[..2])
                && digits(&text[2..4])
                && letters(&text[4..])
        }
        "-?[0-9]{1,14}(\\.[0-9]{1,3})?" => {
            let text = text.strip_prefix('-').unwrap_or(text);
            let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
            (1..=14).contains(&whole.len())
                && (1..=3).contains(&fraction.len())
                && digits(whole)
                && digits(fraction)
        }
        other => panic!("no answer had the pattern {other} before: teach it here"),
    }
}
