//! The engine, with what every user of it needs: transactions with results, and rules that are relaxed and enforced.

use std::cell::RefCell;
use std::rc::Rc;

use super::failure::Failure;
use super::port::{Answered, Ending, Engine, Param, Rows, SqlError};

/// The database of a shadow.
///
/// An error that says nothing of the statement is remembered until [`Self::take_fault`], and no transaction is kept
/// meanwhile: much is concluded from statements that fail, and nothing may be concluded from a disk that does.
pub struct Database {
    engine: Rc<dyn Engine>,
    fault: Rc<RefCell<Option<String>>>,
}

impl Database {
    /// The database that this engine has.
    pub fn new(engine: Rc<dyn Engine>) -> Self {
        Self { engine, fault: Rc::default() }
    }

    fn noticed<T>(&self, result: Result<T, SqlError>) -> Result<T, SqlError> {
        if let Err(error) = &result
            && error.is_fault()
        {
            self.fault.borrow_mut().get_or_insert_with(|| error.0.clone());
        }
        result
    }

    /// The first fault since this was asked last.
    pub fn take_fault(&self) -> Option<String> {
        self.fault.borrow_mut().take()
    }

    fn finished<T, E>(&self, ended: Result<(), SqlError>, outcome: Option<Result<T, E>>) -> Result<T, E>
    where
        E: From<SqlError>,
    {
        let ended = self.noticed(ended);
        if let Some(fault) = self.fault.borrow().clone() {
            return Err(SqlError(fault).into());
        }
        match (ended, outcome) {
            (Ok(()), Some(result)) => result,
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => Err(SqlError("a transaction did not run".into()).into()),
        }
    }

    /// See [`Engine::run`].
    pub fn run(&self, statement: &str, params: &[Param<'_>]) -> Result<Rows, SqlError> {
        self.noticed(self.engine.run(statement, params))
    }

    /// See [`Engine::execute`].
    pub fn execute(&self, statement: &str, params: &[Param<'_>]) -> Result<(), SqlError> {
        self.noticed(self.engine.execute(statement, params))
    }

    /// See [`Engine::answer`].
    pub fn answer(&self, statement: &str, params: &[Param<'_>]) -> Result<Answered, SqlError> {
        self.noticed(self.engine.answer(statement, params))
    }

    /// See [`Engine::kept`].
    pub fn kept(&self, key: &str) -> Result<Option<String>, SqlError> {
        self.noticed(self.engine.kept(key))
    }

    /// See [`Engine::keep`].
    pub fn keep(&self, key: &str, text: &str) -> Result<(), SqlError> {
        self.noticed(self.engine.keep(key, text))
    }

    /// See [`Engine::size`].
    pub fn size(&self) -> u64 {
        self.engine.size()
    }

    /// See [`Engine::entropy`].
    pub fn entropy(&self) -> u128 {
        self.engine.entropy()
    }

    /// Runs `body` in one transaction: an error undoes all of it.
    pub fn transaction<T, E>(&self, body: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        E: From<SqlError>,
    {
        let mut body = Some(body);
        let mut outcome = None;
        let ended = self.engine.transaction(&mut || {
            let Some(body) = body.take() else { return Ending::Undo };
            ending(outcome.insert(body()), &self.fault)
        });
        self.finished(ended, outcome)
    }

    /// The same with a body that may wait for others.
    pub async fn open_transaction<T, E>(&self, body: impl Future<Output = Result<T, E>> + 'static) -> Result<T, E>
    where
        T: 'static,
        E: From<SqlError> + 'static,
    {
        let outcome: Rc<RefCell<Option<Result<T, E>>>> = Rc::default();
        let (slot, fault) = (outcome.clone(), self.fault.clone());
        let body = Box::pin(async move {
            let result = body.await;
            ending(slot.borrow_mut().insert(result), &fault)
        });
        let ended = self.engine.open_transaction(body).await;
        let outcome = outcome.borrow_mut().take();
        self.finished(ended, outcome)
    }

    /// Whether foreign keys and CHECKs are enforced.
    fn enforces(&self) -> Result<(bool, bool), SqlError> {
        let is_on = |pragma: &str| -> Result<bool, SqlError> {
            Ok(self.run(pragma, &[])?.first().is_some_and(|row| row.count(0) == 1))
        };
        Ok((is_on("PRAGMA foreign_keys")?, !is_on("PRAGMA ignore_check_constraints")?))
    }

    /// Lets rows in that foreign keys and CHECKs would not take, until [`Self::enforce_rules`]. Answers whether foreign
    /// keys are off: inside a transaction SQLite leaves them as they are, so what was written in this event is
    /// committed first.
    pub async fn relax_rules(&self) -> Result<bool, SqlError> {
        self.execute("PRAGMA ignore_check_constraints = on", &[])?;
        self.set_foreign_keys(false).await
    }

    /// Sees to it that foreign keys and CHECKs are enforced for whatever runs next. The connection forgets neither by
    /// undoing, nor when a request is broken off.
    pub async fn enforce_rules(&self) -> Result<(), Failure> {
        // Setting one of them makes SQLite prepare every statement anew, so they are only set where they are not.
        let (foreign_keys, checks) = self.enforces()?;
        if !checks {
            self.execute("PRAGMA ignore_check_constraints = off", &[])?;
        }
        if foreign_keys || self.set_foreign_keys(true).await? {
            Ok(())
        } else {
            Err(Failure::broken("foreign keys stay off"))
        }
    }

    async fn set_foreign_keys(&self, wanted: bool) -> Result<bool, SqlError> {
        for _ in 0..MOST_TURNS {
            self.execute(if wanted { "PRAGMA foreign_keys = on" } else { "PRAGMA foreign_keys = off" }, &[])?;
            if self.enforces()?.0 == wanted {
                return Ok(true);
            }
            self.engine.committed().await;
        }
        Ok(false)
    }
}

/// How often a commit is waited for. Once is enough.
const MOST_TURNS: usize = 100;

fn ending<T, E>(result: &Result<T, E>, fault: &RefCell<Option<String>>) -> Ending {
    if result.is_ok() && fault.borrow().is_none() { Ending::Keep } else { Ending::Undo }
}
