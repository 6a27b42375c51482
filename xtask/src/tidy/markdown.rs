//! What the document checks read of Markdown: fences with their language, code spans and links outside of fences.

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fence<'a> {
    /// The word after the backticks; empty if there is none.
    pub(super) language: &'a str,
    /// The line of its first content line, from 1.
    pub(super) line: usize,
    /// Its lines.
    pub(super) content: Vec<&'a str>,
}

/// The fences of a document, and its other lines with their numbers.
pub(super) fn parts(text: &str) -> (Vec<Fence<'_>>, Vec<(usize, &str)>) {
    let mut fences: Vec<Fence<'_>> = Vec::new();
    let mut prose = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            if !inside {
                fences.push(Fence { language: language.trim(), line: index + 2, content: Vec::new() });
            }
            inside = !inside;
        } else if inside {
            if let Some(fence) = fences.last_mut() {
                fence.content.push(line);
            }
        } else {
            prose.push((index + 1, line));
        }
    }
    (fences, prose)
}

/// The insides of the code spans of a line.
pub(super) fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The targets of the links of a line, code spans aside.
pub(super) fn links(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for prose in line.split('`').step_by(2) {
        for tail in prose.split("](").skip(1) {
            found.extend(tail.split_once(')').map(|(target, _)| target.trim()));
        }
    }
    found
}

/// The anchors of the headings of a document, as forges make them: lower case, spaces to dashes, no punctuation.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let (_, prose) = parts(text);
    let headings = prose.iter().filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len() && title.starts_with(' ')).then(|| title.trim())
    });
    headings
        .map(|title| {
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
        })
        .collect()
}

#[test]
fn fences_spans_links_and_anchors_are_found() {
    let text = "# A `b` title: x-y\n[one](a.md) and [`two`](b.md#c) and `[no](z.md)`\n```sh\ncargo x\n```\nend `s p`\n";
    let (fences, prose) = parts(text);
    assert_eq!(fences, [Fence { language: "sh", line: 4, content: vec!["cargo x"] }]);
    assert_eq!(prose.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 6]);
    assert_eq!(spans(prose[2].1).collect::<Vec<_>>(), ["s p"]);
    assert_eq!(links(prose[1].1), ["a.md", "b.md#c"]);
    assert_eq!(anchors(text), ["a-b-title-x-y"]);
}
