//! Promise 10: the key goes to the configured server, in its header, and nowhere else.

mod echo;
mod process;
mod traces;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use customer_mirror::simulator::{Fault, Listing};
use rstest::rstest;

use crate::support::{Bench, KEY, Run, Running, bytes};

/// Fails if the key is in what the program said, or in any file of the folder but the one that it is read from.
#[track_caller]
fn assert_key_is_nowhere(bench: &Bench, run: Option<&Run>) {
    assert_is_nowhere(bench, run, KEY);
}

#[track_caller]
fn assert_is_nowhere(bench: &Bench, run: Option<&Run>, key: &str) {
    for said in run.iter().flat_map(|run| [&run.stdout, &run.stderr]) {
        let found = traces::of(key, said.as_bytes());
        assert!(found.is_empty(), "{found:?}: {said}");
    }
    let mut files = 0;
    for entry in std::fs::read_dir(bench.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("key") {
            continue;
        }
        files += 1;
        if path.is_dir() {
            continue;
        }
        let found = traces::of(key, &bytes(&path));
        assert!(
            found.is_empty(),
            "the key is in {}: {found:?}",
            path.display()
        );
    }
    assert!(files >= 3, "mirror, lock and configuration should be there");
}

/// A listener that nobody may connect to.
struct Elsewhere(TcpListener);

impl Elsewhere {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    #[track_caller]
    fn assert_nobody_came(&self) {
        assert_eq!(self.0.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[rstest]
#[case::from_the_environment(false)]
#[case::from_a_file(true)]
#[tokio::test]
async fn the_key_is_nowhere(#[case] from_file: bool) {
    let mut bench = Bench::of(Listing::seeded(17, 50)).await;
    if from_file {
        let path = bench.folder.path().join("key");
        std::fs::write(&path, format!("{KEY}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        bench.set("api.key_file", &format!("{path:?}"));
    }
    let command = |arguments: &[&str]| {
        let mut command = bench.command(arguments);
        if from_file {
            command.env_remove("CUSTOMER_MIRROR__API__KEY");
        }
        Running::spawn(command)
    };
    // Killed, so that the log of the mirror (-wal) is there to be looked into.
    bench.sim.hold_request(3);
    let running = command(&["-vv", "sync"]);
    bench.sim.wait_for_requests(3).await;
    running.kill().await;
    bench.sim.release();
    assert!(bench.folder.path().join("mirror.db-wal").exists());
    assert_key_is_nowhere(&bench, None);

    bench.sim.push_fault(Fault::EchoKey.once());
    let run = command(&["-vv", "sync", "--json"]).end().await;
    run.exits(77).says(&["The key [key] is not known"]);
    assert!(
        bench
            .one::<String>("SELECT error FROM passes")
            .contains("[key]")
    );
    assert_key_is_nowhere(&bench, Some(&run));

    bench.sim.push_fault(Fault::Reset.once());
    let run = command(&["-vv", "sync"]).end().await;
    assert_key_is_nowhere(&bench, Some(run.exits(0)));
    bench.assert_mirrors();
}

#[rstest]
#[case::in_the_json_log("json")]
#[case::in_the_text_log("text")]
#[tokio::test]
async fn the_key_is_not_logged(#[case] format: &str) {
    let mut bench = Bench::of(Listing::seeded(17, 20)).await;
    bench
        .set("log.format", &format!("{format:?}"))
        .set("log.level", "\"trace\"");
    bench.sim.push_fault(
        Fault::Status {
            status: 500,
            wait: None,
        }
        .once(),
    );
    let run = bench.run(&["sync"]).await;
    assert!(run.exits(0).stderr.contains("page committed"), "{run:?}");
    assert_key_is_nowhere(&bench, Some(&run));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let bench = Bench::of(Listing::seeded(17, 20)).await;
    let elsewhere = Elsewhere::listen();
    let to = format!("{}/customers", elsewhere.url());
    bench.sim.push_fault(Fault::Redirect { to });
    bench
        .sync()
        .await
        .exits(76)
        .says(&["redirect", "api.base_url"]);
    assert_eq!(bench.sim.request_count(), 1);
    elsewhere.assert_nobody_came();
}

#[tokio::test]
async fn plain_http_does_not_go_through_a_proxy() {
    let bench = Bench::of(Listing::seeded(17, 20)).await;
    let proxy = Elsewhere::listen();
    let mut command = bench.command(&["sync"]);
    for variable in [
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "https_proxy",
    ] {
        command.env(variable, proxy.url());
    }
    Running::spawn(command).end().await.exits(0);
    proxy.assert_nobody_came();
    bench.assert_mirrors();
}

#[rstest]
#[case("http://192.0.2.1/v1")]
#[case("http://api.example.com")]
#[case("http://127.0.0.1.example.com/")]
#[case("http://localhost.example.com/")]
#[tokio::test]
async fn plain_http_is_for_loopback_only(#[case] base_url: &str) {
    let mut bench = Bench::of(Listing::seeded(17, 20)).await;
    bench.set("api.base_url", &format!("{base_url:?}"));
    let run = bench.run(&["sync"]).await;
    run.exits(78)
        .says(&["api.base_url", "https://"])
        .says_nothing_else();
    assert!(!bench.db_path().exists());
}

#[rstest]
#[case("api.key")]
#[case("api.api_key")]
#[case("api.token")]
#[tokio::test]
async fn a_key_in_the_file_is_refused_and_not_shown(#[case] name: &str) {
    let mut bench = Bench::of(Listing::seeded(17, 20)).await;
    bench.set(name, &format!("{KEY:?}"));
    let run = bench.run(&["-vv", "sync"]).await;
    run.exits(78)
        .says(&["config.toml", name, "key_file"])
        .says_nothing_else();
    assert!(
        !run.stderr.contains(KEY) && !run.stdout.contains(KEY),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_broken_line_with_the_key_is_not_shown() {
    let bench = Bench::of(Listing::seeded(17, 20)).await;
    let command = bench.command(&["sync"]);
    std::fs::write(bench.config_path(), format!("[api]\nkey = {KEY}\n")).unwrap();
    let run = Running::spawn(command).end().await;
    run.exits(78).says(&["config.toml"]);
    assert!(!run.stderr.contains(KEY), "{run:?}");
}
