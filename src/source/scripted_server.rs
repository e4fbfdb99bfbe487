//! A server on loopback that does as a test's script says: one step for each connection, raw bytes, no HTTP of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What to do with one request.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Send these bytes, then close.
    Answer(Vec<u8>),
    /// Send these bytes, then neither send nor close.
    Stall(Vec<u8>),
    /// Close with a reset.
    Reset,
}

/// Runs until it is dropped. A request beyond the script is recorded and closed without an answer.
pub(super) struct ScriptedServer {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl ScriptedServer {
    pub(super) async fn start(script: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut script: VecDeque<Step> = script.into_iter().collect();
        let recorded = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut stalled = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = head(&mut stream).await;
                recorded
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(request);
                match script.pop_front() {
                    Some(Step::Answer(bytes)) => {
                        let _ = stream.write_all(&bytes).await;
                        let _ = stream.shutdown().await;
                    }
                    Some(Step::Stall(bytes)) => {
                        let _ = stream.write_all(&bytes).await;
                        stalled.push(stream);
                    }
                    Some(Step::Reset) => stream.set_zero_linger().unwrap(),
                    None => {}
                }
            }
        });
        Self {
            address,
            requests,
            task,
        }
    }

    /// The heads of the requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The request targets so far, such as `/customers?limit=10`.
    pub(super) fn targets(&self) -> Vec<String> {
        let requests = self.requests();
        let target = |request: &String| request.split(' ').nth(1).unwrap_or_default().to_owned();
        requests.iter().map(target).collect()
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An answer with a body and its length; `headers` are whole lines, each ending in `\r\n`.
pub(super) fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Step {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    Step::Answer([head.as_bytes(), body].concat())
}

/// A 200 with a page of that many customers.
pub(super) fn page(customers: usize, next: Option<&str>) -> Step {
    let items: Vec<_> = (0..customers)
        .map(|n| serde_json::json!({"customerId": format!("c{n}")}))
        .collect();
    let body = serde_json::json!({"items": items, "pagination": {"nextCursor": next}});
    answer(
        "200 OK",
        "Content-Type: application/json\r\n",
        body.to_string(),
    )
}

/// A gzip stream of `bytes` spaces or a few more: one block of fixed codes, one literal and then matches of 258 at
/// distance 1. Without the trailer, which a reader that stops in time never sees.
pub(super) fn gzip_of_repeated_spaces(bytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut code = |value: u32, length: u32| {
        bits.extend((0..length).rev().map(|bit| value >> bit & 1 == 1));
    };
    code(0b1_10, 3); // last block; type 1, least significant bit first
    code(0x30 + u32::from(b' '), 8); // literal
    for _ in 0..bytes.div_ceil(258) {
        code(0b1100_0101, 8); // length 258
        code(0, 5); // distance 1
    }
    code(0, 7); // end of block
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    stream.extend(bits.chunks(8).map(|byte| {
        byte.iter()
            .enumerate()
            .fold(0, |sum, (place, &bit)| sum | u8::from(bit) << place)
    }));
    stream
}
