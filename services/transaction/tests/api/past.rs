//! What a wallet held at a moment of the past, against the replay of the log.

use std::time::Duration;

use clock::Timestamp;
use ledger_api::Posting;

use crate::support::every_world;

#[tokio::test]
async fn every_moment_of_the_past_is_what_the_replay_says() {
    for world in every_world().await {
        let bank = &world.bank;
        let (ani, budi) = (bank.customer(1_000).await, bank.customer(500).await);
        for step in 0..12_u32 {
            // Some movements share a moment.
            if step % 3 != 0 {
                bank.clock.advance(Duration::from_millis(10));
            }
            match step % 4 {
                0 => drop(world.pay(&ani, "Tokopedia", 3).await),
                1 => drop(world.send(&ani, &budi, 20).await),
                2 => drop(bank.top_up(budi.user_id, budi.wallet_id, 7).await),
                _ => drop(world.send(&budi, &ani, 5).await),
            }
        }
        bank.clock.advance(Duration::from_secs(1));
        let log = bank.log().await;
        let mut moments: Vec<i64> = log
            .iter()
            .flat_map(|entry| [entry.at - 1, entry.at, entry.at + 1])
            .collect();
        moments.push(bank.clock.now().micros());
        for who in [&ani, &budi] {
            for at in &moments {
                let expected = log
                    .iter()
                    .filter(|entry| entry.at <= *at)
                    .filter_map(|entry| balance(entry.event.as_posting()?, who.wallet_id))
                    .next_back();
                let at = Timestamp::from_micros(*at).rfc3339();
                let path = format!("/wallets/{}/balance?at={at}", who.wallet_id);
                let body = world.client(who).get(&path).await.expect(200);
                assert_eq!(body["balance"], expected.unwrap_or(0), "{at}");
                assert_eq!(body["at"], at);
                assert_eq!(body["wallet_id"], who.wallet_id);
                assert_eq!(body["currency"], "IDR");
            }
        }
    }
}

fn balance(posting: &Posting, wallet_id: i64) -> Option<i64> {
    [posting.debit, posting.credit]
        .into_iter()
        .find(|leg| leg.account == wallet_id)
        .map(|leg| leg.balance)
}

#[tokio::test]
async fn what_is_no_moment_of_the_past_is_refused() {
    for world in every_world().await {
        let (ani, budi) = (world.bank.customer(5).await, world.bank.customer(5).await);
        let client = world.client(&ani);
        let tomorrow = world.bank.clock.now().plus(Duration::from_secs(86_400));
        let tomorrow = format!("at={}", tomorrow.rfc3339());
        for query in [
            "",
            "at=",
            "at=yesterday",
            "at=1",
            "at=2026-13-01T00:00:00Z",
            &tomorrow,
        ] {
            let path = format!("/wallets/{}/balance?{query}", ani.wallet_id);
            let answer = client.get(&path).await;
            let body = answer.expect_error(400, "Invalid query");
            assert_eq!(body["field"], "at");
        }
        // Unencoded, a plus becomes a space, and can have been nothing else.
        for query in [
            "at=2026-01-01T07:00:00+07:00",
            "at=2026-01-01T07:00:00%2B07:00",
        ] {
            let path = format!("/wallets/{}/balance?{query}", ani.wallet_id);
            let body = client.get(&path).await.expect(200);
            assert!(
                body["at"]
                    .as_str()
                    .unwrap()
                    .starts_with("2026-01-01T00:00:00")
            );
        }
        let at = "at=2026-01-01T00:00:00Z";
        let path = format!("/wallets/{}/balance?{at}", budi.wallet_id);
        client.get(&path).await.expect_error(403, "Unauthorized");
        for id in ["999999", "abc"] {
            let answer = client.get(&format!("/wallets/{id}/balance?{at}")).await;
            answer.expect_error(404, "Wallet not found");
        }
    }
}

#[tokio::test]
async fn after_a_clock_that_was_ahead_now_is_what_the_wallet_holds() {
    for world in every_world().await {
        let bank = &world.bank;
        let ani = bank.customer(1_000).await;
        let client = world.client(&ani);
        let right = bank.clock.now();
        let hour = Duration::from_secs(3600);
        bank.clock.advance(hour);
        world.pay(&ani, "Ahead", 100).await;
        bank.clock.set(right.plus(Duration::from_secs(10)));
        world.pay(&ani, "Back", 7).await;
        let log = bank.log().await;
        let newest = log.last().unwrap().at;
        assert_eq!(newest, right.plus(hour).micros(), "log time stands still");

        let balance_at = async |at: Timestamp| {
            let path = format!("/wallets/{}/balance?at={}", ani.wallet_id, at.rfc3339());
            client.get(&path).await
        };
        let now = bank.clock.now();
        for at in [
            Timestamp::from_micros(newest),
            now,
            Timestamp::from_micros(now.micros() - 2_000_000),
        ] {
            let body = balance_at(at).await.expect(200);
            assert_eq!(body["balance"], 893, "{at:?}");
            assert_eq!(body["at"], Timestamp::from_micros(newest).rfc3339());
        }
        let before = Timestamp::from_micros(right.micros() - 1);
        assert_ne!(balance_at(before).await.expect(200)["balance"], 893);
        let later = Timestamp::from_micros(newest + 1);
        balance_at(later).await.expect_error(400, "Invalid query");
    }
}
