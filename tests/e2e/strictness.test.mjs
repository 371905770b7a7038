// Whatever a request says is understood or refused by name. Every route of the document is tried with every misspelling, in a live run:
// a route that is added is covered without being named here. The rules themselves are in src/domain/strict, with tests of their own.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { legacy, modern, toolsOf } from '../clients/mcp/support.mjs';
import { startGateway } from './harness/gateway.mjs';
import { assertProblem, openRun, paths, reportOf } from './helpers.mjs';

const insert = "INSERT INTO notes (text) VALUES ('in')";
const md5 = (text, encoding) => createHash('md5').update(text).digest(encoding);
const sha256 = (text) => createHash('sha256').update(text).digest('base64');
const json = { 'content-type': 'application/json' };

const { paths: described } = JSON.parse(readFileSync(new URL('../../src/http/openapi.json', import.meta.url), 'utf8'));
const operations = Object.entries(described).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => {
  const takes = new Set(operation.parameters.map(({ $ref }) => $ref.split('/').at(-1)));
  const { 'application/json': ofJson } = operation.requestBody?.content ?? {};
  return { id: operation.operationId, tag: operation.tags[0], path, method: method.toUpperCase(), secured: operation.security.length > 0, body: operation.requestBody !== undefined, json: ofJson !== undefined, takes };
}));
// What refuses every request as it is cannot misunderstand one.
const tried = operations.filter(({ tag }) => tag !== 'not offered');
const writes = tried.filter(({ method }) => !['GET', 'HEAD'].includes(method));

/** Bodies that are in order. Of a route that is not here an empty object is sent: what is unknown in it is refused before what is missing. */
const bodies = {
  openRun: { mode: 'live' },
  reportHook: { kind: 'hook_failure', cause: 'panic', message: 'it ended', agent: 'codex' },
  mcp: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'kv_put', arguments: { key: 'by-mcp', value: 'in' } } },
  query: { sql: insert },
  raw: { batch: [{ sql: insert }] },
  import: { action: 'init', etag: md5(insert, 'hex') },
  export: { output_format: 'polling', dump_options: { no_data: true } },
  putValues: [{ key: 'in', value: 'in' }],
  deleteValues: ['seed'],
  deleteValuesByPost: ['seed'],
  getValues: { keys: ['seed'] },
};

/** A switch of the gateway, spelt as people and models spell it: [name, value]. */
const headers = [
  ...['X-Dry-Run', 'DryRun', 'dry_run', 'Is-Dry-Run', 'Dry-Run-Mode', 'X-DryRun', 'HTTP-Dry-Run', 'CF-Dry-Run', 'Dry', 'X-Dry', 'Dryrnu', 'X-Validate-Only', 'What-If', 'X-Read-Only', 'Noop'].map((name) => [name, 'true']),
  ['X-Dry-Run', '1'], ['X-Dry-Run', 'false'], ['dryrun', ''], ['Prefer', 'dry-run'], ['Prefer', 'return=minimal, validate-only'], ['Pragma', 'dry-run'], ['Cookie', 'dry_run=true'],
  ['Mode', 'dry_run'], ['X-Mode', 'dry_run'], ['Run-Mode', 'dry_run'], ['X-Run-Id', 'other'], ['RunId', 'other'], ['run_id', 'other'],
  ['Record', 'true'], ['X-Record', 'true'],
  ['X-Idempotency-Key', 'k'], ['idempotency_key', 'k'], ['Idempotence-Key', 'k'], ['IdempotencyKey', 'k'], ['Idempotency', 'k'],
  ['X-HTTP-Method-Override', 'GET'], ['X-Method-Override', 'GET'], ['X-HTTP-Method', 'DELETE'],
  ['X-Object-Form', 'json'],
];
const queries = [
  'dry_run=true', 'dryRun=true', 'Dry-Run=true', 'dryrun=1', 'DRY_RUN', 'dry-run=', 'dry%2Drun=true', '%64ry_run=1', '%2564ry_run=1', 'is_dry_run=true', 'dry=1', 'validateOnly=true', 'what_if=1', 'noop',
  'mode=dry_run', 'runMode=dry_run', 'live=false', 'run_id=other', 'Run-Id=other', 'runId=other', 'record=true', 'idempotency_key=k', 'Idempotency-Key=k', '_method=GET', 'amp;dry_run=true', '?dry_run=true', 'dry_run[]=true',
];
const members = ['dry_run', 'dryRun', 'Dry-Run', 'dryrun', 'is_dry_run', 'dr\u0079_run', 'validate_only', 'run_id', 'idempotency_key', 'record', 'live', 'colour'];

/** On a write: what guards it, or makes another request of it. `but` names the parameters of routes that do understand it. */
const guards = [
  { name: 'If-Match', value: '"x"', but: 'ifMatch' }, { name: 'If-None-Match', value: '*', but: 'ifNoneMatch' }, { name: 'If-Unmodified-Since', value: 'Sun, 06 Nov 1994 08:49:37 GMT', but: 'ifUnmodifiedSince' },
  { name: 'If-Modified-Since', value: 'Fri, 20 Nov 2026 00:00:00 GMT', but: 'ifModifiedSince' }, { name: 'If-Range', value: '"x"' }, { name: 'If', value: '(["x"])' }, { name: 'IfMatch', value: '"x"' }, { name: 'X-If-Match', value: '"x"' },
  { name: 'x-goog-if-generation-match', value: '0' }, { name: 'Content-MD5', value: md5('in', 'base64'), but: 'contentMd5' }, { name: 'x-amz-checksum-sha256', value: sha256('in'), but: 'sha256' },
  { name: 'x-amz-checksum-crc32', value: 'AAAAAA==' }, { name: 'x-amz-checksum-sha1', value: 'AAAA' }, { name: 'x-amz-content-sha256', value: 'UNSIGNED-PAYLOAD' }, { name: 'Digest', value: 'md5=AAAA' }, { name: 'Content-Digest', value: 'sha-256=:AAAA:' },
  { name: 'Content-Range', value: 'bytes 0-1/2' }, { name: 'Range', value: 'bytes=0-1' }, { name: 'Overwrite', value: 'F' }, { name: 'Expires', value: 'Fri, 20 Nov 2026 00:00:00 GMT', but: 'cacheControl' }, { name: 'Content-Encoding', value: 'gzip', but: 'cacheControl' },
  ...['x-amz-copy-source', 'x-amz-copy-source-range', 'x-amz-server-side-encryption', 'x-amz-server-side-encryption-customer-algorithm', 'x-amz-server-side-encryption-customer-key', 'x-amz-acl', 'x-amz-grant-read', 'x-amz-tagging',
    'x-amz-object-lock-mode', 'x-amz-object-lock-legal-hold', 'x-amz-storage-class', 'x-amz-website-redirect-location', 'x-amz-expected-bucket-owner', 'x-amz-write-offset-bytes', 'x-amz-anything', 'cf-r2-anything', 'x-goog-acl'].map((name) => ({ name, value: 'x' })),
  { name: 'cf-r2-jurisdiction', value: 'eu' }, { name: 'Idempotency-Key', value: 'k', but: 'idempotencyKey' },
];
const meanings = ['uploads', 'uploadId=abc', 'partNumber=1', 'partNumber=1&uploadId=abc', 'versionId=1', 'acl', 'tagging', 'legal-hold', 'retention', 'x-amz-acl=private', 'X-Amz-Signature=x', 'colour=red', '=', 'x'];

let gateway;
let live;
let opened;

before(async () => {
  gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '20000' } });
  await gateway.db.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes VALUES (1, 'seed')");
  await gateway.cache.put('seed', 'value');
  await gateway.files.put('seed', 'object');
  live = await openRun(gateway, { mode: 'live' });
  opened = await runs();
});
after(() => gateway.stop());

const runs = async () => (await gateway.api('/v1/runs?limit=1000', { key: 'operator' })).json.runs.length;

/** A request of an operation that is in order. */
async function inOrder(operation, run = live) {
  const signed = { sendFile: () => announced(run), fetchFile: () => exported(run) };
  const store = { d1: 'DB', kv: 'CACHE', r2: 'FILES' }[/\/(d1|kv|r2)\//.exec(operation.path)?.[1]];
  const params = { account: 'local', store, key: 'seed', run: run.id, position: 1, signed: await signed[operation.id]?.() };
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] ?? assert.fail(`${operation.id}: say in this test what ${name} is`)));
  const credential = !operation.secured ? {} : operation.id === 'alerts' ? { key: 'operator' } : { token: run.token };
  const body = operation.json ? { json: bodies[operation.id] ?? {} } : operation.body ? { body: 'in' } : {};
  return { path, method: operation.method, ...credential, ...body };
}

const announced = async (run) => {
  const { json: answer } = await gateway.api(paths.d1('import'), { token: run.token, json: { action: 'init', etag: md5('in', 'hex') } });
  return answer.result.upload_url.split('/').at(-1);
};
const exported = async (run) => {
  const { json: answer } = await gateway.api(paths.d1('export'), { token: run.token, json: {} });
  return answer.result.signed_url.split('/').at(-1);
};

const send = ({ path, ...request }, { query, headers: more, ...other } = {}) =>
  gateway.api(query === undefined ? path : `${path}?${query}`, { ...request, ...other, headers: { ...request.headers, ...more } });

/** Refused by name, with the way to say it. An answer to HEAD has no body to say it in. */
function assertRefused(operation, answer, name) {
  const about = `${operation.id} ${name}: ${answer.status} ${answer.text.slice(0, 300)}`;
  assert.ok([400, 403].includes(answer.status), about);
  assert.ok(['invalid_request', 'not_offered'].includes(answer.headers.get('problem')), about);
  if (operation.method === 'HEAD') return;
  assertProblem(answer, answer.status, answer.headers.get('problem'), { about });
  const named = decodeURIComponent(decodeURIComponent(name)).toLowerCase();
  assert.ok(decodeURIComponent(answer.json.detail).toLowerCase().includes(named), about);
}

async function assertNothingHappened(digest) {
  assert.equal(await gateway.digest(), digest, 'the stores have changed');
  const { mode, phase } = (await gateway.api(`/v1/runs/${live.id}`, { token: live.token })).json;
  assert.deepEqual([mode, phase], ['live', 'open']);
  assert.equal(await runs(), opened, 'a run was opened');
}

describe('a name that reads like a switch is refused everywhere', () => {
  for (const operation of tried) {
    test(`${operation.method} ${operation.path}`, async () => {
      const digest = await gateway.digest();
      const request = await inOrder(operation);
      for (const [name, value] of headers) assertRefused(operation, await send(request, { headers: { [name]: value } }), ['Prefer', 'Pragma', 'Cookie'].includes(name) ? name : name.toLowerCase());
      for (const query of queries) assertRefused(operation, await send(request, { query }), query.split('=')[0]);
      await assertNothingHappened(digest);
    });
  }
});

describe('a write has nothing unknown, no guard that is not honoured, and one meaning', () => {
  for (const operation of writes) {
    test(`${operation.method} ${operation.path}`, async () => {
      const digest = await gateway.digest();
      const request = await inOrder(operation);
      for (const { name, value, but } of guards) {
        if (!operation.takes.has(but)) assertRefused(operation, await send(request, { headers: { [name]: value } }), name);
      }
      for (const query of meanings) assertRefused(operation, await send(request, { query }), query.split('=')[0]);
      await assertNothingHappened(digest);
    });
  }
});

/** The same body with one more member, at each place where there is an object. */
function* withMember(body, name) {
  if (body === null || typeof body !== 'object') return;
  if (Array.isArray(body)) {
    for (const [index, entry] of body.entries()) for (const changed of withMember(entry, name)) yield body.with(index, changed);
    return;
  }
  yield { ...body, [name]: true };
  for (const [inner, value] of Object.entries(body)) for (const changed of withMember(value, name)) yield { ...body, [inner]: changed };
}

describe('a body has no unknown member, and none twice', () => {
  for (const operation of writes.filter(({ id }) => id !== 'mcp')) {
    test(`${operation.method} ${operation.path}`, async () => {
      const digest = await gateway.digest();
      const request = await inOrder(operation);
      if (operation.json) {
        for (const name of members) for (const changed of withMember(request.json, name)) assertRefused(operation, await send(request, { json: changed }), name);
        const text = JSON.stringify(request.json);
        const twice = text.replace(/\{("\w+"):/, '{$1:null,$1:');
        if (twice !== text) assertRefused(operation, await send(request, { json: undefined, body: twice, headers: json }), 'twice');
      } else if (!operation.body) {
        for (const name of members) assertRefused(operation, await send(request, { json: { [name]: true } }), name);
        assertRefused(operation, await send(request, { body: 'dry_run=true', headers: { 'content-type': 'application/x-www-form-urlencoded' } }), 'body');
      }
      await assertNothingHappened(digest);
    });
  }
});

test('every one of these requests is in order without that', async () => {
  for (const operation of tried) {
    const run = await openRun(gateway);
    await gateway.api(paths.value('first'), { token: run.token, method: 'PUT', body: 'planned' });
    const request = await inOrder(operation, run);
    const sent = operation.id === 'openRun' ? { ...request, json: {} } : operation.id === 'run' || operation.id === 'closeRun' ? request : request;
    const answer = await send(sent);
    assert.ok(answer.status < 300, `${operation.id} ${answer.status} ${answer.text}`);
    if (!operation.body && !['GET', 'HEAD'].includes(operation.method)) assert.ok((await send({ ...(await inOrder(operation, await openRun(gateway))), json: {} })).status < 300, `${operation.id} with an empty object`);
  }
  opened = await runs();
});

test('what was refused is in the report of its run', async () => {
  const run = await openRun(gateway, { mode: 'live' });
  opened = await runs();
  const digest = await gateway.digest();
  const refused = writes.filter(({ tag }) => ['D1', 'KV', 'R2', 'transfers', 'MCP'].includes(tag));
  for (const operation of refused) assertRefused(operation, await send(await inOrder(operation, run), { headers: { 'X-Dry-Run': 'true' } }), 'x-dry-run');
  const report = await reportOf(gateway, run.id);
  const told = report.operations.filter(({ problem }) => problem?.message.includes('x-dry-run'));
  assert.deepEqual(told.map(({ outcome, problem }) => [outcome, problem.code]), refused.map(() => ['refused', 'invalid_request']));
  await assertNothingHappened(digest);
});

describe('a guard that cannot be read is not no guard', () => {
  // An empty one of these names never gets as far as the gateway: see the last test of this group.
  const tags = [',', ' , ', '"', '"x', 'x"', '""', 'W/""', 'W/x', '"x" "y"', '*, "x"', '"*"', '"x y"'];
  const dates = ['nonsense', '0', '1790000000', '2026-11-20T00:00:00Z', 'Fri, 20 Nov 2026 00:00:00', 'Thu, 20 Nov 2026 00:00:00 GMT', 'Fri, 31 Feb 2026 00:00:00 GMT', 'Friday, 20-Nov-26 00:00:00 GMT'];
  const unreadable = { 'If-Match': tags, 'If-None-Match': tags, 'If-Unmodified-Since': dates, 'If-Modified-Since': dates };
  for (const [name, values] of Object.entries(unreadable)) {
    test(name, async () => {
      const digest = await gateway.digest();
      for (const value of values) {
        for (const method of ['PUT', 'GET', 'HEAD']) {
          const answer = await gateway.api(paths.object('seed'), { token: live.token, method, ...(method === 'PUT' ? { body: 'in' } : {}), headers: { [name]: value } });
          assert.deepEqual([answer.status, answer.headers.get('problem')], [400, 'invalid_request'], `${method} ${name}: ${value} ${answer.text}`);
          if (method !== 'HEAD') assert.ok(answer.json.detail.includes(name), answer.text);
        }
      }
      await assertNothingHappened(digest);
    });
  }

  // workerd keeps the headers that HTTP itself defines by number, and hands on those that are not empty. Should it begin to hand on empty ones,
  // this fails, and they belong above: src/domain/condition.rs refuses them.
  test('an empty one is taken away by the platform, which the README says', async () => {
    const echo = "export class RunObject {} export class ShadowObject {} export default { fetch: (request) => Response.json([...request.headers.keys()]) };";
    const platform = await startGateway({ modules: { 'index.js': echo } });
    try {
      const names = (await platform.api('/', { headers: { 'If-Match': '', 'If-None-Match': ' ', 'If-Unmodified-Since': '', 'If-Modified-Since': '', 'Content-MD5': '', 'X-Dry-Run': '' } })).json;
      assert.deepEqual(names.filter((name) => /^(if|content-md5|x-dry)/.test(name)), ['content-md5', 'x-dry-run']);
    } finally {
      await platform.stop();
    }
    assert.match(readFileSync(new URL('../../README.md', import.meta.url), 'utf8'), /drops a conditional header with an empty value/);
  });

  test('the digest of a body', async () => {
    const digest = await gateway.digest();
    for (const sent of [{ 'content-md5': '' }, { 'content-md5': md5('in', 'hex') }, { 'x-amz-checksum-sha256': '' }, { 'x-amz-checksum-sha256': 'x' }, { 'content-md5': md5('in', 'base64'), 'x-amz-checksum-sha256': sha256('out') },
      { 'content-md5': [md5('in', 'base64'), md5('out', 'base64')] }]) {
      const answer = await gateway.api(paths.object('seed'), { token: live.token, method: 'PUT', body: 'in', headers: sent });
      assertProblem(answer, 400, 'invalid_request', { about: JSON.stringify(sent) });
    }
    await assertNothingHappened(digest);
  });

  test('when a value ends', async () => {
    const digest = await gateway.digest();
    const soon = Math.floor(Date.now() / 1000) + 3600;
    for (const query of ['expiration_ttl=', 'expiration=', 'expiration_ttl=+60', 'expiration_ttl=60.0', 'expiration_ttl=6e1', 'expiration_ttl=%2060', 'expiration_ttl=60&expiration_ttl=', 'expiration_ttl=60&expiration_ttl=60',
      `expiration=${soon}&expiration_ttl=60`, 'expirationTtl=60', 'expiration-ttl=60', 'EXPIRATION_TTL=60', 'ttl=60', 'expires=60']) {
      assertProblem(await gateway.api(paths.value('seed', `?${query}`), { token: live.token, method: 'PUT', body: 'in' }), 400, 'invalid_request', { about: query });
    }
    for (const name of ['Expiration-Ttl', 'expiration_ttl', 'X-Expiration']) {
      assertProblem(await gateway.api(paths.value('seed'), { token: live.token, method: 'PUT', body: 'in', headers: { [name]: '60' } }), 400, 'invalid_request', { about: name });
    }
    for (const item of [{ expiration: soon, expiration_ttl: 60 }, { expiration_ttl: '' }, { expiration_ttl: '60' }, { expirationTtl: 60 }, { ttl: 60 }, { expiration_ttl: 60, meta: {} }, { metadata: JSON.parse('{"a":1}'), Metadata: 1 }]) {
      assertProblem(await gateway.api(paths.kv('bulk'), { token: live.token, method: 'PUT', json: [{ key: 'fine', value: 'x' }, { key: 'seed', value: 'in', ...item }] }), 400, 'invalid_request', { about: JSON.stringify(item) });
    }
    const twice = '[{"key":"seed","value":"in","metadata":{"a":1,"a":2}}]';
    assertProblem(await gateway.api(paths.kv('bulk'), { token: live.token, method: 'PUT', body: twice, headers: json }), 400, 'invalid_request');
    await assertNothingHappened(digest);
  });

  test('fields of a form', async () => {
    const digest = await gateway.digest();
    const form = (fields) => fields.map(([name, value]) => `--edge\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`).join('') + '--edge--\r\n';
    for (const [name, value] of [['dry_run', 'true'], ['dryRun', 'true'], ['expiration_ttl', '60'], ['metadata[a]', '1'], ['value', 'again'], ['metadata', '{"a":1,"a":2}']]) {
      const answer = await gateway.api(paths.value('seed'), { token: live.token, method: 'PUT', body: form([['value', 'in'], [name, value]]), headers: { 'content-type': 'multipart/form-data; boundary=edge' } });
      assertProblem(answer, 400, 'invalid_request', { about: name });
    }
    await assertNothingHappened(digest);
  });

  test('metadata of an object that comes twice', async () => {
    const digest = await gateway.digest();
    const both = { 'object-form': encodeURIComponent('{"custom_metadata":{"a":"1"}}'), 'x-amz-meta-a': '2' };
    assertProblem(await gateway.api(paths.object('seed'), { token: live.token, method: 'PUT', body: 'in', headers: both }), 400, 'invalid_request');
    for (const form of ['{"custom_metadata":{"a":"1","a":"2"}}', '{"http_metadata":{},"http_metadata":{}}', '{"dry_run":true}', '{"custom_metadata":{},"storage_class":"x"}']) {
      const answer = await gateway.api(paths.object('seed'), { token: live.token, method: 'PUT', body: 'in', headers: { 'object-form': encodeURIComponent(form) } });
      assertProblem(answer, 400, 'invalid_request', { about: form });
    }
    await assertNothingHappened(digest);
  });
});

describe('a read', () => {
  const get = (path, headers) => gateway.api(path, { token: live.token, headers });
  test('is refused what would make another answer of it', async () => {
    for (const query of ['versionId=1', 'partNumber=1', 'uploadId=x', 'acl', 'tagging', 'response-content-type=text/html', 'X-Amz-Signature=x']) assertProblem(await get(`${paths.object('seed')}?${query}`), 403, 'not_offered', { about: query });
    for (const query of ['list-type=2', 'continuation-token=x', 'max-keys=1', 'marker=x', 'encoding-type=url']) assertProblem(await get(paths.objects(`?${query}`)), 403, 'not_offered', { about: query });
    for (const query of ['Prefix=x', 'perPage=1', 'per-page=1', 'startAfter=x', 'per_page=1&per_page=2', 'prefix=a&prefix=b']) assertProblem(await get(paths.objects(`?${query}`)), 400, 'invalid_request', { about: query });
    for (const name of ['If-Match', 'If-Unmodified-Since', 'If-Range']) assertProblem(await get(paths.value('seed'), { [name]: '"x"' }), 400, 'invalid_request', { about: name });
    assertProblem(await get(paths.object('seed'), { 'If-Range': '"x"', range: 'bytes=0-1' }), 400, 'invalid_request');
    assertProblem(await get(paths.object('seed'), { 'x-amz-server-side-encryption-customer-key': 'x' }), 403, 'not_offered');
  });
  test('passes what changes nothing', async () => {
    for (const [path, sent] of [
      [paths.kv('keys?order=title&direction=asc')], [paths.value('seed', '?type=text&cache_ttl=60')], [`${paths.object('seed')}?_=1`], [paths.value('seed'), { 'If-None-Match': '"x"', 'If-Modified-Since': 'nonsense', Range: 'bytes=0-1' }],
      ['/v1/runs?page=1&colour=red'], ['/health?probe=1'],
    ]) assert.equal((await get(path, sent)).status, 200, path);
  });
});

test('what clients, browsers and proxies add to a write passes', async () => {
  const run = await openRun(gateway);
  opened = await runs();
  const digest = await gateway.digest();
  const added = {
    accept: '*/*', 'accept-encoding': 'gzip', 'accept-language': 'en', 'api-version': '2026-07-28', baggage: 'tenant=a', 'cache-control': 'no-cache', 'cdn-loop': 'cloudflare', 'cf-connecting-ip': '192.0.2.1', 'cf-ray': 'x', 'cf-trace-id': 'x',
    'cf-visitor': '{"scheme":"https"}', cookie: 'session=1', dnt: '1', forwarded: 'for=192.0.2.1', pragma: 'no-cache', prefer: 'return=minimal', priority: 'u=1', 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors', 'sec-gpc': '1',
    tracestate: 'a=b', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'user-agent': 'dry-run-agent/1.0', via: '1.1 x', 'x-amz-cf-id': 'x', 'x-amzn-trace-id': 'Root=1', 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https',
    'x-real-ip': '192.0.2.1', 'x-request-id': 'x', 'x-stainless-lang': 'js', 'x-stainless-retry-count': '0', 'x-stainless-runtime': 'node', 'x-stainless-timeout': '60', 'content-encoding': 'identity', 'cf-r2-jurisdiction': 'default',
    'cf-r2-data-catalog-check': 'true',
  };
  for (const operation of writes) {
    const answer = await send({ ...(await inOrder(operation, operation.id === 'closeRun' ? await openRun(gateway) : run)), ...(operation.id === 'openRun' ? { json: {} } : {}) }, { headers: added });
    assert.ok(answer.status < 300, `${operation.id} ${answer.status} ${answer.text}`);
  }
  assert.equal(await gateway.digest(), digest);
  opened = await runs();
});

describe('tools', () => {
  test('refuse by name what reads like a switch, in a live run', async () => {
    const digest = await gateway.digest();
    const { refused } = await toolsOf(gateway, { token: live.token });
    const { json: { result: { tools } } } = await gateway.api('/mcp', { token: live.token, ...legacy('tools/list') });
    const ofKind = { d1: { sql: insert }, kv: { key: 'seed', value: 'in' }, r2: { key: 'seed', value: 'in' }, run: {} };
    for (const { name: tool, inputSchema } of tools) {
      const known = Object.entries(ofKind[tool.split('_')[0]]).filter(([name]) => name in inputSchema.properties);
      for (const name of members.filter((member) => tool !== 'run_status' || member !== 'colour')) {
        const { error } = await refused(tool, { ...Object.fromEntries(known), [name]: true }, 'invalid_request');
        assert.ok(error.message.includes(name), `${tool} ${name}: ${error.message}`);
      }
      for (const stray of [{ dry_run: true }, { mode: 'dry_run' }]) {
        const { result } = (await gateway.api('/mcp', { token: live.token, ...legacy('tools/call', { name: tool, arguments: Object.fromEntries(known), ...stray }) })).json;
        assert.equal(result.structuredContent.error?.code, 'invalid_request', `${tool} beside its arguments ${JSON.stringify(stray)}`);
      }
      await refused(tool, Object.fromEntries(known), 'invalid_request', { meta: { dryRun: true } });
    }
    const batch = await refused('d1_query', { batch: [{ sql: insert, dry_run: true }] }, 'invalid_request');
    assert.ok(batch.error.message.includes('dry_run') && typeof batch.operation === 'number');
    for (const store of [7, true, ['CACHE'], {}]) await refused('kv_delete', { key: 'seed', store }, 'invalid_request');
    await refused('kv_put', { key: 'seed', value: 'in', expiration_ttl: '' }, 'invalid_request');
    await refused('kv_put', { key: 'seed', value: 'in', expiration_ttl: 60, expiration: 4_000_000_000 }, 'invalid_request');
    for (const request of [modern('tools/list', { dry_run: true }), legacy('ping', { _meta: { dryRun: true } })]) {
      assert.equal((await gateway.api('/mcp', { token: live.token, ...request })).json.error?.code, -32602);
    }
    await assertNothingHappened(digest);
  });

  test('take what models really send', async () => {
    const run = await openRun(gateway);
    opened = await runs();
    const { done, refused } = await toolsOf(gateway, { token: run.token });
    for (const limit of [10, 10.0, '10', null]) await done('kv_list', { limit });
    for (const limit of ['10.0', '1e1', '1.0e1']) {
      const body = JSON.stringify(legacy('tools/call', { name: 'kv_list', arguments: { limit: 0 } }).json).replace('"limit":0', `"limit":${limit}`);
      assert.equal((await gateway.api('/mcp', { token: run.token, method: 'POST', body, headers: json })).json.result.isError, false, limit);
    }
    assert.equal((await done('kv_put', { key: 'a', value: 'x', store: '', expiration_ttl: '600', expiration: null, metadata: null, encoding: null })).ok, true);
    assert.equal((await done('kv_get', { key: 'a', store: null })).value, 'x');
    for (const args of [{ sql: insert, batch: [] }, { sql: insert, params: [], batch: null }, { batch: [{ sql: insert, params: [] }], params: [] }, { batch: [{ sql: insert }], sql: '' }, { batch: [{ sql: insert }], sql: ' ', params: [], store: '' }]) {
      assert.equal((await done('d1_query', args)).statements[0].meta.changes, 1, JSON.stringify(args));
    }
    for (const args of [{ sql: insert, batch: [{ sql: insert }] }, { batch: [{ sql: insert }], params: [1] }, { batch: [] }, {}]) await refused('d1_query', args, 'invalid_request');
    await refused('d1_query', { sql: '', batch: [] }, 'no_statement');
    for (const dummy of [{ random_string: '' }, { random_string: 'x' }, { _: null }, { dummy: { a: [1] } }, { '': 1 }]) assert.equal((await done('run_status', dummy)).status.id, run.id, JSON.stringify(dummy));
    for (const moved of ['true', 'false', false]) await done('run_report', { moved });
    for (const [tool, args] of [['kv_put', { key: 'a', value: 'x', random_string: '' }], ['d1_query', { sql: insert, dummy: '' }], ['r2_delete', { key: 'a', _: null }]]) await refused(tool, args, 'invalid_request');
  });
});

test('a variable that is misspelt is a gateway that refuses everything, and says which', async () => {
  for (const [name, value] of [['FLAG_BUDGET', '250'], ['STORE', '{}'], ['Environment', 'staging'], ['DRY_RUN', 'true'], ['SHADOW_MAX_ROW', { rows: 1 }]]) {
    const wrong = await startGateway({ vars: { [name]: value } });
    try {
      const answer = await wrong.api('/health');
      assertProblem(answer, 503, 'misconfigured', { about: name });
      assert.ok(answer.json.detail.includes(name), answer.json.detail);
    } finally {
      await wrong.stop();
    }
  }
});
