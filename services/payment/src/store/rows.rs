//! The rows of the tables.

use clock::Timestamp;
use store::sqlx;

use crate::domain::Payment;
use crate::holds::{Hold, HoldState};
use crate::refunds::Refund;

/// A row of `payments`.
#[derive(sqlx::FromRow)]
pub(super) struct PaymentRow {
    id: i64,
    seq: i64,
    user_id: i64,
    wallet_id: i64,
    merchant: String,
    amount: i64,
    currency: String,
    created_at: i64,
    hold_id: Option<i64>,
}

impl TryFrom<PaymentRow> for Payment {
    type Error = sqlx::Error;

    fn try_from(row: PaymentRow) -> Result<Payment, sqlx::Error> {
        Ok(Payment {
            id: row.id,
            seq: row.seq,
            user_id: row.user_id,
            wallet_id: row.wallet_id,
            merchant: row.merchant,
            amount: row.amount,
            currency: row.currency.parse().map_err(unreadable)?,
            created_at: Timestamp::from_micros(row.created_at),
            hold_id: row.hold_id,
        })
    }
}

/// A row of `holds`.
#[derive(sqlx::FromRow)]
pub(super) struct HoldRow {
    id: i64,
    user_id: i64,
    wallet_id: i64,
    merchant: String,
    amount: i64,
    currency: String,
    created_at: i64,
    expires_at: i64,
    captured: i64,
    released: i64,
    state: i16,
    last_seq: i64,
}

impl TryFrom<HoldRow> for Hold {
    type Error = sqlx::Error;

    fn try_from(row: HoldRow) -> Result<Hold, sqlx::Error> {
        let state = HoldState::from_code(row.state);
        Ok(Hold {
            id: row.id,
            user_id: row.user_id,
            wallet_id: row.wallet_id,
            merchant: row.merchant,
            amount: row.amount,
            currency: row.currency.parse().map_err(unreadable)?,
            created_at: Timestamp::from_micros(row.created_at),
            expires_at: Timestamp::from_micros(row.expires_at),
            captured: row.captured,
            released: row.released,
            state: state.ok_or_else(|| unreadable(format!("no state is {}", row.state)))?,
            last_seq: row.last_seq,
        })
    }
}

/// A row of `refunds`.
#[derive(sqlx::FromRow)]
pub(super) struct RefundRow {
    id: i64,
    payment_seq: i64,
    amount: i64,
    by_actor: i64,
    note: Option<String>,
    is_unclaimed: bool,
    created_at: i64,
}

impl From<RefundRow> for Refund {
    fn from(row: RefundRow) -> Refund {
        Refund {
            id: row.id,
            payment_seq: row.payment_seq,
            amount: row.amount,
            by: row.by_actor,
            note: row.note,
            is_unclaimed: row.is_unclaimed,
            created_at: Timestamp::from_micros(row.created_at),
        }
    }
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
