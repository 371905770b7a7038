// A few hundred requests that nobody thought of. The seed is fixed, so a failure can be had again: FUZZ_SEED, FUZZ_COUNT.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, openRun, paths, reportOf } from './helpers.mjs';

const count = Number(process.env.FUZZ_COUNT ?? 300);

/** Mulberry32: small, and the same everywhere. */
function randomness(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit) => Math.floor(next() * limit);
  const pick = (items) => items[below(items.length)];
  return { below, pick, bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))), some: (most, of) => Array.from({ length: below(most + 1) }, of) };
}

const pieces = [
  'SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'FROM', 'INTO', 'notes', 'links', 'VALUES', 'SET', 'WHERE', 'id', 'text', '*', '(', ')', ',', ';', '=', '?', '?1', ':a', '@b', '$c', '1', '-1', '1e308', '9223372036854775807', '0x7f', "'a'", "'", '"', '`', '[', ']',
  'x\'00ff\'', 'NULL', 'AND', 'OR', 'NOT', 'IN', 'EXISTS', 'CASE', 'WHEN', 'THEN', 'END', 'ON CONFLICT', 'DO UPDATE', 'DO NOTHING', 'RETURNING', 'WITH', 'RECURSIVE', 'AS', 'JOIN', 'LEFT', 'USING', 'GROUP BY', 'HAVING', 'ORDER BY', 'LIMIT', 'OFFSET', 'UNION ALL', 'EXCEPT',
  'CREATE TABLE t', 'DROP TABLE', 'ALTER TABLE', 'ADD COLUMN', 'RENAME TO', 'CREATE INDEX i ON', 'CREATE VIEW v AS', 'CREATE TRIGGER r AFTER INSERT ON', 'BEGIN', 'COMMIT', 'PRAGMA', 'table_info', 'EXPLAIN', 'VACUUM', 'ATTACH', 'ROLLBACK', 'ABORT', '--', '/*', '*/', '\n', '\u0000', '\ufeff', '🙂', 'é', '\u202e',
  'abs(', 'random()', 'zeroblob(', 'json_each(', 'group_concat(', 'OVER (', 'sqlite_master', '_cf_KV', '_dryrun_x', 'main.', 'rowid', 'typeof(', 'COLLATE NOCASE', 'GLOB', 'ESCAPE', 'CAST(', 'INTEGER', 'REAL', 'BLOB', 'DEFAULT', 'PRIMARY KEY', 'UNIQUE', 'CHECK', 'REFERENCES', 'GENERATED ALWAYS AS', 'STRICT', 'WITHOUT ROWID',
];
const whole = [
  "INSERT INTO notes (text) VALUES (?)", 'UPDATE notes SET text = ? WHERE id = ?', 'DELETE FROM notes WHERE id = ?', 'SELECT * FROM notes WHERE id = ?', "INSERT INTO links (note) VALUES (1)", 'REPLACE INTO notes VALUES (?, ?)', 'DELETE FROM notes', "INSERT INTO notes SELECT id + 10, text FROM notes", 'UPDATE notes SET id = id + 1',
  'CREATE TABLE IF NOT EXISTS t (a PRIMARY KEY, b)', 'DROP TABLE IF EXISTS t', 'INSERT OR IGNORE INTO notes VALUES (1, 2) ON CONFLICT DO NOTHING RETURNING *', 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 9) INSERT INTO notes (text) SELECT x FROM c', 'SELECT zeroblob(3000000)',
];

const mutated = (random, text) => {
  const at = random.below(text.length + 1);
  return random.pick([
    () => text.slice(0, at), () => text.slice(at), () => text.slice(0, at) + random.pick(pieces) + text.slice(at), () => text.slice(0, at) + text.slice(at + 1 + random.below(5)), () => `${text};${random.pick(whole)}`, () => text.repeat(1 + random.below(4)), () => text,
  ])();
};
const sqlOf = (random) => (random.below(3) === 0 ? random.some(25, () => random.pick(pieces)).join(random.pick([' ', ' ', '', '\n'])) : mutated(random, random.pick(whole)));
const scalar = (random) => random.pick([null, true, false, 0, -0, 1, 1.5, -1, 2 ** 53, 1e308, 5e-324, '', 'text', '\u0000', '\ud83d', '🙂', 'x'.repeat(random.below(3000)), [], [0, 255], [256], [[]], {}, { a: 1 }, ['a'], [-1], [1.5]]);
const value = (random, depth = 0) => (depth > 3 || random.below(2) ? scalar(random) : random.below(2) ? random.some(4, () => value(random, depth + 1)) : Object.fromEntries(random.some(4, () => [random.pick(['sql', 'params', 'batch', 'key', 'value', 'keys', 'id', 'mode', 'metadata', 'base64', 'expiration', 'expiration_ttl', '__proto__', '', 'x']), value(random, depth + 1)])));
const text = (random, letters) => random.some(12, () => String.fromCharCode(33 + random.below(letters))).join('');
const key = (random) => random.pick(['a', 'a/b', '%2F', '%00', '%FF', '%', '%zz', '..', '%2e%2e', '.', '', '%F0%9F%99%82', 'x'.repeat(600), text(random, 94).replace(/[#\\]/g, ''), encodeURIComponent(text(random, 220)), '?', '//', '%20', '%5C', ';', ':', '__proto__']);
const querystring = (random) => random.pick(['', '', '?', `?${random.some(3, () => `${random.pick(['limit', 'prefix', 'cursor', 'expiration', 'expiration_ttl', 'per_page', 'delimiter', 'start_after', 'format', 'x'])}=${random.pick(['', '0', '1', '10', '-1', '1e9', 'a', '%', '%00', '%FF', '%F0%9F%99%82', 'x'.repeat(2000), '999999999999', 'markdown'])}`).join('&')}`]);
const headersOf = (random) => Object.fromEntries(random.some(4, () => [
  random.pick(['range', 'if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'content-md5', 'x-amz-checksum-sha256', 'x-amz-meta-a', 'x-amz-meta-', 'dry-run', 'idempotency-key', 'run-id', 'accept', 'content-type', 'content-encoding', 'expires', 'cf-r2-storage-class', 'cache-control', 'content-disposition', 'accept-encoding', 'x-forwarded-for', 'upgrade']),
  random.pick(['', '*', '""', '"a"', 'W/"a"', 'bytes=0-0', 'bytes=-1', 'bytes=0-,5-6', 'bytes=18446744073709551615-', 'true', 'false', 'a,b', 'é', '\xff\xfe', 'x'.repeat(900), 'Fri, 20 Nov 2026 00:00:00 GMT', 'Thu, 99 Foo 9999', 'text/markdown', 'application/json', 'multipart/form-data', 'multipart/form-data; boundary=', 'gzip', 'AAAAAAAAAAAAAAAAAAAAAA==', '0', '-1', 'InfrequentAccess', 'websocket']),
]));

/** One request: where, how, with what. */
const kinds = {
  'pieces of SQL': (random) => [paths.d1(random.pick(['query', 'raw'])), { json: random.below(3) ? { sql: sqlOf(random), params: random.some(4, () => scalar(random)) } : { batch: random.some(4, () => ({ sql: sqlOf(random), params: random.some(2, () => scalar(random)) })) } }],
  'JSON of any form': (random) => [random.pick([paths.d1(), paths.kv('bulk'), paths.kv('bulk/get'), paths.kv('bulk/delete'), '/v1/runs']), { method: random.pick(['POST', 'POST', 'PUT']), json: value(random) }],
  'bytes as JSON': (random) => [random.pick([paths.d1(), paths.kv('bulk'), paths.kv('bulk/get'), '/v1/runs']), { method: random.pick(['POST', 'PUT']), headers: { 'content-type': 'application/json' }, body: random.below(2) ? random.bytes(random.below(60)) : Buffer.from(mutated(random, '{"sql":"SELECT ?","params":[1,"a",null,[1,2]]}')) }],
  'addresses and headers': (random) => {
    const method = random.pick(['GET', 'GET', 'HEAD', 'PUT', 'PUT', 'POST', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']);
    const path = random.pick([paths.kv('values/') + key(random), paths.kv('metadata/') + key(random), paths.kv('keys'), `${paths.objects()}/${key(random)}`, paths.objects(), `/v1/runs/${key(random)}`, `/v1/runs/${key(random)}/report`, '/v1/runs', '/v1/alerts', '/v1/environment', `/${key(random)}`, `/client/v4/accounts/${key(random)}/d1/database/${key(random)}/query`]);
    return [path.replace(/[^\x21-\xff]/g, '') + querystring(random), { method, headers: headersOf(random), ...(method === 'PUT' || method === 'POST' ? { body: random.bytes(random.below(200)) } : {}) }];
  },
  'forms': (random) => [paths.value('form', querystring(random)), { method: 'PUT', headers: { 'content-type': `multipart/form-data; boundary=${random.pick(['b', 'b', 'c', '"b"', ''])}` }, body: mutated(random, '--b\r\ncontent-disposition: form-data; name="value"; filename="f"\r\n\r\nv\r\n--b\r\ncontent-disposition: form-data; name="metadata"\r\n\r\n{"a":1}\r\n--b--\r\n') }],
};

describe('hostile requests', () => {
  let gateway;
  before(async () => {
    gateway = await startGateway();
    await gateway.db.exec('CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE links (id INTEGER PRIMARY KEY, note REFERENCES notes ON DELETE CASCADE); INSERT INTO notes VALUES (1, \'a\'), (2, \'b\'); INSERT INTO links VALUES (1, 1);');
    await gateway.cache.put('a', '1');
    await gateway.files.put('a', '1');
  });
  after(() => gateway.stop());

  for (const [index, [kind, make]] of Object.entries(kinds).entries()) {
    for (const mode of ['dry_run', 'live']) {
      test(`${kind}, ${mode}: never a failure of the gateway, and no write in a dry run`, async () => {
        const seed = Number(process.env.FUZZ_SEED ?? 20_261_120) + index;
        const random = randomness(seed);
        const { id, token } = await openRun(gateway, { mode });
        const digest = await gateway.digest();
        for (let number = 0; number < count; number += 1) {
          const [path, options] = make(random);
          const sent = `seed ${seed}, request ${number}: ${JSON.stringify([path, options]).slice(0, 1500)}`;
          const { status, text: body } = await gateway.api(path, { token, ...options });
          assert.ok(status < 500, `${sent}\n${status} ${body.slice(0, 500)}`);
          assert.ok(status !== 500 && !/panicked|RuntimeError/.test(gateway.logs()), `${sent}\n${gateway.logs().slice(-1500)}`);
        }
        if (mode === 'dry_run') assert.equal(await gateway.digest(), digest);
        // The run that went through all this still works, and can be told about.
        const agent = agentOf(gateway, token);
        assert.equal((await agent.put('after', 'all')).status, 200);
        assert.equal((await agent.get('after')).text, 'all');
        assert.equal((await gateway.api(`/v1/runs/${id}/report?format=markdown`, { token })).status, 200);
        assert.ok((await reportOf(gateway, id, { token })).operations.length > 0);
      });
    }
  }
});
