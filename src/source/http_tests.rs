//! [`HttpSource`] against real sockets. Nothing here waits for time to pass but delays of a few milliseconds,
//! and nothing asserts how long something took.

mod waits;

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rstest::rstest;
use url::Url;

use super::scripted_server::{ScriptedServer, Step, answer, gzip_of_repeated_spaces, page};
use super::*;
use crate::config::{Api, ApiKey, Parameters, Retry};
use crate::model::{PageSize, Wait};

const KEY: &str = "s3cret/key";
const MOMENT: Duration = Duration::from_millis(1);

fn api(server: &ScriptedServer) -> Api {
    Api {
        base_url: Url::parse(&format!("http://{}/v1", server.address)).unwrap(),
        filter: None,
        page_size: PageSize::new(100).unwrap(),
        connect_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(60),
        max_response_bytes: 100_000,
        max_requests_per_second: None,
        parameters: Parameters {
            filter: "filter".into(),
            limit: "limit".into(),
            cursor: "cursor".into(),
        },
        key_file: None,
    }
}

/// A source that retries at once, for that long.
fn source_with(api: &Api, max_elapsed: Duration) -> Result<HttpSource, SetupError> {
    let retry = Retry {
        initial_delay: MOMENT,
        max_delay: MOMENT,
        max_elapsed,
    };
    HttpSource::new(api, &retry, &ApiKey::new(KEY).unwrap())
}

fn source_for(api: &Api) -> HttpSource {
    source_with(api, Duration::from_secs(300)).unwrap()
}

fn cursor() -> Cursor {
    Cursor::new("the-cursor-of-page-2-which-is-long").unwrap()
}

/// Fetches once; also returns the waits.
async fn fetch(
    source: &mut HttpSource,
    cursor: Option<&Cursor>,
) -> (Result<Fetched, SourceError>, Vec<Wait>) {
    let waits = Mutex::new(Vec::new());
    let result = source
        .fetch(cursor, &|activity| {
            if let Activity::Wait { wait, .. } = activity {
                waits.lock().unwrap().push(wait);
            }
        })
        .await;
    (result, waits.into_inner().unwrap())
}

/// Plays a script to one fetch.
async fn played(
    script: impl IntoIterator<Item = Step>,
    cursor: Option<&Cursor>,
) -> (Result<Fetched, SourceError>, ScriptedServer) {
    let server = ScriptedServer::start(script).await;
    let result = fetch(&mut source_for(&api(&server)), cursor).await.0;
    (result, server)
}

/// The wait that a fetch announces; the fetch is dropped in the midst of it.
async fn announced_wait(source: &mut HttpSource) -> Wait {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let on_activity = move |activity| {
        if let Activity::Wait { wait, .. } = activity {
            sender.send(wait).unwrap();
        }
    };
    tokio::select! {
        biased;
        wait = receiver.recv() => wait.unwrap(),
        result = source.fetch(None, &on_activity) => panic!("no wait: {result:?}"),
    }
}

#[tokio::test]
async fn a_page_is_asked_for_with_key_and_parameters() {
    let server = ScriptedServer::start([page(3, Some("next"))]).await;
    let mut api = api(&server);
    api.filter = Some("a b".into());
    let fetched = fetch(&mut source_for(&api), Some(&cursor()))
        .await
        .0
        .unwrap();
    assert_eq!(fetched.page.len(), 3);
    assert_eq!(fetched.page.next.unwrap().as_str(), "next");
    assert_eq!(fetched.retries, 0);
    assert!(fetched.bytes > 50);
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /v1/customers?filter=a%20b&limit=100&cursor=the-cursor-of-page-2-which-is-long HTTP/1.1\r\n"), "{request}");
    let head = request.to_lowercase();
    assert!(head.contains("\r\nx-api-key: s3cret/key\r\n"), "{head}");
    assert!(
        head.contains(concat!(
            "\r\nuser-agent: customer-mirror/",
            env!("CARGO_PKG_VERSION"),
            "\r\n"
        )),
        "{head}"
    );
    assert!(head.contains("gzip") && head.contains("zstd"), "{head}");
}

#[tokio::test]
async fn what_may_pass_is_retried() {
    let script = [
        answer("503 Service Unavailable", "", ""),
        Step::Reset,
        Step::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"items\":[".to_vec()),
        answer("429 Too Many Requests", "", ""),
        answer("408 Request Timeout", "", ""),
        page(1, None),
    ];
    let server = ScriptedServer::start(script).await;
    let (result, waits) = fetch(&mut source_for(&api(&server)), Some(&cursor())).await;
    assert_eq!(result.unwrap().retries, 5);
    assert_eq!(
        server.targets(),
        vec!["/v1/customers?limit=100&cursor=the-cursor-of-page-2-which-is-long"; 6]
    );
    assert!(
        waits
            .iter()
            .all(|wait| !wait.asked_by_server && wait.retry > 0),
        "{waits:?}"
    );
}

#[tokio::test]
async fn the_page_shrinks_from_the_second_server_error() {
    let error = || {
        answer(
            "502 Bad Gateway",
            "",
            "<html><title>Bad Gateway</title></html>",
        )
    };
    let (result, server) = played([error(), error(), error(), page(1, None)], None).await;
    assert_eq!(result.unwrap().retries, 3);
    let limits = [100, 100, 50, 25].map(|limit| format!("/v1/customers?limit={limit}"));
    assert_eq!(server.targets(), limits);
}

#[tokio::test]
async fn a_stalled_answer_is_asked_for_smaller() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"items\":[".to_vec();
    let server =
        ScriptedServer::start([Step::Stall(vec![]), Step::Stall(half), page(1, None)]).await;
    let mut api = api(&server);
    api.request_timeout = Duration::from_millis(200);
    assert_eq!(
        fetch(&mut source_for(&api), None).await.0.unwrap().retries,
        2
    );
    let limits = [100, 50, 25].map(|limit| format!("/v1/customers?limit={limit}"));
    assert_eq!(server.targets(), limits);
}

#[rstest]
#[case("401 Unauthorized", false, FailureKind::AuthRefused)]
#[case("403 Forbidden", true, FailureKind::AuthRefused)]
#[case("400 Bad Request", true, FailureKind::CursorRejected)]
#[case("404 Not Found", true, FailureKind::CursorRejected)]
#[case("410 Gone", true, FailureKind::CursorRejected)]
#[case("422 Unprocessable Entity", true, FailureKind::CursorRejected)]
#[case("400 Bad Request", false, FailureKind::Unavailable)]
#[case("404 Not Found", false, FailureKind::Unavailable)]
#[case("501 Not Implemented", false, FailureKind::Unavailable)]
#[tokio::test]
async fn what_is_final_is_not_retried(
    #[case] status: &str,
    #[case] has_cursor: bool,
    #[case] kind: FailureKind,
) {
    let body = r#"{"code":"NO","message":"not today"}"#;
    let cursor = has_cursor.then(cursor);
    let (result, server) = played([answer(status, "", body)], cursor.as_ref()).await;
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind, error.retries, error.wait_until),
        (kind, 0, None)
    );
    assert_eq!(server.requests().len(), 1);
    let cursor = if has_cursor {
        ", cursor=the-cursor-of-page-2-whi…"
    } else {
        ""
    };
    let address = server.address;
    let expected = format!(
        "GET http://{address}/v1/customers (limit=100{cursor}): {status}: not today (NO); "
    );
    assert!(error.message.starts_with(&expected), "{}", error.message);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_takes_the_key_nowhere() {
    let elsewhere = ScriptedServer::start([page(1, None)]).await;
    let location = format!("Location: http://{}/login?from=here\r\n", elsewhere.address);
    let (result, server) = played([answer("302 Found", &location, "")], None).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind, FailureKind::Protocol);
    let target = format!("302 Found to http://{}/login; ", elsewhere.address);
    assert!(error.message.contains(&target), "{}", error.message);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(elsewhere.requests().len(), 0);
}

#[rstest]
#[case(
    answer(
        "200 OK",
        "Content-Type: text/html\r\n",
        "<!doctype html><title>Sign in</title>"
    ),
    "200 OK with an HTML page titled \"Sign in\""
)]
#[case(
    answer("200 OK", "", r#"{"message":"maintenance"}"#),
    "`items` is missing"
)]
#[case(answer("200 OK", "", "{\"items\":["), "not JSON")]
#[case(answer("204 No Content", "", ""), "204 No Content")]
#[case(
    answer("200 OK", "Content-Encoding: gzip\r\n", "this is not gzip"),
    "gzip"
)]
#[case(
    answer("200 OK", "Content-Encoding: br\r\n", "xx"),
    "unknown Content-Encoding \"br\""
)]
#[case(Step::Answer(b"SSH-2.0-OpenSSH_9\r\n\r\n".to_vec()), "HTTP")]
#[tokio::test]
async fn the_third_answer_that_is_no_page_is_final(#[case] step: Step, #[case] what: &str) {
    let (result, server) = played(vec![step; 4], Some(&cursor())).await;
    let error = result.unwrap_err();
    assert_eq!(
        (error.kind, error.retries),
        (FailureKind::Protocol, 2),
        "{}",
        error.message
    );
    assert!(error.message.contains(what), "{}", error.message);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_off_and_asked_for_smaller() {
    let bomb = gzip_of_repeated_spaces(1_000_000);
    assert!(bomb.len() < 10_000);
    let bomb = answer("200 OK", "Content-Encoding: gzip\r\n", bomb);
    let (result, server) = played([bomb.clone(), bomb, page(1, None)], None).await;
    assert_eq!(result.unwrap().retries, 2);
    let limits = [100, 50, 25].map(|limit| format!("/v1/customers?limit={limit}"));
    assert_eq!(server.targets(), limits);
}

#[tokio::test]
async fn a_body_over_the_cap_is_final_at_one_customer() {
    let large = answer("200 OK", "", vec![b' '; 100_001]);
    let (result, server) = played(vec![large; 9], None).await;
    let error = result.unwrap_err();
    assert_eq!(error.kind, FailureKind::Unavailable);
    assert!(
        error
            .message
            .contains("(limit=1): a body over 100000 bytes"),
        "{}",
        error.message
    );
    assert_eq!(server.requests().len(), 7);
}

#[tokio::test]
async fn a_body_that_may_hold_customers_is_not_quoted() {
    let body = r#"{"items":[{"customerId":"c1","name":"Jane Doe"}]}"#;
    let (result, _server) = played(vec![answer("200 OK", "", body); 3], None).await;
    let message = result.unwrap_err().message;
    assert!(
        !message.contains("Jane") && message.contains("`pagination` is missing"),
        "{message}"
    );
}

#[tokio::test]
async fn without_time_for_a_retry_the_last_failure_is_told() {
    let server = ScriptedServer::start([]).await;
    let address = server.address;
    let mut source = source_with(&api(&server), Duration::ZERO).unwrap();
    let error = fetch(&mut source, None).await.0.unwrap_err();
    assert_eq!(
        (error.kind, error.wait_until),
        (FailureKind::Unavailable, None)
    );
    let expected =
        format!("GET http://{address}/v1/customers (limit=100): connection closed before");
    assert!(error.message.starts_with(&expected), "{}", error.message);
}

#[tokio::test]
async fn a_refused_connection_is_told_in_two_words() {
    let server = ScriptedServer::start([]).await;
    let mut api = api(&server);
    // Port 1 (tcpmux) has no listener.
    api.base_url = Url::parse("http://localhost:1").unwrap();
    let mut source = source_with(&api, Duration::ZERO).unwrap();
    let error = fetch(&mut source, None).await.0.unwrap_err();
    assert!(
        error
            .message
            .contains("(limit=100): connection refused; given up"),
        "{}",
        error.message
    );
}

#[rstest]
#[case("your key s3cret/key is unknown")]
#[case("<html><title>s3cret/key</title></html>")]
#[case(r#"{"message":"bad key \u00733cret\/key","hint":"s3cret%2Fkey or s3cret%2fkey"}"#)]
#[tokio::test]
async fn the_key_is_cut_out_of_what_the_server_says(#[case] body: &str) {
    let cursor = Cursor::new("a-cursor-with-s3cret/key").unwrap();
    let (result, _server) = played([answer("403 Forbidden", "", body)], Some(&cursor)).await;
    let message = result.unwrap_err().message;
    assert!(
        message.contains("[key]") && !message.contains("cret"),
        "{message}"
    );
}

#[tokio::test]
async fn the_rate_cap_spaces_requests() {
    let server = ScriptedServer::start([page(1, None)]).await;
    let mut api = api(&server);
    api.max_requests_per_second = Some(0.001);
    let mut source = source_for(&api);
    let (result, waits) = fetch(&mut source, None).await;
    assert!(result.is_ok() && waits.is_empty());
    let wait = announced_wait(&mut source).await;
    assert!(
        !wait.asked_by_server && wait.until > Utc::now() + TimeDelta::seconds(900),
        "{wait:?}"
    );
    assert_eq!(wait.reason, "api.max_requests_per_second");
}

#[test]
fn plain_http_uses_no_proxy() {
    // A process of its own, because the environment is one per process.
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "source::http_tests::plain_http_uses_no_proxy_child",
            "--ignored",
        ])
        .envs(
            ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"]
                .map(|name| (name, "http://127.0.0.1:1")),
        )
        // Nor does it need CA certificates.
        .envs([
            ("SSL_CERT_FILE", "/nonexistent"),
            ("SSL_CERT_DIR", "/nonexistent"),
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
#[ignore = "run by plain_http_uses_no_proxy, with an environment of its own"]
async fn plain_http_uses_no_proxy_child() {
    let server = ScriptedServer::start([page(1, None), page(1, None)]).await;
    let mut api = api(&server);
    let mut source = source_with(&api, Duration::ZERO).unwrap();
    fetch(&mut source, None).await.0.unwrap();
    api.base_url.set_host(Some("localhost")).unwrap();
    let mut source = source_with(&api, Duration::ZERO).unwrap();
    fetch(&mut source, None).await.0.unwrap();
    if std::env::var_os("SSL_CERT_FILE").is_some_and(|file| file == "/nonexistent") {
        api.base_url = Url::parse("https://localhost").unwrap();
        let result = source_with(&api, MOMENT);
        assert_eq!(result.err(), Some(SetupError::NoCertificates));
    }
}
