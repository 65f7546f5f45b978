//! `explain`: a rule with an example before and after, or the list of all rules.

use anyhow::{Result, anyhow};
use bulkhead_configs::rule::{Rule, explain as example_of};
use console::style;

/// Options of `explain`.
#[derive(clap::Args)]
pub struct ExplainArgs {
    /// The rule's code, as in BH041; without one, all rules are listed.
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Explains a rule, or lists all.
pub fn explain(args: &ExplainArgs) -> Result<()> {
    let Some(code) = &args.code else {
        for rule in Rule::ALL {
            println!("{}  {}", style(rule.code()).bold(), rule.demand().trim());
        }
        return Ok(());
    };
    let rule = Rule::find(code)
        .ok_or_else(|| anyhow!("there is no rule {code}; `cargo xtask explain` lists them"))?;
    println!(
        "{} {}\n\n{}.",
        style(rule.code()).bold(),
        rule.demand().trim(),
        capital(rule.why())
    );
    let Some(explained) = example_of(rule) else {
        return Ok(());
    };
    let example = &explained.example;
    let place = if example.of_board {
        "in the board's file"
    } else {
        "in the table"
    };
    if !example.is_about_images() {
        println!(
            "\n{} {place}:\n\n{}",
            style("before").red().bold(),
            indent(&example.before)
        );
    }
    for (name, size) in example.images() {
        println!("\nimage of `{name}`: {size} bytes");
    }
    println!("\n{}", indent(&explained.message));
    if !example.is_about_images() {
        println!(
            "\n{} {place}:\n\n{}",
            style("after").green().bold(),
            indent(&example.after)
        );
    }
    Ok(())
}

/// With a capital at the start.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

fn indent(text: &str) -> String {
    let lines = text.trim_end().lines();
    let lines: Vec<String> = lines
        .map(|line| format!("    {line}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}
