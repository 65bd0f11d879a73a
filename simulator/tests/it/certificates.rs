//! Certificates: who signs them, for whom they are valid, and what is wrong with the faulty ones.

use std::error::Error as _;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use simulator::world::CertificateFault;
use simulator::{
    AuthorityRoot, ClientCertificateRequest, Simulator, SimulatorOptions, World, WorldChange, WorldHandle,
};

use crate::client::{builder, client, url, world};

const WORLD: &str = "
authorities: [partner-ca]
servers:
  - {url: https://public.example.com/mcp}
  - {url: https://private.example.com/a, certificate: {issuer: partner-ca}}
  - {url: https://private.example.com/b}
  - {url: https://expired.example.com/mcp, certificate: {fault: expired}}
  - {url: https://early.example.com/mcp, certificate: {fault: not-yet-valid}}
  - {url: https://wrong.example.com/mcp, certificate: {fault: wrong-name}}
  - {url: https://self.example.com/mcp, certificate: {fault: self-signed}}
";

/// The error of a GET as one text with all its causes, or the status.
async fn get(handle: &WorldHandle, trusted: &[&str], target: &str) -> Result<u16, String> {
    match client(handle, trusted).get(url(handle, target)).send().await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            Err(text)
        }
    }
}

#[tokio::test]
async fn a_certificate_is_trusted_through_its_authority_alone() {
    let (_simulator, handle) = world(WORLD).await;
    assert_eq!(get(&handle, &["public"], "https://public.example.com/mcp").await, Ok(406));
    assert_eq!(get(&handle, &["partner-ca"], "https://private.example.com/b").await, Ok(406));
    let error = get(&handle, &["public"], "https://private.example.com/a").await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let entry = handle.journal().wait_for(|entry| entry.http.is_none()).await;
    assert_eq!(
        (entry.url.as_str(), entry.tls.as_ref().unwrap().server_name.as_deref()),
        ("https://private.example.com", Some("private.example.com"))
    );
    assert!(entry.verdict.as_ref().unwrap().starts_with("the TLS handshake failed"), "{entry:?}");
}

#[tokio::test]
async fn faulty_certificates_are_faulty_in_their_own_way() {
    let (_simulator, handle) = world(WORLD).await;
    for (host, cause) in
        [("expired", "Expired"), ("early", "NotValidYet"), ("wrong", "NotValidForName"), ("self", "UnknownIssuer")]
    {
        let error = get(&handle, &["public"], &format!("https://{host}.example.com/mcp")).await.unwrap_err();
        let spelled = error.replace(' ', "").to_lowercase();
        assert!(spelled.contains(&cause.to_lowercase()), "{host}: {error}");
    }
}

#[tokio::test]
async fn a_rotated_authority_signs_what_new_connections_see() {
    let (_simulator, handle) = world(WORLD).await;
    let old = client(&handle, &["partner-ca"]);
    let target = url(&handle, "https://private.example.com/a");
    assert_eq!(old.get(&target).send().await.unwrap().status().as_u16(), 406);
    let before = handle.ca_pem("partner-ca").unwrap();
    handle.update(WorldChange::RotateAuthority("partner-ca".into())).await.unwrap();
    assert_ne!(handle.ca_pem("partner-ca").unwrap(), before);
    // The connection that is open stays; a new one shows a certificate of the new key.
    assert_eq!(old.get(&target).send().await.unwrap().status().as_u16(), 406);
    assert_eq!(get(&handle, &["partner-ca"], "https://private.example.com/a").await, Ok(406));
    let stale = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(before.as_bytes()).unwrap()])
        .no_proxy()
        .resolve(
            "private.example.com",
            *handle
                .names()
                .iter()
                .find(|name| name.host == "private.example.com")
                .unwrap()
                .ports
                .values()
                .next()
                .unwrap(),
        )
        .build()
        .unwrap();
    assert!(stale.get(&target).send().await.is_err());
}

/// The certificate of a client that shows one, as reqwest takes it.
fn showing(handle: &WorldHandle, request: &ClientCertificateRequest) -> reqwest::Client {
    let issued = handle.client_certificate(request).unwrap();
    let identity = reqwest::Identity::from_pem(format!("{}{}", issued.certificate, issued.key).as_bytes()).unwrap();
    builder(handle, &["public"]).identity(identity).build().unwrap()
}

#[tokio::test]
async fn a_client_certificate_opens_the_door_and_is_in_the_journal() {
    let (_simulator, handle) = world(
        "
authorities: [{name: company, intermediates: [issuing]}, stranger]
servers:
  - {url: https://mutual.example.com/mcp, tls: {clientCertificate: {issuer: company}}}
  - {url: https://asks.example.com/mcp, tls: {clientCertificate: {issuer: company, required: false}}}
",
    )
    .await;
    let target = url(&handle, "https://mutual.example.com/mcp");
    let request = |change: &dyn Fn(&mut ClientCertificateRequest)| {
        let mut request = ClientCertificateRequest::new("company", "gateway");
        change(&mut request);
        request
    };
    let good = request(&|request| request.names = vec!["gw.example.com".to_owned(), "10.0.0.7".to_owned()]);
    assert_eq!(showing(&handle, &good).get(&target).send().await.unwrap().status().as_u16(), 406);
    let entry = handle.journal().wait_for(|entry| entry.http.is_some()).await;
    let shown = entry.tls.as_ref().unwrap().client_certificate.clone().unwrap();
    assert_eq!((&*shown.subject, &*shown.issuer), ("CN=gateway", "O=Simulated world, CN=issuing"));
    assert_eq!(shown.names, ["gw.example.com", "10.0.0.7"]);
    assert_eq!((shown.fingerprint.len(), shown.serial.is_empty()), (64, false));

    for (wrong, verdict) in [
        (request(&|request| request.issuer = "stranger".to_owned()), "UnknownIssuer"),
        (request(&|request| request.fault = Some(CertificateFault::Expired)), "expired"),
        (request(&|request| request.fault = Some(CertificateFault::NotYetValid)), "not valid yet"),
        (request(&|request| request.fault = Some(CertificateFault::SelfSigned)), "UnknownIssuer"),
        (request(&|request| request.fault = Some(CertificateFault::MissingIntermediate)), "UnknownIssuer"),
        (request(&|request| request.fault = Some(CertificateFault::WrongRoot)), "invalid peer certificate"),
    ] {
        let before = handle.journal().position();
        assert!(showing(&handle, &wrong).get(&target).send().await.is_err(), "{verdict}");
        let refused = handle.journal().wait_for(|entry| entry.sequence >= before).await;
        assert!(refused.verdict.as_ref().unwrap().contains(verdict), "{refused:?}");
    }
    // Asked for, but not required.
    assert_eq!(get(&handle, &["public"], "https://asks.example.com/mcp").await, Ok(406));
    assert!(get(&handle, &["public"], "https://mutual.example.com/mcp").await.is_err());
    // A new authority does not know those whom the old one knew.
    let old = showing(&handle, &good);
    handle.update(WorldChange::RotateAuthority("company".into())).await.unwrap();
    assert!(old.get(&target).send().await.is_err());
}

#[test]
fn a_client_certificate_is_refused_with_all_reasons() {
    let request = r#"{"issuer": "nobody", "subject": "", "names": ["a b"], "validFor": "0s", "fault": "wrong-name"}"#;
    let request: ClientCertificateRequest = serde_json::from_str(request).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_simulator, handle) = runtime.block_on(world(WORLD));
    insta::assert_snapshot!(handle.client_certificate(&request).unwrap_err());
}

/// SHA-256 of the certificate that a new connection is shown.
async fn shown(handle: &WorldHandle, host: &str) -> Vec<CertificateDer<'static>> {
    let address = *handle.names().iter().find(|name| name.host == host).unwrap().ports.values().next().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    for authority in handle.authorities() {
        let pem = handle.ca_pem(&authority).unwrap();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = host.to_owned().try_into().unwrap();
    let stream = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap().iter().map(|certificate| certificate.clone().into_owned()).collect()
}

#[tokio::test]
async fn leaves_and_intermediates_rotate_under_the_same_root() {
    let (_simulator, handle) = world(
        "
authorities: [{name: company, intermediates: [policy, issuing]}]
servers: [{url: https://mcp.example.com/mcp, certificate: {issuer: company}}]
",
    )
    .await;
    let root = handle.ca_pem("company");
    let open = client(&handle, &["company"]);
    let target = url(&handle, "https://mcp.example.com/mcp");
    assert_eq!(open.get(&target).send().await.unwrap().status().as_u16(), 406);
    let first = shown(&handle, "mcp.example.com").await;
    assert_eq!((first.len(), shown(&handle, "mcp.example.com").await == first), (3, true));
    handle.update(WorldChange::RotateCertificate("mcp.example.com".into())).await.unwrap();
    let second = shown(&handle, "mcp.example.com").await;
    assert!(second[0] != first[0] && second[1..] == first[1..]);
    handle.update(WorldChange::RotateIntermediates("company".into())).await.unwrap();
    let third = shown(&handle, "mcp.example.com").await;
    assert!(third.iter().all(|certificate| !second.contains(certificate)));
    assert_eq!(handle.ca_pem("company"), root);
    // All the while the first connection stays.
    let connections = |handle: &WorldHandle| {
        let entries = handle.journal().entries();
        entries.iter().filter(|entry| entry.http.is_some()).map(|entry| entry.peer.clone()).collect::<Vec<_>>()
    };
    assert_eq!(open.get(&target).send().await.unwrap().status().as_u16(), 406);
    let peers = connections(&handle);
    assert_eq!((peers.len(), &peers[0]), (2, &peers[1]));
}

#[tokio::test]
async fn a_kept_root_signs_new_intermediates_and_leaves() {
    let yaml = "{authorities: [{name: company, intermediates: [issuing]}], servers: [{url: 'https://a.example.com/mcp', certificate: {issuer: company}}]}";
    let world = || World::from_yaml("w", yaml).unwrap();
    let kept: Vec<AuthorityRoot> =
        world().all_authorities().iter().map(|authority| AuthorityRoot::generate(authority).unwrap()).collect();
    let options = SimulatorOptions { authorities: kept.clone(), ..SimulatorOptions::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let (first, second) = (simulator.add_world(world()).await.unwrap(), simulator.add_world(world()).await.unwrap());
    let pem = kept.iter().find(|root| root.authority == "company").unwrap().certificate.clone();
    for handle in [&first, &second] {
        assert_eq!(handle.ca_pem("company").as_ref(), Some(&pem));
        assert_eq!(shown(handle, "a.example.com").await.len(), 2);
    }
    assert!(!format!("{kept:?}").contains("PRIVATE"));
    let broken = AuthorityRoot { key: "none".to_owned(), ..kept[0].clone() };
    let options = SimulatorOptions { authorities: vec![broken], ..SimulatorOptions::default() };
    let refused = Simulator::start(options).await.unwrap().add_world(world()).await.unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("the root that was kept for the authority `company` cannot be used"), "{cause}");
}

#[tokio::test]
async fn how_a_host_speaks_tls_changes() {
    let (_simulator, handle) = world(WORLD).await;
    let change = |yaml: &str| serde_saphyr::from_str::<WorldChange>(yaml).unwrap_or_else(|error| panic!("{error}"));
    let target = "https://public.example.com/mcp";
    for (settings, version, protocol) in [
        ("{versions: ['1.2']}", "1.2", Some("h2")),
        ("{versions: ['1.3'], alpn: [http/1.1]}", "1.3", Some("http/1.1")),
        ("{alpn: []}", "1.3", None),
    ] {
        handle.update(change(&format!("setTls: {{host: public.example.com, tls: {settings}}}"))).await.unwrap();
        assert_eq!(get(&handle, &["public"], target).await, Ok(406), "{settings}");
        let entry = handle.journal().entries().last().unwrap().clone();
        let tls = entry.tls.as_ref().unwrap();
        assert_eq!((tls.version.as_deref(), tls.application_protocol.as_deref()), (Some(version), protocol));
    }
    handle.update(change("addAuthority: {name: later, intermediates: [later issuing]}")).await.unwrap();
    let certificate = "{issuer: later, names: ['*.example.com'], validFor: 5m, key: ecdsa-p384}";
    handle
        .update(change(&format!("setCertificate: {{host: public.example.com, certificate: {certificate}}}")))
        .await
        .unwrap();
    assert_eq!(get(&handle, &["later"], target).await, Ok(406));
    for (refused, reason) in [
        ("addAuthority: later", "there is an authority `later` already"),
        ("addAuthority: {name: x, intermediates: [a, a]}", "the intermediate `a` is named twice"),
        ("rotateIntermediates: partner-ca", "`partner-ca` has no intermediates"),
        ("rotateIntermediates: nobody", "there is no authority `nobody`"),
        ("rotateCertificate: nobody.example.com", "nothing speaks TLS on `nobody.example.com`"),
        ("setTls: {host: public.example.com, tls: {versions: []}}", "a host speaks `1.2`, `1.3` or both"),
        (
            "setTls: {host: public.example.com, tls: {clientCertificate: {issuer: nobody}}}",
            "there is no authority `nobody`",
        ),
        (
            "setCertificate: {host: public.example.com, certificate: {fault: missing-intermediate}}",
            "`public` has no intermediates",
        ),
    ] {
        let error = handle.update(change(refused)).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{refused}: {error}");
    }
}
