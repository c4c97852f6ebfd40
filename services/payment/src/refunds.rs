//! Refunds: money of a payment that was given back. No I/O, no clock, no HTTP.

use clock::Timestamp;
use ledger_api::Entry;

/// Money of a payment that was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    /// The number of its entry in the log.
    pub(crate) id: i64,
    /// The number of the payment's entry in the log.
    pub(crate) payment_seq: i64,
    pub(crate) amount: i64,
    /// Who asked for it: [`ledger_api::Actor::code`].
    pub(crate) by: i64,
    /// The reason: a word of [`Reason`], and what somebody wrote beside it.
    pub(crate) note: Option<String>,
    /// True if it waits for an owner whose wallet is closed.
    pub(crate) is_unclaimed: bool,
    pub(crate) created_at: Timestamp,
}

impl Refund {
    /// The refund that an entry of the log is, if it is one.
    pub(crate) fn of(entry: &Entry) -> Option<Refund> {
        let posting = entry.event.as_posting()?;
        let is_unclaimed = posting.kind == wallet_api::UNCLAIMED_REFUND.code;
        if !is_unclaimed && posting.kind != wallet_api::REFUND.code {
            return None;
        }
        Some(Refund {
            id: entry.seq,
            payment_seq: posting.draws_on?,
            amount: posting.amount.units(),
            by: posting.by.code(),
            note: posting.note.clone(),
            is_unclaimed,
            created_at: Timestamp::from_micros(entry.at),
        })
    }

    /// The reason, and what somebody wrote beside it.
    pub(crate) fn reason(&self) -> (Reason, Option<&str>) {
        let note = self.note.as_deref().unwrap_or_default();
        let (word, text) = match note.split_once(": ") {
            Some((word, text)) => (word, Some(text)),
            None => (note, None),
        };
        match Reason::from_word(word) {
            Some(reason) => (reason, text),
            None => (Reason::Other, None),
        }
    }
}

/// Why money is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was paid twice.
    Duplicate,
    /// Somebody else paid with the user's wallet.
    Fraudulent,
    /// The customer asked for it.
    RequestedByCustomer,
    /// Any other reason.
    Other,
}

impl Reason {
    /// Every reason.
    pub(crate) const ALL: [Reason; 4] = [
        Reason::Duplicate,
        Reason::Fraudulent,
        Reason::RequestedByCustomer,
        Reason::Other,
    ];

    /// Its word for clients, and in the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Reason::Duplicate => "duplicate",
            Reason::Fraudulent => "fraudulent",
            Reason::RequestedByCustomer => "requested_by_customer",
            Reason::Other => "other",
        }
    }

    /// The reason with this word.
    pub(crate) fn from_word(word: &str) -> Option<Reason> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == word)
    }

    /// The note of a refund for this reason.
    pub(crate) fn note(self, text: Option<&str>) -> String {
        match text {
            Some(text) => format!("{}: {text}", self.as_str()),
            None => self.as_str().to_owned(),
        }
    }
}
