//! The process itself: what the kernel shows of it to others, and what is left of it when it dies.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use customer_mirror::simulator::Listing;

use super::{assert_is_nowhere, traces};
use crate::support::{Bench, KEY, Running, after_shell, bytes, quoted};

/// A bench with the key in a file, and a pass that waits for its third page.
async fn waiting(shell: &str) -> (Bench, Running) {
    let mut bench = Bench::of(Listing::seeded(17, 50)).await;
    let path = bench.folder.path().join("key");
    std::fs::write(&path, format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    bench.set("api.key_file", &quoted(path.to_str().unwrap()));
    bench.sim.hold_request(3);
    let mut command = bench.command(&["-vv", "sync"]);
    command.env_remove("CUSTOMER_MIRROR__API__KEY");
    let mut command = after_shell(shell, &command);
    command.current_dir(bench.folder.path());
    let running = Running::spawn(command);
    bench.sim.wait_for_requests(3).await;
    (bench, running)
}

#[tokio::test]
async fn neither_arguments_nor_environment_have_the_key() {
    let (bench, running) = waiting(":").await;
    let proc = Path::new("/proc").join(running.pid().to_string());
    if proc.exists() {
        assert!(traces::of(KEY, &bytes(&proc.join("cmdline"))).is_empty());
        // To others of its user it is closed, as it would be to root's files.
        match std::fs::read(proc.join("environ")) {
            Ok(environment) => assert!(traces::of(KEY, &environment).is_empty()),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
        }
        let ours = rustix::process::geteuid().as_raw();
        let environment = std::fs::metadata(proc.join("environ")).unwrap();
        assert!(
            ours == 0 || environment.uid() != ours,
            "others can look into it"
        );
    }
    bench.sim.release();
    running.end().await.exits(0);
}

#[tokio::test]
async fn a_crash_leaves_no_dump() {
    for signal in ["ABRT", "QUIT"] {
        let (bench, running) = waiting("ulimit -c unlimited 2>/dev/null").await;
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.pid()));
        if let Ok(limits) = limits {
            let core = limits
                .lines()
                .find(|line| line.starts_with("Max core file size"));
            let words: Vec<&str> = core.unwrap().split_whitespace().collect();
            assert_eq!(words[4..6], ["0", "0"], "{core:?}");
        }
        running.signal(signal).await;
        let _ = running.end().await;
        assert_is_nowhere(&bench, None, KEY);
        let names = std::fs::read_dir(bench.folder.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert!(
            !names
                .iter()
                .any(|name| name.to_string_lossy().starts_with("core")),
            "{names:?}"
        );
        bench.sim.release();
        // And nothing is lost by it.
        bench.synced().await;
        bench.assert_mirrors();
    }
}
