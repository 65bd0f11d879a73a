//! YAML answers, laid out as the real server lays them out: sorted keys, lists level with their key.

use serde_json::Value;

/// A document as YAML, with a line break at its end.
pub(crate) fn to_string(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => mapping(&mut text, value, 0, false),
        Value::Array(items) if !items.is_empty() => sequence(&mut text, value, 0),
        other => {
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
    text
}

/// Writes a mapping; the first line continues the present one when the mapping is an item of a list.
fn mapping(text: &mut String, value: &Value, indent: usize, mut inline: bool) {
    for (key, field) in value.as_object().into_iter().flatten() {
        if !inline {
            text.push_str(&" ".repeat(indent));
        }
        inline = false;
        text.push_str(&quoted(key));
        text.push(':');
        match field {
            Value::Object(fields) if !fields.is_empty() => {
                text.push('\n');
                mapping(text, field, indent + 2, false);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, field, indent);
            }
            Value::String(string) if string.contains('\n') => literal(text, string, indent + 2),
            other => {
                text.push(' ');
                text.push_str(&scalar(other));
                text.push('\n');
            }
        }
    }
}

fn sequence(text: &mut String, value: &Value, indent: usize) {
    for item in value.as_array().into_iter().flatten() {
        text.push_str(&" ".repeat(indent));
        text.push_str("- ");
        match item {
            Value::Object(fields) if !fields.is_empty() => mapping(text, item, indent + 2, true),
            other => {
                text.push_str(&scalar(other));
                text.push('\n');
            }
        }
    }
}

/// A text of several lines; one that a literal block cannot hold is quoted instead.
fn literal(text: &mut String, string: &str, indent: usize) {
    let fits = !string.starts_with([' ', '\n']) && string.chars().all(|c| c == '\n' || !c.is_control());
    if !fits {
        text.push(' ');
        text.push_str(&Value::from(string).to_string());
        text.push('\n');
        return;
    }
    let body = string.trim_end_matches('\n');
    let chomp = match string.len() - body.len() {
        0 => "-",
        1 => "",
        _ => "+",
    };
    text.push_str(" |");
    text.push_str(chomp);
    text.push('\n');
    for line in string.strip_suffix('\n').unwrap_or(string).split('\n') {
        if !line.is_empty() {
            text.push_str(&" ".repeat(indent));
            text.push_str(line);
        }
        text.push('\n');
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) if !items.is_empty() => value.to_string(),
        other => other.to_string(),
    }
}

/// A string, in quotes where it would otherwise read as something else.
fn quoted(text: &str) -> String {
    let plain_start = text.chars().next().is_some_and(|c| c.is_alphanumeric() || "/._$+~(<=".contains(c));
    let plain = plain_start
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(|c| !c.is_control());
    if plain && !reads_as_other(text) { text.to_owned() } else { Value::from(text).to_string() }
}

/// Whether a plain word would be read as a number, a boolean, null or a time.
fn reads_as_other(text: &str) -> bool {
    const WORDS: &[&str] =
        &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<", ".nan", ".inf", "+.inf"];
    let lower = text.to_ascii_lowercase();
    let number = lower.replace('_', "");
    WORDS.contains(&lower.as_str())
        || number.parse::<f64>().is_ok()
        || ["0x", "0o", "0b"].iter().any(|prefix| number.starts_with(prefix))
        || looks_like_time(text)
}

fn looks_like_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[..4].iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_stand_level_with_their_key() {
        let value = json!({"a": {"list": [{"x": 1, "y": {}}, "s"], "empty": []}, "f:b": "true", "n": "12"});
        let expected = "a:\n  empty: []\n  list:\n  - x: 1\n    \"y\": {}\n  - s\nf:b: \"true\"\n\"n\": \"12\"\n";
        assert_eq!(to_string(&value), expected);
    }

    #[test]
    fn what_is_written_is_read_back() -> Result<(), Box<dyn std::error::Error>> {
        for text in [
            "a",
            "",
            " a",
            "a: b",
            "a\nb\n",
            "a\nb",
            "a\n\n",
            "- x",
            "2026-01-01",
            "0x1",
            "#c",
            "it's",
            "\t",
            "*a",
            "@",
            "%",
        ] {
            let value = json!({"k": text, "l": [text]});
            let back: Value = serde_saphyr::from_str(&to_string(&value))?;
            assert_eq!(back, value, "{text:?}");
        }
        Ok(())
    }
}
