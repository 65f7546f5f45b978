//! What should run, as the table's compiler said it (`system.toml`), compared with what does.

use serde::Deserialize;

use super::page::{State, System};
use super::show::{hex, version};

/// What is to be found.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    hypervisor: String,
    table: String,
    board: String,
    sha256: String,
    #[serde(default, rename = "partition")]
    partitions: Vec<Image>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Image {
    name: String,
    id: u16,
    sha256: String,
}

impl Expected {
    /// Reads it from its text.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn parse(text: &str) -> Result<Expected, String> {
        toml::from_str(text).map_err(|error| error.message().replace('\n', " "))
    }

    /// What differs, one sentence each; nothing where all is as expected and every partition runs.
    pub fn differences(&self, system: &System) -> Vec<String> {
        let mut out = Vec::new();
        let mut compare = |what: &str, found: &str, wanted: &str| {
            if found != wanted {
                out.push(format!("{what} is {found}, and {wanted} was expected"));
            }
        };
        compare("the hypervisor", &version(&system.hypervisor), &self.hypervisor);
        compare("the table", &system.table, &self.table);
        compare("the board", &system.board, &self.board);
        compare("the table's digest", &hex(&system.sha256), &self.sha256);
        for wanted in &self.partitions {
            let Some(found) = system.partitions.iter().find(|found| found.name == wanted.name) else {
                compare("a partition", "missing", &wanted.name);
                continue;
            };
            let name = &wanted.name;
            compare(
                &format!("the ID of {name}"),
                &format!("{:#06x}", found.id),
                &format!("{:#06x}", wanted.id),
            );
            compare(
                &format!("the image of {name}"),
                &hex(&found.sha256),
                &wanted.sha256,
            );
            compare(name, &found.state.word(), &State::RUNNING.word());
        }
        let known = |name: &String| self.partitions.iter().any(|wanted| wanted.name == *name);
        for found in system.partitions.iter().filter(|found| !known(&found.name)) {
            compare("a partition", &found.name, "none");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::{read, tests::answer};
    use super::*;

    fn text() -> String {
        let digest = "efcdab8967452301010000000000000002000000000000000300000000000000";
        let image = "ff".repeat(32);
        format!(
            "hypervisor='1.3.4'\ntable='phone'\nboard='qemu-virt'\nsha256='{digest}'\n\
             [[partition]]\nname='vendor-a'\nid=0x8001\nsha256='{image}'\n\
             [[partition]]\nname='vendor-b'\nid=0x8002\nsha256='{image}'\n"
        )
    }

    fn differences(text: &str) -> Vec<String> {
        let mut system = read(answer).expect("good");
        system.partitions[1].state = State::RUNNING;
        Expected::parse(text).expect("good").differences(&system)
    }

    #[test]
    fn what_is_as_it_should_be_differs_in_nothing() {
        assert_eq!(differences(&text()), [""; 0]);
        let stopped = Expected::parse(&text())
            .expect("good")
            .differences(&read(answer).expect("good"));
        assert_eq!(stopped, ["vendor-b is stopped, and running was expected"]);
    }

    #[test]
    fn every_difference_is_said() {
        for (from, to, why) in [
            (
                "1.3.4",
                "1.3.5",
                "the hypervisor is 1.3.4, and 1.3.5 was expected",
            ),
            ("'phone'", "'car'", "the table is phone, and car was expected"),
            ("qemu-virt", "tc4", "the board is qemu-virt, and tc4 was expected"),
            ("efcdab", "000000", "the table's digest is efcdab"),
            (
                "0x8001",
                "0x8003",
                "the ID of vendor-a is 0x8001, and 0x8003 was expected",
            ),
            ("'ff", "'00", "the image of vendor-a is ff"),
        ] {
            let found = differences(&text().replacen(from, to, 1));
            assert!(found.len() == 1 && found[0].starts_with(why), "{found:?}");
        }
        let found = differences(&text().replace("vendor-b", "vendor-c"));
        assert_eq!(
            found,
            [
                "a partition is missing, and vendor-c was expected",
                "a partition is vendor-b, and none was expected"
            ]
        );
    }

    #[test]
    fn files_that_are_none_are_refused() {
        for wrong in ["", "hypervisor = 1", "[[partition]"] {
            assert!(Expected::parse(wrong).is_err(), "{wrong}");
        }
    }
}
