//! What the book says of rules and keys is what the compiler does. `BLESS=1 cargo test -p bulkhead-configs` writes the
//! pages anew; what changed is then for a person to read.

use std::fs;
use std::path::{Path, PathBuf};

use bulkhead_configs::language::{BOARD, FILE, reference, schema};
use bulkhead_configs::rule::{self, Rule};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Compares a page with what it should say, or writes it.
fn is_page(path: &Path, text: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == text,
        "{} does not say what the compiler does",
        path.display()
    );
}

#[test]
fn each_rule_refuses_its_example_and_nothing_else_does() {
    for rule in Rule::ALL {
        let explained = rule::explain(*rule).unwrap_or_else(|| panic!("{} has no example", rule.code()));
        let said = |text: &str| explained.message.matches(text).count();
        let errors = said("error[") + said("warning[");
        let own = said(&format!("error[{}]", rule.code())) + said(&format!("warning[{}]", rule.code()));
        assert!(
            own > 0 && own == errors,
            "{}:\n{}",
            rule.code(),
            explained.message
        );
    }
}

#[test]
fn each_rule_accepts_the_good_neighbour() {
    for rule in Rule::ALL {
        let neighbour = rule::explain(*rule).unwrap().neighbour;
        assert!(neighbour.is_empty(), "{}:\n{neighbour}", rule.code());
    }
}

/// The pages hold the exact messages.
#[test]
fn each_rule_has_its_page() {
    let folder = docs().join("rules");
    for rule in Rule::ALL {
        is_page(&folder.join(format!("{}.md", rule.code())), &rule::page(*rule));
    }
    is_page(&docs().join("rules.md"), &rule::index());
    let pages = fs::read_dir(folder).unwrap().count();
    assert_eq!(pages, Rule::ALL.len(), "a page is about no rule");
}

#[test]
fn the_book_has_every_key() {
    let mut page = String::from(
        "# Keys of partition tables and boards\n\nMade by `BLESS=1 cargo test -p bulkhead-configs` from \
         `configs/src/language`. What the keys are for stands in [tables.md](tables.md).\n\n# Partition tables\n",
    );
    page.push_str(&reference(&FILE));
    page.push_str("\n# Boards (`boards/<name>/board.toml`)\n");
    page.push_str(&reference(&BOARD));
    is_page(&docs().join("keys.md"), &page);
}

#[test]
fn editors_get_the_language_as_it_is() {
    let text = |file, title| format!("{:#}\n", schema(file, title));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    is_page(
        &here.join("table.schema.json"),
        &text(&FILE, "Bulkhead partition table"),
    );
    is_page(
        &here.join("../boards/board.schema.json"),
        &text(&BOARD, "Bulkhead board"),
    );
}
