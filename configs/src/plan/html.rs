//! The plan as one HTML file for a review: the picture and the tables.

use std::fmt::Write;

use super::Section;
use super::sections::sections;
use crate::emit::picture;
use crate::model::System;

/// Everything that the page looks like.
const STYLE: &str = "
body { margin: 2rem auto; max-width: 1120px; padding: 0 1rem; color: #18222f; background: #fff;
  font: 15px/1.5 ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif; }
svg { max-width: 100%; height: auto; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.source { color: #5c6877; margin-top: -.7rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #d3dae3; vertical-align: top; }
th { color: #5c6877; font-weight: 600; white-space: nowrap; }
td:first-child { font-weight: 600; }
td.mark { text-align: center; padding-right: 1.2rem; }
.missing { background: #fdf3e7; border-left: 4px solid #d9752b; padding: .1rem 1rem 1rem; margin-top: 2rem; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } }
";

/// The plan as a page that needs no other file.
#[must_use]
pub fn html(system: &System) -> String {
    let name = escape(&system.name);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Plan of {name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Plan of {name}</h1>\n\
         <p class=\"source\">made from {}</p>\n{}",
        escape(&system.table.display().to_string()),
        picture::layout(system),
    );
    for section in sections(system) {
        let missing = section.title == "Not built yet";
        if missing {
            out.push_str("<div class=\"missing\">\n");
        }
        table(&mut out, &section);
        if missing {
            out.push_str("</div>\n");
        }
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn table(out: &mut String, section: &Section) {
    let _ = writeln!(
        out,
        "<h2>{}</h2>\n<div class=\"wide\"><table>\n<tr>",
        escape(section.title)
    );
    for cell in &section.head {
        let _ = write!(out, "<th>{}</th>", escape(cell));
    }
    out.push_str("</tr>\n");
    for row in &section.rows {
        out.push_str("<tr>");
        for cell in row {
            let mark = if ["●", "◆", "·"].contains(&cell.as_str()) {
                " class=\"mark\""
            } else {
                ""
            };
            let _ = write!(out, "<td{mark}>{}</td>", escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
