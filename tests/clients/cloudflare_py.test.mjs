// The PyPI package `cloudflare`, unmodified but for its base URL: D1, KV and R2 rehearsed in a dry run, then done for real by the same script.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { readWranglerToml } from '../e2e/harness/settings.mjs';
import { account, counting, dryRun, inBothModes, leavesTargetsAlone, startStage } from './support.mjs';
import { startPython } from './python.mjs';
import { caseNames, checkCase, startRefusals } from './refusals.mjs';

const { DB, CACHE, FILES } = readWranglerToml().vars.STORES;
const named = { database: DB.id, second: 'second-id', namespace: CACHE.id, bucket: FILES.name, name: DB.name };
const picture = randomBytes(5_000);

let stage;
let script;
before(async () => {
  stage = await startStage({ databases: ['SECOND'] });
  script = startPython();
  await stage.db.exec(`CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL, plan TEXT NOT NULL DEFAULT 'free');
    INSERT INTO customers (id, email) VALUES (1, 'ada@example.com'), (2, 'bob@example.com')`);
  await stage.cache.put('there', 'before');
});
after(async () => {
  await script?.stop();
  await stage?.stop();
});

const works = async (ask, token) => {
  const { result, refused } = await script.ask({ ask, base: stage.base, token, ...named, picture: picture.toString('hex') });
  assert.ok(!refused, refused?.shown);
  return result;
};

describe('the PyPI package cloudflare', () => {
  const customers = [['ada', 'pro'], ['bob', 'free'], ['cy', 'free']].map(([name, plan], index) => ({ id: index + 1, email: `${name}@example.com`, plan }));

  inBothModes(() => stage, 'd1: query, raw and batch', async ({ token, dry }) => {
    const { broken, ...seen } = await works('d1', token);
    assert.deepEqual(seen, {
      changes: 1, dry_run: dry, raw: [['id', 'mail'], [[1, 'ada@example.com'], [2, 'bob@example.com']]], batch: [[{ id: 3 }], [{ n: 3 }]], rows: customers,
    });
    assert.deepEqual(broken.slice(0, 2), [400, 7500]);
    assert.match(broken[2], /^NOT NULL constraint failed: customers\.email/);
  }, async () => assert.deepEqual(await stage.db.all('SELECT * FROM customers ORDER BY id'), customers));

  inBothModes(() => stage, 'd1: import and export', async ({ token }) => {
    const { status, rows, copy } = await works('d1_files', token);
    assert.deepEqual(status, [true, 'complete', 2, true, true]);
    assert.deepEqual(rows.at(-1), { id: 10, email: 'semi;colon@example.com', plan: "it's pro" });
    assert.deepEqual(copy, rows);
  }, async () => assert.deepEqual(await stage.second.all('SELECT plan FROM customers WHERE id = 10'), [{ plan: "it's pro" }]));

  inBothModes(() => stage, 'kv: values, metadata, keys and bulk', async ({ token }) => {
    const odd = 'a b/ünï//☃?x#y%2F';
    assert.deepEqual(await works('kv', token), {
      read: ['before', 'odd', true], metadata: { kind: 'note', n: 1 }, written: 25, pages: Array.from({ length: 25 }, (_, n) => `page/${String(n).padStart(2, '0')}`),
      bulk: { 'page/03': '3', nothing: null }, left: [odd, 'page/00', 'picture'], gone: 10009,
    });
  }, async () => {
    assert.deepEqual([await stage.cache.get('page/00'), await stage.cache.get('there')], ['0', null]);
    assert.ok((await stage.cache.getBytes('picture')).equals(picture));
  });

  inBothModes(() => stage, 'r2: objects', async ({ token }) => {
    assert.deepEqual(await works('r2', token), {
      put: ['photos/2026/ünï c.png', '5000', createHash('md5').update(picture).digest('hex')],
      read: ['image/png', true],
      listed: [['photos/2026/ünï c.png', 5000, 'image/png'], ['photos/a', 8, 'application/octet-stream'], ['photos/b', 8, 'application/octet-stream']],
      gone: 10007,
    });
  }, async () => assert.deepEqual((await stage.files.list()).map(({ key }) => key), ['photos/2026/ünï c.png', 'photos/a', 'texts/c']));

  test('finds its way: token, accounts, memberships, databases, namespaces, buckets', async () => {
    const { token } = await dryRun(stage);
    const { result, requests } = await counting(stage, () => works('describe', token));
    assert.deepEqual(result, {
      verified: 'active', accounts: [account], memberships: [account], databases: [DB.id, 'second-id'].sort(), database: DB.id, bookmark: true, namespaces: [[CACHE.id, CACHE.name]], buckets: [FILES.name],
    });
    assert.ok(requests.length <= 12, 'this client asks for pages until one is empty');
  });
});

describe('the PyPI package cloudflare says why it was refused', () => {
  let refusals;
  before(async () => (refusals = await startRefusals()));
  after(() => refusals?.stop());

  const refused = async (request) => {
    const answer = await script.ask({ ...named, ...request });
    assert.ok(answer.refused, `not refused: ${JSON.stringify(answer)}`);
    return answer.refused;
  };

  /** The exception holds the refusal, in its fields and in the text that a traceback ends with. */
  function assertTells({ status, errors, codes, shown }, said) {
    assert.deepEqual([status, codes, errors[0].message, errors[0].meta], [said.status, [said.number], said.message, { reason: said.code, remedy: said.remedy }]);
    for (const text of [said.message, said.remedy]) assert.ok(shown.includes(text), `${text} in ${shown}`);
  }

  for (const name of caseNames) {
    test(name, () => checkCase(refusals, name, ({ stage: { base }, token, d1, kv, r2 }) => {
      if (d1) return refused({ ask: 'query', base, token, ...d1 });
      return refused({ ask: kv ? 'value' : 'thing', base, token, ...(kv ?? r2) });
    }, assertTells));
  }

  for (const call of ['d1.database.create', 'd1.database.delete', 'd1.database.edit', 'd1.database.time_travel.restore', 'kv.namespaces.create', 'kv.namespaces.delete', 'r2.buckets.create', 'r2.buckets.delete', 'workers.scripts.list']) {
    test(`${call} is not offered`, async () => {
      const { small, run } = refusals;
      const { result: seen, requests } = await leavesTargetsAlone(small, () => counting(small, () => refused({ ask: 'unoffered', base: small.base, token: run.token, call })));
      assert.equal(requests.length, 1);
      const { json } = await small.api(requests[0].path, { token: run.token, method: requests[0].method });
      assert.equal(json.code, 'not_offered');
      assertTells(seen, { status: 403, number: 1000729, code: 'not_offered', message: json.detail, remedy: json.remedy });
    });
  }

  test('an agent that asks for a live run in production is told who may open it', async () => {
    const { url, keys } = refusals.production;
    const { status, body, errors } = await refused({ ask: 'live_run', base: url, token: keys.agent });
    assert.deepEqual([status, body.code], [403, 'live_not_granted']);
    assert.match(errors[0].meta.remedy, /approver/);
  });
});
