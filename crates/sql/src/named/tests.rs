use proptest::prelude::*;

use super::super::statement::split;
use super::*;

/// Words that stand for something where SQLite looks for the name of a table.
const HOSTILE: &[&str] = &[
    "_dryrun_touched",
    "_DRYRUN_x",
    "_cf_KV",
    "_CF_METADATA",
    "__miniflare_do_name",
    "pragma_optimize",
    "PRAGMA_optimize",
    "pragma_wal_checkpoint",
    "pragma_user_version",
    "pragma_once",
    "pragma_table_info",
    "sqlite_master",
    "sqlite_schema",
    "rollback",
    "abort",
    "replace",
    "conflict",
    "total_changes",
];

/// Statements with a value at `#`.
const VALUES: &[&str] = &[
    "INSERT INTO t VALUES (#)",
    "INSERT INTO t (a, b) VALUES (1, #), (#, 2)",
    "INSERT OR IGNORE INTO t SELECT #, a FROM u",
    "REPLACE INTO t VALUES (#, #)",
    "INSERT INTO t DEFAULT VALUES RETURNING a || #",
    "INSERT INTO t VALUES (1) RETURNING #",
    "INSERT INTO t (a) VALUES (#) ON CONFLICT (a) WHERE b = # DO UPDATE SET a = # WHERE a <> #",
    "UPDATE t SET a = #",
    "UPDATE t SET a = #, b = # WHERE c = #",
    "UPDATE t SET (a, b) = (#, 1) FROM u, v WHERE u.a = # RETURNING #",
    "DELETE FROM t WHERE a = #",
    "DELETE FROM t WHERE a IN (#, #) RETURNING a = #",
    "SELECT #",
    "SELECT #, #, a FROM t",
    "SELECT 1 AS #",
    "SELECT 1 #",
    "SELECT a AS # FROM t AS #",
    "SELECT * FROM t #",
    "SELECT a FROM t WHERE a IN (#)",
    "SELECT a FROM t WHERE a NOT IN (1, #)",
    "SELECT # IN (SELECT a FROM t)",
    "SELECT # IN t",
    "SELECT a FROM t WHERE (a, b) IN (VALUES (#, #))",
    "SELECT CASE a WHEN # THEN # ELSE # END FROM t",
    "SELECT a FROM t WHERE a LIKE # ESCAPE '!'",
    "SELECT a GLOB # FROM t",
    "SELECT a BETWEEN # AND # FROM t",
    "SELECT a = # COLLATE nocase FROM t",
    "SELECT coalesce(#, a), upper(#) FROM t",
    "SELECT count(*) FILTER (WHERE a = #) FROM t",
    "SELECT group_concat(a, #) OVER (PARTITION BY # ORDER BY #) FROM t",
    "SELECT a FROM t JOIN u ON t.a = # AND u.b = #, v",
    "SELECT a FROM t LEFT JOIN u ON # = a JOIN v ON b = #",
    "SELECT a FROM t GROUP BY # HAVING a = # ORDER BY #",
    "SELECT a FROM t LIMIT #",
    "SELECT json_extract(a, #), a ->> # FROM t",
    "SELECT value FROM json_each(#)",
    "SELECT value FROM json_each('[]', #) WHERE key = #",
    "SELECT CAST(# AS TEXT)",
    "SELECT -#, NOT #, # || #",
    "SELECT # IS NULL, # ISNULL, # IS NOT #",
    "WITH x (a) AS (SELECT #), y AS (VALUES (#)) SELECT a FROM x WHERE a = #",
    "SELECT a FROM t UNION SELECT # EXCEPT SELECT #",
    "VALUES (#), (#)",
    "SELECT EXISTS (SELECT 1 FROM t WHERE a = #)",
    "SELECT a FROM (SELECT # AS a FROM t WHERE b = #) AS s",
    "SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY b = #)",
    "CREATE TABLE x (a TEXT DEFAULT #)",
    "CREATE TABLE x (a DEFAULT (#), b CHECK (b <> #), c AS (a || #) STORED, CHECK (a IN (#, #)))",
    "CREATE TABLE x AS SELECT # AS a FROM t",
    "CREATE INDEX i ON t (a || #) WHERE b = #",
    "CREATE VIEW v AS SELECT # AS a FROM t WHERE b = #",
    "CREATE TRIGGER g AFTER UPDATE OF a ON t WHEN new.a = # BEGIN INSERT INTO u VALUES (#); UPDATE u SET a = # WHERE b \
     = #; DELETE FROM u WHERE a = #; SELECT RAISE(ABORT, #); END",
    "ALTER TABLE t ADD COLUMN z TEXT DEFAULT # CHECK (z <> #)",
    "EXPLAIN SELECT a FROM t WHERE a = #",
    "EXPLAIN QUERY PLAN SELECT #",
];

/// Statements with the name of a column, an alias or the like at `#`: nothing that could be reached.
const INNER_NAMES: &[&str] = &[
    "SELECT # FROM t",
    "SELECT t.# FROM t",
    "SELECT 1 AS #",
    "SELECT a # FROM t",
    "SELECT a FROM t AS # WHERE #.a = 1",
    "SELECT (#) FROM t",
    "SELECT a OR # FROM t",
    "SELECT count(#), max(a, #) FROM t",
    "INSERT INTO t (#) VALUES (1)",
    "INSERT INTO t (a, #) VALUES (1, 2) ON CONFLICT (#) DO NOTHING",
    "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET # = excluded.#",
    "UPDATE t SET # = 1 WHERE # = 2 OR #",
    "UPDATE t SET (a, #) = (1, 2)",
    "DELETE FROM t WHERE # IS NULL RETURNING #",
    "CREATE TABLE x (#)",
    "CREATE TABLE x (# TEXT NOT NULL, b REFERENCES t (#))",
    "CREATE TABLE x (a CONSTRAINT # UNIQUE, PRIMARY KEY (a), UNIQUE (#))",
    "CREATE INDEX i ON t (#)",
    "CREATE INDEX i ON t (a, # DESC) WHERE # > 1",
    "CREATE VIEW v (#) AS SELECT a FROM t",
    "CREATE TRIGGER g AFTER UPDATE OF # ON t BEGIN UPDATE u SET # = new.# WHERE a = 1 OR #; END",
    "ALTER TABLE t ADD COLUMN #",
    "ALTER TABLE t DROP COLUMN #",
    "ALTER TABLE t RENAME COLUMN a TO #",
    "ALTER TABLE t RENAME COLUMN # TO a",
    "SELECT a FROM t JOIN u USING (#)",
    "SELECT a FROM t JOIN u ON #",
    "WITH x (#) AS (SELECT 1) SELECT # FROM x",
];

/// Statements with the name of an object of the schema at `#`.
const OBJECTS: &[&str] = &[
    "SELECT * FROM #",
    "SELECT * FROM main.#",
    "SELECT a FROM t, #",
    "SELECT a FROM t JOIN #",
    "SELECT a FROM t LEFT JOIN u ON 1, # AS x",
    "SELECT * FROM (#)",
    "SELECT * FROM (t JOIN (#))",
    "SELECT 1 IN #",
    "SELECT 1 NOT IN main.#",
    "SELECT (SELECT a FROM #)",
    "SELECT EXISTS (SELECT 1 FROM #)",
    "SELECT a FROM t UNION SELECT a FROM #",
    "WITH x AS (SELECT * FROM #) SELECT a FROM x",
    "SELECT a FROM t ORDER BY (SELECT a FROM #)",
    "SELECT a FROM t LIMIT (SELECT a FROM #)",
    "VALUES ((SELECT a FROM #))",
    "SELECT sum(a) OVER (ORDER BY a ROWS (SELECT a FROM #) PRECEDING) FROM t",
    "SELECT count(*) FILTER (WHERE 1 IN #) FROM t",
    "SELECT group_concat(a ORDER BY 1 IN #) FROM t",
    "SELECT CAST((SELECT a FROM #) AS TEXT)",
    "SELECT value FROM json_each((SELECT a FROM #))",
    "SELECT a FROM t JOIN u ON 1 IN #",
    "SELECT a FROM t GROUP BY a HAVING 1 IN #",
    "INSERT INTO # VALUES (1)",
    "INSERT INTO main.# DEFAULT VALUES",
    "REPLACE INTO # SELECT 1",
    "INSERT INTO t SELECT * FROM #",
    "INSERT INTO t VALUES (1) RETURNING 1 IN #",
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = (SELECT a FROM #) WHERE 1 IN #",
    "UPDATE # SET a = 1",
    "UPDATE t SET a = 1 FROM #",
    "UPDATE t SET a = (SELECT a FROM #)",
    "UPDATE OR IGNORE main.# SET a = 1 WHERE b",
    "DELETE FROM #",
    "DELETE FROM t WHERE a IN (SELECT a FROM #)",
    "CREATE TABLE x (a REFERENCES #)",
    "CREATE TABLE x (a, FOREIGN KEY (a) REFERENCES # (b))",
    "CREATE TABLE x AS SELECT * FROM #",
    "ALTER TABLE t ADD COLUMN z REFERENCES #",
    "CREATE INDEX i ON # (a)",
    "CREATE VIEW v AS SELECT * FROM #",
    "CREATE TRIGGER g AFTER INSERT ON # BEGIN SELECT 1; END",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO # VALUES (1); END",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM #; END",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE # SET a = 1; END",
    "CREATE TRIGGER g AFTER INSERT ON t WHEN 1 IN # BEGIN SELECT 1; END",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE u SET a = 1 FROM #; SELECT 1; END",
    "DROP TABLE #",
    "DROP TABLE IF EXISTS main.#",
    "DROP VIEW #",
    "ALTER TABLE # ADD COLUMN a",
    "EXPLAIN SELECT * FROM #",
    "EXPLAIN QUERY PLAN SELECT 1 IN #",
    "CREATE VIRTUAL TABLE f USING fts5(a, content=#)",
    "CREATE VIRTUAL TABLE f USING fts5vocab(#, 'row')",
    "ANALYZE #",
    "REINDEX #",
];

/// Statements that make or take away an object of the name `#`.
const MADE: &[&str] = &[
    "CREATE TABLE # (a)",
    "CREATE TABLE IF NOT EXISTS main.# AS SELECT 1",
    "CREATE INDEX # ON t (a)",
    "CREATE VIEW # AS SELECT 1",
    "CREATE TRIGGER # AFTER INSERT ON t BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE # USING fts5(a)",
    "ALTER TABLE t RENAME TO #",
    "DROP INDEX #",
    "DROP TRIGGER IF EXISTS #",
    "SELECT a FROM t INDEXED BY #",
    "DELETE FROM t INDEXED BY # WHERE a",
];

fn quotings(name: &str) -> [String; 5] {
    [name.to_owned(), format!("'{name}'"), format!("\"{name}\""), format!("`{name}`"), format!("[{name}]")]
}

/// What the front makes of a text, with `word` written as `x`.
fn shown(sql: &str, word: &str) -> String {
    match split(sql) {
        Ok(statements) => format!("{statements:?}").replace(&format!("'{word}'"), "'x'"),
        Err(problem) => format!("refused {} {}", problem.reason.as_str(), problem.message),
    }
}

fn refused(sql: &str) -> String {
    split(sql)
        .map_or_else(|problem| problem.reason.as_str().to_owned(), |statements| format!("let through: {statements:?}"))
}

#[test]
fn a_value_is_a_value_whatever_it_says() {
    for template in VALUES {
        let plain = shown(&template.replace('#', "'x'"), "x");
        assert!(!plain.starts_with("refused"), "{template} {plain}");
        for word in HOSTILE {
            assert_eq!(shown(&template.replace('#', &format!("'{word}'")), word), plain, "{template} {word}");
        }
    }
}

#[test]
fn columns_and_aliases_may_have_any_name() {
    for template in INNER_NAMES {
        for word in HOSTILE {
            let spellings = quotings(word);
            // A text where SQLite wants a column is a value, or is not understood.
            for name in spellings.iter().filter(|name| !name.starts_with('\'')) {
                let sql = template.replace('#', name);
                assert!(split(&sql).is_ok(), "{sql} {}", refused(&sql));
            }
        }
    }
}

#[test]
fn windows_may_have_any_name_that_the_parser_reads() {
    for word in HOSTILE {
        // It knows no square brackets there, and refuses.
        for name in [(*word).to_owned(), format!("\"{word}\""), format!("`{word}`")] {
            let sql = format!("SELECT sum(a) OVER {name} FROM t WINDOW {name} AS ()");
            assert!(split(&sql).is_ok(), "{sql} {}", refused(&sql));
        }
    }
}

#[test]
fn names_that_belong_to_somebody_else_are_refused_wherever_an_object_is_named() {
    for template in OBJECTS.iter().chain(MADE) {
        for word in ["_dryrun_touched", "_DryRun_x", "_cf_KV", "_CF_metadata", "__miniflare_do_name"] {
            for name in quotings(word) {
                assert_eq!(refused(&template.replace('#', &name)), "reserved_name", "{template} {name}");
            }
        }
    }
}

#[test]
fn twins_of_pragmas_that_do_more_than_answer_are_refused_wherever_a_table_is_read() {
    for template in OBJECTS {
        for word in ["pragma_optimize", "PRAGMA_Wal_Checkpoint", "pragma_journal_mode", "pragma_integrity_check"] {
            for name in quotings(word) {
                assert_eq!(refused(&template.replace('#', &name)), "statement_not_allowed", "{template} {name}");
            }
        }
    }
    for call in ["pragma_optimize(0xfffe)", "'pragma_optimize'", "main.\"pragma_optimize\"", "pragma_user_version(7)"] {
        assert_eq!(refused(&format!("SELECT * FROM {call}")), "statement_not_allowed", "{call}");
    }
    for argument in ["'_dryrun_touched'", "\"_dryrun_touched\"", "_dryrun_touched", "'_cf_KV'"] {
        for sql in [format!("SELECT * FROM pragma_table_info({argument})"), format!("PRAGMA table_info({argument})")] {
            assert_eq!(refused(&sql), "reserved_name", "{sql}");
        }
    }
    // SQLite has no PRAGMA of that name, so this is a table like others.
    for sql in
        ["SELECT * FROM pragma_once", "CREATE TABLE pragma_x (a)", "WITH pragma_x AS (SELECT 1) SELECT * FROM pragma_x"]
    {
        assert!(split(sql).is_ok(), "{sql}");
    }
}

#[test]
fn rollback_is_an_answer_only_where_the_grammar_has_one() {
    for sql in [
        "INSERT OR ROLLBACK INTO t VALUES (1)",
        "UPDATE/**/OR --\n ROLLBACK t SET a = 1",
        "CREATE TABLE x (a UNIQUE ON CONFLICT rollback)",
        "CREATE TABLE x (a, UNIQUE (a) ON CONFLICT ROLLBACK)",
        "CREATE TABLE x (a NOT NULL ON CONFLICT ROLLBACK)",
        "CREATE TABLE x (a INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)",
        "ALTER TABLE t ADD COLUMN z NOT NULL ON CONFLICT ROLLBACK DEFAULT 1",
        "CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
        "CREATE TRIGGER g BEFORE INSERT ON t BEGIN INSERT OR ROLLBACK INTO u VALUES (1); END",
        "CREATE TRIGGER g BEFORE INSERT ON t BEGIN UPDATE OR ROLLBACK u SET a = 1; END",
        "CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT 1 WHERE 1 IN (SELECT RAISE(ROLLBACK, 'no')); END",
        "CREATE TRIGGER g BEFORE INSERT ON t WHEN RAISE(ROLLBACK, 'no') BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT RAISE(ROLLBACK, 'x')",
    ] {
        assert_eq!(refused(sql), "statement_not_allowed", "{sql}");
        assert!(Named::of(sql).rolls_back && Named::every_word(sql).rolls_back, "{sql}");
    }
    for sql in [
        "SELECT a OR rollback FROM t",
        "SELECT count(rollback), (rollback) FROM t",
        "CREATE TABLE x (rollback)",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (rollback) DO NOTHING",
    ] {
        assert!(!Named::of(sql).rolls_back && !Named::every_word(sql).rolls_back, "{sql}");
    }
}

#[test]
fn a_definition_that_cannot_be_read_with_certainty_names_every_word_of_it() {
    for sql in [
        "CREATE VIEW v AS SELECT x [a || '] FROM pragma_optimize --'] FROM t",
        "CREATE VIEW v AS SELECT 1 AS [a'b], 2 FROM pragma_optimize",
        "CREATE TABLE x (a CHECK (a <> 'pragma_optimize')) SOME OPTION",
        "CREATE VIEW v AS SELECT 'pragma_optimize'; SELECT 1",
        "CREATE VIEW v AS SELECT 'pragma_optimize' /* open",
        "\u{feff}CREATE VIEW v AS SELECT 'pragma_optimize'",
    ] {
        assert_eq!(Named::of(sql).other_pragma(), Some("optimize"), "{sql}");
    }
    let sure = Named::of(
        "CREATE VIEW v AS SELECT 'pragma_optimize', \"_dryrun_x\" AS [a b], total_changes FROM \"Notes\" AS n",
    );
    assert_eq!((sure.other_pragma(), sure.reserved(), sure.calls("total_changes")), (None, None, false));
    assert!(sure.names("notes") && sure.names("V") && !sure.names("n") && !sure.names("a b"));
}

#[test]
fn what_describes_the_schema_is_told_by_its_place() {
    for sql in [
        "SELECT * FROM sqlite_master",
        "SELECT 1 IN 'sqlite_schema'",
        "SELECT * FROM main.\"sqlite_master\" AS s",
        "SELECT (SELECT 1 FROM pragma_table_list)",
        "SELECT * FROM 'pragma_foreign_keys'",
        "CREATE VIEW v AS SELECT * FROM sqlite_temp_schema",
        "CREATE VIRTUAL TABLE f USING fts5(a, content='sqlite_master')",
    ] {
        assert!(Named::of(sql).describes_schema(), "{sql}");
    }
    for sql in [
        "SELECT 'sqlite_master'",
        "INSERT INTO t VALUES ('sqlite_master', 'pragma_table_list')",
        "SELECT a FROM t WHERE a IN ('sqlite_master')",
        "SELECT sqlite_master FROM t",
        "SELECT * FROM pragma_once",
    ] {
        assert!(!Named::of(sql).describes_schema(), "{sql}");
    }
    assert!(Named::of("SELECT * FROM 'pragma_foreign_key_check'").checks_every_table());
    assert!(!Named::of("SELECT 'pragma_foreign_key_check' FROM sqlite_master").checks_every_table());
}

/// Expressions with a value at `#`, of every kind that can hold another.
fn expressions() -> impl Strategy<Value = String> {
    let leaves = prop_oneof![3 => Just("#".to_owned()), 1 => Just("a".to_owned()), 1 => Just("1".to_owned()), 1 => Just("t.b".to_owned())];
    leaves.prop_recursive(3, 12, 3, |inner| {
        let shapes = proptest::sample::select(vec![
            "(1$)",
            "(1$ || 2$)",
            "(1$ = 2$)",
            "(1$ OR 2$)",
            "coalesce(1$, 2$)",
            "CASE WHEN 1$ THEN 2$ ELSE 3$ END",
            "(1$ IN (2$, 3$))",
            "(1$ IN (SELECT 2$ FROM t WHERE 3$))",
            "(SELECT 1$ FROM t, u AS x ORDER BY 2$)",
            "EXISTS (SELECT 1$ FROM t JOIN u ON 2$)",
            "CAST(1$ AS TEXT)",
            "(1$ COLLATE nocase)",
            "(1$ BETWEEN 2$ AND 3$)",
            "(1$ LIKE 2$)",
            "count(1$) FILTER (WHERE 2$)",
            "(1$ IS NOT 2$)",
            "NOT 1$",
            "(1$ IN t)",
            "json(1$) ->> 2$",
        ]);
        (shapes, inner.clone(), inner.clone(), inner)
            .prop_map(|(shape, one, two, three)| shape.replace("1$", &one).replace("2$", &two).replace("3$", &three))
    })
}

proptest! {
    #[test]
    fn generated_statements_are_taken_alike_whatever_their_values_say(
        statement in proptest::sample::select(vec![
            "SELECT 1$ FROM t WHERE 2$", "INSERT INTO t (a, b) VALUES (1$, 2$) RETURNING 1$", "INSERT INTO t SELECT \
                1$, 2$ FROM u", "UPDATE t SET a = 1$ WHERE 2$", "DELETE FROM t WHERE 1$ RETURNING 2$",
            "CREATE VIEW v AS SELECT 1$ AS c FROM t WHERE 2$", "CREATE TABLE x AS SELECT 1$, 2$", "CREATE TRIGGER g AFTER INSERT ON t WHEN 1$ BEGIN UPDATE u SET a = 2$; END", "WITH w AS (SELECT 1$) SELECT * FROM w WHERE 2$",
        ]),
        one in expressions(), two in expressions(), word in proptest::sample::select(HOSTILE.to_vec()), object in 0usize..12,
    ) {
        let template = statement.replace("1$", &one).replace("2$", &two);
        let plain = shown(&template.replace('#', "'x'"), "x");
        prop_assert_eq!(&shown(&template.replace('#', &format!("'{word}'")), word), &plain, "{}", template);
        // The same with a table of that name somewhere: refused, unless the text is not understood at all.
        let tables: Vec<usize> = template.match_indices(" t").map(|(at, _)| at).collect();
        if let Some(at) = tables.get(object % tables.len().max(1)).filter(|_| !plain.starts_with("refused")) {
            let (before, after) = template.split_at(at + 1);
            let is_table = after.strip_prefix('t').is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '.'));
            if is_table {
                let hostile = format!("{before}'_dryrun_touched'{}", after.strip_prefix('t').unwrap_or_default()).replace('#', "'x'");
                prop_assert_eq!(refused(&hostile), "reserved_name", "{}", hostile);
            }
        }
    }
}
