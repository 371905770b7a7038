//! Export → import over generated databases: SQLite runs what was written and holds the same database afterwards.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, limits::Limit};

use super::{Sink, Source, write_down};
use crate::app::fake::finish;
use crate::domain::dump::{Rows, Wanted};
use crate::domain::limits::MAX_STATEMENT_BYTES;
use crate::domain::refusal::{Code, Problem};
use dryrun_sql::statement::split;

mod made;

struct Database<'a>(&'a Connection);

impl Source for Database<'_> {
    async fn rows(&mut self, sql: &str) -> Result<Rows, Problem> {
        assert!(sql.len() <= MAX_STATEMENT_BYTES, "a question of {} bytes", sql.len());
        Ok(rows(self.0, sql))
    }
}

struct Text(String);

impl Sink for Text {
    fn put(&mut self, text: &str) -> Result<(), Problem> {
        self.0.push_str(text);
        Ok(())
    }
}

/// Text arrives as D1 answers it: what is not UTF-8 is replaced.
fn rows(database: &Connection, sql: &str) -> Rows {
    let mut statement = database.prepare(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    let count = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..count)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Null => None,
                    ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                    other => panic!("{other:?} is no text: {sql}"),
                })
            })
            .collect()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error}: {sql}"))
}

/// A database with the limits of D1 (<https://developers.cloudflare.com/d1/platform/limits/>).
fn database() -> Connection {
    let database = Connection::open_in_memory().unwrap();
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, 2_200_000),
        (Limit::SQLITE_LIMIT_COLUMN, 100),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    ] {
        database.set_limit(limit, most).unwrap();
    }
    database.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    database
}

fn exported(database: &Connection, wanted: &Wanted<'_>) -> Result<String, Problem> {
    let mut text = Text(String::new());
    finish(write_down(&mut Database(database), wanted, &mut text)).map(|()| text.0)
}

const EVERYTHING: Wanted<'static> = Wanted { schema: true, data: true, tables: &[] };

/// Runs a file as the gateway does: divided by its front, each statement by itself, in one transaction.
fn import(file: &str, into: &Connection) -> Result<(), String> {
    let statements = split(file).map_err(|problem| problem.to_string())?;
    into.execute_batch("BEGIN").unwrap();
    for statement in statements {
        let failed =
            |error: rusqlite::Error| format!("{error}: {}", statement.text.chars().take(300).collect::<String>());
        let mut prepared = into.prepare(&statement.text).map_err(failed)?;
        let mut rows = prepared.raw_query();
        while rows.next().map_err(failed)?.is_some() {}
    }
    into.execute_batch("COMMIT").map_err(|error| error.to_string())
}

/// Everything that there is: definitions, and each row with its rowid and its exact values.
fn contents(database: &Connection) -> Vec<String> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let schema = rows(
        database,
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY \
         type, name",
    );
    let mut lines: Vec<String> = Vec::new();
    for [kind, name, table, sql] in schema.iter().map(|row| <[Option<String>; 4]>::try_from(row.clone()).unwrap()) {
        // An import keeps a definition without the comment behind it.
        lines.push(format!(
            "{kind:?} {name:?} {table:?} {:?}",
            sql.map(|sql| sql.split(" -- the end").next().unwrap().to_owned())
        ));
        let Some(name) = name.filter(|_| kind.as_deref() == Some("table")) else { continue };
        let columns = rows(
            database,
            &format!("SELECT name FROM pragma_table_xinfo({})", format_args!("'{}'", name.replace('\'', "''"))),
        );
        let names: Vec<String> = columns.into_iter().flatten().flatten().collect();
        let hidden = ["rowid", "_rowid_", "oid"]
            .into_iter()
            .find(|alias| !names.iter().any(|column| column.eq_ignore_ascii_case(alias)));
        // One more than D1's most columns is none.
        let rowid = hidden.filter(|_| names.len() < 100).map(|alias| format!("CAST({alias} AS TEXT)"));
        let rowid = rowid.filter(|rowid| database.prepare(&format!("SELECT {rowid} FROM {}", quoted(&name))).is_ok());
        let exact =
            names.iter().map(|column| format!("typeof({0}) || ' ' || {1}", quoted(column), exactly(&quoted(column))));
        let all: Vec<String> = rowid.into_iter().chain(exact).collect();
        let mut found: Vec<String> = rows(database, &format!("SELECT {} FROM {}", all.join(", "), quoted(&name)))
            .iter()
            .map(|row| format!("{name} {row:?}"))
            .collect();
        found.sort();
        lines.append(&mut found);
    }
    lines
}

/// A value as text. Of one that hex has no room for, the length and both ends.
fn exactly(column: &str) -> String {
    let ends = format!(
        "octet_length({column}) || hex(substr(CAST({column} AS BLOB), 1, 400000)) || hex(substr(CAST({column} AS \
         BLOB), -400000))"
    );
    format!(
        "CASE WHEN typeof({column}) NOT IN ('text', 'blob') THEN quote({column}) WHEN octet_length({column}) > 800000 \
         THEN {ends} ELSE hex({column}) END"
    )
}

fn assert_round_trip(made: &Connection, about: &str) {
    let file = exported(made, &EVERYTHING).unwrap();
    let copy = database();
    if let Err(why) = import(&file, &copy) {
        panic!("{about}: {why}\n{}", file.chars().take(6_000).collect::<String>());
    }
    let (before, after) = (contents(made), contents(&copy));
    assert_eq!(before, after, "{about}\n{}", file.chars().take(6_000).collect::<String>());
}

fn check(sql: &str) {
    let made = database();
    made.execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    assert_round_trip(&made, sql);
}

/// EXPORT_CASES says how many (150), EXPORT_SEED from where; a failure prints its seed.
#[test]
fn what_was_written_down_is_the_same_database_again() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, count) = (number("EXPORT_SEED", 1), number("EXPORT_CASES", 150));
    let mut rows = 0;
    for seed in first..first + count {
        let made = database();
        made::fill(&made, &mut fastrand::Rng::with_seed(seed));
        assert_round_trip(&made, &format!("EXPORT_SEED={seed} EXPORT_CASES=1"));
        rows += contents(&made).len();
    }
    assert!(rows as u64 > count * 12, "the generated databases hold only {rows} lines");
}

#[test]
fn tables_that_reference_later_ones_each_other_and_themselves() {
    check(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b(id)); CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a(id) ON DELETE CASCADE, up REFERENCES b);
        BEGIN; PRAGMA defer_foreign_keys = ON; INSERT INTO a VALUES (1, 1), (2, 2); INSERT INTO b VALUES (1, 2, 2), (2, 1, NULL); COMMIT",
    );
    // The key that is referenced is made by an index.
    check(
        "CREATE TABLE child (p TEXT REFERENCES parent(name), q, r, FOREIGN KEY (q, r) REFERENCES parent(y, x)); CREATE TABLE parent (x, y, name TEXT COLLATE NOCASE);
        CREATE UNIQUE INDEX by_name ON parent (name); CREATE UNIQUE INDEX by_both ON parent (x, y); INSERT INTO parent VALUES (1, 2, 'A'); INSERT INTO child VALUES ('A', 2, 1)",
    );
}

#[test]
fn a_parent_of_a_key_that_does_not_fit_has_rows() {
    check(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, name); CREATE TABLE child (p REFERENCES parent(name)); INSERT \
         INTO parent VALUES (1, 'a')",
    );
    check(
        "CREATE TABLE child (p REFERENCES nobody(id)); CREATE TABLE other (id INTEGER PRIMARY KEY REFERENCES child); ",
    );
    check("CREATE TABLE self (id INTEGER PRIMARY KEY, n, m REFERENCES self(n)); CREATE UNIQUE INDEX s ON self (m)");
    check(
        "CREATE TABLE a (x, y); CREATE TABLE b (x REFERENCES a, y REFERENCES a(y)); CREATE UNIQUE INDEX part ON a (y) \
         WHERE x; CREATE UNIQUE INDEX expressed ON a (y || ''); INSERT INTO a VALUES (1, 2)",
    );
}

#[test]
fn a_parent_that_was_dropped_does_not_keep_its_children_out() {
    check("CREATE TABLE gone (id INTEGER PRIMARY KEY, a, b, UNIQUE (a, b)); CREATE TABLE child (n, p REFERENCES gone ON DELETE SET NULL, q REFERENCES Gone(id), x, y, FOREIGN KEY (x, y) REFERENCES gone(b, a));
        INSERT INTO gone VALUES (1, 2, 3); INSERT INTO child (n, p) VALUES (1, 1), (2, NULL); DROP TABLE gone");
}

#[test]
fn triggers_do_not_fire_and_keep_their_order() {
    check(
        "CREATE TABLE t (a); CREATE TABLE log (n INTEGER PRIMARY KEY, what);
        CREATE TRIGGER second AFTER INSERT ON t BEGIN INSERT INTO log (what) VALUES ('second; ' || new.a); END;
        CREATE TRIGGER first AFTER INSERT ON t BEGIN INSERT INTO log (what) VALUES ('first ' || new.a); SELECT RAISE(ABORT, 'no') WHERE new.a = 3; END;
        INSERT INTO t VALUES (1), (2); DROP TRIGGER second; CREATE TRIGGER second AFTER INSERT ON t BEGIN DELETE FROM t WHERE a = 1; END; INSERT INTO t VALUES (3 - 1)",
    );
}

#[test]
fn views_over_views_that_were_made_later() {
    check("CREATE VIEW outer_one AS SELECT * FROM inner_one; CREATE TABLE t (a, b); CREATE VIEW inner_one AS SELECT a AS x FROM t -- the end
        ;CREATE TRIGGER instead INSTEAD OF INSERT ON outer_one BEGIN INSERT INTO t (a) VALUES (new.x); END; INSERT INTO t VALUES (1, 2); CREATE INDEX \"an index\" ON t (a + b) WHERE a > 0");
}

#[test]
fn counters_of_tables_that_are_empty_were_reset_or_are_ahead() {
    check("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v); CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE \"c'c\" (id INTEGER PRIMARY KEY AUTOINCREMENT);
        CREATE TABLE d (id INTEGER PRIMARY KEY AUTOINCREMENT, note DEFAULT 'AUTOINCREMENT');
        INSERT INTO a (v) VALUES (1), (2), (3); DELETE FROM a; INSERT INTO \"c'c\" VALUES (41), (77); DELETE FROM \"c'c\" WHERE id = 77; INSERT INTO d (id) VALUES (5); DELETE FROM sqlite_sequence WHERE name = 'd'");
}

#[test]
fn rowids_are_kept_where_they_can_be_seen() {
    check("CREATE TABLE t (a); INSERT INTO t (rowid, a) VALUES (-5, 'x'), (1, 'y'), (2, 'z'), (9, NULL), (9223372036854775807, 'last'); CREATE TABLE named (rowid TEXT, a); INSERT INTO named (oid, rowid) VALUES (7, 'text');
        CREATE TABLE hidden (rowid, _rowid_, oid); INSERT INTO hidden VALUES (2, 1, 1), (1, 2.0, 3), (1, 2, 3), (1, 2, 3); CREATE TABLE k (a TEXT PRIMARY KEY, b); INSERT INTO k VALUES ('b', 1), ('a', 2); DELETE FROM k WHERE a = 'b'");
    let columns: Vec<String> = (0..100).map(|column| format!("c{column}")).collect();
    check(&format!(
        "CREATE TABLE wide ({}); INSERT INTO wide DEFAULT VALUES; INSERT INTO wide (c0, c99) VALUES ('first', 'last')",
        columns.join(", ")
    ));
}

#[test]
fn keys_that_compare_otherwise_than_their_columns_page_completely() {
    let values: Vec<String> = (0..400)
        .map(|n| format!("('{}', {n})", if n % 2 == 0 { format!("k{}", n / 2) } else { format!("K{}", n / 2) }))
        .collect();
    check(&format!(
        "CREATE TABLE t (k TEXT COLLATE NOCASE, n, PRIMARY KEY (k COLLATE BINARY)) WITHOUT ROWID; INSERT INTO t VALUES \
         {}",
        values.join(", ")
    ));
}

#[test]
fn values_of_every_storage_class_and_any_bytes() {
    check("CREATE TABLE t (a, i INTEGER, r REAL, x TEXT, n NUMERIC, b BLOB, g AS (a || 'x') STORED, v AS (length(x)));
        INSERT INTO t VALUES (9223372036854775807, -9223372036854775808, 0.1, 'it''s', 1e300, x''), (9e999, NULL, -9e999, 'nul' || char(0) || 'x', -0.0, x'00ff'), (5e-324, 1, 1.0, char(65279), 2.5, zeroblob(3)),
        (CAST(x'ff41c3' AS TEXT), 0, 9007199254740993.0, char(65533) || '\\n' || char(10, 13), 3, CAST(x'80' AS TEXT)), ('/* -- ; ''', 1, 2, '-- ; \"', 'text', '');
        CREATE TABLE s (n INTEGER PRIMARY KEY, a ANY, r REAL, t TEXT, b BLOB) STRICT; INSERT INTO s VALUES (1, 1.0, 2, '1', x'31'), (2, '1', 2.5, '', NULL), (3, 1, NULL, NULL, x'')");
}

#[test]
fn values_beyond_the_length_of_a_statement_are_put_together() {
    check("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT CHECK (length(x) > 10), b BLOB UNIQUE, a ANY NOT NULL) STRICT;
        INSERT INTO t VALUES (1, replace(hex(zeroblob(60000)), '00', 'é'), zeroblob(120000), replace(hex(zeroblob(40000)), '00', '''')), (2, replace(hex(zeroblob(300000)), '00', '✓'), zeroblob(600000), CAST(x'ff' || zeroblob(450000) AS TEXT));
        CREATE TABLE one (b); INSERT INTO one VALUES (zeroblob(1900000)); CREATE TABLE export_pieces (a); INSERT INTO export_pieces VALUES ('mine')");
    let columns: Vec<String> = (0..100).map(|column| format!("c{column} TEXT")).collect();
    let values: Vec<String> = (0..100).map(|column| format!("'{}'", column.to_string().repeat(1_500))).collect();
    check(&format!("CREATE TABLE wide ({}); INSERT INTO wide VALUES ({})", columns.join(", "), values.join(", ")));
}

#[test]
fn names_that_need_quotes() {
    check("CREATE TABLE \"a \"\"b\" (\"select\" INT, \"x;y\" TEXT, `tick``ed`, [square], \"été ☃\"); CREATE INDEX \"i'1\" ON \"a \"\"b\" (\"x;y\"); INSERT INTO \"a \"\"b\" VALUES (1, ';', 2, 3, 4);
        CREATE TABLE \"it's\" (\"a'b\" INTEGER PRIMARY KEY AUTOINCREMENT, \"new\nline\"); INSERT INTO \"it's\" VALUES (3, 'x'); CREATE TABLE 'single' ('quoted name' TEXT); INSERT INTO single VALUES ('x');
        CREATE TABLE commented (a, -- one; two\n b /* ; */) -- the end");
}

#[test]
fn only_what_was_asked_for() {
    let made = database();
    made.execute_batch(
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v); CREATE TABLE b (v); CREATE INDEX ib ON b (v); CREATE UNIQUE INDEX ub ON b (v); CREATE VIEW w AS SELECT * FROM a;
        CREATE TRIGGER t AFTER INSERT ON b BEGIN SELECT 1; END; INSERT INTO a (v) VALUES (1); INSERT INTO b VALUES (2)",
    )
    .unwrap();
    let tables = ["B".to_owned()];
    let text = exported(&made, &Wanted { tables: &tables, ..EVERYTHING }).unwrap();
    let expected = expect_test::expect![[r#"
        PRAGMA defer_foreign_keys=TRUE;
        CREATE TABLE b (v);
        CREATE UNIQUE INDEX ub ON b (v);
        INSERT INTO "b" ("v") VALUES(2);
        CREATE INDEX ib ON b (v);
        CREATE TRIGGER t AFTER INSERT ON b BEGIN SELECT 1; END;
    "#]];
    expected.assert_eq(&text);
    let text = exported(&made, &Wanted { schema: false, ..EVERYTHING }).unwrap();
    let expected = expect_test::expect![[r#"
        PRAGMA defer_foreign_keys=TRUE;
        INSERT INTO "a" ("id","v") VALUES(1,1);
        INSERT INTO "b" ("v") VALUES(2);
        DELETE FROM sqlite_sequence WHERE name='a';
        INSERT INTO sqlite_sequence (name,seq) VALUES('a',1);
    "#]];
    expected.assert_eq(&text);
    let text = exported(&made, &Wanted { data: false, ..EVERYTHING }).unwrap();
    assert!(!text.contains("INSERT INTO \"") && !text.contains("sqlite_sequence"), "{text}");
    let nobody = ["w".to_owned()];
    let problem = exported(&made, &Wanted { tables: &nobody, ..EVERYTHING }).unwrap_err();
    assert_eq!((problem.code, problem.message.as_str()), (Code::SqlError, "no such table: w: SQLITE_ERROR"));
}

#[test]
fn a_virtual_table_is_refused_with_the_names_of_the_others() {
    let made = database();
    made.execute_batch(
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, t); CREATE TABLE \"notes_fts_mine\" (a); CREATE \
                        VIRTUAL TABLE notes_fts USING fts5(t, content='notes'); INSERT INTO notes VALUES (1, \
                        'x')",
    )
    .unwrap();
    let problem = exported(&made, &EVERYTHING).unwrap_err();
    assert_eq!(problem.code, Code::NotOffered);
    assert!(
        problem.message.starts_with("notes_fts ")
            && problem.remedy.contains("--table <name>): notes, notes_fts_mine. "),
        "{problem:?}"
    );
    for inner in ["notes_fts", "NOTES_FTS_data", "notes_fts_config"] {
        let tables = [inner.to_owned()];
        assert_eq!(
            exported(&made, &Wanted { tables: &tables, ..EVERYTHING }).unwrap_err().code,
            Code::NotOffered,
            "{inner}"
        );
    }
    let tables = ["notes".to_owned(), "notes_fts_mine".to_owned()];
    let text = exported(&made, &Wanted { tables: &tables, ..EVERYTHING }).unwrap();
    assert!(text.contains("INSERT INTO \"notes\"") && !text.contains("VIRTUAL"), "{text}");
}
