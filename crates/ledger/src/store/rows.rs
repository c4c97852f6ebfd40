//! The rows that accounts and entries are stored in.

use ledger_api::{
    Actor, Entry, Event, KindCode, Leg, Limit, LimitName, Posting, Tier, WalletStatus,
};
use moka::sync::Cache;
use money::{Amount, Currency};
use uuid::Uuid;

use super::{BatchRow, Holding, StoreError};
use crate::domain::chain::{
    self, LIMITS_CHANGED, OPENED, STATUS_CHANGED, TIER_CHANGED, USER_CLOSED,
};
use crate::domain::limits::{Counter, Usage};
use crate::domain::{Account, Batch, Head, LogRow, Remainder};

/// The owner and the currency of a wallet: neither ever changes, so they are cached.
pub(super) type Owners = Cache<i64, (Option<i64>, Currency)>;

/// Owners that are cached at most.
pub(super) const OWNERS_MAX: u64 = 200_000;

/// A row of `accounts`.
#[derive(sqlx::FromRow)]
pub(super) struct AccountRow {
    id: i64,
    user_id: Option<i64>,
    balance: i64,
    currency: i16,
    status: i16,
    tier: i16,
    usage: Option<String>,
}

impl TryFrom<AccountRow> for Account {
    type Error = StoreError;

    fn try_from(row: AccountRow) -> Result<Account, StoreError> {
        Ok(Account {
            id: row.id,
            user_id: row.user_id,
            currency: currency(i64::from(row.currency))?,
            status: status(i64::from(row.status))?,
            balance: row.balance,
            tier: tier(row.tier)?,
            usage: usage(row.usage.as_deref())?,
        })
    }
}

/// A row of `accounts`, and what is held beside it.
#[derive(sqlx::FromRow)]
pub(super) struct HoldingRow {
    #[sqlx(flatten)]
    account: AccountRow,
    held: i64,
}

impl TryFrom<HoldingRow> for Holding {
    type Error = StoreError;

    fn try_from(row: HoldingRow) -> Result<Holding, StoreError> {
        Ok(Holding {
            account: row.account.try_into()?,
            held: row.held,
        })
    }
}

/// The row of `ledger_head`.
#[derive(sqlx::FromRow)]
pub(super) struct HeadRow {
    seq: i64,
    wallets: i64,
    numbers: i64,
    at: i64,
    hash: Vec<u8>,
}

impl TryFrom<HeadRow> for Head {
    type Error = StoreError;

    fn try_from(row: HeadRow) -> Result<Head, StoreError> {
        Ok(Head {
            seq: row.seq,
            wallets: row.wallets,
            numbers: row.numbers,
            at: row.at,
            hash: (row.hash.try_into()).map_err(|_| StoreError::Corrupt("hash"))?,
        })
    }
}

/// The head, and with it one account or none.
#[derive(sqlx::FromRow)]
pub(super) struct HeadAndAccountRow {
    #[sqlx(flatten)]
    head: HeadRow,
    id: Option<i64>,
    user_id: Option<i64>,
    balance: Option<i64>,
    currency: Option<i16>,
    status: Option<i16>,
    tier: Option<i16>,
    usage: Option<String>,
}

pub(super) fn head_and_accounts(
    rows: Vec<HeadAndAccountRow>,
) -> Result<(Head, Vec<Account>), StoreError> {
    let mut head = Head::default();
    let mut accounts = Vec::with_capacity(rows.len());
    for row in rows {
        head = row.head.try_into()?;
        if let (Some(id), Some(balance), Some(currency), Some(status), Some(tier)) =
            (row.id, row.balance, row.currency, row.status, row.tier)
        {
            let account = AccountRow {
                id,
                user_id: row.user_id,
                balance,
                currency,
                status,
                tier,
                usage: row.usage,
            };
            accounts.push(account.try_into()?);
        }
    }
    Ok((head, accounts))
}

/// A row of `batches`.
#[derive(sqlx::FromRow)]
pub(super) struct StoredBatch {
    first_seq: i64,
    last_seq: i64,
    hash: Vec<u8>,
    blind: Vec<u8>,
}

impl TryFrom<StoredBatch> for BatchRow {
    type Error = StoreError;

    fn try_from(row: StoredBatch) -> Result<BatchRow, StoreError> {
        Ok(BatchRow {
            first_seq: row.first_seq,
            last_seq: row.last_seq,
            hash: (row.hash.try_into()).map_err(|_| StoreError::Corrupt("hash"))?,
            blind: (row.blind.try_into()).map_err(|_| StoreError::Corrupt("blind"))?,
        })
    }
}

/// A posting, and how much of it was drawn.
#[derive(sqlx::FromRow)]
pub(super) struct RemainderRow {
    seq: i64,
    kind: i16,
    pub(super) origin: i64,
    credit_account: i64,
    amount: i64,
    used: i64,
    last_draw: i64,
    expires_at: Option<i64>,
}

impl RemainderRow {
    /// Both accounts are of one currency: that of the wallet among them, or one that a system account says.
    pub(super) fn remainder(self, owners: &Owners) -> Result<Remainder, StoreError> {
        let (_, currency) = owner(self.origin, owners)?;
        Ok(Remainder {
            seq: self.seq,
            kind: KindCode(self.kind),
            origin: self.origin,
            credit: self.credit_account,
            currency,
            amount: self.amount,
            used: self.used,
            last_draw: self.last_draw,
            expires_at: self.expires_at,
        })
    }
}

/// A row of the log: of `postings`, or of `account_events`, whose columns are null for a posting.
#[derive(sqlx::FromRow)]
pub(super) struct LogRecord {
    seq: i64,
    at: i64,
    key: Uuid,
    kind: i16,
    debit_account: Option<i64>,
    credit_account: Option<i64>,
    amount: Option<i64>,
    debit_balance: Option<i64>,
    credit_balance: Option<i64>,
    number: Option<i64>,
    by_actor: Option<i64>,
    draws_on: Option<i64>,
    group_seq: Option<i64>,
    expires_at: Option<i64>,
    note: Option<String>,
    erased_note: Option<Vec<u8>>,
    wallet_id: Option<i64>,
    user_id: Option<i64>,
    currency: Option<i16>,
    status: Option<i16>,
}

impl LogRecord {
    /// The wallets whose owners must be in the cache before [`LogRecord::log_row`] can read it.
    pub(super) fn wallets(&self) -> impl Iterator<Item = i64> {
        [self.debit_account, self.credit_account]
            .into_iter()
            .flatten()
            .filter(|id| *id > 0)
    }

    pub(super) fn log_row(self, owners: &Owners) -> Result<LogRow, StoreError> {
        let entry = Entry {
            seq: self.seq,
            at: self.at,
            event: match self.kind {
                OPENED => Event::WalletOpened {
                    wallet_id: need(self.wallet_id)?,
                    user_id: need(self.user_id)?,
                    currency: currency(i64::from(need(self.currency)?))?,
                },
                STATUS_CHANGED => Event::StatusChanged {
                    wallet_id: need(self.wallet_id)?,
                    status: status(i64::from(need(self.status)?))?,
                    by: actor(need(self.by_actor)?)?,
                },
                USER_CLOSED => Event::UserClosed {
                    user_id: need(self.user_id)?,
                    by: actor(need(self.by_actor)?)?,
                },
                TIER_CHANGED => Event::TierChanged {
                    wallet_id: need(self.wallet_id)?,
                    tier: tier(need(self.status)?)?,
                    reason: self.note.unwrap_or_default(),
                    by: actor(need(self.by_actor)?)?,
                },
                LIMITS_CHANGED => Event::LimitsChanged {
                    limits: limits(self.note)?,
                    by: actor(need(self.by_actor)?)?,
                },
                _ => return self.posting(owners),
            },
        };
        Ok(LogRow {
            key: self.key,
            entry,
            erased_note: None,
        })
    }

    fn posting(self, owners: &Owners) -> Result<LogRow, StoreError> {
        let (debit, credit) = (need(self.debit_account)?, need(self.credit_account)?);
        let (debit_user, currency) = owner(debit, owners)?;
        let (credit_user, credit_currency) = owner(credit, owners)?;
        if currency != credit_currency {
            return Err(StoreError::Corrupt("a posting between currencies"));
        }
        let by = match (self.by_actor, debit_user.or(credit_user)) {
            (Some(code), _) => actor(code)?,
            (None, Some(owner)) => Actor::User(owner),
            (None, None) => return Err(StoreError::Corrupt("a posting that nobody asked for")),
        };
        let posting = Posting {
            kind: KindCode(self.kind),
            debit: Leg {
                account: debit,
                user_id: debit_user,
                balance: need(self.debit_balance)?,
            },
            credit: Leg {
                account: credit,
                user_id: credit_user,
                balance: need(self.credit_balance)?,
            },
            amount: Amount::new(need(self.amount)?).map_err(|_| StoreError::Corrupt("amount"))?,
            currency,
            number: self.number,
            by,
            draws_on: self.draws_on,
            group: self.group_seq,
            expires_at: self.expires_at,
            note: self.note,
        };
        let erased_note = match self.erased_note {
            Some(hash) => Some(hash.try_into().map_err(|_| StoreError::Corrupt("hash"))?),
            None => None,
        };
        Ok(LogRow {
            key: self.key,
            entry: Entry {
                seq: self.seq,
                at: self.at,
                event: Event::Posted(posting),
            },
            erased_note,
        })
    }
}

/// The stored form of who asked for a posting: nothing where it is the owner of the wallet that is debited, or else credited.
pub(super) fn stored_actor(posting: &Posting) -> Option<i64> {
    let owner = posting.debit.user_id.or(posting.credit.user_id);
    (owner.map(Actor::User) != Some(posting.by)).then(|| posting.by.code())
}

pub(super) fn currency_code(currency: Currency) -> i16 {
    i16::try_from(currency.numeric()).unwrap_or(0)
}

fn need<T>(value: Option<T>) -> Result<T, StoreError> {
    value.ok_or(StoreError::Corrupt("a column is null"))
}

fn actor(code: i64) -> Result<Actor, StoreError> {
    Actor::from_code(code).ok_or(StoreError::Corrupt("actor"))
}

pub(super) fn currency(code: i64) -> Result<Currency, StoreError> {
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

fn tier(code: i16) -> Result<Tier, StoreError> {
    Tier::from_code(code).ok_or(StoreError::Corrupt("tier"))
}

/// The limits that an entry sets.
pub(super) fn limits(text: Option<String>) -> Result<Vec<Limit>, StoreError> {
    serde_json::from_str(&need(text)?).map_err(|_| StoreError::Corrupt("limits"))
}

/// A counter as it is stored: limit, period, amount, number of movements.
type CounterColumns = (LimitName, i64, i64, i64, i64);

fn usage(text: Option<&str>) -> Result<Usage, StoreError> {
    let Some(text) = text else {
        return Ok(Usage::default());
    };
    let stored: Vec<CounterColumns> =
        serde_json::from_str(text).map_err(|_| StoreError::Corrupt("usage"))?;
    let counter = |(limit, period, amount, count, last)| Counter {
        limit,
        period,
        amount,
        count,
        last,
    };
    Ok(Usage::new(stored.into_iter().map(counter).collect()))
}

/// The stored form of what was used of limits; `None` for nothing.
pub(super) fn usage_text(usage: &Usage) -> Option<String> {
    let columns = |it: &Counter| (it.limit, it.period, it.amount, it.count, it.last);
    let stored: Vec<CounterColumns> = usage.counters().iter().map(columns).collect();
    (!stored.is_empty()).then(|| serde_json::to_string(&stored).unwrap_or_default())
}

/// The tier of an account that a batch touches, where it may be another than before.
pub(super) fn tier_of(batch: &Batch, account: &Account) -> Option<i16> {
    batch
        .described
        .contains(&account.id)
        .then(|| account.tier.code())
}

/// The stored form of what an account has used, where it may be something else than before.
pub(super) fn usage_of(batch: &Batch, account: &Account) -> Option<String> {
    let is_described = batch.described.contains(&account.id);
    is_described.then(|| usage_text(&account.usage)).flatten()
}

/// The system's accounts say their currency in their number.
fn owner(account: i64, owners: &Owners) -> Result<(Option<i64>, Currency), StoreError> {
    if account < 0 {
        let number = i64::try_from(account.unsigned_abs() / 10);
        return Ok((None, currency(number.unwrap_or_default())?));
    }
    owners.get(&account).ok_or(StoreError::Corrupt(
        "a posting of an account that is not there",
    ))
}

/// The columns of an account event.
#[derive(Clone, Default)]
pub(super) struct EventColumns {
    pub(super) kind: i16,
    pub(super) wallet_id: Option<i64>,
    pub(super) user_id: Option<i64>,
    pub(super) currency: Option<i16>,
    pub(super) status: Option<i16>,
    pub(super) by_actor: Option<i64>,
    pub(super) text: Option<String>,
}

/// The columns of an account event; `None` for a posting.
pub(super) fn event_columns(event: &Event) -> Option<EventColumns> {
    match event {
        Event::Posted(_) => None,
        Event::WalletOpened {
            wallet_id,
            user_id,
            currency,
        } => Some(EventColumns {
            kind: OPENED,
            wallet_id: Some(*wallet_id),
            user_id: Some(*user_id),
            currency: Some(currency_code(*currency)),
            ..EventColumns::default()
        }),
        Event::StatusChanged {
            wallet_id,
            status,
            by,
        } => Some(EventColumns {
            kind: STATUS_CHANGED,
            wallet_id: Some(*wallet_id),
            status: Some(chain::status_code(*status)),
            by_actor: Some(by.code()),
            ..EventColumns::default()
        }),
        Event::UserClosed { user_id, by } => Some(EventColumns {
            kind: USER_CLOSED,
            user_id: Some(*user_id),
            by_actor: Some(by.code()),
            ..EventColumns::default()
        }),
        Event::TierChanged {
            wallet_id,
            tier,
            reason,
            by,
        } => Some(EventColumns {
            kind: TIER_CHANGED,
            wallet_id: Some(*wallet_id),
            status: Some(tier.code()),
            by_actor: Some(by.code()),
            text: Some(reason.clone()),
            ..EventColumns::default()
        }),
        Event::LimitsChanged { limits, by } => Some(EventColumns {
            kind: LIMITS_CHANGED,
            by_actor: Some(by.code()),
            text: Some(chain::limits_text(limits)),
            ..EventColumns::default()
        }),
    }
}
