//! Key files, and what sealing a card number promises.

use crate::sample::{golden_sealer, keys, payment};
use std::sync::Arc;
use veksel_core::record::{Record, RecordId};
use veksel_store::bytes::{Flaw, decode, encode};
use veksel_store::keys::Sealer;
use veksel_store::{KeyError, Keys, Purpose};

#[cfg(unix)]
#[test]
fn a_key_file_is_made_private_and_read_back() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.key");
    let made = Keys::create(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, std::fs::read(&path).unwrap().len()), (0o600, 32));
    let read = Keys::load(&path).unwrap();
    assert_eq!(made.secret(Purpose::Digest), read.secret(Purpose::Digest));
    assert!(matches!(Keys::create(&path), Err(KeyError::File { .. })), "made twice");
    for exposed in [0o640, 0o604, 0o660, 0o610] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(exposed)).unwrap();
        let error = Keys::load(&path).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode, .. } if mode == exposed));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}

#[test]
fn a_key_file_of_another_length_is_refused() {
    for length in [0, 31, 1_025, 100_000] {
        let error = Keys::new(&vec![1; length]).unwrap_err();
        assert!(matches!(error, KeyError::Length { found } if found == length));
    }
    assert!(Keys::new(&[1; 1_024]).is_ok());
}

#[test]
fn purposes_and_files_have_keys_of_their_own() {
    let (one, two) = (keys(), Keys::new(&[8; 32]).unwrap());
    let all = [Purpose::Index, Purpose::Digest, Purpose::Audit];
    let mut secrets: Vec<_> = all.iter().map(|purpose| *one.secret(*purpose)).collect();
    secrets.extend(all.iter().map(|purpose| *two.secret(*purpose)));
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 6);
}

#[test]
fn nothing_secret_is_printed() {
    assert_eq!(format!("{:?}", keys()), "Keys(****)");
    assert_eq!(format!("{:?}", Sealer::new(keys())), "Sealer(****)");
}

#[test]
fn a_sealed_card_is_bound_to_its_record_its_participant_and_its_key() {
    let id = RecordId(42);
    let mut bytes = Vec::new();
    encode(id, &payment(3), &mut golden_sealer(), &mut bytes).unwrap();
    assert!(!bytes.windows(10).any(|part| part == b"4111111111"), "the number is in clear");
    assert_eq!(decode(id, &bytes, &mut golden_sealer()), Ok(payment(3)));

    let moved = decode(RecordId(43), &bytes, &mut golden_sealer()).unwrap_err();
    assert_eq!((moved.field, moved.flaw), ("pan", Flaw::Tampered));

    let other = Arc::new(Keys::new(&[8; 32]).unwrap());
    let sealed_elsewhere = decode(id, &bytes, &mut Sealer::new(other)).unwrap_err();
    assert_eq!((sealed_elsewhere.field, sealed_elsewhere.flaw), ("pan", Flaw::Key));

    let at = bytes.windows(3).position(|part| part == b"atm").unwrap();
    bytes[at] = b'b';
    let renamed = decode(id, &bytes, &mut golden_sealer()).unwrap_err();
    assert_eq!((renamed.field, renamed.flaw), ("pan", Flaw::Tampered));
}

#[test]
fn equal_cards_have_unequal_bytes() {
    let mut sealer = Sealer::new(keys());
    let mut seal = |record: &Record| {
        let mut bytes = Vec::new();
        encode(RecordId(1), record, &mut sealer, &mut bytes).unwrap();
        bytes
    };
    assert_ne!(seal(&payment(3)), seal(&payment(3)));
}

#[test]
fn a_card_opens_in_every_segment_in_any_order() {
    let mut sealer = Sealer::new(keys());
    let ids = [1, 1 << 24, (1 << 24) - 1, u64::MAX, 2].map(RecordId);
    let sealed = ids.map(|id| {
        let mut bytes = Vec::new();
        encode(id, &payment(3), &mut sealer, &mut bytes).unwrap();
        bytes
    });
    for (id, bytes) in ids.iter().zip(&sealed).rev() {
        assert_eq!(decode(*id, bytes, &mut sealer), Ok(payment(3)));
    }
}
