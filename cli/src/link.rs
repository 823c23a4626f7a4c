//! The far end of a connection as flags name it: address, dialect and framing.
//!
//! The flags are the keys of a `[terminals]` section and are read by the code that reads one, so
//! that a word means the same on the command line and in a file. Nothing is connected here.

use crate::arguments::LinkFlags;
use crate::output::{Exit, Failure};
use bytes::BytesMut;
use veksel_codecs::{Codec, Dialect, EncodeError, Framing, Message, dialect};
use veksel_config::{Destination, DialectName, Problems, Source, TerminalsConfig, load_simulator};
use veksel_link::{MacFault, Macs, TlsClient};

/// What is spoken where nobody says so.
pub(crate) const DIALECT: &str = "cbs-ascii-bin";

/// Where to connect and what is spoken there.
#[derive(Debug)]
pub(crate) struct Link {
    /// Not looked up yet.
    pub(crate) destination: Destination,
    /// Of its dialect.
    pub(crate) codec: Codec,
    /// How its messages are delimited.
    pub(crate) framing: Framing,
    /// `None` neither makes nor checks any.
    macs: Option<Macs>,
    /// `None` is plaintext.
    pub(crate) tls: Option<TlsClient>,
}

impl Link {
    /// The link that the flags describe.
    ///
    /// # Errors
    /// When a flag makes no sense, or the dialect file is wrong.
    pub(crate) fn of(
        flags: &LinkFlags,
        to: Option<&str>,
        tls: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut settings = vec![("terminals.rate".to_owned(), "1".to_owned())];
        settings.extend(to.map(|to| ("terminals.connect".to_owned(), to.to_owned())));
        settings.push(("terminals.dialect".to_owned(), flags.dialect.clone()));
        settings.extend(table_settings("framing", "length", flags.framing.as_deref()));
        settings.extend(table_settings("mac", "algorithm", flags.mac.as_deref()));
        settings.extend(table_settings("tls", "ca", tls));
        settings.extend(tls.map(|_| ("terminals.tls.enabled".to_owned(), "true".to_owned())));
        let sections = "[terminals]\n[terminals.framing]\n[terminals.mac]\n[terminals.tls]\n";
        let source = Source::text("flags", sections).known_dialects(&dialects()).flags(settings);
        let config = load_simulator(source).map_err(|wrong| refused(wrong, to))?;
        let Some(TerminalsConfig { connect, dialect, framing, mac, tls, .. }) = config.terminals
        else {
            return Err(Failure::usage("the flags describe no link"));
        };
        let codec = codec(&dialect)?;
        let macs = mac.map(|mac| Macs::load(&mac, &codec)).transpose();
        let macs = macs.map_err(|error| Failure::configuration(format!("--mac: {error}")))?;
        let tls = tls.map(|tls| TlsClient::load(&tls, &connect.host)).transpose();
        let tls = tls.map_err(|error| Failure::configuration(format!("--tls: {error}")))?;
        Ok(Self { destination: connect, codec, framing, macs, tls })
    }

    /// Appends a message as it goes over the wire.
    ///
    /// # Errors
    /// The first field that does not fit.
    pub(crate) fn write(&self, message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.framing.encode(&[], out, |out| match &self.macs {
            Some(macs) => macs.encode(&self.codec, message, out),
            None => self.codec.encode(message, out),
        })
    }

    /// Whether a message may be believed.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn authenticate(&self, message: &Message) -> Result<(), MacFault> {
        self.macs.as_ref().map_or(Ok(()), |macs| macs.check(message))
    }
}

/// TLS to `IP:port` as `--tls` describes it.
///
/// # Errors
/// When the flag makes no sense, or a file cannot be used.
pub(crate) fn tls_to(to: &str, flag: &str) -> Result<TlsClient, Failure> {
    // What else a link has is not used.
    let flags = LinkFlags { dialect: DIALECT.to_owned(), framing: None, mac: None };
    let link = Link::of(&flags, Some(to), Some(flag))?;
    link.tls.ok_or_else(|| Failure::usage("--tls is switched off by `enabled`"))
}

/// The dialects that this binary carries.
pub(crate) fn dialects() -> Vec<&'static str> {
    dialect::SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// `ascii4,counts_itself,tpdu=6000010000`: the `first` key's value by its name alone, switches by
/// theirs, and the other keys with their values.
fn table_settings(table: &str, first: &str, text: Option<&str>) -> Vec<(String, String)> {
    let setting = |part: &str| {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (key.trim().replace('-', "_"), value.trim().to_owned()),
            None if part.starts_with("counts") => (part.replace('-', "_"), "true".to_owned()),
            None => (first.to_owned(), part.to_owned()),
        };
        (format!("terminals.{table}.{key}"), value)
    };
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(setting).collect()
}

/// The codec of a dialect, which may be a file.
///
/// # Errors
/// When the file cannot be read or is wrong.
pub(crate) fn codec(name: &DialectName) -> Result<Codec, Failure> {
    let dialect = match name {
        DialectName::Shipped(name) => Dialect::shipped(name),
        DialectName::File(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                let message = format!("dialect {} cannot be read: {error}", path.display());
                Failure::configuration(message)
            })?;
            Dialect::parse(&text)
        }
    };
    dialect.map(Codec::new).map_err(|error| Failure::configuration(error.to_string()))
}

/// The same complaint about the flag that the user wrote.
fn refused(problems: Problems, to: Option<&str>) -> Failure {
    let Some(problem) = problems.0.into_iter().next() else {
        return Failure::usage("the flags describe no link");
    };
    let source = problem.source.unwrap_or_default();
    let message = match (source.trim_start_matches("flag --terminals."), to) {
        // An option of one command and the argument of another.
        ("connect", Some(to)) => format!("{to:?} is not HOST:PORT"),
        ("dialect", _) => format!("--dialect: {}", problem.message),
        (key, _) if key.starts_with("mac") => format!("--mac: {}", problem.message),
        (key, _) if key.starts_with("tls") => format!("--tls: {}", problem.message),
        _ => format!("--framing: {}", problem.message),
    };
    Failure::Said { exit: Exit::Usage, kind: "usage", message, help: problem.help }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::{Header, KeepAlive, LengthForm};

    fn link(framing: &str) -> Result<Link, Failure> {
        let dialect = "cbs-ascii-bin".to_owned();
        Link::of(&LinkFlags { dialect, framing: Some(framing.to_owned()), mac: None }, None, None)
    }

    #[test]
    fn framings() {
        assert_eq!(link("binary2").unwrap().framing, Framing::binary2());
        let framing =
            link("ascii4, counts-itself,tpdu=6000010000,keep-alive=echo").unwrap().framing;
        let expected = Framing {
            length: LengthForm::Ascii4,
            counts_itself: true,
            header: Header::Tpdu([0x60, 0, 1, 0, 0]),
            keep_alive: KeepAlive::Echo,
            ..Framing::binary2()
        };
        assert_eq!(framing, expected);
        let bare = link("message,trailer=0D0A").unwrap().framing;
        assert_eq!((bare.length, &bare.trailer[..]), (LengthForm::Message, &b"\r\n"[..]));
        assert!(link("message,keep-alive=echo").is_err());
    }

    #[test]
    fn a_wrong_flag_is_named_and_the_right_one_suggested() {
        let Failure::Said { exit, message, help, .. } = link("binray2").unwrap_err() else {
            panic!("not said");
        };
        assert_eq!(exit, Exit::Usage);
        assert!(message.starts_with("--framing: `length` must be one of"), "{message}");
        assert_eq!(help.as_deref(), Some("did you mean `binary2`?"));
        let flags = LinkFlags { dialect: "cbs-ascii-bim".to_owned(), framing: None, mac: None };
        let Failure::Said { message, .. } = Link::of(&flags, None, None).unwrap_err() else {
            panic!("not said");
        };
        assert!(message.starts_with("--dialect:"), "{message}");
    }
}
