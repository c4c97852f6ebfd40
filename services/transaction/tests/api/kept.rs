//! Pages that are kept in memory: they are answered for as long as nothing is new, and no longer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use test_bank::Customer;
use testing::{Answer, TestClient, wait_until};

use crate::support::{World, each, every_world, is_behind, list};

/// How many pages a process answered from memory, and from its database.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    kept: usize,
    read: usize,
}

async fn answered(process: &TestClient) -> Answered {
    let metrics = process.get("/metrics").await.text();
    let count = |source: &str| {
        let name = format!("history_pages_total{{source=\"{source}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse().unwrap()
    };
    Answered {
        kept: count("kept"),
        read: count("read"),
    }
}

/// The list of a user, and that of the user's wallet.
fn lists(who: &Customer) -> [String; 2] {
    let of_wallet = format!("/transactions/wallet/{}", who.wallet_id);
    ["/transactions".to_owned(), of_wallet]
}

async fn record(world: &World, process: &TestClient, wallet_id: i64) -> i64 {
    let body =
        json!({"wallet_id": wallet_id, "type": "topup", "amount": 1, "description": "A gift"});
    let service = process.with_token(world.bank.service_token("test"));
    let answer = service.post("/transactions", body).await.expect(201);
    answer["transaction"]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_page_that_is_asked_for_again_comes_from_memory_and_is_the_same() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        for amount in 1..=5 {
            world.pay(&ani, "Toko \"Ibu\" 💸", amount).await;
        }
        let client = world.client(&ani);
        let mut paths = Vec::from(lists(&ani));
        paths.extend(lists(&ani).map(|path| format!("{path}?limit=3")));
        for path in &paths {
            let first = client.get(path).await;
            let again = client.get(path).await;
            first.expect(200);
            assert_eq!(again.status, first.status);
            assert_eq!(again.bytes, first.bytes);
            assert_eq!(again.headers["content-type"], "application/json");
            let names = |answer: &Answer| {
                let mut names: Vec<_> = answer.headers.keys().cloned().collect();
                names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
                names
            };
            assert_eq!(names(&again), names(&first));
        }
        let expected = Answered { kept: 4, read: 4 };
        assert_eq!(answered(world.nobody()).await, expected);

        // What is further back is not kept, and neither is what is empty.
        let path = format!("/transactions?limit=3&before={}", {
            list(&client, &paths[2]).await[2]["id"].clone()
        });
        let stranger = world.nobody().with_token(world.bank.stranger().1);
        for _ in 0..2 {
            assert_eq!(list(&client, &path).await.len(), 3);
            assert!(list(&stranger, "/transactions").await.is_empty());
        }
        let expected = Answered { kept: 5, read: 8 };
        assert_eq!(answered(world.nobody()).await, expected);
    }
}

#[tokio::test]
async fn what_is_new_is_in_the_next_page_of_every_process() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(1_000).await,
        );
        let (_server, other) = world.another().await;
        let processes = [world.nobody().clone(), other];
        let clients = processes.clone().map(|it| it.with_token(&ani.token));
        for step in 0..16 {
            // Twice: the second is from memory.
            for client in [&clients, &clients].into_iter().flatten() {
                for path in lists(&ani) {
                    list(client, &path).await;
                }
            }
            let id = match step % 4 {
                0 => {
                    let paid = world.pay(&ani, "Tokopedia", 1).await;
                    world.id(&paid, &ani).await
                }
                1 => {
                    let sent = world.send(&budi, &ani, 1).await;
                    world.id(&sent, &ani).await
                }
                2 => record(&world, &processes[0], ani.wallet_id).await,
                _ => record(&world, &processes[1], ani.wallet_id).await,
            };
            world.bank.clock.advance(Duration::from_secs(1));
            // In turns the one first that has not applied it, or not recorded it.
            let mut order = clients.each_ref();
            order.rotate_left(step / 4 % 2);
            for client in order {
                for path in lists(&ani) {
                    assert_eq!(list(client, &path).await[0]["id"], id, "{path}");
                }
            }
        }
        for process in &processes {
            // Both lists are read at first, and after each step.
            let expected = Answered {
                kept: 4 * 16 - 2,
                read: 2 * 16 + 2,
            };
            assert_eq!(answered(process).await, expected);
        }
    }
}

#[tokio::test]
async fn a_movement_of_one_wallet_is_in_the_users_page_and_in_no_other_wallets() {
    for world in every_world().await {
        let bank = &world.bank;
        let ani = bank.customer(1_000).await;
        let dollars = bank.open(ani.user_id, "USD".parse().unwrap()).await;
        let client = world.client(&ani);
        let [of_user, of_rupiah] = lists(&ani);
        let of_dollars = format!("/transactions/wallet/{dollars}");
        for amount in 1..=3 {
            bank.top_up(ani.user_id, dollars, amount).await;
            for _ in 0..2 {
                let newest: Vec<i64> = (1..=amount).rev().collect();
                assert_eq!(each(&list(&client, &of_dollars).await, "amount"), newest);
                assert_eq!(each(&list(&client, &of_rupiah).await, "amount"), [1_000]);
                let newest = [newest, vec![1_000]].concat();
                assert_eq!(each(&list(&client, &of_user).await, "amount"), newest);
            }
        }
        assert_eq!(answered(world.nobody()).await.kept, 9);
    }
}

#[tokio::test]
async fn what_others_do_leaves_a_page_in_memory_and_nobody_sees_it() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(1_000).await,
        );
        let before = world.client(&budi).get("/transactions").await;
        for count in 1..=5 {
            world.pay(&ani, "Tokopedia", 1).await;
            let of_ani = world.transactions(&ani).await;
            assert_eq!(of_ani.len(), count + 1);
            assert!(of_ani.iter().all(|row| row["user_id"] == ani.user_id));
            let of_budi = world.client(&budi).get("/transactions").await;
            assert_eq!(of_budi.bytes, before.bytes);
            // A wallet that is kept for its owner is not shown to another.
            let [_, path] = lists(&ani);
            list(&world.client(&ani), &path).await;
            let answer = world.client(&budi).get(&path).await;
            answer.expect_error(403, "Invalid wallet");
        }
        let expected = Answered { kept: 5, read: 11 };
        assert_eq!(answered(world.nobody()).await, expected);
    }
}

#[tokio::test]
async fn who_cannot_catch_up_is_answered_from_the_rows() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        world.transactions(&ani).await;
        world.bank.link.cut();
        let id = record(&world, world.nobody(), ani.wallet_id).await;
        for _ in 0..2 {
            let page = client.get("/transactions").await;
            assert!(is_behind(&page));
            assert_eq!(page.expect(200)["transactions"][0]["id"], id);
        }
        let expected = Answered { kept: 0, read: 3 };
        assert_eq!(answered(world.nobody()).await, expected);

        world.bank.link.open();
        wait_until("reads are up to date again", || async {
            !is_behind(&client.get("/transactions").await)
        })
        .await;
        let page = client.get("/transactions").await;
        assert!(!is_behind(&page));
        assert_eq!(page.expect(200)["transactions"][0]["id"], id);
        assert!(answered(world.nobody()).await.kept >= 1);
    }
}

#[tokio::test]
async fn no_page_lacks_what_was_accepted_before_it_was_asked_for() {
    const PAYMENTS: usize = 60;
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let (_server, other) = world.another().await;
        // The top-up is one.
        let accepted = AtomicUsize::new(1);
        let writing = async {
            for _ in 0..PAYMENTS {
                world.pay(&ani, "Tokopedia", 1).await;
                accepted.fetch_add(1, Ordering::SeqCst);
            }
        };
        let readers = [world.client(&ani), other.with_token(&ani.token)];
        let reading = readers.iter().cycle().take(8).map(async |client| {
            loop {
                let before = accepted.load(Ordering::SeqCst);
                let there = list(client, "/transactions").await.len();
                assert!(there >= before, "{there} of {before}");
                if before > PAYMENTS {
                    return;
                }
            }
        });
        futures_util::future::join(writing, join_all(reading)).await;
        for process in [world.nobody(), &other] {
            assert!(answered(process).await.read > 1);
        }
    }
}
