//! How much memory a full journal takes: measured in a process of its own, because memory is a process'.

use std::process::Command;

use serde_json::{Value, json};
use simulator::{Journal, JournalEntry, JournalLimits, TokenRequest};

use crate::client::{Mcp, world};

const WORLD: &str = "
authorizationServers: [{host: auth.company.com, users: [{name: alice, claims: {groups: [a, b, c], email: a@company.com}}]}]
servers: [{url: http://mcp.example.com/mcp, tools: [{name: echo}]}]
";
const LIMIT: usize = 16 * 1024 * 1024;
/// Tells the test, when it runs as a process of its own, which kind of entries to measure.
const KIND: &str = "JOURNAL_MEMORY_OF";

#[tokio::test]
async fn a_full_journal_takes_no_more_memory_than_its_limit() {
    if let Ok(kind) = std::env::var(KIND) {
        println!("\ntaken: {}", taken(&kind).await);
        return;
    }
    for kind in ["small", "token", "nested"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal_memory::a_full_journal_takes_no_more_memory_than_its_limit", "--nocapture"])
            .env(KIND, kind)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let taken = said.lines().find_map(|line| line.split_once("taken: ")?.1.parse::<usize>().ok());
        let taken = taken.unwrap_or_else(|| panic!("{said}"));
        // The table of the entries and what the allocator keeps for later are not counted; far less than counted is wrong, too.
        assert!((LIMIT / 2..=LIMIT + LIMIT / 8).contains(&taken), "{kind}: {taken} bytes for {LIMIT}");
    }
}

/// How many bytes this process takes for a journal that is full of such entries.
async fn taken(kind: &str) -> usize {
    let entry = entry(kind).await;
    let journal = Journal::new(JournalLimits { entries: usize::MAX, bytes: LIMIT });
    let before = resident();
    let mut sequence = 0;
    // Full, and some more.
    while journal.entries().len() as u64 + 100 > sequence {
        for _ in 0..1000 {
            journal.take_over(JournalEntry { sequence, ..entry.clone() });
            sequence += 1;
        }
    }
    resident() - before
}

/// The entry of a call whose arguments or whose token take room.
async fn entry(kind: &str) -> JournalEntry {
    let (_simulator, handle) = world(WORLD).await;
    let mut mcp = Mcp::new(&handle, &["public"], "http://mcp.example.com/mcp");
    if kind == "token" {
        let token = handle.token(&TokenRequest::new("auth.company.com", "alice", "gateway")).unwrap();
        mcp = mcp.with("authorization", &format!("Bearer {token}"));
    }
    mcp.initialize("2025-11-25").await;
    let many: Vec<Value> = (0..1000).map(|number| json!({"n": number})).collect();
    let arguments = if kind == "nested" { json!({"text": "a", "many": many}) } else { json!({"text": "a"}) };
    mcp.call_tool("echo", arguments).await;
    let entry = handle.journal().wait_for(|entry| entry.method.as_deref() == Some("tools/call")).await;
    JournalEntry::clone(&entry)
}

/// Memory that this process holds, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}
