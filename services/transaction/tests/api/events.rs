//! The stream of a user's movements: each arrives once and in order, whatever happens in between.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use testing::{EventStream, TestClient, wait_until};

use crate::support::{every_world, list};

async fn open(client: &TestClient, last: Option<i64>) -> EventStream {
    EventStream::open(client, "/events", last).await
}

/// A stream that told how it begins: what it said is complete, and its id.
async fn begun(client: &TestClient, last: Option<i64>) -> (EventStream, bool, i64) {
    let mut stream = open(client, last).await;
    let ready = stream.expect("ready").await;
    let is_complete = ready.data["complete"].as_bool().unwrap();
    (stream, is_complete, ready.id.unwrap())
}

fn metric(metrics: &str, name: &str) -> i64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("no metric {name}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn each_movement_arrives_as_the_list_shows_it() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(1_000).await,
            world.bank.customer(0).await,
        );
        let (mut of_ani, is_complete, id) = begun(&world.client(&ani), None).await;
        let (mut of_budi, _, none) = begun(&world.client(&budi), None).await;
        assert_eq!((is_complete, none), (false, 0));
        assert_eq!(of_ani.header("x-accel-buffering"), Some("no"));
        assert_eq!(of_ani.header("cache-control"), Some("no-store"));
        world.pay(&ani, "Toko \"Ibu\" \n💸", 10).await;
        world.send(&ani, &budi, 20).await;
        world.bank.top_up(ani.user_id, ani.wallet_id, 30).await;
        let mut told = Vec::new();
        for _ in 0..3 {
            let event = of_ani.expect("movement").await;
            assert_eq!(event.data["id"], event.id.unwrap());
            told.push(event.data);
        }
        told.reverse();
        let listed = world.transactions(&ani).await;
        assert_eq!(told[..], listed[..3]);
        assert_eq!(listed[3]["id"], id);
        let got = of_budi.expect("movement").await;
        assert_eq!([got.data], world.transactions(&budi).await[..]);
    }
}

#[tokio::test]
async fn who_comes_back_is_told_what_was_missed_and_no_more() {
    for world in every_world().await {
        let ani = world.bank.customer(1_000).await;
        let client = world.client(&ani);
        let (stream, _, id) = begun(&client, None).await;
        drop(stream);
        let amounts = [1, 2, 3];
        for amount in amounts {
            world.pay(&ani, "Tokopedia", amount).await;
        }
        let (mut stream, is_complete, from) = begun(&client, Some(id)).await;
        assert_eq!((is_complete, from), (true, id));
        let mut last = id;
        for amount in amounts {
            let event = stream.expect("movement").await;
            assert_eq!(event.data["amount"], amount);
            assert!(event.id.unwrap() > last);
            last = event.id.unwrap();
        }
        world.pay(&ani, "Tokopedia", 4).await;
        assert_eq!(stream.expect("movement").await.data["amount"], 4);
        // In the middle.
        let (mut stream, is_complete, _) = begun(&client, Some(last)).await;
        assert!(is_complete);
        assert_eq!(stream.expect("movement").await.data["amount"], 4);

        // What can be no event of this ledger's begins afresh.
        let newest = world.transactions(&ani).await[0]["id"].as_i64().unwrap();
        let (_, is_complete, from) = begun(&client, Some(newest + 1_000)).await;
        assert_eq!((is_complete, from), (false, newest));
        for nonsense in ["x", "-1", "", "9223372036854775808"] {
            let response = client.open("/events", &[("last-event-id", nonsense)]).await;
            assert_eq!(response.status(), 200, "{nonsense}");
        }
        // Too much was missed to tell it again.
        for _ in 0..101 {
            world.pay(&ani, "Tokopedia", 1).await;
        }
        let (_, is_complete, from) = begun(&client, Some(newest)).await;
        assert_eq!((is_complete, from), (false, newest + 101));
    }
}

#[tokio::test]
async fn movements_that_another_process_added_arrive_too() {
    for world in every_world().await {
        let ani = world.bank.customer(100_000).await;
        let (_server, another) = world.another().await;
        let clients = [world.client(&ani), another.with_token(&ani.token)];
        let mut streams = Vec::new();
        for client in &clients {
            streams.push(begun(client, None).await.0);
        }
        // Either process reads, and with it adds what is new.
        for amount in 1..=40 {
            world.pay(&ani, "Tokopedia", amount).await;
            list(
                &clients[usize::from(amount % 2 == 0)],
                "/transactions?limit=1",
            )
            .await;
        }
        for stream in &mut streams {
            for amount in 1..=40 {
                assert_eq!(stream.expect("movement").await.data["amount"], amount);
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_while_streams_come_and_go() {
    // Not more than are told again.
    const PAYMENTS: i64 = 90;
    for world in every_world().await {
        let ani = world.bank.customer(1_000_000).await;
        let client = world.client(&ani);
        let (first, _, id) = begun(&client, None).await;
        drop(first);
        let pay = async {
            for amount in 1..=PAYMENTS {
                world.pay(&ani, "Tokopedia", amount).await;
            }
        };
        // Each reads a few, leaves, and goes on where it was.
        let read = |few: usize| {
            let client = client.clone();
            async move {
                let (mut amounts, mut last) = (Vec::new(), id);
                while amounts.len() < usize::try_from(PAYMENTS).unwrap() {
                    let (mut stream, is_complete, from) = begun(&client, Some(last)).await;
                    assert!(is_complete && from == last);
                    for _ in 0..few {
                        let Some(event) = stream.next().await else {
                            break;
                        };
                        if event.event == "movement" {
                            amounts.push(event.data["amount"].as_i64().unwrap());
                            last = event.id.unwrap();
                        }
                        if amounts.last() == Some(&PAYMENTS) {
                            break;
                        }
                    }
                }
                amounts
            }
        };
        let (read, ()) = futures_util::future::join(join_all([1, 3, 7].map(read)), pay).await;
        let expected: Vec<i64> = (1..=PAYMENTS).collect();
        for amounts in read {
            assert_eq!(amounts, expected);
        }
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_token() {
    for world in every_world().await {
        let (ani, budi) = (
            world.bank.customer(100).await,
            world.bank.customer(100).await,
        );
        let (mut of_ani, ..) = begun(&world.client(&ani), None).await;
        let (mut of_budi, ..) = begun(&world.client(&budi), None).await;
        world.bank.users.revoke(ani.user_id);
        assert_eq!(of_ani.expect("end").await.data, json!({"reason": "token"}));
        assert_eq!(of_ani.next().await, None);
        let day = Duration::from_secs(24 * 60 * 60);
        world.bank.clock.advance(day);
        assert_eq!(of_budi.expect("end").await.data["reason"], "token");
        let again = world.client(&budi).get("/events").await;
        again.expect_error(401, "Token has expired");
    }
}

#[tokio::test]
async fn streams_are_bounded_for_each_user_and_in_all() {
    for world in every_world().await {
        let users = [
            world.bank.customer(100).await,
            world.bank.customer(100).await,
        ];
        let (_server, process) = world.another_with_streams(7).await;
        let [ani, budi] = users.each_ref().map(|who| process.with_token(&who.token));
        let mut streams = Vec::new();
        for _ in 0..6 {
            streams.push(begun(&ani, None).await.0);
        }
        let (_budi, ..) = begun(&budi, None).await;
        budi.get("/events")
            .await
            .expect_error(503, "Service unavailable");
        // One more of the same user takes the place of the oldest.
        streams.push(begun(&ani, None).await.0);
        assert_eq!(streams[0].expect("end").await.data["reason"], "replaced");
        world.pay(&users[0], "Tokopedia", 1).await;
        for stream in &mut streams[1..] {
            stream.expect("movement").await;
        }
        let metrics = process.get("/metrics").await.text();
        assert_eq!(metric(&metrics, "event_streams_open"), 7);
        assert_eq!(metric(&metrics, "event_streams_turned_away_total"), 1);
        assert_eq!(
            metric(&metrics, "event_streams_ended_total{reason=\"replaced\"}"),
            1
        );
        // Who leaves is noticed when something is written to them.
        drop(streams);
        wait_until("the streams are gone", async || {
            world.pay(&users[0], "Tokopedia", 1).await;
            metric(&process.get("/metrics").await.text(), "event_streams_open") == 1
        })
        .await;
    }
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_its_streams() {
    for world in every_world().await {
        let ani = world.bank.customer(100).await;
        let (server, process) = world.another().await;
        let (mut stream, ..) = begun(&process.with_token(&ani.token), None).await;
        let stopped = tokio::time::timeout(Duration::from_secs(5), server.stop());
        let (stopped, end) = futures_util::future::join(stopped, stream.next()).await;
        assert!(stopped.is_ok(), "the stream kept the server");
        assert_eq!(end.unwrap().data["reason"], "stopping");
        assert_eq!(stream.next().await, None);
    }
}

#[tokio::test]
async fn a_ledger_that_is_away_is_no_end_of_the_stream() {
    for world in every_world().await {
        let ani = world.bank.customer(100).await;
        let (mut stream, ..) = begun(&world.client(&ani), None).await;
        world.bank.link.cut();
        let (_, is_complete, _) = begun(&world.client(&ani), None).await;
        assert!(!is_complete);
        world.bank.link.open();
        world.pay(&ani, "Tokopedia", 5).await;
        let told: Value = stream.expect("movement").await.data;
        assert_eq!(told["amount"], 5);
    }
}
