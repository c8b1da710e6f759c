//! stub
use crate::model::*;
/// scan
pub trait Scan {
    /// a
    fn feed(&mut self, chunk: &[u8], signs: &mut Vec<Sign>);
    /// b
    fn close(&mut self, stderr_tail: &[u8], now: Now, signs: &mut Vec<Sign>) -> Evidence;
}
