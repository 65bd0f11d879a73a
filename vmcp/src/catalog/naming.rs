//! How a tool of a backend is called by clients (virtualmcpserver-api, aggregation; conflict resolution `prefix`).

/// The place of the backend's name in a prefix format.
const WORKLOAD: &str = "{workload}";

/// Prefix naming: every tool's name starts with a prefix that is made from its backend's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    format: String,
}

impl Naming {
    /// `format` is the prefix, with `{workload}` for the name of the backend.
    pub fn prefix(format: impl Into<String>) -> Self {
        Self { format: format.into() }
    }

    /// The name under which clients see `tool` of `backend`.
    pub fn exposed(&self, backend: &str, tool: &str) -> String {
        let mut name = self.prefix_of(backend);
        name.push_str(tool);
        name
    }

    /// The name that `backend` would have given to the tool that clients call `exposed`, if it can be its tool.
    pub fn original<'a>(&self, backend: &str, exposed: &'a str) -> Option<&'a str> {
        exposed.strip_prefix(&self.prefix_of(backend))
    }

    fn prefix_of(&self, backend: &str) -> String {
        self.format.replace(WORKLOAD, backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_is_the_format_with_the_backends_name() {
        for (format, exposed) in [
            ("{workload}_", "partner-tools_echo"),
            ("{workload}.", "partner-tools.echo"),
            ("{workload}", "partner-toolsecho"),
            ("x-{workload}-{workload}/", "x-partner-tools-partner-tools/echo"),
            ("all_", "all_echo"),
        ] {
            assert_eq!(Naming::prefix(format).exposed("partner-tools", "echo"), exposed);
        }
    }

    #[test]
    fn a_name_with_another_prefix_is_not_the_backends() {
        let naming = Naming::prefix("{workload}_");
        assert_eq!(naming.original("a", "a_b_echo"), Some("b_echo"));
        assert_eq!(naming.original("a_b", "a_b_echo"), Some("echo"));
        assert_eq!(naming.original("b", "a_b_echo"), None);
    }

    proptest! {
        #[test]
        fn an_exposed_name_leads_back_to_the_original(
            format in "[a-z_.]{0,4}(\\{workload\\})?[a-z_.]{0,4}", backend in "[a-z0-9-]{1,12}", tool in ".{0,20}",
        ) {
            let naming = Naming::prefix(format);
            let exposed = naming.exposed(&backend, &tool);
            prop_assert_eq!(naming.original(&backend, &exposed), Some(tool.as_str()));
        }
    }
}
