//! Which tmux is installed.

use std::fmt;

/// The first version that has all we use: pane options, `source-file -`, client flags.
pub(super) const OLDEST: Version = Version { major: 3, minor: 2, suffix: String::new() };

/// What `tmux -V` says. A build from the sources without a number (`master`) counts as new enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    major: u32,
    minor: u32,
    suffix: String,
}

impl Version {
    /// Reads `tmux 3.3a`, `tmux next-3.6`, `tmux openbsd-7.4`, `tmux master`.
    pub(super) fn parse(text: &str) -> Version {
        let word = text.trim().strip_prefix("tmux ").unwrap_or(text.trim());
        let number = word.strip_prefix("next-").unwrap_or(word);
        let end = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (major, rest) = number.split_at(end(number));
        let rest = rest.strip_prefix('.').unwrap_or(rest);
        let (minor, suffix) = rest.split_at(end(rest));
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => Version { major, minor, suffix: suffix.to_owned() },
            _ => Version { major: u32::MAX, minor: 0, suffix: word.to_owned() },
        }
    }

    /// Has it all that we use?
    pub(super) fn is_enough(&self) -> bool {
        (self.major, self.minor) >= (OLDEST.major, OLDEST.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.major {
            u32::MAX => f.write_str(&self.suffix),
            major => write!(f, "{major}.{}{}", self.minor, self.suffix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_compared_and_shown() {
        let known = [
            ("tmux 3.3a\n", "3.3a", true),
            ("tmux 3.2", "3.2", true),
            ("tmux 3.1c", "3.1c", false),
            ("tmux 2.9a", "2.9a", false),
            ("tmux next-3.6", "3.6", true),
            ("tmux openbsd-7.4", "openbsd-7.4", true),
            ("tmux master", "master", true),
        ];
        for (said, shown, enough) in known {
            let version = Version::parse(said);
            assert_eq!((version.to_string().as_str(), version.is_enough()), (shown, enough), "{said}");
        }
    }
}
