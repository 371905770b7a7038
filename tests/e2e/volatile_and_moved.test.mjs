// What a report cannot promise: values that come out differently each time, rows that the database has differently by now, and changes too
// many to list. It says which, and what it shows is what the run itself reads.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startGateway } from './harness/gateway.mjs';
import { makeBase, runOf } from './fresh_base.mjs';
import { assertProblem, openRun } from './helpers.mjs';
import { assertOnlyReads } from './rehearsal.mjs';

const many = (count, into) => `INSERT INTO ${into} WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${count}) SELECT`;

let gateway;
before(async () => void (gateway = await startGateway({ vars: { FLAG_BUDGET_MS: '10000', SHADOW_WHOLE_ROWS: '50' } })));
after(() => gateway.stop());

const markdownOf = async (id, query = '') => (await gateway.api(`/v1/runs/${id}/report?format=markdown${query}`, { key: 'approver' })).text;
const group = (report, subject) => report.changes.find((one) => one.subject === subject);
const valuesOf = ({ fields }) => Object.fromEntries(fields.map(({ field, after: is }) => [field, is]));

describe('what comes out differently each time', () => {
  const schema = `CREATE TABLE plain (id INTEGER PRIMARY KEY, v);
    CREATE TABLE dated (id INTEGER PRIMARY KEY, v, at TEXT DEFAULT CURRENT_TIMESTAMP, day TEXT DEFAULT (date('now')), dice INTEGER DEFAULT (abs(random()) % 6));
    CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT, at TEXT);
    CREATE TABLE watched (id INTEGER PRIMARY KEY, v);
    CREATE TRIGGER noted AFTER INSERT ON watched BEGIN INSERT INTO log (what, at) VALUES (new.v, strftime('%s', 'now')); END;
    CREATE TABLE stamps (id INTEGER PRIMARY KEY, v); INSERT INTO stamps VALUES (1, 'a');
    CREATE TRIGGER stamped AFTER UPDATE OF v ON stamps WHEN new.v = 'stamp' BEGIN UPDATE stamps SET v = lower(hex(randomblob(8))) WHERE id = new.id; END;
    CREATE TABLE chained (id INTEGER PRIMARY KEY, v); CREATE TRIGGER onwards AFTER INSERT ON chained BEGIN INSERT INTO watched (v) VALUES (new.v); END;
    CREATE VIEW fresh AS SELECT id, v, random() AS dice FROM plain;
    INSERT INTO plain VALUES (1, 'a'), (2, 'b'); INSERT INTO dated (id, v) VALUES (1, 'a');`;
  const kinds = {
    "INSERT INTO plain (v) VALUES (random())": ['random()'], "INSERT INTO plain (v) VALUES (hex(randomblob(8)))": ['randomblob()'], "UPDATE plain SET v = CURRENT_TIMESTAMP WHERE id = 1": ['CURRENT_TIMESTAMP'],
    "UPDATE plain SET v = datetime('now', '-1 day') WHERE id = 2": ["datetime('now')"], 'UPDATE plain SET v = unixepoch() WHERE id = 2': ['unixepoch()'], "UPDATE plain SET v = julianday('now') || CURRENT_DATE": ['CURRENT_DATE', "julianday('now')"],
    "INSERT INTO dated (v) VALUES ('x')": ['CURRENT_TIMESTAMP', "date('now')", 'random()'], "INSERT INTO dated DEFAULT VALUES": ['CURRENT_TIMESTAMP', "date('now')", 'random()'], "INSERT INTO dated (v, at, day) VALUES ('x', 'y', 'z')": ['random()'],
    "INSERT INTO watched (v) VALUES ('x')": ["strftime('now')"], "INSERT INTO chained (v) VALUES ('x')": ["strftime('now')"], "UPDATE stamps SET v = 'stamp' WHERE id = 1": ['randomblob()'],
    'INSERT INTO log (what) SELECT dice FROM fresh': ['random()'],
  };
  const fixed = ["UPDATE plain SET v = 'a' WHERE id = 1 AND 'random()' <> 'now'", "INSERT INTO plain (v) VALUES ('CURRENT_TIMESTAMP')", "INSERT INTO plain (v) VALUES (date('2026-01-01'))", "INSERT INTO dated VALUES (9, 1, 2, 3, 4)", "UPDATE dated SET v = 'y'", 'SELECT random() FROM plain'];

  for (const [sql, expected] of Object.entries(kinds)) {
    test(`is named with its operation: ${sql}`, async () => {
      await makeBase(gateway, schema);
      const run = await runOf(gateway);
      assert.equal((await run.sql("UPDATE plain SET v = 'first' WHERE id = 2")).status, 200);
      const answer = await run.sql(sql);
      assert.equal(answer.status, 200, answer.text);
      const { operations, coverage } = await run.report();
      const named = operations[1].volatile ?? [];
      for (const what of expected) assert.ok(named.some((name) => name.startsWith(what.split("'")[0].replace(/\)$/, ''))), `${what} is not in ${JSON.stringify(named)}`);
      assert.equal(named.length, expected.length, JSON.stringify(named));
      assert.deepEqual(coverage.volatile, Object.fromEntries(named.map((name) => [name, [2]])));
      assert.equal(operations[0].volatile, undefined);
      const text = await markdownOf(run.id);
      for (const name of named) assert.ok(text.includes(`not repeatable: \`${name}\` (step 2)`), text);
    });
  }

  test('is not seen where there is none', async () => {
    await makeBase(gateway, schema);
    const run = await runOf(gateway);
    for (const sql of fixed) assert.equal((await run.sql(sql)).status, 200, sql);
    const { operations, coverage } = await run.report();
    assert.deepEqual([operations.map(({ volatile }) => volatile), coverage.volatile], [fixed.map(() => undefined), {}]);
    assert.doesNotMatch(await markdownOf(run.id), /not repeatable/);
  });

  test('is not seen in a trigger of another event', async () => {
    await makeBase(gateway, schema);
    const run = await runOf(gateway);
    for (const sql of ["INSERT INTO stamps (v) VALUES ('x')", 'DELETE FROM watched', "UPDATE watched SET v = 'y'", 'UPDATE stamps SET id = 5 WHERE id = 1']) assert.equal((await run.sql(sql)).status, 200, sql);
    assert.deepEqual((await run.report()).coverage.volatile, {});
  });

  test('in a batch, and by a parameter', async () => {
    await makeBase(gateway, schema);
    const run = await runOf(gateway);
    assert.equal((await run.batch([{ sql: 'INSERT INTO plain (v) VALUES (random())' }, { sql: 'UPDATE plain SET v = datetime(?)', params: ['now'] }])).status, 200);
    assert.equal((await run.sql('UPDATE plain SET v = datetime(?)', ['2026-01-01'])).status, 200);
    const { operations } = await run.report();
    assert.equal(operations[0].volatile.length, 2, JSON.stringify(operations[0].volatile));
    assert.equal(operations[1].volatile, undefined);
  });

  test('stands in the report as the run reads it back', async () => {
    await makeBase(gateway, schema);
    const run = await runOf(gateway);
    const returned = await run.rows("INSERT INTO dated (id, v) VALUES (5, random()), (6, hex(randomblob(20))) RETURNING *");
    await run.sql("UPDATE stamps SET v = 'stamp' WHERE id = 1");
    await run.sql("INSERT INTO chained (v) VALUES ('x')");
    const [dated, stamps, log] = [await run.rows('SELECT * FROM dated WHERE id > 4 ORDER BY id'), await run.rows('SELECT * FROM stamps WHERE id = 1'), await run.rows('SELECT * FROM log')];
    assert.deepEqual(dated, returned);
    const report = await run.report();
    // A random number has more digits than a JavaScript number holds, so the texts are compared.
    assert.deepEqual(group(report, 'dated').items.map((item) => String(valuesOf(item).v)), dated.map(({ v }) => String(v)));
    assert.deepEqual(group(report, 'dated').items.map((item) => [valuesOf(item).at, valuesOf(item).day, valuesOf(item).dice]), dated.map(({ at, day, dice }) => [at, day, dice]));
    assert.deepEqual(group(report, 'stamps').items.map((item) => valuesOf(item).v), stamps.map(({ v }) => v));
    assert.match(stamps[0].v, /^[0-9a-f]{16}$/);
    assert.deepEqual(group(report, 'log').items.map((item) => valuesOf(item).at), log.map(({ at }) => at));
  });
});

describe('keys that are drawn by chance, on a table that is copied row by row', () => {
  const schema = `CREATE TABLE users (id TEXT PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))), n INTEGER UNIQUE CHECK (n > 0), at TEXT DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE posts (id TEXT PRIMARY KEY DEFAULT (hex(randomblob(16))), author TEXT NOT NULL REFERENCES users (id), body TEXT) WITHOUT ROWID;
    CREATE TABLE drawn (id INTEGER PRIMARY KEY, v);
    ${many(500, 'users (id, n, at)')} 'u' || i, i, '2026-01-01' FROM n;
    ${many(500, 'posts')} 'p' || i, 'u' || i, 'text ' || i FROM n;`;
  let run;
  before(async () => {
    await makeBase(gateway, schema);
    run = await runOf(gateway);
  });

  test('work in one go, and are read back', async () => {
    const contents = await gateway.digest();
    const [{ id }] = await run.rows('INSERT INTO users (n) VALUES (1000) RETURNING id');
    assert.match(id, /^[0-9a-f]{32}$/);
    assert.deepEqual(await run.rows('SELECT id, n FROM users WHERE n IN (7, 1000) ORDER BY n'), [{ id: 'u7', n: 7 }, { id, n: 1000 }]);
    const [post] = await run.rows('INSERT INTO posts (author, body) VALUES (?, ?), (?, ?) RETURNING id', [id, 'own', 'u499', 'of another']);
    assert.match(post.id, /^[0-9A-F]{32}$/);
    assert.deepEqual(await run.rows('SELECT count(*) AS n FROM posts WHERE author IN (?, ?)', [id, 'u499']), [{ n: 3 }]);
    assert.equal((await run.sql('INSERT INTO users (id, n) SELECT hex(randomblob(16)), n + 2000 FROM users WHERE n BETWEEN 10 AND 19')).json.result[0].meta.changes, 10);
    assert.equal((await run.sql('INSERT INTO drawn (id, v) VALUES (abs(random()), 1), (abs(random()), 2)')).json.result[0].meta.changes, 2);
    assert.equal((await run.batch([{ sql: 'INSERT INTO users (n) VALUES (1001)' }, { sql: 'INSERT INTO users (n) VALUES (1002)' }])).status, 200);
    assert.equal(await gateway.digest(), contents);
  });

  test('fail as live where something else stands in the way, and leave nothing', async () => {
    const live = await runOf(gateway, { mode: 'live' });
    for (const sql of ['INSERT INTO users (n) VALUES (77)', 'INSERT INTO users (n) VALUES (2100), (-1)', "INSERT INTO posts (author) VALUES ('nobody')", 'INSERT INTO users (n) VALUES (2101), (2102), (78)', "INSERT INTO posts (id, author) VALUES ('p9', 'u9')"]) {
      const [dry, lived] = [await run.sql(sql), await live.sql(sql)];
      assert.deepEqual([dry.status, dry.json.code, dry.json.detail], [lived.status, lived.json.code, lived.json.detail]);
      assert.equal(dry.status, 400, sql);
    }
    assert.deepEqual(await run.rows('SELECT n FROM users WHERE n > 2099'), []);
  });

  test('are in the report as they were drawn', async () => {
    const report = await run.report();
    const users = await run.rows('SELECT id, n FROM users WHERE n > 999 ORDER BY n');
    assert.deepEqual(group(report, 'users').items.map((item) => [valuesOf(item).id, valuesOf(item).n]).sort(([, a], [, b]) => a - b), users.map(({ id, n }) => [id, n]));
    assert.deepEqual([group(report, 'users').inserted, group(report, 'posts').inserted, group(report, 'drawn').inserted], [13, 2, 2]);
    assert.deepEqual([group(report, 'users').updated, group(report, 'users').deleted], [0, 0]);
  });
});

describe('a report that is asked what moved', () => {
  const schema = `CREATE TABLE large (id INTEGER PRIMARY KEY, name TEXT UNIQUE, v REAL, b BLOB);
    CREATE TABLE small (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE keyed (k TEXT, i INTEGER, v, PRIMARY KEY (k, i)) WITHOUT ROWID;
    CREATE TABLE altered (id INTEGER PRIMARY KEY, v);
    ${many(300, 'large')} i, 'name ' || i, i / 2.0, x'00ff' FROM n; ${many(5, 'small')} i, 'small ' || i FROM n; ${many(60, 'keyed')} 'k''' || i, i, i FROM n; INSERT INTO altered VALUES (1, 1);`;
  const movedOf = async (run, credential = { key: 'operator' }) => (await gateway.api(`/v1/runs/${run.id}/report?moved=true`, credential)).json;
  const brief = ({ moved: { moved } }) => moved.map(({ table, key, moved: how, planned }) => `${table} ${key} ${how}${planned ? ' planned' : ''}`).sort();
  const steps = ["UPDATE large SET v = 0 WHERE id = 10", "UPDATE large SET v = 0 WHERE id = 11", 'DELETE FROM large WHERE id = 12', "INSERT INTO large (id, name) VALUES (1000, 'planned')", 'SELECT * FROM large WHERE id BETWEEN 20 AND 22', "UPDATE small SET name = 'x' WHERE id = 1", "UPDATE keyed SET v = -1 WHERE i = 7"];
  const started = async (also = []) => {
    await makeBase(gateway, schema);
    const run = await runOf(gateway);
    for (const sql of [...steps, ...also]) assert.equal((await run.sql(sql)).status, 200, sql);
    return run;
  };

  test('says how many rows it compared when nothing did', async () => {
    const run = await started();
    const report = await movedOf(run);
    assert.deepEqual([report.moved.moved, report.moved.not_compared], [[], []]);
    // Three that it changed, one that it would insert, three that it read, five of the small table, one of the keyed; the highest one may be there too.
    assert.ok(report.moved.compared >= 13 && report.moved.compared <= 16, `${report.moved.compared}`);
    assert.match(await markdownOf(run.id, '&moved=true'), new RegExp(`## Changed in the database since it was copied\\n\\nNone of ${report.moved.compared} compared rows is different in the database now\\.`));
    const { moved, ...rest } = report;
    const plain = await run.report();
    assert.deepEqual(rest, plain);
    assert.equal('moved' in plain, false);
    assert.doesNotMatch(await markdownOf(run.id), /Changed in the database since/);
    assert.deepEqual((await movedOf(run, { token: run.token })).moved, moved);
  });

  test('names each row that is different, gone or new, and whether the run would write it', async () => {
    const run = await started();
    await gateway.db.exec(`UPDATE large SET v = 99, name = 'other' WHERE id = 10; UPDATE large SET name = 'read only' WHERE id = 21; DELETE FROM large WHERE id IN (11, 22); UPDATE large SET b = x'01' WHERE id = 12;
      INSERT INTO large (id, name) VALUES (1000, 'there first'), (2000, 'of no concern'); UPDATE large SET v = 1 WHERE id = 200;
      INSERT INTO small VALUES (6, 'new'); DELETE FROM small WHERE id = 2; UPDATE small SET name = 'y' WHERE id = 1; UPDATE keyed SET v = 'moved' WHERE i = 7; UPDATE keyed SET v = 'of no concern' WHERE i = 8;`);
    const report = await movedOf(run);
    assert.deepEqual(brief(report), [
      'keyed ["k\'7",7] changed planned', 'large 10 changed planned', 'large 1000 appeared planned', 'large 11 gone planned', 'large 12 changed planned', 'large 21 changed', 'large 22 gone', 'small 1 changed planned', 'small 2 gone', 'small 6 appeared',
    ]);
    const fieldsOf = (table, key) => report.moved.moved.find((one) => one.table === table && one.key === key).fields;
    assert.deepEqual(fieldsOf('large', '10'), [{ field: 'name', before: 'name 10', after: 'other' }, { field: 'v', before: 5, after: 99 }]);
    assert.deepEqual(fieldsOf('large', '12'), [{ field: 'b', before: { blob: '00FF' }, after: { blob: '01' } }]);
    assert.deepEqual(fieldsOf('large', '21'), [{ field: 'name', before: 'name 21', after: 'read only' }]);
    const text = await markdownOf(run.id, '&moved=true');
    assert.ok(text.includes('## Changed in the database since it was copied') && !text.includes('None of'), text);
    for (const line of ['- DB `large` `10` changed, **and the run would write it**', '  - `name`: `name 10` → `other`', '- DB `large` `1000` appeared, **and the run would write it**', '- DB `large` `11` is gone, **and the run would write it**', '- DB `large` `22` is gone\n', '- DB `small` `6` appeared\n']) assert.ok(text.includes(line), `${line}\n${text}`);
    // A look changes nothing: neither what the run reads nor what it would do.
    assert.deepEqual((await run.rows('SELECT name FROM large WHERE id = 21')), [{ name: 'name 21' }]);
    assert.deepEqual(brief(await movedOf(run)), brief(report));
  });

  test('is at rest again when the rows are as they were', async () => {
    const run = await started();
    await gateway.db.exec("UPDATE large SET name = 'other' WHERE id = 10");
    assert.deepEqual(brief(await movedOf(run)), ['large 10 changed planned']);
    await gateway.db.exec("UPDATE large SET name = 'name 10' WHERE id = 10");
    assert.deepEqual(brief(await movedOf(run)), []);
    // Live, somebody does what the run plans: for the plan that is a change all the same.
    await gateway.db.exec('UPDATE large SET v = 0 WHERE id = 10');
    assert.deepEqual(brief(await movedOf(run)), ['large 10 changed planned']);
  });

  test('names the tables that it cannot compare', async () => {
    const run = await started(['ALTER TABLE altered ADD COLUMN more', 'UPDATE altered SET more = 1']);
    const report = await movedOf(run);
    assert.deepEqual([report.moved.moved, report.moved.not_compared], [[], ['DB.altered']]);
    assert.match(await markdownOf(run.id, '&moved=true'), /- not compared: `DB.altered`, whose definition the run changed/);
  });

  test('notices a table that is gone and one that is another now', async () => {
    const run = await started();
    await gateway.db.exec('DROP TABLE small; ALTER TABLE keyed ADD COLUMN more;');
    const { moved } = await movedOf(run);
    const told = JSON.stringify(moved);
    assert.ok(told.includes('small') && told.includes('keyed'), told);
  });

  test('of a run that touched nothing has compared nothing; of a live run, too', async () => {
    await makeBase(gateway, schema);
    for (const mode of ['dry_run', 'live']) {
      const run = await runOf(gateway, { mode });
      await run.sql('SELECT * FROM small');
      const { moved } = await movedOf(run);
      assert.deepEqual(moved, { compared: 0, moved: [], not_compared: [] }, mode);
    }
  });

  test('takes true and false and nothing else', async () => {
    const { id, token } = await openRun(gateway);
    for (const word of ['maybe', '1', 'TRUE!', 'yes', '']) assertProblem(await gateway.api(`/v1/runs/${id}/report?moved=${word}`, { token }), 400, 'invalid_request', { about: word });
    const no = await gateway.api(`/v1/runs/${id}/report?moved=false`, { token });
    assert.deepEqual([no.status, 'moved' in no.json], [200, false]);
  });

  test('sends nothing but single SELECTs to the database, and is a problem when that does not answer', async () => {
    const run = await started();
    gateway.recorder.clear();
    await movedOf(run);
    assertOnlyReads(gateway, [run.id]);
    await gateway.fault('DB', null, '500');
    try {
      const answer = await gateway.api(`/v1/runs/${run.id}/report?moved=true`, { key: 'operator' });
      assert.ok(answer.status >= 500 && answer.json.success === false, answer.text.slice(0, 300));
      assert.equal((await gateway.api(`/v1/runs/${run.id}/report`, { key: 'operator' })).status, 200);
    } finally {
      gateway.heal();
    }
  });
});

describe('the report of a huge change', () => {
  const schema = `CREATE TABLE rows (id INTEGER PRIMARY KEY, v INTEGER, name TEXT); ${many(8_000, 'rows')} i, i, 'row ' || i FROM n;`;
  let run;
  let report;
  before(async () => {
    await makeBase(gateway, schema);
    run = await runOf(gateway);
    assert.equal((await run.sql('UPDATE rows SET v = -v WHERE id <= 5000')).json.result[0].meta.changes, 5_000);
    assert.equal((await run.sql('DELETE FROM rows WHERE id > 6500')).json.result[0].meta.changes, 1_500);
    assert.equal((await run.sql("UPDATE rows SET name = 'both' WHERE id = 4999")).status, 200);
    report = await run.report();
  });

  test('counts every row, lists so many updates and says how many it leaves out', () => {
    const { inserted, updated, deleted, omitted, items } = group(report, 'rows');
    assert.deepEqual([inserted, updated, deleted], [0, 5_000, 1_500]);
    const listed = items.filter(({ change }) => change === 'updated');
    assert.deepEqual([listed.length, omitted], [1_000, 4_000]);
    assert.equal(items.length, 2_500);
    for (const { key, fields } of listed) assert.deepEqual(fields, [{ field: 'v', before: Number(key), after: -key }]);
    assert.deepEqual([report.summary.updated, report.summary.deleted], [5_000, 1_500]);
  });

  test('has every deletion with what is lost', () => {
    const gone = group(report, 'rows').items.filter(({ change }) => change === 'deleted');
    assert.deepEqual(gone.map(({ key }) => Number(key)).sort((a, b) => a - b), Array.from({ length: 1_500 }, (_, index) => 6_501 + index));
    for (const { key, fields } of gone) assert.deepEqual(fields, [{ field: 'id', before: Number(key) }, { field: 'v', before: Number(key) }, { field: 'name', before: `row ${key}` }]);
  });

  test('names every deletion in the Markdown, and counts what is not there', async () => {
    const text = await markdownOf(run.id);
    const section = text.slice(text.indexOf('## DB `rows`'));
    assert.match(section, /^## DB `rows`: 5000 updated, 1500 deleted/);
    for (let id = 6_501; id <= 8_000; id += 1) assert.ok(section.includes(`\`${id}\``), `${id} is not named`);
    assert.match(section, /- … and 5000 more, in the JSON report/);
    assert.ok(text.split('\n').length < 200, 'it stays readable');
  });
});
