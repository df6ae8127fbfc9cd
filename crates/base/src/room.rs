//! How much an allocation takes, and how much room to give a growing string.

/// A string of up to this many bytes doubles. A longer one grows by a sixteenth and what its size class gives for nothing.
const DOUBLES_MAX: usize = 1 << 20;

/// What an allocation of `len` bytes takes of jemalloc in any case: multiples of 16 up to 128, then four classes per doubling.
/// Room up to here costs nothing, and of a large allocation what is not used is not resident either.
#[inline]
pub fn size_class(len: usize) -> usize {
    if len <= 128 {
        return (len + 15) & !15;
    }
    let step = 1usize << ((len - 1).ilog2() - 2);
    len.saturating_add(step - 1) & !(step - 1)
}

/// The capacity for a string that has grown to `len` bytes and may grow again.
pub fn room_to_grow(len: usize) -> usize {
    let spare = if len <= DOUBLES_MAX { len } else { len / 16 };
    size_class(len + spare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_holds_what_it_is_asked_for_and_a_quarter_more_at_most() {
        for (len, class) in [(0, 0), (1, 16), (128, 128), (129, 160), (65_536, 65_536), (65_537, 81_920)] {
            assert_eq!(size_class(len), class, "{len}");
        }
        for len in (129..1 << 20).step_by(777) {
            let class = size_class(len);
            assert!((len..=len + len / 4 + 32).contains(&class) && size_class(class) == class, "{len}");
        }
    }

    #[test]
    fn a_long_string_does_not_double() {
        let long = 400 << 20;
        assert_eq!(room_to_grow(100), 224);
        assert!(room_to_grow(long) > long && room_to_grow(long) <= long + long / 4);
    }
}
