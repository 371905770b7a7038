// wrangler, unmodified: a piece of work on D1, KV and R2 rehearsed in a dry run, then done for real with the same commands.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { account, assertShows, counting, dryRun, inBothModes, plain, startStage } from './support.mjs';
import { bucket, database, namespace, printedJson, wranglerProject } from './wrangler.mjs';

const schema = `
  CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT UNIQUE NOT NULL, plan TEXT NOT NULL DEFAULT 'free');
  CREATE TABLE tickets (id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, subject TEXT, body BLOB);
  CREATE VIEW open_tickets AS SELECT * FROM tickets WHERE subject NOT LIKE 'done:%';
  CREATE INDEX tickets_by_customer ON tickets (customer_id);
  INSERT INTO customers (id, email) VALUES (1, 'ada@example.com'), (2, 'bob@example.com');
  INSERT INTO tickets (customer_id, subject, body) VALUES (1, 'It''s broken; really', x'00ff10'), (2, NULL, NULL);`;
const picture = randomBytes(5_000);

let stage;
let project;
before(async () => {
  stage = await startStage({ databases: ['SECOND'] });
  await stage.db.exec(schema);
  project = wranglerProject(stage.base);
  for (const folder of ['migrations', 'out']) mkdirSync(project.at(folder));
  writeFileSync(project.at('picture.png'), picture);
});
after(async () => {
  await stage?.stop();
  project?.remove();
});

/** A command that has to work, in this run. */
function working(token) {
  const wrangler = project.using(token);
  const ok = async (...args) => {
    const ended = await wrangler(...args);
    assert.equal(ended.code, 0, `wrangler ${args.join(' ')}\n${ended.output}`);
    return ended;
  };
  const rows = async (sql, name = 'DB') => printedJson(await ok('d1', 'execute', name, '--remote', '--json', '--command', sql)).at(-1).results;
  const fails = async (...args) => {
    const ended = await wrangler(...args);
    assert.equal(ended.code, 1, `wrangler ${args.join(' ')} ended with ${ended.code}\n${ended.output}`);
    return ended.output;
  };
  return { ok, rows, fails };
}

describe('wrangler and D1', () => {
  inBothModes(() => stage, 'd1 execute --command reads and writes', async ({ token, dry }) => {
    const { ok, rows, fails } = working(token);
    const answered = printedJson(await ok('d1', 'execute', 'DB', '--remote', '--json', '--command',
      "UPDATE customers SET plan = 'pro' WHERE id = 1; INSERT INTO tickets (customer_id, subject) VALUES (1, 'from wrangler') RETURNING id; SELECT plan FROM customers WHERE id = 1"));
    assert.deepEqual(answered.map(({ success }) => success), [true, true, true]);
    assert.deepEqual(answered.map(({ results }) => results), [[], [{ id: 3 }], [{ plan: 'pro' }]]);
    assert.equal(answered[0].meta.changes, 1);
    assert.deepEqual(answered.map(({ meta }) => meta.dry_run ?? false), [dry, dry, dry]);

    assert.deepEqual(await rows('SELECT subject FROM tickets WHERE id = 3'), [{ subject: 'from wrangler' }]);
    const told = await ok('d1', 'execute', database.database_name, '--remote', '--command', 'DELETE FROM customers WHERE id = 2');
    assertShows(told.output, 'Executed 1 command');
    assert.deepEqual(await rows('SELECT count(*) AS n FROM tickets WHERE customer_id = 2'), [{ n: 0 }], 'the cascade is seen');
    assertShows(await fails('d1', 'execute', 'DB', '--remote', '--command', "INSERT INTO customers (email) VALUES ('ada@example.com')"), 'UNIQUE constraint failed: customers.email');
  }, async () => {
    assert.deepEqual(await stage.db.all('SELECT id, plan FROM customers'), [{ id: 1, plan: 'pro' }]);
    assert.deepEqual(await stage.db.all('SELECT subject FROM tickets ORDER BY id'), [{ subject: "It's broken; really" }, { subject: 'from wrangler' }]);
  });

  inBothModes(() => stage, 'd1 migrations list and apply', async ({ token }) => {
    const { ok, rows, fails } = working(token);
    const steps = { '0001_priority.sql': "ALTER TABLE tickets ADD COLUMN priority INTEGER NOT NULL DEFAULT 3;\nUPDATE tickets SET priority = 1 WHERE subject LIKE 'It%';\n",
      '0002_audit.sql': 'CREATE TABLE audit (id INTEGER PRIMARY KEY, ticket INTEGER);\n-- Every change of a priority is kept.\nCREATE TRIGGER audit_priority AFTER UPDATE OF priority ON tickets BEGIN\n  INSERT INTO audit (ticket) VALUES (new.id);\nEND;\n' };
    for (const [name, sql] of Object.entries(steps)) writeFileSync(project.at(`migrations/${name}`), sql);
    assertShows((await ok('d1', 'migrations', 'list', 'DB', '--remote')).output, 'Migrations to be applied', ...Object.keys(steps));
    const applied = (await ok('d1', 'migrations', 'apply', 'DB', '--remote')).output;
    for (const name of Object.keys(steps)) assert.match(plain(applied), new RegExp(`${name} │ ✅`));
    assertShows((await ok('d1', 'migrations', 'list', 'DB', '--remote')).output, 'No migrations to apply');
    assert.deepEqual(await rows('SELECT min(priority) AS least, max(priority) AS most FROM tickets'), [{ least: 1, most: 3 }]);
    await ok('d1', 'execute', 'DB', '--remote', '--command', 'UPDATE tickets SET priority = 2 WHERE priority = 3');
    assert.deepEqual(await rows('SELECT count(*) > 0 AS kept FROM audit'), [{ kept: 1 }], 'the trigger of the migration works');

    // A migration that breaks is not recorded, and what was applied stays.
    writeFileSync(project.at('migrations/0003_broken.sql'), 'CREATE TABLE never (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n');
    assertShows(await fails('d1', 'migrations', 'apply', 'DB', '--remote'), 'no such table: nowhere');
    assert.deepEqual(await rows("SELECT name FROM d1_migrations UNION ALL SELECT name FROM sqlite_master WHERE name = 'never'"), Object.keys(steps).map((name) => ({ name })));
    rmSync(project.at('migrations/0003_broken.sql'));

    // As many statements as a file of `d1 execute --file`: wrangler adds the line that records the migration.
    const filled = (count) => `CREATE TABLE filled (n INTEGER PRIMARY KEY);\n${Array.from({ length: count }, (_, n) => `INSERT INTO filled VALUES (${n});`).join('\n')}\n`;
    writeFileSync(project.at('migrations/0003_filled.sql'), filled(4_999));
    assertShows(await fails('d1', 'migrations', 'apply', 'DB', '--remote'), 'more than 5000 statements', 'split a migration into several files');
    writeFileSync(project.at('migrations/0003_filled.sql'), filled(4_998));
    await ok('d1', 'migrations', 'apply', 'DB', '--remote');
    assert.deepEqual(await rows('SELECT count(*) AS n FROM filled'), [{ n: 4_998 }]);
    await ok('d1', 'execute', 'DB', '--remote', '--command', 'DROP TABLE filled');
    rmSync(project.at('migrations/0003_filled.sql'));
  }, async () => {
    assert.deepEqual(await stage.db.all('SELECT name FROM d1_migrations'), [{ name: '0001_priority.sql' }, { name: '0002_audit.sql' }, { name: '0003_filled.sql' }]);
    assert.deepEqual(await stage.db.all("SELECT count(*) AS n FROM sqlite_master WHERE name IN ('audit', 'audit_priority', 'never')"), [{ n: 2 }]);
  });

  inBothModes(() => stage, 'd1 execute --file, d1 export, and the export read into an empty database', async ({ token }) => {
    const { ok, rows, fails } = working(token);
    writeFileSync(project.at('more.sql'), "INSERT INTO customers (id, email) VALUES (7, 'semi;colon@example.com'); -- a comment; with a semicolon\nUPDATE customers SET plan = 'it''s pro' WHERE id = 7;\nINSERT INTO tickets (id, customer_id) VALUES (50, 7);\nDELETE FROM tickets WHERE id = 50;\n");
    const told = (await ok('d1', 'execute', 'DB', '--remote', '--file', 'more.sql')).output;
    assertShows(told, 'Executed 4 queries in', 'rows written', 'Database is currently at bookmark');
    assert.deepEqual(await rows('SELECT plan FROM customers WHERE id = 7'), [{ plan: "it's pro" }]);

    writeFileSync(project.at('broken.sql'), "INSERT INTO customers (id, email) VALUES (8, 'eight@example.com');\nINSERT INTO customers (id, email) VALUES (9, 'semi;colon@example.com');\n");
    assertShows(await fails('d1', 'execute', 'DB', '--remote', '--file', 'broken.sql'), 'UNIQUE constraint failed: customers.email');
    assert.deepEqual(await rows('SELECT count(*) AS n FROM customers WHERE id IN (8, 9)'), [{ n: 0 }], 'all of a file or nothing');

    assertShows((await ok('d1', 'export', 'DB', '--remote', '--output', 'out/all.sql')).output, 'Downloaded to out/all.sql successfully');
    const dump = readFileSync(project.at('out/all.sql'), 'utf8');
    assertShows(dump, 'CREATE TABLE customers', 'semi;colon@example.com', "It''s broken; really");
    await ok('d1', 'execute', 'SECOND', '--remote', '--file', 'out/all.sql');
    for (const sql of ['SELECT * FROM customers ORDER BY id', 'SELECT id, customer_id, subject, hex(body) AS body FROM tickets ORDER BY id',
      'SELECT name, seq FROM sqlite_sequence ORDER BY name', "SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE '_cf_%' ORDER BY type, name"]) {
      const first = await rows(sql);
      assert.ok(first.length > 0, sql);
      assert.deepEqual(await rows(sql, 'SECOND'), first, sql);
    }

    await ok('d1', 'export', 'DB', '--remote', '--output', 'out/schema.sql', '--no-data');
    await ok('d1', 'export', 'DB', '--remote', '--output', 'out/customers.sql', '--no-schema', '--table', 'customers');
    const [onlySchema, onlyCustomers] = ['schema', 'customers'].map((name) => readFileSync(project.at(`out/${name}.sql`), 'utf8'));
    assertShows(onlySchema, 'CREATE TABLE customers', 'CREATE INDEX tickets_by_customer');
    assert.doesNotMatch(onlySchema, /semi;colon/);
    assertShows(onlyCustomers, 'semi;colon@example.com');
    assert.doesNotMatch(onlyCustomers, /CREATE|really/);
  }, async () => {
    assert.deepEqual(await stage.second.all('SELECT plan FROM customers WHERE id = 7'), [{ plan: "it's pro" }]);
  });

  test('d1 list and time-travel info describe the databases', async () => {
    const { token } = await dryRun(stage);
    const { ok } = working(token);
    const listed = printedJson(await ok('d1', 'list', '--json'));
    assert.deepEqual(listed.map(({ name, uuid }) => [name, uuid]).sort(), [['second-database', 'second-id'], [database.database_name, database.database_id]]);
    assertShows((await ok('d1', 'list')).output, database.database_name, 'second-id');
    assert.match(printedJson(await ok('d1', 'time-travel', 'info', 'DB', '--json')).bookmark, /\S/);
    assertShows((await ok('d1', 'time-travel', 'info', 'DB')).output, 'The current bookmark is');
    // By name alone wrangler looks the database up first.
    writeFileSync(project.at('bare.toml'), 'name = "bare"\ncompatibility_date = "2026-07-28"\n');
    const { result, requests } = await counting(stage, () => ok('d1', 'execute', 'second-database', '--remote', '--json', '--command', 'SELECT 1 AS one', '--config', 'bare.toml'));
    assert.deepEqual(printedJson(result)[0].results, [{ one: 1 }]);
    assert.deepEqual(requests.map(({ method, status }) => `${method} ${status}`), ['GET 200', 'POST 200']);
  });
});

const oddKeys = ['a b/ünï//☃', 'per%cent%2F?x#y&z=1', `+quo'te"s`];

describe('wrangler and KV', () => {
  const at = ['--remote', '--binding', 'CACHE'];
  before(() => stage.cache.put('there', 'before'));

  inBothModes(() => stage, 'kv key put, get, list and delete', async ({ token }) => {
    const { ok, fails } = working(token);
    const key = (...args) => ok('kv', 'key', ...args, ...at);
    const keys = async (...args) => printedJson(await key('list', ...args));
    await key('put', 'there', 'after');
    await key('put', 'picture', '--path', 'picture.png', '--metadata', '{"type": "image/png"}', '--ttl', '3600');
    assert.equal((await key('get', 'there', '--text')).stdout.trim(), 'after');
    assert.ok((await key('get', 'picture')).bytes.equals(picture), 'binary comes back byte for byte');
    for (const odd of oddKeys) await key('put', odd, `value of ${odd}`);
    for (const odd of oddKeys) assert.equal((await key('get', odd)).stdout, `value of ${odd}`);

    const listed = await keys();
    assert.deepEqual(listed.map(({ name }) => name), [...oddKeys, 'picture', 'there'].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))));
    const { metadata, expiration } = listed.find(({ name }) => name === 'picture');
    assert.deepEqual(metadata, { type: 'image/png' });
    assert.ok(Math.abs(expiration - Date.now() / 1000 - 3600) < 120, `${expiration}`);
    assert.deepEqual((await keys('--prefix', 'a b/')).map(({ name }) => name), [oddKeys[0]]);

    for (const odd of [...oddKeys, 'there', 'never was']) await key('delete', odd);
    assert.deepEqual((await keys()).map(({ name }) => name), ['picture']);
    assertShows(await fails('kv', 'key', 'get', 'there', ...at), '404');
  }, async () => {
    assert.deepEqual((await stage.cache.list()).map(({ name }) => name), ['picture']);
    assert.ok((await stage.cache.getBytes('picture')).equals(picture));
  });

  inBothModes(() => stage, 'kv bulk put, get and delete', async ({ token }) => {
    const { ok } = working(token);
    writeFileSync(project.at('put.json'), JSON.stringify([{ key: 'one', value: '1', metadata: { n: 1 } }, { key: 'two', value: Buffer.from('zwei').toString('base64'), base64: true }, { key: 'three', value: '3', expiration_ttl: 600 }]));
    writeFileSync(project.at('get.json'), JSON.stringify(['one', 'two', 'nothing']));
    writeFileSync(project.at('delete.json'), JSON.stringify(['two', 'nothing']));
    assertShows((await ok('kv', 'bulk', 'put', 'put.json', ...at)).output, 'Success');
    assert.deepEqual(JSON.parse((await ok('kv', 'bulk', 'get', 'get.json', ...at)).stdout.match(/^\{.*^\}/ms)[0]), { one: '1', two: 'zwei', nothing: null });
    assertShows((await ok('kv', 'bulk', 'delete', 'delete.json', '--force', ...at)).output, 'Success');
    assert.deepEqual(printedJson(await ok('kv', 'key', 'list', ...at)).map(({ name }) => name).filter((name) => name !== 'picture'), ['one', 'three']);
  }, async () => {
    assert.deepEqual(await stage.cache.getWithMetadata('one'), { value: '1', metadata: { n: 1 } });
    assert.equal(await stage.cache.get('two'), null);
  });

  test('kv namespace list ends', async () => {
    const { token } = await dryRun(stage);
    const { ok } = working(token);
    const { result, requests } = await counting(stage, () => ok('kv', 'namespace', 'list'));
    assert.deepEqual(printedJson(result).map(({ id, title }) => [id, title]), [[namespace.id, 'support-desk-cache-staging']]);
    assert.ok(requests.length <= 2, `${requests.length} requests`);
  });
});

describe('wrangler and R2', () => {
  const nested = 'reports/2026/11/summary, final.txt';

  inBothModes(() => stage, 'r2 object put, get and delete', async ({ token }) => {
    const { ok, fails } = working(token);
    const object = (verb, key, ...args) => ok('r2', 'object', verb, `${bucket}/${key}`, '--remote', ...args);
    writeFileSync(project.at('summary.txt'), 'Eleven tickets.\n');
    await object('put', nested, '--file', 'summary.txt', '--content-type', 'text/plain; charset=utf-8', '--cache-control', 'no-store');
    assertShows((await object('put', 'picture.png', '--file', 'picture.png', '--content-type', 'image/png')).output, 'Upload complete');
    assert.equal((await object('get', nested, '--pipe')).stdout, 'Eleven tickets.\n');
    await object('get', 'picture.png', '--file', path.join('out', 'again.png'));
    assert.ok(readFileSync(project.at('out/again.png')).equals(picture), 'binary comes back byte for byte');
    const head = await stage.api(`/client/v4/accounts/${account}/r2/buckets/${bucket}/objects/${encodeURIComponent(nested)}`, { token });
    assert.deepEqual([head.headers.get('content-type'), head.headers.get('cache-control')], ['text/plain; charset=utf-8', 'no-store']);

    await object('put', 'gone.txt', '--file', 'summary.txt');
    assertShows((await object('delete', 'gone.txt')).output, 'Delete complete');
    assertShows(await fails('r2', 'object', 'get', `${bucket}/gone.txt`, '--remote', '--pipe'), 'The specified key does not exist');
  }, async () => {
    assert.deepEqual((await stage.files.list()).map(({ key }) => key), ['picture.png', nested]);
    assert.deepEqual((await stage.files.head(nested)).httpMetadata, { contentType: 'text/plain; charset=utf-8', cacheControl: 'no-store' });
    assert.ok((await stage.files.get('picture.png')).bytes.equals(picture));
  });

  test('r2 bucket list names the bucket', async () => {
    const { token } = await dryRun(stage);
    assertShows((await working(token).ok('r2', 'bucket', 'list')).output, bucket);
  });
});

test('wrangler whoami says who is asking', async () => {
  const { token } = await dryRun(stage);
  const { ok } = working(token);
  assertShows((await ok('whoami')).output, 'You are logged in with an User API Token', account);
  const { loggedIn, accounts } = printedJson(await ok('whoami', '--json'));
  assert.deepEqual([loggedIn, accounts.map(({ id }) => id)], [true, [account]]);
});

test('wrangler finds its account by itself when none is named', async () => {
  const { token } = await dryRun(stage);
  const ended = await project.using(token, { env: { CLOUDFLARE_ACCOUNT_ID: '' } })('d1', 'execute', 'DB', '--remote', '--json', '--command', 'SELECT 1 AS one');
  assert.deepEqual(printedJson(ended)[0].results, [{ one: 1 }], ended.output);
});
