// What a store's binding says after a write decides what the caller, the report and a repetition are told: a definite no is never an outage,
// and an unclear outcome never a no. The texts are those of the real bindings; src/domain/store_error.rs is the table.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { startGateway, writes } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf } from './helpers.mjs';

let gateway;
before(async () => {
  gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000' } });
  await gateway.db.exec('CREATE TABLE notes (text TEXT)');
  await gateway.cache.put('seed', 'v');
  await gateway.files.put('seed', 'v');
});
after(() => gateway?.stop());
afterEach(() => gateway.heal());

const r2Error = (status, v4code) => ({ status, body: '', headers: { 'cf-r2-error': JSON.stringify({ version: 0, v4code, message: 'so it is' }) } });
const d1Error = (error) => ({ body: { success: false, error } });

/** Store, what happens, status and code of a write, whether a read is told the same. */
const table = [
  ['CACHE', '400', 400, 'invalid_request'], ['CACHE', '403', 403, 'store_refused'], ['CACHE', '413', 413, 'body_too_large'], ['CACHE', '414', 400, 'key_invalid'],
  ['CACHE', '429', 503, 'store_busy'], ['CACHE', '500', 502, 'store_unavailable'], ['CACHE', '503', 502, 'store_unavailable'], ['CACHE', 'reset', 502, 'store_unavailable'],
  ['FILES', r2Error(400, 10012), 400, 'invalid_request'], ['FILES', r2Error(400, 10020), 400, 'key_invalid'], ['FILES', r2Error(403, 10003), 403, 'store_refused'], ['FILES', r2Error(403, 10069), 403, 'store_refused'],
  ['FILES', r2Error(404, 10006), 403, 'store_refused'], ['FILES', r2Error(400, 100100), 413, 'body_too_large'], ['FILES', r2Error(400, 10037), 400, 'bad_digest'], ['FILES', '429', 503, 'store_busy'],
  ['FILES', '500', 502, 'store_unavailable'], ['FILES', '503', 502, 'store_unavailable'], ['FILES', { status: 400, body: '' }, 502, 'store_unavailable'], ['FILES', 'reset', 502, 'store_unavailable'],
  ['DB', d1Error('UNIQUE constraint failed: notes.text: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)'), 400, 'sql_error'], ['DB', d1Error('D1_ERROR: Exceeded maximum DB size.'), 403, 'store_refused'],
  ['DB', d1Error('D1 DB is overloaded. Requests queued for too long.'), 503, 'store_busy'], ['DB', d1Error('disk I/O error: SQLITE_IOERR'), 502, 'store_unavailable'],
  ['DB', d1Error('D1 DB storage operation exceeded timeout which caused object to be reset.'), 502, 'store_unavailable'], ['DB', { status: 500, body: 'broken' }, 502, 'store_unavailable'], ['DB', 'reset', 502, 'store_unavailable'],
];

const write = {
  DB: (agent, options) => agent.sql("INSERT INTO notes VALUES ('in')", undefined, options),
  CACHE: (agent, options) => agent.put('in', 'in', options),
  FILES: (agent, options) => agent.putObject('in', 'in', options),
};
const read = {
  DB: (agent) => agent.sql('SELECT * FROM notes'),
  CACHE: (agent) => agent.get('seed'),
  FILES: (agent) => agent.getObject('seed'),
};
const nameOf = (fault) => (typeof fault === 'string' ? fault : JSON.stringify(fault).slice(0, 110));

describe('a live write', () => {
  for (const [store, fault, status, code] of table) {
    test(`to ${store} after ${nameOf(fault)} is answered ${code}, told so in the report, and may be repeated unless it may have happened`, async () => {
      const run = await openRun(gateway, { mode: 'live' });
      const agent = agentOf(gateway, run.token);
      const options = { headers: { 'idempotency-key': 'once' } };
      const isUnclear = code === 'store_unavailable';
      await gateway.fault(store, writes, fault);
      const answer = await write[store](agent, options);
      assertProblem(answer, status, code, { remedy: isUnclear || code === 'store_busy' });
      assert.match(answer.json.detail, isUnclear ? /may or may not/ : code === 'sql_error' ? /UNIQUE/ : /nothing was written/);
      assert.equal(answer.headers.get('x-should-retry'), code === 'store_busy' ? null : 'false');
      gateway.heal();
      const report = await reportOf(gateway, run.id);
      assert.deepEqual(report.operations.map(({ outcome, problem }) => [outcome, problem?.code]), [[isUnclear ? 'running' : code === 'sql_error' ? 'failed' : report.operations[0].outcome, code]]);
      assert.equal(report.hazards.some(({ kind }) => kind === 'outcome_unknown'), isUnclear);
      const again = await write[store](agent, options);
      if (isUnclear) assertProblem(again, 409, 'outcome_unknown');
      else assert.equal(again.status, 200, again.text);
    });
  }

  test('of many keys tells which were not written, and is no success when none was', async () => {
    const { token } = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, token);
    const bulk = () => agent.call(paths.kv('bulk'), { method: 'PUT', json: ['one', 'two', 'three'].map((key) => ({ key, value: 'v' })) });
    await gateway.fault('CACHE', ({ key }) => key === 'two', '400');
    assert.deepEqual((await bulk()).json.result, { successful_key_count: 2, unsuccessful_keys: ['two'] });
    gateway.heal();
    for (const [faults, status, code] of [[['400'], 400, 'invalid_request'], [['429'], 503, 'store_busy'], [['503'], 502, 'store_unavailable'], [['400', '503'], 502, 'store_unavailable']]) {
      for (const fault of faults) await gateway.fault('CACHE', writes, fault, faults.length > 1 ? { times: fault === '503' ? 1 : 5 } : {});
      assertProblem(await bulk(), status, code, { remedy: code.startsWith('store_'), about: faults.join() });
      gateway.heal();
    }
  });
});

describe('a read', () => {
  for (const [store, fault, status, code] of table) {
    const isOfAWrite = ['bad_digest', 'body_too_large'].includes(code);
    if (isOfAWrite) continue;
    test(`of ${store} after ${nameOf(fault)} is answered ${code}, live and dry`, async () => {
      for (const mode of ['live', 'dry_run']) {
        const { token } = await openRun(gateway, { mode });
        await gateway.fault(store, null, fault);
        const answer = await read[store](agentOf(gateway, token));
        gateway.heal();
        assertProblem(answer, status, code, { remedy: code.startsWith('store_u') || code === 'store_busy', about: mode });
        if (code === 'store_unavailable') assert.match(answer.json.detail, /nothing was changed/);
      }
    });
  }
});
