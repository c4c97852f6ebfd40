//! The rules of postings as anybody would write them down: maps, with numbers that cannot overflow, and a copy of everything before
//! each order.

use std::collections::HashMap;

use ledger::domain::system_account;
use ledger_api::{
    Actor, Counts, Direction, DrawnWhen, Exceeded, Holder, Kind, Limit, LimitName, Measure,
    NewPosting, Operation, POSTINGS_MAX, Party, Refusal, Tier, WalletStatus, Window,
};
use money::Currency;

use super::idr;
use super::kinds::{KINDS, SERVICE};

const WALLET_MAX: i128 = 9_007_199_254_740_991;
const SECOND: i64 = 1_000_000;

#[derive(Clone, Debug)]
struct Wallet {
    owner: i64,
    currency: Currency,
    status: WalletStatus,
    tier: Tier,
}

/// A movement that counts for a limit of a wallet.
#[derive(Clone, Debug)]
struct Counted {
    wallet: i64,
    limit: LimitName,
    window: Window,
    at: i64,
    amount: i128,
}

#[derive(Clone, Debug)]
struct Posted {
    kind: Kind,
    origin: i64,
    credit: i64,
    currency: Currency,
    amount: i128,
    used: i128,
    expires_at: Option<i64>,
}

/// A ledger.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    wallets: HashMap<i64, Wallet>,
    balances: HashMap<i64, i128>,
    closed: Vec<i64>,
    posted: HashMap<i64, Posted>,
    limits: Vec<Limit>,
    counted: Vec<Counted>,
    seq: i64,
}

impl Naive {
    /// The number of the newest entry.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// Every account with its balance.
    pub fn balances(&self) -> impl Iterator<Item = (i64, i128)> {
        self.balances.iter().map(|(id, balance)| (*id, *balance))
    }

    /// Every posting that was drawn on, and for how much.
    pub fn used(&self) -> impl Iterator<Item = (i64, i64)> {
        let drawn = self.posted.iter().filter(|(_, posted)| posted.used > 0);
        drawn.map(|(seq, posted)| (*seq, i64::try_from(posted.used).unwrap()))
    }

    /// Aims a posting that draws at one of the committed postings that it may draw on: which one, and for how much of it, follows from
    /// what it said before. One in eight stays as it is.
    pub fn aim(&self, asked: &mut NewPosting, committed: i64) {
        let draws = KINDS.get(asked.kind).and_then(|kind| kind.draws);
        let (Some(draws), Some(drawn)) = (draws, asked.draws_on) else {
            return;
        };
        let mut fitting: Vec<(&i64, &Posted)> = self.posted.iter().collect();
        fitting.retain(|(seq, posted)| **seq <= committed && draws.on.contains(&posted.kind.code));
        fitting.sort_by_key(|(seq, _)| **seq);
        let index = usize::try_from(drawn).unwrap();
        if fitting.is_empty() || index.is_multiple_of(8) {
            return;
        }
        let (seq, posted) = fitting[index % fitting.len()];
        asked.draws_on = Some(*seq);
        asked.by = SERVICE;
        // A little more than there is, now and then.
        asked.amount = asked.amount.map(|amount| {
            let units = i128::from(amount.units()) % (posted.amount + 3) + 1;
            idr(i64::try_from(units.min(WALLET_MAX)).unwrap())
        });
        if let (true, Party::Wallet(_) | Party::WalletOf(_)) = (draws.returns, asked.credit) {
            asked.credit = Party::Wallet(posted.origin);
        }
        if let Party::Wallet(_) = asked.debit {
            asked.debit = Party::Wallet(posted.credit);
        }
    }

    /// Decides an order at a moment; how many entries it becomes. What was posted after `committed` can be drawn on only if it expires.
    pub fn decide(
        &mut self,
        operation: &Operation,
        committed: i64,
        now: i64,
    ) -> Result<usize, Refusal> {
        match operation {
            Operation::Post(postings) => {
                if postings.is_empty() || postings.len() > POSTINGS_MAX {
                    return Err(Refusal::KindNotAllowed);
                }
                let before = self.clone();
                let mut entries = 0;
                for posting in postings {
                    match self.post(posting, committed, now) {
                        Ok(is_entry) => entries += usize::from(is_entry),
                        Err(reason) => {
                            *self = before;
                            return Err(reason);
                        }
                    }
                }
                if entries == 0 {
                    return Err(Refusal::RemainderExceeded);
                }
                return Ok(entries);
            }
            Operation::OpenWallet { user_id, currency } => {
                if self.closed.contains(user_id) {
                    return Err(Refusal::UserClosed);
                }
                if self.wallet_of(*user_id, *currency).is_some() {
                    return Err(Refusal::WalletExists);
                }
                let id = i64::try_from(self.wallets.len()).unwrap() + 1;
                let wallet = Wallet {
                    owner: *user_id,
                    currency: *currency,
                    status: WalletStatus::Active,
                    tier: Tier::Unregistered,
                };
                self.wallets.insert(id, wallet);
            }
            Operation::SetStatus {
                wallet_id, status, ..
            } => {
                let wallet = self.wallets.get_mut(wallet_id);
                let wallet = wallet.ok_or(Refusal::WalletNotFound)?;
                if wallet.status == WalletStatus::Closed {
                    return Err(Refusal::WalletNotActive);
                }
                wallet.status = *status;
            }
            Operation::SetTier {
                wallet_id, tier, ..
            } => {
                let wallet = self.wallets.get_mut(wallet_id);
                let wallet = wallet.ok_or(Refusal::WalletNotFound)?;
                if wallet.status == WalletStatus::Closed {
                    return Err(Refusal::WalletNotActive);
                }
                wallet.tier = *tier;
            }
            Operation::SetLimits { limits, .. } => self.limits.clone_from(limits),
            Operation::CloseUser { user_id, .. } => {
                self.closed.push(*user_id);
                let mut wallets = self.wallets.values_mut();
                for wallet in wallets.by_ref().filter(|wallet| wallet.owner == *user_id) {
                    wallet.status = WalletStatus::Closed;
                }
            }
        }
        self.seq += 1;
        Ok(1)
    }

    fn wallet_of(&self, user_id: i64, currency: Currency) -> Option<i64> {
        let mut wallets = self.wallets.iter();
        let found = wallets.find(|(_, w)| w.owner == user_id && w.currency == currency);
        found.map(|(id, _)| *id)
    }

    /// `false` where all that is left is asked for, and nothing is.
    fn post(&mut self, asked: &NewPosting, committed: i64, now: i64) -> Result<bool, Refusal> {
        let kind = KINDS.get(asked.kind).ok_or(Refusal::KindNotAllowed)?;
        let fits = |holder: Holder, party: Party| match party {
            Party::System(role) => holder == Holder::System(role),
            Party::Wallet(_) | Party::WalletOf(_) => holder == Holder::Wallet,
        };
        let draws_fit = kind.draws.is_some() == asked.draws_on.is_some();
        let expiry_fits = kind.expires || asked.expires_in.is_none();
        if !fits(kind.debit, asked.debit) || !fits(kind.credit, asked.credit) || !expiry_fits {
            return Err(Refusal::KindNotAllowed);
        }
        if !draws_fit {
            return Err(Refusal::KindNotAllowed);
        }
        let drawn = asked.draws_on.map(|seq| self.drawn(kind, seq, committed));
        let drawn = drawn.transpose()?;
        let currency = self.currency(asked, drawn.as_ref())?;
        let debit = self.account(kind, asked.debit, currency, asked.by, false)?;
        let credit = self.account(kind, asked.credit, currency, asked.by, true)?;
        if debit == credit {
            return Err(Refusal::SameWallet);
        }
        for id in [debit, credit] {
            if self
                .wallets
                .get(&id)
                .is_some_and(|w| w.currency != currency)
            {
                return Err(Refusal::CurrencyMismatch);
            }
        }
        let amount = match (asked.amount, &drawn) {
            (Some(amount), _) => i128::from(amount.units()),
            (None, Some(drawn)) if drawn.used == drawn.amount => return Ok(false),
            (None, Some(drawn)) => drawn.amount - drawn.used,
            (None, None) => return Err(Refusal::KindNotAllowed),
        };
        if let (Some(drawn), Some(draws)) = (&drawn, kind.draws) {
            if debit != drawn.credit || (draws.returns && credit != drawn.origin) {
                return Err(Refusal::KindNotAllowed);
            }
            let has_expired = drawn.expires_at.is_some_and(|end| now >= end);
            match draws.when {
                DrawnWhen::BeforeExpiry if has_expired => return Err(Refusal::RemainderExpired),
                DrawnWhen::AfterExpiry if !has_expired => {
                    return Err(Refusal::RemainderNotExpired);
                }
                _ => {}
            }
            if drawn.used + amount > drawn.amount {
                return Err(Refusal::RemainderExceeded);
            }
        }
        let balance = |id: i64| self.balances.get(&id).copied().unwrap_or_default();
        let (debited, credited) = (balance(debit) - amount, balance(credit) + amount);
        let range = i128::from(i64::MIN)..=i128::from(i64::MAX);
        if !range.contains(&debited) || !range.contains(&credited) {
            return Err(Refusal::LedgerLimit);
        }
        if debit > 0 && debited < 0 {
            return Err(Refusal::InsufficientBalance);
        }
        let mut counted = self.limited(kind, debit, Direction::Out, amount, now)?;
        let received = if credit > 0 && credited > WALLET_MAX {
            Err(Refusal::BalanceLimit)
        } else {
            self.limited(kind, credit, Direction::In, amount, now)
        };
        let received = received.map_err(|reason| match asked.credit {
            Party::WalletOf(_) => Refusal::DestinationNotFound,
            Party::Wallet(_) | Party::System(_) => reason,
        })?;
        counted.extend(received);
        self.counted.extend(counted);
        self.balances.insert(debit, debited);
        self.balances.insert(credit, credited);
        if let Some(drawn) = asked.draws_on.and_then(|seq| self.posted.get_mut(&seq)) {
            drawn.used += amount;
        }
        self.seq += 1;
        let posted = Posted {
            kind: *kind,
            origin: drawn.map_or(debit, |drawn| drawn.origin),
            credit,
            currency,
            amount,
            used: 0,
            expires_at: asked.expires_in.map(|s| now + i64::from(s) * SECOND),
        };
        self.posted.insert(self.seq, posted);
        Ok(true)
    }

    /// What a movement counts for on one side: which limit of the wallet, when, and how much. Every sum is made anew.
    fn limited(
        &self,
        kind: &Kind,
        wallet_id: i64,
        direction: Direction,
        amount: i128,
        now: i64,
    ) -> Result<Vec<Counted>, Refusal> {
        let counts = match direction {
            Direction::In => matches!(kind.counts, Counts::In | Counts::Both),
            Direction::Out => matches!(kind.counts, Counts::Out | Counts::Both),
        };
        let wallet = self.wallets.get(&wallet_id);
        let Some(wallet) = wallet.filter(|_| counts && kind.draws.is_none() && !kind.exempt) else {
            return Ok(Vec::new());
        };
        let mut counted = Vec::new();
        for limit in &self.limits {
            let is_its = (limit.tiers.is_empty() || limit.tiers.contains(&wallet.tier))
                && (limit.kinds.is_empty() || limit.kinds.contains(&kind.code))
                && limit.currency.is_none_or(|of| of == wallet.currency);
            if limit.direction != direction || !is_its {
                continue;
            }
            let days = |at: i64| (at / SECOND + 7 * 3600) / 86_400;
            let is_within = |at: i64| match limit.window {
                Window::Day => days(at) == days(now),
                // The tests stay within the January of 1970, and February after it.
                Window::Month => (days(at) < 31) == (days(now) < 31),
                Window::Transaction | Window::Balance => false,
            };
            let mut used = (0, 0);
            for it in &self.counted {
                let is_it =
                    (it.wallet, it.limit, it.window) == (wallet_id, limit.name, limit.window);
                if is_it && is_within(it.at) {
                    used = (used.0 + it.amount, used.1 + 1);
                }
            }
            if limit.window == Window::Balance {
                used.0 = self.balances.get(&wallet_id).copied().unwrap_or_default();
            }
            let amount_exceeded = limit
                .max_amount
                .filter(|max| used.0 + amount > i128::from(*max));
            let count_exceeded = limit.max_count.filter(|max| used.1 + 1 > *max);
            let exceeded = |measure, max, used: i128, requested: i128| {
                let to_i64 = |number: i128| i64::try_from(number).unwrap();
                let end_day = match limit.window {
                    Window::Day => Some(days(now) + 1),
                    Window::Month if days(now) < 31 => Some(31),
                    Window::Month => Some(31 + 28),
                    Window::Transaction | Window::Balance => None,
                };
                Refusal::LimitExceeded(Exceeded {
                    limit: limit.name,
                    window: limit.window,
                    measure,
                    max,
                    used: to_i64(used),
                    requested: to_i64(requested),
                    resets_at: end_day.map(|day| (day * 86_400 - 7 * 3600) * SECOND),
                })
            };
            if let Some(max) = amount_exceeded {
                return Err(exceeded(Measure::Amount, max, used.0, amount));
            }
            if let Some(max) = count_exceeded {
                return Err(exceeded(Measure::Count, max, i128::from(used.1), 1));
            }
            counted.push(Counted {
                wallet: wallet_id,
                limit: limit.name,
                window: limit.window,
                at: now,
                amount,
            });
        }
        Ok(counted)
    }

    fn drawn(&self, kind: &Kind, seq: i64, committed: i64) -> Result<Posted, Refusal> {
        let posted = self.posted.get(&seq);
        let known = posted.filter(|posted| seq <= committed || posted.expires_at.is_some());
        let draws = kind.draws.unwrap();
        known
            .filter(|posted| draws.on.contains(&posted.kind.code))
            .cloned()
            .ok_or(Refusal::NothingToDraw)
    }

    fn own(&self, id: i64, by: Actor) -> Result<&Wallet, Refusal> {
        let wallet = self.wallets.get(&id).ok_or(Refusal::WalletNotFound)?;
        match by {
            Actor::User(user_id) if user_id != wallet.owner => Err(Refusal::NotOwner),
            _ => Ok(wallet),
        }
    }

    fn currency(&self, asked: &NewPosting, drawn: Option<&Posted>) -> Result<Currency, Refusal> {
        for party in [asked.debit, asked.credit] {
            if let Party::Wallet(id) = party {
                return Ok(self.own(id, asked.by)?.currency);
            }
        }
        let drawn = drawn.ok_or(Refusal::KindNotAllowed)?;
        Ok(drawn.currency)
    }

    fn account(
        &self,
        kind: &Kind,
        party: Party,
        currency: Currency,
        by: Actor,
        is_credit: bool,
    ) -> Result<i64, Refusal> {
        let takes_part = |wallet: &Wallet| {
            wallet.status == WalletStatus::Active
                || (wallet.status == WalletStatus::Frozen && is_credit && kind.credits_frozen)
                || (wallet.status == WalletStatus::Frozen && !is_credit && kind.debits_frozen)
        };
        match party {
            Party::System(role) => Ok(system_account(currency, role)),
            Party::Wallet(id) => match self.own(id, by)? {
                wallet if takes_part(wallet) => Ok(id),
                _ => Err(Refusal::WalletNotActive),
            },
            Party::WalletOf(user_id) => {
                let id = self.wallet_of(user_id, currency);
                let id = id.ok_or(Refusal::DestinationNotFound)?;
                if takes_part(&self.wallets[&id]) {
                    Ok(id)
                } else if kind.is_limited() {
                    Err(Refusal::DestinationNotFound)
                } else {
                    Err(Refusal::DestinationNotActive)
                }
            }
        }
    }
}
