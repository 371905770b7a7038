//! What becomes of a tool call.

/// What becomes of a tool call, from the mildest to the strictest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does not touch Cloudflare.
    Harmless,
    /// It goes through the gateway, or may: the run must be open and its gateway must answer.
    Gateway,
    /// It is blocked.
    Refused(Refusal),
}

/// Why a call is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Of which sort.
    pub reason: Reason,
    /// What the call would do.
    pub what: String,
    /// What to do instead.
    pub remedy: String,
}

/// Sorts of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It would reach Cloudflare past the gateway.
    Direct,
    /// It would read, pass on or change credentials.
    Credential,
    /// It would change what guards the agent.
    Guard,
    /// What it does shows only while it runs.
    Unclear,
}

impl Verdict {
    /// A refusal.
    pub fn refused(reason: Reason, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused(Refusal { reason, what: what.into(), remedy: remedy.into() })
    }

    /// Past the gateway to Cloudflare.
    pub fn direct(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::refused(Reason::Direct, what, remedy)
    }

    /// Credentials.
    pub fn credential(what: impl Into<String>) -> Self {
        Self::refused(
            Reason::Credential,
            what,
            "Credentials are not for agents. A command that needs Cloudflare gets what it needs from: dryrun exec -- \
             COMMAND. What a person has to look up, ask that person for.",
        )
    }

    /// What cannot be known beforehand.
    pub fn unclear(what: impl Into<String>) -> Self {
        Self::refused(
            Reason::Unclear,
            what,
            "Write out plainly what is to run: the program and its arguments as text, one step a call, or a script \
             file that can be read beforehand.",
        )
    }

    /// The stricter of two; of two refusals the one that says more, else the first.
    pub fn and(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Refused(first), Self::Refused(second))
                if first.reason == Reason::Unclear && second.reason != Reason::Unclear =>
            {
                other
            }
            (Self::Refused(_), _) => self,
            (_, Self::Refused(_)) => other,
            (Self::Gateway, _) | (_, Self::Gateway) => Self::Gateway,
            (Self::Harmless, Self::Harmless) => Self::Harmless,
        }
    }

    /// Whether it is a refusal.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}
