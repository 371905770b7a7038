//! A dry run that a command opens, works in and closes again, whatever comes of the work.

use serde_json::{Value, json};

use crate::api::{Answer, Gateway};
use crate::failure::{Exit, Failure, Outcome};
use crate::statements::identifier;

/// How long the run lives if nobody gets to close it, in seconds.
const LIFE: u64 = 3_600;
/// Most statements of one request for reading; the gateway takes 5,000.
const MOST_READS: usize = 200;

/// An open dry run and one of its databases.
#[derive(Debug, Clone)]
pub(crate) struct DryRun {
    /// Its id.
    pub id: String,
    gateway: Gateway,
    path: String,
}

/// A D1 database behind a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Database {
    /// Its binding, which is the same in every environment.
    pub binding: String,
    /// Its name, which is not.
    pub name: String,
    /// Its id, likewise; empty when the gateway does not know it.
    pub id: String,
    /// What agents may do to it: `live`, `dry_run` or `denied`.
    pub policy: String,
}

/// A gateway and the D1 databases behind it.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The gateway, with the credential that opens runs.
    pub gateway: Gateway,
    /// The account that clients name.
    pub account: String,
    /// The databases, by binding.
    pub databases: Vec<Database>,
}

impl Site {
    /// Asks the gateway which databases there are.
    pub(crate) fn find(gateway: Gateway) -> Outcome<Self> {
        let about = gateway.get("/v1/environment")?.body;
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let stores = about.get("stores").and_then(Value::as_array).into_iter().flatten();
        let databases = stores.filter(|store| text(store, "kind") == "d1").map(|store| Database {
            binding: text(store, "binding"),
            name: text(store, "name"),
            id: text(store, "id"),
            policy: text(store, "policy"),
        });
        Ok(Self { account: text(&about, "account"), databases: databases.collect(), gateway })
    }

    /// The database that is named, by binding, name or id, or else the only one.
    pub(crate) fn pick(&self, named: Option<&str>) -> Outcome<&Database> {
        let environment = self.gateway.environment;
        let usage = |message: String| {
            let names = self.databases.iter().map(|database| database.binding.as_str()).collect::<Vec<_>>().join(", ");
            let remedy = if names.is_empty() {
                "An operator must name one in STORES in wrangler.toml.".to_owned()
            } else {
                format!("Name one with --database: {names}.")
            };
            Failure::new(Exit::Usage, "unknown_database", message, remedy)
        };
        match (named, self.databases.as_slice()) {
            (_, []) => Err(usage(format!("The {environment} gateway has no D1 database; nothing was run."))),
            (Some(name), _) => self
                .named(name)
                .ok_or_else(|| usage(format!("The {environment} gateway has no database {name}; nothing was run."))),
            (None, [only]) => Ok(only),
            (None, several) => {
                Err(usage(format!("The {environment} gateway has {} databases; nothing was run.", several.len())))
            }
        }
    }

    /// A binding comes first: the name of one database may be the binding of another.
    pub(crate) fn named(&self, text: &str) -> Option<&Database> {
        let members: [fn(&Database) -> &str; 3] = [|one| &one.binding, |one| &one.name, |one| &one.id];
        // An id that the gateway does not know is empty, and names nothing.
        members
            .iter()
            .filter(|_| !text.is_empty())
            .find_map(|member| self.databases.iter().find(|one| member(one) == text))
    }

    /// This gateway with one of its databases.
    pub(crate) fn place(&self, database: &Database) -> Place {
        Place { gateway: self.gateway.clone(), account: self.account.clone(), database: database.binding.clone() }
    }
}

/// A gateway and one D1 database behind it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The gateway, with the credential that opens runs.
    pub gateway: Gateway,
    /// The account that clients name.
    pub account: String,
    /// The database, by its binding.
    pub database: String,
}

impl Place {
    /// Asks the gateway which databases there are, and takes the one that is named, or the only one.
    pub(crate) fn find(gateway: Gateway, named: Option<&str>) -> Outcome<Self> {
        let site = Site::find(gateway)?;
        let database = site.pick(named)?;
        Ok(site.place(database))
    }

    /// Works in a dry run of its own, which is closed afterwards.
    pub(crate) fn rehearse<T>(&self, command: &str, work: impl FnOnce(&DryRun) -> Outcome<T>) -> Outcome<T> {
        rehearse(&self.gateway, &self.account, command, |run| work(&run.database(&self.database)))
    }
}

/// An open dry run, in which every database of its gateway can be asked.
pub(crate) struct Opened {
    id: String,
    gateway: Gateway,
    account: String,
}

impl Opened {
    /// The same run, at one database.
    pub(crate) fn database(&self, binding: &str) -> DryRun {
        let path = format!("/client/v4/accounts/{}/d1/database/{binding}/raw", self.account);
        DryRun { id: self.id.clone(), gateway: self.gateway.clone(), path }
    }
}

impl Site {
    /// Works in a dry run of its own, which is closed afterwards.
    pub(crate) fn rehearse<T>(&self, command: &str, work: impl FnOnce(&Opened) -> Outcome<T>) -> Outcome<T> {
        rehearse(&self.gateway, &self.account, command, work)
    }
}

fn rehearse<T>(
    gateway: &Gateway,
    account: &str,
    command: &str,
    work: impl FnOnce(&Opened) -> Outcome<T>,
) -> Outcome<T> {
    let opened = gateway.open_run(&json!({"mode": "dry_run", "labels": {"command": command}, "expires_in": LIFE}))?;
    let text = |name: &str| opened.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if text("mode") != "dry_run" {
        return Err(Failure::unreachable(
            "The gateway did not open a dry run; nothing was run.",
            "Look whether the url in dryrun.toml is that of the dry-run gateway.",
        ));
    }
    let run = Opened { id: text("id"), gateway: gateway.with(&text("token")), account: account.to_owned() };
    let worked = work(&run);
    let closed = run.gateway.close_run(&run.id);
    let result = worked?;
    closed.map_err(|failure| Failure {
        message: format!("The dry run {} could not be closed: {}", run.id, failure.message),
        remedy: format!("It reaches no store and ends by itself within {} minutes. {}", LIFE / 60, failure.remedy),
        ..failure
    })?;
    Ok(result)
}

/// The rows of one statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// What is said of how it ran.
    pub meta: Value,
}

impl Rows {
    fn read(result: &Value) -> Self {
        let results = result.get("results").unwrap_or(&Value::Null);
        Self {
            rows: results
                .get("rows")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_array)
                .cloned()
                .collect(),
            meta: result.get("meta").cloned().unwrap_or_default(),
        }
    }

    /// A cell as text; empty for NULL.
    pub(crate) fn text(row: &[Value], column: usize) -> String {
        match row.get(column) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// A cell as a count.
    pub(crate) fn number(row: &[Value], column: usize) -> u64 {
        row.get(column).and_then(Value::as_u64).unwrap_or_default()
    }
}

impl DryRun {
    /// Runs a text as one batch; answers what each statement answered.
    pub(crate) fn batch(&self, sql: &str) -> Outcome<Vec<Rows>> {
        let answer = self.gateway.post(&self.path, &json!({ "sql": sql }))?;
        self.sure(&answer)?;
        let results = answer.body.get("result").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(results.iter().map(Rows::read).collect())
    }

    /// Nothing that is not said to be a dry run is trusted to be one.
    fn sure(&self, answer: &Answer) -> Outcome<()> {
        if answer.dry_run {
            return Ok(());
        }
        Err(Failure::unreachable(
            format!("An answer in run {} does not say that it is one of a dry run, so nothing more was sent.", self.id),
            format!("Look at what it did: dryrun report {}", self.id),
        ))
    }

    /// Asks several questions; answers the rows of each.
    pub(crate) fn ask(&self, questions: &[String]) -> Outcome<Vec<Rows>> {
        let mut answers = Vec::new();
        for part in questions.chunks(MOST_READS) {
            answers.extend(self.batch(&part.join(";\n"))?);
        }
        Ok(answers)
    }

    /// The newest operation of the run, as the journal has it.
    pub(crate) fn newest(&self) -> Outcome<Value> {
        let report = self.gateway.get(&format!("/v1/runs/{}/report?format=json", self.id))?.body;
        let newest = report
            .get("operations")
            .and_then(Value::as_array)
            .and_then(|all| all.last())
            .and_then(|last| last.get("position"))
            .and_then(Value::as_u64);
        let position = newest.ok_or_else(|| {
            Failure::unreachable(
                "The run's report has no operations.",
                "Look whether the url in dryrun.toml is that of the dry-run gateway.",
            )
        })?;
        Ok(self.gateway.get(&format!("/v1/runs/{}/operations/{position}", self.id))?.body)
    }

    /// The definitions of agents' own things: type, name, table, text. What belongs to SQLite or the platform is left
    /// out.
    pub(crate) fn definitions(&self) -> Outcome<Vec<Definition>> {
        let answers = self.batch("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name")?;
        let all = answers.into_iter().next().unwrap_or_default().rows.into_iter().map(|row| Definition {
            kind: Rows::text(&row, 0),
            name: Rows::text(&row, 1),
            table: Rows::text(&row, 2),
            sql: Rows::text(&row, 3),
        });
        Ok(all.filter(|one| !belongs_to_others(&one.name) && !belongs_to_others(&one.table)).collect())
    }

    /// The names in a table of applied migrations, in the order in which they were applied; `None` when there is no
    /// such table.
    pub(crate) fn applied(&self, table: &str) -> Outcome<Option<Vec<String>>> {
        if !self.definitions()?.iter().any(|one| one.kind == "table" && one.name.eq_ignore_ascii_case(table)) {
            return Ok(None);
        }
        let answers = self.batch(&format!("SELECT name FROM {} ORDER BY id", identifier(table))).map_err(
            |failure| match failure.code.as_str() {
                "sql_error" => Failure::new(
                    Exit::Usage,
                    "no_record",
                    format!(
                        "The table {table} does not record migrations by the columns id and name, as wrangler does: {}",
                        failure.message
                    ),
                    "Name the table that does: --table NAME",
                ),
                _ => failure,
            },
        )?;
        Ok(Some(answers.into_iter().flat_map(|answer| answer.rows).map(|row| Rows::text(&row, 0)).collect()))
    }
}

/// One definition of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it belongs to.
    pub table: String,
    /// Its text; empty for an index that a constraint made.
    pub sql: String,
}

fn belongs_to_others(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["sqlite_", "_cf_", "_dryrun_"].iter().any(|prefix| name.starts_with(prefix))
}
