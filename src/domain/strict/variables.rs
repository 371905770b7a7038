//! Variables of an installation: one whose name is misspelt would silently leave its default in force.

use super::json::quoted;
use super::names::{Switch, is_near, switch, words};
use crate::domain::refusal::{Code, Problem};

/// Every variable and secret that is read.
pub const VARIABLES: [&str; 15] = [
    "ENVIRONMENT",
    "ACCOUNT_ID",
    "COMMIT",
    "STORES",
    "FLAG_BUDGET_MS",
    "FLAG_TTL_SECONDS",
    "SHADOW_WHOLE_ROWS",
    "SHADOW_MAX_ROWS",
    "SHADOW_MAX_BYTES",
    "OVERLAY_MAX_BYTES",
    "MAX_BODY_BYTES",
    "R2_METADATA_MAX_BYTES",
    "KEYS",
    "TOKEN_SECRET",
    "ALERT_WEBHOOK_URL",
];

/// Refuses everything when a variable is none that is read, and was meant to be one.
pub fn check<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<(), Problem> {
    names.into_iter().try_for_each(|name| match meant(name) {
        None => Ok(()),
        Some(meant) => Err(Problem::new(
            Code::Misconfigured,
            format!("The gateway has a variable {}, which it does not read, so it refuses everything.", quoted(name)),
            format!("An operator must correct its name ({meant}) or remove it, and deploy again."),
        )),
    })
}

/// What a name that is not read was probably meant to be.
fn meant(name: &str) -> Option<&'static str> {
    if VARIABLES.contains(&name) {
        return None;
    }
    if matches!(switch(name), Some(Switch::DryRun | Switch::Mode)) {
        return Some("the policy of a store in STORES");
    }
    let given = words(name);
    VARIABLES.into_iter().find(|known| {
        let known = words(known);
        let begins_alike = |count: usize| {
            known.len() > count && given.len() >= count && given.iter().take(count).eq(known.iter().take(count))
        };
        // FLAG_BUDGET, SHADOW_MAX_ROW, MAX_BODY_MB: the same thing, in no unit or another one. TOKEN: the first half.
        begins_alike(2)
            || (given.len() == 1 && begins_alike(1))
            || is_near(&given.concat(), &known.concat(), if known.concat().len() > 6 { 2 } else { 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_are_read_or_are_something_else_pass() {
        let others = [
            "NODE_ENV",
            "DEV_AGENT_KEY",
            "DEV_APPROVER_KEY",
            "PORT",
            "STATE",
            "SENTRY_DSN",
            "CF_VERSION_METADATA",
            "LOG_LEVEL",
            "SLACK_WEBHOOK_URL",
            "CLOUDFLARE_API_TOKEN",
        ];
        for name in VARIABLES.into_iter().chain(others) {
            assert_eq!(check([name]), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_misspelt_variable_is_refused_by_name_with_what_was_meant() {
        for (name, meant) in [
            ("STORE", "STORES"),
            ("stores", "STORES"),
            ("Stores", "STORES"),
            ("FLAG_BUDGET", "FLAG_BUDGET_MS"),
            ("FLAG_BUDGET_SECONDS", "FLAG_BUDGET_MS"),
            ("flagBudgetMs", "FLAG_BUDGET_MS"),
            ("FLAGBUDGETMS", "FLAG_BUDGET_MS"),
            ("FLAG_BUGDET_MS", "FLAG_BUDGET_MS"),
            ("FLAG_TTL", "FLAG_TTL_SECONDS"),
            ("SHADOW_MAX_ROW", "SHADOW_MAX_ROWS"),
            ("OVERLAY_MAX", "OVERLAY_MAX_BYTES"),
            ("OVERLAY-MAX-BYTES", "OVERLAY_MAX_BYTES"),
            ("MAX_BODY_MB", "MAX_BODY_BYTES"),
            ("ENVIROMENT", "ENVIRONMENT"),
            ("ACCOUNT", "ACCOUNT_ID"),
            ("KEY", "KEYS"),
            ("TOKEN_SECRETS", "TOKEN_SECRET"),
            ("ALERT_WEBHOOK", "ALERT_WEBHOOK_URL"),
            ("DRY_RUN", "policy"),
            ("DRYRUN_MODE", "policy"),
            ("MODE", "policy"),
        ] {
            let problem = check([name]).unwrap_err();
            assert_eq!(problem.code, Code::Misconfigured);
            assert!(problem.message.contains(name) && problem.remedy.contains(meant), "{name}: {problem:?}");
        }
    }
}
