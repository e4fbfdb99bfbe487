//! The workbench of the tests: a simulator, a folder with a configuration, the program as a child process, and the oracle.

mod child;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use child::{Run, Running};

use customer_mirror::mirror::Mirror;
use customer_mirror::simulator::{Listing, Options, Simulator};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

/// A test that hangs fails; nothing is asserted about how long things take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const KEY: &str = "k3y-that-must-stay-secret";

/// A simulator, and a folder for the configuration and the mirror.
pub(crate) struct Bench {
    pub(crate) sim: Simulator,
    pub(crate) folder: TempDir,
    settings: BTreeMap<String, String>,
}

/// `script` (of sh) and then, with `exec "$@"`, the same command in the same environment.
pub(crate) fn after_shell(script: &str, command: &Command) -> Command {
    let command = command.as_std();
    let mut shell = Command::new("sh");
    shell
        .env_clear()
        .arg("-c")
        .arg(format!("{script}; exec \"$@\""))
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell
}

/// A small customer, with more members if `rest` says so (`,"name":"A"`).
pub(crate) fn customer(id: &str, rest: &str) -> String {
    format!(r#"{{"customerId":"{id}"{rest}}}"#)
}

/// Small customers `c1`, `c2` ….
pub(crate) fn customers(numbers: impl IntoIterator<Item = u32>) -> Listing {
    Listing::explicit(
        numbers
            .into_iter()
            .map(|number| customer(&format!("c{number}"), "")),
    )
}

impl Bench {
    /// A server with these options, and a configuration of pages of ten and short retries. The key is [`KEY`].
    pub(crate) async fn with(options: Options) -> Self {
        let options = Options {
            key: KEY.to_owned(),
            ..options
        };
        let sim = Simulator::start(options).await.unwrap();
        let mut bench = Self {
            folder: tempfile::tempdir().unwrap(),
            settings: BTreeMap::new(),
            sim,
        };
        let base_url = quoted(&bench.sim.base_url());
        let path = quoted(bench.db_path().to_str().unwrap());
        bench
            .set("api.base_url", &base_url)
            .set("api.page_size", "10")
            .set("retry.initial_delay", "\"1ms\"")
            .set("retry.max_delay", "\"5ms\"")
            .set("retry.max_elapsed", "\"30s\"")
            .set("mirror.path", &path);
        bench
    }

    /// A server of these customers.
    pub(crate) async fn of(listing: Listing) -> Self {
        Self::with(Options {
            listing,
            ..Options::default()
        })
        .await
    }

    /// Sets a key of the configuration to a value in TOML.
    pub(crate) fn set(&mut self, key: &str, toml: &str) -> &mut Self {
        self.settings.insert(key.to_owned(), toml.to_owned());
        self
    }

    pub(crate) fn unset(&mut self, key: &str) -> &mut Self {
        self.settings.remove(key);
        self
    }

    pub(crate) fn db_path(&self) -> PathBuf {
        self.folder.path().join("mirror.db")
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Writes the configuration file.
    pub(crate) fn write_config(&self) -> PathBuf {
        let mut text = String::new();
        for (key, value) in &self.settings {
            writeln!(text, "{key} = {value}").unwrap();
        }
        std::fs::write(self.config_path(), text).unwrap();
        self.config_path()
    }

    /// The program with the configuration and the key, in a clean environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command
            .arg("--config")
            .arg(self.write_config())
            .args(arguments)
            .env("CUSTOMER_MIRROR__API__KEY", KEY);
        command
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        Running::spawn(self.command(arguments))
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        self.spawn(arguments).end().await
    }

    /// One pass; its report is [`Run::report`].
    pub(crate) async fn sync(&self) -> Run {
        self.run(&["sync", "--json"]).await
    }

    /// One pass that must be complete, and its report.
    pub(crate) async fn synced(&self) -> Value {
        let run = self.sync().await;
        run.exits(0);
        let report = run.report();
        assert_eq!(report["state"], "complete", "{run:?}");
        report
    }

    /// Begins a pass and kills it without warning when the server has got request `number` (of the simulator's count).
    pub(crate) async fn sync_killed_at_request(&self, number: u64) {
        self.sim.hold_request(number);
        let running = self.spawn(&["sync"]);
        self.sim.wait_for_requests(number).await;
        assert_eq!(running.kill().await.signal(), Some(9));
        self.sim.release();
    }

    /// Begins a pass and ends it by SIGTERM when the server has got request `number` (of the simulator's count).
    pub(crate) async fn sync_stopped_at_request(&self, number: u64) {
        self.sim.hold_request(number);
        let running = self.spawn(&["sync"]);
        self.sim.wait_for_requests(number).await;
        running.signal("TERM").await;
        running.end().await.exits(143);
        self.sim.release();
    }

    /// How many requests asked again for what had been asked for before, in one walk.
    pub(crate) fn repeated_requests(&self) -> usize {
        let requests = self.sim.requests();
        let cursors: BTreeSet<_> = requests.iter().map(|request| &request.cursor).collect();
        requests.len() - cursors.len()
    }

    /// The mirror, read-only.
    pub(crate) fn db(&self) -> Connection {
        Connection::open_with_flags(self.db_path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// The mirror, for tampering.
    pub(crate) fn db_to_write(&self) -> Connection {
        Connection::open_with_flags(self.db_path(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
    }

    /// The one value of a query on the mirror.
    pub(crate) fn one<T: FromSql>(&self, sql: &str) -> T {
        self.db().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// The size of a page of the mirror's file.
    pub(crate) fn page_bytes(&self) -> usize {
        self.one::<u32>("PRAGMA page_size").try_into().unwrap()
    }

    /// The first column of a query on the mirror.
    pub(crate) fn column<T: FromSql>(&self, sql: &str) -> Vec<T> {
        let db = self.db();
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    /// The last passes' state, sweep and so on, as the mirror has them, oldest first.
    pub(crate) fn passes(&self, column: &str) -> Vec<String> {
        self.column(&format!("SELECT {column} FROM passes ORDER BY pass_id"))
    }

    /// The live customers' ids, sorted.
    pub(crate) fn live(&self) -> Vec<String> {
        self.column("SELECT customer_id FROM live_customers ORDER BY customer_id")
    }

    /// The mirror opened by the library, for what the operator decides.
    pub(crate) fn mirror(&self) -> Mirror {
        Mirror::open_existing(&self.db_path(), "a test").unwrap()
    }

    /// The live customers are those that the server lists, each as sent, and the mirror is sound.
    #[track_caller]
    pub(crate) fn assert_mirrors(&self) {
        let listed: BTreeMap<String, String> = self
            .sim
            .listing()
            .iter()
            .filter_map(|raw| Some((id_of(&raw)?, raw)))
            .collect();
        let db = self.db();
        let mut statement = db
            .prepare("SELECT customer_id, raw FROM live_customers")
            .unwrap();
        let mirrored: BTreeMap<String, String> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        let missing: Vec<_> = listed
            .keys()
            .filter(|id| !mirrored.contains_key(*id))
            .collect();
        let surplus: Vec<_> = mirrored
            .keys()
            .filter(|id| !listed.contains_key(*id))
            .collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "missing: {missing:?}, surplus: {surplus:?}"
        );
        for (id, raw) in &listed {
            assert_eq!(raw, &mirrored[id], "{id}");
        }
        assert_sound(&db);
    }
}

/// Counts where the table of shared referenceIds is not what the view of them says, once triggers keep it.
pub(crate) const WRONGLY_SHARED: &str = "
    WITH found AS (SELECT reference_id, customers AS holders FROM reference_conflicts),
      kept AS (SELECT reference_id, holders FROM shared_references)
    SELECT count(*) FROM (
      SELECT * FROM (SELECT * FROM found EXCEPT SELECT * FROM kept)
      UNION ALL SELECT * FROM (SELECT * FROM kept EXCEPT SELECT * FROM found))
    WHERE EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'customers_insert_shares')";

/// What must hold of a mirror between any two commits.
#[track_caller]
pub(crate) fn assert_sound(db: &Connection) {
    let one = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).unwrap() };
    let verdict: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    assert_eq!(one("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let live = one("SELECT count(*) FROM live_customers");
    assert_eq!(one("SELECT live_customers FROM mirror_freshness"), live);
    assert_eq!(
        one("SELECT value FROM mirror_meta WHERE key = 'deleted_customers'"),
        one("SELECT count(*) FROM customers WHERE deleted_at IS NOT NULL")
    );
    assert_eq!(
        one("SELECT count(*) FROM customer_state WHERE live = 1"),
        live
    );
    assert_eq!(
        one(
            "SELECT count(*) FROM customers LEFT JOIN customer_state USING (row_id) WHERE live IS NOT (deleted_at IS NULL)"
        ),
        0
    );
    // Each customer came to be by one change.
    assert_eq!(
        one("SELECT count(*) FROM customer_changes WHERE kind = 'created'"),
        one("SELECT count(*) FROM customers")
    );
    crate::search::assert_index(db);
    assert_eq!(one(WRONGLY_SHARED), 0);
    // The counters of a pass are those of its pages.
    assert_eq!(
        one(
            "SELECT count(*) FROM passes WHERE records <> created + updated + unchanged + restored + quarantined"
        ),
        0
    );
    assert_eq!(
        one(
            "SELECT count(*) FROM passes WHERE state = 'running' AND pages <> (SELECT count(*) FROM pass_pages)"
        ),
        0
    );
}

/// The program in a clean environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_customer-mirror"));
    command.env_clear();
    // Where a build that measures coverage writes what it has seen.
    if let Some(file) = std::env::var_os("LLVM_PROFILE_FILE") {
        command.env("LLVM_PROFILE_FILE", file);
    }
    command
}

/// Returns when something has come true that nothing announces.
pub(crate) async fn until(mut is_true: impl FnMut() -> bool) {
    let poll = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll)
        .await
        .expect("it should have come true long ago");
}

/// A text as TOML.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn id_of(raw: &str) -> Option<String> {
    let record: Value = serde_json::from_str(raw).ok()?;
    let id = record.get("customerId")?.as_str()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// A file's bytes.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
