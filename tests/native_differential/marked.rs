//! What comes out differently each time is marked, wherever it stands.

use crate::run::DryRun;
use crate::support::Bound;

fn check(setup: &[&str], statement: &str, is_marked: bool) {
    let setup: Vec<String> = setup.iter().map(|sql| (*sql).to_owned()).collect();
    let mut run = DryRun::new(&setup, 1_000, 1_000);
    run.sql(&[Bound::of(statement)]).unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    assert_eq!(!run.volatile.is_empty(), is_marked, "{statement}: {:?}", run.volatile);
}

const TABLES: [&str; 3] = [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, x)",
    "CREATE VIEW drawn AS SELECT random() AS x",
    "CREATE VIEW outer_view AS SELECT x FROM drawn",
];

#[test]
fn behind_a_view_of_a_view() {
    check(&TABLES, "INSERT INTO t (x) SELECT x FROM outer_view", true);
    check(&TABLES, "INSERT INTO t (x) SELECT 1", false);
}

#[test]
fn behind_a_view_in_a_trigger() {
    let trigger =
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET x = (SELECT x FROM outer_view) WHERE id = NEW.id; END";
    let setup = [&TABLES[..], &[trigger]].concat();
    check(&setup, "INSERT INTO t (x) VALUES (1)", true);
    check(&setup, "DELETE FROM t", false);
}
