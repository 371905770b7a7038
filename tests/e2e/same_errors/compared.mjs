// A pair: a base that is made by the back door, and statements that are played on it dry, then live. Everything that an agent can see is the
// same: status, code and words, rows, figures, and in the end every table and definition.

import assert from 'node:assert/strict';
import { runOf } from '../fresh_base.mjs';
import { paths } from '../helpers.mjs';

const refusals = ['shadow_budget_exceeded', 'not_rehearsable'];
// What says that something went wrong which did not: nobody writes to the base while a pair is played.
const untrue = /others changed/;

const asJson = (one) => (Array.isArray(one) ? { batch: one.map((sql) => ({ sql })) } : typeof one === 'string' ? { sql: one } : one);

const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

/** Takes everything out of DB, also what refers to nothing or cannot be computed. */
export async function wipe(db) {
  const made = () => db.all(`SELECT type, name FROM sqlite_master WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY type DESC, rowid DESC`);
  let last;
  for (let left = await made(); left.length > 0; left = await made()) {
    if (left.length === last?.count) throw last.error;
    last = { count: left.length };
    for (const { type, name } of left) {
      // Turned off again, the deferred keys are forgotten: what still refers to the table goes as well.
      await db.exec(`PRAGMA defer_foreign_keys = on; DROP ${type} ${quoted(name)}; PRAGMA defer_foreign_keys = off`).catch((error) => (last.error = error));
    }
  }
}

/** What a statement or a batch answers, without what only a store measures. */
export async function answerOf(run, one, { rowids = true, figures = [] } = {}) {
  const { status, json, text } = await run.call(paths.d1('raw'), { json: asJson(one) });
  if (status !== 200) return { status, code: json?.code, detail: json?.detail ?? text };
  return json.result.map(({ results, meta }, index) => {
    const sql = Array.isArray(one) ? one[index] : one;
    // Of what inserts no row, `last_row_id` is what the connection had, whoever used it.
    const inserted = rowids && /^\s*(insert|replace)\b/i.test(sql) && !/on conflict/i.test(sql) && meta.changes > 0;
    const told = ['changes', ...(inserted ? ['last_row_id'] : []), ...figures];
    return { columns: results.columns, rows: results.rows, ...Object.fromEntries(told.map((name) => [name, meta[name]])) };
  });
}

/** Every table and the schema, as the run sees them. A table that does not compute answers its error. */
export async function contentsOf(run, unread) {
  const schema = await answerOf(run, `SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY type, name`);
  const all = { schema };
  for (const [type, name] of schema[0].rows) {
    if (type !== 'table' || unread.includes(name)) continue;
    const [{ rows }] = await answerOf(run, `SELECT name FROM pragma_table_xinfo('${name.replaceAll("'", "''")}') WHERE hidden = 0`);
    const exact = rows.map(([column]) => `typeof(${quoted(column)}), ${quoted(column)}`).join(', ');
    all[name] = await answerOf(run, `SELECT ${exact} FROM ${quoted(name)} ORDER BY 1, 2`);
    all[`${name}, all columns`] = await answerOf(run, `SELECT * FROM ${quoted(name)} ORDER BY 1`);
  }
  return all;
}

/**
 * Plays a pair. `parts`: whether tables come row by row, where the run may refuse what it would need whole; answers whether it did.
 * `refused` is what the run refuses although the target would take it: the words of its reason. `rowids`: whether what is inserted has rowids
 * all along. `figures`: more of `meta` that is the same. `unread`: tables that the run cannot read in the end.
 */
export async function compared(gateway, { base, run: statements, refused, refusedInParts, rowids, figures, unread = [] }, parts) {
  await wipe(gateway.db);
  for (const sql of [base].flat()) await gateway.db.exec(sql);
  const untouched = await gateway.digest().catch((error) => String(error));
  const dry = await runOf(gateway);
  const planned = [];
  const how = { rowids, figures };
  for (const one of statements) planned.push(await answerOf(dry, one, how));
  const refusal = planned.find(({ code }) => refusals.includes(code));
  assert.doesNotMatch(refusal?.detail ?? '', untrue);
  const expected = refused ?? (parts ? refusedInParts : undefined);
  if (expected) {
    assert.match(refusal?.detail ?? JSON.stringify(planned), expected);
    return true;
  }
  assert.equal(refusal, undefined, JSON.stringify(refusal));
  const plannedContents = await contentsOf(dry, unread);
  assert.equal(await gateway.digest().catch((error) => String(error)), untouched, 'the base is as it was');
  const live = await runOf(gateway, { mode: 'live' });
  for (const [index, one] of statements.entries()) assert.deepEqual(planned[index], await answerOf(live, one, how), JSON.stringify(one));
  assert.deepEqual(plannedContents, await contentsOf(live, unread), 'in the end');
  return false;
}
