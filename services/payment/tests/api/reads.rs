//! `GET /payments` and `GET /payments/{id}`: own payments, newest first, and never behind an answer that was given.

use serde_json::{Value, json};

use crate::support::{every_world, is_behind};

#[tokio::test]
async fn everybody_sees_their_own_payments_newest_first() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(1_000).await,
        );
        let first = world.pay(&ani, "Tokopedia", 1).await;
        let of_budi = world.pay(&budi, "Shopee", 2).await;
        let second = world.pay(&ani, "Blibli", 3).await;

        let list = world.client(&ani).get("/payments").await;
        assert_eq!(list.expect(200), json!({"payments": [second, first]}));
        assert!(!is_behind(&list));
        let list = world.client(&budi).get("/payments").await.expect(200);
        assert_eq!(list, json!({"payments": [of_budi]}));

        let path = |payment: &Value| format!("/payments/{}", payment["id"]);
        let own = world.client(&ani).get(&path(&first)).await.expect(200);
        assert_eq!(own, json!({"payment": first}));
        let answer = world.client(&ani).get(&path(&of_budi)).await;
        answer.expect_error(403, "Unauthorized");
        let answer = world.client(&ani).get("/payments/4").await;
        answer.expect_error(404, "Payment not found");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        for amount in 1..=7 {
            world.pay(&ani, "Tokopedia", amount).await;
        }
        let client = world.client(&ani);
        let mut amounts = Vec::new();
        let mut path = "/payments?limit=3".to_owned();
        loop {
            let page = client.get(&path).await.expect(200);
            let payments = page["payments"].as_array().unwrap();
            amounts.extend(
                payments
                    .iter()
                    .map(|payment| payment["amount"].as_i64().unwrap()),
            );
            // What is paid meanwhile is on no later page.
            world.pay(&ani, "Shopee", 100).await;
            match page["next"].as_i64() {
                Some(next) => path = format!("/payments?limit=3&before={next}"),
                None => break,
            }
        }
        assert_eq!(amounts, [7, 6, 5, 4, 3, 2, 1]);
    }
}

#[tokio::test]
async fn a_payment_that_was_answered_is_in_the_next_list_of_another_process() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let (_server, other) = world.another().await;
        let other = other.with_token(&ani.token);
        for count in 1..=20 {
            let payment = world.pay(&ani, "Tokopedia", 1).await;
            for client in [&other, &world.client(&ani)] {
                let list = client.get("/payments").await.expect(200);
                assert_eq!(list["payments"].as_array().unwrap().len(), count);
                assert_eq!(list["payments"][0], payment);
            }
        }
    }
}

#[tokio::test]
async fn many_readers_share_catch_ups() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        world.pay(&ani, "Tokopedia", 1).await;
        let client = world.client(&ani);
        let lists = futures_util::future::join_all((0..100).map(|_| client.get("/payments"))).await;
        for list in lists {
            assert_eq!(list.expect(200)["payments"].as_array().unwrap().len(), 1);
        }
        let metrics = world.nobody().get("/metrics").await.text();
        let count = |name: &str| -> f64 {
            let line = metrics.lines().find(|line| line.starts_with(name));
            line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
        };
        // One opened wallet, one top-up, one payment.
        assert_eq!(count("follower_applied_total "), 3.0);
        assert_eq!(count("follower_lag_entries "), 0.0);
        let catch_ups = count("follower_catch_up_duration_seconds_count ");
        assert!(catch_ups < 60.0, "{catch_ups} catch-ups for 100 readers");
    }
}
