//! Limits, decided in the posting itself: what they refuse, what is told before they do, who sets them, and that they hold at once, on
//! every replica, and after a restart.

use futures_util::future::join_all;
use serde_json::{Value, json};
use testing::{Answer, TestClient};

use crate::support::{Customer, TestBank, every_bank, every_bank_with, service_token};

/// A file of limits, in a folder that stays until the end of the test.
struct File(tempfile::TempDir);

impl File {
    fn of(limits: &Value) -> File {
        let folder = tempfile::tempdir().unwrap();
        let text = json!({"limits": limits}).to_string();
        std::fs::write(folder.path().join("limits.json"), text).unwrap();
        File(folder)
    }

    fn chosen(&self) -> wallet::ChosenLimits {
        let path = self.0.path().join("limits.json");
        path.to_str().unwrap().parse().unwrap()
    }
}

async fn every_bank_limited_by(limits: Value) -> Vec<TestBank> {
    let file = File::of(&limits);
    every_bank_with(|config| config.money.limits = Some(file.chosen())).await
}

async fn admin(bank: &TestBank) -> TestClient {
    bank.login("admin@example.com", "a long password").await
}

async fn set_tier(bank: &TestBank, customer: &Customer, tier: &str) {
    let path = format!("/wallets/{}/tier", customer.wallet_id);
    let body = json!({"tier": tier, "reason": "Identity card checked"});
    let told = admin(bank).await.put(&path, body).await.expect(200);
    assert_eq!(told, json!({"wallet_id": customer.wallet_id, "tier": tier}));
}

async fn pay(customer: &Customer, amount: i64) -> Answer {
    let body = customer.pay(amount);
    customer.client.post("/payments/pay", body).await
}

async fn send(from: &Customer, to: &Customer, amount: i64) -> Answer {
    let body = from.transfer(to, amount);
    from.client.post("/payments/transfer", body).await
}

async fn top_up(customer: &Customer, amount: i64) -> Answer {
    let path = format!("/wallets/{}/topup", customer.wallet_id);
    customer.client.post(&path, json!({"amount": amount})).await
}

/// The limit of this name, as the wallet's own list of limits tells it.
async fn told(customer: &Customer, name: &str) -> Value {
    let path = format!("/wallets/{}/limits", customer.wallet_id);
    let body = customer.client.get(&path).await.expect(200);
    let limits = body["limits"].as_array().unwrap();
    let found = limits.iter().find(|limit| limit["limit"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {body}")).clone()
}

/// The figures of a refusal.
#[track_caller]
fn figures(answer: &Answer) -> (String, i64, i64, i64) {
    let body = answer.expect_error(400, "Invalid amount");
    assert_eq!(body["code"], "limit_exceeded", "{body}");
    let number = |name: &str| body[name].as_i64().unwrap();
    let limit = body["limit"].as_str().unwrap().to_owned();
    (limit, number("max"), number("used"), number("requested"))
}

#[tokio::test]
async fn a_limit_of_a_day_counts_refuses_and_tells_the_same_numbers() {
    let limits = json!([
        {"name": "paid-day", "kinds": ["payment"], "direction": "out", "window": "day", "max_amount": 100, "max_count": 3},
    ]);
    for bank in every_bank_limited_by(limits).await {
        let ani = bank.customer("ani", 1_000).await;
        pay(&ani, 60).await.expect(201);
        let before = told(&ani, "paid-day").await;
        assert_eq!((&before["max"], &before["used"]), (&json!(100), &json!(60)));
        assert_eq!(
            (&before["window"], &before["direction"], &before["kinds"]),
            (&json!("day"), &json!("out"), &json!(["payment"]))
        );
        let refused = pay(&ani, 41).await;
        assert_eq!(figures(&refused), ("paid-day".to_owned(), 100, 60, 41));
        assert_eq!(refused.json()["resets_at"], before["resets_at"]);
        // The day ends at midnight in Jakarta, which is at five in the afternoon by UTC.
        let resets_at = before["resets_at"].as_str().unwrap();
        assert!(resets_at.contains("T17:00:00"), "{resets_at}");
        // What was refused counts nowhere, and other kinds do not.
        assert_eq!(told(&ani, "paid-day").await, before);
        let budi = bank.customer("budi", 0).await;
        send(&ani, &budi, 500).await.expect(201);
        pay(&ani, 39).await.expect(201);
        pay(&ani, 1).await.expect(201);
        let refused = pay(&ani, 1).await;
        assert_eq!(figures(&refused), ("paid-day".to_owned(), 100, 100, 1));
        assert_eq!(ani.balance().await, 400);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn movements_are_counted_by_their_number_too() {
    let limits = json!([
        {"name": "sent", "kinds": ["transfer"], "direction": "out", "window": "month", "max_count": 2},
    ]);
    for bank in every_bank_limited_by(limits).await {
        let (ani, budi) = (
            bank.customer("ani", 100).await,
            bank.customer("budi", 0).await,
        );
        for _ in 0..2 {
            send(&ani, &budi, 1).await.expect(201);
        }
        let refused = send(&ani, &budi, 1).await;
        assert_eq!(figures(&refused), ("sent".to_owned(), 2, 2, 1));
        let body = refused.json();
        assert_eq!(
            (&body["measure"], &body["window"]),
            (&json!("count"), &json!("month"))
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn at_once_no_more_is_moved_than_a_limit_allows() {
    let limits = json!([
        {"name": "out", "direction": "out", "window": "day", "max_amount": 100},
        {"name": "in", "direction": "in", "window": "day", "kinds": ["transfer"], "max_amount": 50},
    ]);
    for bank in every_bank_limited_by(limits).await {
        let (ani, budi) = (
            bank.customer("ani", 1_000).await,
            bank.customer("budi", 0).await,
        );
        let payments = join_all((0..40).map(|_| pay(&ani, 7)));
        let transfers = join_all((0..40).map(|_| send(&ani, &budi, 7)));
        let (payments, transfers) = tokio::join!(payments, transfers);
        let done = |answers: &[Answer]| {
            let done = answers.iter().filter(|answer| answer.status == 201);
            i64::try_from(done.count()).unwrap()
        };
        let (paid, sent) = (done(&payments), done(&transfers));
        assert_eq!(paid + sent, 14, "{paid} and {sent}");
        assert!(sent <= 7, "{sent}");
        assert_eq!(ani.balance().await, 1_000 - 7 * 14);
        assert_eq!(budi.balance().await, 7 * sent);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn a_receiver_who_has_enough_is_told_and_the_sender_is_not() {
    let limits = json!([
        {"name": "balance", "direction": "in", "window": "balance", "max_amount": 100},
    ]);
    for bank in every_bank_limited_by(limits).await {
        let (ani, budi) = (
            bank.customer("ani", 100).await,
            bank.customer("budi", 60).await,
        );
        let answer = send(&ani, &budi, 41).await;
        let body = answer.expect_error(404, "Destination user not found");
        assert_eq!(body["code"], "destination_not_found");
        assert!(body.get("max").is_none(), "{body}");
        let refused = top_up(&budi, 41).await;
        assert_eq!(figures(&refused), ("balance".to_owned(), 100, 60, 41));
        send(&ani, &budi, 40).await.expect(201);
        // A sender who has nothing learns nothing at all.
        let carla = bank.customer("carla", 0).await;
        for receiver in [&ani, &budi] {
            let answer = send(&carla, receiver, 1_000).await;
            answer.expect_error(400, "Insufficient balance");
        }
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn the_tier_decides_and_an_administrator_decides_the_tier() {
    for bank in every_bank_with(|config| {
        config.money.limits = Some("indonesia".parse().unwrap());
    })
    .await
    {
        let (ani, budi) = (
            bank.customer("ani", 1_500_000).await,
            bank.customer("budi", 0).await,
        );
        // Nobody knows who Ani is: no transfer, and two million at most.
        let refused = send(&ani, &budi, 1).await;
        assert_eq!(figures(&refused), ("transfer".to_owned(), 0, 0, 1));
        let refused = top_up(&ani, 500_001).await;
        assert_eq!(figures(&refused).0, "balance");
        pay(&ani, 1).await.expect(201);
        set_tier(&bank, &ani, "registered").await;
        send(&ani, &budi, 499_999).await.expect(201);
        top_up(&ani, 19_000_000).await.expect(200);
        assert_eq!(figures(&top_up(&ani, 1).await).0, "balance");
        // Other tiers of a limit go on with what was used.
        let month = told(&ani, "received-month").await;
        assert_eq!(
            (&month["max"], &month["used"]),
            (&json!(40_000_000), &json!(20_500_000))
        );
        let refused = pay(&ani, 10_000_001).await;
        assert_eq!(figures(&refused).0, "payment");
        set_tier(&bank, &ani, "merchant").await;
        pay(&ani, 10_000_001).await.expect(201);

        let path = format!("/wallets/{}/tier", budi.wallet_id);
        let body = json!({"tier": "registered", "reason": "because"});
        ani.client
            .put(&path, body.clone())
            .await
            .expect_error(403, "Unauthorized");
        let admin = admin(&bank).await;
        for (wrong, sentence) in [
            (json!({"tier": "gold", "reason": "x"}), "Invalid tier"),
            (json!({"reason": "x"}), "Invalid tier"),
            (json!({"tier": "registered"}), "Missing required fields"),
            (json!({"tier": "registered", "reason": ""}), "Invalid field"),
            (json!({"tier": "registered", "reason": 7}), "Invalid field"),
            (
                json!({"tier": "registered", "reason": "x", "by": 1}),
                "Invalid request body",
            ),
        ] {
            admin.put(&path, wrong).await.expect_error(400, sentence);
        }
        admin
            .put("/wallets/999999/tier", body)
            .await
            .expect_error(404, "Wallet not found");
        // Support may look; other users may not.
        let path = format!("/wallets/{}/limits", ani.wallet_id);
        let told = admin.get(&path).await.expect(200);
        assert_eq!(told["tier"], "merchant");
        budi.client
            .get(&path)
            .await
            .expect_error(403, "Unauthorized");
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn other_limits_are_in_force_after_a_restart_and_what_was_used_stays_used() {
    let one = json!([{"name": "out", "direction": "out", "window": "day", "max_amount": 100}]);
    let other = json!([{"name": "out", "direction": "out", "window": "day", "max_amount": 70}]);
    let file = File::of(&other);
    for bank in every_bank_limited_by(one).await {
        let ani = bank.customer("ani", 1_000).await;
        pay(&ani, 60).await.expect(201);
        let Customer {
            token,
            user_id,
            wallet_id,
            ..
        } = ani;
        let of = |bank: &TestBank| Customer {
            client: bank.api.with_token(&*token),
            token: token.clone(),
            user_id,
            wallet_id,
        };
        let bank = bank
            .restart(|config| config.money.limits = Some(file.chosen()))
            .await;
        let ani = of(&bank);
        assert_eq!(
            figures(&pay(&ani, 11).await),
            ("out".to_owned(), 70, 60, 11)
        );
        pay(&ani, 10).await.expect(201);
        // Unset, they stay.
        let bank = bank.restart(|config| config.money.limits = None).await;
        assert_eq!(figures(&pay(&of(&bank), 1).await).2, 70);
        let bank = bank
            .restart(|config| config.money.limits = Some("off".parse().unwrap()))
            .await;
        pay(&of(&bank), 900).await.expect(201);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn what_the_operators_services_do_is_limited_and_deductions_too() {
    let limits = json!([
        {"name": "out", "direction": "out", "window": "day", "kinds": ["withdrawal"], "max_amount": 10},
    ]);
    for bank in every_bank_limited_by(limits).await {
        let ani = bank.customer("ani", 100).await;
        let service = bank.wallets(&service_token("payment-service"));
        let path = format!("/wallets/{}/deduct", ani.wallet_id);
        service.post(&path, json!({"amount": 10})).await.expect(200);
        let refused = service.post(&path, json!({"amount": 1})).await;
        assert_eq!(figures(&refused), ("out".to_owned(), 10, 10, 1));
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn without_other_limits_one_user_tops_up_no_more_in_a_day_than_the_first_allows() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 0).await;
        for _ in 0..10 {
            top_up(&ani, 1_000_000_000_000).await.expect(200);
        }
        let refused = top_up(&ani, 1).await;
        let (limit, max, used, _) = figures(&refused);
        assert_eq!(limit, "topup-day");
        assert_eq!(max, used);
        assert_eq!(told(&ani, "topup-day").await["used"], used);
        assert_eq!(told(&ani, "movement").await["max"], 1_000_000_000_000_i64);
        // Others go on.
        let budi = bank.customer("budi", 1).await;
        top_up(&budi, 1).await.expect(200);
        bank.assert_whole().await;
    }
}
