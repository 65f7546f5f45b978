//! Shared memory: share, retrieve, relinquish and reclaim, together and apart.
use super::{report, smallest};
use crate::arch::clock::ticks;
use crate::arch::machine::Page;
use crate::cases::share::Descriptor;
use crate::cases::{A, Outcome, ask, good};
use crate::test_sp;
use sp_rt::ffa as f;

const MOST: usize = 512;
/// Every second page of it is shared where pages are to be scattered.
static POOL: [Page; 2 * MOST] = [const { Page::new() }; 2 * MOST];

/// A direct request while as many shares are alive as the table allows, less one: the path must not know of them.
pub fn beside_shares() -> Outcome {
    const LIVE: usize = 15;
    let mut handles = [0; LIVE];
    for (page, handle) in POOL.iter().step_by(2).zip(&mut handles) {
        *handle = Descriptor::new(A, [(page.address(), 1)].into_iter()).share()?;
    }
    super::direct("direct-64:shares")?;
    for handle in handles {
        good(f::MEM_RECLAIM, &[handle & 0xffff_ffff, handle >> 32, 0])?;
    }
    Ok(())
}

/// All forms.
pub fn shares() -> Outcome {
    for pages in [1, 16, 256, 512_u32] {
        let whole = Descriptor::new(A, [(POOL[0].address(), pages)].into_iter());
        cycle(format_args!("share-{pages}"), &whole)?;
        if pages > 1 {
            let each = POOL.iter().step_by(2).take(pages as usize);
            let scattered = Descriptor::new(A, each.map(|page| (page.address(), 1)));
            cycle(format_args!("share-{pages}-scattered"), &scattered)?;
        }
    }
    Ok(())
}

/// The four calls. What the lender spends on writing its descriptor is in it; the borrower looks at no
/// more of the answer than its length.
fn cycle(name: core::fmt::Arguments<'_>, descriptor: &Descriptor) -> Outcome {
    let (mut share, mut borrow, mut back) = (u64::MAX, u64::MAX, u64::MAX);
    let whole = smallest(|| {
        let start = ticks();
        let handle = descriptor.share()?;
        let shared = ticks();
        ask(A, test_sp::BORROW, [handle, 0, 0, 0])?;
        let borrowed = ticks();
        good(f::MEM_RECLAIM, &[handle & 0xffff_ffff, handle >> 32, 0])?;
        share = share.min(shared - start);
        borrow = borrow.min(borrowed - shared);
        let end = ticks();
        back = back.min(end - borrowed);
        Ok(end - start)
    })?;
    report(name, whole, 1);
    report(format_args!("{name}:share"), share, 1);
    report(format_args!("{name}:borrow"), borrow, 1);
    report(format_args!("{name}:reclaim"), back, 1);
    Ok(())
}
