// What an attacker found, and must not find again: words that got lost, moments in which a run could slip through, noise without a credential.
// The same for statements and what they changed: attacks_sql.test.mjs.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { age } from './aging.mjs';
import { both, onKey, reads, startGateway, writes } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf, until, writeEverywhere } from './helpers.mjs';

const flagOf = (run) => `dryrun_active:${run.id}`;
const dry = { 'dry-run': 'true' };
const bucket = paths.objects();

let gateway;
before(async () => {
  // A patient budget: only what is broken on purpose may fail here.
  gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '20000' } });
  await gateway.db.exec('CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)');
});
beforeEach(() => {
  gateway.heal();
  gateway.recorder.clear();
});
after(() => gateway.stop());

const open = async (terms) => {
  const run = await openRun(gateway, terms);
  return { ...run, agent: agentOf(gateway, run.token) };
};
const modeOf = async (run) => (await gateway.api(`/v1/runs/${run.id}`, { key: 'operator' })).json.mode;
const control = (run, what) => gateway.api(`/v1/runs/${run.id}/${what}`, { token: run.token, method: 'POST' });
const flagRequest = (run, operation) => gateway.recorder.requests.find((one) => one.store === 'FLAGS' && one.operation === operation && one.key === flagOf(run));

describe('the word Dry-Run: true', () => {
  const said = {
    'with an unknown database': (run) => run.agent.call(`${paths.d1('query', 'NOPE')}`, { json: { sql: 'SELECT 1' }, headers: dry }),
    'with an unknown account': (run) => run.agent.call('/client/v4/accounts/nobody/d1/database/DB/query', { json: { sql: 'SELECT 1' }, headers: dry }),
    'with an Idempotency-Key that is none': (run) => run.agent.sql('SELECT 1', [], { headers: { ...dry, 'idempotency-key': 'a b' } }),
    'with a body that is no JSON': (run) => run.agent.call(paths.d1(), { method: 'POST', body: '{', headers: { ...dry, 'content-type': 'application/json' } }),
    'with a statement that does not parse': (run) => run.agent.sql('SELEC', [], { headers: dry }),
    'with a key that is too long': (run) => run.agent.put('k'.repeat(600), 'v', { headers: dry }),
    'with a method that the address does not have': (run) => run.agent.call(paths.d1(), { method: 'DELETE', headers: dry }),
    'at an address of the data plane that there is not': (run) => run.agent.call(paths.d1('queryy'), { method: 'POST', headers: dry }),
    'at an address of the control plane that there is not': (run) => run.agent.call(`/v1/runs/${run.id}/nothing`, { headers: dry }),
    'on the report': (run) => run.agent.call(`/v1/runs/${run.id}/report`, { headers: dry }),
    'on the report, read with a key': (run) => gateway.api(`/v1/runs/${run.id}/report`, { key: 'agent', headers: dry }),
    'on the status': (run) => run.agent.call(`/v1/runs/${run.id}`, { headers: dry }),
    'on the environment': (run) => run.agent.call('/v1/environment', { headers: dry }),
    'on the environment, with a key and Run-Id': (run) => gateway.api('/v1/environment', { key: 'agent', headers: { ...dry, 'run-id': run.id } }),
    'on a list of runs': (run) => run.agent.call('/v1/runs', { headers: dry }),
    'on a read of D1': (run) => run.agent.sql('SELECT 1', [], { headers: dry }),
    'on a key that is not there': (run) => run.agent.get('absent', { headers: dry }),
    'on a list of objects': (run) => run.agent.call(bucket, { headers: dry }),
    'with the key of the run and Run-Id, at an unknown store': (run) => gateway.api(paths.kv('keys', 'NOPE'), { key: 'agent', headers: { ...dry, 'run-id': run.id } }),
  };
  for (const [name, say] of Object.entries(said)) {
    test(`counts ${name}`, async () => {
      const run = await open({ mode: 'live' });
      const answer = await say(run);
      assert.ok(answer.status < 500, answer.text);
      assert.equal(await modeOf(run), 'dry_run', answer.text);
      const contents = await gateway.digest();
      for (const written of Object.values(await writeEverywhere(run.agent))) assert.equal(written.headers.get('dry-run'), 'true', written.text);
      assert.equal(await gateway.digest(), contents);
    });
  }

  test('counts when a run is opened as live', async () => {
    const answer = await gateway.api('/v1/runs', { key: 'agent', json: { mode: 'live' }, headers: dry });
    assert.deepEqual([answer.status, answer.json.mode, await modeOf(answer.json)], [201, 'dry_run', 'dry_run']);
  });

  test('counts when a live run is opened again by its id', async () => {
    const run = await open({ id: 'opened-again', mode: 'live' });
    const answer = await gateway.api('/v1/runs', { key: 'agent', json: { id: run.id, mode: 'live' }, headers: dry });
    assert.ok([200, 409].includes(answer.status), answer.text);
    assert.equal(await modeOf(run), 'dry_run', answer.text);
  });

  test('counts for the run above when a run is opened below it', async () => {
    const parent = await open({ mode: 'live' });
    const answer = await gateway.api('/v1/runs', { token: parent.token, json: { mode: 'live' }, headers: dry });
    assert.equal(await modeOf(parent), 'dry_run', answer.text);
  });

  test('of somebody else does not count', async () => {
    const run = await open({ mode: 'live' });
    assertProblem(await gateway.api(`/v1/runs/${run.id}/report`, { key: 'agent2', headers: dry }), 404, 'unknown_run');
    await gateway.api('/v1/environment', { key: 'agent2', headers: { ...dry, 'run-id': run.id } });
    await gateway.api('/v1/environment', { headers: { ...dry, 'run-id': run.id } });
    assert.equal(await modeOf(run), 'live');
  });
});

describe('a run below another one', () => {
  for (const [name, generations] of [['parent', 2], ['grandparent', 3]]) {
    test(`writes nothing live after its ${name} was acknowledged dry, however slow its own flag is read`, async () => {
      const runs = [await open({ mode: 'live' })];
      while (runs.length < generations) runs.push(await open({ token: runs.at(-1).token, mode: 'live' }));
      const [above, child] = [runs[0], runs.at(-1)];
      assert.equal((await child.agent.sql("INSERT INTO things (name) VALUES ('warm')")).headers.get('dry-run'), null);
      const contents = await gateway.digest();
      gateway.recorder.clear();
      await gateway.fault('FLAGS', both(reads, onKey(flagOf(child))), { delay: 2_000 });
      const write = child.agent.sql("INSERT INTO things (name) VALUES ('late')");
      await until(() => flagRequest(child, 'get'), 'the flag is read');
      assert.equal((await control(above, 'dry-run')).json.mode, 'dry_run');
      assert.equal(flagRequest(child, 'get').status, null, 'the flag is still on its way: else this test says nothing');
      const answer = await write;
      assert.deepEqual([answer.status, answer.headers.get('dry-run')], [200, 'true'], answer.text);
      assert.equal(await gateway.digest(), contents);
    });
  }
});

describe('a run that is closed while a write waits', () => {
  test('for the flag to be put refuses the write', async () => {
    // Turned dry by the word in the write itself, so that its flag has to be put first.
    const run = await open({ mode: 'live' });
    const contents = await gateway.digest();
    gateway.recorder.clear();
    await gateway.fault('FLAGS', both(writes, onKey(flagOf(run))), { delay: 2_000 });
    const write = run.agent.sql("INSERT INTO things (name) VALUES ('late')", [], { headers: dry });
    await until(() => flagRequest(run, 'put'), 'the flag is put');
    assert.equal((await control(run, 'close')).json.phase, 'closed');
    assert.equal(flagRequest(run, 'put').status, null, 'the flag is still on its way: else this test says nothing');
    assertProblem(await write, 403, 'run_closed');
    const { operations, changes } = await reportOf(gateway, run.id);
    assert.deepEqual([operations.map(({ outcome, problem }) => [outcome, problem.code]), changes], [[['refused', 'run_closed']], []]);
    assert.equal(await gateway.digest(), contents);
  });

  test('for the flag to be read refuses the write', async () => {
    const run = await open({ mode: 'live' });
    const contents = await gateway.digest();
    await gateway.fault('FLAGS', both(reads, onKey(flagOf(run))), { delay: 2_000 });
    const write = run.agent.put('late', 'x');
    await until(() => flagRequest(run, 'get'), 'the flag is read');
    assert.equal((await control(run, 'close')).json.phase, 'closed');
    assert.equal(flagRequest(run, 'get').status, null, 'the flag is still on its way: else this test says nothing');
    assertProblem(await write, 403, 'run_closed');
    assert.equal(await gateway.digest(), contents);
  });
});

describe('a live write without a clear answer', () => {
  const kinds = {
    DB: (agent, options) => agent.sql("INSERT INTO things (name) VALUES ('unclear')", [], options),
    CACHE: (agent, options) => agent.put('unclear', 'x', options),
    FILES: (agent, options) => agent.putObject('unclear', 'x', options),
  };
  for (const [store, send] of Object.entries(kinds)) {
    test(`to ${store} is never carried out twice: the same Idempotency-Key is answered with outcome_unknown`, async () => {
      const { agent } = await open({ mode: 'live' });
      const options = { headers: { 'idempotency-key': 'once' } };
      await gateway.fault(store, writes, '503', { after: true });
      assertProblem(await send(agent, options), 502, 'store_unavailable');
      gateway.heal();
      const contents = await gateway.digest();
      for (let again = 0; again < 2; again += 1) assertProblem(await send(agent, options), 409, 'outcome_unknown');
      assert.equal(await gateway.digest(), contents);
    });
  }
});

describe('a flag that cannot be refreshed', () => {
  test('raises an alert and is tried again by the run itself', async () => {
    const run = await open();
    const puts = () => gateway.recorder.requests.filter((one) => one.operation === 'put' && one.key === flagOf(run)).length;
    await gateway.fault('FLAGS', writes, '503');
    // From here on nobody asks the run for anything: its alarm does it.
    await age(gateway, run, 1_700);
    await until(() => puts() === 1, 'the refresh is tried');
    const alerts = async () => (await gateway.api('/v1/alerts', { key: 'operator' })).json.alerts.filter((one) => one.run === run.id);
    const [alert] = await until(async () => (await alerts()).length > 0 && alerts(), 'an alert is raised');
    assert.deepEqual([alert.kind, alert.cause], ['guard_failure', 'flag_unavailable']);
    gateway.heal();
    await gateway.flags.delete(flagOf(run));
    await age(gateway, run, 15);
    await until(async () => (await gateway.flags.get(flagOf(run))) === '1', 'the flag is put again');
    assert.equal(puts(), 1);
  });
});

describe('without a credential', () => {
  test('a hundred requests with keys of the other environment write little into CONTROL', async () => {
    // Known by an isolate after its first request: not what is counted here.
    await gateway.api('/v1/environment', { key: 'agent' });
    gateway.recorder.clear();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => gateway.api('/v1/runs', { key: `drk_production_x${index}` })));
    for (const answer of answers) assertProblem(answer, 403, 'wrong_environment');
    const controlWrites = () => gateway.recorder.requests.filter(({ store, write }) => store === 'CONTROL' && write);
    await until(() => controlWrites().length > 0 && controlWrites().every(({ status }) => status !== null), 'the alert is stored');
    assert.equal((await gateway.api('/v1/alerts', { key: 'operator' })).json.alerts.filter(({ cause }) => cause === 'wrong_environment').length > 0, true);
    // Ten a minute, and the requests may have come in two of them.
    assert.ok(controlWrites().length <= 20, `${controlWrites().length} writes`);
  });
});

describe('the token of a run', () => {
  test('stops working when the key of its owner is taken away', async () => {
    const state = mkdtempSync(path.join(tmpdir(), 'dryrun-gateway-'));
    const secrets = { TOKEN_SECRET: randomBytes(32).toString('hex') };
    const sha256 = (text) => createHash('sha256').update(text).digest('hex');
    let other;
    try {
      other = await startGateway({ state, secrets });
      const { keys } = other;
      const { id, token } = await openRun(other, { mode: 'live' });
      const listed = (names) => JSON.stringify(names.map((name) => ({ name, role: name === 'agent2' ? 'agent' : name, sha256: sha256(keys[name]) })));
      const ask = async (names, use) => {
        await other.stop();
        other = await startGateway({ state, secrets: { ...secrets, KEYS: listed(names) } });
        return use();
      };
      await ask(['agent', 'agent2', 'operator'], async () => {
        assert.equal((await agentOf(other, token).put('k', 'v')).status, 200, 'a restart alone takes nothing away');
      });
      await ask(['agent2', 'operator'], async () => {
        const contents = await other.digest();
        const agent = agentOf(other, token);
        for (const answer of [await agent.put('k', 'w'), await agent.get('k'), await agent.sql('SELECT 1'), await agent.call(`/v1/runs/${id}`), await agent.call('/v1/runs', { json: {} })]) {
          assertProblem(answer, 401, 'unauthenticated');
        }
        assert.equal(await other.digest(), contents);
      });
      await ask(['agent'], async () => assert.equal((await agentOf(other, token).get('k')).text, 'v', 'the key is back'));
    } finally {
      await other?.stop();
      rmSync(state, { recursive: true, force: true });
    }
  });
});

describe('a range of bytes', () => {
  test('may end at the largest number there is', async () => {
    await gateway.files.put('range', 'hello');
    const live = await open({ mode: 'live' });
    const rehearsal = await open();
    assert.equal((await rehearsal.agent.putObject('planned', 'hello')).status, 200);
    const asked = { 'bytes=0-18446744073709551615': 'hello', 'bytes=2-18446744073709551615': 'llo', 'bytes=2-18446744073709551614': 'llo', 'bytes=0-9007199254740993': 'hello' };
    for (const [range, expected] of Object.entries(asked)) {
      for (const [agent, key] of [[live.agent, 'range'], [rehearsal.agent, 'range'], [rehearsal.agent, 'planned']]) {
        const answer = await agent.getObject(key, { headers: { range } });
        assert.deepEqual([answer.status, answer.text], [206, expected], `${range} of ${key}`);
        assert.equal(answer.headers.get('content-range'), `bytes ${5 - expected.length}-4/5`, `${range} of ${key}`);
      }
    }
  });
});
