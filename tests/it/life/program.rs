//! The program in its time: started, told things, killed, and started again.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use chrono::TimeDelta;
use customer_mirror::config::{Environment, Timing};
use customer_mirror::daemon::{Daemon, DaemonError, Request, Settings};
use customer_mirror::mirror::{Mirror, MirrorError};
use customer_mirror::model::{Timestamp, parse_timestamp};
use customer_mirror::pass::SharedMirror;
use customer_mirror::schedule::{Schedule, parse_timezone};
use customer_mirror::source::SetupError;
use customer_mirror::status::Publisher;
use customer_mirror::telemetry;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::server::{FakeSource, INITIAL_DELAY, MAX_DELAY, MAX_ELAPSED, Server};
use super::stage::{Stage, What};
use crate::support::quoted;

/// `[schedule]`.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) cron: &'static str,
    pub(super) zone: &'static str,
    pub(super) jitter: Duration,
    pub(super) run_on_start: bool,
}

/// A running program.
struct Running {
    task: JoinHandle<Result<(), DaemonError>>,
    requests: mpsc::Sender<Request>,
    /// It is killed when it has been polled so often.
    polls_left: Arc<AtomicU32>,
}

/// A program, its files, and the world it lives in.
pub(super) struct Life {
    pub(super) stage: Arc<Stage>,
    pub(super) plan: Plan,
    folder: TempDir,
    running: Option<Running>,
    pub(super) first_rule: Timing,
}

/// A moment of 2026.
pub(super) fn at(text: &str) -> Timestamp {
    parse_timestamp(&format!("2026-{text}Z")).unwrap()
}

impl Life {
    /// A server of 50 customers on three pages, and a program that has not been started. To be made in a paused runtime.
    pub(super) fn new(base: Timestamp, plan: Plan) -> Self {
        let server = Server {
            customers: (1..=50).map(|number| (number, 0)).collect(),
            page_len: 20,
            latency: Duration::from_millis(200),
            key: "first".to_owned(),
            faults: Vec::new(),
        };
        let zone = parse_timezone(plan.zone).unwrap();
        let when = Schedule::parse(plan.cron, zone, base).unwrap();
        let life = Self {
            stage: Stage::new(base, server),
            first_rule: Timing {
                when,
                jitter: plan.jitter,
                run_on_start: plan.run_on_start,
            },
            plan,
            folder: tempfile::tempdir().unwrap(),
            running: None,
        };
        life.write_key("first");
        life
    }

    /// The same in UTC, without jitter.
    pub(super) fn utc(base: &str, cron: &'static str) -> Self {
        let (zone, jitter, run_on_start) = ("UTC", Duration::ZERO, true);
        Self::new(
            at(base),
            Plan {
                cron,
                zone,
                jitter,
                run_on_start,
            },
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn db(&self) -> Connection {
        Connection::open(self.path("mirror.db")).unwrap()
    }

    pub(super) fn write_key(&self, key: &str) {
        let path = self.path("key");
        std::fs::write(&path, key).unwrap();
        self.stage.note(What::KeyFile(key.to_owned()));
    }

    fn write_config(&self) -> PathBuf {
        let Plan {
            cron,
            zone,
            jitter,
            run_on_start,
        } = &self.plan;
        let mut text = String::new();
        let mut set = |key: &str, value: &str| writeln!(text, "{key} = {value}").unwrap();
        let path = |name| quoted(self.path(name).to_str().unwrap());
        let duration = |duration: Duration| quoted(&format!("{}ms", duration.as_millis()));
        set("api.base_url", "\"https://api.example.com/v1\"");
        set("api.key_file", &path("key"));
        set("mirror.path", &path("mirror.db"));
        set("schedule.cron", &quoted(cron));
        set("schedule.timezone", &quoted(zone));
        set("schedule.jitter", &duration(*jitter));
        set("schedule.run_on_start", &run_on_start.to_string());
        set("retry.initial_delay", &duration(INITIAL_DELAY));
        set("retry.max_delay", &duration(MAX_DELAY));
        set("retry.max_elapsed", &duration(MAX_ELAPSED));
        set("deletions.confirm_passes", "1");
        set("deletions.max_percent", "100");
        let config = self.path("config.toml");
        std::fs::write(&config, text).unwrap();
        config
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::load(Some(&self.write_config()), &Environment::default()).unwrap()
    }

    /// Starts the program.
    pub(super) async fn start(&mut self) {
        let mirror = open(&self.path("mirror.db")).await;
        let holdings = mirror.holdings().unwrap();
        self.stage.note(What::Boot {
            as_of: holdings.complete_as_of,
            is_interrupted: mirror.pages_of_interrupted_pass().unwrap().is_some(),
            has_attempts: mirror.attempts().unwrap().is_some(),
        });
        let (stage, config) = (Arc::clone(&self.stage), self.path("config.toml"));
        let (sender, requests) = mpsc::channel(8);
        let daemon = Daemon {
            mirror: SharedMirror::new(mirror),
            settings: self.settings(),
            open: move |settings: &Settings, is_probe| {
                if stage.has_certificates() {
                    Ok(FakeSource::new(&stage, settings.key.key.expose(), is_probe))
                } else {
                    Err(SetupError::NoCertificates)
                }
            },
            load: move || Settings::load(Some(&config), &Environment::default()),
            requests,
            publisher: Publisher::new().0,
            timing: tokio::sync::watch::channel(self.settings().config.schedule).0,
            clock: self.stage.clock(),
            log: telemetry::Handle::default(),
        };
        let polls_left = Arc::new(AtomicU32::new(u32::MAX));
        let left = Arc::clone(&polls_left);
        let task = tokio::spawn(async move {
            let mut run = pin!(daemon.run());
            poll_fn(|context| {
                if left.fetch_sub(1, Ordering::Relaxed) <= 1 {
                    return Poll::Ready(Ok(()));
                }
                run.as_mut().poll(context)
            })
            .await
        });
        self.running = Some(Running {
            task,
            requests: sender,
            polls_left,
        });
    }

    /// Time passes.
    pub(super) async fn pass_time(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        self.look_after_it().await;
    }

    /// Time passes until the clock on the wall shows this.
    pub(super) async fn until(&mut self, wall: &str) {
        let left = at(wall) - self.stage.wall();
        self.pass_time(left.to_std().unwrap()).await;
    }

    /// A program that ended by itself has failed.
    async fn look_after_it(&mut self) {
        if let Some(running) = self.running.take_if(|running| running.task.is_finished()) {
            let ended = running.task.await.unwrap();
            panic!("the program ended: {ended:?}");
        }
    }

    /// kill -9.
    pub(super) async fn kill(&mut self) {
        let Running { task, .. } = self.running.take().unwrap();
        task.abort();
        match task.await {
            Ok(ended) => panic!("the program ended: {ended:?}"),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
        self.stage.note(What::Down);
    }

    /// kill -9 when so many more requests have been made, or when the time is over.
    pub(super) async fn kill_at_request(&mut self, number: u64, patience: Duration) {
        let count = self.stage.request_count() + number;
        let _ = tokio::time::timeout(patience, self.stage.wait_for_requests(count)).await;
        self.look_after_it().await;
        self.kill().await;
    }

    /// kill -9 when it has been polled so often, or when the time is over.
    pub(super) async fn kill_at_poll(&mut self, polls: u32, patience: Duration) {
        let Running {
            mut task,
            polls_left,
            requests: _requests,
        } = self.running.take().unwrap();
        polls_left.store(polls, Ordering::Relaxed);
        if let Ok(ended) = tokio::time::timeout(patience, &mut task).await {
            ended.unwrap().unwrap();
        } else {
            task.abort();
            let _ = task.await;
        }
        self.stage.note(What::Down);
    }

    /// SIGTERM.
    pub(super) async fn stop(&mut self) {
        self.tell(Request::Stop).await;
        let Running { task, .. } = self.running.take().unwrap();
        task.await.unwrap().unwrap();
        self.stage.note(What::Down);
    }

    async fn tell(&mut self, request: Request) {
        self.look_after_it().await;
        let running = self.running.as_ref().unwrap();
        running.requests.send(request).await.unwrap();
    }

    /// SIGUSR1.
    pub(super) async fn ask(&mut self) {
        self.stage.note(What::Asked);
        self.tell(Request::Pass).await;
    }

    /// SIGHUP.
    pub(super) async fn reload(&mut self) {
        let timing = self.settings().config.schedule;
        self.stage.note(What::Reload(Box::new(timing)));
        self.tell(Request::Reload).await;
    }

    pub(super) async fn restart_after(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        self.start().await;
    }

    pub(super) fn suspend(&self, minutes: i64) {
        self.stage.suspend(TimeDelta::minutes(minutes));
    }

    pub(super) fn set_clock(&self, minutes: i64) {
        self.stage.set_clock(TimeDelta::minutes(minutes));
    }
}

/// A killed program's last commit ends by itself, and gives the lock back.
async fn open(path: &std::path::Path) -> Mirror {
    for _ in 0..10_000 {
        match Mirror::open_or_create(path, "https://api.example.com/v1", "a test") {
            Err(MirrorError::Locked { .. }) => {
                tokio::task::spawn_blocking(std::thread::yield_now)
                    .await
                    .unwrap();
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("the lock is never released");
}
