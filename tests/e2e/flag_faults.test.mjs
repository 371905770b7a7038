// Everything that KV can do to the flag, against every kind of write, in a dry run and in a live run.
// An absent flag never loosens a run, a flag that cannot be read stops its writes, and nothing that was refused or planned reaches a store.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { both, onKey, reads, startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, reportOf, until } from './helpers.mjs';

const flagOf = (run) => `dryrun_active:${run.id}`;
const broken = (kind) => (gateway, run) => gateway.fault('FLAGS', both(reads, onKey(flagOf(run))), kind);
const held = (value) => (gateway, run) => gateway.flags.put(flagOf(run), value);

/** What a run's flag reads as, and what has to become of a write then. `prepare` happens after the run was opened in its mode. */
const faults = [
  { name: 'KV answers as it should', prepare: () => {}, dry_run: 'planned', live: 'live' },
  { name: 'KV answers 503', prepare: broken('503'), dry_run: 'refused', live: 'refused' },
  { name: 'KV answers 429', prepare: broken('429'), dry_run: 'refused', live: 'refused' },
  { name: 'KV answers 500', prepare: broken('500'), dry_run: 'refused', live: 'refused' },
  { name: 'the connection is reset', prepare: broken('reset'), dry_run: 'refused', live: 'refused' },
  {
    name: 'the body of a flag that is set breaks off',
    prepare: async (gateway, run) => {
      await gateway.flags.put(flagOf(run), '1');
      await broken('truncated')(gateway, run);
    },
    dry_run: 'refused',
    live: 'refused',
  },
  { name: 'the flag holds 0', prepare: held('0'), dry_run: 'refused', live: 'refused' },
  { name: 'the flag holds nothing', prepare: held(''), dry_run: 'refused', live: 'refused' },
  { name: 'the flag holds true', prepare: held('true'), dry_run: 'refused', live: 'refused' },
  { name: 'the flag holds false', prepare: held('false'), dry_run: 'refused', live: 'refused' },
  { name: 'the flag holds 1 and a line feed', prepare: held('1\n'), dry_run: 'refused', live: 'refused' },
  { name: 'the flag holds bytes that are no text', prepare: held(Buffer.from([0xff, 0x00, 0x31])), dry_run: 'refused', live: 'refused' },
  { name: 'the flag holds a long text', prepare: held('1'.repeat(100_000)), dry_run: 'refused', live: 'refused' },
  { name: 'KV answers 404', prepare: broken('404'), dry_run: 'planned', live: 'live' },
  { name: 'the flag was deleted', prepare: (gateway, run) => gateway.flags.delete(flagOf(run)), dry_run: 'planned', live: 'live' },
  { name: 'a cached absence is served', prepare: broken('absent'), dry_run: 'planned', live: 'live' },
  { name: 'somebody else set the flag', prepare: held('1'), dry_run: 'planned', live: 'turned' },
  {
    name: 'a stale 1 is served',
    prepare: async (gateway, run) => {
      await gateway.flags.put(flagOf(run), '1');
      await broken('stale')(gateway, run);
      await gateway.flags.delete(flagOf(run));
    },
    dry_run: 'planned',
    live: 'turned',
  },
];

const hanging = [
  { name: 'KV never answers', prepare: broken('hang'), dry_run: 'refused', live: 'refused' },
  { name: 'KV answers later than the budget', prepare: broken({ delay: 1_500 }), dry_run: 'refused', live: 'refused' },
];

const writes = {
  'a D1 write': {
    send: (agent, name, options) => agent.sql('INSERT INTO things (name) VALUES (?)', [name], options),
    isThere: async (gateway, name) => (await gateway.db.all('SELECT 1 FROM things WHERE name = ?', [name])).length === 1,
  },
  'an R2 put': {
    send: (agent, name, options) => agent.putObject(`faults/${name}`, name, options),
    isThere: async (gateway, name) => (await gateway.files.get(`faults/${name}`))?.bytes.toString() === name,
  },
  'a KV put': {
    send: (agent, name, options) => agent.put(name, name, options),
    isThere: async (gateway, name) => (await gateway.cache.get(name)) === name,
  },
};

const targets = new Set(['DB', 'FILES', 'CACHE']);
const targetWrites = (gateway) => gateway.recorder.requests.filter(({ store, write }) => write && targets.has(store));
let count = 0;

async function check(gateway, fault, mode, write) {
  const run = await openRun(gateway, { mode });
  const agent = agentOf(gateway, run.token);
  const name = `thing-${(count += 1)}`;
  const send = () => write.send(agent, name, { headers: { 'idempotency-key': name } });
  await fault.prepare(gateway, run);
  const before = await gateway.digest();
  gateway.recorder.clear();

  const answer = await send();
  const written = targetWrites(gateway);
  const after = await gateway.digest();
  const expected = fault[mode];
  await outcomes[expected]({ gateway, answer, written, before, after, isThere: () => write.isThere(gateway, name) });
  const mended = { planned: 'dry_run', turned: 'dry_run', live: 'live', refused: mode }[expected];
  assert.equal((await gateway.api(`/v1/runs/${run.id}`, { token: run.token })).json.mode, mended);
  assert.deepEqual((await reportOf(gateway, run.id)).operations.map(({ outcome, problem }) => [outcome, problem?.code]),
    [expected === 'refused' ? ['refused', 'flag_unavailable'] : ['done', undefined]]);

  // Once KV is well again and the flag as it was, the same request does what its run says, once.
  gateway.heal('FLAGS');
  await (mended === 'dry_run' ? gateway.flags.put(flagOf(run), '1') : gateway.flags.delete(flagOf(run)));
  const again = await until(async () => {
    const retried = await send();
    return retried.status !== 503 && retried;
  }, 'KV answers within the budget again');
  assert.equal(again.status, 200, again.text);
  assert.equal(again.headers.get('idempotent-replayed'), expected === 'refused' ? null : 'true');
  assert.equal(again.headers.get('dry-run'), mended === 'dry_run' ? 'true' : null);
  assert.equal(await write.isThere(gateway, name), mended === 'live');
  assert.equal(targetWrites(gateway).length, mended === 'live' ? 1 : 0);
}

const outcomes = {
  refused: ({ answer, written, before, after }) => {
    assertProblem(answer, 503, 'flag_unavailable');
    assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
    assert.equal(answer.headers.get('x-should-retry'), null);
    assert.match(answer.json.detail, /nothing was written/);
    assert.deepEqual(written, []);
    assert.equal(after, before);
  },
  planned: ({ answer, written, before, after }) => {
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get('dry-run'), 'true');
    assert.equal(answer.json.messages.length, 1);
    assert.deepEqual(written, []);
    assert.equal(after, before);
  },
  live: async ({ answer, written, before, after, isThere }) => {
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers.get('dry-run'), null);
    assert.deepEqual(answer.json.messages, []);
    assert.equal(written.length, 1);
    assert.notEqual(after, before);
    assert.ok(await isThere());
  },
};
// A live run that learns from its flag that it is a dry run: for the caller the same as a dry run.
outcomes.turned = outcomes.planned;

const says = { refused: 'is refused', planned: 'stays planned', turned: 'turns it dry', live: 'is made real' };

function table(rows, gateway) {
  for (const fault of rows) {
    for (const mode of ['dry_run', 'live']) {
      for (const [what, write] of Object.entries(writes)) {
        test(`${fault.name}: ${what} in a ${mode === 'live' ? 'live' : 'dry'} run ${says[fault[mode]]}`, async () => {
          try {
            await check(gateway(), fault, mode, write);
          } finally {
            gateway().heal();
          }
        });
      }
    }
  }
}

describe('the flag', () => {
  let gateway;
  before(async () => {
    // A patient budget: what fails here fails by its answer, not because this machine is busy.
    gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000' } });
    await gateway.db.exec('CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)');
  });
  after(() => gateway.stop());

  table(faults, () => gateway);

  for (const [what, write] of Object.entries(writes)) {
    test(`an absence from before the gateway set the flag leaves ${what} planned`, async () => {
      const run = await openRun(gateway, { mode: 'live' });
      const agent = agentOf(gateway, run.token);
      await gateway.fault('FLAGS', reads, 'stale');
      try {
        assert.equal((await gateway.api(`/v1/runs/${run.id}/dry-run`, { token: run.token, method: 'POST' })).json.mode, 'dry_run');
        assert.equal(await gateway.flags.get(flagOf(run)), '1');
        const before = await gateway.digest();
        gateway.recorder.clear();
        const answer = await write.send(agent, `stale-${what}`);
        const read = gateway.recorder.requests.find(({ store, write: isWrite }) => store === 'FLAGS' && !isWrite);
        assert.deepEqual([read.fault, read.status], ['stale', 404], 'KV said that there is no flag');
        outcomes.planned({ answer, written: targetWrites(gateway), before, after: await gateway.digest() });
      } finally {
        gateway.heal();
      }
    });
  }
});

for (const [name, vars] of [['the default budget', {}], ['a budget of 60 ms', { FLAG_BUDGET_MS: '60' }]]) {
  describe(`a flag that is late, with ${name}`, () => {
    let gateway;
    before(async () => {
      gateway = await startGateway({ vars });
      await gateway.db.exec('CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL)');
    });
    after(() => gateway.stop());

    table(hanging, () => gateway);

    test('the budget is the configured one', async () => {
      const { json } = await gateway.api('/v1/environment', { key: 'operator' });
      assert.equal(json.limits.flag_budget_ms, Number(vars.FLAG_BUDGET_MS ?? 250));
    });
  });
}
