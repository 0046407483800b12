//! Tables in a page, and the parts of it that are generated.

use anyhow::{Result, bail};

/// The text with what stands between the part's marks replaced.
///
/// # Errors
/// When it has no such marks.
pub(crate) fn replace(text: &str, name: &str, part: &str) -> Result<String> {
    let (begin, end) = (
        format!("<!-- begin: {name} -->"),
        format!("<!-- end: {name} -->"),
    );
    let Some((before, rest)) = text.split_once(&begin) else {
        bail!("docs/benchmarks.md has no {begin}");
    };
    let Some((_, after)) = rest.split_once(&end) else {
        bail!("docs/benchmarks.md has no {end}");
    };
    Ok(format!(
        "{before}{begin}\n{}\n{end}{after}",
        part.trim_end()
    ))
}

/// A table in Markdown; numbers to the right.
pub(crate) fn markdown(header: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule: Vec<String> = header
        .iter()
        .enumerate()
        .map(|(at, _)| if at == 0 { "---" } else { "---:" }.to_owned())
        .collect();
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{}{rows}", line(header), line(&rule))
}

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = "by hand\n<!-- begin: a -->\nold\n<!-- end: a -->\nby hand too\n";
        let new = replace(text, "a", "new\n\n").unwrap_or_default();
        assert_eq!(
            new,
            "by hand\n<!-- begin: a -->\nnew\n<!-- end: a -->\nby hand too\n"
        );
        assert_eq!(replace(&new, "a", "new").unwrap_or_default(), new);
        assert!(replace(text, "b", "new").is_err());
    }
}
