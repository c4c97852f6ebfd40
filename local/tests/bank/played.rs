//! The story that `gateway story` plays: through the real services, and through a door that spoils one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use gateway::story::{Options, play};
use testing::TestServer;

use crate::support::{every_bank, every_bank_with};

/// Plays it. What it said, and its error.
async fn played(url: &str) -> (String, Option<String>) {
    let options = Options {
        url: url.to_owned(),
        patience: Duration::ZERO,
    };
    let mut said = Vec::new();
    let error = play(&options, &mut said).await.err();
    let said = String::from_utf8(said).unwrap();
    (said, error.map(|error| format!("{error:#}")))
}

#[tokio::test]
async fn the_story_holds_on_every_store_and_can_be_played_again() {
    for bank in every_bank().await {
        for _ in 0..2 {
            let (said, error) = played(&bank.bank.gateway_url()).await;
            assert_eq!(error, None, "{said}");
            assert!(said.lines().all(|line| line.starts_with("ok ")), "{said}");
        }
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn the_story_holds_where_users_bring_no_money_in() {
    for bank in every_bank_with(|config| config.money.topup = Some(wallet::TopUp::Services)).await {
        let (said, error) = played(&bank.bank.gateway_url()).await;
        assert_eq!(error, None, "{said}");
        assert!(said.contains("only services bring money in"), "{said}");
    }
}

#[tokio::test]
async fn whichever_answer_is_wrong_the_story_fails_there() {
    let bank = every_bank().await.remove(0);
    for spoilt in 0.. {
        let door = Door::to(bank.bank.gateway_url(), spoilt);
        let (said, error) = played(&door.serve().await).await;
        let Some(error) = error else {
            // The story was over before. How many requests it takes depends on how fast a token is forgotten.
            assert!(
                spoilt > 20 && door.seen.load(Ordering::SeqCst) <= spoilt,
                "request {spoilt}: {said}"
            );
            break;
        };
        let step = said.lines().last().unwrap().strip_prefix("FAILED  ");
        assert!(error.starts_with(step.unwrap()), "{error}: {said}");
        assert!(error.contains("500") && error.contains("spoilt"), "{error}");
        assert_eq!(door.seen.load(Ordering::SeqCst), spoilt + 1, "it went on");
    }
    bank.assert_whole().await;
}

/// Passes everything on to a gateway, but for one request, by its number.
#[derive(Clone)]
struct Door {
    gateway: String,
    spoilt: usize,
    seen: Arc<AtomicUsize>,
    http: reqwest::Client,
}

impl Door {
    fn to(gateway: String, spoilt: usize) -> Door {
        Door {
            gateway,
            spoilt,
            seen: Arc::default(),
            http: reqwest::Client::new(),
        }
    }

    async fn serve(&self) -> String {
        let (listener, url) = TestServer::listener().await;
        let app = Router::new().fallback(pass).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }
}

async fn pass(State(door): State<Door>, request: Request) -> Response {
    if door.seen.fetch_add(1, Ordering::SeqCst) == door.spoilt {
        return (
            http::StatusCode::INTERNAL_SERVER_ERROR,
            axum::Json("spoilt"),
        )
            .into_response();
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let answer = door
        .http
        .request(parts.method, format!("{}{}", door.gateway, parts.uri))
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from(answer.bytes().await.unwrap()));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response
}
