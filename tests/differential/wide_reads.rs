//! SELECT over several tables, views and nested queries, mostly bounded by one source that reaches few rows.

use rusqlite::types::Value;

use crate::maker::{Made, Maker, total_order};
use crate::model::Table;
use crate::values::{literal, quoted};

/// Two columns that are compared: one of a table, one of another.
pub(crate) struct Link {
    pub own: String,
    pub other: Table,
    pub theirs: String,
}

/// A name in double quotes, whether it needs them or not.
fn in_quotes(name: &str) -> String {
    if name.starts_with('"') { name.to_owned() } else { format!("\"{name}\"") }
}

impl Maker<'_> {
    /// How a table may be joined: mostly along a foreign key, in either direction.
    pub(crate) fn link(&mut self, table: &Table) -> Option<Link> {
        let mut links: Vec<Link> = Vec::new();
        for key in &table.foreign_keys {
            if let (Some(parent), Some(own), Some(theirs)) =
                (self.model.table(&key.parent), key.columns.first(), key.parent_columns.first())
            {
                links.push(Link { own: own.clone(), other: parent.clone(), theirs: theirs.clone() });
            }
        }
        for child in &self.model.tables {
            for key in child.foreign_keys.iter().filter(|key| key.parent.eq_ignore_ascii_case(&table.name)) {
                if let (Some(theirs), Some(own)) = (key.columns.first(), key.parent_columns.first()) {
                    links.push(Link { own: own.clone(), other: child.clone(), theirs: theirs.clone() });
                }
            }
        }
        let place = self.dice.below(links.len() + 1);
        if place < links.len() && self.dice.percent(85) {
            return Some(links.swap_remove(place));
        }
        let other = self.table()?;
        let own = self.dice.choose(&table.columns)?.name.clone();
        let theirs = match self.dice.below(4) {
            0 => self.dice.choose(&other.columns)?.name.clone(),
            1 if other.column(&own).is_some() => own.clone(),
            _ => other.key[0].clone(),
        };
        Some(Link { own, other, theirs })
    }

    fn any_column(&mut self, table: &Table) -> String {
        self.dice.choose(&table.columns).map_or_else(|| "1".into(), |column| column.name.clone())
    }

    /// A second condition now and then.
    fn also(&mut self, table: &Table, alias: &str) -> String {
        if self.dice.percent(30) { format!(" AND {}", self.wide(table, alias)) } else { String::new() }
    }

    pub(crate) fn read_wide(&mut self) -> Option<Made> {
        self.begin(true);
        let table = self.table()?;
        let sql = match self.dice.below(if self.narrow { 22 } else { 27 }) {
            0..=1 => self.correlated(&table)?,
            2..=3 => self.anti_join(&table)?,
            4..=7 => self.joins(&table)?,
            8..=11 => self.filtered_view()?,
            12..=14 => self.derived(&table)?,
            15 => self.shadowing(&table)?,
            16..=17 => self.walk(&table)?,
            18 => self.row_values(&table)?,
            19 => self.listed(&table)?,
            20..=21 => self.spelled(&table)?,
            _ => self.outer_joins(&table)?,
        };
        Some(self.end(sql))
    }

    /// Subqueries in subqueries that name columns outside.
    fn correlated(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let far = self.link(&near.other)?;
        let (name, key) = (&table.name, &table.key[0]);
        let (inner, inmost) = (&near.other.name, &far.other.name);
        let of = self.any_column(&near.other);
        let bound = self.condition(table, "a.");
        let also = self.also(&near.other, "b.");
        Some(match self.dice.below(6) {
            0 => format!(
                "SELECT a.{key}, (SELECT count(*) FROM {inner} b WHERE b.{} = a.{}{also} AND EXISTS (SELECT 1 FROM \
                 {inmost} c WHERE c.{} = b.{})) AS many FROM {name} a WHERE {bound}",
                near.theirs, near.own, far.theirs, far.own
            ),
            1 => format!(
                "SELECT a.{key}, (SELECT max((SELECT min(c.{}) FROM {inmost} c WHERE c.{} = b.{})) FROM {inner} b \
                 WHERE b.{} = a.{}{also}) AS most FROM {name} a WHERE {bound}",
                far.other.key[0], far.theirs, far.own, near.theirs, near.own
            ),
            2 => format!(
                "SELECT a.* FROM {name} a WHERE {bound} AND a.{} IN (SELECT b.{} FROM {inner} b WHERE b.{} IN (SELECT \
                 c.{} FROM {inmost} c WHERE c.{} = b.{}))",
                near.own, near.theirs, far.own, far.theirs, far.theirs, far.own
            ),
            // The name of the answer is nearer than the column outside.
            3 => format!(
                "SELECT a.{key}, (SELECT count(*) FROM (SELECT b.{} AS {} FROM {inner} b WHERE b.{of} = {}{also})) AS \
                 many FROM {name} a WHERE {bound}",
                near.theirs, near.own, near.own
            ),
            4 => format!(
                "SELECT a.{key} FROM {name} a WHERE {bound} AND EXISTS (SELECT 1 FROM {inner} b, {inmost} c WHERE b.{} \
                 = a.{} AND c.{} = b.{}{also})",
                near.theirs, near.own, far.theirs, far.own
            ),
            _ => format!(
                "SELECT a.{key}, CASE WHEN EXISTS (SELECT 1 FROM {inner} b WHERE b.{} = a.{}) THEN (SELECT count(*) \
                 FROM {inmost} c WHERE c.{} = a.{}) ELSE -1 END AS many FROM {name} a WHERE {bound}",
                near.theirs, near.own, far.theirs, near.own
            ),
        })
    }

    /// Rows that have no partner.
    fn anti_join(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let far = self.link(&near.other)?;
        let (name, key, inner) = (&table.name, &table.key[0], &near.other.name);
        let bound = self.condition(table, "a.");
        let also = self.also(&near.other, "b.");
        Some(match self.dice.below(5) {
            0 => format!(
                "SELECT a.{key} FROM {name} a WHERE {bound} AND NOT EXISTS (SELECT 1 FROM {inner} b WHERE b.{} = \
                 a.{}{also})",
                near.theirs, near.own
            ),
            1 => format!(
                "SELECT a.{key} FROM {name} a WHERE {bound} AND a.{} NOT IN (SELECT b.{} FROM {inner} b WHERE {})",
                near.own,
                near.theirs,
                self.condition(&near.other, "b.")
            ),
            2 => format!(
                "SELECT a.* FROM {name} a LEFT JOIN {inner} b ON b.{} = a.{}{also} WHERE {bound} AND b.{} IS NULL",
                near.theirs, near.own, near.theirs
            ),
            3 => format!(
                "SELECT a.{key} FROM {name} a WHERE {bound} AND NOT EXISTS (SELECT 1 FROM {inner} b WHERE b.{} = a.{} \
                 AND NOT EXISTS (SELECT 1 FROM {} c WHERE c.{} = b.{}))",
                near.theirs, near.own, far.other.name, far.theirs, far.own
            ),
            _ => format!(
                "SELECT a.{key}, b.{} AS bk FROM {name} a LEFT JOIN {inner} b ON b.{} = a.{}{also} LEFT JOIN {} c ON \
                 c.{} = b.{} WHERE {bound} AND c.{} IS NULL",
                near.theirs, near.theirs, near.own, far.other.name, far.theirs, far.own, far.theirs
            ),
        })
    }

    /// Inner and left joins of three tables, with brackets and USING.
    fn joins(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let far = self.link(&near.other)?;
        let (name, key, inner, inmost) = (&table.name, &table.key[0], &near.other.name, &far.other.name);
        let (one, two) = (self.dice.pick(&["JOIN", "LEFT JOIN", "CROSS JOIN"]), self.dice.pick(&["JOIN", "LEFT JOIN"]));
        let bound = self.condition(table, "a.");
        let also = self.also(&near.other, "b.");
        let more = self.also(&far.other, "c.");
        let first = format!("b.{} = a.{}{also}", near.theirs, near.own);
        let second = format!("c.{} = b.{}{more}", far.theirs, far.own);
        let shown = format!("a.{key}, b.{} AS bk, c.{} AS ck", near.other.key[0], far.other.key[0]);
        Some(match self.dice.below(7) {
            0..=1 => format!(
                "SELECT {shown} FROM {name} a {one} {inner} b ON {first} {two} {inmost} c ON {second} WHERE {bound}"
            ),
            2 => format!(
                "SELECT {shown} FROM {name} a {one} ({inner} b {two} {inmost} c ON {second}) ON {first} WHERE {bound}"
            ),
            3 => format!("SELECT {shown} FROM {inmost} c, {inner} b, {name} a WHERE {first} AND {second} AND {bound}"),
            4 => format!(
                "SELECT {shown} FROM ({name} a {one} {inner} b ON {first}) {two} {inmost} c ON {second} AND a.{key} = \
                 b.{} WHERE {bound}",
                near.other.key[0]
            ),
            5 => {
                let both: Vec<&str> = table
                    .columns
                    .iter()
                    .map(|column| column.name.as_str())
                    .filter(|column| near.other.column(column).is_some())
                    .collect();
                let using = self.dice.choose(&both).copied().map(str::to_owned)?;
                format!(
                    "SELECT a.{key}, b.{} AS bk, {using} FROM {name} a {two} {inner} b USING ({using}) WHERE {bound}",
                    near.other.key[0]
                )
            }
            _ => format!(
                "SELECT {shown}, count(*) AS many FROM {name} a {one} {inner} b ON {first} {two} {inmost} c ON \
                 {second} WHERE {bound} GROUP BY 1, 2, 3"
            ),
        })
    }

    /// RIGHT, FULL and NATURAL joins, of which nothing is bounded.
    fn outer_joins(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let (name, key, inner) = (&table.name, &table.key[0], &near.other.name);
        let bound = self.condition(table, "a.");
        let shown = format!("a.{key}, b.{} AS bk", near.other.key[0]);
        let on = format!("b.{} = a.{}", near.theirs, near.own);
        Some(match self.dice.below(5) {
            0 => format!(
                "SELECT {shown} FROM {name} a RIGHT JOIN {inner} b ON {on} WHERE {}",
                self.condition(&near.other, "b.")
            ),
            1 => format!("SELECT {shown} FROM {name} a FULL JOIN {inner} b ON {on} WHERE {bound} OR a.{key} IS NULL"),
            2 => format!("SELECT {shown} FROM {name} a NATURAL JOIN {inner} b WHERE {bound}"),
            3 => format!("SELECT {shown} FROM {name} a NATURAL LEFT JOIN {inner} b WHERE {bound}"),
            _ => format!(
                "SELECT count(*) AS many FROM {name} a RIGHT JOIN {inner} b ON {on} AND {bound} WHERE a.{key} IS NULL"
            ),
        })
    }

    /// A condition on a column of something that answers rows, with a value that there is.
    fn filter_of(&mut self, name: &str, alias: &str, columns: &[String]) -> Option<String> {
        let column = self.dice.choose(columns)?.clone();
        let value =
            self.existing(name, std::slice::from_ref(&column)).and_then(|mut row| row.pop()).unwrap_or(Value::Null);
        let put = self.put(&value);
        let of = format!("{alias}{column}");
        Some(match (self.dice.below(14), &value) {
            (0, _) => format!("{of} IS {put}"),
            (1, _) => format!("{of} IN ({put}, {})", self.put_integer()),
            (2, _) => format!("{of} GLOB 'a*'"),
            (3, _) => format!("{of} COLLATE NOCASE = {put}"),
            (4, _) => format!("{of} BETWEEN {put} AND {put}"),
            (5, _) => format!("typeof({of}) = 'integer'"),
            (6, _) => format!("{of} IS {}", self.dice.pick(&["TRUE", "FALSE", "NOT NULL", "NOT TRUE"])),
            (7, _) => format!("{of} LIKE 'a%'"),
            (_, Value::Null) => format!("{of} IS NULL"),
            _ => format!("{of} = {put}"),
        })
    }

    /// Bounds from outside on what a view answers.
    fn filtered_view(&mut self) -> Option<String> {
        let view = self.dice.choose(&self.model.views).cloned()?;
        let (name, column) = (&view.name, self.dice.choose(&view.columns)?.clone());
        let filter = self.filter_of(name, "v.", &view.columns)?;
        Some(match self.dice.below(7) {
            0..=2 => format!("SELECT * FROM {name} v WHERE {filter}"),
            3 => {
                let and = self.filter_of(name, "v.", &view.columns)?;
                format!("SELECT count(*) AS many FROM {name} v WHERE {filter} AND {and}")
            }
            4 => {
                let table = self.table()?;
                let own = self.any_column(&table);
                let bound = self.condition(&table, "a.");
                format!(
                    "SELECT a.{}, v.* FROM {} a {} {name} v ON v.{column} = a.{own} WHERE {bound}",
                    table.key[0],
                    table.name,
                    self.dice.pick(&["JOIN", "LEFT JOIN"])
                )
            }
            5 => {
                let table = self.table()?;
                let own = self.any_column(&table);
                format!(
                    "SELECT a.{} FROM {} a WHERE a.{own} IN (SELECT v.{column} FROM {name} v WHERE {filter}) AND {}",
                    table.key[0],
                    table.name,
                    self.condition(&table, "a.")
                )
            }
            _ => {
                let width = view.columns.len();
                let order = total_order(&mut self.dice, width);
                format!("SELECT * FROM (SELECT * FROM {name} v{order} LIMIT 20) v WHERE {filter}")
            }
        })
    }

    /// The same of a subquery.
    fn derived(&mut self, table: &Table) -> Option<String> {
        let (name, key) = (&table.name, &table.key[0]);
        let (column, near) = (self.any_column(table), self.link(table)?);
        let (other, theirs) = (&near.other.name, &near.theirs);
        let bound = self.condition(table, "");
        let (inner, columns): (String, Vec<&str>) = match self.dice.below(8) {
            0 => (
                format!("SELECT {column} AS c, count(*) AS many, max({key}) AS top FROM {name} GROUP BY {column}"),
                vec!["c", "c", "many", "top"],
            ),
            1 => (format!("SELECT DISTINCT {column} AS c, {key} AS k FROM {name}"), vec!["c", "k"]),
            2 => (
                format!("SELECT {} AS c, {key} AS k FROM {name} UNION ALL SELECT {theirs}, 1 FROM {other}", near.own),
                vec!["c", "k"],
            ),
            3 => {
                let operator = self.dice.pick(&["UNION", "EXCEPT", "INTERSECT"]);
                (format!("SELECT {} AS c FROM {name} {operator} SELECT {theirs} FROM {other}", near.own), vec!["c"])
            }
            4 => (
                format!("SELECT {key} AS k, {column} AS c, count(*) OVER (PARTITION BY {column}) AS many FROM {name}"),
                vec!["k", "c", "c", "many"],
            ),
            5 => (
                format!(
                    "SELECT {column} AS c, count(*) AS many, sum(count(*)) OVER () AS total FROM {name} GROUP BY \
                     {column}"
                ),
                vec!["c", "many"],
            ),
            6 => (
                format!(
                    "SELECT t.{key} AS k, o.{theirs} AS c FROM {name} t LEFT JOIN {other} o ON o.{theirs} = t.{}",
                    near.own
                ),
                vec!["k", "c"],
            ),
            _ => (
                format!("SELECT {} AS c, {key} AS k FROM {name} WHERE {bound}", self.expression(table, "")),
                vec!["c", "k"],
            ),
        };
        let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
        // Values can be looked up only in what has no parameters.
        let filter = if inner.contains('?') {
            format!("q.{} IS NOT NULL", columns[0])
        } else {
            self.filter_of(&format!("({inner})"), "q.", &columns)?
        };
        Some(if self.dice.percent(75) {
            format!("SELECT * FROM ({inner}) AS q WHERE {filter}")
        } else {
            format!(
                "WITH q AS {}({inner}) SELECT q.*, a.{key} AS ak FROM q JOIN {name} a ON a.{column} = q.c WHERE \
                 {filter}",
                self.dice.pick(&["", "MATERIALIZED ", "NOT MATERIALIZED "])
            )
        })
    }

    /// A common table expression with the name of a table, next to a view that means the table.
    fn shadowing(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let (name, other) = (&table.name, &near.other);
        if other.name == *name {
            return None;
        }
        let columns: Vec<String> = (0..2).map(|_| self.any_column(other)).collect();
        let bound = self.condition(other, "");
        let view = self.dice.choose(&self.model.views).cloned();
        Some(match (view, self.dice.below(3)) {
            (Some(view), 0) => {
                let column = self.dice.choose(&view.columns)?;
                format!(
                    "WITH {name}(k, c) AS (SELECT {}, {} FROM {} WHERE {bound}) SELECT * FROM {name} x JOIN {} v ON \
                     v.{column} = x.k",
                    columns[0], columns[1], other.name, view.name
                )
            }
            (_, 1) => format!(
                "WITH {name}(k, c) AS (SELECT {}, {} FROM {} WHERE {bound}), y AS (SELECT k FROM {name} WHERE k IS NOT \
                 NULL) SELECT * FROM y WHERE k IN (SELECT c FROM {name})",
                columns[0], columns[1], other.name
            ),
            _ => format!(
                "SELECT * FROM (WITH {name} AS (SELECT * FROM {} WHERE {bound}) SELECT * FROM {name}) AS q",
                other.name
            ),
        })
    }

    /// Up or down along references.
    fn walk(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let (name, key) = (&table.name, &table.key[0]);
        let bound = self.condition(table, "");
        let depth = self.dice.between(1, 4);
        let union = self.dice.pick(&["UNION", "UNION ALL"]);
        Some(match self.dice.below(3) {
            0 => format!(
                "WITH RECURSIVE w(k, d) AS (SELECT {}, 0 FROM {name} WHERE {bound} {union} SELECT t.{}, d + 1 FROM \
                 {name} t JOIN w ON t.{key} = w.k WHERE d < {depth}) SELECT DISTINCT * FROM w",
                near.own, near.own
            ),
            1 => format!(
                "WITH RECURSIVE w(k, d) AS (SELECT {key}, 0 FROM {name} WHERE {bound} UNION SELECT t.{key}, d + 1 FROM \
                 w, {name} t WHERE t.{} = w.k AND d < {depth}) SELECT w.k, w.d, o.{} AS o FROM w LEFT JOIN {} o ON \
                 o.{} = w.k",
                near.own, near.theirs, near.other.name, near.theirs
            ),
            _ => format!(
                "SELECT {key} FROM {name} WHERE {key} IN (WITH RECURSIVE w(k) AS (SELECT {key} FROM {name} WHERE \
                 {bound} UNION SELECT t.{} FROM {name} t JOIN w ON w.k = t.{key}) SELECT k FROM w)",
                near.own
            ),
        })
    }

    fn row_values(&mut self, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let (name, key, column) = (&table.name, &table.key[0], self.any_column(table));
        let pair = [key.clone(), column.clone()];
        let found = self.existing(name, &pair)?;
        let (one, two) = (self.put(&found[0]), self.put(&found[1]));
        let bound = self.condition(table, "a.");
        Some(match self.dice.below(4) {
            0 => format!("SELECT * FROM {name} a WHERE (a.{key}, a.{column}) = ({one}, {two})"),
            1 => format!(
                "SELECT * FROM {name} a WHERE (a.{key}, a.{column}) IN (VALUES ({one}, {two}), ({}, {two}))",
                self.put_integer()
            ),
            2 => format!(
                "SELECT a.{key} FROM {name} a WHERE {bound} AND (a.{}, 1) IN (SELECT b.{}, 1 FROM {} b WHERE {})",
                near.own,
                near.theirs,
                near.other.name,
                self.condition(&near.other, "b.")
            ),
            _ => format!("SELECT a.{key} FROM {name} a WHERE {bound} AND (a.{key}, a.{column}) >= ({one}, {two})"),
        })
    }

    /// Rows by a list that is JSON.
    fn listed(&mut self, table: &Table) -> Option<String> {
        let (name, key) = (&table.name, &table.key[0]);
        let mut values: Vec<String> = Vec::new();
        for _ in 0..self.dice.between(1, 4) {
            match self.existing(name, std::slice::from_ref(key))?.swap_remove(0) {
                Value::Integer(number) => values.push(number.to_string()),
                Value::Text(text) if !text.contains('\0') => values.push(serde_json::Value::from(text).to_string()),
                other => values.push(if matches!(other, Value::Null) { "null".into() } else { "1.5".into() }),
            }
        }
        let list = self.put(&Value::Text(format!("[{}]", values.join(","))));
        Some(match self.dice.below(3) {
            0 => format!("SELECT * FROM {name} WHERE {key} IN (SELECT value FROM json_each({list}))"),
            1 => format!("SELECT a.*, j.key AS place FROM json_each({list}) j JOIN {name} a ON a.{key} = j.value"),
            _ => format!(
                "SELECT j.value, EXISTS (SELECT 1 FROM {name} a WHERE a.{key} = j.value) AS there FROM \
                 json_each({list}) AS j"
            ),
        })
    }

    /// The same table by other spellings.
    fn spelled(&mut self, table: &Table) -> Option<String> {
        let (name, key, column) =
            (in_quotes(&table.name), in_quotes(&table.key[0]), in_quotes(&self.any_column(table)));
        let found = self.existing(&table.name, &table.key[..1])?;
        let value = self.put(&found[0]);
        let text = found.first().map(literal).filter(|text| text.starts_with('\'') && !text.contains(['"', '\0']));
        Some(match self.dice.below(5) {
            0 => format!("SELECT {name}.{key}, {name}.{column} FROM {name} WHERE {name}.{key} = {value}"),
            1 => format!("SELECT main.{name}.{column} FROM main.{name} WHERE main.{name}.{key} IS {value}"),
            2 => format!(
                "SELECT \"a b\".{column} AS \"x y\" FROM {} AS \"a b\" WHERE \"A B\".{key} == {value}",
                table.name.to_uppercase()
            ),
            3 => match text {
                // What is no column is a text.
                Some(text) => format!(
                    "SELECT {column} FROM {name} WHERE {key} = \"{}\"",
                    text.trim_matches('\'').replace("''", "'")
                ),
                None => format!("SELECT {column} FROM {name} WHERE {value} = {key}"),
            },
            _ => format!(
                "SELECT {column} FROM {name} WHERE {key} = CAST({value} AS {}) OR {key} = {}",
                self.dice.pick(&["TEXT", "INTEGER", "NUMERIC"]),
                quoted("none such")
            ),
        })
    }
}
