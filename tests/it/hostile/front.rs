//! What stands before the simulator and turns on the program: it hands requests on, honestly, until it is told of a [`Trick`].
//! Raw sockets, no HTTP library: what it says need not be HTTP.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a slow server waits from byte to byte. Far under any timeout of silence.
const DRIP_INTERVAL: Duration = Duration::from_millis(20);
/// A request's head that is longer has no end.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What is done to whoever asks.
#[derive(Debug, Clone)]
pub(crate) enum Trick {
    /// Says this, then closes.
    Say(Vec<u8>),
    /// Says this, then neither speaks nor closes.
    Hold(Vec<u8>),
    /// Says the first, then the second again and again, as fast as it is read.
    Flood(Vec<u8>, Vec<u8>),
    /// Says the first, then the second again and again, a byte now and then.
    Drip(Vec<u8>, Vec<u8>),
    /// Says this, then resets the connection.
    Reset(Vec<u8>),
    /// Resets the connection before it has read the request.
    ResetAtOnce,
    /// Says this before it has read the request, then closes.
    SayAtOnce(Vec<u8>),
    /// Closes its half of the connection, and listens on.
    HalfClose,
    /// A page of these items, always, and always with another cursor to the next one.
    Endless(String),
    /// Answers honestly on a connection that stays open.
    Honest {
        /// More header lines.
        headers: String,
        /// What follows the answer without being asked for.
        unasked: Vec<u8>,
        /// Whether the connection is closed when it is used again.
        closes_on_reuse: bool,
    },
}

#[derive(Debug, Default)]
struct State {
    trick: Option<Trick>,
    heads: Vec<String>,
}

/// A server on loopback, until it is dropped.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Front {
    pub(crate) async fn before(honest: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, honest, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    /// From now on, this to everybody.
    pub(crate) fn turns(&self, trick: Trick) {
        self.state.lock().unwrap().trick = Some(trick);
    }

    /// Honest again.
    pub(crate) fn heals(&self) {
        self.state.lock().unwrap().trick = None;
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.lock().unwrap().heads.clone()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, honest: SocketAddr, state: Arc<Mutex<State>>) {
    let trick = || state.lock().unwrap().trick.clone();
    match trick() {
        Some(Trick::ResetAtOnce) => return stream.set_zero_linger().unwrap(),
        Some(Trick::SayAtOnce(bytes)) => {
            let _ = stream.write_all(&bytes).await;
            return;
        }
        _ => {}
    }
    let mut is_reused = false;
    while let Some(head) = head(&mut stream).await {
        state.lock().unwrap().heads.push(head.clone());
        let trick = trick();
        match trick {
            Some(Trick::Honest {
                closes_on_reuse: true,
                ..
            }) if is_reused => return,
            Some(Trick::Honest {
                headers, unasked, ..
            }) => {
                let mut answer = kept_alive(&answer_of(honest, &head).await, &headers);
                answer.extend_from_slice(&unasked);
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            Some(Trick::Endless(items)) => {
                let number = state.lock().unwrap().heads.len();
                let body =
                    format!(r#"{{"items":[{items}],"pagination":{{"nextCursor":"{number}"}}}}"#);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                if stream.write_all((head + &body).as_bytes()).await.is_err() {
                    return;
                }
            }
            Some(Trick::Reset(bytes)) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
                return stream.set_zero_linger().unwrap();
            }
            Some(trick) => return play(&mut stream, trick).await,
            None => {
                let _ = stream.write_all(&answer_of(honest, &head).await).await;
                return;
            }
        }
        is_reused = true;
    }
}

/// What can be done on any kind of stream.
pub(crate) async fn play(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), trick: Trick) {
    match trick {
        Trick::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            until_closed(stream).await;
        }
        Trick::Hold(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            until_closed(stream).await;
        }
        Trick::HalfClose => {
            let _ = stream.shutdown().await;
            until_closed(stream).await;
        }
        Trick::Flood(first, again) => {
            let again = again.repeat((64 * 1024 / again.len()).max(1));
            let mut sent = stream.write_all(&first).await;
            while sent.is_ok() {
                sent = stream.write_all(&again).await;
            }
        }
        Trick::Drip(first, again) => {
            let mut sent = stream.write_all(&first).await;
            for byte in again.into_iter().cycle() {
                if sent.is_err() {
                    return;
                }
                tokio::time::sleep(DRIP_INTERVAL).await;
                sent = stream.write_all(&[byte]).await;
            }
        }
        other => panic!("{other:?} is for whoever has the socket"),
    }
}

async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// A request's head; `None` if the connection is closed before one is there.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// The honest server's whole answer.
async fn answer_of(honest: SocketAddr, head: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    let Ok(mut server) = TcpStream::connect(honest).await else {
        return answer;
    };
    let request = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    if server.write_all(request.as_bytes()).await.is_ok() {
        let _ = server.read_to_end(&mut answer).await;
    }
    answer
}

/// The same answer on a connection that stays open, with more headers.
fn kept_alive(answer: &[u8], headers: &str) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.unwrap() + 2);
    let head = String::from_utf8_lossy(head);
    let kept = head
        .split_inclusive("\r\n")
        .filter(|line| !line.to_lowercase().starts_with("connection:"));
    let head: String = kept.chain([headers]).collect();
    [head.as_bytes(), body].concat()
}
