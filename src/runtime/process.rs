//! stub
use super::*;
/// stub
pub struct ProcessRuntime;
impl ProcessRuntime { 
/// stub
pub fn new(_run: &Path) -> io::Result<Self> { Ok(Self) } }
/// stub
pub fn live_attempts(_run: &Path) -> io::Result<Vec<String>> { Ok(vec![]) }
impl Runtime for ProcessRuntime {
    async fn launch(&mut self, _launch: &Launch) -> Result<Handle, LaunchError> { std::future::pending().await }
    async fn probe(&mut self, _attempt: &AttemptId) -> io::Result<Found> { std::future::pending().await }
    async fn adopt(&mut self, _attempt: &AttemptId, _out: &Path, _from: u64) -> io::Result<()>  { std::future::pending().await }
    fn nudge(&mut self, _attempt: &AttemptId, _nudge: Nudge) -> io::Result<()> { Ok(()) }
    async fn discard(&mut self, _attempt: &AttemptId) -> io::Result<()> { Ok(()) }
    async fn next(&mut self, _chunk: &mut Vec<u8>) -> Event  { std::future::pending().await }
}
