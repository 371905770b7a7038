// What was acknowledged survives a kill of workerd and a panic inside it, with its mode; what was not is never done twice.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { both, onKey, startGateway, writes } from './harness/gateway.mjs';
import { agentOf, assertAllPlanned, assertProblem, openRun, reportOf, until, writeEverywhere } from './helpers.mjs';

const statusOf = async (gateway, run) => (await gateway.api(`/v1/runs/${run.id}`, { key: 'operator' })).json;
const turnDry = (gateway, run) => gateway.api(`/v1/runs/${run.id}/dry-run`, { token: run.token, method: 'POST' });

async function start(options = {}) {
  // A patient budget: only what is broken on purpose may fail here.
  const gateway = await startGateway({ ...options, vars: { FLAG_BUDGET_MS: '10000' } });
  await gateway.db.exec('CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)');
  return gateway;
}

/** Lets workers write one thing after the other until `kill()`. `acknowledged` fills with what was answered 200. */
function writeUntilKilled(gateway, agent, acknowledged) {
  const kinds = {
    DB: (name) => agent.sql('INSERT INTO things (name) VALUES (?)', [name]),
    CACHE: (name) => agent.put(name, name),
    FILES: (name) => agent.putObject(name, name),
  };
  let killed = false;
  const work = async (store, worker) => {
    for (let number = 0; ; number += 1) {
      const name = `${store}-${worker}-${number}`;
      let answer;
      try {
        answer = await kinds[store](name);
      } catch (error) {
        // Only the kill may break a connection.
        if (killed) return;
        throw new Error(`${name} was broken off before the kill`, { cause: error });
      }
      assert.equal(answer.status, 200, answer.text);
      acknowledged.push({ store, name, position: Number(answer.headers.get('operation')) });
    }
  };
  const workers = Promise.all(Object.keys(kinds).flatMap((store) => [work(store, 1), work(store, 2)]));
  return {
    workers,
    kill: async () => {
      killed = true;
      await gateway.kill();
      await workers;
    },
  };
}

/** Waits for five acknowledged writes of each kind, and tells how many there are when they do not come. */
async function someOfEach(acknowledged) {
  const count = () => Object.fromEntries(['DB', 'CACHE', 'FILES'].map((store) => [store, acknowledged.filter((one) => one.store === store).length]));
  await until(() => Object.values(count()).every((number) => number >= 5), 'five writes of each kind', { state: count });
}

/** Every acknowledged operation stands in the report, done, in its mode; a planned one with what it would change. */
function assertKept(report, acknowledged, mode) {
  const byPosition = new Map(report.operations.map((operation) => [operation.position, operation]));
  assert.deepEqual(report.operations.map(({ position }) => position), report.operations.map((_, index) => index + 1));
  for (const { store, name, position } of acknowledged) {
    const entry = byPosition.get(position);
    assert.deepEqual([entry?.store, entry?.outcome, entry?.mode], [store, 'done', mode], name);
    assert.ok(JSON.stringify(entry.request).includes(name), name);
  }
  const changed = (store) => JSON.stringify(report.changes.filter((group) => group.store === store));
  for (const { store, name } of acknowledged) {
    if (mode === 'dry_run') assert.ok(changed(store).includes(`"${name}"`), `the effect of ${name}`);
  }
}

describe('a kill of workerd', () => {
  let gateway;
  before(async () => void (gateway = await start()));
  beforeEach(() => gateway.heal());
  after(() => gateway.stop());

  test('in the middle of a dry run loses nothing that was acknowledged, three times over', async () => {
    const run = await openRun(gateway);
    const before = await gateway.digest();
    const all = [];
    for (let round = 0; round < 3; round += 1) {
      const acknowledged = [];
      const agent = agentOf(gateway, run.token);
      const namedByRound = { ...agent, sql: (sql, [name]) => agent.sql(sql, [`r${round}-${name}`]), put: (name) => agent.put(`r${round}-${name}`, name), putObject: (name) => agent.putObject(`r${round}-${name}`, name) };
      const writing = writeUntilKilled(gateway, namedByRound, acknowledged);
      await Promise.race([someOfEach(acknowledged), writing.workers]);
      await writing.kill();
      await gateway.restart();
      all.push(...acknowledged.map((one) => ({ ...one, name: `r${round}-${one.name}`, body: one.name })));

      assert.equal((await statusOf(gateway, run)).mode, 'dry_run');
      for (const { store, name, body } of all) {
        if (store === 'CACHE') assert.equal((await agent.get(name)).text, body);
        if (store === 'FILES') assert.equal((await agent.getObject(name)).text, body);
      }
      const rows = (await agent.sql('SELECT name FROM things')).json.result[0].results.map((row) => row.name);
      assert.equal(new Set(rows).size, rows.length, 'no row was planned twice');
      for (const { store, name } of all) if (store === 'DB') assert.ok(rows.includes(name), name);

      const report = await reportOf(gateway, run.id);
      assertKept(report, all, 'dry_run');
      // What the shadow holds and what the report says are the same, also for writes that nobody got an answer to.
      const planned = report.changes.find(({ subject }) => subject === 'things').items.map(({ fields }) => fields.find(({ field }) => field === 'name').after);
      assert.deepEqual(planned.toSorted(), rows.toSorted());
      assert.equal(await gateway.digest(), before);
    }
    assertAllPlanned(await writeEverywhere(agentOf(gateway, run.token)));
    assert.equal(await gateway.digest(), before);
  });

  test('in the middle of a live run loses nothing that was acknowledged', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const acknowledged = [];
    const writing = writeUntilKilled(gateway, agentOf(gateway, run.token), acknowledged);
    await Promise.race([someOfEach(acknowledged), writing.workers]);
    await writing.kill();
    await gateway.restart();

    assert.equal((await statusOf(gateway, run)).mode, 'live');
    const report = await reportOf(gateway, run.id);
    assertKept(report, acknowledged, 'live');
    const rows = (await gateway.db.all('SELECT name FROM things')).map(({ name }) => name);
    for (const { store, name } of acknowledged) {
      if (store === 'DB') assert.ok(rows.includes(name), name);
      if (store === 'CACHE') assert.equal(await gateway.cache.get(name), name);
      if (store === 'FILES') assert.equal((await gateway.files.get(name)).bytes.toString(), name);
    }
    // Whatever is in the stores without an acknowledgement is named as unknown, not passed over.
    const unknown = report.operations.filter(({ outcome }) => outcome === 'running');
    const hazards = report.hazards.filter(({ kind }) => kind === 'outcome_unknown').flatMap(({ operations }) => operations);
    assert.deepEqual(hazards, unknown.map(({ position }) => position));
    const journalled = JSON.stringify(report.operations);
    for (const name of rows) assert.ok(journalled.includes(name), `${name} is in the store, so it is in the journal`);
    const agent = agentOf(gateway, run.token);
    assert.equal((await agent.put('after the kill', 'x')).status, 200);
    assert.equal(await gateway.cache.get('after the kill'), 'x');
  });

  const unknowns = [
    { store: 'CACHE', name: 'a KV put', send: (agent, options) => agent.put('unknown', 'x', options) },
    { store: 'FILES', name: 'an R2 put', send: (agent, options) => agent.putObject('unknown', 'x', options) },
    { store: 'DB', name: 'a D1 write', send: (agent, options) => agent.sql("INSERT INTO things (name) VALUES ('unknown')", undefined, options) },
  ];
  for (const { store, name, send } of unknowns) {
    for (const after of [false, true]) {
      test(`while ${name} is in flight, ${after ? 'after' : 'before'} its effect, leaves a live write whose outcome is unknown`, async () => {
        const run = await openRun(gateway, { mode: 'live' });
        const agent = agentOf(gateway, run.token);
        assert.equal((await agent.put('first', 'x')).status, 200);
        await gateway.fault(store, writes, 'hang', { after });
        gateway.recorder.clear();
        const arrived = () => gateway.recorder.requests.filter((request) => request.store === store && request.write);
        const idempotent = { headers: { 'idempotency-key': 'only-once' } };
        const write = send(agent, idempotent).then(() => 'answered', () => 'broken');
        await until(() => arrived().length === 1, 'the write reaches its store');
        await gateway.kill();
        assert.equal(await write, 'broken');
        gateway.heal();
        await gateway.restart();

        const report = await reportOf(gateway, run.id);
        assert.deepEqual(report.operations.map(({ outcome, mode }) => [outcome, mode]), [['done', 'live'], ['running', 'live']]);
        assert.deepEqual(report.hazards.filter(({ kind }) => kind === 'outcome_unknown').map(({ operations }) => operations), [[2]]);
        assertProblem(await send(agent, idempotent), 409, 'outcome_unknown');
        assert.equal(arrived().length, 1, 'nothing was written twice');
      });
    }
  }

  test('while a dry write is in flight leaves its idempotency key unable to plan it twice', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    await gateway.fault('FLAGS', writes, 'hang');
    const idempotent = { headers: { 'idempotency-key': 'only-once', 'dry-run': 'true' } };
    const write = agent.put('planned-once', 'x', idempotent).then(() => 'answered', () => 'broken');
    await until(() => gateway.recorder.requests.some(({ store, key }) => store === 'FLAGS' && key === `dryrun_active:${run.id}`), 'the flag is put');
    await until(async () => (await statusOf(gateway, run)).mode === 'dry_run', 'the run is dry');
    await gateway.kill();
    assert.equal(await write, 'broken');
    gateway.heal();
    await gateway.restart();
    const again = await agent.put('planned-once', 'x', idempotent);
    assert.ok([200, 409, 503].includes(again.status), again.text);
    const { operations } = await reportOf(gateway, run.id);
    assert.ok(operations.filter(({ outcome }) => outcome === 'done').length <= 1);
  });

  test('right after a run turned dry leaves it dry, whatever KV says then', async () => {
    const ways = [
      (run) => turnDry(gateway, run),
      (run) => agentOf(gateway, run.token).sql('SELECT 1', undefined, { headers: { 'dry-run': 'true' } }),
      (run) => agentOf(gateway, run.token).put('turning', 'x', { headers: { 'dry-run': 'true' } }),
      async (run) => {
        await gateway.flags.put(`dryrun_active:${run.id}`, '1');
        return agentOf(gateway, run.token).put('turning', 'x');
      },
    ];
    const runs = await Promise.all(ways.map(() => openRun(gateway, { mode: 'live' })));
    const before = await gateway.digest();
    for (const [index, turn] of ways.entries()) {
      const answer = await turn(runs[index]);
      await gateway.kill();
      assert.equal(answer.status, 200, answer.text);
      await gateway.restart();
      await gateway.flags.delete(`dryrun_active:${runs[index].id}`);
      assert.equal((await statusOf(gateway, runs[index])).mode, 'dry_run');
      assertAllPlanned(await writeEverywhere(agentOf(gateway, runs[index].token)));
    }
    assert.equal(await gateway.digest(), before);
  });

  test('keeps idempotent answers, closed runs and the terms of a run', async () => {
    const terms = { id: 'kept-terms', mode: 'live', labels: { team: 'support' }, prompt_version: 'v7' };
    const run = await openRun(gateway, terms);
    const agent = agentOf(gateway, run.token);
    const idempotent = { headers: { 'idempotency-key': 'kept' } };
    const first = await agent.sql("INSERT INTO things (name) VALUES ('kept') RETURNING id", undefined, idempotent);
    const closed = await openRun(gateway, { mode: 'live' });
    assert.equal((await gateway.api(`/v1/runs/${closed.id}/close`, { token: closed.token, method: 'POST' })).json.phase, 'closed');
    await gateway.restart();
    const second = await agent.sql("INSERT INTO things (name) VALUES ('kept') RETURNING id", undefined, idempotent);
    assert.equal(second.headers.get('idempotent-replayed'), 'true');
    assert.deepEqual(second.json.result, first.json.result);
    assert.deepEqual(await gateway.db.all("SELECT count(*) AS n FROM things WHERE name = 'kept'"), [{ n: 1 }]);
    assertProblem(await agentOf(gateway, closed.token).put('x', 'x'), 403, 'run_closed');
    const again = await gateway.api('/v1/runs', { key: 'agent', json: terms });
    assert.deepEqual([again.status, again.json.labels, again.json.prompt_version, again.json.opened_at], [200, terms.labels, 'v7', run.opened_at]);
  });
});

describe('a panic inside a run', () => {
  let gateway;
  before(async () => void (gateway = await start({ build: 'build-probe' })));
  beforeEach(() => gateway.heal());
  after(() => gateway.stop());

  // Long enough for any machine, short enough for an agent: whoever waits longer for an answer has been left hanging.
  const patience = () => ({ signal: AbortSignal.timeout(15_000) });
  const panic = (agent, options) => agent.put('panic-probe', 'x', { ...patience(), ...options });

  function assertFailed(answer) {
    assert.ok(answer.status >= 500, `${answer.status} ${answer.text}`);
    assert.doesNotMatch(answer.text, /asked for by the probe|panicked|\.rs/);
  }

  test('is an error with a code for its caller', async () => {
    const run = await openRun(gateway);
    const answer = await panic(agentOf(gateway, run.token));
    assertFailed(answer);
    assertProblem(answer, 503, 'run_unavailable');
    assert.match(gateway.logs(), /asked for by the probe/);
  });

  for (const mode of ['dry_run', 'live']) {
    test(`changes neither the mode nor the journal of a ${mode === 'live' ? 'live' : 'dry'} run, which goes on`, async () => {
      const run = await openRun(gateway, { mode });
      const agent = agentOf(gateway, run.token);
      for (const answer of Object.values(await writeEverywhere(agent))) assert.equal(answer.status, 200, answer.text);
      const before = await reportOf(gateway, run.id);
      const digest = await gateway.digest();
      assertFailed(await panic(agent));
      assert.equal((await statusOf(gateway, run)).mode, mode);
      const { operations, changes } = await reportOf(gateway, run.id);
      assert.deepEqual([operations, changes], [before.operations, before.changes]);
      assert.equal(await gateway.digest(), digest);
      assert.equal(await gateway.cache.get('panic-probe'), null);
      for (const answer of Object.values(await writeEverywhere(agent))) assert.deepEqual([answer.status, answer.headers.get('dry-run')], [200, mode === 'live' ? null : 'true'], answer.text);
      assert.equal((await reportOf(gateway, run.id)).operations.length, 6);
    });
  }

  test('does not turn a run that was turned dry back', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    await turnDry(gateway, run);
    const before = await gateway.digest();
    assertFailed(await panic(agent));
    await gateway.flags.delete(`dryrun_active:${run.id}`);
    assertAllPlanned(await writeEverywhere(agent));
    assert.equal((await statusOf(gateway, run)).mode, 'dry_run');
    assert.equal(await gateway.digest(), before);
  });

  test('leaves other runs at work', async () => {
    const runs = await Promise.all(['live', 'dry_run', 'live'].map((mode) => openRun(gateway, { mode })));
    const agents = runs.map((run) => agentOf(gateway, run.token));
    for (let round = 0; round < 3; round += 1) {
      assertFailed(await panic(agents[2]));
      for (const agent of agents.slice(0, 2)) {
        for (const answer of Object.values(await writeEverywhere(agent))) assert.equal(answer.status, 200, answer.text);
      }
    }
    assert.equal((await reportOf(gateway, runs[0].id)).summary.live_writes, 9);
    assert.equal((await reportOf(gateway, runs[1].id)).summary.writes, 9);
  });

  test('answers everybody who was waiting, and acknowledges nothing that is not kept', async () => {
    const runs = await Promise.all(Array.from({ length: 4 }, () => openRun(gateway)));
    const agents = runs.map((run) => agentOf(gateway, run.token));
    const sent = agents.flatMap((agent, who) => Array.from({ length: 10 }, (_, index) => ({ who, name: `together-${who}-${index}`, agent })));
    const writesInFlight = sent.map(async (one) => ({ ...one, answer: await one.agent.put(one.name, one.name, patience()) }));
    const [panicked, ...answers] = await Promise.all([panic(agents[0]), ...writesInFlight]);
    assertFailed(panicked);
    for (const { who, name, answer } of answers) {
      if (answer.status !== 200) continue;
      const report = await reportOf(gateway, runs[who].id);
      assertKept(report, [{ store: 'CACHE', name, position: Number(answer.headers.get('operation')) }], 'dry_run');
    }
  });

  test('does not let the key of its own request write twice', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    const before = await gateway.digest();
    const idempotent = { headers: { 'idempotency-key': 'panicked' } };
    assertFailed(await panic(agent, idempotent));
    assertFailed(await panic(agent, idempotent));
    assert.equal(await gateway.digest(), before);
  });

  test('does not let the key of a write in flight write twice', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    const idempotent = { headers: { 'idempotency-key': 'in-flight' } };
    await gateway.fault('CACHE', both(writes, onKey('in-flight')), 'hang', { after: true });
    gateway.recorder.clear();
    const arrived = () => gateway.recorder.requests.filter(({ store, key, write }) => store === 'CACHE' && key === 'in-flight' && write).length;
    const write = agent.put('in-flight', 'x', { ...patience(), ...idempotent });
    write.catch(() => {});
    await until(() => arrived() === 1, 'the write reaches its store');
    assertFailed(await panic(agent));
    gateway.heal();
    const first = await write;
    assert.ok(first.status >= 500, first.text);
    const second = await agent.put('in-flight', 'x', idempotent);
    assertProblem(second, 409, 'outcome_unknown');
    assert.equal(arrived(), 1);
    const report = await reportOf(gateway, run.id);
    assert.deepEqual(report.hazards.filter(({ kind }) => kind === 'outcome_unknown').map(({ operations }) => operations), [[1]]);
  });
});
