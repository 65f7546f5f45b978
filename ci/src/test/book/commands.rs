//! The commands of the book: those of its blocks, in the order in which a reader types them, and those that its text
//! mentions.

use super::page::{Block, Page};

/// The prompt of this machine's shell, and that of the shell in Linux behind `cargo xtask run --shell`.
const PROMPT: &str = "$ ";
const LINUX_PROMPT: &str = "~ # ";

/// Languages of blocks in which there is nothing to type.
const SILENT: [&str; 5] = ["text", "toml", "c", "rust", "json"];

/// Programs that text mentions as something to type.
const PROGRAMS: [&str; 16] = [
    "apt-get",
    "aarch64-linux-gnu-gcc",
    "aarch64-linux-gnu-objcopy",
    "bulkhead-client",
    "bulkhead-info",
    "bulkhead-tees",
    "cargo",
    "ln",
    "mkdir",
    "podman",
    "qemu-system-aarch64",
    "rustup",
    "systemctl",
    "tee-supplicant",
    "xtest",
    "pkcs11-tool",
];

/// What a reader does on a page.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Types a command.
    Type(Command),
    /// Makes what the next command needs, and the book takes for granted.
    Prepare {
        /// The line of that command.
        line: usize,
        /// What is typed.
        text: String,
    },
    /// Changes a file as this patch says.
    Change {
        /// The line of the block.
        line: usize,
        /// The patch.
        patch: String,
    },
}

/// A command of a block.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// Its line.
    pub line: usize,
    /// What is typed.
    pub text: String,
    /// What is then typed in Linux.
    pub typed: Vec<String>,
    /// What the page shows of what comes back.
    pub shown: Vec<String>,
}

impl Command {
    /// One of which the page shows nothing.
    pub fn plain(line: usize, text: &str) -> Self {
        Self {
            line,
            text: text.to_owned(),
            typed: Vec::new(),
            shown: Vec::new(),
        }
    }
}

/// The steps of a page, or what is wrong with its blocks.
pub fn steps(page: &Page) -> (Vec<Step>, Vec<String>) {
    let (mut steps, mut faults) = (Vec::new(), Vec::new());
    for block in &page.blocks {
        match block.language.as_str() {
            "sh" => steps.extend(listed(block).into_iter().map(Step::Type)),
            "console" => match shown(block) {
                Ok(commands) => steps.extend(commands.into_iter().map(Step::Type)),
                Err(fault) => faults.push(format!("{}:{}: {fault}", page.path, block.line)),
            },
            "diff" => steps.push(Step::Change {
                line: block.line,
                patch: block.text.join("\n") + "\n",
            }),
            language if SILENT.contains(&language) => {
                if let Some(line) = block.text.iter().find(|line| is_typed(line)) {
                    faults.push(format!(
                        "{}:{}: `{}` in a block of {language}: a command stands in one of sh or console",
                        page.path,
                        block.line,
                        line.trim()
                    ));
                }
            }
            other => faults.push(format!(
                "{}:{}: the language of this block is `{other}`; use sh, console, diff, or {}",
                page.path,
                block.line,
                SILENT.join(", ")
            )),
        }
    }
    (steps, faults)
}

/// The commands of a block that holds nothing else.
fn listed(block: &Block) -> Vec<Command> {
    let lines = (block.line + 1..).zip(&block.text);
    lines
        .map(|(line, text)| (line, without_remark(text)))
        .filter(|(_, text)| !text.is_empty())
        .map(|(line, text)| Command::plain(line, text))
        .collect()
}

/// The commands of a block that shows a terminal.
fn shown(block: &Block) -> Result<Vec<Command>, String> {
    let mut commands: Vec<Command> = Vec::new();
    for (line, text) in (block.line + 1..).zip(&block.text) {
        if let Some(typed) = text.strip_prefix(PROMPT) {
            commands.push(Command::plain(line, without_remark(typed)));
            continue;
        }
        let Some(last) = commands.last_mut() else {
            return Err("a block of console begins with `$ ` and a command".to_owned());
        };
        match text.strip_prefix(LINUX_PROMPT) {
            Some(typed) if last.text.contains("--shell") => last.typed.push(without_remark(typed).to_owned()),
            Some(_) => return Err("a shell in Linux is behind `cargo xtask run --shell`".to_owned()),
            None => last.shown.push(text.clone()),
        }
    }
    Ok(commands)
}

/// A line without the remark behind ` # `.
fn without_remark(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with('#') {
        return "";
    }
    line.split(" # ").next().unwrap_or_default().trim_end()
}

/// Whether a line looks as if it was to be typed.
fn is_typed(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(PROMPT) || line.starts_with(LINUX_PROMPT) || line.starts_with("cargo ")
}

/// The commands that the text of a page mentions, with their lines.
pub fn mentioned(page: &Page) -> Vec<(usize, String)> {
    let spans = page.spans.iter();
    spans.filter(|(_, text)| is_command(text)).cloned().collect()
}

/// Whether code within text is a command: a program and what it is to do.
fn is_command(text: &str) -> bool {
    let words: Vec<_> = words(text).collect();
    match words.as_slice() {
        ["cargo", "xtask"] => false,
        [program, _, ..] => PROGRAMS.contains(program),
        _ => false,
    }
}

/// The words of a command, without variables that are set for it.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().skip_while(|word| {
        let name = word.split('=').next().unwrap_or_default();
        word.contains('=')
            && name
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || "_0123456789".contains(letter))
    })
}

/// Whether a word stands for what the reader puts there.
pub fn is_placeholder(word: &str) -> bool {
    let letters = word.trim_matches(|letter| "…[]".contains(letter));
    letters.is_empty()
        || (letters.len() < word.len() && letters.starts_with('-'))
        || letters.chars().all(|letter| letter.is_ascii_uppercase())
}

/// Whether whoever types `command` also does what is mentioned: all words but placeholders are there, in this order.
pub fn says(command: &str, mention: &str) -> bool {
    let mut there = words(command);
    words(mention)
        .filter(|word| !is_placeholder(word))
        .all(|word| there.any(|other| other == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Page {
        Page::read("p.md", text)
    }

    fn command(line: usize, text: &str, typed: &[&str], shown: &[&str]) -> Step {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Step::Type(Command {
            line,
            text: text.to_owned(),
            typed: own(typed),
            shown: own(shown),
        })
    }

    #[test]
    fn blocks_are_steps() {
        let page = read(
            "```sh\n# first\nls -l   # all\n```\n```console\n$ a --shell\n~ # b c\nout\n$ d\n```\n```diff\n-x\n```\n",
        );
        let patch = Step::Change {
            line: 11,
            patch: "-x\n".to_owned(),
        };
        assert_eq!(
            steps(&page),
            (
                vec![
                    command(3, "ls -l", &[], &[]),
                    command(6, "a --shell", &["b c"], &["out"]),
                    command(9, "d", &[], &[]),
                    patch
                ],
                vec![]
            )
        );
    }

    #[test]
    fn no_block_hides_a_command() {
        for (text, fault) in [
            ("```\nx\n```\n", "the language of this block is ``"),
            (
                "```text\n  cargo xtask run\n```\n",
                "`cargo xtask run` in a block of text",
            ),
            ("```console\nout\n```\n", "begins with `$ `"),
            (
                "```console\n$ a\n~ # b\n```\n",
                "behind `cargo xtask run --shell`",
            ),
        ] {
            let (steps, faults) = steps(&read(text));
            assert!(steps.is_empty() || text.contains("$ a"), "{text}");
            assert!(faults.len() == 1 && faults[0].contains(fault), "{faults:?}");
        }
    }

    #[test]
    fn text_mentions_commands() {
        let page = read("`cargo xtask`, `xtest`, `A=1 cargo test -p x`, `xtest -d\nvendor-b`, `FFA_RUN x`\n");
        let found: Vec<_> = mentioned(&page).into_iter().map(|(_, text)| text).collect();
        assert_eq!(found, ["A=1 cargo test -p x", "xtest -d vendor-b"]);
    }

    #[test]
    fn a_mention_is_what_a_command_says() {
        let run = "cargo xtask run --config mine.toml --shell";
        assert!(says(run, "cargo xtask run") && says(run, "cargo xtask run --config FILE"));
        assert!(says("cargo xtask check a.toml", "cargo xtask check FILE…"));
        assert!(says("cargo xtask schema", "cargo xtask schema [--board]"));
        assert!(!says(run, "cargo xtask run --until tees") && !says(run, "cargo xtask run --shell --config"));
    }
}
