//! A server that means harm, or has gone mad: whatever it says, the pass ends in bounded time and memory with the right status and a
//! message that tells what happened, the checkpoint is kept, and once the server is well the mirror equals it.
//!
//! The simulator has the troubles of real APIs (`faults`); here are those that no HTTP library would make.

mod answers;
mod bombs;
mod front;
mod http2;
mod storm;
mod tls;

use customer_mirror::simulator::Listing;

use crate::support::{Bench, KEY, Run, Running, quoted};
pub(crate) use front::{Front, Trick};

/// The program at rest needs a tenth of it; what a hostile answer may cost on top is in proportion to `api.max_response_bytes`, which is
/// small in these tests.
const MEMORY_KIB_MAX: u64 = 200 * 1024;

/// A program, and a front between it and its server.
struct Siege {
    bench: Bench,
    front: Front,
}

impl Siege {
    async fn of(listing: Listing) -> Self {
        let mut bench = Bench::of(listing).await;
        let front = Front::before(bench.sim.address()).await;
        bench.set(
            "api.base_url",
            &quoted(&format!("http://{}", front.address)),
        );
        Self { bench, front }
    }

    /// A mirror of five pages of which two are there, and short patience.
    async fn of_two_pages() -> Self {
        let mut siege = Self::of(Listing::seeded(11, 45)).await;
        siege.bench.set("api.max_response_bytes", "100000");
        siege.bench.sync_stopped_at_request(3).await;
        siege.bench.set("retry.max_elapsed", "\"300ms\"");
        siege
    }

    /// A pass under a trick that lasts: how it ends, with its peak of memory.
    async fn endures(&self, trick: Trick) -> (Run, u64) {
        self.front.turns(trick);
        let result = watched(self.bench.spawn(&["-q", "sync", "--json"])).await;
        self.front.heals();
        result
    }

    /// The next pass goes on, ends well, and has everything.
    async fn recovers(&mut self) {
        self.bench.set("api.request_timeout", "\"30s\"");
        self.bench.set("retry.max_elapsed", "\"30s\"");
        let report = self.bench.synced().await;
        assert_eq!(report["pass_id"], 1, "{report}");
        self.bench.assert_mirrors();
    }
}

/// How a program ends, and the most memory that it had, in KiB.
async fn watched(running: Running) -> (Run, u64) {
    let status = format!("/proc/{}/status", running.pid());
    let peak = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let seen = std::sync::Arc::clone(&peak);
    // Until it is gone, and there is nothing to read.
    let watch = tokio::spawn(async move {
        while let Ok(text) = tokio::fs::read_to_string(&status).await {
            let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = high.and_then(|high| high.trim().trim_end_matches(" kB").parse().ok());
            seen.fetch_max(kib.unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    });
    let run = running.end().await;
    watch.abort();
    (run, peak.load(std::sync::atomic::Ordering::Relaxed))
}

/// For `--nocapture`: what docs/reliability.md tells is from here.
#[expect(clippy::print_stderr, reason = "it is for whoever asks for it")]
fn show(figures: &str) {
    eprintln!("{figures}");
}

fn say(text: &str) -> Trick {
    Trick::Say(text.as_bytes().to_vec())
}

fn flood(first: &str, again: &str) -> Trick {
    Trick::Flood(first.as_bytes().to_vec(), again.as_bytes().to_vec())
}

fn drip(first: &str, again: &str) -> Trick {
    Trick::Drip(first.as_bytes().to_vec(), again.as_bytes().to_vec())
}

const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Each trick, the exit status, and what the message says.
async fn each_has_its_end(request_timeout: &str, tricks: Vec<(&str, Trick, i32, &str)>) {
    let mut siege = Siege::of_two_pages().await;
    siege.bench.set("api.request_timeout", request_timeout);
    for (name, trick, status, said) in tricks {
        // Short only where it is what ends the pass, so that a slow machine changes nothing.
        let max_elapsed = if status == 76 { "\"1m\"" } else { "\"300ms\"" };
        siege.bench.set("retry.max_elapsed", max_elapsed);
        let (run, memory_kib) = siege.endures(trick).await;
        show(&format!("{name}: {memory_kib} KiB, {}", run.message()));
        run.exits(status)
            .says(&["GET ", "2 pages are kept", said])
            .says_nothing_else();
        assert!(memory_kib < MEMORY_KIB_MAX, "{name}: {memory_kib} KiB");
        let report = run.report();
        assert_eq!(
            (&report["state"], &report["pages"]),
            (&"running".into(), &2.into()),
            "{name}"
        );
        assert!(!run.stderr.contains(KEY), "{run:?}");
    }
    siege.recovers().await;
}
