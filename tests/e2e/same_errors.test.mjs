// An error of a statement is the statement's error wherever the gateway's own queries meet it first, and a base that is not as its own
// definitions would have it is rehearsed as it is. Played twice: with tables that come whole, and with tables that come row by row.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { runOf } from './fresh_base.mjs';
import { assertProblem } from './helpers.mjs';
import { compared, wipe } from './same_errors/compared.mjs';
import { pairs as dirty } from './same_errors/dirty_bases.mjs';
import { pairs as figures } from './same_errors/figures.mjs';
import { pairs as lookups } from './same_errors/lookups.mjs';
import { pairs as references } from './same_errors/references.mjs';
import { pairs as virtuals } from './same_errors/virtual_tables.mjs';

const kinds = {
  'an error that a look-up meets first': lookups,
  'a base that its definitions would not take': dirty,
  'a reference that fits no key': references,
  'a virtual table': virtuals,
  'the schema and the figures': figures,
};

for (const [regime, rows] of Object.entries({ 'tables that come whole': '1000', 'tables that come row by row': '0' })) {
  describe(regime, () => {
    let gateway;
    before(async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', SHADOW_WHOLE_ROWS: rows } })));
    after(() => gateway.stop());

    for (const [kind, pairs] of Object.entries(kinds)) {
      describe(kind, () => {
        for (const pair of pairs) test(pair.name, () => compared(gateway, pair, rows === '0'));
      });
    }

    test('the platform’s own tables in the schema are those of the run’s database', async () => {
      await wipe(gateway.db);
      await gateway.db.exec('CREATE TABLE t (a)');
      const [dry, live] = await Promise.all(['dry_run', 'live'].map((mode) => runOf(gateway, { mode })));
      const names = async (run) => (await run.rows('SELECT name FROM sqlite_master ORDER BY name')).map(({ name }) => name);
      assert.deepEqual(await names(dry), await names(live), 'what the run did not change is read where it is');
      await dry.rows('CREATE TABLE u (a)');
      const [planned, there] = [await names(dry), await names(live)];
      const agents = (all) => all.filter((name) => !name.startsWith('_cf_'));
      assert.deepEqual(agents(planned), [...agents(there), 'u'].sort());
      assert.ok(planned.some((name) => name.startsWith('_cf_')), planned.join());
    });

    test('`last_row_id` of what inserts no row is that of the run’s own last insert', async () => {
      await wipe(gateway.db);
      await gateway.db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, n INT); INSERT INTO t VALUES (40, 1)');
      const dry = await runOf(gateway);
      const told = [];
      for (const sql of ['UPDATE t SET n = 2', 'INSERT INTO t VALUES (7, 7)', 'UPDATE t SET n = 3', 'DELETE FROM t WHERE id = 7']) told.push((await dry.sql(sql)).json.result[0].meta.last_row_id);
      assert.deepEqual([told[0], told[1]], [0, 7]);
      assert.ok(told.slice(2).every((id) => id === 7 || id === 0), told.join());
    });

    test('none of it is taken for a failure of the gateway', async () => {
      assert.doesNotMatch(gateway.logs(), /panicked|RuntimeError|unreachable|"event":"fault"|hydration_refused/);
      const { json } = await gateway.api('/v1/alerts', { key: 'operator' });
      assert.deepEqual(json.alerts, []);
    });
  });
}

describe('a table that is too large to come whole', () => {
  let gateway;
  before(async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', SHADOW_WHOLE_ROWS: '0', SHADOW_MAX_ROWS: '40' } })));
  after(() => gateway.stop());
  const rows = (count) => `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${count})`;

  test('is refused with the reason where its rows cannot be looked up, and nowhere else', async () => {
    await wipe(gateway.db);
    await gateway.db.exec(`CREATE TABLE m (id INTEGER PRIMARY KEY, j TEXT); INSERT INTO m ${rows(100)} SELECT i, CASE i WHEN 50 THEN 'no json' ELSE '{"x":' || i || '}' END FROM n`);
    const run = await runOf(gateway);
    const refused = await run.sql("DELETE FROM m WHERE json_extract(j, '$.x') = 3");
    assertProblem(refused, 422, 'shadow_budget_exceeded');
    assert.match(refused.json.detail, /cannot look up the rows of m that the statement reaches \(malformed JSON.*all 100 rows are more than the \d+ rows/);
    assert.match(refused.json.remedy, /by a key, or raise SHADOW_MAX_ROWS/);
    assertProblem(await run.sql("DELETE FROM m WHERE id = 50 AND json_extract(j, '$.x') = 3"), 400, 'sql_error', { remedy: false });
    assert.equal((await run.sql("DELETE FROM m WHERE id = 3 AND json_extract(j, '$.x') = 3")).json.result[0].meta.changes, 1);
    assert.doesNotMatch(gateway.logs(), /"level":"error"/);
  });

  test('is refused with its size where a statement needs it whole', async () => {
    await wipe(gateway.db);
    await gateway.db.exec(`CREATE TABLE p (id INTEGER PRIMARY KEY, x INT); INSERT INTO p ${rows(100)} SELECT i, i FROM n; CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p (x))`);
    const run = await runOf(gateway);
    assertProblem(await run.sql('INSERT INTO p VALUES (500, 1)'), 422, 'shadow_budget_exceeded');
    const child = await run.sql('INSERT INTO c VALUES (1, 1)');
    assertProblem(child, 400, 'sql_error', { remedy: false });
    assert.match(child.json.detail, /foreign key mismatch/);
  });
});

describe('rows that others change while they are copied', () => {
  let gateway;
  before(async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', SHADOW_WHOLE_ROWS: '0' } })));
  after(() => gateway.stop());

  test('are refused as that, and rehearsed once they fit together', async () => {
    await wipe(gateway.db);
    await gateway.db.exec("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES p, s TEXT); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1, 'a'), (2, 2, 'b')");
    const run = await runOf(gateway);
    // The child is here, and before its parent is asked for both are gone.
    const asksForParent = ({ statements }) => statements.some(({ sql }) => /FROM `p` AS `p` WHERE/.test(sql));
    await gateway.fault('DB', asksForParent, { first: () => gateway.db.exec('DELETE FROM c WHERE id = 1; DELETE FROM p WHERE id = 1') }, { times: 1 });
    const refused = await run.sql("UPDATE c SET s = 'new' WHERE id = 1");
    assertProblem(refused, 422, 'not_rehearsable');
    assert.match(refused.json.detail, /Rows of c and p do not fit together, because others changed them/);
    const again = await run.sql("UPDATE c SET s = 'new' WHERE id IN (1, 2)");
    assert.deepEqual([again.status, again.json.result[0].meta.changes], [200, 1], again.text);
    assertProblem(await run.sql('INSERT INTO c VALUES (3, 1, NULL)'), 400, 'sql_error', { remedy: false });
  });
});
