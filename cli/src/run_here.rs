//! The run that this process is part of.

use crate::failure::{Failure, Outcome};

/// The variables that `exec` gives to its command, and that make a command part of a run.
pub(crate) const RUN_VARIABLES: [&str; 3] = ["DRYRUN_RUN_ID", "DRYRUN_URL", "DRYRUN_TOKEN"];

/// The run that this process is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunHere {
    /// Its id.
    pub id: String,
    /// Its gateway.
    pub url: String,
    /// Its token.
    pub token: String,
}

impl RunHere {
    /// Looks at the environment.
    pub(crate) fn find() -> Outcome<Option<Self>> {
        Self::from_parts(RUN_VARIABLES.map(|name| std::env::var(name).ok().filter(|value| !value.is_empty())))
    }

    /// A process is wholly in a run or not at all. With a part of the variables it could leave its run unseen, and open
    /// one with the project's own key.
    fn from_parts(parts: [Option<String>; 3]) -> Outcome<Option<Self>> {
        match parts {
            [None, None, None] => Ok(None),
            [Some(id), Some(url), Some(token)] => Ok(Some(Self { id, url, token })),
            parts => {
                let named = |there: bool| {
                    RUN_VARIABLES
                        .iter()
                        .zip(&parts)
                        .filter(|(_, part)| part.is_some() == there)
                        .map(|(name, _)| *name)
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                Err(Failure::configuration(
                    format!(
                        "This looks like a part of a run, but not a whole one (set: {}; not set: {}). Nothing was \
                         done.",
                        named(true),
                        named(false)
                    ),
                    format!(
                        "Leave the variables as dryrun exec set them. To work outside of the run: env -u {} dryrun …",
                        RUN_VARIABLES.join(" -u ")
                    ),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_wholly_in_a_run_or_not_at_all() {
        let part = |text: &str| Some(text.to_owned());
        assert_eq!(RunHere::from_parts([None, None, None]), Ok(None));
        assert!(RunHere::from_parts([part("r"), part("u"), part("t")]).unwrap().is_some());
        let failure = RunHere::from_parts([part("r"), part("u"), None]).unwrap_err();
        assert!(
            failure.message.contains("set: DRYRUN_RUN_ID, DRYRUN_URL; not set: DRYRUN_TOKEN"),
            "{}",
            failure.message
        );
        assert!(RunHere::from_parts([None, None, part("t")]).is_err());
    }
}
