//! Each fault as it looks on the wire.

use super::*;

#[tokio::test]
async fn ordered_answers_arrive() {
    let table = [
        ("503", 503, None),
        ("429:retry-after=7", 429, Some(("retry-after", "7"))),
        ("429:ratelimit-reset=3", 429, Some(("ratelimit-reset", "3"))),
        (
            "429:x-ratelimit-reset=epoch",
            429,
            Some(("x-ratelimit-remaining", "0")),
        ),
        (
            "502-html",
            502,
            Some(("content-type", "text/html; charset=utf-8")),
        ),
        (
            "html-200",
            200,
            Some(("content-type", "text/html; charset=utf-8")),
        ),
        (
            "redirect=http://other.test/x",
            302,
            Some(("location", "http://other.test/x")),
        ),
        ("413:above=99", 413, None),
        ("401", 401, None),
        ("403", 403, None),
    ];
    for (fault, status, header) in table {
        let simulator = with(fault).await;
        let reply = get(&simulator, "limit=100").await.unwrap();
        assert_eq!(reply.status, status, "{fault}");
        if let Some((name, value)) = header {
            assert_eq!(reply.header(name), Some(value), "{fault}: {}", reply.head);
        }
        assert_eq!(simulator.requests()[0].faults.len(), 1);
    }
    let reply = get(&with("429:retry-after-date=5").await, "")
        .await
        .unwrap();
    assert!(httpdate::parse_http_date(reply.header("retry-after").unwrap()).is_ok());
    let reply = get(&with("echo-key").await, "").await.unwrap();
    assert!(String::from_utf8(reply.body).unwrap().contains("demo-key"));
    assert_eq!(
        get(&with("413:above=99").await, "limit=99")
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn a_rejected_cursor_is_one_that_was_good() {
    for status in [400, 404, 410, 422] {
        let simulator = with(&format!("reject-cursor={status}@times=1")).await;
        let query = format!(
            "cursor={}",
            get(&simulator, "limit=1").await.unwrap().next().unwrap()
        );
        assert_eq!(get(&simulator, &query).await.unwrap().status, status);
        assert_eq!(get(&simulator, &query).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn connections_break_as_ordered() {
    let error = get(&with("reset").await, "").await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let whole = get(&with("latency=0ms").await, "").await.unwrap();
    let cut = get(&with("truncate").await, "").await.unwrap();
    assert_eq!(cut.header("content-length"), whole.header("content-length"));
    assert_eq!(cut.body, whole.body[..whole.body.len() / 2]);

    let huge = get(&with("huge-body=200000").await, "").await.unwrap();
    assert_eq!((huge.body.len(), huge.items().len()), (200_000, 10));
}

#[tokio::test]
async fn stalls_last_until_the_client_goes() {
    let simulator = with("stall@request=1").await;
    let mut stream = send(&simulator, "GET /customers", Some("demo-key")).await;
    simulator.wait_for_answers(1).await;
    assert_eq!(simulator.requests()[0].answer, Answer::Stalled);
    assert_eq!(
        stream.try_read(&mut [0; 10]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(
        get(&simulator, "").await.unwrap().status,
        200,
        "others are served meanwhile"
    );
    simulator.stop().await;
    assert_eq!(
        stream.read(&mut [0; 10]).await.unwrap_or(0),
        0,
        "the end of the simulator ends it"
    );

    let simulator = with("stall-body").await;
    let mut stream = send(&simulator, "GET /customers", Some("demo-key")).await;
    let half = format!(r#""name":"N{}""#, 4);
    let mut text = String::new();
    while !text.contains(&half) {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0);
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    assert!(!text.contains("N7"));
}

#[tokio::test]
async fn bodies_are_wrong_as_ordered() {
    let malformed = get(&with("malformed").await, "").await.unwrap();
    assert!(serde_json::from_slice::<Value>(&malformed.body).is_err());
    assert_eq!(
        malformed.header("content-length"),
        Some(malformed.body.len().to_string().as_str())
    );
    let shapeless = get(&with("wrong-shape").await, "").await.unwrap().json();
    assert!(shapeless.get("pagination").is_none() && shapeless["items"].is_array());
    let bad = get(&with("bad-record=empty").await, "").await.unwrap();
    assert_eq!(bad.items()[5], "");
    assert!(
        std::str::from_utf8(&get(&with("garbage-utf8").await, "").await.unwrap().body).is_err()
    );
    assert!(get(&with("drift").await, "").await.unwrap().json()["items"][0]["name"].is_object());
}

#[tokio::test]
async fn walks_go_astray_as_ordered() {
    let table = [
        ("duplicate@page=2", "012 342 567 89"),
        ("shift=2@page=3", "012 345 456 789"),
        ("skip=2@page=2", "012 345 89"),
        ("empty-page@page=2", "012  345 678 9"),
        ("short-page@page=1", "01 234 567 89"),
    ];
    for (fault, expected) in table {
        let (pages, _) = walk(&with(fault).await, 3).await;
        assert_eq!(
            pages
                .iter()
                .map(|page| page.concat())
                .collect::<Vec<_>>()
                .join(" "),
            expected,
            "{fault}"
        );
    }
    let (_, cursors) = walk(&with("same-cursor@page=3").await, 2).await;
    assert_eq!(cursors[1], cursors[2]);
    let (_, cursors) = walk(&with("cycle@page=3").await, 2).await;
    assert_eq!(cursors[0], cursors[2]);
    assert_ne!(cursors[0], cursors[1]);

    let simulator = with("latency=0ms").await;
    walk(&simulator, 2).await;
    simulator.push_fault(Fault::Cycle.on_page(2));
    let (_, cursors) = walk(&simulator, 2).await;
    assert_eq!(cursors[0], cursors[1], "the walk before is no part of it");
}
