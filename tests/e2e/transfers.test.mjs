// D1's import and export, over the addresses that the gateway signs for their files.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { agentOf, assertProblem, openRun, paths, reportOf } from './helpers.mjs';
import { made } from './transfers/made.mjs';

const md5 = (text) => createHash('md5').update(text).digest('hex');
const inDatabase = (database, rest) => `/client/v4/accounts/local/d1/database/${database}/${rest}`;
const fileOf = (url) => url.slice(url.indexOf('/transfers/'));

let gateway;
before(async () => {
  gateway = await startGateway({ databases: ['OTHER', 'WIDE'] });
  await gateway.db.exec('CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, note)');
  await gateway.db.exec("INSERT INTO people (name) VALUES ('Ada'), ('Bob'), ('Cyd')");
  await gateway.db.exec('DELETE FROM people WHERE id = 3');
});
after(() => gateway?.stop());

/** A run with the moves of an import and an export. */
async function runOf(terms = {}) {
  const opened = await openRun(gateway, terms);
  const agent = agentOf(gateway, opened.token);
  const step = (database, json) => agent.call(inDatabase(database, 'import'), { json });
  const send = (url, body, options = {}) => gateway.api(fileOf(url), { method: 'PUT', body, ...options });
  return {
    ...agent,
    id: opened.id,
    token: opened.token,
    step,
    send,
    /** The whole of it, as wrangler does it. Answers the last answer. */
    import: async (database, sql) => {
      const begun = await step(database, { action: 'init', etag: md5(sql) });
      assert.equal(begun.status, 200, begun.text);
      const { upload_url: url, filename } = begun.json.result;
      const sent = await send(url, sql);
      if (sent.status !== 200) return sent;
      assert.equal(sent.headers.get('etag'), `"${md5(sql)}"`);
      return Object.assign(await step(database, { action: 'ingest', etag: md5(sql), filename }), { filename, url });
    },
    export: async (database, options = {}) => {
      const answer = await agent.call(inDatabase(database, 'export'), { json: { output_format: 'polling', dump_options: options } });
      if (answer.status !== 200) return answer;
      const { signed_url: url } = answer.json.result.result;
      const file = await gateway.api(fileOf(url));
      assert.equal(file.status, 200, file.text);
      return Object.assign(answer, { url, sql: file.text, bytes: file.bytes, file });
    },
  };
}

const rows = async (agent, sql, database = 'DB') => {
  const answer = await agent.call(inDatabase(database, 'raw'), { json: { sql } });
  assert.equal(answer.status, 200, answer.text);
  return answer.json.result.at(-1).results.rows;
};

describe('an import', () => {
  const file = "CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY, who TEXT REFERENCES people(name));\nINSERT INTO visits VALUES (1, 'Ada');\n-- done; really\nINSERT INTO visits VALUES (2, 'Bob');\nSELECT count(*) FROM visits;";

  test('in a dry run is seen by the run and by nobody else', async () => {
    const run = await runOf();
    const digest = await gateway.digest();
    const done = await run.import('DB', file);
    assert.equal(done.status, 200, done.text);
    assert.equal(done.headers.get('dry-run'), 'true');
    const { result } = done.json;
    assert.deepEqual([result.success, result.status, result.type, result.result.num_queries], [true, 'complete', 'import', 4]);
    assert.match(result.messages.join(), /nothing was written to staging/);
    const { meta } = result.result;
    for (const figure of ['duration', 'size_after', 'rows_read', 'rows_written', 'changes', 'last_row_id']) assert.equal(typeof meta[figure], 'number', figure);
    assert.deepEqual([meta.changes, meta.dry_run, meta.changed_db], [2, true, true]);
    assert.deepEqual(await rows(run, 'SELECT * FROM visits'), [[1, 'Ada'], [2, 'Bob']]);
    assert.equal(await gateway.digest(), digest);
    const report = await reportOf(gateway, run.id);
    assert.deepEqual(report.changes.filter(({ subject }) => subject === 'visits').map(({ items }) => items.map(({ key }) => key)), [['1', '2']]);
  });

  test('that fails undoes all of it, dry and live, with the words of SQLite', async () => {
    const broken = `${file}\nINSERT INTO people (name) VALUES ('Ada');`;
    const digest = await gateway.digest();
    for (const mode of ['dry_run', 'live']) {
      const run = await runOf({ mode });
      const failed = await run.import('DB', broken);
      assertProblem(failed, 400, 'sql_error', { remedy: false, about: mode });
      assert.match(failed.json.detail, /UNIQUE constraint failed: people.name/);
      assert.deepEqual(await rows(run, "SELECT name FROM sqlite_master WHERE name = 'visits'"), [], mode);
    }
    assert.equal(await gateway.digest(), digest);
  });

  test('runs once, however often it is asked for', async () => {
    const run = await runOf({ mode: 'live' });
    const done = await run.import('OTHER', 'CREATE TABLE once (n); INSERT INTO once VALUES (1);');
    assert.equal(done.status, 200, done.text);
    const again = await run.step('OTHER', { action: 'ingest', etag: md5('x'), filename: done.filename });
    const polled = await run.step('OTHER', { action: 'poll', current_bookmark: done.json.result.at_bookmark });
    for (const answer of [again, polled]) {
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers.get('idempotent-replayed'), 'true');
      assert.deepEqual(answer.json.result.result, done.json.result.result);
    }
    assert.deepEqual(await rows(run, 'SELECT n FROM once', 'OTHER'), [[1]]);
  });

  test('of statements that are not allowed is refused before any of them runs, and the report tells of it', async () => {
    const digest = await gateway.digest();
    for (const [sql, code] of [
      ['INSERT INTO people (name) VALUES (1); ATTACH \'x\' AS y;', 'statement_not_allowed'],
      ['BEGIN TRANSACTION; INSERT INTO people (name) VALUES (1); COMMIT;', 'statement_not_allowed'],
      ['CREATE TABLE _cf_x (a);', 'reserved_name'],
      ['INSERT INTO people (name) VALUES (1', 'sql_not_parsed'],
      ['-- nothing', 'no_statement'],
      ['', 'no_statement'],
      ['SELECT \'\u0000\'', 'ambiguous_text'],
      [Buffer.from([0xff, 0xfe, 0x41]), 'ambiguous_text'],
      ['SELECT 1;'.repeat(5_001), 'statement_too_long'],
    ]) {
      const run = await runOf();
      const refused = await run.import('DB', sql);
      assert.equal(refused.json?.code, code, `${String(sql).slice(0, 60)} ${refused.text.slice(0, 300)}`);
      assert.ok(refused.status >= 400 && refused.status < 500);
      const { operations } = await reportOf(gateway, run.id);
      assert.deepEqual(operations.map(({ action, problem }) => [action, problem?.code]), [['import', code]]);
    }
    assert.equal(await gateway.digest(), digest);
  });

  test('takes as many statements as it says, and journals the first of them', async () => {
    const run = await runOf();
    const sql = `CREATE TABLE many (n INTEGER PRIMARY KEY, t TEXT);${Array.from({ length: 4_999 }, (_, n) => `INSERT INTO many VALUES (${n}, '${'x'.repeat(700)}');`).join('\n')}`;
    const done = await run.import('OTHER', sql);
    assert.equal(done.status, 200, done.text);
    assert.deepEqual(await rows(run, 'SELECT count(*), sum(n) FROM many', 'OTHER'), [[4_999, 12_492_501]]);
    const [operation] = (await reportOf(gateway, run.id)).operations;
    assert.equal(operation.action, 'BATCH of 5000');
    assert.ok(operation.request.count === 5_000 && operation.request.statements.length < 500, JSON.stringify(operation.request).slice(0, 200));
  });

  test('takes back what an export wrote of values that look like names of others', async () => {
    const run = await runOf();
    const words = ['pragma_optimize', '_dryrun_x', '_cf_KV', '__miniflare_do_name', 'sqlite_master', 'OR ROLLBACK', 'total_changes()'];
    const made = [`CREATE TABLE said (word TEXT PRIMARY KEY, rollback TEXT DEFAULT '_dryrun_x' CHECK (rollback <> 'pragma_once'));`, ...words.map((word) => `INSERT INTO said (word) VALUES ('${word}');`),
      `CREATE INDEX said_words ON said (rollback) WHERE word <> '_cf_KV';`, `CREATE VIEW heard AS SELECT word FROM said WHERE word = 'pragma_optimize' OR rollback = '_dryrun_y';`];
    assert.equal((await run.import('OTHER', made.join('\n'))).status, 200);
    const exported = await run.export('OTHER', { tables: ['said'] });
    assert.equal(exported.status, 200, exported.text);
    const other = await runOf();
    const taken = await other.import('OTHER', exported.sql);
    assert.equal(taken.status, 200, `${taken.text}\n${exported.sql}`);
    const all = 'SELECT word, rollback FROM said ORDER BY word';
    assert.deepEqual(await rows(other, all, 'OTHER'), await rows(run, all, 'OTHER'));
    assert.deepEqual((await rows(other, all, 'OTHER')).map(([word]) => word), [...words].sort());
  });

  test('keeps no rows of what it reads', async () => {
    const run = await runOf();
    const filled = `CREATE TABLE big (t TEXT); ${Array.from({ length: 5 }, (_, n) => `INSERT INTO big VALUES ('${String(n).repeat(90_000)}');`).join('')}`;
    assert.equal((await run.import('OTHER', filled)).status, 200);
    const done = await run.import('OTHER', 'SELECT * FROM big;'.repeat(1_000));
    assert.deepEqual([done.status, done.json.result.result.num_queries], [200, 1_000]);
    // The rows of a batch are kept, and therefore bounded.
    const asked = await run.call(inDatabase('OTHER', 'query'), { json: { sql: 'SELECT * FROM big;'.repeat(100) } });
    assertProblem(asked, 422, 'shadow_budget_exceeded');
    assert.equal((await run.call(inDatabase('OTHER', 'query'), { json: { sql: 'SELECT * FROM big;'.repeat(10) } })).status, 200);
  });

  test('of any size below its limits is remembered, also with characters beyond Latin-1', async () => {
    for (const [count, length, character] of [[4, 90_000, 'x'], [12, 89_000, 'x'], [12, 44_000, '✓'], [22, 89_000, 'x'], [40, 89_000, 'ÿ']]) {
      const run = await runOf();
      const text = character.repeat(Math.floor(length / Buffer.byteLength(character)));
      const done = await run.import('OTHER', `CREATE TABLE long (t TEXT); ${Array.from({ length: count }, () => `INSERT INTO long VALUES ('${text}');`).join('')}`);
      assert.equal(done.status, 200, `${count} × ${length} ${character} ${done.text.slice(0, 200)}`);
    }
  });

  test('of another file than was announced, or of a too large one, is not taken', async () => {
    const run = await runOf();
    const begun = await run.step('DB', { action: 'init', etag: md5('SELECT 1') });
    assertProblem(await run.send(begun.json.result.upload_url, 'SELECT 2'), 400, 'bad_digest');
    assertProblem(await run.step('DB', { action: 'ingest', etag: md5('SELECT 1'), filename: begun.json.result.filename }), 404, 'route_not_found');
    const large = `SELECT '${'x'.repeat(4 << 20)}'`;
    assertProblem(await run.import('DB', large), 413, 'body_too_large');
    assert.deepEqual((await reportOf(gateway, run.id)).operations, []);
  });

  test('is refused in a form that it does not have', async () => {
    const run = await runOf();
    for (const json of [{}, { action: 'init' }, { action: 'init', etag: 'x' }, { action: 'init', etag: 'z'.repeat(32) }, { action: 'ingest' }, { action: 'ingest', filename: '../x' }, { action: 'poll' },
      { action: 'poll', current_bookmark: "'" }, { action: 'other', etag: md5('') }]) {
      assertProblem(await run.step('DB', json), 400, 'invalid_request', { about: JSON.stringify(json) });
    }
    assertProblem(await run.step('NOWHERE', { action: 'init', etag: md5('') }), 404, 'unknown_store');
    assertProblem(await gateway.api(inDatabase('DB', 'import'), { key: 'agent', json: { action: 'init', etag: md5('') } }), 400, 'run_required');
    await gateway.api(`/v1/runs/${run.id}/close`, { token: run.token, method: 'POST' });
    assertProblem(await run.step('DB', { action: 'init', etag: md5('') }), 403, 'run_closed');
  });

  test('that only begins, and whatever else is answered without the run, turns it dry when it says so', async () => {
    for (const [path, json] of [
      [inDatabase('DB', 'import'), { action: 'init', etag: md5('') }], [inDatabase('DB', 'export'), { current_bookmark: md5('') }],
      [inDatabase('DB?fields=uuid', '').replace(/\/$/, '')], ['/client/v4/accounts/local/r2/buckets/FILES'], ['/client/v4/accounts/local/storage/kv/namespaces/CACHE'], ['/client/v4/user'], ['/client/v4/graphql', {}],
    ]) {
      const run = await runOf({ mode: 'live' });
      await run.call(path, { json, headers: { 'dry-run': 'true' } });
      assert.equal((await gateway.api(`/v1/runs/${run.id}`, { token: run.token })).json.mode, 'dry_run', path);
    }
  });

  test('turns its run dry when it says so', async () => {
    const run = await runOf({ mode: 'live' });
    const sql = 'CREATE TABLE never (n)';
    const begun = await run.step('DB', { action: 'init', etag: md5(sql) });
    await run.send(begun.json.result.upload_url, sql);
    const done = await run.call(inDatabase('DB', 'import'), { json: { action: 'ingest', filename: begun.json.result.filename }, headers: { 'dry-run': 'true' } });
    assert.deepEqual([done.status, done.headers.get('dry-run')], [200, 'true']);
    const fresh = await runOf();
    assert.deepEqual(await rows(fresh, "SELECT name FROM sqlite_master WHERE name = 'never'"), []);
  });
});

describe('the address of a file', () => {
  let run;
  let begun;
  beforeEach(async () => {
    run = await runOf();
    begun = (await run.step('DB', { action: 'init', etag: md5('SELECT 1') })).json.result;
  });

  test('is worth nothing when it is changed, in the other direction, or elsewhere', async () => {
    const exported = await run.export('DB');
    const [payload, signature] = fileOf(begun.upload_url).slice('/transfers/'.length).split('.');
    const claim = JSON.parse(Buffer.from(payload, 'base64url'));
    assert.deepEqual([claim.r, claim.s, claim.m], [run.id, 'DB', md5('SELECT 1')]);
    const forged = (changes) => `/transfers/${Buffer.from(JSON.stringify({ ...claim, ...changes })).toString('base64url')}.${signature}`;
    const token = run.token.slice('drt_staging_'.length);
    for (const address of [forged({ r: 'other' }), forged({ s: 'OTHER' }), forged({ m: md5('SELECT 2') }), forged({ x: claim.x + 1 }), `/transfers/${payload}`, `/transfers/${payload}.`, `/transfers/.${signature}`, '/transfers/x', `/transfers/${token}`]) {
      assertProblem(await gateway.api(address, { method: 'PUT', body: 'SELECT 1' }), 401, 'unauthenticated', { about: address });
      assertProblem(await gateway.api(address), 401, 'unauthenticated', { about: address });
    }
    assertProblem(await gateway.api(fileOf(begun.upload_url)), 405, 'method_not_allowed');
    assertProblem(await gateway.api(fileOf(exported.url), { method: 'PUT', body: 'SELECT 1' }), 405, 'method_not_allowed');
    assertProblem(await gateway.api('/v1/runs', { token: `drt_staging_${payload}.${signature}` }), 401, 'unauthenticated');
  });

  test('opens no file of another run', async () => {
    const sent = await run.send(begun.upload_url, 'SELECT 1');
    assert.equal(sent.status, 200);
    const stranger = await runOf();
    assertProblem(await stranger.step('DB', { action: 'ingest', filename: begun.filename }), 404, 'route_not_found');
  });

  test('takes no file once its run is closed', async () => {
    await gateway.api(`/v1/runs/${run.id}/close`, { token: run.token, method: 'POST' });
    assertProblem(await run.send(begun.upload_url, 'SELECT 1'), 403, 'run_closed');
  });

  test('is of one database and one direction, and ends with its run', async () => {
    const sent = await run.send(begun.upload_url, 'SELECT 1');
    assert.equal(sent.status, 200);
    const exported = await run.export('DB');
    const file = exported.json.result.at_bookmark;
    assertProblem(await run.step('OTHER', { action: 'ingest', filename: begun.filename }), 404, 'route_not_found');
    assertProblem(await run.step('DB', { action: 'ingest', filename: `${file}.sql` }), 404, 'route_not_found');
    for (const bookmark of [begun.at_bookmark, '0'.repeat(32)]) assertProblem(await run.call(inDatabase('DB', 'export'), { json: { current_bookmark: bookmark } }), 404, 'route_not_found');
    assertProblem(await run.call(inDatabase('OTHER', 'export'), { json: { current_bookmark: file } }), 404, 'route_not_found');
    await gateway.api(`/v1/runs/${run.id}/close`, { token: run.token, method: 'POST' });
    assertProblem(await gateway.api(fileOf(exported.url)), 403, 'run_closed');
    assertProblem(await run.call(inDatabase('DB', 'export'), { json: { current_bookmark: file } }), 403, 'run_closed');
  });

  test('turns its run dry when whoever uses it says so', async () => {
    for (const use of [(live, url) => live.send(url, 'SELECT 1', { headers: { 'dry-run': 'true' } }), async (live) => gateway.api(fileOf((await live.export('OTHER')).url), { headers: { 'dry-run': 'true' } })]) {
      const live = await runOf({ mode: 'live' });
      const { upload_url: url } = (await live.step('OTHER', { action: 'init', etag: md5('SELECT 1') })).json.result;
      assert.equal((await use(live, url)).status, 200);
      assert.equal((await gateway.api(`/v1/runs/${live.id}`, { token: live.token })).json.mode, 'dry_run');
    }
  });

  test('leads nowhere once the next file took its place', async () => {
    const first = await run.export('DB');
    await run.export('DB');
    assertProblem(await gateway.api(fileOf(first.url)), 404, 'route_not_found');
  });
});

describe('an export', () => {
  const schema = [
    'CREATE TABLE kinds (id INTEGER PRIMARY KEY AUTOINCREMENT, i, r REAL, t TEXT, b BLOB, g TEXT AS (t || \'!\') STORED)',
    'CREATE TABLE "odd ""name" ("a b" TEXT, "select" INT, rowid TEXT)',
    'CREATE TABLE pairs (k TEXT COLLATE NOCASE, n INT, v, PRIMARY KEY (k, n)) WITHOUT ROWID',
    'CREATE TABLE children (id INTEGER PRIMARY KEY, kind INT REFERENCES kinds(id))',
    'CREATE TABLE strict_ones (n INTEGER PRIMARY KEY, a ANY, r REAL) STRICT',
    'CREATE UNIQUE INDEX by_t ON kinds (t)',
    'CREATE INDEX by_v ON pairs (v) WHERE v IS NOT NULL',
    'CREATE VIEW ones AS SELECT * FROM kinds WHERE i = 1',
    'CREATE VIEW twos AS SELECT * FROM kinds WHERE i = 2 -- the second; of two',
    'CREATE INDEX by_r ON kinds (r) /* by its number',
    `CREATE TABLE wide (${Array.from({ length: 100 }, (_, column) => `c${column}`).join(', ')})`,
    'CREATE TABLE shifty (v INT, rowid INT AS (v * 7 % 5), _rowid_ AS (v) STORED)',
    "CREATE TRIGGER keeps AFTER DELETE ON kinds BEGIN INSERT INTO pairs VALUES (old.t, old.id, 'gone; really'); END",
  ];
  const data = [
    "INSERT INTO kinds (i, r, t, b) VALUES (1, 0.1, 'it''s', x'00ff'), (9007199254740993, 1e308, 'line\nbreak', x''), (-1, -0.0, 'nul' || char(0) || 'inside', NULL), (1.5, 9e999, CAST(x'ff41c3' AS TEXT), x'41'), (x'01', 5e-324, '✓ ☃ \u{1f600}', CAST(x'80' AS TEXT)), ('text', 123456789012345680.0, '', zeroblob(3))",
    'DELETE FROM kinds WHERE i = x\'01\'',
    'INSERT INTO "odd ""name" VALUES (\'one\', 1, \'mine\'), (NULL, NULL, NULL)',
    "INSERT INTO pairs VALUES ('a', 1, 1), ('A', 2, 2.0), ('b', 1, NULL)",
    'INSERT INTO children VALUES (1, 2), (2, NULL)',
    `INSERT INTO wide VALUES (${Array.from({ length: 100 }, (_, column) => column).join(', ')})`,
    'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 30) INSERT INTO shifty (v) SELECT n FROM c',
    "INSERT INTO strict_ones VALUES (1, 1.0, 2), (2, '1', 2.5)",
  ];
  const everything = "SELECT 'kinds', id, typeof(i), quote(i), format('%!.17g', r), hex(t), typeof(b), hex(b), g FROM kinds UNION ALL SELECT 'pairs', k, typeof(v), quote(v), n, '', '', '', '' FROM pairs UNION ALL SELECT 'odd', \"a b\", \"select\", rowid, '', '', '', '', '' FROM \"odd \"\"name\"";
  const rest = "SELECT id, kind FROM children UNION ALL SELECT n, typeof(a) || quote(a) || r FROM strict_ones UNION ALL SELECT name, seq FROM sqlite_sequence UNION ALL SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY 1, 2";
  before(async () => {
    for (const statement of [...schema, ...data]) await gateway.wide.exec(statement);
  });

  test('holds every value exactly: imported into an empty database it is the same database', async () => {
    for (const mode of ['live', 'dry_run']) {
      const run = await runOf({ mode });
      const exported = await run.export('WIDE');
      assert.equal(exported.status, 200, exported.text);
      const target = await startGateway({ databases: ['OTHER'] });
      try {
        const into = await openRun(target, { mode });
        const step = (json) => target.api(inDatabase('OTHER', 'import'), { token: into.token, json });
        const begun = (await step({ action: 'init', etag: createHash('md5').update(exported.bytes).digest('hex') })).json.result;
        assert.equal((await target.api(fileOf(begun.upload_url), { method: 'PUT', body: exported.bytes })).status, 200);
        const done = await step({ action: 'ingest', filename: begun.filename });
        assert.equal(done.status, 200, done.text);
        for (const sql of [everything, rest, 'SELECT v, rowid FROM shifty UNION ALL SELECT c0 || c1, c98 || c99 FROM wide ORDER BY 1']) {
          const copied = await target.api(inDatabase('OTHER', 'raw'), { token: into.token, json: { sql } });
          assert.equal(copied.status, 200, copied.text);
          // An import keeps a definition without the comment behind it.
          const plain = (all) => all.map((row) => row.map((cell) => (typeof cell === 'string' && cell.startsWith('CREATE') ? cell.replace(/ (--|\/\*).*$/, '') : cell)));
          assert.deepEqual(plain(copied.json.result[0].results.rows), plain(await rows(run, sql, 'WIDE')), mode);
        }
      } finally {
        await target.stop();
      }
    }
  });

  // EXPORT_SEED says from where.
  test('of any database imports into an empty one, live and dry, and is written down the same again', async () => {
    const first = Number(process.env.EXPORT_SEED ?? 1);
    const seeds = Array.from({ length: 5 }, (_, index) => first + index);
    const target = await startGateway({ databases: [...seeds.map((seed) => `FROM${seed}`), ...seeds.map((seed) => `INTO${seed}`), 'EMPTY'] });
    try {
      const runs = await Promise.all(['live', 'dry_run', 'dry_run'].map((mode) => openRun(target, { mode })));
      const move = (run, database, rest, json) => target.api(inDatabase(database, rest), { token: run.token, json });
      const exportOf = async (run, database) => {
        const answer = await move(run, database, 'export', { output_format: 'polling', dump_options: {} });
        assert.equal(answer.status, 200, `${database} ${answer.text}`);
        return (await target.api(fileOf(answer.json.result.result.signed_url))).bytes;
      };
      const importOf = async (run, database, bytes, about) => {
        const { upload_url: url, filename } = (await move(run, database, 'import', { action: 'init', etag: md5(bytes) })).json.result;
        assert.equal((await target.api(fileOf(url), { method: 'PUT', body: bytes })).status, 200);
        const done = await move(run, database, 'import', { action: 'ingest', filename });
        assert.equal(done.status, 200, `${about} ${done.text.slice(0, 400)}\n${bytes.toString().slice(0, 4_000)}`);
      };
      const linesOf = async (database) => (await target.contents()).filter((line) => line.startsWith(`${database} `)).map((line) => line.slice(database.length + 1)).sort();
      const [live, dry] = runs;
      for (const seed of seeds) {
        const [from, into, about] = [`FROM${seed}`, `INTO${seed}`, `EXPORT_SEED=${seed}`];
        await target[from.toLowerCase()].exec(made(seed).sql);
        const file = await exportOf(live, from);
        assert.ok(file.equals(await exportOf(dry, from)), `${about}: a dry run writes the same`);
        await importOf(live, into, file, about);
        assert.deepEqual(await linesOf(into), await linesOf(from), about);
        assert.ok(file.equals(await exportOf(live, into)), `${about}: what was imported is written down the same`);
        const rehearsed = await openRun(target);
        await importOf(rehearsed, 'EMPTY', file, `${about} dry`);
        const again = await exportOf(rehearsed, 'EMPTY');
        assert.equal(again.toString(), file.toString(), `${about}: so is what a dry run imported`);
      }
      assert.deepEqual(await linesOf('EMPTY'), []);
    } finally {
      await target.stop();
    }
  });

  test('in a dry run shows what the run has done, and nothing of it is real', async () => {
    const run = await runOf();
    const digest = await gateway.digest();
    assert.equal((await run.call(inDatabase('WIDE', 'query'), { json: { batch: [{ sql: "INSERT INTO kinds (i, t) VALUES (7, 'planned')" }, { sql: 'CREATE TABLE later (n)' }, { sql: 'DELETE FROM kinds WHERE id = 1' }] } })).status, 200);
    const exported = await run.export('WIDE');
    assert.equal(exported.headers.get('dry-run'), 'true');
    assert.match(exported.sql, /INSERT INTO "kinds" \("id","i","r","t","b"\) VALUES\(7,7,NULL,'planned',NULL\);/);
    assert.match(exported.sql, /CREATE TABLE later \(n\);/);
    assert.match(exported.sql, /INSERT INTO "pairs" \("k","n","v"\) VALUES\('it''s',1,'gone; really'\);/);
    assert.doesNotMatch(exported.sql, /VALUES\(1,1,0\.1/);
    assert.doesNotMatch(exported.sql, /_dryrun_|_cf_/);
    assert.equal(await gateway.digest(), digest);
    const stranger = await runOf();
    assert.doesNotMatch((await stranger.export('WIDE')).sql, /planned|later/);
  });

  test('holds what was asked for', async () => {
    const run = await runOf();
    const only = await run.export('WIDE', { tables: ['PAIRS'] });
    assert.match(only.sql, /^PRAGMA defer_foreign_keys=TRUE;\nCREATE TABLE pairs[^;]*;\n(INSERT INTO "pairs"[^\n]*\n){4}CREATE INDEX by_v[^;]*;\n$/);
    const bare = await run.export('WIDE', { no_data: true });
    assert.doesNotMatch(bare.sql, /^INSERT|sqlite_sequence/m);
    const filled = await run.export('WIDE', { no_schema: true });
    assert.doesNotMatch(filled.sql, /^CREATE/m);
    assertProblem(await run.call(inDatabase('WIDE', 'export'), { json: { output_format: 'file' } }), 400, 'invalid_request');
    const polled = await run.call(inDatabase('WIDE', 'export'), { json: { output_format: 'polling', current_bookmark: filled.json.result.at_bookmark } });
    assert.equal((await gateway.api(fileOf(polled.json.result.result.signed_url))).text, filled.sql);
    assertProblem(await run.export('WIDE', { tables: ['nobody'] }), 400, 'sql_error', { remedy: false });
    assertProblem(await run.call(inDatabase('WIDE', 'export'), { json: { current_bookmark: '../..' } }), 400, 'invalid_request');
    const { operations } = await reportOf(gateway, run.id);
    assert.deepEqual(operations.map(({ action, outcome }) => `${action} ${outcome}`), ['export done', 'export done', 'export done', 'export failed']);
  });

  test('goes through tables of many rows and of long ones', async () => {
    const big = await startGateway({ databases: ['WIDE'] });
    try {
      await big.wide.exec('CREATE TABLE long (id INTEGER PRIMARY KEY, t TEXT)');
      await big.wide.exec('CREATE TABLE keyed (k TEXT PRIMARY KEY) WITHOUT ROWID');
      await big.wide.exec("WITH RECURSIVE c(n) AS (SELECT -3000 UNION ALL SELECT n + 1 FROM c WHERE n < 3000) INSERT INTO long SELECT n, CASE WHEN n % 500 = 0 THEN printf('%.*c', 300000, 'y') ELSE 'x' || n END FROM c");
      await big.wide.exec('CREATE TABLE huge (t, b)');
      await big.wide.exec("INSERT INTO huge VALUES (replace(hex(zeroblob(900000)), '00', 'é'), NULL), (CAST(x'ff' || zeroblob(1500000) AS TEXT), zeroblob(400000)), (NULL, zeroblob(1900000))");
      await big.wide.exec('CREATE TABLE hidden (rowid, _rowid_, oid)');
      await big.wide.exec("INSERT INTO hidden VALUES (1, 2, 3), (1, 2, 3), ('x', NULL, 4)");
      await big.wide.exec("INSERT INTO keyed SELECT 'k' || id FROM long");
      for (const mode of ['live', 'dry_run']) {
        const { token } = await openRun(big, { mode });
        const answer = await big.api(inDatabase('WIDE', 'export'), { token, json: { output_format: 'polling', dump_options: {} } });
        assert.equal(answer.status, 200, answer.text);
        const { text } = await big.api(fileOf(answer.json.result.result.signed_url));
        const lines = text.split('\n');
        const ids = lines.map((line) => /^INSERT INTO "long" \("id","t"\) VALUES\((-?\d+),/.exec(line)?.[1]).filter(Boolean).map(Number);
        assert.deepEqual(ids, Array.from({ length: 6_001 }, (_, n) => n - 3_000));
        assert.deepEqual(lines.filter((line) => line.startsWith('INSERT INTO "hidden"')).map((line) => line.split('VALUES')[1]), ['(1,2,3);', '(1,2,3);', "('x',NULL,4);"]);
        const huge = lines.filter((line) => line.startsWith('INSERT INTO "huge"'));
        assert.equal(huge.length, 3);
        // No statement is longer than D1's; longer values are put together from pieces.
        assert.ok(lines.every((line) => Buffer.byteLength(line) < 100_000));
        const pieces = lines.filter((line) => line.startsWith('INSERT INTO export_pieces')).map((line) => /VALUES\((\d+),(?:'(.*)'|CAST\(X'(.*)' AS TEXT\))\);$/.exec(line));
        const [, first, last] = /VALUES\(\(SELECT group_concat\(piece,'' ORDER BY n\) FROM export_pieces WHERE n BETWEEN (\d+) AND (\d+)\),NULL\);/.exec(huge[0]);
        const within = pieces.filter(([, n]) => Number(n) >= Number(first) && Number(n) <= Number(last));
        assert.equal(within.map(([, , text]) => text).join(''), 'é'.repeat(900_000));
        assert.ok(pieces.some(([, , , hex]) => hex?.startsWith('FF0000')));
        assert.match(huge[2], /VALUES\(NULL,CAST\(\(SELECT group_concat/);
        assert.equal(lines.filter((line) => line === 'DROP TABLE export_pieces;').length, 1);
        assert.equal(new Set(lines.filter((line) => line.startsWith('INSERT INTO "keyed"'))).size, 6_001);
      }
    } finally {
      await big.stop();
    }
  });

  test('is refused beyond its limits, and leaves nothing behind', async () => {
    const small = await startGateway({ databases: ['WIDE'], vars: { OVERLAY_MAX_BYTES: '20000' } });
    try {
      await small.wide.exec('CREATE TABLE t (a TEXT)');
      await small.wide.exec("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000) INSERT INTO t SELECT 'row ' || n FROM c");
      const { token, id } = await openRun(small);
      const agent = agentOf(small, token);
      assertProblem(await agent.call(inDatabase('WIDE', 'export'), { json: { output_format: 'polling' } }), 413, 'body_too_large');
      // The room is free again.
      assert.equal((await agent.putObject('fits', 'x'.repeat(15_000))).status, 200);
      assert.equal((await agent.getObject('fits')).text.length, 15_000);
      await small.wide.exec('CREATE VIRTUAL TABLE f USING fts5(t)');
      const virtual = await agent.call(inDatabase('WIDE', 'export'), { json: { output_format: 'polling' } });
      assertProblem(virtual, 403, 'not_offered');
      assert.match(virtual.json.remedy, /dump_options\.tables .*: t\. /);
      for (const name of ['f', 'f_data']) assertProblem(await agent.call(inDatabase('WIDE', 'export'), { json: { dump_options: { tables: ['t', name] } } }), 403, 'not_offered');
      // What the remedy says works.
      await small.wide.exec('DELETE FROM t WHERE rowid > 100');
      assert.equal((await agent.call(inDatabase('WIDE', 'export'), { json: { dump_options: { tables: ['t'] } } })).status, 200);
      assert.equal((await reportOf(small, id)).operations.length, 7);
    } finally {
      await small.stop();
    }
  });
});
