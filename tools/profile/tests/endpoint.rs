//! The example of a server with axum: its page is a profile that names who keeps the memory.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking; the example's own main is not called"
)]

#[path = "../examples/axum.rs"]
mod example;

use cairn_profile::pprof;
use flate2::read::GzDecoder;
use prost::Message;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A page: its head and its body.
fn fetch(at: SocketAddr, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(at).expect("the server listens");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("it answers");
    let end = all
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a head");
    let body = all.split_off(end + 4);
    (String::from_utf8_lossy(&all).into_owned(), body)
}

#[test]
fn the_page_is_a_profile_of_the_server() {
    cairn::start_profile(64 << 10);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let at = listener.local_addr().expect("an address");
    runtime.spawn(async move { axum::serve(listener, example::pages()).await });
    for _ in 0..20 {
        assert_eq!(fetch(at, "/keep/1000000").1, b"kept\n");
    }
    let (head, body) = fetch(at, "/debug/pprof/heap");
    assert!(
        head.starts_with("HTTP/1.1 200 OK"),
        "{head}{}",
        String::from_utf8_lossy(&body)
    );
    let mut bytes = Vec::new();
    GzDecoder::new(&*body)
        .read_to_end(&mut bytes)
        .expect("gzip");
    let file = pprof::File::decode(&*bytes).expect("a profile");
    let text = |n: i64| &*file.string_table[usize::try_from(n).expect("a number")];
    let kind = file
        .sample_type
        .iter()
        .position(|t| text(t.kind) == "inuse_space")
        .expect("its type");
    let name = |id: u64| {
        file.function
            .iter()
            .find(|f| f.id == id)
            .map_or("", |f| text(f.name))
    };
    let in_keep = |location: &u64| {
        let location = file.location.iter().find(|l| l.id == *location);
        location.is_some_and(|l| {
            l.line
                .iter()
                .any(|line| name(line.function).contains("example::keep"))
        })
    };
    let kept = file
        .sample
        .iter()
        .filter(|s| s.location.iter().any(in_keep));
    let kept: i64 = kept.map(|s| s.value[kind]).sum();
    // Objects of 1,000,000 bytes are all met at this interval.
    assert!((19_000_000..=21_000_000).contains(&kept), "{kept}");
}
