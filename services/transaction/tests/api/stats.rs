//! What a user's transactions sum up to.

use serde_json::{Value, json};

use crate::support::every_world;

fn stats(figures: [i64; 7], currency: &str) -> Value {
    let [count, topup, payment, transfer, net, received, withdrawal] = figures;
    json!({
        "total_transactions": count, "total_topup": topup, "total_payment": payment, "total_transfer": transfer,
        "net_amount": net, "total_received": received, "total_withdrawal": withdrawal,
        "total_held": 0, "total_released": 0, "total_refunded": 0, "currency": currency,
    })
}

#[tokio::test]
async fn figures_are_by_kind_and_currency() {
    for world in every_world().await {
        let bank = &world.bank;
        let (ani, budi) = (bank.customer(1_000).await, bank.customer(0).await);
        bank.top_up(ani.user_id, ani.wallet_id, 500).await;
        world.pay(&ani, "Tokopedia", 100).await;
        world.send(&ani, &budi, 300).await;
        world.send(&budi, &ani, 10).await;
        bank.deduct(ani.wallet_id, 20, None).await;
        let dollars = bank.open(ani.user_id, "USD".parse().unwrap()).await;
        bank.top_up(ani.user_id, dollars, 7).await;

        let client = world.client(&ani);
        let idr = stats([6, 1_500, 100, 300, 1_100, 10, 20], "IDR");
        for path in [
            "/transactions/stats",
            "/transactions/stats?currency=IDR",
            "/transactions/stats?currency=idr",
        ] {
            assert_eq!(client.get(path).await.expect(200), idr);
        }
        let usd = client
            .get("/transactions/stats?currency=USD")
            .await
            .expect(200);
        assert_eq!(usd, stats([1, 7, 0, 0, 7, 0, 0], "USD"));
        let eur = client
            .get("/transactions/stats?currency=EUR")
            .await
            .expect(200);
        assert_eq!(eur, stats([0; 7], "EUR"));
        let of_budi = world
            .client(&budi)
            .get("/transactions/stats")
            .await
            .expect(200);
        assert_eq!(of_budi, stats([2, 0, 0, 10, -10, 300, 0], "IDR"));
        for query in ["currency=XYZ", "currency=", "currency=IDR&currency=USD"] {
            let answer = client.get(&format!("/transactions/stats?{query}")).await;
            answer.expect_error(400, "Invalid query");
        }
    }
}

#[tokio::test]
async fn a_figure_that_reaches_the_end_stays_there() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        world.bank.deduct(ani.wallet_id, 1, None).await;
        let client = world.client(&ani);
        client.get("/transactions/stats").await.expect(200);
        // A thousand of the largest amounts would do it too, in their time.
        world
            .execute(&["update totals set amount = 9223372036854775800"])
            .await;
        let end = i64::MAX;
        world.bank.top_up(ani.user_id, ani.wallet_id, 8).await;
        let figures = client.get("/transactions/stats").await.expect(200);
        assert_eq!(figures["total_topup"], end);
        for kind in ["topup", "withdrawal"] {
            let body = json!({"wallet_id": ani.wallet_id, "type": kind, "amount": 100, "description": "Elsewhere"});
            let answer = world.service("test").post("/transactions", body).await;
            answer.expect(201);
        }
        let figures = client.get("/transactions/stats").await.expect(200);
        assert_eq!(figures, stats([5, end, 0, 0, end, 0, end], "IDR"));
    }
}
