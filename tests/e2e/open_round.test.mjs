// Keys that are drawn by chance cannot be drawn again, so the transaction of such a write stays open while the base is asked for them. Whatever the base does then: nothing half done is left.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { runOf } from './fresh_base.mjs';

let gateway;
before(async () => {
  gateway = await startGateway({ vars: { SHADOW_WHOLE_ROWS: '5', FLAG_BUDGET_MS: '10000' } });
  await gateway.db.exec('CREATE TABLE drawn (id TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))), n INTEGER UNIQUE)');
  await gateway.db.exec('INSERT INTO drawn (n) WITH RECURSIVE c (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c LIMIT 200) SELECT i FROM c');
});
after(() => gateway.stop());

// What asks for drawn keys: whether there is any row with them.
const asksForKeys = ({ statements }) => statements.some(({ sql }) => sql.startsWith('SELECT count(*) FROM (SELECT 1') && sql.endsWith('LIMIT 1)'));

describe('a write that draws its key, while the base', () => {
  for (const kind of [503, 'reset', 'truncated', 'hang']) {
    test(`answers ${kind}, is undone, and the run goes on`, async () => {
      const run = await runOf(gateway);
      assert.equal((await run.sql('INSERT INTO drawn (n) VALUES (1000)')).status, 200);
      gateway.recorder.clear();
      await gateway.fault('DB', asksForKeys, kind, { times: 1 });
      const answer = await run.sql('INSERT INTO drawn (n) VALUES (1001)');
      await gateway.heal('DB');
      assert.ok(gateway.recorder.requests.some((one) => one.store === 'DB' && asksForKeys(one)), 'the base was asked');
      assert.ok([502, 503].includes(answer.status), answer.text);
      assert.deepEqual(await run.rows('SELECT n FROM drawn WHERE n >= 1000'), [{ n: 1000 }]);
      assert.equal((await run.sql('INSERT INTO drawn (n) VALUES (1001)')).status, 200);
      const { changes } = await run.report();
      assert.deepEqual(changes.map(({ subject, inserted }) => [subject, inserted]), [['drawn', 2]]);
    });
  }
});
