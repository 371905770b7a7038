//! A gateway in real workerd for tests in Rust: started, asked and ended from here, with a way around it to the
//! database behind it.

mod requests;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use requests::{Answer, Bound, Refused};

fn to_json(bound: &Bound) -> Value {
    json!({"sql": bound.sql, "params": bound.params})
}

/// Where the process says that everything is.
#[derive(Deserialize)]
struct Whereabouts {
    url: String,
    backdoor: String,
    account: String,
    agent: String,
}

/// An opened run.
#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    pub id: String,
    pub token: String,
}

/// A running gateway. It ends with this value.
pub(crate) struct Gateway {
    vars: Value,
    process: Child,
    places: Whereabouts,
    http: ureq::Agent,
}

impl Gateway {
    /// Starts a gateway with these variables over those of `tests/config/wrangler.toml`, and waits until it listens.
    pub(crate) fn start(vars: &Value) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        assert!(root.join("build/index.js").exists(), "there is no compiled Worker: run make build first");
        let mut paths = vec![root.join("node_modules/.bin")];
        paths.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut process = Command::new("node")
            .args(["tests/e2e/harness/serve.mjs", &json!({"vars": vars}).to_string()])
            .current_dir(&root)
            .env("PATH", std::env::join_paths(paths).expect("no folder of the PATH has its separator in its name"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("its output is piped"))
            .read_line(&mut line)
            .expect("its output is text");
        let places = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the gateway did not start: {line}"));
        let http = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        Self { vars: vars.clone(), process, places, http }
    }

    /// Starts another in its place, with empty stores.
    pub(crate) fn renew(&mut self) {
        *self = Self::start(&self.vars);
    }

    /// Opens a run of an agent in this mode.
    pub(crate) fn open_run(&self, mode: &str) -> Run {
        let answer =
            self.post(&format!("{}/v1/runs", self.places.url), Some(&self.places.agent), &json!({"mode": mode}));
        serde_json::from_value(answer).expect("a run is opened")
    }

    /// What a run's report says.
    pub(crate) fn report(&self, run: &Run) -> Value {
        let url = format!("{}/v1/runs/{}/report", self.places.url, run.id);
        let answer = self.http.get(&url).header("Authorization", format!("Bearer {}", run.token)).call();
        read(&url, answer)
    }

    /// Sends statements in a run: one alone, several as a batch.
    pub(crate) fn sql(&self, run: &Run, statements: &[Bound]) -> Result<Vec<Answer>, Refused> {
        let body = match statements {
            [one] => to_json(one),
            several => json!({"batch": several.iter().map(to_json).collect::<Vec<_>>()}),
        };
        let mut answer = self.post(
            &format!("{}/client/v4/accounts/{}/d1/database/DB/raw", self.places.url, self.places.account),
            Some(&run.token),
            &body,
        );
        if answer["success"] == true {
            return Ok(serde_json::from_value(answer["result"].take()).expect("a result has the form of /raw"));
        }
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("code").is_empty(), "this is no problem document: {answer}");
        Err(Refused { code: text("code"), message: text("detail") })
    }

    /// Runs any number of statements on the target itself, in one transaction.
    pub(crate) fn target_exec(&self, sql: &str) -> Result<(), String> {
        self.target("d1_exec", &json!([sql])).map(|_| ())
    }

    /// Runs one SELECT on the target itself: rows as objects.
    pub(crate) fn target_rows(&self, sql: &str) -> Vec<Value> {
        match self.target("d1_all", &json!([sql, []])) {
            Ok(Value::Array(rows)) => rows,
            other => panic!("{sql} does not answer rows: {other:?}"),
        }
    }

    /// Every definition and row of the target, one a line.
    pub(crate) fn target_contents(&self) -> Vec<String> {
        let contents = self.target("d1_contents", &json!([])).expect("a target can be read");
        serde_json::from_value(contents).expect("lines of text")
    }

    fn target(&self, operation: &str, input: &Value) -> Result<Value, String> {
        let mut answer =
            self.post(&self.places.backdoor, None, &json!({"store": "DB", "operation": operation, "input": input}));
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    fn post(&self, url: &str, key: Option<&str>, body: &Value) -> Value {
        let mut request = self.http.post(url).header("Content-Type", "application/json");
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        read(url, request.send(body.to_string()))
    }
}

fn read(url: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
    let mut response = answer.unwrap_or_else(|error| panic!("{url} does not answer: {error}"));
    let text = response.body_mut().with_config().limit(1 << 28).read_to_string().expect("an answer in UTF-8");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{url} did not answer JSON: {text}"))
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The end of its input is the gateway's sign to end workerd too and to remove its folder.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
