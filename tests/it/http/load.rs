//! Many and slow clients.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Served;
use crate::service::Service;
use crate::support::{Bench, customers};

/// More than there are places for connections.
const CROWD: usize = 100;

#[tokio::test]
async fn clients_that_never_finish_their_request_stop_neither_the_pass_nor_the_others() {
    let mut bench = Bench::for_daemon(customers(1..=200)).await;
    let at = bench.served();
    bench.sim.hold_request(2);
    let mut service = Service::start(&bench).await;
    bench.sim.wait_for_requests(2).await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut stream = at.connect().await;
        stream.write_all(b"GET / HT").await.unwrap();
        crowd.push(stream);
    }
    bench.sim.release();
    service.is_idle().await;
    bench.assert_mirrors();
    // They are sent away after a while, and whoever waited behind them gets an answer.
    at.get("/healthz").await.is(200);
    service.stop().await;
}

#[tokio::test]
async fn clients_that_never_read_their_answers_hold_no_snapshot() {
    let bench = Bench::of(customers(1..=200)).await;
    bench.synced().await;
    let served = Served::start(&bench).await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        let mut stream = served.at.connect().await;
        for _ in 0..5 {
            let request = b"GET /customers HTTP/1.1\r\nHost: localhost\r\n\r\n";
            stream.write_all(request).await.unwrap();
        }
        let mut first = [0; 1];
        stream.read_exact(&mut first).await.unwrap();
        crowd.push(stream);
    }
    bench.sim.set_listing(customers(1..=210));
    bench.synced().await;
    // No reader is in the way of a checkpoint.
    let busy: i64 = bench
        .db_to_write()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0);
    drop(crowd);
    served.stop().await;
}

#[tokio::test]
async fn too_many_requests_are_told_to_wait_and_health_still_answers() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let served = Served::start(&bench).await;
    let mut refused = None;
    while refused.is_none() {
        let reply = served.get("/api/status").await;
        refused = (reply.status == 429).then_some(reply);
    }
    assert_eq!(refused.unwrap().header("retry-after").as_deref(), Some("1"));
    served.get("/healthz").await.is(200);
    served.stop().await;
}

#[tokio::test]
async fn nonsense_does_no_harm() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let served = Served::start(&bench).await;
    let long = "x".repeat(100_000);
    for request in [
        "\0\0\0\0\r\n\r\n".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
        "GET /%00%ff%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let mut stream = served.at.connect().await;
        // It may hang up before all is said.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("root:"), "{answer}");
        served.get("/healthz").await.is(200);
    }
    served.stop().await;
}
