//! Bounds on what is parsed at all. Sizes are bounded where bytes are read; depth is bounded here.

use super::ParseError;

/// How many objects and arrays may be nested in one message.
pub const MAX_DEPTH: usize = 100;

/// Refuses a text whose nesting exceeds [`MAX_DEPTH`], without recursion and without parsing it.
pub(super) fn check_depth(text: &[u8]) -> Result<(), ParseError> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(ParseError::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}
