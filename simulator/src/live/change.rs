//! Changing a world while it runs.

use std::sync::Arc;

use super::{Kind, LiveWorld, Site, WorldError};
use crate::mcp::McpServer;
use crate::oauth::{Issuer, find_issuer};
use crate::world::{
    Accepts, Announcement, AuthorizationServer, Certificate, Problem, Requires, Server, ServerUrl, Tls, WorldChange,
    authority_problems, authorization_server_problems, certificate_problems, dns_problems, fault_problems,
    server_problems, tls_problems, unknown,
};

impl LiveWorld {
    /// Makes one change; a refused one changes nothing.
    pub(crate) async fn change(self: &Arc<Self>, change: WorldChange) -> Result<(), WorldError> {
        let lease = self.lease.lock().await;
        if lease.is_none() {
            return Err(WorldError::Unknown("the world has ended and cannot be changed".to_owned()));
        }
        match change {
            WorldChange::RotateAuthority(authority) => Ok(self.certificates.rotate(&authority)?),
            WorldChange::RotateIntermediates(authority) => {
                if self
                    .certificates
                    .definitions()
                    .iter()
                    .any(|known| known.name == authority && known.intermediates.is_empty())
                {
                    return Err(WorldError::Unknown(format!("`{authority}` has no intermediates: rotate it whole")));
                }
                Ok(self.certificates.rotate_intermediates(&authority)?)
            }
            WorldChange::AddAuthority(authority) => {
                if self.certificates.definitions().iter().any(|known| known.name == authority.name) {
                    let name = &authority.name;
                    return Err(WorldError::Unknown(format!("there is an authority `{name}` already: rotate it")));
                }
                refuse(authority_problems("addAuthority", &authority))?;
                Ok(self.certificates.add(authority)?)
            }
            WorldChange::RotateSigningKey(issuer) => {
                let source =
                    |error| WorldError::Making { what: "failed to make a signing key", source: Box::new(error) };
                self.issuer(&issuer)?.rotate_key().map_err(source)
            }
            WorldChange::SetClientSecret { authorization_server, client, secret } => {
                if self.issuer(&authorization_server)?.set_client_secret(&client, secret) {
                    return Ok(());
                }
                Err(WorldError::Unknown(format!("{authorization_server} has no client `{client}`")))
            }
            WorldChange::SetUsers { authorization_server, users } => {
                self.redefine_issuer(&authorization_server, |definition| definition.users = users)
            }
            WorldChange::SetClients { authorization_server, clients } => {
                self.redefine_issuer(&authorization_server, |definition| definition.clients = clients)
            }
            WorldChange::SetExchange { authorization_server, exchange } => {
                self.redefine_issuer(&authorization_server, |definition| definition.exchange = exchange)
            }
            WorldChange::SetSignIn { authorization_server, user } => {
                self.redefine_issuer(&authorization_server, |definition| definition.sign_in = user)
            }
            WorldChange::RevokeTokens { authorization_server, subject, client } => {
                self.issuer(&authorization_server)?.revoke_tokens(subject, client);
                Ok(())
            }
            WorldChange::SetTools { server: url, tools } => {
                let server = self.server(&url)?;
                Self::redefine(&server, |definition| definition.tools = tools)?;
                server.announce(&Announcement::Tools);
                Ok(())
            }
            WorldChange::SetPrompts { server: url, prompts } => {
                let server = self.server(&url)?;
                Self::redefine(&server, |definition| definition.prompts = prompts)?;
                server.announce(&Announcement::Prompts);
                Ok(())
            }
            WorldChange::SetResources { server: url, resources, resource_templates } => {
                let server = self.server(&url)?;
                Self::redefine(&server, |definition| {
                    definition.resources = resources;
                    definition.resource_templates = resource_templates;
                })?;
                server.announce(&Announcement::Resources);
                Ok(())
            }
            WorldChange::Announce { server: url, about } => {
                self.server(&url)?.announce(&about);
                Ok(())
            }
            WorldChange::SetRequiredHeaders { server, headers } => {
                let server = self.server(&server)?;
                Self::redefine(&server, |definition| definition.requires = Requires { headers })
            }
            WorldChange::SetAccepts { server, accepts } => {
                let server = self.server(&server)?;
                self.check_accepts(accepts.as_ref())?;
                Self::redefine(&server, |definition| definition.accepts = accepts)
            }
            WorldChange::SetCertificate { host, certificate } => {
                self.check_speaks_tls(&host)?;
                self.check_certificate(&certificate)?;
                self.certificates.set(&host, certificate);
                Ok(())
            }
            WorldChange::RotateCertificate(host) => {
                self.check_speaks_tls(&host)?;
                self.certificates.rotate_leaf(&host);
                Ok(())
            }
            WorldChange::SetTls { host, tls } => {
                self.check_speaks_tls(&host)?;
                self.check_tls(&tls)?;
                self.certificates.set_tls(&host, tls);
                Ok(())
            }
            WorldChange::SetDns { name, dns } => {
                if let Some(dns) = &dns {
                    refuse(dns_problems("setDns", &name, dns))?;
                }
                self.zone.set(&name, dns);
                Ok(())
            }
            WorldChange::SetFaults { server: url, faults } => {
                let site = self.known_site(&url)?;
                let transport = site.mcp().map(|server| server.definition().transport);
                let problems = fault_problems("setFaults", &faults, transport);
                if !problems.is_empty() {
                    return Err(WorldError::Problems(problems));
                }
                site.set_faults(faults);
                Ok(())
            }
            WorldChange::TakeDown(url) => self.known_site(&url).map(|site| site.set_down(true)),
            WorldChange::BringUp(url) => self.known_site(&url).map(|site| site.set_down(false)),
            WorldChange::EndSessions(url) => {
                self.server(&url)?.end_sessions();
                Ok(())
            }
            WorldChange::AdvanceClock(by) => {
                if self.clock.advance(by) {
                    return Ok(());
                }
                Err(WorldError::Unknown("the clock can be moved ahead by a century at most".to_owned()))
            }
            WorldChange::AddServer(server) => self.add_server(*server).await,
            WorldChange::RemoveServer(url) => {
                let server = self.server(&url)?;
                server.end_sessions();
                let mut sites = self.sites.write();
                Arc::make_mut(&mut sites).retain(|site| !site.mcp().is_some_and(|known| Arc::ptr_eq(known, &server)));
                Ok(())
            }
        }
    }

    async fn add_server(self: &Arc<Self>, server: Server) -> Result<(), WorldError> {
        if self.site(&server.url).is_some() {
            return Err(WorldError::Unknown(format!("{} exists already: remove it first, or change it", server.url)));
        }
        let problems = server_problems("addServer", &server);
        if !problems.is_empty() {
            return Err(WorldError::Problems(problems));
        }
        self.check_accepts(server.accepts.as_ref())?;
        let (certificate, tls) = (server.certificate.clone(), server.tls.clone());
        let host = server.url.host();
        let shared = self.sites().iter().any(|site| site.url().host() == host);
        let taken = |what| WorldError::Unknown(format!("`{host}` has {what} already: servers of one host share it"));
        if let Some(certificate) = &certificate {
            self.check_certificate(certificate)?;
            if shared && self.certificates.of(host).as_ref() != Some(certificate) {
                return Err(taken("another certificate"));
            }
        }
        if let Some(tls) = &tls {
            self.check_tls(tls)?;
            if shared && self.certificates.tls_of(host).as_ref() != Some(tls) {
                return Err(taken("other TLS settings"));
            }
        }
        let server = McpServer::new(server, Arc::clone(&self.issuers), self.clock.clone());
        self.add_site(Site::new(Kind::Mcp(Arc::new(server)), self.seed), certificate, tls).await
    }

    /// Changes a description if what comes out of it is still sound.
    fn redefine(server: &McpServer, change: impl FnOnce(&mut Server)) -> Result<(), WorldError> {
        let mut definition = (*server.definition()).clone();
        change(&mut definition);
        let problems = server_problems(definition.url.as_str(), &definition);
        if !problems.is_empty() {
            return Err(WorldError::Problems(problems));
        }
        server.change(|current| *current = definition);
        Ok(())
    }

    /// Changes the description of an authorization server if what comes out of it is still sound.
    fn redefine_issuer(&self, name: &str, change: impl FnOnce(&mut AuthorizationServer)) -> Result<(), WorldError> {
        let issuer = self.issuer(name)?;
        let mut definition = (*issuer.definition()).clone();
        change(&mut definition);
        let problems = authorization_server_problems(issuer.identifier(), &definition);
        if !problems.is_empty() {
            return Err(WorldError::Problems(problems));
        }
        issuer.change(|current| *current = definition);
        Ok(())
    }

    fn check_accepts(&self, accepts: Option<&Accepts>) -> Result<(), WorldError> {
        accepts.map_or(Ok(()), |accepts| self.issuer(&accepts.issuer).map(|_| ()))
    }

    fn check_speaks_tls(&self, host: &str) -> Result<(), WorldError> {
        if self.sites().iter().any(|site| site.url().host() == host && site.url().is_tls()) {
            return Ok(());
        }
        Err(WorldError::Unknown(format!("nothing speaks TLS on `{host}`")))
    }

    fn check_certificate(&self, certificate: &Certificate) -> Result<(), WorldError> {
        refuse(certificate_problems("certificate", certificate, &self.certificates.definitions()))
    }

    fn check_tls(&self, tls: &Tls) -> Result<(), WorldError> {
        refuse(tls_problems("tls", tls, &self.certificates.definitions()))
    }

    fn issuer(&self, name: &str) -> Result<&Arc<Issuer>, WorldError> {
        find_issuer(&self.issuers, name).ok_or_else(|| {
            let known: Vec<&str> = self.issuers.iter().map(|issuer| issuer.identifier()).collect();
            unknown_name("authorization server", name, &known)
        })
    }

    fn server(&self, url: &ServerUrl) -> Result<Arc<McpServer>, WorldError> {
        let sites = self.sites();
        let servers: Vec<&Arc<McpServer>> = sites.iter().filter_map(|site| site.mcp()).collect();
        servers.iter().find(|server| server.url() == *url).map(|server| Arc::clone(server)).ok_or_else(|| {
            let known: Vec<String> = servers.iter().map(|server| server.url().to_string()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            unknown_name("server", url.as_str(), &known)
        })
    }

    fn known_site(&self, url: &ServerUrl) -> Result<Arc<Site>, WorldError> {
        self.site(url).ok_or_else(|| {
            let sites = self.sites();
            let known: Vec<&str> = sites.iter().map(|site| site.url().as_str()).collect();
            unknown_name("server or authorization server", url.as_str(), &known)
        })
    }
}

/// Refuses a change with all that is wrong about it.
fn refuse(problems: Vec<Problem>) -> Result<(), WorldError> {
    if problems.is_empty() { Ok(()) } else { Err(WorldError::Problems(problems)) }
}

fn unknown_name(what: &'static str, name: &str, known: &[&str]) -> WorldError {
    let problem = Problem { path: "the change".to_owned(), message: unknown(what, name, known) };
    WorldError::Problems(vec![problem])
}
