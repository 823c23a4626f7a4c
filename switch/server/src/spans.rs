//! Messages and the calls that are made for them on their way to a collector of traces, if there is
//! one: bounded, in batches, on a thread of its own, and never waited for but by a stop, for a
//! moment. Without the feature `otlp` there is none.

use crate::observe::Metrics;
use crate::start::StartError;
use std::sync::mpsc as threads;
use std::time::Duration;
use veksel_adapters::{CallEvent, Traces};
use veksel_config::SwitchConfig;
use veksel_core::Carried;

/// How long a stop waits for what is left to be taken.
const FLUSH: Duration = Duration::from_secs(2);

/// Where spans go. A clone is the same.
#[derive(Clone)]
pub(crate) struct Spans {
    traces: Traces,
    #[cfg(feature = "otlp")]
    line: Option<otlp::Line>,
}

/// The end of the thread that posts them, when nobody has more for it.
pub(crate) struct Posting(Option<threads::Receiver<()>>);

impl Posting {
    /// Waits for what is left.
    pub(crate) fn end(self) {
        // What is left then is lost, as it is when no collector is there.
        let _ = self.0.map(|ended| ended.recv_timeout(FLUSH));
    }
}

/// What a message is called in a span: names of the plan, and a code of the table.
#[cfg_attr(not(feature = "otlp"), expect(dead_code, reason = "nobody is told"))]
pub(crate) struct Names<'a> {
    pub(crate) link: &'a str,
    pub(crate) route: &'a str,
    pub(crate) response: &'a str,
}

#[cfg(not(feature = "otlp"))]
impl Spans {
    /// # Errors
    ///
    /// If a collector is configured, because nothing here can speak to it.
    pub(crate) fn start(config: &SwitchConfig, _: &Metrics) -> Result<(Self, Posting), StartError> {
        match &config.trace.endpoint {
            None => Ok((Self::none(config.trace.percent), Posting(None))),
            Some(_) => {
                let why = "`endpoint` of [trace] needs a binary that was built with the feature \
                           \"otlp\"";
                Err(StartError::Outside(why.to_owned()))
            }
        }
    }

    fn none(percent: u32) -> Self {
        Self { traces: Traces::new(percent) }
    }

    /// Whether anybody wants them.
    pub(crate) const fn is_wanted(&self) -> bool {
        false
    }

    pub(crate) fn note(&self, _: &CallEvent) {}

    pub(crate) fn carried(&self, _: &Carried, _: &Names<'_>) {}
}

impl Spans {
    /// The traces that calls are in.
    pub(crate) fn traces(&self) -> Traces {
        self.traces.clone()
    }
}

#[cfg(feature = "otlp")]
impl Spans {
    /// # Errors
    ///
    /// If the collector of the configuration cannot be called.
    pub(crate) fn start(
        config: &SwitchConfig,
        metrics: &Metrics,
    ) -> Result<(Self, Posting), StartError> {
        let traces = Traces::new(config.trace.percent);
        let Some(endpoint) = &config.trace.endpoint else {
            return Ok((Self { traces, line: None }, Posting(None)));
        };
        let (line, ended) = otlp::Line::start(endpoint, &config.name, metrics)?;
        Ok((Self { traces: traces.with_roots(), line: Some(line) }, Posting(Some(ended))))
    }

    #[cfg(test)]
    fn none(percent: u32) -> Self {
        Self { traces: Traces::new(percent), line: None }
    }

    /// Whether anybody wants them.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.line.is_some()
    }

    /// A call has ended.
    pub(crate) fn note(&self, call: &CallEvent) {
        if let Some(line) = self.line.as_ref().filter(|_| call.span.is_sampled) {
            line.push(veksel_adapters::Recorded::Call(call.clone()));
        }
    }

    /// A message was answered.
    pub(crate) fn carried(&self, carried: &Carried, names: &Names<'_>) {
        let Some(line) = &self.line else { return };
        let Carried { kind, mti, txn, verdict, reason, elapsed, named, .. } = *carried;
        let span = self.traces.message(named, txn);
        if !span.is_sampled {
            return;
        }
        line.push(veksel_adapters::Recorded::Message(veksel_adapters::MessageEvent {
            link: names.link.to_owned(),
            route: names.route.to_owned(),
            kind: kind.word(),
            mti: mti.as_str().to_owned(),
            response: names.response.to_owned(),
            verdict: verdict.word(),
            reason: reason.word(),
            trace: txn.map(|txn| format!("txn-{}", txn.0)).unwrap_or_default(),
            span,
            elapsed_us: elapsed / 1_000,
            is_open: verdict == veksel_core::record::Verdict::Indefinite,
        }));
    }
}

#[cfg(test)]
impl Default for Spans {
    fn default() -> Self {
        Self::none(100)
    }
}

#[cfg(feature = "otlp")]
mod otlp {
    use super::{Metrics, StartError};
    use prometheus::IntCounterVec;
    use std::sync::mpsc as threads;
    use std::thread;
    use std::time::{Duration, SystemTime};
    use tokio::runtime::Builder;
    use tokio::sync::mpsc;
    use tokio::time::{Instant, timeout_at};
    use veksel_adapters::{Collector, Recorded};

    /// Spans that may wait, and how many are posted at once.
    const LINE_MAX: usize = 4_096;
    const BATCH_MAX: usize = 512;

    /// How long the first of a batch waits for others.
    const WAIT: Duration = Duration::from_secs(1);

    #[derive(Clone)]
    pub(super) struct Line {
        ended: mpsc::Sender<(Recorded, SystemTime)>,
        counted: IntCounterVec,
    }

    impl Line {
        /// Begins to post, and says where it is heard that nobody has more and all is posted.
        pub(super) fn start(
            endpoint: &str,
            switch: &str,
            metrics: &Metrics,
        ) -> Result<(Self, threads::Receiver<()>), StartError> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let collector = {
                let _entered = runtime.enter();
                Collector::new(endpoint, switch)
                    .map_err(|error| StartError::Outside(error.to_string()))?
            };
            let (ended, line) = mpsc::channel(LINE_MAX);
            let (posting, posted) = threads::sync_channel(0);
            let counted = metrics.spans.clone();
            let count = counted.clone();
            thread::Builder::new().name("traces".into()).spawn(move || {
                runtime.block_on(post(collector, line, count));
                drop(posting);
            })?;
            Ok((Self { ended, counted }, posted))
        }

        pub(super) fn push(&self, recorded: Recorded) {
            if self.ended.try_send((recorded, SystemTime::now())).is_err() {
                self.counted.with_label_values(&["dropped"]).inc();
            }
        }
    }

    async fn post(
        collector: Collector,
        mut line: mpsc::Receiver<(Recorded, SystemTime)>,
        counted: IntCounterVec,
    ) {
        let mut is_silent = false;
        while let Some(first) = line.recv().await {
            let mut batch = vec![first];
            let until = Instant::now() + WAIT;
            while batch.len() < BATCH_MAX {
                let Ok(Some(next)) = timeout_at(until, line.recv()).await else { break };
                batch.push(next);
            }
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            let taken = collector.take(&batch).await;
            let word = if taken.is_ok() { "taken" } else { "lost" };
            counted.with_label_values(&[word]).inc_by(count);
            match taken {
                Ok(()) => is_silent = false,
                // Once for each time that it goes away.
                Err(why) if !is_silent => {
                    tracing::warn!(why, "the collector of traces does not take them");
                    is_silent = true;
                }
                Err(_) => {}
            }
        }
    }
}
