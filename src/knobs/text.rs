//! Words and numbers in what the environment says.

/// What stands before and after the first `byte`.
pub(super) fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let mut parts = text.splitn(2, |other| *other == byte);
    Some((parts.next()?, parts.next()?))
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
