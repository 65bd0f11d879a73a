//! Every kind of certificate and TLS setting as `curl` and `openssl s_client` see them.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use simulator::{ClientCertificateRequest, WorldHandle};
use tokio::process::Command;

use crate::client::world;

const WORLD: &str = "
authorities: [plain, {name: company, intermediates: [company policy, company issuing]}]
servers:
  - {url: https://valid.example.com/mcp, certificate: {issuer: plain}}
  - {url: https://chain.example.com/mcp, certificate: {issuer: company}}
  - {url: https://wildcard.example.com/mcp, certificate: {issuer: plain, names: ['*.example.com']}}
  - {url: https://short.example.com/mcp, certificate: {issuer: plain, validFor: 1h}}
  - {url: https://rsa.example.com/mcp, certificate: {issuer: plain, key: rsa}}
  - {url: https://ed25519.example.com/mcp, certificate: {issuer: plain, key: ed25519}}
  - {url: https://p384.example.com/mcp, certificate: {issuer: plain, key: ecdsa-p384}}
  - {url: https://expired.example.com/mcp, certificate: {issuer: plain, fault: expired}}
  - {url: https://early.example.com/mcp, certificate: {issuer: plain, fault: not-yet-valid}}
  - {url: https://wrong.example.com/mcp, certificate: {issuer: plain, fault: wrong-name}}
  - {url: https://other.example.com/mcp, certificate: {issuer: plain, names: ['*.example.org', 10.0.0.1]}}
  - {url: https://self.example.com/mcp, certificate: {issuer: plain, fault: self-signed}}
  - {url: https://missing.example.com/mcp, certificate: {issuer: company, fault: missing-intermediate}}
  - {url: https://root.example.com/mcp, certificate: {issuer: company, fault: wrong-root}}
  - {url: https://old.example.com/mcp, certificate: {issuer: plain}, tls: {versions: ['1.2'], alpn: [http/1.1]}}
  - {url: https://new.example.com/mcp, certificate: {issuer: plain}, tls: {versions: ['1.3'], alpn: []}}
  - {url: https://mutual.example.com/mcp, certificate: {issuer: plain}, tls: {clientCertificate: {issuer: company}}}
";

/// Hosts whose certificate is good.
const GOOD: [&str; 9] = ["valid", "chain", "wildcard", "short", "rsa", "ed25519", "p384", "old", "new"];

/// Hosts whose certificate is not, with what OpenSSL says.
const BAD: [(&str, &str); 7] = [
    ("expired", "certificate has expired"),
    ("early", "certificate is not yet valid"),
    ("wrong", "hostname mismatch"),
    ("other", "hostname mismatch"),
    ("self", "self-signed certificate"),
    ("missing", "unable to get local issuer certificate"),
    ("root", "unable to get local issuer certificate"),
];

/// A file for a tool to read, of this test alone.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The roots of all authorities in one file.
fn roots(handle: &WorldHandle, name: &str) -> PathBuf {
    file(name, &["plain", "company"].map(|authority| handle.ca_pem(authority).unwrap()).concat())
}

fn address(handle: &WorldHandle, host: &str) -> String {
    handle.names().into_iter().find(|name| name.host == host).unwrap().ports[&443].to_string()
}

async fn run(command: &mut Command) -> (Output, String) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let said = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).concat();
    (output, said)
}

/// `curl` of one host: its exit code, and the status or what it says.
async fn curl(handle: &WorldHandle, roots: &Path, host: &str, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "20", "--output", "/dev/null"]);
    command.args(["--write-out", "%{http_code}", "--connect-to", &format!("{host}:443:{}", address(handle, host))]);
    command.arg("--cacert").arg(roots).args(more).arg(format!("https://{host}/mcp"));
    let (output, said) = run(&mut command).await;
    (output.status.code(), said)
}

/// `openssl s_client` of one host, which checks chain and name and then leaves.
async fn openssl(handle: &WorldHandle, roots: &Path, host: &str, more: &[&str]) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address(handle, host), "-servername", host, "-verify_hostname", host]);
    command.arg("-verify_return_error").arg("-CAfile").arg(roots).args(more);
    let (output, said) = run(&mut command).await;
    (output.status.success(), said)
}

/// Certificate and key of a client in files.
fn client_files(handle: &WorldHandle, issuer: &str) -> (String, String) {
    let request = ClientCertificateRequest {
        names: vec!["gw.example.com".to_owned()],
        ..ClientCertificateRequest::new(issuer, "gateway")
    };
    let made = handle.client_certificate(&request).unwrap();
    // Tests that run side by side each have a world, thus authorities, of their own.
    let place = |kind: &str| format!("{kind}-{issuer}-{}.pem", address(handle, "mutual.example.com").replace(':', "-"));
    let path = |kind: &str, text: &str| file(&place(kind), text).display().to_string();
    (path("certificate", &made.certificate), path("key", &made.key))
}

#[tokio::test]
#[cfg_attr(not(has_curl), ignore = "curl is not installed")]
async fn curl_trusts_good_certificates_alone() {
    let (_simulator, handle) = world(WORLD).await;
    let roots = roots(&handle, "curl-roots.pem");
    for host in GOOD {
        assert_eq!(
            curl(&handle, &roots, &format!("{host}.example.com"), &[]).await,
            (Some(0), "406".to_owned()),
            "{host}"
        );
    }
    for (host, cause) in BAD {
        let (code, said) = curl(&handle, &roots, &format!("{host}.example.com"), &[]).await;
        assert_eq!(code, Some(60), "{host}: {said}");
        let own_words = if cause == "hostname mismatch" { "no alternative certificate subject name" } else { cause };
        assert!(said.contains(own_words), "{host}: {said}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_curl), ignore = "curl is not installed")]
async fn curl_is_asked_for_its_certificate() {
    let (_simulator, handle) = world(WORLD).await;
    let (roots, host) = (roots(&handle, "curl-mutual-roots.pem"), "mutual.example.com");
    // In TLS 1.3 the client hears of it at its first read only.
    assert_ne!(curl(&handle, &roots, host, &[]).await.0, Some(0));
    let (certificate, key) = client_files(&handle, "plain");
    assert_ne!(curl(&handle, &roots, host, &["--cert", &certificate, "--key", &key]).await.0, Some(0));
    assert!(handle.journal().entries().iter().all(|entry| entry.http.is_none()));
    let (certificate, key) = client_files(&handle, "company");
    let answered = curl(&handle, &roots, host, &["--cert", &certificate, "--key", &key]).await;
    assert_eq!(answered, (Some(0), "406".to_owned()));
    let entry = handle.journal().entries().last().unwrap().clone();
    let shown = entry.tls.as_ref().unwrap().client_certificate.as_ref().unwrap();
    assert_eq!((&*shown.subject, &*shown.issuer), ("CN=gateway", "O=Simulated world, CN=company issuing"));
    assert_eq!(shown.names, ["gw.example.com"]);
}

#[tokio::test]
#[cfg_attr(not(has_openssl), ignore = "openssl is not installed")]
async fn openssl_says_what_is_wrong_with_each_certificate() {
    let (_simulator, handle) = world(WORLD).await;
    let roots = roots(&handle, "openssl-roots.pem");
    for host in GOOD {
        let (fine, said) = openssl(&handle, &roots, &format!("{host}.example.com"), &[]).await;
        assert!(fine && said.contains("Verification: OK"), "{host}: {said}");
    }
    for (host, cause) in BAD {
        let (fine, said) = openssl(&handle, &roots, &format!("{host}.example.com"), &[]).await;
        assert!(!fine && said.contains(cause), "{host}: {said}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_openssl), ignore = "openssl is not installed")]
async fn openssl_sees_chains_keys_versions_and_protocols() {
    let (_simulator, handle) = world(WORLD).await;
    let roots = roots(&handle, "openssl-facts-roots.pem");
    for (host, options, expected) in [
        ("chain", &[][..], "i:O = Simulated world, CN = company issuing"),
        ("chain", &[], "i:O = Simulated world, CN = company policy"),
        ("chain", &[], "i:O = Simulated world, CN = company root"),
        ("valid", &[], "Peer signature type: ECDSA"),
        ("rsa", &[], "Peer signature type: RSA-PSS"),
        ("ed25519", &[], "Peer signature type: ed25519"),
        ("p384", &[], "Peer signing digest: SHA384"),
        ("valid", &["-alpn", "h2,http/1.1"], "ALPN protocol: h2"),
        ("old", &["-alpn", "h2,http/1.1"], "ALPN protocol: http/1.1"),
        ("new", &["-alpn", "h2,http/1.1"], "No ALPN negotiated"),
        ("old", &[], "TLSv1.2"),
        ("new", &[], "TLSv1.3"),
    ] {
        let (fine, said) = openssl(&handle, &roots, &format!("{host}.example.com"), options).await;
        assert!(fine && said.contains(expected), "{host} {options:?} {expected}: {said}");
    }
    for (host, option) in [("old", "-tls1_3"), ("new", "-tls1_2")] {
        let (fine, said) = openssl(&handle, &roots, &format!("{host}.example.com"), &[option]).await;
        assert!(!fine && said.contains("alert protocol version"), "{host}: {said}");
    }
}

#[tokio::test]
#[cfg_attr(not(has_openssl), ignore = "openssl is not installed")]
async fn openssl_is_told_who_may_sign_its_certificate() {
    let (_simulator, handle) = world(WORLD).await;
    let (roots, host) = (roots(&handle, "openssl-mutual-roots.pem"), "mutual.example.com");
    // TLS 1.2 refuses within the handshake.
    let (fine, said) = openssl(&handle, &roots, host, &["-tls1_2"]).await;
    assert!(!fine && said.contains("O = Simulated world, CN = company root"), "{said}");
    let refused = handle.journal().wait_for(|entry| entry.http.is_none()).await;
    assert!(refused.verdict.as_ref().unwrap().contains("peer sent no certificates"), "{refused:?}");
    let (certificate, key) = client_files(&handle, "company");
    let shown = ["-tls1_2", "-cert", &certificate, "-key", &key, "-cert_chain", &certificate];
    let (fine, said) = openssl(&handle, &roots, host, &shown).await;
    assert!(fine && said.contains("Verification: OK"), "{said}");
}
