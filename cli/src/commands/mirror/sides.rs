//! The two gateways and their databases.

use serde_json::Value;

use super::wire::{Source, Stop, Target};
use crate::api::Gateway;
use crate::failure::{Exit, Failure, Outcome};
use crate::here::gateway;
use crate::say::Say;
use crate::settings::{Environment, Project};

/// A database behind a gateway.
struct Side {
    gateway: Gateway,
    account: String,
    binding: String,
    name: String,
    id: String,
    policy: String,
}

/// Both.
pub struct Sides {
    source: Side,
    target: Side,
}

impl Sides {
    /// Asks both gateways what they have.
    pub fn find(from: Environment, to: Environment, database: Option<&str>, say: Say) -> Outcome<Self> {
        let project = Project::find()?;
        let (source, target) = (gateway(&project, from, say)?, gateway(&project, to, say)?);
        let same = |what: &str| {
            Err(Failure::new(
                Exit::Refused,
                "same_side",
                format!("{what}, so a mirror would write over what it reads. Nothing was written."),
                "Correct the urls in dryrun.toml, or the stores of one gateway.",
            ))
        };
        if source.url.eq_ignore_ascii_case(&target.url) {
            return same("Both sides are the same gateway");
        }
        let source = Side::find(source, database)?;
        // The same binding on the other side, whatever its database is called there.
        let target = Side::find(target, Some(&source.binding))?;
        if !source.id.is_empty() && source.id == target.id {
            return same("Both gateways have the same database");
        }
        if target.policy != "live" {
            return Err(Failure::new(
                Exit::Refused,
                "not_writable",
                format!("The policy of {} in {to} is {}, so nothing can be written there. Nothing was.", target.binding, target.policy),
                "Set the policy of that store to live in wrangler.toml, for the time of the mirror.",
            ));
        }
        Ok(Self { source, target })
    }

    /// Opens a dry run where rows are read.
    pub fn open_source(&self, stop: &Stop) -> Outcome<Source> {
        Source::open(&self.source.gateway, &self.source.account, &self.source.binding, self.target.gateway.environment.as_str(), stop.clone())
    }

    /// Opens a run where they are written.
    pub fn open_target(&self, live: bool, stop: &Stop) -> Outcome<Target> {
        Target::open(&self.target.gateway, &self.target.account, &self.target.binding, live, self.source.gateway.environment.as_str(), stop.clone())
    }

    /// What is read, for people and for the state.
    pub fn source_name(&self) -> String {
        self.source.describe()
    }

    /// What is written.
    pub fn target_name(&self) -> String {
        self.target.describe()
    }
}

impl Side {
    fn find(gateway: Gateway, database: Option<&str>) -> Outcome<Self> {
        let about = gateway.get("/v1/environment")?.body;
        let part = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let stores: Vec<&Value> = about.get("stores").and_then(Value::as_array).into_iter().flatten().filter(|store| part(store, "kind") == "d1").collect();
        let names = || stores.iter().map(|store| part(store, "binding")).collect::<Vec<_>>().join(", ");
        let is = |store: &Value, wanted: &str| ["binding", "name", "id"].iter().any(|name| part(store, name) == wanted);
        let found = match (database, stores.as_slice()) {
            (Some(wanted), _) => stores.iter().find(|store| is(store, wanted)).copied(),
            (None, [one]) => Some(*one),
            (None, _) => None,
        };
        let Some(store) = found else {
            let what = database.map_or_else(
                || format!("The {} gateway has several databases", gateway.environment),
                |wanted| format!("The {} gateway has no database {wanted}", gateway.environment),
            );
            return Err(Failure::new(Exit::Usage, "which_database", format!("{what}. Nothing was read or written."), format!("Name one with --database: {}.", names())));
        };
        let (account, binding, name, id, policy) = (part(&about, "account"), part(store, "binding"), part(store, "name"), part(store, "id"), part(store, "policy"));
        Ok(Self { gateway, account, binding, name, id, policy })
    }

    fn describe(&self) -> String {
        format!("{} {} at {}", self.gateway.environment, self.name, self.gateway.url)
    }
}
