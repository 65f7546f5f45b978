//! What is wrong with a table, and how it is shown.

use std::fmt;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use serde_json::{Value, json};

use crate::rule::Rule;
use crate::source::Span;

/// A place that a diagnostic points at, and what is there.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The place.
    pub span: Span,
    /// What is there, in a few words.
    pub label: String,
}

/// How bad a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing can be made of the table.
    Error,
    /// The table is good, but there is something to know.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// The rule that is broken.
    pub rule: Rule,
    /// What is wrong, in one sentence without a full stop.
    pub title: String,
    /// The places; the first one is where the error is reported.
    pub marks: Vec<Mark>,
    /// What would mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something wrong that has no place yet.
    pub fn new(rule: Rule, title: impl Into<String>) -> Self {
        Self {
            rule,
            title: title.into(),
            marks: Vec::new(),
            help: None,
        }
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.marks.push(Mark {
            span: span.clone(),
            label: label.into(),
        });
        self
    }

    /// Adds what would mend it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// The diagnostic as text with the excerpt of the file.
    fn render(&self, renderer: &Renderer, severity: Severity) -> String {
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level
            .primary_title(&self.title)
            .id(self.rule.code())
            .elements(self.snippets());
        group = group.element(Level::NOTE.message(self.rule.why()));
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }

    /// The diagnostic for editors and CI. Lines and columns count from 1, columns in characters.
    fn json(&self, severity: Severity) -> Value {
        let places = self.marks.iter().map(|mark| {
            let (line, column) = mark.span.start();
            let (_, end) = mark.span.end();
            json!({
                "file": mark.span.source.path,
                "line": line,
                "column": column,
                "end-column": end,
                "label": mark.label,
            })
        });
        json!({
            "code": self.rule.code(),
            "severity": match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "message": self.title,
            "why": self.rule.why(),
            "help": self.help,
            "places": places.collect::<Vec<_>>(),
        })
    }

    /// One excerpt for each file that the marks name, the first mark's file first.
    fn snippets(&self) -> Vec<Snippet<'_, annotate_snippets::Annotation<'_>>> {
        let mut files: Vec<&Span> = Vec::new();
        for mark in &self.marks {
            if !files.iter().any(|known| known.source == mark.span.source) {
                files.push(&mark.span);
            }
        }
        files.into_iter().map(|file| self.snippet(file)).collect()
    }

    fn snippet<'a>(&'a self, file: &'a Span) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let marks = self
            .marks
            .iter()
            .enumerate()
            .filter(|(_, mark)| mark.span.source == file.source);
        let annotations = marks.map(|(index, mark)| {
            let kind = if index == 0 {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            kind.span(mark.span.bytes.clone()).label(mark.label.as_str())
        });
        Snippet::source(file.source.text.as_str())
            .path(file.source.path.as_str())
            .annotations(annotations)
    }
}

/// Everything that is wrong with a table; at least one thing.
#[derive(Debug)]
pub struct Report {
    /// What is wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// How much more is wrong than is said.
    pub more: usize,
}

/// The most diagnostics that are said; nobody reads more before he mends some.
const MOST: usize = 200;

impl Report {
    /// A report, or none if nothing is wrong.
    #[must_use]
    pub fn of(mut diagnostics: Vec<Diagnostic>) -> Option<Self> {
        diagnostics.sort_by_key(|d| d.marks.first().map_or(0, |mark| mark.span.bytes.start));
        let more = diagnostics.len().saturating_sub(MOST);
        diagnostics.truncate(MOST);
        (!diagnostics.is_empty()).then_some(Self { diagnostics, more })
    }

    /// The report as text, with colours for a terminal.
    #[must_use]
    pub fn show(&self, severity: Severity, coloured: bool) -> String {
        let renderer = if coloured {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let each = self.diagnostics.iter();
        let mut parts: Vec<String> = each
            .map(|diagnostic| diagnostic.render(&renderer, severity))
            .collect();
        if self.more > 0 {
            parts.push(format!("and {} more", self.more));
        }
        parts.join("\n\n")
    }

    /// The report for editors and CI: an array with an object for each diagnostic.
    #[must_use]
    pub fn json(&self, severity: Severity) -> Value {
        let each = self.diagnostics.iter();
        Value::Array(each.map(|diagnostic| diagnostic.json(severity)).collect())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.show(Severity::Error, false))
    }
}

impl std::error::Error for Report {}
