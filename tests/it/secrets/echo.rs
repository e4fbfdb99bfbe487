//! A server that says the key wherever it can, in whatever spelling. What it is told is nobody else's to know: not the log's at its most
//! talkative, nor the mirror's, nor an export's.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use customer_mirror::simulator::Listing;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::assert_is_nowhere;
use crate::support::{Bench, Run, Running, quoted};

/// One that every encoding has something to escape in.
const KEY: &str = r#"kEy/with+Every"thing&%3C<'in-it=="#;

/// A server with one answer to everything; `KEY` and its like in it stand for the key that it was sent.
struct Echo {
    address: String,
    answer: Arc<Mutex<String>>,
}

fn filled(template: &str, key: &str) -> String {
    let json = serde_json::Value::from(key).to_string();
    let json = json.trim_matches('"');
    let escaped: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    let path = key
        .replace('%', "%25")
        .replace('"', "%22")
        .replace('<', "%3C");
    let html = key
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    let text = template
        .replace("QUERY", &escaped)
        .replace("PATH", &path)
        .replace("JSON", json)
        .replace("PHP", &json.replace('/', "\\/"))
        .replace("HTML", &html)
        .replace("BASE64", &BASE64_STANDARD.encode(key))
        .replace("KEY", key);
    // With the length that the body has now.
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let head = head
        .replace('\n', "\r\n")
        .replace("LENGTH", &body.len().to_string());
    format!("{head}\r\n\r\n{body}")
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answer = Arc::new(Mutex::new(String::new()));
        let says = Arc::clone(&answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else {
                        break;
                    };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let key = head
                    .lines()
                    .find_map(|line| line.strip_prefix("x-api-key: "));
                let text = filled(&says.lock().unwrap(), key.unwrap_or_default());
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        Self { address, answer }
    }

    fn answers(&self, text: &str) {
        text.clone_into(&mut self.answer.lock().unwrap());
    }
}

struct Desk {
    bench: Bench,
    echo: Echo,
}

impl Desk {
    async fn new() -> Self {
        let echo = Echo::start().await;
        let mut bench = Bench::of(Listing::seeded(17, 5)).await;
        bench
            .set("api.base_url", &quoted(&format!("http://{}", echo.address)))
            .set("log.level", "\"trace\"");
        Self { bench, echo }
    }

    /// Whatever comes of it, the key is nowhere.
    async fn run(&mut self, arguments: &[&str]) -> Run {
        let mut command = self.bench.command(arguments);
        command
            .env("CUSTOMER_MIRROR__API__KEY", KEY)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        let run = Running::spawn(command).end().await;
        assert_is_nowhere(&self.bench, Some(&run), KEY);
        run
    }
}

const OK: &str =
    "HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: LENGTH\nConnection: close\n";

#[rstest]
#[case::error_object(
    "HTTP/1.1 401 Unauthorized\nContent-Length: LENGTH\n\n{\"code\":\"JSON\",\"message\":\"no key JSON, nor PHP\",\"details\":[{\"code\":\"JSON\",\"property\":\"BASE64\",\"message\":\"QUERY\",\"suggestion\":\"PATH\"}],\"hint\":\"HTML\"}",
    77
)]
#[case::other_json(
    "HTTP/1.1 403 Forbidden\nContent-Length: LENGTH\n\n[\"PHP\", \"JSON\", \"BASE64\"]",
    77
)]
#[case::plain_text(
    "HTTP/1.1 403 KEY\nContent-Length: LENGTH\n\nno such key: KEY, PATH, QUERY or BASE64",
    77
)]
#[case::page(
    "HTTP/1.1 403 Forbidden\nContent-Length: LENGTH\n\n<html><title>HTML, KEY</title>",
    77
)]
#[case::redirect(
    "HTTP/1.1 302 Found\nLocation: /PATH/KEY?key=QUERY\nContent-Length: 0\n\n",
    76
)]
#[case::redirect_to_a_host(
    "HTTP/1.1 302 Found\nLocation: https://BASE64.example/QUERY\nContent-Length: 0\n\n",
    76
)]
#[case::waits(
    "HTTP/1.1 429 Slow\nRetry-After: KEY\nRateLimit: KEY\nRateLimit-Limit: QUERY\nRateLimit-Reset: KEY\nX-RateLimit-Remaining: KEY\nContent-Length: 0\n\n",
    69
)]
#[case::encoding(
    "HTTP/1.1 200 OK\nContent-Encoding: KEY\nContent-Length: LENGTH\n\nKEY",
    76
)]
#[case::no_http("KEY\n\n", 76)]
#[case::bad_header("HTTP/1.1 200 OK\nbad header KEY: x\n\n", 76)]
#[case::no_page(
    "HTTP/1.1 200 OK\nContent-Length: LENGTH\n\n{\"error\":\"JSON and PHP\"}",
    76
)]
#[case::no_json(
    "HTTP/1.1 200 OK\nContent-Length: LENGTH\n\n{\"items\":[\"JSON\", KEY",
    76
)]
#[case::markup(
    "HTTP/1.1 200 OK\nContent-Length: LENGTH\n\n<html><title>KEY</title>",
    76
)]
#[case::a_cursor(
    "OK\n{\"items\":[],\"pagination\":{\"nextCursor\":\"page 2 of JSON\"}}",
    76
)]
#[tokio::test]
async fn no_message_has_it(#[case] answer: &str, #[case] exit: i32) {
    let mut desk = Desk::new().await;
    desk.echo
        .answers(&answer.replace("OK\n{", &format!("{OK}\n{{")));
    if exit == 69 {
        // It would go on asking.
        desk.bench.set("retry.max_elapsed", "\"30ms\"");
    }
    for format in ["text", "json"] {
        desk.bench.set("log.format", &quoted(format));
        let run = desk.run(&["-vv", "sync"]).await;
        run.exits(exit);
    }
    desk.run(&["-vv", "sync", "--dry-run"]).await.exits(exit);
    desk.run(&["-vv", "check", "--json"]).await;
    desk.run(&["status", "--json"]).await;
}

/// A customer whose notes have the key in them is set apart, with the key cut out; the others are mirrored.
#[tokio::test]
async fn no_record_has_it() {
    let mut desk = Desk::new().await;
    let records = [
        r#"{"customerId":"a","name":"A"}"#,
        r#"{"customerId":"b","name":"B","metadata":{"note":"use PHP, or JSON"}}"#,
        r#"{"customerId":"c","name":"C"}"#,
    ];
    let page = format!(
        "{OK}\n{{\"items\":[{}],\"pagination\":{{}}}}",
        records.join(",")
    );
    desk.echo.answers(&page);
    for _ in 0..3 {
        let run = desk.run(&["-vv", "sync", "--json"]).await;
        run.exits(0);
        assert_eq!(run.report()["quarantined"], 1, "{run:?}");
    }
    let preview = desk.run(&["sync", "--dry-run", "--json"]).await;
    assert_eq!(preview.exits(0).report()["quarantined"], 1, "{preview:?}");
    assert_eq!(desk.bench.live(), ["a", "c"]);
    let shown = desk.run(&["quarantine", "show", "1"]).await;
    assert!(
        shown.stdout.contains("use [key], or [key]")
            && shown.stdout.contains("have the key replaced"),
        "{shown:?}"
    );
    // What was cut out is not made up for: the record is not taken into the mirror as it is kept here.
    desk.run(&["quarantine", "retry"]).await.exits(0);
    assert_eq!(desk.bench.live(), ["a", "c"]);
    let output = desk.bench.folder.path().join("all.csv");
    desk.run(&["export", "--output", output.to_str().unwrap()])
        .await
        .exits(0);
    // Another key, and the record is one like others.
    desk.echo.answers(&page.replace("PHP, or JSON", "another"));
    desk.run(&["sync"]).await.exits(0);
    assert_eq!(desk.bench.live(), ["a", "b", "c"]);
    let left: i64 = desk.bench.one("SELECT count(*) FROM quarantine");
    assert_eq!(left, 0);
}
