//! Text for the log: lines by FFA_CONSOLE_LOG.
use crate::arch::call;
use crate::ffa::{CONSOLE_LOG_64, Regs};
use crate::lock::Locked;
use core::fmt::{Arguments, Write};

/// Characters that one call carries: x2 to x7.
const CHARACTERS: usize = 48;

struct Line {
    buffer: [u8; CHARACTERS],
    length: usize,
}

static LINE: Locked<Line> = Locked::new(Line::new());

impl Line {
    const fn new() -> Self {
        Self {
            buffer: [0; CHARACTERS],
            length: 0,
        }
    }

    fn flush(&mut self) {
        let mut arguments = [0; 7];
        arguments[0] = self.length as u64;
        for (to, from) in arguments[1..].iter_mut().zip(self.buffer.as_chunks::<8>().0) {
            *to = u64::from_le_bytes(*from);
        }
        // A full log drops the text; the partition does not wait for it.
        let _ = call(&Regs::new(CONSOLE_LOG_64, &arguments));
        *self = Self::new();
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for byte in text.bytes() {
            self.buffer[self.length] = byte;
            self.length += 1;
            if self.length == CHARACTERS {
                self.flush();
            }
        }
        Ok(())
    }
}

/// Writes one line.
pub fn line(text: Arguments<'_>) {
    LINE.with(|out| end(out, text));
}

/// Writes one line without waiting for anybody: for the end of the partition.
pub fn last_words(text: Arguments<'_>) {
    end(&mut Line::new(), text);
}

fn end(out: &mut Line, text: Arguments<'_>) {
    let _ = out.write_fmt(text);
    let _ = out.write_str("\n");
    if out.length != 0 {
        out.flush();
    }
}

/// Writes one formatted line to the log.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::console::line(format_args!($($argument)*)) };
}
