//! A page of the book, read as far as its links and commands go: headings, links, fenced blocks and code within text.

use std::collections::BTreeMap;

/// A page.
#[derive(Debug, Default)]
pub struct Page {
    /// Its path from the repository's root.
    pub path: String,
    /// The anchors of its headings, as forges make them.
    pub anchors: Vec<String>,
    /// The targets of its links and pictures, with their lines.
    pub links: Vec<(usize, String)>,
    /// Its fenced blocks.
    pub blocks: Vec<Block>,
    /// Code within its text, with its lines.
    pub spans: Vec<(usize, String)>,
}

/// A fenced block.
#[derive(Debug)]
pub struct Block {
    /// The line of its opening fence, from 1.
    pub line: usize,
    /// Its language.
    pub language: String,
    /// Its text, line by line.
    pub text: Vec<String>,
}

impl Page {
    /// Reads a page of this path.
    pub fn read(path: &str, text: &str) -> Self {
        let mut page = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        let mut seen = BTreeMap::new();
        let mut paragraph = Vec::new();
        let mut open: Option<Block> = None;
        for (number, line) in (1..).zip(text.lines()) {
            if let Some(mut block) = open.take() {
                if line.trim() == "```" {
                    page.blocks.push(block);
                } else {
                    block.text.push(line.to_owned());
                    open = Some(block);
                }
                continue;
            }
            if let Some(language) = line.trim_start().strip_prefix("```") {
                page.prose(&std::mem::take(&mut paragraph));
                open = Some(Block {
                    line: number,
                    language: language.trim().to_owned(),
                    text: Vec::new(),
                });
                continue;
            }
            if let Some(heading) = heading(line) {
                let anchor = anchor(heading);
                let count: &mut usize = seen.entry(anchor.clone()).or_default();
                let suffix = if *count == 0 {
                    String::new()
                } else {
                    format!("-{count}")
                };
                page.anchors.push(anchor + &suffix);
                *count += 1;
            }
            // Code does not go from one paragraph, row or heading to the next.
            if line.trim().is_empty() || line.starts_with(['|', '#']) {
                page.prose(&std::mem::take(&mut paragraph));
            }
            paragraph.push((number, line));
        }
        page.prose(&paragraph);
        page.blocks.extend(open);
        page
    }

    /// Takes code and links out of lines that belong together.
    fn prose(&mut self, lines: &[(usize, &str)]) {
        let Some((first, _)) = lines.first() else { return };
        let text = lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        let line = |at: usize| first + text[..at].matches('\n').count();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(begin) = text[at..].find('`').map(|found| at + found) {
            let ticks = text[begin..].chars().take_while(|letter| *letter == '`').count();
            let fence = &text[begin..begin + ticks];
            let inside = begin + ticks;
            let Some(end) = text[inside..].find(fence).map(|found| inside + found) else {
                break;
            };
            let words: Vec<_> = text[inside..end].split_whitespace().collect();
            self.spans.push((line(begin), words.join(" ")));
            plain += &text[at..begin];
            plain.extend(std::iter::repeat_n('x', end + ticks - begin));
            at = end + ticks;
        }
        plain += &text[at..];
        for (begin, _) in plain.match_indices("](") {
            let target = plain[begin + 2..]
                .split([')', ' ', '\n'])
                .next()
                .unwrap_or_default();
            self.links.push((line(begin), target.to_owned()));
        }
    }
}

/// The text of a heading, where a line is one.
fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (1..=6)
        .contains(&(line.len() - text.len()))
        .then(|| text.strip_prefix(' '))?
}

/// The anchor that forges give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart() {
        let page = Page::read(
            "docs/a.md",
            "# A `b`'s C\n\ntext [x](b.md#c), `code over\ntwo lines` and `[no](link)`\n\n```sh\nls # [no](link)\n```\n\n## Same\n## Same\n",
        );
        assert_eq!(page.anchors, ["a-bs-c", "same", "same-1"]);
        assert_eq!(page.links, [(3, "b.md#c".to_owned())]);
        let spans: Vec<_> = page
            .spans
            .iter()
            .map(|(line, text)| (*line, text.as_str()))
            .collect();
        assert_eq!(spans, [(1, "b"), (3, "code over two lines"), (4, "[no](link)")]);
        assert_eq!((page.blocks[0].line, page.blocks[0].language.as_str()), (6, "sh"));
        assert_eq!(page.blocks[0].text, ["ls # [no](link)"]);
    }
}
