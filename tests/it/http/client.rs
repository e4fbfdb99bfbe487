//! A client that says just what it is told to.

use std::path::PathBuf;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::support::PATIENCE;

/// Where the endpoint is.
#[derive(Debug, Clone)]
pub(super) enum Where {
    Tcp(String),
    Unix(PathBuf),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Where {
    pub(super) fn parse(address: &str) -> Self {
        match address.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(
                address
                    .trim_start_matches("http://")
                    .trim_end_matches('/')
                    .to_owned(),
            ),
        }
    }

    pub(super) async fn connect(&self) -> Box<dyn Stream> {
        match self {
            Self::Tcp(address) => Box::new(TcpStream::connect(address).await.unwrap()),
            Self::Unix(path) => Box::new(UnixStream::connect(path).await.unwrap()),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.get_with(path, &["Host: localhost"]).await
    }

    pub(super) async fn get_with(&self, path: &str, headers: &[&str]) -> Reply {
        let mut request = format!("GET {path} HTTP/1.1\r\n");
        for header in headers {
            request += header;
            request += "\r\n";
        }
        request += "Connection: close\r\n\r\n";
        self.say(&request).await
    }

    /// Sends these bytes, and reads all that comes back.
    pub(super) async fn say(&self, request: &str) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        Reply::read(stream).await
    }
}

impl Reply {
    /// Reads to the end of the connection.
    pub(super) async fn read(mut stream: impl Stream) -> Self {
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let read = tokio::time::timeout(PATIENCE, read);
        read.await
            .expect("it should have answered long ago")
            .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
        Self {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// A header's value, or its values with commas between.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let values: Vec<&str> = lines
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(super) fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}
