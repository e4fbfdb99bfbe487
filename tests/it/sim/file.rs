//! The mirror's file, read by plain SQL: the picture to compare, and what must hold at any moment.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::oracle::{Change, Customer, Pass, Picture, Quarantined};
use super::value::Tree;

pub(super) fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn rows<T>(file: &Connection, sql: &str, read: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    let mut statement = file.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| read(row)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn number(file: &Connection, sql: &str) -> i64 {
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A number that the mirror keeps about itself.
pub(super) fn meta<T: rusqlite::types::FromSql>(file: &Connection, key: &str) -> Option<T> {
    file.query_row(
        "SELECT value FROM mirror_meta WHERE key = ?1",
        [key],
        |row| row.get(0),
    )
    .optional()
    .unwrap()
}

pub(super) fn picture(file: &Connection) -> Picture {
    let customers = rows(
        file,
        "SELECT customer_id, row_id, raw, deleted_at IS NULL, ifnull(passes, 0), ifnull(held, 0)
         FROM customers LEFT JOIN absences USING (row_id)",
        |row| {
            let customer = Customer {
                row: row.get(1)?,
                raw: row.get(2)?,
                live: row.get(3)?,
                absences: row.get(4)?,
                held: row.get(5)?,
            };
            Ok((row.get(0)?, customer))
        },
    );
    let changes = rows(
        file,
        "SELECT pass_id, customer_id, kind, changed_fields, before FROM customer_changes ORDER BY seq",
        |row| {
            Ok(Change {
                pass_id: row.get(0)?,
                customer_id: row.get(1)?,
                kind: row.get(2)?,
                pointers: serde_json::from_str(&row.get::<_, String>(3)?).unwrap(),
                before: row.get(4)?,
            })
        },
    );
    let quarantine = rows(
        file,
        "SELECT raw, customer_id, pass_id, page FROM quarantine",
        |row| {
            let raw = match row.get_ref(0)? {
                ValueRef::Text(text) => std::str::from_utf8(text).unwrap().to_owned(),
                // The simulator's garbage, to the byte.
                ValueRef::Blob(bytes) => {
                    let garbage: &[u8] = b"\"garbage\":\"\xff\xc3(\xed\xa0\x80\"}";
                    assert!(bytes.ends_with(garbage), "{bytes:?}");
                    String::from_utf8_lossy(bytes).into_owned()
                }
                other => panic!("quarantine.raw is {other:?}"),
            };
            let bad = Quarantined {
                customer_id: row.get(1)?,
                pass_id: row.get(2)?,
                page: row.get(3)?,
            };
            Ok((raw, bad))
        },
    );
    Picture {
        customers: customers.into_iter().collect(),
        changes,
        passes: rows(file, "SELECT * FROM passes", pass)
            .into_iter()
            .collect(),
        quarantine: quarantine.into_iter().collect(),
        chain: rows(
            file,
            "SELECT next_cursor FROM pass_pages ORDER BY page",
            |row| row.get(0),
        ),
    }
}

fn pass(row: &Row<'_>) -> rusqlite::Result<(i64, Pass)> {
    let state: String = row.get("state")?;
    let finished_at: Option<String> = row.get("finished_at")?;
    assert_eq!(
        finished_at.is_none(),
        state == "running",
        "finished_at of a pass that is {state}"
    );
    let pass = Pass {
        state,
        resumed: row.get("resumed")?,
        next_cursor: row.get("next_cursor")?,
        pages: row.get("pages")?,
        records: row.get("records")?,
        created: row.get("created")?,
        updated: row.get("updated")?,
        unchanged: row.get("unchanged")?,
        deleted: row.get("deleted")?,
        restored: row.get("restored")?,
        quarantined: row.get("quarantined")?,
        retries: row.get("retries")?,
        bytes: row.get("bytes")?,
        sweep: row.get("sweep")?,
        has_error: row.get::<_, Option<String>>("error")?.is_some(),
    };
    Ok((row.get("pass_id")?, pass))
}

/// What must hold of every mirror at any moment. `key` must be nowhere in it.
pub(super) fn check(file: &Connection, key: &str) {
    let integrity: String = file
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok", "integrity_check");
    crate::search::assert_index(file);
    for (what, sql) in [
        ("dangling references", "SELECT count(*) FROM pragma_foreign_key_check"),
        ("wrong live count", "SELECT (SELECT value FROM mirror_meta WHERE key = 'live_customers')
            <> (SELECT count(*) FROM live_customers)"),
        ("wrong deleted count", "SELECT (SELECT value FROM mirror_meta WHERE key = 'deleted_customers')
            <> (SELECT count(*) FROM customers WHERE deleted_at IS NOT NULL)"),
        ("customers without a state", "SELECT count(*) FROM customers FULL JOIN customer_state s USING (row_id)
            WHERE (deleted_at IS NULL) IS NOT (s.live = 1)"),
        ("shared referenceIds", crate::support::WRONGLY_SHARED),
        ("absent tombstones", "SELECT count(*) FROM absences JOIN customers USING (row_id) WHERE deleted_at IS NOT NULL"),
        ("passes running beside another", "SELECT count(*) > 1 FROM passes WHERE state = 'running'"),
        ("sweeps held beside another", "SELECT count(*) > 1 FROM passes WHERE sweep = 'held'"),
        ("changes without a pass", "SELECT count(*) FROM customer_changes WHERE pass_id IS NULL OR pass_id NOT IN (SELECT pass_id FROM passes)"),
        ("sweeps of passes that are not complete", "SELECT count(*) FROM passes WHERE state <> 'complete' AND (sweep <> 'none' OR deleted <> 0)"),
        ("deletions by passes that are not complete", "SELECT count(*) FROM customer_changes JOIN passes USING (pass_id)
            WHERE kind = 'deleted' AND state <> 'complete'"),
        ("quarantined records of no pass", "SELECT count(*) FROM quarantine WHERE pass_id NOT IN (SELECT pass_id FROM passes)"),
        ("chains without a running pass", "SELECT count(*) > 0 AND NOT EXISTS (SELECT 1 FROM passes WHERE state = 'running') FROM pass_pages"),
        ("chains that don't match the checkpoint", "SELECT count(*) FROM passes WHERE state = 'running' AND (pages <> (SELECT count(*) FROM pass_pages)
            OR next_cursor IS NOT (SELECT next_cursor FROM pass_pages ORDER BY page DESC LIMIT 1))"),
    ] {
        assert_eq!(number(file, sql), 0, "{what}");
    }
    let leaks = rows(
        file,
        "SELECT error FROM passes WHERE error IS NOT NULL",
        |row| row.get::<_, String>(0),
    );
    assert!(
        !leaks.iter().any(|error| error.contains(key)),
        "the key is in the mirror"
    );
    check_columns(file);
    check_feed(file);
}

type NameAndRole = (Option<String>, Option<String>);

/// Columns and users say what the raw record says.
fn check_columns(file: &Connection) {
    let mut users: BTreeMap<String, BTreeMap<String, NameAndRole>> = BTreeMap::new();
    for (id, user, columns) in rows(file, "SELECT * FROM customer_users", |row| {
        Ok((row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?)))
    }) {
        users.entry(id).or_default().insert(user, columns);
    }
    let sql = "SELECT customer_id, raw, name, reference_id, contact_email, billing_address_zip, metadata, billing_auto_pay FROM customers";
    for (id, raw, columns, metadata, auto_pay) in rows(file, sql, |row| {
        let columns: [Option<String>; 4] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            columns,
            row.get::<_, Option<String>>(6)?,
            row.get::<_, Option<bool>>(7)?,
        ))
    }) {
        let tree = Tree::read(&raw);
        assert_eq!(tree.id(), Some(id.as_str()), "customer_id");
        let paths: [&[&str]; 4] = [
            &["name"],
            &["referenceId"],
            &["contact", "email"],
            &["billing", "address", "zip"],
        ];
        for (column, path) in columns.iter().zip(paths) {
            // A lone surrogate is a literal to the oracle and U+FFFD in the column.
            if column
                .as_deref()
                .is_none_or(|text| !text.contains('\u{fffd}'))
            {
                assert_eq!(column.as_deref(), tree.text(path), "{path:?} of {raw}");
            }
        }
        let object = tree
            .member("metadata")
            .filter(|tree| matches!(tree, Tree::Object(_)));
        assert_eq!(
            metadata.as_deref().map(Tree::read).as_ref(),
            object,
            "metadata of {raw}"
        );
        let paid = match tree
            .member("billing")
            .and_then(|billing| billing.member("autoPay"))
        {
            Some(Tree::Literal(text)) => text.parse().ok(),
            _ => None,
        };
        assert_eq!(auto_pay, paid, "billing_auto_pay of {raw}");
        let mut expected = BTreeMap::new();
        if let Some(Tree::Array(items)) = tree.member("users") {
            for item in items {
                let text = |key| item.text(&[key]).map(str::to_owned);
                if let Some(user) = text("userId") {
                    expected.insert(user, (text("name"), text("role")));
                }
            }
        }
        assert_eq!(
            users.remove(&id).unwrap_or_default(),
            expected,
            "users of {raw}"
        );
    }
    assert_eq!(users.len(), 0, "users of nobody");
}

/// The change feed alone tells who is live, and what each one was.
fn check_feed(file: &Connection) {
    let mut feed: BTreeMap<String, (bool, Vec<String>)> = BTreeMap::new();
    for (id, kind) in rows(
        file,
        "SELECT customer_id, kind FROM customer_changes ORDER BY seq",
        |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
    ) {
        let known = feed.get(&id).map(|(live, _)| *live);
        let fits = match kind.as_str() {
            "created" => known.is_none(),
            "restored" => known == Some(false),
            _ => known == Some(true),
        };
        let (live, kinds) = feed.entry(id).or_default();
        *live = kind != "deleted";
        kinds.push(kind);
        assert!(fits, "a customer's changes are {kinds:?}");
    }
    let live: Vec<String> = rows(
        file,
        "SELECT customer_id FROM live_customers ORDER BY 1",
        |row| row.get(0),
    );
    let told: Vec<String> = (feed.into_iter())
        .filter(|(_, (live, _))| *live)
        .map(|(id, _)| id)
        .collect();
    assert_eq!(live, told, "live by the rows, live by the feed");
}

/// A reader beside the writer: takes a picture whenever it finds that something was committed.
pub(super) struct Observer {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Picture>>,
}

impl Observer {
    pub(super) fn start(path: &Path) -> Self {
        let file = open(path);
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let (mut version, mut pictures) = (0, Vec::new());
            while !told.load(Ordering::Relaxed) {
                let now = number(&file, "PRAGMA data_version");
                if version != now {
                    version = now;
                    file.execute_batch("BEGIN").unwrap();
                    pictures.push(picture(&file));
                    file.execute_batch("COMMIT").unwrap();
                }
                std::thread::yield_now();
            }
            pictures
        });
        Self { is_over, thread }
    }

    pub(super) fn pictures(self) -> Vec<Picture> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
