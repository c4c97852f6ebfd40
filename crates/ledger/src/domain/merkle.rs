//! The tree of hashes over a batch's entries, as RFC 9162, section 2.1 has it: whoever knows one entry and a hash for each level
//! can recompute the root, and learns nothing else of the others.

use sha2::{Digest, Sha256};

/// A hash of SHA-256.
pub type Hash = [u8; 32];

/// The hash of a leaf.
pub fn leaf(data: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(data)
        .finalize()
        .into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The level above: pairs are hashed, one that is left over moves up as it is.
fn above(level: &[Hash]) -> Vec<Hash> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node(left, right),
            rest => rest.first().copied().unwrap_or_default(),
        })
        .collect()
}

/// The root over these leaves; for none, the hash of nothing.
pub fn root(leaves: Vec<Hash>) -> Hash {
    let mut level = leaves;
    while level.len() > 1 {
        level = above(&level);
    }
    level
        .first()
        .copied()
        .unwrap_or_else(|| Sha256::digest([]).into())
}

/// The hashes that lead from the leaf at `index` to the root, from the bottom up.
pub fn path(leaves: Vec<Hash>, index: usize) -> Vec<Hash> {
    let (mut level, mut index, mut path) = (leaves, index, Vec::new());
    while level.len() > 1 {
        path.extend(level.get(index ^ 1));
        level = above(&level);
        index >>= 1;
    }
    path
}

/// The root that a leaf and its path lead to, in a tree of `size` leaves; `None` when the path is not one of such a tree.
pub fn root_by_path(leaf: Hash, index: usize, size: usize, path: &[Hash]) -> Option<Hash> {
    let (mut index, mut size) = (index, size);
    if index >= size {
        return None;
    }
    let (mut hash, mut path) = (leaf, path.iter());
    while size > 1 {
        if index & 1 == 1 {
            hash = node(path.next()?, &hash);
        } else if index.checked_add(1)? < size {
            hash = node(&hash, path.next()?);
        }
        index >>= 1;
        size = size.div_ceil(2);
    }
    path.next().is_none().then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u8) -> Vec<Hash> {
        (0..count).map(|number| leaf(&[number])).collect()
    }

    /// The definition of RFC 9162, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [one] => *one,
            many => {
                let half = many.len().next_power_of_two() / 2;
                node(&by_definition(&many[..half]), &by_definition(&many[half..]))
            }
        }
    }

    #[test]
    fn the_root_is_that_of_the_definition_and_every_path_leads_to_it() {
        for size in 1..=70_u8 {
            let root = root(leaves(size));
            assert_eq!(root, by_definition(&leaves(size)));
            for index in 0..usize::from(size) {
                let path = path(leaves(size), index);
                let leaf = leaves(size)[index];
                let size = usize::from(size);
                assert_eq!(root_by_path(leaf, index, size, &path), Some(root));
                assert_eq!(root_by_path(leaf, size, size, &path), None);
                assert_ne!(root_by_path([7; 32], index, size, &path), Some(root));
                if let Some((_, shorter)) = path.split_last() {
                    assert_eq!(root_by_path(leaf, index, size, shorter), None);
                    let longer = [path.as_slice(), &[root]].concat();
                    assert_eq!(root_by_path(leaf, index, size, &longer), None);
                }
            }
        }
    }

    #[test]
    fn the_hash_of_nothing_is_that_of_the_definition() {
        // The hash of an empty string, from FIPS 180-4's examples.
        assert_eq!(
            hex::encode(root(Vec::new())),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
