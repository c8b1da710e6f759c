//! stub
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
    pub(super) fn warn(&mut self, _text: &str) {}
    pub(super) async fn finish(&mut self) {}
}
impl Audience for RealAudience {
    fn opened(&mut self, _open: &Open, _adopted: bool) {}
    fn heard(&mut self, _attempt: &AttemptId, _signs: &[Sign]) {}
    fn closed(&mut self, _attempt: &AttemptId) {}
    fn facts(&mut self, _board: &Board, _facts: &[Stamped]) {}
}
