//! What the gateway's control plane tells of runs and alerts, and the two things that can be done to a run from
//! outside: turn it dry, close it.

use std::fmt::Write as _;

use dryrun_text::line;
use serde_json::{Value, json};

use super::operation;
use crate::failure::{Exit, Failure, Outcome};
use crate::here::Here;
use crate::say::Say;
use crate::text::{list, mode, number, shown, table, text, time};

/// List runs, newest first
///
/// An agent's key sees its own runs, an approver's and an operator's everybody's. Inside dryrun exec: the current run
/// and those right below it.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dryrun runs
  dryrun runs --limit 5 --json | jq -r '.runs[].id'")]
pub(crate) struct Runs {
    /// How many at most
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    limit: u32,
}

/// Show what a run did, or would do
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dryrun report run_01J…             for people, as Markdown
  dryrun report run_01J… --moved     and which rows it copied are different by now
  dryrun report run_01J… --json      everything, for programs")]
pub(crate) struct Report {
    /// The run; inside dryrun exec, the current one when left out
    run: Option<String>,
    /// Compare copied rows with the database as it is now
    #[arg(long)]
    moved: bool,
}

/// Show one step of a run with everything that it changed
#[derive(clap::Args)]
#[command(
    override_usage = "dryrun operation [OPTIONS] [RUN] <POSITION>",
    after_help = "Examples:
  dryrun operation run_01J… 3
  dryrun operation 3                 inside dryrun exec: of the current run"
)]
pub(crate) struct Operation {
    /// The run and the step's position in its report; inside dryrun exec, the position is enough
    #[arg(required = true, num_args = 1..=2, value_names = ["RUN", "POSITION"])]
    which: Vec<String>,
}

/// Turn a run dry: from now on it writes nothing. There is no way back
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dryrun turn-dry run_01J…
  dryrun turn-dry                    inside dryrun exec: the current run")]
pub(crate) struct TurnDry {
    /// The run; inside dryrun exec, the current one when left out
    run: Option<String>,
}

/// Close a run: it reads and writes nothing any more, and its report stays
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dryrun close run_01J…
  dryrun close                       inside dryrun exec: the current run")]
pub(crate) struct Close {
    /// The run; inside dryrun exec, the current one when left out
    run: Option<String>,
}

/// List what failed in the gateway, newest first
///
/// For the keys of approvers and operators. A guard failure is the gateway's own; an agent failure is something that an
/// agent did wrong.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dryrun alerts
  dryrun alerts --json | jq '.alerts[] | select(.kind == \"guard_failure\")'")]
pub(crate) struct Alerts {
    /// How many at most
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    limit: u32,
}

impl Runs {
    /// Lists them.
    pub(crate) fn run(&self, say: Say) -> Outcome<()> {
        let here = Here::find(say)?;
        let answer = here.gateway.get(&format!("/v1/runs?limit={}", self.limit))?;
        let runs = list(&answer.body, "runs");
        let mut rows = vec![["RUN", "MODE", "STATE", "OPENED", "OWNER", ""].map(str::to_owned).to_vec()];
        rows.extend(runs.iter().map(row));
        say.result(
            &answer.body,
            &if runs.is_empty() {
                "There are no runs yet. Open one: dryrun exec -- COMMAND".to_owned()
            } else {
                table(&rows)
            },
        );
        Ok(())
    }
}

fn row(run: &Value) -> Vec<String> {
    let labels = run.get("labels").and_then(Value::as_object).into_iter().flatten();
    let mut more: Vec<String> = labels
        .map(|(name, value)| line(&format!("{name}={}", value.as_str().unwrap_or_default())).into_owned())
        .collect();
    if let Some(parent) = run.get("parent").and_then(Value::as_str) {
        more.insert(0, format!("below {}", line(parent)));
    }
    let mode = line(mode(text(run, "mode"))).into_owned();
    vec![
        shown(run, "id"),
        mode,
        shown(run, "phase"),
        time(number(run, "opened_at")),
        shown(run, "owner"),
        more.join(" "),
    ]
}

impl Report {
    /// Shows it.
    pub(crate) fn run(&self, say: Say) -> Outcome<()> {
        let here = Here::find(say)?;
        let format = if say.is_json() { "json" } else { "markdown" };
        let answer = here.gateway.get(&format!(
            "/v1/runs/{}/report?format={format}&moved={}",
            here.run_id(self.run.as_deref())?,
            self.moved
        ))?;
        say.result(&answer.body, &answer.text);
        Ok(())
    }
}

impl Operation {
    /// Shows it.
    pub(crate) fn run(&self, say: Say) -> Outcome<()> {
        let here = Here::find(say)?;
        let (run, position) = match self.which.as_slice() {
            [run, position] => (here.run_id(Some(run))?, position),
            [position] => (here.run_id(None)?, position),
            _ => return Err(not_a_position("")),
        };
        let position: u64 = position.parse().map_err(|_| not_a_position(position))?;
        let answer = here.gateway.get(&format!("/v1/runs/{run}/operations/{position}"))?;
        say.result(&answer.body, &operation::shown(&answer.body));
        Ok(())
    }
}

fn not_a_position(given: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        "usage",
        format!("{given:?} is no position of a step."),
        "dryrun operation RUN POSITION, with a number from the run's report.",
    )
}

impl TurnDry {
    /// Turns it.
    pub(crate) fn run(&self, say: Say) -> Outcome<()> {
        let here = Here::find(say)?;
        let id = here.run_id(self.run.as_deref())?;
        let run = here.gateway.post(&format!("/v1/runs/{id}/dry-run"), &json!({}))?.body;
        say.result(
            &run,
            &format!("The run {id} is a dry run, because {}. It writes nothing any more.", shown(&run, "mode_because")),
        );
        Ok(())
    }
}

impl Close {
    /// Ends it.
    pub(crate) fn run(&self, say: Say) -> Outcome<()> {
        let here = Here::find(say)?;
        let id = here.run_id(self.run.as_deref())?;
        let run = here.gateway.close_run(&id)?;
        say.result(&run, &format!("The run {id} is closed. Its report stays: dryrun report {id}"));
        Ok(())
    }
}

impl Alerts {
    /// Lists them.
    pub(crate) fn run(&self, say: Say) -> Outcome<()> {
        let here = Here::find(say)?;
        let answer = here.gateway.get(&format!("/v1/alerts?limit={}", self.limit))?;
        let alerts = list(&answer.body, "alerts");
        let mut lines = String::new();
        for alert in alerts {
            let run =
                alert.get("run").and_then(Value::as_str).map(|run| format!(", run {}", line(run))).unwrap_or_default();
            let _ = writeln!(
                lines,
                "{}  {} × {} ({}{run})",
                time(number(alert, "last_at")),
                number(alert, "count"),
                shown(alert, "cause"),
                shown(alert, "kind").replace('_', " ")
            );
            let _ = writeln!(lines, "  {}", shown(alert, "message"));
        }
        say.result(&answer.body, if alerts.is_empty() { "There are no alerts." } else { &lines });
        Ok(())
    }
}
