//! Answers over plain HTTP that never end, are too much, are no HTTP, or are no page; and what a server may do that costs nothing.

use customer_mirror::simulator::Listing;

use super::{CHUNKED, OK, Siege, Trick, drip, each_has_its_end, flood, say};

#[tokio::test]
async fn what_never_ends_is_given_up() {
    let tricks = vec![
        (
            "head, byte by byte",
            drip("HTTP/1.1 200 OK\r\nX: ", "x"),
            69,
            "timed out after",
        ),
        (
            "body, byte by byte",
            drip("HTTP/1.1 200 OK\r\n\r\n", " "),
            69,
            "timed out after",
        ),
        (
            "chunks, byte by byte",
            drip(CHUNKED, "1\r\n \r\n"),
            69,
            "timed out after",
        ),
        (
            "continue, continue …",
            drip("", "HTTP/1.1 100 Continue\r\n\r\n"),
            69,
            "timed out after",
        ),
        (
            "early hints for ever",
            drip("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
            69,
            "timed out after",
        ),
        ("nothing", Trick::Hold(vec![]), 69, "timed out after"),
        (
            "a head and nothing",
            Trick::Hold(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
            69,
            // Timed out, or stalled: both bounds are the same here.
            "400ms",
        ),
    ];
    each_has_its_end("\"400ms\"", tricks).await;
}

#[tokio::test]
async fn what_is_too_much_is_cut_off() {
    let tricks = vec![
        (
            "a body without end",
            flood("HTTP/1.1 200 OK\r\n\r\n", " "),
            69,
            "a body over 100000 bytes",
        ),
        (
            "chunks without end",
            flood(CHUNKED, "1\r\n \r\n"),
            69,
            "a body over 100000 bytes",
        ),
        (
            "a huge Content-Length",
            say(&format!("{OK}Content-Length: 9000000000000000000\r\n\r\n")),
            69,
            "a body over 100000 bytes",
        ),
        (
            "a header line without end",
            flood("HTTP/1.1 200 OK\r\nX: ", "x"),
            76,
            "no HTTP",
        ),
        (
            "header lines without end",
            flood(OK, "X: x\r\n"),
            76,
            "no HTTP",
        ),
        (
            "a status line without end",
            flood("HTTP/1.1 200 ", "x"),
            76,
            "no HTTP",
        ),
        (
            "a chunk extension without end",
            flood(&format!("{CHUNKED}1;"), "x"),
            76,
            "no HTTP",
        ),
        (
            "trailers without end",
            flood(&format!("{CHUNKED}0\r\n"), "X: x\r\n"),
            76,
            "no HTTP",
        ),
        (
            "an error without end",
            flood("HTTP/1.1 500 Oops\r\n\r\n", "x"),
            69,
            "500",
        ),
    ];
    each_has_its_end("\"30s\"", tricks).await;
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    let body = r#"{"items":[],"pagination":{}}"#;
    let tricks = vec![
        ("HTTP/0.9", say(body), 76, "no HTTP"),
        (
            "another protocol",
            say("220 mail.example ESMTP\r\n"),
            76,
            "no HTTP",
        ),
        (
            "TLS",
            Trick::Say(vec![0x15, 3, 1, 0, 2, 2, 70]),
            76,
            "no HTTP",
        ),
        (
            "a negative Content-Length",
            say(&format!("{OK}Content-Length: -1\r\n\r\n{body}")),
            76,
            "no HTTP",
        ),
        (
            "an overflowing Content-Length",
            say(&format!(
                "{OK}Content-Length: 99999999999999999999\r\n\r\n{body}"
            )),
            76,
            "no HTTP",
        ),
        (
            "two Content-Lengths",
            say(&format!(
                "{OK}Content-Length: 28\r\nContent-Length: 2\r\n\r\n{body}"
            )),
            76,
            "no HTTP",
        ),
        (
            "a short Content-Length",
            say(&format!("{OK}Content-Length: 10\r\n\r\n{body}")),
            76,
            "not JSON",
        ),
        (
            "a long Content-Length",
            say(&format!("{OK}Content-Length: 1000\r\n\r\n{body}")),
            69,
            "broke off",
        ),
    ];
    each_has_its_end("\"30s\"", tricks).await;
}

#[tokio::test]
async fn what_is_no_chunk_is_no_answer() {
    let body = r#"{"items":[],"pagination":{}}"#;
    let tricks = vec![
        (
            "a chunk of no size",
            say(&format!("{CHUNKED}zz\r\n{body}\r\n0\r\n\r\n")),
            76,
            "no HTTP",
        ),
        (
            "a chunk of a negative size",
            say(&format!("{CHUNKED}-1\r\n{body}\r\n0\r\n\r\n")),
            76,
            "no HTTP",
        ),
        (
            "a chunk of an overflowing size",
            say(&format!(
                "{CHUNKED}fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"
            )),
            76,
            "no HTTP",
        ),
        (
            "a chunk without its end",
            say(&format!("{CHUNKED}1c\r\n{body}")),
            69,
            "broke off",
        ),
        (
            "an upgrade",
            say(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            ),
            76,
            "101",
        ),
    ];
    each_has_its_end("\"30s\"", tricks).await;
}

#[tokio::test]
async fn what_is_closed_or_reset_is_no_answer() {
    let tricks = vec![
        ("nothing, closed", say(""), 69, "connection closed"),
        ("half-closed", Trick::HalfClose, 69, "connection closed"),
        (
            "an answer before the request",
            Trick::SayAtOnce(format!("{OK}\r\n<p>").into_bytes()),
            69,
            "",
        ),
        ("a reset at once", Trick::ResetAtOnce, 69, "given up after"),
        (
            "a reset before the answer",
            Trick::Reset(vec![]),
            69,
            "connection reset",
        ),
        (
            "a reset in the head",
            Trick::Reset(b"HTTP/1.1 200 OK\r\nContent-".to_vec()),
            69,
            "given up after",
        ),
        (
            "a reset in the body",
            Trick::Reset(format!("{OK}Content-Length: 100\r\n\r\n{{").into_bytes()),
            69,
            "given up after",
        ),
    ];
    each_has_its_end("\"30s\"", tricks).await;
}

#[tokio::test]
async fn what_is_no_page_is_none() {
    let page = |body: &str| say(&format!("{OK}Content-Length: {}\r\n\r\n{body}", body.len()));
    let deep = "[".repeat(30_000);
    let wide: Vec<u8> = r#"{"items":[]}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = [format!("{OK}\r\n").as_bytes(), &wide].concat();
    let tricks = vec![
        ("empty", page(""), 76, "not JSON"),
        ("NUL", page("\0\0\0\0"), 76, "not JSON"),
        ("UTF-16", Trick::Say(wide), 76, "UTF-16"),
        ("nested", page(&deep), 76, "`items`"),
        (
            "nested in items",
            page(&format!("{{\"items\":{deep}")),
            76,
            "not JSON",
        ),
        (
            "nested in the cursor",
            page(&format!(
                "{{\"items\":[],\"pagination\":{{\"nextCursor\":{deep}"
            )),
            76,
            "wrong shape",
        ),
        (
            "a cursor of 20 KiB",
            page(&format!(
                r#"{{"items":[],"pagination":{{"nextCursor":"{}"}}}}"#,
                "x".repeat(20_000)
            )),
            76,
            "16 KiB",
        ),
        (
            "the outer object twice",
            page(r#"{"items":[],"pagination":{}}{"items":[],"pagination":{}}"#),
            76,
            "not JSON",
        ),
    ];
    each_has_its_end("\"30s\"", tricks).await;
}

#[tokio::test]
async fn a_redirect_of_any_kind_is_not_followed() {
    let tricks = vec![
        (
            "302",
            say("HTTP/1.1 302 Found\r\nLocation: //other.example/x\r\n\r\n"),
            76,
            "302 Found to http://other.example/x",
        ),
        (
            "301 without Location",
            say("HTTP/1.1 301 Moved Permanently\r\n\r\n"),
            76,
            "301",
        ),
        (
            "303 to a script",
            say("HTTP/1.1 303 See Other\r\nLocation: javascript:alert(1)\r\n\r\n"),
            76,
            "303",
        ),
        ("304", say("HTTP/1.1 304 Not Modified\r\n\r\n"), 76, "304"),
        (
            "300",
            say("HTTP/1.1 300 Multiple Choices\r\n\r\n"),
            76,
            "300",
        ),
        (
            "307 to itself",
            say("HTTP/1.1 307 Temporary Redirect\r\nLocation: /customers\r\n\r\n"),
            76,
            "/customers",
        ),
        (
            "308 over two lines",
            say("HTTP/1.1 308 Permanent Redirect\r\nLocation: a\r\nLocation: b\r\n\r\n"),
            76,
            "308",
        ),
    ];
    each_has_its_end("\"30s\"", tricks).await;
}

#[tokio::test]
async fn waits_that_make_no_sense_are_not_waited_for() {
    let tricks = [
        "-5",
        "99999999999999999999",
        "1e9",
        "soon",
        "0",
        "0.0001",
        "",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "1\r\nRetry-After: x",
    ]
    .map(|wait| {
        let answer = format!(
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: {wait}\r\nContent-Length: 0\r\n\r\n"
        );
        (wait, say(&answer), 69, "429")
    });
    each_has_its_end("\"30s\"", tricks.into()).await;
}

/// None of these does any harm: the pass that meets them is complete.
#[tokio::test]
async fn a_connection_that_is_closed_when_it_is_used_again_costs_nothing() {
    let siege = Siege::of(Listing::seeded(11, 45)).await;
    siege.front.turns(Trick::Honest {
        headers: String::new(),
        unasked: Vec::new(),
        closes_on_reuse: true,
    });
    siege.bench.synced().await;
    siege.bench.assert_mirrors();
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_not_taken_for_the_next_page() {
    let siege = Siege::of(Listing::seeded(11, 45)).await;
    let body = r#"{"items":[{"customerId":"smuggled"}],"pagination":{}}"#;
    let smuggled = format!("{OK}Content-Length: {}\r\n\r\n{body}", body.len());
    siege.front.turns(Trick::Honest {
        headers: String::new(),
        unasked: smuggled.into_bytes(),
        closes_on_reuse: false,
    });
    siege.bench.synced().await;
    siege.bench.assert_mirrors();
}

#[tokio::test]
async fn nothing_that_a_server_sends_is_sent_back() {
    let siege = Siege::of(Listing::seeded(11, 45)).await;
    siege.front.turns(Trick::Honest {
        headers: "Set-Cookie: tracked=1; Path=/\r\nETag: \"tracked\"\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nAlt-Svc: h2=\"tracked:443\"\r\n".to_owned(),
        unasked: Vec::new(),
        closes_on_reuse: false,
    });
    siege.bench.synced().await;
    siege.bench.assert_mirrors();
    for head in siege.front.heads() {
        let head = head.to_lowercase();
        assert!(
            !head.contains("cookie") && !head.contains("tracked") && !head.contains("if-"),
            "{head}"
        );
    }
}
