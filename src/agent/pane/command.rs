//! Which program a command starts, behind the wrappers that people put in front of it.

/// What a command starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// Claude Code.
    Claude,
    /// A shell that reads what is typed.
    Shell,
    /// Anything else.
    Other,
}

const SHELLS: [&str; 9] = ["ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh"];

/// Commands that start another one, and those of their options whose value is a word of its own.
const WRAPPERS: [(&str, &[&str]); 17] = [
    ("bunx", &[]),
    ("command", &[]),
    ("doas", &["-u", "-C"]),
    ("env", &["-u", "--unset", "-C", "--chdir"]),
    ("exec", &["-a"]),
    ("ionice", &["-c", "-n"]),
    ("nice", &["-n"]),
    ("nohup", &[]),
    ("npx", &["-p", "--package"]),
    ("pnpm", &[]),
    ("setsid", &[]),
    ("stdbuf", &["-i", "-o", "-e"]),
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-D", "-r", "-t"]),
    ("time", &["-f", "-o"]),
    ("timeout", &["-k", "-s", "--kill-after", "--signal"]),
    ("unbuffer", &[]),
    ("yarn", &[]),
];

/// Options of shells whose value is a word of its own.
const SHELL_OPTIONS: [&str; 7] = ["--rcfile", "--init-file", "-o", "+o", "-O", "+O", "-C"];

/// The program of a command, its words given one by one.
pub(super) fn program(words: &[String]) -> Program {
    let Some((first, rest)) = words.split_first() else { return Program::Other };
    let name = base_name(first);
    if matches!(name, "claude" | "claude-code") {
        return Program::Claude;
    }
    if SHELLS.contains(&name.trim_start_matches('-')) {
        return shell(rest);
    }
    match WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name) {
        Some((_, options)) => program(wrapped(rest, options)),
        None => Program::Other,
    }
}

/// The name of a program without folder, ending and version: `/opt/bin/claude.exe`, `@anthropic-ai/claude-code@2`.
fn base_name(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    name.strip_suffix(".exe").unwrap_or(name)
}

/// The command inside a wrapper: behind its options, assignments, and what else begins with a digit (a duration).
fn wrapped<'a>(words: &'a [String], with_value: &[&str]) -> &'a [String] {
    let mut rest = words;
    while let Some((word, behind)) = rest.split_first() {
        rest = if with_value.contains(&word.as_str()) {
            behind.get(1..).unwrap_or_default()
        } else if is_no_program(word) {
            behind
        } else {
            return rest;
        };
    }
    rest
}

fn is_no_program(word: &str) -> bool {
    let assigns = word.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
    word.starts_with('-') || word.starts_with(|c: char| c.is_ascii_digit()) || assigns || matches!(word, "dlx" | "exec")
}

/// A shell reads what is typed unless it is given a script: by name, or as the text behind `-c`.
fn shell(arguments: &[String]) -> Program {
    let mut rest = arguments;
    while let Some((word, behind)) = rest.split_first() {
        let is_short = !word.starts_with("--") && word.starts_with('-');
        rest = if is_short && word.contains('c') {
            return behind.first().map_or(Program::Other, |text| script(text));
        } else if SHELL_OPTIONS.contains(&word.as_str()) {
            behind.get(1..).unwrap_or_default()
        } else if word.starts_with(['-', '+']) && word != "-s" {
            behind
        } else {
            return if word == "-s" { Program::Shell } else { Program::Other };
        };
    }
    Program::Shell
}

/// A script that starts Claude anywhere is about Claude; else its last command is the one that is left to read input.
fn script(text: &str) -> Program {
    let commands = text.split([';', '&', '|', '\n']).map(str::trim).filter(|command| !command.is_empty());
    let programs: Vec<Program> = commands.map(simple_command).collect();
    match programs.last() {
        Some(_) if programs.contains(&Program::Claude) => Program::Claude,
        Some(last) => *last,
        None => Program::Other,
    }
}

/// The program of one command of a script, behind its assignments.
fn simple_command(text: &str) -> Program {
    let words: Vec<String> =
        text.split_whitespace().map(|word| word.trim_matches(['"', '\'', '(', ')', '{', '}']).to_owned()).collect();
    let assignments = words.iter().take_while(|word| word.contains('=') && is_no_program(word)).count();
    program(&words[assignments..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_behind_its_wrappers() {
        let claude = [
            "claude",
            "claude --dangerously-skip-permissions",
            "/usr/local/bin/claude",
            "/opt/claude-code/bin/claude.exe -p",
            "env A=b IS_SANDBOX=1 claude",
            "env -u CLAUDECODE -C /srv claude",
            "npx -y @anthropic-ai/claude-code@2.1.329 --continue",
            "pnpm dlx @anthropic-ai/claude-code",
            "timeout 2h nice -n 10 claude",
            "sudo -u agent claude",
        ];
        let shells = [
            "bash",
            "/bin/sh",
            "-zsh",
            "zsh -l",
            "bash --norc -i",
            "bash --rcfile /dev/null",
            "env A=b fish",
            "sh -s x",
        ];
        let others = ["python3", "bash script.sh", "cat claude", "claude-squad", "env", "timeout 60", "", "node bash"];
        for (commands, expected) in
            [(&claude[..], Program::Claude), (&shells, Program::Shell), (&others, Program::Other)]
        {
            for command in commands {
                assert_eq!(program(&words(command)), expected, "{command}");
            }
        }
    }

    #[test]
    fn a_script_is_judged_by_what_it_starts() {
        let script = |text: &str| program(&["bash", "-lc", text].map(str::to_owned));
        assert_eq!(script("cd repo && exec claude --verbose"), Program::Claude);
        assert_eq!(script("A=1 \"claude\"; echo ended"), Program::Claude);
        assert_eq!(script("make setup; exec bash"), Program::Shell);
        assert_eq!(script("echo claude"), Program::Other);
        assert_eq!(script(""), Program::Other);
        assert_eq!(program(&words("sh -c")), Program::Other);
    }

    fn words(command: &str) -> Vec<String> {
        command.split_whitespace().map(str::to_owned).collect()
    }
}
