//! Receipts: the proof that one entry is in the chain of hashes, without showing any other.

use ledger_api::Receipt;

use crate::domain::chain::{self, Parts};
use crate::domain::merkle::{self, Hash};
use crate::store::{BatchRow, LedgerStore, StoreError};

/// The receipt of an entry; `None` where there is none with this number.
pub async fn of(store: &dyn LedgerStore, seq: i64) -> Result<Option<Receipt>, StoreError> {
    if seq < 1 {
        return Ok(None);
    }
    let Some(batch) = store.batches(seq.saturating_sub(1), 1).await?.pop() else {
        return Ok(None);
    };
    let size = batch
        .last_seq
        .saturating_sub(batch.first_seq)
        .saturating_add(1);
    let first = batch.first_seq.saturating_sub(1);
    let rows = store.log(first, size).await?;
    let at = rows.iter().position(|row| row.entry.seq == seq);
    let index = at.ok_or(StoreError::Corrupt("a batch without one of its entries"))?;
    let parts = Parts::of(&hash_before(store, &batch).await?, &batch.blind, &rows);
    let path = merkle::path(chain::leaves(&batch.blind, &rows), index);
    Ok(Some(Receipt {
        format: chain::FORMAT_NAME.to_owned(),
        entry: seq,
        leaf: hex::encode(chain::leaf_bytes(&batch.blind, &rows[index])),
        note: (rows[index].entry.event.as_posting()).and_then(|posting| posting.note.clone()),
        index,
        size: rows.len(),
        path: path.iter().map(hex::encode).collect(),
        first_entry: batch.first_seq,
        last_entry: batch.last_seq,
        hash_before: hex::encode(parts.before),
        balances: hex::encode(parts.balances),
        hash: hex::encode(batch.hash),
    }))
}

async fn hash_before(store: &dyn LedgerStore, batch: &BatchRow) -> Result<Hash, StoreError> {
    let last = batch.first_seq.saturating_sub(1);
    if last < 1 {
        return Ok(Hash::default());
    }
    let before = store.batches(last.saturating_sub(1), 1).await?.pop();
    let before = before.filter(|before| before.last_seq == last);
    Ok(before
        .ok_or(StoreError::Corrupt("a batch is missing"))?
        .hash)
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is of another format, or not one at all.
    #[error("it is not a receipt of the format that is known here")]
    Malformed,
    /// Its hashes do not fit together.
    #[error("its hashes do not lead from the entry to the batch: something in it was changed")]
    Inconsistent,
    /// The ledger has no such batch.
    #[error("the ledger has no such entry in its chain")]
    NotInChain,
}

/// Checks that a receipt's own hashes fit together: its entry is in a batch with its hash. Needs no ledger.
pub fn check(receipt: &Receipt) -> Result<(), Flaw> {
    let hash = |text: &str| -> Result<Hash, Flaw> {
        let mut hash = Hash::default();
        hex::decode_to_slice(text, &mut hash).map_err(|_| Flaw::Malformed)?;
        Ok(hash)
    };
    if receipt.format != chain::FORMAT_NAME {
        return Err(Flaw::Malformed);
    }
    let leaf = hex::decode(&receipt.leaf).map_err(|_| Flaw::Malformed)?;
    // The entry's number is in the leaf, behind the salt and the key. Entries are gapless, so the batch's ends say how many leaves there are,
    // and which one this is; the tree alone does not.
    let (first, last) = (
        i128::from(receipt.first_entry),
        i128::from(receipt.last_entry),
    );
    if leaf.get(32..40) != Some(&receipt.entry.to_le_bytes()[..])
        || i128::from(receipt.entry) - first != receipt.index as i128
        || last - first + 1 != receipt.size as i128
    {
        return Err(Flaw::Inconsistent);
    }
    // The hash of the note ends the leaf, and the salt begins it.
    if let Some(note) = &receipt.note {
        let salt = leaf.first_chunk().ok_or(Flaw::Malformed)?;
        if !leaf.ends_with(&chain::note_hash(salt, note)) {
            return Err(Flaw::Inconsistent);
        }
    }
    let path: Vec<Hash> = receipt
        .path
        .iter()
        .map(|text| hash(text))
        .collect::<Result<_, _>>()?;
    let leaf = merkle::leaf(&leaf);
    let root =
        merkle::root_by_path(leaf, receipt.index, receipt.size, &path).ok_or(Flaw::Inconsistent)?;
    let parts = Parts {
        before: hash(&receipt.hash_before)?,
        first_seq: receipt.first_entry,
        last_seq: receipt.last_entry,
        root,
        balances: hash(&receipt.balances)?,
    };
    if parts.hash() == hash(&receipt.hash)? {
        Ok(())
    } else {
        Err(Flaw::Inconsistent)
    }
}

/// Checks that a receipt is one of this ledger: consistent, and its batch is in the chain with this hash. That the chain itself is
/// whole is for [`crate::verify`] to say.
pub async fn check_in(
    store: &dyn LedgerStore,
    receipt: &Receipt,
) -> Result<Result<(), Flaw>, StoreError> {
    if let Err(flaw) = check(receipt) {
        return Ok(Err(flaw));
    }
    let batch = store
        .batches(receipt.last_entry.saturating_sub(1), 1)
        .await?
        .pop();
    let is_there = batch.is_some_and(|batch| {
        batch.last_seq == receipt.last_entry && hex::encode(batch.hash) == receipt.hash
    });
    Ok(if is_there {
        Ok(())
    } else {
        Err(Flaw::NotInChain)
    })
}
