//! Damage to bytes.

use proptest::prelude::*;
use proptest::sample::Index;

/// Texts that have broken parsers before: numbers at their limits, quotes, brackets, bytes that are no text, what ends a line or a path.
const DICTIONARY: &[&[u8]] = &[
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1.5",
    b"1e3",
    b"1e400",
    b"NaN",
    b"9007199254740991",
    b"9007199254740992",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"340282366920938463463374607431768211456",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"{}",
    b"[]",
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    "\u{202e}".as_bytes(),
    "😀".as_bytes(),
    b"\r\n",
    b"\n",
    b" ",
    b"\t",
    b"/",
    b"//",
    b"..",
    b"%00",
    b"%2f",
    b"%",
    b"%zz",
    b"?",
    b"&",
    b"=",
    b"#",
    b"limit=0",
    b"limit=-1",
    b"&before=0",
    b"&at=",
    b"+07:00",
    b"'; drop table transfers; --",
    b"transfer-encoding: chunked\r\n",
    b"content-length: 7\r\n",
    b"expect: 100-continue\r\n",
    b"Bearer ",
    b"\"amount\":1,",
    b"\"wallet_id\":2,",
];

/// One piece of damage. Places are drawn as fractions of what there is.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Say(Index, usize),
    Remove(Index, usize),
    /// The same again, so many times.
    Repeat(Index, usize, usize),
}

/// Some damage.
pub(crate) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let one = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        2 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        6 => (any::<Index>(), 0..DICTIONARY.len()).prop_map(|(at, word)| Mutation::Say(at, word)),
        3 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        2 => (any::<Index>(), 1..30_usize, 1..6_usize).prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
        1 => (any::<Index>(), 1..4_usize, Just(60_000)).prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
    ];
    prop::collection::vec(one, 1..4)
}

/// The bytes with the damage done.
pub(crate) fn mutate(bytes: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for mutation in mutations {
        let (Mutation::Replace(at, _)
        | Mutation::Insert(at, _)
        | Mutation::Say(at, _)
        | Mutation::Remove(at, _)
        | Mutation::Repeat(at, _, _)) = mutation;
        let start = at.index(bytes.len() + 1);
        let upto = |length: usize| bytes.len().min(start + length);
        match mutation {
            Mutation::Replace(_, byte) => {
                if let Some(place) = bytes.get_mut(start) {
                    *place = *byte;
                }
            }
            Mutation::Insert(_, new) => drop(bytes.splice(start..start, new.iter().copied())),
            Mutation::Say(_, word) => {
                drop(bytes.splice(start..start, DICTIONARY[*word].iter().copied()));
            }
            Mutation::Remove(_, length) => drop(bytes.drain(start..upto(*length))),
            Mutation::Repeat(_, length, times) => {
                let again = bytes[start..upto(*length)].repeat(*times);
                drop(bytes.splice(start..start, again));
            }
        }
    }
    bytes
}
