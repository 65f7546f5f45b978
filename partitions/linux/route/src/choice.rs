//! Which TEE a client gets, decided from what it passed, its environment and the table.

use crate::routes::{Fault, Route, Routes};

/// The environment variable that names the TEE of clients that pass NULL.
pub const VARIABLE: &str = "BULKHEAD_TEE";

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The client passed this name.
    Named(Vec<u8>),
    /// The client passed NULL and its environment names this TEE.
    Environment(Vec<u8>),
    /// The client names no TEE.
    Any,
}

/// What is done for it.
#[derive(Debug)]
pub enum Choice {
    /// Open the device of this TEE.
    Open(Route),
    /// Call the stock function with this name, or with NULL.
    Stock(Option<Vec<u8>>),
    /// Each session goes where the table places its trusted application, and where it places it nowhere, to the
    /// table's default, or to the device that the stock function finds.
    ByApplication(Routes),
    /// Refuse: the table is there and cannot be used, so no answer would be the right one.
    Refuse(Fault),
}

impl Wish {
    /// What a client with this argument and this environment (already cleared for privileged clients) asks for.
    pub fn new(argument: Option<&[u8]>, environment: Option<Vec<u8>>) -> Wish {
        match (argument, environment) {
            (Some(name), _) => Wish::Named(name.to_vec()),
            (None, Some(name)) if !name.is_empty() => Wish::Environment(name),
            (None, _) => Wish::Any,
        }
    }
}

/// Decides. A machine without a table behaves as stock does; a name that the table lacks is the stock's to judge.
pub fn choose(wish: Wish, table: Result<Routes, Fault>) -> Choice {
    let routes = match table {
        Ok(routes) => routes,
        Err(Fault::Missing(_)) => Routes::default(),
        Err(fault) => return Choice::Refuse(fault),
    };
    let name = match wish {
        Wish::Named(name) | Wish::Environment(name) => Some(name),
        Wish::Any => None,
    };
    if name.is_none() && routes.has_applications() {
        return Choice::ByApplication(routes);
    }
    let route = match &name {
        Some(name) => std::str::from_utf8(name)
            .ok()
            .and_then(|name| routes.by_name(name)),
        None => routes.default_route(),
    };
    match route {
        Some(route) => Choice::Open(route.clone()),
        None => Choice::Stock(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn routes() -> Result<Routes, Fault> {
        let text = "default='vendor-a'\n[[tee]]\nname='vendor-a'\nendpoint=0x8001\n[[tee]]\nname='vendor-b'\nendpoint=0x8002\n";
        Ok(Routes::parse(text).expect("good"))
    }

    fn with_applications() -> Result<Routes, Fault> {
        let text = "[[tee]]\nname='vendor-b'\nendpoint=0x8002\napplications=['fd02c9da-306c-48c7-a49c-bbd827ae86ee']";
        Ok(Routes::parse(text).expect("good"))
    }

    fn named(name: &str) -> Wish {
        Wish::new(Some(name.as_bytes()), None)
    }

    #[track_caller]
    fn opens(choice: &Choice, id: u16) {
        assert!(
            matches!(choice, Choice::Open(route) if route.endpoint == id),
            "{choice:?}"
        );
    }

    #[track_caller]
    fn stock(choice: &Choice, name: Option<&[u8]>) {
        assert!(
            matches!(choice, Choice::Stock(passed) if passed.as_deref() == name),
            "{choice:?}"
        );
    }

    #[test]
    fn names_of_the_table_open_its_devices() {
        opens(&choose(named("vendor-b"), routes()), 0x8002);
        opens(
            &choose(Wish::new(None, Some(b"vendor-b".to_vec())), routes()),
            0x8002,
        );
    }

    #[test]
    fn the_argument_wins_over_the_environment() {
        opens(
            &choose(Wish::new(Some(b"vendor-a"), Some(b"vendor-b".to_vec())), routes()),
            0x8001,
        );
    }

    #[test]
    fn no_name_gives_the_default() {
        opens(&choose(Wish::Any, routes()), 0x8001);
        opens(&choose(Wish::new(None, Some(Vec::new())), routes()), 0x8001);
        stock(&choose(Wish::Any, Ok(Routes::default())), None);
    }

    #[test]
    fn only_clients_that_name_no_tee_are_led_by_applications() {
        let choice = choose(Wish::Any, with_applications());
        assert!(
            matches!(&choice, Choice::ByApplication(routes) if routes.has_applications()),
            "{choice:?}"
        );
        opens(&choose(named("vendor-b"), with_applications()), 0x8002);
        let wish = Wish::new(None, Some(b"vendor-b".to_vec()));
        opens(&choose(wish, with_applications()), 0x8002);
    }

    #[test]
    fn other_names_are_the_stock_s() {
        stock(&choose(named("optee-tz"), routes()), Some(b"optee-tz"));
        stock(&choose(named(""), routes()), Some(b""));
        stock(
            &choose(Wish::Named(vec![0xff, 0xfe]), routes()),
            Some(&[0xff, 0xfe]),
        );
        stock(
            &choose(Wish::Environment(b"vendor-x".to_vec()), routes()),
            Some(b"vendor-x"),
        );
    }

    #[test]
    fn a_missing_table_changes_nothing_and_a_wrong_one_refuses() {
        let missing = || Err(Fault::Missing(PathBuf::from("x")));
        stock(&choose(Wish::Any, missing()), None);
        stock(&choose(named("vendor-b"), missing()), Some(b"vendor-b"));
        let wrong = Err(Fault::Invalid(PathBuf::from("x"), "why".into()));
        assert!(matches!(choose(Wish::Any, wrong), Choice::Refuse(_)));
    }
}
