//! Just enough of Markdown to find a section: headings of both kinds, and the code fences in which nothing is a heading.

use std::ops::Range;

/// A heading and where its text begins.
struct Heading {
    level: usize,
    at: usize,
    titled: bool,
}

/// The section whose heading holds `title`: from the heading to the next one of its level or above, or to the end.
pub(super) fn section(text: &str, title: &str) -> Option<Range<usize>> {
    let mut headings = headings(text, title).into_iter().skip_while(|heading| !heading.titled);
    let heading = headings.next()?;
    let next = headings.find(|next| next.level <= heading.level);
    Some(heading.at..next.map_or(text.len(), |next| next.at))
}

/// All headings in their order.
fn headings(text: &str, title: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    let (mut at, mut above) = (0, "");
    for line in text.split_inclusive('\n') {
        match (fence, fence_mark(line)) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if closes(open, mark, line) => fence = None,
            (Some(_), _) => {}
            (None, None) => match (hashes(line), underline(line, above)) {
                (Some(level), _) => found.push(Heading { level, at, titled: line.contains(title) }),
                (None, Some(level)) => {
                    found.push(Heading { level, at: at - above.len(), titled: above.contains(title) });
                }
                (None, None) => {}
            },
        }
        above = if fence.is_none() { line } else { "" };
        at += line.len();
    }
    found
}

/// The level of `## Title`.
fn hashes(line: &str) -> Option<usize> {
    let line = outdented(line)?;
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    ((1..=6).contains(&level) && rest.starts_with(|c: char| c.is_whitespace())).then_some(level)
}

/// The level of a title with a line of `=` or `-` below it.
fn underline(line: &str, above: &str) -> Option<usize> {
    let is_text = outdented(above).is_some_and(|above| !above.trim().is_empty() && hashes(above).is_none());
    let mark = outdented(line)?.trim_end();
    let of = |sign: char| mark.len() > 1 && mark.chars().all(|c| c == sign);
    match (is_text, of('='), of('-')) {
        (true, true, _) => Some(1),
        (true, _, true) => Some(2),
        _ => None,
    }
}

/// The backticks or tildes that open or close a fence.
fn fence_mark(line: &str) -> Option<&str> {
    let line = outdented(line)?;
    let sign = line.chars().next().filter(|sign| matches!(sign, '`' | '~'))?;
    let length = line.len() - line.trim_start_matches(sign).len();
    let mark = &line[..length];
    // Backticks behind backticks: code inside a line.
    (length >= 3 && (sign == '~' || !line[length..].contains('`'))).then_some(mark)
}

/// A fence is closed by at least as many of the same signs, with nothing behind them.
fn closes(open: &str, mark: &str, line: &str) -> bool {
    mark.starts_with(open) && line.trim().len() == mark.len()
}

/// The line without the at most three blanks before it; four are code.
fn outdented(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(' ');
    (line.len() - rest.len() <= 3).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::section;

    fn found(text: &str) -> Option<&str> {
        section(text, "Mine").map(|range| &text[range])
    }

    #[test]
    fn a_section_ends_at_its_level_or_above() {
        assert_eq!(found("a\n## Mine\nb\n### c\nd\n## e\n"), Some("## Mine\nb\n### c\nd\n"));
        assert_eq!(found("a\n## Mine\nb\n# e\n"), Some("## Mine\nb\n"));
        assert_eq!(found("### Mine\nb\n## e\n"), Some("### Mine\nb\n"));
        assert_eq!(found("## Mine\r\nb\r\n## e\r\n"), Some("## Mine\r\nb\r\n"));
        assert_eq!(found("## Mine"), Some("## Mine"));
        assert_eq!(found("  ## My Mine (2)\nb"), Some("  ## My Mine (2)\nb"));
        assert_eq!(found("Mine\n"), None);
        assert_eq!(found("#Mine\n    ## Mine\n"), None);
    }

    #[test]
    fn underlined_titles_are_headings() {
        assert_eq!(found("## Mine\nb\n\nNext\n====\nc"), Some("## Mine\nb\n\n"));
        assert_eq!(found("Mine\n----\nb\nNext\n----\n"), Some("Mine\n----\nb\n"));
        assert_eq!(found("## Mine\nb\n\n---\nc\n"), Some("## Mine\nb\n\n---\nc\n"), "a rule is no heading");
    }

    #[test]
    fn nothing_in_a_fence_is_a_heading() {
        let fenced = "## Mine\n```bash\n# a\n## b\n~~~\n````\n## c\n";
        assert_eq!(found(fenced), Some("## Mine\n```bash\n# a\n## b\n~~~\n````\n"));
        assert_eq!(found("````\n## Mine\n```\n## x\n````\n"), None);
        assert_eq!(found("```\n## Mine\n"), None);
        assert_eq!(found("``` code ```\n## Mine\nb"), Some("## Mine\nb"));
    }
}
