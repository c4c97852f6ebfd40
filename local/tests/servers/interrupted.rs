//! Servers that are restarted, that go away, that are full, and that come back.

use std::time::{Duration, Instant};

use serde_json::json;
use testing::{TestClient, own_postgres};

use super::support::{Running, as_superuser, prepare, start, start_waiting};

/// The longest that a client waits while the database is away.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// The longest that a call may take: `REQUEST_TIMEOUT`.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// One call of each kind, as `(what, status)`.
async fn one_of_each(running: &Running, ani: &TestClient, round: u32) -> Vec<(&'static str, u16)> {
    let login = json!({"email": "ani@example.org", "password": "a long password"});
    let register = json!({"name": "x", "email": format!("x{round}@example.org"), "phone": "1", "password": "a long password"});
    let pay = json!({"wallet_id": 1, "merchant": "Kopi", "amount": 1});
    vec![
        (
            "log in",
            running.api.post("/auth/login", login).await.status.as_u16(),
        ),
        (
            "register",
            running
                .api
                .post("/auth/register", register)
                .await
                .status
                .as_u16(),
        ),
        (
            "put user",
            ani.put("/users/1", json!({"phone": format!("08{round}")}))
                .await
                .status
                .as_u16(),
        ),
        ("users", ani.get("/users").await.status.as_u16()),
        ("wallets", ani.get("/wallets").await.status.as_u16()),
        (
            "pay",
            ani.post_with_key("/payments/pay", &format!("key-{round}"), pay)
                .await
                .status
                .as_u16(),
        ),
        (
            "transactions",
            ani.get("/transactions").await.status.as_u16(),
        ),
        ("payments", ani.get("/payments").await.status.as_u16()),
    ]
}

async fn customer(running: &Running) -> TestClient {
    let ani = running.register("ani").await;
    ani.post("/wallets", json!({})).await.expect(201);
    ani.post("/wallets/1/topup", json!({"amount": 1_000}))
        .await
        .expect(200);
    ani
}

async fn ready(running: &Running, service: usize) -> u16 {
    let url = running.bank.urls()[service].clone();
    TestClient::new(url).get("/readyz").await.status.as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_idle_connections_were_closed() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let database = prepare(&server, "", &[]).await;
    let running = start(&database.url(server.port())).await.unwrap();
    let ani = customer(&running).await;
    for round in 0..5 {
        let end = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
            database.name
        );
        as_superuser(&server, "postgres", &[end]).await;
        for (what, status) in one_of_each(&running, &ani, round).await {
            assert!(
                (200..300).contains(&status),
                "round {round}, {what}: {status}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_answers_are_503_and_come_soon_and_then_it_goes_on() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let database = prepare(&server, "", &[]).await;
    let link = testing::Link::to(([127, 0, 0, 1], server.port()).into()).await;
    let running = start(&database.url(link.port())).await.unwrap();
    let ani = customer(&running).await;
    link.cut();
    for round in 0..2 {
        for service in 1..5 {
            assert_eq!(ready(&running, service).await, 503);
        }
        let began = Instant::now();
        for (what, status) in one_of_each(&running, &ani, round).await {
            assert_eq!(status, 503, "round {round}, {what}");
        }
        assert!(
            began.elapsed() < 4 * ANSWER_LIMIT,
            "round {round}: {:?}",
            began.elapsed()
        );
    }
    link.open();
    for service in 1..5 {
        testing::wait_until("it is ready", || async {
            ready(&running, service).await == 200
        })
        .await;
    }
    for (what, status) in one_of_each(&running, &ani, 9).await {
        assert!((200..300).contains(&status), "{what}: {status}");
    }
    running.bank.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_more_connections_is_told_soon_and_then_it_goes_on() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let database = prepare(&server, "", &[]).await;
    let running = start(&database.url(server.port())).await.unwrap();
    let ani = customer(&running).await;
    let limit = |count: i32| format!("alter role {} connection limit {count}", database.role);
    let end = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}' and usename = '{}'",
        database.name, database.role
    );

    // Those that are open go on to do, and whoever needs one more than there are is told so.
    as_superuser(&server, "postgres", &[limit(0)]).await;
    for (what, status) in one_of_each(&running, &ani, 0).await {
        let serves = (200..300).contains(&status);
        assert!(serves || status == 503, "{what}: {status}");
    }
    for service in 1..5 {
        testing::wait_until("what is open serves", || async {
            ready(&running, service).await == 200
        })
        .await;
    }

    // A restart of the server, after which others were faster.
    as_superuser(&server, "postgres", &[end]).await;
    for round in 1..4 {
        let began = Instant::now();
        for (what, status) in one_of_each(&running, &ani, round).await {
            assert_eq!(status, 503, "round {round}, {what}");
        }
        // There are as many calls as fit into the time that each alone may take.
        assert!(
            began.elapsed() < 8 * ANSWER_LIMIT,
            "round {round}: {:?}",
            began.elapsed()
        );
        for service in 1..5 {
            let began = Instant::now();
            assert_eq!(ready(&running, service).await, 503, "service {service}");
            assert!(began.elapsed() < ANSWER_LIMIT, "{:?}", began.elapsed());
        }
    }

    as_superuser(&server, "postgres", &[limit(-1)]).await;
    for service in 1..5 {
        testing::wait_until("it is ready", || async {
            ready(&running, service).await == 200
        })
        .await;
    }
    for (what, status) in one_of_each(&running, &ani, 9).await {
        assert!((200..300).contains(&status), "{what}: {status}");
    }
    running.bank.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_never_answers_is_told_as_one_that_is_away() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let database = prepare(&server, "", &[]).await;
    let link = testing::Link::to(([127, 0, 0, 1], server.port()).into()).await;
    let running = start(&database.url(link.port())).await.unwrap();
    let ani = customer(&running).await;
    link.silence();
    // Whoever is waiting for its answer when it falls silent waits as long as a call may take.
    let began = Instant::now();
    for (what, status) in one_of_each(&running, &ani, 0).await {
        assert!([503, 504].contains(&status), "{what}: {status}");
    }
    assert!(
        began.elapsed() < 8 * (CALL_LIMIT + ANSWER_LIMIT),
        "{:?}",
        began.elapsed()
    );
    for service in 1..5 {
        testing::wait_until("it is not ready", || async {
            ready(&running, service).await == 503
        })
        .await;
    }
    for round in 1..3 {
        let began = Instant::now();
        for (what, status) in one_of_each(&running, &ani, round).await {
            assert_eq!(status, 503, "round {round}, {what}");
        }
        assert!(
            began.elapsed() < 8 * ANSWER_LIMIT,
            "round {round}: {:?}",
            began.elapsed()
        );
    }
    link.open();
    for service in 1..5 {
        testing::wait_until("it is ready", || async {
            ready(&running, service).await == 200
        })
        .await;
    }
    for (what, status) in one_of_each(&running, &ani, 9).await {
        assert!((200..300).contains(&status), "{what}: {status}");
    }
    running.bank.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_at_once_and_is_not_ready_until_there_is_room() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let database = prepare(&server, "", &[]).await;
    let running = start(&database.url(server.port())).await.unwrap();
    let ani = customer(&running).await;
    // What PostgreSQL says when a file cannot grow.
    let full = [
        "create function no_room() returns trigger language plpgsql as
         $$ begin raise exception using errcode = '53100', message = 'could not extend file: No space left on device'; end $$",
        "create trigger no_room before insert on wallet.postings execute function no_room()",
        "create trigger no_room before insert or update on wallet.storage_probe execute function no_room()",
        "create trigger no_room before insert or update on \"user\".users execute function no_room()",
        "create trigger no_room before insert or update on \"user\".storage_probe execute function no_room()",
    ];
    as_superuser(&server, &database.name, &full.map(str::to_owned)).await;
    let pay = json!({"wallet_id": 1, "merchant": "Kopi", "amount": 1});
    for _ in 0..3 {
        let began = Instant::now();
        let refused = ani.post("/payments/pay", pay.clone()).await.expect(503);
        assert_eq!(refused["code"], "storage_full");
        let register = json!({"name": "x", "email": "x@example.org", "phone": "1", "password": "a long password"});
        let refused = running
            .api
            .post("/auth/register", register)
            .await
            .expect(503);
        assert_eq!(refused["code"], "storage_full");
        assert!(began.elapsed() < ANSWER_LIMIT, "{:?}", began.elapsed());
        assert_eq!(
            (ready(&running, 1).await, ready(&running, 2).await),
            (503, 503)
        );
        ani.get("/wallets").await.expect(200);
    }
    as_superuser(
        &server,
        &database.name,
        &["drop function no_room cascade".to_owned()],
    )
    .await;
    ani.post("/payments/pay", pay).await.expect(201);
    for service in [1, 2] {
        testing::wait_until("it is ready", || async {
            ready(&running, service).await == 200
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_a_server_that_is_not_there_yet() {
    let Some(server) = own_postgres("").await else {
        return;
    };
    let database = prepare(&server, "", &[]).await;
    let link = testing::Link::to(([127, 0, 0, 1], server.port()).into()).await;
    link.cut();
    let url = database.url(link.port());
    let starting = tokio::spawn(async move { start_waiting(&url, 60).await });
    // It has asked, in vain.
    testing::wait_until("somebody asked", || async { link.connections() > 1 }).await;
    assert!(!starting.is_finished());
    link.open();
    starting.await.unwrap().unwrap().assert_works().await;
}
