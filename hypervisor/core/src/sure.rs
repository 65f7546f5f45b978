//! What is certain by an invariant of the hypervisor's own, and the end of everything where it is not so.
//!
//! A check that no input reaches is written with its reason: `list.get(at).sure("...")`. The reason stays in the
//! source, and out of the image; `cargo xtask size` lists all of them. Where it turns out wrong, the fatal stop says
//! where: nothing goes on with a state that contradicts itself.

/// A value that is there by an invariant.
pub trait Sure<T> {
    /// The value. `why` says why it is there.
    fn sure(self, why: &'static str) -> T;
}

impl<T> Sure<T> for Option<T> {
    #[inline(always)]
    #[track_caller]
    fn sure(self, _why: &'static str) -> T {
        match self {
            Some(value) => value,
            None => broken(),
        }
    }
}

/// The hypervisor's own state contradicts itself: the one place that does not return.
#[cold]
#[inline(never)]
#[track_caller]
fn broken() -> ! {
    panic!("the hypervisor's own state contradicts itself")
}

#[cfg(test)]
mod tests {
    use super::Sure as _;

    #[test]
    fn what_is_there_is_given() {
        assert_eq!(Some(7).sure("it is there"), 7);
    }

    #[test]
    #[should_panic = "contradicts itself"]
    fn what_is_not_there_ends_everything() {
        let none: Option<u8> = None;
        none.sure("this test says otherwise");
    }
}
