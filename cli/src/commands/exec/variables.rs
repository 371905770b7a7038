//! The environment of a command in a run: what every tool reads to find the gateway, and none of what would lead past
//! it.
//!
//! This keeps a well-meaning tool on its way. It is no prison: what a person can read in files, a command that this
//! person starts can read as well.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::settings::{Project, Secret};

/// What the variables say.
pub(super) struct Run<'a> {
    /// The gateway's address.
    pub url: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// The account that clients name in the path.
    pub account: &'a str,
    /// The run.
    pub id: &'a str,
    /// Its token.
    pub token: &'a str,
    /// Whether it is a dry run. Anything but a live run is one.
    pub dry: bool,
}

/// The variables that lead to the gateway. `folder` is private to this run.
pub(super) fn given(run: &Run<'_>, folder: &Path) -> BTreeMap<&'static str, String> {
    let api = format!("{}/client/v4", run.url);
    BTreeMap::from([
        // wrangler; Cloudflare's SDKs.
        ("CLOUDFLARE_API_BASE_URL", api.clone()),
        ("CLOUDFLARE_BASE_URL", api),
        ("CLOUDFLARE_API_TOKEN", run.token.to_owned()),
        ("CLOUDFLARE_ACCOUNT_ID", run.account.to_owned()),
        // For the program itself: what goes past the gateway is real, and it may leave that out.
        ("DRY_RUN", if run.dry { "1" } else { "0" }.to_owned()),
        ("DRYRUN_ENV", run.environment.to_owned()),
        ("DRYRUN_RUN_ID", run.id.to_owned()),
        ("DRYRUN_URL", run.url.to_owned()),
        ("DRYRUN_TOKEN", run.token.to_owned()),
        ("DRYRUN_MCP_CONFIG", folder.join(MCP_FILE).display().to_string()),
    ])
}

/// The name of the MCP configuration in the private folder.
pub(super) const MCP_FILE: &str = "mcp.json";

/// The MCP configuration.
pub(super) fn mcp_configuration(run: &Run<'_>) -> Value {
    json!({"mcpServers": {"dryrun": {"type": "http", "url": format!("{}/mcp", run.url), "headers": {"Authorization": format!("Bearer {}", run.token)}}}})
}

/// Files that S3 clients take keys from, with which R2 is reached past the gateway: they are told to read an empty one.
pub(super) const S3_FILES: [&str; 3] = ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "RCLONE_CONFIG"];

/// Families of variables of which everything is hidden that is not known to be harmless.
const FAMILIES: [&str; 8] = ["CLOUDFLARE_", "CF_", "R2_", "AWS_", "RCLONE_CONFIG", "RCLONE_S3_", "S3_", "MC_HOST_"];
/// What is harmless in them: it names no credential and leads nowhere.
const HARMLESS: [&str; 15] = [
    "CLOUDFLARE_ENV",
    "CLOUDFLARE_INCLUDE_PROCESS_ENV",
    "CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV",
    "CLOUDFLARE_CF_FETCH_ENABLED",
    "CLOUDFLARE_LOG",
    "CF_PAGES",
    "CF_PAGES_BRANCH",
    "CF_PAGES_COMMIT_SHA",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_DEFAULT_OUTPUT",
    "AWS_PAGER",
    "AWS_CA_BUNDLE",
    "AWS_RETRY_MODE",
    "AWS_MAX_ATTEMPTS",
];
/// Headers that clients add to every request: kept, unless one of them is a credential that would replace the run's.
const HEADERS: [&str; 2] = ["CLOUDFLARE_API_HEADERS", "CLOUDFLARE_CUSTOM_HEADERS"];
/// The gateway's own secrets, and that of `make dev`.
const GATEWAY: [&str; 2] = ["TOKEN_SECRET", "KEYS"];
/// What opens a secrets manager, with which the gateway's key could be fetched again.
const MANAGERS: [&str; 8] = [
    "OP_SERVICE_ACCOUNT_TOKEN",
    "OP_CONNECT_TOKEN",
    "VAULT_TOKEN",
    "DOPPLER_TOKEN",
    "INFISICAL_TOKEN",
    "BWS_ACCESS_TOKEN",
    "BW_SESSION",
    "SOPS_AGE_KEY",
];

/// Which of the variables here the command does not get.
pub(super) struct Hiding<'a> {
    /// The key of the gateway, when a key opened the run.
    pub key: Option<&'a str>,
    /// The project: where its keys come from.
    pub project: &'a Project,
    /// Names that a person said to leave, each perhaps with a `*` at its end.
    pub keep: &'a [String],
}

impl Hiding<'_> {
    /// Whether somebody said to leave this variable.
    pub(super) fn keeps(&self, name: &str) -> bool {
        self.keep.iter().any(|kept| kept.strip_suffix('*').map_or(kept == name, |start| name.starts_with(start)))
    }

    /// The names of those that are hidden. What the gateway's keys and tokens are in is never left, whatever it is
    /// called.
    pub(super) fn names(&self, variables: impl Iterator<Item = (String, String)>) -> BTreeSet<String> {
        variables
            .filter(|(name, value)| {
                self.holds_a_key(name, value)
                    || (!self.keeps(name) && is_credential(name, value))
                    || self.opens_the_manager(name)
            })
            .map(|(name, _)| name)
            .collect()
    }

    fn holds_a_key(&self, name: &str, value: &str) -> bool {
        let source = |secret: &Secret| matches!(secret, Secret::Variable(variable) if variable == name);
        self.project.profiles.values().any(|profile| source(&profile.key))
            || GATEWAY.contains(&name)
            || self.key.is_some_and(|key| value.contains(key))
            || ["drk_staging_", "drk_production_", "drt_staging_", "drt_production_"]
                .iter()
                .any(|start| value.contains(start))
    }

    fn opens_the_manager(&self, name: &str) -> bool {
        let managed = self.project.profiles.values().any(|profile| matches!(profile.key, Secret::Command(_)));
        managed && !self.keeps(name) && (MANAGERS.contains(&name) || name.starts_with("OP_SESSION_"))
    }
}

fn is_credential(name: &str, value: &str) -> bool {
    if HARMLESS.contains(&name) {
        return false;
    }
    if HEADERS.contains(&name) {
        let value = value.to_ascii_lowercase();
        return ["authorization", "x-auth-", "cookie", "cf-access-"].iter().any(|header| value.contains(header));
    }
    FAMILIES.iter().any(|family| name.starts_with(family))
        || S3_FILES.contains(&name)
        || sounds_like_one(name)
        || leads_past(value)
}

/// `TF_VAR_cloudflare_api_token`, `PROD_R2_SECRET`, `WRANGLER_R2_SQL_AUTH_TOKEN`, `MY_CF_KEY`, `CLOUDFLARED_TOKEN`,
/// `CFTOKEN`: a name that speaks of a store's provider, or of a program that keeps its copies there, and of a secret.
fn sounds_like_one(name: &str) -> bool {
    let words: Vec<String> =
        name.split(|character: char| !character.is_ascii_alphanumeric()).map(str::to_ascii_uppercase).collect();
    const PROVIDERS: [&str; 11] =
        ["CF", "R2", "D1", "S3", "AWS", "WRANGLER", "WORKERS", "TUNNEL", "MINIO", "LITESTREAM", "CFTOKEN"];
    const SECRETS: [&str; 13] = [
        "TOKEN",
        "KEY",
        "KEYS",
        "APIKEY",
        "SECRET",
        "SECRETS",
        "PASSWORD",
        "CREDENTIAL",
        "CREDENTIALS",
        "AUTH",
        "EMAIL",
        "JWT",
        "CFTOKEN",
    ];
    let is_secret = |word: &str| {
        SECRETS.contains(&word) || word.contains("CLOUDFLARE") && SECRETS.iter().any(|secret| word.ends_with(secret))
    };
    words.iter().any(|word| PROVIDERS.contains(&word.as_str()) || word.contains("CLOUDFLARE"))
        && words.iter().any(|word| is_secret(word))
}

/// Whether a value is an address of R2 or of Cloudflare's API, whatever its name is: with the keys in it or next to it,
/// it leads past the gateway.
fn leads_past(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    ["cloudflarestorage.com", "api.cloudflare.com"].iter().any(|host| value.contains(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Profile};

    #[test]
    fn a_program_can_see_whether_it_is_in_a_dry_run() {
        let run = |dry| Run { url: "u", environment: "staging", account: "a", id: "r", token: "t", dry };
        let variable = |dry| given(&run(dry), Path::new("/tmp")).get("DRY_RUN").cloned();
        assert_eq!([variable(true).as_deref(), variable(false).as_deref()], [Some("1"), Some("0")]);
    }

    fn hidden(project: &Project, keep: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
        let keep: Vec<String> = keep.iter().map(|name| (*name).to_owned()).collect();
        let hiding = Hiding { key: Some("s3cret"), project, keep: &keep };
        hiding
            .names(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
            .into_iter()
            .collect()
    }

    fn project(key: Secret) -> Project {
        Project {
            profiles: BTreeMap::from([(Environment::Staging, Profile { url: "http://127.0.0.1".into(), key })]),
            ..Project::default()
        }
    }

    #[test]
    fn every_way_to_cloudflare_past_the_gateway_is_hidden() {
        for name in [
            "CLOUDFLARE_API_KEY",
            "CLOUDFLARE_EMAIL",
            "CLOUDFLARE_API_TOKEN",
            "CLOUDFLARE_API_USER_SERVICE_KEY",
            "CLOUDFLARE_ACCESS_CLIENT_ID",
            "CLOUDFLARE_ACCESS_CLIENT_SECRET",
            "CLOUDFLARE_ACCOUNT_ID",
            "CLOUDFLARE_WHATEVER_COMES_NEXT",
            "CF_API_TOKEN",
            "CF_API_KEY",
            "CF_EMAIL",
            "CF_ACCOUNT_ID",
            "CF_API_BASE_URL",
            "CF_PAGES_UPLOAD_JWT",
            "WRANGLER_CF_AUTHORIZATION_TOKEN",
            "WRANGLER_R2_SQL_AUTH_TOKEN",
            "R2_ACCESS_KEY_ID",
            "R2_SECRET_ACCESS_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_PROFILE",
            "AWS_ENDPOINT_URL_S3",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_SHARED_CREDENTIALS_FILE",
            "RCLONE_CONFIG",
            "RCLONE_CONFIG_PASS",
            "RCLONE_CONFIG_R2_SECRET_ACCESS_KEY",
            "RCLONE_S3_ACCESS_KEY_ID",
            "MC_HOST_r2",
            "TF_VAR_cloudflare_api_token",
            "PROD_R2_SECRET",
            "CLOUDFLARED_TOKEN",
            "CLOUDFLAREAPITOKEN",
            "CFTOKEN",
            "TUNNEL_TOKEN",
            "LITESTREAM_SECRET_ACCESS_KEY",
            "MINIO_SECRET_KEY",
            "TOKEN_SECRET",
        ] {
            assert_eq!(hidden(&Project::default(), &[], &[(name, "x")]), [name]);
        }
    }

    #[test]
    fn what_leads_past_the_gateway_is_hidden_whatever_its_name_is() {
        for value in [
            "https://key:secret@x.r2.cloudflarestorage.com/b",
            "s3://b?endpoint=X.R2.CloudflareStorage.com",
            "https://api.cloudflare.com/client/v4",
        ] {
            assert_eq!(hidden(&Project::default(), &[], &[("ANY_URL", value)]), ["ANY_URL"], "{value}");
            assert_eq!(hidden(&Project::default(), &["ANY_URL"], &[("ANY_URL", value)]), [""; 0], "{value}");
        }
        assert_eq!(hidden(&Project::default(), &[], &[("ANY_URL", "https://developers.cloudflare.com/d1")]), [""; 0]);
    }

    #[test]
    fn what_is_not_a_credential_stays() {
        for name in [
            "PATH",
            "HOME",
            "CI",
            "CLOUDFLARE_ENV",
            "CF_PAGES",
            "AWS_REGION",
            "WRANGLER_LOG",
            "WRANGLER_SEND_METRICS",
            "GITHUB_TOKEN",
            "ANTHROPIC_API_KEY",
            "VAULT_TOKEN",
            "RCLONE_PROGRESS",
            "KEYSTONE",
            "MINIO_ENDPOINT",
            "TUNNEL_NAME",
            "CLOUDFLARED",
        ] {
            assert_eq!(hidden(&Project::default(), &[], &[(name, "x")]), [""; 0], "{name}");
        }
    }

    #[test]
    fn a_key_of_the_gateway_is_hidden_by_its_value_and_by_its_name_and_nobody_can_keep_it() {
        let of_variable = project(Secret::Variable("MY_KEY".into()));
        for variable in [
            ("MY_KEY", ""),
            ("ANY", "drk_staging_x"),
            ("ANY", "Bearer drk_production_x"),
            ("ANY", "drt_staging_x.y"),
            ("ANY", "a s3cret b"),
        ] {
            assert_eq!(hidden(&of_variable, &["*"], &[variable]), [variable.0]);
        }
    }

    #[test]
    fn a_variable_stays_when_somebody_says_so() {
        let variables = [("AWS_PROFILE", "bedrock"), ("AWS_ACCESS_KEY_ID", "x"), ("CF_API_TOKEN", "y")];
        assert_eq!(hidden(&Project::default(), &["AWS_*"], &variables), ["CF_API_TOKEN"]);
        assert_eq!(hidden(&Project::default(), &["AWS_PROFILE"], &variables), ["AWS_ACCESS_KEY_ID", "CF_API_TOKEN"]);
    }

    #[test]
    fn what_opens_the_secrets_manager_is_hidden_when_the_key_comes_from_one() {
        let variables = [("OP_SERVICE_ACCOUNT_TOKEN", "x"), ("OP_SESSION_abc", "y"), ("VAULT_TOKEN", "z")];
        assert_eq!(hidden(&project(Secret::Variable("K".into())), &[], &variables), [""; 0]);
        assert_eq!(
            hidden(&project(Secret::Command(vec!["op".into()])), &["VAULT_TOKEN"], &variables),
            ["OP_SERVICE_ACCOUNT_TOKEN", "OP_SESSION_abc"]
        );
    }

    #[test]
    fn headers_stay_unless_they_are_credentials() {
        assert_eq!(hidden(&Project::default(), &[], &[("CLOUDFLARE_CUSTOM_HEADERS", "Dry-Run: true")]), [""; 0]);
        assert_eq!(
            hidden(&Project::default(), &[], &[("CLOUDFLARE_CUSTOM_HEADERS", "authorization: Bearer x")]),
            ["CLOUDFLARE_CUSTOM_HEADERS"]
        );
        assert_eq!(
            hidden(&Project::default(), &[], &[("CLOUDFLARE_API_HEADERS", r#"{"X-Auth-Key":"x"}"#)]),
            ["CLOUDFLARE_API_HEADERS"]
        );
    }
}
