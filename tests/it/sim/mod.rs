//! The seeded simulation: a made-up history of days, faults, crashes and decisions, followed by an oracle after every step.
//!
//! `SIM_SEED=123 cargo test --test it sim` repeats one history; `SIM_SEEDS=2000` runs that many, `SIM_FIRST` the first of them.
//! A history is made from its seed alone; when threads and sockets get their turn is not, so a history may need a few runs to
//! fail again. Nothing waits for time to pass and nothing is asserted about it.
//!
//! The oracle ([`oracle`]) knows the contract and what came through the source ([`run::Recorder`]), nothing else. After a run it
//! gives the state that each commit leaves; the file must show one of them, and if the run returned, the last.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::too_many_lines,
    reason = "a test's helpers fail as tests do, and a story is told in one go"
)]

mod file;
mod fuzz;
mod oracle;
mod properties;
mod regressions;
mod run;
mod value;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use customer_mirror::config::{Api, ApiKey, Changes, Deletions, Parameters, Retry};
use customer_mirror::mirror::{Mirror, MirrorError, Reader};
use customer_mirror::model::{PageSize, parse_timestamp};
use customer_mirror::pass::{Rules, SharedMirror};
use customer_mirror::simulator::{Answer, LastPage, Listing, Options, Simulator};
use customer_mirror::source::{FailureKind, HttpSource};
use fastrand::Rng;
use tempfile::TempDir;

use oracle::{Oracle, Picture};
use run::{Disk, Ended, Expected, Fetch, Interruption, Recorder};
use value::Tree;
use world::{KEY, RESPONSE_BYTES_MAX, World, pick};

const SEEDS_DEFAULT: u64 = 60;
const SOURCE: &str = "https://api.example.com/v1";

/// What was drawn how often, over all histories.
static DRAWN: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

fn count(what: impl Into<String>) {
    *DRAWN.lock().unwrap().entry(what.into()).or_default() += 1;
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number")),
    )
}

#[test]
fn histories_end_as_the_oracle_says() {
    let (first, seeds) = match from_environment("SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (
            from_environment("SIM_FIRST").unwrap_or(1),
            from_environment("SIM_SEEDS").unwrap_or(SEEDS_DEFAULT),
        ),
    };
    let next = AtomicU64::new(first);
    let failed = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |threads| threads.get() + 1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    if catch_unwind(AssertUnwindSafe(|| live_through(seed))).is_err() {
                        eprintln!("seed {seed} failed; to repeat: SIM_SEED={seed} cargo test --test it sim");
                        failed.lock().unwrap().insert(seed);
                    }
                }
            });
        }
    });
    eprintln!(
        "{seeds} histories from seed {first} on, with {:#?}",
        DRAWN.lock().unwrap()
    );
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "histories failed; to repeat: SIM_SEED=N cargo test --test it sim, N of {failed:?}"
    );
}

fn live_through(seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut history = History::new(seed).await;
        for _ in 0..history.random.u32(3..7) {
            history.day().await;
        }
        history.last_days().await;
    });
}

/// A mirror, the server that it mirrors, and what has happened so far.
struct History {
    seed: u64,
    random: Rng,
    world: World,
    simulator: Simulator,
    folder: TempDir,
    path: PathBuf,
    /// Names for the files to which a power cut moves the mirror.
    copies: u32,
    oracle: Oracle,
    /// What the listing was since the running pass began.
    listings: Vec<Listing>,
    /// Whether rows have moved since then.
    has_moved: bool,
    /// Where the running pass's requests begin in the log.
    first_request: u64,
}

impl History {
    async fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let world = World::new(&mut random);
        let simulator = Simulator::start(Options {
            key: KEY.to_owned(),
            listing: world.listing(),
            cursor_refusal_status: pick(&mut random, &[400, 404, 410, 422]),
            last_page: pick(
                &mut random,
                &[LastPage::Null, LastPage::Absent, LastPage::Empty],
            ),
            shuffle_keys: random.u32(0..4) == 0,
            seed,
            ..Options::default()
        })
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mirror-0.db");
        Self {
            seed,
            random,
            world,
            simulator,
            folder,
            path,
            copies: 0,
            oracle: Oracle::default(),
            listings: Vec::new(),
            has_moved: false,
            first_request: 0,
        }
    }

    /// A night's changes, then runs with faults and interruptions until one is complete, or it is enough.
    async fn day(&mut self) {
        self.world.next_day(&mut self.random);
        self.simulator.set_listing(self.world.listing());
        self.listings.push(self.world.listing());
        self.has_moved |= matches!(self.world, World::Explicit { .. });
        for _ in 0..self.random.u32(0..4) {
            let fault = world::fault(&mut self.random);
            self.simulator.push_fault(fault);
        }
        for _ in 0..4 {
            let deletions = self.deletions();
            let interruption = self.interruption();
            let restart = self.random.u32(0..8) == 0;
            let was_complete = self.run(deletions, restart, interruption).await;
            if self.random.u32(0..3) == 0 {
                self.decide();
            }
            if was_complete {
                break;
            }
            match self.random.u32(0..6) {
                0 | 1 => self.simulator.clear_faults(),
                2 => self.simulator.expire_all_cursors(),
                _ => {}
            }
        }
        if self.random.bool() {
            self.simulator.clear_faults();
        }
    }

    fn deletions(&mut self) -> Deletions {
        let random = &mut self.random;
        Deletions {
            confirm_passes: random.u32(1..=3),
            max_percent: pick(random, &[0.0, 10.0, 10.0, 50.0, 100.0]),
            always_allow: pick(random, &[0, 2, 20]),
            purge_after: None,
        }
    }

    fn interruption(&mut self) -> Interruption {
        let pages = self
            .oracle
            .running()
            .map_or(0, |pass_id| self.oracle.picture.passes[&pass_id].pages);
        let near = if self.random.bool() { 4 } else { 30 };
        match self.random.u32(0..19) {
            0..3 => Interruption::KillAtRequest(self.random.u64(1..near)),
            3..6 => Interruption::KillAfterPage(pages + self.random.i64(1..near as i64)),
            6 | 7 => Interruption::KillAroundFinish,
            8 | 9 => Interruption::KillAtPoll(self.random.u32(1..40)),
            16 | 17 => Interruption::PowerCutInCommit(self.random.usize(1..near as usize)),
            10 => Interruption::StopAtRequest(self.random.u64(1..near)),
            11 => Interruption::MutateAtRequest(self.random.u64(1..near)),
            _ => Interruption::None,
        }
    }

    fn source(&mut self) -> Recorder {
        let api = Api {
            base_url: self.simulator.base_url().parse().unwrap(),
            filter: None,
            page_size: PageSize::new(self.random.u64(1..=20)).unwrap(),
            connect_timeout: Duration::from_secs(10),
            // What a stalled answer costs.
            request_timeout: Duration::from_millis(300),
            max_response_bytes: RESPONSE_BYTES_MAX,
            max_requests_per_second: None,
            parameters: Parameters {
                filter: "filter".to_owned(),
                limit: "limit".to_owned(),
                cursor: "cursor".to_owned(),
            },
            key_file: None,
        };
        let retry = Retry {
            initial_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(4),
            max_elapsed: Duration::from_millis(60),
        };
        let source = HttpSource::new(&api, &retry, &ApiKey::new(KEY).unwrap()).unwrap();
        Recorder {
            source,
            fetches: Arc::default(),
        }
    }

    /// Starts the program, lets it run until it returns or is killed, and compares. True if a pass was completed.
    async fn run(
        &mut self,
        deletions: Deletions,
        restart: bool,
        interruption: Interruption,
    ) -> bool {
        let held_back = self.let_time_pass();
        let before = self.oracle.clone();
        let age_limit = AgeLimit::read(&self.path);
        // A restart may be killed before it has given the old pass up.
        if before.running().is_none() {
            self.listings = vec![self.world.listing()];
            self.has_moved = false;
            self.first_request = self.simulator.request_count();
        }
        let mut recorder = self.source();
        let rules = Rules {
            deletions,
            changes: Changes { keep: None },
            restart,
        };
        let mirror = SharedMirror::new(open(&self.path));
        // Somebody who reads keeps SQLite from tidying up when the writer goes.
        let reader = file::open(&self.path);
        file::meta::<String>(&reader, "source").unwrap();
        let observer = (self.random.u32(0..4) == 0).then(|| file::Observer::start(&self.path));
        let (world, random, simulator, listings) = (
            &mut self.world,
            &mut self.random,
            &self.simulator,
            &mut self.listings,
        );
        let mutate = || {
            world.in_place(random);
            simulator.set_listing(world.listing());
            listings.push(world.listing());
        };
        self.copies += 1;
        let copy = self
            .folder
            .path()
            .join(format!("mirror-{}.db", self.copies));
        let disk = Disk {
            path: &self.path,
            copy: &copy,
        };
        let ended = run::run(
            &mut recorder,
            mirror,
            &rules,
            simulator,
            interruption,
            disk,
            mutate,
        )
        .await;
        let fetches: Vec<Fetch> = std::mem::take(&mut recorder.fetches.lock().unwrap());
        drop(recorder);
        if matches!(ended, Ended::Killed) {
            let lost = copy.exists();
            if !lost {
                // The last commit ends by itself.
                drop(open(&self.path));
            }
            if lost || self.random.bool() {
                if !lost {
                    Disk {
                        path: &self.path,
                        copy: &copy,
                    }
                    .cut_power();
                }
                count("power cut");
                self.path = copy;
            }
        }
        drop(reader);

        let seen = self.look();
        let is_too_old = !restart && age_limit.was_given_up(&before, &self.path);
        let mut states = run::replay(&before, &fetches, restart, is_too_old, &rules.deletions);
        let pages_fetched = fetches
            .iter()
            .filter(|fetch| matches!(fetch.got, Some(Ok(_))))
            .count();
        let name = format!("{interruption:?}");
        let name = name.split('(').next().unwrap_or_default();
        let returned = match &ended {
            Ended::Killed => {
                count(format!("killed: {name}"));
                None
            }
            Ended::Returned(outcome) => {
                let end = Expected::of(&outcome.end);
                count(format!(
                    "returned: {}",
                    format!("{end:?}")
                        .replace("{ held: 0 }", "")
                        .replace(|c: char| c.is_ascii_digit(), "")
                ));
                if end == Expected::Interrupted {
                    run::stopped(&mut states, pages_fetched);
                }
                Some(end)
            }
        };
        let at = states.iter().rposition(|state| {
            state.oracle.picture == seen && (returned.is_none() || state.end == returned)
        });
        for observed in observer.into_iter().flat_map(file::Observer::pictures) {
            count("observed commits");
            if states.iter().all(|state| state.oracle.picture != observed) {
                eprintln!("what a reader saw is no state that a commit leaves:");
                self.explain(&observed, &states, interruption, None, &fetches);
            }
        }
        let Some(at) = at else {
            self.explain(&seen, &states, interruption, returned, &fetches)
        };
        let state = states.swap_remove(at);
        match interruption {
            _ if returned.is_some() => {}
            Interruption::KillAfterPage(page) => {
                // The pass that it was may just have been given up for a rejected cursor.
                let mut latest = state.oracle.picture.passes.values().rev().take(2);
                assert!(
                    latest.any(|pass| pass.pages >= page),
                    "a page that was reported as committed isn't"
                );
            }
            Interruption::KillAroundFinish => {
                let place = if state.oracle.running().is_some() {
                    "before"
                } else {
                    "in or after"
                };
                count(format!("killed {place} the judgement"));
            }
            _ => {}
        }
        // The page being committed, and one that came meanwhile.
        assert!(
            state.pages + 2 >= pages_fetched,
            "of {pages_fetched} pages only {} are committed",
            state.pages
        );
        if held_back {
            let waits = |fetch: &Fetch| match &fetch.got {
                Some(Err(error)) => error.wait_until.is_some(),
                Some(Ok(_)) => false,
                None => true,
            };
            assert!(
                fetches.iter().all(waits),
                "a wait that the server asked for was not obeyed: {fetches:?}"
            );
        }
        if state.after.starts_with("the judgement") {
            self.check_completeness(&states[at - 1].oracle, &state.oracle);
        }
        self.oracle = state.oracle;
        self.check_repeats(&fetches);
        if let Ended::Returned(outcome) = &ended {
            let text = format!("{outcome:?}");
            assert!(!text.contains(KEY), "the key is shown: {text}");
        }
        matches!(returned, Some(Expected::Complete { .. }))
    }

    /// Checks the file by itself, and gives its picture.
    fn look(&self) -> Picture {
        let file = file::open(&self.path);
        file::check(&file, KEY);
        let picture = file::picture(&file);
        let status = Reader::open(&self.path).unwrap().status().unwrap();
        let live = picture
            .customers
            .values()
            .filter(|customer| customer.live)
            .count();
        let held = picture
            .customers
            .values()
            .filter(|customer| customer.held)
            .count();
        assert_eq!(status.mirror.live, live as i64);
        assert_eq!(
            status.held_sweep.map_or(0, |held| held.customers),
            held as i64
        );
        picture
    }

    /// What was learned about waiting and cursors is mostly long over. True if a wait is still on.
    fn let_time_pass(&mut self) -> bool {
        if !self.path.exists() {
            return false;
        }
        let writer = rusqlite::Connection::open(&self.path).unwrap();
        let forget = |key| {
            writer
                .execute("DELETE FROM mirror_meta WHERE key = ?1", [key])
                .unwrap()
        };
        if self.random.bool() {
            forget("cursor_rejected_at_age_ms");
        }
        if self.random.u32(0..3) > 0 {
            forget("requests_not_before");
        }
        let until: Option<String> = file::meta(&writer, "requests_not_before");
        let is_held = until
            .and_then(|text| parse_timestamp(&text))
            .is_some_and(|until| until > Utc::now() + Duration::from_secs(60));
        if is_held {
            count("a wait across a restart");
        }
        is_held
    }

    /// The operator decides on the held sweep, if there is one.
    fn decide(&mut self) {
        let approve = self.random.u32(0..3) > 0;
        let mut mirror = open(&self.path);
        let decided = if approve {
            mirror.approve_held_sweep(Utc::now())
        } else {
            mirror.discard_held_sweep()
        };
        drop(mirror);
        let expected = self.oracle.decide(approve);
        assert_eq!(
            decided.unwrap().map(|decided| decided.customers as usize),
            expected,
            "customers decided on"
        );
        if expected.is_some() {
            count(if approve { "approved" } else { "discarded" });
            let seen = self.look();
            assert!(
                seen == self.oracle.picture,
                "after the decision: {}",
                difference(&seen, &self.oracle.picture)
            );
        }
    }

    /// A killed run repeats two requests at most: the page being committed and the one being fetched.
    fn check_repeats(&self, fetches: &[Fetch]) {
        if self.oracle.running().is_none() {
            return;
        }
        let first = fetches.iter().rposition(|fetch| fetch.asked.is_none());
        // After a rejected cursor another pass is begun; it may not have come to ask for anything.
        let rejected = fetches.iter().rposition(|fetch| {
            matches!(&fetch.got, Some(Err(error)) if error.kind == FailureKind::CursorRejected)
        });
        let begun = first.max(rejected.map(|at| at + 1)).unwrap_or(0);
        let asked: BTreeSet<_> = fetches[begun.min(fetches.len())..]
            .iter()
            .map(|fetch| fetch.asked.clone())
            .collect();
        let repeated = asked
            .iter()
            .filter(|asked| !self.oracle.walk.asked.contains(asked))
            .count();
        count(format!("requests to repeat: {repeated}"));
        if let Some((_, held)) = self.oracle.held() {
            count(
                format!("held beside a running pass: {held}")
                    .split(':')
                    .next()
                    .unwrap_or_default(),
            );
        }
        assert!(repeated <= 2, "{repeated} requests are to be repeated");
    }

    /// A complete pass saw what was listed, unless the server itself lost or spoiled rows.
    fn check_completeness(&self, walked: &Oracle, after: &Oracle) {
        let spoils = |fault: &String| {
            ["skip", "bad", "drift", "garbage", "cycle"]
                .iter()
                .any(|name| fault.contains(name))
        };
        let requests = self.simulator.requests();
        let mut since = requests
            .iter()
            .filter(|request| request.number > self.first_request);
        if since.any(|request| request.faults.iter().any(spoils)) || self.has_moved {
            count("complete, the server lost rows");
            return;
        }
        if let [listing] = self.listings.as_slice() {
            let values = |records: &[String]| -> BTreeSet<String> {
                records
                    .iter()
                    .map(|text| format!("{:?}", Tree::read(text)))
                    .collect()
            };
            let listed: Vec<String> = listing.iter().collect();
            assert_eq!(
                values(&walked.walk.records),
                values(&listed),
                "a complete pass saw what was listed; the requests: {}",
                requests_text(&requests, self.first_request)
            );
            count("complete, checked against the listing");
        } else {
            count("complete, checked against what was listed throughout");
        }
        let listed = self.listings.iter().map(world::ids);
        let throughout = listed
            .reduce(|a, b| a.intersection(&b).cloned().collect())
            .unwrap_or_default();
        let lost: Vec<_> = throughout.difference(&after.live()).cloned().collect();
        assert!(lost.is_empty(), "listed throughout, and not live: {lost:?}");
    }

    /// Everything works again: the mirror must come to hold what is listed.
    async fn last_days(&mut self) {
        let deletions = Deletions {
            confirm_passes: 2,
            max_percent: 100.0,
            always_allow: 0,
            purge_after: None,
        };
        self.simulator.clear_faults();
        let mut complete = 0;
        for _ in 0..12 {
            complete += u32::from(self.run(deletions.clone(), false, Interruption::None).await);
            if complete == 3 {
                break;
            }
        }
        assert_eq!(complete, 3, "passes without faults are complete");
        if self.oracle.held().is_some() {
            assert!(
                self.world.listing().iter().next().is_none(),
                "with these limits only an empty listing is held"
            );
            let decided = open(&self.path).approve_held_sweep(Utc::now()).unwrap();
            assert_eq!(
                decided.map(|decided| decided.customers as usize),
                self.oracle.decide(true)
            );
        }
        let seen = self.look();
        assert!(
            seen == self.oracle.picture,
            "at the end: {}",
            difference(&seen, &self.oracle.picture)
        );
        let listing = self.world.listing();
        if listing
            .iter()
            .all(|record| Tree::read(&record).id().is_some())
        {
            assert_eq!(
                self.oracle.live(),
                world::ids(&listing),
                "the mirror holds what is listed"
            );
            count("ended equal to the listing");
        }
        for request in self.simulator.requests() {
            for fault in &request.faults {
                count(format!(
                    "fault: {}",
                    fault
                        .split(['=', ',', '@', ' ', '*'])
                        .next()
                        .unwrap_or_default()
                ));
            }
            if request.answer == Answer::Pending {
                count("requests cut off");
            }
        }
    }

    /// Panics with what the mirror shows and what it should.
    fn explain(
        &self,
        seen: &Picture,
        states: &[run::State],
        interruption: Interruption,
        returned: Option<Expected>,
        fetches: &[Fetch],
    ) -> ! {
        let fitting = states
            .iter()
            .rev()
            .find(|state| returned.is_none() || state.end == returned);
        let nearest = (states.iter().rev())
            .find(|state| {
                let pages = |picture: &Picture| {
                    picture
                        .passes
                        .values()
                        .map(|pass| (pass.state.clone(), pass.pages))
                        .collect::<Vec<_>>()
                };
                pages(&state.oracle.picture) == pages(seen)
            })
            .or(fitting)
            .or(states.last())
            .unwrap();
        let fetches: Vec<String> = fetches
            .iter()
            .map(|fetch| match &fetch.got {
                None => "cut off".to_owned(),
                Some(Ok(page)) => format!("{} records, next {:?}", page.records.len(), page.next),
                Some(Err(error)) => format!("{:?}: {error}", error.kind),
            })
            .collect();
        panic!(
            "seed {}: after a run with {interruption:?}, which returned {returned:?}, the mirror is in no state that its commits leave. \
             Nearest: after {} (would return {:?}), of {:?}.\nFetched: {fetches:#?}\n{}",
            self.seed,
            nearest.after,
            nearest.end,
            states.iter().map(|state| &state.after).collect::<Vec<_>>(),
            difference(seen, &nearest.oracle.picture)
        );
    }
}

/// Opens the mirror as a new process does; waits for the last commit of one that was killed.
fn open(path: &Path) -> Mirror {
    for _ in 0..100 {
        match Mirror::open_or_create(path, SOURCE, "simulation") {
            Err(MirrorError::Locked { .. }) => {}
            opened => return opened.unwrap(),
        }
    }
    panic!("the lock is never released");
}

/// The checkpoint's age, and the age at which the server is known to reject cursors.
struct AgeLimit {
    limit_ms: Option<i64>,
    committed_at: Option<String>,
    before: customer_mirror::model::Timestamp,
}

impl AgeLimit {
    fn read(path: &Path) -> Self {
        let file = path.exists().then(|| file::open(path));
        let committed_at = file.as_ref().and_then(|file| {
            file.query_row(
                "SELECT committed_at FROM pass_pages ORDER BY page DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .ok()
        });
        Self {
            limit_ms: file
                .as_ref()
                .and_then(|file| file::meta(file, "cursor_rejected_at_age_ms")),
            committed_at,
            before: Utc::now(),
        }
    }

    /// Whether the run gave its checkpoint up for its age; checks that it did so if, and only if, it had to.
    fn was_given_up(&self, before: &Oracle, path: &Path) -> bool {
        let Some(pass_id) = before.running() else {
            return false;
        };
        let pass = &before.picture.passes[&pass_id];
        let sql = "SELECT ifnull(error LIKE 'its cursor is %', 0) AND state = 'abandoned', resumed FROM passes WHERE pass_id = ?1";
        let (given_up, resumed): (bool, i64) = file::open(path)
            .query_row(sql, [pass_id], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let age_ms = |now: customer_mirror::model::Timestamp| {
            let at = self.committed_at.as_deref().and_then(parse_timestamp);
            at.map(|at| (now - at).num_milliseconds())
        };
        let is_too_old = |now| {
            pass.next_cursor.is_some()
                && self
                    .limit_ms
                    .zip(age_ms(now))
                    .is_some_and(|(limit, age)| age >= limit)
        };
        if given_up {
            count("given up for its age");
            assert!(
                is_too_old(Utc::now()),
                "a checkpoint was given up for its age without need"
            );
        } else if resumed > pass.resumed {
            assert!(
                !is_too_old(self.before),
                "a checkpoint was tried that is too old"
            );
        }
        given_up
    }
}

fn requests_text(requests: &[customer_mirror::simulator::Request], first: u64) -> String {
    let requests = requests.iter().filter(|request| request.number > first);
    requests
        .map(|request| format!("\n{request}"))
        .collect::<Vec<_>>()
        .concat()
}

/// Where two pictures differ, a line each.
fn difference(seen: &Picture, expected: &Picture) -> String {
    let mut lines = Vec::new();
    let mut line = |what: String, seen: String, expected: String| {
        if seen != expected {
            lines.push(format!(
                "{what}\n  is        {seen}\n  should be {expected}"
            ));
        }
    };
    for id in seen
        .customers
        .keys()
        .chain(expected.customers.keys())
        .collect::<BTreeSet<_>>()
    {
        line(
            format!("customer {id}"),
            format!("{:?}", seen.customers.get(id)),
            format!("{:?}", expected.customers.get(id)),
        );
    }
    for index in 0..seen.changes.len().max(expected.changes.len()) {
        line(
            format!("change {index}"),
            format!("{:?}", seen.changes.get(index)),
            format!("{:?}", expected.changes.get(index)),
        );
    }
    for id in seen
        .passes
        .keys()
        .chain(expected.passes.keys())
        .collect::<BTreeSet<_>>()
    {
        line(
            format!("pass {id}"),
            format!("{:?}", seen.passes.get(id)),
            format!("{:?}", expected.passes.get(id)),
        );
    }
    for raw in seen
        .quarantine
        .keys()
        .chain(expected.quarantine.keys())
        .collect::<BTreeSet<_>>()
    {
        line(
            format!("quarantined {raw}"),
            format!("{:?}", seen.quarantine.get(raw)),
            format!("{:?}", expected.quarantine.get(raw)),
        );
    }
    line(
        "chain".to_owned(),
        format!("{:?}", seen.chain),
        format!("{:?}", expected.chain),
    );
    lines.truncate(20);
    lines.join("\n")
}
