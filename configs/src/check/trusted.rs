//! Trusted boot: what it needs of the board.

use crate::board::Board;
use crate::draft::Draft;
use crate::reader::Faults;
use crate::report::Diagnostic;
use crate::rule::Rule;

/// Checks `trusted-boot`: somebody has to read the packages.
pub fn check(draft: &Draft, board: &Board, faults: &mut Faults) {
    let trusted = draft.trusted_boot.as_ref().filter(|trusted| trusted.value);
    if let Some(trusted) = trusted.filter(|_| !board.has_store()) {
        let label = format!("the board `{}` has no memory of the kind `store`", board.name);
        let fault = Diagnostic::new(Rule::TrustedBoot, "the hypervisor cannot read any package")
            .at(&trusted.span, label);
        faults.push(fault.help("remove `trusted-boot`, or describe the board's store"));
    }
}
