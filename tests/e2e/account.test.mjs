// What clients ask before they work, and what the gateway does not offer.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { assertProblem, openRun, reportOf } from './helpers.mjs';

const root = '/client/v4';
const account = `${root}/accounts/local`;

let gateway;
let run;
before(async () => {
  gateway = await startGateway({ databases: ['OTHER', 'THIRD'] });
  run = await openRun(gateway);
});
after(() => gateway?.stop());

const ask = (path, options = {}) => gateway.api(path, options.key ? options : { token: run.token, ...options });

describe('who and what there is', () => {
  test('a caller is told who it is, and never anybody else', async () => {
    const user = await ask(`${root}/user`);
    assert.deepEqual([user.json.result.id, user.json.result.email], [run.id, `agent+${run.id}@staging.invalid`]);
    assert.equal((await ask(`${root}/user`, { key: 'operator' })).json.result.email, 'operator@staging.invalid');
    const token = await ask(`${root}/user/tokens/verify`);
    assert.deepEqual([token.json.result.status, token.json.result.id], ['active', run.id]);
    assert.equal(Date.parse(token.json.result.expires_on), run.expires_at);
    for (const path of ['/user', '/user/tokens/verify', '/accounts', '/memberships', '/accounts/local/d1/database', '/accounts/local/r2/buckets']) {
      assertProblem(await gateway.api(`${root}${path}`), 401, 'unauthenticated', { about: path });
      assertProblem(await gateway.api(`${root}${path}`, { key: 'drk_production_x' }), 403, 'wrong_environment', { about: path });
    }
  });

  test('the token of a closed run is not called good', async () => {
    const { id, token } = await openRun(gateway);
    await gateway.api(`/v1/runs/${id}/close`, { token, method: 'POST' });
    assertProblem(await gateway.api(`${root}/user/tokens/verify`, { token }), 403, 'run_closed');
    assert.equal((await gateway.api(`${root}/user/tokens/verify`, { key: 'agent' })).json.result.status, 'active');
  });

  test('lists are pages that end', async () => {
    const lists = { [`${root}/accounts`]: 1, [`${root}/memberships`]: 1, [`${account}/d1/database`]: 3, [`${account}/storage/kv/namespaces`]: 1 };
    for (const [path, total] of Object.entries(lists)) {
      const seen = [];
      for (let page = 1; ; page += 1) {
        const { json } = await ask(`${path}?page=${page}&per_page=2`);
        assert.deepEqual([json.result_info.page, json.result_info.per_page, json.result_info.count, json.result_info.total_count], [page, 2, json.result.length, total], path);
        if (json.result.length === 0) break;
        seen.push(...json.result.map((entry) => entry.uuid ?? entry.id));
        assert.ok(page < 5, `${path} does not end`);
      }
      assert.equal(new Set(seen).size, total, path);
      for (const query of ['page=0', 'page=x', 'per_page=-1', 'per_page=0', 'per_page=100000']) assertProblem(await ask(`${path}?${query}`), 400, 'invalid_request', { about: query });
    }
    assert.deepEqual((await ask(`${account}/d1/database?name=other-database`)).json.result.map(({ uuid }) => uuid), ['other-id']);
    assert.deepEqual((await ask(`${account}/r2/buckets`)).json.result.buckets.map(({ name }) => name), ['support-desk-files-staging']);
  });

  test('a store is described by binding, name or id; what only it can tell is a read of the run', async () => {
    await gateway.db.exec('CREATE TABLE IF NOT EXISTS one (a)');
    for (const name of ['DB', 'support-desk-staging', '5d0a3a52-6f0e-4c0b-9d57-1f4f2f0c6a01']) {
      const { result } = (await ask(`${account}/d1/database/${name}`)).json;
      assert.deepEqual([result.uuid, result.name, result.version, result.num_tables], ['5d0a3a52-6f0e-4c0b-9d57-1f4f2f0c6a01', 'support-desk-staging', 'production', 1]);
      assert.ok(result.file_size > 0);
    }
    const dry = await openRun(gateway);
    const before = (await reportOf(gateway, dry.id)).operations.length;
    await gateway.api(`${account}/d1/database/DB/query`, { token: dry.token, json: { sql: 'CREATE TABLE two (a)' } });
    assert.equal((await gateway.api(`${account}/d1/database/DB`, { token: dry.token })).json.result.num_tables, 2);
    for (const query of ['fields=uuid%2Cname', 'fields=uuid&fields=name']) {
      assert.deepEqual(Object.keys((await gateway.api(`${account}/d1/database/DB?${query}`, { token: dry.token })).json.result), ['uuid', 'name']);
    }
    assert.equal((await reportOf(gateway, dry.id)).operations.length, before + 2);
    assert.deepEqual(Object.keys((await ask(`${account}/d1/database/DB`, { key: 'operator' })).json.result), ['uuid', 'name', 'version']);
    assert.equal((await ask(`${account}/storage/kv/namespaces/CACHE`)).json.result.title, 'support-desk-cache-staging');
    assert.equal((await ask(`${account}/r2/buckets/FILES`)).json.result.name, 'support-desk-files-staging');
    assertProblem(await ask(`${account}/d1/database/nowhere`), 404, 'unknown_store');
    assertProblem(await ask(`${root}/accounts/other/d1/database`), 404, 'unknown_account');
    assertProblem(await ask(`${root}/accounts/other`), 404, 'unknown_account');
  });

  test('a bookmark is the one of the real database', async () => {
    const first = (await ask(`${account}/d1/database/THIRD/time_travel/bookmark`)).json.result.bookmark;
    assert.match(first, /^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$/);
    await gateway.third.exec('CREATE TABLE moves (a)');
    const second = (await ask(`${account}/d1/database/THIRD/time_travel/bookmark?`)).json.result.bookmark;
    assert.ok(second > first, `${first} ${second}`);
    assertProblem(await ask(`${account}/d1/database/THIRD/time_travel/bookmark?timestamp=2026-01-01T00:00:00Z`), 403, 'not_offered');
  });
});

describe('what is not offered', () => {
  const calls = [
    ['POST', '/d1/database', /making databases/],
    ['DELETE', '/d1/database/DB', /deleting databases/],
    ['PATCH', '/d1/database/DB', /changing a database/],
    ['PUT', '/d1/database/DB', /changing a database/],
    ['POST', '/d1/database/DB/time_travel/restore?bookmark=x', /restoring a database to an earlier state/],
    ['POST', '/storage/kv/namespaces', /making namespaces/],
    ['PUT', '/storage/kv/namespaces/CACHE', /renaming namespaces/],
    ['DELETE', '/storage/kv/namespaces/CACHE', /deleting namespaces/],
    ['POST', '/r2/buckets', /making buckets/],
    ['DELETE', '/r2/buckets/FILES', /deleting buckets/],
    ['PATCH', '/r2/buckets/FILES', /changing a bucket/],
    ['PUT', '/r2/buckets/FILES/lifecycle', /\/accounts\/local\/r2\/buckets\/FILES\/lifecycle/],
    ['PUT', '/workers/scripts/x', /\/accounts\/local\/workers\/scripts\/x/],
    ['GET', '/queues', /\/accounts\/local\/queues/],
  ];

  test('is refused by its name, does nothing and is in the report', async () => {
    for (const mode of ['dry_run', 'live']) {
      const own = await openRun(gateway, { mode });
      const digest = await gateway.digest();
      for (const [method, path, named] of calls) {
        const refused = await gateway.api(`${account}${path}`, { token: own.token, method, json: method === 'GET' ? undefined : { name: 'x' } });
        assertProblem(refused, 403, 'not_offered', { about: path });
        assert.match(refused.json.detail, named);
        assert.equal(refused.headers.get('problem'), 'not_offered');
      }
      assert.equal(await gateway.digest(), digest);
      const { operations, changes } = await reportOf(gateway, own.id);
      assert.deepEqual([operations.length, changes], [calls.length, []]);
      assert.ok(operations.every(({ problem }) => problem.code === 'not_offered'));
    }
  });

  test('so is every store and account that is not here, by whatever route, over REST and MCP', async () => {
    const inAccount = (name) => [
      ['POST', `${root}/accounts/${name}/d1/database/STORE/query`, { sql: 'DELETE FROM things' }], ['POST', `${root}/accounts/${name}/d1/database/STORE/raw`, { sql: 'SELECT 1' }],
      ['POST', `${root}/accounts/${name}/d1/database/STORE/import`, { action: 'init', etag: '0'.repeat(32) }], ['POST', `${root}/accounts/${name}/d1/database/STORE/export`, { output_format: 'polling' }],
      ['GET', `${root}/accounts/${name}/d1/database/STORE`], ['GET', `${root}/accounts/${name}/d1/database/STORE/time_travel/bookmark`],
      ['GET', `${root}/accounts/${name}/storage/kv/namespaces/STORE/values/k`], ['PUT', `${root}/accounts/${name}/storage/kv/namespaces/STORE/values/k`, 'v'], ['DELETE', `${root}/accounts/${name}/storage/kv/namespaces/STORE/values/k`],
      ['GET', `${root}/accounts/${name}/storage/kv/namespaces/STORE/keys`], ['PUT', `${root}/accounts/${name}/storage/kv/namespaces/STORE/bulk`, [{ key: 'k', value: 'v' }]], ['GET', `${root}/accounts/${name}/storage/kv/namespaces/STORE`],
      ['GET', `${root}/accounts/${name}/r2/buckets/STORE/objects/k`], ['PUT', `${root}/accounts/${name}/r2/buckets/STORE/objects/k`, 'v'], ['DELETE', `${root}/accounts/${name}/r2/buckets/STORE/objects/k`],
      ['GET', `${root}/accounts/${name}/r2/buckets/STORE/objects`], ['GET', `${root}/accounts/${name}/r2/buckets/STORE`],
    ];
    const hostile = '__evil__ www.evil.example';
    const calls = [
      ...inAccount('local').map((call) => ['unknown_store', ...call]), ...inAccount('somebody').map((call) => ['unknown_account', ...call]),
      ['unknown_account', 'GET', `${root}/accounts/somebody`], ['unknown_account', 'GET', `${root}/accounts/somebody/d1/database`], ['unknown_account', 'GET', `${root}/accounts/somebody/r2/buckets`],
    ];
    const tools = [['d1_query', { sql: 'DELETE FROM things' }], ['d1_schema', {}], ['kv_get', { key: 'k' }], ['kv_put', { key: 'k', value: 'v' }], ['kv_delete', { key: 'k' }], ['kv_list', {}], ['r2_get', { key: 'k' }], ['r2_put', { key: 'k', value: 'v' }], ['r2_delete', { key: 'k' }], ['r2_list', {}]];
    for (const mode of ['dry_run', 'live']) {
      const own = await openRun(gateway, { mode });
      const digest = await gateway.digest();
      for (const [code, method, path, body] of calls) {
        const content = typeof body === 'object' ? { json: body } : body === undefined ? {} : { body };
        const answer = await gateway.api(path.replace('STORE', encodeURIComponent(hostile)), { token: own.token, method, ...content });
        assertProblem(answer, 404, code, { about: `${method} ${path}` });
        assert.ok(answer.headers.get('operation') > 0, `${method} ${path}`);
      }
      for (const [name, args] of tools) {
        const message = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: { ...args, store: hostile } } };
        const { json } = await gateway.api('/mcp', { token: own.token, json: message, headers: { accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-06-18' } });
        assert.deepEqual([json.result.structuredContent.error.code, json.result.structuredContent.operation > 0], ['unknown_store', true], name);
      }
      assert.equal(await gateway.digest(), digest);
      const { operations, problems, summary, changes, coverage } = await reportOf(gateway, own.id);
      assert.deepEqual([operations.length, problems.length, summary.refused, changes], [calls.length + tools.length, operations.length, operations.length, []]);
      assert.deepEqual([coverage.exact, Object.keys(coverage.refused)], [false, ['unknown_account', 'unknown_store']]);
      assert.ok(operations.every(({ outcome, store, kind }, index) => outcome === 'refused' && (store === hostile || index >= calls.length - 3) && ['d1', 'kv', 'r2'].includes(kind)), JSON.stringify(operations.map(({ store }) => store)));
      const { text } = await gateway.api(`/v1/runs/${own.id}/report?format=markdown`, { token: own.token });
      assert.ok(text.includes(`\`${hostile}\``) && !text.replaceAll(/`[^`]*`/g, '').includes('evil'), text);
    }
  });

  test('a name of another kind of store does not lend that kind to what the run changes', async () => {
    const own = await openRun(gateway);
    assertProblem(await gateway.api(`${account}/storage/kv/namespaces/DB/values/k`, { token: own.token }), 404, 'unknown_store');
    await gateway.api(`${account}/d1/database/DB/query`, { token: own.token, json: { sql: 'CREATE TABLE made (id INTEGER PRIMARY KEY); INSERT INTO made VALUES (1)' } });
    assert.deepEqual((await reportOf(gateway, own.id)).changes.map(({ store, kind }) => [store, kind]), [['DB', 'd1'], ['DB', 'd1']]);
  });

  test('needs no run to be refused, but a credential', async () => {
    assertProblem(await ask(`${account}/d1/database`, { key: 'agent', json: { name: 'x' } }), 403, 'not_offered');
    assertProblem(await gateway.api(`${account}/d1/database`, { json: { name: 'x' } }), 401, 'unauthenticated');
    assertProblem(await gateway.api(`${root}/zones`), 401, 'unauthenticated');
  });

  test('turns its run dry all the same when the request says so', async () => {
    const own = await openRun(gateway, { mode: 'live' });
    await gateway.api(`${account}/queues`, { token: own.token, headers: { 'dry-run': 'true' } });
    assert.equal((await gateway.api(`/v1/runs/${own.id}`, { token: own.token })).json.mode, 'dry_run');
  });

  test('analytics are refused in a form that wrangler does not take for figures', async () => {
    const { status, text, headers } = await ask(`${root}/graphql`, { json: { query: '{}' } });
    assert.deepEqual([status, text.slice(0, 11)], [403, 'not_offered']);
    assert.match(headers.get('content-type'), /text\/plain/);
  });
});
