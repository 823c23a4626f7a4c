//! The HTTP listener for operators: alive, ready, metrics, and what they decide ([`operate`]).
//! Without authentication, and so on loopback unless something else guards it.

use crate::alert::Alerts;
use crate::announce;
use crate::observe::Metrics;
use crate::operate;
use crate::status::Status;
use crate::steer::{self, Desk};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use std::{io, thread};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[derive(Clone)]
struct Shown {
    metrics: Metrics,
    status: Status,
}

/// The running listener.
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Admin {
    /// Binds the address and serves it on a thread and runtime of its own.
    pub(crate) fn start(
        listen: SocketAddr,
        metrics: Metrics,
        status: Status,
        desk: Desk,
        alerts: Alerts,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("admin")
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind(listen))?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/live", get(live))
            .route("/ready", get(ready))
            .route("/metrics", get(page));
        let router = veksel_api::HEALTH_PATHS
            .into_iter()
            .fold(router, |router, path| router.route(path, get(health)));
        let router = router
            .with_state(Shown { metrics, status })
            .merge(operate::router(desk.decisions.clone(), address.ip().is_loopback()))
            .merge(announce::router(alerts, address.ip().is_loopback()))
            .merge(steer::router(desk, address.ip().is_loopback()));
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = async move {
            let until = async { stopped.await.unwrap_or_default() };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
                tracing::error!(%error, "the admin listener ended");
            }
        };
        let thread = thread::Builder::new().name("admin".into()).spawn(move || {
            runtime.block_on(serve);
            runtime.shutdown_timeout(std::time::Duration::from_millis(200));
        })?;
        Ok(Self { address, stop, thread })
    }

    pub(crate) fn stop(self) {
        // The receiver is gone only if the listener ended by itself.
        let _ = self.stop.send(());
        // A keep-alive connection of a scraper may hold the graceful end up; nobody waits for it.
        drop(self.thread);
    }
}

async fn live() -> &'static str {
    "alive\n"
}

/// Healthy, as [`Status::health`] says.
async fn health(State(shown): State<Shown>) -> Response {
    veksel_api::health(shown.status.health())
}

async fn ready(State(shown): State<Shown>) -> Response {
    let code =
        if shown.status.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let json = [(header::CONTENT_TYPE, "application/json")];
    (code, json, format!("{}\n", shown.status.report())).into_response()
}

async fn page(State(shown): State<Shown>) -> Response {
    match shown.metrics.page() {
        Ok(page) => {
            let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (text, page).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
