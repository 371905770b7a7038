// How often the wasm calls JavaScript to serve one request: counted, not measured, so that it may not grow unseen.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { COUNTS_PATH, countingModules } from './harness/counting.mjs';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, openRun } from './helpers.mjs';

const update = (agent) => agent.sql('UPDATE things SET name = ? WHERE id = ?', ['new', 1]);
const read = (agent) => agent.sql('SELECT id, name FROM things WHERE id = ?', [1]);
const put = (agent) => agent.put('key', 'value');
const putObject = (agent) => agent.putObject('object', 'body');

const ceilings = [
  { name: 'live D1 update', dry: false, act: update, ceiling: 281 },
  { name: 'clean read in a live run', dry: false, act: read, ceiling: 238 },
  { name: 'live KV put', dry: false, act: put, ceiling: 269 },
  { name: 'live R2 put', dry: false, act: putObject, ceiling: 389 },
  { name: 'dry D1 update, warm', dry: true, act: update, ceiling: 474 },
  { name: 'read of own writes', dry: true, act: read, ceiling: 249 },
  { name: 'dry KV put, same key', dry: true, act: put, ceiling: 373 },
  { name: 'dry R2 put, same key', dry: true, act: putObject, ceiling: 459 },
];

let gateway;
const agents = {};

before(async () => {
  gateway = await startGateway({ modules: countingModules(), proxied: false });
  await gateway.db.exec('CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)');
  await gateway.db.exec("INSERT INTO things VALUES (1, 'old')");
  agents.live = agentOf(gateway, (await openRun(gateway, { mode: 'live' })).token);
  agents.dry = agentOf(gateway, (await openRun(gateway, { mode: 'dry_run' })).token);
  for (const agent of Object.values(agents)) {
    for (const act of [update, read, put, putObject]) assert.equal((await act(agent)).status, 200);
  }
});
after(() => gateway?.stop());

/** The calls of one request, what follows its answer among them. */
async function callsOf(act, agent, dry) {
  await sleep(100);
  await gateway.api(COUNTS_PATH);
  const answer = await act(agent);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.has('dry-run'), dry, answer.text);
  await sleep(100);
  return Object.values((await gateway.api(COUNTS_PATH)).json).reduce((sum, calls) => sum + calls, 0);
}

for (const { name, dry, act, ceiling } of ceilings) {
  test(`${name}: at most ${ceiling} calls`, async (context) => {
    const counted = [];
    for (let round = 0; round < 3; round += 1) counted.push(await callsOf(act, dry ? agents.dry : agents.live, dry));
    context.diagnostic(`${name}: ${counted.join(', ')} calls from wasm to JavaScript`);
    assert.ok(Math.max(...counted) <= ceiling, `${counted.join(', ')} calls; the ceiling is ${ceiling}`);
  });
}
