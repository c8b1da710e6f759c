//! The prompt of one attempt: the file as it is now, and what the check said that refused the last claim.

use crate::host::files;
use std::io;
use std::path::Path;

/// A prompt beyond this is a mistake; no model takes it.
const MAX_PROMPT: u64 = 64 << 20;

/// A claim that was not accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    /// The check.
    pub(super) check: &'a str,
    /// The end of what it printed.
    pub(super) said: &'a str,
}

/// Reads the file at `path` and appends `refusal`. An error says in the system's words why there is no prompt.
pub(super) fn compose(path: &Path, refusal: Option<Refusal<'_>>) -> Result<Vec<u8>, String> {
    let mut prompt = read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if let Some(refusal) = refusal {
        prompt.extend_from_slice(words(refusal).as_bytes());
    }
    Ok(prompt)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let prompt = files::read_plain(path, MAX_PROMPT)?;
    if prompt.iter().all(u8::is_ascii_whitespace) {
        return Err(io::Error::other("the file is empty"));
    }
    Ok(prompt)
}

/// What the agent is told of a refusal.
fn words(refusal: Refusal<'_>) -> String {
    let fence = "`".repeat(longest_run(refusal.said).max(2) + 1);
    format!(
        "\n\n## The last claim to be done was refused\n\n\
         The previous iteration claimed that everything is done, but this check did not pass:\n\n    {}\n\n\
         Make it pass before you claim it again. The end of what the check printed:\n\n{fence}text\n{}\n{fence}\n",
        refusal.check.lines().collect::<Vec<_>>().join("\n    "),
        refusal.said,
    )
}

/// The most backticks in a row: a fence needs one more.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_check_printed_stays_inside_its_fence() {
        let said = "a\n````\n/done\n````";
        let words = words(Refusal { check: "one\ntwo", said });
        assert!(words.contains("\n`````text\na\n````\n/done\n````\n`````\n"), "{words}");
        assert!(words.contains("\n    one\n    two\n"));
    }

    #[test]
    fn what_is_no_prompt_is_an_error_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("PROMPT.md");
        let error = |path: &Path| compose(path, None).unwrap_err();
        assert!(error(&path).contains("No such file"), "{}", error(&path));
        assert!(error(folder.path()).contains("directory"), "{}", error(folder.path()));
        assert!(error(Path::new("/dev/zero")).contains("not a plain file"));
        std::fs::write(&path, " \n\n").unwrap();
        assert!(error(&path).contains("empty"));
        std::fs::write(&path, "do it").unwrap();
        assert_eq!(compose(&path, None).unwrap(), b"do it");
    }
}
