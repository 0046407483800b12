//! `cairn metrics`: the figures as OpenMetrics text, for Prometheus and its like.

mod families;

use anyhow::{Context, Result, bail};
use cairn_reader::summary::{self, Summary};
use clap::Args;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Prints figures as OpenMetrics text, once, into a file, or to whoever asks a port.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn metrics $(pidof redis-server)
  cairn metrics --all -o /var/lib/node_exporter/cairn.prom
  cairn metrics --all --listen 9099

Processes are read while they run. A file is replaced in one step.")]
pub(crate) struct Arguments {
    /// Numbers of processes
    #[arg(
        value_name = "PID",
        required_unless_present = "all",
        allow_negative_numbers = true
    )]
    pids: Vec<i32>,
    /// All processes on Cairn that we may look at
    #[arg(long, conflicts_with = "pids")]
    all: bool,
    /// Write into a file, for a node exporter's textfile collector
    #[arg(short, long, value_name = "FILE", conflicts_with = "listen")]
    output: Option<PathBuf>,
    /// Answer requests for /metrics on this port, until it is ended: of the loopback address, where
    /// no other is named
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = place)]
    listen: Option<SocketAddr>,
}

/// Where to listen.
fn place(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse().map(|port| (Ipv4Addr::LOCALHOST, port).into());
    port.or_else(|_| text.parse())
        .map_err(|_| "a port, or an address and a port, as 0.0.0.0:9464".to_owned())
}

fn collect(arguments: &Arguments) -> Result<Vec<Summary>> {
    if arguments.all {
        return Ok(summary::all());
    }
    // A series is written once, however often its process is named.
    let pids: BTreeSet<i32> = arguments.pids.iter().copied().collect();
    pids.into_iter().map(crate::look::summary).collect()
}

/// Writes, or serves.
///
/// # Errors
/// A process cannot be looked at, the file cannot be written, or the port is another's.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(place) = arguments.listen {
        return serve(arguments, place);
    }
    let text = families::text(&collect(arguments)?);
    match &arguments.output {
        None => crate::print(&text),
        Some(path) => replace(path, &text),
    }
}

/// The file is the old one or the new one at any moment.
fn replace(path: &Path, text: &str) -> Result<()> {
    let Some(name) = path.file_name() else {
        bail!("{} names no file", path.display());
    };
    let mut fresh = name.to_owned();
    // A collector passes over what does not end in .prom.
    fresh.push(format!(".{}.tmp", std::process::id()));
    let fresh = path.with_file_name(fresh);
    let done = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, path));
    if done.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    done.with_context(|| format!("cannot write {}", path.display()))
}

fn serve(arguments: &Arguments, place: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(place).with_context(|| format!("cannot listen on {place}"))?;
    let at = listener.local_addr()?;
    crate::print(&format!("listening on http://{at}/metrics\n"))?;
    // Whoever goes away in between does not matter to the next.
    for stream in listener.incoming().flatten() {
        let _ = answer(stream, arguments);
    }
    Ok(())
}

fn answer(mut stream: TcpStream, arguments: &Arguments) -> Result<()> {
    /// Bytes of a request that are read at most.
    const REQUEST: u64 = 8 << 10;
    let patience = Some(Duration::from_secs(5));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    let mut first = String::new();
    let mut lines = BufReader::new(std::io::Read::take(&stream, REQUEST));
    lines.read_line(&mut first)?;
    // To its end: who closes before everything was read breaks the connection.
    let mut line = String::new();
    while lines.read_line(&mut line)? != 0 && !line.trim().is_empty() {
        line.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (status, kind, body) = if !first.starts_with("GET ") || path != "/metrics" {
        let body = "there is only /metrics\n".to_owned();
        ("404 Not Found", "text/plain; charset=utf-8", body)
    } else {
        match collect(arguments) {
            Ok(all) => (
                "200 OK",
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                families::text(&all),
            ),
            Err(error) => (
                "503 Service Unavailable",
                "text/plain; charset=utf-8",
                format!("{error:#}\n"),
            ),
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}
