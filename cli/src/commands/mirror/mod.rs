//! `dryrun mirror`: production's rows in staging, without what is personal in them.

mod affinity;
mod cell;
mod copy;
mod differences;
mod found;
mod inspect;
mod job;
mod never;
mod order;
mod pages;
mod personal;
mod plan;
mod prepare;
mod rule;
mod rules;
mod schema;
mod scrub;
mod sides;
mod signals;
mod state;
mod statements;
mod summary;
mod verify;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use found::Found;
use job::Job;
use never::never_to_production;
use plan::TablePlan;
use rules::Rules;
use schema::Schema;
use scrub::Scrubber;
use sides::Sides;
use signals::listen;
use state::{Phase, State};
use wire::{Reads, Source, Stop, Target};

use crate::failure::{Exit, Failure, Outcome};
use crate::run_here::RunHere;
use crate::say::Say;
use crate::settings::Environment;

/// Mirror production's database into staging, scrubbed of what is personal
#[derive(clap::Args)]
#[command(
    after_help = "The side that is read gets a dry run, and every answer is checked to be one of it: nothing can be written there. The side that is written gets a live run.

Examples:
  dryrun mirror --from production --to staging --suggest > scrub.toml
  dryrun mirror --from production --to staging --scrub scrub.toml --dry-run
  dryrun mirror --from production --to staging --scrub scrub.toml
  dryrun mirror --from production --to staging --scrub scrub.toml --resume

Rules of scrub.toml, by column: keep, null, hash, name, email, phone, keep_format, { fixed = VALUE }, { json = { \"/path\" = RULE } }. A column that looks personal and has no rule stops the mirror before anything is written."
)]
pub(crate) struct Mirror {
    /// The environment that is read
    #[arg(long, value_name = "ENVIRONMENT")]
    from: Environment,
    /// The environment whose rows are replaced; never production
    #[arg(long, value_name = "ENVIRONMENT")]
    to: Environment,
    /// The rules for personal data
    #[arg(long, value_name = "FILE")]
    scrub: Option<PathBuf>,
    /// The database, by binding, name or id; needed when there are several
    #[arg(long)]
    database: Option<String>,
    /// Only these tables
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    tables: Vec<String>,
    /// Drop and make again what the target has differently
    #[arg(long)]
    schema: bool,
    /// Go on with a mirror that was interrupted
    #[arg(long, conflicts_with = "restart")]
    resume: bool,
    /// Begin anew, though one was interrupted
    #[arg(long)]
    restart: bool,
    /// Show what would be done, and write nothing
    #[arg(long, conflicts_with_all = ["resume", "restart"])]
    dry_run: bool,
    /// Print a scrub.toml for what looks personal, and write nothing
    #[arg(long, conflicts_with_all = ["resume", "restart", "dry_run"])]
    suggest: bool,
    /// Where it is remembered how far the mirror is
    #[arg(long, value_name = "FILE", default_value = ".dryrun-mirror.json")]
    state: PathBuf,
}

impl Mirror {
    /// Mirrors.
    pub(crate) fn run(&self, say: Say) -> Outcome<()> {
        if self.to == Environment::Production {
            return Err(never_to_production());
        }
        if self.from == self.to {
            return Err(Failure::new(
                Exit::Usage,
                "same_environment",
                "Both sides are the same environment. Nothing was read or written.",
                "dryrun mirror --from production --to staging",
            ));
        }
        let looks = self.dry_run || self.suggest;
        if let Some(run) = RunHere::find()?.filter(|_| !looks) {
            return Err(Failure::new(
                Exit::Refused,
                "inside_run",
                format!(
                    "This is inside the run {}, and a mirror would write past it, in a live run of its own. Nothing \
                     was read or written.",
                    run.id
                ),
                "Mirror outside of dryrun exec. To look only: --dry-run",
            ));
        }
        let rules = Rules::read(self.scrub.as_deref())?;
        let sides = Sides::find(self.from, self.to, self.database.as_deref(), say)?;
        let what = self.what(&sides, &rules);
        // Held until the end, however it comes.
        let _alone = if looks { None } else { Some(state::alone(&self.state)?) };
        let state = if looks { None } else { self.state(what)? };
        let stop = listen()?;
        let source = sides.open_source(&stop)?;
        let live = state.is_some();
        let target = sides.open_target(live, &stop).inspect_err(|_| {
            let _ = source.close();
        })?;
        match state {
            None => {
                let outcome = self.look(&source, &target, &sides, &rules, say);
                let _ = (source.close(), target.close());
                outcome
            }
            Some(state) => self.mirror(source, target, &sides, &rules, state, stop, say),
        }
    }

    /// What has to be the same when a mirror goes on.
    fn what(&self, sides: &Sides, rules: &Rules) -> std::collections::BTreeMap<String, String> {
        let mut tables: Vec<String> = self.tables.iter().map(|name| name.to_ascii_lowercase()).collect();
        tables.sort();
        let pairs = [
            ("--from", sides.source_name()),
            ("--to", sides.target_name()),
            ("--tables", tables.join(",")),
            ("--schema", self.schema.to_string()),
            ("--scrub", rules.digest.clone()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The state to go on with, or a new one.
    fn state(&self, what: std::collections::BTreeMap<String, String>) -> Outcome<Option<State>> {
        let file = self.state.display();
        // What is begun anew need not be understood: the triggers that were set aside are the source's own, and come
        // back with its schema.
        let found = if self.restart { State::find(&self.state).ok().flatten() } else { State::find(&self.state)? };
        match (found, self.resume, self.restart) {
            (None, true, _) => Err(Failure::new(
                Exit::Usage,
                "nothing_to_resume",
                format!("There is no {file}, so there is no mirror to go on with. Nothing was written."),
                "Leave --resume out, or name the file with --state.",
            )),
            (None, false, _) => State::begin(&self.state, what).map(Some),
            (Some(_), false, false) => Err(Failure::new(
                Exit::Usage,
                "unfinished",
                format!("{file} tells of a mirror that was interrupted. Nothing was written now."),
                "Go on with it: --resume. Or begin anew: --restart",
            )),
            (Some(old), false, true) => {
                let mut state = State::begin(&self.state, what)?;
                // Triggers that the old one set aside are still to be made again.
                state.triggers_aside = old.triggers_aside;
                Ok(Some(state))
            }
            (Some(mut state), true, _) => {
                let other: Vec<&str> = what
                    .iter()
                    .filter(|(name, value)| state.what.get(*name) != Some(value))
                    .map(|(name, _)| name.as_str())
                    .collect();
                if !other.is_empty() {
                    return Err(Failure::new(
                        Exit::Usage,
                        "other_mirror",
                        format!(
                            "The mirror in {file} began with another {}. Nothing was written now.",
                            other.join(", ")
                        ),
                        "Give the same options and the same rules, or begin anew with --restart.",
                    ));
                }
                state.check_secret()?;
                state.attempt += 1;
                Ok(Some(state))
            }
        }
    }

    /// Reads both schemas and decides what is to be done. Refuses before anything is written.
    fn find(&self, source: &Source, target: &Target, rules: &Rules, resumed: Option<&State>) -> Outcome<Found> {
        let (source_schema, target_schema) = (Schema::read(source)?, Schema::read(target)?);
        rules.check(&source_schema)?;
        let tables = plan::choose(&source_schema, &self.tables)?;
        // Indexes of words over other tables have no rows to copy, but triggers need them to be there.
        let index = |name: &str| {
            self.tables.is_empty() && source_schema.virtual_tables.iter().any(|table| table.eq_ignore_ascii_case(name))
        };
        let chosen = |name: &str| index(name) || tables.iter().any(|table| table.name.eq_ignore_ascii_case(name));
        let changes = prepare::decide(&source_schema, &target_schema, &chosen, self.schema)?;
        let steps: Vec<Vec<TablePlan>> = plan::arrange(&tables)
            .into_iter()
            .map(|step| {
                let planned = step.into_iter().filter_map(|(place, late)| {
                    tables.get(place).map(|table| TablePlan { table: (*table).clone(), rules: rules.of(table), late })
                });
                planned.collect()
            })
            .collect();
        let known = resumed.filter(|state| !state.tables.is_empty());
        let names = || tables.iter().map(|table| &table.name);
        if known.is_some_and(|state| {
            state.tables.len() != tables.len() || !names().all(|name| state.tables.contains_key(name))
        }) {
            return Err(Failure::new(
                Exit::Found,
                "tables_changed",
                "The source has other tables than when this mirror began, so it would not be complete. Nothing was \
                 written now.",
                "Begin anew with --restart.",
            ));
        }
        let bounds = match known {
            Some(state) => state
                .tables
                .iter()
                .map(|(name, progress)| (name.clone(), (progress.expected, progress.bound.clone())))
                .collect(),
            None => tables.iter().map(|table| table.name.clone()).zip(pages::bounds(source, &tables)?).collect(),
        };
        Ok(Found { changes, steps, bounds, source: source_schema, target: target_schema })
    }

    /// All columns that look personal and have no rule.
    fn suspects(&self, source: &impl Reads, found: &Found, rules: &Rules) -> Outcome<Vec<inspect::Suspect>> {
        let mut suspects = Vec::new();
        for plan in found.steps.iter().flatten() {
            let bound = found.bounds.get(&plan.table.name).and_then(|(_, bound)| bound.as_deref());
            suspects.extend(inspect::suspects(source, plan, bound)?);
        }
        let tables: Vec<&schema::Table> = found.steps.iter().flatten().map(|plan| &plan.table).collect();
        inspect::follow_references(&tables, rules, &mut suspects);
        suspects.sort_by(|one, other| one.table.cmp(&other.table));
        Ok(suspects)
    }

    /// `--dry-run` and `--suggest`.
    fn look(&self, source: &Source, target: &Target, sides: &Sides, rules: &Rules, say: Say) -> Outcome<()> {
        let found = self.find(source, target, rules, None)?;
        let suspects = self.suspects(source, &found, rules)?;
        if self.suggest {
            summary::suggest(&suspects, rules, say);
            return Ok(());
        }
        summary::plan(&found, sides, &suspects, say);
        if suspects.is_empty() { Ok(()) } else { Err(inspect::refuse(&suspects, rules.file())) }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "everything that a mirror has, at the one place where it comes together"
    )]
    fn mirror(
        &self,
        source: Source,
        target: Target,
        sides: &Sides,
        rules: &Rules,
        mut state: State,
        stop: Stop,
        say: Say,
    ) -> Outcome<()> {
        let began = now();
        let prepared = self.find(&source, &target, rules, Some(&state)).and_then(|found| {
            let suspects = self.suspects(&source, &found, rules)?;
            if suspects.is_empty() { Ok(found) } else { Err(inspect::refuse(&suspects, rules.file())) }
        });
        let found = match prepared {
            Ok(found) => found,
            Err(failure) => {
                let _ = (source.close(), target.close());
                return Err(failure);
            }
        };
        for (name, (expected, bound)) in &found.bounds {
            let progress = state.tables.entry(name.clone()).or_default();
            (progress.expected, progress.bound) = (*expected, bound.clone());
        }
        let scrubber = Scrubber::new(state.secret()?.as_bytes());
        let mut job = Job {
            source,
            target,
            steps: found.steps.clone(),
            state,
            scrubber,
            rules_file: rules.file().to_owned(),
            say,
            stop,
            writes: 0,
        };
        let outcome = self.carry_out(&mut job, &found);
        let outcome = match outcome {
            Ok(verified) => job.state.remove().map(|()| verified),
            Err(failure) => Err(self.tidy_up(&mut job, &found, failure)),
        };
        for closed in [job.source.close(), job.target.close()] {
            if let Err(failure) = closed {
                say.note(&format!(
                    "A run could not be closed; it ends by itself: {}",
                    dryrun_text::line(&failure.message)
                ));
            }
        }
        summary::done(&outcome?, &found, sides, &job, elapsed(began), say);
        Ok(())
    }

    fn carry_out(&self, job: &mut Job, found: &Found) -> Outcome<Vec<verify::Verified>> {
        job.state.save()?;
        if job.state.phase != Phase::Prepare && found.changes.made.iter().any(|object| object.kind == "table") {
            return Err(Failure::found(
                "Tables that were there are missing on the target.",
                "Somebody else dropped them; begin anew with --restart.",
            ));
        }
        job.set_triggers_aside(&found.target)?;
        if job.state.phase == Phase::Prepare {
            job.prepare(&found.target, &found.changes)?;
            job.state.phase = Phase::Copy;
            job.state.save()?;
        }
        job.copy()?;
        job.fill()?;
        job.state.phase = Phase::Finish;
        job.state.save()?;
        job.finish(&found.source, &found.changes)?;
        job.verify()
    }

    /// After a failure the triggers of the target come back, and the message says how to go on.
    fn tidy_up(&self, job: &mut Job, found: &Found, failure: Failure) -> Failure {
        job.go_on();
        if failure.exit == Exit::Unreachable {
            job.target.lose_patience();
        }
        let triggers = match job.restore_triggers(&found.source) {
            Ok(0) => String::new(),
            Ok(count) => format!(" {count} of its triggers, which were set aside, are there again."),
            Err(_) => format!(
                " Its triggers are set aside ({}) and could not be made again now; --resume or --restart does it.",
                job.state.triggers_aside.join(", ")
            ),
        };
        let how = format!(
            "The target has a part of the rows.{triggers} Go on with the same command and --resume, or begin anew with \
             --restart."
        );
        let again = failure.remedy.contains("--restart");
        let remedy = match (failure.remedy.is_empty(), again) {
            (true, _) => how,
            (false, true) => format!("{}{triggers}", failure.remedy),
            (false, false) => format!("{} {how}", failure.remedy),
        };
        Failure { remedy, ..failure }
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of a Worker is an argument; this is a program of its own")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn elapsed(began: std::time::Instant) -> Duration {
    now().duration_since(began)
}
