//! The documents lead somewhere: every link to a file of this repository, and to a heading in one,
//! and every page is in the list and in the book.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("../..").canonicalize().expect("the repository")
}

/// What a page links to, and the anchors of its headings.
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

/// A heading's anchor, as the usual readers of Markdown make it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn read(text: &str) -> Page {
    let mut page = Page {
        links: Vec::new(),
        anchors: BTreeSet::new(),
    };
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(dest_url.into_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                page.anchors.extend(heading.take().map(|h| anchor(&h)));
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => (),
        }
    }
    page
}

/// Every page for readers, by its path from the repository.
fn pages() -> BTreeMap<PathBuf, Page> {
    fn collect(root: &Path, directory: &Path, into: &mut BTreeMap<PathBuf, Page>) {
        for entry in fs::read_dir(root.join(directory)).expect("a directory of pages") {
            let path = directory.join(entry.expect("its entry").file_name());
            if root.join(&path).is_dir() {
                collect(root, &path, into);
            } else if path.extension().is_some_and(|e| e == "md") {
                let text = fs::read_to_string(root.join(&path)).expect("a page");
                into.insert(path, read(&text));
            }
        }
    }
    let root = root();
    let mut pages = BTreeMap::new();
    collect(&root, Path::new("docs"), &mut pages);
    for page in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "allocator/README.md",
        "c-tests/README.md",
    ] {
        let text = fs::read_to_string(root.join(page)).expect("a page");
        pages.insert(page.into(), read(&text));
    }
    pages
}

/// The file that `link` in `page` names, from the repository.
fn target(page: &Path, link: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in page.parent().expect("a directory").join(link).components() {
        match part {
            Component::ParentDir => assert!(path.pop(), "{link} leads out of the repository"),
            part => path.push(part),
        }
    }
    path
}

fn is_elsewhere(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:")
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let (root, pages) = (root(), pages());
    let mut dead = Vec::new();
    let mut looked_at = 0;
    for (name, page) in &pages {
        for link in page.links.iter().filter(|link| !is_elsewhere(link)) {
            looked_at += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() {
                name.clone()
            } else {
                target(name, file)
            };
            let there = root.join(&file).exists();
            let found = heading.is_empty()
                || pages
                    .get(&file)
                    .is_some_and(|page| page.anchors.contains(heading));
            if !there || !found {
                dead.push(format!("{}: {link}", name.display()));
            }
        }
    }
    assert!(looked_at > 60, "only {looked_at} links were looked at");
    assert!(dead.is_empty(), "these lead nowhere:\n{}", dead.join("\n"));
}

#[test]
fn every_page_is_in_the_list_and_in_the_book() {
    let pages = pages();
    for list in ["docs/README.md", "docs/SUMMARY.md"] {
        let list = Path::new(list);
        let named: BTreeSet<PathBuf> = pages
            .get(list)
            .expect("the list")
            .links
            .iter()
            .filter(|link| !is_elsewhere(link))
            .map(|link| target(list, link.split('#').next().unwrap_or_default()))
            .collect();
        let not_pages = ["docs/README.md", "docs/SUMMARY.md", "CHANGELOG.md"];
        let missing: Vec<_> = pages
            .keys()
            .filter(|page| !not_pages.iter().any(|not| page.as_path() == Path::new(not)))
            .filter(|page| !named.contains(*page))
            .collect();
        assert!(
            missing.is_empty(),
            "{} does not name {missing:?}",
            list.display()
        );
    }
}

#[test]
fn a_heading_has_the_anchor_that_its_readers_make() {
    let page = read("# What `free` does, and why\n\n[a](b.md#c) ![d](e.png)\n\n    [no](link)\n");
    assert!(page.anchors.contains("what-free-does-and-why"));
    assert_eq!(page.links, ["b.md#c", "e.png"]);
}
