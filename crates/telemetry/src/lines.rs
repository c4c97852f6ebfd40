//! Writes an event as one line: its own fields, and the trace id of the request that it belongs to.
//!
//! The fields of spans are not repeated in lines. Spans begin and end with every request, lines are rare: what is needed of a
//! span is asked for when a line is written, so that a request that is not worth a line pays nothing. (The layer that comes
//! with tracing-subscriber writes down every span when it begins.)

use std::error::Error;
use std::fmt::{self, Debug, Write as _};

use serde::ser::{SerializeMap, Serializer as _};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::layer::Context;

use crate::{LogFormat, Trace, output, with_causes};

/// Writes each event to the standard error.
pub(crate) struct Lines {
    pub(crate) format: LogFormat,
    /// True if the level has a colour, where the format is text.
    pub(crate) coloured: bool,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let line = match self.format {
            LogFormat::Json => json(event),
            LogFormat::Text => text(event, self.coloured).map_err(Into::into),
        };
        if let Ok(line) = line {
            output::stderr().say(&line);
        }
    }
}

fn json(event: &Event<'_>) -> Result<String, Box<dyn Error>> {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let mut line = Vec::with_capacity(256);
    let mut map = serde_json::Serializer::new(&mut line);
    let mut map = map.serialize_map(None)?;
    map.serialize_entry("timestamp", &time)?;
    map.serialize_entry("level", event.metadata().level().as_str())?;
    let mut fields = JsonFields {
        map: &mut map,
        result: Ok(()),
    };
    event.record(&mut fields);
    fields.result?;
    map.serialize_entry("target", event.metadata().target())?;
    if let Some(trace) = Trace::of(&Span::current()) {
        map.serialize_entry("trace_id", &trace.id())?;
    }
    map.end()?;
    line.push(b'\n');
    Ok(String::from_utf8(line)?)
}

/// Writes an event's fields into a map. The first failure stays.
struct JsonFields<'a, M: SerializeMap> {
    map: &'a mut M,
    result: Result<(), M::Error>,
}

impl<M: SerializeMap> JsonFields<'_, M> {
    fn write(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        if self.result.is_ok() {
            self.result = self.map.serialize_entry(field.name(), value);
        }
    }
}

impl<M: SerializeMap> Visit for JsonFields<'_, M> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, &value);
    }

    /// With its causes: a call that failed says little without why.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.write(field, &with_causes(value));
    }
}

/// For a person at a terminal.
fn text(event: &Event<'_>, coloured: bool) -> Result<String, fmt::Error> {
    let mut line = String::with_capacity(256);
    SystemTime.format_time(&mut Writer::new(&mut line))?;
    let level = *event.metadata().level();
    if coloured {
        write!(line, " \u{1b}[{}m{level:>5}\u{1b}[0m ", colour(level))?;
    } else {
        write!(line, " {level:>5} ")?;
    }
    write!(line, "{}: ", event.metadata().target())?;
    let mut fields = TextFields {
        line: &mut line,
        result: Ok(()),
        is_first: true,
    };
    event.record(&mut fields);
    fields.result?;
    if let Some(trace) = Trace::of(&Span::current()) {
        write!(line, " trace_id={}", trace.id())?;
    }
    line.push('\n');
    Ok(line)
}

/// Writes the message, and then the fields as `name=value`. The first failure stays.
struct TextFields<'a> {
    line: &'a mut String,
    result: fmt::Result,
    is_first: bool,
}

impl TextFields<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.result.is_err() {
            return;
        }
        let space = if std::mem::take(&mut self.is_first) {
            ""
        } else {
            " "
        };
        self.result = match field.name() {
            "message" => write!(self.line, "{space}{value}"),
            name => write!(self.line, "{space}{name}={value}"),
        };
    }
}

impl Visit for TextFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, format_args!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.write(field, format_args!("{}", with_causes(value)));
    }
}

/// The code of a terminal's colour (ECMA-48, SGR).
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    }
}
