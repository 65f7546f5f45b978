//! Comparing what a command says with what the book shows of it.

/// The first line that the book shows and that did not come, in this order; other lines may stand between.
pub fn missing<'a>(shown: &'a [String], said: &str) -> Option<&'a str> {
    let mut lines = said.lines();
    shown
        .iter()
        .map(String::as_str)
        .filter(|line| !["", "…"].contains(&line.trim()))
        .find(|line| !lines.any(|other| fits(line, other)))
}

/// Whether a line is one that the book shows: blanks, times and digests may differ, and `…` stands for anything.
fn fits(shown: &str, said: &str) -> bool {
    let (shown, said) = (plain(shown), plain(said));
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| said.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last.is_some_and(|part| part.is_empty() || said.ends_with(part))
}

/// A line with one blank between words, no colours, and a sign for each time and each digest.
fn plain(line: &str) -> String {
    let bare = console::strip_ansi_codes(line);
    let words: Vec<_> = bare.split_whitespace().collect();
    let unit = |word: Option<&&str>| {
        word.is_some_and(|word| ["s", "ms", "us"].contains(&word.trim_end_matches([',', '.', ';'])))
    };
    let changed = words.iter().enumerate().map(|(at, word)| {
        let core = word.trim_matches(|letter: char| "(),.;:".contains(letter));
        let digits = !core.is_empty()
            && core
                .chars()
                .all(|letter| letter.is_ascii_digit() || letter == '.');
        let digest = core.len() == 16 && core.chars().all(|letter| letter.is_ascii_hexdigit());
        if digits && (core.contains('.') || unit(words.get(at + 1))) {
            word.replace(core, "TIME")
        } else if digest {
            word.replace(core, "DIGEST")
        } else {
            (*word).to_owned()
        }
    });
    changed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_shown_has_to_come() {
        let said = "Finished\n  a  0x8001   up in 12.5 s\r\nnoise\nb (0123456789abcdef) 41 s ago\n\u{1b}[1mend\u{1b}[0m of it\n";
        for shown in [
            "a 0x8001 up in 9.75 s\n…\nb (fedcba9876543210) 7 s ago\nend of it",
            "a … in …\nend of it",
            "a … 3.2 s",
            "… of it",
        ] {
            assert_eq!(missing(&lines(shown), said), None, "{shown}");
        }
        for (shown, lost) in [
            ("end of it\na 0x8001 up in 12.5 s", "a 0x8001 up in 12.5 s"),
            ("a 0x8002 up in 12.5 s", "a 0x8002 up in 12.5 s"),
            ("a … of it", "a … of it"),
            ("end", "end"),
        ] {
            assert_eq!(missing(&lines(shown), said), Some(lost));
        }
    }
}
