//! How the body of an export is compressed (RFC 9110, section 8.4.1). OTLP asks for gzip.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    /// The coding that a `Content-Encoding` header names; none of a body that is encoded in another way, or more than once.
    pub(super) fn named(name: &str) -> Option<Self> {
        let codings =
            [("identity", Self::Identity), ("gzip", Self::Gzip), ("x-gzip", Self::Gzip), ("deflate", Self::Deflate)];
        let found = codings.into_iter().find(|(known, _)| name.trim().eq_ignore_ascii_case(known));
        found.map(|(_, coding)| coding)
    }

    /// Decodes `body`; what decodes to more than `most` bytes is cut after one more.
    pub(super) fn decode(self, body: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let reader: Box<dyn Read + '_> = match self {
            Self::Identity => Box::new(body),
            Self::Gzip => Box::new(MultiGzDecoder::new(body)),
            Self::Deflate => Box::new(ZlibDecoder::new(body)),
        };
        let mut decoded = Vec::new();
        reader.take(most as u64 + 1).read_to_end(&mut decoded)?;
        Ok(decoded)
    }
}
