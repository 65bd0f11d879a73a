//! Values as the API server prints them in messages: Go's `%q`, `%v` and JSON.

use serde_json::{Number, Value};

/// A value in a field error: quoted strings, bare numbers and booleans, JSON for the rest.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Number(number) => self::number(number),
        other => json(other),
    }
}

/// A string in double quotes, with control characters escaped and everything printable as it is.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            control if u32::from(control) < 0x20 || control == '\u{7f}' => {
                quoted.push_str("\\x");
                quoted.extend([16, 1].map(|place| hex_digit(u32::from(control) / place % 16)));
            }
            printable => quoted.push(printable),
        }
    }
    quoted.push('"');
    quoted
}

fn hex_digit(value: u32) -> char {
    char::from_digit(value, 16).unwrap_or('0')
}

/// A number: integers as they are, floats in the shortest form, with an exponent beyond 21 digits.
pub(super) fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => self::float(float),
        _ => number.to_string(),
    }
}

/// A float in the shortest form that reads back as the same.
pub(super) fn float(float: f64) -> String {
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) {
        let text = format!("{float:e}");
        return match text.split_once('e') {
            Some((mantissa, exponent)) => {
                let (sign, digits) = exponent.strip_prefix('-').map_or(("+", exponent), |digits| ("-", digits));
                format!("{mantissa}e{sign}{digits:0>2}")
            }
            None => text,
        };
    }
    format!("{float}")
}

/// Compact JSON with `<`, `>` and `&` escaped, as Go's encoder does.
pub(super) fn json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn values_are_rendered_by_type() {
        let cases = [
            (json!(null), "null"),
            (json!(true), "true"),
            (json!(7), "7"),
            (json!(1.5), "1.5"),
            (json!(1e30), "1e+30"),
            (json!(0.000_01), "1e-05"),
            (json!("a \"b\"\n\u{1}é"), "\"a \\\"b\\\"\\n\\x01é\""),
            (json!({"a": ["<&>"]}), "{\"a\":[\"\\u003c\\u0026\\u003e\"]}"),
        ];
        for (value, expected) in cases {
            assert_eq!(super::value(&value), expected);
        }
    }
}
