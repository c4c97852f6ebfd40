//! What happened, as each user sees it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{each, every_world, list};

#[tokio::test]
async fn every_movement_is_in_the_lists_of_those_it_concerns() {
    for world in every_world().await {
        let bank = &world.bank;
        let (ani, budi) = (bank.customer(1_000).await, bank.customer(0).await);
        let payment = world.pay(&ani, "Tokopedia", 100).await;
        let transfer = world.send(&ani, &budi, 300).await;
        let fee = bank.deduct(budi.wallet_id, 50, Some("Monthly fee")).await;
        let plain = bank.deduct(budi.wallet_id, 20, None).await;
        let at = bank.clock.now().rfc3339();
        let common = |who: &test_bank::Customer, mut fields: Value| {
            fields["user_id"] = json!(who.user_id);
            fields["wallet_id"] = json!(who.wallet_id);
            fields["currency"] = json!("IDR");
            fields["status"] = json!("completed");
            fields["source"] = json!("ledger");
            fields["created_at"] = json!(at);
            fields
        };

        let id = async |entry, who| world.id(entry, who).await;
        let topup = &bank.log().await[1];
        // They count from 1: a wallet that was opened is none, and a transfer between two users is two.
        assert_eq!(id(topup, &ani).await, 1);
        assert_eq!(id(&plain, &budi).await, 6);
        let expected = [
            json!({"id": id(&transfer, &ani).await, "type": "transfer", "direction": "out", "amount": 300, "balance_after": 600,
                "description": format!("Transfer to user {}", budi.user_id), "counterparty_wallet_id": budi.wallet_id}),
            json!({"id": id(&payment, &ani).await, "type": "payment", "direction": "out", "amount": 100, "balance_after": 900,
                "description": "Payment to Tokopedia", "payment_id": 1}),
            json!({"id": id(topup, &ani).await, "type": "topup", "direction": "in", "amount": 1_000, "balance_after": 1_000,
                "description": "Top up"}),
        ];
        let expected: Vec<Value> = expected.map(|fields| common(&ani, fields)).into();
        assert_eq!(world.transactions(&ani).await, expected);

        let expected = [
            json!({"id": id(&plain, &budi).await, "type": "withdrawal", "direction": "out", "amount": 20, "balance_after": 230,
                "description": "Withdrawal"}),
            json!({"id": id(&fee, &budi).await, "type": "withdrawal", "direction": "out", "amount": 50, "balance_after": 250,
                "description": "Monthly fee"}),
            json!({"id": id(&transfer, &budi).await, "type": "transfer", "direction": "in", "amount": 300, "balance_after": 300,
                "description": format!("Transfer from user {}", ani.user_id), "counterparty_wallet_id": ani.wallet_id}),
        ];
        let expected: Vec<Value> = expected.map(|fields| common(&budi, fields)).into();
        assert_eq!(world.transactions(&budi).await, expected);
    }
}

#[tokio::test]
async fn one_transaction_is_shown_to_its_owner_only() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(0).await,
        );
        world.send(&ani, &budi, 1).await;
        for who in [&ani, &budi] {
            let newest = world.transactions(who).await[0].clone();
            let path = format!("/transactions/{}", newest["id"]);
            let shown = world.client(who).get(&path).await.expect(200);
            assert_eq!(shown, json!({"transaction": newest}));
        }
        let of_budi = world.transactions(&budi).await[0]["id"].clone();
        let answer = world
            .client(&ani)
            .get(&format!("/transactions/{of_budi}"))
            .await;
        answer.expect_error(403, "Unauthorized");
        let answer = world.client(&ani).get("/transactions/999999").await;
        answer.expect_error(404, "Transaction not found");
    }
}

#[tokio::test]
async fn a_wallet_has_a_list_of_its_own() {
    for world in every_world().await {
        let bank = &world.bank;
        let (ani, budi) = (bank.customer(1_000).await, bank.customer(1_000).await);
        let dollars = bank.open(ani.user_id, "USD".parse().unwrap()).await;
        bank.top_up(ani.user_id, dollars, 5).await;
        let client = world.client(&ani);
        assert_eq!(each(&world.transactions(&ani).await, "amount"), [5, 1_000]);
        let of_dollars = list(&client, &format!("/transactions/wallet/{dollars}")).await;
        assert_eq!(each(&of_dollars, "currency"), ["USD"]);
        let of_rupiah = list(&client, &format!("/transactions/wallet/{}", ani.wallet_id)).await;
        assert_eq!(each(&of_rupiah, "amount"), [1_000]);
        // A wallet without a movement is there all the same.
        let empty = bank.open(ani.user_id, "EUR".parse().unwrap()).await;
        assert!(
            list(&client, &format!("/transactions/wallet/{empty}"))
                .await
                .is_empty()
        );
        for wallet_id in [
            budi.wallet_id.to_string(),
            "999999".into(),
            "0".into(),
            "abc".into(),
        ] {
            let answer = client
                .get(&format!("/transactions/wallet/{wallet_id}"))
                .await;
            answer.expect_error(403, "Invalid wallet");
        }
    }
}

#[tokio::test]
async fn a_users_pages_are_made_of_the_newest_of_all_wallets() {
    for world in every_world().await {
        let bank = &world.bank;
        let ani = bank.customer(1_000).await;
        let others = ["USD", "EUR"].map(|code| code.parse().unwrap());
        let mut wallets = vec![ani.wallet_id];
        for currency in others {
            wallets.push(bank.open(ani.user_id, currency).await);
        }
        // In turns, and several in one: neither a wallet's own newest nor its oldest would do.
        for (amount, wallet) in (1..=12).zip([0, 1, 0, 2, 2, 1].into_iter().cycle()) {
            bank.top_up(ani.user_id, wallets[wallet], amount).await;
            bank.clock.advance(Duration::from_secs(1));
        }
        let client = world.client(&ani);
        let (mut seen, mut path) = (Vec::new(), "/transactions?limit=4".to_owned());
        loop {
            let page = client.get(&path).await.expect(200);
            let rows = page["transactions"].as_array().unwrap();
            assert!(rows.len() <= 4);
            seen.extend(each(rows, "amount"));
            match page["next"].as_i64() {
                Some(next) => path = format!("/transactions?limit=4&before={next}"),
                None => break,
            }
        }
        let mut expected: Vec<i64> = (1..=12).rev().collect();
        expected.push(1_000);
        assert_eq!(
            seen,
            expected.into_iter().map(Value::from).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn many_who_read_at_once_each_get_their_own_page() {
    for world in every_world().await {
        let mut customers = Vec::new();
        for amount in 1..=40 {
            let customer = world.bank.customer(10_000).await;
            for count in 1..=amount % 4 {
                world.pay(&customer, "Tokopedia", amount * 10 + count).await;
            }
            customers.push((customer, amount));
        }
        let reads = customers.iter().map(async |(customer, amount)| {
            let client = world.client(customer);
            let limit = amount % 3 + 1;
            let of_user = list(&client, &format!("/transactions?limit={limit}")).await;
            let path = format!("/transactions/wallet/{}?limit={limit}", customer.wallet_id);
            let of_wallet = list(&client, &path).await;
            let all = (1..=amount % 4).rev().map(|count| amount * 10 + count);
            let expected: Vec<Value> = all
                .chain([10_000])
                .take(usize::try_from(limit).unwrap())
                .map(Value::from)
                .collect();
            assert_eq!(each(&of_user, "amount"), expected);
            assert_eq!(of_wallet, of_user);
        });
        futures_util::future::join_all(reads).await;
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    for world in every_world().await {
        let ani = world.bank.customer(10_000).await;
        for amount in 1..=5 {
            world.pay(&ani, "Tokopedia", amount).await;
            world.bank.clock.advance(Duration::from_secs(1));
            // With a large id and the same kind of time: the order is by time.
            let body = json!({"wallet_id": ani.wallet_id, "type": "payment", "amount": amount * 10, "description": "Elsewhere"});
            world
                .service("test")
                .post("/transactions", body)
                .await
                .expect(201);
            world.bank.clock.advance(Duration::from_secs(1));
        }
        let client = world.client(&ani);
        for base in [
            "/transactions".to_owned(),
            format!("/transactions/wallet/{}", ani.wallet_id),
        ] {
            let newest = world.transactions(&ani).await;
            let (mut seen, mut path) = (Vec::new(), format!("{base}?limit=3"));
            loop {
                let page = client.get(&path).await.expect(200);
                seen.extend(page["transactions"].as_array().unwrap().clone());
                // What happens meanwhile is on no later page.
                world.pay(&ani, "Shopee", 100).await;
                match page["next"].as_i64() {
                    Some(next) => path = format!("{base}?limit=3&before={next}"),
                    None => break,
                }
            }
            assert_eq!(seen, newest);
            let amounts = each(&seen, "amount");
            assert!(amounts.ends_with(
                &[50, 5, 40, 4, 30, 3, 20, 2, 10, 1, 10_000].map(|amount: i64| json!(amount))
            ));
        }
    }
}

#[tokio::test]
async fn what_was_answered_is_in_the_next_list_of_every_process() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let (_server, other) = world.another().await;
        let clients = [world.client(&ani), other.with_token(&ani.token)];
        for count in 2..=20 {
            let entry = world.pay(&ani, "Tokopedia", 1).await;
            let id = world.id(&entry, &ani).await;
            for client in &clients {
                let listed = list(client, "/transactions").await;
                assert_eq!(listed.len(), count);
                assert_eq!(listed[0]["id"], id);
            }
        }
    }
}

#[tokio::test]
async fn two_processes_that_follow_at_once_apply_everything_once() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(100_000).await,
            world.bank.customer(0).await,
        );
        let (_server, other) = world.another().await;
        let clients = [world.client(&ani), other.with_token(&ani.token)];
        let writing = async {
            for _ in 0..30 {
                let sent = (0..20).map(|_| world.send(&ani, &budi, 1));
                futures_util::future::join_all(sent).await;
            }
        };
        let reading = |client: testing::TestClient| async move {
            let mut count = 0;
            for _ in 0..60 {
                let stats = client.get("/transactions/stats").await.expect(200);
                let (total, sent) = (&stats["total_transactions"], &stats["total_transfer"]);
                assert_eq!(total.as_i64().unwrap() - 1, sent.as_i64().unwrap());
                assert!(sent.as_i64().unwrap() >= count, "it went back");
                count = sent.as_i64().unwrap();
            }
        };
        let [first, second] = clients.clone().map(reading);
        tokio::join!(writing, first, second);
        for client in &clients {
            let stats = client.get("/transactions/stats").await.expect(200);
            assert_eq!(stats["total_transfer"], 600);
            assert_eq!(stats["total_transactions"], 601);
        }
        let stats = world
            .client(&budi)
            .get("/transactions/stats")
            .await
            .expect(200);
        assert_eq!(stats["total_received"], 600);
    }
}
