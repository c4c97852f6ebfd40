//! Holds: authorize, capture, void, expiry and cancellation, each answer as clients read it, and races between them.

use std::time::Duration;

use futures_util::future::join_all;
use ledger_api::{Actor, Operation, Service};
use serde_json::{Value, json};
use test_bank::Customer;
use testing::{Answer, wait_until};

use crate::support::{World, every_world, is_replayed};

async fn authorize(world: &World, customer: &Customer, amount: i64) -> Value {
    let body = json!({"wallet_id": customer.wallet_id, "merchant": "Hotel", "amount": amount, "expires_in": 3600});
    let answer = world
        .client(customer)
        .post("/payments/authorize", body)
        .await;
    answer.expect(201)["hold"].clone()
}

async fn capture(world: &World, customer: &Customer, hold: &Value, body: Value) -> Answer {
    let path = format!("/holds/{}/capture", hold["id"]);
    world.client(customer).post(&path, body).await
}

async fn void(world: &World, customer: &Customer, hold: &Value) -> Answer {
    let path = format!("/holds/{}/void", hold["id"]);
    world.client(customer).post(&path, json!({})).await
}

async fn show(world: &World, customer: &Customer, hold: &Value) -> Value {
    let path = format!("/holds/{}", hold["id"]);
    world.client(customer).get(&path).await.expect(200)
}

fn conflict(answer: &Answer, code: &str) {
    assert_eq!(answer.expect(409)["code"], code);
}

#[tokio::test]
async fn a_hold_reserves_and_a_final_capture_gives_the_rest_back() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let hold = authorize(&world, &ani, 60_000).await;
        let now = world.bank.clock.now();
        let expected = json!({
            "id": hold["id"], "user_id": ani.user_id, "wallet_id": ani.wallet_id, "merchant": "Hotel", "amount": 60_000,
            "currency": "IDR", "captured": 0, "released": 0, "remaining": 60_000, "state": "authorized",
            "created_at": now.rfc3339(), "expires_at": now.plus(Duration::from_secs(3600)).rfc3339(),
        });
        assert_eq!(hold, expected);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 40_000);
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Shop", "amount": 40_001});
        let spent = world.client(&ani).post("/payments/pay", body).await;
        assert_eq!(spent.expect(400)["code"], "insufficient_balance");

        let captured = capture(&world, &ani, &hold, json!({"amount": 45_000})).await;
        let captured = captured.expect(201);
        assert_eq!(captured["hold"]["state"], "captured");
        assert_eq!(captured["hold"]["captured"], 45_000);
        assert_eq!(captured["hold"]["released"], 15_000);
        assert_eq!(captured["capture"]["amount"], 45_000);
        assert_eq!(captured["capture"]["merchant"], "Hotel");
        assert_eq!(captured["capture"]["hold_id"], hold["id"]);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 55_000);
        // It is a payment like any other.
        let payments = world.client(&ani).get("/payments").await.expect(200);
        assert_eq!(payments["payments"], json!([captured["capture"]]));
        assert_eq!(
            show(&world, &ani, &hold).await,
            json!({"hold": captured["hold"], "captures": [captured["capture"]]})
        );
    }
}

#[tokio::test]
async fn a_hold_is_captured_in_parts_until_one_is_final() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let hold = authorize(&world, &ani, 60_000).await;
        let part = json!({"amount": 20_000, "final": false});
        let first = capture(&world, &ani, &hold, part).await.expect(201);
        assert_eq!(first["hold"]["state"], "partially_captured");
        assert_eq!(first["hold"]["remaining"], 40_000);
        let too_much = capture(&world, &ani, &hold, json!({"amount": 40_001})).await;
        let refused = too_much.expect(400);
        assert_eq!(refused["code"], "capture_exceeds_hold");
        assert_eq!(refused["remaining"], 40_000);
        let rest = capture(&world, &ani, &hold, json!({})).await.expect(201);
        assert_eq!(rest["capture"]["amount"], 40_000);
        assert_eq!(rest["hold"]["state"], "captured");
        conflict(
            &capture(&world, &ani, &hold, json!({})).await,
            "hold_captured",
        );
        conflict(&void(&world, &ani, &hold).await, "hold_captured");
        assert_eq!(world.bank.balance(ani.wallet_id).await, 40_000);
    }
}

#[tokio::test]
async fn a_hold_that_is_voided_is_finished() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let hold = authorize(&world, &ani, 60_000).await;
        capture(
            &world,
            &ani,
            &hold,
            json!({"amount": 10_000, "final": false}),
        )
        .await
        .expect(201);
        let voided = void(&world, &ani, &hold).await.expect(200);
        assert_eq!(voided["hold"]["state"], "voided");
        assert_eq!(voided["hold"]["released"], 50_000);
        conflict(&void(&world, &ani, &hold).await, "hold_voided");
        conflict(
            &capture(&world, &ani, &hold, json!({})).await,
            "hold_voided",
        );
        assert_eq!(world.bank.balance(ani.wallet_id).await, 90_000);
    }
}

#[tokio::test]
async fn from_its_expiry_on_a_hold_is_not_captured_although_nothing_released_it_yet() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let (late, early) = (
            authorize(&world, &ani, 60_000).await,
            authorize(&world, &ani, 1_000).await,
        );
        world.bank.clock.advance(Duration::from_secs(3599));
        capture(&world, &ani, &early, json!({})).await.expect(201);
        world.bank.clock.advance(Duration::from_secs(1));
        conflict(
            &capture(&world, &ani, &late, json!({})).await,
            "hold_expired",
        );
        conflict(&void(&world, &ani, &late).await, "hold_expired");
        wait_until("the hold gave its money back", async || {
            world.bank.balance(ani.wallet_id).await == 99_000
        })
        .await;
        let shown = show(&world, &ani, &late).await;
        assert_eq!(shown["hold"]["state"], "expired");
        assert_eq!(shown["hold"]["remaining"], 0);
        conflict(
            &capture(&world, &ani, &late, json!({})).await,
            "hold_expired",
        );
    }
}

#[tokio::test]
async fn money_of_a_hold_whose_wallet_is_closed_is_kept_for_its_owner() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let hold = authorize(&world, &ani, 60_000).await;
        let by = Actor::Service(Service::User);
        let user_id = ani.user_id;
        world
            .bank
            .carry_out(Operation::CloseUser { user_id, by })
            .await;
        conflict(&void(&world, &ani, &hold).await, "wallet_closed");
        world.bank.clock.advance(Duration::from_secs(3600));
        wait_until("the hold ended", async || {
            show(&world, &ani, &hold).await["hold"]["state"] == "expired"
        })
        .await;
        let log = world.bank.log().await;
        let last = log
            .last()
            .and_then(|entry| entry.event.as_posting())
            .unwrap();
        assert_eq!(last.kind, wallet_api::UNCLAIMED_EXPIRY.code);
        assert_eq!(last.amount.units(), 60_000);
    }
}

#[tokio::test]
async fn a_frozen_wallet_reserves_nothing_and_lets_its_holds_be_captured_and_voided() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let (one, other) = (
            authorize(&world, &ani, 10_000).await,
            authorize(&world, &ani, 20_000).await,
        );
        world.bank.freeze(ani.wallet_id).await;
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Hotel", "amount": 1});
        let refused = world.client(&ani).post("/payments/authorize", body).await;
        assert_eq!(refused.expect(400)["code"], "wallet_not_active");
        capture(&world, &ani, &one, json!({"amount": 9_000}))
            .await
            .expect(201);
        void(&world, &ani, &other).await.expect(200);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 91_000);
    }
}

#[tokio::test]
async fn a_repeat_with_its_key_gets_the_first_answer_also_when_the_hold_is_finished() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let client = world.client(&ani);
        let hold = authorize(&world, &ani, 60_000).await;
        let path = format!("/holds/{}/capture", hold["id"]);
        for body in [
            json!({"amount": 20_000, "final": false}),
            json!({"amount": 30_000}),
        ] {
            let key = format!("capture {}", body["amount"]).replace(' ', "-");
            let first = client.post_with_key(&path, &key, body.clone()).await;
            let again = client.post_with_key(&path, &key, body).await;
            assert_eq!(first.expect(201)["capture"], again.expect(201)["capture"]);
            assert!(is_replayed(&again) && !is_replayed(&first));
            let other = client
                .post_with_key(&path, &key, json!({"amount": 1}))
                .await;
            assert_eq!(other.expect(422)["code"], "idempotency_key_reused");
        }
        // Without an amount it was the rest, and the rest it stays.
        let second = authorize(&world, &ani, 5_000).await;
        let path = format!("/holds/{}/void", second["id"]);
        let first = client.post_with_key(&path, "void", json!({})).await;
        let again = client.post_with_key(&path, "void", json!({})).await;
        assert_eq!(first.expect(200), again.expect(200));
        assert_eq!(world.bank.balance(ani.wallet_id).await, 50_000);
    }
}

#[tokio::test]
async fn of_captures_and_voids_at_the_same_moment_the_first_one_counts() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let hold = authorize(&world, &ani, 60_000).await;
        let captures = (0..8).map(|_| capture(&world, &ani, &hold, json!({})));
        let voids = (0..8).map(|_| void(&world, &ani, &hold));
        let (captured, voided) = tokio::join!(join_all(captures), join_all(voids));
        let done = |answers: &[Answer]| {
            let done = answers.iter().filter(|answer| answer.status.is_success());
            done.count()
        };
        assert_eq!(done(&captured) + done(&voided), 1);
        for answer in captured
            .iter()
            .chain(&voided)
            .filter(|a| !a.status.is_success())
        {
            assert_eq!(answer.status, 409, "{answer:?}");
        }
        let left = if done(&captured) == 1 {
            40_000
        } else {
            100_000
        };
        assert_eq!(world.bank.balance(ani.wallet_id).await, left);
    }
}

#[tokio::test]
async fn a_cancellation_takes_back_what_is_held_and_what_was_captured_at_once() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let hold = authorize(&world, &ani, 60_000).await;
        for _ in 0..2 {
            capture(
                &world,
                &ani,
                &hold,
                json!({"amount": 20_000, "final": false}),
            )
            .await
            .expect(201);
        }
        let path = format!("/holds/{}/cancel", hold["id"]);
        let cancelled = world
            .client(&ani)
            .post_with_key(&path, "c", json!({}))
            .await;
        let body = cancelled.expect(200);
        assert_eq!(body["hold"]["state"], "voided");
        assert_eq!(body["refunds"].as_array().unwrap().len(), 2);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 100_000);
        let again = world
            .client(&ani)
            .post_with_key(&path, "c", json!({}))
            .await;
        assert_eq!(again.expect(200)["refunds"], body["refunds"]);
        let anew = world.client(&ani).post(&path, json!({})).await;
        conflict(&anew, "payment_already_refunded");
        let shown = show(&world, &ani, &hold).await;
        assert_eq!(shown["captures"][0]["status"], "refunded");
    }
}

#[tokio::test]
async fn holds_are_listed_by_state_and_seen_by_nobody_else() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(100_000).await,
            world.bank.customer(0).await,
        );
        let (open, voided) = (
            authorize(&world, &ani, 10_000).await,
            authorize(&world, &ani, 20_000).await,
        );
        void(&world, &ani, &voided).await.expect(200);
        let ids = async |query: &str| {
            let answer = world.client(&ani).get(&format!("/holds{query}")).await;
            let body = answer.expect(200);
            let holds = body["holds"].as_array().unwrap().iter();
            holds.map(|hold| hold["id"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(ids("").await, [voided["id"].clone(), open["id"].clone()]);
        assert_eq!(ids("?state=open").await, [open["id"].clone()]);
        assert_eq!(ids("?state=voided&limit=1").await, [voided["id"].clone()]);
        assert_eq!(ids("?wallet_id=999").await, [] as [Value; 0]);
        for wrong in ["?state=closed", "?wallet_id=x", "?wallet_id=0"] {
            let answer = world.client(&ani).get(&format!("/holds{wrong}")).await;
            assert_eq!(answer.expect(400)["code"], "invalid_query");
        }
        let path = format!("/holds/{}", open["id"]);
        for answer in [
            world.client(&budi).get(&path).await,
            world
                .client(&budi)
                .post(&format!("{path}/capture"), json!({}))
                .await,
            world
                .client(&budi)
                .post(&format!("{path}/void"), json!({}))
                .await,
            world
                .client(&budi)
                .post(&format!("{path}/cancel"), json!({}))
                .await,
        ] {
            assert_eq!(answer.expect(403)["code"], "not_owner");
        }
        let nobody = world.client(&budi).get("/holds").await.expect(200);
        assert_eq!(nobody, json!({"holds": []}));
        let missing = world.client(&ani).post("/holds/9999/void", json!({})).await;
        assert_eq!(missing.expect(404)["code"], "hold_not_found");
    }
}

#[tokio::test]
async fn input_that_is_wrong_reserves_nothing() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let before = world.bank.log().await;
        let good = json!({"wallet_id": ani.wallet_id, "merchant": "Hotel", "amount": 1_000});
        for (field, value, code) in [
            ("expires_in", json!(59), "invalid_field"),
            ("expires_in", json!(2_678_401), "invalid_field"),
            ("expires_in", json!("60"), "invalid_field"),
            ("expires_in", json!(null), "invalid_field"),
            ("amount", json!(0), "invalid_amount"),
            ("amount", json!(1.5), "invalid_amount"),
            ("amount", json!(100_001), "insufficient_balance"),
            ("merchant", json!(""), "invalid_field"),
            ("merchant", json!(null), "missing_fields"),
            ("wallet_id", json!(0), "invalid_wallet_id"),
            ("colour", json!("red"), "unknown_field"),
        ] {
            let mut body = good.clone();
            body[field] = value;
            let answer = world.client(&ani).post("/payments/authorize", body).await;
            assert_eq!(answer.expect(400)["code"], code, "{field}");
        }
        assert_eq!(world.bank.log().await, before);
        let hold = authorize(&world, &ani, 1_000).await;
        for body in [
            json!({"amount": 0}),
            json!({"amount": null}),
            json!({"final": "yes"}),
            json!({"finally": true}),
        ] {
            capture(&world, &ani, &hold, body).await.expect(400);
        }
        assert_eq!(show(&world, &ani, &hold).await["hold"], hold);
    }
}
