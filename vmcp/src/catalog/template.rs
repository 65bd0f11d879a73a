//! Which URIs a template can mean (RFC 6570, read backwards).

/// A part of a template.
#[derive(Debug)]
enum Piece<'a> {
    /// This text.
    Text(&'a str),
    /// The values of variables, of these characters.
    Values(Values),
}

/// What the values of an expression can look like.
#[derive(Debug, Clone, Copy)]
struct Values {
    /// What they begin with.
    prefix: Option<u8>,
    /// Characters that they cannot have: an encoder escapes them.
    without: &'static [u8],
    /// Whether there may be none at all.
    optional: bool,
}

/// Whether `uri` can come from `template`. A template that is not one means no URI.
pub(super) fn matches(template: &str, uri: &str) -> bool {
    let Some(pieces) = pieces(template) else { return false };
    let uri = uri.as_bytes();
    // The places in the URI up to which the pieces so far can reach.
    let mut reached = vec![false; uri.len() + 1];
    reached[0] = true;
    for piece in pieces {
        reached = piece.advance(&reached, uri);
    }
    reached[uri.len()]
}

fn pieces(template: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let end = start + rest[start..].find('}')?;
        pieces.push(Piece::Text(&rest[..start]));
        pieces.push(Piece::Values(Values::of(&rest[start + 1..end])?));
        rest = &rest[end + 1..];
    }
    pieces.push(Piece::Text(rest));
    Some(pieces)
}

impl Values {
    /// The values of the expression between the braces.
    fn of(expression: &str) -> Option<Self> {
        const RESERVED: &[u8] = b"/?#";
        let values = |prefix, without, optional| Some(Self { prefix, without, optional });
        match expression.as_bytes().first()? {
            b'+' => values(None, b"", false),
            b'#' => values(Some(b'#'), b"", true),
            b'.' => values(Some(b'.'), RESERVED, true),
            // Several values make several segments.
            b'/' => values(Some(b'/'), b"?#", true),
            b';' => values(Some(b';'), RESERVED, true),
            b'?' => values(Some(b'?'), b"#", true),
            b'&' => values(Some(b'&'), b"#", true),
            _ => values(None, RESERVED, false),
        }
    }
}

impl Piece<'_> {
    fn advance(&self, reached: &[bool], uri: &[u8]) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        match self {
            Self::Text(text) => {
                for start in places(reached) {
                    if uri[start..].starts_with(text.as_bytes()) {
                        next[start + text.len()] = true;
                    }
                }
            }
            Self::Values(values) => {
                // Whether a value has begun before this place and can go on.
                let mut inside = false;
                for place in 0..reached.len() {
                    next[place] |= inside || (values.optional && reached[place]);
                    let Some(byte) = uri.get(place) else { break };
                    let goes_on = inside && !values.without.contains(byte);
                    let begins = reached[place]
                        && match values.prefix {
                            Some(prefix) => *byte == prefix,
                            None => !values.without.contains(byte),
                        };
                    inside = goes_on || begins;
                }
            }
        }
        next
    }
}

fn places(reached: &[bool]) -> impl Iterator<Item = usize> {
    reached.iter().enumerate().filter_map(|(place, reached)| reached.then_some(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_template_means_what_can_be_made_of_it() {
        for (template, uri, expected) in [
            ("test://template/{id}/data", "test://template/123/data", true),
            ("test://template/{id}/data", "test://template/1/2/data", false),
            ("test://template/{id}/data", "test://template//data", false),
            ("test://template/{id}/data", "test://template/123/date", false),
            ("file:///{+path}", "file:///a/b/c.txt", true),
            ("file:///{+path}", "file:///", false),
            ("x:{a}{b}", "x:12", true),
            ("x:{a}-{b}", "x:1-2-3", true),
            ("x:y{/segments*}", "x:y/1/2", true),
            ("x:y{/segments*}", "x:y", true),
            ("x:y{/segments*}", "x:yz", false),
            ("x:y{?q,lang}", "x:y?q=1&lang=de", true),
            ("x:y{?q,lang}", "x:y", true),
            ("x:y{?q,lang}", "x:y#z", false),
            ("x:y{#part}", "x:y#a/b", true),
            ("x:{name}{.ext}", "x:a.txt", true),
            ("x:y", "x:y", true),
            ("x:y", "x:Y", false),
            ("x:{", "x:{", false),
            ("x:{}", "x:", false),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }

    proptest! {
        #[test]
        fn any_template_and_uri_are_judged(template in ".{0,30}", uri in ".{0,30}") {
            let _ = matches(&template, &uri);
        }

        #[test]
        fn a_simple_expansion_is_matched(before in "[a-z:/]{0,9}", value in "[a-z0-9%._-]{1,9}", after in "[a-z/]{0,9}") {
            let template = format!("{before}{{value}}{after}");
            let uri = format!("{before}{value}{after}");
            prop_assert!(matches(&template, &uri));
        }
    }
}
