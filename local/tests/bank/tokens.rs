//! Every route, through the gateway and at its service, with every kind of token but the right one.

use std::time::Duration;

use auth::{Claims, Role, ServiceIdentity, ServiceKeyConfig, UserId};
use clock::{Clock, Timestamp};
use reqwest::Method;
use serde_json::json;
use testing::TestClient;

use crate::support::{TestBank, every_bank};

/// Method, path, the service's place in `Bank::urls`.
const ROUTES: &[(&str, &str, usize)] = &[
    ("POST", "/auth/logout", 1),
    ("GET", "/users", 1),
    ("GET", "/users/1", 1),
    ("PUT", "/users/1", 1),
    ("DELETE", "/users/1", 1),
    ("PUT", "/users/1/password", 1),
    ("PUT", "/users/1/status", 1),
    ("GET", "/users/lookup", 1),
    ("GET", "/admin/audit", 1),
    ("GET", "/users/1/sessions", 1),
    ("DELETE", "/users/1/sessions", 1),
    ("DELETE", "/users/1/sessions/a", 1),
    ("GET", "/users/verify", 1),
    ("GET", "/wallets", 2),
    ("POST", "/wallets", 2),
    ("GET", "/wallets/1", 2),
    ("GET", "/wallets/1/balance", 2),
    ("POST", "/wallets/1/topup", 2),
    ("PUT", "/wallets/1/status", 2),
    ("GET", "/wallets/1/limits", 2),
    ("PUT", "/wallets/1/tier", 2),
    ("GET", "/requests/a-key", 2),
    ("GET", "/admin/wallets?user_id=1", 2),
    ("GET", "/events", 3),
    ("GET", "/transactions", 3),
    ("GET", "/transactions/1", 3),
    ("GET", "/transactions/wallet/1", 3),
    ("GET", "/transactions/stats", 3),
    ("POST", "/admin/transactions/1/reverse", 3),
    ("GET", "/payments", 4),
    ("GET", "/payments/1", 4),
    ("POST", "/payments/pay", 4),
    ("POST", "/payments/transfer", 4),
    ("POST", "/payments/authorize", 4),
    ("GET", "/payments/1/refunds", 4),
    ("POST", "/payments/1/refunds", 4),
    ("POST", "/payments/1/cancel", 4),
    ("GET", "/holds", 4),
    ("GET", "/holds/1", 4),
    ("POST", "/holds/1/capture", 4),
    ("POST", "/holds/1/void", 4),
    ("POST", "/holds/1/cancel", 4),
];

/// Routes for services only; the gateway has none of them.
const SERVICE_ROUTES: &[(&str, &str, usize)] = &[
    ("POST", "/wallets/1/deduct", 2),
    ("POST", "/wallets/1/deposit", 2),
    ("POST", "/transactions", 3),
    ("POST", "/internal/orders", 2),
    ("GET", "/internal/log?after=0&limit=1", 2),
    ("GET", "/internal/sessions?after=0", 1),
    ("GET", "/internal/users/1", 1),
    ("POST", "/internal/audit", 1),
];

fn user_token(secret: &str, issued: Timestamp) -> String {
    let keys = ServiceKeyConfig::from_secret(secret)
        .signing_keys()
        .unwrap();
    keys.sign(&Claims::new(
        UserId(1),
        Role::Admin,
        "a session".to_owned(),
        issued,
    ))
    .unwrap()
}

fn service_token() -> String {
    let keys = ServiceKeyConfig::from_secret(testing::SECRET)
        .service_keys(Clock::system())
        .unwrap();
    ServiceIdentity::new("wallet-service", keys)
        .token()
        .unwrap()
        .to_string()
}

fn day_ago() -> Timestamp {
    let day = i64::try_from(Duration::from_secs(25 * 60 * 60).as_micros()).unwrap();
    Timestamp::from_micros(Clock::system().now().micros() - day)
}

async fn call(
    client: &TestClient,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> testing::Answer {
    let client = token.map_or_else(|| client.clone(), |token| client.with_token(token));
    client
        .send(
            method.parse::<Method>().unwrap(),
            path,
            Some(json!({})),
            &[],
        )
        .await
}

fn doors(bank: &TestBank, service: usize) -> [(String, TestClient); 2] {
    let direct = TestClient::new(bank.bank.urls()[service].clone());
    [
        ("gateway".to_owned(), bank.api.clone()),
        (format!("service {service}"), direct),
    ]
}

#[tokio::test]
async fn no_route_takes_any_token_but_a_users_own() {
    for bank in every_bank().await {
        let now = Clock::system().now();
        let good = user_token(testing::SECRET, now);
        let foreign = user_token("a secret of somebody else, as long as ours", now);
        let (head, signature) = good.rsplit_once('.').unwrap();
        let unsigned = format!("{head}.");
        let broken = format!("{head}.{}", signature.chars().rev().collect::<String>());
        let tokens = [
            (None, "Token is missing"),
            (Some("not a token".to_owned()), "Invalid token"),
            (Some("x".repeat(5000)), "Invalid token"),
            (Some(broken), "Invalid token"),
            (Some(unsigned), "Invalid token"),
            (Some(foreign), "Invalid token"),
            (Some(service_token()), "Invalid token"),
            (
                Some(user_token(testing::SECRET, day_ago())),
                "Token has expired",
            ),
        ];
        for (method, path, service) in ROUTES {
            for (door, client) in doors(&bank, *service) {
                for (token, sentence) in &tokens {
                    let answer = call(&client, method, path, token.as_deref()).await;
                    assert_eq!(
                        answer.status.as_u16(),
                        401,
                        "{door} {method} {path} {sentence}: {}",
                        answer.text()
                    );
                    answer.expect_error(401, sentence);
                }
                assert_ne!(
                    call(&client, "GET", "/users/verify", Some(&good))
                        .await
                        .status
                        .as_u16(),
                    401
                );
            }
        }
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn routes_for_services_take_no_user_and_are_not_behind_the_gateway() {
    for bank in every_bank().await {
        let user = user_token(testing::SECRET, Clock::system().now());
        for (method, path, service) in SERVICE_ROUTES {
            let direct = TestClient::new(bank.bank.urls()[*service].clone());
            call(&direct, method, path, None)
                .await
                .expect_error(401, "Token is missing");
            call(&direct, method, path, Some("not a token"))
                .await
                .expect_error(401, "Invalid token");
            let answer = call(&direct, method, path, Some(&user)).await;
            assert_eq!(
                answer.status.as_u16(),
                403,
                "{method} {path}: {}",
                answer.text()
            );
            // Money is brought in by one service alone.
            let name = if path.ends_with("/deposit") {
                "funding-service"
            } else {
                "wallet-service"
            };
            let token = crate::support::service_token(name);
            let allowed = call(&direct, method, path, Some(&token)).await;
            assert!(
                !matches!(allowed.status.as_u16(), 401 | 403),
                "{method} {path}: {}",
                allowed.text()
            );
            for token in [&user, &service_token()] {
                let hidden = call(&bank.api, method, path, Some(token)).await;
                assert!(
                    matches!(hidden.status.as_u16(), 404 | 405),
                    "{method} {path}: {}",
                    hidden.text()
                );
            }
        }
        bank.assert_whole().await;
    }
}
