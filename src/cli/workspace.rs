//! stub
use super::error::Result;
use super::loop_settings::LoopSettings;
use crate::agent::Scan;
use crate::driver::seams::*;
use crate::engine::Problem;
use crate::engine::board::Open;
use crate::journal::*;
use crate::model::*;
use std::path::PathBuf;
pub(super) struct Ws;
pub(super) fn build(_folder: &RunFolder, _record: &RunRecord, _settings: &LoopSettings) -> Result<Ws> {
    Ok(Ws)
}
impl Workspace for Ws {
    fn prepare(
        &self,
        _attempt: &AttemptId,
        _log: Option<u32>,
        _refused: Option<String>,
        _before: Option<Survey>,
    ) -> impl Future<Output = Result<Ready, Problem>> + 'static {
        std::future::pending()
    }
    fn launch(&self, _open: &Open) -> Result<Launch, LaunchError> {
        Err(LaunchError { message: String::new(), permanent: true })
    }
    fn raw_log(&self, _log: u32) -> PathBuf {
        PathBuf::new()
    }
    fn scanner(&self) -> Box<dyn Scan + Send> {
        unreachable!()
    }
    fn last_words(&self, _open: &Open) -> Vec<u8> {
        vec![]
    }
    fn after(&self, _open: &Open, _exit: &Exit) -> impl Future<Output = (Survey, Vec<Note>)> + 'static {
        std::future::pending()
    }
    fn push(&self) -> impl Future<Output = Option<String>> + 'static {
        std::future::pending()
    }
    fn verify(&self, _attempt: &AttemptId) -> impl Future<Output = (bool, String)> + 'static {
        std::future::pending()
    }
}
