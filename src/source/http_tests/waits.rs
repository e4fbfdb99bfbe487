//! What the server asks for about waiting, and how far it is obeyed.

use chrono::{TimeDelta, Utc};

use super::*;

#[rstest]
#[case("Retry-After: 30\r\n".to_owned())]
#[case(format!("Retry-After: {}\r\n", httpdate::fmt_http_date((Utc::now() + TimeDelta::seconds(31)).into())))]
#[case("RateLimit: \"default\";r=0;t=30\r\n".to_owned())]
#[case("X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 30\r\n".to_owned())]
#[tokio::test]
async fn the_servers_wait_is_announced_and_survives_cancelling(#[case] headers: String) {
    let server = ScriptedServer::start([answer("429 Too Many Requests", &headers, "")]).await;
    let mut source = source_for(&api(&server));
    let earliest = Utc::now() + TimeDelta::seconds(29);
    let wait = announced_wait(&mut source).await;
    assert!(wait.asked_by_server);
    assert_eq!(wait.retry, 1);
    assert!(wait.until > earliest, "{wait:?}");
    assert!(wait.until < Utc::now() + TimeDelta::seconds(33), "{wait:?}");
    assert!(
        wait.reason.starts_with("429 Too Many Requests, "),
        "{wait:?}"
    );
    let again = announced_wait(&mut source).await;
    assert!(again.asked_by_server && again.until > earliest, "{again:?}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_good_page_can_ask_for_a_wait() {
    let body = r#"{"items":[],"pagination":{}}"#;
    let headers = "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 30\r\n";
    let server = ScriptedServer::start([answer("200 OK", headers, body)]).await;
    let mut source = source_for(&api(&server));
    fetch(&mut source, None).await.0.unwrap();
    let wait = announced_wait(&mut source).await;
    assert!(
        wait.asked_by_server && wait.until > Utc::now() + TimeDelta::seconds(20),
        "{wait:?}"
    );
    assert_eq!(wait.retry, 0);
}

/// A server that says "at once" over and over would be asked a thousand times a second.
#[rstest]
#[case("0.0001")]
#[case("0")]
#[tokio::test]
async fn a_shorter_wait_than_our_own_is_not_believed(#[case] wait: &str) {
    let headers = format!("Retry-After: {wait}\r\n");
    let step = answer("429 Too Many Requests", &headers, "");
    let server = ScriptedServer::start(vec![step; 200]).await;
    let retry = Retry {
        initial_delay: Duration::from_hours(1),
        max_delay: Duration::from_hours(1),
        max_elapsed: Duration::from_secs(10),
    };
    let key = ApiKey::new(KEY).unwrap();
    let mut source = HttpSource::new(&api(&server), &retry, &key).unwrap();
    let error = fetch(&mut source, None).await.0.unwrap_err();
    // The delay is random; few of an hour's are under ten seconds.
    assert!(error.retries <= 5, "{}", error.retries);
}

#[tokio::test]
async fn a_wait_over_max_elapsed_ends_at_once() {
    let headers = "Retry-After: 3600\r\n";
    let server = ScriptedServer::start([answer("503 Service Unavailable", headers, "")]).await;
    let mut source = source_for(&api(&server));
    let earliest = Utc::now() + TimeDelta::seconds(3600);
    for requests in [1, 1] {
        let (result, waits) = fetch(&mut source, None).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind, FailureKind::Unavailable);
        assert!(error.wait_until.unwrap() >= earliest);
        assert!(
            error.message.contains("Retry-After: 3600"),
            "{}",
            error.message
        );
        assert!(waits.is_empty());
        assert_eq!(server.requests().len(), requests);
    }
}

#[tokio::test]
async fn a_hold_from_before_a_restart_is_obeyed() {
    let server = ScriptedServer::start([page(1, None)]).await;
    let mut source = source_for(&api(&server));
    let at = Utc::now() + TimeDelta::seconds(100);
    source.hold_until(at);
    source.hold_until(Utc::now());
    assert!(announced_wait(&mut source).await.until >= at);
    source.hold_until(Utc::now() + TimeDelta::days(1));
    let error = fetch(&mut source, None).await.0.unwrap_err();
    assert!(error.wait_until.is_some());
    assert_eq!(server.requests().len(), 0);
}

#[rstest]
#[case::an_hour_back(-3600)]
#[case::ten_years_back(-3650 * 86_400)]
#[case::an_hour_ahead(3600)]
#[tokio::test]
async fn a_wait_is_as_long_as_the_server_said_though_the_clock_is_set(#[case] by_seconds: i64) {
    thread_local!(static SET_BY: std::cell::Cell<i64> = const { std::cell::Cell::new(0) });
    let clock = || Utc::now() + TimeDelta::seconds(SET_BY.get());
    let body = r#"{"items":[],"pagination":{}}"#;
    let headers = "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 30\r\n";
    let server = ScriptedServer::start([answer("200 OK", headers, body)]).await;
    let mut source = source_for(&api(&server));
    source.clock = clock;
    fetch(&mut source, None).await.0.unwrap();
    SET_BY.set(by_seconds);
    let wait = announced_wait(&mut source).await;
    assert!(wait.asked_by_server, "{wait:?}");
    let left = wait.until - clock();
    assert!(
        left > TimeDelta::seconds(20) && left < TimeDelta::seconds(40),
        "{left}"
    );
}

#[rstest]
#[case::told("Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n", true)]
#[case::not_told("", false)]
#[case::nonsense("Date: 31 February\r\n", false)]
#[tokio::test]
async fn the_servers_clock_is_a_witness_of_ours(#[case] headers: &str, #[case] is_known: bool) {
    let body = r#"{"items":[],"pagination":{}}"#;
    let server = ScriptedServer::start([answer("200 OK", headers, body)]).await;
    let mut source = source_for(&api(&server));
    source.clock = || "2026-01-03T00:00:00Z".parse().unwrap();
    assert_eq!(source.clock_ahead(), None);
    fetch(&mut source, None).await.0.unwrap();
    let expected = is_known.then_some(TimeDelta::days(2));
    assert_eq!(source.clock_ahead(), expected);
}

#[tokio::test]
async fn a_hold_that_nobody_can_have_asked_for_is_ignored() {
    let server = ScriptedServer::start([page(1, None)]).await;
    let mut source = source_for(&api(&server));
    source.hold_until(Utc::now() + TimeDelta::days(400));
    let (result, waits) = fetch(&mut source, None).await;
    assert!(result.is_ok() && waits.is_empty());
}
