//! The HTTP endpoint, asked byte by byte.

mod client;
mod damage;
mod gate;
mod health;
mod hostile;
mod load;
mod pages;

use std::path::PathBuf;

use client::{Reply, Where};

use crate::support::{Bench, Running, program};

/// `customer-mirror serve` under way.
struct Served {
    running: Running,
    at: Where,
}

impl Served {
    /// Serves a bench's mirror on a port that the system chooses.
    async fn start(bench: &Bench) -> Self {
        Self::start_with(bench, &["--listen", "127.0.0.1:0"]).await
    }

    async fn start_with(bench: &Bench, arguments: &[&str]) -> Self {
        let mut command = bench.command(&["serve"]);
        command.args(arguments);
        let mut running = Running::spawn(command);
        loop {
            let line = running.stderr_line().await;
            if let Some(address) = line.strip_prefix("serving at ") {
                let at = Where::parse(address.split(',').next().unwrap());
                return Self { running, at };
            }
        }
    }

    async fn get(&self, path: &str) -> Reply {
        self.at.get(path).await
    }

    async fn stop(self) {
        self.running.signal("TERM").await;
        self.running.end().await.exits(0);
    }
}

/// The daemon's socket in a bench's folder.
fn socket(bench: &Bench) -> PathBuf {
    bench.folder.path().join("http.sock")
}

impl Bench {
    /// Lets the daemon serve at [`socket`].
    fn served(&mut self) -> Where {
        let path = socket(self);
        let text = format!("unix:{}", path.display());
        self.set("http.listen", &crate::support::quoted(&text));
        Where::Unix(path)
    }
}

#[tokio::test]
async fn serve_needs_a_mirror_and_an_address() {
    let bench = Bench::of(crate::support::customers(1..=3)).await;
    bench.run(&["serve"]).await.exits(66).says(&["mirror.db"]);
    bench.synced().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = bench.run(&["serve", "--listen", &address]).await;
    run.exits(73).says(&[
        "can't listen on",
        &address,
        "somebody listens there already",
    ]);
    let run = bench.run(&["serve", "--listen", "9480"]).await;
    run.exits(64);
    let run = bench.run(&["serve", "--listen", "0.0.0.0:0"]).await;
    run.exits(78)
        .says(&["http.listen is http://0.0.0.0:0/", "there is no token"]);
    let help = program().args(["serve", "--help"]).output().await.unwrap();
    assert!(help.status.success());
}

#[tokio::test]
async fn the_daemon_does_not_start_without_its_address_or_token() {
    let mut bench = Bench::for_daemon(crate::support::customers(1..=3)).await;
    bench.set("http.listen", "\"0.0.0.0:0\"");
    bench
        .run(&["run"])
        .await
        .exits(78)
        .says(&["there is no token"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("\"{}\"", taken.local_addr().unwrap());
    bench.set("http.listen", &address);
    bench
        .run(&["run"])
        .await
        .exits(73)
        .says(&["can't listen on"]);
    // Nothing was asked of the API.
    assert_eq!(bench.sim.request_count(), 0);
}
