//! The recipes of `docs/recipes`, as somebody who follows a page would do them.
//!
//! Of each page the files that it names are written into an empty directory, its shell passages run
//! there in their order, and what they print is what the page says. The library lies where the
//! loader finds it by its bare name, as an installed one does.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::{env, fs};

/// What a page is made of, to a test.
#[derive(Default, Debug, PartialEq)]
struct Page {
    /// Name and text of each file
    files: Vec<(String, String)>,
    /// The shell passages, one after the other
    script: String,
    /// Lines that the script prints in this order; `…` stands for anything
    expected: Vec<String>,
}

/// A passage is of its fence's language; a file's has its name, quoted and with a colon, in the
/// line before. Shell passages are run and `text` is what they print; other passages are shown.
fn page(text: &str) -> Page {
    let mut page = Page::default();
    let mut lines = text.lines();
    let mut name = None;
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                name = line.strip_prefix('`').and_then(|l| l.strip_suffix("`:"));
            }
            continue;
        };
        let passage: String = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .flat_map(|line| [line, "\n"])
            .collect();
        match (name.take(), language) {
            (Some(name), _) => page.files.push((name.to_owned(), passage)),
            (None, "sh") => page.script += &passage,
            (None, "text") => page.expected.extend(passage.lines().map(str::to_owned)),
            (None, _) => (),
        }
    }
    page
}

/// Whether `line` is what `pattern` says.
fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The first line of `expected` that `printed` does not have behind the others.
fn missing<'a>(expected: &'a [String], printed: &str) -> Option<&'a String> {
    let mut lines = printed.lines();
    expected
        .iter()
        .find(|pattern| !lines.any(|line| fits(pattern, line)))
}

/// A directory that any user may read, gone with the value.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("cairn-recipe-{name}-{}", id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("no directory for the recipe");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its rights");
        Self(path)
    }

    /// A directory in it.
    fn with(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).expect("no directory for the recipe");
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the packages bring: the command, the library by its soname, the header and what pkg-config
/// reads.
fn install(place: &Place) -> PathBuf {
    let prefix = place.with("usr");
    let multiarch = format!("{}-linux-gnu", env::consts::ARCH);
    let library = prefix.join("lib").join(&multiarch);
    for directory in ["bin", "include"] {
        place.with(&format!("usr/{directory}"));
    }
    fs::create_dir_all(library.join("pkgconfig")).expect("no directory for the library");
    let copy = |from: &Path, to: PathBuf| {
        fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", to.display()))
    };
    copy(
        Path::new(env!("CARGO_BIN_EXE_cairn")),
        prefix.join("bin/cairn"),
    );
    let soname = "libcairn.so.1";
    copy(&common::libcairn(), library.join(soname));
    symlink(soname, library.join("libcairn.so")).expect("no link");
    for (from, to) in [
        ("cairn.h", prefix.join("include/cairn.h")),
        ("cairn.pc", library.join("pkgconfig/cairn.pc")),
    ] {
        let text = fs::read_to_string(common::root().join("dist/files").join(from))
            .expect("a file of the package")
            .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
            .replace("@MULTIARCH@", &multiarch)
            .replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
            .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
            .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH"));
        fs::write(to, text).expect("a file of the package");
    }
    prefix
}

/// Follows the page `name` where `programs` are there. `user` is who does it, where it may not be
/// root.
#[track_caller]
fn follow(name: &str, programs: &[&str], user: Option<u32>) {
    if programs
        .iter()
        .any(|program| common::find(program).is_none())
    {
        return;
    }
    let file = common::root().join("docs/recipes").join(name);
    let page = page(&fs::read_to_string(&file).expect("a recipe"));
    assert!(!page.script.is_empty(), "{name} runs nothing");
    let place = Place::new(name.trim_end_matches(".md"));
    let prefix = install(&place);
    let work = place.with("work");
    let here = format!("path = \"{}\"", common::root().display());
    for (file, text) in &page.files {
        let text = text.replace("path = \"…\"", &here);
        fs::write(work.join(file), text).expect("a file of the recipe");
    }
    let library = prefix.join(format!("lib/{}-linux-gnu", env::consts::ARCH));
    // What the page left running ends with it.
    let script = format!(
        "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n{}",
        page.script
    );
    // SAFETY: asks for a number.
    let is_root = unsafe { libc::geteuid() } == 0;
    let mut command = match user {
        Some(user) if is_root => {
            chown(&work, Some(user), Some(user)).expect("not somebody else's");
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={user}"))
                .args(["--clear-groups", "bash"]);
            command
        }
        _ => Command::new("bash"),
    };
    let path = env::var("PATH").unwrap_or_default();
    command
        .args(["-euc", &script])
        .current_dir(&work)
        .env_remove("LD_PRELOAD")
        .env("HOME", &work)
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", format!("{}:{path}", prefix.join("bin").display()))
        .env("LD_LIBRARY_PATH", &library)
        .env("PKG_CONFIG_PATH", library.join("pkgconfig"));
    let output = common::watch(&mut command);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{name}: {}",
        common::describe(&output)
    );
    if let Some(line) = missing(&page.expected, &printed) {
        panic!("{name} says `{line}`\n{}", common::describe(&output));
    }
}

/// The user whom every Unix has for what needs no rights.
const NOBODY: u32 = 65534;

#[test]
fn redis() {
    follow("redis.md", &["redis-server", "redis-cli"], None);
}

#[test]
fn postgresql() {
    let there = fs::read_dir("/usr/lib/postgresql").is_ok();
    if there {
        follow("postgresql.md", &["psql", "setpriv"], Some(NOBODY));
    } else {
        common::skip("no PostgreSQL is there");
    }
}

#[test]
fn python() {
    follow("python.md", &["gunicorn", "curl"], None);
}

#[test]
fn prefork() {
    follow("prefork.md", &["gunicorn", "curl"], None);
}

#[test]
fn rails() {
    follow("rails.md", &["puma", "curl"], None);
}

#[test]
fn node() {
    follow("node.md", &["node", "curl"], None);
}

#[test]
fn java() {
    follow("java.md", &["java", "javac"], None);
}

#[test]
fn c() {
    follow("c.md", &["cc", "pkg-config", "ldd"], None);
}

#[test]
fn rust() {
    follow("rust.md", &["cargo", "seq"], None);
}

#[test]
fn systemd() {
    follow("systemd.md", &["systemd-analyze", "python3"], None);
}

/// Whether `.ci/run` could not have what reads the recipes that nothing here can run.
fn lacks_linters() -> bool {
    let lacks = env::var_os("CAIRN_NO_LINTERS").is_some();
    if lacks {
        common::skip_elsewhere("no linter could be had");
    }
    lacks
}

#[test]
fn docker() {
    if !lacks_linters() {
        follow("docker.md", &["hadolint"], None);
    }
}

#[test]
fn kubernetes() {
    if !lacks_linters() {
        follow("kubernetes.md", &["kubernetes-validate"], None);
    }
}

/// A page that no test follows, or that the list does not name, would grow old unseen.
#[test]
fn every_page_is_followed_and_listed() {
    let directory = common::root().join("docs/recipes");
    let pages: BTreeSet<String> = fs::read_dir(&directory)
        .expect("the recipes")
        .map(|entry| {
            entry
                .expect("a page")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name != "README.md")
        .collect();
    let list = fs::read_to_string(directory.join("README.md")).expect("the list");
    let this = include_str!("recipes.rs");
    for page in &pages {
        assert!(list.contains(&format!("]({page})")), "{page} is not listed");
        let text = fs::read_to_string(directory.join(page)).expect("a page");
        for heading in ["\n## Does it serve", "\n## What to expect"] {
            assert!(text.contains(heading), "{page} has no {heading:?}");
        }
        assert!(
            this.contains(&format!("follow(\"{page}\"")),
            "no test follows {page}"
        );
    }
}

#[test]
fn a_page_is_read_as_its_reader_does() {
    let text = "# A\n\n`a.py`:\n\n```python\n1\n```\n\nThen:\n\n```sh\nls\n```\n\n```text\na.…\n```\n\n```ini\nno\n```\n";
    assert_eq!(
        page(text),
        Page {
            files: vec![("a.py".to_owned(), "1\n".to_owned())],
            script: "ls\n".to_owned(),
            expected: vec!["a.…".to_owned()],
        }
    );
    assert!(fits("a…c…e", "abcde") && fits("a", "a") && fits("…", ""));
    assert!(!fits("a…c", "ab") && !fits("a", "ab") && !fits("a…", "ba"));
    let expected = ["b".to_owned(), "a".to_owned()];
    assert_eq!(missing(&expected, "b\nx\na\n"), None);
    assert_eq!(missing(&expected, "a\nb\n"), Some(&"a".to_owned()));
}
