//! A reader of server-sent events that waits at most a while for each.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use crate::TestClient;

/// The time that a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(10);

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// Its name.
    pub event: String,
    /// Its id.
    pub id: Option<i64>,
    /// Its data.
    pub data: Value,
}

/// A stream of events that is being read.
pub struct EventStream {
    response: Response,
    text: String,
}

impl EventStream {
    /// Opens the stream at `path`; panics when the answer is no stream.
    pub async fn open(client: &TestClient, path: &str, last: Option<i64>) -> EventStream {
        let last = last.map(|last| last.to_string());
        let header = last.as_deref().map(|last| ("last-event-id", last));
        let response = client.open(path, header.as_slice()).await;
        let kind = response.headers().get("content-type");
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        assert!(
            response.status() == 200 && is_stream,
            "{}: {:?}",
            response.status(),
            response.headers()
        );
        EventStream {
            response,
            text: String::new(),
        }
    }

    /// The header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next event; `None` at the end of the stream. Comments are passed over. Panics when nothing comes.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                match event(&block) {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            match chunk {
                Err(_) => panic!("waited in vain for an event"),
                Ok(Ok(Some(bytes))) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Ok(Ok(None) | Err(_)) => return None,
            }
        }
    }

    /// The next event, which has this name.
    #[track_caller]
    pub fn expect(&mut self, name: &str) -> impl Future<Output = StreamEvent> {
        let caller = std::panic::Location::caller();
        let name = name.to_owned();
        async move {
            let event = self.next().await;
            let event = event.unwrap_or_else(|| panic!("{caller}: the stream ended before {name}"));
            assert_eq!(event.event, name, "{caller}: {event:?}");
            event
        }
    }
}

fn event(block: &str) -> Option<StreamEvent> {
    let mut event = StreamEvent::default();
    for line in block.lines().filter(|line| !line.starts_with(':')) {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        match name {
            "event" => value.clone_into(&mut event.event),
            "id" => event.id = value.parse().ok(),
            "data" => event.data = serde_json::from_str(value).unwrap_or_default(),
            _ => {}
        }
    }
    (!event.event.is_empty()).then_some(event)
}
