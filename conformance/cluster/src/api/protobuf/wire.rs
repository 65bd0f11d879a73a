//! The wire format of protocol buffers: numbered fields of four forms. Errors are worded as the decoders that the real
//! server generates word them.

/// What keeps bytes from being a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// The bytes end within a field.
    #[error("unexpected EOF")]
    UnexpectedEnd,
    /// A number of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A length beyond what a signed number holds.
    #[error("proto: negative length found during unmarshaling")]
    InvalidLength,
    /// A field without a number.
    #[error("proto: {message}: illegal tag {number} (wire type {form})")]
    IllegalTag { message: String, number: i32, form: u8 },
    /// A form that does not exist.
    #[error("proto: illegal wireType {0}")]
    IllegalForm(u8),
    /// A form that is not the field's.
    #[error("proto: wrong wireType = {form} for field {field}")]
    WrongForm { form: u8, field: String },
    /// The end of a group that did not begin.
    #[error("proto: {message}: wiretype end group for non-group")]
    StrayEnd { message: String },
    /// Messages within messages, further than anybody needs.
    #[error("proto: messages are nested deeper than {0} levels")]
    TooDeep(usize),
    /// Bytes that are to be JSON.
    #[error("field {field} does not hold JSON: {error}")]
    NotJson { field: String, error: String },
}

/// The value of a field, as far as its form tells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum WireValue<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// A deprecated form that no Kubernetes message has: skipped.
    Group,
    Fixed32(u32),
}

impl WireValue<'_> {
    /// The number of the form.
    pub(super) fn form(&self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Group => 3,
            Self::Fixed32(_) => 5,
        }
    }
}

/// Reads the fields of one message.
pub(super) struct Reader<'a> {
    message: &'a str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of a message's bytes; its name is for errors.
    pub(super) fn new(message: &'a str, bytes: &'a [u8]) -> Self {
        Self { message, rest: bytes }
    }

    /// The next field's number and value.
    pub(super) fn field(&mut self) -> Result<Option<(u32, WireValue<'a>)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, form) = self.tag()?;
        let value = match form {
            3 => {
                self.skip_group()?;
                WireValue::Group
            }
            4 => return Err(WireError::StrayEnd { message: self.message.to_owned() }),
            form => self.value(form)?,
        };
        Ok(Some((number, value)))
    }

    /// The next of the numbers that a packed list consists of.
    pub(super) fn packed(&mut self) -> Result<Option<u64>, WireError> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = self.varint()?;
        let form = (tag & 7) as u8;
        // A field's number is what fits of it into 32 bits, as in the real decoders.
        #[expect(clippy::cast_possible_truncation, reason = "what the real decoders do")]
        let number = (tag >> 3) as i32;
        match u32::try_from(number) {
            Ok(number) if number > 0 => Ok((number, form)),
            _ => Err(WireError::IllegalTag { message: self.message.to_owned(), number, form }),
        }
    }

    fn value(&mut self, form: u8) -> Result<WireValue<'a>, WireError> {
        Ok(match form {
            0 => WireValue::Varint(self.varint()?),
            1 => WireValue::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = i64::try_from(self.varint()?).map_err(|_| WireError::InvalidLength)?;
                let length = usize::try_from(length).map_err(|_| WireError::InvalidLength)?;
                WireValue::Bytes(self.take(length)?)
            }
            5 => WireValue::Fixed32(u32::from_le_bytes(self.array()?)),
            form => return Err(WireError::IllegalForm(form)),
        })
    }

    /// Skips to the end of a group; groups within it are counted, not recursed into.
    fn skip_group(&mut self) -> Result<(), WireError> {
        let mut open = 1_usize;
        while open > 0 {
            let (_, form) = self.tag()?;
            match form {
                3 => open += 1,
                4 => open -= 1,
                form => drop(self.value(form)?),
            }
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(WireError::UnexpectedEnd)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(WireError::Overflow)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.take(N)?.try_into().map_err(|_| WireError::UnexpectedEnd)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::UnexpectedEnd)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn every_form_is_read() {
        let bytes = [
            &[0x08, 0x96, 0x01][..],
            &[0x11, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0x1a, 2, b'h', b'i'],
            &[0x23, 0x08, 1, 0x2b, 0x2c, 0x24],
            &[0x2d, 2, 0, 0, 0],
        ]
        .concat();
        let mut reader = Reader::new("Any", &bytes);
        let mut fields = Vec::new();
        while let Some(field) = reader.field().unwrap() {
            fields.push(field);
        }
        let expected = [
            (1, WireValue::Varint(150)),
            (2, WireValue::Fixed64(1)),
            (3, WireValue::Bytes(b"hi")),
            (4, WireValue::Group),
            (5, WireValue::Fixed32(2)),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn what_is_wrong_is_told_as_the_real_decoders_do() {
        for (bytes, message) in [
            (&[0x08][..], "unexpected EOF"),
            (&[0x80; 11], "proto: integer overflow"),
            (&[0x1a, 5, b'h'], "unexpected EOF"),
            (
                &[0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                "proto: negative length found during unmarshaling",
            ),
            (&[0x00, 1], "proto: Pod: illegal tag 0 (wire type 0)"),
            (&[0x0e], "proto: illegal wireType 6"),
            (&[0x0c], "proto: Pod: wiretype end group for non-group"),
            (&[0x0b, 0x08, 1], "unexpected EOF"),
        ] {
            assert_eq!(Reader::new("Pod", bytes).field().unwrap_err().to_string(), message, "{bytes:?}");
        }
    }
}
