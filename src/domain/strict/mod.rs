//! What a request may say. Each route declares what it understands; everything else that could change the meaning of a
//! request is refused by name.
//!
//! * A name that reads like a switch of the gateway ([`names`]) and is not that switch there is refused on every route.
//! * A request that can change something has no unknown query parameter and no unknown member ([`json`]), and none of
//!   them twice.
//! * A guard that is not honoured, a header of R2's that is not offered, and a body in a coding that is not read are
//!   refused.
//! * Other headers pass: clients, browsers and proxies add their own.

pub mod json;
pub mod names;
pub mod variables;

use super::refusal::{Code, Problem};
use json::{Shape, quoted, unknown};
use names::{Switch, asks_for_dry_run, is_binding_condition, is_guard, is_same, switch};

/// What a route understands of a request besides its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Takes {
    /// Query parameters, each at most once.
    pub queries: &'static [&'static str],
    /// Query parameters that may come several times.
    pub lists: &'static [&'static str],
    /// Headers that have an effect, in lower case. One that ends with `*` stands for all that begin so.
    pub headers: &'static [&'static str],
    /// Query parameters that would change the meaning of a read. One that ends with `*` stands for all that begin so.
    pub not_offered: &'static [&'static str],
    /// The body.
    pub body: Body,
}

/// What a route reads of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON of this shape.
    Json(&'static Shape),
    /// Bytes that are stored as they are.
    Bytes,
    /// Bytes that are stored as they are, or a form of these fields.
    BytesOrForm(&'static [&'static str]),
    /// Messages of a protocol with rules of its own.
    Messages,
    /// Nothing of the request matters: the route refuses all of them.
    Refused,
}

/// A request as it was sent, names of headers in lower case.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'s> {
    /// The method.
    pub method: &'s str,
    /// The headers.
    pub headers: &'s [(String, String)],
    /// The query parameters, decoded once.
    pub queries: &'s [(String, String)],
}

impl Sent<'_> {
    /// Whether it can change something. Only these two methods never do.
    fn may_write(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }
}

/// Understood on every route.
const EVERYWHERE: [&str; 1] = ["dry-run"];
/// Without effect on a read, and understood by most.
const ON_READS: [&str; 2] = ["run-id", "idempotency-key"];
/// Headers that say nothing as long as their value is one of these.
const NEUTRAL: [(&str, &[&str]); 4] = [
    ("cf-r2-jurisdiction", &["default"]),
    // wrangler asks so for a check of R2's Data Catalog that bindings do not have.
    ("cf-r2-data-catalog-check", &["true", "false"]),
    ("content-encoding", &["identity"]),
    ("expect", &["100-continue"]),
];
/// What CloudFront adds to each request.
const OF_PROXIES: [&str; 1] = ["x-amz-cf-id"];
/// Headers of these families say how an object is stored or found: only those that are declared are understood.
const FAMILIES: [&str; 4] = ["x-amz-", "cf-r2-", "x-goog-", "x-ms-blob-"];
/// Headers whose value is a list of wishes.
const WISHES: [&str; 3] = ["prefer", "expect", "pragma"];
/// Headers whose value holds parameters or names with values.
const PARAMETERS: [&str; 4] = ["content-type", "accept", "cookie", "baggage"];

impl Takes {
    /// A route that understands nothing but its path.
    pub const NOTHING: Self = Self { queries: &[], lists: &[], headers: &[], not_offered: &[], body: Body::None };

    /// Whether a header has an effect here.
    fn understands(&self, name: &str) -> bool {
        EVERYWHERE.contains(&name) || matches(self.headers, name)
    }

    /// Checks what can be checked without the body.
    pub fn check(&self, sent: &Sent<'_>) -> Result<(), Problem> {
        if self.body == Body::Refused {
            return Ok(());
        }
        for (name, value) in sent.headers {
            self.check_header(sent, name, value)?;
        }
        self.check_queries(sent)
    }

    fn check_header(&self, sent: &Sent<'_>, name: &str, value: &str) -> Result<(), Problem> {
        let reads = |known: &[&str]| !sent.may_write() && known.contains(&name);
        if self.understands(name) || reads(&ON_READS) {
            return Ok(());
        }
        if let Some(switch) = switch(name) {
            return Err(misplaced("header", name, switch));
        }
        if let Some(wish) = wishes(name, value) {
            return Err(misplaced(&format!("header {}, with its value", quoted(name)), &wish, Switch::DryRun));
        }
        let neutral = NEUTRAL.iter().find(|(known, _)| *known == name);
        if neutral.is_some_and(|(_, values)| values.iter().any(|known| known.eq_ignore_ascii_case(value.trim())))
            || OF_PROXIES.contains(&name)
        {
            return Ok(());
        }
        let is_refused =
            if sent.may_write() { is_guard(name) || name == "content-encoding" } else { is_binding_condition(name) };
        if is_refused {
            let honoured: Vec<&str> = self.headers.iter().copied().filter(|known| is_guard(known)).collect();
            return Err(Problem::new(
                Code::InvalidRequest,
                format!(
                    "The header {} has no effect here, so the request is refused; nothing was read or written.",
                    quoted(name)
                ),
                if honoured.is_empty() {
                    "Leave it out.".to_owned()
                } else {
                    format!("Leave it out, or use one of: {}.", honoured.join(", "))
                },
            ));
        }
        if FAMILIES.iter().any(|family| name.starts_with(family)) {
            return Err(not_offered("header", name));
        }
        let belongs = self.queries.iter().find(|query| sent.may_write() && is_same(query, name));
        match belongs {
            Some(query) => Err(Problem::new(
                Code::InvalidRequest,
                format!(
                    "The header {} has no effect: {query} is a query parameter; nothing was written.",
                    quoted(name)
                ),
                format!("Send ?{query}=…, or leave it out."),
            )),
            None => Ok(()),
        }
    }

    fn check_queries(&self, sent: &Sent<'_>) -> Result<(), Problem> {
        let known: Vec<&str> = self.queries.iter().chain(self.lists).copied().collect();
        for (at, (name, _)) in sent.queries.iter().enumerate() {
            if known.contains(&name.as_str()) {
                let again = sent.queries.iter().skip(at + 1).any(|(other, _)| other == name);
                if again && !self.lists.contains(&name.as_str()) {
                    let what = format!("The query parameter {name} appears twice; nothing was read or written.");
                    return Err(Problem::new(Code::InvalidRequest, what, "Send it once."));
                }
                continue;
            }
            if let Some(switch) = switch(name) {
                return Err(misplaced("query parameter", name, switch));
            }
            if matches(OF_OBJECTS, &name.to_ascii_lowercase()) && sent.may_write()
                || matches(self.not_offered, &name.to_ascii_lowercase())
            {
                return Err(not_offered("query parameter", name));
            }
            if sent.may_write() || known.iter().any(|known| is_same(known, name)) {
                let (what, remedy) = unknown(name, &known);
                return Err(Problem::new(
                    Code::InvalidRequest,
                    format!("The query parameter {what}; nothing was read or written."),
                    remedy,
                ));
            }
        }
        Ok(())
    }
}

/// S3's query parameters, which turn a request about an object into another one.
pub const OF_OBJECTS: &[&str] = &[
    "versionid",
    "versions",
    "uploads",
    "uploadid",
    "partnumber",
    "acl",
    "tagging",
    "torrent",
    "retention",
    "legal-hold",
    "object-lock",
    "attributes",
    "select",
    "select-type",
    "restore",
    "encryption",
    "renameobject",
    "response-*",
    "x-amz-*",
    "x-id",
    "append",
];

/// Whether a name is in a list, in which an entry that ends with `*` stands for all that begin so.
fn matches(list: &[&str], name: &str) -> bool {
    list.iter().any(|entry| entry.strip_suffix('*').map_or(*entry == name, |beginning| name.starts_with(beginning)))
}

fn misplaced(what: &str, name: &str, switch: Switch) -> Problem {
    let name = quoted(name);
    if switch == Switch::Record {
        return Problem::new(
            Code::NotOffered,
            format!("The gateway does not offer to record a run: the {what} {name} is refused; nothing was done."),
            switch.remedy(),
        );
    }
    Problem::new(
        Code::InvalidRequest,
        format!("The {what} {name} has no effect here, so the request is refused; nothing was read or written."),
        switch.remedy(),
    )
}

fn not_offered(what: &str, name: &str) -> Problem {
    Problem::new(
        Code::NotOffered,
        format!(
            "The gateway does not offer the {what} {}, which changes the meaning of a request; nothing was done.",
            quoted(name)
        ),
        "Leave it out. The README lists what is offered.",
    )
}

/// A wish for a dry run in the value of a header, if there is one.
fn wishes(name: &str, value: &str) -> Option<String> {
    let parts = || value.split([',', ';']).map(str::trim);
    if WISHES.contains(&name) {
        return parts().find(|part| asks_for_dry_run(part)).map(str::to_owned);
    }
    let named = parts().filter_map(|part| part.split_once('=')).map(|(name, _)| name.trim());
    named.filter(|_| PARAMETERS.contains(&name)).find(|name| switch(name) == Some(Switch::DryRun)).map(str::to_owned)
}

#[cfg(test)]
mod tests;
