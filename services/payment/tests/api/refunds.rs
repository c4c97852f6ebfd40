//! Refunds: whole, in parts, of payments and of captures, and never more than was paid.

use futures_util::future::join_all;
use ledger_api::{Actor, Operation, Service};
use serde_json::{Value, json};
use test_bank::Customer;
use testing::Answer;

use crate::support::{World, every_world, is_replayed};

async fn refund(world: &World, customer: &Customer, payment: &Value, body: Value) -> Answer {
    let path = format!("/payments/{}/refunds", payment["id"]);
    world.client(customer).post(&path, body).await
}

#[tokio::test]
async fn a_payment_is_given_back_in_parts_and_never_more_than_was_paid() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let payment = world.pay(&ani, "Tokopedia", 40_000).await;
        assert_eq!(
            (&payment["refunded"], &payment["refundable"]),
            (&json!(0), &json!(40_000))
        );
        let first = json!({"amount": 15_000, "reason": "duplicate", "note": "twice: by mistake"});
        let first = refund(&world, &ani, &payment, first).await.expect(201);
        let expected = json!({
            "id": first["refund"]["id"], "payment_id": payment["id"], "amount": 15_000, "currency": "IDR", "status": "succeeded",
            "reason": "duplicate", "note": "twice: by mistake", "to": "wallet", "created_at": world.bank.clock.now().rfc3339(),
        });
        assert_eq!(first["refund"], expected);
        assert_eq!(first["payment"]["status"], "partially_refunded");
        assert_eq!(first["payment"]["refundable"], 25_000);

        let too_much = refund(&world, &ani, &payment, json!({"amount": 25_001})).await;
        let refused = too_much.expect(400);
        assert_eq!(refused["code"], "refund_exceeds_payment");
        assert_eq!(refused["refundable"], 25_000);

        let rest = refund(&world, &ani, &payment, json!({})).await.expect(201);
        assert_eq!(rest["refund"]["amount"], 25_000);
        assert_eq!(rest["refund"]["reason"], "requested_by_customer");
        assert_eq!(rest["payment"]["status"], "refunded");
        for body in [json!({}), json!({"amount": 1})] {
            let nothing = refund(&world, &ani, &payment, body).await.expect(409);
            assert_eq!(nothing["code"], "payment_already_refunded");
        }
        assert_eq!(world.bank.balance(ani.wallet_id).await, 100_000);
        let path = format!("/payments/{}", payment["id"]);
        let shown = world.client(&ani).get(&path).await.expect(200);
        assert_eq!(shown["payment"], rest["payment"]);
        let listed = world.client(&ani).get("/payments").await.expect(200);
        assert_eq!(listed["payments"], json!([rest["payment"]]));
        let listed = world.client(&ani).get(&format!("{path}/refunds")).await;
        let expected = json!({"refunds": [first["refund"], rest["refund"]]});
        assert_eq!(listed.expect(200), expected);
    }
}

#[tokio::test]
async fn refunds_at_the_same_moment_give_no_more_back_than_was_paid() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let payment = world.pay(&ani, "Tokopedia", 50_000).await;
        let body = || json!({"amount": 20_000});
        let answers = join_all((0..16).map(|_| refund(&world, &ani, &payment, body()))).await;
        let done = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(done, 2);
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!(answer.expect(400)["code"], "refund_exceeds_payment");
        }
        assert_eq!(world.bank.balance(ani.wallet_id).await, 90_000);
    }
}

#[tokio::test]
async fn what_was_captured_is_given_back_not_what_was_reserved() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let body = json!({"wallet_id": ani.wallet_id, "merchant": "Hotel", "amount": 60_000});
        let hold = world.client(&ani).post("/payments/authorize", body).await;
        let path = format!("/holds/{}/capture", hold.expect(201)["hold"]["id"]);
        let part = json!({"amount": 20_000, "final": false});
        let captured = world.client(&ani).post(&path, part).await.expect(201);
        let capture = captured["capture"].clone();
        let too_much = refund(&world, &ani, &capture, json!({"amount": 20_001})).await;
        assert_eq!(too_much.expect(400)["refundable"], 20_000);
        refund(&world, &ani, &capture, json!({"amount": 5_000}))
            .await
            .expect(201);
        // The rest of both, in one order.
        let path = format!("/payments/{}/cancel", capture["id"]);
        let cancelled = world.client(&ani).post(&path, json!({})).await.expect(200);
        assert_eq!(cancelled["payment"]["status"], "refunded");
        assert_eq!(cancelled["refunds"][0]["amount"], 15_000);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 100_000);
        let again = world.client(&ani).post(&path, json!({})).await.expect(409);
        assert_eq!(again["code"], "payment_already_refunded");
    }
}

#[tokio::test]
async fn a_repeat_with_its_key_gives_back_once() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let payment = world.pay(&ani, "Tokopedia", 40_000).await;
        let path = format!("/payments/{}/refunds", payment["id"]);
        let client = world.client(&ani);
        let send = async |body: Value, key: &str| client.post_with_key(&path, key, body).await;
        let first = send(json!({"amount": 10_000}), "one").await;
        let again = send(json!({"amount": 10_000}), "one").await;
        assert_eq!(first.expect(201)["refund"], again.expect(201)["refund"]);
        assert!(is_replayed(&again));
        for other in [
            json!({"amount": 10_001}),
            json!({}),
            json!({"amount": 10_000, "reason": "other"}),
        ] {
            let reused = send(other, "one").await;
            assert_eq!(reused.expect(422)["code"], "idempotency_key_reused");
        }
        let rest = send(json!({}), "rest").await.expect(201);
        let again = send(json!({}), "rest").await.expect(201);
        assert_eq!(rest["refund"], again["refund"]);
        assert_eq!(world.bank.balance(ani.wallet_id).await, 100_000);
    }
}

#[tokio::test]
async fn a_frozen_wallet_gets_its_money_back_and_a_closed_one_has_it_kept_for_its_owner() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let payment = world.pay(&ani, "Tokopedia", 40_000).await;
        world.bank.freeze(ani.wallet_id).await;
        refund(&world, &ani, &payment, json!({"amount": 10_000}))
            .await
            .expect(201);
        let (user_id, by) = (ani.user_id, Actor::Service(Service::User));
        world
            .bank
            .carry_out(Operation::CloseUser { user_id, by })
            .await;
        let closed = refund(&world, &ani, &payment, json!({})).await;
        assert_eq!(closed.expect(409)["code"], "wallet_closed");
        let unclaimed = json!({"to": "unclaimed"});
        let not_theirs = refund(&world, &ani, &payment, unclaimed.clone()).await;
        assert_eq!(not_theirs.expect(403)["code"], "forbidden");
        let path = format!("/payments/{}/refunds", payment["id"]);
        let kept = world.admin().post(&path, unclaimed).await.expect(201);
        assert_eq!(kept["refund"]["to"], "unclaimed");
        assert_eq!(kept["refund"]["amount"], 30_000);
        assert_eq!(kept["payment"]["status"], "refunded");
    }
}

#[tokio::test]
async fn only_an_administrator_gives_back_where_payers_may_not() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(100_000).await,
            world.bank.customer(0).await,
        );
        let payment = world.pay(&ani, "Tokopedia", 40_000).await;
        let somebody_else = refund(&world, &budi, &payment, json!({})).await;
        assert_eq!(somebody_else.expect(403)["code"], "not_owner");
        let (_server, strict) = world.another_with(false).await;
        let path = format!("/payments/{}/refunds", payment["id"]);
        let payer = strict.with_token(&ani.token).post(&path, json!({})).await;
        assert_eq!(payer.expect(403)["code"], "payer_may_not_refund");
        let cancel = format!("/payments/{}/cancel", payment["id"]);
        let payer = strict.with_token(&ani.token).post(&cancel, json!({})).await;
        assert_eq!(payer.expect(403)["code"], "payer_may_not_refund");
        let admin = strict
            .with_token(world.bank.admin_token())
            .post(&path, json!({}))
            .await;
        assert_eq!(admin.expect(201)["refund"]["amount"], 40_000);
        let missing = world.admin().post("/payments/999/refunds", json!({})).await;
        assert_eq!(missing.expect(404)["code"], "payment_not_found");
    }
}
