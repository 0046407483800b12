//! `cairn trace`: what a program does with memory, from a recording of it.

mod html;
mod text;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use traces::file::Reader;
use traces::shape;

/// Show what a recorded program does with memory.
///
/// Calls, sizes, lifetimes, what lived over time, threads and who frees whose memory, realloc, and
/// how much of large objects was used.
#[derive(Args)]
#[command(after_help = "\
Example:
  cairn record -o jq.trace -- jq -c . orders.json
  cairn trace jq.trace
  cairn trace jq.trace --html jq.html")]
pub(crate) struct Arguments {
    /// A trace that `cairn record` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print every call, one a line, instead of the figures
    #[arg(long, conflicts_with_all = ["html", "json"])]
    text: bool,
    /// Write a page with pictures there
    #[arg(long, value_name = "PAGE")]
    html: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Shows the trace.
///
/// # Errors
/// It cannot be read, or something not be written.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut reader = Reader::open(&arguments.file)?;
    if arguments.text {
        return text::calls(&mut reader);
    }
    let shape = shape::of(&mut reader).with_context(|| format!("{}", arguments.file.display()))?;
    if let Some(page) = &arguments.html {
        fs::write(page, html::page(&shape))
            .with_context(|| format!("cannot write {}", page.display()))?;
    }
    if arguments.json {
        return crate::print(&format!("{}\n", serde_json::to_string_pretty(&shape)?));
    }
    crate::print(&text::figures(&shape))
}
