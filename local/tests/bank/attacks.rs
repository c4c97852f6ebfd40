//! Attacks on what all share and on what others own, by users who keep to the API, and how far they come.

use local::Config;
use money::Amount;
use serde_json::{Value, json};
use testing::{Answer, TestClient};

use crate::support::{Customer, TestBank, every_bank, every_bank_with};

/// The most that one movement moves, unless the operator says otherwise.
const MOVEMENT_MAX: i64 = 1_000_000_000_000;

/// The content of an answer, without what differs between any two answers.
fn said(answer: &Answer) -> (u16, Value) {
    let mut body = answer.json();
    if let Some(fields) = body.as_object_mut() {
        fields.remove("trace_id");
        fields.remove("created_at");
        fields.remove("to_wallet_id");
    }
    (answer.status.as_u16(), body)
}

async fn top_up(customer: &Customer, amount: i64) -> Answer {
    let path = format!("/wallets/{}/topup", customer.wallet_id);
    customer.client.post(&path, json!({"amount": amount})).await
}

async fn send(from: &Customer, to: &Customer, amount: i64) -> Answer {
    let body = from.transfer(to, amount);
    from.client.post("/payments/transfer", body).await
}

/// A search by halves for the balance of `victim`, which is at most `most`: a transfer that the wallet could only just hold is accepted
/// where there is no more in it than was guessed. Gives every answer.
async fn search(attacker: &Customer, victim: &Customer, most: i64) -> Vec<(u16, Value)> {
    for _ in 0..30 {
        top_up(attacker, MOVEMENT_MAX).await.expect(200);
    }
    let (mut low, mut high, mut answers) = (0, most, Vec::new());
    while low < high && answers.len() < 60 {
        let guess = low + (high - low) / 2;
        let answer = send(attacker, victim, Amount::MAX.units() - guess).await;
        if answer.status.is_success() {
            high = guess;
        } else {
            low = guess + 1;
        }
        answers.push(said(&answer));
    }
    answers
}

#[tokio::test]
async fn a_search_by_transfers_measures_nobodys_balance() {
    // The attacker has as much money as can be.
    for bank in every_bank_with(without_limits).await {
        let (poor, rich) = (
            bank.customer("poor", 0).await,
            bank.customer("rich", 750_000).await,
        );
        let attacker = bank.customer("attacker", 0).await;
        let refused = top_up(&attacker, Amount::MAX.units()).await;
        let body = refused.expect_error(400, "Invalid amount");
        assert_eq!(body["code"], "limit_exceeded");
        assert_eq!(
            (&body["limit"], &body["max"], &body["requested"]),
            (
                &json!("movement"),
                &json!(MOVEMENT_MAX),
                &json!(Amount::MAX.units())
            )
        );
        // Both searches, that of everything and that of the small balances which people have, see the same of both.
        for most in [Amount::MAX.units() - 1, 1_000_000] {
            let of_poor = search(&attacker, &poor, most).await;
            let of_rich = search(&attacker, &rich, most).await;
            assert!(of_poor.len() > 15, "{of_poor:?}");
            assert!(of_poor == of_rich, "the search tells one from the other");
        }
        // Nor do the largest transfers that are allowed tell anything.
        for _ in 0..6 {
            top_up(&attacker, MOVEMENT_MAX).await.expect(200);
        }
        for amount in [MOVEMENT_MAX, MOVEMENT_MAX - 750_000, MOVEMENT_MAX + 1] {
            assert_eq!(
                said(&send(&attacker, &poor, amount).await),
                said(&send(&attacker, &rich, amount).await)
            );
        }
        // And the victim goes on receiving.
        top_up(&rich, 1_000).await.expect(200);
        let john = bank.login("john@example.com", "password123").await;
        let body = json!({"from_wallet_id": 1, "to_user_id": rich.user_id, "amount": 1_000});
        john.post("/payments/transfer", body).await.expect(201);
        bank.assert_whole().await;
    }
}

fn without_limits(config: &mut Config) {
    config.money.limits = Some("off".parse().unwrap());
}

/// A bank in which the ceiling of a wallet can be reached, with an administrator.
async fn banks_without_a_maximum() -> Vec<(TestBank, TestClient)> {
    let mut banks = Vec::new();
    let change = |config: &mut Config| {
        without_limits(config);
        config.money.movement_max = Amount::MAX;
    };
    for bank in every_bank_with(change).await {
        let admin = bank.login("admin@example.com", "a long password").await;
        banks.push((bank, admin));
    }
    banks
}

#[tokio::test]
async fn no_answer_tells_why_a_receiver_cannot_take_it() {
    for (bank, admin) in banks_without_a_maximum().await {
        let ani = bank.customer("ani", 100).await;
        let full = bank.customer("full", Amount::MAX.units()).await;
        let frozen = bank.customer("frozen", 5).await;
        let path = format!("/wallets/{}/status", frozen.wallet_id);
        let body = json!({"status": "frozen"});
        admin.put(&path, body).await.expect(200);
        let gone = bank.customer("gone", 0).await;
        let path = format!("/users/{}", gone.user_id);
        gone.client.delete(&path).await.expect(200);
        let (_, without_wallet) = bank.register("without").await;

        let mut answers = Vec::new();
        for user_id in [
            999_999,
            without_wallet,
            full.user_id,
            frozen.user_id,
            gone.user_id,
        ] {
            let body = json!({"from_wallet_id": ani.wallet_id, "to_user_id": user_id, "amount": 7});
            let answer = ani.client.post("/payments/transfer", body).await;
            answer.expect_error(404, "Destination user not found");
            answers.push(said(&answer));
        }
        assert_eq!(answers[0].1["code"], "destination_not_found");
        assert!(
            answers.iter().all(|answer| *answer == answers[0]),
            "{answers:#?}"
        );
        // The owner is told.
        let body = top_up(&full, 1).await.expect_error(400, "Invalid amount");
        assert_eq!(body["code"], "balance_limit");
        assert_eq!(ani.balance().await, 100);
    }
}

#[tokio::test]
async fn one_user_does_not_end_top_ups_for_all() {
    for bank in every_bank().await {
        let attacker = bank.customer("attacker", 0).await;
        let pay = async |amount| {
            let body = attacker.pay(amount);
            attacker.client.post("/payments/pay", body).await
        };
        // In and out again, as much as can be at a time.
        for _ in 0..10 {
            let refused = top_up(&attacker, Amount::MAX.units()).await;
            refused.expect_error(400, "Invalid amount");
            let refused = pay(Amount::MAX.units()).await;
            refused.expect_error(400, "Invalid amount");
            top_up(&attacker, MOVEMENT_MAX).await.expect(200);
            pay(MOVEMENT_MAX).await.expect(201);
        }
        // That was all for today. The range would end after 900,000 days of this, and an alert rings at an eighth.
        let refused = top_up(&attacker, 1).await;
        let body = refused.expect_error(400, "Invalid amount");
        assert_eq!(body["limit"], "topup-day");
        let john = bank.login("john@example.com", "password123").await;
        john.post("/wallets/1/topup", json!({"amount": 1}))
            .await
            .expect(200);
        assert_eq!(attacker.balance().await, 0);
        bank.assert_whole().await;
    }
}
