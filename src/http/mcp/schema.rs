//! The schema of a database, read by SQL like anything else in a run.

use serde_json::{Map, Value, json};

use super::told::Members;
use crate::domain::operation::{BoundStatement, Call, RowShape, SqlCall};
use crate::domain::refusal::Problem;
use dryrun_sql::statement::split;

/// The objects that are the agent's: SQLite's and the platform's own are left out.
const OURS: &str = r"m.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND m.name NOT LIKE '\_cf\_%' ESCAPE '\' AND (?1 IS NULL OR lower(m.tbl_name) = lower(?1))";

/// The reads, each with the object that a row belongs to.
fn reads() -> [String; 4] {
    [
        format!("SELECT m.type, m.name, m.tbl_name, m.sql FROM sqlite_master AS m WHERE {OURS} ORDER BY m.name"),
        format!(
            "SELECT m.name AS owner, x.name, x.type, x.\"notnull\" AS not_null, x.dflt_value AS value, x.pk, x.hidden \
             FROM sqlite_master AS m JOIN pragma_table_xinfo(m.name) AS x WHERE m.type = 'table' AND {OURS} ORDER BY \
             m.name, x.cid"
        ),
        format!(
            "SELECT m.name AS owner, i.name, i.\"unique\" AS is_unique, i.partial, x.name AS field FROM sqlite_master \
             AS m JOIN pragma_index_list(m.name) AS i JOIN pragma_index_info(i.name) AS x WHERE m.type = 'table' AND \
             {OURS} ORDER BY m.name, i.name, x.seqno"
        ),
        format!(
            "SELECT m.name AS owner, f.id, f.\"table\" AS other, f.\"from\" AS field, f.\"to\" AS target, f.on_update, \
             f.on_delete FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' AND \
             {OURS} ORDER BY m.name, f.id, f.seq"
        ),
    ]
}

/// The operation that reads the schema, of one table or of all.
pub(super) fn call(table: Option<&str>) -> Result<Call, Problem> {
    let mut statements = Vec::new();
    for sql in reads() {
        for statement in split(&sql)? {
            statements.push(BoundStatement { statement, params: vec![table.into()] });
        }
    }
    Ok(Call::Sql(SqlCall { statements, shape: RowShape::Objects }))
}

/// A virtual table's hidden column is no column to whoever reads the table.
const HIDDEN: u64 = 1;

fn text<'r>(row: &'r Value, name: &str) -> &'r str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(row: &Value, name: &str) -> u64 {
    row.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// The member as it is; null when it is not there.
fn given(row: &Value, name: &str) -> Value {
    row.get(name).cloned().unwrap_or_default()
}

/// The rows of one table or view.
fn of<'r>(rows: &'r [Value], owner: &'r str) -> impl Iterator<Item = &'r Value> {
    rows.iter().filter(move |row| text(row, "owner") == owner)
}

/// What the reads answered, put together.
pub(super) fn describe(answers: &str) -> Result<Members, Problem> {
    let mut answers: Vec<Value> = serde_json::from_str(answers).map_err(Problem::broken)?;
    let mut next = || match answers.pop().and_then(|mut answer| answer.get_mut("results").map(Value::take)) {
        Some(Value::Array(rows)) => Ok(rows),
        _ => Err(Problem::broken("another result than rows")),
    };
    let (references, indexes, columns, definitions) = (next()?, next()?, next()?, next()?);
    let of_kind = |kind: &'static str| definitions.iter().filter(move |one| text(one, "type") == kind);
    let named = |one: &Value| json!({"name": given(one, "name"), "sql": given(one, "sql")});
    let described = |one: &Value| {
        let triggers: Value = of_kind("trigger")
            .filter(|trigger| text(trigger, "tbl_name").eq_ignore_ascii_case(text(one, "name")))
            .map(named)
            .collect();
        let mut described = object(named(one));
        described.insert("triggers".into(), triggers);
        described
    };
    let mut tables = Vec::new();
    for table in of_kind("table") {
        let name = text(table, "name");
        let sql_of = |index: &str| {
            of_kind("index").find(|one| text(one, "name") == index).map(|one| given(one, "sql")).unwrap_or_default()
        };
        let mut described = described(table);
        described.insert(
            "columns".into(),
            of(&columns, name).filter(|column| number(column, "hidden") != HIDDEN).map(column).collect(),
        );
        described.insert("indexes".into(), index_list(of(&indexes, name), &sql_of));
        described.insert("foreign_keys".into(), reference_list(of(&references, name)));
        tables.push(Value::Object(described));
    }
    let views: Vec<Value> = of_kind("view").map(|view| Value::Object(described(view))).collect();
    Ok(Members::default().with("tables", &tables).with("views", &views))
}

fn column(row: &Value) -> Value {
    json!({
        "name": given(row, "name"), "type": given(row, "type"), "not_null": number(row, "not_null") != 0, "default": given(row, "value"),
        "primary_key": number(row, "pk"), "generated": number(row, "hidden") != 0,
    })
}

/// Rows come ordered, so those of one thing stand together.
fn index_list<'r>(rows: impl Iterator<Item = &'r Value>, sql_of: &dyn Fn(&str) -> Value) -> Value {
    let mut list: Vec<Map<String, Value>> = Vec::new();
    for row in rows {
        match list.last_mut().filter(|last| last.get("name") == row.get("name")) {
            Some(last) => push(last, "columns", given(row, "field")),
            None => list.push(object(json!({
                "name": given(row, "name"), "unique": number(row, "is_unique") != 0, "partial": number(row, "partial") != 0,
                "columns": [given(row, "field")], "sql": sql_of(text(row, "name")),
            }))),
        }
    }
    list.into_iter().collect()
}

fn reference_list<'r>(rows: impl Iterator<Item = &'r Value>) -> Value {
    let mut list: Vec<Map<String, Value>> = Vec::new();
    let mut last = None;
    for row in rows {
        let id = number(row, "id");
        match list.last_mut().filter(|_| last == Some(id)) {
            Some(reference) => {
                push(reference, "columns", given(row, "field"));
                push(reference, "to", given(row, "target"));
            }
            None => list.push(object(json!({
                "columns": [given(row, "field")], "references": given(row, "other"), "to": [given(row, "target")],
                "on_update": given(row, "on_update"), "on_delete": given(row, "on_delete"),
            }))),
        }
        last = Some(id);
    }
    list.into_iter().collect()
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(object) = value { object } else { Map::new() }
}

fn push(object: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some(Value::Array(list)) = object.get_mut(name) {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::operation::{Access, Operation};
    use crate::domain::settings::{Policy, Store, StoreKind, StoreSettings};

    #[test]
    fn the_schema_is_read_by_single_selects() {
        let settings = StoreSettings { kind: StoreKind::D1, name: "desk".into(), id: None, policy: Policy::Live };
        let operation =
            Operation { store: Store { binding: "DB".into(), settings }, call: call(Some("people")).unwrap() };
        assert_eq!((operation.access(), operation.action().as_str()), (Access::Read, "BATCH of 4"));
    }

    #[test]
    fn keys_of_several_columns_are_one_key() {
        let result = |rows: Value| json!({"success": true, "results": rows, "meta": {}});
        let answers = json!([
            result(
                json!([{"type": "index", "name": "i", "tbl_name": "t", "sql": "CREATE INDEX i"}, {"type": "table", "name": "t", "tbl_name": "t", "sql": "CREATE TABLE t"}, {"type": "trigger", "name": "x", "tbl_name": "T", "sql": "CREATE TRIGGER x"}, {"type": "view", "name": "v", "tbl_name": "v", "sql": "CREATE VIEW v"}])
            ),
            result(json!([
                {"owner": "t", "name": "a", "type": "INTEGER", "not_null": 1, "value": "7", "pk": 1, "hidden": 0},
                {"owner": "t", "name": "secret", "type": "", "not_null": 0, "value": null, "pk": 0, "hidden": 1},
                {"owner": "t", "name": "b", "type": "TEXT", "not_null": 0, "value": null, "pk": 0, "hidden": 2},
            ])),
            result(
                json!([{"owner": "t", "name": "i", "is_unique": 1, "partial": 0, "field": "a"}, {"owner": "t", "name": "i", "is_unique": 1, "partial": 0, "field": null}])
            ),
            result(json!([
                {"owner": "t", "id": 0, "other": "o", "field": "a", "target": "x", "on_update": "NO ACTION", "on_delete": "CASCADE"},
                {"owner": "t", "id": 0, "other": "o", "field": "b", "target": "y", "on_update": "NO ACTION", "on_delete": "CASCADE"},
                {"owner": "t", "id": 1, "other": "p", "field": "a", "target": null, "on_update": "NO ACTION", "on_delete": "NO ACTION"},
            ])),
        ]);
        let described: Value =
            serde_json::from_str(&format!("{{{}}}", describe(&answers.to_string()).unwrap().into_members())).unwrap();
        let table = &described["tables"][0];
        assert_eq!(
            table["columns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| (&column["name"], &column["generated"]))
                .collect::<Vec<_>>(),
            [(&"a".into(), &false.into()), (&"b".into(), &true.into())]
        );
        assert_eq!(
            table["indexes"],
            json!([{"name": "i", "unique": true, "partial": false, "columns": ["a", null], "sql": "CREATE INDEX i"}])
        );
        assert_eq!(
            table["foreign_keys"][0],
            json!({"columns": ["a", "b"], "references": "o", "to": ["x", "y"], "on_update": "NO ACTION", "on_delete": "CASCADE"})
        );
        assert_eq!(table["foreign_keys"].as_array().unwrap().len(), 2);
        assert_eq!((&table["triggers"][0]["name"], &described["views"][0]["name"]), (&"x".into(), &"v".into()));
    }
}
