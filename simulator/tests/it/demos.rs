//! The demo worlds: their pages are played, and what they say is what comes.
//!
//! A page serves its world by the command of its `sh` block. Its `console` blocks hold commands, each after `$ `, and what they
//! print; `...` stands for what differs from time to time.

use std::path::Path;
use std::process::Command;

use crate::program::Serving;

/// A command of a page, and what the page says that it prints.
struct Shown {
    command: String,
    output: String,
}

/// The blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    page.split(start.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

fn commands(page: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    for line in blocks(page, "console").into_iter().flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => shown.push(Shown { command: command.to_owned(), output: String::new() }),
            None => shown.last_mut().unwrap().output.extend([line, "\n"]),
        }
    }
    shown
}

/// Whether `said` is `output`, in which `...` stands for anything within a line.
fn is(output: &str, said: &str) -> bool {
    let mut rest = said;
    let mut parts = output.split("...");
    let Some(tail) = rest.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    rest = tail;
    for part in parts {
        let Some(at) = rest.find(part).filter(|at| !rest[..*at].contains('\n')) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// Plays a page on an address of its own, so that nothing else that plays it here is in the way.
fn play(name: &str, number: u8) {
    let demos = Path::new(env!("CARGO_MANIFEST_DIR")).join("demos");
    let page = std::fs::read_to_string(demos.join(format!("{name}.md"))).unwrap();
    let [low, high, ..] = std::process::id().to_le_bytes().map(|byte| byte.clamp(1, 254));
    let address = format!("127.{}.{high}.{low}", 200 + number);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-demo"));
    let here = |text: &str| {
        text.replace("127.0.0.1", &address)
            .replace(&format!("/tmp/{name}"), folder.to_str().unwrap())
            .replace("simulator/demos", demos.to_str().unwrap())
    };
    let serve = here(blocks(&page, "sh")[0].trim());
    let _serving = Serving::start(serve.strip_prefix("simulator serve ").unwrap().split(' '));

    let shown = commands(&page);
    assert!(!shown.is_empty());
    let mut script = String::new();
    for Shown { command, .. } in &shown {
        script.extend([here(command).as_str(), " 2>&1\necho '@@'\n"]);
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_simulator")).parent().unwrap().to_str().unwrap();
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap()))
        .env("SIMULATOR_CONTROL", format!("http://{address}:9901"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap().replace(&address, "127.0.0.1");
    let said: Vec<&str> = said.split("@@\n").collect();
    assert_eq!(said.len(), shown.len() + 1, "{said:?} {}", String::from_utf8_lossy(&output.stderr));
    let mut wrong = Vec::new();
    for (Shown { command, output }, said) in shown.iter().zip(&said) {
        if !is(output, said) {
            wrong.push(format!("$ {command}\n--- the page says\n{output}--- it is\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_partner_behind_a_private_ca_with_token_exchange() {
    play("partner", 1);
}

#[test]
fn a_flaky_fleet_of_ten_servers() {
    play("fleet", 2);
}

#[test]
fn two_eras_side_by_side() {
    play("eras", 3);
}
