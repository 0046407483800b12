//! `tests/golden.toml`: its figures, where they were taken, and how they are taken again.
//!
//! A figure hangs on more than the source: on how the kernel counts, on the C library, the
//! compilers and the CPU. Each group of figures is kept with what it hangs on. Where that is what
//! is at hand, a figure has to be the golden one. Elsewhere it is compared with glibc's in the
//! same run only, and the test says that the rest was skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::{Mutex, PoisonError};
use std::{env, mem};

use crate::common;
use toml::Table;

/// Figures that are taken together, by one test, and what they hang on.
pub(crate) struct Group {
    /// Their name in `[environment.NAME]`.
    pub name: &'static str,
    /// Keys of that table.
    pub hangs_on: &'static [&'static str],
}

pub(crate) const INSTRUCTIONS: Group = Group {
    name: "instructions",
    hangs_on: &["rustc", "libc", "cc", "cpu", "valgrind"],
};
/// As [`INSTRUCTIONS`], taken by another test.
pub(crate) const WAYS: Group = Group {
    name: "ways",
    hangs_on: INSTRUCTIONS.hangs_on,
};
/// With a fixed seed and one thread it is the source alone that counts.
pub(crate) const LOCKS: Group = Group {
    name: "locks",
    hangs_on: &[],
};
pub(crate) const PAGES: Group = Group {
    name: "pages",
    hangs_on: &["kernel", "rustc", "libc", "cc"],
};

/// The file, what was measured, and what is wrong with it.
pub(crate) struct Golden {
    group: Group,
    table: Table,
    at_hand: BTreeMap<&'static str, String>,
    /// Why no figure is compared with its golden one; empty if all are.
    elsewhere: Vec<String>,
    differences: Vec<String>,
    failures: Vec<String>,
    measured: Vec<(String, String, f64)>,
}

fn path() -> PathBuf {
    common::root().join("tests/golden.toml")
}

fn is_asked_to_update() -> bool {
    env::var_os("UPDATE_GOLDEN").is_some_and(|update| update == "1")
}

fn number(table: &Table, section: &str, key: &str) -> Option<f64> {
    let section = section
        .split('.')
        .try_fold(table, |table, name| table.get(name)?.as_table())?;
    let value = section.get(key)?;
    value
        .as_float()
        .or_else(|| value.as_integer().map(|whole| whole as f64))
}

/// What a program says of itself in its first line; nothing if it does not run.
fn first_line(program: impl AsRef<OsStr>) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().to_owned()
}

fn of_variable(variable: &str, otherwise: &str) -> String {
    first_line(env::var_os(variable).unwrap_or_else(|| otherwise.into()))
}

/// The words in a line's parentheses, up to the number of a distribution's update.
fn release(line: &str) -> String {
    let inner = line
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'));
    let release = inner.map_or(line, |(inner, _)| inner);
    release.split('+').next().unwrap_or(release).to_owned()
}

/// Vendor, family and model of the first CPU.
fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map_or("?", |(_, value)| value.trim())
    };
    ["vendor_id", "cpu family", "model"].map(field).join(" ")
}

/// The kernel's way to count: of what version it is, and how many faults `spawn` takes for 64
/// anonymous pages and for 64 of a file.
fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: Vec<&str> = release.trim().split('.').take(2).collect();
    let probe = common::plain(common::compile_c("counts/spawn.c", &[]))
        .arg("probe")
        .output()
        .map(|output| output.stderr)
        .unwrap_or_default();
    let faults = String::from_utf8_lossy(&probe);
    format!("{}, {} faults", version.join("."), faults.trim())
}

fn at_hand(key: &str) -> String {
    match key {
        "rustc" => of_variable("RUSTC", "rustc")
            .split(' ')
            .nth(1)
            .unwrap_or("?")
            .to_owned(),
        "libc" => release(&first_line("ldd")),
        "cc" => release(&of_variable("CC", "cc")),
        "valgrind" => first_line("valgrind"),
        "cpu" => cpu(),
        "kernel" => kernel(),
        _ => panic!("nothing here is called {key}"),
    }
}

impl Golden {
    pub(crate) fn read(group: Group) -> Self {
        let text = fs::read_to_string(path()).expect("tests/golden.toml");
        let table: Table = text.parse().expect("tests/golden.toml is TOML");
        let at_hand: BTreeMap<_, _> = group
            .hangs_on
            .iter()
            .map(|key| (*key, at_hand(key)))
            .collect();
        let recorded = |key: &str| {
            let environment = table.get("environment")?.get(group.name)?;
            environment.get(key)?.as_str()
        };
        let elsewhere = at_hand
            .iter()
            .filter(|(key, here)| recorded(key) != Some(here.as_str()))
            .map(|(key, here)| {
                let there = recorded(key).unwrap_or("not recorded");
                format!("{key} is {here:?} here, was {there:?} there")
            })
            .collect();
        Self {
            group,
            at_hand,
            elsewhere,
            table,
            differences: Vec::new(),
            failures: Vec::new(),
            measured: Vec::new(),
        }
    }

    /// Golden figures cannot hold, for a reason that only measuring showed.
    pub(crate) fn cannot_hold(&mut self, why: &str) {
        if !self.elsewhere.iter().any(|known| known == why) {
            self.elsewhere.push(why.to_owned());
        }
    }

    /// A limit that stands in the file and is never rewritten.
    pub(crate) fn limit(&self, section: &str, key: &str) -> f64 {
        number(&self.table, section, key)
            .or_else(|| number(&self.table, section, "otherwise"))
            .unwrap_or_else(|| panic!("tests/golden.toml has no [{section}] {key}"))
    }

    /// A figure above its golden fails; so does one below, as the next rise would hide in it.
    pub(crate) fn compare(&mut self, section: &str, key: &str, figure: f64, within: f64) {
        self.measured
            .push((section.to_owned(), key.to_owned(), figure));
        let Some(golden) = number(&self.table, section, key) else {
            self.differences
                .push(format!("[{section}] {key}: {figure:.1}, without a golden"));
            return;
        };
        let side = if figure > golden + within {
            "above"
        } else if figure < golden - within {
            "below"
        } else {
            return;
        };
        let lower = if side == "below" { ": lower it" } else { "" };
        self.differences.push(format!(
            "[{section}] {key}: {figure:.1}, {side} the golden {golden:.1} by more than {within:.1}{lower}"
        ));
    }

    pub(crate) fn at_most(&mut self, what: &str, figure: f64, most: f64) {
        if figure > most {
            self.fail(format!("{what}: {figure:.1}, above {most:.1}"));
        }
    }

    pub(crate) fn fail(&mut self, failure: String) {
        self.failures.push(failure);
    }

    /// Fails with all that differs. If an update was asked for, golden figures cannot differ:
    /// they are what was measured. Limits hold all the same, and then nothing is written.
    pub(crate) fn done(mut self) {
        let name = self.group.name;
        if !is_asked_to_update() && self.elsewhere.is_empty() {
            self.failures.append(&mut mem::take(&mut self.differences));
        }
        assert!(
            self.failures.is_empty(),
            "tests/golden.toml says how to change a golden figure\n{}",
            self.failures.join("\n")
        );
        if is_asked_to_update() {
            self.update();
        } else if !self.elsewhere.is_empty() {
            common::skip_elsewhere(&format!(
                "the golden figures of {name}, {} of which differ; compared with glibc only: {}",
                self.differences.len(),
                self.elsewhere.join("; ")
            ));
        }
    }

    /// Writes the numbers and where they were taken, together. The tests of one file run at once,
    /// so each reads the file anew.
    fn update(&self) {
        static FILE: Mutex<()> = Mutex::new(());
        assert!(!common::in_ci(), "in CI nothing rewrites its own measure");
        let _alone = FILE.lock().unwrap_or_else(PoisonError::into_inner);
        let text = fs::read_to_string(path()).expect("tests/golden.toml");
        let fresh = self.rewritten(&text);
        let _: Table = fresh.parse().expect("what is written is TOML");
        let before: BTreeSet<&str> = text.lines().collect();
        for line in fresh.lines().filter(|line| !before.contains(line)) {
            println!("golden now: {line}");
        }
        let next = path().with_extension(format!("toml-{}", process::id()));
        fs::write(&next, fresh).expect("tests/golden.toml cannot be written");
        fs::rename(&next, path()).expect("tests/golden.toml cannot be replaced");
    }

    /// Each line keeps all but its value, so comments stay. A figure that is new comes behind the
    /// last one of its section.
    fn rewritten(&self, text: &str) -> String {
        let mut left: Vec<(String, String, String)> = self
            .measured
            .iter()
            // As exact as the comparison needs, and no more.
            .map(|(section, key, figure)| {
                let rounded = (figure * 10.0).round() / 10.0;
                (section.clone(), key.clone(), rounded.to_string())
            })
            .collect();
        let section = format!("environment.{}", self.group.name);
        for (key, value) in &self.at_hand {
            left.push((section.clone(), (*key).to_owned(), format!("{value:?}")));
        }
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut section = String::new();
        // The line behind the last value of each section.
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for (at, line) in lines.iter_mut().enumerate() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.split(']').next().unwrap_or_default().to_owned();
                ends.insert(section.clone(), at + 1);
            }
            let Some((key, rest)) = line.split_once(" = ") else {
                continue;
            };
            ends.insert(section.clone(), at + 1);
            if let Some(i) = left.iter().position(|l| l.0 == section && l.1 == key) {
                let comment = rest.find(" #").map_or("", |at| &rest[at..]);
                *line = format!("{key} = {}{comment}", left.swap_remove(i).2);
            }
        }
        left.sort_by_key(|(section, _, _)| std::cmp::Reverse(ends.get(section).copied()));
        for (section, key, value) in left {
            let end = *ends
                .get(&section)
                .unwrap_or_else(|| panic!("tests/golden.toml has no [{section}]"));
            lines.insert(end, format!("{key} = {value}"));
        }
        lines.iter().fold(String::new(), |mut all, line| {
            writeln!(all, "{line}").expect("a string grows");
            all
        })
    }
}

/// An update writes its figures and where they were taken, and nothing else.
#[test]
fn an_update_changes_its_own_figures_and_keeps_the_rest() {
    let golden = Golden {
        group: LOCKS,
        table: Table::new(),
        at_hand: BTreeMap::from([("rustc", "2.0".to_owned())]),
        elsewhere: Vec::new(),
        differences: Vec::new(),
        failures: Vec::new(),
        measured: vec![
            ("locks".to_owned(), "64".to_owned(), 7.26),
            ("locks".to_owned(), "new".to_owned(), 3.0),
        ],
    };
    let old = "# head\n[environment.locks]\nrustc = \"1.0\"\n\n[locks]\n64 = 5 # why\n128 = 9\n\n# x\n[other]\n64 = 5\n";
    let new = "# head\n[environment.locks]\nrustc = \"2.0\"\n\n[locks]\n64 = 7.3 # why\n128 = 9\nnew = 3\n\n# x\n[other]\n64 = 5\n";
    assert_eq!(golden.rewritten(old), new);
}
