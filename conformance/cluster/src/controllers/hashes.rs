//! Hashes in names: 32 bits, written in characters that form no words.

/// Neither vowels nor look-alikes.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// FNV-1a of 32 bits.
pub(super) fn fnv32a(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(OFFSET, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME))
}

/// FNV-1 of 32 bits: multiplies first.
pub(super) fn fnv32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(OFFSET, |hash, byte| hash.wrapping_mul(PRIME) ^ u32::from(byte))
}

/// The decimal digits of a hash, each as a character of the alphabet.
pub(super) fn safe(hash: u32) -> String {
    hash.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_published_test_vectors() {
        assert_eq!((fnv32a(*b""), fnv32a(*b"foobar")), (0x811c_9dc5, 0xbf9c_f968));
        assert_eq!((fnv32(*b""), fnv32(*b"foobar")), (0x811c_9dc5, 0x31f0_b262));
        assert_eq!(safe(1_234_567_890), "56789bcdf4");
    }
}
