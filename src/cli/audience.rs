//! hedge: replaced by the real one
use super::loop_settings::LoopSettings;
use crate::driver::seams::Audience;
use crate::engine::{Board, Stamped, board::Open};
use crate::journal::RunRecord;
use crate::model::*;
pub(super) struct RealAudience;
impl RealAudience {
    pub(super) fn new(_record: &RunRecord, _settings: &LoopSettings, _board: &Board) -> std::io::Result<Self> {
        Ok(Self)
    }
    pub(super) fn warn(&mut self, text: &str) {
        super::print::warning(text);
    }
    pub(super) async fn finish(&mut self) {}
}
impl Audience for RealAudience {
    fn opened(&mut self, open: &Open, adopted: bool) {
        super::print::line(&format!("opened {} {adopted}", open.attempt));
    }
    fn heard(&mut self, _attempt: &AttemptId, signs: &[Sign]) {
        super::print::line(&format!("  {signs:?}"));
    }
    fn closed(&mut self, _attempt: &AttemptId) {}
    fn facts(&mut self, _board: &Board, facts: &[Stamped]) {
        for f in facts {
            super::print::line(&serde_json::to_string(f).unwrap_or_default());
        }
    }
}
