//! A daemon whose mirror is damaged: it says so wherever one looks, asks the server no more often than it would, and lives on.

use customer_mirror::simulator::Listing;

use super::client::Where;
use crate::recover::damage_page_of;
use crate::service::Service;
use crate::support::{Bench, quoted};

#[tokio::test]
async fn a_daemon_tells_of_damage_and_waits_for_the_next_due_time() {
    let mut bench = Bench::for_daemon(Listing::seeded(31, 200)).await;
    let address = format!("unix:{}", bench.folder.path().join("http.sock").display());
    bench.set("http.listen", &quoted(&address));
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    let endpoint = Where::parse(&address);
    endpoint.get("/readyz").await.is(200);

    // Written to by SQLite meanwhile, it is the same file.
    let modified = std::fs::metadata(bench.db_path())
        .unwrap()
        .modified()
        .unwrap();
    damage_page_of(&bench, "customer_state");
    let file = std::fs::File::options()
        .write(true)
        .open(bench.db_path())
        .unwrap();
    file.set_modified(modified).unwrap();
    let requests = bench.sim.request_count();
    service.fails_a_pass().await;
    assert!(service.status.contains("damaged"), "{}", service.status);
    // As many as a pass makes.
    assert!(bench.sim.request_count() <= requests + 20);
    let ready = endpoint.get("/readyz").await;
    ready.is(503);
    assert!(
        ready.body.contains("customer-mirror recover"),
        "{}",
        ready.body
    );
    assert!(
        endpoint
            .get("/metrics")
            .await
            .body
            .contains("customer_mirror_damaged 1\n")
    );
    let status = bench.run(&["status"]).await;
    status.exits(0);
    assert!(
        status
            .stdout
            .contains("the daemon tries again at the next due time"),
        "{status:?}"
    );
    let log = service.stop().await.stderr;
    assert!(log.contains("it takes an operator"), "{log}");

    bench.run(&["recover"]).await.exits(0);
    let service = Service::start(&bench).await;
    service.makes_a_pass(&bench).await;
    service.stop().await;
    bench.assert_mirrors();
}
