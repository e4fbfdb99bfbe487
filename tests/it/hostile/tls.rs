//! The same over TLS: certificates that must be refused, and handshakes that come to nothing. The certificates are made on the spot.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::front::play;
use super::{Trick, show, watched};
use crate::support::{Bench, Run, Running, customers, quoted};

/// A certificate authority that the program trusts.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        // An authority is known by its name first.
        let name = format!("authority {}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Self(issuer.unwrap())
    }

    /// A server's identity that it vouches for.
    pub(super) fn vouches(&self, host: &str, years: (i32, i32)) -> Identity {
        let (params, key) = identity(host, years);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity {
            chain: vec![certificate.der().clone()],
            key: key.serialize_der(),
        }
    }

    fn pem(&self) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(self.0.der());
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }
}

/// A certificate and its key.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

fn identity(host: &str, (from, until): (i32, i32)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    (params, KeyPair::generate().unwrap())
}

impl Identity {
    fn self_signed() -> Self {
        let (params, key) = identity("localhost", NOW);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            chain: vec![certificate.der().clone()],
            key: key.serialize_der(),
        }
    }

    pub(super) fn acceptor(self, protocol: &[u8]) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain, PrivateKeyDer::Pkcs8(self.key.into()))
            .unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

const NOW: (i32, i32) = (2020, 2100);

/// A server that does something with each connection.
pub(super) struct Host {
    pub(super) address: SocketAddr,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Host {
    pub(super) async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream, usize) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    *count
                };
                tokio::spawn(serve(stream, number));
            }
        });
        Self {
            address,
            connections,
            task,
        }
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A program that trusts an authority, and is to talk to a host.
pub(super) struct Caller {
    pub(super) bench: Bench,
    trusted: PathBuf,
}

impl Caller {
    pub(super) async fn of(authority: &Authority, host: &Host) -> Self {
        let mut bench = Bench::of(customers(1..=5)).await;
        let url = format!("https://localhost:{}", host.address.port());
        bench
            .set("api.base_url", &quoted(&url))
            .set("retry.max_elapsed", "\"300ms\"");
        let trusted = bench.folder.path().join("authority.pem");
        std::fs::write(&trusted, authority.pem()).unwrap();
        Self { bench, trusted }
    }

    pub(super) async fn syncs(&self) -> Run {
        let mut command = self.bench.command(&["-q", "sync", "--json"]);
        command.env("SSL_CERT_FILE", &self.trusted);
        let (run, memory_kib) = watched(Running::spawn(command)).await;
        show(&format!("{memory_kib} KiB, {}", run.stderr));
        assert!(memory_kib < super::MEMORY_KIB_MAX, "{memory_kib} KiB");
        run
    }
}

/// A page of one customer.
pub(super) const PAGE: &str = r#"{"items":[{"customerId":"c1"}],"pagination":{}}"#;

async fn answer(stream: &mut TlsStream<TcpStream>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{PAGE}",
        PAGE.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn https(identity: Identity) -> Host {
    let acceptor = identity.acceptor(b"http/1.1");
    Host::start(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                answer(&mut stream).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_certificate_that_is_vouched_for_is_trusted() {
    let authority = Authority::new();
    let host = https(authority.vouches("localhost", NOW)).await;
    let caller = Caller::of(&authority, &host).await;
    caller.syncs().await.exits(0);
    assert_eq!(caller.bench.live(), ["c1"]);
}

#[rstest]
#[case::expired("localhost", (2020, 2021), "expired")]
#[case::not_yet_valid("localhost", (2090, 2100), "not valid yet")]
#[case::of_another_host("other.example", NOW, "other.example")]
#[tokio::test]
async fn a_certificate_that_does_not_fit_is_refused(
    #[case] host: &str,
    #[case] years: (i32, i32),
    #[case] said: &str,
) {
    let authority = Authority::new();
    refuses(authority.vouches(host, years), &authority, said).await;
}

#[rstest]
#[case::of_nobody(Identity::self_signed())]
#[case::of_a_stranger(Authority::new().vouches("localhost", NOW))]
#[tokio::test]
async fn a_certificate_that_nobody_known_vouches_for_is_refused(#[case] identity: Identity) {
    refuses(identity, &Authority::new(), "UnknownIssuer").await;
}

/// Three tries, then the message with what to do; it doesn't take `retry.max_elapsed`.
async fn refuses(identity: Identity, authority: &Authority, said: &str) {
    let host = https(identity).await;
    let mut caller = Caller::of(authority, &host).await;
    caller.bench.set("retry.max_elapsed", "\"1h\"");
    caller.syncs().await.exits(69).says(&[
        "the server's certificate is refused: ",
        said,
        "this machine's clock",
        "SSL_CERT_FILE",
    ]);
    assert_eq!(host.connections(), 3);
}

#[rstest]
#[case::an_old_version(Trick::Say(vec![0x15, 3, 1, 0, 2, 2, 70]), "TLS failed: the server refuses it: ProtocolVersion")]
#[case::no_cipher_in_common(Trick::Say(vec![0x15, 3, 3, 0, 2, 2, 40]), "TLS failed: the server refuses it: HandshakeFailure")]
#[case::plain_http(Trick::Say(b"HTTP/1.1 400 Bad Request\r\n\r\nThis is no TLS".to_vec()), "speaks no TLS")]
#[case::silence(Trick::Hold(vec![]), "api.connect_timeout")]
#[case::a_byte_now_and_then(Trick::Drip(vec![0x16, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc], vec![0]), "api.connect_timeout")]
#[case::a_record_without_end(Trick::Flood(vec![], vec![0x16, 3, 3, 0x40, 0]), "")]
#[case::closed(Trick::Say(vec![]), "closed the connection in the handshake")]
#[tokio::test]
async fn a_handshake_that_comes_to_nothing_is_no_connection(
    #[case] trick: Trick,
    #[case] said: &str,
) {
    let authority = Authority::new();
    let host = Host::start(move |mut stream, _| {
        let trick = trick.clone();
        async move { play(&mut stream, trick).await }
    })
    .await;
    let mut caller = Caller::of(&authority, &host).await;
    caller.bench.set("api.connect_timeout", "\"300ms\"");
    caller
        .syncs()
        .await
        .exits(69)
        .says(&["given up after", said]);
}
