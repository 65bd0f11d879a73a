//! Members of a group, of whichever kind.

use std::sync::Arc;

use kube::ResourceExt;
use operator_api::{
    ConditionStatus, ConfigCondition, EntryCondition, EntryPhase, MCPExternalAuthConfig, MCPRemoteProxy, MCPServer,
    MCPServerEntry, ProxyPhase, ServerPhase, ServerTransport, condition_status, find_condition,
};

use crate::backend::Transport;

/// The kinds of members. Names are unique across them: of two members with one name the one counts whose kind is
/// first here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MemberKind {
    /// `MCPServer`.
    Server,
    /// `MCPRemoteProxy`.
    RemoteProxy,
    /// `MCPServerEntry`.
    Entry,
}

impl MemberKind {
    /// All kinds.
    pub(super) const ALL: [Self; 3] = [Self::Server, Self::RemoteProxy, Self::Entry];

    /// The kind's name in Kubernetes.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Server => "MCPServer",
            Self::RemoteProxy => "MCPRemoteProxy",
            Self::Entry => "MCPServerEntry",
        }
    }

    /// The kind's name with its article, for sentences.
    pub(super) fn with_article(self) -> String {
        format!("an {}", self.as_str())
    }
}

/// A member of some group, or of none.
#[derive(Debug, Clone)]
pub(super) enum Member {
    Server(Arc<MCPServer>),
    RemoteProxy(Arc<MCPRemoteProxy>),
    Entry(Arc<MCPServerEntry>),
}

/// Where the pods of a workload speak MCP.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served<'a> {
    /// The URL of its Service, without a path.
    pub(super) url: &'a str,
    /// How it speaks.
    pub(super) transport: Transport,
}

/// What the operator says about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    Refused,
    Open,
}

/// An object that the operator judges.
pub(super) trait Judged {
    /// What makes it another object than one of the same name.
    fn uid(&self) -> Option<String>;

    /// What the operator says about its current generation.
    fn verdict(&self) -> Verdict;
}

impl Member {
    /// Name of the group that it wants to belong to.
    pub(super) fn group(&self) -> Option<&str> {
        match self {
            Self::Server(server) => server.spec.group_ref.as_ref(),
            Self::RemoteProxy(proxy) => proxy.spec.group_ref.as_ref(),
            Self::Entry(entry) => Some(&entry.spec.group_ref),
        }
        .map(|reference| reference.name.as_str())
    }

    /// Name of the auth config that it refers to.
    pub(super) fn auth_config(&self) -> Option<&str> {
        match self {
            Self::Server(server) => server.spec.external_auth_config_ref.as_ref(),
            Self::RemoteProxy(proxy) => proxy.spec.external_auth_config_ref.as_ref(),
            Self::Entry(entry) => entry.spec.external_auth_config_ref.as_ref(),
        }
        .map(|reference| reference.name.as_str())
    }

    /// Where a workload serves; entries run nothing.
    pub(super) fn served(&self) -> Option<Served<'_>> {
        match self {
            Self::Server(server) => {
                let transport = match server.spec.transport {
                    ServerTransport::Stdio => server.spec.proxy_mode,
                    ServerTransport::StreamableHttp => Transport::StreamableHttp,
                    ServerTransport::Sse => Transport::Sse,
                };
                let url = server.status.as_ref().and_then(|status| status.url.as_deref());
                Some(Served { url: url.unwrap_or_default(), transport })
            }
            Self::RemoteProxy(proxy) => {
                let url = proxy.status.as_ref().and_then(|status| status.url.as_deref());
                Some(Served { url: url.unwrap_or_default(), transport: proxy.spec.transport })
            }
            Self::Entry(_) => None,
        }
    }

    /// Why the operator has not accepted it.
    pub(super) fn why_not_accepted(&self) -> String {
        let told = |message: Option<&String>, phase: &str| {
            message.filter(|message| !message.is_empty()).cloned().unwrap_or_else(|| format!("its phase is {phase}"))
        };
        match self {
            Self::Entry(entry) => why_not_valid(entry),
            _ if self.verdict() == Verdict::Open => "it is not Ready yet".to_owned(),
            Self::Server(server) => {
                let status = server.status.as_ref();
                let phase = status.and_then(|status| status.phase);
                told(status.and_then(|status| status.message.as_ref()), phase.map_or("unknown", server_phase))
            }
            Self::RemoteProxy(proxy) => {
                let status = proxy.status.as_ref();
                let terminating = status.is_some_and(|status| status.phase == Some(ProxyPhase::Terminating));
                let phase = if terminating { "Terminating" } else { "Failed" };
                told(status.and_then(|status| status.message.as_ref()), phase)
            }
        }
    }
}

fn server_phase(phase: ServerPhase) -> &'static str {
    match phase {
        ServerPhase::Pending => "Pending",
        ServerPhase::Ready => "Ready",
        ServerPhase::Failed => "Failed",
        ServerPhase::Terminating => "Terminating",
        ServerPhase::Stopped => "Stopped",
    }
}

fn why_not_valid(entry: &MCPServerEntry) -> String {
    if verdict_on_entry(entry) == Verdict::Open {
        return "the operator has not validated it yet".to_owned();
    }
    let conditions = entry.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let failed = conditions
        .iter()
        .find(|condition| condition.status == "False" && condition.type_ != EntryCondition::Valid.as_str());
    let failed = failed.or_else(|| find_condition(conditions, EntryCondition::Valid.as_str()));
    failed.map_or_else(|| "its phase is Failed".to_owned(), |condition| condition.message.clone())
}

impl Judged for Member {
    fn uid(&self) -> Option<String> {
        match self {
            Self::Server(server) => ResourceExt::uid(&**server),
            Self::RemoteProxy(proxy) => ResourceExt::uid(&**proxy),
            Self::Entry(entry) => ResourceExt::uid(&**entry),
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Entry(entry) => verdict_on_entry(entry),
            Self::Server(server) => {
                let Some(status) = &server.status else { return Verdict::Open };
                if !is_current(status.observed_generation, server.metadata.generation) {
                    return Verdict::Open;
                }
                match status.phase {
                    Some(ServerPhase::Ready) if status.url.is_some() => Verdict::Accepted,
                    Some(ServerPhase::Failed | ServerPhase::Terminating | ServerPhase::Stopped) => Verdict::Refused,
                    Some(ServerPhase::Ready | ServerPhase::Pending) | None => Verdict::Open,
                }
            }
            Self::RemoteProxy(proxy) => {
                let Some(status) = &proxy.status else { return Verdict::Open };
                if !is_current(status.observed_generation, proxy.metadata.generation) {
                    return Verdict::Open;
                }
                match status.phase {
                    Some(ProxyPhase::Ready) if status.url.is_some() => Verdict::Accepted,
                    Some(ProxyPhase::Failed | ProxyPhase::Terminating) => Verdict::Refused,
                    Some(ProxyPhase::Ready | ProxyPhase::Pending) | None => Verdict::Open,
                }
            }
        }
    }
}

impl Judged for Arc<MCPExternalAuthConfig> {
    fn uid(&self) -> Option<String> {
        ResourceExt::uid(&**self)
    }

    fn verdict(&self) -> Verdict {
        let Some(status) = &self.status else { return Verdict::Open };
        if !is_current(status.observed_generation, self.metadata.generation) {
            return Verdict::Open;
        }
        match condition_status(&status.conditions, ConfigCondition::Valid.as_str()) {
            Some(ConditionStatus::True) => Verdict::Accepted,
            Some(ConditionStatus::False) => Verdict::Refused,
            Some(ConditionStatus::Unknown) | None => Verdict::Open,
        }
    }
}

fn verdict_on_entry(entry: &MCPServerEntry) -> Verdict {
    let Some(status) = &entry.status else { return Verdict::Open };
    if !is_current(status.observed_generation, entry.metadata.generation) {
        return Verdict::Open;
    }
    match status.phase {
        Some(EntryPhase::Valid) => Verdict::Accepted,
        Some(EntryPhase::Failed) => Verdict::Refused,
        Some(EntryPhase::Pending) | None => Verdict::Open,
    }
}

/// Whether a status is about the spec as it is now.
fn is_current(observed: Option<i64>, generation: Option<i64>) -> bool {
    observed.is_some() && observed == generation
}
