//! Sets of completion indexes in the form of `status.completedIndexes`: `1,3-5,7`.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// The annotation and label with a pod's completion index.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// Reads a set; what is no number is left out.
pub(super) fn parse(text: &str) -> BTreeSet<i32> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        Some(first..=last)
    };
    text.split(',').filter_map(part).flatten().collect()
}

/// Writes a set: three or more consecutive numbers as a range.
pub(super) fn text(indexes: &BTreeSet<i32>) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let run = |(first, last): &(i32, i32)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

/// The completion index of a pod.
pub(super) fn of(pod: &Pod) -> Option<i32> {
    pod.annotations().get(INDEX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_in_a_row_become_a_range() {
        for written in ["", "0", "1,2", "1-3", "1,3-5,7", "0,1,5-9"] {
            assert_eq!(text(&parse(written)), written);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(indexes in proptest::collection::btree_set(0..50_i32, 0..20)) {
            prop_assert_eq!(parse(&text(&indexes)), indexes);
        }
    }
}
