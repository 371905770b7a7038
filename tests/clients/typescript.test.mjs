// The TypeScript client: as a package, next to the raw bindings, and where it has no binding to be like.

import assert from 'node:assert/strict';
import http from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { readFileSync } from 'node:fs';
import { drizzle } from 'drizzle-orm/d1';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';
import { eq } from 'drizzle-orm';
import { startGateway, writes } from '../e2e/harness/gateway.mjs';
import { openRun } from '../e2e/helpers.mjs';
import { differences, expectedOf } from './typescript/differences.mjs';
import { installPackage } from './typescript/package.mjs';
import { cases, play } from './typescript/suite.mjs';

const here = (file) => fileURLToPath(new URL(`typescript/${file}`, import.meta.url));
// A busy machine must not make a live write fail: how long the flag is waited for is not the subject here.
const patient = { FLAG_BUDGET_MS: '10000' };
// With two processors the engine has one background thread, and it can wait for a collection of garbage on the main thread while that waits for its sweeping:
// the suite's large values made workerd stand still for ever in about one run out of seven.
const v8Flags = ['--single-threaded-gc'];

let installed;
let client;
let worker;

before(async () => {
  installed = installPackage();
  client = await import(pathToFileURL(path.join(installed.folder, 'node_modules/dryrun-gateway/dist/index.js')).href);
  worker = installed.bundle(here('worker.mjs'));
});
after(() => installed?.remove());

describe('the package', () => {
  test('holds compiled modules with their types, and needs nothing else', () => {
    const { manifest, files } = installed;
    assert.deepEqual([manifest.license, manifest.type, manifest.dependencies, manifest.peerDependencies], ['Apache-2.0', 'module', undefined, undefined]);
    assert.deepEqual(files.filter((file) => !/^dist\/\w+\.(js|d\.ts)$/.test(file)).sort(), ['README.md', 'package.json']);
    for (const file of files.filter((name) => name.endsWith('.js'))) assert.doesNotMatch(installed.read(file), /\bfrom '(?!\.\/)|\brequire\(|\bimport\('/, file);
  });

  test('fits the types of Workers without a cast', () => {
    assert.equal(installed.typeCheck('consumer.ts', readFileSync(here('consumer.ts'), 'utf8')), '');
  });

  test('is refused by the compiler where it is used wrongly', () => {
    const wrong = [
      "gateway({ url: 'u', token: 't' }).ORDERS;",
      "const a: KVNamespace = gateway({ url: 'u', token: 't' }).DB;",
      "const b: D1Database = gateway({ url: 'u', token: 't', stores: { CACHE: 'kv' } }).CACHE;",
      "gateway({ url: 'u', token: 't', stores: { QUEUE: 'queue' } });",
      "gateway({ url: 'u' });",
      "gateway({ url: 'u', token: 't' }).CACHE.put('key', { an: 'object' });",
      "const c: number = await gateway({ url: 'u', token: 't' }).DB.prepare('x').first<string>('y');",
      "gateway({ url: 'u', token: 't' }).FILES.get('key', { range: { from: 1 } });",
    ];
    const said = installed.typeCheck('wrong.ts', ["import { gateway } from 'dryrun-gateway';", ...wrong].join('\n'));
    const lines = new Set([...said.matchAll(/\bwrong\.ts\((\d+),/g)].map(([, line]) => Number(line) - 2));
    assert.deepEqual([...lines].sort(), [...wrong.keys()], said);
  });
});

describe('next to the raw bindings', () => {
  let binding;

  before(async () => {
    ({ outcomes: binding } = await playOn('binding', 'live'));
  });

  test('the suite is broad, and knows at which calls the binding throws', () => {
    assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length, 'two cases have one name');
    assert.ok(cases.length > 400, String(cases.length));
    assert.deepEqual(cases.filter(({ name }) => (binding[name]?.thrown !== undefined) !== name.endsWith('!')).map(({ name }) => [name, binding[name]]), []);
  });

  test('every difference is about a case, and in the README of the package', () => {
    const names = new Set(cases.map(({ name }) => name));
    const readme = installed.read('README.md');
    for (const difference of differences) {
      assert.ok(readme.includes(difference.says), difference.says);
      assert.deepEqual(Object.keys(difference.cases).filter((name) => !names.has(name)), [], difference.says);
    }
  });

  for (const mode of ['live', 'dry_run']) {
    for (const [side, how] of Object.entries({ http: 'in workerd over HTTP', service: 'in workerd over a service binding', node: 'in Node over HTTP' })) {
      test(`${how}, ${mode}: every call has the outcome that it has on the binding, but for the listed differences`, async () => {
        const { outcomes, marks, untouched } = await playOn(side, mode);
        assert.deepEqual(wrongOutcomes(side, binding, outcomes), []);
        assert.deepEqual(new Set(marks), new Set([mode === 'dry_run']), 'D1 says whether it was a dry run');
        assert.equal(untouched, mode === 'dry_run');
      });
    }
  }
});

/** Plays the suite on a fresh gateway. `untouched`: the stores hold afterwards what they held before. */
async function playOn(side, mode) {
  const gateway = await startGateway({ neighbours: { suite: worker }, proxied: false, vars: patient, v8Flags });
  try {
    const ask = async (json) => {
      const answer = await fetch(`http://127.0.0.1:${gateway.portOf('suite')}/`, { method: 'POST', body: JSON.stringify(json) });
      const said = await answer.text();
      assert.equal(answer.status, 200, `${said}\n${gateway.logs()}`);
      return JSON.parse(said);
    };
    await ask({ side: 'seed' });
    const before = await gateway.digest();
    const { token } = await openRun(gateway, { mode });
    const access = { url: gateway.url, token };
    // Through JSON, as what a Worker answers.
    const played = side === 'node' ? JSON.parse(JSON.stringify(await play(client.gateway(access)))) : await ask({ side, ...access });
    return { ...played, untouched: before === (await gateway.digest()) };
  } finally {
    await gateway.stop();
  }
}

function wrongOutcomes(side, binding, outcomes) {
  return cases.flatMap(({ name }) => {
    const listed = expectedOf(name, side, binding[name]);
    const expected = listed ?? binding[name];
    if (!isDeepStrictEqual(outcomes[name], expected)) return [{ name, expected, got: outcomes[name] }];
    return listed !== undefined && isDeepStrictEqual(listed, binding[name]) ? [{ name, why: 'no longer differs: take it off the list' }] : [];
  });
}

describe('where there is no binding to be like', () => {
  let gateway;
  let requests;
  let run;

  /** The global fetch, remembered. */
  const recorder = {
    fetch: (address, init) => {
      requests.push({ path: new URL(address).pathname, method: init.method, headers: init.headers });
      return fetch(address, init);
    },
  };
  const access = (more = {}) => ({ url: gateway.url, fetcher: recorder, token: run.token, account: 'local', ...more });
  const open = async (terms = {}) => (run = await openRun(gateway, { mode: 'live', ...terms }));
  const rejection = (call) => Promise.resolve().then(call).then(() => assert.fail('nothing was thrown'), (error) => error);
  const refusal = async (call) => {
    const error = await rejection(call);
    assert.ok(error instanceof client.GatewayError && error instanceof Error, String(error.stack));
    return error;
  };

  before(async () => {
    gateway = await startGateway({ vars: patient });
    await gateway.db.exec("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO things VALUES (1, 'one');");
  });
  beforeEach(async () => {
    gateway.heal();
    requests = [];
    await open();
  });
  after(() => gateway?.stop());

  test('nothing is sent before the first call, and the account is asked for once', async () => {
    const { DB, CACHE } = client.gateway(access({ account: undefined }));
    assert.equal(requests.length, 0);
    for (let count = 0; count < 2; count++) {
      await DB.prepare('SELECT 1').all();
      await CACHE.get('key');
    }
    assert.equal(requests.filter((request) => request.path === '/v1/environment').length, 1);
    assert.equal(requests.length, 5);
  });

  test('an account that is given is taken, and a wrong one refused', async () => {
    assert.equal(await client.gateway(access()).CACHE.get('key'), null);
    assert.equal(requests.length, 1);
    assert.equal((await refusal(() => client.gateway(access({ account: 'other' })).CACHE.get('key'))).code, 'unknown_account');
  });

  test('a key works in the run that it names, and in none without a name', async () => {
    const key = gateway.keys.agent;
    await client.gateway(access({ token: key, run: run.id })).CACHE.put('by-key', 'v');
    assert.equal(await gateway.cache.get('by-key'), 'v');
    assert.equal((await client.runOf(access({ token: key, run: run.id })).status()).id, run.id);
    assert.equal((await refusal(() => client.gateway(access({ token: key })).CACHE.get('by-key'))).code, 'run_required');
    assert.equal((await refusal(() => client.runOf(access({ token: key })).status())).code, 'run_required');
  });

  test('every request carries the headers that were given, and none of them replaces the token', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { DB, FILES } = client.gateway(access({ account: undefined, headers: { traceparent, Authorization: 'Bearer other' } }));
    await DB.prepare('SELECT 1').all();
    await FILES.head('key');
    assert.deepEqual(requests.map(({ headers }) => [headers.get('traceparent'), headers.get('authorization')]), requests.map(() => [traceparent, `Bearer ${run.token}`]));
    assert.ok(requests.length >= 3);
  });

  test('dryRun turns the run dry with the first call', async () => {
    const { CACHE } = client.gateway(access({ dryRun: true }));
    await CACHE.put('planned', 'v');
    assert.equal(await CACHE.get('planned'), 'v');
    assert.equal(await gateway.cache.get('planned'), null);
    assert.equal((await client.runOf(access()).status()).mode, 'dry_run');
  });

  test('dryRun takes no answer that does not confirm it', async () => {
    const forgetful = {
      fetch: async (address, init) => {
        const answer = await fetch(address, init);
        const headers = new Headers(answer.headers);
        headers.delete('dry-run');
        return new Response(answer.body, { status: answer.status, headers });
      },
    };
    assert.equal((await refusal(() => client.gateway(access({ fetcher: forgetful, dryRun: true })).CACHE.put('planned', 'v'))).code, 'not_a_gateway');
    assert.equal(await gateway.cache.get('planned'), null);
    await client.gateway(access({ fetcher: forgetful })).CACHE.put('not-asked', 'v');
  });

  test('stores have the names that were asked for', async () => {
    const stores = client.gateway(access({ stores: { FILES: 'r2', DB: 'd1' } }));
    assert.deepEqual(Object.keys(stores), ['FILES', 'DB']);
    assert.equal(await stores.DB.prepare('SELECT name FROM things').first('name'), 'one');
    for (const stores of [{ DB: 'sql' }, { DB: 'constructor' }]) assert.throws(() => client.gateway(access({ stores })), TypeError);
    for (const options of [{ token: '' }, { url: undefined, fetcher: undefined }]) assert.throws(() => client.gateway(access(options)), TypeError);
  });

  test('a store that is not there is refused, also by head, which has no body to say so', async () => {
    const { NOWHERE } = client.gateway(access({ stores: { NOWHERE: 'r2' } }));
    const error = await refusal(() => NOWHERE.head('key'));
    assert.deepEqual([error.code, error.status], ['unknown_store', 404]);
    assert.equal((await refusal(() => client.gateway(access({ stores: { NOWHERE: 'd1' } })).NOWHERE.prepare('SELECT 1').all())).code, 'unknown_store');
  });

  test('a refusal has its code, its remedy, its status and its run', async () => {
    await client.runOf(access()).close();
    const { DB, CACHE, FILES } = client.gateway(access());
    const calls = [
      () => DB.prepare('SELECT 1').all(), () => DB.exec('SELECT 1'), () => DB.batch([DB.prepare('SELECT 1')]), () => CACHE.get('key'), () => CACHE.get(['key']), () => CACHE.getWithMetadata('key'), () => CACHE.put('key', 'v'),
      () => CACHE.delete('key'), () => CACHE.list(), () => FILES.head('key'), () => FILES.get('key'), () => FILES.put('key', 'v'), () => FILES.delete('key'), () => FILES.list(),
    ];
    for (const call of calls) {
      const error = await refusal(call);
      assert.deepEqual([error.name, error.code, error.status, error.run, error.number], ['GatewayError', 'run_closed', 403, run.id, 1000708], String(call));
      assert.ok(error.remedy !== '' && error.message === `${error.detail} ${error.remedy}`, error.message);
    }
  });

  test('a write whose outcome nobody knows is sent once', async () => {
    const { DB, CACHE, FILES } = client.gateway(access());
    for (const store of ['DB', 'CACHE', 'FILES']) await gateway.fault(store, writes, '503', { after: true });
    for (const call of [() => DB.prepare("INSERT INTO things (name) VALUES ('unknown')").run(), () => CACHE.put('unknown', 'v'), () => FILES.put('unknown', 'v')]) {
      requests = [];
      const error = await refusal(call);
      assert.deepEqual([error.code, error.status, requests.length], ['store_unavailable', 502, 1]);
    }
    assert.equal(await gateway.db.all("SELECT count(*) AS n FROM things WHERE name = 'unknown'").then(([{ n }]) => n), 1);
  });

  test('a gateway that gives no answer is asked once, and the error says what is not known', async () => {
    const { server, url, seen } = await serve((_, response) => response.socket.destroy());
    try {
      const error = await refusal(() => client.gateway(access({ url })).CACHE.put('key', 'v'));
      assert.deepEqual([error.code, error.status, error.run, seen.length], ['unreachable', 0, null, 1]);
      assert.ok(error.cause instanceof Error && error.detail.includes('may or may not'));
    } finally {
      server.close();
    }
  });

  test('what is no gateway is not believed, and a redirect not followed', async () => {
    const answers = {
      'an answer without a run': (_, response) => response.end('{"result":{},"success":true,"errors":[],"messages":[]}'),
      'a redirect': (_, response) => response.writeHead(307, { location: gateway.url }).end(),
      'an error of somebody else': (_, response) => response.writeHead(502).end('<h1>Bad gateway</h1>'),
      'JSON of somebody else': (_, response) => response.writeHead(400).end('null'),
    };
    for (const [name, answer] of Object.entries(answers)) {
      const { server, url, seen } = await serve(answer);
      try {
        const error = await refusal(() => client.gateway(access({ url })).CACHE.put('key', 'v'));
        assert.deepEqual([error.code, seen.length], ['not_a_gateway', 1], name);
      } finally {
        server.close();
      }
    }
  });

  test('several objects are deleted one by one, and an error says how far it came', async () => {
    const { FILES } = client.gateway(access());
    for (const key of ['a', 'b', 'c']) await FILES.put(key, 'v');
    const error = await refusal(() => FILES.delete(['a', 'k'.repeat(1_025), 'b']));
    assert.deepEqual([error.code, error.detail.startsWith('1 of 3 keys were deleted, then: ')], ['key_invalid', true]);
    assert.deepEqual((await FILES.list()).objects.map(({ key }) => key).filter((key) => key.length === 1), ['b', 'c']);
  });

  test('a statement of another gateway is no part of a batch', async () => {
    const { DB } = client.gateway(access());
    assert.ok((await rejection(() => DB.batch([{ statement: 'SELECT 1', params: [] }]))) instanceof TypeError);
    assert.equal(requests.length, 0);
  });

  test('a stream that says no more breaks the put', async () => {
    const { FILES, CACHE } = client.gateway(access());
    const broken = () => new ReadableStream({ pull: (controller) => controller.error(new Error('the source broke')) });
    for (const call of [() => FILES.put('broken', broken()), () => CACHE.put('broken', broken())]) assert.match((await rejection(call)).message, /the source broke/);
    assert.equal(requests.length, 0);
  });

  test('the run tells how it stands and what it did, and ends', async () => {
    await open({ mode: 'dry_run', labels: { who: 'client' } });
    await client.gateway(access()).DB.prepare("UPDATE things SET name = 'two' WHERE id = 1").run();
    const tale = client.runOf(access());
    const status = await tale.status();
    assert.deepEqual([status.id, status.mode, status.labels.who, status.phase], [run.id, 'dry_run', 'client', 'open']);
    const [change] = (await tale.report()).changes;
    assert.deepEqual([change.store, change.subject, change.updated], ['DB', 'things', 1]);
    assert.match(await tale.report({ format: 'markdown' }), /^# /);
    assert.equal((await tale.close()).phase, 'closed');
    assert.equal((await refusal(() => client.gateway(access()).DB.prepare('SELECT 1').all())).code, 'run_closed');
  });

  test('an ORM for D1 works on it as it is', async () => {
    await open({ mode: 'dry_run' });
    const things = sqliteTable('things', { id: integer('id').primaryKey(), name: text('name') });
    const orm = drizzle(client.gateway(access()).DB);
    const [made] = await orm.insert(things).values({ name: 'by the ORM' }).returning();
    await orm.batch([orm.update(things).set({ name: 'changed' }).where(eq(things.id, made.id)), orm.insert(things).values({ name: 'another' })]);
    const rows = await orm.select().from(things);
    assert.deepEqual(rows.filter(({ id }) => id >= made.id).map(({ name }) => name), ['changed', 'another']);
    assert.ok(!(await gateway.db.all('SELECT name FROM things')).some(({ name }) => name === 'changed'));
  });
});

/** A server that is no gateway. `seen`: the requests that it got. */
async function serve(answer) {
  const seen = [];
  const server = http.createServer((request, response) => {
    seen.push(request.url);
    request.resume();
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, seen, url: `http://127.0.0.1:${server.address().port}` };
}
