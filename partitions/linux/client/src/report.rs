//! The lines that `xtask` reads from the console: `@bulkhead ` and one JSON object.

use std::fmt::Write;

/// A JSON object in the making.
pub struct Line {
    text: String,
}

impl Line {
    /// Starts a line about an event.
    pub fn new(event: &str) -> Line {
        Line {
            text: String::from("@bulkhead {"),
        }
        .text("event", event)
    }

    /// Adds a string.
    pub fn text(mut self, key: &str, value: &str) -> Line {
        self.key(key);
        quote(&mut self.text, value);
        self
    }

    /// Adds a number.
    pub fn number(mut self, key: &str, value: u64) -> Line {
        self.key(key);
        let _ = write!(self.text, "{value}");
        self
    }

    /// Adds true or false.
    pub fn truth(mut self, key: &str, value: bool) -> Line {
        self.key(key);
        let _ = write!(self.text, "{value}");
        self
    }

    /// Prints the line in one piece, so that lines of several processes stay whole.
    pub fn print(self) {
        print!("{}", self.finish());
    }

    fn finish(mut self) -> String {
        self.text.push_str("}\n");
        self.text
    }

    fn key(&mut self, key: &str) {
        if !self.text.ends_with('{') {
            self.text.push(',');
        }
        quote(&mut self.text, key);
        self.text.push(':');
    }
}

fn quote(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json() {
        let line = Line::new("client")
            .text("tee", "a \"b\"\\\n")
            .number("ms", 12)
            .truth("ok", false)
            .finish();
        let text = r#"@bulkhead {"event":"client","tee":"a \"b\"\\\u000a","ms":12,"ok":false}"#;
        assert_eq!(line, format!("{text}\n"));
    }
}
