//! What of signing in a person must look at: nobody gets in until somebody does.

use core::fmt;
use std::sync::Arc;
use veksel_config::alert::Severity;
use veksel_core::enquiry::Failure;

/// Something is wrong with the provider, or with what it knows of us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// It does not know us, and answered with this status.
    Unknown(u16),
    /// It takes none of the configured ways to prove who we are.
    Unproven(Failure),
    /// Its keys are not to be had, or not the one that is needed.
    Keys(Failure),
    /// It cannot be asked.
    Unreachable(Failure),
}

impl Alarm {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Unknown(_) | Self::Unproven(_) => Severity::Critical,
            Self::Keys(_) | Self::Unreachable(_) => Severity::High,
        }
    }

    /// What it is, the same every time.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "client id invalid",
            Self::Unproven(_) => "client cannot prove who it is",
            Self::Keys(_) => "keys of the identity provider cannot be used",
            Self::Unreachable(_) => "identity provider unreachable",
        }
    }

    /// What is known of this time: words and codes, and nothing of a person.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Unknown(status) => {
                format!("nobody can sign in: it answered {status} to who we say we are")
            }
            Self::Unproven(failure) | Self::Keys(failure) | Self::Unreachable(failure) => {
                let why = failure.why.word();
                match failure.code.as_str() {
                    "" => format!("nobody can sign in: {why}"),
                    code => format!("nobody can sign in: {why} ({code})"),
                }
            }
        }
    }
}

/// Where alarms go; by default nowhere. A clone is the same.
#[derive(Clone)]
pub struct Alarms(Arc<dyn Fn(&Alarm) + Send + Sync>);

impl Alarms {
    /// Hands each to this, which must not wait.
    #[must_use]
    pub fn new(raise: impl Fn(&Alarm) + Send + Sync + 'static) -> Self {
        Self(Arc::new(raise))
    }

    /// Raises one, and says it in the log.
    pub(super) fn raise(&self, alarm: &Alarm) {
        tracing::error!(title = alarm.title(), "{}", alarm.message());
        (self.0)(alarm);
    }
}

impl Default for Alarms {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Alarms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarms").finish_non_exhaustive()
    }
}
