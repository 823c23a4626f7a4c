//! What a switch is made from beside its configuration: dialects and secret keys, from files.

use crate::start::StartError;
use std::path::Path;
use std::{fs, io};
use veksel_codecs::Dialect;
use veksel_config::{DialectName, SocketConfig, SwitchConfig};
use veksel_store::{KeyError, Keys};

/// The dialects of the sockets, in their order.
pub(crate) fn dialects(config: &SwitchConfig) -> Result<Vec<Dialect>, StartError> {
    config.sockets.iter().map(dialect).collect()
}

/// The dialect a socket speaks.
pub(crate) fn dialect(socket: &SocketConfig) -> Result<Dialect, StartError> {
    let name = match socket {
        SocketConfig::Listen(listen) => &listen.dialect,
        SocketConfig::Dial(dial) => &dial.dialect,
    };
    let wrong = |error: &dyn std::fmt::Display| StartError::Dialect(error.to_string());
    match name {
        DialectName::Shipped(name) => Dialect::shipped(name).map_err(|error| wrong(&error)),
        DialectName::File(path) => {
            let text = fs::read_to_string(path)
                .map_err(|error| wrong(&format_args!("{}: {error}", path.display())))?;
            Dialect::parse(&text).map_err(|error| wrong(&error))
        }
    }
}

/// The secret keys; made at the first start.
pub(crate) fn keys(path: &Path) -> Result<Keys, KeyError> {
    match Keys::load(path) {
        Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            tracing::info!(path = %path.display(), "making the key file; keep it safe and apart");
            Keys::create(path)
        }
        other => other,
    }
}
