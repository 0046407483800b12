//! One step: what is said before, the program, and what is looked at.

use super::program::{Place, Running};
use super::show::Show;
use anyhow::Result;

/// How a step goes.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// Its program runs from stop to stop.
    Stops(fn(&mut Running, &mut Show) -> Result<()>),
    /// It runs its program as it needs.
    Own(fn(&Place, &Lesson, &mut Show) -> Result<()>),
}

/// A step.
#[derive(Clone, Copy)]
pub(super) struct Lesson {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What will happen.
    pub(super) says: &'static str,
    /// The program.
    pub(super) source: &'static str,
    /// Knobs that it needs.
    pub(super) knobs: &'static [(&'static str, &'static str)],
    pub(super) way: Way,
}

/// Columns of a text.
const WIDTH: usize = 78;

impl Lesson {
    pub(super) fn run(&self, place: &Place, show: &mut Show) -> Result<()> {
        match self.way {
            Way::Own(run) => run(place, self, show),
            Way::Stops(see) => {
                let mut running = place.start(self)?;
                see(&mut running, show)?;
                running.end(show)
            }
        }
    }

    /// The variables that it needs, as a shell has them.
    fn variables(&self) -> String {
        let set = |(name, value): &(&str, &str)| format!("{name}={value} ");
        self.knobs.iter().map(set).collect()
    }

    /// What comes before the run, in a terminal.
    pub(super) fn head(&self, number: usize) -> String {
        let title = format!("{number}. {}", self.title);
        let line = "=".repeat(title.chars().count());
        let mut out = format!("\n{title}\n{line}\n\n{}\n\n", wrap(self.says));
        let with = match self.variables().as_str() {
            "" => String::new(),
            set => format!(", with\n{}", set.trim()),
        };
        out.push_str(&format!("tools/cairn/tour/{}.c{with}:\n\n", self.name));
        for code in self.source.lines() {
            out.push_str(format!("  {code}").trim_end());
            out.push('\n');
        }
        out.push('\n');
        out
    }

    /// The same for a text.
    pub(super) fn markdown_head(&self, number: usize) -> String {
        let knobs = match self.variables().as_str() {
            "" => String::new(),
            set => format!(" It runs with `{}`.", set.trim()),
        };
        format!(
            "\n## {number}. {}\n\n{}{knobs}\n\n```c\n{}```\n\n",
            self.title, self.says, self.source
        )
    }
}

/// Words in lines.
fn wrap(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for word in text.split_whitespace() {
        let more = word.chars().count();
        if length != 0 && length + 1 + more > WIDTH {
            out.push('\n');
            length = 0;
        } else if length != 0 {
            out.push(' ');
            length += 1;
        }
        out.push_str(word);
        length += more;
    }
    out
}
