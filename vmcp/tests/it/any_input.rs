//! The properties of the fuzz targets, over their corpora and changes of them: on a stable compiler, with every run of the
//! tests. `PROPTEST_CASES` says how many inputs are tried.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::path::Path;

#[path = "../../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets are programs of their own")]
mod properties;

/// What parsers stumble over.
const PIECES: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"\\u0061",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b",",
    b":",
    b"\r",
    b"\n",
    b"\n\n",
    b"\xef\xbb\xbf",
    b"\xff",
    b".",
    b"@",
];

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    Insert(Index, &'static [u8]),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (any::<Index>(), select(&PIECES[..])).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<Index>(), 1..8_usize).prop_map(|(at, size)| Change::Remove(at, size)),
        (any::<Index>(), 1..40_usize).prop_map(|(at, size)| Change::Repeat(at, size)),
    ]
}

impl Change {
    fn apply(&self, input: &mut Vec<u8>) {
        let (Self::Byte(at, _) | Self::Insert(at, _) | Self::Remove(at, _) | Self::Repeat(at, _)) = self;
        let at = at.index(input.len() + 1);
        match *self {
            Self::Byte(_, byte) => input.splice(at..(at + 1).min(input.len()), [byte]).for_each(drop),
            Self::Insert(_, piece) => input.splice(at..at, piece.iter().copied()).for_each(drop),
            Self::Remove(_, size) => input.drain(at..(at + size).min(input.len())).for_each(drop),
            Self::Repeat(_, size) => {
                let again = input[at..(at + size).min(input.len())].to_vec();
                input.splice(at..at, again).for_each(drop);
            }
        }
    }
}

/// The inputs of a corpus.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// An input of a corpus with some changes.
fn near(name: &str) -> impl Strategy<Value = Vec<u8>> {
    (select(corpus(name)), prop::collection::vec(change(), 0..6)).prop_map(|(mut input, changes)| {
        for change in changes {
            change.apply(&mut input);
        }
        input
    })
}

#[test]
fn the_corpora_hold() {
    type Property = fn(&[u8]);
    let targets: [(&str, Property); 3] =
        [("json_rpc", properties::json_rpc), ("sse", properties::sse), ("guard", properties::guard)];
    for (name, holds) in targets {
        for input in corpus(name) {
            holds(&input);
        }
    }
}

proptest! {
    #[test]
    fn messages_are_read_as_others_read_them(input in near("json_rpc")) {
        properties::json_rpc(&input);
    }

    #[test]
    fn events_do_not_depend_on_pieces(input in near("sse")) {
        properties::sse(&input);
    }

    #[test]
    fn what_a_url_may_reach_is_what_it_says(input in near("guard")) {
        properties::guard(&input);
    }
}
