//! Whether a text has the form of Cedar policies, as far as that is seen without a parser of expressions: what is enforced
//! parses them whole.
//!
//! A policy is `@annotation("...")`s, `permit` or `forbid`, a head of three constraints, any number of `when { ... }` and
//! `unless { ... }`, and a semicolon (Cedar, grammar specification for policies).

use std::{iter::Peekable, str::Chars};

/// A piece of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A name, or a keyword.
    Word(String),
    /// A text in quotes.
    Text,
    /// Any other character.
    Sign(char),
}

/// Whether `text` can be the name of an entity type.
pub(super) fn is_identifier(text: &str) -> bool {
    let first = text.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Why `text` is no list of policies, if so.
pub(in crate::controllers) fn problem(text: &str) -> Option<String> {
    policies(text).err()
}

fn policies(text: &str) -> Result<(), String> {
    let tokens = tokens(text)?;
    let mut rest = tokens.as_slice();
    if rest.is_empty() {
        return Err("there is no policy: write one such as permit(principal, action, resource);".to_owned());
    }
    while !rest.is_empty() {
        rest = policy(rest)?;
    }
    Ok(())
}

/// Reads the policy that begins `tokens`, and returns what follows it.
fn policy(mut tokens: &[Token]) -> Result<&[Token], String> {
    while let [Token::Sign('@'), Token::Word(_), rest @ ..] = tokens {
        tokens = if rest.first() == Some(&Token::Sign('(')) { block(rest)?.1 } else { rest };
    }
    tokens = match tokens {
        [Token::Word(effect), rest @ ..] if matches!(effect.as_str(), "permit" | "forbid") => rest,
        [found, ..] => return Err(format!("expected permit or forbid, found {}", shown(found))),
        [] => return Err("an annotation is followed by no policy".to_owned()),
    };
    if tokens.first() != Some(&Token::Sign('(')) {
        return Err("expected ( after permit or forbid".to_owned());
    }
    let (head, mut tokens) = block(tokens)?;
    constraints(head)?;
    loop {
        tokens = match tokens {
            [Token::Sign(';'), rest @ ..] => return Ok(rest),
            [Token::Word(word), rest @ ..] if matches!(word.as_str(), "when" | "unless") => {
                if rest.first() != Some(&Token::Sign('{')) {
                    return Err(format!("expected {{ after {word}"));
                }
                let (condition, rest) = block(rest)?;
                if condition.is_empty() {
                    return Err(format!("the condition after {word} is empty"));
                }
                rest
            }
            [found, ..] => return Err(format!("expected when, unless or ; found {}", shown(found))),
            [] => return Err("a policy ends without ;".to_owned()),
        };
    }
}

/// A head is about a principal, an action and a resource, in this order.
fn constraints(head: &[Token]) -> Result<(), String> {
    let mut depth = 0_usize;
    let mut parts: Vec<Option<&Token>> = vec![None];
    for token in head {
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            Token::Sign(',') if depth == 0 => {
                parts.push(None);
                continue;
            }
            _ => {}
        }
        if let Some(first) = parts.last_mut() {
            first.get_or_insert(token);
        }
    }
    let words: Vec<_> = parts.into_iter().map(|first| first.map_or_else(String::new, shown)).collect();
    let expected = ["principal", "action", "resource"];
    if words == expected { Ok(()) } else { Err("the head is not (principal ..., action ..., resource ...)".to_owned()) }
}

/// What is inside of the bracket that begins `tokens`, and what follows it.
fn block(tokens: &[Token]) -> Result<(&[Token], &[Token]), String> {
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign('(') => open.push(')'),
            Token::Sign('[') => open.push(']'),
            Token::Sign('{') => open.push('}'),
            Token::Sign(close @ (')' | ']' | '}')) => {
                if open.pop() != Some(*close) {
                    return Err(format!("{close} closes nothing"));
                }
                if open.is_empty() {
                    return Ok((&tokens[1..index], &tokens[index + 1..]));
                }
            }
            Token::Word(_) | Token::Text | Token::Sign(_) => {}
        }
    }
    Err(open.last().map_or_else(String::new, |close| format!("{close} is missing")))
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(word) => word.clone(),
        Token::Text => "a text".to_owned(),
        Token::Sign(sign) => sign.to_string(),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut characters = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(character) = characters.next() {
        match character {
            _ if character.is_whitespace() => {}
            '/' if characters.peek() == Some(&'/') => while characters.next().is_some_and(|c| c != '\n') {},
            '"' => {
                quoted(&mut characters)?;
                tokens.push(Token::Text);
            }
            _ if character.is_alphanumeric() || character == '_' => {
                let mut word = String::from(character);
                while let Some(next) = characters.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            _ => tokens.push(Token::Sign(character)),
        }
    }
    Ok(tokens)
}

/// Reads the rest of a text in quotes.
fn quoted(characters: &mut Peekable<Chars<'_>>) -> Result<(), String> {
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok(()),
            '\\' => {
                characters.next();
            }
            _ => {}
        }
    }
    Err("a text in quotes does not end".to_owned())
}
