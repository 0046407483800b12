//! `cairn man`: manual pages, for who makes a package of the command.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, italic, roman};

/// The one table of knobs: the page for readers and the manual page are the same source.
const KNOBS: &str = include_str!("../../../docs/knobs.md");

/// Write the manual pages: one for the command and one for each subcommand, from what `--help`
/// says, and one for the knobs.
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct Arguments {
    /// The directory for the pages; those that are no command's go to `man7` beside it
    directory: PathBuf,
}

/// # Errors
/// The pages cannot be written.
pub(crate) fn run(arguments: &Arguments, command: clap::Command) -> Result<()> {
    let commands = &arguments.directory;
    let others = commands.with_file_name("man7");
    let cannot = || format!("cannot write manual pages to {}", commands.display());
    fs::create_dir_all(commands)
        .and_then(|()| clap_mangen::generate_to(command, commands))
        .and_then(|()| fs::create_dir_all(&others))
        .and_then(|()| fs::write(others.join("cairn.7"), of_knobs(KNOBS)))
        .with_context(cannot)
}

/// What a cell of a table says.
type Cell = Vec<Inline>;

/// Headings, paragraphs and tables of a page of documents, as a manual page has them. The first
/// column that says something names a row, and the last one explains it.
fn of_knobs(text: &str) -> String {
    let mut page = Roff::new();
    let version = concat!("Cairn ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["CAIRN", "7", "", version, "Cairn"])
        .control("SH", ["NAME"])
        .text([roman(
            "cairn - a malloc for programs as they are, and its knobs",
        )])
        .control("SH", ["SYNOPSIS"])
        .text([
            bold("LD_PRELOAD=libcairn.so.1"),
            roman(" program arguments"),
        ])
        .control("SH", ["DESCRIPTION"]);
    let (mut said, mut row, mut columns) = (Cell::new(), Vec::<Cell>::new(), Vec::<String>::new());
    let mut heading = false;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Text(text) if heading => said.push(roman(text.to_uppercase())),
            Event::Text(text) => said.push(roman(text.into_string())),
            Event::Code(text) => said.push(bold(text.into_string())),
            Event::SoftBreak => said.push(roman(" ")),
            Event::Start(Tag::Heading { .. }) => heading = true,
            Event::End(TagEnd::Heading(level)) => {
                heading = false;
                let title: String = std::mem::take(&mut said).iter().map(plain).collect();
                // The page's own title is the manual page's name.
                if level > pulldown_cmark::HeadingLevel::H1 {
                    page.control("SH", [title.as_str()]);
                }
            }
            Event::End(TagEnd::Paragraph) => {
                page.control("PP", []).text(std::mem::take(&mut said));
            }
            Event::End(TagEnd::TableCell) => row.push(std::mem::take(&mut said)),
            Event::End(TagEnd::TableHead) => {
                columns = row
                    .drain(..)
                    .map(|c| c.iter().map(plain).collect())
                    .collect();
            }
            Event::End(TagEnd::TableRow) => write_row(&mut page, &columns, row.drain(..).collect()),
            _ => (),
        }
    }
    page.control("SH", ["SEE ALSO"]).text([
        bold("cairn"),
        roman("(1), "),
        bold("mallopt"),
        roman("(3)"),
    ]);
    page.to_roff()
}

fn plain(inline: &Inline) -> String {
    match inline {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.clone(),
        Inline::LineBreak => " ".to_owned(),
    }
}

/// A row: its names, each with the column that it stands in, then what it means.
fn write_row(page: &mut Roff, columns: &[String], mut row: Vec<Cell>) {
    let Some(meaning) = row.pop() else {
        return;
    };
    let mut names = Cell::new();
    for (column, cell) in columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
        if !names.is_empty() {
            names.push(roman(", "));
        }
        if columns.len() > 2 {
            names.push(italic(format!("{} ", column.trim())));
        }
        names.extend(cell);
    }
    page.control("TP", []).text(names).text(meaning);
}

#[cfg(test)]
mod tests {
    use super::{KNOBS, of_knobs};

    #[test]
    fn every_row_of_a_table_is_a_paragraph_with_its_names() {
        let page = of_knobs(
            "# Knobs\n\nText of `x`.\n\n## By name\n\n| environment | default | meaning |\n| --- | --- | --- |\n| `A_B` | 3 | does `it` |\n| | 4 | nothing |\n",
        );
        for line in [
            ".SH \"BY NAME\"",
            ".TP",
            "\\fIenvironment \\fR\\fBA_B\\fR, \\fIdefault \\fR3",
            "does \\fBit\\fR",
            "\\fIdefault \\fR4",
        ] {
            assert!(page.lines().any(|l| l == line), "no {line:?} in\n{page}");
        }
    }

    #[test]
    fn the_page_has_all_knobs() {
        let page = of_knobs(KNOBS);
        let names: Vec<&str> = KNOBS
            .lines()
            .filter(|line| line.starts_with('|'))
            .flat_map(|line| line.split('`').skip(1).step_by(2))
            .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
            .collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            assert!(page.contains(name), "no {name}");
        }
    }
}
