//! Answers that stay open: events are passed on as they come, for as long as the client listens.
//!
//! What must hold: the deadline of requests covers the beginning of a stream and not the stream; the number of open streams is bounded by
//! itself, so that they take nothing from requests; all of them end when the gateway is told to stop.

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;
use http::Method;
use http_server::Metrics;
use prometheus::{IntCounter, IntGauge};
use reqwest::Request;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::answer;
use crate::headers;
use crate::upstream::{Connection, NoAnswer, Opened};

/// The open streams of this gateway.
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    stopping: CancellationToken,
    open: IntGauge,
    turned_away: IntCounter,
}

/// Counts a stream for as long as it is there.
struct Counted(IntGauge);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Streams {
    /// At most `streams_max` at once, until `stopping` is cancelled.
    pub(crate) fn new(
        streams_max: usize,
        stopping: CancellationToken,
        metrics: &Metrics,
    ) -> anyhow::Result<Streams> {
        let streams = Streams {
            places: Arc::new(Semaphore::new(streams_max.min(Semaphore::MAX_PERMITS))),
            stopping,
            open: IntGauge::new(
                "gateway_streams_open",
                "Streams of events that are passed on.",
            )?,
            turned_away: IntCounter::new(
                "gateway_streams_turned_away_total",
                "Streams of events that were not opened because there were EVENT_STREAMS_MAX.",
            )?,
        };
        metrics.register(streams.open.clone())?;
        metrics.register(streams.turned_away.clone())?;
        Ok(streams)
    }

    /// Opens a stream at a service; what is no stream is passed on as ever.
    pub(crate) async fn open(
        &self,
        connection: &Connection,
        request: Request,
    ) -> Result<Response, NoAnswer> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.turned_away.inc();
            return Err(NoAnswer::TooMany);
        };
        let mut response = match connection.open(request).await? {
            Opened::Answer(answer) => return Ok(answer::pass_on(&Method::GET, answer)),
            Opened::Stream(response) => response,
        };
        self.open.inc();
        let kept = (place, Counted(self.open.clone()));
        let status = response.status();
        let headers = headers::for_client(&Method::GET, std::mem::take(response.headers_mut()));
        let body = Body::new(reqwest::Body::from(response)).into_data_stream();
        let stopped = self.stopping.clone().cancelled_owned();
        let body = body.take_until(stopped).inspect(move |_| {
            // It is held for as long as the stream is.
            let _ = &kept;
        });
        let mut onward = Response::new(Body::from_stream(body));
        *onward.status_mut() = status;
        *onward.headers_mut() = headers;
        Ok(onward)
    }
}
