// What became of the rows of live tables, from a copy that was made before, in the words of a report.

import assert from 'node:assert/strict';

/** Keeps the rows of `tables` as they are now. Each needs an INTEGER PRIMARY KEY `id`. */
export async function keepRows(db, tables) {
  for (const table of tables) {
    const columns = (await db.all(`PRAGMA table_info(${table})`)).map(({ name }) => (name === 'id' ? 'id INTEGER PRIMARY KEY' : name));
    await db.exec(`CREATE TABLE kept_${table} (${columns.join(', ')}); INSERT INTO kept_${table} SELECT * FROM ${table};`);
  }
}

/** { key: [change, { field: [before, after] }] } of one table, by the rows that were kept. */
export async function liveChanges(db, table) {
  const names = (await db.all(`PRAGMA table_info(${table})`)).map(({ name }) => name);
  const list = (alias) => names.map((name) => `${alias}.${name}`).join(', ');
  const pairs = names.flatMap((name) => [`was.${name} AS was_${name}`, `now.${name} AS now_${name}`]).join(', ');
  const rows = await db.all(`SELECT ${pairs} FROM ${table} now LEFT JOIN kept_${table} was ON was.id = now.id WHERE was.id IS NULL OR (${list('was')}) IS NOT (${list('now')})
    UNION ALL SELECT ${pairs} FROM kept_${table} was LEFT JOIN ${table} now ON now.id = was.id WHERE now.id IS NULL`);
  return Object.fromEntries(rows.map((row) => {
    const change = row.was_id === null ? 'inserted' : row.now_id === null ? 'deleted' : 'updated';
    const fields = names.map((name) => [name, [change === 'inserted' ? undefined : row[`was_${name}`], change === 'deleted' ? undefined : row[`now_${name}`]]]);
    return [row.was_id ?? row.now_id, [change, Object.fromEntries(fields.filter(([, [was, is]]) => was !== is))]];
  }));
}

/** The same from a report. */
export function reportedChanges(report, table) {
  const group = report.changes.find(({ subject }) => subject === table);
  return Object.fromEntries((group?.items ?? []).map(({ key, change, fields }) => [key, [change, Object.fromEntries(fields.map(({ field, before, after }) => [field, [before, after]]))]]));
}

/** Asserts that a report says of each table what became of it live, no more and no less, and counts it so. */
export async function assertNetChanges(report, db, tables) {
  for (const table of tables) {
    const expected = await liveChanges(db, table);
    assert.deepEqual(reportedChanges(report, table), expected, table);
    const count = (word) => Object.values(expected).filter(([change]) => change === word).length;
    const { inserted = 0, updated = 0, deleted = 0, omitted = 0 } = report.changes.find(({ subject }) => subject === table) ?? {};
    assert.deepEqual([inserted, updated, deleted, omitted], [count('inserted'), count('updated'), count('deleted'), 0], table);
  }
}
