//! Calls to third parties on their way to a collector of traces, if there is one: bounded, in
//! batches, and never waited for. Without the feature `otlp` there is none.

use crate::observe::Metrics;
use crate::start::StartError;
use veksel_adapters::CallEvent;
use veksel_config::SwitchConfig;

/// Where calls go.
pub(crate) struct Spans {
    #[cfg(feature = "otlp")]
    line: Option<otlp::Line>,
}

#[cfg(not(feature = "otlp"))]
impl Spans {
    /// # Errors
    ///
    /// If a collector is configured, because nothing here can speak to it.
    pub(crate) fn new(
        config: &SwitchConfig,
        _: &tokio::runtime::Handle,
        _: &Metrics,
    ) -> Result<Self, StartError> {
        match &config.trace.endpoint {
            None => Ok(Self {}),
            Some(_) => {
                let why = "`endpoint` of [trace] needs a binary that was built with the feature \
                           \"otlp\"";
                Err(StartError::Outside(why.to_owned()))
            }
        }
    }

    pub(crate) fn note(&self, _: &CallEvent) {}
}

#[cfg(feature = "otlp")]
impl Spans {
    /// # Errors
    ///
    /// If the collector of the configuration cannot be called.
    pub(crate) fn new(
        config: &SwitchConfig,
        handle: &tokio::runtime::Handle,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let Some(endpoint) = &config.trace.endpoint else { return Ok(Self { line: None }) };
        let line = otlp::Line::new(endpoint, &config.name, handle, metrics)?;
        Ok(Self { line: Some(line) })
    }

    pub(crate) fn note(&self, call: &CallEvent) {
        if let Some(line) = self.line.as_ref().filter(|_| call.span.is_sampled) {
            line.push(call);
        }
    }
}

#[cfg(feature = "otlp")]
mod otlp {
    use super::{CallEvent, Metrics, StartError};
    use std::time::{Duration, SystemTime};
    use tokio::runtime::Handle;
    use tokio::sync::mpsc;
    use tokio::time::{Instant, timeout_at};
    use veksel_adapters::Collector;

    /// Calls that may wait, and how many are posted at once.
    const LINE_MAX: usize = 4_096;
    const BATCH_MAX: usize = 512;

    /// How long the first of a batch waits for others.
    const WAIT: Duration = Duration::from_secs(1);

    pub(super) struct Line {
        calls: mpsc::Sender<(CallEvent, SystemTime)>,
        metrics: Metrics,
    }

    impl Line {
        pub(super) fn new(
            endpoint: &str,
            switch: &str,
            handle: &Handle,
            metrics: &Metrics,
        ) -> Result<Self, StartError> {
            let _entered = handle.enter();
            let collector = Collector::new(endpoint, switch)
                .map_err(|error| StartError::Outside(error.to_string()))?;
            let (calls, line) = mpsc::channel(LINE_MAX);
            handle.spawn(post(collector, line, metrics.clone()));
            Ok(Self { calls, metrics: metrics.clone() })
        }

        pub(super) fn push(&self, call: &CallEvent) {
            if self.calls.try_send((call.clone(), SystemTime::now())).is_err() {
                self.metrics.spans.with_label_values(&["dropped"]).inc();
            }
        }
    }

    async fn post(
        collector: Collector,
        mut line: mpsc::Receiver<(CallEvent, SystemTime)>,
        metrics: Metrics,
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
            metrics.spans.with_label_values(&[word]).inc_by(count);
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
