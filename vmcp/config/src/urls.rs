//! URLs of servers, as configurations name them.

use url::Url;

use crate::Violation;

/// Reads the URL of a server; the error is a reason that follows the name of what was read.
pub fn server_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        Err("is not an http or https URL with a host")
    } else if !url.username().is_empty() || url.password().is_some() {
        Err("holds a user name or password, which belongs into a Secret")
    } else {
        Ok(url)
    }
}

/// Adds what is wrong with the URL of a server. One that may hold a password is not repeated.
pub(crate) fn url_rule(path: &str, text: &str, found: &mut Vec<Violation>) {
    if let Err(reason) = server_url(text) {
        let shown = if text.contains('@') { "the value".to_owned() } else { format!("{text:?}") };
        found.push(Violation::new(path, format!("{shown} {reason}")));
    }
}
