//! The pages, as text: who is found, who is shown, and that nothing of theirs becomes markup.

use customer_mirror::simulator::Listing;

use super::Served;
use super::client::Reply;
use crate::service::Service;
use crate::support::{Bench, customer, customers};

const SCRIPT: &str = r#","name":"<script>alert(1)</script> Åsa","contact":{"email":"\"><img src=x onerror=alert(1)>@example.com"}"#;

fn hostile() -> Listing {
    Listing::explicit([
        customer(
            "plain",
            r#","name":"Ada Lovelace","customerType":"BUSINESS","billing":{"address":{"country":"SE"}}"#,
        ),
        customer("a/b?c#d", SCRIPT),
        customer("..", r#","name":"Dots""#),
        customer("100%25", r#","name":"Percent""#),
        customer("raw", r#","name":"Raw""#),
        customer("\u{202e}gnp.exe", r#","name":"Right to left""#),
    ])
}

async fn served() -> (Bench, Served) {
    let bench = Bench::of(hostile()).await;
    bench.synced().await;
    let served = Served::start(&bench).await;
    (bench, served)
}

/// The targets of the links to customers.
fn links(reply: &Reply) -> Vec<String> {
    let parts = reply.body.split("href=\"").skip(1);
    let targets = parts.map(|part| part.split('"').next().unwrap().replace("&amp;", "&"));
    let mut links: Vec<String> = targets
        .filter(|target| target.starts_with("/customers/") || target.starts_with("/customers?id="))
        .collect();
    links.dedup();
    links
}

#[tokio::test]
async fn every_customer_can_be_reached_whatever_its_id() {
    let (bench, served) = served().await;
    let list = served.get("/customers").await;
    let links = links(list.is(200));
    assert_eq!(links.len(), 6, "{links:?}");
    let mut names = Vec::new();
    for link in links {
        let page = served.get(&link).await;
        page.is(200);
        let raw = page.body.split("id=\"raw-link\" href=\"").nth(1).unwrap();
        let raw = raw.split('"').next().unwrap().replace("&amp;", "&");
        let record = served.get(&raw).await;
        assert_eq!(
            record.is(200).header("content-type").unwrap(),
            "application/json"
        );
        names.push(record.body);
    }
    // Each record is as the server sent it.
    names.sort();
    let mut sent: Vec<String> = bench.sim.listing().iter().collect();
    sent.sort();
    assert_eq!(names, sent);
    served.stop().await;
}

#[tokio::test]
async fn nothing_of_a_customer_becomes_markup() {
    let (_bench, served) = served().await;
    for path in [
        "/customers",
        "/customers?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "/customers?q=asa",
        "/customers/a%2Fb%3Fc%23d",
        "/customers/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/customers?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E&type=%22onfocus=%22&country=%3Cb%3E&since=%3Cb%3E&standing=%3Cb%3E",
    ] {
        let page = served.get(path).await;
        for markup in ["<script>alert", "<img src=x", "onfocus=\"", "<b>"] {
            assert!(!page.body.contains(markup), "{path}: {}", page.body);
        }
    }
    served.stop().await;
}

#[tokio::test]
async fn a_search_finds_whom_the_command_finds() {
    let (bench, served) = served().await;
    for (query, id) in [
        ("q=lovelace", Some("plain")),
        ("q=asa", Some("a/b?c#d")),
        ("q=ada&type=business", Some("plain")),
        ("q=ada&country=se", Some("plain")),
        ("type=BUSINESS", Some("plain")),
        ("country=se", Some("plain")),
        ("q=ada&type=CONSUMER", None),
        ("q=ada&since=2h", Some("plain")),
        ("q=ada&since=2999-01-01", None),
        ("standing=deleted", None),
        ("q=nobody", None),
        ("q=%21%21", None),
    ] {
        let page = served.get(&format!("/customers?{query}")).await;
        let expected: Vec<String> = id
            .map(|id| {
                format!(
                    "/customers/{}",
                    id.replace('/', "%2F")
                        .replace('?', "%3F")
                        .replace('#', "%23")
                )
            })
            .into_iter()
            .collect();
        assert_eq!(links(page.is(200)), expected, "{query}");
    }
    let bad = served.get("/customers?since=yesterday").await;
    assert!(bad.is(400).body.contains("id=\"since-problem\""), "{bad:?}");
    // The command finds the same.
    let run = bench
        .run(&["search", "--country", "SE", "--changed-since", "2h", "ada"])
        .await;
    assert!(run.exits(0).stdout.contains("\"plain\""), "{run:?}");
    served.stop().await;
}

#[tokio::test]
async fn pages_of_a_search_and_of_the_list_have_everybody_once() {
    let bench = Bench::of(Listing::explicit((0..120).map(|number| {
        customer(
            &format!("c{number:03}"),
            &format!(r#","name":"Ada {number:03}""#),
        )
    })))
    .await;
    bench.synced().await;
    let served = Served::start(&bench).await;
    for start in ["/customers", "/customers?q=ada"] {
        let mut found = Vec::new();
        let mut path = Some(start.to_owned());
        let mut pages = 0;
        while let Some(next) = path {
            let page = served.get(&next).await;
            found.extend(links(page.is(200)));
            pages += 1;
            let mut rest = page.body.split("id=\"next-page\"");
            path = rest.nth(1).map(|rest| {
                let target = rest.split("href=\"").nth(1).unwrap();
                target.split('"').next().unwrap().replace("&amp;", "&")
            });
        }
        found.sort();
        let expected: Vec<String> = (0..120)
            .map(|number| format!("/customers/c{number:03}"))
            .collect();
        assert_eq!((found, pages), (expected, 3), "{start}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_page_that_is_not_there_is_told() {
    let (_bench, served) = served().await;
    for path in [
        "/nowhere",
        "/customers/none",
        "/customers/none/raw",
        "/customers?id=none",
        "/customers/raw?id=none",
        "/customers/",
        "/assets/none",
        "/assets/..%2F..%2FCargo.toml",
    ] {
        served.get(path).await.is(404);
    }
    let bad = served.get("/customers/%ff").await;
    bad.is(400);
    let asset = served.at.get("/").await;
    let style = asset.body.split("href=\"/assets/style.css").nth(1).unwrap();
    let style = format!("/assets/style.css{}", style.split('"').next().unwrap());
    let style = served.get(&style).await;
    assert_eq!(
        style.is(200).header("content-type").unwrap(),
        "text/css; charset=utf-8"
    );
    assert!(style.header("cache-control").unwrap().contains("immutable"));
    served.stop().await;
}

#[tokio::test]
async fn what_waits_for_a_person_is_listed() {
    let mut bench = Bench::for_daemon(Listing::explicit(
        (0..130)
            .map(|number| customer(&format!("c{number:03}"), ""))
            .chain([
                customer("t1", r#","referenceId":"twin""#),
                customer("t2", r#","referenceId":"twin""#),
                r#"{"customerId":"","name":"nobody"}"#.to_owned(),
            ]),
    ))
    .await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench.sim.set_listing(customers(1..=3));
    bench.run(&["sync"]).await.exits(65);
    let at = bench.served();
    let mut service = Service::start(&bench).await;
    service.is_idle().await;

    let status = at.get("/").await;
    assert_eq!(
        links(status.is(200))
            .iter()
            .filter(|link| link.starts_with("/customers/c"))
            .count(),
        20
    );
    for part in [
        "href=\"/deletions\"",
        "customer-mirror deletions approve",
        "twin",
    ] {
        assert!(status.body.contains(part), "{part}");
    }
    let conflicts = at.get("/conflicts").await;
    assert_eq!(links(&conflicts), ["/customers/t1", "/customers/t2"]);
    let twin = at.get("/customers/t1").await;
    assert!(twin.body.contains("href=\"/customers/t2\""), "{twin:?}");
    let quarantine = at.get("/quarantine").await;
    assert!(quarantine.body.contains("nobody"), "{quarantine:?}");
    let mut held = Vec::new();
    let mut path = Some("/deletions".to_owned());
    while let Some(next) = path {
        let page = at.get(&next).await;
        held.extend(links(page.is(200)));
        let mut rest = page.body.split("href=\"/deletions?after=");
        path = rest
            .nth(1)
            .map(|rest| format!("/deletions?after={}", rest.split('"').next().unwrap()));
    }
    assert_eq!(held.len(), 132);

    // Decided on the command line, beside the daemon.
    bench.run(&["deletions", "approve"]).await.exits(0);
    let status = at.get("/").await;
    assert!(!status.body.contains("deletions approve"), "{status:?}");
    let deleted = at.get("/customers/c000").await;
    assert!(
        deleted.body.contains("data-state=\"deleted\""),
        "{deleted:?}"
    );
    service.stop().await;
}

#[tokio::test]
async fn the_history_of_a_customer_is_told_field_by_field() {
    let bench = Bench::of(Listing::explicit([customer("c1", r#","name":"Old name""#)])).await;
    bench.synced().await;
    bench
        .sim
        .set_listing(Listing::explicit([customer("c1", r#","name":"New name""#)]));
    bench.synced().await;
    let served = Served::start(&bench).await;
    let page = served.get("/customers/c1").await;
    let at = |text: &str| {
        page.body
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {page:?}"))
    };
    assert!(at("Old name") > at("id=\"history\""), "{page:?}");
    assert!(page.body.matches("New name").count() >= 2, "{page:?}");
    served.stop().await;
}

#[tokio::test]
async fn the_daemon_counts_and_serve_tells_what_the_mirror_says() {
    let mut bench = Bench::for_daemon(customers(1..=30)).await;
    let at = bench.served();
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    let metrics = at.get("/metrics").await;
    assert_eq!(
        metrics.is(200).header("content-type").unwrap(),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        "customer_mirror_customers{state=\"live\"} 30",
        "customer_mirror_pages_total 3",
        "customer_mirror_records_total{result=\"created\"} 30",
        "customer_mirror_ready 1",
    ] {
        assert!(metrics.body.contains(line), "{line}: {}", metrics.body);
    }
    assert!(!metrics.body.contains(crate::support::KEY));
    let open = [
        "Host: localhost",
        "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    ];
    let open = at.get_with("/metrics", &open).await;
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
    service.stop().await;

    let served = Served::start(&bench).await;
    let metrics = served.get("/metrics").await;
    assert!(
        metrics.body.contains("customer_mirror_ready 1"),
        "{}",
        metrics.body
    );
    assert!(
        !metrics.body.contains("customer_mirror_pages_total"),
        "{}",
        metrics.body
    );
    served.stop().await;
}
