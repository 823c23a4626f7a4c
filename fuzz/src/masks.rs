//! The body for masking: what people may see of any text. A finding is a panic.
//!
//! This file is compiled twice: into the fuzz targets and, by its path, into a test of `codecs`.
//! So it names nothing but the public API of `veksel-codecs`.

use veksel_codecs::structured::track::{Track1, Track2, Track3};
use veksel_codecs::{FieldNumber, Message, Mti, Sensitivity, mask_account, mask_pan};

/// Masking. The first byte chooses a field number, the rest is what is to be masked.
///
/// A mask has the length of what it hides or says only that; it shows the first six and last four
/// of a card number of 13 or more, the last four of a longer account, else nothing. `Debug` of a
/// message and of a track shows no more.
pub fn mask(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    let text = &*String::from_utf8_lossy(data);
    let clear: Vec<char> = text.chars().collect();
    assert_eq!(Sensitivity::Open.mask(text), text);
    assert_eq!(Sensitivity::Secret.mask(text), "****");
    assert_eq!(Sensitivity::Private.mask(text), format!("<{} characters>", clear.len()));
    assert_eq!(Sensitivity::Pan.mask(text), mask_pan(text));
    assert_eq!(Sensitivity::Account.mask(text), mask_account(text));
    let (first, last) = if clear.len() >= 13 { (6, 4) } else { (0, 0) };
    hides(&clear, &mask_pan(text), first, last);
    hides(&clear, &mask_account(text), 0, if clear.len() > 4 { 4 } else { 0 });

    let pan = |shown: String, pan: &str| {
        assert!(shown.contains(&mask_pan(pan)), "{shown} has not the mask");
        // A few digits can stand in a date or a service code by chance.
        assert!(pan.len() < 8 || !shown.contains(pan), "a track shows its number");
    };
    if let Some(track) = Track1::parse(text) {
        let shown = format!("{track:?}");
        // What is shown of it says nothing of the name, not even by chance.
        let other = renamed(text);
        let other = Track1::parse(&other).map(|other| format!("{other:?}"));
        assert_eq!(other.as_ref(), Some(&shown), "a track shows its name");
        pan(shown, track.card.expose_pan());
    }
    if let Some(track) = Track2::parse(text) {
        pan(format!("{track:?}"), track.card.expose_pan());
    }
    if let Some(track) = Track3::parse(text) {
        let shown = format!("{track:?}");
        let most = shown.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        assert!(most <= Some(6), "track 3 shows {most:?} digits in a row");
    }

    if let Some(number) = FieldNumber::new(*choice).filter(|number| number.get() > 1) {
        let mut message = Message::of(Mti::known(b"0200"));
        let alone = format!("{message:?}");
        message.set_text(number, text);
        let shown = format!("{message:?}");
        let field = format!("{{{choice}}}");
        assert_eq!(shown, alone.replace("{}", &field), "a message shows more than its fields");
    }
}

/// A track 1 with another name of the same length.
fn renamed(track: &str) -> String {
    let parts: Vec<_> = track.splitn(3, '^').collect();
    let [head, name, rest] = parts[..] else { return track.to_owned() };
    let other = |c| if c == 'X' { 'Y' } else { 'X' };
    format!("{head}^{}^{rest}", name.chars().map(other).collect::<String>())
}

/// Every character between the first and the last ones is an asterisk, and nothing else is gone.
fn hides(clear: &[char], masked: &str, first: usize, last: usize) {
    let masked: Vec<char> = masked.chars().collect();
    assert_eq!(masked.len(), clear.len(), "a mask of another length");
    for (at, (shown, is)) in masked.iter().zip(clear).enumerate() {
        let is_shown = at < first || at >= clear.len() - last;
        assert_eq!(*shown, if is_shown { *is } else { '*' }, "character {at}");
    }
}
