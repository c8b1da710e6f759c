//! Amounts as people read them: money, tokens, counts. An unknown amount is called unknown, never 0.

use crate::engine::board::Tally;
use crate::engine::fact::Charge;
use crate::model::Usage;

/// `$0.12`; below a cent as many digits as it takes to be more than nothing.
pub(super) fn usd(amount: f64) -> String {
    if amount > 0.0 && amount < 0.000_1 {
        "< $0.0001".to_owned()
    } else if amount > 0.0 && amount < 0.01 {
        format!("${amount:.4}")
    } else {
        format!("${amount:.2}")
    }
}

/// A charge in a sentence: `$0.12`, `≥ $0.12`, `unknown cost`.
pub(super) fn price(cost: Charge) -> String {
    match cost {
        Charge::Unknown => "unknown cost".to_owned(),
        known => charge(known),
    }
}

/// A charge behind the word "cost": `$0.12`, `≥ $0.12`, `unknown`.
pub(super) fn charge(charge: Charge) -> String {
    match charge {
        Charge::Exact(amount) => usd(amount),
        Charge::AtLeast(amount) => format!("≥ {}", usd(amount)),
        Charge::Unknown => "unknown".to_owned(),
    }
}

/// What the run has cost so far, as a charge.
pub(super) fn spent(tally: &Tally) -> Charge {
    match tally.at_least {
        false => Charge::Exact(tally.spent),
        true if tally.spent > 0.0 => Charge::AtLeast(tally.spent),
        true => Charge::Unknown,
    }
}

/// `950`, `12.3k`, `1.2M`.
pub(super) fn large(count: u64) -> String {
    // Rounding for people; a count beyond 2^53 is no count of anything here.
    #[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
    let count_f = count as f64;
    match count {
        0..=999 => count.to_string(),
        1_000..=999_949 => format!("{:.1}k", count_f / 1e3),
        _ => format!("{:.1}M", count_f / 1e6),
    }
}

/// `31 turns, 120.3k tokens in, 4.5k out`; what is unknown is left out.
pub(super) fn usage(usage: &Usage) -> Option<String> {
    let turns = usage.turns.map(|turns| plural(turns, "turn"));
    let tokens = match (usage.input_tokens, usage.output_tokens) {
        (Some(input), Some(output)) => Some(format!("{} tokens in, {} out", large(input), large(output))),
        (Some(input), None) => Some(format!("{} tokens in", large(input))),
        (None, Some(output)) => Some(format!("{} tokens out", large(output))),
        (None, None) => None,
    };
    let parts: Vec<String> = turns.into_iter().chain(tokens).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `1 turn`, `2 turns`; the words of this program all take an s.
pub(super) fn plural(count: impl Into<u64>, word: &str) -> String {
    match count.into() {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_never_nothing_when_it_is_something() {
        let shown = [0.0, 0.000_01, 0.004_2, 0.123, 12.0].map(usd);
        assert_eq!(shown, ["$0.00", "< $0.0001", "$0.0042", "$0.12", "$12.00"]);
    }

    #[test]
    fn unknown_cost_is_not_zero() {
        assert_eq!((charge(Charge::Unknown).as_str(), price(Charge::Unknown).as_str()), ("unknown", "unknown cost"));
        assert_eq!(charge(Charge::AtLeast(0.5)), "≥ $0.50");
        let unknown = Tally { at_least: true, ..Tally::default() };
        assert_eq!(spent(&unknown), Charge::Unknown);
        assert_eq!(spent(&Tally { spent: 1.0, ..unknown }), Charge::AtLeast(1.0));
        assert_eq!(spent(&Tally::default()), Charge::Exact(0.0));
    }

    #[test]
    fn counts_are_short() {
        assert_eq!([999, 12_345, 999_949, 999_950, 2_340_000].map(large), ["999", "12.3k", "999.9k", "1.0M", "2.3M"]);
        let all = Usage { cost_usd: None, turns: Some(1), input_tokens: Some(1500), output_tokens: Some(20) };
        assert_eq!(usage(&all).as_deref(), Some("1 turn, 1.5k tokens in, 20 out"));
        assert_eq!(usage(&Usage::default()), None);
    }
}
