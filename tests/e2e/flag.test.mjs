// The flag that a dry run publishes in KV: when, how often, and what happens when KV does not take it.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { age } from './aging.mjs';
import { both, onKey, startGateway, writes } from './harness/gateway.mjs';
import { agentOf, assertAllPlanned, assertProblem, openRun, until, writeEverywhere } from './helpers.mjs';

const flagOf = (run) => `dryrun_active:${run.id}`;
const puts = (gateway, run) => gateway.recorder.requests.filter(({ store, operation, key }) => store === 'FLAGS' && operation === 'put' && key === flagOf(run));
const statusOf = async (gateway, run) => (await gateway.api(`/v1/runs/${run.id}`, { key: 'operator' })).json;
const turnDry = (gateway, run) => gateway.api(`/v1/runs/${run.id}/dry-run`, { token: run.token, method: 'POST' });
const seconds = () => Date.now() / 1000;

async function start(options = {}) {
  // A patient budget: only what is broken on purpose may fail here.
  const gateway = await startGateway({ ...options, vars: { FLAG_BUDGET_MS: '10000', ...options.vars } });
  await gateway.db.exec('CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)');
  return gateway;
}

describe('publishing the flag', () => {
  let gateway;
  before(async () => void (gateway = await start()));
  beforeEach(() => {
    gateway.heal();
    gateway.recorder.clear();
  });
  after(() => gateway.stop());

  test('a dry run stands in KV as 1, for the configured time, when its opening is answered', async () => {
    const began = seconds();
    const run = await openRun(gateway);
    assert.equal(await gateway.flags.get(flagOf(run)), '1');
    const [{ expiration }] = await gateway.flags.list({ prefix: flagOf(run) });
    assert.ok(expiration >= Math.floor(began) + 3_600 && expiration <= Math.ceil(seconds()) + 3_600, `${expiration - began}`);
    assert.equal(puts(gateway, run).length, 1);
  });

  test('a live run publishes nothing', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const { DB } = await writeEverywhere(agentOf(gateway, run.token));
    assert.equal(DB.status, 200);
    assert.equal(await gateway.flags.get(flagOf(run)), null);
    assert.deepEqual(puts(gateway, run), []);
  });

  test('no dry write is acknowledged while the flag is still on its way', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    const before = await gateway.digest();
    await gateway.fault('FLAGS', both(writes, onKey(flagOf(run))), 'hang');
    let answered = false;
    const write = agent.put('early', 'bird', { headers: { 'dry-run': 'true' } }).finally(() => (answered = true));
    await until(() => puts(gateway, run).length === 1, 'the flag is put');
    assert.equal((await statusOf(gateway, run)).mode, 'dry_run');
    assert.equal(answered, false);
    gateway.heal();
    assertProblem(await write, 503, 'flag_unavailable');
    assert.equal((await agent.get('early')).status, 404, 'what was refused is not planned either');
    const again = await until(async () => {
      const answer = await agent.put('early', 'bird');
      return answer.status === 200 && answer;
    }, 'the write is planned');
    assert.equal(again.headers.get('dry-run'), 'true');
    assert.equal(await gateway.flags.get(flagOf(run)), '1');
    assert.equal(await gateway.digest(), before);
  });

  test('a dry run opens while KV takes no puts, and its writes are refused until KV does', async () => {
    const before = await gateway.digest();
    await gateway.fault('FLAGS', writes, '503');
    const run = await openRun(gateway);
    const agent = agentOf(gateway, run.token);
    assert.equal(run.mode, 'dry_run');
    assert.equal(await gateway.flags.get(flagOf(run)), null);
    const refused = await writeEverywhere(agent);
    for (const answer of Object.values(refused)) {
      assertProblem(answer, 503, 'flag_unavailable');
      assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
    }
    assert.equal((await agent.sql('SELECT count(*) AS n FROM things')).status, 200, 'reads go on');
    gateway.heal();
    await until(async () => (await agent.put('at last', '1')).status === 200, 'KV takes the flag');
    assert.equal(await gateway.flags.get(flagOf(run)), '1');
    assertAllPlanned(await writeEverywhere(agent));
    assert.equal(await gateway.digest(), before);
  });

  test('a run turns dry while KV takes no puts', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const before = await gateway.digest();
    await gateway.fault('FLAGS', writes, '503');
    assert.deepEqual([(await turnDry(gateway, run)).json.mode, (await statusOf(gateway, run)).mode], ['dry_run', 'dry_run']);
    for (const answer of Object.values(await writeEverywhere(agentOf(gateway, run.token)))) assertProblem(answer, 503, 'flag_unavailable');
    assert.equal(await gateway.digest(), before);
  });

  test('thirty writes at once in a run that just turned dry put the flag once and are all planned', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    const before = await gateway.digest();
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => agent.put(`hammer-${index}`, 'x', { headers: { 'dry-run': 'true' } })));
    assert.equal(puts(gateway, run).length, 1);
    assert.deepEqual([...new Set(answers.map(({ status, json }) => `${status} ${json.code}`))], ['200 undefined']);
    assert.equal(await gateway.digest(), before);
  });

  test('thirty writes at once in a fresh dry run need no further put', async () => {
    const run = await openRun(gateway);
    const agent = agentOf(gateway, run.token);
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => agent.put(`hammer-${index}`, 'x')));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(puts(gateway, run).length, 1);
  });

  test('a flag that KV does not take is tried once a second at most', async () => {
    await gateway.fault('FLAGS', writes, '429');
    const began = performance.now();
    const run = await openRun(gateway);
    const agent = agentOf(gateway, run.token);
    await until(async () => {
      const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => agent.put(`hammer-${index}`, 'x')));
      assert.ok(answers.every(({ status }) => status === 503));
      return puts(gateway, run).length > 1;
    }, 'a second try');
    const elapsed = Math.floor((performance.now() - began) / 1000);
    assert.ok(puts(gateway, run).length <= 1 + elapsed, `${puts(gateway, run).length} puts in ${elapsed} s`);
  });
});

describe('the age of the flag', () => {
  const ttl = 3_600;
  let gateway;
  before(async () => void (gateway = await start({ vars: { FLAG_TTL_SECONDS: String(ttl) } })));
  beforeEach(() => gateway.heal());
  after(() => gateway.stop());

  test('a write before the flag is due puts nothing', async () => {
    const run = await openRun(gateway);
    await age(gateway, run, Math.floor(ttl * 0.35));
    assertAllPlanned(await writeEverywhere(agentOf(gateway, run.token)));
    assert.deepEqual(puts(gateway, run), []);
  });

  test('a write refreshes the flag before half its time has passed', async () => {
    const run = await openRun(gateway);
    await age(gateway, run, Math.floor(ttl * 0.42));
    assertAllPlanned(await writeEverywhere(agentOf(gateway, run.token)));
    assert.equal(puts(gateway, run).length, 1);
    assert.match(puts(gateway, run)[0].path, /expiration_ttl=3600/);
  });

  test('a refresh that fails does not stop the writes, because the flag still stands', async () => {
    const run = await openRun(gateway);
    await age(gateway, run, Math.floor(ttl * 0.42));
    await gateway.fault('FLAGS', writes, '503');
    assertAllPlanned(await writeEverywhere(agentOf(gateway, run.token)));
    assert.ok(puts(gateway, run).length >= 1);
  });

  test('the flag of a run that makes no writes is refreshed before half its time has passed', async () => {
    const run = await openRun(gateway);
    await age(gateway, run, Math.floor(ttl * 0.49));
    // The run has to do it by itself: nobody asks for it here.
    await until(() => puts(gateway, run).length === 1, 'the run refreshes its flag by itself');
  });

  test('a write after the flag has lapsed waits for a new one', async () => {
    const run = await openRun(gateway);
    const before = await gateway.digest();
    await gateway.fault('FLAGS', writes, '503');
    await age(gateway, run, ttl + 1);
    await gateway.flags.delete(flagOf(run));
    const agent = agentOf(gateway, run.token);
    assertProblem(await agent.put('lapsed', 'x'), 503, 'flag_unavailable');
    gateway.heal();
    await until(async () => (await agent.put('lapsed', 'x')).status === 200, 'the write is planned');
    assert.equal(await gateway.flags.get(flagOf(run)), '1');
    assert.equal(await gateway.digest(), before);
  });
});
