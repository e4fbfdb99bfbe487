//! What came of a life.

use customer_mirror::model::Timestamp;

use super::judge::{Tally, judge};
use super::program::Life;
use super::stage::What;

impl Life {
    /// All that happened is as it should be.
    pub(super) fn judge(&self) {
        self.tally();
    }

    /// The same; what there was to judge.
    pub(super) fn tally(&self) -> Tally {
        judge(self.first_rule.clone(), &self.stage.log())
    }

    /// When the passes began, by the wall in UTC.
    pub(super) fn begins(&self) -> Vec<String> {
        let log = self.stage.log().into_iter();
        log.filter(|entry| matches!(entry.what, What::Begin { .. }))
            .map(|entry| entry.wall.format("%d %H:%M:%S").to_string())
            .collect()
    }

    /// When the requests were made, by the wall.
    pub(super) fn requests(&self) -> Vec<Timestamp> {
        let log = self.stage.log().into_iter();
        log.filter(|entry| matches!(entry.what, What::Request))
            .map(|entry| entry.wall)
            .collect()
    }
}
