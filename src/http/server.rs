//! The endpoint's own thread: whoever asks, and however slowly, the pass doesn't wait.
//!
//! It has a runtime of its own. Connections are bounded in number, in age, and in how long they take to say what they want.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use super::readers::READERS;
use super::routes::Routes;
use super::socket::{Bound, Listener};
use super::{Endpoint, Site};

/// Connections at the same time; more wait until one is over.
const CONNECTIONS_MAX: usize = 64;
/// A request's head takes so long at most, and a connection idles so long.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
/// A connection is closed after so long, when its answer is out …
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// … and if it takes longer than this, without it.
const LAST_ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// The most that is read of a request's head, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Begins to serve.
///
/// # Errors
/// If there can be no thread, or no runtime.
pub(super) fn start(bound: Bound, site: Site) -> io::Result<Endpoint> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("http reader")
        .max_blocking_threads(READERS)
        .build()?;
    let address = bound.address().clone();
    let (stop, stopped) = watch::channel(false);
    let routes = Arc::new(Routes::new(site, &address));
    let thread = std::thread::Builder::new().name("http".to_owned());
    let thread = thread.spawn(move || {
        runtime.block_on(serve(bound.listener, routes, stopped));
        runtime.shutdown_background();
    })?;
    Ok(Endpoint {
        address,
        stop,
        thread: Some(thread),
    })
}

impl Endpoint {
    fn end(&mut self) -> Option<JoinHandle<()>> {
        self.stop.send_replace(true);
        self.thread.take()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Some(thread) = self.end() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: Listener, routes: Arc<Routes>, mut stopped: watch::Receiver<bool>) {
    let result = tokio::select! {
        result = accept(listener, routes) => result,
        _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
    };
    if let Err(error) = result {
        tracing::error!(%error, "the HTTP endpoint has ended; passes go on");
    }
}

async fn accept(listener: Listener, routes: Arc<Routes>) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    match listener {
        Listener::Tcp(listener) => {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                let place = place(&places, &mut connections).await;
                match listener.accept().await {
                    Ok((stream, _)) => {
                        // Small answers in one piece: nothing to wait for.
                        let _ = stream.set_nodelay(true);
                        connections.spawn(connection(stream, Arc::clone(&routes), place));
                    }
                    Err(error) => out_of(&error).await,
                }
            }
        }
        Listener::Unix(listener, _file) => {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            loop {
                let place = place(&places, &mut connections).await;
                match listener.accept().await {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, Arc::clone(&routes), place));
                    }
                    Err(error) => out_of(&error).await,
                }
            }
        }
    }
}

type Place = Option<tokio::sync::OwnedSemaphorePermit>;

/// A place for one more connection.
async fn place(places: &Arc<Semaphore>, connections: &mut JoinSet<()>) -> Place {
    while connections.try_join_next().is_some() {}
    // The semaphore is never closed.
    Arc::clone(places).acquire_owned().await.ok()
}

/// Out of file descriptors, most likely: a moment later there may be some.
async fn out_of(error: &io::Error) {
    debug!(%error, "a connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn connection<S>(stream: S, routes: Arc<Routes>, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let routes = Arc::clone(&routes);
        async move { Ok::<_, std::convert::Infallible>(routes.answer(request.map(Body::new)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // What goes wrong with a connection is its client's affair.
    if timeout(CONNECTION_TIME_MAX, connection.as_mut())
        .await
        .is_err()
    {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER_TIME_MAX, connection).await;
    }
    drop(place);
}
