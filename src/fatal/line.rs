//! A line of text on the stack.

/// A line of text of at most `N` bytes, built on the stack. What does not fit is cut off.
pub(crate) struct LineBuffer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> LineBuffer<N> {
    /// An empty line.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// What was pushed so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Appends bytes as they are.
    #[inline(never)]
    pub(crate) fn push_bytes(&mut self, text: &[u8]) {
        let free = self.bytes.iter_mut().skip(self.len);
        for (to, from) in free.zip(text) {
            *to = *from;
            self.len += 1;
        }
    }

    /// Appends text.
    #[inline(never)]
    pub(crate) fn push_str(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    /// Appends a number in decimal.
    pub(crate) fn push_dec(&mut self, number: usize) {
        self.push_number(number, 10, 0);
    }

    /// Appends a number in decimal, right-aligned in at least `width` columns (at most 20).
    pub(crate) fn push_dec_padded(&mut self, number: usize, width: usize) {
        self.push_number(number, 10, width);
    }

    /// Appends a number in lower-case hexadecimal, without a prefix.
    pub(crate) fn push_hex(&mut self, number: usize) {
        self.push_number(number, 16, 0);
    }

    #[inline(never)]
    fn push_number(&mut self, mut number: usize, base: usize, width: usize) {
        // 20 digits hold 2^64 - 1 in decimal.
        let mut digits = [b' '; 20];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit = match (number % base) as u8 {
                value @ 0..=9 => b'0' + value,
                value => b'a' - 10 + value,
            };
            used += 1;
            number /= base;
            if number == 0 {
                break;
            }
        }
        let shown = if used < width { width } else { used };
        let from = digits.len().saturating_sub(shown);
        self.push_bytes(digits.get(from..).unwrap_or(&[]));
    }
}
