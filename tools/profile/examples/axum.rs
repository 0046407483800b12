//! A server whose heap profile is a page, as Go's servers have it: `/debug/pprof/heap`.
//!
//! ```text
//! cargo run --release -p cairn-profile --example axum -- 127.0.0.1:3000
//! pprof -http=: http://127.0.0.1:3000/debug/pprof/heap
//! ```

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cairn_profile::{Kind, Profile, pprof};
use std::sync::Mutex;

#[global_allocator]
static HEAP: cairn::Cairn = cairn::Cairn;

/// What the server keeps: the memory that the profile shows.
static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// The profile of what is in use, for pprof. Reading it takes tens of milliseconds, and seconds the
/// first time, since functions are looked up: not a task's work.
async fn heap() -> Response {
    let taken = tokio::task::spawn_blocking(|| {
        let mut bytes = Vec::new();
        pprof::write(&Profile::of_self()?, Kind::InUse, &mut bytes)?;
        anyhow::Ok(bytes)
    });
    match taken.await {
        Ok(Ok(bytes)) => {
            ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()
        }
        Ok(Err(error)) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Keeps so many bytes for good.
async fn keep(Path(bytes): Path<usize>) -> &'static str {
    if let Ok(mut kept) = KEPT.lock() {
        kept.push(vec![1; bytes.min(64 << 20)]);
    }
    "kept\n"
}

/// The server's pages. Whoever can reach the profile learns what the program does: keep that page to an
/// address of the machine's own.
pub fn pages() -> Router {
    Router::new()
        .route("/keep/{bytes}", get(keep))
        .route("/debug/pprof/heap", get(heap))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cairn::start_profile(512 << 10);
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/debug/pprof/heap", listener.local_addr()?);
    axum::serve(listener, pages()).await?;
    Ok(())
}
