//! What iso8583-codec-rs makes of messages, for comparison: parse, assemble, bench.
//!
//! Its functions on bytes are used, not those on hexadecimal text.

#[path = "../../rust_peer.rs"]
mod rust_peer;

use iso8583_codec_rs::iso8583::{parse_bytes, publish_bytes};
use iso8583_codec_rs::{LoadedSpec, load_spec};
use rust_peer::{Answer, Line, Peer, run};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::error::Error;

struct CodecRs(LoadedSpec);

impl Peer for CodecRs {
    type Message = Value;
    const LAZY: bool = false;

    fn decode(&self, frame: &[u8]) -> Answer<()> {
        parse_bytes(frame, &self.0).map(drop).map_err(|error| error.to_string())
    }

    fn read(&self, frame: &[u8]) -> Answer<(String, BTreeMap<u8, String>)> {
        let message = parse_bytes(frame, &self.0).map_err(|error| error.to_string())?;
        let mti = message["mti"].as_str().ok_or("no type")?.to_owned();
        let fields = message["fields"].as_object().ok_or("no fields")?;
        let field = |(key, value): (&String, &Value)| {
            let number = key.get(2..5).and_then(|number| number.parse().ok());
            Some((number?, value.as_str()?.to_owned()))
        };
        let fields: Option<_> = fields.iter().map(field).collect();
        Ok((mti, fields.ok_or("a field has no value")?))
    }

    fn build(&self, line: &Line) -> Answer<Value> {
        let fields: Map<String, Value> = line
            .texts()
            .map(|(number, value)| (format!("de{number:03}_f"), value.into()))
            .collect();
        Ok(json!({ "mti": line.mti, "fields": fields }))
    }

    fn encode(&self, message: &Value) -> Answer<Vec<u8>> {
        publish_bytes(message, &self.0).map_err(|error| error.to_string())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, mode, specification, input, output] = arguments.as_slice() else {
        return Err("peer parse|assemble|bench SPEC INPUT OUTPUT".into());
    };
    let specification = load_spec(&std::fs::read_to_string(specification)?)?;
    run(&CodecRs(specification), mode, input, output)
}
