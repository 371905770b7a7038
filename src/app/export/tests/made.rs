//! Generated databases: tables that reference each other in any direction, and whatever hangs on them.

use fastrand::Rng;
use rusqlite::Connection;

const NAMES: [&str; 9] = ["plain", "a b", "Group", "it's", "sem;icolon", "été", "quo\"te", "[x", "-- no comment"];
const TYPES: [&str; 8] = ["", "INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "VARCHAR(20)", "BOOLEAN"];
const STRICT_TYPES: [&str; 6] = ["INTEGER", "TEXT", "REAL", "BLOB", "ANY", "INT"];

const HOSTILE: &[&str] =
    &["pragma_once", "_dryrun_x", "_cf_KV", "__miniflare_x", "OR ROLLBACK", "sqlite_master", "total_changes()"];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn of<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.usize(..choices.len())]
}

/// A value as SQL.
fn value(rng: &mut Rng) -> String {
    let number = rng.i64(-5..40);
    match rng.u8(..18) {
        0 => "NULL".into(),
        1 => "9223372036854775807".into(),
        2 => format!("{}", rng.f64() * 1e6),
        3 => of(rng, &["9e999", "-9e999", "5e-324", "-0.0", "1e15", "123456789012345678.0"]).into(),
        4 => format!("x'{}'", hex::encode((0..rng.usize(..9)).map(|_| rng.u8(..)).collect::<Vec<_>>())),
        5 => format!("CAST(x'{}' AS TEXT)", hex::encode((0..rng.usize(..9)).map(|_| rng.u8(..)).collect::<Vec<_>>())),
        6 => of(
            rng,
            &[
                "''",
                "'it''s; --'",
                "'/*'",
                "'☃ \u{1f600}'",
                "char(0)",
                "'a' || char(0) || 'b'",
                "char(65279)",
                "char(65533)",
                "'line' || char(10, 13)",
                "'NULL'",
            ],
        )
        .into(),
        // Values that look like names which agents may not use.
        17 => format!("'{}'", of(rng, HOSTILE)),
        7 => format!("replace(hex(zeroblob({})), '00', '{}')", rng.usize(1..3_000), of(rng, &["x", "é", "''"])),
        8 if rng.u8(..6) == 0 => format!("zeroblob({})", rng.usize(40_000..120_000)),
        9 | 10 => format!("'v{number}'"),
        11 => format!("'V{number}'"),
        _ => number.to_string(),
    }
}

struct Table {
    name: String,
    columns: Vec<String>,
    /// Columns that a foreign key may reference, with the definition of what references them.
    key: Vec<String>,
}

/// The type of a key, and of what references it: of another one SQLite itself takes some references for broken that it
/// does not report.
fn type_of(key: &str) -> &'static str {
    match key {
        "id" => "INTEGER",
        "k0" => "TEXT",
        _ => "INT",
    }
}

fn table(rng: &mut Rng, index: usize, all: &[String], keys: &[Vec<String>]) -> (Table, String) {
    let strict = rng.u8(..5) == 0;
    let name = all[index].clone();
    let mut columns: Vec<String> = (0..rng.usize(1..6))
        .map(|n| format!("{}{n}", of(rng, &["c", "C c", "rowid", "order", "é'", "rollback", "pragma_x"])))
        .collect();
    let types = if strict { &STRICT_TYPES[..] } else { &TYPES[..] };
    let mut parts: Vec<String> = Vec::new();
    for column in &columns {
        let mut part = format!("{} {}", quoted(column), of(rng, types));
        match rng.u8(..14) {
            0 => part.push_str(" UNIQUE"),
            1 => part.push_str(" COLLATE NOCASE"),
            2 => part.push_str(" DEFAULT (1 + 1)"),
            3 => part.push_str(&format!(" CHECK ({} IS NOT '{}')", quoted(column), of(rng, HOSTILE))),
            4 => part.push_str(&format!(" DEFAULT '{}'", of(rng, HOSTILE))),
            _ => {}
        }
        parts.push(part);
    }
    let key = keys[index].clone();
    let mut ending = Vec::new();
    let mut closing = "";
    if key == ["id"] {
        let auto = if rng.bool() { " AUTOINCREMENT" } else { "" };
        parts.insert(0, format!("id INTEGER PRIMARY KEY{auto}"));
    } else {
        key.iter().rev().for_each(|column| parts.insert(0, format!("{column} {} NOT NULL", type_of(column))));
        match rng.u8(..3) {
            0 => {
                ending.push(format!("PRIMARY KEY ({})", key.join(", ")));
                closing = " WITHOUT ROWID";
            }
            1 => ending.push(format!("UNIQUE ({})", key.join(", "))),
            _ => ending.push(format!("PRIMARY KEY ({} DESC)", key.join(", "))),
        }
    }
    for _ in 0..rng.usize(..3) {
        let to = rng.usize(..all.len());
        let from: Vec<String> = keys[to].iter().enumerate().map(|(n, _)| format!("f{}_{n}", columns.len())).collect();
        from.iter().zip(&keys[to]).for_each(|(column, key)| parts.push(format!("{column} {}", type_of(key))));
        let action = of(
            rng,
            &[
                "",
                " ON DELETE CASCADE",
                " ON DELETE SET NULL ON UPDATE CASCADE",
                " DEFERRABLE INITIALLY DEFERRED",
                " ON DELETE RESTRICT",
            ],
        );
        ending.push(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({}){action}",
            from.join(", "),
            quoted(&all[to]),
            keys[to].join(", ")
        ));
        columns.extend(from);
    }
    if rng.u8(..3) == 0 {
        let kind = if rng.bool() { "STORED" } else { "VIRTUAL" };
        parts.push(format!(
            "made {} AS (coalesce({}, '') || '!') {kind}",
            if strict { "TEXT" } else { "" },
            quoted(&columns[0])
        ));
    }
    let options = match (closing, strict) {
        ("", true) => " STRICT",
        (" WITHOUT ROWID", true) => " STRICT, WITHOUT ROWID",
        (closing, _) => closing,
    };
    parts.append(&mut ending);
    let sql = format!("CREATE TABLE {} ({}){options}", quoted(&name), parts.join(", "));
    let columns = key.iter().cloned().chain(columns).collect();
    (Table { name, columns, key }, sql)
}

/// A database of a few tables with rows, references that hold, indexes, views and triggers.
pub(super) fn fill(database: &Connection, rng: &mut Rng) {
    let count = rng.usize(1..6);
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    rng.shuffle(&mut names);
    names.truncate(count);
    let keys: Vec<Vec<String>> = (0..count)
        .map(|_| if rng.bool() { vec!["id".into()] } else { (0..rng.usize(1..3)).map(|n| format!("k{n}")).collect() })
        .collect();
    let mut tables = Vec::new();
    for index in 0..count {
        let (table, sql) = table(rng, index, &names, &keys);
        // Some constraints do not fit together; then the table is a plain one.
        if database.execute_batch(&sql).is_err() {
            database
                .execute_batch(&format!(
                    "CREATE TABLE {} ({})",
                    quoted(&table.name),
                    table.columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
                ))
                .unwrap();
            let unique = table.key.join(", ");
            database
                .execute_batch(&format!(
                    "CREATE UNIQUE INDEX {} ON {} ({unique})",
                    quoted(&format!("unique of {}", table.name)),
                    quoted(&table.name)
                ))
                .unwrap();
        }
        tables.push(table);
    }
    database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    for table in &tables {
        for _ in 0..rng.usize(..25) {
            let names: Vec<String> = table.columns.iter().map(|column| quoted(column)).collect();
            let is_key = |column: &String| table.key.contains(column) || column.starts_with('f');
            let values: Vec<String> = table
                .columns
                .iter()
                .map(|column| if is_key(column) { rng.u8(..12).to_string() } else { value(rng) })
                .collect();
            // A value that a constraint does not take is left out.
            let _ = database.execute_batch(&format!(
                "INSERT INTO {} ({}) VALUES ({})",
                quoted(&table.name),
                names.join(", "),
                values.join(", ")
            ));
        }
        for _ in 0..rng.usize(..3) {
            let _ = database.execute_batch(&format!(
                "DELETE FROM {} WHERE {} = {}",
                quoted(&table.name),
                quoted(&table.columns[0]),
                rng.u8(..12)
            ));
        }
    }
    keep_references(database);
    database.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    around(database, rng, &tables);
}

/// Removes rows until every reference holds.
fn keep_references(database: &Connection) {
    loop {
        let mut statement = database.prepare("SELECT DISTINCT \"table\", rowid FROM pragma_foreign_key_check").unwrap();
        let broken: Vec<(String, Option<i64>)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
        if broken.is_empty() {
            return;
        }
        for (table, rowid) in broken {
            // Rows of a table without rowids cannot be told apart here.
            let only =
                rowid.map_or(String::new(), |rowid| format!(" WHERE {} = {rowid}", rowid_name(database, &table)));
            database.execute_batch(&format!("DELETE FROM {}{only}", quoted(&table))).unwrap();
        }
    }
}

fn rowid_name(database: &Connection, table: &str) -> &'static str {
    let mut statement = database.prepare("SELECT count(*) FROM pragma_table_xinfo(?1) WHERE lower(name) = ?2").unwrap();
    ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|alias| statement.query_row([table, alias], |row| row.get::<_, i64>(0)).unwrap() == 0)
        .unwrap()
}

/// Indexes, views and triggers, in any order.
fn around(database: &Connection, rng: &mut Rng, tables: &[Table]) {
    database.execute_batch("CREATE TABLE log (at INTEGER PRIMARY KEY, what)").unwrap();
    for number in 0..rng.usize(..8) {
        let table = &tables[rng.usize(..tables.len())];
        let (name, column) = (quoted(&table.name), quoted(&table.columns[rng.usize(..table.columns.len())]));
        let other = number.saturating_sub(1);
        let sql = match rng.u8(..8) {
            0 => format!("CREATE INDEX i{number} ON {name} ({column} COLLATE NOCASE DESC)"),
            1 => format!("CREATE INDEX i{number} ON {name} (length({column})) WHERE {column} IS NOT NULL"),
            2 => format!("CREATE UNIQUE INDEX i{number} ON {name} ({column})"),
            3 => format!(
                "CREATE VIEW v{number} AS SELECT {column} AS x FROM {name} WHERE {column} <> '{}' -- the end",
                of(rng, HOSTILE)
            ),
            4 => format!("CREATE VIEW v{number} AS SELECT x FROM v{other} UNION ALL SELECT {column} FROM {name}"),
            5 => format!(
                "CREATE TRIGGER t{number} AFTER INSERT ON {name} BEGIN INSERT INTO log (what) VALUES ('t{number}; ' || \
                 new.{column}); END"
            ),
            6 => format!(
                "CREATE TRIGGER t{number} BEFORE INSERT ON {name} WHEN new.{column} IS NOT NULL BEGIN SELECT \
                 RAISE(ABORT, 'never'); END"
            ),
            _ => format!(
                "CREATE TRIGGER t{number} INSTEAD OF INSERT ON v{other} BEGIN INSERT INTO log (what) VALUES (new.x); \
                 END"
            ),
        };
        // A unique index that rows contradict, or a view that is not there, is left out.
        let _ = database.execute_batch(&sql);
    }
}
