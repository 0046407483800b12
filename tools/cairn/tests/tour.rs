//! `cairn tour`: what each step says comes true, and docs/tour.md is the tour.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test reports by panicking"
)]

mod seen;

use seen::{cairn, common};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// The steps, as `--list` names them: name and title.
fn steps() -> Vec<(String, String)> {
    let output = cairn(&["tour", "--list"]);
    assert!(output.status.success(), "{}", common::describe(&output));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let step = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let name = words.next().expect("a name").to_owned();
        (name, words.collect::<Vec<_>>().join(" "))
    };
    text.lines().map(step).collect()
}

fn source(name: &str) -> String {
    let path = common::root().join(format!("tools/cairn/tour/{name}.c"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs the tour on the library under test.
fn tour(arguments: &[&str]) -> std::process::Output {
    let library = common::libcairn();
    let library = library.to_str().expect("a path");
    cairn(&[&["tour", "--library", library], arguments].concat())
}

#[test]
fn all_that_is_said_comes_true() {
    if seen::cannot_look() {
        return;
    }
    let output = tour(&["--all"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{text}{}",
        common::describe(&output)
    );
    assert!(!text.contains("[NO]") && !text.contains('\u{1b}'), "{text}");
    let came = text.matches("\n[yes] ").count();
    assert!(came >= 55, "{came} in {text}");
    assert!(
        text.ends_with(&format!(
            "\n{came} of {came} things that were said came true\n"
        )),
        "{text}"
    );
    for left_out in text.lines().filter(|line| line.starts_with("[left out]")) {
        common::skip_elsewhere(left_out);
    }
    for (name, title) in steps() {
        assert!(text.contains(&format!(". {title}\n")), "{title}");
        for line in source(&name).lines() {
            assert!(
                text.contains(&format!("\n{}\n", format!("  {line}").trim_end())),
                "{name}: {line}"
            );
        }
    }
    let wide = text.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None);
}

#[test]
fn the_page_has_the_programs_as_they_are() {
    let path = common::root().join("docs/tour.md");
    let page = fs::read_to_string(path).expect("docs/tour.md");
    let steps = steps();
    assert_eq!(page.matches("\n```c\n").count(), steps.len());
    let mut rest = page.as_str();
    for (i, (name, title)) in steps.iter().enumerate() {
        let head = format!("\n## {}. {title}\n", i + 1);
        rest = rest
            .split_once(&head)
            .unwrap_or_else(|| panic!("no {head}"))
            .1;
        let (_, code) = rest.split_once("\n```c\n").expect("its code");
        let (code, _) = code.split_once("```\n").expect("its end");
        assert_eq!(
            code,
            source(name),
            "write the page anew: cairn tour --markdown > docs/tour.md"
        );
        assert!(rest.contains("\n- so it was: "), "{title}");
    }
    assert!(
        !page.contains("**not so:**"),
        "the page has a step that failed"
    );
    assert!(!page.contains("- left out:"), "the page lacks a step");
    // Every file of the folder is a step's.
    let folder = common::root().join("tools/cairn/tour");
    for entry in fs::read_dir(folder).expect("the folder") {
        let file = entry.expect("its entry").file_name();
        let file = file.to_string_lossy();
        let is_step = steps.iter().any(|(name, _)| file == format!("{name}.c"));
        assert!(is_step || file == "tour.h", "{file}");
    }
}

/// A compiler that makes of the program one that does otherwise than was said.
#[test]
fn what_does_not_come_true_fails() {
    if seen::cannot_look() {
        return;
    }
    let compiler = common::scratch().join(format!("tour-cc-{}", std::process::id()));
    let script = "#!/bin/sh\nfor last; do :; done\n\
                  test -f \"$last\" && sed -i 's/i += 4/i += 2/' \"$last\"\nexec cc \"$@\"\n";
    fs::write(&compiler, script).expect("a script");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&compiler, mode).expect("a program");
    let output = common::watch(
        Command::new(env!("CARGO_BIN_EXE_cairn"))
            .args(["tour", "fork", "--library"])
            .arg(common::libcairn())
            .env("CC", &compiler),
    );
    fs::remove_file(&compiler).expect("the script");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("[NO]  16 writes were 32 faults"), "{text}");
}

/// Knobs of the user's are none of the tour's.
#[test]
fn knobs_do_not_change_the_tour() {
    if seen::cannot_look() {
        return;
    }
    let output = common::watch(
        Command::new(env!("CARGO_BIN_EXE_cairn"))
            .args(["tour", "2", "--library"])
            .arg(common::libcairn())
            .env("MALLOC_MMAP_THRESHOLD_", "32768")
            .env("CAIRN_RUN_MAX", "0"),
    );
    assert!(output.status.success(), "{}", common::describe(&output));
}

#[test]
fn what_cannot_run_gets_a_line() {
    let said = seen::error(&cairn(&["tour", "nonsense"]));
    assert!(said.contains("--list"), "{said}");
    let output = common::watch(
        Command::new(env!("CARGO_BIN_EXE_cairn"))
            .args(["tour", "fork"])
            .env("CC", "/no/compiler"),
    );
    let said = seen::error(&output);
    assert!(
        said.contains("no C compiler") && said.contains("gcc"),
        "{said}"
    );
    let output = cairn(&["tour", "fork", "--library", "/no/library.so"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("no library") && said.lines().count() == 1,
        "{said}"
    );
}
