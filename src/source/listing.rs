//! One request to the listing: a page, or what went wrong in a form that can be judged. Never retries.

use std::io;
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, LOCATION};
use reqwest::{Client, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::classify::Outcome;
use super::client::{SetupError, client, endpoint, page_url, place};
use super::headers::{self, Asked};
use super::message::{CERTIFICATE_REFUSED, QUOTED_CHARS_MAX, Redactor, cause, causes};
use crate::config::{Api, ApiKey, Parameters};
use crate::decode;
use crate::model::{Cursor, Page, PageSize, Timestamp};

/// Silence in the middle of an answer that is taken for its end. Before the answer begins, only the whole request's
/// timeout counts: a server may think.
const IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// The most that is read of the body of an error, in bytes, and how long that may take.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// A smaller body is kept until it is decoded, so that a message can quote it.
const QUOTABLE_BYTES_MAX: usize = 64 * 1024;
/// The most memory that a `Content-Length` alone is trusted with, in bytes.
const RESERVED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How much of a cursor or a redirect's target a message shows, in characters.
const CURSOR_CHARS_MAX: usize = 24;
const TARGET_CHARS_MAX: usize = 120;

/// The listing of one source.
pub(super) struct Listing {
    client: Client,
    api: Api,
    key: ApiKey,
    endpoint: Url,
    parameters: Parameters,
    filter: Option<String>,
    pub(super) request_timeout: Duration,
    idle_timeout: Duration,
    response_bytes_max: u64,
    pub(super) redactor: Redactor,
}

/// A page, and what came with it.
pub(super) struct Answer {
    pub(super) page: Page,
    /// Size of the body in bytes, decompressed.
    pub(super) bytes: u64,
    /// The wait that the server asks for before the next request.
    pub(super) asked: Option<Asked>,
    /// How far our clock is ahead of the server's, if that tells.
    pub(super) clock_ahead: Option<TimeDelta>,
}

/// No page.
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    /// What went wrong, for a person; without the key.
    pub(super) what: String,
    /// The wait that the server asks for.
    pub(super) asked: Option<Asked>,
}

impl Failure {
    fn new(outcome: Outcome, what: impl Into<String>) -> Self {
        Self {
            outcome,
            what: what.into(),
            asked: None,
        }
    }
}

impl Listing {
    pub(super) fn new(api: &Api, key: &ApiKey) -> Result<Self, SetupError> {
        Ok(Self {
            client: client(api, key)?,
            api: api.clone(),
            key: key.clone(),
            endpoint: endpoint(&api.base_url)?,
            parameters: api.parameters.clone(),
            filter: api.filter.clone(),
            request_timeout: api.request_timeout,
            idle_timeout: api.request_timeout.min(IDLE_TIMEOUT_MAX),
            response_bytes_max: api.max_response_bytes,
            redactor: Redactor::new(key),
        })
    }

    /// Makes the next request on a connection of its own, to wherever the host's name leads by then. Over HTTP/2 a request that was
    /// given up leaves its connection open, and a server, or something before it, can be deaf on that one only.
    pub(super) fn reconnect(&mut self) {
        // While the machine's certificates are being replaced there is no new client: the old one is as good.
        if let Ok(client) = client(&self.api, &self.key) {
            self.client = client;
        }
    }

    /// What is asked for, for a message: the URL without its query, the limit, the beginning of the cursor.
    pub(super) fn request_line(&self, cursor: Option<&Cursor>, limit: PageSize) -> String {
        let cursor = cursor.map(|cursor| {
            let shortened = self.redactor.quote(cursor.as_str(), CURSOR_CHARS_MAX);
            format!(", cursor={shortened}")
        });
        let line = format!(
            "GET {} (limit={}{})",
            place(&self.endpoint),
            limit.get(),
            cursor.unwrap_or_default()
        );
        self.redactor.redact(&line)
    }

    /// Makes one request. `clock` is read when the head of the answer is there.
    pub(super) async fn request(
        &self,
        cursor: Option<&Cursor>,
        limit: PageSize,
        clock: fn() -> Timestamp,
    ) -> Result<Answer, Failure> {
        self.request_showing_head(cursor, limit, clock, &mut |_| ())
            .await
    }

    /// The same; `on_head` sees the head of the answer, whatever the answer is.
    pub(super) async fn request_showing_head(
        &self,
        cursor: Option<&Cursor>,
        limit: PageSize,
        clock: fn() -> Timestamp,
        on_head: &mut (dyn FnMut(&Response) + Send),
    ) -> Result<Answer, Failure> {
        let exchange = self.exchange(cursor, limit, clock, on_head);
        let answer = timeout(self.request_timeout, exchange).await;
        answer.unwrap_or_else(|_| {
            let bound = humantime::format_duration(self.request_timeout);
            let what = format!("timed out after {bound} (api.request_timeout)");
            Err(Failure::new(Outcome::AnswerTimeout, what))
        })
    }

    async fn exchange(
        &self,
        cursor: Option<&Cursor>,
        limit: PageSize,
        clock: fn() -> Timestamp,
        on_head: &mut (dyn FnMut(&Response) + Send),
    ) -> Result<Answer, Failure> {
        let filter = self.filter.as_deref();
        let url = page_url(&self.endpoint, &self.parameters, filter, limit, cursor);
        let sent = self.client.get(url).send().await;
        let response = sent.map_err(|error| self.broken(&error))?;
        on_head(&response);
        if response.status() != StatusCode::OK {
            return Err(self.refused(response, clock()).await);
        }
        let now = clock();
        let asked = headers::rate_limit(response.headers(), false, now);
        let clock_ahead = headers::date(response.headers()).map(|date| now - date);
        // What the client can decompress it has already taken off.
        let encoding = response.headers().get(CONTENT_ENCODING).cloned();
        let encoding = encoding.filter(|encoding| encoding != "identity");
        let body = self.read(response).await?;
        let bytes = body.len() as u64;
        if body.trim_ascii_start().starts_with(b"<") {
            let said = self.redactor.body(&body).unwrap_or_default();
            return Err(Failure::new(
                Outcome::Malformed,
                format!("200 OK with {said}"),
            ));
        }
        let kept = (body.len() <= QUOTABLE_BYTES_MAX).then(|| body.clone());
        let key_in = |text: &str| self.redactor.key.in_json(text);
        let page = decode::page_without(body, key_in).map_err(|error| {
            let mut what = match encoding {
                Some(encoding) => format!("200 OK in an unknown Content-Encoding {encoding:?}"),
                None => format!("200 OK, but {error}"),
            };
            if let Some(said) = kept
                .as_deref()
                .and_then(|body| self.redactor.error_object(body))
            {
                what = format!("{what}: {said}");
            }
            Failure::new(
                Outcome::Malformed,
                self.redactor.quote(&what, QUOTED_CHARS_MAX),
            )
        })?;
        Ok(Answer {
            page,
            bytes,
            asked,
            clock_ahead,
        })
    }

    /// Reads the body, counting its bytes decompressed: reqwest has no cap of its own.
    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let bytes_max = self.response_bytes_max;
        let over_cap = || {
            let what = format!("a body over {bytes_max} bytes (api.max_response_bytes)");
            Failure::new(Outcome::OverCap, what)
        };
        // Absent when the body is compressed.
        let announced = response.content_length().unwrap_or(0);
        if announced > bytes_max {
            return Err(over_cap());
        }
        let mut body = Vec::with_capacity(announced.min(RESERVED_BYTES_MAX) as usize);
        loop {
            let chunk = timeout(self.idle_timeout, response.chunk()).await;
            let chunk = chunk.map_err(|_| {
                let silence = humantime::format_duration(self.idle_timeout);
                let what = format!("the answer stalled: nothing came for {silence}");
                Failure::new(Outcome::AnswerTimeout, what)
            })?;
            match chunk.map_err(|error| self.broken(&error))? {
                None => return Ok(body),
                Some(chunk) if (body.len() + chunk.len()) as u64 > bytes_max => {
                    return Err(over_cap());
                }
                Some(chunk) => body.extend_from_slice(&chunk),
            }
        }
    }

    /// An answer with a status other than 200.
    async fn refused(&self, response: Response, now: Timestamp) -> Failure {
        let status = response.status();
        let retry_after = headers::retry_after(response.headers(), now);
        let outcome = Outcome::Status {
            code: status.as_u16(),
            retry_after: retry_after.is_some(),
        };
        let throttled = status == StatusCode::TOO_MANY_REQUESTS;
        let asked = retry_after.or_else(|| headers::rate_limit(response.headers(), throttled, now));
        let mut what = status.as_u16().to_string();
        if let Some(reason) = status.canonical_reason() {
            what = format!("{what} {reason}");
        }
        if let Some(asked) = &asked {
            what = format!("{what}, {}", asked.words);
        }
        if status.is_redirection() {
            if let Some(target) = self.target(response.headers()) {
                what = format!("{what} to {target}");
            }
        } else if let Some(said) = self.redactor.body(&error_body(response).await) {
            what = format!("{what}: {said}");
        }
        Failure {
            outcome,
            what: self.redactor.redact(&what),
            asked,
        }
    }

    /// Where a redirect points, without the query.
    fn target(&self, headers: &HeaderMap) -> Option<String> {
        let location = headers.get(LOCATION)?.to_str().ok()?;
        let target = self.endpoint.join(location).ok()?;
        Some(self.redactor.quote(&place(&target), TARGET_CHARS_MAX))
    }

    /// A request that ended without an answer, or in the middle of one.
    fn broken(&self, error: &reqwest::Error) -> Failure {
        if error.is_connect() && error.is_timeout() {
            let what = "no connection in time (api.connect_timeout)";
            return Failure::new(Outcome::ConnectTimeout, what);
        }
        let in_body = error.is_decode() || error.is_body();
        let (outcome, context) = match is_malformed(error) {
            _ if error.is_timeout() => (Outcome::AnswerTimeout, ""),
            true if is_compressed(error) => {
                (Outcome::Malformed, "the answer can't be decompressed: ")
            }
            true => (Outcome::Malformed, "the answer is no HTTP: "),
            false if in_body => (Outcome::Transport, "the answer broke off: "),
            false => (Outcome::Transport, ""),
        };
        let said = cause(error);
        let outcome = if said.starts_with(CERTIFICATE_REFUSED) {
            Outcome::Untrusted
        } else {
            outcome
        };
        let what = format!("{context}{said}");
        Failure::new(outcome, self.redactor.quote(&what, QUOTED_CHARS_MAX))
    }
}

/// True if what came is no HTTP, or can't be decompressed; false if it only ended too early.
fn is_malformed(error: &reqwest::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other};
    let read = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    let read = read.last().map(io::Error::kind);
    if let Some(http) = from_http(error) {
        // The sizes of chunks are parsed where the body is read.
        return http.is_parse() || matches!(read, Some(InvalidData | InvalidInput));
    }
    error.is_decode() && matches!(read, Some(InvalidData | InvalidInput | Other))
}

fn from_http(error: &reqwest::Error) -> Option<&hyper::Error> {
    causes(error).find_map(|cause| cause.downcast_ref::<hyper::Error>())
}

/// True if what is wrong is not the HTTP, but what was in it.
fn is_compressed(error: &reqwest::Error) -> bool {
    error.is_decode() && from_http(error).is_none()
}

/// The beginning of the body of an error; what can't be had of it doesn't matter.
async fn error_body(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    let _ = timeout(ERROR_BODY_TIMEOUT, async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ERROR_BODY_BYTES_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == ERROR_BODY_BYTES_MAX {
                break;
            }
        }
    })
    .await;
    body
}
