//! Stub, replaced at the merge.
/// Work.
#[derive(Debug, Clone)]
pub struct Work;
impl Work {
    /// Steps.
    pub fn steps(&self) -> u64 {
        0
    }
    /// Give up.
    pub fn give_up(&self) {}
    /// Resume.
    pub fn resume(&self) {}
}
impl super::Mirror {
    /// Work.
    pub fn work(&self) -> Work {
        Work
    }
}
