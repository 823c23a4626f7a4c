//! What iso8583_rs makes of messages, for comparison: parse, assemble, bench.

#[path = "../../rust_peer.rs"]
mod rust_peer;

use iso8583_rs::iso8583::iso_spec::{IsoMsg, Spec, new_msg, spec};
use rust_peer::{Answer, Line, Peer, run};
use std::collections::BTreeMap;
use std::error::Error;

struct Iso8583Rs(&'static Spec);

impl Peer for Iso8583Rs {
    type Message = IsoMsg;
    const LAZY: bool = true;

    fn decode(&self, frame: &[u8]) -> Answer<()> {
        self.0.parse(&mut frame.to_vec()).map(drop).map_err(|error| error.msg)
    }

    fn read(&self, frame: &[u8]) -> Answer<(String, BTreeMap<u8, String>)> {
        let message = self.0.parse(&mut frame.to_vec()).map_err(|error| error.msg)?;
        let mti = message.get_field_value(&"message_type".to_owned()).map_err(|e| e.msg)?;
        let mut fields = BTreeMap::new();
        for number in (2..=128).filter(|number| *number != 65 && message.bmp.is_on(*number)) {
            let value = message.bmp_child_value(number).map_err(|error| error.msg)?;
            fields.insert(u8::try_from(number).map_err(|error| error.to_string())?, value);
        }
        Ok((mti, fields))
    }

    fn build(&self, line: &Line) -> Answer<IsoMsg> {
        let segment = self.0.get_message_from_header(&line.mti).map_err(|error| error.msg)?;
        let mut message = new_msg(self.0, segment);
        message.set("message_type", &line.mti).map_err(|error| error.msg)?;
        for (number, value) in line.texts() {
            message.set_on(number.into(), value).map_err(|error| error.msg)?;
        }
        Ok(message)
    }

    fn encode(&self, message: &IsoMsg) -> Answer<Vec<u8>> {
        message.assemble().map_err(|error| error.msg)
    }
}

#[allow(unsafe_code, reason = "the crate takes its specification from the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, mode, specification, input, output] = arguments.as_slice() else {
        return Err("peer parse|assemble|bench SPEC INPUT OUTPUT".into());
    };
    // SAFETY: there is one thread, and nothing has read the environment yet.
    unsafe { std::env::set_var("SPEC_FILE", specification) };
    run(&Iso8583Rs(spec("")), mode, input, output)
}
