//! Reversals: an administrator takes each kind of movement back, once, and only what is left of it.

use ledger_api::{Actor, Service};
use money::Amount;
use serde_json::{Value, json};
use test_bank::Customer;
use testing::Answer;

use crate::support::{World, every_world};

async fn newest(world: &World, customer: &Customer) -> Value {
    let list = world.client(customer).get("/transactions?limit=1").await;
    list.expect(200)["transactions"][0].clone()
}

async fn reverse(world: &World, transaction: &Value) -> Answer {
    let path = format!("/admin/transactions/{}/reverse", transaction["id"]);
    let body = json!({"reason": "by mistake"});
    world.admin().post(&path, body).await
}

fn conflict(answer: &Answer, code: &str) {
    assert_eq!(answer.expect(409)["code"], code);
}

#[tokio::test]
async fn each_movement_goes_back_to_where_it_came_from_once() {
    for world in every_world().await {
        let bank = &world.bank;
        let (ani, budi) = (bank.customer(100_000).await, bank.customer(0).await);
        let top_up = newest(&world, &ani).await;
        let amount = Amount::new(30_000).unwrap();
        let send = wallet_api::transfer(ani.wallet_id, ani.user_id, budi.user_id, amount);
        bank.carry_out(send).await;
        // From the receiver's side of it, whose wallet is frozen meanwhile.
        let received = newest(&world, &budi).await;
        let sent = newest(&world, &ani).await;
        bank.freeze(budi.wallet_id).await;
        let reversed = reverse(&world, &received).await.expect(201);
        assert_eq!(reversed["type"], "transfer_reversal");
        assert_eq!(reversed["amount"], 30_000);
        assert_eq!(bank.balance(ani.wallet_id).await, 100_000);
        assert_eq!(bank.balance(budi.wallet_id).await, 0);
        conflict(&reverse(&world, &sent).await, "already_reversed");
        let back = newest(&world, &ani).await;
        assert_eq!(
            (&back["type"], &back["direction"]),
            (&json!("transfer_reversal"), &json!("in"))
        );
        conflict(&reverse(&world, &back).await, "not_reversible");

        bank.deduct(ani.wallet_id, 5_000, None).await;
        let withdrawn = newest(&world, &ani).await;
        reverse(&world, &withdrawn).await.expect(201);
        let pay = wallet_api::pay(ani.wallet_id, ani.user_id, "Tokopedia", amount);
        bank.carry_out(pay).await;
        let paid = newest(&world, &ani).await;
        reverse(&world, &paid).await.expect(201);
        let hold = wallet_api::hold(ani.wallet_id, ani.user_id, "Hotel", amount, 600);
        bank.carry_out(hold).await;
        let held = newest(&world, &ani).await;
        reverse(&world, &held).await.expect(201);
        assert_eq!(bank.balance(ani.wallet_id).await, 100_000);
        reverse(&world, &top_up).await.expect(201);
        assert_eq!(bank.balance(ani.wallet_id).await, 0);

        let stats = world
            .client(&ani)
            .get("/transactions/stats")
            .await
            .expect(200);
        assert_eq!(
            [
                &stats["total_held"],
                &stats["total_released"],
                &stats["total_refunded"]
            ],
            [30_000, 30_000, 30_000].map(|sum| json!(sum)).each_ref()
        );
    }
}

#[tokio::test]
async fn what_is_left_of_a_payment_is_taken_back_and_the_reason_is_in_the_log() {
    for world in every_world().await {
        let bank = &world.bank;
        let ani = bank.customer(100_000).await;
        let pay = wallet_api::pay(
            ani.wallet_id,
            ani.user_id,
            "Tokopedia",
            Amount::new(40_000).unwrap(),
        );
        let entry = bank.carry_out(pay).await;
        let paid = newest(&world, &ani).await;
        let by = Actor::Service(Service::Payment);
        let part = wallet_api::refund(entry.seq, ani.user_id, by, Amount::new(15_000).ok(), None);
        bank.carry_out(part.into()).await;
        let reversed = reverse(&world, &paid).await.expect(201);
        assert_eq!(
            (&reversed["type"], &reversed["amount"]),
            (&json!("refund"), &json!(25_000))
        );
        let log = bank.log().await;
        let last = log
            .last()
            .and_then(|entry| entry.event.as_posting())
            .unwrap();
        assert_eq!(last.note.as_deref(), Some("by mistake"));
        conflict(&reverse(&world, &paid).await, "already_reversed");
    }
}

#[tokio::test]
async fn money_that_is_spent_is_not_taken_back() {
    for world in every_world().await {
        let bank = &world.bank;
        let ani = bank.customer(100_000).await;
        let top_up = newest(&world, &ani).await;
        bank.deduct(ani.wallet_id, 1, None).await;
        let before = bank.log().await;
        let refused = reverse(&world, &top_up).await.expect(400);
        assert_eq!(refused["code"], "insufficient_balance");
        assert_eq!(bank.log().await, before);
    }
}

#[tokio::test]
async fn only_an_administrator_with_a_reason_takes_anything_back() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let top_up = newest(&world, &ani).await;
        let path = format!("/admin/transactions/{}/reverse", top_up["id"]);
        let before = world.bank.log().await;
        let body = json!({"reason": "mine"});
        let owner = world.client(&ani).post(&path, body.clone()).await;
        assert_eq!(owner.expect(403)["code"], "forbidden");
        for (body, code) in [
            (json!({}), "missing_fields"),
            (json!({"reason": " "}), "missing_fields"),
            (json!({"reason": 7}), "invalid_field"),
            (json!({"reason": "a".repeat(201)}), "invalid_field"),
            (json!({"reason": "a", "amount": 1}), "unknown_field"),
        ] {
            let answer = world.admin().post(&path, body).await;
            assert_eq!(answer.expect(400)["code"], code);
        }
        for id in ["0", "abc", "999999"] {
            let path = format!("/admin/transactions/{id}/reverse");
            let answer = world.admin().post(&path, body.clone()).await;
            assert_eq!(answer.expect(404)["code"], "transaction_not_found");
        }
        assert_eq!(world.bank.log().await, before);
        let first = world
            .admin()
            .post_with_key(&path, "once", body.clone())
            .await;
        let again = world.admin().post_with_key(&path, "once", body).await;
        assert_eq!(first.expect(201), again.expect(201));
    }
}
