//! One step of a run, for people.

use std::fmt::Write as _;

use dryrun_text::{cut, line};
use serde_json::{Map, Value};

use crate::text::{list, mode, number, shown as told, text};

/// Longest statement or value that is shown; the JSON has all of it.
const MAX_CHARS: usize = 400;

/// Writes it down.
pub(super) fn shown(document: &Value) -> String {
    let step = document.get("operation").unwrap_or(&Value::Null);
    let subject =
        step.get("subject").and_then(Value::as_str).map(|subject| format!(" {}", line(subject))).unwrap_or_default();
    let how = match step.get("mode").and_then(Value::as_str) {
        Some(decided) => format!("{} ({})", told(step, "outcome"), line(mode(decided))),
        None => told(step, "outcome"),
    };
    let mut said = format!(
        "Step {}: {} {}{subject}: {how}\n",
        number(step, "position"),
        told(step, "store"),
        told(step, "action")
    );
    asked(&mut said, step.get("request").unwrap_or(&Value::Null));
    if let Some(problem) = step.get("problem").filter(|problem| problem.is_object()) {
        let _ = writeln!(said, "  {}: {}", told(problem, "code"), told(problem, "message"));
        if !text(problem, "remedy").is_empty() {
            let _ = writeln!(said, "  {}", told(problem, "remedy"));
        }
    }
    let effects = list(document, "effects");
    if effects.is_empty() {
        said.push_str(&no_images(step));
    }
    for effect in effects {
        change(&mut said, effect);
    }
    said
}

/// A live write changes things of which no images are known, so silence must not look like "nothing".
fn no_images(step: &Value) -> String {
    match (text(step, "access"), text(step, "mode"), text(step, "outcome")) {
        // The problem above says what is known: an answer that was lost is a failure as well.
        ("write", "live", "failed") => String::new(),
        ("write", "live", "refused" | "skipped") | ("write", "dry_run", _) | ("write", "", _) => {
            "It changed nothing.\n".to_owned()
        }
        ("write", ..) => format!(
            "It was live: what came of it is known, but not the images. {}\n",
            value(step.get("result").unwrap_or(&Value::Null))
        ),
        _ => "It only read.\n".to_owned(),
    }
}

fn asked(said: &mut String, request: &Value) {
    let statements = list(request, "statements");
    for statement in statements {
        let params = statement.get("params").map(|params| format!("  ← {}", value(params))).unwrap_or_default();
        let _ = writeln!(said, "  {}{params}", cut(&told(statement, "sql"), MAX_CHARS));
    }
    if statements.is_empty() && request.as_object().is_some_and(|request| !request.is_empty()) {
        let _ = writeln!(said, "  {}", value(request));
    }
}

fn change(said: &mut String, effect: &Value) {
    let (before, after) =
        (effect.get("before").and_then(Value::as_object), effect.get("after").and_then(Value::as_object));
    let word = match (before, after) {
        (None, _) => "inserted",
        (_, None) => "deleted",
        _ => "updated",
    };
    let key = effect.get("label").or_else(|| effect.get("key")).and_then(Value::as_str).unwrap_or_default();
    let statement = effect
        .get("statement")
        .and_then(Value::as_u64)
        .map(|statement| format!(" (statement {statement})"))
        .unwrap_or_default();
    let _ = writeln!(said, "{word} {} {}{statement}", told(effect, "subject"), line(key));
    let none = Map::new();
    let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
    let fields = before.keys().chain(after.keys().filter(|field| !before.contains_key(*field)));
    for field in fields.filter(|field| before.get(*field) != after.get(*field)) {
        let shown = match (before.get(field), after.get(field)) {
            (Some(before), Some(after)) => format!("{} → {}", value(before), value(after)),
            (Some(only), None) | (None, Some(only)) => value(only),
            (None, None) => String::new(),
        };
        let _ = writeln!(said, "  {}: {shown}", line(field));
    }
}

fn value(value: &Value) -> String {
    cut(&line(&value.to_string()), MAX_CHARS).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_update_shows_only_what_differs_and_hostile_values_stay_in_their_line() {
        let document = json!({
            "operation": {"position": 3, "store": "DB", "action": "UPDATE", "subject": "p", "mode": "dry_run", "outcome": "done", "problem": null,
                "request": {"statements": [{"sql": "UPDATE p\n SET v = ?", "params": ["x"]}]}},
            "effects": [{"store": "DB", "subject": "p", "key": "1", "statement": 2, "before": {"id": 1, "v": "a"}, "after": {"id": 1, "v": "b\u{1b}[2J\n"}}],
        });
        assert_eq!(
            shown(&document),
            "Step 3: DB UPDATE p: done (dry run)\n  UPDATE p⏎ SET v = ?  ← [\"x\"]\nupdated p 1 (statement 2)\n  v: \
             \"a\" → \"b\\u001b[2J\\n\"\n"
        );
    }

    #[test]
    fn a_live_write_without_images_is_not_said_to_have_changed_nothing() {
        let step = |access: &str, mode: &str, outcome: &str| {
            no_images(&json!({"access": access, "mode": mode, "outcome": outcome, "result": {"changes": 2}}))
        };
        assert_eq!(
            step("write", "live", "done"),
            "It was live: what came of it is known, but not the images. {\"changes\":2}\n"
        );
        assert_eq!(step("write", "live", "failed"), "");
        assert_eq!(step("write", "live", "refused"), "It changed nothing.\n");
        assert_eq!(step("write", "dry_run", "done"), "It changed nothing.\n");
        assert_eq!(step("read", "live", "done"), "It only read.\n");
    }

    #[test]
    fn a_refused_step_says_why_and_what_to_do() {
        let document = json!({
            "operation": {"position": 1, "store": "CACHE", "access": "write", "action": "put", "subject": "k", "mode": null, "outcome": "refused", "request": {"key": "k"},
                "problem": {"code": "store_denied", "message": "no", "remedy": "ask"}},
            "effects": [],
        });
        assert_eq!(
            shown(&document),
            "Step 1: CACHE put k: refused\n  {\"key\":\"k\"}\n  store_denied: no\n  ask\nIt changed nothing.\n"
        );
    }
}
