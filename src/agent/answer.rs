//! Which of an agent's words are its final answer, and what they claim.

use super::done::Judgement;
use crate::model::Claim;

/// The claims of one session.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// What the last message claims, as long as nothing shows that it was not the final one.
    said: Claim,
    /// The nearest miss before.
    missed: Claim,
}

impl Answer {
    /// A message ends on line `number` of the log. It may be the final one.
    pub(super) fn say(&mut self, judgement: Judgement, number: u64) {
        self.withdraw();
        self.said = claim(judgement, number);
    }

    /// More came after the last message, so it was not the final answer.
    pub(super) fn withdraw(&mut self) {
        match std::mem::take(&mut self.said) {
            Claim::None => {}
            said => self.missed = no_more(said, "in an earlier message: it must be the last line of the final answer"),
        }
    }

    /// The claim of the last message, as the final answer.
    pub(super) fn last(&self) -> Claim {
        if self.said == Claim::None { self.missed.clone() } else { self.said.clone() }
    }

    /// The claim of the final answer, given apart from the messages.
    pub(super) fn given(&self, judgement: Judgement, number: u64) -> Claim {
        match claim(judgement, number) {
            Claim::None => no_more(self.last(), "in the last message: the final answer does not repeat it"),
            claim => claim,
        }
    }
}

/// A judgement of a text that ends on line `number` of the log.
fn claim(judgement: Judgement, number: u64) -> Claim {
    match judgement {
        Judgement::Nothing => Claim::None,
        Judgement::Near { miss, .. } => Claim::NearMiss { line: number, why: miss.words().to_owned() },
        Judgement::Done { .. } => Claim::Done { line: number },
    }
}

/// `claim`, but if it is one, it does not count, for this reason.
pub(super) fn no_more(claim: Claim, why: &str) -> Claim {
    match claim {
        Claim::Done { line } => Claim::NearMiss { line, why: why.to_owned() },
        other => other,
    }
}
