// The npm package `cloudflare`, unmodified but for its base URL: D1, KV and R2 rehearsed in a dry run, then done for real by the same code.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import Cloudflare, { APIError } from 'cloudflare';
import { readWranglerToml } from '../e2e/harness/settings.mjs';
import { account, counting, dryRun, inBothModes, leavesTargetsAlone, liveRun, startStage } from './support.mjs';
import { caseNames, checkCase, startRefusals } from './refusals.mjs';

const { DB, CACHE, FILES } = readWranglerToml().vars.STORES;
const at = { account_id: account };
const inNamespace = { ...at, namespace_id: CACHE.id };
const inBucket = { ...at, bucket_name: FILES.name };
const picture = randomBytes(5_000);

const clientOf = (stage, token) => new Cloudflare({ apiToken: token, baseURL: stage.base });
const all = async (pages) => {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
};

let stage;
before(async () => {
  stage = await startStage({ databases: ['SECOND'] });
  await stage.db.exec(`CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL, plan TEXT NOT NULL DEFAULT 'free', balance REAL, photo BLOB);
    INSERT INTO customers (id, email, balance) VALUES (1, 'ada@example.com', 1.5), (2, 'bob@example.com', NULL)`);
  await stage.cache.put('there', 'before');
});
after(() => stage?.stop());

describe('the npm package cloudflare', () => {
  inBothModes(() => stage, 'd1: query, raw and batch', async ({ token, dry }) => {
    const { database } = clientOf(stage, token).d1;
    const query = async (sql, params) => all(database.query(DB.id, { ...at, sql, ...(params && { params }) }));
    const [update] = await query('UPDATE customers SET plan = ?, balance = ? WHERE id = ?', ['pro', '2.5', '1']);
    assert.deepEqual([update.success, update.meta.changes, update.meta.changed_db, update.meta.dry_run ?? false], [true, 1, true, dry]);
    assert.deepEqual((await query('SELECT id, plan, balance FROM customers ORDER BY id'))[0].results, [{ id: 1, plan: 'pro', balance: 2.5 }, { id: 2, plan: 'free', balance: null }]);

    const [raw] = await all(database.raw(DB.id, { ...at, sql: 'SELECT id, email AS mail FROM customers ORDER BY id' }));
    assert.deepEqual(raw.results, { columns: ['id', 'mail'], rows: [[1, 'ada@example.com'], [2, 'bob@example.com']] });

    const batch = [{ sql: 'INSERT INTO customers (email) VALUES (?) RETURNING id', params: ['cy@example.com'] }, { sql: 'SELECT count(*) AS n FROM customers' }];
    assert.deepEqual((await all(database.query(DB.id, { ...at, batch }))).map(({ results }) => results), [[{ id: 3 }], [{ n: 3 }]]);

    // A batch is one transaction: its first statement goes with the second.
    const broken = [{ sql: 'DELETE FROM customers' }, { sql: 'INSERT INTO customers (email) VALUES (NULL)' }];
    const error = await database.query(DB.id, { ...at, batch: broken }).then(() => assert.fail('a NULL went in'), (caught) => caught);
    assert.deepEqual([error.status, error.errors[0].code], [400, 7500]);
    assert.match(error.errors[0].message, /^NOT NULL constraint failed: customers\.email/);
    assert.deepEqual((await query('SELECT count(*) AS n FROM customers'))[0].results, [{ n: 3 }]);
  }, async () => {
    assert.deepEqual(await stage.db.all('SELECT email, plan, balance FROM customers ORDER BY id'), [
      { email: 'ada@example.com', plan: 'pro', balance: 2.5 }, { email: 'bob@example.com', plan: 'free', balance: null }, { email: 'cy@example.com', plan: 'free', balance: null }]);
  });

  inBothModes(() => stage, 'd1: import and export', async ({ token }) => {
    const { database } = clientOf(stage, token).d1;
    const sql = "INSERT INTO customers (id, email) VALUES (10, 'semi;colon@example.com');\n-- no statement; at all\nUPDATE customers SET plan = 'it''s pro', photo = x'00ff' WHERE id = 10;\n";
    const finished = await imported(database, DB.id, sql);
    assert.deepEqual([finished.success, finished.status, finished.type, finished.result.num_queries], [true, 'complete', 'import', 2]);
    assert.ok(finished.result.meta.size_after > 0 && finished.result.final_bookmark !== '', JSON.stringify(finished));

    const dump = await exported(database, DB.id);
    assert.match(dump, /semi;colon@example\.com/);
    await imported(database, 'second-id', dump);
    const [rows, copy] = await Promise.all([DB.id, 'second-id'].map(async (id) => (await all(database.query(id, { ...at, sql: 'SELECT *, hex(photo) AS bytes FROM customers ORDER BY id' })))[0].results));
    assert.ok(rows.length >= 3);
    assert.deepEqual(copy, rows);
    assert.doesNotMatch(await exported(database, DB.id, { no_data: true }), /semi;colon/);
  }, async () => {
    assert.deepEqual(await stage.second.all('SELECT plan, hex(photo) AS photo FROM customers WHERE id = 10'), [{ plan: "it's pro", photo: '00FF' }]);
  });

  inBothModes(() => stage, 'kv: values, metadata, keys and bulk', async ({ token }) => {
    const { namespaces } = clientOf(stage, token).kv;
    const text = async (key) => (await namespaces.values.get(key, inNamespace)).text();
    assert.equal(await text('there'), 'before');
    await namespaces.values.update('there', { ...inNamespace, value: 'after' });
    const odd = 'a b/ünï//☃?x#y%2F';
    await namespaces.values.update(odd, { ...inNamespace, value: 'odd', metadata: JSON.stringify({ kind: 'note', n: 1 }), expiration_ttl: 3600 });
    assert.deepEqual([await text('there'), await text(odd)], ['after', 'odd']);
    assert.deepEqual(await namespaces.metadata.get(odd, inNamespace), { kind: 'note', n: 1 });
    // Of an object this client makes form fields of its own; metadata that would be lost is refused.
    await assert.rejects(namespaces.values.update('lost', { ...inNamespace, value: 'x', metadata: { kind: 'note' } }), ({ status, errors }) => status === 400 && /metadata\[kind\]/.test(errors[0].message));
    await namespaces.values.update('picture', { ...inNamespace, value: new File([picture], 'picture.png') });
    assert.ok(Buffer.from(await (await namespaces.values.get('picture', inNamespace)).arrayBuffer()).equals(picture), 'binary comes back byte for byte');

    const written = await namespaces.bulkUpdate(CACHE.id, { ...at, body: Array.from({ length: 25 }, (_, n) => ({ key: `page/${String(n).padStart(2, '0')}`, value: `${n}` })) });
    assert.deepEqual([written.successful_key_count, written.unsuccessful_keys ?? []], [25, []]);
    const { result: listed, requests } = await counting(stage, () => all(namespaces.keys.list(CACHE.id, { ...at, prefix: 'page/', limit: 10 })));
    assert.deepEqual(listed.map(({ name }) => name), Array.from({ length: 25 }, (_, n) => `page/${String(n).padStart(2, '0')}`));
    assert.equal(requests.length, 3, 'pages of ten');

    assert.deepEqual((await namespaces.bulkGet(CACHE.id, { ...at, keys: ['page/03', 'nothing'] })).values, { 'page/03': '3', nothing: null });
    const { values } = await namespaces.bulkGet(CACHE.id, { ...at, keys: [odd], withMetadata: true });
    assert.deepEqual([values[odd].value, values[odd].metadata], ['odd', { kind: 'note', n: 1 }]);
    await namespaces.bulkDelete(CACHE.id, { ...at, body: listed.slice(1).map(({ name }) => name) });
    await namespaces.values.delete('there', inNamespace);
    await namespaces.values.delete('never was', inNamespace);
    assert.deepEqual((await all(namespaces.keys.list(CACHE.id, at))).map(({ name }) => name).sort(), [odd, 'page/00', 'picture'].sort());
    await assert.rejects(text('there'), ({ status, errors }) => status === 404 && errors[0].code === 10009);
  }, async () => {
    assert.equal(await stage.cache.get('page/00'), '0');
    assert.equal(await stage.cache.get('there'), null);
    assert.ok((await stage.cache.getBytes('picture')).equals(picture));
  });

  inBothModes(() => stage, 'r2: objects', async ({ token }) => {
    const { objects } = clientOf(stage, token).r2.buckets;
    const etag = createHash('md5').update(picture).digest('hex');
    const put = await objects.upload('photos/2026/ünï c.png', picture, inBucket, { headers: { 'Content-Type': 'image/png' } });
    assert.deepEqual([put.key, put.size, put.etag.replaceAll('"', '')], ['photos/2026/ünï c.png', '5000', etag]);
    for (const key of ['photos/a', 'photos/b', 'texts/c']) await objects.upload(key, Buffer.from(key), inBucket);
    const answer = await objects.get('photos/2026/ünï c.png', inBucket);
    assert.deepEqual([answer.headers.get('content-type'), answer.headers.get('etag').replaceAll('"', '')], ['image/png', etag]);
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(picture), 'binary comes back byte for byte');

    const { result: listed, requests } = await counting(stage, () => all(objects.list(FILES.name, { ...at, prefix: 'photos/', per_page: 2 })));
    assert.deepEqual(listed.map(({ key }) => key), ['photos/2026/ünï c.png', 'photos/a', 'photos/b']);
    assert.equal(requests.length, 2, 'pages of two');
    assert.deepEqual([listed[0].size, listed[0].http_metadata.contentType], [5000, 'image/png']);

    assert.deepEqual((await objects.delete('photos/b', inBucket)).key, 'photos/b');
    await assert.rejects(objects.get('photos/b', inBucket), ({ status, errors }) => status === 404 && errors[0].code === 10007);
    await assert.rejects(objects.get('photos/a', { ...inBucket, 'If-None-Match': createHash('md5').update('photos/a').digest('hex') }), ({ status }) => status === 304);
  }, async () => {
    assert.deepEqual((await stage.files.list()).map(({ key }) => key), ['photos/2026/ünï c.png', 'photos/a', 'texts/c']);
    assert.equal((await stage.files.head('photos/2026/ünï c.png')).httpMetadata.contentType, 'image/png');
  });

  test('finds its way: token, accounts, memberships, databases, namespaces, buckets', async () => {
    const { token } = await dryRun(stage);
    const client = clientOf(stage, token);
    const { result, requests } = await counting(stage, async () => ({
      verified: await client.user.tokens.verify(),
      accounts: await all(client.accounts.list()),
      memberships: await all(client.memberships.list()),
      databases: await all(client.d1.database.list(at)),
      namespaces: await all(client.kv.namespaces.list(at)),
    }));
    assert.equal(result.verified.status, 'active');
    assert.deepEqual(result.accounts.map(({ id }) => id), [account]);
    assert.deepEqual(result.memberships.map((membership) => membership.account.id), [account]);
    assert.deepEqual(result.databases.map(({ uuid }) => uuid).sort(), [DB.id, 'second-id']);
    assert.deepEqual(result.namespaces.map(({ id, title }) => [id, title]), [[CACHE.id, CACHE.name]]);
    assert.ok(requests.length <= 9, 'this client asks for pages until one is empty');
    assert.deepEqual((await client.r2.buckets.list(at)).buckets.map(({ name }) => name), [FILES.name]);
    assert.equal((await client.d1.database.get(DB.id, at)).name, DB.name);
    assert.deepEqual(await client.d1.database.get(DB.name, { ...at, fields: ['uuid', 'name'] }), { uuid: DB.id, name: DB.name });
    assert.deepEqual((await all(client.d1.database.list({ ...at, name: 'second-database' }))).map(({ uuid }) => uuid), ['second-id']);
    assert.match((await client.d1.database.timeTravel.getBookmark(DB.id, at)).bookmark, /\S/);
  });
});

/** What every import does: announce, upload, ingest, and ask until it is over. */
async function imported(database, id, sql) {
  const etag = createHash('md5').update(sql).digest('hex');
  const { upload_url: address, filename } = await database.import(id, { ...at, action: 'init', etag });
  const upload = await fetch(address, { method: 'PUT', body: sql });
  assert.deepEqual([upload.status, upload.headers.get('etag').replaceAll('"', '')], [200, etag], await upload.text());
  let answer = await database.import(id, { ...at, action: 'ingest', etag, filename });
  for (let polls = 0; answer.status !== 'complete' && answer.status !== 'error'; polls += 1) {
    assert.ok(polls < 20, 'the import ends');
    answer = await database.import(id, { ...at, action: 'poll', current_bookmark: answer.at_bookmark });
  }
  return answer;
}

async function exported(database, id, options) {
  let answer = await database.export(id, { ...at, output_format: 'polling', ...(options && { dump_options: options }) });
  for (let polls = 0; answer.status !== 'complete' && answer.status !== 'error'; polls += 1) {
    assert.ok(polls < 20, 'the export ends');
    answer = await database.export(id, { ...at, output_format: 'polling', current_bookmark: answer.at_bookmark });
  }
  assert.equal(answer.status, 'complete', JSON.stringify(answer));
  const file = await fetch(answer.result.signed_url);
  assert.equal(file.status, 200);
  return file.text();
}

describe('the npm package cloudflare says why it was refused', () => {
  let refusals;
  before(async () => (refusals = await startRefusals()));
  after(() => refusals?.stop());

  const refused = (promise) => promise.then((value) => assert.fail(`not refused: ${JSON.stringify(value)}`), (error) => error);

  /** The exception holds the refusal, in its fields and in the text that a log shows. */
  function assertTells(error, { status, number, code, message, remedy }) {
    assert.ok(error instanceof APIError, String(error));
    assert.deepEqual([error.status, error.errors[0].code, error.errors[0].message, error.errors[0].meta], [status, number, message, { reason: code, remedy }]);
    for (const text of [message, remedy]) assert.ok(error.message.includes(JSON.stringify(text)), `${text} in ${error.message}`);
  }

  for (const name of caseNames) {
    test(name, () => checkCase(refusals, name, ({ stage: where, token, d1, kv, r2 }) => {
      const client = clientOf(where, token);
      if (d1) return refused(client.d1.database.query(d1.database, { ...at, sql: d1.sql }));
      if (kv?.method === 'PUT') return refused(client.kv.namespaces.values.update(kv.key, { ...inNamespace, value: kv.body }));
      if (kv) return refused(client.kv.namespaces.values.get(kv.key, inNamespace));
      if (r2.method === 'PUT') return refused(client.r2.buckets.objects.upload(r2.key, Buffer.from(r2.body), inBucket));
      return refused(client.r2.buckets.objects.get(r2.key, inBucket));
    }, assertTells));
  }

  const unoffered = {
    'd1.database.create': (client) => client.d1.database.create({ ...at, name: 'another' }),
    'd1.database.delete': (client) => client.d1.database.delete(DB.id, at),
    'd1.database.edit': (client) => client.d1.database.edit(DB.id, { ...at, read_replication: { mode: 'auto' } }),
    'd1.database.timeTravel.restore': (client) => client.d1.database.timeTravel.restore(DB.id, { ...at, bookmark: 'x' }),
    'kv.namespaces.create': (client) => client.kv.namespaces.create({ ...at, title: 'another' }),
    'kv.namespaces.delete': (client) => client.kv.namespaces.delete(CACHE.id, at),
    'r2.buckets.create': (client) => client.r2.buckets.create({ ...at, name: 'another' }),
    'r2.buckets.delete': (client) => client.r2.buckets.delete(FILES.name, at),
    'workers.scripts.list': (client) => client.workers.scripts.list(at),
  };
  for (const [call, ask] of Object.entries(unoffered)) {
    test(`${call} is not offered`, async () => {
      const { small, run } = refusals;
      const { result: error, requests } = await leavesTargetsAlone(small, () => counting(small, () => refused(ask(clientOf(small, run.token)))));
      assert.equal(requests.length, 1);
      const { method, path } = requests[0];
      const { json } = await small.api(path, { token: run.token, method });
      assert.equal(json.code, 'not_offered');
      assertTells(error, { status: 403, number: 1000729, code: 'not_offered', message: json.detail, remedy: json.remedy });
    });
  }

  test('an agent that asks for a live run in production is told who may open it', async () => {
    const { production } = refusals;
    const client = new Cloudflare({ apiToken: production.keys.agent, baseURL: production.url });
    const error = await refused(client.post('/v1/runs', { body: { mode: 'live' } }));
    assert.deepEqual([error.status, error.error.code], [403, 'live_not_granted']);
    assert.match(error.errors[0].meta.remedy, /approver/);
  });
});

// As a script or a model adds them, in a live run: what it believes to be a rehearsal is not made.
describe('switches that are misspelt', () => {
  const write = {
    d1: (client, options) => all(client.d1.database.query(DB.id, { ...at, sql: "DELETE FROM customers" }, options)),
    kv: (client, options) => client.kv.namespaces.values.update('there', { ...inNamespace, value: 'after' }, options),
    r2: (client, options) => client.r2.buckets.objects.delete('there', { ...inBucket }, options),
  };
  const refused = (work, name) => assert.rejects(work, (error) => error instanceof APIError && error.status === 400 && error.errors[0].message.includes(name), name);

  test('in CLOUDFLARE_CUSTOM_HEADERS, in the options and in the body of a call', async () => {
    const { token } = await liveRun(stage);
    await leavesTargetsAlone(stage, async () => {
      for (const act of Object.values(write)) {
        process.env.CLOUDFLARE_CUSTOM_HEADERS = 'X-Dry-Run: 1';
        const withHeaders = clientOf(stage, token);
        delete process.env.CLOUDFLARE_CUSTOM_HEADERS;
        await refused(() => act(withHeaders), 'x-dry-run');
        await refused(() => act(clientOf(stage, token), { headers: { 'Dry-Run-Mode': 'true' } }), 'dry-run-mode');
        await refused(() => act(clientOf(stage, token), { query: { dry_run: true } }), 'dry_run');
      }
      await refused(() => all(clientOf(stage, token).d1.database.query(DB.id, { ...at, sql: 'DELETE FROM customers', dry_run: true })), 'dry_run');
    });
  });

  test('others pass, and Dry-Run: true counts', async () => {
    const { token } = await liveRun(stage);
    await leavesTargetsAlone(stage, async () => {
      for (const act of Object.values(write)) await act(clientOf(stage, token), { headers: { 'Dry-Run': 'true', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' } });
    });
  });
});
