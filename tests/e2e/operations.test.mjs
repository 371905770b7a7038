// One operation with everything that it changed, of a batch by statement.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { assertProblem } from './helpers.mjs';
import { makeBase, runOf } from './fresh_base.mjs';

let gateway;
before(async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000' } })));
after(() => gateway.stop());

test('an operation tells each image, and of a batch which statement it comes from', async () => {
  await makeBase(gateway, "CREATE TABLE p (id INTEGER PRIMARY KEY, v); CREATE TABLE c (id INTEGER PRIMARY KEY, p REFERENCES p (id) ON DELETE CASCADE); INSERT INTO p VALUES (1, 'a'), (2, 'b'); INSERT INTO c VALUES (7, 1);");
  const run = await runOf(gateway);
  assert.equal((await run.batch([{ sql: "UPDATE p SET v = 'B' WHERE id = 2" }, { sql: 'DELETE FROM p WHERE id = 1' }])).status, 200);
  const read = (position, key) => gateway.api(`/v1/runs/${run.id}/operations/${position}`, { key });
  const { status, json } = await read(1, 'agent');
  assert.equal(status, 200);
  assert.equal(json.operation.position, 1);
  assert.deepEqual(json.effects.map(({ statement, subject, before, after: now }) => [statement, subject, before, now]), [
    [1, 'p', { id: 2, v: 'b' }, { id: 2, v: 'B' }],
    // What a foreign key takes along goes before the row itself.
    [2, 'c', { id: 7, p: 1 }, null],
    [2, 'p', { id: 1, v: 'a' }, null],
  ]);
  assert.equal((await read(1, 'approver')).status, 200);
  assertProblem(await read(1, 'agent2'), 404, 'unknown_run');
  assertProblem(await read(2, 'agent'), 404, 'route_not_found');
  assertProblem(await read('first', 'agent'), 400, 'invalid_request');
});
