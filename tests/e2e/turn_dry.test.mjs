// The ways in which a run turns dry: at once, for good, in every store, with every run below it.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { environmentSettings } from './harness/settings.mjs';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertAllPlanned, assertProblem, openRun, reportOf, until, writeEverywhere } from './helpers.mjs';

const flagOf = (run) => `dryrun_active:${run.id}`;
const statusOf = async (gateway, run) => (await gateway.api(`/v1/runs/${run.id}`, { key: 'operator' })).json;
const turnDry = (gateway, run) => gateway.api(`/v1/runs/${run.id}/dry-run`, { token: run.token, method: 'POST' });
const close = (gateway, run) => gateway.api(`/v1/runs/${run.id}/close`, { token: run.token, method: 'POST' });

async function start({ policies = {} } = {}) {
  const { STORES } = environmentSettings('staging').vars;
  const stores = Object.fromEntries(Object.entries(STORES).map(([binding, store]) => [binding, { ...store, policy: policies[binding] ?? store.policy }]));
  // A patient budget: only what is broken on purpose may fail here.
  const gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', STORES: stores } });
  await gateway.db.exec('CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)');
  return gateway;
}

function assertAllLive(answers) {
  for (const [store, answer] of Object.entries(answers)) {
    assert.deepEqual([answer.status, answer.headers.get('dry-run')], [200, null], `${store} ${answer.text}`);
  }
}

/** Nothing of what the agent does from here on reaches a store, whatever KV and the agent say. */
async function assertDryForGood(gateway, run, because) {
  const agent = agentOf(gateway, run.token);
  const before = await gateway.digest();
  assertAllPlanned(await writeEverywhere(agent));
  assertAllPlanned(await writeEverywhere(agent, { headers: { 'dry-run': 'false' } }));
  await gateway.flags.delete(flagOf(run));
  assertAllPlanned(await writeEverywhere(agent));
  const { mode, mode_because: words } = await statusOf(gateway, run);
  assert.equal(mode, 'dry_run');
  assert.match(words, because);
  assert.equal(await gateway.digest(), before);
}

const targetWrites = (gateway) => gateway.recorder.requests.filter(({ store, write }) => write && ['DB', 'CACHE', 'FILES'].includes(store));

describe('turning dry', () => {
  let gateway;
  before(async () => void (gateway = await start()));
  beforeEach(() => gateway.recorder.clear());
  after(() => gateway.stop());

  const ways = [
    { name: 'POST …/dry-run', turn: (run) => turnDry(gateway, run), because: /asked/ },
    { name: 'the header on a read', turn: (run, agent) => agent.sql('SELECT 1', undefined, { headers: { 'dry-run': 'true' } }), because: /asked/ },
    { name: 'the header on a read of a key', turn: (run, agent) => agent.get('nothing', { headers: { 'dry-run': 'true' } }), because: /asked/ },
    { name: 'the header on a write', turn: (run, agent) => agent.put('asked', 'x', { headers: { 'dry-run': 'true' } }), because: /asked/ },
    { name: 'the header in capitals', turn: (run, agent) => agent.put('asked', 'x', { headers: { 'DRY-RUN': 'TRUE' } }), because: /asked/ },
    { name: 'the header on a write that the store would fail', turn: (run, agent) => agent.sql('INSERT INTO things (name) VALUES (NULL)', undefined, { headers: { 'dry-run': 'true' } }), because: /asked/ },
    { name: 'the flag that somebody else set', turn: (run) => gateway.flags.put(flagOf(run), '1'), because: /flag/ },
    { name: 'the flag that somebody else set, for a minute', turn: (run) => gateway.flags.put(flagOf(run), '1', { expirationTtl: 60 }), because: /flag/ },
  ];

  for (const { name, turn, because } of ways) {
    test(`by ${name} it holds for every later write in every store`, async () => {
      const run = await openRun(gateway, { mode: 'live' });
      const agent = agentOf(gateway, run.token);
      assertAllLive(await writeEverywhere(agent));
      const live = targetWrites(gateway).length;
      await turn(run, agent);
      await assertDryForGood(gateway, run, because);
      assert.equal(targetWrites(gateway).length, live);
      const { hazards, summary } = await reportOf(gateway, run.id);
      assert.equal(summary.live_writes, 3);
      assert.deepEqual(hazards.filter(({ kind }) => kind === 'live_before_dry').map(({ operations }) => operations), [[1, 2, 3]]);
    });
  }

  test('opening the run again as live does not turn it back', async () => {
    const terms = { id: 'turned-and-reopened', mode: 'live' };
    const run = await openRun(gateway, terms);
    await turnDry(gateway, run);
    const again = await gateway.api('/v1/runs', { key: 'agent', json: terms });
    assert.deepEqual([again.status, again.json.mode], [200, 'dry_run']);
    await assertDryForGood(gateway, { ...run, token: again.json.token }, /asked/);
  });

  test('turning a dry run dry again keeps its first reason', async () => {
    const run = await openRun(gateway);
    const { mode_since: since } = await statusOf(gateway, run);
    assert.equal((await turnDry(gateway, run)).json.mode_because, 'it was requested when the run was opened');
    assert.equal((await statusOf(gateway, run)).mode_since, since);
  });

  test('a word in the header that is neither true nor false writes nothing', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const before = await gateway.digest();
    for (const word of ['yes', '1', '', 'tru', 'true, false', 'false, true']) {
      for (const answer of Object.values(await writeEverywhere(agentOf(gateway, run.token), { headers: { 'dry-run': word } }))) {
        assertProblem(answer, 400, 'invalid_request', { about: JSON.stringify(word) });
      }
    }
    assert.equal(await gateway.digest(), before);
  });

  test('a write that waits for its flag while the run turns dry is planned', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    const before = await gateway.digest();
    const isRead = ({ store, operation, key }) => store === 'FLAGS' && operation === 'get' && key === flagOf(run);
    // The flag reads as absent, but that answer arrives only after the run has turned dry.
    await gateway.fault('FLAGS', isRead, { delay: 2_000 }, { times: 1 });
    const write = agent.put('overtaken', 'x');
    const read = await until(() => gateway.recorder.requests.find(isRead), 'the flag is asked for');
    await turnDry(gateway, run);
    assert.equal(read.status, null, 'the flag was answered before the run turned dry');
    const answer = await write;
    assert.deepEqual([answer.status, answer.headers.get('dry-run')], [200, 'true']);
    assert.equal(await gateway.digest(), before);
  });

  test('neither another agent nor another run can turn a run dry', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const other = await openRun(gateway, { mode: 'live' });
    for (const credential of [{ key: 'agent2' }, { token: other.token }]) {
      assertProblem(await gateway.api(`/v1/runs/${run.id}/dry-run`, { ...credential, method: 'POST' }), 404, 'unknown_run');
    }
    assert.equal((await statusOf(gateway, run)).mode, 'live');
  });
});

describe('the runs below', () => {
  let gateway;
  before(async () => void (gateway = await start()));
  after(() => gateway.stop());

  async function family(terms = {}) {
    const parent = await openRun(gateway, { mode: 'live', ...terms });
    const child = await openRun(gateway, { mode: 'live', parent: parent.id });
    const grandchild = await openRun(gateway, { mode: 'live', token: child.token });
    assert.equal(grandchild.parent, child.id);
    return { parent, child, grandchild };
  }

  test('live runs below live runs write live', async () => {
    for (const run of Object.values(await family())) assertAllLive(await writeEverywhere(agentOf(gateway, run.token)));
  });

  test('child and grandchild turn dry when the parent does', async () => {
    const { parent, child, grandchild } = await family();
    assertAllLive(await writeEverywhere(agentOf(gateway, grandchild.token)));
    await turnDry(gateway, parent);
    await assertDryForGood(gateway, grandchild, /parent/);
    await assertDryForGood(gateway, child, /parent/);
  });

  test('a run below stays dry when the one above it has ended since', async () => {
    const { parent, child } = await family();
    await turnDry(gateway, parent);
    assertAllPlanned(await writeEverywhere(agentOf(gateway, child.token)));
    await close(gateway, parent);
    await assertDryForGood(gateway, child, /parent/);
  });

  test('the flag of the parent, set by somebody else, holds for the runs below at once', async () => {
    const { parent, child, grandchild } = await family();
    await gateway.flags.put(flagOf(parent), '1');
    const before = await gateway.digest();
    assertAllPlanned(await writeEverywhere(agentOf(gateway, grandchild.token)));
    assertAllPlanned(await writeEverywhere(agentOf(gateway, child.token)));
    assert.equal(await gateway.digest(), before);
  });

  test('a flag of the parent that cannot be read stops the live writes below', async () => {
    const { parent, child } = await family();
    const before = await gateway.digest();
    await gateway.fault('FLAGS', ({ key, write }) => key === flagOf(parent) && !write, '503');
    for (const answer of Object.values(await writeEverywhere(agentOf(gateway, child.token)))) {
      assert.equal(answer.status, 503, answer.text);
      assert.ok(['flag_unavailable', 'parent_unavailable'].includes(answer.json.code));
    }
    gateway.heal();
    assert.equal(await gateway.digest(), before);
  });

  test('a child that turns dry leaves its parent live', async () => {
    const { parent, child, grandchild } = await family();
    await turnDry(gateway, child);
    assertAllLive(await writeEverywhere(agentOf(gateway, parent.token)));
    await assertDryForGood(gateway, grandchild, /parent/);
  });

  test('a run opened live below a dry run is a dry run', async () => {
    const parent = await openRun(gateway);
    const child = await openRun(gateway, { mode: 'live', parent: parent.id });
    assert.equal(child.mode, 'dry_run');
    assert.equal(await gateway.flags.get(flagOf(child)), '1');
    const grandchild = await openRun(gateway, { mode: 'live', parent: child.id });
    assert.equal(grandchild.mode, 'dry_run');
    await assertDryForGood(gateway, child, /parent/);
  });

  test('a run below a closed run cannot write live, and none can be opened there', async () => {
    const { parent, child, grandchild } = await family();
    const before = await gateway.digest();
    await close(gateway, parent);
    for (const run of [child, grandchild]) {
      for (const answer of Object.values(await writeEverywhere(agentOf(gateway, run.token)))) assertProblem(answer, 403, 'run_closed');
    }
    assertProblem(await gateway.api('/v1/runs', { key: 'agent', json: { mode: 'live', parent: parent.id } }), 403, 'run_closed');
    assert.equal(await gateway.digest(), before);
  });

  test('a run below an expired run cannot write live', async () => {
    const { parent, child } = await family({ expires_in: 1 });
    await until(async () => (await statusOf(gateway, parent)).phase === 'expired', 'the parent expires');
    const before = await gateway.digest();
    for (const answer of Object.values(await writeEverywhere(agentOf(gateway, child.token)))) {
      assert.equal(answer.status, 403, answer.text);
      assert.match(answer.json.code, /^run_(closed|expired)$/);
    }
    assert.equal(await gateway.digest(), before);
  });

  test('a run cannot be put below the run of somebody else', async () => {
    const parent = await openRun(gateway, { mode: 'live' });
    assertProblem(await gateway.api('/v1/runs', { key: 'agent2', json: { parent: parent.id } }), 404, 'unknown_run');
  });
});

describe('the policy of a store', () => {
  let gateway;
  before(async () => void (gateway = await start({ policies: { CACHE: 'dry_run', FILES: 'denied' } })));
  after(() => gateway.stop());

  test('a write to a store for dry runs turns its run dry for good, in every store', async () => {
    const run = await openRun(gateway, { mode: 'live' });
    const agent = agentOf(gateway, run.token);
    assert.equal((await agent.sql("INSERT INTO things (name) VALUES ('before')")).headers.get('dry-run'), null);
    const before = await gateway.digest();
    assert.equal((await agent.get('nothing')).headers.get('dry-run'), null, 'a read turns nothing');
    for (const answer of [await agent.put('policy', 'x'), await agent.sql("INSERT INTO things (name) VALUES ('after')")]) {
      assert.deepEqual([answer.status, answer.headers.get('dry-run')], [200, 'true']);
    }
    const { mode, mode_because: words } = await statusOf(gateway, run);
    assert.equal(mode, 'dry_run');
    assert.match(words, /policy.*CACHE|CACHE.*policy/);
    assert.equal(await gateway.flags.get(flagOf(run)), '1');
    assert.equal(await gateway.digest(), before);
  });

  test('a run below one that a policy turned dry is a dry run too', async () => {
    const parent = await openRun(gateway, { mode: 'live' });
    const child = await openRun(gateway, { mode: 'live', parent: parent.id });
    assert.equal((await agentOf(gateway, parent.token).put('policy', 'x')).status, 200);
    const before = await gateway.digest();
    const answer = await agentOf(gateway, child.token).sql("INSERT INTO things (name) VALUES ('child')");
    assert.deepEqual([answer.status, answer.headers.get('dry-run')], [200, 'true']);
    assert.equal(await gateway.digest(), before);
  });

  test('a denied store is neither read nor written, live or dry', async () => {
    await gateway.files.put('secret', 'content');
    for (const mode of ['live', 'dry_run']) {
      const run = await openRun(gateway, { mode });
      const agent = agentOf(gateway, run.token);
      const before = await gateway.digest();
      gateway.recorder.clear();
      const answers = [
        await agent.getObject('secret'), await agent.putObject('secret', 'other'), await agent.delObject('secret'),
        await agent.call('/client/v4/accounts/local/r2/buckets/FILES/objects'),
      ];
      for (const answer of answers) {
        assertProblem(answer, 403, 'store_denied');
        assert.doesNotMatch(answer.text, /content/);
      }
      assert.equal((await agent.call('/client/v4/accounts/local/r2/buckets/FILES/objects/secret', { method: 'HEAD' })).status, 403);
      assert.deepEqual(gateway.recorder.requests.filter(({ store }) => store === 'FILES'), []);
      assert.equal(await gateway.digest(), before);
      assert.equal((await statusOf(gateway, run)).mode, mode);
    }
  });
});
