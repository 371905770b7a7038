//! `dryrun env`: where this is, and whether everything that a run needs is well.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dryrun_text::line;
use serde_json::{Value, json};

use crate::api::Gateway;
use crate::failure::{Exit, Failure, Outcome};
use crate::here::{Here, global_keys_in};
use crate::say::Say;
use crate::text::{count, list, number, shown as shown_of, table, text};

/// Show which environment this is, and whether everything is well
///
/// Asks the gateway for its health and readiness, who the key is, and which stores there are. Each D1 database is read
/// in a short dry run with the label purpose=preflight, which is closed again.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  dryrun env                         staging
  DRYRUN_ENV=production dryrun env   production, which has to be named
  dryrun env && dryrun exec -- npm run triage

Exit codes: 0 all is well · 1 something is not · 3 configuration · 4 the gateway refused · 5 it does not answer")]
pub(crate) struct Env {}

/// What is not well, and what to do about it.
struct Trouble {
    what: String,
    remedy: String,
}

/// How long the preflight's run lives if nobody closes it.
const PREFLIGHT_SECONDS: u64 = 300;

/// The tables of people, and whether one of them holds wrangler's migrations.
const TABLES: &str = r"SELECT count(*), sum(name = 'd1_migrations') FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE '\_cf\_%' ESCAPE '\'";
/// The newest of wrangler's migrations.
const MIGRATION: &str = "SELECT name FROM d1_migrations ORDER BY id DESC LIMIT 1";

#[derive(Default)]
struct Found {
    troubles: Vec<Trouble>,
    notes: Vec<String>,
}

impl Found {
    fn trouble(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.troubles.push(Trouble { what: what.into(), remedy: remedy.into() });
    }

    fn failure(&mut self, about: &str, failure: Failure) {
        self.trouble(format!("{about}: {}", failure.message), failure.remedy);
    }
}

impl Env {
    /// Looks at everything, and says it.
    pub(crate) fn run(&self, say: Say) -> Outcome<ExitCode> {
        let here = Here::find(say)?;
        let gateway = &here.gateway;
        let mut found = Found::default();
        if let Some((what, remedy)) = here.exposed.clone() {
            found.trouble(what, remedy);
        }
        // Without a key first: it is not sent to a gateway of another environment.
        let health = gateway.probe("/health")?;
        if health.status != 200 {
            found.trouble(
                format!(
                    "The gateway does not say that it is healthy ({}): {}",
                    health.status,
                    text(&health.body, "detail")
                ),
                match text(&health.body, "remedy") {
                    "" => "An operator must look at its log.",
                    remedy => remedy,
                },
            );
        }
        let ready = readiness(gateway, &mut found);
        let about = match gateway.get("/v1/environment") {
            Ok(answer) => answer.body,
            Err(failure) => {
                found.failure("The gateway does not say what it is", failure);
                Value::Null
            }
        };
        let stores = stores(gateway, &about, &mut found);
        notes(&mut found);
        let document = json!({
            "environment": gateway.environment, "url": gateway.url, "project": here.project.file, "well": found.troubles.is_empty(),
            "gateway": {"version": about.get("version"), "commit": about.get("commit"), "account": about.get("account"), "limits": about.get("limits")},
            "key": {"name": about.pointer("/caller/name"), "role": about.pointer("/caller/role"), "run": about.pointer("/caller/run"), "from": here.credential},
            "health": if health.status == 200 { "ok" } else { "failed" }, "ready": ready, "stores": stores,
            "problems": found.troubles.iter().map(|trouble| json!({"what": trouble.what, "remedy": trouble.remedy})).collect::<Vec<_>>(), "notes": found.notes,
        });
        say.result(&document, &shown(&document));
        Ok(if found.troubles.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(Exit::Found as u8) })
    }
}

fn readiness(gateway: &Gateway, found: &mut Found) -> Value {
    let answer = match gateway.probe("/health/ready") {
        Ok(answer) => answer,
        Err(failure) => {
            found.failure("Readiness is not known", failure);
            return Value::Null;
        }
    };
    let Some(checks) = answer.body.get("checks").and_then(Value::as_object) else {
        found.trouble(
            format!("Readiness is not known ({}): {}", answer.status, text(&answer.body, "detail")),
            text(&answer.body, "remedy"),
        );
        return Value::Null;
    };
    for (name, _) in checks.iter().filter(|(_, state)| state.as_str() != Some("ok")) {
        let remedy = match name.as_str() {
            "control" => {
                "An operator must look at the binding CONTROL: are its migrations applied, and does its marker name \
                 this environment? See Environments in the README."
                    .to_owned()
            }
            "flags" => "An operator must look at the binding FLAGS: does its KV namespace exist?".to_owned(),
            "keys" | "token_secret" => {
                let secret = name.to_uppercase();
                found.trouble(
                    format!("The gateway's secret {secret} is missing or not valid, so nobody can open a run."),
                    format!("An operator must set {secret}: see Credentials in the README."),
                );
                continue;
            }
            "runs" | "shadows" => {
                format!("An operator must look at the Durable Objects that hold {name}: are RUN and SHADOW bound?")
            }
            // Told of with the stores.
            "stores" => continue,
            _ => format!(
                "An operator must look at the binding {name} of the gateway: does the store exist, and is it \
                          the one that STORES in wrangler.toml names?"
            ),
        };
        found.trouble(format!("{name} does not answer the gateway."), remedy);
    }
    answer.body
}

/// The stores; of each D1 database with its tables and migration level.
fn stores(gateway: &Gateway, about: &Value, found: &mut Found) -> Vec<Value> {
    let mut stores = list(about, "stores").to_vec();
    if stores.is_empty() {
        if !about.is_null() {
            found.trouble("The gateway has no stores.", "An operator must name them in STORES in wrangler.toml.");
        }
        return stores;
    }
    if about.pointer("/caller/role").and_then(Value::as_str) == Some("operator") {
        found.notes.push(
            "Tables and migrations were not read: an operator's key opens no runs. An agent's or \
                          approver's key shows them."
                .to_owned(),
        );
        return stores;
    }
    if !stores.iter().any(|store| text(store, "kind") == "d1") {
        return stores;
    }
    let run = match gateway
        .open_run(&json!({"mode": "dry_run", "labels": {"purpose": "preflight"}, "expires_in": PREFLIGHT_SECONDS}))
    {
        Ok(run) => run,
        Err(failure) => {
            found.failure("Tables and migrations were not read", failure);
            return stores;
        }
    };
    let inside = gateway.with(text(&run, "token"));
    let account = text(about, "account");
    for store in stores.iter_mut().filter(|store| text(store, "kind") == "d1") {
        let binding = text(store, "binding").to_owned();
        match level(&inside, account, &binding) {
            Ok((tables, migration)) => {
                if let Some(fields) = store.as_object_mut() {
                    fields.insert("tables".into(), tables.into());
                    fields.insert("migration".into(), migration);
                }
            }
            Err(failure) => found.failure(&format!("{binding} was not read"), failure),
        }
    }
    if let Err(failure) = inside.close_run(text(&run, "id")) {
        found.failure(
            &format!(
                "The preflight's run {} was not closed; it ends by itself after {}",
                text(&run, "id"),
                count(PREFLIGHT_SECONDS, "second")
            ),
            failure,
        );
    }
    stores
}

fn level(gateway: &Gateway, account: &str, database: &str) -> Outcome<(u64, Value)> {
    let first_row = |sql: &str| -> Outcome<Vec<Value>> {
        let answered = gateway.raw(account, database, &[json!({ "sql": sql })])?;
        Ok(answered
            .first()
            .and_then(|result| result.pointer("/results/rows/0"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default())
    };
    let row = first_row(TABLES)?;
    let cell = |at: usize| row.get(at).and_then(Value::as_u64).unwrap_or_default();
    let migration = if cell(1) == 1 {
        let unlike = |failure: Failure| match failure.code.as_str() {
            "sql_error" => Failure {
                remedy:
                    "Its table d1_migrations is not what wrangler makes; rename it if something else is kept there."
                        .to_owned(),
                ..failure
            },
            _ => failure,
        };
        first_row(MIGRATION).map_err(unlike)?.into_iter().next().unwrap_or_default()
    } else {
        Value::Null
    };
    Ok((cell(0), migration))
}

/// What is worth knowing and keeps nothing from working.
fn notes(found: &mut Found) {
    let folder = std::env::current_dir().unwrap_or_default();
    for (file, variable) in global_keys_in(&folder) {
        found.notes.push(format!(
            "{} sets {variable}. wrangler prefers it to a run's token, so inside dryrun exec the gateway \
                           will refuse wrangler. Take the line out.",
            file.display()
        ));
    }
    for login in wrangler_logins() {
        found.notes.push(format!(
            "wrangler is logged in on this machine ({}). A run's token comes before that, but a command that drops the \
             token can reach Cloudflare past the gateway. wrangler logout ends it.",
            login.display()
        ));
    }
}

/// Where wrangler keeps what `wrangler login` got.
fn wrangler_logins() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let configured = std::env::var_os("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let folders = [home.join(".wrangler"), configured.join(".wrangler"), home.join("Library/Preferences/.wrangler")];
    let logged_in = |file: &Path| {
        std::fs::read_to_string(file).is_ok_and(|text| {
            text.contains("oauth_token") || text.contains("refresh_token") || text.contains("api_token")
        })
    };
    folders.into_iter().map(|folder| folder.join("config/default.toml")).filter(|file| logged_in(file)).collect()
}

fn shown(document: &Value) -> String {
    let mut said = format!("Environment: {}\n", text(document, "environment"));
    let (about, key) = (document.get("gateway").unwrap_or(&Value::Null), document.get("key").unwrap_or(&Value::Null));
    let role = if text(key, "role").is_empty() {
        "not accepted".to_owned()
    } else {
        format!("{} ({})", shown_of(key, "name"), shown_of(key, "role"))
    };
    let version = match text(about, "version") {
        "" => String::new(),
        version => {
            let commit = text(about, "commit").chars().take(10).collect::<String>();
            let commit = if commit.is_empty() { commit } else { format!(" ({})", line(&commit)) };
            format!(", version {}{commit}, account {}", line(version), shown_of(about, "account"))
        }
    };
    let mut rows = vec![
        vec![
            "  Project".to_owned(),
            line(document.get("project").and_then(Value::as_str).unwrap_or("no dryrun.toml here or above"))
                .into_owned(),
        ],
        vec!["  Gateway".to_owned(), format!("{}{version}", shown_of(document, "url"))],
        vec!["  Key".to_owned(), format!("{role}, from {}", shown_of(key, "from"))],
    ];
    if !text(key, "run").is_empty() {
        rows.push(vec!["  Run".to_owned(), shown_of(key, "run")]);
    }
    rows.push(vec!["  Health".to_owned(), text(document, "health").to_owned()]);
    let checks = document.pointer("/ready/checks").and_then(Value::as_object);
    let checks: Vec<String> = checks
        .into_iter()
        .flatten()
        .map(|(name, state)| line(&format!("{name} {}", state.as_str().unwrap_or_default())).into_owned())
        .collect();
    rows.push(vec!["  Ready".to_owned(), if checks.is_empty() { "not known".to_owned() } else { checks.join(", ") }]);
    if let Some(limits) = about.get("limits").filter(|limits| limits.is_object()) {
        rows.push(vec!["  Limits".to_owned(), said_limits(limits)]);
    }
    said.push_str(&table(&rows));
    let stores: Vec<Vec<String>> = list(document, "stores").iter().map(said_store).collect();
    if !stores.is_empty() {
        let _ = write!(said, "Stores\n{}", table(&stores));
    }
    for note in list(document, "notes").iter().filter_map(Value::as_str) {
        let _ = writeln!(said, "Note: {}", line(note));
    }
    let troubles = list(document, "problems");
    if troubles.is_empty() {
        said.push_str("All is well.\n");
    }
    for trouble in troubles {
        let _ = writeln!(said, "PROBLEM: {}", shown_of(trouble, "what"));
        if !text(trouble, "remedy").is_empty() {
            let _ = writeln!(said, "  {}", shown_of(trouble, "remedy"));
        }
    }
    said
}

fn said_store(store: &Value) -> Vec<String> {
    let contents = match (store.get("tables").and_then(Value::as_u64), store.get("migration").and_then(Value::as_str)) {
        (None, _) => String::new(),
        (Some(tables), Some(migration)) => format!("{}, migrated to {}", count(tables, "table"), line(migration)),
        (Some(tables), None) => format!("{}, no migrations", count(tables, "table")),
    };
    vec![
        format!("  {}", shown_of(store, "binding")),
        shown_of(store, "kind"),
        shown_of(store, "name"),
        shown_of(store, "policy"),
        contents,
    ]
}

fn said_limits(limits: &Value) -> String {
    let mib = |name: &str| format!("{} MiB", number(limits, name) >> 20);
    format!(
        "flag {} ms, lives {} s; a run copies {} rows or {}, keeps {}; bodies {}",
        number(limits, "flag_budget_ms"),
        number(limits, "flag_ttl_seconds"),
        number(limits, "shadow_max_rows"),
        mib("shadow_max_bytes"),
        mib("overlay_max_bytes"),
        mib("max_body_bytes")
    )
}
