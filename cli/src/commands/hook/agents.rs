//! Agents on the command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use dryrun_hook::call::Agent;

/// Parses the name of an agent.
pub(super) fn parser() -> impl TypedValueParser<Value = Agent> {
    let names = Agent::ALL.map(|agent| PossibleValue::new(agent.as_str()).help(agent.title()));
    PossibleValuesParser::new(names).try_map(|name| Agent::named(&name).ok_or("not the name of an agent"))
}
