//! Metrics of one service, in Prometheus' text format: its own registry, and the request metrics that all have in common.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus::core::{Collector, Desc};
use prometheus::proto::{LabelPair, MetricFamily};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Upper bounds in seconds: fine where a payment should be, coarse up to the longest timeout.
const DURATION_BUCKETS_S: &[f64] = &[
    0.0005, 0.001, 0.002, 0.004, 0.006, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of a service. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Metrics(Arc<Shared>);

struct Shared {
    registry: Registry,
    requests: HistogramVec,
    in_flight: IntGauge,
    connections: IntGauge,
    connections_max: IntGauge,
    connections_refused: IntCounter,
}

impl Metrics {
    /// The request metrics, and those of the process.
    pub fn new() -> anyhow::Result<Metrics> {
        let requests = HistogramVec::new(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "Duration of requests, by method, route template and status.",
            )
            .buckets(DURATION_BUCKETS_S.to_vec()),
            &["method", "route", "status"],
        )?;
        let in_flight = IntGauge::new(
            "http_requests_in_flight",
            "Requests that are not answered yet.",
        )?;
        let connections = IntGauge::new("http_connections", "Connections that are open.")?;
        let connections_max = IntGauge::new(
            "http_connections_max",
            "Connections that may be open at once; more wait.",
        )?;
        let connections_refused = IntCounter::new(
            "http_connections_refused_total",
            "Connections that were refused because their address had too many already.",
        )?;
        let metrics = Metrics(Arc::new(Shared {
            registry: Registry::new(),
            requests,
            in_flight,
            connections,
            connections_max,
            connections_refused,
        }));
        metrics.register(metrics.0.requests.clone())?;
        metrics.register(metrics.0.in_flight.clone())?;
        metrics.register(metrics.0.connections.clone())?;
        metrics.register(metrics.0.connections_max.clone())?;
        metrics.register(metrics.0.connections_refused.clone())?;
        metrics.register(SpanCounters::new()?)?;
        metrics.register(DroppedLines::new()?)?;
        metrics.register(prometheus::process_collector::ProcessCollector::for_self())?;
        Ok(metrics)
    }

    /// Adds a metric of the service's own. Fails when the name is taken.
    pub fn register(&self, metric: impl Collector + 'static) -> anyhow::Result<()> {
        Ok(self.0.registry.register(Box::new(metric))?)
    }

    pub(crate) fn request_finished(&self, method: &str, route: &str, status: &str, seconds: f64) {
        self.0
            .requests
            .with_label_values(&[method, route, status])
            .observe(seconds);
    }

    /// Counts a request as in flight until the answer drops.
    pub(crate) fn request_started(&self) -> Counted {
        Counted::begin(&self.0.in_flight)
    }

    /// Counts a connection as open until this is dropped.
    pub(crate) fn connection_opened(&self) -> Counted {
        Counted::begin(&self.0.connections)
    }

    pub(crate) fn connection_refused(&self) {
        self.0.connections_refused.inc();
    }

    pub(crate) fn connections_max(&self, max: usize) {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.0.connections_max.set(max);
    }

    /// Every metric as it stands, in Prometheus's text format.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }

    pub(crate) fn render(&self) -> Response {
        answer(self.text())
    }
}

/// The metrics of several services of one process, each with the label `service`.
pub(crate) fn render_all<'a>(
    services: impl Iterator<Item = (&'static str, &'a Metrics)>,
) -> Response {
    let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
    for (name, metrics) in services {
        for mut family in metrics.0.registry.gather() {
            let mut found = family.take_metric();
            for metric in &mut found {
                let mut label = LabelPair::default();
                label.set_name("service".to_owned());
                label.set_value(name.to_owned());
                let mut labels = metric.take_label();
                labels.push(label);
                metric.set_label(labels);
            }
            let all = families.entry(family.name().to_owned()).or_insert(family);
            let mut before = all.take_metric();
            before.append(&mut found);
            all.set_metric(before);
        }
    }
    let families: Vec<_> = families.into_values().collect();
    answer(TextEncoder::new().encode_to_string(&families))
}

fn answer(text: prometheus::Result<String>) -> Response {
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            api_error::ApiError::internal().into_response()
        }
    }
}

/// Something that is counted for as long as it is there.
pub(crate) struct Counted(IntGauge);

impl Counted {
    fn begin(gauge: &IntGauge) -> Counted {
        gauge.inc();
        Counted(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The numbers of this process's spans that were sent and lost. They are counted where they are sent, which knows no registry: here a figure is made of them
/// whenever somebody asks.
struct SpanCounters(IntCounterVec);

impl SpanCounters {
    fn new() -> prometheus::Result<SpanCounters> {
        let help = "Spans that were sent to the collector of traces, and that it did not take.";
        let counters = IntCounterVec::new(Opts::new("trace_spans_total", help), &["outcome"])?;
        Ok(SpanCounters(counters))
    }
}

impl Collector for SpanCounters {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let telemetry::ExportedSpans { sent, lost } = telemetry::exported_spans();
        let Ok(SpanCounters(counters)) = SpanCounters::new() else {
            return Vec::new();
        };
        counters.with_label_values(&["sent"]).inc_by(sent);
        counters.with_label_values(&["lost"]).inc_by(lost);
        counters.collect()
    }
}

/// Lines of the log that found no place, because nobody read it. Counted where the log is written, as spans are.
struct DroppedLines(IntCounter);

impl DroppedLines {
    fn new() -> prometheus::Result<DroppedLines> {
        let help = "Lines of the log that are lost, because nobody read it.";
        IntCounter::new("log_lines_dropped_total", help).map(DroppedLines)
    }
}

impl Collector for DroppedLines {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Ok(DroppedLines(counter)) = DroppedLines::new() else {
            return Vec::new();
        };
        counter.inc_by(telemetry::dropped_lines());
        counter.collect()
    }
}
