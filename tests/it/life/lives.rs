//! Seeded lives: a schedule, a server and a list of events, drawn at random; then all gets well, and the mirror must too.

mod end;

use std::sync::Mutex;
use std::time::Duration;

use chrono::TimeDelta;
use customer_mirror::model::Timestamp;
use fastrand::Rng;

use super::program::{Life, Plan, at};
use super::server::{Fault, Server};
use crate::seeds;

const SEEDS_DEFAULT: u64 = 40;
/// Expressions with their periods in seconds.
const CRONS: [(&str, u64); 8] = [
    ("*/10 * * * * *", 10),
    ("* * * * *", 60),
    ("*/15 * * * *", 900),
    ("7,37 * * * *", 1800),
    ("@hourly", 3600),
    ("0 */6 * * *", 6 * 3600),
    ("30 2 * * *", 24 * 3600),
    ("0 9 * * 1-5", 72 * 3600),
];
/// Time zones, and days on which their clocks change.
const ZONES: [(&str, &[&str]); 6] = [
    ("UTC", &["03-10", "06-30"]),
    ("Europe/Stockholm", &["03-29", "10-25"]),
    ("America/New_York", &["03-08", "11-01"]),
    ("Australia/Lord_Howe", &["04-05", "10-04"]),
    ("Africa/Casablanca", &["02-15", "03-22"]),
    ("America/Santiago", &["04-05", "09-06"]),
];

#[test]
fn lives_are_lived_as_the_judge_says() {
    let tallies = Mutex::new([0u64; 4]);
    let seeds = seeds::play("LIFE", "life", SEEDS_DEFAULT, |seed| {
        let tally = live(seed);
        let mut tallies = tallies.lock().unwrap();
        for (sum, of_this) in tallies.iter_mut().zip(tally) {
            *sum += of_this;
        }
    });
    let [passes, complete, requests, hours] = *tallies.lock().unwrap();
    eprintln!(
        "lives {seeds:?}: {hours} hours, {passes} passes ({complete} complete), {requests} requests"
    );
}

fn live(seed: u64) -> [u64; 4] {
    // What the program draws comes from here too.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut drawn = Drawn::new(seed);
        drawn.live().await;
        let life = drawn.life;
        let tally = life.tally();
        let hours = life.stage.truth() - drawn.base;
        [
            tally.passes.into(),
            tally.complete.into(),
            tally.requests.into(),
            hours.num_hours().cast_unsigned(),
        ]
    })
}

/// A life that is made up as it goes.
struct Drawn {
    random: Rng,
    life: Life,
    base: Timestamp,
    period: Duration,
    /// Nothing keeps the server from answering after this, by its own clock.
    well_from: Timestamp,
    key_number: u32,
}

fn pick<T: Copy>(random: &mut Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

impl Drawn {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let (zone, days) = pick(&mut random, &ZONES);
        let (cron, period_s) = pick(&mut random, &CRONS);
        let period = Duration::from_secs(period_s);
        let jitter_s = pick(&mut random, &[0, 0, 5, 60, period_s / 2, period_s * 2]);
        let day = at(&format!("{}T00:00:00", pick(&mut random, days)));
        let base = day - TimeDelta::seconds(random.i64(0..36 * 3600));
        let plan = Plan {
            cron,
            zone,
            jitter: Duration::from_secs(jitter_s.min(24 * 3600)),
            run_on_start: random.u32(0..4) > 0,
        };
        let life = Life::new(base, plan);
        let latency_ms = pick(&mut random, &[20, 500, 5_000, 20_000]);
        life.stage.server(|server| {
            server.latency = Duration::from_millis(latency_ms);
            server.page_len = pick(&mut random, &[5, 20, 50]);
            server.customers = (1..=random.u32(1..15)).map(|number| (number, 0)).collect();
        });
        Self {
            random,
            life,
            base,
            period,
            well_from: base,
            key_number: 0,
        }
    }

    /// From seconds to so many hours, short ones more often.
    fn span(&mut self, hours_max: f64) -> Duration {
        let longest = (hours_max * 3600.0).ln();
        Duration::from_secs_f64((longest * self.random.f64()).exp())
    }

    async fn live(&mut self) {
        self.life.start().await;
        for _ in 0..self.random.u32(4..14) {
            // Some events fall together, in the middle of a pass or a backoff.
            let rest = if self.random.bool() {
                self.period.mul_f64(self.random.f64() * 6.0)
            } else {
                self.span(1.0)
            };
            self.life
                .pass_time(rest.min(Duration::from_secs(8 * 3600)))
                .await;
            self.event().await;
        }
        self.get_well().await;
    }

    async fn event(&mut self) {
        match self.random.u32(0..15) {
            0..3 => self.fault(),
            3 | 4 => {
                let by = TimeDelta::from_std(self.span(24.0)).unwrap();
                let by = if self.random.bool() { by } else { -by };
                self.life.stage.set_clock(by);
            }
            5 | 6 => {
                let time = TimeDelta::from_std(self.span(24.0)).unwrap();
                self.life.stage.suspend(time);
            }
            7 | 8 => {
                let number = self.random.u64(1..4);
                let patience = self.period;
                self.life.kill_at_request(number, patience).await;
                self.restart().await;
            }
            9 => {
                let polls = self.random.u32(1..60);
                let patience = self.period;
                self.life.kill_at_poll(polls, patience).await;
                self.restart().await;
            }
            10 => {
                self.life.stop().await;
                self.restart().await;
            }
            11 => self.life.ask().await,
            12 => self.reload().await,
            13 => self.other_key().await,
            _ => self
                .life
                .stage
                .server(|server| change(server, &mut self.random)),
        }
    }

    fn fault(&mut self) {
        let fault = pick(
            &mut self.random,
            &[Fault::Down, Fault::Down, Fault::Busy, Fault::Circle],
        );
        let from = self.life.stage.truth();
        let until = from + self.span(8.0);
        self.well_from = self.well_from.max(until);
        let server = |server: &mut Server| server.faults.push((from, until, fault));
        self.life.stage.server(server);
    }

    async fn restart(&mut self) {
        let down = self.span(2.0);
        self.life.restart_after(down).await;
    }

    async fn reload(&mut self) {
        let (cron, period_s) = pick(&mut self.random, &CRONS);
        self.life.plan.cron = cron;
        self.period = Duration::from_secs(period_s);
        self.life.reload().await;
    }

    /// The key is another one from now on; sooner or later somebody writes it into the file.
    async fn other_key(&mut self) {
        self.key_number += 1;
        let key = format!("key-{}", self.key_number);
        self.life.stage.server(|server| server.key.clone_from(&key));
        let late = self.span(4.0);
        self.life.pass_time(late).await;
        self.life.write_key(&key);
    }
}

/// Customers come, go and change.
fn change(server: &mut Server, random: &mut Rng) {
    for _ in 0..random.u32(1..5) {
        let number = random.u32(1..20);
        match random.u32(0..3) {
            0 if server.customers.len() > 1 => drop(server.customers.remove(&number)),
            _ => *server.customers.entry(number).or_default() += 1,
        }
    }
}
