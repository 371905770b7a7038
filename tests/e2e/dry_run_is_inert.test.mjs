// Every kind of write on every store, dry: the targets stay as they are to the last byte, and nothing but reads even reaches them.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { paths } from './helpers.mjs';
import { agentIn, assertOnlyReads, isSingleSelect, multipart } from './rehearsal.mjs';

const schema = `
  CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT UNIQUE NOT NULL, plan TEXT DEFAULT 'free' CHECK (plan IN ('free', 'pro')));
  CREATE TABLE tickets (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE, title TEXT, weight REAL, extra BLOB);
  CREATE TABLE watchers (ticket INTEGER REFERENCES tickets (id) ON DELETE SET NULL, name TEXT);
  CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE audit (id INTEGER PRIMARY KEY, what TEXT);
  CREATE INDEX tickets_by_customer ON tickets (customer);
  CREATE VIEW pro_customers AS SELECT id, email FROM customers WHERE plan = 'pro';
  CREATE TRIGGER customers_audit AFTER DELETE ON customers BEGIN INSERT INTO audit (what) VALUES ('deleted ' || OLD.email); END;
  CREATE TRIGGER tickets_audit AFTER UPDATE ON tickets BEGIN INSERT INTO audit (what) VALUES ('changed ' || NEW.id); UPDATE counters SET n = n + 1 WHERE name = 'changes'; END;
  CREATE TRIGGER pro_insert INSTEAD OF INSERT ON pro_customers BEGIN INSERT INTO customers (email, plan) VALUES (NEW.email, 'pro'); END;
  INSERT INTO customers VALUES (1, 'ada@example.org', 'free'), (2, 'ben@example.org', 'pro'), (3, 'cleo@example.org', 'free');
  INSERT INTO tickets VALUES (1, 1, 'first', 0.1, x'00ff'), (2, 1, 'second', 9e300, NULL), (3, 2, 'thïrd', -0.0, x''), (4, 3, NULL, NULL, NULL);
  INSERT INTO watchers VALUES (1, 'w1'), (2, 'w2'), (NULL, 'w3');
  INSERT INTO counters VALUES ('changes', 0), ('big', 9007199254740993);`;

async function seed(gateway) {
  await gateway.db.exec(schema);
  await gateway.cache.put('text', 'old text', { metadata: { by: 'seed' } });
  await gateway.cache.put('bytes', Buffer.from([0, 1, 254, 255]));
  for (let index = 0; index < 12; index++) await gateway.cache.put(`rule:${index}`, `{"n":${index}}`);
  await gateway.files.put('notes/old.txt', 'old note', { httpMetadata: { contentType: 'text/plain' }, customMetadata: { by: 'seed' } });
  await gateway.files.put('notes/keep.txt', 'keep');
  await gateway.files.put('big.bin', Buffer.alloc(1 << 20, 7));
}

const md5 = (body) => createHash('md5').update(body);
const large = Buffer.from(Array.from({ length: 6 << 20 }, (_, index) => (index * 7 + (index >> 8)) & 255));
const sql = (text, params) => ({ name: `D1 ${text}`, path: paths.d1(), json: { sql: text, params } });
const batch = (name, ...statements) => ({ name: `D1 batch: ${name}`, path: paths.d1(), json: { batch: statements.map((text) => ({ sql: text })) } });
const kv = (name, path, options) => ({ name: `KV ${name}`, path: paths.kv(path), ...options });
const r2 = (name, path, options) => ({ name: `R2 ${name}`, path: paths.objects(path), ...options });
const nextYear = Math.floor(Date.now() / 1000) + 365 * 86_400;

// Each with the status that it is answered with when that is not 200. They run in one run, one after the other.
const writesToD1 = [
  sql("INSERT INTO customers (email) VALUES ('new@example.org')"),
  sql('INSERT INTO tickets (customer, title, weight, extra) VALUES (?, ?, ?, ?)', [1, 'bound', 1.5, [0, 255]]),
  sql("INSERT OR REPLACE INTO customers (id, email, plan) VALUES (2, 'ben2@example.org', 'pro')"),
  sql("REPLACE INTO counters VALUES ('changes', 7)"),
  sql("INSERT OR IGNORE INTO counters VALUES ('changes', 8)"),
  sql("INSERT INTO counters VALUES ('changes', 1) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n"),
  sql('INSERT INTO counters SELECT email, id FROM customers WHERE id < 3'),
  sql('INSERT INTO watchers DEFAULT VALUES'),
  sql("WITH fresh (name) AS (VALUES ('w4'), ('w5')) INSERT INTO watchers (ticket, name) SELECT 1, name FROM fresh"),
  sql("INSERT INTO customers (email, plan) VALUES ('returned@example.org', 'pro') RETURNING id, email"),
  sql("INSERT INTO pro_customers (email) VALUES ('view@example.org')"),
  sql("UPDATE customers SET plan = 'pro' WHERE id = 1"),
  sql("UPDATE tickets SET title = title || '!' RETURNING *"),
  sql('UPDATE customers SET id = 30 WHERE id = 3'),
  sql('UPDATE tickets SET weight = c.id FROM customers c WHERE c.id = tickets.customer'),
  sql('UPDATE OR REPLACE counters SET name = \'big\' WHERE name = \'changes\''),
  sql('DELETE FROM tickets WHERE id = 4'),
  sql('DELETE FROM customers WHERE id = 1'),
  sql('WITH gone AS (SELECT 30 AS id) DELETE FROM customers WHERE id IN (SELECT id FROM gone) RETURNING email'),
  sql('DELETE FROM watchers'),
  sql("INSERT INTO watchers (name) VALUES ('a'); UPDATE watchers SET name = 'b'; SELECT * FROM watchers; DELETE FROM counters WHERE name = 'big';"),
  batch('three writes', "INSERT INTO audit (what) VALUES ('x')", "UPDATE audit SET what = 'y'", 'DELETE FROM audit WHERE id = 1'),
  { ...batch('one that fails half-way', "INSERT INTO audit (what) VALUES ('half')", 'INSERT INTO audit (id, what) VALUES (1, 2), (1, 3)'), status: 400 },
  { ...sql("INSERT INTO customers (email) VALUES ('ben2@example.org')"), status: 400 },
  { ...sql("INSERT INTO tickets (customer) VALUES (999)"), status: 400 },
  { ...sql('DELETE FROM nowhere'), status: 400 },
  sql('CREATE TABLE made (id INTEGER PRIMARY KEY, n INTEGER DEFAULT 3)'),
  sql('INSERT INTO made (id) VALUES (1), (2)'),
  sql('CREATE TABLE copied AS SELECT * FROM tickets'),
  sql('CREATE TABLE IF NOT EXISTS customers (id)'),
  sql('ALTER TABLE tickets ADD COLUMN due TEXT'),
  sql('ALTER TABLE tickets RENAME COLUMN due TO due_at'),
  sql('ALTER TABLE tickets DROP COLUMN due_at'),
  sql('ALTER TABLE made RENAME TO made_again'),
  sql('CREATE UNIQUE INDEX made_by_n ON made_again (n, id)'),
  sql('DROP INDEX tickets_by_customer'),
  sql('CREATE VIEW every_ticket AS SELECT * FROM tickets'),
  sql('DROP VIEW every_ticket'),
  sql("CREATE TRIGGER made_trigger AFTER INSERT ON made_again BEGIN DELETE FROM audit; INSERT INTO audit (what) VALUES ('made'); END"),
  sql('INSERT INTO made_again (id) VALUES (3)'),
  sql('DROP TRIGGER made_trigger'),
  sql('DROP TABLE watchers'),
  sql('DROP TABLE IF EXISTS never_there'),
  { ...sql('PRAGMA writable_schema = on'), status: 403 },
  { ...sql("ATTACH 'other.db' AS other"), status: 403 },
];
const writesToKv = [
  kv('put of text', 'values/text', { method: 'PUT', body: 'new text', headers: { 'content-type': 'text/plain;charset=UTF-8' } }),
  kv('put of bytes', 'values/bytes', { method: 'PUT', body: Buffer.from([255, 0, 13, 10]) }),
  kv('put of nothing', 'values/empty', { method: 'PUT', body: '' }),
  kv('put of a new key', 'values/a%2Fb%20%C3%BC', { method: 'PUT', body: 'new' }),
  kv('put with metadata', 'values/meta', { method: 'PUT', ...multipart({ value: 'v', metadata: '{"a":[1]}' }) }),
  kv('put with an expiration', `values/until?expiration=${nextYear}`, { method: 'PUT', body: 'v' }),
  kv('put with a ttl', 'values/ttl?expiration_ttl=600', { method: 'PUT', body: 'v' }),
  { ...kv('put with too short a ttl', 'values/short?expiration_ttl=1', { method: 'PUT', body: 'v' }), status: 400 },
  kv('put of 2 MiB', 'values/large', { method: 'PUT', body: large.subarray(0, 2 << 20) }),
  kv('delete', 'values/rule%3A1', { method: 'DELETE' }),
  kv('delete of what is not there', 'values/nothing', { method: 'DELETE' }),
  kv('bulk put', 'bulk', {
    method: 'PUT',
    json: [{ key: 'rule:2', value: 'x' }, { key: 'bulk:1', value: 'AP8=', base64: true, metadata: { m: 1 } }, { key: 'bulk:2', value: 'y', expiration_ttl: 600 }],
  }),
  kv('bulk delete', 'bulk', { method: 'DELETE', json: ['rule:3', 'rule:4', 'none'] }),
  kv('bulk delete by POST', 'bulk/delete', { method: 'POST', json: ['rule:5', 'bulk:1'] }),
];
const writesToR2 = [
  r2('put', '/notes/new.txt', { method: 'PUT', body: 'new note' }),
  r2('put of nothing', '/notes/empty', { method: 'PUT', body: '', headers: { 'content-length': '0' } }),
  r2('overwrite', '/notes/old.txt', { method: 'PUT', body: 'other note', headers: { 'content-type': 'text/markdown' } }),
  r2('put with metadata', '/notes%2Fmeta', { method: 'PUT', body: 'm', headers: { 'cache-control': 'no-store', 'content-language': 'de', 'x-amz-meta-who': 'me' } }),
  r2('put with an MD5', '/sum/md5', { method: 'PUT', body: 'sum', headers: { 'content-md5': md5('sum').digest('base64') } }),
  r2('put with a SHA-256', '/sum/sha', {
    method: 'PUT', body: 'sum', headers: { 'x-amz-checksum-sha256': createHash('sha256').update('sum').digest('base64') },
  }),
  { ...r2('put with a wrong MD5', '/sum/wrong', { method: 'PUT', body: 'sum', headers: { 'content-md5': md5('other').digest('base64') } }), status: 400 },
  r2('put on condition', '/notes/old.txt', { method: 'PUT', body: 'third note', headers: { 'if-match': `"${md5('other note').digest('hex')}"` } }),
  { ...r2('put on a condition that fails', '/notes/keep.txt', { method: 'PUT', body: 'no', headers: { 'if-none-match': '*' } }), status: 412 },
  r2('put of 6 MiB, streamed', '/large.bin', { method: 'PUT', stream: large, headers: { 'content-length': String(large.length) } }),
  r2('delete', '/big.bin', { method: 'DELETE' }),
  r2('delete of what is not there', '/nothing', { method: 'DELETE' }),
];

const pieces = (bytes) => Readable.from(Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, index) => bytes.subarray(index * 65_536, (index + 1) * 65_536)));

test('the check of recorded statements tells one SELECT from anything else', () => {
  for (const read of ["SELECT ';' FROM t;", 'WITH a AS (SELECT 1) SELECT replace(x, 1, 2) FROM a', 'VALUES (1), (2)', '-- c\nselect [a;b] /* ; */']) assert.ok(isSingleSelect(read), read);
  for (const other of ['SELECT 1; DROP TABLE t', 'WITH a AS (SELECT 1) DELETE FROM t', 'PRAGMA table_info(t)', 'EXPLAIN SELECT 1', "SELECT '; DELETE FROM t", '']) {
    assert.ok(!isSingleSelect(other), other);
  }
});

// However the run came to be dry, what follows is the same.
const ways = {
  'a run that was opened dry': async (gateway) => agentIn(gateway),
  'a live run with a request that asks for a dry run': async (gateway) => {
    const agent = await agentIn(gateway, { mode: 'live' });
    const turned = await agent.kv('values/text', { headers: { 'dry-run': 'true' } });
    assert.equal(turned.headers.get('dry-run'), 'true');
    return agent;
  },
};

for (const [way, open] of Object.entries(ways)) {
  describe(`in ${way}`, () => {
    let gateway;
    let agent;
    let untouched;

    before(async () => {
      // How long the flag is waited for is not the subject here.
      gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000' } });
      await seed(gateway);
      untouched = await gateway.contents();
      agent = await open(gateway);
    });
    after(() => gateway?.stop());

    for (const { name, path, status = 200, stream, ...options } of [...writesToD1, ...writesToKv, ...writesToR2]) {
      test(`${name} leaves the stores as they are`, async () => {
        gateway.recorder.clear();
        const answer = await agent.ask(path, { ...options, ...(stream ? { body: pieces(stream) } : {}) });
        assert.equal(answer.status, status, answer.text);
        if (status === 200) assert.equal(answer.headers.get('dry-run'), 'true');
        assertOnlyReads(gateway, [agent.id]);
        assert.deepEqual(await gateway.contents(), untouched);
      });
    }

    test('reads afterwards, of whatever kind, send nothing but reads either', async () => {
      gateway.recorder.clear();
      const reads = [
        agent.query('SELECT * FROM customers'), agent.query('SELECT count(*) FROM audit'), agent.raw('SELECT * FROM pro_customers'),
        agent.query('PRAGMA table_info(tickets)'), agent.query('SELECT name FROM sqlite_master'), agent.query('EXPLAIN QUERY PLAN SELECT * FROM tickets'),
        agent.query('VALUES (1), (2)'), agent.query('WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n FROM c'),
        agent.kv('keys'), agent.kv('values/rule%3A7'), agent.kv('metadata/text'), agent.kv('bulk/get', { json: { keys: ['text', 'rule:8'] } }),
        agent.r2('?prefix=notes/'), agent.r2('/notes/keep.txt'), agent.r2('/notes/keep.txt', { method: 'HEAD' }), agent.r2('/notes/keep.txt', { headers: { range: 'bytes=0-1' } }),
      ];
      for (const answer of await Promise.all(reads)) assert.ok([200, 206].includes(answer.status), answer.text);
      assertOnlyReads(gateway, [agent.id]);
      assert.deepEqual(await gateway.contents(), untouched);
    });

    test('its reads see what it planned', () => assertSeesThePlan(agent));

    test('a dry run beside it and a live run see the stores as they are', async () => {
      for (const other of [await agentIn(gateway), await agentIn(gateway, { mode: 'live' })]) {
        const rows = async (text) => (await other.query(text)).json.result[0].results;
        assert.deepEqual((await rows('SELECT id, plan FROM customers ORDER BY id')).map(({ id, plan }) => [id, plan]), [[1, 'free'], [2, 'pro'], [3, 'free']]);
        assert.deepEqual(await rows("SELECT name FROM sqlite_master WHERE name LIKE 'made%'"), []);
        assert.deepEqual(await rows('SELECT count(*) AS n FROM watchers'), [{ n: 3 }]);
        assert.equal((await other.kv('values/text')).text, 'old text');
        assert.equal((await other.kv('values/meta')).status, 404);
        assert.equal((await other.kv('values/rule%3A1')).text, '{"n":1}');
        assert.deepEqual((await other.kv('keys?prefix=bulk')).json.result, []);
        assert.equal((await other.r2('/notes/old.txt')).text, 'old note');
        assert.equal((await other.r2('/large.bin')).status, 404);
        assert.equal((await other.r2('/big.bin')).bytes.length, 1 << 20);
      }
    });

    test('another dry run plans from the stores, not from the first one\'s plan', async () => {
      const other = await agentIn(gateway);
      const { json } = await other.query("INSERT INTO customers (email) VALUES ('new@example.org') RETURNING id");
      assert.deepEqual(json.result[0].results, [{ id: 4 }]);
      assert.deepEqual((await agent.query("SELECT id FROM customers WHERE email = 'view@example.org'")).json.result[0].results.length, 1);
      assert.deepEqual((await other.query("SELECT id FROM customers WHERE email = 'view@example.org'")).json.result[0].results, []);
      assert.deepEqual(await gateway.contents(), untouched);
    });
  });
}

async function assertSeesThePlan(agent) {
  const rows = async (text) => (await agent.raw(text)).json.result[0].results.rows;
  assert.deepEqual(await rows('SELECT email FROM customers ORDER BY email'),
    [['ben2@example.org'], ['new@example.org'], ['returned@example.org'], ['view@example.org']]);
  assert.deepEqual(await rows('SELECT * FROM made_again'), [[1, 3], [2, 3], [3, 3]]);
  assert.deepEqual(await rows('SELECT what FROM audit'), [['made']]);
  assert.deepEqual(await rows("SELECT count(*) FROM sqlite_master WHERE name IN ('watchers', 'tickets_by_customer', 'every_ticket', 'made_trigger')"), [[0]]);
  assert.deepEqual(await rows("SELECT count(*) FROM sqlite_master WHERE name IN ('made_again', 'made_by_n', 'copied')"), [[3]]);
  assert.deepEqual(await rows('SELECT name, n FROM counters'), [['ada@example.org', 1], ['ben2@example.org', 2]]);
  assert.equal((await agent.kv('values/text')).text, 'new text');
  assert.deepEqual([...(await agent.kv('values/bytes')).bytes], [255, 0, 13, 10]);
  assert.equal((await agent.kv('values/empty')).bytes.length, 0);
  assert.deepEqual((await agent.kv('metadata/meta')).json.result, { a: [1] });
  assert.deepEqual((await agent.kv('values/large')).bytes, large.subarray(0, 2 << 20));
  const keys = (await agent.kv('keys')).json.result;
  assert.deepEqual(keys.map(({ name }) => name), [
    'a/b ü', 'bulk:2', 'bytes', 'empty', 'large', 'meta', 'rule:0', 'rule:10', 'rule:11', 'rule:2', 'rule:6', 'rule:7', 'rule:8', 'rule:9', 'text', 'ttl', 'until',
  ]);
  assert.equal(keys.find(({ name }) => name === 'until').expiration, nextYear);
  assert.equal((await agent.kv('values/rule%3A1')).status, 404);
  assert.equal((await agent.r2('/notes/old.txt')).text, 'third note');
  assert.equal((await agent.r2('/notes/meta')).headers.get('x-amz-meta-who'), 'me');
  assert.equal((await agent.r2('/notes/keep.txt')).text, 'keep');
  const big = await agent.r2('/large.bin');
  assert.deepEqual([big.bytes.equals(large), big.headers.get('etag')], [true, `"${md5(large).digest('hex')}"`]);
  assert.equal((await agent.r2('/big.bin')).status, 404);
  assert.deepEqual((await agent.r2('?per_page=100')).json.result.map(({ key }) => key),
    ['large.bin', 'notes/empty', 'notes/keep.txt', 'notes/meta', 'notes/new.txt', 'notes/old.txt', 'sum/md5', 'sum/sha']);
}
