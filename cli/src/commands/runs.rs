//! What the gateway's control plane tells: runs, reports, alerts.

use std::fmt::Write as _;

use serde_json::Value;

use crate::api::Gateway;
use crate::failure::Outcome;
use crate::say::Say;
use crate::settings::{Environment, Project};

/// List runs
#[derive(clap::Args)]
pub struct Runs {
    /// How many at most, newest first
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

/// Show what a run did, or would do
#[derive(clap::Args)]
pub struct Report {
    /// The run
    run: String,
    /// Compare copied rows with the database as it is now
    #[arg(long)]
    moved: bool,
}

/// List what failed in the gateway
#[derive(clap::Args)]
pub struct Alerts {
    /// How many at most, newest first
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

fn gateway() -> Outcome<Gateway> {
    Gateway::current(&Project::find()?, Environment::current()?)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Runs {
    /// Lists them.
    pub fn run(&self, say: Say) -> Outcome<()> {
        let answer = gateway()?.get(&format!("/v1/runs?limit={}", self.limit))?;
        let runs = answer.body.get("runs").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut lines = String::new();
        for run in &runs {
            let _ = writeln!(lines, "{:32}  {:8}  {:8}  {}", text(run, "id"), text(run, "mode"), text(run, "phase"), text(run, "owner"));
        }
        say.result(&answer.body, if runs.is_empty() { "There are no runs yet. Open one: dryrun exec -- COMMAND" } else { &lines });
        Ok(())
    }
}

impl Report {
    /// Shows it.
    pub fn run(&self, say: Say) -> Outcome<()> {
        let format = if say.is_json() { "json" } else { "markdown" };
        let answer = gateway()?.get(&format!("/v1/runs/{}/report?format={format}&moved={}", self.run, self.moved))?;
        say.result(&answer.body, &answer.text);
        Ok(())
    }
}

impl Alerts {
    /// Lists them.
    pub fn run(&self, say: Say) -> Outcome<()> {
        let answer = gateway()?.get(&format!("/v1/alerts?limit={}", self.limit))?;
        let alerts = answer.body.get("alerts").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut lines = String::new();
        for alert in &alerts {
            let _ = writeln!(lines, "{}  {:14}  {:24}  {}", text(alert, "last_at"), text(alert, "kind"), text(alert, "cause"), text(alert, "message"));
        }
        say.result(&answer.body, if alerts.is_empty() { "There are no alerts." } else { &lines });
        Ok(())
    }
}
