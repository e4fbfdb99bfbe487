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

mod between;
mod file;
mod fuzz;
mod judge;
mod oracle;
mod properties;
mod regressions;
mod run;
mod value;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::Utc;
use customer_mirror::clock::Clock;
use customer_mirror::config::{Api, ApiKey, Changes, Deletions, Parameters, Retry};
use customer_mirror::mirror::{Mirror, MirrorError, Reader};
use customer_mirror::model::{PageSize, parse_timestamp};
use customer_mirror::pass::{Resume, Rules, SharedMirror};
use customer_mirror::simulator::{Answer, LastPage, Listing, Options, Simulator};
use customer_mirror::source::{FailureKind, HttpSource};
use fastrand::Rng;
use tempfile::TempDir;

use judge::AgeLimit;
use oracle::{Oracle, Picture};
use run::{Disk, Ended, Expected, Fetch, Interruption, Recorder};
use value::Tree;
use world::{KEY, RESPONSE_BYTES_MAX, World, pick};

use crate::seeds;

const SEEDS_DEFAULT: u64 = 60;
const SOURCE: &str = "https://api.example.com/v1";

/// What was drawn how often, over all histories.
static DRAWN: Mutex<BTreeMap<String, u64>> = Mutex::new(BTreeMap::new());

fn count(what: impl Into<String>) {
    *DRAWN.lock().unwrap().entry(what.into()).or_default() += 1;
}

#[test]
fn histories_end_as_the_oracle_says() {
    let seeds = seeds::play("SIM", "sim", SEEDS_DEFAULT, live_through);
    eprintln!("histories {seeds:?}, with {:#?}", DRAWN.lock().unwrap());
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
            resume: if restart { Resume::No } else { Resume::Yes },
            clock: Clock::system(),
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
