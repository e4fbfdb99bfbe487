//! Who is let in, from outside.

use super::{Served, Where};
use crate::support::{Bench, customers};

const PATHS: [&str; 6] = [
    "/",
    "/healthz",
    "/readyz",
    "/api/status",
    "/metrics",
    "/customers",
];

async fn bench() -> Bench {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    bench
}

#[tokio::test]
async fn a_name_that_is_not_ours_gets_nothing_from_any_page() {
    let bench = bench().await;
    let served = Served::start(&bench).await;
    for path in PATHS {
        let evil = served.at.get_with(path, &["Host: evil.example.com"]).await;
        evil.is(421);
        assert!(
            !evil.body.contains("c1") && !evil.body.contains("live"),
            "{evil:?}"
        );
    }
    let none = served.at.say("GET / HTTP/1.0\r\n\r\n").await;
    none.is(421);
    served.stop().await;

    let mut bench = bench;
    bench.set("http.hosts", "\"mirror.example.com crm.example.com\"");
    let served = Served::start(&bench).await;
    let named = ["Host: CRM.example.com:9480"];
    served.at.get_with("/api/status", &named).await.is(200);
    served
        .at
        .get_with("/", &["Host: evil.example.com"])
        .await
        .is(421);
    served.stop().await;
}

#[tokio::test]
async fn it_is_for_reading_only() {
    let bench = bench().await;
    let served = Served::start(&bench).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        let request = format!(
            "{method} /customers HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let reply = served.at.say(&request).await;
        assert_eq!(reply.is(405).header("allow").as_deref(), Some("GET, HEAD"));
    }
    let head = "HEAD /api/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let reply = served.at.say(head).await;
    assert_eq!(
        (
            reply.is(200).body.as_str(),
            reply.header("content-type").as_deref()
        ),
        ("", Some("application/json"))
    );
    served.stop().await;
}

#[tokio::test]
async fn the_token_is_asked_for_everywhere() {
    let mut bench = bench().await;
    let file = bench.folder.path().join("token");
    std::fs::write(&file, "a-token-that-is-long\n").unwrap();
    bench.set("http.token_file", &format!("{file:?}"));
    let served = Served::start_with(&bench, &["--listen", "0.0.0.0:0"]).await;
    let Where::Tcp(address) = &served.at else {
        panic!()
    };
    let at = Where::Tcp(address.replace("0.0.0.0", "127.0.0.1"));
    for path in PATHS {
        let reply = at.get(path).await;
        let challenge = reply.is(401).header("www-authenticate").unwrap();
        assert!(
            challenge.contains("Basic realm=") && challenge.contains("Bearer realm="),
            "{challenge}"
        );
        let wrong = at
            .get_with(
                path,
                &[
                    "Host: localhost",
                    "Authorization: Bearer a-token-that-is-lonk",
                ],
            )
            .await;
        wrong.is(401);
    }
    // Nothing is behind the assets but assets.
    for path in [
        "/assets/../customers",
        "/assets/%2e%2e/customers",
        "/assets/..%2Fcustomers",
    ] {
        at.get(path).await.is(404);
    }
    let right = [
        "Host: localhost",
        "Authorization: Bearer a-token-that-is-long",
    ];
    at.get_with("/api/status", &right).await.is(200);
    // somebody:a-token-that-is-long
    let basic = [
        "Host: localhost",
        "Authorization: Basic c29tZWJvZHk6YS10b2tlbi10aGF0LWlzLWxvbmc=",
    ];
    at.get_with("/api/status", &basic).await.is(200);
    served.stop().await;
}

#[tokio::test]
async fn every_answer_is_shielded_and_kept_by_nobody() {
    let bench = bench().await;
    let served = Served::start(&bench).await;
    for path in PATHS
        .into_iter()
        .chain(["/nowhere", "/customers/c1", "/customers/none", "//"])
    {
        let reply = served.get(path).await;
        let header = |name: &str| reply.header(name).unwrap_or_default();
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(
            header("cross-origin-resource-policy"),
            "same-origin",
            "{path}"
        );
        assert!(header("access-control-allow-origin").is_empty(), "{path}");
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; "),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_socket_is_for_owner_and_group_and_goes_with_the_program() {
    use std::os::unix::fs::PermissionsExt;
    let bench = bench().await;
    let path = super::socket(&bench);
    let text = format!("unix:{}", path.display());
    let served = Served::start_with(&bench, &["--listen", &text]).await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    // A proxy in front of it passes on the name that its client asked for.
    served
        .at
        .get_with("/api/status", &["Host: crm.example.com"])
        .await
        .is(200);
    served.stop().await;
    assert!(!path.exists());
}

/// What a proxy and this program could part in different ways is one request, or none: what is in its body is not taken for another.
#[tokio::test]
async fn no_request_can_be_hidden_in_another() {
    let bench = bench().await;
    let served = Served::start(&bench).await;
    let hidden = "GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = hidden.len();
    for head in [
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"),
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\nContent-Length: {length}\r\n\r\n"
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: {length}\r\n\r\n"
        ),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length : {length}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +{length}\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
            .to_owned(),
    ] {
        let reply = served.at.say(&format!("{head}{hidden}")).await;
        let answers = 1 + reply.body.matches("HTTP/1.1 ").count();
        assert!(
            answers == 1 && matches!(reply.status, 400 | 405),
            "{head:?}: {reply:?}"
        );
        assert!(!reply.body.contains("\"live\""), "{head:?}: {reply:?}");
    }
    served.stop().await;
}

/// A guesser is slowed down, and the log hears of it; who has the token is answered all the while.
#[tokio::test]
async fn a_guesser_gets_few_answers() {
    let mut bench = bench().await;
    let file = bench.folder.path().join("token");
    std::fs::write(&file, "a-token-that-is-long\n").unwrap();
    bench.set("http.token_file", &format!("{file:?}"));
    let served = Served::start(&bench).await;
    let with = |token: &str| format!("Authorization: Bearer {token}");
    let mut refused = [0, 0];
    for guess in 0..60 {
        let wrong = with(&format!("a-token-that-is-{guess:04}"));
        let reply = served.at.get_with("/", &["Host: localhost", &wrong]).await;
        match reply.status {
            401 => refused[0] += 1,
            429 => refused[1] += 1,
            _ => panic!("{reply:?}"),
        }
        assert!(!reply.body.contains("a-token-that"), "{reply:?}");
    }
    assert!(refused[0] >= 20 && refused[1] > 0, "{refused:?}");
    let right = with("a-token-that-is-long");
    let reply = served
        .at
        .get_with("/api/status", &["Host: localhost", &right])
        .await;
    reply.is(200);
    let Served { running, .. } = served;
    running.signal("TERM").await;
    let run = running.end().await;
    run.exits(0);
    assert_eq!(
        run.stderr.matches("a wrong token was given").count(),
        1,
        "{run:?}"
    );
}
