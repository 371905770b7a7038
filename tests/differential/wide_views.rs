//! Views over views and over several tables, and triggers that read large tables.

use crate::maker::Maker;
use crate::model::Table;

impl Maker<'_> {
    pub(crate) fn create_wide_view(&mut self, name: &str, table: &Table) -> Option<String> {
        let near = self.link(table)?;
        let (of, key, other) = (&table.name, &table.key[0], &near.other.name);
        let column = self.dice.choose(&table.columns)?.name.clone();
        let below = self.dice.choose(&self.model.views).cloned();
        Some(match (self.dice.below(9), below) {
            (0 | 1, Some(below)) => {
                let first = &below.columns[0];
                let last = below.columns.last()?;
                format!(
                    "CREATE VIEW {name} (a, b) AS SELECT {first}, {last} FROM {} WHERE {first} IS NOT NULL",
                    below.name
                )
            }
            (2, Some(below)) => format!(
                "CREATE VIEW {name} AS SELECT t.{key} AS k, w.* FROM {of} t LEFT JOIN {} w ON w.{} = t.{column}",
                below.name, below.columns[0]
            ),
            (3, _) => format!(
                "CREATE VIEW {name} AS SELECT {} AS c, 1 AS part FROM {of} UNION ALL SELECT {}, 2 FROM {other}",
                near.own, near.theirs
            ),
            (4, _) => format!(
                "CREATE VIEW {name} AS SELECT {} AS c FROM {of} {} SELECT {} FROM {other}",
                near.own,
                self.dice.pick(&["UNION", "EXCEPT", "INTERSECT"]),
                near.theirs
            ),
            (5, _) => format!("CREATE VIEW {name} AS SELECT DISTINCT {column} AS c, {} AS o FROM {of}", near.own),
            (6, _) => format!(
                "CREATE VIEW {name} AS SELECT {key} AS k, {column} AS c, row_number() OVER (PARTITION BY {column} \
                 ORDER BY {key} COLLATE BINARY) AS place FROM {of}"
            ),
            (7, _) => format!(
                "CREATE VIEW {name} AS SELECT t.{key} AS k, (SELECT count(*) FROM {other} o WHERE o.{} = t.{}) AS many \
                 FROM {of} t",
                near.theirs, near.own
            ),
            (8, _) => format!(
                "CREATE VIEW {name} AS SELECT {column} AS c, {key} AS k FROM {of} ORDER BY {key} COLLATE BINARY DESC \
                 LIMIT 5"
            ),
            _ => format!(
                "CREATE VIEW {name} AS WITH c AS (SELECT {key} AS k, {} AS o FROM {of}) SELECT c.k, b.{} AS bk FROM c \
                 JOIN {other} b ON b.{} = c.o",
                near.own, near.other.key[0], near.theirs
            ),
        })
    }

    /// A statement of a trigger that reads rows by a value of the row that changes.
    pub(crate) fn wide_trigger_statement(&mut self, trigger: &str, table: &Table, value: &str) -> Option<String> {
        let near = self.link(table)?;
        let (other, key) = (&near.other, near.other.key[0].clone());
        let column = self.dice.choose(&other.writable()).map(|column| column.name.clone())?;
        let view = self.dice.choose(&self.model.views).cloned();
        Some(match (self.dice.below(4), view) {
            (0, Some(view)) => self
                .note(trigger, &format!("(SELECT count(*) FROM {} WHERE {} = {value})", view.name, view.columns[0]))?,
            (1, _) => format!(
                "UPDATE {} SET {column} = (SELECT count(*) FROM {} x WHERE x.{} = {value}) WHERE {key} = {value}",
                other.name, table.name, near.own
            ),
            (2, _) => format!(
                "DELETE FROM {} WHERE {} = {value} AND NOT EXISTS (SELECT 1 FROM {} x WHERE x.{} = {value})",
                other.name, near.theirs, table.name, near.own
            ),
            _ => self.note(
                trigger,
                &format!("(SELECT max(b.{column}) FROM {} b WHERE b.{} = {value})", other.name, near.theirs),
            )?,
        })
    }
}
