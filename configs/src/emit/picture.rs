//! A picture of the system.

use crate::model::System;

/// The picture as SVG.
pub fn layout(system: &System) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title></svg>\n",
        system.name
    )
}
