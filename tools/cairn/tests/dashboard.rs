//! The example dashboard: each of its queries is answered by a real Prometheus that asks
//! `cairn metrics`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{Ended, Seen, common};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// The queries of the dashboard, with what Grafana would put in.
fn queries() -> Vec<String> {
    let text = fs::read_to_string(common::root().join("docs/grafana.json")).expect("the dashboard");
    let board: Value = serde_json::from_str(&text).expect("JSON");
    let panels = board["panels"].as_array().expect("panels");
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("queries"));
    targets
        .map(|target| target["expr"].as_str().expect("a query"))
        .map(|query| {
            let query = query
                .replace("$pid", ".+")
                .replace("$__rate_interval", "1m");
            assert!(!query.contains('$'), "{query}");
            query
        })
        .collect()
}

/// What an HTTP server answers, if it does.
fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text.split_once("\r\n\r\n")?.1.to_owned())
}

/// Every byte but letters and digits as a URL has it.
fn escaped(query: &str) -> String {
    query
        .bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        })
        .collect()
}

/// What Prometheus finds for a query; `None` while it has nothing.
fn ask(port: u16, query: &str) -> Option<Vec<Value>> {
    let text = get(port, &format!("/api/v1/query?query={}", escaped(query)))?;
    let answer: Value = serde_json::from_str(&text).ok()?;
    assert_ne!(answer["status"], "error", "{query}: {text}");
    let found = answer["data"]["result"].as_array()?.clone();
    (!found.is_empty()).then_some(found)
}

#[test]
fn each_query_of_the_dashboard_is_answered() {
    if seen::cannot_look() {
        return;
    }
    let Some(prometheus) = common::find("prometheus") else {
        return common::skip("prometheus is not there");
    };
    let seen = Seen::heap(["20000", "2000", "10", "2"], &[]);
    let mut metrics = Command::new(env!("CARGO_BIN_EXE_cairn"))
        .args(["metrics", &seen.pid(), "--listen", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut line = String::new();
    let mut output = BufReader::new(metrics.stdout.take().expect("a pipe"));
    output.read_line(&mut line).expect("a line");
    let _metrics = Ended(metrics);
    let target = line
        .trim()
        .strip_prefix("listening on http://")
        .and_then(|rest| rest.strip_suffix("/metrics"))
        .expect("an address");
    let folder = common::scratch().join(format!("prometheus-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("prometheus.yml");
    let settings = format!(
        "global: {{scrape_interval: 300ms, scrape_timeout: 300ms}}\nscrape_configs:\n- job_name: cairn\n  static_configs: [{{targets: ['{target}']}}]\n"
    );
    fs::write(&file, settings).expect("its settings");
    // Free a moment ago.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let log = fs::File::create(folder.join("log")).expect("a file");
    let server = Command::new(prometheus)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("prometheus starts");
    let server = Ended(server);
    let all = queries();
    assert!(all.len() >= 12, "{all:?}");
    let mut left: Vec<&String> = all.iter().collect();
    for _ in 0..300 {
        left.retain(|query| {
            let Some(found) = ask(port, query) else {
                return true;
            };
            // Each is about the process that was asked for.
            for one in &found {
                assert_eq!(one["metric"]["pid"], seen.pid(), "{query}: {one}");
            }
            false
        });
        if left.is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(200));
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    assert!(left.is_empty(), "without an answer: {left:#?}\n{log}");
    let values = get(port, "/api/v1/label/pid/values").expect("an answer");
    assert!(values.contains(&format!("\"{}\"", seen.pid())), "{values}");
    // What no process has is no answer: the figures above are the command's.
    assert_eq!(ask(port, "cairn_nothing_bytes"), None);
    drop(server);
    fs::remove_dir_all(&folder).expect("it goes");
}
