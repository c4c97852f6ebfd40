//! Streams of events on their way through: at once, for longer than a request may take, and no longer than the gateway runs.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::StatusCode;
use testing::{EventStream, TestClient, wait_until};
use tokio::sync::mpsc;

use crate::world::{SHORT, World};

const EVENTS: &str = "/api/v1/events";

/// A service that streams what is sent into the channel.
fn streaming(world: &World) -> mpsc::Sender<&'static str> {
    let (sender, receiver) = mpsc::channel::<&'static str>(8);
    let receiver = std::sync::Mutex::new(Some(receiver));
    world.service("transaction-service").answers(move |_| {
        let receiver = receiver.lock().unwrap().take();
        let body = receiver.map_or_else(Body::empty, |receiver| {
            Body::from_stream(stream::unfold(receiver, async |mut receiver| {
                let text = receiver.recv().await?;
                Some((Ok::<_, std::convert::Infallible>(text), receiver))
            }))
        });
        let headers = [
            ("content-type", "text/event-stream"),
            ("x-accel-buffering", "no"),
            ("cache-control", "no-store"),
        ];
        std::future::ready((headers, body).into_response())
    });
    sender
}

async fn open_streams(client: &TestClient) -> String {
    let metrics = client.get("/metrics").await.text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("gateway_streams_open "));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn events_pass_at_once_and_for_longer_than_a_request_may_take() {
    let world = World::with(|config| config.request_timeout = SHORT).await;
    let events = streaming(&world);
    let started = Instant::now();
    let mut stream = EventStream::open(&world.user(), EVENTS, Some(7)).await;
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("cache-control"), Some("no-store"));
    let [(_, seen)] = world.seen().try_into().unwrap();
    assert_eq!(seen.headers["last-event-id"], "7");
    // Each is read before the next is sent: nothing waits in between.
    let mut count = 0;
    while started.elapsed() < 3 * SHORT {
        events
            .send("event: movement\nid: 1\ndata: {}\n\n")
            .await
            .unwrap();
        stream.expect("movement").await;
        count += 1;
    }
    assert!(count > 3);
    assert_eq!(open_streams(&world.client).await, "1");
    drop(events);
    assert_eq!(stream.next().await, None);
    wait_until("the stream is gone", async || {
        open_streams(&world.client).await == "0"
    })
    .await;
}

#[tokio::test]
async fn a_stream_needs_a_token_and_what_is_none_is_answered_as_ever() {
    let world = World::with(|config| config.request_timeout = SHORT).await;
    let nobody = world.client.get(EVENTS).await;
    nobody.expect_error(401, "Token is missing");
    assert!(world.seen().is_empty());
    let service = world.service("transaction-service");
    let refused = || {
        let body =
            axum::Json(serde_json::json!({"error": "Service unavailable", "code": "overloaded"}));
        (
            StatusCode::SERVICE_UNAVAILABLE,
            [("retry-after", "10")],
            body,
        )
            .into_response()
    };
    service.answers(move |_| std::future::ready(refused()));
    let answer = world.user().get(EVENTS).await;
    answer.expect_error(503, "Service unavailable");
    assert_eq!(answer.headers["retry-after"], "10");
    service.answers(|_| std::future::pending::<Response>());
    let answer = world.user().get(EVENTS).await;
    answer.expect_error(504, "Request timeout");
}

#[tokio::test]
async fn streams_have_a_limit_of_their_own() {
    let world = World::with(|config| {
        config.event_streams_max = 1;
        config.upstream_requests_max = 1;
    })
    .await;
    let _events = streaming(&world);
    let stream = EventStream::open(&world.user(), EVENTS, None).await;
    let answer = world.user().get(EVENTS).await;
    let body = answer.expect_error(503, "Service unavailable");
    assert_eq!(body["code"], "overloaded");
    // Requests have their places all the same.
    world.user().get("/api/v1/transactions").await.expect(200);
    drop(stream);
}

#[tokio::test]
async fn a_gateway_that_stops_ends_its_streams() {
    let world = World::start().await;
    let _events = streaming(&world);
    let mut stream = EventStream::open(&world.user(), EVENTS, None).await;
    let World { gateway, .. } = world;
    let stopped = tokio::time::timeout(Duration::from_secs(5), gateway.stop()).await;
    assert!(stopped.is_ok(), "the stream kept the gateway");
    assert_eq!(stream.next().await, None);
}
