//! A database written down as SQL, and the file that holds it.

use serde::Deserialize;
use serde_json::json;

use super::ledger::Plan;
use super::overlay::{Body, Overlay, Writer};
use super::run_world::RunWorld;
use super::wire::Content;
use super::{d1, js};
use crate::app::export::{Sink, Source, write_down};
use crate::app::message::{Answer, Direction};
use crate::app::ports::Done;
use crate::domain::dump::{Rows, Wanted};
use crate::domain::operation::{BoundStatement, RowShape, SqlCall};
use crate::domain::refusal::{Code, Problem};
use dryrun_sql::statement::Statement;

#[derive(Deserialize)]
struct Answered {
    results: Arrays,
}

#[derive(Deserialize)]
struct Arrays {
    rows: Rows,
}

/// The database of a run.
struct View<'a> {
    world: &'a RunWorld,
    dry: bool,
    store: &'a str,
    plan: Vec<Plan>,
}

impl RunWorld {
    /// Writes a database down and keeps the file for whoever gets its address. The caller has the turn.
    pub async fn export(&self, dry: bool, store: &str, wanted: &Wanted<'_>) -> Result<Done<Content, Plan>, Problem> {
        let overlay = Overlay::new(&self.database, self.settings.overlay_max_bytes);
        self.drop_file(store, Direction::Out)?;
        let mut file = overlay.begin_body()?;
        let mut view = View { world: self, dry, store, plan: Vec::new() };
        if let Err(problem) = write_down(&mut view, wanted, &mut file).await {
            file.discard()?;
            return Err(problem);
        }
        let size = file.size();
        let Body::Stored(body) = file.finish()? else { return Err(Problem::broken("an export was not stored")) };
        let id = format!("{:032x}", js::entropy());
        self.keep_file(&id, store, Direction::Out, body)?;
        let answer = Answer::json(json!({ "file": id }).to_string());
        Ok(Done { answer, plan: view.plan, ..Done::read(json!({ "bytes": size })) })
    }
}

impl Source for View<'_> {
    async fn rows(&mut self, sql: &str) -> Result<Rows, Problem> {
        let statements = vec![BoundStatement { statement: Statement::of_the_gateway(sql), params: Vec::new() }];
        let call = SqlCall { statements, shape: RowShape::Arrays };
        let result = match self.world.read_base(self.dry, self.store, &call).await? {
            Some(Done { answer: Answer::Result { result, .. }, .. }) => result,
            Some(_) => return Err(Problem::broken("an export has another result")),
            None => {
                let (answer, record) = self.world.ask_shadow(self.store, &call).await?;
                self.plan = vec![Plan::Shadow(self.store.to_owned(), record)];
                if let Some(missing) = answer.missing.first() {
                    return Err(Problem::new(
                        Code::NotRehearsable,
                        format!(
                            "{missing} of the database is not part of the rehearsal, so an export would leave it out; \
                             nothing was exported."
                        ),
                        "Export from a run that has not written to this database.",
                    ));
                }
                answer.results
            }
        };
        let mut answers: Vec<Answered> =
            serde_json::from_str(&result).map_err(|error| d1::unread(self.store).caused_by(error))?;
        Ok(answers.pop().map(|answer| answer.results.rows).unwrap_or_default())
    }
}

impl Sink for Writer<'_> {
    fn put(&mut self, text: &str) -> Result<(), Problem> {
        self.write(text.as_bytes())?;
        if self.has_all() {
            return Ok(());
        }
        Err(Problem::new(
            Code::BodyTooLarge,
            "The export is larger than what the run may still keep (OVERLAY_MAX_BYTES); nothing was exported.",
            "Export fewer tables at a time, or have an operator raise OVERLAY_MAX_BYTES.",
        ))
    }
}
