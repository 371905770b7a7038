//! Row images from the engine: triggers that note each row before it is first touched.
//!
//! A trigger writes the row's identity and its image as it was into one table; after the statement the rows are looked
//! up as they are then. So whatever changed them is covered alike: the statement, a user's trigger, a foreign-key
//! action. A conflict that is resolved by REPLACE removes rows without firing delete triggers, so every row that a new
//! one could collide with is noted as a candidate before; a candidate that is still the same afterwards was not
//! touched.
//!
//! The last-made trigger of a kind fires first (observed on this engine), so these are made last: they see rows before
//! any other trigger changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::catalog::{Catalog, PREFIX, TOUCHED, Table, tables};
use super::cells::{MAX_CELL_BYTES, balanced, identifier, image, list, literal};
use super::checks;
use super::database::Database;
use super::failure::{Failure, unreadable};
use super::rehearse::not_rehearsable;
use crate::domain::effect::{Effect, Image};
use crate::domain::limits::MAX_STATEMENT_BYTES;
use dryrun_text::cut_with_count;

/// Makes the gateway's own tables and the triggers on all tables of agents.
pub fn install(database: &Database, catalog: &Catalog) -> Result<(), Failure> {
    database.execute(
        &format!(
            "CREATE TABLE IF NOT EXISTS {TOUCHED} (n INTEGER PRIMARY KEY, name TEXT, key TEXT, image \
                               TEXT, differs TEXT)"
        ),
        &[],
    )?;
    for table in checks::TABLES {
        database.execute(&format!("CREATE TABLE IF NOT EXISTS {table}"), &[])?;
    }
    database
        .execute("INSERT INTO _dryrun_state SELECT 0, 0, '' WHERE NOT EXISTS (SELECT 1 FROM _dryrun_state)", &[])?;
    for name in tables(database)? {
        install_on(database, &name, false)?;
    }
    checks::install(database, catalog)?;
    forget_inserts(database)
}

/// Makes the triggers on one table, so that they fire before all that it has. `replaces`: a statement is to run that
/// can remove rows by REPLACE.
pub fn install_on(database: &Database, name: &str, replaces: bool) -> Result<(), Failure> {
    let table = Table::read(database, name)?;
    if (table.rowid.is_none() && table.primary_key().is_empty()) || !fits(&table) {
        // Its rows cannot be told apart, or not be told of; writes to it are refused.
        return Ok(());
    }
    for (suffix, statement) in triggers(&table, replaces) {
        let trigger = identifier(&format!("{PREFIX}{suffix}_{}", table.name));
        database.execute(&format!("DROP TRIGGER IF EXISTS {trigger}"), &[])?;
        database.execute(&format!("CREATE TRIGGER {trigger} {statement}"), &[])?;
    }
    Ok(())
}

/// Whether the triggers on a table are no longer than a statement may be. They name every column more than once.
pub fn fits(table: &Table) -> bool {
    let names = table.column_names();
    let keys = if table.rowid.is_none() { table.primary_key().len() * BYTES_A_KEY_COLUMN } else { 0 };
    let about = keys + names.iter().map(|name| BYTES_A_COLUMN + TIMES_A_NAME * name.len()).sum::<usize>();
    let room = MAX_STATEMENT_BYTES - TIMES_A_NAME * table.name.len().min(MAX_STATEMENT_BYTES / TIMES_A_NAME);
    // A row is also looked up by its key, which is written out once more.
    let longest = || {
        triggers(table, true)
            .into_iter()
            .map(|(_, statement)| statement.len())
            .chain([key(table, "x").len() + image("x", &names).len() + keys])
            .max()
    };
    about < room || longest().is_none_or(|longest| longest < room)
}

/// Why a table that does not fit cannot be written.
pub fn untellable(name: &str) -> Failure {
    not_rehearsable(
        &format!("A change of rows of {name}, whose columns have too many and too long names to be reported,"),
        "Leave it out of the dry run.",
    )
}

/// More than a trigger says about a column, and more often than it names one: a table with few or short names need not
/// be written out to be measured.
const BYTES_A_COLUMN: usize = 900;
const TIMES_A_NAME: usize = 40;
/// The same of a column of the key of a table without rowids.
const BYTES_A_KEY_COLUMN: usize = 3_000;

/// Takes the triggers away from a STRICT table that a REPLACE needed.
pub fn relax(database: &Database, name: &str) -> Result<(), Failure> {
    for suffix in ["before_insert", "before_update"] {
        database
            .execute(&format!("DROP TRIGGER IF EXISTS {}", identifier(&format!("{PREFIX}{suffix}_{name}"))), &[])?;
    }
    Ok(())
}

/// So that `last_insert_rowid()` does not tell of rows that the gateway copied.
pub fn forget_inserts(database: &Database) -> Result<(), Failure> {
    database.execute(&format!("INSERT INTO {TOUCHED} (n) VALUES (0)"), &[])?;
    clear(database)
}

/// Takes the triggers away.
pub fn remove(database: &Database) -> Result<(), Failure> {
    let names = database
        .run("SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, 8) = '_dryrun_'", &[])?;
    for name in names.iter().filter_map(|row| row.text(0)) {
        database.execute(&format!("DROP TRIGGER {}", identifier(&name)), &[])?;
    }
    Ok(())
}

/// Takes everything away that the gateway, or the local simulator of the platform, put into the schema. To be undone
/// afterwards.
pub fn hide(database: &Database) -> Result<(), Failure> {
    remove(database)?;
    let names = database.run(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND (substr(name, 1, 8) = '_dryrun_' \
                              OR substr(name, 1, 12) = '__miniflare_')",
        &[],
    )?;
    for name in names.iter().filter_map(|row| row.text(0)) {
        database.execute(&format!("DROP TABLE {}", identifier(&name)), &[])?;
    }
    Ok(())
}

/// The expression that identifies a row: its rowid, or the values of its primary key. Spellings that are one key (under
/// NOCASE, or 1 and 1.0) give one identity.
pub fn key(table: &Table, row: &str) -> String {
    let Some(rowid) = table.rowid else {
        let values: Vec<String> = table
            .primary_key()
            .iter()
            .map(|column| {
                let value = format!("{row}.{}", identifier(column));
                let collation = table
                    .key_index
                    .iter()
                    .find(|(other, _)| other == column)
                    .map_or("BINARY", |(_, collation)| collation.as_str());
                let value = match collation.to_ascii_uppercase().as_str() {
                    "NOCASE" => format!("CASE typeof({value}) WHEN 'text' THEN lower({value}) ELSE {value} END"),
                    "RTRIM" => format!("CASE typeof({value}) WHEN 'text' THEN rtrim({value}, ' ') ELSE {value} END"),
                    _ => value,
                };
                format!(
                    "(CASE WHEN typeof({value}) = 'real' AND {value} = CAST({value} AS INTEGER) THEN CAST({value} \
                         AS INTEGER) ELSE {value} END)"
                )
            })
            .collect();
        return list(&values);
    };
    format!("CAST({row}.{rowid} AS TEXT)")
}

/// The rows that a new row could collide with.
pub fn collisions(table: &Table, new: &str) -> Vec<String> {
    let mut collisions: Vec<String> = table
        .unique
        .iter()
        .chain(&table.partly_unique)
        .map(|columns| {
            let equal: Vec<String> = columns
                .iter()
                .map(|(column, collation)| {
                    // A NULL that REPLACE finds becomes the default, whatever that is by then.
                    let replaced = table.column(column).is_some_and(|column| column.replaces_null);
                    let column = identifier(column);
                    let unless = if replaced { format!("{new}.{column} IS NULL OR ") } else { String::new() };
                    format!("({unless}x.{column} = {new}.{column} COLLATE {})", identifier(collation))
                })
                .collect();
            format!("({})", equal.join(" AND "))
        })
        .collect();
    if let Some(rowid) = table.rowid {
        collisions.push(format!("x.{rowid} = {new}.{rowid}"));
    }
    collisions
}

fn triggers(table: &Table, replaces: bool) -> Vec<(&'static str, String)> {
    let (name, quoted) = (literal(&table.name), identifier(&table.name));
    let columns = table.column_names();
    let into = format!("INSERT INTO {TOUCHED} (name, key, image)");
    let note = |row: &str| format!("{into} VALUES ({name}, {}, {});", key(table, row), image(row, &columns));
    let new = |differs: &str| {
        format!("INSERT INTO {TOUCHED} (name, key, differs) VALUES ({name}, {}, {differs});", key(table, "NEW"))
    };
    // A field too long for an image is compared here, where both values are at hand.
    let differs: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !column.uncomputed)
        .map(|column| {
            let (name, value) = (literal(&format!("{}\n", column.name)), identifier(&column.name));
            format!(
                "(CASE WHEN octet_length(NEW.{value}) > {MAX_CELL_BYTES} AND CAST(OLD.{value} AS BLOB) IS NOT \
                     CAST(NEW.{value} AS BLOB) THEN {name} ELSE '' END)"
            )
        })
        .collect();
    let differs = balanced(differs);
    let candidates = collisions(table, "NEW").join(" OR ");
    let candidates = format!(
        "{into} SELECT {name}, {}, {} FROM {quoted} AS x WHERE {candidates};",
        key(table, "x"),
        image("x", &columns)
    );
    // While rows are copied, nothing is noted.
    let unless = "WHEN (SELECT mode FROM _dryrun_state) < 3";
    let mut triggers = vec![
        ("after_insert", format!("AFTER INSERT ON {quoted} {unless} BEGIN {} END", new("'*'"))),
        // Two, because two images of a wide row in one would be longer than a statement may be.
        ("after_update", format!("AFTER UPDATE ON {quoted} {unless} BEGIN {} END", new(&differs))),
        ("before", format!("AFTER UPDATE ON {quoted} {unless} BEGIN {} END", note("OLD"))),
        ("after_delete", format!("AFTER DELETE ON {quoted} {unless} BEGIN {} END", note("OLD"))),
    ];
    // SQLite looks at the types of a STRICT row earlier when there is a trigger before it, so another error would come
    // first.
    if !table.strict || replaces {
        triggers.push(("before_insert", format!("BEFORE INSERT ON {quoted} {unless} BEGIN {candidates} END")));
        // A cascade and an agent's trigger can touch a row under its new key before the row itself tells of it.
        let comes = table.rowid.map(|rowid| {
            format!(
                " INSERT INTO {TOUCHED} (name, key) SELECT {name}, CAST(NEW.{rowid} AS TEXT) WHERE NEW.{rowid} <> OLD.{rowid} \
                 AND NOT EXISTS (SELECT 1 FROM {quoted} AS x WHERE x.{rowid} = NEW.{rowid});"
            )
        });
        let comes = comes.unwrap_or_default();
        triggers.push(("before_update", format!("BEFORE UPDATE ON {quoted} {unless} BEGIN {candidates}{comes} END")));
    }
    triggers
}

/// Turns the notes behind the first `noted` into effects; answers how many there are.
pub fn collect(
    database: &Database,
    store: &str,
    noted: &mut u64,
    known: &mut BTreeMap<String, Rc<Table>>,
) -> Result<(u64, Vec<Effect>), Failure> {
    let rows = database.run(
        &format!("SELECT name, key, image, n, differs FROM {TOUCHED} WHERE n > ? ORDER BY n"),
        &[(*noted).into()],
    )?;
    let mut differing: BTreeMap<(String, String), String> = BTreeMap::new();
    for row in rows.iter() {
        if let Some(differs) = row.text(4).filter(|differs| !differs.is_empty()) {
            differing
                .entry((row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default()))
                .or_default()
                .push_str(&differs);
        }
    }
    let mut effects = Vec::new();
    let mut seen = BTreeSet::new();
    let mut described: Option<Rc<Table>> = None;
    for row in rows.iter() {
        *noted = row.count(3);
        let (name, key) = (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default());
        if described.as_ref().is_none_or(|table| table.name != name) {
            let table = match known.get(&name) {
                Some(table) => table.clone(),
                None => Rc::new(Table::read(database, &name)?),
            };
            known.insert(name.clone(), table.clone());
            described = Some(table);
        }
        let Some(table) = &described else { continue };
        if seen.contains(&(name.clone(), key.clone())) {
            continue;
        }
        let found = look_up(database, table, &key)?;
        // Two spellings can be one key, under a collation or as 1 and 1.0: the row says how it is spelled now.
        let spelled = found.as_ref().map_or_else(|| key.clone(), |(_, spelled)| spelled.clone());
        seen.insert((name.clone(), key.clone()));
        if spelled != key && !seen.insert((name.clone(), spelled)) {
            continue;
        }
        let before = row.text(2).map(|text| parse(&text)).transpose()?;
        let mut after = found.map(|(text, _)| parse(&text)).transpose()?;
        if let (Some(_), Some(after), Some(differs)) =
            (&before, &mut after, differing.get(&(name.clone(), key.clone())))
        {
            mark_long(after, differs);
        }
        let label = label(table, before.as_ref().or(after.as_ref()));
        let mut effect = Effect {
            store: store.to_owned(),
            subject: name,
            key,
            label,
            statement: None,
            renamed_from: None,
            before,
            after,
        };
        if effect.change().is_some() {
            // Compared whole, kept short: an effect is a row in the journal, and that holds 2 MB.
            shorten_images(&mut effect);
            effects.push(effect);
        }
    }
    Ok((rows.count(), effects))
}

/// Marks the fields that are too long for an image and differ: all of them when the row was written anew.
fn mark_long(image: &mut Image, differs: &str) {
    for (name, value) in image.iter_mut() {
        if (differs.contains('*') || differs.lines().any(|differing| differing == name))
            && let Some(long) = value.as_object_mut().filter(|long| long.contains_key("bytes"))
        {
            long.insert("changed".into(), true.into());
        }
    }
}

/// Longest text of a field that an effect keeps whole, in characters. A hundred fields of it fit a row.
const MAX_FIELD_CHARS: usize = 4_000;

/// Cuts the long fields of an effect.
pub fn shorten_images(effect: &mut Effect) {
    for image in [&mut effect.before, &mut effect.after].into_iter().flatten() {
        image.values_mut().for_each(shorten);
    }
}

/// Cuts a long field, leaving the digest of what was cut.
pub fn shorten(value: &mut Value) {
    let long = value.as_str().filter(|text| text.len() > MAX_FIELD_CHARS).map(|text| {
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        format!("{} (SHA-256 {digest})", cut_with_count(text, MAX_FIELD_CHARS))
    });
    if let Some(long) = long {
        *value = long.into();
    }
    let long = value.get("blob").and_then(Value::as_str).filter(|blob| blob.len() > MAX_FIELD_CHARS).map(str::to_owned);
    if let (Some(blob), Some(fields)) = (long, value.as_object_mut()) {
        fields.insert("blob".into(), cut_with_count(&blob, MAX_FIELD_CHARS).into());
        fields.insert("sha256_of_hex".into(), hex::encode(Sha256::digest(blob.as_bytes())).into());
    }
}

/// Removes the notes.
pub fn clear(database: &Database) -> Result<(), Failure> {
    Ok(database.execute(&format!("DELETE FROM {TOUCHED}"), &[])?)
}

/// How people know a row: by its primary key, where that is not the rowid itself.
pub fn label(table: &Table, image: Option<&Image>) -> Option<String> {
    if table.rowid_alias().is_some() {
        return None;
    }
    let key = table.primary_key();
    if key.is_empty() {
        return None;
    }
    // A comma inside a value is not one between values.
    let plain = |text: &&str| key.len() == 1 || !text.contains(',');
    let values: Vec<String> = key
        .iter()
        .filter_map(|column| image?.get(column))
        .map(|value| value.as_str().filter(plain).map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    Some(values.join(", "))
}

/// A row as it is now, and its key as it is spelled now.
fn look_up(database: &Database, table: &Table, key: &str) -> Result<Option<(String, String)>, Failure> {
    let columns = table.column_names();
    let select =
        format!("SELECT {}, {} FROM {} AS x", image("x", &columns), self::key(table, "x"), identifier(&table.name));
    let rows = match table.rowid {
        Some(rowid) => database.run(&format!("{select} WHERE x.{rowid} = CAST(? AS INTEGER)"), &[key.into()])?,
        None => {
            let values: Vec<Value> = serde_json::from_str(key).map_err(|error| unreadable("a key", &error))?;
            let equal: Vec<String> = table
                .primary_key()
                .iter()
                .zip(&values)
                .map(|(column, value)| format!("x.{} = {}", identifier(column), constant(value)))
                .collect();
            database.run(&format!("{select} WHERE {}", equal.join(" AND ")), &[])?
        }
    };
    Ok(rows.first().and_then(|row| row.text(0).zip(row.text(1))))
}

/// A value of a key as an SQL constant.
pub fn constant(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('\0') => format!("CAST(x'{}' AS TEXT)", hex::encode(text)),
        Value::String(text) => literal(text),
        Value::Object(object) => {
            match (object.get("blob").and_then(Value::as_str), object.get("real").and_then(Value::as_str)) {
                (Some(blob), _) => format!("x'{blob}'"),
                (_, Some(real)) if real.starts_with('-') => "-9e999".into(),
                _ => "9e999".into(),
            }
        }
        Value::Null => "NULL".into(),
        Value::Number(number) if !number.is_i64() => number.as_f64().map_or_else(|| number.to_string(), real),
        number => number.to_string(),
    }
}

/// A REAL as an SQL constant. SQLite does not read every decimal back to the last bit, so what has many digits or a
/// large exponent is put together from its mantissa and powers of two, which are exact.
pub fn real(number: f64) -> String {
    let text = format!("{number:?}");
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if !number.is_finite() {
        return if number.is_nan() {
            "NULL".into()
        } else if number < 0.0 {
            "-9e999".into()
        } else {
            "9e999".into()
        };
    }
    if digits <= 15 && !text.contains('e') {
        return text;
    }
    let bits = number.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or_default();
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, mut exponent) =
        if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
    let mut parts = format!("{}{mantissa}.0", if number < 0.0 { "-" } else { "" });
    while exponent != 0 {
        let step = exponent.clamp(-52, 52);
        let power = 1_u64 << step.unsigned_abs();
        parts.push_str(&format!(" {} {power}.0", if step > 0 { "*" } else { "/" }));
        exponent -= step;
    }
    format!("({parts})")
}

/// Reads an image.
pub fn parse(text: &str) -> Result<Image, Failure> {
    serde_json::from_str(text).map_err(|error| unreadable("an image", &error))
}
