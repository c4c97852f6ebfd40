//! Moving money: one arm for every kind of posting. It finds both accounts, checks owner, status, remainder and limits by the table of
//! kinds, and moves.

use ledger_api::{
    Actor, Direction, DrawnWhen, Draws, Event, Holder, Kind, Leg, NOTE_BYTES_MAX, NewPosting,
    POSTINGS_MAX, Party, Posting, Refusal, WalletStatus, posting_key,
};
use money::{Amount, Currency};
use uuid::Uuid;

use super::books::{Account, Head, Remainder};
use super::decide::{Draft, new_account};
use super::limits::{At, Usage};
use super::matches::expiry;
use super::{is_wallet_balance, system_account};

/// The state of a batch before an order with several postings.
pub(super) struct Changed {
    head: Head,
    rows: usize,
    opened: usize,
    pub(super) accounts: Vec<(i64, Option<Account>)>,
    pub(super) remainders: Vec<(i64, Option<Remainder>)>,
}

impl Draft<'_> {
    /// All postings of an order, or none.
    pub(super) fn post_all(&mut self, key: Uuid, postings: &[NewPosting]) -> Result<(), Refusal> {
        match postings {
            [] => Err(Refusal::KindNotAllowed),
            [only] => match self.post(key, only, None)? {
                Some(_) => Ok(()),
                None => Err(Refusal::RemainderExceeded),
            },
            several if several.len() > POSTINGS_MAX => Err(Refusal::KindNotAllowed),
            several => {
                let group = Some(self.batch.head.seq.saturating_add(1));
                self.changed = Some(Changed {
                    head: self.batch.head.clone(),
                    rows: self.batch.rows.len(),
                    opened: self.batch.opened.len(),
                    accounts: Vec::new(),
                    remainders: Vec::new(),
                });
                let posted = self.post_several(key, several, group);
                let changed = self.changed.take();
                if posted.is_err()
                    && let Some(changed) = changed
                {
                    self.take_back(changed);
                }
                posted
            }
        }
    }

    /// One posting after the other. Those that become entries have consecutive keys.
    fn post_several(
        &mut self,
        key: Uuid,
        postings: &[NewPosting],
        group: Option<i64>,
    ) -> Result<(), Refusal> {
        let mut entries = 0_usize;
        for posting in postings {
            let posted = self.post(posting_key(key, entries), posting, group)?;
            entries = entries.saturating_add(usize::from(posted.is_some()));
        }
        if entries == 0 {
            return Err(Refusal::RemainderExceeded);
        }
        Ok(())
    }

    fn take_back(&mut self, changed: Changed) {
        let batch = &mut self.batch;
        batch.head = changed.head;
        batch.rows.truncate(changed.rows);
        batch.opened.truncate(changed.opened);
        for (id, account) in changed.accounts.into_iter().rev() {
            match account {
                Some(account) => batch.accounts.insert(id, account),
                None => batch.accounts.remove(&id),
            };
        }
        for (seq, remainder) in changed.remainders.into_iter().rev() {
            match remainder {
                Some(remainder) => batch.remainders.insert(seq, remainder),
                None => batch.remainders.remove(&seq),
            };
        }
    }

    /// Moves money from one account to another, or changes nothing: find both accounts, check owner, status, remainder and limits,
    /// move. The number of the entry; `None` where all that is left was asked for, and nothing is.
    fn post(
        &mut self,
        key: Uuid,
        asked: &NewPosting,
        group: Option<i64>,
    ) -> Result<Option<i64>, Refusal> {
        let kind = self.allowed(asked)?;
        if let Some(amount) = asked.amount {
            self.policy.check_movement(kind, amount)?;
        }
        let drawn = match (&kind.draws, asked.draws_on) {
            (Some(draws), Some(seq)) => Some(self.drawn(draws, seq)?),
            (None, None) => None,
            _ => return Err(Refusal::KindNotAllowed),
        };
        let currency = self.currency(asked, drawn.as_ref())?;
        let mut debit = self.party(kind, asked.debit, currency, asked.by, Side::Debit)?;
        let mut credit = self.party(kind, asked.credit, currency, asked.by, Side::Credit)?;
        if debit.id == credit.id {
            return Err(Refusal::SameWallet);
        }
        if debit.currency != currency || credit.currency != currency {
            return Err(Refusal::CurrencyMismatch);
        }
        let Some(asked_amount) = amount(asked, drawn.as_ref())? else {
            return Ok(None);
        };
        let amount = asked_amount.units();
        let origin = drawn.as_ref().map_or(debit.id, |drawn| drawn.origin);
        let drawn = match (kind.draws, drawn) {
            (Some(draws), Some(drawn)) => Some(self.draw(draws, drawn, amount, &debit, &credit)?),
            _ => None,
        };
        let debited = (debit.balance.checked_sub(amount)).ok_or(Refusal::LedgerLimit)?;
        let credited = (credit.balance.checked_add(amount)).ok_or(Refusal::LedgerLimit)?;
        if debit.user_id.is_some() && !is_wallet_balance(debited) {
            return Err(Refusal::InsufficientBalance);
        }
        // What is the sender's own is decided first. What the receiver cannot take is told to the receiver alone.
        let spent = self.admit(kind, Direction::Out, &debit, amount)?;
        let received = if credit.user_id.is_some() && !is_wallet_balance(credited) {
            Err(Refusal::BalanceLimit)
        } else {
            self.admit(kind, Direction::In, &credit, amount)
        };
        let received = received.map_err(|reason| match asked.credit {
            Party::WalletOf(_) => Refusal::DestinationNotFound,
            Party::Wallet(_) | Party::System(_) => reason,
        })?;
        (debit.balance, credit.balance) = (debited, credited);
        for (account, usage) in [(&mut debit, spent), (&mut credit, received)] {
            if let Some(usage) = usage {
                account.usage = usage;
                self.batch.described.insert(account.id);
            }
        }
        let number = self.next_number(kind)?;
        self.batch.head.numbers = number.unwrap_or(self.batch.head.numbers);
        let at = self.batch.head.at;
        let expires_at = asked.expires_in.map(|seconds| expiry(at, seconds));
        let (debit_leg, credit_leg) = (leg(&debit), leg(&credit));
        self.set_account(debit);
        self.set_account(credit);
        let posting = Posting {
            kind: kind.code,
            debit: debit_leg,
            credit: credit_leg,
            amount: asked_amount,
            currency,
            number,
            by: asked.by,
            draws_on: asked.draws_on,
            group,
            expires_at,
            note: asked.note.clone(),
        };
        let seq = self.append(key, Event::Posted(posting));
        if let Some(drawn) = drawn {
            self.set_remainder(Remainder {
                last_draw: seq,
                ..drawn
            });
        }
        if expires_at.is_some() {
            self.set_remainder(Remainder {
                seq,
                kind: kind.code,
                origin,
                credit: credit_leg.account,
                currency,
                amount,
                used: 0,
                last_draw: 0,
                expires_at,
            });
        }
        Ok(Some(seq))
    }

    /// What the wallet on one side has used of its limits after this posting; `None` where none counts it, or it is no wallet.
    fn admit(
        &self,
        kind: &Kind,
        direction: Direction,
        account: &Account,
        amount: i64,
    ) -> Result<Option<Usage>, Refusal> {
        if account.user_id.is_none() {
            return Ok(None);
        }
        let side = account.side(direction, account.balance);
        self.limits()
            .admit(kind, side, account.currency, amount, self.next())
            .map_err(Refusal::LimitExceeded)
    }

    /// The entry that comes next.
    fn next(&self) -> At {
        At {
            seq: self.batch.head.seq.saturating_add(1),
            at: self.batch.head.at,
        }
    }

    /// The number of its own that a posting of this kind has.
    fn next_number(&self, kind: &Kind) -> Result<Option<i64>, Refusal> {
        if !kind.numbered {
            return Ok(None);
        }
        let next = self.batch.head.numbers.checked_add(1);
        next.map(Some).ok_or(Refusal::LedgerLimit)
    }

    /// The kind of a posting, where the table allows what is asked.
    fn allowed(&self, asked: &NewPosting) -> Result<&'static Kind, Refusal> {
        let is_holder = |holder: Holder, party: Party| match (holder, party) {
            (Holder::Wallet, Party::Wallet(_) | Party::WalletOf(_)) => true,
            (Holder::System(allowed), Party::System(role)) => allowed == role,
            (Holder::Wallet, Party::System(_)) | (Holder::System(_), _) => false,
        };
        let kind = (self.policy.kinds.get(asked.kind)).ok_or(Refusal::KindNotAllowed)?;
        let is_allowed = is_holder(kind.debit, asked.debit)
            && is_holder(kind.credit, asked.credit)
            && (kind.expires || asked.expires_in.is_none());
        if !is_allowed {
            return Err(Refusal::KindNotAllowed);
        }
        if (asked.note.as_ref()).is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
            return Err(Refusal::NotStorable);
        }
        Ok(kind)
    }

    /// The currency of a posting: that of the wallet that is named by id, or of the posting that it draws on.
    fn currency(&self, asked: &NewPosting, drawn: Option<&Remainder>) -> Result<Currency, Refusal> {
        match (asked.debit, asked.credit) {
            (Party::Wallet(id), _) | (_, Party::Wallet(id)) => Ok(self.own(id, asked.by)?.currency),
            _ => drawn
                .map(|drawn| drawn.currency)
                .ok_or(Refusal::KindNotAllowed),
        }
    }

    /// The account that a party names, if it may take part.
    fn party(
        &self,
        kind: &Kind,
        party: Party,
        currency: Currency,
        by: Actor,
        side: Side,
    ) -> Result<Account, Refusal> {
        let takes_part = |account: &Account| match account.status {
            WalletStatus::Active => true,
            WalletStatus::Frozen => match side {
                Side::Debit => kind.debits_frozen,
                Side::Credit => kind.credits_frozen,
            },
            WalletStatus::Closed => false,
        };
        match party {
            Party::Wallet(id) => {
                let wallet = self.own(id, by)?;
                if takes_part(&wallet) {
                    Ok(wallet)
                } else {
                    Err(Refusal::WalletNotActive)
                }
            }
            Party::WalletOf(user_id) => {
                let wallet = self.wallet_of(user_id, currency);
                let wallet = wallet.ok_or(Refusal::DestinationNotFound)?;
                if takes_part(&wallet) {
                    Ok(wallet)
                } else if kind.is_limited() {
                    Err(Refusal::DestinationNotFound)
                } else {
                    Err(Refusal::DestinationNotActive)
                }
            }
            Party::System(role) => {
                let id = system_account(currency, role);
                // The first posting that needs it opens it.
                let account = self.account(id);
                Ok(account.unwrap_or_else(|| new_account(id, None, currency)))
            }
        }
    }

    /// The wallet with this id. A user names only their own by id; a service may name any.
    fn own(&self, wallet_id: i64, by: Actor) -> Result<Account, Refusal> {
        let wallet = self.wallet(wallet_id)?;
        match by {
            Actor::User(user_id) if wallet.user_id != Some(user_id) => Err(Refusal::NotOwner),
            Actor::User(_) | Actor::Service(_) => Ok(wallet),
        }
    }

    /// The posting that is drawn on, if there is one of a kind that may be.
    fn drawn(&self, draws: &Draws, seq: i64) -> Result<Remainder, Refusal> {
        let drafted = self.batch.remainders.get(&seq);
        let drawn = drafted.or_else(|| self.books.remainder(seq));
        drawn
            .filter(|drawn| draws.on.contains(&drawn.kind))
            .cloned()
            .ok_or(Refusal::NothingToDraw)
    }

    /// The remainder of `drawn` after this draw.
    fn draw(
        &self,
        draws: Draws,
        drawn: Remainder,
        amount: i64,
        debit: &Account,
        credit: &Account,
    ) -> Result<Remainder, Refusal> {
        let is_its_money =
            drawn.credit == debit.id && (!draws.returns || drawn.origin == credit.id);
        if !is_its_money {
            return Err(Refusal::KindNotAllowed);
        }
        if !draws.when.allows(self.batch.head.at, drawn.expires_at) {
            return Err(match draws.when {
                DrawnWhen::AfterExpiry => Refusal::RemainderNotExpired,
                DrawnWhen::BeforeExpiry | DrawnWhen::Always => Refusal::RemainderExpired,
            });
        }
        let used = drawn.used.checked_add(amount);
        let used = used.filter(|used| *used <= drawn.amount);
        Ok(Remainder {
            used: used.ok_or(Refusal::RemainderExceeded)?,
            ..drawn
        })
    }
}

/// The two sides of a posting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Debit,
    Credit,
}

/// The amount that is asked for; `None` where that is all that is left, and nothing is.
fn amount(asked: &NewPosting, drawn: Option<&Remainder>) -> Result<Option<Amount>, Refusal> {
    match (asked.amount, drawn) {
        (Some(amount), _) => Ok(Some(amount)),
        (None, Some(drawn)) => Ok(Amount::new(drawn.amount.saturating_sub(drawn.used)).ok()),
        (None, None) => Err(Refusal::KindNotAllowed),
    }
}

fn leg(account: &Account) -> Leg {
    Leg {
        account: account.id,
        user_id: account.user_id,
        balance: account.balance,
    }
}
