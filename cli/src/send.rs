//! `veksel send`: one request, one answer.
//!
//! The request is made in `request`, carried in `wire` and the answer read in `answer`; here they
//! are put in order and shown.

use crate::answer::Answer;
use crate::arguments::Send;
use crate::hex;
use crate::link::Link;
use crate::masking::Shown;
use crate::output::{Exit, Failure, Output};
use crate::request;
use crate::wire;
use crate::words;
use bytes::BytesMut;
use serde_json::{Value, json};
use veksel_codecs::{Codec, EncodeError, Message, Refusal};

/// Sends a request and prints the answer.
///
/// # Errors
/// When the request is none, or no answer to it came.
pub(crate) fn send(arguments: &Send, output: Output) -> Result<Exit, Failure> {
    let options = &arguments.options;
    let link = Link::of(&options.link, Some(&options.to), options.tls.as_deref())?;
    let request = request::build(arguments, &link.codec, jiff::Timestamp::now())?;
    if !options.no_check {
        link.codec
            .check(&request, true)
            .map_err(|refusal| refused(&link.codec, &request, refusal))?;
    }
    let mut frame = BytesMut::new();
    link.write(&request, &mut frame).map_err(|error| unwritable(&link.codec, error))?;
    let show = options.show && !output.json;
    if show {
        output.print(format!("request {}", shown(&link, &request, options.clear, output)?))?;
    }
    let exchange = wire::exchange(&link, &request, &frame, options.timeout)?;
    let answer = Answer::of(&exchange, &link.codec);
    if output.json {
        let mut map = answer.json();
        map.insert("request".into(), json_of(&link, &request, options.clear, options.show)?);
        let response = json_of(&link, &exchange.answer, options.clear, options.show)?;
        map.insert("response".into(), response);
        output.print_json(&Value::Object(map))?;
    } else {
        if show {
            let response = shown(&link, &exchange.answer, options.clear, output)?;
            output.print(format!("response {response}"))?;
        }
        output.print(answer.text(output))?;
        if arguments.kind.is_none() && !show {
            let fields = fields(&link, &exchange.answer)?;
            let shown = Shown::of(&link.codec, &fields, None, options.clear);
            let lines = link.codec.describe(&fields);
            let rows = words::field_rows(&lines, &shown, options.clear);
            output.print(output.table(words::FIELD_HEADER, rows))?;
        }
    }
    Ok(if answer.is_approved() { Exit::Yes } else { Exit::No })
}

/// The message as its bytes are read back, so that every field has its offset.
fn fields(link: &Link, message: &Message) -> Result<Message, Failure> {
    let mut bytes = BytesMut::new();
    link.codec.encode(message, &mut bytes).map_err(|error| unwritable(&link.codec, error))?;
    let mut read = Message::new();
    let result = link.codec.decode_into(&bytes, &mut read);
    result.map_err(|error| Failure::no("unreadable", error.to_string()))?;
    Ok(read)
}

fn shown(link: &Link, message: &Message, clear: bool, output: Output) -> Result<String, Failure> {
    let message = fields(link, message)?;
    let shown = Shown::of(&link.codec, &message, None, clear);
    let lines = link.codec.describe(&message);
    let (mti, length) = (message.mti(), message.frame().len());
    let table = output.table(words::FIELD_HEADER, words::field_rows(&lines, &shown, clear));
    let bytes: Vec<_> = shown.bytes().collect();
    let dump = hex::dump(&bytes);
    Ok(format!("{mti} {}, {length} bytes\n{table}{dump}\n", words::mti(mti)))
}

fn json_of(link: &Link, message: &Message, clear: bool, show: bool) -> Result<Value, Failure> {
    let message = fields(link, message)?;
    let shown = Shown::of(&link.codec, &message, None, clear);
    let lines = link.codec.describe(&message);
    Ok(json!({
        "mti": message.mti().as_str(),
        "meaning": words::mti(message.mti()),
        "fields": words::fields(&lines, &shown, clear),
        "hex": show.then(|| hex::line(shown.bytes())),
    }))
}

/// A request that breaks the rules of the dialect, before anybody else has to say so.
fn refused(codec: &Codec, request: &Message, refusal: Refusal) -> Failure {
    let dialect = codec.dialect().name();
    let message = match refusal {
        Refusal::Format(error) => {
            format!("{}: {}", words::field(codec, error.path.field), error.fault)
        }
        Refusal::UnknownType => format!("dialect {dialect} has no message type {}", request.mti()),
        // The rules of a dialect say nothing of keys.
        Refusal::Unauthentic => "its MAC is missing or wrong".to_owned(),
        Refusal::UnknownCode => {
            format!("dialect {dialect} has no {} with this processing code", request.mti())
        }
    };
    Failure::no("invalid", message).help("nothing was sent; --no-check sends it all the same")
}

fn unwritable(codec: &Codec, error: EncodeError) -> Failure {
    let message = match error {
        EncodeError::Field { path, fault } => {
            format!("{}: {fault}", words::field(codec, path.field))
        }
        EncodeError::Frame(error) => error.to_string(),
    };
    Failure::no("invalid", message).help("nothing was sent")
}
