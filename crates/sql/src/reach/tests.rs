use super::*;
use std::fmt::Write as _;

/// big(id, k, v, parent) and other(id, big_id, flag, name NOCASE) are not whole; small(id, big_id) is.
struct World;

impl Shapes for World {
    fn table(&self, name: &str) -> Option<Rc<Shape>> {
        let column = |name: &str, declared: &str| Column {
            name: name.into(),
            affinity: Affinity::of(declared),
            collation: "binary".into(),
        };
        let columns = match name.to_ascii_lowercase().as_str() {
            "big" => {
                vec![column("id", "INTEGER"), column("k", "TEXT"), column("v", "INTEGER"), column("parent", "INTEGER")]
            }
            "other" => vec![
                column("id", "INTEGER"),
                column("big_id", "INTEGER"),
                column("flag", "INTEGER"),
                Column { collation: "nocase".into(), ..column("name", "TEXT") },
            ],
            "small" => vec![column("id", "INTEGER"), column("big_id", "INTEGER"), column("label", "TEXT")],
            _ => return None,
        };
        Some(Rc::new(Shape { name: name.to_ascii_lowercase(), columns, rowid: true }))
    }

    fn view(&self, name: &str) -> Option<String> {
        match name {
            "open" => Some("CREATE VIEW open (number, text) AS SELECT id, k FROM big WHERE v > 0".into()),
            "sums" => Some("CREATE VIEW sums AS SELECT k, sum(v) AS total FROM big GROUP BY k".into()),
            "both" => Some("CREATE VIEW both AS SELECT id, v FROM big UNION ALL SELECT id, big_id FROM other".into()),
            _ => None,
        }
    }

    fn is_whole(&self, table: &str) -> bool {
        table == "small"
    }
}

fn shown(sql: &str) -> String {
    let Some(found) = reach(sql, &World) else { return "not told".into() };
    let mut text = String::new();
    for one in found {
        let _ = write!(text, "{}", one.table);
        match one.rows {
            None => text.push_str(": all"),
            Some(rows) => {
                for condition in rows.conditions {
                    let _ = write!(text, " [{condition}]");
                }
                if let Some(first) = rows.first {
                    let _ = write!(
                        text,
                        " first {} by {}{}",
                        first.count,
                        first.column,
                        if first.descending { " descending" } else { "" }
                    );
                }
                for equal in rows.equal {
                    match equal.values {
                        Values::Constants(values) => _ = write!(text, " {}={}", equal.column, values.join("|")),
                        Values::Query(query) => _ = write!(text, " {} in ({query})", equal.column),
                    }
                }
            }
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}

fn check(sql: &str, expected: &str) {
    assert_eq!(shown(sql), expected, "{sql}");
}

#[test]
fn constants_about_one_source_bound_it() {
    check("UPDATE big SET v = 1 WHERE id = 5", "big [id = 5] id=5");
    check(
        "DELETE FROM big WHERE id IN (1, 2) AND v > 3",
        "big [id IN (1, 2)] id=1|2 [v > 3]".replace(" id=1|2 [v > 3]", " [v > 3] id=1|2").as_str(),
    );
    check("SELECT * FROM big AS b WHERE 'x' = b.k OR b.v BETWEEN 1 AND 2", "big ['x' = b.k OR b.v BETWEEN 1 AND 2]");
    check("SELECT count(*) FROM big", "big: all");
    check("SELECT * FROM small", "");
    check("INSERT INTO big VALUES (1, 2, 3, 4)", "");
    check("SELECT * FROM big WHERE v < unixepoch() AND k = ?", "big: all");
    check("SELECT * FROM big WHERE \"nosuch\" = 1", "big: all");
}

#[test]
fn joins_bound_by_what_the_other_side_has() {
    check(
        "SELECT * FROM big b JOIN other o ON o.big_id = b.id WHERE b.id = 5",
        "big [b.id = 5] id=5\nother big_id in (SELECT DISTINCT `b`.`id` FROM `big` AS `b` WHERE (b.id = 5))",
    );
    check(
        "SELECT * FROM small s, big b WHERE b.id = s.big_id",
        "big id in (SELECT DISTINCT `s`.`big_id` FROM `small` AS `s`)",
    );
    check(
        "SELECT * FROM small s LEFT JOIN big b ON b.id = s.big_id WHERE b.v IS NULL",
        "big id in (SELECT DISTINCT `s`.`big_id` FROM `small` AS `s`)",
    );
    check("SELECT * FROM big b LEFT JOIN small s ON s.big_id = b.id AND b.v = 1", "big: all");
    check("SELECT * FROM small s RIGHT JOIN big b ON b.id = s.big_id WHERE b.id = 1", "big: all");
    check("SELECT * FROM small s JOIN big b USING (id)", "big id in (SELECT DISTINCT `s`.`id` FROM `small` AS `s`)");
    // They do not compare alike.
    check("SELECT * FROM small s JOIN other o ON o.name = s.label", "other: all");
}

#[test]
fn views_and_subqueries_are_looked_into() {
    check("SELECT * FROM open WHERE number = 3", "big [v > 0] [(id) = 3] id=3");
    check("SELECT * FROM sums WHERE k = 'a' AND total > 3", "big [(k) = 'a'] k='a'");
    check("SELECT * FROM both WHERE id = 3", "big [(id) = 3] id=3\nother [(id) = 3] id=3");
    check("SELECT * FROM (SELECT id, v FROM big LIMIT 3) WHERE id = 3", "big: all");
    check(
        "SELECT * FROM (SELECT id AS x FROM big) AS s JOIN small ON small.id = s.x",
        "big id in (SELECT DISTINCT `small`.`id` FROM `small` AS `small`)",
    );
    check("WITH c AS (SELECT id, k FROM big) SELECT * FROM c WHERE c.id = 4", "big [(id) = 4] id=4");
    check(
        "WITH c AS (SELECT big_id FROM small) DELETE FROM big WHERE id IN (SELECT big_id FROM c)",
        "big id in (WITH RECURSIVE c AS (SELECT big_id FROM small) SELECT big_id FROM c)",
    );
}

#[test]
fn subqueries_bound_and_are_bounded() {
    check(
        "SELECT * FROM big WHERE id IN (SELECT value FROM json_each('[1,2]'))",
        "big id in (SELECT value FROM json_each ('[1,2]'))",
    );
    check(
        "UPDATE big SET v = (SELECT max(flag) FROM other WHERE big_id = big.id) WHERE id = 1",
        "big [id = 1] id=1\nother big_id in (SELECT DISTINCT `big`.`id` FROM `big` AS `big` WHERE (id = 1))",
    );
    check("DELETE FROM big WHERE id = (SELECT max(big_id) FROM small)", "big id in (SELECT max (big_id) FROM small)");
    check("INSERT INTO small SELECT id, v, k FROM big WHERE k = 'a'", "big [k = 'a'] k='a'");
    check(
        "INSERT INTO big (id) VALUES (1) ON CONFLICT DO UPDATE SET v = (SELECT count(*) FROM other WHERE other.id = \
         excluded.id)",
        "other: all",
    );
    check(
        "UPDATE big SET v = s.id FROM small AS s WHERE s.big_id = big.id",
        "big id in (SELECT DISTINCT `s`.`big_id` FROM `small` AS `s`)",
    );
}

#[test]
fn a_limit_takes_the_first_rows_where_nothing_else_is_in_the_way() {
    check("SELECT * FROM big ORDER BY v DESC, id LIMIT 10 OFFSET 5", "big first 15 by v descending");
    check("SELECT id AS n FROM big AS b WHERE k > 'a' ORDER BY b.v LIMIT 3", "big [k > 'a'] first 3 by v");
    check(
        "DELETE FROM big WHERE id IN (SELECT id FROM big ORDER BY v LIMIT 2)",
        "big id in (SELECT id FROM big ORDER BY v LIMIT 2)\nbig first 2 by v",
    );
    check(
        "SELECT max(v) FROM big WHERE k = 'a'",
        "big [k = 'a'] [\"big\".\"v\" IS NOT NULL] first 1 by v descending k='a'",
    );
    check("SELECT * FROM open ORDER BY number LIMIT 3", "big [v > 0]");
    for other in [
        "WITH c AS (SELECT -v AS v FROM big) SELECT max(v) FROM c",
        "SELECT max(v), id FROM big",
        "SELECT max(v + 1) FROM big",
        "SELECT max(v) FILTER (WHERE k = 'a') FROM big",
        "SELECT * FROM big WHERE v < unixepoch() ORDER BY v LIMIT 3",
        "SELECT -v AS v FROM big ORDER BY v LIMIT 3",
        "SELECT DISTINCT v FROM big ORDER BY v LIMIT 3",
        "SELECT max(v) FROM big ORDER BY v LIMIT 3",
        "SELECT * FROM big ORDER BY abs(v) LIMIT 3",
        "SELECT * FROM big ORDER BY v COLLATE NOCASE LIMIT 3",
        "SELECT * FROM big ORDER BY v NULLS LAST LIMIT 3",
        "SELECT * FROM big LIMIT 3",
        "SELECT v, count(*) FROM big GROUP BY v ORDER BY v LIMIT 3",
    ] {
        check(other, "big: all");
    }
}

#[test]
fn recursion_is_followed_by_what_was_found_so_far() {
    check(
        "WITH RECURSIVE up(id) AS (SELECT 9 UNION ALL SELECT b.parent FROM big b JOIN up ON b.id = up.id WHERE \
         b.parent < b.id LIMIT 10) SELECT * FROM up",
        "big [b.parent < b.id] id in (WITH RECURSIVE up (id) AS (SELECT 9 UNION ALL SELECT b.parent FROM big b JOIN up \
         ON b.id = up.id WHERE b.parent < b.id LIMIT 10) SELECT DISTINCT `up`.`id` FROM `up` AS `up`)",
    );
    check(
        "WITH RECURSIVE up(id) AS (SELECT 7 UNION ALL SELECT big.parent FROM big JOIN up ON big.id = up.id) SELECT id \
         FROM up",
        "big id in (WITH RECURSIVE up (id) AS (SELECT 7 UNION ALL SELECT big.parent FROM big JOIN up ON big.id = \
         up.id) SELECT DISTINCT `up`.`id` FROM `up` AS `up`)",
    );
}

#[test]
fn commands_of_a_trigger_are_statements_with_constants() {
    let trigger = "CREATE TRIGGER t AFTER UPDATE ON small WHEN NEW.big_id > 0 BEGIN UPDATE big SET v = v + 1 WHERE id \
                   = NEW.big_id; DELETE FROM other WHERE big_id = old.\"big_id\"; END";
    let (columns, texts) = trigger_parts(trigger).unwrap();
    assert_eq!(columns, [("new".to_owned(), "big_id".to_owned()), ("old".to_owned(), "big_id".to_owned())]);
    let framed: Vec<String> = texts
        .iter()
        .map(|text| in_frame(text, &|row, _| Some(if row == "new" { "1" } else { "2" }.into())).unwrap())
        .collect();
    assert_eq!(framed, ["SELECT 1 > 0", "UPDATE big SET v = v + 1 WHERE id = 1", "DELETE FROM other WHERE big_id = 2"]);
}

#[test]
fn parameters_become_constants_where_there_are_any() {
    let value = |position: usize| (position != 2).then(|| format!("{position}.0"));
    assert_eq!(with_parameters("SELECT ?, '?' , ?2, ?", &value), "SELECT  1.0 , '?' , ?2,  3.0 ");
}
