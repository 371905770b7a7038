// The same requests, one after the other, live on one gateway and dry on another with equal data: the answers are the same but for the marks
// of the dry run and what the stores measure. At the end the live stores are what the dry run says they would be.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { paths } from './helpers.mjs';
import { agentIn, assertOnlyReads } from './rehearsal.mjs';
import { comparable } from './live_equals_dry/compare.mjs';
import * as d1 from './live_equals_dry/d1.mjs';
import * as kv from './live_equals_dry/kv.mjs';
import * as r2 from './live_equals_dry/r2.mjs';

const sides = {};
const mostPages = 100;

async function startSide(mode) {
  const gateway = await startGateway();
  sides[mode] = { gateway };
  await Promise.all([gateway.db.exec(d1.schema), kv.seed(gateway.cache), r2.seed(gateway.files)]);
  sides[mode].agent = await agentIn(gateway, { mode });
  sides[mode].untouched = await gateway.contents();
}

before(() => Promise.all(['live', 'dry_run'].map(startSide)));
after(() => Promise.all(Object.values(sides).map(({ gateway }) => gateway.stop())));

/** Sends a request; a list is followed page by page to its end. */
async function answersOf(agent, { name, sql, path, pages, ...options }) {
  const answers = [await agent.ask(path, options)];
  for (let cursor; pages && (cursor = answers.at(-1).json?.result_info?.cursor) && answers.length < mostPages; ) {
    answers.push(await agent.ask(`${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`, options));
  }
  return answers;
}

async function assertSame(request) {
  const [live, dry] = await Promise.all([answersOf(sides.live.agent, request), answersOf(sides.dry_run.agent, request)]);
  if (request.refusedAnyhow) return assert.ok([...live, ...dry].every(({ status, json }) => status >= 400 && json.success === false));
  assert.deepEqual(dry.map((answer) => comparable(answer, request.sql)), live.map((answer) => comparable(answer, request.sql)));
  assert.ok(live.length < mostPages, 'the list never ends');
  for (const answer of live) assert.equal(answer.headers.get('dry-run'), null);
  for (const answer of dry.filter(({ status }) => status < 300)) assert.equal(answer.headers.get('dry-run'), 'true');
}

test('both sides begin with the same data', () => assert.deepEqual(sides.live.untouched, sides.dry_run.untouched));

for (const [store, { requests }] of Object.entries({ D1: d1, KV: kv, R2: r2 })) {
  describe(`${store} answers alike, live and dry`, () => {
    for (const [index, request] of requests.entries()) test(`${index + 1}: ${request.name.slice(0, 160)}`, () => assertSame(request));
  });
}

describe('in the end', () => {
  test('the schema that the dry run planned is the live one', async () => {
    const sql = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY type, name";
    const planned = (await sides.dry_run.agent.query(sql)).json.result[0].results;
    assert.deepEqual(planned, await sides.live.gateway.db.all(sql));
    assert.ok(planned.length > 20);
  });

  for (const table of d1.tables) {
    test(`every row of ${table} that the dry run planned is the live one`, async () => {
      const quoted = `"${table.replaceAll('"', '""')}"`;
      const columns = (await sides.live.gateway.db.all(`PRAGMA table_xinfo(${quoted})`)).map(({ name }) => `"${name.replaceAll('"', '""')}"`);
      const exact = columns.map((column, index) => `typeof(${column}) || ':' || CASE typeof(${column}) WHEN 'text' THEN hex(${column}) ELSE quote(${column}) END AS c${index}`);
      const sql = `SELECT ${exact.join(', ')} FROM ${quoted} ORDER BY ${columns.map((_, index) => index + 1).join(', ')}`;
      const [planned, whole] = [await sides.dry_run.agent.query(sql), await sides.dry_run.agent.query(`SELECT * FROM ${quoted}`)];
      assert.equal(planned.status, 200, planned.text);
      assert.deepEqual(planned.json.result[0].results, await sides.live.gateway.db.all(sql));
      assert.deepEqual(whole.json.result[0].results, await sides.live.gateway.db.all(`SELECT * FROM ${quoted}`));
    });
  }

  test('every key that the dry run planned is the live one', async () => {
    const { agent } = sides.dry_run;
    const { cache } = sides.live.gateway;
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
    const { agent } = sides.dry_run;
    const { files } = sides.live.gateway;
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
    assert.deepEqual(await sides.dry_run.gateway.contents(), sides.dry_run.untouched);
    assert.notDeepEqual(await sides.live.gateway.contents(), sides.live.untouched);
    assertOnlyReads(sides.dry_run.gateway, [sides.dry_run.agent.id]);
  });
});
