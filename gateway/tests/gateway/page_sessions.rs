//! Sessions of pages: a cookie in the place of a token, which counts only where it should.

use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use testing::Answer;

use crate::world::{World, expired_token, foreign_token, token};

const LOGIN: &str = "/api/v1/auth/login";

/// A user service that signs in, and says what it is asked.
fn signing_in(world: &World) {
    world.service("user-service").answers(|seen| {
        let body = if seen.path.starts_with("/auth/log") || seen.path == "/auth/register" {
            json!({"token": token(), "user": {"id": 1, "name": "Ani"}})
        } else {
            json!({"path": seen.path})
        };
        std::future::ready(axum::Json(body).into_response())
    });
}

async fn log_in(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    let body = json!({"email": "a@example.com", "password": "x"});
    world
        .client
        .send(Method::POST, path, Some(body), headers)
        .await
}

fn cookies(answer: &Answer) -> Vec<&str> {
    let values = answer.headers.get_all("set-cookie").iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

/// A call of a page that has the cookie.
async fn call(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    let cookie = format!("theme=dark; dompet_session={}; other=1", token());
    let mut all = vec![("cookie", cookie.as_str())];
    all.extend_from_slice(headers);
    world.client.send(Method::GET, path, None, &all).await
}

#[tokio::test]
async fn a_page_gets_a_cookie_and_everybody_else_a_token() {
    let world = World::start().await;
    signing_in(&world);
    for path in [LOGIN, "/api/auth/login", "/api/v1/auth/register"] {
        let plain = log_in(&world, path, &[]).await;
        assert_eq!(plain.expect(200)["token"], token());
        assert!(cookies(&plain).is_empty());
        let page = [
            ("dompet-session", "cookie"),
            ("sec-fetch-site", "same-origin"),
        ];
        let answer = log_in(&world, path, &page).await;
        assert_eq!(
            answer.expect(200),
            json!({"user": {"id": 1, "name": "Ani"}})
        );
        let expected = format!(
            "dompet_session={}; Path=/; HttpOnly; SameSite=Strict",
            token()
        );
        assert_eq!(cookies(&answer), [expected]);
        let https = [page[0], page[1], ("origin", "https://wallet.example.com")];
        let answer = log_in(&world, path, &https).await;
        let expected = format!(
            "__Host-dompet_session={}; Path=/; HttpOnly; SameSite=Strict; Secure",
            token()
        );
        assert_eq!(cookies(&answer), [expected]);
        assert!(!answer.text().contains(&token()));
    }
    // A route that signs nobody in keeps its answer.
    let answer = world
        .user()
        .send(
            Method::GET,
            "/api/v1/users/1",
            None,
            &[("dompet-session", "cookie")],
        )
        .await;
    assert_eq!(answer.expect(200)["path"], "/users/1");
    // What is refused sets nothing, and is told as ever.
    world.service("user-service").answers(|_| {
        let body =
            axum::Json(json!({"error": "Invalid credentials", "code": "invalid_credentials"}));
        std::future::ready((StatusCode::UNAUTHORIZED, body).into_response())
    });
    let answer = log_in(&world, LOGIN, &[("dompet-session", "cookie")]).await;
    answer.expect_error(401, "Invalid credentials");
    assert!(cookies(&answer).is_empty());
}

#[tokio::test]
async fn the_cookie_of_a_page_is_a_token_and_goes_no_further() {
    let world = World::start().await;
    for name in ["1", "any"] {
        let page = [("dompet-session", name), ("sec-fetch-site", "same-origin")];
        call(&world, "/api/v1/wallets", &page).await.expect(200);
        let [(_, seen)] = world.seen().try_into().unwrap();
        assert_eq!(
            seen.headers["authorization"],
            format!("Bearer {}", token()).as_str()
        );
        assert!(!seen.headers.contains_key("cookie"));
        assert!(!seen.headers.contains_key("dompet-session"));
    }
    // The cookie of https comes first.
    let both = format!(
        "dompet_session={}; __Host-dompet_session={}",
        foreign_token(),
        token()
    );
    let headers = [("cookie", both.as_str()), ("dompet-session", "1")];
    world
        .client
        .send(Method::GET, "/api/v1/wallets", None, &headers)
        .await
        .expect(200);
}

#[tokio::test]
async fn the_cookie_alone_is_nothing() {
    let world = World::start().await;
    for path in [
        "/api/v1/wallets",
        "/api/v1/users/verify",
        "/api/v1/events",
        "/api/payments",
    ] {
        call(&world, path, &[])
            .await
            .expect_error(401, "Token is missing");
    }
    // A token counts alone, whatever the cookie is.
    let mine = world.user();
    let headers = [
        ("cookie", "dompet_session=nonsense"),
        ("dompet-session", "7"),
    ];
    mine.send(Method::GET, "/api/v1/wallets", None, &headers)
        .await
        .expect(200);
    let bad = world.client.with_token(expired_token());
    let cookie = format!("dompet_session={}", token());
    let headers = [("cookie", cookie.as_str()), ("dompet-session", "1")];
    let answer = bad
        .send(Method::GET, "/api/v1/wallets", None, &headers)
        .await;
    answer.expect_error(401, "Token has expired");
}

#[tokio::test]
async fn no_other_origin_acts_with_the_cookie() {
    let world = World::start().await;
    signing_in(&world);
    world.seen();
    let own = world.gateway.url();
    let own_host = own.trim_start_matches("http://");
    let foreign = [
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("sec-fetch-site", "none")],
        vec![("sec-fetch-site", "same-site"), ("origin", own.as_str())],
        vec![("origin", "http://evil.example")],
        vec![("origin", "null")],
        vec![("origin", "http://localhost:1")],
    ];
    for headers in foreign {
        let mut asked = headers.clone();
        asked.push(("dompet-session", "1"));
        let body = call(&world, "/api/v1/wallets", &asked)
            .await
            .expect_error(403, "Unauthorized");
        assert_eq!(body["code"], "foreign_origin", "{headers:?}");
        let mut asked = headers.clone();
        asked.push(("dompet-session", "cookie"));
        let answer = log_in(&world, LOGIN, &asked).await;
        answer.expect_error(403, "Unauthorized");
        assert!(cookies(&answer).is_empty());
    }
    assert!(world.seen().is_empty());
    for headers in [
        vec![("origin", own.as_str())],
        vec![
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://a-proxy.example"),
        ],
        vec![
            ("origin", "http://a-proxy.example"),
            ("x-forwarded-host", "a-proxy.example"),
        ],
        vec![("host", own_host)],
    ] {
        let mut asked = headers;
        asked.push(("dompet-session", "1"));
        call(&world, "/api/v1/wallets", &asked).await.expect(200);
    }
}

#[tokio::test]
async fn cors_never_allows_credentials() {
    let world = World::start().await;
    let preflight = [
        ("origin", "http://evil.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "dompet-session,content-type",
        ),
    ];
    for (method, headers) in [
        (Method::OPTIONS, &preflight[..]),
        (Method::GET, &preflight[..1]),
    ] {
        let answer = world
            .client
            .send(method, "/api/v1/wallets", None, headers)
            .await;
        assert!(
            !answer
                .headers
                .contains_key("access-control-allow-credentials")
        );
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
    }
}

#[tokio::test]
async fn a_page_acts_for_nobody_but_whom_it_means() {
    let world = World::start().await;
    for other in ["2", "-1", "", "cookie", "1,2", "01x"] {
        let answer = call(&world, "/api/v1/wallets", &[("dompet-session", other)]).await;
        let body = answer.expect_error(401, "Invalid token");
        assert_eq!(body["code"], "session_changed", "{other:?}");
        // Whoever is signed in stays so.
        assert!(cookies(&answer).is_empty());
    }
    assert!(world.seen().is_empty());
}

#[tokio::test]
async fn a_session_that_is_over_is_forgotten() {
    let world = World::start().await;
    for dead in [expired_token(), foreign_token(), "nonsense".to_owned()] {
        let cookie = format!("dompet_session={dead}");
        let headers = [("cookie", cookie.as_str()), ("dompet-session", "1")];
        let answer = world
            .client
            .send(Method::GET, "/api/v1/wallets", None, &headers)
            .await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(cookies(&answer).len(), 2);
        assert!(
            cookies(&answer)
                .iter()
                .all(|cookie| cookie.contains("Max-Age=0"))
        );
    }
    // Logging out forgets it also where the service cannot be told.
    let service = world.service("user-service");
    for status in [StatusCode::NO_CONTENT, StatusCode::SERVICE_UNAVAILABLE] {
        service.answers(move |_| {
            let body = axum::Json(json!({"error": "Service unavailable", "code": "unavailable"}));
            std::future::ready((status, body).into_response())
        });
        let cookie = format!("dompet_session={}", token());
        let headers = [("cookie", cookie.as_str()), ("dompet-session", "1")];
        let path = "/api/v1/auth/logout";
        let answer = world.client.send(Method::POST, path, None, &headers).await;
        assert_eq!(answer.status, status);
        assert_eq!(cookies(&answer).len(), 2, "{status}");
    }
    // A client with a token has no cookie to forget.
    service.answers(|_| std::future::ready(Response::default()));
    let answer = world
        .user()
        .send(Method::POST, "/api/v1/auth/logout", Some(Value::Null), &[])
        .await;
    assert!(cookies(&answer).is_empty());
}
