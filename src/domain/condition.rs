//! Conditional requests, ranges and digests of objects, by the rules of HTTP and R2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::refusal::{Code, Problem};
use super::run::Millis;

/// What must hold for a conditional read or write (RFC 9110, section 13).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `If-Match`: etags without quotes; `*` means that the object exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<String>,
    /// `If-None-Match`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matches_none: Vec<String>,
    /// `If-Unmodified-Since`, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded_before: Option<Millis>,
    /// `If-Modified-Since`, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded_after: Option<Millis>,
}

/// How a condition was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// Go on.
    Yes,
    /// A precondition failed (412).
    Failed,
    /// The caller has it already (304, reads only).
    NotModified,
}

impl Condition {
    /// Whether anything was asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the condition against the object that is there, if one is.
    ///
    /// An entity tag takes precedence over the date that goes with it. HTTP dates have whole seconds, so the object's time is compared in seconds.
    pub fn check(&self, object: Option<(&str, Millis)>) -> Met {
        // As R2 has it: what is not there was not modified since.
        if object.is_none() && self.uploaded_after.is_some() {
            return Met::NotModified;
        }
        let etag_in = |list: &[String]| object.is_some_and(|(etag, _)| list.iter().any(|one| one == "*" || one == etag));
        if !self.matches.is_empty() {
            if !etag_in(&self.matches) {
                return Met::Failed;
            }
        } else if let (Some(limit), Some((_, uploaded))) = (self.uploaded_before, object)
            // R2 has it uploaded *before*, not HTTP's "not after".
            && uploaded / 1_000 >= limit / 1_000
        {
            return Met::Failed;
        }
        if !self.matches_none.is_empty() {
            if etag_in(&self.matches_none) {
                return Met::NotModified;
            }
        } else if let (Some(limit), Some((_, uploaded))) = (self.uploaded_after, object)
            && uploaded / 1_000 <= limit / 1_000
        {
            return Met::NotModified;
        }
        Met::Yes
    }
}

/// Reads a list of etags: `"a", "b"`, `*` or a bare one. Weak tags never match an object's strong one, and are kept as they are.
pub fn etags(header: &str) -> Vec<String> {
    header.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(|tag| tag.trim_matches('"').to_owned()).collect()
}

/// The same where a weak tag matches as well: `If-None-Match` (RFC 9110, 13.1.2).
pub fn weak_etags(header: &str) -> Vec<String> {
    header.split(',').map(str::trim).flat_map(|tag| etags(tag.strip_prefix("W/").unwrap_or(tag))).collect()
}

/// One range of bytes, as asked (RFC 9110, section 14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// From an offset to the end, or for a length.
    From {
        /// First byte, counted from 0.
        offset: u64,
        /// How many bytes; the rest when absent.
        length: Option<u64>,
    },
    /// The last bytes.
    Suffix(u64),
}

impl Range {
    /// Reads a `Range` header. Units other than bytes and lists of several ranges are ignored, as HTTP allows; nonsense is refused.
    pub fn parse(header: &str) -> Result<Option<Self>, Problem> {
        let Some(spec) = header.trim().strip_prefix("bytes=") else { return Ok(None) };
        if spec.contains(',') {
            return Ok(None);
        }
        let (first, last) = spec.trim().split_once('-').ok_or_else(invalid_range)?;
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| invalid_range());
        match (first.trim(), last.trim()) {
            ("", last) => Ok(Some(Self::Suffix(number(last)?))),
            (first, "") => Ok(Some(Self::From { offset: number(first)?, length: None })),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                let length = last.checked_sub(first).ok_or_else(invalid_range)?.saturating_add(1);
                Ok(Some(Self::From { offset: first, length: Some(length) }))
            }
        }
    }

    /// The bytes of an object of `size` that the range means, as offset and length.
    pub fn resolve(self, size: u64) -> Result<(u64, u64), Problem> {
        match self {
            Self::From { offset, length } if offset < size => Ok((offset, length.unwrap_or(u64::MAX).min(size - offset))),
            Self::Suffix(length) if length > 0 && size > 0 => Ok((size.saturating_sub(length), length.min(size))),
            Self::From { .. } | Self::Suffix(_) => Err(invalid_range()),
        }
    }
}

/// The answer to a range that the object does not have.
pub fn invalid_range() -> Problem {
    Problem::from_store(Code::InvalidRange, "The requested range is not satisfiable.")
}

/// A digest that the caller says the object has. It is checked before the object is put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Digest {
    /// `Content-MD5`, in hex.
    Md5(String),
    /// `x-amz-checksum-sha256`, in hex.
    Sha256(String),
}

impl Digest {
    /// Reads a digest in base64 of exactly `bytes` bytes, as hex.
    pub fn from_base64(text: &str, bytes: usize) -> Result<String, Problem> {
        STANDARD.decode(text.trim()).ok().filter(|digest| digest.len() == bytes).map(hex::encode).ok_or_else(|| {
            Problem::new(Code::InvalidRequest, "The checksum header is not valid base64 of the right length; nothing was written.", "Send the digest of the body in base64.")
        })
    }
}

/// The answer to a body that does not have the digest it claims.
pub fn bad_digest() -> Problem {
    Problem::from_store(Code::BadDigest, "The checksum you specified does not match what was received; nothing was written.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_against_the_size_or_are_refused() {
        let check = |header: &str, size: u64, expected: Option<(u64, u64)>| {
            let range = Range::parse(header).unwrap().unwrap();
            assert_eq!(range.resolve(size).ok(), expected, "{header} of {size}");
        };
        check("bytes=0-3", 10, Some((0, 4)));
        check("bytes=8-100", 10, Some((8, 2)));
        check("bytes=4-", 10, Some((4, 6)));
        check("bytes=-3", 10, Some((7, 3)));
        check("bytes=-30", 10, Some((0, 10)));
        check("bytes=10-", 10, None);
        check("bytes=0-0", 0, None);
        check("bytes=-0", 10, None);
        check("bytes=0-18446744073709551614", 10, Some((0, 10)));
        check("bytes=0-18446744073709551615", 10, Some((0, 10)));
        for nonsense in ["bytes=a-b", "bytes=5-4", "bytes=", "bytes=-"] {
            assert!(Range::parse(nonsense).is_err(), "{nonsense}");
        }
        assert_eq!(Range::parse("lines=1-2").unwrap(), None);
        assert_eq!(Range::parse("bytes=0-1,3-4").unwrap(), None);
    }

    #[test]
    fn conditions_follow_http() {
        let object = Some(("abc", 5_000));
        let check = |condition: Condition, object, expected| assert_eq!(condition.check(object), expected, "{condition:?}");
        let matches = |tag: &str| Condition { matches: etags(tag), ..Condition::default() };
        let none = |tag: &str| Condition { matches_none: etags(tag), ..Condition::default() };
        check(matches("\"abc\""), object, Met::Yes);
        check(matches("\"x\", \"abc\""), object, Met::Yes);
        check(matches("*"), object, Met::Yes);
        check(matches("*"), None, Met::Failed);
        check(matches("\"x\""), object, Met::Failed);
        check(none("\"abc\""), object, Met::NotModified);
        check(none("*"), object, Met::NotModified);
        check(none("*"), None, Met::Yes);
        check(Condition { uploaded_before: Some(4_000), ..Condition::default() }, object, Met::Failed);
        check(Condition { uploaded_before: Some(5_000), ..Condition::default() }, object, Met::Failed);
        check(Condition { uploaded_before: Some(6_000), ..Condition::default() }, object, Met::Yes);
        check(Condition { uploaded_after: Some(5_000), ..Condition::default() }, object, Met::NotModified);
        check(Condition { uploaded_after: Some(4_000), ..Condition::default() }, object, Met::Yes);
        check(Condition { matches: etags("abc"), uploaded_before: Some(0), ..Condition::default() }, object, Met::Yes);
    }
}
