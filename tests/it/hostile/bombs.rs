//! Little on the wire, much in memory: what is compressed, and JSON that is larger than its text.

use customer_mirror::simulator::Listing;

use super::{MEMORY_KIB_MAX, OK, Siege, Trick, each_has_its_end, say, show, watched};
use crate::support::customer;

/// A gzip stream of spaces without end, as a beginning and what follows again and again: one block of fixed codes, a literal, and then
/// matches of length 258 at distance 1, 13 bits each, so that eight of them are 13 bytes.
fn gzip_without_end() -> (Vec<u8>, Vec<u8>) {
    let mut bits: Vec<bool> = Vec::new();
    let mut code = |value: u32, length: u32| {
        bits.extend((0..length).rev().map(|bit| value >> bit & 1 == 1));
    };
    code(0b1_10, 3); // the last block; type 1, least significant bit first
    code(0x30 + u32::from(b' '), 8);
    for _ in 0..32 {
        code(0b1100_0101, 8); // length 258
        code(0, 5); // distance 1
    }
    let bytes: Vec<u8> = bits
        .chunks_exact(8)
        .map(|byte| {
            byte.iter()
                .enumerate()
                .fold(0, |sum, (place, &bit)| sum | u8::from(bit) << place)
        })
        .collect();
    // The literal ends in the second byte.
    let mut first = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    first.extend_from_slice(&bytes[..2]);
    (first, bytes[2..15].to_vec())
}

/// A zstd stream of spaces without end: blocks that are one byte, 128 KiB times over.
fn zstd_without_end() -> (Vec<u8>, Vec<u8>) {
    let block = (128_u32 << 10) << 3 | 1 << 1;
    let [a, b, c, _] = block.to_le_bytes();
    (vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38], vec![a, b, c, b' '])
}

fn encoded(encoding: &str, (first, again): (Vec<u8>, Vec<u8>)) -> Trick {
    let head = format!("{OK}Content-Encoding: {encoding}\r\n\r\n");
    Trick::Flood([head.as_bytes(), &first].concat(), again)
}

#[tokio::test]
async fn what_is_compressed_is_cut_off_by_what_it_becomes() {
    // A window of 2 GiB, which a reader would have to keep.
    let wide = (
        vec![0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3],
        zstd_without_end().1,
    );
    let tricks = vec![
        (
            "gzip",
            encoded("gzip", gzip_without_end()),
            69,
            "a body over 100000 bytes",
        ),
        (
            "zstd",
            encoded("zstd", zstd_without_end()),
            69,
            "a body over 100000 bytes",
        ),
        (
            "zstd with a huge window",
            encoded("zstd", wide),
            76,
            "can't be decompressed",
        ),
        (
            "gzip twice",
            encoded("gzip, gzip", gzip_without_end()),
            69,
            "a body over 100000 bytes",
        ),
        (
            "gzip in two headers",
            encoded("gzip\r\nContent-Encoding: gzip", gzip_without_end()),
            69,
            "a body over 100000 bytes",
        ),
        (
            "an error in gzip",
            say("HTTP/1.1 500 Oops\r\nContent-Encoding: gzip\r\n\r\nno gzip"),
            69,
            "500",
        ),
        (
            "no gzip",
            say(&format!("{OK}Content-Encoding: gzip\r\n\r\nno gzip")),
            76,
            "can't be decompressed",
        ),
        (
            "no zstd",
            say(&format!("{OK}Content-Encoding: zstd\r\n\r\nno zstd")),
            76,
            "can't be decompressed",
        ),
        (
            "gzip that breaks off",
            Trick::Say(
                [
                    format!("{OK}Content-Encoding: gzip\r\n\r\n").as_bytes(),
                    &gzip_without_end().0,
                ]
                .concat(),
            ),
            69,
            "broke off",
        ),
    ];
    each_has_its_end("\"30s\"", tricks).await;
}

/// The most that the bodies below may have.
const BODY_BYTES_MAX: usize = 8 << 20;

#[tokio::test]
async fn a_page_that_is_larger_than_its_text_is_none() {
    let mut siege = Siege::of(Listing::seeded(11, 45)).await;
    siege.bench.sync_stopped_at_request(3).await;
    siege
        .bench
        .set("api.max_response_bytes", &BODY_BYTES_MAX.to_string());
    let page = |items: &[u8]| {
        let mut body = format!("{OK}\r\n{{\"items\":[").into_bytes();
        body.extend_from_slice(items);
        body.extend_from_slice(b"],\"pagination\":{}}");
        Trick::Say(body)
    };
    let many = BODY_BYTES_MAX / 2 - 100;
    let tricks = [
        (
            "numbers",
            page(&b"1,".repeat(many)[..2 * many - 1]),
            "over 100000 records",
        ),
        (
            "no UTF-8",
            page(&[b"\"", &b"\xff ".repeat(many)[..], b"\""].concat()),
            "over 100000 places",
        ),
    ];
    for (name, trick, said) in tricks {
        let (run, memory_kib) = siege.endures(trick).await;
        show(&format!("{name}: {memory_kib} KiB, {}", run.message()));
        run.exits(76).says(&["2 pages are kept", said]);
        assert!(memory_kib < MEMORY_KIB_MAX, "{name}: {memory_kib} KiB");
    }
    siege.recovers().await;
}

/// They are mirrored, as sent.
#[tokio::test]
async fn a_record_that_is_larger_than_its_text_is_kept() {
    let many = BODY_BYTES_MAX / 2 - 1000;
    let numbers = &"0,".repeat(many)[..2 * many - 1];
    let users = "{},".repeat(300_000);
    let records = [
        format!(r#","metadata":[{numbers}]"#),
        format!(r#","users":[{}]"#, &users[..users.len() - 1]),
        format!(r#","name":"{}""#, "å ".repeat(2_000_000)),
        format!(
            r#","metadata":{}1{}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        ),
    ];
    for record in records {
        let sent = customer("large", &record);
        let mut siege = Siege::of(Listing::explicit([sent.clone()])).await;
        siege
            .bench
            .set("api.max_response_bytes", &BODY_BYTES_MAX.to_string());
        let (run, memory_kib) = watched(siege.bench.spawn(&["sync", "--json"])).await;
        show(&format!("{}: {memory_kib} KiB", &record[..20]));
        run.exits(0);
        let kept: String = siege.bench.one("SELECT raw FROM live_customers");
        assert!(kept == sent, "{}", &record[..20]);
        assert!(
            memory_kib < MEMORY_KIB_MAX,
            "{}: {memory_kib} KiB",
            &record[..20]
        );
    }
}
