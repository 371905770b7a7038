// What docs/operations.md says of broken parts and of exchanging secrets, done on the real Worker.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { newKey } from '../../scripts/delivery/key.mjs';
import { agentOf, openRun } from '../e2e/helpers.mjs';
import { startGateway } from '../e2e/harness/gateway.mjs';
import { newFolder } from './helpers.mjs';

const said = ({ status, json, headers }) => [status, json?.code ?? 'done', headers.get('retry-after')].filter((part) => part !== null).join(' ');

describe('what a broken part does', { timeout: 120_000 }, () => {
  let gateway;
  let agents;
  before(async () => {
    gateway = await startGateway();
    await gateway.db.exec("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE); INSERT INTO things VALUES (1, 'a')");
    for (const store of ['FLAGS', 'CACHE', 'DB', 'FILES', 'CONTROL']) await gateway.db.exec(`CREATE TABLE others_${store} (id INTEGER PRIMARY KEY, name TEXT)`);
    await gateway.cache.put('there', 'x');
    await gateway.files.put('there', 'x');
    agents = {};
    for (const mode of ['live', 'dry_run']) agents[mode] = agentOf(gateway, (await openRun(gateway, { id: `described-${mode.replace('_', '-')}`, mode })).token);
    // The dry run has copied one table and planned one key and one object.
    await agents.dry_run.sql("INSERT INTO things (name) VALUES ('planned')");
    await agents.dry_run.put('planned', 'x');
    await agents.dry_run.putObject('planned', 'x');
  });
  after(() => gateway?.stop());

  let number = 0;
  /** What every kind of request gets while a store answers 503. */
  async function whileBroken(store) {
    await gateway.fault(store, null, '503');
    try {
      const answers = {};
      for (const [mode, agent] of Object.entries(agents)) {
        const name = `broken-${(number += 1)}`;
        answers[mode] = {
          'd1 read': said(await agent.sql('SELECT * FROM things')), 'd1 write': said(await agent.sql('INSERT INTO things (name) VALUES (?)', [name])), 'other table': said(await agent.sql(`INSERT INTO others_${store} (name) VALUES (?)`, [name])),
          'kv read': said(await agent.get('there')), 'kv write': said(await agent.put(name, 'x')), 'kv planned': said(await agent.get('planned')),
          'r2 read': said(await agent.getObject('there')), 'r2 write': said(await agent.putObject(name, 'x')), 'r2 planned': said(await agent.getObject('planned')),
        };
      }
      const ask = async (path, options = {}) => said(await gateway.api(path, { key: 'operator', ...options }));
      answers.control = {
        open: said(await gateway.api('/v1/runs', { key: 'agent', json: {} })), 'open with a key': said(await gateway.api('/v1/runs', { key: 'agent', json: {}, headers: { 'Idempotency-Key': `k${number}` } })),
        list: await ask('/v1/runs'), alerts: await ask('/v1/alerts'), report: await ask('/v1/runs/described-dry-run/report'),
      };
      const { json } = await gateway.api('/health/ready');
      answers.failed = Object.entries(json.checks).filter(([, answer]) => answer !== 'ok').map(([part]) => part);
      return answers;
    } finally {
      await gateway.heal(store);
    }
  }
  const whole = { 'd1 read': '200 done', 'd1 write': '200 done', 'other table': '200 done', 'kv read': '200 done', 'kv write': '200 done', 'kv planned': '404 key_not_found', 'r2 read': '200 done', 'r2 write': '200 done', 'r2 planned': '404 object_not_found' };
  const dry = { ...whole, 'kv planned': '200 done', 'r2 planned': '200 done' };
  const control = { open: '201 done', 'open with a key': '201 done', list: '200 done', alerts: '200 done', report: '200 done' };
  const lost = '502 store_unavailable';

  test('FLAGS: no write at all, reads and runs go on', async () => {
    const no = { 'd1 write': '503 flag_unavailable 2', 'other table': '503 flag_unavailable 2', 'kv write': '503 flag_unavailable 2', 'r2 write': '503 flag_unavailable 2' };
    assert.deepEqual(await whileBroken('FLAGS'), { live: { ...whole, ...no }, dry_run: { ...dry, ...no }, control, failed: ['flags'] });
  });

  test('a target KV: its own keys, but for planned ones', async () => {
    const no = { 'kv read': lost, 'kv write': lost };
    assert.deepEqual(await whileBroken('CACHE'), { live: { ...whole, ...no, 'kv planned': lost }, dry_run: { ...dry, ...no }, control, failed: ['CACHE'] });
  });

  test('a target D1: dry runs go on with what they copied', async () => {
    assert.deepEqual(await whileBroken('DB'), { live: { ...whole, 'd1 read': lost, 'd1 write': lost, 'other table': lost }, dry_run: { ...dry, 'other table': lost }, control, failed: ['DB'] });
  });

  test('R2: its own objects, but for planned ones', async () => {
    const no = { 'r2 read': lost, 'r2 write': lost };
    assert.deepEqual(await whileBroken('FILES'), { live: { ...whole, ...no, 'r2 planned': lost }, dry_run: { ...dry, ...no }, control, failed: ['FILES'] });
  });

  test('CONTROL: open runs go on, lists do not, and a new instance refuses everything but its health', async () => {
    const no = { 'open with a key': '503 control_unavailable 2', list: '503 control_unavailable 2', alerts: '503 control_unavailable 2' };
    assert.deepEqual(await whileBroken('CONTROL'), { live: whole, dry_run: dry, control: { ...control, ...no }, failed: ['control'] });
    await gateway.fault('CONTROL', null, '503');
    await gateway.restart();
    assert.equal(said(await agents.live.sql('SELECT 1')), '503 environment_unverified 2');
    assert.equal((await gateway.api('/health')).status, 200);
    await gateway.heal('CONTROL');
    assert.equal(said(await agents.live.sql('SELECT 1')), '200 done');
  });
});

describe('exchanging secrets', { timeout: 120_000 }, () => {
  const state = newFolder('rotation');
  after(() => rmSync(state, { recursive: true, force: true }));
  const [old, fresh, other] = [newKey('staging', 'triage', 'agent'), newKey('staging', 'triage', 'agent'), newKey('staging', 'other', 'agent')];
  const secret = randomBytes(32).toString('hex');
  /** Does something with a gateway that has these entries and this secret; the state is the same each time. */
  async function withSecrets(keys, tokenSecret, act) {
    const gateway = await startGateway({ state, proxied: false, secrets: { KEYS: JSON.stringify(keys.map(({ entry }) => entry)), TOKEN_SECRET: tokenSecret } });
    try {
      return await act(gateway, async (credential, headers) => said(await gateway.api('/client/v4/accounts/local/d1/database/DB/query', { key: credential, headers, json: { sql: 'SELECT 1' } })));
    } finally {
      await gateway.stop();
    }
  }
  const terms = { id: 'rotated', labels: { who: 'triage' } };
  let token;

  test('both keys of one name are good at once, and work in the same runs', () => withSecrets([old, fresh], secret, async (gateway, ask) => {
    ({ token } = await openRun(gateway, { key: old.key, ...terms }));
    for (const { key } of [old, fresh]) assert.equal(await ask(key, { 'Run-Id': 'rotated' }), '200 done');
    assert.equal(await ask(token), '200 done');
  }));

  test('without its entry the old key is nobody, and the run and its token go on', () => withSecrets([fresh], secret, async (gateway, ask) => {
    assert.equal(await ask(old.key, { 'Run-Id': 'rotated' }), '401 unauthenticated');
    assert.deepEqual([await ask(fresh.key, { 'Run-Id': 'rotated' }), await ask(token)], ['200 done', '200 done']);
  }));

  test('without any entry of its name a token is nobody as well', () => withSecrets([other], secret, async (gateway, ask) => {
    assert.equal(await ask(token), '401 unauthenticated');
  }));

  test('with a new token secret tokens end at once; the same run gives a new one, and a key goes on without', () => withSecrets([fresh], randomBytes(32).toString('hex'), async (gateway, ask) => {
    assert.equal(await ask(token), '401 unauthenticated');
    assert.equal(await ask(fresh.key, { 'Run-Id': 'rotated' }), '200 done');
    const again = await gateway.api('/v1/runs', { key: fresh.key, json: terms });
    assert.deepEqual([again.status, again.json.id], [200, 'rotated']);
    assert.equal(await ask(again.json.token), '200 done');
  }));
});
