//! What a step shows, and what came true of what it said.

/// Something that was said.
pub(super) struct Claim {
    pub(super) what: String,
    pub(super) holds: bool,
}

/// The output of a step.
#[derive(Default)]
pub(super) struct Show {
    lines: Vec<String>,
    pub(super) claims: Vec<Claim>,
    left_out: Vec<String>,
}

impl Show {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A line, or several.
    pub(super) fn line(&mut self, text: impl AsRef<str>) {
        self.lines.extend(text.as_ref().lines().map(str::to_owned));
    }

    /// A stop of the program.
    pub(super) fn stop(&mut self, name: &str) {
        if !self.lines.is_empty() {
            self.lines.push(String::new());
        }
        self.lines.push(format!("-- {name}"));
    }

    /// Something that was said, and whether it is so.
    pub(super) fn claim(&mut self, what: impl Into<String>, holds: bool) {
        let what = what.into();
        self.claims.push(Claim { what, holds });
    }

    /// Something that cannot be shown here, and why.
    pub(super) fn leave_out(&mut self, why: impl Into<String>) {
        self.left_out.push(why.into());
    }

    fn rows(&self, marks: [&str; 3]) -> String {
        let [came, failed, left] = marks;
        let mut out = String::new();
        for claim in &self.claims {
            let mark = if claim.holds { came } else { failed };
            out.push_str(&format!("{mark} {}\n", claim.what));
        }
        for why in &self.left_out {
            out.push_str(&format!("{left} {why}\n"));
        }
        out
    }

    /// For a terminal.
    pub(super) fn text(&self) -> String {
        let rows = self.rows(["[yes]", "[NO] ", "[left out]"]);
        format!("{}\n\n{rows}", self.lines.join("\n"))
    }

    /// For a page.
    pub(super) fn markdown(&self) -> String {
        let rows = self.rows(["- so it was:", "- **not so:**", "- left out:"]);
        format!("```text\n{}\n```\n\n{rows}", self.lines.join("\n"))
    }
}
