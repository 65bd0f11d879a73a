//! String formats: those that the API server knows; others are not checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use url::Url;

static DATE_TIME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(\d{4}-\d{2}-\d{2})t([01]\d|2[0-3]):[0-5]\d:[0-5]\d([.,]\d+)?(z|[+-]\d{2}:\d{2})$")
});
static DURATION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(0|[+-]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|(\d+\s*(ns|nanos?|us|µs|micros?|ms|millis?|s|secs?|m|mins?|h|hrs?|hours?|d|days?|w|wks?|weeks?)\s*)+)$",
    )
});
static UUID: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"));
static HOST_NAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$")
});
static MAC: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$|^([0-9a-f]{4}\.){2}[0-9a-f]{4}$"));
static EMAIL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[^@\s<>]+@[^@\s<>]+$|^.*<[^@\s<>]+@[^@\s<>]+>$"));
static LABEL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"));

fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the pattern is a constant that the tests compile")
}

/// Whether `text` is of the format; unknown formats hold everything.
pub(super) fn holds(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => date_time(text),
        "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
        "duration" => DURATION.is_match(text),
        "uri" => Url::parse(text).is_ok() || text.starts_with('/'),
        "email" => EMAIL.is_match(text),
        "hostname" => text.len() <= 255 && HOST_NAME.is_match(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "ip" => text.parse::<IpAddr>().is_ok(),
        "cidr" => text.contains('/') && text.parse::<ipnet::IpNet>().is_ok(),
        "mac" => MAC.is_match(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => uuid(format, text),
        "byte" => STANDARD.decode(text).is_ok(),
        "k8s-short-name" => LABEL.is_match(text),
        "k8s-long-name" => text.len() <= 253 && text.split('.').all(|label| LABEL.is_match(label)),
        _ => true,
    }
}

fn date_time(text: &str) -> bool {
    DATE_TIME.captures(text).and_then(|found| found.get(1)).is_some_and(|date| holds("date", date.as_str()))
}

fn uuid(format: &str, text: &str) -> bool {
    let version = text.chars().filter(|character| *character != '-').nth(12);
    UUID.is_match(text) && (format == "uuid" || format.chars().last() == version)
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn formats_hold_what_they_name() {
        let cases = [
            ("date-time", "2026-01-02T03:04:05Z", true),
            ("date-time", "2026-01-02t03:04:05.123+01:00", true),
            ("date-time", "2026-02-30T03:04:05Z", false),
            ("date-time", "2026-01-02T25:04:05Z", false),
            ("date-time", "yesterday", false),
            ("date", "2026-01-02", true),
            ("date", "2026-1-2", false),
            ("duration", "1h30m", true),
            ("duration", "3 days", true),
            ("duration", "soon", false),
            ("uri", "https://example.com/a", true),
            ("uri", "example", false),
            ("email", "a@example.com", true),
            ("email", "a", false),
            ("hostname", "a.example.com", true),
            ("hostname", "-a", false),
            ("ipv4", "10.0.0.1", true),
            ("ipv4", "10.0.0", false),
            ("ipv6", "::1", true),
            ("ipv6", "10.0.0.1", false),
            ("cidr", "10.0.0.0/8", true),
            ("cidr", "10.0.0.0", false),
            ("mac", "00:1a:2b:3c:4d:5e", true),
            ("mac", "00:1a", false),
            ("uuid", "9b2d5f0e-1c1f-4b8a-9a55-0f2d7e3c1a11", true),
            ("uuid3", "9b2d5f0e-1c1f-4b8a-9a55-0f2d7e3c1a11", false),
            ("byte", "aGk=", true),
            ("byte", "aGk", false),
            ("k8s-short-name", "a-b", true),
            ("k8s-short-name", "a.b", false),
            ("k8s-long-name", "a.b", true),
            ("unheard-of", "anything", true),
        ];
        for (format, text, expected) in cases {
            assert_eq!(holds(format, text), expected, "{format}: {text}");
        }
    }
}
