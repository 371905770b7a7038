// Every limit and every bad input of a request: a refusal with a code and a remedy, before any work, live and dry alike.
// What SQL may not say is in hostile_sql.test.mjs, what nobody thought of in fuzz.test.mjs.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import net from 'node:net';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths } from './helpers.mjs';

const cap = 300_000;
const json = { 'content-type': 'application/json' };
const insert = "INSERT INTO notes (text) VALUES ('in')";
const put = (key, options = {}) => [paths.value(key), { method: 'PUT', body: 'in', ...options }];
const putObject = (key, headers = {}, body = 'in') => [paths.object(key), { method: 'PUT', body, headers }];
const sendQuery = (body, headers = json) => [paths.d1(), { method: 'POST', body, headers }];
const query = (body, headers) => sendQuery(JSON.stringify(body), headers);
const bulkPut = (body, headers = json) => [paths.kv('bulk'), { method: 'PUT', body: JSON.stringify(body), headers }];
const bulkGet = (body) => [paths.kv('bulk/get'), { json: body }];
const bulkDelete = (body) => [paths.kv('bulk/delete'), { json: body }];
const form = (parts, boundary = 'edge') => ({
  headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  body: `${Object.entries(parts).map(([name, value]) => `--edge\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`).join('')}--edge--\r\n`,
});
const deep = (levels) => `${'['.repeat(levels)}1${']'.repeat(levels)}`;
const many = (count, of) => Array.from({ length: count }, (_, index) => of(index));
const md5 = (text) => createHash('md5').update(text).digest('base64');
const sha256 = (text) => createHash('sha256').update(text).digest('base64');

// Name, request, status, code. A request that can be sent only once (a stream) is a function.
const groups = {
  'bodies': [
    ['no body', sendQuery(''), 400, 'invalid_json'],
    ['JSON that breaks off', sendQuery('{"sql":"SELECT 1"'), 400, 'invalid_json'],
    ['two JSON texts', sendQuery('{"sql":"SELECT 1"}{"sql":"SELECT 2"}'), 400, 'invalid_json'],
    ['JSON with a byte order mark', sendQuery('\ufeff{"sql":"SELECT 1"}'), 400, 'invalid_json'],
    ['JSON that is not UTF-8', sendQuery(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])), 400, 'invalid_json'],
    ['JSON nested 100,000 deep', sendQuery(`{"sql":"SELECT ?","params":${deep(100_000)}}`), 400, 'invalid_json'],
    ['a lone surrogate', sendQuery('{"sql":"SELECT \'\\ud800\'"}'), 400, 'invalid_json'],
    ['a number beyond all numbers', sendQuery('{"sql":"SELECT ?","params":[1e999]}'), 400, 'invalid_json'],
    ['a bulk write in JSON that breaks off', [paths.kv('bulk'), { method: 'PUT', body: '[{', headers: json }], 400, 'invalid_json'],
    ['no content type', query({ sql: insert }, {}), 415, 'unsupported_media_type'],
    ['text', query({ sql: insert }, { 'content-type': 'text/plain' }), 415, 'unsupported_media_type'],
    ['a form', sendQuery('sql=SELECT+1', { 'content-type': 'application/x-www-form-urlencoded' }), 415, 'unsupported_media_type'],
    ['a bulk write as text', bulkPut([{ key: 'k', value: 'v' }], { 'content-type': 'text/plain' }), 415, 'unsupported_media_type'],
  ],
  'JSON of another form': [
    ...[[], 'SELECT 1', 7, null, {}, { sql: 7 }, { sql: null }, { sql: ['SELECT 1'] }, { query: 'SELECT 1' }, { sql: 'SELECT ?', params: { 1: 1 } }, { sql: 'SELECT ?', params: 'x' },
      ['DELETE FROM notes'], ['DELETE FROM notes', []], { batch: {} }, { batch: [] }, { batch: ['SELECT 1'] }, { batch: [null] }, { batch: [['DELETE FROM notes']] }, [[{ sql: 'DELETE FROM notes' }]],
      { batch: [{ sql: insert }, {}] }].map((body) => [JSON.stringify(body), query(body), 400, 'invalid_request']),
    ['an object as a parameter', query({ sql: 'SELECT ?', params: [{ a: 1 }] }), 400, 'invalid_request'],
    ['a list as a parameter', query({ sql: 'SELECT ?', params: [['a']] }), 400, 'invalid_request'],
    ['bytes that are none', query({ sql: 'SELECT ?', params: [[256]] }), 400, 'invalid_request'],
    ['101 parameters', query({ sql: `SELECT ${many(101, () => '?').join()}`, params: many(101, (index) => index) }), 400, 'too_many_parameters'],
    ['33 arguments of a function', query({ sql: `SELECT json_object(${many(34, (index) => `'k${index}'`).join()})` }), 400, 'statement_too_long'],
    ['33 arguments of a function in a batch', query({ batch: [{ sql: insert }, { sql: `INSERT INTO notes (text) VALUES (coalesce(${many(33, () => 'NULL').join()}))` }] }), 400, 'statement_too_long'],
    ['101 parameters in a batch', query({ batch: [{ sql: insert }, { sql: 'SELECT 1', params: many(101, () => null) }] }), 400, 'too_many_parameters'],
    ['parameters for several statements', query({ sql: 'SELECT ?; SELECT ?', params: [1, 2] }), 400, 'invalid_request'],
    ['several statements in an entry of a batch', query({ batch: [{ sql: `${insert}; ${insert}` }] }), 400, 'invalid_request'],
    ['5,001 statements in a batch', query({ batch: many(5001, () => ({ sql: insert })) }), 400, 'invalid_request'],
    ...[{}, 'k', 7, null, [null], ['k'], [{ key: 'k' }], [{ value: 'v' }], [{ key: 7, value: 'v' }], [{ key: 'k', value: 7 }], [['k', 'v']], [{ key: 'k', value: 'v', expiration: 'soon' }],
      [{ key: 'k', value: 'v', expiration_ttl: -60 }], [{ key: 'k', value: 'v', expiration_ttl: 59 }], [{ key: 'k', value: 'v', expiration: 1 }], [{ key: 'k', value: '&&&', base64: true }], [],
      [{ key: 'ok', value: 'v' }, { key: 'k', value: 'v', metadata: 'x'.repeat(1024) }]].map((body) => [`bulk write ${JSON.stringify(body).slice(0, 50)}`, bulkPut(body), 400, 'invalid_request']),
    ['10,001 keys', bulkPut(many(10_001, () => ({ key: 'k', value: '' }))), 400, 'invalid_request'],
    ...[{}, [], { keys: 'k' }, { keys: [] }, { keys: [7] }, { keys: many(101, String) }, { keys: ['k'], type: 'stream' }, [['k']]].map((body) => [`bulk read ${JSON.stringify(body).slice(0, 40)}`, bulkGet(body), 400, 'invalid_request']),
    ...[{}, [], [7], [null], 'k', [{ name: 'k' }]].map((body) => [`bulk delete ${JSON.stringify(body)}`, bulkDelete(body), 400, 'invalid_request']),
  ],
  'keys and names': [
    ['a KV key of 513 bytes', put('x'.repeat(513)), 400, 'key_invalid'],
    ['a KV key of 257 letters of two bytes', put('é'.repeat(257)), 400, 'key_invalid'],
    ['reading such a key', [paths.value('x'.repeat(513))], 400, 'key_invalid'],
    ['deleting such a key', [paths.value('x'.repeat(513)), { method: 'DELETE' }], 400, 'key_invalid'],
    ['the metadata of such a key', [paths.kv(`metadata/${'x'.repeat(513)}`)], 400, 'key_invalid'],
    ...['', '.', '..', 'x'.repeat(513)].flatMap((key) => [
      [`bulk write of ${JSON.stringify(key).slice(0, 9)}`, bulkPut([{ key: 'fine', value: 'v' }, { key, value: 'v' }]), 400, 'key_invalid'],
      [`bulk delete of ${JSON.stringify(key).slice(0, 9)}`, bulkDelete(['seed', key]), 400, 'key_invalid'],
      [`bulk read of ${JSON.stringify(key).slice(0, 9)}`, bulkGet({ keys: [key] }), 400, 'key_invalid'],
    ]),
    ['a KV prefix of 513 bytes', [paths.kv(`keys?prefix=${'x'.repeat(513)}`)], 400, 'key_invalid'],
    ['a KV prefix of 257 letters of two bytes', [paths.kv(`keys?prefix=${encodeURIComponent('é'.repeat(257))}`)], 400, 'key_invalid'],
    // A client that resolves the key `.` while it makes the address leaves none.
    ...['GET', 'PUT', 'DELETE'].flatMap((method) => [[`${method} of a KV key that is a dot`, [paths.value('.'), { method }], 400, 'key_invalid'], [`${method} of an object that is a dot`, [paths.object('.'), { method }], 400, 'key_invalid']]),
    ['the metadata of a KV key that is a dot', [paths.kv('metadata/.')], 400, 'key_invalid'],
    ['an R2 key of 1,025 bytes', putObject('x'.repeat(1025)), 400, 'key_invalid'],
    ['reading such an object', [paths.object('x'.repeat(1025))], 400, 'key_invalid'],
    ['a key that is not UTF-8', [`${paths.kv('values')}/%FF`, { method: 'PUT', body: 'in' }], 400, 'invalid_request'],
    ['an object key that is not UTF-8', [`${paths.objects()}/a%C3%28`, { method: 'PUT', body: 'in' }], 400, 'invalid_request'],
    ['a run that is not UTF-8', ['/v1/runs/%C3'], 400, 'invalid_request'],
    ...['NOPE', 'db', 'CONTROL', 'FLAGS', 'CACHE', 'FILES', 'ENVIRONMENT', 'KEYS', 'RUN', '__proto__', 'constructor', 'dryrun-control-staging', '5d0a3a52-6f0e-4c0b-9d57-1f4f2f0c6a02'].map(
      (store) => [`${store} as a database`, [paths.d1('query', store), { json: { sql: insert } }], 404, 'unknown_store']),
    ...['NOPE', 'FLAGS', 'DB', 'FILES', '5d0a3a526f0e4c0b9d571f4f2f0c6a04'].map((store) => [`${store} as a namespace`, [paths.kv('values/k', store), { method: 'PUT', body: 'in' }], 404, 'unknown_store']),
    ...['NOPE', 'DB', 'CACHE'].map((store) => [`${store} as a bucket`, [paths.object('k', store), { method: 'PUT', body: 'in' }], 404, 'unknown_store']),
    ['another account', [paths.d1().replace('/local/', '/somebody/'), { json: { sql: insert } }], 404, 'unknown_account'],
  ],
  'addresses and methods': [
    ...['/', '/v1', '/v2/runs', '/v1/runs/', '/v1//runs', '/v1/runs/x/plan/now', '/client/v4', '/health/', '/HEALTH', '/%2e%2e/v1/x'].map(
      (path) => [`nothing is at ${path}`, [path], 404, 'route_not_found']),
    ...['/client/v4/', '/client/v4/nothing', '/client/v4/accounts/local/d1/database/DB/', paths.kv('values')].map((path) => [`not offered is ${path}`, [path], path.endsWith('v4/') ? 404 : 403, path.endsWith('v4/') ? 'route_not_found' : 'not_offered']),
    ['an export is asked for by POST', [paths.d1('export')], 405, 'method_not_allowed'],
    ...[['DELETE', '/v1/runs'], ['PUT', paths.d1()], ['GET', paths.d1()], ['POST', paths.value('seed')], ['PATCH', paths.value('seed')], ['HEAD', paths.value('seed')], ['POST', paths.object('seed')], ['PATCH', paths.object('seed')],
      ['DELETE', paths.objects()], ['POST', paths.kv('keys')], ['DELETE', '/health'], ['OPTIONS', paths.object('seed')], ['PROPFIND', paths.object('seed')], ['PURGE', paths.value('seed')], ['MKCOL', paths.object('seed')]].map(
      ([method, path]) => [`${method} ${path.slice(-20)}`, [path, { method }], 405, 'method_not_allowed']),
  ],
  'headers': [
    ...['maybe', '1', 'yes', 'TRUE!', '', 'true, false', 'dry'].map((word) => [`Dry-Run: ${word}`, put('k', { headers: { 'dry-run': word } }), 400, 'invalid_request']),
    ...['', '""', 'a b', 'x'.repeat(256), 'caf\u00e9', '"a', 'a\tb'].filter((key) => key !== '"a').map((key) => [`Idempotency-Key: ${key.slice(0, 9)}`, put('k', { headers: { 'idempotency-key': key } }), 400, 'idempotency_key_invalid']),
  ],
  'pages and times': [
    ...['0', '9', '1001', '-1', '1.5', 'ten', '99999999999999999999', '%00'].map((limit) => [`keys?limit=${limit}`, [paths.kv(`keys?limit=${limit}`)], 400, 'invalid_request']),
    ...['0', '1001', '-1', 'x', '99999999999999999999'].map((limit) => [`objects?per_page=${limit}`, [paths.objects(`?per_page=${limit}`)], 400, 'invalid_request']),
    ...['garbage', '%00', 'AAAA', 'x'.repeat(3000), `at.${Buffer.from('{}').toString('base64url')}`].flatMap((cursor) => [
      [`keys?cursor=${cursor.slice(0, 9)}`, [paths.kv(`keys?cursor=${cursor}`)], 400, 'invalid_request'],
      [`objects?cursor=${cursor.slice(0, 9)}`, [paths.objects(`?cursor=${cursor}`)], 400, 'invalid_request'],
    ]),
    ...['expiration=soon', 'expiration=1', 'expiration=-1', 'expiration=1.5', 'expiration_ttl=59', 'expiration_ttl=0', 'expiration_ttl=x', 'expiration_ttl=99999999999999999999', 'expiration=99999999999999999999', 'expiration_ttl=2147483648', 'expiration=999999999999'].map(
      (time) => [`put?${time}`, [paths.value('k', `?${time}`), { method: 'PUT', body: 'in' }], 400, 'invalid_request']),
    ['Expires that is no date', putObject('k', { expires: 'tomorrow' }), 400, 'invalid_request'],
    ...['bytes=5-2', 'bytes=x-y', 'bytes=-', 'bytes=', 'bytes=99-', 'bytes=-0', 'bytes=99999999999999999999-'].map((range) => [`Range: ${range}`, [paths.object('seed'), { headers: { range } }], 416, 'invalid_range', { remedy: false }]),
  ],
  'forms and metadata': [
    ['a form without a value', put('k', form({ metadata: '{}' })), 400, 'invalid_request'],
    ['a form with metadata that is no JSON', put('k', form({ value: 'v', metadata: '{' })), 400, 'invalid_request'],
    ['a form with metadata nested 1,000 deep', put('k', form({ value: 'v', metadata: deep(1_000) })), 400, 'invalid_request'],
    ['a form with metadata over 1,024 bytes', put('k', form({ value: 'v', metadata: JSON.stringify('x'.repeat(1023)) })), 400, 'invalid_request'],
    ['a form with another boundary', put('k', form({ value: 'v' }, 'other')), 400, 'invalid_request'],
    ['a form without a boundary', put('k', { headers: { 'content-type': 'multipart/form-data' }, body: 'x' }), 400, 'invalid_request'],
    ['a form in chunks', () => put('k', { headers: form({}).headers, body: Readable.from([form({ value: 'v' }).body]) }), 411, 'length_required'],
    ['an object in chunks', () => putObject('k', {}, Readable.from(['in'])), 411, 'length_required'],
    ['object metadata over the 2,048 bytes that every R2 takes', putObject('k', { 'x-amz-meta-a': 'x'.repeat(1_024), 'x-amz-meta-b': 'x'.repeat(1_024) }), 400, 'invalid_request'],
    ['object metadata with a character beyond Latin-1', putObject('k', { 'object-form': encodeURIComponent(JSON.stringify({ custom_metadata: { a: `${'x'.repeat(1_100)}€` } })) }), 400, 'invalid_request'],
    ['object metadata over 8,192 bytes', putObject('k', { 'x-amz-meta-a': 'x'.repeat(4_100), 'x-amz-meta-b': 'x'.repeat(4_100) }), 400, 'invalid_request'],
    ['a storage class that there is not', putObject('k', { 'cf-r2-storage-class': 'Nope' }), 400, 'invalid_request'],
    ['If-Match with etags of which none is there', putObject('k', { 'if-match': '"a", "b"' }), 412, 'precondition_failed', { remedy: false }],
    ['If-None-Match with etags of which one is there', putObject('seed', { 'if-none-match': '"a", "a8cfde6331bd59eb2ac96f8911c4b666"' }), 412, 'precondition_failed', { remedy: false }],
    ['reading with If-Match that names none there', [paths.object('seed'), { headers: { 'if-match': '"a", "b"' } }], 412, 'precondition_failed', { remedy: false }],
    ['two checksums', putObject('k', { 'content-md5': md5('in'), 'x-amz-checksum-sha256': sha256('in') }), 400, 'invalid_request'],
    ...['x', '', md5('in').slice(2), `${md5('in')}AA`, md5('in').replace(/=+$/, '*')].map((digest) => [`Content-MD5: ${digest}`, putObject('k', { 'content-md5': digest }), 400, 'invalid_request']),
    ['a wrong Content-MD5', putObject('k', { 'content-md5': md5('out') }), 400, 'bad_digest', { remedy: false }],
    ['a wrong SHA-256', putObject('k', { 'x-amz-checksum-sha256': sha256('out') }), 400, 'bad_digest', { remedy: false }],
    ['a SHA-256 of another length', putObject('k', { 'x-amz-checksum-sha256': md5('in') }), 400, 'invalid_request'],
  ],
};

let gateway;
let tokens;

before(async () => {
  gateway = await startGateway({ vars: { MAX_BODY_BYTES: String(cap) } });
  await gateway.db.exec("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); INSERT INTO notes VALUES (1, 'seed')");
  await gateway.cache.put('seed', 'value');
  await gateway.files.put('seed', 'object');
  tokens = { live: (await openRun(gateway, { mode: 'live' })).token, dry: (await openRun(gateway)).token };
});
after(() => gateway.stop());

const assertUnharmed = async (digest) => {
  assert.equal(await gateway.digest(), digest, 'the stores have changed');
  assert.equal((await gateway.api('/health')).status, 200);
  assert.ok(!/panicked|RuntimeError|unreachable/.test(gateway.logs()), gateway.logs().slice(-2000));
};

for (const [group, cases] of Object.entries(groups)) {
  describe(group, () => {
    for (const [name, request, status, code, { modes = ['live', 'dry'], ...options } = {}] of cases) {
      test(`${name}: ${status} ${code}`, async () => {
        const digest = await gateway.digest();
        for (const mode of modes) {
          const [path, sent = {}] = typeof request === 'function' ? request() : request;
          const answer = await gateway.api(path, { token: tokens[mode], ...sent });
          if (sent.method === 'HEAD') assert.equal(answer.status, status);
          else assertProblem(answer, status, code, { about: `${mode} ${name}`, ...options });
        }
        await assertUnharmed(digest);
      });
    }
  });
}

/**
 * Sends bytes as they are, reads the answer, and leaves the connection open meanwhile: the gateway must not wait for more.
 * What a refused sender has not sent cannot reset the connection either, so the answer is always seen.
 */
const rawly = (method, path, token, headers, body = '') => new Promise((resolve, reject) => {
  const socket = net.connect(new URL(gateway.url).port, '127.0.0.1');
  const head = [`${method} ${path} HTTP/1.1`, 'Host: gateway', `Authorization: Bearer ${token}`, ...headers];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  let text = '';
  const finish = () => {
    const [answered, sent = ''] = text.split('\r\n\r\n');
    socket.destroy();
    resolve({ status: Number(answered.split(' ')[1]), text: sent, json: sent.startsWith('{') ? JSON.parse(sent) : undefined, headers: new Headers(answered.split('\r\n').slice(1).map((line) => line.split(': '))) });
  };
  socket.setEncoding('utf8').on('data', (piece) => {
    text += piece;
    const [answered, sent] = text.split('\r\n\r\n');
    if (sent !== undefined && Buffer.byteLength(sent) >= Number(/content-length: (\d+)/i.exec(answered)?.[1] ?? 0)) finish();
  });
  socket.on('end', finish).on('error', reject);
});

describe('bodies over the cap', () => {
  const chunk = (bytes) => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`;
  const doors = [
    ['a query', 'POST', paths.d1(), 'application/json'], ['a value', 'PUT', paths.value('big'), 'text/plain'], ['a bulk write', 'PUT', paths.kv('bulk'), 'application/json'],
    ['a bulk read', 'POST', paths.kv('bulk/get'), 'application/json'], ['a form', 'PUT', paths.value('big'), 'multipart/form-data; boundary=edge'],
  ];
  for (const [name, method, path, type] of doors) {
    test(`${name} is refused on its Content-Length, before a byte of it`, async () => {
      const digest = await gateway.digest();
      for (const token of Object.values(tokens)) {
        assertProblem(await rawly(method, path, token, [`Content-Type: ${type}`, `Content-Length: ${cap + 1}`]), 413, 'body_too_large');
      }
      await assertUnharmed(digest);
    });
    if (name === 'a form') continue;
    test(`${name} in chunks is refused as soon as it is too long`, async () => {
      const digest = await gateway.digest();
      for (const token of Object.values(tokens)) {
        assertProblem(await rawly(method, path, token, [`Content-Type: ${type}`, 'Transfer-Encoding: chunked'], chunk(cap / 2) + chunk(cap / 2) + chunk(1)), 413, 'body_too_large');
      }
      await assertUnharmed(digest);
    });
  }

  test('an object of more than 300 MiB is refused on its Content-Length', async () => {
    const digest = await gateway.digest();
    for (const token of Object.values(tokens)) {
      assertProblem(await rawly('PUT', paths.object('huge'), token, [`Content-Length: ${300 * 1024 * 1024 + 1}`]), 413, 'body_too_large');
    }
    await assertUnharmed(digest);
  });
});

test('a refusal arrives although a large body is still being sent', async () => {
  const digest = await gateway.digest();
  const closed = await openRun(gateway);
  await gateway.api(`/v1/runs/${closed.id}/close`, { token: closed.token, method: 'POST' });
  const body = Buffer.alloc(5 << 20, 'x');
  for (const [path, method, type] of [[paths.object('large'), 'PUT', 'text/plain'], [paths.value('large'), 'PUT', 'text/plain'], [paths.d1(), 'POST', 'application/json'], ['/nowhere', 'POST', 'text/plain']]) {
    for (const token of ['nobody', closed.token]) {
      for (let round = 0; round < 5; round += 1) {
        // Not the harness's client: this one writes as fast as it can and gives up when the connection breaks.
        const { status } = await fetch(`${gateway.url}${path}`, { method, body, headers: { authorization: `Bearer ${token}`, 'content-type': type } });
        assert.ok([401, 403, 404, 413].includes(status), `${path} ${status}`);
      }
    }
  }
  await assertUnharmed(digest);
});

test('a Content-Length that is no number never becomes an object', async () => {
  const digest = await gateway.digest();
  for (const length of ['Content-Length: -1', 'Content-Length: 2x', 'Content-Length: 99999999999999999999', 'X-Nothing: 1']) {
    const { status, text } = await rawly('PUT', paths.object('huge'), tokens.live, [length]);
    // Some of these workerd itself refuses, with a 500 of its own.
    assert.ok(status >= 400, `${length} ${status} ${text}`);
  }
  await assertUnharmed(digest);
});

test('an address that means another key than it spells reads and writes nothing', async () => {
  const digest = await gateway.digest();
  for (const token of Object.values(tokens)) {
    for (const key of ['.', '%2e', '%2E%2e', 'a/%2e%2e/seed', 'a/%2e/seed', 'seed%2f/%2e%2e/seed', 'x\\y', 'x\\..\\seed']) {
      for (const root of [paths.kv('values'), paths.objects()]) {
        for (const [method, body] of [['GET', ''], ['PUT', 'x'], ['DELETE', '']]) assertProblem(await rawly(method, `${root}/${key}`, token, [`Content-Length: ${body.length}`], body), 400, 'key_invalid', { about: `${method} ${root}/${key}` });
      }
    }
  }
  await assertUnharmed(digest);
  // Percent-encoded as one segment, the same characters are a key like any other.
  const agent = agentOf(gateway, tokens.dry);
  assert.equal((await agent.putObject('a/../b', 'odd')).status, 200);
  assert.equal((await agent.getObject('a/../b')).text, 'odd');
});

test('an upload that breaks off leaves nothing', async () => {
  const digest = await gateway.digest();
  for (const token of Object.values(tokens)) {
    const socket = net.connect(new URL(gateway.url).port, '127.0.0.1');
    const head = `PUT ${paths.object('huge')} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer ${token}\r\nContent-Length: 1000\r\n\r\n`;
    await new Promise((resolve) => socket.write(`${head}only this much`, resolve));
    socket.destroy();
  }
  await assertUnharmed(digest);
  assert.equal((await agentOf(gateway, tokens.dry).getObject('huge')).json.code, 'object_not_found');
});

test('every scalar of JSON is a parameter', async () => {
  const params = [true, false, null, 0, -1.5, 'text', '\u0000', [0, 255]];
  const sql = `SELECT ${params.map((_, index) => `quote(?${index + 1}) AS c${index}`).join(', ')}`;
  for (const [mode, token] of Object.entries(tokens)) {
    const { status, json: answer, text } = await agentOf(gateway, token).sql(sql, params);
    assert.equal(status, 200, `${mode} ${text}`);
    const [yes, no, none] = Object.values(answer.result[0].results[0]);
    assert.deepEqual([Number(yes), Number(no), none], [1, 0, 'NULL'], mode);
  }
});

test('what is at the limit passes', async () => {
  const digest = await gateway.digest();
  const agent = agentOf(gateway, tokens.dry);
  const answers = [
    await agent.put('x'.repeat(512), 'v'), await agent.put('limit', 'x'.repeat(cap)), await agent.putObject('x'.repeat(1024), 'v'),
    await agent.sql(`SELECT ${many(100, () => '?').join(' + ')} AS n`, many(100, (index) => index)),
    await agent.sql(`SELECT '${'x'.repeat(100_000 - 9)}'`),
    await agent.call(paths.value('ttl', '?expiration_ttl=60'), { method: 'PUT', body: 'v' }),
    await agent.put('key', 'v', { headers: { 'idempotency-key': 'x'.repeat(255) } }),
    await agent.call(paths.kv('keys?limit=10')), await agent.call(paths.kv('keys?limit=1000')), await agent.call(paths.objects('?per_page=1000')),
    await agent.putObject('sum', 'in', { headers: { 'content-md5': md5('in') } }),
  ];
  for (const [index, { status, text }] of answers.entries()) assert.equal(status, 200, `${index} ${text.slice(0, 300)}`);
  await assertUnharmed(digest);
});
