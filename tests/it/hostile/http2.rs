//! HTTP/2 from a server that misuses it, in frames written by hand.

use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Trick;
use super::front::play;
use super::tls::{Authority, Caller, Host, PAGE};

const PREFACE_BYTES: usize = 24;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const DATA: u8 = 0;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`, by its place in HPACK's static table.
const STATUS_200: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn page() -> Vec<u8> {
    [
        frame(HEADERS, END_HEADERS, 1, STATUS_200),
        frame(DATA, END_STREAM, 1, PAGE.as_bytes()),
    ]
    .concat()
}

/// Answers the request on each connection, after SETTINGS, as `trick` says for that connection, from 1.
async fn http2(
    authority: &Authority,
    trick: impl Fn(usize) -> Trick + Send + Sync + 'static,
) -> Host {
    let acceptor = authority.vouches("localhost", (2020, 2100)).acceptor(b"h2");
    let trick = std::sync::Arc::new(trick);
    Host::start(move |stream, number| {
        let (acceptor, trick) = (acceptor.clone(), trick(number));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut begun = vec![0; PREFACE_BYTES];
            if stream.read_exact(&mut begun).await.is_err() {
                return;
            }
            let _ = stream.write_all(&frame(SETTINGS, 0, 0, &[])).await;
            let _ = stream.flush().await;
            // The request, before it is answered: frames until HEADERS have come.
            loop {
                let mut head = [0; 9];
                if stream.read_exact(&mut head).await.is_err() {
                    return;
                }
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; length as usize];
                if stream.read_exact(&mut payload).await.is_err() {
                    return;
                }
                if head[3] == HEADERS {
                    break;
                }
            }
            play(&mut stream, trick).await;
        }
    })
    .await
}

#[tokio::test]
async fn frames_written_by_hand_are_read() {
    let authority = Authority::new();
    let host = http2(&authority, |_| Trick::Hold(page())).await;
    let caller = Caller::of(&authority, &host).await;
    caller.syncs().await.exits(0);
    assert_eq!(caller.bench.live(), ["c1"]);
}

#[rstest]
#[case::goaway(Trick::Hold(frame(GOAWAY, 0, 0, &[0; 8])), "")]
#[case::goaway_calm_down(Trick::Hold(frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])), "")]
#[case::a_refused_stream(Trick::Hold(frame(RST_STREAM, 0, 1, &[0, 0, 0, 7])), "")]
#[case::a_reset_in_the_body(Trick::Hold([frame(HEADERS, END_HEADERS, 1, STATUS_200), frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])].concat()), "")]
#[case::settings_without_end(Trick::Flood(vec![], frame(SETTINGS, 0, 0, &[])), "")]
#[case::pings_without_end(Trick::Flood(vec![], frame(PING, 0, 0, &[0; 8])), "")]
#[case::empty_data_without_end(Trick::Flood(frame(HEADERS, END_HEADERS, 1, STATUS_200), frame(DATA, 0, 1, &[])), "")]
#[case::data_over_the_window(Trick::Flood(frame(HEADERS, END_HEADERS, 1, STATUS_200), frame(DATA, 0, 1, &[b' '; 16_384])), "")]
#[case::headers_without_end(Trick::Flood(frame(HEADERS, 0, 1, STATUS_200), frame(CONTINUATION, 0, 1, &[0x88; 16_384])), "")]
#[case::a_stream_of_nobody(Trick::Hold(frame(DATA, 0, 77, b"x")), "")]
#[case::a_push(Trick::Hold(frame(5, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])), "")]
#[case::no_frames(Trick::Hold(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()), "")]
#[case::a_head_and_nothing(
    Trick::Hold(frame(HEADERS, END_HEADERS, 1, STATUS_200)),
    "api.request_timeout"
)]
#[case::silence(Trick::Hold(vec![]), "api.request_timeout")]
#[tokio::test]
async fn what_is_wrong_with_http2_is_got_over_or_told(#[case] trick: Trick, #[case] said: &str) {
    let authority = Authority::new();
    let lasting = trick.clone();
    let host = http2(&authority, move |_| lasting.clone()).await;
    let mut caller = Caller::of(&authority, &host).await;
    caller.bench.set("api.request_timeout", "\"400ms\"");
    caller
        .syncs()
        .await
        .exits(69)
        .says(&["GET https://localhost:", said]);

    // Once, and the next connection is well: a request is not repeated where the first one got lost.
    let host = http2(&authority, move |number| {
        if number == 1 {
            trick.clone()
        } else {
            Trick::Hold(page())
        }
    })
    .await;
    let mut caller = Caller::of(&authority, &host).await;
    caller
        .bench
        .set("api.request_timeout", "\"2s\"")
        .set("retry.max_elapsed", "\"1m\"");
    caller.syncs().await.exits(0);
    assert_eq!(caller.bench.live(), ["c1"]);
}
