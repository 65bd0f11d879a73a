//! Asking before a cluster is touched that this program did not make.

use std::io::{IsTerminal, Write as _};

use conformance::target::{Connection, TargetError};

/// Asks, unless `--yes` was given.
pub(super) async fn ask(connection: &Connection, yes: bool, simulator: bool) -> Result<(), TargetError> {
    if yes {
        return Ok(());
    }
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let message = format!("{connection} was not made by this program: say --yes to play scenarios on it");
        return Err(TargetError::Usage(message));
    }
    let mut terminal = std::io::stderr();
    let more =
        if simulator { " A simulator runs there meanwhile, and an admission policy for these namespaces." } else { "" };
    // A prompt that cannot be written is answered by nobody.
    let _ = write!(
        terminal,
        "Scenarios will be played on {connection}: they make namespaces there and remove them, and some stop the operator \
         for a while.{more}\nGo on? (yes/no) "
    );
    let _ = terminal.flush();
    if is_yes(&answer().await) {
        return Ok(());
    }
    Err(TargetError::Usage("the answer was not `yes`: nothing was done".to_owned()))
}

/// A line of the terminal, on a thread that nobody waits for: Ctrl-C must end the program meanwhile.
async fn answer() -> String {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        let _ = sender.send(line);
    });
    receiver.await.unwrap_or_default()
}

fn is_yes(answer: &str) -> bool {
    answer.trim().eq_ignore_ascii_case("yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_word_is_a_yes() {
        assert!(is_yes("yes\n"));
        assert!(is_yes("Yes"));
        for no in ["", "\n", "y\n", "no\n", "yes please\n"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}
