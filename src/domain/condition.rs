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
    /// An entity tag takes precedence over the date that goes with it. HTTP dates have whole seconds, so the object's
    /// time is compared in seconds.
    pub fn check(&self, object: Option<(&str, Millis)>) -> Met {
        // As R2 has it: what is not there was not modified since.
        if object.is_none() && self.uploaded_after.is_some() {
            return Met::NotModified;
        }
        let etag_in =
            |list: &[String]| object.is_some_and(|(etag, _)| list.iter().any(|one| one == "*" || one == etag));
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

/// The headers of a condition, as they were sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConditionHeaders<'h> {
    /// `If-Match`.
    pub matches: Option<&'h str>,
    /// `If-None-Match`.
    pub matches_none: Option<&'h str>,
    /// `If-Unmodified-Since`.
    pub unmodified_since: Option<&'h str>,
    /// `If-Modified-Since`.
    pub modified_since: Option<&'h str>,
}

impl Condition {
    /// Reads the headers of a condition. One that cannot be read is refused: HTTP would have a date that is none
    /// ignored (RFC 9110, 13.1.3), but
    /// whoever sends a guard relies on it.
    pub fn parse(headers: &ConditionHeaders<'_>) -> Result<Self, Problem> {
        let tags = |name: &str, header: Option<&str>| {
            header.map_or(Ok(Vec::new()), |header| etags(header).ok_or_else(|| unreadable(name, TAGS)))
        };
        let time = |name: &str, header: Option<&str>| {
            header.map(|header| http_date(header).ok_or_else(|| unreadable(name, DATE))).transpose()
        };
        // Weak tags never match an object's strong one in If-Match, and count as strong ones in If-None-Match (RFC
        // 9110, 13.1.1 and 13.1.2).
        let strong = |tag: Tag| if tag.weak { format!("W/{}", tag.text) } else { tag.text };
        Ok(Self {
            matches: tags("If-Match", headers.matches)?.into_iter().map(strong).collect(),
            matches_none: tags("If-None-Match", headers.matches_none)?.into_iter().map(|tag| tag.text).collect(),
            uploaded_before: time("If-Unmodified-Since", headers.unmodified_since)?,
            uploaded_after: time("If-Modified-Since", headers.modified_since)?,
        })
    }
}

const TAGS: &str =
    "Send entity tags such as \"9b2cf535f27731c974343645a3985328\", divided by commas, or * alone; or leave it out.";
const DATE: &str = "Send a date such as Fri, 20 Nov 2026 00:00:00 GMT, or leave it out.";

fn unreadable(name: &str, remedy: &str) -> Problem {
    Problem::new(
        Code::InvalidRequest,
        format!("The header {name} cannot be read, so the request is refused; nothing was read or written."),
        remedy,
    )
}

struct Tag {
    weak: bool,
    text: String,
}

/// Reads a list of entity tags: `"a", W/"b"`, a bare one, or `*` alone. An empty tag and a quoted `*` are what comes of
/// a mistake.
fn etags(header: &str) -> Option<Vec<Tag>> {
    if header.trim() == "*" {
        return Some(vec![Tag { weak: false, text: "*".into() }]);
    }
    let mut tags = Vec::new();
    let mut rest = header.trim();
    while !rest.is_empty() {
        // Empty entries of a list are nothing (RFC 9110, 5.6.1).
        if let Some(after) = rest.strip_prefix(',') {
            rest = after.trim_start();
            continue;
        }
        let strong = rest.strip_prefix("W/");
        let weak = strong.is_some();
        let (text, after) = match strong.unwrap_or(rest).strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None if weak => return None,
            None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
        };
        let text = text.trim_end_matches([' ', '\t']);
        let after = after.trim_start();
        let is_tag = !text.is_empty()
            && text != "*"
            && text.chars().all(|character| character != '"' && character > ' ' && character != '\u{7f}');
        if !is_tag || !(after.is_empty() || after.starts_with(',')) {
            return None;
        }
        tags.push(Tag { weak, text: text.to_owned() });
        rest = after;
    }
    (!tags.is_empty()).then_some(tags)
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];
/// The first day of which there is a time in milliseconds. What was before is as long ago.
const EPOCH_YEAR: u64 = 1970;

/// Reads an HTTP date in the form that is sent today (RFC 9110, 5.6.7).
pub fn http_date(text: &str) -> Option<Millis> {
    let mut parts = text.trim().split(' ');
    let mut next = || parts.next();
    let (weekday, day, month, year, time, zone) =
        (next()?.strip_suffix(',')?, next()?, next()?, next()?, next()?, next()?);
    if zone != "GMT" || next().is_some() {
        return None;
    }
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    let (day, year) = (number(day, 2)?, number(year, 4)?);
    let month = MONTHS.iter().position(|(name, _)| *name == month)?;
    let mut clock = time.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let is_leap = leaps(year) > leaps(year.saturating_sub(1));
    let days_in = |index: usize, days: u64| days + u64::from(index == 1 && is_leap);
    let fits = (1..=MONTHS.get(month).map_or(0, |(_, days)| days_in(month, *days))).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && clock.next().is_none();
    if !fits || !DAYS.contains(&weekday) {
        return None;
    }
    if year < EPOCH_YEAR {
        return Some(0);
    }
    let before: u64 = MONTHS.iter().enumerate().take(month).map(|(index, (_, days))| days_in(index, *days)).sum();
    let days = (year - EPOCH_YEAR) * 365 + leaps(year - 1) - leaps(EPOCH_YEAR - 1) + before + day - 1;
    let named = usize::try_from(days % 7).ok().and_then(|index| DAYS.get(index));
    (named == Some(&weekday)).then_some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000)
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
    /// Reads a `Range` header. Units other than bytes and lists of several ranges are ignored, as HTTP allows; nonsense
    /// is refused.
    pub fn parse(header: &str) -> Result<Option<Self>, Problem> {
        let Some(spec) = header.trim().strip_prefix("bytes=") else { return Ok(None) };
        if spec.contains(',') {
            return Ok(None);
        }
        let (first, last) = spec.trim().split_once('-').ok_or_else(invalid_range)?;
        let number = |text: &str| text.trim().parse::<u64>().map_err(|error| invalid_range().caused_by(error));
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
            Self::From { offset, length } if offset < size => {
                Ok((offset, length.unwrap_or(u64::MAX).min(size - offset)))
            }
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
            Problem::new(
                Code::InvalidRequest,
                "The checksum header is not valid base64 of the right length; nothing was written.",
                "Send the digest of the body in base64.",
            )
        })
    }
}

/// The answer to a body that does not have the digest it claims.
pub fn bad_digest() -> Problem {
    Problem::from_store(
        Code::BadDigest,
        "The checksum you specified does not match what was received; nothing was written.",
    )
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

    fn parsed(name: &str, value: &str) -> Result<Condition, Problem> {
        let mut headers = ConditionHeaders::default();
        match name {
            "If-Match" => headers.matches = Some(value),
            "If-None-Match" => headers.matches_none = Some(value),
            "If-Unmodified-Since" => headers.unmodified_since = Some(value),
            _ => headers.modified_since = Some(value),
        }
        Condition::parse(&headers)
    }

    #[test]
    fn lists_of_entity_tags_are_read_as_http_writes_them() {
        for (header, tags) in [
            ("\"abc\"", &["abc"][..]),
            ("abc", &["abc"]),
            ("*", &["*"]),
            (" * ", &["*"]),
            ("\"a\", \"b\",\"c\"", &["a", "b", "c"]),
            ("a, b", &["a", "b"]),
            ("\"a\", , \"b\",", &["a", "b"]),
            ("\"a,b\"", &["a,b"]),
            ("\"W/a\"", &["W/a"]),
        ] {
            assert_eq!(parsed("If-Match", header).unwrap().matches, tags, "{header}");
            assert_eq!(parsed("If-None-Match", header).unwrap().matches_none, tags, "{header}");
        }
        assert_eq!(parsed("If-Match", "W/\"a\"").unwrap().matches, ["W/a"]);
        assert_eq!(parsed("If-None-Match", "W/\"a\", \"b\"").unwrap().matches_none, ["a", "b"]);
    }

    #[test]
    fn a_guard_that_cannot_be_read_is_not_no_guard() {
        for name in ["If-Match", "If-None-Match"] {
            for header in [
                "",
                " ",
                ",",
                ", ,",
                "\"",
                "\"a",
                "a\"",
                "\"a\"b",
                "\"a\" \"b\"",
                "\"\"",
                "W/\"\"",
                "W/a",
                "W/",
                "w/\"a\"",
                "*, \"a\"",
                "\"a\", *",
                "\"*\"",
                "**x, *",
                "a b",
                "\"a b\"",
                "\"a\tb\"",
                "'a\"'",
            ] {
                let problem = parsed(name, header).expect_err(header);
                assert!(problem.code == Code::InvalidRequest && problem.message.contains(name), "{header}: {problem}");
            }
        }
        for name in ["If-Unmodified-Since", "If-Modified-Since"] {
            for header in [
                "",
                " ",
                "nonsense",
                "now",
                "0",
                "1790000000",
                "2026-11-20T00:00:00Z",
                "Fri, 20 Nov 2026 00:00:00",
                "Fri, 20 Nov 2026 00:00:00 UTC",
                "Fri, 20 Nov 2026 00:00:00 +0000",
                "Thu, 20 Nov 2026 00:00:00 GMT",
                "Fri, 32 Nov 2026 00:00:00 GMT",
                "Sun, 29 Feb 2026 00:00:00 GMT",
                "Fri, 20 Nov 2026 24:00:00 GMT",
                "Fri, 20 Nov 2026 00:60:00 GMT",
                "Fri, 20 Nov 2026 00:00 GMT",
                "Fri, 20 nov 2026 00:00:00 GMT",
                "Fri, 20 Nov 26 00:00:00 GMT",
                "Friday, 20-Nov-26 00:00:00 GMT",
                "Fri Nov 20 00:00:00 2026",
                "Fri, 20 Nov 2026 00:00:00 GMT, Fri, 20 Nov 2026 00:00:00 GMT",
            ] {
                let problem = parsed(name, header).expect_err(header);
                assert!(problem.code == Code::InvalidRequest && problem.message.contains(name), "{header}: {problem}");
            }
        }
    }

    #[test]
    fn dates_are_read_to_the_second() {
        for (text, at) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777_000),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799_000),
            ("Fri, 20 Nov 2026 00:00:00 GMT", 1_795_132_800_000),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000_000),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400_000),
            ("Fri, 31 Dec 1937 00:00:00 GMT", 0),
        ] {
            assert_eq!(http_date(text), Some(at), "{text}");
        }
    }

    #[test]
    fn conditions_follow_http() {
        let object = Some(("abc", 5_000));
        let check =
            |condition: Condition, object, expected| assert_eq!(condition.check(object), expected, "{condition:?}");
        let matches = |tag: &str| parsed("If-Match", tag).unwrap();
        let none = |tag: &str| parsed("If-None-Match", tag).unwrap();
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
        check(Condition { uploaded_before: Some(0), ..matches("abc") }, object, Met::Yes);
    }
}
