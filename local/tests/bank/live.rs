//! Movements as they are committed, through the gateway.

use testing::EventStream;

use crate::support::every_bank;

#[tokio::test]
async fn a_transfer_arrives_at_both_sides_through_the_gateway() {
    for bank in every_bank().await {
        let (ani, budi) = (
            bank.customer("ani", 500).await,
            bank.customer("budi", 0).await,
        );
        let mut of_ani = EventStream::open(&ani.client, "/events", None).await;
        let mut of_budi = EventStream::open(&budi.client, "/events", None).await;
        of_ani.expect("ready").await;
        of_budi.expect("ready").await;
        ani.client
            .post("/payments/transfer", ani.transfer(&budi, 20))
            .await
            .expect(201);
        let (sent, received) = (
            of_ani.expect("movement").await,
            of_budi.expect("movement").await,
        );
        assert_eq!(
            sent.data,
            ani.list("/transactions", "transactions").await[0]
        );
        assert_eq!(
            received.data,
            budi.list("/transactions", "transactions").await[0]
        );
        // Logged out, nothing more is told.
        budi.client
            .post("/auth/logout", serde_json::json!({}))
            .await
            .expect(204);
        assert_eq!(of_budi.expect("end").await.data["reason"], "token");
        ani.client
            .post("/payments/transfer", ani.transfer(&budi, 20))
            .await
            .expect(201);
        assert_eq!(of_budi.next().await, None);
        of_ani.expect("movement").await;
        drop(of_ani);
        bank.assert_whole().await;
    }
}
