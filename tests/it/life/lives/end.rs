//! The end of a life: all gets well, and the mirror is what the server lists.

use std::time::Duration;

use super::super::server::Server;
use super::super::stage::{Ending, Entry, What};
use super::Drawn;

impl Drawn {
    /// Nothing happens any more but due times.
    pub(super) async fn get_well(&mut self) {
        let left = (self.well_from - self.life.stage.truth()).to_std();
        self.life.pass_time(left.unwrap_or_default()).await;
        self.life.stage.server(|server| server.faults.clear());
        // What the server asked for, by a clock that has been set back since.
        let patience = Duration::from_secs(48 * 3600) + 3 * self.period;
        let healed = self.life.stage.elapsed();
        while !self.is_complete_since(healed) {
            assert!(
                self.life.stage.elapsed() < healed + patience,
                "it stays ill"
            );
            let step = self.period.min(Duration::from_secs(3600));
            self.life.pass_time(step).await;
        }
        // That pass may have begun long ago, and gone on; one that is asked for has not.
        self.life.ask().await;
        self.life.pass_time(Duration::from_secs(600)).await;
        let wanted: Vec<String> = self.life.stage.server(|server| {
            let records = server.customers.iter();
            records
                .map(|(number, version)| Server::record(*number, *version))
                .collect()
        });
        self.life.stop().await;
        self.check_mirror(wanted);
    }

    /// Whether a pass that began since then is complete.
    fn is_complete_since(&self, healed: Duration) -> bool {
        let log = self.life.stage.log();
        let begun = log
            .iter()
            .position(|entry| entry.at >= healed && matches!(entry.what, What::Begin { .. }));
        begun.is_some_and(|begun| {
            let mut later = log[begun..].iter();
            later.any(|entry| matches!(entry.what, What::End(Ending::Complete)))
        })
    }

    fn check_mirror(&self, mut wanted: Vec<String>) {
        let db = self.life.db();
        let strings = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        let mut mirrored = strings("SELECT raw FROM live_customers");
        mirrored.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(mirrored, wanted);
        crate::support::assert_sound(&db);
        assert!(strings("SELECT state FROM passes WHERE state = 'running'").len() <= 1);
        let log = self.life.stage.log();
        let is_back = |entry: &Entry| matches!(entry.what, What::Jump(to) if to < entry.wall);
        if !log.iter().any(is_back) {
            let overlaps = strings(
                "SELECT later.started_at FROM passes JOIN passes AS later ON later.pass_id > passes.pass_id
                 WHERE later.started_at < passes.finished_at",
            );
            assert!(overlaps.is_empty(), "two passes: {overlaps:?}");
        }
    }
}
