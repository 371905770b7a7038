//! What an installation is told about itself.

use dryrun_text::cut_with_count;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

use super::refusal::{Code, Problem};
use super::strict::json::{self, Shape};

/// Where a gateway stands. Nothing is shared between two environments but the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// The default: agents may open live runs here.
    Staging,
    /// Live only with an approver's grant.
    Production,
}

impl Environment {
    /// Reads the name of an environment.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "staging" => Some(Self::Staging),
            "production" => Some(Self::Production),
            _ => None,
        }
    }

    /// The spelling in credentials, headers and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl std::fmt::Display for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What agents may do to a store, whatever the mode of their run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// What the run's mode says.
    #[default]
    Live,
    /// A write turns its run dry.
    DryRun,
    /// Neither reads nor writes.
    Denied,
}

pub use super::stores::Kind as StoreKind;

/// One target store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Its kind.
    pub kind: StoreKind,
    /// Its name in Cloudflare, which callers may use instead of the binding.
    pub name: String,
    /// Its id in Cloudflare, likewise.
    #[serde(default)]
    pub id: Option<String>,
    /// What agents may do to it.
    #[serde(default)]
    pub policy: Policy,
}

/// A target store, found by whatever name the caller used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    /// The binding: the name used in the journal.
    pub binding: String,
    /// What is known of it.
    pub settings: StoreSettings,
}

/// Longest name of a store that does not exist; a journal keeps it.
const MAX_UNKNOWN_CHARS: usize = 64;

impl Store {
    /// What a request named that is no store here. Nothing is done with it but to journal the refusal.
    pub fn unknown(kind: StoreKind, named: &str) -> Self {
        let binding = if named.is_empty() { "(not named)".into() } else { cut_with_count(named, MAX_UNKNOWN_CHARS) };
        let settings = StoreSettings { kind, name: binding.clone(), id: None, policy: Policy::Denied };
        Self { binding, settings }
    }
}

/// The configuration of an installation, from its variables. See the table in the README.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `ENVIRONMENT`.
    pub environment: Environment,
    /// `ACCOUNT_ID`: the only account in whose name the data plane answers.
    pub account: String,
    /// `COMMIT`, optional: what was deployed.
    pub commit: Option<String>,
    /// `STORES`: binding → store.
    pub stores: BTreeMap<String, StoreSettings>,
    /// `FLAG_BUDGET_MS`: longest wait for the flag.
    pub flag_budget: Duration,
    /// `FLAG_TTL_SECONDS`: how long a published flag lives.
    pub flag_ttl_seconds: u64,
    /// `SHADOW_WHOLE_ROWS`: a table with at most so many rows is copied whole.
    pub shadow_whole_rows: u64,
    /// `SHADOW_MAX_ROWS`: rows that a run may copy.
    pub shadow_max_rows: u64,
    /// `SHADOW_MAX_BYTES`: bytes that a run may copy.
    pub shadow_max_bytes: u64,
    /// `OVERLAY_MAX_BYTES`: bytes of planned values and objects that a run keeps.
    pub overlay_max_bytes: u64,
    /// `R2_METADATA_MAX_BYTES`: custom metadata that a bucket takes for one object.
    pub r2_metadata_max_bytes: u64,
    /// `MAX_BODY_BYTES`: longest request body that is held in memory.
    pub max_body_bytes: u64,
}

/// Envoy's external authorisation waits 200 ms by default and a hot KV read takes a few
/// (<https://developers.cloudflare.com/kv/concepts/how-kv-works/>): 250 ms means trouble, and trouble means no write.
const DEFAULT_FLAG_BUDGET_MS: u64 = 250;
const DEFAULT_FLAG_TTL_SECONDS: u64 = 3_600;
/// KV refuses a shorter life (<https://developers.cloudflare.com/kv/api/write-key-value-pairs/>).
const MIN_FLAG_TTL_SECONDS: u64 = 60;
const DEFAULT_SHADOW_WHOLE_ROWS: u64 = 1_000;
const DEFAULT_SHADOW_MAX_ROWS: u64 = 50_000;
const DEFAULT_SHADOW_MAX_BYTES: u64 = 32 << 20;
const DEFAULT_OVERLAY_MAX_BYTES: u64 = 32 << 20;
/// What each R2 takes: in production it is four times that, in the local simulator it is not. A dry run must not
/// promise what the bucket refuses.
const DEFAULT_R2_METADATA_MAX_BYTES: u64 = 2_048;
/// KV's longest value is 25 MiB (<https://developers.cloudflare.com/kv/platform/limits/>); the rest is for a multipart
/// frame.
const DEFAULT_MAX_BODY_BYTES: u64 = (25 << 20) + (64 << 10);

impl Settings {
    /// Reads the variables by `lookup`. What is missing has a default only where a default is safe; the environment,
    /// the account and the stores have none.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        let required = |name: &str| lookup(name).filter(|text| !text.is_empty()).ok_or_else(|| misconfigured(name));
        let number = |name: &str, default: u64, least: u64| match lookup(name) {
            None => Ok(default),
            Some(text) => {
                text.trim().parse::<u64>().ok().filter(|value| *value >= least).ok_or_else(|| misconfigured(name))
            }
        };
        let stores = required("STORES")?;
        // Of a policy that comes twice the last one would count.
        json::check(stores.as_bytes(), &Shape::Data).map_err(|error| misconfigured("STORES").caused_by(error))?;
        let stores: BTreeMap<String, StoreSettings> =
            serde_json::from_str(&stores).map_err(|error| misconfigured("STORES").caused_by(error))?;
        if stores.keys().any(|binding| matches!(binding.as_str(), "CONTROL" | "FLAGS" | "RUN" | "SHADOW")) {
            return Err(misconfigured("STORES"));
        }
        Ok(Self {
            environment: Environment::parse(&required("ENVIRONMENT")?).ok_or_else(|| misconfigured("ENVIRONMENT"))?,
            account: required("ACCOUNT_ID")?,
            commit: lookup("COMMIT").filter(|text| !text.is_empty()),
            stores,
            flag_budget: Duration::from_millis(number("FLAG_BUDGET_MS", DEFAULT_FLAG_BUDGET_MS, 1)?),
            flag_ttl_seconds: number("FLAG_TTL_SECONDS", DEFAULT_FLAG_TTL_SECONDS, MIN_FLAG_TTL_SECONDS)?,
            shadow_whole_rows: number("SHADOW_WHOLE_ROWS", DEFAULT_SHADOW_WHOLE_ROWS, 0)?,
            shadow_max_rows: number("SHADOW_MAX_ROWS", DEFAULT_SHADOW_MAX_ROWS, 0)?,
            shadow_max_bytes: number("SHADOW_MAX_BYTES", DEFAULT_SHADOW_MAX_BYTES, 0)?,
            overlay_max_bytes: number("OVERLAY_MAX_BYTES", DEFAULT_OVERLAY_MAX_BYTES, 0)?,
            r2_metadata_max_bytes: number("R2_METADATA_MAX_BYTES", DEFAULT_R2_METADATA_MAX_BYTES, 0)?,
            max_body_bytes: number("MAX_BODY_BYTES", DEFAULT_MAX_BODY_BYTES, 1)?,
        })
    }

    /// Finds a store of this kind by binding, name or id.
    pub fn store(&self, kind: StoreKind, text: &str) -> Result<Store, Problem> {
        let of_kind = || self.stores.iter().filter(|(_, settings)| settings.kind == kind);
        of_kind()
            .find(|(binding, _)| *binding == text)
            // After all bindings: the name of one store may be the binding of another.
            .or_else(|| of_kind().find(|(_, settings)| settings.name == text || settings.id.as_deref() == Some(text)))
            .map(|(binding, settings)| Store { binding: binding.clone(), settings: settings.clone() })
            .ok_or_else(|| {
                let known: Vec<&str> = of_kind().map(|(binding, _)| binding.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Problem::new(
                    Code::UnknownStore,
                    format!(
                        "There is no {} store of that name behind this gateway; nothing was read or written.",
                        kind.as_str()
                    ),
                    format!("Use one of: {known} (binding, configured name or id)."),
                )
            })
    }
}

fn misconfigured(name: &str) -> Problem {
    Problem::new(
        Code::Misconfigured,
        format!("The gateway's variable {name} is missing or not valid, so it refuses everything."),
        "An operator must set it (see the configuration table in the README) and deploy again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORES: &str =
        r#"{"DB":{"kind":"d1","name":"desk","id":"u-1"},"CACHE":{"kind":"kv","name":"cache","policy":"denied"}}"#;

    fn with(name: &'static str, value: Option<&'static str>) -> Result<Settings, Problem> {
        Settings::parse(move |asked| {
            if asked == name {
                return value.map(str::to_owned);
            }
            match asked {
                "ENVIRONMENT" => Some("staging".into()),
                "ACCOUNT_ID" => Some("local".into()),
                "STORES" => Some(STORES.into()),
                _ => None,
            }
        })
    }

    #[test]
    fn defaults_are_the_documented_ones() {
        let settings = with("", None).unwrap();
        assert_eq!(settings.flag_budget, Duration::from_millis(250));
        assert_eq!(
            (settings.flag_ttl_seconds, settings.shadow_max_rows, settings.shadow_max_bytes),
            (3_600, 50_000, 33_554_432)
        );
    }

    #[test]
    fn a_missing_or_nonsensical_variable_refuses_everything_and_is_named() {
        for (name, value) in [
            ("ENVIRONMENT", None),
            ("ENVIRONMENT", Some("prod")),
            ("ACCOUNT_ID", Some("")),
            ("STORES", None),
            ("STORES", Some("[]")),
            ("STORES", Some(r#"{"FLAGS":{"kind":"kv","name":"f"}}"#)),
            ("STORES", Some(r#"{"DB":{"kind":"d1","name":"f","polcy":"denied"}}"#)),
            ("STORES", Some(r#"{"DB":{"kind":"d1","name":"f","Policy":"denied"}}"#)),
            ("STORES", Some(r#"{"DB":{"kind":"d1","name":"f","policy":"Denied"}}"#)),
            ("STORES", Some(r#"{"DB":{"kind":"d1","name":"f","policy":"dry-run"}}"#)),
            ("STORES", Some(r#"{"DB":{"kind":"d1","name":"f","policy":null}}"#)),
            ("STORES", Some(r#"{"DB":{"kind":"d1","name":"f","policy":"denied","policy":"live"}}"#)),
            ("STORES", Some(r#"{"DB":{"kind":"d1","name":"f","policy":"denied"},"DB":{"kind":"d1","name":"f"}}"#)),
            ("FLAG_BUDGET_MS", Some("0")),
            ("FLAG_TTL_SECONDS", Some("59")),
            ("SHADOW_MAX_ROWS", Some("many")),
        ] {
            let problem = with(name, value).unwrap_err();
            assert_eq!(problem.code, Code::Misconfigured);
            assert!(problem.message.contains(name), "{}", problem.message);
        }
    }

    #[test]
    fn a_store_is_found_by_binding_name_or_id_of_its_kind_only() {
        let settings = with("", None).unwrap();
        for text in ["DB", "desk", "u-1"] {
            assert_eq!(settings.store(StoreKind::D1, text).unwrap().binding, "DB");
        }
        let crossed = r#"{"A":{"kind":"d1","name":"B"},"B":{"kind":"d1","name":"other"}}"#;
        assert_eq!(with("STORES", Some(crossed)).unwrap().store(StoreKind::D1, "B").unwrap().binding, "B");
        let problem = settings.store(StoreKind::R2, "DB").unwrap_err();
        assert_eq!(
            (problem.code, problem.remedy.as_str()),
            (Code::UnknownStore, "Use one of: none (binding, configured name or id).")
        );
    }
}
