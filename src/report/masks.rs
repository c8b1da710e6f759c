//! Secrets are shown nowhere but in the raw log, which is never altered.

use memchr::memmem::Finder;
use std::borrow::Cow;
use std::ops::Range;

/// What stands in a secret's place.
const MASK: &str = "[secret]";

/// Shorter values are no secrets but words, and masking them would garble everything.
const SHORTEST: usize = 8;

/// Values that must not be shown. A secret that the agent prints in two pieces is not recognised: it is a net against
/// accidents, no wall.
#[derive(Debug, Default)]
pub struct Masks {
    finders: Vec<Finder<'static>>,
}

impl Masks {
    /// Masks `secrets` and the way JSON spells them; those of fewer than eight bytes are left out.
    pub fn new(secrets: &[String]) -> Masks {
        let mut spellings: Vec<String> = Vec::new();
        for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
            let quoted = serde_json::Value::from(secret.as_str()).to_string();
            spellings.push(quoted.trim_matches('"').to_owned());
            spellings.push(secret.clone());
        }
        // The longest first: a secret that holds another one must not leave its rest behind.
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Masks { finders: spellings.iter().map(|secret| Finder::new(secret).into_owned()).collect() }
    }

    /// `text` without secrets; borrowed when there is none in it.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut masked = Cow::Borrowed(text);
        for finder in &self.finders {
            let hits: Vec<usize> = finder.find_iter(masked.as_bytes()).collect();
            if !hits.is_empty() {
                masked = Cow::Owned(cover(&masked, hits.iter().map(|at| *at..*at + finder.needle().len())));
            }
        }
        masked
    }
}

/// `text` with the mask in the place of each of `ranges`.
fn cover(text: &str, ranges: impl Iterator<Item = Range<usize>>) -> String {
    let mut covered = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges {
        covered.push_str(&text[from..range.start]);
        covered.push_str(MASK);
        from = range.end;
    }
    covered.push_str(&text[from..]);
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_and_words_are_not() {
        let masks =
            Masks::new(&["sk-ant-12345".into(), "sk-ant-12345-long".into(), "short".into(), "quo\"te-1234".into()]);
        assert_eq!(masks.apply("a sk-ant-12345 b sk-ant-12345-long"), "a [secret] b [secret]");
        assert_eq!(masks.apply(r#"{"k":"quo\"te-1234"}"#), r#"{"k":"[secret]"}"#);
        assert!(matches!(masks.apply("a short word"), Cow::Borrowed("a short word")));
    }
}
