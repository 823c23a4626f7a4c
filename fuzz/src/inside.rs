//! The two bodies for what stands inside fields: BER-TLV and parts. A finding is a panic.
//!
//! This file is compiled twice: into the fuzz targets and, by its path, into a test of `codecs`.
//! So it names nothing but the public API of `veksel-codecs` and `bytes`, and the other bodies.

use crate::bodies::masked;
use bytes::BytesMut;
use std::sync::OnceLock;
use veksel_codecs::nested::tlv::{Tlvs, put};
use veksel_codecs::nested::{Nested, Value, Values};
use veksel_codecs::{Codec, Dialect, FieldNumber, Message, Mti};

/// BER-TLV. Objects lie within the bytes, one after another with nothing but zeros between them,
/// or an error does; an object written again is the same object.
pub fn tlv(data: &[u8]) {
    let mut end = 0;
    let mut written = Vec::new();
    for object in Tlvs::new(data) {
        let object = match object {
            Ok(object) => object,
            Err(error) => {
                assert!((end..=data.len()).contains(&error.at), "{error:?} is elsewhere");
                return;
            }
        };
        assert!(data[end..object.start].iter().all(|byte| *byte == 0), "more than filler left out");
        assert_eq!(object.value, &data[object.value_start..object.end()]);
        end = object.end();
        written.clear();
        put(&mut written, object.tag, object.value);
        assert!(written.len() <= end - object.start, "a shorter length was there to be written");
        let again = Tlvs::new(&written).next().expect("an object").expect("a good one");
        assert_eq!((again.tag, again.value), (object.tag, object.value));
        if let Some(inner) = object.objects() {
            inner.take_while(Result::is_ok).for_each(drop);
        }
    }
    assert!(data[end..].iter().all(|byte| *byte == 0));
}

/// The dialect that has every form of parts.
fn codec() -> &'static Codec {
    static CODEC: OnceLock<Codec> = OnceLock::new();
    CODEC.get_or_init(|| {
        Codec::new(Dialect::parse(include_str!("inside.toml")).expect("the dialect is valid"))
    })
}

/// Parts. The first byte chooses the field, the rest is its content.
///
/// Any content has parts or an error within it, and nothing shows what is sensitive. If a check
/// accepts the content, every part that is the first of its name is found by its path, set to
/// what it is without changing a byte, and taken out without making the content bad.
pub fn nested(data: &[u8]) {
    let Some((choice, content)) = data.split_first() else { return };
    let codec = codec();
    let fields: Vec<_> = codec.dialect().fields().map(|(number, _)| number).collect();
    let number = fields[usize::from(*choice) % fields.len()];
    let mut message = Message::of(Mti::parse("0200").expect("a type"));
    message.set_binary(number, content);
    let is_binary = codec.dialect().field(number).is_some_and(|f| f.content.notation() == "b");
    if let Some(text) = core::str::from_utf8(content).ok().filter(|_| !is_binary) {
        message.set_text(number, text);
    }
    let view = message.nested(number, codec).expect("every field of the dialect has parts");
    within(view.values(), content.len());
    masked(codec, &message);
    match view.check() {
        Err(error) => {
            assert!(error.offset as usize <= content.len(), "{error} is outside of the field");
            assert!(error.additional_response().len() <= 25);
        }
        Ok(()) if codec.encode(&message, &mut BytesMut::new()).is_ok() => {
            each_path(view.values(), &mut |path, offset| {
                let found = view.get(path).expect("a content that was accepted");
                // A path names the first of several, which may not have what another has.
                if found.is_some_and(|found| found.offset() == offset) {
                    set_to_itself(&message, number, path);
                }
            });
        }
        Ok(()) => {}
    }
}

fn within(values: Values<'_>, width: usize) {
    let mut last = 0;
    for value in values {
        let Ok(value) = value else { return };
        assert!(value.offset() >= last && value.offset() as usize <= width, "{value:?}");
        last = value.offset();
        if let Some(inner) = value.values() {
            within(inner, width);
        }
    }
}

/// The paths of all parts within the field, and where those parts are.
fn each_path(values: Values<'_>, see: &mut dyn FnMut(&str, u32)) {
    for value in values {
        let value = value.expect("a content that was accepted");
        let path = value.path().short();
        see(path.split_once('.').expect("a part").1, value.offset());
        if let Some(inner) = value.values() {
            each_path(inner, see);
        }
    }
}

fn set_to_itself(message: &Message, number: FieldNumber, path: &str) {
    let codec = codec();
    let find = |view: &Nested<'_>| -> Vec<u8> {
        let value = view.get(path).expect("a good content").expect("a part that was listed");
        canonical(&value)
    };
    let value = find(&message.nested(number, codec).expect("the field"));
    let mut copy = message.clone();
    copy.set_part(number, path, &value, codec).expect("its own value");
    assert!(copy == *message, "field {number}: {path} set to what it is changed the field");
    if copy.remove_part(number, path, codec).is_ok() {
        let view = copy.nested(number, codec).expect("the field");
        let checked = view.check();
        assert!(checked.is_ok(), "field {number} is bad without {path}: {checked:?}");
    }
}

/// What setting takes: characters where a definition says so, otherwise bytes.
fn canonical(value: &Value<'_>) -> Vec<u8> {
    let path = value.path().short();
    let is_ber = ["55.", "34.01.", "127.25."].iter().any(|head| path.starts_with(head));
    match value.text().filter(|_| !is_ber) {
        Some(text) => text.as_bytes().to_vec(),
        None => value.bytes().to_vec(),
    }
}
