//! The section about traces, value by value.

use super::outside::as_url;
use super::{ServiceMode, TraceConfig};
use crate::section::{Missing, Section};

/// Of a hundred, so many are recorded where nothing else is said (http-contracts S1 7.2).
const REAL: u32 = 10;
const TRIED_OUT: u32 = 100;

pub(super) fn trace(mut section: Section<'_>, mode: ServiceMode) -> TraceConfig {
    let expected = "an address, http:// or https://, or empty";
    let missing = Missing::Default(String::new());
    let parse = |text: &str| if text.is_empty() { Ok(String::new()) } else { as_url(text) };
    let endpoint = section.parsed("endpoint", missing, expected, parse, String::clone);
    let expected = "\"auto\", or a part such as \"10%\"";
    let parse = |text: &str| match text {
        "auto" => Ok(None),
        _ => {
            let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
            let percent = percent.filter(|percent: &u32| *percent <= 100);
            percent.map(Some).ok_or_else(|| "this is neither".to_owned())
        }
    };
    let show = |percent: &Option<u32>| {
        percent.map_or_else(|| "auto".to_owned(), |percent| format!("{percent}%"))
    };
    let sampling = section.parsed("sampling", Missing::Default(None), expected, parse, show);
    let usual = match mode {
        ServiceMode::Production => REAL,
        ServiceMode::Mock | ServiceMode::Sandbox => TRIED_OUT,
    };
    TraceConfig {
        endpoint: Some(endpoint.value).filter(|endpoint| !endpoint.is_empty()),
        percent: sampling.value.unwrap_or(usual),
    }
}
