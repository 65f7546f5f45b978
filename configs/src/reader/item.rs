//! One value: its type, its form, its place.

use std::sync::Arc;

use toml::Spanned;
use toml::de::DeValue;
use uuid::Uuid;

use super::{Faults, Fields, list, nearest};
use crate::language::{Form, Table};
use crate::report::Diagnostic;
use crate::rule::Rule;
use crate::source::{At, Source, Span};
use crate::units::{self, Misread};

/// The most items of a list. What is compared with each other stays small, whatever is written.
const MOST_ITEMS: usize = 1024;

/// One value and its key's name.
pub struct Item<'i> {
    source: &'i Arc<Source>,
    key: String,
    /// What the language says of the value, where it is one key's.
    form: Option<&'static Form>,
    /// Where the value stands.
    pub span: Span,
    value: DeValue<'i>,
}

impl<'i> Item<'i> {
    /// The value of `key`.
    pub(super) fn new(source: &'i Arc<Source>, key: &str, value: Spanned<DeValue<'i>>) -> Self {
        let span = Span::new(source, value.span());
        Self {
            source,
            key: key.to_owned(),
            form: None,
            span,
            value: value.into_inner(),
        }
    }

    /// The same value with what the language says of it.
    pub(super) fn of_form(self, form: &'static Form) -> Self {
        Self {
            form: Some(form),
            ..self
        }
    }

    /// The bounds of an integer, for a help text.
    fn bounds(&self) -> String {
        match self.form {
            Some(Form::Integer(least, most)) if *most > 0x8000 && *least > 0 => {
                format!("from {least:#x} to {most:#x}")
            }
            Some(Form::Integer(least, most)) => format!("from {least} to {most}"),
            _ => "of at most 64 bits".to_owned(),
        }
    }

    fn fault(&self, rule: Rule, title: String, label: &str) -> Diagnostic {
        Diagnostic::new(rule, title).at(&self.span, label)
    }

    fn wrong_type(&self, wanted: &str) -> Diagnostic {
        let found = article(self.value.type_str());
        let title = format!("`{}` is {found}, but {wanted} is needed", self.key);
        let help = match wanted {
            "a string" => "write it in quotes, as in \"text\"",
            "an integer" => &format!("write a number {} without quotes", self.bounds()),
            "a size" => "write a whole number and a unit in quotes, as in \"6MiB\"",
            "an array" => "write it in brackets, as in [\"a\", \"b\"]",
            "a table" => "write it in braces, as in { key = \"value\" }",
            _ => "write true or false without quotes",
        };
        self.fault(Rule::WrongType, title, "this value").help(help)
    }

    fn bad_value(&self, wanted: &str) -> Diagnostic {
        self.fault(
            Rule::BadValue,
            format!("the value of `{}` is not {wanted}", self.key),
            "this value",
        )
    }

    fn at<T>(&self, value: T) -> At<T> {
        At {
            value,
            span: self.span.clone(),
        }
    }

    /// The text of a string value.
    pub fn text(&self) -> Option<&str> {
        if let DeValue::String(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    /// Whether the value is a table.
    #[must_use]
    pub fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// A string.
    pub fn string(&self, faults: &mut Faults) -> Option<At<String>> {
        let text = self.text().map(|text| self.at(text.to_owned()));
        if text.is_none() {
            faults.push(self.wrong_type("a string"));
        }
        text
    }

    /// A name: 1 to 31 characters of a to z, 0 to 9 and `-`, starting with a letter.
    pub fn name(&self, faults: &mut Faults) -> Option<At<String>> {
        let text = self.string(faults)?;
        let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let starts = text
            .value
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase());
        if starts && text.value.len() <= 31 && text.value.bytes().all(good) {
            return Some(text);
        }
        let help = "use 1 to 31 of the characters a to z, 0 to 9 and `-`, starting with a letter";
        faults.push(self.bad_value("a name").help(help));
        None
    }

    /// An integer of at most 64 bits, not negative.
    pub fn integer(&self, faults: &mut Faults) -> Option<At<u64>> {
        let DeValue::Integer(number) = &self.value else {
            faults.push(self.wrong_type("an integer"));
            return None;
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok();
        if value.is_none() {
            let negative = number.as_str().starts_with('-');
            let how = if negative {
                "is negative"
            } else {
                "has more than 64 bits"
            };
            faults.push(self.too_large(how));
        }
        value.map(|value| self.at(value))
    }

    /// An integer of at most 32 bits.
    pub fn integer32(&self, faults: &mut Faults) -> Option<At<u32>> {
        let number = self.integer(faults)?;
        let value = u32::try_from(number.value).ok();
        if value.is_none() {
            faults.push(self.too_large("has more than 32 bits"));
        }
        value.map(|value| self.at(value))
    }

    /// A size in bytes: a string with a unit, or an integer.
    pub fn size(&self, faults: &mut Faults) -> Option<At<u64>> {
        match &self.value {
            DeValue::Integer(_) => self.integer(faults),
            DeValue::String(text) => {
                let help = "write a whole number and B, KiB, MiB or GiB";
                let help = match units::meant(text) {
                    Some(meant) => format!("{help}: \"{meant}\" if that is meant"),
                    None => format!("{help}, as in \"6MiB\""),
                };
                self.quantity(units::size(text), "a size", &help, faults)
            }
            _ => {
                faults.push(self.wrong_type("a size"));
                None
            }
        }
    }

    /// A duration in microseconds.
    pub fn duration(&self, faults: &mut Faults) -> Option<At<u64>> {
        let text = self.string(faults)?;
        let help = "write a whole number and us, ms or s, as in \"10ms\"";
        self.quantity(units::duration(&text.value), "a duration", help, faults)
    }

    fn quantity(
        &self,
        read: Result<u64, Misread>,
        what: &str,
        help: &str,
        faults: &mut Faults,
    ) -> Option<At<u64>> {
        let value = read.map_err(|why| match why {
            Misread::Form => faults.push(self.bad_value(what).help(help)),
            Misread::TooLarge => faults.push(
                self.too_large("has more than 64 bits")
                    .help("write a smaller number"),
            ),
        });
        value.ok().map(|value| self.at(value))
    }

    fn too_large(&self, how: &str) -> Diagnostic {
        self.fault(Rule::TooLarge, format!("`{}` {how}", self.key), "this number")
            .help(format!("write a number {}", self.bounds()))
    }

    /// A UUID in its canonical form.
    pub fn uuid(&self, faults: &mut Faults) -> Option<At<[u8; 16]>> {
        let text = self.string(faults)?;
        // The crate takes other forms as well (braces, no dashes); the firmware's tools do not.
        let value = Uuid::try_parse(&text.value)
            .ok()
            .filter(|_| text.value.len() == 36);
        if value.is_none() {
            let help = "write 32 hexadecimal digits in groups of 8-4-4-4-12, as `uuidgen` prints them";
            faults.push(self.bad_value("a UUID").help(help));
        }
        value.map(|value| self.at(value.into_bytes()))
    }

    /// A SHA-256 digest.
    pub fn digest(&self, faults: &mut Faults) -> Option<At<[u8; 32]>> {
        let text = self.string(faults)?;
        let value = units::digest(&text.value);
        if value.is_none() {
            let help = "write 64 hexadecimal digits, as `sha256sum` prints them";
            faults.push(self.bad_value("a SHA-256 digest").help(help));
        }
        value.map(|value| self.at(value))
    }

    /// True or false.
    pub fn boolean(&self, faults: &mut Faults) -> Option<At<bool>> {
        let DeValue::Boolean(value) = self.value else {
            faults.push(self.wrong_type("true or false"));
            return None;
        };
        Some(self.at(value))
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, words: &[(&str, T)], faults: &mut Faults) -> Option<At<T>> {
        let text = self.string(faults)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(self.at(*value));
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let title = format!("`{}` is none of {}", text.value, list(&names));
        let fault = self.fault(Rule::BadValue, title, "this word is not known");
        faults.push(match nearest(&text.value, names.iter().copied()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault,
        });
        None
    }

    /// A table with the keys of `language`.
    pub fn table(self, language: &'static Table, faults: &mut Faults) -> Option<Fields<'i>> {
        if !self.is_table() {
            faults.push(self.wrong_type("a table"));
            return None;
        }
        let DeValue::Table(table) = self.value else {
            return None;
        };
        Some(Fields::new(self.source, language, self.span, table))
    }

    /// An array's values.
    pub fn array(self, faults: &mut Faults) -> Option<Vec<Item<'i>>> {
        if !matches!(self.value, DeValue::Array(_)) {
            faults.push(self.wrong_type("an array"));
            return None;
        }
        let DeValue::Array(values) = self.value else {
            return None;
        };
        if values.len() > MOST_ITEMS {
            let title = format!("`{}` has {} items", self.key, values.len());
            let fault = Diagnostic::new(Rule::TooLarge, title).at(&self.span, "this list");
            faults.push(fault.help(format!("list at most {MOST_ITEMS}")));
            return None;
        }
        Some(
            values
                .into_iter()
                .map(|value| Item::new(self.source, &self.key, value))
                .collect(),
        )
    }

    /// An array whose values are all read the same way; none if one of them is ill-formed.
    pub fn each<T>(
        self,
        faults: &mut Faults,
        read: impl Fn(&Self, &mut Faults) -> Option<At<T>>,
    ) -> Option<At<Vec<At<T>>>> {
        let span = self.span.clone();
        let items = self.array(faults)?;
        let count = items.len();
        let value: Vec<_> = items.iter().filter_map(|item| read(item, faults)).collect();
        (value.len() == count).then_some(At { value, span })
    }

    /// An array of strings.
    pub fn strings(self, faults: &mut Faults) -> Option<Vec<At<String>>> {
        let items = self.array(faults)?;
        Some(items.iter().filter_map(|item| item.string(faults)).collect())
    }
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
}
