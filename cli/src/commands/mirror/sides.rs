//! The two gateways and their databases.

use super::wire::{Source, Stop, Target};
use crate::api::Gateway;
use crate::dry::{Database, Site};
use crate::failure::{Exit, Failure, Outcome};
use crate::here::gateway;
use crate::say::Say;
use crate::settings::{Environment, Project};

/// A database behind a gateway.
struct Side {
    gateway: Gateway,
    account: String,
    database: Database,
}

/// Both.
pub(super) struct Sides {
    source: Side,
    target: Side,
}

impl Sides {
    /// Asks both gateways what they have.
    pub(super) fn find(from: Environment, to: Environment, database: Option<&str>, say: Say) -> Outcome<Self> {
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
        let target = Side::find(target, Some(&source.database.binding))?;
        if !source.database.id.is_empty() && source.database.id == target.database.id {
            return same("Both gateways have the same database");
        }
        let Database { binding, policy, .. } = &target.database;
        if policy != "live" {
            return Err(Failure::new(
                Exit::Refused,
                "not_writable",
                format!("The policy of {binding} in {to} is {policy}, so nothing can be written there. Nothing was."),
                "Set the policy of that store to live in wrangler.toml, for the time of the mirror.",
            ));
        }
        Ok(Self { source, target })
    }

    /// Opens a dry run where rows are read.
    pub(super) fn open_source(&self, stop: &Stop) -> Outcome<Source> {
        Source::open(
            &self.source.gateway,
            &self.source.account,
            &self.source.database.binding,
            self.target.gateway.environment.as_str(),
            stop.clone(),
        )
    }

    /// Opens a run where they are written.
    pub(super) fn open_target(&self, live: bool, stop: &Stop) -> Outcome<Target> {
        Target::open(
            &self.target.gateway,
            &self.target.account,
            &self.target.database.binding,
            live,
            self.source.gateway.environment.as_str(),
            stop.clone(),
        )
    }

    /// What is read, for people and for the state.
    pub(super) fn source_name(&self) -> String {
        self.source.describe()
    }

    /// What is written.
    pub(super) fn target_name(&self) -> String {
        self.target.describe()
    }
}

impl Side {
    fn find(gateway: Gateway, named: Option<&str>) -> Outcome<Self> {
        let site = Site::find(gateway)?;
        let database = site.pick(named)?.clone();
        Ok(Self { gateway: site.gateway, account: site.account, database })
    }

    fn describe(&self) -> String {
        format!("{} {} at {}", self.gateway.environment, self.database.name, self.gateway.url)
    }
}
