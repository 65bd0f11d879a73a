//! Placeholders in what a server says: `${argument:city}`, `${header:x-tenant-id}`, `${subject}`, `${user.content.name}`.

/// A part of a text with placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// An argument of the request.
    Argument(&'a str),
    /// A header of the request.
    Header(&'a str),
    /// The subject of the request's access token.
    Subject,
    /// A variable of the template, or the client's answer to a question, and what to take of it, separated by dots.
    Named {
        /// The variable or the question.
        name: &'a str,
        /// The rest of the path; empty: all of it.
        path: &'a str,
    },
}

/// The parts of `text`. `$${` stands for `${` itself; so does one that is not closed.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            // The first `$` goes, what it guards stays.
            pieces.push(Piece::Text(&rest[..start - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[start + 2..];
            continue;
        }
        let Some(length) = rest[start..].find('}') else { break };
        pieces.push(Piece::Text(&rest[..start]));
        pieces.push(placeholder(&rest[start + 2..start + length]));
        rest = &rest[start + length + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    pieces
}

fn placeholder(inner: &str) -> Piece<'_> {
    if let Some(name) = inner.strip_prefix("argument:") {
        Piece::Argument(name)
    } else if let Some(name) = inner.strip_prefix("header:") {
        Piece::Header(name)
    } else if inner == "subject" {
        Piece::Subject
    } else {
        let (name, path) = inner.split_once('.').unwrap_or((inner, ""));
        Piece::Named { name, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_its_placeholders() {
        let named = |name, path| Piece::Named { name, path };
        for (text, expected) in [
            ("plain", vec![Piece::Text("plain")]),
            ("", vec![]),
            ("${subject}", vec![Piece::Subject]),
            ("a ${argument:b c} d", vec![Piece::Text("a "), Piece::Argument("b c"), Piece::Text(" d")]),
            ("${header:x-y}${user.content.name}", vec![Piece::Header("x-y"), named("user", "content.name")]),
            ("${user}", vec![named("user", "")]),
            ("$${user} $", vec![Piece::Text("${"), Piece::Text("user} $")]),
            ("${open", vec![Piece::Text("${open")]),
        ] {
            assert_eq!(pieces(text), expected, "{text}");
        }
    }
}
