//! Logs and traces: JSON lines with the trace id, and spans that are exported over OTLP when an endpoint is set.
//!
//! Trace context is W3C Trace Context. It travels through every hop also when nothing is exported: then spans are made
//! but not sampled, so that logs and error bodies always have a trace id.

mod causes;
mod context;
mod export;
mod levels;
mod lines;
mod needed;
mod output;
mod panics;

pub use causes::with_causes;
pub use context::{CallersTrace, Trace};
pub use export::{ExportedSpans, exported_spans};
pub use needed::Needed;
pub use output::{FLUSH_MAX, Output, WAITING_BYTES_MAX, dropped_lines, stderr, stdout};

use std::io::IsTerminal;

use anyhow::Context as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// For a person at a terminal.
    Text,
}

/// The settings of logs and traces.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryConfig {
    /// The lines that are logged: a level (off, error, warn, info, debug, trace), or a list such as `info,wallet=debug`
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_parser = levels::parse)]
    pub log_level: String,
    /// `json` or `text`; without it text at a terminal and JSON elsewhere
    #[arg(long, env = "LOG_FORMAT", ignore_case = true)]
    pub log_format: Option<LogFormat>,
    /// The collector of spans, by OTLP over HTTP with protobuf (`http://collector:4318`); without it nothing is exported
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = endpoint)]
    pub otlp_endpoint: Option<String>,
    /// The share of new traces that is recorded, from 0 to 1; a caller's decision is kept
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value_t = 1.0, value_parser = settings::ratio)]
    pub trace_ratio: f64,
}

impl settings::Settings for TelemetryConfig {
    fn check(&self, found: &mut settings::Findings) {
        for hint in levels::hints(&self.log_level) {
            found.hint(hint);
        }
    }
}

/// The address of a collector. The path of traces may be on it, as in the variable for traces alone.
fn endpoint(text: &str) -> Result<String, String> {
    let base = text.trim().trim_end_matches('/');
    let base = base.strip_suffix("/v1/traces").unwrap_or(base);
    settings::service_url(base).map_err(|_| {
        "a URL of plain HTTP, such as http://collector:4318, the port of OTLP over HTTP".to_owned()
    })
}

/// Keeps the exporter alive. When dropped it sends what is left, and gives the last lines a moment to be written.
#[must_use]
pub struct TelemetryGuard(SdkTracerProvider);

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::debug!(%error, "the span exporter did not stop cleanly");
        }
        output::flush();
    }
}

/// Installs logs and traces for this process, once. `service` names it in every span.
pub fn init(service: &'static str, config: &TelemetryConfig) -> anyhow::Result<TelemetryGuard> {
    let provider = tracer_provider(service, config)?;
    let filter = EnvFilter::try_new(&config.log_level).context("LOG_LEVEL is not understood")?;
    let is_terminal = std::io::stderr().is_terminal();
    let lines = lines::Lines {
        format: config.log_format.unwrap_or(if is_terminal {
            LogFormat::Text
        } else {
            LogFormat::Json
        }),
        coloured: is_terminal,
    };
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("dompet"))
        // What nobody asks of a span, and every span would pay for.
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(spans)
        .try_init()
        .context("logs and traces are already set up")?;
    panics::log();
    Ok(TelemetryGuard(provider))
}

fn tracer_provider(
    service: &'static str,
    config: &TelemetryConfig,
) -> anyhow::Result<SdkTracerProvider> {
    let builder = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name(service).build());
    let Some(endpoint) = &config.otlp_endpoint else {
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT is not usable")?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.trace_ratio)));
    Ok(builder
        .with_sampler(sampler)
        .with_batch_exporter(export::Watched::new(exporter))
        .build())
}
