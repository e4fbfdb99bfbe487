//! `demo`: everything the program is for, shown on a simulated API and a real mirror in a temporary folder.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::output::count;
use super::progress::{Display, print_above};
use super::{Exit, Failure};
use crate::clock::Clock;
use crate::config::{ApiKey, Config, Environment};
use crate::mirror::{Mirror, Reader};
use crate::model::PassReport;
use crate::pass::{self, Rules, SharedMirror};
use crate::simulator::{Fault, Listing, Options, Simulator, WaitHint};
use crate::source::HttpSource;
use crate::status::{Phase, Progress, Publisher};

const CUSTOMERS: u64 = 20_000;
const PAGE_SIZE: u64 = 500;
const KEY: &str = "demo-key";
/// The request in whose midst the first pass is killed: about halfway.
const KILLED_AT_REQUEST: u64 = 21;
/// Slow enough to watch.
const PAGE_LATENCY: Duration = Duration::from_millis(250);

/// How much of a wait's reason fits a line.
const REASON_COLUMNS: usize = 60;

/// Watch it work: a simulated API, a real mirror, no configuration
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Needs no network but loopback, and about 20 seconds. The mirror is kept for you to look at; its path is printed.

Example:
  customer-mirror demo --keep-serving")]
pub(super) struct Arguments {
    /// Leave the simulated API up at the end, until Ctrl-C
    #[arg(long)]
    keep_serving: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let mut demo = Demo::prepare().await?;
    demo.first_pass_and_kill().await?;
    demo.resume().await?;
    demo.day_two().await?;
    demo.mass_deletion().await?;
    demo.ask_offline().await?;
    demo.farewell(arguments.keep_serving).await
}

struct Demo {
    simulator: Simulator,
    folder: PathBuf,
    config_file: PathBuf,
    config: Config,
    chapter: u32,
}

impl Demo {
    async fn prepare() -> Result<Self, Failure> {
        let options = Options {
            key: KEY.to_owned(),
            listing: Listing::seeded(2026, CUSTOMERS),
            faults: vec![Fault::Latency(PAGE_LATENCY).always()],
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.map_err(|error| {
            Failure::new(Exit::Bug, format!("can't start the simulated API: {error}"))
        })?;
        let folder = temporary_folder().map_err(|error| {
            Failure::new(
                Exit::CantCreate,
                format!("can't make a temporary folder: {error}; set TMPDIR to one"),
            )
        })?;
        let config_file = folder.join("config.toml");
        write_config(&folder, &config_file, &simulator.base_url()).map_err(|error| {
            Failure::new(
                Exit::CantCreate,
                format!("{}: {error}", config_file.display()),
            )
        })?;
        let config = Config::load(Some(&config_file), &Environment::default())?;
        say(&format!("{}\n", bold("customer-mirror demo")))?;
        say(&format!(
            "  API     {} (simulated, {} customers)",
            simulator.base_url(),
            count(CUSTOMERS as i64)
        ))?;
        say(&format!("  mirror  {}", config.mirror.path.display()))?;
        Ok(Self {
            simulator,
            folder,
            config_file,
            config,
            chapter: 0,
        })
    }

    fn chapter(&mut self, title: &str) -> Result<(), Failure> {
        self.chapter += 1;
        say(&format!(
            "\n{}",
            bold(&format!("{}. {title}", self.chapter))
        ))
    }

    /// A real process is killed while a page is being fetched and another one committed.
    async fn first_pass_and_kill(&mut self) -> Result<(), Failure> {
        self.chapter("The first pass is killed (kill -9) in mid-walk")?;
        self.simulator.push_fault(
            Fault::Status {
                status: 503,
                wait: None,
            }
            .on_page(4),
        );
        self.simulator.hold_request(KILLED_AT_REQUEST);
        let mut child = self
            .command(&["sync"])
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| cannot_run(&error))?;
        tokio::select! {
            () = self.simulator.wait_for_requests(KILLED_AT_REQUEST) => {}
            ended = child.wait() => {
                return Err(Failure::new(Exit::Bug, format!("the first pass ended early: {ended:?}")));
            }
        }
        kill(&mut child).await?;
        self.simulator.release();
        let status = Reader::open(&self.config.mirror.path)?.status()?;
        let pages = status.running_pass.map_or(0, |pass| pass.pages);
        say(&format!(
            "   {} requests answered, then: Killed.",
            self.simulator.request_count().saturating_sub(1)
        ))?;
        say(&format!(
            "   In the mirror: {} customers of {pages} whole pages, and the cursor\n   of page {}, committed with them.",
            count(status.mirror.live),
            pages + 1
        ))
    }

    async fn resume(&mut self) -> Result<(), Failure> {
        self.chapter("The next pass goes on from there, while the API has a bad day")?;
        for (fault, page) in [
            (
                Fault::Status {
                    status: 429,
                    wait: Some(WaitHint::RetryAfter(1)),
                },
                24,
            ),
            (Fault::Html { status: 502 }, 28),
            (Fault::Truncate, 32),
            (Fault::Reset, 36),
        ] {
            self.simulator.push_fault(fault.on_page(page));
        }
        let before: BTreeSet<u64> = self
            .simulator
            .requests()
            .iter()
            .filter_map(|request| request.page)
            .collect();
        let answered = self.simulator.requests().len();
        let report = self.sync().await?;
        let after: BTreeSet<u64> = self
            .simulator
            .requests()
            .iter()
            .skip(answered)
            .filter_map(|request| request.page)
            .collect();
        say(&done(&report))?;
        say(&format!(
            "   Requests made twice because of the kill: {} (never more than 2).",
            before.intersection(&after).count()
        ))?;
        self.compare()
    }

    async fn day_two(&mut self) -> Result<(), Failure> {
        self.chapter("A day later: what changed?")?;
        self.simulator.clear_faults();
        self.simulator.set_day(2);
        let report = self.sync().await?;
        say(&done(&report))?;
        say(
            "   Customers that are not listed any more are not believed gone yet:\n   that takes two complete passes. The second one:",
        )?;
        let report = self.sync().await?;
        say(&done(&report))?;
        self.compare()?;
        self.show(&[
            "query",
            "
      SELECT kind, count(*) AS customers, max(changed_fields) AS for_example
      FROM customer_changes WHERE pass_id > 1 GROUP BY kind",
        ])
        .await
    }

    async fn mass_deletion(&mut self) -> Result<(), Failure> {
        self.chapter("Upstream, a third of the customers vanishes: an outage, or the truth?")?;
        let remaining: Vec<String> = self
            .simulator
            .listing()
            .iter()
            .enumerate()
            .filter(|(index, _)| index % 3 != 0)
            .map(|(_, raw)| raw)
            .collect();
        self.simulator.set_listing(Listing::explicit(remaining));
        self.sync().await?;
        let report = self.sync().await?;
        let held = Reader::open(&self.config.mirror.path)?
            .held_sweep()?
            .map_or(0, |held| held.customers);
        say(&format!(
            "   Pass {} is complete, but its sweep is {}: deleted {},\n   held {} until somebody decides. It was the truth, so:",
            report.pass_id,
            bold("held"),
            count(report.deleted),
            count(held)
        ))?;
        self.show(&["deletions", "approve"]).await?;
        self.compare()
    }

    async fn ask_offline(&mut self) -> Result<(), Failure> {
        self.chapter("The mirror is plain SQLite: ask it anything, offline")?;
        self.show(&[
            "query",
            "
      SELECT billing_address_country AS country, count(*) AS customers,
             sum(billing_auto_pay) AS auto_pay
      FROM live_customers GROUP BY 1 ORDER BY 2 DESC LIMIT 5",
        ])
        .await?;
        self.show(&["status"]).await
    }

    async fn farewell(self, keep_serving: bool) -> Result<Exit, Failure> {
        say(&format!(
            "\n{}",
            bold("With a real API, the next three commands are:")
        ))?;
        say(
            "   export CUSTOMER_MIRROR__API__BASE_URL=https://… CUSTOMER_MIRROR__API__KEY=… \\\n          CUSTOMER_MIRROR__MIRROR__PATH=./customers.db",
        )?;
        say("   customer-mirror sync --dry-run")?;
        say("   customer-mirror sync")?;
        say(&format!(
            "\nThe demo's mirror stays in {} (rm -r it).",
            self.folder.display()
        ))?;
        if keep_serving {
            say(&format!(
                "The simulated API stays up at {}; in another terminal:\n   customer-mirror --config {} sync\nCtrl-C ends it.",
                self.simulator.base_url(),
                self.config_file.display()
            ))?;
            tokio::signal::ctrl_c().await?;
        }
        self.simulator.stop().await;
        Ok(Exit::Done)
    }

    /// One pass by the library, the same that `sync` makes.
    async fn sync(&self) -> Result<PassReport, Failure> {
        let api = self.config.require_api()?;
        let key = ApiKey::load(api, &Environment::default())?;
        let mut source = HttpSource::new(api, &self.config.retry, &key.key)
            .map_err(|error| Failure::new(Exit::Config, error.to_string()))?;
        let mirror = Mirror::open_or_create(
            &self.config.mirror.path,
            &api.source_fingerprint(),
            "customer-mirror demo",
        )?;
        let rules = Rules {
            deletions: self.config.deletions.clone(),
            changes: self.config.changes.clone(),
            restart: false,
            clock: Clock::system(),
        };
        let (publisher, progress) = Publisher::new();
        let (_stop_sender, stop) = watch::channel(false);
        let waits = tokio::spawn(tell_waits(progress.clone()));
        let display = Display::start(progress, false);
        let outcome = pass::run(
            &mut source,
            &SharedMirror::new(mirror),
            &rules,
            &publisher,
            stop,
        )
        .await;
        drop(display);
        waits.abort();
        Ok(outcome?.report)
    }

    /// Compares every customer of the API with the mirror, text by text.
    fn compare(&self) -> Result<(), Failure> {
        let reader = Reader::open(&self.config.mirror.path)?;
        let sorted = |error| Failure::from(reader.sorted(error));
        let mut find = reader
            .connection()
            .prepare("SELECT 1 FROM live_customers WHERE customer_id = json_extract(?1, '$.customerId') AND raw = ?1")
            .map_err(sorted)?;
        let (mut listed, mut equal) = (0_i64, 0_i64);
        for raw in self.simulator.listing().iter() {
            listed += 1;
            equal += i64::from(find.exists([&raw]).map_err(sorted)?);
        }
        let live = reader.status()?.mirror.live;
        if live != listed || equal != listed {
            return Err(Failure::new(
                Exit::Bug,
                format!(
                    "the mirror differs from the API: {listed} listed, {live} live, {equal} equal"
                ),
            ));
        }
        let green = Style::new().fg_color(Some(AnsiColor::Green.into())).bold();
        say(&format!(
            "   {green}✓{green:#} compared one by one: the mirror holds all {} customers, text for text.",
            count(listed)
        ))
    }

    /// Shows a command as it would be typed, and what it prints.
    async fn show(&self, arguments: &[&str]) -> Result<(), Failure> {
        let typed: Vec<String> = arguments
            .iter()
            .map(|argument| {
                if argument.contains(' ') {
                    format!("\"{argument}\"")
                } else {
                    (*argument).to_owned()
                }
            })
            .collect();
        let dim = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
        say(&format!(
            "\n   {dim}$ customer-mirror {}{dim:#}",
            typed.join(" ")
        ))?;
        let mut command = self.command(arguments);
        if arguments.first() == Some(&"query") {
            command.args(["--format", "table"]);
        }
        command
            .status()
            .await
            .map(drop)
            .map_err(|error| cannot_run(&error))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("customer-mirror"));
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("CUSTOMER_MIRROR"))
        {
            command.env_remove(name);
        }
        command
            .env_remove("CREDENTIALS_DIRECTORY")
            .arg("--config")
            .arg(&self.config_file)
            .args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

async fn kill(child: &mut Child) -> Result<(), Failure> {
    child
        .kill()
        .await
        .map_err(|error| Failure::new(Exit::Bug, format!("can't kill the first pass: {error}")))
}

/// Says each wait as it begins: that is what a bad day looks like.
async fn tell_waits(mut progress: watch::Receiver<Progress>) {
    let mut told = None;
    while progress.changed().await.is_ok() {
        let now = progress.borrow_and_update().clone();
        if let Phase::Waiting(wait) = now.phase
            && told != Some(wait.until)
        {
            let reason: String = wait.reason.chars().take(REASON_COLUMNS).collect();
            let cut = if reason.len() < wait.reason.len() {
                "…"
            } else {
                ""
            };
            print_above(&format!("   trying again: {reason}{cut}"));
            told = Some(wait.until);
        }
    }
}

fn done(report: &PassReport) -> String {
    format!(
        "   Pass {} {}, {} retries: created {}, updated {},\n   unchanged {}, deleted {}.",
        report.pass_id,
        report.state.as_str(),
        count(report.retries),
        count(report.created),
        count(report.updated),
        count(report.unchanged),
        count(report.deleted)
    )
}

fn temporary_folder() -> std::io::Result<PathBuf> {
    Ok(tempfile::Builder::new()
        .prefix("customer-mirror-demo-")
        .tempdir()?
        .keep())
}

fn write_config(folder: &Path, file: &Path, base_url: &str) -> std::io::Result<()> {
    let key_file = folder.join("api-key");
    std::fs::write(&key_file, KEY)?;
    std::fs::set_permissions(&key_file, PermissionsExt::from_mode(0o600))?;
    let text = format!(
        "[api]\nbase_url = {base_url:?}\nkey_file = {:?}\npage_size = {PAGE_SIZE}\n\n[retry]\ninitial_delay = \"200ms\"\n\n\
         [mirror]\npath = {:?}\n\n[log]\nlevel = \"error\"\n",
        key_file.display().to_string(),
        folder.join("customers.db").display().to_string()
    );
    std::fs::write(file, text)
}

fn cannot_run(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Bug, format!("can't run this program again: {error}"))
}

fn bold(text: &str) -> String {
    let bold = Style::new().bold();
    format!("{bold}{text}{bold:#}")
}

fn say(text: &str) -> Result<(), Failure> {
    writeln!(anstream::stdout(), "{text}").map_err(|error| Failure::output(&error))
}
