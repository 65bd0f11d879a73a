//! Conditions of the kinds in front of whose server a proxy runs: MCPRemoteProxy and MCPServer.

use crate::conditions::names;

names! {
    /// Condition types of an MCPRemoteProxy and of an MCPServer.
    ProxyCondition {
        /// The spec can be used.
        ConfigurationValid,
        /// The podTemplateSpec can be used.
        PodTemplateValid,
        /// The group, if any, exists and is Ready. The proxy runs without it too.
        GroupRefValidated,
        /// The MCPExternalAuthConfig, if any, exists and is Valid.
        ExternalAuthConfigValidated,
        /// The authorization server, if any, can be run.
        AuthServerRefValidated,
        /// The MCPOIDCConfig, if any, exists and is Valid.
        OIDCConfigRefValidated,
        /// The CA bundle of the OpenID provider, if any, exists and has the key.
        CABundleRefValidated,
        /// The MCPToolConfig, if any, exists and is Valid.
        ToolConfigValidated,
        /// The MCPAuthzConfig, if any, exists and is Valid.
        AuthzConfigRefValidated,
        /// The MCPTelemetryConfig, if any, exists and is Valid.
        TelemetryConfigRefValidated,
        /// Clients, and the proxy itself, can be authenticated.
        AuthConfigured,
        /// True when several pods do not share their sessions.
        SessionStorageWarning,
        /// Clients are served.
        Ready,
    }
}

names! {
    /// Condition reasons of an MCPRemoteProxy and of an MCPServer.
    ProxyReason {
        /// ConfigurationValid is True.
        ConfigurationValid,
        /// Something else about the spec, which its message names.
        ConfigurationInvalid,
        /// remoteUrl may not be called.
        RemoteURLInvalid,
        /// A Secret of a header, or a key in it, does not exist.
        HeaderSecretNotFound,
        /// A Secret of an environment variable, or a key in it, does not exist.
        SecretNotFound,
        /// The container speaks MCP in a way that is not served yet.
        TransportNotSupported,
        /// The MCPExternalAuthConfig could not be read: it does not exist.
        ExternalAuthConfigFetchError,
        /// The ConfigMap of the policies does not exist.
        AuthzConfigMapNotFound,
        /// The ConfigMap of the policies has none under its key.
        AuthzConfigMapInvalid,
        /// A policy that is written in place, or its entities, cannot be read.
        AuthzPolicySyntaxInvalid,
        /// The OpenID provider that is written in place cannot be used.
        OIDCIssuerInvalid,
        /// PodTemplateValid is True.
        ValidPodTemplateSpec,
        /// PodTemplateValid is False.
        InvalidPodTemplateSpec,
        /// The group exists and is Ready.
        GroupRefIsValid,
        /// The group does not exist.
        GroupRefNotFound,
        /// The group exists and is not Ready.
        GroupRefNotReady,
        /// The MCPExternalAuthConfig exists and is Valid.
        ExternalAuthConfigValid,
        /// The MCPExternalAuthConfig does not exist.
        ExternalAuthConfigNotFound,
        /// The MCPExternalAuthConfig or the MCPToolConfig exists and is not Valid; its own condition has the same reason.
        ValidationFailed,
        /// The configuration of the authorization server does not exist.
        AuthServerRefNotFound,
        /// The configuration of the authorization server is of another type than embeddedAuthServer.
        AuthServerRefInvalidType,
        /// The configuration of the authorization server cannot be used.
        AuthServerRefInvalidConfig,
        /// The MCPOIDCConfig exists and is Valid.
        OIDCConfigRefValid,
        /// The MCPOIDCConfig does not exist.
        OIDCConfigRefNotFound,
        /// The MCPOIDCConfig exists and is not Valid.
        OIDCConfigRefNotValid,
        /// The CA bundle exists and has the key, or is optional.
        CABundleRefValid,
        /// The ConfigMap does not exist.
        CABundleRefNotFound,
        /// The ConfigMap has no such key, or no certificate under it.
        CABundleRefInvalid,
        /// The MCPToolConfig exists and is Valid.
        ToolConfigValid,
        /// The MCPToolConfig does not exist.
        ToolConfigNotFound,
        /// The MCPAuthzConfig exists and is Valid.
        AuthzConfigRefValid,
        /// The MCPAuthzConfig does not exist.
        AuthzConfigRefNotFound,
        /// The MCPAuthzConfig exists and is not Valid.
        AuthzConfigRefNotValid,
        /// The MCPTelemetryConfig exists and is Valid.
        TelemetryConfigRefValid,
        /// The MCPTelemetryConfig does not exist.
        TelemetryConfigRefNotFound,
        /// The MCPTelemetryConfig exists and is not Valid.
        TelemetryConfigRefInvalid,
        /// AuthConfigured is True.
        AuthValid,
        /// AuthConfigured is False.
        AuthInvalid,
        /// Several pods keep their sessions to themselves.
        SessionStorageMissingForReplicas,
        /// Several pods share their sessions.
        SessionStorageConfigured,
        /// There are no several pods.
        SessionStorageWarningNotApplicable,
        /// A pod of an MCPRemoteProxy serves.
        DeploymentReady,
        /// No pod of an MCPRemoteProxy serves.
        DeploymentNotReady,
        /// Pods of an MCPServer and of its proxy serve.
        Ready,
        /// No pod of an MCPServer, or of its proxy, serves; or the spec cannot be used, so there may be no pods.
        NotReady,
    }
}
