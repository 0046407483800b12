//! A trace as a page with pictures, in one file.

use std::fmt::Write as _;

use traces::shape::{Class, Shape};

use super::text::{bytes, life_label, notes, share, size_label, time};

/// Width and height of the curve, pixels.
const SIZE: (f64, f64) = (860.0, 240.0);
/// The longest bar, pixels.
const BAR: f64 = 340.0;
/// Threads and pairs in the pictures.
const MANY: usize = 24;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:920px;margin:2em auto;padding:0 1em;\
    color:#222}svg{display:block;background:#fafafa}text{font:12px sans-serif}\
    h2{margin-top:2em;font-size:1.2em}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A line of a picture of bars: its name, how long it is, and what stands behind it.
struct Bar {
    name: String,
    value: u64,
    words: String,
}

fn bars(lines: &[Bar]) -> String {
    let most = lines
        .iter()
        .map(|line| line.value)
        .max()
        .unwrap_or(0)
        .max(1);
    let mut svg = format!(
        "<svg width=\"{}\" height=\"{}\">",
        SIZE.0,
        20 * lines.len() + 10
    );
    for (at, line) in lines.iter().enumerate() {
        let y = 20 * at + 6;
        let width = BAR * line.value as f64 / most as f64;
        let _ = write!(
            svg,
            "<text x=\"140\" y=\"{0}\" text-anchor=\"end\">{1}</text>\
             <rect x=\"148\" y=\"{y}\" width=\"{width:.1}\" height=\"15\" fill=\"#d62728\"/>\
             <text x=\"{2:.1}\" y=\"{0}\">{3}</text>",
            y + 12,
            escaped(&line.name),
            154.0 + width,
            escaped(&line.words),
        );
    }
    svg + "</svg>\n"
}

fn histogram(classes: &[Class], label: fn(&Class) -> String) -> String {
    let filled = classes.iter().skip_while(|class| class.objects == 0);
    let lines: Vec<Bar> = filled
        .map(|class| Bar {
            name: label(class),
            value: class.objects,
            words: format!("{} objects, {}", class.objects, bytes(class.bytes)),
        })
        .collect();
    bars(&lines)
}

fn curve(shape: &Shape) -> String {
    let (width, height) = SIZE;
    let most = shape.peak.bytes.max(1) as f64;
    let x = |seconds: f64| 70.0 + seconds / shape.seconds.max(1e-9) * (width - 90.0);
    let y = |bytes: u64| height - 24.0 - bytes as f64 / most * (height - 44.0);
    let points: String = shape
        .curve
        .iter()
        .map(|point| format!("{:.1},{:.1} ", x(point.time), y(point.bytes)))
        .collect();
    let mut svg = format!(
        "<svg width=\"{width}\" height=\"{height}\"><polyline fill=\"none\" stroke=\"#d62728\" \
         stroke-width=\"1.5\" points=\"{points}\"/>"
    );
    for part in [0.0, 0.5, 1.0] {
        let value = (most * part) as u64;
        let _ = write!(
            svg,
            "<text x=\"64\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y(value) + 4.0,
            bytes(value),
            x(shape.seconds * part).min(width - 30.0),
            height - 6.0,
            time(shape.seconds * part),
        );
    }
    svg + "</svg>\n"
}

/// The page.
pub(super) fn page(shape: &Shape) -> String {
    let program = escaped(&shape.start.program);
    let command = escaped(&shape.start.command.join(" "));
    let mut page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{program}</title><style>{STYLE}</style>\
         <h1>{program}</h1><p><code>{command}</code></p>\
         <p>{} calls in {}, {} asked for, {} of it zeroed. At most {} in {} objects lived at once. \
         malloc was served by {}.</p>",
        shape.calls(),
        time(shape.seconds),
        bytes(shape.bytes),
        share(shape.zeroed, shape.bytes),
        bytes(shape.peak.bytes),
        shape.peak.objects,
        escaped(&shape.start.served),
    );
    for note in notes(shape) {
        let _ = write!(page, "<p>{}</p>", escaped(&note));
    }
    let reallocs = &shape.reallocs;
    let calls = [
        ("malloc", shape.mallocs),
        ("calloc", shape.callocs),
        ("aligned", shape.aligned),
        ("realloc in place", reallocs.calls - reallocs.moved),
        ("realloc moved", reallocs.moved),
        ("free", shape.frees),
        ("failed", shape.failed),
    ];
    let calls: Vec<Bar> = calls
        .into_iter()
        .map(|(name, value)| Bar {
            name: name.to_owned(),
            value,
            words: value.to_string(),
        })
        .collect();
    let _ = write!(page, "<h2>Calls</h2>{}", bars(&calls));
    let _ = write!(page, "<h2>Live memory over time</h2>{}", curve(shape));
    let sizes = histogram(&shape.sizes, size_label);
    let _ = write!(page, "<h2>Sizes that were asked for</h2>{sizes}");
    let lives = histogram(&shape.lifetimes, life_label);
    let _ = write!(
        page,
        "<h2>Lifetimes</h2>{lives}<p>{} objects, {}, were never freed.</p>",
        shape.left.objects,
        bytes(shape.left.bytes)
    );
    let threads: Vec<Bar> = shape
        .threads
        .iter()
        .take(MANY)
        .map(|thread| Bar {
            name: format!("thread {}", thread.thread),
            value: thread.calls,
            words: format!(
                "{} calls, freed {} of its own, {} of others",
                thread.calls, thread.frees_own, thread.frees_others
            ),
        })
        .collect();
    let _ = write!(page, "<h2>Threads</h2>{}", bars(&threads));
    let pairs: Vec<Bar> = shape
        .pairs
        .iter()
        .take(MANY)
        .map(|pair| Bar {
            name: format!("{} frees {}'s", pair.by, pair.owner),
            value: pair.objects,
            words: format!("{} objects", pair.objects),
        })
        .collect();
    if !pairs.is_empty() {
        let _ = write!(page, "<h2>Who frees whose memory</h2>{}", bars(&pairs));
    }
    if reallocs.calls > 0 {
        let _ = write!(
            page,
            "<p>realloc: {} grown, {} shrunk, {} copied, at most {} calls for one object.</p>",
            reallocs.grown,
            reallocs.shrunk,
            bytes(reallocs.copied),
            reallocs.longest
        );
    }
    let large = &shape.large;
    if large.objects > 0 {
        let _ = write!(
            page,
            "<p>Large objects: of {} in {} that were looked at, {} were resident.</p>",
            bytes(large.bytes),
            large.objects,
            share(large.resident, large.bytes)
        );
    }
    page
}
