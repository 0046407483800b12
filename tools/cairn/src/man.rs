//! `cairn man`: manual pages, for who makes a package of the command.

use std::path::PathBuf;
use std::{fs, mem};

use anyhow::{Context, Result};
use clap::Args;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, italic, roman};

/// The one table of knobs: the page for readers and the manual page are the same source.
const KNOBS: &str = include_str!("../../../docs/knobs.md");

/// The functions' one description, which the compiler reads too.
const HEADER: &str = include_str!("../../../dist/files/cairn.h");

/// Write the manual pages: one for the command and one for each subcommand, from what `--help`
/// says, one for the knobs, and one for the functions of `cairn.h`.
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct Arguments {
    /// The directory for the commands' pages; the others go to `man3` and `man7` beside it
    directory: PathBuf,
}

/// # Errors
/// The pages cannot be written.
pub(crate) fn run(arguments: &Arguments, command: clap::Command) -> Result<()> {
    let commands = &arguments.directory;
    let write = |section: &str, name: &str, page: String| {
        let directory = commands.with_file_name(section);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), page)
    };
    let cannot = || format!("cannot write manual pages to {}", commands.display());
    fs::create_dir_all(commands)
        .and_then(|()| clap_mangen::generate_to(command, commands))
        .and_then(|()| write("man7", "cairn.7", of_knobs(KNOBS)))
        .and_then(|()| write("man3", "libcairn.3", of_functions(HEADER)))
        .with_context(cannot)
}

/// The beginning of a page.
fn begun(name: &str, section: &str, what: &str) -> Roff {
    let mut page = Roff::new();
    let version = concat!("Cairn ", env!("CARGO_PKG_VERSION"));
    page.control("TH", [&name.to_uppercase(), section, "", version, "Cairn"])
        .control("SH", ["NAME"])
        .text([roman(format!("{name} - {what}"))])
        .control("SH", ["SYNOPSIS"]);
    page
}

/// Each comment of the header, behind the declarations that follow it up to an empty line. The
/// first one, which is about all of them, comes first.
fn of_functions(header: &str) -> String {
    let mut page = begun("libcairn", "3", "what Cairn serves beyond malloc");
    page.text([bold("#include <cairn.h>")])
        .control("PP", [])
        .text([bold("cc program.c $(pkg-config --cflags --libs cairn)")])
        .control("SH", ["DESCRIPTION"]);
    let mut rest = header;
    let mut is_first = true;
    while let Some((_, from)) = rest.split_once("/* ")
        && let Some((comment, after)) = from.split_once("*/")
    {
        let (code, next) = after.split_once("\n\n").unwrap_or((after, ""));
        rest = next;
        let code = code
            .trim_matches('\n')
            .replace("extern ", "")
            .replace(" __THROW", "");
        if !code.starts_with('#') && !code.is_empty() {
            page.control("PP", []).control("nf", []);
            page.text(lines(&code, bold)).control("fi", []);
        } else if !is_first {
            continue;
        }
        is_first = false;
        for paragraph in comment.split("\n\n") {
            if paragraph.starts_with("       ") {
                page.control("PP", []).control("nf", []);
                page.text(lines(paragraph, roman)).control("fi", []);
            } else {
                let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
                let parts = words.split('`').enumerate();
                let text = parts.map(|(i, part)| if i % 2 == 1 { bold(part) } else { roman(part) });
                page.control("PP", []).text(text.collect::<Vec<_>>());
            }
        }
    }
    page.control("SH", ["SEE ALSO"]).text([
        bold("cairn"),
        roman("(7), "),
        bold("malloc"),
        roman("(3)"),
    ]);
    page.to_roff()
}

/// Lines as they are.
fn lines(text: &str, font: fn(String) -> Inline) -> Vec<Inline> {
    text.lines()
        .flat_map(|line| [font(line.to_owned()), Inline::LineBreak])
        .collect()
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
                let title: String = mem::take(&mut said).iter().map(plain).collect();
                // The page's own title is the manual page's name.
                if level > pulldown_cmark::HeadingLevel::H1 {
                    page.control("SH", [title.as_str()]);
                }
            }
            Event::End(TagEnd::Paragraph) => {
                page.control("PP", []).text(mem::take(&mut said));
            }
            Event::End(TagEnd::TableCell) => row.push(mem::take(&mut said)),
            Event::End(TagEnd::TableHead) => {
                columns = row
                    .drain(..)
                    .map(|c| c.iter().map(plain).collect())
                    .collect();
            }
            Event::End(TagEnd::TableRow) => write_row(&mut page, &columns, mem::take(&mut row)),
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
    use super::{HEADER, KNOBS, of_functions, of_knobs};

    #[test]
    fn every_function_of_the_header_has_its_words() {
        let page = of_functions(HEADER);
        let functions = HEADER
            .lines()
            .filter_map(|line| line.strip_prefix("extern ")?.split_once('('))
            .filter_map(|(declared, _)| declared.rsplit([' ', '*']).next());
        let mut count = 0;
        for function in functions {
            count += 1;
            assert!(page.contains(&format!("{function}(")), "no {function}");
        }
        assert!(count >= 9, "only {count}");
        assert!(page.contains("asked for with ends the process"), "{page}");
        assert!(!page.contains("__THROW"), "{page}");
    }

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
