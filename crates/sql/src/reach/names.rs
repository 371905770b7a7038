//! Sources, their columns, and which of them a name means.

use turso_parser::ast::{Expr, Name};

/// What SQLite makes of a value before it compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// INTEGER, REAL and NUMERIC compare alike.
    Numeric,
    /// TEXT.
    Text,
    /// BLOB or none.
    None,
}

impl Affinity {
    /// The affinity of a declared type (<https://www.sqlite.org/datatype3.html#determination_of_column_affinity>).
    pub fn of(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |part: &str| declared.contains(part);
        if has("INT") {
            Self::Numeric
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if declared.is_empty() || has("BLOB") || declared == "ANY" {
            Self::None
        } else {
            Self::Numeric
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its affinity.
    pub affinity: Affinity,
    /// Its collation, in lower case.
    pub collation: String,
}

/// A table's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Whether its rows have a rowid.
    pub rowid: bool,
}

/// How a value compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typing {
    /// As a column does.
    Column(Affinity, String),
    /// As a constant does: the other side decides.
    Plain,
    /// It is not known.
    Unknown,
}

impl Typing {
    /// How a column compares whose values come from two places.
    pub(super) fn merged(&self, other: &Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one.clone(),
            (Self::Plain, Self::Column(..)) => other.clone(),
            (Self::Column(..), Self::Plain) => self.clone(),
            _ => Self::Unknown,
        }
    }

    /// Whether values of `other` can be looked for in a column like this as constants.
    pub(super) fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Column(..), Self::Plain) => true,
            // A value without affinity takes that of the other side.
            (Self::Column(affinity, collation), Self::Column(other_affinity, other_collation)) => {
                (affinity == other_affinity || *other_affinity == Affinity::None) && collation == other_collation
            }
            _ => false,
        }
    }
}

/// A column of a source.
#[derive(Debug, Clone)]
pub(super) struct Output {
    pub name: String,
    pub typing: Typing,
    /// What computes it, in the scope of its SELECT.
    pub expr: Option<Expr>,
    /// Whether it is nothing but a column.
    pub plain: bool,
}

/// One source of a FROM.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The name that qualifies its columns.
    pub alias: String,
    /// How it stands in a FROM; `None` when no query can name it.
    pub text: Option<String>,
    /// Its columns; `None` when they are not known.
    pub columns: Option<Vec<Output>>,
    pub rowid: bool,
    /// What holds for its rows, as conditions of a query over copied rows.
    pub bounds: Vec<String>,
}

pub(super) fn shape_outputs(shape: &Shape) -> Vec<Output> {
    shape
        .columns
        .iter()
        .map(|column| Output {
            name: column.name.clone(),
            typing: Typing::Column(column.affinity, column.collation.clone()),
            expr: None,
            plain: true,
        })
        .collect()
}

impl Source {
    /// A row that no query can answer.
    pub(super) fn unlinked(alias: &str, shape: Option<&Shape>) -> Self {
        Self {
            alias: alias.to_owned(),
            text: None,
            columns: shape.map(shape_outputs),
            rowid: shape.is_some_and(|shape| shape.rowid),
            bounds: Vec::new(),
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<Typing> {
        let output = self.columns.as_ref()?.iter().find(|output| output.name.eq_ignore_ascii_case(name));
        match output {
            Some(output) => Some(output.typing.clone()),
            None if self.rowid && is_rowid(name) => Some(Typing::Column(Affinity::Numeric, "binary".into())),
            None => None,
        }
    }

    /// The query that answers the values of one of its columns.
    pub(super) fn values_of(&self, column: &str) -> Option<String> {
        let filter =
            if self.bounds.is_empty() { String::new() } else { format!(" WHERE ({})", self.bounds.join(") AND (")) };
        Some(format!(
            "SELECT DISTINCT {}.{} FROM {}{filter}",
            identifier(&self.alias),
            identifier(column),
            self.text.as_ref()?
        ))
    }
}

/// Whether a name can mean the rowid.
pub fn is_rowid(name: &str) -> bool {
    ["rowid", "_rowid_", "oid"].iter().any(|alias| alias.eq_ignore_ascii_case(name))
}

pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The sources that names can mean, from the inside out.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub sources: Vec<Source>,
    /// Names that its SELECT gives to columns of the answer: they come before those of scopes further out.
    pub aliases: Vec<String>,
    pub outer: Option<&'a Scope<'a>>,
}

/// What a name means.
#[derive(Debug, Clone)]
pub(super) struct Meaning {
    /// How many scopes further out.
    pub level: usize,
    pub source: usize,
    pub column: String,
    pub typing: Typing,
}

impl Scope<'_> {
    /// The column that an expression names, if it is nothing but that and there is no doubt.
    pub(super) fn column(&self, expr: &Expr) -> Option<Meaning> {
        let (qualifier, name) = match super::walk::bare(expr) {
            Expr::Id(name) | Expr::Name(name) => (None, name),
            Expr::Qualified(source, name) | Expr::DoublyQualified(_, source, name) => (Some(source), name),
            _ => return None,
        };
        self.find(qualifier, name, 0)
    }

    fn find(&self, qualifier: Option<&Name>, name: &Name, level: usize) -> Option<Meaning> {
        let mut found = None;
        for (index, source) in self.sources.iter().enumerate() {
            if qualifier.is_some_and(|qualifier| !source.alias.eq_ignore_ascii_case(qualifier.as_str())) {
                continue;
            }
            // It could be a column of a source that is not known.
            source.columns.as_ref()?;
            if let Some(typing) = source.find(name.as_str()) {
                if found.is_some() {
                    return None;
                }
                found = Some(Meaning { level, source: index, column: name.as_str().to_owned(), typing });
            } else if qualifier.is_some() {
                return None;
            }
        }
        match found {
            Some(meaning) => Some(meaning),
            None if qualifier.is_none()
                && self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name.as_str())) =>
            {
                None
            }
            None => self.outer?.find(qualifier, name, level + 1),
        }
    }

    /// The source that a meaning is in.
    pub(super) fn source(&self, meaning: &Meaning) -> Option<&Source> {
        let mut scope = self;
        for _ in 0..meaning.level {
            scope = scope.outer?;
        }
        scope.sources.get(meaning.source)
    }
}
