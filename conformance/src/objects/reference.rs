//! `kind/name`, and moving a manifest to another namespace.

use serde_json::Value;

/// `kind/name`, or `kind` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Any name of the kind.
    pub kind: String,
    /// The object's name.
    pub name: Option<String>,
}

impl Reference {
    /// Reads `kind/name` or `kind`.
    pub fn parse(text: &str) -> Self {
        match text.split_once('/') {
            Some((kind, name)) => Self { kind: kind.to_owned(), name: Some(name.to_owned()) },
            None => Self { kind: text.to_owned(), name: None },
        }
    }

    /// Whether a manifest is the object that this names.
    pub fn is(&self, object: &Value) -> bool {
        let kind = object["kind"].as_str().unwrap_or_default();
        let word = self.kind.split('.').next().unwrap_or_default();
        let plural = |suffix: &str| kind.to_lowercase() + suffix;
        let named = kind.eq_ignore_ascii_case(word)
            || plural("s") == word
            || (kind.ends_with('y') && plural("").trim_end_matches('y').to_owned() + "ies" == word);
        named && self.name.as_deref() == object["metadata"]["name"].as_str()
    }
}

/// Puts an object into `namespace`, and follows where it mentions the one that it was written for.
pub fn relocate(object: &mut Value, namespace: &str) {
    let written = object["metadata"]["namespace"].as_str().map(str::to_owned);
    if let Some(written) = written {
        replace(object, &written, namespace);
    }
    object["metadata"]["namespace"] = Value::String(namespace.to_owned());
}

fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) => {
            for after in [".svc.", ".svc:", ".svc/"] {
                *text = text.replace(&format!(".{from}{after}"), &format!(".{to}{after}"));
            }
            if let Some(host) = text.strip_suffix(&format!(".{from}.svc")) {
                *text = format!("{host}.{to}.svc");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, from, to)),
        Value::Object(entries) => {
            for (name, value) in entries {
                match value {
                    Value::String(text) if name == "namespace" && text == from => to.clone_into(text),
                    other => replace(other, from, to),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_manifest_moves_with_what_it_mentions() {
        let mut object = json!({
            "kind": "X",
            "metadata": {"name": "a", "namespace": "toolhive-system"},
            "spec": {
                "ref": {"namespace": "toolhive-system"},
                "url": "http://vmcp-a.toolhive-system.svc.cluster.local:4483/mcp",
                "text": "in toolhive-system",
            },
        });
        relocate(&mut object, "ns");
        assert_eq!(object["metadata"]["namespace"], "ns");
        assert_eq!(object["spec"]["ref"]["namespace"], "ns");
        assert_eq!(object["spec"]["url"], "http://vmcp-a.ns.svc.cluster.local:4483/mcp");
        assert_eq!(object["spec"]["text"], "in toolhive-system");
    }

    #[test]
    fn a_reference_finds_its_object_in_a_manifest() {
        let entry = json!({"kind": "MCPServerEntry", "metadata": {"name": "a"}});
        assert!(Reference::parse("mcpserverentry/a").is(&entry));
        assert!(Reference::parse("mcpserverentries/a").is(&entry));
        assert!(!Reference::parse("mcpserverentry/b").is(&entry));
        assert!(!Reference::parse("mcpgroup/a").is(&entry));
    }
}
