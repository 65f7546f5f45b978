//! A console that the hypervisor's log shares: half bytes of its frames among the normal world's text.

/// What a byte is: text, or the upper or lower half of a byte of a frame (`hypervisor/src/arch/uart.rs`).
const KIND: u8 = 0xf0;
const HIGH: u8 = 0x80;
const LOW: u8 = 0x90;

/// Takes a stream of bytes apart.
#[derive(Default)]
pub struct Apart {
    high: Option<u8>,
}

impl Apart {
    /// The text and the bytes of frames among these bytes. A half whose other half was lost is left out.
    pub fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut text, mut frames) = (Vec::new(), Vec::new());
        for byte in bytes {
            match byte & KIND {
                HIGH => self.high = Some(byte << 4),
                LOW => frames.extend(self.high.take().map(|high| high | byte & 0xf)),
                _ => text.push(*byte),
            }
        }
        (text, frames)
    }
}

#[cfg(test)]
mod tests {
    use super::Apart;

    #[test]
    fn text_and_frames_are_told_apart_wherever_they_meet() {
        let frame = [0x00, 0x41, 0x80, 0xff, 0x9a];
        let halves = frame
            .iter()
            .flat_map(|byte| [0x80 | byte >> 4, 0x90 | byte & 0xf]);
        let text = b"@case pass; x\r\n";
        let mixed: Vec<u8> = halves
            .zip(text)
            .flat_map(|(half, letter)| [half, *letter])
            .collect();
        for cut in 0..mixed.len() {
            let mut apart = Apart::default();
            let (mut said, mut got) = apart.take(&mixed[..cut]);
            let (more, rest) = apart.take(&mixed[cut..]);
            said.extend(more);
            got.extend(rest);
            assert_eq!((said.as_slice(), got.as_slice()), (&text[..10], &frame[..]));
        }
    }

    #[test]
    fn a_half_without_the_other_is_left_out() {
        let mut apart = Apart::default();
        assert_eq!(
            apart.take(&[0x91, b'a', 0x84, 0x85, 0x92, 0x93]),
            (b"a".to_vec(), vec![0x52])
        );
    }
}
