//! Why a case failed, in words.
use core::fmt::{Arguments, Write};

/// Bytes of the longest reason; what is longer is cut off.
const LONGEST: usize = 112;

/// A reason.
pub struct Why {
    bytes: [u8; LONGEST],
    length: usize,
}

/// What a case or a step of it comes to.
pub type Outcome<T = ()> = Result<T, Why>;

impl Why {
    /// Writes down a reason.
    pub fn new(text: Arguments<'_>) -> Self {
        let mut why = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        let _ = why.write_fmt(text);
        why
    }

    /// The words.
    pub fn text(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or("?")
    }
}

impl Write for Why {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            let Some(place) = self.bytes.get_mut(self.length) else {
                return Ok(());
            };
            *place = byte;
            self.length += 1;
        }
        Ok(())
    }
}

/// Ends the case with a reason unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err($crate::cases::Why::new(format_args!($($text)*)));
        }
    };
}
