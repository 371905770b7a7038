// The harness itself, with a hand-written Worker in the gateway's place: what it shows and breaks must be what the bindings see.

import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { both, onKey, reads, startGateway, writes } from './harness/gateway.mjs';

const stub = `
import { DurableObject } from 'cloudflare:workers';

export class RunObject extends DurableObject {
  constructor(state, env) {
    super(state, env);
    state.storage.sql.exec('CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, text TEXT)');
  }
  append(text) {
    this.ctx.storage.sql.exec('INSERT INTO entries (text) VALUES (?)', text);
    return this.entries();
  }
  entries() {
    return this.ctx.storage.sql.exec('SELECT text FROM entries ORDER BY id').toArray().map((row) => row.text);
  }
}
export class ShadowObject extends RunObject {}

const calls = {
  environment: async (env) => ({ environment: env.ENVIRONMENT, stores: env.STORES, keys: env.KEYS, extra: env.EXTRA ?? null }),
  kv_get: (env, key) => env.CACHE.get(key),
  kv_bulk: async (env, ...keys) => Object.fromEntries(await env.CACHE.get(keys)),
  kv_put: (env, key, value) => env.CACHE.put(key, value, { metadata: { by: 'stub' } }),
  kv_list: async (env) => (await env.CACHE.list()).keys.map(({ name }) => name),
  flag: (env, key) => env.FLAGS.get(key),
  d1: async (env, sql, ...params) => (await env.DB.prepare(sql).bind(...params).all()).results,
  d1_batch: async (env, ...sql) => (await env.DB.batch(sql.map((one) => env.DB.prepare(one)))).map(({ results }) => results),
  r2_put: async (env, key, value) => (await env.FILES.put(key, value)).etag,
  r2_get: async (env, key) => (await (await env.FILES.get(key))?.text()) ?? null,
  run: (env, name, text) => env.RUN.get(env.RUN.idFromName(name)).append(text),
  shadow: (env, name) => env.SHADOW.get(env.SHADOW.idFromName(name)).entries(),
  run_entries: (env, name) => env.RUN.get(env.RUN.idFromName(name)).entries(),
  outbound: async (env, url) => (await fetch(url)).text(),
};

export default {
  async fetch(request, env) {
    const { call, input, patience } = await request.json();
    const late = new Promise((resolve) => setTimeout(resolve, patience ?? 20_000, Response.json({ pending: true })));
    const done = calls[call](env, ...input).then(
      (result) => Response.json({ result: result ?? null }),
      (error) => Response.json({ error: String(error.message ?? error) }));
    return Promise.race([late, done]);
  },
};
`;

const start = (options = {}) => startGateway({ modules: { 'index.js': stub }, ...options });
const caller = (gateway) => async (call, ...input) => {
  const { json } = await gateway.api('/', { json: { call, input } });
  if (json.error !== undefined) throw new Error(json.error);
  return json.result;
};
const isPending = async (gateway, call, ...input) => (await gateway.api('/', { json: { call, input, patience: 300 } })).json.pending === true;

describe('one gateway', () => {
  let gateway;
  let call;

  before(async () => {
    gateway = await start();
    call = caller(gateway);
    await gateway.db.exec('CREATE TABLE tickets (id INTEGER PRIMARY KEY, title TEXT, weight REAL, extra BLOB); INSERT INTO tickets VALUES (1, \'a\', 0.1, x\'00ff\');');
  });
  beforeEach(() => {
    gateway.heal();
    gateway.recorder.clear();
  });
  after(() => gateway.stop());

  test('the variables, secrets and marker of the environment are there', async () => {
    const { environment, stores, keys } = await call('environment');
    assert.equal(environment, 'staging');
    assert.equal(stores.DB.kind, 'd1');
    assert.deepEqual(JSON.parse(keys).map(({ name, role }) => [name, role]),
      [['agent', 'agent'], ['agent2', 'agent'], ['approver', 'approver'], ['operator', 'operator']]);
    assert.match(gateway.keys.agent, /^drk_staging_[\w-]{43}$/);
    assert.deepEqual(await gateway.control.all('SELECT environment FROM environment_marker'), [{ environment: 'staging' }]);
  });

  test('D1 works, and the recorder sees its statements', async () => {
    assert.deepEqual(await call('d1', 'SELECT title FROM tickets WHERE id = ?', 1), [{ title: 'a' }]);
    await call('d1_batch', "INSERT INTO tickets (title) VALUES ('b')", 'SELECT count(*) AS n FROM tickets');
    const [read, batch] = gateway.recorder.requests;
    assert.deepEqual([read.store, read.statements, read.write], ['DB', [{ sql: 'SELECT title FROM tickets WHERE id = ?', params: [1] }], false]);
    assert.deepEqual([batch.write, batch.statements.length, batch.status], [true, 2, 200]);
    assert.deepEqual(read.rows, [1]);
    assert.deepEqual(await gateway.db.all('SELECT title FROM tickets WHERE id = ?', [2]), [{ title: 'b' }]);
  });

  test('a further database is a store of its own', async () => {
    const other = await start({ databases: ['OTHER'] });
    try {
      await other.other.exec('CREATE TABLE only_there (a); INSERT INTO only_there VALUES (1)');
      assert.deepEqual(await other.other.all('SELECT * FROM only_there'), [{ a: 1 }]);
      assert.deepEqual(await other.db.all("SELECT name FROM sqlite_master WHERE name = 'only_there'"), []);
      assert.equal((await caller(other)('environment')).stores.OTHER.policy, 'live');
    } finally {
      await other.stop();
    }
  });

  test('KV works, and the recorder sees its keys', async () => {
    await call('kv_put', 'a/ü?', 'one');
    assert.equal(await call('kv_get', 'a/ü?'), 'one');
    assert.deepEqual(await call('kv_bulk', 'a/ü?', 'none'), { 'a/ü?': 'one', none: null });
    assert.deepEqual(gateway.recorder.requests.map(({ operation, key, write }) => [operation, key, write]),
      [['put', 'a/ü?', true], ['get', 'a/ü?', false], ['bulk_get', null, false]]);
    assert.deepEqual(await gateway.cache.getWithMetadata('a/ü?'), { value: 'one', metadata: { by: 'stub' } });
    await gateway.cache.put('bytes', Buffer.from([0, 255]), { expirationTtl: 600 });
    assert.deepEqual([...(await gateway.cache.getBytes('bytes'))], [0, 255]);
    assert.deepEqual((await gateway.cache.list()).map(({ name }) => name), ['a/ü?', 'bytes']);
    await gateway.cache.delete('bytes');
    assert.equal(await gateway.cache.get('bytes'), null);
  });

  test('R2 works, and the recorder sees its keys', async () => {
    await call('r2_put', 'notes/a.txt', 'hello');
    assert.equal(await call('r2_get', 'notes/a.txt'), 'hello');
    assert.equal(await call('r2_get', 'none'), null);
    assert.deepEqual(gateway.recorder.requests.map(({ operation, key, write }) => [operation, key, write]),
      [['put', 'notes/a.txt', true], ['get', 'notes/a.txt', false], ['get', 'none', false]]);
    await gateway.files.put('bytes', new Uint8Array([0, 255]), { customMetadata: { by: 'test' }, httpMetadata: { contentType: 'x/y' } });
    const object = await gateway.files.get('bytes');
    assert.deepEqual([[...object.bytes], object.customMetadata, object.httpMetadata, object.size], [[0, 255], { by: 'test' }, { contentType: 'x/y' }, 2]);
    assert.deepEqual((await gateway.files.list()).map(({ key }) => key), ['bytes', 'notes/a.txt']);
    await gateway.files.delete('bytes');
    assert.equal(await gateway.files.head('bytes'), null);
  });

  test('a status reaches the binding as its error', async () => {
    await gateway.fault('CACHE', null, '503');
    await assert.rejects(call('kv_get', 'x'), /KV GET failed: 503/);
    await gateway.fault('CACHE', null, '429');
    await assert.rejects(call('kv_put', 'x', 'y'), /KV PUT failed: 429/);
    await gateway.fault('DB', null, '500');
    await assert.rejects(call('d1', 'SELECT 1'), /D1_ERROR/);
    await gateway.fault('FILES', null, '500');
    await assert.rejects(call('r2_get', 'notes/a.txt'), /internal error.*\(10001\)/);
    await gateway.fault('FILES', null, '404');
    assert.equal(await call('r2_get', 'notes/a.txt'), null);
    assert.equal(gateway.recorder.requests[0].fault, '503');
  });

  test('a fault meets only the requests that it was aimed at', async () => {
    await gateway.cache.put('one', '1');
    await gateway.fault('CACHE', both(reads, onKey('one')), '503');
    await call('kv_put', 'one', '2');
    assert.equal(await call('kv_get', 'two'), null);
    await assert.rejects(call('kv_get', 'one'));
    await gateway.fault('DB', writes, '503', { times: 1 });
    await call('d1', 'SELECT 1');
    await assert.rejects(call('d1', "UPDATE tickets SET title = 'z' WHERE id = 99"));
    await call('d1', "UPDATE tickets SET title = 'z' WHERE id = 99");
    gateway.heal('CACHE');
    assert.equal(await call('kv_get', 'one'), '2');
  });

  test('a hang stays pending until it is healed', async () => {
    await gateway.fault('FLAGS', null, 'hang');
    assert.ok(await isPending(gateway, 'flag', 'x'));
    const pending = call('flag', 'x');
    while (gateway.recorder.requests.length < 2) await new Promise(setImmediate);
    gateway.heal('FLAGS');
    await assert.rejects(pending);
    assert.equal(await call('flag', 'x'), null);
  });

  test('a reset and a truncated body are errors in every kind of store', async () => {
    await gateway.cache.put('long', 'x'.repeat(1000));
    await gateway.files.put('long', 'x'.repeat(1000));
    for (const kind of ['reset', 'truncated']) {
      for (const store of ['CACHE', 'DB', 'FILES']) await gateway.fault(store, null, kind);
      await assert.rejects(call('kv_get', 'long'), undefined, `KV ${kind}`);
      await assert.rejects(call('d1', 'SELECT 1'), undefined, `D1 ${kind}`);
      await assert.rejects(call('r2_get', 'long'), undefined, `R2 ${kind}`);
      gateway.heal();
      assert.equal((await call('kv_get', 'long')).length, 1000);
      assert.equal((await call('r2_get', 'long')).length, 1000);
      assert.equal((await call('d1', 'SELECT 1')).length, 1);
    }
  });

  test('a 404 and an absence read as null, a fixed body as that body', async () => {
    await gateway.flags.put('dryrun_active:1', 'true');
    for (const kind of ['404', 'absent']) {
      await gateway.fault('FLAGS', null, kind);
      assert.equal(await call('flag', 'dryrun_active:1'), null);
    }
    await gateway.fault('FLAGS', null, { body: 'not json' });
    assert.equal(await call('flag', 'dryrun_active:1'), 'not json');
    gateway.heal();
    assert.equal(await call('flag', 'dryrun_active:1'), 'true');
  });

  test('a stale namespace answers from the moment of the fault', async () => {
    await gateway.cache.put('old', 'before');
    await gateway.fault('CACHE', null, 'stale');
    await call('kv_put', 'old', 'after');
    await call('kv_put', 'new', 'after');
    assert.equal(await call('kv_get', 'old'), 'before');
    assert.equal(await call('kv_get', 'new'), null);
    assert.ok(!(await call('kv_list')).includes('new'));
    gateway.heal();
    assert.equal(await call('kv_get', 'new'), 'after');
  });

  test('a delayed answer is right but late', async () => {
    await gateway.fault('CACHE', reads, { delay: 120 });
    const started = performance.now();
    assert.equal(await call('kv_get', 'nothing here'), null);
    assert.ok(performance.now() - started >= 115);
  });

  test('a fault after the effect leaves the effect', async () => {
    await gateway.fault('DB', writes, 'reset', { after: true });
    await assert.rejects(call('d1', "INSERT INTO tickets (id, title) VALUES (500, 'kept')"));
    assert.deepEqual(await gateway.db.all('SELECT title FROM tickets WHERE id = 500'), [{ title: 'kept' }]);
  });

  test('the Worker reaches a server on this machine', async () => {
    const server = http.createServer((request, response) => response.end('webhook')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    assert.equal(await call('outbound', `http://127.0.0.1:${server.address().port}/`), 'webhook');
    server.closeAllConnections();
    server.close();
  });

  test('the digest changes with a single byte of anything and comes back with it', async () => {
    await gateway.db.exec(`CREATE TABLE exact (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
      INSERT INTO exact VALUES ('text', 'a' || char(0) || 'b'), ('integer', 9007199254740993), ('real', 0.1), ('null', NULL);`);
    await gateway.files.put('digest', 'body', { customMetadata: { a: '1' } });
    await gateway.cache.put('digest', 'value', { metadata: { a: 1 } });
    const start = await gateway.digest();
    assert.equal(await gateway.digest(), start);
    const changes = [
      [() => gateway.db.exec("UPDATE exact SET v = 'a' || char(0) || 'c' WHERE k = 'text'"), () => gateway.db.exec("UPDATE exact SET v = 'a' || char(0) || 'b' WHERE k = 'text'")],
      [() => gateway.db.exec("UPDATE exact SET v = v - 1 WHERE k = 'integer'"), () => gateway.db.exec("UPDATE exact SET v = v + 1 WHERE k = 'integer'")],
      [() => gateway.db.exec("UPDATE exact SET v = 0.1 + 1e-17 WHERE k = 'real'"), () => gateway.db.exec("UPDATE exact SET v = 0.1 WHERE k = 'real'")],
      [() => gateway.db.exec("UPDATE exact SET v = 'NULL' WHERE k = 'null'"), () => gateway.db.exec("UPDATE exact SET v = NULL WHERE k = 'null'")],
      [() => gateway.db.exec('UPDATE tickets SET id = 77 WHERE id = 1'), () => gateway.db.exec('UPDATE tickets SET id = 1 WHERE id = 77')],
      [() => gateway.db.exec('CREATE INDEX digest ON tickets (title)'), () => gateway.db.exec('DROP INDEX digest')],
      [() => gateway.cache.put('digest', 'value', { metadata: { a: 2 } }), () => gateway.cache.put('digest', 'value', { metadata: { a: 1 } })],
      [() => gateway.files.put('digest', 'bodY', { customMetadata: { a: '1' } }), () => gateway.files.put('digest', 'body', { customMetadata: { a: '1' } })],
      [() => gateway.files.put('digest', 'body', { customMetadata: { a: '2' } }), () => gateway.files.put('digest', 'body', { customMetadata: { a: '1' } })],
    ];
    for (const [change, back] of changes) {
      await change();
      assert.notEqual(await gateway.digest(), start, String(change));
      await back();
      assert.equal(await gateway.digest(), start, String(back));
    }
    await gateway.flags.put('control', 'does not count');
    assert.equal(await gateway.digest(), start);
    assert.equal(gateway.recorder.requests.length, 0);
  });

  test('what was acknowledged is there after a kill, at the same address', async () => {
    const { url } = gateway;
    for (let index = 0; index < 20; index += 1) await call('run', 'one', String(index));
    await call('kv_put', 'survives', 'yes');
    const digest = await gateway.digest();
    await gateway.kill();
    await assert.rejects(call('run_entries', 'one'));
    await gateway.restart();
    assert.equal((await call('run_entries', 'one')).length, 20);
    assert.equal(await call('kv_get', 'survives'), 'yes');
    assert.equal(await gateway.digest(), digest);
    assert.equal(gateway.url, url);
    assert.deepEqual(await call('shadow', 'one'), []);
    await gateway.restart();
    assert.equal((await call('run_entries', 'one')).length, 20);
  });
});

test('two gateways run side by side and share nothing', async () => {
  const [staging, production] = await Promise.all([start(), start({ environment: 'production', vars: { EXTRA: 'x' }, secrets: { KEYS: undefined } })]);
  try {
    await caller(staging)('kv_put', 'only', 'staging');
    assert.equal(await caller(production)('kv_get', 'only'), null);
    const seen = await caller(production)('environment');
    assert.deepEqual([seen.environment, seen.extra, seen.keys], ['production', 'x', undefined]);
    assert.notEqual(staging.keys.agent, production.keys.agent);
  } finally {
    await Promise.all([staging.stop(), production.stop()]);
  }
});

test('without proxies the stores work and faults are refused', async () => {
  const gateway = await start({ proxied: false, marker: null });
  try {
    await caller(gateway)('kv_put', 'direct', 'yes');
    assert.equal(await gateway.cache.get('direct'), 'yes');
    assert.deepEqual(await gateway.control.all('SELECT * FROM environment_marker'), []);
    await assert.rejects(async () => gateway.fault('CACHE', null, '503'), /proxied: false/);
  } finally {
    await gateway.stop();
  }
});

test('a Worker that does not start says why', async () => {
  await assert.rejects(startGateway({ modules: { 'index.js': 'export default nonsense;' } }), /nonsense/);
});
