//! SELECT in many forms.

use crate::maker::{Made, Maker, total_order};
use crate::values::quoted;

impl Maker<'_> {
    pub(crate) fn read(&mut self) -> Option<Made> {
        self.begin(true);
        let table = self.table()?;
        let (name, key) = (table.name.clone(), table.key[0].clone());
        let column = self.dice.choose(&table.columns)?.name.clone();
        let other = self.table()?;
        let theirs = self.dice.choose(&other.columns)?.name.clone();
        let width = table.columns.len();
        Some(match self.dice.below(if self.narrow { 13 } else { 22 }) {
            0..=2 => {
                let sql = format!("SELECT * FROM {name} WHERE {}", self.by_key(&table, ""));
                self.end(sql)
            }
            3..=4 => {
                let sql = format!("SELECT {key}, {column} FROM {name} WHERE {}", self.condition(&table, ""));
                self.end(sql)
            }
            5 => {
                let join = self.dice.pick(&["JOIN", "LEFT JOIN"]);
                let sql = format!(
                    "SELECT a.*, b.{theirs} FROM {name} a {join} {} b ON b.{} = a.{column} WHERE {}",
                    other.name,
                    other.key[0],
                    self.condition(&table, "a.")
                );
                self.end(sql)
            }
            6 => match table
                .foreign_keys
                .first()
                .cloned()
                .and_then(|key| Some((self.model.table(&key.parent)?.clone(), key)))
            {
                Some((parent, foreign)) => {
                    let on: Vec<String> = foreign
                        .columns
                        .iter()
                        .zip(&foreign.parent_columns)
                        .map(|(from, to)| format!("p.{to} = c.{from}"))
                        .collect();
                    let on = if on.is_empty() { "1".into() } else { on.join(" AND ") };
                    let sql = format!(
                        "SELECT c.{column}, p.* FROM {name} c LEFT JOIN {} p ON {on} WHERE {}",
                        parent.name,
                        self.condition(&table, "c.")
                    );
                    self.end(sql)
                }
                None => {
                    let sql = format!(
                        "SELECT {} AS e FROM {name} WHERE {}",
                        self.expression(&table, ""),
                        self.condition(&table, "")
                    );
                    self.end(sql)
                }
            },
            7 => {
                let sql = format!(
                    "SELECT {key}, EXISTS (SELECT 1 FROM {0} o WHERE o.{1} = t.{column}) AS there FROM {name} t WHERE \
                     {2}",
                    other.name,
                    other.key[0],
                    self.condition(&table, "t.")
                );
                self.end(sql)
            }
            8 => {
                let sql = format!(
                    "WITH c AS (SELECT {key} AS k, {column} AS v FROM {name} WHERE {}) SELECT c.*, o.{theirs} FROM c \
                     LEFT JOIN {} o ON o.{} = c.v",
                    self.condition(&table, ""),
                    other.name,
                    other.key[0]
                );
                self.end(sql)
            }
            9 => {
                let sql = format!(
                    "SELECT {}, {} FROM {name} WHERE {}{} LIMIT {}",
                    self.expression(&table, ""),
                    self.expression(&table, ""),
                    self.condition(&table, ""),
                    total_order(&mut self.dice, 2),
                    self.dice.below(6)
                );
                self.end_ordered(sql)
            }
            10 => {
                let sql = format!(
                    "SELECT (SELECT {theirs} FROM {} WHERE {} LIMIT 1) AS one, {} AS two",
                    other.name,
                    self.by_key(&other, ""),
                    self.put_integer()
                );
                self.end(sql)
            }
            11 => {
                let sql = format!(
                    "SELECT {key} FROM {name} WHERE {} {} SELECT {theirs} FROM {} WHERE {}",
                    self.condition(&table, ""),
                    self.dice.pick(&["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]),
                    other.name,
                    self.condition(&other, "")
                );
                self.end(sql)
            }
            12 => {
                let values: Vec<String> = (0..4)
                    .map(|_| {
                        let value = self.dice.any();
                        self.put(&value)
                    })
                    .collect();
                let sql = format!(
                    "SELECT {0} AS a, typeof({0}) AS b, {1} IS {2} AS c, hex({3}) AS d",
                    values[0], values[1], values[2], values[3]
                );
                self.end(sql)
            }
            13 => {
                let sql = format!(
                    "SELECT {column}, count(*), min({key}), max({key}) FROM {name}{} GROUP BY {column} HAVING count(*) \
                     > {}",
                    self.where_clause(&table, ""),
                    self.dice.below(2)
                );
                self.end(sql)
            }
            14 => {
                let sql = format!(
                    "SELECT count(*), count({column}), count(DISTINCT {column}), min({column}), max({column}) FROM \
                     {name}{}",
                    self.where_clause(&table, "")
                );
                self.end(sql)
            }
            15 => {
                let sql = format!(
                    "SELECT {key}, row_number() OVER (ORDER BY {}) AS r, count(*) OVER (PARTITION BY {column}) AS c, \
                     lag({key}) OVER (ORDER BY {0}) AS l FROM {name}",
                    table.key.iter().map(|key| format!("{key} COLLATE BINARY")).collect::<Vec<_>>().join(", ")
                );
                self.end(sql)
            }
            16 => {
                let sql = format!(
                    "SELECT * FROM {name}{}{} LIMIT {} OFFSET {}",
                    self.where_clause(&table, ""),
                    total_order(&mut self.dice, width),
                    self.dice.between(1, 9),
                    self.dice.below(3)
                );
                self.end_ordered(sql)
            }
            17 => {
                let sql = format!(
                    "WITH RECURSIVE walk(k, depth) AS (SELECT {key}, 0 FROM {name} WHERE {} UNION SELECT t.{key}, \
                     depth + 1 FROM {name} t JOIN walk ON t.{column} = walk.k WHERE depth < 5) SELECT * FROM walk",
                    self.condition(&table, "")
                );
                self.end(sql)
            }
            18 => match self.dice.choose(&self.model.views).cloned() {
                Some(view) => {
                    let sql = format!("SELECT * FROM {}{}", view.name, total_order(&mut self.dice, view.columns.len()));
                    self.end_ordered(sql)
                }
                None => {
                    let sql = format!("SELECT DISTINCT {column} FROM {name}");
                    self.end(sql)
                }
            },
            19 => {
                let sql = format!(
                    "SELECT {key}, group_concat(quote({column}), ',') OVER (ORDER BY {0} ROWS BETWEEN 2 PRECEDING AND \
                     CURRENT ROW) AS g FROM {name}",
                    table.key.iter().map(|key| format!("{key} COLLATE BINARY")).collect::<Vec<_>>().join(", ")
                );
                self.end(sql)
            }
            20 => {
                let sql = format!(
                    "SELECT a.{key}, b.{} FROM {name} a CROSS JOIN {} b WHERE a.{column} = b.{theirs}",
                    other.key[0], other.name
                );
                self.end(sql)
            }
            _ => {
                let sql = format!("SELECT * FROM {name}{}", self.where_clause(&table, ""));
                self.end(sql)
            }
        })
    }

    /// What the schema says about itself.
    pub(crate) fn read_schema(&mut self) -> Option<Made> {
        let table = self.table()?;
        self.begin(false);
        let name = quoted(&table.name);
        let sql = match self.dice.below(7) {
            0 => "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND \
                  name NOT LIKE 'sqlite_%'"
                .into(),
            1 => format!("PRAGMA table_info({})", table.name),
            2 => format!("PRAGMA foreign_key_list({})", table.name),
            3 => format!("SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo({name})"),
            4 => format!("SELECT name, \"unique\", origin, partial FROM pragma_index_list({name})"),
            5 if !self.narrow => format!("PRAGMA foreign_key_check({})", table.name),
            _ => format!("SELECT count(*) FROM sqlite_master WHERE tbl_name = {name}"),
        };
        Some(self.end(sql))
    }
}
