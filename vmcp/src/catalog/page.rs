//! Pages of merged lists. A cursor names the place where the page before it ended, and the list that it belongs to.

use super::Exposed;
use crate::jsonrpc::{ErrorObject, code};
use sha2::{Digest, Sha256};

/// How many items a page has. Many clients read the first page only, so that it holds what a gateway usually has.
const PAGE: usize = 1_000;

/// The page of `items` at `cursor`, the first one without it, and the cursor of the next page.
pub(super) fn page<'a, 'b>(
    items: &'b [&'a Exposed],
    cursor: Option<&str>,
) -> Result<(&'b [&'a Exposed], Option<String>), ErrorObject> {
    if cursor.is_none() && items.len() <= PAGE {
        return Ok((items, None));
    }
    let fingerprint = fingerprint(items);
    let start = match cursor {
        None => 0,
        Some(cursor) => cursor
            .split_once('-')
            .filter(|(_, list)| *list == fingerprint)
            .and_then(|(start, _)| start.parse().ok())
            .filter(|start| *start < items.len())
            .ok_or_else(|| {
                let message = "params.cursor is not one of this list, or the list has changed: list again without it";
                ErrorObject::new(code::INVALID_PARAMS, message)
            })?,
    };
    let end = items.len().min(start + PAGE);
    let next = (end < items.len()).then(|| format!("{end}-{fingerprint}"));
    Ok((&items[start..end], next))
}

/// Changes with the names and the order of the items.
fn fingerprint(items: &[&Exposed]) -> String {
    let mut hash = Sha256::new();
    for item in items {
        hash.update(item.name.len().to_be_bytes());
        hash.update(item.name.as_bytes());
    }
    let mut start = [0; 8];
    start.copy_from_slice(&hash.finalize()[..8]);
    format!("{:016x}", u64::from_be_bytes(start))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jsonrpc::raw;

    fn items(count: usize) -> Vec<Exposed> {
        (0..count).map(|number| Exposed { name: number.to_string(), item: raw(&number).into() }).collect()
    }

    #[test]
    fn every_item_is_on_one_page() {
        for count in [0, 1, PAGE, PAGE + 1, 3 * PAGE, 3 * PAGE + 1] {
            let items = items(count);
            let items: Vec<_> = items.iter().collect();
            let (mut read, mut cursor, mut pages) = (Vec::new(), None, 0);
            loop {
                let (part, next) = page(&items, cursor.as_deref()).unwrap();
                read.extend(part.iter().map(|item| item.name.clone()));
                pages += 1;
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(read, items.iter().map(|item| item.name.clone()).collect::<Vec<_>>());
            assert_eq!(pages, count.div_ceil(PAGE).max(1));
        }
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let (one, other) = (items(PAGE + 2), items(PAGE + 1));
        let (one, other): (Vec<_>, Vec<_>) = (one.iter().collect(), other.iter().collect());
        let (_, next) = page(&one, None).unwrap();
        assert!(page(&one, next.as_deref()).is_ok());
        assert_eq!(page(&other, next.as_deref()).unwrap_err().code, code::INVALID_PARAMS);
        for cursor in ["", "x", "1000", "-", "99999-0011223344556677"] {
            assert!(page(&one, Some(cursor)).is_err(), "{cursor}");
        }
    }
}
