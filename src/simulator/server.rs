//! The connections: accepts, serves HTTP/1.1, resets when told to.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::Body;
use super::api;
use super::shared::Shared;

/// The answer to a request is to reset its connection.
#[derive(Debug, thiserror::Error)]
#[error("connection reset by order")]
pub(super) struct ConnectionReset;

/// Accepts connections until it is dropped, which closes them all.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared)));
                }
                // Out of file descriptors, perhaps: a moment later there may be some.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), Api(shared));
    let end = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if end.is_err_and(|error| {
        error
            .source()
            .is_some_and(<dyn Error>::is::<ConnectionReset>)
    }) {
        // Closing with a linger time of zero sends RST instead of FIN.
        stream.set_zero_linger()?;
    }
    Ok(())
}

struct Api(Arc<Shared>);

impl Service<Request<Incoming>> for Api {
    type Response = Response<Body>;
    type Error = ConnectionReset;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let (head, _) = request.into_parts();
        Box::pin(async move { api::answer(&shared, &head).await })
    }
}
