// The same requests, one after the other, live on one gateway and dry on another with equal data: the answers are the same but for the marks
// of the dry run and what the stores measure. At the end the live stores are what the dry run says they would be.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { paths } from './helpers.mjs';
import { assertOnlyReads } from './rehearsal.mjs';
import { answersOf, startPair } from './live_equals_dry/pair.mjs';
import * as d1 from './live_equals_dry/d1.mjs';
import * as kv from './live_equals_dry/kv.mjs';
import * as r2 from './live_equals_dry/r2.mjs';

let pair;
let untouched;

before(async () => {
  pair = await startPair(({ db, cache, files }) => Promise.all([db.exec(d1.schema), kv.seed(cache), r2.seed(files)]));
  untouched = { live: await pair.live.gateway.contents(), dry: await pair.dry.gateway.contents() };
});
after(() => pair?.stop());

test('both sides begin with the same data', () => assert.deepEqual(untouched.live, untouched.dry));

for (const [store, { requests }] of Object.entries({ D1: d1, KV: kv, R2: r2 })) {
  describe(`${store} answers alike, live and dry`, () => {
    for (const [index, request] of requests.entries()) test(`${index + 1}: ${request.name.slice(0, 160)}`, () => pair.assertSame(request));
  });
}

describe('in the end', () => {
  test('the schema that the dry run planned is the live one', async () => {
    const sql = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY type, name";
    const planned = (await pair.dry.agent.query(sql)).json.result[0].results;
    assert.deepEqual(planned, await pair.live.gateway.db.all(sql));
    assert.ok(planned.length > 20);
  });

  for (const table of d1.tables) {
    test(`every row of ${table} that the dry run planned is the live one`, async () => {
      const quoted = `"${table.replaceAll('"', '""')}"`;
      const columns = (await pair.live.gateway.db.all(`PRAGMA table_xinfo(${quoted})`)).map(({ name }) => `"${name.replaceAll('"', '""')}"`);
      const exact = columns.map((column, index) => `typeof(${column}) || ':' || CASE typeof(${column}) WHEN 'text' THEN hex(${column}) ELSE quote(${column}) END AS c${index}`);
      const sql = `SELECT ${exact.join(', ')} FROM ${quoted} ORDER BY ${columns.map((_, index) => index + 1).join(', ')}`;
      const [planned, whole] = [await pair.dry.agent.query(sql), await pair.dry.agent.query(`SELECT * FROM ${quoted}`)];
      assert.equal(planned.status, 200, planned.text);
      assert.deepEqual(planned.json.result[0].results, await pair.live.gateway.db.all(sql));
      assert.deepEqual(whole.json.result[0].results, await pair.live.gateway.db.all(`SELECT * FROM ${quoted}`));
    });
  }

  test('every key that the dry run planned is the live one', async () => {
    const { agent } = pair.dry;
    const { cache } = pair.live.gateway;
    const listed = (await answersOf(agent, { path: paths.kv('keys?limit=10'), pages: true })).flatMap(({ json }) => json.result);
    assert.deepEqual(listed, JSON.parse(JSON.stringify(await cache.list())));
    assert.ok(listed.length > 60);
    for (const { name } of listed) {
      const [value, metadata] = await Promise.all([agent.kv(`values/${encodeURIComponent(name)}`), agent.kv(`metadata/${encodeURIComponent(name)}`)]);
      assert.deepEqual([name, value.bytes], [name, await cache.getBytes(name)]);
      assert.deepEqual([name, metadata.json.result], [name, (await cache.getWithMetadata(name)).metadata]);
    }
  });

  test('every object that the dry run planned is the live one', async () => {
    const { agent } = pair.dry;
    const { files } = pair.live.gateway;
    const listed = (await answersOf(agent, { path: paths.objects('?per_page=7'), pages: true })).flatMap(({ json }) => json.result);
    const live = await files.list();
    assert.deepEqual(listed.map(({ key, size, etag, custom_metadata: custom }) => [key, size, etag, custom]), live.map(({ key, size, etag, customMetadata }) => [key, size, etag, customMetadata]));
    assert.ok(listed.length > 30);
    for (const { key } of listed) {
      const read = await agent.r2(`/${encodeURIComponent(key)}`);
      const object = await files.get(key);
      assert.ok(read.bytes.equals(object.bytes), key);
      assert.equal(read.headers.get('content-type'), object.httpMetadata.contentType ?? 'application/octet-stream', key);
    }
  });

  test('nothing of it was written on the dry side, and only reads arrived', async () => {
    assert.deepEqual(await pair.dry.gateway.contents(), untouched.dry);
    assert.notDeepEqual(await pair.live.gateway.contents(), untouched.live);
    assertOnlyReads(pair.dry.gateway, [pair.dry.agent.id]);
  });
});
