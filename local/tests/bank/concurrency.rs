//! Many at once, through the gateway: no deadlock, nobody below zero, the sum stays zero.

use crate::support::every_bank;
use futures_util::future::join_all;
use serde_json::json;

#[tokio::test]
async fn two_hundred_transfers_both_ways_end_where_they_began() {
    for bank in every_bank().await {
        let (ani, budi) = (
            bank.customer("ani", 10_000).await,
            bank.customer("budi", 10_000).await,
        );
        let calls = (0..200).map(|n| {
            let (from, to) = if n % 2 == 0 {
                (&ani, &budi)
            } else {
                (&budi, &ani)
            };
            from.client.post("/payments/transfer", from.transfer(to, 7))
        });
        for answer in join_all(calls).await {
            answer.expect(201);
        }
        assert_eq!(
            (ani.balance().await, budi.balance().await),
            (10_000, 10_000)
        );
        assert_eq!(
            ani.list("/transactions?limit=200", "transactions")
                .await
                .len(),
            200
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn of_two_hundred_payments_of_more_than_half_one_succeeds() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 1_000).await;
        let calls = (0..200).map(|_| ani.client.post("/payments/pay", ani.pay(501)));
        let answers = join_all(calls).await;
        assert_eq!(
            answers
                .iter()
                .filter(|answer| answer.status.as_u16() == 201)
                .count(),
            1
        );
        for answer in answers
            .iter()
            .filter(|answer| answer.status.as_u16() != 201)
        {
            answer.expect_error(400, "Insufficient balance");
        }
        assert_eq!(
            (
                ani.balance().await,
                ani.list("/payments", "payments").await.len()
            ),
            (499, 1)
        );
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn one_key_at_once_and_again_is_one_payment_with_one_answer() {
    for bank in every_bank().await {
        let ani = bank.customer("ani", 1_000).await;
        let calls = (0..20).map(|_| {
            ani.client
                .post_with_key("/payments/pay", "order-1", ani.pay(600))
        });
        let answers = join_all(calls).await;
        for answer in &answers {
            answer.expect(201);
            assert_eq!(answer.bytes, answers[0].bytes);
        }
        let first =
            |answer: &&testing::Answer| !answer.headers.contains_key("idempotency-replayed");
        assert_eq!(answers.iter().filter(first).count(), 1);
        ani.client
            .post_with_key("/payments/pay", "order-1", ani.pay(601))
            .await
            .expect_error(422, "Idempotency key reused");
        assert_eq!(ani.balance().await, 400);

        for (path, body, status) in [
            (
                format!("/wallets/{}/topup", ani.wallet_id),
                json!({"amount": 5}),
                200,
            ),
            ("/wallets".to_owned(), json!({"currency": "USD"}), 201),
            (
                "/payments/transfer".to_owned(),
                json!({"from_wallet_id": ani.wallet_id, "to_user_id": 1, "amount": 5}),
                201,
            ),
        ] {
            let answer = ani
                .client
                .post_with_key(&path, "order-2", body.clone())
                .await;
            answer.expect(status);
            let again = ani.client.post_with_key(&path, "order-2", body).await;
            assert_eq!(
                (again.status, &again.bytes),
                (answer.status, &answer.bytes),
                "{path}"
            );
            assert_eq!(again.headers["idempotency-replayed"], "true");
        }
        bank.assert_whole().await;
    }
}
