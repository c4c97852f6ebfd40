//! `gateway story`, the program, at doors where something is wrong. How it goes where all is well is in `local/tests/bank/played.rs`.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::process::{Command, Output};

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use serde_json::json;
use testing::TestServer;

async fn play(url: String) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.args(["story", "--patience", "0", "--url", &url]);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[track_caller]
fn assert_fails(output: &Output, line: &str, error: &str) {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(said.lines().last(), Some(line), "{said}");
    assert!(complained.contains(error), "{complained}");
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_wrong_answer_ends_the_story_and_is_named() {
    let (listener, url) = TestServer::listener().await;
    let wrong = json!({"user": {"id": 1, "name": "Somebody else"}});
    let door = Router::new()
        .route(
            "/health",
            get(async || axum::Json(json!({"status": "healthy"}))),
        )
        .route(
            "/api/v1/auth/register",
            post(async || (StatusCode::CREATED, axum::Json(wrong))),
        );
    tokio::spawn(async move { axum::serve(listener, door).await });
    let output = play(url).await;
    assert_fails(
        &output,
        "FAILED  Ani registers",
        r#"Ani registers: POST /auth/register: 201 {"user":{"id":1,"name":"Somebody else"}}, not 201 with"#,
    );
}

#[tokio::test]
async fn a_door_that_is_shut_is_named() {
    let (listener, url) = TestServer::listener().await;
    drop(listener);
    let output = play(url).await;
    assert_fails(
        &output,
        "FAILED  everything is healthy",
        "GET /health: no answer",
    );
}

#[tokio::test]
async fn an_address_that_it_cannot_call_is_refused() {
    let output = play("https://wallet.example.com".to_owned()).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("not a plain http:// address"));
}
