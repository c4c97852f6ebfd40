//! Which currencies wallets can be opened in, and what is told of them.

use serde_json::json;

use crate::support::{every_bank, every_bank_with};

#[tokio::test]
async fn the_list_needs_no_token_and_has_the_digits_of_every_amount() {
    for bank in every_bank().await {
        let told = bank.api.get("/currencies").await.expect(200);
        let listed = told["currencies"].as_array().unwrap();
        let of = |code: &str| listed.iter().find(|row| row["code"] == code);
        let rupiah =
            json!({"code": "IDR", "numeric": 360, "exponent": 0, "name": "Indonesian rupiah"});
        assert_eq!(of("IDR"), Some(&rupiah));
        for (code, exponent) in [("USD", 2), ("JPY", 0), ("KWD", 3)] {
            assert_eq!(of(code).unwrap()["exponent"], exponent, "{code}");
        }
        for code in ["XXX", "XTS", "XAU", "XDR", "CLF", "ZWL"] {
            assert_eq!(of(code), None);
        }
        assert!(listed.iter().is_sorted_by_key(|row| row["code"].as_str()));
        let all = bank.api.get("/currencies?all=true").await.expect(200);
        assert_eq!(all["currencies"].as_array().unwrap().len(), 183);
        let same = bank.api.get("/currencies?all=false").await.expect(200);
        assert_eq!(same, told);
        let wrong = bank.api.get("/currencies?all=1").await;
        wrong.expect_error(400, "Invalid query");
    }
}

#[tokio::test]
async fn a_wallet_is_opened_in_nothing_that_nobody_can_spend() {
    for bank in every_bank().await {
        let (ani, _) = bank.register("ani").await;
        for code in ["XXX", "XTS", "XAU", "xag", "XDR", "CLF"] {
            let answer = ani.post("/wallets", json!({"currency": code})).await;
            let body = answer.expect_error(400, "Invalid currency");
            assert_eq!(body["code"], "currency_not_offered");
            assert_eq!(body["field"], "currency");
        }
        let answer = ani.post("/wallets", json!({"currency": "ABC"})).await;
        let body = answer.expect_error(400, "Invalid currency");
        assert_eq!(body["code"], "invalid_currency");
        let listed = ani.get("/wallets").await.expect(200);
        assert_eq!(listed, json!({"wallets": []}));
    }
}

#[tokio::test]
async fn a_wallet_of_a_currency_that_is_off_the_list_goes_on() {
    for bank in every_bank().await {
        let (ani, _) = bank.register("ani").await;
        let body = json!({"currency": "EUR"});
        let first = ani.post_with_key("/wallets", "mine", body.clone()).await;
        let wallet = first.expect(201)["wallet"]["id"].clone();
        let token = ani.token().unwrap().to_owned();
        let bank = bank
            .restart(|config| config.money.currencies = Some("IDR,USD".parse().unwrap()))
            .await;
        let listed = bank.api.get("/currencies").await.expect(200);
        let rows = listed["currencies"].as_array().unwrap().iter();
        let codes: Vec<_> = rows.map(|row| row["code"].clone()).collect();
        assert_eq!(codes, ["IDR", "USD"]);
        let ani = bank.api.with_token(token);
        let again = ani.post_with_key("/wallets", "mine", body.clone()).await;
        assert_eq!(again.bytes, first.bytes);
        let path = format!("/wallets/{wallet}/topup");
        ani.post(&path, json!({"amount": 5})).await.expect(200);
        let (budi, _) = bank.register("budi").await;
        let answer = budi.post("/wallets", body).await;
        answer.expect_error(400, "Invalid currency");
        budi.post("/wallets", json!({"currency": "USD"}))
            .await
            .expect(201);
        // Rupiah are what a wallet holds where nothing is said.
        budi.post("/wallets", json!({})).await.expect(201);
        bank.assert_whole().await;
    }
}

#[tokio::test]
async fn without_rupiah_on_the_list_a_wallet_says_its_currency() {
    for bank in
        every_bank_with(|config| config.money.currencies = Some("USD".parse().unwrap())).await
    {
        let (ani, _) = bank.register("ani").await;
        let answer = ani.post("/wallets", json!({})).await;
        answer.expect_error(400, "Invalid currency");
        ani.post("/wallets", json!({"currency": "USD"}))
            .await
            .expect(201);
    }
}
