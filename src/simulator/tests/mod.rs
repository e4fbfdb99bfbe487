//! The simulator as a client sees it, over raw TCP: what a fault does to the wire is visible only there.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

mod faults;

/// An answer read up to the end of the connection.
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn items(&self) -> Vec<String> {
        let Value::Array(items) = &self.json()["items"] else {
            panic!("no items")
        };
        items
            .iter()
            .map(|item| item["customerId"].as_str().unwrap_or("-").to_owned())
            .collect()
    }

    fn next(&self) -> Option<String> {
        self.json()["pagination"]["nextCursor"]
            .as_str()
            .filter(|cursor| !cursor.is_empty())
            .map(str::to_owned)
    }
}

async fn send(simulator: &Simulator, request_line: &str, key: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(simulator.address()).await.unwrap();
    let key = key
        .map(|key| format!("X-Api-Key: {key}\r\n"))
        .unwrap_or_default();
    let text = format!(
        "{request_line} HTTP/1.1\r\nHost: x\r\nUser-Agent: tests\r\nConnection: close\r\n{key}\r\n"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn receive(mut stream: TcpStream) -> io::Result<Reply> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or(ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head[9..12].parse().unwrap();
    Ok(Reply {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    })
}

async fn get(simulator: &Simulator, query: &str) -> io::Result<Reply> {
    receive(
        send(
            simulator,
            &format!("GET /customers?{query}"),
            Some("demo-key"),
        )
        .await,
    )
    .await
}

/// Walks until the last page, at most 50 pages, and gives the pages' ids and the cursors.
async fn walk(simulator: &Simulator, limit: u64) -> (Vec<Vec<String>>, Vec<String>) {
    let (mut pages, mut cursors, mut query) = (Vec::new(), Vec::new(), format!("limit={limit}"));
    for _ in 0..50 {
        let reply = get(simulator, &query).await.unwrap();
        assert_eq!(
            reply.status,
            200,
            "{}",
            String::from_utf8_lossy(&reply.body)
        );
        pages.push(reply.items());
        let Some(cursor) = reply.next() else { break };
        query = format!("limit={limit}&cursor={cursor}");
        cursors.push(cursor);
    }
    (pages, cursors)
}

async fn with(fault: &str) -> Simulator {
    let faults = vec![fault.parse().unwrap()];
    Simulator::start(Options {
        listing: ten(),
        faults,
        ..Options::default()
    })
    .await
    .unwrap()
}

fn ten() -> Listing {
    Listing::explicit(
        (0..10).map(|n| format!(r#"{{"customerId":"{n}","name":"N{n}","amount":1.10}}"#)),
    )
}

#[tokio::test]
async fn a_walk_finds_what_the_oracle_knows() {
    let listing = Listing::Seeded {
        seed: 3,
        count: 995,
        day: 20,
        rates: Rates::default(),
    };
    for (shuffle_keys, last_page) in [
        (false, LastPage::Null),
        (true, LastPage::Absent),
        (false, LastPage::Empty),
    ] {
        let options = Options {
            listing: listing.clone(),
            shuffle_keys,
            last_page,
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let (pages, cursors) = walk(&simulator, 100).await;
        assert_eq!(pages.concat(), simulator.customer_ids());
        assert_eq!(simulator.pages_served(), pages.len() as u64);
        assert_eq!(simulator.request_count(), pages.len() as u64);
        assert_eq!(
            cursors.iter().collect::<HashSet<_>>().len(),
            pages.len() - 1
        );
        assert!(
            pages[..pages.len() - 1]
                .iter()
                .all(|page| page.len() == 100)
        );
    }
}

#[tokio::test]
async fn records_are_sent_as_they_are() {
    let simulator = with("latency=0ms").await;
    let body = String::from_utf8(get(&simulator, "").await.unwrap().body).unwrap();
    let expected: Vec<String> = simulator.listing().iter().collect();
    assert_eq!(
        body,
        format!(
            r#"{{"items":[{}],"pagination":{{"nextCursor":null}}}}"#,
            expected.join(",")
        )
    );
}

#[tokio::test]
async fn refusals_are_in_the_documented_json() {
    let simulator = Simulator::start(Options {
        prefix: "/v1".into(),
        ..Options::default()
    })
    .await
    .unwrap();
    let table = [
        ("GET /v1/customers", Some("wrong"), 401, ""),
        ("GET /v1/customers", None, 401, ""),
        ("GET /v1/customers?limit=0", Some("demo-key"), 400, "limit"),
        (
            "GET /v1/customers?limit=1001",
            Some("demo-key"),
            400,
            "limit",
        ),
        (
            "GET /v1/customers?limit=many",
            Some("demo-key"),
            400,
            "limit",
        ),
        (
            "GET /v1/customers?cursor=forged",
            Some("demo-key"),
            410,
            "cursor",
        ),
        ("GET /customers", Some("demo-key"), 404, ""),
        ("GET /v1/orders", Some("demo-key"), 404, ""),
        ("POST /v1/customers", Some("demo-key"), 405, ""),
    ];
    for (line, key, status, property) in table {
        let reply = receive(send(&simulator, line, key).await).await.unwrap();
        assert_eq!(reply.status, status, "{line}");
        let error = reply.json();
        assert!(
            error["code"].is_string() && error["message"].is_string() && error["hint"].is_string(),
            "{error}"
        );
        assert_eq!(
            error["details"][0]["property"].as_str().unwrap_or_default(),
            property,
            "{line}"
        );
    }
    simulator.set_key("new");
    let reply = receive(send(&simulator, "GET /v1/customers", Some("new")).await)
        .await
        .unwrap();
    assert_eq!((reply.status, reply.items().len()), (200, 100));
    let last = simulator.requests().pop().unwrap();
    assert_eq!(
        (last.number, last.has_key, last.answer),
        (10, true, Answer::Status(200))
    );
    assert_eq!(last.user_agent.as_deref(), Some("tests"));
}

#[tokio::test]
async fn the_filter_looks_for_names() {
    let simulator = Simulator::start(Options {
        listing: ten(),
        ..Options::default()
    })
    .await
    .unwrap();
    assert_eq!(get(&simulator, "filter=n7").await.unwrap().items(), ["7"]);
    assert!(
        get(&simulator, "filter=nobody")
            .await
            .unwrap()
            .items()
            .is_empty()
    );
}

#[tokio::test]
async fn cursors_expire_by_order_by_age_and_not_otherwise() {
    let cursor_lifetime = Some(Duration::from_mins(10));
    let options = Options {
        cursor_lifetime,
        cursor_refusal_status: 400,
        ..Options::default()
    };
    let simulator = Simulator::start(options).await.unwrap();
    let cursor = async || {
        format!(
            "cursor={}",
            get(&simulator, "").await.unwrap().next().unwrap()
        )
    };
    let query = cursor().await;
    assert_eq!(get(&simulator, &query).await.unwrap().status, 200);
    simulator.advance_clock(Duration::from_mins(11));
    assert_eq!(get(&simulator, &query).await.unwrap().status, 400);
    let query = cursor().await;
    simulator.expire_all_cursors();
    assert_eq!(get(&simulator, &query).await.unwrap().status, 400);
    let query = cursor().await;
    assert_eq!(get(&simulator, &query).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_walk_goes_on_at_its_position_on_another_day() {
    let rates = Rates {
        changed: 0.5,
        deleted: 0.1,
        added: 0.1,
    };
    let listing = Listing::Seeded {
        seed: 1,
        count: 100,
        day: 1,
        rates,
    };
    let simulator = Simulator::start(Options {
        listing,
        ..Options::default()
    })
    .await
    .unwrap();
    let before = simulator.customer_ids();
    let first = get(&simulator, "limit=50").await.unwrap();
    let reply = receive(send(&simulator, "POST /_simulator/day?day=2", None).await)
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
    let second = get(
        &simulator,
        &format!("limit=1000&cursor={}", first.next().unwrap()),
    )
    .await
    .unwrap();
    assert_eq!(first.items(), before[..50]);
    let after = simulator.customer_ids();
    assert!(after.ends_with(&second.items()));
    assert!(
        !second.items().iter().any(|id| before[..50].contains(id)),
        "rows before the position don't come again"
    );
    assert!(
        !before.contains(after.last().unwrap()),
        "new customers come last"
    );
    assert_eq!(simulator.request_count(), 2, "remote control isn't counted");
}

#[tokio::test]
async fn a_held_request_waits_for_its_release() {
    let simulator = Simulator::start(Options {
        listing: ten(),
        ..Options::default()
    })
    .await
    .unwrap();
    simulator.hold_request(1);
    simulator.hold_request(2);
    let first = send(&simulator, "GET /customers", Some("demo-key")).await;
    simulator.wait_for_requests(1).await;
    let second = send(&simulator, "GET /customers", Some("demo-key")).await;
    simulator.wait_for_requests(2).await;
    assert_eq!(
        get(&simulator, "").await.unwrap().status,
        200,
        "only these two are held"
    );
    assert!(
        simulator.requests()[..2]
            .iter()
            .all(|request| request.answer == Answer::Pending)
    );
    simulator.set_listing(Listing::explicit([r#"{"customerId":"new"}"#]));
    simulator.release_request(2);
    assert_eq!(receive(second).await.unwrap().items(), ["new"]);
    assert_eq!(simulator.requests()[0].answer, Answer::Pending);
    simulator.release();
    assert_eq!(receive(first).await.unwrap().items(), ["new"]);
    simulator.wait_for_answers(3).await;
}

#[tokio::test]
async fn the_same_port_can_be_had_again_and_cursors_survive() {
    let options = Options {
        listing: ten(),
        ..Options::default()
    };
    let simulator = Simulator::start(options.clone()).await.unwrap();
    let port = simulator.address().port();
    let cursor = get(&simulator, "limit=4").await.unwrap().next().unwrap();
    simulator.stop().await;
    let simulator = Simulator::start(Options { port, ..options }).await.unwrap();
    assert_eq!(
        get(&simulator, &format!("limit=1&cursor={cursor}"))
            .await
            .unwrap()
            .items(),
        ["4"]
    );
}
