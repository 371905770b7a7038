//! Reads variables as the Worker does, so that what `scripts/check_config` says of a configuration is what the Worker
//! will say.
//!
//! Takes a JSON list on standard input, one object of variables for each environment, and answers a list of
//! `{"problem", "known"}`: what the Worker refuses, or null, and the names that it looks for when it refuses nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::ExitCode;

use dryrun_gateway::domain::settings::Settings;
use serde_json::{Map, Value, json};

fn main() -> ExitCode {
    match judge_all() {
        Ok(answers) => {
            println!("{answers}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn judge_all() -> Result<Value, Box<dyn std::error::Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let environments: Vec<Map<String, Value>> = serde_json::from_str(&text)?;
    Ok(environments.iter().map(judge).collect())
}

fn judge(variables: &Map<String, Value>) -> Value {
    let known = RefCell::new(BTreeSet::new());
    let parsed = Settings::parse(|name| {
        known.borrow_mut().insert(name.to_owned());
        variables.get(name).map(as_text)
    });
    match parsed {
        Ok(_) => json!({"problem": null, "known": known.into_inner()}),
        Err(problem) => json!({"problem": problem.message, "known": null}),
    }
}

/// A variable that is configured as something else than text reaches the Worker as JSON.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
