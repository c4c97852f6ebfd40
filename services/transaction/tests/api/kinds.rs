//! Kinds of postings that this service was never told of: a table that only these tests have.

use ledger_api::{
    Actor, Description, DrawnWhen, Draws, Entry, Holder, Kind, Kinds, NewPosting, Operation, Party,
    Role,
};
use money::Amount;
use serde_json::{Value, json};
use testing::every_database;

use crate::support::{World, each, instance, is_behind};

/// Somebody gets a gift out of the fees.
const GIFT: Kind = Kind {
    credited: Description::with_note("A gift: ", "from us"),
    ..Kind::new(60, "gift", Holder::System(Role::Fees), Holder::Wallet)
};
/// One user lends to another. No words of its own.
const LOAN: Kind = Kind::new(61, "loan", Holder::Wallet, Holder::Wallet);
/// It is paid back, in parts.
const REPAYMENT: Kind = Kind {
    draws: Some(Draws {
        on: &[LOAN.code],
        returns: true,
        when: DrawnWhen::Always,
    }),
    debited: Description::with_user("Repaid to user "),
    credited: Description::with_user("Repaid by user "),
    ..Kind::new(62, "repayment", Holder::Wallet, Holder::Wallet)
};

const KINDS: Kinds = Kinds::new(&[
    wallet_api::TOPUP,
    wallet_api::PAYMENT,
    wallet_api::TRANSFER,
    wallet_api::WITHDRAWAL,
    GIFT,
    LOAN,
    REPAYMENT,
]);

async fn every_world() -> Vec<World> {
    let mut worlds = Vec::new();
    for database in every_database().await {
        worlds.push(World::start_with(database, &KINDS).await);
    }
    worlds
}

fn posting(kind: Kind, debit: Party, credit: Party, amount: i64, by: i64) -> NewPosting {
    NewPosting {
        kind: kind.code,
        debit,
        credit,
        amount: Some(Amount::new(amount).unwrap()),
        by: Actor::User(by),
        draws_on: None,
        expires_in: None,
        note: None,
    }
}

fn gift(wallet_id: i64, by: i64, amount: i64, note: Option<&str>) -> NewPosting {
    let (fees, wallet) = (Party::System(Role::Fees), Party::Wallet(wallet_id));
    NewPosting {
        note: note.map(str::to_owned),
        ..posting(GIFT, fees, wallet, amount, by)
    }
}

/// What the tests compare of each row.
fn rows(transactions: &[Value]) -> Vec<Value> {
    let fields = [
        "type",
        "direction",
        "amount",
        "description",
        "balance_after",
        "counterparty_wallet_id",
    ];
    let row = |transaction: &Value| fields.map(|field| transaction[field].clone()).into();
    transactions.iter().map(row).collect()
}

#[tokio::test]
async fn a_kind_of_the_table_is_in_history_as_the_table_says() {
    for world in every_world().await {
        let bank = &world.bank;
        let (ani, budi) = (bank.customer(1_000).await, bank.customer(100).await);
        let lent = {
            let (from, to) = (Party::Wallet(ani.wallet_id), Party::WalletOf(budi.user_id));
            let loan = posting(LOAN, from, to, 300, ani.user_id);
            // Two that happen together.
            let together = vec![loan, gift(ani.wallet_id, ani.user_id, 5, None)];
            bank.carry_out_all(Operation::Post(together)).await
        };
        let back = {
            let (from, to) = (Party::Wallet(budi.wallet_id), Party::WalletOf(ani.user_id));
            let repayment = NewPosting {
                draws_on: Some(lent[0].seq),
                ..posting(REPAYMENT, from, to, 120, budi.user_id)
            };
            bank.carry_out(repayment.into()).await
        };
        let thanks = gift(budi.wallet_id, budi.user_id, 7, Some("thank you"));
        bank.carry_out(thanks.into()).await;

        let (of_ani, of_budi) = (
            world.transactions(&ani).await,
            world.transactions(&budi).await,
        );
        let none = Value::Null;
        let (ani_id, budi_id) = (ani.user_id, budi.user_id);
        assert_eq!(
            rows(&of_ani),
            [
                json!([
                    "repayment",
                    "in",
                    120,
                    format!("Repaid by user {budi_id}"),
                    825,
                    budi.wallet_id
                ]),
                json!(["gift", "in", 5, "A gift: from us", 705, none]),
                json!(["loan", "out", 300, "loan", 700, budi.wallet_id]),
                json!(["topup", "in", 1_000, "Top up", 1_000, none]),
            ]
        );
        assert_eq!(
            rows(&of_budi),
            [
                json!(["gift", "in", 7, "A gift: thank you", 287, none]),
                json!([
                    "repayment",
                    "out",
                    120,
                    format!("Repaid to user {ani_id}"),
                    280,
                    ani.wallet_id
                ]),
                json!(["loan", "in", 300, "loan", 400, ani.wallet_id]),
                json!(["topup", "in", 100, "Top up", 100, none]),
            ]
        );
        assert_shown_and_proved(&world, &back, &of_ani[0], &ani).await;
        let stats = world.client(&ani).get("/transactions/stats").await;
        let stats = stats.expect(200);
        assert_eq!(stats["total_transactions"], 4);
        for (figure, amount) in [
            ("total_topup", 1_000),
            ("total_transfer", 0),
            ("total_received", 0),
            ("net_amount", 1_000),
        ] {
            assert_eq!(stats[figure], amount, "{figure}");
        }
    }
}

async fn assert_shown_and_proved(
    world: &World,
    entry: &Entry,
    listed: &Value,
    who: &test_bank::Customer,
) {
    let client = world.client(who);
    let path = format!("/transactions/{}", listed["id"]);
    assert_eq!(client.get(&path).await.expect(200)["transaction"], *listed);
    let body = client.get(&format!("{path}/receipt")).await.expect(200);
    let receipt = serde_json::from_value(body["receipt"].clone()).unwrap();
    assert_eq!(ledger::receipts::check(&receipt), Ok(()));
    assert_eq!(receipt.entry, entry.seq);
    let path = format!("/wallets/{}/balance", who.wallet_id);
    let at = listed["created_at"].as_str().unwrap();
    let past = client.get(&format!("{path}?at={at}")).await.expect(200);
    assert_eq!(past["balance"], listed["balance_after"]);
}

#[tokio::test]
async fn a_kind_of_the_table_can_be_recorded_by_its_name() {
    for world in every_world().await {
        let ani = world.bank.customer(0).await;
        let service = world.service("gateway");
        let body = |kind: &str| json!({"wallet_id": ani.wallet_id, "type": kind, "amount": 5, "description": "Elsewhere"});
        for (kind, direction) in [("gift", "in"), ("loan", "out")] {
            let answer = service.post("/transactions", body(kind)).await.expect(201);
            let transaction = &answer["transaction"];
            assert_eq!(transaction["type"], kind);
            assert_eq!(transaction["direction"], direction);
        }
        let answer = service.post("/transactions", body("raffle")).await;
        let error = answer.expect_error(400, "Invalid transaction type");
        let names = "topup, payment, transfer, withdrawal, gift or loan";
        assert_eq!(error["message"], format!("type is {names}"));
        assert_eq!(
            each(&world.transactions(&ani).await, "type"),
            ["loan", "gift"]
        );
    }
}

#[tokio::test]
async fn a_kind_that_is_not_known_is_waited_for_and_not_left_out() {
    for database in every_database().await {
        let of_the_older = database.config("older");
        let world = World::start_with(database, &KINDS).await;
        let bank = &world.bank;
        let ani = bank.customer(10).await;
        // A release that is older than the ledger's.
        transaction::migrate(&of_the_older).await.unwrap();
        let (server, client) = instance(bank, of_the_older.clone(), &wallet_api::KINDS).await;
        let client = client.with_token(&ani.token);
        let present = client.get("/transactions").await;
        assert!(!is_behind(&present));
        bank.carry_out(gift(ani.wallet_id, ani.user_id, 1, None).into())
            .await;
        bank.top_up(ani.user_id, ani.wallet_id, 2).await;
        let behind = client.get("/transactions").await;
        assert!(is_behind(&behind));
        assert_eq!(behind.bytes, present.bytes);
        server.stop().await;
        let (_server, client) = instance(bank, of_the_older, &KINDS).await;
        let client = client.with_token(&ani.token);
        let page = client.get("/transactions").await;
        assert!(!is_behind(&page));
        let transactions = page.expect(200)["transactions"].clone();
        assert_eq!(each(transactions.as_array().unwrap(), "amount"), [2, 1, 10]);
    }
}
