//! Words and numbers in what the environment says.

/// What stands before and after the first `byte`.
pub(super) fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let mut parts = text.splitn(2, |other| *other == byte);
    Some((parts.next()?, parts.next()?))
}

/// How much memory, as a user says it. (Off is 0 in memory.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum Amount {
    /// Not said.
    Off,
    /// A share of a limit, 1 to 100.
    Percent(usize),
    /// Bytes.
    Bytes(usize),
}

impl Amount {
    /// Bytes; `None` where nothing was said, or a share of no limit.
    pub(crate) fn of(self, limit: Option<usize>) -> Option<usize> {
        match self {
            Self::Off => None,
            // The order that cannot overflow; what is lost is less than a hundred bytes.
            Self::Percent(share) => limit.map(|limit| limit / 100 * share),
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}

/// `90%`, or bytes as a whole number above 0 with `K`, `M`, `G` or `T` (powers of 1024) behind it
/// or nothing; `0` is off.
pub(super) fn amount(text: &[u8]) -> Option<Amount> {
    let text = text.trim_ascii();
    if let Some(share) = text.strip_suffix(b"%") {
        let share = number(share).filter(|share| (1..=100).contains(share))?;
        return Some(Amount::Percent(share as usize));
    }
    let (text, shift) = match text {
        [rest @ .., b'k' | b'K'] => (rest, 10),
        [rest @ .., b'm' | b'M'] => (rest, 20),
        [rest @ .., b'g' | b'G'] => (rest, 30),
        [rest @ .., b't' | b'T'] => (rest, 40),
        _ => (text, 0),
    };
    let count = number(text).filter(|count| *count <= (i64::MAX as u64) >> shift)?;
    Some(match count {
        0 => Amount::Off,
        count => Amount::Bytes((count as usize) << shift),
    })
}

/// A whole number as the C library reads one: blanks, a sign, then `0x` and hexadecimal, `0` and
/// octal, or decimal. A negative number wraps. `None` if anything else follows, or if it does not
/// fit.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let (negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let (base, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', _, ..] => (8, text),
        _ => (10, text),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, byte| {
        let digit = (*byte as char).to_digit(base)?;
        value.checked_mul(base.into())?.checked_add(digit.into())
    })?;
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_share_or_bytes() {
        let cases: [(&[u8], Option<Amount>); 16] = [
            (b"90%", Some(Amount::Percent(90))),
            (b"100%", Some(Amount::Percent(100))),
            (b"0%", None),
            (b"101%", None),
            (b"-1%", None),
            (b"%", None),
            (b"4096", Some(Amount::Bytes(4096))),
            (b" 0x1000 ", Some(Amount::Bytes(4096))),
            (b"3k", Some(Amount::Bytes(3 << 10))),
            (b"3M", Some(Amount::Bytes(3 << 20))),
            (b"2G", Some(Amount::Bytes(2 << 30))),
            (b"1T", Some(Amount::Bytes(1 << 40))),
            (b"0", Some(Amount::Off)),
            (b"8388608T", None),
            (b"-1", None),
            (b"2GB", None),
        ];
        for (text, means) in cases {
            assert_eq!(amount(text), means, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn a_share_needs_a_limit() {
        assert_eq!(Amount::Percent(90).of(Some(1000)), Some(900));
        assert_eq!(Amount::Percent(90).of(None), None);
        assert_eq!(
            Amount::Percent(100).of(Some(usize::MAX)),
            Some(usize::MAX / 100 * 100)
        );
        assert_eq!(Amount::Bytes(7).of(None), Some(7));
        assert_eq!(Amount::Off.of(Some(1)), None);
    }
}
