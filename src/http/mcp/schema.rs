//! The schema of a database, read by SQL like anything else in a run.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::told::Members;
use crate::domain::operation::{BoundStatement, Call, RowShape, SqlCall};
use crate::domain::refusal::Problem;
use crate::domain::statement::split;

/// The objects that are the agent's: SQLite's and the platform's own are left out.
const OURS: &str = r"m.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND m.name NOT LIKE '\_cf\_%' ESCAPE '\' AND (?1 IS NULL OR lower(m.tbl_name) = lower(?1))";

/// The reads, each with the object that a row belongs to.
fn reads() -> [String; 4] {
    [
        format!("SELECT m.type, m.name, m.tbl_name, m.sql FROM sqlite_master AS m WHERE {OURS} ORDER BY m.name"),
        format!(
            "SELECT m.name AS owner, x.name, x.type, x.\"notnull\" AS not_null, x.dflt_value AS value, x.pk, x.hidden FROM sqlite_master AS m JOIN pragma_table_xinfo(m.name) AS x WHERE m.type = 'table' AND {OURS} ORDER BY m.name, x.cid"
        ),
        format!(
            "SELECT m.name AS owner, i.name, i.\"unique\" AS is_unique, i.partial, x.name AS field FROM sqlite_master AS m JOIN pragma_index_list(m.name) AS i JOIN pragma_index_info(i.name) AS x WHERE m.type = 'table' AND {OURS} ORDER BY m.name, i.name, x.seqno"
        ),
        format!(
            "SELECT m.name AS owner, f.id, f.\"table\" AS other, f.\"from\" AS field, f.\"to\" AS target, f.on_update, f.on_delete FROM sqlite_master AS m JOIN pragma_foreign_key_list(m.name) AS f WHERE m.type = 'table' AND {OURS} ORDER BY m.name, f.id, f.seq"
        ),
    ]
}

/// The operation that reads the schema, of one table or of all.
pub fn call(table: Option<&str>) -> Result<Call, Problem> {
    let mut statements = Vec::new();
    for sql in reads() {
        for statement in split(&sql)? {
            statements.push(BoundStatement { statement, params: vec![table.into()] });
        }
    }
    Ok(Call::Sql(SqlCall { statements, shape: RowShape::Objects }))
}

#[derive(Deserialize)]
struct Answered<T> {
    results: Vec<T>,
}

#[derive(Deserialize)]
struct Definition {
    r#type: String,
    name: String,
    tbl_name: String,
    sql: Option<String>,
}

#[derive(Deserialize)]
struct Column {
    owner: String,
    name: String,
    r#type: String,
    not_null: i64,
    value: Option<Value>,
    pk: i64,
    hidden: i64,
}

#[derive(Deserialize)]
struct IndexColumn {
    owner: String,
    name: String,
    is_unique: i64,
    partial: i64,
    field: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    owner: String,
    id: i64,
    other: String,
    field: String,
    target: Option<String>,
    on_update: String,
    on_delete: String,
}

/// A virtual table's hidden column is no column to whoever reads the table.
const HIDDEN: i64 = 1;

/// What the reads answered, put together.
pub fn describe(answers: &str) -> Result<Members, Problem> {
    type Answers = (Answered<Definition>, Answered<Column>, Answered<IndexColumn>, Answered<Reference>);
    let (definitions, columns, indexes, references): Answers = serde_json::from_str(answers).map_err(|_| Problem::internal())?;
    let definitions = &definitions.results;
    let of_kind = |kind: &'static str| definitions.iter().filter(move |one| one.r#type == kind);
    let triggers =
        |owner: &str| -> Value { of_kind("trigger").filter(|one| one.tbl_name.eq_ignore_ascii_case(owner)).map(|one| json!({"name": one.name, "sql": one.sql})).collect() };
    let tables: Vec<Value> = of_kind("table")
        .map(|table| {
            let name = table.name.as_str();
            let columns: Vec<Value> = columns
                .results
                .iter()
                .filter(|column| column.owner == name && column.hidden != HIDDEN)
                .map(|column| {
                    json!({"name": column.name, "type": column.r#type, "not_null": column.not_null != 0, "default": column.value, "primary_key": column.pk, "generated": column.hidden != 0})
                })
                .collect();
            let sql_of = |index: &str| of_kind("index").find(|one| one.name == index).and_then(|one| one.sql.clone());
            json!({
                "name": name, "sql": table.sql, "columns": columns, "indexes": index_list(name, &indexes.results, &sql_of),
                "foreign_keys": reference_list(name, &references.results), "triggers": triggers(name),
            })
        })
        .collect();
    let views: Vec<Value> = of_kind("view").map(|view| json!({"name": view.name, "sql": view.sql, "triggers": triggers(&view.name)})).collect();
    Ok(Members::default().with("tables", &tables).with("views", &views))
}

/// Rows come ordered, so those of one thing stand together.
fn index_list(table: &str, rows: &[IndexColumn], sql_of: &dyn Fn(&str) -> Option<String>) -> Vec<Value> {
    let mut list: Vec<Map<String, Value>> = Vec::new();
    for row in rows.iter().filter(|row| row.owner == table) {
        let field = Value::from(row.field.clone());
        match list.last_mut().filter(|last| last.get("name").and_then(Value::as_str) == Some(&row.name)) {
            Some(last) => push(last, "columns", field),
            None => list.push(object(json!({"name": row.name, "unique": row.is_unique != 0, "partial": row.partial != 0, "columns": [field], "sql": sql_of(&row.name)}))),
        }
    }
    list.into_iter().map(Value::Object).collect()
}

fn reference_list(table: &str, rows: &[Reference]) -> Vec<Value> {
    let mut list: Vec<(i64, Map<String, Value>)> = Vec::new();
    for row in rows.iter().filter(|row| row.owner == table) {
        match list.last_mut().filter(|(id, _)| *id == row.id) {
            Some((_, last)) => {
                push(last, "columns", row.field.clone().into());
                push(last, "to", row.target.clone().into());
            }
            None => {
                let first = json!({"columns": [row.field], "references": row.other, "to": [row.target], "on_update": row.on_update, "on_delete": row.on_delete});
                list.push((row.id, object(first)));
            }
        }
    }
    list.into_iter().map(|(_, reference)| Value::Object(reference)).collect()
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
        let operation = Operation { store: Store { binding: "DB".into(), settings }, call: call(Some("people")).unwrap() };
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
            result(json!([{"owner": "t", "name": "i", "is_unique": 1, "partial": 0, "field": "a"}, {"owner": "t", "name": "i", "is_unique": 1, "partial": 0, "field": null}])),
            result(json!([
                {"owner": "t", "id": 0, "other": "o", "field": "a", "target": "x", "on_update": "NO ACTION", "on_delete": "CASCADE"},
                {"owner": "t", "id": 0, "other": "o", "field": "b", "target": "y", "on_update": "NO ACTION", "on_delete": "CASCADE"},
                {"owner": "t", "id": 1, "other": "p", "field": "a", "target": null, "on_update": "NO ACTION", "on_delete": "NO ACTION"},
            ])),
        ]);
        let described: Value = serde_json::from_str(&format!("{{{}}}", describe(&answers.to_string()).unwrap().into_members())).unwrap();
        let table = &described["tables"][0];
        assert_eq!(
            table["columns"].as_array().unwrap().iter().map(|column| (&column["name"], &column["generated"])).collect::<Vec<_>>(),
            [(&"a".into(), &false.into()), (&"b".into(), &true.into())]
        );
        assert_eq!(table["indexes"], json!([{"name": "i", "unique": true, "partial": false, "columns": ["a", null], "sql": "CREATE INDEX i"}]));
        assert_eq!(table["foreign_keys"][0], json!({"columns": ["a", "b"], "references": "o", "to": ["x", "y"], "on_update": "NO ACTION", "on_delete": "CASCADE"}));
        assert_eq!(table["foreign_keys"].as_array().unwrap().len(), 2);
        assert_eq!((&table["triggers"][0]["name"], &described["views"][0]["name"]), (&"x".into(), &"v".into()));
    }
}
