// Statements that reach other rows of large tables than it seems: what an attacker found, and must not find again. No table is small here, so
// every row that is not asked for is missing. The answers of the dry run are the live ones, and in the end so is every table.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { makeBase, runOf } from './fresh_base.mjs';
import { changes, reads, tables } from './attacks_reach/reads.mjs';
import { writes } from './attacks_reach/writes.mjs';
import { paths } from './helpers.mjs';

let gateway;
before(async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', SHADOW_WHOLE_ROWS: '0' } })));
after(() => gateway.stop());

const refusals = ['shadow_budget_exceeded', 'not_rehearsable'];
const asJson = (one) => (Array.isArray(one) ? { batch: one.map((sql) => ({ sql })) } : typeof one === 'string' ? { sql: one } : one);

/** What a statement or a batch answers, without what only a store measures. */
async function answerOf(run, one) {
  const { status, json, text } = await run.call(paths.d1('raw'), { json: asJson(one) });
  if (status !== 200) return { status, code: json?.code, detail: json?.detail ?? text };
  return json.result.map(({ results, meta }) => ({ rows: results.rows, changes: meta.changes }));
}

const contentsOf = async (run) => {
  const names = await gateway.db.all("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name");
  const all = {};
  for (const { name } of names) all[name] = await answerOf(run, `SELECT rowid, * FROM "${name}" ORDER BY 1`);
  return all;
};

/** Runs the same statements dry, then live, on one base. */
async function compared(schema, statements, { refusable = false, anyRows = false } = {}) {
  await makeBase(gateway, schema);
  const untouched = await gateway.digest();
  const dry = await runOf(gateway);
  const planned = [];
  for (const one of statements) planned.push(await answerOf(dry, one));
  const plannedContents = anyRows ? {} : await contentsOf(dry);
  assert.equal(await gateway.digest(), untouched, 'the base is as it was');
  if (refusable && planned.some((answer) => refusals.includes(answer.code))) return;
  const live = await runOf(gateway, { mode: 'live' });
  for (const [index, one] of statements.entries()) assert.deepEqual(planned[index], await answerOf(live, one), JSON.stringify(one));
  if (!anyRows) assert.deepEqual(plannedContents, await contentsOf(live), 'in the end');
}

describe('a read of large tables is the live one:', () => {
  for (const [name, statements] of Object.entries(reads)) test(name, () => compared(tables, [...changes, ...statements], { anyRows: true }));
});

describe('a write to large tables is the live one:', () => {
  for (const [name, { schema, run, ...how }] of Object.entries(writes)) test(name, () => compared(schema, run, how));
});

describe('a large table', () => {
  test('that lost a column in the base gives no values that it never had', async () => {
    await makeBase(gateway, tables);
    const run = await runOf(gateway);
    assert.equal((await answerOf(run, 'UPDATE u SET v = 0 WHERE id = 5'))[0]?.changes, 1);
    await gateway.db.exec('DROP VIEW other_names; DROP VIEW joined; ALTER TABLE u DROP COLUMN x');
    for (const sql of ['SELECT * FROM u WHERE id = 7', "SELECT id FROM u WHERE x = 'n9'", 'SELECT count(*) FROM u']) assert.ok(refusals.includes((await answerOf(run, sql)).code), sql);
  });

  test('is not needed whole for what takes a row from a queue', async () => {
    const small = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', SHADOW_WHOLE_ROWS: '0', SHADOW_MAX_ROWS: '40' } });
    try {
      await small.db.exec(tables);
      const run = await runOf(small);
      const taken = 'UPDATE t SET g = 9 WHERE id = (SELECT id FROM t WHERE g = 3 ORDER BY id LIMIT 1) RETURNING id';
      assert.deepEqual([await answerOf(run, taken), await answerOf(run, taken)], [[{ rows: [[3]], changes: 1 }], [{ rows: [[8]], changes: 1 }]]);
    } finally {
      await small.stop();
    }
  });
});
