//! How accounts and entries are written in rows, and read back.

use std::collections::BTreeMap;

use ledger_api::{Entry, Event, Side, Transfer, TransferKind, WalletStatus};
use moka::sync::Cache;
use money::{Amount, Currency};
use uuid::Uuid;

use super::{BatchRow, StoreError};
use crate::domain::{Account, Head, LogRow, chain};

/// Whose account, and of what: neither ever changes, so it is remembered.
pub(super) type Owners = Cache<i64, (Option<i64>, Currency)>;

/// How many owners are remembered.
pub(super) const OWNERS_MAX: u64 = 200_000;

/// id, user_id, balance, currency, status.
pub(super) type AccountColumns = (i64, Option<i64>, i64, i16, i16);

/// seq, wallets, payments, at, hash.
pub(super) type HeadColumns = (i64, i64, i64, i64, Vec<u8>);

/// The head (seq, wallets, payments, at, hash), and with it one account (id, user_id, balance, currency, status) or none.
pub(super) type StandingColumns = (
    i64,
    i64,
    i64,
    i64,
    Vec<u8>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i16>,
    Option<i16>,
);

/// first_seq, last_seq, hash, blind.
pub(super) type BatchColumns = (i64, i64, Vec<u8>, Vec<u8>);

/// seq, kind, and then for a transfer: debit_account, credit_account, amount, debit_balance, credit_balance, payment_id, at, key,
/// description; for an account event: wallet_id, user_id, currency, status, -, -, at, key, -.
pub(super) type LogColumns = (
    i64,
    i16,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    i64,
    Uuid,
    Option<String>,
);

pub(super) const OPENED: i16 = 101;
pub(super) const STATUS_CHANGED: i16 = 102;
pub(super) const USER_CLOSED: i16 = 103;

pub(super) fn currency_code(currency: Currency) -> i16 {
    i16::try_from(currency.numeric()).unwrap_or(0)
}

fn currency(code: i64) -> Result<Currency, StoreError> {
    u16::try_from(code)
        .ok()
        .and_then(|number| Currency::from_numeric(number).ok())
        .ok_or(StoreError::Corrupt("currency"))
}

fn status(code: i64) -> Result<WalletStatus, StoreError> {
    match code {
        0 => Ok(WalletStatus::Active),
        1 => Ok(WalletStatus::Frozen),
        2 => Ok(WalletStatus::Closed),
        _ => Err(StoreError::Corrupt("status")),
    }
}

fn kind(code: i16) -> Result<TransferKind, StoreError> {
    [
        TransferKind::Topup,
        TransferKind::Payment,
        TransferKind::Transfer,
        TransferKind::Withdrawal,
    ]
    .into_iter()
    .find(|kind| chain::kind_code(*kind) == code)
    .ok_or(StoreError::Corrupt("kind"))
}

pub(super) fn batch(columns: BatchColumns) -> Result<BatchRow, StoreError> {
    let (first_seq, last_seq, hash, blind) = columns;
    Ok(BatchRow {
        first_seq,
        last_seq,
        hash: hash.try_into().map_err(|_| StoreError::Corrupt("hash"))?,
        blind: blind.try_into().map_err(|_| StoreError::Corrupt("blind"))?,
    })
}

pub(super) fn head(columns: HeadColumns) -> Result<Head, StoreError> {
    let (seq, wallets, payments, at, hash) = columns;
    Ok(Head {
        seq,
        wallets,
        payments,
        at,
        hash: hash.try_into().map_err(|_| StoreError::Corrupt("hash"))?,
    })
}

pub(super) fn account(columns: AccountColumns) -> Result<Account, StoreError> {
    let (id, user_id, balance, code, state) = columns;
    Ok(Account {
        id,
        user_id,
        currency: currency(i64::from(code))?,
        status: status(i64::from(state))?,
        balance,
    })
}

pub(super) fn standing(rows: Vec<StandingColumns>) -> Result<(Head, Vec<Account>), StoreError> {
    let mut at = Head::default();
    let mut accounts = Vec::with_capacity(rows.len());
    for (seq, wallets, payments, time, hash, id, user_id, balance, currency, status) in rows {
        at = head((seq, wallets, payments, time, hash))?;
        if let (Some(id), Some(balance), Some(currency), Some(status)) =
            (id, balance, currency, status)
        {
            accounts.push(account((id, user_id, balance, currency, status))?);
        }
    }
    Ok((at, accounts))
}

/// Currency, the sums of the upper and lower halves, how many wallets are below zero, how many accounts that was, and the highest id.
pub(super) type SumColumns = (i16, i64, i64, i64, i64, i64);

/// What accounts add up to, part by part.
#[derive(Default)]
pub(super) struct Sums {
    sums: BTreeMap<i16, (Currency, i128)>,
    negative: i64,
    /// How many accounts the last part had, and where it ended.
    last: Option<(i64, i64)>,
}

impl Sums {
    /// Behind which id the next part of so many begins; `None` when all are there.
    pub(super) fn after(&self, limit: i64) -> Option<i64> {
        match self.last {
            None => Some(i64::MIN),
            Some((count, id)) => (count == limit).then_some(id),
        }
    }

    /// Adds a part.
    pub(super) fn add(&mut self, rows: Vec<SumColumns>) -> Result<(), StoreError> {
        let (mut all, mut last) = (0_i64, i64::MIN);
        for (code, upper, lower, below_zero, count, id) in rows {
            let currency = currency(i64::from(code))?;
            let sum = (i128::from(upper) << 32).saturating_add(i128::from(lower));
            let (_, total) = self.sums.entry(code).or_insert((currency, 0));
            *total = total.saturating_add(sum);
            self.negative = self.negative.saturating_add(below_zero);
            all = all.saturating_add(count);
            last = last.max(id);
        }
        self.last = Some((all, last));
        Ok(())
    }

    /// The sum of each currency, and how many wallets are below zero.
    pub(super) fn finish(self) -> (Vec<(Currency, i128)>, i64) {
        (self.sums.into_values().collect(), self.negative)
    }
}

/// The wallets that must be in `owners` before [`log_row`] can read these rows.
pub(super) fn unknown_owners(rows: &[LogColumns], owners: &Owners) -> Vec<i64> {
    let mut unknown: Vec<i64> = rows
        .iter()
        .filter(|row| row.1 < OPENED)
        .flat_map(|row| [row.2, row.3])
        .flatten()
        .filter(|id| *id > 0 && !owners.contains_key(id))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown
}

pub(super) fn log_row(columns: LogColumns, owners: &Owners) -> Result<LogRow, StoreError> {
    let (seq, code, a, b, c, d, e, payment_id, at, key, description) = columns;
    let need = |value: Option<i64>| value.ok_or(StoreError::Corrupt("a column is null"));
    let event = match code {
        OPENED => Event::WalletOpened {
            wallet_id: need(a)?,
            user_id: need(b)?,
            currency: currency(need(c)?)?,
        },
        STATUS_CHANGED => Event::StatusChanged {
            wallet_id: need(a)?,
            status: status(need(d)?)?,
        },
        USER_CLOSED => Event::UserClosed { user_id: need(b)? },
        code => {
            let (debit_user, debit_currency) = owner(need(a)?, owners)?;
            let (credit_user, credit_currency) = owner(need(b)?, owners)?;
            if debit_currency != credit_currency {
                return Err(StoreError::Corrupt("a movement between currencies"));
            }
            Event::Transfer(Transfer {
                kind: kind(code)?,
                debit: Side {
                    account: need(a)?,
                    user_id: debit_user,
                    balance: need(d)?,
                },
                credit: Side {
                    account: need(b)?,
                    user_id: credit_user,
                    balance: need(e)?,
                },
                amount: Amount::new(need(c)?).map_err(|_| StoreError::Corrupt("amount"))?,
                currency: debit_currency,
                payment_id,
                description,
            })
        }
    };
    let entry = Entry { seq, at, event };
    Ok(LogRow { key, entry })
}

/// The system's accounts say in their number what they are of.
fn owner(account: i64, owners: &Owners) -> Result<(Option<i64>, Currency), StoreError> {
    if account < 0 {
        return Ok((
            None,
            currency(
                account
                    .unsigned_abs()
                    .try_into()
                    .map(|id: i64| id / 10)
                    .unwrap_or(0),
            )?,
        ));
    }
    owners.get(&account).ok_or(StoreError::Corrupt(
        "a movement of an account that is not there",
    ))
}

/// How an account event is stored.
pub(super) struct EventColumns {
    pub(super) kind: i16,
    pub(super) wallet_id: Option<i64>,
    pub(super) user_id: Option<i64>,
    pub(super) currency: Option<i16>,
    pub(super) status: Option<i16>,
}

/// The columns of an account event; `None` for a transfer.
pub(super) fn event_columns(event: &Event) -> Option<EventColumns> {
    let empty = EventColumns {
        kind: 0,
        wallet_id: None,
        user_id: None,
        currency: None,
        status: None,
    };
    match event {
        Event::Transfer(_) => None,
        Event::WalletOpened {
            wallet_id,
            user_id,
            currency,
        } => Some(EventColumns {
            kind: OPENED,
            wallet_id: Some(*wallet_id),
            user_id: Some(*user_id),
            currency: Some(currency_code(*currency)),
            ..empty
        }),
        Event::StatusChanged { wallet_id, status } => Some(EventColumns {
            kind: STATUS_CHANGED,
            wallet_id: Some(*wallet_id),
            status: Some(chain::status_code(*status)),
            ..empty
        }),
        Event::UserClosed { user_id } => Some(EventColumns {
            kind: USER_CLOSED,
            user_id: Some(*user_id),
            ..empty
        }),
    }
}
