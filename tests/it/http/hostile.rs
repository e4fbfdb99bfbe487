//! Requests that nobody sends by accident: whatever is asked, the answer is one, no fault of ours, and holds nothing that a browser
//! would run. `FUZZ_SEED=123` makes up others, `FUZZ_INPUTS=10000` more of them.

use fastrand::Rng;

use super::Served;
use crate::seeds::from_environment;
use crate::support::{Bench, customer};

/// Under what is answered at once; see `http/pace.rs`.
const REQUESTS_OF_ONE_SERVER: u64 = 150;

const MARKUP: &str = "<b id=mine>'";

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// A piece of an address, as it is, in percents, or half in percents.
fn encoded(random: &mut Rng, text: &str) -> String {
    let all = random.bool();
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' if !all => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect()
}

fn piece(random: &mut Rng) -> String {
    let text = pick(
        random,
        &[
            MARKUP,
            "a/b?c#d",
            "..",
            "../../etc/passwd",
            "\0",
            "%",
            "é",
            "\u{202e}",
            "' OR 1=1 --",
            "NEAR(\"",
            "*",
            "9223372036854775808",
            "-1",
            "2026-01-31T09:00:00Z",
            "deleted",
            "SE",
            "1",
            "",
            " ",
            "\r\nX-Mine: 1",
            "\u{fffd}",
        ],
    );
    match random.u32(..8) {
        0 => "%".to_owned(),
        1 => "%zz%f".to_owned(),
        2 => "%ff%fe%c3".to_owned(),
        3 => encoded(random, text).repeat(random.usize(1..300)),
        _ => encoded(random, text),
    }
}

fn target(random: &mut Rng) -> String {
    let mut target = pick(
        random,
        &[
            "/",
            "/customers",
            "/customers",
            "/customers/",
            "/customers/raw",
            "/customers/c/raw",
            "/deletions",
            "/quarantine",
            "/conflicts",
            "/metrics",
            "/api/status",
            "/readyz",
            "/assets/",
            "//",
            "/customers/c%2Fd",
            "*",
            "http://localhost/customers",
            "",
        ],
    )
    .to_owned();
    if random.u32(..3) == 0 {
        target += &piece(random);
    }
    for number in 0..random.u32(..4) {
        target.push(if number == 0 { '?' } else { '&' });
        target += pick(
            random,
            &[
                "q", "id", "type", "country", "since", "standing", "deleted", "after", "before",
                "page", "limit", "offset", "from", "x", "",
            ],
        );
        target.push('=');
        target += &piece(random);
    }
    target
}

fn request(random: &mut Rng) -> String {
    let mut request = format!(
        "{} {} {}\r\n",
        pick(
            random,
            &["GET", "GET", "GET", "GET", "HEAD", "POST", "BREW", "get"]
        ),
        target(random),
        pick(
            random,
            &[
                "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9", ""
            ]
        ),
    );
    for _ in 0..random.u32(1..5) {
        request += pick(
            random,
            &[
                "Host: localhost\r\n",
                "Host: localhost\r\n",
                "Host: localhost\r\n",
                "Host: 127.0.0.1:80\r\n",
                "Host: evil.example\r\n",
                "Host: <b id=mine>\r\n",
                "Host:\r\n",
                "Accept: text/html\r\n",
                "Accept: */*\r\n",
                "Authorization: Basic ////\r\n",
                "Authorization: Bearer \u{e9}\r\n",
                "Content-Length: 99999999999999999999\r\n",
                "Transfer-Encoding: chunked\r\n",
                ": x\r\n",
                "If-None-Match: \"x\"\r\n",
                "Range: bytes=0-18446744073709551615\r\n",
                "Origin: null\r\n",
                "Sec-Fetch-Site: cross-site\r\n",
                "Upgrade: h2c\r\nConnection: Upgrade\r\n",
                "X: \x07\r\n",
                " folded\r\n",
                "Expect: 100-continue\r\n",
            ],
        );
    }
    request + "Connection: close\r\n\r\n"
}

#[tokio::test]
async fn any_request_is_answered_and_no_answer_is_a_fault() {
    let seed = from_environment("FUZZ_SEED").unwrap_or(1);
    let mut left = from_environment("FUZZ_INPUTS").unwrap_or(3 * REQUESTS_OF_ONE_SERVER);
    let mut random = Rng::with_seed(seed);
    let listing = ["a/b?c#d", "..", MARKUP, "c", "' OR 1=1 --"].map(|id| {
        customer(
            id,
            r#","name":"<b id=mine> Åsa","customerType":"<b id=mine>""#,
        )
    });
    let bench = Bench::of(customer_mirror::simulator::Listing::explicit(listing)).await;
    bench.synced().await;
    let mut pages = 0;
    while left > 0 {
        let served = Served::start(&bench).await;
        for _ in 0..left.min(REQUESTS_OF_ONE_SERVER) {
            left -= 1;
            let request = request(&mut random);
            let reply = served.at.say(&request).await;
            assert!(
                (100..500).contains(&reply.status),
                "FUZZ_SEED={seed}: {request:?}: {reply:?}"
            );
            // What is no request at all is turned away before there is a page to protect.
            if reply.header("content-security-policy").is_none() {
                assert!(
                    matches!(reply.status, 400 | 414 | 431 | 505) && reply.body.is_empty(),
                    "{request:?}: {reply:?}"
                );
                continue;
            }
            pages += 1;
            let caching = reply.header("cache-control").unwrap();
            assert!(
                caching == "no-store" || request.contains("/assets/"),
                "{request:?}: {reply:?}"
            );
            assert_eq!(reply.header("x-content-type-options").unwrap(), "nosniff");
            assert_eq!(reply.header("x-mine"), None, "{request:?}");
            let kind = reply.header("content-type").unwrap_or_default();
            if kind.contains("html") {
                assert!(!reply.body.contains("<b id=mine"), "{request:?}: {reply:?}");
            }
        }
        served.get("/healthz").await.is(200);
        served.stop().await;
    }
    assert!(pages > 100, "{pages} pages");
}
