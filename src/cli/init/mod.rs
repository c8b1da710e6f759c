//! What `swarm init` does to the files that tell agents about a project: pure, texts in and texts out.

mod markdown;

/// Says that a text has the instructions, of whatever version.
const MARKER: &str = "Process Management (swarm)";

/// The section for an agent that directs workers.
const INSTRUCTIONS: &str = include_str!("instructions.md");

/// The files, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Agents,
    Claude,
}

impl Target {
    pub(super) const ALL: [Target; 2] = [Target::Agents, Target::Claude];

    /// Its name in the current folder.
    pub(super) fn name(self) -> &'static str {
        match self {
            Target::Agents => "AGENTS.md",
            Target::Claude => "CLAUDE.md",
        }
    }

    pub(super) fn named(name: &str) -> Option<Target> {
        Target::ALL.into_iter().find(|target| target.name() == name)
    }
}

/// The texts of the two files, of those that exist.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) agents: Option<String>,
    pub(super) claude: Option<String>,
}

impl Found {
    fn text(&self, target: Target) -> Option<&str> {
        match target {
            Target::Agents => self.agents.as_deref(),
            Target::Claude => self.claude.as_deref(),
        }
    }

    fn is_told(&self, target: Target) -> bool {
        self.text(target).is_some_and(|text| text.contains(MARKER))
    }
}

/// What is to be done to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) target: Target,
    pub(super) deed: Deed,
}

/// The deed, with the file's new text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// It has the instructions.
    Nothing,
    /// There is no such file.
    Create(String),
    /// Behind what stands there.
    Append(String),
    /// In the place of an older version.
    Update(String),
}

impl Plan {
    /// Decides. Unless a file is asked for, both are looked at: the instructions stand in one of them, in that which has
    /// them already, else in the first that exists.
    pub(super) fn of(found: &Found, asked: Option<Target>, force: bool) -> Plan {
        let told = Target::ALL.into_iter().find(|target| found.is_told(*target));
        let existing = Target::ALL.into_iter().find(|target| found.text(*target).is_some());
        let target = asked.or(told).or(existing).unwrap_or(Target::Agents);
        let deed = match found.text(target) {
            None => Deed::Create(INSTRUCTIONS.to_owned()),
            Some(text) if !found.is_told(target) => Deed::Append(append(text)),
            Some(text) if force => update(text),
            Some(_) => Deed::Nothing,
        };
        Plan { target, deed }
    }

    /// What is said when it is done.
    pub(super) fn done(&self) -> String {
        let file = self.target.name();
        match self.deed {
            Deed::Nothing => format!("swarm: {file} already contains swarm instructions"),
            Deed::Create(_) => format!("Created {file}"),
            Deed::Append(_) => format!("Added swarm instructions to {file}"),
            Deed::Update(_) => format!("Updated swarm instructions in {file}"),
        }
    }

    /// What `--dry-run` says.
    pub(super) fn intended(&self) -> String {
        let file = self.target.name();
        match self.deed {
            Deed::Nothing => self.done(),
            Deed::Create(_) => format!("Would create {file} with swarm agent instructions"),
            Deed::Append(_) => format!("Would append swarm instructions to {file}"),
            Deed::Update(_) => format!("Would update swarm instructions in {file}"),
        }
    }
}

/// The instructions behind the text, one blank line between them.
fn append(text: &str) -> String {
    let end = line_end(text);
    let before = text.trim_end_matches(['\n', '\r']);
    let gap = if before.is_empty() { String::new() } else { end.repeat(2) };
    format!("{before}{gap}{}", instructions(end))
}

/// The instructions in the place of their section. Where the marker is no heading, nothing can be replaced.
fn update(text: &str) -> Deed {
    let Some(section) = markdown::section(text, MARKER) else { return Deed::Append(append(text)) };
    let end = line_end(text);
    let (before, after) = (&text[..section.start], &text[section.end..]);
    let gap = if after.is_empty() { "" } else { end };
    Deed::Update(format!("{before}{}{gap}{after}", instructions(end)))
}

fn instructions(line_end: &str) -> String {
    INSTRUCTIONS.replace('\n', line_end)
}

/// How the lines of a text end: as the first of them does.
fn line_end(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(agents: Option<&str>, claude: Option<&str>) -> Found {
        Found { agents: agents.map(str::to_owned), claude: claude.map(str::to_owned) }
    }

    fn plan(agents: Option<&str>, claude: Option<&str>) -> Plan {
        Plan::of(&found(agents, claude), None, false)
    }

    #[test]
    fn the_instructions_are_short_and_marked() {
        assert!(INSTRUCTIONS.starts_with(&format!("## {MARKER}\n")));
        assert!(INSTRUCTIONS.lines().count() < 60 && INSTRUCTIONS.ends_with('\n') && INSTRUCTIONS.is_ascii());
        let section = markdown::section(INSTRUCTIONS, MARKER).unwrap();
        assert_eq!(section, 0..INSTRUCTIONS.len(), "comments in its examples are no headings");
    }

    #[test]
    fn every_example_is_understood() {
        let lines = INSTRUCTIONS.lines().filter(|line| line.starts_with("swarm "));
        let lines = lines.map(|line| line.split(" # ").next().unwrap_or_default().trim());
        let mut tried = 0;
        for line in lines {
            let words = words(line);
            if let Err(error) = crate::cli::args::command().try_get_matches_from(&words) {
                panic!("{line}: {error}");
            }
            tried += 1;
        }
        assert!(tried >= 14, "{tried}");
    }

    /// The words of a line, double quotes hold one together.
    fn words(line: &str) -> Vec<String> {
        let parts = line.split('"').enumerate();
        let words = parts.map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect::<Vec<_>>().concat()
    }

    #[test]
    fn one_of_the_two_files_is_chosen() {
        let target = |agents, claude| plan(agents, claude).target;
        assert_eq!(target(None, None), Target::Agents);
        assert_eq!(target(Some("a"), None), Target::Agents);
        assert_eq!(target(None, Some("c")), Target::Claude);
        assert_eq!(target(Some("a"), Some("c")), Target::Agents);
        assert_eq!(plan(Some("a"), Some(MARKER)), Plan { target: Target::Claude, deed: Deed::Nothing });
        let asked = Plan::of(&found(Some(MARKER), None), Some(Target::Claude), false);
        assert_eq!(asked, Plan { target: Target::Claude, deed: Deed::Create(INSTRUCTIONS.to_owned()) });
    }

    #[test]
    fn what_stands_there_is_kept_and_a_blank_line_parts_it() {
        let appended = |text: &str| match plan(Some(text), None).deed {
            Deed::Append(text) => text,
            other => panic!("{other:?}"),
        };
        for text in ["# Mine\nText", "# Mine\nText\n", "# Mine\nText\n\n\n\n"] {
            assert_eq!(appended(text), format!("# Mine\nText\n\n{INSTRUCTIONS}"));
        }
        assert_eq!(appended("\n\n"), INSTRUCTIONS);
        assert_eq!(appended(""), INSTRUCTIONS);
        let dos = appended("# Mine\r\nText\r\n");
        assert!(dos.starts_with("# Mine\r\nText\r\n\r\n## Process"));
        assert_eq!(dos.matches('\n').count(), dos.matches("\r\n").count());
    }

    #[test]
    fn force_replaces_the_section_and_nothing_else() {
        let old =
            "# Mine\n\n## Process Management (swarm)\n\nold\n```bash\n# no heading\n```\n### part\n\n## Next\nText";
        let update = |text: &str| Plan::of(&found(Some(text), None), None, true).deed;
        assert_eq!(update(old), Deed::Update(format!("# Mine\n\n{INSTRUCTIONS}\n## Next\nText")));
        let new = format!("# Mine\n\n{INSTRUCTIONS}\n## Next\nText");
        assert_eq!(update(&new), Deed::Update(new.clone()), "again: no change");
        assert_eq!(update("## Process Management (swarm)\nold"), Deed::Update(INSTRUCTIONS.to_owned()));
        let prose = "See Process Management (swarm) below.\n";
        assert_eq!(update(prose), Deed::Append(format!("{prose}\n{INSTRUCTIONS}")));
    }

    #[test]
    fn the_words_are_the_predecessors() {
        let told = |deed: Deed| {
            let plan = Plan { target: Target::Agents, deed };
            (plan.done(), plan.intended())
        };
        let both = |done: &str, intended: &str| (done.to_owned(), intended.to_owned());
        let already = "swarm: AGENTS.md already contains swarm instructions";
        assert_eq!(told(Deed::Nothing), both(already, already));
        assert_eq!(
            told(Deed::Create(String::new())),
            both("Created AGENTS.md", "Would create AGENTS.md with swarm agent instructions")
        );
        assert_eq!(
            told(Deed::Append(String::new())),
            both("Added swarm instructions to AGENTS.md", "Would append swarm instructions to AGENTS.md")
        );
        assert_eq!(
            told(Deed::Update(String::new())),
            both("Updated swarm instructions in AGENTS.md", "Would update swarm instructions in AGENTS.md")
        );
    }
}
